//! The simulated cloud as a client sees it: over TLS, with certificates, signatures and tokens.
#![allow(missing_docs, reason = "a test binary has no readers of its documentation")]
#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use jiff::Timestamp;
use leapmotor2mqtt::clock::Clock;
use leapmotor2mqtt::protocol::constants::{APP_VERSION, LANGUAGE, POLICY_ID};
use leapmotor2mqtt::protocol::signature::{BaseFields, SignKey, input, sign_in};
use leapmotor2mqtt::protocol::{certificate_password, form, pin, token};
use leapmotor2mqtt::simulator::{self, CarKind, Description, Options, SimulatorError};
use p12_keystore::{KeyStore, Pkcs12ImportPolicy};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

const LOGIN: &str = "oversea/acct/v1/login";
const REFRESH: &str = "oversea/acct/v1/token/refresh";
const LIST: &str = "oversea/vehicle/v1/list";
const SYNC: &str = "oversea/vehicle/v1/cert/sync";
const VERIFY: &str = "oversea/vehicle/v1/operPwd/verify";
const WRITE: &str = "oversea/vehicle/v1/app/remote/ctl";
const RESULT: &str = "oversea/vehicle/v1/app/remote/ctl/result/query";
const APPOINTMENT: &str = "oversea/vehicle/v1/app/remote/ctl/getAppointment";
const PACKAGE: &str = "oversea/vehicle/v1/carpicture/package";

/// A running simulated cloud.
struct Running {
    description: Description,
    cancel: CancellationToken,
    task: JoinHandle<()>,
    _dir: tempfile::TempDir,
}

impl Running {
    async fn start(change: impl FnOnce(&mut Options)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut options = Options::new(dir.path().join("certs"));
        change(&mut options);
        let simulator = simulator::start(options).await.unwrap();
        let description = simulator.description().clone();
        let cancel = CancellationToken::new();
        let task = tokio::spawn(simulator.run(cancel.clone()));
        Self {
            description,
            cancel,
            task,
            _dir: dir,
        }
    }

    fn vin(&self, car: usize) -> &str {
        &self.description.accounts[0].cars[car].vin
    }

    async fn control(&self, method: &str, path: &str, body: Value) -> (u16, Value) {
        let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
        let server_ca = CertificateDer::from_pem_file(&self.description.server_ca).unwrap();
        let answer = https(&server_ca, None)
            .request(method, format!("{}{path}", self.description.control_url))
            .json(&body)
            .send()
            .await
            .unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap_or(Value::Null))
    }

    async fn ordered(&self, method: &str, path: &str, body: Value) -> Value {
        let (status, answer) = self.control(method, path, body).await;
        assert_eq!(status, 200, "{path}: {answer}");
        answer
    }

    async fn stop(self) {
        self.cancel.cancel();
        self.task.await.unwrap();
    }
}

/// What a call sends, before it is signed; tests spoil it afterwards.
#[derive(Clone)]
struct Sent {
    path: String,
    headers: HeaderMap,
    body: String,
}

/// A client of our own, made of the same arithmetic.
struct Client {
    base_url: String,
    server_ca: CertificateDer<'static>,
    clock: Clock,
    app: reqwest::Client,
    account: reqwest::Client,
    user_id: String,
    device_id: String,
    token: String,
    refresh_token: String,
    sign_key: SignKey,
}

impl Client {
    /// Signs in with the first account.
    async fn sign_in(running: &Running) -> Self {
        Self::sign_in_as(running, 0).await
    }

    async fn sign_in_as(running: &Running, account: usize) -> Self {
        let description = &running.description;
        let server_ca = CertificateDer::from_pem_file(&description.server_ca).unwrap();
        let certificate = CertificateDer::from_pem_file(&description.app_cert).unwrap();
        let key = PrivateKeyDer::from_pem_file(&description.app_key).unwrap();
        let app = https(&server_ca, Some((certificate, key)));
        let mut client = Self {
            base_url: description.base_url.clone(),
            server_ca,
            clock: Clock::simulated(description.clock),
            account: app.clone(),
            app,
            user_id: String::new(),
            device_id: "0f1e2d3c4b5a69788796a5b4c3d2e1f0".to_owned(),
            token: String::new(),
            refresh_token: String::new(),
            sign_key: SignKey::derive("", "", ""),
        };
        let account = &description.accounts[account];
        let answer = client.login(&account.username, &account.password).await;
        client.take_session(&answer["data"]);
        client
    }

    async fn login(&self, username: &str, password: &str) -> Value {
        let fields = [
            ("isRecoverAcct", "0"),
            ("password", password),
            ("policyId", POLICY_ID),
            ("loginMethod", "1"),
            ("email", username),
        ];
        let sent = self.compose(LOGIN, &fields);
        envelope(self.send(&self.app, sent).await.unwrap()).await
    }

    fn take_session(&mut self, data: &Value) {
        let text = |name: &str| data[name].as_str().unwrap().to_owned();
        self.user_id = data["id"].to_string();
        self.token = text("token");
        self.refresh_token = text("refreshToken");
        self.device_id = token::session_device_id(&self.token).unwrap();
        self.sign_key = SignKey::derive(&text("signIkm"), &text("signSalt"), &text("signInfo"));
        let bundle = BASE64_STANDARD.decode(text("base64Cert")).unwrap();
        let password = certificate_password::derive(&self.user_id, &text("uid"));
        let store = KeyStore::from_pkcs12(&bundle, &password, Pkcs12ImportPolicy::Relaxed).unwrap();
        let (_, chain) = store.private_key_chain().unwrap();
        assert_eq!(chain.certs().len(), 2);
        let certificate = CertificateDer::from(chain.certs()[0].as_der().to_vec());
        let key = PrivatePkcs8KeyDer::from(chain.key().as_der().to_vec());
        self.account = https(&self.server_ca, Some((certificate, key.into())));
    }

    /// A complete, signed request.
    fn compose(&self, path: &str, fields: &[(&str, &str)]) -> Sent {
        let timestamp = self.clock.now().as_millisecond().to_string();
        let base = BaseFields {
            language: LANGUAGE,
            device_id: &self.device_id,
            nonce: "1234567",
            timestamp: &timestamp,
            version: APP_VERSION,
        };
        let text = input(&base, fields.iter().copied());
        let sign = if path == LOGIN {
            sign_in(&text)
        } else {
            self.sign_key.sign(&text)
        };
        let mut headers = HeaderMap::new();
        let mut add = |name: &str, value: &str| {
            headers.insert(
                HeaderName::from_bytes(name.as_bytes()).unwrap(),
                HeaderValue::from_str(value).unwrap(),
            );
        };
        for (name, value) in base.named() {
            add(name, value);
        }
        add("sign", &sign);
        let json = path.starts_with("charge/");
        add(
            "Content-Type",
            if json {
                "application/json"
            } else {
                "application/x-www-form-urlencoded"
            },
        );
        if path != PACKAGE {
            add("X-P12_ENC_ALG", "1");
        }
        if path != LOGIN {
            add("userId", &self.user_id);
            add("token", &self.token);
        }
        let body = if json {
            let number = |value: &str| {
                value
                    .parse::<u64>()
                    .map_or_else(|_| json!(value), |number| json!(number))
            };
            let object: serde_json::Map<String, Value> = fields
                .iter()
                .map(|(name, value)| ((*name).to_owned(), number(value)))
                .collect();
            Value::Object(object).to_string()
        } else {
            form::body(fields.iter().copied())
        };
        Sent {
            path: path.to_owned(),
            headers,
            body,
        }
    }

    async fn send(&self, client: &reqwest::Client, sent: Sent) -> reqwest::Result<reqwest::Response> {
        client
            .post(format!("{}/carownerservice/{}", self.base_url, sent.path))
            .headers(sent.headers)
            .body(sent.body)
            .send()
            .await
    }

    async fn call(&self, path: &str, fields: &[(&str, &str)]) -> Value {
        let client = if path == SYNC { &self.app } else { &self.account };
        envelope(self.send(client, self.compose(path, fields)).await.unwrap()).await
    }

    async fn code(&self, path: &str, fields: &[(&str, &str)]) -> i64 {
        self.call(path, fields).await["code"].as_i64().unwrap()
    }

    async fn status(&self, segment: &str, vin: &str) -> Value {
        let path = format!("oversea/vehicle/v1/status/get/{segment}");
        self.call(&path, &[("vin", vin)]).await["data"].clone()
    }

    /// The code of a call whose body was changed after it was signed.
    async fn code_of_spoiled(&self, path: &str, fields: &[(&str, &str)], spoil: impl FnOnce(&str) -> String) -> i64 {
        let mut sent = self.compose(path, fields);
        sent.body = spoil(&sent.body);
        let answer = envelope(self.send(&self.account, sent).await.unwrap()).await;
        answer["code"].as_i64().unwrap()
    }

    async fn verify(&self, vin: &str, pin: &str) -> i64 {
        let password = pin::encrypt(pin, &self.token);
        self.code(VERIFY, &[("operatePassword", &password), ("vin", vin)]).await
    }

    async fn write(&self, vin: &str, pin: &str, id: &str, content: &str) -> Value {
        let password = pin::encrypt(pin, &self.token);
        let fields = [
            ("cmdContent", content),
            ("vin", vin),
            ("cmdId", id),
            ("operatePassword", &password),
        ];
        self.call(WRITE, &fields).await
    }
}

fn https(
    server_ca: &CertificateDer<'static>,
    identity: Option<(CertificateDer<'static>, PrivateKeyDer<'static>)>,
) -> reqwest::Client {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(server_ca.clone()).unwrap();
    let builder = rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots);
    let config = match identity {
        Some((certificate, key)) => builder.with_client_auth_cert(vec![certificate], key).unwrap(),
        None => builder.with_no_client_auth(),
    };
    reqwest::Client::builder()
        .use_preconfigured_tls(config)
        .build()
        .unwrap()
}

async fn envelope(answer: reqwest::Response) -> Value {
    assert_eq!(answer.status(), 200);
    let answer: Value = answer.json().await.unwrap();
    assert_eq!(answer["code"], answer["result"]);
    answer
}

/// Asks again until the answer is the wanted one.
async fn eventually(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !holds().await {
        assert!(Instant::now() < deadline, "{what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_client_signs_in_and_reads_everything() {
    let running = Running::start(|_| {}).await;
    let client = Client::sign_in(&running).await;
    let list = client.call(LIST, &[]).await;
    let cars = list["data"]["bindcars"].as_array().unwrap();
    let models: Vec<&str> = cars.iter().map(|car| car["carType"].as_str().unwrap()).collect();
    assert_eq!(models, ["T03", "B10", "C10", "C10"]);
    assert_eq!(client.status("t03", running.vin(0)).await["soc"], 85);
    for car in 1..4 {
        let data = client.status("c10", running.vin(car)).await;
        assert_eq!(data["signal"]["1298"], 1);
        assert_eq!(data["config"]["3"]["isEnable"], 0);
        assert_eq!(data["signal"].get("3235").is_some(), car == 3);
    }
    let vin = running.vin(1);
    let now = Timestamp::now();
    let week_ago = now - jiff::SignedDuration::from_hours(168);
    let (begin, end) = (week_ago.as_second().to_string(), now.as_second().to_string());
    let (begin_ms, end_ms) = (format!("{begin}000"), format!("{end}000"));
    let (first, last) = (&week_ago.to_string()[..10], &now.to_string()[..10]);
    let device_id = client.device_id.clone();
    let mileage = "oversea/drivingRecord/v1/mileage/energy/detail";
    let calls: &[(&str, &[(&str, &str)])] = &[
        (mileage, &[("vin", vin)]),
        (mileage, &[("endtime", &end_ms), ("begintime", &begin_ms), ("vin", vin)]),
        (
            "oversea/drivingRecord/v1/getLastNweeks100kmECAndRank",
            &[("carvin", vin)],
        ),
        (
            "oversea/drivingRecord/v1/getPlugInLastNweeks100kmEC",
            &[("carvin", vin)],
        ),
        (
            "oversea/drivingRecord/v1/getLastweekEC",
            &[("endtime", &end), ("begintime", &begin), ("carvin", vin)],
        ),
        (
            "charge/daily/detail/page",
            &[
                ("vin", vin),
                ("timeZone", "GMT+01:00"),
                ("startTime", first),
                ("endTime", last),
                ("pageNum", "1"),
                ("pageSize", "10"),
            ],
        ),
        ("oversea/message/v1/list", &[("pageNo", "1"), ("pageSize", "10")]),
        ("oversea/message/v1/unread/count", &[]),
        (
            "oversea/vehicle/v1/carpicture/key",
            &[("deviceID", &device_id), ("vin", vin)],
        ),
        (APPOINTMENT, &[("vin", vin), ("cmdId", "171")]),
        ("oversea/sharecar/getsharemsg", &[]),
        ("oversea/hotspot/fetch", &[("vin", vin)]),
    ];
    for (path, fields) in calls {
        let answer = client.call(path, fields).await;
        assert_eq!(answer["code"], 0, "{path}");
    }
    let package = client.compose(PACKAGE, &[("key", "pk_b10_blue_0001")]);
    let package = client
        .send(&client.account, package)
        .await
        .unwrap()
        .bytes()
        .await
        .unwrap();
    assert!(package.starts_with(b"PK"));
    let charges = client.call(calls[5].0, calls[5].1).await;
    assert!(!charges["data"]["list"].as_array().unwrap().is_empty());
    running.stop().await;
}

#[tokio::test]
async fn an_unknown_model_segment_is_not_found() {
    let running = Running::start(|_| {}).await;
    let client = Client::sign_in(&running).await;
    let sent = client.compose("oversea/vehicle/v1/status/get/x99", &[("vin", running.vin(0))]);
    let answer = client.send(&client.account, sent).await.unwrap();
    assert_eq!(answer.status(), 404);
    let body: Value = answer.json().await.unwrap();
    assert_eq!(body["message"], "No message available");
    assert!(body.get("code").is_none());
    running.stop().await;
}

#[tokio::test]
async fn every_header_field_and_signature_is_verified() {
    let running = Running::start(|_| {}).await;
    let client = Client::sign_in(&running).await;
    let good = client.compose(LIST, &[]);
    let spoiled = [
        (
            "sign",
            "0000000000000000000000000000000000000000000000000000000000000000",
        ),
        ("nonce", "99999"),
        ("nonce", "0123456"),
        ("version", "1.12.4"),
        ("source", "other"),
        ("channel", "2"),
        ("deviceType", "2"),
        ("deviceId", "0f1e2d3c4b5a69788796a5b4c3d2e1f0"),
        ("userId", "1"),
        ("timestamp", "1790000000123"),
        ("acceptLanguage", "it-IT"),
        ("X-P12_ENC_ALG", "2"),
        ("Content-Type", "application/json"),
    ];
    for (name, value) in spoiled {
        let mut bad = good.clone();
        bad.headers.insert(
            HeaderName::from_bytes(name.as_bytes()).unwrap(),
            HeaderValue::from_static(value),
        );
        let answer = envelope(client.send(&client.account, bad).await.unwrap()).await;
        assert_eq!(answer["code"], 39, "{name}: {value}");
    }
    for name in good.headers.keys() {
        let mut bad = good.clone();
        bad.headers.remove(name);
        let answer = envelope(client.send(&client.account, bad).await.unwrap()).await;
        assert_eq!(answer["code"], 39, "without {name}");
    }
    assert_eq!(client.code(LIST, &[("vin", running.vin(0))]).await, 39);
    assert_eq!(client.code(APPOINTMENT, &[("vin", running.vin(0))]).await, 39);
    let mut package = client.compose(PACKAGE, &[("key", "pk_b10_blue_0001")]);
    package.headers.insert("X-P12_ENC_ALG", HeaderValue::from_static("1"));
    assert_eq!(
        envelope(client.send(&client.account, package).await.unwrap()).await["code"],
        39
    );
    assert_eq!(client.code(LIST, &[]).await, 0);
    running.stop().await;
}

#[tokio::test]
async fn each_call_needs_its_own_certificate() {
    let running = Running::start(|_| {}).await;
    let client = Client::sign_in(&running).await;
    let list = client.compose(LIST, &[]);
    assert_eq!(
        envelope(client.send(&client.app, list.clone()).await.unwrap()).await["code"],
        39
    );
    let sync = client.compose(SYNC, &[]);
    assert_eq!(
        envelope(client.send(&client.account, sync).await.unwrap()).await["code"],
        39
    );
    let nobody = https(&client.server_ca, None);
    assert!(client.send(&nobody, list).await.is_err());
    running.stop().await;
}

#[tokio::test]
async fn wrong_credentials_are_refused() {
    let running = Running::start(|_| {}).await;
    let mut client = Client::sign_in(&running).await;
    let account = &running.description.accounts[0];
    client.device_id = "0f1e2d3c4b5a69788796a5b4c3d2e1f0".to_owned();
    assert_eq!(client.login(&account.username, "wrong").await["code"], 21);
    assert_eq!(client.login("nobody@example.com", &account.password).await["code"], 21);
    running.stop().await;
}

#[tokio::test]
async fn a_new_sign_in_ends_the_session_before_it_and_a_refresh_does_not() {
    let running = Running::start(|_| {}).await;
    let mut first = Client::sign_in(&running).await;
    let refresh_token = first.refresh_token.clone();
    let refreshed = first.call(REFRESH, &[("refreshToken", &refresh_token)]).await;
    first.token = refreshed["data"]["token"].as_str().unwrap().to_owned();
    first.refresh_token = refreshed["data"]["refreshToken"].as_str().unwrap().to_owned();
    assert_eq!(first.code(LIST, &[]).await, 0);
    let second = Client::sign_in(&running).await;
    assert_eq!(first.code(LIST, &[]).await, 3);
    assert_eq!(first.code(REFRESH, &[("refreshToken", &first.refresh_token)]).await, 3);
    assert_eq!(second.code(LIST, &[]).await, 0);
    running.ordered("POST", "/faults", json!({"kind": "evict"})).await;
    assert_eq!(second.code(LIST, &[]).await, 3);
    running.stop().await;
}

#[tokio::test]
async fn a_token_expires_and_can_be_refreshed() {
    let running = Running::start(|options| options.speed = 3600.0).await;
    let mut client = Client::sign_in(&running).await;
    eventually("the token never expired", async || client.code(LIST, &[]).await == 3).await;
    let refreshed = client.call(REFRESH, &[("refreshToken", &client.refresh_token)]).await;
    assert_eq!(refreshed["code"], 0);
    client.token = refreshed["data"]["token"].as_str().unwrap().to_owned();
    assert_eq!(client.code(LIST, &[]).await, 0);
    running.stop().await;
}

#[tokio::test]
async fn a_command_is_accepted_carried_out_and_confirmed() {
    let running = Running::start(|options| options.cars = vec![CarKind::C10, CarKind::B10]).await;
    let client = Client::sign_in(&running).await;
    let vin = running.vin(0);
    let unlock = r#"{"value":"unlock"}"#;
    assert_eq!(
        client.write(vin, "1234", "110", unlock).await["code"],
        39,
        "not synchronised"
    );
    assert_eq!(client.code(SYNC, &[]).await, 0);
    assert_eq!(client.verify(vin, "1234").await, 0);
    assert_eq!(client.verify(running.vin(1), "1234").await, 31);
    assert_eq!(client.write(vin, "0000", "110", unlock).await["code"], 31);
    assert_eq!(client.write(vin, "1234", "110", "nonsense").await["code"], 39);
    let accepted = client.write(vin, "1234", "110", unlock).await;
    let ticket = accepted["data"]["remoteCtlId"].as_str().unwrap();
    assert_eq!(client.call(RESULT, &[("remoteCtlId", ticket)]).await["data"], 0);
    eventually("never confirmed", async || {
        client.call(RESULT, &[("remoteCtlId", ticket)]).await["data"] == 1
    })
    .await;
    assert_eq!(client.status("c10", vin).await["signal"]["1298"], 0);
    let requests = running.ordered("GET", "/requests", Value::Null).await;
    let writes: Vec<&Value> = requests
        .as_array()
        .unwrap()
        .iter()
        .filter(|entry| entry["cmd_id"] == "110" && entry["code"] == 0)
        .collect();
    assert_eq!(writes.len(), 1);
    assert_eq!(writes[0]["cmd_content"], unlock);
    assert_eq!(writes[0]["vin"], vin);
    assert_eq!(writes[0]["account"], "demo@example.com");
    let last = requests.as_array().unwrap().last().unwrap()["n"].as_u64().unwrap();
    let newer = running
        .ordered("GET", &format!("/requests?since={last}"), Value::Null)
        .await;
    assert_eq!(newer, json!([]));
    running.stop().await;
}

#[tokio::test]
async fn a_write_needs_a_verified_pin_of_its_car_and_its_token() {
    let running = Running::start(|options| options.cars = vec![CarKind::C10, CarKind::B10]).await;
    let mut client = Client::sign_in(&running).await;
    let (vin, other) = (running.vin(0), running.vin(1));
    let lock = r#"{"value":"lock"}"#;
    client.code(SYNC, &[]).await;
    assert_eq!(client.write(vin, "1234", "110", lock).await["code"], 39);
    assert_eq!(client.verify(other, "0420").await, 0);
    assert_eq!(client.write(vin, "1234", "110", lock).await["code"], 39);
    assert_eq!(client.verify(vin, "1234").await, 0);
    for _ in 0..2 {
        assert_eq!(client.write(vin, "1234", "110", lock).await["code"], 0);
    }
    let refreshed = client.call(REFRESH, &[("refreshToken", &client.refresh_token)]).await;
    client.token = refreshed["data"]["token"].as_str().unwrap().to_owned();
    assert_eq!(client.write(vin, "1234", "110", lock).await["code"], 39);
    assert_eq!(client.verify(vin, "1234").await, 0);
    assert_eq!(client.write(vin, "1234", "110", lock).await["code"], 0);
    running.stop().await;
}

#[tokio::test]
async fn numbers_of_the_charging_history_are_numbers_and_texts_are_texts() {
    let running = Running::start(|_| {}).await;
    let client = Client::sign_in(&running).await;
    let path = "charge/daily/detail/page";
    let fields = [
        ("vin", running.vin(1)),
        ("timeZone", "GMT+01:00"),
        ("startTime", "2026-09-01"),
        ("endTime", "2026-09-21"),
        ("pageNum", "1"),
        ("pageSize", "10"),
    ];
    assert_eq!(client.code_of_spoiled(path, &fields, str::to_owned).await, 0);
    for (good, bad) in [
        (r#""pageNum":1"#, r#""pageNum":"1""#),
        (r#""pageSize":10"#, r#""pageSize":"10""#),
    ] {
        let spoil = |body: &str| {
            assert!(body.contains(good), "{body}");
            body.replace(good, bad)
        };
        assert_eq!(client.code_of_spoiled(path, &fields, spoil).await, 39, "{bad}");
    }
    let start_as_number = fields.map(|(name, value)| (name, if name == "startTime" { "20260901" } else { value }));
    assert_eq!(client.code(path, &start_as_number).await, 39);
    running.stop().await;
}

#[tokio::test]
async fn only_a_guest_names_a_car_by_its_number_and_does_not_sign_that() {
    let running = Running::start(|options| options.speed = 20.0).await;
    let client = Client::sign_in(&running).await;
    let share = running.ordered("POST", "/shares", json!({"accepted": true})).await;
    let shared = share["vin"].as_str().unwrap();
    let status = "oversea/vehicle/v1/status/get/c10";
    eventually("the share never arrived", async || {
        client.code(status, &[("vin", shared)]).await == 0
    })
    .await;
    let list = client.call(LIST, &[]).await["data"].clone();
    let asked = async |vin: &str, id: &Value| {
        let spoil = |body: &str| format!("{body}&carId={id}");
        client.code_of_spoiled(status, &[("vin", vin)], spoil).await
    };
    let (own_id, shared_id) = (&list["bindcars"][1]["carId"], &list["sharedcars"][0]["carId"]);
    assert_eq!(asked(shared, shared_id).await, 0);
    assert_eq!(asked(shared, own_id).await, 39, "the number of another car");
    assert_eq!(asked(running.vin(1), own_id).await, 39, "the owner's own car");
    let id = shared_id.to_string();
    let signed = client.code(status, &[("vin", shared), ("carId", &id)]).await;
    assert_eq!(signed, 39);
    running.stop().await;
}

#[tokio::test]
async fn a_missing_right_is_refused() {
    let running = Running::start(|_| {}).await;
    let client = Client::sign_in(&running).await;
    let vin = running.vin(2);
    let rights = json!({"rights": [110, 120], "abilities": [1, 2]});
    running.ordered("POST", &format!("/cars/{vin}/rights"), rights).await;
    let pin = &running.description.accounts[0].cars[2].pin;
    client.code(SYNC, &[]).await;
    client.verify(vin, pin).await;
    assert_eq!(client.write(vin, pin, "230", r#"{"value":"0"}"#).await["code"], 40);
    assert_eq!(client.write(vin, pin, "120", r#"{"value":"true"}"#).await["code"], 0);
    assert_eq!(client.code(APPOINTMENT, &[("vin", vin), ("cmdId", "361")]).await, 40);
    let list = client.call(LIST, &[]).await;
    assert_eq!(list["data"]["bindcars"][2]["rightList"], "110,120");
    assert_eq!(list["data"]["bindcars"][2]["abilities"], json!(["1", "2"]));
    running.stop().await;
}

#[tokio::test]
async fn a_car_shows_what_the_control_interface_asks_for() {
    let running = Running::start(|_| {}).await;
    let client = Client::sign_in(&running).await;
    let (t03, c10) = (running.vin(0), running.vin(2));
    running
        .ordered("PATCH", &format!("/cars/{c10}/signals"), json!({"1204": 55}))
        .await;
    assert_eq!(client.status("c10", c10).await["signal"]["1204"], 55);
    running
        .ordered("PATCH", &format!("/cars/{t03}/signals"), json!({"soc": 44, "speed": 7}))
        .await;
    assert_eq!(client.status("t03", t03).await["soc"], 44);
    let path = format!("/cars/{c10}/signals");
    running.ordered("PATCH", &path, json!({"interiorTemp": 30})).await;
    assert_eq!(client.status("c10", c10).await["signal"]["1349"], 30);
    let (status, answer) = running
        .control("PATCH", &path, json!({"1204": 1, "interorTemp": 9}))
        .await;
    assert_eq!(status, 400);
    assert!(answer["error"].as_str().unwrap().contains("interorTemp"), "{answer}");
    let served = json!({"signal": {"1204": "12"}, "odd": null});
    running
        .ordered("PUT", &format!("/cars/{c10}/status"), served.clone())
        .await;
    assert_eq!(client.status("c10", c10).await, served);
    running
        .ordered("DELETE", &format!("/cars/{c10}/status"), Value::Null)
        .await;
    assert_eq!(client.status("c10", c10).await["signal"]["1204"], 55);
    running
        .ordered("POST", &format!("/cars/{c10}/scenario"), json!({"name": "charge_dc"}))
        .await;
    assert_eq!(client.status("c10", c10).await["signal"]["1197"], 1);
    let (status, _) = running
        .control("POST", &format!("/cars/{c10}/scenario"), json!({"name": "fly"}))
        .await;
    assert_eq!(status, 400);
    let (status, _) = running.control("PATCH", "/cars/LFZ/signals", json!({})).await;
    assert_eq!(status, 404);
    running.stop().await;
}

#[tokio::test]
async fn a_shared_car_appears_after_the_invitation_is_accepted() {
    let running = Running::start(|options| options.speed = 20.0).await;
    let client = Client::sign_in(&running).await;
    let share = running.ordered("POST", "/shares", json!({})).await;
    let vin = share["vin"].as_str().unwrap();
    let status = "oversea/vehicle/v1/status/get/c10";
    assert_eq!(client.code(status, &[("vin", vin)]).await, 40);
    let invitations = client.call("oversea/sharecar/getsharemsg", &[]).await;
    assert_eq!(invitations["data"][0]["carCode"], vin);
    let owner = invitations["data"][0]["shareUserid"].as_str().unwrap();
    let answer = [
        ("shareUserId", owner),
        ("userId", &client.user_id),
        ("carCode", vin),
        ("state", "yes"),
    ];
    assert_eq!(client.code("oversea/sharecar/setokmsg", &answer).await, 0);
    eventually("the share never arrived", async || {
        client.code(status, &[("vin", vin)]).await == 0
    })
    .await;
    let list = client.call(LIST, &[]).await;
    assert_eq!(list["data"]["sharedcars"][0]["vin"], vin);
    assert_eq!(client.code("oversea/hotspot/fetch", &[("vin", vin)]).await, 40);
    running.stop().await;
}

#[tokio::test]
async fn accounts_have_their_own_cars_and_messages() {
    let running = Running::start(|options| {
        options.accounts = 2;
        options.count = Some(2);
        options.cars = vec![CarKind::B10];
    })
    .await;
    let (first, second) = (Client::sign_in(&running).await, Client::sign_in_as(&running, 1).await);
    let own = &running.description.accounts[1].cars;
    assert_eq!(own.len(), 2);
    let status = "oversea/vehicle/v1/status/get/c10";
    assert_eq!(second.code(status, &[("vin", &own[0].vin)]).await, 0);
    assert_eq!(first.code(status, &[("vin", &own[0].vin)]).await, 40);
    running
        .ordered("POST", "/messages", json!({"vin": own[0].vin, "title": "Update"}))
        .await;
    let unread = "oversea/message/v1/unread/count";
    assert_eq!(second.call(unread, &[]).await["data"]["unread"], 1);
    assert_eq!(first.call(unread, &[]).await["data"]["unread"], 0);
    running.stop().await;
}

#[tokio::test]
async fn faults_disturb_what_they_are_ordered_for() {
    let running = Running::start(|_| {}).await;
    let client = Client::sign_in(&running).await;
    let order = async |fault: Value| running.ordered("POST", "/faults", fault).await;
    order(json!({"kind": "code", "path": "/list", "code": 39})).await;
    assert_eq!(client.code(LIST, &[]).await, 39);
    assert_eq!(client.code(LIST, &[]).await, 0);
    order(json!({"kind": "http", "code": 502, "account": "demo@example.com"})).await;
    let answer = client.send(&client.account, client.compose(LIST, &[])).await.unwrap();
    assert_eq!(answer.status(), 502);
    order(json!({"kind": "garbage"})).await;
    let answer = client.send(&client.account, client.compose(LIST, &[])).await.unwrap();
    assert!(answer.json::<Value>().await.is_err());
    order(json!({"kind": "close"})).await;
    assert!(client.send(&client.account, client.compose(LIST, &[])).await.is_err());
    assert_eq!(client.code(LIST, &[]).await, 0);
    order(json!({"kind": "delay", "seconds": 0.3})).await;
    let before = Instant::now();
    assert_eq!(client.code(LIST, &[]).await, 0);
    assert!(before.elapsed() >= Duration::from_millis(300));
    order(json!({"kind": "code", "times": 0, "account": "demo2@example.com"})).await;
    assert_eq!(client.code(LIST, &[]).await, 0);
    order(json!({"kind": "code", "times": 0})).await;
    assert_eq!(client.code(LIST, &[]).await, 39);
    assert_eq!(client.code(LIST, &[]).await, 39);
    running.ordered("DELETE", "/faults", Value::Null).await;
    assert_eq!(client.code(LIST, &[]).await, 0);
    running.stop().await;
}

#[tokio::test]
async fn commands_can_be_left_unconfirmed_or_refused() {
    let running = Running::start(|options| options.speed = 20.0).await;
    let client = Client::sign_in(&running).await;
    let vin = running.vin(2);
    let pin = &running.description.accounts[0].cars[2].pin;
    client.code(SYNC, &[]).await;
    client.verify(vin, pin).await;
    let unlock = r#"{"value":"unlock"}"#;
    running
        .ordered("POST", "/faults", json!({"kind": "command_refused"}))
        .await;
    assert_eq!(client.write(vin, pin, "110", unlock).await["code"], -2);
    running
        .ordered(
            "POST",
            "/faults",
            json!({"kind": "command_timeout", "executes_after": 20}),
        )
        .await;
    let accepted = client.write(vin, pin, "110", unlock).await;
    let ticket = accepted["data"]["remoteCtlId"].as_str().unwrap();
    eventually("the car never acted", async || {
        client.status("c10", vin).await["signal"]["1298"] == 0
    })
    .await;
    assert_eq!(client.call(RESULT, &[("remoteCtlId", ticket)]).await["data"], 0);
    running.stop().await;
}

#[tokio::test]
async fn it_starts_on_this_machine_only_and_keeps_the_key_private() {
    let dir = tempfile::tempdir().unwrap();
    let mut options = Options::new(dir.path().to_owned());
    options.listen = "0.0.0.0:0".parse().unwrap();
    let refused = simulator::start(options).await.err().unwrap();
    assert!(
        matches!(refused, SimulatorError::NotLoopback { what: "listen", .. }),
        "{refused}"
    );
    let mut options = Options::new(dir.path().to_owned());
    options.speed = 0.0;
    assert!(matches!(
        simulator::start(options).await.err().unwrap(),
        SimulatorError::Speed(_)
    ));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let running = Running::start(|_| {}).await;
        let mode = std::fs::metadata(&running.description.app_key)
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
        running.stop().await;
    }
}
