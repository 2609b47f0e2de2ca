use serde_json::{Value, json};

use super::*;

fn start() -> Timestamp {
    "2026-11-21T06:00:00Z".parse().unwrap()
}

fn car(kind: CarKind) -> Car {
    Car::new(kind, "LFZ".to_owned(), "1234".to_owned(), 1, false, start())
}

fn after(minutes: i64) -> Timestamp {
    start() + SignedDuration::from_mins(minutes)
}

fn signal(car: &mut Car, id: &str, now: Timestamp) -> Value {
    car.status(now)["signal"][id].clone()
}

#[test]
fn a_car_left_alone_only_sends_newer_frames() {
    for kind in [CarKind::T03, CarKind::B10, CarKind::C10, CarKind::C10Reev] {
        let mut car = car(kind);
        let mut before = car.status(start());
        let mut later = car.status(after(600));
        for times in [&mut before, &mut later] {
            for key in ["sts", "1"] {
                times["signal"][key] = Value::Null;
            }
            for key in ["collectTime", "collectTimeMs", "createTime"] {
                times[key] = Value::Null;
            }
        }
        assert_eq!(before, later);
        assert!(car.values.number(SENT_AT) > (after(599).as_millisecond()) as f64);
    }
}

#[test]
fn a_drive_covers_ground_and_uses_energy() {
    let mut car = car(CarKind::C10);
    car.play(Scenario::Drive, start());
    let before = (car.odometer(), car.position(), car.state_of_charge());
    let driving = car.status(after(10));
    assert_eq!(driving["signal"]["1010"], 3);
    assert!(driving["signal"]["1319"].as_f64().unwrap() > 20.0);
    assert!((5.0..15.0).contains(&(car.odometer() - before.0)));
    assert_ne!(car.position(), before.1);
    assert!(car.state_of_charge() < before.2);
    car.play(Scenario::Park, after(20));
    assert_eq!(signal(&mut car, "1319", after(20)), json!(0.0));
    assert_eq!(signal(&mut car, "1298", after(20)), json!(1));
}

/// Whether two positions are less than about 200 m apart.
fn is_near(one: (f64, f64), other: (f64, f64)) -> bool {
    (one.0 - other.0).abs() < 0.002 && (one.1 - other.1).abs() < 0.002
}

#[test]
fn a_drive_goes_on_where_the_last_one_ended() {
    let mut car = car(CarKind::C10);
    let home = car.position();
    car.play(Scenario::Drive, start());
    car.play(Scenario::Park, after(10));
    let parked = car.position();
    assert!(!is_near(parked, home));
    car.play(Scenario::Drive, after(20));
    car.advance(after(20) + SignedDuration::from_secs(5));
    assert_ne!(car.position(), parked);
    assert!(is_near(car.position(), parked), "{parked:?} {:?}", car.position());
}

#[test]
fn a_drive_goes_on_from_where_the_car_was_put() {
    for kind in [CarKind::T03, CarKind::C10] {
        let mut car = car(kind);
        car.play(Scenario::Drive, start());
        car.play(Scenario::Park, after(10));
        let rome = json!({"latitude": 41.9, "longitude": 12.5});
        car.patch(rome.as_object().unwrap(), after(11)).unwrap();
        car.play(Scenario::Drive, after(12));
        car.advance(after(12) + SignedDuration::from_secs(5));
        assert_ne!(car.position(), (41.9, 12.5));
        assert!(is_near(car.position(), (41.9, 12.5)), "{:?}", car.position());
    }
}

#[test]
fn a_position_that_gets_lost_does_not_move_the_car() {
    for lost in [json!({"2": null, "3": null}), json!({"2": 0, "3": 0})] {
        let mut car = car(CarKind::C10);
        let home = car.position();
        car.patch(lost.as_object().unwrap(), start()).unwrap();
        car.play(Scenario::Drive, after(1));
        car.advance(after(2));
        assert!((car.position().0 - home.0).abs() < 0.1, "{:?}", car.position());
    }
}

#[test]
fn every_model_still_charges_after_five_minutes() {
    for kind in [CarKind::T03, CarKind::B10, CarKind::C10, CarKind::C10Reev] {
        let mut car = car(kind);
        let before = car.state_of_charge();
        car.play(Scenario::ChargeAc, start());
        car.advance(after(5));
        assert_eq!(car.activity, Activity::Charging { dc: false }, "{kind:?}");
        assert!(car.state_of_charge() > before, "{kind:?}");
    }
}

#[test]
fn the_range_goes_on_from_what_a_car_says_at_first() {
    for kind in [CarKind::T03, CarKind::B10, CarKind::C10, CarKind::C10Reev] {
        let mut car = car(kind);
        let readings = [RANGE, RANGE_LIVE, COMBINED_RANGE, DUMP_ENERGY];
        let before = readings.map(|signal| car.values.number(signal));
        car.play(Scenario::Drive, start());
        car.advance(start() + SignedDuration::from_secs(5));
        for (signal, before) in readings.into_iter().zip(before) {
            let now = car.values.number(signal);
            assert!(
                now <= before && now >= before * 0.985,
                "{kind:?} {signal:?}: {before}, {now}"
            );
        }
    }
}

#[test]
fn charging_stops_at_the_limit_with_the_plug_in() {
    let mut car = car(CarKind::C10);
    car.play(Scenario::ChargeDc, start());
    let first = car.status(after(1));
    assert_eq!(first["signal"]["1197"], 1);
    assert!(first["signal"]["1178"].as_f64().unwrap() < -50.0);
    assert!(first["signal"]["1200"].as_i64().unwrap() > 1);
    let done = car.status(after(60));
    assert_eq!(done["signal"]["1204"], 80);
    assert_eq!(done["signal"]["1149"], 2);
    assert_eq!(done["signal"]["1178"], RESTING_CURRENT);
    assert_eq!(done["signal"]["1200"], 0);
    assert_eq!(done["signal"]["3736"], 1);
}

#[test]
fn fast_charging_slows_down_towards_the_end() {
    assert!(charging_power(CarKind::B10, true, 90.0) < 0.5 * charging_power(CarKind::B10, true, 30.0));
    assert!(minutes_to(CarKind::B10, true, 20.0, 80.0) > minutes_to(CarKind::B10, true, 20.0, 50.0));
    assert_eq!(minutes_to(CarKind::B10, true, 80.0, 80.0), 0.0);
}

#[test]
fn a_sleeping_car_repeats_its_last_frame_and_then_says_nothing() {
    let mut car = car(CarKind::B10);
    car.play(Scenario::Asleep, after(5));
    let sent = signal(&mut car, "sts", after(6));
    assert_eq!(sent, after(5).as_millisecond());
    assert_eq!(signal(&mut car, "sts", after(10)), sent);
    assert_eq!(car.status(after(30))["signal"], json!({}));
    car.play(Scenario::Park, after(31));
    assert_eq!(signal(&mut car, "1204", after(31)), 64);
}

#[test]
fn a_car_without_coverage_repeats_its_last_frame_for_ever() {
    let mut car = car(CarKind::T03);
    car.play(Scenario::Drive, start());
    let last = car.status(after(3));
    car.play(Scenario::Offline, after(3));
    assert_eq!(car.status(after(300)), last);
}

#[test]
fn a_patch_wakes_a_sleeping_car_with_a_frame_of_its_own() {
    let mut car = car(CarKind::B10);
    car.play(Scenario::Asleep, start());
    assert_eq!(car.status(after(30))["signal"], json!({}));
    car.patch(json!({"1204": 40}).as_object().unwrap(), after(31)).unwrap();
    assert_eq!(signal(&mut car, "1204", after(31)), json!(40));
    assert_eq!(signal(&mut car, "sts", after(31)), after(31).as_millisecond());
    assert_eq!(signal(&mut car, "sts", after(60)), after(60).as_millisecond());
}

#[test]
fn a_patch_of_a_car_without_coverage_is_seen_once_it_is_heard_of_again() {
    let mut car = car(CarKind::B10);
    car.play(Scenario::Offline, start());
    let last = car.status(start());
    car.patch(json!({"1204": 40}).as_object().unwrap(), after(1)).unwrap();
    assert_eq!(car.status(after(2)), last);
    car.play(Scenario::Park, after(3));
    assert_eq!(signal(&mut car, "1204", after(3)), json!(40));
}
