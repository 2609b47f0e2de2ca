//! The table of all kinds of secrets. The vault names its entries after it, the log filter what it blots out, and the
//! settings which of their keys are never shown.

/// A kind of secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Secret {
    /// Password of an account at the maker's cloud.
    CloudPassword,
    /// Password of the account certificate, when the user gave one.
    P12Password,
    /// A signed-in session: tokens, sign key, account certificate and its key.
    Session,
    /// The password that the cloud refused.
    RefusedPassword,
    /// Device id that the session is bound to.
    DeviceId,
    /// PIN of a car.
    Pin,
    /// The PIN of a car that the cloud refused.
    RefusedPin,
    /// Password at the broker.
    MqttPassword,
    /// Token of the Telegram bot.
    TelegramToken,
    /// Token of a car at A Better Routeplanner.
    AbrpToken,
    /// What the add-on calls the Supervisor with.
    SupervisorToken,
    /// Key of the vault itself; never stored in it.
    VaultKey,
}

/// A row of the table.
#[derive(Debug)]
pub struct SecretKind {
    /// Which kind.
    pub secret: Secret,
    /// Its stable name in the vault.
    pub name: &'static str,
    /// What stands in its place wherever it would have been shown.
    pub mask: &'static str,
    /// The setting that holds it, as [`crate::config::keys`] writes it.
    pub key: Option<&'static str>,
    /// Whether a new one takes its place every now and then while the program runs.
    pub is_renewed: bool,
}

/// Every kind of secret, in the order of [`Secret`].
#[rustfmt::skip]
pub const SECRETS: &[SecretKind] = &[
    kind(Secret::CloudPassword, "cloud_password", "[cloud password]", Some("accounts[].password")),
    kind(Secret::P12Password, "p12_password", "[certificate password]", Some("accounts[].p12_password")),
    renewed(Secret::Session, "session", "[session]"),
    kind(Secret::RefusedPassword, "refused_password", "[cloud password]", None),
    kind(Secret::DeviceId, "device_id", "[device id]", None),
    kind(Secret::Pin, "pin", "[PIN]", Some("accounts[].cars[].pin")),
    kind(Secret::RefusedPin, "refused_pin", "[PIN]", None),
    kind(Secret::MqttPassword, "mqtt_password", "[MQTT password]", Some("mqtt.password")),
    kind(Secret::TelegramToken, "telegram_token", "[Telegram token]", Some("telegram.token")),
    kind(Secret::AbrpToken, "abrp_token", "[ABRP token]", None),
    kind(Secret::SupervisorToken, "supervisor_token", "[Supervisor token]", None),
    kind(Secret::VaultKey, "vault_key", "[vault key]", Some("vault_key")),
];

const fn kind(secret: Secret, name: &'static str, mask: &'static str, key: Option<&'static str>) -> SecretKind {
    SecretKind {
        secret,
        name,
        mask,
        key,
        is_renewed: false,
    }
}

const fn renewed(secret: Secret, name: &'static str, mask: &'static str) -> SecretKind {
    SecretKind {
        is_renewed: true,
        ..kind(secret, name, mask, None)
    }
}

impl Secret {
    /// Its stable name in the vault.
    pub fn name(self) -> &'static str {
        self.row().name
    }

    /// What stands in its place wherever it would have been shown.
    pub fn mask(self) -> &'static str {
        self.row().mask
    }

    /// Whether a new one takes its place every now and then while the program runs.
    pub fn is_renewed(self) -> bool {
        self.row().is_renewed
    }

    fn row(self) -> &'static SecretKind {
        // The table has a row for every kind at its own place; a test holds it to that.
        &SECRETS[self as usize]
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_kind_stands_at_its_own_place_under_its_own_name() {
        for row in SECRETS {
            assert_eq!(row.secret.row().secret, row.secret);
        }
        assert_eq!(
            SECRETS.len(),
            Secret::VaultKey as usize + 1,
            "a kind after the last would have no row"
        );
        let names: BTreeSet<_> = SECRETS.iter().map(|row| row.name).collect();
        assert_eq!(names.len(), SECRETS.len());
    }
}
