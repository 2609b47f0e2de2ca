//! `demo`: the whole product on one machine, with simulated cars, no account and no network.

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use serde::Serialize;
use serde_json::json;

use super::life::Setup;
use crate::clock::Clock;
use crate::config::{self, Sources};
use crate::simulator::{self, CarKind};

/// How long Home Assistant may wait for everything to be said again.
const BIRTH_DELAY_MAX: Duration = Duration::from_millis(500);

/// How the demo is run.
pub struct DemoOptions {
    /// Let the cars live a day.
    pub live: bool,
    /// An existing broker instead of an own one, `host:port`.
    pub broker: Option<String>,
    /// Address of the admin page.
    pub listen: Option<String>,
}

/// What the demo tells once everything is started.
#[derive(Debug, Serialize)]
pub struct Description {
    /// Broker for MQTT 5.
    mqtt: String,
    /// Broker for MQTT 3.1.1.
    mqtt311: String,
    /// The admin page; `None` while there is none.
    admin_url: Option<String>,
    /// Control interface of the simulated cloud.
    control_url: String,
    /// The cars.
    cars: Vec<simulator::CarDescription>,
    /// Whether the broker is the demo's own.
    #[serde(skip)]
    broker_is_own: bool,
}

impl Description {
    /// One line of JSON.
    pub fn json_line(&self) -> String {
        json!(self).to_string()
    }

    /// For people.
    pub fn text(&self) -> String {
        let mut text = String::from("The bridge runs with these simulated cars:\n\n");
        for car in &self.cars {
            text += &format!(
                "  {:<4} {:<5} VIN {}  PIN {}\n",
                car.model, car.powertrain, car.vin, car.pin
            );
        }
        text += &if self.broker_is_own {
            format!(
                "\nBroker             {} for MQTT 5, without user name\n                   {} for MQTT 3.1.1, which older \
                 clients speak, such as Home Assistant 2025\n",
                self.mqtt, self.mqtt311
            )
        } else {
            format!("\nBroker             {}\n", self.mqtt)
        };
        let (host, port) = self.mqtt.rsplit_once(':').unwrap_or((&self.mqtt, "1883"));
        let broker = format!("-V mqttv5 -h {host} -p {port}");
        let vin = self.cars.first().map_or("<VIN>", |car| &car.vin);
        text += &format!(
            "Simulated cloud    {}/requests shows what it was asked\n\n\
             See everything     mosquitto_sub {broker} -t 'leapmotor2mqtt/#' -v\n\
             Unlock a car       mosquitto_pub {broker} -t leapmotor2mqtt/{vin}/door_lock/set -m UNLOCK\n\
             Home Assistant     Settings, Devices & services, Add integration, MQTT, with the broker above\n\n",
            self.control_url,
        );
        text += if self.broker_is_own {
            "Ctrl-C ends everything and leaves nothing behind."
        } else {
            "Ctrl-C ends the demo. Its cars stay on the broker until `leapmotor2mqtt purge` removes them."
        };
        text
    }
}

/// Runs the demo until interrupted; `announce` is called once everything is started.
pub async fn run(
    options: DemoOptions,
    announce: impl FnOnce(&Description) -> anyhow::Result<()>,
) -> anyhow::Result<ExitCode> {
    let cancel = super::until_interrupted()?;
    let directory = tempfile::Builder::new()
        .prefix("leapmotor2mqtt-demo-")
        .tempdir()
        .context("no temporary directory can be made for the demo")?;
    let logging = super::log_for_people()?;

    let (mqtt, mqtt311) = broker(options.broker.as_deref())?;
    let simulator = simulator::start(simulator::Options {
        cars: vec![CarKind::T03, CarKind::B10, CarKind::C10Reev],
        live: options.live,
        ..simulator::Options::new(directory.path().join("cloud"))
    })
    .await?;
    let cloud = simulator.description().clone();
    let mut settings = config::load(sources(&cloud, &mqtt, directory.path())?)
        .map_err(super::WrongConfiguration)?
        .settings;
    // There is one bridge only, and somebody waits. Besides, the embedded broker gives a subscriber with acknowledgements
    // no more than a hundred retained messages; what Home Assistant's start makes us say again reaches it all the same.
    settings.mqtt.birth_delay_max = BIRTH_DELAY_MAX;
    let description = Description {
        mqtt,
        mqtt311,
        admin_url: None,
        control_url: cloud.control_url.clone(),
        cars: cloud.accounts.iter().flat_map(|account| account.cars.clone()).collect(),
        broker_is_own: options.broker.is_none(),
    };
    announce(&description)?;

    let serving = tokio::spawn(simulator.run(cancel.child_token()));
    let setup = Setup {
        settings,
        clock: Clock::real(),
        logging,
        addon: None,
    };
    let code = super::life::bridge(setup, cancel.clone()).await;
    cancel.cancel();
    serving.await.context("the simulated cloud died")?;
    code
}

/// The addresses of the broker for MQTT 5 and 3.1.1: the one given, or an own one.
fn broker(given: Option<&str>) -> anyhow::Result<(String, String)> {
    if let Some(address) = given {
        let complete = if address.contains(':') {
            address.to_owned()
        } else {
            format!("{address}:1883")
        };
        return Ok((complete.clone(), complete));
    }
    #[cfg(feature = "embedded-broker")]
    {
        let broker = crate::mqtt::embedded::start().context("the demo's own broker cannot be started")?;
        Ok((broker.v5.to_string(), broker.v311.to_string()))
    }
    #[cfg(not(feature = "embedded-broker"))]
    anyhow::bail!("this build has no broker of its own: name one with --mqtt HOST:PORT")
}

/// Where the settings of the demo come from. Its own file says nothing; without one the demo would read that of the owner
/// whose folder it runs in.
fn sources(cloud: &simulator::Description, mqtt: &str, directory: &Path) -> anyhow::Result<Sources> {
    let file = directory.join("config.yaml");
    std::fs::write(&file, "").context("the demo's configuration cannot be written")?;
    Ok(Sources {
        config_file: Some(file),
        overrides: overrides(cloud, mqtt, directory),
        ..Sources::default()
    })
}

/// The settings of the demo, as if they had been given on the command line.
fn overrides(cloud: &simulator::Description, mqtt: &str, directory: &Path) -> Vec<(String, String)> {
    let accounts: Vec<_> = cloud
        .accounts
        .iter()
        .map(|account| {
            let cars: Vec<_> = account
                .cars
                .iter()
                .map(|car| json!({ "vin": car.vin, "pin": car.pin, "name": format!("Demo {}", car.model) }))
                .collect();
            json!({ "username": account.username, "password": account.password, "cars": cars })
        })
        .collect();
    let (host, port) = mqtt.rsplit_once(':').unwrap_or((mqtt, "1883"));
    let path = |path: &Path| path.display().to_string();
    [
        ("accounts", json!(accounts).to_string()),
        ("certificates.app_cert", path(&cloud.app_cert)),
        ("certificates.app_key", path(&cloud.app_key)),
        ("cloud.base_url", cloud.base_url.clone()),
        ("cloud.server_ca", path(&cloud.server_ca)),
        ("cloud.loopback_only", "true".to_owned()),
        ("mqtt.host", host.to_owned()),
        ("mqtt.port", port.to_owned()),
        ("polling.parked_seconds", "5".to_owned()),
        ("polling.driving_seconds", "5".to_owned()),
        ("polling.charging_seconds", "5".to_owned()),
        // Three cars read every five seconds are 52 000 requests a day.
        ("polling.daily_requests", "100000".to_owned()),
        ("data_dir", path(&directory.join("data"))),
    ]
    .map(|(key, value)| (key.to_owned(), value))
    .to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SimulatedClock;

    #[test]
    fn the_demo_reads_no_file_but_its_own_and_may_ask_as_often_as_it_wants_to() {
        let directory = tempfile::tempdir().unwrap();
        let start = "2026-11-21T06:00:00Z".parse().unwrap();
        let cloud = simulator::Description {
            base_url: "https://127.0.0.1:1".to_owned(),
            control_url: "http://127.0.0.1:2".to_owned(),
            server_ca: "ca.pem".into(),
            app_cert: "app_cert.pem".into(),
            app_key: "app_key.pem".into(),
            clock: SimulatedClock {
                start,
                wall_start: start,
                factor: 1.0,
            },
            accounts: Vec::new(),
        };
        let sources = sources(&cloud, "127.0.0.1:1883", directory.path()).unwrap();
        let file = sources.config_file.clone().unwrap();
        assert_eq!(file.parent(), Some(directory.path()));
        let settings = config::load(sources).unwrap().settings;
        assert_eq!(settings.data_dir, directory.path().join("data"));
        let polling = settings.polling;
        let a_day_at_most = 3 * 24 * 3600 / polling.parked_seconds;
        assert!(u64::from(polling.daily_requests) > a_day_at_most);
    }
}
