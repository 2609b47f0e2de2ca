//! What the cloud takes as a command and what a car makes of it.
//!
//! One row per command id: the rights of which one is needed, whether a PIN is, and which contents are understood. The
//! rows are written from the command table and the recordings of payloads that were seen to work on cars, on purpose not
//! shared with the code that composes commands.

use jiff::Timestamp;
use jiff::civil::DateTime;
use serde_json::{Map, Value};

use super::plan::ChargePlan;
use super::profile::CarKind;

/// The command that writes the charging plan.
pub const CHARGE_PLAN: u32 = 190;

/// The schedules a car keeps: battery heating, climate, prepare car, update installation.
pub const APPOINTMENTS: [u32; 4] = [161, 171, 361, 392];

/// What a command does to a car.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// The car hears it and shows nothing of it in its status: horn, media, navigation, and what no car was seen to act on.
    Nothing,
    /// Lock or unlock.
    Lock(bool),
    /// Open or close the tailgate.
    Trunk(bool),
    /// Battery heating.
    BatteryHeating(bool),
    /// Climate on with these settings.
    Climate(Climate),
    /// Climate off, asked for with the short body or with the full one.
    ClimateOff {
        /// Whether only `operate` was sent.
        short: bool,
    },
    /// Climate to automatic, the obsolete way to switch it off.
    ClimateClose,
    /// The schedules of one kind, replacing all earlier ones.
    Appointments(u32, Value),
    /// The charging plan, replacing the earlier one.
    ChargePlan(ChargePlan),
    /// The charge limit alone.
    ChargeLimit(u8),
    /// Release the charging plug.
    UnlockCharger,
    /// Start or stop charging.
    Charge(bool),
    /// Sentry mode.
    Sentry(bool),
    /// All windows, in the scale of the model.
    Windows(u8),
    /// The sunshade, 0 to 10.
    Sunshade(u8),
    /// The sunroof.
    Sunroof(bool),
    /// Heat a seat.
    SeatHeat(Seat, u8),
    /// Ventilate a seat.
    SeatVentilation(Seat, u8),
    /// Steering wheel heating.
    SteeringWheel(bool),
    /// Mirror heating.
    Mirrors(bool),
    /// Several at once, for about twenty minutes.
    Prepare(Vec<Effect>),
    /// 80 % protection of the battery.
    HealthyCharging(bool),
    /// Speed limit, km/h.
    SpeedLimit(u8),
}

/// A front seat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seat {
    /// The driver's.
    Driver,
    /// The passenger's.
    Passenger,
}

/// Climate settings.
#[derive(Debug, Clone, PartialEq)]
pub struct Climate {
    /// What the air is for.
    pub mode: ClimateMode,
    /// Automatic rather than manual operation.
    pub automatic: bool,
    /// Wanted temperature, °C.
    pub temperature: u8,
    /// Fan level, 1 to 7.
    pub fan: u8,
    /// Recirculation rather than fresh air.
    pub recirculation: bool,
    /// Air for the windshield.
    pub defrost: bool,
}

/// What the air is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClimateMode {
    /// Cooling.
    Cold,
    /// Heating.
    Hot,
    /// Neither.
    Ventilation,
}

/// Why the cloud does not pass a command on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rejection {
    /// Not a content of this command.
    Malformed,
    /// A content the cloud understands and cannot carry out.
    Failed,
}

/// One command.
pub struct Command {
    /// `cmdId`.
    pub id: u32,
    /// Rights of which the account needs one. Where the sources dispute which it is, each of them will do.
    pub rights: &'static [u32],
    /// Whether it carries the PIN.
    pub needs_pin: bool,
    content: Content,
}

enum Content {
    /// Exactly one of these contents.
    Fixed(&'static [(&'static str, Effect)]),
    /// Any object: nobody has seen the real content.
    Unknown,
    /// Whatever the function understands.
    Read(fn(&Map<String, Value>, DateTime) -> Result<Effect, Rejection>),
}

use Content::{Fixed, Read, Unknown};

const fn command(id: u32, rights: &'static [u32], content: Content) -> Command {
    Command {
        id,
        rights,
        needs_pin: true,
        content,
    }
}

/// The commands. Contents that cars take without acting on them stand with [`Effect::Nothing`].
pub const COMMANDS: &[Command] = &[
    command(
        110,
        &[110],
        Fixed(&[
            (r#"{"value":"lock"}"#, Effect::Lock(true)),
            (r#"{"value":"unlock"}"#, Effect::Lock(false)),
        ]),
    ),
    command(120, &[120], Fixed(&[(r#"{"value":"true"}"#, Effect::Nothing)])),
    command(
        130,
        &[130],
        Fixed(&[
            (r#"{"value":"true"}"#, Effect::Trunk(true)),
            (r#"{"value":"false"}"#, Effect::Trunk(false)),
        ]),
    ),
    command(140, &[140], Fixed(&[(r#"{"value":"findCar"}"#, Effect::Nothing)])),
    command(150, &[150], Fixed(&[(r#"{"value":"findCar"}"#, Effect::Nothing)])),
    command(
        160,
        &[160, 190],
        Fixed(&[
            (r#"{"value":"ptcon"}"#, Effect::BatteryHeating(true)),
            (r#"{"value":"ptcoff"}"#, Effect::BatteryHeating(false)),
        ]),
    ),
    command(161, &[161, 160, 190], Read(battery_heating_schedule)),
    command(170, &[170, 171, 460], Read(climate)),
    command(171, &[171], Read(climate_schedule)),
    Command {
        id: 180,
        rights: &[180],
        needs_pin: false,
        content: Read(destination),
    },
    command(CHARGE_PLAN, &[340, 190], Read(charge_plan)),
    command(
        192,
        &[192],
        Fixed(&[(r#"{"operation":"unlock"}"#, Effect::UnlockCharger)]),
    ),
    command(
        193,
        &[193],
        Fixed(&[
            (r#"{"value":"start"}"#, Effect::Charge(true)),
            (r#"{"value":"stop"}"#, Effect::Charge(false)),
        ]),
    ),
    command(
        220,
        &[220],
        Fixed(&[
            (r#"{"value":"1"}"#, Effect::Sentry(true)),
            (r#"{"value":"0"}"#, Effect::Sentry(false)),
        ]),
    ),
    command(
        230,
        &[230],
        Read(|content, _| Ok(Effect::Windows(value_up_to(content, 100)?))),
    ),
    command(
        240,
        &[161, 240],
        Read(|content, _| Ok(Effect::Sunshade(value_up_to(content, 10)?))),
    ),
    command(270, &[270], Fixed(&MEDIA)),
    command(280, &[280], Unknown),
    command(290, &[290], Fixed(&MEDIA)),
    command(
        300,
        &[160, 300],
        Fixed(&[
            (r#"{"value":"open"}"#, Effect::Sunroof(true)),
            (r#"{"value":"close"}"#, Effect::Sunroof(false)),
        ]),
    ),
    command(301, &[301], Read(|content, _| seat(content, Effect::SeatHeat))),
    command(
        320,
        &[320],
        Fixed(&[
            (r#"{"level":"2"}"#, Effect::SteeringWheel(true)),
            (r#"{"level":"1"}"#, Effect::SteeringWheel(false)),
            (r#"{"value":"on"}"#, Effect::Nothing),
            (r#"{"value":"off"}"#, Effect::Nothing),
        ]),
    ),
    command(340, &[340], Read(native_limit)),
    command(350, &[350], Unknown),
    command(360, &[360], Read(|content, _| bundle(content))),
    command(361, &[361], Read(prepare_schedule)),
    command(370, &[370], Read(|content, _| seat(content, Effect::SeatVentilation))),
    command(
        380,
        &[380],
        Fixed(&[
            (r#"{"value":"1"}"#, Effect::Nothing),
            (r#"{"value":"0"}"#, Effect::Nothing),
        ]),
    ),
    command(390, &[390], Read(|content, _| update_task(content, &["taskId"]))),
    command(391, &[391], Read(|content, _| update_task(content, &["taskId"]))),
    command(392, &[392], Read(update_schedule)),
    command(
        410,
        &[410],
        Fixed(&[
            (r#"{"on3":"on"}"#, Effect::Nothing),
            (r#"{"on3":"off"}"#, Effect::Nothing),
        ]),
    ),
    command(430, &[430], Fixed(&[(r#"{"value":"restart"}"#, Effect::Nothing)])),
    command(
        440,
        &[440],
        Fixed(&[
            (r#"{"value":"2"}"#, Effect::Mirrors(true)),
            (r#"{"value":"1"}"#, Effect::Mirrors(false)),
            (r#"{"value":"on"}"#, Effect::Nothing),
            (r#"{"value":"off"}"#, Effect::Nothing),
        ]),
    ),
    command(
        470,
        &[470],
        Read(|content, _| texts(content, &["seatInfo"]).map(|_| Effect::Nothing)),
    ),
    command(
        480,
        &[480],
        Fixed(&[
            (r#"{"value":"1"}"#, Effect::HealthyCharging(true)),
            (r#"{"value":"0"}"#, Effect::HealthyCharging(false)),
        ]),
    ),
    command(
        510,
        &[510],
        Read(|content, _| Ok(Effect::SpeedLimit(value_up_to(content, 200)?))),
    ),
];

const MEDIA: [(&str, Effect); 4] = [
    (r#"{"operation":"play"}"#, Effect::Nothing),
    (r#"{"operation":"pause"}"#, Effect::Nothing),
    (r#"{"operation":"next"}"#, Effect::Nothing),
    (r#"{"operation":"previous"}"#, Effect::Nothing),
];

/// The row of a command id as sent.
pub fn find(id: &str) -> Option<&'static Command> {
    let id: u32 = id.parse().ok()?;
    COMMANDS.iter().find(|command| command.id == id)
}

impl Command {
    /// What this content asks of a car of `kind`. `now` is the moment schedules are compared with.
    pub fn understand(&self, content: &str, kind: CarKind, now: Timestamp) -> Result<Effect, Rejection> {
        let content: Value = serde_json::from_str(content).map_err(|_| Rejection::Malformed)?;
        let object = content.as_object().ok_or(Rejection::Malformed)?;
        let effect = match &self.content {
            Fixed(contents) => contents
                .iter()
                .find(|(text, _)| serde_json::from_str::<Value>(text).is_ok_and(|known| known == content))
                .map(|(_, effect)| effect.clone())
                .ok_or(Rejection::Malformed)?,
            Unknown => Effect::Nothing,
            Read(read) => read(object, now.to_zoned(jiff::tz::TimeZone::UTC).datetime())?,
        };
        Ok(if heeds(kind, &effect) { effect } else { Effect::Nothing })
    }
}

/// Whether cars of this kind were seen to act on it; what they ignore, the cloud accepts all the same.
fn heeds(kind: CarKind, effect: &Effect) -> bool {
    match (kind, effect) {
        // The small car has no seat, wheel or mirror heating, no roof and no powered tailgate, ignores automatic climate
        // and takes "off" only within the full body; all others take only the short one.
        (CarKind::T03, Effect::Climate(climate)) => !climate.automatic,
        (_, Effect::ClimateOff { short }) => *short != (kind == CarKind::T03),
        (
            CarKind::T03,
            Effect::SeatHeat(..)
            | Effect::SeatVentilation(..)
            | Effect::SteeringWheel(_)
            | Effect::Mirrors(_)
            | Effect::Sunshade(_)
            | Effect::Sunroof(_)
            | Effect::Sentry(_)
            | Effect::Trunk(false)
            | Effect::UnlockCharger
            | Effect::HealthyCharging(_)
            | Effect::SpeedLimit(_)
            | Effect::ClimateClose
            | Effect::Prepare(_),
        ) => false,
        (CarKind::B10, Effect::Sentry(_)) => false,
        (CarKind::B10, Effect::Windows(position)) => [0, 2, 5, 10].contains(position),
        (CarKind::T03 | CarKind::C10 | CarKind::C10Reev, Effect::ChargeLimit(_)) => false,
        _ => true,
    }
}

/// The texts of an object that has exactly these fields.
fn texts<'a, const N: usize>(content: &'a Map<String, Value>, names: &[&str; N]) -> Result<[&'a str; N], Rejection> {
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

fn value_up_to(content: &Map<String, Value>, most: u8) -> Result<u8, Rejection> {
    let [value] = texts(content, &["value"])?;
    number_up_to(value, most)
}

/// Off in either body, `close`, or the full settings.
fn climate(content: &Map<String, Value>, _: DateTime) -> Result<Effect, Rejection> {
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

/// The proven form with position and level; the older `"<seat>,<level>"` is taken and ignored.
fn seat(content: &Map<String, Value>, effect: fn(Seat, u8) -> Effect) -> Result<Effect, Rejection> {
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

fn destination(content: &Map<String, Value>, _: DateTime) -> Result<Effect, Rejection> {
    let [_, _, latitude, linenum, longitude] =
        texts(content, &["address", "addressname", "latitude", "linenum", "longitude"])?;
    let within = |text: &str, most: f64| text.parse::<f64>().is_ok_and(|degrees| degrees.abs() <= most);
    if within(latitude, 90.0) && within(longitude, 180.0) && linenum == "0" {
        Ok(Effect::Nothing)
    } else {
        Err(Rejection::Malformed)
    }
}

fn charge_plan(content: &Map<String, Value>, now: DateTime) -> Result<Effect, Rejection> {
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

fn native_limit(content: &Map<String, Value>, _: DateTime) -> Result<Effect, Rejection> {
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
    text.len() == 5 && text.parse::<jiff::civil::Time>().is_ok()
}

/// What a preparation consists of; only the wanted parts are present.
fn bundle(content: &Map<String, Value>) -> Result<Effect, Rejection> {
    let mut effects = Vec::new();
    for (part, settings_of) in content {
        let mut fields = settings_of.as_object().cloned().ok_or(Rejection::Malformed)?;
        if fields.remove("enable").and_then(|enable| enable.as_bool()) != Some(true) {
            return Err(Rejection::Malformed);
        }
        match part.as_str() {
            "air_condition" => effects.push(Effect::Climate(settings(&fields)?)),
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
                effects.push(Effect::SteeringWheel(true))
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

fn climate_schedule(content: &Map<String, Value>, now: DateTime) -> Result<Effect, Rejection> {
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
        let complete = entry.contains_key("set_id") && entry.contains_key("update_time");
        if complete && matches!(on, Some("0" | "1")) {
            Ok(())
        } else {
            Err(Rejection::Malformed)
        }
    })
}

fn prepare_schedule(content: &Map<String, Value>, now: DateTime) -> Result<Effect, Rejection> {
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

fn battery_heating_schedule(content: &Map<String, Value>, now: DateTime) -> Result<Effect, Rejection> {
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
        if days.is_empty() && start + jiff::Span::new().hours(14) < now {
            return Err(Rejection::Failed);
        }
    }
    Ok(Effect::Appointments(command, Value::Object(content.clone())))
}

fn update_task(content: &Map<String, Value>, fields: &[&str]) -> Result<Effect, Rejection> {
    let fits = content.len() == fields.len()
        && fields.iter().all(|name| content.contains_key(*name))
        && content.get("taskId").is_some_and(Value::is_u64);
    if fits {
        Ok(Effect::Nothing)
    } else {
        Err(Rejection::Malformed)
    }
}

fn update_schedule(content: &Map<String, Value>, _: DateTime) -> Result<Effect, Rejection> {
    update_task(content, &["taskId", "scheduleTime"])?;
    let time = content.get("scheduleTime").and_then(Value::as_str).unwrap_or_default();
    let time: DateTime = time.parse().map_err(|_| Rejection::Malformed)?;
    let entry = serde_json::json!({
        "pid": content.get("taskId").map(ToString::to_string),
        "start_time": time.strftime("%Y-%m-%d %H:%M:%S").to_string(),
    });
    Ok(Effect::Appointments(392, serde_json::json!({ "controls": [entry] })))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(model: &str) -> CarKind {
        match model {
            "T03" => CarKind::T03,
            "B10" => CarKind::B10,
            _ => CarKind::C10,
        }
    }

    fn vectors(section: &str) -> Vec<Value> {
        let all: Value = serde_json::from_str(include_str!("../../../tests/data/protocol/vectors.json")).unwrap();
        all[section]
            .as_array()
            .unwrap()
            .iter()
            .filter(|vector| vector["error"].is_null())
            .cloned()
            .collect()
    }

    /// The recordings are from this time.
    fn recorded() -> Timestamp {
        "2026-05-01T00:00:00Z".parse().unwrap()
    }

    fn understood(vector: &Value) -> Result<Effect, Rejection> {
        let command = find(vector["cmd_id"].as_str().unwrap()).unwrap();
        command.understand(
            vector["cmd_content"].as_str().unwrap(),
            kind(vector["car_type"].as_str().unwrap_or("C10")),
            recorded(),
        )
    }

    #[test]
    fn every_payload_seen_to_work_on_cars_has_an_effect() {
        // Its effect is on the navigation, which no status shows.
        let invisible = ["send-destination"];
        for vector in vectors("commands_field_proven") {
            let effect = understood(&vector).unwrap_or_else(|rejection| panic!("{vector}: {rejection:?}"));
            let name = vector["command"].as_str().unwrap();
            assert_eq!(effect == Effect::Nothing, invisible.contains(&name), "{vector}");
        }
    }

    #[test]
    fn every_payload_of_the_reference_client_is_taken_at_least() {
        for vector in vectors("commands") {
            assert!(understood(&vector).is_ok(), "{vector}");
        }
    }

    #[test]
    fn every_command_of_the_table_has_its_right() {
        let commands = include_str!("../../../tests/data/protocol/commands.csv");
        for line in commands.lines().skip(1) {
            let id: u32 = line.split(',').nth(1).unwrap().parse().unwrap();
            let right = line
                .split(",yes,")
                .nth(1)
                .or_else(|| line.split(",no,").nth(1))
                .unwrap()
                .split(',')
                .next()
                .unwrap();
            let row = COMMANDS.iter().find(|command| command.id == id).unwrap();
            assert!(row.rights.contains(&right.parse().unwrap()), "{line}");
            assert_eq!(row.needs_pin, !line.contains(",no,180,"), "{line}");
        }
    }

    #[test]
    fn what_a_model_ignores_is_accepted_without_effect() {
        let automatic = r#"{"circle":"out","mode":"nohotcold","operate":"auto","position":"all","temperature":"24","windlevel":"4","wshld":"1"}"#;
        let full_off = r#"{"circle":"out","mode":"wind","operate":"off","position":"all","temperature":"26","windlevel":"3","wshld":"0"}"#;
        let ignored = [
            ("170", automatic, CarKind::T03),
            ("170", r#"{"operate":"off"}"#, CarKind::T03),
            ("170", full_off, CarKind::B10),
            ("301", r#"{"value":"3,2"}"#, CarKind::C10),
            ("301", r#"{"position":"driver","level":"3"}"#, CarKind::T03),
            ("230", r#"{"value":"3"}"#, CarKind::B10),
            ("230", r#"{"value":"100"}"#, CarKind::B10),
            ("220", r#"{"value":"1"}"#, CarKind::B10),
            ("320", r#"{"value":"on"}"#, CarKind::C10),
        ];
        for (id, content, kind) in ignored {
            let effect = find(id).unwrap().understand(content, kind, recorded());
            assert_eq!(effect, Ok(Effect::Nothing), "{id} {content}");
        }
    }

    #[test]
    fn nonsense_is_refused() {
        let refused = [
            ("110", "lock"),
            ("110", r#"{"value":"Lock"}"#),
            ("110", r#"["lock"]"#),
            ("230", r#"{"value":50}"#),
            ("301", r#"{"position":"rear","level":"1"}"#),
            ("301", r#"{"position":"driver","level":"4"}"#),
            ("190", r#"{"chargesoc":80}"#),
            ("170", r#"{"operate":"manual"}"#),
            ("360", "{}"),
        ];
        for (id, content) in refused {
            let effect = find(id).unwrap().understand(content, CarKind::C10, recorded());
            assert_eq!(effect, Err(Rejection::Malformed), "{id} {content}");
        }
        assert!(find("999").is_none() && find("x").is_none());
    }

    #[test]
    fn a_fan_at_level_nought_and_a_single_schedule_in_the_past_fail() {
        let fan = r#"{"circle":"in","mode":"hot","operate":"manual","position":"all","temperature":"24","windlevel":"0","wshld":"1"}"#;
        let climate = find("170").unwrap().understand(fan, CarKind::C10, recorded());
        assert_eq!(climate, Err(Rejection::Failed));
        let entry = |days: &str| {
            format!(
                r#"{{"controls":[{{"mode":"hot","operate":"manual","temperature":"26","circle":"out","windlevel":"4","wshld":"1","days":{days},"on":"1","position":"all","start_time":"2026-01-01 07:30:00","set_id":"x","update_time":"1"}}]}}"#
            )
        };
        let schedule = find("171").unwrap();
        assert_eq!(
            schedule.understand(&entry("[]"), CarKind::C10, recorded()),
            Err(Rejection::Failed)
        );
        assert!(schedule.understand(&entry("[1,5]"), CarKind::C10, recorded()).is_ok());
    }
}
