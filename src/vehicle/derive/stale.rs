//! What is no longer believed when the car has been silent for long.
//!
//! A sleeping car is silent by right, so what rests is kept: charge level, doors, "locked", "parked". What describes a
//! moment, and what would be unsafe to believe, is given up.

use jiff::{SignedDuration, Timestamp};

use crate::vehicle::reading::Reading;
use crate::vehicle::state::{Activity, Charging, Gear, LockSource, VehicleState};

/// Age of the car's own word beyond which it is stale.
pub(super) const STALE_AFTER: SignedDuration = SignedDuration::from_secs(900);

/// Readings that describe a moment.
const MOMENTARY: [Reading; 4] = [
    Reading::Speed,
    Reading::BatteryCurrent,
    Reading::ChargeRemainTime,
    Reading::PtcPower,
];

/// Readings that rest at 0 and describe a moment otherwise: gear, ignition, and what is heated or ventilated.
const MOMENTARY_UNLESS_ZERO: [Reading; 12] = [
    Reading::Gear,
    Reading::KeyOn1,
    Reading::KeyOn2,
    Reading::KeyOn3,
    Reading::BatteryThermalRequest,
    Reading::SeatHeatDriver,
    Reading::SeatHeatPassenger,
    Reading::SeatVentDriver,
    Reading::SeatVentPassenger,
    Reading::SteeringWheelHeatMinutes,
    Reading::MirrorHeatLeft,
    Reading::MirrorHeatRight,
];

/// Whether a word of the car from `vehicle_time` is stale at `now`.
pub(super) fn is_stale(vehicle_time: Timestamp, now: Timestamp) -> bool {
    now.duration_since(vehicle_time) > STALE_AFTER
}

/// Whether a reading describes a moment and nothing that lasts.
pub(super) fn is_momentary(reading: Reading) -> bool {
    MOMENTARY.contains(&reading)
}

/// Gives up what a stale frame cannot prove.
pub(super) fn expire(state: &mut VehicleState) {
    for reading in MOMENTARY {
        state.frame.readings.remove(&reading);
    }
    for reading in MOMENTARY_UNLESS_ZERO {
        if state.frame.flag(reading) == Some(true) {
            state.frame.readings.remove(&reading);
        }
    }

    let battery = &mut state.battery;
    battery.power = None;
    battery.discharging_power = None;
    battery.discharging = None;
    give_up_if_on(&mut battery.heating);

    let climate = &mut state.climate;
    for running in [
        &mut climate.on,
        &mut climate.defrost,
        &mut climate.quick_cool,
        &mut climate.quick_heat,
        &mut climate.steering_wheel_heat,
        &mut climate.mirror_heat,
    ] {
        give_up_if_on(running);
    }

    let was_charging = state.charging.charging == Some(true);
    state.charging = Charging {
        plugged: state.charging.plugged,
        charging: state.charging.charging.filter(|charging| !charging),
        connection: state.charging.connection.filter(|_| !was_charging),
        charger: state.charging.charger,
        fully_charged: state.charging.fully_charged,
        ..Charging::default()
    };

    let motion = &mut state.motion;
    motion.regenerating = None;
    motion.gear = motion.gear.filter(|gear| *gear == Gear::P);
    motion.driving = motion.driving.filter(|driving| !driving);
    motion.activity = motion.activity.and_then(|activity| match activity {
        // It stood where it charged, and still does.
        Activity::Parked | Activity::Charging => Some(Activity::Parked),
        Activity::Driving | Activity::Ready => None,
    });

    let security = &mut state.security;
    if security.lock_source == Some(LockSource::Signal) {
        security.locked = security.locked.filter(|locked| *locked);
        security.lock_source = Some(LockSource::Stale);
    }
}

/// What was switched on ends by itself some time; what was off stays off.
fn give_up_if_on(flag: &mut Option<bool>) {
    *flag = flag.filter(|on| !on);
}
