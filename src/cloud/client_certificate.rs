//! Client certificates: the pair that belongs to the official app, and what is common to all pairs.

use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use rustls::crypto::ring;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use x509_parser::prelude::{FromDer, X509Certificate};

/// A certificate and its private key, ready for TLS. Prints nothing of either.
#[derive(Clone)]
pub struct ClientIdentity {
    certified: Arc<CertifiedKey>,
    key: Arc<PrivateKeyDer<'static>>,
}

/// Why certificates and a key do not make an identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum IdentityError {
    /// The key is no RSA or elliptic curve key that TLS could use.
    #[error("its private key is damaged or of an unusual kind")]
    UnusableKey,
    /// No certificate was made for the key.
    #[error("it holds no certificate for its private key")]
    NoMatch,
}

impl ClientIdentity {
    /// Presents the certificate that matches the key, and no other. Certificates are compared by their public keys
    /// alone, so that old forms that TLS libraries no longer check are accepted; judging them is the server's business.
    pub fn new(certificates: Vec<CertificateDer<'static>>, key: PrivateKeyDer<'static>) -> Result<Self, IdentityError> {
        let mut identity = Self::with_chain(certificates, key)?;
        let leaf = identity.certified.cert[..1].to_vec();
        identity.certified = Arc::new(CertifiedKey::new(leaf, Arc::clone(&identity.certified.key)));
        Ok(identity)
    }

    /// Presents the certificate that matches the key, then all others.
    fn with_chain(
        certificates: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
    ) -> Result<Self, IdentityError> {
        let signing_key = ring::default_provider()
            .key_provider
            .load_private_key(key.clone_key())
            .map_err(|_| IdentityError::UnusableKey)?;
        let public_key = signing_key.public_key().ok_or(IdentityError::UnusableKey)?;
        let matches = |certificate: &CertificateDer<'_>| subject_public_key(certificate) == Some(public_key.as_ref());
        let (mut chain, others): (Vec<_>, Vec<_>) = certificates.into_iter().partition(matches);
        if chain.is_empty() {
            return Err(IdentityError::NoMatch);
        }
        chain.extend(others);
        Ok(Self {
            certified: Arc::new(CertifiedKey::new(chain, Arc::clone(&signing_key))),
            key: Arc::new(key),
        })
    }

    /// The certificate in DER form.
    pub fn certificate(&self) -> &[u8] {
        // There is one: without it, no identity is made.
        &self.certified.cert[0]
    }

    /// Until when the certificate is valid; `None` where it does not say so in a way we can read.
    pub fn expires(&self) -> Option<Timestamp> {
        let (_, parsed) = X509Certificate::from_der(self.certificate()).ok()?;
        Timestamp::from_second(parsed.validity().not_after.timestamp()).ok()
    }

    /// The private key in DER form; a secret.
    pub fn private_key(&self) -> &PrivateKeyDer<'static> {
        &self.key
    }

    /// The pair as TLS wants it.
    pub fn certified(&self) -> Arc<CertifiedKey> {
        Arc::clone(&self.certified)
    }
}

/// The public key with its algorithm, as encoded in the certificate.
fn subject_public_key<'a>(certificate: &'a CertificateDer<'_>) -> Option<&'a [u8]> {
    let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
    Some(parsed.tbs_certificate.subject_pki.raw)
}

/// The certificate of the official app, which the owner supplies as two files.
#[derive(Clone)]
pub struct AppCertificate(pub(super) ClientIdentity);

/// One of the two files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PemFile {
    /// `certificates.app_cert`
    Certificate,
    /// `certificates.app_key`
    Key,
}

impl fmt::Display for PemFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Certificate => "the app certificate (certificates.app_cert)",
            Self::Key => "the key of the app certificate (certificates.app_key)",
        })
    }
}

/// What is wrong with the files of the app certificate, and what to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    /// Nothing in it.
    #[error("{0} is empty. Copy the file again")]
    Empty(PemFile),
    /// HTML.
    #[error(
        "{0} is a web page, not a certificate file. Download the file itself (the raw file), not the page that shows it"
    )]
    WebPage(PemFile),
    /// No PEM armour.
    #[error(
        "{0} is not in PEM form; it must start with a line like -----BEGIN …-----. Use the PEM file, or convert it with openssl"
    )]
    NotPem(PemFile),
    /// The line breaks are gone.
    #[error("{0} has lost its line breaks: everything stands on one line. Copy the file itself instead of its text")]
    SingleLine(PemFile),
    /// No end line.
    #[error("{0} is cut off: its -----END …----- line is missing. Copy the whole file again")]
    Truncated(PemFile),
    /// The content does not decode.
    #[error("{0} is damaged: what stands between its BEGIN and END lines cannot be read. Copy the file again")]
    Damaged(PemFile),
    /// Certificate and key file hold each other's content, or one of them twice.
    #[error(
        "{0} holds the other file's content: certificate and key seem to be swapped. Exchange certificates.app_cert and certificates.app_key"
    )]
    Swapped(PemFile),
    /// The content decodes, but is no key TLS could use.
    #[error(
        "{0} is damaged or of an unusual kind; RSA keys from 2048 bits and elliptic curve keys can be used. Copy the file again"
    )]
    UnusableKey(PemFile),
    /// The key has a passphrase.
    #[error("{0} is protected by a passphrase. Remove it: openssl pkey -in app_key.pem -out app_key_plain.pem")]
    EncryptedKey(PemFile),
    /// Both files are fine, but they do not belong together.
    #[error("the app certificate and its key do not belong together. Take both files from the same place")]
    Mismatch,
}

impl AppCertificate {
    /// Checks both files, and that they belong together.
    pub fn from_pem(certificate: &[u8], key: &[u8]) -> Result<Self, CertificateError> {
        let (certificate, key) = (without_byte_order_mark(certificate), without_byte_order_mark(key));
        check(PemFile::Certificate, certificate)?;
        check(PemFile::Key, key)?;
        let certificates: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(certificate)
            .collect::<Result<_, _>>()
            .map_err(|error| broken(PemFile::Certificate, &error))?;
        let readable = |certificate| subject_public_key(certificate).is_some();
        if certificates.is_empty() || !certificates.iter().all(readable) {
            return Err(CertificateError::Damaged(PemFile::Certificate));
        }
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|error| broken(PemFile::Key, &error))?;
        match ClientIdentity::with_chain(certificates, key) {
            Ok(identity) => Ok(Self(identity)),
            Err(IdentityError::UnusableKey) => Err(CertificateError::UnusableKey(PemFile::Key)),
            Err(IdentityError::NoMatch) => Err(CertificateError::Mismatch),
        }
    }
}

/// Editors on Windows put one before the text.
fn without_byte_order_mark(content: &[u8]) -> &[u8] {
    content.strip_prefix(b"\xef\xbb\xbf").unwrap_or(content)
}

/// Tells apart the ways in which people's files are broken, before any of it is decoded.
fn check(file: PemFile, content: &[u8]) -> Result<(), CertificateError> {
    let text = String::from_utf8_lossy(content);
    let text = text.trim();
    if text.is_empty() {
        return Err(CertificateError::Empty(file));
    }
    if text.starts_with('<') {
        return Err(CertificateError::WebPage(file));
    }
    let labels: Vec<&str> = text
        .split("-----BEGIN ")
        .skip(1)
        .filter_map(|rest| rest.split("-----").next())
        .collect();
    let holds = |ending: &str| labels.iter().any(|label| label.ends_with(ending));
    let (own, other) = match file {
        PemFile::Certificate => ("CERTIFICATE", "PRIVATE KEY"),
        PemFile::Key => ("PRIVATE KEY", "CERTIFICATE"),
    };
    if !holds(own) && holds(other) {
        return Err(CertificateError::Swapped(file));
    }
    if !holds(own) {
        return Err(CertificateError::NotPem(file));
    }
    if labels.contains(&"ENCRYPTED PRIVATE KEY") || text.contains("Proc-Type: 4,ENCRYPTED") {
        return Err(CertificateError::EncryptedKey(file));
    }
    if !text.contains("-----END ") {
        return Err(CertificateError::Truncated(file));
    }
    let begin_lines = text.lines().filter(|line| line.contains("-----BEGIN "));
    if begin_lines
        .into_iter()
        .any(|line| line.matches("-----").count() != 2 || !line.trim_end().ends_with("-----"))
    {
        return Err(CertificateError::SingleLine(file));
    }
    Ok(())
}

fn broken(file: PemFile, error: &pem::Error) -> CertificateError {
    match error {
        pem::Error::MissingSectionEnd { .. } => CertificateError::Truncated(file),
        _ => CertificateError::Damaged(file),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rcgen::{CertifiedKey, generate_simple_self_signed};

    use super::PemFile::{Certificate, Key};
    use super::*;

    fn pair() -> (String, String) {
        let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["app".to_owned()]).unwrap();
        (cert.pem(), signing_key.serialize_pem())
    }

    fn error(certificate: impl AsRef<[u8]>, key: impl AsRef<[u8]>) -> CertificateError {
        match AppCertificate::from_pem(certificate.as_ref(), key.as_ref()) {
            Ok(_) => panic!("the files were accepted"),
            Err(error) => error,
        }
    }

    #[test]
    fn a_good_pair_is_accepted_with_windows_line_ends_and_a_chain_too() {
        let ((certificate, key), (other, _)) = (pair(), pair());
        assert!(AppCertificate::from_pem(certificate.as_bytes(), key.as_bytes()).is_ok());
        let windows = |text: &str| text.replace("\r\n", "\n").replace('\n', "\r\n");
        assert!(AppCertificate::from_pem(windows(&certificate).as_bytes(), windows(&key).as_bytes()).is_ok());
        let marked = format!("\u{feff}{certificate}");
        assert!(AppCertificate::from_pem(marked.as_bytes(), key.as_bytes()).is_ok());
        let chain = other + &certificate;
        let AppCertificate(identity) = AppCertificate::from_pem(chain.as_bytes(), key.as_bytes()).unwrap();
        assert_eq!(identity.certified().cert.len(), 2);
        let own = CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap();
        assert_eq!(
            identity.certificate(),
            own.as_ref(),
            "the one that matches the key comes first"
        );
    }

    #[test]
    fn every_way_a_file_breaks_has_its_own_words() {
        let (certificate, key) = pair();
        let half = |text: &str| text[..text.len() / 2].to_owned();
        let one_line = |text: &str| text.replace(['\r', '\n'], "");
        let damaged = certificate.replacen("MII", "@@@", 1);
        let page = "<!DOCTYPE html><html><body>-----BEGIN CERTIFICATE-----</body></html>";
        let cases = [
            (error("", &key), CertificateError::Empty(Certificate)),
            (error(&certificate, "  \n"), CertificateError::Empty(Key)),
            (error(page, &key), CertificateError::WebPage(Certificate)),
            (error(&certificate, page), CertificateError::WebPage(Key)),
            (error([0x30, 0x82, 0xff], &key), CertificateError::NotPem(Certificate)),
            (
                error(one_line(&certificate), &key),
                CertificateError::SingleLine(Certificate),
            ),
            (error(&certificate, one_line(&key)), CertificateError::SingleLine(Key)),
            (
                error(certificate.replace(['\r', '\n'], " "), &key),
                CertificateError::SingleLine(Certificate),
            ),
            (
                error(half(&certificate), &key),
                CertificateError::Truncated(Certificate),
            ),
            (error(&certificate, half(&key)), CertificateError::Truncated(Key)),
            (error(damaged, &key), CertificateError::Damaged(Certificate)),
            (
                error(certificate.replace("-----BEGIN", "  -----BEGIN"), &key),
                CertificateError::Damaged(Certificate),
            ),
            (error(&key, &certificate), CertificateError::Swapped(Certificate)),
            (error(&certificate, &certificate), CertificateError::Swapped(Key)),
            (error(&certificate, pair().1), CertificateError::Mismatch),
            (
                error(&certificate, key.replace("PRIVATE", "ENCRYPTED PRIVATE")),
                CertificateError::EncryptedKey(Key),
            ),
        ];
        for (found, expected) in cases {
            assert_eq!(found, expected);
            assert!(found.to_string().contains("app certificate"), "{found}");
        }
    }

    #[test]
    fn what_decodes_to_nonsense_is_refused() {
        let (certificate, _) = pair();
        let nonsense = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
        assert_eq!(error(&certificate, nonsense), CertificateError::UnusableKey(Key));
        let nonsense = nonsense.replace("PRIVATE KEY", "CERTIFICATE");
        assert_eq!(error(nonsense, pair().1), CertificateError::Damaged(Certificate));
    }

    proptest! {
        #[test]
        fn no_files_make_it_panic(certificate in any::<Vec<u8>>(), key in any::<Vec<u8>>(), text in any::<String>()) {
            let _ = AppCertificate::from_pem(&certificate, &key);
            let _ = AppCertificate::from_pem(format!("-----BEGIN CERTIFICATE-----\n{text}").as_bytes(), &key);
        }
    }
}
