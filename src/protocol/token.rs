//! What an access token, a JWT, says about the session.

use base64::Engine;
use base64::alphabet::URL_SAFE;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde::Deserialize;
use serde::de::DeserializeOwned;

/// Tokens come without padding; one that has it is read all the same.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

#[derive(Deserialize)]
struct Owner {
    user_name: String,
}

#[derive(Deserialize)]
struct Lifetime {
    exp: i64,
}

/// The device id the cloud assigned to the session: the third of at least four parts of the claim `user_name`. All
/// signed calls of the session use it in place of our own id. `None` when the token does not name one.
pub fn session_device_id(token: &str) -> Option<String> {
    let Owner { user_name } = claims(token)?;
    let parts: Vec<&str> = user_name.split(',').collect();
    match parts[..] {
        [_, _, device_id, _, ..] if !device_id.is_empty() => Some(device_id.to_owned()),
        _ => None,
    }
}

/// When the token expires by its own word, in Unix seconds. `None` when it does not say.
pub fn expires(token: &str) -> Option<i64> {
    claims(token).map(|Lifetime { exp }| exp)
}

fn claims<T: DeserializeOwned>(token: &str) -> Option<T> {
    let payload = BASE64.decode(token.split('.').nth(1)?).ok()?;
    serde_json::from_slice(&payload).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::protocol::vectors::{section, text};

    #[test]
    fn every_vector_names_the_recorded_device_or_none() {
        for vector in section("session_device_id") {
            let fallback = text(vector, "fallback").to_owned();
            let token = vector["token"].as_str().unwrap_or_default();
            let device_id = session_device_id(token).unwrap_or(fallback);
            assert_eq!(device_id, text(vector, "device_id"), "{token}");
        }
    }

    #[test]
    fn the_lifetime_is_the_claim_exp_whatever_else_the_token_holds() {
        let token = |claims: &str| format!("x.{}.y", BASE64.encode(claims));
        assert_eq!(expires(&token(r#"{"exp":1790000000}"#)), Some(1_790_000_000));
        assert_eq!(expires(&token(r#"{"user_name":"a,b,c,d","exp":5}"#)), Some(5));
        for claims in [r#"{"user_name":"a"}"#, r#"{"exp":"soon"}"#, "[]", ""] {
            assert_eq!(expires(&token(claims)), None, "{claims}");
        }
    }

    proptest! {
        #[test]
        fn no_token_makes_it_panic(token in any::<String>(), payload in any::<Vec<u8>>()) {
            session_device_id(&token);
            expires(&token);
            session_device_id(&format!("x.{}.y", BASE64.encode(payload)));
        }
    }
}
