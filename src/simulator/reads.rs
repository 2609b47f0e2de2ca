//! What can be read about an account and its cars, statistics aside.

use serde_json::{Value, json};

use super::answer::{Refusal, Success};
use super::picture;
use super::request::Call;
use super::sharing::Role;
use super::world::{Message, World};

/// Model segments of the status path. The B models have none: they are asked for under `c10`.
const SEGMENTS: [&str; 7] = ["t03", "s01", "c01", "c10", "c11", "c16", "b03x"];

/// `vehicle/v1/list`
pub fn vehicle_list(world: &mut World, call: &Call) -> Result<Success, Refusal> {
    let username = world.caller_mut(call)?.username.clone();
    let (mut owned, mut shared) = (Vec::new(), Vec::new());
    for access in world.access.iter().filter(|access| access.is_in_force(call)) {
        let car = &world.cars[access.car];
        let rights: Vec<String> = car.rights.iter().map(ToString::to_string).collect();
        let abilities: Vec<String> = car.abilities.iter().map(ToString::to_string).collect();
        let mut entry = json!({
            "vin": car.vin,
            "carId": car.car_id,
            "carType": car.kind.model(),
            "nickName": "Demo",
            "vinNickname": format!("Demo {}", car.kind.model()),
            "email": username,
            "plateNumber": format!("DE{:03}MO", car.car_id % 1000),
            "mobileNumber": null,
            "outColor": "B1",
            "year": 2025,
            "abilities": abilities,
            "rightList": rights.join(","),
            "moduleRights": "100,200,300,400",
            "allocationCode": "AC1",
            "seatLayout": 5,
            "rudder": 0,
            "shareTime": null,
            "expireTime": null,
            "durationType": null,
        });
        match access.role {
            Role::Owner => owned.push(entry),
            Role::Guest { since } => {
                entry["shareTime"] = json!(since.as_millisecond());
                entry["durationType"] = json!(0);
                shared.push(entry);
            }
        }
    }
    Ok(json!({"bindcars": owned, "sharedcars": shared}).into())
}

/// `vehicle/v1/status/get/{segment}`
pub fn status(world: &mut World, call: &Call) -> Result<Success, Refusal> {
    if !SEGMENTS.contains(&call.segment.as_str()) {
        return Err(Refusal::NoSuchPath);
    }
    let (car, role) = world.car_of(call, call.field("vin"))?;
    // A guest may name a car by its number as well, and then it has to be the right one.
    if let Some(id) = call.fields.get("carId")
        && (role == Role::Owner || *id != car.car_id.to_string())
    {
        return Err(Refusal::Verification);
    }
    if car.kind.segment() != call.segment {
        return Ok(json!({"signal": {}, "config": {}}).into());
    }
    Ok(car.status(call.now).into())
}

/// `message/v1/list`
pub fn messages(world: &mut World, call: &Call) -> Result<Success, Refusal> {
    let number = |name: &str| call.field(name).parse::<usize>().ok().filter(|number| *number > 0);
    let (Some(page), Some(size)) = (number("pageNo"), number("pageSize")) else {
        return Err(Refusal::Verification);
    };
    let own: Vec<&Message> = world.messages_of(call).collect();
    let list: Vec<Value> = own
        .iter()
        .rev()
        .skip((page - 1).saturating_mul(size))
        .take(size)
        .map(|message| {
            json!({
                "id": message.id,
                "vin": message.vin,
                "title": message.title,
                "message": message.text,
                "sendTime": message.sent.as_millisecond(),
                "readFlag": 0,
                "url": null,
                "msgType": null,
            })
        })
        .collect();
    Ok(json!({"count": own.len(), "list": list}).into())
}

/// `message/v1/unread/count`
pub fn unread_count(world: &mut World, call: &Call) -> Result<Success, Refusal> {
    Ok(json!({"unread": world.messages_of(call).count()}).into())
}

/// `vehicle/v1/carpicture/key`
pub fn picture_key(world: &mut World, call: &Call) -> Result<Success, Refusal> {
    if call.field("deviceID") != call.device_id {
        return Err(Refusal::Verification);
    }
    let (car, _) = world.car_of(call, call.field("vin"))?;
    let key = picture::key(car.kind);
    Ok(json!({"key": key, "shareBindUrl": "https://cdn.invalid/p.png", "whole": "1"}).into())
}

/// `vehicle/v1/carpicture/package`
pub fn picture_package(_: &mut World, call: &Call) -> Result<Success, Refusal> {
    picture::package(call.field("key"))
        .map(Success::Package)
        .ok_or(Refusal::Verification)
}

/// `hotspot/fetch`; for the owner alone.
pub fn software(world: &mut World, call: &Call) -> Result<Success, Refusal> {
    let (_, role) = world.car_of(call, call.field("vin"))?;
    if role != Role::Owner {
        return Err(Refusal::Permission);
    }
    Ok(json!({
        "currentVersion": {"generalVersion": "1.03.12", "time": 1_788_000_000_000_u64},
        "newVersion": {
            "generalVersion": "1.04.00",
            "requestVersionId": 4411,
            "state": 1,
            "logJsonMultiLang": [
                {"language": "en-US", "data": [{"title": "New", "content": "Smoother one-pedal driving; minor fixes"}]},
                {"language": "it-IT", "data": [{"title": "Nuovo", "content": "Guida a un pedale; piccole correzioni"}]},
            ],
            "updateItemList": [{
                "seq": 1,
                "product": "LP-IVI010-AA",
                "softversion": "2.1",
                "softNumber": "20260901",
                "hardware": "H1",
                "fileName": "ivi.bin",
                "fileSize": "1700000000",
                "pyid": "IVI",
                "md5": "0".repeat(32),
                "sha256": "1".repeat(64),
                "cipherLength": 1_048_592,
                "downloadURL": "https://cdn.invalid/a/b/ivi.bin.encrypt?Expires=1790003600&Signature=zz",
            }],
        },
    })
    .into())
}
