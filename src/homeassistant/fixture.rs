//! Cars and options for the tests of this room.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, LazyLock};

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::catalog::entity::{Attributes, Entity, Source};
use super::{Facts, Options, catalog};
use crate::vehicle::car::{Fleet, Pending};
use crate::vehicle::command::EffectGroup;
use crate::vehicle::facts::FactKey;
use crate::vehicle::state::{
    Activity, Charger, ClimateMode, Connection, Gear, LockSource, Part, Position, Tire, VehicleState, Wheel,
};
use crate::vehicle::units::{Bar, Kilowatts, Liters, LitersPer100Kilometers, Percent};
use crate::vehicle::{Car, CarView, Command, Model, PinStatus, Powertrain, Reading, Vin};

pub const T03: &str = "LFZTEST0000000T03";
pub const B10: &str = "LFZTEST0000000B10";
pub const C10: &str = "LFZTEST0000000C10";

pub fn at(time: &str) -> Timestamp {
    time.parse().unwrap()
}

pub fn now() -> Timestamp {
    at("2026-11-21T06:10:00Z")
}

pub fn vin(text: &str) -> Vin {
    Vin::parse(text).unwrap()
}

pub fn options() -> Options {
    Options {
        version: "1.2.3",
        support_url: "https://example.org/support",
        time_zone: TimeZone::get("Europe/Rome").unwrap(),
        expected_facts: facts_of_all_rows(),
        ..Options::default()
    }
}

/// As if every producer of facts were there.
fn facts_of_all_rows() -> BTreeSet<FactKey> {
    let facts = |row: &Entity| {
        let value = match row.source {
            Source::Fact(key) => Some(key),
            _ => None,
        };
        let attributes = match row.attributes {
            Attributes::Fact(key) => Some(key),
            _ => None,
        };
        value.into_iter().chain(attributes)
    };
    catalog::rows().flat_map(facts).collect()
}

pub fn no_facts() -> Facts {
    Facts::new()
}

/// A car as the demo has it at the start: parked, locked, in P, unplugged and awake.
pub fn car(code: &str, number: &str, powertrain: Powertrain) -> CarView {
    let model = Model::parse(code);
    let evidence = readings_of(&model, powertrain);
    let mut state = VehicleState {
        vehicle_time: Some(at("2026-11-21T06:00:00Z")),
        received: Some(at("2026-11-21T06:09:30Z")),
        answered: Some(at("2026-11-21T06:09:30Z")),
        frozen: Some(false),
        ..VehicleState::default()
    };
    for reading in &evidence {
        state.frame.set(*reading, 0.0);
    }
    for (reading, value) in [
        (Reading::Soc, 57.0),
        (Reading::SocPrecise, 57.3),
        (Reading::BatteryVoltage, 350.0),
        (Reading::Range, 210.0),
        (Reading::Odometer, 12_345.0),
        (Reading::Locked, 1.0),
        (Reading::InteriorTemp, 19.5),
        (Reading::TargetTempLeft, 22.0),
        (Reading::FanLevel, 3.0),
    ] {
        if evidence.contains(&reading) {
            state.frame.set(reading, value);
        }
    }
    state.battery.soc = Some(Percent(57.0));
    state.battery.power = Some(Kilowatts(0.0));
    state.battery.discharging = Some(false);
    state.charging.plugged = Some(false);
    state.charging.charging = Some(false);
    state.charging.connection = Some(Connection::Unplugged);
    state.charging.charger = Some(Charger::Unplugged);
    state.charging.power = Some(Kilowatts(0.0));
    state.motion.activity = Some(Activity::Parked);
    state.motion.driving = Some(false);
    state.motion.gear = Some(Gear::P);
    state.motion.regenerating = Some(false);
    state.security.locked = Some(true);
    state.security.lock_source = Some(LockSource::Signal);
    state.openings.parts = Part::ALL
        .into_iter()
        .filter(|part| *part != Part::Roof || evidence.contains(&Reading::RoofOpening))
        .map(|part| (part, false))
        .collect();
    if model.reports_window_positions() {
        state.openings.windows_position = Some(Percent(0.0));
    }
    state.climate.on = Some(false);
    state.climate.mode = Some(ClimateMode::Auto);
    state.tires = Wheel::ALL
        .map(|wheel| {
            let tire = Tire {
                pressure: Some(Bar(2.4)),
                alarm: Some(false),
            };
            (wheel, tire)
        })
        .into();
    state.tire_problem = Some(false);
    state.plan.limit = Some(80);
    if powertrain == Powertrain::Reev {
        state.fuel.volume = Some(Liters(30.0));
        state.fuel.consumption = Some(LitersPer100Kilometers(7.5));
    }
    state.position = Some(Position {
        latitude: 45.4642,
        longitude: 9.19,
    });
    CarView {
        car: Car {
            vin: vin(number),
            model,
            name: None,
            year: Some(2026),
            car_id: None,
            shared: false,
            share_expires: None,
            rights: rights("right"),
            abilities: rights("ability"),
        },
        powertrain,
        state: Some(state),
        evidence,
        unknown_signals: BTreeSet::new(),
        pending: BTreeMap::new(),
        pin: PinStatus::Ready,
        reachable: true,
    }
}

pub fn t03() -> CarView {
    car("T03", T03, Powertrain::Bev)
}

pub fn b10() -> CarView {
    car("B10", B10, Powertrain::Bev)
}

pub fn c10_reev() -> CarView {
    car("C10-REEV", C10, Powertrain::Reev)
}

pub fn fleet() -> Fleet {
    static FLEET: LazyLock<Fleet> = LazyLock::new(|| {
        [t03(), b10(), c10_reev()]
            .map(|view| (view.car.vin.clone(), Arc::new(view)))
            .into()
    });
    FLEET.clone()
}

/// The car with a command on its way.
pub fn sending(mut view: CarView, group: EffectGroup, command: Command) -> CarView {
    view.pending.insert(group, Pending { command, since: now() });
    view
}

/// The records of a comma-separated table, each by column name.
pub fn records(csv: &str) -> Vec<BTreeMap<String, String>> {
    let mut lines = csv.lines().map(fields);
    let columns = lines.next().unwrap();
    lines.map(|line| columns.iter().cloned().zip(line).collect()).collect()
}

fn fields(line: &str) -> Vec<String> {
    let mut fields = vec![String::new()];
    let mut quoted = false;
    let mut characters = line.chars().peekable();
    while let Some(character) = characters.next() {
        let field = fields.last_mut().unwrap();
        match character {
            '"' if quoted && characters.peek() == Some(&'"') => {
                characters.next();
                field.push('"');
            }
            '"' => quoted = !quoted,
            ',' if !quoted => fields.push(String::new()),
            _ => field.push(character),
        }
    }
    fields
}

fn rights(kind: &str) -> BTreeSet<u32> {
    records(include_str!("../../tests/data/protocol/rights.csv"))
        .iter()
        .filter(|row| row["kind"] == kind)
        .map(|row| row["code"].parse().unwrap())
        .collect()
}

/// What a model has been seen to send.
fn readings_of(model: &Model, powertrain: Powertrain) -> BTreeSet<Reading> {
    records(include_str!("../../tests/data/protocol/signals.csv"))
        .iter()
        .filter(|row| {
            row["models_seen"].split(';').any(|seen| {
                let seen = seen.trim();
                let reev = powertrain == Powertrain::Reev;
                seen == model.code() || (reev && (seen == "REEV" || seen == format!("{} REEV", model.code())))
            })
        })
        .filter_map(|row| Reading::from_name(&row["field_name"]))
        .collect()
}
