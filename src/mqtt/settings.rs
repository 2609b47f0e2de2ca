//! Where the broker is and how to speak to it.

use std::net::Ipv6Addr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rumqttc::v5::MqttOptions;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{ConnectProperties, LastWill};
use rumqttc::{TlsConfiguration, Transport};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use secrecy::{ExposeSecret, SecretString};

use super::outbox::Retained;

/// The broker notices within one and a half of these that we are gone, we within two and a half that it is.
const KEEP_ALIVE: Duration = Duration::from_secs(30);

/// Until the broker has accepted or refused the connection.
const CONNECT_TIMEOUT_SECONDS: u64 = 10;

/// The largest packet we take, in bytes. A larger message is not delivered to us at all. Our own discovery messages are
/// the largest we need, below 128 kB; the rest is room for what others may put on a command topic.
const LARGEST_INCOMING: u32 = 4 * 1024 * 1024;

/// QoS 1 messages sent and not yet acknowledged. The library reserves memory for each.
pub(super) const IN_FLIGHT: u16 = 64;

/// Where the broker is and how to speak to it.
#[derive(Clone)]
pub struct MqttSettings {
    /// Name or address.
    pub host: String,
    /// Usually 1883, with TLS 8883.
    pub port: u16,
    /// User name, if the broker wants one.
    pub username: Option<String>,
    /// Password, if the broker wants one.
    pub password: Option<SecretString>,
    /// TLS, made by [`TlsFiles::client_config`]; `None` speaks plain TCP.
    pub tls: Option<Arc<ClientConfig>>,
    /// How the broker tells its clients apart: no two may have the same.
    pub client_id: String,
    /// Whether the broker is to acknowledge every value, or only what availability and discovery depend on.
    pub acknowledge_values: bool,
    /// After Home Assistant started, a random wait up to this long keeps all bridges from answering at once.
    pub birth_delay_max: Duration,
    /// How often we show that we are there, and ask the broker to; at least five seconds.
    pub keep_alive: Duration,
    /// How long to listen for our own retained discovery messages after connecting.
    pub read_back: Duration,
}

impl MqttSettings {
    /// A broker without TLS and password, with the usual waits: up to 10 s after Home Assistant's birth, 2 s of reading back.
    pub fn plain(host: impl Into<String>, port: u16, client_id: impl Into<String>) -> Self {
        Self {
            host: host.into(),
            port,
            username: None,
            password: None,
            tls: None,
            client_id: client_id.into(),
            acknowledge_values: true,
            birth_delay_max: Duration::from_secs(10),
            keep_alive: KEEP_ALIVE,
            read_back: Duration::from_secs(2),
        }
    }

    /// A broker that said nothing for so long is gone: it answers every keep-alive.
    pub(super) fn longest_silence(&self) -> Duration {
        self.keep_alive * 5 / 2
    }

    /// For the library. The session starts clean on every connection: a kept one would deliver old commands late.
    pub(super) fn options(&self, last_will: Option<LastWill>) -> MqttOptions {
        // The library joins host and port with a colon, which an IPv6 address needs brackets for.
        let host = match self.host.parse::<Ipv6Addr>() {
            Ok(address) if self.tls.is_none() => format!("[{address}]"),
            _ => self.host.clone(),
        };
        let mut options = MqttOptions::new(self.client_id.as_str(), host, self.port);
        options
            .set_keep_alive(self.keep_alive)
            .set_clean_start(true)
            .set_connection_timeout(CONNECT_TIMEOUT_SECONDS)
            .set_outgoing_inflight_upper_limit(IN_FLIGHT)
            .set_connect_properties(ConnectProperties {
                max_packet_size: Some(LARGEST_INCOMING),
                ..ConnectProperties::new()
            });
        if let Some(username) = &self.username {
            let password = self.password.as_ref().map_or("", |password| password.expose_secret());
            options.set_credentials(username.as_str(), password);
        }
        if let Some(tls) = &self.tls {
            options.set_transport(Transport::Tls(TlsConfiguration::Rustls(tls.clone())));
        }
        if let Some(last_will) = last_will {
            options.set_last_will(last_will);
        }
        options
    }
}

/// The last will: what the broker says in our name when we are gone without a word.
pub(super) fn last_will(message: &Retained) -> LastWill {
    LastWill::new(&*message.topic, message.payload.to_vec(), QoS::AtLeastOnce, true, None)
}

/// Files for TLS, each in PEM.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TlsFiles {
    /// Who vouches for the broker; without it the roots of the operating system.
    pub ca: Option<PathBuf>,
    /// Our certificate and its key, if the broker asks clients for one.
    pub client: Option<(PathBuf, PathBuf)>,
}

/// Why TLS cannot be set up. Names the file.
#[derive(Debug, thiserror::Error)]
pub enum TlsFilesError {
    /// A file cannot be read, or is not PEM.
    #[error("{} is not a readable PEM file", .path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: rustls_pki_types::pem::Error,
    },
    /// A PEM file without any certificate.
    #[error("{} holds no certificate", .0.display())]
    NoCertificate(PathBuf),
    /// A certificate that cannot serve as root.
    #[error("a certificate in {} cannot be used", .path.display())]
    Unusable {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: rustls::Error,
    },
    /// The operating system has no root certificates.
    #[error("this system has no root certificates; name the broker's CA file")]
    NoSystemRoots,
    /// Certificate and key do not belong together.
    #[error("{} and {} do not belong together", .certificate.display(), .key.display())]
    Mismatch {
        /// The certificate.
        certificate: PathBuf,
        /// The key.
        key: PathBuf,
        /// Why.
        #[source]
        source: rustls::Error,
    },
    /// The cryptography library refuses its own defaults.
    #[error("TLS cannot be set up")]
    Library(#[source] rustls::Error),
}

impl TlsFiles {
    /// Reads the files.
    pub fn client_config(&self) -> Result<Arc<ClientConfig>, TlsFilesError> {
        let builder = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(TlsFilesError::Library)?
            .with_root_certificates(self.roots()?);
        let config = match &self.client {
            None => builder.with_no_client_auth(),
            Some((certificate, key)) => builder
                .with_client_auth_cert(certificates(certificate)?, private_key(key)?)
                .map_err(|source| TlsFilesError::Mismatch {
                    certificate: certificate.clone(),
                    key: key.clone(),
                    source,
                })?,
        };
        Ok(Arc::new(config))
    }

    fn roots(&self) -> Result<RootCertStore, TlsFilesError> {
        let mut roots = RootCertStore::empty();
        match &self.ca {
            Some(path) => {
                for certificate in certificates(path)? {
                    roots.add(certificate).map_err(|source| TlsFilesError::Unusable {
                        path: path.clone(),
                        source,
                    })?;
                }
            }
            None => {
                roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
                if roots.is_empty() {
                    return Err(TlsFilesError::NoSystemRoots);
                }
            }
        }
        Ok(roots)
    }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsFilesError> {
    let certificates: Vec<_> = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect)
        .map_err(|source| unreadable(path, source))?;
    if certificates.is_empty() {
        return Err(TlsFilesError::NoCertificate(path.to_owned()));
    }
    Ok(certificates)
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsFilesError> {
    PrivateKeyDer::from_pem_file(path).map_err(|source| unreadable(path, source))
}

fn unreadable(path: &Path, source: rustls_pki_types::pem::Error) -> TlsFilesError {
    TlsFilesError::Unreadable {
        path: path.to_owned(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ipv6_address_gets_brackets_on_plain_tcp() {
        let options = MqttSettings::plain("::1", 1883, "test").options(None);
        assert_eq!(options.broker_address().0, "[::1]");
    }
}
