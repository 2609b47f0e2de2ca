//! One row per command name, for every caller: the gate, MQTT, Home Assistant, the documents.
//!
//! [`COMMANDS`] is the table. [`parse`] turns a name and a caller's JSON into a [`Command`]; [`Command::spec`] leads
//! back from a command to its row.

mod build;
mod lists;
mod parameters;
mod table;

use std::fmt;

use serde_json::{Map, Value};

pub use self::parameters::{Arguments, Kind, Parameter};
pub use self::table::COMMANDS;
use super::{Command, EffectGroup, Risk, Seat};
use crate::vehicle::Model;
use crate::vehicle::intent::Reason;

/// One command: everything that is known about it apart from how it is written for the cloud.
#[derive(Debug, Clone, Copy)]
pub struct Spec {
    /// Its name, kebab-case.
    pub name: &'static str,
    /// Other names that are understood; hyphens and underscores are the same, case does not matter.
    pub aliases: &'static [&'static str],
    /// What it does, one sentence.
    pub doc: &'static str,
    /// Its parameters.
    pub parameters: &'static [Parameter],
    /// Rights of the account of which one is enough; sources disagree about some, so both readings are listed.
    pub right: &'static [u32],
    /// Abilities of the car of which one is enough; empty when no code is known.
    pub ability: &'static [u32],
    /// Models that are known not to act on it, whatever they declare.
    pub unsupported: &'static [Model],
    /// Whether the cloud wants the PIN.
    pub needs_pin: bool,
    /// How much harm a mistaken one can do.
    pub risk: Risk,
    /// What it affects.
    pub effect_group: EffectGroup,
    /// What must hold in the car.
    pub preconditions: &'static [Precondition],
    /// How its success shows.
    pub confirmation: Confirmation,
    /// The row this one is only another spelling of: a policy that names either means both.
    pub variant_of: Option<&'static str>,
    /// Makes the command from checked parameters.
    pub build: fn(&Arguments) -> Result<Command, Rejection>,
}

impl Spec {
    /// Whether `name` is the row's name or one of its aliases.
    pub fn is_called(&self, name: &str) -> bool {
        let same = |known: &str| {
            let fold = |byte: u8| if byte == b'_' { b'-' } else { byte.to_ascii_lowercase() };
            known.bytes().map(fold).eq(name.bytes().map(fold))
        };
        same(self.name) || self.aliases.iter().any(|alias| same(alias))
    }

    /// The name by which a policy knows the command.
    pub fn policy_name(&self) -> &'static str {
        self.variant_of.unwrap_or(self.name)
    }
}

/// What must hold in the car before a command is written. Only a known contradiction stops it, and doubt about the
/// motion of a car that does report it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Precondition {
    /// The car does not drive.
    NotMoving,
    /// The gear is in P.
    InPark,
    /// A cable is plugged in.
    Plugged,
}

/// How the success of a command shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Confirmation {
    /// The car's own state shows the effect, where the model reports it (see [`super::effect::achieved`]).
    State,
    /// No state can show it; the car's answer to the cloud is all there is.
    Cloud,
}

/// A command that could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct Rejection {
    /// Why, as a stable code.
    pub reason: Reason,
    /// Why, for a person.
    pub detail: String,
}

impl Rejection {
    fn new(reason: Reason, detail: impl fmt::Display) -> Self {
        let detail = detail.to_string();
        Self { reason, detail }
    }

    fn missing(parameter: &str) -> Self {
        Self::new(Reason::MissingParameter, format_args!("{parameter} is missing"))
    }

    fn within(self, place: impl fmt::Display) -> Self {
        Self::new(self.reason, format_args!("{place}: {}", self.detail))
    }
}

/// The row of that name or alias.
pub fn find(name: &str) -> Option<&'static Spec> {
    let name = name.trim();
    COMMANDS.iter().find(|row| row.is_called(name))
}

/// Reads a command from its name and parameters.
pub fn parse(name: &str, parameters: &Map<String, Value>) -> Result<Command, Rejection> {
    let row = find(name).ok_or_else(|| {
        let name: String = name.chars().take(40).collect();
        Rejection::new(
            Reason::UnknownCommand,
            format_args!("there is no command {}", Value::from(name)),
        )
    })?;
    (row.build)(&Arguments::read(row.parameters, parameters)?)
}

impl Command {
    /// Its row in the table.
    #[allow(clippy::expect_used, reason = "a test looks every name of the match below up")]
    pub fn spec(&self) -> &'static Spec {
        // `name` returns names of rows only.
        find(self.name()).expect("every command has a row")
    }

    /// The name of its row.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Lock => "lock",
            Self::Unlock => "unlock",
            Self::FindCar => "find-car",
            Self::TrunkOpen => "trunk-open",
            Self::TrunkClose => "trunk-close",
            Self::Hotspot => "hotspot",
            Self::Autopark => "autopark",
            Self::BatteryPreheat(true) => "battery-preheat-on",
            Self::BatteryPreheat(false) => "battery-preheat-off",
            Self::Climate(settings) if *settings == super::ClimateSettings::NEUTRAL => "ac-on",
            Self::Climate(_) => "set-climate",
            Self::ClimateOff => "ac-off",
            Self::QuickCool => "quick-cool",
            Self::QuickHeat => "quick-heat",
            Self::QuickVentilation { .. } => "quick-ventilation",
            Self::WindshieldDefrost => "windshield-defrost",
            Self::ClimateSchedule(entries) if entries.is_empty() => "climate-schedule-cancel",
            Self::ClimateSchedule(_) => "climate-schedule",
            Self::ClimateScheduleSwitch(true) => "climate-schedule-on",
            Self::ClimateScheduleSwitch(false) => "climate-schedule-off",
            Self::SendDestination(_) => "send-destination",
            Self::ChargeLimit { .. } => "charge-limit",
            Self::ChargeSchedule(_) => "charge-schedule",
            Self::ChargeLimitNative { .. } => "charge-limit-native",
            Self::UnlockCharger => "unlock-charger",
            Self::ChargeStart => "charge-start",
            Self::ChargeStop => "charge-stop",
            Self::SentryMode(true) => "sentry-mode-on",
            Self::SentryMode(false) => "sentry-mode-off",
            Self::Windows { percent: 0 } => "windows-close",
            Self::Windows { .. } => "windows-open",
            Self::Sunshade { tenths: 0 } => "sunshade-close",
            Self::Sunshade { .. } => "sunshade-open",
            Self::Sunroof { open: true } => "sunroof-open",
            Self::Sunroof { open: false } => "sunroof-close",
            Self::Music(_) => "music",
            Self::Video(_) => "video",
            Self::SeatAdjust(_) => "seat-adjust",
            Self::SeatHeat(..) => "seat-heat",
            Self::SeatVentilation(..) => "seat-ventilation",
            Self::SteeringWheelHeat(true) => "steering-wheel-heat-on",
            Self::SteeringWheelHeat(false) => "steering-wheel-heat-off",
            Self::PilotedParking(_) => "piloted-parking",
            Self::PrepareCar(_) => "prepare-car",
            Self::PrepareCarSchedule(entries) if entries.is_empty() => "prepare-car-schedule-cancel",
            Self::PrepareCarSchedule(_) => "prepare-car-schedule",
            Self::PrepareCarScheduleSwitch(true) => "prepare-car-schedule-on",
            Self::PrepareCarScheduleSwitch(false) => "prepare-car-schedule-off",
            Self::FuelHeating(true) => "fuel-heating-on",
            Self::FuelHeating(false) => "fuel-heating-off",
            Self::SoftwareDownload { .. } => "fota-download",
            Self::SoftwareInstall { .. } => "fota-install",
            Self::SoftwareSchedule { .. } => "fota-schedule",
            Self::On3(true) => "on3-on",
            Self::On3(false) => "on3-off",
            Self::BleKeyRestart => "ble-key-restart",
            Self::MirrorHeat(true) => "rearview-mirror-heat-on",
            Self::MirrorHeat(false) => "rearview-mirror-heat-off",
            Self::RearSeats { .. } => "rear-seats",
            Self::HealthyCharging(true) => "healthy-charging-on",
            Self::HealthyCharging(false) => "healthy-charging-off",
            Self::SpeedLimit { .. } => "speed-limit",
        }
    }

    /// What it affects.
    pub fn effect_group(&self) -> EffectGroup {
        match self {
            Self::SeatHeat(Seat::Passenger, _) | Self::SeatVentilation(Seat::Passenger, _) => {
                EffectGroup::PassengerSeat
            }
            _ => self.spec().effect_group,
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
