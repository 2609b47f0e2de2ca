//! Every recorded command of `vectors.json`, and what the vectors do not say.

use std::sync::LazyLock;

use jiff::civil::date;
use serde_json::Map;

use super::place::degrees;
use super::schedule::next_start;
use super::*;
use crate::cloud::schedules::read_charge_plan;
use crate::vehicle::command::registry::{self, COMMANDS, find, parse};

const VECTORS: &str = include_str!("../../../tests/data/protocol/vectors.json");

/// Where we write something else than the client a vector was recorded from, and why.
#[derive(serde::Deserialize)]
struct Deviation {
    /// The section of the vectors it concerns; `*` is every one but the field-proven.
    section: String,
    command: String,
    /// What the client wrote.
    recorded: String,
    /// What we write.
    written: String,
}

static DEVIATIONS: LazyLock<Vec<Deviation>> = LazyLock::new(|| {
    let table = include_str!("../../../tests/data/protocol/deviations.json");
    serde_json::from_str(table).unwrap()
});

/// Commands whose default in the action table is an empty shell: we want their parameters instead.
const NEEDS_PARAMETERS: &[&str] = &[
    "ac-schedule",
    "set-charge-limit",
    "set-charge-schedule",
    "send-destination",
    "set-speed-limit",
    "fota-download",
    "fota-install",
    "fota-schedule",
    "rear-seats",
    "prepare-car-schedule",
    "seat-adjust",
    "piloted-parking",
];

fn section(name: &str) -> Vec<Value> {
    let vectors: Value = serde_json::from_str(VECTORS).unwrap();
    vectors[name].as_array().unwrap().clone()
}

/// The deviation for what a client wrote, if there is one. The field-proven section has the last word: nothing deviates
/// from it.
fn deviation(section: &str, command: &str, recorded: &str) -> Option<usize> {
    DEVIATIONS.iter().position(|row| {
        let applies = row.section == section || (row.section == "*" && section != "commands_field_proven");
        applies && row.command == command && row.recorded == recorded
    })
}

/// A moment before every start time of the vectors.
fn context(plan: Option<&ChargePlan>) -> Context<'_> {
    Context {
        now: Timestamp::constant(1_747_382_400, 0),
        local_now: date(2025, 5, 16).at(9, 0, 0, 0),
        plan,
        schedule: None,
        offered_update: None,
        seed: 0,
    }
}

/// Blanks out the date of repeating entries and the time of writing, which follow the clock.
fn masked(content: &str) -> String {
    let mut value: Value = serde_json::from_str(content).unwrap();
    for entry in value["controls"].as_array_mut().into_iter().flatten() {
        if entry.get("update_time").is_some() {
            entry["update_time"] = json!("now");
        }
        if entry["days"] != json!([]) {
            let time = entry["start_time"].as_str().unwrap()[11..].to_owned();
            entry["start_time"] = json!(time);
        }
    }
    value.to_string()
}

#[track_caller]
fn check(section: &str, name: &str, params: &Map<String, Value>, model: &str, vector: &Value, content: &str) {
    let mut params = params.clone();
    // The recorded answer of the schedule call is not a parameter; without one the client had not asked.
    let plan = params
        .remove("schedule_response")
        .map_or_else(ChargePlan::default, |data| read_charge_plan(data).unwrap_or_default());
    let command = parse(name, &params).unwrap_or_else(|error| panic!("{section} {name} {params:?}: {error}"));
    let written = payload(&command, &Model::parse(model), &context(Some(&plan))).unwrap();
    assert_eq!(
        written.cmd_id.to_string(),
        vector["cmd_id"].as_str().unwrap(),
        "{section} {name}"
    );
    let expected = deviation(section, name, content).map_or(content, |index| &DEVIATIONS[index].written);
    // Compared as text, so that spelling and key order count.
    assert_eq!(
        masked(&written.content),
        masked(expected),
        "{section} {name} {params:?}"
    );
    if let Some(pin) = vector["needs_pin"]
        .as_bool()
        .or(vector["sends_operate_password"].as_bool())
    {
        assert_eq!(command.spec().needs_pin, pin, "{section} {name}");
    }
}

#[test]
fn recorded_commands_are_written_as_recorded_or_as_the_deviations_say() {
    let mut count = 0;
    for section_name in ["commands", "commands_field_proven"] {
        for vector in section(section_name) {
            let name = vector["command"].as_str().unwrap();
            let params = vector["params"].as_object().unwrap();
            let model = vector["car_type"].as_str().unwrap();
            count += 1;
            if vector["error"].is_null() {
                let content = vector["cmd_content"].as_str().unwrap();
                check(section_name, name, params, model, &vector, content);
                continue;
            }
            let reason = parse(name, params).expect_err(name).reason;
            let recorded = [Reason::OutOfRange, Reason::InvalidPayload, Reason::MissingParameter];
            assert!(recorded.contains(&reason), "{name} {params:?}: {reason}");
        }
    }
    assert_eq!(count, 149);
}

#[test]
fn the_action_tables_name_known_commands_with_their_id_content_right_and_pin() {
    for table in ["action_table", "home_assistant_action_table"] {
        for vector in section(table) {
            let name = vector["action"].as_str().unwrap();
            let row = find(name).unwrap_or_else(|| panic!("{name} is not in the registry"));
            if let Some(right) = vector["required_right"].as_u64() {
                assert!(
                    row.right.iter().any(|known| u64::from(*known) == right),
                    "{name}: {right}"
                );
                assert_eq!(row.needs_pin, vector["requires_pin"].as_bool().unwrap(), "{name}");
            }
            if NEEDS_PARAMETERS.contains(&name) {
                let reason = parse(name, &Map::new()).expect_err(name).reason;
                assert_eq!(reason, Reason::MissingParameter, "{name}");
                continue;
            }
            // Preparing without further word has no recorded content.
            let content = match vector["cmd_content_default"].as_str().unwrap() {
                "" => PREPARE_DEFAULT,
                content => content,
            };
            check(table, name, &Map::new(), "C10", &vector, content);
        }
    }
}

const PREPARE_DEFAULT: &str = r#"{"air_condition":{"mode":"cold","temperature":"18","circle":"in","windlevel":"7","wshld":"1","operate":"manual","position":"all","enable":true}}"#;

#[test]
fn every_deviation_is_needed() {
    let mut needed = std::collections::BTreeSet::new();
    for (name, command, content) in [
        ("commands", "command", "cmd_content"),
        ("action_table", "action", "cmd_content_default"),
        ("home_assistant_action_table", "action", "cmd_content_default"),
    ] {
        for vector in section(name) {
            let content = vector[content].as_str().unwrap_or_default();
            needed.extend(deviation(name, vector[command].as_str().unwrap(), content));
        }
    }
    assert_eq!(needed.len(), DEVIATIONS.len(), "{needed:?}");
}

#[test]
fn recorded_limits_of_values_are_ours() {
    for vector in section("command_validation") {
        let (name, parameter) = match vector["spec"].as_str().unwrap() {
            "climate windlevel" => ("set-climate", "windlevel"),
            name => (name, "value"),
        };
        let params = Map::from_iter([(parameter.to_owned(), vector["value"].clone())]);
        let parsed = parse(name, &params);
        let Some(content) = vector["cmd_content"].as_str() else {
            assert_eq!(parsed.unwrap_err().reason, Reason::OutOfRange, "{vector}");
            continue;
        };
        // The old spelling of neither and of the windshield, as in the deviations.
        let content = content
            .replace("wind\"", "nohotcold\"")
            .replace(r#""wshld":"0""#, r#""wshld":"1""#);
        let written = payload(&parsed.unwrap(), &Model::C10, &context(None)).unwrap();
        assert_eq!(written.content, content);
    }
}

#[test]
fn every_command_of_the_command_table_is_known_and_written_under_its_id() {
    let table = include_str!("../../../tests/data/protocol/commands.csv");
    for line in table.lines().skip(1) {
        let name = line.split([',', '@']).next().unwrap();
        let row = find(name).unwrap_or_else(|| panic!("{name} is not in the registry"));
        let command = registry::tests::example(row);
        let written = payload(&command, &Model::C10, &context(Some(&ChargePlan::default()))).unwrap();
        let id = line
            .trim_start_matches(|character| character != ',')
            .split(',')
            .nth(1)
            .unwrap();
        assert_eq!(written.cmd_id.to_string(), id, "{name}");
    }
    let held = entries(json!([{"set_id": "a", "start_time": "2025-05-16 10:00:00", "days": []}]));
    let plan = ChargePlan::default();
    for row in COMMANDS {
        let command = registry::tests::example(row);
        let context = Context {
            schedule: Some(&held),
            ..context(Some(&plan))
        };
        payload(&command, &Model::B10, &context).unwrap();
    }
}

/// A list of schedules as the cloud holds it.
fn entries(list: Value) -> Vec<ScheduleEntry> {
    serde_json::from_value(list).unwrap()
}

#[test]
fn a_schedule_is_switched_with_all_that_its_entries_say() {
    let held = entries(json!([
        {"mode": "cold", "on": "1", "set_id": "ios_x1", "start_time": "2025-05-12 07:30:00", "update_time": "1",
         "days": [1, 2], "circle": null, "of the future": {"x": 1}},
        {"on": "0", "set_id": "once", "start_time": "2025-05-16 09:30:00", "update_time": "2", "days": []},
        {"on": "1", "set_id": "begun", "start_time": "2025-05-16 08:30:00", "days": []},
        {"on": "1", "set_id": "odd", "start_time": "soon"},
    ]));
    let switched = |command: &Command, held: Option<&[ScheduleEntry]>| {
        let context = Context {
            schedule: held,
            ..context(None)
        };
        payload(command, &Model::C10, &context).map(|written| (written.cmd_id, written.content))
    };
    let (id, content) = switched(&Command::ClimateScheduleSwitch(false), Some(&held)).unwrap();
    assert_eq!(id, 171);
    // The next Monday or Tuesday from Friday, 16 May 2025; the entry that has begun is gone.
    let expected = concat!(
        r#"{"controls":[{"mode":"cold","on":"0","set_id":"ios_x1","start_time":"2025-05-19 07:30:00","#,
        r#""update_time":"1747382400000","days":[1,2],"circle":null,"of the future":{"x":1}},"#,
        r#"{"on":"0","set_id":"once","start_time":"2025-05-16 09:30:00","update_time":"1747382400000","days":[]},"#,
        r#"{"on":"0","set_id":"odd","start_time":"soon"}]}"#
    );
    assert_eq!(content, expected);
    let preparation = entries(
        json!([{"datacontent": {}, "days": [0], "enable": false, "set_id": "p", "start_time": "2025-05-11 07:30:00", "name": "Sunday"}]),
    );
    let (id, content) = switched(&Command::PrepareCarScheduleSwitch(true), Some(&preparation)).unwrap();
    assert_eq!(id, 361);
    assert!(
        content.contains(r#""enable":true"#) && content.contains(r#""name":"Sunday""#),
        "{content}"
    );
    for (held, error) in [
        (None, PayloadError::PlanUnknown),
        (Some(&held[..0]), PayloadError::NothingScheduled),
        (Some(&held[2..3]), PayloadError::StartHasPassed),
    ] {
        assert_eq!(switched(&Command::ClimateScheduleSwitch(true), held), Err(error));
    }
}

#[test]
fn an_entry_that_repeats_is_never_left_out_and_keeps_its_start_when_its_days_cannot_be_read() {
    let held = entries(json!([
        {"on": "1", "set_id": "texts", "start_time": "2025-05-12 07:30:00", "days": ["1", "2"]},
        {"on": "1", "set_id": "words", "start_time": "2025-05-12 07:30:05", "days": ["monday"]},
        {"on": "1", "set_id": "no weekday", "start_time": "2025-05-12 07:30:05", "days": [9]},
        {"on": "1", "set_id": "begun", "start_time": "2025-05-16 08:30:00"},
    ]));
    let context = Context {
        schedule: Some(&held),
        ..context(None)
    };
    let written = payload(&Command::ClimateScheduleSwitch(false), &Model::C10, &context).unwrap();
    let expected = concat!(
        r#"{"controls":[{"on":"0","set_id":"texts","start_time":"2025-05-19 07:30:00","days":["1","2"]},"#,
        r#"{"on":"0","set_id":"words","start_time":"2025-05-12 07:30:05","days":["monday"]},"#,
        r#"{"on":"0","set_id":"no weekday","start_time":"2025-05-12 07:30:05","days":[9]}]}"#
    );
    assert_eq!(written.content, expected);
}

#[test]
fn an_installation_without_a_number_takes_the_update_that_is_offered() {
    let install = |task, offered_update| {
        let context = Context {
            offered_update,
            ..context(None)
        };
        payload(&Command::SoftwareInstall { task }, &Model::C10, &context).map(|written| written.content)
    };
    assert_eq!(install(None, Some(4411)).unwrap(), r#"{"taskId":4411}"#);
    assert_eq!(install(Some(7), Some(4411)).unwrap(), r#"{"taskId":7}"#);
    assert_eq!(install(None, None), Err(PayloadError::NoUpdate));
}

fn command(name: &str, params: &Value) -> Command {
    parse(name, params.as_object().unwrap()).unwrap()
}

fn content(name: &str, params: &Value, model: &Model) -> String {
    let plan = ChargePlan::default();
    payload(&command(name, params), model, &context(Some(&plan)))
        .unwrap()
        .content
}

#[test]
fn a_t03_gets_manual_settings_and_plain_letters() {
    let auto = content("ac-on", &json!({"operate": "auto"}), &Model::T03);
    assert!(auto.contains(r#""mode":"cold","operate":"manual""#), "{auto}");
    let auto = content("ac-on", &json!({"operate": "auto", "mode": "hot"}), &Model::T03);
    assert!(auto.contains(r#""mode":"hot","operate":"manual""#), "{auto}");
    let auto = content("ac-on", &json!({"operate": "auto"}), &Model::C10);
    assert!(auto.contains(r#""mode":"nohotcold","operate":"auto""#), "{auto}");
    let place = json!({"name": "Küß Ærø Œuf ÄÖÜæœö Łódź ☕", "latitude": 1, "longitude": 2.5});
    assert_eq!(
        content("send-destination", &place, &Model::T03),
        r#"{"address":"Kuess Aero Oeuf AeOeUeaeoeoe Lodz ?","addressname":"Kuess Aero Oeuf AeOeUeaeoeoe Lodz ?","latitude":"1.0","linenum":"0","longitude":"2.5"}"#
    );
}

#[test]
fn degrees_are_written_without_exponent() {
    for (angle, text) in [(47.0, "47.0"), (-8.54, "-8.54"), (0.000_01, "0.00001"), (0.0, "0.0")] {
        assert_eq!(degrees(angle), text);
    }
}

#[test]
fn a_window_position_goes_to_the_nearest_step_of_a_b10() {
    for (percent, step) in [(0, 0), (9, 0), (20, 2), (34, 2), (36, 5), (74, 5), (76, 10), (100, 10)] {
        assert_eq!(windows(percent, &Model::B10), step, "{percent}");
        assert_eq!(windows(percent, &Model::C10), percent);
    }
}

#[test]
fn commands_without_a_recorded_vector_are_written_as_the_table_says() {
    for (name, params, text) in [
        (
            "quick-ventilation",
            json!({}),
            r#"{"circle":"out","mode":"nohotcold","operate":"manual","position":"all","temperature":"26","windlevel":"4","wshld":"1"}"#,
        ),
        ("charge-limit-native", json!({"percent": 80}), r#"{"chargesoc":80}"#),
        ("battery-preheat-off", json!({}), r#"{"value":"ptcoff"}"#),
    ] {
        assert_eq!(content(name, &params, &Model::C10), text);
    }
}

#[test]
fn a_plan_that_could_not_be_read_is_not_overwritten() {
    let write = |name, params: Value, plan| payload(&command(name, &params), &Model::C10, &context(plan));
    let limit = write("charge-limit", json!({"percent": 80}), None);
    assert_eq!(limit, Err(PayloadError::PlanUnknown));
    let empty = ChargePlan::default();
    let switch = write("charge-schedule", json!({"enabled": true}), Some(&empty));
    assert_eq!(switch, Err(PayloadError::PlanUnknown));
    let start_only = ChargePlan {
        start: Some("20:16".to_owned()),
        limit: Some(90),
        enabled: Some(true),
        ..ChargePlan::default()
    };
    let switched = write("charge-schedule", json!({"enabled": "off"}), Some(&start_only)).unwrap();
    assert_eq!(
        switched.content,
        r#"{"chargeEnable":0,"chargesoc":90,"circulation":0,"cycles":"1,1,1,1,1,1,1","endtime":"08:00","recharge":0,"starttime":"20:16"}"#
    );
    let whole = json!({
        "enabled": true, "percent": 70, "start": "1:00", "end": "2:00", "cycles": "0,0,0,0,0,1,1",
        "circulation": 1, "recharge": 0
    });
    assert!(write("charge-schedule", whole, None).is_ok());
}

#[test]
fn the_plan_is_read_from_text_and_object_and_absent_otherwise() {
    let object = json!({"chargeEnable": "1", "chargesoc": 90, "starttime": "20:16", "endtime": ""});
    let plan = read_charge_plan(object.clone()).unwrap();
    assert_eq!(read_charge_plan(json!(object.to_string())), Some(plan.clone()));
    assert_eq!((plan.enabled, plan.limit, plan.end), (Some(true), Some(90), None));
    for nothing in [json!(null), json!(""), json!("no permission"), json!([]), json!("[1]")] {
        assert_eq!(read_charge_plan(nothing), None);
    }
}

#[test]
fn schedule_entries_start_at_their_next_occurrence() {
    // 16 May 2025 was a Friday.
    let now = date(2025, 5, 16).at(9, 0, 0, 0);
    let at = |day, hour| date(2025, 5, day).at(hour, 0, 0, 0);
    for (start, days, next) in [
        (at(16, 10), &[][..], Some(at(16, 10))),
        (at(16, 9), &[], None),
        (at(1, 10), &[5], Some(at(16, 10))),
        (at(1, 8), &[5], Some(at(23, 8))),
        (at(1, 8), &[0, 6], Some(at(17, 8))),
        (at(20, 8), &[5], Some(at(23, 8))),
        (at(20, 8), &[9], None),
    ] {
        assert_eq!(next_start(start, days, now), next, "{start} {days:?}");
    }
}

#[test]
fn past_entries_are_left_out_but_never_turn_into_a_cancellation() {
    let entry = |start: &str| json!({"start_time": start, "mode": "hot"});
    let past = entry("2025-05-16 08:00:00");
    let list = json!({"controls": [past, entry("2025-05-16 10:00:00"), entry("2025-05-16 11:00:00")]});
    let written = content("climate-schedule", &list, &Model::C10);
    let written: Value = serde_json::from_str(&written).unwrap();
    let ids: Vec<_> = written["controls"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| &entry["set_id"])
        .collect();
    assert_eq!(
        ids,
        [
            "ios_000000000000000000000000000000011747382400",
            "ios_000000000000000000000000000000021747382400"
        ]
    );
    let only_past = command("climate-schedule", &past);
    let error = payload(&only_past, &Model::C10, &context(None)).unwrap_err();
    assert_eq!(error, PayloadError::StartHasPassed);
    assert_eq!(error.reason(), Reason::OutOfRange);
    assert_eq!(PayloadError::PlanUnknown.reason(), Reason::PlanUnknown);
}
