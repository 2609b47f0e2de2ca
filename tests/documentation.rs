//! The pages that are written by the program itself.

use std::fs;
use std::path::Path;

use leapmotor2mqtt::homeassistant::{Format, table};

#[test]
fn the_page_of_entities_is_what_the_program_writes() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/entities.md");
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
