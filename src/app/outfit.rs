//! From the settings to what each room takes.

use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use super::{WrongConfiguration, addon, read};
use crate::clock::Clock;
use crate::cloud::{self, AppCertificate, CloudSettings, Gateway, ServerIdentity};
use crate::config::{self, ConfigError, Settings};
use crate::garage::keepsake::{Keepsake, ServerPin};
use crate::garage::{self, Garage};
use crate::health::Health;
use crate::mqtt::{TlsFiles, TlsFilesError};
use crate::store::{Secret, Store, Vault};
use crate::vehicle::command::gate;
use crate::vehicle::facts::FactKey;
use crate::{homeassistant, mqtt};

/// How often missing or unusable certificate files are looked at again.
const CERTIFICATE_RETRY: Duration = Duration::from_secs(60);
/// The fact that says since when the bridge runs.
pub(super) const STARTED: FactKey = "bridge_uptime";

/// The garage, as soon as there is something it can work with.
pub(super) async fn garage(
    settings: Settings,
    channels: garage::Channels,
    clock: Clock,
    store: Store,
    vault: Vault,
    health: Health,
    cancel: CancellationToken,
) {
    if settings.accounts.is_empty() {
        info!("no account is configured: the cloud is not called; add one under `accounts` and start again");
        return cancel.cancelled().await;
    }
    let Some(accounts) = accounts_when_usable(&settings, &channels, clock, &store, &vault, &cancel).await else {
        return;
    };
    let rules = garage::Rules {
        configured: garage::settings::Configured {
            polling: garage::plan::Policy {
                enabled: true,
                parked: Duration::from_secs(settings.polling.parked_seconds),
                driving: Duration::from_secs(settings.polling.driving_seconds),
                charging: Duration::from_secs(settings.polling.charging_seconds),
                quiet: None,
            },
            budget: settings.polling.daily_requests,
            log_level: settings.log.level.name(),
        },
        commands: command_policy(&settings),
        spacing: settings.commands.spacing,
        yield_for: settings.session.yield_for,
        time_zone: settings.time_zone.clone(),
        language: settings.language.clone(),
    };
    Garage::new(accounts, rules, channels, clock, store, vault)
        .watched_by(health)
        .run(cancel)
        .await;
}

/// Waits until the accounts can be used, says once what is wrong with them, and looks again from time to time.
pub(super) async fn accounts_when_usable(
    settings: &Settings,
    channels: &garage::Channels,
    clock: Clock,
    store: &Store,
    vault: &Vault,
    cancel: &CancellationToken,
) -> Option<Vec<garage::Account>> {
    let mut said = None;
    loop {
        match accounts(settings, clock, store, vault) {
            Ok(accounts) => return Some(accounts),
            Err(problem) => {
                let problem = format!("{problem:#}");
                if said.as_ref() != Some(&problem) {
                    error!("{problem}. The cloud is not called; this is looked at again every minute");
                    for fact in garage::health::cannot_start("certificate", &problem) {
                        // Read by the broker's task, which lives longer than this one.
                        let _ = channels.facts.send(fact).await;
                    }
                    said = Some(problem);
                }
            }
        }
        tokio::select! {
            () = cancel.cancelled() => return None,
            () = clock.sleep(CERTIFICATE_RETRY) => {}
        }
    }
}

pub(super) fn accounts(
    settings: &Settings,
    clock: Clock,
    store: &Store,
    vault: &Vault,
) -> anyhow::Result<Vec<garage::Account>> {
    let app_certificate = app_certificate(settings)?;
    settings
        .accounts
        .iter()
        .map(|account| {
            let keepsake = Keepsake::new(vault.clone(), account.username.clone());
            let password = account
                .password
                .clone()
                .or_else(|| keepsake.password())
                .with_context(|| {
                    format!(
                        "no password is known for {}; set it under `accounts`",
                        keepsake.account()
                    )
                })?;
            let (cloud, pin) = cloud_settings(settings, Some(store))?;
            let cars = account.cars.iter().map(|car| {
                (
                    car.vin.clone(),
                    garage::CarConfiguration {
                        name: car.name.clone(),
                        pin: car.pin.clone(),
                    },
                )
            });
            Ok(garage::Account {
                credentials: cloud::Credentials {
                    username: account.username.clone(),
                    password,
                    p12_password: account.p12_password.clone(),
                },
                gateway: Gateway::new(cloud, app_certificate.clone(), clock)?,
                server_pin: pin,
                cars: cars.collect(),
            })
        })
        .collect()
}

/// The certificate of the app, from its two files.
pub(super) fn app_certificate(settings: &Settings) -> anyhow::Result<AppCertificate> {
    let files = &settings.certificates;
    let file = |path: &Path| match settings.is_addon {
        false => read(path),
        true => read(path).context(addon::CERTIFICATE_REMEDY),
    };
    AppCertificate::from_pem(&file(&files.app_cert)?, &file(&files.app_key)?).with_context(|| {
        format!(
            "{} and {} cannot be used",
            files.app_cert.display(),
            files.app_key.display()
        )
    })
}

/// The cloud as configured, and where the pin of its certificate is kept if there is to be one.
pub(super) fn cloud_settings(
    settings: &Settings,
    store: Option<&Store>,
) -> anyhow::Result<(CloudSettings, Option<ServerPin>)> {
    let cloud = &settings.cloud;
    let pin = match (&cloud.server_identity, store) {
        (config::ServerIdentity::PinnedOnFirstUse, Some(store)) => Some(ServerPin::read(store, &cloud.base_url)?),
        _ => None,
    };
    let server_identity = match &cloud.server_identity {
        config::ServerIdentity::SystemRoots => ServerIdentity::SystemRoots,
        config::ServerIdentity::Authority(file) => ServerIdentity::Authority(read(file)?),
        config::ServerIdentity::PinnedOnFirstUse => {
            ServerIdentity::PinnedOnFirstUse(pin.as_ref().and_then(ServerPin::fingerprint))
        }
        // The owner's word goes above what was kept, which stays as it is.
        config::ServerIdentity::Pinned(digest) => ServerIdentity::PinnedOnFirstUse(Some((*digest).into())),
        config::ServerIdentity::DangerouslyOff => {
            warn!("the identity of the cloud is not checked: whoever is on the way can read the password");
            ServerIdentity::DangerouslyUnverified
        }
    };
    let settings = CloudSettings {
        base_url: cloud.base_url.clone(),
        language: cloud.language.clone(),
        app_version: cloud.app_version.clone(),
        policy_id: cloud.policy_id.clone(),
        server_identity,
        loopback_only: cloud.loopback_only,
        ..CloudSettings::default()
    };
    Ok((settings, pin))
}

pub(super) fn mqtt_settings(settings: &Settings, vault: Option<&Vault>) -> anyhow::Result<mqtt::MqttSettings> {
    let broker = &settings.mqtt;
    let client_id = broker.client_id.clone().unwrap_or_else(new_client_id);
    let tls = broker.tls.as_ref().map(|tls| {
        let config = tls_files(tls).client_config();
        config.map_err(|error| WrongConfiguration(refused(tls, error)))
    });
    let kept = || vault.and_then(|vault| vault.get(Secret::MqttPassword, ""));
    Ok(mqtt::MqttSettings {
        username: broker.username.clone(),
        password: broker.password.clone().or_else(kept),
        tls: tls.transpose()?,
        acknowledge_values: broker.acknowledge_values,
        birth_delay_max: broker.birth_delay_max,
        ..mqtt::MqttSettings::plain(broker.host.clone(), broker.port, client_id)
    })
}

/// Looks at the files that settings name for the broker, so that a mistake is told before anything starts.
pub(super) fn check_files(settings: &Settings) -> Result<(), ConfigError> {
    match &settings.mqtt.tls {
        // The broker that the Supervisor tells comes with a setting of its own.
        Some(tls) if !settings.mqtt.from_supervisor => {
            let config = tls_files(tls).client_config();
            config.map(drop).map_err(|error| refused(tls, error))
        }
        _ => Ok(()),
    }
}

fn tls_files(tls: &config::MqttTls) -> TlsFiles {
    TlsFiles {
        ca: tls.ca.as_ref().map(|file| file.path.clone()),
        client: tls
            .client
            .as_ref()
            .map(|(certificate, key)| (certificate.path.clone(), key.path.clone())),
    }
}

/// The setting that is to blame for files that cannot be used.
fn refused(tls: &config::MqttTls, error: TlsFilesError) -> ConfigError {
    let path = match &error {
        TlsFilesError::Unreadable { path, .. }
        | TlsFilesError::Unusable { path, .. }
        | TlsFilesError::NoCertificate(path)
        | TlsFilesError::Mismatch { certificate: path, .. } => Some(path),
        TlsFilesError::NoSystemRoots | TlsFilesError::Library(_) => None,
    };
    let ours = tls.client.iter().flat_map(|(certificate, key)| [certificate, key]);
    let file = tls.ca.iter().chain(ours).find(|file| Some(&file.path) == path);
    let reason = format!("{:#}", anyhow::Error::from(error));
    match file {
        Some(file) => ConfigError::of_file(file, &reason),
        // Nobody named an authority, and the system has none.
        None => ConfigError::Unreadable {
            origin: "`mqtt.tls.ca`".to_owned(),
            reason,
        },
    }
}

/// The same for a short visit, under a name of its own: a broker ends the connection of whoever had the name before,
/// which would be the running bridge.
pub(super) fn visitor_settings(settings: &Settings, vault: Option<&Vault>) -> anyhow::Result<mqtt::MqttSettings> {
    Ok(mqtt::MqttSettings {
        client_id: new_client_id(),
        ..mqtt_settings(settings, vault)?
    })
}

pub(super) fn new_client_id() -> String {
    format!("leapmotor2mqtt-{:08x}", random())
}

pub(super) fn random() -> u32 {
    // Without randomness the process id tells two bridges of one machine apart.
    getrandom::u32().unwrap_or_else(|_| std::process::id())
}

pub(super) fn mqtt_options(settings: &Settings) -> homeassistant::Options {
    homeassistant::Options {
        base_topic: settings.mqtt.base_topic.clone(),
        discovery_prefix: settings.mqtt.discovery_prefix.clone(),
        status_topic: settings.mqtt.status_topic.clone(),
        language: language(&settings.language),
        time_zone: settings.time_zone.clone(),
        expected_facts: garage::FACTS
            .iter()
            .copied()
            .flatten()
            .copied()
            .chain([STARTED])
            .collect(),
        policy: command_policy(settings),
        choices: choices(settings),
        ..homeassistant::Options::default()
    }
}

/// The language of entity names; English where we have none in the owner's.
pub(super) fn language(tag: &str) -> homeassistant::Language {
    homeassistant::Language::parse(tag).unwrap_or_else(|| {
        let known = homeassistant::Language::ALL
            .map(homeassistant::Language::code)
            .join(", ");
        warn!(
            tag,
            known, "there are no entity names in this language; they stay English"
        );
        homeassistant::Language::English
    })
}

/// Which entities the owner wants, for all cars and for single ones.
pub(super) fn choices(settings: &Settings) -> homeassistant::Choices {
    let choice = |entities: &config::Entities| homeassistant::Choice {
        show: entities.show.clone(),
        hide: entities.hide.clone(),
    };
    let cars = settings.accounts.iter().flat_map(|account| &account.cars);
    homeassistant::Choices {
        all: choice(&settings.entities),
        cars: cars.map(|car| (car.vin.clone(), choice(&car.entities))).collect(),
    }
}

/// The entities that settings may name.
pub(super) fn entity_names() -> config::EntityNames {
    let past = homeassistant::Options::default().past.iter();
    config::EntityNames {
        car: homeassistant::names(homeassistant::Device::Car),
        bridge: homeassistant::names(homeassistant::Device::Bridge),
        renamed: past.filter_map(|past| Some((past.key, past.today?))).collect(),
    }
}

pub(super) fn command_policy(settings: &Settings) -> gate::Policy {
    let commands = &settings.commands;
    gate::Policy {
        comfort: commands.comfort,
        opening: commands.opening,
        allow: commands.allow.iter().cloned().collect(),
        deny: commands.deny.iter().cloned().collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Sources;
    use crate::store::DataDir;

    fn settings(pinned: Option<&str>) -> Settings {
        let overrides = pinned.map(|text| ("cloud.pinned_certificate".to_owned(), text.to_owned()));
        let sources = Sources {
            // An empty file, so that none of the working directory is read.
            config_file: Some("/dev/null".into()),
            overrides: overrides.into_iter().collect(),
            ..Sources::default()
        };
        config::load(sources).unwrap().settings
    }

    #[test]
    fn a_certificate_that_the_owner_pins_goes_above_the_kept_one_which_stays() {
        let parent = tempfile::tempdir().unwrap();
        let directory = DataDir::open(parent.path().join("data")).unwrap();
        let (store, _writer) = Store::open(&directory);
        let [seen, renewed] = ["11".repeat(32), "22".repeat(32)];
        let base_url = settings(None).cloud.base_url;
        let kept = || ServerPin::read(&store, &base_url).unwrap();
        kept().keep(Some(seen.parse().unwrap()));

        let insisted_on = |settings: &Settings| {
            let (cloud, pin) = cloud_settings(settings, Some(&store)).unwrap();
            let ServerIdentity::PinnedOnFirstUse(Some(fingerprint)) = cloud.server_identity else {
                panic!("nothing is pinned")
            };
            (fingerprint.to_string(), pin.is_some())
        };
        assert_eq!(insisted_on(&settings(None)), (seen.clone(), true));
        // Without a pin to keep, nothing can be written over the one that is kept.
        assert_eq!(insisted_on(&settings(Some(&renewed))), (renewed, false));
        assert_eq!(kept().fingerprint().unwrap().to_string(), seen);
    }
}
