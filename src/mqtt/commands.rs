//! What comes in on command topics, and what is said about it.

use jiff::Timestamp;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;
use tracing::{info, warn};

use super::publisher::Publisher;
use super::replies::{Answer, Circumstances, Replies};
use super::session::Received;
use crate::homeassistant::{Inbound, Inbox, Message, Options, Refusal, Verdict, result_payload};
use crate::vehicle::Fleet;
use crate::vehicle::intent::{
    BridgeAction, CommandReport, CommandRequest, CommandState, Intent, Origin, Reason, Request,
};

/// Takes messages in, hands on what they ask for, and answers.
pub(super) struct Commands {
    inbox: Inbox,
    replies: Replies,
    requests: mpsc::Sender<Request>,
}

/// Something asked for that is the connection's own business, and works without the garage.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Errand {
    /// Answer a command that found no room.
    Answer(Box<CommandReport>),
    /// Send these events, as topic and payload.
    Tell(Vec<(String, String)>),
    /// Announce everything again.
    Announce,
    /// Let the bridge end, to be started afresh.
    Restart,
}

impl Errand {
    fn of(intent: &Intent) -> Option<Self> {
        match intent {
            Intent::Bridge(BridgeAction::Rediscover) => Some(Self::Announce),
            Intent::Bridge(BridgeAction::Restart) => Some(Self::Restart),
            _ => None,
        }
    }
}

impl Commands {
    /// Hands requests to `requests`, without ever waiting for room.
    pub fn new(requests: mpsc::Sender<Request>) -> Self {
        Self {
            inbox: Inbox::new(),
            replies: Replies::default(),
            requests,
        }
    }

    /// Takes a message on a command topic. What is returned is for the connection itself to do.
    #[must_use]
    pub fn take(&mut self, received: Received, publisher: &mut Publisher, now: Timestamp) -> Option<Errand> {
        let message = Message {
            topic: &received.topic,
            payload: &received.payload,
            retained: received.retained,
            duplicate: received.duplicate,
            correlation: received.circumstances.correlation.as_deref(),
            expiry: received.circumstances.expiry,
        };
        let (fleet, options) = (publisher.fleet(), publisher.options());
        match self.inbox.admit(&message, fleet, options, now) {
            Verdict::Ignore => None,
            Verdict::Act(inbound) => Errand::of(&inbound.intent).or_else(|| {
                let unheard = self.request(inbound, received.circumstances, fleet, options, now);
                unheard.map(|report| Errand::Answer(Box::new(report)))
            }),
            Verdict::Refuse(refusal) => {
                self.refuse(&refusal, received.circumstances, fleet, options, now);
                let events = refusal.events(options);
                if refusal.clear_retained {
                    publisher.clear(received.topic);
                }
                (!events.is_empty()).then_some(Errand::Tell(events))
            }
        }
    }

    /// Tells the asker what became of a command.
    pub fn answer(&mut self, report: &CommandReport, options: &Options) {
        let topic = options.result_topic(&report.vin);
        let payload = result_payload(report);
        self.replies.answer(report.ticket, report.state, &topic, &payload);
    }

    /// The next answer to send, counted as sent.
    pub fn take_next(&mut self) -> Option<Answer> {
        self.replies.take_next()
    }

    /// Takes an answer back that was lost with its connection.
    pub fn put_back(&mut self, answer: Answer) {
        self.replies.put_back(answer);
    }

    fn request(
        &mut self,
        inbound: Inbound,
        circumstances: Circumstances,
        fleet: &Fleet,
        options: &Options,
        now: Timestamp,
    ) -> Option<CommandReport> {
        let request = match inbound.intent {
            Intent::Bridge(action) => Request::Action(action),
            Intent::Setting(subject, key, value) => Request::Setting(subject, key, value),
            Intent::Car(vin, command) => Request::Command(CommandRequest {
                ticket: self.replies.open(circumstances, fleet, options),
                vin,
                command,
                id: inbound.id,
                origin: Origin::Mqtt,
                received: now,
                expires: inbound.expires,
            }),
        };
        let (reason, request) = match self.requests.try_send(request) {
            Ok(()) => return None,
            Err(TrySendError::Full(request)) => (Reason::QueueFull, request),
            Err(TrySendError::Closed(request)) => (Reason::Stopping, request),
        };
        match request {
            Request::Command(request) => return Some(refused(request, reason, now)),
            Request::Action(action) => warn!(?action, %reason, "a request was dropped"),
            Request::Setting(_, key, _) => warn!(key, %reason, "a setting was dropped"),
        }
        None
    }

    /// Tells whoever sent a message why nothing comes of it.
    fn refuse(
        &mut self,
        refusal: &Refusal,
        circumstances: Circumstances,
        fleet: &Fleet,
        options: &Options,
        now: Timestamp,
    ) {
        let (command, vin) = (refusal.command.as_deref(), refusal.vin.as_ref());
        info!(
            vin = vin.map(tracing::field::display),
            command,
            reason = %refusal.reason,
            detail = refusal.detail,
            "a message was refused"
        );
        let topic = vin.map(|vin| options.result_topic(vin));
        self.replies
            .refuse(circumstances, topic.as_deref(), &refusal.result(now), fleet, options);
    }
}

fn refused(request: CommandRequest, reason: Reason, now: Timestamp) -> CommandReport {
    CommandReport {
        ticket: request.ticket,
        vin: request.vin,
        command: request.command.name(),
        id: request.id,
        origin: request.origin,
        state: CommandState::Refused,
        reason: Some(reason),
        received: request.received,
        finished: Some(now),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mqtt::announcer::Manifest;
    use crate::mqtt::fixture;

    const VIN: &str = "LFZTEST0000000001";

    fn now() -> Timestamp {
        Timestamp::from_second(1_800_000_000).unwrap()
    }

    /// What is to be done about a message that wants its answer on `script/answers`, and where answers go.
    fn refused(topic: &str, payload: &str) -> (Option<Errand>, Vec<String>) {
        let mut commands = Commands::new(mpsc::channel(1).0);
        let mut publisher = Publisher::new(fixture::options(), Manifest::default());
        publisher.take_fleet(fixture::fleet());
        let received = Received {
            topic: topic.to_owned(),
            payload: payload.as_bytes().to_owned(),
            retained: false,
            duplicate: false,
            circumstances: Circumstances {
                response_topic: Some("script/answers".to_owned()),
                ..Circumstances::default()
            },
        };
        let errand = commands.take(received, &mut publisher, now());
        let answers = std::iter::from_fn(|| commands.take_next());
        (errand, answers.map(|answer| answer.topic.to_string()).collect())
    }

    #[test]
    fn a_message_for_a_car_that_is_refused_is_an_event_like_a_refused_command() {
        let (errand, answers) = refused(&format!("leapmotor2mqtt/{VIN}/charge_limit/set"), "300");
        let Some(Errand::Tell(events)) = errand else {
            panic!("{errand:?}")
        };
        let topics: Vec<&str> = events.iter().map(|(topic, _)| topic.as_str()).collect();
        assert_eq!(
            topics,
            [
                format!("leapmotor2mqtt/{VIN}/event_command"),
                format!("leapmotor2mqtt/{VIN}/trigger/command_failed"),
            ]
        );
        assert!(events[0].1.contains("out_of_range"), "{}", events[0].1);
        assert_eq!(
            answers,
            [
                format!("leapmotor2mqtt/{VIN}/command/result"),
                "script/answers".to_owned()
            ]
        );
    }

    #[test]
    fn a_message_for_the_bridge_that_is_refused_is_answered_where_it_asks_for_it() {
        let (errand, answers) = refused("leapmotor2mqtt/bridge/requests_budget/set", "5");
        assert_eq!(errand, None);
        assert_eq!(answers, ["script/answers"]);
    }
}
