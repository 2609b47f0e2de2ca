//! What is remembered between two runs: small documents, one per owner, and the vault for secrets.
//!
//! Must not know what the documents mean. Start with [`DataDir`], then [`Store`]; [`vault::Vault`] stands on both.

mod data_dir;
mod documents;
mod file;
pub mod secret;
pub mod vault;

pub use data_dir::{DataDir, DataDirError};
pub use documents::{Store, StoreError, Writer};
pub use secret::Secret;
pub use vault::{Vault, VaultError};
