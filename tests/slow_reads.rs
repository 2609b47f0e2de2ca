//! What changes slowly: which facts the garage tells, how often the simulated cloud is asked, and what it is told.

#![allow(missing_docs, reason = "a test binary has no readers of its documentation")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "what fails here fails the test")]

mod support;

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::tz::TimeZone;
use leapmotor2mqtt::clock::{Clock, SimulatedClock};
use leapmotor2mqtt::cloud::{AppCertificate, CloudSettings, Credentials, Gateway, ServerIdentity};
use leapmotor2mqtt::garage::{Account, Channels, Garage, Rules, picture, plan, settings, slow};
use leapmotor2mqtt::store::{DataDir, Redactor, Store, Vault, vault::KeySource};
use leapmotor2mqtt::vehicle::facts::{FactUpdate, Subject, Value};
use leapmotor2mqtt::vehicle::intent::{BridgeAction, Request};
use leapmotor2mqtt::vehicle::{Fleet, Vin};
use reqwest::Method;
use serde_json::{Value as Json, json};
use support::world::{World, eventually};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// A simulated minute passes in a second.
const SPEED: [&str; 2] = ["--speed", "60"];
const MINUTE: Duration = Duration::from_secs(60);
const PATIENCE: Duration = Duration::from_secs(60);

/// The ends of the paths by which a car's slow reads ask.
const OF_CAR: [&str; 7] = [
    "/carpicture/key",
    "/carpicture/package",
    "/mileage/energy/detail",
    "/charge/daily/detail/page",
    "/getLastNweeks100kmECAndRank",
    "/getLastweekEC",
    "/hotspot/fetch",
];

/// A garage at work in a simulated cloud, with one account.
struct AtWork {
    world: World,
    vin: String,
    requests: mpsc::Sender<Request>,
    fleet: watch::Receiver<Fleet>,
    facts: mpsc::Receiver<FactUpdate>,
    /// The latest of every fact told so far.
    told: BTreeMap<(Subject, &'static str), Option<Value>>,
    tasks: JoinSet<()>,
    cancel: CancellationToken,
}

impl AtWork {
    /// With one car, in a world that was prepared.
    async fn with(model: &str, prepare: impl AsyncFnOnce(&World)) -> Self {
        let world = World::with_arguments(&[&["--car", model][..], &SPEED].concat());
        prepare(&world).await;
        let clock: SimulatedClock = serde_json::from_value(world.cloud["clock"].clone()).unwrap();
        let clock = Clock::simulated(clock);
        let directory = DataDir::open(world.directory.path().join("data")).unwrap();
        let (store, writer) = Store::open(&directory);
        let vault = Vault::open(&directory, &store, KeySource::DataDir, Redactor::default()).unwrap();
        let (requests, requested) = mpsc::channel(8);
        let (reports, _) = mpsc::channel(8);
        let (facts, facts_told) = mpsc::channel(1024);
        let (fleet, fleet_seen) = watch::channel(Fleet::new());
        let channels = Channels {
            requests: requested,
            reports,
            facts,
            fleet,
            fleet_is_complete: watch::channel(false).0,
            happenings: mpsc::channel(8).0,
            log_level: Box::new(|_| {}),
        };
        let rules = Rules {
            configured: settings::Configured {
                polling: plan::Policy {
                    enabled: true,
                    parked: MINUTE,
                    driving: MINUTE,
                    charging: MINUTE,
                    quiet: None,
                },
                budget: 10_000,
                log_level: "info",
            },
            commands: Default::default(),
            spacing: Duration::ZERO,
            yield_for: Duration::ZERO,
            time_zone: TimeZone::get("Europe/Rome").unwrap(),
            language: "it".to_owned(),
        };
        let garage = Garage::new(vec![account(&world, clock)], rules, channels, clock, store, vault);
        let cancel = CancellationToken::new();
        let mut tasks = JoinSet::new();
        tasks.spawn(garage.run(cancel.clone()));
        tasks.spawn(writer.run(cancel.clone()));
        Self {
            vin: world.vin(0),
            world,
            requests,
            fleet: fleet_seen,
            facts: facts_told,
            told: BTreeMap::new(),
            tasks,
            cancel,
        }
    }

    async fn ask(&self, action: BridgeAction) {
        self.requests.send(Request::Action(action)).await.unwrap();
    }

    /// Waits for a fact about the bridge to be told as something that fits.
    async fn bridge_fact(&mut self, key: &'static str, fits: impl Fn(Option<&Value>) -> bool) -> Option<Value> {
        self.fact(Subject::Bridge, key, fits).await
    }

    /// Waits for a fact about the first car to be told as something that fits.
    async fn car_fact(&mut self, key: &'static str, fits: impl Fn(Option<&Value>) -> bool) -> Option<Value> {
        let vin = Vin::parse(&self.vin).unwrap();
        self.fact(Subject::Car(vin), key, fits).await
    }

    async fn fact(
        &mut self,
        subject: Subject,
        key: &'static str,
        fits: impl Fn(Option<&Value>) -> bool,
    ) -> Option<Value> {
        let fact = (subject, key);
        let found = tokio::time::timeout(PATIENCE, async {
            loop {
                if let Some(value) = self.told.get(&fact).filter(|value| fits(value.as_ref())) {
                    return value.clone();
                }
                let update = self.facts.recv().await.expect("the garage works");
                self.told.insert((update.subject, update.key), update.value);
            }
        });
        found.await.unwrap_or_else(|_| panic!("{key} is not told as expected"))
    }

    async fn asked(&self, path_end: &str, times: usize) {
        eventually(&format!("{path_end} asked for {times} times"), PATIENCE, async || {
            (self.world.count(path_end).await >= times).then_some(())
        })
        .await;
    }

    async fn stop(mut self) {
        self.cancel.cancel();
        while self.tasks.join_next().await.is_some() {}
    }
}

fn account(world: &World, clock: Clock) -> Account {
    let text = |name: &str| world.cloud[name].as_str().unwrap().to_owned();
    let file = |name: &str| std::fs::read(text(name)).unwrap();
    let owner = &world.cloud["accounts"][0];
    let settings = CloudSettings {
        base_url: text("base_url"),
        server_identity: ServerIdentity::Authority(file("server_ca")),
        loopback_only: true,
        ..CloudSettings::default()
    };
    let certificate = AppCertificate::from_pem(&file("app_cert"), &file("app_key")).unwrap();
    Account {
        credentials: Credentials {
            username: owner["username"].as_str().unwrap().to_owned(),
            password: owner["password"].as_str().unwrap().into(),
            p12_password: None,
        },
        gateway: Gateway::new(settings, certificate, clock).unwrap(),
        server_pin: None,
        cars: BTreeMap::new(),
    }
}

fn is_known(value: Option<&Value>) -> bool {
    value.is_some()
}

fn is(number: f64) -> impl Fn(Option<&Value>) -> bool {
    move |value| matches!(value, Some(Value::Number(told, _)) if *told == number)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_slow_fact_of_a_car_is_told_in_the_first_minutes_with_few_requests() {
    let mut at_work = AtWork::with("C10", async |_| ()).await;
    for key in slow::facts::FACTS.into_iter().chain(picture::painter::FACTS) {
        at_work.car_fact(key, |_| true).await;
    }
    at_work.car_fact("total_mileage_cloud", is_known).await;
    let Some(Value::Text(software)) = at_work.car_fact("vehicle_software", is_known).await else {
        panic!("software is a JSON text")
    };
    let software: Json = serde_json::from_str(&software).unwrap();
    assert_eq!(
        (&software["installed_version"], &software["title"]),
        (&json!("1.03.12"), &json!("Nuovo"))
    );
    for path in OF_CAR.iter().filter(|path| **path != "/getLastweekEC") {
        assert_eq!(at_work.world.count(path).await, 1, "{path}");
    }
    assert_eq!(at_work.world.count("/getLastweekEC").await, 2, "last week and today");
    at_work.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_picture_follows_the_doors_and_is_told_only_when_it_changes() {
    let mut at_work = AtWork::with("B10", async |_| ()).await;
    let closed = at_work.car_fact("vehicle_image", is_known).await;
    let signals = format!("/cars/{}/signals", at_work.vin);
    let set_door = async |at_work: &AtWork, open: u8| {
        let open = json!({"1277": open});
        at_work.world.control(Method::PATCH, &signals, Some(open)).await;
    };
    set_door(&at_work, 1).await;
    let open = at_work
        .car_fact("vehicle_image", |value| value != closed.as_ref())
        .await;
    let Some(Value::Image(png)) = &open else {
        panic!("a picture is told as one")
    };
    assert!(png.starts_with(b"\x89PNG"));
    set_door(&at_work, 0).await;
    at_work
        .car_fact("vehicle_image", |value| value == closed.as_ref())
        .await;
    assert_eq!(at_work.world.count("/carpicture/package").await, 1);
    at_work.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_charge_is_told_soon_after_it_has_ended() {
    let mut at_work = AtWork::with("C10", async |_| ()).await;
    at_work.car_fact("last_charge_energy", |_| true).await;
    let before = at_work.world.count("/charge/daily/detail/page").await;
    let scenario = format!("/cars/{}/scenario", at_work.vin);
    let play = async |at_work: &AtWork, name: &str| {
        let name = json!({"name": name});
        at_work.world.control(Method::POST, &scenario, Some(name)).await;
    };
    play(&at_work, "charge_dc").await;
    let vin = Vin::parse(&at_work.vin).unwrap();
    let charges = |fleet: &Fleet| fleet.get(&vin)?.state.as_ref()?.charging.charging;
    let mut fleet = at_work.fleet.clone();
    fleet.wait_for(|fleet| charges(fleet) == Some(true)).await.unwrap();
    play(&at_work, "park").await;
    at_work.asked("/charge/daily/detail/page", before + 1).await;
    at_work.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_is_asked_for_ever_more_rarely_and_holds_nothing_else_up() {
    let fault = json!({"kind": "http", "code": 503, "path": "/mileage/energy/detail", "times": 0});
    let mut at_work = AtWork::with("T03", async |world| {
        world.control(Method::POST, "/faults", Some(fault)).await;
    })
    .await;
    at_work.asked("/mileage/energy/detail", 3).await;
    at_work.car_fact("vehicle_software", is_known).await;
    at_work.car_fact("vehicle_image", is_known).await;
    let vin = Vin::parse(&at_work.vin).unwrap();
    assert!(at_work.fleet.borrow()[&vin].state.is_some());
    at_work.world.control(Method::DELETE, "/faults", None).await;
    at_work.car_fact("total_mileage_cloud", is_known).await;
    let asked = at_work.world.count("/mileage/energy/detail").await;
    assert!(asked < 8, "asked {asked} times in a quarter of an hour");
    at_work.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_is_counted_and_the_newest_is_shown() {
    let mut at_work = AtWork::with("C10", async |_| ()).await;
    at_work.bridge_fact("messages_unread", is(0.0)).await;
    let message = json!({"title": "Charging complete", "message": "Your car has finished charging."});
    at_work.world.control(Method::POST, "/messages", Some(message)).await;
    at_work.bridge_fact("messages_unread", is(1.0)).await;
    let title = at_work.bridge_fact("message_last_title", is_known).await;
    assert_eq!(title, Some(Value::Text("Charging complete".to_owned())));
    at_work.bridge_fact("message_last_time", is_known).await;
    at_work.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_accepted_invitation_brings_its_car_and_a_rejected_one_is_gone() {
    for accept in [true, false] {
        let mut shared = Json::Null;
        let mut at_work = AtWork::with("C10", async |world| {
            shared = world
                .control(Method::POST, "/shares", Some(json!({"car": "B10"})))
                .await;
        })
        .await;
        at_work.bridge_fact("share_invitations", is(1.0)).await;
        let Some(Value::Text(invitations)) = at_work.bridge_fact("share_invitations/attributes", is_known).await else {
            panic!("attributes are a JSON text")
        };
        assert_eq!(invitations, r#"{"invitations":[{"model":"B10","owner":"Anna"}]}"#);

        at_work.ask(BridgeAction::AnswerShare { accept }).await;
        at_work.bridge_fact("share_invitations", is(0.0)).await;

        let vin = Vin::parse(shared["vin"].as_str().unwrap()).unwrap();
        if accept {
            let mut fleet = at_work.fleet.clone();
            let appeared = fleet.wait_for(|fleet| fleet.get(&vin).is_some_and(|view| view.state.is_some()));
            tokio::time::timeout(PATIENCE, appeared).await.unwrap().unwrap();
        }
        assert_eq!(at_work.fleet.borrow().contains_key(&vin), accept);
        assert_eq!(at_work.world.count("/sharecar/setokmsg").await, 1);
        at_work.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn reconnecting_signs_in_afresh_but_not_twice_within_a_minute() {
    let mut at_work = AtWork::with("C10", async |_| ()).await;
    at_work.bridge_fact("messages_unread", is_known).await;
    let sign_ins = at_work.world.count("/acct/v1/login").await;
    assert_eq!(sign_ins, 1);
    // The first sign-in may still be less than a minute ago.
    eventually("signed in afresh", PATIENCE, async || {
        at_work.ask(BridgeAction::ReconnectCloud).await;
        (at_work.world.count("/acct/v1/login").await == 2).then_some(())
    })
    .await;
    at_work.ask(BridgeAction::ReconnectCloud).await;
    at_work.asked("/message/v1/list", 2).await;
    assert!(at_work.world.count("/acct/v1/login").await <= 3);
    at_work.stop().await;
}
