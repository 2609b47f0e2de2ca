//! Schedules as the cloud holds them. A write replaces a whole list, so entries are kept as they came.

use jiff::civil::DateTime;
use serde_json::{Map, Value};

use super::envelope;
use super::error::CloudError;
use super::lenient;
use super::request::Call;
use super::session::Session;
use crate::vehicle::Vin;
use crate::vehicle::state::ChargePlan;

const SCHEDULE: &str = "/carownerservice/oversea/vehicle/v1/app/remote/ctl/getAppointment";

/// The command that writes the charging plan, by which it is read too.
const CHARGE_PLAN: i64 = 190;

/// What a list of schedules is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScheduleKind {
    /// Battery heating.
    BatteryPreheat,
    /// Air conditioning.
    Climate,
    /// Preparing the car.
    PrepareCar,
    /// Installing a software update.
    SoftwareInstall,
}

impl ScheduleKind {
    /// The command that writes such a list, by which it is read too.
    fn command(self) -> i64 {
        match self {
            Self::BatteryPreheat => 161,
            Self::Climate => 171,
            Self::PrepareCar => 361,
            Self::SoftwareInstall => 392,
        }
    }
}

/// One entry of a list of schedules, with the cloud's own names and values, known to us or not.
pub type ScheduleEntry = Map<String, Value>;

/// What an entry says, as far as it can be read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Appointment {
    /// Whether it is active. Not known to be so counts as not.
    pub enabled: bool,
    /// Local time of the car.
    pub start: Option<DateTime>,
    /// 0 = Sunday to 6 = Saturday; empty = once.
    pub days: Vec<u8>,
}

impl Appointment {
    /// Reads an entry. Climate says `on`, a preparation `enable`.
    pub fn of(entry: &ScheduleEntry) -> Self {
        let entry = Value::Object(entry.clone());
        let on = ["on", "enable"].into_iter().find_map(|name| entry.get(name));
        let days = lenient::items(entry.get("days")).iter();
        Self {
            enabled: on.is_some_and(|on| *on == Value::Bool(true) || *on == "1" || *on == 1),
            start: lenient::text(&entry, "start_time")
                .and_then(|text| DateTime::strptime("%Y-%m-%d %H:%M:%S", text).ok()),
            days: days.filter_map(day).collect(),
        }
    }
}

/// The days of an entry, empty for one that happens once; `None` when they cannot all be read, so that nothing follows
/// from them.
pub fn days(entry: &ScheduleEntry) -> Option<Vec<u8>> {
    lenient::items(entry.get("days")).iter().map(day).collect()
}

fn day(value: &Value) -> Option<u8> {
    u8::try_from(lenient::value_integer(value)?).ok()
}

impl Session {
    /// A list of schedules. Without the right to see it there are none.
    pub async fn schedules(&self, vin: &Vin, kind: ScheduleKind) -> Result<Vec<ScheduleEntry>, CloudError> {
        let schedule = self.schedule(vin, kind.command()).await?;
        let controls = schedule
            .as_ref()
            .map_or(&[][..], |schedule| lenient::items(schedule.get("controls")));
        Ok(controls.iter().filter_map(Value::as_object).cloned().collect())
    }

    /// The charging plan, with what the cloud left out unknown; `None` when there is none.
    pub async fn charge_plan(&self, vin: &Vin) -> Result<Option<ChargePlan>, CloudError> {
        Ok(self.schedule(vin, CHARGE_PLAN).await?.as_ref().map(charge_plan))
    }

    async fn schedule(&self, vin: &Vin, command: i64) -> Result<Option<Value>, CloudError> {
        let call = Call::form(SCHEDULE).text("vin", vin.as_str()).number("cmdId", command);
        match envelope::schedule_data(&self.call(call).await?) {
            Ok(data) => Ok(object(data)),
            Err(CloudError::NotPermitted | CloudError::NoData) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// A text that contains JSON, or the object itself. What is neither holds no schedule.
fn object(data: Value) -> Option<Value> {
    let schedule = match data {
        Value::String(text) => serde_json::from_str(&text).ok()?,
        data => data,
    };
    schedule
        .as_object()
        .is_some_and(|fields| !fields.is_empty())
        .then_some(schedule)
}

/// The charging plan in `data` of the schedule call.
#[cfg(test)]
pub(super) fn read_charge_plan(data: Value) -> Option<ChargePlan> {
    object(data).as_ref().map(charge_plan)
}

fn charge_plan(schedule: &Value) -> ChargePlan {
    let text = |name| lenient::text(schedule, name).filter(|text| !text.is_empty());
    ChargePlan {
        limit: lenient::integer(schedule, "chargesoc"),
        enabled: lenient::integer(schedule, "chargeEnable").map(|enabled| enabled != 0),
        start: text("starttime"),
        end: text("endtime"),
        cycles: text("cycles"),
        circulation: lenient::integer(schedule, "circulation"),
        recharge: lenient::integer(schedule, "recharge"),
        updated: None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn days_come_as_numbers_and_as_texts() {
        let entry = |days: Value| ScheduleEntry::from_iter([("days".to_owned(), days)]);
        let read = |days: Value| (Appointment::of(&entry(days.clone())).days, super::days(&entry(days)));
        for (given, shown, certain) in [
            (json!([1, 2]), vec![1, 2], Some(vec![1, 2])),
            (json!(["1", "2"]), vec![1, 2], Some(vec![1, 2])),
            (json!([]), vec![], Some(vec![])),
            (json!(null), vec![], Some(vec![])),
            (json!(["monday", 2]), vec![2], None),
            (json!("1,2"), vec![], None),
            (json!([-1]), vec![], None),
        ] {
            assert_eq!(read(given.clone()), (shown, certain), "{given}");
        }
        assert_eq!(super::days(&ScheduleEntry::new()), Some(vec![]));
    }
}
