//! How a car looks in Home Assistant.
//!
//! One table, the [`catalog`], has a row per entity. Everything else is worked out from it: discovery messages
//! ([`car_discovery`], [`bridge_discovery`]), the retained state topics ([`car_states`], [`bridge_states`]), the command
//! topics and what a message on one of them means ([`Inbox`]), and the tables for people ([`table()`]).
//!
//! Pure: it knows neither the broker connection nor the cloud, and the time is always an argument.

pub mod catalog;
mod choice;
mod commands;
mod discovery;
mod events;
mod format;
mod inbound;
mod languages;
mod offer;
mod others;
mod past;
mod scene;
mod signals;
mod states;
mod table;
mod topics;

use std::collections::{BTreeMap, BTreeSet};

use jiff::tz::TimeZone;

use crate::vehicle::facts::{FactKey, Subject, Value};

pub use catalog::entity::{Cadence, Device, Entity, Platform};
pub use choice::{Choice, Choices};
pub use commands::Policy;
pub use discovery::{Discovery, bridge_discovery, car_discovery, with_removals};
pub use events::{command_trigger, event_messages};
pub use inbound::{Inbound, Inbox, Message, Refusal, Verdict, command_event, result_payload};
pub use languages::Language;
pub use others::OtherBridge;
pub use past::{Past, car_topics, names, retired_topics};
pub use scene::Scene;
pub use states::{StateMessage, bridge_states, car_states, car_unavailable};
pub use table::{Format, decode_values, table};
pub use topics::{bridge_command_topics, command_topics};

/// What shapes topics and messages.
#[derive(Debug, Clone)]
pub struct Options {
    /// First level of our own topics.
    pub base_topic: String,
    /// First level of discovery topics.
    pub discovery_prefix: String,
    /// Where Home Assistant says that it has started.
    pub status_topic: String,
    /// Our version, shown as the origin's.
    pub version: &'static str,
    /// Where to get help, shown as the origin's.
    pub support_url: &'static str,
    /// The language of entity names.
    pub language: Language,
    /// The zone whose offset moments carry.
    pub time_zone: TimeZone,
    /// Facts that somebody produces in this run; rows of other facts are not announced.
    pub expected_facts: BTreeSet<FactKey>,
    /// Which commands the owner allows.
    pub policy: Policy,
    /// Which entities the owner wants in any case or not at all.
    pub choices: Choices,
    /// Entities of earlier versions.
    pub past: &'static [Past],
    /// The bridge's own page, if it has one.
    pub configuration_url: Option<String>,
}

impl Default for Options {
    /// The usual topics, UTC, everything allowed, and no facts.
    fn default() -> Self {
        Self {
            base_topic: "leapmotor2mqtt".to_owned(),
            discovery_prefix: "homeassistant".to_owned(),
            status_topic: "homeassistant/status".to_owned(),
            version: env!("CARGO_PKG_VERSION"),
            support_url: env!("CARGO_PKG_REPOSITORY"),
            language: Language::English,
            time_zone: TimeZone::UTC,
            expected_facts: BTreeSet::new(),
            policy: Policy::default(),
            choices: Choices::default(),
            past: past::PAST,
            configuration_url: None,
        }
    }
}

/// The newest value of every known fact.
pub type Facts = BTreeMap<(Subject, FactKey), Value>;

#[cfg(test)]
mod fixture;
#[cfg(test)]
mod tests;
