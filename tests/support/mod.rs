//! What the black-box tests share.

#![allow(
    dead_code,
    reason = "every test file is a crate of its own and uses only part of this"
)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a test fails by panicking and says so on the terminal"
)]

pub mod at_work;
pub mod client;
pub mod listener;
pub mod mosquitto;
pub mod process;
pub mod world;

use std::fs::OpenOptions;
use std::io::Write;

/// Says that something cannot be tested here. With `CI=true` that is a failure; elsewhere it is noted in the file that
/// `SKIPPED_TESTS` names, from which `scripts/test` lists it. (A name with our prefix would be a setting of the bridge.)
pub fn skipped(reason: &str) {
    let is_ci = std::env::var("CI").is_ok_and(|value| value == "true");
    assert!(!is_ci, "must not be skipped: {reason}");
    eprintln!("SKIPPED: {reason}");
    if let Some(file) = std::env::var_os("SKIPPED_TESTS") {
        let mut file = OpenOptions::new().create(true).append(true).open(file).unwrap();
        // In one piece, since other tests write there too.
        file.write_all(format!("{reason}\n").as_bytes()).unwrap();
    }
}
