//! The Home Assistant add-on: what its owner meets, with a Supervisor that is not one.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails by panicking and says so on the terminal"
)]

mod home;
mod manifest;
mod publishing;
mod rating;
mod supervisor;
#[path = "../support/mod.rs"]
mod support;

use std::os::unix::fs::MetadataExt;
use std::time::Duration;

use serde_json::json;

use home::{Home, logged};
use support::listener::Listener;
use support::mosquitto::Mosquitto;
use support::world::eventually;

/// A broker as the Mosquitto broker add-on is one, and somebody who listens there.
async fn broker(password: &str) -> Option<(Mosquitto, Listener)> {
    let mut broker = Mosquitto::prepare()?;
    let settings = broker.password_file("addons", password);
    broker.set_password("listener", "listener");
    broker.configure(&settings);
    broker.run();
    let listener = Listener::connect_as(broker.port(), Some(("listener", "listener"))).await;
    Some((broker, listener))
}

async fn online(listener: &Listener) {
    listener.expect("leapmotor2mqtt/bridge/state", "online").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_nothing_but_an_account_the_cars_appear_on_the_broker_that_the_supervisor_tells() {
    let Some((broker, listener)) = broker("s3cret-of-the-broker").await else {
        return;
    };
    let home = Home::new().await;
    home.supervisor.tell(broker.port(), "addons", "s3cret-of-the-broker");
    home.options(&home.owners_options());
    let mut addon = home.start();
    online(&listener).await;
    let topic = |key: &str| format!("leapmotor2mqtt/{}/{key}", home.world.vin(0));
    listener.expect(&topic("door_lock"), "LOCKED").await;
    listener.expect(&topic("commands/availability"), "online").await;
    assert_eq!(addon.stop(), Some(0));
    let log = addon.log();
    let password = home.world.cloud["accounts"][0]["password"].as_str().unwrap();
    for secret in ["s3cret-of-the-broker", supervisor::TOKEN, password] {
        assert!(!log.contains(secret), "{secret} in the log");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn changed_credentials_of_the_broker_are_followed_without_a_restart() {
    let Some((mut broker, listener)) = broker("old").await else {
        return;
    };
    let home = Home::new().await;
    home.supervisor.tell(broker.port(), "addons", "old");
    let mut addon = home.start();
    online(&listener).await;

    broker.set_password("addons", "new");
    broker.kill();
    broker.run();
    logged(&mut addon, &["the broker refused"]).await;
    listener.forget();
    home.supervisor.tell(broker.port(), "addons", "new");
    online(&listener).await;
    assert!(addon.is_running());
    assert_eq!(addon.stop(), Some(0));
    listener.expect("leapmotor2mqtt/bridge/state", "offline").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_is_missing_is_waited_for_and_every_trouble_says_what_to_do() {
    let Some((broker, listener)) = broker("s3cret").await else {
        return;
    };
    let home = Home::new().await;
    let mut addon = home.start();
    let line = logged(&mut addon, &["install and start the Mosquitto broker add-on"]).await;
    assert!(line.contains("asks again every 30 s"), "{line}");
    for (status, body, words) in [
        (401, "", "restart the add-on"),
        (403, "{}", "install the add-on again"),
        (200, "<html>it is raining</html>", "is not understood"),
        (502, "", "does not answer"),
    ] {
        home.supervisor.answer(status, body);
        logged(&mut addon, &[words]).await;
    }
    home.supervisor.tell(broker.port(), "addons", "s3cret");
    online(&listener).await;
    let said = addon.log().matches("install and start the Mosquitto").count();
    assert_eq!(said, 1, "a trouble is said once");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_that_somebody_asks_for_needs_no_watchdog() {
    let Some((broker, listener)) = broker("s3cret").await else {
        return;
    };
    let home = Home::new().await;
    home.supervisor.tell(broker.port(), "addons", "s3cret");
    let mut addon = home.start();
    online(&listener).await;
    listener.forget();
    listener
        .publish("leapmotor2mqtt/bridge/bridge_restart/set", "PRESS", false)
        .await;
    listener
        .expect_message("leapmotor2mqtt/bridge/state", &["offline"])
        .await;
    online(&listener).await;
    assert!(addon.is_running());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_the_owner_names_wins() {
    let Some((broker, listener)) = broker("mine").await else {
        return;
    };
    let home = Home::new().await;
    let mut options = home.owners_options();
    options["mqtt"] = json!({"host": "127.0.0.1", "port": broker.port(), "username": "addons", "password": "mine"});
    home.options(&options);
    let _addon = home.start();
    online(&listener).await;
    assert_eq!(home.supervisor.asked(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_certificate_folder_is_named_and_looked_at_again() {
    let Some((broker, listener)) = broker("s3cret").await else {
        return;
    };
    let home = Home::new().await;
    home.remove_certificates();
    home.supervisor.tell(broker.port(), "addons", "s3cret");
    home.options(&home.owners_options());
    let mut addon = home.start();
    logged(
        &mut addon,
        &["put app_cert.pem and app_key.pem", "addon_configs", "every minute"],
    )
    .await;
    listener.expect("leapmotor2mqtt/bridge/bridge_problem", "ON").await;
    home.put_certificates();
    let lock = format!("leapmotor2mqtt/{}/door_lock", home.world.vin(0));
    listener.expect(&lock, "LOCKED").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn options_that_cannot_be_used_are_named_and_the_add_on_stays_up() {
    let home = Home::new().await;
    let mut options = home.owners_options();
    options["cars"][0]["vin"] = json!("not a VIN");
    home.options(&options);
    let mut addon = home.start();
    let line = logged(
        &mut addon,
        &["options.json", "`accounts[0].cars[0].vin`", "Configuration page"],
    )
    .await;
    assert!(line.contains("ERROR"), "{line}");
    eventually("it is well", Duration::from_secs(20), async || {
        home.run("healthcheck").status.success().then_some(())
    })
    .await;
    assert_eq!(addon.stop(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_for_the_broker_that_is_missing_is_named_and_the_add_on_stays_up() {
    let home = Home::new().await;
    let broker = json!({"host": "127.0.0.1", "tls": {"ca": home.config().join("gone.pem")}});
    std::fs::write(home.config().join("config.yaml"), json!({ "mqtt": broker }).to_string()).unwrap();
    let mut addon = home.start();
    logged(
        &mut addon,
        &["config.yaml", "`mqtt.tls.ca`", "gone.pem", "the bridge waits"],
    )
    .await;
    assert_eq!(addon.stop(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_without_password_is_named_and_the_cloud_is_left_alone() {
    let home = Home::new().await;
    let mut options = home.owners_options();
    options["accounts"][0]["password"] = json!("");
    home.options(&options);
    let mut addon = home.start();
    logged(&mut addon, &["no password is known", "`accounts`"]).await;
    assert_eq!(home.world.count("/login").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_made_afresh_reads_what_the_one_before_kept() {
    let Some((broker, listener)) = broker("s3cret").await else {
        return;
    };
    let home = Home::new().await;
    home.supervisor.tell(broker.port(), "addons", "s3cret");
    home.options(&home.owners_options());
    let lock = format!("leapmotor2mqtt/{}/door_lock", home.world.vin(0));
    for _ in 0..2 {
        listener.forget();
        // The Supervisor writes the options before every start, as root.
        home.options(&home.owners_options());
        let mut addon = home.start();
        listener.expect(&lock, "LOCKED").await;
        assert_eq!(addon.stop(), Some(0));
        assert!(!addon.log().contains("encrypted with another key"));
    }
    assert_eq!(
        home.world.count("/acct/v1/login").await,
        1,
        "the session was kept and read"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_rights_of_root_are_given_up() {
    let home = Home::new().await;
    if std::fs::metadata(home.data()).unwrap().uid() != 0 {
        println!("SKIPPED: only root can give up its rights");
        return;
    }
    let mut addon = home.start();
    logged(&mut addon, &["Mosquitto broker"]).await;
    let status = std::fs::read_to_string(format!("/proc/{}/status", addon.id())).unwrap();
    let numbers = |name: &str| {
        let line = status.lines().find(|line| line.starts_with(name)).unwrap();
        line.split_whitespace().skip(1).map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(numbers("Uid:"), ["1000"; 4]);
    assert_eq!(numbers("Gid:"), ["1000"; 4]);
    assert!(numbers("Groups:").is_empty());
    assert_eq!(numbers("CapEff:"), ["0000000000000000"]);
    for entry in std::fs::read_dir(home.data()).unwrap() {
        assert_eq!(entry.unwrap().metadata().unwrap().uid(), 1000);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn check_asks_the_supervisor_for_the_broker() {
    let home = Home::new().await;
    let said = |output: std::process::Output| String::from_utf8(output.stdout).unwrap();
    let told = said(home.run("check"));
    assert!(
        told.contains("FAIL broker") && told.contains("install and start the Mosquitto"),
        "{told}"
    );
    let Some((broker, _listener)) = broker("s3cret").await else {
        return;
    };
    home.supervisor.tell(broker.port(), "addons", "s3cret");
    let told = said(home.run("check"));
    assert!(
        told.contains(&format!("ok   broker 127.0.0.1:{}", broker.port())),
        "{told}"
    );
}
