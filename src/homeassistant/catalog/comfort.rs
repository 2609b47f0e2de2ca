//! Seats, steering wheel and mirrors.

use serde_json::{Map, json};

use super::builder::{binary, button, choice, sensor, switch};
use super::climate::control::settings;
use super::entity::{Entity, Fits};
use crate::homeassistant::commands::Rejection;
use crate::homeassistant::scene::{Scene, flag, word};
use crate::vehicle::command::{AirMode, ClimateSettings, EffectGroup, Operate, Preparation, Seat};
use crate::vehicle::facts::Value;
use crate::vehicle::intent::Reason;
use crate::vehicle::{Command, Powertrain, Reading as R};

const LEVELS: &[&str] = &["off", "low", "medium", "high"];

pub const ROWS: &[Entity] = &[
    choice("seat_driver_heat_select", "Driver seat heating", LEVELS)
        .icon("mdi:car-seat-heater")
        .disabled()
        .from(&[R::SeatHeatDriver], |car| level(car, R::SeatHeatDriver))
        .sends(&["seat-heat"], |payload, car| {
            Ok(car.wish(Command::SeatHeat(Seat::Driver, wanted(payload)?)))
        }),
    choice("seat_passenger_heat_select", "Passenger seat heating", LEVELS)
        .icon("mdi:car-seat-heater")
        .disabled()
        .from(&[R::SeatHeatPassenger], |car| level(car, R::SeatHeatPassenger))
        .sends(&["seat-heat"], |payload, car| {
            Ok(car.wish(Command::SeatHeat(Seat::Passenger, wanted(payload)?)))
        }),
    choice("seat_driver_vent_select", "Driver seat ventilation", LEVELS)
        .icon("mdi:car-seat-cooler")
        .disabled()
        .from(&[R::SeatVentDriver], |car| level(car, R::SeatVentDriver))
        .sends(&["seat-ventilation"], |payload, car| {
            Ok(car.wish(Command::SeatVentilation(Seat::Driver, wanted(payload)?)))
        }),
    choice("seat_passenger_vent_select", "Passenger seat ventilation", LEVELS)
        .icon("mdi:car-seat-cooler")
        .disabled()
        .from(&[R::SeatVentPassenger], |car| level(car, R::SeatVentPassenger))
        .sends(&["seat-ventilation"], |payload, car| {
            Ok(car.wish(Command::SeatVentilation(Seat::Passenger, wanted(payload)?)))
        }),
    switch("steering_wheel_heat", "Steering wheel heating")
        .icon("mdi:steering")
        .from(&[R::SteeringWheelHeat], |car| {
            let known = car.state.climate.steering_wheel_heat;
            car.switched(known, EffectGroup::SteeringWheel, |asked| match asked {
                Command::SteeringWheelHeat(on) => Some(*on),
                _ => None,
            })
        })
        .sends(
            &["steering-wheel-heat-on", "steering-wheel-heat-off"],
            |payload, car| car.toggle(payload, Command::SteeringWheelHeat),
        ),
    switch("mirror_heat", "Mirror heating")
        .icon("mdi:mirror-rectangle")
        .from(&[R::MirrorHeatLeft, R::MirrorHeatRight], |car| {
            car.switched(
                car.state.climate.mirror_heat,
                EffectGroup::Mirrors,
                |asked| match asked {
                    Command::MirrorHeat(on) => Some(*on),
                    _ => None,
                },
            )
        })
        .sends(
            &["rearview-mirror-heat-on", "rearview-mirror-heat-off"],
            |payload, car| car.toggle(payload, Command::MirrorHeat),
        )
        .note("On while either side is heated."),
    switch("fuel_heating", "Fuel heating")
        .icon("mdi:gas-burner")
        .disabled()
        .only(Fits::Powertrain(Powertrain::Reev))
        // Home Assistant then assumes what was asked for, and knows nothing after a restart.
        .known(|_| None)
        .details(|_| Map::from_iter([("opt".to_owned(), json!(true))]))
        .sends(&["fuel-heating-on", "fuel-heating-off"], |payload, car| {
            car.toggle(payload, Command::FuelHeating)
        })
        .note("The car does not say whether it runs, so Home Assistant assumes what was asked for last."),
    switch("prepare_schedule", "Departure preparation schedule")
        .icon("mdi:calendar-clock")
        .config()
        .disabled()
        .fact()
        .attributes_from("prepare_schedule/attributes")
        .sends(
            &["prepare-car-schedule-on", "prepare-car-schedule-off"],
            |payload, car| car.toggle(payload, Command::PrepareCarScheduleSwitch),
        )
        .note("Switches every entry on or off and keeps them; the attributes list them."),
    button("prepare_car", "Prepare car")
        .icon("mdi:car-clock")
        .sends(&["prepare-car"], |payload, car| {
            car.press(payload, Command::PrepareCar(preparation(car)))
        })
        .note(
            "Brings the cabin to the target temperature. For seats, mirrors and more send the command \
             `prepare-car` with its parameters.",
        ),
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

/// The word for a seat's level.
fn level(car: &Scene<'_>, reading: R) -> Option<Value> {
    let level = usize::try_from(car.state.frame.code(reading)?).ok()?;
    word(LEVELS.get(level)?)
}

/// The level a word stands for.
fn wanted(payload: &str) -> Result<u8, Rejection> {
    (0_u8..)
        .zip(LEVELS)
        .find_map(|(level, word)| (*word == payload).then_some(level))
        .ok_or_else(|| Rejection {
            reason: Reason::InvalidPayload,
            detail: format!("a seat takes {}", LEVELS.join(", ")),
        })
}

/// The climate alone, towards its target temperature.
fn preparation(car: &Scene<'_>) -> Preparation {
    let settings = settings(car);
    let mode = match car.state.frame.number(R::InteriorTemp) {
        Some(inside) if inside < f64::from(settings.temperature) => AirMode::Hot,
        Some(_) => AirMode::Cold,
        None => AirMode::Neither,
    };
    Preparation {
        climate: Some(ClimateSettings {
            mode,
            operate: Operate::Manual,
            ..settings
        }),
        seats: None,
        steering_wheel: false,
        mirrors: false,
        destination: None,
    }
}
