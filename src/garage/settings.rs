//! Keeps the settings that are changed while the bridge runs, and works out what follows from them.
//!
//! One task owns them. A change is checked, written down, shown, and told to whoever goes by it; what is refused is
//! shown as it was.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::civil::Time;
use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::store::Store;
use crate::vehicle::Vin;
use crate::vehicle::facts::{FactKey, FactUpdate, Subject};
use crate::vehicle::settings::{self, BALANCED, MANUAL, SETTINGS, Setting, SettingValue, Whose};

use super::plan::{Policy, QuietHours};

/// The facts produced here: every setting.
pub const FACTS: [FactKey; SETTINGS.len()] = {
    let mut keys = [""; SETTINGS.len()];
    let mut index = 0;
    while index < keys.len() {
        keys[index] = SETTINGS[index].key;
        index += 1;
    }
    keys
};

/// The document with what was changed.
const DOCUMENT: &str = "settings";
/// Changes that may wait.
const CHANGES: usize = 64;
/// The settings that the manual profile follows.
const INTERVALS: [FactKey; 3] = [
    "poll_interval_parked",
    "poll_interval_driving",
    "poll_interval_charging",
];

/// What the owner wishes, as it follows from all settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wishes {
    /// Requests a day and account.
    pub budget: u32,
    configured: Policy,
    cars: BTreeMap<Vin, Policy>,
}

/// What the configuration says about settings that nobody changed.
#[derive(Debug, Clone, Copy)]
pub struct Configured {
    /// How often cars are read.
    pub polling: Policy,
    /// Requests a day and account.
    pub budget: u32,
    /// From which level on is logged.
    pub log_level: &'static str,
}

/// What reaches the task.
#[derive(Debug)]
pub enum Ask {
    /// There is this car.
    Appeared(Vin),
    /// Somebody wants a setting to be something else.
    Change(Subject, FactKey, String),
}

/// The task that keeps the settings.
pub struct Keeper {
    chosen: Chosen,
    configured: Configured,
    known: BTreeSet<Vin>,
    store: Store,
    asks: mpsc::Receiver<Ask>,
    facts: mpsc::Sender<FactUpdate>,
    wishes: watch::Sender<Wishes>,
    log_level: LogLevel,
}

/// Turns the log to another level.
pub type LogLevel = Box<dyn Fn(&'static str) + Send + Sync>;

/// What was changed, as texts: a value that no longer reads is as good as none.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
struct Chosen {
    bridge: BTreeMap<String, String>,
    cars: BTreeMap<Vin, BTreeMap<String, String>>,
}

impl Wishes {
    /// The wishes for a car.
    pub fn policy(&self, vin: &Vin) -> &Policy {
        self.cars.get(vin).unwrap_or(&self.configured)
    }
}

impl Keeper {
    /// The settings as they were left, the way in, and what follows from them.
    pub fn new(
        configured: Configured,
        store: Store,
        facts: mpsc::Sender<FactUpdate>,
        log_level: LogLevel,
    ) -> (Self, mpsc::Sender<Ask>, watch::Receiver<Wishes>) {
        let (ask, asks) = mpsc::channel(CHANGES);
        let chosen = store.read(DOCUMENT).unwrap_or_else(|error| {
            warn!(%error, "the settings changed earlier cannot be read; the configuration holds");
            None
        });
        let chosen: Chosen = chosen.unwrap_or_default();
        let (wishes, wishes_seen) = watch::channel(chosen.wishes(&configured));
        let keeper = Self {
            chosen,
            configured,
            known: BTreeSet::new(),
            store,
            asks,
            facts,
            wishes,
            log_level,
        };
        (keeper, ask, wishes_seen)
    }

    /// Takes changes until cancelled.
    pub async fn run(mut self, cancel: CancellationToken) {
        self.turn_log();
        self.show_all(&Subject::Bridge).await;
        loop {
            let ask = tokio::select! {
                () = cancel.cancelled() => return,
                ask = self.asks.recv() => ask,
            };
            match ask {
                None => return,
                Some(Ask::Appeared(vin)) => {
                    self.known.insert(vin.clone());
                    self.show_all(&Subject::Car(vin)).await;
                }
                Some(Ask::Change(subject, key, text)) => self.change(&subject, key, &text).await,
            }
        }
    }

    async fn change(&mut self, subject: &Subject, key: FactKey, text: &str) {
        if let Subject::Car(vin) = subject
            && !self.known.contains(vin)
        {
            return warn!(%vin, key, "a setting of a car that no account has");
        }
        match settings::parse(key, subject, text) {
            Ok(value) => {
                self.chosen.choose(subject, key, value);
                if let Err(error) = self.store.write(DOCUMENT, &self.chosen) {
                    warn!(%error, "changed settings cannot be kept; a restart forgets them");
                }
                info!(key, value = value.text(), "setting changed");
                self.wishes.send_replace(self.chosen.wishes(&self.configured));
                if key == "bridge_log_level" {
                    self.turn_log();
                }
                if INTERVALS.contains(&key) {
                    self.show(subject, "poll_profile").await;
                }
            }
            Err(rejection) => {
                warn!(key, reason = %rejection.reason, detail = rejection.detail, "a setting was refused");
            }
        }
        self.show(subject, key).await;
    }

    fn turn_log(&self) {
        if let Some(SettingValue::Choice(level)) = self.chosen.value(&Subject::Bridge, "bridge_log_level") {
            (self.log_level)(level);
        }
    }

    async fn show_all(&self, subject: &Subject) {
        for setting in SETTINGS.iter().filter(|setting| whose(subject) == setting.whose) {
            self.show(subject, setting.key).await;
        }
    }

    async fn show(&self, subject: &Subject, key: FactKey) {
        let value = self
            .chosen
            .value(subject, key)
            .or_else(|| settings::find(key).and_then(|setting| self.configured.value(setting)));
        let fact = FactUpdate {
            subject: subject.clone(),
            key,
            value: value.map(SettingValue::shown),
        };
        // Whoever reads facts is gone only when the bridge stops.
        let _ = self.facts.send(fact).await;
    }
}

impl Chosen {
    /// What was chosen; `None` where nothing was.
    fn value(&self, subject: &Subject, key: &str) -> Option<SettingValue> {
        let texts = match subject {
            Subject::Bridge => &self.bridge,
            Subject::Car(vin) => self.cars.get(vin)?,
        };
        settings::find(key)?.read(texts.get(key)?).ok()
    }

    /// Notes a choice. Whoever changes an interval wants it to be followed.
    fn choose(&mut self, subject: &Subject, key: FactKey, value: SettingValue) {
        let texts = match subject {
            Subject::Bridge => &mut self.bridge,
            Subject::Car(vin) => self.cars.entry(vin.clone()).or_default(),
        };
        texts.insert(key.to_owned(), value.text());
        if INTERVALS.contains(&key) {
            texts.insert("poll_profile".to_owned(), MANUAL.to_owned());
        }
    }

    fn wishes(&self, configured: &Configured) -> Wishes {
        let budget = match self.value(&Subject::Bridge, "requests_budget") {
            Some(SettingValue::Number(budget)) => budget,
            _ => configured.budget,
        };
        let cars = self
            .cars
            .keys()
            .map(|vin| (vin.clone(), self.policy(vin, configured.polling)));
        Wishes {
            budget,
            configured: configured.polling,
            cars: cars.collect(),
        }
    }

    fn policy(&self, vin: &Vin, configured: Policy) -> Policy {
        let subject = Subject::Car(vin.clone());
        let value = |key| self.value(&subject, key);
        let profile = match value("poll_profile") {
            Some(SettingValue::Choice(profile)) => profile,
            _ => BALANCED,
        };
        let number = |key, unit: u64, configured| match value(key) {
            Some(SettingValue::Number(number)) if profile == MANUAL => Duration::from_secs(u64::from(number) * unit),
            _ => configured,
        };
        let [parked, driving, charging] = INTERVALS;
        Policy {
            enabled: value("polling_enabled") != Some(SettingValue::Flag(false)),
            parked: number(parked, 60, configured.parked),
            driving: number(driving, 1, configured.driving),
            charging: number(charging, 1, configured.charging),
            quiet: quiet_hours(value("quiet_hours_start"), value("quiet_hours_end")),
        }
        .by_profile(profile)
    }
}

impl Configured {
    /// What a setting is while nobody chose.
    fn value(&self, setting: &Setting) -> Option<SettingValue> {
        let Policy {
            parked,
            driving,
            charging,
            ..
        } = self.polling;
        Some(match setting.key {
            "poll_interval_parked" => setting.nearest(parked.as_secs().div_ceil(60)),
            "poll_interval_driving" => setting.nearest(driving.as_secs()),
            "poll_interval_charging" => setting.nearest(charging.as_secs()),
            "requests_budget" => setting.nearest(self.budget.into()),
            "bridge_log_level" => setting.read(self.log_level).ok()?,
            _ => setting.read(setting.default).ok()?,
        })
    }
}

fn whose(subject: &Subject) -> Whose {
    match subject {
        Subject::Bridge => Whose::Bridge,
        Subject::Car(_) => Whose::Car,
    }
}

/// Quiet hours need both ends.
fn quiet_hours(start: Option<SettingValue>, end: Option<SettingValue>) -> Option<QuietHours> {
    let time = |value: Option<SettingValue>| -> Option<Time> {
        match value? {
            SettingValue::TimeOfDay(time) => time,
            _ => None,
        }
    };
    Some(QuietHours {
        start: time(start)?,
        end: time(end)?,
    })
}

#[cfg(test)]
mod tests;
