//! All that the simulated cloud knows. Handlers are plain functions on it, called with the world locked.
//!
//! One mutex guards it. It is taken once per request and never held across an await: everything a handler does is
//! arithmetic on memory, so a task of its own would only add messages in between.

use jiff::{SignedDuration, Timestamp};

use super::account::{self, Account};
use super::answer::{Answer, Refusal};
use super::car::Car;
use super::car::profile::CarKind;
use super::endpoints;
use super::faults::Faults;
use super::journal::{Entry, Journal};
use super::remote::Ticket;
use super::request::{Checks, Request};
use super::sharing::{Access, Invitation};
use super::tls::Authority;

/// The state of the simulated cloud.
pub struct World {
    /// All accounts, in the order they were described.
    pub accounts: Vec<Account>,
    /// All cars, with those of owners outside.
    pub cars: Vec<Car>,
    /// Which account has which car.
    pub access: Vec<Access>,
    /// Shares that wait for an answer.
    pub invitations: Vec<Invitation>,
    /// Messages, oldest first.
    pub messages: Vec<Message>,
    /// What shall go wrong.
    pub faults: Faults,
    /// Requests so far.
    pub journal: Journal,
    /// Issues certificates.
    pub authority: Authority,
    /// Commands that were sent to cars.
    pub tickets: Vec<Ticket>,
    /// Simulated seconds per real one.
    pub speed: f64,
    /// How far the time stamp of a request may be off.
    pub tolerance: SignedDuration,
    /// The next number for whatever needs one.
    pub next_id: u64,
}

/// One message of the cloud.
#[derive(Debug, Clone)]
pub struct Message {
    /// Its number.
    pub id: u64,
    /// The account it is for.
    pub account: usize,
    /// The car it is about.
    pub vin: Option<String>,
    /// Title.
    pub title: String,
    /// Text.
    pub text: String,
    /// When it was sent.
    pub sent: Timestamp,
}

impl World {
    /// Answers a request and writes it down.
    pub fn answer(&mut self, request: &Request, fault: Option<Answer>, now: Timestamp) -> Answer {
        let account = self.account_named(request);
        let endpoint = endpoints::find(&request.path);
        let answer = match (fault, endpoint) {
            (Some(answer), _) => answer,
            (None, None) => Answer::NoSuchPath,
            (None, Some(endpoint)) => {
                let checks = Checks {
                    accounts: &self.accounts,
                    app_certificate: &self.authority.app.certificate,
                    now,
                    tolerance: self.tolerance,
                };
                match request.check(endpoint, &checks) {
                    Ok(call) => (endpoint.answer)(self, &call).into(),
                    Err(refusal) => {
                        tracing::debug!(path = request.path, ?refusal, "refused");
                        Answer::Refused(refusal)
                    }
                }
            }
        };
        self.write_down(request, account, answer.code(), now);
        answer
    }

    /// Notes a request that gets no answer at all.
    pub fn drop_request(&mut self, request: &Request, now: Timestamp) {
        let account = self.account_named(request);
        self.write_down(request, account, None, now);
    }

    fn write_down(&mut self, request: &Request, account: Option<String>, code: Option<i64>, now: Timestamp) {
        let mut fields = request.fields().unwrap_or_default();
        let is_write = endpoints::find(&request.path).is_some_and(endpoints::Endpoint::is_remote_write);
        let vin = ["vin", "carvin", "carCode"]
            .iter()
            .find_map(|name| fields.get(*name).cloned());
        let mut command = |name: &str| fields.remove(name).filter(|_| is_write);
        self.journal.add(Entry {
            n: 0,
            time: now,
            path: request.path.clone(),
            account,
            vin,
            code,
            cmd_id: command("cmdId"),
            cmd_content: command("cmdContent"),
        });
    }

    /// The account a request speaks for, whether or not it is entitled to.
    pub fn account_named(&self, request: &Request) -> Option<String> {
        let by_token = request.header("token").and_then(account::username_of);
        by_token.or_else(|| request.fields()?.remove("email"))
    }

    /// The account that calls.
    pub fn caller_mut(&mut self, call: &super::request::Call) -> Result<&mut Account, Refusal> {
        call.account
            .and_then(|index| self.accounts.get_mut(index))
            .ok_or(Refusal::Token)
    }

    /// Ends sessions as a sign-in elsewhere does: token and refresh token are dead.
    pub fn evict(&mut self, username: Option<&str>) {
        for account in &mut self.accounts {
            if username.is_none_or(|username| username == account.username) {
                account.session = None;
            }
        }
    }

    /// The car with this number, whoever has it.
    pub fn car_mut(&mut self, vin: &str) -> Option<&mut Car> {
        self.cars.iter_mut().find(|car| car.vin == vin)
    }

    /// Puts one more car on the roads, without owner.
    pub fn add_car(&mut self, kind: CarKind, pin: String, lives: bool, now: Timestamp) -> usize {
        let number = self.cars.len() + 1;
        let vin = format!("LFZDEM{number:011}");
        let car_id = 77_000 + self.cars.len() as u64 + 1;
        self.cars.push(Car::new(kind, vin, pin, car_id, lives, now));
        self.cars.len() - 1
    }

    /// A number nothing else has.
    pub fn fresh_id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }
}
