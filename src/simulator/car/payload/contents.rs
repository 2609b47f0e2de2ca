//! Reads the contents of commands that are more than a fixed text.

use jiff::ToSpan;
use jiff::civil::{DateTime, Time};
use serde_json::{Map, Value, json};

use super::{Climate, ClimateMode, Effect, Rejection, Seat};
use crate::simulator::car::plan::ChargePlan;

/// The texts of an object that has exactly these fields.
pub(super) fn texts<'a, const N: usize>(
    content: &'a Map<String, Value>,
    names: &[&str; N],
) -> Result<[&'a str; N], Rejection> {
    if content.len() != N {
        return Err(Rejection::Malformed);
    }
    let mut texts = [""; N];
    for (text, name) in texts.iter_mut().zip(names) {
        *text = content.get(*name).and_then(Value::as_str).ok_or(Rejection::Malformed)?;
    }
    Ok(texts)
}

fn number_up_to(text: &str, most: u8) -> Result<u8, Rejection> {
    text.parse()
        .ok()
        .filter(|number| *number <= most)
        .ok_or(Rejection::Malformed)
}

pub(super) fn value_up_to(content: &Map<String, Value>, most: u8) -> Result<u8, Rejection> {
    let [value] = texts(content, &["value"])?;
    number_up_to(value, most)
}

/// Off in either body, `close`, or the full settings.
pub(super) fn climate(content: &Map<String, Value>, _: DateTime) -> Result<Effect, Rejection> {
    let operate = content
        .get("operate")
        .and_then(Value::as_str)
        .ok_or(Rejection::Malformed)?;
    let short = content.len() == 1;
    if !short {
        settings(content)?;
    }
    match operate {
        "off" => Ok(Effect::ClimateOff { short }),
        "close" => Ok(Effect::ClimateClose),
        _ if short => Err(Rejection::Malformed),
        _ => settings(content).map(Effect::Climate),
    }
}

fn settings(content: &Map<String, Value>) -> Result<Climate, Rejection> {
    let [circle, mode, operate, position, temperature, windlevel, wshld] = texts(
        content,
        &[
            "circle",
            "mode",
            "operate",
            "position",
            "temperature",
            "windlevel",
            "wshld",
        ],
    )?;
    let temperature = number_up_to(temperature, 32)?;
    let fan = number_up_to(windlevel, 7)?;
    if fan == 0 || temperature < 18 {
        return Err(Rejection::Failed);
    }
    let known = ["manual", "auto", "off", "close"].contains(&operate)
        && position == "all"
        && ["in", "out"].contains(&circle)
        && ["0", "1", "2"].contains(&wshld);
    if !known {
        return Err(Rejection::Malformed);
    }
    Ok(Climate {
        mode: match mode {
            "cold" => ClimateMode::Cold,
            "hot" => ClimateMode::Hot,
            "nohotcold" | "wind" => ClimateMode::Ventilation,
            _ => return Err(Rejection::Malformed),
        },
        automatic: operate == "auto",
        temperature,
        fan,
        recirculation: circle == "in",
        defrost: wshld == "2",
    })
}

/// Whether climate settings are for climate that is on, as in everything but the command itself.
fn is_running(content: &Map<String, Value>) -> bool {
    matches!(content.get("operate").and_then(Value::as_str), Some("manual" | "auto"))
}

/// The proven form with position and level; the older `"<seat>,<level>"` is taken and ignored.
pub(super) fn seat(content: &Map<String, Value>, effect: fn(Seat, u8) -> Effect) -> Result<Effect, Rejection> {
    if let Ok([value]) = texts(content, &["value"]) {
        let (position, level) = value.split_once(',').ok_or(Rejection::Malformed)?;
        number_up_to(position, 6)?;
        number_up_to(level, 3)?;
        return Ok(Effect::Nothing);
    }
    let [position, level] = texts(content, &["position", "level"])?;
    let seat = match position {
        "driver" => Seat::Driver,
        "copilot" => Seat::Passenger,
        _ => return Err(Rejection::Malformed),
    };
    Ok(effect(seat, number_up_to(level, 3)?))
}

pub(super) fn destination(content: &Map<String, Value>, _: DateTime) -> Result<Effect, Rejection> {
    let [_, _, latitude, linenum, longitude] =
        texts(content, &["address", "addressname", "latitude", "linenum", "longitude"])?;
    let within = |text: &str, most: f64| text.parse::<f64>().is_ok_and(|degrees| degrees.abs() <= most);
    if within(latitude, 90.0) && within(longitude, 180.0) && linenum == "0" {
        Ok(Effect::Nothing)
    } else {
        Err(Rejection::Malformed)
    }
}

pub(super) fn charge_plan(content: &Map<String, Value>, now: DateTime) -> Result<Effect, Rejection> {
    const FIELDS: usize = 7;
    let text = |name: &str| content.get(name).and_then(Value::as_str).ok_or(Rejection::Malformed);
    let flag = |name: &str| match content.get(name).and_then(Value::as_u64) {
        Some(0) => Ok(false),
        Some(1) => Ok(true),
        _ => Err(Rejection::Malformed),
    };
    let start = text("starttime")?;
    let end = text("endtime")?;
    let days = text("cycles")?;
    let is_flags = days.split(',').count() == 7 && days.split(',').all(|day| day.parse::<u8>().is_ok());
    if content.len() != FIELDS || !is_time(start) || !is_time(end) || !is_flags {
        return Err(Rejection::Malformed);
    }
    Ok(Effect::ChargePlan(ChargePlan {
        enabled: flag("chargeEnable")?,
        limit: limit(content)?,
        start: start.to_owned(),
        end: end.to_owned(),
        days: days.to_owned(),
        repeats: flag("circulation")?,
        recharge: flag("recharge")?,
        updated: now.strftime("%Y-%m-%d %H:%M:%S").to_string(),
    }))
}

pub(super) fn native_limit(content: &Map<String, Value>, _: DateTime) -> Result<Effect, Rejection> {
    if content.len() != 1 {
        return Err(Rejection::Malformed);
    }
    limit(content).map(Effect::ChargeLimit)
}

fn limit(content: &Map<String, Value>) -> Result<u8, Rejection> {
    content
        .get("chargesoc")
        .and_then(Value::as_u64)
        .and_then(|percent| u8::try_from(percent).ok())
        .filter(|percent| (1..=100).contains(percent))
        .ok_or(Rejection::Malformed)
}

fn is_time(text: &str) -> bool {
    text.len() == 5 && text.parse::<Time>().is_ok()
}

/// What a preparation consists of; only the wanted parts are present.
pub(super) fn bundle(content: &Map<String, Value>) -> Result<Effect, Rejection> {
    let mut effects = Vec::new();
    for (part, settings_of) in content {
        let mut fields = settings_of.as_object().cloned().ok_or(Rejection::Malformed)?;
        if fields.remove("enable").and_then(|enable| enable.as_bool()) != Some(true) {
            return Err(Rejection::Malformed);
        }
        match part.as_str() {
            "air_condition" if is_running(&fields) => effects.push(Effect::Climate(settings(&fields)?)),
            "seat_setting" => {
                let [driver, passenger, left, right] =
                    texts(&fields, &["driver", "copilot", "left_rear", "right_rear"])?;
                effects.extend(seat_setting(Seat::Driver, driver)?);
                effects.extend(seat_setting(Seat::Passenger, passenger)?);
                // No status shows the rear seats.
                seat_setting(Seat::Driver, left)?;
                seat_setting(Seat::Passenger, right)?;
            }
            "steeringWheelHeatCtrl" if texts(&fields, &["level"])? == ["2"] => {
                effects.push(Effect::SteeringWheel(true));
            }
            "rearMirrorHeating" if texts(&fields, &["value"])? == ["2"] => effects.push(Effect::Mirrors(true)),
            "syn_path" => {
                texts(
                    &fields,
                    &[
                        "address",
                        "addressname",
                        "addresskey",
                        "config",
                        "latitude",
                        "linenum",
                        "longitude",
                    ],
                )?;
            }
            _ => return Err(Rejection::Malformed),
        }
    }
    if content.is_empty() {
        Err(Rejection::Malformed)
    } else {
        Ok(Effect::Prepare(effects))
    }
}

/// 0 off, 1 to 3 heat, 11 to 13 ventilate.
fn seat_setting(seat: Seat, code: &str) -> Result<Option<Effect>, Rejection> {
    match code.parse::<u8>() {
        Ok(0) => Ok(None),
        Ok(level @ 1..=3) => Ok(Some(Effect::SeatHeat(seat, level))),
        Ok(code @ 11..=13) => Ok(Some(Effect::SeatVentilation(seat, code - 10))),
        _ => Err(Rejection::Malformed),
    }
}

pub(super) fn climate_schedule(content: &Map<String, Value>, now: DateTime) -> Result<Effect, Rejection> {
    schedule(171, content, now, |entry| {
        let on = entry.get("on").and_then(Value::as_str);
        let mut body: Map<String, Value> = [
            "circle",
            "mode",
            "operate",
            "position",
            "temperature",
            "windlevel",
            "wshld",
        ]
        .iter()
        .filter_map(|name| Some(((*name).to_owned(), entry.get(*name)?.clone())))
        .collect();
        // The app leaves the air intake open in some entries.
        if body.get("circle").is_some_and(Value::is_null) {
            body.insert("circle".to_owned(), Value::from("out"));
        }
        settings(&body)?;
        if !is_running(&body) {
            return Err(Rejection::Malformed);
        }
        let complete = entry.contains_key("set_id") && entry.contains_key("update_time");
        if complete && matches!(on, Some("0" | "1")) {
            Ok(())
        } else {
            Err(Rejection::Malformed)
        }
    })
}

pub(super) fn prepare_schedule(content: &Map<String, Value>, now: DateTime) -> Result<Effect, Rejection> {
    schedule(361, content, now, |entry| {
        let parts = entry
            .get("datacontent")
            .and_then(Value::as_object)
            .ok_or(Rejection::Malformed)?;
        bundle(parts)?;
        let complete = entry.contains_key("set_id") && entry.get("enable").is_some_and(Value::is_boolean);
        if complete { Ok(()) } else { Err(Rejection::Malformed) }
    })
}

pub(super) fn battery_heating_schedule(content: &Map<String, Value>, now: DateTime) -> Result<Effect, Rejection> {
    schedule(161, content, now, |entry| {
        if entry.contains_key("on") && entry.contains_key("set_id") {
            Ok(())
        } else {
            Err(Rejection::Malformed)
        }
    })
}

/// A list of entries that replaces the earlier one. One single entry whose only time has passed makes all of it fail.
fn schedule(
    command: u32,
    content: &Map<String, Value>,
    now: DateTime,
    check: fn(&Map<String, Value>) -> Result<(), Rejection>,
) -> Result<Effect, Rejection> {
    let controls = content
        .get("controls")
        .and_then(Value::as_array)
        .ok_or(Rejection::Malformed)?;
    if content.len() != 1 {
        return Err(Rejection::Malformed);
    }
    for control in controls {
        let entry = control.as_object().ok_or(Rejection::Malformed)?;
        check(entry)?;
        let days = entry
            .get("days")
            .and_then(Value::as_array)
            .ok_or(Rejection::Malformed)?;
        if !days.iter().all(|day| day.as_u64().is_some_and(|day| day <= 6)) {
            return Err(Rejection::Malformed);
        }
        let start = entry
            .get("start_time")
            .and_then(Value::as_str)
            .ok_or(Rejection::Malformed)?;
        let start = DateTime::strptime("%Y-%m-%d %H:%M:%S", start).map_err(|_| Rejection::Malformed)?;
        // The car's zone is not known here; half a day of tolerance keeps every zone out of trouble.
        if days.is_empty() && start.saturating_add(14.hours()) < now {
            return Err(Rejection::Failed);
        }
    }
    Ok(Effect::Appointments(command, Value::Object(content.clone())))
}

pub(super) fn update_task(content: &Map<String, Value>, fields: &[&str]) -> Result<Effect, Rejection> {
    let fits = content.len() == fields.len()
        && fields.iter().all(|name| content.contains_key(*name))
        && content.get("taskId").is_some_and(Value::is_u64);
    if fits {
        Ok(Effect::Nothing)
    } else {
        Err(Rejection::Malformed)
    }
}

pub(super) fn update_schedule(content: &Map<String, Value>, _: DateTime) -> Result<Effect, Rejection> {
    update_task(content, &["taskId", "scheduleTime"])?;
    let time = content.get("scheduleTime").and_then(Value::as_str).unwrap_or_default();
    let time: DateTime = time.parse().map_err(|_| Rejection::Malformed)?;
    let entry = json!({
        "pid": content.get("taskId").map(ToString::to_string),
        "start_time": time.strftime("%Y-%m-%d %H:%M:%S").to_string(),
    });
    Ok(Effect::Appointments(392, json!({ "controls": [entry] })))
}
