//! Terraform's and Rust's sources as text: just enough of HCL to find a block and what is assigned in it.

use std::collections::BTreeSet;

use tests::repository;

/// A file of the repository.
pub(crate) fn read(path: &str) -> String {
    std::fs::read_to_string(repository().join(path))
        .unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Every file of `infra/` with this extension, one after the other, without comments.
pub(crate) fn terraform() -> String {
    let mut paths: Vec<_> = std::fs::read_dir(repository().join("infra"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "tf"))
        .collect();
    paths.sort();
    assert!(paths.len() > 10, "{paths:?}");
    let text = paths
        .iter()
        .map(|path| std::fs::read_to_string(path).unwrap());
    text.flat_map(|text| {
        let lines = text.lines().map(str::to_owned).collect::<Vec<_>>();
        lines
            .into_iter()
            .filter(|line| !line.trim_start().starts_with('#'))
    })
    .collect::<Vec<_>>()
    .join("\n")
}

/// What stands between the brackets that open after `head`, whatever is nested in them.
pub(crate) fn body<'a>(text: &'a str, head: &str) -> &'a str {
    let start = text.find(head).unwrap_or_else(|| panic!("no {head:?}"));
    let rest = &text[start + head.len()..];
    let open = rest.find(['{', '[', '(']).unwrap();
    let rest = &rest[open + 1..];
    let (mut depth, mut quoted, mut escaped) = (1_u32, false, false);
    for (position, character) in rest.char_indices() {
        match character {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            _ if quoted => {}
            '{' | '[' | '(' => depth += 1,
            '}' | ']' | ')' => {
                depth -= 1;
                if depth == 0 {
                    return &rest[..position];
                }
            }
            _ => {}
        }
    }
    panic!("{head:?} does not end")
}

/// The names that are assigned directly in a body: `name = …`, one a line.
pub(crate) fn names(body: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let mut depth = 0_i32;
    for line in body.lines() {
        if depth == 0
            && let Some((name, _)) = line.split_once(" = ")
        {
            names.insert(name.trim().to_owned());
        }
        for character in line.chars() {
            depth += match character {
                '{' | '[' | '(' => 1,
                '}' | ']' | ')' => -1,
                _ => 0,
            };
        }
    }
    names
}

/// Everything that stands between quotes.
pub(crate) fn quoted(text: &str) -> Vec<&str> {
    text.split('"').skip(1).step_by(2).collect()
}

/// The number after `name = ` in Terraform.
pub(crate) fn number(text: &str, name: &str) -> f64 {
    let assignment = text
        .lines()
        .find_map(|line| {
            let (left, right) = line.split_once('=')?;
            (left.trim() == name).then(|| right.trim().to_owned())
        })
        .unwrap_or_else(|| panic!("no {name}"));
    assignment
        .parse()
        .unwrap_or_else(|_| panic!("{name} is {assignment}"))
}

#[test]
fn a_body_ends_where_its_brackets_do() {
    let text = r#"a { b = "}" c = [1, { d = 2 }] } e { f = 1 }"#;
    assert_eq!(body(text, "a "), r#" b = "}" c = [1, { d = 2 }] "#);
    assert_eq!(body(text, "e "), " f = 1 ");
}

#[test]
fn names_are_those_of_the_body_itself() {
    let found = names("\n  a = 1\n  b = {\n    c = 2\n  }\n  d   = [3]\n");
    assert_eq!(found, ["a", "b", "d"].map(str::to_owned).into());
}
