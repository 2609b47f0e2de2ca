//! The Supervisor's API, as far as we need it: `GET /services/mqtt`, which tells the broker to add-ons that declare
//! `services: [mqtt:want]`. It needs no role.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use reqwest::StatusCode;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use super::AddOn;

/// Limit of one request.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The broker that the Supervisor knows.
#[derive(Clone)]
pub struct Broker {
    /// Name or address.
    pub host: String,
    /// Port.
    pub port: u16,
    /// User name.
    pub username: Option<String>,
    /// Password.
    pub password: Option<SecretString>,
    /// Whether the connection is encrypted.
    pub tls: bool,
}

impl PartialEq for Broker {
    fn eq(&self, other: &Self) -> bool {
        let password = |broker: &Self| broker.password.as_ref().map(|secret| secret.expose_secret().to_owned());
        (&self.host, self.port, &self.username, self.tls) == (&other.host, other.port, &other.username, other.tls)
            && password(self) == password(other)
    }
}

impl fmt::Debug for Broker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

/// Why the Supervisor does not tell a broker, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SupervisorError {
    /// No add-on offers one.
    #[error(
        "Home Assistant knows no MQTT broker: install and start the Mosquitto broker add-on, or fill in another broker under `mqtt` on the Configuration page"
    )]
    NoBroker,
    /// The token is not good.
    #[error("the Supervisor does not know us (401): restart the add-on; if that does not help, restart the host")]
    UnknownToken,
    /// We may not ask.
    #[error(
        "the Supervisor does not tell us the broker (403): install the add-on again, or fill in the broker under `mqtt` on the Configuration page"
    )]
    Forbidden,
    /// It answered something else.
    #[error(
        "the Supervisor's answer is not understood ({0}): update Home Assistant, or fill in the broker under `mqtt` on the Configuration page"
    )]
    Garbage(String),
    /// It did not answer.
    #[error("the Supervisor does not answer ({0})")]
    Away(String),
}

/// A client of the Supervisor.
#[derive(Clone)]
pub struct Supervisor {
    http: reqwest::Client,
    addon: AddOn,
}

impl Supervisor {
    /// The Supervisor of this add-on.
    pub fn of(addon: &AddOn) -> Result<Self, SupervisorError> {
        let unusable = |error: &dyn fmt::Display| SupervisorError::Away(error.to_string());
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        // Nobody is trusted over TLS, which the Supervisor does not speak.
        let tls = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| unusable(&error))?
            .with_root_certificates(rustls::RootCertStore::empty())
            .with_no_client_auth();
        let http = reqwest::Client::builder()
            .use_preconfigured_tls(tls)
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(TIMEOUT)
            .build()
            .map_err(|error| unusable(&error))?;
        Ok(Self {
            http,
            addon: addon.clone(),
        })
    }

    /// The broker of this Home Assistant.
    pub async fn broker(&self) -> Result<Broker, SupervisorError> {
        let url = format!("{}/services/mqtt", self.addon.supervisor);
        let request = self.http.get(url).bearer_auth(self.addon.token.expose_secret());
        let away = |error: reqwest::Error| SupervisorError::Away(error.without_url().to_string());
        let answer = request.send().await.map_err(away)?;
        let status = answer.status();
        let body = answer.bytes().await.map_err(away)?;
        read(status, &body)
    }
}

/// What the Supervisor wraps every answer in.
#[derive(Deserialize)]
struct Envelope {
    result: String,
    data: Option<Service>,
}

#[derive(Deserialize)]
struct Service {
    host: String,
    port: u16,
    username: Option<String>,
    password: Option<String>,
    #[serde(default)]
    ssl: bool,
}

/// What an answer means. 400 is how it says that the service is not there; nothing of the body is quoted, since it holds
/// the password.
fn read(status: StatusCode, body: &[u8]) -> Result<Broker, SupervisorError> {
    match status {
        StatusCode::UNAUTHORIZED => return Err(SupervisorError::UnknownToken),
        StatusCode::FORBIDDEN => return Err(SupervisorError::Forbidden),
        StatusCode::BAD_REQUEST | StatusCode::NOT_FOUND => return Err(SupervisorError::NoBroker),
        status if status.is_server_error() => return Err(SupervisorError::Away(status.to_string())),
        _ => {}
    }
    match serde_json::from_slice::<Envelope>(body) {
        Ok(Envelope {
            result,
            data: Some(service),
        }) if result == "ok" && !service.host.is_empty() => Ok(Broker {
            host: service.host,
            port: service.port,
            username: service.username.filter(|name| !name.is_empty()),
            password: service.password.filter(|password| !password.is_empty()).map(Into::into),
            tls: service.ssl,
        }),
        Ok(_) => Err(SupervisorError::Garbage("it holds no broker".to_owned())),
        Err(error) => Err(SupervisorError::Garbage(format!(
            "line {}, column {}",
            error.line(),
            error.column()
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_of_the_mosquitto_add_on_is_a_broker() {
        let body = br#"{"result": "ok", "data": {"addon": "core_mosquitto", "host": "core-mosquitto", "port": 1883,
            "ssl": false, "username": "addons", "password": "s3cret", "protocol": "3.1.1"}}"#;
        let broker = read(StatusCode::OK, body).unwrap();
        assert_eq!(
            (broker.host.as_str(), broker.port, broker.tls),
            ("core-mosquitto", 1883, false)
        );
        assert_eq!(broker.username.as_deref(), Some("addons"));
        assert_eq!(broker.password.as_ref().unwrap().expose_secret(), "s3cret");
        assert!(!format!("{broker:?}").contains("s3cret"));
        let changed = String::from_utf8_lossy(body).replace("s3cret", "other");
        assert_ne!(read(StatusCode::OK, changed.as_bytes()).unwrap(), broker);
    }

    #[test]
    fn every_other_answer_says_what_to_do() {
        let told = |status: u16, body: &str| read(StatusCode::from_u16(status).unwrap(), body.as_bytes()).unwrap_err();
        let none = r#"{"result": "error", "message": "Service not enabled"}"#;
        assert_eq!(told(400, none), SupervisorError::NoBroker);
        assert_eq!(told(401, ""), SupervisorError::UnknownToken);
        assert_eq!(told(403, none), SupervisorError::Forbidden);
        assert!(matches!(told(502, "<html>"), SupervisorError::Away(_)));
        for garbage in [
            "<html>",
            "",
            "[]",
            r#"{"result": "ok"}"#,
            r#"{"result": "ok", "data": {"host": "", "port": 1}}"#,
        ] {
            assert!(matches!(told(200, garbage), SupervisorError::Garbage(_)), "{garbage}");
        }
        let with_secret = r#"{"result": "ok", "data": {"host": "h", "port": "s3cret"}}"#;
        assert!(!told(200, with_secret).to_string().contains("s3cret"));
    }
}
