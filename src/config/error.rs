//! Why the configuration cannot be used, in one line that names the key and where it came from.

use std::fmt::Display;

use super::settings::NamedFile;

/// A configuration that cannot be used. No variant carries the value of a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// A key that does not exist.
    #[error("{origin}: unknown key `{key}`; the nearest known key is `{nearest}`")]
    UnknownKey {
        /// The file or variable.
        origin: String,
        /// The key as it was written.
        key: String,
        /// The known key most like it.
        nearest: String,
    },
    /// A key that has another name now.
    #[error("{origin}: `{key}` is called `{new}` here")]
    Renamed {
        /// The file or variable.
        origin: String,
        /// The key as it was written.
        key: String,
        /// Its name.
        new: &'static str,
    },
    /// A name that does not exist, in a list of names.
    #[error("{origin}: `{key}` names `{name}`, which does not exist; the nearest known name is `{nearest}`")]
    UnknownName {
        /// The file or variable.
        origin: String,
        /// The key.
        key: String,
        /// The name as it was written.
        name: String,
        /// The known name most like it.
        nearest: String,
    },
    /// A value that the key cannot have.
    #[error("{origin}: `{key}` must be {expected}")]
    Invalid {
        /// The file or variable.
        origin: String,
        /// The key.
        key: String,
        /// What it has to be.
        expected: String,
    },
    /// A file that cannot be read, or not as what it should be.
    #[error("{origin}: {reason}")]
    Unreadable {
        /// The file, or the key or variable that named it.
        origin: String,
        /// What is wrong, in one line.
        reason: String,
    },
}

impl ConfigError {
    /// A file that a setting names is not what it should be, as another room found when it read it.
    pub fn of_file(file: &NamedFile, reason: &dyn Display) -> Self {
        Self::unreadable(&format_args!("{}: `{}`", file.origin, file.key), reason)
    }

    pub(super) fn invalid(origin: impl Into<String>, key: &dyn Display, expected: &dyn Display) -> Self {
        let (origin, key, expected) = (origin.into(), one_line(key), one_line(expected));
        Self::Invalid { origin, key, expected }
    }

    pub(super) fn unreadable(origin: &dyn Display, reason: &dyn Display) -> Self {
        Self::Unreadable {
            origin: origin.to_string(),
            reason: one_line(reason),
        }
    }
}

/// The text without the line breaks that keys, values and the errors of libraries may contain.
pub(super) fn one_line(text: &dyn Display) -> String {
    text.to_string().split(char::is_control).collect::<Vec<_>>().join(" ")
}
