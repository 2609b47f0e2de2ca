//! The entity catalog: one row per entity of Home Assistant, split by what it is about.
//!
//! Adding an entity is adding a row to one of these tables. If that needs code elsewhere, [`entity::Entity`] lacks a
//! column.

mod battery;
mod bridge;
mod builder;
mod charging;
mod climate;
mod comfort;
mod connection;
pub mod entity;
pub mod former;
mod motion;
mod openings;
mod range;
mod security;
mod tires;

use entity::Entity;

const TABLES: &[&[Entity]] = &[
    battery::ROWS,
    range::ROWS,
    charging::ROWS,
    motion::ROWS,
    climate::ROWS,
    comfort::ROWS,
    openings::ROWS,
    security::ROWS,
    tires::ROWS,
    connection::ROWS,
    bridge::ROWS,
];

/// Every row.
pub fn rows() -> impl Iterator<Item = &'static Entity> {
    TABLES.iter().flat_map(|table| table.iter())
}

/// The row of that key.
pub fn find(key: &str) -> Option<&'static Entity> {
    rows().find(|row| row.key == key)
}
