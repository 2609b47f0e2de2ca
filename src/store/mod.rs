//! What is remembered between two runs: small documents, one per owner, and the vault for secrets. Beside the vault stands
//! what keeps secrets out of texts, the [`Redactor`].
//!
//! Must not know what the documents mean. Start with [`DataDir`], then [`Store`]; [`vault::Vault`] stands on both.

mod data_dir;
mod documents;
mod file;
mod redactor;
pub mod secret;
pub mod vault;

pub use data_dir::{DataDir, DataDirError};
pub use documents::{Store, StoreError, Writer};
pub use redactor::{Redactor, mask_email};
pub use secret::Secret;
pub use vault::{Vault, VaultError};
