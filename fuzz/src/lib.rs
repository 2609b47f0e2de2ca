//! What must hold whatever bytes come in. The fuzz targets look for bytes for which it does not; `tests/any_bytes.rs` runs
//! the same functions as property tests, since fuzzing takes a nightly compiler.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use jiff::Timestamp;
use leapmotor2mqtt::cloud::signals;
use leapmotor2mqtt::homeassistant::{
    Facts, Inbox, Message, Options, Verdict, bridge_command_topics, car_discovery, car_states, command_topics,
    decode_values,
};
use leapmotor2mqtt::vehicle::command::registry;
use leapmotor2mqtt::vehicle::derive::{Memory, derive};
use leapmotor2mqtt::vehicle::intent::Intent;
use leapmotor2mqtt::vehicle::{Car, CarView, Fleet, Model, PinStatus, Powertrain, Reading, VehicleState, Vin};
use serde_json::Value as Json;

/// The largest discovery message that brokers and Home Assistant are expected to take.
const LARGEST: usize = 128 * 1024;
/// The longest state that Home Assistant takes.
const LONGEST_STATE: usize = 255;
/// How many bytes at the front say what kind of message the rest is.
const HEAD: usize = 4;

static OPTIONS: LazyLock<Options> = LazyLock::new(Options::default);

/// A T03, a B10, a C10 with a tank, and a model nobody knows.
static FLEET: LazyLock<Fleet> = LazyLock::new(|| {
    ["T03", "B10", "C10-REEV", "Z99"]
        .iter()
        .zip(1..)
        .map(|(code, number)| {
            let mut view = view(Model::parse(code), number);
            if code.ends_with("REEV") {
                view.powertrain = Powertrain::Reev;
            }
            view.evidence.extend(Reading::ALL);
            (view.car.vin.clone(), Arc::new(view))
        })
        .collect()
});

static TOPICS: LazyLock<Vec<String>> = LazyLock::new(|| {
    let of_cars = FLEET.values().flat_map(|view| command_topics(view, &OPTIONS));
    of_cars
        .chain(bridge_command_topics(&Facts::new(), &OPTIONS))
        .chain([
            "leapmotor2mqtt/NOBODY/command".to_owned(),
            "leapmotor2mqtt/bridge/x/set".to_owned(),
        ])
        .collect()
});

/// Any bytes on any command topic: no panic, nothing from a retained or repeated message, nothing but commands that exist
/// for cars that exist, and a reason for every refusal. The first bytes choose topic and properties.
pub fn any_message(data: &[u8]) {
    let Some((head, payload)) = data.split_at_checked(HEAD) else {
        return;
    };
    let topic = &TOPICS[usize::from(u16::from_le_bytes([head[0], head[1]])) % TOPICS.len()];
    let (retained, duplicate) = (head[2] & 1 == 1, head[2] & 2 == 2);
    let message = Message {
        topic,
        payload,
        retained,
        duplicate,
        correlation: (head[2] & 4 == 4).then_some(&head[2..]),
        expiry: (head[2] & 8 == 8).then(|| Duration::from_secs(head[3].into())),
    };
    let mut inbox = Inbox::new();
    for _ in 0..2 {
        match inbox.admit(&message, &FLEET, &OPTIONS, now()) {
            Verdict::Ignore => {}
            Verdict::Refuse(refusal) => {
                assert!(!refusal.detail.is_empty(), "{topic}: refused without a word");
                assert_eq!(refusal.clear_retained, retained, "{topic}");
            }
            Verdict::Act(inbound) => {
                assert!(
                    !retained && !duplicate,
                    "{topic}: carried out though retained or repeated"
                );
                if let Intent::Car(vin, command) = &inbound.intent {
                    assert!(FLEET.contains_key(vin), "{topic}: a command for nobody");
                    assert!(registry::find(command.name()).is_some(), "{topic}: {command:?}");
                }
            }
        }
    }
}

/// Any bytes as the status of a car of any model, after a status of it that was good: no panic, a discovery message that
/// Home Assistant takes, states of ours alone and none too long.
pub fn any_status(data: &[u8]) {
    let Some((&head, bytes)) = data.split_first() else {
        return;
    };
    let Ok(status) = serde_json::from_slice::<Json>(bytes) else {
        return;
    };
    let code = ["T03", "B10", "C10", "C10-REEV", "Z99", ""][usize::from(head) % 6];
    let model = Model::parse(code);
    let good = serde_json::json!({"1204": 57, "1298": 0, "1319": 0, "1010": 0, "sts": now().as_millisecond()});
    let mut memory = Memory::default();
    let mut evidence = std::collections::BTreeSet::new();
    for status in [&good, &status, &status] {
        let frame = signals::decode(status);
        evidence.extend(frame.readings.keys().copied());
        let (state, remembered) = derive(&frame, &model, &memory, now());
        memory = remembered;
        let view = CarView {
            powertrain: memory.powertrain(),
            evidence: evidence.clone(),
            unknown_signals: frame.unknown.keys().copied().collect(),
            state: Some(state),
            ..view(model.clone(), 1)
        };
        check_announcement(&view);
    }
}

fn check_announcement(view: &CarView) {
    let facts = Facts::new();
    let messages = car_discovery(view, &facts, &OPTIONS);
    assert_eq!(messages.len(), 1);
    for message in &messages {
        assert!(message.payload.len() < LARGEST, "{} bytes", message.payload.len());
        let payload: Json = serde_json::from_str(&message.payload).expect("JSON");
        let components = payload["cmps"].as_object().expect("components");
        assert_eq!(components.len(), message.components.len());
        for (key, component) in components {
            assert!(component["p"].is_string(), "{key}: {component}");
        }
    }
    let own = format!("{}/{}/", OPTIONS.base_topic, view.car.vin.as_str());
    for state in car_states(view, &facts, &OPTIONS, now()) {
        assert!(state.topic.starts_with(&own), "{}", state.topic);
        let text = std::str::from_utf8(&state.payload).expect("text");
        // An object or its attributes are no state.
        let is_state = !text.starts_with('{');
        assert!(
            !is_state || text.chars().count() <= LONGEST_STATE,
            "{}: {text}",
            state.topic
        );
    }
    for (key, value) in decode_values(view, &OPTIONS, now()) {
        assert!(!value.is_object() && !value.is_array(), "{key}: {value}");
    }
}

fn view(model: Model, number: u32) -> CarView {
    let vin = Vin::parse(&format!("LFZFUZZ{number:010}")).expect("a VIN");
    CarView {
        car: Car::unlisted(vin, model),
        powertrain: Powertrain::Bev,
        state: Some(VehicleState::default()),
        evidence: [].into(),
        unknown_signals: [].into(),
        pending: BTreeMap::new(),
        pin: PinStatus::Ready,
        reachable: true,
    }
}

fn now() -> Timestamp {
    Timestamp::constant(1_790_000_000, 0)
}
