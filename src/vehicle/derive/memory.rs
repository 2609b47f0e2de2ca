//! What must be remembered between two frames.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::charging::Rise;
use super::hemisphere::{Hemisphere, Reach};
use super::reach::{TOLERANCE_KM, Track};
use super::rejections::{FRAME, Objection, POSITION, Refusal, Rejections, TIME};
use super::{Verdict, charging, gate, is_partial, motion, stale};
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

/// The memory of one car. It survives a restart, with defaults for what an older version did not write. The last frame
/// does too: the cloud says nothing of a car that sleeps.
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
    /// The odometer at the last position.
    position_odometer: Option<f64>,
    finish_time: Option<Timestamp>,
    rise: Option<Rise>,
    lock: Option<ConfirmedLock>,
    /// What was not believed.
    rejections: Rejections,
    /// For how many seconds the cloud has repeated the frame of the parked car.
    resting: i64,
    /// The longest such silence after which the car spoke again.
    longest_rest: i64,
    seen: Option<Seen>,
    #[serde(skip)]
    answered: Option<Answered>,
}

/// The last answer of the cloud.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Answered {
    /// When it came, by our clock.
    pub(super) at: Timestamp,
    /// Whether it said nothing of the car, as of one that sleeps.
    pub(super) empty: bool,
}

/// The last frame worth showing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
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

    /// What was not believed so far.
    pub fn rejections(&self) -> &Rejections {
        &self.rejections
    }

    /// Whether there is a frame to draw a picture of.
    pub fn has_frame(&self) -> bool {
        self.seen.is_some()
    }

    pub(super) fn seen(&self) -> Option<&Seen> {
        self.seen.as_ref()
    }

    pub(super) fn answered(&self) -> Option<Answered> {
        self.answered
    }

    /// The longest silence of the parked car after which it spoke again.
    pub(super) fn longest_rest(&self) -> SignedDuration {
        SignedDuration::from_secs(self.longest_rest)
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

    pub(super) fn rise(&self) -> Option<Rise> {
        self.rise
    }

    /// What a command confirmed a moment ago.
    pub(super) fn confirmed_lock(&self, now: Timestamp) -> Option<bool> {
        let lock = self.lock?;
        let age = now.duration_since(lock.at);
        (SignedDuration::ZERO <= age && age <= COMMAND_HOLDS).then_some(lock.locked)
    }

    /// Takes note that the cloud has answered.
    pub(super) fn note_answer(&mut self, verdict: Verdict, now: Timestamp) {
        let empty = verdict == Verdict::Empty;
        self.answered = Some(Answered { at: now, empty });
        if let (Verdict::Repeat, Some(false), Some(spoke)) = (verdict, self.driving, self.vehicle_time) {
            self.resting = now.duration_since(spoke).as_secs();
        }
    }

    /// Counts a frame that is not believed as a whole.
    pub(super) fn reject(&mut self, frame: &Frame, verdict: Verdict, now: Timestamp) {
        let refusal = match verdict {
            Verdict::Older => (FRAME, Objection::Older),
            Verdict::Partial if frame.number(Reading::Soc) == Some(0.0) => {
                (Reading::Soc.name(), Objection::Contradicted)
            }
            Verdict::Partial => (FRAME, Objection::Incomplete),
            Verdict::News | Verdict::Repeat | Verdict::Empty => return,
        };
        self.rejections.count(&[refusal], now);
    }

    /// Counts what was not believed of a frame that says something new, and notes what is good again.
    pub(super) fn count(&mut self, frame: &Frame, refusals: &[Refusal], now: Timestamp) {
        self.rejections.recover(|field| {
            let refused = refusals.iter().any(|(refused, _)| *refused == field);
            let said = match field {
                FRAME | TIME => true,
                POSITION => frame.latitude.is_some() && frame.longitude.is_some(),
                _ => Reading::from_name(field).is_some_and(|reading| frame.raw(reading).is_some()),
            };
            said && !refused
        });
        self.rejections.count(refusals, now);
    }

    /// Makes `frame` the one that is shown, as far as it is believed; tells what is not.
    pub(super) fn see(&mut self, frame: &Frame, now: Timestamp) -> Vec<Refusal> {
        self.range_extender |= Powertrain::of(frame) == Powertrain::Reev;
        let (mut believed, mut refusals) = gate::pass(frame, |reading| self.stand_in(reading, now));
        if believed.vehicle_time.is_some_and(|time| is_ahead(time, now)) {
            believed.vehicle_time = None;
            refusals.push((TIME, Objection::OutOfRange));
        }
        refusals.extend(self.settle_odometer(&mut believed));
        let position = match self.settle_position(&believed) {
            Ok(position) => position,
            Err(objection) => {
                refusals.push((POSITION, objection));
                self.position_track.good()
            }
        };
        self.seen = Some(Seen {
            frame: believed,
            position,
            received: now,
        });
        refusals
    }

    /// Takes from the frame that is shown what later frames need. The `refusals` are what was not believed of it.
    pub(super) fn learn(&mut self, refusals: &[Refusal], now: Timestamp) {
        let Some(Seen { frame, position, .. }) = &self.seen else {
            return;
        };
        let newest = frame.vehicle_time;
        // What the frame says began at the latest when it arrived.
        let moment = frame.vehicle_time.map_or(now, |time| time.min(now));
        let odometer = frame.number(Reading::Odometer);
        let drives = motion::drives(frame);

        // What stands in for a position that was refused is no news of where the car is.
        let place = position.filter(|_| refusals.iter().all(|(field, _)| *field != POSITION));
        match (self.driving, drives) {
            (_, Some(true)) => self.parked_since = None,
            (Some(driving), Some(false)) if driving || drove_between(self.odometer, odometer) => {
                self.parked_since = Some(moment);
                // Without a place of its own, the last one on the way; the old place was left.
                let on_the_way = self.position_track.good();
                self.parked_position = place.or(on_the_way.filter(|last| Some(*last) != self.parked_position));
            }
            (_, Some(false)) => self.parked_position = place.or(self.parked_position),
            (_, None) => {}
        }
        // Only what was witnessed: while nobody asked, the car may have talked all the time.
        self.longest_rest = self.longest_rest.max(std::mem::take(&mut self.resting));
        let powertrain = self.powertrain();
        self.rise = Rise::after(self.rise, frame, powertrain, moment);
        self.finish_time = charging::finish_time(frame, (powertrain, self.rise), moment, self.finish_time);
        self.driving = drives.or(self.driving);
        self.odometer = odometer.or(self.odometer);
        self.vehicle_time = newest.or(self.vehicle_time);
    }

    /// The last good value of a reading that cannot be believed now, as long as it may still be shown.
    fn stand_in(&self, reading: Reading, now: Timestamp) -> Option<f64> {
        let lapsed = stale::is_momentary(reading)
            && self
                .rejections
                .since(reading.name())
                .is_some_and(|since| stale::is_stale(since, now));
        let good = self.seen.as_ref()?.frame.number(reading);
        good.filter(|_| !lapsed)
    }

    /// Puts the odometer right: it reads never zero, and runs neither backwards nor faster than the car can drive.
    fn settle_odometer(&mut self, frame: &mut Frame) -> Option<Refusal> {
        let said = frame.number(Reading::Odometer)?;
        let good = self.odometer_track.good();
        // The 16-bit numbers that mean "cannot tell" elsewhere are distances here; the longer ones are out of range.
        let (believed, objection) = if said <= 0.0 {
            (good, Some(Objection::Placeholder))
        } else if said >= LARGEST_ODOMETER_KM {
            (good, Some(gate::objection(said)))
        } else {
            let settled = self.odometer_track.settle(said, frame.vehicle_time);
            let objection = if said < settled {
                Some(Objection::Backwards)
            } else {
                (said > settled).then_some(Objection::TooFast)
            };
            (Some(settled), objection)
        };
        match believed {
            Some(km) => frame.set(Reading::Odometer, km),
            None => drop(frame.readings.remove(&Reading::Odometer)),
        }
        objection.map(|objection| (Reading::Odometer.name(), objection))
    }

    /// The position with its sign repaired, where the car can have come to.
    fn settle_position(&mut self, frame: &Frame) -> Result<Option<Position>, Objection> {
        let odometer = frame.number(Reading::Odometer);
        let driven = self.position_odometer.zip(odometer);
        let reach = Reach {
            driven: driven.map(|(before, after)| after - before + TOLERANCE_KM),
            elapsed: self.position_track.reach(frame.vehicle_time),
        };
        let Some(repaired) = self.hemisphere.repair(frame, reach)? else {
            return Ok(None);
        };
        let settled = self.position_track.settle(repaired, frame.vehicle_time);
        if settled != repaired {
            return Err(Objection::TooFast);
        }
        self.position_odometer = odometer;
        Ok(Some(settled))
    }
}

/// Whether the car's clock is too far ahead of ours to order or date anything.
fn is_ahead(time: Timestamp, now: Timestamp) -> bool {
    time.duration_since(now) > LARGEST_CLOCK_ERROR
}

fn drove_between(before: Option<f64>, after: Option<f64>) -> bool {
    matches!((before, after), (Some(before), Some(after)) if after - before > MISSED_DRIVE_KM)
}
