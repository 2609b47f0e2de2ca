//! Whether a written command has had its effect. Pure.

use jiff::Timestamp;

use crate::vehicle::command::effect;
use crate::vehicle::intent::{CommandState, Reason};
use crate::vehicle::{CarView, Command};

use super::later;

/// A command that was written, while its effect is awaited.
#[derive(Debug, Clone, PartialEq)]
pub struct Written {
    /// When the write was sent.
    pub at: Timestamp,
    /// The car's own time of the newest frame at that moment.
    vehicle_time: Option<Timestamp>,
    /// Whether the state showed the effect before the write, which then proves nothing.
    shown_before: bool,
    /// Whether the cloud says that the car has carried it out.
    pub cloud_confirmed: bool,
}

/// What became of a written command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Not known yet.
    Open,
    /// It ended.
    Ended(CommandState, Option<Reason>),
}

impl Written {
    /// Notes the write, with the picture of the car at that moment.
    pub fn new(command: &Command, view: &CarView, at: Timestamp) -> Self {
        Self {
            at,
            vehicle_time: view.state.as_ref().and_then(|state| state.vehicle_time),
            shown_before: shows(command, view) == Some(true),
            cloud_confirmed: false,
        }
    }

    /// Takes note of the present moment: a clock that was set back must not make the wait longer.
    pub fn not_after(&mut self, now: Timestamp) {
        self.at = self.at.min(now);
    }

    /// When to stop waiting for the effect.
    pub fn deadline(&self, command: &Command) -> Timestamp {
        later(self.at, effect::confirm_within(command))
    }

    /// Judges by the newest picture of the car.
    ///
    /// The car's own state decides wherever it can show the effect: what the cloud says alone is not enough, because it
    /// also confirms payloads that cars ignore. Where no state can show the effect, the cloud's word is all there is. A
    /// state that showed the effect already before the write counts once it is newer, or once the cloud has confirmed
    /// and the status has been read again.
    pub fn judge(&self, command: &Command, view: Option<&CarView>, now: Timestamp) -> Verdict {
        let state = view.and_then(|view| view.state.as_ref());
        let confirmed = match view.and_then(|view| shows(command, view)) {
            None => self.cloud_confirmed,
            Some(false) => false,
            Some(true) if !self.shown_before => true,
            Some(true) => state.is_some_and(|state| {
                let newer = state.vehicle_time > self.vehicle_time;
                newer || (self.cloud_confirmed && state.received.is_some_and(|received| received >= self.at))
            }),
        };
        if confirmed {
            Verdict::Ended(CommandState::Confirmed, None)
        } else if now >= self.deadline(command) {
            Verdict::Ended(CommandState::NotConfirmed, Some(Reason::Timeout))
        } else {
            Verdict::Open
        }
    }
}

/// Whether the car's state shows the effect; `None` where no state can.
fn shows(command: &Command, view: &CarView) -> Option<bool> {
    effect::achieved(command, &view.car.model, view.state.as_ref()?)
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use jiff::SignedDuration;

    use super::*;
    use crate::vehicle::{Car, Model, PinStatus, Powertrain, Vin};

    #[test]
    fn a_clock_that_is_set_back_does_not_keep_a_command_open_for_longer() {
        let vin = Vin::parse("LFZTEST0000000001").unwrap();
        let view = CarView {
            car: Car::unlisted(vin, Model::C10),
            powertrain: Powertrain::Bev,
            evidence: BTreeSet::new(),
            unknown_signals: BTreeSet::new(),
            state: None,
            pending: BTreeMap::new(),
            pin: PinStatus::Ready,
            reachable: true,
        };
        let start = Timestamp::constant(1_790_000_000, 0);
        let mut written = Written::new(&Command::Lock, &view, start);
        let set_back = start - SignedDuration::from_hours(1);
        written.not_after(set_back);
        let judge = |after| written.judge(&Command::Lock, None, set_back + SignedDuration::from_secs(after));
        assert_eq!(judge(60), Verdict::Open);
        assert_eq!(
            judge(120),
            Verdict::Ended(CommandState::NotConfirmed, Some(Reason::Timeout))
        );
    }
}
