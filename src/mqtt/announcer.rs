//! Which discovery messages to publish, and which to take back.
//!
//! Pure. Home Assistant never forgets a component by itself: to remove one, its device message has to name it once with
//! nothing but its platform, and only then leave it out. So we remember what we announced (the [`Manifest`]), and read
//! back what the broker holds, which also tells what has to be published at all.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::de::IntoDeserializer;
use serde::de::value::{Error as ValueError, StrDeserializer};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::outbox::Retained;
use crate::homeassistant::{Discovery, Options, Platform, with_removals};
use crate::vehicle::Vin;
use crate::vehicle::facts::Subject;

/// The name every discovery message of ours gives as its origin, and the start of its object or node id.
const ORIGIN: &str = "leapmotor2mqtt";

/// The object id of the bridge's own device message, after `leapmotor2mqtt_`; a car has its VIN there.
const BRIDGE: &str = "bridge";

/// What was announced, to be kept across restarts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Discovery topic → key of a component → name of its platform.
    pub announced: BTreeMap<String, BTreeMap<String, String>>,
}

/// Keeps the discovery messages on the broker as they should be.
#[derive(Debug)]
pub struct Announcer {
    manifest: Manifest,
    /// Our discovery messages on the broker, as far as they were read back or published on this connection.
    held: BTreeMap<String, Arc<[u8]>>,
    /// How values of our own topics begin inside a JSON text. Two bridges may share a discovery prefix; each leaves
    /// alone what points at the topics of the other.
    own_topics: String,
}

/// What to publish, and whose state topics to clear.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Announcement {
    /// In this order.
    pub messages: Vec<Retained>,
    /// Cars that are gone, with the keys of what was announced of them.
    pub gone: BTreeMap<Vin, BTreeSet<String>>,
    /// Components that were announced and are not wanted any more, of those who are still there.
    pub retired: BTreeSet<(Subject, String)>,
}

impl Announcer {
    /// Remembers what an earlier run announced.
    pub fn new(manifest: Manifest, options: &Options) -> Self {
        Self {
            manifest,
            held: BTreeMap::new(),
            own_topics: format!("\"{}/", options.base_topic),
        }
    }

    /// What has been announced.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// A new connection: what the broker holds is not known any more.
    pub fn forget_broker(&mut self) {
        self.held.clear();
    }

    /// Takes a retained message on a discovery topic, read back from the broker; those of others are ignored. The
    /// answer tells whether it is ours.
    pub fn read_back(&mut self, topic: &str, payload: &[u8]) -> bool {
        let ours = object_of(topic).is_some() && self.is_ours(payload);
        if ours {
            self.held.insert(topic.to_owned(), payload.into());
        }
        ours
    }

    /// What to publish so that the broker holds `wanted`, counted as published. Whatever else of ours it holds is taken
    /// back only if `wanted` is `complete`: before the accounts have told their cars, a car we do not know yet is not gone.
    pub fn announce(&mut self, wanted: &[&Discovery], complete: bool) -> Announcement {
        let mut announcement = Announcement::default();
        for &discovery in wanted {
            if self.is_as_wanted(discovery) {
                continue;
            }
            let announced = self.announced_before(&discovery.topic);
            if let Some(subject) = object_of(&discovery.topic).and_then(subject_of) {
                let retired = announced.keys().filter(|key| !discovery.components.contains_key(*key));
                announcement
                    .retired
                    .extend(retired.map(|key| (subject.clone(), key.clone())));
            }
            let removal = with_removals(discovery, &announced).map(Arc::from);
            if removal.is_some() || !self.holds(discovery) {
                let payloads = removal.iter().chain([&discovery.payload]);
                announcement.messages.extend(payloads.map(|payload| Retained {
                    topic: discovery.topic.as_str().into(),
                    payload: payload.clone().into(),
                }));
            }
            self.remember(discovery);
        }
        if complete {
            self.take_back_others(wanted, &mut announcement);
        }
        announcement
    }

    /// The cars that were announced, in this run or an earlier one.
    pub fn cars(&self) -> BTreeSet<Vin> {
        let topics = self.manifest.announced.keys().chain(self.held.keys());
        topics
            .filter_map(|topic| object_of(topic))
            .filter(|object| *object != BRIDGE)
            .filter_map(|object| Vin::parse(object).ok())
            .collect()
    }

    fn take_back_others(&mut self, wanted: &[&Discovery], announcement: &mut Announcement) {
        let wanted: BTreeSet<&str> = wanted.iter().map(|discovery| discovery.topic.as_str()).collect();
        let wanted_objects: BTreeSet<&str> = wanted.iter().filter_map(|topic| object_of(topic)).collect();
        let topics: BTreeSet<String> = self
            .manifest
            .announced
            .keys()
            .chain(self.held.keys())
            .cloned()
            .collect();
        for topic in topics.into_iter().filter(|topic| !wanted.contains(topic.as_str())) {
            let components = self.components_before(&topic);
            self.manifest.announced.remove(&topic);
            self.held.remove(&topic);
            // A topic of an old prefix may belong to a car that is still there.
            if let Some(object) = object_of(&topic)
                && object != BRIDGE
                && !wanted_objects.contains(object)
                && let Ok(vin) = Vin::parse(object)
            {
                announcement.gone.entry(vin).or_default().extend(components.into_keys());
            }
            announcement.messages.push(Retained {
                topic: topic.into(),
                payload: Arc::default(),
            });
        }
    }

    /// Whether there is nothing to do: the broker holds it, and we remember nothing else of it. Looked at before anything
    /// is read from payloads, since all devices are announced whenever one of them changes.
    fn is_as_wanted(&self, discovery: &Discovery) -> bool {
        let remembers = |known: &BTreeMap<String, String>| {
            known.len() == discovery.components.len()
                && discovery
                    .components
                    .iter()
                    .all(|(key, platform)| known.get(key).is_some_and(|known| known == platform.name()))
        };
        self.holds(discovery) && self.manifest.announced.get(&discovery.topic).is_some_and(remembers)
    }

    fn holds(&self, discovery: &Discovery) -> bool {
        self.held
            .get(&discovery.topic)
            .is_some_and(|held| **held == *discovery.payload.as_bytes())
    }

    fn remember(&mut self, discovery: &Discovery) {
        let components = discovery
            .components
            .iter()
            .map(|(key, platform)| (key.clone(), platform.name().to_owned()))
            .collect();
        self.manifest.announced.insert(discovery.topic.clone(), components);
        self.held
            .insert(discovery.topic.clone(), discovery.payload.clone().into());
    }

    /// What Home Assistant knows of this topic. A platform we do not know any more cannot be named, so its components stay.
    fn announced_before(&self, topic: &str) -> BTreeMap<String, Platform> {
        self.components_before(topic)
            .into_iter()
            .filter_map(|(key, platform)| Some((key, platform_named(&platform)?)))
            .collect()
    }

    /// The components of this topic, by key, with the names of their platforms: those we remember, and those the broker
    /// holds, in case we lost our memory.
    fn components_before(&self, topic: &str) -> BTreeMap<String, String> {
        let remembered = self.manifest.announced.get(topic).cloned().unwrap_or_default();
        let held = self
            .held
            .get(topic)
            .map(|payload| components_of(payload))
            .unwrap_or_default();
        remembered.into_iter().chain(held).collect()
    }

    fn is_ours(&self, payload: &[u8]) -> bool {
        let Ok(text) = std::str::from_utf8(payload) else {
            return false;
        };
        let Ok(config) = serde_json::from_str::<Json>(text) else {
            return false;
        };
        let origin = either(&config, "o", "origin").and_then(|origin| origin.get("name"));
        origin.and_then(Json::as_str) == Some(ORIGIN) && text.contains(&self.own_topics)
    }
}

/// What to subscribe to in order to read back our own discovery messages, among those of others.
pub fn discovery_filters(options: &Options) -> [String; 1] {
    [format!("{}/device/+/config", options.discovery_prefix)]
}

/// Whom a discovery topic of ours is about: a VIN, or `bridge`.
fn object_of(topic: &str) -> Option<&str> {
    topic
        .split('/')
        .find_map(|level| level.strip_prefix(ORIGIN)?.strip_prefix('_'))
}

fn subject_of(object: &str) -> Option<Subject> {
    match object {
        BRIDGE => Some(Subject::Bridge),
        vin => Vin::parse(vin).ok().map(Subject::Car),
    }
}

fn components_of(payload: &[u8]) -> BTreeMap<String, String> {
    let Ok(config) = serde_json::from_slice::<Json>(payload) else {
        return BTreeMap::new();
    };
    let Some(components) = either(&config, "cmps", "components").and_then(Json::as_object) else {
        return BTreeMap::new();
    };
    components
        .iter()
        // Topics are made of keys, and whoever may write on the broker can write any.
        .filter(|(key, _)| key.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_'))
        .filter_map(|(key, component)| {
            let platform = either(component, "p", "platform")?.as_str()?;
            Some((key.clone(), platform.to_owned()))
        })
        .collect()
}

fn either<'j>(json: &'j Json, short: &str, long: &str) -> Option<&'j Json> {
    json.get(short).or_else(|| json.get(long))
}

fn platform_named(name: &str) -> Option<Platform> {
    let name: StrDeserializer<'_, ValueError> = name.into_deserializer();
    Platform::deserialize(name).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn options() -> Options {
        Options {
            version: "1.0.0",
            support_url: "https://example.com",
            ..Options::default()
        }
    }

    fn announcer() -> Announcer {
        Announcer::new(Manifest::default(), &options())
    }

    fn announce(announcer: &mut Announcer, wanted: &[Discovery], complete: bool) -> Announcement {
        announcer.announce(&wanted.iter().collect::<Vec<_>>(), complete)
    }

    fn topic(object: &str) -> String {
        format!("homeassistant/device/leapmotor2mqtt_{object}/config")
    }

    fn discovery(object: &str, components: &[(&str, Platform)]) -> Discovery {
        let cmps: serde_json::Map<String, Json> = components
            .iter()
            .map(|(key, platform)| {
                (
                    key.to_string(),
                    json!({"p": platform.name(), "stat_t": "leapmotor2mqtt/x"}),
                )
            })
            .collect();
        Discovery {
            topic: topic(object),
            payload: json!({"o": {"name": "leapmotor2mqtt"}, "cmps": cmps})
                .to_string()
                .into(),
            components: components
                .iter()
                .map(|(key, platform)| (key.to_string(), *platform))
                .collect(),
        }
    }

    fn topics(announcement: &Announcement) -> Vec<&str> {
        announcement.messages.iter().map(|message| &*message.topic).collect()
    }

    fn gone(vin: &str, keys: &[&str]) -> BTreeMap<Vin, BTreeSet<String>> {
        let keys = keys.iter().map(|key| (*key).to_owned()).collect();
        BTreeMap::from([(Vin::parse(vin).unwrap(), keys)])
    }

    #[test]
    fn what_the_broker_already_holds_is_not_published_again() {
        let wanted = [
            discovery("A", &[("soc", Platform::Sensor)]),
            discovery("B", &[("soc", Platform::Sensor)]),
        ];
        let mut announcer = announcer();
        assert!(announcer.read_back(&wanted[0].topic, wanted[0].payload.as_bytes()));
        assert_eq!(topics(&announce(&mut announcer, &wanted, true)), [&wanted[1].topic]);
        assert_eq!(announce(&mut announcer, &wanted, true), Announcement::default());
    }

    #[test]
    fn a_broker_that_lost_everything_gets_everything() {
        let wanted = [discovery("A", &[("soc", Platform::Sensor)])];
        let mut announcer = announcer();
        announce(&mut announcer, &wanted, true);
        announcer.forget_broker();
        assert_eq!(topics(&announce(&mut announcer, &wanted, true)), [&wanted[0].topic]);
    }

    #[test]
    fn a_component_is_removed_in_two_steps() {
        let mut announcer = announcer();
        announce(
            &mut announcer,
            &[discovery("A", &[("soc", Platform::Sensor), ("old", Platform::Number)])],
            true,
        );
        let less = [discovery("A", &[("soc", Platform::Sensor)])];
        let announcement = announce(&mut announcer, &less, true);
        let [first, second] = announcement.messages.as_slice() else {
            panic!("{announcement:?}")
        };
        let first: Json = serde_json::from_slice(&first.payload).unwrap();
        assert_eq!(first["cmps"]["old"], json!({"p": "number"}));
        let car = Subject::Car(Vin::parse("A").unwrap());
        assert_eq!(announcement.retired, BTreeSet::from([(car, "old".to_owned())]));
        assert_eq!(*second.payload, *less[0].payload.as_bytes());
        assert_eq!(announce(&mut announcer, &less, true), Announcement::default());
    }

    #[test]
    fn a_component_the_broker_still_names_is_removed_although_our_memory_is_lost() {
        let before = discovery("A", &[("soc", Platform::Sensor), ("old", Platform::Number)]);
        let mut announcer = announcer();
        announcer.read_back(&before.topic, before.payload.as_bytes());
        let announcement = announce(&mut announcer, &[discovery("A", &[("soc", Platform::Sensor)])], false);
        assert_eq!(announcement.messages.len(), 2);
    }

    #[test]
    fn a_car_that_is_gone_is_taken_back_only_when_all_cars_are_known() {
        let (car, bridge) = (discovery("A", &[("soc", Platform::Sensor)]), discovery(BRIDGE, &[]));
        let mut announcer = announcer();
        announce(&mut announcer, &[car.clone(), bridge.clone()], true);
        assert_eq!(
            announce(&mut announcer, std::slice::from_ref(&bridge), false),
            Announcement::default()
        );
        let announcement = announce(&mut announcer, std::slice::from_ref(&bridge), true);
        assert_eq!(announcement.gone, gone("A", &["soc"]));
        assert_eq!(announcement.messages[0].topic.as_ref(), car.topic);
        assert!(announcement.messages[0].payload.is_empty());
        assert!(!announcer.manifest().announced.contains_key(&car.topic));
    }

    #[test]
    fn of_a_car_that_is_gone_everything_is_named_that_we_remember_or_the_broker_holds() {
        let text = json!({"announced": {topic("A"): {"soc": "sensor", "new": "hologram"}}}).to_string();
        let mut announcer = Announcer::new(serde_json::from_str(&text).unwrap(), &options());
        let held = discovery("A", &[("signal_77", Platform::Sensor), ("any/#", Platform::Sensor)]);
        assert!(announcer.read_back(&held.topic, held.payload.as_bytes()));
        let announcement = announce(&mut announcer, &[], true);
        assert_eq!(announcement.gone, gone("A", &["new", "signal_77", "soc"]));
    }

    #[test]
    fn an_orphan_is_ours_by_its_name_its_origin_and_its_topics() {
        let ours = discovery("A", &[("soc", Platform::Sensor)]);
        let mut announcer = announcer();
        assert!(!announcer.read_back("homeassistant/device/other/config", ours.payload.as_bytes()));
        assert!(!announcer.read_back(
            &ours.topic,
            ours.payload.replace("\"leapmotor2mqtt\"", "\"other\"").as_bytes()
        ));
        assert!(!announcer.read_back(
            &ours.topic,
            ours.payload.replace("leapmotor2mqtt/x", "demo/x").as_bytes()
        ));
        assert!(!announcer.read_back(&ours.topic, &[0xff, 0xfe]));
        assert!(!announcer.read_back(&ours.topic, b"{"));
        assert!(announcer.read_back(&ours.topic, ours.payload.as_bytes()));
        assert_eq!(topics(&announce(&mut announcer, &[], true)), [&ours.topic]);
    }

    #[test]
    fn after_a_change_of_the_discovery_prefix_the_old_topic_is_cleared_and_the_car_is_not_gone() {
        let mut car = discovery("A", &[("soc", Platform::Sensor)]);
        let mut announcer = announcer();
        announce(&mut announcer, std::slice::from_ref(&car), true);
        car.topic = "other/device/leapmotor2mqtt_A/config".to_owned();
        let announcement = announce(&mut announcer, std::slice::from_ref(&car), true);
        assert_eq!(topics(&announcement), [car.topic.as_str(), topic("A").as_str()]);
        assert!(announcement.gone.is_empty());
    }

    #[test]
    fn the_manifest_survives_storing_even_with_a_platform_we_do_not_know() {
        let text = json!({"announced": {topic("A"): {"soc": "sensor", "new": "hologram"}}}).to_string();
        let manifest: Manifest = serde_json::from_str(&text).unwrap();
        assert_eq!(
            serde_json::to_string(&manifest).unwrap(),
            json!({"announced": {topic("A"): {"new": "hologram", "soc": "sensor"}}}).to_string()
        );
        let mut announcer = Announcer::new(manifest, &options());
        assert_eq!(announce(&mut announcer, &[discovery("A", &[])], true).messages.len(), 2);
    }
}
