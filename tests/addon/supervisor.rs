//! A Supervisor for tests: a real HTTP server that tells the broker, or whatever a test wants it to answer.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::get;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// The token of the add-on.
pub const TOKEN: &str = "0123456789abcdef0123456789abcdef";

/// What it answers, and how often it was asked.
struct Answer {
    status: StatusCode,
    body: String,
    asked: usize,
}

/// A running Supervisor. Ends with the test.
pub struct Supervisor {
    pub url: String,
    answer: Arc<Mutex<Answer>>,
    task: JoinHandle<()>,
}

impl Supervisor {
    /// One that knows no broker.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let answer = Arc::new(Mutex::new(Answer {
            status: StatusCode::OK,
            body: String::new(),
            asked: 0,
        }));
        let router = Router::new()
            .route("/services/mqtt", get(service))
            .with_state(answer.clone());
        let task = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        let supervisor = Self { url, answer, task };
        supervisor.answer(400, r#"{"result": "error", "message": "Service not enabled"}"#);
        supervisor
    }

    /// Answers this from now on.
    pub fn answer(&self, status: u16, body: &str) {
        let mut answer = self.answer.lock().unwrap();
        answer.status = StatusCode::from_u16(status).unwrap();
        body.clone_into(&mut answer.body);
    }

    /// Tells this broker from now on.
    pub fn tell(&self, port: u16, username: &str, password: &str) {
        let service = json!({"addon": "core_mosquitto", "host": "127.0.0.1", "port": port, "ssl": false,
            "username": username, "password": password, "protocol": "3.1.1"});
        self.answer(200, &json!({"result": "ok", "data": service}).to_string());
    }

    /// How often it was asked for the broker.
    pub fn asked(&self) -> usize {
        self.answer.lock().unwrap().asked
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn service(State(answer): State<Arc<Mutex<Answer>>>, headers: HeaderMap) -> (StatusCode, String) {
    let mut answer = answer.lock().unwrap();
    answer.asked += 1;
    let expected = format!("Bearer {TOKEN}");
    match headers.get("authorization").and_then(|value| value.to_str().ok()) {
        Some(given) if given == expected => (answer.status, answer.body.clone()),
        _ => (StatusCode::UNAUTHORIZED, String::new()),
    }
}
