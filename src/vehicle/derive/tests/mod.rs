//! The rules as seen from outside, one frame after the other.

mod rejected_and_frozen;

use jiff::SignedDuration;
use proptest::prelude::*;

use super::*;
use crate::vehicle::RawValue;
use crate::vehicle::reading::{Coordinate, SignOrigin};
use crate::vehicle::state::{Activity, Charger, Connection, LockSource};
use crate::vehicle::units::{KilometersPerHour, Kilowatts, Minutes, Percent};

const START: Timestamp = Timestamp::constant(1_790_000_000, 0);

const DRIVING: &[(Reading, f64)] = &[(Reading::Gear, 3.0), (Reading::Speed, 50.0), (Reading::KeyOn3, 1.0)];
const CHARGING: &[(Reading, f64)] = &[
    (Reading::ChargeState, 1.0),
    (Reading::AcPortState, 1.0),
    (Reading::BatteryCurrent, -20.0),
    (Reading::ChargeRemainTime, 60.0),
    (Reading::ChargeLimit, 80.0),
];

fn at(seconds: i64) -> Timestamp {
    START + SignedDuration::from_secs(seconds)
}

/// A frame of these readings alone.
pub(super) fn frame_of(readings: &[(Reading, f64)]) -> Frame {
    let mut frame = Frame::default();
    for (reading, value) in readings {
        frame.set(*reading, *value);
    }
    frame
}

/// A parked, locked C10 at 70 %, with its own time `seconds` after the start, changed by `readings`.
fn frame(seconds: i64, readings: &[(Reading, f64)]) -> Frame {
    let parked = [
        (Reading::Soc, 70.0),
        (Reading::Range, 280.0),
        (Reading::Gear, 0.0),
        (Reading::Speed, 0.0),
        (Reading::KeyOn3, 0.0),
        (Reading::Locked, 1.0),
        (Reading::ChargeState, 0.0),
        (Reading::BatteryVoltage, 400.0),
        (Reading::BatteryCurrent, 0.3),
    ];
    Frame {
        vehicle_time: Some(at(seconds)),
        ..frame_of(&[&parked, readings].concat())
    }
}

/// The frame at a place, north and east positive.
fn at_place(frame: Frame, (latitude, longitude): (f64, f64), origin: SignOrigin) -> Frame {
    let axis = |degrees| Some(Coordinate { degrees, origin });
    Frame {
        latitude: axis(latitude),
        longitude: axis(longitude),
        ..frame
    }
}

/// A car that is told one frame after the other.
#[derive(Default)]
struct Told {
    memory: Memory,
}

impl Told {
    fn hears(&mut self, frame: &Frame, now: Timestamp) -> VehicleState {
        let (state, memory) = derive(frame, &Model::C10, &self.memory, now);
        self.memory = memory;
        state
    }

    /// What was rejected so far.
    fn rejected(&self) -> Vec<String> {
        let rejections = self.memory.rejections().iter();
        rejections
            .map(|(field, rejected)| format!("{field}: {} {}", rejected.count, rejected.reason.name()))
            .collect()
    }

    /// Hears the frame and restarts, so that only what is stored remains.
    fn hears_and_restarts(&mut self, frame: &Frame, now: Timestamp) -> VehicleState {
        let state = self.hears(frame, now);
        self.memory = serde_json::from_value(serde_json::to_value(&self.memory).unwrap()).unwrap();
        state
    }
}

/// What a car without memory says of one frame.
fn at_once(readings: &[(Reading, f64)]) -> VehicleState {
    Told::default().hears(&frame(0, readings), at(1))
}

#[test]
fn a_frame_is_judged_by_its_content_and_its_time() {
    let mut car = Told::default();
    car.hears(&frame(100, &[]), at(101));
    let verdict = |frame: &Frame| judge(frame, &car.memory);
    assert_eq!(verdict(&frame(160, &[])), Verdict::News);
    assert_eq!(verdict(&frame(100, &[])), Verdict::Repeat);
    assert_eq!(verdict(&frame(40, &[])), Verdict::Older);
    let empty_battery = (Reading::Soc, 0.0);
    assert_eq!(verdict(&frame(160, &[empty_battery])), Verdict::Partial);
    assert_eq!(
        verdict(&frame(160, &[empty_battery, (Reading::Range, 5.0)])),
        Verdict::News
    );
    assert_eq!(
        verdict(&frame(160, &[empty_battery, (Reading::SocPrecise, 70.4)])),
        Verdict::News
    );
    let mut no_battery = frame(160, &[]);
    no_battery.readings.remove(&Reading::Soc);
    assert_eq!(verdict(&no_battery), Verdict::Partial);
    let mut undated = frame(0, &[]);
    undated.vehicle_time = None;
    assert_eq!(verdict(&undated), Verdict::News);
    let kept_by_the_cloud = frame_of(&[(Reading::PrivacyGps, 1.0), (Reading::ChargeLimit, 80.0)]);
    assert_eq!(verdict(&kept_by_the_cloud), Verdict::Empty);
}

#[test]
fn empty_partial_and_older_frames_leave_the_picture_as_it_was() {
    let mut car = Told::default();
    let before = car.hears(&frame(100, &[]), at(101));
    let partial = frame(160, &[(Reading::Soc, 0.0), (Reading::Locked, 0.0)]);
    for other in [Frame::default(), partial, frame(40, DRIVING)] {
        let after = car.hears(&other, at(170));
        assert_eq!(after.answered, Some(at(170)));
        let but_for_the_answer = VehicleState {
            answered: before.answered,
            rejections: before.rejections.clone(),
            ..after
        };
        assert_eq!(but_for_the_answer, before);
    }
    assert_eq!(car.rejected(), ["frame: 1 older", "soc: 1 contradicted"]);
}

#[test]
fn a_partial_frame_is_better_than_none_but_shows_no_empty_battery() {
    let mut car = Told::default();
    let state = car.hears(&frame(100, &[(Reading::Soc, 0.0)]), at(101));
    assert_eq!(state.battery.soc, None);
    assert_eq!(state.frame.raw(Reading::Soc), None);
    assert_eq!(state.security.locked, Some(true));
    let state = car.hears(&frame(100, &[]), at(130));
    assert_eq!(state.battery.soc, Some(Percent(70.0)));
}

#[test]
fn a_lone_zero_beside_a_precise_charge_level_is_not_shown() {
    let state = at_once(&[(Reading::Soc, 0.0), (Reading::SocPrecise, 70.4)]);
    assert_eq!(state.frame.raw(Reading::Soc), None);
    assert_eq!(state.battery.soc, Some(Percent(70.0)));
}

#[test]
fn without_a_frame_nothing_is_known() {
    let state = refresh(&Model::C10, &Memory::default(), at(0));
    assert_eq!(state, VehicleState::default());
}

#[test]
fn a_repeated_frame_shows_a_new_charging_plan_but_is_no_news_of_the_car() {
    let mut car = Told::default();
    car.hears(&frame(100, &[(Reading::ChargeLimit, 80.0)]), at(101));
    let state = car.hears(
        &frame(100, &[(Reading::ChargeLimit, 90.0), (Reading::Gear, 3.0)]),
        at(160),
    );
    assert_eq!(state.plan.limit, Some(90));
    assert_eq!(car.memory.driving(), Some(false));
}

#[test]
fn moments_expire_and_what_rests_is_kept_when_a_car_is_silent() {
    let mut car = Told::default();
    car.hears(&frame(0, &[]), at(1));
    let fresh = refresh(&Model::C10, &car.memory, at(900));
    assert!(!fresh.stale);
    assert_eq!(fresh.frame.number(Reading::Speed), Some(0.0));
    let stale = refresh(&Model::C10, &car.memory, at(901));
    assert!(stale.stale);
    assert_eq!(stale.frame.number(Reading::Speed), None);
    assert_eq!((stale.battery.power, stale.charging.power), (None, None));
    assert_eq!(stale.motion.regenerating, None);
    assert_eq!(stale.battery.soc, Some(Percent(70.0)));
    assert_eq!(stale.motion.activity, Some(Activity::Parked));
    assert_eq!(stale.motion.driving, Some(false));
    assert_eq!(stale.charging.connection, Some(Connection::Unplugged));
    let security = (stale.security.locked, stale.security.lock_source);
    assert_eq!(security, (Some(true), Some(LockSource::Stale)));
}

#[test]
fn a_silent_car_is_neither_unlocked_nor_driving() {
    let mut car = Told::default();
    car.hears(&frame(0, &[DRIVING, &[(Reading::Locked, 0.0)]].concat()), at(1));
    let stale = refresh(&Model::C10, &car.memory, at(1000));
    let security = (stale.security.locked, stale.security.lock_source);
    assert_eq!(security, (None, Some(LockSource::Stale)));
    let motion = &stale.motion;
    assert_eq!((motion.driving, motion.activity, motion.gear), (None, None, None));
    assert_eq!(stale.frame.raw(Reading::KeyOn3), None);
}

#[test]
fn a_silent_car_is_plugged_in_but_not_charging() {
    let mut car = Told::default();
    car.hears(&frame(0, CHARGING), at(1));
    let stale = refresh(&Model::C10, &car.memory, at(1000));
    let charging = &stale.charging;
    assert_eq!((charging.charging, charging.connection), (None, None));
    assert_eq!((charging.plugged, charging.charger), (Some(true), Some(Charger::Ac)));
    assert_eq!((charging.remaining, charging.finish_time), (None, None));
    assert_eq!(stale.motion.activity, Some(Activity::Parked));
}

#[test]
fn a_silent_car_neither_cools_nor_heats_but_what_was_off_stays_off() {
    let on = [
        (Reading::AcOn, 1.0),
        (Reading::ClimateMode, 3.0),
        (Reading::WindshieldDefrost, 2.0),
        (Reading::RapidCooling, 2.0),
        (Reading::RapidHeating, 2.0),
        (Reading::SteeringWheelHeat, 2.0),
        (Reading::MirrorHeatLeft, 1.0),
        (Reading::BatteryThermalRequest, 4.0),
        (Reading::SeatHeatDriver, 3.0),
        (Reading::SeatVentPassenger, 2.0),
    ];
    let known = |state: &VehicleState| {
        let climate = &state.climate;
        let level = |reading| state.frame.flag(reading);
        [
            climate.on,
            climate.defrost,
            climate.quick_cool,
            climate.quick_heat,
            climate.steering_wheel_heat,
            climate.mirror_heat,
            state.battery.heating,
            level(Reading::SeatHeatDriver),
            level(Reading::SeatVentPassenger),
            level(Reading::MirrorHeatLeft),
        ]
    };
    let fresh_and_stale = |readings: &[_]| {
        let mut car = Told::default();
        car.hears(&frame(0, readings), at(1));
        [900, 901].map(|seconds| known(&refresh(&Model::C10, &car.memory, at(seconds))))
    };
    assert_eq!(fresh_and_stale(&on), [[Some(true); 10], [None; 10]]);
    let off = on.map(|(reading, _)| (reading, 0.0));
    assert_eq!(fresh_and_stale(&off), [[Some(false); 10]; 2]);
}

#[test]
fn a_frame_that_cannot_tell_keeps_the_last_state_of_motion() {
    let mut car = Told::default();
    car.hears(&frame(0, DRIVING), at(1));
    let mut weak = frame(60, &[]);
    for reading in [Reading::Gear, Reading::Speed, Reading::KeyOn3] {
        weak.readings.remove(&reading);
    }
    assert_eq!(car.hears(&weak, at(61)).motion.driving, Some(true));
}

#[test]
fn a_park_begins_when_a_drive_ends_and_survives_a_restart() {
    let mut car = Told::default();
    let unseen = car.hears(&frame(0, &[]), at(1));
    assert_eq!(unseen.motion.parked_since, None, "its beginning was not seen");
    assert_eq!(car.hears(&frame(60, DRIVING), at(61)).motion.parked_since, None);
    let parked = car.hears_and_restarts(&frame(120, &[]), at(121));
    assert_eq!(parked.motion.parked_since, Some(at(120)));
    assert_eq!(car.hears(&frame(120, &[]), at(600)).motion.parked_since, Some(at(120)));
    assert_eq!(
        car.hears(&frame(5000, &[]), at(5001)).motion.parked_since,
        Some(at(120))
    );
}

#[test]
fn a_drive_nobody_saw_begins_a_new_park() {
    let mut car = Told::default();
    let odometer = |seconds, km| frame(seconds, &[(Reading::Odometer, km)]);
    car.hears(&odometer(0, 1000.0), at(1));
    assert_eq!(car.hears(&odometer(60, 1001.0), at(61)).motion.parked_since, None);
    assert_eq!(
        car.hears(&odometer(3600, 1020.0), at(3601)).motion.parked_since,
        Some(at(3600))
    );
}

/// Where the car is shown to have parked last, as its latitude.
fn parked_at(state: &VehicleState) -> Option<f64> {
    state.motion.parked_position.map(|position| position.latitude)
}

#[test]
fn a_park_without_a_position_is_where_the_car_was_last_on_its_way_there() {
    let located = |frame, latitude| at_place(frame, (latitude, 9.19), SignOrigin::Signed);
    let mut car = Told::default();
    car.hears(&located(frame(0, &[]), 45.46), at(1));
    car.hears(&located(frame(60, DRIVING), 45.47), at(61));
    let driving = car.hears_and_restarts(&frame(120, DRIVING), at(121));
    assert_eq!(parked_at(&driving), Some(45.46), "it has not parked again");
    let parked = car.hears_and_restarts(&frame(180, &[]), at(181));
    assert_eq!(parked_at(&parked), Some(45.47));
    let no_fix = at_place(frame(240, &[]), (0.0, 0.0), SignOrigin::Signed);
    assert_eq!(parked_at(&car.hears(&no_fix, at(241))), Some(45.47));
    assert_eq!(
        parked_at(&car.hears(&located(frame(300, &[]), 45.471), at(301))),
        Some(45.471)
    );
}

#[test]
fn after_a_drive_without_positions_the_old_place_is_not_the_new_one() {
    let place = (45.46, 9.19);
    let somewhere = |seconds, readings: &[_]| at_place(frame(seconds, readings), place, SignOrigin::Signed);
    let no_fix = |seconds, readings: &[_]| at_place(frame(seconds, readings), (0.0, 0.0), SignOrigin::Signed);
    let odometer = |km| (Reading::Odometer, km);

    let mut unseen = Told::default();
    unseen.hears(&somewhere(0, &[odometer(1000.0)]), at(1));
    assert_eq!(
        parked_at(&unseen.hears(&frame(60, &[odometer(1000.0)]), at(61))),
        Some(45.46)
    );
    for (seconds, frame) in [
        (3600, frame(3600, &[odometer(1020.0)])),
        (3660, no_fix(3660, &[odometer(1020.0)])),
    ] {
        assert_eq!(
            parked_at(&unseen.hears_and_restarts(&frame, at(seconds))),
            None,
            "{seconds}"
        );
    }
    let back = somewhere(3720, &[odometer(1020.0)]);
    assert_eq!(parked_at(&unseen.hears(&back, at(3721))), Some(45.46), "it came back");

    let mut seen = Told::default();
    seen.hears(&somewhere(0, &[]), at(1));
    seen.hears(&no_fix(60, DRIVING), at(61));
    assert_eq!(parked_at(&seen.hears(&no_fix(120, &[]), at(121))), None);
}

#[test]
fn the_odometer_never_runs_backwards() {
    let mut car = Told::default();
    let shown = |state: VehicleState| state.frame.number(Reading::Odometer);
    let odometer = |seconds, km| frame(seconds, &[(Reading::Odometer, km)]);
    assert_eq!(shown(car.hears(&odometer(0, 0.0), at(1))), None);
    assert_eq!(
        shown(car.hears_and_restarts(&odometer(60, 1000.0), at(61))),
        Some(1000.0)
    );
    assert_eq!(shown(car.hears(&odometer(120, 0.0), at(121))), Some(1000.0));
    assert_eq!(shown(car.hears(&odometer(180, 998.0), at(181))), Some(1000.0));
    assert_eq!(shown(car.hears(&odometer(240, 1003.0), at(241))), Some(1003.0));
}

#[test]
fn an_absurd_odometer_is_not_shown_and_does_not_block_the_true_one() {
    let mut car = Told::default();
    let shown = |state: VehicleState| state.frame.number(Reading::Odometer);
    let odometer = |seconds, km| frame(seconds, &[(Reading::Odometer, km)]);
    assert_eq!(shown(car.hears(&odometer(0, 16_777_215.0), at(1))), None);
    assert_eq!(shown(car.hears(&odometer(60, 1000.0), at(61))), Some(1000.0));
    assert_eq!(
        shown(car.hears_and_restarts(&odometer(120, 500_000.0), at(121))),
        Some(1000.0)
    );
    assert_eq!(shown(car.hears(&odometer(180, 1001.0), at(181))), Some(1001.0));
}

#[test]
fn an_odometer_counts_through_the_numbers_that_mean_cannot_tell_elsewhere() {
    let mut car = Told::default();
    for (minutes, km) in [(0, 32_766.0), (1, 32_767.0), (2, 32_768.0), (20_000, 65_535.0)] {
        let seconds = minutes * 60;
        let state = car.hears(&frame(seconds, &[(Reading::Odometer, km)]), at(seconds));
        assert_eq!(state.frame.number(Reading::Odometer), Some(km));
    }
    assert_eq!(car.rejected(), [""; 0]);
    car.hears(&frame(1_300_000, &[(Reading::Odometer, 16_777_215.0)]), at(1_300_000));
    car.hears(&frame(1_300_060, &[(Reading::Odometer, 3_000_000.0)]), at(1_300_060));
    assert_eq!(car.rejected(), ["odometer: 2 out_of_range"]);
}

#[test]
fn a_position_that_no_car_can_have_reached_is_not_shown() {
    let located = |seconds, latitude| at_place(frame(seconds, &[]), (latitude, 9.19), SignOrigin::Signed);
    let mut car = Told::default();
    let latitude = |state: VehicleState| state.position.map(|position| position.latitude);
    assert_eq!(latitude(car.hears(&located(0, 45.46), at(1))), Some(45.46));
    assert_eq!(
        latitude(car.hears_and_restarts(&located(60, 46.46), at(61))),
        Some(45.46)
    );
    assert_eq!(latitude(car.hears(&located(120, 45.47), at(121))), Some(45.47));
    for seconds in [180, 240] {
        assert_eq!(latitude(car.hears(&located(seconds, 41.89), at(seconds))), Some(45.47));
    }
    assert_eq!(
        latitude(car.hears(&located(300, 41.89), at(301))),
        Some(41.89),
        "it was carried there"
    );
}

#[test]
fn the_end_of_a_charge_moves_only_by_two_minutes_or_more() {
    let mut car = Told::default();
    let charging = |seconds, minutes| frame(seconds, &[CHARGING, &[(Reading::ChargeRemainTime, minutes)]].concat());
    let state = car.hears(&charging(0, 60.0), at(5));
    assert_eq!(
        state.charging.finish_time,
        Some(at(3600)),
        "counted from the car's own time"
    );
    assert_eq!(state.charging.remaining, Some(Minutes(60.0)));
    assert_eq!(
        car.hears(&charging(60, 60.0), at(65)).charging.finish_time,
        Some(at(3600))
    );
    let moved = car.hears_and_restarts(&charging(120, 60.0), at(125));
    assert_eq!(moved.charging.finish_time, Some(at(3720)));
    assert_eq!(
        car.hears(&charging(180, 58.0), at(185)).charging.finish_time,
        Some(at(3720))
    );
    let done = car.hears(&frame(240, &[(Reading::ChargeRemainTime, 5.0)]), at(245));
    assert_eq!((done.charging.finish_time, done.charging.remaining), (None, None));
    let again = car.hears(&charging(300, 57.0), at(305));
    assert_eq!(
        again.charging.finish_time,
        Some(at(3720)),
        "forgotten, and by chance the same"
    );
}

#[test]
fn a_charge_tells_power_charger_and_gained_range() {
    let state = at_once(CHARGING);
    assert_eq!(state.charging.power, Some(Kilowatts(8.0)));
    assert_eq!(state.charging.charger, Some(Charger::Ac));
    // 10 % of the battery are 40 km, in one hour.
    assert_eq!(state.charging.rate, Some(KilometersPerHour(40.0)));
    assert_eq!(state.motion.activity, Some(Activity::Charging));
    let dc = at_once(&[CHARGING, &[(Reading::DcPlug, 1.0)]].concat());
    assert_eq!(dc.charging.charger, Some(Charger::Dc));
    assert_eq!(at_once(&[]).charging.charger, Some(Charger::Unplugged));
}

#[test]
fn a_small_current_is_charging_only_with_time_left_or_real_power() {
    let charging = |amperes, minutes: Option<f64>| {
        let mut readings = vec![(Reading::ChargeState, 1.0), (Reading::BatteryCurrent, amperes)];
        readings.extend(minutes.map(|minutes| (Reading::ChargeRemainTime, minutes)));
        at_once(&readings).charging.charging
    };
    assert_eq!(charging(-0.9, Some(60.0)), Some(false));
    assert_eq!(charging(-1.0, Some(60.0)), Some(true));
    assert_eq!(charging(-2.4, Some(0.0)), Some(false), "0.96 kW");
    assert_eq!(charging(-2.5, Some(0.0)), Some(true), "1 kW");
    assert_eq!(charging(-2.9, None), Some(false));
    assert_eq!(charging(-3.0, None), Some(true));
}

#[test]
fn a_car_that_waits_for_its_schedule_says_so_whatever_it_uses_itself() {
    for amperes in [0.0, 1.5] {
        let state = at_once(&[(Reading::ChargeState, 4.0), (Reading::BatteryCurrent, amperes)]);
        assert_eq!(state.charging.connection, Some(Connection::WaitingSchedule));
        assert_eq!(state.charging.plugged, Some(true));
        assert_eq!(state.charging.power, Some(Kilowatts(0.0)));
    }
}

#[test]
fn an_external_load_is_not_charging() {
    let state = at_once(&[(Reading::AcPortState, 2.0), (Reading::BatteryCurrent, 6.0)]);
    assert_eq!(state.charging.charging, Some(false));
    assert_eq!(state.charging.power, Some(Kilowatts(0.0)));
    assert_eq!(state.charging.v2l_power, Some(Kilowatts(2.4)));
    assert_eq!(
        at_once(&[(Reading::AcPortState, 0.0)]).charging.v2l_power,
        Some(Kilowatts(0.0))
    );
    assert_eq!(at_once(&[]).charging.v2l_power, None);
}

#[test]
fn a_current_out_of_the_pack_is_not_charging_although_the_car_is_connected() {
    let load_on_the_port = [
        (Reading::ChargeState, 1.0),
        (Reading::AcPortState, 2.0),
        (Reading::BatteryCurrent, 6.0),
    ];
    let climate_on_the_cable = [
        (Reading::ChargeState, 4.0),
        (Reading::AcPortState, 1.0),
        (Reading::ChargeRemainTime, 0.0),
        (Reading::BatteryCurrent, 5.0),
    ];
    let little = [
        (Reading::ChargeState, 2.0),
        (Reading::ChargeRemainTime, 60.0),
        (Reading::BatteryCurrent, 1.0),
    ];
    for (readings, connection) in [
        (&load_on_the_port[..], Connection::PluggedIn),
        (&climate_on_the_cable[..], Connection::WaitingSchedule),
        (&little[..], Connection::PluggedIn),
    ] {
        let charging = at_once(readings).charging;
        assert_eq!(
            (charging.charging, charging.connection, charging.power),
            (Some(false), Some(connection), Some(Kilowatts(0.0))),
            "{readings:?}"
        );
    }
    assert_eq!(at_once(&load_on_the_port).charging.v2l_power, Some(Kilowatts(2.4)));
    // A range-extender car that reads no current charges on.
    let idle = [little[0], little[1], (Reading::BatteryCurrent, 0.9)];
    assert_eq!(at_once(&idle).charging.charging, Some(true));
}

#[test]
fn a_range_extender_is_full_only_near_its_limit_and_stays_one() {
    let completed = |soc, more: &[(Reading, f64)]| {
        let readings = [
            (Reading::Soc, soc),
            (Reading::ChargeCompleted, 1.0),
            (Reading::ChargeLimit, 80.0),
        ];
        [&readings, more].concat()
    };
    let fuel = [(Reading::FuelLevelPercent, 60.0)];
    let fully_charged = |readings: &[_]| at_once(readings).charging.fully_charged;
    assert_eq!(fully_charged(&completed(40.0, &[])), Some(true));
    assert_eq!(fully_charged(&completed(64.0, &fuel)), Some(false));
    assert_eq!(fully_charged(&completed(65.0, &fuel)), Some(true));
    let mut car = Told::default();
    car.hears_and_restarts(&frame(0, &fuel), at(1));
    let without_fuel = car.hears(&frame(60, &completed(40.0, &[])), at(61));
    assert_eq!(without_fuel.charging.fully_charged, Some(false));
}

#[test]
fn a_confirmed_command_holds_for_fifteen_seconds() {
    let mut car = Told::default();
    car.hears(&frame(0, &[]), at(1));
    car.memory = car.memory.with_confirmed_lock(false, at(10));
    let lock = |seconds| {
        let security = refresh(&Model::C10, &car.memory, at(seconds)).security;
        (security.locked, security.lock_source)
    };
    assert_eq!(lock(25), (Some(false), Some(LockSource::CommandConfirmed)));
    assert_eq!(lock(26), (Some(true), Some(LockSource::Signal)));
}

#[test]
fn a_car_clock_far_ahead_dates_nothing_and_does_not_make_later_frames_old() {
    let mut car = Told::default();
    assert_eq!(car.hears(&frame(1_000_000, &[]), at(1)).vehicle_time, None);
    assert_eq!(car.rejected(), ["collect_time: 1 out_of_range"]);
    assert_eq!(judge(&frame(60, &[]), &car.memory), Verdict::News);
}

#[test]
fn a_lost_minus_is_repaired_across_restarts_and_frames_without_a_fix() {
    let located = |seconds, place, origin| at_place(frame(seconds, &[]), place, origin);
    let mut car = Told::default();
    car.hears_and_restarts(&located(0, (38.7, -9.14), SignOrigin::Signed), at(1));
    let without_fix = car.hears(&located(60, (0.0, 0.0), SignOrigin::Signed), at(61));
    assert_eq!(without_fix.position.map(|position| position.longitude), Some(-9.14));
    assert_eq!(car.rejected(), ["position: 1 no_fix"]);
    let state = car.hears(&located(120, (38.7, 9.14), SignOrigin::Absolute), at(121));
    assert_eq!(state.position.map(|position| position.longitude), Some(-9.14));
}

fn any_value() -> impl Strategy<Value = RawValue> {
    prop_oneof![
        (-5i32..300).prop_map(|number| RawValue::Number(f64::from(number))),
        any::<f64>()
            .prop_filter("the decoder lets no other through", |number| number.is_finite())
            .prop_map(RawValue::Number),
        ".{0,8}".prop_map(RawValue::Text),
    ]
}

fn any_coordinate() -> impl Strategy<Value = Option<Coordinate>> {
    let origin = prop_oneof![
        Just(SignOrigin::Signed),
        Just(SignOrigin::Absolute),
        Just(SignOrigin::Unstated),
    ];
    proptest::option::of((-200.0..200.0, origin).prop_map(|(degrees, origin)| Coordinate { degrees, origin }))
}

fn any_frame() -> impl Strategy<Value = Frame> {
    let readings = proptest::collection::btree_map(proptest::sample::select(Reading::ALL), any_value(), 0..60);
    let time = proptest::option::of((0i64..2_000_000).prop_map(at));
    (time, any_coordinate(), any_coordinate(), readings).prop_map(|(vehicle_time, latitude, longitude, readings)| {
        Frame {
            vehicle_time,
            latitude,
            longitude,
            readings,
            ..Frame::default()
        }
    })
}

proptest! {
    #[test]
    fn no_sequence_of_frames_panics_or_spoils_the_memory(frames in proptest::collection::vec(any_frame(), 1..4)) {
        let mut car = Told::default();
        for (number, frame) in (0..).zip(&frames) {
            let now = at(number * 600);
            let state = car.hears(frame, now);
            prop_assert_eq!(&state, &refresh(&Model::C10, &car.memory, now));
        }
        let stored = serde_json::to_string(&car.memory).unwrap();
        prop_assert!(serde_json::from_str::<Memory>(&stored).is_ok(), "{}", stored);
    }
}
