//! Destinations: texts and coordinates as the navigation takes them.

use std::borrow::Cow;

use serde_json::{Value, json};

use crate::vehicle::Model;
use crate::vehicle::command::Destination;

/// A destination of its own (180).
pub fn destination(destination: &Destination, model: &Model) -> Value {
    json!({
        "address": text_for(model, &destination.address),
        "addressname": text_for(model, &destination.name),
        "latitude": degrees(destination.latitude),
        "linenum": "0",
        "longitude": degrees(destination.longitude),
    })
}

/// A destination within a preparation.
pub fn within_preparation(destination: &Destination, model: &Model) -> Value {
    json!({
        "address": text_for(model, &destination.address),
        "addressname": text_for(model, &destination.name),
        "addresskey": "",
        "config": "0110",
        "latitude": degrees(destination.latitude),
        "longitude": degrees(destination.longitude),
        "linenum": "0",
        "enable": true,
    })
}

/// Degrees as decimal text with at least one decimal and never an exponent: `47.0`, `-8.54`.
pub(super) fn degrees(angle: f64) -> String {
    let text = angle.to_string();
    if text.contains('.') { text } else { format!("{text}.0") }
}

/// Names with other than ASCII characters crash the navigation of the T03.
fn text_for<'a>(model: &Model, text: &'a str) -> Cow<'a, str> {
    if *model != Model::T03 || text.is_ascii() {
        return Cow::Borrowed(text);
    }
    let mut plain = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            'ä' | 'æ' => plain.push_str("ae"),
            'ö' | 'œ' => plain.push_str("oe"),
            'ü' => plain.push_str("ue"),
            'Ä' | 'Æ' => plain.push_str("Ae"),
            'Ö' | 'Œ' => plain.push_str("Oe"),
            'Ü' => plain.push_str("Ue"),
            'ß' => plain.push_str("ss"),
            _ => plain.push(unaccented(character)),
        }
    }
    Cow::Owned(plain)
}

/// The letter without its accent, for the languages of the countries where the T03 is sold.
fn unaccented(character: char) -> char {
    const LETTERS: [(&str, char); 32] = [
        ("àáâãåāăą", 'a'),
        ("çćč", 'c'),
        ("ďđð", 'd'),
        ("èéêëēėęě", 'e'),
        ("ğģ", 'g'),
        ("ìíîïīįı", 'i'),
        ("ķ", 'k'),
        ("ĺļľł", 'l'),
        ("ñńņň", 'n'),
        ("òóôõøōő", 'o'),
        ("ŕř", 'r'),
        ("śşšș", 's'),
        ("ťţț", 't'),
        ("ùúûūůűų", 'u'),
        ("ýÿ", 'y'),
        ("źżž", 'z'),
        ("ÀÁÂÃÅĀĂĄ", 'A'),
        ("ÇĆČ", 'C'),
        ("ĎĐÐ", 'D'),
        ("ÈÉÊËĒĖĘĚ", 'E'),
        ("ĞĢ", 'G'),
        ("ÌÍÎÏĪĮİ", 'I'),
        ("Ķ", 'K'),
        ("ĹĻĽŁ", 'L'),
        ("ÑŃŅŇ", 'N'),
        ("ÒÓÔÕØŌŐ", 'O'),
        ("ŔŘ", 'R'),
        ("ŚŞŠȘ", 'S'),
        ("ŤŢȚ", 'T'),
        ("ÙÚÛŪŮŰŲ", 'U'),
        ("ÝŸ", 'Y'),
        ("ŹŻŽ", 'Z'),
    ];
    if character.is_ascii() {
        return character;
    }
    LETTERS
        .iter()
        .find(|(accented, _)| accented.contains(character))
        .map_or('?', |(_, plain)| *plain)
}
