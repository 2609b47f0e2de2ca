//! The charging plan of a car, as three different parts of the cloud show it.

use serde_json::{Value, json};

use super::profile::CarKind;

/// A complete charging plan; a write always replaces all of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChargePlan {
    /// Whether charging waits for the start time.
    pub enabled: bool,
    /// State of charge to stop at, %.
    pub limit: u8,
    /// Start, `HH:MM`.
    pub start: String,
    /// End, `HH:MM`.
    pub end: String,
    /// Seven flags, Monday first.
    pub days: String,
    /// Whether it repeats.
    pub repeats: bool,
    /// Whether charging may resume.
    pub recharge: bool,
    /// Time of the last write, `YYYY-MM-DD HH:MM:SS`.
    pub updated: String,
}

impl ChargePlan {
    /// The plan a car comes with: switched off, with the limit of its model.
    pub fn of(kind: CarKind) -> Self {
        Self {
            enabled: false,
            limit: kind.charge_limit(),
            start: "00:00".to_owned(),
            end: "08:00".to_owned(),
            days: "1,1,1,1,1,1,1".to_owned(),
            repeats: false,
            recharge: false,
            updated: "2026-01-01 08:00:00".to_owned(),
        }
    }

    /// Config block 3 of the status.
    pub fn config(&self) -> Value {
        json!({
            "cycles": self.days,
            "endTime": self.end,
            "percent": self.limit,
            "isEnable": u8::from(self.enabled),
            "recharge": u8::from(self.recharge),
            "beginTime": self.start,
            "updateTime": self.updated,
            "circulation": u8::from(self.repeats),
        })
    }

    /// The answer to the schedule call. The T03 knows a start time and a limit only.
    pub fn appointment(&self, kind: CarKind) -> Value {
        let mut plan = json!({
            "chargeEnable": u8::from(self.enabled),
            "chargesoc": self.limit,
            "circulation": u8::from(self.repeats),
            "starttime": self.start,
        });
        if kind != CarKind::T03 {
            plan["endtime"] = json!(self.end);
            plan["cycles"] = json!(self.days);
            plan["recharge"] = json!(u8::from(self.recharge));
        }
        plan
    }
}
