//! How the cloud is reached, and as whom.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;
use std::time::Duration;

use reqwest::Url;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};

use super::error::CloudError;
use crate::protocol::constants;

/// Where the cloud is and what we say we are.
#[derive(Debug, Clone)]
pub struct CloudSettings {
    /// Address of the gateway, `https://` only.
    pub base_url: String,
    /// An IETF tag; messages and release notes come in this language.
    pub language: String,
    /// Version of the official app we stand in for.
    pub app_version: String,
    /// The privacy policy the sign-in agrees to.
    pub policy_id: String,
    /// How the server proves that it is the cloud.
    pub server_identity: ServerIdentity,
    /// Limit of one request, from connecting to the last byte. Network time stays real under a simulated clock.
    pub request_timeout: Duration,
    /// Refuses every address but this machine's own: for the demo, for a simulated clock and for tests.
    pub loopback_only: bool,
}

impl Default for CloudSettings {
    fn default() -> Self {
        Self {
            base_url: constants::BASE_URL.to_owned(),
            language: constants::LANGUAGE.to_owned(),
            app_version: constants::APP_VERSION.to_owned(),
            policy_id: constants::POLICY_ID.to_owned(),
            server_identity: ServerIdentity::SystemRoots,
            request_timeout: Duration::from_secs(30),
            loopback_only: false,
        }
    }
}

impl CloudSettings {
    /// Finds what could not work before anything is sent.
    pub(super) fn check(&self) -> Result<(), CloudError> {
        let refuse = |key, reason: &str| {
            Err(CloudError::Settings {
                key,
                reason: reason.to_owned(),
            })
        };
        let Ok(url) = Url::parse(&self.base_url) else {
            return refuse("cloud.base_url", "it is not a URL; it looks like https://host");
        };
        if url.scheme() != "https" || !url.has_host() {
            return refuse(
                "cloud.base_url",
                "only https:// addresses are allowed, the password travels there",
            );
        }
        if self.loopback_only && !is_loopback(&url) {
            return refuse(
                "cloud.base_url",
                "it leaves this machine, which the demo, a simulated clock and LEAPMOTOR2MQTT_LOOPBACK_ONLY forbid",
            );
        }
        for (key, value) in [
            ("cloud.language", &self.language),
            ("cloud.app_version", &self.app_version),
            ("cloud.policy_id", &self.policy_id),
        ] {
            if value.is_empty() || !value.bytes().all(|byte| byte.is_ascii_graphic()) {
                return refuse(key, "it must be a short text without spaces");
            }
        }
        Ok(())
    }
}

/// Whether an address is on this machine.
pub fn is_on_this_machine(url: &str) -> bool {
    Url::parse(url).is_ok_and(|url| is_loopback(&url))
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || address.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// How the server proves that it is the cloud.
#[derive(Debug, Clone)]
pub enum ServerIdentity {
    /// A certificate that this system's root certificates vouch for.
    SystemRoots,
    /// A certificate that these root certificates vouch for, in PEM form.
    Authority(Vec<u8>),
    /// The certificate with this fingerprint; without one, the first certificate seen, from then on no other.
    PinnedOnFirstUse(Option<Fingerprint>),
    /// No proof. Whoever can intercept the connection can read the password and command the cars.
    DangerouslyUnverified,
}

/// SHA-256 of a certificate in DER form.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Fingerprint(pub(super) [u8; 32]);

/// A text that is not a fingerprint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a fingerprint has 64 hexadecimal digits")]
pub struct InvalidFingerprint;

impl FromStr for Fingerprint {
    type Err = InvalidFingerprint;

    /// Reads hexadecimal digits of either case, with or without colons.
    fn from_str(text: &str) -> Result<Self, InvalidFingerprint> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(text.trim().replace(':', ""), &mut bytes).map_err(|_| InvalidFingerprint)?;
        Ok(Self(bytes))
    }
}

impl From<[u8; 32]> for Fingerprint {
    fn from(digest: [u8; 32]) -> Self {
        Self(digest)
    }
}

impl TryFrom<String> for Fingerprint {
    type Error = InvalidFingerprint;

    fn try_from(text: String) -> Result<Self, InvalidFingerprint> {
        text.parse()
    }
}

impl From<Fingerprint> for String {
    fn from(fingerprint: Fingerprint) -> Self {
        fingerprint.to_string()
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fingerprint({self})")
    }
}

/// An account of the official app.
#[derive(Clone)]
pub struct Credentials {
    /// The e-mail address.
    pub username: String,
    /// Its password.
    pub password: SecretString,
    /// Password of the account certificate, should the derived one ever not fit.
    pub p12_password: Option<SecretString>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(base_url: &str, loopback_only: bool) -> CloudSettings {
        CloudSettings {
            base_url: base_url.to_owned(),
            loopback_only,
            ..CloudSettings::default()
        }
    }

    #[test]
    fn loopback_only_refuses_every_other_address() {
        for url in [
            "https://127.0.0.1:4000",
            "https://localhost",
            "https://[::1]:8443",
            "https://127.9.9.9",
        ] {
            assert!(settings(url, true).check().is_ok(), "{url}");
        }
        for url in [
            constants::BASE_URL,
            "https://127.0.0.1.example.org",
            "https://localhost.example.org",
            "https://192.168.1.2",
            "https://[2001:db8::1]",
        ] {
            let error = settings(url, true).check().unwrap_err();
            assert!(error.to_string().contains("leaves this machine"), "{url}: {error}");
            assert!(settings(url, false).check().is_ok(), "{url}");
        }
    }

    #[test]
    fn an_address_without_tls_and_unsendable_values_are_refused_by_key() {
        for url in ["http://127.0.0.1", "127.0.0.1", "", "ftp://localhost"] {
            assert!(
                settings(url, false)
                    .check()
                    .unwrap_err()
                    .to_string()
                    .contains("cloud.base_url"),
                "{url}"
            );
        }
        let settings = CloudSettings {
            language: "en\nGB".to_owned(),
            ..CloudSettings::default()
        };
        assert!(settings.check().unwrap_err().to_string().contains("cloud.language"));
    }

    #[test]
    fn a_fingerprint_reads_with_and_without_colons() {
        let text = "AB:".repeat(31) + "ab";
        let fingerprint: Fingerprint = text.parse().unwrap();
        assert_eq!(fingerprint.to_string(), "ab".repeat(32));
        assert_eq!("abcd".parse::<Fingerprint>(), Err(InvalidFingerprint));

        let kept = serde_json::to_string(&fingerprint).unwrap();
        assert_eq!(kept, format!("\"{fingerprint}\""));
        assert_eq!(serde_json::from_str::<Fingerprint>(&kept).unwrap(), fingerprint);
        assert_eq!(format!("{fingerprint:?}"), format!("Fingerprint({fingerprint})"));
    }
}
