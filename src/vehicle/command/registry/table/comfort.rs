//! Seats, steering wheel, mirrors, heat from fuel, and all that a preparation bundles.

use super::super::Confirmation::State;
use super::super::Precondition::NotMoving;
use super::super::{Command, EffectGroup, Spec, build, lists};
use super::ROW;
use crate::vehicle::Model;

/// Front seats, wheel, mirrors and preparations.
pub const ROWS: &[Spec] = &[
    Spec {
        name: "seat-adjust",
        doc: "Seat adjustment; what the car wants is not known, so the object is passed on.",
        parameters: lists::PASSED_ON,
        right: &[280, 301],
        effect_group: EffectGroup::SeatAdjust,
        preconditions: &[NotMoving],
        build: build::seat_adjust,
        ..ROW
    },
    Spec {
        name: "seat-heat",
        doc: "Seat heating.",
        parameters: lists::SEAT,
        right: &[301],
        ability: &[14, 21, 29],
        // It declares the ability without having the hardware.
        unsupported: &[Model::T03],
        effect_group: EffectGroup::DriverSeat,
        confirmation: State,
        build: build::seat_heat,
        ..ROW
    },
    Spec {
        name: "seat-ventilation",
        doc: "Seat ventilation.",
        parameters: lists::SEAT,
        right: &[370, 301],
        ability: &[42, 43],
        unsupported: &[Model::T03],
        effect_group: EffectGroup::DriverSeat,
        confirmation: State,
        build: build::seat_ventilation,
        ..ROW
    },
    Spec {
        name: "steering-wheel-heat-on",
        aliases: &["steering-wheel-heat"],
        doc: "Steering wheel heating on.",
        build: |_| Ok(Command::SteeringWheelHeat(true)),
        ..STEERING_WHEEL
    },
    Spec {
        name: "steering-wheel-heat-off",
        doc: "Steering wheel heating off.",
        build: |_| Ok(Command::SteeringWheelHeat(false)),
        ..STEERING_WHEEL
    },
    Spec {
        name: "rearview-mirror-heat-on",
        aliases: &["rearview-mirror-heat", "mirror-heat", "mirror-heat-on"],
        doc: "Mirror heating on.",
        build: |_| Ok(Command::MirrorHeat(true)),
        ..MIRRORS
    },
    Spec {
        name: "rearview-mirror-heat-off",
        aliases: &["mirror-heat-off"],
        doc: "Mirror heating off.",
        build: |_| Ok(Command::MirrorHeat(false)),
        ..MIRRORS
    },
    Spec {
        name: "prepare-car",
        doc: "Prepare the car now: climate, seats, steering wheel, mirrors, destination. Ends after about 20 minutes.",
        parameters: lists::PREPARE,
        right: &[360],
        ability: &[38],
        effect_group: EffectGroup::Prepare,
        build: build::prepare_car,
        ..ROW
    },
    Spec {
        name: "prepare-car-schedule",
        doc: "Replace the preparation schedule by one entry, or by the list `controls`.",
        parameters: lists::PREPARE_SCHEDULE,
        build: build::prepare_car_schedule,
        ..PREPARE_SCHEDULE
    },
    Spec {
        name: "prepare-car-schedule-cancel",
        doc: "Remove every entry of the preparation schedule.",
        build: |_| Ok(Command::PrepareCarSchedule(Vec::new())),
        ..PREPARE_SCHEDULE
    },
    Spec {
        name: "prepare-car-schedule-on",
        doc: "Switch every entry of the preparation schedule on.",
        build: |_| Ok(Command::PrepareCarScheduleSwitch(true)),
        ..PREPARE_SCHEDULE
    },
    Spec {
        name: "prepare-car-schedule-off",
        doc: "Switch every entry of the preparation schedule off, without losing it.",
        build: |_| Ok(Command::PrepareCarScheduleSwitch(false)),
        ..PREPARE_SCHEDULE
    },
    Spec {
        name: "fuel-heating-on",
        aliases: &["fuel-heating"],
        doc: "Heat from fuel, on range-extender cars; unverified.",
        build: |_| Ok(Command::FuelHeating(true)),
        ..FUEL_HEATING
    },
    Spec {
        name: "fuel-heating-off",
        doc: "Stop heating from fuel; unverified.",
        build: |_| Ok(Command::FuelHeating(false)),
        ..FUEL_HEATING
    },
];

/// Rear seats.
pub const REAR_SEAT_ROWS: &[Spec] = &[Spec {
    name: "rear-seats",
    doc: "Rear seats of the C16; what the car wants is not known, so the text is passed on.",
    parameters: lists::REAR_SEATS,
    right: &[470, 301],
    effect_group: EffectGroup::RearSeats,
    preconditions: &[NotMoving],
    build: build::rear_seats,
    ..ROW
}];

/// Heating the steering wheel.
const STEERING_WHEEL: Spec = Spec {
    right: &[320],
    ability: &[15],
    effect_group: EffectGroup::SteeringWheel,
    confirmation: State,
    ..ROW
};

/// Heating the mirrors.
const MIRRORS: Spec = Spec {
    right: &[440],
    effect_group: EffectGroup::Mirrors,
    confirmation: State,
    ..ROW
};

/// Preparing the car, later.
const PREPARE_SCHEDULE: Spec = Spec {
    right: &[361, 360],
    ability: &[38],
    effect_group: EffectGroup::PrepareSchedule,
    ..ROW
};

/// Heating from fuel.
const FUEL_HEATING: Spec = Spec {
    right: &[380],
    ability: &[40],
    effect_group: EffectGroup::FuelHeating,
    ..ROW
};
