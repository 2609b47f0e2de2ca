//! Tells how the accounts stand, as facts of the bridge: the worst account counts, the list is in the attributes.

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

/// Turns every change of an account's status into facts, until cancelled. `names` are the accounts as they may be shown.
pub async fn report(
    names: Vec<String>,
    mut statuses: mpsc::Receiver<(usize, AccountStatus)>,
    facts: mpsc::Sender<FactUpdate>,
    cancel: CancellationToken,
) {
    let mut accounts: Vec<(String, AccountStatus)> = names
        .into_iter()
        .map(|name| {
            (
                name,
                AccountStatus {
                    sign_in: SignIn::Waiting,
                    problem: None,
                    certificates_expire: None,
                },
            )
        })
        .collect();
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

/// The facts that follow from the accounts' statuses. Pure.
fn facts_of(accounts: &[(String, AccountStatus)]) -> [(FactKey, Option<Value>); 7] {
    let connected = accounts
        .iter()
        .all(|(_, status)| status.sign_in == SignIn::Done && status.problem.is_none());
    let refused = accounts.iter().any(|(_, status)| status.sign_in == SignIn::Refused);
    let worst = accounts
        .iter()
        .filter_map(|(_, status)| {
            status
                .problem
                .as_ref()
                .map(|problem| (status.sign_in == SignIn::Refused, problem))
        })
        .max_by_key(|(refused, _)| *refused)
        .map(|(_, problem)| problem);
    let first_expiry = accounts
        .iter()
        .filter_map(|(_, status)| status.certificates_expire)
        .min();
    let list: Vec<_> = accounts
        .iter()
        .map(|(name, status)| {
            json!({ "account": name, "cause": status.problem.as_ref().map_or("ok", |problem| problem.code),
                    "remedy": status.problem.as_ref().map(|problem| problem.text.as_str()) })
        })
        .collect();
    [
        (FACTS[0], Some(Value::Flag(connected))),
        (
            FACTS[1],
            Some(Value::Text(worst.map_or("ok", |problem| problem.code).to_owned())),
        ),
        (FACTS[2], Some(Value::Flag(refused))),
        (FACTS[3], Some(Value::Flag(refused))),
        (
            FACTS[4],
            Some(text(&json!({ "cause": worst.map_or("ok", |problem| problem.code),
                          "remedy": worst.map(|problem| problem.text.as_str()) }))),
        ),
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
