//! What a simulated car reports: signals, by their number on most models and by name on the T03.
//!
//! [`Values`] holds them exactly as they go over the wire. It is the only truth about a car, so whatever is patched from
//! outside takes part in what the car does next.

use std::collections::HashMap;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde_json::{Map, Value};

/// How the named form writes a moment; without a zone, which here is UTC.
pub const TIME_TEXT: &str = "%Y-%m-%d %H:%M:%S";

/// One quantity a car can report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Signal {
    /// Its number in `data.signal`; empty when only the named form has it.
    pub id: &'static str,
    /// Its name in the named form; empty when only the numbered form has it.
    pub named: &'static str,
    /// Decimals it is sent with; 0 means a whole number.
    pub decimals: u8,
}

impl Signal {
    /// A signal sent as a whole number.
    pub const fn whole(id: &'static str, named: &'static str) -> Self {
        Self { id, named, decimals: 0 }
    }

    /// A signal sent with decimals.
    pub const fn decimal(id: &'static str, named: &'static str, decimals: u8) -> Self {
        Self { id, named, decimals }
    }
}

/// Which of the two forms a model answers in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// `data.signal`, an object from signal number to value.
    Numbered,
    /// The values directly in `data`, under names.
    Named,
}

/// Readings that tell the same thing twice: patching the first alone moves the others with it, as in a car.
const TWINS: [(Signal, &[Signal]); 6] = [
    (SOC, &[SOC_PRECISE]),
    (SOC_PRECISE, &[SOC]),
    (LATITUDE, &[LATITUDE_ABSOLUTE, LATITUDE_LEGACY]),
    (LONGITUDE, &[LONGITUDE_ABSOLUTE, LONGITUDE_LEGACY]),
    (LATITUDE_ABSOLUTE, &[LATITUDE_LEGACY]),
    (LONGITUDE_ABSOLUTE, &[LONGITUDE_LEGACY]),
];

/// What the signal table calls signals that no car here sends under that name, and their numbers. Names that the T03 does
/// send stand with their signals.
const NAMES: [(&str, &str); 39] = [
    ("preciseSoc", "100003"),
    ("minBatteryTemp", "1182"),
    ("batteryThermalRequest", "1186"),
    ("acInputSlowCharge", "47"),
    ("chargeCompleted", "3736"),
    ("healthyChargeEnabled", "48"),
    ("chargeScheduleCancelledOnce", "3737"),
    ("liveRemainingRange", "2188"),
    ("maxRange", "3257"),
    ("rangeMode", "3262"),
    ("expectedFuelMileage", "3259"),
    ("expectedCombinedMileage", "3261"),
    ("maxFuelRange", "3256"),
    ("maxCombinedRange", "3258"),
    ("vehicleState", "1944"),
    ("parkingBrakeState", "1480"),
    ("speedLimit", "6048"),
    ("speedLimitUnit", "6047"),
    ("speedLimitActive", "12054"),
    ("acOperateMode", "1939"),
    ("recirculationMode", "1943"),
    ("windshieldDefrost", "1945"),
    ("rearWindowHeating", "1946"),
    ("climateMode", "3713"),
    ("rapidCooling", "2669"),
    ("rapidHeating", "2681"),
    ("acSettingRight", "2184"),
    ("interiorTemp", "1349"),
    ("roofOpening", "1724"),
    ("driverSeatHeating", "2100"),
    ("passengerSeatHeating", "2118"),
    ("driverSeatVentilation", "2101"),
    ("passengerSeatVentilation", "2119"),
    ("steeringWheelHeating", "1816"),
    ("steeringWheelHeaterMinutes", "1624"),
    ("vehicleSecurityActive", "1255"),
    ("sentryMode", "3636"),
    ("leftMirrorHeating", "49"),
    ("rightMirrorHeating", "50"),
];

/// Signals that only carry the size of a coordinate, not its sign.
const UNSIGNED: [Signal; 4] = [LATITUDE_ABSOLUTE, LATITUDE_LEGACY, LONGITUDE_ABSOLUTE, LONGITUDE_LEGACY];

/// The values a car reports at present.
#[derive(Debug, Clone)]
pub struct Values {
    form: Form,
    wire: Map<String, Value>,
    /// What was rounded away when a number was set, so that many small steps add up.
    exact: HashMap<&'static str, f64>,
}

impl Values {
    /// No values yet.
    pub fn new(form: Form) -> Self {
        Self {
            form,
            wire: Map::new(),
            exact: HashMap::new(),
        }
    }

    /// The form of the model.
    pub fn form(&self) -> Form {
        self.form
    }

    /// The values as they go over the wire.
    pub fn wire(&self) -> &Map<String, Value> {
        &self.wire
    }

    /// Gives the car a signal.
    pub fn declare(&mut self, signal: Signal, value: Value) {
        let key = self.key(signal);
        if !key.is_empty() {
            self.wire.insert(key.to_owned(), value);
        }
    }

    /// Whether the car reports this signal.
    pub fn has(&self, signal: Signal) -> bool {
        self.wire.contains_key(self.key(signal))
    }

    /// The present number, 0 when there is none: the physics of a car without a reading stands still.
    pub fn number(&self, signal: Signal) -> f64 {
        self.reading(signal).unwrap_or_default()
    }

    /// The present number, if there is one.
    pub fn reading(&self, signal: Signal) -> Option<f64> {
        let key = self.key(signal);
        let sent = match self.wire.get(key)? {
            Value::Bool(flag) => f64::from(u8::from(*flag)),
            value => numeric(value)?,
        };
        Some(match self.exact.get(key) {
            Some(exact) if (round(*exact, signal.decimals) - sent).abs() < f64::EPSILON => *exact,
            _ => sent,
        })
    }

    /// Whether a number is not 0.
    pub fn is_on(&self, signal: Signal) -> bool {
        self.number(signal) != 0.0
    }

    /// Changes a signal the car has; one it lacks stays absent. Booleans stay booleans.
    pub fn set(&mut self, signal: Signal, number: f64) {
        let key = self.key(signal);
        let Some(value) = self.wire.get_mut(key) else { return };
        let rounded = round(number, signal.decimals);
        *value = match value {
            Value::Bool(_) => Value::Bool(number != 0.0),
            _ if signal.decimals == 0 => Value::from(rounded as i64),
            _ => Value::from(rounded),
        };
        self.exact.insert(key, number);
    }

    /// Switches a signal the car has on (1) or off (0).
    pub fn switch(&mut self, signal: Signal, on: bool) {
        self.set(signal, f64::from(u8::from(on)));
    }

    /// Changes a text the car has.
    pub fn set_text(&mut self, signal: Signal, text: String) {
        let key = self.key(signal);
        if let Some(value) = self.wire.get_mut(key) {
            *value = Value::String(text);
        }
    }

    /// The first key of a patch that this car cannot take: neither a number nor the name of a signal in its form.
    pub fn unknown<'a>(&self, changes: &'a Map<String, Value>) -> Option<&'a str> {
        changes.keys().map(String::as_str).find(|key| !self.takes(key))
    }

    fn takes(&self, key: &str) -> bool {
        // Signals that nobody has described have a number, too.
        let is_number = !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_digit());
        // What has no number is of no use to a car that answers in numbers.
        is_number || known(key).is_some_and(|signal| self.form == Form::Named || !signal.id.is_empty())
    }

    /// Puts values in as given, under signal numbers or names, whichever the model uses; a number that nobody knows is
    /// served as it is. Readings that tell the same thing follow unless they are given themselves.
    pub fn patch(&mut self, changes: &Map<String, Value>) {
        for (key, value) in changes {
            let signal = known(key);
            let own = signal.map(|signal| self.key(signal)).filter(|own| !own.is_empty());
            self.wire.insert(own.unwrap_or(key).to_owned(), value.clone());
        }
        for (signal, twins) in TWINS {
            let Some(number) = given(changes, signal).and_then(numeric) else {
                continue;
            };
            for twin in twins.iter().filter(|twin| given(changes, **twin).is_none()) {
                self.set(*twin, if UNSIGNED.contains(twin) { number.abs() } else { number });
            }
        }
        self.patch_time(changes);
    }

    /// The T03 tells the time of a frame as text and as a number: whoever gives one of them means both.
    fn patch_time(&mut self, changes: &Map<String, Value>) {
        match (given(changes, COLLECT_TIME), given(changes, SENT_AT)) {
            (Some(text), None) => match text.as_str().and_then(moment) {
                Some(moment) => self.set(SENT_AT, moment.as_millisecond() as f64),
                // A number beside it would be believed instead.
                None => self.clear(SENT_AT),
            },
            (None, Some(number)) => {
                let moment = numeric(number).and_then(|number| Timestamp::from_millisecond(number as i64).ok());
                if let Some(moment) = moment {
                    self.set_text(COLLECT_TIME, moment.strftime(TIME_TEXT).to_string());
                }
            }
            (Some(_), Some(_)) | (None, None) => {}
        }
    }

    /// Leaves a signal the car has without a value.
    fn clear(&mut self, signal: Signal) {
        let key = self.key(signal);
        if let Some(value) = self.wire.get_mut(key) {
            *value = Value::Null;
        }
    }

    fn key(&self, signal: Signal) -> &'static str {
        match self.form {
            Form::Numbered => signal.id,
            Form::Named => signal.named,
        }
    }
}

/// What a patch says of this signal. Given twice, the last word counts, as it does where it is put in.
fn given(changes: &Map<String, Value>, signal: Signal) -> Option<&Value> {
    let last = changes.iter().rfind(|(key, _)| known(key) == Some(signal));
    last.map(|(_, value)| value)
}

/// The signal with this number or name.
fn known(key: &str) -> Option<Signal> {
    if key.is_empty() {
        return None;
    }
    let id = NAMES.iter().find(|(name, _)| *name == key).map_or(key, |(_, id)| *id);
    super::profile::signals().find(|signal| signal.id == id || signal.named == key)
}

/// The number a value means, be it sent as text.
fn numeric(value: &Value) -> Option<f64> {
    match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.parse().ok().filter(|number: &f64| number.is_finite()),
        _ => None,
    }
}

/// The moment a text of the named form means.
fn moment(text: &str) -> Option<Timestamp> {
    let local = DateTime::strptime(TIME_TEXT, text).ok()?;
    Some(local.to_zoned(TimeZone::UTC).ok()?.timestamp())
}

fn round(number: f64, decimals: u8) -> f64 {
    let scale = 10f64.powi(i32::from(decimals));
    // Adding nought turns a negative nought, which no car sends, into a plain one.
    (number * scale).round() / scale + 0.0
}

// What the simulation itself changes; the rest of what a model reports stands in its profile alone.

pub const SENT_AT: Signal = Signal::whole("sts", "collectTimeMs");
pub const COLLECT_TIME: Signal = Signal::whole("", "collectTime");
pub const CREATE_TIME: Signal = Signal::whole("", "createTime");
pub const GATEWAY_TIME: Signal = Signal::whole("1", "");
pub const LONGITUDE: Signal = Signal::decimal("2", "longitude", 6);
pub const LATITUDE: Signal = Signal::decimal("3", "latitude", 6);
pub const LONGITUDE_ABSOLUTE: Signal = Signal::decimal("3724", "", 6);
pub const LATITUDE_ABSOLUTE: Signal = Signal::decimal("3725", "", 6);
pub const LONGITUDE_LEGACY: Signal = Signal::decimal("2191", "", 6);
pub const LATITUDE_LEGACY: Signal = Signal::decimal("2190", "", 6);
pub const SOC: Signal = Signal::whole("1204", "soc");
pub const SOC_PRECISE: Signal = Signal::decimal("100003", "", 1);
pub const BATTERY_VOLTAGE: Signal = Signal::decimal("1177", "batteryVoltage", 1);
pub const BATTERY_CURRENT: Signal = Signal::decimal("1178", "batteryCurrent", 1);
pub const BATTERY_HEATING: Signal = Signal::whole("1186", "");
pub const HEATER_STATE: Signal = Signal::whole("", "ptcState");
pub const DUMP_ENERGY: Signal = Signal::whole("", "dumpEnergy");
pub const AC_PORT: Signal = Signal::whole("47", "");
pub const DC_PLUG: Signal = Signal::whole("1197", "dcInputFastCharge");
pub const CHARGE_STATE: Signal = Signal::whole("1149", "chargeState");
pub const CHARGE_MINUTES: Signal = Signal::whole("1200", "chargeRemainTime");
pub const CHARGE_COMPLETED: Signal = Signal::whole("3736", "");
pub const HEALTHY_CHARGE: Signal = Signal::whole("48", "");
pub const RANGE: Signal = Signal::whole("3260", "expectedMileage");
pub const RANGE_LIVE: Signal = Signal::whole("2188", "");
pub const FUEL_RANGE: Signal = Signal::whole("3259", "");
pub const COMBINED_RANGE: Signal = Signal::whole("3261", "");
pub const FUEL_PERCENT: Signal = Signal::decimal("3235", "", 1);
pub const FUEL_VOLUME: Signal = Signal::whole("3263", "");
pub const SPEED: Signal = Signal::decimal("1319", "speed", 1);
pub const ODOMETER: Signal = Signal::whole("1318", "totalMileage");
pub const GEAR: Signal = Signal::whole("1010", "gearStatus");
pub const VEHICLE_STATE: Signal = Signal::whole("1944", "");
pub const PARKING_BRAKE: Signal = Signal::whole("1480", "");
pub const SPEED_LIMIT: Signal = Signal::whole("6048", "");
pub const SPEED_LIMIT_ACTIVE: Signal = Signal::whole("12054", "");
pub const READY: Signal = Signal::whole("1258", "bcmKeyPositionOn3");
pub const AC_ON: Signal = Signal::whole("1938", "acSwitch");
pub const AC_MANUAL: Signal = Signal::whole("1939", "");
pub const FAN_LEVEL: Signal = Signal::whole("1941", "acAirVolume");
pub const FAN_LEVEL_SETTING: Signal = Signal::whole("", "acAirVolumeSetting");
pub const RECIRCULATION: Signal = Signal::whole("1943", "acCircleMode");
pub const WINDSHIELD_DEFROST: Signal = Signal::whole("1945", "");
pub const CLIMATE_MODE: Signal = Signal::whole("3713", "");
pub const COOLING_AND_HEATING: Signal = Signal::whole("", "acCoolingAndHeating");
pub const RAPID_COOLING: Signal = Signal::whole("2669", "");
pub const RAPID_HEATING: Signal = Signal::whole("2681", "");
pub const TARGET_LEFT: Signal = Signal::decimal("2183", "acSetting", 1);
pub const TARGET_RIGHT: Signal = Signal::decimal("2184", "", 1);
pub const CABIN: Signal = Signal::decimal("1349", "", 1);
pub const LOCKED: Signal = Signal::whole("1298", "driverDoorLockStatus");
pub const DOORS: [Signal; 4] = [
    Signal::whole("1277", "lbcmDriverDoorStatus"),
    Signal::whole("1278", "rbcmDriverDoorStatus"),
    Signal::whole("1279", "lbcmLeftRearDoorStatus"),
    Signal::whole("1280", "rbcmRightRearDoorStatus"),
];
pub const TRUNK: Signal = Signal::whole("1281", "bbcmBackDoorStatus");
pub const WINDOWS_OPEN: [Signal; 4] = [
    Signal::whole("1693", "driverWindowStatus"),
    Signal::whole("1694", "rightFrontWindowStatus"),
    Signal::whole("1695", "leftRearWindowStatus"),
    Signal::whole("1696", "rightRearWindowStatus"),
];
pub const WINDOW_POSITIONS: [Signal; 4] = [
    Signal::whole("3727", "leftFrontWindowPercent"),
    Signal::whole("3728", "rightFrontWindowPercent"),
    Signal::whole("1879", "leftRearWindowPercent"),
    Signal::whole("1880", "rightRearWindowPercent"),
];
pub const ROOF: Signal = Signal::whole("1724", "");
pub const SEAT_HEAT_DRIVER: Signal = Signal::whole("2100", "");
pub const SEAT_HEAT_PASSENGER: Signal = Signal::whole("2118", "");
pub const SEAT_VENT_DRIVER: Signal = Signal::whole("2101", "");
pub const SEAT_VENT_PASSENGER: Signal = Signal::whole("2119", "");
pub const STEERING_WHEEL_HEAT: Signal = Signal::whole("1816", "");
pub const STEERING_WHEEL_MINUTES: Signal = Signal::whole("1624", "");
pub const SECURITY: Signal = Signal::whole("1255", "");
pub const SENTRY: Signal = Signal::whole("3636", "");
pub const MIRROR_LEFT: Signal = Signal::whole("49", "");
pub const MIRROR_RIGHT: Signal = Signal::whole("50", "");
pub const CHARGE_LIMIT: Signal = Signal::whole("", "chargesocSetting");
pub const CHARGE_START: Signal = Signal::whole("", "chargeTimeSetting");

#[cfg(test)]
mod tests;
