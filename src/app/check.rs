//! `check`: walks the whole way from the broker to the cars and says what to do where it ends.

use std::process::ExitCode;

use anyhow::Context;
use jiff::Timestamp;
use secrecy::SecretString;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::{Start, outfit};
use crate::addon::SupervisorError;
use crate::clock::Clock;
use crate::cloud::{AppCertificate, CloudError, Credentials, Gateway, Session};
use crate::config::{Account, Settings};
use crate::garage::keepsake::Keepsake;
use crate::garage::session::Record;
use crate::garage::sign_ins::Wait;
use crate::mqtt;
use crate::store::{DataDir, Store, Vault};
use crate::vehicle::command::gate;
use crate::vehicle::command::registry::COMMANDS;
use crate::vehicle::{Car, PinStatus, Vin};

/// What is said of an account without cars.
const NO_CAR: &str = "the account has no car. Share the car to it in the official app of the owner and accept the share, \
                      there or by the button of the bridge; or use the account that the car belongs to";
/// What is said of a car whose PIN was refused.
const REFUSED_PIN: &str = "the cloud refused its PIN before; no command that needs it is sent until the PIN in the \
                           configuration is changed to that of the official app";

/// Runs the checks and says each result; the exit code is 0 only if all hold.
pub async fn run(start: &Start, say: impl Fn(&str) -> anyhow::Result<()>) -> anyhow::Result<ExitCode> {
    let (mut settings, super::Logging { redactor, .. }) = super::prepare(start)?;
    let clock = super::clock(start, &settings)?;
    let no_broker = super::addon::find_broker(start, &mut settings).await.err();
    let mut walk = Walk {
        say,
        no_broker,
        failures: 0,
    };

    let Some(directory) = walk.step("data directory", DataDir::open(&settings.data_dir))? else {
        // A sign-in would end the session of the bridge that runs there.
        walk.surroundings(&settings, None).await?;
        return walk.end();
    };
    let (store, writer) = Store::open(&directory);
    let vault = Vault::open(&directory, &store, settings.vault_key.clone(), redactor)?;
    let writing = CancellationToken::new();
    let written = tokio::spawn(writer.run(writing.clone()));
    let walked = walk.everything(&settings, clock, &store, &vault).await;
    // A session, or that a password was refused, must reach the disk, so that the bridge need not find out again.
    writing.cancel();
    written.await.context("the writer of documents died")?;
    walked?;
    walk.end()
}

/// Says results and counts failures.
struct Walk<S> {
    say: S,
    /// Why the Supervisor told no broker, where it is to tell one.
    no_broker: Option<SupervisorError>,
    failures: u32,
}

impl<S: Fn(&str) -> anyhow::Result<()>> Walk<S> {
    /// What can be looked at without signing in: the broker and the files of the app certificate.
    async fn surroundings(
        &mut self,
        settings: &Settings,
        vault: Option<&Vault>,
    ) -> anyhow::Result<Option<AppCertificate>> {
        if let Some(problem) = self.no_broker.clone() {
            self.step("broker", Err::<(), _>(problem))?;
            return self.step("app certificate", outfit::app_certificate(settings));
        }
        let broker = format!("broker {}:{}", settings.mqtt.host, settings.mqtt.port);
        match outfit::visitor_settings(settings, vault) {
            Ok(mqtt) => self.step(&broker, mqtt::probe(&mqtt, &outfit::mqtt_options(settings)).await)?,
            Err(error) => self.step(&broker, Err::<(), _>(error))?,
        };
        self.step("app certificate", outfit::app_certificate(settings))
    }

    async fn everything(
        &mut self,
        settings: &Settings,
        clock: Clock,
        store: &Store,
        vault: &Vault,
    ) -> anyhow::Result<()> {
        let certificate = self.surroundings(settings, Some(vault)).await?;
        if settings.accounts.is_empty() {
            self.fail("account", "none is configured; add one under `accounts`")?;
        }
        let Some(certificate) = certificate else {
            return Ok(());
        };
        for account in &settings.accounts {
            let (cloud, mut pin) = outfit::cloud_settings(settings, Some(store))?;
            let way = Way {
                gateway: Gateway::new(cloud, certificate.clone(), clock)?,
                keepsake: Keepsake::new(vault.clone(), account.username.clone()),
                store: store.clone(),
                clock,
            };
            let walked = self.account(settings, account, &way).await;
            if let Some(pin) = &mut pin {
                pin.keep(way.gateway.seen_fingerprint());
            }
            walked?;
        }
        Ok(())
    }

    async fn account(&mut self, settings: &Settings, account: &Account, way: &Way) -> anyhow::Result<()> {
        let keepsake = &way.keepsake;
        let name = keepsake.account();
        let Some(password) = account.password.clone().or_else(|| keepsake.password()) else {
            return self.fail(
                &format!("account {name}"),
                "no password is known; set it under `accounts`",
            );
        };
        let sign_in = format!("sign-in {name}");
        if keepsake.was_refused(&password) {
            let reason = "the cloud refused this password before; it is not tried again until it is changed";
            return self.fail(&sign_in, reason);
        }
        let listed = match cars_of_kept_session(&way.gateway, keepsake).await {
            Ok(Some(cars)) => {
                (self.say)(&format!("ok   {sign_in}: the kept session is good"))?;
                Ok(cars)
            }
            Ok(None) => {
                let credentials = Credentials {
                    username: account.username.clone(),
                    password,
                    p12_password: account.p12_password.clone(),
                };
                let Some(session) = self.step(&sign_in, way.sign_in(&credentials).await)? else {
                    return Ok(());
                };
                keepsake.keep(&session.saved());
                session.vehicles().await
            }
            // It may be as good as before, and a sign-in would end it.
            Err(error) => return self.fail(&format!("kept session {name}"), &error.to_string()),
        };
        let Some(cars) = self.step(&format!("vehicle list {name}"), some_car(listed))? else {
            return Ok(());
        };
        for car in &cars {
            let pin = pin(settings, account, &car.vin);
            self.car(settings, car, keepsake.pin_status(&car.vin, pin))?;
        }
        Ok(())
    }

    fn step<T, E: std::fmt::Display>(&mut self, what: &str, result: Result<T, E>) -> anyhow::Result<Option<T>> {
        match result {
            Ok(value) => {
                (self.say)(&format!("ok   {what}"))?;
                Ok(Some(value))
            }
            Err(error) => {
                self.fail(what, &format!("{error:#}"))?;
                Ok(None)
            }
        }
    }

    fn fail(&mut self, what: &str, reason: &str) -> anyhow::Result<()> {
        self.failures += 1;
        (self.say)(&format!("FAIL {what}: {reason}"))
    }

    /// The rights of a car: how many of our commands it offers, and whether there is a PIN for them.
    fn car(&mut self, settings: &Settings, car: &Car, pin: PinStatus) -> anyhow::Result<()> {
        let owner = if car.shared { "shared" } else { "own" };
        let name = format!("car {} {} ({owner})", car.model, car.vin);
        let pin = match pin {
            PinStatus::Rejected => return self.fail(&name, REFUSED_PIN),
            PinStatus::Ready => "PIN known",
            PinStatus::Missing => "no PIN: commands that need one are not offered",
        };
        let policy = outfit::command_policy(settings);
        let offered = COMMANDS.iter().filter(|spec| gate::offered(spec, car, &policy)).count();
        (self.say)(&format!(
            "ok   {name}: {offered} of {} commands offered, {pin}",
            COMMANDS.len()
        ))
    }

    fn end(self) -> anyhow::Result<ExitCode> {
        Ok(if self.failures == 0 {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        })
    }
}

/// The cars of a vehicle list; one without any is of no use.
fn some_car(listed: Result<Vec<Car>, CloudError>) -> Result<Vec<Car>, String> {
    match listed {
        Ok(cars) if cars.is_empty() => Err(NO_CAR.to_owned()),
        Ok(cars) => Ok(cars),
        Err(error) => Err(error.to_string()),
    }
}

/// The PIN of a car for an account: what its own entry says, else what another one does.
fn pin<'a>(settings: &'a Settings, account: &'a Account, vin: &Vin) -> Option<&'a SecretString> {
    let elsewhere = settings.accounts.iter().flat_map(|account| &account.cars);
    account
        .cars
        .iter()
        .chain(elsewhere)
        .filter(|car| car.vin == *vin)
        .find_map(|car| car.pin.as_ref())
}

/// The way into the cloud for one account, and what is remembered of it.
struct Way {
    gateway: Gateway,
    keepsake: Keepsake,
    store: Store,
    clock: Clock,
}

/// Why there is no new session.
#[derive(Debug, thiserror::Error)]
enum NoSignIn {
    #[error("the computer's clock is not set yet, so nothing can be signed")]
    ClockNotSet,
    #[error(
        "there is no kept session, and so soon after others nobody signs in: each sign-in signs the official app out, \
         and many make the cloud refuse the account for a while. Check again after {}",
        .0.strftime("%Y-%m-%dT%H:%M:%SZ")
    )]
    Rationed(Timestamp),
    #[error(transparent)]
    Cloud(#[from] CloudError),
}

impl From<Wait> for NoSignIn {
    fn from(wait: Wait) -> Self {
        match wait {
            Wait::ClockNotSet => Self::ClockNotSet,
            Wait::Until(moment) => Self::Rationed(moment),
        }
    }
}

impl Way {
    /// Signs in, within the ration that the bridge goes by too.
    async fn sign_in(&self, credentials: &Credentials) -> Result<Session, NoSignIn> {
        let now = self.clock.now();
        let mut record = Record::read(&self.store, &self.keepsake);
        record.sign_ins.allow(now)?;
        record.begin_sign_in(now);
        record.write(&self.store, &self.keepsake);
        // One that is cut short must not be forgotten either.
        if let Err(error) = self.store.flush().await {
            warn!(%error, "the bridge may not know of this sign-in");
        }
        let outcome = self.gateway.sign_in(credentials, &self.keepsake.device_id()).await;
        match &outcome {
            Err(CloudError::SignInRejected) => self.keepsake.mark_refused(&credentials.password),
            Err(error) if error.was_not_sent() => {
                record.sign_ins.not_sent();
                record.write(&self.store, &self.keepsake);
            }
            _ => {}
        }
        Ok(outcome?)
    }
}

/// The cars, if there is a session that still lives or can be refreshed. Using it spares a sign-in, which would sign the
/// account out elsewhere.
async fn cars_of_kept_session(gateway: &Gateway, keepsake: &Keepsake) -> Result<Option<Vec<Car>>, CloudError> {
    // One that cannot be read is as good as none.
    let Some(mut session) = keepsake.session().and_then(|saved| gateway.resume(saved).ok()) else {
        return Ok(None);
    };
    match session.vehicles().await {
        Err(CloudError::SessionLost) => {}
        listed => return listed.map(Some),
    }
    match session.refresh().await {
        Ok(()) => keepsake.keep(&session.saved()),
        Err(CloudError::SessionLost) => return Ok(None),
        Err(error) => return Err(error),
    }
    session.vehicles().await.map(Some)
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;
    use serde_json::{Value, json};
    use tempfile::TempDir;

    use super::*;
    use crate::cloud::testing::{Script, credentials, gateway, vector};
    use crate::config::Sources;
    use crate::garage::keepsake::testing::NewAccount;
    use crate::vehicle::Model;

    /// An account with a kept session, in front of a cloud made of recorded answers, and where it is kept.
    async fn signed_in() -> (TempDir, Way, Script) {
        let NewAccount {
            keepsake,
            store,
            writer,
            directory,
        } = NewAccount::new();
        // Ends with the runtime of the test.
        tokio::spawn(writer.run(CancellationToken::new()));
        let script = Script::default();
        let way = Way {
            gateway: gateway(&script),
            keepsake,
            store,
            clock: Clock::real(),
        };
        script.play(&vector("http", "login")["responses"]);
        let session = way.sign_in(&credentials()).await.unwrap();
        way.keepsake.keep(&session.saved());
        (directory, way, script)
    }

    fn code(code: i64) -> Value {
        json!({"status": 200, "body": json!({"code": code}).to_string()})
    }

    #[tokio::test]
    async fn a_kept_session_that_was_lost_is_refreshed_and_kept() {
        let (_directory, way, script) = signed_in().await;
        let refreshed = json!({"status": 200, "body": r#"{"code":0,"data":{"token":"new"}}"#});
        let list = json!({"status": 200, "body": r#"{"code":0,"data":{"bindcars":[]}}"#});
        script.play(&json!([code(3), refreshed, list]));
        let cars = cars_of_kept_session(&way.gateway, &way.keepsake).await.unwrap();
        assert_eq!(cars, Some(Vec::new()));
        let kept = way.keepsake.session().unwrap();
        assert!(kept.text().expose_secret().contains(r#""token":"new""#));
    }

    #[tokio::test]
    async fn only_a_session_whose_refresh_is_refused_is_as_good_as_none() {
        let (_directory, way, script) = signed_in().await;
        let kept = async |answers: Value| {
            script.play(&answers);
            cars_of_kept_session(&way.gateway, &way.keepsake).await
        };
        assert!(matches!(kept(json!([code(3), code(3)])).await, Ok(None)));
        for elsewhere in [json!([code(39)]), json!([code(3), code(39)])] {
            let outcome = kept(elsewhere).await;
            assert!(matches!(outcome, Err(CloudError::Verification)), "{outcome:?}");
        }
    }

    #[tokio::test]
    async fn a_sign_in_is_on_the_disk_before_it_is_sent() {
        let (directory, way, _script) = signed_in().await;
        let document = directory.path().join(format!("{}.json", way.keepsake.document()));
        assert!(std::fs::read_to_string(document).unwrap().contains("attempted"));
    }

    #[test]
    fn a_car_whose_pin_was_refused_and_an_account_without_cars_fail() {
        let said = std::cell::RefCell::new(Vec::new());
        let mut walk = Walk {
            say: |line: &str| {
                said.borrow_mut().push(line.to_owned());
                anyhow::Ok(())
            },
            no_broker: None,
            failures: 0,
        };
        let car = Car::unlisted(Vin::parse("LFZTEST0000000001").unwrap(), Model::C10);
        let sources = Sources {
            // An empty file, so that none of the working directory is read.
            config_file: Some("/dev/null".into()),
            ..Sources::default()
        };
        let settings = crate::config::load(sources).unwrap().settings;
        for pin in [PinStatus::Ready, PinStatus::Missing, PinStatus::Rejected] {
            walk.car(&settings, &car, pin).unwrap();
        }
        assert_eq!(walk.failures, 1);
        walk.step("vehicle list", some_car(Ok(Vec::new()))).unwrap();
        assert_eq!(walk.failures, 2);
        assert!(walk.step("vehicle list", some_car(Ok(vec![car]))).unwrap().is_some());
        let said = said.borrow();
        let starts: Vec<&str> = said.iter().map(|line| &line[..4]).collect();
        assert_eq!(starts, ["ok  ", "ok  ", "FAIL", "FAIL", "ok  "]);
        assert!(
            said[2].contains("refused its PIN") && said[3].contains("Share the car"),
            "{said:?}"
        );
    }

    #[tokio::test]
    async fn a_second_sign_in_within_a_minute_is_not_sent() {
        let (_directory, way, script) = signed_in().await;
        script.play(&json!([]));
        let refused = way.sign_in(&credentials()).await.err().unwrap();
        assert!(matches!(refused, NoSignIn::Rationed(_)), "{refused:?}");
        assert!(script.requests().is_empty());
    }
}
