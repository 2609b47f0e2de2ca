//! Schedules as switches: what the cloud holds is read, changed and written back, with nothing of it lost.

#![allow(missing_docs, reason = "a test binary has no readers of its documentation")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "what fails here fails the test")]

mod support;

use std::time::Duration;

use serde_json::{Value, json};

use support::at_work::AtWork;
use support::world::{World, eventually};

/// Fast enough that the first round of slow reads is over in seconds.
const SPEED: f64 = 30.0;
const PATIENCE: Duration = Duration::from_secs(60);

async fn house(allow: &[&str]) -> Option<AtWork> {
    let world = World::at_speed(SPEED, &["C10"]);
    let house = AtWork::in_world(world, |_, configuration| {
        configuration["commands"]["allow"] = json!(allow);
    })
    .await?;
    shows(&house, "vehicle_software", r#""latest_version":"1.04.00""#).await;
    Some(house)
}

/// Waits until the newest value of a topic holds this text.
async fn shows(house: &AtWork, key: &str, text: &str) {
    let topic = house.topic(key);
    eventually(&format!("{topic} with {text}"), PATIENCE, async || {
        let latest = house.listener.latest();
        latest
            .get(&topic)
            .is_some_and(|value| value.contains(text))
            .then_some(())
    })
    .await;
}

/// Uses a control and gives the answer that ends its command.
async fn press(house: &AtWork, key: &str, payload: &str) -> Value {
    let known = ended(house).len();
    house
        .listener
        .publish(&house.topic(&format!("{key}/set")), payload, false)
        .await;
    eventually(&format!("{key} {payload} has ended"), PATIENCE, async || {
        ended(house).get(known).cloned()
    })
    .await
}

fn ended(house: &AtWork) -> Vec<Value> {
    let messages = house.listener.messages().into_iter();
    messages
        .filter(|(topic, _)| topic.ends_with("/command/result"))
        .map(|(_, payload)| serde_json::from_str::<Value>(&payload).unwrap())
        .filter(|answer| answer["state"] != "accepted")
        .collect()
}

/// The entries of the newest write of this command.
async fn written(house: &AtWork, id: &str) -> Vec<Value> {
    let writes = house.world.writes().await;
    let (_, content) = writes.iter().rev().find(|(command, _)| command == id).expect("a write");
    let content: Value = serde_json::from_str(content).unwrap();
    content["controls"].as_array().unwrap().clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schedule_that_is_switched_off_and_on_again_is_still_the_same() {
    let Some(house) = house(&[]).await else { return };
    shows(&house, "climate_schedule", "OFF").await;
    let refused = press(&house, "climate_schedule", "ON").await;
    assert_eq!(
        (&refused["state"], &refused["reason"]),
        (&json!("refused"), &json!("nothing_scheduled"))
    );
    shows(&house, "climate_schedule", "OFF").await;

    let entry = |id: &str, start: &str, days: Value, temperature: &str| {
        json!({"start_time": start, "days": days, "set_id": id, "temperature": temperature, "mode": "hot", "windlevel": "4",
               "operate": "manual", "circle": "in", "position": "all", "wshld": "2", "on": "1", "update_time": "1"})
    };
    let list = json!([
        entry("weekdays", "2099-09-22 07:30:00", json!([1, 2, 3, 4, 5]), "24"),
        entry("once", "2099-12-24 18:00:00", json!([]), "28"),
    ]);
    assert_eq!(
        press(&house, "climate_schedule_json", &list.to_string()).await["state"],
        "confirmed"
    );
    shows(&house, "climate_schedule", "ON").await;
    shows(&house, "climate_schedule/attributes", r#""start":"2099-12-24T18:00""#).await;
    let before = written(&house, "171").await;

    for (payload, on) in [("OFF", "0"), ("ON", "1")] {
        let answer = press(&house, "climate_schedule", payload).await;
        assert_eq!(answer["state"], "confirmed", "{answer}");
        let mut expected = before.clone();
        let mut found = written(&house, "171").await;
        for entry in expected.iter_mut().chain(&mut found) {
            entry["update_time"] = json!("now");
        }
        expected.iter_mut().for_each(|entry| entry["on"] = json!(on));
        assert_eq!(found, expected);
        shows(&house, "climate_schedule", payload).await;
        shows(
            &house,
            "climate_schedule/attributes",
            &format!(r#""enabled":{}"#, on == "1"),
        )
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_preparation_can_be_paused() {
    let Some(house) = house(&[]).await else { return };
    let params = json!({"start_time": "2099-09-22 07:30:00", "days": [1], "driver_seat": "heat", "set_id": "seat"});
    house
        .ask(json!({"command": "prepare-car-schedule", "params": params, "id": "new"}))
        .await;
    shows(&house, "prepare_schedule", "ON").await;
    let before = written(&house, "361").await;
    assert_eq!(press(&house, "prepare_schedule", "OFF").await["state"], "confirmed");
    let after = written(&house, "361").await;
    assert_eq!(
        (&before[0]["enable"], &after[0]["enable"]),
        (&json!(true), &json!(false))
    );
    assert_eq!(before[0]["datacontent"], after[0]["datacontent"]);
    shows(&house, "prepare_schedule", "OFF").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn software_is_installed_only_by_an_owner_who_allows_it_by_name() {
    let Some(house) = house(&["fota-install"]).await else {
        return;
    };
    assert_eq!(
        press(&house, "vehicle_software", "now").await["reason"],
        "invalid_payload"
    );
    let answer = press(&house, "vehicle_software", "install").await;
    assert_eq!(answer["command"], "fota-install", "{answer}");
    let installed = ("391".to_owned(), r#"{"taskId":4411}"#.to_owned());
    assert!(house.world.writes().await.contains(&installed));
    shows(&house, "vehicle_software/attributes", r#""task_id":4411"#).await;
}
