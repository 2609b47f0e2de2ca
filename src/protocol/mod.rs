//! The arithmetic that the maker's cloud and its clients share: signatures, key derivation, passwords and encodings.
//!
//! Pure functions of text and bytes, pinned by `tests/data/protocol/vectors.json`. They know neither calls nor answers,
//! and wrap no secrets: whoever keeps a result wraps it. Start with [`signature`]; every request needs one.

pub mod certificate_password;
pub mod constants;
pub mod form;
pub mod pin;
pub mod signature;
pub mod sm4;
pub mod token;

#[cfg(test)]
pub(crate) mod vectors;
