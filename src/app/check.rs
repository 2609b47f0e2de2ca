//! `check`: walks the whole way from the broker to the cars and says what to do where it ends.

use std::process::ExitCode;

use anyhow::Context;
use tokio_util::sync::CancellationToken;

use super::{Start, outfit};
use crate::addon::SupervisorError;
use crate::clock::Clock;
use crate::cloud::{AppCertificate, CloudError, Credentials, Gateway};
use crate::config::{Account, Settings};
use crate::garage::keepsake::Keepsake;
use crate::mqtt;
use crate::store::{DataDir, Store, Vault};
use crate::vehicle::Car;
use crate::vehicle::command::gate;
use crate::vehicle::command::registry::COMMANDS;

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
            let (cloud, _) = outfit::cloud_settings(settings, Some(store))?;
            let gateway = Gateway::new(cloud, certificate.clone(), clock)?;
            let keepsake = Keepsake::new(vault.clone(), account.username.clone());
            self.account(settings, account, &gateway, &keepsake).await?;
        }
        Ok(())
    }

    async fn account(
        &mut self,
        settings: &Settings,
        account: &Account,
        gateway: &Gateway,
        keepsake: &Keepsake,
    ) -> anyhow::Result<()> {
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
        let cars = match cars_of_kept_session(gateway, keepsake).await {
            Some(cars) => {
                (self.say)(&format!("ok   {sign_in}: the kept session is good"))?;
                cars
            }
            None => {
                let credentials = Credentials {
                    username: account.username.clone(),
                    password,
                    p12_password: account.p12_password.clone(),
                };
                let signed_in = gateway.sign_in(&credentials, &keepsake.device_id()).await;
                if matches!(signed_in, Err(CloudError::SignInRejected)) {
                    keepsake.mark_refused(&credentials.password);
                }
                let Some(session) = self.step(&sign_in, signed_in)? else {
                    return Ok(());
                };
                keepsake.keep(&session.saved());
                let listed = session.vehicles().await;
                self.step(&format!("vehicle list {name}"), listed)?.unwrap_or_default()
            }
        };
        for car in &cars {
            self.car(settings, car)?;
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

    /// The rights of a car: how many of our commands it offers, and whether a PIN is known for them.
    fn car(&mut self, settings: &Settings, car: &Car) -> anyhow::Result<()> {
        let policy = outfit::command_policy(settings);
        let offered = COMMANDS.iter().filter(|spec| gate::offered(spec, car, &policy)).count();
        let owner = if car.shared { "shared" } else { "own" };
        let has_pin = settings
            .accounts
            .iter()
            .flat_map(|account| &account.cars)
            .any(|configured| configured.vin == car.vin && configured.pin.is_some());
        let pin = if has_pin {
            "PIN known"
        } else {
            "no PIN: commands that need one are not offered"
        };
        (self.say)(&format!(
            "ok   car {} {} ({owner}): {offered} of {} commands offered, {pin}",
            car.model,
            car.vin,
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

/// The cars, if there is a session that still lives. Using it spares a sign-in, which would sign the account out elsewhere.
async fn cars_of_kept_session(gateway: &Gateway, keepsake: &Keepsake) -> Option<Vec<Car>> {
    let session = gateway.resume(keepsake.session()?).ok()?;
    session.vehicles().await.ok()
}
