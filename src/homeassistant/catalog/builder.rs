//! How rows are written: a chain of `const` functions that starts with the platform, so that a row says only what is
//! special about it.

use std::time::Duration;

use serde_json::{Map, Value as Json};

use super::entity::{
    Attributes, Cadence, Category, Control, Details, Device, Entity, Fits, Meaning, Part, Platform, Range, Source,
    StateClass, Tier,
};
use crate::homeassistant::scene::Scene;
use crate::vehicle::Reading;
use crate::vehicle::facts::{FactKey, Value};
use crate::vehicle::intent::BridgeAction;

const BLANK: Entity = Entity {
    key: "",
    platform: Platform::Sensor,
    device: Device::Car,
    name: "",
    class: None,
    state_class: None,
    unit: None,
    precision: None,
    category: None,
    enabled: true,
    icon: None,
    options: &[],
    range: None,
    source: Source::None,
    parts: &[],
    reads: &[],
    fits: Fits::All,
    commands: &[],
    control: None,
    stays: false,
    attributes: Attributes::None,
    details: None,
    cadence: Cadence::OnChange,
    tier: Tier::Car,
    note: "",
};

/// A row of the given platform.
pub const fn entity(platform: Platform, key: &'static str, name: &'static str) -> Entity {
    Entity {
        platform,
        key,
        name,
        ..BLANK
    }
}

/// A sensor of the car.
pub const fn sensor(key: &'static str, name: &'static str) -> Entity {
    entity(Platform::Sensor, key, name)
}

/// A sensor whose value is one of a few words.
pub const fn words(key: &'static str, name: &'static str, options: &'static [&'static str]) -> Entity {
    Entity {
        class: Some("enum"),
        options,
        ..sensor(key, name)
    }
}

/// A sensor whose value is a moment.
pub const fn moment(key: &'static str, name: &'static str) -> Entity {
    sensor(key, name).class("timestamp")
}

/// A yes or no of the car.
pub const fn binary(key: &'static str, name: &'static str) -> Entity {
    entity(Platform::BinarySensor, key, name)
}

/// A button.
pub const fn button(key: &'static str, name: &'static str) -> Entity {
    entity(Platform::Button, key, name)
}

/// A switch.
pub const fn switch(key: &'static str, name: &'static str) -> Entity {
    entity(Platform::Switch, key, name)
}

/// A number to set.
pub const fn dial(key: &'static str, name: &'static str, range: Range) -> Entity {
    Entity {
        range: Some(range),
        ..entity(Platform::Number, key, name)
    }
}

/// A choice between a few words.
pub const fn choice(key: &'static str, name: &'static str, options: &'static [&'static str]) -> Entity {
    Entity {
        options,
        ..entity(Platform::Select, key, name)
    }
}

/// A text to set.
pub const fn text(key: &'static str, name: &'static str) -> Entity {
    entity(Platform::Text, key, name)
}

impl Entity {
    /// Sets the device class.
    pub const fn class(self, class: &'static str) -> Self {
        Self {
            class: Some(class),
            ..self
        }
    }

    /// A present value with a unit, shown with so many decimals. Without a class Home Assistant does not convert it.
    pub const fn measures(self, class: Option<&'static str>, unit: &'static str, decimals: u8) -> Self {
        Self {
            class,
            state_class: Some(StateClass::Measurement),
            unit: Some(unit),
            precision: Some(decimals),
            ..self
        }
    }

    /// A present value that is a plain count or level.
    pub const fn level(self) -> Self {
        Self {
            state_class: Some(StateClass::Measurement),
            precision: Some(0),
            ..self
        }
    }

    /// A counter.
    pub const fn counts(self, class: &'static str, unit: &'static str, decimals: u8) -> Self {
        Self {
            state_class: Some(StateClass::TotalIncreasing),
            ..self.measures(Some(class), unit, decimals)
        }
    }

    /// A count that starts again at 0 every day.
    pub const fn tally(self) -> Self {
        Self {
            state_class: Some(StateClass::TotalIncreasing),
            ..self.level()
        }
    }

    /// Sets the unit.
    pub const fn unit(self, unit: &'static str) -> Self {
        Self {
            unit: Some(unit),
            ..self
        }
    }

    /// Shows so many decimals.
    pub const fn decimals(self, decimals: u8) -> Self {
        Self {
            precision: Some(decimals),
            ..self
        }
    }

    /// Files it under diagnosis.
    pub const fn diagnostic(self) -> Self {
        Self {
            category: Some(Category::Diagnostic),
            ..self
        }
    }

    /// Files it under settings.
    pub const fn config(self) -> Self {
        Self {
            category: Some(Category::Config),
            ..self
        }
    }

    /// Switched off until the user wants it.
    pub const fn disabled(self) -> Self {
        Self { enabled: false, ..self }
    }

    /// Sets the icon.
    pub const fn icon(self, icon: &'static str) -> Self {
        Self {
            icon: Some(icon),
            ..self
        }
    }

    /// The value, worked out from these readings.
    pub const fn from(self, reads: &'static [Reading], value: fn(&Scene<'_>) -> Option<Value>) -> Self {
        Self {
            reads,
            source: Source::State(value),
            ..self
        }
    }

    /// A value that is known of every car.
    pub const fn known(self, value: fn(&Scene<'_>) -> Option<Value>) -> Self {
        Self {
            source: Source::State(value),
            ..self
        }
    }

    /// A JSON object, worked out from these readings.
    pub const fn object(self, reads: &'static [Reading], value: fn(&Scene<'_>) -> Map<String, Json>) -> Self {
        Self {
            reads,
            source: Source::Object(value),
            ..self
        }
    }

    /// The value of the fact with the row's own key.
    pub const fn fact(self) -> Self {
        Self {
            source: Source::Fact(self.key),
            ..self
        }
    }

    /// Puts the row on the bridge.
    pub const fn on_bridge(self) -> Self {
        Self {
            device: Device::Bridge,
            tier: Tier::Bridge,
            ..self
        }
    }

    /// Sends these commands.
    pub const fn sends(self, commands: &'static [&'static str], control: Meaning) -> Self {
        Self {
            commands,
            control: Some(Control::Car(control)),
            tier: Tier::Commands,
            ..self
        }
    }

    /// Sends these commands if they may be sent, and only shows its value if not.
    pub const fn may_send(self, commands: &'static [&'static str], control: Meaning) -> Self {
        Self {
            commands,
            control: Some(Control::Car(control)),
            stays: true,
            ..self
        }
    }

    /// Acts on the bridge alone, for which no command goes to the car.
    pub const fn acts(self, control: Meaning) -> Self {
        Self {
            control: Some(Control::Car(control)),
            ..self
        }
    }

    /// A button of the bridge.
    pub const fn asks(self, action: fn() -> BridgeAction) -> Self {
        Self {
            control: Some(Control::Bridge(action)),
            ..self.on_bridge()
        }
    }

    /// A setting the bridge keeps; its value is the fact with the row's own key.
    pub const fn setting(self) -> Self {
        Self {
            control: Some(Control::Setting),
            tier: Tier::Bridge,
            ..self.fact()
        }
    }

    /// Something that happens, of these types.
    pub const fn happens(self, types: &'static [&'static str]) -> Self {
        Self {
            options: types,
            source: Source::Event,
            ..self
        }
    }

    /// Sends these commands through its parts.
    pub const fn sends_by_parts(self, commands: &'static [&'static str], parts: &'static [Part]) -> Self {
        Self {
            commands,
            parts,
            tier: Tier::Commands,
            ..self
        }
    }

    /// Adds parts.
    pub const fn parts(self, parts: &'static [Part]) -> Self {
        Self { parts, ..self }
    }

    /// Adds attributes from the picture of the car.
    pub const fn attributes(self, attributes: fn(&Scene<'_>) -> Map<String, Json>) -> Self {
        Self {
            attributes: Attributes::State(attributes),
            ..self
        }
    }

    /// Adds attributes from a fact.
    pub const fn attributes_from(self, fact: FactKey) -> Self {
        Self {
            attributes: Attributes::Fact(fact),
            ..self
        }
    }

    /// Keys of the discovery message that depend on the car.
    pub const fn details(self, details: Details) -> Self {
        Self {
            details: Some(details),
            ..self
        }
    }

    /// Restricts the row to some cars.
    pub const fn only(self, fits: Fits) -> Self {
        Self { fits, ..self }
    }

    /// Slows a value down that changes all the time.
    pub const fn at_most_every(self, minutes: u64) -> Self {
        Self {
            cadence: Cadence::AtMostEvery(Duration::from_secs(minutes * 60)),
            ..self
        }
    }

    /// What the user should know.
    pub const fn note(self, note: &'static str) -> Self {
        Self { note, ..self }
    }
}
