//! Every command of the registry, asked for over MQTT, as it arrives at the simulated cloud: the recorded vectors.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Duration;

use serde_json::{Map, Value, json};
use tokio::task::LocalSet;

use leapmotor2mqtt::vehicle::command::Risk;
use leapmotor2mqtt::vehicle::command::registry::{COMMANDS, find};
use support::at_work::AtWork;
use support::mosquitto::Mosquitto;
use support::world::{World, eventually};

const VECTORS: &str = include_str!("data/protocol/vectors.json");
const DEVIATIONS: &str = include_str!("data/protocol/deviations.json");

/// Fast enough that the spacing between two writes costs little.
const SPEED: &str = "20";
const PATIENCE: Duration = Duration::from_secs(30);

/// The cars that share the vectors, so that they are driven side by side.
const FLEET: [&str; 9] = ["C10", "C10", "C10", "C10", "C10", "C10", "C10-REEV", "B10", "T03"];

/// A moment for schedules that happen once: the recorded ones have passed.
const RECORDED_DATES: [&str; 3] = ["2026-09-22", "2026-05-16", "2026-10-01"];
const DATE_TO_COME: &str = "2099-09-22";

/// A command of the registry that no vector has.
struct Tabled {
    command: &'static str,
    params: &'static str,
    /// What the car shall hold before: a command that gives it that, with its parameters.
    before: Option<(&'static str, &'static str)>,
    /// Command id and content.
    written: (&'static str, &'static str),
    /// Why there is no vector.
    why: &'static str,
}

const WITHOUT_VECTOR: &[Tabled] = &[
    Tabled {
        command: "quick-ventilation",
        params: "{}",
        before: None,
        written: (
            "170",
            r#"{"circle":"out","mode":"nohotcold","operate":"manual","position":"all","temperature":"26","windlevel":"4","wshld":"1"}"#,
        ),
        why: "no recorded client has it; it is the climate command with fresh air and neither heat nor cold",
    },
    Tabled {
        command: "charge-limit-native",
        params: r#"{"percent":80}"#,
        before: None,
        written: ("340", r#"{"chargesoc":80}"#),
        why: "only the command table has it; recorded clients rewrite the charging plan instead",
    },
    Tabled {
        command: "climate-schedule-off",
        params: "{}",
        before: Some(CLIMATE_SCHEDULE),
        written: (
            "171",
            r#"{"controls":[{"mode":"nohotcold","operate":"manual","temperature":"26","circle":"out","windlevel":"4","wshld":"1","days":[1],"on":"0","position":"all","start_time":"2099-09-22 07:30:00","set_id":"x","update_time":"now"}]}"#,
        ),
        why: REWRITTEN,
    },
    Tabled {
        command: "climate-schedule-on",
        params: "{}",
        before: Some(CLIMATE_SCHEDULE),
        written: (
            "171",
            r#"{"controls":[{"mode":"nohotcold","operate":"manual","temperature":"26","circle":"out","windlevel":"4","wshld":"1","days":[1],"on":"1","position":"all","start_time":"2099-09-22 07:30:00","set_id":"x","update_time":"now"}]}"#,
        ),
        why: REWRITTEN,
    },
    Tabled {
        command: "prepare-car-schedule-off",
        params: "{}",
        before: Some(PREPARE_SCHEDULE),
        written: (
            "361",
            r#"{"controls":[{"datacontent":{"steeringWheelHeatCtrl":{"enable":true,"level":"2"}},"days":[],"enable":false,"set_id":"x","start_time":"2099-09-22 07:30:00"}]}"#,
        ),
        why: REWRITTEN,
    },
    Tabled {
        command: "prepare-car-schedule-on",
        params: "{}",
        before: Some(PREPARE_SCHEDULE),
        written: (
            "361",
            r#"{"controls":[{"datacontent":{"steeringWheelHeatCtrl":{"enable":true,"level":"2"}},"days":[],"enable":true,"set_id":"x","start_time":"2099-09-22 07:30:00"}]}"#,
        ),
        why: REWRITTEN,
    },
];

const REWRITTEN: &str =
    "no recorded client switches a schedule; it is the list as it was read, with one field of each entry changed";
const CLIMATE_SCHEDULE: (&str, &str) = (
    "climate-schedule",
    r#"{"start_time":"2099-09-22 07:30:00","days":[1],"set_id":"x"}"#,
);
const PREPARE_SCHEDULE: (&str, &str) = (
    "prepare-car-schedule",
    r#"{"start_time":"2099-09-22 07:30:00","climate_enabled":false,"steering_wheel_heat":true,"set_id":"x"}"#,
);

/// One message and what shall come of it.
struct Case {
    /// Where it is from, for whoever reads a failure.
    source: String,
    command: String,
    params: Map<String, Value>,
    model: String,
    /// What the car shall hold before: a command that gives it that, with its parameters.
    before: Option<(String, Map<String, Value>)>,
    /// Command id and content; `None` when the message shall be refused.
    written: Option<(String, String)>,
}

#[tokio::test(flavor = "multi_thread")]
async fn every_command_arrives_at_the_cloud_as_recorded() {
    let Some(broker) = Mosquitto::start() else { return };
    let cases = cases();
    let driven: BTreeSet<&str> = cases
        .iter()
        .filter(|case| case.written.is_some())
        .map(|case| find(&case.command).expect("a command of the registry").name)
        .collect();
    let missing: Vec<&str> = COMMANDS
        .iter()
        .map(|row| row.name)
        .filter(|name| !driven.contains(name))
        .collect();
    assert!(missing.is_empty(), "neither a vector nor a reason for {missing:?}");

    let world = World::at_speed(SPEED, &FLEET);
    for index in 0..FLEET.len() {
        let path = format!("/cars/{}/scenario", world.vin(index));
        // Only a plugged car takes the start of a charge.
        world
            .control(reqwest::Method::POST, &path, Some(json!({"name": "plugged"})))
            .await;
    }
    let at_work = AtWork::start(world, broker, |_, configuration| {
        let driving = COMMANDS.iter().filter(|row| row.risk == Risk::Driving);
        configuration["commands"]["allow"] = driving.map(|row| row.name).collect();
        // Nothing but the commands shall cost time.
        configuration["polling"] = json!({"parked_seconds": 300, "driving_seconds": 300, "charging_seconds": 300});
    })
    .await;
    for index in 0..FLEET.len() {
        let read = format!("leapmotor2mqtt/{}/battery_level", at_work.world.vin(index));
        eventually(&read, PATIENCE, async || {
            at_work.listener.latest().contains_key(&read).then_some(())
        })
        .await;
    }

    let at_work = Rc::new(at_work);
    let drivers = LocalSet::new();
    let driving: Vec<_> = dealt(cases)
        .into_iter()
        .map(|(index, cases)| {
            let at_work = at_work.clone();
            drivers.spawn_local(async move { drive(&at_work, index, cases).await })
        })
        .collect();
    drivers.await;
    let mut wrong = Vec::new();
    for driver in driving {
        wrong.extend(driver.await.unwrap());
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

/// Sends one message after the other to one car, each when the one before has been written or refused.
async fn drive(at_work: &AtWork, index: usize, cases: Vec<Case>) -> Vec<String> {
    let vin = at_work.world.vin(index);
    let mut wrong = Vec::new();
    for (number, case) in cases.into_iter().enumerate() {
        if let Some((command, params)) = &case.before {
            let id = format!("{vin}-{number}-before");
            if ask(at_work, &vin, &id, command, params).await.is_err() {
                wrong.push(format!("{}: the {command} before it was refused", case.source));
            }
        }
        let id = format!("{vin}-{number}");
        let result = ask(at_work, &vin, &id, &case.command, &case.params).await;
        let fits = match (&case.written, &result) {
            (None, Err(answer)) => answer["state"] == "refused",
            (Some((id, content)), Ok(write)) => {
                let sent = write["cmd_content"].as_str().unwrap_or_default();
                write["cmd_id"] == json!(id) && write["code"] == 0 && masked(sent) == masked(content)
            }
            _ => false,
        };
        if !fits {
            let expected = case
                .written
                .map_or("a refusal".to_owned(), |(id, content)| format!("{id} {content}"));
            wrong.push(format!("{}: expected {expected}, got {result:?}", case.source));
        }
    }
    wrong
}

/// Asks one car for a command: the write that arrived at the cloud, or the answer that there was none.
async fn ask(
    at_work: &AtWork,
    vin: &str,
    id: &str,
    command: &str,
    params: &Map<String, Value>,
) -> Result<Value, Value> {
    let before = at_work.world.requests().await.len() as u64;
    // On the fast clock of a busy machine half a minute may be over before anybody looks.
    let message = json!({"command": command, "params": params, "id": id, "expires": "2099-01-01T00:00:00Z"});
    let topic = format!("leapmotor2mqtt/{vin}/command");
    at_work.listener.publish(&topic, &message.to_string(), false).await;
    eventually(&format!("{message} is written or refused"), PATIENCE, async || {
        let requests = at_work.world.requests_since(before).await;
        let write = requests
            .iter()
            .find(|request| request["vin"] == json!(vin) && !request["cmd_id"].is_null());
        if let Some(write) = write {
            return Some(Ok(write.clone()));
        }
        // A confirmation may be heard before the write is seen, which the next look will find.
        let unwritten = ["refused", "superseded", "expired"].map(Value::from);
        let answers = at_work.answers(id);
        let answer = answers.iter().find(|answer| unwritten.contains(&answer["state"]));
        answer.map(|answer| Err(answer.clone()))
    })
    .await
}

/// Every case, the field-proven first.
fn cases() -> Vec<Case> {
    let vectors: Value = serde_json::from_str(VECTORS).unwrap();
    let recorded = ["commands_field_proven", "commands"].into_iter().flat_map(|section| {
        let vectors = vectors[section].as_array().unwrap();
        vectors.iter().map(move |vector| case(section, vector))
    });
    let parameters = |text: &str| serde_json::from_str(text).unwrap();
    let tabled = WITHOUT_VECTOR.iter().map(move |row| Case {
        source: format!("{} ({})", row.command, row.why),
        command: row.command.to_owned(),
        params: parameters(row.params),
        model: "C10".to_owned(),
        before: row
            .before
            .map(|(command, params)| (command.to_owned(), parameters(params))),
        written: Some((row.written.0.to_owned(), row.written.1.to_owned())),
    });
    recorded.chain(tabled).collect()
}

fn case(section: &str, vector: &Value) -> Case {
    let command = vector["command"].as_str().unwrap();
    let mut params: Map<String, Value> = serde_json::from_str(&to_come(&vector["params"].to_string())).unwrap();
    // What the cloud answered about the plan is not a parameter: the car gets that plan first.
    let plan = params.remove("schedule_response");
    let plan = plan.and_then(|answer| serde_json::from_str(answer.as_str()?).ok());
    let written = vector["error"].is_null().then(|| {
        let content = vector["cmd_content"].as_str().unwrap();
        let content = deviation(section, command, content).unwrap_or_else(|| content.to_owned());
        (vector["cmd_id"].as_str().unwrap().to_owned(), to_come(&content))
    });
    Case {
        source: format!("{section}: {command} {}", vector["params"]),
        command: command.to_owned(),
        params,
        model: vector["car_type"].as_str().unwrap().trim().to_ascii_uppercase(),
        before: plan.map(|plan: Value| ("charge-schedule".to_owned(), plan_parameters(&plan))),
        written,
    }
}

/// What we write in place of what a client was recorded to write, where that is something else.
fn deviation(section: &str, command: &str, recorded: &str) -> Option<String> {
    let rows: Vec<BTreeMap<String, String>> = serde_json::from_str(DEVIATIONS).unwrap();
    let row = rows.into_iter().find(|row| {
        let applies = row["section"] == section || (row["section"] == "*" && section != "commands_field_proven");
        applies && row["command"] == command && row["recorded"] == recorded
    })?;
    row.get("written").cloned()
}

/// The parameters of `charge-schedule` that give a car this plan; what the plan does not say is as on a new car.
fn plan_parameters(plan: &Value) -> Map<String, Value> {
    let of = |key: &str, otherwise: Value| plan.get(key).cloned().unwrap_or(otherwise);
    let parameters = json!({
        "enabled": of("chargeEnable", json!(0)) == json!(1),
        "soc_limit": of("chargesoc", json!(80)),
        "start_time": of("starttime", json!("00:00")),
        "end_time": of("endtime", json!("08:00")),
        "cycles": of("cycles", json!("1,1,1,1,1,1,1")),
        "circulation": of("circulation", json!(0)),
        "recharge": of("recharge", json!(0)),
    });
    parameters.as_object().unwrap().clone()
}

/// The recorded dates as one that has not passed.
fn to_come(text: &str) -> String {
    RECORDED_DATES
        .iter()
        .fold(text.to_owned(), |text, date| text.replace(date, DATE_TO_COME))
}

/// Blanks out what follows the clock: the time of writing, and the date of entries that repeat.
fn masked(content: &str) -> String {
    let mut value: Value = serde_json::from_str(content).unwrap();
    for entry in value["controls"].as_array_mut().into_iter().flatten() {
        if entry.get("update_time").is_some() {
            entry["update_time"] = json!("now");
        }
        if entry["days"] != json!([]) {
            let time = entry["start_time"].as_str().unwrap()[11..].to_owned();
            entry["start_time"] = json!(time);
        }
    }
    // As text, so that spelling and key order count.
    value.to_string()
}

/// The cases by car: each model's in turn to its cars. What depends on the charging plan comes first, so that a car that
/// shall not have one has none yet.
fn dealt(mut cases: Vec<Case>) -> BTreeMap<usize, Vec<Case>> {
    cases.sort_by_key(|case| {
        (
            case.written.as_ref().is_none_or(|(id, _)| id != "190"),
            case.before.is_some(),
        )
    });
    let mut dealt: BTreeMap<usize, Vec<Case>> = BTreeMap::new();
    let mut turns: BTreeMap<&str, usize> = BTreeMap::new();
    for case in cases {
        let model = match case.model.as_str() {
            "B10" => "B10",
            "T03" => "T03",
            // Only a car with a tank can heat its fuel.
            _ if case.command.starts_with("fuel") => "C10-REEV",
            // Models that are not simulated take the same contents as a C10.
            _ => "C10",
        };
        let cars: Vec<usize> = (0..FLEET.len()).filter(|index| FLEET[*index] == model).collect();
        let turn = turns.entry(model).or_default();
        dealt.entry(cars[*turn % cars.len()]).or_default().push(case);
        *turn += 1;
    }
    dealt
}
