//! How a command is written for the cloud: command id and content, a compact JSON text whose key order is part of it.
//!
//! Where sources disagree, the form that was seen to work on cars is written: `wshld` 1 normal and 2 heating,
//! `nohotcold` instead of `wind`, seats by name, steering wheel and mirrors by level.

mod place;
mod plan;
mod schedule;

use jiff::Timestamp;
use jiff::civil::DateTime;
use serde_json::{Map, Value, json};

use super::{Payload, ScheduleEntry};
use crate::vehicle::Model;
use crate::vehicle::command::{
    AirMode, ChargeScheduleChange, ClimateSettings, Command, MediaOperation, Operate, Preparation, Seat, SeatComfort,
};
use crate::vehicle::intent::Reason;
use crate::vehicle::profile::WindowScale;
use crate::vehicle::state::ChargePlan;

/// What some payloads need to know apart from the command.
#[derive(Debug, Clone)]
pub struct Context<'a> {
    /// The present moment.
    pub now: Timestamp,
    /// The present moment in the car's time zone.
    pub local_now: DateTime,
    /// The charging plan the car holds, empty when it holds none; `None` when it could not be read.
    pub plan: Option<&'a ChargePlan>,
    /// The schedule that is switched, as the cloud holds it; `None` when it could not be read.
    pub schedule: Option<&'a [ScheduleEntry]>,
    /// The id of the software update that is offered.
    pub offered_update: Option<u64>,
    /// A random number from which the ids of new schedule entries are made.
    pub seed: u128,
}

/// Why a command cannot be written now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PayloadError {
    /// Writing a plan replaces all of it, so what is not known would be lost.
    #[error("what is planned could not be read, and writing it would lose it")]
    PlanUnknown,
    /// There is nothing to switch on or off.
    #[error("nothing is scheduled")]
    NothingScheduled,
    /// There is nothing to install.
    #[error("no software update is offered")]
    NoUpdate,
    /// The cloud refuses entries that begin in the past.
    #[error("the start time has passed")]
    StartHasPassed,
}

impl PayloadError {
    /// The reason to report.
    pub fn reason(self) -> Reason {
        match self {
            Self::PlanUnknown => Reason::PlanUnknown,
            Self::NothingScheduled => Reason::NothingScheduled,
            Self::NoUpdate => Reason::NoUpdate,
            Self::StartHasPassed => Reason::OutOfRange,
        }
    }
}

/// Writes a command for a car of that model.
pub fn payload(command: &Command, model: &Model, context: &Context<'_>) -> Result<Payload, PayloadError> {
    let (cmd_id, content) = match command {
        Command::Lock => (110, value("lock")),
        Command::Unlock => (110, value("unlock")),
        Command::FindCar => (120, value("true")),
        Command::TrunkOpen => (130, value("true")),
        Command::TrunkClose => (130, value("false")),
        // The two texts are what the app sends; that they say something else is the app's doing.
        Command::Hotspot => (140, value("findCar")),
        Command::Autopark => (150, value("findCar")),
        Command::BatteryPreheat(on) => (160, value(if *on { "ptcon" } else { "ptcoff" })),
        Command::Climate(settings) => (170, climate(settings, model)),
        Command::ClimateOff => (170, climate_off(model)),
        Command::QuickCool => (170, climate(&ClimateSettings::QUICK_COOL, model)),
        Command::QuickHeat => (170, climate(&ClimateSettings::QUICK_HEAT, model)),
        Command::QuickVentilation { temperature } => (170, climate(&ClimateSettings::ventilation(*temperature), model)),
        Command::WindshieldDefrost => (170, climate(&ClimateSettings::DEFROST, model)),
        Command::ClimateSchedule(entries) => (171, schedule::climate(entries, model, context)?),
        Command::ClimateScheduleSwitch(on) => (171, schedule::switch_climate(*on, context)?),
        Command::SendDestination(destination) => (180, place::destination(destination, model)),
        Command::ChargeLimit { percent } => {
            let change = ChargeScheduleChange {
                percent: Some(*percent),
                ..ChargeScheduleChange::default()
            };
            (190, plan::write(&change, context)?)
        }
        Command::ChargeSchedule(change) => (190, plan::write(change, context)?),
        Command::UnlockCharger => (192, operation("unlock")),
        Command::ChargeStart => (193, value("start")),
        Command::ChargeStop => (193, value("stop")),
        Command::SentryMode(on) => (220, switch(*on)),
        Command::Windows { percent } => (230, value(&windows(*percent, model).to_string())),
        Command::Sunshade { tenths } => (240, value(&tenths.to_string())),
        Command::Music(key) => (270, operation(media(*key))),
        Command::SeatAdjust(body) => (280, body.clone()),
        Command::Video(key) => (290, operation(media(*key))),
        Command::Sunroof { open } => (300, value(if *open { "open" } else { "close" })),
        Command::SeatHeat(seat, level) => (301, seat_level(*seat, *level)),
        Command::SteeringWheelHeat(on) => (320, json!({ "level": two_or_one(*on) })),
        Command::ChargeLimitNative { percent } => (340, json!({ "chargesoc": percent })),
        Command::PilotedParking(body) => (350, body.clone()),
        Command::PrepareCar(preparation) => (360, bundle(preparation, model)),
        Command::PrepareCarSchedule(entries) => (361, schedule::preparation(entries, model, context)?),
        Command::PrepareCarScheduleSwitch(on) => (361, schedule::switch_preparation(*on, context)?),
        Command::SeatVentilation(seat, level) => (370, seat_level(*seat, *level)),
        Command::FuelHeating(on) => (380, switch(*on)),
        Command::SoftwareDownload { task } => (390, json!({ "taskId": task })),
        Command::SoftwareInstall { task } => {
            let task = task.or(context.offered_update).ok_or(PayloadError::NoUpdate)?;
            (391, json!({ "taskId": task }))
        }
        Command::SoftwareSchedule { task, time } => (392, json!({ "taskId": task, "scheduleTime": time })),
        Command::On3(on) => (410, json!({ "on3": if *on { "on" } else { "off" } })),
        Command::BleKeyRestart => (430, value("restart")),
        Command::MirrorHeat(on) => (440, value(two_or_one(*on))),
        Command::RearSeats { info } => (470, json!({ "seatInfo": info })),
        Command::HealthyCharging(on) => (480, switch(*on)),
        Command::SpeedLimit { kmh } => (510, value(&kmh.to_string())),
    };
    let content = content.to_string();
    Ok(Payload { cmd_id, content })
}

fn value(text: &str) -> Value {
    json!({ "value": text })
}

fn operation(text: &str) -> Value {
    json!({ "operation": text })
}

fn switch(on: bool) -> Value {
    value(if on { "1" } else { "0" })
}

/// How steering wheel and mirrors say on and off.
fn two_or_one(on: bool) -> &'static str {
    if on { "2" } else { "1" }
}

fn media(key: MediaOperation) -> &'static str {
    match key {
        MediaOperation::Play => "play",
        MediaOperation::Pause => "pause",
        MediaOperation::Next => "next",
        MediaOperation::Previous => "previous",
    }
}

fn seat_level(seat: Seat, level: u8) -> Value {
    let position = match seat {
        Seat::Driver => "driver",
        Seat::Passenger => "copilot",
    };
    json!({ "position": position, "level": level.to_string() })
}

/// A window position on the scale of the model.
fn windows(percent: u8, model: &Model) -> u8 {
    let position = model.window_position(percent);
    match model.window_scale() {
        WindowScale::Percent => position,
        WindowScale::Tenths => position / 10,
    }
}

/// Climate settings in the cloud's words.
struct Air {
    circle: &'static str,
    mode: &'static str,
    operate: &'static str,
    temperature: String,
    fan: String,
    windshield: &'static str,
}

impl Air {
    fn new(settings: &ClimateSettings, model: &Model) -> Self {
        // The T03 ignores `auto`; the nearest it can do by itself is cooling to the target.
        let (operate, mode) = match (settings.operate, settings.mode) {
            (Operate::Auto, AirMode::Neither) if *model == Model::T03 => (Operate::Manual, AirMode::Cold),
            (Operate::Auto, mode) if *model == Model::T03 => (Operate::Manual, mode),
            as_given => as_given,
        };
        Self {
            circle: if settings.recirculate { "in" } else { "out" },
            mode: match mode {
                AirMode::Cold => "cold",
                AirMode::Hot => "hot",
                AirMode::Neither => "nohotcold",
            },
            operate: match operate {
                Operate::Manual => "manual",
                Operate::Auto => "auto",
            },
            temperature: settings.temperature.to_string(),
            fan: settings.fan.to_string(),
            windshield: two_or_one(settings.defrost),
        }
    }
}

fn climate(settings: &ClimateSettings, model: &Model) -> Value {
    let air = Air::new(settings, model);
    json!({
        "circle": air.circle,
        "mode": air.mode,
        "operate": air.operate,
        "position": "all",
        "temperature": air.temperature,
        "windlevel": air.fan,
        "wshld": air.windshield,
    })
}

/// The T03 wants `off` within a full body, every other model wants it alone.
fn climate_off(model: &Model) -> Value {
    match model {
        Model::T03 => json!({
            "circle": "out",
            "mode": "wind",
            "operate": "off",
            "position": "all",
            "temperature": "26",
            "windlevel": "3",
            "wshld": "0",
        }),
        _ => json!({ "operate": "off" }),
    }
}

/// A preparation; only the wanted parts are present.
fn bundle(preparation: &Preparation, model: &Model) -> Value {
    let mut parts = Map::new();
    let mut add = |name: &str, part: Value| parts.insert(name.to_owned(), part);
    if let Some(settings) = &preparation.climate {
        let air = Air::new(settings, model);
        add(
            "air_condition",
            json!({
                "mode": air.mode,
                "temperature": air.temperature,
                "circle": air.circle,
                "windlevel": air.fan,
                "wshld": air.windshield,
                "operate": air.operate,
                "position": "all",
                "enable": true,
            }),
        );
    }
    if let Some((driver, passenger)) = preparation.seats {
        add(
            "seat_setting",
            json!({
                "driver": seat_code(driver),
                "copilot": seat_code(passenger),
                "left_rear": "0",
                "right_rear": "0",
                "enable": true,
            }),
        );
    }
    if preparation.steering_wheel {
        add(
            "steeringWheelHeatCtrl",
            json!({ "enable": true, "level": two_or_one(true) }),
        );
    }
    if preparation.mirrors {
        add(
            "rearMirrorHeating",
            json!({ "enable": true, "value": two_or_one(true) }),
        );
    }
    if let Some(destination) = &preparation.destination {
        add("syn_path", place::within_preparation(destination, model));
    }
    Value::Object(parts)
}

fn seat_code(comfort: SeatComfort) -> String {
    match comfort {
        SeatComfort::Off => 0,
        SeatComfort::Heat(level) => level,
        SeatComfort::Ventilation(level) => 10 + level,
    }
    .to_string()
}

#[cfg(test)]
mod tests;
