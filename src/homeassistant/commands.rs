//! The seam to the command registry: the only file of this room that names it.

use std::collections::BTreeSet;

use serde_json::{Map, Value as Json};

use crate::vehicle::intent::Reason;
use crate::vehicle::{Car, Command};

/// Which commands the owner allows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Policy {
    /// Commands the owner switched off, by name.
    pub deny: BTreeSet<String>,
}

/// Why something asked for is not a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    /// The stable reason.
    pub reason: Reason,
    /// The same for people.
    pub detail: String,
}

/// Whether the account may send the command to this car.
pub fn offered(name: &str, _car: &Car, policy: &Policy) -> bool {
    !policy.deny.contains(name)
}

/// Reads a command by its name or one of its aliases, with its parameters.
pub fn parse(name: &str, params: &Map<String, Json>) -> Result<Command, Rejection> {
    match (name, params.get("percent").and_then(Json::as_u64)) {
        ("lock", _) => Ok(Command::Lock),
        ("unlock", _) => Ok(Command::Unlock),
        ("charge-limit", Some(percent @ 1..=100)) => Ok(Command::ChargeLimit {
            percent: u8::try_from(percent).unwrap_or(100),
        }),
        _ => Err(Rejection {
            reason: Reason::UnknownCommand,
            detail: format!("no command is called {name:?}"),
        }),
    }
}

/// Reads a whole number from a control's message. Home Assistant writes `21.0` where it has steps of 1.
pub fn whole(payload: &str, min: u8, max: u8, what: &str, unit: &str) -> Result<u8, Rejection> {
    let number: f64 = payload.trim().parse().map_err(|_| Rejection {
        reason: Reason::InvalidPayload,
        detail: format!("{what} is a number"),
    })?;
    (min..=max)
        .find(|known| f64::from(*known) == number)
        .ok_or_else(|| Rejection {
            reason: Reason::OutOfRange,
            detail: format!("{what} is a whole number from {min} to {max} {unit}")
                .trim_end()
                .to_owned(),
        })
}

/// The codes of the account rights of which a command needs one.
pub fn rights(_name: &str) -> &'static [u32] {
    &[]
}
