//! Several accounts: none delays another, and a car that two of them have appears once.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use reqwest::Method;
use serde_json::{Value, json};

use support::at_work::AtWork;
use support::mosquitto::Mosquitto;
use support::world::{World, eventually};

const PATIENCE: Duration = Duration::from_secs(30);
/// A deadline so late that only the bridge's own limit counts: a busy machine is slow.
const LATER: &str = "2100-01-01T00:00:00Z";

fn name(world: &World, account: usize) -> String {
    world.cloud["accounts"][account]["username"]
        .as_str()
        .unwrap()
        .to_owned()
}

fn vin(world: &World, account: usize) -> String {
    world.cloud["accounts"][account]["cars"][0]["vin"]
        .as_str()
        .unwrap()
        .to_owned()
}

/// The requests with this end of their path that an account made about a car.
fn about<'a>(requests: &'a [Value], path: &str, account: &str, vin: &str) -> Vec<&'a Value> {
    requests
        .iter()
        .filter(|request| request["path"].as_str().unwrap().contains(path))
        .filter(|request| request["account"] == account && request["vin"] == vin)
        .collect()
}

fn time(request: &Value) -> Timestamp {
    request["time"].as_str().unwrap().parse().unwrap()
}

/// A car read every five seconds all day takes more than the usual budget.
fn spend_freely(configuration: &mut Value) {
    configuration["polling"]["daily_requests"] = json!(100_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_locked_a_slow_and_a_taken_over_account_never_delay_another() {
    let Some(broker) = Mosquitto::start() else { return };
    let world = World::with_arguments(&["--car", "T03", "--accounts", "4", "--speed", "5"]);
    let [good, locked, slow, shared] = [0, 1, 2, 3].map(|account| name(&world, account));
    world
        .order(json!({"kind": "code", "path": "/login", "account": locked, "code": 61, "times": 0}))
        .await;
    world
        .order(json!({"kind": "delay", "account": slow, "seconds": 12, "times": 0}))
        .await;
    let at_work = AtWork::start(world, broker, |_, configuration| spend_freely(configuration)).await;
    let world = &at_work.world;
    let vin = vin(world, 0);
    let lock = format!("leapmotor2mqtt/{vin}/door_lock");
    at_work.listener.expect(&lock, "LOCKED").await;
    world.order(json!({"kind": "evict", "account": shared})).await;
    let start = world.requests().await.len();
    world.pass(Duration::from_secs(60)).await;

    let requests = world.requests().await.split_off(start);
    let reads = about(&requests, "/status/get/", &good, &vin);
    let gaps: Vec<_> = reads
        .windows(2)
        .map(|pair| time(pair[1]).duration_since(time(pair[0])).as_secs())
        .collect();
    assert!(reads.len() >= 3, "{} reads in a minute", reads.len());
    assert!(
        gaps.iter().all(|gap| *gap < 50),
        "a read every 5 s, at gaps of {gaps:?}"
    );
    assert_eq!(about(&requests, "/status/get/", &slow, &vin).len(), 0);

    let asked = std::time::Instant::now();
    at_work.ask(json!({"command": "unlock", "id": "good"})).await;
    at_work
        .listener
        .expect_message(&at_work.topic("command/result"), &["\"good\"", "\"confirmed\""])
        .await;
    assert!(asked.elapsed() < Duration::from_secs(11), "{:?}", asked.elapsed());

    // The worst account counts, the list is in the attributes.
    let bridge = |key: &str| format!("leapmotor2mqtt/bridge/{key}");
    at_work.listener.expect(&bridge("bridge_problem"), "ON").await;
    at_work.listener.expect(&bridge("bridge_cloud"), "OFF").await;
    let list = &at_work.listener.latest()[&bridge("bridge_cloud/attributes")];
    let list: Value = serde_json::from_str(list).unwrap();
    let causes: Vec<_> = list["accounts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| &row["cause"])
        .collect();
    assert_eq!([causes[0], causes[1], causes[3]], ["ok", "auth", "yielding"], "{list}");
    let mut worst = at_work.listener.latest()[&bridge("bridge_problem/attributes")].clone();
    assert!(worst.contains("locked"), "{worst}");
    worst.retain(|character| character != '…');
    assert!(!worst.contains(&locked), "addresses are masked");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_car_that_waits_for_its_result_never_delays_another() {
    let Some(at_work) = AtWork::with(&["C10", "B10"], |_, _| {}).await else {
        return;
    };
    let (waiting, other) = (at_work.world.vin(0), at_work.world.vin(1));
    for vin in [&waiting, &other] {
        at_work
            .listener
            .expect(&format!("leapmotor2mqtt/{vin}/door_lock"), "LOCKED")
            .await;
    }
    at_work.world.order(json!({"kind": "command_timeout"})).await;
    // The first result takes as long as it likes; nobody else's does.
    at_work
        .world
        .order(json!({"kind": "delay", "path": "/result/query", "seconds": 20}))
        .await;
    at_work
        .ask(json!({"command": "unlock", "id": "waiting", "expires": LATER}))
        .await;
    eventually("the first command is written", PATIENCE, async || {
        (at_work.world.count("/result/query").await > 0).then_some(())
    })
    .await;
    let asked = std::time::Instant::now();
    at_work
        .listener
        .publish(
            &format!("leapmotor2mqtt/{other}/command"),
            &json!({"command": "unlock", "id": "other", "expires": LATER}).to_string(),
            false,
        )
        .await;
    at_work
        .listener
        .expect_message(
            &format!("leapmotor2mqtt/{other}/command/result"),
            &["\"other\"", "\"confirmed\""],
        )
        .await;
    assert!(asked.elapsed() < Duration::from_secs(18), "{:?}", asked.elapsed());
    assert_eq!(at_work.answers("waiting").len(), 1, "accepted, and nothing more yet");
}

/// Two accounts, the second named first in the configuration; the first one's car is shared to it. The owner's PIN in
/// the configuration is wrong.
async fn with_a_shared_car() -> Option<AtWork> {
    let broker = Mosquitto::start()?;
    let world = World::with_arguments(&["--car", "C10", "--accounts", "2", "--speed", "5"]);
    let shared = json!({"account": name(&world, 1), "vin": vin(&world, 0), "accepted": true});
    world.control(Method::POST, "/shares", Some(shared)).await;
    // The share takes a moment to spread.
    world.pass(Duration::from_secs(4)).await;
    let at_work = AtWork::start(world, broker, |world, configuration| {
        let accounts = configuration["accounts"].as_array_mut().unwrap();
        let mut car = accounts[0]["cars"][0].clone();
        accounts[0]["cars"][0]["pin"] = json!("0000");
        car["name"] = json!("Ours");
        assert_eq!(car["vin"], json!(vin(world, 0)));
        accounts[1]["cars"].as_array_mut().unwrap().push(car);
        accounts.reverse();
        spend_freely(configuration);
    })
    .await;
    at_work.listener.expect(&at_work.topic("door_lock"), "LOCKED").await;
    Some(at_work)
}

/// How often each account reads the car from now on, once one has done so three times.
async fn readers(at_work: &AtWork) -> BTreeMap<String, usize> {
    let start = at_work.world.requests().await.len();
    eventually("somebody reads the car", PATIENCE, async || {
        let requests = at_work.world.requests().await.split_off(start);
        let reads: BTreeMap<String, usize> = [0, 1]
            .map(|account| name(&at_work.world, account))
            .into_iter()
            .map(|account| {
                let reads = about(&requests, "/status/get/", &account, &at_work.vin).len();
                (account, reads)
            })
            .collect();
        reads.values().any(|reads| *reads >= 3).then_some(reads)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_car_shared_to_two_accounts_appears_once_and_the_other_takes_over_when_it_is_lost() {
    let Some(at_work) = with_a_shared_car().await else {
        return;
    };
    let world = &at_work.world;
    let (owner, guest) = (name(world, 0), name(world, 1));
    // The guest may have been first, until the owner's list was there.
    readers(&at_work).await;
    assert_eq!(readers(&at_work).await[&guest], 0);
    let latest = at_work.listener.latest();
    let devices: Vec<_> = latest
        .keys()
        .filter(|topic| topic.starts_with("homeassistant/device/leapmotor2mqtt_LFZ"))
        .collect();
    assert_eq!(devices.len(), 2, "one per car: {devices:?}");
    assert!(latest[&format!("homeassistant/device/leapmotor2mqtt_{}/config", at_work.vin)].contains("Ours"));

    let heard = at_work.listener.messages().len();
    let lost = json!({"account": owner, "vin": at_work.vin});
    world.control(Method::DELETE, "/shares", Some(lost)).await;
    let start = world.requests().await.len();
    eventually("the guest reads it", PATIENCE, async || {
        let requests = world.requests().await.split_off(start);
        (!about(&requests, "/status/get/", &guest, &at_work.vin).is_empty()).then_some(())
    })
    .await;
    assert_eq!(readers(&at_work).await[&owner], 0);
    let changes: Vec<_> = at_work.listener.messages().split_off(heard);
    let shaken = changes.iter().find(|(topic, payload)| {
        let was_known = latest
            .get(topic)
            .is_some_and(|before| !matches!(before.as_str(), "" | "None"));
        topic.contains(&at_work.vin) && was_known && (payload == "None" || payload == "offline")
    });
    assert_eq!(shaken, None, "what was known of the car stays known");

    at_work.ask(json!({"command": "unlock", "id": "guest"})).await;
    at_work
        .listener
        .expect_message(&at_work.topic("command/result"), &["\"guest\"", "\"confirmed\""])
        .await;
    let requests = world.requests().await;
    assert_eq!(
        about(&requests, "/remote/ctl", &guest, &at_work.vin).len(),
        1,
        "the write went through the guest's account"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn accounts_that_share_a_car_have_pins_of_their_own() {
    let Some(at_work) = with_a_shared_car().await else {
        return;
    };
    let (owner, guest) = (name(&at_work.world, 0), name(&at_work.world, 1));
    readers(&at_work).await;
    at_work.ask(json!({"command": "unlock", "id": "owner"})).await;
    at_work
        .listener
        .expect_message(&at_work.topic("command/result"), &["\"owner\"", "\"pin_rejected\""])
        .await;
    at_work.ask(json!({"command": "unlock", "id": "guest"})).await;
    at_work
        .listener
        .expect_message(&at_work.topic("command/result"), &["\"guest\"", "\"confirmed\""])
        .await;
    let requests = at_work.world.requests().await;
    let checks = |account: &str| about(&requests, "/operPwd/verify", account, &at_work.vin).len();
    assert_eq!((checks(&owner), checks(&guest)), (1, 1));
}
