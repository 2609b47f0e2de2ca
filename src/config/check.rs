//! From raw settings to checked ones: what belongs together fits together, and every text is what it should be.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use figment::Figment;
use jiff::tz::TimeZone;
use secrecy::SecretString;

use super::EntityNames;
use super::error::{ConfigError, one_line};
use super::layers::BUILT_IN;
use super::path::{KeyPath, nearest};
use super::raw::{Indexed, Raw, RawAccount, RawAdmin, RawCar, RawCloud, RawEntities, RawMqtt, RawServerIdentity};
use super::settings::{
    Account, Admin, CarSettings, Certificates, Cloud, Commands, Entities, Health, History, Mqtt, MqttTls, NamedFile,
    Network, ServerIdentity, SessionSettings, Settings, Telegram,
};
use crate::store::vault::KeySource;
use crate::vehicle::Vin;
use crate::vehicle::command::registry;

/// With several bridges in a house, each answers at a moment of its own after Home Assistant has started.
const BIRTH_DELAY_MAX: Duration = Duration::from_secs(10);

type Checked<T> = Result<T, ConfigError>;

/// Checks the merged settings. The figment is asked where a refused value came from.
pub fn check(figment: &Figment, raw: Raw, names: &EntityNames, is_addon: bool) -> Checked<Settings> {
    let at = Origins(figment);
    let data_dir = PathBuf::from(raw.data_dir);
    let settings = Settings {
        accounts: accounts(&at, raw.accounts, names)?,
        certificates: Certificates {
            app_cert: raw.certificates.app_cert.into(),
            app_key: raw.certificates.app_key.into(),
        },
        cloud: cloud(&at, raw.cloud)?,
        mqtt: mqtt(&at, raw.mqtt, is_addon)?,
        polling: raw.polling,
        session: SessionSettings {
            yield_for: Duration::from_secs(raw.session.yield_minutes * 60),
        },
        commands: Commands {
            spacing: Duration::from_secs(raw.commands.spacing_seconds),
            comfort: raw.commands.comfort,
            opening: raw.commands.opening,
            allow: commands(&at, "commands.allow", raw.commands.allow)?,
            deny: commands(&at, "commands.deny", raw.commands.deny)?,
        },
        entities: entities(&at, "entities", raw.entities, names, true)?,
        history: History {
            enabled: raw.history.enabled,
            database: data_dir.join(raw.history.database),
        },
        alerts: raw.alerts,
        telegram: Telegram {
            enabled: raw.telegram.enabled,
            token: raw.telegram.token.map(SecretString::from),
            api_url: at.url("telegram.api_url", &raw.telegram.api_url, &["https://", "http://"])?,
        },
        admin: admin(&at, &raw.admin)?,
        health: Health {
            listen: at.address("health.listen", &raw.health.listen)?,
        },
        hooks: hooks(&at, raw.hooks)?,
        language: raw.language,
        time_zone: time_zone(&at, raw.time_zone.as_deref())?,
        currency: currency(&at, raw.currency)?,
        vault_key: vault_key(&at, raw.vault_key)?,
        data_dir,
        log: raw.log,
        is_addon,
    };
    Ok(settings)
}

fn accounts(at: &Origins, raw: Indexed<RawAccount>, names: &EntityNames) -> Checked<Vec<Account>> {
    let mut usernames = BTreeSet::new();
    let mut accounts = Vec::new();
    for (place, account) in raw.0 {
        let here = format!("accounts.{place}");
        let key = format!("{here}.username");
        let username = account
            .username
            .ok_or_else(|| at.missing(&here, "username"))?
            .trim()
            .to_owned();
        if !usernames.insert(username.to_lowercase()) {
            return Err(at.invalid(&key, "another account than those before it"));
        }
        let (mut cars, mut vins) = (Vec::new(), BTreeSet::new());
        for (place, raw) in account.cars.0 {
            let here = format!("{here}.cars.{place}");
            let car = car(at, &here, raw, names)?;
            if !vins.insert(car.vin.clone()) {
                return Err(at.invalid(&format!("{here}.vin"), "another car than those before it"));
            }
            cars.push(car);
        }
        accounts.push(Account {
            username,
            password: account.password.map(SecretString::from),
            p12_password: account.p12_password.map(SecretString::from),
            cars,
        });
    }
    Ok(accounts)
}

fn car(at: &Origins, here: &str, raw: RawCar, names: &EntityNames) -> Checked<CarSettings> {
    let vin = raw.vin.ok_or_else(|| at.missing(here, "vin"))?;
    Ok(CarSettings {
        vin: Vin::parse(&vin).map_err(|error| at.invalid(&format!("{here}.vin"), error))?,
        pin: raw.pin.map(SecretString::from),
        name: raw.name,
        entities: entities(at, &format!("{here}.entities"), raw.entities, names, false)?,
    })
}

/// Which entities the owner wants, for all cars and the bridge or for one car.
fn entities(at: &Origins, here: &str, raw: RawEntities, names: &EntityNames, with_bridge: bool) -> Checked<Entities> {
    let lists = [("show", &raw.show), ("hide", &raw.hide)];
    for (list, keys) in lists {
        for (place, key) in &keys.0 {
            let path = format!("{here}.{list}.{place}");
            entity(at, &path, key, names, with_bridge)?;
            if list == "hide" && raw.show.0.values().any(|shown| shown == key) {
                return Err(at.invalid(&path, format!("in one of the two lists only, but `{key}` is in both")));
            }
        }
    }
    Ok(Entities {
        show: raw.show.0.into_values().collect(),
        hide: raw.hide.0.into_values().collect(),
    })
}

fn entity(at: &Origins, path: &str, key: &str, names: &EntityNames, with_bridge: bool) -> Checked<()> {
    let of_bridge = names.bridge.contains(&key);
    if names.car.contains(&key) || (with_bridge && of_bridge) {
        return Ok(());
    }
    if of_bridge {
        return Err(at.invalid(path, format!("an entity of a car; `{key}` is one of the bridge")));
    }
    if let Some((_, today)) = names.renamed.iter().find(|(past, _)| *past == key) {
        return Err(at.invalid(path, format!("`{today}`, as `{key}` is called now")));
    }
    let bridge = names.bridge.iter().filter(|_| with_bridge);
    Err(at.unknown(path, key, names.car.iter().chain(bridge).copied()))
}

/// A list of commands, each by its name or an alias.
fn commands(at: &Origins, key: &str, raw: Indexed<String>) -> Checked<Vec<String>> {
    for (place, name) in &raw.0 {
        if registry::find(name).is_none() {
            let names = registry::COMMANDS
                .iter()
                .flat_map(|row| std::iter::once(row.name).chain(row.aliases.iter().copied()));
            return Err(at.unknown(&format!("{key}.{place}"), name, names));
        }
    }
    Ok(raw.0.into_values().collect())
}

fn cloud(at: &Origins, raw: RawCloud) -> Checked<Cloud> {
    let pinned = raw.pinned_certificate.map(|text| fingerprint(at, &text)).transpose()?;
    let server_identity = match (raw.server_ca, raw.server_identity) {
        (Some(_), Some(_)) => {
            return Err(at.invalid("cloud.server_identity", "absent when `cloud.server_ca` is given"));
        }
        (Some(_), None) if pinned.is_some() => {
            return Err(at.invalid("cloud.pinned_certificate", "absent when `cloud.server_ca` is given"));
        }
        (None, Some(RawServerIdentity::SystemRoots | RawServerIdentity::DangerouslyOff)) if pinned.is_some() => {
            let expected = "absent unless `cloud.server_identity` is pinned_on_first_use";
            return Err(at.invalid("cloud.pinned_certificate", expected));
        }
        (Some(ca), None) => ServerIdentity::Authority(ca.into()),
        (None, Some(RawServerIdentity::SystemRoots)) => ServerIdentity::SystemRoots,
        (None, Some(RawServerIdentity::DangerouslyOff)) => ServerIdentity::DangerouslyOff,
        (None, Some(RawServerIdentity::PinnedOnFirstUse) | None) => {
            pinned.map_or(ServerIdentity::PinnedOnFirstUse, ServerIdentity::Pinned)
        }
    };
    Ok(Cloud {
        base_url: at.url("cloud.base_url", &raw.base_url, &["https://"])?,
        server_identity,
        language: raw.language,
        app_version: raw.app_version,
        policy_id: raw.policy_id,
        loopback_only: raw.loopback_only,
    })
}

/// The fingerprint of a certificate, as our messages and `openssl x509 -fingerprint -sha256` write it.
fn fingerprint(at: &Origins, text: &str) -> Checked<[u8; 32]> {
    let mut bytes = [0; 32];
    hex::decode_to_slice(text.trim().replace(':', ""), &mut bytes).map_err(|_| {
        at.invalid(
            "cloud.pinned_certificate",
            "a SHA-256 fingerprint, 64 hexadecimal digits with or without colons",
        )
    })?;
    Ok(bytes)
}

fn mqtt(at: &Origins, raw: RawMqtt, is_addon: bool) -> Checked<Mqtt> {
    if raw.host.contains("://") || raw.host.contains('/') || raw.host.contains(char::is_whitespace) {
        return Err(at.invalid("mqtt.host", "a name or an address alone, without mqtt:// and port"));
    }
    let file = |key: &'static str, path: Option<String>| {
        path.map(|path| NamedFile {
            path: path.into(),
            key,
            origin: at.origin(key),
        })
    };
    let ca = file("mqtt.tls.ca", raw.tls.ca);
    let client_cert = file("mqtt.tls.client_cert", raw.tls.client_cert);
    let client = match (client_cert, file("mqtt.tls.client_key", raw.tls.client_key)) {
        (Some(cert), Some(key)) => Some((cert, key)),
        (None, None) => None,
        (Some(_), None) => return Err(at.missing("mqtt.tls", "client_key")),
        (None, Some(_)) => return Err(at.missing("mqtt.tls", "client_cert")),
    };
    let wanted = raw.tls.enabled.unwrap_or(ca.is_some() || client.is_some());
    Ok(Mqtt {
        from_supervisor: is_addon && at.origin("mqtt.host") == BUILT_IN,
        host: raw.host,
        port: raw.port,
        username: raw.username,
        password: raw.password.map(SecretString::from),
        base_topic: at.topic("mqtt.base_topic", raw.base_topic)?,
        discovery_prefix: at.topic("mqtt.discovery_prefix", raw.discovery_prefix)?,
        status_topic: at.topic("mqtt.status_topic", raw.status_topic)?,
        client_id: raw.client_id,
        birth_delay_max: BIRTH_DELAY_MAX,
        acknowledge_values: raw.qos > 0,
        tls: wanted.then_some(MqttTls { ca, client }),
    })
}

fn admin(at: &Origins, raw: &RawAdmin) -> Checked<Admin> {
    let mut trusted_proxies = Vec::new();
    for (place, text) in &raw.trusted_proxies.0 {
        let refuse = || {
            at.invalid(
                &format!("admin.trusted_proxies.{place}"),
                "an address or a network like 10.0.0.0/8",
            )
        };
        trusted_proxies.push(Network::parse(text).ok_or_else(refuse)?);
    }
    let mut cors_origins = Vec::new();
    for (place, text) in &raw.cors_origins.0 {
        cors_origins.push(at.url(&format!("admin.cors_origins.{place}"), text, &["https://", "http://"])?);
    }
    Ok(Admin {
        enabled: raw.enabled,
        listen: at.address("admin.listen", &raw.listen)?,
        session_days: raw.session_days,
        session_cookie_secure: raw.session_cookie_secure,
        trusted_proxies,
        cors_origins,
    })
}

fn hooks(at: &Origins, raw: BTreeMap<String, String>) -> Checked<BTreeMap<String, Vec<String>>> {
    let mut hooks = BTreeMap::new();
    for (event, line) in raw {
        let refuse = |expected: &str| at.invalid(&format!("hooks.{event}"), format!("{expected}, not `{line}`"));
        let words = shell_words::split(&line).map_err(|_| refuse("a command line whose quotes are closed"))?;
        if words.first().is_none_or(String::is_empty) {
            return Err(refuse("a command line that names a program"));
        }
        hooks.insert(event, words);
    }
    Ok(hooks)
}

fn time_zone(at: &Origins, name: Option<&str>) -> Checked<TimeZone> {
    let Some(name) = name else {
        return Ok(TimeZone::system());
    };
    TimeZone::get(name)
        .map_err(|_| at.invalid("time_zone", format!("an IANA time zone like Europe/Rome, not `{name}`")))
}

fn currency(at: &Origins, code: String) -> Checked<String> {
    match code.len() == 3 && code.bytes().all(|byte| byte.is_ascii_uppercase()) {
        true => Ok(code),
        false => Err(at.invalid("currency", format!("three capital letters like EUR, not `{code}`"))),
    }
}

fn vault_key(at: &Origins, key: Option<String>) -> Checked<KeySource> {
    let Some(key) = key else {
        return Ok(KeySource::DataDir);
    };
    KeySource::given(key.into(), at.origin("vault_key")).ok_or_else(|| at.invalid("vault_key", "32 bytes in base64"))
}

/// Knows which source a value came from.
struct Origins<'a>(&'a Figment);

impl Origins<'_> {
    fn origin(&self, key: &str) -> String {
        self.0
            .find_metadata(key)
            .map_or_else(|| "configuration".to_owned(), |metadata| metadata.name.to_string())
    }

    fn invalid(&self, key: &str, expected: impl Display) -> ConfigError {
        ConfigError::invalid(self.origin(key), &KeyPath::of(key), &expected)
    }

    fn unknown<'k>(&self, key: &str, name: &str, known: impl Iterator<Item = &'k str>) -> ConfigError {
        ConfigError::UnknownName {
            origin: self.origin(key),
            key: one_line(&KeyPath::of(key)),
            name: one_line(&name),
            nearest: nearest(name, known).to_owned(),
        }
    }

    fn missing(&self, section: &str, name: &str) -> ConfigError {
        ConfigError::invalid(self.origin(section), &KeyPath::of(section).join(name), &"given")
    }

    fn address(&self, key: &str, text: &str) -> Checked<SocketAddr> {
        text.parse()
            .map_err(|_| self.invalid(key, "an address and a port, like 127.0.0.1:8099"))
    }

    /// An address that begins with one of these, with a host, without user name, query or a slash at the end.
    fn url(&self, key: &str, text: &str, schemes: &[&str]) -> Checked<String> {
        let rest = schemes.iter().find_map(|scheme| text.strip_prefix(scheme));
        let plain = |c: char| c.is_ascii_graphic() && !matches!(c, '@' | '?' | '#' | '*');
        match rest {
            Some(rest) if !rest.is_empty() && !rest.starts_with(['/', ':']) && rest.chars().all(plain) => {
                Ok(text.trim_end_matches('/').to_owned())
            }
            _ => Err(self.invalid(key, format!("an address that begins with {}", schemes.join(" or ")))),
        }
    }

    /// A topic, or the beginning of one, without wildcards.
    fn topic(&self, key: &str, text: String) -> Checked<String> {
        let bad = text.contains(['+', '#', '$']) || text.contains(char::is_control);
        match bad || text.starts_with('/') || text.ends_with('/') || text.len() > 200 {
            true => Err(self.invalid(key, "a topic without wildcards, `$`, and slashes at its ends")),
            false => Ok(text),
        }
    }
}
