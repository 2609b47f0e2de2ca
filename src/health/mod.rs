//! Whether the process lives: its main tasks show themselves now and then, and whoever asks `/healthz` hears whether one
//! of them has stopped doing so.
//!
//! A task is stuck when its loop does not turn any more. A cloud or a broker that is away is none of this: the loops turn
//! all the same, and starting the process afresh would not bring it back.
//!
//! Must not know what the tasks do. Start with [`Pulse`], what a task holds, and [`Monitor`], which keeps the list.

mod ask;
mod report;
mod serve;

use std::net::SocketAddr;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{error, warn};

pub use ask::{AskError, ask};
pub use report::{Report, Stuck};

/// How long a task may be silent. The loops that are watched turn once a minute at least; the rest is for a machine that
/// is very busy.
pub const LONGEST_SILENCE: Duration = Duration::from_secs(300);

/// Tasks and questions that may wait for the monitor.
const WAITING: usize = 64;

/// How long the monitor may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// What a task shows that it lives with.
#[derive(Debug)]
pub struct Pulse(watch::Sender<Instant>);

impl Pulse {
    /// The pulse of a task that nobody watches.
    pub fn unwatched() -> Self {
        Self(watch::Sender::new(Instant::now()))
    }

    /// Shows that the task's loop turns.
    pub fn beat(&self) {
        self.0.send_replace(Instant::now());
    }
}

/// The way in to the monitor.
#[derive(Clone)]
pub struct Health(mpsc::Sender<Ask>);

impl Health {
    /// A pulse for the task of this name; it is watched until it is dropped.
    pub fn watch(&self, name: impl Into<String>) -> Pulse {
        let pulse = Pulse::unwatched();
        let part = Part {
            name: name.into(),
            last: pulse.0.subscribe(),
            said: false,
        };
        if let Err(refused) = self.0.try_send(Ask::Watch(part)) {
            warn!(%refused, "a task is not watched");
        }
        pulse
    }

    /// How the tasks are; `None` when the monitor itself does not answer.
    pub async fn report(&self) -> Option<Report> {
        let (reply, answer) = oneshot::channel();
        let asked = async {
            self.0.send(Ask::Report(reply)).await.ok()?;
            answer.await.ok()
        };
        timeout(PATIENCE, asked).await.ok().flatten()
    }
}

enum Ask {
    Watch(Part),
    Report(oneshot::Sender<Report>),
}

/// A watched task.
struct Part {
    name: String,
    last: watch::Receiver<Instant>,
    /// Whether its silence was logged.
    said: bool,
}

/// The task that knows who is watched, and serves what it knows.
pub struct Monitor {
    parts: Vec<Part>,
    asks: mpsc::Receiver<Ask>,
    health: Health,
}

impl Monitor {
    /// A monitor that watches nobody yet, and the way in.
    pub fn new() -> (Self, Health) {
        let (ask, asks) = mpsc::channel(WAITING);
        let health = Health(ask);
        let monitor = Self {
            parts: Vec::new(),
            asks,
            health: health.clone(),
        };
        (monitor, health)
    }

    /// Answers at this address until cancelled. When the address cannot be had, it says so and tries again.
    pub async fn run(mut self, listen: SocketAddr, cancel: CancellationToken) {
        let serving = serve::serve(listen, self.health.clone());
        tokio::select! {
            () = cancel.cancelled() => {}
            () = self.answer() => {}
            never = serving => match never {},
        }
    }

    async fn answer(&mut self) {
        while let Some(ask) = self.asks.recv().await {
            match ask {
                Ask::Watch(part) => self.parts.push(part),
                Ask::Report(reply) => {
                    // Whoever asked may have given up.
                    let _ = reply.send(self.report());
                }
            }
        }
    }

    fn report(&mut self) -> Report {
        // A pulse that was dropped belongs to a task that ended, which whoever started it knows.
        self.parts.retain(|part| part.last.has_changed().is_ok());
        let now = Instant::now();
        let silences = self
            .parts
            .iter()
            .map(|part| (part.name.as_str(), now.duration_since(*part.last.borrow())));
        let report = Report::of(silences, LONGEST_SILENCE);
        for part in &mut self.parts {
            let stuck = report.stuck.iter().find(|stuck| stuck.part == part.name);
            if let Some(stuck) = stuck.filter(|_| !part.said) {
                error!(part = %stuck.part, silence = ?stuck.silence, "a part of the bridge is stuck");
            }
            part.said = stuck.is_some();
        }
        report
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A monitor without its server.
    fn monitor() -> Health {
        let (mut monitor, health) = Monitor::new();
        tokio::spawn(async move { monitor.answer().await });
        health
    }

    #[tokio::test(start_paused = true)]
    async fn a_task_that_is_silent_for_too_long_is_stuck_until_it_shows_itself_again() {
        let health = monitor();
        let (quick, slow) = (health.watch("quick"), health.watch("slow"));
        tokio::time::advance(LONGEST_SILENCE).await;
        assert!(health.report().await.unwrap().is_well());
        quick.beat();
        tokio::time::advance(Duration::from_secs(1)).await;
        let report = health.report().await.unwrap();
        let stuck: Vec<&str> = report.stuck.iter().map(|stuck| stuck.part.as_str()).collect();
        assert_eq!(stuck, ["slow"]);
        slow.beat();
        assert!(health.report().await.unwrap().is_well());
    }

    #[tokio::test(start_paused = true)]
    async fn a_task_that_has_ended_is_not_waited_for() {
        let health = monitor();
        drop(health.watch("gone"));
        tokio::time::advance(2 * LONGEST_SILENCE).await;
        assert!(health.report().await.unwrap().is_well());
    }

    #[tokio::test(start_paused = true)]
    async fn a_monitor_that_is_gone_gives_no_report() {
        let (monitor, health) = Monitor::new();
        drop(monitor);
        assert_eq!(health.report().await, None);
        health.watch("nobody").beat();
    }
}
