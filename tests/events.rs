//! What happens to a car, as events and device triggers on a real broker.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::time::Duration;

use serde_json::{Value, json};

use support::at_work::AtWork;
use support::listener::Listener;
use support::world::{World, eventually};

const PATIENCE: Duration = Duration::from_secs(60);

/// A bridge that has seen its car parked.
async fn watched() -> Option<AtWork> {
    let watched = AtWork::in_world(World::at_speed(20, &["C10"]), |_, _| {}).await?;
    sees(&watched, "vehicle_state", "parked").await;
    Some(watched)
}

async fn sees(watched: &AtWork, key: &str, value: &str) {
    watched.listener.expect(&watched.topic(key), value).await;
}

async fn plays(watched: &AtWork, scenario: &str) {
    watched.world.scenario(&watched.vin, scenario).await;
}

/// All events so far.
fn all_events(watched: &AtWork) -> Vec<Value> {
    let topic = watched.topic("event_vehicle");
    let messages = watched.listener.messages().into_iter();
    messages
        .filter(|(heard, _)| *heard == topic)
        .map(|(_, payload)| serde_json::from_str(&payload).unwrap())
        .collect()
}

/// All events and triggers so far, by their names.
fn names(watched: &AtWork) -> (Vec<String>, Vec<String>) {
    let name = |event: &Value| event["event_type"].as_str().unwrap().to_owned();
    let triggers = watched.topic("trigger/");
    let messages = watched.listener.messages().into_iter();
    (
        all_events(watched).iter().map(name).collect(),
        messages
            .filter_map(|(topic, _)| topic.strip_prefix(&triggers).map(str::to_owned))
            .collect(),
    )
}

async fn until_told(watched: &AtWork, event: &str) {
    eventually(event, PATIENCE, async || {
        names(watched).0.iter().any(|told| told == event).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drive_and_a_charge_are_told_exactly_once() {
    let Some(watched) = watched().await else { return };
    plays(&watched, "drive").await;
    until_told(&watched, "driving_started").await;
    plays(&watched, "charge_ac").await;
    until_told(&watched, "charging_started").await;
    plays(&watched, "drive").await;
    until_told(&watched, "unplugged").await;
    plays(&watched, "park").await;
    eventually("the second park", PATIENCE, async || {
        let (events, _) = names(&watched);
        (events.iter().filter(|told| *told == "parked").count() == 2).then_some(())
    })
    .await;

    let (events, triggers) = names(&watched);
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
    assert!(all_events(&watched).iter().all(|event| event["late"] == false));

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
    let Some(mut watched) = watched().await else {
        return;
    };
    assert_eq!(watched.bridge.stop(), Some(0));
    watched.world.patch(&watched.vin, json!({"1298": 0})).await;
    watched.listener.forget();
    watched.bridge = watched.world.bridge_again();
    until_told(&watched, "unlocked").await;
    let events = all_events(&watched);
    assert_eq!(events.len(), 1, "{events:?}");
    assert_eq!(events[0]["late"], true);
    assert_eq!((&events[0]["old"], &events[0]["new"]), (&json!(true), &json!(false)));

    watched.world.patch(&watched.vin, json!({"1298": 1, "1277": 1})).await;
    until_told(&watched, "opened").await;
    until_told(&watched, "locked").await;
    let opened = all_events(&watched)
        .into_iter()
        .find(|event| event["event_type"] == "opened")
        .unwrap();
    assert_eq!(
        (&opened["part"], &opened["late"]),
        (&json!("door_front_left"), &json!(false))
    );
    assert_eq!(names(&watched).1, ["locked", "door_opened"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_is_refused_fires_the_trigger_for_failures() {
    let Some(watched) = watched().await else { return };
    watched.ask(json!({"command": "charge-start", "id": "1"})).await;
    sees(&watched, "trigger/command_failed", "command_failed").await;
    watched
        .listener
        .expect_message(&watched.topic("event_command"), &["\"refused\"", "\"not_plugged\""])
        .await;
    assert_eq!(names(&watched).0, [""; 0]);
}
