//! Whether the car drives, stands or brakes.

use super::memory::Memory;
use crate::vehicle::profile::Powertrain;
use crate::vehicle::reading::{Frame, Reading};
use crate::vehicle::state::{Activity, Gear, Motion};

/// A current into the pack of at least this, in A, is more than noise.
const REGENERATION_AMPERES: f64 = 1.0;

pub(super) fn motion(frame: &Frame, memory: &Memory, charging: Option<bool>) -> Motion {
    // A frame that cannot tell does not change what the one before it said.
    let driving = drives(frame).or(memory.driving());
    Motion {
        activity: driving.map(|driving| activity(frame, driving, charging)),
        driving,
        gear: gear(frame),
        regenerating: regenerating(frame, driving, memory.powertrain()),
        parked_since: memory.parked_since().filter(|_| driving == Some(false)),
        parked_position: memory.parked_position(),
    }
}

/// Whether the car drives, as far as this frame can tell. The gear decides, then the speed; a car that knows neither
/// but reports its ignition stands. Other signals with promising names were seen to mean something else.
pub(super) fn drives(frame: &Frame) -> Option<bool> {
    match gear(frame) {
        Some(Gear::R | Gear::D) => Some(true),
        Some(Gear::P | Gear::N) => Some(false),
        Some(Gear::Unknown(_)) | None => match frame.number(Reading::Speed) {
            Some(speed) => Some(speed > 0.0),
            None => frame.raw(Reading::KeyOn3).map(|_| false),
        },
    }
}

/// Whether the car is in gear, moves or is ready to drive, so that it cannot be charging. Braking looks like charging
/// in every other signal.
pub(super) fn excludes_charging(frame: &Frame) -> bool {
    matches!(gear(frame), Some(Gear::R | Gear::N | Gear::D)) || moves(frame) || is_ready(frame)
}

fn activity(frame: &Frame, driving: bool, charging: Option<bool>) -> Activity {
    if driving {
        Activity::Driving
    } else if charging == Some(true) {
        Activity::Charging
    } else if is_ready(frame) && !moves(frame) {
        Activity::Ready
    } else {
        Activity::Parked
    }
}

/// The generator of a range extender charges the pack as well, so on such a car nothing can be told.
fn regenerating(frame: &Frame, driving: Option<bool>, powertrain: Powertrain) -> Option<bool> {
    if powertrain == Powertrain::Reev {
        return None;
    }
    if matches!(gear(frame), Some(Gear::R | Gear::D)) || moves(frame) {
        return frame
            .number(Reading::BatteryCurrent)
            .map(|amperes| amperes <= -REGENERATION_AMPERES);
    }
    (driving == Some(false)).then_some(false)
}

fn gear(frame: &Frame) -> Option<Gear> {
    frame.code(Reading::Gear).map(Gear::of)
}

fn moves(frame: &Frame) -> bool {
    frame.number(Reading::Speed).is_some_and(|speed| speed > 0.0)
}

fn is_ready(frame: &Frame) -> bool {
    frame.flag(Reading::KeyOn3) == Some(true)
}

#[cfg(test)]
mod tests {
    use super::super::tests::frame_of as frame;
    use super::*;

    #[test]
    fn the_gear_decides_before_the_speed_and_the_speed_before_the_ignition() {
        use Reading::{Gear, KeyOn3, Speed};
        let drives = |readings: &[_]| drives(&frame(readings));
        assert_eq!(drives(&[(Gear, 3.0), (Speed, 0.0)]), Some(true));
        assert_eq!(drives(&[(Gear, 1.0)]), Some(true));
        assert_eq!(drives(&[(Gear, 2.0), (Speed, 12.0)]), Some(false));
        assert_eq!(drives(&[(Gear, 16_777_215.0), (Speed, 12.0)]), Some(true));
        assert_eq!(drives(&[(Gear, 16_777_215.0), (Speed, 0.0)]), Some(false));
        assert_eq!(drives(&[(Speed, 0.5)]), Some(true));
        assert_eq!(drives(&[(KeyOn3, 1.0)]), Some(false));
        assert_eq!(drives(&[]), None);
    }

    #[test]
    fn ready_is_standing_still_with_the_drive_on() {
        let memory = Memory::default();
        let activity = |readings: &[_]| motion(&frame(readings), &memory, Some(false)).activity;
        assert_eq!(
            activity(&[(Reading::Gear, 0.0), (Reading::KeyOn3, 1.0)]),
            Some(Activity::Ready)
        );
        assert_eq!(
            activity(&[(Reading::Gear, 0.0), (Reading::KeyOn3, 0.0)]),
            Some(Activity::Parked)
        );
        let rolling = [(Reading::Gear, 2.0), (Reading::KeyOn3, 1.0), (Reading::Speed, 12.0)];
        assert_eq!(activity(&rolling), Some(Activity::Parked));
    }

    #[test]
    fn braking_shows_as_current_into_the_pack_except_with_a_range_extender() {
        let braking = frame(&[(Reading::Gear, 3.0), (Reading::BatteryCurrent, -1.0)]);
        assert_eq!(regenerating(&braking, Some(true), Powertrain::Bev), Some(true));
        assert_eq!(regenerating(&braking, Some(true), Powertrain::Reev), None);
        let coasting = frame(&[(Reading::Gear, 3.0), (Reading::BatteryCurrent, -0.9)]);
        assert_eq!(regenerating(&coasting, Some(true), Powertrain::Bev), Some(false));
        let blind = frame(&[(Reading::Gear, 3.0)]);
        assert_eq!(regenerating(&blind, Some(true), Powertrain::Bev), None);
        assert_eq!(
            regenerating(&Frame::default(), Some(false), Powertrain::Bev),
            Some(false)
        );
    }
}
