use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::vehicle::command::registry::tests::example;
use crate::vehicle::command::registry::{COMMANDS, find};
use crate::vehicle::intent::Origin;
use crate::vehicle::{Powertrain, VehicleState, Vin};

const NOW: Timestamp = Timestamp::constant(1_790_000_000, 0);

fn seconds(count: i64) -> SignedDuration {
    SignedDuration::from_secs(count)
}

fn request(command: Command) -> CommandRequest {
    CommandRequest {
        ticket: 1,
        vin: Vin::parse("LFZTEST0000000001").unwrap(),
        command,
        id: None,
        origin: Origin::Mqtt,
        received: NOW,
        expires: None,
    }
}

fn view(model: Model) -> CarView {
    CarView {
        car: Car {
            vin: Vin::parse("LFZTEST0000000001").unwrap(),
            model,
            name: None,
            year: None,
            car_id: None,
            shared: false,
            share_expires: None,
            rights: BTreeSet::new(),
            abilities: BTreeSet::new(),
        },
        powertrain: Powertrain::Bev,
        state: None,
        evidence: BTreeSet::new(),
        unknown_signals: BTreeSet::new(),
        pending: BTreeMap::new(),
        pin: PinStatus::Ready,
        reachable: true,
    }
}

fn admit_now(command: Command, view: &CarView, policy: &Policy) -> Result<Admission, Reason> {
    admit(&request(command), Some(view), policy, NOW)
}

fn set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(ToString::to_string).collect()
}

#[test]
fn a_command_for_an_unknown_car_is_refused() {
    let result = admit(&request(Command::Lock), None, &Policy::default(), NOW);
    assert_eq!(result, Err(Reason::UnknownVehicle));
}

#[test]
fn what_opens_the_car_lives_30_seconds_and_everything_else_180() {
    let car = view(Model::C10);
    for (command, lifetime) in [(Command::Unlock, 30), (Command::Lock, 180)] {
        let request = request(command);
        let policy = Policy::default();
        let at = |offset| admit(&request, Some(&car), &policy, NOW + seconds(offset));
        assert_eq!(at(lifetime - 1).unwrap().expires, NOW + seconds(lifetime));
        assert_eq!(at(lifetime), Err(Reason::Expired));
    }
}

#[test]
fn a_given_deadline_replaces_the_lifetime_up_to_a_quarter_of_an_hour() {
    let car = view(Model::C10);
    let mut request = request(Command::Unlock);
    for (given, counts) in [(5, 5), (600, 600), (86_400, 900)] {
        request.expires = Some(NOW + seconds(given));
        let admission = admit(&request, Some(&car), &Policy::default(), NOW).unwrap();
        assert_eq!(admission.expires, NOW + seconds(counts));
    }
    request.expires = Some(NOW);
    assert_eq!(
        admit(&request, Some(&car), &Policy::default(), NOW),
        Err(Reason::Expired)
    );
    request.expires = None;
    request.received = Timestamp::MAX;
    assert!(admit(&request, Some(&car), &Policy::default(), NOW).is_ok());
}

#[test]
fn classes_can_be_switched_off_and_single_commands_named() {
    let car = view(Model::C10);
    let closed = Policy {
        comfort: false,
        opening: false,
        allow: set(&["Charging_Start", "nonsense"]),
        deny: BTreeSet::new(),
    };
    assert!(admit_now(Command::ChargeStart, &car, &closed).is_ok());
    assert_eq!(admit_now(Command::Lock, &car, &closed), Err(Reason::DeniedByPolicy));
    assert_eq!(admit_now(Command::Unlock, &car, &closed), Err(Reason::DeniedByPolicy));
    let denied = Policy {
        deny: set(&["ac_on", "unlock"]),
        allow: set(&["unlock"]),
        ..Policy::default()
    };
    let settings = super::super::ClimateSettings::QUICK_COOL;
    for command in [Command::Unlock, Command::Climate(settings)] {
        assert_eq!(admit_now(command, &car, &denied), Err(Reason::DeniedByPolicy));
    }
    assert!(admit_now(Command::Lock, &car, &denied).is_ok());
}

#[test]
fn what_moves_the_car_is_denied_unless_it_is_named() {
    let car = view(Model::C10);
    let named = Policy {
        allow: set(&["on3"]),
        ..Policy::default()
    };
    for row in COMMANDS.iter().filter(|row| row.risk == Risk::Driving) {
        let result = admit_now(example(row), &car, &Policy::default());
        assert_eq!(result, Err(Reason::DeniedByPolicy), "{}", row.name);
    }
    assert!(admit_now(Command::On3(true), &car, &named).is_ok());
    assert_eq!(admit_now(Command::Autopark, &car, &named), Err(Reason::DeniedByPolicy));
}

#[test]
fn a_missing_right_blocks_only_when_rights_are_known_and_one_of_several_is_enough() {
    let mut car = view(Model::C10);
    let policy = Policy::default();
    assert!(admit_now(Command::Lock, &car, &policy).is_ok());
    car.car.rights = BTreeSet::from([120, 170]);
    assert_eq!(admit_now(Command::Lock, &car, &policy), Err(Reason::MissingRight));
    assert!(admit_now(Command::QuickCool, &car, &policy).is_ok());
    assert!(!offered(find("lock").unwrap(), &car.car, &policy));
    assert!(offered(find("find").unwrap(), &car.car, &policy));
}

#[test]
fn a_missing_ability_blocks_only_when_abilities_are_declared() {
    let mut car = view(Model::C10);
    let policy = Policy::default();
    assert!(admit_now(Command::UnlockCharger, &car, &policy).is_ok());
    car.car.abilities = BTreeSet::from([1]);
    assert_eq!(
        admit_now(Command::UnlockCharger, &car, &policy),
        Err(Reason::MissingAbility)
    );
    assert!(admit_now(Command::ChargeStart, &car, &policy).is_ok());
    for disputed in [48, 53] {
        car.car.abilities = BTreeSet::from([disputed]);
        assert!(admit_now(Command::UnlockCharger, &car, &policy).is_ok());
    }
}

#[test]
fn a_t03_has_climate_it_does_not_declare_and_no_seat_heating_that_it_does() {
    let mut car = view(Model::T03);
    car.car.abilities = BTreeSet::from([1, 14, 21, 48]);
    let policy = Policy::default();
    let offers = |name: &str| offered(find(name).unwrap(), &car.car, &policy);
    assert!(offers("ac-on") && offers("quick-heat") && offers("windshield-defrost"));
    assert!(!offers("seat-heat") && !offers("unlock-charger") && !offers("sentry-mode-on"));
    assert_eq!(
        admit_now(Command::SeatHeat(super::super::Seat::Driver, 1), &car, &policy),
        Err(Reason::ModelUnsupported)
    );
}

#[test]
fn without_a_good_pin_only_destinations_pass() {
    let destination = example(find("send-destination").unwrap());
    for (pin, reason) in [
        (PinStatus::Missing, Reason::PinMissing),
        (PinStatus::Rejected, Reason::PinRejected),
    ] {
        let mut car = view(Model::C10);
        car.pin = pin;
        assert_eq!(admit_now(Command::Lock, &car, &Policy::default()), Err(reason));
        assert!(admit_now(destination.clone(), &car, &Policy::default()).is_ok());
    }
}

#[test]
fn a_state_that_is_known_to_be_unsafe_blocks_and_an_unknown_one_does_not() {
    let policy = Policy::default();
    let with = |change: fn(&mut VehicleState)| {
        let mut car = view(Model::C10);
        let mut state = VehicleState::default();
        change(&mut state);
        car.state = Some(state);
        car
    };
    let unknown = with(|_| {});
    for command in [Command::Unlock, Command::TrunkOpen, Command::ChargeStart] {
        assert!(admit_now(command, &unknown, &policy).is_ok());
    }
    let driving = with(|state| state.motion.driving = Some(true));
    assert_eq!(admit_now(Command::Unlock, &driving, &policy), Err(Reason::Moving));
    assert!(admit_now(Command::QuickCool, &driving, &policy).is_ok());
    let rolling = with(|state| {
        state.motion.gear = Some(Gear::N);
        state.motion.driving = Some(false);
        state.frame.set(Reading::Speed, 90.0);
    });
    for command in [Command::Unlock, Command::Windows { percent: 100 }, Command::FindCar] {
        assert_eq!(admit_now(command, &rolling, &policy), Err(Reason::Moving));
    }
    assert!(admit_now(Command::QuickCool, &rolling, &policy).is_ok());
    let standing = with(|state| {
        state.motion.driving = Some(false);
        state.frame.set(Reading::Speed, 0.0);
    });
    assert!(admit_now(Command::Unlock, &standing, &policy).is_ok());
    let reverse = with(|state| state.motion.gear = Some(Gear::R));
    assert_eq!(admit_now(Command::TrunkOpen, &reverse, &policy), Err(Reason::NotInPark));
    for harmless in [
        with(|state| state.motion.gear = Some(Gear::P)),
        with(|state| state.motion.gear = Some(Gear::Unknown(9))),
        with(|state| {
            state.motion.gear = Some(Gear::D);
            state.stale = true;
        }),
    ] {
        assert!(admit_now(Command::TrunkOpen, &harmless, &policy).is_ok());
    }
    let unplugged = with(|state| state.charging.plugged = Some(false));
    assert_eq!(
        admit_now(Command::ChargeStart, &unplugged, &policy),
        Err(Reason::NotPlugged)
    );
}

#[test]
fn a_car_that_fell_silent_on_the_way_is_not_taken_to_stand() {
    let policy = Policy::default();
    let mut car = view(Model::C10);
    car.evidence.insert(Reading::Gear);
    for state in [None, Some(VehicleState::default())] {
        car.state = state;
        for command in [Command::Unlock, Command::TrunkOpen] {
            assert_eq!(admit_now(command, &car, &policy), Err(Reason::MotionUnknown));
        }
        assert!(admit_now(Command::QuickCool, &car, &policy).is_ok());
    }
    let mut parked = VehicleState::default();
    parked.motion.driving = Some(false);
    parked.stale = true;
    car.state = Some(parked);
    assert!(
        admit_now(Command::Unlock, &car, &policy).is_ok(),
        "it stood and still does"
    );
    car.state = None;
    car.evidence = BTreeSet::from([Reading::Soc]);
    assert!(
        admit_now(Command::Unlock, &car, &policy).is_ok(),
        "it never says whether it moves"
    );
}

#[test]
fn just_before_the_write_age_pin_and_state_are_looked_at_again() {
    let mut car = view(Model::C10);
    let admission = admit_now(Command::Unlock, &car, &Policy::default()).unwrap();
    let check = |car: Option<&CarView>, at| still_valid(&Command::Unlock, admission, car, NOW + seconds(at));
    assert_eq!(check(Some(&car), 29), Ok(()));
    assert_eq!(check(Some(&car), 30), Err(Reason::Expired));
    assert_eq!(check(None, 0), Err(Reason::UnknownVehicle));
    let mut state = VehicleState::default();
    state.motion.driving = Some(true);
    car.state = Some(state);
    assert_eq!(check(Some(&car), 1), Err(Reason::Moving));
    car.pin = PinStatus::Rejected;
    assert_eq!(check(Some(&car), 1), Err(Reason::PinRejected));
}

proptest! {
    #[test]
    fn the_gate_never_panics(
        row in 0..COMMANDS.len(),
        received in -377_705_023_201i64..=253_402_207_200,
        expires in proptest::option::of(-377_705_023_201i64..=253_402_207_200),
        now in -377_705_023_201i64..=253_402_207_200,
        rights in proptest::collection::btree_set(any::<u32>(), 0..4),
        abilities in proptest::collection::btree_set(any::<u32>(), 0..4),
        names in proptest::collection::btree_set(".*", 0..3),
        gear in any::<i64>(),
    ) {
        let mut request = request(example(&COMMANDS[row]));
        request.received = Timestamp::from_second(received).unwrap();
        request.expires = expires.map(|expires| Timestamp::from_second(expires).unwrap());
        let mut car = view(Model::B10);
        car.car.rights = rights;
        car.car.abilities = abilities;
        let mut state = VehicleState::default();
        state.motion.gear = Some(Gear::Unknown(gear));
        car.state = Some(state);
        let policy = Policy { allow: names.clone(), deny: names, ..Policy::default() };
        let now = Timestamp::from_second(now).unwrap();
        if let Ok(admission) = admit(&request, Some(&car), &policy, now) {
            prop_assert!(admission.expires > now);
            prop_assert_eq!(still_valid(&request.command, admission, Some(&car), now), Ok(()));
        }
    }
}
