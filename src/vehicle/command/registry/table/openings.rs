//! Windows, sunshade and sunroof.

use super::super::Confirmation::State;
use super::super::Precondition::NotMoving;
use super::super::{Command, EffectGroup, Risk, Spec, build, lists};
use super::ROW;

pub const ROWS: &[Spec] = &[
    Spec {
        name: "windows-open",
        aliases: &["windows"],
        doc: "Move all windows to a position.",
        parameters: &[lists::window_position("100")],
        ..WINDOWS
    },
    Spec {
        name: "windows-close",
        doc: "Close all windows.",
        parameters: &[lists::window_position("0")],
        ..WINDOWS
    },
    Spec {
        name: "sunshade-open",
        aliases: &["sunshade"],
        doc: "Move the sunshade to a position; on the B10 the roof as well.",
        parameters: &[lists::sunshade_position("10")],
        ..SUNSHADE
    },
    Spec {
        name: "sunshade-close",
        doc: "Close the sunshade.",
        parameters: &[lists::sunshade_position("0")],
        ..SUNSHADE
    },
    Spec {
        name: "sunroof-open",
        aliases: &["sunroof"],
        doc: "Open the sunroof; unverified.",
        build: |_| Ok(Command::Sunroof { open: true }),
        ..SUNROOF
    },
    Spec {
        name: "sunroof-close",
        doc: "Close the sunroof; unverified.",
        build: |_| Ok(Command::Sunroof { open: false }),
        ..SUNROOF
    },
];

/// All windows.
const WINDOWS: Spec = Spec {
    right: &[230],
    ability: &[12, 20, 36],
    risk: Risk::Opening,
    effect_group: EffectGroup::Windows,
    preconditions: &[NotMoving],
    confirmation: State,
    build: build::windows,
    ..ROW
};

/// The sunshade.
const SUNSHADE: Spec = Spec {
    right: &[161, 240],
    ability: &[11],
    risk: Risk::Opening,
    effect_group: EffectGroup::Sunshade,
    preconditions: &[NotMoving],
    confirmation: State,
    build: build::sunshade,
    ..ROW
};

/// The sunroof.
const SUNROOF: Spec = Spec {
    right: &[160],
    ability: &[25],
    risk: Risk::Opening,
    effect_group: EffectGroup::Sunroof,
    preconditions: &[NotMoving],
    confirmation: State,
    ..ROW
};
