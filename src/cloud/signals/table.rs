//! Where the cloud puts each value of a car.
//!
//! Newer models answer in numbered signals, the T03 in named fields; the charging plan lies in a configuration block.
//! Each row lists the places in the order in which they are trusted: a named field before its signal, the
//! configuration block before the field of an older form. `tests/data/protocol/signals.csv` has units and evidence.

use Source::{Config, Field, Signal};

use crate::vehicle::Reading;
use crate::vehicle::reading::SignOrigin;

/// One place in the status answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    /// A field directly in `data`.
    Field(&'static str),
    /// A numbered signal in `data.signal`.
    Signal(u32),
    /// A key of a block in `data.config`.
    Config(&'static str, &'static str),
}

/// How a value is to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A number, a flag, or a text that is a number.
    Number,
    /// A text, kept as it is: a time of day, flags with commas, a version.
    Text,
}

/// One reading and where it is found.
pub(super) struct Row {
    pub(super) reading: Reading,
    pub(super) kind: Kind,
    pub(super) sources: &'static [Source],
}

const fn number(reading: Reading, sources: &'static [Source]) -> Row {
    Row {
        reading,
        kind: Kind::Number,
        sources,
    }
}

const fn text(reading: Reading, sources: &'static [Source]) -> Row {
    Row {
        reading,
        kind: Kind::Text,
        sources,
    }
}

/// Where the north-south position is found. A named field comes first, but what its sign means is not known.
pub(super) const LATITUDE: &[(Source, SignOrigin)] = &[
    (Field("latitude"), SignOrigin::Unstated),
    (Signal(3), SignOrigin::Signed),
    (Signal(3725), SignOrigin::Absolute),
    (Signal(2190), SignOrigin::Absolute),
];

/// Where the east-west position is found.
pub(super) const LONGITUDE: &[(Source, SignOrigin)] = &[
    (Field("longitude"), SignOrigin::Unstated),
    (Signal(2), SignOrigin::Signed),
    (Signal(3724), SignOrigin::Absolute),
    (Signal(2191), SignOrigin::Absolute),
];

/// The car's own time, outside the numbered signals.
pub(super) const TIME_FIELDS: [&str; 2] = ["collectTimeMs", "collectTime"];
/// The car's own time, the one signal without a number.
pub(super) const TIME_SIGNAL: &str = "sts";
/// The time of the car's gateway, slightly earlier than its own.
pub(super) const GATEWAY_TIME_SIGNAL: u32 = 1;
/// When the cloud stored the frame: seconds later, but better than nothing.
pub(super) const CREATED_FIELD: &str = "createTime";

/// Every reading with its sources. The wheels of tyre signals are those seen on cars (pressure and alarm move
/// together); the named fields of the T03 mean what they say.
#[rustfmt::skip]
pub(super) const ROWS: &[Row] = &[
    number(Reading::Soc, &[Field("soc"), Signal(1204)]),
    number(Reading::SocPrecise, &[Field("preciseSoc"), Signal(100003)]),
    number(Reading::BatteryVoltage, &[Field("batteryVoltage"), Signal(1177)]),
    number(Reading::BatteryCurrent, &[Field("batteryCurrent"), Signal(1178)]),
    number(Reading::BatteryTempMin, &[Field("minBatteryTemp"), Signal(1182)]),
    number(Reading::BatteryThermalRequest, &[Field("batteryThermalRequest"), Signal(1186)]),
    number(Reading::ModuleVoltage0, &[Signal(100010)]),
    number(Reading::ModuleVoltage1, &[Signal(100011)]),
    number(Reading::ModuleVoltage2, &[Signal(100012)]),
    number(Reading::ModuleVoltage3, &[Signal(100013)]),
    number(Reading::ModuleVoltage4, &[Signal(100014)]),
    number(Reading::ModuleVoltage5, &[Signal(100015)]),
    number(Reading::ModuleVoltage6, &[Signal(100016)]),
    number(Reading::ModuleVoltage7, &[Signal(100017)]),
    number(Reading::AcPortState, &[Field("acInputSlowCharge"), Signal(47)]),
    number(Reading::DcPlug, &[Field("dcInputFastCharge"), Signal(1197)]),
    number(Reading::ChargeState, &[Field("chargeState"), Signal(1149)]),
    number(Reading::ChargeRemainTime, &[Field("chargeRemainTime"), Signal(1200)]),
    number(Reading::ChargeCompleted, &[Field("chargeCompleted"), Signal(3736)]),
    number(Reading::HealthyChargeEnabled, &[Field("healthyChargeEnabled"), Signal(48)]),
    number(Reading::ChargeScheduleCancelledOnce, &[Field("chargeScheduleCancelledOnce"), Signal(3737)]),
    number(Reading::DumpEnergy, &[Field("dumpEnergy")]),
    number(Reading::Range, &[Field("expectedMileage"), Signal(3260)]),
    number(Reading::RangeLive, &[Field("liveRemainingRange"), Signal(2188)]),
    number(Reading::RangeMax, &[Field("maxRange"), Signal(3257)]),
    number(Reading::RangeMode, &[Field("rangeMode"), Signal(3262)]),
    number(Reading::FuelRange, &[Field("expectedFuelMileage"), Signal(3259)]),
    number(Reading::CombinedRange, &[Field("expectedCombinedMileage"), Signal(3261)]),
    number(Reading::FuelRangeMax, &[Field("maxFuelRange"), Signal(3256)]),
    number(Reading::CombinedRangeMax, &[Field("maxCombinedRange"), Signal(3258)]),
    number(Reading::FuelLevelPercent, &[Signal(3235)]),
    number(Reading::FuelVolume, &[Signal(3263)]),
    number(Reading::FuelVolumeLegacy, &[Signal(2363)]),
    number(Reading::Speed, &[Field("speed"), Signal(1319)]),
    number(Reading::Odometer, &[Field("totalMileage"), Signal(1318)]),
    number(Reading::Gear, &[Field("gearStatus"), Signal(1010)]),
    number(Reading::VehicleState, &[Field("vehicleState"), Signal(1944)]),
    number(Reading::ParkingBrake, &[Field("parkingBrakeState"), Signal(1480)]),
    number(Reading::SpeedLimit, &[Field("speedLimit"), Signal(6048)]),
    number(Reading::SpeedLimitUnit, &[Field("speedLimitUnit"), Signal(6047)]),
    number(Reading::SpeedLimitActive, &[Field("speedLimitActive"), Signal(12054)]),
    number(Reading::ParkAssist, &[Signal(2189)]),
    number(Reading::KeyOn1, &[Field("bcmKeyPositionOn1"), Signal(1256)]),
    number(Reading::KeyOn2, &[Field("bcmKeyPositionOn2"), Signal(1257)]),
    number(Reading::KeyOn3, &[Field("bcmKeyPositionOn3"), Signal(1258)]),
    number(Reading::AcOn, &[Field("acSwitch"), Signal(1938)]),
    number(Reading::AcOperateMode, &[Field("acOperateMode"), Signal(1939)]),
    number(Reading::CoolingFlap, &[Signal(1940)]),
    number(Reading::HeatingFlap, &[Signal(1949)]),
    number(Reading::FanLevel, &[Field("acAirVolume"), Signal(1941)]),
    number(Reading::Recirculation, &[Field("recirculationMode"), Signal(1943)]),
    number(Reading::WindshieldDefrost, &[Field("windshieldDefrost"), Signal(1945)]),
    number(Reading::RearWindowHeating, &[Field("rearWindowHeating"), Signal(1946)]),
    number(Reading::ClimateMode, &[Field("climateMode"), Signal(3713)]),
    number(Reading::RapidCooling, &[Field("rapidCooling"), Signal(2669)]),
    number(Reading::RapidHeating, &[Field("rapidHeating"), Signal(2681)]),
    number(Reading::TargetTempLeft, &[Field("acSetting"), Signal(2183)]),
    number(Reading::TargetTempRight, &[Field("acSettingRight"), Signal(2184)]),
    number(Reading::InteriorTemp, &[Field("interiorTemp"), Signal(1349)]),
    number(Reading::PtcPower, &[Signal(1348)]),
    number(Reading::OutdoorTemp, &[Field("outdoorTemp")]),
    number(Reading::MinSingleTemp, &[Field("minSingleTemp")]),
    number(Reading::FanLevelSetting, &[Field("acAirVolumeSetting")]),
    number(Reading::AirDirection, &[Field("acWindDirection")]),
    number(Reading::TempMode, &[Field("acTempMode")]),
    number(Reading::CircleMode, &[Field("acCircleMode")]),
    number(Reading::CoolingHeating, &[Field("acCoolingAndHeating")]),
    number(Reading::PtcState, &[Field("ptcState")]),
    number(Reading::PtcPowerSetting, &[Field("ptcPowerSettingValue")]),
    number(Reading::Locked, &[Field("driverDoorLockStatus"), Signal(1298)]),
    number(Reading::DoorFrontLeft, &[Field("lbcmDriverDoorStatus"), Signal(1277)]),
    number(Reading::DoorFrontRight, &[Field("rbcmDriverDoorStatus"), Signal(1278)]),
    number(Reading::DoorRearLeft, &[Field("lbcmLeftRearDoorStatus"), Signal(1279)]),
    number(Reading::DoorRearRight, &[Field("rbcmRightRearDoorStatus"), Signal(1280)]),
    number(Reading::Trunk, &[Field("bbcmBackDoorStatus"), Signal(1281)]),
    number(Reading::DoorControlAllowed, &[Field("bcmDoorCtrlAllow")]),
    number(Reading::WindowFrontLeftOpen, &[Field("driverWindowStatus"), Signal(1693)]),
    number(Reading::WindowFrontRightOpen, &[Field("rightFrontWindowStatus"), Signal(1694)]),
    number(Reading::WindowRearLeftOpen, &[Field("leftRearWindowStatus"), Signal(1695)]),
    number(Reading::WindowRearRightOpen, &[Field("rightRearWindowStatus"), Signal(1696)]),
    number(Reading::WindowFrontLeftPosition, &[Field("leftFrontWindowPercent"), Signal(3727)]),
    number(Reading::WindowFrontRightPosition, &[Field("rightFrontWindowPercent"), Signal(3728)]),
    number(Reading::WindowRearLeftPosition, &[Field("leftRearWindowPercent"), Signal(1879)]),
    number(Reading::WindowRearRightPosition, &[Field("rightRearWindowPercent"), Signal(1880)]),
    number(Reading::RoofOpening, &[Field("roofOpening"), Signal(1724)]),
    number(Reading::SunShade, &[Field("sunShade")]),
    number(Reading::WindowsRemoteSupported, &[Field("isSupportWindowsRemoteControl")]),
    number(Reading::TyrePressureFrontLeft, &[Field("leftFrontTirePressure"), Signal(2646)]),
    number(Reading::TyrePressureFrontRight, &[Field("rightFrontTirePressure"), Signal(2653)]),
    number(Reading::TyrePressureRearLeft, &[Field("leftRearTirePressure"), Signal(2660)]),
    number(Reading::TyrePressureRearRight, &[Field("rightRearTirePressure"), Signal(2667)]),
    number(Reading::TyreAlarmRearRight, &[Field("rightRearTirePressureState"), Signal(2641)]),
    number(Reading::TyreAlarmFrontRight, &[Field("rightFrontTirePressureState"), Signal(2648)]),
    number(Reading::TyreAlarmFrontLeft, &[Field("leftFrontTirePressureState"), Signal(2655)]),
    number(Reading::TyreAlarmRearLeft, &[Field("leftRearTirePressureState"), Signal(2662)]),
    number(Reading::SeatHeatDriver, &[Field("driverSeatHeating"), Signal(2100)]),
    number(Reading::SeatHeatPassenger, &[Field("passengerSeatHeating"), Signal(2118)]),
    number(Reading::SeatVentDriver, &[Field("driverSeatVentilation"), Signal(2101)]),
    number(Reading::SeatVentPassenger, &[Field("passengerSeatVentilation"), Signal(2119)]),
    number(Reading::SteeringWheelHeat, &[Field("steeringWheelHeating"), Signal(1816)]),
    number(Reading::SteeringWheelHeatMinutes, &[Field("steeringWheelHeaterMinutes"), Signal(1624)]),
    number(Reading::SecurityState, &[Field("vehicleSecurityActive"), Signal(1255)]),
    number(Reading::SentryMode, &[Field("sentryMode"), Signal(3636)]),
    number(Reading::ParkingPhoto, &[Signal(3638)]),
    number(Reading::MirrorHeatLeft, &[Field("leftMirrorHeating"), Signal(49)]),
    number(Reading::MirrorHeatRight, &[Field("rightMirrorHeating"), Signal(50)]),
    number(Reading::BluetoothOn, &[Field("bluetoothState")]),
    number(Reading::HotspotOn, &[Field("hotspotState")]),
    number(Reading::ChargeLimit, &[Config("3", "percent"), Field("chargesocSetting")]),
    number(Reading::ChargePlanEnabled, &[Config("3", "isEnable"), Field("chargeScheduleEnabled")]),
    text(Reading::ChargePlanStart, &[Config("3", "beginTime"), Field("chargeScheduleStart")]),
    text(Reading::ChargePlanEnd, &[Config("3", "endTime"), Field("chargeScheduleEnd")]),
    text(Reading::ChargePlanDays, &[Config("3", "cycles"), Field("chargeScheduleCycles")]),
    number(Reading::ChargePlanRepeat, &[Config("3", "circulation"), Field("chargeScheduleCirculation")]),
    number(Reading::ChargePlanRecharge, &[Config("3", "recharge"), Field("chargeScheduleRecharge")]),
    text(Reading::ChargePlanUpdated, &[Config("3", "updateTime")]),
    text(Reading::ChargeTimeSetting, &[Field("chargeTimeSetting")]),
    text(Reading::BluetoothKeyVersion, &[Config("4", "version")]),
    number(Reading::PrivacyGps, &[Field("privacyGPS")]),
    number(Reading::PrivacyData, &[Field("privacyData")]),];
