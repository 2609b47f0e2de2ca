//! The ration of sign-ins, worked out from what the simulated cloud has seen.

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

/// At most so many within each span.
const RATION: [(usize, SignedDuration); 3] = [
    (1, SignedDuration::from_mins(1)),
    (5, SignedDuration::from_hours(1)),
    (20, SignedDuration::from_hours(24)),
];

/// When somebody tried to sign in, oldest first.
pub fn sign_ins(requests: &[Value]) -> Vec<Timestamp> {
    requests
        .iter()
        .filter(|request| request["path"].as_str().unwrap_or_default().ends_with("/acct/v1/login"))
        .map(|request| request["time"].as_str().unwrap_or_default().parse().unwrap())
        .collect()
}

/// The breaches of the ration. `slack` is how much closer together two may arrive than they were sent.
pub fn breaches(sign_ins: &[Timestamp], slack: SignedDuration) -> Vec<String> {
    let mut breaches = Vec::new();
    for (most, span) in RATION {
        for window in sign_ins.windows(most + 1) {
            let took = window[most].duration_since(window[0]);
            if took + slack < span {
                breaches.push(format!(
                    "{} sign-ins within {took}, {most} are allowed within {span}",
                    most + 1
                ));
            }
        }
    }
    breaches
}

/// From when on the ration allows the next one.
pub fn allowed_from(sign_ins: &[Timestamp]) -> Timestamp {
    RATION
        .iter()
        .filter_map(|&(most, span)| {
            let nth_last = sign_ins.len().checked_sub(most)?;
            Some(sign_ins[nth_last] + span)
        })
        .max()
        .unwrap_or(Timestamp::MIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: &[i64]) -> Vec<Timestamp> {
        let start = Timestamp::constant(1_790_000_000, 0);
        seconds
            .iter()
            .map(|after| start + SignedDuration::from_secs(*after))
            .collect()
    }

    #[test]
    fn too_many_in_a_minute_an_hour_or_a_day_are_found() {
        let found = |seconds: &[i64]| breaches(&at(seconds), SignedDuration::from_secs(5)).len();
        assert_eq!(found(&[0, 56, 120, 180, 240, 3600]), 0);
        assert_eq!(found(&[0, 54]), 1);
        assert_eq!(found(&[0, 60, 120, 180, 240, 300]), 1);
        let each_hour: Vec<i64> = (0..21).map(|hour| hour * 3700).collect();
        assert_eq!(found(&each_hour), 1);
    }

    #[test]
    fn the_next_one_is_allowed_when_every_span_has_room() {
        let start = at(&[0])[0];
        assert_eq!(allowed_from(&[]), Timestamp::MIN);
        assert_eq!(allowed_from(&at(&[0])), start + SignedDuration::from_mins(1));
        assert_eq!(
            allowed_from(&at(&[0, 60, 120, 180, 240])),
            start + SignedDuration::from_hours(1)
        );
    }
}
