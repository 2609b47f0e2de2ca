//! Whether the car's own state shows what a command asked for.
//!
//! The caller sees to it that the state is newer than the write.

use std::time::Duration;

use super::registry::Confirmation;
use super::{AirMode, ChargeScheduleChange, ClimateSettings, Command, Operate, Seat};
use crate::vehicle::derive;
use crate::vehicle::state::{ClimateMode, Part};
use crate::vehicle::{Model, Reading, VehicleState};

/// How far an open window may stand from the position asked for, in percent.
const WINDOW_TOLERANCE: f64 = 10.0;
/// How far an open sunshade may, in tenths.
const SUNSHADE_TOLERANCE: f64 = 1.0;

/// The unit of the speed limit in which it is asked for, km/h.
const KILOMETERS_PER_HOUR: i64 = 0;

/// Whether `state` shows the effect of `command`. `None` when it cannot tell: no state shows such an effect, this model
/// does not report it, or the car has not said it. Then the car's answer to the cloud is all there is.
pub fn achieved(command: &Command, model: &Model, state: &VehicleState) -> Option<bool> {
    let frame = &state.frame;
    match command {
        // What an earlier command made us believe of the lock does not count.
        Command::Lock => derive::locked(frame),
        Command::Unlock => derive::locked(frame).map(|locked| !locked),
        Command::TrunkOpen => state.openings.any(&[Part::Trunk]),
        Command::TrunkClose => state.openings.any(&[Part::Trunk]).map(|open| !open),
        Command::BatteryPreheat(on) => equals(state.battery.heating, *on),
        // The T03 can read off while its climate runs.
        Command::Climate(_)
        | Command::ClimateOff
        | Command::QuickCool
        | Command::QuickHeat
        | Command::QuickVentilation { .. }
        | Command::WindshieldDefrost
            if *model == Model::T03 =>
        {
            None
        }
        Command::Climate(settings) => climate(settings, state),
        Command::ClimateOff => equals(state.climate.on, false),
        Command::QuickCool => preset(state.climate.quick_cool, &ClimateSettings::QUICK_COOL, state),
        Command::QuickHeat => preset(state.climate.quick_heat, &ClimateSettings::QUICK_HEAT, state),
        Command::QuickVentilation { temperature } => climate(&ClimateSettings::ventilation(*temperature), state),
        Command::WindshieldDefrost => state.climate.defrost,
        Command::ChargeLimit { percent } | Command::ChargeLimitNative { percent } => {
            equals(state.plan.limit, i64::from(*percent))
        }
        Command::ChargeSchedule(change) => charge_plan(change, state),
        Command::ChargeStart => state.charging.charging,
        Command::ChargeStop => equals(state.charging.charging, false),
        Command::SentryMode(on) => equals(frame.flag(Reading::SentryMode), *on),
        Command::Windows { percent } => windows(*percent, model, state),
        Command::Sunshade { tenths } => match frame.number(Reading::SunShade) {
            Some(position) => Some(stands_at(position, *tenths, SUNSHADE_TOLERANCE)),
            None => equals(state.openings.any(&[Part::Roof]), *tenths > 0),
        },
        Command::Sunroof { open } => equals(state.openings.any(&[Part::Roof]), *open),
        Command::SeatHeat(Seat::Driver, level) => level_is(state, Reading::SeatHeatDriver, *level),
        Command::SeatHeat(Seat::Passenger, level) => level_is(state, Reading::SeatHeatPassenger, *level),
        Command::SeatVentilation(Seat::Driver, level) => level_is(state, Reading::SeatVentDriver, *level),
        Command::SeatVentilation(Seat::Passenger, level) => level_is(state, Reading::SeatVentPassenger, *level),
        Command::SteeringWheelHeat(on) => equals(state.climate.steering_wheel_heat, *on),
        Command::MirrorHeat(on) => equals(state.climate.mirror_heat, *on),
        Command::HealthyCharging(on) => equals(frame.flag(Reading::HealthyChargeEnabled), *on),
        Command::SpeedLimit { kmh } => speed_limit(*kmh, state),
        Command::FindCar
        | Command::Hotspot
        | Command::Autopark
        | Command::ClimateSchedule(_)
        | Command::ClimateScheduleSwitch(_)
        | Command::SendDestination(_)
        | Command::UnlockCharger
        | Command::Music(_)
        | Command::Video(_)
        | Command::SeatAdjust(_)
        | Command::PilotedParking(_)
        | Command::PrepareCar(_)
        | Command::PrepareCarSchedule(_)
        | Command::PrepareCarScheduleSwitch(_)
        | Command::FuelHeating(_)
        | Command::SoftwareDownload { .. }
        | Command::SoftwareInstall { .. }
        | Command::SoftwareSchedule { .. }
        | Command::On3(_)
        | Command::BleKeyRestart
        | Command::RearSeats { .. } => None,
    }
}

/// Whether `state` tells how far the effect of `command` goes. Where windows or sunshade only say whether they are open,
/// those that were open before and shall open further look as if they had.
pub fn tells_how_far(command: &Command, model: &Model, state: &VehicleState) -> bool {
    match command {
        Command::Windows { percent } => {
            let has_position = model.reports_window_positions() && state.openings.windows_position.is_some();
            has_position || model.window_position(*percent) == 0
        }
        Command::Sunshade { tenths } => *tenths == 0 || state.frame.number(Reading::SunShade).is_some(),
        _ => true,
    }
}

/// How long after the write to wait for the effect before it is called not confirmed. Below the 120 s after which every
/// command must have ended.
pub fn confirm_within(command: &Command) -> Duration {
    match command.spec().confirmation {
        Confirmation::State => Duration::from_secs(110),
        Confirmation::Cloud => Duration::from_secs(60),
    }
}

fn equals<T: Copy + PartialEq>(known: Option<T>, wanted: T) -> Option<bool> {
    known.map(|value| value == wanted)
}

fn climate(settings: &ClimateSettings, state: &VehicleState) -> Option<bool> {
    if !state.climate.on? {
        return Some(false);
    }
    let mode = match (state.climate.mode, settings.mode) {
        (None | Some(ClimateMode::Unknown(_)), _) => true,
        (Some(ClimateMode::Auto), mode) => mode == AirMode::Neither || settings.operate == Operate::Auto,
        (Some(mode), AirMode::Cold) => mode == ClimateMode::Cool,
        (Some(mode), AirMode::Hot) => mode == ClimateMode::Heat,
        // Asked to decide by itself, the car may do any of them.
        (Some(mode), AirMode::Neither) => mode == ClimateMode::Ventilate || settings.operate == Operate::Auto,
    };
    // Without heating or cooling the temperature is only kept in mind, and not every car reports it then.
    let target = state.frame.number(Reading::TargetTempLeft);
    let temperature = settings.mode == AirMode::Neither
        || target.is_none_or(|target| (target - f64::from(settings.temperature)).abs() < 1.0);
    Some(mode && temperature && air_flows(settings, state))
}

/// Whether fan, flap and windshield are as asked for, where the car reports them.
fn air_flows(settings: &ClimateSettings, state: &VehicleState) -> bool {
    // Asked to decide by itself, the car chooses fan and flap.
    let chooses = settings.operate == Operate::Auto;
    let fan = state.frame.code(Reading::FanLevel);
    let fan = chooses || fan.is_none_or(|level| level == i64::from(settings.fan));
    let flap = state.climate.recirculation;
    let flap = chooses || flap.is_none_or(|recirculates| recirculates == settings.recirculate);
    let windshield = !settings.defrost || state.climate.defrost != Some(false);
    fan && flap && windshield
}

fn preset(active: Option<bool>, settings: &ClimateSettings, state: &VehicleState) -> Option<bool> {
    match active {
        Some(true) => Some(true),
        _ => climate(settings, state),
    }
}

fn charge_plan(change: &ChargeScheduleChange, state: &VehicleState) -> Option<bool> {
    fn part<T: PartialEq>(known: Option<T>, wanted: Option<T>) -> Option<bool> {
        Some(known? == wanted?)
    }
    let plan = &state.plan;
    let parts = [
        part(plan.enabled, change.enabled),
        part(plan.limit, change.percent.map(i64::from)),
        part(plan.start.as_deref(), change.start.as_deref()),
        part(plan.end.as_deref(), change.end.as_deref()),
        part(plan.cycles.as_deref(), change.cycles.as_deref()),
        part(plan.circulation, change.circulation.map(i64::from)),
        part(plan.recharge, change.recharge.map(i64::from)),
    ];
    parts.into_iter().flatten().reduce(|all, part| all && part)
}

fn windows(percent: u8, model: &Model, state: &VehicleState) -> Option<bool> {
    let wanted = model.window_position(percent);
    if model.reports_window_positions()
        && let Some(position) = state.openings.windows_position
    {
        return Some(stands_at(position.0, wanted, WINDOW_TOLERANCE));
    }
    if model.window_flags_are_dead() {
        return None;
    }
    equals(state.openings.any(&Part::WINDOWS), wanted > 0)
}

/// Whether a part stands about where it shall. Closed is 0 and nothing else: no tolerance leads from closed to open, nor
/// back.
fn stands_at(position: f64, wanted: u8, tolerance: f64) -> bool {
    let is_open = position > 0.0;
    is_open == (wanted > 0) && (position - f64::from(wanted)).abs() <= tolerance
}

/// A limit that is off is none, and in another unit the number means something else.
fn speed_limit(kmh: u8, state: &VehicleState) -> Option<bool> {
    let unit = state.frame.code(Reading::SpeedLimitUnit);
    if unit.is_some_and(|unit| unit != KILOMETERS_PER_HOUR) {
        return None;
    }
    if state.frame.flag(Reading::SpeedLimitActive) == Some(false) {
        return Some(false);
    }
    level_is(state, Reading::SpeedLimit, kmh)
}

fn level_is(state: &VehicleState, reading: Reading, level: u8) -> Option<bool> {
    equals(state.frame.code(reading), i64::from(level))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vehicle::command::registry::COMMANDS;
    use crate::vehicle::command::registry::tests::example;
    use crate::vehicle::state::LockSource;
    use crate::vehicle::units::Percent;

    fn state(change: impl FnOnce(&mut VehicleState)) -> VehicleState {
        let mut state = VehicleState::default();
        change(&mut state);
        state
    }

    fn reading(reading: Reading, value: f64) -> VehicleState {
        state(|state| state.frame.set(reading, value))
    }

    /// Checks that `done` shows the command's effect on a C10, `undone` the contrary, and nothing tells nothing.
    #[track_caller]
    fn shows(command: &Command, done: &VehicleState, undone: &VehicleState) {
        assert_eq!(achieved(command, &Model::C10, done), Some(true), "{command:?}");
        assert_eq!(achieved(command, &Model::C10, undone), Some(false), "{command:?}");
        assert_eq!(
            achieved(command, &Model::C10, &VehicleState::default()),
            None,
            "{command:?}"
        );
    }

    #[test]
    fn locks_and_tailgate_are_told_by_the_car_alone() {
        let (locked, unlocked) = (reading(Reading::Locked, 1.0), reading(Reading::Locked, 0.0));
        shows(&Command::Lock, &locked, &unlocked);
        shows(&Command::Unlock, &unlocked, &locked);
        let believed = |mut state: VehicleState| {
            state.security.locked = Some(true);
            state.security.lock_source = Some(LockSource::CommandConfirmed);
            achieved(&Command::Lock, &Model::C10, &state)
        };
        assert_eq!(believed(unlocked), Some(false), "what we believe locks no door");
        assert_eq!(believed(reading(Reading::Locked, 7.0)), None);
        assert_eq!(believed(VehicleState::default()), None);
        let trunk = |open| state(|state| state.openings.parts.extend([(Part::Trunk, open)]));
        shows(&Command::TrunkOpen, &trunk(true), &trunk(false));
        shows(&Command::TrunkClose, &trunk(false), &trunk(true));
    }

    #[test]
    fn climate_is_told_by_mode_and_temperature_except_on_a_t03() {
        let running = |mode, target| {
            state(|state| {
                state.climate.on = Some(true);
                state.climate.mode = mode;
                state.frame.set(Reading::TargetTempLeft, target);
            })
        };
        let off = state(|state| state.climate.on = Some(false));
        let heat = Command::Climate(ClimateSettings {
            mode: AirMode::Hot,
            temperature: 22,
            ..ClimateSettings::NEUTRAL
        });
        shows(&heat, &running(Some(ClimateMode::Heat), 22.0), &off);
        for wrong in [
            running(Some(ClimateMode::Cool), 22.0),
            running(Some(ClimateMode::Auto), 22.0),
            running(Some(ClimateMode::Heat), 25.0),
        ] {
            assert_eq!(achieved(&heat, &Model::C10, &wrong), Some(false));
        }
        let with = |change: fn(&mut VehicleState)| {
            let mut state = running(Some(ClimateMode::Heat), 22.0);
            change(&mut state);
            achieved(&heat, &Model::C10, &state)
        };
        assert_eq!(with(|state| state.frame.set(Reading::FanLevel, 4.0)), Some(true));
        assert_eq!(with(|state| state.frame.set(Reading::FanLevel, 3.0)), Some(false));
        assert_eq!(with(|state| state.climate.recirculation = Some(false)), Some(true));
        assert_eq!(with(|state| state.climate.recirculation = Some(true)), Some(false));
        assert_eq!(
            with(|state| state.climate.defrost = Some(false)),
            Some(true),
            "not asked"
        );
        let strange = running(Some(ClimateMode::Unknown(9)), 22.0);
        assert_eq!(achieved(&heat, &Model::C10, &strange), Some(true));
        let auto = Command::Climate(ClimateSettings {
            operate: Operate::Auto,
            ..ClimateSettings::NEUTRAL
        });
        assert_eq!(
            achieved(&auto, &Model::C10, &running(Some(ClimateMode::Cool), 18.0)),
            Some(true)
        );
        let mut by_itself = running(Some(ClimateMode::Auto), 18.0);
        by_itself.frame.set(Reading::FanLevel, 6.0);
        by_itself.climate.recirculation = Some(true);
        assert_eq!(achieved(&auto, &Model::C10, &by_itself), Some(true));
        let clear = Command::Climate(ClimateSettings {
            defrost: true,
            ..ClimateSettings::NEUTRAL
        });
        let blowing = |defrost| {
            let mut state = running(Some(ClimateMode::Ventilate), 24.0);
            state.climate.defrost = defrost;
            achieved(&clear, &Model::C10, &state)
        };
        assert_eq!(
            [Some(true), Some(false), None].map(blowing),
            [true, false, true].map(Some)
        );

        let cooling = running(Some(ClimateMode::Cool), 18.0);
        let heating = running(Some(ClimateMode::Heat), 32.0);
        shows(&Command::ClimateOff, &off, &cooling);
        shows(&Command::QuickCool, &cooling, &heating);
        shows(&Command::QuickHeat, &heating, &cooling);
        let quick = state(|state| state.climate.quick_cool = Some(true));
        shows(&Command::QuickCool, &quick, &off);
        let ventilating = running(Some(ClimateMode::Ventilate), 20.0);
        shows(&Command::QuickVentilation { temperature: 26 }, &ventilating, &cooling);
        let defrost = |on| state(|state| state.climate.defrost = Some(on));
        shows(&Command::WindshieldDefrost, &defrost(true), &defrost(false));
        for command in [
            heat,
            Command::ClimateOff,
            Command::QuickCool,
            Command::WindshieldDefrost,
        ] {
            assert_eq!(achieved(&command, &Model::T03, &off), None, "{command:?}");
        }
    }

    #[test]
    fn charging_is_told_by_plan_and_flow() {
        let limit = |limit| state(|state| state.plan.limit = Some(limit));
        shows(&Command::ChargeLimit { percent: 80 }, &limit(80), &limit(90));
        shows(&Command::ChargeLimitNative { percent: 80 }, &limit(80), &limit(90));
        let change = Command::ChargeSchedule(ChargeScheduleChange {
            enabled: Some(true),
            percent: Some(80),
            start: Some("23:00".to_owned()),
            ..ChargeScheduleChange::default()
        });
        shows(&change, &limit(80), &limit(90));
        let half = state(|state| {
            state.plan.limit = Some(80);
            state.plan.enabled = Some(false);
        });
        assert_eq!(achieved(&change, &Model::C10, &half), Some(false));
        let charging = |charging| state(|state| state.charging.charging = Some(charging));
        shows(&Command::ChargeStart, &charging(true), &charging(false));
        shows(&Command::ChargeStop, &charging(false), &charging(true));
        let heating = |heating| state(|state| state.battery.heating = Some(heating));
        shows(&Command::BatteryPreheat(true), &heating(true), &heating(false));
    }

    #[test]
    fn a_flag_does_not_tell_how_far_something_is_open() {
        let nothing = VehicleState::default();
        let (open, close) = (Command::Windows { percent: 20 }, Command::Windows { percent: 0 });
        let position = state(|state| state.openings.windows_position = Some(Percent(0.0)));
        assert!(tells_how_far(&open, &Model::C10, &position));
        assert!(!tells_how_far(&open, &Model::C10, &nothing));
        assert!(!tells_how_far(&open, &Model::B10, &position), "a B10 always says 0");
        assert!(tells_how_far(&close, &Model::B10, &position));
        let (open, close) = (Command::Sunshade { tenths: 5 }, Command::Sunshade { tenths: 0 });
        assert!(tells_how_far(&open, &Model::C10, &reading(Reading::SunShade, 0.0)));
        assert!(!tells_how_far(&open, &Model::C10, &nothing));
        assert!(tells_how_far(&close, &Model::C10, &nothing));
        assert!(tells_how_far(&Command::Lock, &Model::C10, &nothing));
    }

    #[test]
    fn windows_are_told_by_position_or_by_flag_as_the_model_reports_them() {
        let position = |percent| state(|state| state.openings.windows_position = Some(Percent(percent)));
        shows(&Command::Windows { percent: 50 }, &position(45.0), &position(0.0));
        shows(&Command::Windows { percent: 0 }, &position(0.0), &position(5.0));
        let flags = |open| {
            state(|state| {
                state.openings.windows_position = Some(Percent(0.0));
                state.openings.parts.extend(Part::WINDOWS.map(|part| (part, open)));
            })
        };
        let ajar = Command::Windows { percent: 10 };
        assert_eq!(achieved(&ajar, &Model::C10, &position(0.0)), Some(false));
        assert_eq!(achieved(&ajar, &Model::C10, &position(1.0)), Some(true));
        let open = Command::Windows { percent: 20 };
        let close = Command::Windows { percent: 0 };
        assert_eq!(achieved(&open, &Model::B10, &flags(true)), Some(true));
        assert_eq!(achieved(&open, &Model::B10, &flags(false)), Some(false));
        assert_eq!(achieved(&close, &Model::B10, &flags(true)), Some(false));
        assert_eq!(achieved(&close, &Model::B10, &flags(false)), Some(true));
        let too_little = Command::Windows { percent: 5 };
        assert_eq!(
            achieved(&too_little, &Model::B10, &flags(false)),
            Some(true),
            "written as 0"
        );
        let no_position = state(|state| state.openings.parts.extend(Part::WINDOWS.map(|part| (part, false))));
        assert_eq!(achieved(&open, &Model::T03, &no_position), None);
        assert_eq!(achieved(&open, &Model::C10, &no_position), Some(false));
        let roof = |open| state(|state| state.openings.parts.extend([(Part::Roof, open)]));
        shows(&Command::Sunroof { open: true }, &roof(true), &roof(false));
        shows(&Command::Sunshade { tenths: 0 }, &roof(false), &roof(true));
        let open = Command::Sunshade { tenths: 10 };
        shows(&open, &roof(true), &roof(false));
        let shade = |tenths| reading(Reading::SunShade, tenths);
        shows(&Command::Sunshade { tenths: 5 }, &shade(5.0), &shade(0.0));
        shows(&Command::Sunshade { tenths: 1 }, &shade(2.0), &shade(0.0));
        shows(&Command::Sunshade { tenths: 0 }, &shade(0.0), &shade(1.0));
    }

    #[test]
    fn a_speed_limit_counts_in_its_unit_and_while_it_is_on() {
        let limit = |readings: &[(Reading, f64)]| {
            let state = state(|state| {
                state.frame.set(Reading::SpeedLimit, 90.0);
                for (reading, value) in readings {
                    state.frame.set(*reading, *value);
                }
            });
            achieved(&Command::SpeedLimit { kmh: 90 }, &Model::C10, &state)
        };
        let (unit, active) = (Reading::SpeedLimitUnit, Reading::SpeedLimitActive);
        assert_eq!(limit(&[(unit, 0.0), (active, 1.0)]), Some(true));
        assert_eq!(limit(&[(unit, 1.0), (active, 1.0)]), None);
        assert_eq!(limit(&[(unit, 0.0), (active, 0.0)]), Some(false));
    }

    #[test]
    fn comforts_are_told_by_their_readings() {
        use Seat::{Driver, Passenger};
        for (command, key) in [
            (Command::SeatHeat(Driver, 2), Reading::SeatHeatDriver),
            (Command::SeatHeat(Passenger, 2), Reading::SeatHeatPassenger),
            (Command::SeatVentilation(Driver, 2), Reading::SeatVentDriver),
            (Command::SeatVentilation(Passenger, 2), Reading::SeatVentPassenger),
            (Command::SpeedLimit { kmh: 2 }, Reading::SpeedLimit),
        ] {
            shows(&command, &reading(key, 2.0), &reading(key, 0.0));
        }
        for (command, key) in [
            (Command::SentryMode(true), Reading::SentryMode),
            (Command::HealthyCharging(true), Reading::HealthyChargeEnabled),
        ] {
            shows(&command, &reading(key, 1.0), &reading(key, 0.0));
        }
        let wheel = |on| state(|state| state.climate.steering_wheel_heat = Some(on));
        shows(&Command::SteeringWheelHeat(true), &wheel(true), &wheel(false));
        let mirrors = |on| state(|state| state.climate.mirror_heat = Some(on));
        shows(&Command::MirrorHeat(false), &mirrors(false), &mirrors(true));
    }

    #[test]
    fn what_only_the_cloud_confirms_is_never_told_by_a_state_and_waits_less() {
        let everything = state(|state| {
            for reading in Reading::ALL {
                state.frame.set(*reading, 1.0);
            }
        });
        for row in COMMANDS {
            let command = example(row);
            assert!(confirm_within(&command) < Duration::from_secs(120));
            if row.confirmation == Confirmation::Cloud {
                assert_eq!(achieved(&command, &Model::C10, &everything), None, "{}", row.name);
            }
        }
        assert!(confirm_within(&Command::FindCar) < confirm_within(&Command::Lock));
    }
}
