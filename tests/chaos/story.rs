//! What happens in a round, drawn from a seed: the same seed tells the same stories.

use std::time::Duration;

use serde_json::{Value, json};

/// Cars at work. They stand in the order of [`CARS`].
pub const CARS: [&str; 2] = ["C10", "T03"];

/// What a car can be left doing at the end of a round: it reports, so that there is a truth to compare with.
const AT_REST_OR_WORK: [&str; 5] = ["park", "drive", "plugged", "charge_ac", "charge_dc"];
/// What it can be made to do besides, while nothing is compared.
const OUT_OF_REACH: [&str; 2] = ["asleep", "offline"];

/// Ends of the paths that faults are ordered for; `None` hits every call.
const PATHS: [Option<&str>; 8] = [
    None,
    Some("/v1/list"),
    Some("/status/get/c10"),
    Some("/status/get/t03"),
    Some("/token/refresh"),
    Some("/acct/v1/login"),
    Some("/remote/ctl"),
    Some("/result/query"),
];

/// Codes of the cloud that pass. 21 (wrong password) and 31 (wrong PIN) are for the owner to mend, so nothing may come
/// back by itself after them.
const PASSING_CODES: [i64; 4] = [3, 39, 40, -2];

/// The kinds of faults the simulated cloud knows; those of commands with and without a car that acts after all.
pub const FAULTS: [&str; 9] = [
    "code",
    "http",
    "delay",
    "close",
    "garbage",
    "evict",
    "command_timeout",
    "command_timeout, then it acts",
    "command_refused",
];

/// Something that happens.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// The broker is killed; it keeps nothing.
    BrokerDies,
    /// It is started again, empty, if it is dead.
    BrokerReturns,
    /// The bridge is killed.
    BridgeDies,
    /// It is started again on the same data directory, if it is dead.
    BridgeReturns,
    /// Home Assistant says that it has started.
    Birth,
    /// The cloud is told to misbehave: the name of the kind, and the order.
    Fault(&'static str, Value),
    /// A car does something else.
    Scenario(usize, &'static str),
    /// Signals of a car change.
    Patch(usize, Value),
    /// The cloud has one more message for the account.
    Message,
    /// Somebody asks for a command.
    Ask(Ask),
}

/// A command, as it is asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct Ask {
    /// Of which car.
    pub car: usize,
    /// No two have the same.
    pub number: u32,
    /// What for.
    pub what: What,
    /// How.
    pub way: Way,
}

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    Lock,
    Unlock,
    FindCar,
    ChargeLimit(u32),
    Destination,
    TrunkOpen,
    WindowsOpen,
}

/// How it is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// Once, good for so many simulated minutes.
    Live(u32),
    /// Twice with the same id.
    Twice(u32),
    /// After its own deadline. Must not be carried out.
    Expired,
    /// Retained, as JSON. Must not be carried out.
    Retained,
    /// Retained, on the topic of an entity. Must not be carried out.
    RetainedPress,
}

/// Draws one round after the other.
pub struct Storyteller {
    random: fastrand::Rng,
    /// Kinds of faults, each dealt once before any comes again.
    faults: Vec<&'static str>,
    asked: u32,
}

impl Storyteller {
    pub fn new(seed: u64) -> Self {
        Self {
            random: fastrand::Rng::with_seed(seed),
            faults: Vec::new(),
            asked: 0,
        }
    }

    /// The next round: what happens, each after a pause.
    pub fn round(&mut self) -> Vec<(Duration, Step)> {
        let mut steps: Vec<Step> = (0..self.random.u32(2..=4)).map(|_| self.trouble()).collect();
        steps.extend((0..self.random.u32(6..=12)).map(|_| self.everyday()));
        self.random.shuffle(&mut steps);
        for (death, return_) in [
            (Step::BrokerDies, Step::BrokerReturns),
            (Step::BridgeDies, Step::BridgeReturns),
        ] {
            for died in (0..steps.len())
                .rev()
                .filter(|place| steps[*place] == death)
                .collect::<Vec<_>>()
            {
                let back = self.random.usize(died + 1..=steps.len());
                steps.insert(back, return_.clone());
            }
        }
        for car in 0..CARS.len() {
            steps.push(Step::Scenario(car, self.one_of(&AT_REST_OR_WORK)));
        }
        let mut pause = || Duration::from_millis(self.random.u64(0..700));
        steps.into_iter().map(|step| (pause(), step)).collect()
    }

    fn trouble(&mut self) -> Step {
        match self.random.u32(0..10) {
            0 | 1 => Step::BrokerDies,
            2 | 3 => Step::BridgeDies,
            _ => self.fault(),
        }
    }

    fn everyday(&mut self) -> Step {
        let car = self.random.usize(0..CARS.len());
        match self.random.u32(0..10) {
            0 => Step::Birth,
            1 => Step::Message,
            2 => Step::Scenario(car, self.one_of(&[AT_REST_OR_WORK.as_slice(), &OUT_OF_REACH].concat())),
            3 | 4 => Step::Patch(car, self.signals()),
            _ => Step::Ask(self.ask(car)),
        }
    }

    fn fault(&mut self) -> Step {
        if self.faults.is_empty() {
            self.faults = FAULTS.to_vec();
            self.random.shuffle(&mut self.faults);
        }
        let kind = self.faults.pop().unwrap();
        let times = self.one_of(&[0, 1, 1, 2, 5]);
        let anywhere = self.one_of(&PATHS);
        let order = match kind {
            "code" => json!({"kind": kind, "code": self.one_of(&PASSING_CODES), "path": anywhere, "times": times}),
            "http" => {
                json!({"kind": kind, "code": self.one_of(&[404, 429, 500, 502, 503]), "path": anywhere, "times": times})
            }
            // Real seconds, as the bridge's own limits of the network are.
            "delay" => json!({"kind": kind, "seconds": self.random.u32(1..=6), "path": anywhere, "times": times}),
            "close" | "garbage" => json!({"kind": kind, "path": anywhere, "times": times}),
            "command_timeout, then it acts" => {
                json!({"kind": "command_timeout", "executes_after": self.random.u32(5..=200), "times": times})
            }
            _ => json!({"kind": kind, "times": times}),
        };
        Step::Fault(kind, order)
    }

    /// A charge level, or an opening.
    fn signals(&mut self) -> Value {
        let level = self.random.u32(20..=95);
        match self.random.u32(0..3) {
            0 => json!({"1204": level, "100003": level}),
            1 => json!({ self.one_of(&["1277", "1278", "1279", "1280", "1281"]): self.random.u32(0..=1) }),
            _ => json!({"1298": self.random.u32(0..=1)}),
        }
    }

    fn ask(&mut self, car: usize) -> Ask {
        self.asked += 1;
        let minutes = self.random.u32(1..=15);
        let live = [What::Lock, What::Unlock, What::FindCar, What::Destination];
        let way = match self.random.u32(0..10) {
            0 => Way::Expired,
            1 => Way::Retained,
            2 => Way::RetainedPress,
            3 | 4 => Way::Twice(minutes),
            _ => Way::Live(minutes),
        };
        let what = match way {
            Way::RetainedPress => What::TrunkOpen,
            // Nobody asks for these in earnest, so one of them that is carried out gives itself away.
            Way::Expired | Way::Retained => self.one_of(&[What::TrunkOpen, What::WindowsOpen]),
            Way::Live(_) | Way::Twice(_) if self.random.bool() => What::ChargeLimit(50 + self.asked % 50),
            Way::Live(_) | Way::Twice(_) => self.one_of(&live),
        };
        Ask {
            car,
            number: self.asked,
            what,
            way,
        }
    }

    fn one_of<T: Copy>(&mut self, among: &[T]) -> T {
        among[self.random.usize(0..among.len())]
    }
}

#[test]
fn the_same_seed_tells_the_same_stories_and_another_seed_others() {
    let tell = |seed| {
        let mut teller = Storyteller::new(seed);
        (0..20).map(|_| teller.round()).collect::<Vec<_>>()
    };
    assert_eq!(tell(1), tell(1));
    assert_ne!(tell(1), tell(2));
}

#[test]
fn ten_rounds_hold_every_kind_of_trouble() {
    let mut teller = Storyteller::new(1);
    let steps: Vec<Step> = (0..10).flat_map(|_| teller.round()).map(|(_, step)| step).collect();
    for kind in FAULTS {
        assert!(
            steps
                .iter()
                .any(|step| matches!(step, Step::Fault(of, _) if *of == kind)),
            "{kind}"
        );
    }
    for step in [Step::BrokerDies, Step::BridgeDies, Step::Birth, Step::Message] {
        assert!(steps.contains(&step), "{step:?}");
    }
    let ways = |wanted: fn(&Way) -> bool| {
        steps
            .iter()
            .any(|step| matches!(step, Step::Ask(ask) if wanted(&ask.way)))
    };
    assert!(ways(|way| matches!(way, Way::Live(_))) && ways(|way| matches!(way, Way::Twice(_))));
    assert!(ways(|way| *way == Way::Expired) && ways(|way| *way == Way::Retained));
    assert!(ways(|way| *way == Way::RetainedPress));
}
