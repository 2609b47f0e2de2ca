//! What users may write into `config.yaml` and the environment, and what they are told when it is wrong.

#![allow(
    clippy::unwrap_used,
    reason = "a test fails by panicking, also in what its cases share"
)]

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use leapmotor2mqtt::config::keys::{ENVIRONMENT_PREFIX, KEYS, Kind, variable};
use leapmotor2mqtt::config::{EntityNames, Loaded, ServerIdentity, Settings, Sources, environment_example, load};
use leapmotor2mqtt::store::vault::KeySource;
use secrecy::{ExposeSecret, SecretString};

const VIN: &str = "LFZTEST0000000001";

fn root(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn variables(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    let named = |(name, value): &(&str, &str)| (format!("{ENVIRONMENT_PREFIX}{name}"), (*value).to_owned());
    pairs.iter().map(named).collect()
}

/// A configuration in a directory of its own.
struct Case {
    directory: tempfile::TempDir,
    sources: Sources,
}

impl Case {
    fn yaml(text: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("config.yaml");
        fs::write(&file, text).unwrap();
        fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
        let sources = Sources {
            config_file: Some(file),
            ..Sources::default()
        };
        Self { directory, sources }
    }

    fn environment(pairs: &[(&str, &str)]) -> Self {
        Self::yaml("").with(pairs)
    }

    fn with(mut self, pairs: &[(&str, &str)]) -> Self {
        self.sources.environment.extend(variables(pairs));
        self
    }

    fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.directory.path().join(name);
        fs::write(&path, text).unwrap();
        path
    }

    fn load(&self) -> Loaded {
        load(self.sources.clone()).unwrap()
    }

    fn settings(&self) -> Settings {
        self.load().settings
    }

    /// The one line that the user sees.
    fn error(&self) -> String {
        let line = load(self.sources.clone()).unwrap_err().to_string();
        assert_eq!(line.lines().count(), 1, "{line}");
        line
    }

    fn fails_with(&self, parts: &[&str]) {
        let line = self.error();
        for part in parts {
            assert!(line.contains(part), "`{part}` is missing in: {line}");
        }
    }
}

fn plain(secret: &Option<SecretString>) -> Option<&str> {
    secret.as_ref().map(ExposeSecret::expose_secret)
}

#[test]
fn the_example_loads_as_it_stands() {
    let sources = Sources {
        config_file: Some(root("config.yaml")),
        ..Sources::default()
    };
    let loaded = load(sources).unwrap();
    assert!(loaded.settings.accounts.is_empty());
    assert_eq!(
        loaded.warnings,
        Vec::<String>::new(),
        "the example holds no secrets and asks for nothing that is not there yet"
    );
}

#[test]
fn the_example_shows_the_defaults() {
    let example = Sources {
        config_file: Some(root("config.yaml")),
        ..Sources::default()
    };
    let example = load(example).unwrap().settings;
    assert_eq!(format!("{example:?}"), format!("{:?}", Case::yaml("").settings()));
}

#[test]
fn the_environment_example_names_every_key_and_only_those() {
    let file = root(".env.example");
    if std::env::var_os("UPDATE_EXAMPLES").is_some() {
        fs::write(&file, environment_example()).unwrap();
    }
    let text = fs::read_to_string(&file).unwrap();
    assert_eq!(text, environment_example(), "run this test with UPDATE_EXAMPLES=1");
    let named = text
        .lines()
        .filter_map(|line| line.strip_prefix("#LEAPMOTOR2MQTT_")?.split_once('='));
    let named: Vec<_> = named.map(|(name, _)| format!("{ENVIRONMENT_PREFIX}{name}")).collect();
    let mut expected = Vec::new();
    for row in KEYS.iter().filter(|row| !row.doc.is_empty()) {
        expected.push(variable(row));
        if matches!(row.kind, Kind::Secret(_)) {
            expected.push(format!("{}_FILE", variable(row)));
        }
    }
    assert_eq!(named, expected);
}

#[test]
fn every_default_can_be_given_by_its_variable() {
    let mut case = Case::yaml("");
    for row in KEYS.iter().filter(|row| !row.doc.is_empty()) {
        let default = row.default.map(str::to_owned);
        case.sources
            .environment
            .extend(default.map(|default| (variable(row), default)));
    }
    let loaded = case.load();
    assert_eq!(loaded.warnings, Vec::<String>::new(), "the defaults ask for nothing");
    assert_eq!(
        format!("{:?}", loaded.settings),
        format!("{:?}", Case::yaml("").settings())
    );
}

#[test]
fn later_sources_win() {
    let mut case = Case::yaml("mqtt: {host: from-file, port: 1, username: file}")
        .with(&[("MQTT__HOST", "from-env"), ("MQTT__PORT", "2")]);
    case.sources.addon_options = Some(case.file("options.json", r#"{"mqtt": {"port": 3}, "accounts": []}"#));
    case.sources.overrides = vec![("mqtt.port".into(), "4".into())];
    let mqtt = case.settings().mqtt;
    assert_eq!(
        (mqtt.host.as_str(), mqtt.port, mqtt.username.as_deref()),
        ("from-env", 4, Some("file"))
    );
    case.sources.overrides.clear();
    assert_eq!(case.settings().mqtt.port, 3);
}

#[test]
fn text_from_the_environment_stays_text() {
    for text in [
        "0123",
        "true",
        "12345678",
        "1e3",
        "null",
        "~",
        "[a",
        "{x=1}",
        " blank ",
        "a,b",
        "\"quoted\"",
    ] {
        let settings = Case::environment(&[
            ("ACCOUNTS__0__USERNAME", "owner@example.com"),
            ("ACCOUNTS__0__PASSWORD", text),
            ("ACCOUNTS__0__CARS__0__VIN", VIN),
            ("ACCOUNTS__0__CARS__0__PIN", text),
            ("MQTT__PASSWORD", text),
        ])
        .settings();
        let account = &settings.accounts[0];
        assert_eq!(plain(&account.password), Some(text));
        assert_eq!(plain(&account.cars[0].pin), Some(text));
        assert_eq!(plain(&settings.mqtt.password), Some(text));
    }
}

#[test]
fn text_in_the_file_stays_text_even_without_quotes() {
    let yaml = format!(
        "accounts:\n- username: a\n  password: true\n  cars: [{{vin: {VIN}, pin: 0123}}]\nmqtt: {{password: 1e3}}\ncloud: {{policy_id: 020}}\n"
    );
    let settings = Case::yaml(&yaml).settings();
    assert_eq!(plain(&settings.accounts[0].password), Some("true"));
    assert_eq!(plain(&settings.accounts[0].cars[0].pin), Some("0123"));
    assert_eq!(plain(&settings.mqtt.password), Some("1e3"));
    assert_eq!(settings.cloud.policy_id, "020");
}

#[test]
fn a_list_fits_into_one_variable() {
    for list in [
        format!(r#"[{{"username":"a","password":"true","cars":[{{"vin":"{VIN}","pin":"0123"}}]}},{{"username":"b"}}]"#),
        format!("[{{username=a,password=true,cars=[{{vin={VIN},pin=0123}}]}},{{username=b}}]"),
    ] {
        let case =
            Case::yaml("accounts: [{username: file}, {username: x}, {username: y}]").with(&[("ACCOUNTS", &list)]);
        let accounts = case.settings().accounts;
        let names: Vec<_> = accounts.iter().map(|account| account.username.as_str()).collect();
        assert_eq!(names, ["a", "b"], "a list replaces that of the file");
        assert_eq!(plain(&accounts[0].password), Some("true"));
        assert_eq!(plain(&accounts[0].cars[0].pin), Some("0123"));
    }
    for list in ["on3, autopark", "[on3, autopark]", r#"["on3","autopark"]"#] {
        assert_eq!(
            Case::environment(&[("COMMANDS__ALLOW", list)])
                .settings()
                .commands
                .allow,
            ["on3", "autopark"]
        );
    }
}

#[test]
fn a_command_that_does_not_exist_is_named_with_the_nearest_that_does() {
    let case = Case::yaml("commands: {allow: [autopark, speed-limt]}");
    case.fails_with(&["config.yaml", "`commands.allow[1]`", "`speed-limt`", "`speed-limit`"]);
    let case = Case::environment(&[("COMMANDS__DENY", "unlok")]);
    case.fails_with(&["LEAPMOTOR2MQTT_COMMANDS__DENY", "`commands.deny[0]`", "`unlock`"]);
    let aliases = Case::yaml("commands: {allow: [on3, SOFTWARE_INSTALL]}");
    assert_eq!(aliases.settings().commands.allow.len(), 2);
}

/// As if there were three entities.
fn with_entities(yaml: &str) -> Case {
    let mut case = Case::yaml(yaml);
    case.sources.entities = EntityNames {
        car: vec!["battery_level", "trunk"],
        bridge: vec!["bridge_problem"],
        renamed: vec![("soc", "battery_level")],
    };
    case
}

#[test]
fn an_entity_is_wanted_or_not_for_all_cars_or_for_one() {
    let settings = with_entities(&format!(
        "{{entities: {{show: [battery_level], hide: [bridge_problem]}},
           accounts: [{{username: a, cars: [{{vin: {VIN}, entities: {{hide: [battery_level]}}}}]}}]}}"
    ))
    .settings();
    assert!(settings.entities.show.contains("battery_level") && settings.entities.hide.contains("bridge_problem"));
    assert!(settings.accounts[0].cars[0].entities.hide.contains("battery_level"));
}

#[test]
fn an_entity_that_cannot_be_wanted_is_refused_with_the_reason() {
    let of_a_car = |entities: &str| {
        with_entities(&format!(
            "{{accounts: [{{username: a, cars: [{{vin: {VIN}, entities: {entities}}}]}}]}}"
        ))
    };
    with_entities("entities: {hide: [batery_level]}").fails_with(&[
        "config.yaml",
        "`entities.hide[0]`",
        "`batery_level`",
        "`battery_level`",
    ]);
    with_entities("entities: {show: [trunk, soc]}").fails_with(&["`entities.show[1]`", "`battery_level`", "`soc`"]);
    with_entities("entities: {show: [trunk], hide: [trunk]}").fails_with(&["`entities.hide[0]`", "both"]);
    let place = "`accounts[0].cars[0].entities.show[0]`";
    of_a_car("{show: [bridge_problem]}").fails_with(&[place, "one of the bridge"]);
    of_a_car("{show: [bridge_problm]}").fails_with(&[place, "the nearest known name is `"]);
    of_a_car("{shows: [trunk]}").fails_with(&["accounts[0].cars[0].entities.shows", "accounts[].cars[].entities.show"]);
}

#[test]
fn a_single_place_of_a_list_can_be_changed_from_the_environment() {
    let yaml = "accounts: [{username: first}, {username: second, p12_password: kept}]";
    let accounts = Case::yaml(yaml)
        .with(&[("ACCOUNTS__1__PASSWORD", "0123")])
        .settings()
        .accounts;
    assert_eq!(accounts.len(), 2);
    assert_eq!(accounts[1].username, "second");
    assert_eq!(plain(&accounts[1].password), Some("0123"));
    assert_eq!(plain(&accounts[1].p12_password), Some("kept"));
}

#[test]
fn a_secret_can_be_read_from_a_file() {
    let case = Case::yaml("mqtt: {password: low}");
    let file = case.file("secret", "0123\n").display().to_string();
    let vault_key = "07".repeat(32);
    let key_file = case.file("key", &format!("{vault_key}\n")).display().to_string();
    let case = case.with(&[("MQTT__PASSWORD_FILE", &file), ("VAULT_KEY_FILE", &key_file)]);
    let settings = case.settings();
    assert_eq!(plain(&settings.mqtt.password), Some("0123"));
    let KeySource::Given { key, origin } = settings.vault_key else {
        panic!("the key was given")
    };
    assert_eq!(
        (key.expose_secret(), origin),
        (vault_key.as_str(), format!("file {key_file}"))
    );

    case.file("secret", "\n");
    case.fails_with(&["LEAPMOTOR2MQTT_MQTT__PASSWORD_FILE", "mqtt.password_file", "empty"]);
    let missing = Case::yaml("telegram: {token_file: /nowhere/token}");
    missing.fails_with(&["config.yaml", "telegram.token_file", "/nowhere/token"]);
    let both = case.file("both", "x").display().to_string();
    Case::yaml(&format!("mqtt: {{password: a, password_file: {both}}}")).fails_with(&["`mqtt.password`", "not both"]);
    Case::environment(&[("MQTT__PASSWORD", "a"), ("MQTT__PASSWORD_FILE", &both)])
        .fails_with(&["`mqtt.password`", "not both"]);
}

#[test]
fn an_unknown_key_is_named_with_its_source_and_the_nearest_known_key() {
    Case::yaml("mqtt: {hots: x}").fails_with(&["config.yaml", "`mqtt.hots`", "`mqtt.host`"]);
    Case::yaml("mqqt: {host: x}").fails_with(&["config.yaml", "`mqqt`", "`mqtt`"]);
    let nested = Case::yaml("accounts: [{username: a, cars: [{vim: x}]}]");
    nested.fails_with(&["`accounts[0].cars[0].vim`", "`accounts[].cars[].vin`"]);
    Case::environment(&[("MQTT__HOTS", "x")]).fails_with(&["LEAPMOTOR2MQTT_MQTT__HOTS", "`mqtt.hots`", "`mqtt.host`"]);
    Case::environment(&[("MQTT_HOST", "x")]).fails_with(&["LEAPMOTOR2MQTT_MQTT_HOST", "`mqtt.host`"]);
    Case::environment(&[("ACCOUNTS", "[{usrname=a}]")])
        .fails_with(&["LEAPMOTOR2MQTT_ACCOUNTS", "`accounts[].username`"]);
    let mut options = Case::yaml("");
    options.sources.addon_options = Some(options.file("options.json", r#"{"langauge":"de"}"#));
    options.fails_with(&["options.json", "`langauge`", "`language`"]);
}

#[test]
fn a_renamed_key_leads_to_its_new_name() {
    Case::yaml("mqtt: {broker: x}").fails_with(&["config.yaml", "`mqtt.broker`", "`mqtt.host`"]);
    Case::environment(&[("TIMEZONE", "UTC")]).fails_with(&["LEAPMOTOR2MQTT_TIMEZONE", "`time_zone`"]);
}

#[test]
fn a_value_of_the_wrong_kind_is_named_with_its_source_and_what_was_expected() {
    Case::yaml("mqtt: {port: abc}").fails_with(&[
        "config.yaml",
        "`mqtt.port`",
        "whole number from 1 to 65535",
        "`abc`",
    ]);
    Case::environment(&[("MQTT__PORT", "70000")]).fails_with(&["LEAPMOTOR2MQTT_MQTT__PORT", "from 1 to 65535"]);
    Case::environment(&[("ADMIN__ENABLED", "yes")]).fails_with(&["LEAPMOTOR2MQTT_ADMIN__ENABLED", "true or false"]);
    Case::yaml("log: {level: loud}").fails_with(&["`log.level`", "one of error, warn"]);
    Case::yaml("accounts: {username: a}").fails_with(&["config.yaml", "`accounts`", "a list"]);
    Case::yaml("mqtt: 5").fails_with(&["config.yaml", "mqtt"]);
    Case::yaml("mqtt: {host: [a]}").fails_with(&["config.yaml", "mqtt.host"]);
    Case::yaml("admin: {listen: here}").fails_with(&["config.yaml", "`admin.listen`", "127.0.0.1:8099"]);
    Case::yaml("time_zone: Mars/Base").fails_with(&["config.yaml", "`time_zone`", "Mars/Base"]);
    Case::yaml("cloud: {base_url: 'http://x'}").fails_with(&["`cloud.base_url`", "https://"]);
    Case::yaml("mqtt: {host: 'mqtt://x:1883'}").fails_with(&["`mqtt.host`"]);
    Case::yaml("mqtt: {base_topic: 'a/#'}").fails_with(&["`mqtt.base_topic`"]);
    Case::yaml("admin: {cors_origins: ['*']}").fails_with(&["`admin.cors_origins[0]`"]);
    Case::yaml("admin: {trusted_proxies: [1.2.3.4, x]}").fails_with(&["`admin.trusted_proxies[1]`"]);
    Case::yaml("\"mqtt\\nx\": 1\n").fails_with(&["`mqtt x`"]);
    Case::yaml("mqtt: {port: \"1\\n2\"}").fails_with(&["`mqtt.port`", "`1 2`"]);
    Case::yaml("currency: euro").fails_with(&["`currency`", "EUR"]);
    for key in ["short".to_owned(), "0".repeat(66)] {
        Case::yaml(&format!("vault_key: '{key}'")).fails_with(&["config.yaml", "`vault_key`", "32 bytes in base64"]);
    }
    Case::environment(&[("VAULT_KEY", "AAAA")]).fails_with(&["LEAPMOTOR2MQTT_VAULT_KEY", "`vault_key`"]);
}

#[test]
fn settings_that_do_not_fit_together_are_refused() {
    Case::yaml("accounts: [{password: x}]").fails_with(&["config.yaml", "`accounts[0].username`", "given"]);
    Case::yaml("accounts: [{username: a}, {username: A}]").fails_with(&["`accounts[1].username`"]);
    Case::yaml("accounts: [{username: a, cars: [{pin: '1'}]}]").fails_with(&["`accounts[0].cars[0].vin`"]);
    Case::yaml("accounts: [{username: a, cars: [{vin: V}, {vin: V}]}]").fails_with(&["`accounts[0].cars[1].vin`"]);
    Case::yaml("accounts: [{username: a, cars: [{vin: 'V/1'}]}]").fails_with(&["`accounts[0].cars[0].vin`"]);
    Case::yaml("mqtt: {tls: {client_cert: x}}").fails_with(&["config.yaml", "`mqtt.tls.client_key`"]);
    Case::yaml("cloud: {server_ca: x, server_identity: system_roots}").fails_with(&["`cloud.server_identity`"]);
    Case::yaml("mqtt: {host: a, host: b}").fails_with(&["`mqtt.host`", "once"]);
}

#[test]
fn a_certificate_of_the_cloud_is_pinned_by_its_fingerprint_however_that_is_written() {
    let identity = |yaml: &str| Case::yaml(yaml).settings().cloud.server_identity;
    let pinned = ServerIdentity::Pinned([0xab; 32]);
    for text in ["ab".repeat(32), "AB".repeat(32), "AB:".repeat(31) + "ab"] {
        assert_eq!(identity(&format!("cloud: {{pinned_certificate: '{text}'}}")), pinned);
        let from_environment = Case::environment(&[("CLOUD__PINNED_CERTIFICATE", &text)]).settings();
        assert_eq!(from_environment.cloud.server_identity, pinned, "{text}");
        let with_rule = format!("cloud: {{pinned_certificate: '{text}', server_identity: pinned_on_first_use}}");
        assert_eq!(identity(&with_rule), pinned);
    }
    assert_eq!(
        identity("cloud: {pinned_certificate: ''}"),
        ServerIdentity::PinnedOnFirstUse
    );
}

#[test]
fn a_pinned_certificate_that_is_none_or_that_another_rule_excludes_is_refused() {
    let key = "`cloud.pinned_certificate`";
    for wrong in ["abcd", &"xy".repeat(32), &"ab".repeat(33)] {
        let case = Case::yaml(&format!("cloud: {{pinned_certificate: '{wrong}'}}"));
        case.fails_with(&["config.yaml", key, "64 hexadecimal digits"]);
    }
    let digest = "ab".repeat(32);
    for (other, part) in [
        ("server_ca: ca.pem", "`cloud.server_ca`"),
        ("server_identity: system_roots", "`cloud.server_identity`"),
        ("server_identity: dangerously_off", "`cloud.server_identity`"),
    ] {
        let case = Case::yaml(&format!("cloud: {{pinned_certificate: '{digest}', {other}}}"));
        case.fails_with(&["config.yaml", key, "absent", part]);
    }
}

#[test]
fn no_error_shows_a_secret() {
    let hidden = "hunter2";
    for case in [
        Case::environment(&[("ACCOUNTS", "[{username=a,password=hunter2")]),
        Case::environment(&[("ACCOUNTS", "hunter2")]),
        Case::yaml("accounts: [{username: a, password: [hunter2]}]"),
        Case::yaml("accounts: [{username: a, password: {x: hunter2}}]"),
        Case::yaml("accounts: hunter2"),
        Case::yaml("mqtt: {password: a, password: hunter2}"),
    ] {
        let line = case.error();
        assert!(!line.contains(hidden), "{line}");
    }
}

#[test]
fn files_that_cannot_be_read_are_named() {
    let case = |text: &str| Case::yaml(text);
    case("mqtt: [unclosed").fails_with(&["config.yaml", "line"]);
    let mut missing = case("");
    missing.sources.config_file = Some("/nowhere/config.yaml".into());
    missing.fails_with(&["/nowhere/config.yaml"]);
    let binary = case("");
    fs::write(binary.directory.path().join("config.yaml"), [0xff, 0xfe]).unwrap();
    binary.fails_with(&["config.yaml", "UTF-8"]);
    let mut options = case("");
    options.sources.addon_options = Some(options.file("options.json", "<html>"));
    options.fails_with(&["options.json", "section"]);
}

#[test]
fn hooks_are_split_like_a_shell_does() {
    let hook = |line: &str| Case::environment(&[("HOOKS__CAR_UNLOCKED", line)]);
    for (line, words) in [
        ("notify now", &["notify", "now"][..]),
        ("\"/opt/my tools/notify\" now", &["/opt/my tools/notify", "now"]),
        ("notify 'two words' $HOME", &["notify", "two words", "$HOME"]),
        (r"notify two\ words", &["notify", "two words"]),
    ] {
        assert_eq!(hook(line).settings().hooks["car_unlocked"], words, "{line}");
    }
    for line in ["notify 'open", "notify \"open"] {
        hook(line).fails_with(&[
            "LEAPMOTOR2MQTT_HOOKS__CAR_UNLOCKED",
            "`hooks.car_unlocked`",
            "quotes",
            line,
        ]);
    }
    hook("   ").fails_with(&["`hooks.car_unlocked`", "program"]);
    assert!(
        hook("").settings().hooks.is_empty(),
        "an empty variable counts as not set"
    );
}

#[test]
fn a_readable_file_with_secrets_is_warned_about() {
    let open = |text: &str| {
        let case = Case::yaml(text);
        let file = case.sources.config_file.clone().unwrap();
        fs::set_permissions(file, Permissions::from_mode(0o644)).unwrap();
        case.load().warnings
    };
    let warnings = open("mqtt: {password: x}");
    assert!(
        matches!(&warnings[..], [line] if line.contains("config.yaml") && line.contains("chmod 600")),
        "{warnings:?}"
    );
    assert!(open("mqtt: {username: x}").is_empty());
    assert!(Case::yaml("mqtt: {password: x}").load().warnings.is_empty());
}

#[test]
fn a_readable_file_with_a_single_secret_is_warned_about_too() {
    let case = Case::yaml("");
    let file = case.file("password", "hunter2");
    let named = file.display().to_string();
    let case = case.with(&[("MQTT__PASSWORD_FILE", &named), ("ACCOUNTS__0__PASSWORD_FILE", &named)]);
    let mut case = case.with(&[("ACCOUNTS__0__USERNAME", "owner@example.com")]);
    let warnings = |case: &Case, mode: u32| {
        fs::set_permissions(&file, Permissions::from_mode(mode)).unwrap();
        case.load().warnings
    };
    for mode in [0o644, 0o640] {
        let said = warnings(&case, mode);
        assert!(
            matches!(&said[..], [line] if line.contains(&named) && line.contains("chmod 600")),
            "{said:?}"
        );
    }
    assert_eq!(warnings(&case, 0o600), Vec::<String>::new());
    // The folder of an add-on is shared with the owner's editor.
    case.sources.addon_options = Some(case.file("options.json", "{}"));
    assert_eq!(warnings(&case, 0o644), Vec::<String>::new());
}

#[test]
fn a_section_that_this_version_does_nothing_with_is_said_once() {
    let said = |yaml: &str| Case::yaml(yaml).load().warnings;
    for (yaml, section) in [
        ("history: {database: trips.db}", "history"),
        (
            "telegram: {enabled: true, token: '1:x', api_url: 'http://x'}",
            "telegram",
        ),
        ("admin: {session_days: 3, trusted_proxies: [10.0.0.1]}", "admin"),
        ("hooks: {car_unlocked: notify, charge_ended: notify}", "hooks"),
        ("currency: USD", "currency"),
    ] {
        let said = said(yaml);
        let names = |line: &String| line.contains("config.yaml") && line.contains(&format!("`{section}` is set"));
        assert!(matches!(&said[..], [line] if names(line)), "{yaml}: {said:?}");
    }
    let several = Case::yaml("currency: USD").with(&[("HOOKS__CAR_UNLOCKED", "notify")]);
    assert_eq!(several.load().warnings.len(), 2);
    let token = Case::yaml("");
    let file = token.file("token", "1:x");
    fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
    let token = token.with(&[("TELEGRAM__TOKEN_FILE", &file.display().to_string())]);
    let said_of_token = token.load().warnings;
    assert!(
        matches!(&said_of_token[..], [line] if line.contains("TELEGRAM__TOKEN_FILE") && line.contains("`telegram`")),
        "{said_of_token:?}"
    );

    for yaml in [
        "history: {enabled: true, database: history.db}",
        "{history: {enabled: false}, alerts: {enabled: false}, admin: {enabled: false}}",
        "{hooks: {}, admin: {trusted_proxies: []}, currency: ''}",
        "language: de",
    ] {
        assert_eq!(said(yaml), Vec::<String>::new(), "{yaml}");
    }
}

#[test]
fn settings_never_print_a_secret() {
    let vault_key = "07".repeat(32);
    let yaml = format!(
        "accounts: [{{username: a, password: hunter2, cars: [{{vin: {VIN}, pin: 987123}}]}}]\nvault_key: '{vault_key}'"
    );
    let settings = Case::yaml(&yaml).settings();
    let shown = format!("{settings:?}");
    for hidden in ["hunter2", "987123", VIN, &vault_key] {
        assert!(!shown.contains(hidden), "{shown}");
    }
    assert_eq!(settings.secrets().len(), 3);
}

#[test]
fn the_fixed_keys_mean_what_they_say() {
    let settings = Case::yaml(
        "cloud: {base_url: 'https://127.0.0.1:4000/', server_ca: ca.pem}\n\
         mqtt: {tls: {ca: ca.pem, client_cert: c.pem, client_key: k.pem}}\n\
         commands: {spacing_seconds: 3}\ntime_zone: Europe/Rome\ndata_dir: /data\n",
    )
    .with(&[("LOOPBACK_ONLY", "true")])
    .settings();
    assert_eq!(settings.cloud.base_url, "https://127.0.0.1:4000");
    assert_eq!(
        settings.cloud.server_identity,
        ServerIdentity::Authority("ca.pem".into())
    );
    assert!(settings.cloud.loopback_only);
    let tls = settings.mqtt.tls.unwrap();
    let (certificate, key) = tls.client.unwrap();
    for (file, path, name) in [
        (tls.ca.unwrap(), "ca.pem", "mqtt.tls.ca"),
        (certificate, "c.pem", "mqtt.tls.client_cert"),
        (key, "k.pem", "mqtt.tls.client_key"),
    ] {
        assert_eq!((file.path.as_path(), file.key), (Path::new(path), name));
        assert!(file.origin.ends_with("config.yaml"), "{}", file.origin);
    }
    assert_eq!(settings.commands.spacing, Duration::from_secs(3));
    assert_eq!(settings.time_zone.iana_name(), Some("Europe/Rome"));
    assert_eq!(settings.history.database, Path::new("/data/history.db"));
    let defaults = Case::yaml("").settings();
    assert_eq!(defaults.cloud.server_identity, ServerIdentity::PinnedOnFirstUse);
    assert_eq!(defaults.mqtt.tls, None);
    assert_eq!(
        Case::yaml("mqtt: {tls: {enabled: true}}")
            .settings()
            .mqtt
            .tls
            .unwrap()
            .ca,
        None
    );
}
