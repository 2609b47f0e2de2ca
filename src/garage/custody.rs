//! Which account keeps a car that several have: one car is read, shown and kept by one account. Pure.
//!
//! The owner's account comes first, then the one with most rights, then the one named first in the configuration. An
//! account that lost its sign-in or is refused the car steps back behind the others, so that they take over.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use crate::vehicle::{Car, Vin};

/// Every car that is in a vehicle list, and what each account has of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Custody(BTreeMap<Vin, BTreeMap<usize, Claim>>);

/// What an account has of a car.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Claim {
    /// Whether the car was shared to it, rather than being its own.
    shared: bool,
    /// What it may do; empty when the cloud named nothing, which refuses nothing.
    rights: BTreeSet<u32>,
    /// Whether the cloud refused it the car, although its list has it.
    barred: bool,
    /// Whether the account itself cannot be used before the owner acts.
    away: bool,
}

impl Claim {
    fn may(&self, wanted: &[u32]) -> bool {
        wanted.is_empty() || self.rights.is_empty() || wanted.iter().any(|right| self.rights.contains(right))
    }

    /// The smallest comes first.
    fn rank(&self) -> (bool, bool, Reverse<usize>) {
        let rights = if self.rights.is_empty() {
            usize::MAX
        } else {
            self.rights.len()
        };
        (self.barred || self.away, self.shared, Reverse(rights))
    }
}

impl Custody {
    /// The account with this number has these cars and no others. Tells whether that is news.
    pub fn declare(&mut self, account: usize, cars: &[Car]) -> bool {
        let before = self.clone();
        for claims in self.0.values_mut() {
            claims.remove(&account);
        }
        for car in cars {
            let barred = before.claim(account, &car.vin).is_some_and(|claim| claim.barred);
            let claim = Claim {
                shared: car.shared,
                rights: car.rights.clone(),
                barred,
                away: false,
            };
            self.0.entry(car.vin.clone()).or_default().insert(account, claim);
        }
        self.0.retain(|_, claims| !claims.is_empty());
        *self != before
    }

    /// The cloud refuses this account the car. Tells whether that is news.
    pub fn bar(&mut self, account: usize, vin: &Vin) -> bool {
        let claim = self.0.get_mut(vin).and_then(|claims| claims.get_mut(&account));
        claim.is_some_and(|claim| !std::mem::replace(&mut claim.barred, true))
    }

    /// The account cannot be used before the owner acts. Tells whether that is news.
    pub fn step_back(&mut self, account: usize) -> bool {
        let mut news = false;
        for claim in self.0.values_mut().filter_map(|claims| claims.get_mut(&account)) {
            news |= !std::mem::replace(&mut claim.away, true);
        }
        news
    }

    /// The account that keeps the car.
    pub fn keeper(&self, vin: &Vin) -> Option<usize> {
        self.ranked(vin).first().copied()
    }

    /// Whether this account keeps the car.
    pub fn keeps(&self, account: usize, vin: &Vin) -> bool {
        self.keeper(vin) == Some(account)
    }

    /// What can be done with the car through any of its accounts; empty when one of them is refused nothing.
    pub fn rights(&self, vin: &Vin) -> BTreeSet<u32> {
        let claims = || self.0.get(vin).into_iter().flat_map(BTreeMap::values);
        if claims().any(|claim| claim.rights.is_empty()) {
            return BTreeSet::new();
        }
        claims().flat_map(|claim| claim.rights.iter().copied()).collect()
    }

    /// The accounts through which a command can go that needs one of these rights, the best first.
    pub fn senders(&self, vin: &Vin, wanted: &[u32]) -> Vec<usize> {
        let mut senders = self.ranked(vin);
        senders.retain(|account| self.claim(*account, vin).is_some_and(|claim| claim.may(wanted)));
        senders
    }

    fn claim(&self, account: usize, vin: &Vin) -> Option<&Claim> {
        self.0.get(vin)?.get(&account)
    }

    fn ranked(&self, vin: &Vin) -> Vec<usize> {
        let mut claims: Vec<_> = self.0.get(vin).into_iter().flatten().collect();
        claims.sort_by_key(|(account, claim)| (claim.rank(), **account));
        claims.into_iter().map(|(account, _)| *account).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vehicle::Model;

    fn vin(number: u32) -> Vin {
        Vin::parse(&format!("LFZTEST{number:010}")).unwrap()
    }

    fn car(number: u32, shared: bool, rights: &[u32]) -> Car {
        Car {
            shared,
            rights: rights.iter().copied().collect(),
            ..Car::unlisted(vin(number), Model::C10)
        }
    }

    #[test]
    fn the_owner_keeps_a_car_whoever_comes_first() {
        let mut custody = Custody::default();
        assert!(custody.declare(0, &[car(1, true, &[110])]));
        assert_eq!(custody.keeper(&vin(1)), Some(0));
        assert!(custody.declare(1, &[car(1, false, &[110])]));
        assert_eq!(custody.keeper(&vin(1)), Some(1));
        assert!(!custody.keeps(0, &vin(1)));
        assert!(!custody.declare(1, &[car(1, false, &[110])]), "no news");
    }

    #[test]
    fn among_guests_the_one_with_most_rights_keeps_it_then_the_one_named_first() {
        let mut custody = Custody::default();
        custody.declare(2, &[car(1, true, &[110, 120])]);
        custody.declare(1, &[car(1, true, &[110])]);
        assert_eq!(custody.keeper(&vin(1)), Some(2));
        custody.declare(0, &[car(1, true, &[130, 120])]);
        assert_eq!(custody.keeper(&vin(1)), Some(0));
        custody.declare(1, &[car(1, true, &[])]);
        assert_eq!(custody.keeper(&vin(1)), Some(1), "nothing named is nothing refused");
    }

    #[test]
    fn another_account_takes_over_when_the_keeper_loses_the_car() {
        let both = || {
            let mut custody = Custody::default();
            custody.declare(0, &[car(1, false, &[110]), car(2, false, &[110])]);
            custody.declare(1, &[car(1, true, &[110])]);
            custody
        };
        let mut unlisted = both();
        unlisted.declare(0, &[]);
        assert_eq!((unlisted.keeper(&vin(1)), unlisted.keeper(&vin(2))), (Some(1), None));

        let mut barred = both();
        assert!(barred.bar(0, &vin(1)));
        assert_eq!(barred.keeper(&vin(1)), Some(1));
        barred.declare(0, &[car(1, false, &[110]), car(2, false, &[110])]);
        assert_eq!(barred.keeper(&vin(1)), Some(1), "its list alone does not bring it back");
        assert!(!barred.bar(0, &vin(1)), "no news");

        let mut away = both();
        assert!(away.step_back(0));
        assert!(!away.step_back(0), "no news");
        assert_eq!(away.keeper(&vin(1)), Some(1));
        assert_eq!(away.keeper(&vin(2)), Some(0), "nobody else has it");
        away.declare(0, &[car(1, false, &[110])]);
        assert_eq!(away.keeper(&vin(1)), Some(0), "it is back");
    }

    #[test]
    fn commands_go_through_an_account_that_has_the_right() {
        let mut custody = Custody::default();
        custody.declare(0, &[car(1, true, &[110, 120])]);
        custody.declare(1, &[car(1, true, &[130])]);
        assert_eq!(custody.senders(&vin(1), &[]), [0, 1]);
        assert_eq!(custody.senders(&vin(1), &[120]), [0]);
        assert_eq!(custody.senders(&vin(1), &[130, 131]), [1]);
        assert!(custody.senders(&vin(1), &[999]).is_empty());
        assert_eq!(custody.rights(&vin(1)), BTreeSet::from([110, 120, 130]));
        custody.declare(1, &[car(1, true, &[])]);
        assert_eq!(custody.rights(&vin(1)), BTreeSet::new());
    }
}
