//! Tells how the accounts stand, as facts of the bridge: the worst account counts, the list is in the attributes.

use jiff::Timestamp;
use serde_json::json;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::vehicle::facts::{FactKey, FactUpdate, Subject, Value};

use super::session::{AccountStatus, SignIn};

/// The facts produced here.
pub const FACTS: [FactKey; 7] = [
    "bridge_cloud",
    "bridge_last_error",
    "bridge_reauth_needed",
    "bridge_problem",
    "bridge_problem/attributes",
    "bridge_cloud/attributes",
    "bridge_certificate_expiry",
];

/// What is said while the computer does not know the time.
const CLOCK_NOT_SET: &str = "the computer's clock is not set yet. The cloud is not called, since every call is signed with \
                             the time; check the computer's time synchronisation if this stays";

/// Turns every change of an account's status into facts, until cancelled. `names` are the accounts as they may be shown.
pub async fn report(
    names: Vec<String>,
    mut statuses: mpsc::Receiver<(usize, AccountStatus)>,
    facts: mpsc::Sender<FactUpdate>,
    cancel: CancellationToken,
) {
    let mut accounts: Vec<(String, AccountStatus)> =
        names.into_iter().map(|name| (name, AccountStatus::unknown())).collect();
    loop {
        for (key, value) in facts_of(&accounts) {
            // Whoever reads facts is gone only when the bridge stops.
            let _ = facts
                .send(FactUpdate {
                    subject: Subject::Bridge,
                    key,
                    value,
                })
                .await;
        }
        tokio::select! {
            () = cancel.cancelled() => return,
            status = statuses.recv() => match status {
                Some((index, status)) => if let Some(account) = accounts.get_mut(index) {
                    account.1 = status;
                },
                None => return,
            }
        }
    }
}

/// How bad it is, the worst last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Severity {
    Fine,
    /// Nothing is wrong, but for the moment the cloud is not called.
    Waiting,
    /// Something is wrong that may end by itself.
    Trouble,
    /// The owner must act.
    NeedsOwner,
}

/// What an account shows.
struct Diagnosis {
    severity: Severity,
    cause: &'static str,
    remedy: Option<String>,
}

impl Diagnosis {
    fn of(status: &AccountStatus) -> Self {
        let (severity, cause, remedy) = match (&status.problem, status.sign_in) {
            (Some(problem), _) if problem.needs_owner => {
                (Severity::NeedsOwner, problem.code, Some(problem.text.clone()))
            }
            (_, SignIn::ClockNotSet) => (Severity::Trouble, "clock_not_set", Some(CLOCK_NOT_SET.to_owned())),
            (_, SignIn::Yielding(until)) => (Severity::Waiting, "yielding", Some(yielding(until))),
            (Some(problem), _) => (Severity::Trouble, problem.code, Some(problem.text.clone())),
            (None, SignIn::Waiting) => (Severity::Waiting, "signed_out", None),
            (None, SignIn::Done | SignIn::Refused) => (Severity::Fine, "ok", None),
        };
        Self {
            severity,
            cause,
            remedy,
        }
    }

    fn json(&self, account: &str) -> serde_json::Value {
        json!({ "account": account, "cause": self.cause, "remedy": self.remedy })
    }
}

fn yielding(until: Timestamp) -> String {
    // Seconds are enough for people.
    let until = until.strftime("%Y-%m-%dT%H:%M:%SZ");
    format!(
        "another client, such as the official app, signed in with this account, so the bridge gives way to it until \
         {until}. A command, a refresh or \"Reconnect cloud\" brings it back at once. If this repeats, give the bridge an \
         account of its own and share the car to it"
    )
}

/// The facts that follow from the accounts' statuses: the worst account counts. Pure.
fn facts_of(accounts: &[(String, AccountStatus)]) -> [(FactKey, Option<Value>); 7] {
    let diagnoses: Vec<(&str, Diagnosis)> = accounts
        .iter()
        .map(|(name, status)| (name.as_str(), Diagnosis::of(status)))
        .collect();
    // Of equally bad accounts the one named first counts.
    let worst = diagnoses
        .iter()
        .rev()
        .max_by_key(|(_, diagnosis)| diagnosis.severity)
        .filter(|(_, diagnosis)| diagnosis.severity > Severity::Fine);
    let severity = worst.map_or(Severity::Fine, |(_, diagnosis)| diagnosis.severity);
    let refused = accounts.iter().any(|(_, status)| status.sign_in == SignIn::Refused);
    // Giving way is no error, and neither is a clock.
    let worst_error = accounts
        .iter()
        .rev()
        .filter_map(|(_, status)| status.problem.as_ref())
        .max_by_key(|problem| problem.needs_owner);
    let first_expiry = accounts
        .iter()
        .filter_map(|(_, status)| status.certificates_expire)
        .min();
    let problem = worst.map_or_else(
        || json!({ "account": null, "cause": "ok", "remedy": null }),
        |(account, diagnosis)| diagnosis.json(account),
    );
    let list: Vec<_> = diagnoses
        .iter()
        .map(|(account, diagnosis)| diagnosis.json(account))
        .collect();
    [
        (FACTS[0], Some(Value::Flag(severity == Severity::Fine))),
        (
            FACTS[1],
            Some(Value::Text(worst_error.map_or("ok", |problem| problem.code).to_owned())),
        ),
        (FACTS[2], Some(Value::Flag(refused))),
        (FACTS[3], Some(Value::Flag(severity == Severity::NeedsOwner))),
        (FACTS[4], Some(text(&problem))),
        (FACTS[5], Some(text(&json!({ "accounts": list })))),
        (FACTS[6], first_expiry.map(Value::Time)),
    ]
}

/// The facts for a bridge that cannot use its accounts at all.
pub fn cannot_start(code: &'static str, remedy: &str) -> Vec<FactUpdate> {
    let values = [
        (FACTS[0], Value::Flag(false)),
        (FACTS[1], Value::Text(code.to_owned())),
        (FACTS[2], Value::Flag(false)),
        (FACTS[3], Value::Flag(true)),
        (FACTS[4], text(&json!({ "cause": code, "remedy": remedy }))),
    ];
    values
        .map(|(key, value)| FactUpdate {
            subject: Subject::Bridge,
            key,
            value: Some(value),
        })
        .to_vec()
}

fn text(object: &serde_json::Value) -> Value {
    Value::Text(object.to_string())
}

#[cfg(test)]
mod tests {
    use super::super::session::Problem;
    use super::*;

    fn account(name: &str, sign_in: SignIn, code: Option<&'static str>) -> (String, AccountStatus) {
        let problem = code.map(|code| Problem {
            code,
            text: format!("{code}: do something"),
            needs_owner: matches!(code, "auth" | "certificate"),
        });
        (
            name.to_owned(),
            AccountStatus {
                sign_in,
                problem,
                certificates_expire: None,
            },
        )
    }

    fn text_of(value: &Option<Value>) -> &str {
        match value {
            Some(Value::Text(text)) => text,
            other => panic!("no text: {other:?}"),
        }
    }

    #[test]
    fn giving_way_is_shown_as_a_cause_and_not_as_an_error() {
        let until = Timestamp::from_second(1_790_000_000).unwrap();
        let facts = facts_of(&[
            account("a…", SignIn::Done, None),
            account("b…", SignIn::Yielding(until), None),
        ]);
        assert_eq!(facts[0].1, Some(Value::Flag(false)), "that account is not connected");
        assert_eq!(text_of(&facts[1].1), "ok");
        assert_eq!(facts[3].1, Some(Value::Flag(false)), "the owner need not act");
        let attributes: serde_json::Value = serde_json::from_str(text_of(&facts[4].1)).unwrap();
        assert_eq!(attributes["cause"], "yielding");
        assert_eq!(attributes["account"], "b…");
        assert!(
            attributes["remedy"].as_str().unwrap().contains("2026-09-21T"),
            "{attributes}"
        );
    }

    #[test]
    fn whatever_only_the_owner_can_mend_needs_attention() {
        let facts = facts_of(&[
            account("a…", SignIn::Waiting, Some("network")),
            account("b…", SignIn::Waiting, Some("certificate")),
        ]);
        assert_eq!(text_of(&facts[1].1), "certificate");
        assert_eq!(facts[2].1, Some(Value::Flag(false)), "the password is not at fault");
        assert_eq!(facts[3].1, Some(Value::Flag(true)));
        let list: serde_json::Value = serde_json::from_str(text_of(&facts[5].1)).unwrap();
        let causes: Vec<_> = list["accounts"]
            .as_array()
            .unwrap()
            .iter()
            .map(|row| &row["cause"])
            .collect();
        assert_eq!(causes, ["network", "certificate"]);
    }

    #[test]
    fn a_clock_that_is_not_set_is_said() {
        let facts = facts_of(&[account("a…", SignIn::ClockNotSet, None)]);
        assert_eq!(facts[0].1, Some(Value::Flag(false)));
        assert!(text_of(&facts[4].1).contains("clock_not_set"));
    }

    #[test]
    fn the_worst_account_counts() {
        let good = account("a…", SignIn::Done, None);
        let slow = account("b…", SignIn::Done, Some("network"));
        let refused = account("c…", SignIn::Refused, Some("auth"));

        let facts = facts_of(std::slice::from_ref(&good));
        assert_eq!(facts[0].1, Some(Value::Flag(true)));
        assert_eq!(facts[1].1, Some(Value::Text("ok".to_owned())));

        let facts = facts_of(&[good.clone(), slow.clone()]);
        assert_eq!(facts[0].1, Some(Value::Flag(false)));
        assert_eq!(facts[1].1, Some(Value::Text("network".to_owned())));
        assert_eq!(
            facts[3].1,
            Some(Value::Flag(false)),
            "the owner need not act for a network that is away"
        );

        let facts = facts_of(&[refused, slow, good]);
        assert_eq!(facts[1].1, Some(Value::Text("auth".to_owned())));
        assert_eq!(facts[2].1, Some(Value::Flag(true)));
        let Some(Value::Text(problem)) = &facts[4].1 else {
            panic!("attributes are a JSON text")
        };
        assert!(problem.contains("auth: do something"), "{problem}");
        let Some(Value::Text(list)) = &facts[5].1 else {
            panic!("attributes are a JSON text")
        };
        assert!(list.contains("b…"), "{list}");
    }
}
