//! Takes secrets and e-mail addresses out of texts that are to be shown.

use std::borrow::Cow;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use secrecy::{ExposeSecret, SecretString};

use super::secret::Secret;

/// Shorter secrets are not searched for: replacing every `1234` would make the log useless and point to the PIN. They
/// are kept out by their type alone.
const MIN_LENGTH: usize = 6;
/// How often a text can have been quoted on its way: as JSON, that in an event, and that in a JSON log.
const QUOTED: usize = 3;
/// What forms and web addresses escape.
const IN_ADDRESS: &AsciiSet = &NON_ALPHANUMERIC.remove(b'*').remove(b'-').remove(b'.').remove(b'_');
/// How many values are searched for; the oldest give way to new tokens.
const MAX_VALUES: usize = 256;

/// The secret values that must not reach the log. Settings, vault and sessions add theirs while the program runs.
/// Cheap to clone.
#[derive(Clone, Default)]
pub struct Redactor(Arc<RwLock<Vec<Known>>>);

struct Known {
    value: SecretString,
    mask: &'static str,
}

impl Redactor {
    /// Blots this value out from now on, also in the forms that JSON and web addresses give it.
    pub fn add(&self, kind: Secret, secret: &SecretString) {
        let plain = secret.expose_secret();
        if plain.chars().count() < MIN_LENGTH {
            return;
        }
        let in_address = utf8_percent_encode(plain, IN_ADDRESS).to_string();
        let mut forms = vec![plain.to_owned(), in_address.replace("%20", "+"), in_address];
        let mut escaped = plain.to_owned();
        for _ in 0..QUOTED {
            escaped = format!("{escaped:?}");
            escaped = escaped[1..escaped.len() - 1].to_owned();
            forms.push(escaped.clone());
        }
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        for form in forms {
            if known.iter().all(|known| known.value.expose_secret() != form) {
                known.push(Known {
                    value: form.into(),
                    mask: kind.mask(),
                });
            }
        }
        let surplus = known.len().saturating_sub(MAX_VALUES);
        known.drain(..surplus);
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
            Cow::Owned(text.replace(known.value.expose_secret(), known.mask))
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
    fn the_oldest_values_give_way() {
        let redactor = Redactor::default();
        for number in 0..=MAX_VALUES {
            redactor.add(Secret::Session, &format!("token{number:05}").into());
        }
        assert_eq!(redactor.redact("token00000"), "token00000");
        assert_eq!(redactor.redact("token00256"), "[session]");
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
