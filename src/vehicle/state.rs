//! What we make of what the car said: the one picture of a car that every consumer sees.
//!
//! Plain readings stay in [`VehicleState::frame`]; the fields here are those that need a rule
//! of [`super::derive`].
//! `None` always means "not known".

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::derive::rejections::Rejections;
use super::reading::Frame;
use super::units::{
    Bar, Kilometers, KilometersPerHour, KilowattHours, Kilowatts, Liters, LitersPer100Kilometers, Minutes, Percent,
};

/// Everything known about a car at one moment.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct VehicleState {
    /// The readings this picture is made of, as far as they are believed: no impossible zero, and of a stale frame
    /// nothing that describes a moment (`derive::stale`).
    pub frame: Frame,
    /// The car's own time of the newest frame with data.
    pub vehicle_time: Option<Timestamp>,
    /// When the cloud last answered with a frame, by our clock.
    pub received: Option<Timestamp>,
    /// When the cloud last answered a question about this car, whatever it said, by our clock.
    pub answered: Option<Timestamp>,
    /// Whether the car's own time is so old that live values are no longer believed.
    pub stale: bool,
    /// Whether the cloud repeats an old word of the car although the car should be talking. A car that sleeps is right
    /// to be silent.
    pub frozen: Option<bool>,
    /// What of its frames was not believed.
    pub rejections: Rejections,
    /// Pack, range and fuel.
    pub battery: Battery,
    /// Plug and charging.
    pub charging: Charging,
    /// Motion.
    pub motion: Motion,
    /// Locks and alarm.
    pub security: Security,
    /// Doors, windows and roof.
    pub openings: Openings,
    /// Heating and cooling.
    pub climate: Climate,
    /// Tyres, in the order of [`Wheel::ALL`].
    pub tires: BTreeMap<Wheel, Tire>,
    /// Whether any tyre raises an alarm; unknown when one of the four is missing and none is raised.
    pub tire_problem: Option<bool>,
    /// Fuel of a range-extender car.
    pub fuel: Fuel,
    /// The charging plan as the car holds it.
    pub plan: ChargePlan,
    /// Where the car is, with the sign repaired; never 0/0.
    pub position: Option<Position>,
}

/// The traction battery.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Battery {
    /// State of charge, whole percent as the car shows it.
    pub soc: Option<Percent>,
    /// State of charge with one decimal.
    pub soc_precise: Option<Percent>,
    /// Signed power at the pack; positive is discharge.
    pub power: Option<Kilowatts>,
    /// Power out of the pack, never negative.
    pub discharging_power: Option<Kilowatts>,
    /// Whether power flows out of the pack.
    pub discharging: Option<bool>,
    /// Energy left in the pack.
    pub energy: Option<KilowattHours>,
    /// Whether the pack is being heated.
    pub heating: Option<bool>,
}

/// Plug and charging, by the rules that were proven on cars.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Charging {
    /// Whether a cable is plugged in; never while driving.
    pub plugged: Option<bool>,
    /// Whether energy flows in.
    pub charging: Option<bool>,
    /// The connection in words.
    pub connection: Option<Connection>,
    /// Power into the pack while charging, else 0.
    pub power: Option<Kilowatts>,
    /// What kind of charger is connected.
    pub charger: Option<Charger>,
    /// Time to the limit, only while charging.
    pub remaining: Option<Minutes>,
    /// When the limit will be reached, only while charging.
    pub finish_time: Option<Timestamp>,
    /// Range gained per hour, only while charging.
    pub rate: Option<KilometersPerHour>,
    /// Whether the charge has completed.
    pub fully_charged: Option<bool>,
    /// Power taken from the parked car by an external load.
    pub v2l_power: Option<Kilowatts>,
}

/// The charging connection in words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Connection {
    /// No cable, or the car is in motion.
    Unplugged,
    /// Cable in, no energy flows.
    PluggedIn,
    /// Cable in, waiting for the charging schedule.
    WaitingSchedule,
    /// Energy flows in.
    Charging,
    /// Cable in, the limit is reached.
    Finished,
}

/// The kind of charger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Charger {
    /// None is connected.
    Unplugged,
    /// Alternating current.
    Ac,
    /// Direct current.
    Dc,
}

/// Motion, by the rules that were proven on cars.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Motion {
    /// What the car does.
    pub activity: Option<Activity>,
    /// Whether it drives.
    pub driving: Option<bool>,
    /// The selected gear.
    pub gear: Option<Gear>,
    /// Whether the pack is charged by braking.
    pub regenerating: Option<bool>,
    /// Start of the current park.
    pub parked_since: Option<Timestamp>,
    /// Where the car stood last; kept while it drives.
    pub parked_position: Option<Position>,
}

/// What the car does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activity {
    /// Standing still and not ready to drive.
    Parked,
    /// In gear or moving.
    Driving,
    /// Standing still and charging.
    Charging,
    /// Standing still and ready to drive.
    Ready,
}

/// The gear selector. 1 is R and 3 is D on cars, although one source says the opposite.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gear {
    /// Park.
    P,
    /// Reverse.
    R,
    /// Neutral.
    N,
    /// Drive.
    D,
    /// A code without a known meaning.
    Unknown(i64),
}

impl Gear {
    /// The gear of a code. A car that cannot tell sends 16777215, which is no gear either.
    pub fn of(code: i64) -> Self {
        match code {
            0 => Self::P,
            1 => Self::R,
            2 => Self::N,
            3 => Self::D,
            other => Self::Unknown(other),
        }
    }
}

/// Locks and alarm.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Security {
    /// Whether the doors are locked.
    pub locked: Option<bool>,
    /// Where the lock state comes from.
    pub lock_source: Option<LockSource>,
    /// Whether the anti-theft alarm is armed.
    pub armed: Option<bool>,
}

/// Where the lock state comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LockSource {
    /// The car said it, recently enough.
    Signal,
    /// A confirmed command said it; the car's own word is still older.
    CommandConfirmed,
    /// The car said it, but long ago.
    Stale,
}

/// Doors, windows and roof; true is open.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Openings {
    /// Each part that can be told, in a fixed order.
    pub parts: BTreeMap<Part, bool>,
    /// The opening of the windows in percent, the widest of the four; unknown where the car does not report it.
    pub windows_position: Option<Percent>,
}

/// A part of the car that can stand open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// Front left door.
    DoorFrontLeft,
    /// Front right door.
    DoorFrontRight,
    /// Rear left door.
    DoorRearLeft,
    /// Rear right door.
    DoorRearRight,
    /// Tailgate.
    Trunk,
    /// Front left window.
    WindowFrontLeft,
    /// Front right window.
    WindowFrontRight,
    /// Rear left window.
    WindowRearLeft,
    /// Rear right window.
    WindowRearRight,
    /// Sunshade or skylight of the roof.
    Roof,
}

impl Part {
    /// The four doors.
    pub const DOORS: [Self; 4] = [
        Self::DoorFrontLeft,
        Self::DoorFrontRight,
        Self::DoorRearLeft,
        Self::DoorRearRight,
    ];
    /// The four windows.
    pub const WINDOWS: [Self; 4] = [
        Self::WindowFrontLeft,
        Self::WindowFrontRight,
        Self::WindowRearLeft,
        Self::WindowRearRight,
    ];
    /// All parts.
    pub const ALL: [Self; 10] = [
        Self::DoorFrontLeft,
        Self::DoorFrontRight,
        Self::DoorRearLeft,
        Self::DoorRearRight,
        Self::Trunk,
        Self::WindowFrontLeft,
        Self::WindowFrontRight,
        Self::WindowRearLeft,
        Self::WindowRearRight,
        Self::Roof,
    ];

    /// A stable slug, the key of the part's own entity.
    pub fn name(self) -> &'static str {
        match self {
            Self::DoorFrontLeft => "door_front_left",
            Self::DoorFrontRight => "door_front_right",
            Self::DoorRearLeft => "door_rear_left",
            Self::DoorRearRight => "door_rear_right",
            Self::Trunk => "trunk",
            Self::WindowFrontLeft => "window_front_left",
            Self::WindowFrontRight => "window_front_right",
            Self::WindowRearLeft => "window_rear_left",
            Self::WindowRearRight => "window_rear_right",
            Self::Roof => "roof_open",
        }
    }
}

impl Openings {
    /// Whether any of the given parts is open: true if one is, false if all are known to be closed, else unknown.
    pub fn any(&self, parts: &[Part]) -> Option<bool> {
        if parts.iter().any(|part| self.parts.get(part) == Some(&true)) {
            return Some(true);
        }
        parts.iter().all(|part| self.parts.contains_key(part)).then_some(false)
    }

    /// The parts that stand open.
    pub fn open(&self) -> impl Iterator<Item = Part> {
        self.parts.iter().filter(|(_, open)| **open).map(|(part, _)| *part)
    }
}

/// Heating and cooling.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Climate {
    /// Whether the air conditioning runs.
    pub on: Option<bool>,
    /// What it is set to do while it runs.
    pub mode: Option<ClimateMode>,
    /// What the air does now, on cars that say so instead of a mode.
    pub direction: Option<AirTreatment>,
    /// Windshield defrost.
    pub defrost: Option<bool>,
    /// Recirculation instead of fresh air.
    pub recirculation: Option<bool>,
    /// Quick cooling preset.
    pub quick_cool: Option<bool>,
    /// Quick heating preset.
    pub quick_heat: Option<bool>,
    /// Steering wheel heating.
    pub steering_wheel_heat: Option<bool>,
    /// Heating of either mirror.
    pub mirror_heat: Option<bool>,
}

/// What the air conditioning is set to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClimateMode {
    /// Decides by itself.
    Auto,
    /// Cooling.
    Cool,
    /// Heating.
    Heat,
    /// Air without heating or cooling.
    Ventilate,
    /// A code without a known meaning.
    Unknown(i64),
}

/// What the air conditioning does to the air, as older cars report it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AirTreatment {
    /// Moves it.
    Wind,
    /// Cools it.
    Cold,
    /// Heats it.
    Hot,
}

/// A wheel, seen from above with the front up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Wheel {
    /// Front left.
    FrontLeft,
    /// Front right.
    FrontRight,
    /// Rear left.
    RearLeft,
    /// Rear right.
    RearRight,
}

impl Wheel {
    /// All wheels.
    pub const ALL: [Self; 4] = [Self::FrontLeft, Self::FrontRight, Self::RearLeft, Self::RearRight];
}

/// One tyre.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Tire {
    /// Pressure.
    pub pressure: Option<Bar>,
    /// Whether the car raises an alarm for it.
    pub alarm: Option<bool>,
}

/// Fuel of a range-extender car.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Fuel {
    /// Fuel in the tank.
    pub volume: Option<Liters>,
    /// Range on fuel.
    pub range: Option<Kilometers>,
    /// Volume over range: an estimate, circular by nature.
    pub consumption: Option<LitersPer100Kilometers>,
}

/// The charging plan as the car holds it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ChargePlan {
    /// Charge limit in percent.
    pub limit: Option<i64>,
    /// Whether the plan is on.
    pub enabled: Option<bool>,
    /// Start, `HH:MM`.
    pub start: Option<String>,
    /// End, `HH:MM`.
    pub end: Option<String>,
    /// Seven flags, Monday first.
    pub cycles: Option<String>,
    /// Whether the plan repeats.
    pub circulation: Option<i64>,
    /// Whether charging resumes.
    pub recharge: Option<i64>,
    /// When the plan was last changed. The zone is not stated; taken as UTC, like the other times of the cloud.
    pub updated: Option<Timestamp>,
}

/// A place on earth, with the sign repaired.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Position {
    /// North positive, degrees.
    pub latitude: f64,
    /// East positive, degrees.
    pub longitude: f64,
}
