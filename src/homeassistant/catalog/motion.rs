//! Motion and place.

use serde_json::{Map, Value as Json, json};

use super::builder::{binary, entity, moment, sensor, words};
use super::entity::{Entity, Fits, Platform};
use crate::homeassistant::scene::{Scene, flag, word};
use crate::vehicle::facts::Value;
use crate::vehicle::state::{Activity, Gear, Position};
use crate::vehicle::{Powertrain, Reading as R};

const MOTION: &[R] = &[R::Gear, R::Speed, R::KeyOn3];

pub const ROWS: &[Entity] = &[
    words(
        "vehicle_state",
        "Vehicle state",
        &["parked", "driving", "charging", "ready"],
    )
    .from(MOTION, |car| {
        word(match car.state.motion.activity? {
            Activity::Parked => "parked",
            Activity::Driving => "driving",
            Activity::Charging => "charging",
            Activity::Ready => "ready",
        })
    }),
    binary("driving", "Driving")
        .class("moving")
        .from(MOTION, |car| flag(car.state.motion.driving)),
    binary("parked", "Parked")
        .icon("mdi:car-brake-parking")
        .diagnostic()
        .disabled()
        .from(MOTION, |car| flag(car.state.motion.driving.map(|driving| !driving))),
    moment("parked_since", "Parked since").from(MOTION, |car| car.state.motion.parked_since.map(Value::Time)),
    sensor("speed", "Speed")
        .measures(Some("speed"), "km/h", 0)
        .diagnostic()
        .from(&[R::Speed], |car| car.live(R::Speed, 1)),
    words("gear", "Gear", &["P", "R", "N", "D"])
        .diagnostic()
        .from(&[R::Gear], |car| match car.state.motion.gear? {
            Gear::P => word("P"),
            Gear::R => word("R"),
            Gear::N => word("N"),
            Gear::D => word("D"),
            Gear::Unknown(_) => None,
        })
        .note("1 is taken for R and 3 for D, as seen on cars; one source has them the other way round."),
    sensor("gear_raw", "Gear (raw)")
        .icon("mdi:code-tags")
        .diagnostic()
        .disabled()
        .from(&[R::Gear], |car| car.raw(R::Gear))
        .note("As the car sent it."),
    binary("regenerating", "Regenerating")
        .icon("mdi:car-electric")
        .diagnostic()
        // The generator of a range extender looks the same.
        .only(Fits::Powertrain(Powertrain::Bev))
        .from(&[R::BatteryCurrent], |car| flag(car.state.motion.regenerating)),
    binary("parking_brake", "Parking brake")
        .icon("mdi:car-brake-parking")
        .diagnostic()
        .from(&[R::ParkingBrake], |car| car.code_is(R::ParkingBrake, &[1])),
    binary("vehicle_ready", "Ready (ON3)")
        .class("running")
        .diagnostic()
        .from(&[R::KeyOn3], |car| car.code_is(R::KeyOn3, &[1])),
    binary("ignition", "Ignition ON1")
        .class("power")
        .diagnostic()
        .disabled()
        .from(&[R::KeyOn1], |car| car.is_set(R::KeyOn1)),
    binary("remote_session_active", "Remote session active")
        .class("running")
        .diagnostic()
        .disabled()
        .from(&[R::KeyOn1, R::KeyOn2], |car| {
            let keys = [R::KeyOn1, R::KeyOn2].map(|key| car.state.frame.code_is(key, &[1]));
            match keys {
                [Some(true), _] | [_, Some(true)] => Some(Value::Flag(true)),
                [None, None] => None,
                _ => Some(Value::Flag(false)),
            }
        }),
    binary("park_assist_active", "Park assist active")
        .icon("mdi:parking")
        .diagnostic()
        .disabled()
        .from(&[R::ParkAssist], |car| car.code_is(R::ParkAssist, &[1])),
    binary("speed_limit_active", "Speed limit active")
        .icon("mdi:speedometer-slow")
        .diagnostic()
        .from(&[R::SpeedLimitActive], |car| car.code_is(R::SpeedLimitActive, &[1])),
    sensor("speed_limit_value", "Speed limit state")
        .measures(Some("speed"), "km/h", 0)
        .diagnostic()
        .from(&[R::SpeedLimit], |car| match car.state.frame.code(R::SpeedLimitUnit) {
            None | Some(0) => car.number(R::SpeedLimit, 0),
            // Another unit, of which only the code is known.
            Some(_) => None,
        })
        .note("Unknown while the car counts in another unit than km/h."),
    entity(Platform::DeviceTracker, "location", "Location")
        .details(|_| Map::from_iter([("src_type".to_owned(), json!("gps"))]))
        .object(&[], |car| place(car, car.state.position))
        .note("The accuracy is not known, so none is given. When the car said so is in `last_vehicle_update`."),
    entity(Platform::DeviceTracker, "parked_location", "Last parked position")
        .diagnostic()
        .disabled()
        .details(|_| Map::from_iter([("src_type".to_owned(), json!("gps"))]))
        .object(&[], |car| place(car, car.state.motion.parked_position))
        .note("Where the car stood last, also while it drives."),
];

fn place(car: &Scene<'_>, position: Option<Position>) -> Map<String, Json> {
    let Some(position) = position.filter(|_| !car.hides_place) else {
        return Map::new();
    };
    Map::from_iter([
        ("latitude".to_owned(), json!(position.latitude)),
        ("longitude".to_owned(), json!(position.longitude)),
    ])
}
