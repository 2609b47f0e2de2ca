//! The whole bridge at work, for tests of what its users see.

use std::time::Duration;

use serde_json::{Value, json};

use super::listener::Listener;
use super::mosquitto::Mosquitto;
use super::process::Program;
use super::world::{World, eventually};

/// How long a command may take to its last word.
const PATIENCE: Duration = Duration::from_secs(30);

/// A bridge at work: the world around it, the broker, somebody who listens.
pub struct AtWork {
    /// The bridge. It ends first, while there still is a file to show its log from.
    pub bridge: Program,
    /// Hears every message.
    pub listener: Listener,
    /// The broker.
    pub broker: Mosquitto,
    /// The simulated cloud and everybody's files.
    pub world: World,
    /// The first car.
    pub vin: String,
}

impl AtWork {
    /// A bridge for these cars, with a changed configuration; `None` where there is no broker to be had.
    pub async fn with(models: &[&str], change: impl FnOnce(&World, &mut Value)) -> Option<Self> {
        let broker = Mosquitto::start()?;
        Some(Self::start(World::with_cars(models), broker, change).await)
    }

    /// A bridge in a world of its own; `None` where there is no broker to be had.
    pub async fn in_world(world: World, change: impl FnOnce(&World, &mut Value)) -> Option<Self> {
        let broker = Mosquitto::start()?;
        Some(Self::start(world, broker, change).await)
    }

    /// A bridge in this world.
    pub async fn start(world: World, broker: Mosquitto, change: impl FnOnce(&World, &mut Value)) -> Self {
        let mut configuration = world.configuration(broker.port());
        change(&world, &mut configuration);
        let listener = Listener::connect(broker.port()).await;
        let bridge = world.bridge(&configuration);
        let vin = world.vin(0);
        let at_work = Self {
            bridge,
            listener,
            broker,
            world,
            vin,
        };
        at_work.listener.expect("leapmotor2mqtt/bridge/state", "online").await;
        at_work
    }

    /// A bridge for a C10 whose state has been read.
    pub async fn with_a_car() -> Option<Self> {
        let at_work = Self::with(&["C10"], |_, _| {}).await?;
        at_work.listener.expect(&at_work.topic("door_lock"), "LOCKED").await;
        Some(at_work)
    }

    /// Ends the bridge well, forgets what was heard, and starts it again as it was configured.
    pub fn restart(&mut self) {
        assert_eq!(self.bridge.stop(), Some(0));
        self.listener.forget();
        self.bridge = self.world.bridge_again();
    }

    /// A topic of the first car.
    pub fn topic(&self, key: &str) -> String {
        format!("leapmotor2mqtt/{}/{key}", self.vin)
    }

    /// Asks for a command as a script does.
    pub async fn ask(&self, message: Value) {
        let payload = message.to_string();
        self.listener.publish(&self.topic("command"), &payload, false).await;
    }

    /// Every answer under this id so far, oldest first.
    pub fn answers(&self, id: &str) -> Vec<Value> {
        self.listener
            .messages()
            .into_iter()
            .filter(|(topic, _)| topic.ends_with("/command/result"))
            .filter_map(|(_, payload)| serde_json::from_str::<Value>(&payload).ok())
            .filter(|answer| answer["id"] == json!(id))
            .collect()
    }

    /// Waits for the last word about the command of this id: its state and reason.
    pub async fn outcome(&self, id: &str) -> (String, Option<String>) {
        eventually(&format!("{id} has ended"), PATIENCE, async || {
            let answers = self.answers(id);
            let last = answers.iter().find(|answer| answer["state"] != "accepted")?;
            let reason = last["reason"].as_str().map(str::to_owned);
            Some((last["state"].as_str().unwrap().to_owned(), reason))
        })
        .await
    }
}
