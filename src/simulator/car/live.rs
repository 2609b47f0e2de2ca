//! The day of a car that lives by itself, an hour long so that something is always about to happen.

use jiff::{SignedDuration, Timestamp};

use super::{Car, Scenario};

/// Minutes from the start of the round, and what begins then.
const ROUND: [(i64, Scenario); 7] = [
    (0, Scenario::Park),
    (4, Scenario::Drive),
    (18, Scenario::Park),
    (22, Scenario::Plugged),
    (24, Scenario::ChargeAc),
    (44, Scenario::Park),
    (48, Scenario::Asleep),
];

/// Length of a round, minutes.
const ROUND_MINUTES: i64 = 60;

/// Each car is this far ahead of the one before, minutes, so that they do not all do the same.
const HEAD_START: u64 = 17;

impl Car {
    /// When this car next begins something by itself, if it lives at all.
    pub(super) fn next_turn(&self) -> Option<Timestamp> {
        self.lives.then(|| self.turn_after(self.turned_at).0)
    }

    /// Begins what is due.
    pub(super) fn take_turn(&mut self, at: Timestamp) {
        let (due, scenario) = self.turn_after(self.turned_at);
        self.turned_at = due;
        self.turn_to(scenario, at);
    }

    fn turn_after(&self, moment: Timestamp) -> (Timestamp, Scenario) {
        let head_start = i64::try_from(self.car_id * HEAD_START % 60).unwrap_or_default();
        let round = moment.as_second().div_euclid(ROUND_MINUTES * 60);
        let turns = (round - 1..=round + 1).flat_map(|round| {
            ROUND.into_iter().filter_map(move |(minute, scenario)| {
                let second = (round * ROUND_MINUTES + minute + head_start) * 60;
                Some((Timestamp::from_second(second).ok()?, scenario))
            })
        });
        // Three rounds always hold one later than the moment; an hour is as good an answer near the end of time.
        turns
            .filter(|(at, _)| *at > moment)
            .min_by_key(|(at, _)| *at)
            .unwrap_or((moment + SignedDuration::from_hours(1), Scenario::Park))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::profile::CarKind;
    use super::*;

    #[test]
    fn a_living_car_drives_charges_and_sleeps_within_a_round() {
        let start: Timestamp = "2026-11-21T06:00:00Z".parse().unwrap();
        let mut car = Car::new(CarKind::C10, "LFZ".to_owned(), "1234".to_owned(), 3, true, start);
        let mut seen = BTreeSet::new();
        for minute in 0..=70 {
            let data = car.status(start + SignedDuration::from_mins(minute));
            let signal = &data["signal"];
            seen.insert(match (&signal["1010"], &signal["1149"]) {
                (gear, _) if gear == 3 => "driving",
                (_, state) if state == 2 => "charging",
                (_, state) if state == 1 => "plugged",
                (_, state) if state == 0 => "parked",
                _ => "asleep",
            });
        }
        assert_eq!(
            seen,
            BTreeSet::from(["asleep", "charging", "driving", "parked", "plugged"])
        );
    }
}
