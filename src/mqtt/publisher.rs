//! What has to go to the broker next, worked out from the cars and the facts.
//!
//! Pure: the time is an argument. What the entities mean is `homeassistant`'s business; this only knows when to ask.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use jiff::Timestamp;
use tracing::info;

use super::announcer::{Announcer, Manifest};
use super::outbox::{Outbox, Retained};
use crate::homeassistant::{
    Discovery, Facts, Options, bridge_command_topics, bridge_discovery, bridge_states, car_discovery, car_states,
    car_topics, car_unavailable, command_topics, retired_topics,
};
use crate::vehicle::facts::{FactKey, FactUpdate, Subject};
use crate::vehicle::{Car, CarView, Fleet, Powertrain, Reading, Vin};

/// Turns what we know into retained messages.
#[derive(Debug)]
pub struct Publisher {
    options: Options,
    fleet: Fleet,
    /// Whether all accounts have told their cars, so that a car which is not there is gone.
    fleet_is_complete: bool,
    facts: Facts,
    /// Whose messages have to be worked out again.
    dirty: BTreeSet<Subject>,
    offers: BTreeMap<Subject, Offer>,
    /// Somebody is announced differently than when this was last asked.
    offers_changed: bool,
    announcer: Announcer,
    /// Discovery messages and topics to clear, which go before all states.
    first: VecDeque<Retained>,
    outbox: Outbox,
}

/// What somebody is announced as.
#[derive(Debug)]
struct Offer {
    basis: Basis,
    discovery: Vec<Discovery>,
    command_topics: Vec<String>,
}

/// What an offer was worked out from. Comparing it is far cheaper than working the offer out again with every frame.
#[derive(Debug, PartialEq)]
struct Basis {
    car: Option<(Car, Powertrain, BTreeSet<Reading>, BTreeSet<u32>)>,
    facts: BTreeSet<FactKey>,
}

impl Publisher {
    /// Knows nothing yet but what an earlier run announced.
    pub fn new(options: Options, manifest: Manifest) -> Self {
        Self {
            announcer: Announcer::new(manifest, &options),
            options,
            fleet: Fleet::new(),
            fleet_is_complete: false,
            facts: Facts::new(),
            dirty: BTreeSet::from([Subject::Bridge]),
            offers: BTreeMap::new(),
            offers_changed: false,
            first: VecDeque::new(),
            outbox: Outbox::default(),
        }
    }

    /// What shapes topics and messages.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// The cars as they were last told.
    pub fn fleet(&self) -> &Fleet {
        &self.fleet
    }

    /// What has been announced.
    pub fn manifest(&self) -> &Manifest {
        self.announcer.manifest()
    }

    /// Takes the cars as they are now.
    pub fn take_fleet(&mut self, fleet: Fleet) {
        let before = std::mem::replace(&mut self.fleet, fleet);
        let changed = |vin: &Vin, view: &Arc<CarView>| !before.get(vin).is_some_and(|known| Arc::ptr_eq(known, view));
        let news = self
            .fleet
            .iter()
            .filter(|(vin, view)| changed(vin, view))
            .map(|(vin, _)| vin);
        let withdrawn = before.keys().filter(|vin| !self.fleet.contains_key(*vin));
        self.dirty.extend(news.chain(withdrawn).cloned().map(Subject::Car));
    }

    /// All accounts have told their cars (or not any more).
    pub fn take_completeness(&mut self, complete: bool) {
        self.offers_changed |= self.fleet_is_complete != complete;
        self.fleet_is_complete = complete;
    }

    /// Takes a fact.
    pub fn take_fact(&mut self, FactUpdate { subject, key, value }: FactUpdate) {
        self.dirty.insert(subject.clone());
        match value {
            Some(value) => self.facts.insert((subject, key), value),
            None => self.facts.remove(&(subject, key)),
        };
    }

    /// Time has passed: ages have changed everywhere.
    pub fn take_time(&mut self) {
        self.dirty
            .extend(self.fleet.keys().cloned().map(Subject::Car).chain([Subject::Bridge]));
    }

    /// Works out what changed.
    pub fn refresh(&mut self, now: Timestamp) {
        for subject in std::mem::take(&mut self.dirty) {
            self.offers_changed |= self.refresh_one(&subject, now);
        }
    }

    /// Whether [`Self::announce`] has something new to say, and [`Self::command_topics`] other topics. Asked once.
    pub fn take_offers_changed(&mut self) -> bool {
        std::mem::take(&mut self.offers_changed)
    }

    /// True when the subject is announced differently now.
    fn refresh_one(&mut self, subject: &Subject, now: Timestamp) -> bool {
        let view = match subject {
            Subject::Bridge => None,
            Subject::Car(vin) => match self.fleet.get(vin) {
                Some(view) => Some(view.clone()),
                // A car that is not there (yet): what is known of it stays as it is until it is known to be gone.
                None => return self.offers.remove(subject).is_some(),
            },
        };
        let states = match &view {
            Some(view) => car_states(view, &self.facts, &self.options, now),
            None => bridge_states(&self.facts, &self.options),
        };
        self.outbox.update(subject, states, now);
        let basis = self.basis(subject, view.as_deref());
        if self.offers.get(subject).is_some_and(|offer| offer.basis == basis) {
            return false;
        }
        let (discovery, command_topics) = match &view {
            Some(view) => (
                car_discovery(view, &self.facts, &self.options),
                command_topics(view, &self.options),
            ),
            None => (
                bridge_discovery(&self.facts, &self.options),
                bridge_command_topics(&self.facts, &self.options),
            ),
        };
        let offer = Offer {
            basis,
            discovery,
            command_topics,
        };
        self.offers.insert(subject.clone(), offer);
        true
    }

    fn basis(&self, subject: &Subject, view: Option<&CarView>) -> Basis {
        let first_key = (subject.clone(), "");
        Basis {
            car: view.map(|view| {
                (
                    view.car.clone(),
                    view.powertrain,
                    view.evidence.clone(),
                    view.unknown_signals.clone(),
                )
            }),
            facts: self
                .facts
                .range(first_key..)
                .map(|((of, key), _)| (of, *key))
                .take_while(|(of, _)| *of == subject)
                .map(|(_, key)| key)
                .collect(),
        }
    }

    /// The topics on which commands may arrive.
    pub fn command_topics(&self) -> impl Iterator<Item = &str> {
        self.offers
            .values()
            .flat_map(|offer| offer.command_topics.iter().map(String::as_str))
    }

    /// The broker, or Home Assistant, may know nothing of us: everything goes out again.
    pub fn start_over(&mut self) {
        self.announcer.forget_broker();
        // Discovery is worked out again from what the broker turns out to hold; what is to be cleared stays to be cleared.
        self.first.retain(|message| message.payload.is_empty());
        self.outbox.resend_all();
    }

    /// Takes a retained discovery message the broker holds.
    pub fn read_back(&mut self, topic: &str, payload: &[u8]) {
        self.announcer.read_back(topic, payload);
    }

    /// Makes the discovery messages that are missing or different due, and takes back those of cars that are gone.
    pub fn announce(&mut self, now: Timestamp) {
        let wanted: Vec<&Discovery> = self.offers.values().flat_map(|offer| &offer.discovery).collect();
        let announcement = self.announcer.announce(&wanted, self.fleet_is_complete);
        self.first.extend(announcement.messages);
        if !self.fleet_is_complete {
            self.call_missing_cars_unavailable(now);
        }
        for (subject, key) in announcement.retired {
            self.say_retired(&subject, &key);
            let topics = retired_topics(&subject, &key, &self.options);
            self.first.extend(topics.into_iter().map(cleared));
        }
        for (vin, keys) in announcement.gone {
            let subject = Subject::Car(vin.clone());
            self.outbox.update(&subject, Vec::new(), now);
            self.facts.retain(|(of, _), _| *of != subject);
            let mut topics: BTreeSet<String> = car_topics(&vin, &self.options).into_iter().collect();
            topics.extend(keys.iter().flat_map(|key| retired_topics(&subject, key, &self.options)));
            self.first.extend(topics.into_iter().map(cleared));
        }
    }

    /// An automation that names the entity will look for it in vain.
    fn say_retired(&self, subject: &Subject, key: &str) {
        let vin = match subject {
            Subject::Car(vin) => Some(tracing::field::display(vin)),
            Subject::Bridge => None,
        };
        let past = self.options.past.iter().find(|past| past.key == key);
        match past.and_then(|past| past.today) {
            Some(today) => info!(
                vin,
                key, today, "an entity has another name now; the old one is removed"
            ),
            None => info!(vin, key, "an entity is not offered any more; it is removed"),
        }
    }

    /// The broker still holds what an earlier run said of a car that the cloud has not told us of yet, or cannot, because
    /// the sign-in needs the owner. Its values must not pass for present ones.
    fn call_missing_cars_unavailable(&mut self, now: Timestamp) {
        let cars = self.announcer.cars().into_iter();
        for vin in cars.filter(|vin| !self.fleet.contains_key(vin)) {
            let message = car_unavailable(&vin, &self.options);
            self.outbox.update_one(&Subject::Car(vin), &message, now);
        }
    }

    /// Clears a topic.
    pub fn clear(&mut self, topic: String) {
        self.first.push_back(cleared(topic));
    }

    /// Clears a topic before all others, because the broker may not have heard of it when the connection was lost. One that
    /// holds something again stays, and of discovery messages reading back tells.
    pub fn clear_again(&mut self, topic: Arc<str>) {
        if !self.outbox.holds(&topic) && !topic.ends_with("/config") {
            self.first.push_front(cleared(topic));
        }
    }

    /// The next message to send, counted as sent.
    pub fn take_next(&mut self, now: Timestamp) -> Option<Retained> {
        self.first.pop_front().or_else(|| self.outbox.take_next(now))
    }

    /// Whether nothing waits to be sent.
    pub fn is_drained(&self) -> bool {
        self.first.is_empty() && self.outbox.is_drained()
    }

    /// A topic as it may be logged: without the whole number of a car.
    pub fn shown(&self, topic: &str) -> String {
        self.fleet.keys().fold(topic.to_owned(), |text, vin| {
            text.replace(vin.as_str(), &vin.to_string())
        })
    }
}

fn cleared(topic: impl Into<Arc<str>>) -> Retained {
    Retained {
        topic: topic.into(),
        payload: Arc::default(),
    }
}

#[cfg(test)]
mod tests {
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
}
