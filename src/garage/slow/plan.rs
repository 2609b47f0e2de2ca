//! When to read what changes slowly. Pure: the present moment and chance are arguments, nothing waits here.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use jiff::Timestamp;

use crate::garage::later;
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
}

impl Topic {
    /// In the order of the first round.
    const ALL: [Self; 7] = [
        Self::Picture,
        Self::Mileage,
        Self::Charges,
        Self::Rank,
        Self::LastWeek,
        Self::Today,
        Self::Software,
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
            Self::Car(_, Topic::Picture | Topic::Charges) => 6 * HOUR,
            Self::Car(_, Topic::Software) => 24 * HOUR,
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

/// What is due when, for one account and its cars.
#[derive(Debug, Default)]
pub struct Timetable(BTreeMap<Errand, Appointment>);

#[derive(Debug)]
struct Appointment {
    due: Timestamp,
    failures: u32,
}

impl Timetable {
    /// A timetable with the account's own errands. `chance` is 0 to 1, here and below.
    pub fn new(now: Timestamp, chance: f64) -> Self {
        let mut timetable = Self::default();
        timetable.add([Errand::Messages, Errand::Shares], now, chance);
        timetable
    }

    /// Adds a car of which a status is known; nothing changes for one that is already there.
    pub fn add_car(&mut self, vin: &Vin, now: Timestamp, chance: f64) {
        self.add(Topic::ALL.map(|topic| Errand::Car(vin.clone(), topic)), now, chance);
    }

    fn add(&mut self, errands: impl IntoIterator<Item = Errand>, now: Timestamp, chance: f64) {
        let mut due = later(now, STEP.mul_f64(chance));
        for errand in errands {
            self.0.entry(errand).or_insert(Appointment { due, failures: 0 });
            due = later(due, STEP);
        }
    }

    /// Removes the cars that are not wanted any more.
    pub fn retain_cars(&mut self, wanted: impl Fn(&Vin) -> bool) {
        self.0.retain(|errand, _| match errand {
            Errand::Car(vin, _) => wanted(vin),
            Errand::Messages | Errand::Shares => true,
        });
    }

    /// What is longest due.
    pub fn due(&self, now: Timestamp) -> Option<Errand> {
        let next = self.0.iter().min_by_key(|(_, appointment)| appointment.due);
        next.filter(|(_, appointment)| appointment.due <= now)
            .map(|(errand, _)| errand.clone())
    }

    /// When something is due next.
    pub fn next(&self) -> Option<Timestamp> {
        self.0.values().map(|appointment| appointment.due).min()
    }

    /// A read succeeded. Returns whether reads of it had failed before.
    pub fn succeeded(&mut self, errand: &Errand, now: Timestamp, chance: f64) -> bool {
        let Some(appointment) = self.0.get_mut(errand) else {
            return false;
        };
        appointment.due = spread(now, errand.interval(), chance);
        std::mem::take(&mut appointment.failures) > 0
    }

    /// A read failed. Returns whether it is the first in a row, which is worth saying.
    pub fn failed(&mut self, errand: &Errand, now: Timestamp, chance: f64) -> bool {
        let Some(appointment) = self.0.get_mut(errand) else {
            return false;
        };
        let pause = errand
            .retry()
            .saturating_mul(1 << appointment.failures.min(16))
            .min(LONGEST_BACK_OFF);
        appointment.due = spread(now, pause, chance);
        appointment.failures = appointment.failures.saturating_add(1);
        appointment.failures == 1
    }

    /// A charge ended: its record is read as soon as the cloud has it.
    pub fn charge_ended(&mut self, vin: &Vin, now: Timestamp) {
        self.hasten(&Errand::Car(vin.clone(), Topic::Charges), later(now, SETTLING));
    }

    /// An invitation was answered: what is left is read now.
    pub fn share_answered(&mut self, now: Timestamp) {
        self.hasten(&Errand::Shares, now);
    }

    fn hasten(&mut self, errand: &Errand, due: Timestamp) {
        if let Some(appointment) = self.0.get_mut(errand) {
            appointment.due = appointment.due.min(due);
        }
    }
}

fn spread(now: Timestamp, pause: Duration, chance: f64) -> Timestamp {
    later(now, pause.mul_f64(1.0 + SPREAD * chance))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_790_000_000 + second).unwrap()
    }

    fn vin() -> Vin {
        Vin::parse("LFZTEST0000000001").unwrap()
    }

    fn of_car(topic: Topic) -> Errand {
        Errand::Car(vin(), topic)
    }

    /// What is read by the end, everything succeeding at once.
    fn reads(timetable: &mut Timetable, end: Timestamp) -> Vec<(Timestamp, Errand)> {
        let mut reads = Vec::new();
        while let Some(now) = timetable.next().filter(|next| *next < end) {
            let errand = timetable.due(now).unwrap();
            timetable.succeeded(&errand, now, 0.0);
            reads.push((now, errand));
        }
        reads
    }

    #[test]
    fn the_first_round_is_spread_over_minutes() {
        let mut timetable = Timetable::default();
        timetable.add_car(&vin(), at(0), 0.0);
        let expected: Vec<_> = (0..).map(|step| at(15 * step)).zip(Topic::ALL.map(of_car)).collect();
        assert_eq!(reads(&mut timetable, at(300)), expected);
    }

    #[test]
    fn a_day_of_an_account_with_one_car_takes_few_requests() {
        let mut timetable = Timetable::new(at(0), 0.0);
        timetable.add_car(&vin(), at(0), 0.0);
        let day = reads(&mut timetable, at(24 * 3600));
        for (errand, times) in [
            (Errand::Messages, 144),
            (Errand::Shares, 24),
            (of_car(Topic::Mileage), 24),
            (of_car(Topic::Today), 24),
            (of_car(Topic::Charges), 4),
            (of_car(Topic::Picture), 4),
            (of_car(Topic::Software), 1),
        ] {
            let count = day.iter().filter(|(_, read)| *read == errand).count();
            assert_eq!(count, times, "{errand}");
        }
    }

    #[test]
    fn pauses_are_spread_by_chance() {
        let mut timetable = Timetable::new(at(0), 1.0);
        assert_eq!(timetable.next(), Some(at(15)));
        timetable.succeeded(&Errand::Messages, at(15), 1.0);
        timetable.succeeded(&Errand::Shares, at(15), 1.0);
        assert_eq!(timetable.next(), Some(at(15 + 660)));
    }

    #[test]
    fn failures_wait_ever_longer_and_only_the_first_is_worth_saying() {
        let mut timetable = Timetable::new(at(0), 0.0);
        let shares = Errand::Shares;
        let mut pauses = Vec::new();
        for _ in 0..10 {
            timetable.failed(&shares, at(0), 0.0);
            pauses.push(timetable.0[&shares].due.duration_since(at(0)).as_secs() / 60);
        }
        assert_eq!(pauses, [2, 4, 8, 16, 32, 64, 128, 256, 360, 360]);
        assert!(timetable.succeeded(&shares, at(0), 0.0), "it works again");
        assert!(!timetable.succeeded(&shares, at(0), 0.0));
        assert!(timetable.failed(&shares, at(0), 0.0));
        assert!(!timetable.failed(&shares, at(0), 0.0));
    }

    #[test]
    fn a_picture_that_could_not_be_had_is_left_alone_for_ten_minutes() {
        let mut timetable = Timetable::default();
        timetable.add_car(&vin(), at(0), 0.0);
        timetable.failed(&of_car(Topic::Picture), at(0), 0.0);
        assert_eq!(timetable.0[&of_car(Topic::Picture)].due, at(600));
    }

    #[test]
    fn a_charge_that_ended_is_read_when_its_record_has_settled() {
        let mut timetable = Timetable::default();
        timetable.add_car(&vin(), at(0), 0.0);
        let _ = reads(&mut timetable, at(300));
        timetable.charge_ended(&vin(), at(1_000));
        assert_eq!(timetable.next(), Some(at(1_180)));
        assert_eq!(timetable.due(at(1_180)), Some(of_car(Topic::Charges)));
    }

    #[test]
    fn a_car_that_is_gone_is_not_read_and_one_that_returns_is_read_at_once() {
        let mut timetable = Timetable::default();
        timetable.add_car(&vin(), at(0), 0.0);
        timetable.retain_cars(|_| false);
        assert_eq!(timetable.next(), None);
        timetable.add_car(&vin(), at(9_000), 0.0);
        assert_eq!(timetable.next(), Some(at(9_000)));
    }
}
