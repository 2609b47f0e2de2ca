//! The command registry: everything a car can be asked to do, for every caller.
//!
//! [`Command`] is a command with its checked parameters. [`registry`] has one row per command name: aliases, parameters
//! with range and unit, right, ability, PIN, risk, effect and preconditions. [`gate`] decides whether a request may go
//! to the car now, [`queue`] in which order, and [`effect`] whether the car shows what was asked for. How a command is
//! written for the cloud is `cloud::payload`.

pub mod effect;
pub mod gate;
pub mod queue;
pub mod registry;

use jiff::civil::DateTime;
use serde_json::Value;

/// A command with its checked parameters, ready for the gate. Ranges are those of `commands.csv`.
#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    /// Lock the doors.
    Lock,
    /// Unlock the doors.
    Unlock,
    /// Sound the horn and flash the lights.
    FindCar,
    /// Open the tailgate.
    TrunkOpen,
    /// Close a powered tailgate.
    TrunkClose,
    /// Toggle the hotspot; its effect is unverified.
    Hotspot,
    /// Automatic parking: moves the car.
    Autopark,
    /// Battery heating on or off.
    BatteryPreheat(bool),
    /// Air conditioning with these settings.
    Climate(ClimateSettings),
    /// Air conditioning off.
    ClimateOff,
    /// Cooling at full power.
    QuickCool,
    /// Heating at full power.
    QuickHeat,
    /// Fresh air without heating or cooling, with a target temperature for the car to keep in mind.
    QuickVentilation {
        /// °C, 18 to 32.
        temperature: u8,
    },
    /// Windshield defrost.
    WindshieldDefrost,
    /// Replace the list of climate schedules; an empty list cancels them all.
    ClimateSchedule(Vec<ClimateScheduleEntry>),
    /// Switch every entry of the climate schedule on or off, keeping the entries.
    ClimateScheduleSwitch(bool),
    /// Send a destination to the navigation. Needs no PIN.
    SendDestination(Destination),
    /// Charge limit in percent, 1 to 100, keeping the rest of the charging plan.
    ChargeLimit {
        /// Percent.
        percent: u8,
    },
    /// Change parts of the charging plan, keeping the rest.
    ChargeSchedule(ChargeScheduleChange),
    /// Charge limit through the command of its own that some cars have.
    ChargeLimitNative {
        /// Percent.
        percent: u8,
    },
    /// Release the charging plug.
    UnlockCharger,
    /// Start charging.
    ChargeStart,
    /// Stop charging.
    ChargeStop,
    /// Sentry mode on or off.
    SentryMode(bool),
    /// All windows to a position, 0 (closed) to 100 percent.
    Windows {
        /// Percent open.
        percent: u8,
    },
    /// Sunshade to a position, 0 (closed) to 10.
    Sunshade {
        /// Tenths open.
        tenths: u8,
    },
    /// Sunroof open or closed.
    Sunroof {
        /// Open or close.
        open: bool,
    },
    /// Music player.
    Music(MediaOperation),
    /// Video player.
    Video(MediaOperation),
    /// Seat adjustment; the payload is not known, so the caller's JSON object is passed on.
    SeatAdjust(Value),
    /// Seat heating.
    SeatHeat(Seat, u8),
    /// Seat ventilation.
    SeatVentilation(Seat, u8),
    /// Steering wheel heating on or off.
    SteeringWheelHeat(bool),
    /// Piloted parking: moves the car. The payload is not known, so the caller's JSON object is passed on.
    PilotedParking(Value),
    /// Prepare the car now.
    PrepareCar(Preparation),
    /// Replace the list of preparation schedules; an empty list cancels them all.
    PrepareCarSchedule(Vec<PreparationScheduleEntry>),
    /// Switch every entry of the preparation schedule on or off, keeping the entries.
    PrepareCarScheduleSwitch(bool),
    /// Heating from fuel on or off (range-extender cars).
    FuelHeating(bool),
    /// Download a software update.
    SoftwareDownload {
        /// The cloud's id of the update.
        task: u64,
    },
    /// Install a software update.
    SoftwareInstall {
        /// The cloud's id of the update; `None`, from a button that knows no id, is the one that is offered.
        task: Option<u64>,
    },
    /// Schedule the installation of a software update.
    SoftwareSchedule {
        /// The cloud's id of the update.
        task: u64,
        /// Local time, `YYYY-MM-DDTHH:MM:SS`.
        time: String,
    },
    /// Ready to drive on or off.
    On3(bool),
    /// Restart the digital key.
    BleKeyRestart,
    /// Mirror heating on or off.
    MirrorHeat(bool),
    /// Rear seats of the C16; the text is not documented.
    RearSeats {
        /// As the caller gave it.
        info: String,
    },
    /// Healthy charging (about 80 %) on or off.
    HealthyCharging(bool),
    /// Speed limit.
    SpeedLimit {
        /// km/h.
        kmh: u8,
    },
}

/// Settings of the air conditioning (`cloud-api.md` 7.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClimateSettings {
    /// Recirculation instead of fresh air.
    pub recirculate: bool,
    /// Heat, cool or neither.
    pub mode: AirMode,
    /// Manual, or automatic where the car knows it.
    pub operate: Operate,
    /// °C, 18 to 32.
    pub temperature: u8,
    /// 1 to 7.
    pub fan: u8,
    /// Windshield heating.
    pub defrost: bool,
}

impl ClimateSettings {
    /// What `ac-on` sends when nothing is asked for in particular (field-proven vectors).
    pub const NEUTRAL: Self = Self {
        recirculate: false,
        mode: AirMode::Neither,
        operate: Operate::Manual,
        temperature: 24,
        fan: 4,
        defrost: false,
    };
    /// What quick cooling is, in plain settings.
    pub const QUICK_COOL: Self = Self {
        recirculate: true,
        mode: AirMode::Cold,
        operate: Operate::Manual,
        temperature: 18,
        fan: 7,
        defrost: false,
    };
    /// What quick heating is, in plain settings.
    pub const QUICK_HEAT: Self = Self {
        mode: AirMode::Hot,
        temperature: 32,
        ..Self::QUICK_COOL
    };
    /// What windshield defrost is, in plain settings.
    pub const DEFROST: Self = Self {
        defrost: true,
        ..Self::QUICK_HEAT
    };
    /// What quick ventilation is, in plain settings.
    pub const fn ventilation(temperature: u8) -> Self {
        Self {
            temperature,
            ..Self::NEUTRAL
        }
    }
}

/// Heat, cool or neither.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AirMode {
    /// `cold`.
    Cold,
    /// `hot`.
    Hot,
    /// `nohotcold`; older clients say `wind`.
    Neither,
}

/// Who decides about fan and flaps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operate {
    /// The settings sent.
    Manual,
    /// The car. The T03 ignores it.
    Auto,
}

/// One entry of the climate schedule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClimateScheduleEntry {
    /// Whether it is active.
    pub enabled: bool,
    /// What the climate does then.
    pub settings: ClimateSettings,
    /// Opaque; reuse it to edit an entry. `None` asks for a new one.
    pub set_id: Option<String>,
    /// Local time of the car; seconds are dropped.
    pub start_time: DateTime,
    /// 0 = Sunday to 6 = Saturday, ascending; empty = once.
    pub days: Vec<u8>,
}

/// A place for the navigation.
#[derive(Debug, Clone, PartialEq)]
pub struct Destination {
    /// Street and town.
    pub address: String,
    /// Short name.
    pub name: String,
    /// Degrees, north positive.
    pub latitude: f64,
    /// Degrees, east positive.
    pub longitude: f64,
}

/// Parts of the charging plan to change; `None` keeps what the car holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ChargeScheduleChange {
    /// Plan on or off.
    pub enabled: Option<bool>,
    /// Charge limit in percent.
    pub percent: Option<u8>,
    /// `HH:MM`.
    pub start: Option<String>,
    /// `HH:MM`.
    pub end: Option<String>,
    /// Seven flags, Monday first: `1,1,1,1,1,0,0`.
    pub cycles: Option<String>,
    /// 1 repeats.
    pub circulation: Option<u8>,
    /// 1 resumes.
    pub recharge: Option<u8>,
}

/// A media key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MediaOperation {
    /// `play`
    Play,
    /// `pause`
    Pause,
    /// `next`
    Next,
    /// `previous`
    Previous,
}

/// A front seat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seat {
    /// The driver's.
    Driver,
    /// The front passenger's (`copilot`).
    Passenger,
}

/// What a preparation does to a seat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SeatComfort {
    /// Nothing.
    Off,
    /// Heat at level 1 to 3.
    Heat(u8),
    /// Ventilate at level 1 to 3.
    Ventilation(u8),
}

/// A bundle of comforts for one moment; at least one part is wanted.
#[derive(Debug, Clone, PartialEq)]
pub struct Preparation {
    /// Air conditioning.
    pub climate: Option<ClimateSettings>,
    /// Driver and front passenger seat.
    pub seats: Option<(SeatComfort, SeatComfort)>,
    /// Steering wheel heating.
    pub steering_wheel: bool,
    /// Mirror heating.
    pub mirrors: bool,
    /// A destination for the navigation.
    pub destination: Option<Destination>,
}

/// One entry of the preparation schedule.
#[derive(Debug, Clone, PartialEq)]
pub struct PreparationScheduleEntry {
    /// Whether it is active.
    pub enabled: bool,
    /// What to prepare.
    pub preparation: Preparation,
    /// Opaque; reuse it to edit an entry. `None` asks for a new one.
    pub set_id: Option<String>,
    /// Local time of the car; seconds are dropped.
    pub start_time: DateTime,
    /// 0 = Sunday to 6 = Saturday, ascending; empty = once.
    pub days: Vec<u8>,
}

/// What a command affects. A waiting command gives way to a newer one of the same group only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EffectGroup {
    /// Doors.
    Lock,
    /// Horn and lights.
    Find,
    /// Tailgate.
    Trunk,
    /// Hotspot.
    Hotspot,
    /// Anything that moves or readies the car.
    Drive,
    /// Battery heating.
    BatteryPreheat,
    /// Air conditioning.
    Climate,
    /// Climate schedule.
    ClimateSchedule,
    /// Navigation.
    Destination,
    /// Charge limit and plan, which share one payload.
    ChargePlan,
    /// Charge start and stop.
    Charge,
    /// Charging plug.
    Charger,
    /// Sentry mode.
    Sentry,
    /// Windows.
    Windows,
    /// Sunshade.
    Sunshade,
    /// Sunroof.
    Sunroof,
    /// Music and video.
    Media,
    /// Seat adjustment.
    SeatAdjust,
    /// Driver seat comfort.
    DriverSeat,
    /// Passenger seat comfort.
    PassengerSeat,
    /// Rear seats.
    RearSeats,
    /// Steering wheel heating.
    SteeringWheel,
    /// Mirror heating.
    Mirrors,
    /// Preparation now.
    Prepare,
    /// Preparation schedule.
    PrepareSchedule,
    /// Fuel heating.
    FuelHeating,
    /// Software.
    Software,
    /// Digital key.
    Key,
    /// Healthy charging.
    HealthyCharging,
    /// Speed limit.
    SpeedLimit,
}

/// How much harm a mistaken command can do (`design.md` 4.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Risk {
    /// Climate, find, charge, seats, media, destination, schedules, sentry.
    Comfort,
    /// Unlock, trunk, windows, roof, charger.
    Opening,
    /// Moves the car or readies it; denied unless the owner allows the command by name.
    Driving,
}
