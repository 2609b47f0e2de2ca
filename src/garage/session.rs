//! One session per account: the only place that signs in, and the only owner of the account's tokens.
//!
//! Everyone else borrows a [`Lease`]: a copy of the session good for a few calls. When the cloud says that the session is
//! gone, the borrower asks for a renewal; however many ask at once, the session is renewed once. Reads go one after the
//! other through the poller, while every commander talks to the cloud itself, so no command ever waits behind a read.

use jiff::Timestamp;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::clock::Clock;
use crate::cloud::{CloudError, Credentials, Gateway, Session};

use super::keepsake::{Keepsake, ServerPin};
use super::sign_ins::{SignIns, Wait};
use crate::store::Store;

/// Requests for a lease that may wait while a sign-in is under way.
const WAITING_LEASES: usize = 64;
/// How an account stands, for everyone who shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountStatus {
    /// Where the sign-in stands.
    pub sign_in: SignIn,
    /// What went wrong last, until something succeeds.
    pub problem: Option<Problem>,
    /// Until when the certificates are valid that this account is used with.
    pub certificates_expire: Option<Timestamp>,
}

/// Where the sign-in stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignIn {
    /// Not signed in yet, or between two attempts.
    Waiting,
    /// Signed in.
    Done,
    /// The password was refused. Nothing is sent until it is changed.
    Refused,
}

/// A problem in the words of the `bridge_last_error` entity, with its whole text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// One of the stable codes of `bridge_last_error`.
    pub code: &'static str,
    /// What happened, what the bridge does and what the owner can do.
    pub text: String,
}

impl Problem {
    fn of(error: &CloudError) -> Self {
        Self {
            code: error.code(),
            text: error.to_string(),
        }
    }
}

/// Why there is no session to borrow.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoSession {
    /// The owner must act: the password was refused, or the certificate cannot be used.
    #[error("{0}")]
    SignInNeeded(String),
    /// It will be tried again by itself.
    #[error("{problem}; next attempt at {next_attempt}")]
    Unavailable {
        /// What went wrong last.
        problem: String,
        /// When the next attempt is due.
        next_attempt: Timestamp,
    },
    /// The bridge is stopping.
    #[error("the bridge is stopping")]
    Stopping,
}

/// Why a call did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// There was no session to make it with.
    #[error(transparent)]
    NoSession(#[from] NoSession),
    /// The cloud, or the way to it, refused.
    #[error(transparent)]
    Cloud(#[from] CloudError),
}

/// A copy of the account's session, good for a few calls.
#[derive(Clone)]
pub struct Lease {
    /// The session to call with.
    pub session: Session,
    /// Which renewal it is, so that a lost session is renewed only once.
    generation: u64,
}

enum Ask {
    Lease(oneshot::Sender<Result<Lease, NoSession>>),
    Renew {
        lost: u64,
        reply: oneshot::Sender<Result<Lease, NoSession>>,
    },
    Learned(Box<Session>),
    SignInAfresh,
}

/// The way in to the session task.
#[derive(Clone)]
pub struct SessionHandle(mpsc::Sender<Ask>);

impl SessionHandle {
    /// Borrows the session, signing in first where that is needed and allowed.
    pub async fn lease(&self) -> Result<Lease, NoSession> {
        self.ask(Ask::Lease).await
    }

    /// Makes one call. If the cloud says that the session is gone, it is renewed and the call is made once more, so this
    /// is for calls that may be repeated: never for a write.
    pub async fn call<T, F>(&self, call: impl Fn(Session) -> F) -> Result<T, CallError>
    where
        F: Future<Output = Result<T, CloudError>>,
    {
        let lease = self.lease().await?;
        match call(lease.session).await {
            Err(CloudError::SessionLost) => {
                let lease = self.renew(lease.generation).await?;
                Ok(call(lease.session).await?)
            }
            result => Ok(result?),
        }
    }

    /// Tells the session task that a call taught the session something worth keeping, such as a model's path.
    pub fn learned(&self, session: Session) {
        // Losing this only costs one more look-up after the next start.
        let _ = self.0.try_send(Ask::Learned(Box::new(session)));
    }

    /// Gives up the session and signs in afresh, unless that was done less than a minute ago.
    pub fn sign_in_afresh(&self) {
        if self.0.try_send(Ask::SignInAfresh).is_err() {
            warn!("the session is busy; it is not signed in afresh");
        }
    }

    async fn renew(&self, lost: u64) -> Result<Lease, NoSession> {
        self.ask(|reply| Ask::Renew { lost, reply }).await
    }

    async fn ask(
        &self,
        ask: impl FnOnce(oneshot::Sender<Result<Lease, NoSession>>) -> Ask,
    ) -> Result<Lease, NoSession> {
        let (reply, answer) = oneshot::channel();
        self.0.send(ask(reply)).await.map_err(|_| NoSession::Stopping)?;
        answer.await.unwrap_or(Err(NoSession::Stopping))
    }
}

/// The way into the cloud for one account.
pub struct Door {
    /// The cloud as this account uses it.
    pub gateway: Gateway,
    /// Where the cloud's certificate is remembered, when it is pinned on first use.
    pub server_pin: Option<ServerPin>,
    /// How to sign in.
    pub credentials: Credentials,
}

/// The task that owns an account's session.
pub struct SessionTask {
    gateway: Gateway,
    server_pin: Option<ServerPin>,
    credentials: Credentials,
    device_id: String,
    keepsake: Keepsake,
    clock: Clock,
    asks: mpsc::Receiver<Ask>,
    status: AccountStatus,
    watcher: mpsc::Sender<(usize, AccountStatus)>,
    account: usize,
    state: State,
    generation: u64,
    sign_ins: SignIns,
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
        let Door {
            gateway,
            server_pin,
            credentials,
        } = door;
        let (ask, asks) = mpsc::channel(WAITING_LEASES);
        let device_id = keepsake.device_id();
        let sign_ins = store.read(&keepsake.document()).unwrap_or_else(|error| {
            warn!(account = %keepsake.account(), %error, "earlier sign-ins are not known");
            None
        });
        let state = if keepsake.was_refused(&credentials.password) {
            State::Refused(CloudError::SignInRejected.to_string())
        } else {
            keepsake
                .session()
                .and_then(|saved| {
                    gateway
                        .resume(saved)
                        .inspect_err(|error| info!(%error, "signing in afresh"))
                        .ok()
                })
                .map_or(State::SignedOut, State::SignedIn)
        };
        let task = Self {
            gateway,
            server_pin,
            credentials,
            device_id,
            keepsake,
            clock,
            asks,
            status: AccountStatus {
                sign_in: SignIn::Waiting,
                problem: None,
                certificates_expire: None,
            },
            watcher,
            account,
            state,
            generation: 0,
            sign_ins: sign_ins.unwrap_or_default(),
            store,
        };
        (task, SessionHandle(ask))
    }

    /// Serves leases until cancelled. The session stays valid at the cloud, so that the next start can go on with it.
    pub async fn run(mut self, cancel: CancellationToken) {
        self.show(None).await;
        loop {
            let ask = tokio::select! {
                () = cancel.cancelled() => return,
                ask = self.asks.recv() => ask,
            };
            match ask {
                None => return,
                Some(Ask::Lease(reply)) => {
                    let lease = self.lease().await;
                    // The asker may have given up; nobody else waits for this answer.
                    let _ = reply.send(lease);
                }
                Some(Ask::Renew { lost, reply }) => {
                    if lost == self.generation {
                        self.renew().await;
                    }
                    let lease = self.lease().await;
                    let _ = reply.send(lease);
                }
                Some(Ask::Learned(session)) => self.keepsake.keep(&session.saved()),
                Some(Ask::SignInAfresh) => self.sign_in_afresh().await,
            }
        }
    }

    async fn lease(&mut self) -> Result<Lease, NoSession> {
        if matches!(self.state, State::SignedOut) {
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

    /// The token was refused: refresh it, which evicts nobody; failing that, the next lease signs in.
    async fn renew(&mut self) {
        let State::SignedIn(session) = &mut self.state else {
            return;
        };
        match session.refresh().await {
            Ok(()) => {
                info!(account = %self.keepsake.account(), "token refreshed");
                self.generation += 1;
                self.keepsake.keep(&session.saved());
                self.reach_the_disk().await;
                self.show(None).await;
            }
            Err(error) if error.is_transient() => {
                // The way to the cloud is broken, not the session: keep it for the next attempt.
                self.show(Some(Problem::of(&error))).await;
            }
            Err(error) => {
                info!(account = %self.keepsake.account(), %error, "token could not be refreshed, signing in afresh");
                self.state = State::SignedOut;
                self.keepsake.forget_session();
            }
        }
    }

    /// Somebody wants a new session. A refused password is not tried again, and a session is not given up for a sign-in
    /// that is not allowed yet.
    async fn sign_in_afresh(&mut self) {
        if matches!(self.state, State::Refused(_)) || self.sign_ins.allow(self.clock.now()).is_err() {
            info!(account = %self.keepsake.account(), "not signed in afresh now");
            return;
        }
        info!(account = %self.keepsake.account(), "signing in afresh, as asked");
        self.state = State::SignedOut;
        self.keepsake.forget_session();
        // What came of it is told by the account's status; the next lease tries again.
        let _ = self.sign_in().await;
    }

    async fn sign_in(&mut self) -> Result<(), NoSession> {
        let now = self.clock.now();
        if self.sign_ins.allow(now).is_err() {
            return Err(self.unavailable());
        }
        self.sign_ins.begin(now);
        self.keep_sign_ins();
        self.reach_the_disk().await;
        match self.gateway.sign_in(&self.credentials, &self.device_id).await {
            Ok(session) => {
                info!(account = %self.keepsake.account(), "signed in");
                self.keepsake.keep(&session.saved());
                self.reach_the_disk().await;
                if let Some(pin) = &mut self.server_pin {
                    pin.keep(self.gateway.seen_fingerprint());
                }
                self.generation += 1;
                self.sign_ins.succeeded();
                self.state = State::SignedIn(session);
                self.show(None).await;
                Ok(())
            }
            Err(error @ CloudError::SignInRejected) => {
                warn!(account = %self.keepsake.account(), %error, "sign-in refused; it is not tried again by itself");
                self.keepsake.mark_refused(&self.credentials.password);
                self.state = State::Refused(error.to_string());
                self.show(Some(Problem::of(&error))).await;
                Err(NoSession::SignInNeeded(error.to_string()))
            }
            Err(error) => {
                if matches!(error, CloudError::Unreachable(_)) {
                    self.sign_ins.not_sent();
                    self.keep_sign_ins();
                }
                self.sign_ins.failed(self.clock.now(), jitter());
                let problem = Problem::of(&error);
                if self.status.problem.as_ref() != Some(&problem) {
                    warn!(account = %self.keepsake.account(), %error, "sign-in failed; it is tried again, ever more rarely");
                }
                self.show(Some(problem)).await;
                Err(self.unavailable())
            }
        }
    }

    fn keep_sign_ins(&self) {
        if let Err(error) = self.store.write(&self.keepsake.document(), &self.sign_ins) {
            warn!(account = %self.keepsake.account(), %error, "the sign-ins cannot be counted across restarts");
        }
    }

    /// A process that is killed now must neither have forgotten that it signed in, nor have lost the session it got.
    async fn reach_the_disk(&self) {
        if let Err(error) = self.store.flush().await {
            warn!(account = %self.keepsake.account(), %error, "after a restart this sign-in may be forgotten");
        }
    }

    fn unavailable(&self) -> NoSession {
        let problem = self.status.problem.as_ref().map(|problem| problem.text.clone());
        let now = self.clock.now();
        match self.sign_ins.allow(now) {
            Err(Wait::ClockNotSet) => NoSession::Unavailable {
                problem: "the computer's clock is not set yet, so the bridge does not sign in".to_owned(),
                next_attempt: now,
            },
            wait => NoSession::Unavailable {
                problem: problem.unwrap_or_else(|| "the session was lost, waiting before signing in again".to_owned()),
                next_attempt: if let Err(Wait::Until(next)) = wait { next } else { now },
            },
        }
    }

    async fn show(&mut self, problem: Option<Problem>) {
        let (sign_in, problem) = match &self.state {
            State::SignedIn(_) => (SignIn::Done, problem),
            State::SignedOut => (SignIn::Waiting, problem),
            State::Refused(text) => (
                SignIn::Refused,
                Some(Problem {
                    code: "auth",
                    text: text.clone(),
                }),
            ),
        };
        let certificates_expire = match &self.state {
            State::SignedIn(session) => session.certificates_expire(),
            State::SignedOut | State::Refused(_) => self.gateway.app_certificate_expires(),
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
