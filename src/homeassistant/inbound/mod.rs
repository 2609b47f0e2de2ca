//! What an inbound message on a command topic means, and whether anything may follow from it.

mod report;
mod script;

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value as Json};

use crate::homeassistant::Options;
use crate::homeassistant::catalog::entity::{Control, Device, Entity, Wish};
use crate::homeassistant::commands::{self, Rejection};
use crate::homeassistant::scene::{ClimateMemory, Scene, pressed};
use crate::homeassistant::topics::{self, Address, Target};
use crate::vehicle::car::Fleet;
use crate::vehicle::facts::Subject;
use crate::vehicle::intent::{BridgeAction, Intent, Reason};
use crate::vehicle::settings;
use crate::vehicle::{Command, Vin};

pub use report::{command_event, result_payload};

/// The longest message that is read, in bytes.
const MAX_PAYLOAD: usize = 64 * 1024;
/// How long an id is remembered.
const DUPLICATE_WINDOW: SignedDuration = SignedDuration::from_secs(60);
/// How many ids are remembered at most.
const MAX_REMEMBERED: usize = 1024;
/// How long climate settings count as just sent; after that the command on its way shows in the car's view.
const CLIMATE_SENT: SignedDuration = SignedDuration::from_secs(10);
/// How long climate settings made while it was off are kept.
const CLIMATE_KEPT: SignedDuration = SignedDuration::from_mins(10);

/// A message as it came from the broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Message<'a> {
    /// Its topic.
    pub topic: &'a str,
    /// Its content.
    pub payload: &'a [u8],
    /// Whether the broker keeps it.
    pub retained: bool,
    /// Whether the broker says it may have delivered it before.
    pub duplicate: bool,
    /// The sender's correlation data.
    pub correlation: Option<&'a [u8]>,
    /// How much longer it is valid.
    pub expiry: Option<Duration>,
}

impl Message<'_> {
    /// The end of its validity; one beyond the calendar is none.
    fn end(&self, now: Timestamp) -> Option<Timestamp> {
        now.checked_add(self.expiry?).ok()
    }
}

/// What follows from a message.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    /// Nothing, and nobody needs to know.
    Ignore,
    /// Something is to be done.
    Act(Inbound),
    /// Nothing is done, and the sender is told.
    Refuse(Refusal),
}

/// Something to be done.
#[derive(Debug, Clone, PartialEq)]
pub struct Inbound {
    /// What.
    pub intent: Intent,
    /// The sender's own id.
    pub id: Option<String>,
    /// When it is too late, if not at the usual time.
    pub expires: Option<Timestamp>,
}

/// A message that nothing follows from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// For which car, as far as the topic can be a car's.
    pub vin: Option<Vin>,
    /// The command, as far as it could be told.
    pub command: Option<String>,
    /// The sender's own id.
    pub id: Option<String>,
    /// Why.
    pub reason: Reason,
    /// Why, for a person.
    pub detail: String,
    /// Whether the topic has to be cleared, so that the broker forgets the message.
    pub clear_retained: bool,
}

/// Reads messages on command topics, and remembers what is needed to recognise a second delivery.
#[derive(Debug, Default)]
pub struct Inbox {
    seen: BTreeMap<(Vin, Mark), Timestamp>,
    climate: BTreeMap<Vin, (ClimateMemory, Timestamp)>,
}

/// What a sender marks a message with, to tell it from others.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Mark {
    Id(String),
    Correlation(Vec<u8>),
}

impl Inbox {
    /// An inbox that remembers nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// What follows from a message.
    pub fn admit(&mut self, message: &Message<'_>, fleet: &Fleet, options: &Options, now: Timestamp) -> Verdict {
        let Some(address) = options.address(message.topic) else {
            return Verdict::Ignore;
        };
        if message.payload.is_empty() {
            return Verdict::Ignore;
        }
        let vin = address.vin.and_then(|vin| Vin::parse(vin).ok());
        let asked = Asked::read(&address, message.payload);
        let refuse = |rejection: Rejection| {
            Verdict::Refuse(Refusal {
                vin: vin.clone(),
                command: asked.as_ref().ok().map(Asked::command),
                id: asked.as_ref().ok().and_then(Asked::id),
                reason: rejection.reason,
                detail: rejection.detail,
                clear_retained: rejection.reason == Reason::Retained,
            })
        };
        if message.retained {
            return refuse(reject(Reason::Retained, "a retained message is never carried out"));
        }
        if address.vin.is_none() {
            return match asked.as_ref().map_err(Clone::clone).and_then(Asked::of_bridge) {
                // A second delivery of a setting changes nothing; a second press is dropped like any other.
                _ if message.duplicate => refuse(reject(Reason::Duplicate, "this message was already delivered")),
                Ok(intent) => Verdict::Act(Inbound {
                    intent,
                    id: None,
                    expires: None,
                }),
                Err(rejection) => refuse(rejection),
            };
        }
        let Some(view) = vin.as_ref().and_then(|vin| fleet.get(vin)) else {
            return refuse(reject(Reason::UnknownVehicle, "no account has this car"));
        };
        let asked = match &asked {
            Ok(asked) => asked,
            Err(rejection) => return refuse(rejection.clone()),
        };
        let vin = &view.car.vin;
        let marks = marks(vin, asked, message);
        self.forget(now);
        if message.duplicate || marks.iter().any(|mark| self.seen.contains_key(mark)) {
            return refuse(reject(Reason::Duplicate, "this message was already delivered"));
        }
        let (own, end) = (asked.expires(), message.end(now));
        if own.into_iter().chain(end).any(|time| time <= now) {
            return refuse(reject(Reason::Expired, "the message came too late"));
        }
        let scene = Scene {
            climate: self.climate.get(vin).map(|(memory, _)| *memory),
            ..Scene::new(view, options, now)
        };
        match asked.wish(&scene) {
            Err(rejection) => refuse(rejection),
            Ok(Wish::Later(settings)) => {
                self.climate.insert(vin.clone(), (ClimateMemory::Kept(settings), now));
                Verdict::Ignore
            }
            Ok(Wish::Now(intent)) => {
                self.remember(marks, vin, &intent, now);
                Verdict::Act(Inbound {
                    expires: deadline(&intent, own, end, now),
                    intent,
                    id: asked.id(),
                })
            }
        }
    }

    /// Remembers what was let through.
    fn remember(&mut self, marks: Vec<(Vin, Mark)>, vin: &Vin, intent: &Intent, now: Timestamp) {
        for mark in marks {
            self.seen.insert(mark, now);
        }
        while self.seen.len() > MAX_REMEMBERED {
            let oldest = self
                .seen
                .iter()
                .min_by_key(|(_, at)| **at)
                .map(|(mark, _)| mark.clone());
            oldest.map(|mark| self.seen.remove(&mark));
        }
        match intent {
            Intent::Car(_, Command::Climate(settings)) => {
                self.climate.insert(vin.clone(), (ClimateMemory::Sent(*settings), now));
            }
            Intent::Car(_, Command::ClimateOff) => {
                self.climate.remove(vin);
            }
            Intent::Car(..) | Intent::Bridge(_) | Intent::Setting(..) => {}
        }
    }

    /// Forgets what is too old to matter.
    fn forget(&mut self, now: Timestamp) {
        self.seen.retain(|_, at| now.duration_since(*at) < DUPLICATE_WINDOW);
        self.climate.retain(|_, (memory, at)| {
            let limit = match memory {
                ClimateMemory::Sent(_) => CLIMATE_SENT,
                ClimateMemory::Kept(_) => CLIMATE_KEPT,
            };
            now.duration_since(*at) < limit
        });
    }
}

/// What a message asks for, read but not yet understood.
enum Asked<'m> {
    /// A command as JSON.
    Script(script::Request),
    /// The control of an entity.
    Control {
        row: &'static Entity,
        control: Control,
        payload: &'m str,
    },
}

impl<'m> Asked<'m> {
    fn read(address: &Address<'_>, payload: &'m [u8]) -> Result<Self, Rejection> {
        if payload.len() > MAX_PAYLOAD {
            return Err(reject(Reason::InvalidPayload, "the message is longer than 64 kB"));
        }
        let device = if address.vin.is_some() {
            Device::Car
        } else {
            Device::Bridge
        };
        let payload = std::str::from_utf8(payload)
            .map_err(|_| reject(Reason::InvalidPayload, "the message is not UTF-8 text"))?;
        match address.target {
            Target::Command => script::Request::read(payload).map(Self::Script),
            Target::Control(path) => topics::control(path, device)
                .map(|(row, control)| Self::Control { row, control, payload })
                .ok_or_else(|| reject(Reason::UnknownCommand, "nothing can be set by this topic")),
        }
    }

    /// The command's name for the answer; a control that sends several is called by its entity.
    fn command(&self) -> String {
        match self {
            Self::Script(request) => request.command.clone(),
            Self::Control { row, .. } => match row.commands {
                [command] => (*command).to_owned(),
                _ => row.key.to_owned(),
            },
        }
    }

    fn id(&self) -> Option<String> {
        match self {
            Self::Script(request) => request.id.clone(),
            Self::Control { .. } => None,
        }
    }

    /// The sender's own deadline.
    fn expires(&self) -> Option<Timestamp> {
        match self {
            Self::Script(request) => request.expires,
            Self::Control { .. } => None,
        }
    }

    /// What it means for the bridge.
    fn of_bridge(&self) -> Result<Intent, Rejection> {
        match self {
            Self::Control {
                row,
                control: Control::Setting,
                payload,
            } => setting(row, Subject::Bridge, payload),
            Self::Control {
                control: Control::Bridge(action),
                payload,
                ..
            } => press(payload, action),
            Self::Control { .. } | Self::Script(_) => {
                Err(reject(Reason::UnknownCommand, "nothing can be set by this topic"))
            }
        }
    }

    fn wish(&self, scene: &Scene<'_>) -> Result<Wish, Rejection> {
        match self {
            Self::Script(request) => {
                let command = commands::parse(&request.command, &request.params)?;
                Ok(Wish::Now(Intent::Car(scene.view.car.vin.clone(), command)))
            }
            Self::Control { row, control, payload } => match control {
                Control::Car(meaning) => meaning(payload, scene),
                Control::Bridge(action) => press(payload, action).map(Wish::Now),
                Control::Setting => {
                    let subject = Subject::Car(scene.view.car.vin.clone());
                    setting(row, subject, payload).map(Wish::Now)
                }
            },
        }
    }
}

/// The press of a button of the bridge.
fn press(payload: &str, action: &fn() -> BridgeAction) -> Result<Intent, Rejection> {
    pressed(payload)?;
    Ok(Intent::Bridge(action()))
}

/// A new value of a setting, as it was written, if it may be that.
fn setting(row: &Entity, subject: Subject, payload: &str) -> Result<Intent, Rejection> {
    settings::parse(row.key, &subject, payload)?;
    Ok(Intent::Setting(subject, row.key, payload.trim().to_owned()))
}

fn marks(vin: &Vin, asked: &Asked<'_>, message: &Message<'_>) -> Vec<(Vin, Mark)> {
    let id = asked.id().map(Mark::Id);
    let correlation = message.correlation.map(|data| Mark::Correlation(data.to_vec()));
    id.into_iter()
        .chain(correlation)
        .map(|mark| (vin.clone(), mark))
        .collect()
}

/// When a command is too late: at the sender's own deadline, else at its usual time, and in any case at the `end` of the
/// message. That end is made for the broker's queues: it may take time from a command and never gives it more.
fn deadline(intent: &Intent, own: Option<Timestamp>, end: Option<Timestamp>, now: Timestamp) -> Option<Timestamp> {
    let (Intent::Car(_, command), Some(end)) = (intent, end) else {
        return own;
    };
    let usual = || now.checked_add(commands::lifetime(command)).unwrap_or(Timestamp::MAX);
    Some(own.unwrap_or_else(usual).min(end))
}

fn reject(reason: Reason, detail: &str) -> Rejection {
    Rejection {
        reason,
        detail: detail.to_owned(),
    }
}

/// A JSON object.
type Object = Map<String, Json>;

#[cfg(test)]
mod tests;
