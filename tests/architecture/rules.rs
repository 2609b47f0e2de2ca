//! The rules, as tables, and what it means to break one.

/// Which rooms a room may import, itself aside. A room may name only rooms of rows above its own, so there is no cycle.
pub const ARROWS: &[(&str, &[&str])] = &[
    ("vehicle", &[]),
    ("protocol", &[]),
    ("clock", &[]),
    ("health", &[]),
    ("store", &["vehicle", "clock"]),
    ("config", &["vehicle", "clock", "store"]),
    ("addon", &["clock", "store"]),
    ("logging", &["store", "config"]),
    ("cloud", &["vehicle", "protocol", "clock", "config"]),
    ("garage", &["vehicle", "clock", "health", "config", "store", "cloud"]),
    ("homeassistant", &["vehicle"]),
    ("mqtt", &["vehicle", "clock", "health", "config", "homeassistant"]),
    ("simulator", &["protocol", "clock"]),
];

/// The rooms that wire the others together: they may import all of them.
pub const WIRING: &[&str] = &["app", "cli", "main", "lib"];

/// Modules that decide and never act: no I/O, no tasks, no clock. Time comes in as an argument.
const PURE: &[&str] = &[
    "vehicle",
    "protocol",
    "homeassistant",
    "garage::conduct",
    "garage::custody",
    "garage::failures",
    "garage::period",
    "garage::plan",
    "garage::poller::agenda",
    "garage::slow::plan",
    "garage::slow::facts",
    "garage::takeovers",
];

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
    "crate::clock",
    "crate::health",
    "crate::store",
];

/// What a pure module never names outside its tests.
const IMPURE_OUTSIDE_TESTS: &[&str] = &["std::env", "std::fs"];

/// What nobody names, since paths lead through it that cannot be read: the crate's root under another name, all rooms at
/// once, and code from another file.
const HIDING: &[&str] = &["crate", "crate::*", "include!", "#[path]"];

/// The modules that may name a library. Replacing it touches nothing else.
const LIBRARIES: &[(&str, &[&str])] = &[
    ("rumqttc", &["mqtt"]),
    ("rumqttd", &["mqtt"]),
    ("reqwest", &["cloud", "addon", "alerts::telegram"]),
    ("rusqlite", &["history"]),
    ("teloxide", &["alerts::telegram"]),
    ("axum", &["simulator", "admin", "health"]),
    // The tests of `cloud` serve TLS themselves, with certificates of their own.
    ("tokio_rustls", &["simulator", "cloud"]),
    ("rcgen", &["simulator", "cloud"]),
    ("p12_keystore", &["cloud", "simulator"]),
    ("x509_parser", &["cloud", "simulator"]),
    ("rustls_native_certs", &["cloud", "mqtt"]),
    ("figment", &["config"]),
    ("yaml_serde", &["config"]),
    ("shell_words", &["config"]),
    ("tracing_subscriber", &["logging"]),
    ("clap", &["cli", "main", "simulator"]),
    ("image", &["garage::picture"]),
    ("zip", &["garage::picture"]),
    ("aes_gcm", &["store::vault"]),
    ("aes", &["protocol"]),
    ("cbc", &["protocol"]),
    ("hkdf", &["protocol"]),
    ("hmac", &["protocol"]),
    ("md5", &["protocol"]),
    ("sm4", &["protocol"]),
];

/// The rules that naming `name` in `module` breaks. Paths into the crate start with `crate::`.
pub fn broken_rules(module: &str, name: &str, in_test: bool) -> Vec<String> {
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

    if HIDING.contains(&name) {
        broken.push(format!("{module} must not hide paths behind {name}"));
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
        if !in_test && reads_a_clock(name) {
            broken.push(format!("{pure} is pure and must not read a clock"));
        }
        // With everything of a module comes what that module imports for itself.
        if let Some(taken) = name.strip_prefix("crate::").and_then(|path| path.strip_suffix("::*"))
            && !PURE.iter().any(|pure| is_within(taken, pure))
        {
            broken.push(format!("{pure} is pure and must not take in all of {taken}"));
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

/// Whether this is `now` of a type, under whatever name the type goes: only clocks have one.
fn reads_a_clock(name: &str) -> bool {
    let owner = name.strip_suffix("::now").and_then(|owner| owner.rsplit("::").next());
    owner.is_some_and(|owner| owner.starts_with(|letter: char| letter.is_ascii_uppercase()))
}

/// Whether `path` is `root` or lies below it.
fn is_within(path: &str, root: &str) -> bool {
    path.strip_prefix(root)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}
