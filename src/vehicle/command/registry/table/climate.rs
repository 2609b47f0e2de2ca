//! Heat and cold for the battery and the cabin, now and later.

use super::super::Confirmation::State;
use super::super::{Command, EffectGroup, Spec, build, lists};
use super::ROW;

pub const ROWS: &[Spec] = &[
    Spec {
        name: "battery-preheat-on",
        aliases: &["battery-preheat"],
        doc: "Heat the battery.",
        ..BATTERY_PREHEAT
    },
    Spec {
        name: "battery-preheat-off",
        doc: "Stop heating the battery.",
        build: |_| Ok(Command::BatteryPreheat(false)),
        ..BATTERY_PREHEAT
    },
    Spec {
        name: "set-climate",
        aliases: &["climate"],
        doc: "Air conditioning with the given settings.",
        parameters: &lists::climate("nohotcold", "26", "3", "false", "false"),
        build: build::climate,
        ..CLIMATE
    },
    Spec {
        name: "ac-on",
        aliases: &["ac", "ac-switch"],
        doc: "Air conditioning on.",
        parameters: &lists::climate("nohotcold", "24", "4", "false", "false"),
        variant_of: Some("set-climate"),
        build: build::climate,
        ..CLIMATE
    },
    Spec {
        name: "ac-off",
        doc: "Air conditioning off.",
        build: |_| Ok(Command::ClimateOff),
        ..CLIMATE
    },
    Spec {
        name: "quick-cool",
        doc: "Cool at full power.",
        parameters: &lists::climate("cold", "18", "7", "true", "false"),
        right: &[171, 170],
        ability: &[9, 17],
        build: build::quick_cool,
        ..CLIMATE
    },
    Spec {
        name: "quick-heat",
        doc: "Heat at full power.",
        parameters: &lists::climate("hot", "32", "7", "true", "false"),
        right: &[171, 170],
        ability: &[9, 17],
        build: build::quick_heat,
        ..CLIMATE
    },
    Spec {
        name: "quick-ventilation",
        aliases: &["quick-ventilate"],
        doc: "Fresh air without heating or cooling.",
        parameters: lists::QUICK_VENTILATION,
        right: &[171, 170],
        ability: &[9, 17],
        build: build::quick_ventilation,
        ..CLIMATE
    },
    Spec {
        name: "windshield-defrost",
        aliases: &["defrost"],
        doc: "Defrost the windshield.",
        parameters: &lists::climate("hot", "32", "7", "true", "true"),
        right: &[460, 170],
        ability: &[18, 28],
        build: build::windshield_defrost,
        ..CLIMATE
    },
    Spec {
        name: "climate-schedule",
        aliases: &["ac-schedule"],
        doc: "Replace the climate schedule by one entry, or by the list `controls`.",
        parameters: lists::CLIMATE_SCHEDULE,
        build: build::climate_schedule,
        ..CLIMATE_SCHEDULE
    },
    Spec {
        name: "climate-schedule-cancel",
        doc: "Remove every entry of the climate schedule.",
        build: |_| Ok(Command::ClimateSchedule(Vec::new())),
        ..CLIMATE_SCHEDULE
    },
    Spec {
        name: "climate-schedule-on",
        doc: "Switch every entry of the climate schedule on.",
        build: |_| Ok(Command::ClimateScheduleSwitch(true)),
        ..CLIMATE_SCHEDULE
    },
    Spec {
        name: "climate-schedule-off",
        doc: "Switch every entry of the climate schedule off, without losing it.",
        build: |_| Ok(Command::ClimateScheduleSwitch(false)),
        ..CLIMATE_SCHEDULE
    },
];

/// Heating the battery.
const BATTERY_PREHEAT: Spec = Spec {
    // One source says 190, the id of the charging plan; 160 is the command's own id, and the T03 has it.
    right: &[190, 160],
    effect_group: EffectGroup::BatteryPreheat,
    confirmation: State,
    build: |_| Ok(Command::BatteryPreheat(true)),
    ..ROW
};

/// The air conditioning, now.
const CLIMATE: Spec = Spec {
    right: &[170],
    ability: &[6, 8, 9, 17],
    effect_group: EffectGroup::Climate,
    confirmation: State,
    ..ROW
};

/// The air conditioning, later.
const CLIMATE_SCHEDULE: Spec = Spec {
    right: &[171],
    ability: &[9, 17],
    effect_group: EffectGroup::ClimateSchedule,
    ..ROW
};
