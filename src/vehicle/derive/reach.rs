//! What a car cannot have done: drive faster than any of them can, or backwards through its own odometer.
//!
//! A value out of reach of the last good one is not shown; the good one stays. A car that keeps saying so is right in
//! the end: it was carried away while we did not hear of it, or the value before was the wrong one.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::vehicle::state::Position;

/// No car here is as fast, in km/h.
const FASTEST_KMH: f64 = 250.0;
/// What rounding and an imprecise fix may add, in km.
pub(super) const TOLERANCE_KM: f64 = 2.0;
/// After so many different frames in a row that agree with each other, the value out of reach is believed.
const CONFIRMATIONS: u32 = 3;
/// Mean radius of the earth in km.
const EARTH_KM: f64 = 6371.0;

/// A value that changes only as far as a car can drive.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Track<T> {
    good: Option<Fix<T>>,
    rival: Option<Rival<T>>,
}

/// A value at a moment, by the car's own time.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct Fix<T> {
    value: T,
    at: Option<Timestamp>,
}

/// The newest of the values out of reach, and how many frames agree.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct Rival<T> {
    fix: Fix<T>,
    frames: u32,
}

/// A value of which can be told how far a car must drive from one to the other.
pub(super) trait Reach: Copy {
    /// Kilometres from `self` to `to`; `None` where no way leads.
    fn kilometers_to(self, to: Self) -> Option<f64>;
}

impl Reach for f64 {
    /// An odometer.
    fn kilometers_to(self, to: Self) -> Option<f64> {
        (to >= self).then_some(to - self)
    }
}

impl Reach for Position {
    /// As the crow flies.
    fn kilometers_to(self, to: Self) -> Option<f64> {
        let (from_latitude, to_latitude) = (self.latitude.to_radians(), to.latitude.to_radians());
        let half = |from: f64, to: f64| ((to - from) / 2.0).sin().powi(2);
        let chord = half(from_latitude, to_latitude)
            + from_latitude.cos() * to_latitude.cos() * half(self.longitude.to_radians(), to.longitude.to_radians());
        Some(2.0 * EARTH_KM * chord.sqrt().min(1.0).asin())
    }
}

impl<T> Default for Track<T> {
    fn default() -> Self {
        Self {
            good: None,
            rival: None,
        }
    }
}

impl<T: Reach> Track<T> {
    /// The last good value.
    pub(super) fn good(&self) -> Option<T> {
        self.good.map(|fix| fix.value)
    }

    /// How far a car can have come since the last good value until `now`, in km; `None` where nobody knows how long that
    /// was.
    pub(super) fn reach(&self, now: Option<Timestamp>) -> Option<f64> {
        reach(self.good?.at?, now?).into()
    }

    /// What to believe when a frame of the car's time `at` says `value`.
    pub(super) fn settle(&mut self, value: T, at: Option<Timestamp>) -> T {
        let said = Fix { value, at };
        if let Some(good) = self.good
            && !said.is_in_reach_of(&good)
        {
            let rival = match self.rival {
                // The same frame again proves nothing.
                Some(rival) if at.is_some() && rival.fix.at == at => rival,
                Some(rival) if said.is_in_reach_of(&rival.fix) => Rival {
                    fix: said,
                    frames: rival.frames.saturating_add(1),
                },
                _ => Rival { fix: said, frames: 1 },
            };
            if rival.frames < CONFIRMATIONS {
                self.rival = Some(rival);
                return good.value;
            }
        }
        self.good = Some(said);
        self.rival = None;
        value
    }
}

impl<T: Reach> Fix<T> {
    fn is_in_reach_of(&self, before: &Self) -> bool {
        let Some(distance) = before.value.kilometers_to(self.value) else {
            return false;
        };
        match (before.at, self.at) {
            (Some(then), Some(now)) => distance <= reach(then, now),
            // How fast it was cannot be told.
            _ => true,
        }
    }
}

/// How far a car can come from one moment to another, in km.
fn reach(then: Timestamp, now: Timestamp) -> f64 {
    let hours = now.duration_since(then).as_secs_f64().max(0.0) / 3600.0;
    FASTEST_KMH * hours + TOLERANCE_KM
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;

    fn minute(minutes: i64) -> Option<Timestamp> {
        Some(Timestamp::constant(1_790_000_000, 0) + SignedDuration::from_mins(minutes))
    }

    fn place(latitude: f64, longitude: f64) -> Position {
        Position { latitude, longitude }
    }

    #[test]
    fn a_jump_is_not_shown_and_a_drive_is() {
        let mut track = Track::default();
        let (milan, turin, rome) = (place(45.46, 9.19), place(45.07, 7.69), place(41.89, 12.51));
        assert_eq!(track.settle(milan, minute(0)), milan);
        assert_eq!(track.settle(rome, minute(1)), milan);
        assert_eq!(track.settle(milan, minute(2)), milan);
        // 125 km.
        assert_eq!(track.settle(turin, minute(30)), milan);
        assert_eq!(track.settle(turin, minute(60)), turin);
    }

    #[test]
    fn who_insists_is_believed_but_not_for_saying_the_same_thing_again() {
        let mut track = Track::default();
        track.settle(16_777_215.0, minute(0));
        assert_eq!(track.settle(1000.0, minute(1)), 16_777_215.0);
        assert_eq!(track.settle(1000.0, minute(1)), 16_777_215.0);
        assert_eq!(track.settle(1000.0, minute(2)), 16_777_215.0);
        assert_eq!(track.settle(1001.0, minute(3)), 1001.0);
        assert_eq!(track.good(), Some(1001.0));
    }

    #[test]
    fn an_odometer_counts_up_as_fast_as_a_car_drives() {
        let mut track = Track::default();
        assert_eq!(track.settle(1000.0, minute(0)), 1000.0);
        assert_eq!(track.settle(999.0, minute(60)), 1000.0);
        assert_eq!(track.settle(2_000.0, minute(60)), 1000.0);
        assert_eq!(track.settle(1_200.0, minute(60)), 1200.0);
        assert_eq!(track.settle(9_000.0, None), 9000.0, "nobody knows how long it took");
    }

    #[test]
    fn distances_are_those_on_the_globe() {
        let kilometers = place(45.46, 9.19).kilometers_to(place(41.89, 12.51)).unwrap();
        assert!((kilometers - 479.0).abs() < 2.0, "{kilometers}");
        let around = place(0.0, 0.0).kilometers_to(place(0.0, 180.0)).unwrap();
        assert!((around - 20_015.0).abs() < 1.0, "{around}");
    }
}
