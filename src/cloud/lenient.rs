//! Reading of answers whose fields may be missing, null, numbers as text or text as numbers.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde_json::Value;

/// A field as text: numbers in decimal, empty and blank texts missing.
pub fn text(object: &Value, name: &str) -> Option<String> {
    match object.get(name)? {
        Value::String(text) if !text.trim().is_empty() => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// A field as a finite number, from numbers, booleans and numeric text.
pub fn number(object: &Value, name: &str) -> Option<f64> {
    value_number(object.get(name)?)
}

/// A value as a finite number.
pub fn value_number(value: &Value) -> Option<f64> {
    let number = match value {
        Value::Number(number) => number.as_f64()?,
        Value::String(text) => text.trim().parse().ok()?,
        Value::Bool(flag) => f64::from(u8::from(*flag)),
        _ => return None,
    };
    number.is_finite().then_some(number)
}

/// A field as a whole number.
pub fn integer(object: &Value, name: &str) -> Option<i64> {
    value_integer(object.get(name)?)
}

/// A value as a whole number; fractions are missing.
pub fn value_integer(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) if number.is_i64() => number.as_i64(),
        _ => {
            let number = value_number(value)?;
            // Beyond 2^53 a float cannot tell whole numbers apart, so such a value is no whole number.
            #[allow(clippy::cast_possible_truncation, reason = "whole and below 2^53 by the two checks")]
            (number.fract() == 0.0 && number.abs() < 9.0e15).then_some(number as i64)
        }
    }
}

/// A field that holds Unix milliseconds. Zero and less is how the cloud says that it does not know.
pub fn moment(object: &Value, name: &str) -> Option<Timestamp> {
    let milliseconds = integer(object, name).filter(|milliseconds| *milliseconds > 0)?;
    Timestamp::from_millisecond(milliseconds).ok()
}

/// A list: null is empty, one object alone is a list of one.
pub fn items(value: Option<&Value>) -> &[Value] {
    match value {
        None | Some(Value::Null) => &[],
        Some(Value::Array(items)) => items,
        Some(one) => std::slice::from_ref(one),
    }
}

/// A set of codes, as a list or as comma-separated text. What is not a code is left out.
pub fn codes(object: &Value, name: &str) -> BTreeSet<u32> {
    let Some(value) = object.get(name) else {
        return BTreeSet::new();
    };
    if let Value::String(text) = value {
        return text.split(',').filter_map(|part| part.trim().parse().ok()).collect();
    }
    items(Some(value))
        .iter()
        .filter_map(|item| u32::try_from(value_integer(item)?).ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn numbers_come_as_numbers_texts_and_flags() {
        let object = json!({"a": 1, "b": " 1.5 ", "c": true, "d": "x", "e": null, "f": "NaN", "g": 9.5e300, "h": "7"});
        let numbers: Vec<_> = ["a", "b", "c", "d", "e", "f"].map(|name| number(&object, name)).into();
        assert_eq!(numbers, [Some(1.0), Some(1.5), Some(1.0), None, None, None]);
        let integers: Vec<_> = ["a", "b", "c", "g", "h", "z"].map(|name| integer(&object, name)).into();
        assert_eq!(integers, [Some(1), None, Some(1), None, Some(7), None]);
        assert_eq!(text(&object, "a").as_deref(), Some("1"));
        assert_eq!(text(&json!({"a": " "}), "a"), None);
    }

    #[test]
    fn null_one_and_many_are_all_lists() {
        assert!(items(None).is_empty());
        assert!(items(Some(&Value::Null)).is_empty());
        assert_eq!(items(Some(&json!({"a": 1}))).len(), 1);
        assert_eq!(items(Some(&json!([1, 2]))).len(), 2);
    }

    #[test]
    fn codes_keep_what_is_a_code() {
        let object = json!({"text": "110, 120,x,,777", "list": ["1", 2, "y", -3, null], "null": null});
        assert_eq!(codes(&object, "text"), BTreeSet::from([110, 120, 777]));
        assert_eq!(codes(&object, "list"), BTreeSet::from([1, 2]));
        assert!(codes(&object, "null").is_empty());
        assert!(codes(&object, "absent").is_empty());
    }

    #[test]
    fn a_moment_is_after_1970() {
        let object = json!({"a": 1_790_000_000_000_i64, "b": 0, "c": -5, "d": "1790000000000", "e": 1e18});
        assert_eq!(moment(&object, "a").unwrap().to_string(), "2026-09-21T14:13:20Z");
        assert_eq!(moment(&object, "a"), moment(&object, "d"));
        assert_eq!(
            [moment(&object, "b"), moment(&object, "c"), moment(&object, "e")],
            [None; 3]
        );
    }
}
