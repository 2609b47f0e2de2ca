//! SM4 in ECB mode with PKCS#7 padding.

use sm4::Sm4;
use sm4::cipher::{BlockCipherEncrypt, KeyInit};

const BLOCK: usize = 16;

/// Encrypts `plaintext` block by block. The result is always longer than the input, by 1 to 16 bytes of padding.
pub fn encrypt(key: &[u8; BLOCK], plaintext: &[u8]) -> Vec<u8> {
    let padding = BLOCK - plaintext.len() % BLOCK;
    let mut data = plaintext.to_vec();
    // 1 to 16, so the value fits into a byte; PKCS#7 fills with the number of bytes added.
    data.resize(plaintext.len() + padding, padding.to_le_bytes()[0]);
    let cipher = Sm4::new(key.into());
    for block in data.as_chunks_mut::<BLOCK>().0 {
        cipher.encrypt_block(block.into());
    }
    data
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::vectors::{section, text};

    #[test]
    fn every_vector_encrypts_to_the_recorded_text() {
        for vector in section("sm4_ecb_pkcs7") {
            let key = hex::decode(text(vector, "key_hex")).unwrap().try_into().unwrap();
            let plaintext = hex::decode(text(vector, "plaintext_hex")).unwrap();
            assert_eq!(hex::encode(encrypt(&key, &plaintext)), text(vector, "ciphertext_hex"));
        }
    }
}
