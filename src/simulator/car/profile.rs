//! The models: what each one reports when it stands parked, locked and unplugged, what it can do, and its battery.
//!
//! Which model reports what is taken from the signal table of the protocol (`tests/data/protocol/signals.csv`).

use clap::ValueEnum;
use serde_json::Value;

use super::signals::*;

/// The cars there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum CarKind {
    /// Small city car; answers in named fields.
    #[value(name = "T03")]
    T03,
    /// Compact SUV.
    #[value(name = "B10")]
    B10,
    /// Mid-size SUV.
    #[value(name = "C10")]
    C10,
    /// Mid-size SUV with range extender.
    #[value(name = "C10-REEV")]
    C10Reev,
}

/// The battery and what fills and empties it.
#[derive(Debug, Clone, Copy)]
pub struct Battery {
    /// Usable energy, kWh.
    pub capacity: f64,
    /// Pack voltage at half charge, V.
    pub voltage: f64,
    /// Charging power on AC, kW.
    pub ac_power: f64,
    /// Highest charging power on DC, kW.
    pub dc_power: f64,
    /// Consumption in mixed traffic, kWh/km.
    pub consumption: f64,
}

/// State of charge that each model starts with, %, and how far that takes it, km.
const FIRST_CHARGE: [f64; 4] = [85.0, 64.2, 71.4, 58.3];
const FIRST_RANGE: [f64; 4] = [211.0, 278.0, 298.0, 84.0];

impl CarKind {
    /// `carType` of the vehicle list; the range extender has none of its own.
    pub fn model(self) -> &'static str {
        match self {
            Self::T03 => "T03",
            Self::B10 => "B10",
            Self::C10 | Self::C10Reev => "C10",
        }
    }

    /// `bev` or `reev`.
    pub fn powertrain(self) -> &'static str {
        if self == Self::C10Reev { "reev" } else { "bev" }
    }

    /// The last part of the status path that has this car's data.
    pub fn segment(self) -> &'static str {
        if self == Self::T03 { "t03" } else { "c10" }
    }

    /// Its battery.
    pub fn battery(self) -> Battery {
        let row = |capacity: f64, voltage, ac_power, dc_power| Battery {
            capacity,
            voltage,
            ac_power,
            dc_power,
            // What the car says at first and what it works out on the way are one calculation, so that the range is
            // never seen to jump.
            consumption: FIRST_CHARGE[self as usize] / 100.0 * capacity / FIRST_RANGE[self as usize],
        };
        match self {
            Self::T03 => row(36.76, 348.0, 6.6, 45.0),
            Self::B10 => row(67.1, 392.0, 11.0, 140.0),
            Self::C10 => row(69.9, 396.0, 11.0, 84.0),
            Self::C10Reev => row(28.4, 360.0, 6.6, 65.0),
        }
    }

    /// The state of charge it charges up to at first, %: above the one it starts with.
    pub fn charge_limit(self) -> u8 {
        if self == Self::T03 { 90 } else { 80 }
    }

    /// The values it starts with.
    pub fn values(self) -> Values {
        let mut values = Values::new(if self == Self::T03 { Form::Named } else { Form::Numbered });
        for (signal, initial) in PROFILES {
            match initial[self as usize] {
                Initial::Absent => {}
                Initial::Number(number) if signal.decimals == 0 => values.declare(*signal, Value::from(number as i64)),
                Initial::Number(number) => values.declare(*signal, Value::from(number)),
                Initial::Flag(flag) => values.declare(*signal, Value::from(flag)),
                Initial::Text(text) => values.declare(*signal, Value::from(text)),
            }
        }
        values
    }

    /// Every ability the model can have, by the codes of the vehicle list.
    pub fn abilities(self) -> Vec<u32> {
        let lacks: &[u32] = match self {
            // No seats or wheel to heat, no preparation, no sentry, no weekly charging plan, no speed limit, no climate
            // code although it cools, no way to unlock the plug, and window and tailgate codes of its own.
            Self::T03 => &[
                6, 12, 14, 15, 18, 19, 21, 22, 24, 25, 26, 28, 34, 38, 40, 42, 43, 46, 47, 50, 51, 53,
            ],
            Self::B10 | Self::C10 => &[20, 36, 40],
            Self::C10Reev => &[20, 36],
        };
        (1..=53).filter(|code| !lacks.contains(code)).collect()
    }
}

/// Every right an account can have on a car, by the codes of the vehicle list.
pub const RIGHTS: [u32; 37] = [
    110, 120, 130, 140, 150, 160, 161, 170, 171, 180, 190, 192, 193, 220, 230, 240, 270, 280, 290, 301, 320, 340, 350,
    360, 361, 370, 380, 390, 391, 392, 410, 430, 440, 460, 470, 480, 510,
];

/// All signals of all models.
pub fn signals() -> impl Iterator<Item = Signal> {
    PROFILES.iter().map(|(signal, _)| *signal)
}

#[derive(Clone, Copy)]
enum Initial {
    Absent,
    Number(f64),
    Flag(bool),
    Text(&'static str),
}

const fn n(number: f64) -> Initial {
    Initial::Number(number)
}

/// The same on every model in numbered form, absent on the T03.
const fn numbered(number: f64) -> [Initial; 4] {
    [NO, n(number), n(number), n(number)]
}

/// A signal that is boolean on the T03 and 0 or 1 on the others.
const fn flag(on: bool) -> [Initial; 4] {
    let number = n(if on { 1.0 } else { 0.0 });
    [Initial::Flag(on), number, number, number]
}

/// In named form only.
const fn named(value: Initial) -> [Initial; 4] {
    [value, NO, NO, NO]
}

/// On the range extender only.
const fn reev(number: f64) -> [Initial; 4] {
    [NO, NO, NO, n(number)]
}

const fn all(t03: f64, b10: f64, c10: f64, reev: f64) -> [Initial; 4] {
    [n(t03), n(b10), n(c10), n(reev)]
}

const fn each(numbers: [f64; 4]) -> [Initial; 4] {
    let [t03, b10, c10, reev] = numbers;
    all(t03, b10, c10, reev)
}

const NO: Initial = Initial::Absent;
const UNTIL_SENT: Initial = Initial::Text("");

/// Signal by signal: T03, B10, C10, C10 with range extender. The times are filled in frame by frame.
const PROFILES: &[(Signal, [Initial; 4])] = &[
    (GATEWAY_TIME, numbered(0.0)),
    (SENT_AT, all(0.0, 0.0, 0.0, 0.0)),
    (COLLECT_TIME, named(UNTIL_SENT)),
    (CREATE_TIME, named(UNTIL_SENT)),
    (LONGITUDE, all(9.1914, 9.191383, 9.182214, 9.204876)),
    (LATITUDE, all(45.4642, 45.464211, 45.471925, 45.458733)),
    (LONGITUDE_ABSOLUTE, [NO, n(9.191383), n(9.182214), n(9.204876)]),
    (LATITUDE_ABSOLUTE, [NO, n(45.464211), n(45.471925), n(45.458733)]),
    (LONGITUDE_LEGACY, [NO, n(9.191383), n(9.182214), n(9.204876)]),
    (LATITUDE_LEGACY, [NO, n(45.464211), n(45.471925), n(45.458733)]),
    (SOC, each(FIRST_CHARGE)),
    (
        SOC_PRECISE,
        [NO, n(FIRST_CHARGE[1]), n(FIRST_CHARGE[2]), n(FIRST_CHARGE[3])],
    ),
    (BATTERY_VOLTAGE, all(352.4, 395.1, 398.6, 361.9)),
    (BATTERY_CURRENT, all(0.0, 0.4, 0.4, 0.3)),
    (Signal::whole("1182", ""), [NO, n(16.0), n(17.0), n(15.0)]),
    (BATTERY_HEATING, numbered(0.0)),
    (HEATER_STATE, named(n(0.0))),
    (DUMP_ENERGY, named(n(31_250.0))),
    (AC_PORT, numbered(0.0)),
    (DC_PLUG, all(0.0, 0.0, 0.0, 0.0)),
    (CHARGE_STATE, all(0.0, 0.0, 0.0, 0.0)),
    (CHARGE_MINUTES, all(0.0, 0.0, 0.0, 0.0)),
    (CHARGE_COMPLETED, numbered(0.0)),
    (HEALTHY_CHARGE, numbered(0.0)),
    (Signal::whole("3737", ""), numbered(0.0)),
    (RANGE, each(FIRST_RANGE)),
    (RANGE_LIVE, [NO, n(281.0), n(301.0), n(86.0)]),
    (Signal::whole("3257", ""), [NO, n(434.0), n(420.0), n(145.0)]),
    (Signal::whole("3262", ""), numbered(1.0)),
    (FUEL_RANGE, reev(503.0)),
    (COMBINED_RANGE, reev(587.0)),
    (Signal::whole("3256", ""), reev(820.0)),
    (Signal::whole("3258", ""), reev(965.0)),
    (FUEL_PERCENT, reev(61.5)),
    (FUEL_VOLUME, reev(28_905.0)),
    (SPEED, all(0.0, 0.0, 0.0, 0.0)),
    (ODOMETER, all(15_023.0, 4_210.0, 12_345.0, 8_764.0)),
    (GEAR, all(0.0, 0.0, 0.0, 0.0)),
    (VEHICLE_STATE, numbered(0.0)),
    (PARKING_BRAKE, numbered(1.0)),
    (SPEED_LIMIT, numbered(110.0)),
    (Signal::whole("6047", ""), numbered(0.0)),
    (SPEED_LIMIT_ACTIVE, numbered(0.0)),
    (Signal::whole("1256", "bcmKeyPositionOn1"), flag(false)),
    (Signal::whole("1257", "bcmKeyPositionOn2"), flag(false)),
    (READY, flag(false)),
    (AC_ON, flag(false)),
    (AC_MANUAL, numbered(1.0)),
    (Signal::whole("1940", ""), numbered(0.0)),
    (Signal::whole("1949", ""), numbered(0.0)),
    (FAN_LEVEL, all(0.0, 3.0, 3.0, 3.0)),
    (FAN_LEVEL_SETTING, named(n(3.0))),
    (RECIRCULATION, flag(false)),
    (WINDSHIELD_DEFROST, numbered(0.0)),
    (Signal::whole("1946", ""), numbered(0.0)),
    (CLIMATE_MODE, numbered(0.0)),
    (COOLING_AND_HEATING, named(n(0.0))),
    (RAPID_COOLING, numbered(0.0)),
    (RAPID_HEATING, numbered(0.0)),
    (TARGET_LEFT, all(22.0, 21.0, 22.0, 22.0)),
    (TARGET_RIGHT, [NO, n(21.0), n(22.5), n(22.0)]),
    (CABIN, [NO, n(18.0), n(21.5), n(17.5)]),
    (Signal::whole("", "outdoorTemp"), named(n(14.0))),
    (Signal::whole("", "minSingleTemp"), named(n(12.0))),
    (Signal::whole("", "acWindDirection"), named(n(1.0))),
    (Signal::whole("", "acTempMode"), named(Initial::Flag(true))),
    (Signal::whole("", "ptcPowerSettingValue"), named(n(0.0))),
    (LOCKED, flag(true)),
    (DOORS[0], flag(false)),
    (DOORS[1], flag(false)),
    (DOORS[2], flag(false)),
    (DOORS[3], flag(false)),
    (TRUNK, flag(false)),
    (Signal::whole("", "bcmDoorCtrlAllow"), named(Initial::Flag(true))),
    (WINDOWS_OPEN[0], flag(false)),
    (WINDOWS_OPEN[1], flag(false)),
    (WINDOWS_OPEN[2], flag(false)),
    (WINDOWS_OPEN[3], flag(false)),
    (WINDOW_POSITIONS[0], all(0.0, 0.0, 0.0, 0.0)),
    (WINDOW_POSITIONS[1], all(0.0, 0.0, 0.0, 0.0)),
    (WINDOW_POSITIONS[2], all(0.0, 0.0, 0.0, 0.0)),
    (WINDOW_POSITIONS[3], all(0.0, 0.0, 0.0, 0.0)),
    (ROOF, numbered(0.0)),
    (Signal::whole("", "sunShade"), named(n(0.0))),
    (Signal::whole("", "isSupportWindowsRemoteControl"), named(n(1.0))),
    (
        Signal::whole("2646", "leftFrontTirePressure"),
        all(250.0, 248.0, 251.0, 255.0),
    ),
    (
        Signal::whole("2653", "rightFrontTirePressure"),
        all(255.0, 250.0, 249.0, 254.0),
    ),
    (
        Signal::whole("2660", "leftRearTirePressure"),
        all(260.0, 257.0, 262.0, 268.0),
    ),
    (
        Signal::whole("2667", "rightRearTirePressure"),
        all(245.0, 259.0, 280.0, 270.0),
    ),
    (
        Signal::whole("2655", "leftFrontTirePressureState"),
        all(0.0, 0.0, 0.0, 0.0),
    ),
    (
        Signal::whole("2648", "rightFrontTirePressureState"),
        all(0.0, 0.0, 0.0, 0.0),
    ),
    (
        Signal::whole("2662", "leftRearTirePressureState"),
        all(0.0, 0.0, 0.0, 0.0),
    ),
    (
        Signal::whole("2641", "rightRearTirePressureState"),
        all(0.0, 0.0, 0.0, 0.0),
    ),
    (SEAT_HEAT_DRIVER, numbered(0.0)),
    (SEAT_HEAT_PASSENGER, numbered(0.0)),
    (SEAT_VENT_DRIVER, numbered(0.0)),
    (SEAT_VENT_PASSENGER, numbered(0.0)),
    (STEERING_WHEEL_HEAT, numbered(0.0)),
    (STEERING_WHEEL_MINUTES, numbered(0.0)),
    (SECURITY, numbered(2.0)),
    (SENTRY, numbered(0.0)),
    (Signal::whole("3638", ""), numbered(0.0)),
    (MIRROR_LEFT, numbered(0.0)),
    (MIRROR_RIGHT, numbered(0.0)),
    (Signal::whole("", "bluetoothState"), named(Initial::Flag(true))),
    (
        Signal::whole("", "bluetoothAddr"),
        named(Initial::Text("AA:BB:CC:DD:EE:FF")),
    ),
    (Signal::whole("", "hotspotState"), named(Initial::Flag(false))),
    (CHARGE_LIMIT, named(n(90.0))),
    (CHARGE_START, named(Initial::Text("00:00"))),
    (Signal::whole("3273", ""), numbered(100.0)),
    (Signal::whole("3366", ""), numbered(0.0)),
    (Signal::whole("3709", ""), numbered(0.0)),
    (Signal::whole("3710", ""), numbered(1.0)),
    (Signal::whole("3711", ""), numbered(0.0)),
    (Signal::whole("3712", ""), numbered(1.0)),
    (Signal::whole("3734", ""), numbered(0.0)),
    (Signal::whole("3735", ""), numbered(0.0)),
    (
        Signal::whole("100010", ""),
        [NO, Initial::Text("0.0"), Initial::Text("0.0"), Initial::Text("0.0")],
    ),
    (
        Signal::whole("100011", ""),
        [
            NO,
            Initial::Text("174.2"),
            Initial::Text("175.8"),
            Initial::Text("168.3"),
        ],
    ),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    const ALL: [CarKind; 4] = [CarKind::T03, CarKind::B10, CarKind::C10, CarKind::C10Reev];

    fn rows(file: &str) -> Vec<Vec<String>> {
        let path = format!("{}/tests/data/protocol/{file}", env!("CARGO_MANIFEST_DIR"));
        let text = std::fs::read_to_string(path).unwrap();
        // The first columns carry no quotes in either table.
        text.lines()
            .skip(1)
            .map(|line| line.split(',').map(str::to_owned).collect())
            .collect()
    }

    #[test]
    fn every_signal_of_a_profile_is_in_the_signal_table() {
        let rows = rows("signals.csv");
        let ids: BTreeSet<&str> = rows.iter().map(|row| row[0].as_str()).collect();
        let text = include_str!("../../../tests/data/protocol/signals.csv");
        for signal in signals() {
            assert!(signal.id.is_empty() || ids.contains(signal.id), "{signal:?}");
            assert!(signal.named.is_empty() || text.contains(signal.named), "{signal:?}");
        }
    }

    #[test]
    fn a_profile_has_the_signals_of_the_recorded_frames_and_no_more() {
        let vectors: Value = serde_json::from_str(include_str!("../../../tests/data/protocol/vectors.json")).unwrap();
        let recorded = |name: &str| -> BTreeSet<String> {
            let frame = vectors["status"]
                .as_array()
                .unwrap()
                .iter()
                .find(|vector| vector["name"] == name)
                .unwrap();
            let payload = &frame["payload"];
            let values = payload.get("signal").unwrap_or(payload).as_object().unwrap();
            values.keys().cloned().collect()
        };
        let profile = |kind: CarKind| -> BTreeSet<String> { kind.values().wire().keys().cloned().collect() };
        assert_eq!(profile(CarKind::C10), recorded("c10-parked-locked"));
        assert_eq!(profile(CarKind::B10), recorded("b10-ac-charging"));
        assert_eq!(profile(CarKind::C10Reev), recorded("c10-reev-ac-charging-zero-current"));
        let mut t03 = recorded("t03-parked");
        t03.insert("collectTimeMs".to_owned());
        assert_eq!(profile(CarKind::T03), t03);
    }

    #[test]
    fn rights_and_abilities_are_those_of_the_table() {
        let rows = rows("rights.csv");
        let codes = |kind: &str| -> Vec<u32> {
            rows.iter()
                .filter(|row| row[0] == kind)
                .map(|row| row[1].parse().unwrap())
                .collect()
        };
        assert_eq!(RIGHTS.to_vec(), codes("right"));
        for kind in ALL {
            assert!(kind.abilities().iter().all(|code| codes("ability").contains(code)));
        }
        assert!(CarKind::C10Reev.abilities().contains(&40) && !CarKind::C10.abilities().contains(&40));
        assert!(!CarKind::T03.abilities().contains(&53));
    }

    #[test]
    fn every_car_starts_parked_locked_in_park_and_unplugged() {
        for kind in ALL {
            let values = kind.values();
            assert_eq!(values.number(SPEED), 0.0);
            assert_eq!(values.number(GEAR), 0.0);
            assert!(values.is_on(LOCKED));
            assert!(!values.is_on(CHARGE_STATE));
        }
    }

    #[test]
    fn every_car_starts_below_its_charge_limit_and_says_the_same_limit_everywhere() {
        for kind in ALL {
            let values = kind.values();
            let limit = f64::from(kind.charge_limit());
            assert!(values.number(SOC) < limit, "{kind:?}");
            assert!(
                !values.has(CHARGE_LIMIT) || values.number(CHARGE_LIMIT) == limit,
                "{kind:?}"
            );
        }
    }
}
