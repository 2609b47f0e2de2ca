//! Whether the car's own state shows what a command asked for.
//!
//! The caller sees to it that the state is newer than the write.

use std::time::Duration;

use super::registry::Confirmation;
use super::{AirMode, ChargeScheduleChange, ClimateSettings, Command, Operate, Seat};
use crate::vehicle::state::{ClimateMode, LockSource, Part};
use crate::vehicle::{Model, Reading, VehicleState};

/// How far a window may stand from the position asked for, in percent.
const WINDOW_TOLERANCE: f64 = 10.0;

/// Whether `state` shows the effect of `command`. `None` when it cannot tell: no state shows such an effect, this model
/// does not report it, or the car has not said it. Then the car's answer to the cloud is all there is.
pub fn achieved(command: &Command, model: &Model, state: &VehicleState) -> Option<bool> {
    let frame = &state.frame;
    match command {
        Command::Lock => locked(state),
        Command::Unlock => locked(state).map(|locked| !locked),
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
            Some(position) => Some((position - f64::from(*tenths)).abs() <= 1.0),
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
        Command::SpeedLimit { kmh } => level_is(state, Reading::SpeedLimit, *kmh),
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

/// The car's own word about its lock; what an earlier command made us believe does not count.
fn locked(state: &VehicleState) -> Option<bool> {
    let ours = state.security.lock_source == Some(LockSource::CommandConfirmed);
    state.security.locked.filter(|_| !ours)
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
    Some(mode && temperature)
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
    if model.reports_window_positions()
        && let Some(position) = state.openings.windows_position
    {
        return Some(if percent == 0 {
            position.0 == 0.0
        } else {
            (position.0 - f64::from(percent)).abs() <= WINDOW_TOLERANCE
        });
    }
    if model.window_flags_are_dead() {
        return None;
    }
    equals(state.openings.any(&Part::WINDOWS), percent > 0)
}

fn level_is(state: &VehicleState, reading: Reading, level: u8) -> Option<bool> {
    equals(state.frame.code(reading), i64::from(level))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vehicle::command::registry::COMMANDS;
    use crate::vehicle::command::registry::tests::example;
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
        let locked = |locked| state(|state| state.security.locked = Some(locked));
        shows(&Command::Lock, &locked(true), &locked(false));
        shows(&Command::Unlock, &locked(false), &locked(true));
        let believed = state(|state| {
            state.security.locked = Some(true);
            state.security.lock_source = Some(LockSource::CommandConfirmed);
        });
        assert_eq!(achieved(&Command::Lock, &Model::C10, &believed), None);
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
        assert_eq!(
            achieved(&auto, &Model::C10, &running(Some(ClimateMode::Auto), 18.0)),
            Some(true)
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
        let open = Command::Windows { percent: 20 };
        assert_eq!(achieved(&open, &Model::B10, &flags(true)), Some(true));
        assert_eq!(achieved(&open, &Model::B10, &flags(false)), Some(false));
        let no_position = state(|state| state.openings.parts.extend(Part::WINDOWS.map(|part| (part, false))));
        assert_eq!(achieved(&open, &Model::T03, &no_position), None);
        assert_eq!(achieved(&open, &Model::C10, &no_position), Some(false));
        let roof = |open| state(|state| state.openings.parts.extend([(Part::Roof, open)]));
        shows(&Command::Sunroof { open: true }, &roof(true), &roof(false));
        shows(&Command::Sunshade { tenths: 10 }, &roof(true), &roof(false));
        shows(
            &Command::Sunshade { tenths: 5 },
            &reading(Reading::SunShade, 5.0),
            &reading(Reading::SunShade, 0.0),
        );
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
