//! The account's session under attack: other clients that sign in, restarts, days of waiting.

mod support;

use std::time::Duration;

use serde_json::json;

use support::listener::Listener;
use support::mosquitto::Mosquitto;
use support::world::{World, eventually};

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_evictions_and_ten_restarts_in_an_hour_cause_five_sign_ins_at_most() {
    let Some(broker) = Mosquitto::start() else { return };
    let world = World::at_speed(120, &["T03"]);
    let configuration = world.configuration(broker.port());
    let listener = Listener::connect(broker.port()).await;
    let mut evictions = 0;
    for _ in 0..10 {
        listener.forget();
        let mut bridge = world.bridge(&configuration);
        listener.expect("leapmotor2mqtt/bridge/state", "online").await;
        for _ in 0..10 {
            let asked = world.requests().await.len();
            world
                .control(reqwest::Method::POST, "/faults", Some(json!({"kind": "evict"})))
                .await;
            evictions += 1;
            // Until the bridge has met it, or its ration is used up and it asks no more.
            let patience = world.elapsed() + Duration::from_secs(20);
            eventually("the eviction was met", Duration::from_secs(10), async || {
                (world.requests().await.len() > asked || world.elapsed() > patience).then_some(())
            })
            .await;
        }
        assert_eq!(bridge.stop(), Some(0));
    }
    assert_eq!(evictions, 100);
    let hours = world.elapsed().as_secs() / 3600 + 1;
    let sign_ins = world.count("/acct/v1/login").await;
    assert!(sign_ins >= 2, "the bridge never came back");
    assert!(sign_ins as u64 <= 5 * hours, "{sign_ins} sign-ins in {hours} hours");
}
