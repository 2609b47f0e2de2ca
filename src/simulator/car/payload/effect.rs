//! What a command asks of a car, whatever its content looked like.

use serde_json::Value;

use crate::simulator::car::plan::ChargePlan;

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
