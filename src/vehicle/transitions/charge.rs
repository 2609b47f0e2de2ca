//! Charges, from the first energy to the last: a fold over the states of a car that joins what belongs together.
//!
//! [`Charges`] remembers the charge that is going on and the one before it. A wallbox that pauses does not end a charge,
//! one frame that shows energy does not begin one, and a car that was driven in between has begun another. Whether energy
//! flows is decided in [`crate::vehicle::derive`]; here only how long it must flow, or not, to mean something.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::rules::Holds;
use super::{Change, Kind, Look, Mark, Pending};
use crate::vehicle::reading::Reading;
use crate::vehicle::state::{Charger, Connection, VehicleState};
use crate::vehicle::vin::Vin;

/// One frame that shows a charge is no proof.
const START: Holds = Holds::frames_or_seconds(2, 120);
/// A full battery is topped up now and then; that is no new charge.
const TOP_UP: Holds = Holds::seconds(300);
/// A wallbox that shares its power pauses for up to five and a half minutes, and some cars report the cable as pulled
/// meanwhile. A range extender's charge state flickers. Neither is the end of a charge.
const PAUSE: Holds = Holds::seconds(360);
/// A limit that is reached stays reached.
const REACHED: Holds = Holds::frames_or_seconds(2, 60);

/// A charge that ends this far below the limit, in percent, was not completed, whatever the car says.
const COMPLETION_MARGIN: f64 = 3.0;
/// A battery that has lost this much, in percent, was used between two looks.
const USED_PERCENT: f64 = 2.0;
/// A car that has come this far, in km, was driven between two looks. One kilometre may be the counter's own step.
const DRIVEN_KM: f64 = 1.0;
/// Over a longer gap than this nobody knows how much energy flowed.
const LONGEST_GAP: SignedDuration = SignedDuration::from_mins(15);

/// The charges of one car.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Charges {
    /// What the car was seen to do last while it did not charge; `None` before the first look.
    rest: Option<Rest>,
    open: Option<Charge>,
    last: Option<Charge>,
    /// A beginning or an end that has to prove that it lasts.
    pending: Option<Pending>,
    /// The charge that has to prove that it is one.
    candidate: Option<Charge>,
}

/// A charge. Moments are by the car's own clock, or by ours where it tells none.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Charge {
    /// The first moment energy was seen to flow.
    pub began: Timestamp,
    /// The last such moment so far.
    pub flowed: Timestamp,
    /// The charge level when it was noticed, in percent.
    pub level_before: Option<f64>,
    /// The newest charge level while energy flowed, in percent.
    pub level: Option<f64>,
    /// What went into the pack, in kWh, by current and voltage. Range-extender cars measure nothing on AC.
    pub energy: f64,
    /// The most power seen, in kW.
    pub peak: f64,
    /// Where it came from, as far as the car said.
    pub charger: Option<Charger>,
    /// How often it stood still in between.
    pub pauses: u32,
    /// The odometer, in km.
    pub odometer: Option<f64>,
    /// Whether it may have begun long before it was seen.
    pub late: bool,
    /// How it ended; `None` while it goes on.
    pub end: Option<Rest>,
    /// The last measurement: when, and how much power in kW.
    sample: Option<(Timestamp, f64)>,
}

/// What a car does that does not charge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rest {
    /// No cable.
    Unplugged,
    /// Cable in, and no energy flows although the limit is not reached.
    PluggedIn,
    /// Cable in, waiting for the charging schedule.
    WaitingSchedule,
    /// Cable in, the limit is reached.
    Finished,
}

const CHARGING: &str = "charging";

impl Charges {
    /// The charge that is going on.
    pub fn open(&self) -> Option<&Charge> {
        self.open.as_ref()
    }

    /// The charge before it.
    pub fn last(&self) -> Option<&Charge> {
        self.last.as_ref()
    }

    /// Takes in a state; tells which charge began or ended.
    pub(super) fn step(&mut self, state: &VehicleState, look: &Look, vin: &Vin) -> Vec<Change> {
        let Some(connection) = state.charging.connection else {
            return Vec::new();
        };
        match Rest::of(connection, state) {
            None => self.flow(state, look, vin),
            Some(rest) if self.open.is_some() => self.pause(rest, state, look, vin),
            Some(rest) => {
                self.rest = Some(rest);
                self.pending = None;
                self.candidate = None;
                Vec::new()
            }
        }
    }

    /// Energy flows.
    fn flow(&mut self, state: &VehicleState, look: &Look, vin: &Vin) -> Vec<Change> {
        let mut told = Vec::new();
        if self.open.as_ref().is_some_and(|charge| charge.is_another_than(state)) {
            let unseen = Pending::of(Rest::Unplugged.mark(), look, true, state);
            told.extend(self.close(Rest::Unplugged, &unseen, vin));
        }
        if let Some(charge) = &mut self.open {
            charge.pauses += u32::from(self.pending.take().is_some());
            charge.go_on(state, look);
            return told;
        }
        let pending = Pending::after(self.pending.take(), Mark::word(CHARGING), look, state.stale, state);
        let mut charge = self.candidate.take().unwrap_or_else(|| Charge::new(&pending, state));
        charge.go_on(state, look);
        let Some(rest) = self.rest else {
            // Nobody saw it begin.
            charge.late = true;
            self.open = Some(charge);
            return told;
        };
        let holds = if rest == Rest::Finished { TOP_UP } else { START };
        if pending.has_lasted(&holds, look) {
            told.push(pending.change(Kind::ChargingStarted, rest.mark(), vin));
            charge.late = pending.late;
            self.open = Some(charge);
        } else {
            self.candidate = Some(charge);
            self.pending = Some(pending);
        }
        told
    }

    /// No energy flows although a charge is going on.
    fn pause(&mut self, rest: Rest, state: &VehicleState, look: &Look, vin: &Vin) -> Vec<Change> {
        if let Some(charge) = &mut self.open {
            charge.sample = None;
        }
        let pending = Pending::after(self.pending.take(), rest.mark(), look, state.stale, state);
        let holds = if rest == Rest::Finished { REACHED } else { PAUSE };
        if pending.has_lasted(&holds, look) || state.motion.driving == Some(true) {
            return self.close(rest, &pending, vin);
        }
        self.pending = Some(pending);
        Vec::new()
    }

    fn close(&mut self, rest: Rest, pending: &Pending, vin: &Vin) -> Vec<Change> {
        if let Some(mut charge) = self.open.take() {
            charge.end = Some(rest);
            self.last = Some(charge);
        }
        self.rest = Some(rest);
        self.pending = None;
        let why = match rest {
            Rest::Finished => Some(Kind::ChargingCompleted),
            Rest::PluggedIn => Some(Kind::ChargingInterrupted),
            Rest::WaitingSchedule | Rest::Unplugged => None,
        };
        [Some(Kind::ChargingStopped), why]
            .into_iter()
            .flatten()
            .map(|kind| pending.change(kind, Mark::word(CHARGING), vin))
            .collect()
    }
}

impl Charge {
    fn new(pending: &Pending, state: &VehicleState) -> Self {
        let began = pending.vehicle_time.unwrap_or(pending.since);
        Self {
            began,
            flowed: began,
            level_before: level(state),
            level: None,
            energy: 0.0,
            peak: 0.0,
            charger: None,
            pauses: 0,
            odometer: None,
            late: pending.late,
            end: None,
            sample: None,
        }
    }

    fn go_on(&mut self, state: &VehicleState, look: &Look) {
        self.flowed = state.vehicle_time.unwrap_or(look.now).max(self.flowed);
        self.level = level(state).or(self.level);
        self.charger = state.charging.charger.or(self.charger);
        self.odometer = state.frame.number(Reading::Odometer).or(self.odometer);
        let Some(power) = state.charging.power.map(|power| power.0) else {
            self.sample = None;
            return;
        };
        self.peak = self.peak.max(power);
        if let Some((then, before)) = self.sample {
            let passed = self.flowed.duration_since(then);
            if passed <= LONGEST_GAP {
                self.energy += (before + power) / 2.0 * passed.as_secs_f64() / 3600.0;
            }
        }
        self.sample = Some((self.flowed, power));
    }

    /// Whether a state in which energy flows belongs to a later charge: the car was used in between.
    fn is_another_than(&self, state: &VehicleState) -> bool {
        let odometer = state.frame.number(Reading::Odometer);
        let driven = self.odometer.zip(odometer).map(|(before, after)| after - before);
        let used = self.level.zip(level(state)).map(|(before, after)| before - after);
        driven.is_some_and(|km| km > DRIVEN_KM) || used.is_some_and(|percent| percent > USED_PERCENT)
    }
}

impl Rest {
    /// What the connection means; `None` while energy flows.
    fn of(connection: Connection, state: &VehicleState) -> Option<Self> {
        Some(match connection {
            Connection::Charging => return None,
            Connection::Unplugged => Self::Unplugged,
            Connection::PluggedIn => Self::PluggedIn,
            Connection::WaitingSchedule => Self::WaitingSchedule,
            // While a wallbox pauses, some cars look as if they had finished.
            Connection::Finished if is_short_of_the_limit(state) => Self::PluggedIn,
            Connection::Finished => Self::Finished,
        })
    }

    pub(super) fn mark(self) -> Mark {
        Mark::word(match self {
            Self::Unplugged => "unplugged",
            Self::PluggedIn => "plugged_in",
            Self::WaitingSchedule => "waiting_schedule",
            Self::Finished => "finished",
        })
    }
}

fn level(state: &VehicleState) -> Option<f64> {
    state.battery.soc_precise.or(state.battery.soc).map(|level| level.0)
}

fn is_short_of_the_limit(state: &VehicleState) -> bool {
    let limit = state.frame.number(Reading::ChargeLimit);
    matches!((state.battery.soc, limit), (Some(level), Some(limit)) if level.0 < limit - COMPLETION_MARGIN)
}
