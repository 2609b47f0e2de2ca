//! What other bridges for the same cars left on the broker: whose a retained topic is, by the layout they document.
//!
//! Only their default prefixes are known here. What lies below another one that a user chose is not touched.

use serde_json::Value as Json;

use crate::homeassistant::Options;

/// A bridge that a user may come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum OtherBridge {
    /// LeapConnect: values at `leapconnect/<VIN>/…`, its state at `leapconnect/bridge/state`, one discovery message per
    /// entity at `<prefix>/<platform>/leapconnect_<vin, lower case>[/<key>]/config`.
    LeapConnect,
    /// leapmotor-mate: values at `leapmotor/<VIN>/…`. Its discovery messages are known by the values they point at.
    Mate,
}

/// Characters of a vehicle identification number.
const VIN_LENGTH: usize = 17;

impl OtherBridge {
    /// First level of its own topics.
    fn base(self) -> &'static str {
        match self {
            Self::LeapConnect => "leapconnect",
            Self::Mate => "leapmotor",
        }
    }

    /// What to subscribe to in order to see everything it may have left, among much of others.
    pub fn filters(self, options: &Options) -> [String; 3] {
        let prefix = &options.discovery_prefix;
        [
            format!("{}/#", self.base()),
            format!("{prefix}/+/+/config"),
            format!("{prefix}/+/+/+/config"),
        ]
    }

    /// Whether it left this retained message; never true of one of ours.
    pub fn left(self, topic: &str, payload: &[u8], options: &Options) -> bool {
        if is_below(topic, &options.base_topic) {
            return false;
        }
        let rest = topic.strip_prefix(self.base()).and_then(|rest| rest.strip_prefix('/'));
        if let Some((subject, _)) = rest.and_then(|rest| rest.split_once('/')) {
            return is_vin(subject) || (self == Self::LeapConnect && rest == Some("bridge/state"));
        }
        let Some(object) = discovery_object(topic, options) else {
            return false;
        };
        match self {
            Self::LeapConnect => object.strip_prefix("leapconnect_").is_some_and(is_vin),
            Self::Mate => self.is_all_it_names(payload),
        }
    }

    /// Whether a discovery message names a value of a car at this bridge, and no topic of anybody else.
    fn is_all_it_names(self, payload: &[u8]) -> bool {
        let Ok(config) = serde_json::from_slice::<Json>(payload) else {
            return false;
        };
        let mut topics = Vec::new();
        collect_topics(&config, &mut topics);
        let of_a_car = |topic: &&str| {
            let rest = topic.strip_prefix(self.base()).and_then(|rest| rest.strip_prefix('/'));
            rest.and_then(|rest| rest.split_once('/'))
                .is_some_and(|(subject, _)| is_vin(subject))
        };
        topics.iter().any(of_a_car) && topics.iter().all(|topic| is_below(topic, self.base()))
    }
}

/// The level after the platform of a discovery topic.
fn discovery_object<'t>(topic: &'t str, options: &Options) -> Option<&'t str> {
    let rest = topic
        .strip_prefix(options.discovery_prefix.as_str())?
        .strip_prefix('/')?;
    let levels: Vec<&str> = rest.split('/').collect();
    match levels.as_slice() {
        [_, object, "config"] | [_, object, _, "config"] => Some(object),
        _ => None,
    }
}

/// Every text of a discovery message under a key that names a topic.
fn collect_topics<'j>(json: &'j Json, topics: &mut Vec<&'j str>) {
    match json {
        Json::Object(members) => {
            for (key, value) in members {
                match value {
                    Json::String(text) if names_a_topic(key) => topics.push(text),
                    value => collect_topics(value, topics),
                }
            }
        }
        Json::Array(items) => items.iter().for_each(|item| collect_topics(item, topics)),
        _ => {}
    }
}

/// `topic`, `state_topic`, and their short forms `t` and `stat_t`.
fn names_a_topic(key: &str) -> bool {
    matches!(key.rsplit('_').next(), Some("topic" | "t"))
}

fn is_below(topic: &str, base: &str) -> bool {
    topic.strip_prefix(base).is_some_and(|rest| rest.starts_with('/'))
}

fn is_vin(level: &str) -> bool {
    level.len() == VIN_LENGTH && level.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests {
    use super::*;

    const VIN: &str = "LFZTEST0000000001";

    fn left(bridge: OtherBridge, topic: &str, payload: &str) -> bool {
        bridge.left(
            &topic.replace("VIN", VIN),
            payload.replace("VIN", VIN).as_bytes(),
            &Options::default(),
        )
    }

    #[test]
    fn what_leapconnect_left_is_told_by_its_topics() {
        let theirs = |topic: &str| left(OtherBridge::LeapConnect, topic, "{}");
        let node = format!("leapconnect_{}", VIN.to_lowercase());
        for topic in [
            "leapconnect/VIN/state",
            "leapconnect/VIN/image",
            "leapconnect/VIN/a/b",
            "leapconnect/bridge/state",
            &format!("homeassistant/sensor/{node}/battery_soc/config"),
            &format!("homeassistant/device_tracker/{node}/config"),
        ] {
            assert!(theirs(topic), "{topic}");
        }
        for topic in [
            "leapconnect",
            "leapconnect/VIN",
            "leapconnect/settings/x",
            "leapconnect/bridge/other",
            "leapconnect2/VIN/state",
            "leapmotor/VIN/soc",
            "leapmotor2mqtt/VIN/range",
            "homeassistant/sensor/leapconnect_home/x/config",
            "homeassistant/sensor/other/battery_soc/config",
            &format!("other/sensor/{node}/battery_soc/config"),
            &format!("homeassistant/sensor/{node}/battery_soc/other"),
        ] {
            assert!(!theirs(topic), "{topic}");
        }
    }

    #[test]
    fn what_mate_left_is_told_by_its_values_and_by_what_points_at_nothing_else() {
        let theirs = |topic: &str, payload: &str| left(OtherBridge::Mate, topic, payload);
        let value =
            r#"{"name":"Battery","state_topic":"leapmotor/VIN/soc","availability":[{"topic":"leapmotor/status"}]}"#;
        let device = r#"{"dev":{},"cmps":{"soc":{"p":"sensor","stat_t":"leapmotor/VIN/soc"}}}"#;
        let config = "homeassistant/sensor/anything/soc/config";
        assert!(theirs("leapmotor/VIN/soc", "57") && theirs("leapmotor/VIN/evcc/plugged", "true"));
        assert!(theirs(config, value) && theirs("homeassistant/sensor/x/config", value));
        assert!(theirs("homeassistant/device/x/config", device));
        for (topic, payload) in [
            ("leapmotor/status", "online"),
            ("leapmotor2mqtt/VIN/range", "1"),
            (config, r#"{"state_topic":"leapmotor2mqtt/VIN/range"}"#),
            (config, r#"{"state_topic":"zigbee2mqtt/plug"}"#),
            // Somebody's own helper that reads the car, among other things.
            (
                config,
                r#"{"state_topic":"leapmotor/VIN/soc","command_topic":"home/charger/set"}"#,
            ),
            (config, r#"{"name":"leapmotor/VIN/soc"}"#),
            (config, "no JSON"),
        ] {
            assert!(!theirs(topic, payload), "{topic} {payload}");
        }
    }

    #[test]
    fn nothing_of_ours_is_theirs_whatever_our_base_topic() {
        let options = Options {
            base_topic: "leapmotor".to_owned(),
            ..Options::default()
        };
        let topic = format!("leapmotor/{VIN}/range");
        assert!(OtherBridge::Mate.left(&topic, b"1", &Options::default()));
        assert!(!OtherBridge::Mate.left(&topic, b"1", &options));
    }
}
