//! Secrets at rest: encrypted with AES-256-GCM, each bound to its kind and owner, in the document `secrets`.
//!
//! A stored value reads `enc:1:` and base64 of nonce and ciphertext. The key lies beside the documents in a file of our
//! own, or is given by the user, so that a copy of the data directory alone is worth nothing.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aes_gcm::aead::{Aead, Payload};
use aes_gcm::{Aes256Gcm, KeyInit};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use secrecy::{ExposeSecret, SecretString};
use tracing::{info, warn};

use super::data_dir::DataDir;
use super::documents::{Store, StoreError};
use super::file;
use super::redactor::Redactor;
use super::secret::Secret;

/// The document that holds the encrypted values.
const DOCUMENT: &str = "secrets";
/// The key, when the user gives none.
const KEY_FILE: &str = "vault.key";
/// What every encrypted value begins with, whatever its version.
const ENCRYPTED: &str = "enc:";
/// What the values we write begin with.
const VERSION: &str = "enc:1:";
/// Bytes of an AES-256 key.
const KEY_LENGTH: usize = 32;
/// Bytes of a nonce; drawn anew for every encryption.
const NONCE_LENGTH: usize = 12;

/// Where the key of the vault comes from.
#[derive(Debug, Clone)]
pub enum KeySource {
    /// From `vault.key` in the data directory, made at first use.
    DataDir,
    /// From the configuration.
    Given {
        /// 32 bytes in base64 or hexadecimal digits.
        key: SecretString,
        /// The variable or file it stood in, for the log.
        origin: String,
    },
}

impl KeySource {
    /// A key of the configuration; `None` when it is not one.
    pub fn given(key: SecretString, origin: String) -> Option<Self> {
        read_key(&key)?;
        Some(Self::Given { key, origin })
    }
}

/// The secrets we keep. Cheap to clone.
#[derive(Clone)]
pub struct Vault(Arc<Inner>);

struct Inner {
    store: Store,
    redactor: Redactor,
    cipher: Aes256Gcm,
    /// Encrypted values by kind and owner, as they are on disk.
    values: Mutex<BTreeMap<String, String>>,
}

/// Why the vault cannot be opened or cannot take a secret.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    /// The key is not one.
    #[error("{origin}: the vault key must be 32 bytes in base64")]
    Key {
        /// The file or variable.
        origin: String,
    },
    /// The key file cannot be read or made.
    #[error("{KEY_FILE}: {0}")]
    KeyFile(#[source] io::Error),
    /// The system gives no random numbers.
    #[error("no random numbers: {0}")]
    Random(getrandom::Error),
    /// The document cannot be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The value is larger than the cipher takes.
    #[error("the secret is too large")]
    TooLarge,
}

impl Vault {
    /// Opens the vault and encrypts what lies in it in plain text. What cannot be decrypted counts as unset; it stays
    /// on disk until it is set anew, in case the right key comes back.
    pub fn open(data: &DataDir, store: &Store, source: KeySource, redactor: Redactor) -> Result<Self, VaultError> {
        let cipher = Aes256Gcm::new(&key(data.path(), source)?.into());
        let values = store.read(DOCUMENT)?.unwrap_or_default();
        let vault = Self(Arc::new(Inner {
            store: store.clone(),
            redactor,
            cipher,
            values: Mutex::new(values),
        }));
        vault.encrypt_plain_values()?;
        vault.report_unreadable_values();
        Ok(vault)
    }

    /// Keeps a secret of this owner: a user name, a VIN, or nothing where there can be one only.
    pub fn put(&self, kind: Secret, subject: &str, secret: &SecretString) -> Result<(), VaultError> {
        self.put_all(subject, &[(kind, secret)])
    }

    /// Keeps several secrets of one owner in one step: after a power cut either all are there or none.
    pub fn put_all(&self, subject: &str, secrets: &[(Secret, &SecretString)]) -> Result<(), VaultError> {
        let mut encrypted = Vec::new();
        for (kind, secret) in secrets {
            self.0.redactor.add(*kind, secret);
            let name = name(*kind, subject);
            let value = self.encrypt(&name, secret.expose_secret())?;
            encrypted.push((name, value));
        }
        let mut values = self.values();
        values.extend(encrypted);
        Ok(self.0.store.write(DOCUMENT, &*values)?)
    }

    /// A secret of this owner; `None` when there is none that can be read.
    pub fn get(&self, kind: Secret, subject: &str) -> Option<SecretString> {
        let name = name(kind, subject);
        let secret = self.decrypt(&name, self.values().get(&name)?)?;
        self.0.redactor.add(kind, &secret);
        Some(secret)
    }

    /// Forgets a secret.
    pub fn remove(&self, kind: Secret, subject: &str) -> Result<(), VaultError> {
        let mut values = self.values();
        if values.remove(&name(kind, subject)).is_some() {
            self.0.store.write(DOCUMENT, &*values)?;
        }
        Ok(())
    }

    fn encrypt_plain_values(&self) -> Result<(), VaultError> {
        let mut values = self.values();
        let mut plain = 0;
        for (name, value) in values.iter_mut().filter(|(_, value)| !value.starts_with(ENCRYPTED)) {
            *value = self.encrypt(name, value)?;
            plain += 1;
        }
        if plain > 0 {
            info!(
                count = plain,
                "secrets lay in the data directory in plain text; they are encrypted now"
            );
            self.0.store.write(DOCUMENT, &*values)?;
        }
        Ok(())
    }

    fn report_unreadable_values(&self) {
        for (name, value) in self.values().iter() {
            if self.decrypt(name, value).is_none() {
                // The owner is left out: it can be a whole VIN.
                let kind = name.split('/').next();
                warn!(
                    kind,
                    "a stored secret is damaged or was encrypted with another key; it has to be set again"
                );
            }
        }
    }

    fn encrypt(&self, name: &str, secret: &str) -> Result<String, VaultError> {
        let mut sealed = random::<NONCE_LENGTH>()?.to_vec();
        let nonce = sealed.as_slice().try_into().map_err(|_| VaultError::TooLarge)?;
        let payload = Payload {
            msg: secret.as_bytes(),
            aad: name.as_bytes(),
        };
        let ciphertext = self
            .0
            .cipher
            .encrypt(nonce, payload)
            .map_err(|_| VaultError::TooLarge)?;
        sealed.extend(ciphertext);
        Ok(format!("{VERSION}{}", BASE64_STANDARD.encode(sealed)))
    }

    fn decrypt(&self, name: &str, value: &str) -> Option<SecretString> {
        let sealed = BASE64_STANDARD.decode(value.strip_prefix(VERSION)?).ok()?;
        let (nonce, ciphertext) = sealed.split_at_checked(NONCE_LENGTH)?;
        let payload = Payload {
            msg: ciphertext,
            aad: name.as_bytes(),
        };
        let secret = self.0.cipher.decrypt(nonce.try_into().ok()?, payload).ok()?;
        String::from_utf8(secret).ok().map(SecretString::from)
    }

    /// The values. Each change is a single call, so a thread that panicked cannot have left them half changed.
    fn values(&self) -> MutexGuard<'_, BTreeMap<String, String>> {
        self.0.values.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Vault(***)")
    }
}

/// The name of a value in the document, and what its ciphertext is bound to.
fn name(kind: Secret, subject: &str) -> String {
    format!("{}/{subject}", kind.name())
}

fn key(directory: &Path, source: KeySource) -> Result<[u8; KEY_LENGTH], VaultError> {
    let (text, origin) = match source {
        KeySource::Given { key, origin } => (key, origin),
        KeySource::DataDir => {
            let path = directory.join(KEY_FILE);
            (key_file(directory, &path)?, path.display().to_string())
        }
    };
    info!(%origin, "vault key read");
    read_key(&text).ok_or(VaultError::Key { origin })
}

/// The key that a text writes in base64 or hexadecimal digits.
fn read_key(text: &SecretString) -> Option<[u8; KEY_LENGTH]> {
    let text = text.expose_secret().trim();
    let bytes = hex::decode(text).ok().or_else(|| BASE64_STANDARD.decode(text).ok());
    bytes?.try_into().ok()
}

/// The text of the key file, which is made if it is not there. The lock of the data directory keeps others from doing
/// so at the same time.
fn key_file(directory: &Path, path: &Path) -> Result<SecretString, VaultError> {
    if !path.try_exists().map_err(VaultError::KeyFile)? {
        let text = format!("{}\n", BASE64_STANDARD.encode(random::<KEY_LENGTH>()?));
        file::replace(directory, KEY_FILE, text.as_bytes()).map_err(VaultError::KeyFile)?;
    }
    let mode = fs::metadata(path).map_err(VaultError::KeyFile)?.permissions().mode();
    if mode & 0o077 != 0 {
        fs::set_permissions(path, Permissions::from_mode(0o600)).map_err(VaultError::KeyFile)?;
        let mode = format!("{:o}", mode & 0o777);
        warn!(
            mode,
            "{KEY_FILE} could be used by others; it is for its owner alone now"
        );
    }
    fs::read_to_string(path)
        .map(SecretString::from)
        .map_err(VaultError::KeyFile)
}

fn random<const LENGTH: usize>() -> Result<[u8; LENGTH], VaultError> {
    let mut bytes = [0; LENGTH];
    getrandom::fill(&mut bytes).map_err(VaultError::Random)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests;
