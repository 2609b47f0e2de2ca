//! What the pulses mean. Pure.

use std::fmt;
use std::time::Duration;

/// How the watched tasks are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Those that do not show themselves any more.
    pub stuck: Vec<Stuck>,
}

/// A task that does not show itself any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stuck {
    /// Its name.
    pub part: String,
    /// How long it has been silent.
    pub silence: Duration,
}

impl Report {
    /// From how long each task has been silent, and how long it may be.
    pub fn of<'a>(silences: impl Iterator<Item = (&'a str, Duration)>, longest: Duration) -> Self {
        let stuck = silences
            .filter(|(_, silence)| *silence > longest)
            .map(|(part, silence)| Stuck {
                part: part.to_owned(),
                silence,
            })
            .collect();
        Self { stuck }
    }

    /// Whether every task shows itself.
    pub fn is_well(&self) -> bool {
        self.stuck.is_empty()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_well() {
            return f.write_str("ok");
        }
        f.write_str("stuck")?;
        for (index, Stuck { part, silence }) in self.stuck.iter().enumerate() {
            let before = if index == 0 { ": " } else { ", " };
            write!(f, "{before}{part} (silent for {} s)", silence.as_secs())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_stuck_task_is_named_with_its_silence() {
        let limit = Duration::from_secs(300);
        let silences = [("mqtt", 301), ("poller 1", 300), ("poller 2", 4000)];
        let report = Report::of(
            silences
                .map(|(part, seconds)| (part, Duration::from_secs(seconds)))
                .into_iter(),
            limit,
        );
        assert_eq!(
            report.to_string(),
            "stuck: mqtt (silent for 301 s), poller 2 (silent for 4000 s)"
        );
        assert_eq!(Report::of(std::iter::empty(), limit).to_string(), "ok");
    }
}
