//! A day of a parked car: what the bridge says while nothing happens.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(
    clippy::print_stdout,
    reason = "the counts are worth reading even when they are low enough"
)]

mod support;

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::SignedDuration;
use serde_json::json;

use support::at_work::AtWork;
use support::mosquitto::Mosquitto;
use support::world::{World, eventually};

/// A day takes 48 seconds.
const SPEED: &str = "1800";
const DAY: SignedDuration = SignedDuration::from_hours(24);

/// Real time within which a simulated day must be over.
const PATIENCE: Duration = Duration::from_secs(75);

/// What one parked car may cost a broker and Home Assistant's recorder in a day.
const MOST_MESSAGES: usize = 2_000;

/// One car stays awake, the other falls asleep and is not heard of again.
const CARS: [&str; 2] = ["C10", "B10"];

#[tokio::test(flavor = "multi_thread")]
async fn a_day_of_a_parked_car_is_quiet_and_repeats_nothing() {
    let Some(broker) = Mosquitto::start() else { return };
    let world = World::at_speed(SPEED, &CARS);
    let at_work = AtWork::start(world, broker, |_, configuration| {
        // As it is delivered: the usual intervals, the usual spacing.
        for section in ["polling", "commands"] {
            configuration[section] = json!({});
        }
    })
    .await;
    let vins = [0, 1].map(|index| at_work.world.vin(index));
    for vin in &vins {
        let lock = format!("leapmotor2mqtt/{vin}/door_lock");
        at_work.listener.expect(&lock, "LOCKED").await;
    }
    at_work.world.scenario(&vins[1], "asleep").await;
    let started = at_work.world.now();
    let before = at_work.listener.messages().len();
    // What the first words of the day are compared with.
    let mut last: BTreeMap<String, String> = at_work.listener.latest();

    eventually("a simulated day is over", PATIENCE, async || {
        (at_work.world.now().duration_since(started) >= DAY).then_some(())
    })
    .await;

    let messages: Vec<(String, String)> = at_work.listener.messages().split_off(before);
    let mut repeated = Vec::new();
    let mut by_topic: BTreeMap<&str, usize> = BTreeMap::new();
    for (topic, payload) in &messages {
        if last.insert(topic.clone(), payload.clone()).as_ref() == Some(payload) {
            repeated.push(format!("{topic} {payload}"));
        }
        *by_topic.entry(topic).or_default() += 1;
    }
    assert!(repeated.is_empty(), "said twice: {repeated:#?}");
    for (vin, model) in vins.iter().zip(CARS) {
        // What is said of the bridge would be said with this car alone, too.
        let of_this_car = |topic: &&str| topic.contains(vin.as_str()) || topic.contains("/bridge/");
        let mut topics: Vec<(usize, &str)> = by_topic
            .iter()
            .filter(|(topic, _)| of_this_car(topic))
            .map(|(topic, count)| (*count, *topic))
            .collect();
        topics.sort_unstable_by(|left, right| right.cmp(left));
        let count: usize = topics.iter().map(|(count, _)| count).sum();
        println!("{model}: {count} messages in a parked day");
        for (count, topic) in topics.iter().take(8) {
            println!("{count:6} {topic}");
        }
        assert!(count < MOST_MESSAGES, "{model}: {count} messages: {topics:#?}");
    }
    // The day was a day: the cars were read all along, and the one that is awake is believed.
    let readings = at_work.world.count("/status/get/c10").await;
    println!("{readings} readings of {} cars", CARS.len());
    // At 1 800 times the speed a busy machine misses some; an idle one makes about 1 700.
    assert!(readings > 300, "{readings} readings");
    let latest = at_work.listener.latest();
    assert_eq!(latest[&at_work.topic("door_lock")], "LOCKED");
    for vin in &vins {
        assert_eq!(latest[&format!("leapmotor2mqtt/{vin}/availability")], "online");
    }
}
