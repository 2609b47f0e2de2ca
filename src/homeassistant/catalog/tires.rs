//! Tyres.

use super::builder::{binary, sensor};
use super::entity::Entity;
use crate::homeassistant::scene::{Scene, flag, number};
use crate::vehicle::Reading as R;
use crate::vehicle::facts::Value;
use crate::vehicle::state::Wheel;

const ALARM_ORDER: &str = "Which alarm belongs to which wheel is less certain than it is for the pressures.";

pub const ROWS: &[Entity] = &[
    sensor("tire_pressure_fl", "Front left tire pressure")
        .measures(Some("pressure"), "bar", 2)
        .diagnostic()
        .from(&[R::TyrePressureFrontLeft], |car| pressure(car, Wheel::FrontLeft)),
    sensor("tire_pressure_fr", "Front right tire pressure")
        .measures(Some("pressure"), "bar", 2)
        .diagnostic()
        .from(&[R::TyrePressureFrontRight], |car| pressure(car, Wheel::FrontRight)),
    sensor("tire_pressure_rl", "Rear left tire pressure")
        .measures(Some("pressure"), "bar", 2)
        .diagnostic()
        .from(&[R::TyrePressureRearLeft], |car| pressure(car, Wheel::RearLeft)),
    sensor("tire_pressure_rr", "Rear right tire pressure")
        .measures(Some("pressure"), "bar", 2)
        .diagnostic()
        .from(&[R::TyrePressureRearRight], |car| pressure(car, Wheel::RearRight)),
    binary("tire_alarm_fl", "Tire alarm front left")
        .class("problem")
        .diagnostic()
        .disabled()
        .from(&[R::TyreAlarmFrontLeft], |car| alarm(car, Wheel::FrontLeft))
        .note(ALARM_ORDER),
    binary("tire_alarm_fr", "Tire alarm front right")
        .class("problem")
        .diagnostic()
        .disabled()
        .from(&[R::TyreAlarmFrontRight], |car| alarm(car, Wheel::FrontRight))
        .note(ALARM_ORDER),
    binary("tire_alarm_rl", "Tire alarm rear left")
        .class("problem")
        .diagnostic()
        .disabled()
        .from(&[R::TyreAlarmRearLeft], |car| alarm(car, Wheel::RearLeft))
        .note(ALARM_ORDER),
    binary("tire_alarm_rr", "Tire alarm rear right")
        .class("problem")
        .diagnostic()
        .disabled()
        .from(&[R::TyreAlarmRearRight], |car| alarm(car, Wheel::RearRight))
        .note(ALARM_ORDER),
    binary("tire_problem", "Tire pressure problem").class("problem").from(
        &[
            R::TyreAlarmFrontLeft,
            R::TyreAlarmFrontRight,
            R::TyreAlarmRearLeft,
            R::TyreAlarmRearRight,
        ],
        |car| flag(car.state.tire_problem),
    ),
];

fn pressure(car: &Scene<'_>, wheel: Wheel) -> Option<Value> {
    number(car.state.tires.get(&wheel)?.pressure?, 2)
}

fn alarm(car: &Scene<'_>, wheel: Wheel) -> Option<Value> {
    flag(car.state.tires.get(&wheel)?.alarm)
}
