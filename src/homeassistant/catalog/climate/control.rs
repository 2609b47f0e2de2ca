//! The climate entity: what it shows and what its controls mean.
//!
//! A new temperature or fan level acts at once while the air conditioning runs. While it is off, or not known to run,
//! it is kept for the next time it is switched on: setting a temperature must never start it. Home Assistant may send
//! a mode and a temperature as two messages in any order; this way both orders end the same.

use serde_json::{Map, Value as Json, json};

use crate::homeassistant::catalog::entity::{Part, Wish};
use crate::homeassistant::commands::{self, Rejection, whole};
use crate::homeassistant::scene::{ClimateMemory, Scene, on_or_off, word};
use crate::vehicle::command::{AirMode, ClimateSettings, EffectGroup, Operate};
use crate::vehicle::facts::Value;
use crate::vehicle::intent::{Intent, Reason};
use crate::vehicle::state::ClimateMode;
use crate::vehicle::{Command, Model, Reading as R};

const MIN_TEMPERATURE: u8 = 18;
const MAX_TEMPERATURE: u8 = 32;
const MIN_FAN: u8 = 1;
const MAX_FAN: u8 = 7;
const FAN_MODES: [&str; 7] = ["1", "2", "3", "4", "5", "6", "7"];
/// Presets, each with its command.
const PRESETS: [(&str, &str); 4] = [
    ("quick_cool", "quick-cool"),
    ("quick_heat", "quick-heat"),
    ("defrost", "windshield-defrost"),
    ("ventilate", "quick-ventilation"),
];
/// Home Assistant adds it to the list by itself, and refuses a list that names it.
pub const NO_PRESET: &str = "none";

pub const PARTS: &[Part] = &[
    Part {
        name: "mode",
        state_topic_key: "mode_stat_t",
        source: mode,
        unknown: "None",
        control: Some(("mode_cmd_t", set_mode)),
        exists: |_| true,
    },
    Part {
        name: "temperature",
        state_topic_key: "temp_stat_t",
        source: temperature,
        unknown: "None",
        control: Some(("temp_cmd_t", set_temperature)),
        exists: |_| true,
    },
    Part {
        name: "current_temperature",
        state_topic_key: "curr_temp_t",
        source: |car| car.number(R::InteriorTemp, 1),
        unknown: "None",
        control: None,
        exists: |car| car.view.evidence.contains(&R::InteriorTemp),
    },
    Part {
        name: "fan",
        state_topic_key: "fan_mode_stat_t",
        source: fan,
        unknown: "None",
        control: Some(("fan_mode_cmd_t", set_fan)),
        exists: |_| true,
    },
    Part {
        name: "preset",
        state_topic_key: "pr_mode_stat_t",
        source: preset,
        unknown: "None",
        control: Some(("pr_mode_cmd_t", set_preset)),
        exists: |car| !presets(car).is_empty(),
    },
    Part {
        name: "action",
        state_topic_key: "act_t",
        source: action,
        unknown: "None",
        control: None,
        exists: |_| true,
    },
];

pub fn details(car: &Scene<'_>) -> Map<String, Json> {
    let mut modes = vec!["off", "heat", "cool", "fan_only"];
    if knows_auto(car) {
        modes.push("auto");
    }
    let mut keys = Map::from_iter([
        ("modes".to_owned(), json!(modes)),
        ("fan_modes".to_owned(), json!(FAN_MODES)),
        ("temp_unit".to_owned(), json!("C")),
        ("min_temp".to_owned(), json!(MIN_TEMPERATURE)),
        ("max_temp".to_owned(), json!(MAX_TEMPERATURE)),
        ("temp_step".to_owned(), json!(1)),
        ("precision".to_owned(), json!(0.5)),
    ]);
    let presets = presets(car);
    if !presets.is_empty() {
        keys.insert("pr_modes".to_owned(), json!(presets));
    }
    keys
}

/// The presets whose commands may be sent to the car.
fn presets(car: &Scene<'_>) -> Vec<&'static str> {
    let offered = |command| commands::offered(command, &car.view.car, &car.options.policy);
    let presets = PRESETS.iter().filter(|(_, command)| offered(command));
    presets.map(|(name, _)| *name).collect()
}

/// The T03 ignores a request for automatic operation.
fn knows_auto(car: &Scene<'_>) -> bool {
    car.view.car.model != Model::T03
}

fn mode(car: &Scene<'_>) -> Option<Value> {
    let climate = &car.state.climate;
    if !climate.on? {
        return word("off");
    }
    match climate.mode? {
        ClimateMode::Cool => word("cool"),
        ClimateMode::Heat => word("heat"),
        ClimateMode::Ventilate => word("fan_only"),
        ClimateMode::Auto if knows_auto(car) => word("auto"),
        ClimateMode::Auto | ClimateMode::Unknown(_) => None,
    }
}

fn temperature(car: &Scene<'_>) -> Option<Value> {
    car.number(R::TargetTempLeft, 1)
}

fn fan(car: &Scene<'_>) -> Option<Value> {
    let level = car.state.frame.code(R::FanLevel)?;
    // Home Assistant refuses a fan mode that was not announced.
    (i64::from(MIN_FAN)..=i64::from(MAX_FAN))
        .contains(&level)
        .then(|| Value::Text(level.to_string()))
}

/// The preset that runs.
pub fn preset(car: &Scene<'_>) -> Option<Value> {
    let climate = &car.state.climate;
    if !climate.on? {
        return word(NO_PRESET);
    }
    if climate.quick_cool == Some(true) {
        word("quick_cool")
    } else if climate.quick_heat == Some(true) {
        word("quick_heat")
    } else if climate.defrost == Some(true) {
        word("defrost")
    } else if climate.mode == Some(ClimateMode::Ventilate) {
        word("ventilate")
    } else {
        word(NO_PRESET)
    }
}

fn action(car: &Scene<'_>) -> Option<Value> {
    let climate = &car.state.climate;
    if !climate.on? {
        return word("off");
    }
    if climate.defrost == Some(true) {
        return word("defrosting");
    }
    match climate.mode? {
        ClimateMode::Cool => word("cooling"),
        ClimateMode::Heat => word("heating"),
        ClimateMode::Ventilate => word("fan"),
        // The car decides and does not tell.
        ClimateMode::Auto | ClimateMode::Unknown(_) => None,
    }
}

fn set_mode(payload: &str, car: &Scene<'_>) -> Result<Wish, Rejection> {
    let wanted = settings(car);
    let (mode, operate) = match payload {
        "off" => return Ok(now(car, Command::ClimateOff)),
        "cool" => (AirMode::Cold, Operate::Manual),
        "heat" => (AirMode::Hot, Operate::Manual),
        "fan_only" => (AirMode::Neither, Operate::Manual),
        "auto" if knows_auto(car) => (AirMode::Neither, Operate::Auto),
        "auto" => {
            return Err(Rejection {
                reason: Reason::ModelUnsupported,
                detail: "the T03 has no automatic climate".to_owned(),
            });
        }
        _ => return Err(unknown_word("mode", payload)),
    };
    let settings = ClimateSettings {
        mode,
        operate,
        ..wanted
    };
    Ok(now(car, Command::Climate(settings)))
}

fn set_temperature(payload: &str, car: &Scene<'_>) -> Result<Wish, Rejection> {
    let temperature = whole(payload, MIN_TEMPERATURE, MAX_TEMPERATURE, "the temperature", "°C")?;
    Ok(adjust(
        car,
        ClimateSettings {
            temperature,
            ..settings(car)
        },
    ))
}

fn set_fan(payload: &str, car: &Scene<'_>) -> Result<Wish, Rejection> {
    let fan = whole(payload, MIN_FAN, MAX_FAN, "the fan level", "")?;
    Ok(adjust(car, ClimateSettings { fan, ..settings(car) }))
}

/// Starts a preset, or leaves it.
pub fn set_preset(payload: &str, car: &Scene<'_>) -> Result<Wish, Rejection> {
    let command = match payload {
        "quick_cool" => Command::QuickCool,
        "quick_heat" => Command::QuickHeat,
        "defrost" => Command::WindshieldDefrost,
        "ventilate" => Command::QuickVentilation {
            temperature: settings(car).temperature,
        },
        NO_PRESET => return Ok(leave(car, begins_preset, shows_preset(car))),
        _ => return Err(unknown_word("preset", payload)),
    };
    Ok(now(car, command))
}

/// Recirculation instead of fresh air.
pub fn set_recirculation(payload: &str, car: &Scene<'_>) -> Result<Wish, Rejection> {
    let recirculate = on_or_off(payload)?;
    Ok(adjust(
        car,
        ClimateSettings {
            recirculate,
            ..settings(car)
        },
    ))
}

/// Windshield defrost.
pub fn set_defrost(payload: &str, car: &Scene<'_>) -> Result<Wish, Rejection> {
    if on_or_off(payload)? {
        return Ok(now(car, Command::WindshieldDefrost));
    }
    let begins = |command: &Command| *command == Command::WindshieldDefrost;
    Ok(leave(car, begins, car.state.climate.defrost == Some(true)))
}

/// Ends a preset or the defrost. They are nothing but full power, so what runs goes on moderately. Where none has begun,
/// by what was asked for last or else by what the car shows, the settings that run are the owner's and stay.
fn leave(car: &Scene<'_>, begins: fn(&Command) -> bool, shown: bool) -> Wish {
    let pending = car.pending(EffectGroup::Climate);
    let asked = match (car.climate, pending) {
        (Some(ClimateMemory::Sent(settings)), _) => Some(settings),
        (_, Some(Command::Climate(settings))) => Some(*settings),
        _ => None,
    };
    let has_begun = pending.is_some_and(begins) || asked.map_or(shown, |settings| settings.defrost);
    let settings = if has_begun {
        ClimateSettings::NEUTRAL
    } else {
        ClimateSettings {
            defrost: false,
            ..settings(car)
        }
    };
    adjust(car, settings)
}

fn begins_preset(command: &Command) -> bool {
    matches!(
        command,
        Command::QuickCool | Command::QuickHeat | Command::WindshieldDefrost | Command::QuickVentilation { .. }
    )
}

fn shows_preset(car: &Scene<'_>) -> bool {
    preset(car).is_some_and(|preset| preset != Value::Text(NO_PRESET.to_owned()))
}

/// Changes what runs, or keeps the change until it does.
fn adjust(car: &Scene<'_>, settings: ClimateSettings) -> Wish {
    if runs(car) {
        now(car, Command::Climate(settings))
    } else {
        Wish::Later(settings)
    }
}

/// Whether the air conditioning runs, or will as soon as the car gets what was already sent.
fn runs(car: &Scene<'_>) -> bool {
    match (car.climate, car.pending(EffectGroup::Climate)) {
        (Some(ClimateMemory::Sent(_)), _) => true,
        (_, Some(Command::ClimateOff)) => false,
        (_, Some(_)) => true,
        _ => car.state.climate.on == Some(true),
    }
}

/// The settings a change starts from: those asked for last, else those of the car, else neutral ones.
pub fn settings(car: &Scene<'_>) -> ClimateSettings {
    if let Some(ClimateMemory::Sent(settings) | ClimateMemory::Kept(settings)) = car.climate {
        return settings;
    }
    if let Some(Command::Climate(settings)) = car.pending(EffectGroup::Climate) {
        return *settings;
    }
    let climate = &car.state.climate;
    let level = |reading, min: u8, max: u8| {
        let number = car.state.frame.number(reading)?.round();
        (min..=max).find(|known| f64::from(*known) == number)
    };
    let neutral = ClimateSettings::NEUTRAL;
    ClimateSettings {
        recirculate: climate.recirculation.unwrap_or(neutral.recirculate),
        mode: match climate.mode {
            Some(ClimateMode::Cool) => AirMode::Cold,
            Some(ClimateMode::Heat) => AirMode::Hot,
            _ => AirMode::Neither,
        },
        operate: match climate.mode {
            Some(ClimateMode::Auto) if knows_auto(car) => Operate::Auto,
            _ => Operate::Manual,
        },
        temperature: level(R::TargetTempLeft, MIN_TEMPERATURE, MAX_TEMPERATURE).unwrap_or(neutral.temperature),
        fan: level(R::FanLevel, MIN_FAN, MAX_FAN).unwrap_or(neutral.fan),
        defrost: climate.defrost.unwrap_or(neutral.defrost),
    }
}

fn now(car: &Scene<'_>, command: Command) -> Wish {
    Wish::Now(Intent::Car(car.view.car.vin.clone(), command))
}

fn unknown_word(what: &str, payload: &str) -> Rejection {
    Rejection {
        reason: Reason::InvalidPayload,
        detail: format!(
            "{} is no climate {what}",
            json!(payload.chars().take(40).collect::<String>())
        ),
    }
}
