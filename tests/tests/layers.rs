//! The crates of the project use each other as the architecture says.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// The crates of the project that each crate uses, by crate.
type Uses = BTreeMap<String, BTreeSet<String>>;

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The table in `docs/architecture.md`, "Code map".
fn documented() -> Uses {
    let document = std::fs::read_to_string(repository().join("docs/architecture.md")).unwrap();
    let table = document.split_once("| crate | uses |\n").unwrap().1;
    let rows = table.lines().skip(1).take_while(|row| row.starts_with('|'));
    let names = |cell: &str| -> Vec<String> {
        let names = cell.split('`').skip(1).step_by(2);
        names.map(str::to_owned).collect()
    };
    rows.flat_map(|row| {
        let cells: Vec<_> = row.split('|').collect();
        let uses: BTreeSet<_> = names(cells[2]).into_iter().collect();
        names(cells[1])
            .into_iter()
            .map(move |name| (name, uses.clone()))
    })
    .filter(|(name, _)| !name.starts_with("tests"))
    .collect()
}

/// The dependencies of each crate below `crates/` that are below `crates/` too. Dependencies of
/// tests are not among them.
fn declared() -> Uses {
    let folders = std::fs::read_dir(repository().join("crates")).unwrap();
    let names: BTreeSet<String> = folders
        .map(|folder| folder.unwrap().file_name().into_string().unwrap())
        .collect();
    let uses = |name: &String| {
        let manifest = repository().join("crates").join(name).join("Cargo.toml");
        let manifest = std::fs::read_to_string(manifest).unwrap();
        let (_, dependencies) = manifest.split_once("[dependencies]\n").unwrap();
        let lines = dependencies
            .lines()
            .take_while(|line| !line.starts_with('['));
        let used = lines.filter_map(|line| line.split(['.', ' ', '=']).next());
        used.map(str::to_owned)
            .filter(|used| names.contains(used))
            .collect()
    };
    names
        .iter()
        .map(|name| (name.clone(), uses(name)))
        .collect()
}

#[test]
fn each_crate_uses_the_crates_that_the_architecture_names_and_no_others() {
    assert_eq!(declared(), documented());
}
