//! The seam to the command registry: what this room asks of it, by command name.

use jiff::SignedDuration;

use crate::vehicle::command::gate;
pub use crate::vehicle::command::gate::Policy;
use crate::vehicle::command::registry;
pub use crate::vehicle::command::registry::{Rejection, parse};
use crate::vehicle::intent::Reason;
use crate::vehicle::{Car, Command, Model};

/// Whether the account may send the command to this car, and the owner wants it.
pub fn offered(name: &str, car: &Car, policy: &Policy) -> bool {
    registry::find(name).is_some_and(|spec| gate::offered(spec, car, policy))
}

/// Whether cars of the model are able to act on the command, as far as is known.
pub fn known_to_work(name: &str, model: &Model) -> bool {
    registry::find(name).is_some_and(|spec| !spec.unsupported.contains(model))
}

/// From receipt to write, for a command whose sender named no deadline.
pub fn lifetime(command: &Command) -> SignedDuration {
    gate::lifetime(command.spec())
}

/// Reads a whole number from a control's message. Home Assistant writes `21.0` where it has steps of 1.
pub fn whole<N: Copy + TryFrom<u32> + Into<u32>>(
    payload: &str,
    min: N,
    max: N,
    what: &str,
    unit: &str,
) -> Result<N, Rejection> {
    let number: f64 = payload.trim().parse().map_err(|_| Rejection {
        reason: Reason::InvalidPayload,
        detail: format!("{what} is a number"),
    })?;
    let (low, high): (u32, u32) = (min.into(), max.into());
    let inside = number.fract() == 0.0 && (f64::from(low)..=f64::from(high)).contains(&number);
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "whole and between two numbers of the type by the check before"
    )]
    inside
        .then_some(number as u32)
        .and_then(|number| N::try_from(number).ok())
        .ok_or_else(|| Rejection {
            reason: Reason::OutOfRange,
            detail: format!("{what} is a whole number from {low} to {high} {unit}")
                .trim_end()
                .to_owned(),
        })
}

/// The codes of the account rights of which a command needs one.
pub fn rights(name: &str) -> &'static [u32] {
    registry::find(name).map_or(&[], |spec| spec.right)
}
