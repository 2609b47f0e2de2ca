//! A cloud made of recorded answers, for tests of everything above the transport.
//!
//! [`signed_in`] gives a session as the vectors recorded it, with frozen nonce and time; [`Script::play`] says what the
//! cloud answers next, and [`Script::requests`] what it was asked.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use super::error::CloudError;
use super::request::{Identity, Request, Stamp};
use super::transport::{Answer, Connector};
use super::{AppCertificate, CloudSettings, Credentials, Fingerprint, Gateway, Session};
use crate::clock::Clock;
use crate::protocol::vectors::{section, text};

/// Our own device id in the vectors.
pub(crate) const DEVICE_ID: &str = "0f1e2d3c4b5a69788796a5b4c3d2e1f0";

/// Answers to come and requests so far. Clones are the same script.
#[derive(Clone, Default)]
pub(crate) struct Script(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    answers: VecDeque<(u16, Vec<u8>)>,
    requests: Vec<Value>,
    certificate: Option<Fingerprint>,
}

impl Script {
    /// Forgets what was asked and answers with these `responses` of a vector from now on.
    pub(crate) fn play(&self, responses: &Value) {
        let mut state = self.state();
        state.requests.clear();
        state.answers = responses.as_array().unwrap().iter().map(canned).collect();
    }

    /// The requests since the last [`Self::play`], in the form of the vectors.
    pub(crate) fn requests(&self) -> Vec<Value> {
        self.state().requests.clone()
    }

    /// Shows this server certificate from now on, to whoever pins the first one.
    pub(crate) fn show(&self, certificate: Fingerprint) {
        self.state().certificate = Some(certificate);
    }

    pub(super) fn certificate(&self) -> Option<Fingerprint> {
        self.state().certificate
    }

    pub(super) fn answer(&self, request: Request) -> Result<Answer, CloudError> {
        let mut state = self.state();
        let path = request.url.clone();
        state.requests.push(recorded(request));
        let (status, body) = state
            .answers
            .pop_front()
            .unwrap_or_else(|| panic!("no answer is left for {path}"));
        Ok(Answer {
            status,
            retry_after: None,
            body,
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }
}

fn canned(response: &Value) -> (u16, Vec<u8>) {
    let status = response["status"].as_u64().unwrap().try_into().unwrap();
    let body = match response.get("body_base64") {
        Some(body) => BASE64_STANDARD.decode(body.as_str().unwrap()).unwrap(),
        None => response["body"].as_str().unwrap().as_bytes().to_vec(),
    };
    (status, body)
}

fn recorded(request: Request) -> Value {
    let headers: serde_json::Map<_, _> = request
        .headers
        .into_iter()
        .map(|(name, value)| (name.to_owned(), Value::from(value)))
        .collect();
    let is_json = headers["Content-Type"] == "application/json";
    let (body, json) = if is_json {
        (Value::Null, serde_json::from_str(&request.body).unwrap())
    } else {
        (Value::from(request.body), Value::Null)
    };
    let client_cert = match request.identity {
        Identity::App => "app",
        Identity::Account => "account",
    };
    json!({
        "method": "POST",
        "url": request.url,
        "headers": headers,
        "body": body,
        "json": json,
        "client_cert": client_cert,
    })
}

/// The vector of that name.
pub(crate) fn vector(of: &str, name: &str) -> &'static Value {
    section(of)
        .iter()
        .find(|vector| text(vector, "name") == name)
        .unwrap_or_else(|| panic!("no vector {name}"))
}

/// A gateway whose cloud is a script, with the frozen stamp of the vectors.
pub(crate) fn gateway(script: &Script) -> Gateway {
    let pair = rcgen::generate_simple_self_signed(["app".to_owned()]).unwrap();
    let certificate =
        AppCertificate::from_pem(pair.cert.pem().as_bytes(), pair.signing_key.serialize_pem().as_bytes()).unwrap();
    let connector = Connector::Script(script.clone());
    let frozen = |_: &Clock| Stamp {
        nonce: 1_234_567,
        timestamp: 1_790_000_000_123,
    };
    Gateway::with(CloudSettings::default(), connector, certificate, Clock::real(), frozen).unwrap()
}

/// Who signs in in the vectors.
pub(crate) fn credentials() -> Credentials {
    Credentials {
        username: "owner@example.org".to_owned(),
        password: "S3cret! pässwörd".into(),
        p12_password: None,
    }
}

/// A session as recorded, and its script, which waits for what to play.
pub(crate) async fn signed_in() -> (Session, Script) {
    let script = Script::default();
    script.play(&vector("http", "login")["responses"]);
    let session = gateway(&script).sign_in(&credentials(), DEVICE_ID).await.unwrap();
    (session, script)
}
