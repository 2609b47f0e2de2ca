//! Who asked for a command over MQTT, and where the answers go. Pure.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use crate::homeassistant::Options;
use crate::vehicle::Fleet;
use crate::vehicle::facts::Subject;
use crate::vehicle::intent::CommandState;

/// Askers we remember. A command ends within minutes, so only a flood reaches this; then the oldest are forgotten and
/// find the outcome on the result topic alone.
const REMEMBERED: usize = 512;

/// Answers that wait for the broker. The oldest are dropped first: a late answer is worth less than a fresh one.
const WAITING: usize = 256;

/// Connections that may end with the same message under way. A stranger chooses where answers go, and what the broker
/// cannot bear would end every connection.
const LOSSES: u8 = 3;

/// What MQTT 5 tells about a message.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Circumstances {
    /// Where the sender wants the answer.
    pub response_topic: Option<String>,
    /// What the sender recognises it by.
    pub correlation: Option<Vec<u8>>,
    /// How long the message was still good when the broker passed it on.
    pub expiry: Option<Duration>,
}

/// A message that is not retained.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Where.
    pub topic: Arc<str>,
    /// What.
    pub payload: Arc<str>,
    /// What the asker recognises it by.
    pub correlation: Option<Vec<u8>>,
    /// How many connections ended while it was under way.
    losses: u8,
}

impl Answer {
    /// A message that was not sent yet.
    pub fn new(topic: impl Into<Arc<str>>, payload: impl Into<Arc<str>>, correlation: Option<Vec<u8>>) -> Self {
        Self {
            topic: topic.into(),
            payload: payload.into(),
            correlation,
            losses: 0,
        }
    }

    /// The same for the next connection, if it may have one.
    pub fn after_a_loss(self) -> Option<Self> {
        let losses = self.losses + 1;
        (losses < LOSSES).then_some(Self { losses, ..self })
    }
}

/// Open questions and waiting answers.
#[derive(Debug, Default)]
pub struct Replies {
    last_ticket: u64,
    /// By ticket, so the first is the oldest.
    askers: BTreeMap<u64, Asker>,
    waiting: VecDeque<Answer>,
}

#[derive(Debug, Clone)]
struct Asker {
    topic: Arc<str>,
    correlation: Option<Vec<u8>>,
}

impl Replies {
    /// Opens a question: the ticket its reports will carry.
    pub fn open(&mut self, circumstances: Circumstances, fleet: &Fleet, options: &Options) -> u64 {
        self.last_ticket += 1;
        if let Some(asker) = asker(circumstances, fleet, options) {
            self.askers.insert(self.last_ticket, asker);
            if self.askers.len() > REMEMBERED {
                self.askers.pop_first();
            }
        }
        self.last_ticket
    }

    /// Answers a question on `result_topic` and to whoever asked. Only after `accepted` is there more to come.
    pub fn answer(&mut self, ticket: u64, state: CommandState, result_topic: &str, payload: &str) {
        let asker = match state {
            CommandState::Accepted => self.askers.get(&ticket).cloned(),
            _ => self.askers.remove(&ticket),
        };
        self.send(asker, Some(result_topic), payload);
    }

    /// Answers a message that never became a question; on `result_topic` too if it was for a car.
    pub fn refuse(
        &mut self,
        circumstances: Circumstances,
        result_topic: Option<&str>,
        payload: &str,
        fleet: &Fleet,
        options: &Options,
    ) {
        self.send(asker(circumstances, fleet, options), result_topic, payload);
    }

    fn enqueue(&mut self, answer: Answer) {
        if self.waiting.len() == WAITING {
            self.waiting.pop_front();
        }
        self.waiting.push_back(answer);
    }

    /// The next answer to send, counted as sent.
    pub fn take_next(&mut self) -> Option<Answer> {
        self.waiting.pop_front()
    }

    /// Takes an answer back that was lost with its connection; it goes before all others.
    pub fn put_back(&mut self, answer: Answer) {
        if self.waiting.len() < WAITING
            && let Some(answer) = answer.after_a_loss()
        {
            self.waiting.push_front(answer);
        }
    }

    fn send(&mut self, asker: Option<Asker>, result_topic: Option<&str>, payload: &str) {
        let payload: Arc<str> = payload.into();
        if let Some(topic) = result_topic {
            self.enqueue(Answer::new(topic, payload.clone(), None));
        }
        if let Some(Asker { topic, correlation }) = asker {
            self.enqueue(Answer::new(topic, payload, correlation));
        }
    }
}

fn asker(circumstances: Circumstances, fleet: &Fleet, options: &Options) -> Option<Asker> {
    let topic = circumstances.response_topic?;
    may_answer_on(&topic, fleet, options).then(|| Asker {
        topic: topic.into(),
        correlation: circumstances.correlation,
    })
}

/// A response topic is whatever a stranger wrote into a message. We publish to no pattern, to nothing of the broker's
/// own, to no topic of ours (an answer could become a command or a state) and into nobody's discovery.
fn may_answer_on(topic: &str, fleet: &Fleet, options: &Options) -> bool {
    let ours = || {
        let subjects = fleet.keys().cloned().map(Subject::Car).chain([Subject::Bridge]);
        subjects
            .map(|subject| options.topic(&subject, ""))
            .any(|topics| topic.starts_with(&topics))
    };
    let discovery = || {
        topic
            .strip_prefix(&options.discovery_prefix)
            .is_some_and(|rest| rest.starts_with('/'))
    };
    !topic.is_empty()
        && topic.len() <= usize::from(u16::MAX)
        && !topic.contains(['+', '#', '\0'])
        && !topic.starts_with('$')
        && topic != options.status_topic
        && !discovery()
        && !ours()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mqtt::fixture;

    fn asked(topic: &str) -> Circumstances {
        Circumstances {
            response_topic: Some(topic.to_owned()),
            correlation: Some(vec![1, 2]),
            expiry: None,
        }
    }

    fn topics(replies: &mut Replies) -> Vec<String> {
        std::iter::from_fn(|| replies.take_next())
            .map(|answer| answer.topic.to_string())
            .collect()
    }

    #[test]
    fn the_asker_hears_of_the_acceptance_and_of_the_end_and_is_then_forgotten() {
        let (fleet, options) = (fixture::fleet(), fixture::options());
        let mut replies = Replies::default();
        let ticket = replies.open(asked("script/answers"), &fleet, &options);
        replies.answer(ticket, CommandState::Accepted, "result", "{}");
        replies.answer(ticket, CommandState::Confirmed, "result", "{}");
        replies.answer(ticket, CommandState::Confirmed, "result", "{}");
        assert_eq!(
            topics(&mut replies),
            ["result", "script/answers", "result", "script/answers", "result"]
        );
    }

    #[test]
    fn lost_answers_go_before_those_that_wait_and_in_their_order() {
        let mut replies = Replies::default();
        for payload in ["1", "2", "3"] {
            replies.send(None, Some("result"), payload);
        }
        let lost: Vec<Answer> = (0..2).filter_map(|_| replies.take_next()).collect();
        lost.into_iter().rev().for_each(|answer| replies.put_back(answer));
        let payloads: Vec<String> = std::iter::from_fn(|| replies.take_next())
            .map(|answer| answer.payload.to_string())
            .collect();
        assert_eq!(payloads, ["1", "2", "3"]);
    }

    #[test]
    fn an_answer_that_is_lost_with_every_connection_is_given_up() {
        let mut replies = Replies::default();
        replies.send(None, Some("result"), "{}");
        for _ in 0..LOSSES {
            let answer = replies.take_next().unwrap();
            replies.put_back(answer);
        }
        assert_eq!(replies.take_next(), None);
    }

    #[test]
    fn what_was_refused_of_no_car_goes_to_the_asker_alone() {
        let (fleet, options) = (fixture::fleet(), fixture::options());
        let mut replies = Replies::default();
        replies.refuse(asked("script/answers"), None, "{}", &fleet, &options);
        replies.refuse(Circumstances::default(), None, "{}", &fleet, &options);
        assert_eq!(topics(&mut replies), ["script/answers"]);
    }

    #[test]
    fn tickets_are_never_used_twice() {
        let (fleet, options) = (fixture::fleet(), fixture::options());
        let mut replies = Replies::default();
        let first = replies.open(Circumstances::default(), &fleet, &options);
        assert_ne!(first, replies.open(Circumstances::default(), &fleet, &options));
    }

    #[test]
    fn an_answer_goes_to_no_pattern_and_to_no_topic_of_ours() {
        let (fleet, options) = (fixture::fleet(), fixture::options());
        let vin = fleet.keys().next().unwrap().as_str();
        for topic in [
            "#",
            "a/+/b",
            "",
            "$SYS/x",
            "a\0b",
            "homeassistant/status",
            "homeassistant/device/x/config",
            "leapmotor2mqtt/bridge/state",
            &format!("leapmotor2mqtt/{vin}/door_lock/set"),
        ] {
            assert!(!may_answer_on(topic, &fleet, &options), "{topic:?}");
        }
        assert!(may_answer_on("leapmotor2mqtt-scripts/1", &fleet, &options));
        assert!(may_answer_on("leapmotor2mqtt/scripts/1", &fleet, &options));
    }

    #[test]
    fn neither_askers_nor_answers_pile_up() {
        let (fleet, options) = (fixture::fleet(), fixture::options());
        let mut replies = Replies::default();
        for _ in 0..2 * REMEMBERED {
            let ticket = replies.open(asked("script"), &fleet, &options);
            replies.answer(ticket, CommandState::Accepted, "result", "{}");
        }
        assert_eq!(replies.askers.len(), REMEMBERED);
        assert_eq!(topics(&mut replies).len(), WAITING);
    }
}
