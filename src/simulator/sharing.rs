//! Which account has which car, and the invitations that add cars.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::answer::{Refusal, Success};
use super::car::Car;
use super::request::Call;
use super::world::{Message, World};

/// An accepted share takes this long to spread through the cloud.
const PROPAGATION: SignedDuration = SignedDuration::from_secs(3);

/// How an account has a car.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// It owns it.
    Owner,
    /// The car is shared to it.
    Guest {
        /// Since when.
        since: Timestamp,
    },
}

/// An account has a car.
#[derive(Debug, Clone, Copy)]
pub struct Access {
    /// Index of the account.
    pub account: usize,
    /// Index of the car.
    pub car: usize,
    /// How it has it.
    pub role: Role,
}

/// A share that waits for an answer.
#[derive(Debug, Clone)]
pub struct Invitation {
    /// Its number.
    pub id: u64,
    /// The account invited.
    pub account: usize,
    /// The car to be shared.
    pub car: usize,
    /// Account id of the owner.
    pub owner: String,
    /// When it was sent.
    pub sent: Timestamp,
}

impl Access {
    /// Whether it counts for this call.
    pub fn is_in_force(&self, call: &Call) -> bool {
        let has_spread = match self.role {
            Role::Owner => true,
            Role::Guest { since } => since + PROPAGATION <= call.now,
        };
        Some(self.account) == call.account && has_spread
    }
}

impl World {
    /// A car of the calling account; any other is none of its business.
    pub fn car_of(&mut self, call: &Call, vin: &str) -> Result<(&mut Car, Role), Refusal> {
        let access = self
            .access
            .iter()
            .find(|access| access.is_in_force(call) && self.cars[access.car].vin == vin)
            .ok_or(Refusal::Permission)?;
        Ok((&mut self.cars[access.car], access.role))
    }

    /// The messages of the calling account, oldest first.
    pub fn messages_of(&self, call: &Call) -> impl Iterator<Item = &Message> {
        let account = call.account;
        self.messages
            .iter()
            .filter(move |message| Some(message.account) == account)
    }
}

/// `sharecar/getsharemsg`
pub fn invitations(world: &mut World, call: &Call) -> Result<Success, Refusal> {
    let list: Vec<Value> = world
        .invitations
        .iter()
        .filter(|invitation| Some(invitation.account) == call.account)
        .map(|invitation| {
            let car = &world.cars[invitation.car];
            json!({
                "msgid": invitation.id,
                "shareUserid": invitation.owner,
                "carCode": car.vin,
                "carId": car.car_id,
                "carType": car.kind.model(),
                "carAlias": "Family",
                "nickName": "Anna",
                "email": "anna@example.org",
                "mobileNumber": "+390000000",
                "type": 1,
                "moduleRights": "100,200,300,400",
                "rightList": null,
                "durationType": 0,
                "shareTime": invitation.sent.as_millisecond(),
                "expireTime": null,
            })
        })
        .collect();
    Ok(json!(list).into())
}

/// `sharecar/setokmsg`
pub fn answer(world: &mut World, call: &Call) -> Result<Success, Refusal> {
    let own_id = world.caller_mut(call)?.id.to_string();
    let accepts = match call.field("state") {
        "yes" => true,
        "no" => false,
        _ => return Err(Refusal::Verification),
    };
    let index = world
        .invitations
        .iter()
        .position(|invitation| {
            Some(invitation.account) == call.account
                && invitation.owner == call.field("shareUserId")
                && world.cars[invitation.car].vin == call.field("carCode")
        })
        .filter(|_| own_id == call.field("userId"))
        .ok_or(Refusal::Verification)?;
    let invitation = world.invitations.remove(index);
    if accepts {
        world.access.push(Access {
            account: invitation.account,
            car: invitation.car,
            role: Role::Guest { since: call.now },
        });
    }
    Ok(Value::Null.into())
}
