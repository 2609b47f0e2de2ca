//! When to ask for a car's status next. Pure: the present moment is an argument, nothing waits here.
//!
//! A car is in one [`Phase`]; the phase has an interval; a daily budget that would not last stretches it, fairly among the
//! cars of the account.

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
/// How long a drive or a charge is taken to last yet; nobody knows, and most are shorter.
const TRIP: Duration = Duration::from_secs(2 * 3600);
/// Requests of the daily budget that reads leave for commands and sign-ins.
const RESERVE: u32 = 50;
/// What changes slowly may take one part in so many of what is left for reads.
const SLOW_SHARE: u32 = 5;

/// The owner's wishes for one car.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// Whether it is read without being asked to.
    pub enabled: bool,
    /// Interval while it is parked.
    pub parked: Duration,
    /// Interval while it drives.
    pub driving: Duration,
    /// Interval while it charges with alternating current; with direct current, which is faster, half of it.
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
    /// Somebody else uses the account, and a read would end their session.
    Yielding,
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
    /// Until when the account is left to somebody else.
    pub yields_until: Option<Timestamp>,
    /// The least pause after the last read, because it failed.
    pub rest: Duration,
    /// Failed reads since the last good one.
    pub failures: u32,
}

/// What is left of an account's daily budget.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Allowance {
    /// Requests a day.
    pub budget: u32,
    /// Requests made today.
    pub used: u32,
    /// When the day ends.
    pub resets: Timestamp,
    /// Reads that a car may have until then, at most; see [`Allowance::shared_by`].
    pub share: f64,
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
            _ if car.yields_until.is_some_and(|until| now < until) => Self::Yielding,
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
            Self::Yielding => "yielding",
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
            Self::ChargingDc => (policy.charging / 2).max(SHORTEST),
            Self::ChargingAc => policy.charging,
            Self::Awake => AWAKE_INTERVAL.min(policy.parked),
            Self::Quiet => QUIET_INTERVAL.max(policy.parked),
            Self::Asleep => ASLEEP_INTERVAL.max(policy.parked),
            Self::Idle | Self::Yielding => policy.parked,
        })
    }

    /// How long a car is taken to stay in it; `None` for the rest of the day.
    fn lasts(self) -> Option<Duration> {
        match self {
            Self::Driving | Self::ChargingDc | Self::ChargingAc => Some(TRIP),
            Self::Boost | Self::Awake => Some(AWAKE_FOR),
            Self::BackOff => Some(LONGEST_BACK_OFF),
            Self::Paused | Self::Yielding | Self::Quiet | Self::Asleep | Self::Idle => None,
        }
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

    /// Requests left for what changes slowly: so little that it never matters to the cars.
    pub fn left_for_slow_reads(&self) -> u32 {
        self.left_for_reads() / SLOW_SHARE
    }

    /// Shares what is left among cars of which each wants so many reads: whoever wants less than an even share has all of
    /// it, and leaves the rest to the others.
    pub fn shared_by(self, wanted: impl IntoIterator<Item = u32>) -> Self {
        let mut wanted: Vec<u32> = wanted.into_iter().collect();
        wanted.sort_unstable();
        let mut left = f64::from(self.left_for_reads());
        let mut cars = wanted.len() as f64;
        for wanted in wanted.into_iter().map(f64::from) {
            let even = left / cars;
            if wanted > even {
                return Self { share: even, ..self };
            }
            left -= wanted;
            cars -= 1.0;
        }
        let share = f64::INFINITY;
        Self { share, ..self }
    }

    /// An interval, made as much longer as it takes for the car's share to last until the end of the day.
    fn stretched(&self, interval: Duration, wanted: u32) -> Duration {
        let lack = f64::from(wanted) / self.share;
        if lack.is_finite() && lack > 1.0 {
            interval.mul_f64(lack)
        } else {
            interval
        }
    }

    /// Whether most of the day's budget is used up.
    fn is_short(&self) -> bool {
        self.left_for_reads() < self.budget.saturating_sub(RESERVE) / 4
    }
}

/// How many reads a car takes until the end of the day if nothing holds it back: at the interval of what it is doing for
/// as long as that may last, then as a parked car.
pub fn wanted(car: &Activities, policy: &Policy, resets: Timestamp, now: Timestamp) -> u32 {
    let phase = Phase::of(car, policy, now);
    let Some(interval) = phase.interval(policy, car.failures) else {
        return 0;
    };
    let rest = Duration::try_from(resets.duration_since(now)).unwrap_or_default();
    let present = phase.lasts().map_or(rest, |lasts| lasts.min(rest));
    let afterwards = if policy.enabled { rest - present } else { Duration::ZERO };
    times(interval, present).saturating_add(times(policy.parked, afterwards))
}

/// How long to wait before the next read, counted from the last one; `None` where none is to follow.
///
/// A boost is short and somebody waits, so it is stretched only when little is left.
pub fn interval(car: &Activities, policy: &Policy, allowance: &Allowance, now: Timestamp) -> Option<Duration> {
    let phase = Phase::of(car, policy, now);
    let regular = phase.interval(policy, car.failures)?.max(car.rest);
    if phase == Phase::Boost && !allowance.is_short() {
        return Some(regular);
    }
    Some(allowance.stretched(regular, wanted(car, policy, allowance.resets, now)))
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
    let next = car.yields_until.map_or(next, |until| next.max(until));
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

/// How often an interval fits into a time.
fn times(interval: Duration, time: Duration) -> u32 {
    let times = time.as_millis() / interval.as_millis().max(1);
    u32::try_from(times).unwrap_or(u32::MAX)
}

/// The pause after that many failures in a row: doubling, up to a quarter of an hour.
pub fn back_off(failures: u32) -> Duration {
    let doublings = failures.saturating_sub(1).min(16);
    FIRST_BACK_OFF.saturating_mul(1 << doublings).min(LONGEST_BACK_OFF)
}

#[cfg(test)]
mod tests;
