//! What the fuzz targets look for, as property tests: whatever comes in, nothing breaks.

#![allow(missing_docs, reason = "a test binary has no readers of its documentation")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "what fails here fails the test")]

#[path = "../fuzz/src/lib.rs"]
mod harness;

use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use serde_json::{Value as Json, json};

/// Every signal number and named field that a car has been seen to send.
fn fields() -> Vec<String> {
    let table = include_str!("data/protocol/signals.csv");
    // The first column is the number, the third the name.
    let names = table
        .lines()
        .skip(1)
        .flat_map(|line| line.split(',').step_by(2).take(2));
    let known = names.filter(|name| !name.is_empty()).map(str::to_owned);
    known.chain(["99999".to_owned()]).collect()
}

fn garbage() -> impl Strategy<Value = Json> {
    prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        any::<f64>().prop_map(|number| json!(number)),
        any::<i64>().prop_map(Json::from),
        (-5..300_i64).prop_map(Json::from),
        "\\PC{0,300}".prop_map(Json::from),
        vec(any::<i32>(), 0..3).prop_map(Json::from),
        Just(json!({"value": 1})),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn any_bytes_on_any_command_topic_do_no_harm(
        topic in any::<u16>(), properties in any::<[u8; 2]>(), payload in vec(any::<u8>(), 0..120),
    ) {
        harness::any_message(&[&topic.to_le_bytes()[..], &properties, &payload].concat());
    }

    #[test]
    fn any_text_on_any_command_topic_does_no_harm(
        topic in any::<u16>(), payload in "\\PC{0,60}|[0-9.eE+-]{1,12}|\\{\"command\":\"[a-z-]{1,20}\",\"params\":\\{\\}\\}",
    ) {
        harness::any_message(&[&topic.to_le_bytes()[..], &[0, 60], payload.as_bytes()].concat());
    }
}

proptest! {
    // Each case announces a car three times.
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_status_with_every_field_garbage_does_no_harm(
        model in any::<u8>(), status in btree_map(proptest::sample::select(fields()), garbage(), 0..200), nested in any::<bool>(),
    ) {
        let status = Json::Object(status.into_iter().collect());
        let status = if nested { json!({"signal": status}) } else { status };
        harness::any_status(&[&[model][..], status.to_string().as_bytes()].concat());
    }
}

#[test]
fn what_is_no_status_at_all_does_no_harm() {
    for garbage in [
        "",
        "null",
        "[]",
        "7",
        "\"text\"",
        "{\"signal\":[]}",
        "{\"signal\":\"x\"}",
        "{",
    ] {
        for model in 0..6 {
            harness::any_status(&[&[model][..], garbage.as_bytes()].concat());
        }
    }
}
