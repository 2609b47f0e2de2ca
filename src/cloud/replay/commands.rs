//! Remote control.

use std::time::Duration;

use secrecy::SecretString;
use serde_json::json;

use super::{Replay, vin};
use crate::cloud::testing::{gateway, signed_in};
use crate::cloud::{CloudError, Payload, Session};

/// The steps of a command in order. Returns whether the car confirmed, and the waits between the questions.
async fn command(session: &Session, payload: &Payload, pin: Option<&str>) -> Result<(bool, Vec<Duration>), CloudError> {
    session.vehicles().await?;
    let password = match pin {
        Some(pin) => {
            session.sync_certificate().await?;
            Some(session.verify_pin(&vin(), &SecretString::from(pin)).await?)
        }
        None => None,
    };
    let written = session.write(&vin(), payload, password.as_ref()).await?;
    let mut waits = Vec::new();
    let (Some(ticket), Some(_)) = (&written.ticket, password) else {
        return Ok((true, waits));
    };
    loop {
        if session.result(ticket).await? {
            return Ok((true, waits));
        }
        match written.next_wait(waits.iter().sum()) {
            Some(wait) => waits.push(wait),
            None => return Ok((false, waits)),
        }
    }
}

fn payload(content: &str) -> Payload {
    Payload {
        cmd_id: 110,
        content: content.to_owned(),
    }
}

#[tokio::test]
async fn commands_are_as_recorded() {
    for (name, confirmed) in [
        ("remote-lock-success-first-poll", true),
        ("remote-lock-success-third-poll", true),
        ("remote-lock-car-does-not-confirm", false),
        ("remote-no-ctl-id-no-poll", true),
        ("remote-default-timeouts", false),
    ] {
        let replay = Replay::of("remote_flows", name).await;
        let lock = payload(r#"{"value":"lock"}"#);
        let (found, waits) = command(&replay.session, &lock, Some(" 1234 ")).await.unwrap();
        replay.check_requests();
        assert_eq!(found, confirmed, "{name}");
        let waits: Vec<f64> = waits.iter().map(Duration::as_secs_f64).collect();
        assert_eq!(replay.vector["slept_s"], json!(waits), "{name}");
    }
}

#[tokio::test]
async fn the_certificate_is_synced_once_per_sign_in_and_a_restart_remembers_it() {
    let replay = Replay::of("remote_flows", "remote-lock-second-command-skips-cert-sync").await;
    command(&replay.session, &payload(r#"{"value":"lock"}"#), Some("1234"))
        .await
        .unwrap();
    let resumed = gateway(&replay.script).resume(replay.session.saved()).unwrap();
    command(&resumed, &payload(r#"{"value":"unlock"}"#), Some("1234"))
        .await
        .unwrap();
    replay.check_requests();
}

#[tokio::test]
async fn refused_commands_stop_where_they_were_refused() {
    let lock = payload(r#"{"value":"lock"}"#);
    let replay = Replay::of("remote_flows", "remote-wrong-pin").await;
    replay.check_error(&command(&replay.session, &lock, Some("1234")).await.unwrap_err());

    // The recording calls a missing right of a command a general failure; for us it is the same as elsewhere.
    let replay = Replay::of("remote_flows", "remote-no-permission").await;
    let unlock = payload(r#"{"value":"unlock"}"#);
    let error = command(&replay.session, &unlock, Some("1234")).await.unwrap_err();
    replay.check_requests();
    assert!(matches!(error, CloudError::NotPermitted));
}

#[tokio::test]
async fn a_destination_needs_no_pin_and_no_result() {
    let replay = Replay::of("remote_flows", "remote-destination-without-pin").await;
    let destination = Payload {
        cmd_id: 180,
        content: r#"{"address":"A","addressname":"B","latitude":"1.0","linenum":"0","longitude":"2.5"}"#.to_owned(),
    };
    command(&replay.session, &destination, None).await.unwrap();
    replay.check_requests();
}

#[tokio::test]
async fn without_pin_or_car_nothing_is_written() {
    // Both are decided above this room: a command without PIN never starts, and one for a car that is not in the list
    // ends there.
    let replay = Replay::of("remote_flows", "remote-no-pin-configured").await;
    replay.check_requests();
    let replay = Replay::of("remote_flows", "remote-unknown-vin").await;
    assert!(replay.session.vehicles().await.unwrap().is_empty());
    replay.check_requests();
}

#[tokio::test]
async fn a_pin_check_that_fails_for_another_reason_does_not_blame_the_pin() {
    let (session, script) = signed_in().await;
    for (code, message, blamed) in [
        (3, "no", false),
        (39, "no", false),
        (40, "no", false),
        (31, "no", true),
        (21, "no", true),
        (-2, "no", true),
        (100, "no", true),
        (9999, "no", true),
        (9999, "the token of the operate password is wrong", true),
        (9999, "No such permission", true),
        (9999, "The App version is too low", true),
    ] {
        script.play(&json!([{"status": 200, "body": json!({"code": code, "message": message}).to_string()}]));
        let error = session.verify_pin(&vin(), &"1234".into()).await.err().unwrap();
        assert_eq!(
            matches!(error, CloudError::PinRejected { .. }),
            blamed,
            "{code} {message}: {error:?}"
        );
    }
}

#[tokio::test]
async fn nonsensical_waits_are_brought_within_bounds() {
    let (session, script) = signed_in().await;
    let body = json!({"code": 0, "data": {"queryRemoteCtlResultTimeout": 10, "queryInterval": 1}}).to_string();
    script.play(&json!([{"status": 200, "body": body}]));
    let written = session.write(&vin(), &payload("{}"), None).await.unwrap();
    assert_eq!(
        (written.timeout, written.interval),
        (Duration::from_secs(1), Duration::from_millis(250))
    );
    assert_eq!(written.ticket, None);
}
