//! The room as a whole: the catalog against the entity table, and what three cars look like.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use serde_json::Value as Json;

use super::catalog::entity::{Category, Device, Source, StateClass};
use super::catalog::former::former_keys;
use super::fixture::{self, b10, c10_reev, fleet, no_facts, now, options, records, t03};
use super::*;
use crate::vehicle::command::EffectGroup;
use crate::vehicle::state::{Activity, ClimateMode, Part};
use crate::vehicle::units::Percent;
use crate::vehicle::{CarView, Command, PinStatus, RawValue, Reading};

const ENTITY_TABLE: &str = include_str!("../../tests/data/ha-entities.csv");

/// Where a row differs from the entity table on purpose: key, column, and why.
const DEVIATIONS: &[(&str, &str, &str)] = &[(
    "climate",
    "options",
    "the table names none; modes depend on the model, see the golden files",
)];

/// Core rows of the entity table that are still to come.
const LATER: &[&str] = &[
    "total_mileage_cloud",
    "total_energy_cloud",
    "mileage_7d",
    "energy_7d",
    "consumption_6w",
    "consumption_rank",
    "energy_last_week_total",
    "energy_last_week_driving",
    "energy_last_week_climate",
    "energy_last_week_other",
    "energy_share_last_week_driving",
    "energy_share_last_week_climate",
    "energy_share_last_week_other",
    "energy_share_today_driving",
    "energy_share_today_climate",
    "energy_share_today_other",
    "last_charge_energy",
    "messages_unread",
    "message_last_title",
    "message_last_time",
    "lock_button",
    "unlock_button",
    "trunk_open_button",
    "trunk_close_button",
    "windows_open_button",
    "windows_close_button",
    "charging_start_button",
    "charging_stop_button",
    "unlock_charger",
    "sunroof_open_button",
    "sunroof_close_button",
    "on3_on_button",
    "on3_off_button",
    "ble_key_restart",
    "hotspot_toggle",
    "autopark",
    "sunshade_open_button",
    "sunshade_close_button",
    "quick_cool",
    "quick_heat",
    "sentry_mode",
    "steering_wheel_heat",
    "fuel_heating",
    "mirror_heat",
    "healthy_charging",
    "charging_schedule",
    "battery_preheat",
    "vehicle_image",
    "sunshade_cover",
    "sunroof_cover",
    "vehicle_software",
    "bridge_software",
    "event_vehicle",
    "event_message",
    "trigger_charging_started",
    "trigger_charging_stopped",
    "trigger_charging_completed",
    "trigger_plugged_in",
    "trigger_unplugged",
    "trigger_driving_started",
    "trigger_parked",
    "trigger_locked",
    "trigger_unlocked",
    "trigger_door_opened",
    "trigger_command_failed",
    "parked_location",
    "charging_switch",
    "recirculation",
    "defrost_switch",
    "climate_schedule",
    "prepare_schedule",
    "polling_enabled",
    "publish_location",
    "speed_limit",
    "poll_interval_parked",
    "poll_interval_driving",
    "poll_interval_charging",
    "poll_profile",
    "climate_preset",
    "seat_driver_heat_select",
    "seat_passenger_heat_select",
    "seat_driver_vent_select",
    "seat_passenger_vent_select",
    "charge_schedule_start",
    "charge_schedule_end",
    "charge_schedule_days",
    "charge_schedule_json",
    "climate_schedule_json",
    "send_destination",
    "music_next",
    "music_previous",
    "prepare_car",
    "quick_ventilate",
    "poll_phase",
    "next_poll",
    "bridge_api_calls_today",
    "bridge_api_errors",
    "bridge_api_latency",
    "bridge_certificate_expiry",
    "bridge_log_level",
    "bridge_rediscover",
    "bridge_reconnect",
    "bridge_restart",
    "requests_today",
    "requests_budget",
    "requests_left",
    "poll_interval_current",
    "quiet_hours_start",
    "quiet_hours_end",
    "share_invitations",
    "share_accept",
    "share_reject",
    "music_play",
    "music_pause",
    "video_play",
    "video_pause",
];

#[test]
fn every_row_is_as_the_entity_table_has_it() {
    let table = entity_table();
    let mut differences = Vec::new();
    for row in catalog::rows() {
        let Some(record) = table.get(row.key) else {
            differences.push(format!("{} is not in the table", row.key));
            continue;
        };
        let columns = [
            ("platform", row.platform.name()),
            ("device", row.device.name()),
            ("module", "core"),
            ("name_en", row.name),
            ("device_class", row.class.unwrap_or_default()),
            ("state_class", row.state_class.map_or("", StateClass::name)),
            ("unit", row.unit.unwrap_or_default()),
            ("entity_category", row.category.map_or("", Category::name)),
            ("enabled_by_default", if row.enabled { "y" } else { "n" }),
            ("options", &row.options.join("|")),
            ("leapconnect_id", former_keys(row.key).0),
            ("kerniger_id", former_keys(row.key).1),
        ];
        for (column, ours) in columns {
            if record[column] != ours
                && !DEVIATIONS
                    .iter()
                    .any(|(key, name, _)| (*key, *name) == (row.key, column))
            {
                differences.push(format!("{}: {column} is {ours:?}, not {:?}", row.key, record[column]));
            }
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

#[test]
fn what_is_not_in_the_catalog_is_listed_as_still_to_come() {
    let ours: BTreeSet<_> = catalog::rows().map(|row| row.key).collect();
    let missing: Vec<_> = records(ENTITY_TABLE)
        .into_iter()
        .filter(|record| record["module"] == "core" && !ours.contains(record["key"].as_str()))
        .map(|record| record["key"].clone())
        .collect();
    let later: Vec<_> = LATER.iter().map(ToString::to_string).collect();
    assert_eq!(missing, later, "\"{}\"", missing.join("\", \""));
}

fn entity_table() -> BTreeMap<String, BTreeMap<String, String>> {
    records(ENTITY_TABLE)
        .into_iter()
        .map(|record| (record["key"].clone(), record))
        .collect()
}

#[test]
fn keys_and_names_are_unique_and_icons_are_for_rows_without_a_class() {
    let mut keys = BTreeSet::new();
    let mut names = BTreeSet::new();
    for row in catalog::rows() {
        assert!(keys.insert(row.key), "{} twice", row.key);
        assert!(names.insert((row.device.name(), row.name)), "{} twice", row.name);
        assert!(
            row.icon.is_none() || row.class.is_none(),
            "{} has a class and an icon",
            row.key
        );
        assert_eq!(
            row.class == Some("enum"),
            !row.options.is_empty() && row.platform == Platform::Sensor
        );
        assert!(
            row.category != Some(Category::Config) || row.takes_messages(),
            "{}",
            row.key
        );
    }
}

#[test]
fn three_cars_and_the_bridge_make_a_full_house() {
    let (facts, options) = (no_facts(), options());
    let mut discoveries = bridge_discovery(&fleet(), &facts, &options);
    let mut topics = bridge_states(&fleet(), &facts, &options, now()).len();
    for view in fleet().values() {
        discoveries.extend(car_discovery(view, &facts, &options));
        topics += car_states(view, &facts, &options, now()).len();
    }
    assert_eq!(discoveries.len(), 4);
    let entities: usize = discoveries.iter().map(|discovery| discovery.components.len()).sum();
    assert!(entities >= 180, "{entities} entities");
    assert!(topics >= 150, "{topics} topics");
    for discovery in discoveries {
        assert!(
            discovery.payload.len() < 128 * 1024,
            "{} bytes",
            discovery.payload.len()
        );
    }
}

#[test]
fn discovery_of_the_three_cars_and_the_bridge() {
    let (facts, options) = (no_facts(), options());
    for (name, view) in [("t03", t03()), ("b10", b10()), ("c10_reev", c10_reev())] {
        insta::assert_snapshot!(name, pretty(&car_discovery(&view, &facts, &options)));
    }
    insta::assert_snapshot!("bridge", pretty(&bridge_discovery(&fleet(), &facts, &options)));
}

/// Messages for reading: each component on a line of its own.
fn pretty(discoveries: &[Discovery]) -> String {
    let mut text = String::new();
    for discovery in discoveries {
        text.push_str(&discovery.topic);
        text.push('\n');
        let payload: Json = serde_json::from_str(&discovery.payload).unwrap();
        for (key, value) in payload.as_object().unwrap() {
            let Some(components) = value.as_object().filter(|_| key == "cmps") else {
                text.push_str(&format!("{key} {value}\n"));
                continue;
            };
            for (key, component) in components {
                text.push_str(&format!("  {key} {component}\n"));
            }
        }
    }
    text
}

#[test]
fn states_of_the_three_cars() {
    for (name, view) in [("t03", t03()), ("b10", b10()), ("c10_reev", c10_reev())] {
        let lines: String = car_states(&view, &no_facts(), &options(), now())
            .iter()
            .map(|message| format!("{} {}\n", message.topic, message.payload))
            .collect();
        insta::assert_snapshot!(format!("states_{name}"), lines);
    }
}

#[test]
fn every_topic_of_a_car_is_known_when_it_has_to_be_cleared() {
    for view in fleet().values() {
        let known: BTreeSet<_> = car_topics(&view.car.vin, &options()).into_iter().collect();
        for message in car_states(view, &no_facts(), &options(), now()) {
            assert!(known.contains(&message.topic), "{}", message.topic);
        }
    }
}

#[test]
fn before_the_first_frame_everything_is_unknown_and_nothing_is_lost() {
    let view = CarView {
        state: None,
        ..c10_reev()
    };
    let states = car_states(&view, &no_facts(), &options(), now());
    assert_eq!(payload(&states, fixture::C10, "battery_level"), "None");
    assert_eq!(payload(&states, fixture::C10, "door_lock"), "None");
    assert_eq!(payload(&states, fixture::C10, "windows_cover/position"), "");
    assert_eq!(payload(&states, fixture::C10, "location"), "{}");
    assert_eq!(payload(&states, fixture::C10, "vehicle_online"), "None");
    assert_eq!(payload(&states, fixture::C10, "availability"), "online");
    assert_eq!(payload(&states, fixture::C10, "pin_configured"), "ON");
}

#[test]
fn a_row_is_offered_once_the_car_has_sent_its_reading() {
    let mut view = b10();
    let offered = |view: &CarView| {
        car_discovery(view, &no_facts(), &options())[0]
            .components
            .contains_key("ptc_power")
    };
    assert!(!offered(&view));
    view.evidence.insert(crate::vehicle::Reading::PtcPower);
    assert!(offered(&view));
}

#[test]
fn a_fact_nobody_produces_has_no_entity() {
    let mut options = options();
    let keys = |options: &Options| bridge_discovery(&fleet(), &no_facts(), options)[0].components.clone();
    assert!(keys(&options).contains_key("bridge_cloud"));
    options.expected_facts.remove("bridge_cloud");
    assert!(!keys(&options).contains_key("bridge_cloud"));
    let states = bridge_states(&fleet(), &no_facts(), &options, now());
    assert!(states.iter().all(|message| !message.topic.ends_with("bridge_cloud")));
}

#[test]
fn facts_are_published_where_their_row_is() {
    let mut facts = no_facts();
    facts.insert((Subject::Bridge, "bridge_problem"), Value::Flag(true));
    facts.insert(
        (Subject::Bridge, "bridge_problem/attributes"),
        Value::Text("{\"cause\":\"pin\"}".into()),
    );
    let subject = Subject::Car(fixture::vin(fixture::T03));
    facts.insert((subject, "last_command"), Value::Text("lock".into()));
    let bridge = bridge_states(&fleet(), &facts, &options(), now());
    assert_eq!(payload(&bridge, "bridge", "bridge_problem"), "ON");
    assert_eq!(
        payload(&bridge, "bridge", "bridge_problem/attributes"),
        "{\"cause\":\"pin\"}"
    );
    assert_eq!(payload(&bridge, "bridge", "bridge_uptime"), "None");
    let car = car_states(&t03(), &facts, &options(), now());
    assert_eq!(payload(&car, fixture::T03, "last_command"), "lock");
    assert_eq!(payload(&car, fixture::T03, "last_command/attributes"), "{}");
}

#[test]
fn commands_need_a_good_pin() {
    for (pin, expected) in [
        (PinStatus::Ready, "online"),
        (PinStatus::Missing, "offline"),
        (PinStatus::Rejected, "offline"),
    ] {
        let view = CarView { pin, ..t03() };
        let states = car_states(&view, &no_facts(), &options(), now());
        assert_eq!(payload(&states, fixture::T03, "commands/availability"), expected);
    }
}

#[test]
fn a_vanished_component_is_named_with_its_platform_once() {
    let discovery = &bridge_discovery(&fleet(), &no_facts(), &options())[0];
    assert_eq!(with_removals(discovery, &discovery.components), None);
    let mut announced = discovery.components.clone();
    announced.insert("old".into(), Platform::Number);
    announced.insert("bridge_uptime".into(), Platform::BinarySensor);
    let first: Json = serde_json::from_str(&with_removals(discovery, &announced).unwrap()).unwrap();
    assert_eq!(first["cmps"]["old"], serde_json::json!({"p": "number"}));
    // A component that changes its platform goes under the old one first.
    assert_eq!(
        first["cmps"]["bridge_uptime"],
        serde_json::json!({"p": "binary_sensor"})
    );
    assert_eq!(first["cmps"]["bridge_cloud"]["p"], "binary_sensor");
    assert!(!discovery.payload.contains("\"old\""));
}

#[test]
fn command_topics_are_named_one_by_one() {
    let topics = command_topics(&t03(), &options());
    for expected in [
        "command",
        "door_lock/set",
        "climate/mode/set",
        "windows_cover/position/set",
        "refresh/set",
    ] {
        assert!(
            topics.contains(&format!("leapmotor2mqtt/{}/{expected}", fixture::T03)),
            "{expected}"
        );
    }
    assert!(topics.iter().all(|topic| !topic.contains(['+', '#'])));
    let b10 = command_topics(&b10(), &options());
    assert!(b10.iter().all(|topic| !topic.ends_with("windows_cover/position/set")));
}

#[test]
fn controls_that_are_denied_are_not_offered() {
    let mut options = options();
    options.policy.deny.extend(["lock".into(), "unlock".into()]);
    let topics = command_topics(&t03(), &options);
    assert!(topics.iter().all(|topic| !topic.contains("door_lock")));
    assert!(
        !car_discovery(&t03(), &no_facts(), &options)[0]
            .components
            .contains_key("door_lock")
    );
}

#[test]
fn decoded_values_are_json_scalars_by_entity() {
    let values = decode_values(&c10_reev(), &options(), now());
    assert_eq!(values["battery_level"], 57);
    assert_eq!(values["locked"], false);
    assert_eq!(values["door_lock"], "LOCKED");
    assert_eq!(values["climate/mode"], "off");
    assert_eq!(values["climate/current_temperature"], 19.5);
    assert_eq!(values["windows_cover/position"], 0);
    assert_eq!(values["location/latitude"], 45.4642);
    assert_eq!(values["outdoor_temperature"], Json::Null);
    assert_eq!(values["last_vehicle_update"], "2026-11-21T07:00:00+01:00");
    assert!(values.values().all(|value| !value.is_object() && !value.is_array()));
    assert!(!values.contains_key("last_command"));
}

#[test]
fn the_table_lists_what_a_model_can_have() {
    let all: Vec<Json> = serde_json::from_str(&table(Format::Json, None)).unwrap();
    assert_eq!(all.len(), catalog::rows().count());
    let t03 = table(Format::Table, Some(&crate::vehicle::Model::T03));
    assert!(t03.contains("door_lock") && !t03.contains("fuel_level"));
    let lock = all.iter().find(|row| row["key"] == "door_lock").unwrap();
    assert_eq!(lock["models"], serde_json::json!(["T03", "B10", "C10"]));
    let columns: Vec<_> = lock.as_object().unwrap().keys().map(String::as_str).collect();
    let expected = ENTITY_TABLE.lines().next().unwrap().split(',').chain(["models"]);
    assert_eq!(columns, expected.collect::<Vec<_>>());
    assert!(table(Format::Markdown, None).contains("| `door_lock` | lock |"));
}

#[test]
fn every_state_row_says_which_readings_it_rests_on_or_is_known_of_every_car() {
    const KNOWN_OF_EVERY_CAR: &[&str] = &[
        "location",
        "vehicle_online",
        "frame_frozen",
        "data_age",
        "last_vehicle_update",
        "last_cloud_refresh",
        "pin_configured",
        "pin_problem",
        "ownership",
        "shared_until",
        "vin",
    ];
    for row in catalog::rows().filter(|row| row.device == Device::Car && row.reads.is_empty()) {
        let known = matches!(row.source, Source::State(_) | Source::Object(_));
        assert_eq!(known, KNOWN_OF_EVERY_CAR.contains(&row.key), "{}", row.key);
    }
}

pub fn payload<'m>(messages: &'m [StateMessage], device: &str, path: &str) -> &'m str {
    let topic = format!("leapmotor2mqtt/{device}/{path}");
    let message = messages.iter().find(|message| message.topic == topic);
    &message.unwrap_or_else(|| panic!("{topic} is missing")).payload
}

#[test]
fn a_lock_shows_what_is_on_its_way() {
    for (command, expected) in [(Command::Lock, "LOCKING"), (Command::Unlock, "UNLOCKING")] {
        let view = fixture::sending(c10_reev(), EffectGroup::Lock, command);
        let states = car_states(&view, &no_facts(), &options(), now());
        assert_eq!(payload(&states, fixture::C10, "door_lock"), expected);
    }
}

#[test]
fn a_cover_shows_where_it_goes_and_its_position_only_with_its_state() {
    let cover = |view: &CarView| {
        let states = car_states(view, &no_facts(), &options(), now());
        let text = |path| payload(&states, fixture::C10, path).to_owned();
        (text("windows_cover"), text("windows_cover/position"))
    };
    let mut view = c10_reev();
    assert_eq!(cover(&view), ("closed".into(), "0".into()));
    let openings = &mut view.state.as_mut().unwrap().openings;
    openings.parts.insert(Part::WindowRearLeft, true);
    openings.windows_position = Some(Percent(40.0));
    assert_eq!(cover(&view), ("open".into(), "40".into()));
    let closing = fixture::sending(view.clone(), EffectGroup::Windows, Command::Windows { percent: 0 });
    assert_eq!(cover(&closing).0, "closing");
    view.state.as_mut().unwrap().openings.parts.clear();
    assert_eq!(cover(&view), ("None".into(), String::new()));
}

#[test]
fn what_stands_open_is_listed() {
    let mut view = t03();
    view.state.as_mut().unwrap().openings.parts.insert(Part::Trunk, true);
    let states = car_states(&view, &no_facts(), &options(), now());
    assert_eq!(payload(&states, fixture::T03, "anything_open"), "ON");
    assert_eq!(
        payload(&states, fixture::T03, "anything_open/attributes"),
        r#"{"open":["trunk"]}"#
    );
    assert_eq!(payload(&states, fixture::T03, "doors_open"), "ON");
    assert_eq!(payload(&states, fixture::T03, "windows_open"), "OFF");
}

#[test]
fn the_climate_never_shows_a_word_that_was_not_announced() {
    let mut view = t03();
    let climate = |view: &CarView, part: &str| {
        let states = car_states(view, &no_facts(), &options(), now());
        payload(&states, fixture::T03, &format!("climate/{part}")).to_owned()
    };
    view.state.as_mut().unwrap().climate.on = Some(true);
    // The T03 has no automatic mode to announce.
    assert_eq!(climate(&view, "mode"), "None");
    view.state.as_mut().unwrap().climate.mode = Some(ClimateMode::Ventilate);
    assert_eq!(climate(&view, "mode"), "fan_only");
    assert_eq!(climate(&view, "preset"), "ventilate");
    assert_eq!(climate(&view, "action"), "fan");
    let state = view.state.as_mut().unwrap();
    state.climate.mode = Some(ClimateMode::Unknown(9));
    state.climate.quick_heat = Some(true);
    state.frame.set(Reading::FanLevel, 9.0);
    assert_eq!(climate(&view, "mode"), "None");
    assert_eq!(climate(&view, "preset"), "quick_heat");
    assert_eq!(climate(&view, "fan"), "None");
}

#[test]
fn a_charge_limit_outside_the_announced_range_is_shown_at_its_end() {
    let mut view = b10();
    for (limit, expected) in [(5, "20"), (80, "80"), (130, "100")] {
        view.state.as_mut().unwrap().plan.limit = Some(limit);
        let states = car_states(&view, &no_facts(), &options(), now());
        assert_eq!(payload(&states, fixture::B10, "charge_limit"), expected);
    }
}

#[test]
fn live_values_of_a_silent_car_are_unknown_and_only_a_busy_one_is_a_problem() {
    let mut view = c10_reev();
    let value = |view: &CarView, key: &str| {
        let states = car_states(view, &no_facts(), &options(), now());
        payload(&states, fixture::C10, key).to_owned()
    };
    view.state.as_mut().unwrap().stale = true;
    assert_eq!(value(&view, "speed"), "None");
    assert_eq!(value(&view, "vehicle_online"), "OFF");
    assert_eq!(value(&view, "frame_frozen"), "OFF");
    assert_eq!(value(&view, "range"), "210");
    view.state.as_mut().unwrap().motion.activity = Some(Activity::Charging);
    assert_eq!(value(&view, "frame_frozen"), "ON");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever a car sends, Home Assistant gets only what it takes: an announced word, a number where a unit or state
    /// class was announced, ON or OFF, or `None`.
    #[test]
    fn every_state_is_one_home_assistant_takes(
        values in prop::collection::vec(
            prop_oneof![
                (-1i32..9).prop_map(|code| RawValue::Number(f64::from(code))),
                any::<f64>().prop_map(RawValue::Number),
                "\\PC{0,20}".prop_map(RawValue::Text),
            ],
            Reading::ALL.len(),
        ),
        text in "\\PC{0,12}",
        stale in any::<bool>(),
    ) {
        let mut view = c10_reev();
        view.evidence = Reading::ALL.iter().copied().collect();
        let state = view.state.as_mut().unwrap();
        state.frame.readings = Reading::ALL.iter().copied().zip(values).collect();
        state.plan.cycles = Some(text);
        state.stale = stale;
        for message in car_states(&view, &no_facts(), &options(), now()) {
            prop_assert!(message.payload.chars().count() <= 255);
            let row = message.topic.rsplit('/').next().and_then(catalog::find);
            let Some(row) = row.filter(|_| message.payload != "None") else { continue };
            let text = message.payload.as_str();
            match row.platform {
                Platform::BinarySensor => prop_assert!(matches!(text, "ON" | "OFF"), "{} {text}", row.key),
                Platform::Sensor if !row.options.is_empty() => {
                    prop_assert!(row.options.contains(&text), "{} {text}", row.key);
                }
                Platform::Sensor if row.unit.is_some() || row.state_class.is_some() => {
                    prop_assert!(text.parse::<f64>().is_ok_and(f64::is_finite), "{} {text}", row.key);
                }
                _ => prop_assert!(!text.is_empty(), "{}", row.key),
            }
        }
    }
}
