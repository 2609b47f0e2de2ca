//! What ties the bridge to the rest of the house.

use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::announcer::Manifest;
use crate::vehicle::facts::FactUpdate;
use crate::vehicle::intent::{CommandReport, Request};
use crate::vehicle::{Fleet, Happening};

/// Facts, reports or happenings taken at once before their consequences are worked out.
const BATCH: usize = 64;

/// What the bridge is told, and whom it tells.
pub struct Wires {
    /// All cars.
    pub fleet: watch::Receiver<Fleet>,
    /// Whether every account has told its cars in this run: only then is a car that is not in the fleet gone, and only
    /// then are its entities removed.
    pub fleet_is_complete: watch::Receiver<bool>,
    /// What is not the state of a car.
    pub facts: mpsc::Receiver<FactUpdate>,
    /// What became of commands that came in over MQTT.
    pub reports: mpsc::Receiver<CommandReport>,
    /// What happened to cars.
    pub happenings: mpsc::Receiver<Happening>,
    /// Where commands go.
    pub requests: mpsc::Sender<Request>,
    /// What was announced, for the store: it is sent whenever it changes.
    pub manifest: watch::Sender<Manifest>,
    /// Cancelled when somebody wants the bridge to end and be started afresh.
    pub restart: CancellationToken,
}

/// Something new from the rest of the house.
pub(super) enum News {
    /// All cars, and whether every account has told its own.
    Cars(Fleet, bool),
    Facts(Vec<FactUpdate>),
    Reports(Vec<CommandReport>),
    Happenings(Vec<Happening>),
    Time,
}

impl Wires {
    /// Waits for news. Nothing is lost when the wait is given up. A producer that has ended is not waited for.
    pub(super) async fn next(&mut self, age_at: Instant) -> News {
        tokio::select! {
            Ok(()) = self.fleet.changed() => self.cars(),
            Ok(()) = self.fleet_is_complete.changed() => self.cars(),
            Some(first) = self.facts.recv() => News::Facts(batch(first, &mut self.facts)),
            Some(first) = self.reports.recv() => News::Reports(batch(first, &mut self.reports)),
            Some(first) = self.happenings.recv() => News::Happenings(batch(first, &mut self.happenings)),
            () = sleep_until(age_at) => News::Time,
        }
    }

    /// The cars as they are. That all have been told is read first: it is said after the last of them has come, so that
    /// none can be missing from what is read then. The other way round a car that comes in between would pass for gone.
    pub(super) fn cars(&mut self) -> News {
        let complete = *self.fleet_is_complete.borrow_and_update();
        let fleet = self.fleet.borrow_and_update().clone();
        News::Cars(fleet, complete)
    }

    /// What was told and not taken yet, except the cars as they are, which nobody misses at the end.
    pub(super) fn waiting(&mut self) -> Vec<News> {
        let reports = std::iter::from_fn(|| self.reports.try_recv().ok()).collect();
        let happenings = std::iter::from_fn(|| self.happenings.try_recv().ok()).collect();
        vec![News::Reports(reports), News::Happenings(happenings)]
    }
}

fn batch<T>(first: T, more: &mut mpsc::Receiver<T>) -> Vec<T> {
    std::iter::once(first)
        .chain(std::iter::from_fn(|| more.try_recv().ok()))
        .take(BATCH)
        .collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::mqtt::fixture;

    #[tokio::test]
    async fn who_hears_that_all_cars_are_told_hears_of_the_cars_with_it() {
        // Which of the two is noticed first is chance.
        for _ in 0..64 {
            let (fleet, fleet_end) = watch::channel(Fleet::new());
            let (complete, complete_end) = watch::channel(false);
            let mut wires = Wires {
                fleet: fleet_end,
                fleet_is_complete: complete_end,
                facts: mpsc::channel(1).1,
                reports: mpsc::channel(1).1,
                happenings: mpsc::channel(1).1,
                requests: mpsc::channel(1).0,
                manifest: watch::Sender::new(Manifest::default()),
                restart: CancellationToken::new(),
            };
            fleet.send_replace(fixture::fleet());
            complete.send_replace(true);
            let later = Instant::now() + Duration::from_secs(3_600);
            let News::Cars(cars, complete) = wires.next(later).await else {
                panic!("something else is news")
            };
            assert_eq!((cars, complete), (fixture::fleet(), true));
        }
    }
}
