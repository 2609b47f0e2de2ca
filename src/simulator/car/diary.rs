//! Trips and charges of a car, from which the statistics of the cloud are made.
//!
//! Every car comes with some weeks of past: distances and charges that depend on nothing but the day and the car.

use std::collections::BTreeMap;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan};

use super::profile::Battery;

/// How many days of past a car has.
const PAST_DAYS: i32 = 50;

/// Days between two charges of the past.
const CHARGE_EVERY: i32 = 3;

/// What was driven on one day.
#[derive(Debug, Clone, Copy, Default)]
pub struct Day {
    /// Distance, km.
    pub km: f64,
    /// Energy used on the way, kWh.
    pub energy: f64,
}

/// One time at the plug.
#[derive(Debug, Clone, Copy)]
pub struct Charge {
    /// Plug in.
    pub start: Timestamp,
    /// Plug out, if it is.
    pub end: Option<Timestamp>,
    /// Fast charger.
    pub dc: bool,
    /// Energy taken in, kWh.
    pub energy: f64,
    /// Where: latitude and longitude.
    pub position: (f64, f64),
}

/// Trips and charges so far.
#[derive(Debug)]
pub struct Diary {
    days: BTreeMap<Date, Day>,
    charges: Vec<Charge>,
    last_drive: Option<(Timestamp, f64)>,
}

impl Diary {
    /// A diary with some weeks of past before `now`.
    pub fn with_past(car_id: u64, battery: Battery, now: Timestamp) -> Self {
        let today = day_of(now);
        let mut days = BTreeMap::new();
        let mut charges = Vec::new();
        let mut since_charge = 0.0;
        for ago in (1..=PAST_DAYS).rev() {
            let Ok(date) = today.checked_sub(ago.days()) else {
                continue;
            };
            let km = past_distance(car_id, ago);
            let energy = km * battery.consumption;
            days.insert(date, Day { km, energy });
            since_charge += energy;
            if ago % CHARGE_EVERY == 0
                && let Ok(evening) = date.at(18, 30, 0, 0).to_zoned(TimeZone::UTC)
            {
                let start = evening.timestamp();
                let energy = since_charge.min(battery.capacity);
                let hours = energy / battery.ac_power;
                charges.push(Charge {
                    start,
                    end: Some(start + SignedDuration::from_secs((hours * 3600.0) as i64)),
                    dc: false,
                    energy,
                    position: (45.4642, 9.1914),
                });
                since_charge = 0.0;
            }
        }
        Self {
            days,
            charges,
            last_drive: None,
        }
    }

    /// A trip begins.
    pub fn set_off(&mut self, now: Timestamp) {
        self.last_drive = Some((now, 0.0));
    }

    /// Some more kilometres, with the energy they took.
    pub fn drove(&mut self, now: Timestamp, km: f64, energy: f64) {
        let day = self.days.entry(day_of(now)).or_default();
        day.km += km;
        day.energy += energy;
        if let Some((at, used)) = &mut self.last_drive {
            *at = now;
            *used += energy;
        }
    }

    /// A charge begins; one that was only interrupted goes on.
    pub fn plugged_in(&mut self, now: Timestamp, dc: bool, position: (f64, f64)) {
        if self.charges.last().is_some_and(|charge| charge.end.is_none()) {
            return;
        }
        self.charges.push(Charge {
            start: now,
            end: None,
            dc,
            energy: 0.0,
            position,
        });
    }

    /// Some more energy.
    pub fn charged(&mut self, energy: f64) {
        if let Some(charge) = self.charges.last_mut() {
            charge.energy += energy;
        }
    }

    /// The plug is out.
    pub fn unplugged(&mut self, now: Timestamp) {
        if let Some(charge) = self.charges.last_mut()
            && charge.end.is_none()
        {
            charge.end = Some(now);
        }
    }

    /// The days from `first` to `last` on which something was driven.
    pub fn days(&self, first: Date, last: Date) -> impl DoubleEndedIterator<Item = (Date, Day)> + '_ {
        // An empty range has its ends in the wrong order, which a map refuses.
        let range = if first <= last { first..=last } else { last..=last };
        let keep = first <= last;
        self.days
            .range(range)
            .filter(move |_| keep)
            .map(|(date, day)| (*date, *day))
    }

    /// Energy used on the way between two moments, kWh. Finished days count as a whole.
    pub fn energy_between(&self, begin: Timestamp, end: Timestamp) -> f64 {
        match self.last_drive {
            // A window within the day of the last drive is about that drive.
            Some((at, used)) if day_of(begin) == day_of(at) => {
                if begin <= at && at <= end {
                    used
                } else {
                    0.0
                }
            }
            _ => self.days(day_of(begin), day_of(end)).map(|(_, day)| day.energy).sum(),
        }
    }

    /// Energy used since delivery, kWh, for a car with this odometer.
    pub fn lifetime_energy(&self, odometer: f64, battery: Battery) -> f64 {
        odometer * battery.consumption * 1.06
    }

    /// The charges that began from `first` to `last`, newest first.
    pub fn charges(&self, first: Date, last: Date) -> impl Iterator<Item = &Charge> {
        self.charges
            .iter()
            .rev()
            .filter(move |charge| (first..=last).contains(&day_of(charge.start)))
    }
}

/// The day a moment belongs to.
pub fn day_of(moment: Timestamp) -> Date {
    moment.to_zoned(TimeZone::UTC).date()
}

/// Kilometres some days ago: between 12 and 61, and every sixth day none.
fn past_distance(car_id: u64, ago: i32) -> f64 {
    let ago = u64::try_from(ago).unwrap_or_default();
    if ago % 6 == 5 {
        return 0.0;
    }
    12.0 + ((ago * 37 + car_id * 11) % 50) as f64
}

#[cfg(test)]
mod tests {
    use super::super::profile::CarKind;
    use super::*;

    #[test]
    fn a_diary_counts_what_happens_and_remembers_the_past() {
        let now: Timestamp = "2026-11-21T06:00:00Z".parse().unwrap();
        let mut diary = Diary::with_past(1, CarKind::C10.battery(), now);
        let today = day_of(now);
        let week_ago = today.checked_sub(7.days()).unwrap();
        assert!(diary.days(week_ago, today).count() >= 6);
        assert_eq!(diary.days(today, week_ago).count(), 0);
        assert!(diary.charges(week_ago, today).count() >= 2);
        assert!(diary.energy_between(now - SignedDuration::from_hours(72), now) > 0.0);
        diary.set_off(now);
        diary.drove(now, 12.5, 2.1);
        assert_eq!(diary.days(today, today).next().unwrap().1.km, 12.5);
        assert_eq!(diary.energy_between(now - SignedDuration::from_mins(20), now), 2.1);
        diary.plugged_in(now, true, (45.0, 9.0));
        diary.charged(4.0);
        diary.unplugged(now + SignedDuration::from_mins(9));
        let charge = diary.charges(today, today).next().unwrap();
        assert!(charge.dc && charge.energy == 4.0 && charge.end.is_some());
    }
}
