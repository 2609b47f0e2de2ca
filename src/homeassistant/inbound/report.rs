//! Answers to commands.

use jiff::Timestamp;
use serde_json::{Value as Json, json};

use super::Refusal;
use crate::homeassistant::Options;
use crate::vehicle::intent::{CommandReport, CommandState, Origin, Reason};

/// What became of a command, for the result topic and the sender's response topic.
pub fn result_payload(report: &CommandReport) -> String {
    result(
        report.id.as_deref(),
        Some(report.command),
        (report.state, report.reason, report.origin),
        (report.received, report.finished),
    )
    .to_string()
}

/// The same as an event for Home Assistant: where to publish it, not retained, and what.
pub fn command_event(report: &CommandReport, options: &Options) -> (String, String) {
    let event = json!({
        "event_type": report.state.name(),
        "command": report.command,
        "reason": report.reason.map(Reason::name),
        "origin": report.origin.name(),
    });
    (options.car_topic(&report.vin, "event_command"), event.to_string())
}

impl Refusal {
    /// The answer to a message that was refused before it became a command.
    pub fn result(&self, received: Timestamp) -> String {
        result(
            self.id.as_deref(),
            self.command.as_deref(),
            (CommandState::Refused, Some(self.reason), Origin::Mqtt),
            (received, Some(received)),
        )
        .to_string()
    }
}

fn result(
    id: Option<&str>,
    command: Option<&str>,
    (state, reason, origin): (CommandState, Option<Reason>, Origin),
    (received, finished): (Timestamp, Option<Timestamp>),
) -> Json {
    json!({
        "id": id,
        "command": command,
        "state": state.name(),
        "reason": reason.map(Reason::name),
        "origin": origin.name(),
        "received": received.to_string(),
        "finished": finished.map(|time| time.to_string()),
    })
}
