//! The frame gate: which values of a frame no car can have, and what stands in for them.
//!
//! Codes pass as they are, also unknown ones: their meaning is decided where they are read. What needs the frames before
//! (odometer, position, time) is judged in `memory` and `reach`.

use super::rejections::{Objection, Refusal};
use super::{battery, is_partial};
use crate::vehicle::reading::{Frame, Reading};

/// What measured values can be, both ends included, in the unit of the reading. Wide on purpose: beyond it is nonsense,
/// within it is the car's word.
#[rustfmt::skip]
const RANGES: &[(Reading, f64, f64)] = &[
    (Reading::Soc, 0.0, 100.0),
    (Reading::SocPrecise, 0.0, 100.0),
    (Reading::BatteryVoltage, 0.0, 1_000.0),
    (Reading::BatteryCurrent, -1_500.0, 1_500.0),
    (Reading::BatteryTempMin, -60.0, 100.0),
    (Reading::MinSingleTemp, -60.0, 100.0),
    (Reading::ChargeRemainTime, 0.0, 10_080.0),
    (Reading::ChargeLimit, 0.0, 100.0),
    (Reading::DumpEnergy, 0.0, 200_000.0),
    (Reading::Range, 0.0, 1_500.0),
    (Reading::RangeLive, 0.0, 1_500.0),
    (Reading::RangeMax, 0.0, 1_500.0),
    (Reading::FuelRange, 0.0, 3_000.0),
    (Reading::FuelRangeMax, 0.0, 3_000.0),
    (Reading::CombinedRange, 0.0, 4_000.0),
    (Reading::CombinedRangeMax, 0.0, 4_000.0),
    (Reading::FuelLevelPercent, 0.0, 100.0),
    (Reading::FuelVolume, 0.0, 200_000.0),
    (Reading::FuelVolumeLegacy, 0.0, 200_000.0),
    (Reading::Speed, 0.0, 300.0),
    (Reading::SpeedLimit, 0.0, 300.0),
    (Reading::InteriorTemp, -60.0, 100.0),
    (Reading::OutdoorTemp, -60.0, 100.0),
    (Reading::TargetTempLeft, 0.0, 60.0),
    (Reading::TargetTempRight, 0.0, 60.0),
    (Reading::PtcPower, 0.0, 20_000.0),
    (Reading::WindowFrontLeftPosition, 0.0, 100.0),
    (Reading::WindowFrontRightPosition, 0.0, 100.0),
    (Reading::WindowRearLeftPosition, 0.0, 100.0),
    (Reading::WindowRearRightPosition, 0.0, 100.0),
    (Reading::TyrePressureFrontLeft, 0.0, 600.0),
    (Reading::TyrePressureFrontRight, 0.0, 600.0),
    (Reading::TyrePressureRearLeft, 0.0, 600.0),
    (Reading::TyrePressureRearRight, 0.0, 600.0),
];

/// All bits set in 16, 24 and 32 bits, with and without sign: how a control unit says that it cannot tell. Cars were
/// seen to send the one of 24 bits.
const PLACEHOLDERS: [f64; 5] = [32_767.0, 65_535.0, 16_777_215.0, 2_147_483_647.0, 4_294_967_295.0];

/// The pressure of a wheel and its alarm. A pressure of 0 is a sensor that has not spoken, unless the alarm agrees.
const WHEELS: [(Reading, Reading); 4] = [
    (Reading::TyrePressureFrontLeft, Reading::TyreAlarmFrontLeft),
    (Reading::TyrePressureFrontRight, Reading::TyreAlarmFrontRight),
    (Reading::TyrePressureRearLeft, Reading::TyreAlarmRearLeft),
    (Reading::TyrePressureRearRight, Reading::TyreAlarmRearRight),
];

/// The frame without the values that are not believed, and these. `stand_in` gives the last good value where there is
/// one that may still be shown.
pub(super) fn pass(frame: &Frame, stand_in: impl Fn(Reading) -> Option<f64>) -> (Frame, Vec<Refusal>) {
    let mut passed = frame.clone();
    let mut refusals = Vec::new();
    for (reading, objection) in objections(frame) {
        match stand_in(reading) {
            Some(value) => passed.set(reading, value),
            None => drop(passed.readings.remove(&reading)),
        }
        refusals.push((reading.name(), objection));
    }
    refusals.extend(drop_false_zeros(&mut passed));
    (passed, refusals)
}

/// Why a number that no car can have is not believed: it may be what control units say when they cannot tell.
pub(super) fn objection(number: f64) -> Objection {
    if PLACEHOLDERS.contains(&number) {
        Objection::Placeholder
    } else {
        Objection::OutOfRange
    }
}

fn objections(frame: &Frame) -> impl Iterator<Item = (Reading, Objection)> {
    let beyond = RANGES.iter().filter_map(|(reading, least, most)| {
        let number = frame.number(*reading)?;
        (!(*least..=*most).contains(&number)).then(|| (*reading, objection(number)))
    });
    let silent = WHEELS.iter().filter_map(|(pressure, alarm)| {
        let silent = frame.number(*pressure) == Some(0.0) && frame.flag(*alarm) != Some(true);
        silent.then_some((*pressure, Objection::Placeholder))
    });
    beyond.chain(silent)
}

/// A charge level of zero that the precise one or the range contradicts. Nothing stands in for it: the other one is
/// better. A precise level of zero beside a whole one is how cars without a precise one say so, and no fault.
fn drop_false_zeros(frame: &mut Frame) -> Option<Refusal> {
    if !is_partial(frame) && battery::charge_level(frame).is_none_or(|level| level == 0.0) {
        return None;
    }
    let was_zero = |reading| frame.number(reading) == Some(0.0);
    let (whole, precise) = (was_zero(Reading::Soc), was_zero(Reading::SocPrecise));
    for (reading, zero) in [(Reading::Soc, whole), (Reading::SocPrecise, precise)] {
        if zero {
            frame.readings.remove(&reading);
        }
    }
    whole.then_some((Reading::Soc.name(), Objection::Contradicted))
}

#[cfg(test)]
mod tests {
    use super::super::tests::frame_of as frame;
    use super::*;

    const NOTHING: fn(Reading) -> Option<f64> = |_| None;

    #[test]
    fn what_no_car_can_have_is_refused_and_the_last_good_value_stands_in() {
        let said = frame(&[
            (Reading::Soc, 70.0),
            (Reading::Speed, 65_535.0),
            (Reading::InteriorTemp, 101.0),
            (Reading::Range, -1.0),
            (Reading::Gear, 16_777_215.0),
        ]);
        let good = |reading| (reading == Reading::Speed).then_some(52.0);
        let (passed, refusals) = pass(&said, good);
        assert_eq!(
            refusals,
            [
                ("range", Objection::OutOfRange),
                ("speed", Objection::Placeholder),
                ("interior_temp", Objection::OutOfRange),
            ]
        );
        assert_eq!(passed.number(Reading::Speed), Some(52.0));
        assert_eq!(passed.raw(Reading::InteriorTemp), None);
        assert_eq!(passed.number(Reading::Gear), Some(16_777_215.0), "codes pass");
    }

    #[test]
    fn the_ends_of_a_range_are_believed() {
        for (reading, least, most) in RANGES {
            // A tyre at 0 is a rule of its own.
            for value in [*least, *most].into_iter().filter(|value| *value != 0.0) {
                let (_, refusals) = pass(&frame(&[(*reading, value), (Reading::Soc, 50.0)]), NOTHING);
                assert_eq!(refusals, [], "{reading:?} {value}");
            }
        }
    }

    #[test]
    fn a_tyre_without_pressure_is_a_silent_sensor_unless_its_alarm_says_so() {
        let flat = |alarm| {
            let said = frame(&[
                (Reading::Soc, 50.0),
                (Reading::TyrePressureRearLeft, 0.0),
                (Reading::TyreAlarmRearLeft, alarm),
            ]);
            pass(&said, NOTHING).1
        };
        assert_eq!(flat(0.0), [("tyre_pressure_rear_left", Objection::Placeholder)]);
        assert_eq!(flat(1.0), []);
    }

    #[test]
    fn a_zero_charge_level_is_refused_where_something_contradicts_it() {
        let refusals = |readings: &[_]| pass(&frame(readings), NOTHING).1;
        let refused = [("soc", Objection::Contradicted)];
        assert_eq!(refusals(&[(Reading::Soc, 0.0), (Reading::Range, 200.0)]), refused);
        assert_eq!(refusals(&[(Reading::Soc, 0.0), (Reading::SocPrecise, 70.4)]), refused);
        assert_eq!(refusals(&[(Reading::Soc, 0.0), (Reading::Range, 3.0)]), []);
        assert_eq!(refusals(&[(Reading::Soc, 70.0), (Reading::SocPrecise, 0.0)]), []);
    }
}
