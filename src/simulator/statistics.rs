//! Statistics of the cloud, made from the diaries of the cars.

use jiff::civil::{Date, Time};
use jiff::tz::{Offset, TimeZone};
use jiff::{Timestamp, ToSpan};
use serde_json::{Value, json};

use super::answer::{Refusal, Success};
use super::car::Car;
use super::car::diary::day_of;
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
    Ok(mileage_of(car, window, call.now).into())
}

/// What the cloud counts of a car that lived up to `now`. Its days begin at midnight UTC; of those that the window only
/// touches it counts what lies within.
fn mileage_of(car: &Car, window: Option<(Timestamp, Timestamp)>, now: Timestamp) -> Value {
    let odometer = car.odometer();
    let mut data = json!({
        "totalmileage": odometer as u64,
        "totalmileageMile": tenths(odometer / KM_PER_MILE),
        "deliveryDays": 321,
    });
    let Some((begin, end)) = window else {
        return data;
    };
    let days = car.diary.days(begin, end);
    let driven: f64 = days.values().map(|day| day.km).sum();
    // What was driven after the window is not on its odometer yet.
    let mut at = odometer - car.diary.driven(end, now).km;
    let mut detail: Vec<Value> = days
        .iter()
        .rev()
        .map(|(date, day)| {
            let entry = json!({
                "day": date.to_string(),
                "xDay": midnight(*date).as_millisecond(),
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
    data
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
                "xWeekStart": midnight(*monday).as_millisecond(),
                "xWeekEnd": midnight(sunday.saturating_add(1.day())).as_millisecond() - 1000,
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
    let energy = car.diary.driven(begin, end).energy;
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
    let zone = zone(call.field("timeZone")).ok_or(Refusal::Verification)?;
    let (car, _) = world.car_of(call, call.field("vin"))?;
    car.advance(call.now);
    let charges: Vec<Value> = car
        .diary
        .charges(first, last, &zone)
        .map(|charge| {
            json!({
                "chargeGunStartTs": charge.start.as_millisecond(),
                "chargeGunEndTs": charge.end.map_or(0, Timestamp::as_millisecond),
                "chargeType": if charge.dc { "2" } else { "1" },
                "chargeInEnergy": format!("{:.2}", charge.energy),
                "chargeStartLongitude": format!("{:.4}", charge.position.1),
                "chargeStartLatitude": format!("{:.4}", charge.position.0),
                "zone": call.field("timeZone"),
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
            let next_monday = monday.saturating_add(7.days());
            let driven = car.diary.driven(midnight(monday), midnight(next_monday));
            let consumption = if driven.km > 0.0 {
                driven.energy / driven.km * 100.0
            } else {
                0.0
            };
            (monday, consumption)
        })
        .collect())
}

/// The moment a day begins.
fn midnight(date: Date) -> Timestamp {
    date.to_zoned(TimeZone::UTC)
        .map_or(Timestamp::UNIX_EPOCH, |midnight| midnight.timestamp())
}

/// The zone that a text like `GMT+02:00` names.
fn zone(text: &str) -> Option<TimeZone> {
    let offset = text.strip_prefix("GMT").filter(|offset| offset.len() == 6)?;
    let sign = match offset.get(..1)? {
        "+" => 1,
        "-" => -1,
        _ => return None,
    };
    let time: Time = offset.get(1..)?.parse().ok()?;
    let minutes = i32::from(time.hour()) * 60 + i32::from(time.minute());
    Offset::from_seconds(sign * minutes * 60).ok().map(Offset::to_time_zone)
}

fn tenths(number: f64) -> f64 {
    (number * 10.0).round() / 10.0
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::super::car::Scenario;
    use super::super::car::profile::CarKind;
    use super::*;

    fn start() -> Timestamp {
        "2026-11-21T06:00:00Z".parse().unwrap()
    }

    fn after(minutes: i64) -> Timestamp {
        start() + SignedDuration::from_mins(minutes)
    }

    #[test]
    fn a_window_counts_what_lies_within_it_up_to_the_odometer_of_its_end() {
        let mut car = Car::new(CarKind::C10, "LFZ".to_owned(), "1234".to_owned(), 1, false, start());
        let first = car.odometer();
        car.play(Scenario::Drive, start());
        car.advance(after(30));
        let second = car.odometer();
        car.play(Scenario::Park, after(30));
        car.play(Scenario::Drive, after(60));
        car.advance(after(90));
        let window = |begin, end| mileage_of(&car, Some((after(begin), after(end))), after(90));
        let km = |data: &Value| data["totalAccumulatedMileage"].as_f64().unwrap();

        let morning = window(0, 45);
        assert!((km(&morning) - (second - first)).abs() < 0.1, "{morning}");
        assert_eq!(morning["detail"][0]["currentMileage"], second as u64);
        assert_eq!(morning["detail"].as_array().unwrap().len(), 1);
        let both = window(0, 90);
        assert!((km(&both) - (car.odometer() - first)).abs() < 0.1, "{both}");
        assert_eq!(both["detail"][0]["currentMileage"], car.odometer() as u64);
        assert_eq!(km(&window(35, 55)), 0.0);
        assert_eq!(window(35, 55)["detail"], json!([]));
    }

    #[test]
    fn a_zone_is_its_sign_hours_and_minutes() {
        let offset = |text: &str| zone(text).map(|zone| zone.to_offset(start()).seconds());
        assert_eq!(offset("GMT+02:00"), Some(7200));
        assert_eq!(offset("GMT-03:30"), Some(-12_600));
        for text in [
            "",
            "GMT",
            "GMT02:00",
            "GMT+2:00",
            "GMT*02:00",
            "UTC+02:00",
            "GMT+02:00x",
        ] {
            assert_eq!(offset(text), None, "{text}");
        }
    }
}
