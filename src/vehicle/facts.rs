//! Facts: values shown in Home Assistant that are not the state of a car, each produced by its owner.

use std::sync::Arc;

use jiff::Timestamp;

use super::vin::Vin;

/// Whom a fact is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subject {
    /// The bridge itself, or the account.
    Bridge,
    /// One car.
    Car(Vin),
}

/// The name of a fact: the key of the entity that shows it.
pub type FactKey = &'static str;

/// A plain value as it is shown.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// A number, with the decimals it should be shown with.
    Number(f64, u8),
    /// A flag.
    Flag(bool),
    /// A word or a text.
    Text(String),
    /// A moment.
    Time(Timestamp),
    /// A picture, as the bytes of its file.
    Image(Arc<[u8]>),
}

/// A new value of a fact; `None` means that it is not known any more.
#[derive(Debug, Clone, PartialEq)]
pub struct FactUpdate {
    /// Whom it is about.
    pub subject: Subject,
    /// Which fact.
    pub key: FactKey,
    /// Its value.
    pub value: Option<Value>,
}
