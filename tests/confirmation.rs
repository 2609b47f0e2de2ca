//! What becomes of a command: confirmed by the car's own state, or not; refused, superseded, expired; and never written
//! twice.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod support;

use std::time::Duration;

use serde_json::{Value, json};

use support::at_work::AtWork;
use support::mosquitto::Mosquitto;
use support::world::{World, eventually};

/// Fast enough that the two minutes which a command may take are over in a few seconds.
const SPEED: &str = "20";
const PATIENCE: Duration = Duration::from_secs(30);

/// A deadline for what opens the car: its usual half a minute may be over before a busy machine looks at it.
const LATER: &str = "2099-01-01T00:00:00Z";

const UNLOCK: (&str, &str) = ("110", r#"{"value":"unlock"}"#);

/// A C10 at work whose state has been read; `None` where there is no broker to be had.
async fn a_car(change: impl FnOnce(&mut Value)) -> Option<AtWork> {
    let broker = Mosquitto::start()?;
    let world = World::at_speed(SPEED, &["C10"]);
    let at_work = AtWork::start(world, broker, |_, configuration| change(configuration)).await;
    at_work.listener.expect(&at_work.topic("door_lock"), "LOCKED").await;
    Some(at_work)
}

/// The states that were answered for the request of this id.
fn states(at_work: &AtWork, id: &str) -> Vec<String> {
    let answers = at_work.answers(id);
    answers
        .iter()
        .map(|answer| answer["state"].as_str().unwrap().to_owned())
        .collect()
}

/// What the lock showed since it was first locked.
fn shown(at_work: &AtWork) -> Vec<String> {
    let topic = at_work.topic("door_lock");
    let messages = at_work.listener.messages();
    let lock = messages.into_iter().filter(|(heard, _)| *heard == topic);
    lock.map(|(_, payload)| payload)
        .skip_while(|payload| payload != "LOCKED")
        .collect()
}

/// Writes that reached the cloud, answered or not.
async fn writes(at_work: &AtWork) -> Vec<(String, String)> {
    at_work.world.writes().await
}

fn unlock() -> Vec<(String, String)> {
    vec![(UNLOCK.0.to_owned(), UNLOCK.1.to_owned())]
}

fn ended(state: &str, reason: Option<&str>) -> (String, Option<String>) {
    (state.to_owned(), reason.map(str::to_owned))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_car_that_acts_without_answering_confirms_by_its_state() {
    let Some(at_work) = a_car(|_| {}).await else { return };
    at_work
        .world
        .order(json!({"kind": "command_timeout", "executes_after": 40}))
        .await;
    at_work
        .ask(json!({"command": "unlock", "id": "late", "expires": LATER}))
        .await;

    assert_eq!(at_work.outcome("late").await, ended("confirmed", None));
    at_work.listener.expect(&at_work.topic("door_lock"), "UNLOCKED").await;
    assert_eq!(states(&at_work, "late"), ["accepted", "confirmed"]);
    assert_eq!(shown(&at_work), ["LOCKED", "UNLOCKING", "UNLOCKED"]);
    assert_eq!(writes(&at_work).await, unlock());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_car_that_never_acts_ends_not_confirmed_and_its_state_rolls_back() {
    let Some(at_work) = a_car(|_| {}).await else { return };
    at_work.world.order(json!({"kind": "command_timeout"})).await;
    at_work
        .ask(json!({"command": "unlock", "id": "never", "expires": LATER}))
        .await;

    assert_eq!(at_work.outcome("never").await, ended("not_confirmed", Some("timeout")));
    eventually("the lock is shown locked again", PATIENCE, async || {
        (shown(&at_work) == ["LOCKED", "UNLOCKING", "LOCKED"]).then_some(())
    })
    .await;
    assert_eq!(states(&at_work, "never"), ["accepted", "not_confirmed"]);
    assert_eq!(writes(&at_work).await, unlock());

    let answers = at_work.answers("never");
    let seconds = |key: &str| answers[1][key].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    let taken = seconds("finished").duration_since(seconds("received"));
    assert!(taken.as_secs() <= 125, "it took {taken}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_by_the_cloud_is_an_answer_and_nothing_is_repeated() {
    let Some(at_work) = a_car(|_| {}).await else { return };
    at_work.world.order(json!({"kind": "command_refused"})).await;
    at_work
        .ask(json!({"command": "unlock", "id": "no", "expires": LATER}))
        .await;

    assert_eq!(at_work.outcome("no").await, ended("refused", Some("cloud_refused")));
    // The refusal may come before anybody has seen the pending state.
    at_work.listener.expect(&at_work.topic("door_lock"), "LOCKED").await;
    assert!(!shown(&at_work).contains(&"UNLOCKED".to_owned()));
    assert_eq!(writes(&at_work).await, unlock());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_without_an_answer_is_judged_by_the_car_and_sent_once() {
    let cases = [
        json!({"kind": "close", "path": "/remote/ctl"}),
        json!({"kind": "http", "code": 502, "path": "/remote/ctl"}),
        json!({"kind": "garbage", "path": "/remote/ctl"}),
    ]
    .into_iter()
    .flat_map(|fault| [(fault.clone(), true), (fault, false)]);
    let Some(broker) = Mosquitto::start() else { return };
    let at_work = AtWork::start(World::at_speed(SPEED, &["C10"; 6]), broker, |_, _| {}).await;
    let mut expected = Vec::new();
    for (index, (fault, acts)) in cases.enumerate() {
        let vin = at_work.world.vin(index);
        at_work
            .listener
            .expect(&format!("leapmotor2mqtt/{vin}/door_lock"), "LOCKED")
            .await;
        at_work.world.order(fault.clone()).await;
        let (topic, message) = (
            format!("leapmotor2mqtt/{vin}/command"),
            json!({"command": "unlock", "id": vin, "expires": LATER}),
        );
        at_work.listener.publish(&topic, &message.to_string(), false).await;
        eventually("the write arrived", PATIENCE, async || {
            (writes(&at_work).await.len() > index).then_some(())
        })
        .await;
        if acts {
            // The command reached the car all the same.
            at_work.world.patch(&vin, json!({"1298": 0})).await;
        }
        let end = if acts {
            ended("confirmed", None)
        } else {
            ended("not_confirmed", Some("timeout"))
        };
        expected.push((vin, fault, end));
    }
    for (vin, fault, expected) in &expected {
        assert_eq!(at_work.outcome(vin).await, *expected, "{fault}");
    }
    assert_eq!(writes(&at_work).await, vec![unlock(); expected.len()].concat());
}

#[tokio::test(flavor = "multi_thread")]
async fn of_quick_unlocks_one_waits_for_its_turn_and_the_last_word_counts() {
    let Some(at_work) = a_car(|configuration| configuration["commands"]["spacing_seconds"] = json!(10)).await else {
        return;
    };
    for id in ["first", "second", "third"] {
        at_work
            .ask(json!({"command": "unlock", "id": id, "expires": LATER}))
            .await;
    }
    for (id, expected) in [
        ("first", ended("confirmed", None)),
        ("second", ended("superseded", None)),
        ("third", ended("confirmed", None)),
    ] {
        assert_eq!(at_work.outcome(id).await, expected, "{id}");
    }
    assert_eq!(writes(&at_work).await, [unlock(), unlock()].concat());
    let times: Vec<jiff::Timestamp> = at_work
        .world
        .requests()
        .await
        .iter()
        .filter(|request| !request["cmd_id"].is_null())
        .map(|request| request["time"].as_str().unwrap().parse().unwrap())
        .collect();
    // The write is noted a moment before it arrives.
    let apart = times[1].duration_since(times[0]);
    assert!(apart.as_secs() >= 9, "{apart}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_grows_old_while_it_waits_is_expired_and_never_written() {
    let Some(at_work) = a_car(|configuration| configuration["commands"]["spacing_seconds"] = json!(60)).await else {
        return;
    };
    at_work.ask(json!({"command": "find-car", "id": "before"})).await;
    assert_eq!(at_work.outcome("before").await, ended("confirmed", None));
    // What opens the car lives half a minute, and its turn comes after a whole one.
    at_work.ask(json!({"command": "unlock", "id": "old"})).await;

    assert_eq!(at_work.outcome("old").await, ended("expired", Some("expired")));
    assert_eq!(states(&at_work, "old"), ["accepted", "expired"]);
    at_work.listener.expect(&at_work.topic("door_lock"), "LOCKED").await;
    // The one after it still gets its turn.
    at_work.ask(json!({"command": "lock", "id": "after"})).await;
    assert_eq!(at_work.outcome("after").await, ended("confirmed", None));
    let ids: Vec<String> = writes(&at_work).await.into_iter().map(|(_, content)| content).collect();
    assert_eq!(ids, [r#"{"value":"true"}"#, r#"{"value":"lock"}"#]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_grows_old_while_the_cloud_dawdles_is_expired_and_never_written() {
    let Some(at_work) = a_car(|_| {}).await else { return };
    // A minute of the clock that everybody follows, while what opens the car lives half a minute.
    at_work
        .world
        .order(json!({"kind": "delay", "seconds": 3, "path": "/operPwd/verify"}))
        .await;
    at_work.ask(json!({"command": "unlock", "id": "slow"})).await;
    assert_eq!(at_work.outcome("slow").await, ended("expired", Some("expired")));
    assert_eq!(at_work.world.count("/operPwd/verify").await, 1);
    assert_eq!(writes(&at_work).await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_safe_now_is_refused_with_its_reason() {
    let Some(at_work) = a_car(|_| {}).await else { return };
    at_work.ask(json!({"command": "charge-start", "id": "unplugged"})).await;
    assert_eq!(
        at_work.outcome("unplugged").await,
        ended("refused", Some("not_plugged"))
    );

    at_work.world.scenario(&at_work.vin, "drive").await;
    at_work.listener.expect(&at_work.topic("driving"), "ON").await;
    for command in ["unlock", "trunk-open", "find-car"] {
        at_work.ask(json!({"command": command, "id": command})).await;
        assert_eq!(
            at_work.outcome(command).await,
            ended("refused", Some("moving")),
            "{command}"
        );
    }
    // Comfort is for the road.
    at_work.ask(json!({"command": "quick-cool", "id": "cool"})).await;
    assert_eq!(at_work.outcome("cool").await, ended("confirmed", None));

    at_work.world.scenario(&at_work.vin, "park").await;
    at_work.listener.expect(&at_work.topic("driving"), "OFF").await;
    // In neutral a car stands and may roll.
    at_work.world.patch(&at_work.vin, json!({"1010": 2})).await;
    at_work.listener.expect(&at_work.topic("gear"), "N").await;
    at_work.ask(json!({"command": "trunk-open", "id": "neutral"})).await;
    assert_eq!(at_work.outcome("neutral").await, ended("refused", Some("not_in_park")));
    assert_eq!(writes(&at_work).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_that_are_no_command_get_a_reason_and_nothing_is_written() {
    let Some(mut at_work) = a_car(|_| {}).await else { return };
    let long = vec![b' '; 70 * 1024];
    let cases: &[(&str, &[u8], &str)] = &[
        ("command", b"\xff\xfe\x00", "invalid_payload"),
        ("command", b"unlock", "invalid_payload"),
        ("command", b"[]", "invalid_payload"),
        ("command", b"{\"command\":5}", "invalid_payload"),
        ("command", &long, "invalid_payload"),
        (
            "command",
            b"{\"command\":\"unlock\",\"params\":{\"x\":1}}",
            "invalid_payload",
        ),
        ("command", b"{\"command\":\"charge-limit\"}", "missing_parameter"),
        (
            "command",
            b"{\"command\":\"charge-limit\",\"params\":{\"percent\":\"\\u0000\"}}",
            "invalid_payload",
        ),
        (
            "command",
            b"{\"command\":\"charge-limit\",\"params\":{\"percent\":1e999}}",
            "invalid_payload",
        ),
        (
            "command",
            b"{\"command\":\"charge-limit\",\"params\":{\"percent\":101}}",
            "out_of_range",
        ),
        ("door_lock/set", b"\xff", "invalid_payload"),
        ("door_lock/set", b"unlock", "invalid_payload"),
        ("charge_limit/set", b"NaN", "out_of_range"),
        ("charge_limit/set", b"eighty", "invalid_payload"),
    ];
    let result = at_work.topic("command/result");
    for (topic, payload, reason) in cases {
        at_work.listener.forget();
        let topic = at_work.topic(topic);
        let client = &at_work.listener.client;
        let qos = rumqttc::v5::mqttbytes::QoS::AtLeastOnce;
        client.publish(&topic, qos, false, payload.to_vec()).await.unwrap();
        let start: String = String::from_utf8_lossy(payload).chars().take(60).collect();
        let answer = eventually(&format!("an answer to {start}"), PATIENCE, async || {
            let answers = at_work.listener.messages();
            answers
                .into_iter()
                .find_map(|(topic, answer)| (topic == result).then_some(answer))
        })
        .await;
        assert!(
            answer.contains("\"refused\"") && answer.contains(reason),
            "{topic} {start}: {answer}"
        );
    }
    assert_eq!(writes(&at_work).await, []);
    assert!(at_work.bridge.is_running());
}
