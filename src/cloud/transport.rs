//! The way of requests to the cloud and of answers back.

use std::error::Error;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use reqwest::redirect;
use rustls::{AlertDescription, CertificateError};

use super::client_certificate::ClientIdentity;
use super::error::CloudError;
use super::request::{Identity, Request};
use super::settings::{CloudSettings, Fingerprint};
use super::tls::{PinMismatch, ServerTrust};

/// Limit of connecting, within the limit of the whole request.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How long an idle connection is kept: longer than the usual distance of polls while driving, shorter than servers
/// commonly wait before they close it.
const IDLE_TIMEOUT: Duration = Duration::from_secs(45);

/// Longest wait the cloud can ask for.
const LONGEST_WAIT: Duration = Duration::from_secs(24 * 3600);

/// What came back, unread.
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// How long the cloud asks to wait before the next request.
    pub retry_after: Option<Duration>,
    /// The body; may hold secrets.
    pub body: Vec<u8>,
}

/// Makes clients that share one opinion of who the server is.
#[derive(Clone)]
pub enum Connector {
    /// To the network.
    Network {
        /// Who the server must be.
        trust: ServerTrust,
        /// Limit of a whole request.
        timeout: Duration,
        /// Whether only this machine may be reached.
        loopback_only: bool,
    },
    /// To a script of expected requests.
    #[cfg(test)]
    Script(super::testing::Script),
}

impl Connector {
    /// To the network, as the settings say.
    pub fn new(settings: &CloudSettings) -> Result<Self, CloudError> {
        Ok(Self::Network {
            trust: ServerTrust::new(&settings.server_identity)?,
            timeout: settings.request_timeout,
            loopback_only: settings.loopback_only,
        })
    }

    /// A client that presents this certificate.
    pub fn client(&self, identity: &ClientIdentity) -> Result<Client, CloudError> {
        match self {
            Self::Network {
                trust,
                timeout,
                loopback_only,
            } => https_client(trust, identity, *timeout, *loopback_only).map(Client::Https),
            #[cfg(test)]
            Self::Script(script) => Ok(Client::Script(script.clone())),
        }
    }

    /// The server certificate that is pinned.
    pub fn pinned(&self) -> Option<Fingerprint> {
        match self {
            Self::Network { trust, .. } => trust.pinned(),
            #[cfg(test)]
            Self::Script(script) => script.certificate(),
        }
    }
}

fn https_client(
    trust: &ServerTrust,
    identity: &ClientIdentity,
    timeout: Duration,
    loopback_only: bool,
) -> Result<reqwest::Client, CloudError> {
    let mut builder = reqwest::Client::builder()
        .use_preconfigured_tls(trust.client(identity)?)
        .https_only(true)
        .http1_only()
        .redirect(redirect::Policy::none())
        .retry(reqwest::retry::never())
        .timeout(timeout)
        .connect_timeout(CONNECT_TIMEOUT.min(timeout))
        .pool_idle_timeout(IDLE_TIMEOUT);
    if loopback_only {
        builder = builder.no_proxy().dns_resolver(std::sync::Arc::new(LoopbackOnly));
    }
    builder.build().map_err(CloudError::Unreachable)
}

/// Knows `localhost` and no other name.
struct LoopbackOnly;

impl Resolve for LoopbackOnly {
    fn resolve(&self, name: Name) -> Resolving {
        let answer = if name.as_str() == "localhost" {
            let addresses = [
                SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
                SocketAddr::from((Ipv6Addr::LOCALHOST, 0)),
            ];
            Ok(Box::new(addresses.into_iter()) as Addrs)
        } else {
            Err("only this machine may be reached".into())
        };
        Box::pin(std::future::ready(answer))
    }
}

/// Sends requests with one client certificate.
#[derive(Clone)]
pub enum Client {
    /// To the network.
    Https(reqwest::Client),
    /// To a script of expected requests.
    #[cfg(test)]
    Script(super::testing::Script),
}

impl Client {
    /// Sends a request once and reads the whole answer.
    pub async fn send(&self, request: Request) -> Result<Answer, CloudError> {
        match self {
            Self::Https(client) => exchange(client, request).await,
            #[cfg(test)]
            Self::Script(script) => script.answer(request),
        }
    }
}

async fn exchange(client: &reqwest::Client, request: Request) -> Result<Answer, CloudError> {
    let identity = request.identity;
    let failed = |error| failure(error, identity);
    let mut response = client
        .post(&request.url)
        .headers(headers(&request.headers)?)
        .body(request.body)
        .send()
        .await
        .map_err(failed)?;
    let status = response.status().as_u16();
    let retry_after = response.headers().get(RETRY_AFTER).and_then(waiting_time);
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(failed)? {
        if body.len() + chunk.len() > request.answer_limit {
            return Err(CloudError::Unreadable {
                status,
                reason: "larger than any real answer",
            });
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Answer {
        status,
        retry_after,
        body,
    })
}

/// The seconds of a `Retry-After`; its other form, a date, is not known of this cloud.
fn waiting_time(header: &HeaderValue) -> Option<Duration> {
    let seconds = header.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds).min(LONGEST_WAIT))
}

fn headers(headers: &[(&'static str, String)]) -> Result<HeaderMap, CloudError> {
    let mut map = HeaderMap::with_capacity(headers.len());
    for (name, value) in headers {
        let header = HeaderName::from_bytes(name.as_bytes())
            .ok()
            .zip(HeaderValue::from_bytes(value.as_bytes()).ok());
        // Settings are checked and tokens and ids are the cloud's, so this is an id or a token that cannot be one.
        let Some((name, mut value)) = header else {
            return Err(CloudError::Unreadable {
                status: 200,
                reason: "an id or a token of the sign-in answer that cannot be sent back",
            });
        };
        value.set_sensitive(name == "token");
        map.insert(name, value);
    }
    Ok(map)
}

/// What a failed exchange means. The address is left out of the text: it says nothing new.
fn failure(error: reqwest::Error, identity: Identity) -> CloudError {
    if let Some(tls) = tls_error(&error) {
        return tls_failure(tls.clone(), identity);
    }
    match (error.is_connect(), error.is_timeout()) {
        (true, _) => CloudError::Unreachable(error.without_url()),
        (false, true) => CloudError::Timeout,
        (false, false) => CloudError::Interrupted(error.without_url()),
    }
}

fn tls_failure(error: rustls::Error, identity: Identity) -> CloudError {
    use AlertDescription as Alert;
    match &error {
        rustls::Error::InvalidCertificate(CertificateError::Other(other)) => match other.0.downcast_ref() {
            Some(PinMismatch { pinned, seen }) => CloudError::ServerIdentity {
                pinned: *pinned,
                seen: *seen,
            },
            None => CloudError::ServerNotTrusted(error),
        },
        rustls::Error::InvalidCertificate(_) => CloudError::ServerNotTrusted(error),
        rustls::Error::AlertReceived(
            Alert::BadCertificate
            | Alert::UnsupportedCertificate
            | Alert::CertificateRevoked
            | Alert::CertificateExpired
            | Alert::CertificateUnknown
            | Alert::UnknownCA
            | Alert::AccessDenied
            | Alert::DecryptError
            | Alert::CertificateRequired,
        ) => match identity {
            Identity::App => CloudError::AppCertificateRefused(error),
            // A new sign-in brings a new one.
            Identity::Account => CloudError::SessionLost,
        },
        _ => CloudError::Tls(error),
    }
}

/// The TLS error inside, however deep: I/O errors hide what they wrap from `source`.
fn tls_error<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a rustls::Error> {
    if let Some(tls) = error.downcast_ref() {
        return Some(tls);
    }
    let wrapped = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
    wrapped
        .and_then(|inner| tls_error(inner))
        .or_else(|| error.source().and_then(tls_error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_account_certificate_is_a_lost_session() {
        let refused = || rustls::Error::AlertReceived(AlertDescription::CertificateExpired);
        assert!(matches!(
            tls_failure(refused(), Identity::Account),
            CloudError::SessionLost
        ));
        assert!(matches!(
            tls_failure(refused(), Identity::App),
            CloudError::AppCertificateRefused(_)
        ));
        let other = rustls::Error::AlertReceived(AlertDescription::ProtocolVersion);
        assert!(matches!(tls_failure(other, Identity::Account), CloudError::Tls(_)));
    }

    #[tokio::test]
    async fn no_name_but_localhost_is_known() {
        let addresses: Vec<SocketAddr> = LoopbackOnly
            .resolve("localhost".parse().unwrap())
            .await
            .unwrap()
            .collect();
        assert!(!addresses.is_empty() && addresses.iter().all(|address| address.ip().is_loopback()));
        assert!(LoopbackOnly.resolve("example.org".parse().unwrap()).await.is_err());
    }
}
