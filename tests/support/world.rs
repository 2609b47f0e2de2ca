//! A small world for black-box tests: a simulated cloud, a broker and the bridge between them, each a real process.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::runtime::Handle;
use tokio::task::{JoinError, JoinSet};

use super::process::Program;

/// How fast the simulated clock runs that cloud and bridge follow, so that five seconds between two polls take one.
const SPEED: u32 = 5;

/// How much later than it should a simulated moment may be seen.
const PATIENCE: Duration = Duration::from_secs(30);

/// A simulated cloud and a directory for everything.
pub struct World {
    /// Where everything lies.
    pub directory: TempDir,
    /// What the simulated cloud says of itself.
    pub cloud: Value,
    http: reqwest::Client,
    _cloud_process: Program,
}

impl World {
    /// Starts a simulated cloud with these cars.
    pub fn with_cars(models: &[&str]) -> Self {
        Self::at_speed(SPEED, models)
    }

    /// Starts a simulated cloud with these cars, whose clock runs so much faster.
    pub fn at_speed(speed: impl std::fmt::Display, models: &[&str]) -> Self {
        let speed = speed.to_string();
        let cars = models.iter().flat_map(|model| ["--car", model]);
        Self::with_arguments(&["--speed", &speed].into_iter().chain(cars).collect::<Vec<_>>())
    }

    /// Starts a simulated cloud with these further arguments.
    pub fn with_arguments(arguments: &[&str]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let cloud_directory = directory.path().join("cloud");
        let mut all = vec!["simulate", "--dir", cloud_directory.to_str().unwrap()];
        all.extend(arguments);
        let (process, cloud) = Program::start_for_line(directory.path(), &all);
        Self {
            directory,
            cloud,
            http: plain_http(),
            _cloud_process: process,
        }
    }

    /// The time in the simulated world, from the clock that everybody follows.
    pub fn now(&self) -> jiff::Timestamp {
        let start: jiff::Timestamp = self.cloud["clock"]["start"].as_str().unwrap().parse().unwrap();
        start + jiff::SignedDuration::try_from(self.elapsed()).unwrap()
    }

    /// How much simulated time has passed since the cloud was started.
    pub fn elapsed(&self) -> Duration {
        let clock = &self.cloud["clock"];
        let wall_start: jiff::Timestamp = clock["wall_start"].as_str().unwrap().parse().unwrap();
        let wall = Duration::try_from(jiff::Timestamp::now().duration_since(wall_start)).unwrap();
        wall.mul_f64(self.factor())
    }

    /// How many simulated seconds a real one has.
    fn factor(&self) -> f64 {
        self.cloud["clock"]["factor"].as_f64().unwrap()
    }

    /// Waits until so much more simulated time has passed.
    pub async fn pass(&self, time: Duration) {
        self.until(self.elapsed() + time).await;
    }

    /// Waits until so much simulated time has passed since the cloud was started.
    pub async fn until(&self, elapsed: Duration) {
        let left = elapsed.saturating_sub(self.elapsed()).div_f64(self.factor());
        eventually("simulated time passes", left + PATIENCE, async || {
            (self.elapsed() >= elapsed).then_some(())
        })
        .await;
    }

    /// The VIN of a car of the first account.
    pub fn vin(&self, index: usize) -> String {
        self.car(index)["vin"].as_str().unwrap().to_owned()
    }

    /// A car of the first account, as the simulated cloud describes it.
    pub fn car(&self, index: usize) -> &Value {
        &self.cloud["accounts"][0]["cars"][index]
    }

    /// A configuration for the bridge, before a test changes it.
    pub fn configuration(&self, broker_port: u16) -> Value {
        let accounts: Vec<Value> = self.cloud["accounts"].as_array().unwrap().iter().map(account).collect();
        json!({
            "accounts": accounts,
            "certificates": {"app_cert": self.cloud["app_cert"], "app_key": self.cloud["app_key"]},
            "cloud": {"base_url": self.cloud["base_url"], "server_ca": self.cloud["server_ca"]},
            "mqtt": {"host": "127.0.0.1", "port": broker_port},
            "polling": {"parked_seconds": 5, "driving_seconds": 5, "charging_seconds": 5},
            "commands": {"spacing_seconds": 1},
            "health": {"listen": "127.0.0.1:0"},
            "data_dir": self.directory.path().join("data"),
        })
    }

    /// Writes a configuration file. JSON is YAML too.
    pub fn write_configuration(&self, configuration: &Value) -> PathBuf {
        let file = self.configuration_file();
        std::fs::write(&file, serde_json::to_string_pretty(configuration).unwrap()).unwrap();
        file
    }

    /// Where the configuration file lies.
    pub fn configuration_file(&self) -> PathBuf {
        self.directory.path().join("bridge.yaml")
    }

    /// Starts the bridge with this configuration, on the clock of the simulated cloud.
    pub fn bridge(&self, configuration: &Value) -> Program {
        self.bridge_by_clock(configuration, &self.cloud["clock"])
    }

    /// Starts the bridge once more, as it was configured last.
    pub fn bridge_again(&self) -> Program {
        let text = std::fs::read_to_string(self.configuration_file()).unwrap();
        let configuration: Value = serde_json::from_str(&text).unwrap();
        self.bridge(&configuration)
    }

    /// Starts the bridge with this configuration, on this clock.
    pub fn bridge_by_clock(&self, configuration: &Value, time: &Value) -> Program {
        let [file, clock] = self.files(configuration, time);
        Program::start(
            self.directory.path(),
            &["run", "--config", &file, "--simulated-clock", &clock],
        )
    }

    /// The same through another program.
    pub fn bridge_through(&self, wrapper: &[&str], configuration: &Value) -> Program {
        let [file, clock] = self.files(configuration, &self.cloud["clock"]);
        let arguments = ["run", "--config", &file, "--simulated-clock", &clock];
        Program::start_through(wrapper, self.directory.path(), &arguments)
    }

    /// The files of the configuration and of the clock.
    fn files(&self, configuration: &Value, time: &Value) -> [String; 2] {
        let file = self.write_configuration(configuration);
        let clock = self.directory.path().join("clock.json");
        std::fs::write(&clock, time.to_string()).unwrap();
        [file, clock].map(|path| path.to_str().unwrap().to_owned())
    }

    /// Asks the simulated cloud's control interface.
    pub async fn control(&self, method: Method, path: &str, body: Option<Value>) -> Value {
        let url = format!("{}{path}", self.cloud["control_url"].as_str().unwrap());
        let mut request = self.http.request(method, url);
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer = request.send().await.unwrap();
        assert!(answer.status().is_success(), "{path}: {}", answer.status());
        let text = answer.text().await.unwrap();
        if text.trim().is_empty() {
            Value::Null
        } else {
            serde_json::from_str(&text).unwrap()
        }
    }

    /// Orders a fault at the simulated cloud.
    pub async fn order(&self, fault: Value) {
        self.control(Method::POST, "/faults", Some(fault)).await;
    }

    /// Makes a car do something else.
    pub async fn scenario(&self, vin: &str, name: &str) {
        let path = format!("/cars/{vin}/scenario");
        self.control(Method::POST, &path, Some(json!({"name": name}))).await;
    }

    /// Puts values into a car.
    pub async fn patch(&self, vin: &str, signals: Value) {
        let path = format!("/cars/{vin}/signals");
        self.control(Method::PATCH, &path, Some(signals)).await;
    }

    /// What the simulated cloud was asked for so far.
    pub async fn requests(&self) -> Vec<Value> {
        self.requests_since(0).await
    }

    /// What it was asked for after the request of this number.
    pub async fn requests_since(&self, number: u64) -> Vec<Value> {
        let path = format!("/requests?since={number}");
        let answer = self.control(Method::GET, &path, None).await;
        answer.as_array().unwrap().clone()
    }

    /// The writes of remote control among them: command id and content.
    pub async fn writes(&self) -> Vec<(String, String)> {
        let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        self.requests()
            .await
            .iter()
            .filter(|request| {
                !request["cmd_id"].is_null() && request["path"].as_str().unwrap().ends_with("/remote/ctl")
            })
            .map(|request| (text(&request["cmd_id"]), text(&request["cmd_content"])))
            .collect()
    }

    /// How often a path with this end was asked for.
    pub async fn count(&self, path_end: &str) -> usize {
        self.requests()
            .await
            .iter()
            .filter(|request| request["path"].as_str().unwrap().ends_with(path_end))
            .count()
    }
}

/// An account with its cars, for the configuration of the bridge.
fn account(account: &Value) -> Value {
    let cars = account["cars"].as_array().unwrap().iter();
    let cars: Vec<Value> = cars.map(|car| json!({"vin": car["vin"], "pin": car["pin"]})).collect();
    json!({"username": account["username"], "password": account["password"], "cars": cars})
}

/// A client for the control interface. It trusts nobody over TLS, which it never speaks.
pub fn plain_http() -> reqwest::Client {
    let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    reqwest::Client::builder().use_preconfigured_tls(tls).build().unwrap()
}

/// Waits until `condition` gives something; panics with `what` after `patience`.
pub async fn eventually<T>(what: &str, patience: Duration, condition: impl AsyncFnMut() -> Option<T>) -> T {
    let found = within(patience, condition).await;
    found.unwrap_or_else(|| panic!("still not after {patience:?}: {what}"))
}

/// Waits until `condition` gives something; gives up after `patience`.
pub async fn within<T>(patience: Duration, mut condition: impl AsyncFnMut() -> Option<T>) -> Option<T> {
    let deadline = Instant::now() + patience;
    loop {
        if let Some(value) = condition().await {
            return Some(value);
        }
        if Instant::now() >= deadline {
            return None;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Goes through cases that have a world each, so many at a time, and fails after all of them if one has failed. Each has
/// a thread of its own: starting and ending a world blocks it.
pub async fn side_by_side<Case, Judged>(
    at_once: usize,
    cases: impl IntoIterator<Item = Case>,
    judge: impl Fn(Case) -> Judged + Copy + Send + 'static,
) where
    Case: Send + 'static,
    Judged: Future<Output = ()>,
{
    let (mut running, mut failed) = (JoinSet::<()>::new(), Vec::<JoinError>::new());
    for case in cases {
        if running.len() == at_once {
            let ended = running.join_next().await;
            failed.extend(ended.and_then(Result::err));
        }
        let runtime = Handle::current();
        running.spawn_blocking(move || runtime.block_on(judge(case)));
    }
    while let Some(ended) = running.join_next().await {
        failed.extend(ended.err());
    }
    assert!(failed.is_empty(), "{failed:?}");
}
