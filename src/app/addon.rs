//! The bridge as the Home Assistant add-on: it never ends for a mistake or for something that is missing, but says what
//! to do and looks again.

use std::time::Duration;

use anyhow::Context;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::{error, info};

use super::outfit::mqtt_settings;
use super::{Logging, Start, load, log_for_people, start_logging};
use crate::addon::{AddOn, Broker, Follower, HEALTH, Supervisor, SupervisorError};
use crate::clock::Clock;
use crate::config::{self, ConfigError, Loaded, MqttTls, Settings, Sources};
use crate::health::Monitor;
use crate::mqtt::MqttSettings;
use crate::store::{Redactor, Secret};

/// What to do when the app certificate is not where it should be.
pub const CERTIFICATE_REMEDY: &str = "put app_cert.pem and app_key.pem, readable for all, into this add-on's folder below \
    addon_configs (with the File editor or the Samba add-on)";

/// How often settings that cannot be used are looked at again. Saved options come with a restart, files without one.
const RETRY: Duration = Duration::from_secs(60);

/// The sources of settings, with those of the add-on.
pub fn sources(addon: &AddOn, sources: Sources) -> Sources {
    Sources {
        defaults: addon.defaults(),
        config_file: sources.config_file.or_else(|| addon.config_file()),
        addon_options: Some(addon.options()),
        ..sources
    }
}

/// The settings, as soon as they can be used; `None` when told to stop before.
pub async fn usable_settings(
    start: &Start,
    addon: &AddOn,
    cancel: &CancellationToken,
) -> anyhow::Result<Option<(Settings, Logging)>> {
    let (loaded, logging) = match load(start) {
        Ok(loaded) => {
            let logging = start_logging(loaded.settings.log, Redactor::default())?;
            (loaded, logging)
        }
        Err(problem) => {
            let logging = log_for_people()?;
            let Some(loaded) = wait(start, problem, cancel).await? else {
                return Ok(None);
            };
            logging.dial.turn(loaded.settings.log.level.name());
            (loaded, logging)
        }
    };
    logging.redactor.add(Secret::SupervisorToken, addon.token());
    Ok(Some((logging.taught(loaded), logging)))
}

/// Waits until the settings can be used, says each problem once, and lives as far as the watchdog can see.
async fn wait(start: &Start, mut problem: ConfigError, cancel: &CancellationToken) -> anyhow::Result<Option<Loaded>> {
    let (monitor, _health) = Monitor::new();
    let watching = CancellationToken::new();
    let watched = tokio::spawn(monitor.run(HEALTH, watching.clone()));
    say(&problem);
    let usable = loop {
        tokio::select! {
            () = cancel.cancelled() => break None,
            () = tokio::time::sleep(RETRY) => {}
        }
        match load(start) {
            Ok(loaded) => break Some(loaded),
            Err(same) if same == problem => {}
            Err(other) => {
                say(&other);
                problem = other;
            }
        }
    };
    watching.cancel();
    watched.await.context("the monitor died")?;
    Ok(usable)
}

fn say(problem: &ConfigError) {
    error!("{problem}. Correct it on the Configuration page of the add-on and restart it; until then the bridge waits");
}

/// The task that follows the Supervisor's broker and tells what it means for the bridge.
pub fn follower(
    addon: &AddOn,
    settings: &Settings,
    redactor: Redactor,
    clock: Clock,
    told: watch::Sender<Option<MqttSettings>>,
) -> anyhow::Result<Follower> {
    let settings = settings.clone();
    let tell = move |broker: &Broker| {
        let mut settings = settings.clone();
        adopt(&mut settings.mqtt, broker);
        match mqtt_settings(&settings, None) {
            Ok(settings) => {
                told.send_replace(Some(settings));
            }
            Err(problem) => {
                error!("the broker cannot be used: {problem:#}; name one under `mqtt` on the Configuration page");
            }
        }
    };
    Ok(Follower::new(Supervisor::of(addon)?, redactor, clock, Box::new(tell)))
}

/// Asks the Supervisor once, for commands that do not wait. Nothing happens where somebody named the broker.
pub async fn find_broker(start: &Start, settings: &mut Settings) -> Result<(), SupervisorError> {
    if let Some(addon) = start.addon().filter(|_| settings.mqtt.from_supervisor) {
        let broker = Supervisor::of(&addon)?.broker().await?;
        info!(?broker, "the Supervisor told the broker");
        adopt(&mut settings.mqtt, &broker);
    }
    Ok(())
}

fn adopt(mqtt: &mut config::Mqtt, broker: &Broker) {
    mqtt.host.clone_from(&broker.host);
    mqtt.port = broker.port;
    mqtt.username.clone_from(&broker.username);
    mqtt.password.clone_from(&broker.password);
    mqtt.tls = broker.tls.then_some(MqttTls { ca: None, client: None });
}
