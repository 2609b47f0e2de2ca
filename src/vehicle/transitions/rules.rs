//! The rules as tables: what is watched, which change means what, and how long it must hold before it is told.

use jiff::SignedDuration;

use super::{Kind, Mark};
use crate::vehicle::state::{Activity, Gear, LockSource, Part, VehicleState};

/// One thing that is watched.
pub(super) struct Row {
    /// Its name in the memory of the watch.
    pub name: &'static str,
    /// The part that is told with what happened.
    pub part: Option<&'static str>,
    /// Whether it is about the car's silence, so that an old word of the car is no reason for doubt.
    pub is_about_silence: bool,
    source: Source,
    /// What a change means; the first rule that fits counts. A change that fits none is taken over without a word.
    rules: &'static [Rule],
}

/// Where a watched value comes from.
enum Source {
    State(fn(&VehicleState) -> Option<Mark>),
    Opening(Part),
}

/// What a change from one value to another means.
pub(super) struct Rule {
    from: Is,
    to: Is,
    /// How long the new value must hold.
    pub holds: Holds,
    /// What makes it certain at once.
    certain: Option<fn(&VehicleState) -> bool>,
    /// What has happened then, in this order.
    pub kinds: &'static [Kind],
}

/// A condition on a value.
enum Is {
    Any,
    Yes,
    No,
    Word(&'static str),
}

/// How long a new value must hold: in so many frames of the car, or for so long, whichever comes first.
pub(super) struct Holds {
    frames: u32,
    time: SignedDuration,
}

impl Holds {
    const AT_ONCE: Self = Self::frames_or_seconds(1, 0);

    pub(super) const fn frames_or_seconds(frames: u32, seconds: i64) -> Self {
        Self {
            frames,
            time: SignedDuration::from_secs(seconds),
        }
    }

    pub(super) const fn seconds(seconds: i64) -> Self {
        Self::frames_or_seconds(u32::MAX, seconds)
    }

    pub(super) fn has(&self, frames: u32, time: SignedDuration) -> bool {
        frames >= self.frames || time >= self.time
    }
}

impl Is {
    fn fits(&self, value: &Mark) -> bool {
        match self {
            Self::Any => true,
            Self::Yes => *value == Mark::Flag(true),
            Self::No => *value == Mark::Flag(false),
            Self::Word(word) => matches!(value, Mark::Word(text) if text == word),
        }
    }
}

impl Rule {
    const fn new(from: Is, to: Is, holds: Holds, kinds: &'static [Kind]) -> Self {
        Self {
            from,
            to,
            holds,
            certain: None,
            kinds,
        }
    }

    const fn certain_when(self, certain: fn(&VehicleState) -> bool) -> Self {
        Self {
            certain: Some(certain),
            ..self
        }
    }

    pub(super) fn is_certain(&self, state: &VehicleState) -> bool {
        self.certain.is_some_and(|certain| certain(state))
    }
}

impl Row {
    const fn state(name: &'static str, look: fn(&VehicleState) -> Option<Mark>, rules: &'static [Rule]) -> Self {
        Self {
            name,
            part: None,
            is_about_silence: false,
            source: Source::State(look),
            rules,
        }
    }

    const fn opening(name: &'static str, part: Part) -> Self {
        Self {
            name,
            part: Some(name),
            is_about_silence: false,
            source: Source::Opening(part),
            rules: OPENING,
        }
    }

    const fn plan(name: &'static str, part: &'static str, look: fn(&VehicleState) -> Option<Mark>) -> Self {
        Self {
            name,
            part: Some(part),
            is_about_silence: false,
            source: Source::State(look),
            rules: SCHEDULE,
        }
    }

    const fn about_silence(self) -> Self {
        Self {
            is_about_silence: true,
            ..self
        }
    }

    /// The value as it is now; `None` when it is not known.
    pub(super) fn look(&self, state: &VehicleState) -> Option<Mark> {
        match self.source {
            Source::State(look) => look(state),
            Source::Opening(part) => state.openings.parts.get(&part).copied().map(Mark::Flag),
        }
    }

    /// What a change means.
    pub(super) fn rule(&self, from: &Mark, to: &Mark) -> Option<&'static Rule> {
        self.rules.iter().find(|rule| rule.from.fits(from) && rule.to.fits(to))
    }
}

/// Everything that is watched, in the order in which things happen when they are seen at once: who unlocks a car opens
/// it, pulls the plug and drives off.
pub(super) const ROWS: &[Row] = &[
    Row::state(
        "silent",
        |state| state.vehicle_time.map(|_| Mark::Flag(state.stale)),
        SILENCE,
    )
    .about_silence(),
    Row::state("locked", locked, LOCK),
    Row::opening("door_front_left", Part::DoorFrontLeft),
    Row::opening("door_front_right", Part::DoorFrontRight),
    Row::opening("door_rear_left", Part::DoorRearLeft),
    Row::opening("door_rear_right", Part::DoorRearRight),
    Row::opening("trunk", Part::Trunk),
    Row::opening("window_front_left", Part::WindowFrontLeft),
    Row::opening("window_front_right", Part::WindowFrontRight),
    Row::opening("window_rear_left", Part::WindowRearLeft),
    Row::opening("window_rear_right", Part::WindowRearRight),
    Row::opening("roof_open", Part::Roof),
    Row::state(CABLE, |state| state.charging.plugged.map(Mark::Flag), PLUG),
    Row::state("climate", |state| state.climate.on.map(Mark::Flag), CLIMATE),
    Row::state("readiness", readiness, READINESS),
    Row::state("driving", driving, DRIVING),
    Row::state("charge_limit", |state| state.plan.limit.map(Mark::Number), LIMIT),
    Row::plan("plan_enabled", "enabled", |state| state.plan.enabled.map(Mark::Flag)),
    Row::plan("plan_start", "start", |state| state.plan.start.clone().map(Mark::Word)),
    Row::plan("plan_end", "end", |state| state.plan.end.clone().map(Mark::Word)),
    Row::plan("plan_days", "days", |state| state.plan.cycles.clone().map(Mark::Word)),
    Row::plan("plan_repeat", "repeat", |state| {
        state.plan.circulation.map(Mark::Number)
    }),
    Row::plan("plan_recharge", "recharge", |state| {
        state.plan.recharge.map(Mark::Number)
    }),
];

/// The row of the cable. While a charge is going on the cable is in, whatever the car says: some report it as pulled
/// while the wallbox pauses.
pub(super) const CABLE: &str = "plugged";

const SETTLED: Holds = Holds::frames_or_seconds(2, 60);

const PLUG: &[Rule] = &[
    Rule::new(Is::No, Is::Yes, SETTLED, &[Kind::PluggedIn]),
    Rule::new(Is::Yes, Is::No, SETTLED, &[Kind::Unplugged]).certain_when(drives),
];

const DRIVING: &[Rule] = &[
    Rule::new(Is::No, Is::Yes, Holds::AT_ONCE, &[Kind::DrivingStarted]),
    Rule::new(Is::Yes, Is::No, Holds::frames_or_seconds(2, 30), &[Kind::Parked]),
];

const READY: &str = "ready";
const RESTING: &str = "resting";
const UNDER_WAY: &str = "driving";

/// Ready at the end of a drive is not told: the car was ready all along.
const READINESS: &[Rule] = &[Rule::new(
    Is::Word(RESTING),
    Is::Word(READY),
    Holds::AT_ONCE,
    &[Kind::Ready],
)];

const LOCK: &[Rule] = &[
    Rule::new(Is::No, Is::Yes, Holds::AT_ONCE, &[Kind::Locked]),
    Rule::new(Is::Yes, Is::No, Holds::AT_ONCE, &[Kind::Unlocked]),
];

const OPENING: &[Rule] = &[
    Rule::new(Is::No, Is::Yes, Holds::AT_ONCE, &[Kind::Opened]),
    Rule::new(Is::Yes, Is::No, Holds::AT_ONCE, &[Kind::Closed]),
];

const CLIMATE: &[Rule] = &[
    Rule::new(Is::No, Is::Yes, Holds::AT_ONCE, &[Kind::ClimateStarted]),
    Rule::new(Is::Yes, Is::No, Holds::AT_ONCE, &[Kind::ClimateStopped]),
];

const SILENCE: &[Rule] = &[
    Rule::new(Is::Yes, Is::No, Holds::AT_ONCE, &[Kind::Online]),
    Rule::new(Is::No, Is::Yes, Holds::AT_ONCE, &[Kind::Asleep]),
];

const LIMIT: &[Rule] = &[Rule::new(Is::Any, Is::Any, Holds::AT_ONCE, &[Kind::ChargeLimitChanged])];

const SCHEDULE: &[Rule] = &[Rule::new(Is::Any, Is::Any, Holds::AT_ONCE, &[Kind::ScheduleChanged])];

fn drives(state: &VehicleState) -> bool {
    state.motion.driving == Some(true)
}

/// In neutral nothing can be told: the car may stand at a traffic light.
fn driving(state: &VehicleState) -> Option<Mark> {
    match (state.motion.driving?, state.motion.gear) {
        (false, Some(Gear::N)) => None,
        (driving, _) => Some(Mark::Flag(driving)),
    }
}

fn readiness(state: &VehicleState) -> Option<Mark> {
    Some(Mark::word(match state.motion.activity? {
        Activity::Parked | Activity::Charging => RESTING,
        Activity::Ready => READY,
        Activity::Driving => UNDER_WAY,
    }))
}

/// The car's own word alone. What a confirmed command says is ahead of it and would be told twice, with the car's older
/// word in between.
fn locked(state: &VehicleState) -> Option<Mark> {
    match state.security.lock_source? {
        LockSource::CommandConfirmed => None,
        LockSource::Signal | LockSource::Stale => state.security.locked.map(Mark::Flag),
    }
}
