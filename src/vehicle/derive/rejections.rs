//! What was not believed, field by field: how often, why, and whether it still goes on.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Why something a car said is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Objection {
    /// No car has such a value.
    OutOfRange,
    /// A number that stands for "cannot tell".
    Placeholder,
    /// Another value of the same frame says the opposite.
    Contradicted,
    /// A counter that only grows has become smaller.
    Backwards,
    /// The car cannot have come so far since.
    TooFast,
    /// A position of 0/0.
    NoFix,
    /// A frame without the battery.
    Incomplete,
    /// A frame from before one that is known.
    Older,
}

impl Objection {
    /// Its stable name.
    pub fn name(self) -> &'static str {
        match self {
            Self::OutOfRange => "out_of_range",
            Self::Placeholder => "placeholder",
            Self::Contradicted => "contradicted",
            Self::Backwards => "backwards",
            Self::TooFast => "too_fast",
            Self::NoFix => "no_fix",
            Self::Incomplete => "incomplete",
            Self::Older => "older",
        }
    }
}

/// What of a frame is not believed: the name of a reading, [`POSITION`], [`TIME`] or [`FRAME`], and why.
pub(super) type Refusal = (&'static str, Objection);

/// The position as a field.
pub const POSITION: &str = "position";
/// The car's own time as a field.
pub const TIME: &str = "collect_time";
/// A frame as a whole.
pub const FRAME: &str = "frame";

/// Everything that was ever rejected of one car.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Rejections(BTreeMap<String, Rejected>);

/// What was rejected of one field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rejected {
    /// In how many frames.
    pub count: u64,
    /// Why, the last time.
    pub reason: Objection,
    /// Every reason since the last good value; empty while the field is good.
    #[serde(default)]
    going_on: BTreeSet<Objection>,
    /// When the first value since the last good one was rejected.
    since: Timestamp,
}

impl Rejections {
    /// Every field that was ever rejected, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Rejected)> {
        self.0.iter().map(|(field, rejected)| (field.as_str(), rejected))
    }

    /// What is rejected here and was not, for this reason, in the state `before`: once for each field and reason until
    /// a good value comes.
    pub fn begun_since<'a>(&'a self, before: &'a Self) -> impl Iterator<Item = (&'a str, Objection)> {
        self.iter().flat_map(|(field, rejected)| {
            let known = before.0.get(field).map(|rejected| &rejected.going_on);
            let is_new = move |reason: &&Objection| known.is_none_or(|known| !known.contains(reason));
            rejected
                .going_on
                .iter()
                .filter(is_new)
                .map(move |reason| (field, *reason))
        })
    }

    /// The fields that were rejected in the state `before` and are good again.
    pub fn recovered_since<'a>(&'a self, before: &'a Self) -> impl Iterator<Item = &'a str> {
        let is_good = |field: &str| self.0.get(field).is_none_or(|rejected| rejected.going_on.is_empty());
        before
            .iter()
            .filter(move |(field, rejected)| !rejected.going_on.is_empty() && is_good(field))
            .map(|(field, _)| field)
    }

    /// Since when a field has had no good value; `None` while it is good.
    pub(super) fn since(&self, field: &str) -> Option<Timestamp> {
        let rejected = self.0.get(field)?;
        (!rejected.going_on.is_empty()).then_some(rejected.since)
    }

    /// Counts what is not believed of a frame.
    pub(super) fn count(&mut self, refusals: &[Refusal], moment: Timestamp) {
        for (field, reason) in refusals {
            let rejected = self.0.entry((*field).to_owned()).or_insert_with(|| Rejected {
                count: 0,
                reason: *reason,
                going_on: BTreeSet::new(),
                since: moment,
            });
            if rejected.going_on.is_empty() {
                rejected.since = moment;
            }
            rejected.count = rejected.count.saturating_add(1);
            rejected.reason = *reason;
            rejected.going_on.insert(*reason);
        }
    }

    /// Takes note of the fields that have a good value again.
    pub(super) fn recover(&mut self, is_good: impl Fn(&str) -> bool) {
        for (field, rejected) in &mut self.0 {
            if is_good(field) {
                rejected.going_on.clear();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: Timestamp = Timestamp::constant(1_790_000_000, 0);

    #[test]
    fn a_field_is_told_once_for_each_reason_until_it_recovers() {
        let mut rejections = Rejections::default();
        let mut told = |refusals: &[Refusal], good: &str| {
            let before = rejections.clone();
            rejections.recover(|field| field == good);
            rejections.count(refusals, NOON);
            let begun: Vec<String> = rejections
                .begun_since(&before)
                .map(|(field, reason)| format!("{field} {}", reason.name()))
                .collect();
            let recovered: Vec<String> = rejections.recovered_since(&before).map(str::to_owned).collect();
            (begun, recovered)
        };
        let nothing = (vec![], vec![]);
        assert_eq!(
            told(&[("speed", Objection::Placeholder)], ""),
            (vec!["speed placeholder".into()], vec![])
        );
        assert_eq!(told(&[("speed", Objection::Placeholder)], ""), nothing);
        assert_eq!(
            told(&[("speed", Objection::OutOfRange)], ""),
            (vec!["speed out_of_range".into()], vec![])
        );
        assert_eq!(told(&[("speed", Objection::Placeholder)], ""), nothing);
        assert_eq!(told(&[], "speed"), (vec![], vec!["speed".into()]));
        assert_eq!(
            told(&[("speed", Objection::Placeholder)], ""),
            (vec!["speed placeholder".into()], vec![])
        );
        let (_, speed) = rejections.iter().next().unwrap();
        assert_eq!((speed.count, speed.reason), (5, Objection::Placeholder));
    }
}
