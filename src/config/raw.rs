//! The settings as they lie in the merged sources: right in kind, not yet checked against each other.
//!
//! No `Debug` here: secrets are still plain text.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::{Deserializer, Error, MapAccess, SeqAccess, Visitor};

use super::settings::{Alerts, Log, Polling};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Raw {
    #[serde(default)]
    pub accounts: Indexed<RawAccount>,
    pub certificates: RawCertificates,
    pub cloud: RawCloud,
    pub mqtt: RawMqtt,
    pub polling: Polling,
    pub session: RawSession,
    pub commands: RawCommands,
    #[serde(default)]
    pub entities: RawEntities,
    pub history: RawHistory,
    pub alerts: Alerts,
    pub telegram: RawTelegram,
    pub admin: RawAdmin,
    pub health: RawHealth,
    #[serde(default)]
    pub hooks: BTreeMap<String, String>,
    pub language: String,
    pub time_zone: Option<String>,
    pub currency: String,
    pub data_dir: String,
    pub vault_key: Option<String>,
    pub log: Log,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawAccount {
    pub username: Option<String>,
    pub password: Option<String>,
    pub p12_password: Option<String>,
    #[serde(default)]
    pub cars: Indexed<RawCar>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawCar {
    pub vin: Option<String>,
    pub pin: Option<String>,
    pub name: Option<String>,
    #[serde(default)]
    pub entities: RawEntities,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub struct RawEntities {
    #[serde(default)]
    pub show: Indexed<String>,
    #[serde(default)]
    pub hide: Indexed<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawCertificates {
    pub app_cert: String,
    pub app_key: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawCloud {
    pub base_url: String,
    pub server_ca: Option<String>,
    pub server_identity: Option<RawServerIdentity>,
    pub pinned_certificate: Option<String>,
    pub language: String,
    pub app_version: String,
    pub policy_id: String,
    pub loopback_only: bool,
}

#[derive(Deserialize, Clone, Copy)]
#[serde(rename_all = "snake_case")]
pub enum RawServerIdentity {
    SystemRoots,
    PinnedOnFirstUse,
    DangerouslyOff,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawMqtt {
    pub host: String,
    pub port: u16,
    pub username: Option<String>,
    pub password: Option<String>,
    pub base_topic: String,
    pub discovery_prefix: String,
    pub status_topic: String,
    pub client_id: Option<String>,
    pub qos: u8,
    #[serde(default)]
    pub tls: RawTls,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub struct RawTls {
    pub enabled: Option<bool>,
    pub ca: Option<String>,
    pub client_cert: Option<String>,
    pub client_key: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawSession {
    pub yield_minutes: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawCommands {
    pub spacing_seconds: u64,
    pub comfort: bool,
    pub opening: bool,
    #[serde(default)]
    pub allow: Indexed<String>,
    #[serde(default)]
    pub deny: Indexed<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawHistory {
    pub enabled: bool,
    pub database: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawTelegram {
    pub enabled: bool,
    pub token: Option<String>,
    pub api_url: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawAdmin {
    pub enabled: bool,
    pub listen: String,
    pub session_days: u32,
    pub session_cookie_secure: bool,
    #[serde(default)]
    pub trusted_proxies: Indexed<String>,
    #[serde(default)]
    pub cors_origins: Indexed<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawHealth {
    pub listen: String,
}

/// A list whose places are the keys `0`, `1`, …, so that one layer can change a single place of another's list. The
/// places keep their number, by which a message can name them.
pub struct Indexed<T>(pub BTreeMap<usize, T>);

impl<T> Default for Indexed<T> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Indexed<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(IndexedVisitor(PhantomData))
    }
}

struct IndexedVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for IndexedVisitor<T> {
    type Value = Indexed<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    /// A list that was cleared and has got no places since.
    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Indexed<T>, A::Error> {
        let mut items = BTreeMap::new();
        while let Some(item) = list.next_element()? {
            items.insert(items.len(), item);
        }
        Ok(Indexed(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Indexed<T>, A::Error> {
        let mut items = BTreeMap::new();
        while let Some((place, item)) = map.next_entry::<String, T>()? {
            items.insert(
                place
                    .parse()
                    .map_err(|_| A::Error::custom("places of a list are numbers"))?,
                item,
            );
        }
        Ok(Indexed(items))
    }
}
