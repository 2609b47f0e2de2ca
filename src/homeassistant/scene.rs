//! What the values of a car's rows are worked out from.

use std::sync::LazyLock;

use jiff::Timestamp;

use crate::homeassistant::Options;
use crate::homeassistant::catalog::entity::Wish;
use crate::homeassistant::commands::Rejection;
use crate::vehicle::command::{ClimateSettings, EffectGroup};
use crate::vehicle::facts::Value;
use crate::vehicle::intent::{Intent, Reason};
use crate::vehicle::{CarView, Command, Reading, VehicleState};

/// A car at one moment.
#[derive(Debug, Clone, Copy)]
pub struct Scene<'a> {
    /// The car.
    pub view: &'a CarView,
    /// Its state; all unknown before the first frame.
    pub state: &'a VehicleState,
    /// The present moment.
    pub now: Timestamp,
    /// What the owner configured.
    pub options: &'a Options,
    /// Whether the owner keeps the car's place to himself.
    pub hides_place: bool,
    /// Climate settings asked for that the car's state does not show yet.
    pub climate: Option<ClimateMemory>,
}

/// Climate settings somebody asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClimateMemory {
    /// Just sent, so the air conditioning will run with them.
    Sent(ClimateSettings),
    /// For when it is next switched on.
    Kept(ClimateSettings),
}

impl<'a> Scene<'a> {
    /// The car at this moment.
    pub fn new(view: &'a CarView, options: &'a Options, now: Timestamp) -> Self {
        static NOTHING_KNOWN: LazyLock<VehicleState> = LazyLock::new(VehicleState::default);
        Self {
            view,
            state: view.state.as_ref().unwrap_or(&NOTHING_KNOWN),
            now,
            options,
            hides_place: false,
            climate: None,
        }
    }

    /// A reading as a number with so many decimals.
    pub fn number(&self, reading: Reading, decimals: u8) -> Option<Value> {
        number(self.state.frame.number(reading)?, decimals)
    }

    /// A reading that is only true while the car reports it.
    pub fn live(&self, reading: Reading, decimals: u8) -> Option<Value> {
        if self.state.stale {
            return None;
        }
        self.number(reading, decimals)
    }

    /// A reading as it came.
    pub fn raw(&self, reading: Reading) -> Option<Value> {
        self.state.frame.text(reading).map(Value::Text)
    }

    /// Whether a reading has one of these codes.
    pub fn code_is(&self, reading: Reading, codes: &[i64]) -> Option<Value> {
        flag(self.state.frame.code_is(reading, codes))
    }

    /// Whether a reading is other than 0.
    pub fn is_set(&self, reading: Reading) -> Option<Value> {
        flag(self.state.frame.flag(reading))
    }

    /// The word for a reading's code; other codes are unknown.
    pub fn word(&self, reading: Reading, words: &[(i64, &str)]) -> Option<Value> {
        let code = self.state.frame.code(reading)?;
        words
            .iter()
            .find(|(known, _)| *known == code)
            .and_then(|(_, name)| word(name))
    }

    /// How old the newest word of the car is, in seconds.
    pub fn data_age(&self) -> Option<f64> {
        let age = self.now.duration_since(self.state.vehicle_time?);
        // The car's clock may be ahead of ours.
        Some(age.as_secs_f64().max(0.0))
    }

    /// What the press of a button means.
    pub fn press(&self, payload: &str, command: Command) -> Result<Wish, Rejection> {
        pressed(payload)?;
        Ok(self.wish(command))
    }

    /// What a switch means.
    pub fn toggle(&self, payload: &str, command: impl FnOnce(bool) -> Command) -> Result<Wish, Rejection> {
        Ok(self.wish(command(on_or_off(payload)?)))
    }

    /// The command, now.
    pub fn wish(&self, command: Command) -> Wish {
        Wish::Now(Intent::Car(self.view.car.vin.clone(), command))
    }

    /// What a switch shows: what was asked for while that is on its way, else what the car says.
    pub fn switched(
        &self,
        known: Option<bool>,
        group: EffectGroup,
        asked: impl FnOnce(&Command) -> Option<bool>,
    ) -> Option<Value> {
        flag(self.pending(group).and_then(asked).or(known))
    }

    /// The command on its way that affects this.
    pub fn pending(&self, group: EffectGroup) -> Option<&'a Command> {
        self.view.pending.get(&group).map(|pending| &pending.command)
    }
}

/// What a switch sends.
pub fn on_or_off(payload: &str) -> Result<bool, Rejection> {
    match payload {
        "ON" => Ok(true),
        "OFF" => Ok(false),
        _ => Err(Rejection {
            reason: Reason::InvalidPayload,
            detail: "a switch takes ON or OFF".to_owned(),
        }),
    }
}

/// Whether the message is that a button was pressed.
pub fn pressed(payload: &str) -> Result<(), Rejection> {
    if payload == "PRESS" {
        return Ok(());
    }
    Err(Rejection {
        reason: Reason::InvalidPayload,
        detail: "a button takes PRESS".to_owned(),
    })
}

/// A quantity with so many decimals; what is not finite is unknown.
pub fn number(value: impl Into<f64>, decimals: u8) -> Option<Value> {
    let value = value.into();
    value.is_finite().then_some(Value::Number(value, decimals))
}

/// A yes or no.
pub fn flag(value: Option<bool>) -> Option<Value> {
    value.map(Value::Flag)
}

/// One of a few words.
pub fn word(word: &str) -> Option<Value> {
    Some(Value::Text(word.to_owned()))
}
