//! When to read what changes slowly. Pure: the present moment and chance are arguments, nothing waits here.
//!
//! What is due may still have to wait: a [`Ration`] of the day's requests is spread over the rest of the day, so that slow
//! reads never take what the cars need. Then everything is late by the same share of its own interval.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use jiff::Timestamp;

use crate::garage::later;
use crate::garage::period::Period;
use crate::vehicle::Vin;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

/// The first topic is read so long after the start or the first status, and each further one so long after the one
/// before, so that a start does not begin with a burst.
const STEP: Duration = Duration::from_secs(15);
/// How long after a charge the cloud has its record.
const SETTLING: Duration = Duration::from_secs(180);
/// Longest pause between two attempts while reads fail.
const LONGEST_BACK_OFF: Duration = Duration::from_secs(6 * 3600);
/// Requests that may be made ahead of the even pace, for a start or a new car: a few more than its first round takes.
const AHEAD: u32 = 14;
/// Requests of the dearest errand.
const DEAREST: u32 = 2;
/// At most one part in so many of the ration may be ahead, so that many restarts cannot use it up.
const AHEAD_SHARE: u32 = 4;
/// A pause is made longer by up to this share of itself, so that many cars and bridges spread by themselves.
const SPREAD: f64 = 0.1;

/// What changes slowly about a car.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Topic {
    /// The layers of its picture.
    Picture,
    /// Mileage and energy, lifetime and of the last days.
    Mileage,
    /// The charging history.
    Charges,
    /// Consumption of the last weeks and its rank.
    Rank,
    /// Where the energy of last week went.
    LastWeek,
    /// Where the energy of today went.
    Today,
    /// Its software and the update offered for it.
    Software,
    /// Its schedules of climate and preparation.
    Schedules,
}

impl Topic {
    /// In the order of the first round.
    const ALL: [Self; 8] = [
        Self::Picture,
        Self::Mileage,
        Self::Charges,
        Self::Rank,
        Self::LastWeek,
        Self::Today,
        Self::Software,
        Self::Schedules,
    ];
}

/// Something to read.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Errand {
    /// Messages to the account.
    Messages,
    /// Share invitations to the account.
    Shares,
    /// Something about a car.
    Car(Vin, Topic),
}

impl Errand {
    /// The pause after a read that succeeded.
    fn interval(&self) -> Duration {
        match self {
            Self::Messages => 10 * MINUTE,
            Self::Shares | Self::Car(_, Topic::Mileage | Topic::Rank | Topic::LastWeek | Topic::Today) => HOUR,
            Self::Car(_, Topic::Picture | Topic::Charges | Topic::Schedules) => 6 * HOUR,
            Self::Car(_, Topic::Software) => 24 * HOUR,
        }
    }

    /// Requests it takes.
    pub fn cost(&self) -> u32 {
        match self {
            Self::Messages | Self::Car(_, Topic::Picture | Topic::Schedules) => DEAREST,
            Self::Shares | Self::Car(..) => 1,
        }
    }

    /// The pause after one that failed; it doubles with every further failure.
    fn retry(&self) -> Duration {
        match self {
            // Asking for a package again within ten minutes is not welcome.
            Self::Car(_, Topic::Picture) => 10 * MINUTE,
            _ => 2 * MINUTE,
        }
    }
}

impl fmt::Display for Errand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Messages => f.write_str("messages"),
            Self::Shares => f.write_str("share invitations"),
            Self::Car(vin, topic) => write!(f, "{topic:?} of {vin}"),
        }
    }
}

/// What slow reads may take of an account's day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ration {
    /// Requests.
    pub requests: u32,
    /// How long they have to last.
    pub until: Timestamp,
}

/// What is due when, for one account and its cars.
#[derive(Debug, Default)]
pub struct Timetable {
    appointments: BTreeMap<Errand, Appointment>,
    /// Up to when an even pace would have made the requests that were made.
    paid_until: Timestamp,
}

#[derive(Debug)]
struct Appointment {
    /// The pause before it is read.
    pause: Period,
    failures: u32,
}

impl Timetable {
    /// A timetable with the account's own errands. `chance` is 0 to 1, here and below.
    pub fn new(now: Timestamp, chance: f64) -> Self {
        let mut timetable = Self::default();
        timetable.add([Errand::Messages, Errand::Shares], now, chance);
        timetable
    }

    /// Whether the car is there.
    pub fn has_car(&self, vin: &Vin) -> bool {
        let [first, ..] = Topic::ALL;
        self.appointments.contains_key(&Errand::Car(vin.clone(), first))
    }

    /// Adds a car of which a status is known; nothing changes for one that is already there.
    pub fn add_car(&mut self, vin: &Vin, now: Timestamp, chance: f64) {
        self.add(Topic::ALL.map(|topic| Errand::Car(vin.clone(), topic)), now, chance);
    }

    fn add(&mut self, errands: impl IntoIterator<Item = Errand>, now: Timestamp, chance: f64) {
        let mut wait = STEP.mul_f64(chance);
        for errand in errands {
            let pause = Period::new(now, wait);
            self.appointments
                .entry(errand)
                .or_insert(Appointment { pause, failures: 0 });
            wait += STEP;
        }
    }

    /// Removes the cars that are not wanted any more.
    pub fn retain_cars(&mut self, wanted: impl Fn(&Vin) -> bool) {
        self.appointments.retain(|errand, _| match errand {
            Errand::Car(vin, _) => wanted(vin),
            Errand::Messages | Errand::Shares => true,
        });
    }

    /// When something may be read next; `None` while nothing is due or nothing is left of the ration.
    pub fn next(&self, ration: &Ration, now: Timestamp) -> Option<Timestamp> {
        let due = self.appointments.values().map(Appointment::due).min()?;
        Some(due.max(later(now, self.wait(ration, now)?)))
    }

    /// What is to be read now, taken from the ration: what is late by the largest share of its interval.
    pub fn take_due(&mut self, ration: &Ration, now: Timestamp) -> Option<Errand> {
        self.not_after(ration, now);
        if !self.wait(ration, now)?.is_zero() {
            return None;
        }
        let lateness = |errand: &Errand, appointment: &Appointment| {
            now.duration_since(appointment.due()).as_secs_f64() / errand.interval().as_secs_f64()
        };
        let (errand, _) = self
            .appointments
            .iter()
            .filter(|(_, appointment)| appointment.due() <= now)
            .map(|(errand, appointment)| (errand.clone(), lateness(errand, appointment)))
            .max_by(|(_, left), (_, right)| left.total_cmp(right))?;
        self.paid_until = later(self.paid_until.max(now), ration.pace(now).saturating_mul(errand.cost()));
        Some(errand)
    }

    /// Takes note of the present moment: when the clock was set back, and when a new day has brought a new ration, nothing
    /// waits for longer than it would have to from now on.
    fn not_after(&mut self, ration: &Ration, now: Timestamp) {
        for appointment in self.appointments.values_mut() {
            appointment.pause.not_after(now);
        }
        let most_owed = ration.pace(now).saturating_mul(AHEAD + DEAREST);
        self.paid_until = self.paid_until.min(later(now, most_owed));
    }

    /// How long the ration holds up the next read; `None` when nothing is left of it.
    fn wait(&self, ration: &Ration, now: Timestamp) -> Option<Duration> {
        if ration.requests == 0 {
            return None;
        }
        let pace = ration.pace(now);
        let ahead = AHEAD.min(ration.requests / AHEAD_SHARE);
        let owed = Duration::try_from(self.paid_until.duration_since(now)).unwrap_or_default();
        // After midnight, or when the clock was set back, less is owed than was noted.
        let owed = owed.min(pace.saturating_mul(ahead + DEAREST));
        Some(owed.saturating_sub(pace.saturating_mul(ahead)))
    }

    /// A read succeeded. Returns whether reads of it had failed before.
    pub fn succeeded(&mut self, errand: &Errand, now: Timestamp, chance: f64) -> bool {
        let Some(appointment) = self.appointments.get_mut(errand) else {
            return false;
        };
        appointment.pause = spread(now, errand.interval(), chance);
        std::mem::take(&mut appointment.failures) > 0
    }

    /// A read failed. Returns whether it is the first in a row, which is worth saying.
    pub fn failed(&mut self, errand: &Errand, now: Timestamp, chance: f64) -> bool {
        let Some(appointment) = self.appointments.get_mut(errand) else {
            return false;
        };
        let pause = errand
            .retry()
            .saturating_mul(1 << appointment.failures.min(16))
            .min(LONGEST_BACK_OFF);
        appointment.pause = spread(now, pause, chance);
        appointment.failures = appointment.failures.saturating_add(1);
        appointment.failures == 1
    }

    /// A charge ended: its record is read as soon as the cloud has it.
    pub fn charge_ended(&mut self, vin: &Vin, now: Timestamp) {
        self.hasten(&Errand::Car(vin.clone(), Topic::Charges), SETTLING, now);
    }

    /// A schedule was written, or was not: what the cloud holds is read now.
    pub fn schedule_written(&mut self, vin: &Vin, now: Timestamp) {
        self.hasten(&Errand::Car(vin.clone(), Topic::Schedules), Duration::ZERO, now);
    }

    /// An invitation was answered: what is left is read now.
    pub fn share_answered(&mut self, now: Timestamp) {
        self.hasten(&Errand::Shares, Duration::ZERO, now);
    }

    fn hasten(&mut self, errand: &Errand, wait: Duration, now: Timestamp) {
        let sooner = Period::new(now, wait);
        if let Some(appointment) = self.appointments.get_mut(errand)
            && sooner.end() < appointment.due()
        {
            appointment.pause = sooner;
        }
    }
}

impl Appointment {
    fn due(&self) -> Timestamp {
        self.pause.end()
    }
}

impl Ration {
    /// The time from one request to the next that makes it last.
    fn pace(&self, now: Timestamp) -> Duration {
        let rest = Duration::try_from(self.until.duration_since(now)).unwrap_or_default();
        rest / self.requests.max(1)
    }
}

fn spread(now: Timestamp, pause: Duration, chance: f64) -> Period {
    Period::new(now, pause.mul_f64(1.0 + SPREAD * chance))
}

#[cfg(test)]
mod tests;
