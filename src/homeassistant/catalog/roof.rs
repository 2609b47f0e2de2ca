//! Sunshade and sunroof.

use super::builder::{button, entity};
use super::entity::{Entity, Part, Platform, Wish};
use super::openings::{cover, not_a_cover_payload};
use crate::homeassistant::commands::{Rejection, whole};
use crate::homeassistant::scene::{Scene, number};
use crate::vehicle::command::EffectGroup;
use crate::vehicle::facts::Value;
use crate::vehicle::state::Part as Opening;
use crate::vehicle::{Command, Reading as R};

use serde_json::{Map, Value as Json};

/// The sunshade counts in tenths.
const OPEN: u8 = 10;
const CLOSED: u8 = 0;

pub const ROWS: &[Entity] = &[
    entity(Platform::Cover, "sunshade_cover", "Sunshade")
        .class("shade")
        .from(&[R::SunShade, R::RoofOpening], sunshade)
        .parts(&[Part {
            name: "position",
            state_topic_key: "pos_t",
            // A position would say more than the cover does while that is unknown.
            source: |car| sunshade(car).and(percent(car)),
            unknown: "",
            control: Some(("set_pos_t", set_sunshade)),
            exists: |car| car.view.evidence.contains(&R::SunShade),
        }])
        .sends(&["sunshade-open", "sunshade-close"], move_sunshade)
        .details(cannot_stop)
        .note("On the B10 the roof moves as well. Cars that do not report the sunshade show the roof and no position."),
    entity(Platform::Cover, "sunroof_cover", "Sunroof")
        .class("window")
        .from(&[R::RoofOpening], |car| {
            cover(roof(car), None, car.pending(EffectGroup::Sunroof))
        })
        .sends(&["sunroof-open", "sunroof-close"], move_sunroof)
        .details(cannot_stop)
        .note("Unverified."),
    button("sunroof_open_button", "Open sunroof")
        .icon("mdi:window-open")
        .disabled()
        .sends(&["sunroof-open"], |payload, car| {
            car.press(payload, Command::Sunroof { open: true })
        }),
    button("sunroof_close_button", "Close sunroof")
        .icon("mdi:window-closed")
        .disabled()
        .sends(&["sunroof-close"], |payload, car| {
            car.press(payload, Command::Sunroof { open: false })
        }),
    button("sunshade_open_button", "Open sunshade")
        .icon("mdi:blinds-horizontal")
        .disabled()
        .sends(&["sunshade-open"], |payload, car| {
            car.press(payload, Command::Sunshade { tenths: OPEN })
        }),
    button("sunshade_close_button", "Close sunshade")
        .icon("mdi:blinds-horizontal-closed")
        .disabled()
        .sends(&["sunshade-close"], |payload, car| {
            car.press(payload, Command::Sunshade { tenths: CLOSED })
        }),
];

fn roof(car: &Scene<'_>) -> Option<bool> {
    car.state.openings.parts.get(&Opening::Roof).copied()
}

fn sunshade(car: &Scene<'_>) -> Option<Value> {
    let tenths = car.state.frame.number(R::SunShade);
    let open = tenths.map(|tenths| tenths > 0.0).or_else(|| roof(car));
    cover(
        open,
        tenths.map(|tenths| tenths * 10.0),
        car.pending(EffectGroup::Sunshade),
    )
}

fn percent(car: &Scene<'_>) -> Option<Value> {
    let tenths = car.state.frame.number(R::SunShade)?;
    number(tenths.clamp(CLOSED.into(), OPEN.into()) * 10.0, 0)
}

fn cannot_stop(_: &Scene<'_>) -> Map<String, Json> {
    Map::from_iter([("pl_stop".to_owned(), Json::Null)])
}

fn move_sunshade(payload: &str, car: &Scene<'_>) -> Result<Wish, Rejection> {
    let tenths = match payload {
        "OPEN" => OPEN,
        "CLOSE" => CLOSED,
        _ => return Err(not_a_cover_payload()),
    };
    Ok(car.wish(Command::Sunshade { tenths }))
}

fn set_sunshade(payload: &str, car: &Scene<'_>) -> Result<Wish, Rejection> {
    let percent = whole(payload, 0_u8, 100, "the sunshade position", "%")?;
    // The nearest tenth, but never closed when a gap was asked for.
    let tenths = ((percent + 5) / 10).max(u8::from(percent > 0));
    Ok(car.wish(Command::Sunshade { tenths }))
}

fn move_sunroof(payload: &str, car: &Scene<'_>) -> Result<Wish, Rejection> {
    let open = match payload {
        "OPEN" => true,
        "CLOSE" => false,
        _ => return Err(not_a_cover_payload()),
    };
    Ok(car.wish(Command::Sunroof { open }))
}
