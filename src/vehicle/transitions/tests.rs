//! The rules as seen from outside: what a car says, one frame after the other, and what is told of it.

use jiff::SignedDuration;
use proptest::prelude::*;

use super::*;
use crate::vehicle::derive::{Memory, derive, judge, refresh};
use crate::vehicle::state::Part;
use crate::vehicle::{Frame, Model, RawValue, Reading};

const DRIVES: &[(Reading, f64)] = &[(Reading::Gear, 3.0), (Reading::Speed, 50.0), (Reading::KeyOn3, 1.0)];
const IS_PLUGGED: &[(Reading, f64)] = &[(Reading::ChargeState, 1.0), (Reading::AcPortState, 1.0)];
const CHARGES: &[(Reading, f64)] = &[
    (Reading::ChargeState, 2.0),
    (Reading::AcPortState, 1.0),
    (Reading::BatteryCurrent, -20.0),
    (Reading::ChargeRemainTime, 60.0),
];
const IS_FULL: &[(Reading, f64)] = &[
    (Reading::Soc, 80.0),
    (Reading::ChargeState, 2.0),
    (Reading::AcPortState, 1.0),
    (Reading::ChargeRemainTime, 0.0),
    (Reading::ChargeCompleted, 1.0),
];

fn at(seconds: i64) -> Timestamp {
    Timestamp::constant(1_790_000_000, 0) + SignedDuration::from_secs(seconds)
}

/// A parked, locked, closed car at 60 %, changed by `readings`.
fn frame(seconds: i64, readings: &[(Reading, f64)]) -> Frame {
    let parked = [
        (Reading::Soc, 60.0),
        (Reading::Range, 240.0),
        (Reading::Gear, 0.0),
        (Reading::Speed, 0.0),
        (Reading::KeyOn3, 0.0),
        (Reading::Locked, 1.0),
        (Reading::AcOn, 0.0),
        (Reading::DoorFrontLeft, 0.0),
        (Reading::Trunk, 0.0),
        (Reading::ChargeState, 0.0),
        (Reading::AcPortState, 0.0),
        (Reading::BatteryVoltage, 400.0),
        (Reading::BatteryCurrent, 0.3),
        (Reading::ChargeLimit, 80.0),
    ];
    let mut frame = Frame {
        vehicle_time: Some(at(seconds)),
        ..Frame::default()
    };
    for (reading, value) in parked.iter().chain(readings) {
        frame.set(*reading, *value);
    }
    frame
}

/// A car that is watched.
#[derive(Default)]
struct Watched {
    memory: Memory,
    watch: Watch,
    told: Vec<Change>,
}

impl Watched {
    /// A parked car that was seen before.
    fn parked() -> Self {
        let mut car = Self::default();
        car.says(0, &[]);
        assert_eq!(car.told, [], "nobody is told what is seen for the first time");
        car
    }

    fn says(&mut self, seconds: i64, readings: &[(Reading, f64)]) {
        self.answers(&frame(seconds, readings), at(seconds));
    }

    fn answers(&mut self, frame: &Frame, now: Timestamp) {
        let verdict = judge(frame, &self.memory);
        let (state, memory) = derive(frame, &Model::C10, &self.memory, now);
        self.memory = memory;
        self.take(&state, Some(verdict), now);
    }

    /// Time passes without an answer.
    fn waits_until(&mut self, seconds: i64) {
        let state = refresh(&Model::C10, &self.memory, at(seconds));
        self.take(&state, None, at(seconds));
    }

    fn take(&mut self, state: &VehicleState, answer: Option<Verdict>, now: Timestamp) {
        let (happenings, watch) = transitions(&self.watch, &vin(), state, answer, now);
        self.watch = watch;
        self.told
            .extend(happenings.into_iter().map(|happening| match happening {
                Happening::Change(change) => change,
                Happening::Message(message) => panic!("a car sends no {message:?}"),
            }));
    }

    /// Only what is stored remains.
    fn restarts(&mut self) {
        self.memory = serde_json::from_value(serde_json::to_value(&self.memory).unwrap()).unwrap();
        self.watch = serde_json::from_value(serde_json::to_value(&self.watch).unwrap()).unwrap();
    }

    /// What was told since it was last asked.
    fn news(&mut self) -> Vec<&'static str> {
        std::mem::take(&mut self.told)
            .iter()
            .map(|change| change.kind.name())
            .collect()
    }
}

fn vin() -> Vin {
    Vin::parse("LFZTEST0000000001").unwrap()
}

/// What a car says at a second; nothing only lets time pass.
type Line<'r> = (i64, Option<&'r [(Reading, f64)]>);

/// What is told of a car that says this.
fn told_of(story: &[Line<'_>]) -> Vec<&'static str> {
    let mut car = Watched::parked();
    for (seconds, readings) in story {
        match readings {
            Some(readings) => car.says(*seconds, readings),
            None => car.waits_until(*seconds),
        }
    }
    car.news()
}

fn and(base: &[(Reading, f64)], more: &[(Reading, f64)]) -> Vec<(Reading, f64)> {
    [base, more].concat()
}

#[test]
fn a_drive_begins_at_once_and_ends_when_the_car_stands_in_park() {
    let unlocked = &[(Reading::Locked, 0.0)][..];
    let door = &and(unlocked, &[(Reading::DoorFrontLeft, 1.0)])[..];
    let ready = &and(unlocked, &[(Reading::KeyOn3, 1.0)])[..];
    let drives = &and(DRIVES, unlocked)[..];
    let story = [
        (60, Some(unlocked)),
        (75, Some(door)),
        (90, Some(ready)),
        (105, Some(drives)),
        (120, Some(drives)),
        (135, Some(ready)),
        (150, Some(ready)),
        (165, Some(&[][..])),
    ];
    assert_eq!(
        told_of(&story),
        [
            "unlocked",
            "opened",
            "closed",
            "ready",
            "driving_started",
            "parked",
            "locked"
        ]
    );
}

#[test]
fn a_traffic_light_in_neutral_is_no_park_and_neither_is_a_second_in_p() {
    let neutral = &[(Reading::Gear, 2.0), (Reading::KeyOn3, 1.0)][..];
    let story = [
        (15, Some(DRIVES)),
        (30, Some(neutral)),
        (45, Some(neutral)),
        (60, Some(DRIVES)),
        (75, Some(&[(Reading::KeyOn3, 1.0)][..])),
        (90, Some(DRIVES)),
    ];
    assert_eq!(told_of(&story), ["driving_started"]);
}

#[test]
fn a_car_that_falls_silent_right_after_parking_is_parked_all_the_same() {
    assert_eq!(
        told_of(&[(15, Some(DRIVES)), (30, Some(&[])), (59, None), (61, None)]),
        ["driving_started", "parked"]
    );
}

#[test]
fn a_charge_that_pauses_six_times_is_one_charge() {
    let mut story: Vec<Line<'_>> = vec![(60, Some(CHARGES)), (90, Some(CHARGES))];
    let mut second = 90;
    // Of the pauses of a wallbox that shares its power the shortest and the longest; a B10 calls them unplugged.
    for (pause, paused) in [60, 334, 120, 200, 334, 60]
        .into_iter()
        .zip([IS_PLUGGED, &[]].into_iter().cycle())
    {
        story.push((second + 30, Some(paused)));
        story.push((second + 30 + pause - 1, Some(paused)));
        second += 30 + pause;
        story.push((second, Some(CHARGES)));
    }
    story.extend([(second + 60, Some(IS_FULL)), (second + 120, Some(IS_FULL))]);
    story.extend([(second + 900, Some(&[][..])), (second + 960, Some(&[][..]))]);
    assert_eq!(
        told_of(&story),
        [
            "plugged_in",
            "charging_started",
            "charging_stopped",
            "charging_completed",
            "unplugged"
        ]
    );
}

#[test]
fn a_range_extender_that_flickers_charges_on() {
    let connected = &[
        (Reading::FuelLevelPercent, 60.0),
        (Reading::ChargeState, 3.0),
        (Reading::ChargeRemainTime, 175.0),
        (Reading::BatteryCurrent, 0.1),
    ][..];
    let charges = &and(connected, &[(Reading::ChargeState, 2.0)])[..];
    let mut story = vec![(60, Some(charges)), (120, Some(charges))];
    for round in 0..20 {
        story.push((180 + round * 360, Some(connected)));
        story.push((480 + round * 360, Some(charges)));
    }
    assert_eq!(told_of(&story), ["plugged_in", "charging_started"]);
}

#[test]
fn the_end_of_a_charge_says_why() {
    let after_a_charge = |then: &'static [(Reading, f64)]| {
        let mut car = Watched::parked();
        car.says(60, CHARGES);
        car.says(90, CHARGES);
        car.news();
        car.says(120, then);
        car.says(150, then);
        let at_once = car.news();
        car.says(480, then);
        (at_once, car.news())
    };
    let nothing = Vec::new;
    assert_eq!(
        after_a_charge(IS_FULL),
        (vec!["charging_stopped", "charging_completed"], nothing())
    );
    assert_eq!(
        after_a_charge(IS_PLUGGED),
        (nothing(), vec!["charging_stopped", "charging_interrupted"])
    );
    assert_eq!(
        after_a_charge(&[(Reading::ChargeState, 4.0)]),
        (nothing(), vec!["charging_stopped"])
    );
    assert_eq!(after_a_charge(&[]), (nothing(), vec!["charging_stopped", "unplugged"]));
    assert_eq!(
        after_a_charge(DRIVES),
        (vec!["charging_stopped", "unplugged", "driving_started"], nothing()),
        "who drives has pulled the plug"
    );
    // Some cars look as if they had finished while the wallbox pauses.
    const LOOKS_FINISHED: &[(Reading, f64)] = &[(Reading::ChargeState, 2.0), (Reading::ChargeRemainTime, 0.0)];
    assert_eq!(after_a_charge(LOOKS_FINISHED).0, nothing());
}

#[test]
fn a_single_frame_proves_no_charge_and_a_full_battery_may_be_topped_up() {
    assert_eq!(told_of(&[(60, Some(CHARGES)), (90, Some(&[]))]), [""; 0]);
    let topped_up = [
        (60, Some(IS_FULL)),
        (120, Some(IS_FULL)),
        (180, Some(CHARGES)),
        (300, Some(CHARGES)),
        (420, Some(IS_FULL)),
    ];
    assert_eq!(told_of(&topped_up), ["plugged_in"]);
}

#[test]
fn a_part_is_told_by_its_name_with_the_values_and_both_times() {
    let mut car = Watched::parked();
    car.answers(&frame(60, &[(Reading::Trunk, 1.0)]), at(63));
    assert_eq!(
        car.told,
        [Change {
            vin: vin(),
            kind: Kind::Opened,
            part: Some("trunk"),
            old: Some(Mark::Flag(false)),
            new: Some(Mark::Flag(true)),
            vehicle_time: Some(at(60)),
            seen: at(63),
            late: false,
        }]
    );
}

#[test]
fn every_part_of_the_car_has_a_row_of_its_own_name() {
    let rows: Vec<&str> = ROWS.iter().map(|row| row.name).collect();
    for part in Part::ALL {
        assert!(rows.contains(&part.name()), "{part:?}");
    }
    let distinct: std::collections::BTreeSet<_> = rows.iter().collect();
    assert_eq!(distinct.len(), rows.len());
}

#[test]
fn changes_of_the_plan_come_one_by_one_even_while_the_car_sleeps() {
    let mut car = Watched::parked();
    let mut plan = frame(0, &[(Reading::ChargeLimit, 90.0), (Reading::ChargePlanEnabled, 1.0)]);
    plan.readings
        .insert(Reading::ChargePlanStart, RawValue::Text("22:00".to_owned()));
    car.answers(&plan, at(60));
    assert_eq!(car.news(), ["charge_limit_changed"], "the rest was not known before");
    plan.readings
        .insert(Reading::ChargePlanStart, RawValue::Text("23:00".to_owned()));
    car.answers(&plan, at(120));
    let change = &car.told[0];
    assert_eq!((change.kind, change.part), (Kind::ScheduleChanged, Some("start")));
    assert_eq!(change.old, Some(Mark::word("22:00")));
    assert_eq!(change.new, Some(Mark::word("23:00")));
}

#[test]
fn silence_and_return_are_told_and_are_not_late() {
    let mut car = Watched::parked();
    for minute in 1..30 {
        car.answers(&frame(0, &[]), at(60 * minute));
    }
    car.says(1800, &[(Reading::Locked, 0.0)]);
    assert!(car.told.iter().all(|change| !change.late), "{:?}", car.told);
    assert_eq!(car.news(), ["asleep", "online", "unlocked"]);
}

#[test]
fn what_a_confirmed_command_says_is_told_when_the_car_says_it() {
    let mut car = Watched::parked();
    car.memory = car.memory.clone().with_confirmed_lock(false, at(10));
    car.waits_until(11);
    car.says(20, &[]);
    car.says(30, &[]);
    assert_eq!(car.news(), [""; 0]);
    car.says(40, &[(Reading::Locked, 0.0)]);
    assert_eq!(car.news(), ["unlocked"]);
}

#[test]
fn what_changed_while_the_bridge_was_down_is_found_and_late() {
    let mut car = Watched::parked();
    car.restarts();
    car.says(600, &[(Reading::Locked, 0.0)]);
    car.says(660, &[]);
    let late: Vec<bool> = car.told.iter().map(|change| change.late).collect();
    assert_eq!(car.news(), ["unlocked", "locked"]);
    assert_eq!(late, [true, false]);
}

#[test]
fn a_charge_that_ended_while_the_bridge_was_down_ends_once_and_late() {
    let mut car = Watched::parked();
    car.says(60, CHARGES);
    car.says(90, CHARGES);
    car.says(120, IS_PLUGGED);
    car.restarts();
    car.news();
    car.says(7200, IS_PLUGGED);
    assert!(car.told.iter().all(|change| change.late), "{:?}", car.told);
    assert_eq!(car.news(), ["charging_stopped", "charging_interrupted"]);
    car.restarts();
    car.says(7260, IS_PLUGGED);
    assert_eq!(car.news(), [""; 0]);
}

#[test]
fn what_changed_during_an_outage_of_the_cloud_is_late_and_after_a_long_sleep_it_is_not() {
    let three_hours = 3 * 3600;
    let mut unreachable = Watched::parked();
    unreachable.says(three_hours, &[(Reading::Locked, 0.0)]);
    assert!(unreachable.told[0].late);

    let mut asleep = Watched::parked();
    for minute in 1..180 {
        asleep.answers(&Frame::default(), at(60 * minute));
    }
    asleep.says(three_hours, &[(Reading::Locked, 0.0)]);
    assert_eq!(asleep.news(), ["unlocked"]);
}

#[test]
fn a_word_of_the_car_that_comes_long_after_it_was_said_is_late() {
    let mut car = Watched::parked();
    car.answers(&frame(60, &[(Reading::Trunk, 1.0)]), at(3600));
    let opened = car.told.iter().find(|change| change.kind == Kind::Opened).unwrap();
    assert!(opened.late);
}

#[test]
fn a_first_answer_with_holes_is_compared_with_nothing() {
    let mut car = Watched::parked();
    car.restarts();
    let mut partial = frame(600, &[(Reading::Locked, 0.0)]);
    partial.readings.remove(&Reading::Soc);
    car.answers(&partial, at(600));
    car.waits_until(615);
    car.says(660, &[]);
    assert_eq!(car.news(), [""; 0]);
}

#[test]
fn a_clock_set_back_does_not_hold_up_what_waits() {
    let mut car = Watched::parked();
    car.says(60, CHARGES);
    car.says(90, CHARGES);
    car.news();
    car.answers(&frame(120, IS_PLUGGED), at(50_000));
    car.answers(&frame(150, IS_PLUGGED), at(150));
    car.answers(&frame(510, IS_PLUGGED), at(510));
    assert!(car.news().ends_with(&["charging_stopped", "charging_interrupted"]));
}

fn any_readings() -> impl Strategy<Value = Vec<(Reading, f64)>> {
    let codes = [
        (Reading::Gear, 0..4),
        (Reading::KeyOn3, 0..2),
        (Reading::Locked, 0..2),
        (Reading::AcOn, 0..2),
        (Reading::Trunk, 0..2),
        (Reading::ChargeState, 0..6),
        (Reading::AcPortState, 0..3),
        (Reading::BatteryCurrent, -20..5),
        (Reading::ChargeRemainTime, 0..3),
        (Reading::ChargeLimit, 78..82),
    ];
    let value =
        |(reading, range): (Reading, std::ops::Range<i32>)| range.prop_map(move |code| (reading, f64::from(code)));
    let readings: Vec<_> = codes.into_iter().map(value).collect();
    (readings, 0.0..1.0f64).prop_map(|(readings, share)| {
        let kept = readings.len() as f64 * share;
        readings.into_iter().take(kept.round() as usize).collect()
    })
}

proptest! {
    #[test]
    fn nothing_happens_without_a_change_between_two_known_values(
        story in proptest::collection::vec((any_readings(), 1i64..400), 1..12),
    ) {
        let mut car = Watched::default();
        let mut second = 0;
        for (readings, pause) in story {
            second += pause;
            car.says(second, &readings);
        }
        for change in &car.told {
            prop_assert!(change.old.is_some() && change.new.is_some());
            prop_assert_ne!(&change.old, &change.new);
        }
    }

    #[test]
    fn the_same_frame_again_fires_nothing(
        story in proptest::collection::vec((any_readings(), 1i64..400), 1..6), replays in 1usize..20,
    ) {
        let mut car = Watched::default();
        let mut second = 0;
        let mut last = Vec::new();
        for (readings, pause) in story {
            second += pause;
            car.says(second, &readings);
            last = readings;
        }
        car.news();
        for _ in 0..replays {
            car.says(second, &last);
        }
        prop_assert_eq!(car.news(), Vec::<&str>::new());
    }

    #[test]
    fn every_end_has_a_beginning(story in proptest::collection::vec((any_readings(), 1i64..400), 1..40)) {
        let mut car = Watched::default();
        let mut second = 0;
        for (readings, pause) in story {
            second += pause;
            car.says(second, &readings);
        }
        for (begins, ends) in [(Kind::DrivingStarted, Kind::Parked), (Kind::Locked, Kind::Unlocked),
            (Kind::ChargingStarted, Kind::ChargingStopped), (Kind::PluggedIn, Kind::Unplugged)] {
            let turns: Vec<Kind> =
                car.told.iter().map(|change| change.kind).filter(|kind| *kind == begins || *kind == ends).collect();
            prop_assert!(turns.windows(2).all(|pair| pair[0] != pair[1]), "{:?}", turns);
        }
    }
}
