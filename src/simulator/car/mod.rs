//! A simulated car: it reports frames on its own cadence, lives between them, and acts on commands a moment later.
//!
//! Nothing runs in the background. A car is brought up to the present whenever somebody looks at it
//! ([`Car::advance`]), frame by frame, so its values always belong to the time stamp they are sent with, at any speed of
//! the clock. Start with [`Car::status`]; how it lives is in `life`, what commands do in `effects`.

pub mod diary;
mod effects;
mod life;
mod live;
pub mod payload;
pub mod plan;
pub mod profile;
mod route;
mod signals;

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use self::diary::Diary;
use self::payload::Effect;
use self::plan::ChargePlan;
use self::profile::CarKind;
use self::signals::{COLLECT_TIME, CREATE_TIME, Form, GATEWAY_TIME, SENT_AT, TIME_TEXT, Values};

/// Time between two frames of a car at rest, and of one whose values move.
const RESTING_CADENCE: SignedDuration = SignedDuration::from_secs(15);
const MOVING_CADENCE: SignedDuration = SignedDuration::from_secs(5);

/// How long a car takes to act on a command, awake and from its sleep.
const REACTION: SignedDuration = SignedDuration::from_millis(1500);
const WAKING: SignedDuration = SignedDuration::from_secs(4);

/// How long the cloud still has the last frame of a sleeping car.
const LAST_FRAME_KEPT: SignedDuration = SignedDuration::from_mins(10);

/// What a car can be told to do through the control interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scenario {
    /// Parked, locked, unplugged, awake.
    Park,
    /// On its way along a route.
    Drive,
    /// Charging at a wallbox.
    ChargeAc,
    /// Charging at a fast charger.
    ChargeDc,
    /// Plugged in, not charging.
    Plugged,
    /// Parked and asleep: the last frame for a while, then none.
    Asleep,
    /// Without coverage: the last frame for ever.
    Offline,
}

/// What the car is doing.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Activity {
    Parked,
    /// Kilometres driven since the trip began.
    Driving {
        km: f64,
    },
    Plugged,
    Charging {
        dc: bool,
    },
}

/// Whether frames reach the cloud.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Link {
    Awake,
    Asleep { since: Timestamp },
    Offline,
}

/// How a car deals with a command it was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compliance {
    /// It acts and confirms.
    Prompt,
    /// It does not confirm, and acts after all after this time, or never.
    Unconfirmed(Option<SignedDuration>),
}

/// A command on its way to the car.
#[derive(Debug)]
struct Pending {
    ticket: u64,
    due: Timestamp,
    confirms: bool,
    effect: Effect,
}

/// One car.
#[derive(Debug)]
pub struct Car {
    /// Its identification number.
    pub vin: String,
    /// Its model.
    pub kind: CarKind,
    /// The PIN its commands need.
    pub pin: String,
    /// The cloud's own number of it.
    pub car_id: u64,
    /// `rightList` of the vehicle list.
    pub rights: Vec<u32>,
    /// `abilities` of the vehicle list.
    pub abilities: Vec<u32>,
    /// How often a wrong PIN was tried.
    pub wrong_pins: u32,
    /// Trips and charges so far.
    pub diary: Diary,
    plan: ChargePlan,
    appointments: BTreeMap<u32, Value>,
    values: Values,
    activity: Activity,
    link: Link,
    lives: bool,
    /// The moment of the newest frame, up to which the values are true.
    frame_at: Timestamp,
    /// A time stamp that was patched in stays until something else happens.
    time_held: bool,
    served: Option<Value>,
    /// The last frame of a car without coverage.
    heard: Option<Value>,
    pending: Vec<Pending>,
    confirmed: Vec<u64>,
    /// Where the round begins that all drives follow.
    home: (f64, f64),
    /// How far along the round the car is.
    km_from_home: f64,
    resting_cabin: f64,
    climate_until: Option<Timestamp>,
    /// The last turn a living car took.
    turned_at: Timestamp,
}

impl Car {
    /// A parked car of `kind`. One that `lives` drives, charges and sleeps by itself.
    pub fn new(kind: CarKind, vin: String, pin: String, car_id: u64, lives: bool, now: Timestamp) -> Self {
        let values = kind.values();
        let mut car = Self {
            vin,
            kind,
            pin,
            car_id,
            rights: profile::RIGHTS.to_vec(),
            abilities: kind.abilities(),
            wrong_pins: 0,
            diary: Diary::with_past(car_id, kind.battery(), now),
            plan: ChargePlan::of(kind),
            appointments: BTreeMap::new(),
            home: (values.number(signals::LATITUDE), values.number(signals::LONGITUDE)),
            km_from_home: 0.0,
            resting_cabin: values.number(signals::CABIN),
            values,
            activity: Activity::Parked,
            link: Link::Awake,
            lives,
            frame_at: now,
            time_held: false,
            served: None,
            heard: None,
            pending: Vec::new(),
            confirmed: Vec::new(),
            climate_until: None,
            turned_at: now,
        };
        car.stamp(now);
        car
    }

    /// The `data` object of a status answer.
    pub fn status(&mut self, now: Timestamp) -> Value {
        self.advance(now);
        if let Some(served) = self.served.as_ref().or(self.heard.as_ref()) {
            return served.clone();
        }
        let silent = matches!(self.link, Link::Asleep { since } if now.duration_since(since) >= LAST_FRAME_KEPT);
        self.frame(silent)
    }

    /// The newest frame as the cloud shows it, or that there is none any more.
    fn frame(&self, silent: bool) -> Value {
        let mut data = Map::from_iter([
            ("privacyGPS".to_owned(), json!(1)),
            ("privacyData".to_owned(), json!(1)),
        ]);
        match (self.values.form(), silent) {
            (Form::Named, true) => {}
            (Form::Named, false) => data.extend(self.values.wire().clone()),
            (Form::Numbered, true) => {
                data.insert("signal".to_owned(), json!({}));
                data.insert("config".to_owned(), self.config());
            }
            (Form::Numbered, false) => {
                data.insert("signal".to_owned(), Value::Object(self.values.wire().clone()));
                data.insert("config".to_owned(), self.config());
            }
        }
        Value::Object(data)
    }

    /// Serves exactly this `data` object until something else is asked of the car.
    pub fn serve(&mut self, data: Value) {
        self.served = Some(data);
    }

    /// Serves the car's own frames again.
    pub fn serve_own(&mut self) {
        self.served = None;
    }

    /// Puts values into the car, as if they had come about by themselves just now. The frame that has them goes up at
    /// once, for which a sleeping car wakes up; a car without coverage keeps them until it is heard of again. The error
    /// says which signal the car does not have.
    pub fn patch(&mut self, changes: &Map<String, Value>, now: Timestamp) -> Result<(), String> {
        if let Some(name) = self.values.unknown(changes) {
            return Err(format!("this car has no signal {name:?}"));
        }
        self.advance(now);
        self.served = None;
        self.wake(now);
        self.stamp(now);
        let before = self.position();
        self.values.patch(changes);
        self.begin_round_here(before);
        self.time_held = ["sts", "collectTime", "collectTimeMs"]
            .iter()
            .any(|key| changes.contains_key(*key));
        if !self.values.is_on(signals::AC_ON) {
            self.resting_cabin = self.values.number(signals::CABIN);
        }
        Ok(())
    }

    /// If the car is not where it was before, the round begins where it is now. Without a fix, which two noughts mean
    /// too, the car is nowhere else.
    fn begin_round_here(&mut self, before: (f64, f64)) {
        let latitude = self.values.reading(signals::LATITUDE);
        let position = latitude.zip(self.values.reading(signals::LONGITUDE));
        if let Some(position) = position.filter(|position| *position != before && *position != (0.0, 0.0)) {
            self.home = position;
            self.km_from_home = 0.0;
        }
    }

    /// Makes the car do something else.
    pub fn play(&mut self, scenario: Scenario, now: Timestamp) {
        self.advance(now);
        self.served = None;
        self.turn_to(scenario, now);
    }

    /// Sends the car a command; its result is asked for by `ticket`.
    pub fn command(&mut self, ticket: u64, effect: Effect, compliance: Compliance, now: Timestamp) {
        self.advance(now);
        if self.link == Link::Offline {
            return;
        }
        let reaction = if self.link == Link::Awake { REACTION } else { WAKING };
        let after = match compliance {
            Compliance::Prompt => reaction,
            Compliance::Unconfirmed(Some(after)) => after,
            Compliance::Unconfirmed(None) => return,
        };
        self.pending.push(Pending {
            ticket,
            due: now + after,
            confirms: compliance == Compliance::Prompt,
            effect,
        });
        self.pending.sort_by_key(|pending| pending.due);
    }

    /// Whether the car has confirmed this command.
    pub fn has_confirmed(&mut self, ticket: u64, now: Timestamp) -> bool {
        self.advance(now);
        self.confirmed.contains(&ticket)
    }

    /// The schedules of one kind as the cloud stores them, `None` before any was written.
    pub fn appointment(&self, command: u32) -> Option<Value> {
        if command == payload::CHARGE_PLAN {
            return Some(self.plan.appointment(self.kind));
        }
        self.appointments.get(&command).cloned()
    }

    /// The position as last reported: latitude and longitude.
    pub fn position(&self) -> (f64, f64) {
        (
            self.values.number(signals::LATITUDE),
            self.values.number(signals::LONGITUDE),
        )
    }

    /// Kilometres on the odometer.
    pub fn odometer(&self) -> f64 {
        self.values.number(signals::ODOMETER)
    }

    /// Lives up to `now`: frame by frame while values move, in one step while they rest.
    pub fn advance(&mut self, now: Timestamp) {
        loop {
            let due = self.pending.first().map(|pending| pending.due);
            let turn = self.next_turn();
            let next = [due, turn].into_iter().flatten().chain([now]).min().unwrap_or(now);
            self.frames_until(next);
            if next >= now && due.is_none_or(|due| due > now) && turn.is_none_or(|turn| turn > now) {
                return;
            }
            if due.is_some_and(|due| due <= next) {
                let pending = self.pending.remove(0);
                self.wake(pending.due);
                self.apply(pending.effect, pending.due);
                if pending.confirms {
                    self.confirmed.push(pending.ticket);
                }
            } else if turn.is_some_and(|turn| turn <= next) {
                self.take_turn(next);
            }
        }
    }

    /// Sends all frames whose time comes before or at `until`.
    fn frames_until(&mut self, until: Timestamp) {
        if self.link != Link::Awake {
            return;
        }
        loop {
            let moving = self.is_moving();
            let cadence = if moving { MOVING_CADENCE } else { RESTING_CADENCE };
            let waited = until.duration_since(self.frame_at);
            if waited < cadence {
                return;
            }
            let next = if moving {
                self.frame_at + cadence
            } else {
                // Nothing changes between frames of a car at rest, so only the newest of them matters.
                let whole = waited.as_millis() / cadence.as_millis();
                let elapsed = i64::try_from(whole * cadence.as_millis()).unwrap_or(i64::MAX);
                self.frame_at
                    .saturating_add(SignedDuration::from_millis(elapsed))
                    .unwrap_or(until)
            };
            let elapsed = next.duration_since(self.frame_at);
            if moving {
                self.evolve(elapsed, next);
            }
            if self.time_held {
                self.frame_at = next;
            } else {
                self.stamp(next);
            }
        }
    }

    /// A frame taken at this moment.
    fn stamp(&mut self, at: Timestamp) {
        self.frame_at = at;
        self.time_held = false;
        let text = at.strftime(TIME_TEXT).to_string();
        let milliseconds = at.as_millisecond();
        self.values.set(SENT_AT, milliseconds as f64);
        self.values.set(GATEWAY_TIME, (milliseconds - 3360) as f64);
        self.values.set_text(COLLECT_TIME, text.clone());
        self.values.set_text(CREATE_TIME, text);
    }

    fn wake(&mut self, at: Timestamp) {
        if matches!(self.link, Link::Asleep { .. }) {
            self.link = Link::Awake;
            self.stamp(at);
        }
    }

    /// The blocks beside the signals: the charging plan and the digital key module.
    fn config(&self) -> Value {
        json!({
            "3": self.plan.config(),
            "4": {"mac": "AABBCCDDEEFF", "version": "2.0", "updateTime": "2026-03-13 14:03:04"},
        })
    }
}
