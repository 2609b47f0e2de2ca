//! What happens to a car, as events and device triggers on a real broker.

#![allow(missing_docs, reason = "a test binary has no readers of its documentation")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "what fails here fails the test")]
#![allow(dead_code, reason = "every test file uses its part of the support")]

mod support;

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use support::listener::Listener;
use support::mosquitto::Mosquitto;
use support::process::Program;
use support::world::{World, eventually};

const PATIENCE: Duration = Duration::from_secs(60);

/// A bridge that has seen its car parked.
struct Watched {
    bridge: Program,
    listener: Listener,
    broker: Mosquitto,
    world: World,
    vin: String,
}

impl Watched {
    async fn start() -> Option<Self> {
        let broker = Mosquitto::start()?;
        let world = World::with_arguments(&["--car", "C10", "--speed", "20"]);
        let listener = Listener::connect(broker.port()).await;
        let bridge = world.bridge(&world.configuration(broker.port()));
        let vin = world.vin(0);
        let watched = Self {
            bridge,
            listener,
            broker,
            world,
            vin,
        };
        watched.sees("vehicle_state", "parked").await;
        watched.listener.expect("leapmotor2mqtt/bridge/state", "online").await;
        Some(watched)
    }

    fn topic(&self, path: &str) -> String {
        format!("leapmotor2mqtt/{}/{path}", self.vin)
    }

    async fn sees(&self, key: &str, value: &str) {
        self.listener.expect(&self.topic(key), value).await;
    }

    async fn plays(&self, scenario: &str) {
        let path = format!("/cars/{}/scenario", self.vin);
        let body = json!({ "name": scenario });
        self.world.control(Method::POST, &path, Some(body)).await;
    }

    async fn patches(&self, signals: Value) {
        let path = format!("/cars/{}/signals", self.vin);
        self.world.control(Method::PATCH, &path, Some(signals)).await;
    }

    /// All events so far.
    fn events(&self) -> Vec<Value> {
        let topic = self.topic("event_vehicle");
        let messages = self.listener.messages().into_iter();
        messages
            .filter(|(heard, _)| *heard == topic)
            .map(|(_, payload)| serde_json::from_str(&payload).unwrap())
            .collect()
    }

    /// All events and triggers so far, by their names.
    fn names(&self) -> (Vec<String>, Vec<String>) {
        let name = |event: &Value| event["event_type"].as_str().unwrap().to_owned();
        let events = self.events().iter().map(name).collect();
        let triggers = self
            .listener
            .messages()
            .into_iter()
            .filter_map(|(topic, _)| topic.strip_prefix(&self.topic("trigger/")).map(str::to_owned));
        (events, triggers.collect())
    }

    async fn until_told(&self, event: &str) {
        eventually(event, PATIENCE, async || {
            self.names().0.iter().any(|told| told == event).then_some(())
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drive_and_a_charge_are_told_exactly_once() {
    let Some(watched) = Watched::start().await else { return };
    watched.plays("drive").await;
    watched.until_told("driving_started").await;
    watched.plays("charge_ac").await;
    watched.until_told("charging_started").await;
    watched.plays("drive").await;
    watched.until_told("unplugged").await;
    watched.plays("park").await;
    eventually("the second park", PATIENCE, async || {
        let (events, _) = watched.names();
        (events.iter().filter(|told| *told == "parked").count() == 2).then_some(())
    })
    .await;

    let (events, triggers) = watched.names();
    let story = [
        "driving_started",
        "parked",
        "plugged_in",
        "charging_started",
        "charging_stopped",
        "unplugged",
        "driving_started",
        "parked",
    ];
    let mut sorted = (events.clone(), story.map(str::to_owned).to_vec());
    sorted.0.sort();
    sorted.1.sort();
    assert_eq!(sorted.0, sorted.1, "{events:?}");
    assert_eq!(events, triggers, "every one of them has its trigger");
    assert!(watched.events().iter().all(|event| event["late"] == false));

    // An event is no state: who comes later does not hear of it.
    let newcomer = Listener::connect(watched.broker.port()).await;
    newcomer.expect("leapmotor2mqtt/bridge/state", "online").await;
    newcomer.expect(&watched.topic("vehicle_state"), "parked").await;
    let heard = newcomer.latest();
    assert!(
        heard
            .keys()
            .all(|topic| !topic.contains("event_") && !topic.contains("/trigger/"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_changed_while_the_bridge_was_down_is_told_late_and_without_a_trigger() {
    let Some(mut watched) = Watched::start().await else {
        return;
    };
    assert_eq!(watched.bridge.stop(), Some(0));
    watched.patches(json!({"1298": 0})).await;
    watched.listener.forget();
    watched.bridge = watched
        .world
        .bridge(&watched.world.configuration(watched.broker.port()));
    watched.until_told("unlocked").await;
    let events = watched.events();
    assert_eq!(events.len(), 1, "{events:?}");
    assert_eq!(events[0]["late"], true);
    assert_eq!((&events[0]["old"], &events[0]["new"]), (&json!(true), &json!(false)));

    watched.patches(json!({"1298": 1, "1277": 1})).await;
    watched.until_told("opened").await;
    watched.until_told("locked").await;
    let opened = watched
        .events()
        .into_iter()
        .find(|event| event["event_type"] == "opened")
        .unwrap();
    assert_eq!(
        (&opened["part"], &opened["late"]),
        (&json!("door_front_left"), &json!(false))
    );
    assert_eq!(watched.names().1, ["locked", "door_opened"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_is_refused_fires_the_trigger_for_failures() {
    let Some(watched) = Watched::start().await else { return };
    let say = json!({"command": "charge-start", "id": "1"});
    watched
        .listener
        .publish(&watched.topic("command"), &say.to_string(), false)
        .await;
    watched
        .listener
        .expect(&watched.topic("trigger/command_failed"), "command_failed")
        .await;
    watched
        .listener
        .expect_message(&watched.topic("event_command"), &["\"refused\"", "\"not_plugged\""])
        .await;
    assert_eq!(watched.names().0, [""; 0]);
}
