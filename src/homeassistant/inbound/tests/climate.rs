//! Messages for the climate, of which some wait.

use super::*;
use crate::homeassistant::fixture::sending;
use crate::vehicle::command::{AirMode, ClimateSettings, EffectGroup, Operate};

/// The settings that reach the car.
fn settings(verdict: Verdict) -> ClimateSettings {
    match command(verdict) {
        Command::Climate(settings) => settings,
        other => panic!("{other:?} has no settings"),
    }
}

fn running() -> CarView {
    let mut view = fixture::c10_reev();
    let state = view.state.as_mut().unwrap();
    state.climate.on = Some(true);
    state.climate.mode = Some(crate::vehicle::state::ClimateMode::Heat);
    view
}

#[test]
fn switching_on_takes_the_settings_the_car_shows() {
    let sent = settings(ask("climate/mode/set", "cool"));
    assert_eq!((sent.mode, sent.operate), (AirMode::Cold, Operate::Manual));
    assert_eq!((sent.temperature, sent.fan), (22, 3));
    let auto = settings(ask("climate/mode/set", "auto"));
    assert_eq!((auto.mode, auto.operate), (AirMode::Neither, Operate::Auto));
}

#[test]
fn a_new_temperature_acts_at_once_while_the_climate_runs() {
    let sent = settings(ask_car(running(), "climate/temperature/set", "25.0"));
    assert_eq!((sent.temperature, sent.mode), (25, AirMode::Hot));
    assert_eq!(settings(ask_car(running(), "climate/fan/set", "6")).fan, 6);
}

/// Ways to end full power: topics and payloads.
const ENDS: [(&str, &str); 2] = [("climate/preset/set", "none"), ("defrost_switch/set", "OFF")];

#[test]
fn full_power_gives_way_to_moderate_settings() {
    let mut shown = running();
    shown.state.as_mut().unwrap().climate.defrost = Some(true);
    let pending = sending(running(), EffectGroup::Climate, Command::WindshieldDefrost);
    for view in [shown, pending] {
        for (path, payload) in ENDS {
            let sent = settings(ask_car(view.clone(), path, payload));
            assert_eq!(sent, ClimateSettings::NEUTRAL, "{path}");
        }
    }
    let mut cooling = running();
    cooling.state.as_mut().unwrap().climate.quick_cool = Some(true);
    let sent = settings(ask_car(cooling, "climate/preset/set", "none"));
    assert_eq!(sent, ClimateSettings::NEUTRAL);
}

#[test]
fn ending_full_power_that_does_not_run_leaves_heating_and_cooling_as_they_are() {
    let heating = ClimateSettings {
        mode: AirMode::Hot,
        temperature: 22,
        fan: 3,
        ..ClimateSettings::NEUTRAL
    };
    let on_its_way = ClimateSettings {
        mode: AirMode::Cold,
        temperature: 20,
        ..ClimateSettings::NEUTRAL
    };
    let cooling = sending(running(), EffectGroup::Climate, Command::Climate(on_its_way));
    for (path, payload) in ENDS {
        assert_eq!(settings(ask_car(running(), path, payload)), heating, "{path}");
        assert_eq!(settings(ask_car(cooling.clone(), path, payload)), on_its_way, "{path}");
    }
}

#[test]
fn what_was_kept_for_a_climate_that_is_off_outlives_the_end_of_a_defrost() {
    let mut inbox = Inbox::new();
    let [mode, temperature, defrost] =
        ["climate/mode/set", "climate/temperature/set", "defrost_switch/set"].map(|path| topic(C10, path));
    admit(&mut inbox, &message(&temperature, b"30"));
    assert_eq!(admit(&mut inbox, &message(&defrost, b"OFF")), Verdict::Ignore);
    assert_eq!(settings(admit(&mut inbox, &message(&mode, b"heat"))).temperature, 30);
}

#[test]
fn a_new_temperature_never_starts_the_climate() {
    for path in ["climate/temperature/set", "climate/fan/set", "climate/preset/set"] {
        let payload = match path {
            "climate/temperature/set" => "25",
            "climate/fan/set" => "2",
            _ => "none",
        };
        assert_eq!(ask(path, payload), Verdict::Ignore, "{path}");
    }
    let mut unknown = running();
    unknown.state.as_mut().unwrap().climate.on = None;
    assert_eq!(ask_car(unknown, "climate/temperature/set", "25"), Verdict::Ignore);
    let leaving = sending(running(), EffectGroup::Climate, Command::ClimateOff);
    assert_eq!(ask_car(leaving, "climate/temperature/set", "25"), Verdict::Ignore);
}

#[test]
fn mode_and_temperature_may_come_in_any_order() {
    let (mode, temperature) = (topic(C10, "climate/mode/set"), topic(C10, "climate/temperature/set"));
    let (heat, warm) = (message(&mode, b"heat"), message(&temperature, b"26.0"));

    let mut inbox = Inbox::new();
    assert_eq!(admit(&mut inbox, &warm), Verdict::Ignore);
    let temperature_first = settings(admit(&mut inbox, &heat));

    let mut inbox = Inbox::new();
    assert_eq!(settings(admit(&mut inbox, &heat)).temperature, 22);
    let mode_first = settings(admit(&mut inbox, &warm));

    assert_eq!(temperature_first, mode_first);
    assert_eq!((mode_first.mode, mode_first.temperature), (AirMode::Hot, 26));
}

#[test]
fn kept_settings_are_forgotten_after_a_while() {
    let mut inbox = Inbox::new();
    let (mode, temperature) = (topic(C10, "climate/mode/set"), topic(C10, "climate/temperature/set"));
    admit(&mut inbox, &message(&temperature, b"30"));
    let later = at("2026-11-21T06:20:00Z");
    let verdict = inbox.admit(&message(&mode, b"heat"), &fleet(), &options(), later);
    assert_eq!(settings(verdict).temperature, 22);
}

#[test]
fn a_second_change_builds_on_the_one_on_its_way() {
    let on_its_way = ClimateSettings {
        mode: AirMode::Cold,
        temperature: 20,
        ..ClimateSettings::NEUTRAL
    };
    let view = sending(fixture::c10_reev(), EffectGroup::Climate, Command::Climate(on_its_way));
    let sent = settings(ask_car(view, "climate/fan/set", "7"));
    assert_eq!(sent, ClimateSettings { fan: 7, ..on_its_way });
}
