//! The settings that can be changed while the bridge runs: a table of what they are called and what they hold, and the
//! one reader of their texts. Pure.

use jiff::civil::Time;

use super::command::registry::Rejection;
use super::facts::{FactKey, Subject, Value};
use super::intent::Reason;

/// One setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Setting {
    /// Its name: the key of the fact that shows it and of the entity that changes it.
    pub key: FactKey,
    /// Who has it.
    pub whose: Whose,
    /// What it holds.
    pub kind: Kind,
    /// What it is while neither the owner nor the configuration says otherwise.
    pub default: &'static str,
    /// What it does, for a person.
    pub doc: &'static str,
}

/// Who has a setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whose {
    /// Each car its own.
    Car,
    /// The bridge.
    Bridge,
}

/// What a setting holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// On or off.
    Flag,
    /// A whole number.
    Number {
        /// Lowest value.
        min: u32,
        /// Highest value.
        max: u32,
        /// Unit.
        unit: &'static str,
    },
    /// One of these words.
    Choice(&'static [&'static str]),
    /// A time of the day, or none.
    TimeOfDay,
}

/// What a setting is set to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SettingValue {
    /// On or off.
    Flag(bool),
    /// A whole number.
    Number(u32),
    /// A word of the setting's list.
    Choice(&'static str),
    /// A time of the day, or none.
    TimeOfDay(Option<Time>),
}

/// The polling profile that follows the three intervals.
pub const MANUAL: &str = "manual";
/// The polling profile that follows the configuration.
pub const BALANCED: &str = "balanced";
/// The polling profile that saves requests.
pub const ECO: &str = "eco";
/// The polling profile that notices more, sooner.
pub const FAST: &str = "fast";

/// No time of the day. An empty text says the same, but an empty message deletes a retained topic and is no command.
const NO_TIME: &str = "off";

/// Every setting.
#[rustfmt::skip]
pub const SETTINGS: [Setting; 10] = [
    setting("polling_enabled", Whose::Car, Kind::Flag, "on", "Off: the car is read only when asked to and after commands."),
    setting("publish_location", Whose::Car, Kind::Flag, "on", "Off: the position leaves the bridge no more, and what was published is cleared."),
    setting("poll_profile", Whose::Car, Kind::Choice(&[ECO, BALANCED, FAST, MANUAL]), BALANCED, "How often the car is read; manual follows the three intervals."),
    setting("poll_interval_parked", Whose::Car, Kind::Number { min: 1, max: 240, unit: "min" }, "1", "Between two readings while parked. Changing it chooses the manual profile."),
    setting("poll_interval_driving", Whose::Car, Kind::Number { min: 10, max: 600, unit: "s" }, "15", "Between two readings while driving. Changing it chooses the manual profile."),
    setting("poll_interval_charging", Whose::Car, Kind::Number { min: 30, max: 900, unit: "s" }, "60", "Between two readings while charging; half of it with direct current. Changing it chooses the manual profile."),
    setting("quiet_hours_start", Whose::Car, Kind::TimeOfDay, NO_TIME, "From when on a parked car is read every half hour only."),
    setting("quiet_hours_end", Whose::Car, Kind::TimeOfDay, NO_TIME, "Until when a parked car is read every half hour only."),
    setting("requests_budget", Whose::Bridge, Kind::Number { min: 100, max: 100_000, unit: "" }, "2500", "Requests to the cloud a day and account, at most."),
    setting("bridge_log_level", Whose::Bridge, Kind::Choice(&["error", "warn", "info", "debug", "trace"]), "info", "From which level on is logged."),
];

const fn setting(key: FactKey, whose: Whose, kind: Kind, default: &'static str, doc: &'static str) -> Setting {
    Setting {
        key,
        whose,
        kind,
        default,
        doc,
    }
}

/// The setting of this name.
pub fn find(key: &str) -> Option<&'static Setting> {
    SETTINGS.iter().find(|setting| setting.key == key)
}

/// Reads what somebody wants a setting to be.
pub fn parse(key: &str, subject: &Subject, text: &str) -> Result<SettingValue, Rejection> {
    let whose = match subject {
        Subject::Bridge => Whose::Bridge,
        Subject::Car(_) => Whose::Car,
    };
    find(key)
        .filter(|setting| setting.whose == whose)
        .ok_or_else(|| reject(Reason::UnknownCommand, format!("there is no setting `{key}` here")))?
        .read(text)
}

impl Setting {
    /// Reads a value of this setting.
    pub fn read(&self, text: &str) -> Result<SettingValue, Rejection> {
        let text = text.trim();
        let word = text.to_ascii_lowercase();
        let (value, reason) = match self.kind {
            Kind::Flag => (flag(&word), Reason::InvalidPayload),
            Kind::Number { min, max, .. } => {
                // Home Assistant writes `30.0` where it means 30.
                let number: f64 = text
                    .parse()
                    .map_err(|_| reject(Reason::InvalidPayload, self.expected()))?;
                let within = number.fract() == 0.0 && (f64::from(min)..=f64::from(max)).contains(&number);
                // A whole number between two of its own kind fits.
                let value = within.then_some(SettingValue::Number(number as u32));
                (value, Reason::OutOfRange)
            }
            Kind::Choice(words) => {
                let known = words.iter().find(|known| **known == word);
                (known.map(|known| SettingValue::Choice(known)), Reason::InvalidPayload)
            }
            Kind::TimeOfDay if word.is_empty() || word == NO_TIME => {
                (Some(SettingValue::TimeOfDay(None)), Reason::InvalidPayload)
            }
            Kind::TimeOfDay => (
                time(text).map(|time| SettingValue::TimeOfDay(Some(time))),
                Reason::InvalidPayload,
            ),
        };
        value.ok_or_else(|| reject(reason, self.expected()))
    }

    /// The number within the range of this setting that comes closest; for settings that hold numbers.
    pub fn nearest(&self, number: u64) -> SettingValue {
        let (min, max) = match self.kind {
            Kind::Number { min, max, .. } => (min, max),
            _ => (0, u32::MAX),
        };
        SettingValue::Number(u32::try_from(number).unwrap_or(u32::MAX).clamp(min, max))
    }

    /// What a value has to be.
    fn expected(&self) -> String {
        let key = self.key;
        match self.kind {
            Kind::Flag => format!("{key} is ON or OFF"),
            Kind::Number { min, max, unit } => format!("{key} is a whole number from {min} to {max} {unit}")
                .trim_end()
                .to_owned(),
            Kind::Choice(words) => format!("{key} is one of {}", words.join(", ")),
            Kind::TimeOfDay => format!("{key} is a time of the day as HH:MM, or off"),
        }
    }
}

impl SettingValue {
    /// The value as a fact shows it.
    pub fn shown(self) -> Value {
        match self {
            Self::Flag(on) => Value::Flag(on),
            Self::Number(number) => Value::Number(f64::from(number), 0),
            Self::Choice(word) => Value::Text(word.to_owned()),
            Self::TimeOfDay(_) => Value::Text(self.text()),
        }
    }

    /// The value as [`Setting::read`] reads it.
    pub fn text(self) -> String {
        match self {
            Self::Flag(true) => "on".to_owned(),
            Self::Flag(false) => "off".to_owned(),
            Self::Number(number) => number.to_string(),
            Self::Choice(word) => word.to_owned(),
            Self::TimeOfDay(time) => time.map_or_else(|| NO_TIME.to_owned(), |time| time.strftime("%H:%M").to_string()),
        }
    }
}

fn flag(word: &str) -> Option<SettingValue> {
    match word {
        "on" | "true" | "1" => Some(SettingValue::Flag(true)),
        "off" | "false" | "0" => Some(SettingValue::Flag(false)),
        _ => None,
    }
}

/// Hours and minutes; seconds, which some inputs add, must be 0.
fn time(text: &str) -> Option<Time> {
    let mut parts = text.split(':').map(|part| {
        let is_number = (1..=2).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit());
        is_number.then(|| part.parse::<i8>().ok()).flatten()
    });
    let (hour, minute) = (parts.next()??, parts.next()??);
    match parts.next() {
        None | Some(Some(0)) => {}
        Some(_) => return None,
    }
    parts.next().is_none().then_some(())?;
    Time::new(hour, minute, 0, 0).ok()
}

fn reject(reason: Reason, detail: String) -> Rejection {
    Rejection { reason, detail }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::vin::Vin;
    use super::*;

    fn car() -> Subject {
        Subject::Car(Vin::parse("LFZTEST0000000C10").unwrap())
    }

    fn subject_of(setting: &Setting) -> Subject {
        match setting.whose {
            Whose::Car => car(),
            Whose::Bridge => Subject::Bridge,
        }
    }

    #[test]
    fn every_default_is_a_value_and_every_name_is_unique() {
        for setting in &SETTINGS {
            let value = setting.read(setting.default).unwrap();
            assert_eq!(value.text(), setting.default, "{}", setting.key);
            assert_eq!(find(setting.key), Some(setting));
            assert!(setting.doc.ends_with('.'), "{}", setting.key);
        }
    }

    #[test]
    fn values_are_read_as_home_assistant_writes_them() {
        let read = |key, text| parse(key, &car(), text).map(SettingValue::shown);
        assert_eq!(read("polling_enabled", "OFF"), Ok(Value::Flag(false)));
        assert_eq!(read("publish_location", "ON"), Ok(Value::Flag(true)));
        assert_eq!(read("poll_interval_parked", "30.0"), Ok(Value::Number(30.0, 0)));
        assert_eq!(read("poll_profile", "eco"), Ok(Value::Text("eco".to_owned())));
        assert_eq!(read("quiet_hours_start", "22:30"), Ok(Value::Text("22:30".to_owned())));
        assert_eq!(
            read("quiet_hours_start", "7:05:00"),
            Ok(Value::Text("07:05".to_owned()))
        );
        for none in ["", "off", " OFF"] {
            assert_eq!(
                read("quiet_hours_end", none),
                Ok(Value::Text("off".to_owned())),
                "{none}"
            );
        }
        let budget = parse("requests_budget", &Subject::Bridge, "3000");
        assert_eq!(budget, Ok(SettingValue::Number(3000)));
    }

    #[test]
    fn bad_values_are_refused_with_a_reason() {
        let reason = |key, text| parse(key, &car(), text).unwrap_err().reason;
        for (key, text, expected) in [
            ("poll_interval_parked", "0", Reason::OutOfRange),
            ("poll_interval_parked", "241", Reason::OutOfRange),
            ("poll_interval_driving", "10.5", Reason::OutOfRange),
            ("poll_interval_driving", "soon", Reason::InvalidPayload),
            ("poll_interval_driving", "NaN", Reason::OutOfRange),
            ("poll_interval_charging", "1e99", Reason::OutOfRange),
            ("poll_profile", "turbo", Reason::InvalidPayload),
            ("polling_enabled", "maybe", Reason::InvalidPayload),
            ("quiet_hours_start", "24:00", Reason::InvalidPayload),
            ("quiet_hours_start", "22", Reason::InvalidPayload),
            ("quiet_hours_start", "22:00:30", Reason::InvalidPayload),
            ("quiet_hours_start", "+2:00", Reason::InvalidPayload),
            ("requests_budget", "3000", Reason::UnknownCommand),
            ("colour", "red", Reason::UnknownCommand),
        ] {
            assert_eq!(reason(key, text), expected, "{key} {text}");
        }
        let rejection = parse("requests_budget", &Subject::Bridge, "5").unwrap_err();
        assert_eq!(rejection.detail, "requests_budget is a whole number from 100 to 100000");
    }

    #[test]
    fn a_configured_number_is_shown_within_the_range() {
        let parked = find("poll_interval_parked").unwrap();
        assert_eq!(parked.nearest(0), SettingValue::Number(1));
        assert_eq!(parked.nearest(90), SettingValue::Number(90));
        assert_eq!(parked.nearest(u64::MAX), SettingValue::Number(240));
    }

    proptest! {
        #[test]
        fn whatever_is_taken_reads_the_same_again(row in 0..SETTINGS.len(), text in "\\PC{0,12}|[0-9]{1,6}|[0-9]{1,2}:[0-9]{1,2}") {
            let setting = &SETTINGS[row];
            if let Ok(value) = parse(setting.key, &subject_of(setting), &text) {
                prop_assert_eq!(setting.read(&value.text()).unwrap(), value);
            }
        }
    }
}
