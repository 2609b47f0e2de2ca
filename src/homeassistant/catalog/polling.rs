//! How often the car is read, and what may be shown of it: settings the bridge keeps.

use super::builder::{choice, dial, moment, sensor, switch, text, words};
use super::charge_control::pattern;
use super::entity::{Entity, Range};

/// `HH:MM`, nothing, or the word that empties it.
const TIME_OR_OFF: &str = "^$|^off$|^([01][0-9]|2[0-3]):[0-5][0-9]$";

const PHASES: &[&str] = &[
    "driving",
    "charging_ac",
    "charging_dc",
    "awake",
    "boost",
    "idle",
    "asleep",
    "quiet",
    "yielding",
    "backoff",
    "paused",
];

pub const ROWS: &[Entity] = &[
    switch("polling_enabled", "Polling")
        .icon("mdi:cloud-sync")
        .config()
        .setting()
        .note("Off: the car is not read, and its values grow old."),
    switch("publish_location", "Publish location")
        .icon("mdi:map-marker-check")
        .config()
        .setting()
        .note("Off: both positions are cleared from the broker."),
    dial(
        "poll_interval_parked",
        "Poll interval parked",
        Range {
            min: 1,
            max: 240,
            step: 1,
        },
    )
    .class("duration")
    .unit("min")
    .config()
    .disabled()
    .setting(),
    dial(
        "poll_interval_driving",
        "Poll interval driving",
        Range {
            min: 10,
            max: 600,
            step: 1,
        },
    )
    .class("duration")
    .unit("s")
    .config()
    .disabled()
    .setting(),
    dial(
        "poll_interval_charging",
        "Poll interval charging",
        Range {
            min: 30,
            max: 900,
            step: 1,
        },
    )
    .class("duration")
    .unit("s")
    .config()
    .disabled()
    .setting(),
    choice(
        "poll_profile",
        "Polling profile",
        &["eco", "balanced", "fast", "manual"],
    )
    .icon("mdi:speedometer")
    .config()
    .setting(),
    text("quiet_hours_start", "Quiet hours start")
        .icon("mdi:weather-night")
        .config()
        .setting()
        .details(|_| pattern(TIME_OR_OFF))
        .note("`HH:MM`, or `off` for none."),
    text("quiet_hours_end", "Quiet hours end")
        .icon("mdi:weather-sunset-up")
        .config()
        .setting()
        .details(|_| pattern(TIME_OR_OFF))
        .note("`HH:MM`, or `off` for none."),
    words("poll_phase", "Polling phase", PHASES).diagnostic().fact(),
    moment("next_poll", "Next poll")
        .diagnostic()
        .disabled()
        .at_most_every(15)
        .fact(),
    sensor("requests_today", "Cloud requests today")
        .tally()
        .icon("mdi:cloud-upload")
        .diagnostic()
        .at_most_every(15)
        .fact(),
    sensor("poll_interval_current", "Current poll interval")
        .class("duration")
        .unit("s")
        .decimals(0)
        .diagnostic()
        .at_most_every(15)
        .fact(),
];
