//! What the broker should hold, worked out without the bridge's own publishing: from the status object that the
//! simulated cloud serves, by the command `decode`.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

/// Retained topics with their payloads.
pub type Retained = BTreeMap<String, String>;

/// Rows of `decode` whose topic may rightly hold something else, and why.
const NOT_COMPARED: [(&str, &str); 9] = [
    ("data_age", "counts on; goes out every five minutes"),
    ("lock_state_age", "counts on; goes out every five minutes"),
    ("last_vehicle_update", "goes out every five minutes"),
    (
        "last_cloud_refresh",
        "the time of our own read; goes out every quarter of an hour",
    ),
    ("parked_since", "remembered from earlier frames"),
    ("parked_location", "remembered from earlier frames"),
    ("charge_finish_time", "held still while the estimate wavers"),
    ("speed_limit", "a control that the owner has not allowed"),
    ("ownership", "from the vehicle list"),
];

/// Topics that are told only once something has happened, so that a restart empties them.
const SINCE_THE_START: [&str; 2] = ["/last_command", "/last_command/attributes"];

/// What the bridge says of itself when all is well.
const WELL: [(&str, &str); 5] = [
    ("state", "online"),
    ("bridge_cloud", "ON"),
    ("bridge_problem", "OFF"),
    ("bridge_reauth_needed", "OFF"),
    ("bridge_last_error", "ok"),
];

/// Where a car's topics differ from what its status object says.
pub fn of_car(vin: &str, decoded: &Map<String, Value>, retained: &Retained) -> Vec<String> {
    let topic = |key: &str| retained.get(&format!("leapmotor2mqtt/{vin}/{key}")).map(String::as_str);
    let mut differences = Vec::new();
    for (key, expected) in decoded {
        let (row, part) = key
            .split_once('/')
            .map_or((key.as_str(), None), |(row, part)| (row, Some(part)));
        if key == "vin" || NOT_COMPARED.iter().any(|(excepted, _)| *excepted == row) {
            continue;
        }
        // A part has a topic of its own, unless the row's topic is a JSON object that holds it.
        let held = topic(key).map(str::to_owned).or_else(|| {
            let object: Value = serde_json::from_str(topic(row)?).ok()?;
            let field = object.get(part?)?;
            Some(field.as_str().map_or_else(|| field.to_string(), str::to_owned))
        });
        if !agree(expected, held.as_deref()) {
            differences.push(format!("{vin}/{key} is {held:?}, the cloud says {expected}"));
        }
    }
    for key in ["availability", "commands/availability"] {
        if topic(key) != Some("online") {
            differences.push(format!("{vin}/{key} is {:?}", topic(key)));
        }
    }
    if let Some(phase @ ("backoff" | "yielding")) = topic("poll_phase") {
        differences.push(format!("{vin} is still {phase}"));
    }
    differences
}

/// Where the bridge's own topics are not as they are when all is well, with so many unread messages.
pub fn of_bridge(messages: u32, retained: &Retained) -> Vec<String> {
    let unread = messages.to_string();
    WELL.into_iter()
        .chain([("messages_unread", unread.as_str())])
        .filter_map(|(key, expected)| {
            let held = retained
                .get(&format!("leapmotor2mqtt/bridge/{key}"))
                .map(String::as_str);
            (held != Some(expected)).then(|| format!("bridge/{key} is {held:?} instead of {expected}"))
        })
        .collect()
}

/// Topics of the calm before that are lost or not known any more, announcements that are another, and commands that
/// the broker still keeps.
pub fn since(calm: &Retained, decoded: impl Fn(&str) -> bool, retained: &Retained) -> Vec<String> {
    let known = |payload: &str| !matches!(payload, "" | "None" | "{}");
    let mut differences = Vec::new();
    for (topic, before) in calm {
        if SINCE_THE_START.iter().any(|end| topic.ends_with(end)) {
            continue;
        }
        match retained.get(topic) {
            None if known(before) => differences.push(format!("{topic} is gone")),
            Some(now) if topic.ends_with("/config") && now != before => {
                differences.push(format!(
                    "{topic} announces something else: {}",
                    first_difference(before, now)
                ));
            }
            // What is decoded from the status may become unknown by right.
            Some(now) if known(before) && !known(now) && !decoded(topic) => {
                differences.push(format!("{topic} is not known any more"));
            }
            _ => {}
        }
    }
    let is_command = |topic: &&String| topic.ends_with("/set") || topic.ends_with("/command");
    differences.extend(
        retained
            .keys()
            .filter(is_command)
            .map(|topic| format!("{topic} is still retained")),
    );
    differences
}

/// Whether a payload means the value.
fn agree(expected: &Value, held: Option<&str>) -> bool {
    match (expected, held) {
        (Value::Null, held) => matches!(held, None | Some("" | "None" | "{}")),
        (Value::Bool(flag), Some(held)) => held == if *flag { "ON" } else { "OFF" },
        (Value::Number(number), Some(held)) => held.parse::<f64>().ok() == number.as_f64(),
        (Value::String(text), Some(held)) => held == text,
        (Value::Array(_) | Value::Object(_), _) | (_, None) => false,
    }
}

fn first_difference(before: &str, now: &str) -> String {
    let place = before.bytes().zip(now.bytes()).take_while(|(a, b)| a == b).count();
    let around = |text: &str| {
        text.chars()
            .skip(place.saturating_sub(60))
            .take(160)
            .collect::<String>()
    };
    format!("{:?} instead of {:?}", around(now), around(before))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn retained(topics: &[(&str, &str)]) -> Retained {
        let owned = |(topic, payload): &(&str, &str)| (format!("leapmotor2mqtt/{topic}"), (*payload).to_owned());
        topics.iter().map(owned).collect()
    }

    fn car(decoded: &Value, topics: &[(&str, &str)]) -> Vec<String> {
        let up = [("V/availability", "online"), ("V/commands/availability", "online")];
        of_car(
            "V",
            decoded.as_object().unwrap(),
            &retained(&[topics, up.as_slice()].concat()),
        )
    }

    #[test]
    fn each_kind_of_value_is_compared() {
        let decoded = json!({"soc": 57, "open": true, "gear": null, "lock": "LOCKED", "place/latitude": 45.5, "climate/mode": "off"});
        let right = [
            ("V/soc", "57.0"),
            ("V/open", "ON"),
            ("V/gear", "None"),
            ("V/lock", "LOCKED"),
            ("V/place", r#"{"latitude":45.5}"#),
            ("V/climate/mode", "off"),
        ];
        assert_eq!(car(&decoded, &right), [""; 0]);
        for (index, wrong) in ["58", "OFF", "P", "UNLOCKED", r#"{"latitude":1}"#, "heat"]
            .into_iter()
            .enumerate()
        {
            let mut topics = right;
            topics[index].1 = wrong;
            assert_eq!(car(&decoded, &topics).len(), 1, "{wrong}");
        }
    }

    #[test]
    fn an_absent_topic_and_a_car_that_is_not_available_are_found() {
        assert_eq!(car(&json!({"soc": 57}), &[]).len(), 1);
        assert_eq!(car(&json!({"data_age": 57}), &[]).len(), 0);
        assert_eq!(
            of_car("V", &Map::new(), &retained(&[("V/availability", "offline")])).len(),
            2
        );
        assert_eq!(car(&json!({}), &[("V/poll_phase", "backoff")]).len(), 1);
    }

    #[test]
    fn what_the_calm_held_must_come_back_and_commands_must_go() {
        let calm = retained(&[
            ("V/software", "1.2"),
            ("V/soc", "5"),
            ("V/x/config", "a"),
            ("V/last_command", "lock"),
        ]);
        let decoded = |topic: &str| topic.ends_with("/soc");
        assert_eq!(since(&calm, decoded, &calm), [""; 0]);
        let later = retained(&[
            ("V/software", "None"),
            ("V/soc", "None"),
            ("V/x/config", "b"),
            ("V/door_lock/set", "UNLOCK"),
        ]);
        assert_eq!(since(&calm, decoded, &later).len(), 3);
        assert_eq!(since(&calm, decoded, &Retained::new()).len(), 3);
    }

    #[test]
    fn the_bridge_has_to_say_that_all_is_well() {
        assert_eq!(of_bridge(2, &Retained::new()).len(), WELL.len() + 1);
        let mut well: Retained = WELL
            .iter()
            .map(|(key, value)| (format!("leapmotor2mqtt/bridge/{key}"), (*value).to_owned()))
            .collect();
        well.insert("leapmotor2mqtt/bridge/messages_unread".to_owned(), "2".to_owned());
        assert_eq!(of_bridge(2, &well), [""; 0]);
        assert_eq!(of_bridge(3, &well).len(), 1);
    }
}
