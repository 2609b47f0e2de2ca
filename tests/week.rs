//! A week of a car that drives twice a day, charges at night and sleeps otherwise: what it costs, and what is noticed when.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(
    clippy::print_stdout,
    reason = "the figures are worth reading even when they are good enough"
)]

mod support;

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use support::at_work::AtWork;
use support::mosquitto::Mosquitto;
use support::world::World;

/// A week takes 80 seconds.
const SPEED: u32 = 7_560;
const DAYS: i64 = 7;

/// The zone whose midnights count.
const ZONE: &str = "Europe/Berlin";

/// What the owner allows, as it is delivered.
const BUDGET: usize = 2_500;

/// A drive that begins while the car sleeps is noticed within this time; docs/polling.md.
const NOTICED: SignedDuration = SignedDuration::from_mins(5);

/// What a busy machine may add in real time, mostly and at worst. At this speed an answer that takes 40 ms takes five
/// minutes; that the plan itself keeps its bounds to the second is tested where the plan is.
const LATE_MOSTLY: Duration = Duration::from_millis(80);
const LATE_AT_WORST: Duration = Duration::from_millis(500);

/// A day: what the car does from which minute on.
const DAY: [(i64, &str); 9] = [
    (30, "drive"),
    (90, "park"),
    (105, "asleep"),
    (600, "drive"),
    (670, "park"),
    (685, "asleep"),
    (900, "charge_ac"),
    (1_320, "park"),
    (1_335, "asleep"),
];

#[tokio::test(flavor = "multi_thread")]
async fn a_week_keeps_its_budget_notices_every_drive_and_counts_like_the_cloud() {
    let Some(broker) = Mosquitto::start() else { return };
    let world = World::at_speed(SPEED, &["C10"]);
    let mut at_work = AtWork::start(world, broker, |_, configuration| {
        // As it is delivered: the usual intervals, the usual spacing.
        for section in ["polling", "commands"] {
            configuration[section] = json!({});
        }
        configuration["time_zone"] = json!(ZONE);
    })
    .await;
    at_work.listener.expect(&at_work.topic("door_lock"), "LOCKED").await;

    let begin = at_work.world.now();
    let mut drives = Vec::new();
    for (minute, scenario) in (0..DAYS).flat_map(|day| DAY.map(|(minute, name)| (day * 1_440 + minute, name))) {
        sleep_until(&at_work.world, begin + SignedDuration::from_mins(minute)).await;
        at_work.world.scenario(&at_work.vin, scenario).await;
        if scenario == "drive" {
            drives.push(at_work.world.now());
        }
    }
    sleep_until(&at_work.world, begin + SignedDuration::from_hours(24 * DAYS)).await;
    // What was counted is written down when it ends.
    assert_eq!(at_work.bridge.stop(), Some(0));
    let requests = at_work.world.requests().await;

    budget_is_kept(&requests);
    counts_are_the_clouds(&at_work, &requests);
    drives_are_noticed(&at_work, &requests, &drives);
}

fn budget_is_kept(requests: &[Value]) {
    let days = by_day(requests);
    println!("requests a day: {days:?}");
    assert!(days.len() >= 7);
    assert!(days.values().all(|count| *count <= BUDGET), "{days:?}");
    // The whole days were days: the car was read all along.
    let whole = days.values().skip(1).take(DAYS as usize - 1);
    assert!(whole.clone().all(|count| *count > 300), "{days:?}");
}

/// Every request the cloud saw was counted, once, for the day it was made on.
fn counts_are_the_clouds(at_work: &AtWork, requests: &[Value]) {
    let log = at_work.bridge.log();
    let over = log
        .lines()
        .filter(|line| line.contains("a day of requests to the cloud is over"));
    let mut counted: BTreeMap<Date, usize> = over
        .map(|line| {
            (
                field(line, "date=").parse().unwrap(),
                field(line, "requests=").parse().unwrap(),
            )
        })
        .collect();
    let kept = std::fs::read_to_string(at_work.world.directory.path().join("data/requests.json")).unwrap();
    let kept: Value = serde_json::from_str(&kept).unwrap();
    let today = &kept["data"];
    let number = |value: &Value| usize::try_from(value.as_u64().unwrap()).unwrap();
    counted.insert(
        today["date"].as_str().unwrap().parse().unwrap(),
        number(&today["accounts"][0]),
    );

    let (sum, seen) = (counted.values().sum::<usize>(), requests.len());
    // A call that the end gave up before it was sent is counted and never seen.
    assert!(
        (seen..=seen + 1).contains(&sum),
        "{sum} counted, {seen} seen: {counted:?}"
    );
    // A request under way at midnight belongs to the day before for the cloud, which dates it when it arrives.
    for (day, count) in by_day(requests) {
        let ours = counted.get(&day).copied().unwrap_or_default();
        assert!(ours.abs_diff(count) <= 4, "{day}: {ours} counted, {count} seen");
    }
}

fn drives_are_noticed(at_work: &AtWork, requests: &[Value], drives: &[Timestamp]) {
    let reads: Vec<Timestamp> = requests
        .iter()
        .filter(|request| request["path"].as_str().unwrap().contains("/status/get/"))
        .map(time)
        .collect();
    let mut after: Vec<SignedDuration> = drives
        .iter()
        .map(|begin| reads.iter().find(|read| *read >= begin).unwrap().duration_since(*begin))
        .collect();
    after.sort_unstable();
    println!(
        "drives noticed after, in seconds: {:?}",
        after.iter().map(SignedDuration::as_secs).collect::<Vec<_>>()
    );
    assert_eq!(after.len(), 2 * DAYS as usize);
    let simulated = |real: Duration| SignedDuration::try_from(real * SPEED).unwrap();
    assert!(after[after.len() - 3] <= NOTICED + simulated(LATE_MOSTLY), "{after:?}");
    assert!(
        after[after.len() - 1] <= NOTICED + simulated(LATE_AT_WORST),
        "{after:?}"
    );

    let topic = at_work.topic("vehicle_state");
    let messages = at_work.listener.messages();
    let shown = messages
        .iter()
        .filter(|(of, payload)| *of == topic && payload == "driving")
        .count();
    // A drive is over within half a second: the broker may never hear of one that a busy machine noticed late, and hear
    // twice of one whose values grew old meanwhile.
    println!("drives shown: {shown} of {}", drives.len());
    assert!(shown >= drives.len() / 2, "{shown} drives were shown");
}

/// How many requests there were on each day of the owner.
fn by_day(requests: &[Value]) -> BTreeMap<Date, usize> {
    let zone = TimeZone::get(ZONE).unwrap();
    let mut days = BTreeMap::new();
    for request in requests {
        *days.entry(time(request).to_zoned(zone.clone()).date()).or_default() += 1;
    }
    days
}

fn time(request: &Value) -> Timestamp {
    request["time"].as_str().unwrap().parse().unwrap()
}

/// The value of a field in a line of the log.
fn field<'a>(line: &'a str, name: &str) -> &'a str {
    line.split_once(name).unwrap().1.split_whitespace().next().unwrap()
}

async fn sleep_until(world: &World, moment: Timestamp) {
    let wait = Duration::try_from(moment.duration_since(world.now())).unwrap_or_default();
    tokio::time::sleep(wait / SPEED).await;
}
