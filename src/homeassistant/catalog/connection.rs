//! What we know of the car as a member of the account, and how fresh it is.

use serde_json::{Map, Value as Json, json};

use super::builder::{binary, entity, moment, sensor, words};
use super::entity::{Entity, Fits, Platform, Wish};
use crate::homeassistant::commands::{self, Rejection};
use crate::homeassistant::scene::{Scene, flag, number, pressed, word};
use crate::vehicle::car::PinStatus;
use crate::vehicle::facts::Value;
use crate::vehicle::intent::{BridgeAction, Intent, Reason};
use crate::vehicle::{Command, Reading as R};

/// What Home Assistant sends to install an update.
const INSTALL: &str = "install";

pub const ROWS: &[Entity] = &[
    binary("vehicle_online", "Vehicle online")
        .class("connectivity")
        .diagnostic()
        .known(|car| {
            car.state.vehicle_time?;
            Some(Value::Flag(!car.state.stale))
        })
        .note("Off while the newest word of the car is old; that is normal for a sleeping car."),
    binary("frame_frozen", "Car not reporting")
        .class("problem")
        .diagnostic()
        .known(|car| flag(car.state.frozen))
        .note(
            "On when a car fell silent that should be talking: for a quarter of an hour while it drives or charges, for \
             hours while it is parked and the cloud repeats its last word. A sleeping car is not a problem.",
        ),
    sensor("data_age", "Data age")
        .measures(Some("duration"), "s", 0)
        .diagnostic()
        .disabled()
        .at_most_every(5)
        .known(|car| number(car.data_age()?, 0)),
    moment("last_vehicle_update", "Last vehicle update")
        .diagnostic()
        .at_most_every(5)
        .known(|car| car.state.vehicle_time.map(Value::Time))
        .attributes(rejected)
        .note("The attributes say what the car sent that cannot be true, how often and why; the last good value stays."),
    moment("last_cloud_refresh", "Last cloud refresh")
        .diagnostic()
        .at_most_every(15)
        .known(|car| car.state.answered.map(Value::Time))
        .note("When the cloud last answered, also with nothing new."),
    entity(Platform::Button, "refresh", "Refresh now")
        .icon("mdi:refresh")
        .diagnostic()
        .acts(|payload, car| {
            pressed(payload)?;
            Ok(Wish::Now(Intent::Bridge(BridgeAction::Refresh(
                car.view.car.vin.clone(),
            ))))
        }),
    sensor("last_command", "Last command")
        .icon("mdi:remote")
        .diagnostic()
        .fact()
        .attributes_from("last_command/attributes"),
    entity(Platform::Event, "event_command", "Command result")
        .icon("mdi:remote")
        .diagnostic()
        .happens(&[
            "accepted",
            "confirmed",
            "not_confirmed",
            "refused",
            "superseded",
            "expired",
        ]),
    entity(Platform::Update, "vehicle_software", "Vehicle software")
        .class("firmware")
        .diagnostic()
        .fact()
        .attributes_from("vehicle_software/attributes")
        .may_send(&["fota-install"], |payload, car| match payload {
            INSTALL => Ok(car.wish(Command::SoftwareInstall { task: None })),
            _ => Err(Rejection {
                reason: Reason::InvalidPayload,
                detail: format!("an update takes {INSTALL}"),
            }),
        })
        .details(|car| {
            let can_install = commands::offered("fota-install", &car.view.car, &car.options.policy);
            let install = can_install.then(|| ("pl_inst".to_owned(), json!(INSTALL)));
            install.into_iter().collect()
        })
        .note("Only shows what is installed and offered, unless `commands.allow` names `fota-install`."),
    entity(Platform::Image, "vehicle_image", "Vehicle picture")
        .icon("mdi:car-side")
        .fact()
        .details(|_| Map::from_iter([("cont_type".to_owned(), json!("image/png"))])),
    binary("pin_configured", "PIN configured")
        .icon("mdi:form-textbox-password")
        .diagnostic()
        .known(|car| Some(Value::Flag(car.view.pin != PinStatus::Missing)))
        .note("Off: commands are unavailable until a PIN is stored."),
    binary("pin_problem", "PIN rejected")
        .class("problem")
        .diagnostic()
        .known(|car| Some(Value::Flag(car.view.pin == PinStatus::Rejected)))
        .note("On: the cloud refused the PIN; nothing is sent until it is changed."),
    words("ownership", "Account role", &["owner", "shared"])
        .diagnostic()
        .disabled()
        .known(|car| word(if car.view.car.shared { "shared" } else { "owner" })),
    moment("shared_until", "Share expires")
        .diagnostic()
        .disabled()
        .only(Fits::Shared)
        .known(|car| car.view.car.share_expires.map(Value::Time))
        .note("Unknown for a share without an end."),
    sensor("vin", "VIN")
        .icon("mdi:identifier")
        .diagnostic()
        .disabled()
        .known(|car| word(car.view.car.vin.last(6)))
        .note("The last six characters."),
    binary("bluetooth", "Bluetooth")
        .class("connectivity")
        .diagnostic()
        .from(&[R::BluetoothOn], |car| car.is_set(R::BluetoothOn)),
    binary("hotspot_state", "Wi-Fi hotspot state")
        .class("connectivity")
        .diagnostic()
        .from(&[R::HotspotOn], |car| car.is_set(R::HotspotOn)),
];

/// The fields of which something was rejected.
fn rejected(car: &Scene<'_>) -> Map<String, Json> {
    let fields: Map<String, Json> = car
        .state
        .rejections
        .iter()
        .map(|(field, rejected)| {
            let why = json!({"count": rejected.count, "reason": rejected.reason.name()});
            (field.to_owned(), why)
        })
        .collect();
    Map::from_iter([("rejected".to_owned(), Json::Object(fields))])
}
