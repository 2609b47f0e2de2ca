//! Answers to commands.

use jiff::Timestamp;
use serde_json::{Value as Json, json};

use super::Refusal;
use crate::homeassistant::Options;
use crate::homeassistant::events::command_failed;
use crate::vehicle::Vin;
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
    let outcome = (report.state, report.reason, report.origin);
    event(&report.vin, Some(report.command), outcome, options)
}

impl Refusal {
    /// The answer to a message that was refused before it became a command.
    pub fn result(&self, received: Timestamp) -> String {
        result(
            self.id.as_deref(),
            self.command.as_deref(),
            self.outcome(),
            (received, Some(received)),
        )
        .to_string()
    }

    /// The same for Home Assistant, as the gate's refusals have it: the event and the device trigger of a command that
    /// came to nothing. A duplicate fires no trigger, since the command it repeats has an end of its own. None for what
    /// is about no car.
    pub fn events(&self, options: &Options) -> Vec<(String, String)> {
        let Some(vin) = &self.vin else { return Vec::new() };
        let event = event(vin, self.command.as_deref(), self.outcome(), options);
        let trigger = (self.reason != Reason::Duplicate).then(|| command_failed(vin, options));
        [event].into_iter().chain(trigger).collect()
    }

    fn outcome(&self) -> Outcome {
        (CommandState::Refused, Some(self.reason), Origin::Mqtt)
    }
}

/// What became of a command, why, and who had asked for it.
type Outcome = (CommandState, Option<Reason>, Origin);

fn event(vin: &Vin, command: Option<&str>, (state, reason, origin): Outcome, options: &Options) -> (String, String) {
    let event = json!({
        "event_type": state.name(),
        "command": command,
        "reason": reason.map(Reason::name),
        "origin": origin.name(),
    });
    (options.car_topic(vin, "event_command"), event.to_string())
}

fn result(
    id: Option<&str>,
    command: Option<&str>,
    (state, reason, origin): Outcome,
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
