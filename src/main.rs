//! The `leapmotor2mqtt` program: see [`leapmotor2mqtt::cli`].

fn main() {}
