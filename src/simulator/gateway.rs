//! The cloud's side of HTTP: hands each request to the world and its answer back, with whatever fault was ordered.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::body::to_bytes;
use axum::extract::{ConnectInfo, State};
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};

use super::faults::Disturbance;
use super::request::Request;
use super::tls::Peer;
use super::world::World;
use crate::clock::Clock;

/// Requests of the protocol are far smaller.
const LARGEST_BODY: usize = 1 << 20;

/// The world and the clock it lives by, for every handler.
#[derive(Clone)]
pub struct Cloud {
    /// Tells the time.
    pub clock: Clock,
    world: Arc<Mutex<World>>,
}

impl Cloud {
    /// A cloud around a world.
    pub fn new(clock: Clock, world: World) -> Self {
        Self {
            clock,
            world: Arc::new(Mutex::new(world)),
        }
    }

    /// The world, for as long as nobody awaits.
    pub fn world(&self) -> MutexGuard<'_, World> {
        // A handler that panicked leaves a world that is still worth asking.
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// All paths of the cloud; which of them exist the table in `endpoints` says.
pub fn router(cloud: Cloud) -> Router {
    Router::new().fallback(handle).with_state(cloud)
}

async fn handle(
    State(cloud): State<Cloud>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    request: axum::extract::Request,
) -> Response {
    let (parts, body) = request.into_parts();
    if parts.method != Method::POST {
        return StatusCode::METHOD_NOT_ALLOWED.into_response();
    }
    let Ok(body) = to_bytes(body, LARGEST_BODY).await else {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    };
    let request = Request {
        path: parts.uri.path().to_owned(),
        headers: parts.headers,
        body,
        certificate: peer.certificate.clone(),
    };
    let (answer, delay) = {
        let now = cloud.clock.now();
        let mut world = cloud.world();
        let account = world.account_named(&request);
        match world.faults.disturb(&request.path, account.as_deref()) {
            None => (world.answer(&request, None, now), None),
            Some(Disturbance::Instead(answer)) => (world.answer(&request, Some(answer), now), None),
            Some(Disturbance::Late(delay)) => (world.answer(&request, None, now), Some(delay)),
            Some(Disturbance::Close) => {
                world.drop_request(&request, now);
                peer.hang_up();
                return StatusCode::SERVICE_UNAVAILABLE.into_response();
            }
        }
    };
    if let Some(delay) = delay {
        tokio::time::sleep(delay).await;
    }
    answer.into_response()
}
