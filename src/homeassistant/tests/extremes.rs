//! Fleets, names and models nobody has thought of: every message stays one that Home Assistant takes.

use std::collections::BTreeSet;
use std::sync::Arc;

use proptest::prelude::*;
use serde_json::Value as Json;

use crate::homeassistant::fixture::{b10, c10_reev, car, fleet, no_facts, now, options, t03, vin};
use crate::homeassistant::{
    Language, Options, bridge_discovery, bridge_states, car_discovery, car_states, command_topics,
};
use crate::vehicle::car::Fleet;
use crate::vehicle::{CarView, Model, Powertrain, Reading};

/// The largest message that brokers and Home Assistant are expected to take.
const LARGEST: usize = 128 * 1024;
/// Longer names are cut by whoever shows them, each in its own way.
const LONGEST_NAME: usize = 64;

/// Checks everything that is said about the car and returns the device's part of its discovery message.
fn device(view: &CarView) -> Json {
    let (facts, options) = (no_facts(), options());
    let own = format!("leapmotor2mqtt/{}/", view.car.vin.as_str());
    let [discovery] = &car_discovery(view, &facts, &options)[..] else {
        panic!("one message per car");
    };
    assert!(discovery.payload.len() < LARGEST, "{} bytes", discovery.payload.len());
    assert!(!discovery.topic.contains(['+', '#', ' ', '\n']), "{}", discovery.topic);
    let payload: Json = serde_json::from_str(&discovery.payload).unwrap();
    assert!(!discovery.components.is_empty());
    for state in car_states(view, &facts, &options, now()) {
        assert!(state.topic.starts_with(&own), "{}", state.topic);
    }
    for topic in command_topics(view, &options) {
        assert!(topic.starts_with(&own) && !topic.contains(['+', '#']), "{topic}");
    }
    payload["dev"].clone()
}

fn named(name: &str) -> CarView {
    let mut view = c10_reev();
    view.car.name = Some(name.to_owned());
    view
}

#[test]
fn four_hundred_cars_are_four_hundred_messages_that_fit() {
    let fleet: Fleet = (0..400)
        .map(|number| {
            let code = ["T03", "B10", "C10"][number % 3];
            let powertrain = if number % 7 == 0 {
                Powertrain::Reev
            } else {
                Powertrain::Bev
            };
            let mut view = car(code, &format!("LFZMANY{number:010}"), powertrain);
            // Every reading there is: no car could announce more.
            view.evidence.extend(Reading::ALL);
            (view.car.vin.clone(), Arc::new(view))
        })
        .collect();
    let (facts, options) = (no_facts(), options());
    let topics: BTreeSet<String> = fleet
        .values()
        .flat_map(|view| car_discovery(view, &facts, &options))
        .chain(bridge_discovery(&facts, &options))
        .map(|discovery| {
            assert!(discovery.payload.len() < LARGEST, "{} bytes", discovery.payload.len());
            discovery.topic
        })
        .collect();
    assert_eq!(topics.len(), 401);
    assert!(
        bridge_states(&facts, &options)
            .iter()
            .all(|state| state.payload.len() < LARGEST)
    );
}

#[test]
fn signals_without_a_name_are_announced_as_long_as_the_message_has_room_the_lowest_numbers_first() {
    let mut view = c10_reev();
    view.evidence.extend(Reading::ALL);
    view.unknown_signals = (100_000..101_000).collect();
    for language in Language::ALL {
        let options = Options { language, ..options() };
        let discovery = &car_discovery(&view, &no_facts(), &options)[0];
        assert!(discovery.payload.len() < LARGEST, "{} bytes", discovery.payload.len());
        let announced: Vec<&str> = discovery
            .components
            .keys()
            .filter_map(|key| key.strip_prefix("signal_"))
            .collect();
        assert!((50..300).contains(&announced.len()), "{} signals", announced.len());
        let lowest: Vec<String> = (100_000..)
            .take(announced.len())
            .map(|number| number.to_string())
            .collect();
        assert_eq!(announced, lowest, "{language:?}");
    }
}

#[test]
fn a_nickname_may_be_anything_and_is_shown_as_one_short_line() {
    for (given, shown) in [
        ("Family car", "Family car"),
        (r#"The "fast" \ one"#, r#"The "fast" \ one"#),
        ("🚗 Zoë/Łódź", "🚗 Zoë/Łódź"),
        (" two\nlines\tand\r\n more ", "two lines and more"),
        ("bell\u{7}and\u{0}nought\u{202e}", "bell and nought"),
        ("homeassistant/+/#", "homeassistant/+/#"),
    ] {
        assert_eq!(device(&named(given))["name"], shown, "{given:?}");
    }
    for nothing in ["", "  ", "\n\t", "\u{0}\u{200b}"] {
        let view = named(nothing);
        assert_eq!(
            device(&view)["name"],
            format!("Leapmotor C10 {}", view.car.vin.last(6)),
            "{nothing:?}"
        );
    }
    for long in ["x".repeat(10_000), "ß ".repeat(5_000), "👨‍👩‍👧‍👦".repeat(2_000)] {
        let device = device(&named(&long));
        let name = device["name"].as_str().unwrap();
        assert!(name.chars().count() <= LONGEST_NAME && name.ends_with('…'), "{name}");
        assert_eq!(name, name.trim());
    }
}

#[test]
fn an_unknown_model_gets_the_generic_profile_under_its_own_name() {
    for (code, shown) in [
        ("d19", "D19"),
        ("b05", "B05"),
        (" C16-REEV ", "C16"),
        ("../../x?y#z", "XYZ"),
        ("Ω\n\u{0}", "UNKNOWN"),
        (&"Z".repeat(10_000), "ZZZZZZZZZZZZZZZZZZZZZZZZ"),
    ] {
        let mut view = b10();
        view.car.model = Model::parse(code);
        let device = device(&view);
        assert_eq!(device["mdl"], shown, "{code:?}");
        assert_eq!(device["name"], format!("Leapmotor {shown} {}", view.car.vin.last(6)));
    }
}

#[test]
fn a_car_that_has_said_nothing_and_one_that_talks_nonsense_are_announced_all_the_same() {
    let mut silent = t03();
    silent.state = None;
    silent.evidence.clear();
    device(&silent);
    let mut nonsense = c10_reev();
    nonsense.evidence.extend(Reading::ALL);
    for value in [f64::MAX, f64::MIN, -1.0, f64::MIN_POSITIVE, 1e18] {
        for reading in Reading::ALL {
            nonsense.state.as_mut().unwrap().frame.set(*reading, value);
        }
        device(&nonsense);
    }
}

#[test]
fn the_vin_alone_tells_two_cars_of_the_same_name_apart() {
    let mut twin = named("Family car");
    twin.car.vin = vin("LFZTEST00000TWIN1");
    assert_ne!(device(&named("Family car"))["ids"], device(&twin)["ids"]);
    assert_eq!(fleet().len(), 3);
}

proptest! {
    // Each case announces a whole car.
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn whatever_a_car_is_called_its_discovery_message_is_valid(name in any::<String>(), model in any::<String>()) {
        let mut view = named(&name);
        view.car.model = Model::parse(&model);
        let device = device(&view);
        let name = device["name"].as_str().unwrap();
        prop_assert!(!name.is_empty() && name.chars().count() <= LONGEST_NAME);
        prop_assert!(!name.chars().any(char::is_control));
        let model = device["mdl"].as_str().unwrap();
        prop_assert!(!model.is_empty() && model.is_ascii());
    }
}
