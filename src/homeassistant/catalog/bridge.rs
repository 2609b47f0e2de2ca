//! The bridge itself. With several accounts it shows the worst one.

use super::builder::{binary, moment, words};
use super::entity::Entity;

pub const ROWS: &[Entity] = &[
    binary("bridge_problem", "Needs attention")
        .class("problem")
        .on_bridge()
        .fact()
        .attributes_from("bridge_problem/attributes")
        .note("On when the owner must act; the attributes say why, what to do, and for which account."),
    binary("bridge_cloud", "Cloud connection")
        .class("connectivity")
        .diagnostic()
        .on_bridge()
        .fact()
        .attributes_from("bridge_cloud/attributes"),
    binary("bridge_reauth_needed", "Sign-in needed")
        .class("problem")
        .diagnostic()
        .on_bridge()
        .fact(),
    words("bridge_last_error", "Last cloud error", ERRORS)
        .diagnostic()
        .on_bridge()
        .fact(),
    moment("bridge_mqtt_since", "MQTT connected since")
        .diagnostic()
        .disabled()
        .on_bridge()
        .fact(),
    moment("bridge_uptime", "Bridge started")
        .diagnostic()
        .disabled()
        .on_bridge()
        .fact(),
];

const ERRORS: &[&str] = &[
    "ok",
    "auth",
    "certificate",
    "account_certificate",
    "rate_limited",
    "no_vehicle",
    "pin",
    "timeout",
    "server",
    "network",
];
