//! What a car is: its identity, what it can do, what it said last and what follows from that.
//!
//! Pure: no I/O, no clock, no tasks; the time is always an argument. Knows neither the cloud's field names nor MQTT.
//! Start with [`Frame`] (what the car said), then [`VehicleState`] (what we make of it), [`mod@derive`]
//! (how), then [`command`].

pub mod car;
pub mod command;
pub mod derive;
pub mod facts;
pub mod intent;
pub mod profile;
pub mod reading;
pub mod settings;
pub mod state;
pub mod transitions;
pub mod units;
pub mod vin;

pub use car::{Car, CarView, Fleet, PinStatus};
pub use command::Command;
pub use profile::{Model, Powertrain};
pub use reading::{Frame, RawValue, Reading};
pub use state::VehicleState;
pub use transitions::Happening;
pub use vin::Vin;
