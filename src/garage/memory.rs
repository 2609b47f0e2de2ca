//! What is remembered of a car across restarts: one small document per car.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use tracing::warn;

use crate::store::Store;
use crate::vehicle::Vin;
use crate::vehicle::derive::Memory;
use crate::vehicle::transitions::Watch;

/// The document of one car.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct CarDocument {
    /// What the rules need to remember.
    pub memory: Memory,
    /// What is compared with to find out what happened to the car.
    pub watch: Watch,
    /// The names of all readings the car has ever sent; names that no longer exist are ignored.
    pub evidence: Vec<String>,
    /// The numbers of all signals without a name that it has ever sent.
    pub unknown_signals: BTreeSet<u32>,
}

impl CarDocument {
    /// The document as it was kept; an empty one for a new car, or where it cannot be read.
    pub fn read(store: &Store, vin: &Vin) -> Self {
        store
            .read(&name(vin))
            .unwrap_or_else(|error| {
                warn!(%vin, %error, "what was remembered of this car cannot be read, starting afresh");
                None
            })
            .unwrap_or_default()
    }

    /// Keeps the document; the disk sees only the latest of many.
    pub fn write(&self, store: &Store, vin: &Vin) {
        if let Err(error) = store.write(&name(vin), self) {
            warn!(%vin, %error, "what there is to remember of this car cannot be kept");
        }
    }
}

fn name(vin: &Vin) -> String {
    format!("car-{}", vin.as_str())
}
