//! What happens to the car, as events and as triggers for automations.

use super::builder::entity;
use super::entity::{Entity, Platform};

pub const ROWS: &[Entity] = &[
    entity(Platform::Event, "event_vehicle", "Vehicle event")
        .icon("mdi:car-info")
        .happens(&[
            "charging_started",
            "charging_stopped",
            "charging_completed",
            "charging_interrupted",
            "plugged_in",
            "unplugged",
            "driving_started",
            "parked",
            "locked",
            "unlocked",
            "opened",
            "closed",
            "climate_started",
            "climate_stopped",
            "ready",
            "online",
            "asleep",
            "charge_limit_changed",
            "schedule_changed",
            "software_update",
        ])
        .note("The attributes say what it was before and is now."),
    trigger("trigger_charging_started", "Device trigger: charging started"),
    trigger("trigger_charging_stopped", "Device trigger: charging stopped"),
    trigger("trigger_charging_completed", "Device trigger: charging completed"),
    trigger("trigger_plugged_in", "Device trigger: plugged in"),
    trigger("trigger_unplugged", "Device trigger: unplugged"),
    trigger("trigger_driving_started", "Device trigger: driving started"),
    trigger("trigger_parked", "Device trigger: parked"),
    trigger("trigger_locked", "Device trigger: locked"),
    trigger("trigger_unlocked", "Device trigger: unlocked"),
    trigger("trigger_door_opened", "Device trigger: door opened"),
    trigger("trigger_command_failed", "Device trigger: command failed"),
];

/// A trigger in the automation editor. It has no name there but its topic's last level.
const fn trigger(key: &'static str, name: &'static str) -> Entity {
    Entity {
        source: super::entity::Source::Event,
        ..entity(Platform::DeviceAutomation, key, name)
    }
}
