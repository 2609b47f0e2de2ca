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
