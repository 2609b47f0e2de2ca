//! An account at work with a cloud made of recorded answers, for tests of everything that calls the cloud.

use serde_json::{Value, json};

use super::*;
use crate::cloud::Fingerprint;
use crate::cloud::testing::{Script, credentials, gateway, vector};
use crate::garage::keepsake::testing::NewAccount;
use crate::vehicle::{Car, Vin};

const CLOUD: &str = "https://cloud.example.org";

/// An account whose session task runs until the test ends.
pub(crate) struct Bench {
    /// What the cloud answers.
    pub(crate) script: Script,
    /// The way in.
    pub(crate) session: SessionHandle,
    /// What is kept of the account.
    pub(crate) keepsake: Keepsake,
    /// Where.
    pub(crate) store: Store,
    _directory: tempfile::TempDir,
    _statuses: mpsc::Receiver<(usize, AccountStatus)>,
}

impl Bench {
    /// An account that has not signed in yet.
    pub(crate) fn new() -> Self {
        let NewAccount {
            keepsake,
            store,
            writer,
            directory,
        } = NewAccount::new();
        let script = Script::default();
        let door = Door {
            gateway: gateway(&script),
            server_pin: Some(ServerPin::read(&store, CLOUD).unwrap()),
            credentials: credentials(),
            yield_for: Duration::from_secs(600),
        };
        let (watcher, statuses) = mpsc::channel(64);
        let (task, session) = SessionTask::new(door, keepsake.clone(), store.clone(), Clock::real(), (0, watcher));
        // Both end with the runtime of the test.
        tokio::spawn(writer.run(CancellationToken::new()));
        tokio::spawn(task.run(CancellationToken::new()));
        Self {
            script,
            session,
            keepsake,
            store,
            _directory: directory,
            _statuses: statuses,
        }
    }

    /// An account that has signed in.
    pub(crate) async fn signed_in() -> Self {
        let bench = Self::new();
        bench.script.play(&vector("http", "login")["responses"]);
        assert!(bench.session.lease().await.is_ok());
        bench
    }

    /// Reads the vehicle list, while the cloud gives these answers.
    pub(crate) async fn list(&self, answers: &[Value]) -> Result<Vec<Car>, CallError> {
        self.script.play(&Value::from(answers));
        self.session
            .call(|session| async move { session.vehicles().await })
            .await
    }

    /// The certificate of the cloud that is kept.
    pub(crate) fn kept_pin(&self) -> Option<Fingerprint> {
        ServerPin::read(&self.store, CLOUD).unwrap().fingerprint()
    }
}

/// An answer that holds this.
pub(crate) fn answer(data: &Value) -> Value {
    json!({"status": 200, "body": json!({"code": 0, "data": data}).to_string()})
}

/// A vehicle list with these cars of the account's own.
pub(crate) fn cars(vins: &[&Vin]) -> Value {
    let cars: Vec<Value> = vins
        .iter()
        .map(|vin| json!({"vin": vin.as_str(), "carType": "C10"}))
        .collect();
    answer(&json!({"bindcars": cars, "sharedcars": []}))
}
