//! The cars in an account's vehicle list, and when to read it again. The present moment and chance are arguments.

use std::time::Duration;

use jiff::Timestamp;
use tracing::{info, warn};

use crate::garage::failures::Failures;
use crate::garage::period::Period;
use crate::garage::session::CallError;
use crate::vehicle::{Car, Vin};

/// How often the vehicle list is read while nothing calls for it.
const INTERVAL: Duration = Duration::from_secs(6 * 3600);
/// How soon it is read again when something is wrong: it could not be read, or does not fit what else is known.
const RETRY: Duration = Duration::from_secs(60);
/// How often it is read while it is empty.
const WHILE_EMPTY: Duration = Duration::from_secs(5 * 60);
/// How often it is read while a car is expected to appear in it, and for how long.
const EXPECTED_RETRY: Duration = Duration::from_secs(5);
const EXPECTED_WITHIN: Duration = Duration::from_secs(60);

/// The cars in an account's vehicle list, also those that another account keeps.
#[derive(Debug, Default)]
pub(super) struct Roster {
    listed: Vec<Car>,
    /// The pause until it is read again; `None` before the first attempt.
    pause: Option<Period>,
    failures: Failures,
    /// A car that should appear in it, and for how long it is looked for.
    expected: Option<(Vin, Period)>,
    /// How long a list must stay empty that had cars, before that is believed.
    doubt: Option<Period>,
    /// Whether the account cannot be used before its owner acts.
    is_away: bool,
}

impl Roster {
    /// The cars.
    pub(super) fn listed(&self) -> &[Car] {
        &self.listed
    }

    /// When the list is to be read.
    pub(super) fn next(&self) -> Timestamp {
        self.pause.map_or(Timestamp::MIN, |pause| pause.end())
    }

    /// The attempts to read it that failed.
    pub(super) fn failures(&self) -> &Failures {
        &self.failures
    }

    /// Whether the account cannot be used before its owner acts; the next list shows that it can again.
    pub(super) fn is_away(&self) -> bool {
        self.is_away
    }

    /// Takes a vehicle list. One that is suddenly empty must stay so for a while, since all devices go with it.
    pub(super) fn take(&mut self, cars: Vec<Car>, now: Timestamp) {
        self.failures = Failures::default();
        self.is_away = false;
        if cars.is_empty() && !self.listed.is_empty() && !self.is_believed_empty(now) {
            self.pause = Some(Period::new(now, RETRY));
            return;
        }
        self.doubt = None;
        if cars.is_empty() {
            info!("the account has no car: none is bound, or a share is not accepted yet or was withdrawn");
        }
        let is_missing = |vin: &Vin| cars.iter().all(|car| car.vin != *vin);
        self.expected = self
            .expected
            .take()
            .filter(|(vin, within)| !within.is_over(now) && is_missing(vin));
        let pause = match &self.expected {
            Some(_) => EXPECTED_RETRY,
            None if cars.is_empty() => WHILE_EMPTY,
            None => INTERVAL,
        };
        self.pause = Some(Period::new(now, pause));
        self.listed = cars;
    }

    /// The list could not be read. Returns whether that is the first time in a row, which is worth saying.
    pub(super) fn fail(&mut self, error: &CallError, chance: f64, now: Timestamp) -> bool {
        let is_first = self.failures.note(error, chance);
        self.pause = Some(Period::new(now, RETRY.max(self.failures.rest())));
        is_first
    }

    /// A share was accepted: its car will be in the list in a moment.
    pub(super) fn expect(&mut self, vin: Vin, now: Timestamp) {
        self.expected = Some((vin, Period::new(now, EXPECTED_WITHIN)));
        self.hasten(EXPECTED_RETRY, now);
    }

    /// What else is known does not fit the list: it is read again soon.
    pub(super) fn read_soon(&mut self, now: Timestamp) {
        self.hasten(RETRY, now);
    }

    /// The account cannot be used before its owner acts. The list is what shows that it can again.
    pub(super) fn lose_sight(&mut self, now: Timestamp) {
        self.is_away = true;
        self.hasten(RETRY, now);
    }

    /// Takes note of the present moment: a clock that was set back must not make anything wait longer.
    pub(super) fn not_after(&mut self, now: Timestamp) {
        let expected = self.expected.as_mut().map(|(_, within)| within);
        for period in [self.pause.as_mut(), self.doubt.as_mut(), expected]
            .into_iter()
            .flatten()
        {
            period.not_after(now);
        }
    }

    /// Whether the list has been empty for long enough. The first time it is, it has not.
    fn is_believed_empty(&mut self, now: Timestamp) -> bool {
        if let Some(doubt) = self.doubt {
            return doubt.is_over(now);
        }
        warn!("the vehicle list is empty all of a sudden; it is read once more before the cars are taken away");
        self.doubt = Some(Period::new(now, RETRY));
        false
    }

    fn hasten(&mut self, wait: Duration, now: Timestamp) {
        let sooner = Period::new(now, wait);
        if sooner.end() < self.next() {
            self.pause = Some(sooner);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cloud::CloudError;
    use crate::garage::session::NoSession;
    use crate::vehicle::Model;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_790_000_000 + second).unwrap()
    }

    fn vin(number: u32) -> Vin {
        Vin::parse(&format!("LFZTEST{number:010}")).unwrap()
    }

    fn car(number: u32) -> Car {
        Car::unlisted(vin(number), Model::C10)
    }

    /// A roster with one car, read at second 0.
    fn roster() -> Roster {
        let mut roster = Roster::default();
        assert!(roster.next() < at(-1_000_000), "the first list is read at once");
        roster.take(vec![car(1)], at(0));
        assert_eq!(roster.next(), at(6 * 3_600));
        roster
    }

    #[test]
    fn a_list_that_is_suddenly_empty_is_believed_a_minute_later() {
        let mut roster = roster();
        roster.take(Vec::new(), at(100));
        assert_eq!((roster.listed().len(), roster.next()), (1, at(160)));
        // One that was read for a command says the same too early.
        roster.take(Vec::new(), at(130));
        assert_eq!((roster.listed().len(), roster.next()), (1, at(190)));
        roster.take(Vec::new(), at(190));
        assert_eq!((roster.listed().len(), roster.next()), (0, at(490)));
    }

    #[test]
    fn a_list_that_has_its_cars_again_takes_the_doubt_away() {
        let mut roster = roster();
        roster.take(Vec::new(), at(100));
        roster.take(vec![car(1)], at(160));
        roster.take(Vec::new(), at(9_000));
        assert_eq!((roster.listed().len(), roster.next()), (1, at(9_060)));
        // A single car that is gone is believed at once.
        roster.take(vec![car(2)], at(9_060));
        assert_eq!(roster.listed(), [car(2)]);
    }

    #[test]
    fn an_account_without_cars_from_the_start_is_believed_at_once() {
        let mut roster = Roster::default();
        roster.take(Vec::new(), at(0));
        assert_eq!((roster.listed().len(), roster.next()), (0, at(300)));
    }

    #[test]
    fn a_list_that_cannot_be_read_is_tried_ever_more_rarely() {
        let mut roster = roster();
        let mut wait = |error: CloudError| {
            let is_first = roster.fail(&error.into(), 0.0, at(0));
            (is_first, roster.next().duration_since(at(0)).as_secs())
        };
        let waits = [(); 7].map(|()| wait(CloudError::Timeout));
        assert_eq!(waits.map(|(_, seconds)| seconds), [60, 60, 120, 240, 480, 900, 900]);
        assert_eq!(
            waits
                .map(|(is_first, _)| is_first)
                .iter()
                .filter(|first| **first)
                .count(),
            1
        );
        // Where there is no session the cloud is not asked, and the session says when there is one again.
        roster.fail(&NoSession::Stopping.into(), 0.0, at(0));
        assert_eq!(roster.next(), at(60));
        roster.take(vec![car(1)], at(0));
        assert!(
            roster.fail(&CloudError::Timeout.into(), 0.0, at(0)),
            "worth saying again"
        );
    }

    #[test]
    fn a_car_that_is_expected_is_looked_for_often_until_it_is_there_or_a_minute_has_passed() {
        let mut roster = roster();
        roster.expect(vin(2), at(10));
        assert_eq!(roster.next(), at(15));
        roster.take(vec![car(1)], at(15));
        assert_eq!(roster.next(), at(20));
        let mut gave_up = roster;
        gave_up.take(vec![car(1)], at(70));
        assert_eq!(gave_up.next(), at(70 + 6 * 3_600));

        let mut roster = self::roster();
        roster.expect(vin(2), at(10));
        roster.take(vec![car(1), car(2)], at(15));
        assert_eq!(roster.next(), at(15 + 6 * 3_600));
    }

    #[test]
    fn an_account_that_is_away_is_back_with_the_next_list_which_is_looked_for() {
        let mut roster = roster();
        roster.lose_sight(at(10));
        assert!(roster.is_away());
        assert_eq!(roster.next(), at(70));
        roster.lose_sight(at(60));
        assert_eq!(roster.next(), at(70), "it is not put off");
        roster.take(vec![car(1)], at(70));
        assert!(!roster.is_away());
    }

    #[test]
    fn a_clock_that_was_set_back_does_not_put_the_list_off() {
        let mut roster = roster();
        roster.take(Vec::new(), at(100));
        roster.not_after(at(-3_600));
        assert_eq!(roster.next(), at(-3_540));
        roster.take(Vec::new(), at(-3_540));
        assert_eq!(roster.listed().len(), 0);
        roster.expect(vin(2), at(0));
        roster.not_after(at(-3_600));
        roster.take(Vec::new(), at(-3_540));
        assert_eq!(roster.next(), at(-3_240), "it is looked for no more");
    }
}
