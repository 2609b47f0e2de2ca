//! What three cars announce.

use serde_json::Value as Json;

use crate::homeassistant::fixture::{self, b10, c10_reev, fleet, no_facts, now, options, t03};
use crate::homeassistant::{
    Discovery, Options, Platform, bridge_discovery, bridge_states, car_discovery, car_states, command_topics,
    with_removals,
};
use crate::vehicle::CarView;

#[test]
fn three_cars_and_the_bridge_make_a_full_house() {
    let (facts, options) = (no_facts(), options());
    let mut discoveries = bridge_discovery(&fleet(), &facts, &options);
    let mut topics = bridge_states(&fleet(), &facts, &options, now()).len();
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
    insta::assert_snapshot!("bridge", pretty(&bridge_discovery(&fleet(), &facts, &options)));
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
    let keys = |options: &Options| bridge_discovery(&fleet(), &no_facts(), options)[0].components.clone();
    assert!(keys(&options).contains_key("bridge_cloud"));
    options.expected_facts.remove("bridge_cloud");
    assert!(!keys(&options).contains_key("bridge_cloud"));
    let states = bridge_states(&fleet(), &no_facts(), &options, now());
    assert!(states.iter().all(|message| !message.topic.ends_with("bridge_cloud")));
}

#[test]
fn a_vanished_component_is_named_with_its_platform_once() {
    let discovery = &bridge_discovery(&fleet(), &no_facts(), &options())[0];
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
