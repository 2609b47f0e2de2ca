//! The charging plan (190): changed in one part, written as a whole.

use serde_json::{Value, json};

use super::{Context, PayloadError};
use crate::vehicle::command::ChargeScheduleChange;
use crate::vehicle::state::ChargePlan;

/// What a plan holds where neither the car nor the caller says anything.
mod unset {
    pub const LIMIT: i64 = 80;
    pub const START: &str = "00:00";
    pub const END: &str = "08:00";
    /// Older clients write `1,2,3,4,5,6,7`, which is not the seven flags that the car reads back.
    pub const CYCLES: &str = "1,1,1,1,1,1,1";
}

/// The whole plan with the change in it, as the cloud replaces all of it.
pub fn write(change: &ChargeScheduleChange, context: &Context<'_>) -> Result<Value, PayloadError> {
    let nothing_is_kept = change.enabled.is_some()
        && change.percent.is_some()
        && change.start.is_some()
        && change.end.is_some()
        && change.cycles.is_some()
        && change.circulation.is_some()
        && change.recharge.is_some();
    let empty = ChargePlan::default();
    let plan = match context.plan {
        Some(plan) => plan,
        None if nothing_is_kept => &empty,
        None => return Err(PayloadError::PlanUnknown),
    };
    let start = change.start.as_deref().or(plan.start.as_deref());
    // Switching a plan whose times nobody knows would put our own in place of the owner's.
    if change.enabled.is_some() && start.is_none() {
        return Err(PayloadError::PlanUnknown);
    }
    let enabled = change.enabled.or(plan.enabled).unwrap_or(false);
    Ok(json!({
        "chargeEnable": i64::from(enabled),
        "chargesoc": change.percent.map(i64::from).or(plan.limit).unwrap_or(unset::LIMIT),
        "circulation": change.circulation.map(i64::from).or(plan.circulation).unwrap_or(0),
        "cycles": change.cycles.as_deref().or(plan.cycles.as_deref()).unwrap_or(unset::CYCLES),
        "endtime": change.end.as_deref().or(plan.end.as_deref()).unwrap_or(unset::END),
        "recharge": change.recharge.map(i64::from).or(plan.recharge).unwrap_or(0),
        "starttime": start.unwrap_or(unset::START),
    }))
}
