//! The binaries of the service, built from the sources as they are.

use std::path::{Path, PathBuf};

/// The folder of the repository.
///
/// # Panics
/// Never, because the tests have their own folder in the repository.
#[must_use]
pub fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the tests have a folder of their own")
}

/// A binary of the service, built from the sources as they are.
///
/// # Panics
/// If the binary is missing, or older than one of its sources. A test of such a binary would test
/// something else.
#[must_use]
pub fn function(name: &str) -> PathBuf {
    let folder = build_folder();
    let binary = folder.join(name);
    let advice = "run `make build`, or all tests by `make test`";
    assert!(binary.exists(), "{} is missing: {advice}", binary.display());
    // Cargo writes the sources of a binary beside the binary, if it builds the binary by name. The
    // form is `binary: source source …`, with escaped spaces. If cargo builds all tests, it writes
    // no such file, and the binary is as new as the tests.
    let Ok(made_from) = std::fs::read_to_string(folder.join(format!("{name}.d"))) else {
        return binary;
    };
    let (_, sources) = made_from.split_once(": ").unwrap();
    let sources = sources.trim().replace("\\ ", "\0");
    let changed = |path: &Path| path.metadata().unwrap().modified().unwrap();
    for source in sources.split(' ') {
        let source = PathBuf::from(source.replace('\0', " "));
        let is_older = source.exists() && changed(&binary) < changed(&source);
        assert!(
            !is_older,
            "{name} is older than {}: {advice}",
            source.display()
        );
    }
    binary
}

/// The folder in which cargo puts binaries. A command is in this folder, and a test is in the
/// folder `deps` below it.
fn build_folder() -> PathBuf {
    let own = std::env::current_exe().unwrap();
    let folder = own.parent().unwrap();
    if folder.ends_with("deps") {
        folder.parent().unwrap().to_owned()
    } else {
        folder.to_owned()
    }
}

/// Puts the stack's binaries into a folder, with `consumer` in the consumer's place. Returns the
/// path of `local` in the folder.
pub(crate) fn install(folder: &Path, consumer: &str) -> PathBuf {
    for (binary, name) in [
        ("local", "local"),
        ("api", "api"),
        (consumer, "consumer"),
        ("notifier", "notifier"),
        ("shipping", "shipping"),
    ] {
        let (from, to) = (function(binary), folder.join(name));
        if std::fs::hard_link(&from, &to).is_err() {
            std::fs::copy(&from, &to).unwrap();
        }
    }
    folder.join("local")
}
