//! What is remembered of an account across restarts, apart from its secrets: the document behind its ration of sign-ins.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tracing::warn;

use crate::garage::keepsake::Keepsake;
use crate::garage::sign_ins::SignIns;
use crate::garage::takeovers::Takeovers;
use crate::store::Store;

/// The document of one account.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Record {
    /// Its sign-ins.
    #[serde(flatten)]
    pub sign_ins: SignIns,
    /// How often another client took it over.
    #[serde(default)]
    pub takeovers: Takeovers,
}

impl Record {
    /// The record as it was kept; an empty one for a new account, or where it cannot be read.
    pub fn read(store: &Store, keepsake: &Keepsake) -> Self {
        store
            .read(&keepsake.document())
            .unwrap_or_else(|error| {
                warn!(account = %keepsake.account(), %error, "earlier sign-ins are not known");
                None
            })
            .unwrap_or_default()
    }

    /// Keeps the record.
    pub fn write(&self, store: &Store, keepsake: &Keepsake) {
        if let Err(error) = store.write(&keepsake.document(), self) {
            warn!(account = %keepsake.account(), %error, "the sign-ins cannot be counted across restarts");
        }
    }

    /// Notes a sign-in before it is made: one that is cut short counts too. It ends giving way to another client.
    pub fn begin_sign_in(&mut self, now: Timestamp) {
        self.sign_ins.begin(now);
        self.takeovers.end();
    }
}
