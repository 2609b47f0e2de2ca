//! When to ask for a car's status next. Pure: the present moment is an argument, nothing waits here.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::vehicle::state::{Activity, VehicleState};

/// How often to ask while the effect of a command is awaited.
const BOOST_INTERVAL: Duration = Duration::from_secs(5);
/// First pause after a failed read; it doubles with every further failure.
const FIRST_BACK_OFF: Duration = Duration::from_secs(30);
/// Longest pause between two attempts while reads fail.
const LONGEST_BACK_OFF: Duration = Duration::from_secs(15 * 60);

/// The owner's wishes (`polling` in the configuration).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// Interval while the car is parked.
    pub parked: Duration,
    /// Interval while it drives.
    pub driving: Duration,
    /// Interval while it charges.
    pub charging: Duration,
}

/// What the plan needs to know of a car.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Activities {
    /// What the car did in its newest state.
    pub activity: Option<Activity>,
    /// Whether that state is too old to be believed.
    pub stale: bool,
    /// Until when somebody waits for news of this car.
    pub boost_until: Option<Timestamp>,
    /// Failed reads since the last good one.
    pub failures: u32,
}

impl Activities {
    /// The part of it that follows from the car's state.
    pub fn of(state: Option<&VehicleState>) -> Self {
        Self {
            activity: state.and_then(|state| state.motion.activity),
            stale: state.is_some_and(|state| state.stale),
            ..Self::default()
        }
    }
}

/// How long to wait before the next read, counted from the last one.
pub fn interval(car: &Activities, policy: &Policy, now: Timestamp) -> Duration {
    let regular = match car.activity {
        Some(Activity::Driving | Activity::Ready) if !car.stale => policy.driving,
        Some(Activity::Charging) if !car.stale => policy.charging,
        _ => policy.parked,
    };
    if car.failures > 0 {
        return back_off(car.failures).max(regular);
    }
    match car.boost_until {
        Some(until) if now < until => BOOST_INTERVAL.min(regular),
        _ => regular,
    }
}

/// The moment of the next read.
pub fn next_poll(last: Option<Timestamp>, car: &Activities, policy: &Policy, now: Timestamp) -> Timestamp {
    let Some(last) = last else { return now };
    let wait = SignedDuration::try_from(interval(car, policy, now)).unwrap_or(SignedDuration::MAX);
    // A clock that was set back must not leave the car unread until it has caught up.
    let last = last.min(now);
    last.checked_add(wait).unwrap_or(Timestamp::MAX)
}

/// The pause after that many failures in a row: doubling, up to a quarter of an hour.
fn back_off(failures: u32) -> Duration {
    let doublings = failures.saturating_sub(1).min(16);
    FIRST_BACK_OFF.saturating_mul(1 << doublings).min(LONGEST_BACK_OFF)
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: Policy = Policy {
        parked: Duration::from_secs(60),
        driving: Duration::from_secs(15),
        charging: Duration::from_secs(30),
    };

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_790_000_000 + second).unwrap()
    }

    fn doing(activity: Activity) -> Activities {
        Activities {
            activity: Some(activity),
            ..Activities::default()
        }
    }

    #[test]
    fn the_interval_follows_what_the_car_does() {
        for (activity, seconds) in [
            (Activity::Parked, 60),
            (Activity::Driving, 15),
            (Activity::Ready, 15),
            (Activity::Charging, 30),
        ] {
            assert_eq!(
                interval(&doing(activity), &POLICY, at(0)),
                Duration::from_secs(seconds),
                "{activity:?}"
            );
        }
        assert_eq!(interval(&Activities::default(), &POLICY, at(0)), POLICY.parked);
    }

    #[test]
    fn a_stale_drive_or_charge_is_polled_like_a_parked_car() {
        for activity in [Activity::Driving, Activity::Charging] {
            let car = Activities {
                stale: true,
                ..doing(activity)
            };
            assert_eq!(interval(&car, &POLICY, at(0)), POLICY.parked);
        }
    }

    #[test]
    fn a_boost_lasts_until_its_end_and_is_never_slower_than_the_regular_interval() {
        let car = Activities {
            boost_until: Some(at(60)),
            ..doing(Activity::Parked)
        };
        assert_eq!(interval(&car, &POLICY, at(59)), Duration::from_secs(5));
        assert_eq!(interval(&car, &POLICY, at(60)), POLICY.parked);
        let fast = Policy {
            parked: Duration::from_secs(2),
            ..POLICY
        };
        assert_eq!(interval(&car, &fast, at(0)), Duration::from_secs(2));
    }

    #[test]
    fn failures_double_the_pause_up_to_a_quarter_of_an_hour_even_during_a_boost() {
        let after = |failures| {
            interval(
                &Activities {
                    failures,
                    boost_until: Some(at(60)),
                    ..doing(Activity::Driving)
                },
                &POLICY,
                at(0),
            )
        };
        assert_eq!(after(1), Duration::from_secs(30));
        assert_eq!(after(2), Duration::from_secs(60));
        assert_eq!(after(5), Duration::from_secs(480));
        assert_eq!(after(6), LONGEST_BACK_OFF);
        assert_eq!(after(u32::MAX), LONGEST_BACK_OFF);
    }

    #[test]
    fn a_car_never_read_is_read_now_and_a_clock_set_back_does_not_stop_polling() {
        let car = doing(Activity::Parked);
        assert_eq!(next_poll(None, &car, &POLICY, at(7)), at(7));
        assert_eq!(next_poll(Some(at(0)), &car, &POLICY, at(7)), at(60));
        assert_eq!(next_poll(Some(at(9_000)), &car, &POLICY, at(7)), at(67));
    }

    #[test]
    fn what_the_car_does_is_taken_from_its_state() {
        let mut state = VehicleState {
            stale: true,
            ..VehicleState::default()
        };
        state.motion.activity = Some(Activity::Driving);
        let car = Activities::of(Some(&state));
        assert_eq!((car.activity, car.stale), (Some(Activity::Driving), true));
        assert_eq!(Activities::of(None), Activities::default());
    }
}
