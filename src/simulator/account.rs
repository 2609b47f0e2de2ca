//! Accounts and their sessions. An account has one session: a new sign-in ends the one before, a refresh keeps it.

use std::collections::BTreeSet;

use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use jiff::{SignedDuration, Timestamp};
use rustls_pki_types::CertificateDer;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::answer::{Refusal, Success};
use super::request::Call;
use super::world::World;
use crate::protocol::certificate_password;
use crate::protocol::constants::POLICY_ID;
use crate::protocol::signature::SignKey;

/// How long a token lasts.
const TOKEN_LIFETIME: SignedDuration = SignedDuration::from_mins(30);

/// Hex digits of a device id.
const DEVICE_ID_LENGTH: usize = 32;

/// An account. It has neither `Debug` nor anything else that shows its password by accident.
pub struct Account {
    /// The cloud's number of it: header `userId`.
    pub id: u64,
    /// The other id, from which the certificate password is derived.
    pub uid: String,
    /// Its e-mail address.
    pub username: String,
    /// Its password; invented, and printed when the simulated cloud starts.
    pub password: String,
    /// Its only session.
    pub session: Option<Session>,
}

/// A session, from sign-in until the next one.
pub struct Session {
    /// The access token in force.
    pub token: String,
    /// When it expires.
    pub expires: Timestamp,
    /// What a new token can be had for.
    pub refresh_token: String,
    /// The key of all signatures.
    pub sign_key: SignKey,
    /// The device id the token names.
    pub device_id: String,
    /// The account certificate issued with it.
    pub certificate: CertificateDer<'static>,
    /// Whether the certificate was synchronised, which commands need.
    pub is_synced: bool,
    /// The cars whose PIN was verified with the token in force.
    pub verified: BTreeSet<String>,
}

impl Account {
    /// A token that names this account and device.
    fn token(&self, device_id: &str, expires: Timestamp) -> String {
        let header = json!({"alg": "RS256", "typ": "JWT"});
        let payload = json!({
            "user_name": format!("{},{},{device_id},1", self.username, self.id),
            "scope": ["all"],
            "exp": expires.as_second(),
            "jti": random(16),
        });
        let encode = |part: &Value| BASE64_URL_SAFE_NO_PAD.encode(part.to_string());
        format!("{}.{}.{}", encode(&header), encode(&payload), random(32))
    }
}

/// The account a token was issued to, even one no longer in force.
pub fn username_of(token: &str) -> Option<String> {
    let payload = BASE64_URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?;
    let payload: Value = serde_json::from_slice(&payload).ok()?;
    let (username, _) = payload["user_name"].as_str()?.split_once(',')?;
    Some(username.to_owned())
}

/// `login`
pub fn sign_in(world: &mut World, call: &Call) -> Result<Success, Refusal> {
    let known = call.field("isRecoverAcct") == "0"
        && call.field("loginMethod") == "1"
        && call.field("policyId") == POLICY_ID
        && is_device_id(&call.device_id);
    if !known {
        return Err(Refusal::Verification);
    }
    let (email, password) = (call.field("email"), call.field("password"));
    let World {
        accounts, authority, ..
    } = world;
    let account = accounts
        .iter_mut()
        .find(|account| account.username == email && account.password == password)
        .ok_or(Refusal::Credentials)?;
    let id = account.id.to_string();
    let (bundle, certificate) = authority
        .account_certificate(&account.username, &certificate_password::derive(&id, &account.uid))
        .map_err(|error| {
            tracing::error!(%error, "no account certificate could be issued");
            Refusal::Failed
        })?;
    let device_id = session_device_id(&call.device_id);
    let expires = call.now + TOKEN_LIFETIME;
    let (key, salt, info) = (random(12), random(6), random(6));
    let session = Session {
        token: account.token(&device_id, expires),
        expires,
        refresh_token: refresh_token(),
        sign_key: SignKey::derive(&key, &salt, &info),
        device_id,
        certificate,
        is_synced: false,
        verified: BTreeSet::new(),
    };
    let answer = json!({
        "id": account.id,
        "uid": account.uid,
        "token": session.token,
        "refreshToken": session.refresh_token,
        "signIkm": key,
        "signSalt": salt,
        "signInfo": info,
        "base64Cert": BASE64_STANDARD.encode(bundle),
    });
    account.session = Some(session);
    Ok(answer.into())
}

/// `token/refresh`
pub fn refresh(world: &mut World, call: &Call) -> Result<Success, Refusal> {
    let account = world.caller_mut(call)?;
    let device_id = match &account.session {
        Some(session) if session.refresh_token == call.field("refreshToken") => session.device_id.clone(),
        _ => return Err(Refusal::Token),
    };
    let expires = call.now + TOKEN_LIFETIME;
    let token = account.token(&device_id, expires);
    let refresh_token = refresh_token();
    if let Some(session) = &mut account.session {
        session.token.clone_from(&token);
        session.expires = expires;
        session.refresh_token.clone_from(&refresh_token);
        // The PIN was encrypted for the token before.
        session.verified.clear();
    }
    Ok(json!({"token": token, "refreshToken": refresh_token}).into())
}

/// Holds characters that must be percent-encoded in a form.
fn refresh_token() -> String {
    format!("rt.{}/+=", random(12))
}

/// The cloud gives the session a device id of its own, so that a client has to read it from the token.
fn session_device_id(device_id: &str) -> String {
    let mut text = hex::encode(Sha256::digest(device_id));
    text.truncate(DEVICE_ID_LENGTH);
    text
}

fn is_device_id(text: &str) -> bool {
    text.len() == DEVICE_ID_LENGTH && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// Random hex text of `bytes` bytes.
pub fn random(bytes: usize) -> String {
    let mut buffer = vec![0; bytes];
    // Without randomness of the system the text is the same every time, which a simulation survives.
    if let Err(error) = getrandom::fill(&mut buffer) {
        tracing::warn!(%error, "no randomness");
    }
    hex::encode(buffer)
}
