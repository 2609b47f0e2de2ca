//! The add-on's folder: what the Supervisor demands of it, and that options, translations and settings belong together.
//!
//! The rules are the Supervisor's published ones (supervisor/apps/validate.py and options.py), told here in our own words.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use leapmotor2mqtt::config::keys::{KEYS, Kind};
use leapmotor2mqtt::config::{Loaded, LogLevel, Settings, Sources, load};
use leapmotor2mqtt::homeassistant::Language;
use secrecy::ExposeSecret;
use serde_json::{Map, Value, json};

/// Keys without which the Supervisor does not take an add-on.
const REQUIRED: &[&str] = &["name", "version", "slug", "description", "arch"];

/// Keys that we use beyond them. The Supervisor drops what it does not know without a word, so a mistyped one shows here.
const OPTIONAL: &[&str] = &[
    "arch",
    "backup",
    "backup_exclude",
    "boot",
    "breaking_versions",
    "homeassistant",
    "image",
    "init",
    "map",
    "options",
    "schema",
    "services",
    "stage",
    "startup",
    "timeout",
    "url",
    "watchdog",
];

/// Keys that open something to the add-on, which it must not have.
const DANGEROUS: &[&str] = &[
    "apparmor",
    "auth_api",
    "devices",
    "docker_api",
    "full_access",
    "hassio_api",
    "hassio_role",
    "homeassistant_api",
    "host_dbus",
    "host_ipc",
    "host_network",
    "host_pid",
    "host_uts",
    "kernel_modules",
    "ports",
    "privileged",
    "stdin",
];

/// A place in a tree of options, as `accounts.username`.
type Place = String;

pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("ha-addon")
}

pub fn yaml(file: &Path) -> Value {
    yaml_serde::from_str(&fs::read_to_string(file).unwrap())
        .unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

pub fn manifest() -> Value {
    yaml(&folder().join("config.yaml"))
}

fn section(value: &Value) -> &Map<String, Value> {
    value.as_object().unwrap()
}

/// Every single option of a schema with its type.
fn options(schema: &Value) -> Vec<(Place, String)> {
    let mut found = Vec::new();
    for (name, element) in section(schema) {
        // A list has one element, which stands for all.
        let element = element.as_array().map_or(element, |list| &list[0]);
        match element {
            Value::String(kind) => found.push((name.clone(), kind.clone())),
            below => found.extend(
                options(below)
                    .into_iter()
                    .map(|(place, kind)| (format!("{name}.{place}"), kind)),
            ),
        }
    }
    found
}

/// Whether the Supervisor knows this type of an option.
fn is_type(text: &str) -> bool {
    let text = text.strip_suffix('?').unwrap_or(text);
    let (name, inside) = match text.strip_suffix(')').and_then(|text| text.split_once('(')) {
        Some((name, inside)) => (name, Some(inside)),
        None => (text, None),
    };
    let is_range = |is_number: fn(&str) -> bool| {
        inside.is_none_or(|range| {
            let ends = range.split_once(',');
            ends.is_some_and(|(low, high)| [low, high].iter().all(|end| end.is_empty() || is_number(end)))
        })
    };
    match name {
        "bool" | "email" | "url" | "port" => inside.is_none(),
        "str" | "password" => is_range(|end| end.parse::<u32>().is_ok()),
        "int" => is_range(|end| end.parse::<i64>().is_ok()),
        "float" => is_range(|end| end.parse::<f64>().is_ok()),
        "match" => inside.is_some(),
        "list" => inside.is_some_and(|words| !words.is_empty()),
        "device" => inside.is_none_or(|filter| filter.starts_with("subsystem=")),
        _ => false,
    }
}

#[test]
fn the_types_of_options_are_told_apart() {
    for good in [
        "str",
        "str?",
        "int(5,)",
        "int(-1,10)?",
        "float(,.5)",
        "list(a|b)",
        "match(^\\d+$)",
        "device(subsystem=tty)",
    ] {
        assert!(is_type(good), "{good}");
    }
    for bad in [
        "string", "int(5)", "int(a,b)", "list()", "bool(1)", "str(", "str??", "text", "list", "match",
    ] {
        assert!(!is_type(bad), "{bad}");
    }
}

#[test]
fn the_manifest_is_one_that_the_supervisor_takes() {
    let manifest = manifest();
    for key in REQUIRED {
        assert!(manifest.get(key).is_some(), "{key} is missing");
    }
    for key in section(&manifest).keys() {
        let key = key.as_str();
        assert!(REQUIRED.contains(&key) || OPTIONAL.contains(&key), "{key} is not known");
        assert!(!DANGEROUS.contains(&key), "{key} opens something");
    }
    let text = |key: &str| manifest[key].as_str().unwrap_or_else(|| panic!("{key} is no text"));
    let is_one_of = |key: &str, words: &[&str]| assert!(words.contains(&text(key)), "{key}: {}", text(key));
    is_one_of("startup", &["initialize", "system", "services", "application", "once"]);
    is_one_of("boot", &["auto", "manual", "manual_only"]);
    is_one_of("stage", &["stable", "experimental", "deprecated"]);
    is_one_of("backup", &["hot", "cold"]);
    assert_eq!(text("slug"), "leapmotor2mqtt");
    assert_eq!(manifest["arch"], json!(["amd64", "aarch64"]));
    assert_eq!(manifest["services"], json!(["mqtt:want"]));
    assert_eq!(manifest["map"], json!([{"type": "addon_config", "read_only": true}]));
    assert_eq!(
        manifest["init"],
        json!(false),
        "the program is the first process itself"
    );
    assert!((10..=300).contains(&manifest["timeout"].as_u64().unwrap()));
    assert!(text("url").starts_with("https://"));
    let image = text("image");
    assert!(
        image.starts_with("ghcr.io/") && !image.contains([':', '{']),
        "{image}: one name for all, without a tag"
    );
    for version in manifest["breaking_versions"].as_array().unwrap() {
        let parts = version
            .as_str()
            .unwrap()
            .split('.')
            .filter(|part| part.parse::<u32>().is_ok());
        assert_eq!(parts.count(), 3, "{version}");
    }
}

#[test]
fn the_watchdog_asks_where_the_add_on_answers() {
    let manifest = manifest();
    let watchdog = manifest["watchdog"].as_str().unwrap();
    let port = leapmotor2mqtt::addon::HEALTH.port();
    assert_eq!(watchdog, format!("http://[HOST]:[PORT:{port}]/healthz"));
}

#[test]
fn versions_are_those_of_the_program() {
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(
        manifest()["version"],
        json!(version),
        "scripts/publish-addon fills it in, this keeps the two together"
    );
    let changes = fs::read_to_string(folder().join("CHANGELOG.md")).unwrap();
    assert!(
        changes.lines().any(|line| line == format!("## {version}")),
        "CHANGELOG.md says nothing of {version}"
    );
}

#[test]
fn every_option_has_a_type_and_nobody_has_to_fill_in_anything_before_the_first_start() {
    let manifest = manifest();
    let (schema, defaults) = (section(&manifest["schema"]), section(&manifest["options"]));
    for (place, kind) in options(&manifest["schema"]) {
        assert!(is_type(&kind), "{place}: {kind}");
        // The Supervisor compares the text itself with such bounds, which never fits.
        assert!(
            !kind.starts_with("str(") && !kind.starts_with("password("),
            "{place}: {kind}"
        );
    }
    let names = |section: &Map<String, Value>| section.keys().cloned().collect::<Vec<_>>();
    assert_eq!(
        names(schema),
        names(defaults),
        "what has no default is demanded before the start"
    );
    for (name, element) in schema {
        let default = &defaults[name];
        let fits = match element {
            Value::Array(_) => default == &json!([]),
            Value::Object(below) => {
                default == &json!({}) && below.values().all(|kind| kind.as_str().unwrap().ends_with('?'))
            }
            kind => choices(kind.as_str().unwrap()).contains(&default.as_str().unwrap()),
        };
        assert!(fits, "{name}: {default}");
    }
}

/// The words of a `list(…)`.
fn choices(kind: &str) -> Vec<&str> {
    let inside = kind
        .strip_prefix("list(")
        .and_then(|rest| rest.trim_end_matches('?').strip_suffix(')'));
    inside.map_or_else(Vec::new, |words| words.split('|').collect())
}

#[test]
fn every_option_has_the_range_of_its_setting() {
    for (place, kind) in options(&manifest()["schema"]) {
        let path = match place.as_str() {
            "log_level" => "log.level".to_owned(),
            // Says below which account the car belongs; no setting of its own.
            "cars.account" => continue,
            place => match place.split_once('.') {
                Some(("accounts", key)) => format!("accounts[].{key}"),
                Some(("cars", key)) => format!("accounts[].cars[].{key}"),
                _ => place.to_owned(),
            },
        };
        let row = KEYS.iter().find(|row| row.path == path);
        let row = row.unwrap_or_else(|| panic!("{place}: there is no setting {path}"));
        let bare = kind.trim_end_matches('?');
        match row.kind {
            Kind::Number(1, 65_535) => assert_eq!(bare, "port", "{place}"),
            Kind::Number(low, high) => assert_eq!(bare, format!("int({low},{high})"), "{place}"),
            Kind::Choice(words) => assert_eq!(choices(&kind), words, "{place}"),
            _ if place == "language" => assert_eq!(choices(&kind), Language::ALL.map(Language::code), "{place}"),
            Kind::Secret(_) if place.ends_with("password") => assert_eq!(bare, "password", "{place}"),
            // The Supervisor asks a list of leaked passwords about every `password`, which tells a PIN.
            Kind::Secret(_) => assert_eq!(bare, "str", "{place}"),
            Kind::Flag => assert_eq!(bare, "bool", "{place}"),
            Kind::Text => assert!(["str", "email"].contains(&bare), "{place}: {kind}"),
        }
    }
}

/// What these options make of the settings, or nobody's options.
fn loaded(options: Option<&Value>) -> Loaded {
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = directory.path().join(name);
        fs::write(&path, text).unwrap();
        path
    };
    let sources = Sources {
        config_file: Some(file("config.yaml", "")),
        addon_options: options.map(|options| file("options.json", &options.to_string())),
        ..Sources::default()
    };
    load(sources).unwrap()
}

fn settings(options: Option<&Value>) -> Settings {
    loaded(options).settings
}

#[test]
fn every_option_reaches_its_setting_and_a_pin_keeps_its_zero() {
    let settings = settings(Some(&json!({
        "accounts": [{"username": "owner@example.com", "password": "true"}],
        "cars": [{"vin": "LFZTEST0000000001", "pin": "0123", "name": "Family car", "account": "owner@example.com"}],
        "language": "de",
        "polling": {"parked_seconds": 61, "driving_seconds": 16, "charging_seconds": 31, "daily_requests": 2501},
        "mqtt": {"host": "broker", "port": 1884, "username": "user", "password": "1e3"},
        "log_level": "trace",
    })));
    let account = &settings.accounts[0];
    let exposed = |secret: &Option<secrecy::SecretString>| secret.as_ref().unwrap().expose_secret().to_owned();
    assert_eq!(
        (account.username.as_str(), exposed(&account.password)),
        ("owner@example.com", "true".to_owned())
    );
    let car = &account.cars[0];
    assert_eq!(
        (car.vin.as_str(), exposed(&car.pin)),
        ("LFZTEST0000000001", "0123".to_owned())
    );
    assert_eq!(car.name.as_deref(), Some("Family car"));
    assert_eq!(
        (settings.language.as_str(), settings.log.level),
        ("de", LogLevel::Trace)
    );
    let polling = &settings.polling;
    assert_eq!((polling.parked_seconds, polling.driving_seconds), (61, 16));
    assert_eq!((polling.charging_seconds, polling.daily_requests), (31, 2501));
    let mqtt = &settings.mqtt;
    assert_eq!(
        (mqtt.host.as_str(), mqtt.port, mqtt.username.as_deref()),
        ("broker", 1884, Some("user"))
    );
    assert_eq!(exposed(&mqtt.password), "1e3");
    assert!(!mqtt.from_supervisor && settings.is_addon);
}

#[test]
fn the_options_that_an_add_on_starts_with_are_the_defaults_of_the_program() {
    let defaults = loaded(Some(&manifest()["options"]));
    assert_eq!(defaults.warnings, Vec::<String>::new());
    let defaults = defaults.settings;
    assert!(defaults.accounts.is_empty() && defaults.mqtt.from_supervisor);
    let elsewhere = settings(None);
    assert_eq!(defaults.polling, elsewhere.polling);
    assert_eq!((defaults.language, defaults.log), (elsewhere.language, elsewhere.log));
}

/// Every name and description of a translation, by the place of its option.
fn translated(fields: &Value) -> Vec<(Place, String, String)> {
    let mut found = Vec::new();
    for (name, entry) in section(fields) {
        let text = |key: &str| entry[key].as_str().unwrap_or_default().to_owned();
        found.push((name.clone(), text("name"), text("description")));
        if let Some(below) = entry.get("fields") {
            let below = translated(below).into_iter();
            found.extend(below.map(|(place, called, told)| (format!("{name}.{place}"), called, told)));
        }
    }
    found
}

/// Every place that wants a name: the options, and the sections and lists they stand in.
fn named_places(schema: &Value) -> BTreeSet<Place> {
    let singles = options(schema).into_iter().map(|(place, _)| place);
    let groups = section(schema).keys().cloned();
    singles.chain(groups).collect()
}

#[test]
fn every_option_has_a_name_and_a_description_in_all_eight_languages() {
    let wanted = named_places(&manifest()["schema"]);
    let translations = folder().join("translations");
    let files = fs::read_dir(&translations).unwrap().count();
    assert_eq!(files, Language::ALL.len(), "a file for every language and nothing else");
    let english = translated(&yaml(&translations.join("en.yaml"))["configuration"]);
    for language in Language::ALL {
        let code = language.code();
        let file = yaml(&translations.join(format!("{code}.yaml")));
        assert_eq!(section(&file).keys().collect::<Vec<_>>(), ["configuration"], "{code}");
        let found = translated(&file["configuration"]);
        let places: BTreeSet<Place> = found.iter().map(|(place, ..)| place.clone()).collect();
        assert_eq!(places, wanted, "{code}");
        for (place, name, description) in &found {
            assert!(
                !name.is_empty() && description.ends_with('.'),
                "{code} {place}: {name:?}, {description:?}"
            );
            let same = english.iter().any(|(_, _, text)| text == description);
            assert_eq!(same, code == "en", "{code} {place} is not translated: {description}");
        }
    }
}

#[test]
fn the_pictures_have_the_sizes_that_home_assistant_asks_for() {
    for (name, size) in [("icon.png", (128, 128)), ("logo.png", (250, 100))] {
        let bytes = fs::read(folder().join(name)).unwrap();
        assert_eq!(&bytes[..8], b"\x89PNG\r\n\x1a\n", "{name}");
        let number = |at: usize| u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap());
        assert_eq!((number(16), number(20)), size, "{name}");
    }
}

#[test]
fn the_profile_confines_the_program_and_nothing_else() {
    let profile = fs::read_to_string(folder().join("apparmor.txt")).unwrap();
    let names: Vec<&str> = profile
        .lines()
        .filter_map(|line| line.strip_prefix("profile ")?.split(' ').next())
        .collect();
    assert_eq!(
        names,
        ["leapmotor2mqtt"],
        "one profile, whose name the Supervisor replaces"
    );
    let rules = || profile.lines().map(str::trim).filter(|line| !line.starts_with('#'));
    let programs: Vec<&str> = rules()
        .filter(|rule| rule.ends_with("ix,") || rule.ends_with(" ux,"))
        .collect();
    assert_eq!(programs, ["/usr/local/bin/leapmotor2mqtt mrix,"]);
    for rule in ["capability chown,", "/data/ rw,", "/data/** rwk,"] {
        assert!(
            rules().any(|line| line == rule),
            "without `{rule}` /data cannot be handed over, and root is not given up"
        );
    }
    for broad in [
        "file,",
        "network,",
        "capability,",
        "mount",
        "ptrace",
        "network raw",
        "sys_admin",
        "net_raw",
        "/** ",
    ] {
        let found = rules().find(|rule| rule.starts_with(broad) || (broad.contains("_") && rule.contains(broad)));
        assert_eq!(found, None, "{broad}");
    }
}
