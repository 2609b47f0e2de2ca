//! Whether a car is silent that should be talking.
//!
//! Counted to the last answer of the cloud, not to now: while the cloud cannot be asked, the car is not to blame.

use jiff::SignedDuration;

use super::memory::Memory;
use super::stale::STALE_AFTER;
use crate::vehicle::state::{Activity, VehicleState};

/// How long the cloud may repeat the frame of a parked car of which nothing else is known.
const SHORTEST_REST: SignedDuration = SignedDuration::from_hours(2);
/// How long it may at most, however long the car has rested before.
const LONGEST_REST: SignedDuration = SignedDuration::from_hours(3 * 24);

/// Whether the car is silent although it should be talking; `state` is its picture before anything in it lapses.
///
/// A car that drives, charges or is ready to drive talks all the time. A parked one may sleep: then the cloud says nothing
/// of it, or repeats its last frame, no longer than twice the longest silence from which this car came back before.
pub(super) fn is_frozen(state: &VehicleState, memory: &Memory) -> Option<bool> {
    let spoke = state.vehicle_time?;
    let answer = memory.answered();
    let asked = answer.map(|answer| answer.at).or(state.received)?;
    let rests = matches!(state.motion.activity, Some(Activity::Parked) | None);
    let patience = match answer {
        Some(answer) if rests && answer.empty => return Some(false),
        _ if rests => (memory.longest_rest() * 2).clamp(SHORTEST_REST, LONGEST_REST),
        _ => STALE_AFTER,
    };
    Some(asked.duration_since(spoke) > patience)
}
