//! Reads what changes slowly: statistics, the charging history, software, schedules, the picture, messages and share
//! invitations.
//!
//! One task per account carries out what the pure [`plan`] finds due, one call at a time and beside the poller, so that
//! neither a poll nor a command ever waits for it. The answers become [`facts`]; what concerns the whole account goes to
//! the [`mailbox`], which puts all accounts together.

pub mod facts;
pub mod mailbox;
pub mod plan;

use std::collections::{BTreeMap, VecDeque};
use std::pin::Pin;
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use secrecy::ExposeSecret;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use crate::clock::Clock;
use crate::cloud::{
    Appointment, CloudError, EnergyBreakdown, Message, PictureKey, ScheduleKind, Session, ShareInvitation, Window,
};
use crate::vehicle::command::EffectGroup;
use crate::vehicle::facts::{FactKey, FactUpdate, Subject, Value};
use crate::vehicle::transitions::CloudMessage;
use crate::vehicle::{CarView, Command, Fleet, Happening, Vin};

use super::custody::Custody;
use super::guidance::Guidance;
use super::later;
use super::picture::painter::Package;
use super::poller::{self, PollerHandle};
use super::session::{CallError, SessionHandle, jitter};
use facts::Fact;
use mailbox::{Letter, MailboxHandle};
use plan::{Errand, Ration, Timetable, Topic};

/// Room for notices: the cars of an account, and answers to invitations.
const NOTICES: usize = 64;
/// Messages looked at; more never arrive between two looks.
const MESSAGES: u32 = 20;
/// What commands affect that write a schedule read here.
const SCHEDULES: [EffectGroup; 2] = [EffectGroup::ClimateSchedule, EffectGroup::PrepareSchedule];
/// Longest time without a look at the clock, which may be set.
const LONGEST_NAP: Duration = Duration::from_secs(60);

/// What the task is told.
#[derive(Debug)]
pub enum Notice {
    /// The account has this car.
    Car(Vin),
    /// Accept or reject this invitation.
    AnswerShare(ShareInvitation, bool),
}

/// The way in to the task.
#[derive(Clone)]
pub struct SlowHandle(mpsc::Sender<Notice>);

impl SlowHandle {
    /// Tells the task; it takes notices while a call is under way.
    pub async fn tell(&self, notice: Notice) {
        // A task that is gone needs no notices: the bridge is stopping.
        let _ = self.0.send(notice).await;
    }

    /// Tells the task if there is room. For the mailbox, which the task itself may be waiting for.
    pub fn try_tell(&self, notice: Notice) {
        if self.0.try_send(notice).is_err() {
            warn!("too much waits for the slow reads; the share invitation is not answered");
        }
    }
}

/// What every task of this kind shares.
#[derive(Clone)]
pub struct Tools {
    /// The cars.
    pub fleet: watch::Receiver<Fleet>,
    /// Which account keeps which car.
    pub custody: watch::Receiver<Custody>,
    /// The time.
    pub clock: Clock,
    /// What is left of the day's requests, and the owner's time zone.
    pub guidance: Guidance,
    /// The owner's language.
    pub language: String,
    /// Where facts of cars go.
    pub facts: mpsc::Sender<FactUpdate>,
    /// Where new messages go.
    pub happenings: mpsc::Sender<Happening>,
    /// Where the packages of pictures go.
    pub packages: mpsc::Sender<Package>,
    /// Where messages and invitations go.
    pub mailbox: MailboxHandle,
}

/// The task that reads what changes slowly, for one account.
pub struct SlowReads {
    account: usize,
    session: SessionHandle,
    poller: PollerHandle,
    tools: Tools,
    notices: mpsc::Receiver<Notice>,
    timetable: Timetable,
    /// The cars of this account, as they were last looked at.
    cars: BTreeMap<Vin, Glance>,
    /// Answers to invitations that are still to be given.
    replies: VecDeque<(ShareInvitation, bool)>,
    /// The key of the picture that was handed over last.
    pictures: BTreeMap<Vin, PictureKey>,
    /// The messages as they were last read.
    messages: Option<Vec<Message>>,
}

/// What was seen of a car.
#[derive(Default)]
struct Glance {
    /// Whether it charged.
    charges: bool,
    /// Whether one of its schedules was being written.
    writes_schedule: bool,
    /// To what its schedules were being switched.
    switching: Vec<(FactKey, bool)>,
}

/// A call under way.
type Call = Pin<Box<dyn Future<Output = Done> + Send>>;

/// What came of a call.
enum Done {
    Read(Errand, Result<Answer, CallError>),
    Replied(ShareInvitation, bool, Result<(), CallError>),
}

/// What the cloud said.
enum Answer {
    Messages(u64, Vec<Message>),
    Shares(Vec<ShareInvitation>),
    Facts(Vin, Vec<Fact>),
    /// A key with the package under it; `None` when there is none, or it is the one already known.
    Picture(Vin, Option<(PictureKey, Vec<u8>)>),
}

/// Waits for the call under way and takes its result; for ever when there is none.
async fn settled(call: &mut Option<Call>) -> Done {
    match call {
        Some(under_way) => {
            let done = under_way.await;
            *call = None;
            done
        }
        None => std::future::pending().await,
    }
}

impl SlowReads {
    /// The task of this account; nothing is read before it runs.
    pub fn new(account: usize, session: SessionHandle, poller: PollerHandle, tools: Tools) -> (Self, SlowHandle) {
        let (notice, notices) = mpsc::channel(NOTICES);
        let task = Self {
            account,
            session,
            poller,
            timetable: Timetable::new(tools.clock.now(), jitter()),
            tools,
            notices,
            cars: BTreeMap::new(),
            replies: VecDeque::new(),
            pictures: BTreeMap::new(),
            messages: None,
        };
        (task, SlowHandle(notice))
    }

    /// Reads until cancelled. One call is under way at a time.
    pub async fn run(mut self, cancel: CancellationToken) {
        let clock = self.tools.clock;
        let mut call: Option<Call> = None;
        loop {
            let now = clock.now();
            if call.is_none() {
                call = self.next_call(now);
            }
            let nap = later(now, LONGEST_NAP);
            let next = self.timetable.next(&self.ration(), now).filter(|_| call.is_none());
            let yields_until = self.session.yields_until();
            let next = next.map(|next| yields_until.map_or(next, |until| next.max(until)));
            tokio::select! {
                () = cancel.cancelled() => return,
                done = settled(&mut call) => self.take(done).await,
                notice = self.notices.recv() => match notice {
                    Some(notice) => self.note(notice),
                    None => return,
                },
                changed = self.tools.fleet.changed() => if changed.is_err() { return },
                // A request counted, or another day, may move what is allowed.
                Ok(()) = self.tools.guidance.standing.changed() => {}
                () = clock.sleep_until(next.unwrap_or(nap).min(nap)) => {}
            }
            for update in self.look_at_cars() {
                // Whoever reads facts is gone only when the bridge stops.
                let _ = self.tools.facts.send(update).await;
            }
        }
    }

    /// What may be asked for today yet.
    fn ration(&self) -> Ration {
        let allowance = self.tools.guidance.allowance(self.account);
        Ration {
            requests: allowance.left_for_slow_reads(),
            until: allowance.resets,
        }
    }

    fn note(&mut self, notice: Notice) {
        match notice {
            Notice::Car(vin) => {
                self.cars.entry(vin).or_default();
            }
            Notice::AnswerShare(invitation, accept) => self.replies.push_back((invitation, accept)),
        }
    }

    /// Notices which cars have a status, which are gone, where a charge has ended, and where a schedule was written.
    /// While one is being switched, what is asked for counts as its state, until it is read again.
    fn look_at_cars(&mut self) -> Vec<FactUpdate> {
        let now = self.tools.clock.now();
        let mut updates = Vec::new();
        let fleet = self.tools.fleet.borrow_and_update();
        for (vin, before) in &mut self.cars {
            let Some(view) = fleet.get(vin) else { continue };
            let Some(state) = &view.state else { continue };
            if !self.timetable.has_car(vin) {
                self.timetable.add_car(vin, now, jitter());
            }
            let glance = Glance {
                charges: state.charging.charging.unwrap_or(before.charges),
                writes_schedule: SCHEDULES.iter().any(|group| view.pending.contains_key(group)),
                switching: SCHEDULES.iter().filter_map(|group| switching(view, *group)).collect(),
            };
            if before.charges && !glance.charges {
                self.timetable.charge_ended(vin, now);
            }
            if before.writes_schedule && !glance.writes_schedule {
                self.timetable.schedule_written(vin, now);
            }
            if before.switching != glance.switching {
                updates.extend(glance.switching.iter().map(|(key, on)| FactUpdate {
                    subject: Subject::Car(vin.clone()),
                    key,
                    value: Some(Value::Flag(*on)),
                }));
            }
            *before = glance;
        }
        let custody = self.tools.custody.borrow();
        let is_kept = |vin: &Vin| custody.keeps(self.account, vin);
        self.cars.retain(|vin, _| is_kept(vin));
        self.timetable
            .retain_cars(|vin| fleet.contains_key(vin) && is_kept(vin));
        self.pictures.retain(|vin, _| fleet.contains_key(vin));
        updates
    }

    /// What is to be asked now, already under way when polled. Somebody waits for an answer to an invitation, so it goes
    /// first.
    fn next_call(&mut self, now: Timestamp) -> Option<Call> {
        let session = self.session.clone();
        if let Some((invitation, accept)) = self.replies.pop_front() {
            return Some(Box::pin(async move {
                let result = session
                    .for_owner()
                    .call(|session| answer(session, invitation.clone(), accept))
                    .await;
                Done::Replied(invitation, accept, result)
            }));
        }
        if self.session.yields_until().is_some_and(|until| now < until) {
            return None;
        }
        let errand = self.timetable.take_due(&self.ration(), now)?;
        let question = Question {
            now,
            zone: self.tools.guidance.time_zone.clone(),
            language: self.tools.language.clone(),
            picture: match &errand {
                Errand::Car(vin, Topic::Picture) => self.pictures.get(vin).cloned(),
                _ => None,
            },
            errand,
        };
        Some(Box::pin(async move {
            let result = session.call(|session| question.clone().put_to(session)).await;
            Done::Read(question.errand, result)
        }))
    }

    async fn take(&mut self, done: Done) {
        let now = self.tools.clock.now();
        match done {
            Done::Read(errand, Ok(answer)) => {
                if self.timetable.succeeded(&errand, now, jitter()) {
                    info!(%errand, "can be read again");
                }
                self.take_answer(answer).await;
            }
            Done::Read(errand, Err(error)) => self.take_failure(&errand, &error, now),
            Done::Replied(invitation, accept, result) => {
                self.timetable.share_answered(now);
                match result {
                    Ok(()) if accept => {
                        info!(vin = %invitation.vin, "share invitation accepted");
                        self.poller.try_tell(poller::Notice::Expect(invitation.vin));
                    }
                    Ok(()) => info!(vin = %invitation.vin, "share invitation rejected"),
                    Err(error) => warn!(vin = %invitation.vin, %error, "the share invitation could not be answered"),
                }
            }
        }
    }

    fn take_failure(&mut self, errand: &Errand, error: &CallError, now: Timestamp) {
        if matches!(error, CallError::Cloud(CloudError::NotPermitted)) {
            debug!(%errand, "not for this account");
            self.timetable.succeeded(errand, now, jitter());
            return;
        }
        let is_first = self.timetable.failed(errand, now, jitter());
        match error {
            CallError::Cloud(error) if is_first => warn!(%errand, %error, "could not be read; tried ever more rarely"),
            // What keeps failing has been said, and a missing session the session task has said.
            error => debug!(%errand, %error, "not read"),
        }
    }

    async fn take_answer(&mut self, answer: Answer) {
        match answer {
            Answer::Messages(unread, latest) => self.take_messages(unread, latest).await,
            Answer::Shares(shares) => {
                self.tools.mailbox.deliver(self.account, Letter::Shares(shares)).await;
            }
            Answer::Facts(vin, facts) => {
                for (key, value) in facts {
                    let subject = Subject::Car(vin.clone());
                    // Whoever reads facts is gone only when the bridge stops.
                    let _ = self.tools.facts.send(FactUpdate { subject, key, value }).await;
                }
            }
            Answer::Picture(vin, Some((key, archive))) => {
                self.pictures.insert(vin.clone(), key);
                // The painter is gone only when the bridge stops.
                let _ = self.tools.packages.send(Package { vin, archive }).await;
            }
            Answer::Picture(_, None) => {}
        }
    }

    async fn take_messages(&mut self, unread: u64, latest: Vec<Message>) {
        for message in mailbox::new_messages(self.messages.as_deref(), &latest) {
            info!(
                vin = message.vin.as_ref().map(tracing::field::display),
                "a message of the cloud arrived"
            );
            let happening = Happening::Message(CloudMessage {
                vin: message.vin,
                title: message.title.unwrap_or_default(),
                text: message.text.unwrap_or_default(),
                category: message.kind.map(|kind| kind.to_string()),
                sent: message.sent,
            });
            // Whoever reads happenings is gone only when the bridge stops.
            let _ = self.tools.happenings.send(happening).await;
        }
        self.messages = Some(latest.clone());
        let letter = Letter::Messages { unread, latest };
        self.tools.mailbox.deliver(self.account, letter).await;
    }
}

/// What to ask, and what is needed for it.
#[derive(Clone)]
struct Question {
    errand: Errand,
    now: Timestamp,
    zone: TimeZone,
    language: String,
    /// The key of the picture that is already there.
    picture: Option<PictureKey>,
}

impl Question {
    async fn put_to(self, session: Session) -> Result<Answer, CloudError> {
        match &self.errand {
            Errand::Messages => {
                let latest = session.messages(1, MESSAGES).await?;
                Ok(Answer::Messages(session.unread_count().await?, latest))
            }
            Errand::Shares => Ok(Answer::Shares(session.share_invitations().await?)),
            Errand::Car(vin, Topic::Picture) => Ok(Answer::Picture(vin.clone(), self.picture(&session, vin).await?)),
            Errand::Car(vin, topic) => Ok(Answer::Facts(vin.clone(), self.facts(&session, vin, *topic).await?)),
        }
    }

    async fn facts(&self, session: &Session, vin: &Vin, topic: Topic) -> Result<Vec<Fact>, CloudError> {
        let (now, zone) = (self.now, &self.zone);
        Ok(match topic {
            Topic::Mileage => facts::of_mileage(&session.mileage_energy(vin, facts::last_days(now, zone)).await?),
            Topic::Charges => {
                let charges = session.charging_history(vin, facts::last_charges(now, zone)).await?;
                facts::of_charge(charges.first(), zone)
            }
            Topic::Rank => facts::of_rank(&session.weekly_rank(vin).await?),
            Topic::LastWeek => facts::of_last_week(breakdown(session, vin, Window::previous_week(now, zone)).await?),
            Topic::Today => facts::of_today(breakdown(session, vin, facts::today(now, zone)).await?),
            Topic::Software => facts::of_software(&session.software_info(vin).await?, &self.language),
            Topic::Schedules => facts::of_schedules(
                &appointments(session, vin, ScheduleKind::Climate).await?,
                &appointments(session, vin, ScheduleKind::PrepareCar).await?,
            ),
            Topic::Picture => Vec::new(),
        })
    }

    async fn picture(&self, session: &Session, vin: &Vin) -> Result<Option<(PictureKey, Vec<u8>)>, CloudError> {
        let text = |key: &PictureKey| key.text().expose_secret().to_owned();
        let Some(key) = session.picture_key(vin).await? else {
            return Ok(None);
        };
        if self.picture.as_ref().map(text) == Some(text(&key)) {
            return Ok(None);
        }
        let package = session.picture_package(&key).await?;
        Ok(Some((key, package)))
    }
}

async fn breakdown(
    session: &Session,
    vin: &Vin,
    window: Option<Window>,
) -> Result<Option<EnergyBreakdown>, CloudError> {
    match window {
        Some(window) => session.energy_breakdown(vin, window).await,
        None => Ok(None),
    }
}

async fn appointments(session: &Session, vin: &Vin, kind: ScheduleKind) -> Result<Vec<Appointment>, CloudError> {
    let entries = session.schedules(vin, kind).await?;
    Ok(entries.iter().map(Appointment::of).collect())
}

/// The schedule that a command on its way switches, and to what.
fn switching(view: &CarView, group: EffectGroup) -> Option<(FactKey, bool)> {
    match view.pending.get(&group)?.command {
        Command::ClimateScheduleSwitch(on) => Some((facts::CLIMATE_SCHEDULE, on)),
        Command::PrepareCarScheduleSwitch(on) => Some((facts::PREPARE_SCHEDULE, on)),
        _ => None,
    }
}

async fn answer(session: Session, invitation: ShareInvitation, accept: bool) -> Result<(), CloudError> {
    session.answer_share(&invitation, accept).await
}
