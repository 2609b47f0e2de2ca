//! Locks, doors, windows, roof, air and tyres.

use std::collections::BTreeMap;

use crate::vehicle::profile::Model;
use crate::vehicle::reading::{Frame, Reading};
use crate::vehicle::state::{AirTreatment, Climate, ClimateMode, LockSource, Openings, Part, Security, Tire, Wheel};
use crate::vehicle::units::{Bar, Percent, round};

/// Alarm states in which the anti-theft alarm is armed.
const ARMED: [i64; 3] = [1, 2, 3];
/// Windshield defrost states that mean on.
const DEFROSTING: [i64; 2] = [1, 2];
/// Presets and the steering wheel heating read 2 when on.
const PRESET_ON: i64 = 2;

/// Doors, tailgate and roof with the reading that tells; non-zero is open.
const HINGED: [(Part, Reading); 6] = [
    (Part::DoorFrontLeft, Reading::DoorFrontLeft),
    (Part::DoorFrontRight, Reading::DoorFrontRight),
    (Part::DoorRearLeft, Reading::DoorRearLeft),
    (Part::DoorRearRight, Reading::DoorRearRight),
    (Part::Trunk, Reading::Trunk),
    (Part::Roof, Reading::RoofOpening),
];

/// Windows with their flag and their position.
const WINDOWS: [(Part, Reading, Reading); 4] = [
    (
        Part::WindowFrontLeft,
        Reading::WindowFrontLeftOpen,
        Reading::WindowFrontLeftPosition,
    ),
    (
        Part::WindowFrontRight,
        Reading::WindowFrontRightOpen,
        Reading::WindowFrontRightPosition,
    ),
    (
        Part::WindowRearLeft,
        Reading::WindowRearLeftOpen,
        Reading::WindowRearLeftPosition,
    ),
    (
        Part::WindowRearRight,
        Reading::WindowRearRightOpen,
        Reading::WindowRearRightPosition,
    ),
];

/// Wheels with their pressure (kPa) and alarm.
const TIRES: [(Wheel, Reading, Reading); 4] = [
    (
        Wheel::FrontLeft,
        Reading::TyrePressureFrontLeft,
        Reading::TyreAlarmFrontLeft,
    ),
    (
        Wheel::FrontRight,
        Reading::TyrePressureFrontRight,
        Reading::TyreAlarmFrontRight,
    ),
    (
        Wheel::RearLeft,
        Reading::TyrePressureRearLeft,
        Reading::TyreAlarmRearLeft,
    ),
    (
        Wheel::RearRight,
        Reading::TyrePressureRearRight,
        Reading::TyreAlarmRearRight,
    ),
];

/// What the car itself says of its lock; other codes than these two say nothing.
pub fn locked(frame: &Frame) -> Option<bool> {
    match frame.code(Reading::Locked)? {
        0 => Some(false),
        1 => Some(true),
        _ => None,
    }
}

/// Locks and alarm; a lock command that was confirmed a moment ago is ahead of the status.
pub(super) fn security(frame: &Frame, confirmed: Option<bool>) -> Security {
    let said = locked(frame);
    let lock_source = match confirmed {
        Some(_) => Some(LockSource::CommandConfirmed),
        None => said.map(|_| LockSource::Signal),
    };
    Security {
        locked: confirmed.or(said),
        lock_source,
        armed: frame.code_is(Reading::SecurityState, &ARMED),
    }
}

pub(super) fn openings(frame: &Frame, model: &Model) -> Openings {
    let hinged = HINGED.iter().map(|(part, reading)| (*part, frame.flag(*reading)));
    let windows = WINDOWS.iter().map(|(part, flag, position)| {
        let flag = frame.flag(*flag);
        let position = frame.flag(*position).filter(|_| model.window_flags_are_dead());
        (*part, either(flag, position))
    });
    let positions = WINDOWS.iter().filter_map(|(_, _, position)| frame.number(*position));
    Openings {
        parts: hinged
            .chain(windows)
            .filter_map(|(part, open)| Some((part, open?)))
            .collect(),
        windows_position: positions
            .reduce(f64::max)
            .filter(|_| model.reports_window_positions())
            .map(Percent),
    }
}

pub(super) fn climate(frame: &Frame) -> Climate {
    Climate {
        on: frame.code_is(Reading::AcOn, &[1]),
        mode: climate_mode(frame),
        direction: air_treatment(frame),
        defrost: frame.code_is(Reading::WindshieldDefrost, &DEFROSTING),
        recirculation: frame
            .flag(Reading::CircleMode)
            .or_else(|| frame.flag(Reading::Recirculation)),
        quick_cool: frame.code_is(Reading::RapidCooling, &[PRESET_ON]),
        quick_heat: frame.code_is(Reading::RapidHeating, &[PRESET_ON]),
        steering_wheel_heat: frame.code_is(Reading::SteeringWheelHeat, &[PRESET_ON]),
        mirror_heat: either(
            frame.code_is(Reading::MirrorHeatLeft, &[1]),
            frame.code_is(Reading::MirrorHeatRight, &[1]),
        ),
    }
}

/// The mode; where the car has none, what it does to the air says as much.
fn climate_mode(frame: &Frame) -> Option<ClimateMode> {
    let Some(code) = frame.code(Reading::ClimateMode) else {
        return air_treatment(frame).map(|treatment| match treatment {
            AirTreatment::Wind => ClimateMode::Ventilate,
            AirTreatment::Cold => ClimateMode::Cool,
            AirTreatment::Hot => ClimateMode::Heat,
        });
    };
    Some(match code {
        0 => ClimateMode::Auto,
        1 => ClimateMode::Cool,
        3 => ClimateMode::Heat,
        4 => ClimateMode::Ventilate,
        other => ClimateMode::Unknown(other),
    })
}

/// What the T03 says outright, and what older signal cars show by their flaps. Cars with a mode keep the flaps for
/// themselves.
fn air_treatment(frame: &Frame) -> Option<AirTreatment> {
    match frame.code(Reading::CoolingHeating) {
        Some(0) => return Some(AirTreatment::Wind),
        Some(1) => return Some(AirTreatment::Cold),
        Some(2) => return Some(AirTreatment::Hot),
        _ => {}
    }
    if frame.raw(Reading::ClimateMode).is_some() {
        return None;
    }
    match (frame.code(Reading::CoolingFlap)?, frame.code(Reading::HeatingFlap)?) {
        (1 | 2, _) => Some(AirTreatment::Cold),
        (0, 1) => Some(AirTreatment::Hot),
        _ => Some(AirTreatment::Wind),
    }
}

pub(super) fn tires(frame: &Frame) -> BTreeMap<Wheel, Tire> {
    let tire = |(wheel, pressure, alarm): &(Wheel, Reading, Reading)| {
        let tire = Tire {
            pressure: frame.number(*pressure).map(|kpa| Bar(round(kpa / 100.0, 2))),
            alarm: frame.flag(*alarm),
        };
        (*wheel, tire)
    };
    TIRES.iter().map(tire).collect()
}

pub(super) fn tire_problem(tires: &BTreeMap<Wheel, Tire>) -> Option<bool> {
    let mut alarms = tires.values().map(|tire| tire.alarm);
    if alarms.clone().any(|alarm| alarm == Some(true)) {
        return Some(true);
    }
    alarms.all(|alarm| alarm.is_some()).then_some(false)
}

/// True if either is, unknown if both are unknown.
fn either(one: Option<bool>, other: Option<bool>) -> Option<bool> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one || other),
        (one, other) => one.or(other),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::frame_of as frame;
    use super::*;

    #[test]
    fn a_confirmed_command_is_ahead_of_the_status() {
        let unlocked = frame(&[(Reading::Locked, 0.0)]);
        let state = security(&unlocked, Some(true));
        assert_eq!(
            (state.locked, state.lock_source),
            (Some(true), Some(LockSource::CommandConfirmed))
        );
        let state = security(&unlocked, None);
        assert_eq!(
            (state.locked, state.lock_source),
            (Some(false), Some(LockSource::Signal))
        );
        let state = security(&frame(&[(Reading::Locked, 7.0)]), None);
        assert_eq!((state.locked, state.lock_source), (None, None));
    }

    #[test]
    fn a_window_position_counts_only_where_the_flags_are_dead() {
        let ajar = frame(&[
            (Reading::WindowFrontLeftOpen, 0.0),
            (Reading::WindowFrontLeftPosition, 20.0),
        ]);
        let open = |model: &Model| openings(&ajar, model).parts.get(&Part::WindowFrontLeft).copied();
        assert_eq!(open(&Model::T03), Some(true));
        assert_eq!(open(&Model::C10), Some(false));
        assert_eq!(openings(&ajar, &Model::C10).windows_position, Some(Percent(20.0)));
        assert_eq!(openings(&ajar, &Model::B10).windows_position, None);
        assert_eq!(openings(&Frame::default(), &Model::T03), Openings::default());
    }

    #[test]
    fn older_cars_show_by_their_flaps_what_the_air_is_made_to() {
        let direction = |cooling, heating| {
            climate(&frame(&[
                (Reading::CoolingFlap, cooling),
                (Reading::HeatingFlap, heating),
            ]))
            .direction
        };
        assert_eq!(direction(0.0, 1.0), Some(AirTreatment::Hot));
        assert_eq!(direction(2.0, 1.0), Some(AirTreatment::Cold));
        assert_eq!(direction(0.0, 0.0), Some(AirTreatment::Wind));
        let modern = frame(&[
            (Reading::CoolingFlap, 1.0),
            (Reading::HeatingFlap, 0.0),
            (Reading::ClimateMode, 3.0),
        ]);
        assert_eq!(climate(&modern).direction, None);
        assert_eq!(climate(&modern).mode, Some(ClimateMode::Heat));
    }

    #[test]
    fn one_tyre_alarm_is_a_problem_even_when_others_are_silent() {
        let problem = |readings: &[_]| tire_problem(&tires(&frame(readings)));
        assert_eq!(problem(&[(Reading::TyreAlarmRearLeft, 1.0)]), Some(true));
        assert_eq!(problem(&[(Reading::TyreAlarmRearLeft, 0.0)]), None);
        assert_eq!(problem(&TIRES.map(|(_, _, alarm)| (alarm, 0.0))), Some(false));
    }
}
