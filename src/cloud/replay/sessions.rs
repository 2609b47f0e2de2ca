//! Signing in, refreshing, losing a session and saving it.

use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

use super::{Replay, check_cars};
use crate::cloud::testing::{DEVICE_ID, Script, credentials, gateway, signed_in, vector};
use crate::cloud::{AccountCertificateError, CloudError, Credentials, SavedSession};
use crate::protocol::vectors::{section, text};

#[tokio::test]
async fn signing_in_is_as_recorded() {
    let vector = vector("http", "login");
    let script = Script::default();
    script.play(&vector["responses"]);
    let session = gateway(&script).sign_in(&credentials(), DEVICE_ID).await.unwrap();
    let expected = &vector["result"];
    assert_eq!(script.requests(), *vector["requests"].as_array().unwrap());

    let saved: Value = serde_json::from_str(session.saved().text().expose_secret()).unwrap();
    assert_eq!(saved["user_id"], expected["user_id"]);
    assert_eq!(saved["device_id"], expected["device_id"]);
    assert_eq!(saved["sign_key"], expected["sign_key_hex"]);
    assert_eq!(saved["refresh_token"], expected["refresh_token"]);
}

#[tokio::test]
async fn failed_sign_ins_are_as_recorded() {
    for name in ["login-wrong-password", "login-bad-cert", "login-html-answer"] {
        let replay = Replay::of("http", name).await;
        let outcome = gateway(&replay.script).sign_in(&credentials(), DEVICE_ID).await;
        replay.check_error(&outcome.err().unwrap());
    }
}

#[tokio::test]
async fn a_certificate_with_a_password_of_its_own_needs_that_password() {
    let (_, script) = signed_in().await;
    let bundle = section("pkcs12")
        .iter()
        .find(|vector| vector["name"] == "legacy-user-password")
        .unwrap();
    let mut login = vector("http", "login")["responses"].clone();
    let mut body: Value = serde_json::from_str(login[0]["body"].as_str().unwrap()).unwrap();
    body["data"]["base64Cert"] = bundle["p12_base64"].clone();
    login[0]["body"] = body.to_string().into();

    script.play(&login);
    let outcome = gateway(&script).sign_in(&credentials(), DEVICE_ID).await;
    let error = outcome.err().unwrap();
    assert!(matches!(error, CloudError::AccountCertificate(_)));
    assert!(error.to_string().contains("p12_password"), "{error}");

    script.play(&login);
    let credentials = Credentials {
        p12_password: Some(text(bundle, "password").into()),
        ..credentials()
    };
    assert!(gateway(&script).sign_in(&credentials, DEVICE_ID).await.is_ok());
}

#[tokio::test]
async fn a_sign_in_answer_that_lacks_something_says_what_it_lacks() {
    let outcome = async |field: &str| {
        let mut login = vector("http", "login")["responses"].clone();
        let mut body: Value = serde_json::from_str(login[0]["body"].as_str().unwrap()).unwrap();
        body["data"].as_object_mut().unwrap().remove(field).unwrap();
        login[0]["body"] = body.to_string().into();
        let script = Script::default();
        script.play(&login);
        gateway(&script).sign_in(&credentials(), DEVICE_ID).await
    };
    for field in ["id", "token", "signIkm"] {
        let error = outcome(field).await.err().unwrap();
        assert!(
            matches!(error, CloudError::SignInUnusable { field: lacking } if lacking == field),
            "{error:?}"
        );
        assert!(error.to_string().contains(field), "{error}");
    }
    let error = outcome("base64Cert").await.err().unwrap();
    assert!(
        matches!(error, CloudError::AccountCertificate(AccountCertificateError::Missing)),
        "{error:?}"
    );
    assert!(outcome("refreshToken").await.is_ok());
}

#[tokio::test]
async fn refreshing_is_as_recorded() {
    let mut replay = Replay::of("http", "token-refresh").await;
    replay.session.refresh().await.unwrap();
    replay.check_requests();
    let tokens = replay.session.tokens();
    assert!(
        tokens
            .access
            .expose_secret()
            .ends_with(text(&replay.vector["result"], "token_tail"))
    );
    let refresh = tokens.refresh.as_ref().unwrap().expose_secret();
    assert_eq!(refresh, text(&replay.vector["result"], "refresh_token"));
}

#[tokio::test]
async fn a_refresh_without_a_new_refresh_token_keeps_the_old_one_and_one_without_a_token_fails() {
    let (mut session, script) = signed_in().await;
    let answer = |data: Value| json!([{"status": 200, "body": json!({"code": 0, "data": data}).to_string()}]);
    script.play(&answer(json!({"token": "new"})));
    session.refresh().await.unwrap();
    assert_eq!(session.tokens().access.expose_secret(), "new");
    assert_eq!(
        session.tokens().refresh.as_ref().unwrap().expose_secret(),
        "rt.0123-abcd/+="
    );
    // A token that names no device leaves the device of the session.
    assert_eq!(session.tokens().device_id, "9b8a7c6d5e4f30211203f4e5d6c7b8a9");

    script.play(&answer(json!({"refreshToken": "x"})));
    assert!(matches!(session.refresh().await, Err(CloudError::SessionLost)));
    assert_eq!(session.tokens().access.expose_secret(), "new");
}

#[tokio::test]
async fn a_lost_session_can_be_refreshed_and_the_call_repeated() {
    let mut replay = Replay::of("http", "vehicle-list-token-expired-then-refresh").await;
    assert!(matches!(replay.session.vehicles().await, Err(CloudError::SessionLost)));
    replay.session.refresh().await.unwrap();
    let cars = replay.session.vehicles().await.unwrap();
    replay.check_requests();
    check_cars(&replay.vector["result"], &cars);
}

#[tokio::test]
async fn a_session_that_cannot_be_refreshed_is_replaced_by_a_new_sign_in() {
    let mut replay = Replay::of("http", "vehicle-list-token-expired-refresh-fails-relogin").await;
    assert!(matches!(replay.session.vehicles().await, Err(CloudError::SessionLost)));
    assert!(matches!(replay.session.refresh().await, Err(CloudError::SessionLost)));
    let device_id = replay.session.tokens().device_id.clone();
    let session = gateway(&replay.script)
        .sign_in(&credentials(), &device_id)
        .await
        .unwrap();
    let cars = session.vehicles().await.unwrap();
    replay.check_requests();
    check_cars(&replay.vector["result"], &cars);
}

#[tokio::test]
async fn a_saved_session_goes_on_where_it_was_and_prints_nothing() {
    let (session, script) = signed_in().await;
    let saved = session.saved();
    assert_eq!(format!("{saved:?}").matches("eyJ").count(), 0);
    let resumed = gateway(&script)
        .resume(SavedSession::from(saved.text().clone()))
        .unwrap();
    assert_eq!(resumed.signed_in_at(), session.signed_in_at());
    assert_eq!(resumed.saved().text().expose_secret(), saved.text().expose_secret());

    for nonsense in ["", "{}", "[]", "null"] {
        let outcome = gateway(&script).resume(SavedSession::from(SecretString::from(nonsense)));
        assert!(matches!(outcome, Err(CloudError::SessionLost)), "{nonsense}");
    }
}
