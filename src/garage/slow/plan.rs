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

    /// So much that nothing ever waits for it.
    const AMPLE: Ration = Ration {
        requests: u32::MAX,
        until: Timestamp::MAX,
    };

    /// What is read by the end, everything succeeding at once.
    fn reads(timetable: &mut Timetable, end: Timestamp) -> Vec<(Timestamp, Errand)> {
        let mut reads = Vec::new();
        while let Some(now) = timetable.next(&AMPLE, at(0)).filter(|next| *next < end) {
            let errand = timetable.take_due(&AMPLE, now).unwrap();
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
            (of_car(Topic::Schedules), 4),
        ] {
            let count = day.iter().filter(|(_, read)| *read == errand).count();
            assert_eq!(count, times, "{errand}");
        }
    }

    #[test]
    fn pauses_are_spread_by_chance() {
        let mut timetable = Timetable::new(at(0), 1.0);
        assert_eq!(timetable.next(&AMPLE, at(0)), Some(at(15)));
        timetable.succeeded(&Errand::Messages, at(15), 1.0);
        timetable.succeeded(&Errand::Shares, at(15), 1.0);
        assert_eq!(timetable.next(&AMPLE, at(0)), Some(at(15 + 660)));
    }

    #[test]
    fn failures_wait_ever_longer_and_only_the_first_is_worth_saying() {
        let mut timetable = Timetable::new(at(0), 0.0);
        let shares = Errand::Shares;
        let mut pauses = Vec::new();
        for _ in 0..10 {
            timetable.failed(&shares, at(0), 0.0);
            pauses.push(timetable.appointments[&shares].due().duration_since(at(0)).as_secs() / 60);
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
        assert_eq!(timetable.appointments[&of_car(Topic::Picture)].due(), at(600));
    }

    #[test]
    fn a_charge_that_ended_is_read_when_its_record_has_settled() {
        let mut timetable = Timetable::default();
        timetable.add_car(&vin(), at(0), 0.0);
        let _ = reads(&mut timetable, at(300));
        timetable.charge_ended(&vin(), at(1_000));
        assert_eq!(timetable.next(&AMPLE, at(0)), Some(at(1_180)));
        assert_eq!(timetable.take_due(&AMPLE, at(1_180)), Some(of_car(Topic::Charges)));
    }

    #[test]
    fn a_schedule_that_was_written_is_read_now() {
        let mut timetable = Timetable::default();
        timetable.add_car(&vin(), at(0), 0.0);
        let _ = reads(&mut timetable, at(300));
        timetable.schedule_written(&vin(), at(1_000));
        assert_eq!(timetable.take_due(&AMPLE, at(1_000)), Some(of_car(Topic::Schedules)));
    }

    #[test]
    fn a_car_that_is_gone_is_not_read_and_one_that_returns_is_read_at_once() {
        let mut timetable = Timetable::default();
        assert!(!timetable.has_car(&vin()));
        timetable.add_car(&vin(), at(0), 0.0);
        assert!(timetable.has_car(&vin()));
        timetable.retain_cars(|_| false);
        assert!(!timetable.has_car(&vin()));
        assert_eq!(timetable.next(&AMPLE, at(0)), None);
        timetable.add_car(&vin(), at(9_000), 0.0);
        assert_eq!(timetable.next(&AMPLE, at(0)), Some(at(9_000)));
    }

    /// What an account with so many cars reads of a ration of so many requests within a day, one request after the other,
    /// and the requests that takes.
    fn rationed_day(requests: u32, cars: usize) -> (Vec<(Timestamp, Errand)>, u32) {
        let (mut timetable, end) = (Timetable::new(at(0), 0.0), at(86_400));
        for car in 0..cars {
            let vin = Vin::parse(&format!("LFZTEST{car:010}")).unwrap();
            timetable.add_car(&vin, at(0), 0.0);
        }
        let (mut reads, mut spent, mut now) = (Vec::new(), 0, at(0));
        loop {
            let ration = Ration {
                requests: requests.saturating_sub(spent),
                until: end,
            };
            let Some(next) = timetable.next(&ration, now).filter(|next| *next < end) else {
                return (reads, spent);
            };
            now = next.max(now);
            // Several may be due; each takes its turn, and the ration may hold up the next.
            while let Some(errand) = timetable.take_due(&ration, now) {
                spent += errand.cost();
                timetable.succeeded(&errand, now, 0.0);
                reads.push((now, errand));
            }
        }
    }

    #[test]
    fn a_ration_is_kept_and_lasts_for_the_day_however_many_cars_there_are() {
        for (requests, cars) in [(490, 1), (490, 2), (490, 100), (10, 3)] {
            let (reads, spent) = rationed_day(requests, cars);
            assert!(spent <= requests + DEAREST, "{cars} cars: {spent} of {requests}");
            let (last, _) = reads.last().unwrap();
            assert!(*last > at(70_000), "{cars} cars: the last read at {last}");
        }
        assert_eq!(rationed_day(0, 1), (Vec::new(), 0));
    }

    #[test]
    fn the_usual_ration_lets_the_first_round_of_a_car_pass_at_once_and_holds_up_nothing_later() {
        let (reads, spent) = rationed_day(490, 1);
        let first_round = reads.iter().filter(|(at_time, _)| *at_time < at(150)).count();
        assert_eq!(first_round, 10);
        let messages = reads.iter().filter(|(_, errand)| *errand == Errand::Messages).count();
        // Twice 144, 24, four times 24, two times twice 4, 4 and 1.
        assert_eq!((messages, spent), (144, 429));
    }

    #[test]
    fn with_a_short_ration_everything_is_late_by_the_same_share() {
        let (reads, _) = rationed_day(100, 1);
        let times = |errand: Errand| reads.iter().filter(|(_, read)| *read == errand).count();
        let (messages, mileage) = (
            times(Errand::Messages),
            times(Errand::Car(Vin::parse("LFZTEST0000000000").unwrap(), Topic::Mileage)),
        );
        assert!(messages > 4 * mileage && mileage > 0, "{messages} and {mileage}");
    }

    #[test]
    fn a_clock_that_was_set_back_and_a_new_day_do_not_silence_it() {
        let mut timetable = Timetable::new(at(0), 0.0);
        let short = Ration {
            requests: 1,
            until: at(86_400),
        };
        assert_eq!(timetable.take_due(&short, at(0)), Some(Errand::Messages));
        assert_eq!(timetable.take_due(&short, at(60)), None);
        assert_eq!(timetable.wait(&short, at(60)), Some(Duration::from_secs(2 * 86_340)));
        let fresh = Ration {
            requests: 490,
            until: at(2 * 86_400),
        };
        let wait = timetable.wait(&fresh, at(86_400)).unwrap();
        assert!(wait < Duration::from_secs(600), "{wait:?}");
        let wait = timetable.wait(&fresh, at(-90_000)).unwrap();
        assert!(wait < Duration::from_secs(3_600), "{wait:?}");
    }

    #[test]
    fn after_the_clock_was_set_back_everything_is_read_as_often_as_before() {
        let mut timetable = Timetable::new(at(0), 0.0);
        timetable.add_car(&vin(), at(0), 0.0);
        let _ = reads(&mut timetable, at(3 * 3_600));
        let set_back = |second: i64| at(second - 7 * 86_400);
        let mut times = 0;
        for minute in 0..60 {
            let now = set_back(60 * minute);
            while let Some(errand) = timetable.take_due(&AMPLE, now) {
                timetable.succeeded(&errand, now, 0.0);
                times += u32::from(errand == Errand::Messages);
            }
        }
        assert_eq!(times, 5, "after 10, 20, … minutes");
    }

    #[test]
    fn a_new_day_does_not_go_on_paying_for_the_one_before() {
        let mut timetable = Timetable::new(at(0), 0.0);
        let short = Ration {
            requests: 1,
            until: at(86_400),
        };
        assert_eq!(timetable.take_due(&short, at(0)), Some(Errand::Messages));
        let fresh = Ration {
            requests: 490,
            until: at(2 * 86_400),
        };
        assert_eq!(timetable.take_due(&fresh, at(86_400)), None);
        assert!(timetable.take_due(&fresh, at(86_400 + 600)).is_some());
    }
}
