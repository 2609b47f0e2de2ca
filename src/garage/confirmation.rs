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
    /// Whether the state tells how far the effect goes. Else one that was there before tells nothing at all.
    tells_how_far: bool,
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
            tells_how_far: view
                .state
                .as_ref()
                .is_none_or(|state| effect::tells_how_far(command, &view.car.model, state)),
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
    /// state that showed the effect already before the write counts once it is newer (if it tells how far the effect goes),
    /// or once the cloud has confirmed and the status has been read again.
    pub fn judge(&self, command: &Command, view: Option<&CarView>, now: Timestamp) -> Verdict {
        let state = view.and_then(|view| view.state.as_ref());
        let confirmed = match view.and_then(|view| shows(command, view)) {
            None => self.cloud_confirmed,
            Some(false) => false,
            Some(true) if !self.shown_before => true,
            Some(true) => state.is_some_and(|state| {
                let newer = self.tells_how_far && state.vehicle_time > self.vehicle_time;
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
    use crate::vehicle::state::Part;
    use crate::vehicle::units::Percent;
    use crate::vehicle::{Car, Model, PinStatus, Powertrain, VehicleState, Vin};

    fn view(model: Model) -> CarView {
        CarView {
            car: Car::unlisted(Vin::parse("LFZTEST0000000001").unwrap(), model),
            powertrain: Powertrain::Bev,
            evidence: BTreeSet::new(),
            unknown_signals: BTreeSet::new(),
            state: None,
            pending: BTreeMap::new(),
            pin: PinStatus::Ready,
            reachable: true,
        }
    }

    #[test]
    fn windows_that_were_open_and_only_say_so_are_confirmed_by_the_cloud_alone() {
        let at = |second: i64| Timestamp::from_second(1_790_000_000 + second).unwrap();
        let picture = |model, second| {
            let mut state = VehicleState {
                vehicle_time: Some(at(second)),
                received: Some(at(second)),
                ..VehicleState::default()
            };
            state.openings.windows_position = Some(Percent(100.0));
            state.openings.parts.extend(Part::WINDOWS.map(|part| (part, true)));
            let mut view = view(model);
            view.state = Some(state);
            view
        };
        let command = Command::Windows { percent: 100 };
        let confirmed = Verdict::Ended(CommandState::Confirmed, None);
        for (model, by_the_car) in [(Model::C10, confirmed), (Model::B10, Verdict::Open)] {
            let mut written = Written::new(&command, &picture(model.clone(), 0), at(10));
            let later = picture(model, 20);
            assert_eq!(written.judge(&command, Some(&later), at(21)), by_the_car);
            written.cloud_confirmed = true;
            assert_eq!(written.judge(&command, Some(&later), at(21)), confirmed);
        }
    }

    #[test]
    fn a_clock_that_is_set_back_does_not_keep_a_command_open_for_longer() {
        let view = view(Model::C10);
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
