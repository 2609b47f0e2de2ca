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

/// Average speed of the past, km/h.
const PAST_SPEED: f64 = 50.0;

/// A drive is kept in parts of this length, so that any window gets its right share of it.
const PART: SignedDuration = SignedDuration::from_mins(1);

/// What was driven in some time.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Driven {
    /// Distance, km.
    pub km: f64,
    /// Energy used on the way, kWh.
    pub energy: f64,
}

/// A part of a drive.
#[derive(Debug)]
struct Stretch {
    begin: Timestamp,
    end: Timestamp,
    driven: Driven,
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
    stretches: Vec<Stretch>,
    charges: Vec<Charge>,
}

impl Driven {
    fn and(self, more: Self) -> Self {
        Self {
            km: self.km + more.km,
            energy: self.energy + more.energy,
        }
    }
}

impl Stretch {
    /// What of it lies within `begin..=end`.
    fn within(&self, begin: Timestamp, end: Timestamp) -> Driven {
        let (begin, end) = (begin.max(self.begin), end.min(self.end));
        if end < begin {
            return Driven::default();
        }
        let whole = self.end.duration_since(self.begin).as_secs_f64();
        let share = if whole > 0.0 {
            end.duration_since(begin).as_secs_f64() / whole
        } else {
            1.0
        };
        Driven {
            km: self.driven.km * share,
            energy: self.driven.energy * share,
        }
    }
}

impl Diary {
    /// A diary with some weeks of past before `now`.
    pub fn with_past(car_id: u64, battery: Battery, now: Timestamp) -> Self {
        let today = day_of(now);
        let mut stretches = Vec::new();
        let mut charges = Vec::new();
        let mut since_charge = 0.0;
        for ago in (1..=PAST_DAYS).rev() {
            let Ok(date) = today.checked_sub(ago.days()) else {
                continue;
            };
            let km = past_distance(car_id, ago);
            let energy = km * battery.consumption;
            if km > 0.0
                && let Ok(morning) = date.at(7, 0, 0, 0).to_zoned(TimeZone::UTC)
            {
                let begin = morning.timestamp();
                stretches.push(Stretch {
                    begin,
                    end: begin + SignedDuration::from_secs((km / PAST_SPEED * 3600.0) as i64),
                    driven: Driven { km, energy },
                });
            }
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
        Self { stretches, charges }
    }

    /// A trip begins.
    pub fn set_off(&mut self, now: Timestamp) {
        self.stretches.push(Stretch {
            begin: now,
            end: now,
            driven: Driven::default(),
        });
    }

    /// Some more kilometres up to `now`, with the energy they took.
    pub fn drove(&mut self, now: Timestamp, km: f64, energy: f64) {
        let driven = Driven { km, energy };
        let begin = self.stretches.last().map_or(now, |stretch| stretch.end);
        match self.stretches.last_mut() {
            Some(stretch) if now.duration_since(stretch.begin) <= PART => {
                stretch.end = now;
                stretch.driven = stretch.driven.and(driven);
            }
            _ => self.stretches.push(Stretch {
                begin,
                end: now,
                driven,
            }),
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

    /// What was driven within `begin..=end`.
    pub fn driven(&self, begin: Timestamp, end: Timestamp) -> Driven {
        let parts = self.stretches.iter().map(|stretch| stretch.within(begin, end));
        parts.fold(Driven::default(), Driven::and)
    }

    /// The days on which something was driven within `begin..=end`, each with what of it lies there.
    pub fn days(&self, begin: Timestamp, end: Timestamp) -> BTreeMap<Date, Driven> {
        let mut days: BTreeMap<Date, Driven> = BTreeMap::new();
        for stretch in &self.stretches {
            let driven = stretch.within(begin, end);
            if driven.km > 0.0 {
                let day = days.entry(day_of(stretch.begin)).or_default();
                *day = day.and(driven);
            }
        }
        days
    }

    /// Energy used since delivery, kWh, for a car with this odometer.
    pub fn lifetime_energy(&self, odometer: f64, battery: Battery) -> f64 {
        odometer * battery.consumption * 1.06
    }

    /// The charges that began from `first` to `last` as days are counted in `zone`, newest first.
    pub fn charges(&self, first: Date, last: Date, zone: &TimeZone) -> impl Iterator<Item = &Charge> {
        self.charges
            .iter()
            .rev()
            .filter(move |charge| (first..=last).contains(&charge.start.to_zoned(zone.clone()).date()))
    }
}

/// The day a moment belongs to; days begin at midnight UTC.
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

    fn start() -> Timestamp {
        "2026-11-21T06:00:00Z".parse().unwrap()
    }

    fn after(minutes: i64) -> Timestamp {
        start() + SignedDuration::from_mins(minutes)
    }

    /// Drives a kilometre and uses a tenth of a kilowatt-hour each minute, frame by frame.
    fn drive(diary: &mut Diary, begin: Timestamp, minutes: i64) {
        diary.set_off(begin);
        for frame in 1..=minutes * 12 {
            diary.drove(begin + SignedDuration::from_secs(5 * frame), 1.0 / 12.0, 0.1 / 12.0);
        }
    }

    fn is(driven: Driven, km: f64) -> bool {
        (driven.km - km).abs() < 1e-6 && (driven.energy - km / 10.0).abs() < 1e-6
    }

    #[test]
    fn a_diary_counts_what_happens_and_remembers_the_past() {
        let mut diary = Diary::with_past(1, CarKind::C10.battery(), start());
        let (today, week_ago) = (day_of(start()), start() - SignedDuration::from_hours(7 * 24));
        assert!(diary.days(week_ago, start()).len() >= 6);
        assert_eq!(diary.days(start(), week_ago).len(), 0);
        assert!(diary.charges(day_of(week_ago), today, &TimeZone::UTC).count() >= 2);
        assert!(diary.driven(start() - SignedDuration::from_hours(72), start()).energy > 0.0);
        diary.plugged_in(start(), true, (45.0, 9.0));
        diary.charged(4.0);
        diary.unplugged(after(9));
        let charge = diary.charges(today, today, &TimeZone::UTC).next().unwrap();
        assert!(charge.dc && charge.energy == 4.0 && charge.end.is_some());
    }

    #[test]
    fn a_window_has_what_was_driven_within_it_and_no_more() {
        let mut diary = Diary::with_past(1, CarKind::C10.battery(), start());
        drive(&mut diary, start(), 30);
        drive(&mut diary, after(60), 20);
        let today = start() - SignedDuration::from_hours(6);
        assert!(is(diary.driven(today, after(120)), 50.0), "all drives of the day");
        assert!(is(diary.driven(after(10), after(65)), 25.0));
        assert!(is(diary.driven(after(30), after(60)), 0.0));
        assert!(is(diary.driven(after(65), after(10)), 0.0));
        let parts = [(0, 7), (7, 61), (61, 90)].map(|(begin, end)| diary.driven(after(begin), after(end)));
        assert!(is(parts.into_iter().fold(Driven::default(), Driven::and), 50.0));
    }

    #[test]
    fn the_days_of_a_window_have_only_their_part_of_it() {
        let mut diary = Diary::with_past(1, CarKind::C10.battery(), start());
        let midnight = day_of(start()).to_zoned(TimeZone::UTC).unwrap().timestamp();
        // Midnight of a client an hour to the east of the cloud.
        let begin = midnight - SignedDuration::from_hours(1);
        drive(&mut diary, begin - SignedDuration::from_mins(20), 50);
        drive(&mut diary, start(), 10);
        let days = diary.days(begin, after(60));
        let km: Vec<f64> = days.values().map(|day| day.km.round()).collect();
        assert_eq!(km, [30.0, 10.0]);
    }

    #[test]
    fn charges_are_found_by_the_days_of_the_zone_asked_for() {
        let mut diary = Diary::with_past(1, CarKind::C10.battery(), start());
        diary.plugged_in("2026-11-21T23:30:00Z".parse().unwrap(), false, (45.0, 9.0));
        let tomorrow = jiff::civil::date(2026, 11, 22);
        let rome = jiff::tz::offset(1).to_time_zone();
        assert_eq!(diary.charges(tomorrow, tomorrow, &TimeZone::UTC).count(), 0);
        assert_eq!(diary.charges(tomorrow, tomorrow, &rome).count(), 1);
    }
}
