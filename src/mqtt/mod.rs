//! The connection to the MQTT broker: what goes out, what comes in, and coming back after every loss.
//!
//! It must not know what the entities mean: that is `homeassistant`, which this room asks for topics and payloads and
//! hands every command message to. Nothing outside this room names the client library.
//!
//! Start with [`Bridge`], the task. What it decides is pure and in files of its own: [`publisher`] (what goes out next)
//! with [`outbox`] (states) and [`announcer`] (discovery), [`replies`] (answers to commands) and [`events`]. `commands` takes in what
//! arrives, `session` is one connection. [`purge()`] takes everything of ours off a broker; `embedded` is the broker of the demo.

pub mod announcer;
mod backoff;
mod bridge;
mod commands;
#[cfg(feature = "embedded-broker")]
pub mod embedded;
pub mod events;
mod failure;
mod link;
pub mod outbox;
pub mod publisher;
mod purge;
pub mod replies;
mod session;
mod settings;
mod troubles;
mod wires;

pub use announcer::Manifest;
pub use bridge::Bridge;
pub use failure::Failure;
pub use purge::{Purge, probe, purge};
pub use session::LOG_DIRECTIVE;
pub use settings::{MqttSettings, TlsFiles, TlsFilesError};
pub use wires::Wires;

#[cfg(test)]
mod fixture;
