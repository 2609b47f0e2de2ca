//! Signatures of requests.
//!
//! One rule covers every call: take the eight base fields and all fields of the body, sort them by name in byte order
//! and put their values (not percent-encoded; JSON numbers in decimal) one after the other without separator. The
//! sign-in takes the SHA-256 of that text; every other call its HMAC-SHA256 with the session's sign key.

use hkdf::Hkdf;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

use super::constants::{CHANNEL, DEVICE_TYPE, SOURCE};

/// What every request carries as headers and every signature covers. `channel`, `deviceType` and `source` never change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BaseFields<'a> {
    /// `acceptLanguage`, an IETF tag.
    pub language: &'a str,
    /// `deviceId`: our own at sign-in, the session's afterwards.
    pub device_id: &'a str,
    /// `nonce`, a decimal number.
    pub nonce: &'a str,
    /// `timestamp`, Unix time in milliseconds.
    pub timestamp: &'a str,
    /// `version`, of the app.
    pub version: &'a str,
}

impl<'a> BaseFields<'a> {
    /// All eight, by their names on the wire.
    pub fn named(&self) -> [(&'static str, &'a str); 8] {
        [
            ("acceptLanguage", self.language),
            ("channel", CHANNEL),
            ("deviceId", self.device_id),
            ("deviceType", DEVICE_TYPE),
            ("nonce", self.nonce),
            ("source", SOURCE),
            ("timestamp", self.timestamp),
            ("version", self.version),
        ]
    }
}

/// The text a signature is made of. Fields of equal name, of which the protocol has none, would keep their order.
pub fn input<'a>(base: &BaseFields<'a>, body: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let mut fields: Vec<(&str, &str)> = base.named().into_iter().chain(body).collect();
    fields.sort_by_key(|(name, _)| *name);
    fields.into_iter().map(|(_, value)| value).collect()
}

/// The signature of a sign-in: SHA-256 in lower-case hex.
pub fn sign_in(input: &str) -> String {
    hex::encode(Sha256::digest(input))
}

/// The key of all signatures after the sign-in.
#[derive(Clone, PartialEq, Eq)]
pub struct SignKey([u8; 32]);

impl SignKey {
    /// The key for what the sign-in answer holds as `signIkm`, `signSalt` and `signInfo`, taken as text as received.
    pub fn derive(input_key_material: &str, salt: &str, info: &str) -> Self {
        let mut key = [0; 32];
        // HKDF-SHA256 expands to 8160 bytes at most; 32 always fit.
        #[allow(clippy::expect_used, reason = "the length is a constant below the limit")]
        Hkdf::<Sha256>::new(Some(salt.as_bytes()), input_key_material.as_bytes())
            .expand(info.as_bytes(), &mut key)
            .expect("32 bytes are within the limit of HKDF-SHA256");
        Self(key)
    }

    /// The signature of `input`: HMAC-SHA256 in lower-case hex.
    pub fn sign(&self, input: &str) -> String {
        // HMAC takes keys of any length; the error is that of other constructions.
        #[allow(clippy::expect_used, reason = "HMAC takes keys of any length")]
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).expect("HMAC takes keys of any length");
        mac.update(input.as_bytes());
        hex::encode(mac.finalize().into_bytes())
    }

    /// The key in hex, for keeping it; a secret.
    pub fn to_hex(&self) -> String {
        hex::encode(self.0)
    }

    /// The key from [`Self::to_hex`]; `None` when the text is not one.
    pub fn from_hex(text: &str) -> Option<Self> {
        let mut key = [0; 32];
        hex::decode_to_slice(text, &mut key).ok()?;
        Some(Self(key))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::protocol::constants::APP_VERSION;
    use crate::protocol::vectors::{section, text};

    /// What the vectors name differently from the wire.
    const WIRE_NAMES: [(&str, &str); 6] = [
        ("username", "email"),
        ("picture_key", "key"),
        ("operation_password", "operatePassword"),
        ("cmd_content", "cmdContent"),
        ("cmd_id", "cmdId"),
        ("remote_ctl_id", "remoteCtlId"),
    ];

    /// The body fields of a vector: its inputs without those that are headers, plus what its formula adds.
    fn body(vector: &'static Value) -> Vec<(&'static str, &'static str)> {
        let mut fields = Vec::new();
        for (name, value) in vector["inputs"].as_object().unwrap() {
            match name.as_str() {
                "device_id" | "language" | "sign_key_hex" => {}
                "body_params" => {
                    let params = value.as_object().unwrap();
                    fields.extend(
                        params
                            .iter()
                            .map(|(name, value)| (name.as_str(), value.as_str().unwrap())),
                    );
                }
                name => {
                    let wire = WIRE_NAMES.iter().find(|(vector_name, _)| *vector_name == name);
                    fields.push((wire.map_or(name, |(_, wire)| wire), value.as_str().unwrap()));
                }
            }
        }
        match text(vector, "formula") {
            "login" => fields.extend([("isRecoverAcct", "0"), ("loginMethod", "1"), ("policyId", "20260204")]),
            "car_picture_key" => fields.push(("deviceID", text(&vector["inputs"], "device_id"))),
            _ => {}
        }
        fields
    }

    #[test]
    fn every_sign_key_is_as_recorded() {
        for vector in section("hkdf_sha256_32") {
            let key = SignKey::derive(text(vector, "ikm"), text(vector, "salt"), text(vector, "info"));
            assert_eq!(key.to_hex(), text(vector, "okm_hex"));
            assert!(SignKey::from_hex(&key.to_hex()) == Some(key));
        }
        assert!(SignKey::from_hex("abcd").is_none());
    }

    #[test]
    fn one_rule_gives_every_recorded_signature_and_header() {
        assert_eq!(section("sign").len(), 51);
        for vector in section("sign") {
            let base = BaseFields {
                language: text(&vector["inputs"], "language"),
                device_id: text(&vector["inputs"], "device_id"),
                nonce: text(vector, "nonce"),
                timestamp: text(vector, "timestamp"),
                version: APP_VERSION,
            };
            for (name, value) in base.named() {
                assert_eq!(vector["headers"][name], value, "{name}");
            }
            let input = input(&base, body(vector));
            assert_eq!(input, text(vector, "sign_input"));
            let sign = match text(vector, "algorithm") {
                "sha256" => sign_in(&input),
                _ => SignKey::from_hex(text(&vector["inputs"], "sign_key_hex"))
                    .unwrap()
                    .sign(&input),
            };
            assert_eq!(sign, text(vector, "sign"));
        }
    }
}
