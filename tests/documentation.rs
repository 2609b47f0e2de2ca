//! The pages: those the program writes are up to date, and the others name what exists.

#![allow(
    clippy::unwrap_used,
    reason = "a test fails by panicking, also in what its cases share"
)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use leapmotor2mqtt::config::keys::{ENVIRONMENT_PREFIX, KEYS, variable};
use leapmotor2mqtt::homeassistant::{Format, table};
use leapmotor2mqtt::vehicle::command::registry::COMMANDS;

/// Where a page is found by those who read it elsewhere.
const ONLINE: &str = "https://github.com/leapmotor2mqtt/leapmotor2mqtt/blob/main/";

fn root(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// Every page for users and contributors, with its text.
fn pages() -> Vec<(PathBuf, String)> {
    let mut pages = Vec::new();
    let mut folders = vec![(root(""), false)];
    folders.extend(["docs", "ha-addon", "blueprints"].map(|name| (root(name), true)));
    while let Some((folder, deep)) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() && deep {
                folders.push((path, true));
            } else if path.extension().is_some_and(|kind| kind == "md") {
                let text = fs::read_to_string(&path).unwrap();
                pages.push((path, text));
            }
        }
    }
    assert!(pages.len() > 15, "the pages were not found");
    pages
}

#[test]
fn the_page_of_entities_is_what_the_program_writes() {
    let page = root("docs/entities.md");
    let written = table(Format::Markdown, None);
    if std::env::var_os("UPDATE_EXAMPLES").is_some() {
        fs::write(&page, &written).unwrap();
    }
    let kept = fs::read_to_string(&page).unwrap_or_default();
    assert!(
        kept == written,
        "docs/entities.md is stale; UPDATE_EXAMPLES=1 cargo test --test documentation writes it anew"
    );
}

#[test]
fn every_link_leads_somewhere() {
    for (page, text) in pages() {
        let targets = text.split("](").skip(1).filter_map(|rest| rest.split_once(')'));
        for (target, _) in targets {
            let (file, heading) = target.split_once('#').unwrap_or((target, ""));
            let found = match file.strip_prefix(ONLINE) {
                Some(file) => root(file),
                None if file.contains("://") => continue,
                None if file.is_empty() => page.clone(),
                None => page.parent().unwrap().join(file),
            };
            assert!(found.exists(), "{}: {target} does not exist", page.display());
            if !heading.is_empty() {
                let headings = fs::read_to_string(&found).unwrap();
                let mut headings = headings.lines().filter(|line| line.starts_with('#')).map(anchor);
                assert!(
                    headings.any(|anchor| anchor == heading),
                    "{}: no heading {target}",
                    page.display()
                );
            }
        }
    }
}

/// The name by which a heading is linked to.
fn anchor(heading: &str) -> String {
    let words = heading.trim_start_matches('#').trim().to_lowercase().replace(' ', "-");
    words
        .chars()
        .filter(|c| c.is_alphanumeric() || *c == '-' || *c == '_')
        .collect()
}

#[test]
fn every_command_that_a_page_names_exists() {
    let help = Command::new(env!("CARGO_BIN_EXE_leapmotor2mqtt"))
        .arg("--help")
        .output()
        .unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    let known: BTreeSet<&str> = help
        .lines()
        .filter_map(|line| line.strip_prefix("  ")?.split(' ').next())
        .collect();
    let mut seen = 0;
    for (page, text) in pages() {
        for (at, name) in text.match_indices("leapmotor2mqtt ") {
            let before = &text[..at];
            let in_code = before.matches("```").count() % 2 == 1;
            // At the beginning of a code span or of a line of code, or as a path.
            if !(before.ends_with(['`', '/']) || in_code && before.ends_with('\n')) {
                continue;
            }
            let word = text[at + name.len()..]
                .split(|c: char| !c.is_ascii_lowercase() && c != '-')
                .next();
            let Some(word) = word.filter(|word| !word.is_empty() && !word.starts_with('-')) else {
                continue;
            };
            seen += 1;
            assert!(known.contains(word), "{}: no command {word}", page.display());
        }
    }
    assert!(seen > 10, "only {seen} commands were found in the pages");
}

#[test]
fn the_answer_of_check_that_a_page_shows_counts_all_commands() {
    let page = fs::read_to_string(root("docs/first-five-minutes.md")).unwrap();
    let counted = format!(" of {} commands offered", COMMANDS.len());
    assert!(
        page.contains(&counted),
        "docs/first-five-minutes.md does not say{counted}"
    );
}

#[test]
fn every_variable_that_a_page_names_exists() {
    let known: BTreeSet<String> = KEYS.iter().map(variable).collect();
    let mut seen = 0;
    for (page, text) in pages() {
        for rest in text.split(ENVIRONMENT_PREFIX).skip(1) {
            let is_part = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
            let name = rest.split(|c| !is_part(c)).next().unwrap();
            if name.is_empty() {
                continue;
            }
            seen += 1;
            let name = format!("{ENVIRONMENT_PREFIX}{name}");
            let name = name.strip_suffix("_FILE").unwrap_or(&name);
            let is_known = known.contains(name) || name == format!("{ENVIRONMENT_PREFIX}ACCOUNTS");
            assert!(is_known, "{}: no variable {name}", page.display());
        }
    }
    assert!(seen > 5, "only {seen} variables were found in the pages");
}
