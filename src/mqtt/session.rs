//! One connection to the broker: the only file of this room that speaks to the client library.
//!
//! Every connection gets a client and an event loop of its own. That is on purpose: what the library keeps from a lost
//! connection (queued requests, packet ids, a collision of two) can stall the next one.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use rumqttc::Outgoing;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{
    Filter, LastWill, Packet, PubAckReason, Publish, PublishProperties, SubscribeReasonCode,
};
use rumqttc::v5::{AsyncClient, Event, EventLoop};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tracing::{info, warn};

use super::failure::Failure;
use super::outbox::Retained;
use super::replies::{Answer, Circumstances};
use super::settings::{IN_FLIGHT, MqttSettings};

/// A directive of the log filter that keeps the library's own messages out: they name topics in full, and with them cars.
pub const LOG_DIRECTIVE: &str = "rumqttc=off";

/// Requests the library takes before it is full. More than we let be under way, so it never is.
const REQUESTS: usize = 4 * IN_FLIGHT as usize;

/// Topics subscribed to with one packet.
const FILTERS: usize = 500;

/// How long our goodbye may take.
const FAREWELL: Duration = Duration::from_secs(2);

/// How long the broker may take to close the connection after our goodbye.
const CLOSING: Duration = Duration::from_millis(500);

/// Room a packet needs besides topic and payload.
const PACKET_OVERHEAD: usize = 64;

/// What happened on the connection.
#[derive(Debug)]
pub(super) enum Happening {
    /// The broker accepted us; the session is new.
    Connected {
        /// The largest packet it takes, in bytes; `None` sets no limit.
        largest_packet: Option<u32>,
    },
    /// A message arrived.
    Message(Received),
    /// A packet of ours is on its way; 0 is one that will not be acknowledged.
    Sent(u16),
    /// The broker took a message of ours.
    Acknowledged(u16),
    /// The broker did not take a message of ours.
    Rejected(u16, PubAckReason),
    /// The broker did not let us subscribe to something.
    SubscriptionRefused(SubscribeReasonCode),
    /// The broker said something else, which only shows that it is there.
    Alive,
}

/// A message as it arrived.
#[derive(Debug)]
pub(super) struct Received {
    /// Where.
    pub topic: String,
    /// What; any bytes.
    pub payload: Vec<u8>,
    /// Whether it is retained on the broker.
    pub retained: bool,
    /// Whether the broker marks it as sent before.
    pub duplicate: bool,
    /// What MQTT 5 tells about it.
    pub circumstances: Circumstances,
}

/// A message the broker has to acknowledge: what it takes to say it on another connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Parcel {
    /// A retained message, by its topic. Every connection sends all of them anyway.
    Retained(Arc<str>),
    /// The end of a retained topic, which is forgotten once it was sent.
    Cleared(Arc<str>),
    /// An answer.
    Answer(Answer),
    /// An event, and when it came up.
    Event(Timestamp, Answer),
}

impl Parcel {
    fn topic(&self) -> Arc<str> {
        match self {
            Self::Retained(topic) | Self::Cleared(topic) => topic.clone(),
            Self::Answer(message) | Self::Event(_, message) => message.topic.clone(),
        }
    }
}

/// Our end of a connection. Nothing here waits: what is given to it goes out as the [`drive`]n event loop comes to it.
pub(super) struct Session {
    client: AsyncClient,
    /// How surely values arrive; what availability and discovery depend on is always acknowledged.
    value_qos: QoS,
    largest_packet: Option<u32>,
    /// Messages that will not be acknowledged, given to the library and not yet on their way.
    unacknowledged: usize,
    /// QoS 1 messages given to the library, not yet on their way, oldest first.
    given: VecDeque<Parcel>,
    /// QoS 1 messages on their way, with their packet ids, oldest first.
    under_way: Vec<(u16, Parcel)>,
}

/// Whether a message is a value only: not discovery, not somebody's availability, and not the end of a topic.
fn is_value(message: &Retained) -> bool {
    let vital = ["/config", "/availability", "/state"]
        .iter()
        .any(|end| message.topic.ends_with(end));
    !vital && !message.payload.is_empty()
}

impl Session {
    /// A connection that begins when the event loop is driven.
    pub fn open(settings: &MqttSettings, last_will: Option<LastWill>) -> (Self, EventLoop) {
        let (client, event_loop) = AsyncClient::new(settings.options(last_will), REQUESTS);
        let session = Self {
            client,
            value_qos: if settings.acknowledge_values {
                QoS::AtLeastOnce
            } else {
                QoS::AtMostOnce
            },
            largest_packet: None,
            unacknowledged: 0,
            given: VecDeque::new(),
            under_way: Vec::new(),
        };
        (session, event_loop)
    }

    /// Keeps the books. The answer is the topic of a message that was acknowledged or rejected.
    pub fn note(&mut self, happening: &Happening) -> Option<Arc<str>> {
        match happening {
            Happening::Connected { largest_packet } => {
                self.largest_packet = *largest_packet;
                None
            }
            Happening::Sent(0) => {
                self.unacknowledged = self.unacknowledged.saturating_sub(1);
                None
            }
            Happening::Sent(id) => {
                if let Some(parcel) = self.given.pop_front() {
                    self.under_way.push((*id, parcel));
                }
                None
            }
            Happening::Acknowledged(id) | Happening::Rejected(id, _) => {
                let index = self.under_way.iter().position(|(sent, _)| sent == id)?;
                let (_, parcel) = self.under_way.remove(index);
                Some(parcel.topic())
            }
            Happening::Message(_) | Happening::SubscriptionRefused(_) | Happening::Alive => None,
        }
    }

    /// Whether another message may be given to it.
    pub fn has_room(&self) -> bool {
        self.given.len() + self.under_way.len() + self.unacknowledged < usize::from(IN_FLIGHT)
    }

    /// Whether everything is on its way, and the broker has acknowledged what it will acknowledge.
    pub fn is_settled(&self) -> bool {
        self.given.is_empty() && self.under_way.is_empty() && self.unacknowledged == 0
    }

    /// Sends a retained message.
    pub fn retain(&mut self, message: &Retained) -> Result<(), NotSent> {
        self.check_size(&message.topic, &message.payload)?;
        let qos = if is_value(message) {
            self.value_qos
        } else {
            QoS::AtLeastOnce
        };
        self.client
            .try_publish(&*message.topic, qos, true, message.payload.to_vec())
            .map_err(|_| NotSent::Full)?;
        match qos {
            QoS::AtMostOnce => self.unacknowledged += 1,
            _ if message.payload.is_empty() => self.given.push_back(Parcel::Cleared(message.topic.clone())),
            _ => self.given.push_back(Parcel::Retained(message.topic.clone())),
        }
        Ok(())
    }

    /// Sends an answer, at least once, not retained.
    pub fn answer(&mut self, answer: &Answer) -> Result<(), NotSent> {
        self.say(answer, Parcel::Answer(answer.clone()))
    }

    /// Sends an event that came up at `since`, at least once, not retained.
    pub fn event(&mut self, since: Timestamp, event: &Answer) -> Result<(), NotSent> {
        self.say(event, Parcel::Event(since, event.clone()))
    }

    /// What the broker has not acknowledged when the connection has ended, oldest first.
    pub fn left_over(self) -> impl DoubleEndedIterator<Item = Parcel> {
        self.under_way.into_iter().map(|(_, parcel)| parcel).chain(self.given)
    }

    /// Subscribes to command topics: at least once, without our own messages, and with the retain flag as it was
    /// published, so that a retained command is recognised whether it waited or comes live.
    pub fn subscribe_commands(&self, topics: impl IntoIterator<Item = String>) -> Result<(), NotSent> {
        self.subscribe(topics, |filter| Filter {
            qos: QoS::AtLeastOnce,
            nolocal: true,
            preserve_retain: true,
            ..filter
        })
    }

    /// Subscribes to topics to listen on.
    pub fn subscribe_plain(&self, topics: impl IntoIterator<Item = String>) -> Result<(), NotSent> {
        self.subscribe(topics, |filter| filter)
    }

    /// Ends subscriptions.
    pub fn unsubscribe(&self, topics: impl IntoIterator<Item = String>) -> Result<(), NotSent> {
        topics
            .into_iter()
            .try_for_each(|topic| self.client.try_unsubscribe(topic).map_err(|_| NotSent::Full))
    }

    /// Says goodbye, so that the broker does not execute the last will.
    pub fn disconnect(&self) -> Result<(), NotSent> {
        self.client.try_disconnect().map_err(|_| NotSent::Full)
    }

    fn say(&mut self, message: &Answer, parcel: Parcel) -> Result<(), NotSent> {
        self.check_size(&message.topic, message.payload.as_bytes())?;
        let properties = PublishProperties {
            correlation_data: message.correlation.clone().map(Into::into),
            ..PublishProperties::default()
        };
        let payload = message.payload.to_string();
        self.client
            .try_publish_with_properties(&*message.topic, QoS::AtLeastOnce, false, payload, properties)
            .map_err(|_| NotSent::Full)?;
        self.given.push_back(parcel);
        Ok(())
    }

    fn subscribe(&self, topics: impl IntoIterator<Item = String>, with: fn(Filter) -> Filter) -> Result<(), NotSent> {
        let filters: Vec<Filter> = topics
            .into_iter()
            .map(|topic| with(Filter::new(topic, QoS::AtMostOnce)))
            .collect();
        filters.chunks(FILTERS).try_for_each(|filters| {
            let request = self.client.try_subscribe_many(filters.iter().cloned());
            request.map_err(|_| NotSent::Full)
        })
    }

    /// A packet above the broker's limit would cost the connection, again and again.
    fn check_size(&self, topic: &str, payload: &[u8]) -> Result<(), NotSent> {
        let size = topic.len() + payload.len() + PACKET_OVERHEAD;
        match self.largest_packet {
            Some(limit) if usize::try_from(limit).is_ok_and(|limit| size > limit) => Err(NotSent::TooLarge),
            _ => Ok(()),
        }
    }
}

/// Why something was not given to the library.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NotSent {
    /// The broker does not take so large a packet.
    TooLarge,
    /// The library takes no more, which means that the connection is stuck.
    Full,
}

impl From<NotSent> for Failure {
    fn from(reason: NotSent) -> Self {
        match reason {
            NotSent::TooLarge => Self::Protocol("it takes only very small packets".to_owned()),
            NotSent::Full => Self::Away("it takes nothing more".to_owned()),
        }
    }
}

/// Runs the event loop of a connection until it fails. Never to be dropped half-way and polled again: the library loses
/// packets then. Whoever calls it polls it beside everything else, from beginning to end.
pub(super) async fn drive(mut event_loop: EventLoop, happenings: mpsc::Sender<Happening>) -> Failure {
    loop {
        let event = match event_loop.poll().await {
            Ok(event) => event,
            Err(error) => return error.into(),
        };
        for happening in happenings_of(event) {
            if happenings.send(happening).await.is_err() {
                return Failure::Away("closed".to_owned());
            }
        }
    }
}

/// Says `offline` ourselves, because a clean goodbye keeps the broker from executing the last will.
pub(super) async fn farewell(
    offline: &Retained,
    session: &mut Session,
    mut driver: Pin<&mut impl Future<Output = Failure>>,
    mut happenings: mpsc::Receiver<Happening>,
) {
    let goodbye = async {
        session.retain(offline).ok()?;
        while !session.is_settled() {
            tokio::select! {
                _ = &mut driver => return None,
                Some(happening) = happenings.recv() => { session.note(&happening); }
            }
        }
        session.disconnect().ok()?;
        drain(driver, happenings).await;
        Some(())
    };
    match timeout(FAREWELL, goodbye).await {
        Ok(Some(())) => info!("said goodbye to the broker"),
        _ => warn!("the broker did not take our goodbye; it will find out by itself"),
    }
}

/// Waits until the broker has closed the connection after our goodbye, or for long enough that it must have got it.
pub(super) async fn drain(driver: Pin<&mut impl Future<Output = Failure>>, mut happenings: mpsc::Receiver<Happening>) {
    let heard = async { while happenings.recv().await.is_some() {} };
    let closed = async { tokio::join!(driver, heard) };
    // Either way we are done.
    let _ = timeout(CLOSING, closed).await;
}

fn happenings_of(event: Event) -> Vec<Happening> {
    match event {
        Event::Incoming(Packet::ConnAck(accepted)) => vec![Happening::Connected {
            largest_packet: accepted.properties.and_then(|properties| properties.max_packet_size),
        }],
        Event::Incoming(Packet::Publish(message)) => received(message).map(Happening::Message).into_iter().collect(),
        Event::Incoming(Packet::PubAck(ack)) => match ack.reason {
            PubAckReason::Success | PubAckReason::NoMatchingSubscribers => vec![Happening::Acknowledged(ack.pkid)],
            reason => vec![Happening::Rejected(ack.pkid, reason)],
        },
        Event::Incoming(Packet::SubAck(ack)) => ack
            .return_codes
            .into_iter()
            .filter(|code| !matches!(code, SubscribeReasonCode::Success(_)))
            .map(Happening::SubscriptionRefused)
            .collect(),
        Event::Incoming(_) => vec![Happening::Alive],
        Event::Outgoing(Outgoing::Publish(id)) => vec![Happening::Sent(id)],
        _ => Vec::new(),
    }
}

/// A topic that is not UTF-8 is not one of ours.
fn received(message: Publish) -> Option<Received> {
    let properties = message.properties.unwrap_or_default();
    Some(Received {
        topic: String::from_utf8(message.topic.to_vec()).ok()?,
        payload: message.payload.to_vec(),
        retained: message.retain,
        duplicate: message.dup,
        circumstances: Circumstances {
            response_topic: properties.response_topic,
            correlation: properties.correlation_data.map(|data| data.to_vec()),
            expiry: properties
                .message_expiry_interval
                .map(|seconds| Duration::from_secs(seconds.into())),
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(number: u8) -> Answer {
        Answer::new("answers", number.to_string(), Some(vec![number]))
    }

    fn retained(topic: &str, payload: &str) -> Retained {
        Retained {
            topic: topic.into(),
            payload: payload.as_bytes().into(),
        }
    }

    #[test]
    fn what_was_not_acknowledged_is_left_over_in_its_order() {
        let since = Timestamp::UNIX_EPOCH;
        let (mut session, _event_loop) = Session::open(&MqttSettings::plain("127.0.0.1", 1, "test"), None);
        session.answer(&answer(1)).unwrap();
        session.answer(&answer(2)).unwrap();
        session.event(since, &answer(3)).unwrap();
        session.retain(&retained("a", "1")).unwrap();
        session.retain(&retained("b", "")).unwrap();
        session.answer(&answer(4)).unwrap();
        session.answer(&answer(5)).unwrap();
        // Ids are given out again from 1 when they have come to their end.
        for id in [63, 64, 1, 2, 3, 4] {
            assert_eq!(session.note(&Happening::Sent(id)), None);
        }
        let topic = |topic: &str| Some(Arc::<str>::from(topic));
        assert_eq!(session.note(&Happening::Acknowledged(63)), topic("answers"));
        let refused = Happening::Rejected(4, PubAckReason::NotAuthorized);
        assert_eq!(session.note(&refused), topic("answers"), "it would be refused again");
        assert_eq!(session.note(&Happening::Acknowledged(63)), None);
        assert_eq!(
            session.left_over().collect::<Vec<_>>(),
            [
                Parcel::Answer(answer(2)),
                Parcel::Event(since, answer(3)),
                Parcel::Retained("a".into()),
                Parcel::Cleared("b".into()),
                Parcel::Answer(answer(5)),
            ]
        );
    }
}
