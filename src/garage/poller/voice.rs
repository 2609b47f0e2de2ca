//! What leaves a poller: the picture of its cars, what happens to them, what is planned for them, and whether its reads
//! succeed.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use tokio::sync::{mpsc, watch};
use tracing::{debug, warn};

use crate::garage::custody::Custody;
use crate::garage::herald::{ALWAYS, Herald, NOW_AND_THEN};
use crate::garage::plan::Phase;
use crate::garage::session::Problem;
use crate::vehicle::facts::{FactKey, FactUpdate, Subject, Value};
use crate::vehicle::{CarView, Fleet, Happening, Vin};

use super::RollCall;
use super::agenda::Outlook;

/// The facts produced here.
pub const FACTS: [FactKey; 3] = ["poll_phase", "poll_interval_current", "next_poll"];

/// The ends of the channels a poller speaks to.
pub struct Outlets {
    /// The picture of all cars.
    pub fleet: Arc<watch::Sender<Fleet>>,
    /// What the router needs to know.
    pub roll: mpsc::Sender<RollCall>,
    /// What happened to cars.
    pub happenings: mpsc::Sender<Happening>,
    /// Where facts go.
    pub facts: mpsc::Sender<FactUpdate>,
    /// What is wrong with the reads of an account, by its number, or that they succeed again.
    pub troubles: mpsc::Sender<(usize, Option<Problem>)>,
    /// Which account keeps which car.
    pub custody: Arc<watch::Sender<Custody>>,
    /// The number of this account.
    pub account: usize,
}

/// Says what there is to say, and remembers it where only changes are worth saying.
pub(super) struct Voice {
    account: usize,
    fleet: Arc<watch::Sender<Fleet>>,
    custody: Arc<watch::Sender<Custody>>,
    roll: mpsc::Sender<RollCall>,
    happenings: mpsc::Sender<Happening>,
    herald: Herald,
    /// The phase of each car as it was told last.
    phases: BTreeMap<Vin, Phase>,
    troubles: mpsc::Sender<(usize, Option<Problem>)>,
    /// What was said of the reads last.
    trouble: Option<Problem>,
}

impl Voice {
    pub(super) fn new(outlets: Outlets) -> Self {
        Self {
            account: outlets.account,
            fleet: outlets.fleet,
            custody: outlets.custody,
            roll: outlets.roll,
            happenings: outlets.happenings,
            herald: Herald::new(outlets.facts),
            phases: BTreeMap::new(),
            troubles: outlets.troubles,
            trouble: None,
        }
    }

    /// Tells the router what is new about the vehicle list.
    pub(super) async fn call(&self, entry: RollCall) {
        // The router is gone only when the bridge stops.
        let _ = self.roll.send(entry).await;
    }

    /// The car as it is shown, by whatever account.
    pub(super) fn shown(&self, vin: &Vin) -> Option<Arc<CarView>> {
        self.fleet.borrow().get(vin).cloned()
    }

    /// Puts the car into the fleet if anything about it changed. One that another account has taken over meanwhile is
    /// left to it.
    pub(super) fn show(&self, view: &CarView) {
        let vin = &view.car.vin;
        if !self.custody.borrow().keeps(self.account, vin) {
            return;
        }
        self.fleet.send_if_modified(|fleet| {
            let changed = fleet.get(vin).is_none_or(|shown| **shown != *view);
            if changed {
                fleet.insert(vin.clone(), Arc::new(view.clone()));
            }
            changed
        });
    }

    /// Takes the car out of the fleet.
    pub(super) fn take_down(&self, vin: &Vin) {
        self.fleet.send_if_modified(|fleet| fleet.remove(vin).is_some());
    }

    /// Forgets what was told of the car, so that it is told anew when it comes back.
    pub(super) fn forget(&mut self, vin: &Vin) {
        self.phases.remove(vin);
        self.herald.forget(&Subject::Car(vin.clone()));
    }

    /// Tells what happened. The picture of the cars is shown first, so that who hears of it can look it up.
    pub(super) fn tell(&self, happenings: Vec<Happening>) {
        for happening in happenings {
            debug!(?happening, "something happened");
            // Nobody waits for a listener that is stuck; the picture of the cars stays right without it.
            if self.happenings.try_send(happening).is_err() {
                warn!("nobody takes note of what happens to the cars: it is not announced as an event");
            }
        }
    }

    /// Shows what is planned for each car: at once when the phase is another, else now and then.
    pub(super) async fn tell_plans(&mut self, outlooks: &[Outlook], now: Timestamp) {
        for outlook in outlooks {
            let same = self.phases.insert(outlook.vin.clone(), outlook.phase) == Some(outlook.phase);
            let pause = if same { NOW_AND_THEN } else { ALWAYS };
            let subject = Subject::Car(outlook.vin.clone());
            let interval = outlook
                .interval
                .map(|interval| Value::Number(interval.as_secs_f64(), 0));
            for (key, value) in [
                (FACTS[0], Some(Value::Text(outlook.phase.name().to_owned()))),
                (FACTS[1], interval),
                (FACTS[2], outlook.next.map(Value::Time)),
            ] {
                self.herald.tell(&subject, key, value, pause, now).await;
            }
        }
    }

    /// What the owner changes is shown at once.
    pub(super) fn tell_plans_anew(&mut self) {
        self.phases.clear();
    }

    /// Tells what is wrong with the reads when it is something else than before.
    pub(super) async fn tell_trouble(&mut self, trouble: Option<Problem>) {
        if self.trouble == trouble {
            return;
        }
        self.trouble.clone_from(&trouble);
        // Whoever shows it is gone only when the bridge stops.
        let _ = self.troubles.send((self.account, trouble)).await;
    }
}
