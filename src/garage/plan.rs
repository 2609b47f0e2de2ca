//! When to ask for a car's status next. Pure: the present moment is an argument, nothing waits here.
//!
//! A car is in one [`Phase`]; the phase has an interval; a short daily budget stretches it.

use std::time::Duration;

use jiff::civil::Time;
use jiff::{SignedDuration, Timestamp};

use crate::vehicle::settings::{ECO, FAST};
use crate::vehicle::state::{Activity, Charger, VehicleState};

/// How often to ask while the effect of a command is awaited, and never more often.
const SHORTEST: Duration = Duration::from_secs(5);
/// How often to ask, at least, while somebody is about the car.
const AWAKE_INTERVAL: Duration = Duration::from_secs(30);
/// For how long after a change somebody is taken to be about the car.
const AWAKE_FOR: Duration = Duration::from_secs(5 * 60);
/// How often to ask, at most, while the car sleeps.
const ASLEEP_INTERVAL: Duration = Duration::from_secs(5 * 60);
/// After how long without a new word of the car it is taken to sleep.
const ASLEEP_AFTER: Duration = Duration::from_secs(30 * 60);
/// How often to ask, at most, in quiet hours.
const QUIET_INTERVAL: Duration = Duration::from_secs(30 * 60);
/// First pause after a failed read; it doubles with every further failure.
const FIRST_BACK_OFF: Duration = Duration::from_secs(30);
/// Longest pause between two attempts while reads fail.
const LONGEST_BACK_OFF: Duration = Duration::from_secs(15 * 60);
/// Requests of the daily budget that reads leave for commands.
const RESERVE: u32 = 50;

/// The owner's wishes for one car.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// Whether it is read without being asked to.
    pub enabled: bool,
    /// Interval while it is parked.
    pub parked: Duration,
    /// Interval while it drives.
    pub driving: Duration,
    /// Interval while it charges.
    pub charging: Duration,
    /// When it is read rarely.
    pub quiet: Option<QuietHours>,
}

/// A part of every day, across midnight where it ends before it begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QuietHours {
    /// Its first moment.
    pub start: Time,
    /// The first moment after it.
    pub end: Time,
}

/// What a car is doing, as far as it decides how often to ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// The owner wants it left alone.
    Paused,
    /// The last reads failed.
    BackOff,
    /// Somebody waits for news.
    Boost,
    /// It drives, or is ready to.
    Driving,
    /// It charges with direct current.
    ChargingDc,
    /// It charges otherwise.
    ChargingAc,
    /// It stands, and something about it changed a moment ago.
    Awake,
    /// It stands, and it is the time of the day to leave it alone.
    Quiet,
    /// It stands and has not said anything new for long.
    Asleep,
    /// It stands.
    Idle,
}

/// What the plan needs to know of a car.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Activities {
    /// What the car did in its newest state.
    pub activity: Option<Activity>,
    /// What it is connected to.
    pub charger: Option<Charger>,
    /// Whether that state is too old to be believed.
    pub stale: bool,
    /// Until when somebody waits for news of this car.
    pub boost_until: Option<Timestamp>,
    /// When something about it changed last.
    pub changed: Option<Timestamp>,
    /// When it said something new last.
    pub advanced: Option<Timestamp>,
    /// Whether these are quiet hours.
    pub quiet: bool,
    /// Failed reads since the last good one.
    pub failures: u32,
}

/// What is left of an account's daily budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allowance {
    /// Requests a day.
    pub budget: u32,
    /// Requests made today.
    pub used: u32,
    /// Cars that share it.
    pub cars: u32,
    /// When the day ends.
    pub resets: Timestamp,
}

impl Policy {
    /// These wishes by one of the profiles; those that are not known change nothing.
    pub fn by_profile(self, profile: &str) -> Self {
        let each = |change: fn(Duration) -> Duration| Self {
            parked: change(self.parked),
            driving: change(self.driving),
            charging: change(self.charging),
            ..self
        };
        match profile {
            ECO => each(|interval| interval * 3),
            FAST => each(|interval| (interval / 2).max(SHORTEST)),
            _ => self,
        }
    }
}

impl QuietHours {
    /// Whether this time of the day belongs to it. Hours that end as they begin are none.
    pub fn covers(&self, time: Time) -> bool {
        if self.start <= self.end {
            (self.start..self.end).contains(&time)
        } else {
            time >= self.start || time < self.end
        }
    }
}

impl Phase {
    /// The phase of a car.
    pub fn of(car: &Activities, policy: &Policy, now: Timestamp) -> Self {
        let boosted = car.boost_until.is_some_and(|until| now < until);
        let since = |moment: Option<Timestamp>| moment.map(|moment| now.duration_since(moment).unsigned_abs());
        match car.activity.filter(|_| !car.stale) {
            // Whoever asks for news gets it, whatever else is wished.
            _ if !policy.enabled && !boosted => Self::Paused,
            _ if car.failures > 0 => Self::BackOff,
            _ if boosted => Self::Boost,
            Some(Activity::Driving | Activity::Ready) => Self::Driving,
            Some(Activity::Charging) if car.charger == Some(Charger::Dc) => Self::ChargingDc,
            Some(Activity::Charging) => Self::ChargingAc,
            _ if since(car.changed).is_some_and(|age| age < AWAKE_FOR) => Self::Awake,
            _ if car.quiet => Self::Quiet,
            _ if since(car.advanced).is_some_and(|age| age >= ASLEEP_AFTER) => Self::Asleep,
            _ => Self::Idle,
        }
    }

    /// Its name, as the entity shows it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Paused => "paused",
            Self::BackOff => "backoff",
            Self::Boost => "boost",
            Self::Driving => "driving",
            Self::ChargingDc => "charging_dc",
            Self::ChargingAc => "charging_ac",
            Self::Awake => "awake",
            Self::Quiet => "quiet",
            Self::Asleep => "asleep",
            Self::Idle => "idle",
        }
    }

    /// How long to wait from one read to the next; `None` where none is to follow.
    fn interval(self, policy: &Policy, failures: u32) -> Option<Duration> {
        Some(match self {
            Self::Paused => return None,
            Self::BackOff => back_off(failures),
            Self::Boost => SHORTEST,
            Self::Driving => policy.driving,
            Self::ChargingDc | Self::ChargingAc => policy.charging,
            Self::Awake => AWAKE_INTERVAL.min(policy.parked),
            Self::Quiet => QUIET_INTERVAL.max(policy.parked),
            Self::Asleep => ASLEEP_INTERVAL.max(policy.parked),
            Self::Idle => policy.parked,
        })
    }
}

impl Allowance {
    /// Requests left for anything.
    pub fn left(&self) -> u32 {
        self.budget.saturating_sub(self.used)
    }

    /// Requests left for reads: some are kept for commands.
    pub fn left_for_reads(&self) -> u32 {
        self.left().saturating_sub(RESERVE)
    }

    /// The pace that makes what is left last for the day, once it gets short: below a quarter of the whole.
    fn pace(&self, now: Timestamp) -> Option<Duration> {
        let left = self.left_for_reads();
        let day = self.budget.saturating_sub(RESERVE);
        if left == 0 || left > day / 4 {
            return None;
        }
        let rest = Duration::try_from(self.resets.duration_since(now)).unwrap_or_default();
        Some(rest.saturating_mul(self.cars.max(1)) / left)
    }
}

/// How long to wait before the next read, counted from the last one; `None` where none is to follow.
///
/// A boost is not stretched: it is short, and somebody waits.
pub fn interval(car: &Activities, policy: &Policy, allowance: &Allowance, now: Timestamp) -> Option<Duration> {
    let phase = Phase::of(car, policy, now);
    let regular = phase.interval(policy, car.failures)?;
    let pace = allowance.pace(now).filter(|_| phase != Phase::Boost);
    Some(pace.map_or(regular, |pace| pace.max(regular)))
}

/// The moment of the next read; `None` where none is to follow.
pub fn next_poll(
    last: Option<Timestamp>,
    car: &Activities,
    policy: &Policy,
    allowance: &Allowance,
    now: Timestamp,
) -> Option<Timestamp> {
    let wait = SignedDuration::try_from(interval(car, policy, allowance, now)?).unwrap_or(SignedDuration::MAX);
    // A clock that was set back must not leave the car unread until it has caught up.
    let next = last.map_or(now, |last| last.min(now).checked_add(wait).unwrap_or(Timestamp::MAX));
    let exhausted = allowance.left_for_reads() == 0;
    Some(if exhausted { next.max(allowance.resets) } else { next })
}

/// Whether a state says anything else than the one before, beyond values that drift by themselves.
pub fn differs(before: &VehicleState, after: &VehicleState) -> bool {
    let signs = |state: &VehicleState| {
        (
            state.motion.activity,
            state.charging.plugged,
            state.security.locked,
            state.security.armed,
            state.climate.on,
        )
    };
    signs(before) != signs(after) || before.openings != after.openings
}

/// The pause after that many failures in a row: doubling, up to a quarter of an hour.
fn back_off(failures: u32) -> Duration {
    let doublings = failures.saturating_sub(1).min(16);
    FIRST_BACK_OFF.saturating_mul(1 << doublings).min(LONGEST_BACK_OFF)
}

#[cfg(test)]
mod tests;
