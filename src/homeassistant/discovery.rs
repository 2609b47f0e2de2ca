//! Discovery: one retained message per device that tells Home Assistant all its entities.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value as Json, json};

use crate::homeassistant::catalog::entity::{Attributes, Entity, Platform, Source, Tier};
use crate::homeassistant::{Facts, Options, Scene, offer, signals};
use crate::vehicle::CarView;
use crate::vehicle::facts::Subject;

/// The name of the origin, and the start of all our ids.
const PRODUCT: &str = "leapmotor2mqtt";
/// The level of the topics of device triggers.
const TRIGGER: &str = "trigger";
const MANUFACTURER: &str = "Leapmotor";
/// As large as the message of a car may become by its signals: 128 kB are taken everywhere, and what names components to
/// be removed has to fit in as well.
const LARGEST: usize = 124 * 1024;

/// The discovery message of one device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Discovery {
    /// Where it is published, retained.
    pub topic: String,
    /// Compact JSON with abbreviated keys. Tens of kilobytes, so everyone who keeps it shares it.
    pub payload: Arc<str>,
    /// What it announces, by component key.
    pub components: BTreeMap<String, Platform>,
}

/// The discovery messages of a car.
pub fn car_discovery(view: &CarView, facts: &Facts, options: &Options) -> Vec<Discovery> {
    // Nothing that is announced depends on the time.
    let scene = Scene::new(view, options, jiff::Timestamp::UNIX_EPOCH);
    let vin = &view.car.vin;
    let identity = Identity {
        subject: Subject::Car(vin.clone()),
        id: format!("{PRODUCT}_{}", vin.as_str()),
        entity_ids: format!("leapmotor_{}", vin.last(6).to_ascii_lowercase().replace('-', "_")),
        tier: Tier::Car,
    };
    let mut device = Map::new();
    device.insert("ids".into(), json!([identity.id]));
    device.insert("name".into(), json!(view.car.display_name()));
    device.insert("mf".into(), json!(MANUFACTURER));
    device.insert("mdl".into(), json!(view.car.model.code()));
    if let Some(year) = view.car.year {
        device.insert("hw".into(), json!(year.to_string()));
    }
    device.insert("sn".into(), json!(vin.as_str()));
    device.insert("via_device".into(), json!(format!("{PRODUCT}_bridge")));
    let mut components: Vec<Component> = offer::car_rows(&scene, facts, options)
        .map(|row| {
            let component = component(row, &identity, Some(&scene), facts, options);
            (row.key.to_owned(), row.platform, component)
        })
        .collect();
    let frame = message(&identity, &device, std::iter::empty(), options);
    let mut size = frame.payload.len() + components.iter().map(size_of).sum::<usize>();
    // The lowest numbers first: those that are left out are the same whenever it is asked.
    let signals = signals::of(&scene).map(|signal| {
        let mut component = signals::component(signal, vin, options);
        let key = signals::key(signal);
        component["uniq_id"] = json!(identity.unique_id(&key));
        component["def_ent_id"] = json!(identity.default_entity_id(Platform::Sensor, &key));
        (key, Platform::Sensor, component)
    });
    components.extend(signals.take_while(|component| {
        size += size_of(component);
        size <= LARGEST
    }));
    vec![message(&identity, &device, components.into_iter(), options)]
}

/// The discovery message of the bridge.
pub fn bridge_discovery(facts: &Facts, options: &Options) -> Vec<Discovery> {
    let identity = Identity {
        subject: Subject::Bridge,
        id: format!("{PRODUCT}_bridge"),
        entity_ids: "leapmotor".to_owned(),
        tier: Tier::Bridge,
    };
    let mut device = Map::new();
    device.insert("ids".into(), json!([identity.id]));
    device.insert("name".into(), json!("Leapmotor bridge"));
    device.insert("mf".into(), json!(PRODUCT));
    device.insert("mdl".into(), json!("MQTT bridge"));
    device.insert("sw".into(), json!(options.version));
    if let Some(url) = &options.configuration_url {
        device.insert("cu".into(), json!(url));
    }
    let rows = offer::bridge_rows(facts, options).map(|row| {
        let component = component(row, &identity, None, facts, options);
        (row.key.to_owned(), row.platform, component)
    });
    vec![message(&identity, &device, rows, options)]
}

/// A first message that takes away what is no longer announced; `None` if nothing is.
///
/// Home Assistant keeps a component that is merely left out. It goes when the message names it with nothing but its
/// platform, once; after that the plain message is published. A component that changes its platform goes under the old
/// one first.
pub fn with_removals(discovery: &Discovery, announced: &BTreeMap<String, Platform>) -> Option<String> {
    let gone: Vec<_> = announced
        .iter()
        .filter(|(key, platform)| discovery.components.get(*key) != Some(platform))
        .collect();
    if gone.is_empty() {
        return None;
    }
    let mut payload: Map<String, Json> = serde_json::from_str(&discovery.payload).ok()?;
    let components = payload.get_mut("cmps")?.as_object_mut()?;
    for (key, platform) in gone {
        components.insert(key.clone(), json!({ "p": platform.name() }));
    }
    Some(Json::Object(payload).to_string())
}

/// How a device and its entities are called in ids and topics.
struct Identity {
    subject: Subject,
    /// The device's identifier, and the object id of its topic.
    id: String,
    /// How suggested entity ids start.
    entity_ids: String,
    /// What most of its entities need to be available.
    tier: Tier,
}

impl Identity {
    /// The installation-wide id of an entity.
    fn unique_id(&self, key: &str) -> String {
        match self.subject {
            Subject::Car(_) => format!("{}_{key}", self.id),
            Subject::Bridge => format!("{PRODUCT}_{key}"),
        }
    }

    fn default_entity_id(&self, platform: Platform, key: &str) -> String {
        format!("{}.{}_{key}", platform.name(), self.entity_ids)
    }
}

/// A component of a message: its key, its platform, and what the message says about it.
type Component = (String, Platform, Json);

/// What a component adds to a message, in bytes.
fn size_of((key, _, component): &Component) -> usize {
    // Two quotes, a colon and a comma.
    key.len() + component.to_string().len() + 4
}

fn message(
    identity: &Identity,
    device: &Map<String, Json>,
    components: impl Iterator<Item = Component>,
    options: &Options,
) -> Discovery {
    let (components, entities): (BTreeMap<_, _>, Map<_, _>) = components
        .map(|(key, platform, component)| ((key.clone(), platform), (key, component)))
        .unzip();
    let payload = json!({
        "dev": device,
        "o": { "name": PRODUCT, "sw": options.version, "url": options.support_url },
        "avty": availability(identity, identity.tier, options),
        "avty_mode": "all",
        "qos": 1,
        "cmps": entities,
    });
    Discovery {
        topic: format!("{}/device/{}/config", options.discovery_prefix, identity.id),
        payload: payload.to_string().into(),
        components,
    }
}

fn component(row: &Entity, identity: &Identity, scene: Option<&Scene<'_>>, facts: &Facts, options: &Options) -> Json {
    let topic = |path: &str| json!(options.topic(&identity.subject, path));
    if row.platform == Platform::DeviceAutomation {
        let subtype = trigger_of(row);
        return json!({
            "p": row.platform.name(),
            "atype": "trigger",
            "type": "event",
            "stype": subtype,
            "t": topic(&format!("{TRIGGER}/{subtype}")),
        });
    }
    let mut keys = Map::new();
    let mut put = |key: &str, value: Json| keys.insert(key.to_owned(), value);

    put("p", json!(row.platform.name()));
    put("uniq_id", json!(identity.unique_id(row.key)));
    put("def_ent_id", json!(identity.default_entity_id(row.platform, row.key)));
    put("name", json!(options.language.name(row.key, row.name)));
    if let Some(class) = row.class {
        put("dev_cla", json!(class));
    }
    if let Some(class) = row.state_class {
        put("stat_cla", json!(class.name()));
    }
    if let Some(unit) = row.unit {
        put("unit_of_meas", json!(unit));
    }
    if let Some(decimals) = row.precision {
        put("sug_dsp_prc", json!(decimals));
    }
    if let Some(category) = row.category {
        put("ent_cat", json!(category.name()));
    }
    if !row.enabled {
        put("en", json!(false));
    }
    if let Some(icon) = row.icon {
        put("ic", json!(icon));
    }
    if !row.options.is_empty() {
        put(
            if row.platform == Platform::Event {
                "evt_typ"
            } else {
                "ops"
            },
            json!(row.options),
        );
    }
    if let Some(range) = row.range {
        put("min", json!(range.min));
        put("max", json!(range.max));
        put("step", json!(range.step));
    }
    if let (Some(key), false) = (row.platform.state_topic_key(), matches!(row.source, Source::None)) {
        put(key, topic(row.key));
    }
    if row.control.is_some() && scene.is_none_or(|scene| offer::listens(row, scene, options)) {
        put("cmd_t", topic(&format!("{}/set", row.key)));
    }
    if has_attributes(row, &identity.subject, facts, options) {
        put("json_attr_t", topic(&format!("{}/attributes", row.key)));
    }
    if let Some(scene) = scene {
        for part in row.parts.iter().filter(|part| (part.exists)(scene)) {
            let path = format!("{}/{}", row.key, part.name);
            put(part.state_topic_key, topic(&path));
            if let Some((key, _)) = part.control {
                put(key, topic(&format!("{path}/set")));
            }
        }
        for (key, value) in row.details.map(|details| details(scene)).unwrap_or_default() {
            put(&key, value);
        }
    }
    if row.tier != identity.tier {
        put("avty", availability(identity, row.tier, options));
    }
    Json::Object(keys)
}

/// What a device trigger is called, in its topic and in automations.
fn trigger_of(row: &Entity) -> &'static str {
    row.key.strip_prefix("trigger_").unwrap_or(row.key)
}

/// The topics that all have to say `online`.
fn availability(identity: &Identity, tier: Tier, options: &Options) -> Json {
    let mut topics = vec![options.bridge_state_topic()];
    if let Subject::Car(vin) = &identity.subject {
        if tier != Tier::Bridge {
            topics.push(options.availability_topic(vin));
        }
        if tier == Tier::Commands {
            topics.push(options.commands_availability_topic(vin));
        }
    }
    topics.into_iter().map(|topic| json!({ "t": topic })).collect()
}

/// Whether the row has attributes in this run.
pub(super) fn has_attributes(row: &Entity, subject: &Subject, facts: &Facts, options: &Options) -> bool {
    match row.attributes {
        Attributes::None => false,
        Attributes::State(_) => true,
        Attributes::Fact(key) => offer::produced(subject, key, facts, options),
    }
}
