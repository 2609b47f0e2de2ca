//! The Home Assistant add-on: where its files lie, what the Supervisor tells, and giving up the rights it starts with.
//!
//! The process is the add-on when the Supervisor gave it a token (`SUPERVISOR_TOKEN`) and wrote its options
//! (`/data/options.json`). Must not know what the settings mean or how the broker is spoken to. Start with [`AddOn`].

mod follower;
mod privileges;
mod supervisor;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use secrecy::SecretString;

pub use follower::Follower;
pub use privileges::step_down;
pub use supervisor::{Broker, Supervisor, SupervisorError};

/// The variable by which the Supervisor hands over the token.
const TOKEN: &str = "SUPERVISOR_TOKEN";
/// Where the Supervisor answers inside an add-on.
const SUPERVISOR: &str = "http://supervisor";
/// Where the bridge tells whether it lives, unless somebody says otherwise; what the Supervisor asks by the add-on's `watchdog`.
pub const HEALTH: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 8098);

/// The add-on that this process is.
#[derive(Clone)]
pub struct AddOn {
    root: PathBuf,
    supervisor: String,
    token: SecretString,
}

/// What stands for the file system and the Supervisor of an add-on where there is none: in tests.
#[derive(Debug, Clone, Default)]
pub struct StandIn {
    /// A directory in place of `/`.
    pub root: Option<PathBuf>,
    /// An address in place of the Supervisor's.
    pub supervisor: Option<String>,
}

impl AddOn {
    /// The add-on that this process is; `None` anywhere else.
    pub fn of_process(stand_in: &StandIn) -> Option<Self> {
        let token = std::env::var(TOKEN).ok().filter(|token| !token.is_empty())?;
        let addon = Self {
            root: stand_in.root.clone().unwrap_or_else(|| PathBuf::from("/")),
            supervisor: stand_in.supervisor.clone().unwrap_or_else(|| SUPERVISOR.to_owned()),
            token: token.into(),
        };
        addon.options().exists().then_some(addon)
    }

    /// What the owner filled in, as the Supervisor wrote it.
    pub fn options(&self) -> PathBuf {
        self.data().join("options.json")
    }

    /// Everything that is remembered; kept across updates and part of backups.
    pub fn data(&self) -> PathBuf {
        self.root.join("data")
    }

    /// The owner's own configuration file, if there is one.
    pub fn config_file(&self) -> Option<PathBuf> {
        Some(self.config().join("config.yaml")).filter(|file| file.exists())
    }

    /// The settings that are other than elsewhere unless somebody sets them, by the path of their key.
    pub fn defaults(&self) -> Vec<(String, String)> {
        let text = |path: &Path| path.display().to_string();
        [
            ("data_dir", text(&self.data())),
            ("certificates.app_cert", text(&self.config().join("app_cert.pem"))),
            ("certificates.app_key", text(&self.config().join("app_key.pem"))),
            ("health.listen", HEALTH.to_string()),
        ]
        .map(|(key, value)| (key.to_owned(), value))
        .to_vec()
    }

    /// The token, for the filter of the log.
    pub fn token(&self) -> &SecretString {
        &self.token
    }

    /// The folder that its owner fills.
    fn config(&self) -> PathBuf {
        self.root.join("config")
    }
}
