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
