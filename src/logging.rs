//! The log: one line or JSON object per event on standard error, with everything secret blotted out on the way.
//!
//! Secrets are kept out of the log by their types first. The filter on the sink is the second line: it replaces every
//! known secret value, and masks e-mail addresses, in whatever text an event or a library may put them.

use std::borrow::Cow;
use std::fmt;
use std::io::{self, IsTerminal, Write};
use std::sync::{Arc, PoisonError, RwLock};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use secrecy::{ExposeSecret, SecretString};
use tracing::Subscriber;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{EnvFilter, ParseError};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};

use crate::config::{Log, LogFormat, LogLevel};
use crate::store::secret::Secret;

/// Shorter secrets are not searched for: replacing every `1234` would make the log useless and point to the PIN. They
/// are kept out by their type alone.
const MIN_LENGTH: usize = 6;
/// How often a text can have been quoted on its way: as JSON, that in an event, and that in a JSON log.
const QUOTED: usize = 3;
/// What forms and web addresses escape.
const IN_ADDRESS: &AsciiSet = &NON_ALPHANUMERIC.remove(b'*').remove(b'-').remove(b'.').remove(b'_');
/// How many values are searched for; the oldest give way to new tokens.
const MAX_VALUES: usize = 256;

/// Why logging cannot start.
#[derive(Debug, thiserror::Error)]
pub enum LoggingError {
    /// `RUST_LOG` is not a filter.
    #[error("environment variable RUST_LOG: {0}")]
    Filter(#[from] ParseError),
    /// It was started before.
    #[error(transparent)]
    Twice(#[from] TryInitError),
}

/// Starts logging to standard error. `rust_log` is the value of that environment variable; it wins over the level.
///
/// `silenced` are directives that hold whatever else is asked for: of libraries whose own log shows what ours must not.
pub fn init(log: Log, rust_log: Option<&str>, silenced: &[&str], redactor: Redactor) -> Result<(), LoggingError> {
    let mut filter = filter(log.level, rust_log)?;
    for directive in silenced {
        filter = filter.add_directive(directive.parse()?);
    }
    let colours = io::stderr().is_terminal();
    Ok(subscriber(filter, log.format, colours, io::stderr, redactor).try_init()?)
}

/// Our own events from this level on, warnings of the libraries, or what `RUST_LOG` asks for.
fn filter(level: LogLevel, rust_log: Option<&str>) -> Result<EnvFilter, ParseError> {
    match rust_log.map(str::trim) {
        Some(wanted) if !wanted.is_empty() => EnvFilter::try_new(wanted),
        _ => EnvFilter::try_new(format!("warn,leapmotor2mqtt={}", level.name())),
    }
}

fn subscriber<M>(filter: EnvFilter, format: LogFormat, colours: bool, sink: M, redactor: Redactor) -> impl Subscriber
where
    M: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let layer = tracing_subscriber::fmt::layer()
        .with_ansi(colours)
        .with_writer(Redacting { sink, redactor });
    let layer = match format {
        LogFormat::Text => layer.boxed(),
        LogFormat::Json => layer.json().boxed(),
    };
    tracing_subscriber::registry().with(filter).with(layer)
}

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

/// A sink behind the filter. The formatter hands over each event in one piece, so no secret is split between two.
struct Redacting<M> {
    sink: M,
    redactor: Redactor,
}

struct RedactingWriter<W> {
    sink: W,
    redactor: Redactor,
}

impl<'a, M: MakeWriter<'a>> MakeWriter<'a> for Redacting<M> {
    type Writer = RedactingWriter<M::Writer>;

    fn make_writer(&'a self) -> Self::Writer {
        RedactingWriter {
            sink: self.sink.make_writer(),
            redactor: self.redactor.clone(),
        }
    }
}

impl<W: Write> Write for RedactingWriter<W> {
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(event);
        self.sink.write_all(self.redactor.redact(&text).as_bytes())?;
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.sink.flush()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use tracing::trace;

    use super::*;

    #[derive(Clone, Default)]
    struct Sink(Arc<Mutex<Vec<u8>>>);

    impl Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Sink {
        fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
        }
    }

    fn logged(format: LogFormat, colours: bool, redactor: &Redactor, log: impl FnOnce()) -> String {
        let sink = Sink::default();
        let clone = sink.clone();
        let filter = filter(LogLevel::Trace, None).unwrap();
        let subscriber = subscriber(filter, format, colours, move || clone.clone(), redactor.clone());
        tracing::subscriber::with_default(subscriber, log);
        sink.text()
    }

    #[test]
    fn known_secrets_never_reach_the_sink_even_at_trace_level() {
        let secrets = [
            "S3cret\"!\\ü",
            "eyJhbGciOi.token",
            "-----BEGIN KEY-----\nMIIE\n-----END KEY-----",
        ];
        for (format, colours) in [
            (LogFormat::Text, false),
            (LogFormat::Text, true),
            (LogFormat::Json, false),
        ] {
            let redactor = Redactor::default();
            for secret in secrets {
                redactor.add(Secret::Session, &SecretString::from(secret));
            }
            let text = logged(format, colours, &redactor, || {
                for secret in secrets {
                    trace!(secret, shown = ?secret, "form password={secret}&x={}", utf8_percent_encode(secret, IN_ADDRESS));
                    trace!("{:?}", serde_json::json!({ "password": secret }).to_string());
                }
                trace!(account = "owner@example.com", "Signed in as other.name@example.org");
            });
            for part in ["S3cret", "eyJhbGciOi", "MIIE", "owner@", "name@"] {
                assert!(!text.contains(part), "{part} in {text}");
            }
            assert!(
                text.contains("[access token]") && text.contains("o…@example.com"),
                "{text}"
            );
        }
    }

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
        assert_eq!(redactor.redact("token00256"), "[access token]");
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

    #[test]
    fn rust_log_wins_over_the_level() {
        assert_eq!(
            filter(LogLevel::Debug, Some(" ")).unwrap().to_string(),
            "leapmotor2mqtt=debug,warn"
        );
        assert_eq!(filter(LogLevel::Debug, Some("error")).unwrap().to_string(), "error");
        assert!(filter(LogLevel::Debug, Some("a=b=c")).is_err());
    }
}
