//! The vehicle identification number: in full on topics and towards the cloud, shortened in everything that is logged.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// Longest VIN we accept; real ones have 17 characters, the limit only keeps nonsense out of topics.
const MAX_LENGTH: usize = 32;

/// A vehicle identification number. `Display` and `Debug` show its last four characters only; [`Vin::as_str`] is the
/// whole text, for topics, ids and the cloud.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Vin(Arc<str>);

/// A text that cannot be a VIN, because it is empty, too long or would not fit into a topic.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a VIN has 1 to {MAX_LENGTH} letters or digits")]
pub struct InvalidVin;

impl Vin {
    /// Reads a VIN, ignoring white space around it. Letters, digits, `-` and `_` are taken, as MQTT discovery ids allow.
    pub fn parse(text: &str) -> Result<Self, InvalidVin> {
        let text = text.trim();
        let fits = !text.is_empty()
            && text.len() <= MAX_LENGTH
            && text
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
        if fits { Ok(Self(text.into())) } else { Err(InvalidVin) }
    }

    /// The whole VIN.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The last `count` characters.
    pub fn last(&self, count: usize) -> &str {
        // ASCII only, checked by `parse`, so every index is a character boundary.
        &self.0[self.0.len().saturating_sub(count)..]
    }
}

impl fmt::Display for Vin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "…{}", self.last(4))
    }
}

impl fmt::Debug for Vin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Vin({self})")
    }
}

impl TryFrom<String> for Vin {
    type Error = InvalidVin;

    fn try_from(text: String) -> Result<Self, InvalidVin> {
        Self::parse(&text)
    }
}

impl From<Vin> for String {
    fn from(vin: Vin) -> Self {
        vin.as_str().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vin_is_shortened_wherever_it_is_printed() {
        let vin = Vin::parse(" LFZTEST0000000001 ").unwrap();
        assert_eq!(vin.as_str(), "LFZTEST0000000001");
        assert_eq!(format!("{vin}"), "…0001");
        assert_eq!(format!("{vin:?}"), "Vin(…0001)");
        assert_eq!(vin.last(6), "000001");
    }

    #[test]
    fn what_does_not_fit_into_a_topic_is_no_vin() {
        for text in ["", "  ", "A/B", "A+B", "ÄÖÜ", "A B", &"X".repeat(33)] {
            assert_eq!(Vin::parse(text), Err(InvalidVin), "{text:?}");
        }
    }
}
