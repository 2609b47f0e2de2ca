//! One car in a poller's care: what is known of it, and what each answer makes of that.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use tracing::{info, warn};

use crate::vehicle::derive::{self, Memory};
use crate::vehicle::transitions::{self, Watch};
use crate::vehicle::{Car, CarView, Frame, Happening, PinStatus, Powertrain, Reading, VehicleState};

use super::later;
use super::memory::CarDocument;
use super::plan::{self, Activities, Phase};

/// How long a state serves that was taken over from another account.
const INHERITED_FOR: Duration = Duration::from_secs(5 * 60);

/// One car in the poller's care.
pub(super) struct Keeper {
    pub(super) view: CarView,
    pub(super) memory: Memory,
    pub(super) watch: Watch,
    pub(super) last_read: Option<Timestamp>,
    pub(super) boost_until: Option<Timestamp>,
    /// When something about the car changed last.
    pub(super) changed: Option<Timestamp>,
    /// When the car said something new last.
    pub(super) advanced: Option<Timestamp>,
    pub(super) failures: u32,
    /// The least pause after the last read, because it failed.
    pub(super) rest: Duration,
    /// Until when a state serves that was taken over from another account: there is no frame of our own yet.
    inherited_until: Option<Timestamp>,
    /// The phase that was shown last.
    pub(super) phase: Option<Phase>,
}

impl Keeper {
    /// A car as it was left; its last picture is shown at once, as old as it is.
    pub(super) fn new(car: Car, pin: PinStatus, document: CarDocument, now: Timestamp) -> Self {
        let evidence = document
            .evidence
            .iter()
            .filter_map(|name| Reading::from_name(name))
            .collect();
        let mut keeper = Self {
            view: CarView {
                car,
                powertrain: Powertrain::Bev,
                state: None,
                evidence,
                unknown_signals: document.unknown_signals,
                pending: BTreeMap::new(),
                pin,
                reachable: true,
            },
            memory: document.memory,
            watch: document.watch,
            last_read: None,
            boost_until: None,
            changed: None,
            advanced: None,
            failures: 0,
            rest: Duration::ZERO,
            inherited_until: None,
            phase: None,
        };
        keeper.view.powertrain = keeper.memory.powertrain();
        if keeper.memory.has_frame() {
            let state = derive::refresh(&keeper.view.car.model, &keeper.memory, now);
            keeper.note_news(&state, now);
            keeper.view.state = Some(state);
        }
        keeper
    }

    pub(super) fn accept(&mut self, frame: &Frame, now: Timestamp) -> derive::Verdict {
        self.inherited_until = None;
        let verdict = derive::judge(frame, &self.memory);
        self.view.evidence.extend(frame.readings.keys().copied());
        self.view.unknown_signals.extend(frame.unknown.keys());
        let (state, memory) = derive::derive(frame, &self.view.car.model, &self.memory, now);
        self.view.powertrain = memory.powertrain();
        self.view.reachable = true;
        self.note_news(&state, now);
        self.view.state = Some(state);
        self.log_rejections(&memory);
        self.memory = memory;
        verdict
    }

    /// Says what is not believed of what the car says: once for each field and reason, until a good value comes.
    fn log_rejections(&self, after: &Memory) {
        let vin = &self.view.car.vin;
        let (before, after) = (self.memory.rejections(), after.rejections());
        for (field, reason) in after.begun_since(before) {
            warn!(%vin, field, reason = reason.name(), "the car says what cannot be true; the last good value stays");
        }
        for field in after.recovered_since(before) {
            info!(%vin, field, "the car says what can be true again");
        }
    }

    /// Goes on with what another account knew of the car, so that nothing of it is unknown until the first read.
    pub(super) fn inherit(&mut self, shown: &CarView, now: Timestamp) {
        self.view.state.clone_from(&shown.state);
        self.view.pending.clone_from(&shown.pending);
        self.inherited_until = Some(later(now, INHERITED_FOR));
    }

    /// Lets values that are too old lapse; tells whether anything changed.
    pub(super) fn expire(&mut self, now: Timestamp) -> bool {
        if self.inherited_until.is_some_and(|until| now < until) {
            return false;
        }
        let Some(state) = &self.view.state else { return false };
        let refreshed = derive::refresh(&self.view.car.model, &self.memory, now);
        let changed = *state != refreshed;
        self.view.state = Some(refreshed);
        changed
    }

    /// Takes note of when the car said something new, and when something about it changed.
    pub(super) fn note_news(&mut self, state: &VehicleState, now: Timestamp) {
        match &self.view.state {
            // How long it was silent before the first look is in what it says.
            None => self.advanced = state.vehicle_time.map(|time| time.min(now)),
            Some(before) => {
                if state.vehicle_time > before.vehicle_time {
                    self.advanced = Some(now);
                }
                if plan::differs(before, state) {
                    self.changed = Some(now);
                }
            }
        }
    }

    pub(super) fn activities(&self, policy: &plan::Policy, time_zone: &TimeZone, now: Timestamp) -> Activities {
        let local = now.to_zoned(time_zone.clone()).time();
        let state = self.view.state.as_ref();
        Activities {
            activity: state.and_then(|state| state.motion.activity),
            charger: state.and_then(|state| state.charging.charger),
            stale: state.is_some_and(|state| state.stale),
            boost_until: self.boost_until,
            changed: self.changed,
            advanced: self.advanced,
            quiet: policy.quiet.is_some_and(|hours| hours.covers(local)),
            failures: self.failures,
            rest: self.rest,
            ..Activities::default()
        }
    }

    /// Finds out what happened since it was last asked.
    pub(super) fn compare(&mut self, answer: Option<derive::Verdict>, now: Timestamp) -> Vec<Happening> {
        let Some(state) = &self.view.state else {
            return Vec::new();
        };
        let (happenings, watch) = transitions::transitions(&self.watch, &self.view.car.vin, state, answer, now);
        self.watch = watch;
        happenings
    }

    pub(super) fn document(&self) -> CarDocument {
        let evidence = self.view.evidence.iter().map(|reading| reading.name().to_owned());
        CarDocument {
            memory: self.memory.clone(),
            watch: self.watch.clone(),
            evidence: evidence.collect(),
            unknown_signals: self.view.unknown_signals.clone(),
        }
    }
}
