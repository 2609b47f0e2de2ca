//! Events that wait for the broker. Pure.
//!
//! An event says that something happens now. One that could not be sent soon is dropped: what it changed is told by the
//! states, and an automation must not act on it hours later.

use std::collections::VecDeque;

use jiff::{SignedDuration, Timestamp};

use super::replies::Answer;

/// Events that wait at most; the oldest are dropped first.
const WAITING: usize = 50;
/// How long an event may wait.
const FRESH: SignedDuration = SignedDuration::from_mins(10);

/// Events that wait for the broker, oldest first.
#[derive(Debug, Default)]
pub struct Events {
    waiting: VecDeque<(Timestamp, Answer)>,
}

impl Events {
    /// Puts an event into the queue that came up at `now`.
    pub fn enqueue(&mut self, (topic, payload): (String, String), now: Timestamp) {
        if self.waiting.len() == WAITING {
            self.waiting.pop_front();
        }
        self.waiting.push_back((now, Answer::new(topic, payload, None)));
    }

    /// The next event to send, counted as sent, and when it came up.
    pub fn take_next(&mut self, now: Timestamp) -> Option<(Timestamp, Answer)> {
        while let Some((since, event)) = self.waiting.pop_front() {
            if now.duration_since(since) <= FRESH {
                return Some((since, event));
            }
        }
        None
    }

    /// Takes an event back that was lost with its connection; it goes before all others, and grows no younger.
    pub fn put_back(&mut self, since: Timestamp, event: Answer) {
        if self.waiting.len() < WAITING
            && let Some(event) = event.after_a_loss()
        {
            self.waiting.push_front((since, event));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + seconds).unwrap()
    }

    fn event(number: usize) -> (String, String) {
        ("event".to_owned(), number.to_string())
    }

    fn sent(events: &mut Events, now: Timestamp) -> Vec<String> {
        std::iter::from_fn(|| events.take_next(now))
            .map(|(_, event)| event.payload.to_string())
            .collect()
    }

    #[test]
    fn an_event_is_sent_once_and_in_order() {
        let mut events = Events::default();
        events.enqueue(event(1), at(0));
        events.enqueue(event(2), at(0));
        assert_eq!(sent(&mut events, at(1)), ["1", "2"]);
        assert_eq!(sent(&mut events, at(1)), [""; 0]);
    }

    #[test]
    fn an_event_that_waited_too_long_is_dropped() {
        let mut events = Events::default();
        events.enqueue(event(1), at(0));
        events.enqueue(event(2), at(1));
        assert_eq!(sent(&mut events, at(601)), ["2"]);
    }

    #[test]
    fn a_lost_event_is_sent_again_while_it_is_fresh() {
        let mut events = Events::default();
        events.enqueue(event(1), at(0));
        events.enqueue(event(2), at(1));
        let (since, lost) = events.take_next(at(1)).unwrap();
        events.put_back(since, lost);
        assert_eq!(sent(&mut events, at(2)), ["1", "2"]);

        events.enqueue(event(3), at(0));
        let (since, lost) = events.take_next(at(1)).unwrap();
        events.put_back(since, lost);
        assert_eq!(sent(&mut events, at(601)), [""; 0]);
    }

    #[test]
    fn only_the_newest_events_wait() {
        let mut events = Events::default();
        (0..WAITING + 2).for_each(|number| events.enqueue(event(number), at(0)));
        let sent = sent(&mut events, at(0));
        assert_eq!((sent.len(), sent[0].as_str()), (WAITING, "2"));
    }
}
