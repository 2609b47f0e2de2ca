//! What somebody wants, whoever asks: a message, a person at the page, a bot. And what became of it.

use std::fmt;

use jiff::Timestamp;

use super::command::Command;
use super::facts::{FactKey, Subject};
use super::vin::Vin;

/// What somebody wants.
#[derive(Debug, Clone, PartialEq)]
pub enum Intent {
    /// Something for a car to do.
    Car(Vin, Command),
    /// Something for the bridge to do.
    Bridge(BridgeAction),
    /// A setting to change: whose, which (the key of its entity), and the new value as it was written.
    Setting(Subject, FactKey, String),
}

/// Something the bridge does itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BridgeAction {
    /// Read this car now.
    Refresh(Vin),
    /// Answer the oldest share invitation that waits.
    AnswerShare {
        /// Accept or reject.
        accept: bool,
    },
    /// Announce all entities again.
    Rediscover,
    /// Give up the session and sign in afresh.
    ReconnectCloud,
    /// End with an error, so that whoever supervises the bridge starts it afresh.
    Restart,
}

/// What enters the garage: an intent with its circumstances.
#[derive(Debug, Clone, PartialEq)]
pub enum Request {
    /// A command for a car.
    Command(CommandRequest),
    /// Something for the bridge itself.
    Action(BridgeAction),
    /// A setting to change: whose, which, and the new value as it was written.
    Setting(Subject, FactKey, String),
}

/// A command on its way in, before the gate has seen it.
#[derive(Debug, Clone, PartialEq)]
pub struct CommandRequest {
    /// Number by which the asker recognises the reports about this request; unique within one run and origin.
    pub ticket: u64,
    /// For which car.
    pub vin: Vin,
    /// What to do.
    pub command: Command,
    /// The asker's own id, echoed in the answer and used to recognise duplicates.
    pub id: Option<String>,
    /// Who asks.
    pub origin: Origin,
    /// When it arrived.
    pub received: Timestamp,
    /// The asker's own deadline for the write, if one was given.
    pub expires: Option<Timestamp>,
}

/// Who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// An MQTT message: Home Assistant or a script.
    Mqtt,
}

impl Origin {
    /// Its stable name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Mqtt => "mqtt",
        }
    }
}

/// A state in the life of a command (`design.md` 3.3): `accepted`, then exactly one of the others; `refused` alone at
/// the gate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommandState {
    /// Passed the gate and queued.
    Accepted,
    /// The car's own state shows the effect, or the car confirmed where no state can show it.
    Confirmed,
    /// Written, but neither the car nor its state confirmed it in time. It may still happen.
    NotConfirmed,
    /// Not written.
    Refused,
    /// Replaced by a newer command of the same effect before it was written.
    Superseded,
    /// Too old before it could be written.
    Expired,
}

impl CommandState {
    /// Its stable name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Confirmed => "confirmed",
            Self::NotConfirmed => "not_confirmed",
            Self::Refused => "refused",
            Self::Superseded => "superseded",
            Self::Expired => "expired",
        }
    }
}

/// Why a command ended as it did. The names are a contract with automations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reason {
    /// The message was retained on the broker.
    Retained,
    /// The message was older than it may be.
    Expired,
    /// The same id or correlation data within a minute, or the DUP flag.
    Duplicate,
    /// Not readable as a command.
    InvalidPayload,
    /// No such command.
    UnknownCommand,
    /// No such car.
    UnknownVehicle,
    /// A parameter is missing.
    MissingParameter,
    /// A parameter is outside its range.
    OutOfRange,
    /// The account lacks the right.
    MissingRight,
    /// The car lacks the ability.
    MissingAbility,
    /// The model does not support it.
    ModelUnsupported,
    /// The owner switched this command or its class off.
    DeniedByPolicy,
    /// Not while the car moves.
    Moving,
    /// Not while nobody knows whether the car moves: it has fallen silent on the way, or has not said yet.
    MotionUnknown,
    /// Only with the gear in P.
    NotInPark,
    /// Only with a cable plugged in.
    NotPlugged,
    /// No PIN is known.
    PinMissing,
    /// The cloud refused the PIN; nothing is sent until it is changed.
    PinRejected,
    /// The cloud refused the command.
    CloudRefused,
    /// The cloud could not be reached before the command was written.
    CloudUnavailable,
    /// The sign-in needs the owner's attention.
    SignInNeeded,
    /// Neither the car nor its state confirmed in time.
    Timeout,
    /// Too many commands wait for this car.
    QueueFull,
    /// The bridge is stopping.
    Stopping,
    /// What is planned could not be read, so it cannot be rewritten without losing it.
    PlanUnknown,
    /// There is no schedule that could be switched.
    NothingScheduled,
    /// The cloud offers no software update.
    NoUpdate,
}

impl Reason {
    /// Its stable name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Retained => "retained",
            Self::Expired => "expired",
            Self::Duplicate => "duplicate",
            Self::InvalidPayload => "invalid_payload",
            Self::UnknownCommand => "unknown_command",
            Self::UnknownVehicle => "unknown_vehicle",
            Self::MissingParameter => "missing_parameter",
            Self::OutOfRange => "out_of_range",
            Self::MissingRight => "missing_right",
            Self::MissingAbility => "missing_ability",
            Self::ModelUnsupported => "model_unsupported",
            Self::DeniedByPolicy => "denied_by_policy",
            Self::Moving => "moving",
            Self::MotionUnknown => "motion_unknown",
            Self::NotInPark => "not_in_park",
            Self::NotPlugged => "not_plugged",
            Self::PinMissing => "pin_missing",
            Self::PinRejected => "pin_rejected",
            Self::CloudRefused => "cloud_refused",
            Self::CloudUnavailable => "cloud_unavailable",
            Self::SignInNeeded => "sign_in_needed",
            Self::Timeout => "timeout",
            Self::QueueFull => "queue_full",
            Self::Stopping => "stopping",
            Self::PlanUnknown => "plan_unknown",
            Self::NothingScheduled => "nothing_scheduled",
            Self::NoUpdate => "no_update",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What became of a command, for the asker and for Home Assistant.
#[derive(Debug, Clone, PartialEq)]
pub struct CommandReport {
    /// The ticket of the request.
    pub ticket: u64,
    /// For which car.
    pub vin: Vin,
    /// The name of the command, as the registry has it.
    pub command: &'static str,
    /// The asker's own id.
    pub id: Option<String>,
    /// Who asked.
    pub origin: Origin,
    /// What became of it.
    pub state: CommandState,
    /// Why, unless it was confirmed or accepted.
    pub reason: Option<Reason>,
    /// When it arrived.
    pub received: Timestamp,
    /// When it ended; `None` while it is under way.
    pub finished: Option<Timestamp>,
}
