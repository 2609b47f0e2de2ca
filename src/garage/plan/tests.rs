mod days;

use proptest::prelude::*;

use super::*;
use crate::vehicle::settings::{BALANCED, MANUAL};

const POLICY: Policy = Policy {
    enabled: true,
    parked: Duration::from_secs(60),
    driving: Duration::from_secs(15),
    charging: Duration::from_secs(40),
    quiet: None,
};

const AMPLE: Allowance = Allowance {
    budget: 2_500,
    used: 0,
    resets: Timestamp::MAX,
    share: f64::INFINITY,
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

fn seconds(car: &Activities, policy: &Policy) -> Option<u64> {
    interval(car, policy, &AMPLE, at(0)).map(|interval| interval.as_secs())
}

#[test]
fn the_phase_and_its_interval_follow_what_the_car_does() {
    let parked = doing(Activity::Parked);
    let charging = doing(Activity::Charging);
    let cases = [
        (doing(Activity::Driving), "driving", 15),
        (doing(Activity::Ready), "driving", 15),
        (charging, "charging_ac", 40),
        (
            Activities {
                charger: Some(Charger::Dc),
                ..charging
            },
            "charging_dc",
            20,
        ),
        (parked, "idle", 60),
        (Activities::default(), "idle", 60),
        (
            Activities {
                changed: Some(at(-299)),
                advanced: Some(at(-9_000)),
                quiet: true,
                ..parked
            },
            "awake",
            30,
        ),
        (
            Activities {
                changed: Some(at(-300)),
                advanced: Some(at(-1_799)),
                ..parked
            },
            "idle",
            60,
        ),
        (
            Activities {
                advanced: Some(at(-1_800)),
                ..parked
            },
            "asleep",
            300,
        ),
        (Activities { quiet: true, ..parked }, "quiet", 1_800),
        (
            Activities {
                stale: true,
                ..doing(Activity::Driving)
            },
            "idle",
            60,
        ),
        (
            Activities {
                stale: true,
                ..charging
            },
            "idle",
            60,
        ),
        (
            Activities {
                boost_until: Some(at(1)),
                ..parked
            },
            "boost",
            5,
        ),
        (
            Activities {
                boost_until: Some(at(0)),
                ..parked
            },
            "idle",
            60,
        ),
        (
            Activities {
                failures: 2,
                boost_until: Some(at(1)),
                ..parked
            },
            "backoff",
            60,
        ),
    ];
    for (car, phase, interval) in cases {
        assert_eq!(Phase::of(&car, &POLICY, at(0)).name(), phase, "{car:?}");
        assert_eq!(seconds(&car, &POLICY), Some(interval), "{car:?}");
    }
}

#[test]
fn a_paused_car_is_read_only_while_somebody_waits_for_it() {
    let paused = Policy {
        enabled: false,
        ..POLICY
    };
    let mut car = doing(Activity::Driving);
    assert_eq!(Phase::of(&car, &paused, at(0)).name(), "paused");
    assert_eq!(seconds(&car, &paused), None);
    assert_eq!(next_poll(None, &car, &paused, &AMPLE, at(0)), None);
    car.boost_until = Some(at(60));
    assert_eq!(seconds(&car, &paused), Some(5));
}

#[test]
fn failures_double_the_pause_up_to_a_quarter_of_an_hour() {
    let after = |failures| {
        seconds(
            &Activities {
                failures,
                ..doing(Activity::Driving)
            },
            &POLICY,
        )
    };
    assert_eq!(after(1), Some(30));
    assert_eq!(after(5), Some(480));
    assert_eq!(after(6), Some(900));
    assert_eq!(after(u32::MAX), Some(900));
}

#[test]
fn a_failure_may_ask_for_a_longer_rest_than_the_doubling_pause() {
    let after = |rest| {
        let car = Activities {
            failures: 1,
            rest: Duration::from_secs(rest),
            ..doing(Activity::Driving)
        };
        seconds(&car, &POLICY)
    };
    assert_eq!(after(0), Some(30));
    assert_eq!(after(3_600), Some(3_600));
}

#[test]
fn an_account_left_to_somebody_else_is_not_read_before_that_is_over() {
    let car = Activities {
        yields_until: Some(at(600)),
        boost_until: Some(at(60)),
        failures: 1,
        ..doing(Activity::Driving)
    };
    assert_eq!(Phase::of(&car, &POLICY, at(0)).name(), "yielding");
    assert_eq!(next_poll(None, &car, &POLICY, &AMPLE, at(0)), Some(at(600)));
    let long_ago = Some(at(-3_600));
    assert_eq!(next_poll(long_ago, &car, &POLICY, &AMPLE, at(0)), Some(at(600)));
    assert_eq!(Phase::of(&car, &POLICY, at(600)).name(), "backoff");
    let paused = Policy {
        enabled: false,
        ..POLICY
    };
    let car = Activities {
        boost_until: None,
        ..car
    };
    assert_eq!(Phase::of(&car, &paused, at(0)).name(), "paused");
}

#[test]
fn profiles_change_all_three_intervals() {
    let intervals = |profile| {
        let Policy {
            parked,
            driving,
            charging,
            ..
        } = POLICY.by_profile(profile);
        [parked, driving, charging].map(|interval| interval.as_millis())
    };
    assert_eq!(intervals(ECO), [180_000, 45_000, 120_000]);
    assert_eq!(intervals(BALANCED), [60_000, 15_000, 40_000]);
    assert_eq!(intervals(MANUAL), intervals(BALANCED));
    assert_eq!(intervals(FAST), [30_000, 7_500, 20_000]);
    let shortest = Policy {
        driving: SHORTEST,
        ..POLICY
    };
    assert_eq!(shortest.by_profile(FAST).driving, SHORTEST);
}

#[test]
fn quiet_hours_may_cross_midnight() {
    let time = |text: &str| text.parse::<Time>().unwrap();
    let hours = |start, end| QuietHours {
        start: time(start),
        end: time(end),
    };
    let night = hours("22:00", "06:30");
    for (at, expected) in [
        ("21:59", false),
        ("22:00", true),
        ("00:00", true),
        ("06:29", true),
        ("06:30", false),
    ] {
        assert_eq!(night.covers(time(at)), expected, "{at}");
    }
    let noon = hours("12:00", "13:00");
    assert!(noon.covers(time("12:30")) && !noon.covers(time("13:00")) && !noon.covers(time("00:00")));
    assert!(!hours("08:00", "08:00").covers(time("08:00")));
}

#[test]
fn a_car_never_read_is_read_now_and_a_clock_set_back_does_not_stop_polling() {
    let car = doing(Activity::Parked);
    let next = |last, now| next_poll(last, &car, &POLICY, &AMPLE, at(now));
    assert_eq!(next(None, 7), Some(at(7)));
    assert_eq!(next(Some(at(0)), 7), Some(at(60)));
    assert_eq!(next(Some(at(9_000)), 7), Some(at(67)));
}

#[test]
fn while_somebody_else_uses_the_account_no_car_is_read() {
    let yielding = Activities {
        yields_until: Some(at(900)),
        boost_until: Some(at(60)),
        failures: 3,
        ..doing(Activity::Driving)
    };
    assert_eq!(Phase::of(&yielding, &POLICY, at(0)).name(), "yielding");
    assert_eq!(next_poll(None, &yielding, &POLICY, &AMPLE, at(0)), Some(at(900)));
    assert_eq!(Phase::of(&yielding, &POLICY, at(900)).name(), "backoff", "it is over");
}

#[test]
fn a_car_wants_reads_as_now_for_a_while_and_as_a_parked_car_for_the_rest_of_the_day() {
    let hours = |hours: i64| at(hours * 3_600);
    let wants = |car: &Activities, policy: &Policy, end| wanted(car, policy, end, at(0));
    let driving = doing(Activity::Driving);
    assert_eq!(wants(&doing(Activity::Parked), &POLICY, hours(24)), 1_440);
    assert_eq!(wants(&driving, &POLICY, hours(24)), 480 + 22 * 60);
    assert_eq!(
        wants(&driving, &POLICY, hours(1)),
        240,
        "the day ends before the drive may"
    );
    assert_eq!(wants(&driving, &POLICY, hours(-1)), 0);
    let paused = Policy {
        enabled: false,
        ..POLICY
    };
    assert_eq!(wants(&driving, &paused, hours(24)), 0);
    let boosted = Activities {
        boost_until: Some(at(60)),
        ..driving
    };
    assert_eq!(
        wants(&boosted, &paused, hours(24)),
        60,
        "five minutes of boost, then nothing"
    );
}

#[test]
fn whoever_wants_less_than_an_even_share_has_it_and_leaves_the_rest_to_the_others() {
    let share = |used, wanted: &[u32]| {
        let allowance = Allowance { used, ..AMPLE };
        allowance.shared_by(wanted.iter().copied()).share
    };
    assert_eq!(share(0, &[]), f64::INFINITY);
    assert_eq!(share(0, &[1_000, 1_450]), f64::INFINITY);
    assert_eq!(share(0, &[1_000, 2_000]), 1_450.0);
    assert_eq!(share(0, &[2_000, 10, 2_000]), 1_220.0);
    assert_eq!(share(2_440, &[10, 10, 10, 10]), 2.5);
    assert_eq!(share(2_450, &[10]), 0.0);
}

#[test]
fn a_budget_that_would_not_last_stretches_the_intervals_over_the_rest_of_the_day() {
    let with = |car: &Activities, used| {
        let allowance = Allowance {
            budget: 1_050,
            used,
            resets: at(3_600),
            share: f64::INFINITY,
        };
        let allowance = allowance.shared_by([240, 60]);
        interval(car, &POLICY, &allowance, at(0)).map(|interval| interval.as_secs())
    };
    let (driving, parked) = (doing(Activity::Driving), doing(Activity::Parked));
    assert_eq!(with(&driving, 0), Some(15));
    // 160 are left, of which the other car wants 60.
    assert_eq!(with(&driving, 840), Some(36));
    assert_eq!(with(&parked, 840), Some(60));
    // 50 are left.
    assert_eq!(with(&driving, 950), Some(144));
    assert_eq!(with(&parked, 950), Some(144));
    let boosted = Activities {
        boost_until: Some(at(60)),
        ..driving
    };
    assert_eq!(with(&boosted, 0), Some(5), "somebody waits");
    assert!(
        with(&boosted, 950).is_some_and(|seconds| seconds > 5),
        "but little is left"
    );
}

#[test]
fn slow_reads_get_a_fifth_of_what_is_left() {
    assert_eq!(AMPLE.left_for_slow_reads(), 490);
    let spent = Allowance { used: 2_449, ..AMPLE };
    assert_eq!((spent.left_for_reads(), spent.left_for_slow_reads()), (1, 0));
}

#[test]
fn with_only_the_reserve_left_reads_wait_for_the_next_day() {
    let spent = Allowance {
        budget: 1_000,
        used: 950,
        resets: at(10_000),
        share: 0.0,
    };
    assert_eq!((spent.left(), spent.left_for_reads()), (50, 0));
    for car in [
        doing(Activity::Driving),
        Activities {
            boost_until: Some(at(60)),
            ..Activities::default()
        },
    ] {
        assert_eq!(next_poll(None, &car, &POLICY, &spent, at(0)), Some(at(10_000)));
    }
    let overspent = Allowance { used: 2_000, ..spent };
    assert_eq!((overspent.left(), overspent.left_for_reads()), (0, 0));
}

#[test]
fn a_door_or_a_lock_is_a_change_and_a_drifting_value_is_not() {
    let before = VehicleState::default();
    let mut drifted = before.clone();
    drifted.vehicle_time = Some(at(0));
    drifted.stale = true;
    assert!(!differs(&before, &drifted));
    let mut unlocked = before.clone();
    unlocked.security.locked = Some(false);
    assert!(differs(&before, &unlocked));
    let mut opened = before.clone();
    opened
        .openings
        .parts
        .insert(crate::vehicle::state::Part::DoorFrontLeft, true);
    assert!(differs(&before, &opened));
}

fn any_activity() -> impl Strategy<Value = Option<Activity>> {
    prop_oneof![
        Just(None),
        Just(Some(Activity::Parked)),
        Just(Some(Activity::Driving)),
        Just(Some(Activity::Charging)),
        Just(Some(Activity::Ready)),
    ]
}

fn any_policy() -> impl Strategy<Value = Policy> {
    let profile = prop_oneof![Just(ECO), Just(BALANCED), Just(FAST), Just(MANUAL)];
    (5u64..14_400, 5u64..600, 5u64..900, profile).prop_map(|(parked, driving, charging, profile)| {
        Policy {
            parked: Duration::from_secs(parked),
            driving: Duration::from_secs(driving),
            charging: Duration::from_secs(charging),
            ..POLICY
        }
        .by_profile(profile)
    })
}

fn any_car() -> impl Strategy<Value = Activities> {
    let moment = || proptest::option::of((-20_000i64..1).prop_map(at));
    (
        any_activity(),
        any::<bool>(),
        moment(),
        moment(),
        any::<bool>(),
        0u32..20,
        proptest::option::of((-100i64..100).prop_map(at)),
    )
        .prop_map(
            |(activity, stale, changed, advanced, quiet, failures, boost_until)| Activities {
                activity,
                charger: None,
                stale,
                boost_until,
                changed,
                advanced,
                quiet,
                failures,
                ..Activities::default()
            },
        )
}

proptest! {
    #[test]
    fn reads_are_never_nearer_than_5_s_nor_further_than_the_largest_interval(car in any_car(), policy in any_policy()) {
        let interval = interval(&car, &policy, &AMPLE, at(0)).unwrap();
        let largest = [policy.parked, policy.driving, policy.charging, QUIET_INTERVAL, LONGEST_BACK_OFF];
        prop_assert!(interval >= SHORTEST);
        prop_assert!(interval <= largest.into_iter().max().unwrap());
    }
}
