//! The recorded vectors, read once per test process.

use std::sync::LazyLock;

use serde_json::Value;

static VECTORS: LazyLock<Value> =
    LazyLock::new(|| serde_json::from_str(include_str!("../../tests/data/protocol/vectors.json")).unwrap());

/// The whole document.
pub(crate) fn vectors() -> &'static Value {
    &VECTORS
}

/// The entries of one section; it must not be empty, so that a renamed section fails loudly.
pub(crate) fn section(name: &str) -> &'static [Value] {
    let entries = vectors()[name].as_array().unwrap();
    assert!(!entries.is_empty(), "{name}");
    entries
}

/// A text field of an entry.
pub(crate) fn text<'a>(entry: &'a Value, name: &str) -> &'a str {
    entry[name].as_str().expect(name)
}
