//! Remote control: certificate sync, PIN, the write, its result, and the schedules a car keeps.

use serde_json::{Value, json};

use super::answer::{Refusal, Success};
use super::car::payload::{self, APPOINTMENTS, CHARGE_PLAN, Command, Rejection};
use super::request::Call;
use super::world::World;
use crate::protocol::pin;

/// How long and how often a client shall ask for the result, milliseconds.
const RESULT_TIMEOUT: f64 = 5_000.0;
const LONGEST_RESULT_TIMEOUT: f64 = 30_000.0;
const RESULT_INTERVAL: u32 = 1_000;

/// A command that was sent to a car.
#[derive(Debug, Clone, Copy)]
pub struct Ticket {
    /// `remoteCtlId`.
    pub id: u64,
    /// Index of the account that sent it.
    account: usize,
    /// Index of the car.
    car: usize,
}

/// `vehicle/v1/cert/sync`
pub fn certificate_sync(world: &mut World, call: &Call) -> Result<Success, Refusal> {
    if let Some(session) = &mut world.caller_mut(call)?.session {
        session.is_synced = true;
    }
    Ok(Value::Null.into())
}

/// `operPwd/verify`
pub fn verify_pin(world: &mut World, call: &Call) -> Result<Success, Refusal> {
    check_pin(world, call)?;
    if let Some(session) = &mut world.caller_mut(call)?.session {
        session.verified.insert(call.field("vin").to_owned());
    }
    Ok(Value::Null.into())
}

/// `app/remote/ctl`
pub fn write(world: &mut World, call: &Call) -> Result<Success, Refusal> {
    let command = payload::find(call.field("cmdId")).ok_or(Refusal::Verification)?;
    if command.needs_pin != call.fields.contains_key("operatePassword") {
        return Err(Refusal::Verification);
    }
    let (car, _) = world.car_of(call, call.field("vin"))?;
    permit(&car.rights, command.rights)?;
    let kind = car.kind;
    if command.needs_pin {
        check_pin(world, call)?;
        check_verified(world, call)?;
    }
    let effect = understand(command, call, kind)?;
    let account = call.account.ok_or(Refusal::Token)?;
    let username = world.accounts[account].username.clone();
    let compliance = world.faults.command(WRITE_SUFFIX, Some(&username))?;
    let id = world.fresh_id();
    let vin = call.field("vin");
    let car = world
        .cars
        .iter()
        .position(|car| car.vin == vin)
        .ok_or(Refusal::Permission)?;
    world.cars[car].command(id, effect, compliance, call.now);
    world.tickets.push(Ticket { id, account, car });
    // A clock that runs faster leaves less real time for the questions.
    let timeout = (RESULT_TIMEOUT * world.speed).clamp(RESULT_TIMEOUT, LONGEST_RESULT_TIMEOUT);
    Ok(json!({
        "queryRemoteCtlResultTimeout": timeout as u64,
        "queryInterval": RESULT_INTERVAL,
        "remoteCtlId": id.to_string(),
    })
    .into())
}

/// What faults of commands are compared with.
const WRITE_SUFFIX: &str = "/carownerservice/oversea/vehicle/v1/app/remote/ctl";

/// `app/remote/ctl/result/query`
pub fn result(world: &mut World, call: &Call) -> Result<Success, Refusal> {
    let id: u64 = call.field("remoteCtlId").parse().map_err(|_| Refusal::Verification)?;
    let ticket = world
        .tickets
        .iter()
        .find(|ticket| ticket.id == id && Some(ticket.account) == call.account)
        .copied()
        .ok_or(Refusal::Verification)?;
    let confirmed = world.cars[ticket.car].has_confirmed(id, call.now);
    Ok(json!(u8::from(confirmed)).into())
}

/// `app/remote/ctl/getAppointment`; the answer is a text that holds JSON.
pub fn appointment(world: &mut World, call: &Call) -> Result<Success, Refusal> {
    let command = payload::find(call.field("cmdId"))
        .filter(|command| command.id == CHARGE_PLAN || APPOINTMENTS.contains(&command.id))
        .ok_or(Refusal::Verification)?;
    let (car, _) = world.car_of(call, call.field("vin"))?;
    permit(&car.rights, command.rights)?;
    car.advance(call.now);
    let text = car.appointment(command.id).map(|appointment| appointment.to_string());
    Ok(json!(text).into())
}

fn permit(owned: &[u32], wanted: &[u32]) -> Result<(), Refusal> {
    if wanted.iter().any(|right| owned.contains(right)) {
        Ok(())
    } else {
        Err(Refusal::Permission)
    }
}

/// The PIN as encrypted with the token in force. Commands need the certificate synchronised first.
fn check_pin(world: &mut World, call: &Call) -> Result<(), Refusal> {
    let session = world.caller_mut(call)?.session.as_ref().ok_or(Refusal::Token)?;
    let pin = pin::decrypt(call.field("operatePassword"), &session.token);
    if !session.is_synced {
        return Err(Refusal::Verification);
    }
    let (car, _) = world.car_of(call, call.field("vin"))?;
    if pin.as_deref() == Some(car.pin.as_str()) {
        return Ok(());
    }
    car.wrong_pins += 1;
    tracing::info!(attempts = car.wrong_pins, "wrong PIN");
    Err(Refusal::Pin)
}

/// Whether the PIN of this car was verified before, with the token in force. That the real cloud insists on it is not
/// known: being this strict is ours, so that a client that leaves the step out is found out.
fn check_verified(world: &mut World, call: &Call) -> Result<(), Refusal> {
    let session = world.caller_mut(call)?.session.as_ref().ok_or(Refusal::Token)?;
    if session.verified.contains(call.field("vin")) {
        Ok(())
    } else {
        Err(Refusal::Verification)
    }
}

fn understand(command: &Command, call: &Call, kind: super::car::profile::CarKind) -> Result<payload::Effect, Refusal> {
    command
        .understand(call.field("cmdContent"), kind, call.now)
        .map_err(|rejection| match rejection {
            Rejection::Malformed => Refusal::Verification,
            Rejection::Failed => Refusal::Failed,
        })
}
