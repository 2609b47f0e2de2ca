//! Entities that are no more: what they were called, and which retained topics they left.
//!
//! A row that gets another key, or goes, is written down in [`PAST`]. Home Assistant is told to remove whatever was once
//! announced and is not wanted any more; this table says what has to be cleared on the broker with it, what the thing is
//! called today, and what to tell an owner who still names the old key.

use std::collections::BTreeSet;

use crate::homeassistant::catalog::entity::{Attributes, Device, Entity, Source};
use crate::homeassistant::{Options, catalog, signals};
use crate::vehicle::Vin;
use crate::vehicle::facts::Subject;

/// An entity of an earlier version.
#[derive(Debug, Clone, Copy)]
pub struct Past {
    /// The device it sat on.
    pub device: Device,
    /// What it was called.
    pub key: &'static str,
    /// What it is called today; `None` if it is gone for good.
    pub today: Option<&'static str>,
    /// Its retained topics, below those of its device.
    pub topics: &'static [&'static str],
}

/// Every key that was ever announced and is not in the catalog any more.
pub const PAST: &[Past] = &[];

/// Every retained topic that may exist for a car, whatever it is offered now: to be cleared when the car goes. The numbers
/// of signals are known only from what was announced of it.
pub fn car_topics(vin: &Vin, options: &Options) -> Vec<String> {
    let rows = catalog::rows().filter(|row| row.device == Device::Car);
    let past = options.past.iter().filter(|past| past.device == Device::Car);
    let topics = rows
        .flat_map(topics_of)
        .chain(past.flat_map(|past| past.topics.iter().map(|topic| (*topic).to_owned())))
        .map(|topic| options.car_topic(vin, &topic));
    [
        options.availability_topic(vin),
        options.commands_availability_topic(vin),
    ]
    .into_iter()
    .chain(topics)
    .collect()
}

/// The retained topics of something that was announced under this key and is not any more.
pub fn retired_topics(subject: &Subject, key: &str, options: &Options) -> Vec<String> {
    let device = match subject {
        Subject::Car(_) => Device::Car,
        Subject::Bridge => Device::Bridge,
    };
    let past = options
        .past
        .iter()
        .find(|past| past.device == device && past.key == key);
    let topics = match (catalog::find(key).filter(|row| row.device == device), past) {
        (Some(row), _) => topics_of(row),
        (None, Some(past)) => past.topics.iter().map(|topic| (*topic).to_owned()).collect(),
        // A signal, or an entity of a later version: what every entity with a value has.
        (None, None) => vec![key.to_owned()],
    };
    topics.iter().map(|topic| options.topic(subject, topic)).collect()
}

/// The keys by which the entities of a device may be named.
pub fn names(device: Device) -> Vec<&'static str> {
    let rows = catalog::rows().filter(|row| row.device == device).map(|row| row.key);
    let family = (device == Device::Car).then_some(signals::FAMILY);
    rows.chain(family).collect::<BTreeSet<_>>().into_iter().collect()
}

/// The retained topics a row may have, below those of its device.
fn topics_of(row: &Entity) -> Vec<String> {
    let own = (!matches!(row.source, Source::None | Source::Event)).then(|| row.key.to_owned());
    let parts = row.parts.iter().map(|part| format!("{}/{}", row.key, part.name));
    let attributes = (!matches!(row.attributes, Attributes::None)).then(|| format!("{}/attributes", row.key));
    own.into_iter().chain(parts).chain(attributes).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::homeassistant::fixture::{T03, options, vin};

    #[test]
    fn an_old_key_is_not_in_use_and_leads_to_one_that_is() {
        for past in PAST {
            assert!(catalog::find(past.key).is_none(), "{} is in use", past.key);
            assert!(!past.topics.is_empty(), "{} has left nothing", past.key);
            if let Some(today) = past.today {
                assert!(catalog::find(today).is_some(), "{today} does not exist");
            }
        }
    }

    #[test]
    fn whatever_is_taken_back_has_its_topics_cleared() {
        const PAST: &[Past] = &[Past {
            device: Device::Car,
            key: "state_of_charge",
            today: Some("battery_level"),
            topics: &["state_of_charge", "state_of_charge/attributes"],
        }];
        let options = Options {
            past: PAST,
            ..options()
        };
        let car = Subject::Car(vin(T03));
        let below = |subject: &Subject, key: &str| -> Vec<String> {
            let start = options.topic(subject, "");
            let topics = retired_topics(subject, key, &options);
            topics.iter().map(|topic| topic.replacen(&start, "", 1)).collect()
        };
        assert_eq!(below(&car, "state_of_charge"), PAST[0].topics);
        assert_eq!(below(&car, "signal_77"), ["signal_77"]);
        assert!(below(&car, "climate").contains(&"climate/mode".to_owned()));
        assert_eq!(below(&car, "lock_button"), [""; 0]);
        assert_eq!(
            below(&Subject::Bridge, "bridge_problem"),
            ["bridge_problem", "bridge_problem/attributes"]
        );
        let all = car_topics(&vin(T03), &options);
        assert!(all.iter().any(|topic| topic.ends_with("/state_of_charge/attributes")));
    }
}
