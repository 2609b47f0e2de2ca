//! The seam to the command registry: what this room asks of it, by command name.

use crate::vehicle::Car;
use crate::vehicle::command::gate;
pub use crate::vehicle::command::gate::Policy;
use crate::vehicle::command::registry;
pub use crate::vehicle::command::registry::{Rejection, parse};
use crate::vehicle::intent::Reason;

/// Whether the account may send the command to this car, and the owner wants it.
pub fn offered(name: &str, car: &Car, policy: &Policy) -> bool {
    registry::find(name).is_some_and(|spec| gate::offered(spec, car, policy))
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
pub fn rights(name: &str) -> &'static [u32] {
    registry::find(name).map_or(&[], |spec| spec.right)
}
