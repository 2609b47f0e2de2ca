//! Doors, tailgate, windows and roof.

use serde_json::{Map, Value as Json, json};

use super::builder::{binary, button, entity, sensor};
use super::entity::{Entity, Fits, Part, Platform, Wish};
use crate::homeassistant::commands::{self, Rejection};
use crate::homeassistant::scene::{Scene, flag, number, pressed, word};
use crate::vehicle::command::EffectGroup;
use crate::vehicle::facts::Value;
use crate::vehicle::intent::{Intent, Reason};
use crate::vehicle::state::Part as Opening;
use crate::vehicle::{Command, Model, Reading as R};

const DOORS: &[R] = &[
    R::DoorFrontLeft,
    R::DoorFrontRight,
    R::DoorRearLeft,
    R::DoorRearRight,
    R::Trunk,
];

const WINDOWS: &[R] = &[
    R::WindowFrontLeftOpen,
    R::WindowFrontRightOpen,
    R::WindowRearLeftOpen,
    R::WindowRearRightOpen,
];

pub const ROWS: &[Entity] = &[
    binary("anything_open", "Anything open")
        .class("opening")
        .from(DOORS, |car| any_open(car, &Opening::ALL))
        .attributes(open_parts)
        .note("The attribute `open` lists what stands open."),
    binary("doors_open", "Any door")
        .class("door")
        .diagnostic()
        .disabled()
        .from(DOORS, |car| {
            let [fl, fr, rl, rr] = Opening::DOORS;
            any_open(car, &[fl, fr, rl, rr, Opening::Trunk])
        })
        .note("The tailgate counts as a door."),
    binary("windows_open", "Any window")
        .class("window")
        .diagnostic()
        .disabled()
        .from(WINDOWS, |car| any_open(car, &Opening::WINDOWS)),
    binary("door_front_left", "Front left door")
        .class("door")
        .from(&[R::DoorFrontLeft], |car| is_open(car, Opening::DoorFrontLeft)),
    binary("door_front_right", "Front right door")
        .class("door")
        .from(&[R::DoorFrontRight], |car| is_open(car, Opening::DoorFrontRight)),
    binary("door_rear_left", "Rear left door")
        .class("door")
        .from(&[R::DoorRearLeft], |car| is_open(car, Opening::DoorRearLeft)),
    binary("door_rear_right", "Rear right door")
        .class("door")
        .from(&[R::DoorRearRight], |car| is_open(car, Opening::DoorRearRight)),
    binary("trunk", "Trunk state")
        .class("opening")
        .from(&[R::Trunk], |car| is_open(car, Opening::Trunk)),
    entity(Platform::Cover, "trunk_cover", "Trunk")
        .class("door")
        .from(&[R::Trunk], |car| {
            let open = car.state.openings.parts.get(&Opening::Trunk).copied();
            cover(open, None, car.pending(EffectGroup::Trunk))
        })
        .sends(&["trunk-open", "trunk-close"], move_trunk)
        .details(trunk_details)
        .note("A tailgate without a motor can only be opened."),
    button("trunk_open_button", "Open trunk")
        .icon("mdi:car-back")
        .sends(&["trunk-open"], |payload, car| car.press(payload, Command::TrunkOpen)),
    button("trunk_close_button", "Close trunk")
        .icon("mdi:car-back")
        .disabled()
        .sends(&["trunk-close"], |payload, car| {
            pressed(payload)?;
            move_trunk("CLOSE", car)
        })
        .note("Needs a tailgate with a motor."),
    button("windows_open_button", "Open windows")
        .icon("mdi:window-open")
        .disabled()
        .sends(&["windows-open"], |payload, car| {
            car.press(payload, Command::Windows { percent: 100 })
        }),
    button("windows_close_button", "Close windows")
        .icon("mdi:window-closed")
        .disabled()
        .sends(&["windows-close"], |payload, car| {
            car.press(payload, Command::Windows { percent: 0 })
        }),
    binary("window_front_left", "Front left window")
        .class("window")
        .from(&[R::WindowFrontLeftOpen, R::WindowFrontLeftPosition], |car| {
            is_open(car, Opening::WindowFrontLeft)
        }),
    binary("window_front_right", "Front right window")
        .class("window")
        .from(&[R::WindowFrontRightOpen, R::WindowFrontRightPosition], |car| {
            is_open(car, Opening::WindowFrontRight)
        }),
    binary("window_rear_left", "Rear left window")
        .class("window")
        .from(&[R::WindowRearLeftOpen, R::WindowRearLeftPosition], |car| {
            is_open(car, Opening::WindowRearLeft)
        }),
    binary("window_rear_right", "Rear right window")
        .class("window")
        .from(&[R::WindowRearRightOpen, R::WindowRearRightPosition], |car| {
            is_open(car, Opening::WindowRearRight)
        }),
    sensor("window_position_fl", "Front left window position")
        .measures(None, "%", 0)
        .icon("mdi:car-door")
        .diagnostic()
        .disabled()
        .only(Fits::WindowPositions)
        .from(&[R::WindowFrontLeftPosition], |car| {
            car.number(R::WindowFrontLeftPosition, 0)
        }),
    sensor("window_position_fr", "Front right window position")
        .measures(None, "%", 0)
        .icon("mdi:car-door")
        .diagnostic()
        .disabled()
        .only(Fits::WindowPositions)
        .from(&[R::WindowFrontRightPosition], |car| {
            car.number(R::WindowFrontRightPosition, 0)
        }),
    sensor("window_position_rl", "Rear left window position")
        .measures(None, "%", 0)
        .icon("mdi:car-door")
        .diagnostic()
        .disabled()
        .only(Fits::WindowPositions)
        .from(&[R::WindowRearLeftPosition], |car| {
            car.number(R::WindowRearLeftPosition, 0)
        }),
    sensor("window_position_rr", "Rear right window position")
        .measures(None, "%", 0)
        .icon("mdi:car-door")
        .diagnostic()
        .disabled()
        .only(Fits::WindowPositions)
        .from(&[R::WindowRearRightPosition], |car| {
            car.number(R::WindowRearRightPosition, 0)
        }),
    entity(Platform::Cover, "windows_cover", "Windows")
        .class("window")
        .from(WINDOWS, windows)
        .parts(&[Part {
            name: "position",
            state_topic_key: "pos_t",
            // A position would say more than the cover does while that is unknown.
            source: |car| windows(car).and(number(car.state.openings.windows_position?, 0)),
            unknown: "",
            control: Some(("set_pos_t", set_windows)),
            exists: |car| car.view.car.model.reports_window_positions(),
        }])
        .sends(&["windows", "windows-open", "windows-close"], move_windows)
        .details(|_| Map::from_iter([("pl_stop".to_owned(), Json::Null)]))
        .note("Moves all four windows. Where a car reports positions, the widest open window counts."),
    binary("roof_open", "Panoramic roof")
        .class("opening")
        .diagnostic()
        .from(&[R::RoofOpening], |car| is_open(car, Opening::Roof)),
    sensor("sunshade_position", "Sunshade position")
        .measures(None, "%", 0)
        .icon("mdi:blinds-horizontal")
        .diagnostic()
        .disabled()
        .from(&[R::SunShade], |car| {
            number(car.state.frame.number(R::SunShade)? * 10.0, 0)
        }),
    binary("windows_remote_supported", "Remote windows supported")
        .icon("mdi:car-door")
        .diagnostic()
        .disabled()
        .from(&[R::WindowsRemoteSupported], |car| {
            car.is_set(R::WindowsRemoteSupported)
        }),
    binary("door_control_allowed", "Door control allowed")
        .icon("mdi:car-door")
        .diagnostic()
        .disabled()
        .from(&[R::DoorControlAllowed], |car| car.is_set(R::DoorControlAllowed)),
];

fn is_open(car: &Scene<'_>, part: Opening) -> Option<Value> {
    flag(car.state.openings.parts.get(&part).copied())
}

/// Whether any of these stands open. Only parts the car has ever told of have to be known to be closed: a car without
/// a roof that opens would otherwise never be all closed.
fn any_open(car: &Scene<'_>, parts: &[Opening]) -> Option<Value> {
    let told: Vec<_> = parts
        .iter()
        .copied()
        .filter(|part| {
            readings(*part)
                .iter()
                .any(|reading| car.view.evidence.contains(reading))
        })
        .collect();
    if told.is_empty() {
        return None;
    }
    flag(car.state.openings.any(&told))
}

/// The readings that tell of a part.
fn readings(part: Opening) -> &'static [R] {
    match part {
        Opening::DoorFrontLeft => &[R::DoorFrontLeft],
        Opening::DoorFrontRight => &[R::DoorFrontRight],
        Opening::DoorRearLeft => &[R::DoorRearLeft],
        Opening::DoorRearRight => &[R::DoorRearRight],
        Opening::Trunk => &[R::Trunk],
        Opening::WindowFrontLeft => &[R::WindowFrontLeftOpen, R::WindowFrontLeftPosition],
        Opening::WindowFrontRight => &[R::WindowFrontRightOpen, R::WindowFrontRightPosition],
        Opening::WindowRearLeft => &[R::WindowRearLeftOpen, R::WindowRearLeftPosition],
        Opening::WindowRearRight => &[R::WindowRearRightOpen, R::WindowRearRightPosition],
        Opening::Roof => &[R::RoofOpening],
    }
}

fn open_parts(car: &Scene<'_>) -> Map<String, Json> {
    let open: Vec<_> = car.state.openings.open().map(Opening::name).collect();
    Map::from_iter([("open".to_owned(), json!(open))])
}

fn windows(car: &Scene<'_>) -> Option<Value> {
    let openings = &car.state.openings;
    let percent = openings.windows_position.map(f64::from);
    cover(
        openings.any(&Opening::WINDOWS),
        percent,
        car.pending(EffectGroup::Windows),
    )
}

/// The state of a cover: where it goes while a command is on its way, else where it stands. `percent` is how far open it
/// is, where the car says so.
pub fn cover(open: Option<bool>, percent: Option<f64>, pending: Option<&Command>) -> Option<Value> {
    const CLOSED: f64 = 0.0;
    const OPEN: f64 = 100.0;
    let target = match pending {
        Some(Command::TrunkClose | Command::Sunroof { open: false }) => Some(CLOSED),
        Some(Command::TrunkOpen | Command::Sunroof { open: true }) => Some(OPEN),
        Some(Command::Windows { percent }) => Some(f64::from(*percent)),
        Some(Command::Sunshade { tenths }) => Some(f64::from(*tenths) * 10.0),
        _ => None,
    };
    word(match target {
        Some(target) if target <= CLOSED || percent.is_some_and(|percent| target < percent) => "closing",
        Some(_) => "opening",
        None if open? => "open",
        None => "closed",
    })
}

fn trunk_details(car: &Scene<'_>) -> Map<String, Json> {
    let mut keys = Map::from_iter([("pl_stop".to_owned(), Json::Null)]);
    // The T03's tailgate has no motor, whatever the account may do.
    if car.view.car.model == Model::T03 || !commands::offered("trunk-close", &car.view.car, &car.options.policy) {
        keys.insert("pl_cls".to_owned(), Json::Null);
    }
    keys
}

fn move_trunk(payload: &str, car: &Scene<'_>) -> Result<Wish, Rejection> {
    let command = match payload {
        "OPEN" => Command::TrunkOpen,
        "CLOSE" if car.view.car.model == Model::T03 => {
            return Err(Rejection {
                reason: Reason::ModelUnsupported,
                detail: "the tailgate of the T03 has no motor".to_owned(),
            });
        }
        "CLOSE" => Command::TrunkClose,
        _ => return Err(not_a_cover_payload()),
    };
    Ok(Wish::Now(Intent::Car(car.view.car.vin.clone(), command)))
}

fn move_windows(payload: &str, car: &Scene<'_>) -> Result<Wish, Rejection> {
    let percent = match payload {
        "OPEN" => 100,
        "CLOSE" => 0,
        _ => return Err(not_a_cover_payload()),
    };
    Ok(Wish::Now(Intent::Car(
        car.view.car.vin.clone(),
        Command::Windows { percent },
    )))
}

fn set_windows(payload: &str, car: &Scene<'_>) -> Result<Wish, Rejection> {
    let percent = commands::whole(payload, 0_u8, 100, "the window position", "%")?;
    Ok(Wish::Now(Intent::Car(
        car.view.car.vin.clone(),
        Command::Windows { percent },
    )))
}

/// What a cover does not take.
pub fn not_a_cover_payload() -> Rejection {
    Rejection {
        reason: Reason::InvalidPayload,
        detail: "a cover takes OPEN or CLOSE".to_owned(),
    }
}
