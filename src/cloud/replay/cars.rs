//! The list of cars and their status.

use jiff::SignedDuration;
use serde_json::json;

use super::{Replay, car, check_cars};
use crate::cloud::CloudError;
use crate::cloud::testing::{gateway, signed_in, vector};
use crate::protocol::vectors::text;
use crate::vehicle::Car;

#[tokio::test]
async fn vehicle_lists_are_as_recorded() {
    for name in ["vehicle-list", "vehicle-list-empty"] {
        let replay = Replay::of("http", name).await;
        let cars = replay.session.vehicles().await.unwrap();
        replay.check_requests();
        check_cars(&replay.vector["result"], &cars);
    }
    let replay = Replay::of("http", "vehicle-list-other-error-not-retried").await;
    replay.check_error(&replay.session.vehicles().await.unwrap_err());
}

#[tokio::test]
async fn an_answer_without_any_list_does_not_say_that_there_is_no_car() {
    let (session, script) = signed_in().await;
    for (data, is_list) in [
        (json!(null), false),
        (json!({}), false),
        (json!({"sharedcars": null}), true),
        (json!({"bindcars": []}), true),
    ] {
        script.play(&json!([{"status": 200, "body": json!({"code": 0, "data": data}).to_string()}]));
        let outcome = session.vehicles().await;
        let is_unreadable = matches!(outcome, Err(CloudError::Unreadable { .. }));
        assert_eq!((outcome.is_ok(), is_unreadable), (is_list, !is_list), "{data}");
    }
}

#[tokio::test]
async fn every_model_is_asked_for_at_its_segment() {
    for model in ["C10", "B10", "b10", "B11", "B05", "T03", "C16", "X99"] {
        let replay = Replay::of("http", &format!("status-path-{model}")).await;
        replay.session.status(&car(model)).await.unwrap();
        replay.check_requests();
    }
}

#[tokio::test]
async fn an_unknown_segment_falls_back_once_and_the_outcome_survives_a_restart() {
    let replay = Replay::of("http", "status-404-fallback-to-c10").await;
    replay.session.status(&car("X99")).await.unwrap();
    replay.check_requests();

    let resumed = gateway(&replay.script).resume(replay.session.saved()).unwrap();
    replay.script.play(&vector("http", "status-path-X99")["responses"]);
    resumed.status(&car("X99")).await.unwrap();
    let requests = replay.script.requests();
    assert_eq!(requests.len(), 1);
    assert!(text(&requests[0], "url").ends_with("/c10"));
}

#[tokio::test]
async fn a_model_without_any_segment_is_asked_for_once_per_poll_from_then_on() {
    let replay = Replay::of("http", "status-404-both").await;
    replay.check_error(&{
        let error = replay.session.status(&car("X99")).await.unwrap_err();
        assert!(matches!(&error, CloudError::NoVehicleSegment { model } if model == "X99"));
        error
    });
    replay.script.play(&replay.vector["responses"]);
    assert!(replay.session.status(&car("X99")).await.is_err());
    assert_eq!(replay.script.requests().len(), 1);
}

#[tokio::test]
async fn a_shared_car_without_data_is_asked_for_by_its_id_under_the_same_signature() {
    let (session, script) = signed_in().await;
    let empty = json!({"status": 200, "body": r#"{"code":0,"data":{"signal":{}}}"#});
    script.play(&json!([empty, empty]));
    let shared = Car {
        shared: true,
        ..car("C10")
    };
    assert!(!session.status(&shared).await.unwrap().has_data());
    let requests = script.requests();
    assert_eq!(requests[0]["body"], "vin=LFZTEST0000000001");
    assert_eq!(requests[1]["body"], "vin=LFZTEST0000000001&carId=88");
    assert_eq!(requests[0]["headers"]["sign"], requests[1]["headers"]["sign"]);

    // It may sleep only, so the next poll asks so again.
    script.play(&json!([empty, empty]));
    session.status(&shared).await.unwrap();
    assert_eq!(script.requests().len(), 2);

    script.play(&json!([empty]));
    session.status(&car("C10")).await.unwrap();
    assert_eq!(script.requests().len(), 1, "a car of our own is not asked for twice");
}

#[tokio::test]
async fn a_shared_car_that_is_refused_by_its_id_keeps_its_frame_and_is_not_asked_so_for_an_hour() {
    let shared = Car {
        shared: true,
        ..car("C10")
    };
    let empty = json!({"status": 200, "body": r#"{"code":0,"data":{"signal":{}}}"#});
    let refused = |code: i64| json!({"status": 200, "body": json!({"code": code}).to_string()});
    for failure in [refused(39), refused(40), json!({"status": 500, "body": "<html>"})] {
        let (session, script) = signed_in().await;
        script.play(&json!([empty, failure]));
        assert!(!session.status(&shared).await.unwrap().has_data(), "{failure}");
        script.play(&json!([empty]));
        assert!(!session.status(&shared).await.unwrap().has_data(), "{failure}");
        assert_eq!(script.requests().len(), 1, "{failure}");
        let after = |minutes| session.now() + SignedDuration::from_mins(minutes);
        assert!(!session.account().may_ask_by_id(&shared.vin, after(58)));
        assert!(session.account().may_ask_by_id(&shared.vin, after(61)));
    }

    let (session, script) = signed_in().await;
    script.play(&json!([empty, refused(3)]));
    assert!(matches!(session.status(&shared).await, Err(CloudError::SessionLost)));
    script.play(&json!([empty, empty]));
    session.status(&shared).await.unwrap();
    assert_eq!(
        script.requests().len(),
        2,
        "a session that ends says nothing about the id"
    );
}
