use jiff::SignedDuration;

use super::*;
use crate::homeassistant::{Device, Past};
use crate::mqtt::fixture;
use crate::vehicle::facts::Value;

fn now() -> Timestamp {
    Timestamp::from_second(1_800_000_000).unwrap()
}

fn publisher() -> Publisher {
    let mut publisher = Publisher::new(fixture::options(), Manifest::default());
    publisher.take_fleet(fixture::fleet());
    publisher
}

fn topics(publisher: &mut Publisher) -> Vec<String> {
    std::iter::from_fn(|| publisher.take_next(now()))
        .map(|message| message.topic.to_string())
        .collect()
}

/// What is said of the availability of cars.
fn availability(publisher: &mut Publisher) -> Vec<String> {
    std::iter::from_fn(|| publisher.take_next(now()))
        .filter(|message| message.topic.ends_with("/availability") && !message.topic.contains("/commands/"))
        .map(|message| String::from_utf8_lossy(&message.payload).into_owned())
        .collect()
}

#[test]
fn a_new_car_is_announced_before_its_states() {
    let mut publisher = publisher();
    publisher.refresh(now());
    assert!(publisher.take_offers_changed());
    publisher.announce(now());
    let topics = topics(&mut publisher);
    let last_config = topics.iter().rposition(|topic| topic.ends_with("/config")).unwrap();
    let first_state = topics
        .iter()
        .position(|topic| topic.starts_with("leapmotor2mqtt/"))
        .unwrap();
    assert!(last_config < first_state, "{topics:?}");
    assert!(publisher.is_drained());
}

#[test]
fn nothing_goes_out_while_nothing_changes() {
    let mut publisher = publisher();
    publisher.refresh(now());
    publisher.announce(now());
    topics(&mut publisher);
    publisher.take_fleet(fixture::fleet());
    publisher.take_offers_changed();
    publisher.refresh(now());
    assert!(!publisher.take_offers_changed());
    publisher.announce(now());
    assert_eq!(topics(&mut publisher), [""; 0]);
}

#[test]
fn a_car_not_known_yet_keeps_its_topics_and_a_car_that_is_gone_loses_them() {
    let mut publisher = publisher();
    publisher.refresh(now());
    publisher.announce(now());
    topics(&mut publisher);
    publisher.take_fleet(Fleet::new());
    publisher.refresh(now());
    assert!(publisher.take_offers_changed());
    publisher.announce(now());
    // It is only called unavailable, once.
    assert_eq!(
        topics(&mut publisher),
        ["leapmotor2mqtt/LFZTEST0000000001/availability"]
    );
    publisher.announce(now());
    assert_eq!(topics(&mut publisher), [""; 0]);
    let for_the_bridge = |topic: &str| topic.contains("/bridge/");
    assert!(publisher.command_topics().all(for_the_bridge));

    publisher.take_completeness(true);
    assert!(publisher.take_offers_changed());
    publisher.announce(now());
    let cleared: Vec<Retained> = std::iter::from_fn(|| publisher.take_next(now())).collect();
    assert!(cleared.iter().all(|message| message.payload.is_empty()));
    let of = |end: &str| cleared.iter().any(|message| message.topic.ends_with(end));
    assert!(of("/config") && of("/availability"));
}

#[test]
fn a_car_of_an_earlier_run_is_unavailable_until_it_is_told_of() {
    let mut earlier = publisher();
    earlier.refresh(now());
    earlier.announce(now());

    let mut publisher = Publisher::new(fixture::options(), earlier.manifest().clone());
    publisher.refresh(now());
    publisher.announce(now());
    assert_eq!(availability(&mut publisher), ["offline"]);
    publisher.take_fleet(fixture::fleet());
    publisher.refresh(now());
    publisher.announce(now());
    assert_eq!(availability(&mut publisher), ["online"]);
}

#[test]
fn a_car_that_comes_back_is_available_again() {
    let mut publisher = publisher();
    publisher.refresh(now());
    publisher.announce(now());
    topics(&mut publisher);
    for (fleet, expected) in [(Fleet::new(), "offline"), (fixture::fleet(), "online")] {
        publisher.take_fleet(fleet);
        publisher.refresh(now());
        publisher.announce(now());
        assert_eq!(availability(&mut publisher), [expected]);
        // However often everything is sent, a car that is missing never looks available in between.
        publisher.start_over();
        publisher.announce(now());
        assert_eq!(availability(&mut publisher), [expected]);
    }
}

#[test]
fn a_car_that_went_while_we_were_away_leaves_no_topic_of_a_signal_behind() {
    let config = "homeassistant/device/leapmotor2mqtt_LFZTEST0000000001/config";
    let earlier = BTreeMap::from([("signal_77".to_owned(), "sensor".to_owned())]);
    let manifest = Manifest {
        announced: BTreeMap::from([(config.to_owned(), earlier)]),
    };
    let mut publisher = Publisher::new(fixture::options(), manifest);
    publisher.take_completeness(true);
    publisher.refresh(now());
    publisher.announce(now());
    let topics = topics(&mut publisher);
    let cleared = "leapmotor2mqtt/LFZTEST0000000001/signal_77".to_owned();
    assert!(topics.contains(&cleared), "{topics:?}");
    let distinct: BTreeSet<&String> = topics.iter().collect();
    assert_eq!(distinct.len(), topics.len());
}

#[test]
fn a_lost_clearing_is_sent_again_unless_the_topic_holds_something_or_is_read_back() {
    let mut publisher = publisher();
    publisher.refresh(now());
    let car = "leapmotor2mqtt/LFZTEST0000000001";
    for topic in [
        "leapmotor2mqtt/LFZGONE/door_lock".to_owned(),
        format!("{car}/door_lock"),
        "homeassistant/device/leapmotor2mqtt_LFZGONE/config".to_owned(),
    ] {
        publisher.clear_again(topic.into());
    }
    publisher.start_over();
    let sent: Vec<Retained> = std::iter::from_fn(|| publisher.take_next(now())).collect();
    assert_eq!(&*sent[0].topic, "leapmotor2mqtt/LFZGONE/door_lock");
    assert!(sent[0].payload.is_empty());
    let again = |topic: &str| sent.iter().filter(|message| &*message.topic == topic).count();
    assert_eq!(again(&format!("{car}/door_lock")), 1);
    assert_eq!(again("homeassistant/device/leapmotor2mqtt_LFZGONE/config"), 0);
}

#[test]
fn a_picture_of_the_last_run_stays_until_there_is_another_and_goes_with_it() {
    let picture = |payload: Option<&[u8]>| FactUpdate {
        subject: Subject::Car(Vin::parse("LFZTEST0000000001").unwrap()),
        key: "vehicle_image",
        value: payload.map(|bytes| Value::Image(bytes.into())),
    };
    let options = Options {
        expected_facts: BTreeSet::from(["vehicle_image"]),
        ..fixture::options()
    };
    let mut publisher = Publisher::new(options, Manifest::default());
    publisher.take_fleet(fixture::fleet());
    let mut sent = |update: Option<FactUpdate>| {
        update.into_iter().for_each(|update| publisher.take_fact(update));
        publisher.refresh(now());
        std::iter::from_fn(|| publisher.take_next(now()))
            .filter(|message| message.topic.ends_with("/vehicle_image"))
            .map(|message| message.payload.to_vec())
            .collect::<Vec<_>>()
    };
    assert!(sent(None).is_empty());
    assert_eq!(sent(Some(picture(Some(b"png")))), [b"png"]);
    assert_eq!(sent(Some(picture(None))), [b""]);
}

#[test]
fn an_entity_of_an_earlier_version_goes_with_its_topics() {
    const PAST: &[Past] = &[Past {
        device: Device::Car,
        key: "state_of_charge",
        today: Some("battery_level"),
        topics: &["state_of_charge", "state_of_charge/attributes"],
    }];
    let config = "homeassistant/device/leapmotor2mqtt_LFZTEST0000000001/config";
    let earlier = BTreeMap::from([("state_of_charge".to_owned(), "sensor".to_owned())]);
    let manifest = Manifest {
        announced: BTreeMap::from([(config.to_owned(), earlier)]),
    };
    let options = Options {
        past: PAST,
        ..fixture::options()
    };
    let mut publisher = Publisher::new(options, manifest);
    publisher.take_fleet(fixture::fleet());
    publisher.refresh(now());
    publisher.announce(now());
    let sent: Vec<Retained> = std::iter::from_fn(|| publisher.take_next(now())).collect();
    let configs: Vec<serde_json::Value> = sent
        .iter()
        .filter(|message| &*message.topic == config)
        .map(|message| serde_json::from_slice(&message.payload).unwrap())
        .collect();
    let shown = |config: &serde_json::Value| config["cmps"]["state_of_charge"].clone();
    assert_eq!(
        configs.iter().map(shown).collect::<Vec<_>>(),
        [serde_json::json!({"p": "sensor"}), serde_json::Value::Null]
    );
    for topic in PAST[0].topics {
        let topic = format!("leapmotor2mqtt/LFZTEST0000000001/{topic}");
        let cleared = sent.iter().find(|message| *message.topic == *topic).expect(&topic);
        assert!(cleared.payload.is_empty());
    }
}

#[test]
fn a_fact_that_appears_is_one_subjects_business() {
    let mut publisher = publisher();
    publisher.refresh(now());
    topics(&mut publisher);
    publisher.take_fact(FactUpdate {
        subject: Subject::Bridge,
        key: "bridge_mqtt_since",
        value: Some(Value::Time(now())),
    });
    publisher.refresh(now());
    assert_eq!(topics(&mut publisher), ["leapmotor2mqtt/bridge/bridge_mqtt_since"]);
}

#[test]
fn after_starting_over_everything_is_sent_again() {
    let mut publisher = publisher();
    publisher.refresh(now());
    publisher.announce(now());
    let before: BTreeSet<String> = topics(&mut publisher).into_iter().collect();
    publisher.start_over();
    publisher.announce(now());
    assert_eq!(topics(&mut publisher).into_iter().collect::<BTreeSet<_>>(), before);
}

#[test]
fn however_long_the_broker_is_away_every_topic_waits_at_most_once() {
    let mut publisher = publisher();
    publisher.refresh(now());
    publisher.announce(now());
    let known = topics(&mut publisher).len();
    for minute in 1..=1_000 {
        let now = now() + SignedDuration::from_mins(minute);
        publisher.take_fact(FactUpdate {
            subject: Subject::Bridge,
            key: "bridge_mqtt_since",
            value: Some(Value::Time(now)),
        });
        publisher.take_time();
        publisher.refresh(now);
    }
    let waiting = topics(&mut publisher);
    let distinct: BTreeSet<&String> = waiting.iter().collect();
    assert_eq!(distinct.len(), waiting.len());
    assert!((1..=known).contains(&waiting.len()), "{} of {known}", waiting.len());
    publisher.start_over();
    publisher.announce(now());
    assert_eq!(topics(&mut publisher).len(), known + 1, "with the new fact");
}

#[test]
fn a_logged_topic_does_not_show_the_whole_vin() {
    let publisher = publisher();
    let vin = publisher.fleet().keys().next().unwrap().clone();
    let shown = publisher.shown(&format!("leapmotor2mqtt/{}/soc", vin.as_str()));
    assert_eq!(shown, format!("leapmotor2mqtt/{vin}/soc"));
}
