//! The encrypted PIN (`operatePassword`): AES-128 in CBC mode, keyed by the access token that travels beside it.
//!
//! It hides nothing from somebody who reads the request, and together with the session it opens the car: a secret.

use aes::Aes128;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use cbc::cipher::block_padding::Pkcs7;
use cbc::cipher::{BlockModeDecrypt, BlockModeEncrypt, KeyIvInit};
use md5::Md5;
use sha2::Digest;

use super::constants::{PIN_FALLBACK_IV, PIN_FALLBACK_KEY};

/// Characters of the token that give the key, and as many again that give the initialisation vector.
const TOKEN_PART: usize = 32;

/// Encrypts the PIN for the given access token. White space around the PIN is ignored.
pub fn encrypt(pin: &str, token: &str) -> String {
    let (key, iv) = key_and_iv(token);
    let encrypted =
        cbc::Encryptor::<Aes128>::new(&key.into(), &iv.into()).encrypt_padded_vec::<Pkcs7>(pin.trim().as_bytes());
    BASE64_STANDARD.encode(encrypted)
}

/// The PIN inside an `operatePassword`, or `None` when it was not made with this token. This is the cloud's side of it.
pub fn decrypt(operate_password: &str, token: &str) -> Option<String> {
    let (key, iv) = key_and_iv(token);
    let encrypted = BASE64_STANDARD.decode(operate_password).ok()?;
    let pin = cbc::Decryptor::<Aes128>::new(&key.into(), &iv.into())
        .decrypt_padded_vec::<Pkcs7>(&encrypted)
        .ok()?;
    String::from_utf8(pin).ok()
}

/// Key and initialisation vector. A token too short to give both, counted in characters, gives the fixed pair; the
/// tokens of the cloud are always longer.
fn key_and_iv(token: &str) -> ([u8; 16], [u8; 16]) {
    let first: String = token.chars().take(TOKEN_PART).collect();
    let second: String = token.chars().skip(TOKEN_PART).take(TOKEN_PART).collect();
    if second.chars().count() < TOKEN_PART {
        return (*PIN_FALLBACK_KEY, *PIN_FALLBACK_IV);
    }
    (key_text(&first), key_text(&second))
}

/// Characters 8 to 23 of the MD5 in hex. The characters themselves are the bytes of the key.
fn key_text(part: &str) -> [u8; 16] {
    let digest = Md5::digest(part);
    let mut text = [0; 16];
    for (pair, byte) in text.chunks_exact_mut(2).zip(&digest[4..12]) {
        let digits = format!("{byte:02x}");
        pair.copy_from_slice(digits.as_bytes());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::vectors::{section, text};

    #[test]
    fn every_vector_gives_the_recorded_key_and_text_and_comes_back() {
        for vector in section("operate_password") {
            // The vectors' null token is our empty one: both are too short.
            let token = vector["token"].as_str().unwrap_or_default();
            let (key, iv) = key_and_iv(token);
            assert_eq!(key, text(vector, "key_text").as_bytes());
            assert_eq!(iv, text(vector, "iv_text").as_bytes());
            assert_eq!(
                token.chars().count() as u64,
                vector["token_len_chars"].as_u64().unwrap()
            );

            let pin = text(vector, "pin");
            let encrypted = encrypt(&format!(" {pin}\n"), token);
            assert_eq!(encrypted, text(vector, "operate_password"));
            assert_eq!(decrypt(&encrypted, token).as_deref(), Some(pin));
        }
    }

    #[test]
    fn what_was_made_with_another_token_or_not_at_all_has_no_pin() {
        let token = "d".repeat(64);
        assert_ne!(
            decrypt(&encrypt("1234", &"e".repeat(64)), &token).as_deref(),
            Some("1234")
        );
        assert_eq!(decrypt("not base64!", &token), None);
        assert_eq!(decrypt("YWJj", &token), None);
        assert_eq!(decrypt("", &token), None);
    }
}
