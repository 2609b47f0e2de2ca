//! Hotspot, navigation and players.

use super::super::{Command, EffectGroup, Spec, build, lists};
use super::ROW;

/// The hotspot.
pub const HOTSPOT_ROWS: &[Spec] = &[Spec {
    name: "hotspot",
    doc: "Toggle the hotspot; the effect is unverified.",
    right: &[140],
    effect_group: EffectGroup::Hotspot,
    build: |_| Ok(Command::Hotspot),
    ..ROW
}];

/// The navigation.
pub const DESTINATION_ROWS: &[Spec] = &[Spec {
    name: "send-destination",
    aliases: &["destination"],
    doc: "Send a destination to the navigation.",
    parameters: lists::DESTINATION,
    right: &[180],
    ability: &[30, 52],
    needs_pin: false,
    effect_group: EffectGroup::Destination,
    build: build::send_destination,
    ..ROW
}];

/// The players.
pub const ROWS: &[Spec] = &[
    Spec {
        name: "music",
        doc: "A key of the music player; unverified.",
        parameters: lists::MEDIA,
        right: &[270],
        effect_group: EffectGroup::Media,
        build: build::music,
        ..ROW
    },
    Spec {
        name: "video",
        doc: "A key of the video player; unverified.",
        parameters: lists::MEDIA,
        right: &[290, 270],
        effect_group: EffectGroup::Media,
        build: build::video,
        ..ROW
    },
];
