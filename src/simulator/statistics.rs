//! Statistics of the cloud, made from the diaries of the cars.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use serde_json::{Value, json};

use super::answer::{Refusal, Success};
use super::car::diary::{Day, day_of};
use super::request::Call;
use super::world::World;

const KM_PER_MILE: f64 = 1.609_344;

/// Weeks in the weekly statistics.
const WEEKS: i64 = 6;

/// `mileage/energy/detail`, with and without window; the window is in milliseconds.
pub fn mileage(world: &mut World, call: &Call) -> Result<Success, Refusal> {
    let window = window(call, Timestamp::from_millisecond)?;
    let (car, _) = world.car_of(call, call.field("vin"))?;
    car.advance(call.now);
    let odometer = car.odometer();
    let mut data = json!({
        "totalmileage": odometer as u64,
        "totalmileageMile": tenths(odometer / KM_PER_MILE),
        "deliveryDays": 321,
    });
    let Some((begin, end)) = window else {
        return Ok(data.into());
    };
    let days: Vec<(Date, Day)> = car.diary.days(day_of(begin), day_of(end)).collect();
    let driven: f64 = days.iter().map(|(_, day)| day.km).sum();
    let mut at = odometer;
    let mut detail: Vec<Value> = days
        .iter()
        .rev()
        .map(|(date, day)| {
            let entry = json!({
                "day": date.to_string(),
                "xDay": start_of(*date),
                "currentMileage": at as u64,
                "accumulatedMileage": tenths(day.km),
                "accumulatedMileageMile": tenths(day.km / KM_PER_MILE),
                "accumulatedEnergyConsume": day.energy.round(),
            });
            at -= day.km;
            entry
        })
        .collect();
    detail.reverse();
    data["totalEnergy"] = json!(car.diary.lifetime_energy(odometer, car.kind.battery()).round());
    data["totalAccumulatedMileage"] = json!(tenths(driven));
    data["totalAccumulatedMileageMile"] = json!(tenths(driven / KM_PER_MILE));
    data["detail"] = json!(detail);
    Ok(data.into())
}

/// `getLastNweeks100kmECAndRank`
pub fn weekly_rank(world: &mut World, call: &Call) -> Result<Success, Refusal> {
    let weeks = weeks(world, call)?;
    let list: Vec<Value> = weeks
        .iter()
        .map(|(monday, consumption)| {
            let sunday = monday.saturating_add(6.days());
            json!({
                "weekStart": monday.to_string(),
                "weekEnd": sunday.to_string(),
                "hundredKmEC": format!("{consumption:.1}"),
                "hundredMiKwhEC": format!("{:.1}", consumption * KM_PER_MILE),
                "xWeekStart": start_of(*monday),
                "xWeekEnd": start_of(sunday.saturating_add(1.day())) - 1000,
            })
        })
        .collect();
    let latest = weeks.last().map_or(0.0, |(_, consumption)| *consumption);
    Ok(json!({
        "rankResult": {
            "result": 0,
            "rank": "37%",
            "hundredKmEC": format!("{latest:.1}"),
            "hundredMiKwhEC": tenths(latest * KM_PER_MILE),
        },
        "weeklyEC": list,
    })
    .into())
}

/// `getPlugInLastNweeks100kmEC`, of range extenders.
pub fn plug_in_weekly(world: &mut World, call: &Call) -> Result<Success, Refusal> {
    const LITRES: f64 = 3.0;
    const MILES_PER_GALLON: f64 = 282.5;
    let weeks = weeks(world, call)?;
    let list: Vec<Value> = weeks
        .iter()
        .map(|(monday, consumption)| {
            json!({
                "weekStart": monday.to_string(),
                "weekEnd": monday.saturating_add(6.days()).to_string(),
                "oc100km": format!("{LITRES:.1}"),
                "ec100km": format!("{consumption:.1}"),
                "ocMpg": format!("{:.1}", MILES_PER_GALLON / LITRES),
            })
        })
        .collect();
    Ok(json!({ "weeklyEC": list }).into())
}

/// `getLastweekEC`; the window is in seconds.
pub fn energy_breakdown(world: &mut World, call: &Call) -> Result<Success, Refusal> {
    const DRIVING: f64 = 0.82;
    const CLIMATE: f64 = 0.12;
    let (begin, end) = window(call, Timestamp::from_second)?.ok_or(Refusal::Verification)?;
    let (car, _) = world.car_of(call, call.field("carvin"))?;
    car.advance(call.now);
    let energy = car.diary.energy_between(begin, end);
    if energy <= 0.0 || end <= begin {
        return Err(Refusal::NoData);
    }
    let share = |part: f64| format!("{:.2}", energy * part);
    Ok(json!({
        "driverEC": share(DRIVING),
        "acEC": share(CLIMATE),
        "otherEC": share(1.0 - DRIVING - CLIMATE),
    })
    .into())
}

/// `charge/daily/detail/page`
pub fn charging_history(world: &mut World, call: &Call) -> Result<Success, Refusal> {
    let date = |name: &str| call.field(name).parse::<Date>().map_err(|_| Refusal::Verification);
    let number = |name: &str| {
        let number = call.field(name).parse::<usize>().ok().filter(|number| *number > 0);
        number.ok_or(Refusal::Verification)
    };
    let (first, last) = (date("startTime")?, date("endTime")?);
    let (page, size) = (number("pageNum")?, number("pageSize")?);
    let zone = call.field("timeZone");
    let is_zone = zone.strip_prefix("GMT").is_some_and(|offset| {
        offset.len() == 6 && offset.starts_with(['+', '-']) && offset[1..].parse::<jiff::civil::Time>().is_ok()
    });
    if !is_zone {
        return Err(Refusal::Verification);
    }
    let (car, _) = world.car_of(call, call.field("vin"))?;
    car.advance(call.now);
    let charges: Vec<Value> = car
        .diary
        .charges(first, last)
        .map(|charge| {
            json!({
                "chargeGunStartTs": charge.start.as_millisecond(),
                "chargeGunEndTs": charge.end.map_or(0, Timestamp::as_millisecond),
                "chargeType": if charge.dc { "2" } else { "1" },
                "chargeInEnergy": format!("{:.2}", charge.energy),
                "chargeStartLongitude": format!("{:.4}", charge.position.1),
                "chargeStartLatitude": format!("{:.4}", charge.position.0),
                "zone": zone,
            })
        })
        .collect();
    let total = charges.len();
    let list: Vec<Value> = charges
        .into_iter()
        .skip((page - 1).saturating_mul(size))
        .take(size)
        .collect();
    Ok(json!({"list": list, "total": total}).into())
}

/// Both ends of the window asked for, or none of them.
fn window(
    call: &Call,
    read: fn(i64) -> Result<Timestamp, jiff::Error>,
) -> Result<Option<(Timestamp, Timestamp)>, Refusal> {
    let moment = |name: &str| -> Result<Option<Timestamp>, Refusal> {
        let Some(text) = call.fields.get(name) else {
            return Ok(None);
        };
        let number = text.parse().map_err(|_| Refusal::Verification)?;
        read(number).map(Some).map_err(|_| Refusal::Verification)
    };
    match (moment("begintime")?, moment("endtime")?) {
        (Some(begin), Some(end)) => Ok(Some((begin, end))),
        (None, None) => Ok(None),
        _ => Err(Refusal::Verification),
    }
}

/// The last finished weeks, oldest first: their Monday and what 100 km took.
fn weeks(world: &mut World, call: &Call) -> Result<Vec<(Date, f64)>, Refusal> {
    let (car, _) = world.car_of(call, call.field("carvin"))?;
    car.advance(call.now);
    let today = day_of(call.now);
    let since_monday = i64::from(today.weekday().to_monday_zero_offset());
    let this_monday = today.saturating_sub(since_monday.days());
    Ok((1..=WEEKS)
        .rev()
        .map(|ago| {
            let monday = this_monday.saturating_sub(ago.weeks());
            let days = car.diary.days(monday, monday.saturating_add(6.days()));
            let (km, energy) = days.fold((0.0, 0.0), |(km, energy), (_, day)| (km + day.km, energy + day.energy));
            (monday, if km > 0.0 { energy / km * 100.0 } else { 0.0 })
        })
        .collect())
}

/// Midnight of a day, milliseconds.
fn start_of(date: Date) -> i64 {
    date.to_zoned(TimeZone::UTC)
        .map_or(0, |midnight| midnight.timestamp().as_millisecond())
}

fn tenths(number: f64) -> f64 {
    (number * 10.0).round() / 10.0
}
