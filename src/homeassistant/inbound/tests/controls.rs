//! One message to every kind of control.

use super::*;
use crate::homeassistant::fixture::{b10, c10_reev, t03};
use crate::homeassistant::{Platform, catalog};
use crate::vehicle::Reading;
use crate::vehicle::command::{AirMode, ChargeScheduleChange, MediaOperation, Seat};
use crate::vehicle::facts::Subject;

#[test]
fn a_control_sends_what_it_says() {
    let plan = ChargeScheduleChange::default();
    for (path, payload, expected) in [
        ("charging_switch/set", "ON", Command::ChargeStart),
        ("charging_switch/set", "OFF", Command::ChargeStop),
        ("battery_preheat/set", "ON", Command::BatteryPreheat(true)),
        ("healthy_charging/set", "OFF", Command::HealthyCharging(false)),
        ("sentry_mode/set", "ON", Command::SentryMode(true)),
        ("steering_wheel_heat/set", "OFF", Command::SteeringWheelHeat(false)),
        ("mirror_heat/set", "ON", Command::MirrorHeat(true)),
        ("fuel_heating/set", "ON", Command::FuelHeating(true)),
        ("defrost_switch/set", "ON", Command::WindshieldDefrost),
        ("climate_preset/set", "quick_heat", Command::QuickHeat),
        (
            "quick_ventilate/set",
            "PRESS",
            Command::QuickVentilation { temperature: 22 },
        ),
        (
            "seat_driver_heat_select/set",
            "high",
            Command::SeatHeat(Seat::Driver, 3),
        ),
        (
            "seat_passenger_vent_select/set",
            "off",
            Command::SeatVentilation(Seat::Passenger, 0),
        ),
        ("sunshade_cover/set", "OPEN", Command::Sunshade { tenths: 10 }),
        ("sunshade_cover/position/set", "45", Command::Sunshade { tenths: 5 }),
        ("sunshade_cover/position/set", "1", Command::Sunshade { tenths: 1 }),
        ("sunroof_cover/set", "CLOSE", Command::Sunroof { open: false }),
        ("trunk_close_button/set", "PRESS", Command::TrunkClose),
        ("windows_open_button/set", "PRESS", Command::Windows { percent: 100 }),
        ("music_next/set", "PRESS", Command::Music(MediaOperation::Next)),
        ("speed_limit/set", "90", Command::SpeedLimit { kmh: 90 }),
        (
            "charging_schedule/set",
            "OFF",
            Command::ChargeSchedule(ChargeScheduleChange {
                enabled: Some(false),
                ..plan.clone()
            }),
        ),
        (
            "charge_schedule_start/set",
            "22:30",
            Command::ChargeSchedule(ChargeScheduleChange {
                start: Some("22:30".into()),
                ..plan.clone()
            }),
        ),
        (
            "charge_schedule_json/set",
            r#"{"days": "1,1,1,1,1,0,0", "limit": 90}"#,
            Command::ChargeSchedule(ChargeScheduleChange {
                cycles: Some("1,1,1,1,1,0,0".into()),
                percent: Some(90),
                ..plan.clone()
            }),
        ),
    ] {
        assert_eq!(command(ask(path, payload)), expected, "{path} {payload}");
    }
}

#[test]
fn a_control_refuses_what_it_did_not_announce() {
    for (path, payload, expected) in [
        ("sentry_mode/set", "on", Reason::InvalidPayload),
        ("lock_button/set", "LOCK", Reason::InvalidPayload),
        ("trunk_close_button/set", "OPEN", Reason::InvalidPayload),
        ("trunk_close_button/set", "CLOSE", Reason::InvalidPayload),
        ("seat_driver_heat_select/set", "boiling", Reason::InvalidPayload),
        ("climate_preset/set", "turbo", Reason::InvalidPayload),
        ("sunshade_cover/set", "STOP", Reason::InvalidPayload),
        ("sunshade_cover/position/set", "101", Reason::OutOfRange),
        ("speed_limit/set", "9", Reason::OutOfRange),
        ("speed_limit/set", "1e300", Reason::OutOfRange),
        ("charge_schedule_end/set", "25:00", Reason::InvalidPayload),
        ("charge_schedule_json/set", "[]", Reason::InvalidPayload),
        ("charge_schedule_json/set", "{}", Reason::MissingParameter),
        ("climate_schedule_json/set", "7", Reason::InvalidPayload),
        ("send_destination/set", "Milano", Reason::InvalidPayload),
        ("send_destination/set", "95,9", Reason::OutOfRange),
        ("poll_profile/set", "turbo", Reason::InvalidPayload),
        ("poll_interval_parked/set", "241", Reason::OutOfRange),
        ("bridge_restart/set", "PRESS", Reason::UnknownCommand),
    ] {
        let verdict = ask(path, payload);
        assert_eq!(reason(verdict), expected, "{path} {payload}");
    }
}

#[test]
fn a_destination_is_two_numbers_and_a_name_or_an_object() {
    for (payload, name) in [
        ("45.46, 9.19, Milano, Duomo", "Milano, Duomo"),
        (r#"{"latitude": 45.46, "longitude": 9.19, "name": "Home"}"#, "Home"),
        ("45.46,9.19", "45.46000, 9.19000"),
    ] {
        let Command::SendDestination(place) = command(ask("send_destination/set", payload)) else {
            panic!("{payload} is no destination")
        };
        assert_eq!((place.latitude, place.longitude), (45.46, 9.19));
        assert_eq!(place.name, name);
    }
}

#[test]
fn preparing_the_car_heats_a_cold_cabin_and_cools_a_warm_one() {
    for (inside, expected) in [
        (Some(5.0), AirMode::Hot),
        (Some(30.0), AirMode::Cold),
        (None, AirMode::Neither),
    ] {
        let mut view = c10_reev();
        let frame = &mut view.state.as_mut().unwrap().frame;
        frame.readings.remove(&Reading::InteriorTemp);
        if let Some(inside) = inside {
            frame.set(Reading::InteriorTemp, inside);
        }
        let Command::PrepareCar(preparation) = command(ask_car(view, "prepare_car/set", "PRESS")) else {
            panic!("no preparation")
        };
        assert_eq!(preparation.climate.unwrap().mode, expected);
    }
}

#[test]
fn a_setting_is_handed_on_as_it_was_written() {
    let car = Subject::Car(fixture::vin(C10));
    for (path, payload, key, value) in [
        ("polling_enabled/set", "OFF", "polling_enabled", "OFF"),
        ("poll_interval_driving/set", "30.0", "poll_interval_driving", "30.0"),
        ("poll_profile/set", "eco", "poll_profile", "eco"),
        ("quiet_hours_start/set", "22:00", "quiet_hours_start", "22:00"),
    ] {
        let Verdict::Act(inbound) = ask(path, payload) else {
            panic!("{path} is refused")
        };
        assert_eq!(inbound.intent, Intent::Setting(car.clone(), key, value.into()));
    }
}

#[test]
fn the_bridge_takes_its_buttons_and_settings_and_nothing_retained() {
    let mut inbox = Inbox::new();
    let (press, budget) = (
        topic("bridge", "share_accept/set"),
        topic("bridge", "requests_budget/set"),
    );
    for (path, payload, intent) in [
        (
            &press,
            "PRESS",
            Intent::Bridge(BridgeAction::AnswerShare { accept: true }),
        ),
        (
            &budget,
            "900",
            Intent::Setting(Subject::Bridge, "requests_budget", "900".into()),
        ),
    ] {
        let Verdict::Act(inbound) = admit(&mut inbox, &message(path, payload.as_bytes())) else {
            panic!("{path} is refused")
        };
        assert_eq!(inbound.intent, intent);
    }
    for (path, payload, expected) in [
        (&press, "press", Reason::InvalidPayload),
        (&budget, "99", Reason::OutOfRange),
        (&topic("bridge", "door_lock/set"), "UNLOCK", Reason::UnknownCommand),
    ] {
        let verdict = admit(&mut inbox, &message(path, payload.as_bytes()));
        assert_eq!(reason(verdict), expected, "{path}");
    }
    let retained = Message {
        retained: true,
        ..message(&press, b"PRESS")
    };
    assert_eq!(reason(admit(&mut inbox, &retained)), Reason::Retained);
    let again = Message {
        duplicate: true,
        ..message(&press, b"PRESS")
    };
    assert_eq!(reason(admit(&mut inbox, &again)), Reason::Duplicate);
}

#[test]
fn every_row_that_takes_messages_understands_what_home_assistant_sends_first() {
    for row in catalog::rows().filter(|row| row.control.is_some()) {
        let payload = match row.platform {
            Platform::Button => "PRESS",
            Platform::Switch => "ON",
            Platform::Lock => "LOCK",
            Platform::Cover => "OPEN",
            Platform::Number => &row.range.unwrap().max.to_string(),
            Platform::Select => row.options[0],
            // A text has a format of its own.
            _ => continue,
        };
        let device = if row.device.name() == "bridge" { "bridge" } else { C10 };
        let verdict = admit(
            &mut Inbox::new(),
            &message(&topic(device, &format!("{}/set", row.key)), payload.as_bytes()),
        );
        assert!(!matches!(verdict, Verdict::Refuse(_)), "{}: {verdict:?}", row.key);
    }
}

#[test]
fn recirculation_of_a_climate_that_is_off_waits_for_it() {
    assert_eq!(ask("recirculation/set", "ON"), Verdict::Ignore);
    assert_eq!(ask_car(t03(), "defrost_switch/set", "OFF"), Verdict::Ignore);
    let mut view = b10();
    view.state.as_mut().unwrap().climate.on = Some(true);
    match command(ask_car(view, "recirculation/set", "ON")) {
        Command::Climate(settings) => assert!(settings.recirculate),
        other => panic!("{other:?}"),
    }
    assert_eq!(
        reason(ask_car(t03(), "trunk_close_button/set", "PRESS")),
        Reason::ModelUnsupported
    );
}
