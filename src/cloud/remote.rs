//! Remote control, in the steps the cloud wants. The caller puts them in order and never repeats a write.
//!
//! For a command with PIN: [`Session::sync_certificate`], [`Session::verify_pin`], [`Session::write`], then
//! [`Session::result`] until it is true or the time is over. The destination command needs the write alone.

use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};

use super::envelope;
use super::error::CloudError;
use super::lenient;
use super::request::Call;
use super::session::Session;
use crate::protocol::pin;
use crate::vehicle::Vin;

const CERTIFICATE_SYNC: &str = "/carownerservice/oversea/vehicle/v1/cert/sync";
const PIN_VERIFY: &str = "/carownerservice/oversea/vehicle/v1/operPwd/verify";
const WRITE: &str = "/carownerservice/oversea/vehicle/v1/app/remote/ctl";
const RESULT: &str = "/carownerservice/oversea/vehicle/v1/app/remote/ctl/result/query";

/// How long to wait for the car, and how often to ask, when the cloud says neither.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);
const DEFAULT_INTERVAL: Duration = Duration::from_secs(2);

/// What the cloud says is taken within these bounds. The upper ones keep a nonsensical answer from blocking a car.
const TIMEOUT_BOUNDS: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(120));
const INTERVAL_BOUNDS: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(30));

/// A command as the cloud takes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payload {
    /// The number of the command.
    pub cmd_id: u16,
    /// Its content, a JSON text. It is signed and sent exactly as it stands.
    pub content: String,
}

/// The PIN, encrypted for the present token and accepted by the cloud. With the session it opens the car.
#[derive(Debug, Clone)]
pub struct OperatePassword(SecretString);

/// A command that the cloud took. Only a later status proves that the car carried it out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// By which the result is asked for; without one there is nothing to wait for.
    pub ticket: Option<String>,
    /// How long the car has to confirm.
    pub timeout: Duration,
    /// How long to wait between two questions for the result.
    pub interval: Duration,
}

impl Written {
    /// How long to wait before the next question, `elapsed` after the write; `None` when the car's time would be over
    /// by then. The first question comes at once.
    pub fn next_wait(&self, elapsed: Duration) -> Option<Duration> {
        (elapsed + self.interval < self.timeout).then_some(self.interval)
    }
}

impl Session {
    /// Prepares the sign-in for commands. The first success is remembered, so that it is done once per sign-in.
    pub async fn sync_certificate(&self) -> Result<(), CloudError> {
        let sync = || async {
            self.data(Call::form(CERTIFICATE_SYNC).with_app_certificate()).await?;
            Ok(())
        };
        self.account().certificate_synced.get_or_try_init(sync).await.copied()
    }

    /// Checks the PIN; nothing is sent to the car. The result is good for this car until the next refresh.
    pub async fn verify_pin(&self, vin: &Vin, pin: &SecretString) -> Result<OperatePassword, CloudError> {
        let encrypted = pin::encrypt(pin.expose_secret(), self.tokens().access.expose_secret());
        let call = Call::form(PIN_VERIFY)
            .text("operatePassword", &encrypted)
            .text("vin", vin.as_str());
        envelope::pin_check(&self.call(call).await?)?;
        Ok(OperatePassword(encrypted.into()))
    }

    /// Sends a command. Whatever the outcome, the caller must not send it again: it could act twice. Whether a failure
    /// means that the car will not act is what [`CloudError::leaves_outcome_open`] says.
    pub async fn write(
        &self,
        vin: &Vin,
        payload: &Payload,
        pin: Option<&OperatePassword>,
    ) -> Result<Written, CloudError> {
        let mut call = Call::form(WRITE)
            .text("cmdContent", &payload.content)
            .text("vin", vin.as_str())
            .number("cmdId", payload.cmd_id.into());
        if let Some(OperatePassword(encrypted)) = pin {
            call = call.text("operatePassword", encrypted.expose_secret());
        }
        let data = self.data(call).await?;
        let duration = |name, default, (shortest, longest): (Duration, Duration)| {
            let milliseconds = lenient::integer(&data, name).and_then(|value| u64::try_from(value).ok());
            milliseconds
                .map_or(default, Duration::from_millis)
                .clamp(shortest, longest)
        };
        Ok(Written {
            ticket: lenient::text(&data, "remoteCtlId"),
            timeout: duration("queryRemoteCtlResultTimeout", DEFAULT_TIMEOUT, TIMEOUT_BOUNDS),
            interval: duration("queryInterval", DEFAULT_INTERVAL, INTERVAL_BOUNDS),
        })
    }

    /// Whether the car confirmed the command. Anything but a plain yes is "not yet".
    pub async fn result(&self, ticket: &str) -> Result<bool, CloudError> {
        let data = self.data(Call::form(RESULT).text("remoteCtlId", ticket)).await?;
        Ok(data == 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_result_is_asked_for_until_the_next_question_would_come_too_late() {
        let written = Written {
            ticket: Some("1".to_owned()),
            timeout: Duration::from_secs(5),
            interval: Duration::from_secs(2),
        };
        let mut asked_at = vec![Duration::ZERO];
        let mut elapsed = Duration::ZERO;
        while let Some(wait) = written.next_wait(elapsed) {
            elapsed += wait;
            asked_at.push(elapsed);
        }
        assert_eq!(asked_at, [0, 2, 4].map(Duration::from_secs), "6 s is past the deadline");
        let late = written.next_wait(Duration::from_secs(3));
        assert_eq!(late, None, "an answer that came late counts too");
    }
}
