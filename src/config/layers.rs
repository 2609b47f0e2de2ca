//! The sources of settings, each turned into checked values that know where they came from.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::fs;
use std::path::{Path, PathBuf};

use figment::value::{Dict, Map, Value};
use figment::{Metadata, Profile, Provider};

use super::error::{ConfigError, one_line};
use super::inline;
use super::keys::{ENVIRONMENT_PREFIX, KEYS, Key, Kind};
use super::node::Node;
use super::options;
use super::path::{KeyPath, Shape};

/// Largest configuration or secret file that is read, in bytes.
const MAX_FILE: u64 = 1 << 20;

/// The origin of the built-in defaults.
pub const BUILT_IN: &str = "built-in default";

/// What is expected of a secret that was given in both ways.
const SECRET_TWICE: &str = "given either itself or as a file, not both";

/// The values of one origin. A list of a higher layer replaces that of a lower one, so lists are cleared first.
#[derive(Default)]
pub struct Layer {
    origin: String,
    cleared: Vec<KeyPath>,
    values: Vec<(KeyPath, Value)>,
    from_files: Vec<(String, KeyPath, Value)>,
    /// Whether a secret itself stands here, not only the name of a file that holds it.
    pub holds_secrets: bool,
    /// The files that secrets were read from.
    pub secret_files: Vec<PathBuf>,
    /// Sections with a value that this version does nothing with.
    not_yet: Vec<String>,
}

impl Layer {
    /// The built-in defaults.
    pub fn defaults() -> Result<Self, ConfigError> {
        let mut layer = Self::named(&BUILT_IN);
        for row in KEYS {
            if let Some(default) = row.default {
                layer.take(&KeyPath::of(row.path), Node::Text(default.to_owned()))?;
            }
        }
        Ok(layer)
    }

    /// A YAML file.
    pub fn yaml(path: &Path) -> Result<Self, ConfigError> {
        let mut layer = Self::named(&path.display());
        let text = read(path).map_err(|reason| ConfigError::unreadable(&path.display(), &reason))?;
        let node = Node::from_yaml(&text).map_err(|error| ConfigError::unreadable(&path.display(), &error))?;
        layer.take(&KeyPath::default(), node)?;
        Ok(layer)
    }

    /// What an installation of some kind has instead of the built-in defaults.
    pub fn of_installation(values: &[(String, String)]) -> Result<Self, ConfigError> {
        let mut layer = Self::named(&"default of the add-on");
        for (path, value) in values {
            layer.take_line(&KeyPath::of(path), value)?;
        }
        Ok(layer)
    }

    /// The options that the Supervisor writes for the Home Assistant add-on: one JSON object.
    pub fn addon_options(path: &Path) -> Result<Self, ConfigError> {
        let mut layer = Self::named(&path.display());
        let text = read(path).map_err(|reason| ConfigError::unreadable(&path.display(), &reason))?;
        let node =
            inline::parse(&text).ok_or_else(|| ConfigError::unreadable(&path.display(), &"not well-formed JSON"))?;
        let node = options::as_settings(node, &layer.origin)?;
        layer.take(&KeyPath::default(), node)?;
        Ok(layer)
    }

    /// The environment: a layer for each variable of ours, so that every value knows its own.
    pub fn environment(mut variables: Vec<(String, String)>) -> Result<Vec<Self>, ConfigError> {
        variables.retain(|(name, _)| name.starts_with(ENVIRONMENT_PREFIX));
        // A whole list comes before its single places, because its name is their beginning.
        variables.sort();
        let mut layers: Vec<Self> = Vec::new();
        for (name, value) in &variables {
            let Some(path) = KeyPath::from_variable(name) else {
                continue;
            };
            let mut layer = Self::named(&format!("environment variable {name}"));
            layer.take_line(&path, value)?;
            // The file of a secret comes after the secret itself.
            if let Some((_, secret, _)) = layer.from_files.first()
                && layers
                    .iter()
                    .any(|other| other.values.iter().any(|(path, _)| path == secret))
            {
                return Err(layer.invalid(secret, SECRET_TWICE));
            }
            layers.push(layer);
        }
        Ok(layers)
    }

    /// A value given with the start of the program, by the path of its key.
    pub fn flag(path: &KeyPath, value: &str) -> Result<Self, ConfigError> {
        let mut layer = Self::named(&"command line");
        layer.take_line(path, value)?;
        Ok(layer)
    }

    /// Adds the layer on top of the others.
    pub fn merge_into(self, figment: figment::Figment) -> figment::Figment {
        let empty = |path| (path, Value::from(Vec::<Value>::new()));
        let cleared = Values {
            origin: self.origin.clone(),
            values: self.cleared.into_iter().map(empty).collect(),
        };
        let figment = figment.merge(cleared).merge(Values {
            origin: self.origin,
            values: self.values,
        });
        self.from_files
            .into_iter()
            .fold(figment, |figment, (origin, path, value)| {
                figment.merge(Values {
                    origin,
                    values: vec![(path, value)],
                })
            })
    }

    fn named(origin: &dyn Display) -> Self {
        Self {
            origin: origin.to_string(),
            ..Self::default()
        }
    }

    /// Takes what was written into one line: the text itself for a single value, otherwise a list or section.
    fn take_line(&mut self, path: &KeyPath, line: &str) -> Result<(), ConfigError> {
        let trimmed = line.trim();
        let node = match path.shape() {
            Shape::List | Shape::Section if trimmed.is_empty() => Node::Empty,
            // `a, b` is enough for a list of plain values.
            Shape::List if !trimmed.starts_with('[') => Node::List(
                trimmed
                    .split(',')
                    .map(|item| Node::Text(item.trim().to_owned()))
                    .collect(),
            ),
            shape @ (Shape::List | Shape::Section) => {
                inline::parse(trimmed).ok_or_else(|| self.invalid(path, expected(shape)))?
            }
            _ => Node::Text(line.to_owned()),
        };
        self.take(path, node)
    }

    /// Takes a value and all below it. An empty one counts as not given.
    fn take(&mut self, path: &KeyPath, node: Node) -> Result<(), ConfigError> {
        match (path.shape(), node) {
            (Shape::Unknown, _) => Err(self.unknown(path)),
            (_, Node::Empty) => Ok(()),
            (Shape::Leaf(_) | Shape::SecretFile, Node::Text(text)) if text.is_empty() => Ok(()),
            (Shape::Leaf(key), Node::Text(text)) => self.take_value(path, key, &text),
            (Shape::SecretFile, Node::Text(file)) => self.take_secret_file(path, &file),
            (Shape::List, Node::List(items)) => {
                self.cleared.push(path.clone());
                let places = (0..).map(|place: usize| path.join(place.to_string()));
                places.zip(items).try_for_each(|(path, item)| self.take(&path, item))
            }
            (Shape::Section, Node::Section(entries)) => {
                let mut seen = BTreeSet::new();
                for (name, value) in entries {
                    let path = path.join(name);
                    if !seen.insert(path.clone()) {
                        return Err(self.invalid(&path, "given only once"));
                    }
                    self.take(&path, value)?;
                }
                Ok(())
            }
            (shape, _) => Err(self.invalid(path, expected(shape))),
        }
    }

    fn take_value(&mut self, path: &KeyPath, key: &Key, text: &str) -> Result<(), ConfigError> {
        let value = match key.kind {
            Kind::Text | Kind::Secret(_) => Some(Value::from(text)),
            Kind::Flag => text.trim().parse::<bool>().ok().map(Value::from),
            Kind::Number(low, high) => text
                .trim()
                .parse::<i64>()
                .ok()
                .filter(|number| (low..=high).contains(number))
                .map(Value::from),
            Kind::Choice(words) => words.contains(&text).then(|| Value::from(text)),
        };
        // The value is quoted only here, where it cannot be a secret: those are always taken as they are.
        let value = value.ok_or_else(|| self.invalid(path, format!("{}, not `{text}`", key.kind.expected())))?;
        self.holds_secrets |= matches!(key.kind, Kind::Secret(_));
        self.once(path)?;
        self.values.push((path.clone(), value));
        if asks_for_something(key, text) {
            self.note_not_yet(path, key);
        }
        Ok(())
    }

    fn take_secret_file(&mut self, path: &KeyPath, file: &str) -> Result<(), ConfigError> {
        let origin = format!("{}: `{path}` names {file}", self.origin);
        let text = read(Path::new(file)).map_err(|reason| ConfigError::unreadable(&origin, &reason))?;
        // Editors and `echo` end a file with a line break that is no part of the secret.
        let secret = text.strip_suffix('\n').unwrap_or(&text);
        let secret = secret.strip_suffix('\r').unwrap_or(secret);
        if secret.is_empty() {
            return Err(ConfigError::unreadable(&origin, &"the file is empty"));
        }
        let path = path.without_file();
        self.once(&path)?;
        if let Shape::Leaf(key) = path.shape() {
            self.note_not_yet(&path, key);
        }
        self.secret_files.push(file.into());
        self.from_files
            .push((format!("file {file}"), path, Value::from(secret)));
        Ok(())
    }

    /// Remembers the section of a key that this version does nothing with.
    fn note_not_yet(&mut self, path: &KeyPath, key: &Key) {
        if key.not_yet {
            self.not_yet.extend(path.segments().first().cloned());
        }
    }

    fn once(&self, path: &KeyPath) -> Result<(), ConfigError> {
        let given = self.values.iter().map(|(path, _)| path);
        let mut given = given.chain(self.from_files.iter().map(|(_, path, _)| path));
        match given.any(|given| given == path) {
            true => Err(self.invalid(path, SECRET_TWICE)),
            false => Ok(()),
        }
    }

    fn unknown(&self, path: &KeyPath) -> ConfigError {
        let (origin, key) = (self.origin.clone(), one_line(path));
        match path.renamed() {
            Some(new) => ConfigError::Renamed { origin, key, new },
            None => ConfigError::UnknownKey {
                origin,
                key,
                nearest: path.nearest().to_owned(),
            },
        }
    }

    fn invalid(&self, path: &KeyPath, expected: impl Display) -> ConfigError {
        ConfigError::invalid(&self.origin, path, &expected)
    }
}

/// What the user should know of settings that this version does nothing with: a line for each section, whoever has set it
/// first.
pub fn not_yet(layers: &[Layer]) -> Vec<String> {
    let mut sections = BTreeMap::new();
    for layer in layers {
        for section in &layer.not_yet {
            sections.entry(section).or_insert(&layer.origin);
        }
    }
    sections
        .into_iter()
        .map(|(section, origin)| format!("{origin}: `{section}` is set, but this version does nothing with it yet"))
        .collect()
}

/// Whether something would have to come of this value: not of one that is the default, nor of switching off what is not
/// there.
fn asks_for_something(key: &Key, text: &str) -> bool {
    let text = text.trim();
    let switches_off = key.path.ends_with(".enabled") && text == "false";
    key.default != Some(text) && !switches_off
}

/// Values for figment, all from one origin.
struct Values {
    origin: String,
    values: Vec<(KeyPath, Value)>,
}

impl Provider for Values {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.origin.clone())
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        let mut dict = Dict::new();
        for (path, value) in &self.values {
            insert(&mut dict, path.segments(), value.clone());
        }
        Ok(Profile::Default.collect(dict))
    }
}

fn insert(dict: &mut Dict, path: &[String], value: Value) {
    match path {
        [] => {}
        [last] => {
            dict.insert(last.clone(), value);
        }
        [first, rest @ ..] => {
            let below = dict.entry(first.clone()).or_insert_with(|| Value::from(Dict::new()));
            if let Value::Dict(_, below) = below {
                insert(below, rest, value);
            }
        }
    }
}

fn expected(shape: Shape) -> String {
    match shape {
        Shape::Leaf(key) => key.kind.expected(),
        Shape::SecretFile => "the path of a file".to_owned(),
        Shape::List => "a list, like [a, b] or [{name=value}]".to_owned(),
        Shape::Section | Shape::Unknown => "a section with keys of its own".to_owned(),
    }
}

fn read(path: &Path) -> Result<String, String> {
    let size = fs::metadata(path).map_err(|error| error.to_string())?.len();
    if size > MAX_FILE {
        return Err(format!("larger than {MAX_FILE} bytes"));
    }
    fs::read(path)
        .map_err(|error| error.to_string())
        .and_then(|bytes| String::from_utf8(bytes).map_err(|_| "not UTF-8 text".to_owned()))
}
