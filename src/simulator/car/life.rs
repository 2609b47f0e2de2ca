//! What happens to a car between two frames: it drives, charges, warms up and cools down.

use std::f64::consts::TAU;

use jiff::{SignedDuration, Timestamp};

use super::profile::CarKind;
use super::route::along_route;
use super::signals::*;
use super::{Activity, Car, Link, Scenario};

/// A drive ends by itself at this state of charge, %.
const EMPTY: f64 = 5.0;

/// How fast the cabin follows: this share of the difference is left after a minute.
const CABIN_KEEPS: f64 = 0.85;

/// A cabin this close to where it is drifting counts as there, °C.
const CABIN_SETTLED: f64 = 0.1;

/// What the climate takes from the battery, kW.
const CLIMATE_POWER: f64 = 1.6;

/// Current of a car at rest that is awake, A.
const RESTING_CURRENT: f64 = 0.4;

impl Car {
    /// Whether values change from frame to frame, or will by themselves.
    pub(super) fn is_moving(&self) -> bool {
        matches!(self.activity, Activity::Driving { .. } | Activity::Charging { .. })
            || self.values.is_on(AC_ON)
            || self.climate_until.is_some()
            || self.cabin_is_drifting()
    }

    /// Lets the car do something else from now on.
    pub(super) fn turn_to(&mut self, scenario: Scenario, now: Timestamp) {
        self.end_activity(now);
        if scenario != Scenario::Offline {
            self.heard = None;
        }
        self.link = match scenario {
            Scenario::Asleep => Link::Asleep { since: now },
            Scenario::Offline => Link::Offline,
            _ => Link::Awake,
        };
        match scenario {
            Scenario::Park => self.come_to_rest(),
            Scenario::Asleep => {
                self.come_to_rest();
                self.values.switch(AC_ON, false);
            }
            Scenario::Offline => {
                // Whatever it did is the last that was heard of it, and nothing reaches it any more.
                if self.heard.is_none() {
                    self.heard = Some(self.frame(false));
                }
                self.pending.clear();
                return;
            }
            Scenario::Drive => self.set_off(now),
            Scenario::Plugged => self.plug_in(false),
            Scenario::ChargeAc => self.start_charging(false, now),
            Scenario::ChargeDc => self.start_charging(true, now),
        }
        self.stamp(now);
    }

    /// Parked in P, closed, locked and unplugged.
    pub(super) fn come_to_rest(&mut self) {
        self.activity = Activity::Parked;
        for signal in DOORS.into_iter().chain([TRUNK, READY, VEHICLE_STATE, SPEED, GEAR]) {
            self.values.set(signal, 0.0);
        }
        self.values.switch(LOCKED, true);
        self.values.switch(PARKING_BRAKE, true);
        self.values.set(SECURITY, 2.0);
        for signal in [AC_PORT, DC_PLUG, CHARGE_STATE, CHARGE_MINUTES, CHARGE_COMPLETED] {
            self.values.set(signal, 0.0);
        }
        self.show_power(0.0);
    }

    /// Plugged in without charging; whatever ran before has ended.
    fn plug_in(&mut self, dc: bool) {
        self.come_to_rest();
        self.connect(dc);
    }

    /// Parked at a charger that delivers.
    fn start_charging(&mut self, dc: bool, now: Timestamp) {
        self.come_to_rest();
        self.begin_charging(dc, now);
    }

    /// The plug is in and nothing flows. How the car stands besides is left as it is: a command may ask for no more.
    pub(super) fn connect(&mut self, dc: bool) {
        self.activity = Activity::Plugged;
        self.values.switch(AC_PORT, !dc);
        self.values.switch(DC_PLUG, dc);
        self.values.set(CHARGE_STATE, 1.0);
        self.values.set(CHARGE_MINUTES, 0.0);
        self.values.set(CHARGE_COMPLETED, 0.0);
        self.show_power(0.0);
    }

    /// Charging begins; the session in the diary with it.
    pub(super) fn begin_charging(&mut self, dc: bool, now: Timestamp) {
        self.connect(dc);
        self.activity = Activity::Charging { dc };
        self.diary.plugged_in(now, dc, self.position());
        self.show_charging(dc);
    }

    fn set_off(&mut self, now: Timestamp) {
        self.come_to_rest();
        self.activity = Activity::Driving { km: 0.0 };
        self.diary.set_off(now);
        self.values.switch(READY, true);
        self.values.switch(PARKING_BRAKE, false);
        self.values.set(GEAR, 3.0);
        self.values.set(VEHICLE_STATE, 4.0);
        self.values.set(SECURITY, 0.0);
    }

    fn end_activity(&mut self, now: Timestamp) {
        match self.activity {
            Activity::Charging { .. } | Activity::Plugged => self.diary.unplugged(now),
            Activity::Driving { .. } | Activity::Parked => {}
        }
    }

    /// Lives from the last frame for `elapsed`, up to `now`.
    pub(super) fn evolve(&mut self, elapsed: SignedDuration, now: Timestamp) {
        let hours = elapsed.as_secs_f64() / 3600.0;
        let climate = if self.values.is_on(AC_ON) { CLIMATE_POWER } else { 0.0 };
        match self.activity {
            Activity::Driving { km } => self.drive(km, hours, climate, now),
            Activity::Charging { dc } => self.charge(dc, hours),
            Activity::Parked | Activity::Plugged => {
                self.consume(climate * hours);
                self.show_power(climate);
            }
        }
        self.drift_cabin(elapsed);
        if self.climate_until.is_some_and(|end| end <= now) {
            self.end_preparation();
        }
    }

    fn drive(&mut self, km: f64, hours: f64, climate: f64, now: Timestamp) {
        // Town and country road in turn; the car gathers speed over its first 300 m.
        let cruising = 52.0 + 26.0 * (TAU * km / 4.0).sin();
        let speed = cruising * (0.25 + km / 0.3).min(1.0);
        let step = speed * hours;
        // Uphill and downhill cancel out over the round; downhill the battery is fed.
        let slope = 1.0 + 1.6 * (TAU * km / 3.0).cos();
        let traction = self.kind.battery().consumption * speed * slope;
        self.activity = Activity::Driving { km: km + step };
        self.values.set(SPEED, speed);
        self.values.set(ODOMETER, self.values.number(ODOMETER) + step);
        self.consume((traction + climate) * hours);
        self.burn(step);
        self.show_power(traction + climate);
        self.move_on(step);
        self.diary.drove(now, step, (traction + climate) * hours);
        if self.values.number(SOC).max(self.values.number(SOC_PRECISE)) <= EMPTY {
            self.come_to_rest();
        }
    }

    /// A range extender covers half of the way on fuel.
    fn burn(&mut self, km: f64) {
        const MILLILITRES_PER_KM: f64 = 30.0;
        const TANK: f64 = 47_500.0;
        const KM_PER_MILLILITRE: f64 = 503.0 / 28_905.0;
        let left = (self.values.number(FUEL_VOLUME) - km * MILLILITRES_PER_KM).max(0.0);
        self.values.set(FUEL_VOLUME, left);
        self.values.set(FUEL_PERCENT, left / TANK * 100.0);
        self.values.set(FUEL_RANGE, left * KM_PER_MILLILITRE);
    }

    /// Some kilometres further along the round, from where the last drive ended.
    fn move_on(&mut self, km: f64) {
        self.km_from_home += km;
        let (latitude, longitude) = along_route(self.home, self.km_from_home);
        for (signal, degrees) in [
            (LATITUDE, latitude),
            (LATITUDE_ABSOLUTE, latitude.abs()),
            (LATITUDE_LEGACY, latitude.abs()),
            (LONGITUDE, longitude),
            (LONGITUDE_ABSOLUTE, longitude.abs()),
            (LONGITUDE_LEGACY, longitude.abs()),
        ] {
            self.values.set(signal, degrees);
        }
    }

    fn charge(&mut self, dc: bool, hours: f64) {
        let battery = self.kind.battery();
        let soc = self.state_of_charge();
        let limit = f64::from(self.plan.limit);
        let wanted = charging_power(self.kind, dc, soc) * hours;
        let room = ((limit - soc) / 100.0 * battery.capacity).max(0.0);
        let taken = wanted.min(room);
        self.consume(-taken);
        self.diary.charged(taken);
        if taken < wanted || room == 0.0 {
            self.finish_charging();
        } else {
            self.show_charging(dc);
        }
    }

    /// The limit is reached: no current, plug still in.
    fn finish_charging(&mut self) {
        self.activity = Activity::Plugged;
        self.values.set(CHARGE_STATE, 2.0);
        self.values.set(CHARGE_MINUTES, 0.0);
        // On range extenders the flag means the opposite of its name: it stands while the car charges.
        self.values.switch(CHARGE_COMPLETED, self.kind != CarKind::C10Reev);
        self.show_power(0.0);
    }

    fn show_charging(&mut self, dc: bool) {
        let soc = self.state_of_charge();
        let state = if self.kind == CarKind::T03 { 1.0 } else { 2.0 };
        self.values.set(CHARGE_STATE, state);
        self.values.switch(CHARGE_COMPLETED, self.kind == CarKind::C10Reev);
        self.values.set(
            CHARGE_MINUTES,
            minutes_to(self.kind, dc, soc, f64::from(self.plan.limit)).max(1.0),
        );
        self.show_power(-charging_power(self.kind, dc, soc));
        if self.kind == CarKind::C10Reev && !dc {
            // Range extenders read next to no current while they charge slowly.
            self.values.set(BATTERY_CURRENT, 0.1);
        }
    }

    /// Current and voltage for this power in kW, positive out of the battery.
    pub(super) fn show_power(&mut self, power: f64) {
        let battery = self.kind.battery();
        let lift = if power < 0.0 { 8.0 } else { 0.0 };
        let voltage = battery.voltage + 0.15 * (self.state_of_charge() - 50.0) + lift;
        let resting = if self.kind == CarKind::T03 {
            0.0
        } else {
            RESTING_CURRENT
        };
        self.values.set(BATTERY_VOLTAGE, voltage);
        self.values.set(
            BATTERY_CURRENT,
            if power == 0.0 {
                resting
            } else {
                power * 1000.0 / voltage
            },
        );
    }

    fn state_of_charge(&self) -> f64 {
        if self.values.has(SOC_PRECISE) {
            self.values.number(SOC_PRECISE)
        } else {
            self.values.number(SOC)
        }
    }

    /// Takes energy in kWh out of the battery, or puts it in.
    fn consume(&mut self, energy: f64) {
        if energy == 0.0 {
            return;
        }
        let battery = self.kind.battery();
        let soc = (self.state_of_charge() - energy / battery.capacity * 100.0).clamp(0.0, 100.0);
        let range = soc / 100.0 * battery.capacity / battery.consumption;
        self.values.set(SOC, soc);
        self.values.set(SOC_PRECISE, soc);
        self.values.set(DUMP_ENERGY, soc / 100.0 * battery.capacity * 1000.0);
        self.values.set(RANGE, range);
        self.values.set(RANGE_LIVE, range * 1.01);
        self.values.set(COMBINED_RANGE, range + self.values.number(FUEL_RANGE));
    }

    /// Where the cabin temperature is heading.
    fn cabin_goal(&self) -> f64 {
        if self.values.is_on(AC_ON) {
            self.values.number(TARGET_LEFT)
        } else {
            self.resting_cabin
        }
    }

    fn cabin_is_drifting(&self) -> bool {
        self.values.has(CABIN) && (self.values.number(CABIN) - self.cabin_goal()).abs() > CABIN_SETTLED
    }

    fn drift_cabin(&mut self, elapsed: SignedDuration) {
        if !self.values.has(CABIN) {
            return;
        }
        let goal = self.cabin_goal();
        let kept = CABIN_KEEPS.powf(elapsed.as_secs_f64() / 60.0);
        self.values.set(CABIN, goal + (self.values.number(CABIN) - goal) * kept);
    }
}

/// The charging power in kW at this state of charge: full, then falling towards the end; on DC from half way on.
fn charging_power(kind: CarKind, dc: bool, soc: f64) -> f64 {
    let battery = kind.battery();
    let (full, knee, floor) = if dc {
        (battery.dc_power, 50.0, 0.2)
    } else {
        (battery.ac_power, 95.0, 0.4)
    };
    let done = ((soc - knee) / (100.0 - knee)).clamp(0.0, 1.0);
    full * (1.0 - done * (1.0 - floor))
}

/// Minutes until `limit` is reached, percent by percent along the taper.
fn minutes_to(kind: CarKind, dc: bool, soc: f64, limit: f64) -> f64 {
    const STEP: f64 = 1.0;
    let capacity = kind.battery().capacity;
    let mut hours = 0.0;
    let mut at = soc;
    while at < limit {
        let step = STEP.min(limit - at);
        hours += step / 100.0 * capacity / charging_power(kind, dc, at);
        at += step;
    }
    (hours * 60.0).round()
}

#[cfg(test)]
mod tests;
