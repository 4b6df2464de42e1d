//! The interface of each library is what `docs/api` lists, so that a review sees each change of it.
//!
//! rustdoc writes the interface as JSON, which is unstable. So the compiler and the crate
//! `public-api` have to fit each other (docs/publishing.md).

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "in a test a panic is the report"
)]

use std::path::{Path, PathBuf};
use std::process::Command;

use public_api::Builder;
use tests::repository;

/// Each library's package, and its name as a crate.
const LIBRARIES: [(&str, &str); 5] = [
    ("conditional-write", "conditional_write"),
    ("event-source-mapping", "event_source_mapping"),
    ("idempotency", "idempotency"),
    ("keyed-batch", "keyed_batch"),
    ("seeded-backoff", "backoff"),
];

/// The command that writes the listings anew.
const COMMAND: &str = "make interfaces";

/// Traits that the compiler implements by itself, and of which no user writes the name. `Send` and
/// `Sync` stay in the listing, because a future that is not `Send` cannot be spawned.
const LEFT_OUT: [&str; 6] = [
    "core::marker::Freeze",
    "core::marker::StructuralPartialEq",
    "core::marker::Unpin",
    "core::marker::UnsafeUnpin",
    "core::panic::unwind_safe::RefUnwindSafe",
    "core::panic::unwind_safe::UnwindSafe",
];

/// The folder with rustdoc's JSON of all libraries.
fn rustdoc_json() -> PathBuf {
    let mut command = Command::new(env!("CARGO"));
    command
        .current_dir(repository())
        // Only rustdoc is told to allow unstable options. If cargo were told, build scripts would
        // run again, and with them most of the dependencies.
        .env("RUSTDOC", repository().join("tests/interfaces/rustdoc"))
        .env(
            "RUSTDOCFLAGS",
            "-Z unstable-options --output-format json --cap-lints warn",
        )
        // With `features` the dependencies have the features that they have in the tests.
        .args([
            "doc",
            "--offline",
            "--locked",
            "--no-deps",
            "--lib",
            "-p",
            "features",
        ]);
    for (package, _) in LIBRARIES {
        command.args(["-p", package]);
    }
    let output = command.output().unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let target = std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| repository().join("target"), PathBuf::from);
    target.join("doc")
}

fn listing(json: &Path) -> String {
    let interface = Builder::from_rustdoc_json(json)
        .omit_blanket_impls(true)
        .build()
        .unwrap_or_else(|error| {
            panic!(
                "{}: {error}. See docs/publishing.md, \"The listing\"",
                json.display()
            )
        });
    let items = interface.items().map(|item| format!("{item}\n"));
    let left_out = |item: &String| {
        let mut traits = LEFT_OUT.iter();
        item.starts_with("impl") && traits.any(|name| item.contains(&format!("{name} for ")))
    };
    items.filter(|item| !left_out(item)).collect()
}

/// `make interfaces` sets `WRITE_INTERFACES`.
#[test]
fn the_interface_of_each_library_is_the_one_that_is_listed() {
    let json = rustdoc_json();
    let folder = repository().join("docs/api");
    let mut changed = Vec::new();
    for (package, library) in LIBRARIES {
        let now = listing(&json.join(format!("{library}.json")));
        assert!(now.lines().count() > 5, "{package}: {now}");
        let file = folder.join(format!("{package}.txt"));
        let listed = std::fs::read_to_string(&file).unwrap_or_default();
        if std::env::var_os("WRITE_INTERFACES").is_some() {
            std::fs::write(&file, &now).unwrap();
        } else if now != listed {
            changed.push(difference(package, &listed, &now));
        }
    }
    assert!(
        changed.is_empty(),
        "{}\nIf the change is meant, run `{COMMAND}` and commit docs/api.",
        changed.join("\n")
    );
}

/// The lines that only one of the two has.
fn difference(package: &str, listed: &str, now: &str) -> String {
    let only = |sign: char, these: &str, others: &str| -> Vec<String> {
        let others: Vec<_> = others.lines().collect();
        these
            .lines()
            .filter(|line| !others.contains(line))
            .map(|line| format!("{sign} {line}"))
            .collect()
    };
    let lines = [only('-', listed, now), only('+', now, listed)].concat();
    format!(
        "The interface of {package} is not the one in docs/api:\n{}",
        lines.join("\n")
    )
}

#[test]
fn a_change_of_an_interface_is_told_by_its_lines() {
    let told = difference(
        "a",
        "pub fn one()\npub fn two()\n",
        "pub fn two()\npub fn three()\n",
    );
    assert!(told.ends_with("- pub fn one()\n+ pub fn three()"), "{told}");
}
