//! Where the rounds are played: a simulated cloud, a broker that can be killed, the bridge as a process, and somebody
//! who sends commands.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use reqwest::Method;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::Packet;
use rumqttc::v5::{AsyncClient, Event, MqttOptions};
use serde_json::{Map, Value, json};
use tokio::time::{Instant, sleep, timeout};

use super::orders::Order;
use super::ration;
use super::story::{Ask, CARS, Step, Way, What};
use super::truth::{self, Retained};
use crate::support::client;
use crate::support::listener::Listener;
use crate::support::mosquitto::Mosquitto;
use crate::support::process::{self, Program};
use crate::support::world::{World, eventually};

/// Simulated seconds per real one. A minute between two sign-ins is then a second, an hour a minute: long enough to be
/// told apart, and short enough for a run to last many hours.
pub const SPEED: f64 = 60.0;

/// How long everything may take to be right again, real.
pub const RECOVERY: Duration = Duration::from_secs(60);

/// How long one frozen status is compared with, before a fresh one is taken: values of a driving car grow old.
const LOOK: Duration = Duration::from_secs(4);

/// How long the broker may take to acknowledge a command.
const SENDING: Duration = Duration::from_secs(2);

/// Facts that are read slowly, from which the calm before is recognised.
const SLOW_FACTS: [&str; 4] = ["vehicle_image", "vehicle_software", "mileage_7d", "consumption_rank"];

/// Everybody who takes part.
pub struct Stage {
    pub world: World,
    pub orders: Vec<Order>,
    pub counts: Counts,
    broker: Mosquitto,
    bridge: Program,
    configuration: Value,
    listener: Listener,
    /// What the broker held before the first round.
    calm: Retained,
    messages: u32,
}

/// What has happened so far, by its name.
#[derive(Debug, Default)]
pub struct Counts(BTreeMap<String, u32>);

impl Counts {
    pub fn add(&mut self, what: impl Into<String>) {
        *self.0.entry(what.into()).or_default() += 1;
    }

    /// The names that begin like this, with their counts.
    pub fn line(&self, prefix: &str) -> String {
        let named = self
            .0
            .iter()
            .filter_map(|(name, count)| Some((name.strip_prefix(prefix)?, count)));
        named
            .map(|(name, count)| format!("{name} {count}"))
            .collect::<Vec<_>>()
            .join(", ")
    }
}

/// How a round ended well.
pub struct Recovery {
    /// How long it took until everything was right, real.
    pub took: Duration,
    /// How much of it the ration of sign-ins asked for.
    pub rationed: Duration,
}

impl Stage {
    /// Everything at work, and all that is known in the calm before; `None` where there is no broker to be had.
    pub async fn set() -> Option<Self> {
        let broker = Mosquitto::start()?;
        let world = World::at_speed(SPEED, &CARS);
        let mut configuration = world.configuration(broker.port());
        configuration["time_zone"] = json!("UTC");
        configuration["polling"] = json!({"parked_seconds": 60, "driving_seconds": 15, "daily_requests": 50_000});
        configuration["commands"] = json!({"spacing_seconds": 10});
        // Giving way to another client has tests of its own; here it would take up most of the time.
        configuration["session"] = json!({"yield_minutes": 1});
        let listener = Listener::connect(broker.port()).await;
        let bridge = world.bridge(&configuration);
        let mut stage = Self {
            world,
            orders: Vec::new(),
            counts: Counts::default(),
            broker,
            bridge,
            configuration,
            listener,
            calm: Retained::new(),
            messages: 0,
        };
        stage.calm = eventually("all is known before the first round", RECOVERY, async || {
            let retained = stage.retained().await;
            let is_known = |topic: String| {
                retained
                    .get(&topic)
                    .is_some_and(|value| !matches!(value.as_str(), "" | "None" | "{}"))
            };
            let known = (0..CARS.len()).all(|car| {
                SLOW_FACTS
                    .iter()
                    .all(|fact| is_known(format!("leapmotor2mqtt/{}/{fact}", stage.world.vin(car))))
            });
            known.then_some(retained)
        })
        .await;
        Some(stage)
    }

    /// The present moment, simulated.
    pub fn now(&self) -> Timestamp {
        let start: Timestamp = self.world.cloud["clock"]["start"].as_str().unwrap().parse().unwrap();
        start + SignedDuration::try_from(self.world.elapsed()).unwrap()
    }

    /// Lets something happen.
    pub async fn play(&mut self, step: &Step) {
        match step {
            Step::BrokerDies if self.broker.is_running() => {
                self.counts.add("happened: broker killed");
                self.broker.kill();
            }
            Step::BrokerReturns if !self.broker.is_running() => self.broker.run(),
            Step::BridgeDies if self.bridge.is_running() => {
                self.counts.add("happened: bridge killed");
                self.bridge.kill();
            }
            Step::BridgeReturns if !self.bridge.is_running() => self.bridge = self.world.bridge(&self.configuration),
            // Two deaths before one return are one.
            Step::BrokerDies | Step::BrokerReturns | Step::BridgeDies | Step::BridgeReturns => {}
            Step::Birth => {
                self.counts.add("happened: birth of Home Assistant");
                self.send("homeassistant/status", "online", false).await;
            }
            Step::Fault(kind, order) => {
                self.counts.add(format!("fault: {kind}"));
                self.world.control(Method::POST, "/faults", Some(order.clone())).await;
            }
            Step::Scenario(car, name) => {
                let path = format!("/cars/{}/scenario", self.world.vin(*car));
                self.world
                    .control(Method::POST, &path, Some(json!({"name": name})))
                    .await;
            }
            Step::Patch(car, signals) => {
                let path = format!("/cars/{}/signals", self.world.vin(*car));
                self.world.control(Method::PATCH, &path, Some(signals.clone())).await;
            }
            Step::Message => {
                self.messages += 1;
                self.world.control(Method::POST, "/messages", Some(json!({}))).await;
            }
            Step::Ask(ask) => self.ask(ask).await,
        }
    }

    /// Ends all trouble: nothing is dead any more and the cloud behaves.
    pub async fn calm_down(&mut self) {
        self.world.control(Method::DELETE, "/faults", None).await;
    }

    /// Waits until everything is as it should be; the differences that are left when the time is over.
    pub async fn recover(&mut self) -> Result<Recovery, Vec<String>> {
        let begun = Instant::now();
        let sign_ins = ration::sign_ins(&self.world.requests().await);
        let wait = ration::allowed_from(&sign_ins).duration_since(self.now()).as_secs_f64() / SPEED;
        let rationed = Duration::from_secs_f64(wait.max(0.0));
        let deadline = begun + rationed + RECOVERY;
        loop {
            let cars = self.freeze().await;
            let fresh_until = Instant::now() + LOOK;
            let differences = loop {
                let differences = self.differences(&cars).await;
                if differences.is_empty() || Instant::now() > fresh_until {
                    break differences;
                }
                sleep(Duration::from_millis(200)).await;
            };
            self.thaw().await;
            if differences.is_empty() {
                return Ok(Recovery {
                    took: begun.elapsed(),
                    rationed,
                });
            }
            if !self.bridge.is_running() {
                return Err(vec!["the bridge has ended by itself".to_owned()]);
            }
            if Instant::now() > deadline {
                return Err(differences);
            }
        }
    }

    /// Documents of the bridge that could not be read after a kill.
    pub fn damaged_documents(&self) -> Vec<String> {
        let files = std::fs::read_dir(self.world.directory.path().join("data")).unwrap();
        let names = files.map(|file| file.unwrap().file_name().to_string_lossy().into_owned());
        names.filter(|name| name.contains(".damaged-")).collect()
    }

    /// What was answered under the ids of commands: the states in their order. Refusals of a second delivery are left out.
    pub fn answers(&self) -> BTreeMap<String, Vec<String>> {
        let mut answers: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (topic, payload) in self.listener.messages() {
            let Some(answer) = topic
                .ends_with("/command/result")
                .then(|| serde_json::from_str::<Value>(&payload).ok())
                .flatten()
            else {
                continue;
            };
            if let (Some(id), Some(state)) = (answer["id"].as_str(), answer["state"].as_str())
                && answer["reason"] != "duplicate"
            {
                answers.entry(id.to_owned()).or_default().push(state.to_owned());
            }
        }
        answers
    }

    /// The end of what the bridge has logged.
    pub fn log_tail(&self, lines: usize) -> String {
        let log = self.bridge.log();
        let all: Vec<&str> = log.lines().collect();
        all[all.len().saturating_sub(lines)..].join("\n")
    }

    async fn ask(&mut self, ask: &Ask) {
        let vin = self.world.vin(ask.car);
        let id = format!("chaos-{}", ask.number);
        let (name, params, command, mark) = written(ask);
        let from = self.now();
        let (minutes, deliveries, retain) = match ask.way {
            Way::Live(minutes) => (i64::from(minutes), 1, false),
            Way::Twice(minutes) => (i64::from(minutes), 2, false),
            Way::Expired => (-1, 1, false),
            Way::Retained => (15, 1, true),
            Way::RetainedPress => {
                self.counts.add("sent: retained, on an entity's topic");
                let topic = format!("leapmotor2mqtt/{vin}/trunk_open_button/set");
                self.send(&topic, "PRESS", true).await;
                return;
            }
        };
        let until = from + SignedDuration::from_mins(minutes);
        let message = json!({"command": name, "params": params, "id": id, "expires": until.to_string()});
        self.counts.add(match ask.way {
            Way::Live(_) => "sent: live",
            Way::Twice(_) => "sent: twice",
            Way::Expired => "sent: expired",
            Way::Retained | Way::RetainedPress => "sent: retained",
        });
        if matches!(ask.way, Way::Live(_) | Way::Twice(_)) {
            self.orders.push(Order {
                id,
                vin: vin.clone(),
                command,
                mark,
                from,
                until,
            });
        }
        for _ in 0..deliveries {
            self.send(&format!("leapmotor2mqtt/{vin}/command"), &message.to_string(), retain)
                .await;
        }
    }

    /// Sends a message on a connection of its own. If the broker is away it is lost: whoever sends it again later would
    /// be to blame for a late command, not the bridge.
    async fn send(&mut self, topic: &str, payload: &str, retain: bool) {
        let id = format!("sender-{}", getrandom::u32().unwrap());
        let (client, mut events) = AsyncClient::new(MqttOptions::new(id, "127.0.0.1", self.broker.port()), 10);
        client
            .publish(topic, QoS::AtLeastOnce, retain, payload.to_owned())
            .await
            .unwrap();
        let acknowledged = async {
            loop {
                match events.poll().await {
                    Ok(Event::Incoming(Packet::PubAck(_))) => return true,
                    Ok(_) => {}
                    Err(_) => return false,
                }
            }
        };
        if !timeout(SENDING, acknowledged).await.unwrap_or(false) {
            self.counts.add("happened: message lost with the broker");
        }
    }

    /// Makes the cloud serve each car's present status until it is thawed, and decodes it.
    async fn freeze(&self) -> Vec<(String, Map<String, Value>)> {
        let mut cars = Vec::new();
        for (car, model) in CARS.iter().enumerate() {
            let vin = self.world.vin(car);
            let path = format!("/cars/{vin}/status");
            let status = self.world.control(Method::GET, &path, None).await;
            self.world.control(Method::PUT, &path, Some(status.clone())).await;
            let decoded = process::run(
                self.world.directory.path(),
                &["decode", "--model", model, "-"],
                &status.to_string(),
            );
            cars.push((vin, serde_json::from_slice(&decoded.stdout).unwrap()));
        }
        cars
    }

    async fn thaw(&self) {
        for car in 0..CARS.len() {
            let path = format!("/cars/{}/status", self.world.vin(car));
            self.world.control(Method::DELETE, &path, None).await;
        }
    }

    async fn differences(&self, cars: &[(String, Map<String, Value>)]) -> Vec<String> {
        let retained = self.retained().await;
        let mut differences = truth::of_bridge(self.messages, &retained);
        for (vin, decoded) in cars {
            differences.extend(truth::of_car(vin, decoded, &retained));
        }
        let is_decoded = |topic: &str| {
            cars.iter().any(|(vin, decoded)| {
                let key = topic
                    .strip_prefix("leapmotor2mqtt/")
                    .and_then(|topic| topic.strip_prefix(vin.as_str()));
                let row = key.and_then(|key| key.split('/').nth(1));
                row.is_some_and(|row| decoded.keys().any(|key| key.split('/').next() == Some(row)))
            })
        };
        differences.extend(truth::since(&self.calm, is_decoded, &retained));
        differences
    }

    async fn retained(&self) -> Retained {
        client::retained(self.broker.port(), &["leapmotor2mqtt/#", "homeassistant/#"]).await
    }
}

/// A command: its name and parameters, `cmdId` of its write, and what marks the content.
fn written(ask: &Ask) -> (&'static str, Value, &'static str, String) {
    let marked = |text: &str| text.to_owned();
    match ask.what {
        What::Lock => ("lock", json!({}), "110", marked("\"lock\"")),
        What::Unlock => ("unlock", json!({}), "110", marked("\"unlock\"")),
        What::FindCar => ("find-car", json!({}), "120", marked("true")),
        What::TrunkOpen => ("trunk-open", json!({}), "130", marked("true")),
        What::WindowsOpen => ("windows-open", json!({}), "230", marked("value")),
        What::ChargeLimit(percent) => (
            "charge-limit",
            json!({ "percent": percent }),
            "190",
            format!("\"chargesoc\":{percent}"),
        ),
        What::Destination => {
            let name = format!("place-{}-", ask.number);
            let params = json!({"latitude": 45.07, "longitude": 7.68, "address": "Via Roma 1", "address_name": name});
            ("send-destination", params, "180", name)
        }
    }
}
