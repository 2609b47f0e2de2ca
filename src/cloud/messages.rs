//! Messages of the cloud to the account.

use jiff::Timestamp;
use serde_json::Value;

use super::envelope;
use super::error::CloudError;
use super::lenient;
use super::request::Call;
use super::session::Session;
use crate::vehicle::Vin;

const LIST: &str = "/carownerservice/oversea/message/v1/list";
const UNREAD: &str = "/carownerservice/oversea/message/v1/unread/count";

/// A message.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    /// The cloud's id of it.
    pub id: Option<i64>,
    /// Which car it is about.
    pub vin: Option<Vin>,
    /// Heading.
    pub title: Option<String>,
    /// Text.
    pub text: Option<String>,
    /// When it was sent.
    pub sent: Option<Timestamp>,
    /// Whether somebody read it.
    pub read: bool,
    /// A number of unknown meaning, often missing.
    pub kind: Option<i64>,
}

impl Session {
    /// Messages, the newest first; pages count from 1.
    pub async fn messages(&self, page: u32, size: u32) -> Result<Vec<Message>, CloudError> {
        let call = Call::form(LIST)
            .number("pageNo", page.into())
            .number("pageSize", size.into());
        Ok(entries(&self.data(call).await?).iter().filter_map(message).collect())
    }

    /// How many messages nobody has read.
    pub async fn unread_count(&self) -> Result<u64, CloudError> {
        let answer = self.call(Call::form(UNREAD)).await?;
        let Some(data) = envelope::data_if_any(&answer)? else {
            return Ok(0);
        };
        unread(&data).ok_or(CloudError::Unreadable {
            status: answer.status,
            reason: "no number of unread messages",
        })
    }
}

/// A list, alone or under one of several names.
fn entries(data: &Value) -> &[Value] {
    let named = ["list", "records", "rows"].iter().find_map(|name| data.get(name));
    match (data, named) {
        (Value::Array(entries), _) => entries,
        (_, named) => lenient::items(named),
    }
}

fn message(entry: &Value) -> Option<Message> {
    entry.is_object().then(|| Message {
        id: lenient::integer(entry, "id"),
        vin: lenient::text(entry, "vin").and_then(|vin| Vin::parse(&vin).ok()),
        title: lenient::text(entry, "title"),
        text: lenient::text(entry, "message"),
        sent: lenient::moment(entry, "sendTime"),
        read: lenient::integer(entry, "readFlag") == Some(1),
        kind: lenient::integer(entry, "msgType"),
    })
}

/// A number, alone or under one of several names.
fn unread(data: &Value) -> Option<u64> {
    let named = || {
        ["unread", "unreadCount", "count"]
            .iter()
            .find_map(|name| lenient::integer(data, name))
    };
    let count = lenient::value_integer(data).or_else(named)?;
    u64::try_from(count).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn lists_and_counts_come_in_several_shapes() {
        for data in [
            json!([{"id": 1}]),
            json!({"records": [{"id": 1}]}),
            json!({"rows": {"id": 1}}),
        ] {
            assert_eq!(entries(&data).len(), 1, "{data}");
        }
        assert!(entries(&json!({"count": 0, "list": null})).is_empty());
        for data in [json!(4), json!("4"), json!({"unreadCount": 4}), json!({"count": "4"})] {
            assert_eq!(unread(&data), Some(4), "{data}");
        }
        assert_eq!(unread(&json!({"other": 4})), None);
    }
}
