//! Heating and cooling.

use super::builder::{binary, entity, sensor, words};
use super::entity::{Entity, Platform};
use crate::homeassistant::scene::{flag, word};
use crate::vehicle::Reading as R;
use crate::vehicle::state::AirTreatment;

mod control;

pub const ROWS: &[Entity] = &[
    entity(Platform::Climate, "climate", "Climate")
        .sends_by_parts(&["set-climate", "ac-on", "ac-off"], control::PARTS)
        .details(control::details)
        .note(
            "Settings made while it is off are kept for the next time it is switched on from here; they never start \
             it. The T03 may show off while it runs.",
        ),
    binary("climate_on", "Climate running")
        .class("running")
        .from(&[R::AcOn], |car| flag(car.state.climate.on)),
    sensor("interior_temperature", "Interior temperature")
        .measures(Some("temperature"), "°C", 1)
        .from(&[R::InteriorTemp], |car| car.number(R::InteriorTemp, 1)),
    sensor("outdoor_temperature", "Outdoor temperature")
        .measures(Some("temperature"), "°C", 0)
        .from(&[R::OutdoorTemp], |car| car.number(R::OutdoorTemp, 1)),
    sensor("climate_target_left", "Target temperature left")
        .measures(Some("temperature"), "°C", 0)
        .diagnostic()
        .from(&[R::TargetTempLeft], |car| car.number(R::TargetTempLeft, 1)),
    sensor("climate_target_right", "Target temperature right")
        .measures(Some("temperature"), "°C", 0)
        .diagnostic()
        .from(&[R::TargetTempRight], |car| car.number(R::TargetTempRight, 1)),
    sensor("climate_fan_level", "Climate fan level")
        .level()
        .icon("mdi:fan")
        .diagnostic()
        .from(&[R::FanLevel], |car| car.number(R::FanLevel, 0))
        .note("Keeps the last level while the climate is off."),
    sensor("climate_fan_setting", "Climate fan setting")
        .level()
        .icon("mdi:fan")
        .diagnostic()
        .disabled()
        .from(&[R::FanLevelSetting], |car| car.number(R::FanLevelSetting, 0)),
    sensor("climate_air_direction", "Climate air direction")
        .icon("mdi:air-filter")
        .diagnostic()
        .disabled()
        .from(&[R::AirDirection], |car| car.raw(R::AirDirection))
        .note("A raw code."),
    words(
        "climate_mode_state",
        "Climate mode",
        &["off", "fast_cool", "fast_heat", "quick_ventilation"],
    )
    .diagnostic()
    .from(&[R::ClimateMode], |car| {
        car.word(
            R::ClimateMode,
            &[(0, "off"), (1, "fast_cool"), (3, "fast_heat"), (4, "quick_ventilation")],
        )
    }),
    words("climate_operation_mode", "A/C operation mode", &["auto", "manual"])
        .diagnostic()
        .from(&[R::AcOperateMode], |car| {
            car.word(R::AcOperateMode, &[(0, "auto"), (1, "manual")])
        }),
    words(
        "climate_hvac_direction",
        "Cooling/heating direction",
        &["wind", "cold", "hot"],
    )
    .diagnostic()
    .disabled()
    .from(&[R::CoolingHeating, R::HeatingFlap], |car| {
        word(match car.state.climate.direction? {
            AirTreatment::Wind => "wind",
            AirTreatment::Cold => "cold",
            AirTreatment::Hot => "hot",
        })
    }),
    binary("fast_cooling", "Fast cooling")
        .class("running")
        .diagnostic()
        .from(&[R::RapidCooling], |car| flag(car.state.climate.quick_cool)),
    binary("fast_heating", "Fast heating")
        .class("running")
        .diagnostic()
        .from(&[R::RapidHeating], |car| flag(car.state.climate.quick_heat)),
    binary("windshield_defrost_state", "Windshield defrost state")
        .class("running")
        .diagnostic()
        .from(&[R::WindshieldDefrost], |car| flag(car.state.climate.defrost)),
    binary("rear_window_heating", "Rear window heating")
        .class("heat")
        .diagnostic()
        .from(&[R::RearWindowHeating], |car| car.code_is(R::RearWindowHeating, &[1])),
    binary("air_recirculation_state", "Air recirculation state")
        .icon("mdi:autorenew")
        .diagnostic()
        .disabled()
        .from(&[R::CircleMode, R::Recirculation], |car| {
            flag(car.state.climate.recirculation)
        }),
    binary("climate_temp_mode", "Climate temperature mode")
        .icon("mdi:thermometer")
        .diagnostic()
        .disabled()
        .from(&[R::TempMode], |car| car.is_set(R::TempMode))
        .note("As the car sent it; its meaning is unverified."),
];
