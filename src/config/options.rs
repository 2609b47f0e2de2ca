//! The options of the Home Assistant add-on, brought into the shape of our settings.
//!
//! The form of the Supervisor cannot leave out a list inside a list, so cars stand beside the accounts there and not
//! below them. What nobody filled in is there all the same, as an empty list, section or text.

use super::error::ConfigError;
use super::node::Node;
use super::path::KeyPath;

/// Options that lie deeper among the settings.
const DEEPER: &[(&str, [&str; 2])] = &[("log_level", ["log", "level"])];

/// What an account of a car has to be.
const WHOSE: &str = "the e-mail address of one of the accounts, because there are several";

/// The options as settings. `origin` is where they stand, for a message.
pub fn as_settings(options: Node, origin: &str) -> Result<Node, ConfigError> {
    let Node::Section(entries) = options else {
        return Ok(options);
    };
    let (mut settings, mut accounts, mut cars) = (Vec::new(), Vec::new(), Vec::new());
    for (name, value) in entries {
        match (name.as_str(), value) {
            (_, Node::List(items)) if items.is_empty() => {}
            (_, Node::Section(items)) if items.is_empty() => {}
            ("accounts", Node::List(items)) => accounts = items,
            ("cars", Node::List(items)) => cars = items,
            (_, value) => match DEEPER.iter().find(|(option, _)| *option == name) {
                Some((_, [section, key])) => {
                    settings.push(((*section).to_owned(), section_of([((*key).to_owned(), value)])));
                }
                None => settings.push((name, value)),
            },
        }
    }
    for (place, car) in cars.into_iter().enumerate() {
        give_car(&mut accounts, car).map_err(|()| {
            ConfigError::invalid(
                origin,
                &KeyPath::of("cars").join(place.to_string()).join("account"),
                &WHOSE,
            )
        })?;
    }
    if !accounts.is_empty() {
        settings.push(("accounts".to_owned(), Node::List(accounts)));
    }
    Ok(Node::Section(settings))
}

/// Puts a car below the account it names, or below the only one. Without any account there is nothing to command yet.
fn give_car(accounts: &mut [Node], mut car: Node) -> Result<(), ()> {
    let owner = take(&mut car, "account");
    let account = match (owner, accounts) {
        (_, []) => return Ok(()),
        (None, [only]) => only,
        (None, _) => return Err(()),
        (Some(owner), accounts) => accounts.iter_mut().find(|account| is_of(account, &owner)).ok_or(())?,
    };
    if let Node::Section(entries) = account {
        match entries.iter_mut().find(|(name, _)| name == "cars") {
            Some((_, Node::List(cars))) => cars.push(car),
            _ => entries.push(("cars".to_owned(), Node::List(vec![car]))),
        }
    }
    Ok(())
}

/// Takes the text of this name out of a section; `None` where it is missing or empty.
fn take(node: &mut Node, name: &str) -> Option<String> {
    let Node::Section(entries) = node else { return None };
    let place = entries.iter().position(|(entry, _)| entry == name)?;
    match entries.remove(place).1 {
        Node::Text(text) if !text.trim().is_empty() => Some(text),
        _ => None,
    }
}

fn is_of(account: &Node, owner: &str) -> bool {
    let Node::Section(entries) = account else { return false };
    entries.iter().any(|(name, value)| {
        matches!(value, Node::Text(text) if name == "username" && text.trim().eq_ignore_ascii_case(owner.trim()))
    })
}

fn section_of<const N: usize>(entries: [(String, Node); N]) -> Node {
    Node::Section(entries.into())
}

#[cfg(test)]
mod tests {
    use super::super::inline;
    use super::*;

    fn settings(options: &str) -> Node {
        as_settings(inline::parse(options).unwrap(), "options.json").unwrap()
    }

    #[test]
    fn cars_move_below_their_account_and_the_log_level_into_its_section() {
        let options = r#"{"log_level": "debug", "accounts": [{"username": "a@b.example", "password": "x"}],
            "cars": [{"vin": "V1", "pin": "0123"}, {"vin": "V2", "account": ""}], "mqtt": {}, "language": "de"}"#;
        let expected = r#"{"log": {"level": "debug"}, "language": "de", "accounts": [{"username": "a@b.example",
            "password": "x", "cars": [{"vin": "V1", "pin": "0123"}, {"vin": "V2"}]}]}"#;
        assert_eq!(settings(options), inline::parse(expected).unwrap());
    }

    #[test]
    fn with_several_accounts_a_car_names_its_own() {
        let options = |account: &str| {
            format!(
                r#"{{"accounts": [{{"username": "a@x.example"}}, {{"username": "b@x.example"}}], "cars": [{{"vin": "V"{account}}}]}}"#
            )
        };
        let expected =
            r#"{"accounts": [{"username": "a@x.example"}, {"username": "b@x.example", "cars": [{"vin": "V"}]}]}"#;
        assert_eq!(
            settings(&options(r#", "account": "B@X.example ""#)),
            inline::parse(expected).unwrap()
        );
        for account in ["", r#", "account": "c@x.example""#] {
            let node = inline::parse(&options(account)).unwrap();
            let error = as_settings(node, "options.json").unwrap_err().to_string();
            assert!(
                error.contains("`cars[0].account`") && error.contains("several"),
                "{error}"
            );
        }
    }

    #[test]
    fn what_nobody_filled_in_says_nothing() {
        let options = r#"{"accounts": [], "cars": [], "mqtt": {}, "polling": {}}"#;
        assert_eq!(settings(options), Node::Section(Vec::new()));
        assert_eq!(settings(r#"{"cars": [{"vin": "V"}]}"#), Node::Section(Vec::new()));
        assert_eq!(settings("null"), Node::Empty);
    }
}
