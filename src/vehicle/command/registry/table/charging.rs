//! Charging: limit, plan, plug and current.

use super::super::Confirmation::State;
use super::super::Precondition::{NotMoving, Plugged};
use super::super::{Command, EffectGroup, Risk, Spec, build, lists};
use super::ROW;
use crate::vehicle::Model;

/// The plan, and the charge itself.
pub const ROWS: &[Spec] = &[
    Spec {
        name: "charge-limit",
        aliases: &["set-charge-limit"],
        doc: "Charge limit, keeping the rest of the charging plan.",
        parameters: lists::CHARGE_LIMIT,
        right: &[340, 190],
        ability: &[35, 25, 26, 47, 51],
        effect_group: EffectGroup::ChargePlan,
        confirmation: State,
        build: build::charge_limit,
        ..ROW
    },
    Spec {
        name: "charge-schedule",
        aliases: &["set-charge-schedule"],
        doc: "Change parts of the charging plan, keeping the rest.",
        parameters: lists::CHARGE_SCHEDULE,
        right: &[340, 190],
        ability: &[35, 25, 26, 47, 51],
        effect_group: EffectGroup::ChargePlan,
        confirmation: State,
        build: build::charge_schedule,
        ..ROW
    },
    Spec {
        name: "charge-limit-native",
        doc: "Charge limit through the command of its own that some cars have.",
        parameters: lists::CHARGE_LIMIT,
        right: &[340],
        ability: &[35],
        effect_group: EffectGroup::ChargePlan,
        confirmation: State,
        build: build::charge_limit_native,
        ..ROW
    },
    Spec {
        name: "unlock-charger",
        doc: "Release the charging plug.",
        right: &[192],
        // Sources name one or the other; the T03 lacks 53, hides the command in its app and does nothing.
        ability: &[48, 53],
        unsupported: &[Model::T03],
        risk: Risk::Opening,
        effect_group: EffectGroup::Charger,
        preconditions: &[NotMoving],
        build: |_| Ok(Command::UnlockCharger),
        ..ROW
    },
    Spec {
        name: "charge-start",
        aliases: &["charging-start"],
        doc: "Start charging.",
        right: &[193],
        effect_group: EffectGroup::Charge,
        preconditions: &[Plugged],
        confirmation: State,
        build: |_| Ok(Command::ChargeStart),
        ..ROW
    },
    Spec {
        name: "charge-stop",
        aliases: &["charging-stop"],
        doc: "Stop charging.",
        right: &[193],
        effect_group: EffectGroup::Charge,
        confirmation: State,
        build: |_| Ok(Command::ChargeStop),
        ..ROW
    },
];

/// Sparing the battery.
pub const HEALTHY_ROWS: &[Spec] = &[
    Spec {
        name: "healthy-charging-on",
        aliases: &["healthy-charging"],
        doc: "Spare the battery: charge to about 80 %.",
        build: |_| Ok(Command::HealthyCharging(true)),
        ..HEALTHY_CHARGING
    },
    Spec {
        name: "healthy-charging-off",
        doc: "Charge to the limit again.",
        build: |_| Ok(Command::HealthyCharging(false)),
        ..HEALTHY_CHARGING
    },
];

/// Healthy charging.
const HEALTHY_CHARGING: Spec = Spec {
    right: &[480],
    effect_group: EffectGroup::HealthyCharging,
    confirmation: State,
    ..ROW
};
