//! What the tests of this room share.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, LazyLock};

use crate::homeassistant::Options;
use crate::vehicle::{Car, CarView, Fleet, Model, PinStatus, Powertrain, VehicleState, Vin};

/// Usual topics, everything allowed.
pub fn options() -> Options {
    Options {
        version: "1.0.0",
        support_url: "https://example.com",
        ..Options::default()
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
