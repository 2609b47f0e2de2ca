//! The one reader of answers. Nothing else in the program looks at the cloud's codes.
//!
//! An answer is `{"code":0,"result":0,"message":"…","data":…}`. Success is HTTP 200 and code 0; refusals usually come
//! with HTTP 200 as well. Messages are in any language, so the code decides and words only where there is no known one.

use serde_json::Value;

use super::error::CloudError;
use super::lenient;
use super::transport::Answer;

/// Longest message of the cloud we repeat.
const MESSAGE_LENGTH: usize = 160;

/// How the bytes of a ZIP archive start.
const ZIP_MAGIC: &[u8] = b"PK";

/// The codes that mean the same at every call.
const SESSION_LOST: i64 = 3;
const VERIFICATION: i64 = 39;
const NOT_PERMITTED: i64 = 40;

/// Which fields hold the code: the first that is there counts.
const CODE_FIRST: &[&str] = &["code", "result"];
const RESULT_FIRST: &[&str] = &["result", "code"];

/// What an answer says, before a refusal is given a meaning.
enum Verdict {
    /// Success, with its `data`.
    Success(Value),
    /// A code other than 0.
    Refused { code: i64, message: String },
}

/// The `data` of an answer; null when it has none.
pub fn data(answer: &Answer) -> Result<Value, CloudError> {
    read(answer, CODE_FIRST)
}

/// The same for a sign-in, which has no session to lose: a refusal that sounds like it calls for a pause. A password
/// may be refused under another code than the known one, and must not be tried again then either.
pub fn sign_in_data(answer: &Answer) -> Result<Value, CloudError> {
    data(answer).map_err(|error| match error {
        CloudError::SessionLost => CloudError::Verification,
        CloudError::Other { message, .. } if is_about_the_password(&message) => CloudError::SignInRejected,
        error => error,
    })
}

/// The same for the PIN check. The code of a wrong PIN is not documented, so every code but those that certainly mean
/// something else counts as one, whatever the words say: better to stop once too often than to lock the PIN.
pub fn pin_check(answer: &Answer) -> Result<(), CloudError> {
    match verdict(answer, CODE_FIRST)? {
        Verdict::Success(_) => Ok(()),
        Verdict::Refused {
            code: code @ (SESSION_LOST | VERIFICATION | NOT_PERMITTED),
            message,
        } => Err(refusal(code, message)),
        Verdict::Refused { code, message } => Err(CloudError::PinRejected { code, message }),
    }
}

/// The same for reads where no data is usual: `None` for code 100 and for empty data.
pub fn data_if_any(answer: &Answer) -> Result<Option<Value>, CloudError> {
    match data(answer) {
        Ok(Value::Null) | Err(CloudError::NoData) => Ok(None),
        Ok(Value::Object(fields)) if fields.is_empty() => Ok(None),
        Ok(data) => Ok(Some(data)),
        Err(error) => Err(error),
    }
}

/// The same for reading schedules, which is judged by `result` and by `code` only where that is missing.
pub fn schedule_data(answer: &Answer) -> Result<Value, CloudError> {
    read(answer, RESULT_FIRST)
}

/// Whether an answer refuses what was asked, for counting. That there is no data is no refusal.
pub fn refuses(answer: &Answer) -> bool {
    !answer.body.starts_with(ZIP_MAGIC) && data_if_any(answer).is_err()
}

/// The bytes of an answer that is a ZIP archive; errors come as JSON with the same HTTP status.
pub fn archive(answer: Answer) -> Result<Vec<u8>, CloudError> {
    if answer.status == 200 && answer.body.starts_with(ZIP_MAGIC) {
        return Ok(answer.body);
    }
    let status = answer.status;
    data(&answer)?;
    Err(CloudError::Unreadable {
        status,
        reason: "no ZIP archive",
    })
}

fn read(answer: &Answer, code_fields: &[&str]) -> Result<Value, CloudError> {
    match verdict(answer, code_fields)? {
        Verdict::Success(data) => Ok(data),
        Verdict::Refused { code, message } => Err(refusal(code, message)),
    }
}

fn verdict(answer: &Answer, code_fields: &[&str]) -> Result<Verdict, CloudError> {
    let status = answer.status;
    let unreadable = |reason| Err(CloudError::Unreadable { status, reason });
    // A gateway in front says it without the cloud's envelope, often with a web page.
    if status == 429 {
        return Err(CloudError::RateLimited {
            retry_after: answer.retry_after,
        });
    }

    let mut document: Value = match serde_json::from_slice(&answer.body) {
        Ok(document @ Value::Object(_)) => document,
        Ok(_) => return unreadable("JSON, but not an object"),
        Err(_) if answer.body.is_empty() => return unreadable("an empty body"),
        Err(error) if error.is_eof() => return unreadable("truncated JSON"),
        Err(_) => return unreadable("a web page or something else that is not JSON"),
    };
    let message = short(document.get("message").and_then(Value::as_str).unwrap_or_default());
    let code = code_fields.iter().find_map(|name| lenient::integer(&document, name));
    match code {
        Some(0) if status == 200 => {
            let data = document.get_mut("data").map(Value::take).unwrap_or_default();
            Ok(Verdict::Success(data))
        }
        Some(0) => unreadable("success, but with an error status"),
        Some(code) => Ok(Verdict::Refused { code, message }),
        None if status == 404 => Err(CloudError::NotFound),
        None => by_words(&message).map_or_else(|| unreadable("JSON without a result code"), Err),
    }
}

/// What a code other than 0 means.
fn refusal(code: i64, message: String) -> CloudError {
    match code {
        SESSION_LOST => CloudError::SessionLost,
        21 => CloudError::SignInRejected,
        VERIFICATION => CloudError::Verification,
        NOT_PERMITTED => CloudError::NotPermitted,
        100 => CloudError::NoData,
        -2 => CloudError::RequestFailed,
        _ => by_words(&message).unwrap_or_else(|| unknown(code, message)),
    }
}

fn by_words(message: &str) -> Option<CloudError> {
    let message = message.to_lowercase();
    if message.contains("token") {
        Some(CloudError::SessionLost)
    } else if message.contains("permission") {
        Some(CloudError::NotPermitted)
    } else {
        None
    }
}

/// The codes for a locked account and for an app that is too old are not known, so words decide. The lock comes first:
/// asking again may prolong it.
fn unknown(code: i64, message: String) -> CloudError {
    let words = message.to_lowercase();
    let is_about = |subject: &[&str]| subject.iter().any(|word| words.contains(word));
    if is_about(&["account"]) && is_about(&["lock", "frozen", "disabled", "blocked"]) || is_about(&["锁定", "冻结"])
    {
        CloudError::AccountLocked { code, message }
    } else if wants_another_app(&words) {
        CloudError::AppVersionRefused { code, message }
    } else {
        CloudError::Other { code, message }
    }
}

/// Whether this message in lower case refuses our app version or our privacy policy. A version alone does not: a cloud
/// that is being upgraded itself, or has no new version of something, is no reason to call the owner.
fn wants_another_app(message: &str) -> bool {
    let is_about_the_app = has_word(message, &["app", "application", "client", "应用", "客户端"]);
    let is_about_versions = has_word(message, &["version", "upgrade", "update", "版本", "升级"]);
    is_about_the_app && is_about_versions || message.contains("privacy policy") || message.contains("隐私")
}

/// Whether one of these words is in the text. Latin words count as whole words, since `conversion` is no version;
/// Chinese ones anywhere, since no spaces stand between them.
fn has_word(text: &str, words: &[&str]) -> bool {
    words.iter().any(|word| match word.is_ascii() {
        true => text
            .split(|character: char| !character.is_ascii_alphanumeric())
            .any(|part| part == *word),
        false => text.contains(word),
    })
}

fn is_about_the_password(message: &str) -> bool {
    let message = message.to_lowercase();
    message.contains("password") || message.contains("密码")
}

/// The cloud's message on one line, short, and without addresses.
fn short(message: &str) -> String {
    let words: Vec<&str> = message
        .split_whitespace()
        .map(|word| if word.contains('@') { "…" } else { word })
        .collect();
    words
        .join(" ")
        .chars()
        .filter(|character| !character.is_control())
        .take(MESSAGE_LENGTH)
        .collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    fn answer(status: u16, body: &str) -> Answer {
        answer_with(status, None, body.as_bytes())
    }

    fn answer_with(status: u16, retry_after: Option<Duration>, body: &[u8]) -> Answer {
        Answer {
            status,
            retry_after,
            body: body.to_vec(),
        }
    }

    fn error(status: u16, body: &str) -> CloudError {
        data(&answer(status, body)).unwrap_err()
    }

    #[test]
    fn success_gives_the_data_or_null() {
        assert_eq!(data(&answer(200, r#"{"code":0,"data":{"a":1}}"#)).unwrap()["a"], 1);
        assert!(data(&answer(200, r#"{"code":"0"}"#)).unwrap().is_null());
        assert!(data(&answer(200, r#"{"result":0,"data":null}"#)).unwrap().is_null());
    }

    #[test]
    fn every_known_code_has_its_meaning_whatever_the_message_says() {
        use CloudError as E;
        let of = |code: i64| error(200, &format!(r#"{{"code":{code},"message":"token of some version"}}"#));
        assert!(matches!(of(3), E::SessionLost));
        assert!(matches!(of(21), E::SignInRejected));
        assert!(matches!(of(39), E::Verification));
        assert!(matches!(of(40), E::NotPermitted));
        assert!(matches!(of(100), E::NoData));
        assert!(matches!(of(-2), E::RequestFailed));
        assert!(matches!(of(12345), E::SessionLost));
    }

    #[test]
    fn an_unknown_code_is_judged_by_its_words() {
        let version = error(200, r#"{"code":77,"message":"Please upgrade the App"}"#);
        assert!(matches!(version, CloudError::AppVersionRefused { code: 77, .. }));
        assert!(version.to_string().contains("cloud.app_version"));
        assert!(version.to_string().contains("cloud.policy_id"));
        let denied = error(200, r#"{"code":77,"message":"No such permission"}"#);
        assert!(matches!(denied, CloudError::NotPermitted));
        let other = error(200, r#"{"code":500,"message":"system busy"}"#);
        assert!(matches!(other, CloudError::Other { code: 500, .. }));
    }

    #[test]
    fn the_app_version_is_refused_only_where_the_app_or_the_privacy_policy_is_meant() {
        for message in [
            "The App version is too low, please upgrade",
            "APP_VERSION too low",
            "Application update required",
            "client version is not supported",
            "请升级APP",
            "客户端版本过低",
            "Please accept the new Privacy Policy",
            "隐私政策已更新",
        ] {
            let refused = error(200, &format!(r#"{{"code":77,"message":"{message}"}}"#));
            assert!(
                matches!(refused, CloudError::AppVersionRefused { code: 77, .. }),
                "{message}"
            );
        }
        for message in [
            "system is being upgraded",
            "type conversion failed",
            "系统升级中",
            "no new version",
            "the insurance policy has ended",
            "Whatsapp update failed",
        ] {
            let other = error(200, &format!(r#"{{"code":77,"message":"{message}"}}"#));
            assert!(matches!(other, CloudError::Other { code: 77, .. }), "{message}");
        }
    }

    #[test]
    fn answers_without_a_code_are_judged_by_their_status() {
        assert!(matches!(
            error(404, r#"{"message":"No message available"}"#),
            CloudError::NotFound
        ));
        assert!(matches!(
            error(429, r#"{"message":"slow down"}"#),
            CloudError::RateLimited { retry_after: None }
        ));
        assert!(matches!(
            error(401, r#"{"message":"Token expired"}"#),
            CloudError::SessionLost
        ));
        assert!(matches!(
            error(500, r#"{"error":"x"}"#),
            CloudError::Unreadable { status: 500, .. }
        ));
        assert!(matches!(
            error(503, r#"{"code":0}"#),
            CloudError::Unreadable { status: 503, .. }
        ));
    }

    #[test]
    fn a_locked_account_is_known_by_its_words() {
        for message in [
            "Your account has been locked",
            "account is frozen",
            "账号已锁定",
            "Account locked, update the app to the newest version to unlock it",
        ] {
            let locked = error(200, &format!(r#"{{"code":55,"message":"{message}"}}"#));
            assert!(
                matches!(locked, CloudError::AccountLocked { code: 55, .. }),
                "{message}"
            );
        }
        let other = error(200, r#"{"code":55,"message":"The door lock is busy"}"#);
        assert!(matches!(other, CloudError::Other { .. }));
    }

    #[test]
    fn who_is_asked_too_often_says_how_long_to_wait_even_with_a_web_page() {
        let minute = Some(Duration::from_secs(60));
        for retry_after in [None, minute] {
            let error = data(&answer_with(429, retry_after, b"<html>busy</html>")).unwrap_err();
            assert!(matches!(error, CloudError::RateLimited { retry_after: said } if said == retry_after));
        }
    }

    #[test]
    fn what_is_not_json_is_named_but_never_repeated() {
        for body in [
            "<html>secret</html>",
            r#"{"code":0,"data":{"token":"secret"#,
            "",
            "[\"secret\"]",
            "\"secret\"",
        ] {
            let error = error(200, body);
            assert!(matches!(error, CloudError::Unreadable { .. }), "{body}");
            assert!(!format!("{error} {error:?}").contains("secret"), "{body}");
        }
    }

    #[test]
    fn a_sign_in_cannot_lose_a_session() {
        let refused = answer(200, r#"{"code":3,"message":"Token is invalid"}"#);
        assert!(matches!(sign_in_data(&refused), Err(CloudError::Verification)));
    }

    #[test]
    fn a_password_that_is_refused_under_an_unknown_code_is_refused() {
        let refused = |message: &str| answer(200, &format!(r#"{{"code":1021,"message":"{message}"}}"#));
        for message in ["Wrong Password", "密码错误"] {
            assert!(
                matches!(sign_in_data(&refused(message)), Err(CloudError::SignInRejected)),
                "{message}"
            );
        }
        let busy = refused("system busy");
        assert!(matches!(sign_in_data(&busy), Err(CloudError::Other { code: 1021, .. })));
        let elsewhere = refused("Wrong Password");
        assert!(matches!(data(&elsewhere), Err(CloudError::Other { .. })));
    }

    #[test]
    fn a_code_at_the_pin_check_is_a_refused_pin_unless_it_certainly_means_something_else() {
        let check = |answer: &Answer| pin_check(answer).unwrap_err();
        let code = |code: i64| check(&answer(200, &format!(r#"{{"code":{code},"message":"token version"}}"#)));
        assert!(matches!(code(3), CloudError::SessionLost));
        assert!(matches!(code(39), CloudError::Verification));
        assert!(matches!(code(40), CloudError::NotPermitted));
        for refused in [21, -2, 100, 31, 12345] {
            assert!(
                matches!(code(refused), CloudError::PinRejected { code, .. } if code == refused),
                "{refused}"
            );
        }
        assert!(matches!(check(&answer(429, "")), CloudError::RateLimited { .. }));
        assert!(matches!(check(&answer(404, "{}")), CloudError::NotFound));
        assert!(matches!(check(&answer(200, "<html>")), CloudError::Unreadable { .. }));
        assert!(pin_check(&answer(200, r#"{"code":0}"#)).is_ok());
    }

    #[test]
    fn schedules_are_judged_by_their_result_first() {
        let both = answer(200, r#"{"code":0,"result":40}"#);
        assert!(matches!(schedule_data(&both), Err(CloudError::NotPermitted)));
        assert!(data(&both).is_ok());
        assert!(matches!(
            schedule_data(&answer(200, r#"{"code":40}"#)),
            Err(CloudError::NotPermitted)
        ));
    }

    #[test]
    fn a_message_is_repeated_short_and_without_addresses() {
        let long = format!("for owner@example.org\\n{}", "x".repeat(500));
        let CloudError::Other { message, .. } = error(200, &format!(r#"{{"code":9,"message":"{long}"}}"#)) else {
            panic!("another error");
        };
        assert!(message.starts_with("for … xxx"), "{message}");
        assert_eq!(message.chars().count(), MESSAGE_LENGTH);
    }

    #[test]
    fn an_archive_is_known_by_its_first_bytes() {
        assert_eq!(archive(answer(200, "PK\u{3}\u{4}")).unwrap().len(), 4);
        assert!(matches!(
            archive(answer(200, r#"{"code":39}"#)),
            Err(CloudError::Verification)
        ));
        assert!(matches!(
            archive(answer(200, r#"{"code":0}"#)),
            Err(CloudError::Unreadable { .. })
        ));
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(status in any::<u16>(), body in any::<Vec<u8>>()) {
            let answer = answer_with(status, None, &body);
            let _ = data(&answer);
            let _ = schedule_data(&answer);
            let _ = archive(answer);
        }

        #[test]
        fn no_json_makes_it_panic(code in any::<i64>(), text in any::<String>(), number in any::<f64>()) {
            let body = serde_json::json!({"code": code, "result": number, "message": text, "data": text});
            let _ = data(&answer(200, &body.to_string()));
        }
    }
}
