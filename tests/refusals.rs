//! What the bridge does about each refusal of the cloud: at the sign-in, at a read, at a command.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::ops::RangeInclusive;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use reqwest::Method;
use serde_json::{Value, json};

use support::at_work::AtWork;
use support::mosquitto::Mosquitto;
use support::world::{World, eventually, side_by_side};

const PATIENCE: Duration = Duration::from_secs(30);
const SIGN_IN: &str = "/acct/v1/login";
const STATUS: &str = "/status/get/c10";

/// How many worlds there are at a time; most of the time they wait.
const AT_ONCE: usize = 4;

/// A deadline for what opens the car: its usual half a minute may be over before a busy machine looks at it.
const LATER: &str = "2099-01-01T00:00:00Z";

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

/// When the cloud got a request.
fn time(request: &Value) -> Timestamp {
    request["time"].as_str().unwrap().parse().unwrap()
}

/// How many of these requests, of which there is one, were made in the five minutes that began with the first. A slow
/// machine makes fewer of them, never more.
fn in_five_minutes<'a>(requests: impl Iterator<Item = &'a Value>) -> usize {
    let times: Vec<Timestamp> = requests.map(time).collect();
    let end = times[0] + SignedDuration::from_mins(5);
    times.iter().filter(|time| **time < end).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_refusal_of_a_sign_in_has_its_pace_and_is_shown_to_the_owner_who_must_act() {
    // The fault, the sign-ins of five minutes, what is shown as the error, whether the owner must act.
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
    side_by_side(AT_ONCE, table, a_sign_in_is_refused).await;
}

async fn a_sign_in_is_refused((fault, sign_ins, error, must_act): (Value, RangeInclusive<usize>, &'static str, bool)) {
    let Some(broker) = Mosquitto::start() else { return };
    let world = World::at_speed(75, &["T03"]);
    world.order(lasting(&fault, SIGN_IN)).await;
    let at_work = AtWork::start(world, broker, |_, _| {}).await;
    let bridge = |key: &str| format!("leapmotor2mqtt/bridge/{key}");
    at_work.listener.expect(&bridge("bridge_last_error"), error).await;
    let flag = if must_act { "ON" } else { "OFF" };
    at_work.listener.expect(&bridge("bridge_problem"), flag).await;
    at_work.listener.expect(&bridge("bridge_cloud"), "OFF").await;
    at_work.world.pass(Duration::from_secs(300)).await;
    // Nothing but sign-ins is asked of a cloud that lets nobody in.
    let made = in_five_minutes(at_work.world.requests().await.iter());
    assert!(sign_ins.contains(&made), "{fault}: {made} sign-ins, not {sign_ins:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_refusal_of_a_read_has_its_pace_and_ends_with_the_fault() {
    // The fault and the reads that meet it in five minutes; without a fault it would be 60.
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
    side_by_side(AT_ONCE, table, a_read_is_refused).await;
}

async fn a_read_is_refused((fault, reads): (Value, RangeInclusive<usize>)) {
    let world = World::at_speed(40, &["C10"]);
    let Some(at_work) = AtWork::in_world(world, |_, configuration| {
        configuration["polling"]["daily_requests"] = json!(100_000);
    })
    .await
    else {
        return;
    };
    let phase = at_work.topic("poll_phase");
    at_work.listener.expect(&at_work.topic("door_lock"), "LOCKED").await;
    at_work.world.order(lasting(&fault, STATUS)).await;
    at_work.listener.expect(&phase, "backoff").await;
    at_work.world.pass(Duration::from_secs(300)).await;
    let requests = at_work.world.requests().await;
    let refused = requests
        .iter()
        .filter(|request| request["path"].as_str().unwrap().ends_with(STATUS) && request["code"] != json!(0));
    let made = in_five_minutes(refused);
    assert!(reads.contains(&made), "{fault}: {made} reads, not {reads:?}");
    assert_eq!(at_work.world.count(SIGN_IN).await, 1, "{fault}");

    at_work.world.control(Method::DELETE, "/faults", None).await;
    let heard = at_work.listener.messages().len();
    at_work
        .listener
        .publish(&at_work.topic("refresh/set"), "PRESS", false)
        .await;
    // It lasts a minute, which is over before a busy machine looks twice.
    eventually(&format!("{fault}: a boost"), PATIENCE, async || {
        let mut news = at_work.listener.messages().split_off(heard).into_iter();
        news.any(|(topic, payload)| topic == phase && payload == "boost")
            .then_some(())
    })
    .await;
    at_work.listener.expect(&at_work.topic("availability"), "online").await;
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
        at_work
            .ask(json!({"command": "unlock", "id": id, "expires": LATER}))
            .await;
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
    at_work
        .ask(json!({"command": "unlock", "id": "one", "expires": LATER}))
        .await;
    at_work.listener.expect(&at_work.topic("door_lock"), "UNLOCKED").await;
    assert_eq!(at_work.world.writes().await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_that_is_refused_keeps_the_next_one_waiting_like_any_other() {
    let world = World::at_speed(20, &["C10"]);
    let Some(at_work) = AtWork::in_world(world, |_, configuration| {
        configuration["commands"]["spacing_seconds"] = json!(60);
    })
    .await
    else {
        return;
    };
    at_work.listener.expect(&at_work.topic("door_lock"), "LOCKED").await;
    let mut refused = code(39);
    refused["path"] = json!("/remote/ctl");
    at_work.world.order(refused).await;
    for id in ["refused", "next"] {
        at_work
            .ask(json!({"command": "unlock", "id": id, "expires": LATER}))
            .await;
        at_work.outcome(id).await;
    }
    let requests = at_work.world.requests().await;
    let writes: Vec<Timestamp> = requests
        .iter()
        .filter(|request| request["path"].as_str().unwrap().ends_with("/remote/ctl"))
        .map(time)
        .collect();
    assert_eq!(writes.len(), 2);
    // A request takes a moment to arrive, on the fast clock some seconds.
    let gap = writes[1].duration_since(writes[0]).as_secs();
    assert!(gap >= 45, "{gap} s");
}
