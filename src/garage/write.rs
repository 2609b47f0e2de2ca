//! The way of one command to the cloud: vehicle list, certificate, PIN, write, result.
//!
//! Everything before the write may fail without consequence. The write itself is sent once: whatever happens to it, it
//! is never sent again, because a car that did not answer in time often acts all the same.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use secrecy::SecretString;
use tokio::sync::watch;
use tracing::{debug, warn};

use crate::clock::Clock;
use crate::cloud::payload::{self, Context};
use crate::cloud::{self, CloudError, OperatePassword, Payload, ScheduleEntry, ScheduleKind, Session};
use crate::vehicle::command::gate::{self, Admission};
use crate::vehicle::intent::Reason;
use crate::vehicle::state::ChargePlan;
use crate::vehicle::{CarView, Command, Fleet, PinStatus, Vin};

use super::conduct::conduct;
use super::confirmation::Written;
use super::poller::{Notice, PollerHandle};
use super::session::{CallError, NoSession, SessionHandle};

/// How the way ended.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// The car will not act.
    Refused {
        /// Why not.
        reason: Reason,
        /// When the write was sent that the cloud refused; `None` when it did not come to that.
        sent: Option<Timestamp>,
    },
    /// The car will not act: the cloud refused the PIN, which must not be sent again.
    PinRefused,
    /// The write was sent; whether it has its effect is another question.
    Written(Written),
}

/// What a write needs.
#[derive(Clone)]
pub struct Tools {
    /// The session of the account that the command goes through.
    pub session: SessionHandle,
    /// The poller of that account.
    pub account: PollerHandle,
    /// The poller that keeps the car, which may be another account's.
    pub keeper: PollerHandle,
    /// The picture of all cars.
    pub fleet: watch::Receiver<Fleet>,
    /// Whether the PIN that is used is good, as far as is known. The fleet shows the best of all accounts.
    pub pin_status: PinStatus,
    /// Turned on just before the write is sent: from then on nobody can say that the car will not act.
    pub is_sent: Arc<AtomicBool>,
    /// The time.
    pub clock: Clock,
    /// The owner's time zone, which is taken for the car's.
    pub time_zone: TimeZone,
}

/// Sends one command. `pin` is the car's PIN where the command needs it.
///
/// A cloud that is slow, or a sign-in on the way, can take minutes before the write: so the gate has the last word once
/// everything else is done.
pub async fn carry_out(
    tools: Tools,
    vin: Vin,
    command: Command,
    pin: Option<SecretString>,
    admission: Admission,
) -> Outcome {
    let mut prepared = prepare(&tools, &vin, &command, pin.as_ref()).await;
    if prepared.as_ref().is_err_and(|refusal| refusal.session_was_lost) {
        // It ended between two steps, of which none has done anything yet. The first one renews it.
        prepared = prepare(&tools, &vin, &command, pin.as_ref()).await;
    }
    let prepared = prepared.and_then(|prepared| {
        gate::still_valid(&command, admission, Some(&prepared.view), tools.clock.now())
            .map_err(|reason| Refusal::new(reason, "while the cloud was asked for what the write needs"))?;
        Ok(prepared)
    });
    match prepared {
        Ok(prepared) => send(&tools, &vin, &command, prepared).await,
        Err(refusal) => {
            warn!(%vin, command = command.name(), reason = %refusal.reason, detail = refusal.detail, "command not sent");
            if refusal.pin_was_refused {
                return Outcome::PinRefused;
            }
            Outcome::Refused {
                reason: refusal.reason,
                sent: None,
            }
        }
    }
}

struct Refusal {
    reason: Reason,
    detail: String,
    session_was_lost: bool,
    /// By the cloud, and not because it was refused before.
    pin_was_refused: bool,
}

impl Refusal {
    fn new(reason: Reason, detail: impl Into<String>) -> Self {
        Self {
            reason,
            detail: detail.into(),
            session_was_lost: false,
            pin_was_refused: false,
        }
    }
}

struct Prepared {
    session: Session,
    operate_password: Option<OperatePassword>,
    payload: Payload,
    view: CarView,
}

async fn prepare(tools: &Tools, vin: &Vin, command: &Command, pin: Option<&SecretString>) -> Result<Prepared, Refusal> {
    let owner = tools.session.for_owner();
    // The vehicle list shows whether the token still lives, and is the only step that may be repeated when it does not.
    let cars = owner.call(|session| async move { session.vehicles().await }).await?;
    let car = cars.iter().find(|car| car.vin == *vin).cloned();
    tools.account.tell(Notice::Listed(cars)).await;
    let car = car.ok_or_else(|| Refusal::new(Reason::UnknownVehicle, "the car is not in the vehicle list any more"))?;
    let session = owner.lease().await?.session;
    let operate_password = match pin {
        Some(pin) => {
            session.sync_certificate().await?;
            Some(session.verify_pin(vin, pin).await?)
        }
        None => None,
    };
    let held = Held::read(tools, &session, vin, command).await?;
    let now = tools.clock.now();
    let context = Context {
        now,
        local_now: now.to_zoned(tools.time_zone.clone()).datetime(),
        plan: held.plan.as_ref(),
        schedule: held.schedule.as_deref(),
        offered_update: held.offered_update,
        seed: random(),
    };
    let payload = payload::payload(command, &car.model, &context)
        .map_err(|error| Refusal::new(error.reason(), error.to_string()))?;
    let view = tools
        .fleet
        .borrow()
        .get(vin)
        .map(|view| CarView {
            pin: tools.pin_status,
            ..(**view).clone()
        })
        .ok_or_else(|| Refusal::new(Reason::UnknownVehicle, "the car left the fleet meanwhile"))?;
    Ok(Prepared {
        session,
        operate_password,
        payload,
        view,
    })
}

/// What the cloud holds and a command builds upon, because a write replaces the whole of it.
#[derive(Default)]
struct Held {
    plan: Option<ChargePlan>,
    schedule: Option<Vec<ScheduleEntry>>,
    offered_update: Option<u64>,
}

impl Held {
    /// Reads what the command needs, and nothing for most.
    async fn read(tools: &Tools, session: &Session, vin: &Vin, command: &Command) -> Result<Self, Refusal> {
        let schedule = async |kind| {
            session
                .schedules(vin, kind)
                .await
                .map(Some)
                .map_err(|error| unread(&error))
        };
        let mut held = Self::default();
        match command {
            Command::ChargeLimit { .. } | Command::ChargeSchedule(_) => {
                held.plan = Some(charge_plan(tools, session, vin).await?);
            }
            Command::ClimateScheduleSwitch(_) => held.schedule = schedule(ScheduleKind::Climate).await?,
            Command::PrepareCarScheduleSwitch(_) => held.schedule = schedule(ScheduleKind::PrepareCar).await?,
            Command::SoftwareInstall { task: None } => {
                let software = session.software_info(vin).await?;
                held.offered_update = software.update.and_then(|update| update.task);
            }
            _ => {}
        }
        Ok(held)
    }
}

/// The cloud's own list of schedules comes first; what it leaves out, the car may say in its status.
async fn charge_plan(tools: &Tools, session: &Session, vin: &Vin) -> Result<ChargePlan, Refusal> {
    let listed = session.charge_plan(vin).await.map_err(|error| unread(&error))?;
    let fleet = tools.fleet.borrow();
    let state = fleet.get(vin).and_then(|view| view.state.as_ref());
    let reported = state.map(|state| state.plan.clone());
    Ok(completed(listed.unwrap_or_default(), reported.unwrap_or_default()))
}

/// The listed plan, with what it leaves out taken from the reported one. A plan is written as a whole, so what neither
/// says is replaced by a default.
fn completed(listed: ChargePlan, reported: ChargePlan) -> ChargePlan {
    ChargePlan {
        limit: listed.limit.or(reported.limit),
        enabled: listed.enabled.or(reported.enabled),
        start: listed.start.or(reported.start),
        end: listed.end.or(reported.end),
        cycles: listed.cycles.or(reported.cycles),
        circulation: listed.circulation.or(reported.circulation),
        recharge: listed.recharge.or(reported.recharge),
        updated: listed.updated.or(reported.updated),
    }
}

fn unread(error: &CloudError) -> Refusal {
    Refusal {
        session_was_lost: matches!(error, CloudError::SessionLost),
        ..Refusal::new(
            Reason::PlanUnknown,
            format!("what is planned could not be read, and writing it blindly would lose it: {error}"),
        )
    }
}

async fn send(tools: &Tools, vin: &Vin, command: &Command, prepared: Prepared) -> Outcome {
    let Prepared {
        session,
        operate_password,
        payload,
        view,
    } = prepared;
    let mut written = Written::new(command, &view, tools.clock.now());
    tools.is_sent.store(true, Ordering::Relaxed);
    let answer = session.write(vin, &payload, operate_password.as_ref()).await;
    tools.keeper.tell(Notice::Boost(vin.clone())).await;
    match answer {
        Ok(accepted) => {
            debug!(%vin, command = command.name(), "the cloud has taken the command");
            written.cloud_confirmed = match &accepted.ticket {
                // The cloud knows the result of what was sent with the PIN only.
                Some(ticket) if operate_password.is_some() => {
                    written.not_after(tools.clock.now());
                    let end = written.deadline(command);
                    tokio::select! {
                        confirmed = result(tools, vin, ticket, &accepted) => confirmed,
                        // Whoever asked is told by then, whatever the cloud allows the car and however long it takes.
                        () = tools.clock.sleep_until(end) => false,
                    }
                }
                _ => true,
            };
            if written.cloud_confirmed {
                tools.keeper.tell(Notice::Boost(vin.clone())).await;
            }
            Outcome::Written(written)
        }
        Err(error) if error.leaves_outcome_open() => {
            warn!(%vin, command = command.name(), %error, "no answer to the write; it is not repeated, the car's state decides");
            Outcome::Written(written)
        }
        Err(error) => {
            warn!(%vin, command = command.name(), %error, "command refused by the cloud");
            Outcome::Refused {
                reason: conduct(&error).reason,
                sent: (!error.was_not_sent()).then_some(written.at),
            }
        }
    }
}

/// Asks until the car has confirmed, as long as the cloud says that asking makes sense.
async fn result(tools: &Tools, vin: &Vin, ticket: &str, accepted: &cloud::Written) -> bool {
    let taken = tools.clock.now();
    let mut waited = Duration::ZERO;
    loop {
        match tools
            .session
            .call(|session| async move { session.result(ticket).await })
            .await
        {
            Ok(true) => return true,
            Ok(false) => {}
            Err(error) => {
                warn!(%vin, %error, "the result of the command could not be read; the car's state decides");
                return false;
            }
        }
        // Answers take their time too. A clock that was set back does not make this longer.
        let passed = Duration::try_from(tools.clock.now().duration_since(taken)).unwrap_or_default();
        let Some(wait) = accepted.next_wait(passed.max(waited)) else {
            return false;
        };
        tools.clock.sleep(wait).await;
        waited += wait;
    }
}

/// A random number for the ids of schedule entries.
fn random() -> u128 {
    let mut bytes = [0; 16];
    // Without randomness the id is still unique among the few entries of a car, since it also carries the time.
    let _ = getrandom::fill(&mut bytes);
    u128::from_ne_bytes(bytes)
}

impl From<CallError> for Refusal {
    fn from(error: CallError) -> Self {
        let reason = match &error {
            CallError::NoSession(NoSession::SignInNeeded(_)) => Reason::SignInNeeded,
            CallError::NoSession(NoSession::Stopping) => Reason::Stopping,
            CallError::NoSession(NoSession::Yielding { .. } | NoSession::Unavailable { .. }) => {
                Reason::CloudUnavailable
            }
            CallError::Cloud(error) => conduct(error).reason,
        };
        Self {
            session_was_lost: matches!(error, CallError::Cloud(CloudError::SessionLost)),
            pin_was_refused: matches!(error, CallError::Cloud(CloudError::PinRejected { .. })),
            ..Self::new(reason, error.to_string())
        }
    }
}

impl From<NoSession> for Refusal {
    fn from(error: NoSession) -> Self {
        CallError::from(error).into()
    }
}

impl From<CloudError> for Refusal {
    fn from(error: CloudError) -> Self {
        CallError::from(error).into()
    }
}

#[cfg(test)]
mod tests;
