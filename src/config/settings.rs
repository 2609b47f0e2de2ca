//! The settings as the rest of the program takes them: checked, with types that say what they are.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use jiff::tz::TimeZone;
use secrecy::SecretString;
use serde::Deserialize;

use crate::store::secret::Secret;
use crate::store::vault::KeySource;
use crate::vehicle::Vin;

/// All settings.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The accounts at the maker's cloud; none means that the bridge waits.
    pub accounts: Vec<Account>,
    /// The certificate of the app.
    pub certificates: Certificates,
    /// The maker's cloud.
    pub cloud: Cloud,
    /// The broker.
    pub mqtt: Mqtt,
    /// How often the cloud is asked.
    pub polling: Polling,
    /// The session at the cloud.
    pub session: SessionSettings,
    /// Which commands are offered.
    pub commands: Commands,
    /// Which entities the owner wants whatever speaks for or against them.
    pub entities: Entities,
    /// The history module.
    pub history: History,
    /// The alerts module.
    pub alerts: Alerts,
    /// The Telegram bot.
    pub telegram: Telegram,
    /// The admin page.
    pub admin: Admin,
    /// Where the health of the process can be asked for.
    pub health: Health,
    /// Program and arguments to run, by event.
    pub hooks: BTreeMap<String, Vec<String>>,
    /// Language of names and notifications.
    pub language: String,
    /// Time zone of days, months and tariffs.
    pub time_zone: TimeZone,
    /// Currency of costs, three capital letters.
    pub currency: String,
    /// Directory for everything that is remembered.
    pub data_dir: PathBuf,
    /// Where the key of the vault comes from.
    pub vault_key: KeySource,
    /// What is logged, and how.
    pub log: Log,
    /// Whether this is the Home Assistant add-on.
    pub is_addon: bool,
}

impl Settings {
    /// Every secret among the settings, for the filter of the log.
    pub fn secrets(&self) -> Vec<(Secret, &SecretString)> {
        let vault_key = match &self.vault_key {
            KeySource::Given { key, .. } => Some(key),
            KeySource::DataDir => None,
        };
        let accounts = self.accounts.iter().flat_map(|account| {
            let pins = account.cars.iter().map(|car| (Secret::Pin, car.pin.as_ref()));
            pins.chain([
                (Secret::CloudPassword, account.password.as_ref()),
                (Secret::P12Password, account.p12_password.as_ref()),
            ])
        });
        let others = [
            (Secret::MqttPassword, self.mqtt.password.as_ref()),
            (Secret::TelegramToken, self.telegram.token.as_ref()),
            (Secret::VaultKey, vault_key),
        ];
        accounts
            .chain(others)
            .filter_map(|(kind, secret)| Some((kind, secret?)))
            .collect()
    }
}

/// An account at the maker's cloud.
#[derive(Debug, Clone)]
pub struct Account {
    /// E-mail address; unique among the accounts.
    pub username: String,
    /// Password; `None` when it is to be found in the vault.
    pub password: Option<SecretString>,
    /// Password of the account certificate, when it is not the usual derived one.
    pub p12_password: Option<SecretString>,
    /// What the user says about single cars.
    pub cars: Vec<CarSettings>,
}

/// What the user says about a car.
#[derive(Debug, Clone)]
pub struct CarSettings {
    /// Which car; unique within the account. Accounts that share a car may each name it, with a PIN of their own.
    pub vin: Vin,
    /// The PIN that commands need.
    pub pin: Option<SecretString>,
    /// What to call it.
    pub name: Option<String>,
    /// Which of its entities the owner wants; goes above what is said for all cars.
    pub entities: Entities,
}

/// Which entities the owner wants or does not want, by their keys; none is in both.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Entities {
    /// Shown in any case.
    pub show: BTreeSet<String>,
    /// Never shown.
    pub hide: BTreeSet<String>,
}

/// Files of the app certificate, PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificates {
    /// The certificate.
    pub app_cert: PathBuf,
    /// Its private key.
    pub app_key: PathBuf,
}

/// The maker's cloud.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cloud {
    /// `https://host[:port]`, without a slash at the end.
    pub base_url: String,
    /// How the server proves who it is.
    pub server_identity: ServerIdentity,
    /// IETF language tag.
    pub language: String,
    /// Version of the app that we introduce ourselves as.
    pub app_version: String,
    /// Version of the privacy policy accepted at sign-in.
    pub policy_id: String,
    /// Whether any address but loopback is refused.
    pub loopback_only: bool,
}

/// How a server proves who it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServerIdentity {
    /// By a certificate of one of the system's authorities.
    SystemRoots,
    /// By a certificate of the authority in this PEM file.
    Authority(PathBuf),
    /// By showing the same certificate as at first sight. The cloud's own is not from a public authority, so this is
    /// the default.
    PinnedOnFirstUse,
    /// By showing the certificate with this SHA-256 fingerprint.
    Pinned([u8; 32]),
    /// Not at all: anybody on the way can read the password.
    DangerouslyOff,
}

/// The broker.
#[derive(Debug, Clone)]
pub struct Mqtt {
    /// Whether the Supervisor is to tell the broker: this is the add-on, and nobody named one.
    pub from_supervisor: bool,
    /// Name or address.
    pub host: String,
    /// Port.
    pub port: u16,
    /// User name.
    pub username: Option<String>,
    /// Password.
    pub password: Option<SecretString>,
    /// First part of all our topics.
    pub base_topic: String,
    /// Where Home Assistant looks for devices.
    pub discovery_prefix: String,
    /// Where Home Assistant says that it has started.
    pub status_topic: String,
    /// Our name at the broker; `None` lets us make one up.
    pub client_id: Option<String>,
    /// Longest wait after Home Assistant has started, so that not all bridges of a house answer at once.
    pub birth_delay_max: Duration,
    /// Whether the broker is to acknowledge every value.
    pub acknowledge_values: bool,
    /// How to encrypt; `None` is plain TCP.
    pub tls: Option<MqttTls>,
}

/// Encryption towards the broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MqttTls {
    /// PEM file with the authority; `None` takes the system's.
    pub ca: Option<NamedFile>,
    /// PEM files with our certificate and its key.
    pub client: Option<(NamedFile, NamedFile)>,
}

/// A file that a setting names, and who named it, for a message when it cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedFile {
    /// Where it is.
    pub path: PathBuf,
    /// The setting.
    pub key: &'static str,
    /// The file or variable that the setting stands in.
    pub origin: String,
}

/// How often the cloud is asked.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Polling {
    /// Requests a day and account, at most.
    pub daily_requests: u32,
    /// Seconds between two readings of a parked car.
    pub parked_seconds: u64,
    /// Seconds between two readings of a driving car.
    pub driving_seconds: u64,
    /// Seconds between two readings of a car that charges with alternating current; with direct current, half of it.
    pub charging_seconds: u64,
}

/// The session at the cloud.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionSettings {
    /// How long to give way when another client signs in with the same account; no time means not at all.
    pub yield_for: Duration,
}

/// Which commands are offered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commands {
    /// From one write to the next of the same car.
    pub spacing: Duration,
    /// Whether the comfort class is offered.
    pub comfort: bool,
    /// Whether the opening class is offered.
    pub opening: bool,
    /// Commands offered whatever their class, by name.
    pub allow: Vec<String>,
    /// Commands never offered, by name.
    pub deny: Vec<String>,
}

/// The history module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct History {
    /// Whether it runs.
    pub enabled: bool,
    /// The database file, already joined to the data directory.
    pub database: PathBuf,
}

/// The alerts module.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Alerts {
    /// Whether it runs.
    pub enabled: bool,
}

/// The Telegram bot.
#[derive(Debug, Clone)]
pub struct Telegram {
    /// Whether it runs.
    pub enabled: bool,
    /// Its token; `None` when it is to be found in the vault.
    pub token: Option<SecretString>,
    /// Address of the Bot API, without a slash at the end.
    pub api_url: String,
}

/// The admin page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admin {
    /// Whether it is served.
    pub enabled: bool,
    /// Where.
    pub listen: SocketAddr,
    /// Days until the page asks for the password again.
    pub session_days: u32,
    /// Whether browsers send the cookie over HTTPS only.
    pub session_cookie_secure: bool,
    /// Whose `X-Forwarded-*` headers are believed.
    pub trusted_proxies: Vec<Network>,
    /// Other origins that may call the interface, as `https://host`.
    pub cors_origins: Vec<String>,
}

/// Where the health of the process can be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Health {
    /// Address and port of `/healthz`.
    pub listen: SocketAddr,
}

/// A range of addresses: `192.168.1.0/24`, or a single one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    /// An address of the range.
    pub address: IpAddr,
    /// How many leading bits the range has in common.
    pub prefix: u8,
}

impl Network {
    /// Reads `address` or `address/bits`.
    pub fn parse(text: &str) -> Option<Self> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().ok()?;
        let longest = if address.is_ipv4() { 32 } else { 128 };
        let prefix = prefix.map_or(Some(longest), |bits| bits.parse().ok())?;
        (prefix <= longest).then_some(Self { address, prefix })
    }
}

/// What is logged, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Log {
    /// From which level on.
    pub level: LogLevel,
    /// In which form.
    pub format: LogFormat,
}

/// From which level on is logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    /// A person must act.
    Error,
    /// Degraded, but we recover.
    Warn,
    /// Lines an owner understands.
    Info,
    /// Decisions and their inputs.
    Debug,
    /// Payloads, after redaction.
    Trace,
}

impl LogLevel {
    /// Its name in filters.
    pub fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }
}

/// In which form is logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// Lines for people.
    Text,
    /// One JSON object a line.
    Json,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_are_single_addresses_or_ranges() {
        let network = |text: &str| Network::parse(text).map(|n| (n.address.to_string(), n.prefix));
        assert_eq!(network("10.0.0.1"), Some(("10.0.0.1".into(), 32)));
        assert_eq!(network("fd00::/8"), Some(("fd00::".into(), 8)));
        for text in ["", "10.0.0.1/33", "10.0.0/8", "host", "10.0.0.0/x"] {
            assert_eq!(network(text), None, "{text}");
        }
    }
}
