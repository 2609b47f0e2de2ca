//! From what the car said to what we believe: the rules that turn a [`Frame`] into a [`VehicleState`].
//!
//! Two calls are all there is. [`derive()`] takes every answer of the cloud, good or bad, and returns the new picture
//! with the new [`Memory`]; [`refresh`] draws the picture again when time has passed without an answer, so that live
//! values expire. [`judge`] says what kind of answer a frame is, and [`locked`] what the car itself says of its lock,
//! where the picture shows what a command said. All are pure; the caller keeps the memory, and its serialized part
//! survives a restart.
//!
//! Plug, charging, motion, locks, windows and tyres follow the rules that were proven on cars; the codes of the
//! maker's own app read some of them differently.

mod battery;
mod body;
mod charging;
mod frozen;
mod gate;
pub mod hemisphere;
mod memory;
mod motion;
mod plan;
mod reach;
pub mod rejections;
mod stale;
#[cfg(test)]
mod tests;

use jiff::Timestamp;

pub use body::locked;
pub use memory::Memory;

use super::profile::Model;
use super::reading::{Frame, Reading};
use super::state::VehicleState;

/// A range that contradicts an empty battery: a frame with 0 % and more than this is incomplete.
const RANGE_OF_A_LIVING_BATTERY_KM: f64 = 5.0;

/// What kind of answer a frame is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The car said something new.
    News,
    /// The car's time is that of the frame before: the car said nothing new, the cloud repeats itself.
    Repeat,
    /// The car's time is before that of a frame already seen.
    Older,
    /// The battery is missing, or empty in contradiction to the range; such frames follow commands.
    Partial,
    /// Nothing of the car: it sleeps or has no coverage.
    Empty,
}

/// Says what kind of answer `frame` is, given what was seen before.
pub fn judge(frame: &Frame, memory: &Memory) -> Verdict {
    if !frame.has_data() {
        return Verdict::Empty;
    }
    if is_partial(frame) {
        return Verdict::Partial;
    }
    match (frame.vehicle_time, memory.vehicle_time()) {
        (Some(time), Some(newest)) if time == newest => Verdict::Repeat,
        (Some(time), Some(newest)) if time < newest => Verdict::Older,
        _ => Verdict::News,
    }
}

/// Takes an answer in: the picture that follows from it, and what to remember. What cannot be true is left out and
/// counted ([`Memory::rejections`]); the last good value stays.
///
/// A repeated frame is shown, because the cloud adds the charging plan to it, but teaches nothing about the car. Empty,
/// partial and older frames leave the picture as it was; only when there is none yet, they are better than nothing.
pub fn derive(frame: &Frame, model: &Model, memory: &Memory, now: Timestamp) -> (VehicleState, Memory) {
    let mut memory = memory.clone();
    let verdict = judge(frame, &memory);
    memory.note_answer(verdict, now);
    memory.reject(frame, verdict, now);
    match verdict {
        Verdict::News => {
            let refusals = memory.see(frame, now);
            memory.count(frame, &refusals, now);
            memory.learn(&refusals, now);
        }
        // What is not believed of a frame is counted once, and of a rejected one not at all.
        Verdict::Repeat => drop(memory.see(frame, now)),
        Verdict::Partial | Verdict::Older if !memory.has_good_frame() => drop(memory.see(frame, now)),
        Verdict::Partial | Verdict::Older | Verdict::Empty => {}
    }
    (refresh(model, &memory, now), memory)
}

/// Draws the picture of the last frame as it looks at `now`.
pub fn refresh(model: &Model, memory: &Memory, now: Timestamp) -> VehicleState {
    let answered = memory.answered().map(|answer| answer.at);
    let Some(seen) = memory.seen() else {
        return VehicleState {
            answered,
            rejections: memory.rejections().clone(),
            ..VehicleState::default()
        };
    };
    let frame = &seen.frame;
    let charging = charging::charging(frame, memory);
    let tires = body::tires(frame);
    let mut state = VehicleState {
        vehicle_time: frame.vehicle_time,
        received: Some(seen.received),
        answered,
        rejections: memory.rejections().clone(),
        frozen: None,
        stale: stale::is_stale(frame.vehicle_time.unwrap_or(seen.received), now),
        battery: battery::battery(frame),
        motion: motion::motion(frame, memory, charging.charging),
        charging,
        security: body::security(frame, memory.confirmed_lock(now)),
        openings: body::openings(frame, model),
        climate: body::climate(frame),
        tire_problem: body::tire_problem(&tires),
        tires,
        fuel: battery::fuel(frame),
        plan: plan::plan(frame),
        position: seen.position,
        frame: frame.clone(),
    };
    state.frozen = frozen::is_frozen(&state, memory);
    if state.stale {
        stale::expire(&mut state);
    }
    state
}

/// Whether the battery is missing or cannot be true.
fn is_partial(frame: &Frame) -> bool {
    match battery::charge_level(frame) {
        None => true,
        Some(level) => {
            level == 0.0
                && frame
                    .number(Reading::Range)
                    .is_some_and(|km| km > RANGE_OF_A_LIVING_BATTERY_KM)
        }
    }
}
