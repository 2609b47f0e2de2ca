//! Checks every request as the cloud does: headers, signature, session, certificate and fields, before any handler runs.

use std::collections::BTreeMap;

use axum::body::Bytes;
use axum::http::{HeaderMap, header};
use jiff::{SignedDuration, Timestamp};
use percent_encoding::percent_decode_str;
use rustls_pki_types::CertificateDer;
use serde_json::Value;

use super::account::Account;
use super::answer::Refusal;
use super::endpoints::{BodyForm, Caller, Endpoint};
use crate::protocol::constants::{APP_VERSION, CHANNEL, DEVICE_TYPE, NONCE_RANGE, P12_ALGORITHM, SOURCE};
use crate::protocol::signature::{self, BaseFields};

/// How far the clock of a client may be off at normal speed; it is stretched with the speed of the clock.
pub const CLOCK_TOLERANCE: SignedDuration = SignedDuration::from_mins(5);

const FORM: &str = "application/x-www-form-urlencoded";
const FORM_WITH_CHARSET: &str = "application/x-www-form-urlencoded; charset=utf-8";
const JSON: &str = "application/json";

/// A request as it arrived.
#[derive(Debug)]
pub struct Request {
    /// Its path.
    pub path: String,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
    /// The client certificate of the connection.
    pub certificate: CertificateDer<'static>,
}

/// The fields of a body, by name.
pub type Fields = BTreeMap<String, String>;

/// A request that passed all checks.
#[derive(Debug)]
pub struct Call {
    /// The last part of the path where it varies.
    pub segment: String,
    /// The fields of the body, percent-decoded.
    pub fields: Fields,
    /// Which account calls; `None` at sign-in.
    pub account: Option<usize>,
    /// The device id it named.
    pub device_id: String,
    /// The moment of the call.
    pub now: Timestamp,
}

impl Call {
    /// A field the endpoint demands; empty if the endpoint only allows it and it is absent.
    pub fn field(&self, name: &str) -> &str {
        self.fields.get(name).map_or("", String::as_str)
    }
}

impl Request {
    /// A header as text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The fields of the body; `None` when it is neither a form nor a flat JSON object, or names a field twice.
    pub fn fields(&self) -> Option<Fields> {
        let text = std::str::from_utf8(&self.body).ok()?;
        let is_json = self.header(header::CONTENT_TYPE.as_str()) == Some(JSON);
        let pairs: Vec<(String, String)> = if is_json {
            let object: serde_json::Map<String, Value> = serde_json::from_str(text).ok()?;
            object
                .into_iter()
                .map(|(name, value)| Some((name, scalar_text(&value)?)))
                .collect::<Option<_>>()?
        } else {
            text.split('&')
                .filter(|pair| !pair.is_empty())
                .map(|pair| {
                    let (name, value) = pair.split_once('=')?;
                    Some((decode(name)?, decode(value)?))
                })
                .collect::<Option<_>>()?
        };
        let count = pairs.len();
        let fields = Fields::from_iter(pairs);
        (fields.len() == count).then_some(fields)
    }

    /// Whether a JSON body writes its numbers as numbers, and its texts as texts. In a form all is text.
    fn has_numbers_as_such(&self, endpoint: &Endpoint) -> bool {
        if endpoint.body == BodyForm::Form {
            return true;
        }
        let body = serde_json::from_slice::<serde_json::Map<String, Value>>(&self.body);
        body.is_ok_and(|body| {
            body.iter()
                .all(|(name, value)| value.is_number() == endpoint.numbers.contains(&name.as_str()))
        })
    }

    /// Checks everything that can be checked before the endpoint itself looks at the request.
    pub fn check(&self, endpoint: &Endpoint, checks: &Checks<'_>) -> Result<Call, Refusal> {
        let fields = self
            .fields()
            .filter(|_| self.has_numbers_as_such(endpoint))
            .ok_or(Refusal::Verification)?;
        let base = self.base_fields(endpoint, checks)?;
        let account = match endpoint.caller {
            Caller::Anybody => None,
            Caller::Session | Caller::Expired | Caller::SessionByApp => Some(self.session(endpoint, checks)?),
        };
        self.check_certificate(endpoint, account, checks)?;
        if base.device_id.is_empty() || !self.is_signed(endpoint, &base, &fields, account, checks) {
            return Err(Refusal::Verification);
        }
        let complete = endpoint.fields.iter().all(|name| fields.contains_key(*name));
        let expected = |name: &str| endpoint.fields.contains(&name) || endpoint.optional.contains(&name);
        if !complete || !fields.keys().all(|name| expected(name)) {
            return Err(Refusal::Verification);
        }
        Ok(Call {
            segment: endpoint.segment(&self.path).unwrap_or_default().to_owned(),
            device_id: base.device_id.to_owned(),
            fields,
            account,
            now: checks.now,
        })
    }

    /// The headers all calls have in common.
    fn base_fields<'a>(&'a self, endpoint: &Endpoint, checks: &Checks<'_>) -> Result<BaseFields<'a>, Refusal> {
        let required = |name: &str| self.header(name).ok_or(Refusal::Verification);
        let base = BaseFields {
            language: required("acceptLanguage")?,
            device_id: required("deviceId")?,
            nonce: required("nonce")?,
            timestamp: required("timestamp")?,
            version: required("version")?,
        };
        let content_type = required(header::CONTENT_TYPE.as_str())?.to_ascii_lowercase();
        let is_content_type = match endpoint.body {
            BodyForm::Form if endpoint.caller == Caller::Anybody => [FORM, FORM_WITH_CHARSET].contains(&&*content_type),
            BodyForm::Form => content_type == FORM,
            BodyForm::Json => content_type == JSON,
        };
        let p12 = if endpoint.names_p12_algorithm {
            Some(P12_ALGORITHM)
        } else {
            None
        };
        // Digits alone, without sign or leading zeros.
        let nonce = base
            .nonce
            .parse::<u32>()
            .ok()
            .filter(|nonce| nonce.to_string() == base.nonce);
        let sent = base
            .timestamp
            .parse()
            .ok()
            .and_then(|sent| Timestamp::from_millisecond(sent).ok());
        let fits = is_language(base.language)
            && required("channel")? == CHANNEL
            && required("deviceType")? == DEVICE_TYPE
            && required("source")? == SOURCE
            && base.version == APP_VERSION
            && self.header("X-P12_ENC_ALG") == p12
            && is_content_type
            && nonce.is_some_and(|nonce| NONCE_RANGE.contains(&nonce))
            && sent.is_some_and(|sent| sent.duration_since(checks.now).abs() <= checks.tolerance);
        if fits { Ok(base) } else { Err(Refusal::Verification) }
    }

    /// The account whose session this is.
    fn session(&self, endpoint: &Endpoint, checks: &Checks<'_>) -> Result<usize, Refusal> {
        let token = self.header("token").ok_or(Refusal::Verification)?;
        let (index, session) = checks
            .accounts
            .iter()
            .enumerate()
            .filter_map(|(index, account)| Some((index, account.session.as_ref()?)))
            .find(|(_, session)| session.token == token)
            .ok_or(Refusal::Token)?;
        if session.expires <= checks.now && endpoint.caller != Caller::Expired {
            return Err(Refusal::Token);
        }
        let account_id = checks.accounts[index].id.to_string();
        let named = self.header("userId") == Some(&account_id) && self.header("deviceId") == Some(&session.device_id);
        if named { Ok(index) } else { Err(Refusal::Verification) }
    }

    /// The app's certificate for sign-in and certificate sync, that of the session for everything else.
    fn check_certificate(
        &self,
        endpoint: &Endpoint,
        account: Option<usize>,
        checks: &Checks<'_>,
    ) -> Result<(), Refusal> {
        let session = account.and_then(|index| checks.accounts[index].session.as_ref());
        let expected = match endpoint.caller {
            Caller::Anybody | Caller::SessionByApp => Some(checks.app_certificate),
            Caller::Session | Caller::Expired => session.map(|session| &session.certificate),
        };
        if expected == Some(&self.certificate) {
            Ok(())
        } else {
            Err(Refusal::Verification)
        }
    }

    fn is_signed(
        &self,
        endpoint: &Endpoint,
        base: &BaseFields<'_>,
        fields: &Fields,
        account: Option<usize>,
        checks: &Checks<'_>,
    ) -> bool {
        let sign = self.header("sign").unwrap_or_default();
        let key = account
            .and_then(|index| checks.accounts[index].session.as_ref())
            .map(|session| &session.sign_key);
        let signed = fields
            .iter()
            .filter(|(name, _)| Some(name.as_str()) != endpoint.unsigned)
            .map(|(name, value)| (name.as_str(), value.as_str()));
        let input = signature::input(base, signed);
        sign == key.map_or_else(|| signature::sign_in(&input), |key| key.sign(&input))
    }
}

/// What requests are checked against.
pub struct Checks<'a> {
    /// All accounts with their sessions.
    pub accounts: &'a [Account],
    /// The certificate of the official app.
    pub app_certificate: &'a CertificateDer<'static>,
    /// The present moment.
    pub now: Timestamp,
    /// How far a time stamp may be from it.
    pub tolerance: SignedDuration,
}

/// A JSON number or text as the signature covers it.
fn scalar_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// Percent-decodes a form value; a plus sign means a space.
fn decode(text: &str) -> Option<String> {
    let text = text.replace('+', " ");
    percent_decode_str(&text)
        .decode_utf8()
        .ok()
        .map(std::borrow::Cow::into_owned)
}

fn is_language(tag: &str) -> bool {
    let mut parts = tag.split('-');
    let known = parts.next().is_some_and(|part| (2..=3).contains(&part.len()));
    known && tag.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') && parts.all(|part| !part.is_empty())
}
