//! The cloud as a stranger meets it: with the app certificate, before or without a session.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};

use super::account_certificate;
use super::client_certificate::AppCertificate;
use super::envelope;
use super::error::CloudError;
use super::lenient;
use super::request::{Call, Caller, Identity, Request, Stamp};
use super::session::{Account, SavedSession, Session, Tokens};
use super::settings::{CloudSettings, Credentials, Fingerprint};
use super::transport::{Answer, Client, Connector};
use crate::clock::Clock;
use crate::protocol::certificate_password;
use crate::protocol::constants::NONCE_RANGE;
use crate::protocol::signature::SignKey;
use crate::protocol::token;
use crate::vehicle::Vin;

const SIGN_IN: &str = "/carownerservice/oversea/acct/v1/login";

/// The way to the cloud. Clones share connections and the pinned server certificate.
#[derive(Clone)]
pub struct Gateway(Arc<Inner>);

struct Inner {
    settings: CloudSettings,
    connector: Connector,
    app: Client,
    clock: Clock,
    app_certificate_expires: Option<Timestamp>,
    stamp: Box<dyn Fn(&Clock) -> Stamp + Send + Sync>,
    /// Whoever counts the calls.
    observer: OnceLock<Observer>,
}

type Observer = Box<dyn Fn(CallNote) + Send + Sync>;

/// A call that was made, for whoever counts them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallNote {
    /// The car it was about.
    pub vin: Option<Vin>,
    /// How long the answer took.
    pub took: Duration,
    /// Whether there was no answer, or one that refuses.
    pub failed: bool,
}

/// A call that is noted when it ends, also when nobody waits for its answer any more: the cloud has seen it.
struct UnderWay<'a> {
    observer: Option<&'a Observer>,
    vin: Option<Vin>,
    started: Instant,
    failed: bool,
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        if let Some(observer) = self.observer {
            observer(CallNote {
                vin: self.vin.take(),
                took: self.started.elapsed(),
                failed: self.failed,
            });
        }
    }
}

impl Gateway {
    /// Checks the settings and makes ready; nothing is sent yet.
    pub fn new(settings: CloudSettings, certificate: AppCertificate, clock: Clock) -> Result<Self, CloudError> {
        settings.check()?;
        let connector = Connector::new(&settings)?;
        Self::with(settings, connector, certificate, clock, fresh_stamp)
    }

    /// With a given way to the network and a given source of stamps.
    pub(super) fn with(
        settings: CloudSettings,
        connector: Connector,
        certificate: AppCertificate,
        clock: Clock,
        stamp: impl Fn(&Clock) -> Stamp + Send + Sync + 'static,
    ) -> Result<Self, CloudError> {
        let AppCertificate(identity) = certificate;
        let app = connector.client(&identity)?;
        Ok(Self(Arc::new(Inner {
            settings,
            connector,
            app,
            clock,
            app_certificate_expires: identity.expires(),
            stamp: Box::new(stamp),
            observer: OnceLock::new(),
        })))
    }

    /// Signs in. Any other session of the account ends by this, that of the official app included. `device_id` is our
    /// own, from [`new_device_id`], kept for good.
    pub async fn sign_in(&self, credentials: &Credentials, device_id: &str) -> Result<Session, CloudError> {
        let call = Call::form(SIGN_IN)
            .with_app_certificate()
            .text("isRecoverAcct", "0")
            .text("password", credentials.password.expose_secret())
            .text("policyId", &self.0.settings.policy_id)
            .text("loginMethod", "1")
            .text("email", &credentials.username);
        let answer = self.send(&self.0.app, &call, device_id, Caller::Stranger).await?;
        let data = envelope::sign_in_data(&answer)?;
        let required = |field: &'static str| lenient::text(&data, field).ok_or(CloudError::SignInUnusable { field });
        let or_empty = |name| lenient::text(&data, name).unwrap_or_default();

        let (user_id, access) = (required("id")?, required("token")?);
        let sign_key = SignKey::derive(&required("signIkm")?, &or_empty("signSalt"), &or_empty("signInfo"));
        let derived = SecretString::from(certificate_password::derive(&user_id, &or_empty("uid")));
        let passwords: Vec<SecretString> = credentials.p12_password.iter().cloned().chain([derived]).collect();
        let certificate =
            account_certificate::open(&or_empty("base64Cert"), &passwords).map_err(CloudError::AccountCertificate)?;

        let account = Account::new(user_id, sign_key, certificate, self.now(), self)?;
        let tokens = Tokens {
            device_id: token::session_device_id(&access).unwrap_or_else(|| device_id.to_owned()),
            access: access.into(),
            refresh: lenient::text(&data, "refreshToken").map(SecretString::from),
        };
        Ok(Session::new(self.clone(), account, tokens))
    }

    /// Goes on with a session from before a restart; nothing is sent. [`CloudError::SessionLost`] when it cannot be
    /// read: sign in instead.
    pub fn resume(&self, saved: SavedSession) -> Result<Session, CloudError> {
        Session::restore(self.clone(), saved)
    }

    /// Has every call from now on noted by `observer`, which must not block. The first observer stays.
    pub fn observe(&self, observer: impl Fn(CallNote) + Send + Sync + 'static) {
        // A second observer is not an error: the account is counted already.
        let _ = self.0.observer.set(Box::new(observer));
    }

    /// Until when the app certificate is valid.
    pub fn app_certificate_expires(&self) -> Option<Timestamp> {
        self.0.app_certificate_expires
    }

    /// The server certificate that is pinned, for keeping. `None` where none is pinned, or before the first contact.
    pub fn seen_fingerprint(&self) -> Option<Fingerprint> {
        self.0.connector.pinned()
    }

    pub(super) fn now(&self) -> jiff::Timestamp {
        self.0.clock.now()
    }

    pub(super) fn connector(&self) -> &Connector {
        &self.0.connector
    }

    /// Sends a session's call with the certificate it wants.
    pub(super) async fn call(
        &self,
        account: &Client,
        call: &Call,
        device_id: &str,
        caller: Caller<'_>,
    ) -> Result<Answer, CloudError> {
        let client = match call.identity() {
            Identity::App => &self.0.app,
            Identity::Account => account,
        };
        self.send(client, call, device_id, caller).await
    }

    async fn send(
        &self,
        client: &Client,
        call: &Call,
        device_id: &str,
        caller: Caller<'_>,
    ) -> Result<Answer, CloudError> {
        let stamp = (self.0.stamp)(&self.0.clock);
        let request = Request::new(call, &self.0.settings, device_id, caller, stamp);
        let mut under_way = UnderWay {
            observer: self.0.observer.get(),
            vin: call.vin(),
            started: Instant::now(),
            failed: true,
        };
        let answer = client.send(request).await;
        let status = answer.as_ref().map_or(0, |answer| answer.status);
        let took_ms = under_way.started.elapsed().as_secs_f64() * 1000.0;
        under_way.failed = answer.as_ref().map_or(true, envelope::refuses);
        drop(under_way);
        tracing::debug!(path = call.path(), status, took_ms, "cloud call");
        answer
    }
}

/// A device id for a new installation: 32 lower-case hexadecimal digits. Keep it: the cloud knows us by it.
pub fn new_device_id() -> String {
    hex::encode(random::<16>())
}

fn fresh_stamp(clock: &Clock) -> Stamp {
    let (smallest, largest) = NONCE_RANGE.into_inner();
    Stamp {
        nonce: smallest + u32::from_le_bytes(random()) % (largest - smallest + 1),
        timestamp: clock.now().as_millisecond(),
    }
}

fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    // Every system we run on has a random source; without one there is no TLS either.
    #[allow(
        clippy::expect_used,
        reason = "a system without random source cannot run this program"
    )]
    getrandom::fill(&mut bytes).expect("the operating system gives random bytes");
    bytes
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn device_ids_are_new_each_time() {
        let id = new_device_id();
        assert_eq!(id.len(), 32);
        assert!(id.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')), "{id}");
        assert_ne!(id, new_device_id());
    }

    #[test]
    fn stamps_are_fresh_and_within_range() {
        let stamps: Vec<Stamp> = (0..1000).map(|_| fresh_stamp(&Clock::real())).collect();
        assert!(stamps.iter().all(|stamp| NONCE_RANGE.contains(&stamp.nonce)));
        let nonces: BTreeSet<u32> = stamps.iter().map(|stamp| stamp.nonce).collect();
        assert!(nonces.len() > 990, "{}", nonces.len());
    }
}
