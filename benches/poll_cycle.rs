//! What the bridge does with each answer about a car, without network and disk, step by step and whole. The goal is one
//! millisecond of processor time for all of it; `scripts/figures` measures the process around it.
//!
//!     cargo bench --bench poll_cycle

#![allow(clippy::unwrap_used, reason = "a bench that cannot begin has nothing to say")]

use std::collections::BTreeMap;
use std::hint::black_box;
use std::sync::Arc;

use divan::{Bencher, counter::ItemsCount};
use jiff::Timestamp;
use leapmotor2mqtt::cloud::signals;
use leapmotor2mqtt::homeassistant::{Facts, Options, car_discovery, car_states};
use leapmotor2mqtt::mqtt::Manifest;
use leapmotor2mqtt::mqtt::publisher::Publisher;
use leapmotor2mqtt::vehicle::derive::{self, Memory};
use leapmotor2mqtt::vehicle::{Car, CarView, Fleet, Frame, Model, PinStatus, Powertrain, VehicleState, Vin};
use serde_json::Value;

const VECTORS: &str = include_str!("../tests/data/protocol/vectors.json");
/// Two answers about one car, which differ as much as answers do.
const ANSWERS: [&str; 2] = ["c10-parked-locked", "c10-driving"];

fn main() {
    divan::main();
}

/// The `data` of the answers, as texts.
fn answers() -> [String; 2] {
    let vectors: Value = serde_json::from_str(VECTORS).unwrap();
    ANSWERS.map(|name| {
        let statuses = vectors["status"].as_array().unwrap();
        let status = statuses.iter().find(|status| status["name"] == name).unwrap();
        status["payload"].to_string()
    })
}

fn frame(answer: &str) -> Frame {
    signals::decode(&serde_json::from_str(answer).unwrap())
}

fn state(frame: &Frame, memory: &Memory) -> (VehicleState, Memory) {
    derive::derive(frame, &Model::C10, memory, frame.vehicle_time.unwrap())
}

fn view(frame: &Frame, state: VehicleState) -> CarView {
    CarView {
        car: Car::unlisted(Vin::parse("LFZTEST0000000001").unwrap(), Model::C10),
        powertrain: Powertrain::Bev,
        evidence: frame.readings.keys().copied().collect(),
        unknown_signals: frame.unknown.keys().copied().collect(),
        state: Some(state),
        pending: BTreeMap::new(),
        pin: PinStatus::Ready,
        reachable: true,
    }
}

/// The cars after each answer.
fn fleets() -> [Fleet; 2] {
    answers().map(|answer| {
        let frame = frame(&answer);
        let (state, _) = state(&frame, &Memory::default());
        let view = view(&frame, state);
        Fleet::from([(view.car.vin.clone(), Arc::new(view))])
    })
}

fn drain(publisher: &mut Publisher, now: Timestamp) -> usize {
    std::iter::from_fn(|| publisher.take_next(now)).map(black_box).count()
}

#[divan::bench]
fn answer_to_frame(bencher: Bencher<'_, '_>) {
    let [answer, _] = answers();
    bencher.bench(|| frame(black_box(&answer)));
}

#[divan::bench]
fn frame_to_state(bencher: Bencher<'_, '_>) {
    let [first, second] = answers().map(|answer| frame(&answer));
    let (_, memory) = state(&first, &Memory::default());
    bencher.bench(|| state(black_box(&second), &memory));
}

#[divan::bench]
fn state_to_topics(bencher: Bencher<'_, '_>) {
    let [fleet, _] = fleets();
    let view = fleet.values().next().unwrap();
    let (facts, options, now) = (Facts::new(), Options::default(), Timestamp::now());
    bencher
        .counter(ItemsCount::new(car_states(view, &facts, &options, now).len()))
        .bench(|| car_states(black_box(view), &facts, &options, now));
}

#[divan::bench]
fn topics_to_what_changed(bencher: Bencher<'_, '_>) {
    let now = Timestamp::now();
    let mut publisher = Publisher::new(Options::default(), Manifest::default());
    let mut fleets = fleets().into_iter().cycle();
    bencher.bench_local(|| {
        publisher.take_fleet(fleets.next().unwrap());
        publisher.refresh(now);
        drain(&mut publisher, now)
    });
}

#[divan::bench]
fn discovery_of_a_car(bencher: Bencher<'_, '_>) {
    let [fleet, _] = fleets();
    let view = fleet.values().next().unwrap();
    let (facts, options) = (Facts::new(), Options::default());
    bencher.bench(|| car_discovery(black_box(view), &facts, &options));
}

#[divan::bench]
fn whole_cycle(bencher: Bencher<'_, '_>) {
    let now = Timestamp::now();
    let mut publisher = Publisher::new(Options::default(), Manifest::default());
    let mut memory = Memory::default();
    let mut answers = answers().into_iter().cycle();
    bencher.bench_local(|| {
        let frame = frame(&answers.next().unwrap());
        let (state, learnt) = state(&frame, &memory);
        memory = learnt;
        let view = view(&frame, state);
        publisher.take_fleet(Fleet::from([(view.car.vin.clone(), Arc::new(view))]));
        publisher.refresh(now);
        drain(&mut publisher, now)
    });
}
