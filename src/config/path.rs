//! Where a value stands, and what the table of keys says may stand there.

use std::fmt;

use super::keys::{ENVIRONMENT_PREFIX, KEYS, Key, Kind, RENAMED, VARIABLES};

/// Where a value stands: the names and list indices that lead to it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct KeyPath(Vec<String>);

/// What may stand at a path.
#[derive(Debug, Clone, Copy)]
pub enum Shape {
    /// A single value.
    Leaf(&'static Key),
    /// The name of a file that holds this secret.
    SecretFile,
    /// A list.
    List,
    /// Names, each with a value.
    Section,
    /// Nothing; there is no such key.
    Unknown,
}

impl KeyPath {
    /// The path of a row of the table without lists.
    pub fn of(row: &str) -> Self {
        Self(segments(row).map(str::to_owned).collect())
    }

    /// The path that an environment variable stands for; `None` when it is none of ours.
    pub fn from_variable(name: &str) -> Option<Self> {
        if let Some((_, path)) = VARIABLES.iter().find(|(variable, _)| *variable == name) {
            return Some(Self::of(path));
        }
        let rest = name.strip_prefix(ENVIRONMENT_PREFIX)?;
        Some(Self(rest.to_ascii_lowercase().split("__").map(str::to_owned).collect()))
    }

    /// The path one level down.
    pub fn join(&self, segment: impl Into<String>) -> Self {
        let mut deeper = self.clone();
        deeper.0.push(segment.into());
        deeper
    }

    /// The names and indices.
    pub fn segments(&self) -> &[String] {
        &self.0
    }

    /// The path of the secret whose file is named at this path.
    pub fn without_file(&self) -> Self {
        let mut secret = self.clone();
        if let Some(last) = secret.0.last_mut()
            && let Some(name) = last.strip_suffix("_file")
        {
            *last = name.to_owned();
        }
        secret
    }

    /// What may stand here.
    pub fn shape(&self) -> Shape {
        if self.0.is_empty() {
            return Shape::Section;
        }
        let secret = self.without_file();
        let mut shape = Shape::Unknown;
        for row in KEYS {
            match self.reaches(row.path) {
                Some(None) => return Shape::Leaf(row),
                Some(Some("[]")) => shape = Shape::List,
                Some(Some(_)) => shape = Shape::Section,
                None => {}
            }
            if matches!(row.kind, Kind::Secret(_)) && secret != *self && secret.reaches(row.path) == Some(None) {
                shape = Shape::SecretFile;
            }
        }
        shape
    }

    /// The name of today for a name of the past.
    pub fn renamed(&self) -> Option<&'static str> {
        RENAMED
            .iter()
            .find(|(old, _)| self.reaches(old) == Some(None))
            .map(|(_, new)| *new)
    }

    /// The known key whose name is most like this one.
    pub fn nearest(&self) -> &'static str {
        let asked = self.pattern();
        let rows = KEYS.iter().filter(|row| !row.doc.is_empty()).map(|row| row.path);
        let sections = rows
            .clone()
            .flat_map(|row| row.match_indices('.').map(move |(end, _)| &row[..end]));
        nearest(&asked, rows.chain(sections))
    }

    /// `None` when the row is elsewhere, `Some(None)` when this is its path, otherwise its next segment.
    fn reaches(&self, row: &'static str) -> Option<Option<&'static str>> {
        let mut row = segments(row);
        for segment in &self.0 {
            let fits = match row.next()? {
                "[]" => is_index(segment),
                "*" => !segment.is_empty(),
                name => name == segment,
            };
            if !fits {
                return None;
            }
        }
        Some(row.next())
    }

    /// The path as the table would write it.
    fn pattern(&self) -> String {
        let mut text = String::new();
        for segment in &self.0 {
            match (is_index(segment), text.is_empty()) {
                (true, _) => text.push_str("[]"),
                (false, true) => text.push_str(segment),
                (false, false) => {
                    text.push('.');
                    text.push_str(segment);
                }
            }
        }
        text
    }
}

impl fmt::Display for KeyPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, segment) in self.0.iter().enumerate() {
            match (is_index(segment), position) {
                (true, _) => write!(f, "[{segment}]")?,
                (false, 0) => f.write_str(segment)?,
                (false, _) => write!(f, ".{segment}")?,
            }
        }
        Ok(())
    }
}

/// The segments of a row, where `accounts[].cars` is `accounts`, `[]`, `cars`.
pub fn segments(row: &str) -> impl Iterator<Item = &str> {
    row.split('.')
        .flat_map(|part| match part.strip_suffix("[]") {
            Some(name) => [Some(name), Some("[]")],
            None => [Some(part), None],
        })
        .flatten()
}

fn is_index(segment: &str) -> bool {
    !segment.is_empty() && segment.len() <= 3 && segment.bytes().all(|byte| byte.is_ascii_digit())
}

/// The known name most like the one asked for; empty when none is known.
pub fn nearest<'k>(asked: &str, known: impl Iterator<Item = &'k str>) -> &'k str {
    let likeness = |known: &str| strsim::normalized_damerau_levenshtein(asked, known);
    known
        .max_by(|a, b| likeness(a).total_cmp(&likeness(b)))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::keys::variable;

    #[test]
    fn every_row_is_found_by_its_own_variable() {
        for row in KEYS {
            let path = KeyPath::from_variable(&variable(row)).unwrap();
            match path.shape() {
                Shape::Leaf(found) => assert_eq!(found.path, row.path),
                Shape::List => assert_eq!(Some(path.pattern().as_str()), row.path.strip_suffix("[]")),
                other => panic!("{}: {other:?}", row.path),
            }
        }
    }

    #[test]
    fn paths_of_lists_and_sections_have_their_shape() {
        assert!(matches!(KeyPath::of("accounts").shape(), Shape::List));
        assert!(matches!(KeyPath::of("accounts").join("0").shape(), Shape::Section));
        assert!(matches!(KeyPath::of("mqtt.tls").shape(), Shape::Section));
        assert!(matches!(KeyPath::of("mqtt.password_file").shape(), Shape::SecretFile));
        assert!(matches!(KeyPath::of("mqtt.host_file").shape(), Shape::Unknown));
        assert!(matches!(KeyPath::of("mqtt.hots").shape(), Shape::Unknown));
        assert!(matches!(
            KeyPath::from_variable("LEAPMOTOR2MQTT_").unwrap().shape(),
            Shape::Unknown
        ));
    }

    #[test]
    fn a_mistyped_key_is_near_to_the_right_one() {
        for (typed, meant) in [
            ("mqtt.hots", "mqtt.host"),
            ("mqqt", "mqtt"),
            ("mqtt_host", "mqtt.host"),
            ("admin.trusted_proxy", "admin.trusted_proxies[]"),
            ("datadir", "data_dir"),
        ] {
            assert_eq!(KeyPath::of(typed).nearest(), meant);
        }
        assert_eq!(
            KeyPath::of("accounts").join("3").join("usrname").nearest(),
            "accounts[].username"
        );
    }
}
