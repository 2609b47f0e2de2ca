//! `check`: walks the whole way from the broker to the cars and says what to do where it ends.

use std::process::ExitCode;

use crate::cloud::{Credentials, Gateway, new_device_id};
use crate::config::Settings;
use crate::mqtt;
use crate::store::mask_email;
use crate::store::{DataDir, Store, Vault};
use crate::vehicle::Car;
use crate::vehicle::command::gate;
use crate::vehicle::command::registry::COMMANDS;

use super::Start;
use crate::garage::keepsake::Keepsake;

/// Runs the checks and says each result; the exit code is 0 only if all hold.
pub async fn run(start: &Start, say: impl Fn(&str) -> anyhow::Result<()>) -> anyhow::Result<ExitCode> {
    let (settings, redactor) = super::prepare(start)?;
    let clock = super::clock(start, &settings)?;
    let mut walk = Walk { say, failures: 0 };

    // The data directory holds what a running bridge knows. While one runs, it cannot be opened a second time; then the
    // check signs in by itself.
    let opened = DataDir::open(&settings.data_dir).ok().and_then(|directory| {
        let (store, _) = Store::open(&directory);
        let vault = Vault::open(&directory, &store, settings.vault_key.clone(), redactor).ok()?;
        Some((directory, store, vault))
    });
    let vault = opened.as_ref().map(|(_, _, vault)| vault);

    let broker = format!("broker {}:{}", settings.mqtt.host, settings.mqtt.port);
    match super::mqtt_settings(&settings, vault) {
        Ok(mqtt) => walk.step(&broker, mqtt::probe(&mqtt, &super::mqtt_options(&settings)).await)?,
        Err(error) => walk.step(&broker, Err::<(), _>(error))?,
    };
    if settings.accounts.is_empty() {
        walk.note("account", "none is configured; add one under `accounts`")?;
        walk.failures += 1;
        return walk.end();
    }
    let Some(certificate) = walk.step("app certificate", super::app_certificate(&settings))? else {
        return walk.end();
    };
    for account in &settings.accounts {
        let name = mask_email(&account.username);
        let keepsake = vault.map(|vault| Keepsake::new(vault.clone(), account.username.clone()));
        let password = account
            .password
            .clone()
            .or_else(|| keepsake.as_ref().and_then(Keepsake::password));
        let Some(password) = password else {
            walk.note(
                &format!("account {name}"),
                "no password is known; set it under `accounts`",
            )?;
            walk.failures += 1;
            continue;
        };
        if keepsake
            .as_ref()
            .is_some_and(|keepsake| keepsake.was_refused(&password))
        {
            walk.note(
                &format!("sign-in {name}"),
                "the cloud refused this password before; it is not tried again",
            )?;
            walk.failures += 1;
            continue;
        }
        let credentials = Credentials {
            username: account.username.clone(),
            password,
            p12_password: account.p12_password.clone(),
        };
        let (cloud, _) = super::cloud_settings(&settings, opened.as_ref().map(|(_, store, _)| store))?;
        let gateway = Gateway::new(cloud, certificate.clone(), clock)?;
        cars_of(&mut walk, &settings, &gateway, &credentials, keepsake.as_ref(), &name).await?;
    }
    walk.end()
}

async fn cars_of<S: Fn(&str) -> anyhow::Result<()>>(
    walk: &mut Walk<S>,
    settings: &Settings,
    gateway: &Gateway,
    credentials: &Credentials,
    keepsake: Option<&Keepsake>,
    name: &str,
) -> anyhow::Result<()> {
    // A session that still lives is used, so that checking does not throw the running bridge or the phone out.
    let kept = keepsake
        .and_then(Keepsake::session)
        .and_then(|saved| gateway.resume(saved).ok());
    let cars = match kept {
        Some(session) => session.vehicles().await.ok(),
        None => None,
    };
    let cars = match cars {
        Some(cars) => {
            walk.note(&format!("ok   sign-in {name}"), "the kept session is good")?;
            Some(cars)
        }
        None => {
            let device_id = keepsake.map_or_else(new_device_id, Keepsake::device_id);
            let signed_in = gateway.sign_in(credentials, &device_id).await;
            let Some(session) = walk.step(&format!("sign-in {name}"), signed_in)? else {
                return Ok(());
            };
            if let Some(keepsake) = keepsake {
                keepsake.keep(&session.saved());
            }
            walk.step(&format!("vehicle list {name}"), session.vehicles().await)?
        }
    };
    for car in cars.unwrap_or_default() {
        walk.car(settings, &car)?;
    }
    Ok(())
}

/// Says results and counts failures.
struct Walk<S> {
    say: S,
    failures: u32,
}

impl<S: Fn(&str) -> anyhow::Result<()>> Walk<S> {
    fn step<T, E: std::fmt::Display>(&mut self, what: &str, result: Result<T, E>) -> anyhow::Result<Option<T>> {
        match result {
            Ok(value) => {
                (self.say)(&format!("ok   {what}"))?;
                Ok(Some(value))
            }
            Err(error) => {
                self.failures += 1;
                (self.say)(&format!("FAIL {what}: {error:#}"))?;
                Ok(None)
            }
        }
    }

    fn note(&mut self, what: &str, text: &str) -> anyhow::Result<()> {
        (self.say)(&format!("{what}: {text}"))
    }

    /// The rights of a car: how many of our commands it offers, and whether a PIN is known for them.
    fn car(&mut self, settings: &Settings, car: &Car) -> anyhow::Result<()> {
        let policy = super::command_policy(settings);
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
