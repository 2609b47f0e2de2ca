//! Every recorded status answer, decoded and derived, against what two other programs made of it.
//!
//! One follows the maker's app, the other was corrected by reports from cars. The second governs plug, charging, motion,
//! locks, windows and tyres, the first everything else. Where we differ on purpose, a row below says why.

#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde_json::{Value, json};

use leapmotor2mqtt::cloud::signals;
use leapmotor2mqtt::vehicle::derive::{self, Memory, Verdict};
use leapmotor2mqtt::vehicle::state::{Connection, Gear, Part, Wheel};
use leapmotor2mqtt::vehicle::{Model, Reading, VehicleState};

const VECTORS: &str = include_str!("data/protocol/vectors.json");

/// What we say under the name of one recorded value.
type Column = (&'static str, fn(&VehicleState) -> Value);

/// Values for which the maker's app is right.
#[rustfmt::skip]
const BY_THE_APP: &[Column] = &[
    ("/battery/soc", |s| json!(s.battery.soc)),
    ("/battery/precise_soc", |s| json!(s.battery.soc_precise)),
    ("/battery/battery_power", |s| json!(s.battery.power)),
    ("/battery/discharging_power_kw", |s| json!(s.battery.discharging_power)),
    ("/battery/is_discharging", |s| json!(s.battery.discharging)),
    ("/battery/dump_energy_kwh", |s| json!(s.battery.energy)),
    ("/battery/charge_state", |s| json!(s.frame.code(Reading::ChargeState))),
    ("/battery/charge_remain_time", |s| reading(s, Reading::ChargeRemainTime)),
    ("/battery/charge_completed", |s| reading(s, Reading::ChargeCompleted)),
    ("/battery/ac_input_slow_charge", |s| reading(s, Reading::AcPortState)),
    ("/battery/dc_input_fast_charge", |s| reading(s, Reading::DcPlug)),
    ("/battery/battery_current", |s| reading(s, Reading::BatteryCurrent)),
    ("/battery/battery_voltage", |s| reading(s, Reading::BatteryVoltage)),
    ("/battery/expected_mileage", |s| reading(s, Reading::Range)),
    ("/battery/min_battery_temp", |s| reading(s, Reading::BatteryTempMin)),
    ("/battery/battery_thermal_request", |s| {
        reading(s, Reading::BatteryThermalRequest)
    }),
    ("/battery/healthy_charge_enabled", |s| {
        reading(s, Reading::HealthyChargeEnabled)
    }),
    ("/battery/expected_fuel_mileage", |s| json!(s.fuel.range)),
    ("/battery/expected_combined_mileage", |s| {
        reading(s, Reading::CombinedRange)
    }),
    ("/battery/charge_plan/soc_setting", |s| json!(s.plan.limit)),
    ("/battery/charge_plan/time_setting", |s| {
        json!(s.frame.text(Reading::ChargeTimeSetting))
    }),
    ("/battery/charge_plan/enabled", |s| json!(s.plan.enabled)),
    ("/battery/charge_plan/end", |s| json!(s.plan.end)),
    ("/battery/charge_plan/cycles", |s| json!(s.plan.cycles)),
    ("/battery/charge_plan/circulation", |s| json!(s.plan.circulation)),
    ("/battery/charge_plan/recharge", |s| json!(s.plan.recharge)),
    ("/battery/charge_plan/cancelled_once", |s| {
        reading(s, Reading::ChargeScheduleCancelledOnce)
    }),
    ("/driving/speed", |s| reading(s, Reading::Speed)),
    ("/driving/total_mileage", |s| reading(s, Reading::Odometer)),
    ("/driving/gear_status", |s| reading(s, Reading::Gear)),
    ("/driving/vehicle_state", |s| reading(s, Reading::VehicleState)),
    ("/driving/speed_limit", |s| reading(s, Reading::SpeedLimit)),
    ("/driving/speed_limit_unit", |s| reading(s, Reading::SpeedLimitUnit)),
    ("/driving/speed_limit_active", |s| reading(s, Reading::SpeedLimitActive)),
    ("/driving/live_remaining_range", |s| reading(s, Reading::RangeLive)),
    ("/driving/max_range", |s| reading(s, Reading::RangeMax)),
    ("/driving/range_mode", |s| reading(s, Reading::RangeMode)),
    ("/driving/parking_brake_state", |s| reading(s, Reading::ParkingBrake)),
    ("/driving/max_fuel_range", |s| reading(s, Reading::FuelRangeMax)),
    ("/driving/max_combined_range", |s| reading(s, Reading::CombinedRangeMax)),
    ("/location/latitude", |s| json!(s.position.map(|p| p.latitude))),
    ("/location/longitude", |s| json!(s.position.map(|p| p.longitude))),
    ("/climate/ac_switch", |s| json!(s.climate.on)),
    ("/climate/ac_setting", |s| reading(s, Reading::TargetTempLeft)),
    ("/climate/ac_setting_right", |s| reading(s, Reading::TargetTempRight)),
    ("/climate/interior_temp", |s| reading(s, Reading::InteriorTemp)),
    ("/climate/outdoor_temp", |s| reading(s, Reading::OutdoorTemp)),
    ("/climate/min_single_temp", |s| reading(s, Reading::MinSingleTemp)),
    ("/climate/ac_air_volume", |s| reading(s, Reading::FanLevel)),
    ("/climate/ac_air_volume_setting", |s| {
        reading(s, Reading::FanLevelSetting)
    }),
    ("/climate/ac_wind_direction", |s| reading(s, Reading::AirDirection)),
    ("/climate/ac_temp_mode", |s| reading(s, Reading::TempMode)),
    ("/climate/ac_circle_mode", |s| reading(s, Reading::CircleMode)),
    ("/climate/ac_cooling_and_heating", |s| {
        json!(s.climate.direction.map(|d| d as u8))
    }),
    ("/climate/ptc_state", |s| reading(s, Reading::PtcState)),
    ("/climate/ptc_power_setting_value", |s| {
        reading(s, Reading::PtcPowerSetting)
    }),
    ("/climate/recirculation_mode", |s| reading(s, Reading::Recirculation)),
    ("/climate/windshield_defrost", |s| {
        reading(s, Reading::WindshieldDefrost)
    }),
    ("/climate/is_windshield_defrost_active", |s| json!(s.climate.defrost)),
    ("/climate/rear_window_heating", |s| {
        reading(s, Reading::RearWindowHeating)
    }),
    ("/climate/climate_mode", |s| reading(s, Reading::ClimateMode)),
    ("/climate/rapid_cooling", |s| reading(s, Reading::RapidCooling)),
    ("/climate/rapid_heating", |s| reading(s, Reading::RapidHeating)),
    ("/climate/ac_operate_mode", |s| reading(s, Reading::AcOperateMode)),
    ("/doors/lbcm_driver_door_status", |s| part(s, Part::DoorFrontLeft)),
    ("/doors/rbcm_driver_door_status", |s| part(s, Part::DoorFrontRight)),
    ("/doors/lbcm_left_rear_door_status", |s| part(s, Part::DoorRearLeft)),
    ("/doors/rbcm_right_rear_door_status", |s| part(s, Part::DoorRearRight)),
    ("/doors/bbcm_back_door_status", |s| part(s, Part::Trunk)),
    ("/doors/bcm_door_ctrl_allow", |s| {
        reading(s, Reading::DoorControlAllowed)
    }),
    ("/doors/is_locked", |s| json!(s.security.locked)),
    ("/windows/left_front_window_percent", |s| {
        reading(s, Reading::WindowFrontLeftPosition)
    }),
    ("/windows/right_front_window_percent", |s| {
        reading(s, Reading::WindowFrontRightPosition)
    }),
    ("/windows/left_rear_window_percent", |s| {
        reading(s, Reading::WindowRearLeftPosition)
    }),
    ("/windows/right_rear_window_percent", |s| {
        reading(s, Reading::WindowRearRightPosition)
    }),
    ("/windows/sun_shade", |s| reading(s, Reading::SunShade)),
    ("/windows/is_support_windows_remote_control", |s| {
        reading(s, Reading::WindowsRemoteSupported)
    }),
    ("/tires/all_ok", |s| json!(s.tire_problem.map(|problem| !problem))),
    ("/connectivity/bluetooth_state", |s| reading(s, Reading::BluetoothOn)),
    ("/connectivity/hotspot_state", |s| reading(s, Reading::HotspotOn)),
    ("/seat_comfort/driver_seat_heating", |s| {
        reading(s, Reading::SeatHeatDriver)
    }),
    ("/seat_comfort/driver_seat_ventilation", |s| {
        reading(s, Reading::SeatVentDriver)
    }),
    ("/seat_comfort/passenger_seat_heating", |s| {
        reading(s, Reading::SeatHeatPassenger)
    }),
    ("/seat_comfort/passenger_seat_ventilation", |s| {
        reading(s, Reading::SeatVentPassenger)
    }),
    ("/seat_comfort/steering_wheel_heating", |s| {
        reading(s, Reading::SteeringWheelHeat)
    }),
    ("/seat_comfort/steering_wheel_heater_minutes", |s| {
        reading(s, Reading::SteeringWheelHeatMinutes)
    }),
    ("/security/is_security_active", |s| json!(s.security.armed)),
    ("/security/sentry_mode", |s| reading(s, Reading::SentryMode)),
    ("/security/left_mirror_heating", |s| reading(s, Reading::MirrorHeatLeft)),
    ("/security/right_mirror_heating", |s| {
        reading(s, Reading::MirrorHeatRight)
    }),
    ("/security/roof_opening", |s| reading(s, Reading::RoofOpening)),
    ("/ignition/bcm_key_position_on1", |s| reading(s, Reading::KeyOn1)),
    ("/ignition/bcm_key_position_on2", |s| reading(s, Reading::KeyOn2)),
    ("/ignition/bcm_key_position_on3", |s| reading(s, Reading::KeyOn3)),
    ("/collect_time", |s| {
        json!(
            s.vehicle_time
                .map(|time| time.strftime("%Y-%m-%dT%H:%M:%S").to_string())
        )
    }),
];

/// Values for which the reports from cars are right.
#[rustfmt::skip]
const BY_THE_CARS: &[Column] = &[
    ("/status/gear", |s| json!(s.motion.gear.and_then(gear))),
    ("/status/is_driving", |s| json!(s.motion.driving)),
    ("/status/is_parked", |s| json!(s.motion.driving.map(|driving| !driving))),
    ("/status/is_locked", |s| json!(s.security.locked)),
    ("/status/fuel_level_liters", |s| json!(s.fuel.volume)),
    ("/charging/is_charging", |s| json!(s.charging.charging)),
    ("/charging/is_plugged_in", |s| json!(s.charging.plugged)),
    ("/charging/is_regening", |s| json!(s.motion.regenerating)),
    ("/charging/connection_state", |s| {
        json!(s.charging.connection.map(connection))
    }),
    ("/charging/charging_power_kw", |s| json!(s.charging.power)),
    ("/charging/charging_planned_start", |s| json!(s.plan.start)),
    ("/diagnostics/tire_pressure_front_left_bar", |s| {
        pressure(s, Wheel::FrontLeft)
    }),
    ("/diagnostics/tire_pressure_front_right_bar", |s| {
        pressure(s, Wheel::FrontRight)
    }),
    ("/diagnostics/tire_pressure_rear_left_bar", |s| {
        pressure(s, Wheel::RearLeft)
    }),
    ("/diagnostics/tire_pressure_rear_right_bar", |s| {
        pressure(s, Wheel::RearRight)
    }),
    ("/diagnostics/tire_pressure_alarm_front_left", |s| {
        alarm(s, Wheel::FrontLeft)
    }),
    ("/diagnostics/tire_pressure_alarm_front_right", |s| {
        alarm(s, Wheel::FrontRight)
    }),
    ("/diagnostics/tire_pressure_alarm_rear_left", |s| {
        alarm(s, Wheel::RearLeft)
    }),
    ("/diagnostics/tire_pressure_alarm_rear_right", |s| {
        alarm(s, Wheel::RearRight)
    }),
    ("/diagnostics/battery_heating", |s| json!(s.battery.heating)),
    ("/diagnostics/front_left_window_open", |s| {
        part(s, Part::WindowFrontLeft)
    }),
    ("/diagnostics/front_right_window_open", |s| {
        part(s, Part::WindowFrontRight)
    }),
    ("/diagnostics/rear_left_window_open", |s| part(s, Part::WindowRearLeft)),
    ("/diagnostics/rear_right_window_open", |s| {
        part(s, Part::WindowRearRight)
    }),
    ("/diagnostics/skylight_open", |s| part(s, Part::Roof)),
    ("/diagnostics/fast_cooling_active", |s| json!(s.climate.quick_cool)),
    ("/diagnostics/fast_heating_active", |s| json!(s.climate.quick_heat)),
    ("/diagnostics/steering_wheel_heating", |s| {
        json!(s.climate.steering_wheel_heat)
    }),
    ("/diagnostics/air_recirculation", |s| json!(s.climate.recirculation)),
    ("/diagnostics/fully_charged", |s| json!(s.charging.fully_charged)),
];

/// Where we differ on purpose: vector (or all), value, what we say, and why.
#[rustfmt::skip]
const DEVIATIONS: &[(&str, &str, &str, &str)] = &[
    ("*", "/battery/is_discharging", "null", "missing is not false"),
    ("*", "/charging/is_charging", "null", "an empty frame says nothing"),
    ("t03-sparse", "/charging/is_plugged_in", "null", "an unreadable charge state is a missing one"),
    ("c10-plugged-not-charging", "/charging/connection_state", "\"waiting_schedule\"", "plugged in with charge state 4"),
    ("c10-plugged-not-charging", "/charging/charging_power_kw", "0.0", "not charging, whatever the car uses itself"),
    ("c10-v2l-discharging", "/charging/charging_power_kw", "0.0", "an external load is not charging"),
    ("c10-reev-ac-charging-zero-current", "/charging/is_regening", "null", "the generator looks like braking"),
    ("c10-reev-state3-flicker", "/charging/is_regening", "null", "the generator looks like braking"),
    ("c10-unknown-charge-state", "/battery/charge_state", "9", "unknown codes are kept"),
    ("c10-soc-zero-glitch", "/battery/soc", "null", "0 % contradicts the range"),
    ("c10-soc-zero-glitch", "/battery/precise_soc", "null", "0 % contradicts the range"),
    ("c10-tyre-alarm", "/diagnostics/tire_pressure_alarm_front_left", "false", "the alarm moves with the pressure"),
    ("c10-tyre-alarm", "/diagnostics/tire_pressure_alarm_rear_right", "true", "the alarm moves with the pressure"),
];

fn reading(state: &VehicleState, reading: Reading) -> Value {
    json!(state.frame.number(reading))
}

fn part(state: &VehicleState, part: Part) -> Value {
    json!(state.openings.parts.get(&part))
}

fn pressure(state: &VehicleState, wheel: Wheel) -> Value {
    json!(state.tires.get(&wheel).and_then(|tire| tire.pressure))
}

fn alarm(state: &VehicleState, wheel: Wheel) -> Value {
    json!(state.tires.get(&wheel).and_then(|tire| tire.alarm))
}

fn gear(gear: Gear) -> Option<&'static str> {
    match gear {
        Gear::P => Some("P"),
        Gear::R => Some("R"),
        Gear::N => Some("N"),
        Gear::D => Some("D"),
        Gear::Unknown(_) => None,
    }
}

fn connection(connection: Connection) -> &'static str {
    match connection {
        Connection::Unplugged => "unplugged",
        Connection::PluggedIn => "plugged_in",
        Connection::WaitingSchedule => "waiting_schedule",
        Connection::Charging => "charging",
        Connection::Finished => "finished",
    }
}

/// Equal, where flags are 0 and 1, text may be a number, and rounding may differ in the last digit.
fn agree(ours: &Value, theirs: &Value) -> bool {
    let number = |value: &Value| match value {
        Value::Bool(flag) => Some(f64::from(*flag)),
        Value::String(text) => text.parse().ok(),
        other => other.as_f64(),
    };
    match (number(ours), number(theirs)) {
        (Some(ours), Some(theirs)) => (ours - theirs).abs() <= 0.001,
        _ => ours == theirs,
    }
}

fn state(vector: &Value) -> VehicleState {
    let frame = signals::decode(&vector["payload"]);
    let model = Model::parse(vector["car_type"].as_str().unwrap());
    let now = frame.vehicle_time.unwrap_or(Timestamp::UNIX_EPOCH);
    derive::derive(&frame, &model, &Memory::default(), now).0
}

fn vectors() -> Vec<Value> {
    let mut vectors: Value = serde_json::from_str(VECTORS).unwrap();
    serde_json::from_value(vectors["status"].take()).unwrap()
}

/// A difference: the vector, the value, and what both say.
type Difference = (String, &'static str, String, String);

fn differences<'a>(vector: &'a Value, theirs: &'a Value, columns: &'a [Column]) -> impl Iterator<Item = Difference> {
    let name = vector["name"].as_str().unwrap();
    let state = state(vector);
    columns.iter().filter_map(move |(pointer, ours)| {
        let (ours, theirs) = (ours(&state), theirs.pointer(pointer)?);
        let says_nothing = theirs.get("reference_raises").is_some();
        let differ = !says_nothing && !agree(&ours, theirs);
        differ.then(|| (name.to_owned(), *pointer, ours.to_string(), theirs.to_string()))
    })
}

#[test]
fn every_status_agrees_with_the_app_and_the_cars() {
    let vectors = vectors();
    assert!(vectors.len() >= 49);
    let by_the_app = vectors
        .iter()
        // The app's program does not convert text, so its results for this vector mean nothing.
        .filter(|vector| vector["name"] != "c10-strings")
        .flat_map(|vector| differences(vector, &vector["expected"], BY_THE_APP));
    let by_the_cars = vectors
        .iter()
        .flat_map(|vector| differences(vector, &vector["other_clients"]["home_assistant"], BY_THE_CARS));

    let mut unused: BTreeSet<_> = DEVIATIONS.iter().collect();
    let unexplained: Vec<_> = by_the_app
        .chain(by_the_cars)
        .filter(|(name, value, ours, _)| {
            let row = DEVIATIONS
                .iter()
                .find(|(vector, of, said, _)| (vector == name || *vector == "*") && of == value && said == ours);
            row.is_none_or(|row| {
                unused.remove(row);
                false
            })
        })
        .collect();
    assert!(unexplained.is_empty(), "vector, value, ours, theirs: {unexplained:#?}");
    assert!(unused.is_empty(), "deviations that do not happen: {unused:#?}");
}

/// The vectors on which the app and the cars disagree: plugged, charging, connection.
const DISPUTED: &[(&str, bool, bool, Connection)] = &[
    ("b10-ac-charging", true, true, Connection::Charging),
    ("b10-ac-charging-state2", true, true, Connection::Charging),
    ("c10-plugged-idle-1149-1", true, false, Connection::PluggedIn),
    ("c10-plugged-not-charging", true, false, Connection::WaitingSchedule),
    ("c10-charge-complete", true, false, Connection::Finished),
    ("c10-latched-47-after-unplug", false, false, Connection::Unplugged),
    ("c10-reev-ac-charging-zero-current", true, true, Connection::Charging),
    ("c10-regen", false, false, Connection::Unplugged),
    ("c10-regen-spurious-1149-1", false, false, Connection::Unplugged),
    ("t03-stale-charge-while-driving", false, false, Connection::Unplugged),
];

#[test]
fn where_the_app_and_the_cars_disagree_about_charging_the_cars_are_right() {
    let vectors = vectors();
    for (name, plugged, charging, connection) in DISPUTED {
        let vector = vectors.iter().find(|vector| vector["name"] == *name).unwrap();
        let state = state(vector).charging;
        let said = (state.plugged, state.charging, state.connection);
        assert_eq!(said, (Some(*plugged), Some(*charging), Some(*connection)), "{name}");
    }
}

#[test]
fn frames_that_say_nothing_of_the_car_are_recognised() {
    for vector in vectors() {
        let verdict = derive::judge(&signals::decode(&vector["payload"]), &Memory::default());
        let expected = match vector["name"].as_str().unwrap() {
            "c10-nulls" | "c10-empty-signal" | "empty-data" | "signal-not-object" => Verdict::Empty,
            "c10-soc-zero-glitch" => Verdict::Partial,
            _ => Verdict::News,
        };
        assert_eq!(verdict, expected, "{}", vector["name"]);
    }
}
