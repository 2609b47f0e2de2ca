//! The bridge itself. With several accounts it shows the worst one.

use super::builder::{binary, button, choice, dial, entity, moment, sensor, words};
use super::entity::{Entity, Platform, Range};
use crate::vehicle::intent::BridgeAction;

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
    sensor("messages_unread", "Unread messages")
        .level()
        .icon("mdi:email-badge")
        .diagnostic()
        .on_bridge()
        .fact(),
    sensor("message_last_title", "Last message")
        .icon("mdi:email")
        .diagnostic()
        .disabled()
        .on_bridge()
        .fact(),
    moment("message_last_time", "Last message time")
        .diagnostic()
        .disabled()
        .on_bridge()
        .fact(),
    entity(Platform::Event, "event_message", "Leapmotor message")
        .icon("mdi:email-alert")
        .diagnostic()
        .on_bridge()
        .happens(&["message"]),
    sensor("share_invitations", "Share invitations")
        .icon("mdi:account-plus")
        .diagnostic()
        .on_bridge()
        .fact()
        .attributes_from("share_invitations/attributes")
        .note("How many wait; the attributes say from whom."),
    button("share_accept", "Accept share invitation")
        .icon("mdi:account-check")
        .config()
        .asks(|| BridgeAction::AnswerShare { accept: true })
        .note("The oldest that waits."),
    button("share_reject", "Reject share invitation")
        .icon("mdi:account-cancel")
        .config()
        .disabled()
        .asks(|| BridgeAction::AnswerShare { accept: false })
        .note("The oldest that waits."),
    sensor("bridge_api_calls_today", "Cloud calls today")
        .tally()
        .icon("mdi:cloud-upload")
        .diagnostic()
        .disabled()
        .at_most_every(15)
        .on_bridge()
        .fact(),
    sensor("bridge_api_errors", "Cloud errors today")
        .tally()
        .icon("mdi:cloud-alert")
        .diagnostic()
        .disabled()
        .at_most_every(15)
        .on_bridge()
        .fact(),
    sensor("bridge_api_latency", "Cloud latency")
        .measures(Some("duration"), "ms", 0)
        .diagnostic()
        .disabled()
        .at_most_every(15)
        .on_bridge()
        .fact(),
    moment("bridge_certificate_expiry", "Certificate expires")
        .diagnostic()
        .on_bridge()
        .fact(),
    sensor("requests_left", "Cloud requests left today")
        .level()
        .icon("mdi:cloud-percent")
        .diagnostic()
        .at_most_every(15)
        .on_bridge()
        .fact(),
    dial(
        "requests_budget",
        "Cloud requests per day",
        Range {
            min: 100,
            max: 100_000,
            step: 1,
        },
    )
    .icon("mdi:cloud-lock")
    .config()
    .on_bridge()
    .setting(),
    choice(
        "bridge_log_level",
        "Log level",
        &["error", "warn", "info", "debug", "trace"],
    )
    .icon("mdi:math-log")
    .config()
    .disabled()
    .on_bridge()
    .setting(),
    button("bridge_rediscover", "Re-announce entities")
        .icon("mdi:bullhorn")
        .config()
        .disabled()
        .asks(|| BridgeAction::Rediscover),
    button("bridge_reconnect", "Reconnect cloud")
        .class("restart")
        .config()
        .disabled()
        .asks(|| BridgeAction::ReconnectCloud)
        .note("Gives up the session and signs in afresh."),
    button("bridge_restart", "Restart bridge")
        .class("restart")
        .config()
        .disabled()
        .asks(|| BridgeAction::Restart)
        .note("Ends the bridge; whoever supervises it starts it again."),
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
