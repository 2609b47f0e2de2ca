//! The one source of time outside the pure rooms: the real clock, or a simulated one that runs faster.
//!
//! A simulated clock is described by the `clock` object the simulated cloud prints: at the moment `wall_start` it showed
//! `start`, and since then it has advanced `factor` times as fast as real time. Network timeouts and MQTT keep-alive
//! stay real and do not ask this clock.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

/// Where a simulated clock started and how fast it runs.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct SimulatedClock {
    /// What it showed at `wall_start`.
    pub start: Timestamp,
    /// The real moment it was started.
    pub wall_start: Timestamp,
    /// Simulated seconds per real second, above 0.
    pub factor: f64,
}

/// A clock that tells the time and waits.
#[derive(Debug, Clone, Copy, Default)]
pub struct Clock {
    simulated: Option<SimulatedClock>,
}

impl Clock {
    /// The computer's clock.
    pub fn real() -> Self {
        Self::default()
    }

    /// A clock that follows the given one.
    pub fn simulated(clock: SimulatedClock) -> Self {
        Self { simulated: Some(clock) }
    }

    /// The present moment.
    pub fn now(&self) -> Timestamp {
        let wall = Timestamp::now();
        let Some(simulated) = self.simulated else { return wall };
        let real = wall.duration_since(simulated.wall_start).as_secs_f64();
        SignedDuration::try_from_secs_f64(real * simulated.factor)
            .ok()
            .and_then(|elapsed| simulated.start.checked_add(elapsed).ok())
            .unwrap_or(simulated.start)
    }

    /// How long `duration` of this clock takes in real time.
    pub fn real_duration(&self, duration: Duration) -> Duration {
        match self.simulated {
            Some(simulated) => duration.div_f64(simulated.factor),
            None => duration,
        }
    }

    /// Waits for `duration` of this clock.
    pub async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(self.real_duration(duration)).await;
    }

    /// Waits until this clock shows `deadline`; at once when it already has.
    pub async fn sleep_until(&self, deadline: Timestamp) {
        if let Ok(wait) = Duration::try_from(deadline.duration_since(self.now())) {
            self.sleep(wait).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_simulated_clock_runs_by_its_factor() {
        let wall_start = Timestamp::now() - SignedDuration::from_secs(10);
        let start: Timestamp = "2026-11-21T06:00:00Z".parse().unwrap();
        let clock = Clock::simulated(SimulatedClock {
            start,
            wall_start,
            factor: 60.0,
        });
        let elapsed = clock.now().duration_since(start).as_secs();
        assert!((600..660).contains(&elapsed), "{elapsed}");
        assert_eq!(clock.real_duration(Duration::from_secs(60)), Duration::from_secs(1));
    }
}
