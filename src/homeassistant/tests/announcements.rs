//! What three cars announce.

use serde_json::Value as Json;

use crate::homeassistant::fixture::{self, b10, c10_reev, fleet, no_facts, now, options, t03};
use crate::homeassistant::{
    Discovery, Facts, Language, Options, Platform, bridge_discovery, bridge_states, car_discovery, car_states,
    command_topics, with_removals,
};
use crate::vehicle::facts::{Subject, Value};
use crate::vehicle::{CarView, RawValue};

#[test]
fn three_cars_and_the_bridge_make_a_full_house() {
    let (facts, options) = (no_facts(), options());
    let mut discoveries = bridge_discovery(&facts, &options);
    let mut topics = bridge_states(&facts, &options).len();
    for view in fleet().values() {
        discoveries.extend(car_discovery(view, &facts, &options));
        topics += car_states(view, &facts, &options, now()).len();
    }
    assert_eq!(discoveries.len(), 4);
    let entities: usize = discoveries.iter().map(|discovery| discovery.components.len()).sum();
    assert!(entities >= 180, "{entities} entities");
    assert!(topics >= 150, "{topics} topics");
    for discovery in discoveries {
        assert!(
            discovery.payload.len() < 128 * 1024,
            "{} bytes",
            discovery.payload.len()
        );
    }
}

#[test]
fn every_car_has_most_of_what_it_can_have() {
    for (view, least) in [(c10_reev(), 195), (b10(), 180), (t03(), 150)] {
        let entities = car_discovery(&view, &no_facts(), &options())[0].components.len();
        assert!(entities >= least, "{}: {entities} entities", view.car.model);
    }
}

#[test]
fn discovery_of_the_three_cars_and_the_bridge() {
    let (facts, options) = (no_facts(), options());
    for (name, view) in [("t03", t03()), ("b10", b10()), ("c10_reev", c10_reev())] {
        insta::assert_snapshot!(name, pretty(&car_discovery(&view, &facts, &options)));
    }
    insta::assert_snapshot!("bridge", pretty(&bridge_discovery(&facts, &options)));
}

/// Messages for reading: each component on a line of its own.
fn pretty(discoveries: &[Discovery]) -> String {
    let mut text = String::new();
    for discovery in discoveries {
        text.push_str(&discovery.topic);
        text.push('\n');
        let payload: Json = serde_json::from_str(&discovery.payload).unwrap();
        for (key, value) in payload.as_object().unwrap() {
            let Some(components) = value.as_object().filter(|_| key == "cmps") else {
                text.push_str(&format!("{key} {value}\n"));
                continue;
            };
            for (key, component) in components {
                text.push_str(&format!("  {key} {component}\n"));
            }
        }
    }
    text
}

#[test]
fn a_row_is_offered_once_the_car_has_sent_its_reading() {
    let mut view = b10();
    let offered = |view: &CarView| {
        car_discovery(view, &no_facts(), &options())[0]
            .components
            .contains_key("ptc_power")
    };
    assert!(!offered(&view));
    view.evidence.insert(crate::vehicle::Reading::PtcPower);
    assert!(offered(&view));
}

#[test]
fn a_fact_nobody_produces_has_no_entity() {
    let mut options = options();
    let keys = |options: &Options| bridge_discovery(&no_facts(), options)[0].components.clone();
    assert!(keys(&options).contains_key("bridge_cloud"));
    options.expected_facts.remove("bridge_cloud");
    assert!(!keys(&options).contains_key("bridge_cloud"));
    let states = bridge_states(&no_facts(), &options);
    assert!(states.iter().all(|message| !message.topic.ends_with("bridge_cloud")));
}

#[test]
fn a_vanished_component_is_named_with_its_platform_once() {
    let discovery = &bridge_discovery(&no_facts(), &options())[0];
    assert_eq!(with_removals(discovery, &discovery.components), None);
    let mut announced = discovery.components.clone();
    announced.insert("old".into(), Platform::Number);
    announced.insert("bridge_uptime".into(), Platform::BinarySensor);
    let first: Json = serde_json::from_str(&with_removals(discovery, &announced).unwrap()).unwrap();
    assert_eq!(first["cmps"]["old"], serde_json::json!({"p": "number"}));
    // A component that changes its platform goes under the old one first.
    assert_eq!(
        first["cmps"]["bridge_uptime"],
        serde_json::json!({"p": "binary_sensor"})
    );
    assert_eq!(first["cmps"]["bridge_cloud"]["p"], "binary_sensor");
    assert!(!discovery.payload.contains("\"old\""));
}

#[test]
fn command_topics_are_named_one_by_one() {
    let topics = command_topics(&t03(), &options());
    for expected in [
        "command",
        "door_lock/set",
        "climate/mode/set",
        "windows_cover/position/set",
        "refresh/set",
    ] {
        assert!(
            topics.contains(&format!("leapmotor2mqtt/{}/{expected}", fixture::T03)),
            "{expected}"
        );
    }
    assert!(topics.iter().all(|topic| !topic.contains(['+', '#'])));
    let b10 = command_topics(&b10(), &options());
    assert!(b10.iter().all(|topic| !topic.ends_with("windows_cover/position/set")));
}

#[test]
fn controls_that_are_denied_are_not_offered() {
    let mut options = options();
    options.policy.deny.extend(["lock".into(), "unlock".into()]);
    let topics = command_topics(&t03(), &options);
    assert!(topics.iter().all(|topic| !topic.contains("door_lock")));
    assert!(
        !car_discovery(&t03(), &no_facts(), &options)[0]
            .components
            .contains_key("door_lock")
    );
}

#[test]
fn a_signal_without_a_name_has_a_diagnostic_sensor_with_its_raw_value() {
    let mut view = b10();
    view.unknown_signals.extend([4711, 4712]);
    let frame = &mut view.state.as_mut().unwrap().frame;
    frame.unknown.insert(4711, RawValue::Number(2.5));
    let discovery = &car_discovery(&view, &no_facts(), &options())[0];
    assert_eq!(discovery.components.get("signal_4711"), Some(&Platform::Sensor));
    let payload: Json = serde_json::from_str(&discovery.payload).unwrap();
    let component = &payload["cmps"]["signal_4711"];
    assert_eq!(
        (&component["en"], &component["name"]),
        (&false.into(), &"Signal 4711".into())
    );
    let states = car_states(&view, &no_facts(), &options(), now());
    assert_eq!(super::payload(&states, fixture::B10, "signal_4711"), "2.5");
    assert_eq!(super::payload(&states, fixture::B10, "signal_4712"), "None");
}

#[test]
fn a_language_changes_names_and_nothing_else() {
    let english = car_discovery(&t03(), &no_facts(), &options());
    let mut options = options();
    options.language = Language::parse("de-AT").unwrap();
    let german = car_discovery(&t03(), &no_facts(), &options);
    let components = |discoveries: &[Discovery]| -> Json {
        let mut payload: Json = serde_json::from_str(&discoveries[0].payload).unwrap();
        payload["cmps"].take()
    };
    let (mut english, mut german) = (components(&english), components(&german));
    assert_eq!(german["door_lock"]["name"], "Türen");
    for components in [&mut english, &mut german] {
        for component in components.as_object_mut().unwrap().values_mut() {
            component.as_object_mut().unwrap().remove("name");
        }
    }
    assert_eq!(english, german);
}

#[test]
fn what_a_model_cannot_do_is_not_offered_whatever_it_declares() {
    let offered = |view: &CarView, key: &str| {
        let discovery = &car_discovery(view, &no_facts(), &options())[0];
        discovery.components.contains_key(key)
    };
    assert!(offered(&b10(), "seat_driver_heat_select") && !offered(&t03(), "seat_driver_heat_select"));
    assert!(!offered(&t03(), "unlock_charger") && offered(&t03(), "climate"));
    assert!(offered(&c10_reev(), "fuel_level") && offered(&c10_reev(), "fuel_heating"));
    assert!(!offered(&b10(), "fuel_level") && !offered(&b10(), "fuel_heating") && !offered(&b10(), "fuel_range"));
    let mut shared = b10();
    shared.car.rights = [110].into();
    assert!(offered(&shared, "door_lock") && !offered(&shared, "sentry_mode") && offered(&shared, "poll_profile"));
}

#[test]
fn what_moves_the_car_is_offered_only_by_name() {
    let mut options = options();
    let offered = |options: &Options| car_discovery(&c10_reev(), &no_facts(), options)[0].components.clone();
    assert!(!offered(&options).contains_key("autopark"));
    options.policy.allow.insert("autopark".into());
    assert!(offered(&options).contains_key("autopark"));
    assert!(!offered(&options).contains_key("on3_on_button"));
}

#[test]
fn software_is_shown_to_all_and_installed_only_by_who_allows_it() {
    let mut options = options();
    let software = |options: &Options| -> Json {
        let payload = &car_discovery(&b10(), &no_facts(), options)[0].payload;
        serde_json::from_str::<Json>(payload).unwrap()["cmps"]["vehicle_software"].clone()
    };
    let listens = |options: &Options| {
        let topics = command_topics(&b10(), options);
        topics.iter().any(|topic| topic.ends_with("/vehicle_software/set"))
    };
    let shown = software(&options);
    assert!(shown["stat_t"].is_string() && shown.get("cmd_t").is_none() && shown.get("pl_inst").is_none());
    assert!(!listens(&options));
    options.policy.allow.insert("fota-install".into());
    let shown = software(&options);
    assert!(shown["cmd_t"].is_string() && shown["pl_inst"] == "install");
    assert!(listens(&options));
}

#[test]
fn a_place_is_published_once_it_is_told_that_the_owner_does_not_keep_it_to_himself() {
    let mut view = c10_reev();
    let state = view.state.as_mut().unwrap();
    state.motion.parked_position = state.position;
    let places = |published: Option<bool>, options: &Options| {
        let setting = (Subject::Car(view.car.vin.clone()), "publish_location");
        let facts: Facts = published.map(|flag| (setting, Value::Flag(flag))).into_iter().collect();
        let states = car_states(&view, &facts, options, now());
        ["location", "parked_location"].map(|key| super::payload(&states, fixture::C10, key).to_owned())
    };
    let place = r#"{"latitude":45.4642,"longitude":9.19}"#;
    assert_eq!(places(Some(true), &options()), [place; 2]);
    assert_eq!(places(Some(false), &options()), ["{}"; 2]);
    assert_eq!(places(None, &options()), ["{}"; 2], "he may have said so");
    assert_eq!(
        places(None, &Options::default()),
        [place; 2],
        "there is nobody to say so"
    );
}

#[test]
fn a_trigger_is_told_by_its_topic_and_has_no_id() {
    let discovery = &car_discovery(&b10(), &no_facts(), &options())[0];
    let payload: Json = serde_json::from_str(&discovery.payload).unwrap();
    assert_eq!(
        payload["cmps"]["trigger_door_opened"],
        serde_json::json!({
            "p": "device_automation",
            "atype": "trigger",
            "type": "event",
            "stype": "door_opened",
            "t": format!("leapmotor2mqtt/{}/trigger/door_opened", fixture::B10),
        })
    );
}
