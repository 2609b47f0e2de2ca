//! The lost minus: cars west of Greenwich or south of the equator sometimes report a coordinate without its sign and
//! would jump to the mirrored place. Each axis remembers its sign and gives it up only for good reasons.

use jiff::Timestamp;
use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer, Serialize};

use super::rejections::Objection;
use crate::vehicle::reading::{Coordinate, Frame, SignOrigin};
use crate::vehicle::state::Position;

/// No line is crossed by a longer step than this, in degrees, however far the car has driven.
const LONGEST_CROSSING: f64 = 0.5;
/// How far a car may have come in a step across the line while its odometer does not say, in km.
const UNMEASURED_CROSSING_KM: f64 = 5.0;
/// After so many different frames that neither a drive nor a lost sign explains, the car was carried there.
const CONFIRMATIONS: u32 = 3;
/// Kilometres in a degree of latitude; a degree of longitude is shorter.
const KM_PER_DEGREE: f64 = 111.2;
/// Beyond this latitude nobody drives; nearer to the pole a degree of longitude would be nothing.
const LAST_ROAD: f64 = 80.0;

/// When a positive value after a negative one is believed, for one axis.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limits {
    /// A step of at most this many degrees is a drive across the line.
    pub crossing: f64,
    /// A value within less than this many degrees of the mirror image of the last place is that place without its sign,
    /// however often it is said.
    pub mirror: f64,
    /// After this many different frames that say neither the car must have been carried there.
    pub confirmations: u32,
}

/// How far the car can have come since its last place, in km.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Reach {
    /// By its odometer.
    pub driven: Option<f64>,
    /// By the time that has passed.
    pub elapsed: Option<f64>,
}

impl Limits {
    /// The limits of latitude and longitude for a car at this latitude.
    fn of(reach: Reach, latitude: f64) -> (Self, Self) {
        let unmeasured = reach.elapsed.unwrap_or(UNMEASURED_CROSSING_KM);
        let crossing = reach.driven.unwrap_or(unmeasured.min(UNMEASURED_CROSSING_KM));
        let mirror = reach.driven.unwrap_or(unmeasured).max(unmeasured);
        let within = |km_per_degree: f64| Self {
            crossing: (crossing / km_per_degree).min(LONGEST_CROSSING),
            mirror: mirror / km_per_degree,
            confirmations: CONFIRMATIONS,
        };
        let shrinking = latitude.abs().min(LAST_ROAD).to_radians().cos();
        (within(KM_PER_DEGREE), within(KM_PER_DEGREE * shrinking))
    }
}

/// What is known of the signs of one car. An axis that cannot be read back is forgotten.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Hemisphere {
    /// North positive.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "axis_if_readable")]
    pub latitude: Option<Axis>,
    /// East positive.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "axis_if_readable")]
    pub longitude: Option<Axis>,
}

/// What is known of one axis.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Axis {
    /// On which side of the line the car is.
    pub sign: Sign,
    /// The last value, with its sign repaired.
    pub last: f64,
    /// Positive values that contradict a negative memory.
    #[serde(default)]
    doubt: Doubt,
}

/// A side of the line, stored as 1 or -1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "i8", into = "i8")]
pub enum Sign {
    /// North or east.
    Positive,
    /// South or west.
    Negative,
}

/// How often a memory was contradicted since it was last confirmed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Doubt {
    count: u32,
    /// The car's time of the frame counted last.
    frame: Option<Timestamp>,
}

impl Hemisphere {
    /// Repairs the position of a frame and remembers what it teaches; `reach` says how far the car can have come. A
    /// frame without either axis has no position, and 0/0 or a place off the globe is refused.
    pub fn repair(&mut self, frame: &Frame, reach: Reach) -> Result<Option<Position>, Objection> {
        let (Some(latitude), Some(longitude)) = (frame.latitude, frame.longitude) else {
            return Ok(None);
        };
        if latitude.degrees == 0.0 && longitude.degrees == 0.0 {
            return Err(Objection::NoFix);
        }
        if latitude.degrees.abs() > 90.0 || longitude.degrees.abs() > 180.0 {
            return Err(Objection::OutOfRange);
        }
        let limits = Limits::of(reach, latitude.degrees);
        Ok(Some(self.settle((latitude, longitude), frame.vehicle_time, limits)))
    }

    fn settle(
        &mut self,
        (latitude, longitude): (Coordinate, Coordinate),
        time: Option<Timestamp>,
        limits: (Limits, Limits),
    ) -> Position {
        Position {
            latitude: settle(&mut self.latitude, latitude, time, limits.0),
            longitude: settle(&mut self.longitude, longitude, time, limits.1),
        }
    }
}

impl Axis {
    /// An axis whose sign is that of `value`, free of doubt.
    fn at(value: f64) -> Self {
        let sign = if value < 0.0 { Sign::Negative } else { Sign::Positive };
        Self::with_sign(sign, value)
    }

    fn with_sign(sign: Sign, last: f64) -> Self {
        Self {
            sign,
            last,
            doubt: Doubt::default(),
        }
    }
}

/// Decides the sign of one value.
fn settle(memory: &mut Option<Axis>, seen: Coordinate, time: Option<Timestamp>, limits: Limits) -> f64 {
    let value = seen.degrees;
    let Some(axis) = memory.filter(|_| value >= 0.0) else {
        // A minus is never sent by mistake; a plus proves nothing where the slot has no minus.
        if value < 0.0 || seen.origin != SignOrigin::Absolute {
            *memory = Some(Axis::at(value));
        }
        return value;
    };
    if axis.sign == Sign::Positive || value == 0.0 {
        // On the line itself the car is still on the side it came from.
        *memory = Some(Axis::with_sign(axis.sign, value));
        return value;
    }
    if seen.origin == SignOrigin::Absolute {
        *memory = Some(Axis::at(-value));
        return -value;
    }
    if value - axis.last <= limits.crossing {
        *memory = Some(Axis::at(value));
        return value;
    }
    if (value + axis.last).abs() < limits.mirror {
        *memory = Some(Axis::at(-value));
        return -value;
    }
    let doubt = axis.doubt.raised_by(time);
    if doubt.count >= limits.confirmations {
        *memory = Some(Axis::at(value));
        return value;
    }
    *memory = Some(Axis { doubt, ..axis });
    -value
}

impl Doubt {
    /// One more contradiction, unless it is the same frame again. Frames without time are always new.
    fn raised_by(self, time: Option<Timestamp>) -> Self {
        if time.is_some() && time == self.frame {
            return self;
        }
        Self {
            count: self.count.saturating_add(1),
            frame: time,
        }
    }
}

/// A sign that is neither 1 nor -1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a sign is 1 or -1")]
pub struct InvalidSign;

impl TryFrom<i8> for Sign {
    type Error = InvalidSign;

    fn try_from(number: i8) -> Result<Self, InvalidSign> {
        match number {
            1 => Ok(Self::Positive),
            -1 => Ok(Self::Negative),
            _ => Err(InvalidSign),
        }
    }
}

impl From<Sign> for i8 {
    fn from(sign: Sign) -> Self {
        match sign {
            Sign::Positive => 1,
            Sign::Negative => -1,
        }
    }
}

/// Reads an axis back; damage costs the memory of this axis, not of the whole car.
fn axis_if_readable<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Axis>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Readable {
        Axis(Axis),
        Damaged(IgnoredAny),
    }
    Ok(match Readable::deserialize(deserializer)? {
        Readable::Axis(axis) => Some(axis),
        Readable::Damaged(IgnoredAny) => None,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const VECTORS: &str = include_str!("../../../tests/data/protocol/vectors.json");

    fn frame(step: &Value) -> Frame {
        let coordinate = |axis: &str| {
            let origin = match step["before"][format!("{axis}_signed")].as_bool() {
                Some(true) => SignOrigin::Signed,
                Some(false) => SignOrigin::Absolute,
                None => SignOrigin::Unstated,
            };
            let degrees = step["before"][axis].as_f64()?;
            Some(Coordinate { degrees, origin })
        };
        let time = step["collect_time"]
            .as_str()
            .map(|time| format!("{time}Z").parse().unwrap());
        Frame {
            vehicle_time: time,
            latitude: coordinate("latitude"),
            longitude: coordinate("longitude"),
            ..Frame::default()
        }
    }

    /// Sign and last value of an axis, as the vectors write them.
    fn written(axis: Option<Axis>) -> Option<(i64, f64)> {
        axis.map(|axis| (i64::from(i8::from(axis.sign)), axis.last))
    }

    fn expected(state: &Value) -> Option<(i64, f64)> {
        Some((state["sign"].as_i64()?, state["last"].as_f64()?))
    }

    #[test]
    fn every_recorded_walk_keeps_to_its_hemisphere() {
        let vectors: Value = serde_json::from_str(VECTORS).unwrap();
        let walks = vectors["hemisphere"].as_array().unwrap();
        assert!(walks.len() >= 12);
        for walk in walks {
            let vin = walk["vin"].as_str().unwrap();
            let initial = &walk["initial_state"][vin];
            let mut memory: Hemisphere = serde_json::from_value(initial.clone()).unwrap_or_default();
            // The walks know neither odometer nor speed, so whoever insists is believed.
            let limits = Limits {
                crossing: walk["max_jump_deg"].as_f64().unwrap(),
                mirror: 0.0,
                confirmations: u32::try_from(walk["confirm_polls"].as_u64().unwrap()).unwrap(),
            };
            for (number, step) in walk["steps"].as_array().unwrap().iter().enumerate() {
                let context = format!("{}, step {number}", walk["name"]);
                let frame = frame(step);
                let axes = frame.latitude.zip(frame.longitude);
                let position = axes.map(|axes| memory.settle(axes, frame.vehicle_time, (limits, limits)));
                let after = &step["after"];
                let at = position.map(|p| (p.latitude, p.longitude));
                assert_eq!(
                    at,
                    after["latitude"].as_f64().zip(after["longitude"].as_f64()),
                    "{context}"
                );
                let state = &step["state_after"][vin];
                assert_eq!(written(memory.latitude), expected(&state["latitude"]), "{context}");
                assert_eq!(written(memory.longitude), expected(&state["longitude"]), "{context}");
                // Each step starts from what a restart would bring back.
                memory = serde_json::from_value(serde_json::to_value(memory).unwrap()).unwrap();
            }
        }
    }

    #[test]
    fn a_damaged_axis_costs_only_itself() {
        let stored = json!({ "latitude": { "sign": 0, "last": 38.7 }, "longitude": { "sign": -1, "last": -9.1 } });
        let memory: Hemisphere = serde_json::from_value(stored).unwrap();
        assert_eq!(memory.latitude, None);
        assert_eq!(memory.longitude, Some(Axis::at(-9.1)));
    }

    #[test]
    fn zero_on_both_axes_is_no_fix_and_teaches_nothing() {
        let axis = |degrees| {
            let origin = SignOrigin::Signed;
            Some(Coordinate { degrees, origin })
        };
        let mut memory = Hemisphere::default();
        for (latitude, longitude) in [(0.0, 0.0), (91.0, 9.0), (45.0, 181.0)] {
            let frame = Frame {
                latitude: axis(latitude),
                longitude: axis(longitude),
                ..Frame::default()
            };
            assert!(memory.repair(&frame, Reach::default()).is_err());
        }
        assert_eq!(memory, Hemisphere::default());
    }

    /// What a car at this place shows when it says each of these, after driving so many km by its odometer.
    fn walk(start: (f64, f64), steps: &[(f64, f64, f64)]) -> Vec<(f64, f64)> {
        let said = |minute: i64, (latitude, longitude)| {
            let axis = |degrees| {
                let origin = SignOrigin::Signed;
                Some(Coordinate { degrees, origin })
            };
            Frame {
                vehicle_time: Some(Timestamp::constant(1_790_000_000 + 60 * minute, 0)),
                latitude: axis(latitude),
                longitude: axis(longitude),
                ..Frame::default()
            }
        };
        let mut memory = Hemisphere::default();
        memory.repair(&said(0, start), Reach::default()).unwrap();
        (1..)
            .zip(steps)
            .map(|(minute, (latitude, longitude, driven))| {
                let reach = Reach {
                    driven: Some(driven + 2.0),
                    elapsed: Some(6.0),
                };
                let place = memory.repair(&said(minute, (*latitude, *longitude)), reach);
                let place = place.unwrap().unwrap();
                (place.latitude, place.longitude)
            })
            .collect()
    }

    #[test]
    fn a_sign_lost_for_long_is_repaired_for_as_long_even_near_the_line() {
        let near = [(51.5, 0.2, 0.0); 10];
        assert_eq!(walk((51.5, -0.2), &near), [(51.5, -0.2); 10]);
        let on_the_way = [
            (38.70, 9.15, 1.0),
            (38.71, 9.16, 1.0),
            (38.72, 9.17, 1.0),
            (38.72, 9.18, 1.0),
        ];
        let shown: Vec<f64> = walk((38.7, -9.14), &on_the_way).iter().map(|place| place.1).collect();
        assert_eq!(shown, [-9.15, -9.16, -9.17, -9.18]);
        assert_eq!(walk((-1.3, 36.8), &[(1.3, 36.8, 0.0); 5]), [(-1.3, 36.8); 5]);
    }

    #[test]
    fn a_drive_across_the_line_is_believed_as_far_as_the_odometer_allows() {
        assert_eq!(walk((51.5, -0.01), &[(51.5, 0.005, 1.0)]), [(51.5, 0.005)]);
        assert_eq!(
            walk((51.5, -0.05), &[(51.5, 0.08, 12.0)]),
            [(51.5, 0.08)],
            "nobody looked for ten minutes"
        );
        assert_eq!(walk((51.5, -0.05), &[(51.5, 0.08, 2.0)]), [(51.5, -0.08)]);
    }

    #[test]
    fn a_car_that_was_carried_across_the_line_is_believed_in_the_end() {
        // By ship from Lisbon to Genoa.
        let shown = walk((38.7, -9.14), &[(44.41, 8.92, 0.0); 3]);
        assert_eq!(shown[2], (44.41, 8.92));
    }
}
