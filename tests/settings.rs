//! Settings changed from Home Assistant, and what the bridge does when asked by a button.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::time::Duration;

use serde_json::{Value, json};

use support::listener::Listener;
use support::mosquitto::Mosquitto;
use support::world::{World, eventually};

const PATIENCE: Duration = Duration::from_secs(30);

/// A bridge at work between a simulated cloud and a real broker.
struct AtWork {
    world: World,
    broker: Mosquitto,
    listener: Listener,
    bridge: support::process::Program,
}

impl AtWork {
    async fn with_cars(models: &[&str]) -> Option<Self> {
        let broker = Mosquitto::start()?;
        let world = World::with_cars(models);
        let listener = Listener::connect(broker.port()).await;
        let bridge = world.bridge(&world.configuration(broker.port()));
        let at_work = Self {
            world,
            broker,
            listener,
            bridge,
        };
        for car in 0..models.len() {
            at_work
                .listener
                .expect(&at_work.topic(car, "polling_enabled"), "ON")
                .await;
            at_work
                .listener
                .expect(&at_work.topic(car, "door_lock"), "LOCKED")
                .await;
        }
        Some(at_work)
    }

    fn topic(&self, car: usize, key: &str) -> String {
        format!("leapmotor2mqtt/{}/{key}", self.world.vin(car))
    }

    async fn set(&self, car: usize, key: &str, value: &str) {
        let topic = self.topic(car, &format!("{key}/set"));
        self.listener.publish(&topic, value, false).await;
    }

    async fn press(&self, button: &str) {
        let topic = format!("leapmotor2mqtt/bridge/{button}/set");
        self.listener.publish(&topic, "PRESS", false).await;
    }

    async fn expect(&self, car: usize, key: &str, value: &str) {
        self.listener.expect(&self.topic(car, key), value).await;
    }

    /// Compares what the bridge has written down with what the cloud saw. A call that was given up before it was sent is
    /// counted and never seen; every stop may give up one.
    async fn expect_equal_counts(&self, stops: u64) {
        let file = self.world.directory.path().join("data/requests.json");
        let counted: Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
        let seen = self.world.requests().await;
        let of_car = |request: &&Value| request["vin"] == json!(self.world.vin(0));
        for (counted, seen) in [
            (&counted["data"]["accounts"][0], seen.len()),
            (
                &counted["data"]["cars"][self.world.vin(0)],
                seen.iter().filter(of_car).count(),
            ),
        ] {
            let (counted, seen) = (counted.as_u64().unwrap(), seen as u64);
            assert!(
                (seen..=seen + stops).contains(&counted),
                "{counted} counted, {seen} seen"
            );
        }
    }

    /// How often a car's status was read so far.
    async fn reads(&self, car: usize) -> usize {
        let vin = self.world.vin(car);
        let of_car = |request: &&Value| {
            request["vin"] == json!(vin)
                && request["path"]
                    .as_str()
                    .is_some_and(|path| path.contains("/status/get/"))
        };
        self.world.requests().await.iter().filter(of_car).count()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interval_that_is_set_is_echoed_and_followed_and_survives_a_restart() {
    let Some(mut at_work) = AtWork::with_cars(&["C10"]).await else {
        return;
    };
    at_work.set(0, "poll_interval_parked", "3").await;
    at_work.expect(0, "poll_interval_parked", "3").await;
    at_work.expect(0, "poll_profile", "manual").await;
    at_work.expect(0, "poll_interval_current", "180").await;

    at_work.set(0, "poll_interval_parked", "241").await;
    at_work
        .listener
        .expect_message(
            &at_work.topic(0, "command/result"),
            &["\"refused\"", "\"out_of_range\""],
        )
        .await;
    at_work.expect(0, "poll_interval_parked", "3").await;

    assert_eq!(at_work.bridge.stop(), Some(0));
    at_work.listener.forget();
    let _again = at_work
        .world
        .bridge(&at_work.world.configuration(at_work.broker.port()));
    at_work.expect(0, "poll_profile", "manual").await;
    at_work.expect(0, "poll_interval_parked", "3").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_car_is_left_alone_until_somebody_asks_for_it() {
    let Some(at_work) = AtWork::with_cars(&["C10", "T03"]).await else {
        return;
    };
    at_work.set(0, "polling_enabled", "OFF").await;
    at_work.expect(0, "poll_phase", "paused").await;
    let (paused, other) = (at_work.reads(0).await, at_work.reads(1).await);
    eventually("the other car is read on", PATIENCE, async || {
        (at_work.reads(1).await > other + 3).then_some(())
    })
    .await;
    // A read that was under way when the setting arrived may still have counted.
    assert!(at_work.reads(0).await <= paused + 1);
    let paused = at_work.reads(0).await;
    at_work.set(0, "refresh", "PRESS").await;
    eventually("it is read when asked to", PATIENCE, async || {
        (at_work.reads(0).await > paused).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retained_setting_is_refused_and_taken_off_the_broker() {
    let Some(at_work) = AtWork::with_cars(&["C10"]).await else {
        return;
    };
    let topic = at_work.topic(0, "polling_enabled/set");
    // Subscribed to before, a retained message arrives as a plain one; so the bridge has to come to it afresh.
    let mut at_work = at_work;
    assert_eq!(at_work.bridge.stop(), Some(0));
    at_work.listener.publish(&topic, "OFF", true).await;
    at_work.listener.forget();
    let _again = at_work
        .world
        .bridge(&at_work.world.configuration(at_work.broker.port()));
    at_work
        .listener
        .expect_message(&at_work.topic(0, "command/result"), &["\"refused\"", "\"retained\""])
        .await;
    at_work.listener.expect(&topic, "").await;
    at_work.expect(0, "polling_enabled", "ON").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_position_that_is_not_to_be_published_is_cleared() {
    let Some(at_work) = AtWork::with_cars(&["C10"]).await else {
        return;
    };
    at_work
        .listener
        .expect_message(&at_work.topic(0, "location"), &["latitude"])
        .await;
    at_work.set(0, "publish_location", "OFF").await;
    eventually("the position is gone", PATIENCE, async || {
        let location = at_work.listener.latest().remove(&at_work.topic(0, "location"))?;
        (!location.contains("latitude")).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_bridge_counts_what_the_cloud_counts_also_across_a_restart() {
    let Some(mut at_work) = AtWork::with_cars(&["C10", "T03"]).await else {
        return;
    };
    at_work.set(0, "door_lock", "UNLOCK").await;
    at_work.expect(0, "door_lock", "UNLOCKED").await;
    assert_eq!(at_work.bridge.stop(), Some(0));
    at_work.expect_equal_counts(1).await;

    let configuration = at_work.world.configuration(at_work.broker.port());
    let before = at_work.reads(0).await;
    at_work.bridge = at_work.world.bridge(&configuration);
    eventually("the car is read again", PATIENCE, async || {
        (at_work.reads(0).await > before).then_some(())
    })
    .await;
    assert_eq!(at_work.bridge.stop(), Some(0));
    at_work.expect_equal_counts(2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_ends_the_bridge_with_an_error_after_a_farewell() {
    let Some(mut at_work) = AtWork::with_cars(&["T03"]).await else {
        return;
    };
    at_work.listener.expect("leapmotor2mqtt/bridge/state", "online").await;
    at_work.press("bridge_restart").await;
    at_work.listener.expect("leapmotor2mqtt/bridge/state", "offline").await;
    let code = eventually("it ends", PATIENCE, async || {
        (!at_work.bridge.is_running()).then(|| at_work.bridge.stop())
    })
    .await;
    assert_eq!(code, Some(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn entities_are_announced_again_when_asked_to() {
    let Some(at_work) = AtWork::with_cars(&["T03"]).await else {
        return;
    };
    at_work.listener.expect("leapmotor2mqtt/bridge/state", "online").await;
    let announced: Vec<String> = at_work
        .listener
        .latest()
        .into_keys()
        .filter(|topic| topic.ends_with("/config"))
        .collect();
    assert!(!announced.is_empty());
    at_work.listener.forget();
    at_work.press("bridge_rediscover").await;
    for topic in announced {
        at_work.listener.expect_message(&topic, &["\"cmps\""]).await;
    }
}
