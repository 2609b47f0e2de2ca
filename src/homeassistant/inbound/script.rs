//! A command as JSON: `{"command":"charge-limit","params":{"percent":80},"id":"abc","expires":"2026-11-21T20:00:00Z"}`.

use jiff::Timestamp;
use serde_json::Value as Json;

use super::{Object, reject};
use crate::homeassistant::commands::Rejection;
use crate::vehicle::intent::Reason;

/// The longest name and id that are taken, in bytes.
const MAX_NAME: usize = 128;

/// A command as a script asked for it.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// The name.
    pub command: String,
    /// The parameters.
    pub params: Object,
    /// The sender's own id.
    pub id: Option<String>,
    /// The sender's own deadline.
    pub expires: Option<Timestamp>,
}

impl Request {
    /// Reads it. A key that is not known is an error: it could be a mistyped deadline.
    pub fn read(payload: &str) -> Result<Self, Rejection> {
        let invalid = |detail: &str| reject(Reason::InvalidPayload, detail);
        let Ok(Json::Object(object)) = serde_json::from_str::<Json>(payload) else {
            return Err(invalid("the message is not a JSON object"));
        };
        let mut command = None;
        let mut params = Object::new();
        let mut id = None;
        let mut expires = None;
        for (key, value) in object {
            match (key.as_str(), value) {
                ("params" | "id" | "expires", Json::Null) => {}
                ("command", Json::String(name)) if name.len() <= MAX_NAME => command = Some(name),
                ("params", Json::Object(object)) => params = object,
                ("id", Json::String(text)) if text.len() <= MAX_NAME => id = Some(text),
                ("id", Json::Number(number)) => id = Some(number.to_string()),
                ("expires", Json::String(text)) => {
                    let time = text.trim().parse();
                    expires = Some(time.map_err(|_| invalid("`expires` is an ISO 8601 time with its offset"))?);
                }
                ("command", _) => return Err(invalid("`command` is the name of a command")),
                ("params", _) => return Err(invalid("`params` is an object")),
                ("id", _) => return Err(invalid("`id` is a text of at most 128 bytes")),
                ("expires", _) => return Err(invalid("`expires` is an ISO 8601 time with its offset")),
                _ => return Err(invalid("the keys are `command`, `params`, `id` and `expires`")),
            }
        }
        let command = command.ok_or_else(|| invalid("`command` is missing"))?;
        Ok(Self {
            command,
            params,
            id,
            expires,
        })
    }
}
