//! The traction battery, and the fuel of a range-extender car.

use crate::vehicle::reading::{Frame, Reading};
use crate::vehicle::state::{Battery, Fuel};
use crate::vehicle::units::{Kilometers, KilowattHours, Kilowatts, Liters, LitersPer100Kilometers, Percent, round};

/// The thermal request by which the battery is heated.
const THERMAL_REQUEST_HEATING: i64 = 4;

pub(super) fn battery(frame: &Frame) -> Battery {
    let power = power(frame);
    let discharging_power = power.map(|kw| kw.max(0.0));
    Battery {
        soc: frame
            .number(Reading::Soc)
            .or_else(|| charge_level(frame).map(|level| round(level, 0)))
            .map(Percent),
        soc_precise: precise_charge_level(frame).map(Percent),
        power: power.map(Kilowatts),
        discharging_power: discharging_power.map(Kilowatts),
        discharging: discharging_power.map(|kw| kw > 0.0),
        energy: frame
            .number(Reading::DumpEnergy)
            .map(|wh| KilowattHours(round(wh / 1000.0, 2))),
        heating: frame.code_is(Reading::BatteryThermalRequest, &[THERMAL_REQUEST_HEATING]),
    }
}

/// The state of charge in percent; the precise value where the car has one.
pub(super) fn charge_level(frame: &Frame) -> Option<f64> {
    precise_charge_level(frame).or_else(|| frame.number(Reading::Soc))
}

/// The precise state of charge. Zero means that the car does not know it, unless the whole number agrees.
fn precise_charge_level(frame: &Frame) -> Option<f64> {
    let precise = frame.number(Reading::SocPrecise)?;
    (precise != 0.0 || frame.number(Reading::Soc).is_none_or(|soc| soc == 0.0)).then_some(precise)
}

/// Signed power at the pack in kW; positive is discharge.
pub(super) fn power(frame: &Frame) -> Option<f64> {
    let kw = frame.number(Reading::BatteryVoltage)? * frame.number(Reading::BatteryCurrent)? / 1000.0;
    // Adding zero turns the minus zero of a tiny negative current into zero.
    Some(round(kw, 3) + 0.0)
}

pub(super) fn fuel(frame: &Frame) -> Fuel {
    let milliliters = frame
        .number(Reading::FuelVolume)
        .or_else(|| frame.number(Reading::FuelVolumeLegacy));
    let volume = milliliters.map(|ml| ml / 1000.0);
    let range = frame.number(Reading::FuelRange);
    let consumption = volume
        .zip(range)
        .filter(|(_, km)| *km > 0.0)
        .map(|(l, km)| l / km * 100.0);
    Fuel {
        volume: volume.map(Liters),
        range: range.map(Kilometers),
        consumption: consumption.map(|rate| LitersPer100Kilometers(round(rate, 1))),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::frame_of as frame;
    use super::*;

    #[test]
    fn power_is_signed_and_only_its_positive_part_is_discharge() {
        let charging = battery(&frame(&[
            (Reading::BatteryVoltage, 400.0),
            (Reading::BatteryCurrent, -20.0),
        ]));
        assert_eq!(charging.power, Some(Kilowatts(-8.0)));
        assert_eq!(charging.discharging_power, Some(Kilowatts(0.0)));
        assert_eq!(charging.discharging, Some(false));
        let unknown = battery(&frame(&[(Reading::BatteryVoltage, 400.0)]));
        assert_eq!((unknown.power, unknown.discharging), (None, None));
    }

    #[test]
    fn the_precise_charge_level_stands_in_for_a_missing_whole_one() {
        let battery = |readings: &[_]| super::battery(&frame(readings));
        let only_precise = battery(&[(Reading::SocPrecise, 71.6)]);
        assert_eq!(
            (only_precise.soc, only_precise.soc_precise),
            (Some(Percent(72.0)), Some(Percent(71.6)))
        );
        let no_precise = battery(&[(Reading::Soc, 71.0), (Reading::SocPrecise, 0.0)]);
        assert_eq!((no_precise.soc, no_precise.soc_precise), (Some(Percent(71.0)), None));
    }

    #[test]
    fn fuel_consumption_needs_a_range() {
        let full = fuel(&frame(&[(Reading::FuelVolume, 47_500.0), (Reading::FuelRange, 820.0)]));
        assert_eq!(full.volume, Some(Liters(47.5)));
        assert_eq!(full.consumption, Some(LitersPer100Kilometers(5.8)));
        let empty = fuel(&frame(&[(Reading::FuelVolumeLegacy, 900.0), (Reading::FuelRange, 0.0)]));
        assert_eq!((empty.volume, empty.consumption), (Some(Liters(0.9)), None));
    }
}
