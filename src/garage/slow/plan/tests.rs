use super::*;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_790_000_000 + second).unwrap()
}

fn vin() -> Vin {
    Vin::parse("LFZTEST0000000001").unwrap()
}

fn of_car(topic: Topic) -> Errand {
    Errand::Car(vin(), topic)
}

/// So much that nothing ever waits for it.
const AMPLE: Ration = Ration {
    requests: u32::MAX,
    until: Timestamp::MAX,
};

/// What is read by the end, everything succeeding at once.
fn reads(timetable: &mut Timetable, end: Timestamp) -> Vec<(Timestamp, Errand)> {
    let mut reads = Vec::new();
    while let Some(now) = timetable.next(&AMPLE, at(0)).filter(|next| *next < end) {
        let errand = timetable.take_due(&AMPLE, now).unwrap();
        timetable.succeeded(&errand, now, 0.0);
        reads.push((now, errand));
    }
    reads
}

#[test]
fn the_first_round_is_spread_over_minutes() {
    let mut timetable = Timetable::default();
    timetable.add_car(&vin(), at(0), 0.0);
    let expected: Vec<_> = (0..).map(|step| at(15 * step)).zip(Topic::ALL.map(of_car)).collect();
    assert_eq!(reads(&mut timetable, at(300)), expected);
}

#[test]
fn a_day_of_an_account_with_one_car_takes_few_requests() {
    let mut timetable = Timetable::new(at(0), 0.0);
    timetable.add_car(&vin(), at(0), 0.0);
    let day = reads(&mut timetable, at(24 * 3600));
    for (errand, times) in [
        (Errand::Messages, 144),
        (Errand::Shares, 24),
        (of_car(Topic::Mileage), 24),
        (of_car(Topic::Today), 24),
        (of_car(Topic::Charges), 4),
        (of_car(Topic::Picture), 4),
        (of_car(Topic::Software), 1),
        (of_car(Topic::Schedules), 4),
    ] {
        let count = day.iter().filter(|(_, read)| *read == errand).count();
        assert_eq!(count, times, "{errand}");
    }
}

#[test]
fn pauses_are_spread_by_chance() {
    let mut timetable = Timetable::new(at(0), 1.0);
    assert_eq!(timetable.next(&AMPLE, at(0)), Some(at(15)));
    timetable.succeeded(&Errand::Messages, at(15), 1.0);
    timetable.succeeded(&Errand::Shares, at(15), 1.0);
    assert_eq!(timetable.next(&AMPLE, at(0)), Some(at(15 + 660)));
}

#[test]
fn failures_wait_ever_longer_and_only_the_first_is_worth_saying() {
    let mut timetable = Timetable::new(at(0), 0.0);
    let shares = Errand::Shares;
    let mut pauses = Vec::new();
    for _ in 0..10 {
        timetable.failed(&shares, at(0), 0.0);
        pauses.push(timetable.appointments[&shares].due().duration_since(at(0)).as_secs() / 60);
    }
    assert_eq!(pauses, [2, 4, 8, 16, 32, 64, 128, 256, 360, 360]);
    assert!(timetable.succeeded(&shares, at(0), 0.0), "it works again");
    assert!(!timetable.succeeded(&shares, at(0), 0.0));
    assert!(timetable.failed(&shares, at(0), 0.0));
    assert!(!timetable.failed(&shares, at(0), 0.0));
}

#[test]
fn a_picture_that_could_not_be_had_is_left_alone_for_ten_minutes() {
    let mut timetable = Timetable::default();
    timetable.add_car(&vin(), at(0), 0.0);
    timetable.failed(&of_car(Topic::Picture), at(0), 0.0);
    assert_eq!(timetable.appointments[&of_car(Topic::Picture)].due(), at(600));
}

#[test]
fn a_charge_that_ended_is_read_when_its_record_has_settled() {
    let mut timetable = Timetable::default();
    timetable.add_car(&vin(), at(0), 0.0);
    let _ = reads(&mut timetable, at(300));
    timetable.charge_ended(&vin(), at(1_000));
    assert_eq!(timetable.next(&AMPLE, at(0)), Some(at(1_180)));
    assert_eq!(timetable.take_due(&AMPLE, at(1_180)), Some(of_car(Topic::Charges)));
}

#[test]
fn a_schedule_that_was_written_is_read_now() {
    let mut timetable = Timetable::default();
    timetable.add_car(&vin(), at(0), 0.0);
    let _ = reads(&mut timetable, at(300));
    timetable.schedule_written(&vin(), at(1_000));
    assert_eq!(timetable.take_due(&AMPLE, at(1_000)), Some(of_car(Topic::Schedules)));
}

#[test]
fn a_car_that_is_gone_is_not_read_and_one_that_returns_is_read_at_once() {
    let mut timetable = Timetable::default();
    assert!(!timetable.has_car(&vin()));
    timetable.add_car(&vin(), at(0), 0.0);
    assert!(timetable.has_car(&vin()));
    timetable.retain_cars(|_| false);
    assert!(!timetable.has_car(&vin()));
    assert_eq!(timetable.next(&AMPLE, at(0)), None);
    timetable.add_car(&vin(), at(9_000), 0.0);
    assert_eq!(timetable.next(&AMPLE, at(0)), Some(at(9_000)));
}

/// What an account with so many cars reads of a ration of so many requests within a day, one request after the other,
/// and the requests that takes.
fn rationed_day(requests: u32, cars: usize) -> (Vec<(Timestamp, Errand)>, u32) {
    let (mut timetable, end) = (Timetable::new(at(0), 0.0), at(86_400));
    for car in 0..cars {
        let vin = Vin::parse(&format!("LFZTEST{car:010}")).unwrap();
        timetable.add_car(&vin, at(0), 0.0);
    }
    let (mut reads, mut spent, mut now) = (Vec::new(), 0, at(0));
    loop {
        let ration = Ration {
            requests: requests.saturating_sub(spent),
            until: end,
        };
        let Some(next) = timetable.next(&ration, now).filter(|next| *next < end) else {
            return (reads, spent);
        };
        now = next.max(now);
        // Several may be due; each takes its turn, and the ration may hold up the next.
        while let Some(errand) = timetable.take_due(&ration, now) {
            spent += errand.cost();
            timetable.succeeded(&errand, now, 0.0);
            reads.push((now, errand));
        }
    }
}

#[test]
fn a_ration_is_kept_and_lasts_for_the_day_however_many_cars_there_are() {
    for (requests, cars) in [(490, 1), (490, 2), (490, 100), (10, 3)] {
        let (reads, spent) = rationed_day(requests, cars);
        assert!(spent <= requests + DEAREST, "{cars} cars: {spent} of {requests}");
        let (last, _) = reads.last().unwrap();
        assert!(*last > at(70_000), "{cars} cars: the last read at {last}");
    }
    assert_eq!(rationed_day(0, 1), (Vec::new(), 0));
}

#[test]
fn the_usual_ration_lets_the_first_round_of_a_car_pass_at_once_and_holds_up_nothing_later() {
    let (reads, spent) = rationed_day(490, 1);
    let first_round = reads.iter().filter(|(at_time, _)| *at_time < at(150)).count();
    assert_eq!(first_round, 10);
    let messages = reads.iter().filter(|(_, errand)| *errand == Errand::Messages).count();
    // Twice 144, 24, four times 24, two times twice 4, 4 and 1.
    assert_eq!((messages, spent), (144, 429));
}

#[test]
fn with_a_short_ration_everything_is_late_by_the_same_share() {
    let (reads, _) = rationed_day(100, 1);
    let times = |errand: Errand| reads.iter().filter(|(_, read)| *read == errand).count();
    let (messages, mileage) = (
        times(Errand::Messages),
        times(Errand::Car(Vin::parse("LFZTEST0000000000").unwrap(), Topic::Mileage)),
    );
    assert!(messages > 4 * mileage && mileage > 0, "{messages} and {mileage}");
}

#[test]
fn a_clock_that_was_set_back_and_a_new_day_do_not_silence_it() {
    let mut timetable = Timetable::new(at(0), 0.0);
    let short = Ration {
        requests: 1,
        until: at(86_400),
    };
    assert_eq!(timetable.take_due(&short, at(0)), Some(Errand::Messages));
    assert_eq!(timetable.take_due(&short, at(60)), None);
    assert_eq!(timetable.wait(&short, at(60)), Some(Duration::from_secs(2 * 86_340)));
    let fresh = Ration {
        requests: 490,
        until: at(2 * 86_400),
    };
    let wait = timetable.wait(&fresh, at(86_400)).unwrap();
    assert!(wait < Duration::from_secs(600), "{wait:?}");
    let wait = timetable.wait(&fresh, at(-90_000)).unwrap();
    assert!(wait < Duration::from_secs(3_600), "{wait:?}");
}

#[test]
fn after_the_clock_was_set_back_everything_is_read_as_often_as_before() {
    let mut timetable = Timetable::new(at(0), 0.0);
    timetable.add_car(&vin(), at(0), 0.0);
    let _ = reads(&mut timetable, at(3 * 3_600));
    let set_back = |second: i64| at(second - 7 * 86_400);
    let mut times = 0;
    for minute in 0..60 {
        let now = set_back(60 * minute);
        while let Some(errand) = timetable.take_due(&AMPLE, now) {
            timetable.succeeded(&errand, now, 0.0);
            times += u32::from(errand == Errand::Messages);
        }
    }
    assert_eq!(times, 5, "after 10, 20, … minutes");
}

#[test]
fn a_new_day_does_not_go_on_paying_for_the_one_before() {
    let mut timetable = Timetable::new(at(0), 0.0);
    let short = Ration {
        requests: 1,
        until: at(86_400),
    };
    assert_eq!(timetable.take_due(&short, at(0)), Some(Errand::Messages));
    let fresh = Ration {
        requests: 490,
        until: at(2 * 86_400),
    };
    assert_eq!(timetable.take_due(&fresh, at(86_400)), None);
    assert!(timetable.take_due(&fresh, at(86_400 + 600)).is_some());
}
