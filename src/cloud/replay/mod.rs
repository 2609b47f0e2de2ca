//! Every recorded call, made again: the requests must be the recorded ones to the letter, and so must what we read in
//! the answers, except where we deliberately read them more leniently.

mod cars;
mod commands;
mod reads;
mod sessions;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::testing::{Script, signed_in, vector};
use super::{CloudError, Session};
use crate::protocol::vectors::{section, text};
use crate::vehicle::{Car, Model, Vin};

const VIN: &str = "LFZTEST0000000001";

fn vin() -> Vin {
    Vin::parse(VIN).unwrap()
}

fn car(model: &str) -> Car {
    Car {
        vin: vin(),
        model: Model::parse(model),
        name: None,
        year: None,
        car_id: Some("88".to_owned()),
        shared: false,
        share_expires: None,
        rights: [].into(),
        abilities: [].into(),
    }
}

/// A recorded call that is about to be made again.
struct Replay {
    vector: &'static Value,
    session: Session,
    script: Script,
}

impl Replay {
    async fn of(part: &str, name: &str) -> Self {
        let vector = vector(part, name);
        let (session, script) = signed_in().await;
        script.play(&vector["responses"]);
        Self {
            vector,
            session,
            script,
        }
    }

    /// Compares what was asked, field by field.
    fn check_requests(&self) {
        let name = text(self.vector, "name");
        let (asked, expected) = (self.script.requests(), self.vector["requests"].as_array().unwrap());
        for (asked, expected) in asked.iter().zip(expected) {
            for field in ["method", "url", "headers", "body", "json", "client_cert"] {
                assert_eq!(asked[field], expected[field], "{name}: {field}");
            }
        }
        assert_eq!(asked.len(), expected.len(), "{name}");
    }

    /// Also compares the kind of failure.
    fn check_error(&self, error: &CloudError) {
        self.check_requests();
        let name = text(self.vector, "name");
        assert_eq!(
            category(error),
            text(&self.vector["error"], "category"),
            "{name}: {error:?}"
        );
    }
}

fn category(error: &CloudError) -> &'static str {
    match error {
        CloudError::SignInRejected | CloudError::PinRejected { .. } => "auth",
        CloudError::AccountCertificate(_) => "account_certificate",
        CloudError::NotPermitted => "permission",
        _ => "api",
    }
}

fn milliseconds(moment: Option<Timestamp>) -> Value {
    moment.map(Timestamp::as_millisecond).into()
}

/// Every field of `ours` stands in `expected` with the same value; numbers count as equal whatever their form.
fn assert_within(expected: &Value, ours: &Value) {
    match (expected, ours) {
        (Value::Object(expected), Value::Object(ours)) => {
            for (name, value) in ours {
                assert_within(
                    expected.get(name).unwrap_or_else(|| panic!("{name} is not expected")),
                    value,
                );
            }
        }
        (Value::Array(expected), Value::Array(ours)) => {
            assert_eq!(expected.len(), ours.len(), "{ours:?}");
            for (expected, ours) in expected.iter().zip(ours) {
                assert_within(expected, ours);
            }
        }
        _ if expected.is_number() && ours.is_number() => assert_eq!(expected.as_f64(), ours.as_f64()),
        _ => assert_eq!(expected, ours),
    }
}

fn check_cars(expected: &Value, cars: &[Car]) {
    let ours: Vec<Value> = cars
        .iter()
        .map(|car| {
            json!({
                "vin": car.vin.as_str(),
                "car_type": car.model.code(),
                "car_id": car.car_id,
                "vehicle_nickname": car.name,
                "is_shared": car.shared,
                "expire_time": milliseconds(car.share_expires),
                "year": car.year,
                "rights": car.rights,
                "abilities": car.abilities,
            })
        })
        .collect();
    assert_within(expected, &ours.into());
}

#[test]
fn no_recorded_call_is_left_out() {
    assert_eq!((section("http").len(), section("remote_flows").len()), (47, 11));
    // Each name stands in one of the tests.
    let source = [
        include_str!("cars.rs"),
        include_str!("commands.rs"),
        include_str!("reads.rs"),
        include_str!("sessions.rs"),
    ]
    .concat();
    for vector in section("http").iter().chain(section("remote_flows")) {
        let name = text(vector, "name");
        let status_path = name.strip_prefix("status-path-").map(|model| format!("\"{model}\""));
        assert!(
            source.contains(&status_path.unwrap_or_else(|| format!("\"{name}\""))),
            "{name}"
        );
    }
}
