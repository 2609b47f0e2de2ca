//! How an account stands, for everyone who shows it.

use jiff::Timestamp;

use crate::cloud::CloudError;
use crate::garage::conduct::conduct;

/// How an account stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountStatus {
    /// Where the sign-in stands.
    pub sign_in: SignIn,
    /// What went wrong last, until something succeeds.
    pub problem: Option<Problem>,
    /// Until when the certificates are valid that this account is used with.
    pub certificates_expire: Option<Timestamp>,
}

impl AccountStatus {
    /// An account nothing is known of yet.
    pub fn unknown() -> Self {
        Self {
            sign_in: SignIn::Waiting,
            problem: None,
            certificates_expire: None,
        }
    }
}

/// Where the sign-in stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignIn {
    /// Not signed in yet, or between two attempts.
    Waiting,
    /// The computer's clock is not set, so nothing can be signed.
    ClockNotSet,
    /// Signed in.
    Done,
    /// Another client signed in; the bridge gives way to it until this moment.
    Yielding(Timestamp),
    /// The password was refused. Nothing is sent until it is changed.
    Refused,
}

/// A problem in the words of the `bridge_last_error` entity, with its whole text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// One of the stable codes of `bridge_last_error`.
    pub code: &'static str,
    /// What happened, what the bridge does and what the owner can do.
    pub text: String,
    /// Whether it stays until the owner acts.
    pub needs_owner: bool,
}

impl Problem {
    /// The problem that this error is.
    pub fn of(error: &CloudError) -> Self {
        Self {
            code: error.code(),
            text: error.to_string(),
            needs_owner: conduct(error).needs_owner,
        }
    }
}
