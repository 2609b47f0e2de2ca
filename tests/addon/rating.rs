//! The security rating that Home Assistant shows for the add-on, from 1 to 8, by the Supervisor's published rules
//! (`rating_security` in supervisor/apps/utils.py), told here in our own words.

use serde_json::{Value, json};

use crate::manifest::{folder, manifest};

/// Which Supervisor judges.
#[derive(Clone, Copy, PartialEq)]
enum Rules {
    /// Counts an add-on without any open port as that safe as one behind ingress.
    Newest,
    /// Until 2026, only ingress counted.
    Before,
}

fn rating(manifest: &Value, has_profile: bool, rules: Rules) -> i64 {
    let is = |key: &str| manifest[key] == json!(true);
    let has = |key: &str| manifest[key].as_array().is_some_and(|list| !list.is_empty());
    let opens_ports = manifest["ports"]
        .as_object()
        .is_some_and(|ports| ports.values().any(|port| !port.is_null()));
    if is("docker_api") || is("full_access") {
        return 1;
    }
    let profile = match (manifest["apparmor"] == json!(false), has_profile) {
        (true, _) => -1,
        (false, true) => 1,
        (false, false) => 0,
    };
    let is_closed = rules == Rules::Newest && !is("host_network") && !opens_ports;
    let door = match (is("ingress") || is_closed, is("auth_api")) {
        (true, _) => 2,
        (false, true) => 1,
        (false, false) => 0,
    };
    let role = match manifest["hassio_role"].as_str() {
        Some("manager") => -1,
        Some("admin") => -2,
        _ => 0,
    };
    // Every privilege lowers it here; for the Supervisor a few do not.
    let rights = -i64::from(has("privileged") || is("kernel_modules"));
    let network = -i64::from(is("host_network"));
    let processes = -2 * i64::from(is("host_pid"));
    (5 + profile + door + role + rights + network + processes).clamp(1, 8)
}

/// The manifest with one more key.
fn with(key: &str, value: Value) -> Value {
    let mut manifest = manifest();
    manifest[key] = value;
    manifest
}

#[test]
fn the_rating_is_eight_now_and_with_ingress_for_every_supervisor() {
    let has_profile = folder().join("apparmor.txt").exists();
    let rating = |manifest: &Value, rules| rating(manifest, has_profile, rules);
    assert_eq!(rating(&manifest(), Rules::Newest), 8);
    assert_eq!(
        rating(&manifest(), Rules::Before),
        6,
        "until the admin page brings ingress"
    );
    for rules in [Rules::Newest, Rules::Before] {
        assert_eq!(rating(&with("ingress", json!(true)), rules), 8);
    }
}

#[test]
fn whatever_would_open_something_lowers_the_rating() {
    for (key, value, expected) in [
        ("host_network", json!(true), 5),
        ("apparmor", json!(false), 6),
        ("ports", json!({"8098/tcp": 8098}), 6),
        ("hassio_role", json!("admin"), 6),
        ("host_pid", json!(true), 6),
        ("privileged", json!(["NET_ADMIN"]), 7),
        ("full_access", json!(true), 1),
    ] {
        assert_eq!(rating(&with(key, value), true, Rules::Newest), expected, "{key}");
    }
    assert_eq!(
        rating(&manifest(), false, Rules::Newest),
        7,
        "without a profile of our own"
    );
}
