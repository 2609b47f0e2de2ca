//! Tells facts when they change, and those that change all the time only every so often.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::mpsc;

use crate::vehicle::facts::{FactKey, FactUpdate, Subject, Value};

use super::later;

/// How often a value that changes all the time is told.
pub const NOW_AND_THEN: Duration = Duration::from_secs(15 * 60);
/// How often a value is told that is of interest whenever it changes.
pub const ALWAYS: Duration = Duration::ZERO;

/// Remembers what was told.
pub struct Herald {
    facts: mpsc::Sender<FactUpdate>,
    told: BTreeMap<(Subject, FactKey), (Option<Value>, Timestamp)>,
}

impl Herald {
    /// A herald who has told nothing yet.
    pub fn new(facts: mpsc::Sender<FactUpdate>) -> Self {
        Self {
            facts,
            told: BTreeMap::new(),
        }
    }

    /// Tells a value if it is another than last time and that is at least `pause` ago. What is not told now is told
    /// with the first call after the pause.
    pub async fn tell(
        &mut self,
        subject: &Subject,
        key: FactKey,
        value: Option<Value>,
        pause: Duration,
        now: Timestamp,
    ) {
        let place = (subject.clone(), key);
        if let Some((told, at)) = self.told.get(&place) {
            // A clock that was set back must not silence a fact until it has caught up.
            let resting = *at <= now && now < later(*at, pause);
            if *told == value || resting {
                return;
            }
        }
        self.told.insert(place, (value.clone(), now));
        let update = FactUpdate {
            subject: subject.clone(),
            key,
            value,
        };
        // Whoever reads facts is gone only when the bridge stops.
        let _ = self.facts.send(update).await;
    }

    /// Forgets what was told of somebody, so that it is told anew.
    pub fn forget(&mut self, subject: &Subject) {
        self.told.retain(|(of, _), _| of != subject);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_790_000_000 + second).unwrap()
    }

    #[tokio::test]
    async fn a_busy_value_is_told_now_and_then_and_an_unchanged_one_never() {
        let (facts, mut told) = mpsc::channel(8);
        let mut herald = Herald::new(facts);
        let mut tell = async |count: u32, second| {
            let value = Some(Value::Number(count.into(), 0));
            herald
                .tell(
                    &Subject::Bridge,
                    "bridge_api_calls_today",
                    value,
                    NOW_AND_THEN,
                    at(second),
                )
                .await;
            told.try_recv().ok().map(|update| update.value)
        };
        let number = |count: u32| Some(Some(Value::Number(count.into(), 0)));
        assert_eq!(tell(1, 0).await, number(1));
        assert_eq!(tell(2, 60).await, None);
        assert_eq!(tell(3, 900).await, number(3));
        assert_eq!(tell(3, 9000).await, None);
        assert_eq!(tell(4, 10).await, number(4), "the clock was set back");
    }

    #[tokio::test]
    async fn what_is_forgotten_is_told_anew() {
        let (facts, mut told) = mpsc::channel(8);
        let mut herald = Herald::new(facts);
        for _ in 0..2 {
            herald.tell(&Subject::Bridge, "poll_phase", None, ALWAYS, at(0)).await;
            assert!(told.try_recv().is_ok());
            herald.forget(&Subject::Bridge);
        }
    }
}
