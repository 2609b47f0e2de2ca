use serde_json::json;

use super::*;

fn values(form: Form) -> Values {
    let mut values = Values::new(form);
    values.declare(SOC, json!(71));
    values.declare(SOC_PRECISE, json!(71.4));
    values.declare(LOCKED, if form == Form::Named { json!(true) } else { json!(1) });
    values
}

fn patch(values: &mut Values, changes: &Value) {
    values.patch(changes.as_object().unwrap());
}

#[test]
fn small_steps_add_up_although_whole_numbers_are_sent() {
    let mut values = values(Form::Named);
    for _ in 0..10 {
        values.set(SOC, values.number(SOC) + 0.1);
    }
    assert_eq!(values.wire()["soc"], 72);
}

#[test]
fn a_patch_takes_numbers_or_names_and_wins_over_what_was_there() {
    let mut named = values(Form::Named);
    named.set(SOC, 70.6);
    patch(
        &mut named,
        &json!({"1204": 55, "driverDoorLockStatus": false, "99999": "x"}),
    );
    assert_eq!(named.wire()["soc"], 55);
    assert_eq!(named.number(SOC), 55.0);
    assert_eq!(named.wire()["driverDoorLockStatus"], false);
    assert_eq!(named.wire()["99999"], "x");
}

/// Names that the table gives to the absolute coordinates and the T03 to its position, which is the signed one here.
const OF_THE_POSITION: [&str; 2] = ["longitude", "latitude"];

/// Number and name of every row of the signal table that has both.
fn rows() -> impl Iterator<Item = (&'static str, &'static str)> {
    let table = include_str!("../../../../tests/data/protocol/signals.csv");
    // The first columns carry no quotes.
    let cells = table.lines().skip(1).map(|line| line.split(',').collect::<Vec<_>>());
    let both = cells.map(|cells| (cells[0], cells[2]));
    both.filter(|(id, name)| !name.is_empty() && id.bytes().all(|byte| byte.is_ascii_digit()) && !id.is_empty())
}

#[test]
fn every_name_of_the_signal_table_leads_to_its_number() {
    let mut count = 0;
    for (id, name) in rows() {
        // Client A mixes the wheels up; the T03 has them by their right names.
        if name.ends_with(" (A)") || OF_THE_POSITION.contains(&name) {
            continue;
        }
        assert_eq!(known(name).map(|signal| signal.id), Some(id), "{name}");
        count += 1;
    }
    assert!(count > 70, "{count}");
    for pair in NAMES {
        assert!(rows().any(|(id, name)| (name, id) == pair), "{pair:?}");
    }
}

#[test]
fn a_name_of_the_table_reaches_a_car_that_answers_in_numbers() {
    let mut values = super::super::profile::CarKind::B10.values();
    let changes = json!({"interiorTemp": 30, "batteryThermalRequest": 4, "preciseSoc": 49.8});
    assert_eq!(values.unknown(changes.as_object().unwrap()), None);
    patch(&mut values, &changes);
    assert_eq!(values.wire()["1349"], 30);
    assert_eq!(values.wire()["1186"], 4);
    assert_eq!(values.wire()["1204"], 50);
    assert!(!values.wire().contains_key("interiorTemp"));
}

#[test]
fn a_name_that_means_nothing_to_the_car_is_found() {
    let unknown = |form, changes: Value| {
        let changes = changes.as_object().unwrap().clone();
        Values::new(form).unknown(&changes).map(str::to_owned)
    };
    let found = |name: &str| Some(name.to_owned());
    assert_eq!(unknown(Form::Numbered, json!({"soc": 1, "sco": 2})), found("sco"));
    assert_eq!(unknown(Form::Named, json!({"": 2})), found(""));
    // Only the T03 knows it, and it has no number.
    assert_eq!(unknown(Form::Numbered, json!({"outdoorTemp": 9})), found("outdoorTemp"));
    assert_eq!(
        unknown(Form::Named, json!({"outdoorTemp": 9, "sts": 1, "99999": 1})),
        None
    );
}

#[test]
fn a_number_given_as_text_takes_its_twin_along() {
    let mut values = values(Form::Numbered);
    patch(&mut values, &json!({"1204": "55"}));
    assert_eq!(values.wire()["1204"], "55");
    assert_eq!(values.wire()["100003"], 55.0);
}

#[test]
fn the_two_times_of_a_named_frame_follow_each_other() {
    let mut values = values(Form::Named);
    values.declare(SENT_AT, json!(1));
    values.declare(COLLECT_TIME, json!("2026-01-01 00:00:00"));
    patch(&mut values, &json!({"collectTime": "2026-09-21 14:13:23"}));
    assert_eq!(values.wire()["collectTimeMs"], 1_790_000_003_000_i64);
    patch(&mut values, &json!({"collectTimeMs": 1_790_000_063_000_i64}));
    assert_eq!(values.wire()["collectTime"], "2026-09-21 14:14:23");
    patch(&mut values, &json!({"collectTime": "some day"}));
    assert_eq!(values.wire()["collectTime"], "some day");
    assert_eq!(values.wire()["collectTimeMs"], Value::Null);
    patch(
        &mut values,
        &json!({"collectTime": "2020-01-01 00:00:00", "collectTimeMs": 7}),
    );
    assert_eq!(values.wire()["collectTimeMs"], 7);
}

#[test]
fn both_readings_of_the_battery_level_follow_one_patch() {
    let mut values = values(Form::Numbered);
    patch(&mut values, &json!({"soc": 55}));
    assert_eq!(values.wire()["1204"], 55);
    assert_eq!(values.wire()["100003"], 55.0);
    patch(&mut values, &json!({"1204": 50, "100003": 49.8}));
    assert_eq!(values.wire()["100003"], 49.8);
}

#[test]
fn a_signal_the_car_lacks_stays_absent_and_a_boolean_stays_one() {
    let mut values = values(Form::Named);
    values.set(ROOF, 100.0);
    assert!(!values.has(ROOF));
    values.switch(LOCKED, false);
    assert_eq!(values.wire()["driverDoorLockStatus"], false);
}
