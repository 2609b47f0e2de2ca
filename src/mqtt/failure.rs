//! Why a connection to the broker could not be made or was lost, in the words of its owner.

use std::time::Duration;

use rumqttc::v5::mqttbytes::v5::{ConnectReturnCode, DisconnectReasonCode};
use rumqttc::v5::mqttbytes::{self};
use rumqttc::v5::{ConnectionError, StateError};

/// Longest wait while the broker is merely away: trying costs nobody anything, and a broker that comes back is found
/// well within half a minute.
const LONGEST_WAIT_AWAY: Duration = Duration::from_secs(15);

/// Longest wait when the broker said no, or somebody must act.
const LONGEST_WAIT_REFUSED: Duration = Duration::from_secs(300);

/// Why there is no connection. Which kind it is decides how urgently to try again, and that it is logged once.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// Not reachable, not answering, or gone.
    #[error("the broker is away ({0})")]
    Away(String),
    /// It refused user name or password.
    #[error("the broker refused the user name or password")]
    WrongCredentials,
    /// It refused us without saying that the password is wrong. mosquitto answers a wrong password with this too.
    #[error(
        "the broker refused the sign-in as not authorised: user name or password wrong or missing, or not allowed to connect"
    )]
    NotAuthorised,
    /// TLS failed: wrong CA, wrong name, client certificate wanted, or no TLS on that port.
    #[error("no secure connection to the broker ({0})")]
    Tls(String),
    /// Somebody else signed in with our client id.
    #[error("another client with the same client id took the connection over; every bridge needs its own")]
    TakenOver,
    /// It does not speak MQTT 5, or not in a way we understand.
    #[error("the broker does not speak MQTT 5 as we understand it ({0})")]
    Protocol(String),
    /// It lets us in, but not use this topic.
    #[error("the broker does not let our user publish or subscribe on {0}")]
    Forbidden(String),
    /// Any other refusal, by the broker's own code.
    #[error("the broker refused the connection ({0})")]
    Refused(String),
}

impl Failure {
    /// Whether a person has to do something about it.
    pub fn needs_a_person(&self) -> bool {
        !matches!(self, Self::Away(_) | Self::Refused(_))
    }

    /// Longest wait before the next attempt.
    pub fn longest_wait(&self) -> Duration {
        match self {
            Self::Away(_) => LONGEST_WAIT_AWAY,
            _ => LONGEST_WAIT_REFUSED,
        }
    }

    /// Its kind, without the details.
    pub(super) fn kind(&self) -> std::mem::Discriminant<Self> {
        std::mem::discriminant(self)
    }
}

impl From<ConnectionError> for Failure {
    fn from(error: ConnectionError) -> Self {
        match error {
            ConnectionError::ConnectionRefused(code) => refused(code),
            ConnectionError::MqttState(error) => broken(error),
            ConnectionError::Tls(error) => Self::Tls(error.to_string()),
            ConnectionError::Io(error) => lost(&error),
            ConnectionError::Timeout(_) => Self::Away("no answer".to_owned()),
            ConnectionError::NotConnAck(_) => Self::Protocol("it answered something else".to_owned()),
            ConnectionError::RequestsDone => Self::Away("closed".to_owned()),
        }
    }
}

fn refused(code: ConnectReturnCode) -> Failure {
    match code {
        ConnectReturnCode::BadUserNamePassword => Failure::WrongCredentials,
        ConnectReturnCode::NotAuthorized => Failure::NotAuthorised,
        ConnectReturnCode::RefusedProtocolVersion | ConnectReturnCode::UnsupportedProtocolVersion => {
            Failure::Protocol("it refused version 5".to_owned())
        }
        ConnectReturnCode::ServerUnavailable
        | ConnectReturnCode::ServiceUnavailable
        | ConnectReturnCode::ServerBusy => Failure::Away("it is busy".to_owned()),
        other => Failure::Refused(format!("{other:?}")),
    }
}

fn broken(error: StateError) -> Failure {
    match error {
        StateError::ConnFail { reason } => refused(reason),
        StateError::Io(error) => lost(&error),
        StateError::Deserialization(mqttbytes::Error::Io(error)) => lost(&error),
        StateError::ConnectionAborted => Failure::Away("it closed the connection".to_owned()),
        StateError::AwaitPingResp | StateError::CollisionTimeout => Failure::Away("no answer".to_owned()),
        StateError::ServerDisconnect {
            reason_code: DisconnectReasonCode::SessionTakenOver,
            ..
        } => Failure::TakenOver,
        StateError::ServerDisconnect {
            reason_code: DisconnectReasonCode::NotAuthorized,
            ..
        } => Failure::NotAuthorised,
        StateError::ServerDisconnect { reason_code, .. } => Failure::Away(format!("{reason_code:?}")),
        other => Failure::Protocol(other.to_string()),
    }
}

/// A broker that wants a client certificate says so by a TLS alert after the handshake, which arrives as an I/O error.
fn lost(error: &std::io::Error) -> Failure {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        Some(tls) => Failure::Tls(tls.to_string()),
        None => Failure::Away(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[test]
    fn a_tls_alert_inside_an_io_error_is_a_tls_failure() {
        let alert = rustls::Error::AlertReceived(rustls::AlertDescription::CertificateRequired);
        let failure = Failure::from(ConnectionError::Io(io::Error::new(io::ErrorKind::InvalidData, alert)));
        assert!(matches!(failure, Failure::Tls(_)), "{failure:?}");
    }

    #[test]
    fn a_broker_that_is_away_is_tried_often_and_one_that_said_no_seldom() {
        let away = Failure::from(ConnectionError::Io(io::ErrorKind::ConnectionRefused.into()));
        let no = Failure::from(ConnectionError::ConnectionRefused(
            ConnectReturnCode::BadUserNamePassword,
        ));
        assert!(away.longest_wait() < Duration::from_secs(20) && !away.needs_a_person());
        assert!(no.longest_wait() == Duration::from_secs(300) && no.needs_a_person());
        assert_ne!(away.kind(), no.kind());
        assert_eq!(
            Failure::Away("a".to_owned()).kind(),
            Failure::Away("b".to_owned()).kind()
        );
    }
}
