//! Reads that failed one after the other, and what follows from the last of them. Pure: chance is an argument.

use std::time::Duration;

use super::conduct::conduct;
use super::plan;
use super::session::{CallError, Problem};

/// Failed reads of one kind since the last good one.
#[derive(Debug, Default)]
pub(super) struct Failures {
    count: u32,
    rest: Duration,
    problem: Option<Problem>,
}

impl Failures {
    /// Takes note of another one; `chance` is 0 to 1. Returns whether it is the first in a row, which is worth saying.
    pub(super) fn note(&mut self, error: &CallError, chance: f64) -> bool {
        self.count = self.count.saturating_add(1);
        (self.rest, self.problem) = match error {
            // When there is a session to be had again is the session task's business, and so is what is wrong with it.
            CallError::NoSession(_) => (Duration::ZERO, None),
            CallError::Cloud(error) => {
                let doubling = plan::back_off(self.count).mul_f64(1.0 + chance / 4.0);
                let rest = conduct(error).pause(self.count, chance).max(doubling);
                (rest, Some(Problem::of(error)))
            }
        };
        self.count == 1
    }

    /// Somebody wants the next attempt now. The last one failed all the same, so that stays to be told.
    pub(super) fn forgive(&mut self) {
        self.count = 0;
        self.rest = Duration::ZERO;
    }

    /// How many there are.
    pub(super) fn count(&self) -> u32 {
        self.count
    }

    /// How long to leave the cloud alone after the last one.
    pub(super) fn rest(&self) -> Duration {
        self.rest
    }

    /// What went wrong last; `None` when the last read was good, or when it is the session's to say.
    pub(super) fn problem(&self) -> Option<&Problem> {
        self.problem.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cloud::CloudError;
    use crate::garage::session::NoSession;

    #[test]
    fn failures_of_the_cloud_wait_ever_longer_and_only_the_first_is_worth_saying() {
        let mut failures = Failures::default();
        let mut note = |error: CloudError| {
            let is_first = failures.note(&error.into(), 0.0);
            (is_first, failures.rest().as_secs())
        };
        assert_eq!(note(CloudError::Timeout), (true, 30));
        assert_eq!(note(CloudError::Timeout), (false, 60));
        assert_eq!(note(CloudError::Verification), (false, 240));
        assert_eq!(failures.problem().map(|problem| problem.code), Some("rate_limited"));
        assert_eq!(failures.count(), 3);
    }

    #[test]
    fn without_a_session_the_session_says_what_is_wrong_and_when_to_come_again() {
        let mut failures = Failures::default();
        assert!(failures.note(&CloudError::Timeout.into(), 1.0));
        assert!(!failures.note(&NoSession::Stopping.into(), 1.0));
        assert_eq!((failures.count(), failures.rest()), (2, Duration::ZERO));
        assert_eq!(failures.problem(), None);
    }

    #[test]
    fn what_went_wrong_last_is_told_until_a_read_is_good_also_when_it_is_tried_at_once() {
        let mut failures = Failures::default();
        failures.note(&CloudError::Timeout.into(), 0.0);
        failures.forgive();
        assert_eq!((failures.count(), failures.rest()), (0, Duration::ZERO));
        assert_eq!(failures.problem().map(|problem| problem.code), Some("timeout"));
        assert!(failures.note(&CloudError::Timeout.into(), 0.0), "it is said again");
    }
}
