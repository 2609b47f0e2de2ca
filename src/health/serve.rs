//! The endpoint: `GET /healthz` is 200 while every watched task shows itself, 503 otherwise, with a line that says why.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::time::sleep;
use tracing::{debug, warn};

use super::Health;

/// Where the state of the process is asked for.
pub(super) const PATH: &str = "/healthz";

/// How often an address that another program has is tried again.
const RETRY: Duration = Duration::from_secs(60);

/// Serves for ever.
pub(super) async fn serve(listen: SocketAddr, health: Health) -> Infallible {
    let router = Router::new().route(PATH, get(answer)).with_state(health);
    let mut said = false;
    loop {
        match TcpListener::bind(listen).await {
            Ok(listener) => {
                debug!(%listen, "the health of this process can be asked for");
                said = false;
                // It ends on an error of the socket alone, which the next one may not have.
                let _ = axum::serve(listener, router.clone()).await;
            }
            Err(error) if said => debug!(%listen, %error, "still no health endpoint"),
            Err(error) => {
                said = true;
                warn!(
                    %listen, %error,
                    "the health endpoint cannot be opened, so `healthcheck` does not see this process; set health.listen to a free address"
                );
            }
        }
        sleep(RETRY).await;
    }
}

/// What is answered, and how it is told in one line.
async fn answer(State(health): State<Health>) -> (StatusCode, String) {
    match health.report().await {
        Some(report) if report.is_well() => (StatusCode::OK, format!("{report}\n")),
        Some(report) => (StatusCode::SERVICE_UNAVAILABLE, format!("{report}\n")),
        None => (
            StatusCode::SERVICE_UNAVAILABLE,
            "the monitor does not answer\n".to_owned(),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{LONGEST_SILENCE, Monitor};
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_stuck_task_is_503_and_named() {
        let (mut monitor, health) = Monitor::new();
        tokio::spawn(async move { monitor.answer().await });
        let pulse = health.watch("mqtt");
        assert_eq!(answer(State(health.clone())).await, (StatusCode::OK, "ok\n".to_owned()));
        tokio::time::advance(LONGEST_SILENCE + Duration::from_secs(1)).await;
        let (status, line) = answer(State(health.clone())).await;
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(line, "stuck: mqtt (silent for 301 s)\n");
        pulse.beat();
        assert_eq!(answer(State(health)).await.0, StatusCode::OK);
    }
}
