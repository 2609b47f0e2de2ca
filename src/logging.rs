//! The log: one line or JSON object per event on standard error, with everything secret blotted out on the way.
//!
//! Secrets are kept out of the log by their types first. The filter on the sink is the second line: it replaces every
//! known secret value, and masks e-mail addresses, in whatever text an event or a library may put them
//! ([`Redactor`]).

use std::io::{self, IsTerminal, Write};

use tracing::{Subscriber, warn};
use tracing_subscriber::filter::{Directive, EnvFilter, ParseError};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::reload;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};
use tracing_subscriber::{Layer, Registry};

use crate::config::{Log, LogFormat, LogLevel};
use crate::store::Redactor;

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

/// Turns the log to another level while it runs.
#[derive(Clone)]
pub struct Dial {
    filter: reload::Handle<EnvFilter, Registry>,
    silenced: Vec<Directive>,
    /// Whether `RUST_LOG` decides instead.
    fixed: bool,
}

impl Dial {
    /// Logs our own events from this level on. `RUST_LOG`, where given, stays the stronger word.
    pub fn turn(&self, level: &str) {
        if self.fixed {
            return warn!(level, "RUST_LOG decides what is logged; the level is not changed");
        }
        let Ok(filter) = with(EnvFilter::try_new(own_events(level)), &self.silenced) else {
            return warn!(level, "this is no level of the log");
        };
        if let Err(error) = self.filter.reload(filter) {
            warn!(level, %error, "the level of the log cannot be changed");
        }
    }
}

/// Starts logging to standard error. `rust_log` is the value of that environment variable; it wins over the level.
///
/// `silenced` are directives that hold whatever else is asked for: of libraries whose own log shows what ours must not.
pub fn init(log: Log, rust_log: Option<&str>, silenced: &[&str], redactor: Redactor) -> Result<Dial, LoggingError> {
    let (filter, dial) = adjustable(log.level, rust_log, silenced)?;
    let colours = io::stderr().is_terminal();
    subscriber(filter, log.format, colours, io::stderr, redactor).try_init()?;
    Ok(dial)
}

/// A filter, and the dial that turns it.
fn adjustable(
    level: LogLevel,
    rust_log: Option<&str>,
    silenced: &[&str],
) -> Result<(reload::Layer<EnvFilter, Registry>, Dial), ParseError> {
    let silenced: Vec<Directive> = silenced
        .iter()
        .map(|directive| directive.parse())
        .collect::<Result<_, _>>()?;
    let (layer, handle) = reload::Layer::new(with(filter(level, rust_log), &silenced)?);
    let dial = Dial {
        filter: handle,
        silenced,
        fixed: wanted(rust_log).is_some(),
    };
    Ok((layer, dial))
}

/// A filter to which directives are added that hold whatever else is asked for.
fn with(filter: Result<EnvFilter, ParseError>, directives: &[Directive]) -> Result<EnvFilter, ParseError> {
    Ok(directives.iter().cloned().fold(filter?, EnvFilter::add_directive))
}

/// Our own events from this level on, warnings of the libraries, or what `RUST_LOG` asks for.
fn filter(level: LogLevel, rust_log: Option<&str>) -> Result<EnvFilter, ParseError> {
    match wanted(rust_log) {
        Some(wanted) => EnvFilter::try_new(wanted),
        None => EnvFilter::try_new(own_events(level.name())),
    }
}

fn wanted(rust_log: Option<&str>) -> Option<&str> {
    rust_log.map(str::trim).filter(|wanted| !wanted.is_empty())
}

fn own_events(level: &str) -> String {
    format!("warn,leapmotor2mqtt={level}")
}

fn subscriber<M>(
    filter: impl Layer<Registry> + Send + Sync,
    format: LogFormat,
    colours: bool,
    sink: M,
    redactor: Redactor,
) -> impl Subscriber
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
    use std::sync::{Arc, Mutex};

    use secrecy::SecretString;
    use tracing::trace;

    use super::*;
    use crate::store::Secret;

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
                    trace!(secret, shown = ?secret, "password={secret}");
                    trace!("{:?}", serde_json::json!({ "password": secret }).to_string());
                }
                trace!(account = "owner@example.com", "Signed in as other.name@example.org");
            });
            for part in ["S3cret", "eyJhbGciOi", "MIIE", "owner@", "name@"] {
                assert!(!text.contains(part), "{part} in {text}");
            }
            assert!(text.contains("[session]") && text.contains("o…@example.com"), "{text}");
        }
    }

    #[test]
    fn the_level_can_be_changed_while_it_runs_unless_rust_log_decides() {
        for (rust_log, expected) in [(None, "now"), (Some("error"), "")] {
            let sink = Sink::default();
            let clone = sink.clone();
            let (filter, dial) = adjustable(LogLevel::Info, rust_log, &["quiet=off"]).unwrap();
            let make = move || clone.clone();
            let subscriber = subscriber(filter, LogFormat::Text, false, make, Redactor::default());
            tracing::subscriber::with_default(subscriber, || {
                trace!("before");
                dial.turn("trace");
                trace!("now");
                tracing::error!(target: "quiet", "silenced");
                dial.turn("no, level");
            });
            let text = sink.text();
            assert!(text.contains(expected), "{text}");
            assert!(!text.contains("before") && !text.contains("silenced"), "{text}");
            assert_eq!(text.contains("now"), rust_log.is_none(), "{text}");
        }
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
