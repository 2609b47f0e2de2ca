//! The retained topics that hold the present values: one per value.

use std::sync::Arc;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Map, Value as Json};

use crate::homeassistant::catalog::entity::{Attributes, Cadence, Entity, Platform, Source};
use crate::homeassistant::discovery::has_attributes;
use crate::homeassistant::{Facts, Options, Scene, format, offer, signals};
use crate::vehicle::car::PinStatus;
use crate::vehicle::facts::{FactKey, Subject, Value};
use crate::vehicle::{CarView, Vin};

/// The setting that says whether the car's place is published.
const PUBLISH_LOCATION: FactKey = "publish_location";

/// A retained topic and what it holds now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateMessage {
    /// Where.
    pub topic: String,
    /// What; empty clears the topic.
    pub payload: Arc<[u8]>,
    /// How often a new value goes out.
    pub cadence: Cadence,
}

/// Everything retained about a car: its availability, and the values and attributes of the rows it is offered.
pub fn car_states(view: &CarView, facts: &Facts, options: &Options, now: Timestamp) -> Vec<StateMessage> {
    let vin = &view.car.vin;
    let subject = Subject::Car(vin.clone());
    let scene = Scene {
        hides_place: hides_place(&subject, facts, options),
        ..Scene::new(view, options, now)
    };
    let commands = view.pin == PinStatus::Ready && offer::commandable(&scene, options);
    let mut messages = vec![
        online(options.availability_topic(vin), view.reachable),
        online(options.commands_availability_topic(vin), commands),
    ];
    for row in offer::car_rows(&scene, facts, options) {
        messages.extend(row_states(row, &subject, Some(&scene), facts, options));
    }
    messages.extend(signals::states(&scene, options));
    messages
}

/// What is retained about a car of which nothing is known.
pub fn car_unavailable(vin: &Vin, options: &Options) -> StateMessage {
    online(options.availability_topic(vin), false)
}

/// Everything retained about the bridge, except whether it runs: that topic belongs to the connection.
pub fn bridge_states(facts: &Facts, options: &Options) -> Vec<StateMessage> {
    offer::bridge_rows(facts, options)
        .flat_map(|row| row_states(row, &Subject::Bridge, None, facts, options))
        .collect()
}

/// Whether the car's place is not published. Until the setting is told, it may be that the owner keeps the place to
/// himself; where nobody keeps settings, nobody has said so.
fn hides_place(subject: &Subject, facts: &Facts, options: &Options) -> bool {
    match facts.get(&(subject.clone(), PUBLISH_LOCATION)) {
        Some(published) => *published != Value::Flag(true),
        None => options.expected_facts.contains(PUBLISH_LOCATION),
    }
}

fn row_states(
    row: &Entity,
    subject: &Subject,
    scene: Option<&Scene<'_>>,
    facts: &Facts,
    options: &Options,
) -> Vec<StateMessage> {
    let message = |path: &str, payload: Arc<[u8]>| StateMessage {
        topic: options.topic(subject, path),
        payload,
        cadence: row.cadence,
    };
    let zone = &options.time_zone;
    let mut messages = Vec::new();
    match (row.source, scene) {
        (Source::Fact(key), _) => {
            let value = facts.get(&(subject.clone(), key));
            messages.extend(payload(row.platform, value, zone).map(|payload| message(row.key, payload)));
        }
        (Source::State(value), Some(scene)) => {
            let payload = payload(row.platform, value(scene).as_ref(), zone);
            messages.extend(payload.map(|payload| message(row.key, payload)));
        }
        (Source::Object(object), Some(scene)) => messages.push(message(row.key, bytes(text(object(scene))))),
        (Source::State(_) | Source::Object(_) | Source::Event | Source::None, _) => {}
    }
    if let Some(scene) = scene {
        for part in row.parts.iter().filter(|part| (part.exists)(scene)) {
            let value = (part.source)(scene);
            let payload = value.map_or_else(|| part.unknown.to_owned(), |value| format::payload(Some(&value), zone));
            messages.push(message(&format!("{}/{}", row.key, part.name), bytes(payload)));
        }
    }
    if has_attributes(row, subject, facts, options) {
        messages.push(message(
            &format!("{}/attributes", row.key),
            bytes(attributes(row, subject, scene, facts)),
        ));
    }
    messages
}

/// A value as the platform takes it; `None` while there is nothing to say.
fn payload(platform: Platform, value: Option<&Value>, zone: &TimeZone) -> Option<Arc<[u8]>> {
    let unknown = || platform.unknown().map(|unknown| bytes(unknown.to_owned()));
    match value {
        Some(Value::Image(picture)) => Some(picture.clone()),
        Some(Value::Text(text)) if platform.holds_json() => Some(bytes(text.clone())),
        Some(Value::Text(text)) if text.is_empty() => unknown(),
        Some(value) => Some(bytes(format::payload(Some(value), zone))),
        None => unknown(),
    }
}

/// The attributes of a row as a JSON object; empty while nothing is known.
fn attributes(row: &Entity, subject: &Subject, scene: Option<&Scene<'_>>, facts: &Facts) -> String {
    match (row.attributes, scene) {
        (Attributes::State(attributes), Some(scene)) => text(attributes(scene)),
        (Attributes::Fact(key), _) => match facts.get(&(subject.clone(), key)) {
            Some(Value::Text(object)) => object.clone(),
            _ => text(Map::new()),
        },
        (Attributes::State(_) | Attributes::None, _) => text(Map::new()),
    }
}

fn bytes(text: String) -> Arc<[u8]> {
    text.into_bytes().into()
}

fn text(object: Map<String, Json>) -> String {
    Json::Object(object).to_string()
}

fn online(topic: String, online: bool) -> StateMessage {
    StateMessage {
        topic,
        payload: bytes(if online { "online" } else { "offline" }.to_owned()),
        cadence: Cadence::OnChange,
    }
}
