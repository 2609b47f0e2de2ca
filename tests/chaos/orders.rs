//! Which writes to the cars the commands allow: each at most one, in its time, and none for what must not be carried out.

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

/// A command that may be carried out once.
#[derive(Debug, Clone)]
pub struct Order {
    pub id: String,
    pub vin: String,
    /// `cmdId` of its write.
    pub command: &'static str,
    /// What its content holds and that of no other command with this `cmdId` at the same time.
    pub mark: String,
    /// When it was sent, simulated.
    pub from: Timestamp,
    /// When it was too late.
    pub until: Timestamp,
}

/// A write that reached the cloud.
#[derive(Debug, Clone)]
pub struct Write {
    pub time: Timestamp,
    pub vin: String,
    pub command: String,
    pub content: String,
}

impl Write {
    /// The writes among the requests of the simulated cloud, answered or not.
    pub fn among(requests: &[Value]) -> Vec<Self> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        requests
            .iter()
            .filter(|request| !request["cmd_id"].is_null() && text(&request["path"]).ends_with("/remote/ctl"))
            .map(|request| Self {
                time: text(&request["time"]).parse().unwrap(),
                vin: text(&request["vin"]),
                command: text(&request["cmd_id"]),
                content: text(&request["cmd_content"]),
            })
            .collect()
    }
}

/// Gives every write an order of its own, the one that ends first among those it fits; tells which writes find none.
/// `slack` is how long a write may be on its way.
pub fn unfounded(orders: &[Order], writes: &[Write], slack: SignedDuration) -> Vec<String> {
    let mut open: Vec<&Order> = orders.iter().collect();
    open.sort_by_key(|order| order.until);
    let mut unfounded = Vec::new();
    for write in writes {
        let fits = |order: &&Order| {
            order.vin == write.vin && order.command == write.command && write.content.contains(&order.mark)
        };
        let in_time = |order: &&Order| order.from <= write.time && write.time <= order.until + slack;
        match open.iter().position(|order| fits(order) && in_time(order)) {
            Some(place) => drop(open.remove(place)),
            None => {
                let known: Vec<_> = orders.iter().filter(fits).collect();
                unfounded.push(format!(
                    "no command allows this write: {write:?}; those of its kind: {known:?}"
                ));
            }
        }
    }
    unfounded
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Timestamp = Timestamp::constant(1_790_000_000, 0);

    fn at(seconds: i64) -> Timestamp {
        START + SignedDuration::from_secs(seconds)
    }

    fn unlock(id: &str, from: i64, until: i64) -> Order {
        Order {
            id: id.to_owned(),
            vin: "V".to_owned(),
            command: "110",
            mark: "\"unlock\"".to_owned(),
            from: at(from),
            until: at(until),
        }
    }

    fn write(content: &str, time: i64) -> Write {
        Write {
            time: at(time),
            vin: "V".to_owned(),
            command: "110".to_owned(),
            content: content.to_owned(),
        }
    }

    fn faults(orders: &[Order], writes: &[(&str, i64)]) -> usize {
        let writes: Vec<Write> = writes.iter().map(|(content, time)| write(content, *time)).collect();
        unfounded(orders, &writes, SignedDuration::from_secs(5)).len()
    }

    const UNLOCK: &str = r#"{"value":"unlock"}"#;

    #[test]
    fn a_command_allows_one_write_in_its_time() {
        let orders = [unlock("a", 0, 60)];
        assert_eq!(faults(&orders, &[]), 0);
        assert_eq!(faults(&orders, &[(UNLOCK, 10)]), 0);
        assert_eq!(faults(&orders, &[(UNLOCK, 64)]), 0);
        assert_eq!(faults(&orders, &[(UNLOCK, 10), (UNLOCK, 11)]), 1, "repeated");
        assert_eq!(faults(&orders, &[(UNLOCK, 66)]), 1, "late");
        assert_eq!(faults(&orders, &[(r#"{"value":"lock"}"#, 10)]), 1, "another command");
        assert_eq!(faults(&[], &[(UNLOCK, 10)]), 1, "nobody asked");
    }

    #[test]
    fn of_several_commands_each_allows_one() {
        let orders = [unlock("long", 0, 600), unlock("short", 20, 60)];
        assert_eq!(faults(&orders, &[(UNLOCK, 30), (UNLOCK, 500)]), 0);
        assert_eq!(faults(&orders, &[(UNLOCK, 30), (UNLOCK, 500), (UNLOCK, 501)]), 1);
    }
}
