//! What the broker should hold, and what it has been sent: retained topics, latest value per topic, nothing twice.
//!
//! Pure. The outbox is as large as the set of topics, however long the broker is away: a newer value replaces an older
//! one that was not sent yet.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::homeassistant::{Cadence, StateMessage};
use crate::vehicle::facts::Subject;

/// A retained message. An empty payload clears the topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retained {
    /// Where.
    pub topic: Arc<str>,
    /// What.
    pub payload: Arc<[u8]>,
}

/// The retained topics of all cars and of the bridge.
#[derive(Debug, Default)]
pub struct Outbox {
    entries: BTreeMap<Arc<str>, Entry>,
    /// Which topics stand for whom, so that what somebody no longer has can be cleared.
    topics: BTreeMap<Subject, BTreeSet<Arc<str>>>,
    /// Topics whose value is to be sent, in the order they became due. Each is in here once (`Entry::queued`).
    due: VecDeque<Arc<str>>,
}

#[derive(Debug)]
struct Entry {
    wanted: Arc<[u8]>,
    /// The last value sent on this connection.
    sent: Option<Arc<[u8]>>,
    sent_at: Timestamp,
    cadence: Cadence,
    queued: bool,
    /// Once cleared, the topic is forgotten.
    vanished: bool,
}

impl Outbox {
    /// Takes all topics of `subject` as they should be now. What it had before and has no longer is cleared. A row that
    /// may go out every so often only waits for its time, unless something else of the same subject changed.
    pub fn update(&mut self, subject: &Subject, messages: Vec<StateMessage>, now: Timestamp) {
        let before = self.topics.remove(subject).unwrap_or_default();
        let mut after = BTreeSet::new();
        let mut news = false;
        for message in messages {
            let topic = before
                .get(message.topic.as_str())
                .cloned()
                .unwrap_or_else(|| message.topic.as_str().into());
            news |= self.want(&topic, &message, now);
            after.insert(topic);
        }
        for topic in &after {
            if self.entries.get(topic).is_some_and(|entry| entry.is_due(news, now)) {
                self.enqueue(topic);
            }
        }
        for topic in before.difference(&after) {
            if let Some(entry) = self.entries.get_mut(topic) {
                entry.wanted = Arc::default();
                entry.vanished = true;
                self.enqueue(topic);
            }
        }
        if !after.is_empty() {
            self.topics.insert(subject.clone(), after);
        }
    }

    /// Takes one topic of `subject` as it should be now, and leaves what else it has as it is.
    pub fn update_one(&mut self, subject: &Subject, message: &StateMessage, now: Timestamp) {
        let topics = self.topics.entry(subject.clone()).or_default();
        let topic = topics
            .get(message.topic.as_str())
            .cloned()
            .unwrap_or_else(|| message.topic.as_str().into());
        topics.insert(topic.clone());
        let news = self.want(&topic, message, now);
        if self.entries.get(&topic).is_some_and(|entry| entry.is_due(news, now)) {
            self.enqueue(&topic);
        }
    }

    /// Whether the topic holds something, or will until it is cleared.
    pub fn holds(&self, topic: &str) -> bool {
        self.entries.contains_key(topic)
    }

    /// The broker may have lost everything: every topic is to be sent again.
    pub fn resend_all(&mut self) {
        self.due = self.entries.keys().cloned().collect();
        for entry in self.entries.values_mut() {
            entry.sent = None;
            entry.queued = true;
        }
    }

    /// The next message to send, counted as sent.
    pub fn take_next(&mut self, now: Timestamp) -> Option<Retained> {
        while let Some(topic) = self.due.pop_front() {
            let Some(entry) = self.entries.get_mut(&topic) else {
                continue;
            };
            entry.queued = false;
            let unchanged = entry.sent.as_ref() == Some(&entry.wanted);
            entry.sent = Some(entry.wanted.clone());
            let payload = entry.wanted.clone();
            if entry.vanished {
                self.entries.remove(&topic);
            } else if !unchanged {
                entry.sent_at = now;
            }
            if !unchanged {
                return Some(Retained { topic, payload });
            }
        }
        None
    }

    /// Whether nothing waits to be sent.
    pub fn is_drained(&self) -> bool {
        self.due.is_empty()
    }

    /// Notes the wanted value of a topic; true when it is news that others need not wait for.
    fn want(&mut self, topic: &Arc<str>, message: &StateMessage, now: Timestamp) -> bool {
        let Some(entry) = self.entries.get_mut(topic) else {
            let entry = Entry {
                wanted: message.payload.clone(),
                sent: None,
                sent_at: now,
                cadence: message.cadence,
                queued: false,
                vanished: false,
            };
            self.entries.insert(topic.clone(), entry);
            return message.cadence == Cadence::OnChange;
        };
        entry.cadence = message.cadence;
        entry.vanished = false;
        // A picture is large, and mostly the very same one.
        if Arc::ptr_eq(&entry.wanted, &message.payload) || entry.wanted == message.payload {
            return false;
        }
        entry.wanted = match &entry.sent {
            Some(sent) if *sent == message.payload => sent.clone(),
            _ => message.payload.clone(),
        };
        message.cadence == Cadence::OnChange
    }

    fn enqueue(&mut self, topic: &Arc<str>) {
        if let Some(entry) = self.entries.get_mut(topic)
            && !entry.queued
        {
            entry.queued = true;
            self.due.push_back(topic.clone());
        }
    }
}

impl Entry {
    fn is_due(&self, news: bool, now: Timestamp) -> bool {
        if self.sent.as_ref() == Some(&self.wanted) {
            return false;
        }
        match self.cadence {
            Cadence::OnChange => true,
            Cadence::AtMostEvery(interval) => {
                news || self.sent.is_none() || elapsed(self.sent_at, now).is_none_or(|elapsed| elapsed >= interval)
            }
        }
    }
}

/// Time passed since `then`; `None` when the clock was set back, which must not silence a row.
fn elapsed(then: Timestamp, now: Timestamp) -> Option<Duration> {
    let elapsed: SignedDuration = now.duration_since(then);
    Duration::try_from(elapsed).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIVE_MINUTES: Duration = Duration::from_secs(300);

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + seconds).unwrap()
    }

    fn row(topic: &str, payload: &str) -> StateMessage {
        StateMessage {
            topic: topic.to_owned(),
            payload: payload.as_bytes().into(),
            cadence: Cadence::OnChange,
        }
    }

    fn slow_row(topic: &str, payload: &str) -> StateMessage {
        StateMessage {
            cadence: Cadence::AtMostEvery(FIVE_MINUTES),
            ..row(topic, payload)
        }
    }

    fn sent(outbox: &mut Outbox, now: Timestamp) -> Vec<String> {
        std::iter::from_fn(|| outbox.take_next(now))
            .map(|message| format!("{}={}", message.topic, String::from_utf8_lossy(&message.payload)))
            .collect()
    }

    #[test]
    fn only_what_changed_is_sent() {
        let mut outbox = Outbox::default();
        outbox.update(&Subject::Bridge, vec![row("a", "1"), row("b", "1")], at(0));
        assert_eq!(sent(&mut outbox, at(0)), ["a=1", "b=1"]);
        outbox.update(&Subject::Bridge, vec![row("a", "1"), row("b", "2")], at(1));
        assert_eq!(sent(&mut outbox, at(1)), ["b=2"]);
        outbox.update(&Subject::Bridge, vec![row("a", "1"), row("b", "2")], at(2));
        assert!(outbox.is_drained());
    }

    #[test]
    fn the_latest_value_wins_and_a_value_that_came_back_is_not_sent() {
        let mut outbox = Outbox::default();
        outbox.update(&Subject::Bridge, vec![row("a", "1")], at(0));
        outbox.update(&Subject::Bridge, vec![row("a", "2")], at(1));
        assert_eq!(sent(&mut outbox, at(1)), ["a=2"]);
        outbox.update(&Subject::Bridge, vec![row("a", "3")], at(2));
        outbox.update(&Subject::Bridge, vec![row("a", "2")], at(3));
        assert_eq!(sent(&mut outbox, at(3)), [""; 0]);
    }

    #[test]
    fn a_slow_row_waits_for_its_time_while_nothing_else_changes() {
        let mut outbox = Outbox::default();
        outbox.update(&Subject::Bridge, vec![row("soc", "57"), slow_row("age", "0")], at(0));
        assert_eq!(sent(&mut outbox, at(0)), ["age=0", "soc=57"]);
        outbox.update(&Subject::Bridge, vec![row("soc", "57"), slow_row("age", "60")], at(60));
        assert_eq!(sent(&mut outbox, at(60)), [""; 0]);
        outbox.update(
            &Subject::Bridge,
            vec![row("soc", "57"), slow_row("age", "300")],
            at(300),
        );
        assert_eq!(sent(&mut outbox, at(300)), ["age=300"]);
        outbox.update(&Subject::Bridge, vec![row("soc", "56"), slow_row("age", "1")], at(310));
        assert_eq!(sent(&mut outbox, at(310)), ["age=1", "soc=56"]);
    }

    #[test]
    fn a_clock_set_back_does_not_silence_a_slow_row() {
        let mut outbox = Outbox::default();
        outbox.update(&Subject::Bridge, vec![slow_row("age", "0")], at(1_000));
        sent(&mut outbox, at(1_000));
        outbox.update(&Subject::Bridge, vec![slow_row("age", "5")], at(0));
        assert_eq!(sent(&mut outbox, at(0)), ["age=5"]);
    }

    #[test]
    fn what_a_subject_no_longer_has_is_cleared_once_and_forgotten() {
        let mut outbox = Outbox::default();
        outbox.update(&Subject::Bridge, vec![row("a", "1"), row("b", "1")], at(0));
        sent(&mut outbox, at(0));
        outbox.update(&Subject::Bridge, vec![row("a", "1")], at(1));
        assert_eq!(sent(&mut outbox, at(1)), ["b="]);
        outbox.resend_all();
        assert_eq!(sent(&mut outbox, at(2)), ["a=1"]);
        outbox.update(&Subject::Bridge, vec![], at(3));
        assert_eq!(sent(&mut outbox, at(3)), ["a="]);
        assert!(outbox.topics.is_empty() && outbox.entries.is_empty());
    }

    #[test]
    fn one_topic_can_change_alone_and_goes_with_the_others() {
        let mut outbox = Outbox::default();
        outbox.update(&Subject::Bridge, vec![row("a", "1"), row("b", "1")], at(0));
        sent(&mut outbox, at(0));
        for _ in 0..2 {
            outbox.update_one(&Subject::Bridge, &row("a", "2"), at(1));
        }
        outbox.update_one(&Subject::Bridge, &row("c", "1"), at(1));
        assert_eq!(sent(&mut outbox, at(1)), ["a=2", "c=1"]);
        outbox.update(&Subject::Bridge, vec![row("a", "1"), row("b", "1")], at(2));
        assert_eq!(sent(&mut outbox, at(2)), ["a=1", "c="]);
        assert!(outbox.holds("a") && !outbox.holds("c"));
    }

    #[test]
    fn a_vanished_topic_that_returns_before_it_was_cleared_stays() {
        let mut outbox = Outbox::default();
        outbox.update(&Subject::Bridge, vec![row("a", "1")], at(0));
        sent(&mut outbox, at(0));
        outbox.update(&Subject::Bridge, vec![], at(1));
        outbox.update(&Subject::Bridge, vec![row("a", "1")], at(2));
        assert_eq!(sent(&mut outbox, at(2)), [""; 0]);
        outbox.resend_all();
        assert_eq!(sent(&mut outbox, at(3)), ["a=1"]);
    }

    #[test]
    fn nothing_piles_up_while_the_broker_is_away() {
        let mut outbox = Outbox::default();
        for second in 0..1_000 {
            outbox.update(&Subject::Bridge, vec![row("a", &second.to_string())], at(second));
        }
        outbox.resend_all();
        assert_eq!(sent(&mut outbox, at(1_000)), ["a=999"]);
    }
}
