//! Values the cloud expects unchanged. The version and the policy move with the official app, so both are configurable.

/// The gateway for Europe and all other markets outside China.
pub const BASE_URL: &str = "https://appgateway.leapmotor-international.de";

/// Version of the official app: header `version`.
pub const APP_VERSION: &str = "1.12.3";

/// Header `source`.
pub const SOURCE: &str = "leapmotor";

/// Header `channel`.
pub const CHANNEL: &str = "1";

/// Header `acceptLanguage`, unless the owner wants another one.
pub const LANGUAGE: &str = "en-GB";

/// Header `deviceType`.
pub const DEVICE_TYPE: &str = "1";

/// Header `X-P12_ENC_ALG`, which is not signed.
pub const P12_ALGORITHM: &str = "1";

/// The privacy policy the sign-in agrees to, named by its date.
pub const POLICY_ID: &str = "20260204";

/// Smallest and largest nonce, both included.
pub const NONCE_RANGE: std::ops::RangeInclusive<u32> = 100_000..=9_999_999;

/// Key of the account certificate password.
pub const SM4_KEY: [u8; 16] = [
    0x42, 0x9c, 0xf4, 0x50, 0xef, 0x91, 0x7a, 0x98, 0x54, 0x33, 0x43, 0x0b, 0xcf, 0xed, 0x62, 0xac,
];

/// Key of the encrypted PIN when no token can give one; the text itself is the key.
pub const PIN_FALLBACK_KEY: &[u8; 16] = b"f1cf0c025baec0e2";

/// Initialisation vector that goes with [`PIN_FALLBACK_KEY`].
pub const PIN_FALLBACK_IV: &[u8; 16] = b"6b6a1fe94e133fd7";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::vectors::vectors;

    #[test]
    fn the_constants_are_those_of_the_vectors() {
        let expected = &vectors()["constants"];
        for (name, value) in [
            ("base_url", BASE_URL),
            ("app_version", APP_VERSION),
            ("source", SOURCE),
            ("channel", CHANNEL),
            ("default_language", LANGUAGE),
            ("device_type", DEVICE_TYPE),
            ("p12_enc_alg", P12_ALGORITHM),
            ("policy_id", POLICY_ID),
            ("sm4_key_hex", &hex::encode(SM4_KEY)),
        ] {
            assert_eq!(expected[name], value, "{name}");
        }
        assert_eq!(
            expected["operpwd_fallback_key"].as_str().unwrap().as_bytes(),
            PIN_FALLBACK_KEY
        );
        assert_eq!(
            expected["operpwd_fallback_iv"].as_str().unwrap().as_bytes(),
            PIN_FALLBACK_IV
        );
    }
}
