//! The password of the account certificate, derived from two values of the sign-in answer.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use md5::Md5;
use sha2::{Digest, Sha256};

use super::constants::SM4_KEY;
use super::sm4;

/// Characters of the password.
const LENGTH: usize = 15;

/// The password of the PKCS#12 bundle issued to the account with these two ids.
pub fn derive(account_id: &str, uid: &str) -> String {
    let encrypted = sm4::encrypt(&SM4_KEY, &Sha256::digest(digest_input(account_id, uid)));
    // Twelve bytes make sixteen characters, so only the first block matters and padding never does.
    let mut password = BASE64_STANDARD.encode(&encrypted[..12]);
    password.truncate(LENGTH);
    password
}

/// The MD5 of the account id in hex, then its characters at even positions, then those of the uid at odd positions.
fn digest_input(account_id: &str, uid: &str) -> String {
    let mut text = hex::encode(Md5::digest(account_id));
    let even: String = text.chars().step_by(2).collect();
    text.push_str(&even);
    text.extend(uid.chars().skip(1).step_by(2));
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::vectors::{section, text};

    #[test]
    fn every_step_towards_the_password_is_as_recorded() {
        for vector in section("p12_password") {
            let (account_id, uid) = (text(vector, "account_id"), text(vector, "uid"));
            let input = digest_input(account_id, uid);
            let digest = Sha256::digest(&input);
            assert_eq!(input, text(vector, "digest_input"));
            assert_eq!(hex::encode(digest), text(vector, "sha256_hex"));
            assert_eq!(
                hex::encode(sm4::encrypt(&SM4_KEY, &digest)),
                text(vector, "sm4_ciphertext_hex")
            );
            assert_eq!(derive(account_id, uid), text(vector, "password"));
        }
    }
}
