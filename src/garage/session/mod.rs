//! One session per account: the only place that signs in, and the only owner of the account's tokens.
//!
//! Everyone else borrows a [`Lease`]: a copy of the session good for a few calls. When the cloud says that the session is
//! gone, the borrower asks for a renewal; however many ask at once, the session is renewed once. A renewal that fails for
//! the moment keeps the session, and tells the borrower why, since it decides how soon to come again. Reads go one after
//! the other through the poller, while every commander talks to the cloud itself, so no command ever waits behind a read.
//!
//! When another client took the account over, the bridge gives way to it for a while: nobody gets a lease before that is
//! over, except on behalf of the owner.

mod handle;
mod record;
mod status;

use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::clock::Clock;
use crate::cloud::{CloudError, Credentials, Gateway, Session};
use crate::store::Store;

pub use self::handle::{CallError, Lease, NoSession, SessionHandle};
pub use self::record::Record;
pub use self::status::{AccountStatus, Problem, SignIn};

use self::handle::{Ask, Behalf};
use super::conduct::conduct;
use super::keepsake::{Keepsake, ServerPin};
use super::later;
use super::sign_ins::Wait;
use super::takeovers;

/// Requests for a lease that may wait while a sign-in is under way.
const WAITING_LEASES: usize = 64;
/// Longest time without a look at the clock.
const LONGEST_NAP: Duration = Duration::from_secs(60);
/// After so many refreshes in a row answered with 39 the session is lost: the cloud may say so for ever of one that it
/// has forgotten.
const UNVERIFIED_AT_MOST: u32 = 2;

/// The way into the cloud for one account.
pub struct Door {
    /// The cloud as this account uses it.
    pub gateway: Gateway,
    /// Where the cloud's certificate is remembered, when it is pinned on first use.
    pub server_pin: Option<ServerPin>,
    /// How to sign in.
    pub credentials: Credentials,
    /// How long to give way when another client signs in; no time means not at all.
    pub yield_for: Duration,
}

/// The task that owns an account's session.
pub struct SessionTask {
    door: Door,
    device_id: String,
    keepsake: Keepsake,
    clock: Clock,
    asks: mpsc::Receiver<Ask>,
    status: AccountStatus,
    watcher: mpsc::Sender<(usize, AccountStatus)>,
    yielding: watch::Sender<Option<Timestamp>>,
    account: usize,
    state: State,
    generation: u64,
    /// When the token in use was given out.
    renewed: Timestamp,
    /// Refreshes answered with 39 since the last one that succeeded.
    unverified: u32,
    record: Record,
    store: Store,
}

enum State {
    SignedOut,
    SignedIn(Session),
    Refused(String),
}

impl SessionTask {
    /// Takes up the session that was kept, if there is one, and waits for the first request. The watcher learns how the
    /// account stands, under the account's number.
    pub fn new(
        door: Door,
        keepsake: Keepsake,
        store: Store,
        clock: Clock,
        (account, watcher): (usize, mpsc::Sender<(usize, AccountStatus)>),
    ) -> (Self, SessionHandle) {
        let (ask, asks) = mpsc::channel(WAITING_LEASES);
        let mut record = Record::read(&store, &keepsake);
        if door.yield_for.is_zero() {
            record.takeovers.end();
        }
        let state = if keepsake.was_refused(&door.credentials.password) {
            State::Refused(CloudError::SignInRejected.to_string())
        } else {
            keepsake
                .session()
                .and_then(|saved| {
                    door.gateway
                        .resume(saved)
                        .inspect_err(|error| info!(%error, "signing in afresh"))
                        .ok()
                })
                .map_or(State::SignedOut, State::SignedIn)
        };
        let renewed = match &state {
            State::SignedIn(session) => session.signed_in_at(),
            State::SignedOut | State::Refused(_) => Timestamp::MIN,
        };
        let (yielding, yielding_seen) = watch::channel(record.takeovers.yields_until(clock.now()));
        let task = Self {
            door,
            device_id: keepsake.device_id(),
            keepsake,
            clock,
            asks,
            status: AccountStatus::unknown(),
            watcher,
            yielding,
            account,
            state,
            generation: 0,
            renewed,
            unverified: 0,
            record,
            store,
        };
        let handle = SessionHandle {
            asks: ask,
            yielding: yielding_seen,
            behalf: Behalf::Bridge,
        };
        (task, handle)
    }

    /// Serves leases until cancelled. The session stays valid at the cloud, so that the next start can go on with it.
    pub async fn run(mut self, cancel: CancellationToken) {
        self.show(None).await;
        loop {
            // The borrowers' calls may have been the first to see it.
            self.keep_server_pin();
            let clock = self.clock;
            let now = clock.now();
            self.record.sign_ins.not_after(now);
            let wake = self.next_wake(now);
            let ask = tokio::select! {
                () = cancel.cancelled() => break,
                ask = self.asks.recv() => match ask {
                    Some(ask) => ask,
                    None => break,
                },
                () = clock.sleep_until(wake) => {
                    // What is shown follows the clock: a pause may be over, the clock may have been set.
                    self.show(self.status.problem.clone()).await;
                    continue;
                }
            };
            match ask {
                Ask::Lease(behalf, reply) => {
                    let lease = self.lease(behalf).await;
                    // The asker may have given up; nobody else waits for this answer.
                    let _ = reply.send(lease);
                }
                Ask::Renew { lost, behalf, reply } => {
                    let lease = self.renewed_lease(lost, behalf).await;
                    let _ = reply.send(lease);
                }
                Ask::SignInAfresh => self.sign_in_afresh().await,
                Ask::ComeBack => self.come_back().await,
            }
        }
        self.keep_server_pin();
    }

    fn next_wake(&self, now: Timestamp) -> Timestamp {
        let nap = later(now, LONGEST_NAP);
        self.record
            .takeovers
            .yields_until(now)
            .map_or(nap, |until| until.min(nap))
    }

    async fn lease(&mut self, behalf: Behalf) -> Result<Lease, NoSession> {
        let now = self.clock.now();
        // Calls are signed with the time, so a clock that is not set spoils them all, with a session too.
        if self.record.sign_ins.allow(now) == Err(Wait::ClockNotSet) {
            self.show(None).await;
            return Err(self.unavailable());
        }
        if matches!(self.state, State::SignedOut) {
            self.give_way(behalf, now)?;
            self.sign_in().await?;
        }
        match &self.state {
            State::SignedIn(session) => Ok(Lease {
                session: session.clone(),
                generation: self.generation,
            }),
            State::Refused(text) => Err(NoSession::SignInNeeded(text.clone())),
            State::SignedOut => Err(self.unavailable()),
        }
    }

    /// A lease of the session after the one that was lost; somebody else may have renewed it meanwhile.
    async fn renewed_lease(&mut self, lost: u64, behalf: Behalf) -> Result<Lease, CallError> {
        if lost == self.generation {
            self.renew().await?;
        }
        Ok(self.lease(behalf).await?)
    }

    /// Nobody signs in while another client has the account, except on behalf of the owner.
    fn give_way(&mut self, behalf: Behalf, now: Timestamp) -> Result<(), NoSession> {
        match self.record.takeovers.yields_until(now) {
            None => Ok(()),
            Some(until) if behalf == Behalf::Bridge => Err(NoSession::Yielding { until }),
            Some(_) if self.record.sign_ins.allow(now).is_err() => Err(self.unavailable()),
            Some(_) => {
                info!(account = %self.keepsake.account(), "the owner asks for something: no longer giving way");
                Ok(())
            }
        }
    }

    /// The token was refused: refresh it, which evicts nobody; failing that, the next lease signs in, unless another
    /// client did so and the bridge gives way to it. An error says why it is not known yet whether the session lives.
    async fn renew(&mut self) -> Result<(), CloudError> {
        let State::SignedIn(session) = &mut self.state else {
            return Ok(());
        };
        let Err(error) = session.refresh().await else {
            info!(account = %self.keepsake.account(), "token refreshed");
            self.generation += 1;
            self.renewed = self.clock.now();
            self.unverified = 0;
            self.keepsake.keep(&session.saved());
            self.reach_the_disk().await;
            self.show(None).await;
            return Ok(());
        };
        if matches!(error, CloudError::Verification) {
            self.unverified += 1;
        }
        if error.is_transient() && self.unverified < UNVERIFIED_AT_MOST {
            // The way to the cloud is broken, not the session: keep it for the next attempt.
            self.show(Some(Problem::of(&error))).await;
            return Err(error);
        }
        let (expires, now) = (session.token_expires(), self.clock.now());
        let refused = matches!(error, CloudError::SessionLost);
        let taken_over = refused && takeovers::is_takeover(expires, self.renewed, now);
        self.state = State::SignedOut;
        self.unverified = 0;
        self.keepsake.forget_session();
        if taken_over && !self.door.yield_for.is_zero() {
            self.record.takeovers.begin(self.door.yield_for, now);
            self.record.write(&self.store, &self.keepsake);
            let until = self.record.takeovers.yields_until(now);
            info!(
                account = %self.keepsake.account(), until = until.map(tracing::field::display),
                "another client, such as the official app, signed in: giving way to it"
            );
        } else {
            info!(account = %self.keepsake.account(), %error, "token could not be refreshed, signing in afresh");
        }
        self.show(None).await;
        Ok(())
    }

    /// Somebody wants a new session. A refused password is not tried again, and a session is not given up for a sign-in
    /// that is not allowed yet.
    async fn sign_in_afresh(&mut self) {
        if matches!(self.state, State::Refused(_)) || self.record.sign_ins.allow(self.clock.now()).is_err() {
            info!(account = %self.keepsake.account(), "not signed in afresh now");
            return;
        }
        info!(account = %self.keepsake.account(), "signing in afresh, as asked");
        self.state = State::SignedOut;
        self.keepsake.forget_session();
        // What came of it is told by the account's status; the next lease tries again.
        let _ = self.sign_in().await;
    }

    /// The owner wants news: what comes of it is told by the account's status.
    async fn come_back(&mut self) {
        if self.record.takeovers.yields_until(self.clock.now()).is_some() {
            let _ = self.lease(Behalf::Owner).await;
        }
    }

    async fn sign_in(&mut self) -> Result<(), NoSession> {
        let now = self.clock.now();
        if self.record.sign_ins.allow(now).is_err() {
            return Err(self.unavailable());
        }
        self.record.begin_sign_in(now);
        self.record.write(&self.store, &self.keepsake);
        self.reach_the_disk().await;
        let outcome = self.door.gateway.sign_in(&self.door.credentials, &self.device_id).await;
        // Also when it failed: the password was sent to whoever showed that certificate.
        self.keep_server_pin();
        match outcome {
            Ok(session) => {
                info!(account = %self.keepsake.account(), "signed in");
                self.keepsake.keep(&session.saved());
                self.reach_the_disk().await;
                self.generation += 1;
                self.renewed = self.clock.now();
                self.unverified = 0;
                self.record.sign_ins.succeeded();
                self.state = State::SignedIn(session);
                self.show(None).await;
                Ok(())
            }
            Err(error @ CloudError::SignInRejected) => {
                warn!(account = %self.keepsake.account(), %error, "sign-in refused; it is not tried again by itself");
                self.keepsake.mark_refused(&self.door.credentials.password);
                self.state = State::Refused(error.to_string());
                self.show(Some(Problem::of(&error))).await;
                Err(NoSession::SignInNeeded(error.to_string()))
            }
            Err(error) => {
                if error.was_not_sent() {
                    self.record.sign_ins.not_sent();
                    self.record.write(&self.store, &self.keepsake);
                }
                let conduct = conduct(&error);
                let now = self.clock.now();
                self.record
                    .sign_ins
                    .failed(now, |failures| conduct.pause(failures, jitter()));
                let problem = Problem::of(&error);
                if self.status.problem.as_ref() != Some(&problem) {
                    warn!(account = %self.keepsake.account(), %error, "sign-in failed; it is tried again, ever more rarely");
                }
                self.show(Some(problem)).await;
                Err(self.unavailable())
            }
        }
    }

    /// Keeps the cloud's certificate once it was seen, if it is to be pinned.
    fn keep_server_pin(&mut self) {
        if let Some(pin) = &mut self.door.server_pin {
            pin.keep(self.door.gateway.seen_fingerprint());
        }
    }

    /// A process that is killed now must neither have forgotten that it signed in, nor have lost the session it got.
    async fn reach_the_disk(&self) {
        if let Err(error) = self.store.flush().await {
            warn!(account = %self.keepsake.account(), %error, "after a restart this sign-in may be forgotten");
        }
    }

    fn unavailable(&self) -> NoSession {
        let problem = match &self.status.problem {
            Some(problem) if problem.needs_owner => return NoSession::SignInNeeded(problem.text.clone()),
            problem => problem.as_ref().map(|problem| problem.text.clone()),
        };
        let now = self.clock.now();
        match self.record.sign_ins.allow(now) {
            Err(Wait::ClockNotSet) => NoSession::Unavailable {
                problem: "the computer's clock is not set yet, so nothing can be signed".to_owned(),
                next_attempt: now,
            },
            wait => NoSession::Unavailable {
                problem: problem.unwrap_or_else(|| "the session was lost, waiting before signing in again".to_owned()),
                next_attempt: if let Err(Wait::Until(next)) = wait { next } else { now },
            },
        }
    }

    async fn show(&mut self, problem: Option<Problem>) {
        let now = self.clock.now();
        let yields_until = self.record.takeovers.yields_until(now);
        self.yielding
            .send_if_modified(|shown| std::mem::replace(shown, yields_until) != yields_until);
        let (sign_in, problem) = match &self.state {
            State::Refused(_) => (SignIn::Refused, Some(Problem::of(&CloudError::SignInRejected))),
            _ if self.record.sign_ins.allow(now) == Err(Wait::ClockNotSet) => (SignIn::ClockNotSet, problem),
            State::SignedIn(_) => (SignIn::Done, problem),
            State::SignedOut => (yields_until.map_or(SignIn::Waiting, SignIn::Yielding), problem),
        };
        let certificates_expire = match &self.state {
            State::SignedIn(session) => session.certificates_expire(),
            State::SignedOut | State::Refused(_) => self.door.gateway.app_certificate_expires(),
        };
        let status = AccountStatus {
            sign_in,
            problem,
            certificates_expire,
        };
        if status != self.status {
            self.status = status.clone();
            // The watcher is gone only when the bridge stops.
            let _ = self.watcher.send((self.account, status)).await;
        }
    }
}

/// A random share, 0 to 1.
pub(super) fn jitter() -> f64 {
    // Without randomness the pause is merely not spread.
    getrandom::u32().map_or(0.0, |random| f64::from(random) / f64::from(u32::MAX))
}

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
