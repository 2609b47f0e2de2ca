//! Plug, charging and the charging plan.

use super::builder::{binary, dial, moment, sensor, words};
use super::entity::{Entity, Range, Wish};
use crate::homeassistant::commands::{Rejection, whole};
use crate::homeassistant::scene::{Scene, flag, number, word};
use crate::vehicle::facts::Value;
use crate::vehicle::intent::Intent;
use crate::vehicle::state::{Charger, Connection};
use crate::vehicle::{Command, Reading as R};

/// What the charging rules rest on.
const CHARGING: &[R] = &[R::ChargeState, R::BatteryCurrent, R::AcPortState];

/// What the charge limit takes. Less than 20 % would strand the car.
const LIMIT: Range = Range {
    min: LOWEST as u32,
    max: HIGHEST as u32,
    step: 1,
};
const LOWEST: u8 = 20;
const HIGHEST: u8 = 100;

pub const ROWS: &[Entity] = &[
    binary("charging", "Charging")
        .class("battery_charging")
        .from(CHARGING, |car| flag(car.state.charging.charging))
        .note("Never while driving, although braking looks like charging."),
    binary("plugged_in", "Charge cable")
        .class("plug")
        .from(&[R::ChargeState, R::AcPortState], |car| {
            flag(car.state.charging.plugged)
        }),
    binary("dc_cable_connected", "DC charge cable")
        .class("plug")
        .diagnostic()
        .from(&[R::DcPlug], |car| car.is_set(R::DcPlug)),
    words("charge_connection_state", "Charging connection", CONNECTIONS)
        .from(CHARGING, |car| word(connection(car.state.charging.connection?))),
    words("evcc_status", "EVCC status", &["A", "B", "C"])
        .diagnostic()
        .disabled()
        .from(CHARGING, |car| word(iec_61851(car.state.charging.connection?)))
        .note("The letter of IEC 61851 that energy managers expect."),
    words("charge_type_session", "Charger type", &["unplugged", "ac", "dc"]).from(
        &[R::DcPlug, R::AcPortState],
        |car| {
            word(match car.state.charging.charger? {
                Charger::Unplugged => "unplugged",
                Charger::Ac => "ac",
                Charger::Dc => "dc",
            })
        },
    ),
    sensor("charging_power", "Charging power")
        .measures(Some("power"), "kW", 2)
        .from(&[R::BatteryVoltage, R::BatteryCurrent], |car| {
            number(car.state.charging.power?, 3)
        })
        .note("0 while the car does not charge; braking is not charging."),
    sensor("charge_time_remaining", "Charge time remaining")
        .measures(Some("duration"), "min", 0)
        .from(&[R::ChargeRemainTime], |car| number(car.state.charging.remaining?, 0))
        .note("Unknown while the car does not charge."),
    moment("charge_finish_time", "Charge finish time").from(&[R::ChargeRemainTime], |car| {
        car.state.charging.finish_time.map(Value::Time)
    }),
    sensor("charge_rate", "Charge rate")
        .measures(Some("speed"), "km/h", 0)
        .diagnostic()
        .disabled()
        .from(&[R::ChargeState], |car| number(car.state.charging.rate?, 1))
        .note("Range gained per hour, while charging."),
    sensor("v2l_power", "V2L power")
        .measures(Some("power"), "W", 0)
        .diagnostic()
        .disabled()
        .from(&[R::AcPortState], |car| {
            number(car.state.charging.v2l_power?.0 * 1000.0, 0)
        })
        .note("What an external load takes from the parked car; the rule is unverified."),
    binary("fully_charged", "Fully charged")
        .icon("mdi:battery-check")
        .diagnostic()
        .from(&[R::ChargeCompleted], |car| flag(car.state.charging.fully_charged)),
    sensor("charge_state_raw", "Charge state (raw)")
        .icon("mdi:code-tags")
        .diagnostic()
        .disabled()
        .from(&[R::ChargeState], |car| car.raw(R::ChargeState))
        .note("As the car sent it; sources disagree about the codes."),
    binary("healthy_charging_state", "Healthy charging state")
        .icon("mdi:battery-heart")
        .diagnostic()
        .disabled()
        .from(&[R::HealthyChargeEnabled], |car| {
            car.code_is(R::HealthyChargeEnabled, &[1])
        }),
    dial("charge_limit", "Charge limit", LIMIT)
        .class("battery")
        .unit("%")
        .config()
        .from(&[R::ChargeLimit], |car| {
            // Home Assistant refuses a state outside the range with an error.
            let limit = car.state.plan.limit?.clamp(LIMIT.min.into(), LIMIT.max.into());
            number(i32::try_from(limit).ok()?, 0)
        })
        .sends(&["charge-limit"], set_limit)
        .note("Sets the limit of this car and keeps the rest of its charging plan."),
    binary("charge_plan_enabled", "Scheduled charging")
        .icon("mdi:calendar-clock")
        .diagnostic()
        .disabled()
        .from(&[R::ChargePlanEnabled], |car| flag(car.state.plan.enabled)),
    binary("charge_plan_daily", "Daily charging schedule")
        .icon("mdi:calendar-week")
        .diagnostic()
        .disabled()
        .from(&[R::ChargePlanDays], |car| {
            flag(every_day(car.state.plan.cycles.as_deref()?))
        }),
    sensor("charge_plan_circulation", "Charging schedule recurrence")
        .icon("mdi:calendar-refresh")
        .diagnostic()
        .disabled()
        .from(&[R::ChargePlanRepeat], |car| car.raw(R::ChargePlanRepeat))
        .note("A raw code; by its sources 0 is once and 1 repeats."),
    moment("charge_plan_updated", "Charging schedule updated")
        .diagnostic()
        .disabled()
        .from(&[R::ChargePlanUpdated], |car| car.state.plan.updated.map(Value::Time))
        .note("The car gives no time zone; UTC is assumed."),
    binary("charge_plan_cancelled_once", "Charging schedule skipped once")
        .icon("mdi:calendar-remove")
        .diagnostic()
        .disabled()
        .from(&[R::ChargeScheduleCancelledOnce], |car| {
            car.code_is(R::ChargeScheduleCancelledOnce, &[1])
        }),
];

const CONNECTIONS: &[&str] = &["unplugged", "plugged_in", "waiting_schedule", "charging", "finished"];

fn connection(connection: Connection) -> &'static str {
    match connection {
        Connection::Unplugged => "unplugged",
        Connection::PluggedIn => "plugged_in",
        Connection::WaitingSchedule => "waiting_schedule",
        Connection::Charging => "charging",
        Connection::Finished => "finished",
    }
}

fn iec_61851(connection: Connection) -> &'static str {
    match connection {
        Connection::Unplugged => "A",
        Connection::PluggedIn | Connection::WaitingSchedule | Connection::Finished => "B",
        Connection::Charging => "C",
    }
}

/// Whether a plan's days are all seven. Cars write seven flags, other clients the numbers 1 to 7.
fn every_day(cycles: &str) -> Option<bool> {
    let days: Vec<_> = cycles.split(',').map(str::trim).collect();
    let flags = days.len() == 7 && days.iter().all(|day| matches!(*day, "0" | "1"));
    let numbers = !flags
        && days
            .iter()
            .all(|day| matches!(*day, "1" | "2" | "3" | "4" | "5" | "6" | "7"));
    match (flags, numbers) {
        (true, _) => Some(days.iter().all(|day| *day == "1")),
        (_, true) => Some(
            ("1234567")
                .chars()
                .all(|day| days.iter().any(|text| text.starts_with(day))),
        ),
        (false, false) => None,
    }
}

fn set_limit(payload: &str, car: &Scene<'_>) -> Result<Wish, Rejection> {
    let percent = whole(payload, LOWEST, HIGHEST, "the charge limit", "%")?;
    let vin = car.view.car.vin.clone();
    Ok(Wish::Now(Intent::Car(vin, Command::ChargeLimit { percent })))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_days_of_a_plan_are_read_in_both_notations() {
        for (cycles, expected) in [
            ("1,1,1,1,1,1,1", Some(true)),
            ("1,1,1,1,1,0,0", Some(false)),
            ("1,2,3,4,5,6,7", Some(true)),
            ("1,2,3", Some(false)),
            ("", None),
            ("daily", None),
        ] {
            assert_eq!(every_day(cycles), expected, "{cycles}");
        }
    }
}
