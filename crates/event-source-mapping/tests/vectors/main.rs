//! The mapping does what the vectors in `vectors/` say. Their README has the format.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a panic is how a test reports, also from a function that is not a test itself"
)]

mod comparison;
mod runner;
mod validation;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::comparison::compare;
use crate::runner::run;
use crate::validation::Schema;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors")
}

fn read(path: &Path) -> Value {
    let text = fs::read_to_string(path).unwrap();
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Every file of vectors, with its name.
fn files() -> Vec<(String, Value)> {
    let mut files: Vec<_> = fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "json")
        })
        .filter(|path| !path.ends_with("schema.json"))
        .map(|path| {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            (name, read(&path))
        })
        .collect();
    files.sort_by(|left, right| left.0.cmp(&right.0));
    assert!(!files.is_empty());
    files
}

fn vectors() -> Vec<Value> {
    files()
        .into_iter()
        .flat_map(|(_, file)| file["vectors"].as_array().unwrap().clone())
        .collect()
}

#[test]
fn every_file_is_valid_by_the_schema() {
    let schema = Schema::new(&read(&folder().join("schema.json")));
    for (name, file) in files() {
        schema
            .validate(&file)
            .unwrap_or_else(|error| panic!("{name}: {error}"));
    }
}

#[test]
fn the_schema_refuses_a_vector_that_lacks_a_member_or_has_one_too_many() {
    let schema = Schema::new(&read(&folder().join("schema.json")));
    let (_, mut file) = files().swap_remove(0);
    let vector = file["vectors"][0].clone();
    for member in [
        "name",
        "basis",
        "source",
        "options",
        "shards",
        "responses",
        "expected",
    ] {
        let mut changed = vector.clone();
        changed.as_object_mut().unwrap().remove(member).unwrap();
        file["vectors"][0] = changed;
        assert!(schema.validate(&file).is_err(), "without {member}");
    }
    for pointer in [
        "",
        "/options",
        "/shards/0",
        "/shards/0/records/0",
        "/expected",
    ] {
        let mut changed = vector.clone();
        changed.pointer_mut(pointer).unwrap()["another"] = Value::Null;
        file["vectors"][0] = changed;
        assert!(schema.validate(&file).is_err(), "another in {pointer}");
    }
    file["vectors"][0] = vector;
    schema.validate(&file).unwrap();
}

#[test]
fn the_schema_refuses_an_assumption_that_passes_for_documented() {
    let schema = Schema::new(&read(&folder().join("schema.json")));
    let (_, mut file) = files()
        .into_iter()
        .find(|(name, _)| name == "bisect.json")
        .unwrap();
    let with_assumption = file["vectors"]
        .as_array_mut()
        .unwrap()
        .iter_mut()
        .find(|vector| vector.get("assumptions").is_some())
        .unwrap();
    with_assumption["basis"] = "documented".into();
    assert!(schema.validate(&file).is_err());
}

#[test]
fn no_two_vectors_have_the_same_name() {
    let mut names = BTreeSet::new();
    for vector in vectors() {
        let name = vector["name"].as_str().unwrap().to_owned();
        assert!(names.insert(name.clone()), "{name}");
    }
}

#[test]
fn the_mapping_does_what_every_vector_says() {
    let mut failed = Vec::new();
    for (file, content) in files() {
        for vector in content["vectors"].as_array().unwrap() {
            if let Err(difference) = compare(&vector["expected"], &run(vector)) {
                failed.push(format!("{file}: {}: {difference}", vector["name"]));
            }
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

/// A comparison that overlooks something would let another mapping pass.
#[test]
fn no_value_that_a_vector_expects_can_be_changed_unseen() {
    for vector in vectors() {
        let observed = run(&vector);
        for pointer in leaves(&vector["expected"], "") {
            // Of these a range of values is right.
            if pointer.contains("/within_seconds/") || pointer.ends_with("/object_key") {
                continue;
            }
            let mut expected = vector["expected"].clone();
            let leaf = expected.pointer_mut(&pointer).unwrap();
            *leaf = another(leaf);
            assert!(
                compare(&expected, &observed).is_err(),
                "{}: {pointer} was changed",
                vector["name"]
            );
        }
    }
}

#[test]
fn a_delivery_or_a_discard_too_few_or_too_many_is_seen() {
    for vector in vectors() {
        let observed = run(&vector);
        for list in ["deliveries", "discards"] {
            let Some(elements) = vector["expected"][list].as_array() else {
                continue;
            };
            let Some(last) = elements.last() else {
                continue;
            };
            let mut fewer = vector["expected"].clone();
            fewer[list].as_array_mut().unwrap().pop();
            assert!(compare(&fewer, &observed).is_err(), "{}", vector["name"]);
            let mut more = vector["expected"].clone();
            more[list].as_array_mut().unwrap().push(last.clone());
            assert!(compare(&more, &observed).is_err(), "{}", vector["name"]);
        }
    }
}

#[test]
fn a_delivery_outside_of_its_seconds_is_seen() {
    let mut timed = 0;
    for vector in vectors() {
        let observed = run(&vector);
        for index in 0..observed.deliveries.len() {
            let mut expected = vector["expected"].clone();
            let Some(delivery) = expected.pointer_mut(&format!("/deliveries/{index}")) else {
                continue;
            };
            if delivery.get("within_seconds").is_none() {
                continue;
            }
            timed += 1;
            delivery["within_seconds"] = serde_json::json!([1_000, 1_001]);
            assert!(compare(&expected, &observed).is_err(), "{}", vector["name"]);
        }
    }
    assert!(timed > 0);
}

/// The pointers to all values that have no members.
fn leaves(value: &Value, at: &str) -> Vec<String> {
    let escaped = |name: &str| name.replace('~', "~0").replace('/', "~1");
    match value {
        Value::Object(members) => members
            .iter()
            .flat_map(|(name, of)| leaves(of, &format!("{at}/{}", escaped(name))))
            .collect(),
        Value::Array(elements) => elements
            .iter()
            .enumerate()
            .flat_map(|(index, of)| leaves(of, &format!("{at}/{index}")))
            .collect(),
        _ => vec![at.to_owned()],
    }
}

fn another(value: &Value) -> Value {
    match value {
        Value::Null => "x".into(),
        Value::Bool(flag) => (!flag).into(),
        // No number in a vector is negative.
        Value::Number(_) => (-1).into(),
        Value::String(text) => format!("{text}x").into(),
        Value::Array(_) | Value::Object(_) => unreachable!("it has no members"),
    }
}
