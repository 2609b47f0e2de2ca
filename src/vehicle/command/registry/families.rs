//! What rows of the table of commands have in common: the right, the ability and the effect of several commands for one
//! thing.

use super::Confirmation::{Cloud, State};
use super::Precondition::{InPark, NotMoving};
use super::{Command, EffectGroup, Risk, Spec, build};

/// What most rows have in common; a row takes from it what it does not say itself, the first one even the command.
pub const ROW: Spec = Spec {
    name: "",
    aliases: &[],
    doc: "",
    parameters: &[],
    right: &[],
    ability: &[],
    unsupported: &[],
    needs_pin: true,
    risk: Risk::Comfort,
    effect_group: EffectGroup::Lock,
    preconditions: &[],
    confirmation: Cloud,
    variant_of: None,
    build: |_| Ok(Command::Lock),
};

/// Heating the battery.
pub const BATTERY_PREHEAT: Spec = Spec {
    // One source says 190, the id of the charging plan; 160 is the command's own id, and the T03 has it.
    right: &[190, 160],
    effect_group: EffectGroup::BatteryPreheat,
    confirmation: State,
    build: |_| Ok(Command::BatteryPreheat(true)),
    ..ROW
};

/// The air conditioning, now.
pub const CLIMATE: Spec = Spec {
    right: &[170],
    ability: &[6, 8, 9, 17],
    effect_group: EffectGroup::Climate,
    confirmation: State,
    ..ROW
};

/// The air conditioning, later.
pub const CLIMATE_SCHEDULE: Spec = Spec {
    right: &[171],
    ability: &[9, 17],
    effect_group: EffectGroup::ClimateSchedule,
    ..ROW
};

/// Preparing the car, later.
pub const PREPARE_SCHEDULE: Spec = Spec {
    right: &[361, 360],
    ability: &[38],
    effect_group: EffectGroup::PrepareSchedule,
    ..ROW
};

/// Sentry mode.
pub const SENTRY: Spec = Spec {
    right: &[220],
    ability: &[50],
    effect_group: EffectGroup::Sentry,
    confirmation: State,
    ..ROW
};

/// All windows.
pub const WINDOWS: Spec = Spec {
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
pub const SUNSHADE: Spec = Spec {
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
pub const SUNROOF: Spec = Spec {
    right: &[160],
    ability: &[25],
    risk: Risk::Opening,
    effect_group: EffectGroup::Sunroof,
    preconditions: &[NotMoving],
    confirmation: State,
    ..ROW
};

/// Heating the steering wheel.
pub const STEERING_WHEEL: Spec = Spec {
    right: &[320],
    ability: &[15],
    effect_group: EffectGroup::SteeringWheel,
    confirmation: State,
    ..ROW
};

/// Heating the mirrors.
pub const MIRRORS: Spec = Spec {
    right: &[440],
    effect_group: EffectGroup::Mirrors,
    confirmation: State,
    ..ROW
};

/// Heating from fuel.
pub const FUEL_HEATING: Spec = Spec {
    right: &[380],
    ability: &[40],
    effect_group: EffectGroup::FuelHeating,
    ..ROW
};

/// Healthy charging.
pub const HEALTHY_CHARGING: Spec = Spec {
    right: &[480],
    effect_group: EffectGroup::HealthyCharging,
    confirmation: State,
    ..ROW
};

/// Readiness to drive.
pub const ON3: Spec = Spec {
    right: &[410],
    ability: &[46],
    risk: Risk::Driving,
    effect_group: EffectGroup::Drive,
    preconditions: &[NotMoving, InPark],
    ..ROW
};

/// Software updates.
pub const SOFTWARE: Spec = Spec {
    risk: Risk::Driving,
    effect_group: EffectGroup::Software,
    ..ROW
};
