//! Keeps the pictures of all cars true to their state.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use crate::vehicle::facts::{FactKey, FactUpdate, Subject, Value};
use crate::vehicle::{Fleet, Vin};

use super::{draw, layers};

/// The facts produced here.
pub const FACTS: [FactKey; 1] = ["vehicle_image"];

/// The layers of a car's picture, as the cloud packed them.
pub struct Package {
    /// Whose.
    pub vin: Vin,
    /// The archive.
    pub archive: Vec<u8>,
}

/// The task that draws.
pub struct Painter {
    fleet: watch::Receiver<Fleet>,
    packages: mpsc::Receiver<Package>,
    facts: mpsc::Sender<FactUpdate>,
    easels: BTreeMap<Vin, Easel>,
}

/// A car's picture at work. The package stays packed: its layers would take ten times the memory.
struct Easel {
    archive: Arc<[u8]>,
    /// What the last picture shows.
    drawn: Option<Vec<&'static str>>,
    /// The last picture.
    picture: Option<Arc<[u8]>>,
}

impl Painter {
    /// A painter without a package.
    pub fn new(
        fleet: watch::Receiver<Fleet>,
        packages: mpsc::Receiver<Package>,
        facts: mpsc::Sender<FactUpdate>,
    ) -> Self {
        Self {
            fleet,
            packages,
            facts,
            easels: BTreeMap::new(),
        }
    }

    /// Draws until cancelled.
    pub async fn run(mut self, cancel: CancellationToken) {
        loop {
            tokio::select! {
                () = cancel.cancelled() => return,
                package = self.packages.recv() => match package {
                    Some(package) => self.take(package),
                    None => return,
                },
                changed = self.fleet.changed() => if changed.is_err() { return },
            }
            self.draw_what_changed().await;
        }
    }

    fn take(&mut self, Package { vin, archive }: Package) {
        let picture = self.easels.remove(&vin).and_then(|easel| easel.picture);
        let easel = Easel {
            archive: archive.into(),
            drawn: None,
            picture,
        };
        self.easels.insert(vin, easel);
    }

    async fn draw_what_changed(&mut self) {
        let fleet = self.fleet.borrow_and_update().clone();
        self.easels.retain(|vin, _| fleet.contains_key(vin));
        for (vin, easel) in &mut self.easels {
            let Some(view) = fleet.get(vin) else { continue };
            let wanted = layers(view.state.as_ref());
            if easel.drawn.as_ref() == Some(&wanted) {
                continue;
            }
            easel.drawn = Some(wanted.clone());
            let archive = easel.archive.clone();
            let drawn = tokio::task::spawn_blocking(move || draw(&archive, &wanted)).await;
            let picture: Arc<[u8]> = match drawn {
                Ok(Ok(picture)) => picture.into(),
                Ok(Err(error)) => {
                    warn!(%vin, %error, "the picture of the car cannot be drawn");
                    continue;
                }
                Err(failure) => {
                    warn!(%vin, %failure, "drawing the picture of the car failed");
                    continue;
                }
            };
            if easel.picture.as_ref() == Some(&picture) {
                continue;
            }
            debug!(%vin, bytes = picture.len(), "picture drawn");
            easel.picture = Some(picture.clone());
            let update = FactUpdate {
                subject: Subject::Car(vin.clone()),
                key: FACTS[0],
                value: Some(Value::Image(picture)),
            };
            // Whoever reads facts is gone only when the bridge stops.
            let _ = self.facts.send(update).await;
        }
    }
}
