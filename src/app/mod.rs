//! Wires the rooms together: what each command does ([`run`] and its siblings), the lives of a bridge (`life`), and what its
//! parts are given (`outfit`).

mod addon;
pub mod check;
pub mod demo;
mod life;
mod outfit;
mod restarts;

use std::collections::BTreeMap;
use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use jiff::Timestamp;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use self::life::{Setup, bridge};
use self::outfit::{check_files, entity_names, mqtt_options, visitor_settings};
use crate::addon::{AddOn, StandIn};
use crate::clock::{Clock, SimulatedClock};
use crate::cloud::{self, signals};
use crate::config::{self, ConfigError, Loaded, Settings, Sources};
use crate::simulator::SimulatorError;
use crate::store::Redactor;
use crate::vehicle::{Car, CarView, Model, PinStatus, Vin, derive};
use crate::{health, homeassistant, logging, mqtt, simulator};

/// A configuration that cannot be used; its text is one line that names the key and where it came from.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct WrongConfiguration(pub ConfigError);

/// Words on the command line that cannot be followed; its text is one line that says why.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct WrongUsage(pub String);

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
    let simulator = simulator::start(options).await.map_err(whose_fault)?;
    announce(&serde_json::to_string(&simulator.description())?)?;
    simulator.run(cancel).await;
    Ok(ExitCode::SUCCESS)
}

/// Tells options that nothing can be made of from a simulated cloud that fails.
fn whose_fault(error: SimulatorError) -> anyhow::Error {
    match error {
        SimulatorError::NotLoopback { .. } | SimulatorError::NoAccounts | SimulatorError::Speed(_) => {
            WrongUsage(error.to_string()).into()
        }
        _ => error.into(),
    }
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
    fn taught(&self, loaded: Loaded) -> Settings {
        for (kind, secret) in loaded.settings.secrets() {
            self.redactor.add(kind, secret);
        }
        for warning in &loaded.warnings {
            warn!("{warning}");
        }
        loaded.settings
    }
}

/// Reads the settings, and looks at the files they name.
fn load(start: &Start) -> Result<Loaded, ConfigError> {
    let loaded = config::load(start.sources())?;
    check_files(&loaded.settings)?;
    Ok(loaded)
}

/// Reads the settings and starts logging, in the order in which each needs the one before.
fn prepare(start: &Start) -> anyhow::Result<(Settings, Logging)> {
    let loaded = load(start).map_err(WrongConfiguration)?;
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
fn clock(start: &Start, settings: &Settings) -> Result<Clock, WrongUsage> {
    let Some(file) = &start.simulated_clock else {
        return Ok(Clock::real());
    };
    let refuse = |reason: &dyn Display| WrongUsage(format!("--simulated-clock {}: {reason}", file.display()));
    if !cloud::is_on_this_machine(&settings.cloud.base_url) {
        return Err(refuse(
            &"it works with a simulated cloud only, but cloud.base_url is not on this machine",
        ));
    }
    let text = std::fs::read(file).map_err(|error| refuse(&error))?;
    let clock: SimulatedClock = serde_json::from_slice(&text)
        .map_err(|error| refuse(&format_args!("the file holds no simulated clock ({error})")))?;
    if clock.factor > 0.0 && clock.factor.is_finite() {
        Ok(Clock::simulated(clock))
    } else {
        Err(refuse(&"a simulated clock runs by a factor above 0"))
    }
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
