//! What the bridge does about each refusal of the cloud: at the sign-in, at a read, at a command.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use support::at_work::AtWork;
use support::mosquitto::Mosquitto;
use support::world::{World, eventually};

const PATIENCE: Duration = Duration::from_secs(30);
const SIGN_IN: &str = "/acct/v1/login";
const STATUS: &str = "/status/get/c10";

fn code(code: i64) -> Value {
    json!({"kind": "code", "code": code})
}

fn http(status: u16) -> Value {
    json!({"kind": "http", "code": status})
}

fn kind(kind: &str) -> Value {
    json!({"kind": kind})
}

/// The fault on this path until it is taken back.
fn lasting(fault: &Value, path: &str) -> Value {
    let mut fault = fault.clone();
    fault["path"] = json!(path);
    fault["times"] = json!(0);
    fault
}

async fn pass(world: &World, time: Duration) {
    let end = world.elapsed() + time;
    eventually("time passes", PATIENCE, async || (world.elapsed() >= end).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_refusal_of_a_sign_in_has_its_pace_and_is_shown_to_the_owner_who_must_act() {
    // The fault, the sign-ins of the first five minutes, what is shown as the error, whether the owner must act.
    let table = [
        (code(3), 2..=3, "rate_limited", false),
        (code(21), 1..=1, "auth", true),
        (code(39), 2..=3, "rate_limited", false),
        (code(40), 3..=5, "server", false),
        (code(-2), 3..=5, "server", false),
        (code(100), 3..=5, "server", false),
        (code(9999), 3..=5, "server", false),
        (code(60), 1..=2, "server", true),
        (code(61), 1..=1, "auth", true),
        (http(404), 3..=5, "server", false),
        (http(429), 2..=3, "rate_limited", false),
        (http(502), 3..=5, "server", false),
        (kind("garbage"), 3..=5, "server", false),
        (kind("close"), 4..=5, "network", false),
    ];
    for (fault, sign_ins, error, must_act) in table {
        let Some(broker) = Mosquitto::start() else { return };
        let world = World::at_speed(100, &["T03"]);
        world.order(lasting(&fault, SIGN_IN)).await;
        let at_work = AtWork::start(world, broker, |_, _| {}).await;
        let bridge = |key: &str| format!("leapmotor2mqtt/bridge/{key}");
        at_work.listener.expect(&bridge("bridge_last_error"), error).await;
        let flag = if must_act { "ON" } else { "OFF" };
        at_work.listener.expect(&bridge("bridge_problem"), flag).await;
        at_work.listener.expect(&bridge("bridge_cloud"), "OFF").await;
        pass(&at_work.world, Duration::from_secs(290)).await;
        let requests = at_work.world.requests().await.len();
        assert!(
            sign_ins.contains(&requests),
            "{fault}: {requests} sign-ins, not {sign_ins:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_refusal_of_a_read_has_its_pace_and_ends_with_the_fault() {
    // The fault and the reads of the five minutes that follow; without a fault it would be 60.
    let table = [
        (code(3), 2..=10),
        (code(39), 1..=3),
        (code(40), 1..=5),
        (code(-2), 2..=5),
        (code(9999), 2..=5),
        (code(60), 1..=2),
        (http(404), 1..=4),
        (http(429), 1..=3),
        (http(502), 2..=5),
        (kind("garbage"), 2..=5),
        (kind("close"), 2..=5),
    ];
    let world = World::at_speed(60, &["C10"]);
    let Some(at_work) = AtWork::in_world(world, |_, configuration| {
        configuration["polling"]["daily_requests"] = json!(100_000);
    })
    .await
    else {
        return;
    };
    at_work.listener.expect(&at_work.topic("door_lock"), "LOCKED").await;
    for (fault, reads) in table {
        let before = at_work.world.count(STATUS).await;
        at_work.world.order(lasting(&fault, STATUS)).await;
        eventually("the fault was met", PATIENCE, async || {
            (at_work.listener.latest().get(&at_work.topic("poll_phase"))? == "backoff").then_some(())
        })
        .await;
        pass(&at_work.world, Duration::from_secs(300)).await;
        let made = at_work.world.count(STATUS).await - before;
        assert_eq!(at_work.world.count(SIGN_IN).await, 1, "{fault}");
        at_work.world.control(Method::DELETE, "/faults", None).await;
        at_work
            .listener
            .publish(&at_work.topic("refresh/set"), "PRESS", false)
            .await;
        at_work.listener.expect(&at_work.topic("poll_phase"), "boost").await;
        at_work.listener.expect(&at_work.topic("availability"), "online").await;
        // The read that was under way when the fault came, and the one that met it, count too.
        assert!(
            (*reads.start()..=reads.end() + 2).contains(&made),
            "{fault}: {made} reads, not {reads:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_refusal_of_a_command_has_its_reason_and_nothing_is_written_twice() {
    // The fault, where it strikes, and the end of the command with its reason.
    let (list, pin, write) = ("/vehicle/v1/list", "/operPwd/verify", "/remote/ctl");
    let table = [
        (code(39), list, "refused", "cloud_unavailable"),
        (code(39), pin, "refused", "cloud_unavailable"),
        (code(40), pin, "refused", "missing_right"),
        (code(3), write, "refused", "cloud_unavailable"),
        (code(39), write, "refused", "cloud_unavailable"),
        (code(40), write, "refused", "missing_right"),
        (code(-2), write, "refused", "cloud_refused"),
        (code(9999), write, "refused", "cloud_refused"),
        (code(60), write, "refused", "cloud_refused"),
        (code(61), write, "refused", "sign_in_needed"),
        (http(429), write, "refused", "cloud_unavailable"),
        (http(404), write, "not_confirmed", "timeout"),
        (http(502), write, "not_confirmed", "timeout"),
        (kind("garbage"), write, "not_confirmed", "timeout"),
        (kind("close"), write, "not_confirmed", "timeout"),
        // Last, since no command is sent any more until the PIN changes.
        (code(31), pin, "refused", "pin_rejected"),
    ];
    let world = World::at_speed(60, &["C10"]);
    let Some(at_work) = AtWork::in_world(world, |_, _| {}).await else {
        return;
    };
    at_work.listener.expect(&at_work.topic("door_lock"), "LOCKED").await;
    for (index, (mut fault, path, state, reason)) in table.into_iter().enumerate() {
        let writes = at_work.world.writes().await.len();
        fault["path"] = json!(path);
        at_work.world.order(fault.clone()).await;
        let id = format!("command {index}");
        at_work.ask(json!({"command": "unlock", "id": id})).await;
        let ended = at_work.outcome(&id).await;
        assert_eq!(ended, (state.to_owned(), Some(reason.to_owned())), "{fault}");
        let written = at_work.world.writes().await.len() - writes;
        assert_eq!(
            written,
            usize::from(path == write),
            "{fault}: it is written once at most"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_ends_before_the_write_is_renewed_and_the_command_goes_through_once() {
    let world = World::at_speed(20, &["C10"]);
    let Some(at_work) = AtWork::in_world(world, |_, _| {}).await else {
        return;
    };
    at_work.listener.expect(&at_work.topic("door_lock"), "LOCKED").await;
    let mut lost = code(3);
    lost["path"] = json!("/operPwd/verify");
    at_work.world.order(lost).await;
    at_work.ask(json!({"command": "unlock", "id": "one"})).await;
    at_work.listener.expect(&at_work.topic("door_lock"), "UNLOCKED").await;
    assert_eq!(at_work.world.writes().await.len(), 1);
}
