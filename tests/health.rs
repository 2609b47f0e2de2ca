//! Whether the bridge lives: what containers and watchdogs are told.

#![allow(
    clippy::unwrap_used,
    reason = "a test fails by panicking, also in what its cases share"
)]

mod support;

use std::net::{Ipv4Addr, TcpListener};
use std::process::{Command, Output};
use std::time::Duration;

use serde_json::{Value, json};

use support::mosquitto::free_port;
use support::process::{Program, run};
use support::world::{World, eventually};

/// Where nobody ever listens, and no program is given its port.
const NOBODY: u16 = 1;

/// A bridge whose health can be asked for, without a broker.
struct Bridge {
    world: World,
    program: Program,
    address: String,
}

impl Bridge {
    fn start(change: impl FnOnce(&mut Value)) -> Self {
        let world = World::with_cars(&["T03"]);
        let address = format!("127.0.0.1:{}", free_port());
        let mut configuration = world.configuration(NOBODY);
        configuration["health"]["listen"] = json!(address);
        change(&mut configuration);
        let program = world.bridge(&configuration);
        Self {
            world,
            program,
            address,
        }
    }

    /// What `healthcheck` says.
    fn check(&self) -> Output {
        let file = self.world.configuration_file();
        run(
            self.world.directory.path(),
            &["healthcheck", "--config", file.to_str().unwrap()],
            "",
        )
    }

    async fn until_well(&self) {
        eventually("the bridge is well", Duration::from_secs(20), async || {
            self.check().status.success().then_some(())
        })
        .await;
    }
}

fn said(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bridge_without_broker_and_cloud_is_well_until_it_stands_still() {
    let bridge = Bridge::start(|configuration| {
        configuration["cloud"]["base_url"] = json!(format!("https://127.0.0.1:{NOBODY}"));
    });
    bridge.until_well().await;
    assert_eq!(said(&bridge.check()).trim(), "ok");
    let answer = get(&format!("http://{}/healthz", bridge.address)).await;
    assert_eq!(answer, (200, "ok\n".to_owned()));

    let signal = |name: &str| {
        let done = Command::new("kill")
            .args([name, &bridge.program.id().to_string()])
            .status();
        assert!(done.unwrap().success());
    };
    signal("-STOP");
    let frozen = bridge.check();
    assert_eq!(frozen.status.code(), Some(1), "{}", said(&frozen));
    signal("-CONT");
    bridge.until_well().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_and_somebody_else_are_told_from_the_bridge() {
    let directory = tempfile::tempdir().unwrap();
    let check = |address: &str| {
        let file = directory.path().join("c.yaml");
        std::fs::write(&file, json!({"health": {"listen": address}}).to_string()).unwrap();
        run(
            directory.path(),
            &["healthcheck", "--config", file.to_str().unwrap()],
            "",
        )
    };
    let nobody = format!("127.0.0.1:{NOBODY}");
    let refused = check(&nobody);
    assert_eq!(refused.status.code(), Some(1));
    assert!(
        said(&refused).contains(&format!("no bridge answers at {nobody}")),
        "{}",
        said(&refused)
    );

    let world = World::with_cars(&["T03"]);
    let control = world.cloud["control_url"].as_str().unwrap();
    let other = check(control.trim_start_matches("http://"));
    assert_eq!(other.status.code(), Some(1));
    assert!(said(&other).contains("is not the bridge"), "{}", said(&other));

    let wrong = check("here");
    assert_eq!(wrong.status.code(), Some(2));
    assert!(said(&wrong).contains("`health.listen`"), "{}", said(&wrong));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_taken_address_is_said_and_the_bridge_goes_on() {
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let mut bridge = Bridge::start(|configuration| configuration["health"]["listen"] = json!(address));
    eventually("the warning", Duration::from_secs(20), async || {
        bridge.program.log().contains("health.listen").then_some(())
    })
    .await;
    assert!(bridge.program.is_running());
    assert_eq!(bridge.program.stop(), Some(0));
}

async fn get(url: &str) -> (u16, String) {
    let answer = support::world::plain_http().get(url).send().await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}
