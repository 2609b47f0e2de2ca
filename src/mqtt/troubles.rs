//! Saying what is wrong with the broker, once.

use std::collections::HashSet;
use std::mem::Discriminant;

use tracing::{debug, error, warn};

use super::failure::Failure;

/// What was already said about the broker, so that each trouble is logged once until the connection stands again.
#[derive(Debug, Default)]
pub(super) struct Troubles {
    failures: HashSet<Discriminant<Failure>>,
    publishing: bool,
    subscribing: bool,
}

impl Troubles {
    pub fn report(&mut self, failure: &Failure) {
        if !self.failures.insert(failure.kind()) {
            debug!(%failure, "no connection to the broker yet");
        } else if failure.needs_a_person() {
            error!("{failure}; trying again from time to time");
        } else {
            warn!("{failure}; trying again until it is back");
        }
    }

    pub fn publishing_refused(&mut self, topic: &str, reason: &str) {
        if !std::mem::replace(&mut self.publishing, true) {
            error!(
                topic,
                reason, "the broker does not let us publish; check the rights of our user"
            );
        }
    }

    pub fn subscribing_refused(&mut self, reason: &str) {
        if !std::mem::replace(&mut self.subscribing, true) {
            error!(
                reason,
                "the broker does not let us subscribe; check the rights of our user"
            );
        }
    }

    pub fn clear(&mut self) {
        *self = Self::default();
    }
}
