//! What the tests of this room share.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, LazyLock};

use jiff::tz::TimeZone;

use crate::homeassistant::{Language, Options, Policy};
use crate::vehicle::{Car, CarView, Fleet, Model, PinStatus, Powertrain, VehicleState, Vin};

/// Usual topics, everything allowed.
pub fn options() -> Options {
    Options {
        base_topic: "leapmotor2mqtt".to_owned(),
        discovery_prefix: "homeassistant".to_owned(),
        status_topic: "homeassistant/status".to_owned(),
        version: "1.0.0",
        support_url: "https://example.com",
        language: Language::English,
        time_zone: TimeZone::UTC,
        expected_facts: BTreeSet::new(),
        policy: Policy::default(),
        configuration_url: None,
    }
}

/// One car, always the same one.
pub fn fleet() -> Fleet {
    static FLEET: LazyLock<Fleet> = LazyLock::new(|| {
        let vin = Vin::parse("LFZTEST0000000001").unwrap();
        let car = Car {
            vin: vin.clone(),
            model: Model::C10,
            name: Some("Family car".to_owned()),
            year: Some(2026),
            car_id: None,
            shared: false,
            share_expires: None,
            rights: BTreeSet::new(),
            abilities: BTreeSet::new(),
        };
        let view = CarView {
            car,
            powertrain: Powertrain::Bev,
            state: Some(VehicleState::default()),
            evidence: BTreeSet::new(),
            unknown_signals: BTreeSet::new(),
            pending: BTreeMap::new(),
            pin: PinStatus::Ready,
            reachable: true,
        };
        Fleet::from([(vin, Arc::new(view))])
    });
    FLEET.clone()
}
