//! What can go wrong with the cloud, named by what the caller can do about it.

use std::time::Duration;

use super::account_certificate::AccountCertificateError;
use super::settings::Fingerprint;

/// A call that did not succeed. Texts say what happened, what happens next and what the owner can do; they never hold
/// secrets or what the cloud sent, except its own short message.
#[derive(Debug, thiserror::Error)]
pub enum CloudError {
    /// A setting that cannot work.
    #[error("{key} cannot be used: {reason}")]
    Settings {
        /// The key in the configuration.
        key: &'static str,
        /// What is wrong, and what would be right.
        reason: String,
    },

    /// Code 21: user name or password is wrong. Nothing may be retried with the same pair.
    #[error(
        "the cloud refused the user name or the password. No further sign-in is tried with them, so that the account \
         is not locked. Check both in the configuration; if they are right, change the password once in the official app"
    )]
    SignInRejected,

    /// The account is locked or frozen, by the words of the message: no code for it is known.
    #[error(
        "the cloud says that the account is locked (code {code}: {message}). The bridge asks again after an hour, then \
         ever more rarely; sign in with the official app to see what is wrong"
    )]
    AccountLocked {
        /// The cloud's code.
        code: i64,
        /// The cloud's message.
        message: String,
    },

    /// Code 3: the token expired or another client signed in. Refresh once, else sign in again.
    #[error(
        "the cloud ended the session, because it expired or another client signed in with the same account. It is \
         renewed by itself. If this repeats, give the bridge an account of its own and share the car to it"
    )]
    SessionLost,

    /// HTTP 429: too many requests.
    #[error("the cloud is asked too often. The bridge waits longer before it asks again")]
    RateLimited {
        /// How long to wait at least, where the cloud says so.
        retry_after: Option<Duration>,
    },

    /// Code 39: signature refused, throttled, or a share that has not spread yet. Back off.
    #[error(
        "the cloud could not verify the request; it does so after too many sign-ins, or for some time after a car was \
         shared. The bridge waits longer before it asks again; check the computer's clock if this stays"
    )]
    Verification,

    /// Code 40: the account or the car lacks the right.
    #[error(
        "the cloud does not permit this for the account. Ask the owner of the car to share it with this right, or use \
         the owner's account"
    )]
    NotPermitted,

    /// The cloud wants a newer app or another privacy policy, by the words of its message.
    #[error(
        "the cloud refuses the app version (code {code}: {message}). Set cloud.app_version to the version of the \
         official app, or cloud.policy_id to its current privacy policy"
    )]
    AppVersionRefused {
        /// The cloud's code.
        code: i64,
        /// The cloud's message.
        message: String,
    },

    /// The PIN check failed; nothing was sent to the car. Nothing may be retried with the same PIN.
    #[error(
        "the cloud refused the PIN (code {code}: {message}), nothing was sent to the car. Commands wait until the \
         PIN in the configuration is changed to that of the official app"
    )]
    PinRejected {
        /// The cloud's code; that of a wrong PIN is not documented.
        code: i64,
        /// The cloud's message.
        message: String,
    },

    /// The certificate that came with the sign-in cannot be used.
    #[error(
        "the sign-in succeeded, but its account certificate cannot be used: {0}. The bridge signs in again after an \
         hour, then ever more rarely. Should the password of the certificate differ from the usual one, set \
         p12_password for the account"
    )]
    AccountCertificate(AccountCertificateError),

    /// The sign-in succeeded, but its answer lacks what every further call needs.
    #[error(
        "the sign-in succeeded, but its answer lacks the field {field}. The bridge signs in again after an hour, then \
         ever more rarely, since each sign-in signs the official app out. The cloud may have changed; look for a newer \
         version of the bridge"
    )]
    SignInUnusable {
        /// The field that is missing.
        field: &'static str,
    },

    /// HTTP 404 for the car's model and for the fallback.
    #[error(
        "the cloud has no status for the model {model}. The car is asked again later; please report the model if this \
         stays"
    )]
    NoVehicleSegment {
        /// The model code.
        model: String,
    },

    /// HTTP 404: the cloud does not know the call.
    #[error("the cloud does not know this call. It may have changed; look for a newer version of the bridge")]
    NotFound,

    /// Code 100: nothing in that window. Reads where that is usual give `None` instead.
    #[error("the cloud has no data for this")]
    NoData,

    /// Code -2: the request makes no sense to the cloud, such as a one-time schedule in the past.
    #[error(
        "the cloud could not carry this out. A one-time schedule must start in the future, and so must all others \
             of its list"
    )]
    RequestFailed,

    /// No connection to the cloud could be made; nothing was sent.
    #[error("the cloud cannot be reached. The bridge tries again; check the internet connection and cloud.base_url")]
    Unreachable(#[source] reqwest::Error),

    /// The connection broke. Whether the cloud received the request is not known.
    #[error("the connection to the cloud broke. The bridge tries again")]
    Interrupted(#[source] reqwest::Error),

    /// The cloud did not answer in time. Whether it received the request is not known.
    #[error("the cloud did not answer in time. The bridge tries again")]
    Timeout,

    /// The server's certificate is not the pinned one.
    #[error(
        "the cloud shows another certificate than the pinned one: {seen} instead of {pinned}. Nothing was sent. Either \
         the certificate was renewed or somebody intercepts the connection. If you know that it was renewed, set \
         cloud.pinned_certificate to {seen} (in config.yaml: `pinned_certificate` below `cloud`) and start the bridge again"
    )]
    ServerIdentity {
        /// The one we know.
        pinned: Fingerprint,
        /// The one the server showed.
        seen: Fingerprint,
    },

    /// The server's certificate is not vouched for.
    #[error(
        "the cloud's certificate cannot be trusted ({0}). Nothing was sent. Set cloud.server_ca to the right root \
         certificate, or pin the certificate on first use"
    )]
    ServerNotTrusted(rustls::Error),

    /// The server did not take our app certificate. For an account certificate this is [`Self::SessionLost`].
    #[error(
        "the cloud refused the app certificate ({0}). Replace certificates.app_cert and certificates.app_key by the \
         current pair of the official app"
    )]
    AppCertificateRefused(rustls::Error),

    /// The TLS handshake failed otherwise.
    #[error("no secure connection to the cloud could be made ({0}). The bridge tries again")]
    Tls(rustls::Error),

    /// The answer is not what the protocol promises: HTML of a proxy, truncated JSON, a field that must not be missing.
    #[error("the cloud's answer cannot be read (HTTP {status}, {reason}). The bridge tries again")]
    Unreadable {
        /// The HTTP status.
        status: u16,
        /// What is wrong with it, never the body.
        reason: &'static str,
    },

    /// A code without a known meaning.
    #[error("the cloud refused the request (code {code}: {message})")]
    Other {
        /// The cloud's code.
        code: i64,
        /// The cloud's message.
        message: String,
    },
}

impl CloudError {
    /// The stable code of the kind of error, as the `bridge_last_error` entity shows it.
    pub fn code(&self) -> &'static str {
        match self {
            Self::SignInRejected | Self::AccountLocked { .. } | Self::SessionLost => "auth",
            Self::PinRejected { .. } => "pin",
            Self::AppCertificateRefused(_) | Self::ServerIdentity { .. } | Self::ServerNotTrusted(_) => "certificate",
            Self::AccountCertificate(_) => "account_certificate",
            Self::Verification | Self::RateLimited { .. } => "rate_limited",
            Self::NoVehicleSegment { .. } => "no_vehicle",
            Self::Timeout => "timeout",
            Self::Unreachable(_) | Self::Interrupted(_) | Self::Tls(_) => "network",
            Self::Settings { .. }
            | Self::NotPermitted
            | Self::AppVersionRefused { .. }
            | Self::NotFound
            | Self::NoData
            | Self::RequestFailed
            | Self::SignInUnusable { .. }
            | Self::Unreadable { .. }
            | Self::Other { .. } => "server",
        }
    }

    /// Whether the way to the cloud is at fault, or the cloud for the moment: the session may be as good as before.
    pub fn is_transient(&self) -> bool {
        matches!(
            self,
            Self::Verification | Self::RateLimited { .. } | Self::Unreachable(_)
        ) || self.leaves_outcome_open()
    }

    /// Whether the request certainly never reached the cloud: there was no connection, or no trust in its other end.
    pub fn was_not_sent(&self) -> bool {
        matches!(
            self,
            Self::Unreachable(_) | Self::ServerIdentity { .. } | Self::ServerNotTrusted(_)
        )
    }

    /// Whether the request may have been carried out all the same: the connection ended after it could have arrived, or
    /// the answer says neither yes nor no. All other failures mean that it was not.
    pub fn leaves_outcome_open(&self) -> bool {
        matches!(
            self,
            Self::Interrupted(_) | Self::Timeout | Self::Tls(_) | Self::Unreadable { .. }
        )
    }
}
