//! The table of commands, split by what they are about. Adding a command is adding a row, a variant of [`Command`] and
//! its payload.

mod access;
mod charging;
mod climate;
mod comfort;
mod driving;
mod media;
mod openings;
mod software;

use super::Confirmation::Cloud;
use super::{Command, EffectGroup, Risk, Spec};

/// All rows in the order of the documents, in which some subjects come up again.
const TABLES: &[&[Spec]] = &[
    access::ROWS,
    media::HOTSPOT_ROWS,
    driving::AUTOPARK_ROWS,
    climate::ROWS,
    media::DESTINATION_ROWS,
    charging::ROWS,
    access::SENTRY_ROWS,
    openings::ROWS,
    media::ROWS,
    comfort::ROWS,
    charging::HEALTHY_ROWS,
    comfort::REAR_SEAT_ROWS,
    driving::ROWS,
    software::ROWS,
];

/// How many rows there are.
const LENGTH: usize = {
    let (mut length, mut table) = (0, 0);
    while table < TABLES.len() {
        length += TABLES[table].len();
        table += 1;
    }
    length
};

/// Every command, in the order of the documents.
pub static COMMANDS: &[Spec] = &{
    let mut all = [ROW; LENGTH];
    let (mut begin, mut table) = (0, 0);
    while table < TABLES.len() {
        let rows = TABLES[table];
        let (_, rest) = all.split_at_mut(begin);
        let (place, _) = rest.split_at_mut(rows.len());
        place.copy_from_slice(rows);
        begin += rows.len();
        table += 1;
    }
    all
};

/// What most rows have in common; a row takes from it what it does not say itself, the first one even the command.
const ROW: Spec = Spec {
    name: "",
    aliases: &[],
    doc: "",
    parameters: &[],
    right: &[],
    ability: &[],
    unsupported: &[],
    needs_pin: true,
    risk: Risk::Comfort,
    effect_group: EffectGroup::Lock,
    preconditions: &[],
    confirmation: Cloud,
    variant_of: None,
    build: |_| Ok(Command::Lock),
};
