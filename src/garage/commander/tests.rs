use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::garage::poller;
use crate::garage::session::testing::Bench;
use crate::vehicle::command::gate::Admission;
use crate::vehicle::intent::Origin;
use crate::vehicle::{Car, Model, Powertrain};

const PIN: &str = "1234";

/// A commander, and what can be seen of it.
struct Stage {
    commander: Commander,
    requests: mpsc::Sender<CommandRequest>,
    reports: mpsc::Receiver<CommandReport>,
    /// What the account is told that keeps the car, the first one.
    notices: mpsc::Receiver<Notice>,
    /// What is kept of each account.
    benches: Vec<Bench>,
}

fn vin() -> Vin {
    Vin::parse("LFZTEST0000000001").unwrap()
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_790_000_000 + second).unwrap()
}

fn request(ticket: u64) -> CommandRequest {
    CommandRequest {
        ticket,
        vin: vin(),
        command: Command::Unlock,
        id: None,
        origin: Origin::Mqtt,
        received: at(0),
        expires: None,
    }
}

fn waiting(ticket: u64, expires: i64) -> Waiting {
    Waiting {
        request: request(ticket),
        admission: Admission { expires: at(expires) },
    }
}

/// A write of an unlock at this second, to a car of which nothing is known.
fn written(second: i64) -> Written {
    let view = CarView {
        car: Car::unlisted(vin(), Model::C10),
        powertrain: Powertrain::Bev,
        state: None,
        evidence: BTreeSet::new(),
        unknown_signals: BTreeSet::new(),
        pending: BTreeMap::new(),
        pin: PinStatus::Ready,
        reachable: true,
    };
    Written::new(&Command::Unlock, &view, at(second))
}

impl Stage {
    /// For a car that several accounts have, with a PIN in such a state.
    fn with(pins: &[PinStatus]) -> Self {
        let benches: Vec<Bench> = pins.iter().map(|_| Bench::new()).collect();
        let mut custody = Custody::default();
        let mut told = Vec::new();
        let mut ways = Vec::new();
        for (account, (bench, pin_status)) in benches.iter().zip(pins).enumerate() {
            custody.declare(account, &[Car::unlisted(vin(), Model::C10)]);
            let (poller, notices) = poller::testing::handle();
            told.push(notices);
            ways.push(Way {
                session: bench.session.clone(),
                poller,
                keepsake: bench.keepsake.clone(),
                pin: Some(PIN.into()),
                pin_status: *pin_status,
            });
        }
        let (reports, reported) = mpsc::channel(32);
        let (facts, _) = mpsc::channel(1);
        let tools = Tools {
            fleet: watch::channel(Fleet::new()).1,
            custody: watch::channel(custody).1,
            clock: Clock::real(),
            time_zone: TimeZone::UTC,
            reports,
            facts,
            policy: Arc::new(gate::Policy::default()),
            spacing: Duration::from_secs(10),
        };
        let (commander, requests) = Commander::new(vin(), ways, tools);
        Self {
            commander,
            requests,
            reports: reported,
            notices: told.swap_remove(0),
            benches,
        }
    }

    /// The state of the PIN with an account, as it is kept.
    fn kept(&self, account: usize) -> PinStatus {
        self.benches[account].keepsake.pin_status(&vin(), Some(&PIN.into()))
    }

    /// What became of requests since this was asked last.
    fn ended(&mut self) -> Vec<(u64, CommandState, Option<Reason>)> {
        ended(&mut self.reports)
    }

    /// Whether the car was told to be shown without a command on its way.
    fn stopped_pending(&mut self) -> bool {
        let mut told = std::iter::from_fn(|| self.notices.try_recv().ok());
        told.any(|notice| notice == Notice::Pending(vin(), EffectGroup::Lock, None))
    }
}

fn ended(reports: &mut mpsc::Receiver<CommandReport>) -> Vec<(u64, CommandState, Option<Reason>)> {
    let reports = std::iter::from_fn(|| reports.try_recv().ok());
    reports
        .map(|report| (report.ticket, report.state, report.reason))
        .collect()
}

#[tokio::test]
async fn a_write_that_the_cloud_refuses_keeps_the_next_one_at_its_distance() {
    let mut commander = Stage::with(&[PinStatus::Ready]).commander;
    for (sent, last_write) in [(None, None), (Some(at(0)), Some(at(0))), (None, Some(at(0)))] {
        let reason = Reason::CloudUnavailable;
        commander.settle(request(1), Outcome::Refused { reason, sent }).await;
        assert_eq!(commander.last_write, last_write);
    }
}

#[tokio::test]
async fn one_good_pin_is_enough_whichever_account_keeps_the_car() {
    use PinStatus::{Missing, Ready, Rejected};
    for (pins, shown) in [
        ([Rejected, Ready], Ready),
        ([Ready, Missing], Ready),
        ([Missing, Rejected], Rejected),
        ([Missing, Missing], Missing),
    ] {
        let mut stage = Stage::with(&pins);
        stage.commander.show_pin().await;
        assert_eq!(stage.notices.try_recv(), Ok(Notice::Pin(vin(), shown)), "{pins:?}");
    }
}

#[tokio::test]
async fn a_pin_is_marked_as_refused_only_when_the_cloud_refused_it() {
    let mut stage = Stage::with(&[PinStatus::Ready, PinStatus::Ready]);
    let in_flight = InFlight {
        ticket: 1,
        group: EffectGroup::Lock,
        account: 1,
    };
    stage.commander.in_flight = Some(in_flight);
    let known = Outcome::Refused {
        reason: Reason::PinRejected,
        sent: None,
    };
    stage.commander.settle(request(1), known).await;
    assert_eq!([stage.kept(0), stage.kept(1)], [PinStatus::Ready; 2]);

    stage.commander.in_flight = Some(in_flight);
    stage.commander.settle(request(2), Outcome::PinRefused).await;
    assert_eq!([stage.kept(0), stage.kept(1)], [PinStatus::Ready, PinStatus::Rejected]);
    let refused = |ticket| (ticket, CommandState::Refused, Some(Reason::PinRejected));
    assert_eq!(stage.ended(), [refused(1), refused(2)]);
}

#[tokio::test]
async fn what_waits_grows_old_also_while_a_write_is_under_way() {
    let mut stage = Stage::with(&[PinStatus::Ready]);
    stage.commander.queue.push(waiting(1, 30)).unwrap();
    let next = stage.commander.next_from_queue(true, at(0)).await;
    assert_eq!(next, Next::WaitUntil(at(30)), "it is not written, its turn or not");
    assert_eq!(stage.commander.next_from_queue(true, at(30)).await, Next::Empty);
    assert_eq!(stage.ended(), [(1, CommandState::Expired, Some(Reason::Expired))]);
}

#[tokio::test]
async fn a_command_that_ends_leaves_another_of_its_kind_pending() {
    let mut stage = Stage::with(&[PinStatus::Ready]);
    stage.commander.awaited = vec![(request(1), written(0)), (request(2), written(60))];
    let timeout = |ticket| (ticket, CommandState::NotConfirmed, Some(Reason::Timeout));
    stage.commander.judge_awaited(at(110)).await;
    assert_eq!(stage.ended(), [timeout(1)]);
    assert!(!stage.stopped_pending());
    stage.commander.judge_awaited(at(170)).await;
    assert_eq!(stage.ended(), [timeout(2)]);
    assert!(stage.stopped_pending());
}

#[tokio::test]
async fn a_stop_answers_every_command_and_says_which_of_them_may_happen() {
    for (is_sent, state) in [(false, CommandState::Refused), (true, CommandState::NotConfirmed)] {
        let mut stage = Stage::with(&[PinStatus::Ready]);
        stage.requests.try_send(request(1)).unwrap();
        stage.commander.queue.push(waiting(2, 30)).unwrap();
        stage.commander.awaited = vec![(request(4), written(0))];
        let under_way = UnderWay {
            request: request(3),
            is_sent: Arc::new(AtomicBool::new(is_sent)),
            outcome: Box::pin(std::future::pending::<Outcome>()),
        };
        let Stage {
            commander, mut reports, ..
        } = stage;
        commander.stop(Some(under_way)).await;
        let stopping = |ticket, state| (ticket, state, Some(Reason::Stopping));
        assert_eq!(
            ended(&mut reports),
            [
                stopping(1, CommandState::Refused),
                stopping(2, CommandState::Refused),
                stopping(3, state),
                stopping(4, CommandState::NotConfirmed),
            ]
        );
    }
}

#[tokio::test]
async fn a_clock_that_was_set_back_does_not_keep_the_next_write_waiting() {
    let mut commander = Stage::with(&[PinStatus::Ready]).commander;
    commander.last_write = Some(at(3_600));
    commander.queue.push(waiting(1, 30)).unwrap();
    commander.mind_the_clock(at(0));
    commander.mind_the_clock(at(10));
    let next = commander.next_from_queue(false, at(10)).await;
    assert_eq!(next, Next::Write(Box::new(waiting(1, 30))));
}
