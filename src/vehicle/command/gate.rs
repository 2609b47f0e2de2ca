//! Whether a request may go to the car now: asked when it arrives, and in part once more just before it is written.
//!
//! What the bridge does not know does not block; the cloud and the car are the last judges, and their refusal is shown.
//! With one exception: what a moving car must not do is not sent while nobody knows whether it moves.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};

use super::registry::{self, Precondition, Spec};
use super::{Command, EffectGroup, Risk};
use crate::vehicle::intent::{CommandRequest, Reason};
use crate::vehicle::state::Gear;
use crate::vehicle::{Car, CarView, Model, PinStatus, Reading};

/// From receipt to write without a deadline of its own: what opens the car must not come late.
const OPENING_LIFETIME: SignedDuration = SignedDuration::from_secs(30);
/// The same for everything else.
const LIFETIME: SignedDuration = SignedDuration::from_secs(180);
/// The asker's own deadline counts as it is, up to this long after receipt: the queue is no scheduler, and a command
/// forgotten during an outage must not act hours later.
const LONGEST_LIFETIME: SignedDuration = SignedDuration::from_mins(15);

/// What the owner lets the bridge do. Names may be any name or alias of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// Whether the class [`Risk::Comfort`] is on.
    pub comfort: bool,
    /// Whether the class [`Risk::Opening`] is on.
    pub opening: bool,
    /// Commands that are on although their class is off; the only way to allow a [`Risk::Driving`] one.
    pub allow: BTreeSet<String>,
    /// Commands that are off, whatever else is said.
    pub deny: BTreeSet<String>,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            comfort: true,
            opening: true,
            allow: BTreeSet::new(),
            deny: BTreeSet::new(),
        }
    }
}

impl Policy {
    /// Whether the owner lets the bridge send the command.
    pub fn permits(&self, spec: &Spec) -> bool {
        let class = match spec.risk {
            Risk::Comfort => self.comfort,
            Risk::Opening => self.opening,
            Risk::Driving => false,
        };
        !names(&self.deny, spec) && (class || names(&self.allow, spec))
    }
}

fn names(list: &BTreeSet<String>, spec: &Spec) -> bool {
    list.iter()
        .filter_map(|name| registry::find(name))
        .any(|named| named.policy_name() == spec.policy_name())
}

/// A request that passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Admission {
    /// When it becomes too old to be written.
    pub expires: Timestamp,
}

/// Whether the request may be queued. `view` is the car as it is known, `None` when there is no such car.
pub fn admit(
    request: &CommandRequest,
    view: Option<&CarView>,
    policy: &Policy,
    now: Timestamp,
) -> Result<Admission, Reason> {
    let view = view.ok_or(Reason::UnknownVehicle)?;
    let spec = request.command.spec();
    let expires = deadline(request, spec);
    if now >= expires {
        return Err(Reason::Expired);
    }
    if !policy.permits(spec) {
        return Err(Reason::DeniedByPolicy);
    }
    able(spec, &view.car)?;
    ready(spec, view)?;
    Ok(Admission { expires })
}

/// Whether a queued command may still be written: not too old, the PIN still good, and the car still in a state for it.
pub fn still_valid(
    command: &Command,
    admission: Admission,
    view: Option<&CarView>,
    now: Timestamp,
) -> Result<(), Reason> {
    if now >= admission.expires {
        return Err(Reason::Expired);
    }
    ready(command.spec(), view.ok_or(Reason::UnknownVehicle)?)
}

/// Whether controls for the command are offered for the car: the account may, the car can, and the owner wants it.
pub fn offered(spec: &Spec, car: &Car, policy: &Policy) -> bool {
    policy.permits(spec) && able(spec, car).is_ok()
}

/// From receipt to write, without a deadline of the asker's own.
pub fn lifetime(spec: &Spec) -> SignedDuration {
    match spec.risk {
        Risk::Opening => OPENING_LIFETIME,
        Risk::Comfort | Risk::Driving => LIFETIME,
    }
}

/// A deadline of the asker's own replaces the usual lifetime, within reason.
fn deadline(request: &CommandRequest, spec: &Spec) -> Timestamp {
    let after = |lifetime| request.received.checked_add(lifetime).unwrap_or(Timestamp::MAX);
    match request.expires {
        Some(expires) => expires.min(after(LONGEST_LIFETIME)),
        None => after(lifetime(spec)),
    }
}

/// Whether the account and the car are able to do it at all.
fn able(spec: &Spec, car: &Car) -> Result<(), Reason> {
    if spec.unsupported.contains(&car.model) {
        return Err(Reason::ModelUnsupported);
    }
    if lacks(spec.right, &car.rights) {
        return Err(Reason::MissingRight);
    }
    // The T03 does not declare its climate, yet cools and heats.
    let declares = car.model != Model::T03 || spec.effect_group != EffectGroup::Climate;
    if declares && lacks(spec.ability, &car.abilities) {
        return Err(Reason::MissingAbility);
    }
    Ok(())
}

/// Whether codes are known on both sides and none is shared.
fn lacks(wanted: &[u32], present: &BTreeSet<u32>) -> bool {
    !wanted.is_empty() && !present.is_empty() && !wanted.iter().any(|code| present.contains(code))
}

/// Whether PIN and car are ready for it now.
fn ready(spec: &Spec, view: &CarView) -> Result<(), Reason> {
    match view.pin {
        PinStatus::Missing if spec.needs_pin => return Err(Reason::PinMissing),
        PinStatus::Rejected if spec.needs_pin => return Err(Reason::PinRejected),
        _ => {}
    }
    spec.preconditions
        .iter()
        .find_map(|precondition| contradiction(*precondition, view))
        .map_or(Ok(()), Err)
}

/// By these readings a car says whether it moves. One that has never sent any will never say.
const MOTION: [Reading; 3] = [Reading::Gear, Reading::Speed, Reading::KeyOn3];

fn contradiction(precondition: Precondition, view: &CarView) -> Option<Reason> {
    let state = view.state.as_ref();
    // Gear and plug of an old picture say nothing about now.
    let fresh = state.filter(|state| !state.stale);
    let speed = state.and_then(|state| state.frame.number(Reading::Speed));
    match precondition {
        // In neutral a car does not drive, and may roll all the same.
        Precondition::NotMoving if speed.is_some_and(|speed| speed > 0.0) => Some(Reason::Moving),
        Precondition::NotMoving => match state.and_then(|state| state.motion.driving) {
            Some(driving) => driving.then_some(Reason::Moving),
            // It was last seen driving and has been silent since, or has not been heard in this run.
            None => MOTION
                .iter()
                .any(|reading| view.evidence.contains(reading))
                .then_some(Reason::MotionUnknown),
        },
        Precondition::InPark => fresh?
            .motion
            .gear
            .filter(|gear| *gear != Gear::P && !matches!(gear, Gear::Unknown(_)))
            .map(|_| Reason::NotInPark),
        Precondition::Plugged => (fresh?.charging.plugged == Some(false)).then_some(Reason::NotPlugged),
    }
}

#[cfg(test)]
mod tests;
