//! What the cloud counts by itself: mileage, consumption, and where the energy went.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use serde_json::Value;

use super::envelope;
use super::error::CloudError;
use super::lenient;
use super::request::Call;
use super::session::Session;
use crate::vehicle::Vin;
use crate::vehicle::units::{Kilometers, KilowattHours, LitersPer100Kilometers};

const MILEAGE_ENERGY: &str = "/carownerservice/oversea/drivingRecord/v1/mileage/energy/detail";
const WEEKLY_RANK: &str = "/carownerservice/oversea/drivingRecord/v1/getLastNweeks100kmECAndRank";
const PLUG_IN_WEEKLY: &str = "/carownerservice/oversea/drivingRecord/v1/getPlugInLastNweeks100kmEC";
const ENERGY_BREAKDOWN: &str = "/carownerservice/oversea/drivingRecord/v1/getLastweekEC";

/// A stretch of time, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// Its first moment.
    pub begin: Timestamp,
    /// Its last moment.
    pub end: Timestamp,
}

impl Window {
    /// The last whole week before the one `now` lies in, Monday 00:00:00 to Sunday 23:59:59 in the given zone. `None`
    /// only at the edges of the calendar.
    pub fn previous_week(now: Timestamp, zone: &TimeZone) -> Option<Self> {
        let today = now.to_zoned(zone.clone()).date();
        let monday = today
            .checked_sub(i64::from(today.weekday().to_monday_zero_offset()).days())
            .ok()?;
        let start_of = |date: Date| Some(date.to_zoned(zone.clone()).ok()?.timestamp());
        Some(Self {
            begin: start_of(monday.checked_sub(7.days()).ok()?)?,
            end: start_of(monday)?.checked_sub(1.second()).ok()?,
        })
    }
}

/// Mileage and energy, lifetime and, where a window was asked for, within it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct MileageEnergy {
    /// Odometer, whole km.
    pub total: Option<Kilometers>,
    /// Odometer in miles, finer than the km twin.
    pub total_miles: Option<f64>,
    /// Days since delivery.
    pub delivery_days: Option<i64>,
    /// Energy since delivery, standby included; the window does not change it.
    pub total_energy: Option<KilowattHours>,
    /// Distance within the window.
    pub window: Option<Kilometers>,
    /// Distance within the window in miles.
    pub window_miles: Option<f64>,
    /// Day by day, oldest first as the cloud sends them.
    pub days: Vec<Day>,
}

/// One day of [`MileageEnergy`].
#[derive(Debug, Clone, PartialEq)]
pub struct Day {
    /// Which day.
    pub date: Date,
    /// Odometer.
    pub odometer: Option<Kilometers>,
    /// Distance that day.
    pub distance: Option<Kilometers>,
    /// Energy that day; coarse, often whole kWh.
    pub energy: Option<KilowattHours>,
}

/// Consumption of the last weeks, and how it compares with other owners.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct WeeklyRank {
    /// kWh/100 km over all weeks.
    pub consumption: Option<f64>,
    /// Better than this share of owners, in percent.
    pub rank: Option<f64>,
    /// The weeks, as the cloud sends them.
    pub weeks: Vec<Week>,
}

/// One week of [`WeeklyRank`].
#[derive(Debug, Clone, PartialEq)]
pub struct Week {
    /// Its Monday.
    pub start: Date,
    /// kWh/100 km.
    pub consumption: Option<f64>,
}

/// Consumption of a range-extender car over the last weeks.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PlugInWeekly {
    /// Fuel.
    pub fuel: Option<LitersPer100Kilometers>,
    /// kWh/100 km.
    pub energy: Option<f64>,
}

/// Where the energy of a window went.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EnergyBreakdown {
    /// Driving.
    pub driving: Option<KilowattHours>,
    /// Air conditioning.
    pub climate: Option<KilowattHours>,
    /// Everything else.
    pub other: Option<KilowattHours>,
}

impl EnergyBreakdown {
    /// All three together; unknown unless all are known.
    pub fn total(&self) -> Option<KilowattHours> {
        Some(KilowattHours(self.driving?.0 + self.climate?.0 + self.other?.0))
    }
}

impl Session {
    /// Mileage and energy since delivery; with a window also day by day.
    pub async fn mileage_energy(&self, vin: &Vin, window: Option<Window>) -> Result<MileageEnergy, CloudError> {
        let mut call = Call::form(MILEAGE_ENERGY);
        if let Some(window) = window {
            // In milliseconds here, in seconds for the breakdown.
            call = call
                .number("endtime", window.end.as_millisecond())
                .number("begintime", window.begin.as_millisecond());
        }
        let data = self.data(call.text("vin", vin.as_str())).await?;
        Ok(MileageEnergy {
            total: kilometers(&data, "totalmileage"),
            total_miles: lenient::number(&data, "totalmileageMile"),
            delivery_days: lenient::integer(&data, "deliveryDays"),
            total_energy: kilowatt_hours(&data, "totalEnergy"),
            window: kilometers(&data, "totalAccumulatedMileage"),
            window_miles: lenient::number(&data, "totalAccumulatedMileageMile"),
            days: lenient::items(data.get("detail")).iter().filter_map(day).collect(),
        })
    }

    /// Consumption of the last six weeks and the rank among owners.
    pub async fn weekly_rank(&self, vin: &Vin) -> Result<WeeklyRank, CloudError> {
        let data = self.data(Call::form(WEEKLY_RANK).text("carvin", vin.as_str())).await?;
        // A result other than 0 means that there is no ranking.
        let ranking = data
            .get("rankResult")
            .filter(|ranking| lenient::integer(ranking, "result").is_none_or(|result| result == 0));
        let rank = ranking.and_then(|ranking| lenient::text(ranking, "rank"));
        Ok(WeeklyRank {
            consumption: ranking.and_then(|ranking| lenient::number(ranking, "hundredKmEC")),
            rank: rank.and_then(|rank| lenient::value_number(&Value::from(rank.trim_end_matches([' ', '%'])))),
            weeks: lenient::items(data.get("weeklyEC")).iter().filter_map(week).collect(),
        })
    }

    /// Consumption of a range-extender car over the last weeks; `None` when the cloud gives none.
    pub async fn plug_in_weekly(&self, vin: &Vin) -> Result<Option<PlugInWeekly>, CloudError> {
        let answer = self
            .call(Call::form(PLUG_IN_WEEKLY).text("carvin", vin.as_str()))
            .await?;
        let data = envelope::data_if_any(&answer)?;
        Ok(data.as_ref().and_then(fuel_consumption).map(|object| PlugInWeekly {
            fuel: lenient::number(object, "oc100km").map(LitersPer100Kilometers),
            energy: lenient::number(object, "ec100km"),
        }))
    }

    /// Where the energy of a window went; `None` without a drive in it. Values of a trip settle over some minutes.
    pub async fn energy_breakdown(&self, vin: &Vin, window: Window) -> Result<Option<EnergyBreakdown>, CloudError> {
        let call = Call::form(ENERGY_BREAKDOWN)
            .number("endtime", window.end.as_second())
            .number("begintime", window.begin.as_second())
            .text("carvin", vin.as_str());
        let data = envelope::data_if_any(&self.call(call).await?)?;
        Ok(data.map(|data| EnergyBreakdown {
            driving: kilowatt_hours(&data, "driverEC"),
            climate: kilowatt_hours(&data, "acEC"),
            other: kilowatt_hours(&data, "otherEC"),
        }))
    }
}

fn day(entry: &Value) -> Option<Day> {
    Some(Day {
        date: lenient::text(entry, "day")?.parse().ok()?,
        odometer: kilometers(entry, "currentMileage"),
        distance: kilometers(entry, "accumulatedMileage"),
        energy: kilowatt_hours(entry, "accumulatedEnergyConsume"),
    })
}

fn week(entry: &Value) -> Option<Week> {
    Some(Week {
        start: lenient::text(entry, "weekStart")?.parse().ok()?,
        consumption: lenient::number(entry, "hundredKmEC"),
    })
}

/// How deep the object lies is not documented; the first one that names the fuel consumption is meant.
fn fuel_consumption(value: &Value) -> Option<&Value> {
    match value {
        Value::Object(fields) if fields.contains_key("oc100km") => Some(value),
        Value::Object(fields) => fields.values().find_map(fuel_consumption),
        Value::Array(items) => items.iter().find_map(fuel_consumption),
        _ => None,
    }
}

fn kilometers(object: &Value, name: &str) -> Option<Kilometers> {
    lenient::number(object, name).map(Kilometers)
}

fn kilowatt_hours(object: &Value, name: &str) -> Option<KilowattHours> {
    lenient::number(object, name).map(KilowattHours)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::protocol::vectors::{section, text};

    #[test]
    fn the_previous_week_is_as_recorded() {
        for vector in section("previous_week_window") {
            let now = text(vector, "now_utc").parse().unwrap();
            let window = Window::previous_week(now, &TimeZone::UTC).unwrap();
            assert_eq!(window.begin.as_second(), vector["begintime_s"].as_i64().unwrap());
            assert_eq!(window.end.as_second(), vector["endtime_s"].as_i64().unwrap());
        }
    }

    #[test]
    fn the_previous_week_follows_the_zone_over_a_clock_change() {
        let zone = TimeZone::get("Europe/Rome").unwrap();
        let window = Window::previous_week("2026-10-25T23:30:00Z".parse().unwrap(), &zone).unwrap();
        assert_eq!(window.begin.to_string(), "2026-10-18T22:00:00Z");
        assert_eq!(window.end.to_string(), "2026-10-25T22:59:59Z");
    }

    #[test]
    fn fuel_consumption_is_found_at_any_depth() {
        let data = json!({"list": [{"x": 1}, {"week": {"oc100km": "5.4", "ec100km": 12}}]});
        assert_eq!(fuel_consumption(&data).unwrap()["ec100km"], 12);
        assert!(fuel_consumption(&json!([1, "oc100km"])).is_none());
    }
}
