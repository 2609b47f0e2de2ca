//! The table of everything the cloud answers: one row per path, with what it demands of a request.

use super::answer::{Refusal, Success};
use super::request::Call;
use super::world::World;
use super::{account, reads, remote, sharing, statistics};

/// Who may call, and with which certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Caller {
    /// Whoever holds the app's certificate.
    Anybody,
    /// A session, with its account certificate.
    Session,
    /// A session whose token may have expired, with its account certificate.
    Expired,
    /// A session, with the app's certificate.
    SessionByApp,
}

/// How the fields of a request are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyForm {
    /// Percent-encoded form.
    Form,
    /// JSON object.
    Json,
}

/// One path.
pub struct Endpoint {
    path: &'static str,
    /// Who may call it.
    pub caller: Caller,
    /// How its fields are written.
    pub body: BodyForm,
    /// Whether the header `X-P12_ENC_ALG` must be there; where not, it must be absent.
    pub names_p12_algorithm: bool,
    /// Fields it demands.
    pub fields: &'static [&'static str],
    /// Fields it takes besides.
    pub optional: &'static [&'static str],
    /// Those of its fields that are numbers in a JSON body; all others are texts.
    pub numbers: &'static [&'static str],
    /// A field that the signature does not cover.
    pub unsigned: Option<&'static str>,
    /// What answers it.
    pub answer: fn(&mut World, &Call) -> Result<Success, Refusal>,
}

const ROOT: &str = "/carownerservice/";

const fn row(
    path: &'static str,
    fields: &'static [&'static str],
    answer: fn(&mut World, &Call) -> Result<Success, Refusal>,
) -> Endpoint {
    Endpoint {
        path,
        caller: Caller::Session,
        body: BodyForm::Form,
        names_p12_algorithm: true,
        fields,
        optional: &[],
        numbers: &[],
        unsigned: None,
        answer,
    }
}

const ENDPOINTS: &[Endpoint] = &[
    Endpoint {
        caller: Caller::Anybody,
        ..row(
            "oversea/acct/v1/login",
            &["isRecoverAcct", "password", "policyId", "loginMethod", "email"],
            account::sign_in,
        )
    },
    Endpoint {
        caller: Caller::Expired,
        ..row("oversea/acct/v1/token/refresh", &["refreshToken"], account::refresh)
    },
    row("oversea/vehicle/v1/list", &[], reads::vehicle_list),
    Endpoint {
        optional: &["carId"],
        unsigned: Some("carId"),
        ..row("oversea/vehicle/v1/status/get/", &["vin"], reads::status)
    },
    Endpoint {
        optional: &["begintime", "endtime"],
        ..row(
            "oversea/drivingRecord/v1/mileage/energy/detail",
            &["vin"],
            statistics::mileage,
        )
    },
    row(
        "oversea/drivingRecord/v1/getLastNweeks100kmECAndRank",
        &["carvin"],
        statistics::weekly_rank,
    ),
    row(
        "oversea/drivingRecord/v1/getPlugInLastNweeks100kmEC",
        &["carvin"],
        statistics::plug_in_weekly,
    ),
    row(
        "oversea/drivingRecord/v1/getLastweekEC",
        &["carvin", "begintime", "endtime"],
        statistics::energy_breakdown,
    ),
    Endpoint {
        body: BodyForm::Json,
        numbers: &["pageNum", "pageSize"],
        ..row(
            "charge/daily/detail/page",
            &["vin", "timeZone", "startTime", "endTime", "pageNum", "pageSize"],
            statistics::charging_history,
        )
    },
    row("oversea/message/v1/list", &["pageNo", "pageSize"], reads::messages),
    row("oversea/message/v1/unread/count", &[], reads::unread_count),
    row(
        "oversea/vehicle/v1/carpicture/key",
        &["deviceID", "vin"],
        reads::picture_key,
    ),
    Endpoint {
        names_p12_algorithm: false,
        ..row(
            "oversea/vehicle/v1/carpicture/package",
            &["key"],
            reads::picture_package,
        )
    },
    row(
        "oversea/vehicle/v1/app/remote/ctl/getAppointment",
        &["vin", "cmdId"],
        remote::appointment,
    ),
    row("oversea/sharecar/getsharemsg", &[], sharing::invitations),
    row(
        "oversea/sharecar/setokmsg",
        &["shareUserId", "userId", "carCode", "state"],
        sharing::answer,
    ),
    row("oversea/hotspot/fetch", &["vin"], reads::software),
    Endpoint {
        caller: Caller::SessionByApp,
        ..row("oversea/vehicle/v1/cert/sync", &[], remote::certificate_sync)
    },
    row(
        "oversea/vehicle/v1/operPwd/verify",
        &["operatePassword", "vin"],
        remote::verify_pin,
    ),
    Endpoint {
        optional: &["operatePassword"],
        ..row(WRITE, &["cmdContent", "vin", "cmdId"], remote::write)
    },
    row(
        "oversea/vehicle/v1/app/remote/ctl/result/query",
        &["remoteCtlId"],
        remote::result,
    ),
];

const WRITE: &str = "oversea/vehicle/v1/app/remote/ctl";

/// The row of a path.
pub fn find(path: &str) -> Option<&'static Endpoint> {
    ENDPOINTS.iter().find(|endpoint| endpoint.segment(path).is_some())
}

impl Endpoint {
    /// The part of `path` after this endpoint's own: empty, or one segment where the row ends in a slash.
    pub fn segment<'a>(&self, path: &'a str) -> Option<&'a str> {
        let rest = path.strip_prefix(ROOT)?.strip_prefix(self.path)?;
        let fits = if self.path.ends_with('/') {
            !rest.is_empty() && !rest.contains('/')
        } else {
            rest.is_empty()
        };
        fits.then_some(rest)
    }

    /// Whether it sends commands to cars.
    pub fn is_remote_write(&self) -> bool {
        self.path == WRITE
    }
}
