//! Who the server must be, and TLS connections that present a client certificate to it.

use std::sync::{Arc, Mutex, PoisonError};

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::sign::SingleCertAndKey;
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, OtherError, RootCertStore, SignatureScheme};
use sha2::{Digest, Sha256};

use super::client_certificate::ClientIdentity;
use super::error::CloudError;
use super::settings::{Fingerprint, ServerIdentity};

/// The rule by which all connections of one gateway judge the server.
#[derive(Clone)]
pub struct ServerTrust {
    provider: Arc<CryptoProvider>,
    verifier: Arc<dyn ServerCertVerifier>,
    pin: Option<Arc<Mutex<Option<Fingerprint>>>>,
}

impl ServerTrust {
    /// Loads what the identity needs.
    pub fn new(identity: &ServerIdentity) -> Result<Self, CloudError> {
        let provider = Arc::new(ring::default_provider());
        let by_roots = |roots| {
            let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider)).build();
            verifier.map_err(|error| unusable_authority(&error.to_string()))
        };
        let by_certificate = |rule| {
            Arc::new(CertificateRule {
                provider: Arc::clone(&provider),
                rule,
            })
        };
        let mut pin = None;
        let verifier: Arc<dyn ServerCertVerifier> = match identity {
            ServerIdentity::SystemRoots => by_roots(system_roots()?)?,
            ServerIdentity::Authority(pem) => by_roots(roots_from(pem)?)?,
            ServerIdentity::PinnedOnFirstUse(fingerprint) => {
                let shared = Arc::new(Mutex::new(*fingerprint));
                pin = Some(Arc::clone(&shared));
                by_certificate(Rule::Pinned(shared))
            }
            ServerIdentity::DangerouslyUnverified => {
                tracing::warn!(
                    "the cloud's identity is not verified: whoever intercepts the connection can read the password \
                     and command the cars"
                );
                by_certificate(Rule::Anybody)
            }
        };
        Ok(Self {
            provider,
            verifier,
            pin,
        })
    }

    /// The pinned certificate, once one is known.
    pub fn pinned(&self) -> Option<Fingerprint> {
        *lock(self.pin.as_deref()?)
    }

    /// TLS that presents this certificate.
    pub fn client(&self, identity: &ClientIdentity) -> Result<ClientConfig, CloudError> {
        let mut config = ClientConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_safe_default_protocol_versions()
            .map_err(CloudError::Tls)?
            .dangerous()
            .with_custom_certificate_verifier(Arc::clone(&self.verifier))
            .with_client_cert_resolver(Arc::new(SingleCertAndKey::from(identity.certified())));
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(config)
    }
}

fn system_roots() -> Result<RootCertStore, CloudError> {
    let mut roots = RootCertStore::empty();
    let (added, _) = roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if added == 0 {
        return Err(unusable_authority(
            "this system has no root certificates; install the package ca-certificates",
        ));
    }
    Ok(roots)
}

fn roots_from(pem: &[u8]) -> Result<RootCertStore, CloudError> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let certificate = certificate.map_err(|_| unusable_authority("it is not a PEM certificate file"))?;
        roots
            .add(certificate)
            .map_err(|_| unusable_authority("one of its certificates cannot be read"))?;
    }
    if roots.is_empty() {
        return Err(unusable_authority("it holds no certificate in PEM form"));
    }
    Ok(roots)
}

fn unusable_authority(reason: &str) -> CloudError {
    CloudError::Settings {
        key: "cloud.server_ca",
        reason: reason.to_owned(),
    }
}

/// Another certificate than the pinned one.
#[derive(Debug, thiserror::Error)]
#[error("the certificate {seen} is not the pinned {pinned}")]
pub struct PinMismatch {
    /// The one we know.
    pub pinned: Fingerprint,
    /// The one the server showed.
    pub seen: Fingerprint,
}

/// Judges a server by its very certificate, whoever issued it and for whatever name. That it holds the certificate's
/// key is still proved by the signature of the handshake.
#[derive(Debug)]
struct CertificateRule {
    provider: Arc<CryptoProvider>,
    rule: Rule,
}

#[derive(Debug)]
enum Rule {
    Pinned(Arc<Mutex<Option<Fingerprint>>>),
    Anybody,
}

impl CertificateRule {
    fn check_pin(&self, certificate: &CertificateDer<'_>) -> Result<(), rustls::Error> {
        let Rule::Pinned(pin) = &self.rule else { return Ok(()) };
        match *lock(pin) {
            Some(pinned) => expect(pinned, fingerprint(certificate)),
            None => Ok(()),
        }
    }

    /// Called when the server has proved that it holds the key: only then is its certificate worth remembering.
    fn remember(&self, certificate: &CertificateDer<'_>) -> Result<(), rustls::Error> {
        let Rule::Pinned(pin) = &self.rule else { return Ok(()) };
        let seen = fingerprint(certificate);
        let pinned = *lock(pin).get_or_insert_with(|| {
            tracing::info!(fingerprint = %seen, "the cloud's certificate is pinned from now on");
            seen
        });
        expect(pinned, seen)
    }
}

impl ServerCertVerifier for CertificateRule {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        self.check_pin(end_entity)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let valid = verify_tls12_signature(message, cert, dss, &self.provider.signature_verification_algorithms)?;
        self.remember(cert)?;
        Ok(valid)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let valid = verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)?;
        self.remember(cert)?;
        Ok(valid)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

fn fingerprint(certificate: &CertificateDer<'_>) -> Fingerprint {
    Fingerprint(Sha256::digest(certificate).into())
}

fn expect(pinned: Fingerprint, seen: Fingerprint) -> Result<(), rustls::Error> {
    if pinned == seen {
        return Ok(());
    }
    let mismatch = OtherError(Arc::new(PinMismatch { pinned, seen }));
    Err(rustls::Error::InvalidCertificate(CertificateError::Other(mismatch)))
}

/// Nothing that holds this lock can panic half-way, so a poisoned one is as good as any.
fn lock(pin: &Mutex<Option<Fingerprint>>) -> std::sync::MutexGuard<'_, Option<Fingerprint>> {
    pin.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_authority_file_without_certificates_is_refused_by_key() {
        for pem in [
            &b""[..],
            b"<html>",
            b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        ] {
            let error = ServerTrust::new(&ServerIdentity::Authority(pem.to_vec()))
                .err()
                .unwrap();
            assert!(error.to_string().starts_with("cloud.server_ca"), "{error}");
        }
    }
}
