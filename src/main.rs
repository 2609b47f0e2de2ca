//! The `leapmotor2mqtt` program; [`leapmotor2mqtt::cli`] reads its words.

use std::process::ExitCode;

fn main() -> ExitCode {
    leapmotor2mqtt::cli::main()
}
