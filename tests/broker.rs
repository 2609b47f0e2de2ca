//! The broker connection against a real broker: what Home Assistant and scripts see of it.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::{Arc, Mutex, Once};
use std::thread::{self, ThreadId};
use std::time::Duration;

use jiff::Timestamp;
use leapmotor2mqtt::clock::Clock;
use leapmotor2mqtt::homeassistant::Options;
use leapmotor2mqtt::mqtt::{
    Bridge, Failure, LOG_DIRECTIVE, Manifest, MqttSettings, Purge, TlsFiles, Wires, probe, purge,
};
use leapmotor2mqtt::vehicle::facts::{FactUpdate, Subject, Value};
use leapmotor2mqtt::vehicle::intent::{CommandReport, CommandRequest, CommandState, Origin, Request};
use leapmotor2mqtt::vehicle::transitions::{Change, Kind, Mark};
use leapmotor2mqtt::vehicle::{
    Car, CarView, Command, Fleet, Happening, Model, PinStatus, Powertrain, VehicleState, Vin,
};
use rumqttc::v5::mqttbytes::v5::{Publish, PublishProperties};
use serde_json::Value as Json;
use support::client::{Client, PATIENCE, retained, text, topic, until_retained};
use support::mosquitto::Mosquitto;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

const VIN: &str = "LFZTEST0000000001";
const BRIDGE_STATE: &str = "leapmotor2mqtt/bridge/state";
const OURS: [&str; 2] = ["leapmotor2mqtt/#", "homeassistant/device/+/config"];

#[tokio::test]
async fn cars_are_announced_with_their_states_before_the_bridge_says_online() {
    let Some(broker) = Mosquitto::start() else { return };
    let (mut watcher, _) = Client::listening(broker.port(), &OURS).await;
    let house = House::start(broker.port());
    let mut order = Vec::new();
    loop {
        let message = watcher.next().await;
        order.push(topic(&message));
        if order.last().is_some_and(|topic| topic == BRIDGE_STATE) {
            assert_eq!(text(&message), "online");
            break;
        }
    }
    for needed in [
        "homeassistant/device/leapmotor2mqtt_bridge/config".to_owned(),
        config_topic(),
        car_topic("availability"),
        car_topic("door_lock"),
    ] {
        assert!(order.contains(&needed), "{needed} is not among {order:#?}");
    }
    let distinct: BTreeSet<_> = order.iter().collect();
    assert_eq!(distinct.len(), order.len(), "something was sent twice: {order:#?}");
    house.stop().await;
}

#[tokio::test]
async fn a_bridge_that_dies_is_declared_offline_by_its_last_will() {
    let Some(broker) = Mosquitto::start() else { return };
    let house = House::online(broker.port()).await;
    house.task.abort();
    until_retained(broker.port(), &[BRIDGE_STATE], says("offline")).await;
}

#[tokio::test]
async fn a_bridge_that_stops_says_offline_itself() {
    let Some(broker) = Mosquitto::start() else { return };
    let house = House::online(broker.port()).await;
    let (mut watcher, _) = Client::listening(broker.port(), &[BRIDGE_STATE]).await;
    house.stop().await;
    assert_eq!(text(&watcher.next().await), "offline");
    assert_eq!(watcher.heard_so_far(), []);
}

#[tokio::test]
async fn what_the_broker_holds_is_not_announced_again() {
    let Some(broker) = Mosquitto::start() else { return };
    House::online(broker.port()).await.stop().await;
    let (mut watcher, _) = Client::listening(broker.port(), &OURS).await;
    let house = House::online(broker.port()).await;
    house.stop().await;
    // Up to its last word.
    let mut topics = Vec::new();
    watcher
        .next_where(|message| {
            topics.push(topic(message));
            topic(message) == BRIDGE_STATE && text(message) == "offline"
        })
        .await;
    assert!(!topics.iter().any(|topic| topic.ends_with("/config")), "{topics:#?}");
    assert!(topics.contains(&car_topic("door_lock")), "states are always sent");
}

#[tokio::test]
async fn a_broker_killed_and_restarted_empty_gets_everything_back() {
    let Some(mut broker) = Mosquitto::start() else { return };
    let house = House::online(broker.port()).await;
    // Everything but what tells since when it is connected.
    let lasting = |held: &BTreeMap<String, String>| {
        let mut held = held.clone();
        held.retain(|topic, _| !topic.contains("data_age") && !topic.contains("bridge_mqtt_since"));
        held
    };
    let before = lasting(&retained(broker.port(), &OURS).await);
    broker.kill();
    broker.run();
    until_retained(broker.port(), &OURS, |held| lasting(held) == before).await;
    assert!(!house.task.is_finished());
    house.stop().await;
}

#[tokio::test]
async fn a_change_made_while_the_broker_was_away_arrives_when_it_is_back() {
    let Some(mut broker) = Mosquitto::start() else { return };
    let house = House::online(broker.port()).await;
    broker.kill();
    house.fleet.send_replace(fleet(|view| view.reachable = false));
    broker.run();
    let availability = car_topic("availability");
    until_retained(broker.port(), &[&availability], says("offline")).await;
    house.stop().await;
}

#[tokio::test]
async fn what_happened_before_the_connection_stood_is_told_last_of_all_and_not_retained() {
    let Some(broker) = Mosquitto::start() else { return };
    let (mut watcher, _) = Client::listening(broker.port(), &OURS).await;
    let house = House::start(broker.port());
    let change = Change {
        vin: Vin::parse(VIN).unwrap(),
        kind: Kind::Locked,
        part: None,
        old: Some(Mark::Flag(false)),
        new: Some(Mark::Flag(true)),
        vehicle_time: None,
        seen: Timestamp::now(),
        late: false,
    };
    house.happenings.send(Happening::Change(change)).await.unwrap();
    let mut order = Vec::new();
    loop {
        let message = watcher.next().await;
        order.push(topic(&message));
        if topic(&message) == car_topic("trigger/locked") {
            assert!(!message.retain);
            break;
        }
    }
    let last: Vec<&str> = order.iter().rev().take(3).map(String::as_str).collect();
    assert_eq!(
        last,
        [
            car_topic("trigger/locked"),
            car_topic("event_vehicle"),
            BRIDGE_STATE.to_owned()
        ]
    );
    assert!(
        !retained(broker.port(), &OURS)
            .await
            .contains_key(&car_topic("event_vehicle"))
    );
    house.stop().await;
}

#[tokio::test]
async fn an_answer_the_broker_did_not_acknowledge_is_said_again_on_the_next_connection() {
    let deaf = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let house = House::start(deaf.local_addr().unwrap().port());
    let report = CommandReport {
        ticket: 1,
        vin: Vin::parse(VIN).unwrap(),
        command: "unlock",
        id: Some("said again".to_owned()),
        origin: Origin::Mqtt,
        state: CommandState::Confirmed,
        reason: None,
        received: Timestamp::now(),
        finished: Some(Timestamp::now()),
    };
    house.reports.send(report).await.unwrap();
    while house.reports.capacity() < house.reports.max_capacity() {
        tokio::task::yield_now().await;
    }
    for _ in 0..2 {
        let (mut connection, _) = timeout(PATIENCE, deaf.accept())
            .await
            .expect("a connection in time")
            .unwrap();
        connection.write_all(&[0x20, 3, 0, 0, 0]).await.unwrap();
        let mut heard = Vec::new();
        while !String::from_utf8_lossy(&heard).contains("said again") {
            let read = timeout(PATIENCE, connection.read_buf(&mut heard)).await;
            assert_ne!(read.expect("the answer in time").unwrap(), 0, "it hung up");
        }
    }
    house.stop().await;
}

#[tokio::test]
async fn a_broker_that_takes_nothing_any_more_is_given_up() {
    let frozen = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = frozen.local_addr().unwrap().port();
    let house = House::start_with(
        MqttSettings {
            keep_alive: Duration::from_secs(5),
            ..settings(port)
        },
        Manifest::default(),
    );
    // Far more than the system takes in the other side's place.
    let fact = FactUpdate {
        subject: Subject::Car(Vin::parse(VIN).unwrap()),
        key: "vehicle_image",
        value: Some(Value::Image(vec![1; 32 << 20].into())),
    };
    house.facts.send(fact).await.unwrap();
    let (mut connection, _) = frozen.accept().await.unwrap();
    connection.write_all(&[0x20, 3, 0, 0, 0]).await.unwrap();

    timeout(PATIENCE, frozen.accept())
        .await
        .expect("another connection instead of one that waits for ever")
        .unwrap();
    house.stop().await;
}

#[tokio::test]
async fn a_wrong_password_is_said_once_and_tried_again_for_ever() {
    let Some(mut broker) = Mosquitto::prepare() else { return };
    let log = Log::capture();
    broker.configure(&broker.password_file("bridge", "right"));
    broker.run();
    let settings = MqttSettings {
        username: Some("bridge".to_owned()),
        password: Some("wrong".into()),
        ..settings(broker.port())
    };
    let house = House::start_with(settings, Manifest::default());
    log.until("the broker refused").await;
    // A second refusal is not said aloud.
    log.until("no connection to the broker yet").await;
    assert_eq!(log.text().matches("ERROR").count(), 1, "{}", log.text());
    assert!(!log.text().contains("wrong\""), "{}", log.text());

    broker.kill();
    log.until("the broker is away").await;
    broker.configure(&broker.password_file("bridge", "wrong"));
    broker.run();
    log.until("connected to the broker").await;
    house.stop().await;
}

#[tokio::test]
async fn a_broker_that_lets_us_in_but_not_publish_is_named_once() {
    let Some(mut broker) = Mosquitto::prepare() else { return };
    let log = Log::capture();
    let rights = broker.dir().join("acl");
    std::fs::write(
        &rights,
        "topic read #\ntopic write leapmotor2mqtt/bridge/#\ntopic readwrite barrier/#\n",
    )
    .unwrap();
    broker.configure(&format!("allow_anonymous true\nacl_file {}\n", rights.display()));
    broker.run();
    let house = House::online(broker.port()).await;
    log.until("does not let us publish").await;
    house.stop().await;
    assert_eq!(log.text().matches("ERROR").count(), 1, "{}", log.text());
    assert!(!log.text().contains(VIN), "{}", log.text());
}

#[tokio::test]
async fn a_probe_tells_an_absent_broker_from_one_that_refuses() {
    let Some(mut broker) = Mosquitto::prepare() else { return };
    assert!(matches!(
        probe(&settings(broker.port()), &options()).await,
        Err(Failure::Away(_))
    ));
    broker.configure(&broker.password_file("bridge", "right"));
    broker.run();
    let refused = probe(&settings(broker.port()), &options()).await;
    assert!(
        matches!(refused, Err(Failure::NotAuthorised | Failure::WrongCredentials)),
        "{refused:?}"
    );
    let right = MqttSettings {
        username: Some("bridge".to_owned()),
        password: Some("right".into()),
        ..settings(broker.port())
    };
    probe(&right, &options()).await.unwrap();
}

#[tokio::test]
async fn a_probe_tells_that_we_may_not_publish() {
    let Some(mut broker) = Mosquitto::prepare() else { return };
    let rights = broker.dir().join("acl");
    std::fs::write(&rights, "topic read #\n").unwrap();
    broker.configure(&format!("allow_anonymous true\nacl_file {}\n", rights.display()));
    broker.run();
    let refused = probe(&settings(broker.port()), &options()).await;
    assert!(matches!(refused, Err(Failure::Forbidden(_))), "{refused:?}");
}

#[tokio::test]
async fn a_retained_command_is_never_carried_out_but_reported_and_cleared() {
    let Some(broker) = Mosquitto::start() else { return };
    let lock = car_topic("door_lock/set");
    let client = Client::connect(broker.port()).await;
    client.publish(&lock, "UNLOCK", true).await;
    until_retained(broker.port(), &[&lock], |held| !held.is_empty()).await;
    let (mut results, _) = Client::listening(broker.port(), &[&car_topic("command/result")]).await;

    // One that waited.
    let mut house = House::online(broker.port()).await;
    assert_refused(&results.next().await, "retained");
    until_retained(broker.port(), &[&lock], BTreeMap::is_empty).await;

    // One that comes live.
    client.publish(&lock, "UNLOCK", true).await;
    assert_refused(&results.next().await, "retained");
    until_retained(broker.port(), &[&lock], BTreeMap::is_empty).await;

    // The same, plain. That it is the first request proves that the others were none.
    client.publish(&lock, "UNLOCK", false).await;
    let request = house.command().await;
    assert_eq!(request.command, Command::Unlock);
    assert!(house.requests.try_recv().is_err());
    assert_eq!(results.heard_so_far(), []);
    house.stop().await;
}

#[tokio::test]
async fn the_same_id_or_correlation_data_is_carried_out_once() {
    let Some(broker) = Mosquitto::start() else { return };
    let mut house = House::online(broker.port()).await;
    let (mut client, _) = Client::listening(broker.port(), &[&car_topic("command/result")]).await;
    let with_id = r#"{"command":"unlock","id":"a"}"#;
    client.publish(&car_topic("command"), with_id, false).await;
    client.publish(&car_topic("command"), with_id, false).await;
    assert_eq!(house.command().await.id.as_deref(), Some("a"));
    assert_refused(&client.next().await, "duplicate");
    let marked = || PublishProperties {
        correlation_data: Some(vec![7].into()),
        ..PublishProperties::default()
    };
    client.ask(&car_topic("door_lock/set"), "UNLOCK", marked()).await;
    client.ask(&car_topic("door_lock/set"), "UNLOCK", marked()).await;
    house.command().await;
    assert_refused(&client.next().await, "duplicate");
    assert!(house.requests.try_recv().is_err());
    house.stop().await;
}

#[tokio::test]
async fn an_asker_gets_its_answers_on_its_response_topic_with_its_correlation_data() {
    let Some(broker) = Mosquitto::start() else { return };
    let mut house = House::online(broker.port()).await;
    let filters = ["script/answers", &car_topic("command/result")];
    let (mut client, _) = Client::listening(broker.port(), &filters).await;
    let properties = PublishProperties {
        response_topic: Some("script/answers".to_owned()),
        correlation_data: Some(vec![0, 159, 255].into()),
        ..PublishProperties::default()
    };
    client
        .ask(&car_topic("command"), r#"{"command":"unlock","id":"x"}"#, properties)
        .await;
    let request = house.command().await;
    for state in [CommandState::Accepted, CommandState::Confirmed] {
        house.reports.send(report(&request, state)).await.unwrap();
        let answers = [client.next().await, client.next().await];
        let mut topics: Vec<String> = answers.iter().map(topic).collect();
        topics.sort();
        assert_eq!(topics, [car_topic("command/result"), "script/answers".to_owned()]);
        for answer in &answers {
            assert!(!answer.retain);
            let json: Json = serde_json::from_slice(&answer.payload).unwrap();
            assert_eq!((&json["id"], &json["state"]), (&"x".into(), &state.name().into()));
        }
        let direct = answers.iter().find(|answer| topic(answer) == "script/answers").unwrap();
        let correlation = direct
            .properties
            .as_ref()
            .and_then(|properties| properties.correlation_data.as_deref());
        assert_eq!(correlation, Some([0, 159, 255].as_slice()));
    }
    house.stop().await;
}

#[tokio::test]
async fn monstrous_messages_do_no_harm() {
    let Some(broker) = Mosquitto::start() else { return };
    let mut house = House::online(broker.port()).await;
    let (mut client, _) = Client::listening(broker.port(), &[&car_topic("command/result")]).await;
    for payload in [
        vec![b'x'; 1024 * 1024],
        vec![0xff, 0xfe, 0x00],
        b"{\"command\":".to_vec(),
    ] {
        for end in ["command", "door_lock/set"] {
            client.publish(&car_topic(end), payload.clone(), false).await;
            let answer: Json = serde_json::from_slice(&client.next().await.payload).unwrap();
            assert_eq!(answer["state"], "refused", "{answer}");
        }
    }
    client
        .publish("homeassistant/status", vec![0xff; 1024 * 1024], false)
        .await;
    client.publish(&car_topic("door_lock/set"), "", false).await;
    client.publish(&car_topic("door_lock/set"), "UNLOCK", false).await;
    house.command().await;
    house.stop().await;
}

#[tokio::test]
async fn a_command_that_finds_no_room_is_refused() {
    let Some(broker) = Mosquitto::start() else { return };
    let house = House::online(broker.port()).await;
    let (mut client, _) = Client::listening(broker.port(), &[&car_topic("command/result")]).await;
    for _ in 0..=REQUESTS {
        client.publish(&car_topic("door_lock/set"), "UNLOCK", false).await;
    }
    assert_refused(&client.next().await, "queue_full");
    house.stop().await;
}

#[tokio::test]
async fn after_home_assistant_has_started_all_states_come_again() {
    let Some(broker) = Mosquitto::start() else { return };
    let house = House::online(broker.port()).await;
    let (mut client, held) = Client::listening(broker.port(), &OURS).await;
    client.publish("homeassistant/status", "online", false).await;
    let mut missing: BTreeSet<&str> = held.keys().map(String::as_str).collect();
    missing.retain(|topic| !topic.ends_with("/config") && *topic != BRIDGE_STATE);
    while !missing.is_empty() {
        let topic = topic(&client.next().await);
        assert!(!topic.ends_with("/config"), "{topic} was announced again");
        missing.remove(topic.as_str());
    }
    house.stop().await;
}

#[tokio::test]
async fn a_car_that_is_gone_leaves_nothing_behind() {
    let Some(broker) = Mosquitto::start() else { return };
    let house = House::online(broker.port()).await;
    assert!(house.manifest.borrow().announced.contains_key(&config_topic()));
    house.fleet.send_replace(Fleet::new());
    until_retained(broker.port(), &OURS, |held| {
        !held.keys().any(|topic| topic.contains(VIN))
    })
    .await;
    assert!(!house.manifest.borrow().announced.contains_key(&config_topic()));
    house.stop().await;
}

#[tokio::test]
async fn an_orphan_of_an_earlier_run_stays_until_all_cars_are_known() {
    let Some(broker) = Mosquitto::start() else { return };
    House::online(broker.port()).await.stop().await;
    let house = House::start_knowing(settings(broker.port()), Manifest::default(), Fleet::new(), false);
    until_retained(broker.port(), &[BRIDGE_STATE], says("online")).await;
    assert!(retained(broker.port(), &OURS).await.contains_key(&config_topic()));
    house.complete.send_replace(true);
    until_retained(broker.port(), &OURS, |held| {
        !held.keys().any(|topic| topic.contains(VIN))
    })
    .await;
    house.stop().await;
}

#[tokio::test]
async fn a_purge_removes_everything_of_ours_and_nothing_else() {
    let Some(broker) = Mosquitto::start() else { return };
    House::online(broker.port()).await.stop().await;
    let client = Client::connect(broker.port()).await;
    let others = [
        ("homeassistant/device/other/config", r#"{"o":{"name":"other"}}"#),
        ("leapmotor2mqtt2/x", "1"),
    ];
    for (topic, payload) in others {
        client.publish(topic, payload, true).await;
    }
    let before = until_retained(broker.port(), &["#"], |held| {
        others.iter().all(|(topic, _)| held.contains_key(*topic))
    })
    .await;
    let removed = purge(&settings(broker.port()), &options(), &Purge::OWN).await.unwrap();
    assert_eq!(removed.len(), before.len() - others.len());
    let left: Vec<String> = retained(broker.port(), &["#"]).await.into_keys().collect();
    assert_eq!(left, others.map(|(topic, _)| topic));
}

#[tokio::test]
async fn tls_accepts_the_right_authority_and_no_other() {
    let Some(mut broker) = Mosquitto::prepare() else { return };
    let identity = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
    let stranger = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
    let file = |name: &str, text: String| {
        let path = broker.dir().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let certificate = file("server.pem", identity.cert.pem());
    let key = file("server.key", identity.signing_key.serialize_pem());
    let other = file("other.pem", stranger.cert.pem());
    broker.configure(&format!(
        "allow_anonymous true\ncertfile {}\nkeyfile {}\n",
        certificate.display(),
        key.display()
    ));
    broker.run();
    let with = |ca| {
        let files = TlsFiles {
            ca: Some(ca),
            client: None,
        };
        MqttSettings {
            tls: Some(files.client_config().unwrap()),
            ..settings(broker.port())
        }
    };
    probe(&with(certificate), &options()).await.unwrap();
    let refused = probe(&with(other), &options()).await;
    assert!(matches!(refused, Err(Failure::Tls(_))), "{refused:?}");
}

#[test]
fn each_fault_in_the_tls_files_names_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let pair = || rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let (ours, other) = (pair(), pair());
    let ca = file("ca.pem", &ours.cert.pem());
    let key = file("key.pem", &ours.signing_key.serialize_pem());
    let other_key = file("other_key.pem", &other.signing_key.serialize_pem());
    let garbage = file("garbage.pem", "not pem");
    let absent = dir.path().join("absent.pem");
    let with = |ca: &std::path::Path, key: &std::path::Path| TlsFiles {
        ca: Some(ca.to_owned()),
        client: Some((ca.to_owned(), key.to_owned())),
    };
    with(&ca, &key).client_config().unwrap();
    let fault = |files: TlsFiles| files.client_config().unwrap_err().to_string();
    assert!(fault(with(&absent, &key)).contains("absent.pem is not a readable"));
    assert!(fault(with(&garbage, &key)).contains("garbage.pem holds no certificate"));
    assert!(fault(with(&ca, &garbage)).contains("garbage.pem is not a readable"));
    assert!(fault(with(&ca, &other_key)).contains("do not belong together"));
}

#[cfg(feature = "embedded-broker")]
mod embedded {
    use std::net::SocketAddr;
    use std::sync::LazyLock;

    use leapmotor2mqtt::mqtt::embedded::{Embedded, start};
    use rumqttc::{AsyncClient, Event, MqttOptions, Packet, QoS};

    use super::*;

    /// It cannot be stopped, so the tests of this process share one, and its topics.
    static BROKER: LazyLock<Embedded> = LazyLock::new(|| start().unwrap());

    #[tokio::test]
    async fn the_demo_broker_serves_both_versions_and_keeps_waiting_commands_from_a_car() {
        let broker = tokio::task::spawn_blocking(|| *BROKER).await.unwrap();
        let lock = car_topic("door_lock/set");
        let (mut client, _) = Client::listening(broker.v5.port(), &[&car_topic("command/result")]).await;
        client.publish(&lock, "UNLOCK", true).await;
        until_retained(broker.v5.port(), &[&lock], |held| !held.is_empty()).await;
        let mut house = House::online(broker.v5.port()).await;
        assert_refused(
            &client.next_where(|message| !message.payload.is_empty()).await,
            "retained",
        );
        until_retained(broker.v5.port(), &[&lock], BTreeMap::is_empty).await;
        client.publish(&lock, "UNLOCK", false).await;
        assert_eq!(house.command().await.command, Command::Unlock);
        assert!(house.requests.try_recv().is_err());

        let held = retained(broker.v5.port(), &OURS).await;
        assert!(held.contains_key(&config_topic()) && held.contains_key(&car_topic("availability")));
        let by_version_311 = hear_by_version_311(broker.v311, BRIDGE_STATE, QoS::AtMostOnce, 1).await;
        assert_eq!(
            by_version_311,
            BTreeSet::from([(BRIDGE_STATE.to_owned(), "online".to_owned())])
        );

        house.stop().await;
        until_retained(broker.v5.port(), &[BRIDGE_STATE], says("offline")).await;
        purge(&settings(broker.v5.port()), &options(), &Purge::OWN)
            .await
            .unwrap();
        until_retained(broker.v5.port(), &OURS, BTreeMap::is_empty).await;
    }

    #[tokio::test]
    async fn the_demo_broker_hands_out_more_retained_topics_than_may_be_in_flight() {
        let broker = tokio::task::spawn_blocking(|| *BROKER).await.unwrap();
        let client = Client::connect(broker.v5.port()).await;
        for number in 0..500 {
            client.publish(&format!("many/{number}"), "1", true).await;
        }
        until_retained(broker.v5.port(), &["many/#"], |held| held.len() == 500).await;
        for qos in [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce] {
            hear_by_version_311(broker.v311, "many/#", qos, 500).await;
        }
    }

    /// Waits until as many different messages were heard.
    async fn hear_by_version_311(
        broker: SocketAddr,
        filter: &str,
        qos: QoS,
        count: usize,
    ) -> BTreeSet<(String, String)> {
        let (client, mut event_loop) = AsyncClient::new(MqttOptions::new("v311", "127.0.0.1", broker.port()), 10);
        client.subscribe(filter, qos).await.unwrap();
        let mut heard = BTreeSet::new();
        let hear_all = async {
            while heard.len() < count {
                if let Event::Incoming(Packet::Publish(message)) = event_loop.poll().await.unwrap() {
                    heard.insert((message.topic, String::from_utf8(message.payload.to_vec()).unwrap()));
                }
            }
        };
        timeout(PATIENCE, hear_all).await.unwrap();
        heard
    }
}

/// Room for commands in these tests.
const REQUESTS: usize = 8;

/// A bridge, and the ends of its wires that the rest of the house holds.
struct House {
    fleet: watch::Sender<Fleet>,
    complete: watch::Sender<bool>,
    facts: mpsc::Sender<FactUpdate>,
    reports: mpsc::Sender<CommandReport>,
    happenings: mpsc::Sender<Happening>,
    requests: mpsc::Receiver<Request>,
    manifest: watch::Receiver<Manifest>,
    stop: CancellationToken,
    task: JoinHandle<()>,
    port: u16,
}

impl House {
    fn start(port: u16) -> Self {
        Self::start_with(settings(port), Manifest::default())
    }

    fn start_with(settings: MqttSettings, manifest: Manifest) -> Self {
        Self::start_knowing(settings, manifest, fleet(|_| ()), true)
    }

    fn start_knowing(settings: MqttSettings, manifest: Manifest, fleet: Fleet, complete: bool) -> Self {
        let (fleet, fleet_end) = watch::channel(fleet);
        let (complete, complete_end) = watch::channel(complete);
        let (facts, facts_end) = mpsc::channel(8);
        let (reports, reports_end) = mpsc::channel(8);
        let (happenings, happenings_end) = mpsc::channel(8);
        let (requests_end, requests) = mpsc::channel(REQUESTS);
        let (manifest_end, manifest) = watch::channel(manifest);
        let wires = Wires {
            fleet: fleet_end,
            fleet_is_complete: complete_end,
            facts: facts_end,
            reports: reports_end,
            happenings: happenings_end,
            requests: requests_end,
            manifest: manifest_end,
            restart: CancellationToken::new(),
        };
        let port = settings.port;
        let stop = CancellationToken::new();
        let bridge = Bridge::new(settings, options(), wires, Clock::real());
        Self {
            fleet,
            complete,
            facts,
            reports,
            happenings,
            requests,
            manifest,
            task: tokio::spawn(bridge.run(stop.clone())),
            stop,
            port,
        }
    }

    /// Starts one and waits until it has said `online`.
    async fn online(port: u16) -> Self {
        let house = Self::start(port);
        until_retained(house.port, &[BRIDGE_STATE], says("online")).await;
        house
    }

    async fn command(&mut self) -> CommandRequest {
        match timeout(PATIENCE, self.requests.recv())
            .await
            .expect("a request in time")
        {
            Some(Request::Command(request)) => request,
            other => panic!("not a command: {other:?}"),
        }
    }

    async fn stop(self) {
        self.stop.cancel();
        timeout(PATIENCE, self.task).await.expect("an end in time").unwrap();
    }
}

fn settings(port: u16) -> MqttSettings {
    MqttSettings {
        birth_delay_max: Duration::from_millis(10),
        read_back: Duration::from_millis(300),
        ..MqttSettings::plain("127.0.0.1", port, "bridge-under-test")
    }
}

fn options() -> Options {
    Options {
        version: "1.0.0",
        support_url: "https://example.com",
        ..Options::default()
    }
}

fn fleet(change: impl FnOnce(&mut CarView)) -> Fleet {
    let vin = Vin::parse(VIN).unwrap();
    let mut view = CarView {
        car: Car {
            vin: vin.clone(),
            model: Model::C10,
            name: Some("Family car".to_owned()),
            year: Some(2026),
            car_id: None,
            shared: false,
            share_expires: None,
            rights: BTreeSet::new(),
            abilities: BTreeSet::new(),
        },
        powertrain: Powertrain::Bev,
        state: Some(VehicleState::default()),
        evidence: BTreeSet::new(),
        unknown_signals: BTreeSet::new(),
        pending: BTreeMap::new(),
        pin: PinStatus::Ready,
        reachable: true,
    };
    change(&mut view);
    Fleet::from([(vin, Arc::new(view))])
}

fn car_topic(path: &str) -> String {
    format!("leapmotor2mqtt/{VIN}/{path}")
}

fn config_topic() -> String {
    format!("homeassistant/device/leapmotor2mqtt_{VIN}/config")
}

fn says(word: &'static str) -> impl Fn(&BTreeMap<String, String>) -> bool {
    move |held| held.values().any(|value| value == word)
}

fn assert_refused(answer: &Publish, reason: &str) {
    let json: Json = serde_json::from_slice(&answer.payload).unwrap();
    assert_eq!(
        (&json["state"], &json["reason"]),
        (&"refused".into(), &reason.into()),
        "{json}"
    );
    assert!(!answer.retain);
}

fn report(request: &CommandRequest, state: CommandState) -> CommandReport {
    CommandReport {
        ticket: request.ticket,
        vin: request.vin.clone(),
        command: "unlock",
        id: request.id.clone(),
        origin: request.origin,
        state,
        reason: None,
        received: request.received,
        finished: (state != CommandState::Accepted).then(Timestamp::now),
    }
}

/// What the bridge of this test logs. The log is one for the process, because the callsites are; each test has a thread of
/// its own.
struct Log(ThreadId);

static LINES: Mutex<BTreeMap<String, Vec<u8>>> = Mutex::new(BTreeMap::new());

impl Log {
    fn capture() -> Self {
        static ONCE: Once = Once::new();
        ONCE.call_once(|| {
            tracing_subscriber::fmt()
                .with_ansi(false)
                .with_env_filter(format!("debug,{LOG_DIRECTIVE}"))
                .with_writer(|| Log(thread::current().id()))
                .init();
        });
        Self(thread::current().id())
    }

    fn text(&self) -> String {
        let lines = LINES.lock().unwrap();
        let text = lines.get(&self.key()).map(Vec::as_slice).unwrap_or_default();
        String::from_utf8_lossy(text).into_owned()
    }

    async fn until(&self, wanted: &str) {
        let seen = async {
            while !self.text().contains(wanted) {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        timeout(PATIENCE, seen)
            .await
            .unwrap_or_else(|_| panic!("the log says:\n{}", self.text()));
    }

    fn key(&self) -> String {
        format!("{:?}", self.0)
    }
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        LINES
            .lock()
            .unwrap()
            .entry(self.key())
            .or_default()
            .extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
