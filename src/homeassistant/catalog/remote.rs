//! What readies or moves the car, its keys and its radio. Most of it is offered only if the owner allows the command by
//! name.

use super::builder::{button, dial};
use super::entity::{Entity, Range};
use crate::homeassistant::commands::whole;
use crate::homeassistant::scene::number;
use crate::vehicle::{Command, Reading as R};

const SLOWEST: u8 = 10;
const FASTEST: u8 = 200;

pub const ROWS: &[Entity] = &[
    button("on3_on_button", "ON3 on")
        .icon("mdi:power")
        .disabled()
        .sends(&["on3-on"], |payload, car| car.press(payload, Command::On3(true)))
        .note("Makes the car ready to drive. Only if `commands.allow` names `on3-on`."),
    button("on3_off_button", "ON3 off")
        .icon("mdi:power-off")
        .disabled()
        .sends(&["on3-off"], |payload, car| car.press(payload, Command::On3(false)))
        .note("Only if `commands.allow` names `on3-off`."),
    button("autopark", "Autopark")
        .icon("mdi:parking")
        .disabled()
        .sends(&["autopark"], |payload, car| car.press(payload, Command::Autopark))
        .note("Moves the car. Only if `commands.allow` names `autopark`."),
    button("ble_key_restart", "Restart Bluetooth key")
        .class("restart")
        .config()
        .disabled()
        .sends(&["ble-key-restart"], |payload, car| {
            car.press(payload, Command::BleKeyRestart)
        })
        .note("Only if `commands.allow` names `ble-key-restart`."),
    button("hotspot_toggle", "Toggle hotspot")
        .icon("mdi:wifi")
        .disabled()
        .sends(&["hotspot"], |payload, car| car.press(payload, Command::Hotspot))
        .note("Its effect is unverified."),
    dial(
        "speed_limit",
        "Speed limit",
        Range {
            min: SLOWEST as u32,
            max: FASTEST as u32,
            step: 1,
        },
    )
    .class("speed")
    .unit("km/h")
    .config()
    .disabled()
    .from(&[R::SpeedLimit], |car| match car.state.frame.code(R::SpeedLimitUnit) {
        None | Some(0) => {
            let limit = car.state.frame.number(R::SpeedLimit)?;
            // Home Assistant refuses a state outside the range with an error.
            number(limit.clamp(SLOWEST.into(), FASTEST.into()), 0)
        }
        // Another unit, of which only the code is known.
        Some(_) => None,
    })
    .sends(&["speed-limit"], |payload, car| {
        let kmh = whole(payload, SLOWEST, FASTEST, "the speed limit", "km/h")?;
        Ok(car.wish(Command::SpeedLimit { kmh }))
    })
    .note("Only if `commands.allow` names `speed-limit`; the range is unverified."),
];
