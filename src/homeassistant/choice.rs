//! Which entities the owner wants, whatever speaks for or against them.

use std::collections::{BTreeMap, BTreeSet};

use crate::vehicle::Vin;
use crate::vehicle::facts::Subject;

/// Entities wanted and unwanted, by their keys.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Choice {
    /// Announced in any case.
    pub show: BTreeSet<String>,
    /// Never announced.
    pub hide: BTreeSet<String>,
}

impl Choice {
    fn of(&self, key: &str) -> Option<bool> {
        match (self.show.contains(key), self.hide.contains(key)) {
            (_, true) => Some(false),
            (true, false) => Some(true),
            (false, false) => None,
        }
    }
}

/// What the owner wants of the bridge and all cars, and of single cars.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Choices {
    /// For the bridge and all cars.
    pub all: Choice,
    /// For single cars; goes above the other.
    pub cars: BTreeMap<Vin, Choice>,
}

impl Choices {
    /// Whether the owner wants the entity; `None` leaves it to what speaks for it.
    pub fn of(&self, subject: &Subject, key: &str) -> Option<bool> {
        let own = match subject {
            Subject::Car(vin) => self.cars.get(vin),
            Subject::Bridge => None,
        };
        own.and_then(|choice| choice.of(key)).or_else(|| self.all.of(key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::homeassistant::fixture::{B10, T03, vin};

    fn keys(keys: &[&str]) -> BTreeSet<String> {
        keys.iter().map(|key| (*key).to_owned()).collect()
    }

    #[test]
    fn what_is_said_of_one_car_goes_above_what_is_said_of_all() {
        let own = Choice {
            show: keys(&["range"]),
            hide: keys(&["trunk"]),
        };
        let choices = Choices {
            all: Choice {
                show: keys(&["trunk", "speed"]),
                hide: keys(&["range"]),
            },
            cars: BTreeMap::from([(vin(T03), own)]),
        };
        let of = |subject: &Subject| ["range", "trunk", "speed", "gear"].map(|key| choices.of(subject, key));
        let (t03, b10) = (Subject::Car(vin(T03)), Subject::Car(vin(B10)));
        assert_eq!(of(&t03), [Some(true), Some(false), Some(true), None]);
        assert_eq!(of(&b10), [Some(false), Some(true), Some(true), None]);
        assert_eq!(of(&Subject::Bridge), of(&b10));
    }
}
