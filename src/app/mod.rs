//! Wires the rooms together: channels, tasks, start and stop.

mod addon;
pub mod check;
pub mod demo;
mod restarts;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use jiff::Timestamp;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use crate::addon::{AddOn, StandIn};
use crate::clock::{Clock, SimulatedClock};
use crate::cloud::{self, AppCertificate, CloudSettings, Gateway, ServerIdentity, signals};
use crate::config::{self, ConfigError, Settings, Sources};
use crate::garage::keepsake::{Keepsake, ServerPin};
use crate::garage::{self, Garage};
use crate::health::{Health, Monitor};
use crate::mqtt::TlsFiles;
use crate::store::{DataDir, Redactor, Secret, Store, Vault};
use crate::vehicle::command::gate;
use crate::vehicle::facts::{FactKey, FactUpdate, Subject, Value};
use crate::vehicle::{Car, CarView, Fleet, Model, PinStatus, Vin, derive};
use crate::{health, homeassistant, logging, mqtt, simulator};

use self::restarts::Restarts;

/// Requests that may wait for the garage.
const REQUESTS: usize = 64;
/// Reports, happenings and facts that may wait for the broker's side.
const REPORTS: usize = 256;
/// How often missing or unusable certificate files are looked at again.
const CERTIFICATE_RETRY: Duration = Duration::from_secs(60);
/// The part that knows the cars.
const GARAGE: &str = "garage";
/// The document that remembers what was announced.
const MANIFEST: &str = "manifest";
/// The fact that says since when the bridge runs.
const STARTED: FactKey = "bridge_uptime";
/// How long the garage may take to end before the broker's side says goodbye without its last words.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// How long everything else may take after that.
const FAREWELL: Duration = Duration::from_millis(2500);
/// How long the last documents may take to reach the disk. All three together stay below five seconds.
const LAST_DOCUMENTS: Duration = Duration::from_secs(1);

/// A configuration that cannot be used; its text is one line that names the key and where it came from.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct WrongConfiguration(pub ConfigError);

/// How a command was started.
#[derive(Debug, Default)]
pub struct Start {
    /// The configuration file, if one was named.
    pub config: Option<PathBuf>,
    /// A file with a simulated clock to follow.
    pub simulated_clock: Option<PathBuf>,
    /// What stands for an add-on's surroundings in tests.
    pub stand_in: StandIn,
}

impl Start {
    /// The add-on that this process is.
    fn addon(&self) -> Option<AddOn> {
        AddOn::of_process(&self.stand_in)
    }

    fn sources(&self) -> Sources {
        let sources = Sources {
            entities: entity_names(),
            ..Sources::of_process(self.config.clone())
        };
        match self.addon() {
            Some(addon) => addon::sources(&addon, sources),
            None => sources,
        }
    }
}

/// Gives up the rights of root that the add-on's container starts with. Returns when that is not needed, or with the
/// reason why it did not work.
pub fn step_down(start: &Start) -> std::io::Result<()> {
    start
        .addon()
        .map_or(Ok(()), |addon| crate::addon::step_down(&addon.data()))
}

/// `run`: the bridge, until it is interrupted.
pub async fn run(start: &Start) -> anyhow::Result<ExitCode> {
    let cancel = until_interrupted()?;
    let addon = start.addon();
    let (settings, logging) = match &addon {
        None => prepare(start)?,
        Some(addon) => match addon::usable_settings(start, addon, &cancel).await? {
            Some(usable) => usable,
            None => return Ok(ExitCode::SUCCESS),
        },
    };
    let clock = clock(start, &settings)?;
    let setup = Setup {
        settings,
        clock,
        logging,
        addon,
    };
    bridge(setup, cancel).await
}

/// `simulate`: only the simulated cloud, until it is interrupted.
pub async fn simulate(
    options: simulator::Options,
    announce: impl FnOnce(&str) -> anyhow::Result<()>,
) -> anyhow::Result<ExitCode> {
    let cancel = until_interrupted()?;
    log_for_people()?;
    let simulator = simulator::start(options).await?;
    announce(&serde_json::to_string(&simulator.description())?)?;
    simulator.run(cancel).await;
    Ok(ExitCode::SUCCESS)
}

/// `purge`: takes what we or other bridges left off the broker.
pub async fn purge(
    start: &Start,
    what: &mqtt::Purge,
    say: impl Fn(&str) -> anyhow::Result<()>,
) -> anyhow::Result<ExitCode> {
    let (mut settings, _) = prepare(start)?;
    addon::find_broker(start, &mut settings).await?;
    let found = mqtt::purge(&visitor_settings(&settings, None)?, &mqtt_options(&settings), what).await?;
    if what.dry_run {
        found.iter().try_for_each(|topic| say(topic))?;
    }
    say(&format!(
        "{} retained topics {} {}:{}",
        found.len(),
        if what.dry_run {
            "would be removed from"
        } else {
            "removed from"
        },
        settings.mqtt.host,
        settings.mqtt.port
    ))?;
    Ok(ExitCode::SUCCESS)
}

/// `healthcheck`: asks the bridge that runs beside us whether it lives.
pub fn healthcheck(start: &Start, say: impl Fn(&str) -> anyhow::Result<()>) -> anyhow::Result<ExitCode> {
    let listen = match (config::load(start.sources()), start.addon()) {
        (Ok(loaded), _) => loaded.settings.health.listen,
        // The add-on that waits for usable settings lives.
        (Err(_), Some(_)) => crate::addon::HEALTH,
        (Err(problem), None) => return Err(WrongConfiguration(problem).into()),
    };
    let told = health::ask(listen)?;
    say(&told)?;
    Ok(ExitCode::SUCCESS)
}

/// `decode`: what the entities of a model show for one raw status object, as one JSON object. The frame's own time is
/// taken for the present, and nothing is remembered from before.
pub fn decode(text: &str, model: &Model) -> anyhow::Result<String> {
    let data: serde_json::Value = serde_json::from_str(text).context("the input is not JSON")?;
    anyhow::ensure!(data.is_object(), "the input is JSON, but not a status object");
    let frame = signals::decode(&data);
    let now = frame.vehicle_time.unwrap_or_else(Timestamp::now);
    let (state, memory) = derive::derive(&frame, model, &derive::Memory::default(), now);
    let view = CarView {
        car: Car::unlisted(Vin::parse("DECODED").context("a fixed text is a VIN")?, model.clone()),
        powertrain: memory.powertrain(),
        evidence: frame.readings.keys().copied().collect(),
        unknown_signals: frame.unknown.keys().copied().collect(),
        state: Some(state),
        pending: BTreeMap::new(),
        pin: PinStatus::Ready,
        reachable: true,
    };
    let values = homeassistant::decode_values(&view, &homeassistant::Options::default(), now);
    Ok(serde_json::to_string_pretty(&values)?)
}

/// What a bridge goes by.
#[derive(Clone)]
pub struct Setup {
    /// The settings.
    pub settings: Settings,
    /// The time.
    pub clock: Clock,
    /// The log as it was started.
    pub logging: Logging,
    /// The add-on that this process is.
    pub addon: Option<AddOn>,
}

/// The bridge, until cancelled. When a part of it dies, all parts are started afresh from what is kept; when that
/// happens too often it ends with code 1, for whoever supervises the process.
pub async fn bridge(setup: Setup, cancel: CancellationToken) -> anyhow::Result<ExitCode> {
    let (monitor, health) = Monitor::new();
    let watching = CancellationToken::new();
    let watched = tokio::spawn(monitor.run(setup.settings.health.listen, watching.clone()));
    // The Supervisor starts an add-on again only if its owner switched the watchdog on.
    let starts_itself = setup.addon.is_some();
    let life = async || live(setup.clone(), &health, cancel.clone()).await;
    let ending = supervise(life, starts_itself).await;
    watching.cancel();
    watched.await.context("the monitor died")?;
    ending
}

/// One life after the other, as often as that is allowed. A restart that was asked for is left to whoever supervises the
/// process, unless nobody does.
async fn supervise(
    mut life: impl AsyncFnMut() -> anyhow::Result<Ending>,
    starts_itself: bool,
) -> anyhow::Result<ExitCode> {
    let begun = std::time::Instant::now();
    let mut restarts = Restarts::default();
    loop {
        match life().await? {
            Ending::Told => return Ok(ExitCode::SUCCESS),
            Ending::AskedToRestart if starts_itself => {}
            Ending::AskedToRestart => return Ok(ExitCode::FAILURE),
            Ending::PartDied if restarts.allow(begun.elapsed()) => warn!("starting all parts of the bridge again"),
            Ending::PartDied => {
                error!("parts of the bridge keep dying; it ends, to be started afresh");
                return Ok(ExitCode::FAILURE);
            }
        }
    }
}

/// How a life of the bridge ended.
#[derive(Debug, Clone, Copy)]
enum Ending {
    /// It was told to.
    Told,
    /// It was asked to end with an error, so that whoever supervises the process starts it afresh.
    AskedToRestart,
    /// A part died, or ended by itself.
    PartDied,
}

async fn live(setup: Setup, health: &Health, cancel: CancellationToken) -> anyhow::Result<Ending> {
    let Setup {
        settings,
        clock,
        logging: Logging { redactor, dial },
        addon,
    } = setup;
    let directory = DataDir::open(&settings.data_dir)?;
    let (store, writer) = Store::open(&directory);
    let vault = Vault::open(&directory, &store, settings.vault_key.clone(), redactor.clone())?;

    let (fleet, fleet_seen) = watch::channel(Fleet::new());
    let (fleet_is_complete, completeness) = watch::channel(settings.accounts.is_empty());
    let (requests, requested) = mpsc::channel(REQUESTS);
    let (reports, reported) = mpsc::channel(REPORTS);
    let (happenings, happened) = mpsc::channel(REPORTS);
    let (facts, facts_seen) = mpsc::channel(REPORTS);
    let (manifest, manifest_changed) = watch::channel(store.read(MANIFEST)?.unwrap_or_default());
    // They end in this order, each after those whose last words it takes: garage, broker's side, writer of documents.
    let working = CancellationToken::new();
    let (parts, writing) = (CancellationToken::new(), CancellationToken::new());
    let restart = CancellationToken::new();

    let mut tasks = JoinSet::new();
    let wires = mqtt::Wires {
        fleet: fleet_seen,
        fleet_is_complete: completeness,
        facts: facts_seen,
        reports: reported,
        happenings: happened,
        requests,
        manifest,
        restart: restart.clone(),
    };
    let (told, broker) = watch::channel(None);
    match addon.filter(|_| settings.mqtt.from_supervisor) {
        Some(addon) => {
            let follower = addon::follower(&addon, &settings, redactor, clock, told)?;
            tasks.spawn(named("broker of the Supervisor", follower.run(parts.clone())));
        }
        None => {
            told.send_replace(Some(mqtt_settings(&settings, Some(&vault))?));
        }
    }
    let broker =
        mqtt::Bridge::following(broker, mqtt_options(&settings), wires, clock).watched_by(health.watch("mqtt"));
    tasks.spawn(named("mqtt", broker.run(parts.clone())));
    tasks.spawn(named(
        "manifest",
        keep_manifest(manifest_changed, store.clone(), parts.clone()),
    ));
    let started = FactUpdate {
        subject: Subject::Bridge,
        key: STARTED,
        value: Some(Value::Time(clock.now())),
    };
    // Read by the broker's task, which lives as long as this function.
    let _ = facts.send(started).await;
    let channels = garage::Channels {
        requests: requested,
        reports,
        happenings,
        facts,
        fleet,
        fleet_is_complete,
        log_level: Box::new(move |level| dial.turn(level)),
    };
    tasks.spawn(named(
        GARAGE,
        garage(settings, channels, clock, store, vault, health.clone(), working.clone()),
    ));
    let written = tokio::spawn(writer.run(writing.clone()));

    let ending = tokio::select! {
        () = cancel.cancelled() => Ending::Told,
        () = restart.cancelled() => {
            info!("ending as asked, to start afresh");
            Ending::AskedToRestart
        }
        Some(ended) = tasks.join_next() => {
            match ended {
                Ok(name) => error!(part = name, "a part of the bridge ended by itself"),
                Err(failure) => error!(%failure, "a part of the bridge died"),
            }
            Ending::PartDied
        }
    };
    working.cancel();
    // In vain where the garage is what has died.
    let _ = timeout(LAST_WORDS, until_garage_ended(&mut tasks)).await;
    parts.cancel();
    if timeout(FAREWELL, async { while tasks.join_next().await.is_some() {} })
        .await
        .is_err()
    {
        warn!("not everything ended in time; it is left behind");
    }
    writing.cancel();
    match timeout(LAST_DOCUMENTS, written).await {
        Ok(written) => written.context("the writer of documents died")?,
        Err(_) => warn!("the disk does not take the last documents"),
    }
    info!("stopped");
    Ok(ending)
}

async fn until_garage_ended(tasks: &mut JoinSet<&'static str>) {
    while let Some(ended) = tasks.join_next().await {
        if matches!(ended, Ok(GARAGE)) {
            return;
        }
    }
}

async fn named(name: &'static str, part: impl Future<Output = ()>) -> &'static str {
    part.await;
    name
}

/// Keeps what was announced across restarts.
async fn keep_manifest(mut manifest: watch::Receiver<mqtt::Manifest>, store: Store, cancel: CancellationToken) {
    loop {
        tokio::select! {
            () = cancel.cancelled() => return,
            changed = manifest.changed() => if changed.is_err() { return },
        }
        let document = manifest.borrow_and_update().clone();
        if let Err(error) = store.write(MANIFEST, &document) {
            warn!(%error, "what was announced cannot be kept; entities that vanish before the next start stay behind");
        }
    }
}

/// The garage, as soon as there is something it can work with.
async fn garage(
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
async fn accounts_when_usable(
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

fn accounts(settings: &Settings, clock: Clock, store: &Store, vault: &Vault) -> anyhow::Result<Vec<garage::Account>> {
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
fn app_certificate(settings: &Settings) -> anyhow::Result<AppCertificate> {
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
fn cloud_settings(settings: &Settings, store: Option<&Store>) -> anyhow::Result<(CloudSettings, Option<ServerPin>)> {
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

fn mqtt_settings(settings: &Settings, vault: Option<&Vault>) -> anyhow::Result<mqtt::MqttSettings> {
    let broker = &settings.mqtt;
    let client_id = broker.client_id.clone().unwrap_or_else(new_client_id);
    let tls = broker.tls.as_ref().map(|tls| TlsFiles {
        ca: tls.ca.clone(),
        client: tls.client.clone(),
    });
    let kept = || vault.and_then(|vault| vault.get(Secret::MqttPassword, ""));
    Ok(mqtt::MqttSettings {
        username: broker.username.clone(),
        password: broker.password.clone().or_else(kept),
        tls: tls.map(|files| files.client_config()).transpose()?,
        acknowledge_values: broker.acknowledge_values,
        birth_delay_max: broker.birth_delay_max,
        ..mqtt::MqttSettings::plain(broker.host.clone(), broker.port, client_id)
    })
}

/// The same for a short visit, under a name of its own: a broker ends the connection of whoever had the name before,
/// which would be the running bridge.
fn visitor_settings(settings: &Settings, vault: Option<&Vault>) -> anyhow::Result<mqtt::MqttSettings> {
    Ok(mqtt::MqttSettings {
        client_id: new_client_id(),
        ..mqtt_settings(settings, vault)?
    })
}

fn new_client_id() -> String {
    format!("leapmotor2mqtt-{:08x}", random())
}

fn random() -> u32 {
    // Without randomness the process id tells two bridges of one machine apart.
    getrandom::u32().unwrap_or_else(|_| std::process::id())
}

fn mqtt_options(settings: &Settings) -> homeassistant::Options {
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
fn language(tag: &str) -> homeassistant::Language {
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
fn choices(settings: &Settings) -> homeassistant::Choices {
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
fn entity_names() -> config::EntityNames {
    let past = homeassistant::Options::default().past.iter();
    config::EntityNames {
        car: homeassistant::names(homeassistant::Device::Car),
        bridge: homeassistant::names(homeassistant::Device::Bridge),
        renamed: past.filter_map(|past| Some((past.key, past.today?))).collect(),
    }
}

fn command_policy(settings: &Settings) -> gate::Policy {
    let commands = &settings.commands;
    gate::Policy {
        comfort: commands.comfort,
        opening: commands.opening,
        allow: commands.allow.iter().cloned().collect(),
        deny: commands.deny.iter().cloned().collect(),
    }
}

/// The log as it was started.
#[derive(Clone)]
pub struct Logging {
    /// What keeps secrets out of it.
    redactor: Redactor,
    /// What turns it to another level.
    dial: logging::Dial,
}

impl Logging {
    /// Learns what must not be logged, says what the user should know, and hands out the settings.
    fn taught(&self, loaded: config::Loaded) -> Settings {
        for (kind, secret) in loaded.settings.secrets() {
            self.redactor.add(kind, secret);
        }
        for warning in &loaded.warnings {
            warn!("{warning}");
        }
        loaded.settings
    }
}

/// Reads the settings and starts logging, in the order in which each needs the one before.
fn prepare(start: &Start) -> anyhow::Result<(Settings, Logging)> {
    let loaded = config::load(start.sources()).map_err(WrongConfiguration)?;
    let logging = start_logging(loaded.settings.log, Redactor::default())?;
    Ok((logging.taught(loaded), logging))
}

/// Logging for the commands that have no configuration.
fn log_for_people() -> anyhow::Result<Logging> {
    let log = config::Log {
        level: config::LogLevel::Info,
        format: config::LogFormat::Text,
    };
    start_logging(log, Redactor::default())
}

fn start_logging(log: config::Log, redactor: Redactor) -> anyhow::Result<Logging> {
    let silenced = [
        mqtt::LOG_DIRECTIVE,
        #[cfg(feature = "embedded-broker")]
        mqtt::embedded::LOG_DIRECTIVE,
    ];
    let rust_log = std::env::var("RUST_LOG").ok();
    let dial = logging::init(log, rust_log.as_deref(), &silenced, redactor.clone())?;
    Ok(Logging { redactor, dial })
}

/// The clock to go by. A simulated one is refused unless the cloud is on this machine: it would sign requests to the
/// real one with wrong times.
fn clock(start: &Start, settings: &Settings) -> anyhow::Result<Clock> {
    let Some(file) = &start.simulated_clock else {
        return Ok(Clock::real());
    };
    anyhow::ensure!(
        cloud::is_on_this_machine(&settings.cloud.base_url),
        "--simulated-clock works with a simulated cloud only, but cloud.base_url is not on this machine"
    );
    let text = read(file)?;
    let clock: SimulatedClock =
        serde_json::from_slice(&text).with_context(|| format!("{} holds no simulated clock", file.display()))?;
    anyhow::ensure!(
        clock.factor > 0.0 && clock.factor.is_finite(),
        "a simulated clock runs by a factor above 0"
    );
    Ok(Clock::simulated(clock))
}

/// A token that is cancelled by Ctrl-C or SIGTERM.
fn until_interrupted() -> anyhow::Result<CancellationToken> {
    let cancel = CancellationToken::new();
    let interrupted = cancel.clone();
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())
        .context("SIGTERM cannot be listened for")?;
    // Ends with the process, which it ends; nobody needs to join it.
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = tokio::signal::ctrl_c() => {}
        }
        interrupted.cancel();
    });
    Ok(cancel)
}

fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    std::fs::read(path).with_context(|| format!("the file {} cannot be read", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many lives a bridge has whose lives end like this, and its exit code.
    async fn lives(endings: &[Ending], starts_itself: bool) -> (usize, ExitCode) {
        let mut lived = 0;
        let life = async || {
            lived += 1;
            Ok(*endings.get(lived - 1).unwrap_or(&Ending::PartDied))
        };
        let code = supervise(life, starts_itself).await.unwrap();
        (lived, code)
    }

    #[tokio::test]
    async fn a_part_that_dies_is_started_again_three_times_and_then_the_process_ends() {
        assert_eq!(lives(&[], false).await, (4, ExitCode::FAILURE));
        assert_eq!(
            lives(&[Ending::PartDied, Ending::Told], false).await,
            (2, ExitCode::SUCCESS)
        );
    }

    #[tokio::test]
    async fn a_restart_that_is_asked_for_needs_a_supervisor_or_is_done_here() {
        let endings = [Ending::AskedToRestart, Ending::Told];
        assert_eq!(lives(&endings, false).await, (1, ExitCode::FAILURE));
        assert_eq!(lives(&endings, true).await, (2, ExitCode::SUCCESS));
    }
}
