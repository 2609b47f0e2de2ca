//! Schedules of climate (171) and preparation (361): a list that replaces the one the car holds.

use std::borrow::Cow;

use jiff::ToSpan;
use jiff::civil::DateTime;
use serde_json::{Value, json};

use super::{Air, Context, PayloadError, bundle};
use crate::cloud::schedules::{Appointment, days};
use crate::vehicle::Model;
use crate::vehicle::command::{ClimateScheduleEntry, PreparationScheduleEntry};

/// The climate schedule.
pub fn climate(entries: &[ClimateScheduleEntry], model: &Model, context: &Context<'_>) -> Result<Value, PayloadError> {
    controls(entries, |(number, entry)| {
        let slot = Slot::new(entry.start_time, &entry.days, entry.set_id.as_deref(), number, context)?;
        let air = Air::new(&entry.settings, model);
        Some(json!({
            "mode": air.mode,
            "operate": air.operate,
            "temperature": air.temperature,
            "circle": air.circle,
            "windlevel": air.fan,
            "wshld": air.windshield,
            "days": entry.days,
            "on": if entry.enabled { "1" } else { "0" },
            "position": "all",
            "start_time": slot.start,
            "set_id": slot.set_id,
            "update_time": context.now.as_millisecond().to_string(),
        }))
    })
}

/// The preparation schedule.
pub fn preparation(
    entries: &[PreparationScheduleEntry],
    model: &Model,
    context: &Context<'_>,
) -> Result<Value, PayloadError> {
    controls(entries, |(number, entry)| {
        let slot = Slot::new(entry.start_time, &entry.days, entry.set_id.as_deref(), number, context)?;
        Some(json!({
            "datacontent": bundle(&entry.preparation, model),
            "days": entry.days,
            "enable": entry.enabled,
            "set_id": slot.set_id,
            "start_time": slot.start,
        }))
    })
}

/// The climate schedule as the car holds it, every entry on or off.
pub fn switch_climate(on: bool, context: &Context<'_>) -> Result<Value, PayloadError> {
    switch(context, "on", &Value::from(if on { "1" } else { "0" }))
}

/// The preparation schedule as the car holds it, every entry on or off.
pub fn switch_preparation(on: bool, context: &Context<'_>) -> Result<Value, PayloadError> {
    switch(context, "enable", &Value::from(on))
}

/// What the cloud holds, with one field of every entry changed. Whatever else an entry says stays as it came, but for
/// its start, which must not have passed.
fn switch(context: &Context<'_>, field: &str, value: &Value) -> Result<Value, PayloadError> {
    let held = context.schedule.ok_or(PayloadError::PlanUnknown)?;
    if held.is_empty() {
        return Err(PayloadError::NothingScheduled);
    }
    controls(held, |(_, entry)| {
        let mut entry = entry.clone();
        // A start or days that cannot be read are the cloud's to judge.
        if let Some((start, days)) = Appointment::of(&entry).start.zip(days(&entry)) {
            match next_start(start, &days, context.local_now) {
                Some(next) => {
                    entry.insert("start_time".to_owned(), Value::from(written(next)));
                }
                None if days.is_empty() => return None,
                // On no weekday that we know: it repeats all the same, and is not ours to drop.
                None => {}
            }
        }
        if let Some(updated) = entry.get_mut("update_time") {
            *updated = Value::from(context.now.as_millisecond().to_string());
        }
        entry.insert(field.to_owned(), value.clone());
        Some(Value::Object(entry))
    })
}

/// Entries that happen once and have begun are left out, because the cloud refuses them. When nothing but such entries
/// was asked for, that is an error rather than an empty list, which would cancel everything.
fn controls<T>(entries: &[T], write: impl Fn((u128, &T)) -> Option<Value>) -> Result<Value, PayloadError> {
    let written: Vec<Value> = (0..).zip(entries).filter_map(write).collect();
    if written.is_empty() && !entries.is_empty() {
        return Err(PayloadError::StartHasPassed);
    }
    Ok(json!({ "controls": written }))
}

/// When and under which id an entry is written.
struct Slot<'a> {
    start: String,
    set_id: Cow<'a, str>,
}

impl<'a> Slot<'a> {
    /// `None` when the entry has begun and does not repeat.
    fn new(start: DateTime, days: &[u8], set_id: Option<&'a str>, number: u128, context: &Context<'_>) -> Option<Self> {
        let start = next_start(start, days, context.local_now)?;
        Some(Self {
            start: written(start),
            set_id: set_id.map_or_else(|| Cow::Owned(new_set_id(context, number)), Cow::Borrowed),
        })
    }
}

/// A start as the cloud writes it, without seconds.
fn written(start: DateTime) -> String {
    start.strftime("%Y-%m-%d %H:%M:00").to_string()
}

/// The first start from now on: the given one of an entry that happens once, the next listed weekday of one that
/// repeats. A repeating entry does not begin before the given start.
pub(super) fn next_start(start: DateTime, days: &[u8], now: DateTime) -> Option<DateTime> {
    if days.is_empty() {
        return (start > now).then_some(start);
    }
    let first = start.max(now.date().to_datetime(start.time()));
    // Today's time may have passed, so the same weekday a week later counts as well.
    (0..=7)
        .filter_map(|ahead| first.checked_add(ahead.days()).ok())
        .find(|candidate| {
            let weekday = candidate.weekday().to_sunday_zero_offset();
            *candidate > now && days.iter().any(|day| i16::from(*day) == i16::from(weekday))
        })
}

/// An id in the shape the app gives its entries.
fn new_set_id(context: &Context<'_>, number: u128) -> String {
    let unique = context.seed.wrapping_add(number);
    format!("ios_{unique:032x}{}", context.now.as_second())
}
