//! Keeps the cars of one account current: reads the vehicle list and each car's status in turn, by the plan.
//!
//! One task per account owns everything known about its cars and shows it in the fleet. A car that cannot be read keeps
//! its last values; they expire by their own age, not because a read failed.

use std::collections::{BTreeMap, BTreeSet};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use crate::clock::Clock;
use crate::cloud::CloudError;
use crate::health::Pulse;
use crate::store::Store;
use crate::vehicle::car::Pending;
use crate::vehicle::command::EffectGroup;
use crate::vehicle::facts::{FactKey, FactUpdate, Subject, Value};
use crate::vehicle::{Car, Fleet, Frame, Happening, PinStatus, Vin};

use super::conduct::conduct;
use super::custody::Custody;
use super::guidance::Guidance;
use super::herald::{ALWAYS, Herald, NOW_AND_THEN};
use super::keeper::Keeper;
use super::later;
use super::memory::CarDocument;
use super::plan::{self, Activities, Allowance, Phase, Policy};
use super::session::{CallError, NoSession, SessionHandle, jitter};

/// The facts produced here.
pub const FACTS: [FactKey; 3] = ["poll_phase", "poll_interval_current", "next_poll"];

/// How long to poll fast after a command or when asked to.
const BOOST: Duration = Duration::from_secs(60);
/// How often the vehicle list is read while nothing calls for it.
const LIST_INTERVAL: Duration = Duration::from_secs(6 * 3600);
/// How often it is read while it cannot be read.
const LIST_RETRY: Duration = Duration::from_secs(60);
/// How often it is read while it is empty.
const LIST_WHILE_EMPTY: Duration = Duration::from_secs(5 * 60);
/// How often it is read while a car is expected to appear in it, and for how long.
const EXPECTED_RETRY: Duration = Duration::from_secs(5);
const EXPECTED_WITHIN: Duration = Duration::from_secs(60);
/// Longest time without a look at the clock, so that values expire although nothing is read.
const LONGEST_NAP: Duration = Duration::from_secs(15);
/// Room for notices; commanders and the router send few.
const NOTICES: usize = 256;

/// What others tell the poller.
#[derive(Debug)]
pub enum Notice {
    /// Somebody waits for news of this car: read it now and often for a while.
    Boost(Vin),
    /// A command for this car is on its way, or not any more.
    Pending(Vin, EffectGroup, Option<Pending>),
    /// The car confirmed a lock or unlock before its own state shows it.
    LockConfirmed(Vin, bool),
    /// Whether commands can be sent.
    Pin(Vin, PinStatus),
    /// A vehicle list that was read for another purpose.
    Listed(Vec<Car>),
    /// A share was accepted: this car will be in the vehicle list in a moment.
    Expect(Vin),
}

/// The way in to a poller.
#[derive(Clone)]
pub struct PollerHandle(mpsc::Sender<Notice>);

impl PollerHandle {
    /// Tells the poller; waits while it has many notices to read.
    pub async fn tell(&self, notice: Notice) {
        // A poller that is gone needs no notices: the bridge is stopping.
        let _ = self.0.send(notice).await;
    }

    /// Tells the poller if it has room, for those whom it may be waiting for itself.
    pub fn try_tell(&self, notice: Notice) {
        if self.0.try_send(notice).is_err() {
            warn!("too much waits for the poller; a notice is left out");
        }
    }
}

/// What the owner says about a car in the configuration.
#[derive(Debug, Clone, Default)]
pub struct OwnersWord {
    /// What to call it.
    pub name: Option<String>,
    /// Whether a PIN is known that was not refused.
    pub pin: Option<PinStatus>,
}

/// The task that keeps one account's cars current.
pub struct Poller {
    session: SessionHandle,
    guidance: Guidance,
    owners_words: BTreeMap<Vin, OwnersWord>,
    clock: Clock,
    store: Store,
    herald: Herald,
    fleet: Arc<watch::Sender<Fleet>>,
    roll: mpsc::Sender<RollCall>,
    happenings: mpsc::Sender<Happening>,
    account: usize,
    notices: mpsc::Receiver<Notice>,
    /// Which account keeps which car.
    custody: Arc<watch::Sender<Custody>>,
    custody_seen: watch::Receiver<Custody>,
    /// The cars in the account's list, also those that another account keeps.
    listed: Vec<Car>,
    cars: BTreeMap<Vin, Keeper>,
    next_list: Timestamp,
    /// A car that should appear in the list, and until when it is looked for.
    expected: Option<(Vin, Timestamp)>,
    pulse: Pulse,
}

/// What is planned for a car.
struct Outlook {
    phase: Phase,
    interval: Option<Duration>,
    /// When it is read next.
    next: Option<Timestamp>,
}

/// A read under way.
type Read = Pin<Box<dyn Future<Output = Answer> + Send>>;

/// What came of a read.
enum Answer {
    List(Result<Vec<Car>, CallError>),
    Status(Vin, Result<Frame, CallError>),
}

/// Waits for the read under way and takes it; for ever when there is none.
async fn settled(read: &mut Option<Read>) -> Answer {
    match read {
        Some(under_way) => {
            let answer = under_way.await;
            *read = None;
            answer
        }
        None => std::future::pending().await,
    }
}

/// How long to leave the cloud alone after this many failures in a row, of which this is the last.
fn rest(error: &CallError, failures: u32) -> Duration {
    match error {
        // When there is a session to be had again is the session task's business.
        CallError::NoSession(_) => Duration::ZERO,
        CallError::Cloud(error) => {
            let doubling = plan::back_off(failures);
            let chance = jitter();
            conduct(error)
                .pause(failures, chance)
                .max(doubling.mul_f64(1.0 + chance / 4.0))
        }
    }
}

/// What the router learns from the vehicle lists.
#[derive(Debug)]
pub enum RollCall {
    /// An account has this car.
    Appeared(usize, Vin),
    /// All cars of this account are known.
    Complete(usize),
}

/// The ends of the channels a poller speaks to.
pub struct Outlets {
    /// The picture of all cars.
    pub fleet: Arc<watch::Sender<Fleet>>,
    /// What the router needs to know.
    pub roll: mpsc::Sender<RollCall>,
    /// What happened to cars.
    pub happenings: mpsc::Sender<Happening>,
    /// Where facts go.
    pub facts: mpsc::Sender<FactUpdate>,
    /// Which account keeps which car.
    pub custody: Arc<watch::Sender<Custody>>,
    /// The number of this account.
    pub account: usize,
}

impl Poller {
    /// A poller that starts with the vehicle list.
    pub fn new(
        session: SessionHandle,
        guidance: Guidance,
        owners_words: BTreeMap<Vin, OwnersWord>,
        clock: Clock,
        store: Store,
        outlets: Outlets,
    ) -> (Self, PollerHandle) {
        let (notice, notices) = mpsc::channel(NOTICES);
        let poller = Self {
            session,
            guidance,
            owners_words,
            clock,
            store,
            herald: Herald::new(outlets.facts),
            fleet: outlets.fleet,
            roll: outlets.roll,
            happenings: outlets.happenings,
            account: outlets.account,
            notices,
            custody_seen: outlets.custody.subscribe(),
            custody: outlets.custody,
            listed: Vec::new(),
            cars: BTreeMap::new(),
            next_list: Timestamp::MIN,
            expected: None,
            pulse: Pulse::unwatched(),
        };
        (poller, PollerHandle(notice))
    }

    /// Shows with this pulse that it lives.
    pub fn watched_by(self, pulse: Pulse) -> Self {
        Self { pulse, ..self }
    }

    /// Polls until cancelled. One read is under way at a time; notices are taken meanwhile.
    pub async fn run(mut self, cancel: CancellationToken) {
        let mut read: Option<Read> = None;
        loop {
            self.pulse.beat();
            if read.is_none() {
                read = self.next_read(self.clock.now());
            }
            self.tell_plans(self.clock.now()).await;
            let wake = self.next_wake(read.is_some(), self.clock.now());
            let clock = self.clock;
            tokio::select! {
                () = cancel.cancelled() => return,
                answer = settled(&mut read) => self.take_answer(answer).await,
                notice = self.notices.recv() => match notice {
                    Some(notice) => self.take(notice).await,
                    None => return,
                },
                // A request counted or a setting changed may move what is due.
                Ok(()) = self.guidance.wishes.changed() => self.show_plans_anew(),
                Ok(()) = self.guidance.standing.changed() => {}
                Ok(()) = self.custody_seen.changed() => self.settle().await,
                () = self.session.yielding_changed() => {}
                () = clock.sleep_until(wake) => {}
            }
            self.let_values_expire(self.clock.now());
        }
    }

    /// The read that is due, already under way when polled.
    fn next_read(&self, now: Timestamp) -> Option<Read> {
        let session = self.session.clone();
        if now >= self.next_list && self.may_list(now) {
            return Some(Box::pin(async move {
                Answer::List(session.call(|session| async move { session.vehicles().await }).await)
            }));
        }
        let vin = self.due(now)?;
        let car = self.cars.get(&vin)?.view.car.clone();
        Some(Box::pin(async move {
            let result = session
                .call(|session| {
                    let car = car.clone();
                    async move { session.status(&car).await }
                })
                .await;
            Answer::Status(vin, result)
        }))
    }

    async fn take_answer(&mut self, answer: Answer) {
        match answer {
            Answer::List(result) => self.take_list(result).await,
            Answer::Status(vin, result) => self.take_status(&vin, result),
        }
    }

    fn due(&self, now: Timestamp) -> Option<Vin> {
        self.outlooks(now)
            .filter_map(|(vin, outlook)| Some((outlook.next?, vin)))
            .min()
            .filter(|(due, _)| *due <= now)
            .map(|(_, vin)| vin.clone())
    }

    /// When to look again if nothing happens. While a read is under way only values may expire: what is due must wait.
    fn next_wake(&self, reading: bool, now: Timestamp) -> Timestamp {
        let nap = later(now, LONGEST_NAP);
        if reading {
            return nap;
        }
        let list = Some(self.next_list).filter(|_| self.may_list(now));
        self.outlooks(now)
            .filter_map(|(_, outlook)| outlook.next)
            .chain(list)
            .chain([nap])
            .min()
            .unwrap_or(nap)
    }

    /// What is left of the account's budget, shared among its cars.
    fn allowance(&self, now: Timestamp) -> Allowance {
        let allowance = self.guidance.allowance(self.account);
        allowance.shared_by(self.cars.iter().map(|(vin, keeper)| {
            let (car, policy) = self.circumstances(vin, keeper, now);
            plan::wanted(&car, &policy, allowance.resets, now)
        }))
    }

    /// Without a list nothing works, so the first may use what is kept for commands.
    fn may_list(&self, now: Timestamp) -> bool {
        let allowance = self.guidance.allowance(self.account);
        let is_left = allowance.left_for_reads() > 0 || (self.cars.is_empty() && allowance.left() > 0);
        is_left && self.session.yields_until().is_none_or(|until| now >= until)
    }

    /// What decides how often a car is read.
    fn circumstances(&self, vin: &Vin, keeper: &Keeper, now: Timestamp) -> (Activities, Policy) {
        let policy = *self.guidance.wishes.borrow().policy(vin);
        let car = Activities {
            yields_until: self.session.yields_until(),
            ..keeper.activities(&policy, &self.guidance.time_zone, now)
        };
        (car, policy)
    }

    /// Every car's phase and interval, and when it is read next.
    fn outlooks(&self, now: Timestamp) -> impl Iterator<Item = (&Vin, Outlook)> {
        let allowance = self.allowance(now);
        self.cars.iter().map(move |(vin, keeper)| {
            let (car, policy) = self.circumstances(vin, keeper, now);
            let outlook = Outlook {
                phase: Phase::of(&car, &policy, now),
                interval: plan::interval(&car, &policy, &allowance, now),
                next: plan::next_poll(keeper.last_read, &car, &policy, &allowance, now),
            };
            (vin, outlook)
        })
    }

    /// What the owner changes is shown at once.
    fn show_plans_anew(&mut self) {
        for keeper in self.cars.values_mut() {
            keeper.phase = None;
        }
    }

    /// Shows what is planned for each car: at once when the phase is another, else now and then.
    async fn tell_plans(&mut self, now: Timestamp) {
        let plans: Vec<_> = self
            .outlooks(now)
            .map(|(vin, outlook)| (vin.clone(), outlook))
            .collect();
        for (vin, outlook) in plans {
            let Some(keeper) = self.cars.get_mut(&vin) else {
                continue;
            };
            let same = keeper.phase.replace(outlook.phase) == Some(outlook.phase);
            let pause = if same { NOW_AND_THEN } else { ALWAYS };
            let subject = Subject::Car(vin);
            let interval = outlook
                .interval
                .map(|interval| Value::Number(interval.as_secs_f64(), 0));
            for (key, value) in [
                (FACTS[0], Some(Value::Text(outlook.phase.name().to_owned()))),
                (FACTS[1], interval),
                (FACTS[2], outlook.next.map(Value::Time)),
            ] {
                self.herald.tell(&subject, key, value, pause, now).await;
            }
        }
    }

    async fn take_list(&mut self, result: Result<Vec<Car>, CallError>) {
        let now = self.clock.now();
        match result {
            Ok(cars) => {
                if cars.is_empty() {
                    info!("the account has no car: none is bound, or a share is not accepted yet or was withdrawn");
                }
                let is_missing = |vin: &Vin| cars.iter().all(|car| car.vin != *vin);
                self.expected = self
                    .expected
                    .take()
                    .filter(|(vin, until)| now < *until && is_missing(vin));
                let pause = match &self.expected {
                    Some(_) => EXPECTED_RETRY,
                    None if cars.is_empty() => LIST_WHILE_EMPTY,
                    None => LIST_INTERVAL,
                };
                self.next_list = later(now, pause);
                self.enroll(cars).await;
            }
            Err(error) => {
                self.next_list = later(now, LIST_RETRY.max(rest(&error, 1)));
                self.note_failure(&error, None);
            }
        }
    }

    /// Takes over the vehicle list, and says which cars the account has, so that each is kept by one account.
    async fn enroll(&mut self, cars: Vec<Car>) {
        self.custody
            .send_if_modified(|custody| custody.declare(self.account, &cars));
        self.listed = cars;
        for keeper in self.cars.values_mut() {
            keeper.view.reachable = true;
        }
        self.settle().await;
        let _ = self.roll.send(RollCall::Complete(self.account)).await;
    }

    /// Keeps the cars that are this account's to keep: new cars appear, changed rights take effect, cars that are gone
    /// are shown no more.
    async fn settle(&mut self) {
        let custody = self.custody_seen.borrow_and_update().clone();
        let listed = self.listed.iter().filter(|car| custody.keeps(self.account, &car.vin));
        let cars: Vec<Car> = listed
            .map(|car| Car {
                rights: custody.rights(&car.vin),
                ..car.clone()
            })
            .collect();
        let kept: BTreeSet<Vin> = cars.iter().map(|car| car.vin.clone()).collect();
        for mut car in cars {
            let word = self.owners_words.get(&car.vin).cloned().unwrap_or_default();
            car.name = word.name.or(car.name);
            let vin = car.vin.clone();
            if let Some(keeper) = self.cars.get_mut(&vin) {
                keeper.view.car = car;
            } else {
                info!(%vin, model = %car.model, "car found");
                let pin = word.pin.unwrap_or(PinStatus::Missing);
                let document = CarDocument::read(&self.store, &vin);
                let mut keeper = Keeper::new(car, pin, document, self.clock.now());
                if let Some(shown) = self.fleet.borrow().get(&vin) {
                    // Another account kept it until now.
                    keeper.inherit(shown, self.clock.now());
                }
                self.cars.insert(vin.clone(), keeper);
                // The router is gone only when the bridge stops.
                let _ = self.roll.send(RollCall::Appeared(self.account, vin.clone())).await;
            }
            self.show(&vin);
        }
        let gone: Vec<Vin> = self.cars.keys().filter(|vin| !kept.contains(vin)).cloned().collect();
        for vin in gone {
            self.cars.remove(&vin);
            self.herald.forget(&Subject::Car(vin.clone()));
            if custody.keeper(&vin).is_some() {
                info!(%vin, "car is kept by another account from now on");
            } else {
                warn!(%vin, "car is not in the vehicle list any more: sold, or its share was withdrawn");
                self.fleet.send_if_modified(|fleet| fleet.remove(&vin).is_some());
            }
        }
    }

    fn take_status(&mut self, vin: &Vin, result: Result<Frame, CallError>) {
        let now = self.clock.now();
        let Some(keeper) = self.cars.get_mut(vin) else { return };
        keeper.last_read = Some(now);
        match result {
            Ok(frame) => {
                keeper.failures = 0;
                keeper.rest = Duration::ZERO;
                let verdict = keeper.accept(&frame, now);
                debug!(%vin, ?verdict, "status read");
                let happenings = keeper.compare(Some(verdict), now);
                keeper.document().write(&self.store, vin);
                self.show(vin);
                self.tell(happenings);
            }
            Err(error @ CallError::Cloud(CloudError::NotPermitted)) => {
                keeper.failures = keeper.failures.saturating_add(1);
                keeper.rest = rest(&error, keeper.failures);
                keeper.view.reachable = false;
                self.custody.send_if_modified(|custody| custody.bar(self.account, vin));
                warn!(%vin, "the account may not read this car; the vehicle list is read again");
                self.next_list = self.next_list.min(later(now, LIST_RETRY));
                self.show(vin);
            }
            Err(error) => {
                keeper.failures = keeper.failures.saturating_add(1);
                keeper.rest = rest(&error, keeper.failures);
                let failures = keeper.failures;
                if failures == 1 {
                    self.note_failure(&error, Some(vin));
                }
            }
        }
    }

    fn note_failure(&mut self, error: &CallError, vin: Option<&Vin>) {
        match error {
            // The session task has said it already. Until the owner acts none of these cars can be read.
            CallError::NoSession(error @ NoSession::SignInNeeded(_)) => {
                debug!(%error, "nothing read");
                self.lose_sight();
            }
            CallError::NoSession(error) => debug!(%error, "nothing read"),
            CallError::Cloud(error) => match vin {
                Some(vin) => warn!(%vin, %error, "status could not be read"),
                None => warn!(%error, "vehicle list could not be read"),
            },
        }
    }

    fn lose_sight(&mut self) {
        self.custody.send_if_modified(|custody| custody.step_back(self.account));
        for keeper in self.cars.values_mut() {
            keeper.view.reachable = false;
        }
        for vin in self.cars.keys() {
            self.show(vin);
        }
    }

    async fn take(&mut self, notice: Notice) {
        let now = self.clock.now();
        let vin = match notice {
            Notice::Listed(cars) => {
                self.next_list = later(now, LIST_INTERVAL);
                return self.enroll(cars).await;
            }
            Notice::Expect(vin) => {
                self.next_list = self.next_list.min(later(now, EXPECTED_RETRY));
                self.expected = Some((vin, later(now, EXPECTED_WITHIN)));
                return;
            }
            Notice::Boost(vin) => {
                if let Some(keeper) = self.cars.get_mut(&vin) {
                    keeper.boost_until = Some(later(now, BOOST));
                    keeper.changed = Some(now);
                    keeper.last_read = None;
                    keeper.failures = 0;
                    keeper.rest = Duration::ZERO;
                }
                return;
            }
            Notice::Pending(vin, group, pending) => {
                if let Some(keeper) = self.cars.get_mut(&vin) {
                    match pending {
                        Some(pending) => keeper.view.pending.insert(group, pending),
                        None => keeper.view.pending.remove(&group),
                    };
                }
                vin
            }
            Notice::LockConfirmed(vin, locked) => {
                if let Some(keeper) = self.cars.get_mut(&vin) {
                    keeper.memory = std::mem::take(&mut keeper.memory).with_confirmed_lock(locked, now);
                    keeper.expire(now);
                }
                vin
            }
            Notice::Pin(vin, status) => {
                if let Some(keeper) = self.cars.get_mut(&vin) {
                    keeper.view.pin = status;
                }
                vin
            }
        };
        self.show(&vin);
    }

    fn let_values_expire(&mut self, now: Timestamp) {
        let mut changed = Vec::new();
        let mut happenings = Vec::new();
        for (vin, keeper) in &mut self.cars {
            if keeper.expire(now) {
                changed.push(vin.clone());
            }
            let happened = keeper.compare(None, now);
            if !happened.is_empty() {
                // Before anybody hears of it: what was told must not be told again after a restart.
                keeper.document().write(&self.store, vin);
            }
            happenings.extend(happened);
        }
        for vin in changed {
            self.show(&vin);
        }
        self.tell(happenings);
    }

    /// Tells what happened. The picture of the cars is shown first, so that who hears of it can look it up.
    fn tell(&self, happenings: Vec<Happening>) {
        for happening in happenings {
            debug!(?happening, "something happened");
            // Nobody waits for a listener that is stuck; the picture of the cars stays right without it.
            if self.happenings.try_send(happening).is_err() {
                warn!("nobody takes note of what happens to the cars: it is not announced as an event");
            }
        }
    }

    /// Puts the car into the fleet if anything about it changed. One that another account has taken over meanwhile is
    /// left to it.
    fn show(&self, vin: &Vin) {
        let Some(keeper) = self.cars.get(vin) else { return };
        if !self.custody.borrow().keeps(self.account, vin) {
            return;
        }
        self.fleet.send_if_modified(|fleet| {
            let changed = fleet.get(vin).is_none_or(|shown| **shown != keeper.view);
            if changed {
                fleet.insert(vin.clone(), Arc::new(keeper.view.clone()));
            }
            changed
        });
    }
}
