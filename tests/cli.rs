//! The command line as its users and their scripts see it: what is printed where, and the exit code.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Value, json};

use support::client::{Client, retained, until_retained};
use support::mosquitto::Mosquitto;
use support::process::{self, Program};
use support::world::World;

const VECTORS: &str = include_str!("data/protocol/vectors.json");
const ENTITIES: &str = include_str!("data/ha-entities.csv");

/// A simulated clock that does not run.
const STANDING_CLOCK: &str = r#"{"start": "2026-11-21T06:00:00Z", "wall_start": "2026-11-21T06:00:00Z", "factor": 0}"#;

/// What a command printed and how it ended.
#[derive(Debug)]
struct Said {
    out: String,
    err: String,
    code: Option<i32>,
}

impl Said {
    fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|_| panic!("{self:?}"))
    }

    /// Wrong usage is told in one line, without a word on standard output.
    fn assert_one_line_of_error(&self, code: i32, words: &[&str]) {
        assert_eq!((self.code, self.out.as_str()), (Some(code), ""), "{self:?}");
        assert_eq!(self.err.trim_end().lines().count(), 1, "{self:?}");
        for word in words {
            assert!(self.err.contains(word), "no {word} in {self:?}");
        }
    }
}

fn say_in(directory: &Path, arguments: &[&str], input: &str) -> Said {
    let output = process::run(directory, arguments, input);
    Said {
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
        code: output.status.code(),
    }
}

fn say(arguments: &[&str]) -> Said {
    say_with(arguments, "")
}

fn say_with(arguments: &[&str], input: &str) -> Said {
    say_in(tempfile::tempdir().unwrap().path(), arguments, input)
}

/// A status answer as recorded from a C10.
fn recorded_status() -> String {
    let vectors: Value = serde_json::from_str(VECTORS).unwrap();
    let all = vectors["status"].as_array().unwrap();
    let parked = all.iter().find(|vector| vector["name"] == "c10-parked-locked").unwrap();
    parked["payload"].to_string()
}

#[test]
fn the_version_is_that_of_the_package() {
    let said = say(&["--version"]);
    assert_eq!(said.out, format!("leapmotor2mqtt {}\n", env!("CARGO_PKG_VERSION")));
    assert_eq!((said.code, said.err.as_str()), (Some(0), ""));
}

#[test]
fn help_names_every_command() {
    let said = say(&["--help"]);
    assert_eq!(said.code, Some(0));
    for command in ["run", "demo", "simulate", "check", "entities", "decode", "purge"] {
        assert!(said.out.contains(&format!("\n  {command} ")), "{command}\n{}", said.out);
    }
}

#[test]
fn wrong_usage_ends_with_2_and_says_what_is_wrong() {
    for (arguments, word) in [
        (&["--colour"][..], "--colour"),
        (&["fly"], "fly"),
        (&["decode"], "<FILE>"),
        (&["entities", "--format", "xml"], "xml"),
        (&["simulate", "--car", "Z99"], "Z99"),
        (&["demo", "--mqtt"], "--mqtt"),
        (&["--config", "config.yaml", "purge"], "'purge' cannot be used with"),
        (&["simulate", "--dir", "cloud", "--accounts", "0"], "account"),
        (&["simulate", "--dir", "cloud", "--speed", "0"], "speed 0"),
        (&["simulate", "--dir", "cloud", "--listen", "0.0.0.0:0"], "0.0.0.0:0"),
        (
            &["run", "--simulated-clock", "clock.json"],
            "cloud.base_url is not on this machine",
        ),
    ] {
        let said = say(arguments);
        assert_eq!((said.code, said.out.as_str()), (Some(2), ""), "{said:?}");
        assert!(said.err.contains(word), "{said:?}");
    }
}

#[test]
fn the_catalog_as_json_has_the_columns_of_the_entity_table_and_the_models() {
    let rows = say(&["entities", "--format", "json"]).json();
    let mut columns: Vec<&str> = ENTITIES.lines().next().unwrap().split(',').collect();
    columns.push("models");
    for row in rows.as_array().unwrap() {
        let keys: Vec<&str> = row.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(keys, columns, "{row}");
    }
    let battery = rows
        .as_array()
        .unwrap()
        .iter()
        .find(|row| row["key"] == "battery_level");
    let battery = battery.unwrap();
    assert_eq!(battery["platform"], "sensor");
    assert_eq!(battery["models"], json!(["T03", "B10", "C10"]));
}

#[test]
fn the_catalog_can_be_narrowed_to_a_model_and_printed_as_tables() {
    let keys = |arguments: &[&str]| -> Vec<String> {
        let rows = say(arguments).json();
        let rows = rows.as_array().unwrap();
        rows.iter().map(|row| row["key"].as_str().unwrap().to_owned()).collect()
    };
    let all = keys(&["entities", "--format", "json"]);
    let small = keys(&["entities", "--format", "json", "--model", "T03"]);
    assert!(all.contains(&"fuel_level".to_owned()));
    assert!(!small.contains(&"fuel_level".to_owned()), "a T03 has no tank");
    assert!(small.iter().all(|key| all.contains(key)));

    let table = say(&["entities"]).out;
    assert_eq!(table.lines().count(), all.len());
    let markdown = say(&["entities", "--format", "markdown"]).out;
    assert_eq!(
        markdown.lines().filter(|line| line.starts_with("| `")).count(),
        all.len()
    );
    assert!(markdown.contains("\n| Key |"));
}

#[test]
fn a_status_object_is_decoded_from_a_file_and_from_standard_input() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("status.json"), recorded_status()).unwrap();
    let from_file = say_in(directory.path(), &["decode", "--model", "C10", "status.json"], "");
    let piped = say_with(&["decode", "-"], &recorded_status());
    assert_eq!(from_file.json(), piped.json());
    let values = piped.json();
    assert_eq!(values["door_lock"], "LOCKED");
    assert_eq!(values["climate/mode"], "off");
    assert!(values["battery_level"].is_number(), "{values}");
    assert!(
        values
            .as_object()
            .unwrap()
            .values()
            .all(|value| !value.is_array() && !value.is_object()),
        "{values}"
    );
}

#[test]
fn a_status_without_signals_is_unknown_and_not_an_error() {
    let values = say_with(&["decode", "--model", "no such model", "-"], "{}").json();
    assert_eq!(values["battery_level"], Value::Null);
    assert_eq!(values["door_lock"], Value::Null);
}

#[test]
fn what_is_no_status_object_is_refused() {
    for garbage in ["", "<html>502</html>", "{\"signal\":", "[1, 2]", "null", "\u{0}\u{1}"] {
        say_with(&["decode", "-"], garbage).assert_one_line_of_error(1, &["leapmotor2mqtt: the input is"]);
    }
    say(&["decode", "absent.json"]).assert_one_line_of_error(1, &["absent.json"]);
}

#[test]
fn an_unknown_setting_is_named_with_its_file_and_the_nearest_known_one() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("mine.yaml"), "mqtt:\n  hots: broker\n").unwrap();
    for command in ["run", "check", "purge"] {
        say_in(directory.path(), &[command, "--config", "mine.yaml"], "")
            .assert_one_line_of_error(2, &["mqtt.hots", "mine.yaml", "mqtt.host"]);
    }
    say_in(directory.path(), &["run", "--config", "absent.yaml"], "").assert_one_line_of_error(2, &["absent.yaml"]);
    // Without a command it is that of `run`.
    say_in(directory.path(), &["--config", "absent.yaml"], "").assert_one_line_of_error(2, &["absent.yaml"]);
}

#[test]
fn what_settings_name_is_looked_at_before_anything_starts() {
    let directory = tempfile::tempdir().unwrap();
    let ends = |settings: &str, words: &[&str]| {
        std::fs::write(directory.path().join("mine.yaml"), settings).unwrap();
        for command in ["run", "purge"] {
            say_in(directory.path(), &[command, "--config", "mine.yaml"], "").assert_one_line_of_error(2, words);
        }
    };
    let broker = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    std::fs::write(directory.path().join("ca.pem"), broker.cert.pem()).unwrap();
    std::fs::write(directory.path().join("empty.pem"), "").unwrap();
    ends(
        "mqtt: {tls: {ca: gone.pem}}",
        &["mine.yaml: `mqtt.tls.ca`: gone.pem", "No such file"],
    );
    ends(
        "mqtt: {tls: {ca: ca.pem, client_cert: ca.pem, client_key: empty.pem}}",
        &["mine.yaml: `mqtt.tls.client_key`: empty.pem"],
    );
    ends("vault_key: short", &["mine.yaml: `vault_key`", "32 bytes"]);
    assert!(!directory.path().join("data").exists());
}

#[test]
fn a_simulated_clock_that_is_none_is_wrong_usage() {
    let directory = tempfile::tempdir().unwrap();
    let settings = "cloud: {base_url: 'https://127.0.0.1:1'}";
    std::fs::write(directory.path().join("config.yaml"), settings).unwrap();
    for content in [None, Some("no clock"), Some(STANDING_CLOCK)] {
        if let Some(content) = content {
            std::fs::write(directory.path().join("clock.json"), content).unwrap();
        }
        for command in ["run", "check"] {
            say_in(directory.path(), &[command, "--simulated-clock", "clock.json"], "")
                .assert_one_line_of_error(2, &["--simulated-clock clock.json: "]);
        }
    }
}

/// A world, and the answer of `check` after the configuration was changed.
async fn checked(change: impl FnOnce(&mut Value)) -> Option<(World, Said)> {
    let broker = Mosquitto::start()?;
    let world = World::with_arguments(&["--car", "T03", "--car", "C10"]);
    let mut configuration = world.configuration(broker.port());
    change(&mut configuration);
    let said = check(&world, &configuration);
    Some((world, said))
}

fn check(world: &World, configuration: &Value) -> Said {
    let file = world.write_configuration(configuration);
    say_in(
        world.directory.path(),
        &["check", "--config", file.to_str().unwrap()],
        "",
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_of_a_good_set_up_ends_with_0_and_names_every_car() {
    let Some((_world, said)) = checked(|_| {}).await else {
        return;
    };
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(said.out.lines().all(|line| line.starts_with("ok ")), "{said:?}");
    for word in [
        "broker 127.0.0.1:",
        "app certificate",
        "sign-in",
        "car T03 …0001 (own)",
        "car C10 …0002 (own)",
    ] {
        assert!(said.out.contains(word), "no {word} in {said:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_sends_a_wrong_password_once() {
    let Some(broker) = Mosquitto::start() else { return };
    let world = World::with_cars(&["T03"]);
    let mut configuration = world.configuration(broker.port());
    configuration["accounts"][0]["password"] = json!("wrong-password");
    let said = check(&world, &configuration);
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(said.out.contains("FAIL sign-in"), "{said:?}");
    assert!(!format!("{said:?}").contains("wrong-password"), "{said:?}");
    let again = check(&world, &configuration);
    assert!(again.out.contains("refused this password before"), "{again:?}");
    assert_eq!(again.code, Some(1), "{again:?}");
    assert_eq!(world.count("/acct/v1/login").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_names_a_broker_that_is_away_and_goes_on() {
    let Some((_world, said)) = checked(|settings| settings["mqtt"]["port"] = json!(1)).await else {
        return;
    };
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(said.out.contains("FAIL broker 127.0.0.1:1"), "{said:?}");
    assert!(said.out.contains("ok   sign-in"), "{said:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_names_a_certificate_that_is_missing_and_an_account_that_is_not_there() {
    let Some((world, said)) = checked(|settings| settings["certificates"]["app_key"] = json!("gone.pem")).await else {
        return;
    };
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(said.out.contains("FAIL app certificate"), "{said:?}");
    assert!(said.out.contains("gone.pem"), "{said:?}");
    let mut without = world.configuration(1);
    without["accounts"] = json!([]);
    let said = check(&world, &without);
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(said.out.contains("FAIL account"), "{said:?}");
}

/// Whether the broker holds the announcements of three cars and the bridge, and their values.
fn shows_the_demo(held: &BTreeMap<String, String>) -> bool {
    let configs = held.keys().filter(|topic| topic.ends_with("/config")).count();
    configs == 4 && held.len() - configs >= 150
}

#[tokio::test(flavor = "multi_thread")]
async fn a_demo_on_an_existing_broker_is_removed_by_purge() {
    let Some(broker) = Mosquitto::start() else { return };
    let directory = tempfile::tempdir().unwrap();
    let address = format!("127.0.0.1:{}", broker.port());
    let (mut demo, line) = Program::start_for_line(directory.path(), &["demo", "--json", "--mqtt", &address]);
    assert_eq!((&line["mqtt"], &line["mqtt311"]), (&json!(address), &json!(address)));
    assert_eq!(line["cars"].as_array().unwrap().len(), 3);
    until_retained(broker.port(), &["#"], shows_the_demo).await;
    assert_eq!(demo.stop(), Some(0));

    let configuration = json!({"mqtt": {"host": "127.0.0.1", "port": broker.port()}, "data_dir": "data"});
    std::fs::write(directory.path().join("config.yaml"), configuration.to_string()).unwrap();
    let said = say_in(directory.path(), &["purge"], "");
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(said.out.contains("retained topics removed"), "{said:?}");
    assert_eq!(retained(broker.port(), &["#"]).await.len(), 0);
    let said = say_in(directory.path(), &["purge"], "");
    assert!(said.out.starts_with("0 retained topics"), "{said:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_purge_of_other_bridges_lists_first_and_then_removes_what_they_left_and_nothing_else() {
    let Some(broker) = Mosquitto::start() else { return };
    let vin = "LFZTEST0000000001";
    let theirs = [
        format!("leapconnect/{vin}/state"),
        "leapconnect/bridge/state".to_owned(),
        format!("homeassistant/sensor/leapconnect_{}/range/config", vin.to_lowercase()),
        format!("leapmotor/{vin}/soc"),
        "homeassistant/sensor/its_own_way/soc/config".to_owned(),
    ];
    let of_mate = json!({"name": "Battery", "state_topic": theirs[3]}).to_string();
    let kept = [
        format!("leapmotor2mqtt/{vin}/range"),
        format!("homeassistant/device/leapmotor2mqtt_{vin}/config"),
        "leapmotor/notes".to_owned(),
        "homeassistant/sensor/plug/config".to_owned(),
    ];
    let ours = json!({"o": {"name": "leapmotor2mqtt"}, "cmps": {"range": {"stat_t": kept[0]}}}).to_string();
    let somebody = Client::connect(broker.port()).await;
    for topic in theirs.iter().chain(&kept) {
        let payload = match topic {
            topic if *topic == theirs[4] => &of_mate,
            topic if *topic == kept[1] => &ours,
            _ => r#"{"state_topic":"plug/state"}"#,
        };
        somebody.publish(topic, payload.as_bytes(), true).await;
    }
    until_retained(broker.port(), &["#"], |held| held.len() == 9).await;

    let directory = tempfile::tempdir().unwrap();
    let configuration = json!({"mqtt": {"host": "127.0.0.1", "port": broker.port()}, "data_dir": "data"});
    std::fs::write(directory.path().join("config.yaml"), configuration.to_string()).unwrap();
    let purge = |arguments: &[&str]| {
        let said = say_in(directory.path(), &[&["purge"], arguments].concat(), "");
        assert_eq!(said.code, Some(0), "{said:?}");
        said.out
    };
    let list = purge(&["--of", "leapconnect,mate", "--dry-run"]);
    let mut listed: Vec<&str> = list.lines().collect();
    assert!(
        listed.pop().unwrap().starts_with("5 retained topics would be removed"),
        "{list}"
    );
    let mut expected: Vec<&str> = theirs.iter().map(String::as_str).collect();
    expected.sort_unstable();
    assert_eq!(listed, expected);
    assert_eq!(
        retained(broker.port(), &["#"]).await.len(),
        9,
        "a dry run removes nothing"
    );

    assert!(purge(&["--of", "mate"]).starts_with("2 retained topics removed"));
    assert!(purge(&["--of", "leapconnect", "--of", "mate"]).starts_with("3 retained topics removed"));
    let left: Vec<String> = retained(broker.port(), &["#"]).await.into_keys().collect();
    let mut kept = kept.to_vec();
    kept.sort_unstable();
    assert_eq!(left, kept);
    assert!(purge(&["--dry-run"]).contains("2 retained topics would be removed"));
}

#[cfg(feature = "embedded-broker")]
#[tokio::test(flavor = "multi_thread")]
async fn the_demo_names_its_two_ports_and_leaves_nothing_where_it_was_started() {
    let directory = tempfile::tempdir().unwrap();
    let (mut demo, line) = Program::start_for_line(directory.path(), &["demo", "--json"]);
    let port = |key: &str| -> u16 { line[key].as_str().unwrap().rsplit(':').next().unwrap().parse().unwrap() };
    assert_ne!(port("mqtt"), port("mqtt311"));
    until_retained(
        port("mqtt"),
        &["homeassistant/device/+/config", "leapmotor2mqtt/#"],
        shows_the_demo,
    )
    .await;
    assert_eq!(demo.stop(), Some(0));
    assert!(
        std::fs::read_dir(directory.path()).unwrap().count() <= 1,
        "only the test's own log is left"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_leaves_its_session_to_the_bridge_and_does_not_disturb_one_that_runs() {
    let Some(broker) = Mosquitto::start() else { return };
    let world = World::with_arguments(&["--car", "T03"]);
    let mut configuration = world.configuration(broker.port());
    configuration["mqtt"]["client_id"] = json!("the-bridge");
    assert_eq!(check(&world, &configuration).code, Some(0));
    let again = check(&world, &configuration);
    assert!(again.out.contains("the kept session is good"), "{again:?}");

    let bridge = world.bridge(&configuration);
    let state = "leapmotor2mqtt/bridge/state";
    until_retained(broker.port(), &[state], |held| {
        held.get(state).is_some_and(|payload| payload == "online")
    })
    .await;
    let meanwhile = check(&world, &configuration);
    assert_eq!(meanwhile.code, Some(1), "{meanwhile:?}");
    assert!(meanwhile.out.contains("FAIL data directory"), "{meanwhile:?}");
    assert!(meanwhile.out.contains("ok   broker"), "{meanwhile:?}");
    // A visitor of the same name would have had the broker end the connection of the bridge.
    assert_eq!(
        bridge.log().matches("connected to the broker").count(),
        1,
        "{}",
        bridge.log()
    );
    assert_eq!(world.count("/acct/v1/login").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_signs_in_only_where_the_kept_session_is_gone_and_within_the_ration() {
    let Some(broker) = Mosquitto::start() else { return };
    let world = World::with_arguments(&["--car", "T03"]);
    let configuration = world.configuration(broker.port());
    assert_eq!(check(&world, &configuration).code, Some(0));

    let list = |code: i64| json!({"kind": "code", "path": "/vehicle/v1/list", "code": code});
    world.order(list(39)).await;
    let troubled = check(&world, &configuration);
    assert_eq!(troubled.code, Some(1), "{troubled:?}");
    assert!(troubled.out.contains("FAIL kept session"), "{troubled:?}");

    world.order(list(3)).await;
    for _ in 0..2 {
        let refreshed = check(&world, &configuration);
        assert!(refreshed.out.contains("the kept session is good"), "{refreshed:?}");
    }
    assert_eq!(world.count("/token/refresh").await, 1);

    world.order(json!({"kind": "evict"})).await;
    let rationed = check(&world, &configuration);
    assert!(rationed.out.contains("FAIL sign-in"), "{rationed:?}");
    assert!(rationed.out.contains("Check again after"), "{rationed:?}");
    assert_eq!(world.count("/acct/v1/login").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_pins_the_certificate_of_the_cloud_although_the_sign_in_fails() {
    let Some(broker) = Mosquitto::start() else { return };
    let world = World::with_cars(&["T03"]);
    let mut configuration = world.configuration(broker.port());
    configuration["cloud"].as_object_mut().unwrap().remove("server_ca");
    configuration["accounts"][0]["password"] = json!("wrong-password");
    let said = check(&world, &configuration);
    assert!(said.out.contains("FAIL sign-in"), "{said:?}");
    let pin = std::fs::read_to_string(world.directory.path().join("data/server-pin.json")).unwrap();
    let pin: Value = serde_json::from_str(&pin).unwrap();
    assert_eq!(pin["data"]["base_url"], world.cloud["base_url"]);
    assert!(pin["data"]["fingerprint"].is_string(), "{pin}");
}
