//! The README and docs/faults.md. Their commands do what the pages say, and the tests that they
//! name exist.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;
use tests::{Stack, repository};

/// The pages whose commands are run and whose tests are looked for.
const PAGES: [&str; 2] = ["README.md", "docs/faults.md"];

fn page(name: &str) -> String {
    std::fs::read_to_string(repository().join(name)).unwrap()
}

/// The blocks of shell commands, in the sequence of the pages.
fn shell_blocks() -> Vec<String> {
    let pages = PAGES.map(page).concat();
    let blocks = pages.split("```sh\n").skip(1);
    blocks
        .map(|rest| rest.split("```").next().unwrap().to_owned())
        .collect()
}

/// Runs a block in this folder, against a stack on other ports. Returns the block's output.
fn run(block: &str, stack: &Stack, folder: &Path) -> String {
    let script = block
        .replace("localhost:3000", &format!("127.0.0.1:{}", stack.port()))
        .replace("localhost:4566", &format!("127.0.0.1:{}", stack.aws_port()));
    let output = Command::new("sh")
        .args(["-euc", &script])
        .current_dir(folder)
        .output()
        .unwrap();
    assert!(output.status.success(), "{script}\n{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn every_make_command_exists() {
    let makefile = std::fs::read_to_string(repository().join("Makefile")).unwrap();
    let mut commands = 0;
    for text in PAGES.map(page) {
        let in_sentences = text.split("`make ").skip(1);
        let in_blocks = text.lines().filter_map(|line| line.strip_prefix("make "));
        for command in in_sentences.chain(in_blocks) {
            let end = command.find(|c: char| !(c.is_ascii_alphanumeric() || c == '-'));
            let target = &command[..end.unwrap_or(command.len())];
            assert!(makefile.contains(&format!("\n{target}:")), "make {target}");
            commands += 1;
        }
    }
    assert!(commands >= 20, "{commands}");
}

#[test]
fn every_fault_names_a_test_that_exists() {
    let folder = std::fs::read_dir(repository().join("tests/tests")).unwrap();
    let files = folder.map(|entry| entry.unwrap().path());
    let tests: String = files
        .filter(|path| path.is_file())
        .map(|path| std::fs::read_to_string(path).unwrap())
        .collect();
    let faults = page("docs/faults.md");
    let (_, table) = faults.split_once("## Each fault, and its test").unwrap();
    let (table, _) = table.split_once("\n## ").unwrap();
    let mut named = 0;
    for row in table
        .lines()
        .skip_while(|line| *line != "|---|---|---|")
        .skip(1)
    {
        let Some(test) = row.rsplit('`').nth(1) else {
            continue;
        };
        assert!(tests.contains(&format!("async fn {test}()")), "{test}");
        named += 1;
    }
    assert!(named >= 15, "{named} rows");
}

#[test]
fn every_link_to_a_test_leads_to_the_file_that_has_it() {
    let mut links = 0;
    for name in PAGES {
        let folder = repository().join(name);
        let folder = folder.parent().unwrap();
        for link in page(name).split("[`").skip(1) {
            let Some((test, rest)) = link.split_once("`](") else {
                continue;
            };
            let (file, _) = rest.split_once(')').unwrap();
            let source = std::fs::read_to_string(folder.join(file)).unwrap();
            assert!(source.contains(&format!("fn {test}(")), "{name}: {test}");
            links += 1;
        }
    }
    assert!(links >= 12, "{links}");
}

#[test]
fn every_promise_of_the_readme_links_to_a_test() {
    let readme = page("README.md");
    let (_, promises) = readme.split_once("## What it promises").unwrap();
    let (promises, _) = promises.split_once("\n## ").unwrap();
    let promises: Vec<_> = promises
        .lines()
        .filter(|row| row.starts_with("| **"))
        .collect();
    assert!(promises.len() >= 8, "{promises:?}");
    for row in promises {
        assert!(row.contains("| [`") && row.contains(".rs) |"), "{row}");
    }
}

#[test]
fn every_link_of_the_documentation_leads_somewhere() {
    let docs = std::fs::read_dir(repository().join("docs")).unwrap();
    let files = docs.map(|entry| entry.unwrap().path());
    let mut pages: Vec<PathBuf> = files.filter(|path| path.is_file()).collect();
    let at_the_root = [
        "README.md",
        "CONTRIBUTING.md",
        "SECURITY.md",
        "CHANGELOG.md",
    ];
    pages.extend(at_the_root.map(|page| repository().join(page)));
    let mut links = 0;
    for page in pages {
        let text = std::fs::read_to_string(&page).unwrap();
        let targets = text.split("](").skip(1);
        let targets = targets.filter_map(|rest| rest.split(')').next());
        for target in targets.filter(|target| !target.starts_with("http")) {
            let (file, heading) = target.split_once('#').unwrap_or((target, ""));
            let file = match file {
                "" => page.clone(),
                file => page.parent().unwrap().join(file),
            };
            assert!(file.exists(), "{}: {target}", page.display());
            assert!(
                heading.is_empty() || has_heading(&file, heading),
                "{}: {target}",
                page.display()
            );
            links += 1;
        }
    }
    assert!(links > 30, "{links}");
}

/// True if a page has a heading of this anchor. The anchor is the heading's words in lower case,
/// joined by hyphens, without punctuation.
fn has_heading(page: &Path, anchor: &str) -> bool {
    let text = std::fs::read_to_string(page).unwrap();
    // Between fences, a line with a `#` at its start is a comment.
    let prose = text.split("```").step_by(2).flat_map(str::lines);
    prose
        .filter(|line| line.starts_with('#'))
        .map(|line| line.trim_start_matches('#').trim().to_lowercase())
        .any(|heading| {
            let kept = |c: &char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_');
            heading
                .chars()
                .filter(kept)
                .collect::<String>()
                .replace(' ', "-")
                == anchor
        })
}

#[tokio::test]
async fn the_first_order_goes_as_it_says() {
    let stack = Stack::start().await;
    let folder = TempDir::new().unwrap();
    let block = shell_blocks()
        .into_iter()
        .find(|block| block.contains("Prefer: wait"))
        .unwrap();
    let printed = run(&block, &stack, folder.path());
    let at = |text: &str| {
        printed
            .find(text)
            .unwrap_or_else(|| panic!("no {text} in {printed}"))
    };
    assert!(at("\"status\":\"accepted\"") < at("\"status\":\"placed\""));
    at("\"total\":2598");
    assert!(at("\"status\":\"placed\"") < at("\"status\":\"cancelled\""));
    assert_eq!(
        printed.matches("\"status\":\"accepted\"").count(),
        2,
        "{printed}"
    );
    assert!(at("\"status\":\"cancelled\"") < at("/created"), "{printed}");
}

#[tokio::test]
async fn an_order_that_comes_while_the_table_refuses_is_accepted_and_persisted_later() {
    let stack = Stack::start().await;
    let folder = TempDir::new().unwrap();
    let block = shell_blocks()
        .into_iter()
        .find(|block| block.contains("_local/faults"))
        .unwrap();
    let printed = run(&block, &stack, folder.path());
    let (accepted, persisted) = printed.split_at(printed.rfind("{\"order_id\"").unwrap());
    assert!(accepted.contains("\"status\":\"accepted\""), "{printed}");
    assert!(persisted.contains("\"status\":\"placed\""), "{printed}");
    assert!(persisted.contains("\"customer_id\":\"c-2\""), "{printed}");
    let state = stack.state().await;
    let hits = state["faults"]["hits"].as_array().unwrap();
    assert!(!hits.is_empty(), "the table has refused: {state}");
}

#[tokio::test]
async fn functions_are_killed_and_the_stop_switch_turned_as_it_says() {
    let stack = Stack::start().await;
    let folder = TempDir::new().unwrap();
    let block = shell_blocks()
        .into_iter()
        .find(|block| block.contains("_local/functions"))
        .unwrap();
    let printed = run(&block, &stack, folder.path());
    assert!(printed.starts_with("{\"pids\":["), "{printed}");
    assert!(
        printed.ends_with("{\"enabled\":false}\n{\"enabled\":true}\n"),
        "{printed}"
    );
    stack.persisted(&stack.accepted().await, &[]).await;
}
