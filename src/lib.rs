//! leapmotor2mqtt: the bridge between Leapmotor cars and Home Assistant, over MQTT.
//!
//! `ARCHITECTURE.md` has the picture of tasks and channels, and what each room must not know.

pub mod addon;
pub mod app;
pub mod cli;
pub mod clock;
pub mod cloud;
pub mod config;
pub mod garage;
pub mod health;
pub mod homeassistant;
pub mod logging;
pub mod mqtt;
pub mod protocol;
pub mod simulator;
pub mod store;
pub mod vehicle;
