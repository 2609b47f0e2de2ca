//! What moves the car, readies it to drive or limits it.

use super::super::Confirmation::State;
use super::super::Precondition::{InPark, NotMoving};
use super::super::{Command, EffectGroup, Risk, Spec, build, lists};
use super::ROW;

/// Automatic parking.
pub const AUTOPARK_ROWS: &[Spec] = &[Spec {
    name: "autopark",
    doc: "Automatic parking: moves the car. The effect is unverified.",
    right: &[150],
    ability: &[4],
    risk: Risk::Driving,
    effect_group: EffectGroup::Drive,
    preconditions: &[NotMoving, InPark],
    build: |_| Ok(Command::Autopark),
    ..ROW
}];

/// The rest of it.
pub const ROWS: &[Spec] = &[
    Spec {
        name: "piloted-parking",
        doc: "Moves the car; what it wants is not known, so the object is passed on.",
        parameters: lists::PASSED_ON,
        right: &[350],
        risk: Risk::Driving,
        effect_group: EffectGroup::Drive,
        preconditions: &[NotMoving, InPark],
        build: build::piloted_parking,
        ..ROW
    },
    Spec {
        name: "on3-on",
        aliases: &["on3"],
        doc: "Make the car ready to drive.",
        build: |_| Ok(Command::On3(true)),
        ..ON3
    },
    Spec {
        name: "on3-off",
        doc: "End readiness to drive.",
        build: |_| Ok(Command::On3(false)),
        ..ON3
    },
    Spec {
        name: "speed-limit",
        aliases: &["set-speed-limit"],
        doc: "Speed limit.",
        parameters: lists::SPEED_LIMIT,
        right: &[510],
        ability: &[34],
        risk: Risk::Driving,
        effect_group: EffectGroup::SpeedLimit,
        preconditions: &[NotMoving],
        confirmation: State,
        build: build::speed_limit,
        ..ROW
    },
    Spec {
        name: "ble-key-restart",
        doc: "Restart the digital key; unverified.",
        right: &[430],
        ability: &[16, 53],
        risk: Risk::Driving,
        effect_group: EffectGroup::Key,
        preconditions: &[NotMoving],
        build: |_| Ok(Command::BleKeyRestart),
        ..ROW
    },
];

/// Readiness to drive.
const ON3: Spec = Spec {
    right: &[410],
    ability: &[46],
    risk: Risk::Driving,
    effect_group: EffectGroup::Drive,
    preconditions: &[NotMoving, InPark],
    ..ROW
};
