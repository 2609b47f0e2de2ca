//! The control interface: plain HTTP on the loopback interface, for tests and the demo.

use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, patch, post};
use axum::{Json, Router};
use clap::ValueEnum;
use jiff::Timestamp;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use super::car::profile::CarKind;
use super::car::{Car, Scenario};
use super::faults::Fault;
use super::gateway::Cloud;
use super::sharing::{Access, Invitation, Role};
use super::world::{Message, World};

/// Account id of the owner outside, whose cars are shared into the accounts.
const OUTSIDE_OWNER: &str = "555001";

/// PIN of cars of the owner outside.
const OUTSIDE_PIN: &str = "2468";

/// All routes.
pub fn router(cloud: Cloud) -> Router {
    Router::new()
        .route("/requests", get(requests))
        .route(
            "/cars/{vin}/status",
            get(show_status).put(serve_status).delete(serve_own_status),
        )
        .route("/cars/{vin}/signals", patch(patch_signals))
        .route("/cars/{vin}/scenario", post(play_scenario))
        .route("/cars/{vin}/rights", post(set_rights))
        .route("/messages", post(add_message))
        .route("/shares", post(add_share).delete(withdraw_share))
        .route("/faults", post(order_fault).delete(clear_faults))
        .with_state(cloud)
}

/// What a control request came to: an answer, or what was wrong with it.
type Outcome = Result<Response, Fail>;

/// Why a control request is refused.
struct Fail(StatusCode, String);

impl IntoResponse for Fail {
    fn into_response(self) -> Response {
        (self.0, Json(json!({ "error": self.1 }))).into_response()
    }
}

fn bad(reason: impl Into<String>) -> Fail {
    Fail(StatusCode::BAD_REQUEST, reason.into())
}

fn unknown(what: &str, name: &str) -> Fail {
    Fail(StatusCode::NOT_FOUND, format!("no {what} {name:?}"))
}

fn done() -> Outcome {
    Ok(Json(json!({})).into_response())
}

/// Reads a JSON body whatever content type it claims; no body is an empty object.
fn read<T: DeserializeOwned>(body: &Bytes) -> Result<T, Fail> {
    let body: &[u8] = if body.is_empty() { b"{}" } else { body };
    serde_json::from_slice(body).map_err(|error| bad(error.to_string()))
}

fn car<'a>(world: &'a mut World, vin: &str) -> Result<&'a mut Car, Fail> {
    world.car_mut(vin).ok_or_else(|| unknown("car", vin))
}

fn account(world: &World, username: &str) -> Result<usize, Fail> {
    let index = world.accounts.iter().position(|account| account.username == username);
    index.ok_or_else(|| unknown("account", username))
}

#[derive(Deserialize)]
struct Since {
    since: Option<u64>,
}

async fn requests(State(cloud): State<Cloud>, Query(Since { since }): Query<Since>) -> Response {
    let world = cloud.world();
    Json(world.journal.since(since.unwrap_or_default())).into_response()
}

async fn show_status(State(cloud): State<Cloud>, Path(vin): Path<String>) -> Outcome {
    let status = car(&mut cloud.world(), &vin)?.status(cloud.clock.now());
    Ok(Json(status).into_response())
}

async fn serve_status(State(cloud): State<Cloud>, Path(vin): Path<String>, body: Bytes) -> Outcome {
    let data: Map<String, Value> = read(&body)?;
    car(&mut cloud.world(), &vin)?.serve(Value::Object(data));
    done()
}

async fn serve_own_status(State(cloud): State<Cloud>, Path(vin): Path<String>) -> Outcome {
    car(&mut cloud.world(), &vin)?.serve_own();
    done()
}

async fn patch_signals(State(cloud): State<Cloud>, Path(vin): Path<String>, body: Bytes) -> Outcome {
    let changes: Map<String, Value> = read(&body)?;
    car(&mut cloud.world(), &vin)?
        .patch(&changes, cloud.clock.now())
        .map_err(bad)?;
    done()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Play {
    name: Scenario,
}

async fn play_scenario(State(cloud): State<Cloud>, Path(vin): Path<String>, body: Bytes) -> Outcome {
    let Play { name } = read(&body)?;
    car(&mut cloud.world(), &vin)?.play(name, cloud.clock.now());
    done()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rights {
    rights: Option<Vec<u32>>,
    abilities: Option<Vec<u32>>,
}

async fn set_rights(State(cloud): State<Cloud>, Path(vin): Path<String>, body: Bytes) -> Outcome {
    let Rights { rights, abilities } = read(&body)?;
    let mut world = cloud.world();
    let car = car(&mut world, &vin)?;
    if let Some(rights) = rights {
        car.rights = rights;
    }
    if let Some(abilities) = abilities {
        car.abilities = abilities;
    }
    done()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewMessage {
    /// Absent: every account that has the car, or every account.
    account: Option<String>,
    vin: Option<String>,
    title: Option<String>,
    message: Option<String>,
}

async fn add_message(State(cloud): State<Cloud>, body: Bytes) -> Outcome {
    let new: NewMessage = read(&body)?;
    let mut world = cloud.world();
    let accounts = match (&new.account, &new.vin) {
        (Some(username), _) => vec![account(&world, username)?],
        (None, Some(vin)) => {
            car(&mut world, vin)?;
            let having = world.access.iter().filter(|access| world.cars[access.car].vin == *vin);
            having.map(|access| access.account).collect()
        }
        (None, None) => (0..world.accounts.len()).collect(),
    };
    let ids: Vec<u64> = accounts
        .into_iter()
        .map(|account| {
            let id = world.fresh_id();
            world.messages.push(Message {
                id,
                account,
                vin: new.vin.clone(),
                title: new.title.clone().unwrap_or_else(|| "Charging complete".to_owned()),
                text: new
                    .message
                    .clone()
                    .unwrap_or_else(|| "Your car has finished charging.".to_owned()),
                sent: cloud.clock.now(),
            });
            id
        })
        .collect();
    Ok(Json(json!({ "ids": ids })).into_response())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewShare {
    /// Who is invited; absent: the first account.
    account: Option<String>,
    /// A car of another account; absent: a new car of an owner outside.
    vin: Option<String>,
    /// The model of that new car; absent: B10.
    car: Option<String>,
    /// Whether it is accepted already, so that the account has the car in a moment.
    #[serde(default)]
    accepted: bool,
}

async fn add_share(State(cloud): State<Cloud>, body: Bytes) -> Outcome {
    let new: NewShare = read(&body)?;
    let now = cloud.clock.now();
    let mut world = cloud.world();
    let invited = new
        .account
        .as_deref()
        .map_or(Ok(0), |username| account(&world, username))?;
    let (car, owner) = match &new.vin {
        Some(vin) => owned_by_another(&world, vin, invited)?,
        None => (
            outside_car(&mut world, new.car.as_deref(), now)?,
            OUTSIDE_OWNER.to_owned(),
        ),
    };
    let id = world.fresh_id();
    if new.accepted {
        let role = Role::Guest { since: now };
        world.access.push(Access {
            account: invited,
            car,
            role,
        });
    } else {
        world.invitations.push(Invitation {
            id,
            account: invited,
            car,
            owner,
            sent: now,
        });
    }
    let car = &world.cars[car];
    Ok(Json(json!({"msgid": id, "vin": car.vin, "model": car.kind.model(), "pin": car.pin})).into_response())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Withdrawal {
    /// Who loses the car; the owner too, as if it were sold.
    account: String,
    vin: String,
}

async fn withdraw_share(State(cloud): State<Cloud>, body: Bytes) -> Outcome {
    let Withdrawal { account: name, vin } = read(&body)?;
    let mut world = cloud.world();
    let account = account(&world, &name)?;
    car(&mut world, &vin)?;
    let World { access, cars, .. } = &mut *world;
    access.retain(|access| access.account != account || cars[access.car].vin != vin);
    done()
}

fn owned_by_another(world: &World, vin: &str, invited: usize) -> Result<(usize, String), Fail> {
    let access = world
        .access
        .iter()
        .find(|access| access.role == Role::Owner && world.cars[access.car].vin == vin)
        .ok_or_else(|| unknown("car", vin))?;
    if access.account == invited {
        return Err(bad("the account owns this car"));
    }
    Ok((access.car, world.accounts[access.account].id.to_string()))
}

fn outside_car(world: &mut World, model: Option<&str>, now: Timestamp) -> Result<usize, Fail> {
    let kind = CarKind::from_str(model.unwrap_or("B10"), true).map_err(bad)?;
    Ok(world.add_car(kind, OUTSIDE_PIN.to_owned(), false, now))
}

async fn order_fault(State(cloud): State<Cloud>, body: Bytes) -> Outcome {
    let fault: Fault = read(&body)?;
    fault.check().map_err(bad)?;
    let mut world = cloud.world();
    if fault.is_eviction() {
        world.evict(fault.account.as_deref());
    } else {
        world.faults.order(fault);
    }
    done()
}

async fn clear_faults(State(cloud): State<Cloud>) -> Outcome {
    cloud.world().faults.clear();
    done()
}
