//! From checked parameters to a [`Command`].

use serde_json::{Map, Value};

use super::super::{
    AirMode, ChargeScheduleChange, ClimateScheduleEntry, ClimateSettings, Command, Destination, MediaOperation,
    Operate, Preparation, PreparationScheduleEntry, Seat, SeatComfort,
};
use super::parameters::Arguments;
use super::{Rejection, lists};
use crate::vehicle::intent::Reason;

type Built = Result<Command, Rejection>;

fn need<T>(value: Option<T>, parameter: &str) -> Result<T, Rejection> {
    value.ok_or_else(|| Rejection::missing(parameter))
}

/// Whether climate parameters ask for switching off, and otherwise the settings. Every climate row has defaults for
/// all of them.
fn air(arguments: &Arguments) -> Option<ClimateSettings> {
    let operate = match arguments.word("operate") {
        Some("off") => return None,
        Some("auto") => Operate::Auto,
        _ => Operate::Manual,
    };
    let mode = match arguments.word("mode") {
        Some("cold") => AirMode::Cold,
        Some("hot") => AirMode::Hot,
        _ => AirMode::Neither,
    };
    let neutral = ClimateSettings::NEUTRAL;
    // `circle` and `wshld` are the app's spelling; whoever uses them means them.
    let recirculate = match arguments.word("circle") {
        Some(circle) => circle == "in",
        None => arguments.is_set("recirculate"),
    };
    let defrost = match arguments.word("wshld") {
        Some(windshield) => windshield == "2",
        None => arguments.is_set("windshield_defrost"),
    };
    Some(ClimateSettings {
        recirculate,
        mode,
        operate,
        temperature: arguments.small("temperature").unwrap_or(neutral.temperature),
        fan: arguments.small("fan_speed").unwrap_or(neutral.fan),
        defrost,
    })
}

/// The settings of a schedule or a preparation; neither can switch anything off.
fn running_air(arguments: &Arguments) -> Result<ClimateSettings, Rejection> {
    air(arguments).ok_or_else(|| Rejection::new(Reason::InvalidPayload, "operate must be manual or auto here"))
}

/// Climate with all its parameters.
pub fn climate(arguments: &Arguments) -> Built {
    Ok(air(arguments).map_or(Command::ClimateOff, Command::Climate))
}

/// A preset when nothing was changed about it, else the changed settings.
fn preset(arguments: &Arguments, command: Command, settings: ClimateSettings) -> Built {
    match climate(arguments)? {
        Command::Climate(asked) if asked == settings => Ok(command),
        other => Ok(other),
    }
}

/// Quick cooling.
pub fn quick_cool(arguments: &Arguments) -> Built {
    preset(arguments, Command::QuickCool, ClimateSettings::QUICK_COOL)
}

/// Quick heating.
pub fn quick_heat(arguments: &Arguments) -> Built {
    preset(arguments, Command::QuickHeat, ClimateSettings::QUICK_HEAT)
}

/// Windshield defrost.
pub fn windshield_defrost(arguments: &Arguments) -> Built {
    preset(arguments, Command::WindshieldDefrost, ClimateSettings::DEFROST)
}

/// Quick ventilation.
pub fn quick_ventilation(arguments: &Arguments) -> Built {
    let temperature = need(arguments.small("temperature"), "temperature")?;
    Ok(Command::QuickVentilation { temperature })
}

/// One entry from plain parameters, or the whole list.
pub fn climate_schedule(arguments: &Arguments) -> Built {
    let Some(controls) = arguments.list("controls") else {
        return Ok(Command::ClimateSchedule(vec![climate_entry(arguments)?]));
    };
    let entries = controls.iter().enumerate().map(|(index, entry)| {
        members(entry)
            .and_then(|entry| Arguments::read(lists::CLIMATE_ENTRY, entry))
            .and_then(|arguments| climate_entry(&arguments))
            .map_err(|rejection| rejection.within(format_args!("entry {}", index + 1)))
    });
    Ok(Command::ClimateSchedule(entries.collect::<Result<_, _>>()?))
}

fn climate_entry(arguments: &Arguments) -> Result<ClimateScheduleEntry, Rejection> {
    Ok(ClimateScheduleEntry {
        enabled: arguments.is_set("enabled"),
        settings: running_air(arguments)?,
        set_id: arguments.text("set_id"),
        start_time: need(arguments.date_time("start_time"), "start_time")?,
        days: arguments.days("days").unwrap_or_default(),
    })
}

fn members(value: &Value) -> Result<&Map<String, Value>, Rejection> {
    value
        .as_object()
        .ok_or_else(|| Rejection::new(Reason::InvalidPayload, "must be a JSON object"))
}

/// A place with both its texts.
fn place(address: Option<String>, name: Option<String>, latitude: f64, longitude: f64) -> Destination {
    // The navigation wants both texts; coordinates stand in for what nobody named.
    let label = || format!("{latitude:.5}, {longitude:.5}");
    let name = name.filter(|name| !name.is_empty());
    let address = address.filter(|address| !address.is_empty());
    let shown = name.clone().or_else(|| address.clone()).unwrap_or_else(label);
    Destination {
        address: address.unwrap_or_else(|| shown.clone()),
        name: shown,
        latitude,
        longitude,
    }
}

/// A destination.
pub fn send_destination(arguments: &Arguments) -> Built {
    Ok(Command::SendDestination(place(
        arguments.text("address"),
        arguments.text("address_name"),
        need(arguments.decimal("latitude"), "latitude")?,
        need(arguments.decimal("longitude"), "longitude")?,
    )))
}

/// Charge limit within the plan.
pub fn charge_limit(arguments: &Arguments) -> Built {
    let percent = need(arguments.small("percent"), "percent")?;
    Ok(Command::ChargeLimit { percent })
}

/// Charge limit by the command of its own.
pub fn charge_limit_native(arguments: &Arguments) -> Built {
    let percent = need(arguments.small("percent"), "percent")?;
    Ok(Command::ChargeLimitNative { percent })
}

/// Parts of the charging plan.
pub fn charge_schedule(arguments: &Arguments) -> Built {
    let change = ChargeScheduleChange {
        enabled: arguments.flag("enabled"),
        percent: arguments.small("soc_limit"),
        start: arguments.text("start_time"),
        end: arguments.text("end_time"),
        cycles: arguments.text("cycles"),
        circulation: arguments.small("circulation"),
        recharge: arguments.small("recharge"),
    };
    if change == ChargeScheduleChange::default() {
        return Err(Rejection::new(
            Reason::MissingParameter,
            "name at least one part of the plan to change",
        ));
    }
    Ok(Command::ChargeSchedule(change))
}

/// Windows to a position.
pub fn windows(arguments: &Arguments) -> Built {
    let percent = need(arguments.small("position_percent"), "position_percent")?;
    Ok(Command::Windows { percent })
}

/// Sunshade to a position.
pub fn sunshade(arguments: &Arguments) -> Built {
    let tenths = need(arguments.small("value"), "value")?;
    Ok(Command::Sunshade { tenths })
}

fn media(arguments: &Arguments) -> MediaOperation {
    match arguments.word("operation") {
        Some("pause") => MediaOperation::Pause,
        Some("next") => MediaOperation::Next,
        Some("previous") => MediaOperation::Previous,
        _ => MediaOperation::Play,
    }
}

/// A key of the music player.
pub fn music(arguments: &Arguments) -> Built {
    Ok(Command::Music(media(arguments)))
}

/// A key of the video player.
pub fn video(arguments: &Arguments) -> Built {
    Ok(Command::Video(media(arguments)))
}

fn seat(arguments: &Arguments) -> Seat {
    match arguments.word("seat") {
        Some("copilot") => Seat::Passenger,
        _ => Seat::Driver,
    }
}

/// Seat heating.
pub fn seat_heat(arguments: &Arguments) -> Built {
    Ok(Command::SeatHeat(
        seat(arguments),
        need(arguments.small("level"), "level")?,
    ))
}

/// Seat ventilation.
pub fn seat_ventilation(arguments: &Arguments) -> Built {
    Ok(Command::SeatVentilation(
        seat(arguments),
        need(arguments.small("level"), "level")?,
    ))
}

/// Seat adjustment with the caller's object.
pub fn seat_adjust(arguments: &Arguments) -> Built {
    let body = need(arguments.object("params"), "params")?;
    Ok(Command::SeatAdjust(Value::Object(body)))
}

/// Piloted parking with the caller's object.
pub fn piloted_parking(arguments: &Arguments) -> Built {
    let body = need(arguments.object("params"), "params")?;
    Ok(Command::PilotedParking(Value::Object(body)))
}

/// Rear seats with the caller's text.
pub fn rear_seats(arguments: &Arguments) -> Built {
    let info = need(arguments.text("seat_info"), "seat_info")?;
    Ok(Command::RearSeats { info })
}

fn task(arguments: &Arguments) -> Result<u64, Rejection> {
    // Below 0 is outside the range of the table.
    need(
        arguments.integer("task_id").and_then(|id| u64::try_from(id).ok()),
        "task_id",
    )
}

/// Download of a software update.
pub fn software_download(arguments: &Arguments) -> Built {
    Ok(Command::SoftwareDownload { task: task(arguments)? })
}

/// Installation of a software update.
pub fn software_install(arguments: &Arguments) -> Built {
    let task = Some(task(arguments)?);
    Ok(Command::SoftwareInstall { task })
}

/// Scheduled installation of a software update.
pub fn software_schedule(arguments: &Arguments) -> Built {
    let time = need(arguments.date_time("schedule_time"), "schedule_time")?;
    Ok(Command::SoftwareSchedule {
        task: task(arguments)?,
        time: time.strftime("%Y-%m-%dT%H:%M:%S").to_string(),
    })
}

/// Speed limit.
pub fn speed_limit(arguments: &Arguments) -> Built {
    let kmh = need(arguments.small("value"), "value")?;
    Ok(Command::SpeedLimit { kmh })
}

/// Preparation now.
pub fn prepare_car(arguments: &Arguments) -> Built {
    preparation(arguments).map(Command::PrepareCar)
}

/// One entry from plain parameters, or the whole list.
pub fn prepare_car_schedule(arguments: &Arguments) -> Built {
    let Some(controls) = arguments.list("controls") else {
        let preparation = preparation(arguments)?;
        return Ok(Command::PrepareCarSchedule(vec![preparation_entry(
            arguments,
            preparation,
        )?]));
    };
    let entries = controls.iter().enumerate().map(|(index, entry)| {
        members(entry)
            .and_then(|entry| Arguments::read(lists::PREPARATION_ENTRY, entry))
            .and_then(|arguments| {
                let content = need(arguments.object("datacontent"), "datacontent")?;
                preparation_entry(&arguments, bundle(&content)?)
            })
            .map_err(|rejection| rejection.within(format_args!("entry {}", index + 1)))
    });
    Ok(Command::PrepareCarSchedule(entries.collect::<Result<_, _>>()?))
}

fn preparation_entry(arguments: &Arguments, preparation: Preparation) -> Result<PreparationScheduleEntry, Rejection> {
    Ok(PreparationScheduleEntry {
        enabled: arguments.is_set("enabled"),
        preparation,
        set_id: arguments.text("set_id"),
        start_time: need(arguments.date_time("start_time"), "start_time")?,
        days: arguments.days("days").unwrap_or_default(),
    })
}

/// A bundle in the cloud's own words, or one from plain parameters.
fn preparation(arguments: &Arguments) -> Result<Preparation, Rejection> {
    if let Some(content) = arguments.object("params") {
        return bundle(&content);
    }
    let driver = comfort(arguments.word("driver_seat"), arguments.small("driver_seat_level"));
    let passenger = comfort(
        arguments.word("passenger_seat"),
        arguments.small("passenger_seat_level"),
    );
    let (name, address) = (
        arguments.text("destination_name"),
        arguments.text("destination_address"),
    );
    let destination = match (
        arguments.decimal("destination_latitude"),
        arguments.decimal("destination_longitude"),
    ) {
        (Some(latitude), Some(longitude)) => Some(place(address, name, latitude, longitude)),
        (None, None) if name.is_none() && address.is_none() => None,
        (None, _) => return Err(Rejection::missing("destination_latitude")),
        (_, None) => return Err(Rejection::missing("destination_longitude")),
    };
    something(Preparation {
        climate: air(arguments).filter(|_| arguments.is_set("climate_enabled")),
        seats: seats(driver, passenger),
        steering_wheel: arguments.is_set("steering_wheel_heat"),
        mirrors: arguments.is_set("mirror_heat"),
        destination,
    })
}

fn comfort(kind: Option<&str>, level: Option<u8>) -> SeatComfort {
    match (kind, level) {
        (Some("heat"), Some(level)) => SeatComfort::Heat(level),
        (Some("ventilation"), Some(level)) => SeatComfort::Ventilation(level),
        _ => SeatComfort::Off,
    }
}

/// The front seats, unless nothing is wanted of either.
fn seats(driver: SeatComfort, passenger: SeatComfort) -> Option<(SeatComfort, SeatComfort)> {
    let wanted = (driver, passenger) != (SeatComfort::Off, SeatComfort::Off);
    wanted.then_some((driver, passenger))
}

/// Reads the bundle the cloud uses; a part whose `enable` is false is not wanted.
fn bundle(content: &Map<String, Value>) -> Result<Preparation, Rejection> {
    let parts = Arguments::read(lists::BUNDLE, content)?;
    let part = |name: &str, parameters| match parts.object(name) {
        Some(members) => Arguments::read(parameters, &members)
            .map(|arguments| Some(arguments).filter(|arguments| arguments.is_set("enable")))
            .map_err(|rejection| rejection.within(name)),
        None => Ok(None),
    };
    let climate = part("air_condition", lists::BUNDLE_CLIMATE)?
        .map(|climate| running_air(&climate).map_err(|rejection| rejection.within("air_condition")))
        .transpose()?;
    let front = part("seat_setting", lists::BUNDLE_SEATS)?;
    let destination = part("syn_path", lists::BUNDLE_DESTINATION)?
        .map(|arguments| {
            Ok(place(
                arguments.text("address"),
                arguments.text("addressname"),
                need(arguments.decimal("latitude"), "latitude")?,
                need(arguments.decimal("longitude"), "longitude")?,
            ))
        })
        .transpose()?;
    something(Preparation {
        climate,
        seats: front.and_then(|front| seats(seat_code(front.word("driver")), seat_code(front.word("copilot")))),
        steering_wheel: part("steeringWheelHeatCtrl", lists::BUNDLE_WHEEL)?.is_some(),
        mirrors: part("rearMirrorHeating", lists::BUNDLE_MIRRORS)?.is_some(),
        destination,
    })
}

/// 0 off, 1 to 3 heat, 11 to 13 ventilation.
fn seat_code(code: Option<&str>) -> SeatComfort {
    match code.and_then(|code| code.parse::<u8>().ok()) {
        Some(level @ 1..=3) => SeatComfort::Heat(level),
        Some(code @ 11..=13) => SeatComfort::Ventilation(code - 10),
        _ => SeatComfort::Off,
    }
}

fn something(preparation: Preparation) -> Result<Preparation, Rejection> {
    let wanted = preparation.climate.is_some()
        || preparation.seats.is_some()
        || preparation.steering_wheel
        || preparation.mirrors
        || preparation.destination.is_some();
    if wanted {
        return Ok(preparation);
    }
    Err(Rejection::new(
        Reason::MissingParameter,
        "name at least one thing to prepare",
    ))
}
