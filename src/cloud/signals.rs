//! Decoding of a status answer into a [`Frame`].
//!
//! Tolerant by design: any value may be missing, null, a text or a flag, and a value that cannot be read counts as
//! missing, so that the next place is asked. Personal data (bluetooth address, digital key) is not decoded at all.
//! The table of places is `table.rs`.

mod table;

use std::collections::BTreeSet;
use std::sync::LazyLock;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde_json::{Map, Value};

use crate::vehicle::reading::{Coordinate, SignOrigin};
use crate::vehicle::{Frame, RawValue};

use table::{Kind, Source};

/// Epoch times up to here are seconds, above it milliseconds.
const LARGEST_EPOCH_SECONDS: f64 = 9_999_999_999.0;

/// Reads `data` of a status answer. Whatever it is, the result is a frame; an empty one if nothing could be read.
pub fn decode(data: &Value) -> Frame {
    let answer = Answer::of(data);
    let readings = table::ROWS.iter().filter_map(|row| {
        let value = row
            .sources
            .iter()
            .find_map(|&source| scalar(answer.get(source)?, row.kind))?;
        Some((row.reading, value))
    });
    Frame {
        vehicle_time: answer.vehicle_time(),
        latitude: answer.coordinate(table::LATITUDE),
        longitude: answer.coordinate(table::LONGITUDE),
        readings: readings.collect(),
        unknown: answer.unknown().collect(),
    }
}

/// The parts of a status answer that are objects, as they should be.
#[derive(Default)]
struct Answer<'a> {
    fields: Option<&'a Map<String, Value>>,
    signals: Option<&'a Map<String, Value>>,
    config: Option<&'a Map<String, Value>>,
}

impl<'a> Answer<'a> {
    fn of(data: &'a Value) -> Self {
        let part = |name| data.get(name).and_then(Value::as_object);
        Self {
            fields: data.as_object(),
            signals: part("signal"),
            config: part("config"),
        }
    }

    fn field(&self, name: &str) -> Option<&'a Value> {
        self.fields?.get(name)
    }

    fn get(&self, source: Source) -> Option<&'a Value> {
        match source {
            Source::Field(name) => self.field(name),
            Source::Signal(id) => self.signals?.get(id.to_string().as_str()),
            Source::Config(block, key) => self.config?.get(block)?.get(key),
        }
    }

    fn coordinate(&self, sources: &[(Source, SignOrigin)]) -> Option<Coordinate> {
        sources.iter().find_map(|&(source, origin)| {
            let degrees = scalar(self.get(source)?, Kind::Number)?.number()?;
            Some(Coordinate { degrees, origin })
        })
    }

    fn vehicle_time(&self) -> Option<Timestamp> {
        let named = table::TIME_FIELDS.iter().map(|name| self.field(name));
        let signal = self.signals.and_then(|signals| signals.get(table::TIME_SIGNAL));
        let gateway = self.get(Source::Signal(table::GATEWAY_TIME_SIGNAL));
        named
            .chain([signal, gateway, self.field(table::CREATED_FIELD)])
            .flatten()
            .find_map(moment)
    }

    fn unknown(&self) -> impl Iterator<Item = (u32, RawValue)> {
        self.signals.into_iter().flatten().filter_map(|(id, value)| {
            let id = id.parse().ok().filter(|id| !KNOWN_SIGNALS.contains(id))?;
            Some((id, scalar(value, Kind::Number).or_else(|| scalar(value, Kind::Text))?))
        })
    }
}

/// Every signal number that has a meaning.
static KNOWN_SIGNALS: LazyLock<BTreeSet<u32>> = LazyLock::new(|| {
    let readings = table::ROWS.iter().flat_map(|row| row.sources.iter().copied());
    let axes = [table::LATITUDE, table::LONGITUDE];
    let coordinates = axes.iter().flat_map(|axis| axis.iter().map(|(source, _)| *source));
    let numbered = readings.chain(coordinates).filter_map(|source| match source {
        Source::Signal(id) => Some(id),
        Source::Field(_) | Source::Config(..) => None,
    });
    numbered.chain([table::GATEWAY_TIME_SIGNAL]).collect()
});

/// Reads one value; what is not of the wanted kind counts as missing.
fn scalar(value: &Value, kind: Kind) -> Option<RawValue> {
    match (kind, value) {
        (Kind::Number, Value::Number(number)) => finite(number.as_f64()?),
        (Kind::Number, Value::Bool(flag)) => finite(f64::from(*flag)),
        (Kind::Number, Value::String(text)) => finite(text.trim().parse().ok()?),
        (Kind::Text, Value::Number(number)) => Some(RawValue::Text(number.to_string())),
        (Kind::Text, Value::String(text)) => {
            let text = text.trim();
            (!text.is_empty()).then(|| RawValue::Text(text.to_owned()))
        }
        _ => None,
    }
}

/// Rust reads `inf` and `NaN` as numbers; a car does not mean them.
fn finite(number: f64) -> Option<RawValue> {
    number.is_finite().then_some(RawValue::Number(number))
}

/// Reads a moment: epoch milliseconds or seconds, or a date and time that is UTC unless it says otherwise. Zero and
/// below are placeholders.
fn moment(value: &Value) -> Option<Timestamp> {
    if let Some(RawValue::Number(epoch)) = scalar(value, Kind::Number) {
        return from_epoch(epoch);
    }
    let text = value.as_str()?.trim();
    let moment = text.parse::<Timestamp>().ok().or_else(|| {
        let civil: DateTime = text.parse().ok()?;
        Some(civil.to_zoned(TimeZone::UTC).ok()?.timestamp())
    })?;
    (moment > Timestamp::UNIX_EPOCH).then_some(moment)
}

fn from_epoch(epoch: f64) -> Option<Timestamp> {
    let milliseconds = if epoch <= LARGEST_EPOCH_SECONDS {
        epoch * 1000.0
    } else {
        epoch
    };
    if milliseconds < 1.0 {
        return None;
    }
    #[allow(
        clippy::cast_possible_truncation,
        reason = "the cast saturates, and jiff refuses what lies outside its range"
    )]
    Timestamp::from_millisecond(milliseconds as i64).ok()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::vehicle::Reading;

    const SIGNALS: &str = include_str!("../../tests/data/protocol/signals.csv");

    /// Rows without a reading of their own, with the reason.
    const EXCEPTIONS: &[(&str, &str)] = &[
        ("collect_time", "the time of the frame"),
        ("gateway_time", "the time of the frame where the car's own is missing"),
        ("longitude", "a coordinate"),
        ("latitude", "a coordinate"),
        ("longitude_abs", "a coordinate"),
        ("latitude_abs", "a coordinate"),
        ("longitude_abs_legacy", "a coordinate"),
        ("latitude_abs_legacy", "a coordinate"),
        ("bluetooth_address", "personal data"),
        ("bluetooth_key_mac", "personal data"),
        ("unknown_3273", "no meaning known, kept by number"),
        ("unknown_3366", "no meaning known, kept by number"),
        ("unknown_3709", "no meaning known, kept by number"),
        ("unknown_3710", "no meaning known, kept by number"),
        ("unknown_3711", "no meaning known, kept by number"),
        ("unknown_3712", "no meaning known, kept by number"),
        ("unknown_3734", "no meaning known, kept by number"),
        ("unknown_3735", "no meaning known, kept by number"),
    ];

    #[test]
    fn every_row_of_the_signal_table_is_decoded_or_excepted() {
        let mut excepted: BTreeMap<_, _> = EXCEPTIONS.iter().copied().collect();
        for line in SIGNALS.lines().skip(1) {
            // The first three columns never carry quotes.
            let [id, name, field] = *line.splitn(4, ',').take(3).collect::<Vec<_>>() else {
                panic!("a row with fewer than three columns: {line}");
            };
            if excepted.remove(name).is_some() {
                continue;
            }
            let reading = Reading::from_name(name).unwrap_or_else(|| panic!("no reading {name}"));
            let row = table::ROWS.iter().find(|row| row.reading == reading).unwrap();
            // Names that one source gives to other wheels are marked.
            let field = if field.ends_with(" (A)") { "" } else { field };
            let place = match id.strip_prefix("config.3.").or_else(|| id.strip_prefix("config.4.")) {
                Some(key) => row
                    .sources
                    .iter()
                    .any(|s| matches!(s, Source::Config(_, k) if *k == key)),
                None if id.is_empty() => true,
                None => row.sources.iter().any(|source| match source {
                    Source::Signal(number) => number.to_string() == id,
                    Source::Field(name) => *name == id,
                    Source::Config(..) => false,
                }),
            };
            assert!(place, "{name} is not read from {id}");
            let named = row
                .sources
                .iter()
                .any(|s| matches!(s, Source::Field(name) if *name == field));
            assert!(field.is_empty() || named, "{name} is not read from {field}");
        }
        assert_eq!(excepted, BTreeMap::new(), "exceptions without a row");
    }

    #[test]
    fn every_reading_has_exactly_one_row() {
        for reading in Reading::ALL {
            let rows = table::ROWS.iter().filter(|row| row.reading == *reading).count();
            assert_eq!(rows, 1, "{reading:?}");
        }
    }

    #[test]
    fn named_fields_win_over_signals_and_null_is_missing() {
        let frame = decode(&json!({ "soc": 12, "speed": null, "signal": { "1204": 71, "1319": 4 } }));
        assert_eq!(frame.number(Reading::Soc), Some(12.0));
        assert_eq!(frame.number(Reading::Speed), Some(4.0));
    }

    #[test]
    fn numbers_come_as_text_and_flags_too() {
        let signals =
            json!({ "1204": " 66 ", "1258": true, "1319": "fast", "1010": [0], "1178": "NaN", "1177": "inf" });
        let frame = decode(&json!({ "signal": signals }));
        assert_eq!(frame.number(Reading::Soc), Some(66.0));
        assert_eq!(frame.number(Reading::KeyOn3), Some(1.0));
        for reading in [
            Reading::Speed,
            Reading::Gear,
            Reading::BatteryCurrent,
            Reading::BatteryVoltage,
        ] {
            assert_eq!(frame.raw(reading), None, "{reading:?}");
        }
    }

    #[test]
    fn a_coordinate_remembers_how_far_its_sign_can_be_trusted() {
        let longitude = |data: Value| decode(&data).longitude.map(|axis| (axis.degrees, axis.origin));
        let absolute = json!({ "signal": { "2": null, "3724": 9.1, "2191": 9.2 } });
        assert_eq!(longitude(absolute), Some((9.1, SignOrigin::Absolute)));
        let signed = json!({ "signal": { "2": -9.1, "3724": 9.1 } });
        assert_eq!(longitude(signed), Some((-9.1, SignOrigin::Signed)));
        let named = json!({ "longitude": 9.3, "signal": { "2": -9.1 } });
        assert_eq!(longitude(named), Some((9.3, SignOrigin::Unstated)));
    }

    #[test]
    fn the_time_of_a_frame_is_read_in_every_form() {
        let seconds = |data: Value| decode(&data).vehicle_time.map(Timestamp::as_second);
        let expected = Some(1_790_000_003);
        for data in [
            json!({ "signal": { "sts": 1_790_000_003_360_i64 } }),
            json!({ "signal": { "sts": "1790000003" } }),
            json!({ "signal": { "1": 1_790_000_003_000_i64, "sts": 0 } }),
            json!({ "collectTimeMs": 1_790_000_003_000_i64, "collectTime": "2020-01-01 00:00:00" }),
            json!({ "collectTimeMs": -5, "collectTime": "2026-09-21 14:13:23" }),
            json!({ "collectTime": "2026-09-21T16:13:23+02:00" }),
            json!({ "collectTime": "bad time", "createTime": "2026-09-21 14:13:23" }),
        ] {
            assert_eq!(seconds(data.clone()), expected, "{data}");
        }
        for data in [
            json!({ "collectTime": "" }),
            json!({ "signal": { "sts": 1e300 } }),
            json!({ "signal": { "sts": false } }),
        ] {
            assert_eq!(seconds(data.clone()), None, "{data}");
        }
    }

    #[test]
    fn signals_without_a_name_are_kept_by_number() {
        let frame =
            decode(&json!({ "signal": { "3273": 100, "424242": "text", "1204": 5, "2": 9.0, "1": 5, "x": 1 } }));
        let number = |number| RawValue::Number(number);
        let expected = [(3273, number(100.0)), (424_242, RawValue::Text("text".to_owned()))];
        assert_eq!(frame.unknown, expected.into());
    }

    #[test]
    fn text_stays_text_even_when_it_looks_like_a_number() {
        let config =
            json!({ "3": { "cycles": "1,1,1,1,1,0,0", "beginTime": "23:15" }, "4": { "version": "2.0", "mac": "AA" } });
        let frame = decode(&json!({ "config": config, "bluetoothAddr": "AA:BB" }));
        assert_eq!(frame.text(Reading::BluetoothKeyVersion).as_deref(), Some("2.0"));
        assert_eq!(frame.text(Reading::ChargePlanDays).as_deref(), Some("1,1,1,1,1,0,0"));
        assert!(!format!("{frame:?}").contains("AA"), "personal data was decoded");
    }

    #[test]
    fn what_is_not_an_object_is_an_empty_frame() {
        for data in [
            json!(null),
            json!([1]),
            json!("x"),
            json!({ "signal": "none", "config": 3 }),
        ] {
            assert_eq!(decode(&data), Frame::default(), "{data}");
        }
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            ".{0,12}".prop_map(Value::from),
        ];
        let key = prop_oneof![
            Just("signal".to_owned()),
            Just("config".to_owned()),
            Just("3".to_owned()),
            Just("sts".to_owned()),
            Just("collectTime".to_owned()),
            Just("beginTime".to_owned()),
            "[0-9]{1,6}",
            ".{0,6}",
        ];
        leaf.prop_recursive(3, 40, 10, move |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                proptest::collection::btree_map(key.clone(), inner, 0..8)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn decoding_never_panics(data in any_json()) {
            let frame = decode(&data);
            prop_assert!(frame.readings.values().filter_map(RawValue::number).all(f64::is_finite));
        }
    }
}
