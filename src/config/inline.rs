//! Lists and sections written into one line, as environment variables need them: JSON, YAML's flow style or figment's
//! `[{username=a, pin=0123}]`. Every value keeps the text it was written with, so that `0123` stays `0123`.

use super::node::Node;

/// How deep values may be nested; the settings themselves need five levels.
const MAX_DEPTH: usize = 16;

/// Reads a value; `None` when it is not well formed. The text is not part of any error, since it may hold secrets.
pub fn parse(text: &str) -> Option<Node> {
    let mut parser = Parser { rest: text };
    let node = parser.value(0)?;
    parser.skip_space();
    parser.rest.is_empty().then_some(node)
}

struct Parser<'a> {
    rest: &'a str,
}

impl<'a> Parser<'a> {
    fn value(&mut self, depth: usize) -> Option<Node> {
        if depth > MAX_DEPTH {
            return None;
        }
        self.skip_space();
        match self.rest.chars().next()? {
            '[' => self.list(depth),
            '{' => self.section(depth),
            '"' | '\'' => self.quoted().map(Node::Text),
            _ => match self.bare(|c| !matches!(c, ',' | '[' | ']' | '{' | '}')) {
                "" => None,
                "null" | "~" => Some(Node::Empty),
                word => Some(Node::Text(word.to_owned())),
            },
        }
    }

    fn list(&mut self, depth: usize) -> Option<Node> {
        let mut items = Vec::new();
        self.eat('[')?;
        while self.eat(']').is_none() {
            items.push(self.value(depth + 1)?);
            self.separator(']')?;
        }
        Some(Node::List(items))
    }

    fn section(&mut self, depth: usize) -> Option<Node> {
        let mut entries = Vec::new();
        self.eat('{')?;
        while self.eat('}').is_none() {
            let name = match self.rest.chars().next()? {
                '"' | '\'' => self.quoted()?,
                _ => self
                    .bare(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-')
                    .to_owned(),
            };
            if name.is_empty() {
                return None;
            }
            self.eat('=').or_else(|| self.eat(':'))?;
            entries.push((name, self.value(depth + 1)?));
            self.separator('}')?;
        }
        Some(Node::Section(entries))
    }

    /// A comma, or the end that is to come next.
    fn separator(&mut self, end: char) -> Option<()> {
        self.eat(',').or_else(|| self.rest.starts_with(end).then_some(()))
    }

    fn eat(&mut self, wanted: char) -> Option<()> {
        self.skip_space();
        self.rest = self.rest.strip_prefix(wanted)?;
        self.skip_space();
        Some(())
    }

    fn bare(&mut self, belongs: impl Fn(char) -> bool) -> &'a str {
        let end = self.rest.find(|c| !belongs(c)).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        word.trim()
    }

    fn quoted(&mut self) -> Option<String> {
        let quote = self.rest.chars().next()?;
        let mut escaped = false;
        let end = self.rest.char_indices().skip(1).find_map(|(at, c)| {
            let ends = c == quote && !escaped;
            escaped = quote == '"' && c == '\\' && !escaped;
            ends.then_some(at + 1)
        })?;
        let (text, rest) = self.rest.split_at(end);
        self.rest = rest;
        match quote {
            '"' => serde_json::from_str(text).ok(),
            _ => Some(text[1..end - 1].to_owned()),
        }
    }

    fn skip_space(&mut self) {
        self.rest = self.rest.trim_start();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text(text: &str) -> Node {
        Node::Text(text.to_owned())
    }

    fn account() -> Node {
        let car = Node::Section(vec![("vin".into(), text("LFZ1")), ("pin".into(), text("0123"))]);
        Node::List(vec![Node::Section(vec![
            ("username".into(), text("a@b.example")),
            ("password".into(), text("true")),
            ("cars".into(), Node::List(vec![car])),
        ])])
    }

    #[test]
    fn json_flow_yaml_and_figment_mean_the_same() {
        for line in [
            r#"[{"username":"a@b.example","password":"true","cars":[{"vin":"LFZ1","pin":"0123"}]}]"#,
            "[{username: a@b.example, password: true, cars: [{vin: LFZ1, pin: 0123}]}]",
            "[{username=a@b.example,password='true',cars=[{vin=LFZ1,pin=0123}]}]",
            " [ { username = \"a@b.example\" , password = true , cars = [ { vin=LFZ1 , pin=0123, } ] } ] ",
        ] {
            assert_eq!(parse(line), Some(account()), "{line}");
        }
    }

    #[test]
    fn quoted_text_keeps_its_signs() {
        assert_eq!(
            parse(r#"{a="x\"],\u00e4"}"#),
            Some(Node::Section(vec![("a".into(), text("x\"],ä"))]))
        );
        assert_eq!(
            parse(r"['a\', null, []]"),
            Some(Node::List(vec![text(r"a\"), Node::Empty, Node::List(vec![])]))
        );
    }

    #[test]
    fn what_is_not_well_formed_is_refused() {
        for line in [
            "",
            "[",
            "[a",
            "{a}",
            "{a=}",
            "{=b}",
            "[a] b",
            "[\"a]",
            "[a b,,]",
            &"[".repeat(10_000),
        ] {
            assert_eq!(parse(line), None, "{line}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(line in "\\PC*") {
            let _ = parse(&line);
        }
    }
}
