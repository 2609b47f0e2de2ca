//! What the car said: one [`Frame`] per status answer, with neutral names for its values.
//!
//! The names are the `field_name` column of the signal table; `cloud::signals` says under which number or field name
//! of the cloud each one arrives. Values keep their raw codes: what they mean is decided in [`super::derive`].

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A value as the car sent it: booleans as 0 and 1, numeric text as number, other text as it is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum RawValue {
    /// A finite number.
    Number(f64),
    /// A text that is not a number.
    Text(String),
}

impl RawValue {
    /// The number, if it is one.
    pub fn number(&self) -> Option<f64> {
        match self {
            Self::Number(number) => Some(*number),
            Self::Text(_) => None,
        }
    }
}

impl fmt::Display for RawValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => write!(f, "{number}"),
            Self::Text(text) => f.write_str(text),
        }
    }
}

/// Where a coordinate came from, which says how far its sign can be trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SignOrigin {
    /// The signed slot; it sometimes carries the absolute value all the same.
    Signed,
    /// A slot that carries the absolute value only.
    Absolute,
    /// A named field, whose sign behaviour is not known.
    Unstated,
}

/// One axis of the position as received.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Coordinate {
    /// Degrees; north and east positive if the sign can be trusted.
    pub degrees: f64,
    /// Whether the sign can be trusted.
    pub origin: SignOrigin,
}

/// One status answer in neutral terms. A value that is missing was not said by the car.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Frame {
    /// The car's own time of this frame.
    pub vehicle_time: Option<Timestamp>,
    /// North-south position as received.
    pub latitude: Option<Coordinate>,
    /// East-west position as received.
    pub longitude: Option<Coordinate>,
    /// Everything we have a name for.
    #[serde(deserialize_with = "known_readings")]
    pub readings: BTreeMap<Reading, RawValue>,
    /// Signals without a name, by their number, for diagnosis.
    pub unknown: BTreeMap<u32, RawValue>,
}

impl Frame {
    /// The value as received.
    pub fn raw(&self, reading: Reading) -> Option<&RawValue> {
        self.readings.get(&reading)
    }

    /// The value as a number; text counts as missing.
    pub fn number(&self, reading: Reading) -> Option<f64> {
        self.raw(reading)?.number()
    }

    /// The value as a whole number; fractions and text count as missing.
    pub fn code(&self, reading: Reading) -> Option<i64> {
        let number = self.number(reading)?;
        // Codes are small; beyond 2^53 a float cannot tell whole numbers apart, so such a value is no code.
        #[allow(clippy::cast_possible_truncation, reason = "whole and below 2^53 by the two checks")]
        (number.fract() == 0.0 && number.abs() < 9.0e15).then_some(number as i64)
    }

    /// The value as a flag: non-zero is true.
    pub fn flag(&self, reading: Reading) -> Option<bool> {
        self.number(reading).map(|number| number != 0.0)
    }

    /// Whether a code has one of the given values.
    pub fn code_is(&self, reading: Reading, codes: &[i64]) -> Option<bool> {
        self.code(reading).map(|code| codes.contains(&code))
    }

    /// The value as text; numbers are written out.
    pub fn text(&self, reading: Reading) -> Option<String> {
        self.raw(reading).map(ToString::to_string)
    }

    /// Whether the car said anything at all. A sleeping car, or one without coverage, answers with an empty frame; what
    /// the cloud adds from its own memory does not count.
    pub fn has_data(&self) -> bool {
        let spoke = self.readings.keys().any(|reading| !reading.is_kept_by_the_cloud());
        spoke || self.latitude.is_some() || self.longitude.is_some()
    }

    /// Stores a reading; used by the decoder and by tests.
    pub fn set(&mut self, reading: Reading, value: f64) {
        self.readings.insert(reading, RawValue::Number(value));
    }
}

/// Reads readings back; those whose name no longer exists are left out.
fn known_readings<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<Reading, RawValue>, D::Error> {
    let named = BTreeMap::<String, RawValue>::deserialize(deserializer)?;
    let known = |(name, value): (String, RawValue)| Some((Reading::from_name(&name)?, value));
    Ok(named.into_iter().filter_map(known).collect())
}

impl Serialize for Reading {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl Reading {
    /// Whether the value comes with every answer because the cloud keeps it: the charging plan and the consents.
    pub fn is_kept_by_the_cloud(self) -> bool {
        matches!(
            self,
            Self::ChargeLimit
                | Self::ChargePlanEnabled
                | Self::ChargePlanStart
                | Self::ChargePlanEnd
                | Self::ChargePlanDays
                | Self::ChargePlanRepeat
                | Self::ChargePlanRecharge
                | Self::ChargePlanUpdated
                | Self::ChargeTimeSetting
                | Self::BluetoothKeyVersion
                | Self::PrivacyGps
                | Self::PrivacyData
        )
    }
}

macro_rules! readings {
    ($($(#[$doc:meta])* $variant:ident => $name:literal,)*) => {
        /// The name of one value a car can report. Units and codes are those the car uses.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Reading {
            $($(#[$doc])* $variant,)*
        }

        impl Reading {
            /// Every reading, in the order of the signal table.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// Its stable name, for documents and diagnosis.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }

            /// The reading of that name.
            pub fn from_name(name: &str) -> Option<Self> {
                match name {
                    $($name => Some(Self::$variant),)*
                    _ => None,
                }
            }
        }
    };
}

readings! {
/// Soc (%).
Soc => "soc",
/// Soc precise (%; 0.1 resolution).
SocPrecise => "soc_precise",
/// Battery voltage (V).
BatteryVoltage => "battery_voltage",
/// Battery current (A; positive = discharge; negative = into the pack).
BatteryCurrent => "battery_current",
/// Battery temp min (°C).
BatteryTempMin => "battery_temp_min",
/// Battery thermal request (0=none;4=heating).
BatteryThermalRequest => "battery_thermal_request",
/// Module voltage 0 (V).
ModuleVoltage0 => "module_voltage_0",
/// Module voltage 1 (V).
ModuleVoltage1 => "module_voltage_1",
/// Module voltage 2 (V).
ModuleVoltage2 => "module_voltage_2",
/// Module voltage 3 (V).
ModuleVoltage3 => "module_voltage_3",
/// Module voltage 4 (V).
ModuleVoltage4 => "module_voltage_4",
/// Module voltage 5 (V).
ModuleVoltage5 => "module_voltage_5",
/// Module voltage 6 (V).
ModuleVoltage6 => "module_voltage_6",
/// Module voltage 7.
ModuleVoltage7 => "module_voltage_7",
/// Ac port state (0=idle;1=AC input;2=vehicle-to-load).
AcPortState => "ac_port_state",
/// Dc plug (0=no;1=plugged; 0=off;1=on).
DcPlug => "dc_plug",
/// Charge state.
ChargeState => "charge_state",
/// Charge remain time (min).
ChargeRemainTime => "charge_remain_time",
/// Charge completed (0=no;1=yes; 0=off;1=on).
ChargeCompleted => "charge_completed",
/// Healthy charge enabled (0=off;1=on).
HealthyChargeEnabled => "healthy_charge_enabled",
/// Charge schedule cancelled once (0=no;1=yes; 0=off;1=on).
ChargeScheduleCancelledOnce => "charge_schedule_cancelled_once",
/// Dump energy (Wh; /1000 = kWh, 2 decimals).
DumpEnergy => "dump_energy",
/// Range (km).
Range => "range",
/// Range live (km).
RangeLive => "range_live",
/// Range max (km).
RangeMax => "range_max",
/// Range mode (0=CLTC;1=WLTP).
RangeMode => "range_mode",
/// Fuel range (km).
FuelRange => "fuel_range",
/// Combined range (km).
CombinedRange => "combined_range",
/// Fuel range max (km).
FuelRangeMax => "fuel_range_max",
/// Combined range max (km).
CombinedRangeMax => "combined_range_max",
/// Fuel level percent (%).
FuelLevelPercent => "fuel_level_percent",
/// Fuel volume (ml; /1000 = litres).
FuelVolume => "fuel_volume",
/// Fuel volume legacy (ml; /1000 = litres).
FuelVolumeLegacy => "fuel_volume_legacy",
/// Speed (km/h).
Speed => "speed",
/// Odometer (km).
Odometer => "odometer",
/// Gear (0=P;1=R;2=N;3=D).
Gear => "gear",
/// Vehicle state (0;1;3=parked 2;4;5=driving).
VehicleState => "vehicle_state",
/// Parking brake (0=released;1=applied; 0=off;1=on).
ParkingBrake => "parking_brake",
/// Speed limit (km/h or mph).
SpeedLimit => "speed_limit",
/// Speed limit unit (0 seen with km/h).
SpeedLimitUnit => "speed_limit_unit",
/// Speed limit active (0=off;1=on).
SpeedLimitActive => "speed_limit_active",
/// Park assist (0=off;1=on).
ParkAssist => "park_assist",
/// Key on1 (0=off;1=on).
KeyOn1 => "key_on1",
/// Key on2 (0=off;1=on).
KeyOn2 => "key_on2",
/// Key on3 (0=off;1=on).
KeyOn3 => "key_on3",
/// Ac on (0=off;1=on).
AcOn => "ac_on",
/// Ac operate mode (0=auto;1=manual).
AcOperateMode => "ac_operate_mode",
/// Cooling flap (0=off;1,2=on).
CoolingFlap => "cooling_flap",
/// Heating flap (0=off;1=on).
HeatingFlap => "heating_flap",
/// Fan level (1..7).
FanLevel => "fan_level",
/// Recirculation (0=fresh air;1=recirculation).
Recirculation => "recirculation",
/// Windshield defrost (0=off;1,2=on;2=on).
WindshieldDefrost => "windshield_defrost",
/// Rear window heating (0=off;1=on).
RearWindowHeating => "rear_window_heating",
/// Climate mode (0=off/auto;1=cool;3=heat;4=ventilation).
ClimateMode => "climate_mode",
/// Rapid cooling (2=active).
RapidCooling => "rapid_cooling",
/// Rapid heating (2=active).
RapidHeating => "rapid_heating",
/// Target temp left (°C).
TargetTempLeft => "target_temp_left",
/// Target temp right (°C).
TargetTempRight => "target_temp_right",
/// Interior temp (°C).
InteriorTemp => "interior_temp",
/// Ptc power (W).
PtcPower => "ptc_power",
/// Outdoor temp (°C).
OutdoorTemp => "outdoor_temp",
/// Min single temp (°C).
MinSingleTemp => "min_single_temp",
/// Fan level setting.
FanLevelSetting => "fan_level_setting",
/// Air direction.
AirDirection => "air_direction",
/// Temp mode.
TempMode => "temp_mode",
/// Circle mode.
CircleMode => "circle_mode",
/// Cooling heating (0=wind;1=cold;2=hot).
CoolingHeating => "cooling_heating",
/// Ptc state.
PtcState => "ptc_state",
/// Ptc power setting.
PtcPowerSetting => "ptc_power_setting",
/// Locked (0=unlocked;1=locked).
Locked => "locked",
/// Door front left (0=closed;1=open; non-zero = open).
DoorFrontLeft => "door_front_left",
/// Door front right (0=closed;1=open; non-zero = open).
DoorFrontRight => "door_front_right",
/// Door rear left (0=closed;1=open; non-zero = open).
DoorRearLeft => "door_rear_left",
/// Door rear right (0=closed;1=open; non-zero = open).
DoorRearRight => "door_rear_right",
/// Trunk (0=closed;1=open; non-zero = open).
Trunk => "trunk",
/// Door control allowed.
DoorControlAllowed => "door_control_allowed",
/// Window front left open (0=closed;1 or 2=open; non-zero = open).
WindowFrontLeftOpen => "window_front_left_open",
/// Window front right open (0=closed;1 or 2=open; non-zero = open).
WindowFrontRightOpen => "window_front_right_open",
/// Window rear left open (0=closed;1 or 2=open; non-zero = open).
WindowRearLeftOpen => "window_rear_left_open",
/// Window rear right open (0=closed;1 or 2=open; non-zero = open).
WindowRearRightOpen => "window_rear_right_open",
/// Window front left position (%).
WindowFrontLeftPosition => "window_front_left_position",
/// Window front right position (%).
WindowFrontRightPosition => "window_front_right_position",
/// Window rear left position (%).
WindowRearLeftPosition => "window_rear_left_position",
/// Window rear right position (%).
WindowRearRightPosition => "window_rear_right_position",
/// Roof opening (%; non-zero = open).
RoofOpening => "roof_opening",
/// Sun shade.
SunShade => "sun_shade",
/// Windows remote supported (0=off;1=on).
WindowsRemoteSupported => "windows_remote_supported",
/// Tyre pressure front left (kPa; /100 = bar, 2 decimals).
TyrePressureFrontLeft => "tyre_pressure_front_left",
/// Tyre pressure front right (kPa; /100 = bar, 2 decimals).
TyrePressureFrontRight => "tyre_pressure_front_right",
/// Tyre pressure rear left (kPa; /100 = bar, 2 decimals).
TyrePressureRearLeft => "tyre_pressure_rear_left",
/// Tyre pressure rear right (kPa; /100 = bar, 2 decimals).
TyrePressureRearRight => "tyre_pressure_rear_right",
/// Tyre alarm rear right (0=ok;1=low).
TyreAlarmRearRight => "tyre_alarm_rear_right",
/// Tyre alarm front right (0=ok;1=low).
TyreAlarmFrontRight => "tyre_alarm_front_right",
/// Tyre alarm front left (0=ok;1=low).
TyreAlarmFrontLeft => "tyre_alarm_front_left",
/// Tyre alarm rear left (0=ok;1=low).
TyreAlarmRearLeft => "tyre_alarm_rear_left",
/// Seat heat driver (level; 0..3).
SeatHeatDriver => "seat_heat_driver",
/// Seat heat passenger (level; 0..3).
SeatHeatPassenger => "seat_heat_passenger",
/// Seat vent driver (level; 0..3).
SeatVentDriver => "seat_vent_driver",
/// Seat vent passenger (level; 0..3).
SeatVentPassenger => "seat_vent_passenger",
/// Steering wheel heat (2=on;non-zero=on).
SteeringWheelHeat => "steering_wheel_heat",
/// Steering wheel heat minutes (min).
SteeringWheelHeatMinutes => "steering_wheel_heat_minutes",
/// Security state (0=inactive;1,2,3=armed).
SecurityState => "security_state",
/// Sentry mode (0=off;1=on).
SentryMode => "sentry_mode",
/// Parking photo (0=off;1=on).
ParkingPhoto => "parking_photo",
/// Mirror heat left (0=off;1=on).
MirrorHeatLeft => "mirror_heat_left",
/// Mirror heat right (0=off;1=on).
MirrorHeatRight => "mirror_heat_right",
/// Bluetooth on.
BluetoothOn => "bluetooth_on",
/// Hotspot on.
HotspotOn => "hotspot_on",
/// Charge limit (%).
ChargeLimit => "charge_limit",
/// Charge plan enabled (0=off;1=on).
ChargePlanEnabled => "charge_plan_enabled",
/// Charge plan start (HH:MM).
ChargePlanStart => "charge_plan_start",
/// Charge plan end (HH:MM).
ChargePlanEnd => "charge_plan_end",
/// Charge plan days (seven 0/1 flags, Monday first).
ChargePlanDays => "charge_plan_days",
/// Charge plan repeat (0=once;1=repeat; 0=off;1=on).
ChargePlanRepeat => "charge_plan_repeat",
/// Charge plan recharge (0=off;1=on).
ChargePlanRecharge => "charge_plan_recharge",
/// Charge plan updated (YYYY-MM-DD HH:MM:SS).
ChargePlanUpdated => "charge_plan_updated",
/// Charge time setting (HH:MM).
ChargeTimeSetting => "charge_time_setting",
/// Bluetooth key version.
BluetoothKeyVersion => "bluetooth_key_version",
/// Privacy gps (1 seen).
PrivacyGps => "privacy_gps",
/// Privacy data (1 seen).
PrivacyData => "privacy_data",}
