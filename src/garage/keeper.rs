//! One car in a poller's care: what is known of it, and what each answer makes of that.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use tracing::{debug, info, warn};

use crate::cloud::CloudError;
use crate::vehicle::car::Pending;
use crate::vehicle::command::EffectGroup;
use crate::vehicle::derive::{self, Memory};
use crate::vehicle::transitions::{self, Watch};
use crate::vehicle::{Car, CarView, Frame, Happening, PinStatus, Powertrain, Reading, VehicleState};

use super::failures::Failures;
use super::memory::CarDocument;
use super::period::Period;
use super::plan::{self, Activities};
use super::session::{CallError, jitter};

/// How long to poll fast after a command or when asked to.
const BOOST: Duration = Duration::from_secs(60);
/// How long a state serves that was taken over from another account.
const INHERITED_FOR: Duration = Duration::from_secs(5 * 60);

/// One car in the poller's care.
pub(super) struct Keeper {
    view: CarView,
    memory: Memory,
    watch: Watch,
    last_read: Option<Timestamp>,
    /// As long as somebody waits for news.
    boost: Option<Period>,
    /// When something about the car changed last.
    changed: Option<Timestamp>,
    /// When the car said something new last.
    advanced: Option<Timestamp>,
    failures: Failures,
    /// Whether the cloud refuses this car to the account. Only a good read shows that it does so no longer: the vehicle
    /// list may have it all the time.
    is_refused: bool,
    /// As long as a state serves that was taken over from another account: there is no frame of our own yet.
    inherited: Option<Period>,
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
            boost: None,
            changed: None,
            advanced: None,
            failures: Failures::default(),
            is_refused: false,
            inherited: None,
        };
        keeper.view.powertrain = keeper.memory.powertrain();
        if keeper.memory.has_frame() {
            let state = derive::refresh(&keeper.view.car.model, &keeper.memory, now);
            keeper.note_news(&state, now);
            keeper.view.state = Some(state);
        }
        keeper
    }

    /// The car as the cloud describes it.
    pub(super) fn car(&self) -> &Car {
        &self.view.car
    }

    /// Takes a new description.
    pub(super) fn set_car(&mut self, car: Car) {
        self.view.car = car;
    }

    /// How it is shown while its account is away or not.
    pub(super) fn shown(&mut self, account_is_away: bool) -> &CarView {
        self.view.reachable = !account_is_away && !self.is_refused;
        &self.view
    }

    /// When it was read last.
    pub(super) fn last_read(&self) -> Option<Timestamp> {
        self.last_read
    }

    /// The reads that failed.
    pub(super) fn failures(&self) -> &Failures {
        &self.failures
    }

    /// Takes a frame, and finds out what happened.
    pub(super) fn take(&mut self, frame: &Frame, now: Timestamp) -> Vec<Happening> {
        self.last_read = Some(now);
        self.failures = Failures::default();
        self.is_refused = false;
        let verdict = self.accept(frame, now);
        debug!(vin = %self.view.car.vin, ?verdict, "status read");
        self.compare(Some(verdict), now)
    }

    /// Its status could not be read. Returns whether that is worth saying.
    pub(super) fn fail(&mut self, error: &CallError, now: Timestamp) -> bool {
        self.last_read = Some(now);
        let is_first = self.failures.note(error, jitter());
        if !matches!(error, CallError::Cloud(CloudError::NotPermitted)) {
            return is_first;
        }
        !std::mem::replace(&mut self.is_refused, true)
    }

    /// Somebody waits for news: it is read now, and often for a while.
    pub(super) fn boost(&mut self, now: Timestamp) {
        self.boost = Some(Period::new(now, BOOST));
        self.changed = Some(now);
        self.last_read = None;
        self.failures.forgive();
    }

    /// Shows a command on its way, or that it is not any more.
    pub(super) fn set_pending(&mut self, group: EffectGroup, pending: Option<Pending>) {
        match pending {
            Some(pending) => self.view.pending.insert(group, pending),
            None => self.view.pending.remove(&group),
        };
    }

    /// Believes a lock or unlock that the car confirmed before its own state shows it.
    pub(super) fn confirm_lock(&mut self, locked: bool, now: Timestamp) {
        self.memory = std::mem::take(&mut self.memory).with_confirmed_lock(locked, now);
        self.expire(now);
    }

    /// Shows whether commands can be sent.
    pub(super) fn set_pin(&mut self, pin: PinStatus) {
        self.view.pin = pin;
    }

    /// Takes note of the present moment: a clock that was set back must neither leave the car unread until it has caught
    /// up, nor have it read often for as long.
    pub(super) fn not_after(&mut self, now: Timestamp) {
        for moment in [&mut self.last_read, &mut self.changed, &mut self.advanced] {
            *moment = moment.map(|moment| moment.min(now));
        }
        for period in [&mut self.boost, &mut self.inherited].into_iter().flatten() {
            period.not_after(now);
        }
    }

    fn accept(&mut self, frame: &Frame, now: Timestamp) -> derive::Verdict {
        self.inherited = None;
        let verdict = derive::judge(frame, &self.memory);
        self.view.evidence.extend(frame.readings.keys().copied());
        self.view.unknown_signals.extend(frame.unknown.keys());
        let (state, memory) = derive::derive(frame, &self.view.car.model, &self.memory, now);
        self.view.powertrain = memory.powertrain();
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
        self.inherited = Some(Period::new(now, INHERITED_FOR));
    }

    /// Lets values that are too old lapse; tells whether anything changed.
    pub(super) fn expire(&mut self, now: Timestamp) -> bool {
        if self.inherited.is_some_and(|inherited| !inherited.is_over(now)) {
            return false;
        }
        let Some(state) = &self.view.state else { return false };
        let refreshed = derive::refresh(&self.view.car.model, &self.memory, now);
        let changed = *state != refreshed;
        self.view.state = Some(refreshed);
        changed
    }

    /// Takes note of when the car said something new, and when something about it changed.
    fn note_news(&mut self, state: &VehicleState, now: Timestamp) {
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
            boost_until: self.boost.map(|boost| boost.end()),
            changed: self.changed,
            advanced: self.advanced,
            quiet: policy.quiet.is_some_and(|hours| hours.covers(local)),
            failures: self.failures.count(),
            rest: self.failures.rest(),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vehicle::{Model, Vin};

    const NOW: Timestamp = Timestamp::constant(1_790_000_000, 0);

    fn keeper() -> Keeper {
        let car = Car::unlisted(Vin::parse("LFZTEST0000000001").unwrap(), Model::C10);
        Keeper::new(car, PinStatus::Ready, CarDocument::default(), NOW)
    }

    #[test]
    fn a_refused_car_is_unreachable_until_a_good_read_whatever_its_account_is() {
        let mut keeper = keeper();
        assert!(keeper.shown(false).reachable);
        assert!(!keeper.shown(true).reachable, "the account is away");
        assert!(keeper.fail(&CloudError::NotPermitted.into(), NOW), "worth saying");
        assert!(!keeper.shown(false).reachable);
        assert!(!keeper.fail(&CloudError::NotPermitted.into(), NOW), "said already");
        keeper.fail(&CloudError::Timeout.into(), NOW);
        assert!(!keeper.shown(false).reachable, "that says nothing about it");
        keeper.take(&Frame::default(), NOW);
        assert!(keeper.shown(false).reachable);
    }

    #[test]
    fn a_refusal_is_worth_saying_also_after_other_failures() {
        let mut keeper = keeper();
        assert!(keeper.fail(&CloudError::Timeout.into(), NOW));
        assert!(!keeper.fail(&CloudError::Timeout.into(), NOW));
        assert!(keeper.fail(&CloudError::NotPermitted.into(), NOW));
    }

    #[test]
    fn a_clock_that_was_set_back_neither_silences_a_car_nor_prolongs_its_boost() {
        let policy = plan::Policy {
            enabled: true,
            parked: Duration::from_secs(60),
            driving: Duration::from_secs(15),
            charging: Duration::from_secs(60),
            quiet: None,
        };
        let earlier = NOW - jiff::SignedDuration::from_hours(1);
        let mut keeper = keeper();
        keeper.boost(NOW);
        keeper.take(&Frame::default(), NOW);
        keeper.not_after(earlier);
        keeper.not_after(NOW);
        assert_eq!(keeper.last_read(), Some(earlier));
        let car = keeper.activities(&policy, &TimeZone::UTC, earlier);
        assert_eq!(car.boost_until, Some(earlier + BOOST));
        assert_eq!(car.changed, Some(earlier));
    }
}
