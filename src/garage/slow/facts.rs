//! What the cloud counts and records, as facts of a car. Pure.

use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use serde_json::{Map, Value as Json, json};

use crate::cloud::{
    Appointment, Charge, EnergyBreakdown, HistoryPage, MileageEnergy, SoftwareInfo, WeeklyRank, Window,
};
use crate::vehicle::facts::{FactKey, Value};
use crate::vehicle::units::KilowattHours;

/// The facts produced here.
pub const FACTS: [FactKey; 24] = [
    "total_mileage_cloud",
    "total_energy_cloud",
    "mileage_7d",
    "energy_7d",
    "consumption_6w",
    "consumption_rank",
    "energy_last_week_total",
    "energy_last_week_driving",
    "energy_last_week_climate",
    "energy_last_week_other",
    "energy_share_last_week_driving",
    "energy_share_last_week_climate",
    "energy_share_last_week_other",
    "energy_share_today_driving",
    "energy_share_today_climate",
    "energy_share_today_other",
    "last_charge_energy",
    "last_charge_energy/attributes",
    "vehicle_software",
    "vehicle_software/attributes",
    CLIMATE_SCHEDULE,
    "climate_schedule/attributes",
    PREPARE_SCHEDULE,
    "prepare_schedule/attributes",
];

/// Whether the climate schedule is on.
pub const CLIMATE_SCHEDULE: FactKey = "climate_schedule";
/// Whether the preparation schedule is on.
pub const PREPARE_SCHEDULE: FactKey = "prepare_schedule";

/// Days of the running statistics, today among them.
const STATISTICS_DAYS: i64 = 7;
/// How far back the last charge is looked for.
const HISTORY_DAYS: i64 = 30;
/// Longest summary of release notes that Home Assistant takes, in characters.
const LONGEST_SUMMARY: usize = 255;

/// A fact with its new value.
pub type Fact = (FactKey, Option<Value>);

/// The last seven days up to now, from midnight in the owner's zone. `None` only at the edges of the calendar.
pub fn last_days(now: Timestamp, zone: &TimeZone) -> Option<Window> {
    since_midnight(now, STATISTICS_DAYS - 1, zone)
}

/// Today up to now, from midnight in the owner's zone.
pub fn today(now: Timestamp, zone: &TimeZone) -> Option<Window> {
    since_midnight(now, 0, zone)
}

fn since_midnight(now: Timestamp, days_ago: i64, zone: &TimeZone) -> Option<Window> {
    let first = now.to_zoned(zone.clone()).date().checked_sub(days_ago.days()).ok()?;
    Some(Window {
        begin: first.to_zoned(zone.clone()).ok()?.timestamp(),
        end: now,
    })
}

/// The part of the charging history that has the last charge.
pub fn last_charges(now: Timestamp, zone: &TimeZone) -> HistoryPage {
    let now = now.to_zoned(zone.clone());
    HistoryPage {
        from: now.date().saturating_sub(HISTORY_DAYS.days()),
        to: now.date(),
        offset: now.offset(),
        page: 1,
        size: 1,
    }
}

/// Mileage and energy, of a window of the last seven days.
pub fn of_mileage(answer: &MileageEnergy) -> Vec<Fact> {
    let daily = answer.days.iter().filter_map(|day| day.energy);
    let energy = daily.map(|energy| energy.0).reduce(|sum, energy| sum + energy);
    vec![
        ("total_mileage_cloud", number(answer.total.map(|total| total.0), 0)),
        (
            "total_energy_cloud",
            number(answer.total_energy.map(|energy| energy.0), 1),
        ),
        ("mileage_7d", number(answer.window.map(|window| window.0), 0)),
        ("energy_7d", number(energy, 1)),
    ]
}

/// Consumption and rank. Nothing driven is told as 0 kWh/100 km, which says nothing.
pub fn of_rank(answer: &WeeklyRank) -> Vec<Fact> {
    let consumption = answer.consumption.filter(|consumption| *consumption > 0.0);
    vec![
        ("consumption_6w", number(consumption, 1)),
        ("consumption_rank", number(answer.rank, 0)),
    ]
}

/// Where the energy of last week went; `None` without a drive.
pub fn of_last_week(answer: Option<EnergyBreakdown>) -> Vec<Fact> {
    let energy = |part: fn(&EnergyBreakdown) -> Option<KilowattHours>| {
        number(answer.as_ref().and_then(part).map(|energy| energy.0), 2)
    };
    let [driving, climate, other] = shares(answer);
    vec![
        ("energy_last_week_total", energy(EnergyBreakdown::total)),
        ("energy_last_week_driving", energy(|breakdown| breakdown.driving)),
        ("energy_last_week_climate", energy(|breakdown| breakdown.climate)),
        ("energy_last_week_other", energy(|breakdown| breakdown.other)),
        ("energy_share_last_week_driving", driving),
        ("energy_share_last_week_climate", climate),
        ("energy_share_last_week_other", other),
    ]
}

/// Where the energy of today went; `None` without a drive.
pub fn of_today(answer: Option<EnergyBreakdown>) -> Vec<Fact> {
    let [driving, climate, other] = shares(answer);
    vec![
        ("energy_share_today_driving", driving),
        ("energy_share_today_climate", climate),
        ("energy_share_today_other", other),
    ]
}

/// Driving, climate and the rest in percent; unknown unless there is a sum.
fn shares(breakdown: Option<EnergyBreakdown>) -> [Option<Value>; 3] {
    let sum = breakdown
        .as_ref()
        .and_then(EnergyBreakdown::total)
        .filter(|total| total.0 > 0.0);
    let share = |part: fn(&EnergyBreakdown) -> Option<KilowattHours>| {
        let part = breakdown.as_ref().and_then(part);
        number(part.zip(sum).map(|(part, sum)| part.0 / sum.0 * 100.0), 1)
    };
    [
        share(|breakdown| breakdown.driving),
        share(|breakdown| breakdown.climate),
        share(|breakdown| breakdown.other),
    ]
}

/// The last charge; `None` when there was none of late.
pub fn of_charge(charge: Option<&Charge>, zone: &TimeZone) -> Vec<Fact> {
    let attributes = charge.map(|charge| {
        let moment = |moment: Option<Timestamp>| moment.map(|moment| iso(moment, zone));
        json!({
            "type": if charge.direct_current { "dc" } else { "ac" },
            "start": moment(charge.plugged_in),
            "end": moment(charge.plugged_out),
        })
    });
    let energy = charge.and_then(|charge| charge.energy);
    vec![
        ("last_charge_energy", number(energy.map(|energy| energy.0), 2)),
        (
            "last_charge_energy/attributes",
            attributes.map(|object| Value::Text(object.to_string())),
        ),
    ]
}

/// Installed and latest software, with what is new in the owner's language. Without an update the installed version is
/// the latest.
pub fn of_software(software: &SoftwareInfo, language: &str) -> Vec<Fact> {
    let update = software.update.as_ref();
    let notes = update.and_then(|update| update.notes_in(language));
    let items = notes.map_or(&[][..], |notes| &notes.items);
    let texts: Vec<&str> = items.iter().map(|(_, text)| text.trim()).collect();
    let summary: String = texts.join("\n").trim().chars().take(LONGEST_SUMMARY).collect();
    let known = [
        ("installed_version", software.installed.clone()),
        (
            "latest_version",
            update
                .map(|update| update.version.clone())
                .or(software.installed.clone()),
        ),
        ("title", items.first().map(|(title, _)| title.trim().to_owned())),
        ("release_summary", Some(summary)),
    ];
    // Home Assistant takes a text or nothing, but no null.
    let object: Map<String, Json> = known
        .into_iter()
        .filter_map(|(key, text)| Some((key.to_owned(), Json::from(text.filter(|text| !text.is_empty())?))))
        .collect();
    let value = (!object.is_empty()).then(|| Value::Text(Json::Object(object).to_string()));
    let attributes = update.map(|update| json!({ "task_id": update.task, "bytes": update.size }));
    vec![
        ("vehicle_software", value),
        (
            "vehicle_software/attributes",
            attributes.map(|object| Value::Text(object.to_string())),
        ),
    ]
}

/// Whether anything is scheduled that is on, and what there is. Nothing scheduled is off.
pub fn of_schedules(climate: &[Appointment], preparation: &[Appointment]) -> Vec<Fact> {
    let flag = |appointments: &[Appointment]| Some(Value::Flag(appointments.iter().any(|entry| entry.enabled)));
    let entries = |appointments: &[Appointment]| {
        let entries = appointments.iter().map(|entry| {
            json!({
                "enabled": entry.enabled,
                "start": entry.start.map(|start| start.strftime("%Y-%m-%dT%H:%M").to_string()),
                "days": entry.days,
            })
        });
        Some(Value::Text(
            json!({ "entries": entries.collect::<Vec<_>>() }).to_string(),
        ))
    };
    vec![
        (CLIMATE_SCHEDULE, flag(climate)),
        ("climate_schedule/attributes", entries(climate)),
        (PREPARE_SCHEDULE, flag(preparation)),
        ("prepare_schedule/attributes", entries(preparation)),
    ]
}

fn number(number: Option<f64>, decimals: u8) -> Option<Value> {
    number.map(|number| Value::Number(number, decimals))
}

/// A moment as ISO 8601 with the zone's offset, in whole seconds.
fn iso(moment: Timestamp, zone: &TimeZone) -> String {
    moment
        .to_zoned(zone.clone())
        .strftime("%Y-%m-%dT%H:%M:%S%:z")
        .to_string()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::cloud::{Day, ReleaseNotes, SoftwareUpdate};
    use crate::vehicle::units::Kilometers;

    fn rome() -> TimeZone {
        TimeZone::get("Europe/Rome").unwrap()
    }

    fn moment(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn breakdown(parts: [f64; 3]) -> EnergyBreakdown {
        let [driving, climate, other] = parts.map(|part| Some(KilowattHours(part)));
        EnergyBreakdown {
            driving,
            climate,
            other,
        }
    }

    fn value(facts: &[Fact], key: &str) -> Option<Value> {
        facts.iter().find(|(found, _)| *found == key).expect(key).1.clone()
    }

    #[test]
    fn every_fact_is_produced_even_when_nothing_is_known() {
        let nothing = [
            of_mileage(&MileageEnergy::default()),
            of_rank(&WeeklyRank::default()),
            of_last_week(None),
            of_today(None),
            of_charge(None, &TimeZone::UTC),
            of_software(&SoftwareInfo::default(), "en"),
        ]
        .concat();
        let schedules = of_schedules(&[], &[]);
        let keys = nothing.iter().chain(&schedules).map(|(key, _)| *key);
        assert_eq!(keys.collect::<BTreeSet<FactKey>>(), BTreeSet::from(FACTS));
        assert!(nothing.iter().all(|(_, value)| value.is_none()), "{nothing:?}");
    }

    #[test]
    fn a_schedule_is_on_while_one_of_its_entries_is() {
        let entry = |enabled, days: &[u8]| Appointment {
            enabled,
            start: Some("2026-09-22T07:30".parse().unwrap()),
            days: days.to_vec(),
        };
        let facts = of_schedules(&[entry(false, &[1, 5]), entry(true, &[])], &[entry(false, &[])]);
        assert_eq!(value(&facts, CLIMATE_SCHEDULE), Some(Value::Flag(true)));
        assert_eq!(value(&facts, PREPARE_SCHEDULE), Some(Value::Flag(false)));
        let entries = concat!(
            r#"{"entries":[{"enabled":false,"start":"2026-09-22T07:30","days":[1,5]},"#,
            r#"{"enabled":true,"start":"2026-09-22T07:30","days":[]}]}"#
        );
        assert_eq!(
            value(&facts, "climate_schedule/attributes"),
            Some(Value::Text(entries.to_owned()))
        );
        assert_eq!(
            value(&of_schedules(&[], &[]), CLIMATE_SCHEDULE),
            Some(Value::Flag(false))
        );
    }

    #[test]
    fn windows_begin_at_midnight_of_the_owners_zone() {
        let now = moment("2026-10-25T23:30:00Z");
        // Half past midnight in Rome, one day after the clock was put back.
        assert_eq!(today(now, &rome()).unwrap().begin, moment("2026-10-25T23:00:00Z"));
        assert_eq!(last_days(now, &rome()).unwrap().begin, moment("2026-10-19T22:00:00Z"));
        assert_eq!(last_days(now, &rome()).unwrap().end, now);
        let page = last_charges(now, &rome());
        assert_eq!(
            (page.from.to_string(), page.to.to_string()),
            ("2026-09-26".to_owned(), "2026-10-26".to_owned())
        );
        assert_eq!(page.offset.seconds(), 3600);
    }

    #[test]
    fn mileage_is_rounded_as_shown_and_daily_energy_added_up() {
        let day = |energy: Option<f64>| Day {
            date: "2026-09-15".parse().unwrap(),
            odometer: None,
            distance: None,
            energy: energy.map(KilowattHours),
        };
        let answer = MileageEnergy {
            total: Some(Kilometers(12_345.0)),
            window: Some(Kilometers(210.5)),
            days: vec![day(Some(6.0)), day(None), day(Some(4.5))],
            ..MileageEnergy::default()
        };
        let facts = of_mileage(&answer);
        assert_eq!(value(&facts, "total_mileage_cloud"), Some(Value::Number(12_345.0, 0)));
        assert_eq!(value(&facts, "total_energy_cloud"), None);
        assert_eq!(value(&facts, "mileage_7d"), Some(Value::Number(210.5, 0)));
        assert_eq!(value(&facts, "energy_7d"), Some(Value::Number(10.5, 1)));
    }

    #[test]
    fn a_consumption_of_nothing_says_nothing() {
        let answer = WeeklyRank {
            consumption: Some(0.0),
            rank: Some(37.0),
            weeks: Vec::new(),
        };
        let facts = of_rank(&answer);
        assert_eq!(value(&facts, "consumption_6w"), None);
        assert_eq!(value(&facts, "consumption_rank"), Some(Value::Number(37.0, 0)));
    }

    #[test]
    fn shares_are_parts_of_a_sum_that_is_not_zero() {
        let facts = of_last_week(Some(breakdown([10.25, 1.5, 0.75])));
        assert_eq!(value(&facts, "energy_last_week_total"), Some(Value::Number(12.5, 2)));
        assert_eq!(value(&facts, "energy_last_week_climate"), Some(Value::Number(1.5, 2)));
        assert_eq!(
            value(&facts, "energy_share_last_week_driving"),
            Some(Value::Number(82.0, 1))
        );
        assert_eq!(
            value(&of_today(Some(breakdown([0.0; 3]))), "energy_share_today_other"),
            None
        );
        let partly = EnergyBreakdown {
            climate: None,
            ..breakdown([1.0; 3])
        };
        assert_eq!(value(&of_today(Some(partly)), "energy_share_today_driving"), None);
    }

    #[test]
    fn the_last_charge_says_of_what_kind_it_was_and_when() {
        let charge = Charge {
            plugged_in: Some(moment("2026-09-22T18:00:00Z")),
            plugged_out: None,
            direct_current: true,
            energy: Some(KilowattHours(31.02)),
            position: None,
        };
        let facts = of_charge(Some(&charge), &rome());
        assert_eq!(value(&facts, "last_charge_energy"), Some(Value::Number(31.02, 2)));
        let attributes = r#"{"type":"dc","start":"2026-09-22T20:00:00+02:00","end":null}"#;
        assert_eq!(
            value(&facts, "last_charge_energy/attributes"),
            Some(Value::Text(attributes.to_owned()))
        );
    }

    #[test]
    fn software_is_described_in_the_owners_language_within_the_limits_of_home_assistant() {
        let notes = |language: &str, title: &str, text: &str| ReleaseNotes {
            language: language.to_owned(),
            items: vec![(title.to_owned(), text.to_owned())],
        };
        let mut software = SoftwareInfo {
            installed: Some("1.03.12".to_owned()),
            installed_at: None,
            update: Some(SoftwareUpdate {
                version: "1.04.00".to_owned(),
                task: Some(4411),
                state: Some(1),
                size: 0,
                notes: vec![
                    notes("en-US", "New", "Fixes"),
                    notes("it-IT", "Nuovo", &"è".repeat(300)),
                ],
            }),
        };
        let object = |software: &SoftwareInfo| {
            let Some(Value::Text(text)) = value(&of_software(software, "it"), "vehicle_software") else {
                panic!("software is a JSON text")
            };
            serde_json::from_str::<serde_json::Value>(&text).unwrap()
        };
        let shown = object(&software);
        assert_eq!(shown["installed_version"], "1.03.12");
        assert_eq!(shown["latest_version"], "1.04.00");
        assert_eq!(shown["title"], "Nuovo");
        assert_eq!(shown["release_summary"].as_str().unwrap().chars().count(), 255);
        assert_eq!(
            value(&of_software(&software, "it"), "vehicle_software/attributes"),
            Some(Value::Text(r#"{"task_id":4411,"bytes":0}"#.to_owned()))
        );

        software.update = None;
        let shown = object(&software);
        assert_eq!(shown["latest_version"], "1.03.12");
        assert!(shown.get("release_summary").is_none(), "null would be refused");
    }
}
