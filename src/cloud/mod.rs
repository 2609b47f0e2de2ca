//! The maker's cloud: the only room that knows its calls, its field names and its codes.
//!
//! Start with [`Gateway`], which signs in and gives a [`Session`]; the session's calls stand in one file per subject.
//! Every call goes through `request`, `transport` and `envelope`; the last reads every answer and is the only place that
//! looks at codes. What the room must not know: MQTT, Home Assistant, storage, and
//! when to call. Recovering a lost session and putting the steps of a command in order is the caller's.

mod account_certificate;
mod client_certificate;
mod envelope;
mod error;
mod gateway;
mod lenient;
mod request;
mod session;
mod settings;
mod tls;
mod transport;

mod charging;
mod messages;
pub mod payload;
mod picture;
mod remote;
mod schedules;
mod shares;
pub mod signals;
mod software;
mod statistics;
mod status;
mod vehicles;

#[cfg(test)]
mod over_tls;
#[cfg(test)]
mod replay;
#[cfg(test)]
pub(crate) mod testing;

pub use account_certificate::AccountCertificateError;
pub use charging::{Charge, HistoryPage};
pub use client_certificate::{AppCertificate, CertificateError, IdentityError, PemFile};
pub use error::CloudError;
pub use gateway::{CallNote, Gateway, new_device_id};
pub use messages::Message;
pub use picture::PictureKey;
pub use remote::{OperatePassword, Payload, Written};
pub use schedules::{Appointment, ScheduleEntry, ScheduleKind};
pub use session::{SavedSession, Session};
pub use settings::{CloudSettings, Credentials, Fingerprint, InvalidFingerprint, ServerIdentity, is_on_this_machine};
pub use shares::ShareInvitation;
pub use software::{ReleaseNotes, SoftwareInfo, SoftwareUpdate};
pub use statistics::{Day, EnergyBreakdown, MileageEnergy, PlugInWeekly, Week, WeeklyRank, Window};
