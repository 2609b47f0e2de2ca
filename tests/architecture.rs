//! The house rules as a test: which room may import which, where a library may be named, and what a pure room never touches.
//!
//! Every file under `src/` is parsed, and every path in it is read: `use` trees, fully qualified names, attributes and the
//! inside of macro calls. The rules are the tables at the top; ARCHITECTURE.md says why they are as they are.
//! Code under `#[cfg(test)]` obeys them too, except that it may touch files and read the clock.

use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use syn::buffer::{Cursor, TokenBuffer};
use syn::visit::{self, Visit};

/// Which rooms a room may import, itself aside. A room may name only rooms of rows above its own, so there is no cycle.
const ARROWS: &[(&str, &[&str])] = &[
    ("vehicle", &[]),
    ("protocol", &[]),
    ("clock", &[]),
    ("store", &["vehicle", "clock"]),
    ("config", &["vehicle", "clock", "store"]),
    ("logging", &["store", "config"]),
    ("cloud", &["vehicle", "protocol", "clock", "config"]),
    ("garage", &["vehicle", "clock", "config", "store", "cloud"]),
    ("homeassistant", &["vehicle"]),
    ("mqtt", &["vehicle", "clock", "config", "homeassistant"]),
    ("simulator", &["protocol", "clock"]),
];

/// The rooms that wire the others together: they may import all of them.
const WIRING: &[&str] = &["app", "cli", "main", "lib"];

/// Modules that decide and never act: no I/O, no tasks, no clock. Time comes in as an argument.
const PURE: &[&str] = &["vehicle", "protocol", "homeassistant", "garage::plan"];

/// What a pure module never names, not even in its tests.
const IMPURE: &[&str] = &[
    "tokio",
    "tokio_util",
    "tokio_rustls",
    "rumqttc",
    "rumqttd",
    "rusqlite",
    "reqwest",
    "axum",
    "std::net",
    "std::process",
    "std::thread",
];

/// What a pure module never names outside its tests.
const IMPURE_OUTSIDE_TESTS: &[&str] = &["std::env", "std::fs"];

/// Reading one of these clocks.
const CLOCKS: &[&str] = &["Timestamp::now", "Zoned::now", "SystemTime::now", "Instant::now"];

/// The modules that may name a library. Replacing it touches nothing else.
const LIBRARIES: &[(&str, &[&str])] = &[
    ("rumqttc", &["mqtt"]),
    ("rumqttd", &["mqtt"]),
    ("reqwest", &["cloud", "alerts::telegram"]),
    ("rusqlite", &["history"]),
    ("teloxide", &["alerts::telegram"]),
    ("axum", &["simulator", "admin"]),
    ("tokio_rustls", &["simulator"]),
    // Tests of the client certificate make certificates of their own.
    ("rcgen", &["simulator", "cloud::client_certificate"]),
    ("p12_keystore", &["cloud", "simulator"]),
    ("x509_parser", &["cloud", "simulator"]),
    ("rustls_native_certs", &["cloud", "mqtt"]),
    ("figment", &["config"]),
    ("yaml_serde", &["config"]),
    ("shell_words", &["config"]),
    ("tracing_subscriber", &["logging"]),
    ("clap", &["cli", "main", "simulator"]),
    ("aes_gcm", &["store::vault"]),
    ("aes", &["protocol"]),
    ("cbc", &["protocol"]),
    ("hkdf", &["protocol"]),
    ("hmac", &["protocol"]),
    ("md5", &["protocol"]),
    ("sm4", &["protocol"]),
];

#[test]
fn no_file_breaks_the_house_rules() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let files = rust_files(&source);
    assert!(
        files.len() > 10,
        "only {} files found under {}",
        files.len(),
        source.display()
    );

    let mut violations = Vec::new();
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        let relative = file.strip_prefix(&source).unwrap();
        violations.extend(check(relative, &text));
    }
    let list: Vec<String> = violations.iter().map(ToString::to_string).collect();
    assert!(list.is_empty(), "{} violations:\n{}", list.len(), list.join("\n"));
}

#[test]
fn every_room_has_a_row() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let rooms: BTreeSet<String> = rust_files(&source)
        .iter()
        .map(|file| module_path(file.strip_prefix(&source).unwrap()).swap_remove(0))
        .collect();
    for room in rooms {
        let known = WIRING.contains(&room.as_str()) || ARROWS.iter().any(|(row, _)| *row == room);
        assert!(known, "the room `{room}` has no row in ARROWS");
    }
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
    let forbidden = [
        // Arrows, in every way a path can be written.
        (
            "simulator/http.rs",
            "use crate::cloud::Client;",
            "simulator must not import cloud",
        ),
        (
            "simulator/http.rs",
            "use crate::{protocol::sign, cloud};",
            "simulator must not import cloud",
        ),
        (
            "simulator/http.rs",
            "use super::super::cloud as maker;",
            "simulator must not import cloud",
        ),
        (
            "simulator/http.rs",
            "fn f() { crate::cloud::connect(); }",
            "simulator must not import cloud",
        ),
        (
            "simulator/http.rs",
            "mod tests { use super::super::super::cloud::Client; }",
            "simulator must not import cloud",
        ),
        (
            "simulator/http.rs",
            "#[cfg(test)] mod tests { use crate::cloud::Client; }",
            "simulator must not import cloud",
        ),
        (
            "simulator/car.rs",
            "use crate::vehicle::Vin;",
            "simulator must not import vehicle",
        ),
        (
            "vehicle/state.rs",
            "use crate::config::Settings;",
            "vehicle must not import config",
        ),
        (
            "protocol/sign.rs",
            "use crate::vehicle::Vin;",
            "protocol must not import vehicle",
        ),
        (
            "homeassistant/topics.rs",
            "type A = Box<crate::mqtt::Message>;",
            "homeassistant must not import mqtt",
        ),
        (
            "homeassistant/topics.rs",
            "use crate::cloud::signals;",
            "homeassistant must not import cloud",
        ),
        (
            "mqtt/inbox.rs",
            "use crate::garage::Handle;",
            "mqtt must not import garage",
        ),
        (
            "cloud/client.rs",
            "use crate::garage::Session;",
            "cloud must not import garage",
        ),
        ("garage/session.rs", "use crate::mqtt;", "garage must not import mqtt"),
        (
            "garage/session.rs",
            "fn f() { assert_eq!(crate::homeassistant::rows(), 1); }",
            "garage must not import homeassistant",
        ),
        ("clock.rs", "use crate::app::run;", "clock must not import app"),
        // Pure rooms.
        (
            "vehicle/state.rs",
            "use tokio::sync::watch;",
            "vehicle is pure and must not name tokio",
        ),
        (
            "vehicle/state.rs",
            "use ::tokio::sync::watch;",
            "vehicle is pure and must not name tokio",
        ),
        (
            "vehicle/state.rs",
            "#[tokio::test] async fn t() {}",
            "vehicle is pure and must not name tokio",
        ),
        (
            "vehicle/state.rs",
            "fn f() { vec![std::net::lookup()]; }",
            "vehicle is pure and must not name std::net",
        ),
        (
            "vehicle/state.rs",
            "use std::{collections::BTreeMap, fs::{self, File}};",
            "vehicle is pure and must not name std::fs",
        ),
        (
            "vehicle/state.rs",
            "fn f() { let now = jiff::Timestamp::now(); }",
            "vehicle is pure and must not read a clock",
        ),
        (
            "protocol/sign.rs",
            "fn f() { SystemTime::now(); }",
            "protocol is pure and must not read a clock",
        ),
        (
            "homeassistant/mod.rs",
            "fn f() { format!(\"{}\", Instant::now().elapsed()); }",
            "homeassistant is pure and must not read a clock",
        ),
        (
            "homeassistant/mod.rs",
            "use axum::Router;",
            "homeassistant is pure and must not name axum",
        ),
        (
            "garage/plan.rs",
            "use tokio::time::sleep;",
            "garage::plan is pure and must not name tokio",
        ),
        (
            "protocol/mod.rs",
            "use reqwest::Client;",
            "protocol is pure and must not name reqwest",
        ),
        // Libraries.
        ("app.rs", "use rumqttc::v5::AsyncClient;", "app must not name rumqttc"),
        ("garage/mod.rs", "use rumqttd::Broker;", "garage must not name rumqttd"),
        (
            "mqtt/connection.rs",
            "use reqwest::Client;",
            "mqtt::connection must not name reqwest",
        ),
        (
            "store/mod.rs",
            "use rusqlite::Connection;",
            "store must not name rusqlite",
        ),
        ("app.rs", "use teloxide::Bot;", "app must not name teloxide"),
        (
            "cloud/client.rs",
            "use axum::Router;",
            "cloud::client must not name axum",
        ),
        (
            "cloud/tls.rs",
            "use rcgen::Certificate;",
            "cloud::tls must not name rcgen",
        ),
        (
            "cloud/tls.rs",
            "use tokio_rustls::TlsAcceptor;",
            "cloud::tls must not name tokio_rustls",
        ),
        ("store/mod.rs", "extern crate figment;", "store must not name figment"),
        (
            "garage/mod.rs",
            "#[derive(clap::Parser)] struct S;",
            "garage must not name clap",
        ),
        (
            "store/lock.rs",
            "use aes_gcm::Aes256Gcm;",
            "store::lock must not name aes_gcm",
        ),
    ];
    for (file, snippet, expected) in forbidden {
        let violations: Vec<String> = check(Path::new(file), snippet)
            .iter()
            .map(ToString::to_string)
            .collect();
        let found = violations.iter().any(|violation| violation.contains(expected));
        assert!(
            found,
            "`{snippet}` in {file}: expected `{expected}`, found {violations:?}"
        );
    }
}

#[test]
fn what_is_allowed_passes() {
    let allowed = [
        (
            "vehicle/state.rs",
            "use std::collections::BTreeMap; use super::Vin; use jiff::Timestamp;",
        ),
        (
            "vehicle/state.rs",
            "fn f(now: Timestamp) { self::g(crate::vehicle::Vin::parse()); }",
        ),
        (
            "vehicle/state.rs",
            "#[cfg(test)] mod tests { use super::*; fn f() { std::fs::read(Timestamp::now()); } }",
        ),
        (
            "garage/session.rs",
            "use crate::cloud::Client; use crate::store::Store; use tokio::sync::mpsc;",
        ),
        (
            "garage/poller.rs",
            "use super::plan; fn f() { std::time::Instant::now(); }",
        ),
        (
            "mqtt/connection.rs",
            "use crate::homeassistant::topics; use rumqttc::v5::AsyncClient;",
        ),
        (
            "simulator/mod.rs",
            "use axum::Router; use crate::protocol::sign; mod cloud {}",
        ),
        ("store/vault/file.rs", "use aes_gcm::Aes256Gcm;"),
        ("app.rs", "use crate::{cloud, garage, mqtt, simulator};"),
        ("main.rs", "fn main() { leapmotor2mqtt::cli::run() }"),
    ];
    for (file, snippet) in allowed {
        let violations: Vec<String> = check(Path::new(file), snippet)
            .iter()
            .map(ToString::to_string)
            .collect();
        assert!(violations.is_empty(), "`{snippet}` in {file}: {violations:?}");
    }
}

/// A forbidden path and where it stands.
struct Violation {
    file: PathBuf,
    path: String,
    rule: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "src/{}: `{}`: {}", self.file.display(), self.path, self.rule)
    }
}

/// All violations of one file, named relative to `src/`.
fn check(file: &Path, text: &str) -> Vec<Violation> {
    let syntax = syn::parse_file(text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let module = module_path(file);
    let mut names = Names {
        module: module.clone(),
        in_test: module.last().is_some_and(|name| name == "tests"),
        found: BTreeSet::new(),
    };
    names.visit_file(&syntax);

    let mut violations = Vec::new();
    for (name, in_test) in names.found {
        for rule in broken_rules(&module.join("::"), &name, in_test) {
            violations.push(Violation {
                file: file.to_owned(),
                path: name.clone(),
                rule,
            });
        }
    }
    violations
}

/// The rules that naming `name` in `module` breaks. Paths into the crate start with `crate::`.
fn broken_rules(module: &str, name: &str, in_test: bool) -> Vec<String> {
    let mut broken = Vec::new();

    let room = module.split("::").next().unwrap_or(module);
    if let Some(target) = name.strip_prefix("crate::").and_then(|path| path.split("::").next())
        && let Some((_, imports)) = ARROWS.iter().find(|(row, _)| *row == room)
        && (WIRING.contains(&target) || ARROWS.iter().any(|(row, _)| *row == target))
        && target != room
        && !imports.contains(&target)
    {
        broken.push(format!("{room} must not import {target}"));
    }

    if let Some(pure) = PURE.iter().find(|pure| is_within(module, pure)) {
        let outside_tests = if in_test { &[] } else { IMPURE_OUTSIDE_TESTS };
        for impure in IMPURE
            .iter()
            .chain(outside_tests)
            .filter(|impure| is_within(name, impure))
        {
            broken.push(format!("{pure} is pure and must not name {impure}"));
        }
        if !in_test
            && CLOCKS
                .iter()
                .any(|clock| name == *clock || name.ends_with(&format!("::{clock}")))
        {
            broken.push(format!("{pure} is pure and must not read a clock"));
        }
    }

    for (library, homes) in LIBRARIES {
        if is_within(name, library) && !homes.iter().any(|home| is_within(module, home)) {
            broken.push(format!(
                "{module} must not name {library}, which belongs to {}",
                homes.join(" and ")
            ));
        }
    }
    broken
}

/// Whether `path` is `root` or lies below it.
fn is_within(path: &str, root: &str) -> bool {
    path.strip_prefix(root)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

/// The module a file is: `mqtt/connection.rs` is `mqtt::connection`, `mqtt/mod.rs` is `mqtt`.
fn module_path(file: &Path) -> Vec<String> {
    let mut module: Vec<String> = file
        .with_extension("")
        .components()
        .map(|part| part.as_os_str().to_string_lossy().into_owned())
        .collect();
    if module.last().is_some_and(|name| name == "mod") {
        module.pop();
    }
    module
}

/// All Rust files below `folder`.
fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files
}

/// Collects every path of a file, those into the crate as `crate::…`, and whether test code names it.
struct Names {
    module: Vec<String>,
    in_test: bool,
    found: BTreeSet<(String, bool)>,
}

impl Names {
    /// Notes one path, resolving `self`, `super` and the crate's own name.
    fn note(&mut self, segments: &[String]) {
        let mut rest = segments;
        let mut base: Option<Vec<String>> = None;
        while let Some(first) = rest.first() {
            base = match (first.as_str(), base) {
                ("crate" | "leapmotor2mqtt", None) => Some(Vec::new()),
                ("self", None) => Some(self.module.clone()),
                ("super", base) => {
                    let mut parent = base.unwrap_or_else(|| self.module.clone());
                    parent.pop();
                    Some(parent)
                }
                (_, base) => {
                    let name = base
                        .iter()
                        .flat_map(|base| ["crate".to_owned()].into_iter().chain(base.iter().cloned()));
                    let name: Vec<String> = name.chain(rest.iter().cloned()).collect();
                    self.found.insert((name.join("::"), self.in_test));
                    return;
                }
            };
            rest = &rest[1..];
        }
    }

    fn note_use(&mut self, prefix: &[String], tree: &syn::UseTree) {
        let with = |name: &syn::Ident| [prefix, &[name.to_string()]].concat();
        match tree {
            syn::UseTree::Path(path) => self.note_use(&with(&path.ident), &path.tree),
            syn::UseTree::Name(name) if name.ident == "self" => self.note(prefix),
            syn::UseTree::Name(name) => self.note(&with(&name.ident)),
            syn::UseTree::Rename(rename) => self.note(&with(&rename.ident)),
            syn::UseTree::Glob(_) => self.note(&[prefix, &["*".to_owned()]].concat()),
            syn::UseTree::Group(group) => group.items.iter().for_each(|item| self.note_use(prefix, item)),
        }
    }

    /// Notes the paths in unparsed tokens: the inside of a macro call or an attribute.
    fn note_tokens(&mut self, mut cursor: Cursor<'_>) {
        let mut path: Vec<String> = Vec::new();
        loop {
            if let Some((ident, next)) = cursor.ident() {
                path.push(ident.to_string());
                cursor = next;
                if let Some(next) = double_colon(cursor).filter(|next| next.ident().is_some()) {
                    cursor = next;
                    continue;
                }
            } else if let Some((inside, _, _, next)) = cursor.any_group() {
                self.note_tokens(inside);
                cursor = next;
            } else if let Some((_, next)) = cursor.token_tree() {
                cursor = next;
            } else {
                return;
            }
            // A lone word in a macro may be anything; only a path with `::` says where it leads.
            if path.len() > 1 {
                self.note(&path);
            }
            path.clear();
        }
    }
}

/// The cursor after `::`, if it stands there.
fn double_colon(cursor: Cursor<'_>) -> Option<Cursor<'_>> {
    let (first, next) = cursor.punct()?;
    let (second, next) = next.punct()?;
    (first.as_char() == ':' && second.as_char() == ':').then_some(next)
}

fn is_test_only(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("test")
            || attribute.path().is_ident("cfg")
                && attribute
                    .parse_args::<syn::Path>()
                    .is_ok_and(|condition| condition.is_ident("test"))
    })
}

impl<'ast> Visit<'ast> for Names {
    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        let outer = self.in_test;
        self.in_test |= is_test_only(&item.attrs);
        self.module.push(item.ident.to_string());
        visit::visit_item_mod(self, item);
        self.module.pop();
        self.in_test = outer;
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        self.note_use(&[], &item.tree);
    }

    fn visit_item_extern_crate(&mut self, item: &'ast syn::ItemExternCrate) {
        self.note(&[item.ident.to_string()]);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let segments: Vec<String> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        if segments.len() > 1 {
            self.note(&segments);
        }
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        self.note_tokens(TokenBuffer::new2(call.tokens.clone()).begin());
        visit::visit_macro(self, call);
    }

    fn visit_meta_list(&mut self, list: &'ast syn::MetaList) {
        self.note_tokens(TokenBuffer::new2(list.tokens.clone()).begin());
        visit::visit_meta_list(self, list);
    }
}
