//! Form bodies: `name=value&…`, with the percent-encoding the cloud uses.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// Everything but `A-Z a-z 0-9 - . _ ~` becomes `%XX`; a space is `%20`, never `+`.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Percent-encodes one value, or one segment of a path.
pub fn encode(value: &str) -> String {
    utf8_percent_encode(value, RESERVED).to_string()
}

/// A form body with its fields in the given order.
pub fn body<'a>(fields: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let pairs: Vec<String> = fields
        .into_iter()
        .map(|(name, value)| format!("{}={}", encode(name), encode(value)))
        .collect();
    pairs.join("&")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unreserved_characters_stay_and_all_others_become_upper_case_bytes() {
        assert_eq!(encode("aZ09-._~"), "aZ09-._~");
        assert_eq!(encode("S3cret! pä+/=&"), "S3cret%21%20p%C3%A4%2B%2F%3D%26");
    }

    #[test]
    fn a_body_keeps_the_order_of_its_fields() {
        assert_eq!(body([("vin", "LFZ"), ("key", "a b")]), "vin=LFZ&key=a%20b");
        assert_eq!(body([]), "");
    }
}
