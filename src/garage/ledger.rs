//! Counts the calls to the cloud: by account for the budget, by car for the owner, all of them for diagnosis.
//!
//! The day is the owner's, from midnight to midnight. The counts survive a restart.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use crate::clock::Clock;
use crate::cloud::{CallNote, Gateway};
use crate::store::Store;
use crate::vehicle::Vin;
use crate::vehicle::facts::{FactKey, FactUpdate, Subject, Value};

use super::herald::{ALWAYS, Herald, NOW_AND_THEN};
use super::later;
use super::settings::Wishes;
use super::sign_ins::is_plausible;

/// The facts produced here.
pub const FACTS: [FactKey; 5] = [
    "bridge_api_calls_today",
    "bridge_api_errors",
    "bridge_api_latency",
    "requests_left",
    "requests_today",
];

/// The document with the counts of the day.
const DOCUMENT: &str = "requests";
/// Notes that may wait; calls take far longer than counting them.
const NOTES: usize = 1024;
/// Calls from which the usual time of an answer is worked out.
const LATENCIES: usize = 50;
/// How long the last notes may take when the bridge stops.
const LAST_NOTES: Duration = Duration::from_secs(1);
/// How often the counts are written down.
const KEEPING: Duration = Duration::from_secs(60);

/// How far the day's requests are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// Requests made today, by number of the account.
    pub used: Vec<u32>,
    /// When the day ends.
    pub resets: Timestamp,
}

/// The task that counts.
pub struct Ledger {
    clock: Clock,
    time_zone: TimeZone,
    store: Store,
    notes: mpsc::Receiver<(usize, CallNote)>,
    wishes: watch::Receiver<Wishes>,
    standing: watch::Sender<Standing>,
    herald: Herald,
    day: Day,
    latencies: VecDeque<Duration>,
    kept: Option<Timestamp>,
}

/// The counts of one day.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
struct Day {
    date: Date,
    accounts: Vec<u32>,
    errors: u32,
    cars: BTreeMap<Vin, u32>,
}

impl Ledger {
    /// A ledger of these accounts, which goes on with what was counted today, and where to read how far the day is.
    pub fn new(
        gateways: &[&Gateway],
        wishes: watch::Receiver<Wishes>,
        facts: mpsc::Sender<FactUpdate>,
        (clock, time_zone): (Clock, TimeZone),
        store: Store,
    ) -> (Self, watch::Receiver<Standing>) {
        let (sender, notes) = mpsc::channel(NOTES);
        for (account, gateway) in gateways.iter().enumerate() {
            let sender = sender.clone();
            gateway.observe(move |note| {
                if sender.try_send((account, note)).is_err() {
                    warn!("a call to the cloud was not counted");
                }
            });
        }
        let day = store.read(DOCUMENT).unwrap_or_else(|error| {
            warn!(%error, "the requests of today cannot be read; counting starts afresh");
            None
        });
        let mut day: Day = day.unwrap_or_default();
        day.accounts.resize(gateways.len(), 0);
        let now = clock.now();
        if day.is_over(now, &time_zone) {
            day.turn(today(now, &time_zone));
        }
        let (standing, standing_seen) = watch::channel(day.standing(now, &time_zone));
        let ledger = Self {
            clock,
            time_zone,
            store,
            notes,
            wishes,
            standing,
            herald: Herald::new(facts),
            day,
            latencies: VecDeque::new(),
            kept: None,
        };
        (ledger, standing_seen)
    }

    /// Counts until cancelled.
    pub async fn run(mut self, cancel: CancellationToken) {
        loop {
            let now = self.clock.now();
            self.turn(now);
            let standing = self.day.standing(now, &self.time_zone);
            let wake = standing.resets.min(later(now, NOW_AND_THEN));
            self.standing.send_if_modified(|shown| {
                let changed = *shown != standing;
                *shown = standing;
                changed
            });
            self.tell(now).await;
            self.keep(now);
            let clock = self.clock;
            tokio::select! {
                () = cancel.cancelled() => break,
                Some((account, note)) = self.notes.recv() => self.count(account, note),
                Ok(()) = self.wishes.changed() => {}
                () = clock.sleep_until(wake) => {}
            }
        }
        // Calls that were under way are noted as their tasks end, and with the last of those the notes end.
        let last_notes = async {
            while let Some((account, note)) = self.notes.recv().await {
                self.count(account, note);
            }
        };
        if timeout(LAST_NOTES, last_notes).await.is_err() {
            debug!("calls to the cloud are still under way; they are not counted");
        }
        self.write();
    }

    /// Begins a new day when it is time to.
    fn turn(&mut self, now: Timestamp) {
        if self.day.is_over(now, &self.time_zone) {
            for (account, requests) in self.day.accounts.iter().enumerate() {
                info!(date = %self.day.date, account, requests, "a day of requests to the cloud is over");
            }
            self.day.turn(today(now, &self.time_zone));
        }
    }

    fn count(&mut self, account: usize, note: CallNote) {
        self.turn(self.clock.now());
        self.latencies.truncate(LATENCIES - 1);
        self.latencies.push_front(note.took);
        self.day.count(account, note);
    }

    async fn tell(&mut self, now: Timestamp) {
        let budget = self.wishes.borrow_and_update().budget;
        let left = self.day.accounts.iter().map(|used| budget.saturating_sub(*used)).min();
        let calls = self
            .day
            .accounts
            .iter()
            .fold(0u32, |sum, used| sum.saturating_add(*used));
        let number = |number: u32| Some(Value::Number(number.into(), 0));
        let latency = median(&self.latencies).map(|took| Value::Number(took.as_secs_f64() * 1000.0, 0));
        // The first count after midnight is news, and so is the end of the budget; in between they only grow.
        let pause = if calls == 0 || left == Some(0) {
            ALWAYS
        } else {
            NOW_AND_THEN
        };
        for (key, value, pause) in [
            (FACTS[0], number(calls), pause),
            (FACTS[1], number(self.day.errors), pause),
            (FACTS[2], latency, NOW_AND_THEN),
            (FACTS[3], left.and_then(number), pause),
        ] {
            self.herald.tell(&Subject::Bridge, key, value, pause, now).await;
        }
        for (vin, count) in &self.day.cars {
            let subject = Subject::Car(vin.clone());
            let pause = if *count == 0 { ALWAYS } else { NOW_AND_THEN };
            self.herald.tell(&subject, FACTS[4], number(*count), pause, now).await;
        }
    }

    /// Writes the counts down from time to time: a crash may forget a minute, but spares the disk.
    fn keep(&mut self, now: Timestamp) {
        let resting = |kept: Timestamp| kept <= now && now < later(kept, KEEPING);
        if !self.kept.is_some_and(resting) {
            self.kept = Some(now);
            self.write();
        }
    }

    fn write(&self) {
        if let Err(error) = self.store.write(DOCUMENT, &self.day) {
            warn!(%error, "the requests of today cannot be kept; a restart forgets them");
        }
    }
}

impl Day {
    /// Whether it is another day. A clock that is not set yet cannot tell, and one that is set back over midnight does not
    /// give the budget of that day again. If it is set back by more than that, it was wrong before.
    fn is_over(&self, now: Timestamp, time_zone: &TimeZone) -> bool {
        let today = today(now, time_zone);
        let is_set_back = today.tomorrow().is_ok_and(|tomorrow| tomorrow == self.date);
        is_plausible(now) && today != self.date && !is_set_back
    }

    /// Starts counting anew. Cars that were read yesterday are expected today.
    fn turn(&mut self, today: Date) {
        self.date = today;
        self.accounts.fill(0);
        self.errors = 0;
        self.cars.retain(|_, count| std::mem::take(count) > 0);
    }

    fn count(&mut self, account: usize, note: CallNote) {
        if let Some(used) = self.accounts.get_mut(account) {
            *used = used.saturating_add(1);
        }
        self.errors = self.errors.saturating_add(note.failed.into());
        if let Some(vin) = note.vin {
            let count = self.cars.entry(vin).or_default();
            *count = count.saturating_add(1);
        }
    }

    /// How far it is: a day that the clock was set back from ends at its own midnight.
    fn standing(&self, now: Timestamp, time_zone: &TimeZone) -> Standing {
        let begins = self
            .date
            .to_zoned(time_zone.clone())
            .map(|midnight| midnight.timestamp());
        Standing {
            used: self.accounts.clone(),
            resets: midnight_after(begins.map_or(now, |begins| begins.max(now)), time_zone),
        }
    }
}

fn today(now: Timestamp, time_zone: &TimeZone) -> Date {
    now.to_zoned(time_zone.clone()).date()
}

/// The next midnight of the owner; days may be longer or shorter than 24 hours.
fn midnight_after(now: Timestamp, time_zone: &TimeZone) -> Timestamp {
    let tomorrow = now.to_zoned(time_zone.clone()).tomorrow();
    tomorrow.and_then(|tomorrow| tomorrow.start_of_day()).map_or_else(
        |_| later(now, Duration::from_secs(86_400)),
        |midnight| midnight.timestamp(),
    )
}

fn median(latencies: &VecDeque<Duration>) -> Option<Duration> {
    let mut sorted: Vec<Duration> = latencies.iter().copied().collect();
    sorted.sort_unstable();
    sorted.get(sorted.len() / 2).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note(vin: Option<&str>, failed: bool) -> CallNote {
        CallNote {
            vin: vin.map(|vin| Vin::parse(vin).unwrap()),
            took: Duration::from_millis(80),
            failed,
        }
    }

    #[test]
    fn calls_count_for_the_account_and_the_car_they_are_about() {
        let mut day = Day {
            accounts: vec![0, 0],
            ..Day::default()
        };
        day.count(0, note(None, false));
        day.count(0, note(Some("LFZTEST0000000C10"), true));
        day.count(1, note(Some("LFZTEST0000000T03"), false));
        day.count(7, note(None, false));
        assert_eq!(day.accounts, [2, 1]);
        assert_eq!(day.errors, 1);
        assert_eq!(day.cars.values().copied().collect::<Vec<_>>(), [1, 1]);
    }

    #[test]
    fn the_counts_start_at_0_with_a_new_day_and_cars_not_read_for_a_day_are_forgotten() {
        let vin = Vin::parse("LFZTEST0000000C10").unwrap();
        let mut day = Day {
            date: "2026-11-21".parse().unwrap(),
            accounts: vec![9],
            errors: 2,
            cars: BTreeMap::from([(vin.clone(), 5)]),
        };
        day.turn("2026-11-22".parse().unwrap());
        assert_eq!((day.accounts.as_slice(), day.errors), ([0].as_slice(), 0));
        assert_eq!(day.cars.get(&vin), Some(&0));
        day.turn("2026-11-23".parse().unwrap());
        assert_eq!(day.cars.len(), 0);
    }

    #[test]
    fn only_a_clock_that_can_be_right_ends_the_day_and_none_gives_it_twice() {
        let day = Day {
            date: "2026-11-21".parse().unwrap(),
            accounts: vec![9],
            ..Day::default()
        };
        let berlin = TimeZone::get("Europe/Berlin").unwrap();
        for (now, is_over, resets) in [
            ("2026-11-21T12:00:00Z", false, "2026-11-21T23:00:00Z"),
            ("2026-11-21T23:00:00Z", true, "2026-11-22T23:00:00Z"),
            ("2026-12-24T12:00:00Z", true, "2026-12-24T23:00:00Z"),
            // Set back by a moment, over midnight.
            ("2026-11-20T22:59:00Z", false, "2026-11-21T23:00:00Z"),
            ("2026-11-19T23:00:00Z", false, "2026-11-21T23:00:00Z"),
            // Set back by more than a day.
            ("2026-11-19T22:59:00Z", true, "2026-11-21T23:00:00Z"),
            // Not set yet.
            ("1970-01-01T00:01:00Z", false, "2026-11-21T23:00:00Z"),
            ("2025-12-31T23:59:59Z", false, "2026-11-21T23:00:00Z"),
        ] {
            let [now, resets]: [Timestamp; 2] = [now, resets].map(|text| text.parse().unwrap());
            assert_eq!(day.is_over(now, &berlin), is_over, "{now}");
            assert_eq!(day.standing(now, &berlin).resets, resets, "{now}");
        }
        let first_start = Timestamp::from_second(60).unwrap();
        let standing = Day::default().standing(first_start, &TimeZone::UTC);
        assert_eq!(standing.resets, Timestamp::from_second(86_400).unwrap());
    }

    #[test]
    fn the_day_ends_at_the_owners_midnight_also_when_the_clocks_change() {
        let berlin = TimeZone::get("Europe/Berlin").unwrap();
        for (now, midnight) in [
            ("2026-11-21T22:59:59Z", "2026-11-21T23:00:00Z"),
            ("2026-11-21T23:00:00Z", "2026-11-22T23:00:00Z"),
            // 25 hours: summer time ends.
            ("2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z"),
        ] {
            let midnight: Timestamp = midnight.parse().unwrap();
            assert_eq!(midnight_after(now.parse().unwrap(), &berlin), midnight, "{now}");
        }
    }

    #[test]
    fn the_usual_time_of_an_answer_is_the_median() {
        let took = |times: &[u64]| median(&times.iter().copied().map(Duration::from_millis).collect());
        assert_eq!(took(&[]), None);
        assert_eq!(took(&[900, 80, 70]), Some(Duration::from_millis(80)));
    }

    #[test]
    fn the_counts_can_be_written_and_read() {
        let mut day = Day {
            accounts: vec![0],
            ..Day::default()
        };
        day.count(0, note(Some("LFZTEST0000000C10"), false));
        let text = serde_json::to_string(&day).unwrap();
        assert_eq!(serde_json::from_str::<Day>(&text).unwrap(), day);
    }
}
