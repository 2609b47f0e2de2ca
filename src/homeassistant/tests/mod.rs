//! The room as a whole.

mod announcements;
mod catalog;
mod extremes;
mod values;

use super::StateMessage;

/// What a topic holds.
fn payload<'m>(messages: &'m [StateMessage], device: &str, path: &str) -> &'m str {
    let topic = format!("leapmotor2mqtt/{device}/{path}");
    let message = messages.iter().find(|message| message.topic == topic);
    let message = message.unwrap_or_else(|| panic!("{topic} is missing"));
    std::str::from_utf8(&message.payload).unwrap()
}
