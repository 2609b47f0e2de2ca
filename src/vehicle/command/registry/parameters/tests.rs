//! What a caller may send for each kind of parameter, and how it is read.

use serde_json::json;

use super::*;

const PARAMETERS: &[Parameter] = &[
    Parameter::new("count", Kind::Integer { min: 1, max: 7 }, "").aliases(&["number"]),
    Parameter::new("angle", Kind::Decimal { min: -90.0, max: 90.0 }, ""),
    Parameter::new(
        "mode",
        Kind::Enum {
            words: &["cold", "3"],
            also: &[("cool", "cold")],
        },
        "",
    ),
    Parameter::new("flag", Kind::Boolean, ""),
    Parameter::new("name", Kind::Text { max: 4 }, ""),
    Parameter::new("start", Kind::Time, ""),
    Parameter::new("moment", Kind::DateTime, ""),
    Parameter::new("days", Kind::Days, ""),
    Parameter::new("cycles", Kind::Cycles, ""),
    Parameter::new("bundle", Kind::Object, ""),
    Parameter::new("params", Kind::Inline, ""),
    Parameter::new("entries", Kind::List, ""),
];

fn read(name: &str, value: Value) -> Result<Arguments, Rejection> {
    Arguments::read(PARAMETERS, &Map::from_iter([(name.to_owned(), value)]))
}

fn reason(name: &str, value: Value) -> Reason {
    read(name, value).unwrap_err().reason
}

#[test]
fn numbers_may_come_as_text_and_must_be_whole_and_in_range() {
    for value in [json!(5), json!(5.0), json!("5"), json!(" 5 ")] {
        assert_eq!(read("count", value).unwrap().integer("count"), Some(5));
    }
    for value in [json!(0), json!(8), json!("8"), json!(1e300)] {
        assert_eq!(reason("count", value), Reason::OutOfRange);
    }
    for value in [
        json!(1.5),
        json!("x"),
        json!("NaN"),
        json!("inf"),
        json!(true),
        json!([]),
    ] {
        assert_eq!(reason("count", value), Reason::InvalidPayload);
    }
    assert_eq!(read("angle", json!("45.5")).unwrap().decimal("angle"), Some(45.5));
    assert_eq!(reason("angle", json!(91)), Reason::OutOfRange);
    assert_eq!(reason("angle", json!({})), Reason::InvalidPayload);
}

#[test]
fn words_have_synonyms_and_ignore_case() {
    for value in [json!("cold"), json!("COOL"), json!(" cold ")] {
        assert_eq!(read("mode", value).unwrap().word("mode"), Some("cold"));
    }
    assert_eq!(read("mode", json!(3)).unwrap().word("mode"), Some("3"));
    assert_eq!(reason("mode", json!("dry")), Reason::OutOfRange);
    assert_eq!(reason("mode", json!(false)), Reason::InvalidPayload);
}

#[test]
fn flags_may_come_as_words_and_numbers() {
    for value in [json!(true), json!(1), json!("on"), json!("True"), json!("1")] {
        assert!(read("flag", value).unwrap().is_set("flag"));
    }
    for value in [json!(false), json!(0), json!("OFF"), json!("no")] {
        assert_eq!(read("flag", value).unwrap().flag("flag"), Some(false));
    }
    for value in [json!(2), json!(0.5), json!("maybe"), json!([true])] {
        assert_eq!(reason("flag", value), Reason::InvalidPayload);
    }
}

#[test]
fn texts_are_limited() {
    assert_eq!(read("name", json!("Ümü☕")).unwrap().text("name").unwrap(), "Ümü☕");
    assert_eq!(reason("name", json!("12345")), Reason::OutOfRange);
    assert_eq!(reason("name", json!("a\nb")), Reason::InvalidPayload);
    assert_eq!(reason("name", json!(1)), Reason::InvalidPayload);
}

#[test]
fn times_and_days_are_normalised() {
    for value in ["07:30", "7:30", "07:30:59"] {
        assert_eq!(read("start", json!(value)).unwrap().text("start").unwrap(), "07:30");
    }
    for value in ["24:00", "7", "a:b", "07:60", ""] {
        assert_eq!(reason("start", json!(value)), Reason::InvalidPayload, "{value}");
    }
    for value in ["2026-09-22 07:30:00", "2026-09-22T07:30:00", "2026-09-22 07:30"] {
        let moment = read("moment", json!(value)).unwrap().date_time("moment").unwrap();
        assert_eq!(moment.to_string(), "2026-09-22T07:30:00");
    }
    for value in [json!("2026-09-22"), json!("2026-13-01 00:00:00"), json!(7)] {
        assert_eq!(reason("moment", value), Reason::InvalidPayload);
    }
    for value in [json!([5, 1, "1"]), json!("1, 5")] {
        assert_eq!(read("days", value).unwrap().days("days").unwrap(), [1, 5]);
    }
    assert!(read("days", json!("")).unwrap().days("days").unwrap().is_empty());
    assert_eq!(reason("days", json!([7])), Reason::OutOfRange);
    assert_eq!(reason("days", json!([1.5])), Reason::OutOfRange);
    assert_eq!(reason("days", json!(1)), Reason::InvalidPayload);
    assert_eq!(
        read("cycles", json!("1, 1,1,1,1,0,0")).unwrap().text("cycles").unwrap(),
        "1,1,1,1,1,0,0"
    );
    for value in ["1,2,3,4,5,6,7", "1,1,1", ""] {
        assert_eq!(reason("cycles", json!(value)), Reason::InvalidPayload);
    }
}

#[test]
fn objects_and_lists_are_taken_as_they_are_and_inline_members_are_parameters() {
    let bundle = read("bundle", json!({"x": 1})).unwrap();
    assert_eq!(bundle.object("bundle").unwrap()["x"], 1);
    assert_eq!(
        read("entries", json!([1])).unwrap().list("entries").unwrap(),
        [json!(1)]
    );
    assert_eq!(reason("entries", json!({})), Reason::InvalidPayload);
    assert_eq!(reason("entries", json!(vec![1; 51])), Reason::OutOfRange);
    assert_eq!(reason("bundle", json!([])), Reason::InvalidPayload);
    let inline = read("params", json!({"number": 3, "flag": null})).unwrap();
    assert_eq!(inline.small("count"), Some(3));
    assert_eq!(inline.flag("flag"), None);
    assert_eq!(reason("params", json!({"params": {}})), Reason::InvalidPayload);
    assert_eq!(reason("params", json!("x")), Reason::InvalidPayload);
}

#[test]
fn an_unknown_name_is_answered_with_the_known_ones() {
    let rejection = read("spin", json!(1)).unwrap_err();
    assert_eq!(rejection.reason, Reason::InvalidPayload);
    assert!(
        rejection.detail.contains("\"spin\": known are count, angle"),
        "{rejection}"
    );
    let rejection = Arguments::read(&[], &Map::from_iter([("x".to_owned(), json!(1))])).unwrap_err();
    assert!(rejection.detail.contains("takes none"), "{rejection}");
}

#[test]
fn defaults_fill_in_and_required_ones_are_missed() {
    const TABLE: &[Parameter] = &[
        Parameter::new("level", Kind::Integer { min: 0, max: 3 }, "").default("2"),
        Parameter::new("seat", Kind::Text { max: 9 }, "")
            .unit("seat")
            .required(),
    ];
    let given = Map::from_iter([("seat".to_owned(), json!("driver"))]);
    assert_eq!(Arguments::read(TABLE, &given).unwrap().integer("level"), Some(2));
    assert_eq!(
        Arguments::read(TABLE, &Map::new()).unwrap_err().reason,
        Reason::MissingParameter
    );
}
