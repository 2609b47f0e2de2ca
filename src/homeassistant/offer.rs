//! Which rows of the catalog a car is offered.

use crate::homeassistant::catalog::entity::{Device, Entity, Fits, Source};
use crate::homeassistant::{Facts, Options, Scene, catalog, commands};
use crate::vehicle::facts::{FactKey, Subject};

/// The rows of a car: those that make sense on it, whose value it has ever sent or somebody produces, and whose
/// commands it may be sent. What the owner says of a row goes above all that.
pub fn car_rows(scene: &Scene<'_>, facts: &Facts, options: &Options) -> impl Iterator<Item = &'static Entity> {
    let subject = Subject::Car(scene.view.car.vin.clone());
    rows(Device::Car).filter(move |row| {
        options.choices.of(&subject, row.key).unwrap_or_else(|| {
            fits(row, scene)
                && permitted(row, scene, options)
                && witnessed(row, scene)
                && fact_of(row).is_none_or(|key| produced(&subject, key, facts, options))
        })
    })
}

/// The rows of the bridge.
pub fn bridge_rows(facts: &Facts, options: &Options) -> impl Iterator<Item = &'static Entity> {
    rows(Device::Bridge).filter(|row| {
        options
            .choices
            .of(&Subject::Bridge, row.key)
            .unwrap_or_else(|| fact_of(row).is_none_or(|key| produced(&Subject::Bridge, key, facts, options)))
    })
}

/// The rows of a car that take messages.
pub fn controls(scene: &Scene<'_>, options: &Options) -> impl Iterator<Item = &'static Entity> {
    let subject = Subject::Car(scene.view.car.vin.clone());
    rows(Device::Car)
        .filter(move |row| row.takes_messages() && listens(row, scene, options))
        .filter(move |row| {
            options.choices.of(&subject, row.key).unwrap_or_else(|| {
                fact_of(row).is_none_or(|key| options.expected_facts.contains(key))
                    && fits(row, scene)
                    && permitted(row, scene, options)
            })
        })
}

fn rows(device: Device) -> impl Iterator<Item = &'static Entity> {
    catalog::rows().filter(move |row| row.device == device)
}

/// Whether any command can be sent to the car at all.
pub fn commandable(scene: &Scene<'_>, options: &Options) -> bool {
    controls(scene, options).any(|row| !row.commands.is_empty())
}

/// Whether the row makes sense on this car.
pub fn fits(row: &Entity, scene: &Scene<'_>) -> bool {
    match row.fits {
        Fits::All => true,
        Fits::Powertrain(powertrain) => scene.view.powertrain == powertrain,
        Fits::WindowPositions => scene.view.car.model.reports_window_positions(),
        Fits::Shared => scene.view.car.shared,
    }
}

/// Whether somebody produces the fact in this run.
pub fn produced(subject: &Subject, key: FactKey, facts: &Facts, options: &Options) -> bool {
    options.expected_facts.contains(key) || facts.contains_key(&(subject.clone(), key))
}

/// Whether a row that may do without its control has it. All others have theirs.
pub fn listens(row: &Entity, scene: &Scene<'_>, options: &Options) -> bool {
    !row.stays || any_permitted(row, scene, options)
}

/// Whether one of the row's commands may be sent to the car. A row without commands needs no permission.
fn permitted(row: &Entity, scene: &Scene<'_>, options: &Options) -> bool {
    row.commands.is_empty() || row.stays || any_permitted(row, scene, options)
}

fn any_permitted(row: &Entity, scene: &Scene<'_>, options: &Options) -> bool {
    let offered = |name: &&str| commands::offered(name, &scene.view.car, &options.policy);
    row.commands.iter().any(offered)
}

/// Whether the car has ever sent what the row rests on. A control is useful even while its state is not known.
fn witnessed(row: &Entity, scene: &Scene<'_>) -> bool {
    row.takes_messages()
        || row.reads.is_empty()
        || row.reads.iter().any(|reading| scene.view.evidence.contains(reading))
}

fn fact_of(row: &Entity) -> Option<FactKey> {
    match row.source {
        Source::Fact(key) => Some(key),
        _ => None,
    }
}
