//! The entity catalog: one row per entity of Home Assistant, split by what it is about.
//!
//! Adding an entity is adding a row to one of these tables. If that needs code elsewhere, [`entity::Entity`] lacks a
//! column.

mod battery;
mod bridge;
mod builder;
mod charge_control;
mod charging;
mod climate;
mod comfort;
mod connection;
pub mod entity;
mod events;
pub mod former;
mod media;
mod motion;
mod openings;
mod polling;
mod range;
mod remote;
mod roof;
mod security;
mod statistics;
mod tires;

use entity::Entity;

const TABLES: &[&[Entity]] = &[
    battery::ROWS,
    range::ROWS,
    charging::ROWS,
    charge_control::ROWS,
    statistics::ROWS,
    motion::ROWS,
    climate::ROWS,
    comfort::ROWS,
    openings::ROWS,
    roof::ROWS,
    security::ROWS,
    tires::ROWS,
    media::ROWS,
    remote::ROWS,
    events::ROWS,
    connection::ROWS,
    polling::ROWS,
    bridge::ROWS,
];

/// What Home Assistant could show but does not, and why: key and reason, in the words of `docs/known-limits.md`.
pub const REASONS: &[(&str, &str)] = &[(
    "bridge_software",
    "The bridge asks nobody for newer versions of itself: it calls the maker's cloud and nothing else. A container or add-on is updated by what runs it",
)];

/// Every row.
pub fn rows() -> impl Iterator<Item = &'static Entity> {
    TABLES.iter().flat_map(|table| table.iter())
}

/// The row of that key.
pub fn find(key: &str) -> Option<&'static Entity> {
    rows().find(|row| row.key == key)
}
