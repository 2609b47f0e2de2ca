//! Anything at all on every command topic there is.

use std::sync::LazyLock;

use proptest::collection::vec;
use proptest::sample::select;

use super::*;
use crate::homeassistant::topics::command_topics;
use crate::vehicle::command::registry::{self, COMMANDS};

/// Every topic on which something can be asked of the fleet.
static TOPICS: LazyLock<Vec<String>> = LazyLock::new(|| {
    let options = options();
    fleet()
        .values()
        .flat_map(|view| command_topics(view, &options))
        .collect()
});
static OPTIONS: LazyLock<Options> = LazyLock::new(options);

/// What is asked for, if anything is.
fn asked(topic: &str, payload: &[u8]) -> Option<Intent> {
    match Inbox::new().admit(&message(topic, payload), &fleet(), &OPTIONS, now()) {
        Verdict::Act(inbound) => Some(inbound.intent),
        Verdict::Ignore | Verdict::Refuse(_) => None,
    }
}

fn any_topic() -> impl Strategy<Value = &'static str> {
    (0..TOPICS.len()).prop_map(|index| TOPICS[index].as_str())
}

/// Words that mean something on one topic or another.
const WORDS: &[&str] = &[
    "LOCK",
    "UNLOCK",
    "OPEN",
    "CLOSE",
    "STOP",
    "PRESS",
    "ON",
    "OFF",
    "on",
    "off",
    "heat",
    "cool",
    "fan_only",
    "auto",
    "quick_cool",
    "defrost",
    "none",
    "install",
    "80",
    "22",
];

fn any_json() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        any::<f64>().prop_map(Json::from),
        any::<i64>().prop_map(Json::from),
        ".{0,8}".prop_map(Json::from),
        (0..COMMANDS.len()).prop_map(|row| Json::from(COMMANDS[row].name)),
    ];
    let keys = "command|params|id|expires|[a-z]{1,6}";
    leaf.prop_recursive(3, 20, 4, move |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Json::from),
            prop::collection::btree_map(keys, inner, 0..4)
                .prop_map(|members| Json::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn bytes_that_are_no_text_ask_for_nothing(
        topic in any_topic(), start in vec(any::<u8>(), 0..32), bad in 0x80_u8..0xc0, end in vec(any::<u8>(), 0..32),
    ) {
        // A continuation byte after the end of a character is never UTF-8.
        let payload = [start.as_slice(), b"x", &[bad], end.as_slice()].concat();
        prop_assert_eq!(asked(topic, &payload), None);
    }

    #[test]
    fn any_bytes_any_text_and_any_document_get_a_verdict(
        topic in any_topic(), bytes in vec(any::<u8>(), 0..80), text in "\\PC{0,40}", json in any_json(),
    ) {
        for payload in [bytes.as_slice(), text.as_bytes(), json.to_string().as_bytes()] {
            if let Some(Intent::Car(_, command)) = asked(topic, payload) {
                prop_assert!(registry::find(command.name()).is_some());
            }
        }
    }

    #[test]
    fn a_word_that_is_almost_right_asks_for_nothing(
        topic in any_topic(), word in select(WORDS), spoilt in select(&["\0", "\u{feff}", "!", "\"", ";LOCK", ",", "\u{200b}"][..]),
        before in any::<bool>(),
    ) {
        let payload = if before { format!("{spoilt}{word}") } else { format!("{word}{spoilt}") };
        prop_assert_eq!(asked(topic, payload.as_bytes()), None, "{}", payload);
    }

    #[test]
    fn a_document_asks_for_what_it_names_and_for_nothing_else(json in any_json()) {
        let topic = topic(C10, "command");
        let Some(intent) = asked(&topic, json.to_string().as_bytes()) else { return Ok(()) };
        let Intent::Car(_, command) = intent else { panic!("{intent:?} is no command") };
        let named = json["command"].as_str().and_then(registry::find);
        // One row may be another spelling of the other, as climate on with the usual settings.
        prop_assert_eq!(named.map(|row| row.effect_group), Some(command.spec().effect_group), "{}", json);
    }
}
