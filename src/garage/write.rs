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
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use serde_json::{Value, json};
    use tokio::sync::mpsc;
    use tokio::time::Instant;

    use super::*;
    use crate::garage::poller;
    use crate::garage::session::testing::{Bench, answer, cars};
    use crate::vehicle::command::Destination;
    use crate::vehicle::{Car, Model, Powertrain};

    /// The way through an account that has signed in, to a car of which the fleet shows a refused PIN.
    struct Way {
        bench: Bench,
        tools: Tools,
        _notices: mpsc::Receiver<Notice>,
    }

    fn vin() -> Vin {
        Vin::parse("LFZTEST0000000001").unwrap()
    }

    impl Way {
        async fn with(pin_status: PinStatus) -> Self {
            let bench = Bench::signed_in().await;
            let (poller, notices) = poller::testing::handle();
            let view = CarView {
                car: Car::unlisted(vin(), Model::C10),
                powertrain: Powertrain::Bev,
                state: None,
                evidence: BTreeSet::new(),
                unknown_signals: BTreeSet::new(),
                pending: BTreeMap::new(),
                pin: PinStatus::Rejected,
                reachable: true,
            };
            let tools = Tools {
                session: bench.session.clone(),
                account: poller.clone(),
                keeper: poller,
                fleet: watch::channel(Fleet::from([(vin(), Arc::new(view))])).1,
                pin_status,
                is_sent: Arc::new(AtomicBool::new(false)),
                clock: Clock::real(),
                time_zone: TimeZone::UTC,
            };
            Self {
                bench,
                tools,
                _notices: notices,
            }
        }

        /// Sends a command, while the cloud gives these answers after the vehicle list.
        async fn send(&self, command: Command, answers: &[Value]) -> Outcome {
            let listed = std::iter::once(cars(&[&vin()]));
            let answers: Value = listed.chain(answers.iter().cloned()).collect();
            self.bench.script.play(&answers);
            let pin: Option<SecretString> = command.spec().needs_pin.then(|| "1234".into());
            let admission = Admission {
                expires: Timestamp::MAX,
            };
            carry_out(self.tools.clone(), vin(), command, pin, admission).await
        }

        fn is_sent(&self) -> bool {
            self.tools.is_sent.load(Ordering::Relaxed)
        }

        fn requests(&self) -> usize {
            self.bench.script.requests().len()
        }
    }

    /// The answers to the steps before the write.
    fn prepared() -> [Value; 2] {
        [answer(&Value::Null), answer(&Value::Null)]
    }

    /// The answer to a write whose result is to be asked for every seven seconds, up to two minutes.
    fn taken() -> Value {
        answer(&json!({"remoteCtlId": "1", "queryRemoteCtlResultTimeout": 120_000, "queryInterval": 7_000}))
    }

    fn cloud_confirmed(outcome: &Outcome) -> bool {
        match outcome {
            Outcome::Written(written) => written.cloud_confirmed,
            other => panic!("not written: {other:?}"),
        }
    }

    #[tokio::test]
    async fn the_pin_that_is_used_counts_and_not_the_one_that_the_fleet_shows() {
        let way = Way::with(PinStatus::Ready).await;
        let [sync, verify] = prepared();
        let outcome = way
            .send(Command::Unlock, &[sync, verify, taken(), answer(&json!(1))])
            .await;
        assert!(cloud_confirmed(&outcome));
        assert!(way.is_sent());
    }

    #[tokio::test]
    async fn only_a_pin_that_the_cloud_refused_just_now_counts_as_refused_by_it() {
        let way = Way::with(PinStatus::Ready).await;
        let wrong = json!({"status": 200, "body": r#"{"code":31,"message":"wrong"}"#});
        let [sync, _] = prepared();
        assert_eq!(way.send(Command::Unlock, &[sync, wrong]).await, Outcome::PinRefused);

        let way = Way::with(PinStatus::Rejected).await;
        let known = Outcome::Refused {
            reason: Reason::PinRejected,
            sent: None,
        };
        assert_eq!(way.send(Command::Unlock, &prepared()).await, known);
        assert!(!way.is_sent());
    }

    #[tokio::test]
    async fn a_command_without_pin_is_written_and_its_result_is_not_asked_for() {
        let way = Way::with(PinStatus::Rejected).await;
        let destination = Destination {
            address: "Marienplatz 1".to_owned(),
            name: "Town hall".to_owned(),
            latitude: 48.1,
            longitude: 11.6,
        };
        let outcome = way.send(Command::SendDestination(destination), &[taken()]).await;
        assert!(cloud_confirmed(&outcome));
        assert_eq!(way.requests(), 2);
    }

    #[tokio::test]
    async fn the_result_is_asked_for_no_longer_than_the_effect_is_awaited() {
        let way = Way::with(PinStatus::Ready).await;
        let not_yet = std::iter::repeat_n(answer(&json!(0)), 16);
        let answers: Vec<Value> = prepared().into_iter().chain([taken()]).chain(not_yet).collect();
        tokio::time::pause();
        let begun = Instant::now();
        let outcome = way.send(Command::Unlock, &answers).await;
        assert!(!cloud_confirmed(&outcome));
        let seconds = begun.elapsed().as_secs();
        assert!((108..=111).contains(&seconds), "{seconds} s");
        assert_eq!(way.requests(), 20, "at 0, 7, … 105 s");
    }

    #[test]
    fn what_the_listed_plan_leaves_out_is_taken_from_the_one_the_car_reports() {
        let listed = ChargePlan {
            limit: Some(90),
            enabled: Some(true),
            start: Some("20:16".to_owned()),
            circulation: Some(0),
            ..ChargePlan::default()
        };
        let reported = ChargePlan {
            limit: Some(100),
            enabled: Some(false),
            start: Some("23:45".to_owned()),
            end: Some("06:15".to_owned()),
            cycles: Some("1,1,1,1,1,0,0".to_owned()),
            circulation: Some(1),
            recharge: Some(1),
            updated: None,
        };
        let expected = ChargePlan {
            end: reported.end.clone(),
            cycles: reported.cycles.clone(),
            recharge: Some(1),
            ..listed.clone()
        };
        assert_eq!(completed(listed.clone(), reported.clone()), expected);
        assert_eq!(completed(ChargePlan::default(), reported.clone()), reported);
        assert_eq!(completed(listed.clone(), ChargePlan::default()), listed);
    }
}
