//! What is done about each error of the cloud: one table for whoever meets it. Pure.
//!
//! | Error | Code | Session | Reads | A command says | Owner |
//! |---|---|---|---|---|---|
//! | session lost | 3 | refreshed; else gives way or signs in | renewed, repeated once | `cloud_unavailable` | |
//! | sign-in rejected | 21 | stops until the password changes | stop, cars unavailable | `sign_in_needed` | acts |
//! | account locked | by its words | once an hour and rarer | as the session | `sign_in_needed` | acts |
//! | verification, rate limit | 39, HTTP 429 | a minute, up to an hour | the same | `cloud_unavailable` | |
//! | not permitted | 40 | steadily | car unavailable, list again | `missing_right` | |
//! | no data | 100 | – | an empty result where usual | `cloud_refused` | |
//! | request failed | -2 | steadily | steadily | `cloud_refused` | |
//! | PIN rejected | at the PIN check | – | – | `pin_rejected`, not sent again | acts |
//! | app version or policy | by its words | patiently | patiently | `cloud_refused` | acts |
//! | certificates, identity | TLS | patiently | patiently | `cloud_refused` | acts |
//! | sign-in that cannot be used | its certificate, its fields | once an hour and rarer | as the session | `cloud_refused` | acts |
//! | not found, no such model | HTTP 404 | patiently | patiently | `cloud_refused` | |
//! | unreadable, other | others | steadily | steadily | see below | |
//! | way to the cloud | none | briskly | briskly | see below | |
//!
//! A write whose answer was lost is no refusal: the car's state decides. Before the write, the same errors mean
//! `cloud_unavailable`. Where the cloud says itself how long to wait, that is waited at least. A session whose refresh is
//! answered with 39 twice in a row is lost.

use std::time::Duration;

use crate::cloud::CloudError;
use crate::vehicle::intent::Reason;

/// How long to wait between attempts while they fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// After the first failure; it doubles with every further one.
    pub first: Duration,
    /// At most.
    pub longest: Duration,
}

/// The way to the cloud is broken: asking costs nobody anything.
const BRISK: Pace = Pace::new(5, 60);
/// The cloud is in trouble.
const STEADY: Pace = Pace::new(15, 5 * 60);
/// The cloud feels asked too often.
const THROTTLED: Pace = Pace::new(60, 3600);
/// Nothing will change before somebody acts.
const PATIENT: Pace = Pace::new(5 * 60, 3600);
/// Every attempt may prolong it, or signs the official app out in vain.
const LOCKED: Pace = Pace::new(3600, 6 * 3600);

/// What is done about an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Conduct {
    /// How the next attempts are spread.
    pub pace: Pace,
    /// The least pause, where the cloud named one.
    pub hint: Option<Duration>,
    /// Whether it stays until the owner acts.
    pub needs_owner: bool,
    /// Why a command was not carried out.
    pub reason: Reason,
}

impl Pace {
    const fn new(first: u64, longest: u64) -> Self {
        Self {
            first: Duration::from_secs(first),
            longest: Duration::from_secs(longest),
        }
    }

    /// The pause after this many failures in a row, at least one. `jitter` is 0 to 1: up to a quarter is added, so that
    /// many bridges do not come back in the same second.
    pub fn pause(&self, failures: u32, jitter: f64) -> Duration {
        let doublings = failures.saturating_sub(1).min(16);
        let pause = self.first.saturating_mul(1 << doublings).min(self.longest);
        pause.mul_f64(1.0 + jitter / 4.0)
    }
}

impl Conduct {
    /// The pause after this many failures in a row, at least one.
    pub fn pause(&self, failures: u32, jitter: f64) -> Duration {
        self.pace.pause(failures, jitter).max(self.hint.unwrap_or_default())
    }
}

/// What is done about this error.
pub fn conduct(error: &CloudError) -> Conduct {
    use CloudError as E;
    let (pace, needs_owner, reason) = match error {
        E::SignInRejected => (PATIENT, true, Reason::SignInNeeded),
        E::AccountLocked { .. } => (LOCKED, true, Reason::SignInNeeded),
        E::SessionLost => (BRISK, false, Reason::CloudUnavailable),
        E::Verification | E::RateLimited { .. } => (THROTTLED, false, Reason::CloudUnavailable),
        E::NotPermitted => (STEADY, false, Reason::MissingRight),
        E::PinRejected { .. } => (PATIENT, true, Reason::PinRejected),
        E::AccountCertificate(_) | E::SignInUnusable { .. } => (LOCKED, true, Reason::CloudRefused),
        E::AppVersionRefused { .. }
        | E::Settings { .. }
        | E::ServerIdentity { .. }
        | E::ServerNotTrusted(_)
        | E::AppCertificateRefused(_) => (PATIENT, true, Reason::CloudRefused),
        E::NoVehicleSegment { .. } | E::NotFound => (PATIENT, false, Reason::CloudRefused),
        E::NoData | E::RequestFailed | E::Other { .. } => (STEADY, false, Reason::CloudRefused),
        E::Unreadable { .. } => (STEADY, false, Reason::CloudUnavailable),
        E::Unreachable(_) | E::Interrupted(_) | E::Timeout | E::Tls(_) => (BRISK, false, Reason::CloudUnavailable),
    };
    let hint = match error {
        E::RateLimited { retry_after } => *retry_after,
        _ => None,
    };
    Conduct {
        pace,
        hint,
        needs_owner,
        reason,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cloud::AccountCertificateError;

    #[test]
    fn pauses_double_up_to_the_longest_and_spread_by_a_quarter() {
        let pauses = |pace: Pace| [1, 2, 3, 4, 5, 9, 40].map(|failures| pace.pause(failures, 0.0).as_secs());
        assert_eq!(pauses(BRISK), [5, 10, 20, 40, 60, 60, 60]);
        assert_eq!(pauses(STEADY), [15, 30, 60, 120, 240, 300, 300]);
        assert_eq!(pauses(THROTTLED), [60, 120, 240, 480, 960, 3600, 3600]);
        assert_eq!(pauses(PATIENT), [300, 600, 1200, 2400, 3600, 3600, 3600]);
        assert_eq!(pauses(LOCKED), [3600, 7200, 14400, 21600, 21600, 21600, 21600]);
        assert_eq!(BRISK.pause(5, 1.0), Duration::from_secs(75));
    }

    #[test]
    fn the_cloud_s_own_word_on_waiting_counts_when_it_is_longer() {
        let waits = |seconds| {
            conduct(&CloudError::RateLimited { retry_after: seconds })
                .pause(1, 0.0)
                .as_secs()
        };
        assert_eq!(waits(None), 60);
        assert_eq!(waits(Some(Duration::from_secs(10))), 60);
        assert_eq!(waits(Some(Duration::from_secs(900))), 900);
    }

    #[test]
    fn each_error_has_its_pace_its_reason_and_perhaps_the_owner_to_act() {
        let text = || "x".to_owned();
        for (error, pace, needs_owner, reason) in [
            (CloudError::SessionLost, BRISK, false, Reason::CloudUnavailable),
            (CloudError::SignInRejected, PATIENT, true, Reason::SignInNeeded),
            (
                CloudError::AccountLocked {
                    code: 9,
                    message: text(),
                },
                LOCKED,
                true,
                Reason::SignInNeeded,
            ),
            (
                CloudError::AccountCertificate(AccountCertificateError::Missing),
                LOCKED,
                true,
                Reason::CloudRefused,
            ),
            (
                CloudError::SignInUnusable { field: "token" },
                LOCKED,
                true,
                Reason::CloudRefused,
            ),
            (CloudError::Verification, THROTTLED, false, Reason::CloudUnavailable),
            (CloudError::NotPermitted, STEADY, false, Reason::MissingRight),
            (CloudError::NoData, STEADY, false, Reason::CloudRefused),
            (CloudError::RequestFailed, STEADY, false, Reason::CloudRefused),
            (
                CloudError::PinRejected {
                    code: 31,
                    message: text(),
                },
                PATIENT,
                true,
                Reason::PinRejected,
            ),
            (
                CloudError::AppVersionRefused {
                    code: 77,
                    message: text(),
                },
                PATIENT,
                true,
                Reason::CloudRefused,
            ),
            (CloudError::NotFound, PATIENT, false, Reason::CloudRefused),
            (CloudError::Timeout, BRISK, false, Reason::CloudUnavailable),
            (
                CloudError::Unreadable {
                    status: 502,
                    reason: "a web page",
                },
                STEADY,
                false,
                Reason::CloudUnavailable,
            ),
            (
                CloudError::Other {
                    code: 500,
                    message: text(),
                },
                STEADY,
                false,
                Reason::CloudRefused,
            ),
        ] {
            let conduct = conduct(&error);
            assert_eq!(
                (conduct.pace, conduct.needs_owner, conduct.reason),
                (pace, needs_owner, reason),
                "{error:?}"
            );
        }
    }
}
