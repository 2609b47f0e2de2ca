//! The traction battery.

use super::builder::{binary, sensor};
use super::entity::Entity;
use crate::homeassistant::scene::{flag, number};
use crate::vehicle::Reading as R;

const POWER: &[R] = &[R::BatteryVoltage, R::BatteryCurrent];

pub const ROWS: &[Entity] = &[
    sensor("battery_level", "Battery")
        .measures(Some("battery"), "%", 0)
        .from(&[R::Soc, R::SocPrecise], |car| number(car.state.battery.soc?, 0)),
    sensor("battery_level_precise", "Battery (precise)")
        .measures(None, "%", 1)
        .icon("mdi:battery-medium")
        .diagnostic()
        .disabled()
        .from(&[R::SocPrecise], |car| number(car.state.battery.soc_precise?, 1))
        .note("Has no device class, so that the car has one battery entity only."),
    sensor("battery_voltage", "Battery voltage")
        .measures(Some("voltage"), "V", 1)
        .diagnostic()
        .from(&[R::BatteryVoltage], |car| car.live(R::BatteryVoltage, 1)),
    sensor("battery_current", "Battery current")
        .measures(Some("current"), "A", 1)
        .diagnostic()
        .from(&[R::BatteryCurrent], |car| car.live(R::BatteryCurrent, 1))
        .note("Negative means into the pack. Cars with a range extender show about 0 during slow charging."),
    sensor("battery_power", "Battery power")
        .measures(Some("power"), "kW", 2)
        .diagnostic()
        .from(POWER, |car| number(car.state.battery.power?, 3))
        .note("Negative means into the pack."),
    sensor("discharging_power", "Discharging power")
        .measures(Some("power"), "kW", 2)
        .diagnostic()
        .from(POWER, |car| number(car.state.battery.discharging_power?, 3)),
    binary("battery_discharging", "Battery discharging")
        .icon("mdi:battery-arrow-down")
        .diagnostic()
        .disabled()
        .from(POWER, |car| flag(car.state.battery.discharging)),
    sensor("energy_available", "Available energy")
        .measures(Some("energy_storage"), "kWh", 1)
        .diagnostic()
        .from(&[R::DumpEnergy], |car| number(car.state.battery.energy?, 2)),
    sensor("battery_temperature_min", "Battery minimum temperature")
        .measures(Some("temperature"), "°C", 0)
        .diagnostic()
        .from(&[R::BatteryTempMin], |car| car.number(R::BatteryTempMin, 0)),
    sensor("climate_min_single_temp", "Minimum cell/zone temperature")
        .measures(Some("temperature"), "°C", 0)
        .diagnostic()
        .disabled()
        .from(&[R::MinSingleTemp], |car| car.number(R::MinSingleTemp, 1))
        .note("By its name the coldest battery cell; unverified."),
    sensor("battery_thermal_request", "Battery thermal request")
        .icon("mdi:thermometer-lines")
        .diagnostic()
        .disabled()
        .from(&[R::BatteryThermalRequest], |car| car.raw(R::BatteryThermalRequest))
        .note("A raw code; 4 is heating."),
    binary("battery_heating", "Battery heating")
        .class("heat")
        .diagnostic()
        .from(&[R::BatteryThermalRequest], |car| flag(car.state.battery.heating)),
    sensor("ptc_power", "PTC heater power")
        .measures(Some("power"), "W", 0)
        .diagnostic()
        .from(&[R::PtcPower], |car| car.live(R::PtcPower, 0)),
    sensor("ptc_state", "PTC state")
        .icon("mdi:radiator")
        .diagnostic()
        .disabled()
        .from(&[R::PtcState], |car| car.raw(R::PtcState))
        .note("A raw code."),
    sensor("ptc_power_setting", "PTC power setting")
        .icon("mdi:radiator")
        .diagnostic()
        .disabled()
        .from(&[R::PtcPowerSetting], |car| car.raw(R::PtcPowerSetting))
        .note("A raw code."),
];
