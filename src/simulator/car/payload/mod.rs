//! What the cloud takes as a command and what a car makes of it.
//!
//! One row per command id: the rights of which one is needed, whether a PIN is, and which contents are understood. The
//! rows are written from the command table and the recordings of payloads that were seen to work on cars, on purpose not
//! shared with the code that composes commands.

mod contents;
mod effect;

use jiff::Timestamp;
use jiff::civil::DateTime;
use serde_json::{Map, Value};

use self::contents::*;
pub use self::effect::{Climate, ClimateMode, Effect, Seat};
use super::profile::CarKind;

/// The command that writes the charging plan.
pub const CHARGE_PLAN: u32 = 190;

/// The schedules a car keeps: battery heating, climate, prepare car, update installation.
pub const APPOINTMENTS: [u32; 4] = [161, 171, 361, 392];
/// Why the cloud does not pass a command on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rejection {
    /// Not a content of this command.
    Malformed,
    /// A content the cloud understands and cannot carry out.
    Failed,
}

/// One command.
pub struct Command {
    /// `cmdId`.
    pub id: u32,
    /// Rights of which the account needs one. Where the sources dispute which it is, each of them will do.
    pub rights: &'static [u32],
    /// Whether it carries the PIN.
    pub needs_pin: bool,
    content: Content,
}

enum Content {
    /// Exactly one of these contents.
    Fixed(&'static [(&'static str, Effect)]),
    /// Any object: nobody has seen the real content.
    Unknown,
    /// Whatever the function understands.
    Read(fn(&Map<String, Value>, DateTime) -> Result<Effect, Rejection>),
}

use Content::{Fixed, Read, Unknown};

const fn command(id: u32, rights: &'static [u32], content: Content) -> Command {
    Command {
        id,
        rights,
        needs_pin: true,
        content,
    }
}

/// The commands. Contents that cars take without acting on them stand with [`Effect::Nothing`].
pub const COMMANDS: &[Command] = &[
    command(
        110,
        &[110],
        Fixed(&[
            (r#"{"value":"lock"}"#, Effect::Lock(true)),
            (r#"{"value":"unlock"}"#, Effect::Lock(false)),
        ]),
    ),
    command(120, &[120], Fixed(&[(r#"{"value":"true"}"#, Effect::Nothing)])),
    command(
        130,
        &[130],
        Fixed(&[
            (r#"{"value":"true"}"#, Effect::Trunk(true)),
            (r#"{"value":"false"}"#, Effect::Trunk(false)),
        ]),
    ),
    command(140, &[140], Fixed(&[(r#"{"value":"findCar"}"#, Effect::Nothing)])),
    command(150, &[150], Fixed(&[(r#"{"value":"findCar"}"#, Effect::Nothing)])),
    command(
        160,
        &[160, 190],
        Fixed(&[
            (r#"{"value":"ptcon"}"#, Effect::BatteryHeating(true)),
            (r#"{"value":"ptcoff"}"#, Effect::BatteryHeating(false)),
        ]),
    ),
    command(161, &[161, 160, 190], Read(battery_heating_schedule)),
    command(170, &[170, 171, 460], Read(climate)),
    command(171, &[171], Read(climate_schedule)),
    Command {
        id: 180,
        rights: &[180],
        needs_pin: false,
        content: Read(destination),
    },
    command(CHARGE_PLAN, &[340, 190], Read(charge_plan)),
    command(
        192,
        &[192],
        Fixed(&[(r#"{"operation":"unlock"}"#, Effect::UnlockCharger)]),
    ),
    command(
        193,
        &[193],
        Fixed(&[
            (r#"{"value":"start"}"#, Effect::Charge(true)),
            (r#"{"value":"stop"}"#, Effect::Charge(false)),
        ]),
    ),
    command(
        220,
        &[220],
        Fixed(&[
            (r#"{"value":"1"}"#, Effect::Sentry(true)),
            (r#"{"value":"0"}"#, Effect::Sentry(false)),
        ]),
    ),
    command(
        230,
        &[230],
        Read(|content, _| Ok(Effect::Windows(value_up_to(content, 100)?))),
    ),
    command(
        240,
        &[161, 240],
        Read(|content, _| Ok(Effect::Sunshade(value_up_to(content, 10)?))),
    ),
    command(270, &[270], Fixed(&MEDIA)),
    command(280, &[280], Unknown),
    command(290, &[290], Fixed(&MEDIA)),
    command(
        300,
        &[160, 300],
        Fixed(&[
            (r#"{"value":"open"}"#, Effect::Sunroof(true)),
            (r#"{"value":"close"}"#, Effect::Sunroof(false)),
        ]),
    ),
    command(301, &[301], Read(|content, _| seat(content, Effect::SeatHeat))),
    command(
        320,
        &[320],
        Fixed(&[
            (r#"{"level":"2"}"#, Effect::SteeringWheel(true)),
            (r#"{"level":"1"}"#, Effect::SteeringWheel(false)),
            (r#"{"value":"on"}"#, Effect::Nothing),
            (r#"{"value":"off"}"#, Effect::Nothing),
        ]),
    ),
    command(340, &[340], Read(native_limit)),
    command(350, &[350], Unknown),
    command(360, &[360], Read(|content, _| bundle(content))),
    command(361, &[361], Read(prepare_schedule)),
    command(370, &[370], Read(|content, _| seat(content, Effect::SeatVentilation))),
    command(
        380,
        &[380],
        Fixed(&[
            (r#"{"value":"1"}"#, Effect::Nothing),
            (r#"{"value":"0"}"#, Effect::Nothing),
        ]),
    ),
    command(390, &[390], Read(|content, _| update_task(content, &["taskId"]))),
    command(391, &[391], Read(|content, _| update_task(content, &["taskId"]))),
    command(392, &[392], Read(update_schedule)),
    command(
        410,
        &[410],
        Fixed(&[
            (r#"{"on3":"on"}"#, Effect::Nothing),
            (r#"{"on3":"off"}"#, Effect::Nothing),
        ]),
    ),
    command(430, &[430], Fixed(&[(r#"{"value":"restart"}"#, Effect::Nothing)])),
    command(
        440,
        &[440],
        Fixed(&[
            (r#"{"value":"2"}"#, Effect::Mirrors(true)),
            (r#"{"value":"1"}"#, Effect::Mirrors(false)),
            (r#"{"value":"on"}"#, Effect::Nothing),
            (r#"{"value":"off"}"#, Effect::Nothing),
        ]),
    ),
    command(
        470,
        &[470],
        Read(|content, _| texts(content, &["seatInfo"]).map(|_| Effect::Nothing)),
    ),
    command(
        480,
        &[480],
        Fixed(&[
            (r#"{"value":"1"}"#, Effect::HealthyCharging(true)),
            (r#"{"value":"0"}"#, Effect::HealthyCharging(false)),
        ]),
    ),
    command(
        510,
        &[510],
        Read(|content, _| Ok(Effect::SpeedLimit(value_up_to(content, 200)?))),
    ),
];

const MEDIA: [(&str, Effect); 4] = [
    (r#"{"operation":"play"}"#, Effect::Nothing),
    (r#"{"operation":"pause"}"#, Effect::Nothing),
    (r#"{"operation":"next"}"#, Effect::Nothing),
    (r#"{"operation":"previous"}"#, Effect::Nothing),
];

/// The row of a command id as sent.
pub fn find(id: &str) -> Option<&'static Command> {
    let id: u32 = id.parse().ok()?;
    COMMANDS.iter().find(|command| command.id == id)
}

impl Command {
    /// What this content asks of a car of `kind`. `now` is the moment schedules are compared with.
    pub fn understand(&self, content: &str, kind: CarKind, now: Timestamp) -> Result<Effect, Rejection> {
        let content: Value = serde_json::from_str(content).map_err(|_| Rejection::Malformed)?;
        let object = content.as_object().ok_or(Rejection::Malformed)?;
        let effect = match &self.content {
            Fixed(contents) => contents
                .iter()
                .find(|(text, _)| serde_json::from_str::<Value>(text).is_ok_and(|known| known == content))
                .map(|(_, effect)| effect.clone())
                .ok_or(Rejection::Malformed)?,
            Unknown => Effect::Nothing,
            Read(read) => read(object, now.to_zoned(jiff::tz::TimeZone::UTC).datetime())?,
        };
        Ok(if heeds(kind, &effect) { effect } else { Effect::Nothing })
    }
}

/// Whether cars of this kind were seen to act on it; what they ignore, the cloud accepts all the same.
fn heeds(kind: CarKind, effect: &Effect) -> bool {
    match (kind, effect) {
        // The small car has no seat, wheel or mirror heating, no roof and no powered tailgate, ignores automatic climate
        // and takes "off" only within the full body; all others take only the short one.
        (CarKind::T03, Effect::Climate(climate)) => !climate.automatic,
        (_, Effect::ClimateOff { short }) => *short != (kind == CarKind::T03),
        (
            CarKind::T03,
            Effect::SeatHeat(..)
            | Effect::SeatVentilation(..)
            | Effect::SteeringWheel(_)
            | Effect::Mirrors(_)
            | Effect::Sunshade(_)
            | Effect::Sunroof(_)
            | Effect::Sentry(_)
            | Effect::Trunk(false)
            | Effect::UnlockCharger
            | Effect::HealthyCharging(_)
            | Effect::SpeedLimit(_)
            | Effect::ClimateClose
            | Effect::Prepare(_),
        ) => false,
        (CarKind::B10, Effect::Sentry(_)) => false,
        (CarKind::B10, Effect::Windows(position)) => [0, 2, 5, 10].contains(position),
        (CarKind::T03 | CarKind::C10 | CarKind::C10Reev, Effect::ChargeLimit(_)) => false,
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    fn kind(model: &str) -> CarKind {
        match model {
            "T03" => CarKind::T03,
            "B10" => CarKind::B10,
            _ => CarKind::C10,
        }
    }

    fn vectors(section: &str) -> Vec<Value> {
        let all: Value = serde_json::from_str(include_str!("../../../../tests/data/protocol/vectors.json")).unwrap();
        all[section]
            .as_array()
            .unwrap()
            .iter()
            .filter(|vector| vector["error"].is_null())
            .cloned()
            .collect()
    }

    /// The recordings are from this time.
    fn recorded() -> Timestamp {
        "2026-05-01T00:00:00Z".parse().unwrap()
    }

    fn understood(vector: &Value) -> Result<Effect, Rejection> {
        let command = find(vector["cmd_id"].as_str().unwrap()).unwrap();
        command.understand(
            vector["cmd_content"].as_str().unwrap(),
            kind(vector["car_type"].as_str().unwrap_or("C10")),
            recorded(),
        )
    }

    #[test]
    fn every_payload_seen_to_work_on_cars_has_an_effect() {
        // Its effect is on the navigation, which no status shows.
        let invisible = ["send-destination"];
        for vector in vectors("commands_field_proven") {
            let effect = understood(&vector).unwrap_or_else(|rejection| panic!("{vector}: {rejection:?}"));
            let name = vector["command"].as_str().unwrap();
            assert_eq!(effect == Effect::Nothing, invisible.contains(&name), "{vector}");
        }
    }

    #[test]
    fn every_payload_of_the_reference_client_is_taken_at_least() {
        for vector in vectors("commands") {
            assert!(understood(&vector).is_ok(), "{vector}");
        }
    }

    #[test]
    fn every_command_of_the_table_has_its_right() {
        let commands = include_str!("../../../../tests/data/protocol/commands.csv");
        for line in commands.lines().skip(1) {
            let id: u32 = line.split(',').nth(1).unwrap().parse().unwrap();
            let right = line
                .split(",yes,")
                .nth(1)
                .or_else(|| line.split(",no,").nth(1))
                .unwrap()
                .split(',')
                .next()
                .unwrap();
            let row = COMMANDS.iter().find(|command| command.id == id).unwrap();
            assert!(row.rights.contains(&right.parse().unwrap()), "{line}");
            assert_eq!(row.needs_pin, !line.contains(",no,180,"), "{line}");
        }
    }

    #[test]
    fn what_a_model_ignores_is_accepted_without_effect() {
        let automatic = r#"{"circle":"out","mode":"nohotcold","operate":"auto","position":"all","temperature":"24","windlevel":"4","wshld":"1"}"#;
        let full_off = r#"{"circle":"out","mode":"wind","operate":"off","position":"all","temperature":"26","windlevel":"3","wshld":"0"}"#;
        let ignored = [
            ("170", automatic, CarKind::T03),
            ("170", r#"{"operate":"off"}"#, CarKind::T03),
            ("170", full_off, CarKind::B10),
            ("301", r#"{"value":"3,2"}"#, CarKind::C10),
            ("301", r#"{"position":"driver","level":"3"}"#, CarKind::T03),
            ("230", r#"{"value":"3"}"#, CarKind::B10),
            ("230", r#"{"value":"100"}"#, CarKind::B10),
            ("220", r#"{"value":"1"}"#, CarKind::B10),
            ("320", r#"{"value":"on"}"#, CarKind::C10),
        ];
        for (id, content, kind) in ignored {
            let effect = find(id).unwrap().understand(content, kind, recorded());
            assert_eq!(effect, Ok(Effect::Nothing), "{id} {content}");
        }
    }

    proptest! {
        #[test]
        fn no_content_makes_the_cloud_panic(
            row in 0..COMMANDS.len(),
            content in r#"\{?("controls"|"operate"|"value"|"start_time"|"chargesoc"|[\[\]{}:,]|"[0-9]{1,4}"|-?[0-9]{1,20}|null){0,12}\}?"#,
            start in r"[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}",
        ) {
            let _ = COMMANDS[row].understand(&content, CarKind::C10, recorded());
            let entry = format!(r#"{{"controls":[{{"on":"1","set_id":"x","days":[],"start_time":"{start}"}}]}}"#);
            let _ = find("161").unwrap().understand(&entry, CarKind::C10, recorded());
        }
    }

    #[test]
    fn nonsense_is_refused() {
        let refused = [
            ("110", "lock"),
            ("110", r#"{"value":"Lock"}"#),
            ("110", r#"["lock"]"#),
            ("230", r#"{"value":50}"#),
            ("301", r#"{"position":"rear","level":"1"}"#),
            ("301", r#"{"position":"driver","level":"4"}"#),
            ("190", r#"{"chargesoc":80}"#),
            ("170", r#"{"operate":"manual"}"#),
            ("360", "{}"),
        ];
        for (id, content) in refused {
            let effect = find(id).unwrap().understand(content, CarKind::C10, recorded());
            assert_eq!(effect, Err(Rejection::Malformed), "{id} {content}");
        }
        assert!(find("999").is_none() && find("x").is_none());
    }

    #[test]
    fn a_fan_at_level_nought_and_a_single_schedule_in_the_past_fail() {
        let fan = r#"{"circle":"in","mode":"hot","operate":"manual","position":"all","temperature":"24","windlevel":"0","wshld":"1"}"#;
        let climate = find("170").unwrap().understand(fan, CarKind::C10, recorded());
        assert_eq!(climate, Err(Rejection::Failed));
        let entry = |days: &str| {
            format!(
                r#"{{"controls":[{{"mode":"hot","operate":"manual","temperature":"26","circle":"out","windlevel":"4","wshld":"1","days":{days},"on":"1","position":"all","start_time":"2026-01-01 07:30:00","set_id":"x","update_time":"1"}}]}}"#
            )
        };
        let schedule = find("171").unwrap();
        assert_eq!(
            schedule.understand(&entry("[]"), CarKind::C10, recorded()),
            Err(Rejection::Failed)
        );
        assert!(schedule.understand(&entry("[1,5]"), CarKind::C10, recorded()).is_ok());
    }
}
