//! From a typed call to the exact request on the wire: address, headers, body and signature. Pure.

use std::borrow::Cow;

use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value};

use super::settings::CloudSettings;
use crate::protocol::constants::P12_ALGORITHM;
use crate::protocol::form;
use crate::protocol::signature::{self, BaseFields, SignKey};
use crate::vehicle::Vin;

/// Largest answer we read, but for a picture package.
const ANSWER_LIMIT: usize = 4 << 20;

/// Largest picture package we read.
const PACKAGE_LIMIT: usize = 16 << 20;

/// What the endpoints call the field that says which car it is about.
const VIN_FIELDS: [&str; 3] = ["vin", "carvin", "carCode"];

/// Which client certificate a call presents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Identity {
    /// The one that belongs to the official app: sign-in and certificate sync.
    App,
    /// The one issued at sign-in: everything else.
    Account,
}

/// What must be new with every request, repeated ones included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// A number of [`crate::protocol::constants::NONCE_RANGE`].
    pub nonce: u32,
    /// Unix time in milliseconds.
    pub timestamp: i64,
}

/// A call of the cloud: where to, and what to say. Its fields may be secret, so it cannot be printed.
pub struct Call {
    path: Cow<'static, str>,
    identity: Identity,
    json: bool,
    package: bool,
    fields: Vec<Field>,
}

struct Field {
    name: &'static str,
    value: String,
    number: bool,
    signed: bool,
}

impl Call {
    /// A call with a form body, which nearly all have.
    pub fn form(path: impl Into<Cow<'static, str>>) -> Self {
        Self {
            path: path.into(),
            identity: Identity::Account,
            json: false,
            package: false,
            fields: Vec::new(),
        }
    }

    /// A call with a JSON body.
    pub fn json(path: &'static str) -> Self {
        Self {
            json: true,
            ..Self::form(path)
        }
    }

    /// Presents the app certificate.
    pub fn with_app_certificate(self) -> Self {
        Self {
            identity: Identity::App,
            ..self
        }
    }

    /// Asks for a package: larger, and without the header that names the certificate algorithm.
    pub fn for_package(self) -> Self {
        Self { package: true, ..self }
    }

    /// One more text field.
    pub fn text(self, name: &'static str, value: impl Into<String>) -> Self {
        self.field(name, value.into(), false, true)
    }

    /// One more number field: a number in JSON, decimal text in a form and in the signature.
    pub fn number(self, name: &'static str, value: i64) -> Self {
        self.field(name, value.to_string(), true, true)
    }

    /// One more text field that the signature does not cover.
    pub fn unsigned(self, name: &'static str, value: impl Into<String>) -> Self {
        self.field(name, value.into(), false, false)
    }

    fn field(mut self, name: &'static str, value: String, number: bool, signed: bool) -> Self {
        self.fields.push(Field {
            name,
            value,
            number,
            signed,
        });
        self
    }

    /// Which client certificate it presents.
    pub fn identity(&self) -> Identity {
        self.identity
    }

    /// Its path; holds nothing secret.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The car it is about, whatever this endpoint calls it.
    pub fn vin(&self) -> Option<Vin> {
        let field = self.fields.iter().find(|field| VIN_FIELDS.contains(&field.name))?;
        Vin::parse(&field.value).ok()
    }

    fn body(&self) -> String {
        if !self.json {
            return form::body(self.fields.iter().map(|field| (field.name, field.value.as_str())));
        }
        let fields = self.fields.iter().map(|field| {
            let number = field.number.then(|| field.value.parse::<i64>().ok()).flatten();
            let value = number.map_or_else(|| Value::from(field.value.as_str()), Value::from);
            (field.name.to_owned(), value)
        });
        Value::Object(fields.collect::<Map<_, _>>()).to_string()
    }
}

/// Who makes a call, which decides how it is signed.
#[derive(Clone, Copy)]
pub enum Caller<'a> {
    /// Somebody who signs in.
    Stranger,
    /// A session.
    Session {
        /// Header `userId`.
        user_id: &'a str,
        /// Header `token`.
        token: &'a SecretString,
        /// Key of the signature.
        sign_key: &'a SignKey,
    },
}

/// A POST request as it goes out. Holds secrets, so it cannot be printed.
pub struct Request {
    /// The whole address.
    pub url: String,
    /// Names as the protocol writes them.
    pub headers: Vec<(&'static str, String)>,
    /// Form or JSON.
    pub body: String,
    /// Which client certificate to present.
    pub identity: Identity,
    /// Largest answer to accept, in bytes.
    pub answer_limit: usize,
}

impl Request {
    /// Spells out and signs a call.
    pub fn new(call: &Call, settings: &CloudSettings, device_id: &str, caller: Caller<'_>, stamp: Stamp) -> Self {
        let (nonce, timestamp) = (stamp.nonce.to_string(), stamp.timestamp.to_string());
        let base = BaseFields {
            language: &settings.language,
            device_id,
            nonce: &nonce,
            timestamp: &timestamp,
            version: &settings.app_version,
        };
        let signed = call.fields.iter().filter(|field| field.signed);
        let input = signature::input(&base, signed.map(|field| (field.name, field.value.as_str())));
        let sign = match caller {
            Caller::Stranger => signature::sign_in(&input),
            Caller::Session { sign_key, .. } => sign_key.sign(&input),
        };

        let mut headers: Vec<(&'static str, String)> =
            base.named().map(|(name, value)| (name, value.to_owned())).into();
        headers.push(("sign", sign));
        if !call.package {
            headers.push(("X-P12_ENC_ALG", P12_ALGORITHM.to_owned()));
        }
        let content_type = if call.json {
            "application/json"
        } else {
            "application/x-www-form-urlencoded"
        };
        headers.push(("Content-Type", content_type.to_owned()));
        if let Caller::Session { user_id, token, .. } = caller {
            headers.push(("userId", user_id.to_owned()));
            headers.push(("token", token.expose_secret().to_owned()));
        }

        Self {
            url: format!("{}{}", settings.base_url.trim_end_matches('/'), call.path),
            headers,
            body: call.body(),
            identity: call.identity,
            answer_limit: if call.package { PACKAGE_LIMIT } else { ANSWER_LIMIT },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAMP: Stamp = Stamp {
        nonce: 1_234_567,
        timestamp: 1_790_000_000_123,
    };

    fn request(call: &Call) -> Request {
        let settings = CloudSettings {
            base_url: "https://localhost/".to_owned(),
            ..CloudSettings::default()
        };
        Request::new(call, &settings, "device", Caller::Stranger, STAMP)
    }

    fn header<'a>(request: &'a Request, name: &str) -> Option<&'a str> {
        let (_, value) = request.headers.iter().find(|(header, _)| *header == name)?;
        Some(value)
    }

    #[test]
    fn an_unsigned_field_is_sent_but_does_not_change_the_signature() {
        let plain = request(&Call::form("/p").text("vin", "LFZ"));
        let extended = request(&Call::form("/p").text("vin", "LFZ").unsigned("carId", "8 8"));
        assert_eq!(extended.body, "vin=LFZ&carId=8%208");
        assert_eq!(header(&plain, "sign"), header(&extended, "sign"));
        assert_eq!(plain.url, "https://localhost/p");
    }

    #[test]
    fn the_car_is_found_whatever_the_field_is_called() {
        for name in VIN_FIELDS {
            let vin = Call::form("/p").text(name, "LFZTEST0000000C10").vin().unwrap();
            assert_eq!(vin.as_str(), "LFZTEST0000000C10", "{name}");
        }
        assert!(Call::form("/p").text("email", "LFZTEST0000000C10").vin().is_none());
    }

    #[test]
    fn json_keeps_numbers_and_order() {
        let request = request(&Call::json("/p").text("vin", "1").number("pageNum", 2));
        assert_eq!(request.body, r#"{"vin":"1","pageNum":2}"#);
        assert_eq!(header(&request, "Content-Type"), Some("application/json"));
    }

    #[test]
    fn a_package_may_be_larger_and_names_no_certificate_algorithm() {
        let (plain, package) = (request(&Call::form("/p")), request(&Call::form("/p").for_package()));
        assert_eq!(header(&plain, "X-P12_ENC_ALG"), Some("1"));
        assert_eq!(header(&package, "X-P12_ENC_ALG"), None);
        assert!(package.answer_limit > plain.answer_limit);
    }
}
