//! Range, fuel and mileage.

use super::builder::{sensor, words};
use super::entity::{Entity, Fits};
use crate::homeassistant::scene::number;
use crate::vehicle::{Powertrain, Reading as R};

const EXTENDER: Fits = Fits::Powertrain(Powertrain::Reev);

pub const ROWS: &[Entity] = &[
    sensor("range", "Range")
        .measures(Some("distance"), "km", 0)
        .from(&[R::Range], |car| car.number(R::Range, 0))
        .note("The electric range on cars with a range extender."),
    sensor("range_live", "Live range")
        .measures(Some("distance"), "km", 0)
        .diagnostic()
        .disabled()
        .from(&[R::RangeLive], |car| car.number(R::RangeLive, 0)),
    sensor("range_max_rated", "Rated maximum range")
        .measures(Some("distance"), "km", 0)
        .diagnostic()
        .disabled()
        .from(&[R::RangeMax], |car| car.number(R::RangeMax, 0))
        .note("The electric range of a full battery in the car's range mode; sources disagree."),
    words("range_mode", "Range mode", &["cltc", "wltp"])
        .diagnostic()
        .from(&[R::RangeMode], |car| {
            car.word(R::RangeMode, &[(0, "cltc"), (1, "wltp")])
        }),
    sensor("fuel_level", "Fuel level")
        .measures(None, "%", 1)
        .icon("mdi:fuel")
        .only(EXTENDER)
        .from(&[R::FuelLevelPercent], |car| car.number(R::FuelLevelPercent, 1)),
    sensor("fuel_level_volume", "Fuel level (volume)")
        .measures(Some("volume_storage"), "L", 1)
        .only(EXTENDER)
        .from(&[R::FuelVolume, R::FuelVolumeLegacy], |car| {
            number(car.state.fuel.volume?, 1)
        }),
    sensor("fuel_range", "Fuel range")
        .measures(Some("distance"), "km", 0)
        .only(EXTENDER)
        .from(&[R::FuelRange], |car| car.number(R::FuelRange, 0)),
    sensor("fuel_range_max", "Maximum fuel range")
        .measures(Some("distance"), "km", 0)
        .diagnostic()
        .disabled()
        .only(EXTENDER)
        .from(&[R::FuelRangeMax], |car| car.number(R::FuelRangeMax, 0)),
    sensor("fuel_consumption_average", "Average fuel consumption")
        .measures(None, "L/100km", 1)
        .icon("mdi:gas-station")
        .disabled()
        .only(EXTENDER)
        .from(&[R::FuelVolume, R::FuelVolumeLegacy], |car| {
            number(car.state.fuel.consumption?, 1)
        })
        .note("An estimate: the fuel in the tank over the range the car expects from it."),
    sensor("combined_range", "Combined range")
        .measures(Some("distance"), "km", 0)
        .only(EXTENDER)
        .from(&[R::CombinedRange], |car| car.number(R::CombinedRange, 0)),
    sensor("combined_range_max", "Maximum combined range")
        .measures(Some("distance"), "km", 0)
        .diagnostic()
        .disabled()
        .only(EXTENDER)
        .from(&[R::CombinedRangeMax], |car| car.number(R::CombinedRangeMax, 0)),
    sensor("odometer", "Odometer")
        .counts("distance", "km", 0)
        .from(&[R::Odometer], |car| {
            // A 0 would make Home Assistant count the whole mileage again.
            car.number(R::Odometer, 0)
                .filter(|_| car.state.frame.flag(R::Odometer) == Some(true))
        }),
];
