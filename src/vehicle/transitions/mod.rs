//! What happened to a car, told from two of its states: it was plugged in, it drove off, a door was opened.
//!
//! [`transitions`] is where to start. It compares a [`VehicleState`] with what the [`Watch`] remembers of the car and
//! returns what happened in between; `rules` says, row by row, what is watched, which change means what, and how long it
//! must hold. Unknown is never a change: the last known value stays until another one is known, however long that takes,
//! and the watch survives a restart. What is seen for the first time is remembered and reported by nobody. What a charge is,
//! with its pauses, is a story of its own: [`charge`].

pub mod charge;
mod rules;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::derive::Verdict;
use super::state::VehicleState;
use super::vin::Vin;
use charge::Charges;
use rules::{CABLE, Holds, ROWS, Row};

/// When nobody has looked at a car for longer, what is found then may have happened long ago: after an outage, or where
/// the owner wants the car to be read only every few hours.
const LONGEST_UNWATCHED: SignedDuration = SignedDuration::from_hours(2);

/// Something that happened.
#[derive(Debug, Clone, PartialEq)]
pub enum Happening {
    /// To a car.
    Change(Change),
    /// A message of the cloud arrived.
    Message(CloudMessage),
}

/// A change of a car's state.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// Which car.
    pub vin: Vin,
    /// What happened.
    pub kind: Kind,
    /// Which part of the car or of its plan, where there are several: the name of a [`super::state::Part`], or of a part
    /// of the charging plan.
    pub part: Option<&'static str>,
    /// The value before, if it is known.
    pub old: Option<Mark>,
    /// The value after.
    pub new: Option<Mark>,
    /// The car's own time of the first frame that showed it.
    pub vehicle_time: Option<Timestamp>,
    /// When we first saw it, by our clock.
    pub seen: Timestamp,
    /// Whether it may have happened long before it was seen: while the bridge was down, the cloud could not be reached
    /// or the car had no coverage.
    pub late: bool,
}

/// A message the cloud keeps for the owner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CloudMessage {
    /// The car it is about, if it is about one.
    pub vin: Option<Vin>,
    /// Its title.
    pub title: String,
    /// Its text.
    pub text: String,
    /// What kind of message it is, as the cloud calls it.
    pub category: Option<String>,
    /// When it was sent.
    pub sent: Option<Timestamp>,
}

/// What can happen to a car.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Energy has begun to flow in.
    ChargingStarted,
    /// Energy flows in no more, for whatever reason. Every start is followed by one stop.
    ChargingStopped,
    /// It stopped because the limit was reached. Follows the stop.
    ChargingCompleted,
    /// It stopped although the limit was not reached and the cable is in. Follows the stop.
    ChargingInterrupted,
    /// The cable was plugged in.
    PluggedIn,
    /// The cable was pulled out.
    Unplugged,
    /// The car was put into gear or began to move.
    DrivingStarted,
    /// It stands in P.
    Parked,
    /// The doors were locked.
    Locked,
    /// The doors were unlocked.
    Unlocked,
    /// A part was opened.
    Opened,
    /// A part was closed.
    Closed,
    /// The air conditioning was switched on.
    ClimateStarted,
    /// The air conditioning was switched off.
    ClimateStopped,
    /// The car was made ready to drive and stands.
    Ready,
    /// The car reports again.
    Online,
    /// The car has fallen silent.
    Asleep,
    /// The charge limit was changed.
    ChargeLimitChanged,
    /// A part of the charging plan was changed.
    ScheduleChanged,
    /// Another software is offered or installed.
    SoftwareUpdate,
}

impl Kind {
    /// Everything that can happen, in the order in which Home Assistant lists it.
    pub const ALL: [Self; 20] = [
        Self::ChargingStarted,
        Self::ChargingStopped,
        Self::ChargingCompleted,
        Self::ChargingInterrupted,
        Self::PluggedIn,
        Self::Unplugged,
        Self::DrivingStarted,
        Self::Parked,
        Self::Locked,
        Self::Unlocked,
        Self::Opened,
        Self::Closed,
        Self::ClimateStarted,
        Self::ClimateStopped,
        Self::Ready,
        Self::Online,
        Self::Asleep,
        Self::ChargeLimitChanged,
        Self::ScheduleChanged,
        Self::SoftwareUpdate,
    ];

    /// Its stable name, a contract with automations.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ChargingStarted => "charging_started",
            Self::ChargingStopped => "charging_stopped",
            Self::ChargingCompleted => "charging_completed",
            Self::ChargingInterrupted => "charging_interrupted",
            Self::PluggedIn => "plugged_in",
            Self::Unplugged => "unplugged",
            Self::DrivingStarted => "driving_started",
            Self::Parked => "parked",
            Self::Locked => "locked",
            Self::Unlocked => "unlocked",
            Self::Opened => "opened",
            Self::Closed => "closed",
            Self::ClimateStarted => "climate_started",
            Self::ClimateStopped => "climate_stopped",
            Self::Ready => "ready",
            Self::Online => "online",
            Self::Asleep => "asleep",
            Self::ChargeLimitChanged => "charge_limit_changed",
            Self::ScheduleChanged => "schedule_changed",
            Self::SoftwareUpdate => "software_update",
        }
    }
}

/// A value that is watched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Mark {
    /// Yes or no.
    Flag(bool),
    /// A whole number.
    Number(i64),
    /// A word or a text.
    Word(String),
}

impl Mark {
    fn word(text: &str) -> Self {
        Self::Word(text.to_owned())
    }
}

impl Change {
    /// Another software is offered or installed, as whoever asks the cloud for it has found: the version `part`
    /// (`"available"` or `"installed"`) was `old` and is `new`.
    pub fn of_software(
        vin: Vin,
        part: &'static str,
        old: Option<String>,
        new: Option<String>,
        seen: Timestamp,
    ) -> Self {
        Self {
            vin,
            kind: Kind::SoftwareUpdate,
            part: Some(part),
            old: old.map(Mark::Word),
            new: new.map(Mark::Word),
            vehicle_time: None,
            seen,
            late: false,
        }
    }
}

/// What is remembered of one car between two looks at it. The values survive a restart.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Watch {
    /// By the name of their row. What a newer version wrote and we do not know stays as it is.
    values: BTreeMap<String, Kept>,
    charges: Charges,
    /// When somebody last looked at the car; `None` before the first look of this run.
    #[serde(skip)]
    looked: Option<Timestamp>,
    /// Whether the cloud has said in this run what the car is like. Before, there is only an old picture, an empty one or a
    /// part of one.
    #[serde(skip)]
    spoken: bool,
}

/// What is known of one watched value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Kept {
    /// The value everybody was told.
    value: Mark,
    /// Another one, which has to prove that it lasts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pending: Option<Pending>,
}

/// A new value on probation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Pending {
    value: Mark,
    /// How many frames have shown it.
    frames: u32,
    /// Since when the old value is gone, by our clock.
    since: Timestamp,
    vehicle_time: Option<Timestamp>,
    late: bool,
}

/// Finds out what happened to a car: compares its `state` with what was remembered.
///
/// Called with every `answer` of the cloud and what kind of answer it was, and with `None` when only time has passed, so
/// that what had to hold for a while can be told. The same frame again tells nothing again.
pub fn transitions(
    watch: &Watch,
    vin: &Vin,
    state: &VehicleState,
    answer: Option<Verdict>,
    now: Timestamp,
) -> (Vec<Happening>, Watch) {
    let mut watch = watch.clone();
    let look = watch.look(state, answer, now);
    if !watch.spoken || !look.tells {
        return (Vec::new(), watch);
    }
    let mut happenings = Vec::new();
    for row in ROWS {
        happenings.extend(match row.name {
            CABLE => watch.cable_and_charge(row, &look, vin, state),
            _ => watch.compare(row, row.look(state), &look, vin, state),
        });
    }
    (happenings.into_iter().map(Happening::Change).collect(), watch)
}

/// The circumstances under which a state is looked at.
#[derive(Clone, Copy)]
struct Look {
    now: Timestamp,
    /// Whether the state can be compared with what was remembered.
    tells: bool,
    /// Whether the car has said something new.
    is_news: bool,
    /// Whether nobody has looked for long, or not yet in this run.
    after_gap: bool,
}

impl Watch {
    /// The charges of the car.
    pub fn charges(&self) -> &Charges {
        &self.charges
    }

    /// Compares a row with its value now, if that is known.
    fn compare(&mut self, row: &Row, value: Option<Mark>, look: &Look, vin: &Vin, state: &VehicleState) -> Vec<Change> {
        let Some(value) = value else { return Vec::new() };
        match self.values.get_mut(row.name) {
            Some(kept) => kept.compare(row, value, look, vin, state),
            None => {
                self.values.insert(row.name.to_owned(), Kept::first(value));
                Vec::new()
            }
        }
    }

    /// A cable is in before a charge begins and out after it has ended.
    fn cable_and_charge(&mut self, row: &Row, look: &Look, vin: &Vin, state: &VehicleState) -> Vec<Change> {
        let charge = self.charges.step(state, look, vin);
        if self.charges.open().is_some() {
            let mut told = self.compare(row, Some(Mark::Flag(true)), look, vin, state);
            told.extend(charge);
            return told;
        }
        // A charge that ended with the cable has proved that the cable is out.
        let proof = charge
            .last()
            .filter(|end| end.new == Some(charge::Rest::Unplugged.mark()));
        let seen = proof.and_then(|end| self.values.get_mut(row.name)?.replace(Mark::Flag(false), end));
        let settled = seen.map(|pending| pending.change(Kind::Unplugged, Mark::Flag(true), vin));
        let mut told = charge;
        told.extend(settled);
        told.extend(self.compare(row, row.look(state), look, vin, state));
        told
    }

    fn look(&mut self, state: &VehicleState, answer: Option<Verdict>, now: Timestamp) -> Look {
        let tells = !matches!(answer, Some(Verdict::Partial | Verdict::Older | Verdict::Empty));
        let after_gap = answer.is_some()
            && self
                .looked
                .is_none_or(|last| now.duration_since(last) > LONGEST_UNWATCHED);
        // A car that sleeps has been looked at; one that could not say everything has to be looked at again.
        if matches!(answer, Some(Verdict::News | Verdict::Repeat | Verdict::Empty)) {
            self.looked = Some(now);
        }
        // A car that sleeps says nothing, but its last picture is known.
        let sleeps = answer == Some(Verdict::Empty) && state.vehicle_time.is_some();
        self.spoken |= answer.is_some() && tells || sleeps;
        Look {
            now,
            tells,
            is_news: answer == Some(Verdict::News),
            after_gap,
        }
    }
}

impl Kept {
    fn first(value: Mark) -> Self {
        Self { value, pending: None }
    }

    /// Compares with the value as it is seen now, and takes it over once it has lasted as long as its rule asks.
    fn compare(&mut self, row: &Row, value: Mark, look: &Look, vin: &Vin, state: &VehicleState) -> Vec<Change> {
        if self.value == value {
            self.pending = None;
            return Vec::new();
        }
        let Some(rule) = row.rule(&self.value, &value) else {
            *self = Self::first(value);
            return Vec::new();
        };
        let is_old = state.stale && !row.is_about_silence;
        let pending = Pending::after(self.pending.take(), value, look, is_old, state);
        if !pending.has_lasted(&rule.holds, look) && !rule.is_certain(state) {
            self.pending = Some(pending);
            return Vec::new();
        }
        let old = std::mem::replace(&mut self.value, pending.value.clone());
        rule.kinds
            .iter()
            .map(|kind| Change {
                part: row.part,
                ..pending.change(*kind, old.clone(), vin)
            })
            .collect()
    }

    /// Takes over a value that something else has proved, seen when that was; `None` if it is the value already.
    fn replace(&mut self, value: Mark, proof: &Change) -> Option<Pending> {
        if self.value == value {
            return None;
        }
        *self = Self::first(value.clone());
        Some(Pending {
            value,
            frames: 1,
            since: proof.seen,
            vehicle_time: proof.vehicle_time,
            late: proof.late,
        })
    }
}

impl Pending {
    /// A value that is seen now for the first time. `is_old` says that the car said it long ago.
    fn of(value: Mark, look: &Look, is_old: bool, state: &VehicleState) -> Self {
        Self {
            value,
            frames: 1,
            since: look.now,
            vehicle_time: state.vehicle_time,
            late: look.after_gap || is_old,
        }
    }

    /// What is on probation after a look at the value, given what was before it.
    fn after(before: Option<Self>, value: Mark, look: &Look, is_old: bool, state: &VehicleState) -> Self {
        match before {
            Some(pending) => pending.seen_again(value, look, look.after_gap || is_old),
            None => Self::of(value, look, is_old, state),
        }
    }

    fn has_lasted(&self, holds: &Holds, look: &Look) -> bool {
        holds.has(self.frames, look.now.duration_since(self.since))
    }

    /// The change to this value from an `old` one.
    fn change(&self, kind: Kind, old: Mark, vin: &Vin) -> Change {
        Change {
            vin: vin.clone(),
            kind,
            part: None,
            old: Some(old),
            new: Some(self.value.clone()),
            vehicle_time: self.vehicle_time,
            seen: self.since,
            late: self.late,
        }
    }

    /// The old value is still gone. A value that is another one again begins to prove itself anew.
    fn seen_again(self, value: Mark, look: &Look, doubtful: bool) -> Self {
        let frames = if self.value != value {
            1
        } else {
            self.frames.saturating_add(u32::from(look.is_news))
        };
        Self {
            value,
            frames,
            // A clock that was set back must not make it wait until the clock has caught up.
            since: self.since.min(look.now),
            vehicle_time: self.vehicle_time,
            late: self.late || doubtful,
        }
    }
}
