//! What is to be read when, for all cars of an account together: worked out once for each turn of the poller. Pure.

use std::time::Duration;

use jiff::Timestamp;

use crate::garage::plan::{self, Activities, Allowance, Phase, Policy};
use crate::vehicle::Vin;

/// A car as the agenda sees it.
pub(super) struct Entry {
    pub(super) vin: Vin,
    pub(super) last_read: Option<Timestamp>,
    pub(super) activities: Activities,
    pub(super) policy: Policy,
}

/// What is planned for a car.
pub(super) struct Outlook {
    pub(super) vin: Vin,
    pub(super) phase: Phase,
    /// The pause between two reads; `None` where none is to follow.
    pub(super) interval: Option<Duration>,
    /// When it is read next.
    pub(super) next: Option<Timestamp>,
    /// Whether it goes before others that have waited for longer: somebody waits for news, or nothing is known of it.
    is_urgent: bool,
}

/// What is to be read when.
pub(super) struct Agenda {
    outlooks: Vec<Outlook>,
    /// When the vehicle list is read next; `None` while nothing is left for it.
    list: Option<Timestamp>,
}

/// Something to read.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Due<'a> {
    /// The vehicle list.
    List,
    /// The status of this car.
    Status(&'a Vin),
}

impl Agenda {
    /// The agenda of these cars. `list` is when the vehicle list is to be read, and the account is left to somebody else
    /// until `yields_until`.
    pub(super) fn new(
        cars: Vec<Entry>,
        allowance: Allowance,
        list: Timestamp,
        yields_until: Option<Timestamp>,
        now: Timestamp,
    ) -> Self {
        // Without a list nothing works, so the first may use what is kept for commands.
        let is_left = allowance.left_for_reads() > 0 || (cars.is_empty() && allowance.left() > 0);
        let list = yields_until.map_or(list, |until| list.max(until));
        let allowance = allowance.shared_by(
            cars.iter()
                .map(|car| plan::wanted(&car.activities, &car.policy, allowance.resets, now)),
        );
        let outlooks = cars.into_iter().map(|car| car.outlook(&allowance, now)).collect();
        Self {
            outlooks,
            list: is_left.then_some(list),
        }
    }

    /// What is to be read now. The list comes first, then what is urgent, then the car that has waited longest.
    pub(super) fn due(&self, now: Timestamp) -> Option<Due<'_>> {
        if self.list.is_some_and(|list| list <= now) {
            return Some(Due::List);
        }
        self.outlooks
            .iter()
            .filter_map(|car| Some((!car.is_urgent, car.next.filter(|next| *next <= now)?, &car.vin)))
            .min()
            .map(|(_, _, vin)| Due::Status(vin))
    }

    /// When something is due next.
    pub(super) fn next(&self) -> Option<Timestamp> {
        self.outlooks.iter().filter_map(|car| car.next).chain(self.list).min()
    }

    /// What is planned for each car.
    pub(super) fn outlooks(&self) -> &[Outlook] {
        &self.outlooks
    }
}

impl Entry {
    fn outlook(self, allowance: &Allowance, now: Timestamp) -> Outlook {
        let Self {
            vin,
            last_read,
            activities: car,
            policy,
        } = self;
        let phase = Phase::of(&car, &policy, now);
        Outlook {
            vin,
            phase,
            interval: plan::interval(&car, &policy, allowance, now),
            next: plan::next_poll(last_read, &car, &policy, allowance, now),
            is_urgent: last_read.is_none() || phase == Phase::Boost,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: Policy = Policy {
        enabled: true,
        parked: Duration::from_secs(60),
        driving: Duration::from_secs(15),
        charging: Duration::from_secs(60),
        quiet: None,
    };
    const AMPLE: Allowance = Allowance {
        budget: 2_500,
        used: 0,
        resets: Timestamp::constant(1_790_003_600, 0),
        share: f64::INFINITY,
    };

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_790_000_000 + second).unwrap()
    }

    fn vin(number: u32) -> Vin {
        Vin::parse(&format!("LFZTEST{number:010}")).unwrap()
    }

    /// A parked car that was read at this second.
    fn car(number: u32, last_read: Option<i64>) -> Entry {
        Entry {
            vin: vin(number),
            last_read: last_read.map(at),
            activities: Activities::default(),
            policy: POLICY,
        }
    }

    fn boosted(number: u32, last_read: Option<i64>) -> Entry {
        Entry {
            activities: Activities {
                boost_until: Some(at(60)),
                ..Activities::default()
            },
            ..car(number, last_read)
        }
    }

    /// An agenda whose list is not due.
    fn agenda(cars: Vec<Entry>) -> Agenda {
        Agenda::new(cars, AMPLE, at(9_000), None, at(0))
    }

    #[test]
    fn a_boosted_car_and_one_that_was_never_read_go_before_those_that_are_overdue() {
        let overdue = || vec![car(1, Some(-600)), car(2, Some(-900))];
        let due = |cars: Vec<Entry>| match agenda(cars).due(at(0)) {
            Some(Due::Status(vin)) => Some(vin.clone()),
            other => panic!("{other:?}"),
        };
        assert_eq!(due(overdue()), Some(vin(2)), "it has waited longest");
        for urgent in [car(3, None), boosted(3, None), boosted(3, Some(-5))] {
            let mut cars = overdue();
            cars.push(urgent);
            assert_eq!(due(cars), Some(vin(3)));
        }
        let mut cars = overdue();
        cars.push(boosted(3, Some(-4)));
        assert_eq!(due(cars), Some(vin(2)), "what is urgent has its interval all the same");
    }

    #[test]
    fn nothing_is_due_before_its_time_and_the_earliest_comes_next() {
        let agenda = agenda(vec![car(1, Some(-20)), car(2, Some(-30))]);
        assert_eq!(agenda.due(at(0)), None);
        assert_eq!(agenda.next(), Some(at(30)));
        assert_eq!(agenda.due(at(30)), Some(Due::Status(&vin(2))));
        let shown: Vec<_> = agenda
            .outlooks()
            .iter()
            .map(|car| (car.phase, car.interval, car.next))
            .collect();
        let interval = Some(Duration::from_secs(60));
        assert_eq!(
            shown,
            [
                (Phase::Idle, interval, Some(at(40))),
                (Phase::Idle, interval, Some(at(30)))
            ]
        );
    }

    #[test]
    fn the_list_goes_first_and_waits_while_the_account_is_left_to_somebody_else() {
        let with =
            |yields_until: Option<i64>| Agenda::new(vec![car(1, None)], AMPLE, at(-10), yields_until.map(at), at(0));
        assert_eq!(with(None).due(at(0)), Some(Due::List));
        let yielding = with(Some(600));
        assert_eq!(
            yielding.due(at(599)),
            Some(Due::Status(&vin(1))),
            "the plan of a car knows by itself"
        );
        assert_eq!(yielding.due(at(600)), Some(Due::List));
    }

    #[test]
    fn the_first_list_may_use_what_is_kept_for_commands() {
        let due = |cars: Vec<Entry>, used| {
            let allowance = Allowance { used, ..AMPLE };
            Agenda::new(cars, allowance, at(0), None, at(0)).next()
        };
        assert_eq!(due(Vec::new(), 2_499), Some(at(0)));
        assert_eq!(due(Vec::new(), 2_500), None);
        assert_eq!(due(vec![car(1, None)], 2_449), Some(at(0)));
        assert_eq!(due(vec![car(1, None)], 2_450), Some(at(3_600)), "the next day");
    }

    #[test]
    fn what_is_left_is_shared_by_all_cars() {
        let allowance = Allowance {
            budget: 1_050,
            used: 940,
            ..AMPLE
        };
        let cars = vec![car(1, Some(0)), car(2, Some(0))];
        let agenda = Agenda::new(cars, allowance, at(9_000), None, at(0));
        let intervals: Vec<_> = agenda.outlooks().iter().map(|car| car.interval).collect();
        assert_eq!(intervals, [Some(Duration::from_secs(120)); 2]);
    }
}
