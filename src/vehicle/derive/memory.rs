//! What must be remembered between two frames.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::hemisphere::{Hemisphere, Limits};
use super::reach::Track;
use super::{battery, charging, is_partial, motion};
use crate::vehicle::profile::Powertrain;
use crate::vehicle::reading::{Frame, Reading};
use crate::vehicle::state::Position;

/// How long the lock shows what a confirmed command said: the status lags behind the car by some seconds.
const COMMAND_HOLDS: SignedDuration = SignedDuration::from_secs(15);

/// A car's time further ahead of ours than this is a fault and orders no frames.
const LARGEST_CLOCK_ERROR: SignedDuration = SignedDuration::from_hours(1);

/// More than this between two parked frames means that a drive in between was missed. One kilometre is no proof: the
/// counter may step after the car has stopped.
const MISSED_DRIVE_KM: f64 = 1.0;

/// No car has come so far, in km.
const LARGEST_ODOMETER_KM: f64 = 3_000_000.0;

/// The memory of one car. What must survive a restart is serialized, with defaults for what an older version did not
/// write; the last frame is not, as the first answer after a restart brings it back.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Memory {
    hemisphere: Hemisphere,
    /// The car's own time of the newest frame.
    vehicle_time: Option<Timestamp>,
    /// Whether the car has ever reported fuel. One frame without it does not make it a battery car.
    range_extender: bool,
    /// What the last frame that could tell said.
    driving: Option<bool>,
    parked_since: Option<Timestamp>,
    parked_position: Option<Position>,
    odometer: Option<f64>,
    /// The readings of the odometer that can be true.
    odometer_track: Track<f64>,
    /// The positions that can be true.
    position_track: Track<Position>,
    finish_time: Option<Timestamp>,
    lock: Option<ConfirmedLock>,
    #[serde(skip)]
    seen: Option<Seen>,
}

/// The last frame worth showing.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Seen {
    /// The frame without what cannot be true.
    pub(super) frame: Frame,
    /// Its position with the sign repaired.
    pub(super) position: Option<Position>,
    /// When it arrived, by our clock.
    pub(super) received: Timestamp,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct ConfirmedLock {
    locked: bool,
    at: Timestamp,
}

impl Memory {
    /// Remembers that the car confirmed a lock or unlock command at `now`.
    #[must_use]
    pub fn with_confirmed_lock(mut self, locked: bool, now: Timestamp) -> Self {
        self.lock = Some(ConfirmedLock { locked, at: now });
        self
    }

    /// What moves the car, by all frames so far.
    pub fn powertrain(&self) -> Powertrain {
        if self.range_extender {
            Powertrain::Reev
        } else {
            Powertrain::Bev
        }
    }

    /// The car's own time of the newest frame.
    pub fn vehicle_time(&self) -> Option<Timestamp> {
        self.vehicle_time
    }

    pub(super) fn seen(&self) -> Option<&Seen> {
        self.seen.as_ref()
    }

    pub(super) fn has_good_frame(&self) -> bool {
        self.seen.as_ref().is_some_and(|seen| !is_partial(&seen.frame))
    }

    pub(super) fn driving(&self) -> Option<bool> {
        self.driving
    }

    pub(super) fn parked_since(&self) -> Option<Timestamp> {
        self.parked_since
    }

    pub(super) fn parked_position(&self) -> Option<Position> {
        self.parked_position
    }

    pub(super) fn finish_time(&self) -> Option<Timestamp> {
        self.finish_time
    }

    /// What a command confirmed a moment ago.
    pub(super) fn confirmed_lock(&self, now: Timestamp) -> Option<bool> {
        let lock = self.lock?;
        let age = now.duration_since(lock.at);
        (SignedDuration::ZERO <= age && age <= COMMAND_HOLDS).then_some(lock.locked)
    }

    /// Makes `frame` the one that is shown.
    pub(super) fn see(&mut self, frame: &Frame, now: Timestamp) {
        self.range_extender |= Powertrain::of(frame) == Powertrain::Reev;
        let repaired = self.hemisphere.repair(frame, Limits::default());
        self.seen = Some(Seen {
            position: repaired.map(|position| self.position_track.settle(position, frame.vehicle_time)),
            frame: self.believable(frame),
            received: now,
        });
    }

    /// Takes from the frame that is shown what later frames need.
    pub(super) fn learn(&mut self, now: Timestamp) {
        let Some(Seen { frame, position, .. }) = &self.seen else {
            return;
        };
        let newest = frame
            .vehicle_time
            .filter(|time| time.duration_since(now) <= LARGEST_CLOCK_ERROR);
        // What the frame says began at the latest when it arrived.
        let moment = frame.vehicle_time.map_or(now, |time| time.min(now));
        let odometer = frame.number(Reading::Odometer);
        let drives = motion::drives(frame);

        match (self.driving, drives) {
            (_, Some(true)) => self.parked_since = None,
            (Some(true), Some(false)) => self.parked_since = Some(moment),
            (Some(false), Some(false)) if drove_between(self.odometer, odometer) => self.parked_since = Some(moment),
            _ => {}
        }
        if drives == Some(false) {
            self.parked_position = position.or(self.parked_position);
        }
        self.finish_time = charging::finish_time(frame, self.powertrain(), moment, self.finish_time);
        self.driving = drives.or(self.driving);
        self.odometer = odometer.or(self.odometer);
        self.vehicle_time = newest.or(self.vehicle_time);
    }

    /// The frame without what cannot be true: a zero charge level that the precise one or the range contradicts, and an
    /// odometer that reads zero, runs backwards or faster than the car can drive.
    fn believable(&mut self, frame: &Frame) -> Frame {
        let mut frame = frame.clone();
        if is_partial(&frame) || battery::charge_level(&frame).is_some_and(|level| level > 0.0) {
            for reading in [Reading::Soc, Reading::SocPrecise] {
                if frame.number(reading) == Some(0.0) {
                    frame.readings.remove(&reading);
                }
            }
        }
        if let Some(km) = frame.number(Reading::Odometer) {
            let believed = if km > 0.0 && km < LARGEST_ODOMETER_KM {
                Some(self.odometer_track.settle(km, frame.vehicle_time))
            } else {
                self.odometer_track.good()
            };
            match believed {
                Some(km) => frame.set(Reading::Odometer, km),
                None => drop(frame.readings.remove(&Reading::Odometer)),
            }
        }
        frame
    }
}

fn drove_between(before: Option<f64>, after: Option<f64>) -> bool {
    matches!((before, after), (Some(before), Some(after)) if after - before > MISSED_DRIVE_KM)
}
