//! The task that keeps the connection to the broker.

use std::future::pending;
use std::pin::{Pin, pin};
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info};

use super::announcer::discovery_filters;
use super::backoff::{Backoff, chance};
use super::commands::{Commands, Errand};
use super::events::Events;
use super::failure::Failure;
use super::link::Link;
use super::outbox::Retained;
use super::publisher::Publisher;
use super::session::{Happening, NotSent, Parcel, Received, Session, drive, farewell};
use super::settings::{MqttSettings, last_will};
use super::troubles::Troubles;
use super::wires::{News, Wires};
use crate::clock::Clock;
use crate::health::Pulse;
use crate::homeassistant::{Options, command_event, command_trigger, event_messages};
use crate::vehicle::facts::{FactKey, FactUpdate, Subject, Value};
use crate::vehicle::intent::CommandReport;

/// Our state on the bridge topic.
const ONLINE: &str = "online";
const OFFLINE: &str = "offline";

/// What Home Assistant says on its status topic when it has started.
const BIRTH: &[u8] = b"online";

/// The fact this room itself produces: since when the broker connection stands.
const CONNECTED_SINCE: FactKey = "bridge_mqtt_since";

/// How often ages are worked out again, by our clock.
const AGEING: Duration = Duration::from_secs(60);

/// However fast a simulated clock runs, ages are not worked out more often than this.
const SHORTEST_AGEING: Duration = Duration::from_millis(200);

/// However fast a simulated clock runs, the broker is real and needs this long to tell what it holds.
const SHORTEST_READ_BACK: Duration = Duration::from_millis(500);

/// Happenings the event loop may be ahead of us.
const HAPPENINGS: usize = 64;

/// A connection that held this long starts the back-off anew.
const HELD: Duration = Duration::from_secs(30);

/// Keeps the connection to the broker: publishes what changed, takes commands in, and comes back by itself.
pub struct Bridge {
    settings: watch::Receiver<Option<MqttSettings>>,
    clock: Clock,
    wires: Wires,
    publisher: Publisher,
    commands: Commands,
    events: Events,
    troubles: Troubles,
    /// When ages are worked out again.
    age_at: Instant,
    pulse: Pulse,
}

impl Bridge {
    /// A bridge that remembers what `wires.manifest` holds.
    pub fn new(settings: MqttSettings, options: Options, wires: Wires, clock: Clock) -> Self {
        Self::following(watch::Sender::new(Some(settings)).subscribe(), options, wires, clock)
    }

    /// A bridge to the broker that is told last; it waits for the first.
    pub fn following(
        settings: watch::Receiver<Option<MqttSettings>>,
        mut options: Options,
        mut wires: Wires,
        clock: Clock,
    ) -> Self {
        options.expected_facts.insert(CONNECTED_SINCE);
        let manifest = wires.manifest.borrow().clone();
        let commands = Commands::new(wires.requests.clone());
        let cars = wires.cars();
        let mut bridge = Self {
            settings,
            clock,
            wires,
            publisher: Publisher::new(options, manifest),
            commands,
            events: Events::default(),
            troubles: Troubles::default(),
            age_at: Instant::now(),
            pulse: Pulse::unwatched(),
        };
        bridge.take(cars);
        bridge
    }

    /// Shows with this pulse that it lives.
    pub fn watched_by(self, pulse: Pulse) -> Self {
        Self { pulse, ..self }
    }

    /// Runs until it is told to stop. Whatever the broker does, it tries again.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut backoff = Backoff::default();
        while !stop.is_cancelled() {
            let settings = self.settings.borrow_and_update().clone();
            let wait = match settings {
                // Until one is told.
                None => None,
                Some(settings) => {
                    let begun = Instant::now();
                    let ended = self.connection(settings, &stop).await;
                    self.note_connected_since(None);
                    let Err(failure) = ended else { continue };
                    self.troubles.report(&failure);
                    if begun.elapsed() >= HELD {
                        backoff.reset();
                    }
                    let wait = backoff.after_failure(failure.longest_wait(), chance());
                    debug!(?wait, "trying the broker again later");
                    Some(wait)
                }
            };
            if self.pause(wait, &stop).await == Pause::CutShort {
                backoff.reset();
            }
        }
    }

    /// Waits this long, without end for `None`, and takes news meanwhile. Another broker cuts it short.
    async fn pause(&mut self, wait: Option<Duration>, stop: &CancellationToken) -> Pause {
        let until = wait.map(|wait| Instant::now() + wait);
        loop {
            tokio::select! {
                () = due(until) => return Pause::Over,
                () = stop.cancelled() => return Pause::Over,
                Ok(()) = self.settings.changed() => return Pause::CutShort,
                news = self.wires.next(self.age_at) => self.take(news),
            }
            self.pulse.beat();
            self.publisher.refresh(self.clock.now());
        }
    }

    /// One connection, from the first packet to the last. Ends well only when told to stop, or when the broker is
    /// another one now.
    async fn connection(&mut self, settings: MqttSettings, stop: &CancellationToken) -> Result<(), Failure> {
        let last_will = last_will(&bridge_state(self.publisher.options(), OFFLINE));
        let (session, event_loop) = Session::open(&settings, Some(last_will));
        let (sender, happenings) = mpsc::channel(HAPPENINGS);
        let driver = pin!(drive(event_loop, sender));
        let mut link = Link::new(session, settings);
        let ended = self.serve(&mut link, driver, happenings, stop).await;
        self.take_back(link.session.left_over());
        ended
    }

    /// Does what there is to do on a connection until it ends.
    async fn serve(
        &mut self,
        link: &mut Link,
        mut driver: Pin<&mut impl Future<Output = Failure>>,
        mut happenings: mpsc::Receiver<Happening>,
        stop: &CancellationToken,
    ) -> Result<(), Failure> {
        loop {
            self.pulse.beat();
            self.publisher.refresh(self.clock.now());
            if link.is_up {
                self.publish(link)?;
            }
            tokio::select! {
                failure = &mut driver => {
                    // What arrived before the end was acknowledged, so it must not be lost.
                    while let Ok(happening) = happenings.try_recv() {
                        self.handle(happening, link)?;
                    }
                    return Err(failure);
                }
                Some(happening) = happenings.recv() => self.handle(happening, link)?,
                news = self.wires.next(self.age_at) => self.take(news),
                // While it waits for the other side to take bytes the library does not look at the clock.
                () = sleep_until(link.heard_at + link.settings.longest_silence()) => {
                    return Err(Failure::Away("no answer".to_owned()));
                }
                () = due(link.reading_until) => self.finish_reading(link)?,
                () = due(link.birth_at) => {
                    link.birth_at = None;
                    self.start_over(link)?;
                }
                () = stop.cancelled() => break,
                Ok(()) = self.settings.changed() => break,
            }
        }
        if link.is_up {
            // What became of commands that were waiting is told before we are gone.
            for news in self.wires.waiting() {
                self.take(news);
            }
            self.publisher.refresh(self.clock.now());
            self.publish(link)?;
            let offline = bridge_state(self.publisher.options(), OFFLINE);
            farewell(&offline, &mut link.session, driver, happenings).await;
        }
        Ok(())
    }

    /// Puts what the broker did not acknowledge back to where it waited: from the newest to the oldest, each to the front.
    fn take_back(&mut self, parcels: impl DoubleEndedIterator<Item = Parcel>) {
        for parcel in parcels.rev() {
            match parcel {
                Parcel::Answer(answer) => self.commands.put_back(answer),
                Parcel::Event(since, event) => self.events.put_back(since, event),
                Parcel::Cleared(topic) => self.publisher.clear_again(topic),
                Parcel::Retained(_) => {}
            }
        }
    }

    fn take(&mut self, news: News) {
        match news {
            News::Cars(fleet, complete) => {
                self.publisher.take_fleet(fleet);
                self.publisher.take_completeness(complete);
            }
            News::Facts(updates) => updates.into_iter().for_each(|update| self.publisher.take_fact(update)),
            News::Reports(reports) => reports.iter().for_each(|report| self.answer(report)),
            News::Happenings(happenings) => {
                let now = self.clock.now();
                for happening in &happenings {
                    for message in event_messages(happening, self.publisher.options()) {
                        self.events.enqueue(message, now);
                    }
                }
            }
            News::Time => {
                self.age_at = Instant::now() + self.clock.real_duration(AGEING).max(SHORTEST_AGEING);
                self.publisher.take_time();
            }
        }
    }

    /// Tells the asker and Home Assistant what became of a command.
    fn answer(&mut self, report: &CommandReport) {
        let options = self.publisher.options();
        self.commands.answer(report, options);
        let now = self.clock.now();
        self.events.enqueue(command_event(report, options), now);
        if let Some(trigger) = command_trigger(report, options) {
            self.events.enqueue(trigger, now);
        }
    }

    fn handle(&mut self, happening: Happening, link: &mut Link) -> Result<(), Failure> {
        let topic = link.session.note(&happening);
        if !matches!(happening, Happening::Sent(_)) {
            link.heard_at = Instant::now();
        }
        match happening {
            Happening::Connected { .. } => self.connected(link)?,
            Happening::Message(message) => self.receive(message, link),
            Happening::Rejected(_, reason) => {
                let topic = topic.map(|topic| self.publisher.shown(&topic)).unwrap_or_default();
                self.troubles.publishing_refused(&topic, &format!("{reason:?}"));
            }
            Happening::SubscriptionRefused(reason) => self.troubles.subscribing_refused(&format!("{reason:?}")),
            Happening::Sent(_) | Happening::Acknowledged(_) | Happening::Alive => {}
        }
        Ok(())
    }

    fn connected(&mut self, link: &mut Link) -> Result<(), Failure> {
        info!(host = %link.settings.host, port = link.settings.port, "connected to the broker");
        self.troubles.clear();
        self.note_connected_since(Some(Value::Time(self.clock.now())));
        link.is_up = true;
        let status_topic = self.publisher.options().status_topic.clone();
        link.session.subscribe_plain([status_topic])?;
        self.start_over(link)
    }

    /// Sends everything again: what the other side holds is not known any more.
    fn start_over(&mut self, link: &mut Link) -> Result<(), Failure> {
        self.publisher.start_over();
        link.session
            .subscribe_plain(discovery_filters(self.publisher.options()))?;
        let read_back = self
            .clock
            .real_duration(link.settings.read_back)
            .max(SHORTEST_READ_BACK);
        link.reading_until = Some(Instant::now() + read_back.min(link.settings.read_back));
        Ok(())
    }

    fn finish_reading(&mut self, link: &mut Link) -> Result<(), Failure> {
        link.reading_until = None;
        link.session.unsubscribe(discovery_filters(self.publisher.options()))?;
        self.announce();
        Ok(())
    }

    fn announce(&mut self) {
        self.publisher.announce(self.clock.now());
        let manifest = self.publisher.manifest();
        self.wires.manifest.send_if_modified(|stored| {
            let changed = stored != manifest;
            if changed {
                stored.clone_from(manifest);
            }
            changed
        });
    }

    /// Gives the session what waits, as far as it has room.
    fn publish(&mut self, link: &mut Link) -> Result<(), Failure> {
        if self.publisher.take_offers_changed() || link.subscribed.is_none() {
            self.subscribe_to_commands(link)?;
            if link.reading_until.is_none() {
                self.announce();
            }
        }
        while link.session.has_room() {
            if let Some(answer) = self.commands.take_next() {
                let sent = link.session.answer(&answer);
                self.allow_too_large(sent, &answer.topic)?;
            } else if let Some(message) = self.publisher.take_next(self.clock.now()) {
                let sent = link.session.retain(&message);
                self.allow_too_large(sent, &message.topic)?;
            } else {
                break;
            }
        }
        // Before, the entities the events belong to may not be announced, nor the states they are about be sent.
        while link.said_online && self.publisher.is_drained() && link.session.has_room() {
            let Some((since, event)) = self.events.take_next(self.clock.now()) else {
                break;
            };
            let sent = link.session.event(since, &event);
            self.allow_too_large(sent, &event.topic)?;
        }
        // Last of all, so that nobody sees us online without our states.
        if !link.said_online && link.reading_until.is_none() && self.publisher.is_drained() && link.session.has_room() {
            link.session.retain(&bridge_state(self.publisher.options(), ONLINE))?;
            link.said_online = true;
        }
        Ok(())
    }

    /// Topics once subscribed to stay so as long as the connection: a message for what is no longer offered is refused,
    /// with a reason, instead of vanishing.
    fn subscribe_to_commands(&mut self, link: &mut Link) -> Result<(), Failure> {
        let subscribed = link.subscribed.get_or_insert_default();
        let new: Vec<String> = self
            .publisher
            .command_topics()
            .filter(|topic| !subscribed.contains(*topic))
            .map(str::to_owned)
            .collect();
        subscribed.extend(new.iter().cloned());
        link.session.subscribe_commands(new)?;
        Ok(())
    }

    /// A message the broker finds too large is left out; everything else that cannot be sent ends the connection.
    fn allow_too_large(&mut self, sent: Result<(), NotSent>, topic: &str) -> Result<(), Failure> {
        match sent {
            Err(NotSent::TooLarge) => {
                let topic = self.publisher.shown(topic);
                self.troubles.publishing_refused(&topic, "larger than the broker takes");
                Ok(())
            }
            other => Ok(other?),
        }
    }

    fn receive(&mut self, message: Received, link: &mut Link) {
        let options = self.publisher.options();
        if message.topic == options.status_topic {
            // A retained birth is an old one, and we have just sent everything.
            if message.payload == BIRTH && !message.retained && link.birth_at.is_none() {
                let delay = link.settings.birth_delay_max.mul_f64(chance());
                info!(?delay, "Home Assistant has started; it gets everything again");
                link.birth_at = Some(Instant::now() + delay);
            }
        } else if link
            .subscribed
            .as_ref()
            .is_some_and(|topics| topics.contains(&message.topic))
        {
            let now = self.clock.now();
            match self.commands.take(message, &mut self.publisher, now) {
                // Without reading back what the broker holds, so that everything goes out whether it is there or not.
                Some(Errand::Announce) => {
                    info!("everything is announced again, as asked");
                    self.publisher.start_over();
                    self.announce();
                }
                Some(Errand::Restart) => self.wires.restart.cancel(),
                Some(Errand::Answer(report)) => self.answer(&report),
                Some(Errand::Tell(events)) => events.into_iter().for_each(|event| self.events.enqueue(event, now)),
                None => {}
            }
        } else if link.reading_until.is_some() && message.retained {
            self.publisher.read_back(&message.topic, &message.payload);
        }
    }

    fn note_connected_since(&mut self, value: Option<Value>) {
        self.publisher.take_fact(FactUpdate {
            subject: Subject::Bridge,
            key: CONNECTED_SINCE,
            value,
        });
    }
}

/// How a wait between two connections ended.
#[derive(PartialEq, Eq)]
enum Pause {
    /// It is time, or time to stop.
    Over,
    /// The broker is another one now.
    CutShort,
}

/// Waits for a moment that may not come.
async fn due(moment: Option<Instant>) {
    match moment {
        Some(moment) => sleep_until(moment).await,
        None => pending().await,
    }
}

fn bridge_state(options: &Options, state: &str) -> Retained {
    Retained {
        topic: options.bridge_state_topic().into(),
        payload: state.as_bytes().into(),
    }
}
