//! Keeps cars current and carries out what is asked of them, through the maker's cloud.
//!
//! Per account one [`session`] task owns the sign-in, one [`poller`] keeps the cars current and one task reads what changes
//! [`slow`]ly; per car one [`commander`] carries out commands. This module starts them and routes requests to the right car. Nothing here knows how anything
//! is shown.

pub mod commander;
pub mod conduct;
pub mod confirmation;
pub mod custody;
mod failures;
pub mod guidance;
pub mod health;
pub mod herald;
mod keeper;
pub mod keepsake;
pub mod ledger;
pub mod memory;
mod period;
pub mod picture;
pub mod plan;
pub mod poller;
pub mod session;
pub mod settings;
pub mod sign_ins;
pub mod slow;
pub mod takeovers;
pub mod write;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use secrecy::SecretString;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::{error, warn};

use crate::clock::Clock;
use crate::cloud::{Credentials, Gateway};
use crate::health::{Health, Pulse};
use crate::store::{Store, Vault};
use crate::vehicle::command::gate;
use crate::vehicle::facts::{FactKey, FactUpdate};
use crate::vehicle::intent::{BridgeAction, CommandReport, CommandRequest, CommandState, Reason, Request};
use crate::vehicle::{Fleet, Happening, Vin};

use commander::{Commander, Way};
use custody::Custody;
use guidance::Guidance;
use keepsake::{Keepsake, ServerPin};
use ledger::Ledger;
use picture::painter::Painter;
use poller::{Notice, Outlets, OwnersWord, Poller, PollerHandle, RollCall};
use session::{Door, SessionHandle, SessionTask};
use slow::mailbox::{Mailbox, MailboxHandle};
use slow::{SlowHandle, SlowReads};

/// Cars that may appear before the router has taken note of them.
const ENROLMENTS: usize = 64;
/// Packages of pictures that may wait for the painter; each is large.
const PACKAGES: usize = 2;

/// The facts the garage produces.
pub const FACTS: &[&[FactKey]] = &[
    &health::FACTS,
    &commander::FACTS,
    &slow::facts::FACTS,
    &slow::mailbox::FACTS,
    &picture::painter::FACTS,
    &ledger::FACTS,
    &poller::FACTS,
    &settings::FACTS,
];

/// An account and its cars as the owner configured them.
pub struct Account {
    /// How to sign in.
    pub credentials: Credentials,
    /// The cloud as this account uses it.
    pub gateway: Gateway,
    /// Where the cloud's certificate is remembered, when it is pinned on first use.
    pub server_pin: Option<ServerPin>,
    /// What the owner said about single cars.
    pub cars: BTreeMap<Vin, CarConfiguration>,
}

/// What the owner said about a car.
#[derive(Clone, Default)]
pub struct CarConfiguration {
    /// What to call it.
    pub name: Option<String>,
    /// Its PIN.
    pub pin: Option<SecretString>,
}

/// How the garage works.
pub struct Rules {
    /// What the settings are that nobody changed.
    pub configured: settings::Configured,
    /// What may be commanded.
    pub commands: gate::Policy,
    /// Least time between two writes to one car.
    pub spacing: Duration,
    /// How long to give way when another client signs in with an account.
    pub yield_for: Duration,
    /// The owner's time zone.
    pub time_zone: TimeZone,
    /// The owner's language, an IETF tag.
    pub language: String,
}

/// The ends of the channels the garage speaks to and listens on.
pub struct Channels {
    /// What is asked for.
    pub requests: mpsc::Receiver<Request>,
    /// What became of commands.
    pub reports: mpsc::Sender<CommandReport>,
    /// What happened to cars.
    pub happenings: mpsc::Sender<Happening>,
    /// Facts about accounts and cars.
    pub facts: mpsc::Sender<FactUpdate>,
    /// The picture of all cars.
    pub fleet: watch::Sender<Fleet>,
    /// Whether every account has told its cars, so that a car that is not in the fleet is gone.
    pub fleet_is_complete: watch::Sender<bool>,
    /// Turns the log to another level.
    pub log_level: settings::LogLevel,
}

/// All accounts with their tasks.
pub struct Garage {
    accounts: Vec<Account>,
    rules: Rules,
    channels: Channels,
    clock: Clock,
    store: Store,
    vault: Vault,
    health: Option<Health>,
}

/// One account at work.
struct Running {
    session: SessionHandle,
    poller: PollerHandle,
    slow: SlowHandle,
    keepsake: Keepsake,
}

impl Garage {
    /// A garage; nothing happens before [`Garage::run`].
    pub fn new(
        accounts: Vec<Account>,
        rules: Rules,
        channels: Channels,
        clock: Clock,
        store: Store,
        vault: Vault,
    ) -> Self {
        Self {
            accounts,
            rules,
            channels,
            clock,
            store,
            vault,
            health: None,
        }
    }

    /// Has its pollers show that they live.
    pub fn watched_by(self, health: Health) -> Self {
        Self {
            health: Some(health),
            ..self
        }
    }

    /// Works until cancelled.
    pub async fn run(self, cancel: CancellationToken) {
        let Self {
            accounts,
            rules,
            channels,
            clock,
            store,
            vault,
            health,
        } = self;
        let Channels {
            mut requests,
            reports,
            happenings,
            facts,
            fleet,
            fleet_is_complete,
            log_level,
        } = channels;
        let fleet = Arc::new(fleet);
        let custody = Arc::new(watch::Sender::new(Custody::default()));
        let policy = Arc::new(rules.commands);
        let (roll, mut roll_call) = mpsc::channel(ENROLMENTS);
        let mut tasks = JoinSet::new();
        let mut running: Vec<Running> = Vec::new();
        let (watcher, statuses) = mpsc::channel(ENROLMENTS);
        let (troubles, troubles_told) = mpsc::channel(ENROLMENTS);
        let mut names = Vec::new();
        let (mailbox_task, mailbox) = Mailbox::new(accounts.len(), facts.clone());
        let (packages, unpacked) = mpsc::channel(PACKAGES);
        tasks.spawn(Painter::new(fleet.subscribe(), unpacked, facts.clone()).run(cancel.child_token()));
        let (keeper, settings, wishes) =
            settings::Keeper::new(rules.configured, store.clone(), facts.clone(), log_level);
        tasks.spawn(keeper.run(cancel.child_token()));
        let gateways: Vec<&Gateway> = accounts.iter().map(|account| &account.gateway).collect();
        let (ledger, standing) = Ledger::new(
            &gateways,
            wishes.clone(),
            facts.clone(),
            (clock, rules.time_zone.clone()),
            store.clone(),
        );
        tasks.spawn(ledger.run(cancel.child_token()));
        let guidance = Guidance {
            wishes,
            standing,
            time_zone: rules.time_zone.clone(),
        };
        let slow_tools = slow::Tools {
            fleet: fleet.subscribe(),
            custody: custody.subscribe(),
            clock,
            guidance: guidance.clone(),
            language: rules.language,
            facts: facts.clone(),
            happenings: happenings.clone(),
            packages,
            mailbox: mailbox.clone(),
        };

        let configured = Configured::of(&accounts);
        for (index, account) in accounts.into_iter().enumerate() {
            let keepsake = Keepsake::new(vault.clone(), account.credentials.username.clone());
            names.push(keepsake.account());
            let door = Door {
                gateway: account.gateway,
                server_pin: account.server_pin,
                credentials: account.credentials,
                yield_for: rules.yield_for,
            };
            let watched = (index, watcher.clone());
            let (session_task, session) = SessionTask::new(door, keepsake.clone(), store.clone(), clock, watched);
            tasks.spawn(session_task.run(cancel.child_token()));

            let words = configured
                .cars()
                .map(|vin| {
                    let car = configured.car(index, vin);
                    let word = OwnersWord {
                        pin: Some(keepsake.pin_status(vin, car.pin.as_ref())),
                        name: car.name,
                    };
                    (vin.clone(), word)
                })
                .collect();
            let outlets = Outlets {
                account: index,
                fleet: fleet.clone(),
                roll: roll.clone(),
                happenings: happenings.clone(),
                facts: facts.clone(),
                troubles: troubles.clone(),
                custody: custody.clone(),
            };
            let (poller_task, poller) =
                Poller::new(session.clone(), guidance.clone(), words, clock, store.clone(), outlets);
            let pulse = health
                .as_ref()
                .map(|health| health.watch(format!("poller {}", index + 1)));
            let poller_task = poller_task.watched_by(pulse.unwrap_or_else(Pulse::unwatched));
            tasks.spawn(poller_task.run(cancel.child_token()));

            let (slow_task, slow) = SlowReads::new(index, session.clone(), poller.clone(), slow_tools.clone());
            tasks.spawn(slow_task.run(cancel.child_token()));

            running.push(Running {
                session,
                poller,
                slow,
                keepsake,
            });
        }
        let tools = commander::Tools {
            fleet: fleet.subscribe(),
            custody: custody.subscribe(),
            clock,
            time_zone: rules.time_zone,
            reports: reports.clone(),
            facts: facts.clone(),
            policy,
            spacing: rules.spacing,
        };
        let answering = running.iter().map(|account| account.slow.clone()).collect();
        tasks.spawn(mailbox_task.run(answering, cancel.child_token()));
        let told = health::Told {
            statuses,
            troubles: troubles_told,
        };
        tasks.spawn(health::report(names, told, facts.clone(), cancel.child_token()));

        let mut unlisted: BTreeSet<usize> = (0..running.len()).collect();
        let mut router = Router {
            running,
            configured,
            tools,
            commanders: BTreeMap::new(),
            mailbox,
            settings,
            reports,
            clock,
        };
        loop {
            tokio::select! {
                // Cars are taken note of first, so that a request never overtakes its car.
                biased;
                () = cancel.cancelled() => break,
                Some(entry) = roll_call.recv() => match entry {
                    RollCall::Appeared(account, vin) => router.enrol(account, vin, &mut tasks, &cancel).await,
                    RollCall::Complete(account) => {
                        unlisted.remove(&account);
                        fleet_is_complete.send_if_modified(|complete| {
                            let changed = *complete != unlisted.is_empty();
                            *complete = unlisted.is_empty();
                            changed
                        });
                    }
                },
                Some(request) = requests.recv() => router.route(request).await,
                Some(ended) = tasks.join_next() => {
                    if let Err(failure) = ended {
                        // A task that died takes the garage with it; whoever runs the garage decides about a restart.
                        error!(%failure, "a task of the garage died");
                        break;
                    }
                }
            }
        }
        cancel.cancel();
        // Nobody takes note of cars any more, and no poller may wait for it.
        drop(roll_call);
        router.turn_all_away(requests).await;
        while tasks.join_next().await.is_some() {}
    }
}

/// What the owner said about cars, account by account.
struct Configured(Vec<BTreeMap<Vin, CarConfiguration>>);

impl Configured {
    fn of(accounts: &[Account]) -> Self {
        Self(accounts.iter().map(|account| account.cars.clone()).collect())
    }

    /// All cars that anything was said about.
    fn cars(&self) -> impl Iterator<Item = &Vin> {
        self.0.iter().flat_map(BTreeMap::keys)
    }

    /// What counts for a car when it is used through this account: what was said there, else what was said elsewhere.
    fn car(&self, account: usize, vin: &Vin) -> CarConfiguration {
        let here = self.0.get(account).and_then(|cars| cars.get(vin));
        let said = || here.into_iter().chain(self.0.iter().filter_map(|cars| cars.get(vin)));
        CarConfiguration {
            name: said().find_map(|car| car.name.clone()),
            pin: said().find_map(|car| car.pin.clone()),
        }
    }
}

/// Knows which commander serves which car.
struct Router {
    running: Vec<Running>,
    configured: Configured,
    tools: commander::Tools,
    commanders: BTreeMap<Vin, mpsc::Sender<CommandRequest>>,
    mailbox: MailboxHandle,
    settings: mpsc::Sender<settings::Ask>,
    reports: mpsc::Sender<CommandReport>,
    clock: Clock,
}

impl Router {
    async fn enrol(&mut self, account: usize, vin: Vin, tasks: &mut JoinSet<()>, cancel: &CancellationToken) {
        // Also for a car that comes back: what was shown of it has been cleared meanwhile.
        let _ = self.settings.send(settings::Ask::Appeared(vin.clone())).await;
        if let Some(running) = self.running.get(account) {
            running.slow.tell(slow::Notice::Car(vin.clone())).await;
        }
        if self.commanders.contains_key(&vin) {
            return;
        }
        let ways = self.running.iter().enumerate().map(|(account, running)| {
            let pin = self.configured.car(account, &vin).pin;
            Way {
                session: running.session.clone(),
                poller: running.poller.clone(),
                pin_status: running.keepsake.pin_status(&vin, pin.as_ref()),
                keepsake: running.keepsake.clone(),
                pin,
            }
        });
        let (commander, requests) = Commander::new(vin.clone(), ways.collect(), self.tools.clone());
        tasks.spawn(commander.run(cancel.child_token()));
        self.commanders.insert(vin, requests);
    }

    async fn route(&self, request: Request) {
        match request {
            Request::Action(BridgeAction::Refresh(vin)) => {
                let keeper = self.tools.custody.borrow().keeper(&vin);
                if let Some(account) = keeper.and_then(|account| self.running.get(account)) {
                    account.session.come_back();
                    // The poller may be waiting for us to take its cars down.
                    account.poller.try_tell(Notice::Boost(vin));
                }
            }
            Request::Action(BridgeAction::AnswerShare { accept }) => self.mailbox.answer_oldest(accept),
            Request::Action(BridgeAction::ReconnectCloud) => {
                for account in &self.running {
                    account.session.sign_in_afresh();
                }
            }
            Request::Action(action) => warn!(?action, "nobody does this yet"),
            Request::Setting(subject, key, text) => {
                // The keeper of the settings is gone only when the bridge stops.
                let _ = self.settings.send(settings::Ask::Change(subject, key, text)).await;
            }
            Request::Command(request) => {
                let refused = match self.commanders.get(&request.vin) {
                    None => Some((Reason::UnknownVehicle, request)),
                    Some(commander) => match commander.try_send(request) {
                        Ok(()) => None,
                        Err(mpsc::error::TrySendError::Full(request)) => Some((Reason::QueueFull, request)),
                        Err(mpsc::error::TrySendError::Closed(request)) => Some((Reason::Stopping, request)),
                    },
                };
                if let Some((reason, request)) = refused {
                    self.refuse(&request, reason).await;
                }
            }
        }
    }

    /// Answers the commands that arrived too late to be given to their cars.
    async fn turn_all_away(&self, mut requests: mpsc::Receiver<Request>) {
        requests.close();
        while let Ok(request) = requests.try_recv() {
            if let Request::Command(request) = request {
                self.refuse(&request, Reason::Stopping).await;
            }
        }
    }

    async fn refuse(&self, request: &CommandRequest, reason: Reason) {
        let report = CommandReport {
            ticket: request.ticket,
            vin: request.vin.clone(),
            command: request.command.name(),
            id: request.id.clone(),
            origin: request.origin,
            state: CommandState::Refused,
            reason: Some(reason),
            received: request.received,
            finished: Some(self.clock.now()),
        };
        // Whoever reads reports is gone only when the bridge stops.
        let _ = self.reports.send(report).await;
    }
}

/// `pause` after `now`; the end of time where that does not fit.
fn later(now: Timestamp, pause: Duration) -> Timestamp {
    SignedDuration::try_from(pause)
        .ok()
        .and_then(|pause| now.checked_add(pause).ok())
        .unwrap_or(Timestamp::MAX)
}
