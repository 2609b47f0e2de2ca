//! What the tasks of an account go by when they ask the cloud: the owner's wishes, and what is left of the day's budget.

use jiff::tz::TimeZone;
use tokio::sync::watch;

use super::ledger::Standing;
use super::plan::Allowance;
use super::settings::Wishes;

/// What the tasks of an account go by.
#[derive(Clone)]
pub struct Guidance {
    /// What the owner wishes.
    pub wishes: watch::Receiver<Wishes>,
    /// How far the day's requests are.
    pub standing: watch::Receiver<Standing>,
    /// The owner's time zone, for quiet hours.
    pub time_zone: TimeZone,
}

impl Guidance {
    /// What is left of the budget of the account with this number; nobody's share yet.
    pub fn allowance(&self, account: usize) -> Allowance {
        let (wishes, standing) = (self.wishes.borrow(), self.standing.borrow());
        Allowance {
            budget: wishes.budget,
            used: standing.used.get(account).copied().unwrap_or_default(),
            resets: standing.resets,
            share: f64::INFINITY,
        }
    }
}
