//! The parameters of the commands, as the table and the builders share them.

use super::parameters::{Kind, Parameter};

const TEMPERATURE: Kind = Kind::Integer { min: 18, max: 32 };
const LATITUDE: Kind = Kind::Decimal { min: -90.0, max: 90.0 };
const LONGITUDE: Kind = Kind::Decimal {
    min: -180.0,
    max: 180.0,
};
const SET_ID: Kind = Kind::Text { max: 100 };
/// Older clients write `wind` where the app writes `nohotcold`.
const MODE: Kind = Kind::Enum {
    words: &["cold", "hot", "nohotcold"],
    also: &[("wind", "nohotcold"), ("cool", "cold"), ("heat", "hot")],
};
const OPERATE: Kind = Kind::Enum {
    words: &["manual", "auto", "off"],
    also: &[("close", "off")],
};
const CIRCLE: Kind = Kind::Enum {
    words: &["in", "out"],
    also: &[],
};
/// 2 heats the windshield, 1 does not. Older clients write 0 for off and 1 for heating, which starts plain heating on
/// a car; 0 is read as off, 1 as the app means it.
const WINDSHIELD: Kind = Kind::Enum {
    words: &["1", "2"],
    also: &[("0", "1")],
};
const EVERYWHERE: Kind = Kind::Enum {
    words: &["all"],
    also: &[],
};
const FAN: Kind = Kind::Integer { min: 1, max: 7 };

const fn fan_speed(default: &'static str) -> Parameter {
    Parameter::new("fan_speed", FAN, "Fan speed.")
        .aliases(&["windlevel"])
        .default(default)
}

const fn temperature(default: &'static str) -> Parameter {
    Parameter::new("temperature", TEMPERATURE, "Target temperature.")
        .unit("°C")
        .default(default)
}

const fn mode(default: &'static str) -> Parameter {
    Parameter::new("mode", MODE, "Cool, heat or neither.").default(default)
}

const fn recirculate(default: &'static str) -> Parameter {
    Parameter::new("recirculate", Kind::Boolean, "Recirculation instead of fresh air.").default(default)
}

const WINDSHIELD_DEFROST: Parameter = Parameter::new("windshield_defrost", Kind::Boolean, "Heat the windshield.");
const AIR_CIRCLE: Parameter = Parameter::new("circle", CIRCLE, "Recirculation as the app writes it.");
const AIR_WINDSHIELD: Parameter = Parameter::new("wshld", WINDSHIELD, "Windshield heating (2) as the app writes it.");
const AIR_POSITION: Parameter = Parameter::new("position", EVERYWHERE, "Accepted for completeness.");
const AIR_OPERATE: Parameter =
    Parameter::new("operate", OPERATE, "Settings as given, automatic, or off.").default("manual");

/// Climate, with the settings it starts from.
pub const fn climate(
    mode_default: &'static str,
    temperature_default: &'static str,
    fan_default: &'static str,
    recirculate_default: &'static str,
    defrost_default: &'static str,
) -> [Parameter; 10] {
    [
        mode(mode_default),
        temperature(temperature_default),
        fan_speed(fan_default),
        recirculate(recirculate_default),
        WINDSHIELD_DEFROST.default(defrost_default),
        AIR_OPERATE,
        AIR_CIRCLE,
        AIR_WINDSHIELD,
        AIR_POSITION,
        Parameter::new("params", Kind::Inline, "The same parameters as one object."),
    ]
}

const ENABLED: Parameter = Parameter::new("enabled", Kind::Boolean, "Whether the entry is active.")
    .aliases(&["on", "enable"])
    .default("true");
const START_TIME: Parameter = Parameter::new(
    "start_time",
    Kind::DateTime,
    "Local time of the car; of a repeating entry only the time of day counts.",
);
const DAYS: Parameter = Parameter::new("days", Kind::Days, "0 = Sunday to 6 = Saturday; none means once.");
const ENTRY_ID: Parameter = Parameter::new("set_id", SET_ID, "The id of an entry that is edited.");
const CONTROLS: Parameter = Parameter::new("controls", Kind::List, "The whole list, as the cloud writes it.");
const UPDATE_TIME: Parameter = Parameter::new("update_time", Kind::Text { max: 20 }, "Written anew.");

/// Climate schedule: one entry, or the list.
pub const CLIMATE_SCHEDULE: &[Parameter] = &[
    START_TIME,
    DAYS,
    ENABLED,
    mode("nohotcold"),
    temperature("26"),
    fan_speed("4"),
    recirculate("false"),
    WINDSHIELD_DEFROST.default("false"),
    ENTRY_ID,
    CONTROLS,
];

/// One entry of the climate schedule as the cloud writes it.
pub const CLIMATE_ENTRY: &[Parameter] = &[
    START_TIME,
    DAYS,
    ENABLED,
    mode("nohotcold"),
    temperature("26"),
    fan_speed("4"),
    recirculate("false"),
    WINDSHIELD_DEFROST.default("false"),
    AIR_OPERATE,
    AIR_CIRCLE,
    AIR_WINDSHIELD,
    AIR_POSITION,
    ENTRY_ID,
    UPDATE_TIME,
];

/// Charge limit.
pub const CHARGE_LIMIT: &[Parameter] = &[
    Parameter::new("percent", Kind::Integer { min: 1, max: 100 }, "The limit.")
        .aliases(&["limit", "value", "soc_limit"])
        .unit("%")
        .required(),
];

/// Position of the windows.
pub const fn window_position(default: &'static str) -> Parameter {
    Parameter::new(
        "position_percent",
        Kind::Integer { min: 0, max: 100 },
        "0 is closed, 100 open; the B10 knows 0, 20, 50 and 100.",
    )
    .aliases(&["value", "position"])
    .unit("%")
    .default(default)
}

/// Position of the sunshade.
pub const fn sunshade_position(default: &'static str) -> Parameter {
    Parameter::new("value", Kind::Integer { min: 0, max: 10 }, "0 is closed, 10 open.")
        .aliases(&["position"])
        .default(default)
}

/// A media key.
pub const MEDIA: &[Parameter] = &[Parameter::new(
    "operation",
    Kind::Enum {
        words: &["play", "pause", "next", "previous"],
        also: &[],
    },
    "The key.",
)
.default("play")];

/// What the car wants is not known.
pub const PASSED_ON: &[Parameter] = &[Parameter::new("params", Kind::Object, "Passed on to the car.").required()];

/// A front seat and its level.
pub const SEAT: &[Parameter] = &[
    Parameter::new(
        "seat",
        Kind::Enum {
            words: &["driver", "copilot"],
            // The numbers are those of older clients: 1 left front, 2 passenger, 3 driver, 4 right front, where left
            // is taken as the driver's side.
            also: &[
                ("passenger", "copilot"),
                ("1", "driver"),
                ("2", "copilot"),
                ("3", "driver"),
                ("4", "copilot"),
            ],
        },
        "Which front seat.",
    )
    .aliases(&["position"])
    .default("driver"),
    Parameter::new("level", Kind::Integer { min: 0, max: 3 }, "0 is off.").default("3"),
];

const SEAT_COMFORT: Kind = Kind::Enum {
    words: &["off", "heat", "ventilation"],
    also: &[],
};
const SEAT_LEVEL: Kind = Kind::Integer { min: 1, max: 3 };

/// Preparation now.
pub const PREPARE: &[Parameter] = &[
    Parameter::new("climate_enabled", Kind::Boolean, "Whether the climate is part of it.").default("true"),
    mode("cold"),
    temperature("18"),
    fan_speed("7"),
    recirculate("true"),
    WINDSHIELD_DEFROST.default("false"),
    Parameter::new("driver_seat", SEAT_COMFORT, "What the driver's seat does.").default("off"),
    Parameter::new("driver_seat_level", SEAT_LEVEL, "How much.").default("3"),
    Parameter::new("passenger_seat", SEAT_COMFORT, "What the passenger's seat does.").default("off"),
    Parameter::new("passenger_seat_level", SEAT_LEVEL, "How much.").default("3"),
    Parameter::new("steering_wheel_heat", Kind::Boolean, "Heat the steering wheel.").default("false"),
    Parameter::new("mirror_heat", Kind::Boolean, "Heat the mirrors.").default("false"),
    Parameter::new("destination_name", Kind::Text { max: 100 }, "Short name."),
    Parameter::new("destination_address", Kind::Text { max: 200 }, "Street and town."),
    Parameter::new("destination_latitude", LATITUDE, "North positive.").unit("°"),
    Parameter::new("destination_longitude", LONGITUDE, "East positive.").unit("°"),
    Parameter::new("params", Kind::Object, "The whole bundle, as the cloud writes it."),
];

const PREPARE_ENTRY: &[Parameter] = &[START_TIME, DAYS, ENABLED, ENTRY_ID, CONTROLS];

/// Preparation schedule: one entry and what it prepares, or the list.
pub const PREPARE_SCHEDULE: &[Parameter] = &{
    let mut all = [START_TIME; PREPARE_ENTRY.len() + PREPARE.len()];
    let (entry, content) = all.split_at_mut(PREPARE_ENTRY.len());
    entry.copy_from_slice(PREPARE_ENTRY);
    content.copy_from_slice(PREPARE);
    all
};

/// One entry of the preparation schedule as the cloud writes it.
pub const PREPARATION_ENTRY: &[Parameter] = &[
    START_TIME,
    DAYS,
    ENABLED,
    ENTRY_ID,
    UPDATE_TIME,
    Parameter::new("datacontent", Kind::Object, "What to prepare."),
    Parameter::new("name", Kind::Text { max: 200 }, "Read back by the cloud; not kept."),
    Parameter::new("desc", Kind::Text { max: 200 }, "Read back by the cloud; not kept."),
];

/// The parts of a preparation as the cloud writes it.
pub const BUNDLE: &[Parameter] = &[
    Parameter::new("air_condition", Kind::Object, "Climate."),
    Parameter::new("seat_setting", Kind::Object, "Front seats."),
    Parameter::new("steeringWheelHeatCtrl", Kind::Object, "Steering wheel heating."),
    Parameter::new("rearMirrorHeating", Kind::Object, "Mirror heating."),
    Parameter::new("syn_path", Kind::Object, "Destination."),
];

const ENABLE: Parameter = Parameter::new("enable", Kind::Boolean, "Whether this part is wanted.").default("true");

/// Climate in a preparation.
pub const BUNDLE_CLIMATE: &[Parameter] = &[
    ENABLE,
    mode("cold"),
    temperature("18"),
    fan_speed("7"),
    AIR_OPERATE,
    AIR_CIRCLE.default("in"),
    AIR_WINDSHIELD.default("1"),
    AIR_POSITION,
];

const SEAT_CODE: Kind = Kind::Enum {
    words: &["0", "1", "2", "3", "11", "12", "13"],
    also: &[],
};
/// No car that is sold heats its rear seats by this command.
const REAR_SEAT_CODE: Kind = Kind::Enum {
    words: &["0"],
    also: &[],
};

/// Seats in a preparation.
pub const BUNDLE_SEATS: &[Parameter] = &[
    ENABLE,
    Parameter::new("driver", SEAT_CODE, "1 to 3 heats, 11 to 13 ventilates.").default("0"),
    Parameter::new("copilot", SEAT_CODE, "1 to 3 heats, 11 to 13 ventilates.").default("0"),
    Parameter::new("left_rear", REAR_SEAT_CODE, "Off."),
    Parameter::new("right_rear", REAR_SEAT_CODE, "Off."),
];

/// Steering wheel heating in a preparation.
pub const BUNDLE_WHEEL: &[Parameter] = &[ENABLE, Parameter::new("level", Kind::Integer { min: 2, max: 2 }, "On.")];

/// Mirror heating in a preparation.
pub const BUNDLE_MIRRORS: &[Parameter] = &[ENABLE, Parameter::new("value", Kind::Integer { min: 2, max: 2 }, "On.")];

/// Destination in a preparation.
pub const BUNDLE_DESTINATION: &[Parameter] = &[
    ENABLE,
    Parameter::new("address", Kind::Text { max: 200 }, "Street and town."),
    Parameter::new("addressname", Kind::Text { max: 100 }, "Short name."),
    Parameter::new("latitude", LATITUDE, "North positive.").unit("°"),
    Parameter::new("longitude", LONGITUDE, "East positive.").unit("°"),
    Parameter::new("addresskey", Kind::Text { max: 100 }, "Written anew."),
    Parameter::new("config", Kind::Text { max: 10 }, "Written anew."),
    Parameter::new("linenum", Kind::Integer { min: 0, max: 0 }, "Written anew."),
];

/// Which software update.
pub const TASK: Parameter = Parameter::new(
    "task_id",
    Kind::Integer { min: 0, max: 1 << 53 },
    "The cloud's id of the update.",
)
.aliases(&["id"])
.required();

/// Quick ventilation.
pub const QUICK_VENTILATION: &[Parameter] =
    &[
        Parameter::new("temperature", TEMPERATURE, "What the car keeps in mind.")
            .unit("°C")
            .default("26"),
    ];

/// Destination.
pub const DESTINATION: &[Parameter] = &[
    Parameter::new("address", Kind::Text { max: 200 }, "Street and town."),
    Parameter::new("address_name", Kind::Text { max: 100 }, "Short name.").aliases(&["name", "addressname"]),
    Parameter::new("latitude", LATITUDE, "North positive.")
        .unit("°")
        .required(),
    Parameter::new("longitude", LONGITUDE, "East positive.")
        .unit("°")
        .required(),
];

/// Parts of the charging plan.
pub const CHARGE_SCHEDULE: &[Parameter] = &[
    Parameter::new("enabled", Kind::Boolean, "Plan on or off."),
    Parameter::new("soc_limit", Kind::Integer { min: 1, max: 100 }, "Charge limit.")
        .aliases(&["percent", "limit"])
        .unit("%"),
    Parameter::new("start_time", Kind::Time, "When charging may start.").aliases(&["start"]),
    Parameter::new("end_time", Kind::Time, "When charging must end.").aliases(&["end"]),
    Parameter::new("cycles", Kind::Cycles, "Days, Monday first."),
    Parameter::new("circulation", Kind::Integer { min: 0, max: 1 }, "1 repeats."),
    Parameter::new("recharge", Kind::Integer { min: 0, max: 1 }, "1 resumes."),
];

/// Rear seats.
pub const REAR_SEATS: &[Parameter] = &[
    Parameter::new("seat_info", Kind::Text { max: 200 }, "As the car wants it.")
        .aliases(&["text"])
        .required(),
];

/// Speed limit.
pub const SPEED_LIMIT: &[Parameter] = &[
    Parameter::new("value", Kind::Integer { min: 10, max: 200 }, "The limit.")
        .aliases(&["kmh"])
        .unit("km/h")
        .required(),
];

/// Time of an installation.
pub const SOFTWARE_SCHEDULE: &[Parameter] = &[
    TASK,
    Parameter::new("schedule_time", Kind::DateTime, "Local time.")
        .aliases(&["time"])
        .required(),
];
