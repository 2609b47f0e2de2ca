//! Music, video and navigation.

use serde_json::{Map, json};

use super::builder::{button, text};
use super::charge_control::object;
use super::entity::{Entity, Wish};
use crate::homeassistant::commands::{self, Rejection};
use crate::homeassistant::scene::Scene;
use crate::vehicle::Command;
use crate::vehicle::command::MediaOperation;
use crate::vehicle::intent::Reason;

pub const ROWS: &[Entity] = &[
    button("music_play", "Play music")
        .icon("mdi:play")
        .disabled()
        .sends(&["music"], |payload, car| {
            car.press(payload, Command::Music(MediaOperation::Play))
        }),
    button("music_pause", "Pause music")
        .icon("mdi:pause")
        .disabled()
        .sends(&["music"], |payload, car| {
            car.press(payload, Command::Music(MediaOperation::Pause))
        }),
    button("music_next", "Media next")
        .icon("mdi:skip-next")
        .disabled()
        .sends(&["music"], |payload, car| {
            car.press(payload, Command::Music(MediaOperation::Next))
        }),
    button("music_previous", "Media previous")
        .icon("mdi:skip-previous")
        .disabled()
        .sends(&["music"], |payload, car| {
            car.press(payload, Command::Music(MediaOperation::Previous))
        }),
    button("video_play", "Play video")
        .icon("mdi:play-box")
        .disabled()
        .sends(&["video"], |payload, car| {
            car.press(payload, Command::Video(MediaOperation::Play))
        }),
    button("video_pause", "Pause video")
        .icon("mdi:pause-box")
        .disabled()
        .sends(&["video"], |payload, car| {
            car.press(payload, Command::Video(MediaOperation::Pause))
        }),
    text("send_destination", "Send destination")
        .icon("mdi:map-marker-right")
        .disabled()
        .sends(&["send-destination"], send_destination)
        .note("`latitude,longitude` with an optional name behind another comma, or the command's parameters as JSON."),
];

fn send_destination(payload: &str, car: &Scene<'_>) -> Result<Wish, Rejection> {
    let payload = payload.trim();
    let parameters = if payload.starts_with('{') {
        object(payload)?
    } else {
        let mut parts = payload.splitn(3, ',').map(str::trim);
        let (Some(latitude), Some(longitude)) = (parts.next(), parts.next()) else {
            return Err(Rejection {
                reason: Reason::InvalidPayload,
                detail: "a destination is latitude,longitude[,name] or a JSON object".to_owned(),
            });
        };
        let mut place = Map::from_iter([
            ("latitude".to_owned(), json!(latitude)),
            ("longitude".to_owned(), json!(longitude)),
        ]);
        if let Some(name) = parts.next() {
            place.insert("address_name".to_owned(), json!(name));
        }
        place
    };
    Ok(car.wish(commands::parse("send-destination", &parameters)?))
}
