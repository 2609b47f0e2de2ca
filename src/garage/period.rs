//! A stretch of time by a clock that may be set while it lasts. Pure: the present moment is an argument.

use std::time::Duration;

use jiff::Timestamp;

use super::later;

/// A stretch of time that began at some moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Period {
    since: Timestamp,
    length: Duration,
}

impl Period {
    /// From this moment on for so long.
    pub fn new(since: Timestamp, length: Duration) -> Self {
        Self { since, length }
    }

    /// The first moment after it.
    pub fn end(&self) -> Timestamp {
        later(self.since, self.length)
    }

    /// Whether it has passed.
    pub fn is_over(&self, now: Timestamp) -> bool {
        now >= self.end()
    }

    /// Takes note of the present moment: a clock that was set back must not make it longer. Comparing alone would not do,
    /// since it would begin anew with every look until the clock has caught up.
    pub fn not_after(&mut self, now: Timestamp) {
        self.since = self.since.min(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_790_000_000 + second).unwrap()
    }

    #[test]
    fn it_lasts_as_long_as_it_was_meant_to() {
        let period = Period::new(at(0), Duration::from_secs(60));
        assert_eq!(period.end(), at(60));
        assert!(!period.is_over(at(59)));
        assert!(period.is_over(at(60)));
        assert_eq!(Period::new(at(0), Duration::MAX).end(), Timestamp::MAX);
    }

    #[test]
    fn a_clock_that_is_set_back_does_not_make_it_longer_however_often_it_is_looked_at() {
        let mut period = Period::new(at(0), Duration::from_secs(60));
        period.not_after(at(-3_600));
        period.not_after(at(-3_570));
        assert!(!period.is_over(at(-3_541)));
        assert!(period.is_over(at(-3_540)));
        period.not_after(at(9_000));
        assert_eq!(period.end(), at(-3_540), "a clock that goes on changes nothing");
    }
}
