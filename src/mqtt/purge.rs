//! Short connections of their own: to try a broker out, and to take what we or other bridges left off it.

use std::collections::{BTreeSet, VecDeque};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until, timeout};

use super::announcer::{Announcer, Manifest, discovery_filters};
use super::failure::Failure;
use super::outbox::Retained;
use super::replies::Answer;
use super::session::{Happening, Received, Session, drain, drive};
use super::settings::MqttSettings;
use crate::homeassistant::{Options, OtherBridge};
use crate::vehicle::facts::Subject;

/// Happenings the event loop may be ahead of us.
const HAPPENINGS: usize = 64;

/// How long the whole of it may take.
const LONGEST: Duration = Duration::from_secs(60);

/// Connects once, tries whether we may publish and subscribe below our base topic, and says goodbye.
pub async fn probe(settings: &MqttSettings, options: &Options) -> Result<(), Failure> {
    let (mut session, event_loop) = Session::open(settings, None);
    let (sender, mut happenings) = mpsc::channel(HAPPENINGS);
    let mut driver = pin!(drive(event_loop, sender));
    let topic = options.topic(&Subject::Bridge, "check");
    let met = async {
        loop {
            let happening = tokio::select! {
                failure = &mut driver => return Err(failure),
                Some(happening) = happenings.recv() => happening,
            };
            session.note(&happening);
            match happening {
                Happening::Connected { .. } => {
                    session.subscribe_plain([topic.clone()])?;
                    session.answer(&Answer::new(topic.as_str(), "", None))?;
                }
                Happening::Acknowledged(_) => break,
                Happening::Rejected(..) | Happening::SubscriptionRefused(_) => return Err(Failure::Forbidden(topic)),
                Happening::Message(_) | Happening::Sent(_) | Happening::Alive => {}
            }
        }
        session.disconnect()?;
        // After a goodbye the broker closes the connection, which is no failure any more.
        drain(driver, happenings).await;
        Ok(())
    };
    timeout(LONGEST, met).await.unwrap_or_else(|_| Err(too_slow()))
}

/// What a purge takes off the broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Purge {
    /// Every retained topic we ever wrote: what lies below the base topic, and our discovery messages, which are known by
    /// their origin. The bridge must not be running, or it would publish everything again.
    pub own: bool,
    /// What these left behind. They must not be running either.
    pub of: BTreeSet<OtherBridge>,
    /// Remove nothing, only tell.
    pub dry_run: bool,
}

impl Purge {
    /// Everything of ours.
    pub const OWN: Self = Self {
        own: true,
        of: BTreeSet::new(),
        dry_run: false,
    };
}

/// Removes retained topics. Ends when the broker has named nothing new for the time of a read-back and has acknowledged
/// every removal. Gives the topics removed, or that would be.
pub async fn purge(settings: &MqttSettings, options: &Options, what: &Purge) -> Result<BTreeSet<Arc<str>>, Failure> {
    timeout(LONGEST, sweep(settings, options, what))
        .await
        .unwrap_or_else(|_| Err(too_slow()))
}

async fn sweep(settings: &MqttSettings, options: &Options, what: &Purge) -> Result<BTreeSet<Arc<str>>, Failure> {
    let (mut session, event_loop) = Session::open(settings, None);
    let (sender, mut happenings) = mpsc::channel(HAPPENINGS);
    let mut driver = pin!(drive(event_loop, sender));
    let mut broom = Broom::new(options, what);
    let mut quiet_at: Option<Instant> = None;
    loop {
        while session.has_room()
            && let Some(message) = broom.waiting.pop_front()
        {
            session.retain(&message)?;
        }
        let quiet = async {
            match quiet_at {
                Some(moment) => sleep_until(moment).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            failure = &mut driver => return Err(failure),
            () = quiet => {
                if session.is_settled() {
                    session.disconnect()?;
                    drain(driver, happenings).await;
                    return Ok(broom.found);
                }
                quiet_at = Some(Instant::now() + settings.read_back);
            }
            Some(happening) = happenings.recv() => {
                let topic = session.note(&happening);
                match happening {
                    Happening::Connected { .. } => {
                        session.subscribe_plain(broom.filters.iter().cloned())?;
                        quiet_at = Some(Instant::now() + settings.read_back);
                    }
                    Happening::Message(message) if broom.take(&message) => {
                        quiet_at = Some(Instant::now() + settings.read_back);
                    }
                    Happening::Rejected(..) => {
                        return Err(Failure::Forbidden(topic.map(|topic| topic.to_string()).unwrap_or_default()));
                    }
                    Happening::SubscriptionRefused(_) => return Err(Failure::Forbidden(broom.filters.join(" or "))),
                    Happening::Message(_) | Happening::Sent(_) | Happening::Acknowledged(_) | Happening::Alive => {}
                }
            }
        }
    }
}

/// Which topics to clear.
struct Broom<'a> {
    filters: Vec<String>,
    base: String,
    options: &'a Options,
    what: &'a Purge,
    announcer: Announcer,
    waiting: VecDeque<Retained>,
    found: BTreeSet<Arc<str>>,
}

impl<'a> Broom<'a> {
    fn new(options: &'a Options, what: &'a Purge) -> Self {
        let base = format!("{}/", options.base_topic);
        let own = [format!("{base}#")].into_iter().chain(discovery_filters(options));
        let others = what.of.iter().flat_map(|bridge| bridge.filters(options));
        Self {
            filters: own
                .filter(|_| what.own)
                .chain(others)
                .collect::<BTreeSet<_>>()
                .into_iter()
                .collect(),
            base,
            options,
            what,
            announcer: Announcer::new(Manifest::default(), options),
            waiting: VecDeque::new(),
            found: BTreeSet::new(),
        }
    }

    /// Whether the message is retained and to be removed; then its topic waits to be cleared.
    fn take(&mut self, message: &Received) -> bool {
        // A message may come once for each filter that it fits.
        if !message.retained
            || message.payload.is_empty()
            || self.found.contains(message.topic.as_str())
            || !self.is_unwanted(message)
        {
            return false;
        }
        let topic: Arc<str> = message.topic.as_str().into();
        if !self.what.dry_run {
            self.waiting.push_back(Retained {
                topic: topic.clone(),
                payload: Arc::default(),
            });
        }
        self.found.insert(topic);
        true
    }

    fn is_unwanted(&mut self, message: &Received) -> bool {
        let (topic, payload) = (&message.topic, &message.payload);
        if topic.starts_with(&self.base) || self.announcer.read_back(topic, payload) {
            return self.what.own;
        }
        self.what
            .of
            .iter()
            .any(|bridge| bridge.left(topic, payload, self.options))
    }
}

fn too_slow() -> Failure {
    Failure::Away(format!("not done after {} s", LONGEST.as_secs()))
}
