//! Mileage and energy as the cloud adds them up, and the last charge.

use super::builder::sensor;
use super::entity::Entity;

pub const ROWS: &[Entity] = &[
    sensor("total_mileage_cloud", "Total mileage (cloud)")
        .counts("distance", "km", 0)
        .diagnostic()
        .disabled()
        .fact()
        .note("The odometer says the same, sooner."),
    sensor("total_energy_cloud", "Total energy consumption")
        .counts("energy", "kWh", 1)
        .diagnostic()
        .fact()
        .note("Since the car was new, standby included."),
    sensor("mileage_7d", "Mileage last 7 days")
        .measures(Some("distance"), "km", 0)
        .diagnostic()
        .fact(),
    energy("energy_7d", "Energy last 7 days", 1),
    sensor("consumption_6w", "Average consumption 6 weeks")
        .measures(Some("energy_distance"), "kWh/100km", 1)
        .diagnostic()
        .fact(),
    sensor("consumption_rank", "Consumption rank")
        .measures(None, "%", 0)
        .icon("mdi:podium")
        .diagnostic()
        .fact()
        .note("How the car stands among others, as the cloud has it."),
    energy("energy_last_week_total", "Energy last week", 2),
    energy("energy_last_week_driving", "Driving energy last week", 2),
    energy("energy_last_week_climate", "Climate energy last week", 2),
    energy("energy_last_week_other", "Other energy last week", 2),
    share("energy_share_last_week_driving", "Driving energy share last week"),
    share("energy_share_last_week_climate", "Climate energy share last week"),
    share("energy_share_last_week_other", "Other energy share last week"),
    share("energy_share_today_driving", "Driving energy share today"),
    share("energy_share_today_climate", "Climate energy share today"),
    share("energy_share_today_other", "Other energy share today"),
    sensor("last_charge_energy", "Last charge energy")
        .measures(None, "kWh", 2)
        .icon("mdi:battery-charging")
        .fact()
        .attributes_from("last_charge_energy/attributes")
        .note("The attributes say when and how."),
];

/// Energy of a window of time. It can fall, which Home Assistant's energy class does not allow.
const fn energy(key: &'static str, name: &'static str, decimals: u8) -> Entity {
    sensor(key, name)
        .measures(None, "kWh", decimals)
        .icon("mdi:lightning-bolt")
        .diagnostic()
        .fact()
}

/// What part of the energy went where.
const fn share(key: &'static str, name: &'static str) -> Entity {
    sensor(key, name)
        .measures(None, "%", 1)
        .icon("mdi:chart-donut")
        .diagnostic()
        .disabled()
        .fact()
}
