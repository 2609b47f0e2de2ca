//! What happened, as Home Assistant hears of it: messages for the `event` entities and for device triggers. None of them
//! is retained: an event that is delivered again would be taken for a new one.

use serde_json::json;

use crate::homeassistant::Options;
use crate::homeassistant::format;
use crate::vehicle::facts::Subject;
use crate::vehicle::intent::{CommandReport, CommandState};
use crate::vehicle::state::Part;
use crate::vehicle::transitions::{Change, CloudMessage, Kind};
use crate::vehicle::{Happening, Vin};

/// The `event` entity of everything that happens to a car.
const VEHICLE_EVENT: &str = "event_vehicle";
/// The `event` entity of the cloud's messages.
const MESSAGE_EVENT: &str = "event_message";
/// What the message event is always called.
const MESSAGE: &str = "message";

/// The device trigger of a command that came to nothing.
const COMMAND_FAILED: &str = "command_failed";
/// The device trigger of a door that was opened.
const DOOR_OPENED: &str = "door_opened";

/// What happens to a car and has a device trigger of the same name.
const TRIGGERS: [Kind; 9] = [
    Kind::ChargingStarted,
    Kind::ChargingStopped,
    Kind::ChargingCompleted,
    Kind::PluggedIn,
    Kind::Unplugged,
    Kind::DrivingStarted,
    Kind::Parked,
    Kind::Locked,
    Kind::Unlocked,
];

/// The messages for something that happened: where to publish them, not retained, and what.
pub fn event_messages(happening: &Happening, options: &Options) -> Vec<(String, String)> {
    match happening {
        Happening::Change(change) => {
            let event = vehicle_event(change, options);
            let trigger = trigger_of(change).map(|subtype| trigger(&change.vin, subtype, options));
            [event].into_iter().chain(trigger).collect()
        }
        Happening::Message(message) => vec![message_event(message, options)],
    }
}

/// The device trigger of a command that was not carried out, or not for certain.
pub fn command_trigger(report: &CommandReport, options: &Options) -> Option<(String, String)> {
    match report.state {
        CommandState::Refused | CommandState::NotConfirmed | CommandState::Expired => {
            Some(command_failed(&report.vin, options))
        }
        CommandState::Accepted | CommandState::Confirmed | CommandState::Superseded => None,
    }
}

/// The device trigger of a command that came to nothing.
pub(super) fn command_failed(vin: &Vin, options: &Options) -> (String, String) {
    trigger(vin, COMMAND_FAILED, options)
}

fn vehicle_event(change: &Change, options: &Options) -> (String, String) {
    let event = json!({
        "event_type": change.kind.name(),
        "part": change.part,
        "old": change.old,
        "new": change.new,
        "vehicle_time": change.vehicle_time.map(|time| format::iso(time, &options.time_zone)),
        "late": change.late,
    });
    (options.car_topic(&change.vin, VEHICLE_EVENT), event.to_string())
}

fn message_event(message: &CloudMessage, options: &Options) -> (String, String) {
    let event = json!({
        "event_type": MESSAGE,
        "title": message.title,
        "text": message.text,
        "category": message.category,
        "vehicle": message.vin.as_ref().map(|vin| vin.last(6)),
        "sent": message.sent.map(|time| format::iso(time, &options.time_zone)),
    });
    (options.topic(&Subject::Bridge, MESSAGE_EVENT), event.to_string())
}

/// The trigger that fires. A trigger cannot say that it is late, so it does not fire then.
fn trigger_of(change: &Change) -> Option<&'static str> {
    if change.late {
        return None;
    }
    let of_a_door = Part::DOORS.iter().any(|door| change.part == Some(door.name()));
    if change.kind == Kind::Opened && of_a_door {
        return Some(DOOR_OPENED);
    }
    TRIGGERS.contains(&change.kind).then(|| change.kind.name())
}

fn trigger(vin: &Vin, subtype: &str, options: &Options) -> (String, String) {
    let topic = options.car_topic(vin, &format!("trigger/{subtype}"));
    (topic, subtype.to_owned())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use jiff::Timestamp;

    use super::*;
    use crate::vehicle::intent::{Origin, Reason};
    use crate::vehicle::transitions::Mark;

    const ENTITIES: &str = include_str!("../../tests/data/ha-entities.csv");

    fn now() -> Timestamp {
        "2026-11-21T20:00:00Z".parse().unwrap()
    }

    fn vin() -> Vin {
        Vin::parse("LFZTEST0000000001").unwrap()
    }

    fn change(kind: Kind) -> Change {
        Change {
            vin: vin(),
            kind,
            part: None,
            old: Some(Mark::Flag(false)),
            new: Some(Mark::Flag(true)),
            vehicle_time: Some(now()),
            seen: now(),
            late: false,
        }
    }

    fn topics(change: Change) -> Vec<String> {
        event_messages(&Happening::Change(change), &Options::default())
            .into_iter()
            .map(|(topic, _)| topic)
            .collect()
    }

    #[test]
    fn a_change_is_an_event_with_its_circumstances_and_a_trigger() {
        let messages = event_messages(&Happening::Change(change(Kind::Locked)), &Options::default());
        assert_eq!(
            messages,
            [
                (
                    "leapmotor2mqtt/LFZTEST0000000001/event_vehicle".to_owned(),
                    r#"{"event_type":"locked","part":null,"old":false,"new":true,"vehicle_time":"2026-11-21T20:00:00+00:00","late":false}"#
                        .to_owned()
                ),
                (
                    "leapmotor2mqtt/LFZTEST0000000001/trigger/locked".to_owned(),
                    "locked".to_owned()
                ),
            ]
        );
    }

    #[test]
    fn only_doors_open_with_a_trigger_and_nothing_late_fires_one() {
        let opened = |part| Change {
            part: Some(part),
            ..change(Kind::Opened)
        };
        assert!(topics(opened("door_rear_left"))[1].ends_with("/trigger/door_opened"));
        assert_eq!(topics(opened("trunk")).len(), 1);
        let late = Change {
            late: true,
            ..change(Kind::Unlocked)
        };
        assert_eq!(topics(late).len(), 1);
    }

    #[test]
    fn a_message_is_an_event_of_the_bridge() {
        let message = CloudMessage {
            vin: Some(vin()),
            title: "Charging complete".to_owned(),
            text: "Your car has finished charging.".to_owned(),
            category: None,
            sent: Some(now()),
        };
        let messages = event_messages(&Happening::Message(message), &Options::default());
        assert_eq!(messages.len(), 1);
        assert_eq!(messages[0].0, "leapmotor2mqtt/bridge/event_message");
        assert!(
            messages[0]
                .1
                .starts_with(r#"{"event_type":"message","title":"Charging complete""#)
        );
        assert!(
            !messages[0].1.contains("LFZTEST"),
            "the whole VIN belongs on topics only"
        );
    }

    #[test]
    fn a_command_that_came_to_nothing_fires_a_trigger() {
        let fires = |state| {
            let report = CommandReport {
                ticket: 1,
                vin: vin(),
                command: "lock",
                id: None,
                origin: Origin::Mqtt,
                state,
                reason: Some(Reason::Timeout),
                received: now(),
                finished: None,
            };
            command_trigger(&report, &Options::default()).map(|(topic, _)| topic)
        };
        let topic = "leapmotor2mqtt/LFZTEST0000000001/trigger/command_failed";
        for failed in [CommandState::Refused, CommandState::NotConfirmed, CommandState::Expired] {
            assert_eq!(fires(failed).as_deref(), Some(topic));
        }
        for fine in [
            CommandState::Accepted,
            CommandState::Confirmed,
            CommandState::Superseded,
        ] {
            assert_eq!(fires(fine), None);
        }
    }

    #[test]
    fn events_and_triggers_are_those_of_the_list_of_entities() {
        let row = ENTITIES.lines().find(|line| line.starts_with(VEHICLE_EVENT)).unwrap();
        let types = row.split(',').find(|field| field.contains('|')).unwrap();
        assert_eq!(types.split('|').collect::<Vec<_>>(), Kind::ALL.map(Kind::name));
        let listed: BTreeSet<&str> = ENTITIES
            .lines()
            .filter(|line| line.contains(",device_automation,car,core,"))
            .filter_map(|line| line.split(',').next()?.strip_prefix("trigger_"))
            .collect();
        let ours = TRIGGERS.iter().map(|kind| kind.name());
        assert_eq!(listed, ours.chain([COMMAND_FAILED, DOOR_OPENED]).collect());
    }
}
