//! The account's session: other clients that sign in, restarts, days of waiting.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::print_stdout, reason = "the number of sign-ins is worth knowing")]

mod support;

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use support::at_work::AtWork;
use support::listener::Listener;
use support::mosquitto::Mosquitto;
use support::world::{World, eventually, side_by_side};

const PATIENCE: Duration = Duration::from_secs(30);
const SIGN_IN: &str = "/acct/v1/login";
const REFRESH: &str = "/token/refresh";
const LIST: &str = "/vehicle/v1/list";
const PROBLEM: &str = "leapmotor2mqtt/bridge/bridge_problem";
const CONNECTED: &str = "leapmotor2mqtt/bridge/bridge_cloud";

async fn evict(world: &World) {
    world.order(json!({"kind": "evict"})).await;
}

/// When each request with this end of its path was made.
async fn times(world: &World, path_end: &str) -> Vec<Timestamp> {
    let requests = world.requests().await;
    requests
        .iter()
        .filter(|request| request["path"].as_str().unwrap().ends_with(path_end))
        .map(|request| request["time"].as_str().unwrap().parse().unwrap())
        .collect()
}

async fn signed_in(world: &World, times: usize) {
    eventually(&format!("{times} sign-ins"), PATIENCE, async || {
        (world.count(SIGN_IN).await == times).then_some(())
    })
    .await;
}

fn minutes_between(times: &[Timestamp]) -> Vec<i64> {
    times
        .windows(2)
        .map(|pair| pair[1].duration_since(pair[0]).as_mins())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_evictions_and_ten_restarts_in_an_hour_cause_five_sign_ins_at_most() {
    side_by_side(2, [0, 10], few_sign_ins_in_spite_of_evictions).await;
}

async fn few_sign_ins_in_spite_of_evictions(yield_minutes: u32) {
    let Some(broker) = Mosquitto::start() else { return };
    let world = World::at_speed(120, &["T03"]);
    let mut configuration = world.configuration(broker.port());
    configuration["session"] = json!({"yield_minutes": yield_minutes});
    let listener = Listener::connect(broker.port()).await;
    for restart in 0..10_u64 {
        listener.forget();
        let mut bridge = world.bridge(&configuration);
        listener.expect("leapmotor2mqtt/bridge/state", "online").await;
        for eviction in 0..10 {
            world.until(Duration::from_secs(36 * (10 * restart + eviction))).await;
            evict(&world).await;
        }
        assert_eq!(bridge.stop(), Some(0));
    }
    let sign_ins = times(&world, SIGN_IN).await;
    println!(
        "giving way for {yield_minutes} minutes: {} sign-ins in {:?}",
        sign_ins.len(),
        world.elapsed()
    );
    assert!(sign_ins.len() >= 2, "the bridge never came back");
    let within_an_hour = sign_ins
        .windows(6)
        .find(|six| six[5].duration_since(six[0]).as_hours() < 1);
    assert_eq!(within_an_hour, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_bridge_gives_way_to_the_phone_and_comes_back_later_each_time() {
    let Some(mut at_work) = AtWork::in_world(World::at_speed(120, &["C10"]), |_, configuration| {
        configuration["polling"] = json!({"parked_seconds": 30});
    })
    .await
    else {
        return;
    };
    at_work.listener.expect(CONNECTED, "ON").await;
    let mut taken_over = Vec::new();
    for turn in 1..=2 {
        evict(&at_work.world).await;
        at_work.listener.expect(&at_work.topic("poll_phase"), "yielding").await;
        taken_over.push(*times(&at_work.world, REFRESH).await.last().unwrap());
        at_work.listener.expect(CONNECTED, "OFF").await;
        at_work.listener.expect(PROBLEM, "OFF").await;
        let attributes = &at_work.listener.latest()[&format!("{PROBLEM}/attributes")];
        let attributes: Value = serde_json::from_str(attributes).unwrap();
        assert_eq!(attributes["cause"], "yielding");
        assert!(
            attributes["remedy"].as_str().unwrap().contains("Reconnect"),
            "{attributes}"
        );
        assert_eq!(at_work.listener.latest()[&at_work.topic("availability")], "online");
        if turn == 1 {
            // A restart is no reason to throw the owner out of the app.
            let requests = at_work.world.requests().await.len();
            at_work.restart();
            at_work.listener.expect(CONNECTED, "OFF").await;
            assert_eq!(at_work.world.requests().await.len(), requests);
        }
        signed_in(&at_work.world, turn + 1).await;
        at_work.listener.expect(CONNECTED, "ON").await;
        eventually("the car is read again", PATIENCE, async || {
            (at_work.listener.latest().get(&at_work.topic("poll_phase"))? != "yielding").then_some(())
        })
        .await;
    }
    let returned = times(&at_work.world, SIGN_IN).await;
    let pauses: Vec<i64> = taken_over
        .iter()
        .zip(&returned[1..])
        .map(|(lost, back)| back.duration_since(*lost).as_mins())
        .collect();
    assert!((10..14).contains(&pauses[0]), "{pauses:?}");
    assert!((20..24).contains(&pauses[1]), "{pauses:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_or_a_refresh_of_the_owner_brings_the_bridge_back_at_once() {
    let Some(at_work) = AtWork::in_world(World::at_speed(30, &["C10"]), |_, configuration| {
        configuration["session"] = json!({"yield_minutes": 240});
    })
    .await
    else {
        return;
    };
    at_work.listener.expect(&at_work.topic("door_lock"), "LOCKED").await;
    another_sign_in_is_allowed(&at_work.world).await;
    evict(&at_work.world).await;
    at_work.listener.expect(&at_work.topic("poll_phase"), "yielding").await;
    at_work.ask(json!({"command": "unlock", "id": "now"})).await;
    at_work
        .listener
        .expect_message(&at_work.topic("command/result"), &["\"now\"", "\"confirmed\""])
        .await;
    assert_eq!(at_work.world.count(SIGN_IN).await, 2);
    at_work.listener.expect(CONNECTED, "ON").await;

    another_sign_in_is_allowed(&at_work.world).await;
    evict(&at_work.world).await;
    at_work.listener.expect(&at_work.topic("poll_phase"), "yielding").await;
    at_work
        .listener
        .publish(&at_work.topic("refresh/set"), "PRESS", false)
        .await;
    signed_in(&at_work.world, 3).await;
    at_work.listener.expect(CONNECTED, "ON").await;
}

/// The ration of sign-ins holds for the owner too: waits until the last one is long enough ago.
async fn another_sign_in_is_allowed(world: &World) {
    eventually("a minute has passed", PATIENCE, async || {
        let sign_ins = times(world, SIGN_IN).await;
        let last = sign_ins.last()?.duration_since(sign_ins[0]).as_secs();
        (world.elapsed().as_secs() as i64 - last > 90).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_outlives_restarts_and_is_refreshed_rather_than_begun_anew() {
    let Some(mut at_work) = AtWork::in_world(World::at_speed(240, &["T03"]), |_, _| {}).await else {
        return;
    };
    let mut devices = Vec::new();
    for restart in 0..=5 {
        let mut lists = 0;
        if restart > 0 {
            lists = at_work.world.count(LIST).await;
            at_work.restart();
            devices.push(sealed_device_id(&at_work.world));
        }
        at_work.listener.expect(CONNECTED, "ON").await;
        eventually("the bridge reads", PATIENCE, async || {
            (at_work.world.count(LIST).await > lists).then_some(())
        })
        .await;
    }
    devices.dedup();
    assert_eq!(devices.len(), 1, "the device id stays");
    assert_eq!(at_work.world.count(SIGN_IN).await, 1);
    // The token lasts half an hour; the first read after that meets its end.
    eventually("the token was refreshed twice", PATIENCE, async || {
        (at_work.world.count(REFRESH).await >= 2).then_some(())
    })
    .await;
    assert_eq!(at_work.world.count(SIGN_IN).await, 1);
    let sealed = std::fs::read_to_string(at_work.world.directory.path().join("data/secrets.json")).unwrap();
    for field in ["refresh_token", "private_key", "BEGIN", "rt."] {
        assert!(!sealed.contains(field), "{field} lies open in the vault");
    }
}

/// The device id as the vault holds it: sealed, so that only whether it stays can be seen.
fn sealed_device_id(world: &World) -> String {
    let vault = std::fs::read_to_string(world.directory.path().join("data/secrets.json")).unwrap();
    let vault: Value = serde_json::from_str(&vault).unwrap();
    let values = vault["data"].as_object().unwrap();
    let (_, sealed) = values.iter().find(|(name, _)| name.starts_with("device_id")).unwrap();
    sealed.as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_is_sent_once_in_a_day_with_five_restarts() {
    let Some(broker) = Mosquitto::start() else { return };
    let world = World::at_speed(7200, &["T03"]);
    let mut configuration = world.configuration(broker.port());
    configuration["accounts"][0]["password"] = json!("wrong-password");
    let listener = Listener::connect(broker.port()).await;
    for life in 1..=6 {
        listener.forget();
        let mut bridge = world.bridge(&configuration);
        listener
            .expect("leapmotor2mqtt/bridge/bridge_reauth_needed", "ON")
            .await;
        listener.expect(PROBLEM, "ON").await;
        world.until(Duration::from_secs(life * 4 * 3600 + 1800)).await;
        assert_eq!(bridge.stop(), Some(0));
    }
    assert!(world.elapsed() > Duration::from_secs(24 * 3600));
    assert_eq!(world.requests().await.len(), 1, "nothing but one sign-in is ever asked");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_asked_before_the_clock_is_set_not_even_with_a_kept_session() {
    let Some(mut at_work) = AtWork::with(&["T03"], |_, _| {}).await else {
        return;
    };
    at_work.listener.expect(CONNECTED, "ON").await;
    assert_eq!(at_work.bridge.stop(), Some(0));
    at_work.listener.forget();
    let asked = at_work.world.requests().await.len();
    let unset =
        json!({"start": "1970-01-01T00:01:00Z", "wall_start": at_work.world.cloud["clock"]["wall_start"], "factor": 1});
    let configuration = at_work.world.configuration(at_work.broker.port());
    let _bridge = at_work.world.bridge_by_clock(&configuration, &unset);
    at_work
        .listener
        .expect_message(&format!("{PROBLEM}/attributes"), &["clock_not_set"])
        .await;
    at_work.listener.expect(CONNECTED, "OFF").await;
    assert_eq!(at_work.world.requests().await.len(), asked);
}

#[tokio::test(flavor = "multi_thread")]
async fn sign_ins_that_fail_come_ever_more_rarely() {
    let world = World::at_speed(600, &["T03"]);
    world
        .order(json!({"kind": "code", "path": SIGN_IN, "code": 39, "times": 0}))
        .await;
    let Some(at_work) = AtWork::in_world(world, |_, _| {}).await else {
        return;
    };
    eventually("six sign-ins", PATIENCE, async || {
        (at_work.world.count(SIGN_IN).await >= 6).then_some(())
    })
    .await;
    let pauses = minutes_between(&times(&at_work.world, SIGN_IN).await);
    assert!(pauses.is_sorted(), "{pauses:?}");
    assert!(*pauses.last().unwrap() >= 15, "{pauses:?}");
}
