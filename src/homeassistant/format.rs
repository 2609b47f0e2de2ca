//! How values are written on topics, and as JSON.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::Value as Json;

use crate::vehicle::facts::Value;

/// What Home Assistant takes for "not known".
pub const UNKNOWN: &str = "None";

/// The longest state Home Assistant takes, in characters.
const MAX_STATE: usize = 255;

/// No quantity of a car comes near; a larger number is a fault and would not fit into a state.
const MAX_NUMBER: f64 = 1e15;

/// A value as a plain word; an empty text is unknown, because an empty retained payload would only delete the topic.
pub fn payload(value: Option<&Value>, time_zone: &TimeZone) -> String {
    match value {
        Some(Value::Number(number, decimals)) if number.abs() < MAX_NUMBER => decimal(*number, *decimals),
        Some(Value::Flag(flag)) => if *flag { "ON" } else { "OFF" }.to_owned(),
        Some(Value::Text(text)) if !text.trim().is_empty() => text.chars().take(MAX_STATE).collect(),
        Some(Value::Time(time)) => iso(*time, time_zone),
        Some(Value::Number(..) | Value::Text(_) | Value::Image(_)) | None => UNKNOWN.to_owned(),
    }
}

/// A value as a JSON scalar; unknown is null.
pub fn json(value: Option<&Value>, time_zone: &TimeZone) -> Json {
    match value {
        Some(Value::Number(number, decimals)) if number.abs() < MAX_NUMBER => rounded(*number, *decimals),
        Some(Value::Flag(flag)) => Json::from(*flag),
        Some(Value::Text(text)) if !text.trim().is_empty() => Json::from(text.as_str()),
        Some(Value::Time(time)) => Json::from(iso(*time, time_zone)),
        Some(Value::Number(..) | Value::Text(_) | Value::Image(_)) | None => Json::Null,
    }
}

/// A moment as ISO 8601 with the zone's offset, in whole seconds.
pub fn iso(time: Timestamp, time_zone: &TimeZone) -> String {
    time.to_zoned(time_zone.clone())
        .strftime("%Y-%m-%dT%H:%M:%S%:z")
        .to_string()
}

/// A number with so many decimals, never `-0`.
fn decimal(number: f64, decimals: u8) -> String {
    let text = format!("{number:.*}", usize::from(decimals));
    match text.strip_prefix('-') {
        Some(digits) if digits.bytes().all(|b| matches!(b, b'0' | b'.')) => digits.to_owned(),
        _ => text,
    }
}

/// A number rounded to so many decimals, as JSON; a whole one without a point.
fn rounded(number: f64, decimals: u8) -> Json {
    let text = decimal(number, decimals);
    if let Ok(whole) = text.parse::<i64>() {
        return Json::from(whole);
    }
    text.parse::<f64>().map_or(Json::Null, Json::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_the_decimals_of_their_row_and_no_negative_zero() {
        let utc = TimeZone::UTC;
        for (number, decimals, expected) in [
            (57.0, 0, "57"),
            (2.5, 2, "2.50"),
            (-0.0004, 3, "0.000"),
            (-0.4, 0, "0"),
            (-1.25, 2, "-1.25"),
            (f64::NAN, 1, "None"),
            (f64::INFINITY, 1, "None"),
            (1e300, 0, "None"),
        ] {
            assert_eq!(payload(Some(&Value::Number(number, decimals)), &utc), expected);
        }
        assert_eq!(json(Some(&Value::Number(-0.0004, 3)), &utc), Json::from(0.0));
        assert_eq!(json(Some(&Value::Number(57.0, 0)), &utc), Json::from(57));
        assert_eq!(json(Some(&Value::Number(f64::NAN, 0)), &utc), Json::Null);
    }

    #[test]
    fn moments_carry_the_offset_of_the_zone() {
        let rome = TimeZone::get("Europe/Rome").unwrap();
        let time: Timestamp = "2026-11-21T20:00:00.5Z".parse().unwrap();
        assert_eq!(payload(Some(&Value::Time(time)), &rome), "2026-11-21T21:00:00+01:00");
        assert_eq!(
            payload(Some(&Value::Time(time)), &TimeZone::UTC),
            "2026-11-21T20:00:00+00:00"
        );
    }

    #[test]
    fn a_text_is_never_empty_and_never_too_long_for_home_assistant() {
        let utc = TimeZone::UTC;
        assert_eq!(payload(Some(&Value::Text(" ".into())), &utc), "None");
        assert_eq!(payload(None, &utc), "None");
        assert_eq!(payload(Some(&Value::Text("ü".repeat(300))), &utc).chars().count(), 255);
    }
}
