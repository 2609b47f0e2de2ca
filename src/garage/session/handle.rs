//! The way in to the session task: borrowing the account's session, and calling the cloud with it.

use jiff::Timestamp;
use tokio::sync::{mpsc, oneshot, watch};
use tracing::warn;

use crate::cloud::{CloudError, Session};

/// Why there is no session to borrow.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoSession {
    /// The owner must act: the password or the certificate was refused, the account is locked.
    #[error("{0}")]
    SignInNeeded(String),
    /// Another client signed in, and the bridge gives way to it.
    #[error("another client, such as the official app, signed in; the bridge gives way to it until {until}")]
    Yielding {
        /// Until when.
        until: Timestamp,
    },
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
    pub(super) generation: u64,
}

/// On whose behalf the cloud is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Behalf {
    /// The bridge itself, which gives way to other clients.
    Bridge,
    /// The owner, who asked for something and wants it now.
    Owner,
}

/// What the session task is asked for.
pub(super) enum Ask {
    Lease(Behalf, Reply<NoSession>),
    Renew {
        lost: u64,
        behalf: Behalf,
        reply: Reply<CallError>,
    },
    SignInAfresh,
    ComeBack,
}

/// Where a lease goes, or why there is none.
pub(super) type Reply<E> = oneshot::Sender<Result<Lease, E>>;

/// The way in to the session task.
#[derive(Clone)]
pub struct SessionHandle {
    pub(super) asks: mpsc::Sender<Ask>,
    pub(super) yielding: watch::Receiver<Option<Timestamp>>,
    pub(super) behalf: Behalf,
}

impl SessionHandle {
    /// The same, for what the owner asked for: it does not wait until another client may be disturbed.
    pub fn for_owner(&self) -> Self {
        Self {
            behalf: Behalf::Owner,
            ..self.clone()
        }
    }

    /// The same, for what the bridge does by itself.
    pub fn for_bridge(&self) -> Self {
        Self {
            behalf: Behalf::Bridge,
            ..self.clone()
        }
    }

    /// Until when the bridge gives way to another client; the moment may have passed.
    pub fn yields_until(&self) -> Option<Timestamp> {
        *self.yielding.borrow()
    }

    /// Returns when the bridge begins to give way, or is back.
    pub async fn yielding_changed(&mut self) {
        if self.yielding.changed().await.is_err() {
            // The session task is gone: the bridge is stopping, and nothing changes any more.
            std::future::pending::<()>().await;
        }
    }

    /// Borrows the session, signing in first where that is needed and allowed.
    pub async fn lease(&self) -> Result<Lease, NoSession> {
        self.ask(|reply| Ask::Lease(self.behalf, reply)).await
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

    /// Gives up the session and signs in afresh, unless that was done less than a minute ago.
    pub fn sign_in_afresh(&self) {
        if self.asks.try_send(Ask::SignInAfresh).is_err() {
            warn!("the session is busy; it is not signed in afresh");
        }
    }

    /// No longer gives way to another client: the owner wants news now.
    pub fn come_back(&self) {
        if self.asks.try_send(Ask::ComeBack).is_err() {
            warn!("the session is busy; it comes back later");
        }
    }

    async fn renew(&self, lost: u64) -> Result<Lease, CallError> {
        let behalf = self.behalf;
        self.ask(|reply| Ask::Renew { lost, behalf, reply }).await
    }

    async fn ask<E: From<NoSession>>(&self, ask: impl FnOnce(Reply<E>) -> Ask) -> Result<Lease, E> {
        let (reply, answer) = oneshot::channel();
        self.asks.send(ask(reply)).await.map_err(|_| NoSession::Stopping)?;
        answer.await.unwrap_or_else(|_| Err(NoSession::Stopping.into()))
    }
}
