//! The whole bridge between a simulated cloud and a real broker, as its users see it.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::time::Duration;

use serde_json::{Value, json};

use support::at_work::AtWork;
use support::client::retained;
use support::listener::Listener;
use support::mosquitto::Mosquitto;
use support::world::{World, eventually};

const PATIENCE: Duration = Duration::from_secs(20);

#[tokio::test(flavor = "multi_thread")]
async fn an_unlock_is_accepted_shown_as_pending_and_confirmed_by_the_car() {
    let Some(at_work) = AtWork::with_a_car().await else {
        return;
    };
    at_work
        .listener
        .publish(&at_work.topic("door_lock/set"), "UNLOCK", false)
        .await;

    at_work.listener.expect(&at_work.topic("door_lock"), "UNLOCKED").await;
    at_work
        .listener
        .expect_message(&at_work.topic("command/result"), &["\"accepted\"", "\"unlock\""])
        .await;
    at_work
        .listener
        .expect_message(&at_work.topic("command/result"), &["\"confirmed\"", "\"unlock\""])
        .await;
    let shown: Vec<String> = at_work
        .listener
        .messages()
        .into_iter()
        .filter(|(topic, _)| *topic == at_work.topic("door_lock"))
        .map(|(_, payload)| payload)
        .collect();
    let from_locked: Vec<&str> = shown
        .iter()
        .map(String::as_str)
        .skip_while(|payload| *payload != "LOCKED")
        .collect();
    assert_eq!(from_locked, ["LOCKED", "UNLOCKING", "UNLOCKED"]);
    assert_eq!(
        at_work.world.writes().await,
        [("110".to_owned(), r#"{"value":"unlock"}"#.to_owned())]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_script_gets_its_answers_under_its_own_id_and_bad_parameters_a_reason() {
    let Some(at_work) = AtWork::with_a_car().await else {
        return;
    };
    let command = at_work.topic("command");
    let result = at_work.topic("command/result");
    let say = async |message: Value| at_work.listener.publish(&command, &message.to_string(), false).await;

    say(json!({"command": "charge-limit", "params": {"percent": 65}, "id": "abc"})).await;
    at_work
        .listener
        .expect_message(&result, &["\"abc\"", "\"confirmed\""])
        .await;
    at_work.listener.expect(&at_work.topic("charge_limit"), "65").await;

    for (id, message, reason) in [
        (
            "r1",
            json!({"command": "charge-limit", "params": {"percent": 300}, "id": "r1"}),
            "out_of_range",
        ),
        ("r2", json!({"command": "teleport", "id": "r2"}), "unknown_command"),
        (
            "r3",
            json!({"command": "lock", "id": "r3", "expires": "2020-01-01T00:00:00Z"}),
            "expired",
        ),
        ("r4", json!({"command": "on3-on", "id": "r4"}), "denied_by_policy"),
    ] {
        say(message).await;
        let answer = at_work.listener.expect_message(&result, &[&format!("\"{id}\"")]).await;
        assert!(answer.contains(reason) && answer.contains("refused"), "{answer}");
    }
    say(json!({"command": "lock", "id": "abc"})).await;
    at_work
        .listener
        .expect_message(&result, &["\"abc\"", "\"duplicate\""])
        .await;
    let writes = at_work.world.writes().await;
    assert_eq!(writes.len(), 1, "{writes:?}");
    assert_eq!(writes[0].0, "190");
    assert!(writes[0].1.contains(r#""chargesoc":65"#), "{writes:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_live_and_plain_message_opens_the_car() {
    let Some(broker) = Mosquitto::start() else { return };
    let world = World::with_cars(&["C10"]);
    let vin = world.vin(0);
    let set = format!("leapmotor2mqtt/{vin}/door_lock/set");
    let result = format!("leapmotor2mqtt/{vin}/command/result");
    let listener = Listener::connect(broker.port()).await;
    // Waiting on the broker before the bridge comes.
    listener.publish(&set, "UNLOCK", true).await;
    listener.expect(&set, "UNLOCK").await;
    let _bridge = world.bridge(&world.configuration(broker.port()));
    listener.expect_message(&result, &["\"refused\"", "\"retained\""]).await;
    listener.expect(&set, "").await;

    // Live, with the retain bit.
    listener
        .expect(&format!("leapmotor2mqtt/{vin}/door_lock"), "LOCKED")
        .await;
    listener.forget();
    listener.publish(&set, "UNLOCK", true).await;
    listener.expect_message(&result, &["\"refused\"", "\"retained\""]).await;
    assert_eq!(world.writes().await, []);

    // Live and plain.
    listener.publish(&set, "UNLOCK", false).await;
    listener
        .expect(&format!("leapmotor2mqtt/{vin}/door_lock"), "UNLOCKED")
        .await;
    assert_eq!(
        world.writes().await,
        [("110".to_owned(), r#"{"value":"unlock"}"#.to_owned())]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_lost_everything_has_every_topic_back_within_half_a_minute() {
    let Some(mut at_work) = AtWork::with_a_car().await else {
        return;
    };
    let held = async |port: u16| retained(port, &["leapmotor2mqtt/+/+", "homeassistant/device/+/config"]).await;
    let before = eventually("the first picture is complete", PATIENCE, async || {
        let held = held(at_work.broker.port()).await;
        (held.len() > 150).then_some(held)
    })
    .await;

    at_work.broker.kill();
    at_work.broker.run();
    // What the car says is the same; what is counted and timed has a value again.
    let same = ["battery_level", "odometer", "door_lock", "availability"].map(|key| at_work.topic(key));
    eventually("every value is back", Duration::from_secs(30), async || {
        let after = held(at_work.broker.port()).await;
        let is_back = |(topic, value): (&String, &String)| {
            let now = after.get(topic);
            now == Some(value) || !same.contains(topic) && now.is_some_and(|now| now != "None")
        };
        before.iter().all(is_back).then_some(())
    })
    .await;
    assert!(at_work.bridge.is_running());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_password_is_sent_once_in_a_day_and_stated() {
    let Some(at_work) = AtWork::in_world(World::at_speed(3600, &["T03"]), |_, configuration| {
        configuration["accounts"][0]["password"] = json!("wrong-password");
    })
    .await
    else {
        return;
    };
    at_work
        .listener
        .expect("leapmotor2mqtt/bridge/bridge_reauth_needed", "ON")
        .await;
    at_work
        .listener
        .expect("leapmotor2mqtt/bridge/bridge_last_error", "auth")
        .await;
    eventually("a simulated day has passed", Duration::from_secs(60), async || {
        (at_work.world.elapsed() > Duration::from_secs(24 * 3600)).then_some(())
    })
    .await;
    assert_eq!(at_work.world.count("/acct/v1/login").await, 1);
    assert!(!at_work.bridge.log().contains("wrong-password"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_password_is_not_tried_again_after_a_restart() {
    let Some(mut at_work) = AtWork::with(&["T03"], |_, configuration| {
        configuration["accounts"][0]["password"] = json!("wrong-password");
    })
    .await
    else {
        return;
    };
    at_work
        .listener
        .expect("leapmotor2mqtt/bridge/bridge_reauth_needed", "ON")
        .await;
    assert_eq!(at_work.bridge.stop(), Some(0));
    at_work.listener.forget();
    let mut configuration = at_work.world.configuration(at_work.broker.port());
    configuration["accounts"][0]["password"] = json!("wrong-password");
    let _again = at_work.world.bridge(&configuration);
    at_work
        .listener
        .expect("leapmotor2mqtt/bridge/bridge_reauth_needed", "ON")
        .await;
    assert_eq!(at_work.world.count("/acct/v1/login").await, 1);

    drop(_again);
    at_work.listener.forget();
    let _right = at_work
        .world
        .bridge(&at_work.world.configuration(at_work.broker.port()));
    at_work
        .listener
        .expect("leapmotor2mqtt/bridge/bridge_reauth_needed", "OFF")
        .await;
    eventually("the right password is sent", PATIENCE, async || {
        (at_work.world.count("/acct/v1/login").await == 2).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn cars_become_unavailable_when_the_sign_in_needs_the_owner() {
    let Some(mut at_work) = AtWork::with_a_car().await else {
        return;
    };
    assert_eq!(at_work.bridge.stop(), Some(0));
    // The kept session serves until the cloud ends it; only then does the changed password show.
    let mut configuration = at_work.world.configuration(at_work.broker.port());
    configuration["accounts"][0]["password"] = json!("wrong-password");
    configuration["session"] = json!({"yield_minutes": 0});
    let _again = at_work.world.bridge(&configuration);
    at_work.listener.expect(&at_work.topic("availability"), "online").await;
    at_work
        .world
        .control(reqwest::Method::POST, "/faults", Some(json!({"kind": "evict"})))
        .await;
    at_work.listener.expect(&at_work.topic("availability"), "offline").await;
    at_work
        .listener
        .expect("leapmotor2mqtt/bridge/bridge_reauth_needed", "ON")
        .await;
    assert_eq!(at_work.world.count("/acct/v1/login").await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_pin_is_sent_once_and_then_commands_wait() {
    let Some(at_work) = AtWork::with(&["C10"], |_, configuration| {
        configuration["accounts"][0]["cars"][0]["pin"] = json!("0000");
    })
    .await
    else {
        return;
    };
    at_work.listener.expect(&at_work.topic("door_lock"), "LOCKED").await;
    at_work
        .listener
        .publish(&at_work.topic("door_lock/set"), "UNLOCK", false)
        .await;
    at_work
        .listener
        .expect_message(&at_work.topic("command/result"), &["\"refused\"", "\"pin_rejected\""])
        .await;
    at_work
        .listener
        .expect(&at_work.topic("commands/availability"), "offline")
        .await;
    at_work.listener.expect(&at_work.topic("door_lock"), "LOCKED").await;
    at_work.listener.forget();
    at_work
        .listener
        .publish(&at_work.topic("door_lock/set"), "UNLOCK", false)
        .await;
    at_work
        .listener
        .expect_message(&at_work.topic("command/result"), &["\"refused\"", "\"pin_rejected\""])
        .await;
    assert_eq!(at_work.world.count("/operPwd/verify").await, 1);
    assert_eq!(at_work.world.writes().await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_survives_a_restart_without_another_sign_in() {
    let Some(mut at_work) = AtWork::with_a_car().await else {
        return;
    };
    assert_eq!(at_work.bridge.stop(), Some(0));
    at_work.listener.expect("leapmotor2mqtt/bridge/state", "offline").await;
    at_work.listener.forget();
    let _again = at_work
        .world
        .bridge(&at_work.world.configuration(at_work.broker.port()));
    at_work.listener.expect(&at_work.topic("door_lock"), "LOCKED").await;
    assert_eq!(at_work.world.count("/acct/v1/login").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_car_that_says_nothing_keeps_its_last_values() {
    let Some(at_work) = AtWork::with_a_car().await else {
        return;
    };
    let level = at_work.listener.latest()[&at_work.topic("battery_level")].clone();
    at_work
        .world
        .control(
            reqwest::Method::PUT,
            &format!("/cars/{}/status", at_work.vin),
            Some(json!({"signal": {}})),
        )
        .await;
    let polls = at_work.world.count("/status/get/c10").await;
    eventually("the empty status was read", PATIENCE, async || {
        (at_work.world.count("/status/get/c10").await > polls + 2).then_some(())
    })
    .await;
    assert_eq!(at_work.listener.latest()[&at_work.topic("battery_level")], level);
    assert_eq!(at_work.listener.latest()[&at_work.topic("availability")], "online");
}

#[tokio::test(flavor = "multi_thread")]
async fn unreadable_answers_change_nothing_and_the_bridge_recovers() {
    let Some(mut at_work) = AtWork::with_a_car().await else {
        return;
    };
    for fault in [
        json!({"kind": "garbage", "path": "/status/get/c10", "times": 1}),
        json!({"kind": "http", "code": 502, "path": "/status/get/c10", "times": 1}),
        json!({"kind": "close", "path": "/status/get/c10", "times": 1}),
        json!({"kind": "code", "code": 39, "path": "/status/get/c10", "times": 1}),
    ] {
        let values = at_work.listener.latest();
        let heard = at_work.listener.messages().len();
        at_work
            .world
            .control(reqwest::Method::POST, "/faults", Some(fault.clone()))
            .await;
        let before = at_work.world.count("/status/get/c10").await;
        at_work
            .listener
            .publish(&at_work.topic("refresh/set"), "PRESS", false)
            .await;
        eventually(&format!("{fault} was met"), PATIENCE, async || {
            (at_work.world.count("/status/get/c10").await > before).then_some(())
        })
        .await;
        let car = at_work.topic("");
        for (topic, value) in at_work.listener.messages().split_off(heard) {
            let was_known = values.get(&topic).is_some_and(|known| known != "None");
            let is_lost = topic.starts_with(&car) && was_known && ["None", "offline", ""].contains(&value.as_str());
            assert!(!is_lost, "{fault}: {topic} became {value:?}");
        }
    }
    at_work.world.control(reqwest::Method::DELETE, "/faults", None).await;
    at_work
        .world
        .control(
            reqwest::Method::PATCH,
            &format!("/cars/{}/signals", at_work.vin),
            Some(json!({"1204": 33, "100003": 33.0})),
        )
        .await;
    at_work
        .listener
        .publish(&at_work.topic("refresh/set"), "PRESS", false)
        .await;
    at_work.listener.expect(&at_work.topic("battery_level"), "33").await;
    assert!(at_work.bridge.is_running());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_token_is_renewed_without_anybody_noticing() {
    let Some(at_work) = AtWork::with_a_car().await else {
        return;
    };
    at_work
        .world
        .control(
            reqwest::Method::POST,
            "/faults",
            Some(json!({"kind": "code", "code": 3, "path": "/status/get/c10", "times": 1})),
        )
        .await;
    eventually("the token was refreshed", PATIENCE, async || {
        (at_work.world.count("/token/refresh").await == 1).then_some(())
    })
    .await;
    at_work
        .listener
        .publish(&at_work.topic("door_lock/set"), "UNLOCK", false)
        .await;
    at_work.listener.expect(&at_work.topic("door_lock"), "UNLOCKED").await;
    assert_eq!(at_work.world.count("/acct/v1/login").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_an_account_the_bridge_waits_and_never_calls_the_cloud() {
    let Some(mut at_work) = AtWork::with(&["T03"], |_, configuration| configuration["accounts"] = json!([])).await
    else {
        return;
    };
    assert!(at_work.bridge.is_running());
    assert_eq!(at_work.world.requests().await.len(), 0);
    assert!(at_work.bridge.log().contains("account"), "{}", at_work.bridge.log());
    assert_eq!(at_work.bridge.stop(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_bridge_on_the_same_data_directory_refuses_to_start() {
    let Some(at_work) = AtWork::with_a_car().await else {
        return;
    };
    let mut second = at_work
        .world
        .bridge(&at_work.world.configuration(at_work.broker.port()));
    let code = eventually("it ends", PATIENCE, async || {
        (!second.is_running()).then(|| second.stop())
    })
    .await;
    assert_eq!(code, Some(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn swapped_certificate_files_are_stated_and_mending_them_is_enough() {
    let Some(mut at_work) = AtWork::with(&["T03"], |world, configuration| {
        let broken = world.directory.path().join("broken.pem");
        std::fs::write(&broken, "<html>not found</html>").unwrap();
        configuration["certificates"]["app_cert"] = json!(broken);
    })
    .await
    else {
        return;
    };
    at_work
        .listener
        .expect("leapmotor2mqtt/bridge/bridge_problem", "ON")
        .await;
    at_work
        .listener
        .expect("leapmotor2mqtt/bridge/bridge_last_error", "certificate")
        .await;
    assert_eq!(at_work.world.requests().await.len(), 0);
    assert!(at_work.bridge.is_running());

    let broken = at_work.world.directory.path().join("broken.pem");
    std::fs::copy(at_work.world.cloud["app_cert"].as_str().unwrap(), broken).unwrap();
    at_work.listener.expect(&at_work.topic("door_lock"), "LOCKED").await;
    at_work
        .listener
        .expect("leapmotor2mqtt/bridge/bridge_problem", "OFF")
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_refuses_the_password_is_asked_again_and_named_as_such() {
    let Some(mut broker) = Mosquitto::prepare() else { return };
    broker.configure(&broker.password_file("bridge", "right"));
    broker.run();
    let world = World::with_cars(&["T03"]);
    let mut configuration = world.configuration(broker.port());
    configuration["mqtt"]["username"] = json!("bridge");
    configuration["mqtt"]["password"] = json!("wrong");
    let mut bridge = world.bridge(&configuration);
    eventually("the log names the user name or password", PATIENCE, async || {
        bridge.log().contains("password").then_some(())
    })
    .await;
    assert!(bridge.is_running());
    broker.kill();
    eventually(
        "the log tells the broker is away, which is another matter",
        PATIENCE,
        async || bridge.log().contains("away").then_some(()),
    )
    .await;
    assert!(bridge.is_running());
    assert_eq!(bridge.stop(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_reaches_the_log() {
    let Some(mut at_work) = AtWork::with_a_car().await else {
        return;
    };
    at_work
        .listener
        .publish(&at_work.topic("door_lock/set"), "UNLOCK", false)
        .await;
    at_work.listener.expect(&at_work.topic("door_lock"), "UNLOCKED").await;
    assert_eq!(at_work.bridge.stop(), Some(0));
    let log = at_work.bridge.log();
    let account = &at_work.world.cloud["accounts"][0];
    for secret in [
        account["password"].as_str().unwrap(),
        account["username"].as_str().unwrap(),
        &at_work.vin,
    ] {
        assert!(!log.contains(secret), "{secret:?} is in the log:\n{log}");
    }
}
