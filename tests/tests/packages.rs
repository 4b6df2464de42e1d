//! The libraries that are published have all that a package needs. docs/publishing.md says which
//! libraries they are.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;
use std::sync::LazyLock;

use serde_json::Value;
use tests::repository;

/// The answer of `cargo metadata`.
static METADATA: LazyLock<Value> = LazyLock::new(|| {
    let arguments = ["metadata", "--offline", "--locked", "--format-version", "1"];
    serde_json::from_str(&cargo(&arguments)).unwrap()
});

fn cargo(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO"))
        .args(arguments)
        .current_dir(repository())
        .output()
        .unwrap();
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

fn list(value: &Value) -> &Vec<Value> {
    value.as_array().unwrap()
}

/// The packages of this workspace.
fn ours() -> impl Iterator<Item = &'static Value> {
    let packages = list(&METADATA["packages"]).iter();
    packages.filter(|package| package["source"].is_null())
}

/// The packages that are published. `publish` is null if nothing forbids it.
fn libraries() -> Vec<&'static Value> {
    let libraries: Vec<_> = ours()
        .filter(|package| package["publish"].is_null())
        .collect();
    assert!(!libraries.is_empty());
    libraries
}

/// The version of Rust, by its numbers.
fn version(text: &str) -> Vec<u32> {
    let mut numbers: Vec<_> = text.split('.').map(|part| part.parse().unwrap()).collect();
    numbers.resize(3, 0);
    numbers
}

/// The packages that are compiled with a package, which are its dependencies and theirs, without
/// those of its tests.
fn compiled_with(package: &Value) -> Vec<&'static Value> {
    let nodes: BTreeMap<_, _> = list(&METADATA["resolve"]["nodes"])
        .iter()
        .map(|node| (text(&node["id"]), node))
        .collect();
    let mut found = BTreeSet::new();
    let mut open = vec![text(&package["id"])];
    while let Some(id) = open.pop() {
        for dependency in list(&nodes[id]["deps"]) {
            let mut kinds = list(&dependency["dep_kinds"]).iter();
            let id = text(&dependency["pkg"]);
            if kinds.any(|kind| kind["kind"] != "dev") && found.insert(id) {
                open.push(id);
            }
        }
    }
    let packages = list(&METADATA["packages"]).iter();
    packages
        .filter(|package| found.contains(text(&package["id"])))
        .collect()
}

/// The dependencies that declare a newer compiler than a package that declares `own`.
fn newer(own: &str, dependencies: &[&Value]) -> Vec<String> {
    dependencies
        .iter()
        .filter_map(|dependency| {
            let declared = dependency["rust_version"].as_str()?;
            (version(declared) > version(own))
                .then(|| format!("{} needs {declared}", text(&dependency["name"])))
        })
        .collect()
}

#[test]
fn five_libraries_are_published_and_nothing_else() {
    let names: BTreeSet<_> = libraries()
        .iter()
        .map(|library| text(&library["name"]))
        .collect();
    let expected = [
        "conditional-write",
        "event-source-mapping",
        "idempotency",
        "keyed-batch",
        "seeded-backoff",
    ];
    assert_eq!(names, BTreeSet::from(expected));
}

#[test]
fn the_rust_version_of_a_library_is_not_older_than_that_of_its_dependencies() {
    for library in libraries() {
        let own = text(&library["rust_version"]);
        let newer = newer(own, &compiled_with(library));
        assert!(newer.is_empty(), "{}: {newer:?}", library["name"]);
    }
}

/// The AWS SDK sets the floor. If it does so no more, the floor can be lower.
#[test]
fn the_rust_version_of_the_lock_is_what_its_dependencies_need_and_no_newer() {
    let libraries = libraries();
    let lock = libraries
        .iter()
        .find(|library| library["name"] == "idempotency");
    let dependencies = compiled_with(lock.unwrap());
    let own = text(&lock.unwrap()["rust_version"]);
    let highest = dependencies
        .iter()
        .filter_map(|dependency| dependency["rust_version"].as_str().map(version))
        .max();
    assert_eq!(highest, Some(version(own)));
    assert!(!newer("1.85", &dependencies).is_empty());
}

/// The registry refuses a dependency without a version, and a package that is not there.
#[test]
fn a_library_depends_on_published_libraries_only_and_by_version() {
    let published: BTreeSet<_> = libraries()
        .iter()
        .map(|library| text(&library["name"]))
        .collect();
    let mut of_ours = 0;
    for library in libraries() {
        for dependency in list(&library["dependencies"]) {
            if dependency["path"].is_null() || dependency["kind"] == "dev" {
                continue;
            }
            let (library, name) = (&library["name"], text(&dependency["name"]));
            assert!(published.contains(name), "{library} uses {name}");
            assert_ne!(
                dependency["req"], "*",
                "{library} uses {name} of any version"
            );
            of_ours += 1;
        }
    }
    assert!(of_ours >= 4, "{of_ours}");
}

/// The registry's rules for a package (The Cargo Book, "The Manifest Format").
#[test]
fn a_library_has_what_the_registry_asks_for_and_shows() {
    for library in libraries() {
        let name = text(&library["name"]);
        for member in ["description", "license", "repository", "readme"] {
            assert!(library[member].is_string(), "{name} has no {member}");
        }
        let keywords = list(&library["keywords"]);
        assert!((1..=5).contains(&keywords.len()), "{name}: {keywords:?}");
        for keyword in keywords.iter().map(text) {
            let allowed = |c: char| c.is_ascii_alphanumeric() || "_-+".contains(c);
            let fine = keyword.len() <= 20 && keyword.chars().all(allowed);
            assert!(fine, "{name}: {keyword}");
        }
        let categories = list(&library["categories"]);
        assert!(
            (1..=5).contains(&categories.len()),
            "{name}: {categories:?}"
        );
    }
}

/// `cargo package` follows the links to the licence and the changelog of the repository.
#[test]
fn a_package_has_its_readme_the_licence_the_changelog_and_no_tests_that_need_the_workspace() {
    for library in libraries() {
        let name = text(&library["name"]);
        let arguments = [
            "package",
            "--list",
            "--offline",
            "--locked",
            "--allow-dirty",
            "--package",
            name,
        ];
        let listing = cargo(&arguments);
        let files: BTreeSet<_> = listing.lines().collect();
        for file in ["README.md", "LICENSE", "CHANGELOG.md"] {
            assert!(files.contains(file), "{name} has no {file}");
        }
        let unpublished: Vec<_> = ours()
            .filter(|package| !package["publish"].is_null())
            .map(|package| text(&package["name"]).replace('-', "_"))
            .collect();
        let folder = Path::new(text(&library["manifest_path"])).parent().unwrap();
        for file in files.iter().filter(|file| file.ends_with(".rs")) {
            let source = std::fs::read_to_string(folder.join(file)).unwrap();
            for package in &unpublished {
                let used = source.contains(&format!("use {package}::"))
                    || source.contains(&format!(" {package}::"));
                assert!(
                    !used,
                    "{name}: {file} uses {package}, which is not published"
                );
            }
        }
    }
}

/// The registry shows a README by itself, so its links have to lead somewhere from there too.
#[test]
fn a_readme_begins_with_the_name_says_how_to_install_and_has_links_that_work_everywhere() {
    for library in libraries() {
        let name = text(&library["name"]);
        let manifest = Path::new(text(&library["manifest_path"]));
        let readme = std::fs::read_to_string(manifest.with_file_name("README.md")).unwrap();
        let title = format!("# {name}\n");
        assert!(readme.starts_with(&title), "{name}: title");
        let install = format!("cargo add {name}");
        assert!(readme.contains(&install), "{name}: install");
        let links = links(&readme);
        let local = links
            .iter()
            .find(|target| !target.starts_with("https://") && !target.starts_with('#'));
        assert_eq!(local, None, "{name}: a link that works in rustdoc only");
    }
}

/// The targets of the links in Markdown. A reference without a definition counts as its own target.
fn links(markdown: &str) -> Vec<String> {
    let prose: String = markdown.split("```").step_by(2).collect();
    let mut links = Vec::new();
    for (index, _) in prose.match_indices(']') {
        let (before, after) = (&prose[..index], &prose[index + 1..]);
        let label = before.rsplit('[').next().unwrap();
        let inline = after
            .strip_prefix('(')
            .and_then(|rest| rest.split(')').next());
        let definition = format!("[{label}]: ");
        let defined = prose
            .split(&definition)
            .nth(1)
            .and_then(|rest| rest.lines().next());
        links.push(inline.or(defined).unwrap_or(label).to_owned());
    }
    links
}

#[test]
fn links_of_each_form_are_found() {
    let markdown =
        "See [a](https://a.example), [`b`], [c].\n```\n[d]\n```\n[c]: https://c.example\n";
    let expected = [
        "https://a.example",
        "`b`",
        "https://c.example",
        "https://c.example",
    ];
    assert_eq!(links(markdown), expected);
}
