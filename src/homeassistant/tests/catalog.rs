//! The catalog against the entity table.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value as Json;

use crate::homeassistant::catalog::entity::{Category, Device, Source, StateClass};
use crate::homeassistant::catalog::former::former_keys;
use crate::homeassistant::fixture::records;
use crate::homeassistant::{Format, Platform, catalog, table};

const ENTITY_TABLE: &str = include_str!("../../../tests/data/ha-entities.csv");

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
