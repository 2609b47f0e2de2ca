//! placeholder

pub mod payload;
pub mod signals;
