//! The certificate that is issued with every sign-in, in a PKCS#12 bundle with old or new algorithms.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use p12_keystore::Pkcs12Archive;
use p12_keystore::error::Error as Pkcs12Error;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use secrecy::{ExposeSecret, SecretString};

use super::client_certificate::{ClientIdentity, IdentityError};

/// Why the bundle cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum AccountCertificateError {
    /// The sign-in answer has none, or not in base64.
    #[error("the sign-in answer holds none")]
    Missing,
    /// No password opens it.
    #[error("no known password opens it")]
    WrongPassword,
    /// It is no PKCS#12 bundle, or uses algorithms we do not know.
    #[error("it cannot be read ({0})")]
    Unreadable(Pkcs12Error),
    /// It holds no private key.
    #[error("it holds no private key")]
    NoKey,
    /// Key and certificates do not make an identity.
    #[error(transparent)]
    Unusable(#[from] IdentityError),
}

/// Opens a bundle in base64 with the first password that fits.
pub fn open(bundle: &str, passwords: &[SecretString]) -> Result<ClientIdentity, AccountCertificateError> {
    let compact: String = bundle.split_whitespace().collect();
    let bundle = BASE64_STANDARD
        .decode(compact)
        .ok()
        .filter(|bundle| !bundle.is_empty())
        .ok_or(AccountCertificateError::Missing)?;
    let mut failure = AccountCertificateError::WrongPassword;
    for password in passwords {
        match Pkcs12Archive::from_pkcs12(&bundle, password.expose_secret()) {
            Ok(archive) => return identity(&archive),
            Err(Pkcs12Error::MacError(_)) => {}
            Err(error) => failure = AccountCertificateError::Unreadable(error),
        }
    }
    Err(failure)
}

/// The bundle may hold certificates of its issuer too; the one that matches the key is ours.
fn identity(archive: &Pkcs12Archive) -> Result<ClientIdentity, AccountCertificateError> {
    let key = archive.keys.first().ok_or(AccountCertificateError::NoKey)?;
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.key.as_der().to_vec()));
    let certificates: Vec<CertificateDer<'static>> = archive
        .certs
        .iter()
        .map(|bag| CertificateDer::from(bag.cert.as_der().to_vec()))
        .collect();
    Ok(ClientIdentity::new(certificates, key)?)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use sha2::{Digest, Sha256};
    use x509_parser::prelude::{FromDer, X509Certificate};

    use super::*;
    use crate::protocol::certificate_password;
    use crate::protocol::vectors::{section, text};

    fn sha256(der: &[u8]) -> String {
        hex::encode(Sha256::digest(der))
    }

    #[test]
    fn every_bundle_opens_and_gives_the_recorded_certificate_and_key() {
        for vector in section("pkcs12") {
            let name = text(vector, "name");
            let password = match vector["account_id"].as_str() {
                Some(account_id) => certificate_password::derive(account_id, text(vector, "uid")),
                None => text(vector, "password").to_owned(),
            };
            assert_eq!(password, text(vector, "password"), "{name}");
            let identity = open(text(vector, "p12_base64"), &[password.into()]).unwrap();

            assert_eq!(
                sha256(identity.certificate()),
                text(vector, "leaf_der_sha256"),
                "{name}"
            );
            let key = identity.private_key().secret_der();
            assert_eq!(sha256(key), text(vector, "key_pkcs8_der_sha256"), "{name}");
            let (_, certificate) = X509Certificate::from_der(identity.certificate()).unwrap();
            let public_key = certificate.tbs_certificate.subject_pki.raw;
            assert_eq!(sha256(public_key), text(vector, "spki_der_sha256"), "{name}");
            let subject = certificate
                .subject()
                .iter_common_name()
                .next()
                .unwrap()
                .as_str()
                .unwrap();
            assert_eq!(subject, text(vector, "leaf_subject_cn"), "{name}");
        }
    }

    #[test]
    fn passwords_are_tried_one_after_the_other() {
        let vector = &section("pkcs12")[0];
        let passwords = ["a wrong one".into(), text(vector, "password").into()];
        assert!(open(text(vector, "p12_base64"), &passwords).is_ok());
    }

    #[test]
    fn what_cannot_be_opened_says_why() {
        let errors: Vec<_> = section("pkcs12_failures")
            .iter()
            .map(|vector| {
                open(text(vector, "p12_base64"), &[text(vector, "password").into()])
                    .err()
                    .unwrap()
            })
            .collect();
        assert!(matches!(errors[0], AccountCertificateError::WrongPassword));
        assert!(matches!(errors[1], AccountCertificateError::Unreadable(_)));
    }

    #[test]
    fn a_bundle_that_is_empty_or_no_base64_is_missing() {
        for nothing in ["", " \r\n", "%%%"] {
            let outcome = open(nothing, &["x".into()]);
            assert!(matches!(outcome, Err(AccountCertificateError::Missing)), "{nothing:?}");
        }
    }

    proptest! {
        #[test]
        fn no_bundle_makes_it_panic(bundle in any::<Vec<u8>>(), text in any::<String>()) {
            let _ = open(&BASE64_STANDARD.encode(bundle), &["x".into()]);
            let _ = open(&text, &["x".into()]);
        }
    }
}
