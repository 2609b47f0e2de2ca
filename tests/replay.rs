//! Stories of cars, frame by frame, and what is to be made of them.
//!
//! Each file in `data/replay` is one story: raw status answers with the seconds at which they came, and what must follow
//! (events, charges, values by entity, what is not believed). They go the way of real answers: decoded, judged, derived,
//! compared. A story begins with a car that nobody knows.
//!
//! `car` is the whole first answer. A frame puts `set` on top of it, after the `is` of the story's `moods`; `drop` takes
//! values out. It comes `at` a second, says that it was taken then or at the second `said` (`null`: no time), and may be
//! repeated `every` so many seconds `until` another, with values that run evenly from the first to the last (`ramp`).
//! `empty` is the answer of a car that sleeps, `wait` lets time pass without an answer, `restart` leaves only what is
//! stored; so does `down`, and nobody has looked at the clock since the answer before.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use jiff::{SignedDuration, Timestamp};
use leapmotor2mqtt::cloud::signals;
use leapmotor2mqtt::homeassistant::{self, Options};
use leapmotor2mqtt::vehicle::derive::{self, Memory};
use leapmotor2mqtt::vehicle::state::Position;
use leapmotor2mqtt::vehicle::transitions::charge::Charge;
use leapmotor2mqtt::vehicle::transitions::{self, Watch};
use leapmotor2mqtt::vehicle::{Car, CarView, Happening, Model, PinStatus, VehicleState, Vin};
use serde::Deserialize;
use serde_json::{Map, Value, json};

const START: Timestamp = Timestamp::constant(1_790_000_000, 0);

/// How often time passes between two answers, so that what has to hold for a while is told in time.
const TICK: i64 = 15;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    story: String,
    model: String,
    /// The `data` object every frame starts from.
    car: Value,
    /// Changes with a name.
    #[serde(default)]
    moods: BTreeMap<String, Map<String, Value>>,
    frames: Vec<Step>,
    expect: Expectation,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Step {
    at: i64,
    #[serde(default, deserialize_with = "given")]
    said: Option<Value>,
    is: Option<String>,
    #[serde(default)]
    set: Map<String, Value>,
    #[serde(default)]
    ramp: BTreeMap<String, (f64, f64)>,
    #[serde(default)]
    drop: Vec<String>,
    every: Option<i64>,
    until: Option<i64>,
    #[serde(default)]
    empty: bool,
    #[serde(default)]
    wait: bool,
    #[serde(default)]
    restart: bool,
    #[serde(default)]
    down: bool,
}

/// Tells `null` from nothing.
fn given<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Expectation {
    /// Everything that happens, in its order; with the part where there is one, and `late` if it is.
    events: Vec<String>,
    /// Every charge: how it ended (`open` if it did not), and more about it where it matters.
    charges: Vec<ExpectedCharge>,
    /// Values by entity, after the answer at a second.
    #[serde(default)]
    values: BTreeMap<i64, Map<String, Value>>,
    /// Values that no entity has at any time.
    #[serde(default)]
    never: BTreeMap<String, Vec<Value>>,
    /// What was not believed, and in how many frames.
    #[serde(default)]
    rejected: BTreeMap<String, (u64, String)>,
    /// The longest step between two positions shown one after the other, in km.
    longest_step: Option<f64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ExpectedCharge {
    end: String,
    pauses: Option<u32>,
    /// Charge level before and after.
    levels: Option<(f64, f64)>,
    /// Least and most kWh.
    energy: Option<(f64, f64)>,
    charger: Option<String>,
    /// First and last second with energy.
    seconds: Option<(i64, i64)>,
    #[serde(default)]
    late: bool,
}

/// What a story has come to.
struct Told {
    events: Vec<String>,
    charges: Vec<Charge>,
    values: BTreeMap<i64, Map<String, Value>>,
    rejected: BTreeMap<String, (u64, String)>,
    positions: Vec<Position>,
    /// Every value every entity ever had.
    seen: BTreeMap<String, BTreeSet<String>>,
}

#[test]
fn every_story_comes_to_what_it_says() {
    let cases = cases();
    assert!(cases.len() >= 20, "{} stories", cases.len());
    let wrong: Vec<String> = cases
        .iter()
        .flat_map(|(name, case)| {
            let faults = faults(case, &tell(case));
            faults
                .into_iter()
                .map(move |fault| format!("{name} ({}): {fault}", case.story))
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The same answers with a restart before each of them mean the same, but that nobody knows how late the news are.
#[test]
fn a_restart_before_every_answer_changes_no_story() {
    for (name, case) in cases() {
        let mut restarted = case;
        restarted.expect.never.clear();
        for step in restarted.frames.iter_mut().filter(|step| !step.wait) {
            step.restart = true;
        }
        let plain = |events: &[String]| -> Vec<String> {
            events
                .iter()
                .map(|event| event.trim_end_matches(" late").to_owned())
                .collect()
        };
        let told = tell(&restarted);
        assert_eq!(plain(&told.events), plain(&restarted.expect.events), "{name}");
        assert_eq!(told.charges.len(), restarted.expect.charges.len(), "{name}");
    }
}

fn cases() -> BTreeMap<String, Case> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/replay");
    fs::read_dir(directory)
        .unwrap()
        .map(|entry| {
            let path = entry.unwrap().path();
            let name = path.file_stem().unwrap().to_string_lossy().into_owned();
            let text = fs::read_to_string(&path).unwrap();
            let case = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
            (name, case)
        })
        .collect()
}

/// One car and everything that is remembered of it.
struct Replay<'c> {
    wanted: &'c Expectation,
    view: CarView,
    memory: Memory,
    watch: Watch,
    told: Told,
}

fn tell(case: &Case) -> Told {
    let model = Model::parse(&case.model);
    let mut replay = Replay {
        wanted: &case.expect,
        view: CarView {
            car: Car::unlisted(Vin::parse("LFZTEST0000000001").unwrap(), model),
            powertrain: Memory::default().powertrain(),
            state: None,
            evidence: BTreeSet::new(),
            unknown_signals: BTreeSet::new(),
            pending: BTreeMap::new(),
            pin: PinStatus::Ready,
            reachable: true,
        },
        memory: Memory::default(),
        watch: Watch::default(),
        told: Told {
            events: Vec::new(),
            charges: Vec::new(),
            values: BTreeMap::new(),
            rejected: BTreeMap::new(),
            positions: Vec::new(),
            seen: BTreeMap::new(),
        },
    };
    let mut last = 0;
    for step in &case.frames {
        let until = step.until.unwrap_or(step.at);
        let mut at = step.at;
        while at <= until {
            if !step.down {
                (last + TICK..at)
                    .step_by(TICK as usize)
                    .for_each(|tick| replay.wait(tick));
            }
            if step.restart || step.down {
                replay.restart();
            }
            if step.wait {
                replay.wait(at);
            } else {
                replay.answer(&answer(case, step, at), at);
            }
            last = at;
            at += step.every.unwrap_or(1).max(1);
        }
    }
    let rejections = replay.memory.rejections().iter();
    replay.told.rejected = rejections
        .map(|(field, rejected)| (field.to_owned(), (rejected.count, rejected.reason.name().to_owned())))
        .collect();
    replay.told.charges.extend(replay.watch.charges().open().cloned());
    replay.told
}

fn after(seconds: i64) -> Timestamp {
    START + SignedDuration::from_secs(seconds)
}

/// The `data` object of an answer.
fn answer(case: &Case, step: &Step, at: i64) -> Value {
    if step.empty {
        return json!({ "signal": {} });
    }
    let mut data = case.car.clone();
    let numbered = data.get("signal").is_some();
    let mut put = |key: &str, value: Option<Value>| {
        let place = if numbered { &mut data["signal"] } else { &mut data };
        let place = place.as_object_mut().unwrap();
        match value {
            Some(value) => place.insert(key.to_owned(), value),
            None => place.remove(key),
        };
    };
    let mood = step.is.as_ref().map(|name| &case.moods[name]);
    for (key, value) in mood.into_iter().flatten().chain(&step.set) {
        put(key, Some(value.clone()));
    }
    let length = step.until.map_or(1, |until| until - step.at).max(1);
    for (key, (from, to)) in &step.ramp {
        let value = from + (to - from) * (at - step.at) as f64 / length as f64;
        put(key, Some(json!((value * 1e6).round() / 1e6)));
    }
    for key in &step.drop {
        put(key, None);
    }
    let said = match &step.said {
        None => Some(at),
        Some(said) => said.as_i64(),
    };
    let time = said.map(|said| json!(after(said).as_millisecond()));
    put(if numbered { "sts" } else { "collectTimeMs" }, time);
    data
}

impl Replay<'_> {
    fn answer(&mut self, data: &Value, at: i64) {
        let frame = signals::decode(data);
        let verdict = derive::judge(&frame, &self.memory);
        let (state, memory) = derive::derive(&frame, &self.view.car.model, &self.memory, after(at));
        self.memory = memory;
        self.view.powertrain = self.memory.powertrain();
        self.view.evidence.extend(frame.readings.keys().copied());
        self.look(state, Some(verdict), at);
        if self.wanted.values.contains_key(&at) {
            self.told.values.insert(at, self.values(at));
        }
    }

    fn values(&self, at: i64) -> Map<String, Value> {
        homeassistant::decode_values(&self.view, &Options::default(), after(at))
    }

    fn wait(&mut self, at: i64) {
        if self.view.state.is_some() {
            let state = derive::refresh(&self.view.car.model, &self.memory, after(at));
            self.look(state, None, at);
        }
    }

    fn restart(&mut self) {
        self.memory = serde_json::from_value(serde_json::to_value(&self.memory).unwrap()).unwrap();
        self.watch = serde_json::from_value(serde_json::to_value(&self.watch).unwrap()).unwrap();
    }

    fn look(&mut self, state: VehicleState, answer: Option<derive::Verdict>, at: i64) {
        let before = self.watch.charges().last().cloned();
        let (happenings, watch) = transitions::transitions(&self.watch, &self.view.car.vin, &state, answer, after(at));
        self.watch = watch;
        self.told.events.extend(happenings.iter().map(event));
        let ended = self.watch.charges().last().cloned();
        if ended != before {
            self.told.charges.extend(ended);
        }
        self.told.positions.extend(state.position);
        self.view.state = Some(state);
        if !self.wanted.never.is_empty() {
            for (key, value) in self.values(at) {
                self.told.seen.entry(key).or_default().insert(value.to_string());
            }
        }
    }
}

fn event(happening: &Happening) -> String {
    let Happening::Change(change) = happening else {
        panic!("a car sends no {happening:?}");
    };
    assert_ne!(change.old, change.new, "{change:?}");
    let part = change.part.map(|part| format!(" {part}")).unwrap_or_default();
    let late = if change.late { " late" } else { "" };
    format!("{}{part}{late}", change.kind.name())
}

fn faults(case: &Case, told: &Told) -> Vec<String> {
    let expect = &case.expect;
    let mut faults = Vec::new();
    if told.events != expect.events {
        faults.push(format!("events {:?}, expected {:?}", told.events, expect.events));
    }
    if told.charges.len() == expect.charges.len() {
        let pairs = told.charges.iter().zip(&expect.charges);
        faults.extend(pairs.flat_map(|(charge, expected)| charge_faults(charge, expected)));
    } else {
        faults.push(format!("charges {:#?}", told.charges));
    }
    for (at, values) in &expect.values {
        let Some(shown) = told.values.get(at) else {
            faults.push(format!("nothing was said at {at}"));
            continue;
        };
        for (key, value) in values {
            if !shown.get(key).is_some_and(|shown| is_same(shown, value)) {
                faults.push(format!("{key} is {:?} at {at}, expected {value}", shown.get(key)));
            }
        }
    }
    for (key, values) in &expect.never {
        let seen = told.seen.get(key).unwrap_or_else(|| panic!("no entity {key}"));
        let unwanted = values.iter().filter(|value| seen.contains(&value.to_string()));
        faults.extend(unwanted.map(|value| format!("{key} was {value}")));
    }
    if told.rejected != expect.rejected {
        faults.push(format!("rejected {:?}, expected {:?}", told.rejected, expect.rejected));
    }
    let longest = longest_step(&told.positions);
    if expect.longest_step.is_some_and(|limit| longest > limit) {
        faults.push(format!("a step of {longest:.1} km"));
    }
    faults
}

fn is_same(shown: &Value, expected: &Value) -> bool {
    match (shown.as_f64(), expected.as_f64()) {
        (Some(shown), Some(expected)) => (shown - expected).abs() < 1e-6,
        _ => shown == expected,
    }
}

fn charge_faults(charge: &Charge, expected: &ExpectedCharge) -> Vec<String> {
    let end = charge
        .end
        .map_or("open".to_owned(), |end| json!(end).as_str().unwrap().to_owned());
    let second = |moment: Timestamp| moment.duration_since(START).as_secs();
    let levels = charge.level_before.zip(charge.level);
    let charger = charge
        .charger
        .map(|charger| json!(charger).as_str().unwrap().to_owned());
    let checks = [
        ("end", end == expected.end),
        ("late", charge.late == expected.late),
        ("pauses", expected.pauses.is_none_or(|pauses| charge.pauses == pauses)),
        (
            "levels",
            expected.levels.is_none_or(|expected| levels == Some(expected)),
        ),
        (
            "energy",
            expected
                .energy
                .is_none_or(|(least, most)| (least..=most).contains(&charge.energy)),
        ),
        ("charger", expected.charger.is_none() || charger == expected.charger),
        (
            "seconds",
            expected
                .seconds
                .is_none_or(|seconds| seconds == (second(charge.began), second(charge.flowed))),
        ),
    ];
    let wrong = checks.iter().filter(|(_, right)| !right);
    wrong.map(|(what, _)| format!("{what} of {charge:?}")).collect()
}

/// Kilometres, on a plane that is good enough for a step.
fn longest_step(positions: &[Position]) -> f64 {
    let step = |pair: &[Position]| {
        let north = (pair[1].latitude - pair[0].latitude) * 111.2;
        let east = (pair[1].longitude - pair[0].longitude) * 111.2 * pair[0].latitude.to_radians().cos();
        north.hypot(east)
    };
    positions.windows(2).map(step).fold(0.0, f64::max)
}
