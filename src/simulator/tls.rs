//! Certificates, and connections that demand one from the client.
//!
//! One authority of our own signs them all: the server's, the app's and, at every sign-in, an account certificate. The
//! real cloud uses RSA keys; these are P-256, which the cryptography at hand can generate.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use p12_keystore::{
    Certificate, EncryptionAlgorithm, KeyStore, KeyStoreEntry, MacAlgorithm, PrivateKey, PrivateKeyChain,
};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
};
use rustls::ServerConfig;
use rustls::server::WebPkiClientVerifier;
use rustls_pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;

use super::SimulatorError;

/// How long a client may take for its half of the handshake.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// Connections that wait to be served.
const BACKLOG: usize = 64;

/// Rounds of key derivation in a bundle, as usual for bundles of the old kind.
const BUNDLE_ROUNDS: u32 = 2048;

/// Signs certificates.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: CertificateDer<'static>,
    certificate_pem: String,
    /// The identity of the official app.
    pub app: Identity,
}

/// A certificate with its key.
pub struct Identity {
    /// The certificate.
    pub certificate: CertificateDer<'static>,
    certificate_pem: String,
    key: KeyPair,
}

impl Authority {
    /// A new authority with an app identity.
    pub fn new() -> Result<Self, SimulatorError> {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "Simulated cloud CA");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
        let key = KeyPair::generate()?;
        let certificate = params.self_signed(&key)?;
        let issuer = Issuer::new(params, key);
        let app = Identity::issue(&issuer, "app", &[], ExtendedKeyUsagePurpose::ClientAuth)?;
        Ok(Self {
            issuer,
            certificate: certificate.der().clone(),
            certificate_pem: certificate.pem(),
            app,
        })
    }

    /// Writes what a client needs: `ca.pem`, `app_cert.pem`, and `app_key.pem` for its owner's eyes only.
    pub fn write(&self, directory: &Path) -> io::Result<()> {
        std::fs::create_dir_all(directory)?;
        std::fs::write(directory.join("ca.pem"), &self.certificate_pem)?;
        std::fs::write(directory.join("app_cert.pem"), &self.app.certificate_pem)?;
        write_private(&directory.join("app_key.pem"), self.app.key.serialize_pem().as_bytes())
    }

    /// An account certificate as a PKCS#12 bundle of the old kind (3DES, SHA-1), together with the authority's own, and
    /// the certificate by itself.
    pub fn account_certificate(
        &self,
        username: &str,
        password: &str,
    ) -> Result<(Vec<u8>, CertificateDer<'static>), SimulatorError> {
        let identity = Identity::issue(&self.issuer, username, &[], ExtendedKeyUsagePurpose::ClientAuth)?;
        let chain = PrivateKeyChain::new(
            "account",
            PrivateKey::from_der(identity.key.serialized_der())?,
            [
                Certificate::from_der(&identity.certificate)?,
                Certificate::from_der(&self.certificate)?,
            ],
        );
        let mut store = KeyStore::new();
        store.add_entry("account", KeyStoreEntry::PrivateKeyChain(chain));
        let bundle = store
            .writer(password)
            .encryption_algorithm(EncryptionAlgorithm::PbeWithShaAnd3KeyTripleDesCbc)
            .encryption_iterations(BUNDLE_ROUNDS)
            .mac_algorithm(MacAlgorithm::HmacSha1)
            .mac_iterations(BUNDLE_ROUNDS)
            .write()?;
        Ok((bundle, identity.certificate))
    }

    /// What the server needs to prove itself and to demand a certificate of this authority from every client.
    pub fn server_config(&self) -> Result<ServerConfig, SimulatorError> {
        let names = ["localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned()];
        let identity = Identity::issue(&self.issuer, "localhost", &names, ExtendedKeyUsagePurpose::ServerAuth)?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut roots = rustls::RootCertStore::empty();
        roots.add(self.certificate.clone())?;
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
            .build()
            .map_err(|error| rustls::Error::General(error.to_string()))?;
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_client_cert_verifier(verifier)
            .with_single_cert(
                vec![identity.certificate],
                PrivatePkcs8KeyDer::from(identity.key.serialize_der()).into(),
            )?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(config)
    }
}

impl Identity {
    fn issue(
        issuer: &Issuer<'static, KeyPair>,
        name: &str,
        hosts: &[String],
        usage: ExtendedKeyUsagePurpose,
    ) -> Result<Self, rcgen::Error> {
        let mut params = CertificateParams::new(hosts)?;
        params.distinguished_name.push(DnType::CommonName, name);
        params.extended_key_usages = vec![usage];
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, issuer)?;
        Ok(Self {
            certificate: certificate.der().clone(),
            certificate_pem: certificate.pem(),
            key,
        })
    }
}

#[cfg(unix)]
fn write_private(path: &Path, content: &[u8]) -> io::Result<()> {
    use std::io::Write;
    use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)?;
    // A file that was there keeps its mode when it is opened.
    file.set_permissions(std::fs::Permissions::from_mode(0o600))?;
    file.write_all(content)
}

#[cfg(not(unix))]
fn write_private(path: &Path, content: &[u8]) -> io::Result<()> {
    std::fs::write(path, content)
}

/// Who is at the other end of a connection.
#[derive(Debug, Clone)]
pub struct Peer {
    /// The client certificate it proved to have.
    pub certificate: CertificateDer<'static>,
    gone: Arc<AtomicBool>,
}

impl Peer {
    /// Ends the connection before anything more is sent.
    pub fn hang_up(&self) {
        self.gone.store(true, Ordering::Relaxed);
    }
}

/// An established connection.
pub struct Connection {
    stream: TlsStream<TcpStream>,
    gone: Arc<AtomicBool>,
}

/// Connections whose handshake is done, for axum to serve.
pub struct TlsListener {
    established: mpsc::Receiver<(Connection, Peer)>,
    address: SocketAddr,
}

impl fmt::Debug for TlsListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TlsListener({})", self.address)
    }
}

/// Accepts connections, and does their handshakes side by side so that a slow client holds up nobody.
pub struct Handshakes {
    listener: TcpListener,
    acceptor: TlsAcceptor,
    established: mpsc::Sender<(Connection, Peer)>,
}

/// The two ends of serving TLS on a socket.
pub fn listen(listener: TcpListener, config: ServerConfig) -> io::Result<(Handshakes, TlsListener)> {
    let address = listener.local_addr()?;
    let (sender, receiver) = mpsc::channel(BACKLOG);
    let handshakes = Handshakes {
        listener,
        acceptor: TlsAcceptor::from(Arc::new(config)),
        established: sender,
    };
    let established = TlsListener {
        established: receiver,
        address,
    };
    Ok((handshakes, established))
}

impl Handshakes {
    /// Runs until cancelled; handshakes still under way are dropped.
    pub async fn run(self, cancel: CancellationToken) {
        let mut under_way = JoinSet::new();
        loop {
            tokio::select! {
                () = cancel.cancelled() => return,
                accepted = self.listener.accept() => match accepted {
                    Ok((stream, _)) => {
                        under_way.spawn(shake_hands(self.acceptor.clone(), stream, self.established.clone()));
                    }
                    // Out of file handles, most likely: wait for some to come back.
                    Err(error) => {
                        tracing::warn!(%error, "connection not accepted");
                        tokio::time::sleep(Duration::from_millis(100)).await;
                    }
                },
                Some(_) = under_way.join_next() => {}
            }
        }
    }
}

async fn shake_hands(acceptor: TlsAcceptor, stream: TcpStream, established: mpsc::Sender<(Connection, Peer)>) {
    let stream = match tokio::time::timeout(HANDSHAKE, acceptor.accept(stream)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return tracing::debug!(%error, "handshake refused"),
        Err(_) => return tracing::debug!("handshake not finished"),
    };
    let Some(certificate) = stream.get_ref().1.peer_certificates().and_then(<[_]>::first) else {
        return tracing::debug!("no client certificate");
    };
    let gone = Arc::new(AtomicBool::new(false));
    let peer = Peer {
        certificate: certificate.clone().into_owned(),
        gone: Arc::clone(&gone),
    };
    // The receiver only goes away when the server stops.
    let _ = established.send((Connection { stream, gone }, peer)).await;
}

impl Listener for TlsListener {
    type Io = Connection;
    type Addr = Peer;

    async fn accept(&mut self) -> (Connection, Peer) {
        match self.established.recv().await {
            Some(established) => established,
            // No more connections will come; the server is about to stop.
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<Peer> {
        Err(io::Error::from(io::ErrorKind::Unsupported))
    }
}

impl Connected<IncomingStream<'_, TlsListener>> for Peer {
    fn connect_info(stream: IncomingStream<'_, TlsListener>) -> Self {
        stream.remote_addr().clone()
    }
}

impl Connection {
    fn check(&self) -> io::Result<()> {
        if self.gone.load(Ordering::Relaxed) {
            Err(io::Error::from(io::ErrorKind::ConnectionReset))
        } else {
            Ok(())
        }
    }
}

impl AsyncRead for Connection {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        self.check()?;
        Pin::new(&mut self.stream).poll_write(cx, data)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.check()?;
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
