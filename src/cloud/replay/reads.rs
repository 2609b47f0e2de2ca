//! Statistics, charges, messages, shares, software, pictures and schedules.

use jiff::tz::Offset;
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use super::{Replay, assert_within, milliseconds, vin};
use crate::cloud::testing::signed_in;
use crate::cloud::{CloudError, HistoryPage, PictureKey, ScheduleKind, Window};
use crate::vehicle::{Model, Vin};

fn window(begin: &str, end: &str) -> Window {
    Window {
        begin: begin.parse().unwrap(),
        end: end.parse().unwrap(),
    }
}

#[tokio::test]
async fn statistics_are_as_recorded() {
    let replay = Replay::of("http", "mileage-energy-plain").await;
    let plain = replay.session.mileage_energy(&vin(), None).await.unwrap();
    replay.check_requests();
    assert_eq!((plain.total_miles, plain.delivery_days), (Some(7670.9), Some(321)));

    let replay = Replay::of("http", "mileage-energy-window").await;
    let week = window("2026-09-14T00:00:00Z", "2026-09-21T00:00:00Z");
    let found = replay.session.mileage_energy(&vin(), Some(week)).await.unwrap();
    replay.check_requests();
    let days: Vec<Value> = found
        .days
        .iter()
        .map(|day| {
            json!({
                "day": day.date.to_string(),
                "odometer_km": day.odometer,
                "mileage_km": day.distance,
                "energy_kwh": day.energy,
            })
        })
        .collect();
    let ours = json!({
        "total_mileage_km": found.total,
        "total_mileage_mi": found.total_miles,
        "delivery_days": found.delivery_days,
        "total_energy_kwh": found.total_energy,
        "window_mileage_km": found.window,
        "window_mileage_mi": found.window_miles,
        "days": days,
    });
    assert_within(&replay.vector["result"], &ours);

    let replay = Replay::of("http", "consumption-weekly-rank").await;
    let found = replay.session.weekly_rank(&vin()).await.unwrap();
    replay.check_requests();
    assert_eq!((found.consumption, found.rank), (Some(16.4), Some(37.0)));
    let weeks: Vec<_> = found
        .weeks
        .iter()
        .map(|week| (week.start.to_string(), week.consumption))
        .collect();
    // The recording makes 0 of a missing consumption; for us it is unknown.
    assert_eq!(
        weeks,
        [("2026-09-07".to_owned(), Some(16.1)), ("2026-09-14".to_owned(), None)]
    );
}

#[tokio::test]
async fn plug_in_consumption_is_asked_for_like_the_weekly_one() {
    let (session, script) = signed_in().await;
    let body = r#"{"code":0,"data":{"weeks":[{"oc100km":"5.4","ec100km":12.1}]}}"#;
    script.play(&json!([{"status": 200, "body": body}, {"status": 200, "body": r#"{"code":0}"#}]));
    let found = session.plug_in_weekly(&vin()).await.unwrap().unwrap();
    assert_eq!((found.fuel.map(f64::from), found.energy), (Some(5.4), Some(12.1)));
    assert_eq!(script.requests()[0]["body"], "carvin=LFZTEST0000000001");
    assert_eq!(session.plug_in_weekly(&vin()).await.unwrap(), None);
}

#[tokio::test]
async fn energy_breakdowns_are_as_recorded_and_no_data_is_no_error() {
    let whole = window("2026-09-14T00:00:00Z", "2026-09-21T00:00:00Z");
    let last_week = window("2026-09-14T00:00:00Z", "2026-09-20T23:59:59Z");
    for (name, window) in [("consumption-breakdown", whole), ("consumption-last-week", last_week)] {
        let replay = Replay::of("http", name).await;
        let found = replay.session.energy_breakdown(&vin(), window).await.unwrap().unwrap();
        replay.check_requests();
        let ours = json!({
            "driver_ec": found.driving,
            "ac_ec": found.climate,
            "other_ec": found.other,
            "total_ec": found.total(),
        });
        assert_within(&replay.vector["result"], &ours);
    }
    let replay = Replay::of("http", "consumption-breakdown-no-data").await;
    assert_eq!(replay.session.energy_breakdown(&vin(), whole).await.unwrap(), None);
    replay.check_requests();
}

#[tokio::test]
async fn the_charging_history_is_as_recorded() {
    let replay = Replay::of("http", "charging-history").await;
    let page = HistoryPage {
        from: "2026-09-01".parse().unwrap(),
        to: "2026-09-21".parse().unwrap(),
        offset: Offset::constant(2),
        page: 2,
        size: 25,
    };
    let found = replay.session.charging_history(&vin(), page).await.unwrap();
    replay.check_requests();
    let expected = replay.vector["result"].as_array().unwrap();
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(expected) {
        // 0 in the recording is unknown for us.
        let moment = |name: &str| Value::from(expected[name].as_i64().filter(|moment| *moment != 0));
        assert_eq!(milliseconds(found.plugged_in), moment("start_ts"));
        assert_eq!(milliseconds(found.plugged_out), moment("end_ts"));
        assert_eq!(found.direct_current, expected["is_fast_charge"]);
        assert_eq!(
            found.energy.map_or(0.0, f64::from),
            expected["energy_kwh"].as_f64().unwrap()
        );
        let latitude = found.position.map(|position| position.latitude.to_string());
        assert_eq!(Value::from(latitude), expected["latitude"]);
    }
}

#[tokio::test]
async fn messages_are_as_recorded() {
    let replay = Replay::of("http", "messages").await;
    let found = replay.session.messages(1, 20).await.unwrap();
    replay.check_requests();
    let ours: Vec<Value> = found
        .iter()
        .map(|message| {
            json!({
                "id": message.id,
                "vin": message.vin.as_ref().map(Vin::as_str),
                "title": message.title,
                "message": message.text,
                "send_time": milliseconds(message.sent),
                "is_read": message.read,
                "msg_type": message.kind,
            })
        })
        .collect();
    assert_within(&replay.vector["result"]["messages"], &ours.into());

    for name in ["unread-count", "unread-count-null"] {
        let replay = Replay::of("http", name).await;
        let count = replay.session.unread_count().await.unwrap();
        replay.check_requests();
        assert_eq!(replay.vector["result"], count);
    }
}

#[tokio::test]
async fn shares_are_as_recorded() {
    let replay = Replay::of("http", "share-invitations").await;
    let invitations = replay.session.share_invitations().await.unwrap();
    replay.check_requests();
    let ours: Vec<Value> = invitations
        .iter()
        .map(|invitation| {
            json!({
                "share_user_id": invitation.owner_id,
                "vin": invitation.vin.as_str(),
                "car_type": invitation.model.as_ref().map(Model::code),
                "car_alias": invitation.car_name,
                "owner_nickname": invitation.owner_name,
                "share_time": milliseconds(invitation.shared),
                "expire_time": milliseconds(invitation.expires),
            })
        })
        .collect();
    assert_within(&replay.vector["result"], &ours.into());

    for (name, accept) in [("share-accept", true), ("share-reject", false)] {
        let replay = Replay::of("http", name).await;
        replay.session.answer_share(&invitations[0], accept).await.unwrap();
        replay.check_requests();
    }
}

#[tokio::test]
async fn software_is_as_recorded() {
    for name in ["software-info", "software-info-none"] {
        let replay = Replay::of("http", name).await;
        let found = replay.session.software_info(&vin()).await.unwrap();
        replay.check_requests();
        let expected = &replay.vector["result"];
        let ours = json!({
            "update_available": found.update.is_some(),
            "current": {"version": found.installed, "install_time": milliseconds(found.installed_at)},
            "new": found.update.as_ref().map(|update| json!({
                "version": update.version,
                "state": update.state,
                "request_version_id": update.task,
                "download_size": update.size,
            })),
        });
        assert_within(expected, &ours);
        let Some(update) = found.update else { continue };
        for (tag, items) in expected["new"]["release_notes_for"].as_object().unwrap() {
            let found = &update.notes_in(tag).unwrap().items;
            let found = found
                .iter()
                .map(|(title, content)| json!({"title": title, "content": content}));
            assert_eq!(*items, found.collect::<Value>(), "{tag}");
        }
    }
    let replay = Replay::of("http", "software-info-shared-car").await;
    replay.check_error(&replay.session.software_info(&vin()).await.unwrap_err());
}

#[tokio::test]
async fn pictures_are_as_recorded() {
    let replay = Replay::of("http", "car-picture-key").await;
    let key = replay.session.picture_key(&vin()).await.unwrap().unwrap();
    replay.check_requests();
    assert_eq!(replay.vector["result"]["data"]["key"], key.text().expose_secret());

    let replay = Replay::of("http", "car-picture-package").await;
    let key = PictureKey::new("pk/c10 blue+1".into());
    let package = replay.session.picture_package(&key).await.unwrap();
    replay.check_requests();
    assert_eq!(replay.vector["result"]["length"], package.len());
}

#[tokio::test]
async fn schedules_are_as_recorded() {
    use ScheduleKind::{BatteryPreheat, Climate, PrepareCar, SoftwareInstall};
    for (name, kind) in [
        ("appointment-climate", Climate),
        ("appointment-climate-empty", Climate),
        ("appointment-climate-null", Climate),
        ("appointment-bad-json-string", Climate),
        ("appointment-object-data", Climate),
        ("appointment-ptc", BatteryPreheat),
        ("appointment-prepare-car-no-permission", PrepareCar),
        ("appointment-fota", SoftwareInstall),
    ] {
        let replay = Replay::of("http", name).await;
        let found = replay.session.schedules(&vin(), kind).await.unwrap();
        replay.check_requests();
        assert_eq!(
            replay.vector["result"],
            found.into_iter().map(Value::Object).collect::<Value>(),
            "{name}"
        );
    }
    let replay = Replay::of("http", "appointment-charge").await;
    let plan = replay.session.charge_plan(&vin()).await.unwrap().unwrap();
    replay.check_requests();
    let ours = json!({
        "chargeEnable": plan.enabled.map(i64::from),
        "chargesoc": plan.limit,
        "circulation": plan.circulation,
        "starttime": plan.start,
    });
    assert_eq!(replay.vector["result"], ours);
    assert_eq!((plan.end, plan.cycles, plan.recharge), (None, None, None));
}

#[tokio::test]
async fn data_of_any_shape_is_read_as_far_as_it_goes() {
    let (session, script) = signed_in().await;
    let window = window("2026-09-14T00:00:00Z", "2026-09-21T00:00:00Z");
    let page = HistoryPage {
        from: "2026-09-01".parse().unwrap(),
        to: "2026-09-21".parse().unwrap(),
        offset: Offset::UTC,
        page: 1,
        size: 10,
    };
    let odd = json!({"list": 5, "detail": [7, {"day": 9}], "bindcars": {"vin": []}, "controls": "x", "rankResult": []});
    for data in [
        json!(null),
        json!([]),
        json!([[null]]),
        json!(""),
        json!("[1]"),
        json!(-5),
        json!(true),
        odd,
    ] {
        let answer = json!({"status": 200, "body": json!({"code": 0, "data": data}).to_string()});
        script.play(&Value::Array(vec![answer; 12]));
        match session.vehicles().await {
            Ok(cars) => assert!(cars.is_empty() && data.is_object(), "{data}"),
            Err(error) => assert!(
                matches!(error, CloudError::Unreadable { .. }) && !data.is_object(),
                "{data}"
            ),
        }
        assert!(
            session
                .mileage_energy(&vin(), Some(window))
                .await
                .unwrap()
                .days
                .is_empty(),
            "{data}"
        );
        assert!(session.weekly_rank(&vin()).await.unwrap().weeks.is_empty(), "{data}");
        assert_eq!(session.plug_in_weekly(&vin()).await.unwrap(), None, "{data}");
        assert!(session.energy_breakdown(&vin(), window).await.is_ok(), "{data}");
        assert!(session.charging_history(&vin(), page).await.is_ok(), "{data}");
        assert!(session.messages(1, 10).await.unwrap().is_empty(), "{data}");
        assert!(session.share_invitations().await.unwrap().is_empty(), "{data}");
        assert_eq!(session.software_info(&vin()).await.unwrap().update, None, "{data}");
        assert!(session.picture_key(&vin()).await.unwrap().is_none(), "{data}");
        assert!(
            session
                .schedules(&vin(), ScheduleKind::Climate)
                .await
                .unwrap()
                .is_empty(),
            "{data}"
        );
        assert!(!session.result("1").await.unwrap(), "{data}");
    }
}
