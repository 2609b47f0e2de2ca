//! The table of all settings: what they are called, what they hold, which are secret, and what they are for.
//!
//! Reading, checking of unknown keys, environment variables and `.env.example` all follow from it. A new setting is a
//! new row here and a field in [`super::settings`].

use super::path::segments;
use crate::store::secret::Secret;

/// What every environment variable of ours begins with.
pub const ENVIRONMENT_PREFIX: &str = "LEAPMOTOR2MQTT_";

/// One setting.
#[derive(Debug)]
pub struct Key {
    /// Where it stands, as in `mqtt.tls.ca`; `[]` marks a list and `*` a name that the user chooses.
    pub path: &'static str,
    /// What it holds.
    pub kind: Kind,
    /// What it is when nobody sets it.
    pub default: Option<&'static str>,
    /// One line for the user. Empty for a setting that is not meant for users.
    pub doc: &'static str,
    /// Whether it is for something that this version does not have yet, so that nothing comes of it.
    pub not_yet: bool,
}

/// What a setting holds, and so what its text is checked against.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Text, kept exactly as it was written.
    Text,
    /// Text that is never shown. Each has a sister key with `_file` appended that names a file holding it.
    Secret(Secret),
    /// `true` or `false`.
    Flag,
    /// A whole number between these two.
    Number(i64, i64),
    /// One of these words.
    Choice(&'static [&'static str]),
}

impl Kind {
    /// What a value has to be, to complete "must be …".
    pub fn expected(self) -> String {
        match self {
            Self::Text => "text".to_owned(),
            Self::Secret(_) => "text (in quotes)".to_owned(),
            Self::Flag => "true or false".to_owned(),
            Self::Number(low, high) => format!("a whole number from {low} to {high}"),
            Self::Choice(words) => format!("one of {}", words.join(", ")),
        }
    }
}

const SECONDS: Kind = Kind::Number(5, 86_400);

/// Every setting, in the order of `config.yaml`.
#[rustfmt::skip]
pub const KEYS: &[Key] = &[
    key("accounts[].username", Kind::Text, None, "E-mail address of the account."),
    key("accounts[].password", Kind::Secret(Secret::CloudPassword), None, "Password of the account."),
    key("accounts[].p12_password", Kind::Secret(Secret::P12Password), None, "Password of the account certificate, only if the usual one is refused."),
    key("accounts[].cars[].vin", Kind::Text, None, "Vehicle identification number. Cars are found without it; name one to give it a PIN or a name."),
    key("accounts[].cars[].pin", Kind::Secret(Secret::Pin), None, "The PIN that the app asks for before a command."),
    key("accounts[].cars[].name", Kind::Text, None, "What to call the car in Home Assistant."),
    key("accounts[].cars[].entities.show[]", Kind::Text, None, "Entities of this car to have in any case; goes above the list for all cars."),
    key("accounts[].cars[].entities.hide[]", Kind::Text, None, "Entities of this car to keep out; goes above the list for all cars."),
    key("certificates.app_cert", Kind::Text, Some("certs/app_cert.pem"), "Certificate of the app, PEM."),
    key("certificates.app_key", Kind::Text, Some("certs/app_key.pem"), "Private key of the app certificate, PEM."),
    key("cloud.base_url", Kind::Text, Some("https://appgateway.leapmotor-international.de"), "Address of the maker's cloud."),
    key("cloud.server_ca", Kind::Text, None, "PEM file with the authority that the cloud's own certificate is checked against."),
    key("cloud.server_identity", Kind::Choice(&["system_roots", "pinned_on_first_use", "dangerously_off"]), None, "How the cloud proves who it is, unless server_ca says so: system_roots, pinned_on_first_use (the default) or dangerously_off."),
    key("cloud.pinned_certificate", Kind::Text, None, "SHA-256 fingerprint of the only certificate to take for the cloud's, instead of the one seen first: 64 hexadecimal digits, with or without colons."),
    key("cloud.language", Kind::Text, Some("en-GB"), "Language of the cloud's messages, an IETF tag."),
    key("cloud.app_version", Kind::Text, Some("1.12.3"), "Version of the app that we introduce ourselves as."),
    key("cloud.policy_id", Kind::Text, Some("20260204"), "Version of the privacy policy that is accepted at sign-in."),
    key("cloud.loopback_only", Kind::Flag, Some("false"), ""),
    key("mqtt.host", Kind::Text, Some("127.0.0.1"), "Name or address of the broker."),
    key("mqtt.port", Kind::Number(1, 65_535), Some("1883"), "Port of the broker; with TLS usually 8883."),
    key("mqtt.username", Kind::Text, None, "User name at the broker."),
    key("mqtt.password", Kind::Secret(Secret::MqttPassword), None, "Password at the broker."),
    key("mqtt.base_topic", Kind::Text, Some("leapmotor2mqtt"), "First part of all our topics."),
    key("mqtt.discovery_prefix", Kind::Text, Some("homeassistant"), "Where Home Assistant looks for devices."),
    key("mqtt.status_topic", Kind::Text, Some("homeassistant/status"), "Where Home Assistant says that it has started."),
    key("mqtt.client_id", Kind::Text, None, "Our name at the broker; made up once when absent."),
    key("mqtt.qos", Kind::Number(0, 1), Some("1"), "Quality of service of values: 1 has the broker acknowledge each, 0 does not. Availability, discovery and answers always have 1."),
    key("mqtt.tls.enabled", Kind::Flag, None, "Encrypt the connection. Follows from the files below; needed alone for a broker with a public certificate."),
    key("mqtt.tls.ca", Kind::Text, None, "PEM file with the authority of the broker's certificate; absent: the system's."),
    key("mqtt.tls.client_cert", Kind::Text, None, "PEM file with our certificate, if the broker asks for one."),
    key("mqtt.tls.client_key", Kind::Text, None, "PEM file with the key of our certificate."),
    key("polling.daily_requests", Kind::Number(100, 100_000), Some("2500"), "Requests to the cloud a day and account, at most."),
    key("polling.parked_seconds", SECONDS, Some("60"), "Seconds between two readings of a parked car."),
    key("polling.driving_seconds", SECONDS, Some("15"), "Seconds between two readings of a driving car."),
    key("polling.charging_seconds", SECONDS, Some("60"), "Seconds between two readings of a car that charges with alternating current; with direct current it is half of it."),
    key("session.yield_minutes", Kind::Number(0, 240), Some("10"), "Minutes to give way when another client, such as the official app, signs in with the same account; 0: not at all."),
    key("commands.spacing_seconds", Kind::Number(1, 300), Some("10"), "Seconds from one command to the next of the same car."),
    key("commands.comfort", Kind::Flag, Some("true"), "Offer climate, charging, seats, find and the like."),
    key("commands.opening", Kind::Flag, Some("true"), "Offer unlock, trunk, windows, roof and charger lock."),
    key("commands.allow[]", Kind::Text, None, "Commands offered in addition, by name, even of the driving class."),
    key("commands.deny[]", Kind::Text, None, "Commands never offered, by name."),
    key("entities.show[]", Kind::Text, None, "Entities to have in Home Assistant although nothing speaks for them, by their keys (docs/entities.md)."),
    key("entities.hide[]", Kind::Text, None, "Entities to keep out of Home Assistant, by their keys."),
    not_yet("history.enabled", Kind::Flag, Some("true"), "Keep trips, charges and costs."),
    not_yet("history.database", Kind::Text, Some("history.db"), "Database file, inside the data directory unless absolute."),
    not_yet("alerts.enabled", Kind::Flag, Some("true"), "Watch for events that somebody wants to know of."),
    not_yet("telegram.enabled", Kind::Flag, Some("false"), "Answer and notify by a Telegram bot."),
    not_yet("telegram.token", Kind::Secret(Secret::TelegramToken), None, "Token of the bot."),
    not_yet("telegram.api_url", Kind::Text, Some("https://api.telegram.org"), "Address of the Bot API."),
    not_yet("admin.enabled", Kind::Flag, Some("true"), "Serve the admin page."),
    not_yet("admin.listen", Kind::Text, Some("127.0.0.1:8099"), "Address and port of the admin page."),
    not_yet("admin.session_days", Kind::Number(1, 365), Some("7"), "Days until the page asks for the password again."),
    not_yet("admin.session_cookie_secure", Kind::Flag, Some("true"), "Only false for plain HTTP in a trusted network."),
    not_yet("admin.trusted_proxies[]", Kind::Text, None, "Addresses or networks whose X-Forwarded headers are believed."),
    not_yet("admin.cors_origins[]", Kind::Text, None, "Other origins that may call the page's interface."),
    key("health.listen", Kind::Text, Some("127.0.0.1:8098"), "Address and port where /healthz tells whether the bridge lives; what `healthcheck` asks."),
    not_yet("hooks.*", Kind::Text, None, "Command line to run on the event of this name; split like a shell does, run without one."),
    key("language", Kind::Text, Some("en"), "Language of names and notifications."),
    key("time_zone", Kind::Text, None, "IANA time zone of days, months and tariffs; absent: the system's."),
    not_yet("currency", Kind::Text, Some("EUR"), "Currency of costs, three letters."),
    key("data_dir", Kind::Text, Some("data"), "Directory for everything that is remembered."),
    key("vault_key", Kind::Secret(Secret::VaultKey), None, "Key that stored secrets are encrypted with, 32 bytes in base64; absent: a file in the data directory, made at first start."),
    key("log.level", Kind::Choice(&["error", "warn", "info", "debug", "trace"]), Some("info"), "What is logged: error, warn, info, debug or trace."),
    key("log.format", Kind::Choice(&["text", "json"]), Some("text"), "How it is logged: text or json."),
];

/// Names that are not ours, or not any more, and what we call the thing.
pub const RENAMED: &[(&str, &str)] = &[
    ("accounts[].email", "accounts[].username"),
    ("log_level", "log.level"),
    ("mqtt.broker", "mqtt.host"),
    ("mqtt.prefix", "mqtt.base_topic"),
    ("mqtt.topic_prefix", "mqtt.base_topic"),
    ("mqtt.user", "mqtt.username"),
    ("polling.interval_seconds", "polling.parked_seconds"),
    ("timezone", "time_zone"),
];

/// Environment variables whose name does not follow from the path of their key.
pub const VARIABLES: &[(&str, &str)] = &[("LEAPMOTOR2MQTT_LOOPBACK_ONLY", "cloud.loopback_only")];

const fn key(path: &'static str, kind: Kind, default: Option<&'static str>, doc: &'static str) -> Key {
    Key {
        path,
        kind,
        default,
        doc,
        not_yet: false,
    }
}

const fn not_yet(path: &'static str, kind: Kind, default: Option<&'static str>, doc: &'static str) -> Key {
    Key {
        not_yet: true,
        ..key(path, kind, default, doc)
    }
}

/// The environment variable of a row, as examples show it: the first place of a list, `<EVENT>` for a chosen name.
pub fn variable(row: &Key) -> String {
    // A list of plain values fits into one variable, separated by commas.
    let path = row.path.strip_suffix("[]").unwrap_or(row.path);
    let name = segments(path)
        .map(|segment| match segment {
            "[]" => "0".to_owned(),
            "*" => "CAR_UNLOCKED".to_owned(),
            name => name.to_ascii_uppercase(),
        })
        .collect::<Vec<_>>()
        .join("__");
    format!("{ENVIRONMENT_PREFIX}{name}")
}

/// The text of `.env.example`.
pub fn environment_example() -> String {
    let mut text = String::from(
        "# Every setting as an environment variable. They go above config.yaml; an empty one counts as not set.\n\
         # Text stays as it is written: a PIN of 0123 needs no quotes. A secret can also be read from a file:\n\
         # append _FILE to its name and give the path. Further accounts and cars count up: …ACCOUNTS__1__USERNAME.\n\
         # Or all at once: LEAPMOTOR2MQTT_ACCOUNTS=[{username=owner@example.com, password=secret, cars=[{vin=…, pin=0123}]}]\n",
    );
    for row in KEYS.iter().filter(|row| !row.doc.is_empty()) {
        let (variable, default) = (variable(row), row.default.unwrap_or_default());
        let note = if row.not_yet { " Not in this version yet." } else { "" };
        text.push_str(&format!("\n# {}{note}\n#{variable}={default}\n", row.doc));
        if matches!(row.kind, Kind::Secret(_)) {
            text.push_str(&format!("#{variable}_FILE=\n"));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::store::secret::SECRETS;

    #[test]
    fn renamed_keys_lead_to_keys_that_exist() {
        for (old, new) in RENAMED {
            assert!(KEYS.iter().all(|row| row.path != *old), "{old} is in use");
            assert!(KEYS.iter().any(|row| row.path == *new), "{new} does not exist");
        }
    }

    #[test]
    fn secrets_of_the_configuration_are_those_of_the_table_of_secrets() {
        let here: BTreeSet<_> = KEYS
            .iter()
            .filter_map(|row| match row.kind {
                Kind::Secret(secret) => Some((secret.name(), row.path)),
                _ => None,
            })
            .collect();
        let there = SECRETS.iter().filter_map(|row| Some((row.name, row.key?))).collect();
        assert_eq!(here, there);
    }
}
