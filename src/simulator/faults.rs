//! What shall go wrong, and how often.

use std::time::Duration;

use axum::http::StatusCode;
use jiff::SignedDuration;
use serde::Deserialize;

use super::answer::{Answer, Refusal};
use super::car::Compliance;

/// A fault as it is ordered.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    kind: Kind,
    /// End of the paths it concerns; all without it.
    path: Option<String>,
    /// The account it concerns; all without it.
    pub account: Option<String>,
    /// Code of the envelope, or HTTP status.
    code: Option<i64>,
    /// How many requests it hits; 0 means until it is taken back.
    #[serde(default = "once")]
    times: u32,
    /// How long an answer is held back, real seconds, as network timeouts are real.
    #[serde(default = "five")]
    seconds: f64,
    /// When a car acts on an unconfirmed command after all, simulated seconds.
    executes_after: Option<f64>,
}

fn once() -> u32 {
    1
}

fn five() -> f64 {
    5.0
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    Code,
    Http,
    Delay,
    Close,
    Garbage,
    Evict,
    CommandTimeout,
    CommandRefused,
}

/// What a fault does to a request.
#[derive(Debug)]
pub enum Disturbance {
    /// This answer instead of the right one; nothing is done.
    Instead(Answer),
    /// The right answer, late: what was asked for is done at once.
    Late(Duration),
    /// The connection ends without an answer; nothing is done.
    Close,
}

/// The faults in force.
#[derive(Debug, Default)]
pub struct Faults(Vec<Fault>);

impl Fault {
    /// Whether it ends sessions at once rather than waiting for a request.
    pub fn is_eviction(&self) -> bool {
        self.kind == Kind::Evict
    }

    /// What is wrong with the order itself.
    pub fn check(&self) -> Result<(), String> {
        if !self.seconds.is_finite() || !(0.0..=3600.0).contains(&self.seconds) {
            return Err("seconds: 0 to 3600".to_owned());
        }
        if self.executes_after.is_some_and(|after| !(0.0..=1e6).contains(&after)) {
            return Err("executes_after: 0 to 1000000 seconds".to_owned());
        }
        if self.kind == Kind::Http && self.status().is_none() {
            return Err("code: an HTTP status from 100 to 999".to_owned());
        }
        Ok(())
    }

    fn status(&self) -> Option<StatusCode> {
        StatusCode::from_u16(u16::try_from(self.code.unwrap_or(500)).ok()?).ok()
    }

    fn concerns(&self, path: &str, account: Option<&str>) -> bool {
        self.path.as_deref().is_none_or(|suffix| path.ends_with(suffix))
            && self.account.as_deref().is_none_or(|wanted| account == Some(wanted))
    }

    /// What it does to a request, if it is about requests at all.
    fn disturbance(&self) -> Option<Disturbance> {
        match self.kind {
            Kind::Code => {
                let code = self.code.unwrap_or(Refusal::Verification.code());
                Some(Disturbance::Instead(Answer::Refused(Refusal::Code(code))))
            }
            Kind::Http => Some(Disturbance::Instead(Answer::Http(self.status()?))),
            Kind::Delay => Some(Disturbance::Late(Duration::from_secs_f64(self.seconds))),
            Kind::Close => Some(Disturbance::Close),
            Kind::Garbage => Some(Disturbance::Instead(Answer::Garbage)),
            Kind::Evict | Kind::CommandTimeout | Kind::CommandRefused => None,
        }
    }
}

impl Faults {
    /// Adds a fault.
    pub fn order(&mut self, fault: Fault) {
        self.0.push(fault);
    }

    /// Takes all faults back.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// What happens to a request; the oldest fault that concerns it comes first.
    pub fn disturb(&mut self, path: &str, account: Option<&str>) -> Option<Disturbance> {
        let index = self
            .0
            .iter()
            .position(|fault| fault.concerns(path, account) && fault.disturbance().is_some())?;
        self.take(index).disturbance()
    }

    /// How a command fares that passed all checks: refused by the cloud, or taken by the car in this way.
    pub fn command(&mut self, path: &str, account: Option<&str>) -> Result<Compliance, Refusal> {
        let is_about_commands = |kind| matches!(kind, Kind::CommandTimeout | Kind::CommandRefused);
        let Some(index) = self
            .0
            .iter()
            .position(|fault| is_about_commands(fault.kind) && fault.concerns(path, account))
        else {
            return Ok(Compliance::Prompt);
        };
        let fault = self.take(index);
        if fault.kind == Kind::CommandRefused {
            return Err(Refusal::Code(fault.code.unwrap_or(Refusal::Failed.code())));
        }
        let after = fault
            .executes_after
            .and_then(|seconds| SignedDuration::try_from_secs_f64(seconds).ok());
        Ok(Compliance::Unconfirmed(after))
    }

    /// Uses a fault once.
    fn take(&mut self, index: usize) -> Fault {
        let fault = self.0[index].clone();
        match fault.times {
            0 => {}
            1 => {
                self.0.remove(index);
            }
            _ => self.0[index].times -= 1,
        }
        fault
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn faults(orders: &[Value]) -> Faults {
        let mut faults = Faults::default();
        for order in orders {
            let fault: Fault = serde_json::from_value(order.clone()).unwrap();
            fault.check().unwrap();
            faults.order(fault);
        }
        faults
    }

    #[test]
    fn a_fault_hits_as_often_as_ordered_and_only_what_it_concerns() {
        let mut faults = faults(&[json!({"kind": "code", "path": "v1/list", "account": "a", "code": 3, "times": 2})]);
        assert!(faults.disturb("/x/v1/list", Some("b")).is_none());
        assert!(faults.disturb("/x/v1/status", Some("a")).is_none());
        for _ in 0..2 {
            let disturbance = faults.disturb("/x/v1/list", Some("a"));
            assert!(matches!(
                disturbance,
                Some(Disturbance::Instead(Answer::Refused(Refusal::Code(3))))
            ));
        }
        assert!(faults.disturb("/x/v1/list", Some("a")).is_none());
    }

    #[test]
    fn a_fault_of_no_times_stays_until_it_is_taken_back() {
        let mut faults = faults(&[json!({"kind": "close", "times": 0})]);
        for _ in 0..5 {
            assert!(matches!(faults.disturb("/", None), Some(Disturbance::Close)));
        }
        faults.clear();
        assert!(faults.disturb("/", None).is_none());
    }

    #[test]
    fn faults_of_commands_leave_requests_alone() {
        let mut faults = faults(&[
            json!({"kind": "command_timeout", "executes_after": 20}),
            json!({"kind": "command_refused", "code": 40}),
        ]);
        assert!(faults.disturb("/ctl", None).is_none());
        let late = SignedDuration::from_secs(20);
        assert_eq!(faults.command("/ctl", None), Ok(Compliance::Unconfirmed(Some(late))));
        assert_eq!(faults.command("/ctl", None), Err(Refusal::Code(40)));
        assert_eq!(faults.command("/ctl", None), Ok(Compliance::Prompt));
    }

    #[test]
    fn an_order_that_makes_no_sense_is_refused() {
        assert!(serde_json::from_value::<Fault>(json!({"kind": "fire"})).is_err());
        assert!(serde_json::from_value::<Fault>(json!({"kind": "code", "tims": 2})).is_err());
        let fault: Fault = serde_json::from_value(json!({"kind": "http", "code": 20})).unwrap();
        assert!(fault.check().is_err());
    }
}
