//! The charging plan as the car holds it.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use crate::vehicle::reading::{Frame, Reading};
use crate::vehicle::state::ChargePlan;

/// What a T03 without a start time sends; midnight itself cannot be told from it.
const NO_TIME: &str = "00:00";

pub(super) fn plan(frame: &Frame) -> ChargePlan {
    let setting = || frame.text(Reading::ChargeTimeSetting).filter(|time| time != NO_TIME);
    ChargePlan {
        limit: frame.code(Reading::ChargeLimit),
        enabled: frame.flag(Reading::ChargePlanEnabled),
        start: frame.text(Reading::ChargePlanStart).or_else(setting),
        end: frame.text(Reading::ChargePlanEnd),
        cycles: frame.text(Reading::ChargePlanDays),
        circulation: frame.code(Reading::ChargePlanRepeat),
        recharge: frame.code(Reading::ChargePlanRecharge),
        updated: updated(frame),
    }
}

fn updated(frame: &Frame) -> Option<Timestamp> {
    let civil: DateTime = frame.text(Reading::ChargePlanUpdated)?.parse().ok()?;
    Some(civil.to_zoned(TimeZone::UTC).ok()?.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vehicle::RawValue;

    #[test]
    fn a_start_of_midnight_in_the_short_form_is_a_placeholder() {
        let start = |reading, time: &str| {
            let mut frame = Frame::default();
            frame.readings.insert(reading, RawValue::Text(time.to_owned()));
            plan(&frame).start
        };
        assert_eq!(start(Reading::ChargeTimeSetting, "00:00"), None);
        assert_eq!(start(Reading::ChargeTimeSetting, "22:00").as_deref(), Some("22:00"));
        assert_eq!(start(Reading::ChargePlanStart, "00:00").as_deref(), Some("00:00"));
    }
}
