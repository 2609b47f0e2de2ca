//! What a source of settings said, before anything is checked: names, lists, and values as the text they were written
//! with.
//!
//! YAML and JSON would turn `0123` into a number and `true` into a flag. The table of keys decides here what is text,
//! so that a PIN or a password stays what the user wrote.

use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::path::{KeyPath, Shape};

/// A value as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Node {
    /// Nothing after the name.
    Empty,
    /// A single value.
    Text(String),
    /// A list.
    List(Vec<Node>),
    /// Names with values, in their order; a name may stand twice.
    Section(Vec<(String, Node)>),
}

impl Node {
    /// Reads a YAML document.
    pub fn from_yaml(text: &str) -> Result<Self, yaml_serde::Error> {
        At(KeyPath::default()).deserialize(yaml_serde::Deserializer::from_str(text))
    }
}

/// Reads what stands at this path.
struct At(KeyPath);

impl<'de> DeserializeSeed<'de> for At {
    type Value = Node;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Node, D::Error> {
        match self.0.shape() {
            // Asking for text makes the YAML reader hand out the scalar as it was written.
            Shape::Leaf(_) | Shape::SecretFile => {
                Ok(Option::<String>::deserialize(deserializer)?.map_or(Node::Empty, Node::Text))
            }
            Shape::List | Shape::Section => deserializer.deserialize_any(self),
            Shape::Unknown => IgnoredAny::deserialize(deserializer).map(|_| Node::Empty),
        }
    }
}

impl<'de> Visitor<'de> for At {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.shape() {
            Shape::List => f.write_str("a list"),
            _ => f.write_str("names with values"),
        }
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Empty)
    }

    fn visit_none<E>(self) -> Result<Node, E> {
        Ok(Node::Empty)
    }

    fn visit_str<E>(self, text: &str) -> Result<Node, E> {
        Ok(Node::Text(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Node, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = list.next_element_seed(At(self.0.join(items.len().to_string())))? {
            items.push(item);
        }
        Ok(Node::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Node, A::Error> {
        let mut entries = Vec::new();
        while let Some(name) = map.next_key::<String>()? {
            let value = map.next_value_seed(At(self.0.join(name.as_str())))?;
            entries.push((name, value));
        }
        Ok(Node::Section(entries))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scalars_keep_the_text_they_were_written_with() {
        let yaml = "accounts:\n- password: true\n  cars: [{pin: 0123, vin: 1e3}]\nmqtt: {port: 1883, password: ~}\n";
        let text = |text: &str| Node::Text(text.to_owned());
        let car = Node::Section(vec![("pin".into(), text("0123")), ("vin".into(), text("1e3"))]);
        let account = Node::Section(vec![
            ("password".into(), text("true")),
            ("cars".into(), Node::List(vec![car])),
        ]);
        let mqtt = Node::Section(vec![("port".into(), text("1883")), ("password".into(), Node::Empty)]);
        let expected = vec![("accounts".into(), Node::List(vec![account])), ("mqtt".into(), mqtt)];
        assert_eq!(Node::from_yaml(yaml).unwrap(), Node::Section(expected));
    }

    #[test]
    fn an_empty_document_says_nothing() {
        for yaml in ["", "# only a comment\n", "~"] {
            assert_eq!(Node::from_yaml(yaml).unwrap(), Node::Empty, "{yaml:?}");
        }
    }
}
