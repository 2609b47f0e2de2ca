//! Keeps the cars of one account current: reads the vehicle list and each car's status in turn, by the plan.
//!
//! One task per account owns everything known about its cars and shows it in the fleet. A car that cannot be read keeps
//! its last values; they expire by their own age, not because a read failed.
//!
//! What is in the vehicle list and when to read it again is in `roster`, what is to be read when in `agenda`, and what is
//! known of one car in `keeper`; what leaves goes through `voice`.

mod agenda;
mod roster;
mod voice;

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
use crate::vehicle::{Car, Frame, PinStatus, Vin};

pub use self::voice::{FACTS, Outlets};

use self::agenda::{Agenda, Due, Entry};
use self::roster::Roster;
use self::voice::Voice;
use super::custody::Custody;
use super::failures::Failures;
use super::guidance::Guidance;
use super::keeper::Keeper;
use super::memory::CarDocument;
use super::period::Period;
use super::plan::Activities;
use super::session::{CallError, NoSession, Problem, SessionHandle, jitter};

/// Longest time without a look at the clock, so that values expire although nothing is read.
const LONGEST_NAP: Duration = Duration::from_secs(15);
/// Room for notices; commanders and the router send few.
const NOTICES: usize = 256;

/// What others tell the poller.
#[derive(Debug, PartialEq)]
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

/// What the router learns from the vehicle lists.
#[derive(Debug)]
pub enum RollCall {
    /// An account has this car.
    Appeared(usize, Vin),
    /// All cars of this account are known.
    Complete(usize),
}

/// The task that keeps one account's cars current.
pub struct Poller {
    session: SessionHandle,
    guidance: Guidance,
    owners_words: BTreeMap<Vin, OwnersWord>,
    clock: Clock,
    store: Store,
    account: usize,
    notices: mpsc::Receiver<Notice>,
    /// Which account keeps which car.
    custody: Arc<watch::Sender<Custody>>,
    custody_seen: watch::Receiver<Custody>,
    roster: Roster,
    /// The cars that this account keeps.
    cars: BTreeMap<Vin, Keeper>,
    voice: Voice,
    /// As long as the cars need not be looked at for values that have become too old.
    fresh: Period,
    pulse: Pulse,
}

/// A read under way.
type Read = Pin<Box<dyn Future<Output = Answer> + Send>>;

/// What came of a read.
enum Answer {
    List(Result<Vec<Car>, CallError>),
    Status(Vin, Result<Frame, CallError>),
}

async fn read_list(session: SessionHandle) -> Answer {
    Answer::List(session.call(|session| async move { session.vehicles().await }).await)
}

async fn read_status(session: SessionHandle, car: Car) -> Answer {
    let result = session
        .call(|session| {
            let car = car.clone();
            async move { session.status(&car).await }
        })
        .await;
    Answer::Status(car.vin, result)
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
            account: outlets.account,
            notices,
            custody: outlets.custody.clone(),
            custody_seen: outlets.custody.subscribe(),
            roster: Roster::default(),
            cars: BTreeMap::new(),
            voice: Voice::new(outlets),
            fresh: Period::new(clock.now(), LONGEST_NAP),
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
            let now = self.clock.now();
            self.mind_the_clock(now);
            let agenda = self.agenda(now);
            if read.is_none() {
                read = self.next_read(&agenda, now);
            }
            self.voice.tell_plans(agenda.outlooks(), now).await;
            let trouble = self.trouble();
            self.voice.tell_trouble(trouble).await;
            // While a read is under way, what is due must wait.
            let due = agenda.next().filter(|_| read.is_none());
            let wake = due.map_or(self.fresh.end(), |due| due.min(self.fresh.end()));
            let clock = self.clock;
            tokio::select! {
                () = cancel.cancelled() => return,
                answer = settled(&mut read) => self.take_answer(answer).await,
                notice = self.notices.recv() => match notice {
                    Some(notice) => self.take(notice).await,
                    None => return,
                },
                // A request counted or a setting changed may move what is due.
                Ok(()) = self.guidance.wishes.changed() => self.voice.tell_plans_anew(),
                Ok(()) = self.guidance.standing.changed() => {}
                Ok(()) = self.custody_seen.changed() => self.settle().await,
                () = self.session.yielding_changed() => {}
                () = clock.sleep_until(wake) => {}
            }
            self.let_values_expire(self.clock.now());
        }
    }

    /// A clock that was set back must not put anything off until it has caught up, nor have it last until then.
    fn mind_the_clock(&mut self, now: Timestamp) {
        self.roster.not_after(now);
        self.fresh.not_after(now);
        for keeper in self.cars.values_mut() {
            keeper.not_after(now);
        }
    }

    /// What is to be read when.
    fn agenda(&self, now: Timestamp) -> Agenda {
        let allowance = self.guidance.allowance(self.account);
        let yields_until = self.session.yields_until();
        let wishes = self.guidance.wishes.borrow();
        let cars = self.cars.iter().map(|(vin, keeper)| {
            let policy = *wishes.policy(vin);
            Entry {
                vin: vin.clone(),
                last_read: keeper.last_read(),
                activities: Activities {
                    yields_until,
                    ..keeper.activities(&policy, &self.guidance.time_zone, now)
                },
                policy,
            }
        });
        Agenda::new(cars.collect(), allowance, self.roster.next(), yields_until, now)
    }

    /// The read that is due, already under way when polled.
    fn next_read(&self, agenda: &Agenda, now: Timestamp) -> Option<Read> {
        let session = self.session.clone();
        let read: Read = match agenda.due(now)? {
            Due::List => Box::pin(read_list(session)),
            Due::Status(vin) => Box::pin(read_status(session, self.cars.get(vin)?.car().clone())),
        };
        Some(read)
    }

    async fn take_answer(&mut self, answer: Answer) {
        match answer {
            Answer::List(result) => self.take_list(result).await,
            Answer::Status(vin, result) => self.take_status(&vin, result),
        }
    }

    async fn take_list(&mut self, result: Result<Vec<Car>, CallError>) {
        match result {
            Ok(cars) => self.enroll(cars).await,
            Err(error) => {
                let is_first = self.roster.fail(&error, jitter(), self.clock.now());
                self.note_failure(&error, None, is_first);
            }
        }
    }

    fn take_status(&mut self, vin: &Vin, result: Result<Frame, CallError>) {
        let now = self.clock.now();
        let Some(keeper) = self.cars.get_mut(vin) else { return };
        match result {
            Ok(frame) => {
                let happenings = keeper.take(&frame, now);
                keeper.document().write(&self.store, vin);
                self.voice.show(keeper.shown(self.roster.is_away()));
                self.voice.tell(happenings);
            }
            Err(error) => {
                let is_news = keeper.fail(&error, now);
                self.note_failure(&error, Some(vin), is_news);
            }
        }
    }

    /// Does what a failed read calls for, and says it if it is news.
    fn note_failure(&mut self, error: &CallError, vin: Option<&Vin>, is_news: bool) {
        match (error, vin) {
            // The session task has said it already.
            (CallError::NoSession(error), _) => {
                debug!(%error, "nothing read");
                if matches!(error, NoSession::SignInNeeded(_)) {
                    self.lose_sight();
                }
            }
            (CallError::Cloud(CloudError::NotPermitted), Some(vin)) => {
                if is_news {
                    warn!(%vin, "the account may not read this car; the vehicle list is read again");
                }
                self.custody.send_if_modified(|custody| custody.bar(self.account, vin));
                self.roster.read_soon(self.clock.now());
                self.show(vin);
            }
            (CallError::Cloud(error), _) if !is_news => debug!(%error, "not read again"),
            (CallError::Cloud(error), Some(vin)) => warn!(%vin, %error, "status could not be read"),
            (CallError::Cloud(error), None) => warn!(%error, "vehicle list could not be read"),
        }
    }

    /// Until the owner acts none of these cars can be read, unless another account has them too.
    fn lose_sight(&mut self) {
        self.roster.lose_sight(self.clock.now());
        self.custody.send_if_modified(|custody| custody.step_back(self.account));
        for keeper in self.cars.values_mut() {
            self.voice.show(keeper.shown(true));
        }
    }

    /// Takes over the vehicle list, and says which cars the account has, so that each is kept by one account.
    async fn enroll(&mut self, cars: Vec<Car>) {
        self.roster.take(cars, self.clock.now());
        self.custody
            .send_if_modified(|custody| custody.declare(self.account, self.roster.listed()));
        self.settle().await;
        self.voice.call(RollCall::Complete(self.account)).await;
    }

    /// Keeps the cars that are this account's to keep: new cars appear, changed rights take effect, cars that are gone
    /// are shown no more.
    async fn settle(&mut self) {
        let custody = self.custody_seen.borrow_and_update().clone();
        let listed = self.roster.listed().iter();
        let cars: Vec<Car> = listed
            .filter(|car| custody.keeps(self.account, &car.vin))
            .map(|car| Car {
                rights: custody.rights(&car.vin),
                ..car.clone()
            })
            .collect();
        let kept: BTreeSet<Vin> = cars.iter().map(|car| car.vin.clone()).collect();
        for car in cars {
            self.keep(car).await;
        }
        let gone: Vec<Vin> = self.cars.keys().filter(|vin| !kept.contains(vin)).cloned().collect();
        for vin in gone {
            self.cars.remove(&vin);
            self.voice.forget(&vin);
            if custody.keeper(&vin).is_some() {
                info!(%vin, "car is kept by another account from now on");
            } else {
                warn!(%vin, "car is not in the vehicle list any more: sold, or its share was withdrawn");
                self.voice.take_down(&vin);
            }
        }
    }

    /// Keeps this car from now on, or goes on to, as it is described.
    async fn keep(&mut self, mut car: Car) {
        let word = self.owners_words.get(&car.vin).cloned().unwrap_or_default();
        car.name = word.name.or(car.name);
        let vin = car.vin.clone();
        if let Some(keeper) = self.cars.get_mut(&vin) {
            keeper.set_car(car);
        } else {
            info!(%vin, model = %car.model, "car found");
            let pin = word.pin.unwrap_or(PinStatus::Missing);
            let document = CarDocument::read(&self.store, &vin);
            let now = self.clock.now();
            let mut keeper = Keeper::new(car, pin, document, now);
            if let Some(shown) = self.voice.shown(&vin) {
                // Another account kept it until now.
                keeper.inherit(&shown, now);
            }
            self.cars.insert(vin.clone(), keeper);
            self.voice.call(RollCall::Appeared(self.account, vin.clone())).await;
        }
        self.show(&vin);
    }

    async fn take(&mut self, notice: Notice) {
        let now = self.clock.now();
        match notice {
            Notice::Listed(cars) => self.enroll(cars).await,
            Notice::Expect(vin) => self.roster.expect(vin, now),
            Notice::Boost(vin) => self.change(&vin, |keeper| keeper.boost(now)),
            Notice::Pending(vin, group, pending) => self.change(&vin, |keeper| keeper.set_pending(group, pending)),
            Notice::LockConfirmed(vin, locked) => self.change(&vin, |keeper| keeper.confirm_lock(locked, now)),
            Notice::Pin(vin, status) => {
                self.change(&vin, |keeper| keeper.set_pin(status));
                // Also for a car that this account is about to keep.
                self.owners_words.entry(vin).or_default().pin = Some(status);
            }
        }
    }

    /// Changes what is known of a car and shows it.
    fn change(&mut self, vin: &Vin, change: impl FnOnce(&mut Keeper)) {
        if let Some(keeper) = self.cars.get_mut(vin) {
            change(keeper);
            self.show(vin);
        }
    }

    fn show(&mut self, vin: &Vin) {
        if let Some(keeper) = self.cars.get_mut(vin) {
            self.voice.show(keeper.shown(self.roster.is_away()));
        }
    }

    /// Draws every car anew now and then, so that what has become too old lapses. After an answer its car is drawn anyway.
    fn let_values_expire(&mut self, now: Timestamp) {
        if !self.fresh.is_over(now) {
            return;
        }
        self.fresh = Period::new(now, LONGEST_NAP);
        let mut happenings = Vec::new();
        for (vin, keeper) in &mut self.cars {
            if keeper.expire(now) {
                self.voice.show(keeper.shown(self.roster.is_away()));
            }
            let happened = keeper.compare(None, now);
            if !happened.is_empty() {
                // Before anybody hears of it: what was told must not be told again after a restart.
                keeper.document().write(&self.store, vin);
            }
            happenings.extend(happened);
        }
        self.voice.tell(happenings);
    }

    /// What is wrong with the reads, for as long as the last one of any kind failed: the list's, or a car's.
    fn trouble(&self) -> Option<Problem> {
        let cars = self.cars.values().map(Keeper::failures);
        std::iter::once(self.roster.failures())
            .chain(cars)
            .filter_map(Failures::problem)
            .max_by_key(|problem| problem.needs_owner)
            .cloned()
    }
}

#[cfg(test)]
mod tests;

#[cfg(test)]
pub(crate) mod testing {
    use super::*;

    /// A way in to nobody, and where what is told arrives.
    pub(crate) fn handle() -> (PollerHandle, mpsc::Receiver<Notice>) {
        let (notice, notices) = mpsc::channel(NOTICES);
        (PollerHandle(notice), notices)
    }
}
