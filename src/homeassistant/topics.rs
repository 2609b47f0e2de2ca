//! The topics of our own messages, and which entity or command a topic belongs to.

use crate::homeassistant::catalog::entity::{Control, Device, Entity};
use crate::homeassistant::{Facts, Options, Scene, catalog, offer};
use crate::vehicle::facts::Subject;
use crate::vehicle::{CarView, Vin};

/// Second level of the topics of the bridge, where a car has its VIN.
const BRIDGE: &str = "bridge";
/// Topic of JSON commands, below the car.
const COMMAND: &str = "command";
/// Last level of a topic that sets something.
const SET: &str = "set";

impl Options {
    /// The topic of something about the bridge or a car.
    pub fn topic(&self, subject: &Subject, path: &str) -> String {
        let name = match subject {
            Subject::Bridge => BRIDGE,
            Subject::Car(vin) => vin.as_str(),
        };
        format!("{}/{name}/{path}", self.base_topic)
    }

    /// The topic of something about a car.
    pub fn car_topic(&self, vin: &Vin, path: &str) -> String {
        format!("{}/{}/{path}", self.base_topic, vin.as_str())
    }

    /// Whether the bridge runs: retained, and its last will.
    pub fn bridge_state_topic(&self) -> String {
        self.topic(&Subject::Bridge, "state")
    }

    /// Whether the account can read the car.
    pub fn availability_topic(&self, vin: &Vin) -> String {
        self.car_topic(vin, "availability")
    }

    /// Whether commands can be sent to the car.
    pub fn commands_availability_topic(&self, vin: &Vin) -> String {
        self.car_topic(vin, "commands/availability")
    }

    /// Where what became of a command is reported.
    pub fn result_topic(&self, vin: &Vin) -> String {
        self.car_topic(vin, "command/result")
    }

    /// What a message on this topic is about; `None` if it is not a command topic of ours.
    pub(super) fn address<'t>(&self, topic: &'t str) -> Option<Address<'t>> {
        let (subject, path) = topic
            .strip_prefix(self.base_topic.as_str())?
            .strip_prefix('/')?
            .split_once('/')?;
        let vin = (subject != BRIDGE).then_some(subject);
        if path == COMMAND && vin.is_some() {
            return Some(Address {
                vin,
                target: Target::Command,
            });
        }
        let path = path.strip_suffix(SET)?.strip_suffix('/')?;
        Some(Address {
            vin,
            target: Target::Control(path),
        })
    }
}

/// What a message on a command topic is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Address<'t> {
    /// The car, as the topic has it; `None` for the bridge.
    pub vin: Option<&'t str>,
    /// What of it.
    pub target: Target<'t>,
}

/// What a message is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Target<'t> {
    /// A command as JSON.
    Command,
    /// The control of an entity: its key, and the name of the part if it is one.
    Control(&'t str),
}

/// What takes a message: a row's control, or that of one of its parts.
pub(super) fn control(path: &str, device: Device) -> Option<(&'static Entity, Control)> {
    let (key, part) = path
        .split_once('/')
        .map_or((path, None), |(key, part)| (key, Some(part)));
    let row = catalog::find(key).filter(|row| row.device == device)?;
    let control = match part {
        None => row.control?,
        Some(name) => Control::Car(row.parts.iter().find(|part| part.name == name)?.control?.1),
    };
    Some((row, control))
}

/// The topics to subscribe to for the bridge.
pub fn bridge_command_topics(facts: &Facts, options: &Options) -> Vec<String> {
    offer::bridge_rows(facts, options)
        .filter(|row| row.control.is_some())
        .map(|row| options.topic(&Subject::Bridge, &format!("{}/{SET}", row.key)))
        .collect()
}

/// The topics to subscribe to for a car: its JSON commands and the `set` topics of the controls it is offered.
pub fn command_topics(view: &CarView, options: &Options) -> Vec<String> {
    // Nothing that is announced depends on the time.
    let scene = Scene::new(view, options, jiff::Timestamp::UNIX_EPOCH);
    let vin = &view.car.vin;
    let mut topics = vec![options.car_topic(vin, COMMAND)];
    for row in offer::controls(&scene, options) {
        if row.control.is_some() {
            topics.push(options.car_topic(vin, &format!("{}/{SET}", row.key)));
        }
        let parts = row
            .parts
            .iter()
            .filter(|part| part.control.is_some() && (part.exists)(&scene));
        topics.extend(parts.map(|part| options.car_topic(vin, &format!("{}/{}/{SET}", row.key, part.name))));
    }
    topics
}
