//! A signed-in account: what its calls carry, how it is renewed and how it survives a restart.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use jiff::{SignedDuration, Timestamp};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::OnceCell;

use super::client_certificate::ClientIdentity;
use super::envelope;
use super::error::CloudError;
use super::gateway::Gateway;
use super::lenient;
use super::request::{Call, Caller};
use super::transport::{Answer, Client};
use crate::protocol::signature::SignKey;
use crate::protocol::token;
use crate::vehicle::Vin;

const REFRESH: &str = "/carownerservice/oversea/acct/v1/token/refresh";

/// How long a car is not asked for by its id after that failed. Not for good: the failure may have passed, and some
/// shares show nothing without it.
const ID_REFUSED_FOR: SignedDuration = SignedDuration::from_hours(1);

/// A signed-in account. Clones are cheap and share everything but the tokens: a clone made before a refresh keeps the
/// old ones.
#[derive(Clone)]
pub struct Session {
    gateway: Gateway,
    account: Arc<Account>,
    tokens: Arc<Tokens>,
}

/// What one sign-in gives and no refresh changes.
pub(super) struct Account {
    pub(super) user_id: String,
    sign_key: SignKey,
    certificate: ClientIdentity,
    client: Client,
    signed_in_at: Timestamp,
    /// Filled once the certificate sync succeeded; the cloud remembers it for the sign-in, not for the token.
    pub(super) certificate_synced: OnceCell<()>,
    /// Which path segment serves the status of a model, where that had to be found out.
    segments: Mutex<BTreeMap<String, String>>,
    /// When asking for a car by its id failed last. A restart may ask again.
    refused_ids: Mutex<BTreeMap<Vin, Timestamp>>,
}

/// What a refresh replaces.
pub(super) struct Tokens {
    pub(super) access: SecretString,
    pub(super) refresh: Option<SecretString>,
    pub(super) device_id: String,
}

impl Account {
    pub(super) fn new(
        user_id: String,
        sign_key: SignKey,
        certificate: ClientIdentity,
        signed_in_at: Timestamp,
        gateway: &Gateway,
    ) -> Result<Self, CloudError> {
        Ok(Self {
            user_id,
            sign_key,
            client: gateway.connector().client(&certificate)?,
            certificate,
            signed_in_at,
            certificate_synced: OnceCell::new(),
            segments: Mutex::default(),
            refused_ids: Mutex::default(),
        })
    }

    /// The status segment found for a model.
    pub(super) fn segment(&self, model: &str) -> Option<String> {
        lock(&self.segments).get(model).cloned()
    }

    /// Remembers the status segment of a model.
    pub(super) fn remember_segment(&self, model: &str, segment: &str) {
        lock(&self.segments).insert(model.to_owned(), segment.to_owned());
    }

    /// Whether it makes sense to ask for a car by its id.
    pub(super) fn may_ask_by_id(&self, vin: &Vin, now: Timestamp) -> bool {
        let refused = lock(&self.refused_ids).get(vin).copied();
        // A failure that lies in the future was seen before the clock was set back; it counts no longer.
        refused.is_none_or(|refused| refused > now || now.duration_since(refused) >= ID_REFUSED_FOR)
    }

    /// Remembers that asking for a car by its id failed.
    pub(super) fn remember_refused_id(&self, vin: &Vin, now: Timestamp) {
        lock(&self.refused_ids).insert(vin.clone(), now);
    }
}

/// Nothing that holds such a lock can panic half-way, so a poisoned one is as good as any.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Session {
    pub(super) fn new(gateway: Gateway, account: Account, tokens: Tokens) -> Self {
        Self {
            gateway,
            account: Arc::new(account),
            tokens: Arc::new(tokens),
        }
    }

    /// When the account signed in. Refreshing does not change it.
    pub fn signed_in_at(&self) -> Timestamp {
        self.account.signed_in_at
    }

    /// When the token expires by its own word; `None` when it does not say.
    pub fn token_expires(&self) -> Option<Timestamp> {
        let seconds = token::expires(self.tokens.access.expose_secret())?;
        Timestamp::from_second(seconds).ok()
    }

    /// Until when both certificates are valid that calls are made with.
    pub fn certificates_expire(&self) -> Option<Timestamp> {
        let app = self.gateway.app_certificate_expires();
        app.into_iter().chain(self.account.certificate.expires()).min()
    }

    /// Renews the token. [`CloudError::SessionLost`] means that only a new sign-in helps.
    pub async fn refresh(&mut self) -> Result<(), CloudError> {
        let refresh = self.tokens.refresh.as_ref().ok_or(CloudError::SessionLost)?;
        let data = self
            .data(Call::form(REFRESH).text("refreshToken", refresh.expose_secret()))
            .await?;
        let access = lenient::text(&data, "token").ok_or(CloudError::SessionLost)?;
        let renewed = lenient::text(&data, "refreshToken").map(SecretString::from);
        self.tokens = Arc::new(Tokens {
            device_id: token::session_device_id(&access).unwrap_or_else(|| self.tokens.device_id.clone()),
            access: access.into(),
            // An answer without a new one leaves the old one valid.
            refresh: renewed.or_else(|| self.tokens.refresh.clone()),
        });
        Ok(())
    }

    /// Everything needed to go on after a restart.
    pub fn saved(&self) -> SavedSession {
        let account = &self.account;
        let document = Document {
            user_id: account.user_id.clone(),
            device_id: self.tokens.device_id.clone(),
            token: self.tokens.access.expose_secret().to_owned(),
            refresh_token: self
                .tokens
                .refresh
                .as_ref()
                .map(|token| token.expose_secret().to_owned()),
            sign_key: account.sign_key.to_hex(),
            certificate: BASE64_STANDARD.encode(account.certificate.certificate()),
            private_key: BASE64_STANDARD.encode(account.certificate.private_key().secret_der()),
            signed_in_at: account.signed_in_at,
            certificate_synced: account.certificate_synced.initialized(),
            segments: lock(&account.segments).clone(),
        };
        // A structure of texts, flags and a map with text keys always has a JSON form.
        SavedSession(serde_json::to_string(&document).unwrap_or_default().into())
    }

    pub(super) fn restore(gateway: Gateway, saved: SavedSession) -> Result<Self, CloudError> {
        let SavedSession(text) = saved;
        let document: Document = serde_json::from_str(text.expose_secret()).map_err(|_| CloudError::SessionLost)?;
        let decode = |text: &str| BASE64_STANDARD.decode(text).map_err(|_| CloudError::SessionLost);
        let certificate = CertificateDer::from(decode(&document.certificate)?);
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(decode(&document.private_key)?));
        let certificate = ClientIdentity::new(vec![certificate], key).map_err(|_| CloudError::SessionLost)?;
        let sign_key = SignKey::from_hex(&document.sign_key).ok_or(CloudError::SessionLost)?;

        let account = Account {
            certificate_synced: OnceCell::new_with(document.certificate_synced.then_some(())),
            segments: Mutex::new(document.segments),
            ..Account::new(document.user_id, sign_key, certificate, document.signed_in_at, &gateway)?
        };
        let tokens = Tokens {
            access: document.token.into(),
            refresh: document.refresh_token.map(SecretString::from),
            device_id: document.device_id,
        };
        Ok(Self::new(gateway, account, tokens))
    }

    pub(super) fn account(&self) -> &Account {
        &self.account
    }

    pub(super) fn tokens(&self) -> &Tokens {
        &self.tokens
    }

    pub(super) fn now(&self) -> Timestamp {
        self.gateway.now()
    }

    /// Makes a call and returns the answer unread.
    pub(super) async fn call(&self, call: Call) -> Result<Answer, CloudError> {
        let caller = Caller::Session {
            user_id: &self.account.user_id,
            token: &self.tokens.access,
            sign_key: &self.account.sign_key,
        };
        self.gateway
            .call(&self.account.client, &call, &self.tokens.device_id, caller)
            .await
    }

    /// Makes a call and returns the `data` of its answer.
    pub(super) async fn data(&self, call: Call) -> Result<Value, CloudError> {
        envelope::data(&self.call(call).await?)
    }
}

/// A session at rest: one secret text for the caller to seal and keep.
#[derive(Debug, Clone)]
pub struct SavedSession(SecretString);

impl SavedSession {
    /// The text, to be sealed.
    pub fn text(&self) -> &SecretString {
        &self.0
    }
}

impl From<SecretString> for SavedSession {
    /// From the text of [`Self::text`]. Whether it is one shows when the session is resumed.
    fn from(text: SecretString) -> Self {
        Self(text)
    }
}

/// What a saved session holds.
#[derive(Serialize, Deserialize)]
struct Document {
    user_id: String,
    device_id: String,
    token: String,
    refresh_token: Option<String>,
    sign_key: String,
    certificate: String,
    private_key: String,
    signed_in_at: Timestamp,
    certificate_synced: bool,
    segments: BTreeMap<String, String>,
}
