//! Carries out the commands for one car: gate, queue, spacing, PIN, write, and the wait for the effect.
//!
//! One task per car, so a car that answers slowly never holds up another. Two phases: `accepted` when the gate lets a
//! request through, then one final state when its effect is known or its time is over. The next command waits for the
//! cloud's result of the one before and for the spacing, not for the effect to show.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use secrecy::SecretString;
use serde_json::json;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::clock::Clock;
use crate::vehicle::car::Pending;
use crate::vehicle::command::EffectGroup;
use crate::vehicle::command::gate;
use crate::vehicle::command::queue::{Next, Queue, QueueFull, Waiting};
use crate::vehicle::facts::{FactKey, FactUpdate, Subject, Value};
use crate::vehicle::intent::{CommandReport, CommandRequest, CommandState, Reason};
use crate::vehicle::{CarView, Command, Fleet, PinStatus, Vin};

use super::confirmation::{Verdict, Written};
use super::custody::Custody;
use super::keepsake::Keepsake;
use super::later;
use super::poller::{Notice, PollerHandle};
use super::session::SessionHandle;
use super::write::{self, Outcome};

/// Requests that may wait in front of the task; the queue behind it has its own bound.
const WAITING_REQUESTS: usize = 32;
/// Longest time without a look at the clock.
const LONGEST_NAP: Duration = Duration::from_secs(60);

/// The facts produced here.
pub const FACTS: [FactKey; 2] = ["last_command", "last_command/attributes"];

/// What every commander shares.
#[derive(Clone)]
pub struct Tools {
    /// The picture of all cars.
    pub fleet: watch::Receiver<Fleet>,
    /// Which account keeps which car, and through which others commands can go.
    pub custody: watch::Receiver<Custody>,
    /// The time.
    pub clock: Clock,
    /// The owner's time zone, which is taken for the car's.
    pub time_zone: TimeZone,
    /// Where reports go.
    pub reports: mpsc::Sender<CommandReport>,
    /// Where facts go.
    pub facts: mpsc::Sender<FactUpdate>,
    /// What the owner allows.
    pub policy: Arc<gate::Policy>,
    /// Least time between two writes.
    pub spacing: Duration,
}

/// The way to the car through one account.
pub struct Way {
    /// The account's session.
    pub session: SessionHandle,
    /// The account's poller.
    pub poller: PollerHandle,
    /// Where a refused PIN is remembered.
    pub keepsake: Keepsake,
    /// The PIN to use with this account.
    pub pin: Option<SecretString>,
    /// Whether commands can be sent with it.
    pub pin_status: PinStatus,
}

/// The task that carries out the commands for one car.
pub struct Commander {
    vin: Vin,
    /// By number of the account.
    ways: Vec<Way>,
    tools: Tools,
    requests: mpsc::Receiver<CommandRequest>,
    queue: Queue,
    last_write: Option<Timestamp>,
    in_flight: Option<InFlight>,
    awaited: Vec<(CommandRequest, Written)>,
}

/// What there is to know of the write under way, beside its request.
#[derive(Clone, Copy)]
struct InFlight {
    ticket: u64,
    group: EffectGroup,
    /// The account it goes through.
    account: usize,
}

/// A write under way.
struct UnderWay {
    request: CommandRequest,
    /// Whether it may have reached the cloud.
    is_sent: Arc<AtomicBool>,
    outcome: Pin<Box<dyn Future<Output = Outcome> + Send>>,
}

impl Commander {
    /// A commander for this car with a way through each account, by its number, and the way in to it.
    pub fn new(vin: Vin, ways: Vec<Way>, tools: Tools) -> (Self, mpsc::Sender<CommandRequest>) {
        let (send, requests) = mpsc::channel(WAITING_REQUESTS);
        let commander = Self {
            vin,
            ways,
            tools,
            requests,
            queue: Queue::default(),
            last_write: None,
            in_flight: None,
            awaited: Vec::new(),
        };
        (commander, send)
    }

    /// Serves requests until cancelled; what was not written by then is refused.
    pub async fn run(mut self, cancel: CancellationToken) {
        let mut under_way: Option<UnderWay> = None;
        let (mut fleet, mut custody) = (self.tools.fleet.clone(), self.tools.custody.clone());
        // What is told of the PIN when the car comes into other hands is told at the start too.
        custody.mark_changed();
        loop {
            let now = self.now();
            self.mind_the_clock(now);
            self.judge_awaited(now).await;
            let mut wake = self.next_deadline(now);
            match self.next_from_queue(under_way.is_some(), now).await {
                Next::Write(waiting) => {
                    under_way = self.start(*waiting).await;
                    continue;
                }
                Next::WaitUntil(moment) => wake = wake.min(moment),
                Next::Empty => {}
            }
            let clock = self.tools.clock;
            tokio::select! {
                () = cancel.cancelled() => break,
                request = self.requests.recv() => match request {
                    Some(request) => self.take(request).await,
                    None => break,
                },
                (request, outcome) = finished(&mut under_way) => self.settle(request, outcome).await,
                Ok(()) = custody.changed() => self.show_pin().await,
                changed = fleet.changed(), if !self.awaited.is_empty() => if changed.is_err() { break },
                () = clock.sleep_until(wake) => {}
            }
        }
        self.stop(under_way).await;
    }

    /// Tells every request that has not ended that nobody will look after it any more.
    async fn stop(mut self, under_way: Option<UnderWay>) {
        use CommandState::{NotConfirmed, Refused};
        self.requests.close();
        let mut left = Vec::new();
        while let Ok(request) = self.requests.try_recv() {
            left.push((request, Refused));
        }
        left.extend(self.queue.drain().into_iter().map(|waiting| (waiting.request, Refused)));
        if let Some(write) = under_way {
            let is_sent = write.is_sent.load(Ordering::Relaxed);
            left.push((write.request, if is_sent { NotConfirmed } else { Refused }));
        }
        self.in_flight = None;
        let awaited = std::mem::take(&mut self.awaited);
        left.extend(awaited.into_iter().map(|(request, _)| (request, NotConfirmed)));
        for (request, state) in left {
            self.end(&request, state, Some(Reason::Stopping)).await;
        }
    }

    async fn take(&mut self, request: CommandRequest) {
        let now = self.now();
        let view = self.view(&request.command);
        let admission = match gate::admit(&request, view.as_deref(), &self.tools.policy, now) {
            Ok(admission) => admission,
            Err(reason) => return self.turn_away(&request, reason).await,
        };
        match self.queue.push(Waiting {
            request: request.clone(),
            admission,
        }) {
            Err(QueueFull(_)) => self.end(&request, CommandState::Refused, Some(Reason::QueueFull)).await,
            Ok(superseded) => {
                for older in superseded {
                    self.end(&older.request, CommandState::Superseded, None).await;
                }
                info!(vin = %self.vin, command = request.command.name(), origin = request.origin.name(), "command accepted");
                self.show_pending(&request.command, Some(now)).await;
                self.report(&request, CommandState::Accepted, None, None).await;
            }
        }
    }

    /// What to do next. While a write is under way none may follow, but what waits may become too old.
    async fn next_from_queue(&mut self, is_busy: bool, now: Timestamp) -> Next {
        for expired in self.queue.expired(now) {
            self.end(&expired.request, CommandState::Expired, Some(Reason::Expired))
                .await;
        }
        if is_busy {
            return self.queue.next(now, Some(now), Duration::MAX);
        }
        self.queue.next(now, self.last_write, self.tools.spacing)
    }

    /// A clock that was set back must not keep the next write waiting until it has caught up.
    fn mind_the_clock(&mut self, now: Timestamp) {
        self.last_write = self.last_write.map(|at| at.min(now));
    }

    /// Looks at the gate once more, since the car may have started to move meanwhile, and sets out to write.
    async fn start(&mut self, waiting: Waiting) -> Option<UnderWay> {
        let Waiting { request, admission } = waiting;
        let view = self.view(&request.command);
        if let Err(reason) = gate::still_valid(&request.command, admission, view.as_deref(), self.now()) {
            self.turn_away(&request, reason).await;
            return None;
        }
        let command = request.command.clone();
        let Some((account, way)) = self.way(&command) else {
            self.turn_away(&request, Reason::UnknownVehicle).await;
            return None;
        };
        let pin = way.pin.clone().filter(|_| command.spec().needs_pin);
        let is_sent = Arc::new(AtomicBool::new(false));
        let tools = write::Tools {
            session: way.session.clone(),
            account: way.poller.clone(),
            keeper: self.keeper().map_or_else(|| way.poller.clone(), Clone::clone),
            fleet: self.tools.fleet.clone(),
            pin_status: way.pin_status,
            is_sent: is_sent.clone(),
            clock: self.tools.clock,
            time_zone: self.tools.time_zone.clone(),
        };
        self.in_flight = Some(InFlight {
            ticket: request.ticket,
            group: command.effect_group(),
            account,
        });
        let outcome = write::carry_out(tools, self.vin.clone(), command, pin, admission);
        Some(UnderWay {
            request,
            is_sent,
            outcome: Box::pin(outcome),
        })
    }

    async fn settle(&mut self, request: CommandRequest, outcome: Outcome) {
        let in_flight = self.in_flight.take();
        match outcome {
            Outcome::Refused { reason, sent } => {
                // The cloud counts a write that it refuses like any other, so the next one keeps its distance from it.
                self.last_write = sent.or(self.last_write);
                self.turn_away(&request, reason).await;
            }
            Outcome::PinRefused => {
                if let Some(InFlight { account, .. }) = in_flight {
                    self.reject_pin(account).await;
                }
                self.turn_away(&request, Reason::PinRejected).await;
            }
            Outcome::Written(written) => {
                self.last_write = Some(written.at);
                self.awaited.push((request, written));
            }
        }
    }

    /// Nothing that needs the PIN is sent again until the owner changes it: repeated wrong PINs might lock the account.
    async fn reject_pin(&mut self, account: usize) {
        warn!(vin = %self.vin, "the cloud refused the PIN; commands wait until it is changed in the configuration");
        let Some(way) = self.ways.get_mut(account) else { return };
        if let Some(pin) = &way.pin {
            way.keepsake.mark_pin_refused(&self.vin, pin);
        }
        way.pin_status = PinStatus::Rejected;
        self.show_pin().await;
    }

    /// Has the keeper show whether commands can be sent. Each account that has the car may have a PIN of its own, and one
    /// good PIN is enough.
    async fn show_pin(&self) {
        let senders = self.tools.custody.borrow().senders(&self.vin, &[]);
        let has = |status: PinStatus| {
            let mut ways = senders.iter().filter_map(|account| self.ways.get(*account));
            ways.any(|way| way.pin_status == status)
        };
        let best = [PinStatus::Ready, PinStatus::Rejected]
            .into_iter()
            .find(|status| has(*status));
        let best = best.unwrap_or(PinStatus::Missing);
        self.tell_keeper(Notice::Pin(self.vin.clone(), best)).await;
    }

    async fn judge_awaited(&mut self, now: Timestamp) {
        if self.awaited.is_empty() {
            return;
        }
        let view = self.tools.fleet.borrow().get(&self.vin).cloned();
        let mut ended = Vec::new();
        for (request, mut written) in std::mem::take(&mut self.awaited) {
            written.not_after(now);
            match written.judge(&request.command, view.as_deref(), now) {
                Verdict::Open => self.awaited.push((request, written)),
                Verdict::Ended(state, reason) => ended.push((request, state, reason)),
            }
        }
        // Last, since what is still awaited decides what is shown as pending.
        for (request, state, reason) in ended {
            self.end(&request, state, reason).await;
        }
    }

    fn next_deadline(&self, now: Timestamp) -> Timestamp {
        let nap = later(now, LONGEST_NAP);
        self.awaited
            .iter()
            .map(|(request, written)| written.deadline(&request.command))
            .min()
            .map_or(nap, |deadline| deadline.min(nap))
    }

    /// Ends a request that the car will not carry out.
    async fn turn_away(&self, request: &CommandRequest, reason: Reason) {
        let state = match reason {
            Reason::Expired => CommandState::Expired,
            _ => CommandState::Refused,
        };
        self.end(request, state, Some(reason)).await;
    }

    /// Says what became of a request, and stops showing it as pending unless another of its kind is.
    async fn end(&self, request: &CommandRequest, state: CommandState, reason: Option<Reason>) {
        let command = &request.command;
        let group = command.effect_group();
        let awaited = self.awaited.iter().map(|(request, _)| request);
        let still_pending = self
            .queue
            .requests()
            .chain(awaited)
            .map(|other| (other.ticket, other.command.effect_group()))
            .chain(self.in_flight.map(|write| (write.ticket, write.group)))
            .any(|(ticket, other)| other == group && ticket != request.ticket);
        if !still_pending {
            self.show_pending(command, None).await;
        }
        if state == CommandState::Confirmed && matches!(command, Command::Lock | Command::Unlock) {
            self.tell_keeper(Notice::LockConfirmed(self.vin.clone(), *command == Command::Lock))
                .await;
        }
        info!(vin = %self.vin, command = command.name(), state = state.name(), reason = reason.map(Reason::name), "command ended");
        self.report(request, state, reason, Some(self.now())).await;
    }

    async fn show_pending(&self, command: &Command, since: Option<Timestamp>) {
        let pending = since.map(|since| Pending {
            command: command.clone(),
            since,
        });
        self.tell_keeper(Notice::Pending(self.vin.clone(), command.effect_group(), pending))
            .await;
    }

    async fn tell_keeper(&self, notice: Notice) {
        if let Some(keeper) = self.keeper() {
            keeper.tell(notice).await;
        }
    }

    /// The poller that keeps the car; `None` when no account has it any more.
    fn keeper(&self) -> Option<&PollerHandle> {
        let account = self.tools.custody.borrow().keeper(&self.vin)?;
        self.ways.get(account).map(|way| &way.poller)
    }

    /// The account that a command goes through: one that has the right, and a good PIN where one is needed.
    fn way(&self, command: &Command) -> Option<(usize, &Way)> {
        let spec = command.spec();
        let senders = self.tools.custody.borrow().senders(&self.vin, spec.right);
        let able = || {
            senders
                .iter()
                .filter_map(|account| Some((*account, self.ways.get(*account)?)))
        };
        able()
            .find(|(_, way)| !spec.needs_pin || way.pin_status == PinStatus::Ready)
            .or_else(|| able().next())
    }

    async fn report(
        &self,
        request: &CommandRequest,
        state: CommandState,
        reason: Option<Reason>,
        finished: Option<Timestamp>,
    ) {
        let report = CommandReport {
            ticket: request.ticket,
            vin: self.vin.clone(),
            command: request.command.name(),
            id: request.id.clone(),
            origin: request.origin,
            state,
            reason,
            received: request.received,
            finished,
        };
        for (key, text) in [
            (FACTS[0], report.command.to_owned()),
            (FACTS[1], attributes(&report).to_string()),
        ] {
            let fact = FactUpdate {
                subject: Subject::Car(self.vin.clone()),
                key,
                value: Some(Value::Text(text)),
            };
            // Whoever reads facts and reports is gone only when the bridge stops.
            let _ = self.tools.facts.send(fact).await;
        }
        let _ = self.tools.reports.send(report).await;
    }

    /// The car as the gate is to see it, with the PIN of the account that the command would go through.
    fn view(&self, command: &Command) -> Option<Arc<CarView>> {
        let view = self.tools.fleet.borrow().get(&self.vin).cloned()?;
        let pin = self.way(command).map_or(view.pin, |(_, way)| way.pin_status);
        Some(match view.pin == pin {
            true => view,
            false => Arc::new(CarView { pin, ..(*view).clone() }),
        })
    }

    fn now(&self) -> Timestamp {
        self.tools.clock.now()
    }
}

fn attributes(report: &CommandReport) -> serde_json::Value {
    json!({
        "status": report.state.name(),
        "reason": report.reason.map(Reason::name),
        "origin": report.origin.name(),
        "received": report.received,
        "finished": report.finished,
    })
}

/// Waits for the write under way and takes it; for ever when there is none.
async fn finished(under_way: &mut Option<UnderWay>) -> (CommandRequest, Outcome) {
    let Some(write) = under_way else {
        return std::future::pending().await;
    };
    let outcome = write.outcome.as_mut().await;
    let request = write.request.clone();
    *under_way = None;
    (request, outcome)
}

#[cfg(test)]
mod tests;
