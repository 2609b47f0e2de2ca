//! What the bridge knows of the connection it has.

use std::collections::BTreeSet;

use tokio::time::Instant;

use super::session::Session;
use super::settings::MqttSettings;

/// What is true of one connection.
pub(super) struct Link {
    /// Our end of it.
    pub session: Session,
    /// Where it leads.
    pub settings: MqttSettings,
    /// The broker has accepted us.
    pub is_up: bool,
    /// Whether everybody was told that we are there.
    pub said_online: bool,
    /// When the broker said something last; before that, when we set out to connect.
    pub heard_at: Instant,
    /// The command topics subscribed to; `None` before the first time.
    pub subscribed: Option<BTreeSet<String>>,
    /// Until when we listen for our own discovery messages.
    pub reading_until: Option<Instant>,
    /// When Home Assistant, which has just started, gets everything.
    pub birth_at: Option<Instant>,
}

impl Link {
    /// A connection that has not been accepted yet.
    pub fn new(session: Session, settings: MqttSettings) -> Self {
        Self {
            session,
            settings,
            is_up: false,
            said_online: false,
            heard_at: Instant::now(),
            subscribed: None,
            reading_until: None,
            birth_at: None,
        }
    }
}
