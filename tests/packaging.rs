//! What is shipped around the program: the image, the compose file, the unit, the release. None of it can be run without
//! its engine, so that the parts agree with each other and with the program is what is looked at here;
//! `scripts/check-image` runs the program as the image does.

#![allow(
    clippy::unwrap_used,
    reason = "a test fails by panicking, also in what its cases share"
)]

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use leapmotor2mqtt::config::{Settings, Sources, load};
use serde_json::{Value, json};

use support::mosquitto::Mosquitto;
use support::process;

const COMPOSE: &str = "docker-compose.yml";
const DOCKERFILE: &str = "Dockerfile";
const UNIT: &str = "packaging/systemd/leapmotor2mqtt.service";

fn root(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn text(name: &str) -> String {
    fs::read_to_string(root(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn yaml(name: &str) -> Value {
    yaml_serde::from_str(&text(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn words(value: &Value) -> Vec<&str> {
    value
        .as_array()
        .unwrap()
        .iter()
        .map(|word| word.as_str().unwrap())
        .collect()
}

/// The settings of a bridge that has nothing but these variables.
fn settings(environment: impl IntoIterator<Item = (String, String)>) -> Settings {
    let sources = Sources {
        // An empty file, so that none of the working directory is read.
        config_file: Some("/dev/null".into()),
        environment: environment.into_iter().collect(),
        ..Sources::default()
    };
    load(sources).unwrap().settings
}

/// The instructions of the stages of the Dockerfile that begin with these lines: keyword and the rest, lines joined.
fn instructions(stages: &[&str]) -> Vec<(String, String)> {
    let joined = text(DOCKERFILE).replace("\\\n", " ");
    let mut all = joined.split("\nFROM ").skip(1);
    let mut found = Vec::new();
    for stage in stages {
        let lines = all.find_map(|text| text.strip_prefix(&format!("{stage}\n")));
        let lines = lines.unwrap_or_else(|| panic!("no stage {stage} in {DOCKERFILE}, or not in this order"));
        let lines = lines.lines().filter(|line| !line.starts_with('#'));
        found.extend(lines.filter_map(|line| line.split_once(' ')).map(|(keyword, rest)| {
            let rest: Vec<&str> = rest.split_whitespace().collect();
            (keyword.to_owned(), rest.join(" "))
        }));
    }
    found
}

/// The only instruction with this keyword that makes the image.
fn instruction(keyword: &str) -> String {
    let mut found = instructions(&["scratch AS common", "common"]);
    found.retain(|(name, _)| name == keyword);
    assert_eq!(found.len(), 1, "{keyword} in {DOCKERFILE}: {found:?}");
    found[0].1.clone()
}

#[test]
fn the_image_is_built_with_the_toolchain_of_the_tests() {
    let channel = text("rust-toolchain.toml");
    let channel = channel.split('"').nth(1).unwrap();
    for file in [DOCKERFILE, ".github/workflows/test.yml"] {
        let wanted = format!("rust:{channel}-");
        assert!(text(file).contains(&wanted), "{file} has another image than {wanted}…");
    }
}

#[test]
fn the_image_is_one_program_without_root() {
    assert_eq!(instruction("COPY"), "--from=build /image/ /");
    let user = instruction("USER");
    let owner = text("scripts/image-root");
    let owner = owner
        .lines()
        .find_map(|line| line.strip_prefix("readonly OWNER="))
        .unwrap();
    assert_eq!(
        user,
        format!("{owner}:{owner}"),
        "the folder /data belongs to the user of the image"
    );
    assert_ne!(owner, "0");

    let program = "/usr/local/bin/leapmotor2mqtt";
    assert!(text("scripts/image-root").contains(&format!("\"$root{program}\"")));
    assert_eq!(instruction("ENTRYPOINT"), json!([program]).to_string());
    assert_eq!(instruction("CMD"), json!(["run"]).to_string());
    let health = instruction("HEALTHCHECK");
    assert!(
        health.ends_with(&format!("CMD [\"{program}\", \"healthcheck\"]")),
        "{health}"
    );

    let (name, value) = instruction("ENV")
        .split_once('=')
        .map(|(a, b)| (a.to_owned(), b.to_owned()))
        .unwrap();
    assert_eq!(settings([(name, value)]).data_dir, Path::new("/data"));
    assert_eq!(instruction("VOLUME"), json!(["/data"]).to_string());
    // config.yaml and certs/ are relative to the working directory, and compose mounts them there.
    assert_eq!(instruction("WORKDIR"), "/config");
}

#[test]
fn the_image_of_the_add_on_starts_as_root_because_its_data_belong_to_root() {
    let instructions = instructions(&["scratch AS common", "common AS add-on"]);
    assert!(instructions.iter().all(|(keyword, _)| keyword != "USER"));
    let labels = instructions.iter().filter(|(keyword, _)| keyword == "LABEL");
    assert!(
        labels
            .clone()
            .any(|(_, labels)| labels.contains("io.hass.version=\"$VERSION\""))
    );
}

#[test]
fn the_context_of_the_build_holds_nothing_but_sources() {
    let rules = text(".dockerignore");
    let mut rules = rules.lines().filter(|line| !line.starts_with('#'));
    assert_eq!(rules.next(), Some("*"), "everything is left out first");
    for rule in rules {
        let path = rule.strip_prefix('!').unwrap();
        assert!(root(path).exists(), "{path} of .dockerignore does not exist");
    }
}

#[test]
fn the_services_of_compose_may_do_next_to_nothing() {
    let compose = yaml(COMPOSE);
    let services = compose["services"].as_object().unwrap();
    assert_eq!(services.keys().collect::<Vec<_>>(), ["bridge", "broker"]);
    for (name, service) in services {
        assert_eq!(service["read_only"], true, "{name}");
        assert_eq!(words(&service["cap_drop"]), ["ALL"], "{name}");
        assert_eq!(words(&service["security_opt"]), ["no-new-privileges:true"], "{name}");
        assert_eq!(words(&service["tmpfs"]), ["/tmp"], "{name}");
        assert_eq!(service["restart"], "unless-stopped", "{name}");
        assert!(service["mem_limit"].is_string(), "{name}");
        let user = service["user"].as_str().unwrap();
        assert!(!user.starts_with("0:") && user.contains(':'), "{name} runs as {user}");
        for mount in words(&service["volumes"]) {
            let (source, _) = mount.split_once(':').unwrap();
            match source.strip_prefix("./") {
                Some("config") => {} // what the owner makes
                Some(file) => assert!(root(file).exists(), "{name} mounts {file}"),
                None => assert!(compose["volumes"].get(source).is_some(), "{name} mounts {source}"),
            }
        }
    }
    assert_eq!(services["bridge"]["user"].as_str().unwrap(), instruction("USER"));
}

#[test]
fn the_bridge_of_compose_finds_the_broker_beside_it() {
    let compose = yaml(COMPOSE);
    let bridge = &compose["services"]["bridge"];
    let environment = bridge["environment"].as_object().unwrap();
    let environment = environment
        .iter()
        .map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned()));
    let settings = settings(environment);
    assert!(compose["services"].get(&settings.mqtt.host).is_some());
    let listeners = text("packaging/mosquitto.conf");
    assert!(
        listeners
            .lines()
            .any(|line| line == format!("listener {}", settings.mqtt.port))
    );
}

#[test]
fn the_broker_of_compose_lets_in_who_knows_a_password_and_nobody_else() {
    let Some(mut broker) = Mosquitto::prepare() else { return };
    // Writes the file; the shipped configuration names it.
    broker.password_file("bridge", "right");
    let shipped = text("packaging/mosquitto.conf")
        .replace("listener 1883\n", "")
        .replace("/mosquitto/data", &broker.dir().display().to_string());
    broker.configure(&shipped);
    broker.run();
    for (credentials, welcome) in [
        (json!({"username": "bridge", "password": "right"}), true),
        (json!({"username": "bridge", "password": "wrong"}), false),
        (json!({}), false),
    ] {
        let directory = tempfile::tempdir().unwrap();
        let mut mqtt = credentials;
        mqtt["port"] = json!(broker.port());
        let file = directory.path().join("config.yaml");
        fs::write(&file, json!({ "mqtt": mqtt }).to_string()).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        let output = process::run(directory.path(), &["check"], "");
        let said = String::from_utf8(output.stdout).unwrap();
        let line = format!("ok   broker 127.0.0.1:{}", broker.port());
        assert_eq!(said.lines().any(|said| said == line), welcome, "{said}");
    }
}

/// The settings of a unit: several lines of a name are kept in order.
fn unit() -> BTreeMap<String, Vec<String>> {
    let mut unit: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let text = text(UNIT);
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        if let Some((name, value)) = line.split_once('=') {
            unit.entry(name.to_owned()).or_default().push(value.to_owned());
        }
    }
    unit
}

#[test]
fn the_unit_keeps_what_it_remembers_where_it_may_write() {
    let unit = unit();
    let one = |name: &str| {
        let values = &unit[name];
        assert_eq!(values.len(), 1, "{name}");
        values[0].clone()
    };
    let environment = one("Environment");
    let (name, value) = environment.split_once('=').unwrap();
    let settings = settings([(name.to_owned(), value.to_owned())]);
    assert_eq!(settings.data_dir, Path::new("/var/lib").join(one("StateDirectory")));
    let users = text("packaging/systemd/leapmotor2mqtt.sysusers");
    assert!(users.contains(&format!("\nu {} ", one("User"))), "{users}");
    let directory = one("WorkingDirectory");
    assert_eq!(
        one("ExecStart"),
        format!("/usr/local/bin/leapmotor2mqtt run --config {directory}/config.yaml")
    );
    // Exit code 2 is a wrong configuration, which starting again does not mend.
    assert_eq!(
        (one("Restart"), one("RestartPreventExitStatus")),
        ("on-failure".into(), "2".into())
    );
}

const WORKFLOWS: [&str; 2] = [".github/workflows/test.yml", ".github/workflows/release.yml"];

/// Every job of a workflow, and every step of those that have steps.
fn steps(workflow: &Value) -> Vec<&Value> {
    let jobs = workflow["jobs"].as_object().unwrap();
    let steps = jobs.values().filter_map(|job| job["steps"].as_array());
    jobs.values().chain(steps.flatten()).collect()
}

#[test]
fn workflows_run_what_exists_and_nothing_that_can_change_under_its_name() {
    for file in WORKFLOWS {
        let workflow = yaml(file);
        for step in steps(&workflow) {
            if let Some(action) = step["uses"].as_str() {
                match action.strip_prefix("./") {
                    Some(local) => assert!(root(local).exists(), "{file}: {action}"),
                    None => {
                        let (_, commit) = action.split_once('@').unwrap();
                        let is_commit = commit.len() == 40 && commit.chars().all(|c| c.is_ascii_hexdigit());
                        assert!(is_commit, "{file}: {action} can change");
                        assert!(
                            text(file).contains(&format!("{action} # v")),
                            "{file}: which version is {action}?"
                        );
                    }
                }
            }
            let commands = step["run"].as_str().unwrap_or_default();
            let scripts = commands
                .split_whitespace()
                .filter(|word| word.starts_with("scripts/") || *word == ".ci/run");
            for script in scripts {
                let mode = fs::metadata(root(script)).map(|file| file.permissions().mode());
                assert!(
                    mode.is_ok_and(|mode| mode & 0o111 != 0),
                    "{file}: {script} cannot be run"
                );
            }
        }
    }
}

#[test]
fn the_job_of_the_tests_may_do_what_the_check_of_the_image_does() {
    let workflow = yaml(".github/workflows/test.yml");
    let options = workflow["jobs"]["test"]["container"]["options"].as_str().unwrap();
    // Mounts in namespaces of its own, and their loopback device.
    for right in ["SYS_ADMIN", "NET_ADMIN"] {
        assert!(options.contains(&format!("--cap-add {right}")), "{right}: {options}");
    }
}

#[test]
fn workflows_have_no_right_that_a_job_did_not_ask_for() {
    for file in WORKFLOWS {
        let workflow = yaml(file);
        assert_eq!(workflow["permissions"], json!({"contents": "read"}), "{file}");
        for (name, job) in workflow["jobs"].as_object().unwrap() {
            assert!(
                job["uses"].is_string() || job["timeout-minutes"].is_u64(),
                "{file}: {name} may run for ever"
            );
            for step in job["steps"].as_array().into_iter().flatten() {
                if step["uses"]
                    .as_str()
                    .is_some_and(|action| action.starts_with("actions/checkout@"))
                {
                    let keeps = &step["with"]["persist-credentials"];
                    let pushes = step["with"]["ssh-key"].is_string();
                    assert!(pushes || keeps == false, "{file}: {name} leaves its token behind");
                }
            }
            // What a stranger chooses, such as the name of a branch, must not become part of a command.
            for commands in job["steps"]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(|step| step["run"].as_str())
            {
                assert!(
                    !commands.contains("${{"),
                    "{file}: {name} puts an expression into a command"
                );
            }
        }
    }
}

/// A copy of what the release scripts read, with another version and changelog.
fn release_version(version: &str, changelog: &str, reference: &str) -> Output {
    let directory = tempfile::tempdir().unwrap();
    let place = |name: &str| directory.path().join(name);
    fs::create_dir(place("scripts")).unwrap();
    for script in ["scripts/release-version", "scripts/release-notes"] {
        fs::copy(root(script), place(script)).unwrap();
    }
    fs::write(
        place("Cargo.toml"),
        format!("[package]\nname = \"x\"\nversion = \"{version}\"\n"),
    )
    .unwrap();
    fs::write(place("CHANGELOG.md"), changelog).unwrap();
    let commit = "0123456789abcdef0123456789abcdef01234567";
    Command::new(place("scripts/release-version"))
        .args([reference, commit])
        .output()
        .unwrap()
}

#[test]
fn a_tag_is_released_only_if_cargo_and_the_changelog_agree() {
    let changelog = "# Changelog\n\n## Unreleased\n\n- later\n\n## 1.2.3 - 2026-12-01\n\n- something\n\n## 1.2.2\n\n## 1.2.1\n\n- old\n";
    for (version, reference, told) in [
        (
            "1.2.3",
            "refs/tags/v1.2.3",
            "version=1.2.3\nchannels=1.2.3 1.2 stable\n",
        ),
        (
            "1.2.1",
            "refs/tags/v1.2.1",
            "version=1.2.1\nchannels=1.2.1 1.2 stable\n",
        ),
        (
            "1.2.3",
            "refs/heads/main",
            "version=1.2.3-edge.0123456\nchannels=edge\n",
        ),
    ] {
        let output = release_version(version, changelog, reference);
        assert_eq!(String::from_utf8(output.stdout).unwrap(), told);
        assert!(output.status.success());
    }
    for (version, reference, why) in [
        ("1.2.4", "refs/tags/v1.2.3", "Cargo.toml says 1.2.4"),
        ("1.2.2", "refs/tags/v1.2.2", "says nothing under"),
        ("1.2.0", "refs/tags/v1.2.0", "says nothing under"),
        ("1.2.3", "refs/tags/v1.2", "is no version"),
        ("1.2.3", "refs/tags/v01.2.3", "is no version"),
        ("1.2.3", "refs/heads/other", "neither main nor a tag"),
    ] {
        let output = release_version(version, changelog, reference);
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.contains(why), "{reference}: {said}");
        assert_eq!(output.status.code(), Some(1));
    }
}

#[test]
fn a_version_before_the_release_is_not_called_stable() {
    let output = release_version("2.0.0-rc.1", "## 2.0.0-rc.1\n\n- try it\n", "refs/tags/v2.0.0-rc.1");
    assert_eq!(
        String::from_utf8(output.stdout).unwrap(),
        "version=2.0.0-rc.1\nchannels=2.0.0-rc.1\n"
    );
}
