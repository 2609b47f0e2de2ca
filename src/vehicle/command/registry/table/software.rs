//! Software updates.

use super::super::Precondition::{InPark, NotMoving};
use super::super::{EffectGroup, Risk, Spec, build, lists};
use super::ROW;

pub const ROWS: &[Spec] = &[
    Spec {
        name: "fota-download",
        aliases: &["software-download"],
        doc: "Download a software update.",
        parameters: &[lists::TASK],
        right: &[390],
        build: build::software_download,
        ..SOFTWARE
    },
    Spec {
        name: "fota-install",
        aliases: &["software-install"],
        doc: "Install a software update.",
        parameters: &[lists::TASK],
        right: &[391, 390],
        preconditions: &[NotMoving, InPark],
        build: build::software_install,
        ..SOFTWARE
    },
    Spec {
        name: "fota-schedule",
        aliases: &["software-schedule"],
        doc: "Schedule the installation of a software update.",
        parameters: lists::SOFTWARE_SCHEDULE,
        right: &[392, 390],
        build: build::software_schedule,
        ..SOFTWARE
    },
];

/// Software updates.
const SOFTWARE: Spec = Spec {
    risk: Risk::Driving,
    effect_group: EffectGroup::Software,
    ..ROW
};
