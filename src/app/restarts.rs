//! How often the bridge may start its parts again after one of them died.

use std::collections::VecDeque;
use std::time::Duration;

/// Most restarts within [`SPAN`]; more than that is a fault that starting again does not mend.
const MOST: usize = 3;
/// The span they are counted in.
const SPAN: Duration = Duration::from_secs(600);

/// The restarts of the last ten minutes, by the time since the start of the process.
#[derive(Debug, Default)]
pub struct Restarts(VecDeque<Duration>);

impl Restarts {
    /// Whether one more restart is allowed at this time; if so, it is counted.
    pub fn allow(&mut self, now: Duration) -> bool {
        while self.0.front().is_some_and(|first| now.saturating_sub(*first) >= SPAN) {
            self.0.pop_front();
        }
        let allowed = self.0.len() < MOST;
        if allowed {
            self.0.push_back(now);
        }
        allowed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_in_ten_minutes_and_the_fourth_ends_the_process() {
        let mut restarts = Restarts::default();
        let allowed: Vec<bool> = [0, 10, 20, 30]
            .map(|at| restarts.allow(Duration::from_secs(at)))
            .to_vec();
        assert_eq!(allowed, [true, true, true, false]);
        assert!(restarts.allow(Duration::from_secs(600)));
        assert!(!restarts.allow(Duration::from_secs(605)));
    }
}
