//! placeholder

pub mod signals;
