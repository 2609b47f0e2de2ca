//! When another client took the account over, and how long the bridge gives way to it. Pure: the present moment is an
//! argument.
//!
//! The cloud keeps one session per account, so whoever signs in ends the session that was there: usually the official app
//! on the owner's phone. Signing in again at once would throw the owner out, and start a race that the account loses.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::later;

/// How long a token lasts, at least, that does not say so itself; refusals were seen after 20 to 30 minutes.
const LEAST_LIFETIME: SignedDuration = SignedDuration::from_mins(15);
/// How far the cloud's clock may be ahead of ours.
const CLOCK_MARGIN: SignedDuration = SignedDuration::from_mins(1);
/// A takeover within this time of the one before makes the pause longer.
const REPEATED_WITHIN: SignedDuration = SignedDuration::from_hours(6);
/// Repeated takeovers double the pause, at most this often: ten minutes become eighty.
const MOST_DOUBLINGS: u32 = 3;

/// Whether a session that was lost was ended by another client: its token was refused before its time. One that is past
/// its time has merely expired. `renewed` is when the token was given out.
pub fn is_takeover(token_expires: Option<Timestamp>, renewed: Timestamp, now: Timestamp) -> bool {
    let expires = token_expires.or_else(|| renewed.checked_add(LEAST_LIFETIME).ok());
    expires.is_some_and(|expires| expires.duration_since(now) > CLOCK_MARGIN)
}

/// What is remembered of an account's takeovers, also across restarts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Takeovers {
    /// When the last one was noticed.
    last: Option<Timestamp>,
    /// How many came close after each other, the last one included.
    streak: u32,
    /// Until when the bridge gives way.
    until: Option<Timestamp>,
}

impl Takeovers {
    /// Another client signed in: the bridge gives way for `pause`, and longer when it had just come back.
    pub fn begin(&mut self, pause: Duration, now: Timestamp) {
        let again = self
            .last
            .is_some_and(|last| last <= now && now.duration_since(last) < REPEATED_WITHIN);
        self.streak = if again { self.streak.saturating_add(1) } else { 1 };
        self.last = Some(now);
        let doublings = (self.streak - 1).min(MOST_DOUBLINGS);
        self.until = Some(later(now, pause.saturating_mul(1 << doublings)));
    }

    /// Until when the bridge gives way; `None` when it need not. A clock that was set back does not prolong it.
    pub fn yields_until(&self, now: Timestamp) -> Option<Timestamp> {
        let last = self.last?;
        self.until.filter(|until| last <= now && now < *until)
    }

    /// The bridge is back, or the owner wants it back.
    pub fn end(&mut self) {
        self.until = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAUSE: Duration = Duration::from_secs(600);

    fn at(minute: i64) -> Timestamp {
        Timestamp::from_second(1_790_000_000 + minute * 60).unwrap()
    }

    #[test]
    fn a_token_refused_before_its_time_was_ended_by_another_client() {
        for (expires, renewed, now, expected) in [
            (Some(30), 0, 10, true),
            (Some(30), 0, 28, true),
            (Some(30), 0, 29, false),
            (Some(30), 0, 31, false),
            (Some(30), 0, 5000, false),
            (None, 0, 5, true),
            (None, 0, 14, false),
            (None, 0, 25, false),
        ] {
            assert_eq!(
                is_takeover(expires.map(at), at(renewed), at(now)),
                expected,
                "expires {expires:?}, lost after {now} minutes"
            );
        }
    }

    #[test]
    fn repeated_takeovers_lengthen_the_pause_within_bounds() {
        let mut takeovers = Takeovers::default();
        let mut now = at(0);
        let mut pauses = Vec::new();
        for _ in 0..6 {
            takeovers.begin(PAUSE, now);
            let until = takeovers.yields_until(now).unwrap();
            pauses.push(until.duration_since(now).as_mins());
            assert_eq!(takeovers.yields_until(until), None);
            now = until;
        }
        assert_eq!(pauses, [10, 20, 40, 80, 80, 80]);
        now += SignedDuration::from_hours(6);
        takeovers.begin(PAUSE, now);
        assert_eq!(
            takeovers.yields_until(now),
            Some(now + SignedDuration::from_mins(10)),
            "after quiet hours the first pause is short again"
        );
    }

    #[test]
    fn the_owner_ends_the_pause_and_the_next_one_is_longer_all_the_same() {
        let mut takeovers = Takeovers::default();
        takeovers.begin(PAUSE, at(0));
        takeovers.end();
        assert_eq!(takeovers.yields_until(at(0)), None);
        takeovers.begin(PAUSE, at(1));
        assert_eq!(takeovers.yields_until(at(1)), Some(at(21)));
    }

    #[test]
    fn a_restart_does_not_end_the_pause_and_a_clock_set_back_does_not_prolong_it() {
        let mut takeovers = Takeovers::default();
        takeovers.begin(PAUSE, at(100));
        let kept = serde_json::to_string(&takeovers).unwrap();
        let takeovers: Takeovers = serde_json::from_str(&kept).unwrap();
        assert_eq!(takeovers.yields_until(at(105)), Some(at(110)));
        assert_eq!(takeovers.yields_until(at(50)), None);
    }
}
