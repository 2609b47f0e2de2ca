//! The names of entities in other languages than English, which stands in the catalog itself.
//!
//! One file per language in `languages/`, by the key of the row. Only what people read changes: entity ids, topics and
//! the words of a state stay English.

use std::collections::BTreeMap;
use std::sync::LazyLock;

/// A language of entity names.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Language {
    /// English.
    #[default]
    English,
    /// German.
    German,
    /// French.
    French,
    /// Italian.
    Italian,
    /// Spanish.
    Spanish,
    /// Dutch.
    Dutch,
    /// Polish.
    Polish,
    /// Portuguese.
    Portuguese,
}

impl Language {
    /// Every language.
    pub const ALL: [Self; 8] = [
        Self::English,
        Self::German,
        Self::French,
        Self::Italian,
        Self::Spanish,
        Self::Dutch,
        Self::Polish,
        Self::Portuguese,
    ];

    /// The language of an IETF tag such as `de` or `de-AT`; `None` for one we have no names in.
    pub fn parse(tag: &str) -> Option<Self> {
        let (language, _) = tag.trim().split_once(['-', '_']).unwrap_or((tag.trim(), ""));
        Self::ALL
            .into_iter()
            .find(|known| known.code().eq_ignore_ascii_case(language))
    }

    /// Its two letters.
    pub fn code(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::German => "de",
            Self::French => "fr",
            Self::Italian => "it",
            Self::Spanish => "es",
            Self::Dutch => "nl",
            Self::Polish => "pl",
            Self::Portuguese => "pt",
        }
    }

    /// The name of the row with this key, whose English name is given.
    pub fn name(self, key: &str, english: &'static str) -> &'static str {
        self.names().get(key).map_or(english, String::as_str)
    }

    /// The names by key; none for English.
    pub(super) fn names(self) -> &'static BTreeMap<String, String> {
        static NAMES: LazyLock<[BTreeMap<String, String>; 8]> = LazyLock::new(|| Language::ALL.map(read));
        // `ALL` has them in the order of their declaration, which is what their numbers count.
        &NAMES[self as usize]
    }
}

/// A file that cannot be read would leave its language English; a test reads them all.
fn read(language: Language) -> BTreeMap<String, String> {
    let file = match language {
        Language::English => return BTreeMap::new(),
        Language::German => include_str!("languages/de.json"),
        Language::French => include_str!("languages/fr.json"),
        Language::Italian => include_str!("languages/it.json"),
        Language::Spanish => include_str!("languages/es.json"),
        Language::Dutch => include_str!("languages/nl.json"),
        Language::Polish => include_str!("languages/pl.json"),
        Language::Portuguese => include_str!("languages/pt.json"),
    };
    serde_json::from_str(file).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::homeassistant::{Platform, catalog};

    #[test]
    fn a_tag_names_its_language_whatever_the_region() {
        for (tag, expected) in [
            ("de", Some(Language::German)),
            ("pt-BR", Some(Language::Portuguese)),
            ("EN-gb", Some(Language::English)),
            ("nl_BE", Some(Language::Dutch)),
            ("ja", None),
            ("", None),
        ] {
            assert_eq!(Language::parse(tag), expected, "{tag}");
        }
    }

    #[test]
    fn every_language_names_every_row_and_nothing_else() {
        // Home Assistant shows no name of a device trigger.
        let named = catalog::rows().filter(|row| row.platform != Platform::DeviceAutomation);
        let keys: BTreeSet<&str> = named.map(|row| row.key).chain(["signal"]).collect();
        for language in &Language::ALL[1..] {
            let names: BTreeSet<&str> = language.names().keys().map(String::as_str).collect();
            let missing: Vec<_> = keys.difference(&names).collect();
            let unknown: Vec<_> = names.difference(&keys).collect();
            assert!(
                missing.is_empty() && unknown.is_empty(),
                "{}: {missing:?} missing, {unknown:?} unknown",
                language.code()
            );
        }
    }

    #[test]
    fn no_two_rows_of_a_device_have_the_same_name_in_any_language() {
        for language in Language::ALL {
            let mut names = BTreeSet::new();
            for row in catalog::rows() {
                let name = language.name(row.key, row.name);
                assert!(
                    !name.trim().is_empty() && name == name.trim(),
                    "{}: {}",
                    language.code(),
                    row.key
                );
                assert!(
                    names.insert((row.device.name(), name.to_lowercase())),
                    "{}: {name} twice ({})",
                    language.code(),
                    row.key
                );
            }
        }
    }
}
