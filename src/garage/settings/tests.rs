use super::*;
use crate::store::DataDir;
use crate::vehicle::facts::Value;

const CONFIGURED: Configured = Configured {
    polling: Policy {
        enabled: true,
        parked: Duration::from_secs(90),
        driving: Duration::from_secs(15),
        charging: Duration::from_secs(20),
        quiet: None,
    },
    budget: 2_500,
    log_level: "info",
};

fn vin() -> Vin {
    Vin::parse("LFZTEST0000000C10").unwrap()
}

fn car() -> Subject {
    Subject::Car(vin())
}

/// A keeper at work, and everything around it.
struct Bench {
    asks: mpsc::Sender<Ask>,
    facts: mpsc::Receiver<FactUpdate>,
    wishes: watch::Receiver<Wishes>,
    levels: std::sync::mpsc::Receiver<&'static str>,
}

impl Bench {
    async fn new(store: &Store) -> Self {
        let (facts, seen) = mpsc::channel(64);
        let (level, levels) = std::sync::mpsc::channel();
        let turn = Box::new(move |wanted| level.send(wanted).unwrap());
        let (keeper, asks, wishes) = Keeper::new(CONFIGURED, store.clone(), facts, turn);
        tokio::spawn(keeper.run(CancellationToken::new()));
        asks.send(Ask::Appeared(vin())).await.unwrap();
        let mut bench = Self {
            asks,
            facts: seen,
            wishes,
            levels,
        };
        bench.next("quiet_hours_end").await;
        bench
    }

    async fn change(&self, subject: Subject, key: FactKey, text: &str) {
        self.asks
            .send(Ask::Change(subject, key, text.to_owned()))
            .await
            .unwrap();
    }

    /// The next value of a fact.
    async fn next(&mut self, key: FactKey) -> Value {
        loop {
            let update = self.facts.recv().await.unwrap();
            if update.key == key {
                return update.value.unwrap();
            }
        }
    }

    fn policy(&self) -> Policy {
        *self.wishes.borrow().policy(&vin())
    }
}

fn store() -> (tempfile::TempDir, Store) {
    let directory = tempfile::tempdir().unwrap();
    let (store, _) = Store::open(&DataDir::open(directory.path()).unwrap());
    (directory, store)
}

#[tokio::test]
async fn nobody_chose_so_the_configuration_holds_and_is_shown() {
    let (_directory, store) = store();
    let (facts, mut seen) = mpsc::channel(64);
    let (keeper, asks, wishes) = Keeper::new(CONFIGURED, store, facts, Box::new(|_| {}));
    asks.send(Ask::Appeared(vin())).await.unwrap();
    drop(asks);
    keeper.run(CancellationToken::new()).await;
    assert_eq!(*wishes.borrow().policy(&vin()), CONFIGURED.polling);
    let mut shown = BTreeMap::new();
    while let Ok(update) = seen.try_recv() {
        shown.insert(update.key, update.value.unwrap());
    }
    assert_eq!(
        shown.keys().copied().collect::<BTreeSet<_>>(),
        FACTS.into_iter().collect()
    );
    assert_eq!(shown["poll_interval_parked"], Value::Number(2.0, 0), "90 s, rounded up");
    assert_eq!(
        shown["poll_interval_charging"],
        Value::Number(30.0, 0),
        "the least that can be set"
    );
    assert_eq!(shown["poll_profile"], Value::Text("balanced".to_owned()));
    assert_eq!(shown["polling_enabled"], Value::Flag(true));
    assert_eq!(shown["requests_budget"], Value::Number(2_500.0, 0));
}

#[tokio::test]
async fn an_interval_that_is_set_is_followed_and_survives_a_restart() {
    let (_directory, store) = store();
    let mut bench = Bench::new(&store).await;
    bench.change(car(), "poll_interval_driving", "25").await;
    assert_eq!(bench.next("poll_profile").await, Value::Text("manual".to_owned()));
    assert_eq!(bench.next("poll_interval_driving").await, Value::Number(25.0, 0));
    assert_eq!(bench.policy().driving, Duration::from_secs(25));
    assert_eq!(bench.policy().parked, CONFIGURED.polling.parked);

    let bench = Bench::new(&store).await;
    assert_eq!(bench.policy().driving, Duration::from_secs(25));
    bench.change(car(), "poll_profile", "eco").await;
    let mut bench = bench;
    bench.next("poll_profile").await;
    assert_eq!(
        bench.policy().driving,
        Duration::from_secs(45),
        "a profile goes by the configuration"
    );
}

#[tokio::test]
async fn what_is_refused_is_shown_as_it_was() {
    let (_directory, store) = store();
    let mut bench = Bench::new(&store).await;
    bench.change(car(), "poll_interval_driving", "5").await;
    assert_eq!(bench.next("poll_interval_driving").await, Value::Number(15.0, 0));
    assert_eq!(bench.policy(), CONFIGURED.polling);
}

#[tokio::test]
async fn quiet_hours_need_both_ends_and_polling_can_be_paused() {
    let (_directory, store) = store();
    let mut bench = Bench::new(&store).await;
    bench.change(car(), "quiet_hours_start", "23:00").await;
    bench.next("quiet_hours_start").await;
    assert_eq!(bench.policy().quiet, None);
    bench.change(car(), "quiet_hours_end", "06:00").await;
    bench.next("quiet_hours_end").await;
    assert!(
        bench
            .policy()
            .quiet
            .is_some_and(|hours| hours.covers("05:59".parse().unwrap()))
    );
    bench.change(car(), "polling_enabled", "OFF").await;
    bench.next("polling_enabled").await;
    assert!(!bench.policy().enabled);
}

#[tokio::test]
async fn the_budget_and_the_log_level_are_the_bridges() {
    let (_directory, store) = store();
    let mut bench = Bench::new(&store).await;
    bench.change(Subject::Bridge, "requests_budget", "4000").await;
    bench.next("requests_budget").await;
    assert_eq!(bench.wishes.borrow().budget, 4_000);
    bench.change(Subject::Bridge, "bridge_log_level", "debug").await;
    bench.next("bridge_log_level").await;
    assert_eq!(bench.levels.try_recv(), Ok("debug"));
    assert_eq!(
        Bench::new(&store).await.levels.try_recv(),
        Ok("debug"),
        "after a restart"
    );
}

#[tokio::test]
async fn a_car_that_nobody_has_gets_no_settings() {
    let (_directory, store) = store();
    let mut bench = Bench::new(&store).await;
    let stranger = Subject::Car(Vin::parse("LFZTEST0000000T03").unwrap());
    bench.change(stranger, "polling_enabled", "OFF").await;
    bench.change(car(), "polling_enabled", "ON").await;
    bench.next("polling_enabled").await;
    assert_eq!(store.read::<Chosen>(DOCUMENT).unwrap().unwrap().cars.len(), 1);
}
