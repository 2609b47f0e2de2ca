//! Locks and alarm.

use super::builder::{binary, button, entity, sensor, switch, words};
use super::entity::{Entity, Platform, Wish};
use crate::homeassistant::commands::Rejection;
use crate::homeassistant::scene::{Scene, flag, number, word};
use crate::vehicle::command::EffectGroup;
use crate::vehicle::intent::{Intent, Reason};
use crate::vehicle::state::LockSource;
use crate::vehicle::{Command, Reading as R};

pub const ROWS: &[Entity] = &[
    entity(Platform::Lock, "door_lock", "Doors")
        .from(&[R::Locked], |car| {
            word(match car.pending(EffectGroup::Lock) {
                Some(Command::Lock) => "LOCKING",
                Some(Command::Unlock) => "UNLOCKING",
                _ if car.state.security.locked? => "LOCKED",
                _ => "UNLOCKED",
            })
        })
        .sends(&["lock", "unlock"], turn_lock)
        .note("Shows the command on its way until the car itself confirms it."),
    button("lock_button", "Lock")
        .icon("mdi:lock")
        .disabled()
        .sends(&["lock"], |payload, car| car.press(payload, Command::Lock))
        .note("For dashboards that cannot use the lock."),
    button("unlock_button", "Unlock")
        .icon("mdi:lock-open-variant")
        .disabled()
        .sends(&["unlock"], |payload, car| car.press(payload, Command::Unlock))
        .note("For dashboards that cannot use the lock."),
    binary("locked", "Locked")
        .class("lock")
        .diagnostic()
        .disabled()
        // Home Assistant reads ON as unlocked for this class.
        .from(&[R::Locked], |car| {
            flag(car.state.security.locked.map(|locked| !locked))
        })
        .note("On means unlocked, as Home Assistant has it for locks."),
    words(
        "lock_state_source",
        "Lock state source",
        &["signal", "command_confirmed", "stale"],
    )
    .diagnostic()
    .disabled()
    .from(&[R::Locked], |car| {
        word(match car.state.security.lock_source? {
            LockSource::Signal => "signal",
            LockSource::CommandConfirmed => "command_confirmed",
            LockSource::Stale => "stale",
        })
    }),
    sensor("lock_state_age", "Lock state age")
        .measures(Some("duration"), "s", 0)
        .diagnostic()
        .disabled()
        .at_most_every(5)
        .from(&[R::Locked], |car| number(car.data_age()?, 0)),
    sensor("lock_status_raw", "Raw lock status code")
        .icon("mdi:code-tags")
        .diagnostic()
        .disabled()
        .from(&[R::Locked], |car| car.raw(R::Locked))
        .note("As the car sent it."),
    binary("security_active", "Anti-theft armed")
        .icon("mdi:shield-car")
        .diagnostic()
        .from(&[R::SecurityState], |car| flag(car.state.security.armed)),
    words(
        "alarm_state",
        "Alarm state",
        &["disarmed", "armed_1", "armed_2", "armed_3"],
    )
    .diagnostic()
    .disabled()
    .from(&[R::SecurityState], |car| {
        car.word(
            R::SecurityState,
            &[(0, "disarmed"), (1, "armed_1"), (2, "armed_2"), (3, "armed_3")],
        )
    })
    .note("What tells the three armed states apart is not known."),
    switch("sentry_mode", "Sentry mode")
        .icon("mdi:cctv")
        .from(&[R::SentryMode], |car| {
            let known = car.state.frame.code_is(R::SentryMode, &[1]);
            car.switched(known, EffectGroup::Sentry, |asked| match asked {
                Command::SentryMode(on) => Some(*on),
                _ => None,
            })
        })
        .sends(&["sentry-mode-on", "sentry-mode-off"], |payload, car| {
            car.toggle(payload, Command::SentryMode)
        })
        .note("The B10 was seen to ignore it."),
    binary("sentry_state", "Sentry mode state")
        .class("running")
        .diagnostic()
        .disabled()
        .from(&[R::SentryMode], |car| car.code_is(R::SentryMode, &[1])),
    binary("parking_photo", "Parking photo")
        .icon("mdi:camera")
        .diagnostic()
        .disabled()
        .from(&[R::ParkingPhoto], |car| car.code_is(R::ParkingPhoto, &[1])),
    entity(Platform::Button, "find_vehicle", "Find vehicle")
        .class("identify")
        .sends(&["find-car"], |payload, car| car.press(payload, Command::FindCar))
        .note("Sounds the horn and flashes the lights."),
];

fn turn_lock(payload: &str, car: &Scene<'_>) -> Result<Wish, Rejection> {
    let command = match payload {
        "LOCK" => Command::Lock,
        "UNLOCK" => Command::Unlock,
        _ => {
            return Err(Rejection {
                reason: Reason::InvalidPayload,
                detail: "a lock takes LOCK or UNLOCK".to_owned(),
            });
        }
    };
    Ok(Wish::Now(Intent::Car(car.view.car.vin.clone(), command)))
}
