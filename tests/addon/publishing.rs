//! `scripts/publish-addon`: the repository that users add to their Home Assistant.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::json;

use crate::manifest::{folder, manifest, yaml};

fn publish(directory: &Path) -> Output {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/publish-addon");
    Command::new(script).arg(directory).output().unwrap()
}

/// Every file below a directory.
fn files(directory: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let name = PathBuf::from(path.file_name().unwrap());
        if path.is_dir() {
            found.extend(files(&path).into_iter().map(|(below, bytes)| (name.join(below), bytes)));
        } else {
            found.insert(name, fs::read(path).unwrap());
        }
    }
    found
}

#[test]
fn it_is_the_add_on_alone_and_the_same_every_time() {
    let directory = tempfile::tempdir().unwrap();
    let (first, second) = (directory.path().join("first"), directory.path().join("second"));
    for target in [&first, &second, &first] {
        let done = publish(target);
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    }
    let written = files(&first);
    assert!(written == files(&second), "it depends on something but the source");

    let manifests: Vec<_> = written
        .keys()
        .filter(|path| path.file_stem().is_some_and(|stem| stem == "config"))
        .collect();
    assert_eq!(manifests, [Path::new("leapmotor2mqtt/config.yaml")]);
    let repository = yaml(&first.join("repository.yaml"));
    assert_eq!(repository["name"], json!("Leapmotor to MQTT"));
    let mut expected = manifest();
    expected["version"] = json!(env!("CARGO_PKG_VERSION"));
    assert_eq!(yaml(&first.join("leapmotor2mqtt/config.yaml")), expected);
    for path in files(&folder()).keys() {
        assert!(
            written.contains_key(&Path::new("leapmotor2mqtt").join(path)),
            "{} is left out",
            path.display()
        );
    }
}

#[test]
fn what_was_published_before_goes_and_its_history_stays() {
    let directory = tempfile::tempdir().unwrap();
    fs::create_dir(directory.path().join(".git")).unwrap();
    fs::write(directory.path().join(".git/HEAD"), "ref: x").unwrap();
    assert!(publish(directory.path()).status.success());
    fs::write(directory.path().join("leapmotor2mqtt/old.txt"), "").unwrap();
    assert!(publish(directory.path()).status.success());
    assert!(!directory.path().join("leapmotor2mqtt/old.txt").exists());
    assert!(directory.path().join(".git/HEAD").exists());
}

#[test]
fn a_directory_of_somebody_else_is_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("precious"), "x").unwrap();
    let refused = publish(directory.path());
    assert_eq!(refused.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("holds something else"));
    assert_eq!(files(directory.path()).len(), 1);
}
