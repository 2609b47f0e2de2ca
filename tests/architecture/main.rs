//! The house rules as a test: which room may import which, where a library may be named, and what a pure room never touches.
//!
//! Every file under `src/` is parsed and every path in it is read ([`paths`]). The rules are tables ([`rules`]);
//! ARCHITECTURE.md says why they are as they are. Code under `#[cfg(test)]` obeys them too, except that it may touch files
//! and read the clock.

mod paths;
mod rules;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::{fs, io};

use rules::{ARROWS, WIRING};

/// One violation of each rule, in every way a path can be written: file, source, what is wrong with it.
const FORBIDDEN: &str = r#"
simulator/http.rs       | use crate::cloud::Client; | simulator must not import cloud
simulator/http.rs       | use crate::{protocol::sign, cloud}; | simulator must not import cloud
simulator/http.rs       | use super::super::cloud as maker; | simulator must not import cloud
simulator/http.rs       | fn f() { crate::cloud::connect(); } | simulator must not import cloud
simulator/http.rs       | mod tests { use super::super::super::cloud::Client; } | simulator must not import cloud
simulator/http.rs       | #[cfg(test)] mod tests { use crate::cloud::Client; } | simulator must not import cloud
simulator/car.rs        | use crate::vehicle::Vin; | simulator must not import vehicle
vehicle/state.rs        | use crate::config::Settings; | vehicle must not import config
protocol/sign.rs        | use crate::vehicle::Vin; | protocol must not import vehicle
homeassistant/topics.rs | type A = Box<crate::mqtt::Message>; | homeassistant must not import mqtt
homeassistant/topics.rs | use crate::cloud::signals; | homeassistant must not import cloud
mqtt/inbox.rs           | use crate::garage::Handle; | mqtt must not import garage
cloud/client.rs         | use crate::garage::Session; | cloud must not import garage
garage/session.rs       | use crate::mqtt; | garage must not import mqtt
garage/session.rs       | fn f() { assert_eq!(crate::homeassistant::rows(), 1); } | garage must not import homeassistant
clock.rs                | use crate::app::run; | clock must not import app
vehicle/state.rs        | use tokio::sync::watch; | vehicle is pure and must not name tokio
vehicle/state.rs        | use ::tokio::sync::watch; | vehicle is pure and must not name tokio
vehicle/state.rs        | #[tokio::test] async fn t() {} | vehicle is pure and must not name tokio
vehicle/state.rs        | fn f() { vec![std::net::lookup()]; } | vehicle is pure and must not name std::net
vehicle/state.rs        | use std::{collections::BTreeMap, fs::{self, File}}; | vehicle is pure and must not name std::fs
vehicle/state.rs        | fn f() { let now = jiff::Timestamp::now(); } | vehicle is pure and must not read a clock
protocol/sign.rs        | fn f() { SystemTime::now(); } | protocol is pure and must not read a clock
homeassistant/mod.rs    | fn f() { format!("{}", Instant::now().elapsed()); } | homeassistant is pure and must not read a clock
homeassistant/mod.rs    | use axum::Router; | homeassistant is pure and must not name axum
garage/plan.rs          | use tokio::time::sleep; | garage::plan is pure and must not name tokio
garage/plan.rs          | use crate::clock::Clock; | garage::plan is pure and must not name crate::clock
garage/slow/plan.rs     | use crate::store::Store; | garage::slow::plan is pure and must not name crate::store
garage/takeovers.rs     | fn f() { super::super::health::ask(); } | garage::takeovers is pure and must not name crate::health
garage/plan.rs          | use super::*; | garage::plan is pure and must not take in all of garage
garage/slow/facts.rs    | use crate::garage::poller::*; | garage::slow::facts is pure and must not take in all of garage::poller
vehicle/state.rs        | use jiff::Timestamp as T; fn f() { T::now(); } | vehicle is pure and must not read a clock
simulator/car.rs        | use crate::*; | simulator::car must not hide paths behind crate::*
simulator/mod.rs        | use super::*; | simulator must not hide paths behind crate::*
simulator/mod.rs        | fn f() { define! { use crate::*; } } | simulator must not hide paths behind crate::*
simulator/mod.rs        | use crate as bridge; | simulator must not hide paths behind crate
simulator/mod.rs        | use super::{self as bridge}; | simulator must not hide paths behind crate
simulator/mod.rs        | extern crate self as bridge; | simulator must not hide paths behind crate
simulator/mod.rs        | include!("../cloud/client.rs"); | simulator must not hide paths behind include!
simulator/mod.rs        | #[path = "../cloud/client.rs"] mod client; | simulator must not hide paths behind #[path]
simulator/mod.rs        | fn f() { define! { use crate::{protocol::sign, cloud}; } } | simulator must not import cloud
simulator/mod.rs        | struct S { #[serde(with = "crate::cloud::time")] t: u8 } | simulator must not import cloud
simulator/mod.rs        | #[cfg_attr(test, serde(bound = "T: crate::cloud::Call"))] struct S; | simulator must not import cloud
protocol/mod.rs         | use reqwest::Client; | protocol is pure and must not name reqwest
app.rs                  | use rumqttc::v5::AsyncClient; | app must not name rumqttc
garage/mod.rs           | use rumqttd::Broker; | garage must not name rumqttd
mqtt/connection.rs      | use reqwest::Client; | mqtt::connection must not name reqwest
store/mod.rs            | use rusqlite::Connection; | store must not name rusqlite
app.rs                  | use teloxide::Bot; | app must not name teloxide
cloud/client.rs         | use axum::Router; | cloud::client must not name axum
mqtt/tls.rs             | use rcgen::Certificate; | mqtt::tls must not name rcgen
mqtt/tls.rs             | use tokio_rustls::TlsAcceptor; | mqtt::tls must not name tokio_rustls
store/mod.rs            | extern crate figment; | store must not name figment
garage/mod.rs           | #[derive(clap::Parser)] struct S; | garage must not name clap
store/lock.rs           | use aes_gcm::Aes256Gcm; | store::lock must not name aes_gcm
"#;

/// What must pass: file, source.
const ALLOWED: &str = r#"
vehicle/state.rs    | use std::collections::BTreeMap; use super::Vin; use jiff::Timestamp;
vehicle/state.rs    | fn f(now: Timestamp) { self::g(crate::vehicle::Vin::parse()); }
vehicle/state.rs    | #[cfg(test)] mod tests { use super::*; fn f() { std::fs::read(Timestamp::now()); } }
vehicle/state.rs    | #[serde(skip_serializing_if = "Option::is_none")] struct S; fn f() { fixture::now(); }
vehicle/state.rs    | fn f() { println!("crate::cloud::Client"); assert!(crate::vehicle::ONE * 2 > 1); }
garage/plan.rs      | #[cfg(test)] mod tests { use super::*; use crate::vehicle::state::*; }
garage/session.rs   | use super::*; pub(crate) struct S; pub(super) struct T;
garage/session.rs   | use crate::cloud::Client; use crate::store::Store; use tokio::sync::mpsc;
garage/poller.rs    | use super::plan; fn f() { std::time::Instant::now(); }
mqtt/connection.rs  | use crate::homeassistant::topics; use rumqttc::v5::AsyncClient;
simulator/mod.rs    | use axum::Router; use crate::protocol::sign; mod cloud {}
store/vault/file.rs | use aes_gcm::Aes256Gcm;
app.rs              | use crate::{cloud, garage, mqtt, simulator};
main.rs             | fn main() { leapmotor2mqtt::cli::run() }
"#;

#[test]
fn no_file_breaks_the_house_rules() -> io::Result<()> {
    let files = source_files()?;
    assert!(files.len() > 10, "only {} files found", files.len());
    let mut violations = Vec::new();
    for file in files {
        let text = fs::read_to_string(source().join(&file))?;
        violations.extend(check(&file, &text));
    }
    assert!(
        violations.is_empty(),
        "{} violations:\n{}",
        violations.len(),
        violations.join("\n")
    );
    Ok(())
}

#[test]
fn every_room_has_a_row() -> io::Result<()> {
    let rooms: BTreeSet<String> = source_files()?
        .iter()
        .map(|file| module_path(file).swap_remove(0))
        .collect();
    for room in rooms {
        let known = WIRING.contains(&room.as_str()) || ARROWS.iter().any(|(row, _)| *row == room);
        assert!(known, "the room `{room}` has no row in ARROWS");
    }
    Ok(())
}

#[test]
fn arrows_point_up_the_table_only() {
    for (index, (room, imports)) in ARROWS.iter().enumerate() {
        for import in *imports {
            let above = ARROWS[..index].iter().any(|(row, _)| row == import);
            assert!(above, "`{room}` imports `{import}`, which is not above it");
        }
    }
}

#[test]
fn each_rule_catches_what_it_forbids() {
    for [file, snippet, expected] in cells(FORBIDDEN) {
        let violations = check(Path::new(file), snippet);
        let found = violations.iter().any(|violation| violation.contains(expected));
        assert!(
            found,
            "`{snippet}` in {file}: expected `{expected}`, found {violations:?}"
        );
    }
}

#[test]
fn what_is_allowed_passes() {
    for [file, snippet] in cells(ALLOWED) {
        let violations = check(Path::new(file), snippet);
        assert!(violations.is_empty(), "`{snippet}` in {file}: {violations:?}");
    }
}

/// The cells of a table written as text.
fn cells<const COLUMNS: usize>(table: &str) -> impl Iterator<Item = [&str; COLUMNS]> {
    table.trim().lines().map(|line| {
        let mut cells = line.split(" | ").map(str::trim);
        std::array::from_fn(|_| cells.next().unwrap_or_else(|| panic!("a cell is missing: {line}")))
    })
}

/// All violations of one file, named relative to `src/`.
fn check(file: &Path, text: &str) -> Vec<String> {
    let module = module_path(file);
    let names = paths::names(&module, text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let violations = names.iter().flat_map(|name| {
        let broken = rules::broken_rules(&module.join("::"), &name.path, name.in_test);
        broken
            .into_iter()
            .map(|rule| format!("src/{}: `{}`: {rule}", file.display(), name.path))
    });
    violations.collect()
}

/// The module a file is: `mqtt/connection.rs` is `mqtt::connection`, `mqtt/mod.rs` is `mqtt`.
fn module_path(file: &Path) -> Vec<String> {
    let without_extension = file.with_extension("");
    let parts = without_extension
        .components()
        .map(|part| part.as_os_str().to_string_lossy().into_owned());
    let mut module: Vec<String> = parts.collect();
    if module.last().is_some_and(|name| name == "mod") {
        module.pop();
    }
    module
}

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// All Rust files below `src/`, relative to it.
fn source_files() -> io::Result<Vec<PathBuf>> {
    let (root, mut folders, mut files) = (source(), vec![source()], Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.extend(path.strip_prefix(&root).map(Path::to_owned));
            }
        }
    }
    Ok(files)
}
