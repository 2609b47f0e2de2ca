//! When the bridge may sign in. Pure: the present moment is an argument.
//!
//! A sign-in throws the official app out and, when there are many, makes the cloud refuse the account for a while. So
//! they are rationed over restarts, and come ever more rarely while they fail.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::period::Period;

/// At most so many within each span, whatever happens.
const RATION: [(usize, SignedDuration); 3] = [
    (1, SignedDuration::from_mins(1)),
    (5, SignedDuration::from_hours(1)),
    (20, SignedDuration::from_hours(24)),
];
/// A computer that shows an earlier time has not set its clock yet; it would sign requests with a wrong one.
const FIRST_PLAUSIBLE: Timestamp = Timestamp::constant(1_767_225_600, 0);

/// What is remembered of an account's sign-ins, also across restarts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignIns {
    /// When they were attempted, oldest first, as far back as the ration looks.
    attempted: Vec<Timestamp>,
    /// Failures since the last success.
    #[serde(skip)]
    failures: u32,
    /// Not before this is over, because the last one failed.
    #[serde(skip)]
    pause: Option<Period>,
}

/// Whether the computer's clock can be right: one that shows an earlier time has not been set yet.
pub fn is_plausible(now: Timestamp) -> bool {
    now >= FIRST_PLAUSIBLE
}

/// Why there is no sign-in now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wait {
    /// The clock has not been set yet.
    ClockNotSet,
    /// Not before this.
    Until(Timestamp),
}

impl SignIns {
    /// Whether a sign-in is allowed now.
    pub fn allow(&self, now: Timestamp) -> Result<(), Wait> {
        if !is_plausible(now) {
            return Err(Wait::ClockNotSet);
        }
        // Attempts that lie in the future were made before the clock was set back; they count as made just now.
        let rationed = RATION.iter().filter_map(|&(most, span)| {
            let nth_last = self.attempted.len().checked_sub(most)?;
            let at = self.attempted.get(nth_last)?.min(&now);
            at.checked_add(span).ok()
        });
        let paused = self.pause.map(|pause| pause.end());
        match rationed.chain(paused).max() {
            Some(until) if now < until => Err(Wait::Until(until)),
            _ => Ok(()),
        }
    }

    /// Takes note of the present moment: a clock that was set back must not make any wait longer. One that is not set yet
    /// proves nothing, and the ration is kept for when it is.
    pub fn not_after(&mut self, now: Timestamp) {
        if !is_plausible(now) {
            return;
        }
        for attempted in &mut self.attempted {
            *attempted = now.min(*attempted);
        }
        if let Some(pause) = &mut self.pause {
            pause.not_after(now);
        }
    }

    /// Notes an attempt, before it is made: one that is cut short counts too.
    pub fn begin(&mut self, now: Timestamp) {
        let (most, _) = RATION[RATION.len() - 1];
        self.attempted.push(now);
        let surplus = self.attempted.len().saturating_sub(most);
        self.attempted.drain(..surplus);
    }

    /// The attempt succeeded.
    pub fn succeeded(&mut self) {
        self.failures = 0;
        self.pause = None;
    }

    /// The attempt never reached the cloud, so it does not count towards the ration.
    pub fn not_sent(&mut self) {
        self.attempted.pop();
    }

    /// The attempt failed. `pause` says how long to wait after that many failures in a row.
    pub fn failed(&mut self, now: Timestamp, pause: impl FnOnce(u32) -> Duration) {
        self.failures = self.failures.saturating_add(1);
        self.pause = Some(Period::new(now, pause(self.failures)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_790_000_000 + second).unwrap()
    }

    /// Signs in whenever it is allowed, from second 0 to `end`, and tells when it did.
    fn eager(sign_ins: &mut SignIns, end: i64) -> Vec<i64> {
        let mut done = Vec::new();
        for second in 0..end {
            if sign_ins.allow(at(second)).is_ok() {
                sign_ins.begin(at(second));
                sign_ins.succeeded();
                done.push(second);
            }
        }
        done
    }

    #[test]
    fn at_most_one_a_minute_five_an_hour_and_twenty_a_day() {
        let done = eager(&mut SignIns::default(), 24 * 3600);
        assert_eq!(done[..6], [0, 60, 120, 180, 240, 3600]);
        assert_eq!(done.len(), 20);
    }

    #[test]
    fn restarts_do_not_give_a_new_ration() {
        let mut sign_ins = SignIns::default();
        for _ in 0..10 {
            eager(&mut sign_ins, 300);
            let kept = serde_json::to_string(&sign_ins).unwrap();
            sign_ins = serde_json::from_str(&kept).unwrap();
        }
        assert_eq!(sign_ins.attempted.len(), 5);
        assert_eq!(sign_ins.allow(at(300)), Err(Wait::Until(at(3600))));
    }

    #[test]
    fn failures_are_counted_until_one_succeeds() {
        let mut sign_ins = SignIns::default();
        let wait = |failures: u32| Duration::from_secs(u64::from(failures) * 10);
        for failures in 1..=3 {
            sign_ins.failed(at(0), wait);
            assert_eq!(sign_ins.allow(at(0)), Err(Wait::Until(at(failures * 10))));
        }
        sign_ins.succeeded();
        assert_eq!(sign_ins.allow(at(0)), Ok(()));
        sign_ins.failed(at(0), wait);
        assert_eq!(sign_ins.allow(at(0)), Err(Wait::Until(at(10))));
    }

    #[test]
    fn an_outage_of_the_network_does_not_use_up_the_ration() {
        let mut sign_ins = SignIns::default();
        for second in 0..3600 {
            if sign_ins.allow(at(second)).is_ok() {
                sign_ins.begin(at(second));
                sign_ins.not_sent();
                sign_ins.failed(at(second), |_| Duration::from_secs(300));
            }
        }
        assert!(sign_ins.allow(at(3600 + 300)).is_ok());
        assert_eq!(sign_ins.attempted, []);
    }

    #[test]
    fn nobody_signs_in_before_the_clock_is_set() {
        let unset = Timestamp::from_second(86_400).unwrap();
        assert_eq!(SignIns::default().allow(unset), Err(Wait::ClockNotSet));
    }

    #[test]
    fn a_clock_set_back_delays_by_one_span_at_most() {
        let mut sign_ins = SignIns::default();
        sign_ins.begin(at(1_000_000));
        sign_ins.failed(at(1_000_000), |_| Duration::from_secs(300));
        assert_eq!(sign_ins.allow(at(-60)), Err(Wait::Until(at(1_000_300))));
        sign_ins.not_after(at(0));
        assert_eq!(sign_ins.allow(at(0)), Err(Wait::Until(at(300))));
        sign_ins.not_after(at(299));
        assert_eq!(sign_ins.allow(at(300)), Ok(()));
    }

    #[test]
    fn a_clock_that_is_not_set_yet_does_not_make_the_ration_forget() {
        let mut sign_ins = SignIns::default();
        sign_ins.begin(at(0));
        sign_ins.not_after(Timestamp::UNIX_EPOCH);
        assert_eq!(sign_ins.allow(at(10)), Err(Wait::Until(at(60))));
    }
}
