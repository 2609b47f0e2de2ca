//! Plug and charging.
//!
//! The charge state says how the car is connected, not whether energy flows: 0 unplugged, 1 to 3 connected, 4 waiting
//! for the schedule, 5 driving. The current decides. Braking looks like charging in both, so motion rules it out first.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::memory::Memory;
use super::{battery, motion};
use crate::vehicle::profile::Powertrain;
use crate::vehicle::reading::{Frame, Reading};
use crate::vehicle::state::{Charger, Charging, Connection};
use crate::vehicle::units::{KilometersPerHour, Kilowatts, Minutes, round};

/// Below this current, in A, in or out, the pack is idle.
const IDLE_AMPERES: f64 = 1.0;
/// From this current on, in A, energy certainly flows; below it the car's own consumption could be meant.
const CERTAIN_AMPERES: f64 = 3.0;
/// From this power on, in kW, a small current is charging.
const CERTAIN_KILOWATTS: f64 = 1.0;

/// A battery that has gained this much since its lowest level, in percent, is being charged, whatever the current says.
const CERTAIN_RISE: f64 = 0.3;
/// For how long after its last rise it is taken to charge on. The slowest charging takes four minutes for a tenth.
const RISE_HOLDS: SignedDuration = SignedDuration::from_mins(10);

/// Charge states in which a cable is plugged in.
const CONNECTED: [i64; 4] = [1, 2, 3, 4];
/// The charge state of a car that is connected, and of some that charge.
const CONNECTED_ONLY: i64 = 1;
/// The charge state of a running or finished charge.
const CHARGING_OR_DONE: i64 = 2;
/// The charge state of a car that waits for its schedule.
const WAITING_FOR_SCHEDULE: i64 = 4;
/// The AC port takes energy in. It stays so for minutes after the cable is gone.
const PORT_TAKES: i64 = 1;
/// The AC port feeds an external load.
const PORT_FEEDS: i64 = 2;

/// A range-extender car says "completed" while it still charges; it is believed this close to the limit, in percent.
const REEV_COMPLETION_MARGIN: f64 = 15.0;
/// The expected end moves only when it is off by at least this much, so that it does not jitter with every frame.
const FINISH_TIME_STEP: SignedDuration = SignedDuration::from_mins(2);

pub(super) fn charging(frame: &Frame, memory: &Memory) -> Charging {
    let moment = frame.vehicle_time.or(memory.vehicle_time());
    let rises = memory
        .rise()
        .zip(moment)
        .is_some_and(|(rise, moment)| rise.goes_on(moment));
    let evidence = Evidence::of(frame, memory.powertrain(), rises);
    let plugged = evidence.plugged();
    let charging = evidence.charging();
    let remaining = evidence.remaining.filter(|_| charging);
    Charging {
        plugged,
        charging: Some(charging),
        connection: evidence.connection(),
        power: evidence.charging_power().map(Kilowatts),
        charger: charger(frame, plugged),
        remaining: remaining.map(Minutes),
        finish_time: memory.finish_time().filter(|_| charging),
        rate: remaining
            .and_then(|minutes| rate(frame, minutes))
            .map(KilometersPerHour),
        fully_charged: fully_charged(frame, memory.powertrain()),
        v2l_power: v2l_power(frame, evidence.excluded).map(Kilowatts),
    }
}

/// When the limit will be reached, keeping the `known` answer as long as it is about right.
pub(super) fn finish_time(
    frame: &Frame,
    (powertrain, rise): (Powertrain, Option<Rise>),
    moment: Timestamp,
    known: Option<Timestamp>,
) -> Option<Timestamp> {
    let evidence = Evidence::of(frame, powertrain, rise.is_some_and(|rise| rise.goes_on(moment)));
    let minutes = evidence
        .remaining
        .filter(|minutes| evidence.charging() && *minutes > 0.0)?;
    let remaining = SignedDuration::try_from_secs_f64(minutes * 60.0).ok()?;
    let expected = moment.checked_add(remaining).ok()?;
    let is_about_right = |known: &Timestamp| known.duration_since(expected).abs() < FINISH_TIME_STEP;
    known.filter(is_about_right).or(Some(expected))
}

/// What the rules look at.
struct Evidence {
    /// Motion or readiness to drive rules a connection out.
    excluded: bool,
    charge_state: Option<i64>,
    ac_port: Option<i64>,
    /// Amperes; positive is out of the pack.
    current: Option<f64>,
    /// Kilowatts, without sign.
    power: Option<f64>,
    /// Minutes to the limit, as reported.
    remaining: Option<f64>,
    /// The car says it is done, and is believed.
    completed: bool,
    /// The charge level of a range-extender car rises.
    rises: bool,
}

/// How the charge level of a plugged range-extender car has risen: such cars measure no current on AC, and some do not
/// even say that they charge.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(super) struct Rise {
    lowest: f64,
    highest: f64,
    /// When it was highest for the first time.
    risen: Timestamp,
}

impl Rise {
    /// What is known after another frame; `None` where there is nothing to learn from it.
    pub(super) fn after(
        before: Option<Self>,
        frame: &Frame,
        powertrain: Powertrain,
        moment: Timestamp,
    ) -> Option<Self> {
        let plugged = Evidence::of(frame, powertrain, false).plugged() == Some(true);
        let level = battery::charge_level(frame).filter(|_| plugged && powertrain == Powertrain::Reev)?;
        let anew = Self {
            lowest: level,
            highest: level,
            risen: moment,
        };
        Some(match before {
            Some(rise) if level > rise.highest => Self {
                highest: level,
                risen: moment,
                ..rise
            },
            // It fell, or stood still for long: what comes now is another rise.
            Some(rise) if level < rise.highest || moment.duration_since(rise.risen) > RISE_HOLDS => anew,
            Some(rise) => rise,
            None => anew,
        })
    }

    fn goes_on(&self, moment: Timestamp) -> bool {
        // A rise of three tenths is a hair less in binary.
        let has_risen = self.highest - self.lowest >= CERTAIN_RISE - 1e-9;
        has_risen && moment.duration_since(self.risen) <= RISE_HOLDS
    }
}

impl Evidence {
    fn of(frame: &Frame, powertrain: Powertrain, rises: bool) -> Self {
        Self {
            excluded: motion::excludes_charging(frame),
            charge_state: frame.code(Reading::ChargeState),
            ac_port: frame.code(Reading::AcPortState),
            current: frame.number(Reading::BatteryCurrent),
            power: battery::power(frame).map(f64::abs),
            remaining: frame.number(Reading::ChargeRemainTime),
            rises,
            completed: powertrain == Powertrain::Bev && frame.code(Reading::ChargeCompleted) == Some(1),
        }
    }

    fn plugged(&self) -> Option<bool> {
        if self.excluded {
            return Some(false);
        }
        let by_port = || self.ac_port.map(|port| port == PORT_TAKES);
        self.charge_state
            .map(|state| CONNECTED.contains(&state))
            .or_else(by_port)
    }

    fn charging(&self) -> bool {
        if self.excluded || !self.connection_allows() {
            return false;
        }
        let has_time_left = self.remaining.is_some_and(|minutes| minutes > 0.0);
        match self.current {
            None => self.charge_state == Some(CHARGING_OR_DONE),
            // An external load or the car itself draws from the pack, whatever the cable is there for.
            Some(amperes) if amperes >= IDLE_AMPERES => false,
            // Range-extender cars read no current during slow AC charging.
            Some(amperes) if amperes.abs() < IDLE_AMPERES => match self.charge_state {
                Some(CHARGING_OR_DONE) => has_time_left,
                Some(CONNECTED_ONLY) => self.rises,
                _ => false,
            },
            Some(amperes) if amperes.abs() < CERTAIN_AMPERES => {
                has_time_left || self.remaining.is_some() && self.is_certainly_powered()
            }
            Some(_) => self.remaining.is_some() || self.is_certainly_powered(),
        }
    }

    /// Whether the connection, as far as known, lets energy flow in.
    fn connection_allows(&self) -> bool {
        match self.charge_state {
            Some(state) => CONNECTED.contains(&state),
            None => self.ac_port != Some(0),
        }
    }

    fn is_certainly_powered(&self) -> bool {
        self.power.is_some_and(|kw| kw >= CERTAIN_KILOWATTS)
    }

    fn is_idle(&self) -> bool {
        self.current.is_some_and(|amperes| amperes.abs() < IDLE_AMPERES)
    }

    /// Whether a charge ended with the cable still in.
    fn finished(&self) -> bool {
        let ended = self.charge_state == Some(CHARGING_OR_DONE)
            && self.is_idle()
            && !self.is_certainly_powered()
            && self.remaining.is_none_or(|minutes| minutes <= 0.0);
        self.plugged() == Some(true) && !self.charging() && (self.completed || ended)
    }

    fn connection(&self) -> Option<Connection> {
        if self.excluded {
            return Some(Connection::Unplugged);
        }
        if self.charging() {
            return Some(Connection::Charging);
        }
        if self.finished() {
            return Some(Connection::Finished);
        }
        match self.plugged()? {
            false => Some(Connection::Unplugged),
            true if self.charge_state == Some(WAITING_FOR_SCHEDULE) => Some(Connection::WaitingSchedule),
            true => Some(Connection::PluggedIn),
        }
    }

    /// Power into the pack in kW. Without the guard, an external load would show as charging.
    fn charging_power(&self) -> Option<f64> {
        if self.excluded {
            return Some(0.0);
        }
        let power = self.power?;
        Some(if self.charging() && !self.is_idle() { power } else { 0.0 })
    }
}

fn charger(frame: &Frame, plugged: Option<bool>) -> Option<Charger> {
    if !plugged? {
        return Some(Charger::Unplugged);
    }
    match frame.flag(Reading::DcPlug) {
        Some(true) => Some(Charger::Dc),
        Some(false) => Some(Charger::Ac),
        None => frame
            .code_is(Reading::AcPortState, &[PORT_TAKES])?
            .then_some(Charger::Ac),
    }
}

/// Range gained per hour, on average until the limit is reached: what is missing, over the time it will take.
fn rate(frame: &Frame, remaining_minutes: f64) -> Option<f64> {
    let level = battery::charge_level(frame).filter(|level| *level > 0.0)?;
    let missing = frame.number(Reading::ChargeLimit)? - level;
    let range_per_percent = frame.number(Reading::Range)? / level;
    let rate = missing * range_per_percent / (remaining_minutes / 60.0);
    (rate.is_finite() && rate > 0.0).then(|| round(rate, 0))
}

fn fully_charged(frame: &Frame, powertrain: Powertrain) -> Option<bool> {
    let completed = frame.code_is(Reading::ChargeCompleted, &[1])?;
    if !completed || powertrain == Powertrain::Bev {
        return Some(completed);
    }
    let limit = frame.number(Reading::ChargeLimit)?;
    Some(battery::charge_level(frame)? >= limit - REEV_COMPLETION_MARGIN)
}

/// Power taken by an external load in kW. What the car itself uses meanwhile cannot be told apart.
fn v2l_power(frame: &Frame, excluded: bool) -> Option<f64> {
    let feeds = frame.code_is(Reading::AcPortState, &[PORT_FEEDS])?;
    if !feeds || excluded {
        return Some(0.0);
    }
    battery::power(frame).map(|kw| kw.max(0.0))
}
