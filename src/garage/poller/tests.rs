//! The poller taking answers and notices, without a cloud behind it.

use jiff::tz::TimeZone;

use super::*;
use crate::garage::ledger::Standing;
use crate::garage::session::testing::Bench;
use crate::garage::{plan, settings};
use crate::vehicle::{Fleet, Model};

/// A poller, and what can be seen of it.
struct Stage {
    poller: Poller,
    fleet: watch::Receiver<Fleet>,
    troubles: mpsc::Receiver<(usize, Option<Problem>)>,
    _bench: Bench,
    _roll_call: mpsc::Receiver<RollCall>,
}

fn vin(number: u32) -> Vin {
    Vin::parse(&format!("LFZTEST{number:010}")).unwrap()
}

fn car(number: u32) -> Car {
    Car::unlisted(vin(number), Model::C10)
}

impl Stage {
    /// With so many cars.
    async fn with(cars: u32) -> Self {
        let bench = Bench::new();
        let (facts, _) = mpsc::channel(64);
        let (happenings, _) = mpsc::channel(64);
        let (roll, roll_call) = mpsc::channel(64);
        let (troubles, troubles_seen) = mpsc::channel(64);
        let (fleet, fleet_seen) = watch::channel(Fleet::new());
        let configured = settings::Configured {
            polling: plan::Policy {
                enabled: true,
                parked: Duration::from_secs(60),
                driving: Duration::from_secs(15),
                charging: Duration::from_secs(60),
                quiet: None,
            },
            budget: 2_500,
            log_level: "info",
        };
        let (_, _, wishes) = settings::Keeper::new(configured, bench.store.clone(), facts.clone(), Box::new(|_| {}));
        let standing = Standing {
            used: vec![0],
            resets: Timestamp::MAX,
        };
        let guidance = Guidance {
            wishes,
            standing: watch::channel(standing).1,
            time_zone: TimeZone::UTC,
        };
        let outlets = Outlets {
            fleet: Arc::new(fleet),
            roll,
            happenings,
            facts,
            troubles,
            custody: Arc::new(watch::Sender::new(Custody::default())),
            account: 0,
        };
        let (session, store) = (bench.session.clone(), bench.store.clone());
        let (poller, _) = Poller::new(session, guidance, BTreeMap::new(), Clock::real(), store, outlets);
        let mut stage = Self {
            poller,
            fleet: fleet_seen,
            troubles: troubles_seen,
            _bench: bench,
            _roll_call: roll_call,
        };
        stage.list(cars).await;
        stage
    }

    /// A vehicle list with so many cars arrives.
    async fn list(&mut self, cars: u32) {
        self.poller.enroll((1..=cars).map(car).collect()).await;
    }

    fn good(&mut self, number: u32) {
        self.poller.take_status(&vin(number), Ok(Frame::default()));
    }

    fn fail(&mut self, number: u32, error: impl Into<CallError>) {
        self.poller.take_status(&vin(number), Err(error.into()));
    }

    fn is_reachable(&self, number: u32) -> bool {
        self.fleet.borrow()[&vin(number)].reachable
    }

    /// The code of the trouble that is told now, if any is.
    async fn told(&mut self) -> Option<Option<&'static str>> {
        let trouble = self.poller.trouble();
        self.poller.voice.tell_trouble(trouble).await;
        let (_, trouble) = self.troubles.try_recv().ok()?;
        Some(trouble.map(|trouble| trouble.code))
    }
}

#[tokio::test]
async fn a_refused_car_that_is_listed_all_the_time_does_not_flap() {
    let mut stage = Stage::with(2).await;
    assert!(stage.is_reachable(1));
    for _ in 0..2 {
        stage.fail(1, CloudError::NotPermitted);
        assert!(!stage.is_reachable(1) && stage.is_reachable(2));
        stage.list(2).await;
        assert!(!stage.is_reachable(1) && stage.is_reachable(2));
    }
    stage.good(1);
    assert!(stage.is_reachable(1));
}

#[tokio::test]
async fn cars_are_lost_from_sight_whenever_it_is_found_out_that_the_owner_must_act() {
    let mut stage = Stage::with(2).await;
    let until = Timestamp::MAX;
    stage.fail(1, NoSession::Yielding { until });
    assert!(stage.is_reachable(1));
    stage.fail(1, NoSession::SignInNeeded("locked".to_owned()));
    assert!(!stage.is_reachable(1) && !stage.is_reachable(2));
    // One good read does not say that for the others; the list that is read soon does.
    stage.list(2).await;
    assert!(stage.is_reachable(1) && stage.is_reachable(2));
}

#[tokio::test]
async fn a_trouble_is_told_until_the_last_read_of_each_kind_was_good() {
    let mut stage = Stage::with(2).await;
    assert_eq!(stage.told().await, None);
    stage.fail(1, CloudError::Timeout);
    assert_eq!(stage.told().await, Some(Some("timeout")));
    stage.fail(1, CloudError::Timeout);
    stage.good(2);
    assert_eq!(stage.told().await, None, "nothing else than before");
    stage.poller.take_list(Err(CloudError::NotFound.into())).await;
    stage.good(1);
    assert_eq!(stage.told().await, Some(Some("server")));
    stage.list(2).await;
    assert_eq!(stage.told().await, Some(None));
}

#[tokio::test]
async fn a_trouble_that_only_the_owner_can_end_goes_before_others() {
    let mut stage = Stage::with(3).await;
    let refused = CloudError::AppVersionRefused {
        code: 60,
        message: "The App version is too low".to_owned(),
    };
    stage.fail(1, CloudError::Timeout);
    stage.fail(2, refused);
    stage.fail(3, CloudError::Timeout);
    assert_eq!(stage.told().await, Some(Some("server")));
}

#[tokio::test]
async fn a_car_that_is_gone_takes_its_trouble_along() {
    let mut stage = Stage::with(2).await;
    stage.fail(2, CloudError::NotPermitted);
    assert_eq!(stage.told().await, Some(Some("server")));
    stage.list(1).await;
    assert_eq!(stage.told().await, Some(None));
    assert!(!stage.fleet.borrow().contains_key(&vin(2)));
}

#[tokio::test]
async fn one_empty_list_takes_no_car_away() {
    let mut stage = Stage::with(2).await;
    stage.list(0).await;
    stage.list(0).await;
    assert_eq!(stage.fleet.borrow().len(), 2);
}

#[tokio::test]
async fn the_pin_is_right_also_when_it_is_told_before_the_car_is_kept() {
    let mut stage = Stage::with(1).await;
    let pin = |stage: &Stage, number| stage.fleet.borrow()[&vin(number)].pin;
    assert_eq!(pin(&stage, 1), PinStatus::Missing);
    for number in [1, 2] {
        stage.poller.take(Notice::Pin(vin(number), PinStatus::Ready)).await;
    }
    stage.list(2).await;
    assert_eq!((pin(&stage, 1), pin(&stage, 2)), (PinStatus::Ready, PinStatus::Ready));
}

#[tokio::test]
async fn values_lapse_once_a_nap_and_not_with_every_turn() {
    let mut stage = Stage::with(1).await;
    let begin = stage.poller.fresh;
    stage.poller.let_values_expire(begin.end() - Duration::from_millis(1));
    assert_eq!(stage.poller.fresh, begin);
    stage.poller.let_values_expire(begin.end());
    assert_eq!(stage.poller.fresh.end(), begin.end() + LONGEST_NAP);
}
