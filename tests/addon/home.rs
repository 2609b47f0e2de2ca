//! The surroundings of the add-on: its folders, its options, and the Supervisor.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::Duration;

use serde_json::{Value, json};

use crate::supervisor::{Supervisor, TOKEN};
use crate::support::process::{Program, run_in};
use crate::support::world::{World, eventually};

/// How fast the clock runs that cloud and add-on follow, so that half a minute between two questions takes a moment.
const SPEED: u32 = 20;

/// A Home Assistant with our add-on, before it is started.
pub struct Home {
    pub world: World,
    pub supervisor: Supervisor,
}

impl Home {
    /// With a T03 in the cloud, the certificate files in place, and no broker.
    pub async fn new() -> Self {
        let home = Self {
            world: World::at_speed(SPEED, &["T03"]),
            supervisor: Supervisor::start().await,
        };
        // The add-on gives up the rights of root, if the test has them.
        fs::set_permissions(home.world.directory.path(), Permissions::from_mode(0o755)).unwrap();
        for folder in ["data", "config"] {
            fs::create_dir_all(home.root().join(folder)).unwrap();
        }
        home.put_certificates();
        home.copy("server_ca", "ca.pem");
        home.options(&json!({}));
        // What no owner has to set: the simulated cloud, and a health endpoint away from those of other tests.
        let settings = json!({
            "cloud": {"base_url": home.world.cloud["base_url"], "server_ca": home.config().join("ca.pem")},
            "polling": {"parked_seconds": 5},
            "health": {"listen": "127.0.0.1:0"},
        });
        fs::write(home.config().join("config.yaml"), settings.to_string()).unwrap();
        home
    }

    /// What stands for `/` of the container.
    pub fn root(&self) -> PathBuf {
        self.world.directory.path().join("container")
    }

    pub fn data(&self) -> PathBuf {
        self.root().join("data")
    }

    pub fn config(&self) -> PathBuf {
        self.root().join("config")
    }

    /// Saves the options as the Supervisor does: for root alone.
    pub fn options(&self, options: &Value) {
        let file = self.data().join("options.json");
        fs::write(&file, serde_json::to_string_pretty(options).unwrap()).unwrap();
        fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
    }

    /// The options of an owner: the account and its car, the rest as the manifest has it.
    pub fn owners_options(&self) -> Value {
        let account = &self.world.cloud["accounts"][0];
        let car = self.world.car(0);
        json!({
            "accounts": [{"username": account["username"], "password": account["password"]}],
            "cars": [{"vin": car["vin"], "pin": car["pin"]}],
            "language": "en", "log_level": "debug", "polling": {}, "mqtt": {},
        })
    }

    pub fn put_certificates(&self) {
        self.copy("app_cert", "app_cert.pem");
        self.copy("app_key", "app_key.pem");
    }

    pub fn remove_certificates(&self) {
        for name in ["app_cert.pem", "app_key.pem"] {
            fs::remove_file(self.config().join(name)).unwrap();
        }
    }

    fn copy(&self, what: &str, name: &str) {
        let file = self.config().join(name);
        fs::copy(self.world.cloud[what].as_str().unwrap(), &file).unwrap();
        fs::set_permissions(file, Permissions::from_mode(0o644)).unwrap();
    }

    /// Starts the add-on, on the clock of the simulated cloud.
    pub fn start(&self) -> Program {
        let clock = self.world.directory.path().join("clock.json");
        fs::write(&clock, self.world.cloud["clock"].to_string()).unwrap();
        let root = self.root();
        let mut arguments = vec!["run", "--simulated-clock", text(&clock)];
        arguments.extend(["--addon-root", text(&root), "--supervisor", &self.supervisor.url]);
        Program::start_in(self.world.directory.path(), &arguments, &[("SUPERVISOR_TOKEN", TOKEN)])
    }

    /// Runs another command beside it.
    pub fn run(&self, command: &str) -> Output {
        let root = self.root();
        let arguments = [
            command,
            "--addon-root",
            text(&root),
            "--supervisor",
            &self.supervisor.url,
        ];
        run_in(self.world.directory.path(), &arguments, &[("SUPERVISOR_TOKEN", TOKEN)])
    }
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Waits until the add-on has logged a line with all these words, and hands it out.
pub async fn logged(program: &mut Program, words: &[&str]) -> String {
    let found = eventually(&format!("a line with {words:?}"), Duration::from_secs(30), async || {
        let log = program.log();
        let line = log.lines().find(|line| words.iter().all(|word| line.contains(word)));
        line.map(str::to_owned)
    })
    .await;
    assert!(program.is_running(), "it ended");
    found
}
