//! What the vault keeps for an account: its session, and which password and PINs were refused.
//!
//! A refused password or PIN is remembered itself, encrypted like all secrets, so that the same one is not tried again
//! after a restart, while a changed one is.

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use tracing::{info, warn};

use crate::cloud::{Fingerprint, SavedSession, new_device_id};
use crate::store::{Secret, Store, StoreError, Vault, VaultError, mask_email};
use crate::vehicle::{PinStatus, Vin};

/// Digits of a user name that go into the name of a document.
const LONGEST_NAME: usize = 80;
/// The document with the pin of the cloud's certificate.
const PIN_DOCUMENT: &str = "server-pin";

/// The part of the vault that belongs to one account. Cheap to clone.
#[derive(Clone)]
pub struct Keepsake {
    vault: Vault,
    username: String,
}

impl Keepsake {
    /// The part of the account with this user name.
    pub fn new(vault: Vault, username: String) -> Self {
        Self { vault, username }
    }

    /// The account as it may be shown.
    pub fn account(&self) -> String {
        mask_email(&self.username)
    }

    /// The name of the account's document. E-mail addresses have signs that file names should not.
    pub fn document(&self) -> String {
        let name: String = hex::encode(&self.username);
        format!("account-{}", name.get(..LONGEST_NAME).unwrap_or(&name))
    }

    /// The password, if it is kept here and not in the configuration.
    pub fn password(&self) -> Option<SecretString> {
        self.vault.get(Secret::CloudPassword, &self.username)
    }

    /// The id by which the cloud knows this installation; made once.
    pub fn device_id(&self) -> String {
        if let Some(id) = self.vault.get(Secret::DeviceId, &self.username) {
            return id.expose_secret().to_owned();
        }
        let id = new_device_id();
        self.put(Secret::DeviceId, &self.username, &id.clone().into());
        id
    }

    /// The session as it was kept.
    pub fn session(&self) -> Option<SavedSession> {
        self.vault.get(Secret::Session, &self.username).map(SavedSession::from)
    }

    /// Keeps the session, and thereby forgets that a password was refused.
    pub fn keep(&self, session: &SavedSession) {
        self.put(Secret::Session, &self.username, session.text());
        self.remove(Secret::RefusedPassword, &self.username);
    }

    /// Forgets the session.
    pub fn forget_session(&self) {
        self.remove(Secret::Session, &self.username);
    }

    /// Whether the cloud has refused exactly this password.
    pub fn was_refused(&self, password: &SecretString) -> bool {
        self.is_kept(Secret::RefusedPassword, &self.username, password)
    }

    /// Remembers that the cloud refused this password. The session of an older one is of no use any more.
    pub fn mark_refused(&self, password: &SecretString) {
        self.put(Secret::RefusedPassword, &self.username, password);
        self.forget_session();
    }

    /// Whether commands can be sent to this car with this PIN.
    pub fn pin_status(&self, vin: &Vin, pin: Option<&SecretString>) -> PinStatus {
        match pin {
            None => PinStatus::Missing,
            Some(pin) if self.is_kept(Secret::RefusedPin, &self.pin_subject(vin), pin) => PinStatus::Rejected,
            Some(_) => PinStatus::Ready,
        }
    }

    /// Remembers that the cloud refused this PIN.
    pub fn mark_pin_refused(&self, vin: &Vin, pin: &SecretString) {
        self.put(Secret::RefusedPin, &self.pin_subject(vin), pin);
    }

    /// Accounts that share a car may have different PINs for it.
    fn pin_subject(&self, vin: &Vin) -> String {
        format!("{} {}", vin.as_str(), self.username)
    }

    fn is_kept(&self, kind: Secret, subject: &str, secret: &SecretString) -> bool {
        self.vault
            .get(kind, subject)
            .is_some_and(|kept| kept.expose_secret() == secret.expose_secret())
    }

    fn put(&self, kind: Secret, subject: &str, secret: &SecretString) {
        self.report(self.vault.put(kind, subject, secret));
    }

    fn remove(&self, kind: Secret, subject: &str) {
        self.report(self.vault.remove(kind, subject));
    }

    fn report(&self, result: Result<(), VaultError>) {
        if let Err(error) = result {
            warn!(account = %self.account(), %error, "the vault cannot keep this; it will be missing after a restart");
        }
    }
}

/// The fingerprint of the cloud's certificate, when it is pinned on first use. One document for all accounts.
#[derive(Clone)]
pub struct ServerPin {
    store: Store,
    pinned: Pinned,
}

#[derive(Clone, Serialize, Deserialize)]
struct Pinned {
    base_url: String,
    fingerprint: Option<Fingerprint>,
}

impl ServerPin {
    /// The pin as it was kept; none yet for another address than the one it was made for.
    pub fn read(store: &Store, base_url: &str) -> Result<Self, StoreError> {
        Ok(Self {
            store: store.clone(),
            pinned: Pinned {
                base_url: base_url.to_owned(),
                fingerprint: kept_pin(store, base_url)?,
            },
        })
    }

    /// The certificate to insist on.
    pub fn fingerprint(&self) -> Option<Fingerprint> {
        self.pinned.fingerprint
    }

    /// Keeps the certificate that was seen first. Cheap when there is nothing new. Accounts share the pin, so another one
    /// may have kept it meanwhile: what is kept stays.
    pub fn keep(&mut self, seen: Option<Fingerprint>) {
        let (None, Some(seen)) = (self.pinned.fingerprint, seen) else {
            return;
        };
        // Whatever comes of it, it is done and told once in a run.
        self.pinned.fingerprint = Some(seen);
        let kept = match kept_pin(&self.store, &self.pinned.base_url) {
            Ok(Some(first)) => {
                self.pinned.fingerprint = Some(first);
                if first != seen {
                    warn!(
                        pinned = %first, %seen,
                        "the cloud has shown two certificates. The first one stays pinned, and from the next start on no \
                         other is taken. Either it was renewed just now or somebody intercepts the connection; if you \
                         know that it was renewed, set cloud.pinned_certificate to {seen} and start the bridge again"
                    );
                }
                return;
            }
            Ok(None) => self.store.write(PIN_DOCUMENT, &self.pinned),
            Err(error) => Err(error),
        };
        match kept {
            Ok(()) => info!(fingerprint = %seen, "the cloud's certificate is pinned from now on"),
            Err(error) => warn!(%error, "the pin of the cloud's certificate cannot be kept"),
        }
    }
}

/// The pin that is kept for this address.
fn kept_pin(store: &Store, base_url: &str) -> Result<Option<Fingerprint>, StoreError> {
    let kept: Option<Pinned> = store.read(PIN_DOCUMENT)?;
    Ok(kept
        .filter(|pinned| pinned.base_url == base_url)
        .and_then(|pinned| pinned.fingerprint))
}

#[cfg(test)]
pub(crate) mod testing {
    use crate::store::vault::KeySource;
    use crate::store::{DataDir, Redactor, Writer};

    use super::*;

    /// An account with nothing kept yet, in a directory of its own.
    pub(crate) struct NewAccount {
        /// What is kept of it.
        pub(crate) keepsake: Keepsake,
        /// Where.
        pub(crate) store: Store,
        /// What brings it to the disk, when it is run.
        pub(crate) writer: Writer,
        /// The directory, which is gone with this.
        pub(crate) directory: tempfile::TempDir,
    }

    impl NewAccount {
        pub(crate) fn new() -> Self {
            let directory = tempfile::tempdir().unwrap();
            let data = DataDir::open(directory.path()).unwrap();
            let (store, writer) = Store::open(&data);
            let vault = Vault::open(&data, &store, KeySource::DataDir, Redactor::default()).unwrap();
            Self {
                keepsake: Keepsake::new(vault, "owner@example.org".to_owned()),
                store,
                writer,
                directory,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::testing::NewAccount;
    use super::*;

    const CLOUD: &str = "https://cloud.example.org";

    fn fingerprint(digits: &str) -> Fingerprint {
        digits.repeat(32).parse().unwrap()
    }

    #[test]
    fn the_certificate_that_was_pinned_first_stays_whoever_sees_another() {
        let account = NewAccount::new();
        let pin = |base_url: &str| ServerPin::read(&account.store, base_url).unwrap();
        let (mut first, mut second, mut third) = (pin(CLOUD), pin(CLOUD), pin(CLOUD));
        first.keep(None);
        assert_eq!(pin(CLOUD).fingerprint(), None);
        first.keep(Some(fingerprint("ab")));
        second.keep(Some(fingerprint("cd")));
        third.keep(Some(fingerprint("ab")));
        for pin in [first, second, third, pin(CLOUD)] {
            assert_eq!(pin.fingerprint(), Some(fingerprint("ab")));
        }
        assert_eq!(pin("https://elsewhere.example.org").fingerprint(), None);
    }
}
