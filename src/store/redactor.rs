//! Takes secrets and e-mail addresses out of texts that are to be shown.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

use super::secret::Secret;

/// Shorter secrets are not searched for: replacing every `1234` would make the log useless and point to the PIN. They
/// are kept out by their type alone.
const MIN_LENGTH: usize = 6;
/// Shorter parts of a secret are no keys or tokens of their own, but numbers and names.
const PART_MIN_LENGTH: usize = 16;
/// How often a text can have been quoted on its way: as JSON, that in an event, and that in a JSON log.
const QUOTED: usize = 3;
/// What forms and web addresses escape.
const IN_ADDRESS: &AsciiSet = &NON_ALPHANUMERIC.remove(b'*').remove(b'-').remove(b'.').remove(b'_');
/// How many texts are searched for of secrets that are renewed while the program runs. The oldest give way to new ones;
/// secrets of any other kind never do.
const MAX_RENEWED: usize = 256;

/// The secret values that must not reach the log. Settings, vault and sessions add theirs while the program runs.
/// Cheap to clone.
#[derive(Clone, Default)]
pub struct Redactor(Arc<RwLock<Vec<Known>>>);

struct Known {
    value: SecretString,
    kind: Secret,
}

impl Redactor {
    /// Blots this value out from now on, also in the forms that JSON and web addresses give it. One that is a JSON object
    /// is blotted out in its parts as well: a session is kept as a whole, and its tokens and keys are used one by one.
    pub fn add(&self, kind: Secret, secret: &SecretString) {
        let whole = secret.expose_secret();
        self.add_text(kind, whole);
        for part in parts(whole) {
            self.add_text(kind, &part);
        }
    }

    fn add_text(&self, kind: Secret, plain: &str) {
        if plain.chars().count() < MIN_LENGTH {
            return;
        }
        let in_address = utf8_percent_encode(plain, IN_ADDRESS).to_string();
        let mut forms = BTreeSet::from([plain.to_owned(), in_address.replace("%20", "+"), in_address]);
        let mut escaped = plain.to_owned();
        for _ in 0..QUOTED {
            escaped = format!("{escaped:?}");
            escaped = escaped[1..escaped.len() - 1].to_owned();
            forms.insert(escaped.clone());
        }
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        for form in forms {
            match known.iter().position(|known| known.value.expose_secret() == form) {
                // What is named again is in use, so it counts as new.
                Some(place) if known[place].kind.is_renewed() => {
                    known.remove(place);
                }
                Some(_) => continue,
                None => {}
            }
            known.push(Known {
                value: form.into(),
                kind,
            });
        }
        let renewed = known.iter().filter(|known| known.kind.is_renewed()).count();
        let mut surplus = renewed.saturating_sub(MAX_RENEWED);
        known.retain(|known| {
            let goes = surplus > 0 && known.kind.is_renewed();
            surplus -= usize::from(goes);
            !goes
        });
    }

    /// The text without any known secret, and with e-mail addresses masked.
    pub fn redact<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let mut found: Vec<&Known> = known
            .iter()
            .filter(|known| text.contains(known.value.expose_secret()))
            .collect();
        // A secret that contains another goes first, or its rest would stay.
        found.sort_by_key(|known| std::cmp::Reverse(known.value.expose_secret().len()));
        let text = found.iter().fold(Cow::Borrowed(text), |text, known| {
            Cow::Owned(text.replace(known.value.expose_secret(), known.kind.mask()))
        });
        match text.contains('@') {
            true => Cow::Owned(mask_addresses(&text)),
            false => text,
        }
    }
}

impl fmt::Debug for Redactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Redactor(***)")
    }
}

/// The texts of a secret that is a JSON object. This room does not know what they mean, so they are read as they come.
fn parts(secret: &str) -> Vec<String> {
    let object: BTreeMap<String, Value> = serde_json::from_str(secret).unwrap_or_default();
    let long_text = |value: Value| match value {
        Value::String(text) if text.chars().count() >= PART_MIN_LENGTH => Some(text),
        _ => None,
    };
    object.into_values().filter_map(long_text).collect()
}

/// An e-mail address of which a person recognises his own: `o…@example.com`.
pub fn mask_email(address: &str) -> String {
    match address.rsplit_once('@') {
        Some((name, domain)) => {
            let first = name.chars().next().map(String::from).unwrap_or_default();
            format!("{first}…@{domain}")
        }
        None => "…".to_owned(),
    }
}

/// Masks whatever looks like an e-mail address.
fn mask_addresses(text: &str) -> String {
    let of_name = |c: char| c.is_alphanumeric() || matches!(c, '.' | '_' | '%' | '+' | '-');
    let mut masked = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('@') {
        let (before, after) = (&rest[..at], &rest[at + 1..]);
        let name = before.trim_end_matches(of_name).len();
        masked.push_str(&before[..name]);
        match before[name..].chars().next() {
            Some(first) => masked.extend([first, '…', '@']),
            None => masked.push('@'),
        }
        rest = after;
    }
    masked.push_str(rest);
    masked
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_inside_another_leaves_no_rest() {
        let redactor = Redactor::default();
        redactor.add(Secret::MqttPassword, &"secret".into());
        redactor.add(Secret::CloudPassword, &"my-secret-word".into());
        assert_eq!(
            redactor.redact("my-secret-word, secret"),
            "[cloud password], [MQTT password]"
        );
    }

    #[test]
    fn a_secret_is_found_as_forms_and_web_addresses_write_it() {
        let redactor = Redactor::default();
        redactor.add(Secret::CloudPassword, &"S3cret \"!ü".into());
        assert_eq!(redactor.redact("x=S3cret+%22%21%C3%BC&y=1"), "x=[cloud password]&y=1");
        assert_eq!(redactor.redact("/S3cret%20%22%21%C3%BC"), "/[cloud password]");
    }

    #[test]
    fn short_values_are_not_searched_for() {
        let redactor = Redactor::default();
        redactor.add(Secret::Pin, &"1234".into());
        assert_eq!(redactor.redact("took 1234 ms"), "took 1234 ms");
        assert_eq!(format!("{redactor:?}"), "Redactor(***)");
    }

    #[test]
    fn the_oldest_sessions_give_way_and_a_password_never_does() {
        let redactor = Redactor::default();
        redactor.add(Secret::CloudPassword, &"hunter2-hunter2".into());
        for number in 0..=MAX_RENEWED {
            redactor.add(Secret::Session, &format!("token{number:05}").into());
        }
        assert_eq!(redactor.redact("token00000"), "token00000");
        assert_eq!(redactor.redact("token00256"), "[session]");
        assert_eq!(redactor.redact("hunter2-hunter2"), "[cloud password]");
    }

    #[test]
    fn the_parts_of_a_session_are_blotted_out_by_themselves_as_long_as_it_is_renewed() {
        let redactor = Redactor::default();
        let session = |number: usize| {
            let token = format!("eyJhbGciOi.token-{number:05}");
            format!(r#"{{"user_id":"1000001","token":"{token}","sign_key":"0123456789abcdef+/="}}"#)
        };
        for number in 0..MAX_RENEWED {
            redactor.add(Secret::Session, &session(number).into());
        }
        assert_eq!(
            redactor.redact("token: eyJhbGciOi.token-00255, key=0123456789abcdef%2B%2F%3D, user 1000001"),
            "token: [session], key=[session], user 1000001"
        );
        assert_eq!(redactor.redact(&session(255)), "[session]");
        assert_eq!(redactor.redact("eyJhbGciOi.token-00000"), "eyJhbGciOi.token-00000");
    }

    #[test]
    fn a_text_of_a_session_that_is_another_secret_too_stays_as_that() {
        let redactor = Redactor::default();
        let session = r#"{"device_id":"0123456789abcdef"}"#;
        redactor.add(Secret::Session, &session.into());
        redactor.add(Secret::DeviceId, &"0123456789abcdef".into());
        redactor.add(Secret::Session, &session.into());
        assert_eq!(redactor.redact("0123456789abcdef"), "[device id]");
    }

    #[test]
    fn e_mail_addresses_are_masked_wherever_they_stand() {
        let redactor = Redactor::default();
        for (text, masked) in [
            ("owner@example.com", "o…@example.com"),
            ("(a.b+c@x.org), d@y.org", "(a…@x.org), d…@y.org"),
            ("mqtt://user:pass@host", "mqtt://user:p…@host"),
            ("@ @@", "@ @@"),
        ] {
            assert_eq!(redactor.redact(text), masked);
        }
        assert_eq!(mask_email("owner@example.com"), "o…@example.com");
        assert_eq!(mask_email("no address"), "…");
    }
}
