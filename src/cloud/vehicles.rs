//! The cars of an account.

use serde_json::Value;

use super::error::CloudError;
use super::lenient;
use super::request::Call;
use super::session::Session;
use crate::vehicle::{Car, Model, Vin};

const LIST: &str = "/carownerservice/oversea/vehicle/v1/list";

/// The two lists, and whether their cars were shared to the account.
const PARTS: [(&str, bool); 2] = [("bindcars", false), ("sharedcars", true)];

/// The model of a car that names none; most cars of this market answer like it.
const ASSUMED_MODEL: Model = Model::C10;

impl Session {
    /// The cars the account owns, then those shared to it. None means: no car bound, or a share not yet accepted or
    /// withdrawn.
    pub async fn vehicles(&self) -> Result<Vec<Car>, CloudError> {
        let data = self.data(Call::form(LIST)).await?;
        // Whoever has no car gets empty lists. An answer with neither says nothing, least of all that the cars are gone.
        if PARTS.iter().all(|(list, _)| data.get(list).is_none()) {
            return Err(CloudError::Unreadable {
                status: 200,
                reason: "no list of cars in it",
            });
        }
        let mut cars: Vec<Car> = Vec::new();
        for (list, shared) in PARTS {
            for car in lenient::items(data.get(list))
                .iter()
                .filter_map(|entry| car(entry, shared))
            {
                if cars.iter().all(|known| known.vin != car.vin) {
                    cars.push(car);
                }
            }
        }
        Ok(cars)
    }
}

/// An entry without a VIN is no car we could do anything with.
fn car(entry: &Value, shared: bool) -> Option<Car> {
    Some(Car {
        vin: Vin::parse(&lenient::text(entry, "vin")?).ok()?,
        model: lenient::text(entry, "carType").map_or(ASSUMED_MODEL, |code| Model::parse(&code)),
        name: lenient::text(entry, "vinNickname"),
        year: lenient::integer(entry, "year"),
        car_id: lenient::text(entry, "carId"),
        shared,
        share_expires: lenient::moment(entry, "expireTime"),
        rights: lenient::codes(entry, "rightList"),
        abilities: lenient::codes(entry, "abilities"),
    })
}
