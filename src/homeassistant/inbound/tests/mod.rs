//! Messages in, verdicts out.

mod climate;
mod controls;
mod garbage;

use proptest::prelude::*;

use super::*;
use crate::homeassistant::fixture::{self, B10, C10, T03, at, fleet, now, options};
use crate::vehicle::CarView;
use crate::vehicle::intent::{BridgeAction, CommandReport, CommandState, Origin};
use std::sync::Arc;

/// A plain live message.
fn message<'a>(topic: &'a str, payload: &'a [u8]) -> Message<'a> {
    Message {
        topic,
        payload,
        retained: false,
        duplicate: false,
        correlation: None,
        expiry: None,
    }
}

fn topic(car: &str, path: &str) -> String {
    format!("leapmotor2mqtt/{car}/{path}")
}

fn admit(inbox: &mut Inbox, message: &Message<'_>) -> Verdict {
    inbox.admit(message, &fleet(), &options(), now())
}

/// What a fresh inbox makes of a plain message to the C10.
fn ask(path: &str, payload: &str) -> Verdict {
    admit(&mut Inbox::new(), &message(&topic(C10, path), payload.as_bytes()))
}

/// What a fresh inbox makes of a plain message to this car.
fn ask_car(view: CarView, path: &str, payload: &str) -> Verdict {
    let topic = topic(view.car.vin.as_str(), path);
    let fleet = Fleet::from([(view.car.vin.clone(), Arc::new(view))]);
    Inbox::new().admit(&message(&topic, payload.as_bytes()), &fleet, &options(), now())
}

fn command(verdict: Verdict) -> Command {
    match verdict {
        Verdict::Act(Inbound {
            intent: Intent::Car(_, command),
            ..
        }) => command,
        other => panic!("{other:?} is no command"),
    }
}

fn reason(verdict: Verdict) -> Reason {
    match verdict {
        Verdict::Refuse(refusal) => refusal.reason,
        other => panic!("{other:?} is no refusal"),
    }
}

#[test]
fn a_plain_unlock_is_carried_out() {
    let verdict = ask("door_lock/set", "UNLOCK");
    let Verdict::Act(inbound) = verdict else {
        panic!("{verdict:?}")
    };
    assert_eq!(inbound.intent, Intent::Car(fixture::vin(C10), Command::Unlock));
    assert_eq!((inbound.id, inbound.expires), (None, None));
}

#[test]
fn a_retained_unlock_is_refused_and_its_topic_cleared() {
    let topic = topic(C10, "door_lock/set");
    let retained = Message {
        retained: true,
        ..message(&topic, b"UNLOCK")
    };
    let verdict = admit(&mut Inbox::new(), &retained);
    let Verdict::Refuse(refusal) = verdict else {
        panic!("{verdict:?}")
    };
    assert_eq!(refusal.reason, Reason::Retained);
    assert!(refusal.clear_retained);
    assert_eq!(refusal.vin, Some(fixture::vin(C10)));
}

#[test]
fn what_is_retained_for_a_car_we_do_not_have_is_cleared_too() {
    let topic = topic("LFZGONE0000000000", "command");
    let retained = Message {
        retained: true,
        ..message(&topic, b"\xff")
    };
    assert_eq!(reason(admit(&mut Inbox::new(), &retained)), Reason::Retained);
}

#[test]
fn an_empty_payload_is_ignored_silently_even_when_retained() {
    for retained in [false, true] {
        let topic = topic(C10, "door_lock/set");
        let empty = Message {
            retained,
            ..message(&topic, b"")
        };
        assert_eq!(admit(&mut Inbox::new(), &empty), Verdict::Ignore);
    }
}

#[test]
fn topics_that_are_not_commands_are_ignored() {
    for topic in [
        "",
        "leapmotor2mqtt",
        "leapmotor2mqtt/bridge/state",
        "leapmotor2mqtt/LFZTEST0000000C10/door_lock",
        "leapmotor2mqtt/LFZTEST0000000C10/command/result",
        "leapmotor2mqttx/LFZTEST0000000C10/command",
        "other/LFZTEST0000000C10/command",
    ] {
        assert_eq!(
            admit(&mut Inbox::new(), &message(topic, b"LOCK")),
            Verdict::Ignore,
            "{topic}"
        );
    }
}

#[test]
fn what_cannot_be_set_or_read_is_refused() {
    let refused = |path: &str, payload: &[u8]| reason(admit(&mut Inbox::new(), &message(&topic(C10, path), payload)));
    assert_eq!(refused("battery_level/set", b"5"), Reason::UnknownCommand);
    assert_eq!(refused("climate/nothing/set", b"5"), Reason::UnknownCommand);
    assert_eq!(refused("climate/set", b"off"), Reason::UnknownCommand);
    assert_eq!(refused("door_lock/set", b"\xff\xfe"), Reason::InvalidPayload);
    assert_eq!(refused("door_lock/set", b"OPEN SESAME"), Reason::InvalidPayload);
    assert_eq!(
        refused("door_lock/set", &vec![b'A'; 1024 * 1024]),
        Reason::InvalidPayload
    );
    assert_eq!(refused("find_vehicle/set", b"press"), Reason::InvalidPayload);
    let unknown = admit(&mut Inbox::new(), &message("leapmotor2mqtt/LFZNONE/command", b"{}"));
    assert_eq!(reason(unknown), Reason::UnknownVehicle);
}

#[test]
fn the_dup_flag_makes_a_duplicate() {
    let topic = topic(C10, "door_lock/set");
    let again = Message {
        duplicate: true,
        ..message(&topic, b"LOCK")
    };
    assert_eq!(reason(admit(&mut Inbox::new(), &again)), Reason::Duplicate);
}

#[test]
fn the_same_id_within_a_minute_is_a_duplicate_for_the_same_car_only() {
    let mut inbox = Inbox::new();
    let payload = br#"{"command":"lock","id":"abc"}"#;
    let (c10, b10) = (topic(C10, "command"), topic(B10, "command"));
    let mut at_second = |topic: &str, second: &str| {
        let time = at(&format!("2026-11-21T06:{second}Z"));
        inbox.admit(&message(topic, payload), &fleet(), &options(), time)
    };
    assert_eq!(command(at_second(&c10, "10:00")), Command::Lock);
    assert_eq!(reason(at_second(&c10, "10:59")), Reason::Duplicate);
    assert_eq!(command(at_second(&b10, "10:59")), Command::Lock);
    assert_eq!(command(at_second(&c10, "11:00")), Command::Lock);
}

#[test]
fn the_same_correlation_data_within_a_minute_is_a_duplicate() {
    let mut inbox = Inbox::new();
    let topic = topic(C10, "door_lock/set");
    let correlated = Message {
        correlation: Some(b"\x01\x02"),
        ..message(&topic, b"LOCK")
    };
    assert_eq!(command(admit(&mut inbox, &correlated)), Command::Lock);
    assert_eq!(reason(admit(&mut inbox, &correlated)), Reason::Duplicate);
}

#[test]
fn a_refused_message_may_be_corrected_under_the_same_id() {
    let mut inbox = Inbox::new();
    let topic = topic(C10, "command");
    let wrong = br#"{"command":"charge-limit","params":{"percent":900},"id":"7"}"#;
    assert!(matches!(admit(&mut inbox, &message(&topic, wrong)), Verdict::Refuse(_)));
    let right = br#"{"command":"charge-limit","params":{"percent":80},"id":"7"}"#;
    assert_eq!(
        command(admit(&mut inbox, &message(&topic, right))),
        Command::ChargeLimit { percent: 80 }
    );
}

#[test]
fn the_inbox_remembers_a_limited_number_of_ids() {
    let mut inbox = Inbox::new();
    let topic = topic(C10, "command");
    for id in 0..MAX_REMEMBERED + 10 {
        let payload = format!(r#"{{"command":"lock","id":{id}}}"#);
        admit(&mut inbox, &message(&topic, payload.as_bytes()));
    }
    assert_eq!(inbox.seen.len(), MAX_REMEMBERED);
}

#[test]
fn an_expired_message_is_refused() {
    let late = r#"{"command":"lock","expires":"2026-11-21T06:09:59Z"}"#;
    assert_eq!(reason(ask("command", late)), Reason::Expired);
    // The same moment in another zone.
    let late = r#"{"command":"lock","expires":"2026-11-21T07:09:59+01:00"}"#;
    assert_eq!(reason(ask("command", late)), Reason::Expired);
    let topic = topic(C10, "door_lock/set");
    let over = Message {
        expiry: Some(Duration::ZERO),
        ..message(&topic, b"LOCK")
    };
    assert_eq!(reason(admit(&mut Inbox::new(), &over)), Reason::Expired);
}

#[test]
fn the_earlier_of_two_deadlines_counts() {
    let topic = topic(C10, "command");
    for (seconds, expected) in [(20, "2026-11-21T06:10:20Z"), (90, "2026-11-21T06:11:00Z")] {
        let both = Message {
            expiry: Some(Duration::from_secs(seconds)),
            ..message(&topic, br#"{"command":"lock","expires":"2026-11-21T06:11:00Z"}"#)
        };
        let Verdict::Act(inbound) = admit(&mut Inbox::new(), &both) else {
            panic!()
        };
        assert_eq!(inbound.expires, Some(at(expected)));
    }
    let endless = Message {
        expiry: Some(Duration::MAX),
        ..message(&topic, br#"{"command":"lock"}"#)
    };
    let Verdict::Act(inbound) = admit(&mut Inbox::new(), &endless) else {
        panic!()
    };
    assert_eq!(inbound.expires, None);
}

#[test]
fn the_end_of_a_message_takes_time_from_a_command_and_never_gives_it_more() {
    let deadline = |payload: &str, seconds| {
        let topic = topic(C10, "door_lock/set");
        let ending = Message {
            expiry: Some(Duration::from_secs(seconds)),
            ..message(&topic, payload.as_bytes())
        };
        match admit(&mut Inbox::new(), &ending) {
            Verdict::Act(inbound) => inbound.expires,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(deadline("UNLOCK", 10), Some(at("2026-11-21T06:10:10Z")));
    assert_eq!(deadline("UNLOCK", 900), Some(at("2026-11-21T06:10:30Z")));
    assert_eq!(deadline("LOCK", 60), Some(at("2026-11-21T06:11:00Z")));
    assert_eq!(deadline("LOCK", 900), Some(at("2026-11-21T06:13:00Z")));
}

#[test]
fn a_script_that_is_not_what_it_should_be_is_refused_with_its_id() {
    for payload in [
        "lock",
        "[]",
        "{}",
        r#"{"command":5}"#,
        r#"{"command":"lock","params":[]}"#,
        r#"{"command":"lock","id":{}}"#,
        r#"{"command":"lock","expires":"2026-11-21T06:11:00"}"#,
        r#"{"command":"lock","expires":60}"#,
        r#"{"command":"lock","expire":"2026-11-21T06:11:00Z"}"#,
    ] {
        assert_eq!(reason(ask("command", payload)), Reason::InvalidPayload, "{payload}");
    }
    let verdict = ask("command", r#"{"command":"fly","id":"x1"}"#);
    let Verdict::Refuse(refusal) = verdict else {
        panic!("{verdict:?}")
    };
    assert_eq!(refusal.reason, Reason::UnknownCommand);
    let answer: Json = serde_json::from_str(&refusal.result(now())).unwrap();
    assert_eq!(
        answer,
        serde_json::json!({
            "id": "x1", "command": "fly", "state": "refused", "reason": "unknown_command", "origin": "mqtt",
            "received": "2026-11-21T06:10:00Z", "finished": "2026-11-21T06:10:00Z",
        })
    );
}

#[test]
fn a_refused_message_is_an_event_of_its_car_and_fires_the_trigger_of_failures_unless_it_is_a_duplicate() {
    let told = |topic: &str, duplicate| {
        let message = Message {
            duplicate,
            ..message(topic, b"300")
        };
        match admit(&mut Inbox::new(), &message) {
            Verdict::Refuse(refusal) => refusal.events(&options()),
            other => panic!("{other:?}"),
        }
    };
    let event = |reason: &str| {
        let event =
            format!(r#"{{"event_type":"refused","command":"charge-limit","reason":"{reason}","origin":"mqtt"}}"#);
        (topic(C10, "event_command"), event)
    };
    let trigger = (topic(C10, "trigger/command_failed"), "command_failed".to_owned());
    let limit = topic(C10, "charge_limit/set");
    assert_eq!(told(&limit, false), [event("out_of_range"), trigger]);
    assert_eq!(told(&limit, true), [event("duplicate")]);
    assert_eq!(told(&topic("bridge", "door_lock/set"), false), []);
}

#[test]
fn a_report_has_the_keys_of_the_contract_in_their_order() {
    let report = CommandReport {
        ticket: 1,
        vin: fixture::vin(C10),
        command: "charge-limit",
        id: Some("abc".into()),
        origin: Origin::Mqtt,
        state: CommandState::NotConfirmed,
        reason: Some(Reason::Timeout),
        received: now(),
        finished: None,
    };
    assert_eq!(
        result_payload(&report),
        r#"{"id":"abc","command":"charge-limit","state":"not_confirmed","reason":"timeout","origin":"mqtt","received":"2026-11-21T06:10:00Z","finished":null}"#
    );
    let (topic, payload) = command_event(&report, &options());
    assert_eq!(topic, "leapmotor2mqtt/LFZTEST0000000C10/event_command");
    assert_eq!(
        payload,
        r#"{"event_type":"not_confirmed","command":"charge-limit","reason":"timeout","origin":"mqtt"}"#
    );
}

#[test]
fn controls_become_commands() {
    let percent = |percent| Command::Windows { percent };
    for (path, payload, expected) in [
        ("door_lock/set", "LOCK", Command::Lock),
        ("charge_limit/set", "80", Command::ChargeLimit { percent: 80 }),
        ("windows_cover/set", "OPEN", percent(100)),
        ("windows_cover/set", "CLOSE", percent(0)),
        ("windows_cover/position/set", "35", percent(35)),
        ("trunk_cover/set", "OPEN", Command::TrunkOpen),
        ("trunk_cover/set", "CLOSE", Command::TrunkClose),
        ("find_vehicle/set", "PRESS", Command::FindCar),
        ("climate/mode/set", "off", Command::ClimateOff),
        ("climate/preset/set", "quick_cool", Command::QuickCool),
        ("climate/preset/set", "quick_heat", Command::QuickHeat),
        ("climate/preset/set", "defrost", Command::WindshieldDefrost),
        (
            "climate/preset/set",
            "ventilate",
            Command::QuickVentilation { temperature: 22 },
        ),
    ] {
        assert_eq!(command(ask(path, payload)), expected, "{path} {payload}");
    }
    let Verdict::Act(refresh) = ask("refresh/set", "PRESS") else {
        panic!()
    };
    assert_eq!(refresh.intent, Intent::Bridge(BridgeAction::Refresh(fixture::vin(C10))));
}

#[test]
fn values_outside_the_announced_range_are_refused() {
    for (path, payload, expected) in [
        ("charge_limit/set", "19", Reason::OutOfRange),
        ("charge_limit/set", "101", Reason::OutOfRange),
        ("charge_limit/set", "80.5", Reason::OutOfRange),
        ("charge_limit/set", "nan", Reason::OutOfRange),
        ("charge_limit/set", "full", Reason::InvalidPayload),
        ("windows_cover/position/set", "-1", Reason::OutOfRange),
        ("windows_cover/set", "STOP", Reason::InvalidPayload),
        ("trunk_cover/set", "STOP", Reason::InvalidPayload),
        ("climate/temperature/set", "17", Reason::OutOfRange),
        ("climate/fan/set", "8", Reason::OutOfRange),
        ("climate/mode/set", "dry", Reason::InvalidPayload),
        ("climate/preset/set", "party", Reason::InvalidPayload),
    ] {
        assert_eq!(reason(ask(path, payload)), expected, "{path} {payload}");
    }
}

#[test]
fn the_t03_has_neither_a_powered_tailgate_nor_automatic_climate() {
    let t03 = |path: &str, payload: &str| ask_car(fixture::t03(), path, payload);
    assert_eq!(reason(t03("trunk_cover/set", "CLOSE")), Reason::ModelUnsupported);
    assert_eq!(reason(t03("climate/mode/set", "auto")), Reason::ModelUnsupported);
    assert_eq!(command(t03("trunk_cover/set", "OPEN")), Command::TrunkOpen);
}

proptest! {
    #[test]
    fn no_message_makes_it_panic(
        path in "(command|[a-z_]{1,12}/set|climate/(mode|temperature|fan|preset)/set|(door_lock|charge_limit)/set)",
        payload in prop::collection::vec(any::<u8>(), 0..64),
        text in "\\PC{0,40}",
        seconds in any::<u64>(),
    ) {
        let topic = topic(T03, &path);
        for payload in [payload.as_slice(), text.as_bytes()] {
            let message = Message { expiry: Some(Duration::from_secs(seconds)), ..message(&topic, payload) };
            admit(&mut Inbox::new(), &message);
        }
    }
}
