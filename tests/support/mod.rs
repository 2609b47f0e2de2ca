//! What the black-box tests share. Each test file uses its own part of it.
#![allow(
    dead_code,
    reason = "every test file is a crate of its own and uses only part of this"
)]

pub mod listener;
pub mod mosquitto;
pub mod process;
pub mod world;
