//! Seats, steering wheel and mirrors.

use super::builder::{binary, sensor};
use super::entity::Entity;
use crate::homeassistant::scene::flag;
use crate::vehicle::Reading as R;

pub const ROWS: &[Entity] = &[
    sensor("seat_heat_driver_level", "Driver seat heating level")
        .level()
        .icon("mdi:car-seat-heater")
        .diagnostic()
        .disabled()
        .from(&[R::SeatHeatDriver], |car| car.number(R::SeatHeatDriver, 0)),
    sensor("seat_heat_passenger_level", "Passenger seat heating level")
        .level()
        .icon("mdi:car-seat-heater")
        .diagnostic()
        .disabled()
        .from(&[R::SeatHeatPassenger], |car| car.number(R::SeatHeatPassenger, 0)),
    sensor("seat_vent_driver_level", "Driver seat ventilation level")
        .level()
        .icon("mdi:car-seat-cooler")
        .diagnostic()
        .disabled()
        .from(&[R::SeatVentDriver], |car| car.number(R::SeatVentDriver, 0)),
    sensor("seat_vent_passenger_level", "Passenger seat ventilation level")
        .level()
        .icon("mdi:car-seat-cooler")
        .diagnostic()
        .disabled()
        .from(&[R::SeatVentPassenger], |car| car.number(R::SeatVentPassenger, 0)),
    binary("steering_wheel_heating_state", "Steering wheel heating state")
        .class("heat")
        .diagnostic()
        .disabled()
        .from(&[R::SteeringWheelHeat], |car| {
            flag(car.state.climate.steering_wheel_heat)
        }),
    sensor("steering_heat_remaining", "Steering wheel heating remaining")
        .measures(Some("duration"), "min", 0)
        .diagnostic()
        .from(&[R::SteeringWheelHeatMinutes], |car| {
            car.number(R::SteeringWheelHeatMinutes, 0)
        }),
    binary("mirror_heating_left", "Left mirror heating")
        .class("heat")
        .diagnostic()
        .disabled()
        .from(&[R::MirrorHeatLeft], |car| car.code_is(R::MirrorHeatLeft, &[1])),
    binary("mirror_heating_right", "Right mirror heating")
        .class("heat")
        .diagnostic()
        .disabled()
        .from(&[R::MirrorHeatRight], |car| car.code_is(R::MirrorHeatRight, &[1])),
];
