//! The catalog against the entity table.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value as Json;

use crate::homeassistant::catalog::REASONS;
use crate::homeassistant::catalog::entity::{Category, Device, Source, StateClass};
use crate::homeassistant::catalog::former::former_keys;
use crate::homeassistant::fixture::records;
use crate::homeassistant::{Format, Platform, catalog, table};

const ENTITY_TABLE: &str = include_str!("../../../tests/data/ha-entities.csv");

/// Where a row differs from the entity table on purpose: key, column, and why.
const DEVIATIONS: &[(&str, &str, &str)] = &[
    (
        "climate",
        "options",
        "the table names none; modes depend on the model, see the golden files",
    ),
    (
        "last_charge_energy",
        "state_class",
        "without one Home Assistant keeps no statistics of a quantity",
    ),
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
fn every_core_row_of_the_table_is_in_the_catalog_or_has_a_reason_why_not() {
    let ours: BTreeSet<_> = catalog::rows().map(|row| row.key).collect();
    let missing: Vec<_> = records(ENTITY_TABLE)
        .into_iter()
        .filter(|record| record["module"] == "core" && !ours.contains(record["key"].as_str()))
        .map(|record| record["key"].clone())
        .collect();
    let reasons: Vec<_> = REASONS.iter().map(|(key, _)| (*key).to_owned()).collect();
    assert_eq!(missing, reasons);
}

#[test]
fn the_known_limits_tell_every_reason() {
    let limits = include_str!("../../../docs/known-limits.md");
    for (key, reason) in REASONS {
        assert!(limits.contains(&format!("| `{key}` | {reason} |")), "{key}");
    }
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
        "fuel_heating",
        "location",
        "parked_location",
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
