//! Tells how the accounts stand, as facts of the bridge: the worst account counts, the list is in the attributes.

use jiff::Timestamp;
use serde_json::json;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::vehicle::facts::{FactKey, FactUpdate, Subject, Value};

use super::session::{AccountStatus, Problem, SignIn};

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

/// Where what is known of the accounts arrives, by their numbers.
pub struct Told {
    /// How their sessions stand.
    pub statuses: mpsc::Receiver<(usize, AccountStatus)>,
    /// What is wrong with the reads, or that they succeed again.
    pub troubles: mpsc::Receiver<(usize, Option<Problem>)>,
}

/// What is known of an account.
#[derive(Clone)]
struct Account {
    /// As it may be shown.
    name: String,
    status: AccountStatus,
    /// What is wrong with the last reads.
    trouble: Option<Problem>,
}

impl Account {
    fn new(name: String) -> Self {
        Self {
            name,
            status: AccountStatus::unknown(),
            trouble: None,
        }
    }

    /// What is wrong: what the owner must mend comes first, then what the session says.
    fn problem(&self) -> Option<&Problem> {
        // Without a session nothing is read, and the last read says nothing any more.
        let trouble = self.trouble.as_ref().filter(|_| self.status.sign_in == SignIn::Done);
        trouble
            .into_iter()
            .chain(&self.status.problem)
            .max_by_key(|problem| problem.needs_owner)
    }
}

/// Turns every change of how an account stands into facts, until cancelled. `names` are the accounts as they may be shown.
pub async fn report(names: Vec<String>, mut told: Told, facts: mpsc::Sender<FactUpdate>, cancel: CancellationToken) {
    let mut accounts: Vec<Account> = names.into_iter().map(Account::new).collect();
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
            Some((index, status)) = told.statuses.recv() => if let Some(account) = accounts.get_mut(index) {
                account.status = status;
            },
            Some((index, trouble)) = told.troubles.recv() => if let Some(account) = accounts.get_mut(index) {
                account.trouble = trouble;
            },
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
    fn of(account: &Account) -> Self {
        let (severity, cause, remedy) = match (account.problem(), account.status.sign_in) {
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

/// The facts that follow from how the accounts stand: the worst one counts. Pure.
fn facts_of(accounts: &[Account]) -> [(FactKey, Option<Value>); 7] {
    let diagnoses: Vec<(&str, Diagnosis)> = accounts
        .iter()
        .map(|account| (account.name.as_str(), Diagnosis::of(account)))
        .collect();
    // Of equally bad accounts the one named first counts.
    let worst = diagnoses
        .iter()
        .rev()
        .max_by_key(|(_, diagnosis)| diagnosis.severity)
        .filter(|(_, diagnosis)| diagnosis.severity > Severity::Fine);
    let severity = worst.map_or(Severity::Fine, |(_, diagnosis)| diagnosis.severity);
    let refused = accounts.iter().any(|account| account.status.sign_in == SignIn::Refused);
    // Giving way is no error, and neither is a clock.
    let worst_error = accounts
        .iter()
        .rev()
        .filter_map(Account::problem)
        .max_by_key(|problem| problem.needs_owner);
    let first_expiry = accounts
        .iter()
        .filter_map(|account| account.status.certificates_expire)
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
    use super::*;

    fn problem(code: &'static str) -> Problem {
        Problem {
            code,
            text: format!("{code}: do something"),
            needs_owner: matches!(code, "auth" | "certificate"),
        }
    }

    fn account(name: &str, sign_in: SignIn, code: Option<&'static str>) -> Account {
        Account {
            status: AccountStatus {
                sign_in,
                problem: code.map(problem),
                certificates_expire: None,
            },
            ..Account::new(name.to_owned())
        }
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
    fn reads_that_fail_are_an_error_also_of_an_account_that_is_signed_in() {
        let with = |trouble: Option<&'static str>| Account {
            trouble: trouble.map(problem),
            ..account("a…", SignIn::Done, None)
        };
        let facts = facts_of(&[with(Some("network"))]);
        assert_eq!(facts[0].1, Some(Value::Flag(false)));
        assert_eq!(text_of(&facts[1].1), "network");
        assert_eq!(facts[3].1, Some(Value::Flag(false)), "it may end by itself");
        assert!(text_of(&facts[4].1).contains("network: do something"));

        let facts = facts_of(&[with(Some("certificate"))]);
        assert_eq!(facts[3].1, Some(Value::Flag(true)), "the owner must act");

        let facts = facts_of(&[with(None)]);
        assert_eq!(facts[0].1, Some(Value::Flag(true)));
        assert_eq!(text_of(&facts[1].1), "ok");
    }

    #[test]
    fn what_the_owner_must_mend_goes_before_what_the_session_says_and_that_before_the_reads() {
        let code = |session, reads| {
            let account = Account {
                trouble: Some(problem(reads)),
                ..account("a…", SignIn::Done, Some(session))
            };
            text_of(&facts_of(&[account])[1].1).to_owned()
        };
        assert_eq!(code("network", "timeout"), "network");
        assert_eq!(code("network", "certificate"), "certificate");
        assert_eq!(code("auth", "timeout"), "auth");
    }

    #[test]
    fn without_a_session_the_last_read_says_nothing_any_more() {
        let until = Timestamp::from_second(1_790_000_000).unwrap();
        let facts = facts_of(&[Account {
            trouble: Some(problem("certificate")),
            ..account("a…", SignIn::Yielding(until), None)
        }]);
        assert_eq!(text_of(&facts[1].1), "ok");
        assert!(text_of(&facts[4].1).contains("yielding"));
    }

    #[tokio::test]
    async fn a_trouble_is_told_and_its_end_too() {
        let (facts, mut told) = mpsc::channel(64);
        let (status, statuses) = mpsc::channel(4);
        let (trouble, troubles) = mpsc::channel(4);
        let sources = Told { statuses, troubles };
        tokio::spawn(report(vec!["a…".to_owned()], sources, facts, CancellationToken::new()));
        let mut last_error = async || {
            loop {
                let update: FactUpdate = told.recv().await.unwrap();
                if update.key == FACTS[1] {
                    break text_of(&update.value).to_owned();
                }
            }
        };
        assert_eq!(last_error().await, "ok");
        status
            .send((0, account("a…", SignIn::Done, None).status))
            .await
            .unwrap();
        assert_eq!(last_error().await, "ok");
        for (reads, shown) in [(Some(problem("timeout")), "timeout"), (None, "ok")] {
            trouble.send((0, reads)).await.unwrap();
            assert_eq!(last_error().await, shown);
        }
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
