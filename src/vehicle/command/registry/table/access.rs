//! Locks, tailgate, horn, and the guard.

use super::super::Confirmation::State;
use super::super::Precondition::{InPark, NotMoving};
use super::super::{Command, EffectGroup, Risk, Spec};
use super::ROW;

/// Getting into the car, and finding it.
pub const ROWS: &[Spec] = &[
    Spec {
        name: "lock",
        doc: "Lock the doors.",
        right: &[110],
        ability: &[1, 10],
        preconditions: &[NotMoving],
        confirmation: State,
        ..ROW
    },
    Spec {
        name: "unlock",
        doc: "Unlock the doors.",
        right: &[110],
        ability: &[1, 10],
        risk: Risk::Opening,
        effect_group: EffectGroup::Lock,
        preconditions: &[NotMoving],
        confirmation: State,
        build: |_| Ok(Command::Unlock),
        ..ROW
    },
    Spec {
        name: "find-car",
        aliases: &["find", "find-vehicle"],
        doc: "Sound the horn and flash the lights.",
        right: &[120],
        ability: &[2, 11],
        effect_group: EffectGroup::Find,
        preconditions: &[NotMoving],
        build: |_| Ok(Command::FindCar),
        ..ROW
    },
    Spec {
        name: "trunk-open",
        aliases: &["trunk"],
        doc: "Open the tailgate.",
        right: &[130],
        ability: &[3, 24],
        risk: Risk::Opening,
        effect_group: EffectGroup::Trunk,
        preconditions: &[NotMoving, InPark],
        confirmation: State,
        build: |_| Ok(Command::TrunkOpen),
        ..ROW
    },
    Spec {
        name: "trunk-close",
        doc: "Close a powered tailgate.",
        right: &[130],
        ability: &[3, 24],
        risk: Risk::Opening,
        effect_group: EffectGroup::Trunk,
        preconditions: &[NotMoving, InPark],
        confirmation: State,
        build: |_| Ok(Command::TrunkClose),
        ..ROW
    },
];

/// What the car sees while nobody is there.
pub const SENTRY_ROWS: &[Spec] = &[
    Spec {
        name: "sentry-mode-on",
        aliases: &["sentry-mode"],
        doc: "Sentry mode on; the B10 ignores it.",
        build: |_| Ok(Command::SentryMode(true)),
        ..SENTRY
    },
    Spec {
        name: "sentry-mode-off",
        doc: "Sentry mode off.",
        build: |_| Ok(Command::SentryMode(false)),
        ..SENTRY
    },
];

/// Sentry mode.
const SENTRY: Spec = Spec {
    right: &[220],
    ability: &[50],
    effect_group: EffectGroup::Sentry,
    confirmation: State,
    ..ROW
};
