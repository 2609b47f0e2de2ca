//! The catalog for people, and the values of a car by entity, for the command line.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde_json::{Map, Value as Json, json};

use crate::homeassistant::catalog::entity::{Device, Entity, Fits, Source};
use crate::homeassistant::catalog::former::former_keys;
use crate::homeassistant::{Options, Scene, catalog, commands, format, offer};
use crate::vehicle::{CarView, Model, Powertrain};

/// Models we know, with the powertrains they are sold with.
const MODELS: &[(Model, &[Powertrain])] = &[
    (Model::T03, &[Powertrain::Bev]),
    (Model::B10, &[Powertrain::Bev, Powertrain::Reev]),
    (Model::C10, &[Powertrain::Bev, Powertrain::Reev]),
];

/// The head of the page that the documentation has of the table.
const INTRODUCTION: &str = "\
# Entities

Written by `leapmotor2mqtt entities --format markdown`; change the catalog instead.

A car gets a row once it has sent what the row rests on, and a control if the account's rights, the car's abilities and the
owner's policy allow its command. Models are those that can have the row; rows of the bridge have none. In addition every
signal without a known meaning has a diagnostic sensor `signal_<number>` that is switched off at first. What is missing here,
and why, stands in [known-limits.md](known-limits.md).
";

/// How the catalog is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Columns for a terminal.
    Table,
    /// An array with every column.
    Json,
    /// A table for the documentation.
    Markdown,
}

/// The catalog, or the part of it that a model can have.
pub fn table(format: Format, model: Option<&Model>) -> String {
    let rows = catalog::rows().filter(|row| model.is_none_or(|model| suits(row, model)));
    match format {
        Format::Json => {
            let rows: Vec<_> = rows.map(columns).collect();
            serde_json::to_string_pretty(&rows).unwrap_or_default()
        }
        Format::Table => rows
            .map(|row| {
                let unit = row.unit.unwrap_or_default();
                format!(
                    "{:<32} {:<15} {:<7} {:<36} {unit}\n",
                    row.key,
                    row.platform.name(),
                    row.device.name(),
                    row.name
                )
            })
            .collect(),
        Format::Markdown => {
            let head = "| Key | Platform | Device | Name | Unit | Models | Notes |\n|---|---|---|---|---|---|---|\n";
            let lines = rows.map(|row| {
                format!(
                    "| `{}` | {} | {} | {} | {} | {} | {} |\n",
                    row.key,
                    row.platform.name(),
                    row.device.name(),
                    row.name,
                    row.unit.unwrap_or_default(),
                    models(row).join(", "),
                    row.note,
                )
            });
            let head = format!("{INTRODUCTION}\n{head}");
            std::iter::once(head).chain(lines).collect()
        }
    }
}

/// The value of every row of a car that rests on its state, as JSON scalars; parts are called `climate/mode`.
pub fn decode_values(view: &CarView, options: &Options, now: Timestamp) -> Map<String, Json> {
    let scene = Scene::new(view, options, now);
    let zone = &options.time_zone;
    let mut values = Map::new();
    for row in catalog::rows().filter(|row| row.device == Device::Car && offer::fits(row, &scene)) {
        match row.source {
            Source::State(value) => {
                values.insert(row.key.to_owned(), format::json(value(&scene).as_ref(), zone));
            }
            Source::Object(object) => {
                let parts = object(&scene);
                values.extend(
                    parts
                        .into_iter()
                        .map(|(name, value)| (format!("{}/{name}", row.key), value)),
                );
            }
            Source::Fact(_) | Source::Event | Source::None => {}
        }
        for part in row.parts.iter().filter(|part| (part.exists)(&scene)) {
            let value = (part.source)(&scene);
            values.insert(format!("{}/{}", row.key, part.name), format::json(value.as_ref(), zone));
        }
    }
    values
}

/// Whether a car of the model can have the row.
fn suits(row: &Entity, model: &Model) -> bool {
    let powertrains = MODELS
        .iter()
        .find(|(known, _)| known == model)
        .map_or(&[Powertrain::Bev, Powertrain::Reev][..], |(_, powertrains)| powertrains);
    let works = row.commands.is_empty() || row.commands.iter().any(|name| commands::known_to_work(name, model));
    works
        && match row.fits {
            Fits::All | Fits::Shared => true,
            Fits::Powertrain(powertrain) => powertrains.contains(&powertrain),
            Fits::WindowPositions => model.reports_window_positions(),
        }
}

/// The known models that can have the row; none for a row of the bridge.
fn models(row: &Entity) -> Vec<&'static str> {
    if row.device == Device::Bridge {
        return Vec::new();
    }
    let models = MODELS.iter().filter(|(model, _)| suits(row, model));
    models.map(|(model, _)| model.code()).collect()
}

/// A row as the columns of the entity table.
fn columns(row: &Entity) -> Json {
    let rights: BTreeSet<_> = row.commands.iter().flat_map(|name| commands::rights(name)).collect();
    let rights: Vec<_> = rights.iter().map(ToString::to_string).collect();
    let (leapconnect, kerniger) = former_keys(row.key);
    let known = |key: &str| if key.is_empty() { "n" } else { "y" };
    json!({
        "key": row.key,
        "platform": row.platform.name(),
        "device": row.device.name(),
        "module": "core",
        "name_en": row.name,
        "device_class": row.class.unwrap_or_default(),
        "state_class": row.state_class.map_or("", |class| class.name()),
        "unit": row.unit.unwrap_or_default(),
        "entity_category": row.category.map_or("", |category| category.name()),
        "enabled_by_default": if row.enabled { "y" } else { "n" },
        "source": source(row),
        "value_rule": row.range.map_or_else(String::new, |range| {
            format!("{} to {}, step {}", range.min, range.max, range.step)
        }),
        "options": row.options.join("|"),
        "in_leapconnect": known(leapconnect),
        "in_kerniger": known(kerniger),
        "leapconnect_id": leapconnect,
        "kerniger_id": kerniger,
        "right_gate": rights.join("/"),
        "notes": row.note,
        "models": models(row),
    })
}

/// Where the value comes from, in words.
fn source(row: &Entity) -> String {
    let readings: Vec<_> = row.reads.iter().map(|reading| reading.name()).collect();
    match row.source {
        Source::Fact(_) => "the bridge".to_owned(),
        Source::Event => "what happens".to_owned(),
        Source::State(_) | Source::Object(_) | Source::None if !readings.is_empty() => readings.join(", "),
        Source::State(_) | Source::Object(_) => "the car".to_owned(),
        Source::None => row.commands.join(", "),
    }
}
