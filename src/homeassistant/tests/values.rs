//! What the topics of three cars hold.

use std::collections::BTreeSet;

use proptest::prelude::*;
use serde_json::Value as Json;

use super::payload;
use crate::homeassistant::fixture::{self, at, b10, c10_reev, fleet, no_facts, now, options, t03};
use crate::homeassistant::{Facts, Platform, bridge_states, car_states, car_topics, catalog, decode_values};
use crate::vehicle::command::EffectGroup;
use crate::vehicle::facts::{Subject, Value};
use crate::vehicle::state::{ClimateMode, Part};
use crate::vehicle::units::Percent;
use crate::vehicle::{CarView, Command, PinStatus, RawValue, Reading};

#[test]
fn states_of_the_three_cars() {
    for (name, view) in [("t03", t03()), ("b10", b10()), ("c10_reev", c10_reev())] {
        let mut facts = no_facts();
        let subject = Subject::Car(view.car.vin.clone());
        facts.insert((subject, "publish_location"), Value::Flag(true));
        let lines: String = car_states(&view, &facts, &options(), now())
            .iter()
            .map(|message| format!("{} {}\n", message.topic, String::from_utf8_lossy(&message.payload)))
            .collect();
        insta::assert_snapshot!(format!("states_{name}"), lines);
    }
}

#[test]
fn every_topic_of_a_car_is_known_when_it_has_to_be_cleared() {
    for view in fleet().values() {
        let known: BTreeSet<_> = car_topics(&view.car.vin, &options()).into_iter().collect();
        for message in car_states(view, &no_facts(), &options(), now()) {
            assert!(known.contains(&message.topic), "{}", message.topic);
        }
    }
}

#[test]
fn before_the_first_frame_everything_is_unknown_and_nothing_is_lost() {
    let view = CarView {
        state: None,
        ..c10_reev()
    };
    let states = car_states(&view, &no_facts(), &options(), now());
    assert_eq!(payload(&states, fixture::C10, "battery_level"), "None");
    assert_eq!(payload(&states, fixture::C10, "door_lock"), "None");
    assert_eq!(payload(&states, fixture::C10, "windows_cover/position"), "");
    assert_eq!(payload(&states, fixture::C10, "location"), "{}");
    assert_eq!(payload(&states, fixture::C10, "vehicle_online"), "None");
    assert_eq!(payload(&states, fixture::C10, "availability"), "online");
    assert_eq!(payload(&states, fixture::C10, "pin_configured"), "ON");
}

#[test]
fn facts_are_published_where_their_row_is() {
    let mut facts = no_facts();
    facts.insert((Subject::Bridge, "bridge_problem"), Value::Flag(true));
    facts.insert(
        (Subject::Bridge, "bridge_problem/attributes"),
        Value::Text("{\"cause\":\"pin\"}".into()),
    );
    let subject = Subject::Car(fixture::vin(fixture::T03));
    facts.insert((subject, "last_command"), Value::Text("lock".into()));
    let bridge = bridge_states(&facts, &options());
    assert_eq!(payload(&bridge, "bridge", "bridge_problem"), "ON");
    assert_eq!(
        payload(&bridge, "bridge", "bridge_problem/attributes"),
        "{\"cause\":\"pin\"}"
    );
    assert_eq!(payload(&bridge, "bridge", "bridge_uptime"), "None");
    let car = car_states(&t03(), &facts, &options(), now());
    assert_eq!(payload(&car, fixture::T03, "last_command"), "lock");
    assert_eq!(payload(&car, fixture::T03, "last_command/attributes"), "{}");
}

#[test]
fn of_a_picture_nothing_is_said_until_there_is_one() {
    let picture = |facts: &Facts| {
        let states = car_states(&b10(), facts, &options(), now());
        let message = states.iter().find(|message| message.topic.ends_with("/vehicle_image"));
        message.map(|message| message.payload.to_vec())
    };
    let mut facts = no_facts();
    assert_eq!(
        picture(&facts),
        None,
        "an empty payload would delete the picture of the last run"
    );
    let subject = Subject::Car(fixture::vin(fixture::B10));
    facts.insert((subject, "vehicle_image"), Value::Image([1, 2].into()));
    assert_eq!(picture(&facts), Some(vec![1, 2]));
}

#[test]
fn commands_need_a_good_pin() {
    for (pin, expected) in [
        (PinStatus::Ready, "online"),
        (PinStatus::Missing, "offline"),
        (PinStatus::Rejected, "offline"),
    ] {
        let view = CarView { pin, ..t03() };
        let states = car_states(&view, &no_facts(), &options(), now());
        assert_eq!(payload(&states, fixture::T03, "commands/availability"), expected);
    }
}

#[test]
fn decoded_values_are_json_scalars_by_entity() {
    let values = decode_values(&c10_reev(), &options(), now());
    assert_eq!(values["battery_level"], 57);
    assert_eq!(values["locked"], false);
    assert_eq!(values["door_lock"], "LOCKED");
    assert_eq!(values["climate/mode"], "off");
    assert_eq!(values["climate/current_temperature"], 19.5);
    assert_eq!(values["windows_cover/position"], 0);
    assert_eq!(values["location/latitude"], 45.4642);
    assert_eq!(values["outdoor_temperature"], Json::Null);
    assert_eq!(values["last_vehicle_update"], "2026-11-21T07:00:00+01:00");
    assert!(values.values().all(|value| !value.is_object() && !value.is_array()));
    assert!(!values.contains_key("last_command"));
}

#[test]
fn a_lock_shows_what_is_on_its_way() {
    for (command, expected) in [(Command::Lock, "LOCKING"), (Command::Unlock, "UNLOCKING")] {
        let view = fixture::sending(c10_reev(), EffectGroup::Lock, command);
        let states = car_states(&view, &no_facts(), &options(), now());
        assert_eq!(payload(&states, fixture::C10, "door_lock"), expected);
    }
}

#[test]
fn a_cover_shows_where_it_goes_and_its_position_only_with_its_state() {
    let cover = |view: &CarView| {
        let states = car_states(view, &no_facts(), &options(), now());
        let text = |path| payload(&states, fixture::C10, path).to_owned();
        (text("windows_cover"), text("windows_cover/position"))
    };
    let mut view = c10_reev();
    assert_eq!(cover(&view), ("closed".into(), "0".into()));
    let openings = &mut view.state.as_mut().unwrap().openings;
    openings.parts.insert(Part::WindowRearLeft, true);
    openings.windows_position = Some(Percent(40.0));
    assert_eq!(cover(&view), ("open".into(), "40".into()));
    let closing = fixture::sending(view.clone(), EffectGroup::Windows, Command::Windows { percent: 0 });
    assert_eq!(cover(&closing).0, "closing");
    for (percent, expected) in [(20, "closing"), (60, "opening")] {
        let moving = fixture::sending(view.clone(), EffectGroup::Windows, Command::Windows { percent });
        assert_eq!(cover(&moving).0, expected, "from 40 to {percent}");
    }
    view.state.as_mut().unwrap().openings.parts.clear();
    assert_eq!(cover(&view), ("None".into(), String::new()));
}

#[test]
fn a_sunshade_that_is_asked_for_less_than_it_shows_is_closing() {
    let mut view = b10();
    view.state.as_mut().unwrap().frame.set(Reading::SunShade, 8.0);
    for (tenths, expected) in [(0, "closing"), (5, "closing"), (9, "opening")] {
        let moving = fixture::sending(view.clone(), EffectGroup::Sunshade, Command::Sunshade { tenths });
        let states = car_states(&moving, &no_facts(), &options(), now());
        assert_eq!(
            payload(&states, fixture::B10, "sunshade_cover"),
            expected,
            "to {tenths}"
        );
    }
}

#[test]
fn what_stands_open_is_listed() {
    let mut view = t03();
    view.state.as_mut().unwrap().openings.parts.insert(Part::Trunk, true);
    let states = car_states(&view, &no_facts(), &options(), now());
    assert_eq!(payload(&states, fixture::T03, "anything_open"), "ON");
    assert_eq!(
        payload(&states, fixture::T03, "anything_open/attributes"),
        r#"{"open":["trunk"]}"#
    );
    assert_eq!(payload(&states, fixture::T03, "doors_open"), "ON");
    assert_eq!(payload(&states, fixture::T03, "windows_open"), "OFF");
}

#[test]
fn the_climate_never_shows_a_word_that_was_not_announced() {
    let mut view = t03();
    let climate = |view: &CarView, part: &str| {
        let states = car_states(view, &no_facts(), &options(), now());
        payload(&states, fixture::T03, &format!("climate/{part}")).to_owned()
    };
    view.state.as_mut().unwrap().climate.on = Some(true);
    // The T03 has no automatic mode to announce.
    assert_eq!(climate(&view, "mode"), "None");
    view.state.as_mut().unwrap().climate.mode = Some(ClimateMode::Ventilate);
    assert_eq!(climate(&view, "mode"), "fan_only");
    assert_eq!(climate(&view, "preset"), "ventilate");
    assert_eq!(climate(&view, "action"), "fan");
    let state = view.state.as_mut().unwrap();
    state.climate.mode = Some(ClimateMode::Unknown(9));
    state.climate.quick_heat = Some(true);
    state.frame.set(Reading::FanLevel, 9.0);
    assert_eq!(climate(&view, "mode"), "None");
    assert_eq!(climate(&view, "preset"), "quick_heat");
    assert_eq!(climate(&view, "fan"), "None");
}

#[test]
fn a_charge_limit_outside_the_announced_range_is_shown_at_its_end() {
    let mut view = b10();
    for (limit, expected) in [(5, "20"), (80, "80"), (130, "100")] {
        view.state.as_mut().unwrap().plan.limit = Some(limit);
        let states = car_states(&view, &no_facts(), &options(), now());
        assert_eq!(payload(&states, fixture::B10, "charge_limit"), expected);
    }
}

#[test]
fn live_values_of_a_silent_car_are_unknown_and_what_rests_is_not() {
    let mut view = c10_reev();
    view.state.as_mut().unwrap().stale = true;
    let states = car_states(&view, &no_facts(), &options(), now());
    for (key, expected) in [("speed", "None"), ("vehicle_online", "OFF"), ("range", "210")] {
        assert_eq!(payload(&states, fixture::C10, key), expected, "{key}");
    }
}

#[test]
fn how_fresh_a_car_is_and_what_was_not_believed_of_it_is_shown() {
    let mut view = c10_reev();
    let state = view.state.as_mut().unwrap();
    state.frozen = Some(true);
    state.answered = Some(at("2026-11-21T06:09:45Z"));
    state.rejections =
        serde_json::from_str(r#"{"odometer": {"count": 2, "reason": "backwards", "since": "2026-11-21T06:00:00Z"}}"#)
            .unwrap();
    let states = car_states(&view, &no_facts(), &options(), now());
    for (key, expected) in [
        ("frame_frozen", "ON"),
        ("last_vehicle_update", "2026-11-21T07:00:00+01:00"),
        ("last_cloud_refresh", "2026-11-21T07:09:45+01:00"),
        (
            "last_vehicle_update/attributes",
            r#"{"rejected":{"odometer":{"count":2,"reason":"backwards"}}}"#,
        ),
    ] {
        assert_eq!(payload(&states, fixture::C10, key), expected, "{key}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever a car sends, Home Assistant gets only what it takes: an announced word, a number where a unit or state
    /// class was announced, ON or OFF, or `None`.
    #[test]
    fn every_state_is_one_home_assistant_takes(
        values in prop::collection::vec(
            prop_oneof![
                (-1i32..9).prop_map(|code| RawValue::Number(f64::from(code))),
                any::<f64>().prop_map(RawValue::Number),
                "\\PC{0,20}".prop_map(RawValue::Text),
            ],
            Reading::ALL.len(),
        ),
        text in "\\PC{0,12}",
        stale in any::<bool>(),
    ) {
        let mut view = c10_reev();
        view.evidence = Reading::ALL.iter().copied().collect();
        let state = view.state.as_mut().unwrap();
        state.frame.readings = Reading::ALL.iter().copied().zip(values).collect();
        state.plan.cycles = Some(text);
        state.stale = stale;
        for message in car_states(&view, &no_facts(), &options(), now()) {
            let text = std::str::from_utf8(&message.payload).unwrap();
            prop_assert!(text.chars().count() <= 255);
            let row = message.topic.rsplit('/').next().and_then(catalog::find);
            let Some(row) = row.filter(|_| text != "None") else { continue };
            match row.platform {
                Platform::BinarySensor => prop_assert!(matches!(text, "ON" | "OFF"), "{} {text}", row.key),
                Platform::Sensor if !row.options.is_empty() => {
                    prop_assert!(row.options.contains(&text), "{} {text}", row.key);
                }
                Platform::Sensor if row.unit.is_some() || row.state_class.is_some() => {
                    prop_assert!(text.parse::<f64>().is_ok_and(f64::is_finite), "{} {text}", row.key);
                }
                Platform::Text | Platform::Image => {}
                _ => prop_assert!(!text.is_empty(), "{}", row.key),
            }
        }
    }
}
