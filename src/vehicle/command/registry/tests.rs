//! The table as a whole, and the builders.

use std::collections::BTreeSet;

use proptest::prelude::*;
use serde_json::json;

use super::super::{AirMode, ClimateSettings, Destination, Operate, Preparation, SeatComfort};
use super::*;

/// A command of the row, with the least that it needs.
pub fn example(row: &Spec) -> Command {
    let params = match row.name {
        "charge-limit" | "charge-limit-native" => json!({"percent": 80}),
        "charge-schedule" => json!({"start_time": "23:00"}),
        "climate-schedule" | "prepare-car-schedule" => json!({"start_time": "2030-01-01 07:30:00"}),
        "send-destination" => json!({"latitude": 45.07, "longitude": 7.68}),
        "seat-adjust" | "piloted-parking" => json!({"params": {"x": 1}}),
        "rear-seats" => json!({"seat_info": "2L:1"}),
        "speed-limit" => json!({"value": 90}),
        "fota-download" | "fota-install" => json!({"task_id": 1}),
        "fota-schedule" => json!({"task_id": 1, "schedule_time": "2030-01-01T03:00:00"}),
        _ => json!({}),
    };
    parse(row.name, params.as_object().unwrap()).unwrap()
}

fn command(name: &str, params: &Value) -> Result<Command, Rejection> {
    parse(name, params.as_object().unwrap())
}

fn reason(name: &str, params: &Value) -> Reason {
    command(name, params).unwrap_err().reason
}

#[test]
fn every_row_builds_a_command_that_leads_back_to_it() {
    for row in COMMANDS {
        let command = example(row);
        assert_eq!(command.name(), row.name);
        assert_eq!(command.spec().name, row.name);
        assert_eq!(command.effect_group(), row.effect_group);
    }
}

#[test]
fn names_and_aliases_are_unique_and_written_with_hyphens() {
    let mut seen = BTreeSet::new();
    for row in COMMANDS {
        assert!(!row.doc.is_empty() && row.doc.ends_with('.'), "{}", row.name);
        for name in std::iter::once(&row.name).chain(row.aliases) {
            assert!(seen.insert(*name), "{name} is named twice");
            assert!(
                name.bytes()
                    .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
            );
        }
        let mut parameters = BTreeSet::new();
        for parameter in row.parameters {
            assert!(!parameter.doc.is_empty(), "{} {}", row.name, parameter.name);
            for name in std::iter::once(&parameter.name).chain(parameter.aliases) {
                assert!(parameters.insert(*name), "{} {name} is named twice", row.name);
            }
        }
    }
}

#[test]
fn names_of_other_programs_are_understood() {
    for (alias, name) in [
        ("find", "find-car"),
        ("ac", "ac-on"),
        ("ac_on", "ac-on"),
        ("AC_OFF", "ac-off"),
        ("trunk", "trunk-open"),
        ("charging_start", "charge-start"),
        ("defrost", "windshield-defrost"),
        ("windows_open", "windows-open"),
        ("battery_preheat", "battery-preheat-on"),
        (" Sentry_Mode_Off ", "sentry-mode-off"),
        ("steering_wheel_heat_on", "steering-wheel-heat-on"),
    ] {
        assert_eq!(find(alias).unwrap().name, name);
    }
    assert!(find("self-destruct").is_none());
    let rejection = command("self\ndestruct", &json!({})).unwrap_err();
    assert_eq!(rejection.reason, Reason::UnknownCommand);
    assert_eq!(rejection.to_string(), r#"there is no command "self\ndestruct""#);
}

#[test]
fn only_destinations_do_without_pin_and_each_class_is_as_it_should_be() {
    let of = |risk| -> Vec<_> {
        COMMANDS
            .iter()
            .filter(|row| row.risk == risk)
            .map(|row| row.name)
            .collect()
    };
    let without_pin: Vec<_> = COMMANDS
        .iter()
        .filter(|row| !row.needs_pin)
        .map(|row| row.name)
        .collect();
    assert_eq!(without_pin, ["send-destination"]);
    assert_eq!(
        of(Risk::Opening),
        [
            "unlock",
            "trunk-open",
            "trunk-close",
            "unlock-charger",
            "windows-open",
            "windows-close",
            "sunshade-open",
            "sunshade-close",
            "sunroof-open",
            "sunroof-close",
        ]
    );
    assert_eq!(
        of(Risk::Driving),
        [
            "autopark",
            "piloted-parking",
            "on3-on",
            "on3-off",
            "speed-limit",
            "ble-key-restart",
            "fota-download",
            "fota-install",
            "fota-schedule",
        ]
    );
}

#[test]
fn climate_commands_share_their_parameters_and_switch_off_when_told_to() {
    let cold = json!({"params": {"mode": "cold", "circle": "in", "wshld": "2", "windlevel": "5", "temperature": "20"}});
    let settings = ClimateSettings {
        recirculate: true,
        mode: AirMode::Cold,
        operate: Operate::Manual,
        temperature: 20,
        fan: 5,
        defrost: true,
    };
    for name in ["ac-on", "set-climate", "quick-cool", "quick-heat", "windshield-defrost"] {
        assert_eq!(command(name, &cold).unwrap(), Command::Climate(settings), "{name}");
        for off in ["off", "close"] {
            assert_eq!(command(name, &json!({"operate": off})).unwrap(), Command::ClimateOff);
        }
    }
    let auto = ClimateSettings {
        operate: Operate::Auto,
        ..ClimateSettings::NEUTRAL
    };
    assert_eq!(
        command("ac-on", &json!({"operate": "auto"})).unwrap(),
        Command::Climate(auto)
    );
    assert_eq!(command("quick-cool", &json!({})).unwrap(), Command::QuickCool);
}

#[test]
fn rows_of_one_kind_differ_in_their_defaults_only() {
    let quick_cool = lists::climate("cold", "18", "7", "true", "false");
    assert_eq!(find("quick-cool").unwrap().parameters, quick_cool);
    let open = lists::window_position("100");
    assert_eq!(find("windows-open").unwrap().parameters, [open]);
    assert_eq!(find("windows-close").unwrap().parameters, [open.default("0")]);
    let open = lists::sunshade_position("10");
    assert_eq!(find("sunshade-open").unwrap().parameters, [open]);
    assert_eq!(find("sunshade-close").unwrap().parameters, [open.default("0")]);
    let limit = Parameter::new("percent", Kind::Integer { min: 1, max: 100 }, "The limit.")
        .aliases(&["limit", "value", "soc_limit"])
        .unit("%")
        .required();
    assert_eq!(find("charge-limit").unwrap().parameters, [limit]);
}

#[test]
fn closed_and_open_positions_have_their_own_names() {
    for (name, value, row) in [
        ("windows-open", 0, "windows-close"),
        ("windows-close", 5, "windows-open"),
        ("sunshade-open", 0, "sunshade-close"),
        ("sunshade-close", 1, "sunshade-open"),
    ] {
        assert_eq!(command(name, &json!({"value": value})).unwrap().name(), row);
    }
    let passenger = command("seat-heat", &json!({"seat": "passenger"})).unwrap();
    assert_eq!(passenger.effect_group(), EffectGroup::PassengerSeat);
    assert_eq!(passenger.name(), "seat-heat");
}

#[test]
fn a_destination_without_texts_is_named_by_its_coordinates() {
    let place = |text: &str, latitude, longitude| {
        Command::SendDestination(Destination {
            address: text.to_owned(),
            name: text.to_owned(),
            latitude,
            longitude,
        })
    };
    let nameless = json!({"latitude": "45.07", "longitude": 7.5});
    assert_eq!(
        command("send-destination", &nameless).unwrap(),
        place("45.07000, 7.50000", 45.07, 7.5)
    );
    let addressed = json!({"latitude": 1, "longitude": 2, "address": "Via Roma 1", "name": ""});
    assert_eq!(
        command("send-destination", &addressed).unwrap(),
        place("Via Roma 1", 1.0, 2.0)
    );
    assert_eq!(
        reason("send-destination", &json!({"latitude": 1})),
        Reason::MissingParameter
    );
    assert_eq!(
        reason("send-destination", &json!({"latitude": 91, "longitude": 2})),
        Reason::OutOfRange
    );
}

#[test]
fn a_plan_change_names_at_least_one_part() {
    assert_eq!(reason("charge-schedule", &json!({})), Reason::MissingParameter);
    assert_eq!(
        reason("charge-schedule", &json!({"start": "25:00"})),
        Reason::InvalidPayload
    );
    assert_eq!(reason("charge-limit", &json!({"percent": 0})), Reason::OutOfRange);
    assert_eq!(
        reason("charge-limit", &json!({"percent": 80.5})),
        Reason::InvalidPayload
    );
    assert_eq!(reason("charge-limit", &json!({})), Reason::MissingParameter);
}

#[test]
fn media_keys_are_four() {
    for key in ["play", "pause", "next", "previous"] {
        assert!(command("music", &json!({"operation": key})).is_ok());
        assert!(command("video", &json!({"operation": key})).is_ok());
    }
    assert_eq!(reason("music", &json!({"operation": "stop"})), Reason::OutOfRange);
}

#[test]
fn errors_in_lists_name_the_entry() {
    let good = json!({"start_time": "2030-01-01 07:30:00"});
    let rejection = command("climate-schedule", &json!({"controls": [good, {}]})).unwrap_err();
    assert_eq!(rejection.detail, "entry 2: start_time is missing");
    let rejection = command("climate-schedule", &json!({"controls": [3]})).unwrap_err();
    assert_eq!(rejection.detail, "entry 1: must be a JSON object");
    let rejection = command("prepare-car-schedule", &json!({"controls": [good]})).unwrap_err();
    assert_eq!(rejection.detail, "entry 1: datacontent is missing");
    assert_eq!(reason("climate-schedule", &json!({})), Reason::MissingParameter);
    assert_eq!(reason("prepare-car-schedule", &json!({})), Reason::MissingParameter);
    let empty = command("prepare-car-schedule", &json!({"controls": []})).unwrap();
    assert_eq!(empty.name(), "prepare-car-schedule-cancel");
}

#[test]
fn nothing_is_scheduled_to_go_off() {
    let off = |operate: &str| json!({"start_time": "2030-01-01 07:30:00", "operate": operate});
    let rejection = command("climate-schedule", &json!({"controls": [off("auto"), off("off")]})).unwrap_err();
    assert_eq!(rejection.reason, Reason::InvalidPayload);
    assert!(rejection.detail.starts_with("entry 2: operate must be"), "{rejection}");
    let warm = json!({"steeringWheelHeatCtrl": {}, "air_condition": {"operate": "close"}});
    let later = json!({"start_time": "2030-01-01 07:30:00", "datacontent": warm});
    let rejection = command("prepare-car-schedule", &json!({"controls": [later]})).unwrap_err();
    assert_eq!(rejection.reason, Reason::InvalidPayload);
    assert!(
        rejection.detail.starts_with("entry 1: air_condition: operate must be"),
        "{rejection}"
    );
    let unwanted = json!({"steeringWheelHeatCtrl": {}, "air_condition": {"operate": "off", "enable": false}});
    assert!(command("prepare-car", &json!({"params": unwanted})).is_ok());
}

#[test]
fn a_bundle_is_read_in_the_words_of_the_cloud() {
    let bundle = json!({"params": {
        "air_condition": {"enable": false},
        "seat_setting": {"driver": "12", "copilot": "1"},
        "steeringWheelHeatCtrl": {"enable": true, "level": "2"},
        "rearMirrorHeating": {"enable": false, "value": "2"},
        "syn_path": {"latitude": "45.07", "longitude": "7.68", "addressname": "Home", "linenum": "0"},
    }});
    let preparation = Preparation {
        climate: None,
        seats: Some((SeatComfort::Ventilation(2), SeatComfort::Heat(1))),
        steering_wheel: true,
        mirrors: false,
        destination: Some(Destination {
            address: "Home".to_owned(),
            name: "Home".to_owned(),
            latitude: 45.07,
            longitude: 7.68,
        }),
    };
    assert_eq!(
        command("prepare-car", &bundle).unwrap(),
        Command::PrepareCar(preparation)
    );
    for (wrong, reason_expected) in [
        (json!({}), Reason::MissingParameter),
        (json!({"seat_setting": {"left_rear": "1"}}), Reason::OutOfRange),
        (json!({"seat_setting": {"driver": "7"}}), Reason::OutOfRange),
        (json!({"syn_path": {"latitude": 1}}), Reason::MissingParameter),
        (json!({"syn_path": {"longitude": 1}}), Reason::MissingParameter),
        (json!({"sunroof": {}}), Reason::InvalidPayload),
        (json!({"seat_setting": {}}), Reason::MissingParameter),
        (
            json!({"seat_setting": {"driver": "0", "copilot": "0"}}),
            Reason::MissingParameter,
        ),
        (json!({"air_condition": {"operate": "off"}}), Reason::InvalidPayload),
    ] {
        assert_eq!(
            reason("prepare-car", &json!({"params": wrong})),
            reason_expected,
            "{wrong}"
        );
    }
}

#[test]
fn a_destination_of_a_preparation_needs_both_coordinates() {
    for half in [
        json!({"destination_latitude": 1}),
        json!({"destination_longitude": 1}),
        json!({"destination_name": "Home"}),
    ] {
        assert_eq!(reason("prepare-car", &half), Reason::MissingParameter, "{half}");
    }
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
        "[0-9:, T-]{0,20}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::btree_map("[a-z_]{0,12}", inner, 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn parsing_never_panics_whatever_is_sent(
        row in 0..COMMANDS.len(),
        picks in proptest::collection::vec((any::<prop::sample::Index>(), any_json()), 0..4),
        other in proptest::option::of(("\\PC*", any_json())),
    ) {
        let row = &COMMANDS[row];
        let mut params = Map::new();
        for (pick, value) in picks {
            if !row.parameters.is_empty() {
                params.insert(pick.get(row.parameters).name.to_owned(), value);
            }
        }
        params.extend(other.clone());
        if let Ok(command) = parse(row.name, &params) {
            prop_assert!(find(command.name()).is_some());
        }
        let unknown = other.map_or_else(String::new, |(name, _)| name);
        let _ = parse(&unknown, &params);
    }
}
