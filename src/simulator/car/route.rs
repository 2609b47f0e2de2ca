//! The way cars take when they drive.

/// The round trip every drive follows: offsets from home in degrees (latitude, longitude), back to the start.
const ROUTE: [(f64, f64); 7] = [
    (0.0, 0.0),
    (0.012, 0.018),
    (0.031, 0.027),
    (0.052, 0.061),
    (0.038, 0.094),
    (0.011, 0.072),
    (-0.009, 0.031),
];

/// Kilometres of one degree of latitude.
const KM_PER_DEGREE: f64 = 111.2;

/// The point this far along the round trip.
pub fn along_route(home: (f64, f64), km: f64) -> (f64, f64) {
    let point = |index: usize| ROUTE[index % ROUTE.len()];
    let shrink = home.0.to_radians().cos();
    let length = |index: usize| {
        let (from, to) = (point(index), point(index + 1));
        (to.0 - from.0).hypot((to.1 - from.1) * shrink) * KM_PER_DEGREE
    };
    let round: f64 = (0..ROUTE.len()).map(length).sum();
    let mut left = km % round;
    let mut leg = 0;
    while leg + 1 < ROUTE.len() && left > length(leg) {
        left -= length(leg);
        leg += 1;
    }
    let (from, to) = (point(leg), point(leg + 1));
    let share = (left / length(leg)).min(1.0);
    (
        home.0 + from.0 + (to.0 - from.0) * share,
        home.1 + from.1 + (to.1 - from.1) * share,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_route_is_a_round_trip() {
        let home = (45.0, 9.0);
        assert_eq!(along_route(home, 0.0), home);
        let mut km = 0.0;
        let mut before = home;
        while km < 60.0 {
            km += 0.1;
            let here = along_route(home, km);
            assert!((here.0 - before.0).abs() < 0.002 && (here.1 - before.1).abs() < 0.002);
            before = here;
        }
    }
}
