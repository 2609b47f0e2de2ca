//! The table of commands. Adding a command is adding a row, a variant of [`Command`] and its payload.

use super::Confirmation::State;
use super::Precondition::{InPark, NotMoving, Plugged};
use super::families::{
    BATTERY_PREHEAT, CLIMATE, CLIMATE_SCHEDULE, FUEL_HEATING, HEALTHY_CHARGING, MIRRORS, ON3, PREPARE_SCHEDULE, ROW,
    SENTRY, SOFTWARE, STEERING_WHEEL, SUNROOF, SUNSHADE, WINDOWS,
};
use super::{Command, EffectGroup, Risk, Spec, build, lists};
use crate::vehicle::Model;

/// Every command, in the order of the documents.
pub static COMMANDS: &[Spec] = &[
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
    Spec {
        name: "hotspot",
        doc: "Toggle the hotspot; the effect is unverified.",
        right: &[140],
        effect_group: EffectGroup::Hotspot,
        build: |_| Ok(Command::Hotspot),
        ..ROW
    },
    Spec {
        name: "autopark",
        doc: "Automatic parking: moves the car. The effect is unverified.",
        right: &[150],
        ability: &[4],
        risk: Risk::Driving,
        effect_group: EffectGroup::Drive,
        preconditions: &[NotMoving, InPark],
        build: |_| Ok(Command::Autopark),
        ..ROW
    },
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
    Spec {
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
    },
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
    Spec {
        name: "seat-adjust",
        doc: "Seat adjustment; what the car wants is not known, so the object is passed on.",
        parameters: lists::PASSED_ON,
        right: &[280, 301],
        effect_group: EffectGroup::SeatAdjust,
        preconditions: &[NotMoving],
        build: build::seat_adjust,
        ..ROW
    },
    Spec {
        name: "seat-heat",
        doc: "Seat heating.",
        parameters: lists::SEAT,
        right: &[301],
        ability: &[14, 21, 29],
        // It declares the ability without having the hardware.
        unsupported: &[Model::T03],
        effect_group: EffectGroup::DriverSeat,
        confirmation: State,
        build: build::seat_heat,
        ..ROW
    },
    Spec {
        name: "seat-ventilation",
        doc: "Seat ventilation.",
        parameters: lists::SEAT,
        right: &[370, 301],
        ability: &[42, 43],
        unsupported: &[Model::T03],
        effect_group: EffectGroup::DriverSeat,
        confirmation: State,
        build: build::seat_ventilation,
        ..ROW
    },
    Spec {
        name: "steering-wheel-heat-on",
        aliases: &["steering-wheel-heat"],
        doc: "Steering wheel heating on.",
        build: |_| Ok(Command::SteeringWheelHeat(true)),
        ..STEERING_WHEEL
    },
    Spec {
        name: "steering-wheel-heat-off",
        doc: "Steering wheel heating off.",
        build: |_| Ok(Command::SteeringWheelHeat(false)),
        ..STEERING_WHEEL
    },
    Spec {
        name: "rearview-mirror-heat-on",
        aliases: &["rearview-mirror-heat", "mirror-heat", "mirror-heat-on"],
        doc: "Mirror heating on.",
        build: |_| Ok(Command::MirrorHeat(true)),
        ..MIRRORS
    },
    Spec {
        name: "rearview-mirror-heat-off",
        aliases: &["mirror-heat-off"],
        doc: "Mirror heating off.",
        build: |_| Ok(Command::MirrorHeat(false)),
        ..MIRRORS
    },
    Spec {
        name: "prepare-car",
        doc: "Prepare the car now: climate, seats, steering wheel, mirrors, destination. Ends after about 20 minutes.",
        parameters: lists::PREPARE,
        right: &[360],
        ability: &[38],
        effect_group: EffectGroup::Prepare,
        build: build::prepare_car,
        ..ROW
    },
    Spec {
        name: "prepare-car-schedule",
        doc: "Replace the preparation schedule by one entry, or by the list `controls`.",
        parameters: lists::PREPARE_SCHEDULE,
        build: build::prepare_car_schedule,
        ..PREPARE_SCHEDULE
    },
    Spec {
        name: "prepare-car-schedule-cancel",
        doc: "Remove every entry of the preparation schedule.",
        build: |_| Ok(Command::PrepareCarSchedule(Vec::new())),
        ..PREPARE_SCHEDULE
    },
    Spec {
        name: "prepare-car-schedule-on",
        doc: "Switch every entry of the preparation schedule on.",
        build: |_| Ok(Command::PrepareCarScheduleSwitch(true)),
        ..PREPARE_SCHEDULE
    },
    Spec {
        name: "prepare-car-schedule-off",
        doc: "Switch every entry of the preparation schedule off, without losing it.",
        build: |_| Ok(Command::PrepareCarScheduleSwitch(false)),
        ..PREPARE_SCHEDULE
    },
    Spec {
        name: "fuel-heating-on",
        aliases: &["fuel-heating"],
        doc: "Heat from fuel, on range-extender cars; unverified.",
        build: |_| Ok(Command::FuelHeating(true)),
        ..FUEL_HEATING
    },
    Spec {
        name: "fuel-heating-off",
        doc: "Stop heating from fuel; unverified.",
        build: |_| Ok(Command::FuelHeating(false)),
        ..FUEL_HEATING
    },
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
    Spec {
        name: "rear-seats",
        doc: "Rear seats of the C16; what the car wants is not known, so the text is passed on.",
        parameters: lists::REAR_SEATS,
        right: &[470, 301],
        effect_group: EffectGroup::RearSeats,
        preconditions: &[NotMoving],
        build: build::rear_seats,
        ..ROW
    },
    Spec {
        name: "piloted-parking",
        doc: "Moves the car; what it wants is not known, so the object is passed on.",
        parameters: lists::PASSED_ON,
        right: &[350],
        risk: Risk::Driving,
        effect_group: EffectGroup::Drive,
        preconditions: &[NotMoving, InPark],
        build: build::piloted_parking,
        ..ROW
    },
    Spec {
        name: "on3-on",
        aliases: &["on3"],
        doc: "Make the car ready to drive.",
        build: |_| Ok(Command::On3(true)),
        ..ON3
    },
    Spec {
        name: "on3-off",
        doc: "End readiness to drive.",
        build: |_| Ok(Command::On3(false)),
        ..ON3
    },
    Spec {
        name: "speed-limit",
        aliases: &["set-speed-limit"],
        doc: "Speed limit.",
        parameters: lists::SPEED_LIMIT,
        right: &[510],
        ability: &[34],
        risk: Risk::Driving,
        effect_group: EffectGroup::SpeedLimit,
        preconditions: &[NotMoving],
        confirmation: State,
        build: build::speed_limit,
        ..ROW
    },
    Spec {
        name: "ble-key-restart",
        doc: "Restart the digital key; unverified.",
        right: &[430],
        ability: &[16, 53],
        risk: Risk::Driving,
        effect_group: EffectGroup::Key,
        preconditions: &[NotMoving],
        build: |_| Ok(Command::BleKeyRestart),
        ..ROW
    },
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
