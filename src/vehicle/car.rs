//! A car of the account, and the picture of it that the rest of the program looks at.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;

use super::command::EffectGroup;
use super::profile::{Model, Powertrain};
use super::reading::Reading;
use super::state::VehicleState;
use super::vin::Vin;

/// The longest name that is shown, in characters.
const LONGEST_NAME: usize = 64;

/// A car as the vehicle list describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Car {
    /// Its number.
    pub vin: Vin,
    /// The model code.
    pub model: Model,
    /// What the owner calls it, in our configuration or in the app.
    pub name: Option<String>,
    /// Model year.
    pub year: Option<i64>,
    /// The cloud's own id of the car, needed for some reads of shared cars.
    pub car_id: Option<String>,
    /// Whether the car belongs to the account or was shared to it.
    pub shared: bool,
    /// End of the share; `None` is unlimited.
    pub share_expires: Option<Timestamp>,
    /// What the account may do (`rights.csv`); unknown codes are kept. Empty when the cloud named none.
    pub rights: BTreeSet<u32>,
    /// What the car declares it can do (`rights.csv`).
    pub abilities: BTreeSet<u32>,
}

impl Car {
    /// A car of which only number and model are known.
    pub fn unlisted(vin: Vin, model: Model) -> Self {
        Self {
            vin,
            model,
            name: None,
            year: None,
            car_id: None,
            shared: false,
            share_expires: None,
            rights: BTreeSet::new(),
            abilities: BTreeSet::new(),
        }
    }

    /// What to call the car where there is room for one word or two: its name on one short line, else model and end of
    /// the VIN.
    pub fn display_name(&self) -> String {
        self.name
            .as_deref()
            .and_then(one_line)
            .unwrap_or_else(|| format!("Leapmotor {} {}", self.model, self.vin.last(6)))
    }
}

/// The text on one line of at most [`LONGEST_NAME`] characters, without what cannot be seen; `None` if nothing is left.
fn one_line(text: &str) -> Option<String> {
    let visible: String = text
        .chars()
        .map(|character| if is_invisible(character) { ' ' } else { character })
        .collect();
    let line = visible.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() <= LONGEST_NAME {
        return Some(line).filter(|line| !line.is_empty());
    }
    let start: String = line.chars().take(LONGEST_NAME - 1).collect();
    Some(format!("{}…", start.trim_end()))
}

/// Control characters, and those that only change the direction of others or take no room. The joiner within composed
/// emoji stays.
fn is_invisible(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// Whether commands that need the PIN can be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PinStatus {
    /// No PIN is known.
    Missing,
    /// A PIN is known and was not refused.
    Ready,
    /// The cloud refused the PIN; commands wait until it is changed.
    Rejected,
}

/// A command on its way to a car, as far as it shows.
#[derive(Debug, Clone, PartialEq)]
pub struct Pending {
    /// The command.
    pub command: super::Command,
    /// When it passed the gate.
    pub since: Timestamp,
}

/// One car as everyone outside the garage sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct CarView {
    /// Who it is.
    pub car: Car,
    /// What moves it; once a range extender was seen it stays one.
    pub powertrain: Powertrain,
    /// The newest believable state; `None` until the first frame.
    pub state: Option<VehicleState>,
    /// Every reading the car has ever sent.
    pub evidence: BTreeSet<Reading>,
    /// The number of every signal without a name that the car has ever sent.
    pub unknown_signals: BTreeSet<u32>,
    /// Commands on their way, by what they affect.
    pub pending: BTreeMap<EffectGroup, Pending>,
    /// Whether commands can be sent.
    pub pin: PinStatus,
    /// Whether the account can read this car: signed in and not withdrawn. A sleeping car is reachable.
    pub reachable: bool,
}

/// All cars of all accounts, by VIN.
pub type Fleet = BTreeMap<Vin, Arc<CarView>>;
