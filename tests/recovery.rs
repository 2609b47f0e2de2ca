//! What breaks under the bridge, and that it carries on: disk, data directory, names, TLS, and being told to stop at a
//! bad moment. The broker and the cloud have tests of their own; everything at once is in `tests/chaos`.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod support;

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};

use support::at_work::AtWork;
use support::listener::Listener;
use support::mosquitto::Mosquitto;
use support::process::Program;
use support::world::{World, eventually};

const PATIENCE: Duration = Duration::from_secs(30);

/// How long a stop may take, whatever hangs.
const STOPPING: Duration = Duration::from_secs(5);

/// A budget that nobody has by default, as a setting to be written down.
const BUDGET: &str = "4321";

/// Waits for a text in the bridge's log.
async fn logged(bridge: &Program, text: &str) {
    eventually(&format!("{text:?} is logged"), PATIENCE, async || {
        bridge.log().contains(text).then_some(())
    })
    .await;
}

/// Stops it and demands that it ends well and in time.
fn stops(bridge: &mut Program) {
    let begun = Instant::now();
    assert_eq!(bridge.stop(), Some(0));
    assert!(begun.elapsed() < STOPPING, "it took {:?}", begun.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_answers_the_command_that_waits_before_it_says_offline() {
    let Some(mut at_work) = AtWork::with(&["C10"], |_, configuration| {
        configuration["commands"]["spacing_seconds"] = json!(300);
    })
    .await
    else {
        return;
    };
    at_work.listener.expect(&at_work.topic("door_lock"), "LOCKED").await;
    at_work.ask(json!({"command": "find-car", "id": "first"})).await;
    assert_eq!(at_work.outcome("first").await.0, "confirmed");
    at_work.ask(json!({"command": "lock", "id": "waits"})).await;
    eventually("it is accepted", PATIENCE, async || {
        (at_work.answers("waits").len() == 1).then_some(())
    })
    .await;

    stops(&mut at_work.bridge);
    assert_eq!(
        at_work.outcome("waits").await,
        ("refused".to_owned(), Some("stopping".to_owned()))
    );
    at_work.listener.expect("leapmotor2mqtt/bridge/state", "offline").await;
    let heard = at_work.listener.messages();
    let place = |wanted: &dyn Fn(&str, &str) -> bool| heard.iter().rposition(|(topic, payload)| wanted(topic, payload));
    let answered = place(&|topic, payload| topic.ends_with("/command/result") && payload.contains("stopping"));
    let offline = place(&|topic, payload| topic.ends_with("/bridge/state") && payload == "offline");
    assert!(answered < offline, "{answered:?} {offline:?}");
    assert_eq!(at_work.world.writes().await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_waits_neither_for_a_broker_that_is_away_nor_for_a_cloud_that_hangs() {
    let Some(mut at_work) = AtWork::with_a_car().await else {
        return;
    };
    let configuration = at_work.world.configuration(at_work.broker.port());
    at_work.broker.kill();
    logged(&at_work.bridge, "away").await;
    stops(&mut at_work.bridge);
    at_work.broker.run();

    // Hanging in a read of the poller, and in the renewal of the session.
    for (path, fault) in [
        ("/status/get/c10", None),
        (
            "/token/refresh",
            Some(json!({"kind": "code", "code": 3, "path": "/status/get/c10"})),
        ),
    ] {
        at_work.listener.forget();
        let mut bridge = at_work.world.bridge(&configuration);
        at_work.listener.expect("leapmotor2mqtt/bridge/state", "online").await;
        at_work.listener.expect(&at_work.topic("door_lock"), "LOCKED").await;
        let hangs = json!({"kind": "delay", "seconds": 25, "path": path, "times": 0});
        at_work.world.order(hangs).await;
        if let Some(fault) = fault {
            at_work.world.order(fault).await;
        }
        let asked = at_work.world.count(path).await;
        eventually("the cloud hangs", PATIENCE, async || {
            (at_work.world.count(path).await > asked).then_some(())
        })
        .await;
        stops(&mut bridge);
        at_work.listener.expect("leapmotor2mqtt/bridge/state", "offline").await;
        at_work.world.control(Method::DELETE, "/faults", None).await;
    }
    // The session was kept over all of that, up to the renewal that was cut short.
    assert_eq!(at_work.world.count("/acct/v1/login").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_data_directory_that_may_not_be_written_is_named_at_the_start_and_later_does_not_stop_the_bridge() {
    let Some(broker) = Mosquitto::start() else { return };
    let world = World::with_cars(&["C10"]);
    let configuration = world.configuration(broker.port());
    let data = world.directory.path().join("data");
    fs::create_dir(&data).unwrap();
    let wrapper = without_privileges();

    fs::set_permissions(&data, Permissions::from_mode(0o555)).unwrap();
    let mut refused = world.bridge_through(&wrapper, &configuration);
    eventually("it ends", PATIENCE, async || (!refused.is_running()).then_some(())).await;
    assert_eq!(refused.stop(), Some(1));
    let said = refused.log();
    let last = said.lines().last().unwrap_or_default();
    assert!(
        last.contains("data directory") && last.contains("Permission denied"),
        "{said}"
    );

    fs::set_permissions(&data, Permissions::from_mode(0o755)).unwrap();
    let at_work = at_work(world, broker, |world| world.bridge_through(&wrapper, &configuration)).await;
    fs::set_permissions(&data, Permissions::from_mode(0o555)).unwrap();
    carries_on_without_its_disk(at_work, &data, || {
        fs::set_permissions(&data, Permissions::from_mode(0o755)).unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_is_full_does_not_stop_the_bridge() {
    let Some(broker) = Mosquitto::start() else { return };
    let world = World::with_cars(&["C10"]);
    let configuration = world.configuration(broker.port());
    let data = world.directory.path().join("data");
    fs::create_dir(&data).unwrap();
    let Some(wrapper) = on_a_small_disk(&data) else {
        return support::skipped("no small disk can be mounted");
    };
    let wrapper: Vec<&str> = wrapper.iter().map(String::as_str).collect();
    let at_work = at_work(world, broker, |world| world.bridge_through(&wrapper, &configuration)).await;
    // The disk is seen by the bridge alone; its root leads there.
    let root = PathBuf::from(format!("/proc/{}/root", at_work.bridge.id()));
    let disk = root.join(data.strip_prefix("/").unwrap());
    let filler = disk.join("filler");
    let full = fs::write(&filler, vec![1; 4 << 20]).unwrap_err();
    assert_eq!(full.kind(), std::io::ErrorKind::StorageFull);
    carries_on_without_its_disk(at_work, &disk, || fs::remove_file(&filler).unwrap()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_data_directory_that_is_removed_does_not_stop_the_bridge() {
    let Some(at_work) = AtWork::with_a_car().await else {
        return;
    };
    let data = at_work.world.directory.path().join("data");
    fs::remove_dir_all(&data).unwrap();
    carries_on_without_its_disk(at_work, &data, || fs::create_dir(&data).unwrap()).await;
}

/// With a disk that takes nothing, and then does again: the trouble is said once, cars and commands work all the same,
/// and what was to be kept is kept in the end. `data` is where the test sees the data directory.
async fn carries_on_without_its_disk(mut at_work: AtWork, data: &Path, mend: impl FnOnce()) {
    let setting = "leapmotor2mqtt/bridge/requests_budget";
    at_work.listener.publish(&format!("{setting}/set"), BUDGET, false).await;
    at_work.listener.expect(setting, BUDGET).await;
    logged(&at_work.bridge, "a document cannot be saved").await;

    at_work
        .ask(json!({"command": "unlock", "id": "all the same", "expires": "2099-01-01T00:00:00Z"}))
        .await;
    assert_eq!(at_work.outcome("all the same").await, ("confirmed".to_owned(), None));
    at_work.listener.expect(&at_work.topic("door_lock"), "UNLOCKED").await;

    mend();
    logged(&at_work.bridge, "documents can be saved again").await;
    let complaints = at_work.bridge.log().matches("a document cannot be saved").count();
    assert_eq!(complaints, 1, "{}", at_work.bridge.log());
    let kept = fs::read_to_string(data.join("settings.json")).unwrap();
    let kept: Value = serde_json::from_str(&kept).unwrap();
    assert_eq!(kept["data"]["bridge"]["requests_budget"], json!(BUDGET), "{kept}");
    stops(&mut at_work.bridge);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cloud_that_cannot_be_reached_is_stated_and_asked_again() {
    let Some(broker) = Mosquitto::start() else { return };
    let world = World::with_cars(&["T03"]);
    let listener = Listener::connect(broker.port()).await;
    let mut configuration = world.configuration(broker.port());
    // Nobody listens there.
    configuration["cloud"]["base_url"] = json!("https://127.0.0.1:1");
    let mut bridge = world.bridge(&configuration);
    listener.expect("leapmotor2mqtt/bridge/bridge_cloud", "OFF").await;
    listener
        .expect("leapmotor2mqtt/bridge/bridge_last_error", "network")
        .await;
    stops(&mut bridge);

    let _mended = world.bridge(&world.configuration(broker.port()));
    listener.expect("leapmotor2mqtt/bridge/bridge_cloud", "ON").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_whose_name_cannot_be_resolved_is_tried_again_and_does_not_hold_up_a_stop() {
    let world = World::with_cars(&["T03"]);
    let mut configuration = world.configuration(1883);
    configuration["mqtt"]["host"] = json!("broker.invalid");
    let mut bridge = world.bridge(&configuration);
    logged(&bridge, "the broker is away").await;
    assert!(bridge.is_running());
    stops(&mut bridge);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cloud_that_is_not_who_it_should_be_learns_no_password() {
    let Some(broker) = Mosquitto::start() else { return };
    let (world, other) = (World::with_cars(&["T03"]), World::with_cars(&["T03"]));
    let listener = Listener::connect(broker.port()).await;
    let mut configuration = world.configuration(broker.port());
    configuration["cloud"]["server_ca"] = other.cloud["server_ca"].clone();
    let mut bridge = world.bridge(&configuration);
    listener.expect("leapmotor2mqtt/bridge/bridge_cloud", "OFF").await;
    logged(&bridge, "certificate cannot be trusted").await;
    assert!(bridge.is_running());
    assert_eq!(world.requests().await.len(), 0);
    stops(&mut bridge);
}

/// A bridge in this world, started in its own way, whose car has been read.
async fn at_work(world: World, broker: Mosquitto, start: impl FnOnce(&World) -> Program) -> AtWork {
    let listener = Listener::connect(broker.port()).await;
    let bridge = start(&world);
    let vin = world.vin(0);
    let at_work = AtWork {
        world,
        broker,
        listener,
        bridge,
        vin,
    };
    at_work.listener.expect("leapmotor2mqtt/bridge/state", "online").await;
    at_work.listener.expect(&at_work.topic("door_lock"), "LOCKED").await;
    at_work
}

/// A command that runs another one for which permissions count, which for root they do not.
fn without_privileges() -> Vec<&'static str> {
    let is_root = fs::metadata("/proc/self").is_ok_and(|process| {
        use std::os::unix::fs::MetadataExt;
        process.uid() == 0
    });
    if is_root {
        vec!["setpriv", "--bounding-set=-dac_override", "--inh-caps=-dac_override"]
    } else {
        vec!["env"]
    }
}

/// A command that runs another one for which this directory is a disk of half a megabyte; `None` where that is not
/// allowed.
fn on_a_small_disk(directory: &Path) -> Option<Vec<String>> {
    let script = format!(
        "mount -t tmpfs -o size=512k tmpfs '{}' && exec \"$@\"",
        directory.display()
    );
    let wrapper = ["unshare", "--map-root-user", "--mount", "sh", "-c", &script, "sh"].map(str::to_owned);
    let tried = Command::new(&wrapper[0]).args(&wrapper[1..]).arg("true").output();
    tried.is_ok_and(|tried| tried.status.success()).then(|| wrapper.into())
}
