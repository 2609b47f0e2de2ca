//! What the cloud sends to people: messages and share invitations, of all accounts together.

use jiff::Timestamp;
use serde_json::json;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::cloud::{Message, ShareInvitation};
use crate::vehicle::facts::{FactKey, FactUpdate, Subject, Value};

use super::{Notice, SlowHandle};

/// The facts produced here.
pub const FACTS: [FactKey; 5] = [
    "messages_unread",
    "message_last_title",
    "message_last_time",
    "share_invitations",
    "share_invitations/attributes",
];

/// Longest title that fits into a state of Home Assistant, in characters.
const LONGEST_TITLE: usize = 255;

/// Letters and wishes that may wait.
const WAITING: usize = 64;

/// What the mailbox is told.
#[derive(Debug)]
enum Entry {
    Letter(usize, Letter),
    Answer { accept: bool },
}

/// What an account found.
#[derive(Debug)]
pub enum Letter {
    /// Its messages.
    Messages {
        /// How many nobody has read.
        unread: u64,
        /// The latest, newest first.
        latest: Vec<Message>,
    },
    /// All invitations that wait for an answer.
    Shares(Vec<ShareInvitation>),
}

/// The way in to the mailbox.
#[derive(Clone)]
pub struct MailboxHandle(mpsc::Sender<Entry>);

impl MailboxHandle {
    /// An account found something. `account` is its number.
    pub async fn deliver(&self, account: usize, letter: Letter) {
        // The mailbox is gone only when the bridge stops.
        let _ = self.0.send(Entry::Letter(account, letter)).await;
    }

    /// Answers the oldest invitation that waits.
    pub fn answer_oldest(&self, accept: bool) {
        if self.0.try_send(Entry::Answer { accept }).is_err() {
            warn!("too much waits; the share invitation is not answered");
        }
    }
}

/// The task that puts together what all accounts found.
pub struct Mailbox {
    entries: mpsc::Receiver<Entry>,
    facts: mpsc::Sender<FactUpdate>,
    trays: Vec<Tray>,
}

/// What one account found last.
#[derive(Debug, Default)]
struct Tray {
    unread: Option<u64>,
    newest: Option<Message>,
    shares: Option<Vec<ShareInvitation>>,
}

impl Mailbox {
    /// A mailbox for so many accounts.
    pub fn new(accounts: usize, facts: mpsc::Sender<FactUpdate>) -> (Self, MailboxHandle) {
        let (entry, entries) = mpsc::channel(WAITING);
        let mailbox = Self {
            entries,
            facts,
            trays: std::iter::repeat_with(Tray::default).take(accounts).collect(),
        };
        (mailbox, MailboxHandle(entry))
    }

    /// Works until cancelled. `accounts` carry out answers to invitations, in the order of their numbers.
    pub async fn run(mut self, accounts: Vec<SlowHandle>, cancel: CancellationToken) {
        loop {
            let entry = tokio::select! {
                () = cancel.cancelled() => return,
                entry = self.entries.recv() => entry,
            };
            match entry {
                None => return,
                Some(Entry::Letter(account, letter)) => {
                    if let Some(tray) = self.trays.get_mut(account) {
                        tray.take(letter);
                    }
                    self.publish().await;
                }
                Some(Entry::Answer { accept }) => match oldest(&self.trays) {
                    // An account that reads invitations anew tells what is left of them.
                    Some((account, invitation)) => {
                        accounts[account].try_tell(Notice::AnswerShare(invitation.clone(), accept));
                    }
                    None => info!("no share invitation waits for an answer"),
                },
            }
        }
    }

    async fn publish(&self) {
        for (key, value) in facts_of(&self.trays) {
            // Whoever reads facts is gone only when the bridge stops.
            let _ = self
                .facts
                .send(FactUpdate {
                    subject: Subject::Bridge,
                    key,
                    value,
                })
                .await;
        }
    }
}

impl Tray {
    fn take(&mut self, letter: Letter) {
        match letter {
            Letter::Messages { unread, latest } => {
                self.unread = Some(unread);
                // Of several with the same time the first in the list is the newest.
                self.newest = latest.into_iter().rev().max_by_key(|message| message.sent);
            }
            Letter::Shares(shares) => self.shares = Some(shares),
        }
    }
}

/// The messages of a list that were not in the one before; oldest first. Without one before, none is new: whatever
/// arrived before the bridge started is no event.
pub fn new_messages(before: Option<&[Message]>, latest: &[Message]) -> Vec<Message> {
    let Some(before) = before else { return Vec::new() };
    let known = |message: &Message| {
        before.iter().any(|known| match (known.id, message.id) {
            (Some(known), Some(id)) => known == id,
            _ => known == message,
        })
    };
    let newest_known = before.iter().filter_map(|message| message.sent).max();
    // A message that moved up because a newer one was deleted is not new.
    let is_newer = |message: &Message| newest_known.is_none() || message.sent.is_none() || message.sent >= newest_known;
    latest
        .iter()
        .rev()
        .filter(|message| !known(message) && is_newer(message))
        .cloned()
        .collect()
}

/// The facts of all accounts together: the sum, the newest message, all invitations. Pure.
fn facts_of(trays: &[Tray]) -> [(FactKey, Option<Value>); 5] {
    let unread: Option<u64> = trays.iter().filter_map(|tray| tray.unread).reduce(u64::saturating_add);
    let newest = trays
        .iter()
        .filter_map(|tray| tray.newest.as_ref())
        .max_by_key(|message| message.sent);
    let title = newest.and_then(|message| message.title.as_deref());
    let shares: Option<Vec<&ShareInvitation>> = trays
        .iter()
        .any(|tray| tray.shares.is_some())
        .then(|| invitations(trays).map(|(_, invitation)| invitation).collect());
    [
        ("messages_unread", unread.map(|unread| Value::Number(unread as f64, 0))),
        (
            "message_last_title",
            title.map(|title| Value::Text(title.chars().take(LONGEST_TITLE).collect())),
        ),
        (
            "message_last_time",
            newest.and_then(|message| message.sent).map(Value::Time),
        ),
        (
            "share_invitations",
            shares.as_ref().map(|shares| Value::Number(shares.len() as f64, 0)),
        ),
        (
            "share_invitations/attributes",
            shares.as_ref().map(|shares| Value::Text(described(shares))),
        ),
    ]
}

/// The invitations without what identifies a person beyond the name they chose.
fn described(shares: &[&ShareInvitation]) -> String {
    let list: Vec<_> = shares
        .iter()
        .map(|share| {
            json!({
                "model": share.model.as_ref().map(ToString::to_string),
                "owner": share.owner_name,
            })
        })
        .collect();
    json!({ "invitations": list }).to_string()
}

fn invitations(trays: &[Tray]) -> impl Iterator<Item = (usize, &ShareInvitation)> {
    trays
        .iter()
        .enumerate()
        .flat_map(|(account, tray)| tray.shares.iter().flatten().map(move |share| (account, share)))
}

/// The invitation that waits longest; one without a time is taken for older than any other.
fn oldest(trays: &[Tray]) -> Option<(usize, &ShareInvitation)> {
    invitations(trays).min_by_key(|(_, share)| share.shared.unwrap_or(Timestamp::MIN))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vehicle::{Model, Vin};

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_790_000_000 + second).unwrap()
    }

    fn message(id: i64, sent: i64) -> Message {
        Message {
            id: Some(id),
            vin: None,
            title: Some(format!("message {id}")),
            text: None,
            sent: Some(at(sent)),
            read: false,
            kind: None,
        }
    }

    fn share(owner: &str, shared: i64) -> ShareInvitation {
        ShareInvitation {
            vin: Vin::parse("LFZTEST0000000002").unwrap(),
            model: Some(Model::parse("B10")),
            car_name: Some("Family".to_owned()),
            owner_name: Some(owner.to_owned()),
            owner_id: "555001".to_owned(),
            shared: Some(at(shared)),
            expires: None,
        }
    }

    fn tray(letters: impl IntoIterator<Item = Letter>) -> Tray {
        let mut tray = Tray::default();
        for letter in letters {
            tray.take(letter);
        }
        tray
    }

    fn messages(unread: u64, latest: Vec<Message>) -> Letter {
        Letter::Messages { unread, latest }
    }

    #[test]
    fn accounts_are_added_up_and_the_newest_message_is_shown() {
        let trays = [
            tray([messages(2, vec![message(9, 90), message(8, 80)])]),
            tray([messages(3, vec![message(4, 95)])]),
            Tray::default(),
        ];
        let [unread, title, time, shares, attributes] = facts_of(&trays).map(|(_, value)| value);
        assert_eq!(unread, Some(Value::Number(5.0, 0)));
        assert_eq!(title, Some(Value::Text("message 4".to_owned())));
        assert_eq!(time, Some(Value::Time(at(95))));
        assert_eq!((shares, attributes), (None, None), "nobody has read invitations yet");
        assert_eq!(facts_of(&trays).map(|(key, _)| key), FACTS);
    }

    #[test]
    fn a_long_title_is_cut_to_a_state() {
        let long = Message {
            title: Some("ü".repeat(300)),
            ..message(1, 0)
        };
        let Some(Value::Text(title)) = facts_of(&[tray([messages(1, vec![long])])])[1].1.clone() else {
            panic!("a title is a text")
        };
        assert_eq!(title.chars().count(), 255);
    }

    #[test]
    fn invitations_are_described_without_ways_to_reach_their_owner() {
        let trays = [
            tray([Letter::Shares(vec![share("Anna", 0)])]),
            tray([Letter::Shares(Vec::new())]),
        ];
        let facts = facts_of(&trays);
        assert_eq!(facts[3].1, Some(Value::Number(1.0, 0)));
        let expected = r#"{"invitations":[{"model":"B10","owner":"Anna"}]}"#;
        assert_eq!(facts[4].1, Some(Value::Text(expected.to_owned())));
    }

    #[test]
    fn the_oldest_invitation_of_all_accounts_is_answered() {
        let trays = [
            tray([Letter::Shares(vec![share("Anna", 50), share("Ben", 30)])]),
            tray([Letter::Shares(vec![share("Carla", 10)])]),
        ];
        let (account, oldest) = oldest(&trays).unwrap();
        assert_eq!((account, oldest.owner_name.as_deref()), (1, Some("Carla")));
        assert!(super::oldest(&[Tray::default()]).is_none());
    }

    #[test]
    fn only_what_arrived_since_the_last_look_is_new() {
        let ids = |messages: Vec<Message>| messages.iter().filter_map(|message| message.id).collect::<Vec<_>>();
        let before = [message(9, 90), message(8, 80)];
        let new = |latest: &[Message]| ids(new_messages(Some(&before), latest));
        assert_eq!(ids(new_messages(None, &before)), [0; 0]);
        assert_eq!(new(&before), [0; 0]);
        assert_eq!(new(&[message(11, 110), message(10, 100), message(9, 90)]), [10, 11]);
        assert_eq!(
            new(&[message(8, 80), message(7, 70)]),
            [0; 0],
            "the 9th was deleted, the 7th is old"
        );
        assert_eq!(ids(new_messages(Some(&[]), &[message(1, 0)])), [1]);
    }
}
