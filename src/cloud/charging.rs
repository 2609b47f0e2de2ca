//! Charges as the cloud recorded them.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::Offset;
use serde_json::Value;

use super::error::CloudError;
use super::lenient;
use super::request::Call;
use super::session::Session;
use crate::vehicle::Vin;
use crate::vehicle::state::Position;
use crate::vehicle::units::KilowattHours;

/// Without the part `oversea` that all other paths have.
const HISTORY: &str = "/carownerservice/charge/daily/detail/page";

/// The charge type of direct current; any other is alternating current.
const DIRECT_CURRENT: &str = "2";

/// Which part of the charging history to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HistoryPage {
    /// First day.
    pub from: Date,
    /// Last day, included.
    pub to: Date,
    /// Offset from UTC by which days begin.
    pub offset: Offset,
    /// Page, from 1.
    pub page: u32,
    /// Entries per page.
    pub size: u32,
}

/// One charge, from plugging in to plugging out.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Charge {
    /// When the plug went in.
    pub plugged_in: Option<Timestamp>,
    /// When it went out; unknown while it is in.
    pub plugged_out: Option<Timestamp>,
    /// Direct current (fast).
    pub direct_current: bool,
    /// Energy taken in.
    pub energy: Option<KilowattHours>,
    /// Where.
    pub position: Option<Position>,
}

impl Session {
    /// Recorded charges, the most recent one first.
    pub async fn charging_history(&self, vin: &Vin, page: HistoryPage) -> Result<Vec<Charge>, CloudError> {
        let call = Call::json(HISTORY)
            .text("vin", vin.as_str())
            .text("timeZone", zone_text(page.offset))
            .text("startTime", page.from.to_string())
            .text("endTime", page.to.to_string())
            .number("pageNum", page.page.into())
            .number("pageSize", page.size.into());
        let data = self.data(call).await?;
        let entries = lenient::items(data.get("list")).iter();
        Ok(entries.filter(|entry| entry.is_object()).map(charge).collect())
    }
}

fn charge(entry: &Value) -> Charge {
    let coordinate = |name| lenient::number(entry, name);
    let position = coordinate("chargeStartLatitude").zip(coordinate("chargeStartLongitude"));
    Charge {
        plugged_in: lenient::moment(entry, "chargeGunStartTs"),
        plugged_out: lenient::moment(entry, "chargeGunEndTs"),
        direct_current: lenient::text(entry, "chargeType").as_deref() == Some(DIRECT_CURRENT),
        energy: lenient::number(entry, "chargeInEnergy").map(KilowattHours),
        // Both zero is how the cloud says that it does not know.
        position: position
            .filter(|position| *position != (0.0, 0.0))
            .map(|(latitude, longitude)| Position { latitude, longitude }),
    }
}

/// `GMT+02:00`
fn zone_text(offset: Offset) -> String {
    let minutes = offset.seconds() / 60;
    let sign = if minutes < 0 { '-' } else { '+' };
    format!("GMT{sign}{:02}:{:02}", minutes.abs() / 60, minutes.abs() % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zone_is_written_with_sign_hours_and_minutes() {
        let text = |minutes: i32| zone_text(Offset::from_seconds(minutes * 60).unwrap());
        assert_eq!(
            [text(120), text(0), text(-210)],
            ["GMT+02:00", "GMT+00:00", "GMT-03:30"]
        );
    }
}
