//! The envelope every answer of the cloud comes in, and the refusals it knows.

use axum::Json;
use axum::body::Body;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

/// Why a call is refused; with HTTP 200 and a code that is not 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The token has expired or belongs to a session that a newer sign-in ended.
    Token,
    /// No such account, or another password.
    Credentials,
    /// The PIN is not the car's.
    Pin,
    /// A signature, header or field is not as it must be.
    Verification,
    /// The account or the car lacks the right.
    Permission,
    /// Nothing was driven in the window asked for.
    NoData,
    /// Understood, and not possible.
    Failed,
    /// A code somebody asked for by a fault.
    Code(i64),
    /// There is nothing under this path: HTTP 404, without a code.
    NoSuchPath,
}

impl Refusal {
    /// `code` of the envelope.
    pub fn code(self) -> i64 {
        match self {
            Self::Token => 3,
            Self::Credentials => 21,
            Self::Pin => 31,
            Self::Verification => 39,
            Self::Permission => 40,
            Self::NoData => 100,
            Self::Failed => -2,
            Self::Code(code) => code,
            Self::NoSuchPath => 404,
        }
    }

    fn message(self) -> &'static str {
        match self.code() {
            3 => "Token is invalid",
            21 => "incorrect account or password",
            31 => "operatePassword error",
            // As 31, these two are ours: the real codes are not known.
            60 => "The App version is too low, please upgrade",
            61 => "Your account has been locked",
            39 => "Information verification failed, please try again later",
            40 => "No such permission",
            100 => "No data found",
            _ => "Request failed",
        }
    }
}

/// What a call brings when it is not refused.
#[derive(Debug)]
pub enum Success {
    /// `data` of the envelope.
    Data(Value),
    /// A ZIP without envelope.
    Package(Vec<u8>),
}

impl From<Value> for Success {
    fn from(data: Value) -> Self {
        Self::Data(data)
    }
}

/// One answer.
#[derive(Debug)]
pub enum Answer {
    /// The call was fine.
    Success(Success),
    /// It was not.
    Refused(Refusal),
    /// There is nothing under this path.
    NoSuchPath,
    /// An HTTP error a fault asked for.
    Http(StatusCode),
    /// Something that is not the protocol.
    Garbage,
}

impl Answer {
    /// The code of the envelope, `None` where there is no envelope.
    pub fn code(&self) -> Option<i64> {
        match self {
            Self::Success(_) => Some(0),
            Self::Refused(refusal) => Some(refusal.code()),
            Self::NoSuchPath | Self::Http(_) | Self::Garbage => None,
        }
    }
}

impl From<Result<Success, Refusal>> for Answer {
    fn from(result: Result<Success, Refusal>) -> Self {
        match result {
            Ok(success) => Self::Success(success),
            Err(Refusal::NoSuchPath) => Self::NoSuchPath,
            Err(refusal) => Self::Refused(refusal),
        }
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        match self {
            Self::Success(Success::Data(data)) => envelope(0, "Request successful", &data),
            Self::Success(Success::Package(zip)) => {
                ([(header::CONTENT_TYPE, "application/octet-stream")], Body::from(zip)).into_response()
            }
            Self::Refused(refusal) => envelope(refusal.code(), refusal.message(), &Value::Null),
            Self::NoSuchPath => {
                let body = json!({"status": 404, "error": "Not Found", "message": "No message available"});
                (StatusCode::NOT_FOUND, Json(body)).into_response()
            }
            Self::Http(status) => (status, "<html><body>upstream error</body></html>").into_response(),
            Self::Garbage => (
                [(header::CONTENT_TYPE, "text/html")],
                "<html><body><h1>Please wait</h1></body></html>",
            )
                .into_response(),
        }
    }
}

fn envelope(code: i64, message: &str, data: &Value) -> Response {
    Json(json!({"code": code, "result": code, "message": message, "data": data})).into_response()
}
