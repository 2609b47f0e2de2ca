//! The picture of the owner's car, as a package of layers.

use secrecy::{ExposeSecret, SecretString};

use super::envelope;
use super::error::CloudError;
use super::lenient;
use super::request::Call;
use super::session::Session;
use crate::vehicle::Vin;

const KEY: &str = "/carownerservice/oversea/vehicle/v1/carpicture/key";
const PACKAGE: &str = "/carownerservice/oversea/vehicle/v1/carpicture/package";

/// The key of a car's picture package. It changes with the picture.
#[derive(Debug, Clone)]
pub struct PictureKey(SecretString);

impl PictureKey {
    /// A key that was kept.
    pub fn new(text: SecretString) -> Self {
        Self(text)
    }

    /// The key, for keeping it.
    pub fn text(&self) -> &SecretString {
        &self.0
    }
}

impl Session {
    /// The key of the car's picture package; `None` when the cloud has no picture of the car.
    pub async fn picture_key(&self, vin: &Vin) -> Result<Option<PictureKey>, CloudError> {
        let call = Call::form(KEY)
            .text("deviceID", &self.tokens().device_id)
            .text("vin", vin.as_str());
        let data = envelope::data_if_any(&self.call(call).await?)?;
        let key = data.and_then(|data| lenient::text(&data, "key"));
        Ok(key.map(|key| PictureKey(key.into())))
    }

    /// The package: a ZIP archive. Keep it by car and key, and do not ask again within ten minutes of a failure.
    pub async fn picture_package(&self, key: &PictureKey) -> Result<Vec<u8>, CloudError> {
        let call = Call::form(PACKAGE).text("key", key.0.expose_secret()).for_package();
        envelope::archive(self.call(call).await?)
    }
}
