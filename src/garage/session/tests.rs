//! The session task with a cloud made of recorded answers.

use serde_json::{Value, json};

use super::testing::{Bench, answer, cars};
use super::*;
use crate::cloud::Fingerprint;
use crate::garage::keepsake::testing::NewAccount;
use crate::vehicle::Car;

fn code(code: i64) -> Value {
    json!({"status": 200, "body": json!({"code": code}).to_string()})
}

fn refreshed() -> Value {
    answer(&json!({"token": "new"}))
}

#[tokio::test]
async fn a_session_whose_refresh_is_answered_with_39_twice_in_a_row_is_lost_without_giving_way() {
    let bench = Bench::signed_in().await;
    let unverified = [code(3), code(39)];
    let verification =
        |outcome: Result<Vec<Car>, CallError>| matches!(outcome, Err(CallError::Cloud(CloudError::Verification)));
    assert!(verification(bench.list(&unverified).await));
    // A refresh that succeeds begins the row anew.
    assert!(bench.list(&[code(3), refreshed(), cars(&[])]).await.is_ok());
    assert!(verification(bench.list(&unverified).await));
    assert!(bench.keepsake.session().is_some());

    let lost = bench.list(&unverified).await;
    // The sign-in that follows waits for its turn: the first one was less than a minute ago.
    assert!(
        matches!(lost, Err(CallError::NoSession(NoSession::Unavailable { .. }))),
        "{lost:?}"
    );
    assert!(bench.keepsake.session().is_none());
    assert_eq!(bench.session.yields_until(), None);
}

#[tokio::test]
async fn whoever_asks_for_a_renewal_that_fails_for_the_moment_learns_why() {
    let bench = Bench::signed_in().await;
    let busy = json!({"status": 429, "body": "<html>busy</html>"});
    let outcome = bench.list(&[code(3), busy]).await;
    assert!(
        matches!(outcome, Err(CallError::Cloud(CloudError::RateLimited { .. }))),
        "{outcome:?}"
    );
    assert_eq!(
        bench.script.requests().len(),
        2,
        "the session that was lost is not called with again"
    );
    assert!(bench.keepsake.session().is_some());
}

#[tokio::test]
async fn the_certificate_of_the_cloud_is_kept_although_the_sign_in_fails() {
    let bench = Bench::new();
    let shown: Fingerprint = "ab".repeat(32).parse().unwrap();
    bench.script.show(shown);
    bench.script.play(&json!([code(39)]));
    assert!(bench.session.lease().await.is_err());
    assert_eq!(bench.kept_pin(), Some(shown));
}

#[tokio::test]
async fn the_certificate_of_the_cloud_is_kept_when_a_call_with_a_lease_saw_it_first() {
    let bench = Bench::signed_in().await;
    assert_eq!(bench.kept_pin(), None);
    let shown: Fingerprint = "ab".repeat(32).parse().unwrap();
    bench.script.show(shown);
    for _ in 0..2 {
        assert!(bench.session.lease().await.is_ok());
    }
    assert_eq!(bench.kept_pin(), Some(shown));
}

#[test]
fn a_sign_in_of_one_run_counts_in_the_next_and_ends_giving_way() {
    let account = NewAccount::new();
    let now = Timestamp::constant(1_790_000_000, 0);
    let mut record = Record::read(&account.store, &account.keepsake);
    assert_eq!(record.sign_ins.allow(now), Ok(()));
    record.takeovers.begin(Duration::from_secs(600), now);
    record.begin_sign_in(now);
    record.write(&account.store, &account.keepsake);

    let record = Record::read(&account.store, &account.keepsake);
    assert_eq!(
        record.sign_ins.allow(now),
        Err(Wait::Until(later(now, Duration::from_secs(60))))
    );
    assert_eq!(record.takeovers.yields_until(now), None);
}
