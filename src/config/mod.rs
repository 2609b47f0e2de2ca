//! Settings: built-in defaults and those of the installation, then `config.yaml`, the environment, the add-on's options and the command line, each
//! above the one before; read raw, then checked.
//!
//! Must not know what the rest of the program does with them. Start with [`keys::KEYS`], the table of all settings,
//! and [`Settings`], what comes out.

mod check;
mod error;
mod inline;
pub mod keys;
mod layers;
mod node;
mod options;
mod path;
mod raw;
mod settings;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use figment::Figment;

pub use error::ConfigError;
pub use keys::environment_example;
pub use settings::{
    Account, Admin, Alerts, CarSettings, Certificates, Cloud, Commands, Entities, Health, History, Log, LogFormat,
    LogLevel, Mqtt, MqttTls, NamedFile, Network, Polling, ServerIdentity, Settings, Telegram,
};

use layers::Layer;
use path::KeyPath;

/// The file that is read when none is named, if it exists.
const DEFAULT_FILE: &str = "config.yaml";

/// Where engines put the secrets of a container: readable for all, and nobody but the container is there.
const CONTAINER_SECRETS: &str = "/run/secrets";

/// Where settings come from. Without `Debug`, since the environment holds secrets.
#[derive(Clone, Default)]
pub struct Sources {
    /// What this installation has instead of the built-in defaults, by the path of its key.
    pub defaults: Vec<(String, String)>,
    /// The YAML file; `None` takes `config.yaml` of the working directory, if there is one.
    pub config_file: Option<PathBuf>,
    /// The environment; variables without our prefix are ignored.
    pub environment: Vec<(String, String)>,
    /// The options file of the Home Assistant add-on.
    pub addon_options: Option<PathBuf>,
    /// Values that the command line sets, by the path of their key (`mqtt.host`).
    pub overrides: Vec<(String, String)>,
    /// The entities that may be named.
    pub entities: EntityNames,
}

/// The keys of entities, which another room knows.
#[derive(Debug, Clone, Default)]
pub struct EntityNames {
    /// Those of a car.
    pub car: Vec<&'static str>,
    /// Those of the bridge.
    pub bridge: Vec<&'static str>,
    /// Keys of the past, each with its name of today.
    pub renamed: Vec<(&'static str, &'static str)>,
}

impl Sources {
    /// The given file and the environment of this process.
    pub fn of_process(config_file: Option<PathBuf>) -> Self {
        let text = |text: std::ffi::OsString| text.to_string_lossy().into_owned();
        Self {
            config_file,
            environment: std::env::vars_os()
                .map(|(name, value)| (text(name), text(value)))
                .collect(),
            ..Self::default()
        }
    }
}

/// Settings, and what the user should know about them.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The settings.
    pub settings: Settings,
    /// Lines to log once logging is set up.
    pub warnings: Vec<String>,
}

/// Reads, merges and checks all settings.
pub fn load(sources: Sources) -> Result<Loaded, ConfigError> {
    let mut warnings = Vec::new();
    let mut layers = vec![Layer::defaults()?, Layer::of_installation(&sources.defaults)?];
    let default_file = || Some(PathBuf::from(DEFAULT_FILE)).filter(|file| file.exists());
    if let Some(file) = sources.config_file.or_else(default_file) {
        let layer = Layer::yaml(&file)?;
        // The folder of an add-on is shared with the owner's editor, which runs as another user.
        let is_private = sources.addon_options.is_none() && layer.holds_secrets;
        warnings.extend(readable_by_others(&file).filter(|_| is_private));
        layers.push(layer);
    }
    layers.extend(Layer::environment(sources.environment)?);
    if let Some(file) = &sources.addon_options {
        layers.push(Layer::addon_options(file)?);
    }
    for (path, value) in &sources.overrides {
        layers.push(Layer::flag(&KeyPath::of(path), value)?);
    }
    // What an add-on reads lies in the same shared folder.
    if sources.addon_options.is_none() {
        let files: BTreeSet<&PathBuf> = layers.iter().flat_map(|layer| &layer.secret_files).collect();
        let files = files.into_iter().filter(|file| !file.starts_with(CONTAINER_SECRETS));
        warnings.extend(files.filter_map(|file| readable_by_others(file)));
    }
    warnings.extend(layers::not_yet(&layers));
    let figment = layers
        .into_iter()
        .fold(Figment::new(), |figment, layer| layer.merge_into(figment));
    let raw = figment.extract().map_err(|error| {
        let origin = error
            .metadata
            .as_ref()
            .map_or("configuration", |metadata| &*metadata.name);
        ConfigError::unreadable(&origin, &error)
    })?;
    Ok(Loaded {
        settings: check::check(&figment, raw, &sources.entities, sources.addon_options.is_some())?,
        warnings,
    })
}

fn readable_by_others(file: &Path) -> Option<String> {
    use std::os::unix::fs::PermissionsExt;

    let mode = std::fs::metadata(file).ok()?.permissions().mode();
    let name = file.display();
    (mode & 0o044 != 0).then(|| format!("{name} holds secrets and can be read by others; `chmod 600 {name}` helps"))
}
