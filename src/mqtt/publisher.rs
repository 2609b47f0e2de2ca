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
#[derive(Debug)]
struct Basis {
    car: Option<(Car, Powertrain, BTreeSet<Reading>, BTreeSet<u32>)>,
    /// Facts that are announced only because they were told. Those that are expected are announced in any case.
    unexpected: BTreeSet<FactKey>,
}

impl Basis {
    fn new(view: Option<&CarView>, unexpected: impl Iterator<Item = FactKey>) -> Self {
        Self {
            car: view.map(|view| {
                (
                    view.car.clone(),
                    view.powertrain,
                    view.evidence.clone(),
                    view.unknown_signals.clone(),
                )
            }),
            unexpected: unexpected.collect(),
        }
    }

    /// Whether an offer that was worked out from this is right for what is known now.
    fn still_holds(&self, view: Option<&CarView>, unexpected: impl Iterator<Item = FactKey>) -> bool {
        let same_car = match (&self.car, view) {
            (Some((car, powertrain, evidence, signals)), Some(view)) => {
                *car == view.car
                    && *powertrain == view.powertrain
                    && *evidence == view.evidence
                    && *signals == view.unknown_signals
            }
            (None, None) => true,
            _ => false,
        };
        same_car && self.unexpected.iter().copied().eq(unexpected)
    }
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
        let still_holds = |offer: &Offer| offer.basis.still_holds(view.as_deref(), self.unexpected_facts(subject));
        if self.offers.get(subject).is_some_and(still_holds) {
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
            basis: Basis::new(view.as_deref(), self.unexpected_facts(subject)),
            discovery,
            command_topics,
        };
        self.offers.insert(subject.clone(), offer);
        true
    }

    fn unexpected_facts(&self, subject: &Subject) -> impl Iterator<Item = FactKey> {
        self.facts
            .range((subject.clone(), "")..)
            .take_while(move |((of, _), _)| of == subject)
            .map(|((_, key), _)| *key)
            .filter(|key| !self.options.expected_facts.contains(key))
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
mod tests;
