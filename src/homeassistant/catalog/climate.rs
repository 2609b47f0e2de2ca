//! Heating and cooling.

use serde_json::{Map, Value as Json};

use super::builder::{binary, button, choice, entity, sensor, switch, text, words};
use super::entity::{Entity, Platform, Wish};
use crate::homeassistant::commands::{self, Rejection};
use crate::homeassistant::scene::{Scene, flag, word};
use crate::vehicle::command::EffectGroup;
use crate::vehicle::facts::Value;
use crate::vehicle::intent::Reason;
use crate::vehicle::state::AirTreatment;
use crate::vehicle::{Command, Reading as R};

pub mod control;

pub const ROWS: &[Entity] = &[
    entity(Platform::Climate, "climate", "Climate")
        .sends_by_parts(&["set-climate", "ac-on", "ac-off"], control::PARTS)
        .details(control::details)
        .note(
            "Settings made while it is off are kept for the next time it is switched on from here; they never start \
             it. The T03 may show off while it runs.",
        ),
    button("quick_cool", "Quick cool")
        .icon("mdi:snowflake")
        .sends(&["quick-cool"], |payload, car| car.press(payload, Command::QuickCool)),
    button("quick_heat", "Quick heat")
        .icon("mdi:fire")
        .sends(&["quick-heat"], |payload, car| car.press(payload, Command::QuickHeat)),
    button("quick_ventilate", "Quick ventilation")
        .icon("mdi:fan")
        .sends(&["quick-ventilation"], |payload, car| {
            let temperature = control::settings(car).temperature;
            car.press(payload, Command::QuickVentilation { temperature })
        }),
    choice(
        "climate_preset",
        "Climate preset",
        &["quick_cool", "quick_heat", "defrost", "ventilate"],
    )
    .icon("mdi:tune-variant")
    .disabled()
    .from(&[R::AcOn], |car| {
        // Leaving a preset is no option, so none is not one either.
        control::preset(car).filter(|preset| *preset != Value::Text(control::NO_PRESET.to_owned()))
    })
    .sends(
        &["quick-cool", "quick-heat", "windshield-defrost", "quick-ventilation"],
        control::set_preset,
    )
    .note("For dashboards that cannot show the presets of the climate."),
    switch("recirculation", "Air recirculation")
        .icon("mdi:autorenew")
        .from(&[R::CircleMode, R::Recirculation], |car| {
            car.switched(
                car.state.climate.recirculation,
                EffectGroup::Climate,
                |asked| match asked {
                    Command::Climate(settings) => Some(settings.recirculate),
                    _ => None,
                },
            )
        })
        .sends(&["set-climate"], control::set_recirculation)
        .note("While the climate is off, it is kept for the next time it is switched on from here."),
    switch("defrost_switch", "Windshield defrost")
        .icon("mdi:car-defrost-front")
        .from(&[R::WindshieldDefrost], |car| {
            car.switched(car.state.climate.defrost, EffectGroup::Climate, |asked| match asked {
                Command::WindshieldDefrost => Some(true),
                Command::Climate(settings) => Some(settings.defrost),
                Command::ClimateOff => Some(false),
                _ => None,
            })
        })
        .sends(&["windshield-defrost"], control::set_defrost)
        .note("On heats at full power; off goes on moderately."),
    switch("climate_schedule", "Climate schedule")
        .icon("mdi:calendar-clock")
        .config()
        .fact()
        .attributes_from("climate_schedule/attributes")
        .sends(&["climate-schedule-on", "climate-schedule-off"], |payload, car| {
            car.toggle(payload, Command::ClimateScheduleSwitch)
        })
        .note("Switches every entry on or off and keeps them; the attributes list them."),
    text("climate_schedule_json", "Climate schedule (JSON)")
        .icon("mdi:code-json")
        .config()
        .disabled()
        .sends(&["climate-schedule"], set_schedule)
        .note(
            "One entry as an object, or the whole list; it replaces what was there. Home Assistant takes 255 \
             characters, the topic more.",
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

fn set_schedule(payload: &str, car: &Scene<'_>) -> Result<Wish, Rejection> {
    let parameters = match serde_json::from_str(payload) {
        Ok(Json::Array(entries)) => Map::from_iter([("controls".to_owned(), Json::Array(entries))]),
        Ok(Json::Object(entry)) => entry,
        _ => {
            return Err(Rejection {
                reason: Reason::InvalidPayload,
                detail: "a climate schedule is a JSON object or a list of them".to_owned(),
            });
        }
    };
    Ok(car.wish(commands::parse("climate-schedule", &parameters)?))
}
