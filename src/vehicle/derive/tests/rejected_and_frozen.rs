//! What is not believed, what survives a restart, and which silence is a problem.

use super::*;

#[test]
fn a_rejected_value_leaves_the_last_good_one_and_a_momentary_one_not_for_long() {
    let mut car = Told::default();
    let said = |seconds, inside, speed| {
        let readings = [(Reading::InteriorTemp, inside), (Reading::Speed, speed)];
        frame(seconds, &[DRIVING, &readings].concat())
    };
    let shown =
        |state: &VehicleState| [Reading::InteriorTemp, Reading::Speed].map(|reading| state.frame.number(reading));
    car.hears_and_restarts(&said(0, 21.5, 48.0), at(1));
    for seconds in [60, 500, 960] {
        let state = car.hears_and_restarts(&said(seconds, -273.0, 65_535.0), at(seconds));
        assert_eq!(shown(&state), [Some(21.5), Some(48.0)], "{seconds}");
    }
    let state = car.hears(&said(961, -273.0, 65_535.0), at(961));
    assert_eq!(shown(&state), [Some(21.5), None]);
    assert_eq!(
        car.rejected(),
        ["interior_temp: 4 out_of_range", "speed: 4 placeholder"]
    );
    let state = car.hears(&said(1000, 22.0, 51.0), at(1000));
    assert_eq!(shown(&state), [Some(22.0), Some(51.0)]);
}

#[test]
fn the_same_frame_again_is_rejected_only_once() {
    let mut car = Told::default();
    for seconds in [1, 31, 61] {
        car.hears(&frame(0, &[(Reading::Range, 65_535.0)]), at(seconds));
    }
    assert_eq!(car.rejected(), ["range: 1 placeholder"]);
}

#[test]
fn the_last_picture_is_there_after_a_restart_although_the_car_sleeps() {
    let mut car = Told::default();
    car.hears_and_restarts(&frame(0, &[]), at(1));
    let state = car.hears(&Frame::default(), at(36_000));
    assert_eq!(state.battery.soc, Some(Percent(70.0)));
    assert_eq!((state.vehicle_time, state.answered), (Some(at(0)), Some(at(36_000))));
    assert!(state.stale);
    assert_eq!(state.frozen, Some(false));
}

#[test]
fn a_reading_nobody_knows_any_more_does_not_cost_the_memory() {
    let mut car = Told::default();
    car.hears(&frame(0, &[]), at(1));
    let mut stored = serde_json::to_value(&car.memory).unwrap();
    stored["seen"]["frame"]["readings"]["of_an_older_version"] = 5.into();
    car.memory = serde_json::from_value(stored).unwrap();
    let state = refresh(&Model::C10, &car.memory, at(2));
    assert_eq!(state.battery.soc, Some(Percent(70.0)));
}

/// Whether the car is called frozen when the cloud repeats this frame, that many seconds later.
fn is_frozen(readings: &[(Reading, f64)], seconds: i64) -> bool {
    let mut car = Told::default();
    car.hears(&frame(0, readings), at(1));
    car.hears(&frame(0, readings), at(seconds)).frozen.unwrap()
}

#[test]
fn a_busy_car_is_frozen_after_a_quarter_of_an_hour_and_a_parked_one_after_hours() {
    for busy in [DRIVING, CHARGING, &[(Reading::KeyOn3, 1.0)]] {
        assert!(!is_frozen(busy, 900));
        assert!(is_frozen(busy, 901));
    }
    assert!(!is_frozen(&[], 7200));
    assert!(is_frozen(&[], 7201));
}

#[test]
fn a_car_is_not_to_blame_for_a_silent_cloud_nor_for_sleeping() {
    let mut car = Told::default();
    car.hears(&frame(0, DRIVING), at(1));
    let unheard = refresh(&Model::C10, &car.memory, at(5000));
    assert_eq!((unheard.stale, unheard.frozen), (true, Some(false)));
    assert_eq!(
        car.hears(&Frame::default(), at(5001)).frozen,
        Some(true),
        "it drove when it was last heard"
    );

    let mut asleep = Told::default();
    asleep.hears(&frame(0, &[]), at(1));
    assert_eq!(asleep.hears(&Frame::default(), at(500_000)).frozen, Some(false));
}

#[test]
fn what_nobody_witnessed_is_no_rest() {
    let mut car = Told::default();
    car.hears(&frame(0, &[]), at(1));
    car.hears(&frame(100_000, &[]), at(100_000));
    assert_eq!(car.hears(&frame(100_000, &[]), at(107_201)).frozen, Some(true));
}

#[test]
fn a_parked_car_is_given_the_time_it_has_needed_before() {
    let mut car = Told::default();
    let hours = |hours: i64| hours * 3600;
    car.hears(&frame(0, &[]), at(1));
    assert_eq!(
        car.hears(&frame(0, &[]), at(hours(9))).frozen,
        Some(true),
        "the first night"
    );
    car.hears_and_restarts(&frame(hours(10), &[]), at(hours(10)));
    assert_eq!(car.hears(&frame(hours(10), &[]), at(hours(27))).frozen, Some(false));
    assert_eq!(car.hears(&frame(hours(10), &[]), at(hours(29))).frozen, Some(true));
}
