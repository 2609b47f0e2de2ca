//! The status of a car: the last frame it uploaded. Reading it neither wakes nor drains the car.

use serde_json::Value;

use super::error::CloudError;
use super::request::Call;
use super::session::Session;
use super::signals;
use crate::protocol::form;
use crate::vehicle::{Car, Frame, Model};

const STATUS: &str = "/carownerservice/oversea/vehicle/v1/status/get/";

/// The segment that serves most models.
const COMMON_SEGMENT: &str = "c10";

impl Session {
    /// The newest frame; empty when the car sleeps or has no coverage.
    ///
    /// A model whose own segment is unknown to the cloud is tried once with the common one; the outcome is kept with
    /// the session. A shared car without data is asked for once more by its id, which helps with some shares. Where the
    /// cloud does not take that question, the empty frame stands, and it is not put again for a while.
    pub async fn status(&self, car: &Car) -> Result<Frame, CloudError> {
        let (segment, data) = match self.account().segment(car.model.code()) {
            Some(segment) => {
                let data = self
                    .status_at(&segment, car, None)
                    .await
                    .map_err(|error| no_segment(error, &car.model))?;
                (segment, data)
            }
            None => self.find_status(car).await?,
        };
        let frame = signals::decode(&data);
        let Some(car_id) = car.car_id.as_deref().filter(|_| car.shared && !frame.has_data()) else {
            return Ok(frame);
        };
        if !self.account().may_ask_by_id(&car.vin, self.now()) {
            return Ok(frame);
        }
        match self.status_at(&segment, car, Some(car_id)).await {
            // An answer without data is no reason to leave the question out next time: the car may merely sleep, and
            // the poll that finds it awake may have nothing but this to see it by.
            Ok(data) => Ok(signals::decode(&data)),
            Err(CloudError::SessionLost) => Err(CloudError::SessionLost),
            Err(error) => {
                tracing::debug!(vin = %car.vin, %error, "a shared car cannot be asked for by its id");
                self.account().remember_refused_id(&car.vin, self.now());
                Ok(frame)
            }
        }
    }

    async fn find_status(&self, car: &Car) -> Result<(String, Value), CloudError> {
        let own = own_segment(&car.model);
        match self.status_at(&own, car, None).await {
            Err(CloudError::NotFound) if own != COMMON_SEGMENT => {}
            outcome => {
                let data = outcome.map_err(|error| no_segment(error, &car.model))?;
                return Ok((own, data));
            }
        }
        let outcome = self.status_at(COMMON_SEGMENT, car, None).await;
        match &outcome {
            Ok(_) => self.account().remember_segment(car.model.code(), COMMON_SEGMENT),
            Err(CloudError::NotFound) => self.account().remember_segment(car.model.code(), &own),
            Err(_) => {}
        }
        let data = outcome.map_err(|error| no_segment(error, &car.model))?;
        Ok((COMMON_SEGMENT.to_owned(), data))
    }

    async fn status_at(&self, segment: &str, car: &Car, car_id: Option<&str>) -> Result<Value, CloudError> {
        let path = format!("{STATUS}{}", form::encode(segment));
        let mut call = Call::form(path).text("vin", car.vin.as_str());
        if let Some(car_id) = car_id {
            // The one field that the cloud wants unsigned.
            call = call.unsigned("carId", car_id);
        }
        self.data(call).await
    }
}

/// The lower-case model code, except for the models known to be served elsewhere.
fn own_segment(model: &Model) -> String {
    match model.code() {
        "B10" | "B11" | "B05" => COMMON_SEGMENT.to_owned(),
        code => code.to_lowercase(),
    }
}

fn no_segment(error: CloudError, model: &Model) -> CloudError {
    match error {
        CloudError::NotFound => CloudError::NoVehicleSegment {
            model: model.code().to_owned(),
        },
        error => error,
    }
}
