//! Cars that somebody wants to share with the account.

use jiff::Timestamp;
use serde_json::Value;

use super::error::CloudError;
use super::lenient;
use super::request::Call;
use super::session::Session;
use crate::vehicle::{Model, Vin};

const INVITATIONS: &str = "/carownerservice/oversea/sharecar/getsharemsg";
const ANSWER: &str = "/carownerservice/oversea/sharecar/setokmsg";

/// An invitation that waits for an answer. Until then every call for the car is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShareInvitation {
    /// Which car.
    pub vin: Vin,
    /// Its model.
    pub model: Option<Model>,
    /// What its owner calls it.
    pub car_name: Option<String>,
    /// What its owner is called.
    pub owner_name: Option<String>,
    /// The owner's account, for the answer.
    pub owner_id: String,
    /// When it was shared.
    pub shared: Option<Timestamp>,
    /// When the share would end; `None` is unlimited.
    pub expires: Option<Timestamp>,
}

impl Session {
    /// Invitations that wait for an answer.
    pub async fn share_invitations(&self) -> Result<Vec<ShareInvitation>, CloudError> {
        let data = self.data(Call::form(INVITATIONS)).await?;
        Ok(lenient::items(Some(&data)).iter().filter_map(invitation).collect())
    }

    /// Accepts or rejects an invitation. An accepted car shows up some seconds later; calls in between may be refused
    /// as not verified or not permitted.
    pub async fn answer_share(&self, invitation: &ShareInvitation, accept: bool) -> Result<(), CloudError> {
        let call = Call::form(ANSWER)
            .text("shareUserId", &invitation.owner_id)
            .text("userId", &self.account().user_id)
            .text("carCode", invitation.vin.as_str())
            .text("state", if accept { "yes" } else { "no" });
        self.data(call).await?;
        Ok(())
    }
}

fn invitation(entry: &Value) -> Option<ShareInvitation> {
    Some(ShareInvitation {
        vin: Vin::parse(&lenient::text(entry, "carCode")?).ok()?,
        model: lenient::text(entry, "carType").map(|code| Model::parse(&code)),
        car_name: lenient::text(entry, "carAlias"),
        owner_name: lenient::text(entry, "nickName"),
        // With a small i here, with a large one in the answer.
        owner_id: lenient::text(entry, "shareUserid")?,
        shared: lenient::moment(entry, "shareTime"),
        expires: lenient::moment(entry, "expireTime"),
    })
}
