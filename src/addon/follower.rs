//! Keeps asking the Supervisor for the broker: waits for one, and notices when its address or credentials change.

use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tracing::{debug, error, info};

use super::supervisor::{Broker, Supervisor, SupervisorError};
use crate::clock::Clock;
use crate::store::{Redactor, Secret};

/// How often the Supervisor is asked. A request stays on this machine and costs next to nothing; half a minute is as long
/// as a broker with new credentials goes without us.
const INTERVAL: Duration = Duration::from_secs(30);

/// The task that follows the broker.
pub struct Follower {
    supervisor: Supervisor,
    redactor: Redactor,
    clock: Clock,
    tell: Box<dyn Fn(&Broker) + Send>,
    known: Option<Broker>,
    said: Option<SupervisorError>,
}

impl Follower {
    /// A follower that tells every broker that is not the one before.
    pub fn new(supervisor: Supervisor, redactor: Redactor, clock: Clock, tell: Box<dyn Fn(&Broker) + Send>) -> Self {
        Self {
            supervisor,
            redactor,
            clock,
            tell,
            known: None,
            said: None,
        }
    }

    /// Follows until cancelled.
    pub async fn run(mut self, cancel: CancellationToken) {
        loop {
            let asked = tokio::select! {
                () = cancel.cancelled() => return,
                asked = self.supervisor.broker() => asked,
            };
            match asked {
                Ok(broker) => self.take(broker),
                Err(problem) => self.complain(problem),
            }
            tokio::select! {
                () = cancel.cancelled() => return,
                () = self.clock.sleep(INTERVAL) => {}
            }
        }
    }

    fn take(&mut self, broker: Broker) {
        self.said = None;
        if self.known.as_ref() == Some(&broker) {
            return;
        }
        if let Some(password) = &broker.password {
            self.redactor.add(Secret::MqttPassword, password);
        }
        match &self.known {
            None => info!(?broker, "the Supervisor told the broker"),
            Some(_) => info!(?broker, "the broker has another address or other credentials now"),
        }
        (self.tell)(&broker);
        self.known = Some(broker);
    }

    /// Says a problem once. A broker that was told stays good until another is: it may only be restarting.
    fn complain(&mut self, problem: SupervisorError) {
        if self.known.is_some() || self.said.as_ref() == Some(&problem) {
            debug!(%problem, "no news of the broker");
        } else {
            error!(
                "{problem}. The bridge waits and asks again every {} s",
                INTERVAL.as_secs()
            );
        }
        self.said = Some(problem);
    }
}
