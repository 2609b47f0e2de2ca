//! How fresh a car looks: what is said of one whose frame stands still, and of one that sleeps.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use support::at_work::AtWork;
use support::world::World;

/// How fast time passes for a frame that stands still: an hour takes twelve seconds. Its age is to be told to within ten
/// minutes, which are two seconds.
const STANDING: u32 = 300;

/// How fast time passes for a car that sleeps: an hour takes nine seconds.
const ASLEEP: u32 = 400;

/// What may go on while nothing is heard of the car: ages, what is about our own asking, and the picture, which is drawn
/// when its layers have come and once more without the charge.
const GOES_ON: [&str; 6] = [
    "vehicle_image",
    "data_age",
    "lock_state_age",
    "last_cloud_refresh",
    "next_poll",
    "poll_interval_current",
];

/// What describes a moment of a charge.
const LAPSES: [&str; 4] = [
    "charging",
    "charging_power",
    "charge_time_remaining",
    "charge_connection_state",
];

async fn at_work(speed: u32) -> Option<AtWork> {
    let world = World::at_speed(speed, &["C10"]);
    let at_work = AtWork::in_world(world, |_, configuration| {
        // A car that is not heard of is asked for every five minutes in the end, so four hours are fifty answers.
        configuration["polling"] = json!({"parked_seconds": 180, "charging_seconds": 180, "driving_seconds": 180});
    })
    .await?;
    at_work.listener.expect(&at_work.topic("door_lock"), "LOCKED").await;
    Some(at_work)
}

/// What was said of the car after the first `skipped` messages: key and payloads, in their order.
fn said(at_work: &AtWork, skipped: usize) -> BTreeMap<String, Vec<String>> {
    let mut said: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (topic, payload) in at_work.listener.messages().split_off(skipped) {
        if let Some(key) = topic.strip_prefix(&at_work.topic("")) {
            said.entry(key.to_owned()).or_default().push(payload);
        }
    }
    said
}

#[tokio::test(flavor = "multi_thread")]
async fn a_charge_whose_frame_stands_still_for_hours_grows_old_and_raises_the_alarm() {
    let Some(at_work) = at_work(STANDING).await else {
        return;
    };
    at_work.world.scenario(&at_work.vin, "charge_ac").await;
    at_work.listener.expect(&at_work.topic("charging"), "ON").await;
    // From here on the last frame is all that is ever heard.
    at_work.world.scenario(&at_work.vin, "offline").await;
    let start = at_work.world.elapsed();
    at_work.world.until(start + Duration::from_secs(600)).await;
    let skipped = at_work.listener.messages().len();
    let before = at_work.listener.latest();
    let asked = at_work.world.count("/status/get/c10").await;
    assert_eq!(before[&at_work.topic("frame_frozen")], "OFF");

    at_work.world.until(start + Duration::from_secs(4 * 3600)).await;
    let polls = at_work.world.count("/status/get/c10").await - asked;
    // An idle machine makes about 48.
    assert!(polls >= 20, "{polls} polls");
    let said = said(&at_work, skipped);
    println!("{polls} identical frames, messages: {:?}", counts(&said));

    assert_eq!(said["frame_frozen"], ["ON"]);
    for key in LAPSES {
        assert_eq!(said[key], ["None"], "{key}");
    }
    let ages: Vec<i64> = said["data_age"].iter().map(|age| age.parse().unwrap()).collect();
    assert!(ages.is_sorted(), "{ages:?}");
    let oldest = ages.last().unwrap();
    assert!((13_800..=15_000).contains(oldest), "{ages:?}");
    assert!(
        ages.len() <= 4 * 12 + 6,
        "at most every five minutes, and with what lapses: {ages:?}"
    );

    let latest = at_work.listener.latest();
    for key in [
        "battery_level",
        "plugged_in",
        "door_lock",
        "last_vehicle_update",
        "odometer",
    ] {
        assert_eq!(latest[&at_work.topic(key)], before[&at_work.topic(key)], "{key}");
        assert!(!said.contains_key(key), "{key} was said again");
    }
    assert_eq!(latest[&at_work.topic("availability")], "online");
    for (key, payloads) in &said {
        let goes_on = GOES_ON.contains(&key.as_str());
        assert!(
            goes_on || payloads.len() == 1 || is_about_us(key),
            "{key}: {payloads:?}"
        );
        assert!(
            payloads.windows(2).all(|pair| pair[0] != pair[1]),
            "{key}: {payloads:?}"
        );
    }
    let refreshed = moment(&latest[&at_work.topic("last_cloud_refresh")]);
    let spoke = moment(&latest[&at_work.topic("last_vehicle_update")]);
    assert!(
        refreshed.duration_since(spoke) > SignedDuration::from_mins(200),
        "{refreshed} {spoke}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_car_that_sleeps_is_no_problem_and_stays_itself_across_a_restart() {
    let Some(mut at_work) = at_work(ASLEEP).await else {
        return;
    };
    at_work.world.scenario(&at_work.vin, "asleep").await;
    at_work.world.pass(Duration::from_secs(4 * 3600)).await;
    let before = at_work.listener.latest();
    assert_eq!(before[&at_work.topic("vehicle_online")], "OFF");
    assert_eq!(before[&at_work.topic("frame_frozen")], "OFF");
    assert_eq!(before[&at_work.topic("availability")], "online");
    let refreshed = moment(&before[&at_work.topic("last_cloud_refresh")]);
    let spoke = moment(&before[&at_work.topic("last_vehicle_update")]);
    assert!(
        refreshed.duration_since(spoke) > SignedDuration::from_mins(210),
        "{refreshed} {spoke}"
    );

    at_work.restart();
    at_work.listener.expect(&at_work.topic("availability"), "online").await;
    at_work
        .listener
        .expect(
            &at_work.topic("battery_level"),
            &before[&at_work.topic("battery_level")],
        )
        .await;
    let again = said(&at_work, 0);
    for key in [
        "battery_level",
        "odometer",
        "door_lock",
        "last_vehicle_update",
        "parked",
    ] {
        let never_unknown = again
            .get(key)
            .is_none_or(|payloads| payloads.iter().all(|payload| payload != "None"));
        assert!(never_unknown, "{key}: {:?}", again[key]);
    }
}

/// Rows that show our own plans and settings.
fn is_about_us(key: &str) -> bool {
    key.starts_with("poll_") || key.starts_with("event_") || key.starts_with("requests_")
}

fn counts(said: &BTreeMap<String, Vec<String>>) -> BTreeMap<&str, usize> {
    said.iter()
        .map(|(key, payloads)| (key.as_str(), payloads.len()))
        .collect()
}

fn moment(text: &str) -> Timestamp {
    text.parse().unwrap()
}
