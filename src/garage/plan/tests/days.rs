//! Days and weeks in the life of cars, read by the plan: what they cost, and what is noticed when.

use proptest::prelude::*;

use crate::garage::plan::*;
use crate::garage::slow::plan::{Ration, Timetable};
use crate::vehicle::Vin;

const POLICY: Policy = Policy {
    enabled: true,
    parked: Duration::from_secs(60),
    driving: Duration::from_secs(15),
    charging: Duration::from_secs(60),
    quiet: None,
};

const DAY: i64 = 86_400;
const HOUR: i64 = 3_600;

/// How often the poller looks at the clock at least.
const NAP: i64 = 900;

/// Midnight, and so many seconds later.
fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_790_035_200 + second).unwrap()
}

/// What a car does, for how many minutes, and whether it is awake meanwhile; over and over.
type Script = Vec<(Activity, i64, bool)>;

/// An owner's day from midnight on: a charge at night, two drives, and sleep a quarter of an hour after anything.
const COMMUTER: [(Activity, i64, bool); 10] = [
    (Activity::Charging, 180, true),
    (Activity::Parked, 15, true),
    (Activity::Parked, 285, false),
    (Activity::Driving, 30, true),
    (Activity::Parked, 15, true),
    (Activity::Parked, 525, false),
    (Activity::Driving, 40, true),
    (Activity::Parked, 15, true),
    (Activity::Parked, 215, false),
    (Activity::Charging, 120, true),
];

/// When its drives begin, in seconds after midnight.
const DRIVES: [i64; 2] = [8 * HOUR, 17 * HOUR + 1_800];

/// A car as the poller knows it, and what it really does.
#[derive(Debug)]
struct Life {
    policy: Policy,
    script: Script,
    known: Activities,
    last: Option<Timestamp>,
    /// Seconds at which it was read.
    reads: Vec<i64>,
}

impl Life {
    fn new(script: impl Into<Script>) -> Self {
        Self {
            policy: POLICY,
            script: script.into(),
            known: Activities::default(),
            last: None,
            reads: Vec::new(),
        }
    }

    fn always(activity: Activity) -> Self {
        Self::new([(activity, 1, true)])
    }

    /// What it does at this second, and whether it is awake.
    fn at(&self, second: i64) -> (Activity, bool) {
        let length: i64 = self.script.iter().map(|(_, minutes, _)| minutes * 60).sum();
        let mut rest = second.rem_euclid(length);
        let present = self.script.iter().find(|(_, minutes, _)| {
            rest -= minutes * 60;
            rest < 0
        });
        let (activity, _, awake) = present.expect("the rest is smaller than the length");
        (*activity, *awake)
    }

    fn read(&mut self, second: i64) {
        let (activity, awake) = self.at(second);
        if self.known.activity.replace(activity) != Some(activity) {
            self.known.changed = Some(at(second));
        }
        if awake || self.known.advanced.is_none() {
            self.known.advanced = Some(at(second));
        }
        self.last = Some(at(second));
        self.reads.push(second);
    }

    /// The longest time between two reads from `begin` to `end`.
    fn longest_gap(&self, begin: i64, end: i64) -> i64 {
        let reads = self.reads.iter().copied().filter(|read| (begin..end).contains(read));
        let moments: Vec<i64> = std::iter::once(begin).chain(reads).chain([end]).collect();
        moments.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap()
    }
}

/// Lives through one day with slow reads beside the polls; the requests it took.
fn live(budget: u32, cars: &mut [Life], slow: &mut Timetable, begin: i64) -> u32 {
    let (end, mut now, mut used) = (begin + DAY, begin, 0);
    while now < end {
        let allowance = Allowance {
            budget,
            used,
            resets: at(end),
            share: f64::INFINITY,
        };
        let wants = |car: &Life| wanted(&car.known, &car.policy, at(end), at(now));
        let allowance = allowance.shared_by(cars.iter().map(wants));
        let ration = Ration {
            requests: allowance.left_for_slow_reads(),
            until: at(end),
        };
        if let Some(errand) = slow.take_due(&ration, at(now)) {
            used += errand.cost();
            slow.succeeded(&errand, at(now), 0.5);
            continue;
        }
        let (due, car) = cars
            .iter_mut()
            .map(|car| {
                let due = next_poll(car.last, &car.known, &car.policy, &allowance, at(now));
                (due.expect("a car that is not paused is read again"), car)
            })
            .min_by_key(|(due, _)| *due)
            .unwrap();
        if due <= at(now) {
            car.read(now);
            used += 1;
            continue;
        }
        let slow = slow.next(&ration, at(now)).unwrap_or(Timestamp::MAX);
        let wait = due.min(slow).duration_since(at(now));
        now += (wait.as_millis() as i64).div_euclid(1_000).clamp(0, NAP - 1) + 1;
    }
    used
}

fn timetable(cars: usize) -> Timetable {
    let mut timetable = Timetable::new(at(0), 0.5);
    for car in 0..cars {
        let vin = Vin::parse(&format!("LFZTEST{car:010}")).unwrap();
        timetable.add_car(&vin, at(0), 0.5);
    }
    timetable
}

/// How long after their begin the drives of seven days were noticed, and what the dearest day cost.
fn commuters_week(policy: Policy) -> (Vec<i64>, u32) {
    let mut cars = [Life {
        policy,
        ..Life::new(COMMUTER)
    }];
    let mut slow = timetable(1);
    let dearest = (0..7).map(|day| live(2_500, &mut cars, &mut slow, day * DAY)).max();
    let begins = (0..7).flat_map(|day| DRIVES.map(|begin| day * DAY + begin));
    let noticed = |begin: i64| cars[0].reads.iter().find(|read| **read >= begin).unwrap() - begin;
    (begins.map(noticed).collect(), dearest.unwrap())
}

#[test]
fn every_drive_of_a_week_is_noticed_within_five_minutes_and_the_budget_is_not_touched_by_far() {
    let (noticed, dearest) = commuters_week(POLICY);
    assert_eq!(noticed.len(), 14);
    assert!(noticed.iter().all(|seconds| *seconds <= 300), "{noticed:?}");
    assert!(dearest < 1_500, "{dearest} requests");
}

#[test]
fn profiles_change_how_soon_a_drive_is_noticed() {
    let worst = |profile| commuters_week(POLICY.by_profile(profile)).0.into_iter().max().unwrap();
    assert!(worst(ECO) <= 300, "asleep it is read every five minutes anyway");
    assert!(worst(FAST) <= 300);
}

#[test]
fn a_drive_in_quiet_hours_is_noticed_within_half_an_hour() {
    let time = |text: &str| text.parse::<Time>().unwrap();
    let hours = QuietHours {
        start: time("07:00"),
        end: time("09:00"),
    };
    let mut car = Life::new(COMMUTER);
    let (mut slow, mut second) = (timetable(1), 0);
    car.read(second);
    while car.known.activity != Some(Activity::Driving) {
        let local = second.rem_euclid(DAY);
        let clock = Time::midnight() + SignedDuration::from_secs(local);
        car.known.quiet = hours.covers(clock);
        let allowance = Allowance {
            budget: 2_500,
            used: 0,
            resets: at(DAY),
            share: f64::INFINITY,
        };
        if next_poll(car.last, &car.known, &car.policy, &allowance, at(second)).unwrap() <= at(second) {
            car.read(second);
        }
        second += 1;
    }
    let begin = DRIVES[0];
    assert!((begin..=begin + 1_800).contains(&second), "noticed at {second}");
    // Slow reads have no quiet hours: they ask the cloud about the past.
    assert!(
        slow.take_due(
            &Ration {
                requests: 9,
                until: at(DAY)
            },
            at(10)
        )
        .is_some()
    );
}

#[test]
fn one_car_that_drives_all_day_takes_more_than_its_share_and_starves_nobody() {
    for others in [1, 4, 30] {
        let mut cars = vec![Life::always(Activity::Driving)];
        cars.extend((0..others).map(|_| Life::always(Activity::Parked)));
        let used = live(2_500, &mut cars, &mut timetable(1), 0);
        assert!(used <= 2_450, "{others} others: {used}");
        let (driver, parked) = cars.split_first().unwrap();
        let fewest = parked.iter().map(|car| car.reads.len()).min().unwrap();
        let longest = parked.iter().map(|car| car.longest_gap(0, DAY)).max().unwrap();
        // An even share, without what slow reads take.
        let even = 1_960 / (others + 1);
        assert!(driver.reads.len() > fewest);
        assert!(fewest >= even / 2, "{others} others: {fewest} reads of {even}");
        let even_gap = DAY / even as i64;
        assert!(
            longest <= 8 * even_gap,
            "{others} others: {longest} s, evenly {even_gap} s"
        );
    }
}

#[test]
fn a_day_of_driving_is_watched_to_its_end() {
    for cars in 1..4 {
        let mut lives: Vec<Life> = (0..cars).map(|_| Life::always(Activity::Driving)).collect();
        live(2_500, &mut lives, &mut timetable(cars), 0);
        for life in &lives {
            assert!(life.longest_gap(0, DAY) < HOUR);
        }
    }
}

fn any_activity() -> impl Strategy<Value = Activity> {
    prop_oneof![
        4 => Just(Activity::Parked),
        1 => Just(Activity::Driving),
        1 => Just(Activity::Charging),
        1 => Just(Activity::Ready),
    ]
}

/// A car that does one thing after the other, over and over.
fn any_life() -> impl Strategy<Value = Life> {
    let doings = proptest::collection::vec((any_activity(), 1i64..600, any::<bool>()), 1..5);
    let profile = prop_oneof![Just(ECO), Just(FAST), Just("balanced")];
    (doings, profile, 5u64..3_600, any::<bool>()).prop_map(|(doings, profile, parked, boosted)| {
        let mut life = Life::new(doings);
        life.policy = Policy {
            parked: Duration::from_secs(parked),
            ..POLICY
        }
        .by_profile(profile);
        life.known.boost_until = boosted.then(|| at(2 * HOUR));
        life
    })
}

/// Lives through so many days; every one must keep its budget and, where that is possible, see every car.
fn days_within_budget(days: i64, budget: u32, cars: &mut [Life]) {
    let mut slow = timetable(cars.len().min(8));
    for day in 0..days {
        let used = live(budget, cars, &mut slow, day * DAY);
        // A slow read may take one request more than was left for it, out of what is kept for commands.
        assert!(used <= budget - RESERVE + 1, "{used} of {budget}");
        let is_enough = cars.len() * 4 < (budget - RESERVE) as usize;
        let all_read = cars.iter().all(|car| car.reads.iter().any(|read| *read >= day * DAY));
        assert!(all_read || !is_enough, "a car was not read at all");
    }
}

#[test]
fn four_hundred_cars_share_a_day_as_well() {
    let kinds: [&[(Activity, i64, bool)]; 4] = [
        &COMMUTER,
        &[(Activity::Driving, 1, true)],
        &[(Activity::Parked, 1, true)],
        &[(Activity::Charging, 400, true), (Activity::Parked, 1_000, false)],
    ];
    let mut cars: Vec<Life> = kinds.into_iter().cycle().take(400).map(Life::new).collect();
    days_within_budget(1, 1_700, &mut cars);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn no_day_costs_more_than_its_budget_and_every_car_is_read(
        budget in 100u32..4_000,
        mut cars in proptest::collection::vec(any_life(), 1..8),
    ) {
        days_within_budget(2, budget, &mut cars);
    }
}
