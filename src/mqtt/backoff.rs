//! How long to wait before the next attempt to reach the broker. Pure.

use std::time::Duration;

/// Ceiling of the first wait; each further failure doubles it.
const FIRST: Duration = Duration::from_secs(1);

/// No wait is shorter, however the dice fall.
const SHORTEST: Duration = Duration::from_millis(100);

/// Exponential back-off with full jitter: a wait is drawn evenly between nothing and a ceiling that doubles, so that
/// the clients of a broker that comes back do not all arrive at once.
#[derive(Debug, Default)]
pub struct Backoff {
    failures: u32,
}

impl Backoff {
    /// The wait after one more failure. `longest` bounds the ceiling; `chance` is a random number from 0 to 1.
    pub fn after_failure(&mut self, longest: Duration, chance: f64) -> Duration {
        let ceiling = FIRST.saturating_mul(2_u32.saturating_pow(self.failures)).min(longest);
        self.failures = self.failures.saturating_add(1);
        ceiling.mul_f64(chance.clamp(0.0, 1.0)).max(SHORTEST)
    }

    /// The connection held: start over.
    pub fn reset(&mut self) {
        self.failures = 0;
    }
}

/// A random number from 0 to 1. Without a source of randomness the middle is as good as any.
pub fn chance() -> f64 {
    getrandom::u32().map_or(0.5, |random| f64::from(random) / f64::from(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ceiling_doubles_up_to_the_longest_wait_and_starts_over_after_success() {
        let longest = Duration::from_secs(300);
        let mut backoff = Backoff::default();
        let ceilings: Vec<u64> = (0..11).map(|_| backoff.after_failure(longest, 1.0).as_secs()).collect();
        assert_eq!(ceilings, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
        backoff.reset();
        assert_eq!(backoff.after_failure(longest, 0.5), Duration::from_millis(500));
    }

    #[test]
    fn a_wait_is_never_nothing_and_failures_may_go_on_for_ever() {
        let mut backoff = Backoff { failures: u32::MAX };
        assert_eq!(backoff.after_failure(Duration::from_secs(300), 0.0), SHORTEST);
        assert_eq!(
            backoff.after_failure(Duration::from_secs(300), 1.0),
            Duration::from_secs(300)
        );
    }

    #[test]
    fn chance_is_a_fraction() {
        for _ in 0..100 {
            assert!((0.0..=1.0).contains(&chance()));
        }
    }
}
