//! The lives of the bridge: its parts are started together, end together, and are started afresh when one of them dies.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use super::outfit::{STARTED, mqtt_options, mqtt_settings};
use super::restarts::Restarts;
use super::{Logging, addon, outfit};
use crate::addon::AddOn;
use crate::clock::Clock;
use crate::config::Settings;
use crate::health::{Health, Monitor};
use crate::store::{DataDir, Store, Vault};
use crate::vehicle::Fleet;
use crate::vehicle::facts::{FactUpdate, Subject, Value};
use crate::{garage, mqtt};

/// Requests that may wait for the garage.
const REQUESTS: usize = 64;
/// Reports, happenings and facts that may wait for the broker's side.
const REPORTS: usize = 256;
/// The part that knows the cars.
const GARAGE: &str = "garage";
/// The document that remembers what was announced.
const MANIFEST: &str = "manifest";
/// How long the garage may take to end before the broker's side says goodbye without its last words.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// How long everything else may take after that.
const FAREWELL: Duration = Duration::from_millis(2500);
/// How long the last documents may take to reach the disk. All three together stay below five seconds.
const LAST_DOCUMENTS: Duration = Duration::from_secs(1);
/// What is said when the writer of documents panicked.
const WRITER_DIED: &str = "the writer of documents died";

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
    let ending = supervise(life, starts_itself, &cancel).await;
    watching.cancel();
    watched.await.context("the monitor died")?;
    ending
}

/// One life after the other, as often as that is allowed. A restart that was asked for is left to whoever supervises the
/// process, unless nobody does.
async fn supervise(
    mut life: impl AsyncFnMut() -> anyhow::Result<Ended>,
    starts_itself: bool,
    cancel: &CancellationToken,
) -> anyhow::Result<ExitCode> {
    let begun = std::time::Instant::now();
    let mut restarts = Restarts::default();
    loop {
        let ended = life().await?;
        match ended.how {
            Ending::Told => return Ok(ExitCode::SUCCESS),
            Ending::AskedToRestart if starts_itself => {}
            Ending::AskedToRestart => return Ok(ExitCode::FAILURE),
            Ending::PartDied if restarts.allow(begun.elapsed()) => warn!("starting all parts of the bridge again"),
            Ending::PartDied => {
                error!("parts of the bridge keep dying; it ends, to be started afresh");
                return Ok(ExitCode::FAILURE);
            }
        }
        // Two that write the same documents would spoil each other's. However long the disk takes: nothing can be done
        // without it, and being told to stop ends the wait.
        if let Some(writer) = ended.left_behind {
            warn!("waiting for the disk before anything is started again");
            tokio::select! {
                () = cancel.cancelled() => return Ok(ExitCode::SUCCESS),
                written = writer => written.context(WRITER_DIED)?,
            }
        }
    }
}

/// A life of the bridge that is over.
struct Ended {
    /// How it ended.
    how: Ending,
    /// The writer of documents, if it still waits for the disk.
    left_behind: Option<JoinHandle<()>>,
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

async fn live(setup: Setup, health: &Health, cancel: CancellationToken) -> anyhow::Result<Ended> {
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
        outfit::garage(settings, channels, clock, store, vault, health.clone(), working.clone()),
    ));
    let last_documents = writing.clone();
    let mut written = tokio::spawn(async move {
        writer.run(last_documents).await;
        // Nobody else may have it while there is somebody who writes there.
        drop(directory);
    });

    let how = tokio::select! {
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
    let left_behind = match timeout(LAST_DOCUMENTS, &mut written).await {
        Ok(written) => {
            written.context(WRITER_DIED)?;
            None
        }
        Err(_) => {
            warn!("the disk does not take the last documents");
            Some(written)
        }
    };
    info!("stopped");
    Ok(Ended { how, left_behind })
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

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use tokio::sync::oneshot;

    use super::*;

    fn ended(how: Ending, left_behind: Option<JoinHandle<()>>) -> Ended {
        Ended { how, left_behind }
    }

    /// How many lives a bridge has whose lives end like this, and its exit code.
    async fn lives(endings: &[Ending], starts_itself: bool) -> (usize, ExitCode) {
        let mut lived = 0;
        let life = async || {
            lived += 1;
            Ok(ended(*endings.get(lived - 1).unwrap_or(&Ending::PartDied), None))
        };
        let code = supervise(life, starts_itself, &CancellationToken::new()).await.unwrap();
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

    #[tokio::test(start_paused = true)]
    async fn the_next_life_waits_until_the_disk_has_what_the_one_before_wrote() {
        let (disk, slow) = oneshot::channel::<()>();
        let mut writer = Some(tokio::spawn(async move { slow.await.unwrap() }));
        let lived = Cell::new(0);
        let life = async || {
            lived.set(lived.get() + 1);
            Ok(match writer.take() {
                Some(writer) => ended(Ending::PartDied, Some(writer)),
                None => ended(Ending::Told, None),
            })
        };
        let cancel = CancellationToken::new();
        let mut lives = std::pin::pin!(supervise(life, false, &cancel));
        assert!(timeout(Duration::from_secs(3600), &mut lives).await.is_err());
        assert_eq!(lived.get(), 1);
        disk.send(()).unwrap();
        assert_eq!(lives.await.unwrap(), ExitCode::SUCCESS);
        assert_eq!(lived.get(), 2);
    }

    #[tokio::test]
    async fn a_stop_ends_the_wait_for_a_disk_that_hangs() {
        let cancel = CancellationToken::new();
        cancel.cancel();
        let life = async || {
            let writer = tokio::spawn(std::future::pending::<()>());
            Ok(ended(Ending::PartDied, Some(writer)))
        };
        assert_eq!(supervise(life, false, &cancel).await.unwrap(), ExitCode::SUCCESS);
    }
}
