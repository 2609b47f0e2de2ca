//! The client against real TLS servers on this machine: who is trusted, who is refused, and what a failure means.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rcgen::{CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, SupportedProtocolVersion, version};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;

use super::testing::{DEVICE_ID, credentials};
use super::*;
use crate::clock::Clock;

/// An issuer of certificates.
struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    fn issue(&self, name: &str) -> (rcgen::Certificate, KeyPair) {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new([name.to_owned()])
            .unwrap()
            .signed_by(&key, &self.0)
            .unwrap();
        (certificate, key)
    }

    fn app_certificate(&self) -> AppCertificate {
        let (certificate, key) = self.issue("app");
        AppCertificate::from_pem(certificate.pem().as_bytes(), key.serialize_pem().as_bytes()).unwrap()
    }
}

/// What a server does with every request.
#[derive(Clone, Copy)]
enum Behaviour {
    Answer(&'static str),
    AnswerWith { bytes: usize },
    Close,
    Nothing,
}

/// A server that demands client certificates of `clients`.
struct Server {
    address: SocketAddr,
    /// The heads of the requests, each with the number of client certificates before it.
    requests: mpsc::Receiver<(usize, String)>,
}

impl Server {
    async fn start(
        name: &str,
        own: &Authority,
        clients: &Authority,
        versions: &[&'static SupportedProtocolVersion],
        behaviour: Behaviour,
    ) -> Self {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut roots = RootCertStore::empty();
        roots.add(clients.0.der().clone()).unwrap();
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
            .build()
            .unwrap();
        let (certificate, key) = own.issue(name);
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .unwrap()
            .with_client_cert_verifier(verifier)
            .with_single_cert(vec![certificate.der().clone()], key)
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (seen, requests) = mpsc::channel(16);
        // Ends with the runtime of the test.
        tokio::spawn(serve(listener, TlsAcceptor::from(Arc::new(config)), behaviour, seen));
        Self { address, requests }
    }

    fn settings(&self, server_identity: ServerIdentity) -> CloudSettings {
        CloudSettings {
            base_url: format!("https://{}", self.address),
            server_identity,
            request_timeout: Duration::from_secs(20),
            loopback_only: true,
            ..CloudSettings::default()
        }
    }
}

async fn serve(
    listener: TcpListener,
    acceptor: TlsAcceptor,
    behaviour: Behaviour,
    seen: mpsc::Sender<(usize, String)>,
) {
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let (acceptor, seen) = (acceptor.clone(), seen.clone());
        // Ends with the runtime of the test.
        tokio::spawn(async move {
            let mut stream = match acceptor.accept(stream).into_fallible().await {
                Ok(stream) => stream,
                // Closing with unread bytes would overtake the alert that says why.
                Err((_, mut refused)) => {
                    let _ = tokio::io::copy(&mut refused, &mut tokio::io::sink()).await;
                    return;
                }
            };
            let certificates = stream.get_ref().1.peer_certificates().map_or(0, <[_]>::len);
            let mut request = Vec::new();
            while !request.ends_with(b"email=owner%40example.org") {
                if stream.read_buf(&mut request).await.unwrap_or(0) == 0 {
                    return;
                }
            }
            let head = String::from_utf8_lossy(&request).into_owned();
            let _ = seen.send((certificates, head)).await;
            let answer = match behaviour {
                Behaviour::Answer(answer) => answer.to_owned(),
                Behaviour::AnswerWith { bytes } => {
                    format!(
                        "HTTP/1.1 200 OK\r\ncontent-length: {bytes}\r\n\r\n{}",
                        "x".repeat(bytes)
                    )
                }
                Behaviour::Close => return,
                Behaviour::Nothing => std::future::pending().await,
            };
            let _ = stream.write_all(answer.as_bytes()).await;
            let _ = stream.shutdown().await;
        });
    }
}

/// Signs in far enough to learn how the connection fares: a refused password is the good answer here.
async fn sign_in(settings: CloudSettings, certificate: AppCertificate) -> (Gateway, CloudError) {
    let gateway = Gateway::new(settings, certificate, Clock::real()).unwrap();
    let outcome = gateway.sign_in(&credentials(), DEVICE_ID).await;
    (gateway, outcome.err().unwrap())
}

const REFUSED_PASSWORD: Behaviour = Behaviour::Answer("HTTP/1.1 200 OK\r\ncontent-length: 11\r\n\r\n{\"code\":21}");
const BOTH: &[&SupportedProtocolVersion] = &[&version::TLS13, &version::TLS12];

fn authority_of(authority: &Authority) -> ServerIdentity {
    ServerIdentity::Authority(authority.0.pem().into_bytes())
}

#[tokio::test]
async fn the_right_authority_is_trusted_and_sees_one_client_certificate() {
    let (ours, app) = (Authority::new(), Authority::new());
    for version in BOTH {
        let mut server = Server::start("127.0.0.1", &ours, &app, &[version], REFUSED_PASSWORD).await;
        let (_, outcome) = sign_in(server.settings(authority_of(&ours)), app.app_certificate()).await;
        assert!(matches!(outcome, CloudError::SignInRejected), "{outcome:?}");
        let (certificates, request) = server.requests.recv().await.unwrap();
        assert_eq!(certificates, 1);
        assert!(request.starts_with("POST /carownerservice/oversea/acct/v1/login HTTP/1.1\r\n"));
    }
}

#[tokio::test]
async fn another_authority_or_another_name_is_refused_before_anything_is_sent() {
    let (ours, app) = (Authority::new(), Authority::new());
    let mut server = Server::start("127.0.0.1", &ours, &app, BOTH, REFUSED_PASSWORD).await;
    let (_, outcome) = sign_in(server.settings(authority_of(&Authority::new())), app.app_certificate()).await;
    assert!(matches!(outcome, CloudError::ServerNotTrusted(_)), "{outcome:?}");
    assert!(outcome.to_string().contains("cloud.server_ca"));
    assert!(server.requests.try_recv().is_err());

    let server = Server::start("elsewhere.example.org", &ours, &app, BOTH, REFUSED_PASSWORD).await;
    let (_, outcome) = sign_in(server.settings(authority_of(&ours)), app.app_certificate()).await;
    assert!(matches!(outcome, CloudError::ServerNotTrusted(_)), "{outcome:?}");
}

#[tokio::test]
async fn the_first_certificate_is_pinned_and_no_other_is_taken_from_then_on() {
    let (ours, app) = (Authority::new(), Authority::new());
    for version in BOTH {
        let versions = [*version];
        let first = Server::start("any.example.org", &ours, &app, &versions, REFUSED_PASSWORD).await;
        let settings = first.settings(ServerIdentity::PinnedOnFirstUse(None));
        let unused = Gateway::new(settings.clone(), app.app_certificate(), Clock::real()).unwrap();
        assert_eq!(unused.seen_fingerprint(), None);
        let (gateway, outcome) = sign_in(settings, app.app_certificate()).await;
        assert!(matches!(outcome, CloudError::SignInRejected), "{outcome:?}");
        let pinned = gateway.seen_fingerprint().unwrap();

        let identity = ServerIdentity::PinnedOnFirstUse(Some(pinned));
        let (_, outcome) = sign_in(first.settings(identity.clone()), app.app_certificate()).await;
        assert!(matches!(outcome, CloudError::SignInRejected), "{outcome:?}");

        let mut other = Server::start("any.example.org", &ours, &app, &versions, REFUSED_PASSWORD).await;
        let (gateway, outcome) = sign_in(other.settings(identity), app.app_certificate()).await;
        let CloudError::ServerIdentity { pinned: known, seen } = outcome else {
            panic!("{outcome:?}");
        };
        assert_eq!((known, gateway.seen_fingerprint()), (pinned, Some(pinned)));
        assert!(outcome.to_string().contains(&seen.to_string()));
        assert!(other.requests.try_recv().is_err());
    }
}

#[tokio::test]
async fn without_verification_any_server_is_taken() {
    let app = Authority::new();
    let server = Server::start("any.example.org", &Authority::new(), &app, BOTH, REFUSED_PASSWORD).await;
    let (gateway, outcome) = sign_in(
        server.settings(ServerIdentity::DangerouslyUnverified),
        app.app_certificate(),
    )
    .await;
    assert!(matches!(outcome, CloudError::SignInRejected), "{outcome:?}");
    assert_eq!(gateway.seen_fingerprint(), None);
}

#[tokio::test]
async fn a_refused_app_certificate_names_the_files_to_replace() {
    let (ours, app) = (Authority::new(), Authority::new());
    for version in BOTH {
        let server = Server::start("127.0.0.1", &ours, &app, &[version], REFUSED_PASSWORD).await;
        let (_, outcome) = sign_in(server.settings(authority_of(&ours)), Authority::new().app_certificate()).await;
        assert!(matches!(outcome, CloudError::AppCertificateRefused(_)), "{outcome:?}");
        assert!(outcome.to_string().contains("certificates.app_cert"));
    }
}

#[tokio::test]
async fn what_the_network_does_has_a_meaning_each() {
    let (ours, app) = (Authority::new(), Authority::new());
    let outcome = async |behaviour, limit| {
        let server = Server::start("127.0.0.1", &ours, &app, BOTH, behaviour).await;
        let settings = CloudSettings {
            request_timeout: limit,
            ..server.settings(authority_of(&ours))
        };
        sign_in(settings, app.app_certificate()).await.1
    };
    let long = Duration::from_secs(20);
    let closed = outcome(Behaviour::Close, long).await;
    assert!(matches!(closed, CloudError::Interrupted(_)), "{closed:?}");
    assert!(closed.leaves_outcome_open());
    let silent = outcome(Behaviour::Nothing, Duration::from_millis(500)).await;
    assert!(matches!(silent, CloudError::Timeout), "{silent:?}");
    let large = outcome(Behaviour::AnswerWith { bytes: 5 << 20 }, long).await;
    assert!(matches!(large, CloudError::Unreadable { status: 200, .. }), "{large:?}");
    let elsewhere = "HTTP/1.1 302 Found\r\nlocation: /other\r\ncontent-length: 0\r\n\r\n";
    let moved = outcome(Behaviour::Answer(elsewhere), long).await;
    assert!(matches!(moved, CloudError::Unreadable { status: 302, .. }), "{moved:?}");
    let cut = "HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n{\"code\":";
    let cut = outcome(Behaviour::Answer(cut), long).await;
    assert!(matches!(cut, CloudError::Interrupted(_)), "{cut:?}");
}

#[tokio::test]
async fn where_nobody_listens_nothing_was_sent() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let settings = CloudSettings {
        base_url: format!("https://{address}"),
        server_identity: ServerIdentity::DangerouslyUnverified,
        loopback_only: true,
        ..CloudSettings::default()
    };
    let (_, outcome) = sign_in(settings, Authority::new().app_certificate()).await;
    assert!(matches!(outcome, CloudError::Unreachable(_)), "{outcome:?}");
    assert!(!outcome.leaves_outcome_open());
}

#[tokio::test]
async fn a_gateway_that_may_not_leave_this_machine_refuses_to_be_made_for_another() {
    let settings = CloudSettings {
        loopback_only: true,
        ..CloudSettings::default()
    };
    let outcome = Gateway::new(settings, Authority::new().app_certificate(), Clock::real());
    let error = outcome.err().unwrap();
    assert!(
        matches!(
            error,
            CloudError::Settings {
                key: "cloud.base_url",
                ..
            }
        ),
        "{error:?}"
    );
}

#[tokio::test]
async fn localhost_is_reached_without_asking_a_name_server() {
    let (ours, app) = (Authority::new(), Authority::new());
    let server = Server::start("localhost", &ours, &app, BOTH, REFUSED_PASSWORD).await;
    let settings = CloudSettings {
        base_url: format!("https://localhost:{}", server.address.port()),
        ..server.settings(authority_of(&ours))
    };
    let (_, outcome) = sign_in(settings, app.app_certificate()).await;
    assert!(matches!(outcome, CloudError::SignInRejected), "{outcome:?}");
}
