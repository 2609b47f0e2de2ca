//! What a row of the catalog is made of: its columns and what they can hold.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use crate::homeassistant::commands::Rejection;
use crate::homeassistant::format::UNKNOWN;
use crate::homeassistant::scene::Scene;
use crate::vehicle::command::ClimateSettings;
use crate::vehicle::facts::{FactKey, Value};
use crate::vehicle::intent::{BridgeAction, Intent};
use crate::vehicle::{Powertrain, Reading};

/// One entity of Home Assistant.
#[derive(Debug, Clone, Copy)]
pub struct Entity {
    /// Stable name, English: last level of its topics, end of its ids.
    pub key: &'static str,
    /// The platform of Home Assistant.
    pub platform: Platform,
    /// On which device it sits.
    pub device: Device,
    /// English name. Never repeats the device's name, and no two rows of a device share one.
    pub name: &'static str,
    /// Device class.
    pub class: Option<&'static str>,
    /// State class.
    pub state_class: Option<StateClass>,
    /// Unit.
    pub unit: Option<&'static str>,
    /// Decimals to show.
    pub precision: Option<u8>,
    /// Where Home Assistant files it.
    pub category: Option<Category>,
    /// Whether it is switched on when first seen.
    pub enabled: bool,
    /// Icon, for rows without a class.
    pub icon: Option<&'static str>,
    /// The words its state can be; for an event, its types.
    pub options: &'static [&'static str],
    /// Lowest, highest and step, for numbers.
    pub range: Option<Range>,
    /// Where the value of its own topic comes from.
    pub source: Source,
    /// Values and controls on topics below its own.
    pub parts: &'static [Part],
    /// The readings it rests on: it is offered once the car has ever sent one of them. Empty: no evidence is needed.
    pub reads: &'static [Reading],
    /// On which cars it makes sense.
    pub fits: Fits,
    /// The commands it sends, by their names in the registry; it is offered if one of them is.
    pub commands: &'static [&'static str],
    /// What a message on its `set` topic means.
    pub control: Option<Control>,
    /// Whether it is offered even if none of its commands is, then without its control.
    pub stays: bool,
    /// Attributes that add something to the state.
    pub attributes: Attributes,
    /// Keys of the discovery message that depend on the car.
    pub details: Option<Details>,
    /// How often a new value goes out.
    pub cadence: Cadence,
    /// What has to be up for the entity to be available.
    pub tier: Tier,
    /// What the user should know about it.
    pub note: &'static str,
}

impl Entity {
    /// Whether it takes messages, itself or through its parts.
    pub fn takes_messages(&self) -> bool {
        self.control.is_some() || self.parts.iter().any(|part| part.control.is_some())
    }
}

/// Platforms of Home Assistant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Platform {
    /// `binary_sensor`
    BinarySensor,
    /// `button`
    Button,
    /// `climate`
    Climate,
    /// `cover`
    Cover,
    /// `device_automation`: a trigger for automations; it has no state.
    DeviceAutomation,
    /// `device_tracker`
    DeviceTracker,
    /// `event`
    Event,
    /// `image`
    Image,
    /// `lock`
    Lock,
    /// `number`
    Number,
    /// `select`
    Select,
    /// `sensor`
    Sensor,
    /// `switch`
    Switch,
    /// `text`
    Text,
    /// `update`
    Update,
}

impl Platform {
    /// Its name in Home Assistant.
    pub fn name(self) -> &'static str {
        match self {
            Self::BinarySensor => "binary_sensor",
            Self::Button => "button",
            Self::Climate => "climate",
            Self::Cover => "cover",
            Self::DeviceAutomation => "device_automation",
            Self::DeviceTracker => "device_tracker",
            Self::Event => "event",
            Self::Image => "image",
            Self::Lock => "lock",
            Self::Number => "number",
            Self::Select => "select",
            Self::Sensor => "sensor",
            Self::Switch => "switch",
            Self::Text => "text",
            Self::Update => "update",
        }
    }

    /// The key of the discovery message that names the topic of its own value; `None` for platforms without one.
    pub fn state_topic_key(self) -> Option<&'static str> {
        match self {
            Self::Button | Self::Climate | Self::DeviceAutomation => None,
            Self::Image => Some("img_t"),
            // Without a state topic Home Assistant derives the zone from the coordinates.
            Self::DeviceTracker => Some("json_attr_t"),
            _ => Some("stat_t"),
        }
    }

    /// Whether its topic holds JSON instead of a plain value.
    pub fn holds_json(self) -> bool {
        matches!(self, Self::DeviceTracker | Self::Update)
    }

    /// What the topic of an unknown value holds; `None` where nothing is said of one.
    pub fn unknown(self) -> Option<&'static str> {
        match self {
            Self::DeviceTracker | Self::Update => Some("{}"),
            // It would show the word `None`.
            Self::Text => Some(""),
            // Anything would pass for a picture, and nothing would delete the one that is shown since the last run.
            Self::Image => None,
            _ => Some(UNKNOWN),
        }
    }
}

/// The device an entity sits on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Device {
    /// Each car.
    Car,
    /// The bridge.
    Bridge,
}

impl Device {
    /// `car` or `bridge`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Car => "car",
            Self::Bridge => "bridge",
        }
    }
}

/// State classes of Home Assistant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StateClass {
    /// A present value.
    Measurement,
    /// A counter that may be reset to 0.
    TotalIncreasing,
}

impl StateClass {
    /// Its name in Home Assistant.
    pub fn name(self) -> &'static str {
        match self {
            Self::Measurement => "measurement",
            Self::TotalIncreasing => "total_increasing",
        }
    }
}

/// Where Home Assistant files an entity that is not of first interest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Category {
    /// A setting.
    Config,
    /// Something to look at when in doubt.
    Diagnostic,
}

impl Category {
    /// Its name in Home Assistant.
    pub fn name(self) -> &'static str {
        match self {
            Self::Config => "config",
            Self::Diagnostic => "diagnostic",
        }
    }
}

/// What a number takes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Range {
    /// Lowest value.
    pub min: u32,
    /// Highest value.
    pub max: u32,
    /// Step.
    pub step: u32,
}

/// Where a value comes from.
#[derive(Debug, Clone, Copy)]
pub enum Source {
    /// The entity has no value of its own.
    None,
    /// The picture of the car.
    State(fn(&Scene<'_>) -> Option<Value>),
    /// The picture of the car, as a JSON object; empty while nothing is known.
    Object(fn(&Scene<'_>) -> Map<String, Json>),
    /// Whoever produces the fact.
    Fact(FactKey),
    /// Messages that are sent when something happens, and not kept.
    Event,
}

/// A value, a control or both on a topic below the entity's own.
#[derive(Debug, Clone, Copy)]
pub struct Part {
    /// Last level of the topic.
    pub name: &'static str,
    /// The key of the discovery message that names the topic of the value.
    pub state_topic_key: &'static str,
    /// Where the value comes from.
    pub source: fn(&Scene<'_>) -> Option<Value>,
    /// What the topic holds while the value is unknown: the word `None`, or nothing.
    pub unknown: &'static str,
    /// The key of the discovery message that names the `set` topic, and what a message there means.
    pub control: Option<(&'static str, Meaning)>,
    /// On which cars it exists.
    pub exists: fn(&Scene<'_>) -> bool,
}

/// Keys of the discovery message that depend on the car.
pub type Details = fn(&Scene<'_>) -> Map<String, Json>;

/// What takes the messages on a `set` topic.
#[derive(Debug, Clone, Copy)]
pub enum Control {
    /// The car.
    Car(Meaning),
    /// The bridge, when the button is pressed.
    Bridge(fn() -> BridgeAction),
    /// The bridge, which keeps the value as the setting with the row's key.
    Setting,
}

/// What a message for a car means.
pub type Meaning = fn(&str, &Scene<'_>) -> Result<Wish, Rejection>;

/// What somebody wants who sent a message to a `set` topic.
#[derive(Debug, Clone, PartialEq)]
pub enum Wish {
    /// Something to be done now.
    Now(Intent),
    /// Settings for when the air conditioning is next switched on.
    Later(ClimateSettings),
}

/// On which cars a row makes sense, whatever they have sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fits {
    /// On all.
    All,
    /// On cars with this powertrain.
    Powertrain(Powertrain),
    /// On cars whose window positions are alive.
    WindowPositions,
    /// On cars that are shared to the account.
    Shared,
}

/// Attributes of an entity, on a topic of their own.
#[derive(Debug, Clone, Copy)]
pub enum Attributes {
    /// None.
    None,
    /// From the picture of the car.
    State(fn(&Scene<'_>) -> Map<String, Json>),
    /// A JSON object as the text of a fact; there while somebody produces it.
    Fact(FactKey),
}

/// How often a new value of an entity goes out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cadence {
    /// Whenever it changes.
    OnChange,
    /// Whenever it changes, but while nothing else does, not sooner than this after the last time.
    AtMostEvery(Duration),
}

/// What has to be up for an entity to be available.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tier {
    /// The bridge.
    Bridge,
    /// The bridge, and the car is readable.
    Car,
    /// All that, and commands can be sent.
    Commands,
}
