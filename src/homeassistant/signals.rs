//! Signals nobody has a name for: one entity per number, switched off at first, that shows the value as it came.
//!
//! They are a family instead of rows of the catalog, because which numbers a car sends is only known when it does.

use serde_json::{Value as Json, json};

use crate::homeassistant::catalog::entity::Cadence;
use crate::homeassistant::format;
use crate::homeassistant::states::StateMessage;
use crate::homeassistant::{Options, Scene};
use crate::vehicle::Vin;
use crate::vehicle::facts::{Subject, Value};

/// No car comes near; more numbers than this are a fault. Fewer are announced where the discovery message has no room.
const MOST: usize = 300;

/// The key of the family, in the tables of names and for the owner's choice.
pub const FAMILY: &str = "signal";

/// The key of the entity of a signal.
pub fn key(signal: u32) -> String {
    format!("{FAMILY}_{signal}")
}

/// The signals of the car that may have an entity, the lowest numbers first: all, unless the owner wants none.
pub fn of(scene: &Scene<'_>) -> impl Iterator<Item = u32> {
    let subject = Subject::Car(scene.view.car.vin.clone());
    let most = match scene.options.choices.of(&subject, FAMILY) {
        Some(false) => 0,
        Some(true) | None => MOST,
    };
    scene.view.unknown_signals.iter().copied().take(most)
}

/// What the discovery message says about a signal, apart from its ids.
pub fn component(signal: u32, vin: &Vin, options: &Options) -> Json {
    let name = options.language.name(FAMILY, "Signal");
    json!({
        "p": "sensor",
        "name": format!("{name} {signal}"),
        "stat_t": options.car_topic(vin, &key(signal)),
        "ent_cat": "diagnostic",
        "en": false,
        "ic": "mdi:code-tags",
    })
}

/// The values of the signals.
pub fn states(scene: &Scene<'_>, options: &Options) -> Vec<StateMessage> {
    let message = |signal| {
        let value = scene.state.frame.unknown.get(&signal).map(ToString::to_string);
        StateMessage {
            topic: options.car_topic(&scene.view.car.vin, &key(signal)),
            payload: format::payload(value.map(Value::Text).as_ref(), &options.time_zone)
                .into_bytes()
                .into(),
            cadence: Cadence::OnChange,
        }
    };
    of(scene).map(message).collect()
}
