//! Starting, stopping and planning charges.

use jiff::civil::Time;
use serde_json::{Map, Value as Json, json};

use super::builder::{button, switch, text};
use super::entity::{Entity, Wish};
use crate::homeassistant::commands::{self, Rejection};
use crate::homeassistant::scene::Scene;
use crate::vehicle::command::{ChargeScheduleChange, EffectGroup};
use crate::vehicle::facts::Value;
use crate::vehicle::intent::Reason;
use crate::vehicle::{Command, Reading as R};

/// `HH:MM`; nothing while it is not known.
const TIME: &str = "^$|^([01][0-9]|2[0-3]):[0-5][0-9]$";
/// The longest text Home Assistant shows, in characters.
const LONGEST: usize = 255;
/// Seven flags; nothing while they are not known.
const DAYS: &str = "^$|^[01](,[01]){6}$";

pub const ROWS: &[Entity] = &[
    switch("charging_switch", "Charge now")
        .icon("mdi:ev-station")
        .from(&[R::ChargeState, R::BatteryCurrent, R::AcPortState], |car| {
            car.switched(car.state.charging.charging, EffectGroup::Charge, |asked| match asked {
                Command::ChargeStart => Some(true),
                Command::ChargeStop => Some(false),
                _ => None,
            })
        })
        .sends(&["charge-start", "charge-stop"], |payload, car| {
            car.toggle(
                payload,
                |on| if on { Command::ChargeStart } else { Command::ChargeStop },
            )
        })
        .note("Needs a plugged cable; without one it is refused as `not_plugged`."),
    button("charging_start_button", "Start charging")
        .icon("mdi:play")
        .disabled()
        .sends(&["charge-start"], |payload, car| {
            car.press(payload, Command::ChargeStart)
        }),
    button("charging_stop_button", "Stop charging")
        .icon("mdi:stop")
        .disabled()
        .sends(&["charge-stop"], |payload, car| car.press(payload, Command::ChargeStop)),
    button("unlock_charger", "Unlock charge connector")
        .icon("mdi:ev-plug-type2")
        .sends(&["unlock-charger"], |payload, car| {
            car.press(payload, Command::UnlockCharger)
        }),
    switch("battery_preheat", "Battery preheat")
        .icon("mdi:heat-wave")
        .from(&[R::BatteryThermalRequest], |car| {
            car.switched(
                car.state.battery.heating,
                EffectGroup::BatteryPreheat,
                |asked| match asked {
                    Command::BatteryPreheat(on) => Some(*on),
                    _ => None,
                },
            )
        })
        .sends(&["battery-preheat-on", "battery-preheat-off"], |payload, car| {
            car.toggle(payload, Command::BatteryPreheat)
        }),
    switch("healthy_charging", "Healthy charging")
        .icon("mdi:battery-heart")
        .config()
        .from(&[R::HealthyChargeEnabled], |car| {
            let known = car.state.frame.code_is(R::HealthyChargeEnabled, &[1]);
            car.switched(known, EffectGroup::HealthyCharging, |asked| match asked {
                Command::HealthyCharging(on) => Some(*on),
                _ => None,
            })
        })
        .sends(&["healthy-charging-on", "healthy-charging-off"], |payload, car| {
            car.toggle(payload, Command::HealthyCharging)
        })
        .note("Charges to about 80 %."),
    switch("charging_schedule", "Charging schedule")
        .icon("mdi:calendar-clock")
        .config()
        .from(&[R::ChargePlanEnabled], |car| {
            car.switched(car.state.plan.enabled, EffectGroup::ChargePlan, |asked| match asked {
                Command::ChargeSchedule(change) => change.enabled,
                _ => None,
            })
        })
        .sends(&["charge-schedule"], |payload, car| {
            car.toggle(payload, |on| {
                Command::ChargeSchedule(ChargeScheduleChange {
                    enabled: Some(on),
                    ..ChargeScheduleChange::default()
                })
            })
        })
        .note("Keeps start, end, days and limit."),
    text("charge_schedule_start", "Charging schedule start")
        .icon("mdi:clock-start")
        .config()
        .from(&[R::ChargePlanStart, R::ChargeTimeSetting], |car| {
            time(car.state.plan.start.as_deref()?)
        })
        .sends(&["charge-schedule"], |payload, car| change(car, "start_time", payload))
        .details(|_| pattern(TIME))
        .note("`HH:MM`, the time of the car."),
    text("charge_schedule_end", "Charging schedule end")
        .icon("mdi:clock-end")
        .config()
        .from(&[R::ChargePlanEnd], |car| time(car.state.plan.end.as_deref()?))
        .sends(&["charge-schedule"], |payload, car| change(car, "end_time", payload))
        .details(|_| pattern(TIME))
        .note("`HH:MM`, the time of the car."),
    text("charge_schedule_days", "Charging schedule days")
        .icon("mdi:calendar-week")
        .config()
        .disabled()
        .from(&[R::ChargePlanDays], |car| flags(car.state.plan.cycles.as_deref()?))
        .sends(&["charge-schedule"], |payload, car| change(car, "cycles", payload))
        .details(|_| pattern(DAYS))
        .note("Seven flags, Monday first: `1,1,1,1,1,0,0`."),
    text("charge_schedule_json", "Charging schedule (JSON)")
        .icon("mdi:code-json")
        .config()
        .disabled()
        .from(&[R::ChargePlanEnabled, R::ChargeLimit], |car| {
            plan(car).map(Value::Text)
        })
        .sends(&["charge-schedule"], change_several)
        .note("An object with any of `enabled`, `start`, `end`, `limit`, `days`; what is left out stays as it is."),
];

/// The plan as one object; the keys are those that can be set.
fn plan(car: &Scene<'_>) -> Option<String> {
    let plan = &car.state.plan;
    let parts = [
        ("enabled", plan.enabled.map(Json::from)),
        ("start", plan.start.clone().map(Json::from)),
        ("end", plan.end.clone().map(Json::from)),
        ("limit", plan.limit.map(Json::from)),
        ("days", plan.cycles.clone().map(Json::from)),
    ];
    let known: Map<_, _> = parts
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), value?)))
        .collect();
    let text = Json::Object(known).to_string();
    // A text that was cut off would be no JSON.
    (text != "{}" && text.chars().count() <= LONGEST).then_some(text)
}

/// Only what the pattern announces; Home Assistant refuses any other state with an error.
fn time(text: &str) -> Option<Value> {
    let announced = text.len() == 5 && Time::strptime("%H:%M", text).is_ok();
    announced.then(|| Value::Text(text.to_owned()))
}

/// The same for the days.
fn flags(cycles: &str) -> Option<Value> {
    let days: Vec<_> = cycles.split(',').map(str::trim).collect();
    let announced = days.len() == 7 && days.iter().all(|day| matches!(*day, "0" | "1"));
    announced.then(|| Value::Text(days.join(",")))
}

fn change(car: &Scene<'_>, part: &str, payload: &str) -> Result<Wish, Rejection> {
    let parameters = Map::from_iter([(part.to_owned(), json!(payload.trim()))]);
    Ok(car.wish(commands::parse("charge-schedule", &parameters)?))
}

fn change_several(payload: &str, car: &Scene<'_>) -> Result<Wish, Rejection> {
    let mut parts = object(payload)?;
    if let Some(days) = parts.remove("days") {
        parts.insert("cycles".to_owned(), days);
    }
    Ok(car.wish(commands::parse("charge-schedule", &parts)?))
}

/// The JSON object of a message.
pub fn object(payload: &str) -> Result<Map<String, Json>, Rejection> {
    serde_json::from_str(payload).map_err(|_| Rejection {
        reason: Reason::InvalidPayload,
        detail: "the text is no JSON object".to_owned(),
    })
}

/// The keys of a discovery message that say what a text may be.
pub fn pattern(pattern: &str) -> Map<String, Json> {
    Map::from_iter([("ptrn".to_owned(), json!(pattern))])
}
