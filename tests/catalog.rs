//! Which entities Home Assistant is told of, as the owner wants it and across versions.

#![allow(missing_docs, reason = "a test binary has no readers of its documentation")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "what fails here fails the test")]

mod support;

use reqwest::Method;
use serde_json::{Value, json};

use support::at_work::AtWork;
use support::client::{retained, until_retained};
use support::mosquitto::Mosquitto;
use support::world::World;

impl AtWork {
    fn config_topic(&self) -> String {
        format!("homeassistant/device/leapmotor2mqtt_{}/config", self.vin)
    }

    /// Every discovery message of the car so far.
    fn announcements(&self) -> Vec<Value> {
        let topic = self.config_topic();
        let messages = self.listener.messages().into_iter();
        messages
            .filter(|(heard, _)| *heard == topic)
            .map(|(_, payload)| serde_json::from_str(&payload).unwrap())
            .collect()
    }

    /// What is announced of the car at last.
    fn components(&self) -> Value {
        self.announcements().pop().expect("a discovery message")["cmps"].clone()
    }

    /// Stops the bridge and starts it again with another configuration.
    async fn restart_with(&mut self, change: impl FnOnce(&mut Value)) {
        assert_eq!(self.bridge.stop(), Some(0));
        self.listener.forget();
        let mut configuration = self.world.configuration(self.broker.port());
        change(&mut configuration);
        self.bridge = self.world.bridge(&configuration);
        self.listener.expect("leapmotor2mqtt/bridge/state", "online").await;
        self.listener.expect(&self.topic("door_lock"), "LOCKED").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entity_the_owner_hides_goes_at_once_with_all_its_topics() {
    let Some(mut house) = AtWork::with_a_car().await else {
        return;
    };
    house.listener.expect(&house.topic("anything_open"), "OFF").await;
    assert!(house.components().get("climate").is_some());
    house
        .restart_with(|configuration| {
            configuration["entities"] = json!({"hide": ["climate", "bridge_problem"]});
            configuration["accounts"][0]["cars"][0]["entities"] = json!({"hide": ["anything_open"]});
        })
        .await;
    let announcements = house.announcements();
    let [removal, last] = announcements.as_slice() else {
        panic!("a removal and what is left, not {} messages", announcements.len());
    };
    assert_eq!(removal["cmps"]["climate"], json!({"p": "climate"}));
    assert_eq!(removal["cmps"]["anything_open"], json!({"p": "binary_sensor"}));
    assert!(last["cmps"].get("climate").is_none() && last["cmps"].get("anything_open").is_none());
    let held = retained(house.broker.port(), &["leapmotor2mqtt/#"]).await;
    for gone in ["/climate/", "/anything_open", "/bridge_problem"] {
        let left: Vec<_> = held.keys().filter(|topic| topic.contains(gone)).collect();
        assert!(left.is_empty(), "{left:?}");
    }

    // The second start with the same wish has nothing left to do.
    house
        .restart_with(|configuration| {
            configuration["entities"] = json!({"hide": ["climate", "bridge_problem", "anything_open"]});
        })
        .await;
    assert_eq!(house.announcements().len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entity_the_owner_wants_is_there_without_evidence_and_without_the_right() {
    let Some(broker) = Mosquitto::start() else { return };
    let world = World::with_cars(&["C10"]);
    let path = format!("/cars/{}/rights", world.vin(0));
    let rights = json!({"rights": [110, 120], "abilities": [1, 2]});
    world.control(Method::POST, &path, Some(rights)).await;
    let mut house = AtWork::start(world, broker, |_, _| {}).await;
    house.listener.expect(&house.topic("door_lock"), "LOCKED").await;
    let before = house.components();
    assert!(before.get("sentry_mode").is_none() && before.get("fuel_level").is_none());
    house
        .restart_with(|configuration| {
            configuration["entities"] = json!({"show": ["fuel_level"], "hide": ["sentry_mode"]});
            configuration["accounts"][0]["cars"][0]["entities"] = json!({"show": ["sentry_mode"]});
        })
        .await;
    house.listener.expect(&house.topic("fuel_level"), "None").await;
    let sentry = &house.components()["sentry_mode"];
    let set = sentry["cmd_t"].as_str().expect("a command topic").to_owned();
    house.listener.publish(&set, "ON", false).await;
    let refused = ["\"refused\"", "\"missing_right\""];
    house
        .listener
        .expect_message(&house.topic("command/result"), &refused)
        .await;
    assert!(house.world.writes().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_another_version_announced_is_taken_back_although_our_memory_is_lost() {
    let Some(broker) = Mosquitto::start() else { return };
    let world = World::with_cars(&["T03"]);
    let vin = world.vin(0);
    let config = format!("homeassistant/device/leapmotor2mqtt_{vin}/config");
    let old = json!({
        "o": {"name": "leapmotor2mqtt"},
        "cmps": {"state_of_charge": {"p": "sensor", "stat_t": format!("leapmotor2mqtt/{vin}/state_of_charge")}},
    });
    let state = format!("leapmotor2mqtt/{vin}/state_of_charge");
    {
        let other = support::client::Client::connect(broker.port()).await;
        other.publish(&config, old.to_string(), true).await;
        other.publish(&state, "57", true).await;
        until_retained(broker.port(), &["#"], |held| held.contains_key(&state)).await;
    }
    let house = AtWork::start(world, broker, |_, _| {}).await;
    house.listener.expect(&house.topic("door_lock"), "LOCKED").await;
    house.listener.expect(&state, "").await;
    let removals = house.announcements();
    let removal = removals
        .iter()
        .find(|message| message["cmps"]["state_of_charge"] == json!({"p": "sensor"}));
    assert!(removal.is_some(), "{removals:#?}");
    assert!(house.components().get("state_of_charge").is_none());
}
