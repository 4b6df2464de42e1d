//! The requests of the corpus, sent to the local stack byte by byte.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use futures::{StreamExt as _, stream};
use tests::{ORDER, Stack, StackOptions, repository};

use crate::corpus::{self, Elsewhere, Event, Port, Request, Requests, bytes};
use crate::wire::{Answer, send};
use crate::{MARK, assert_tells_nothing_of_the_inside, events, sentence, without_pointers};

/// How many requests are sent at a time.
const AT_ONCE: usize = 12;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_request_and_event_gets_the_answer_that_the_table_says_and_no_log_repeats_it() {
    let stack = Stack::start_with(StackOptions {
        log_level: Some("trace"),
        ..StackOptions::default()
    })
    .await;
    let id = stack.submit(&[], ORDER).await.text("order_id").to_owned();
    stack.persisted(&id, &[]).await;
    let corpus: Requests = corpus::read("requests.toml");
    let mut table = String::new();
    let sent = stream::iter(&corpus.request).map(|request| answered(&stack, request, &id));
    let rows: Vec<String> = sent.buffered(AT_ONCE).collect().await;
    rows.iter().for_each(|row| table.push_str(row));

    // The stack is as it was. No fault was injected and no function was stopped.
    let state = stack.state().await;
    assert_eq!(
        state["faults"]["active"].as_array().map(Vec::len),
        Some(0),
        "{state}"
    );
    let answer = stack.read(&id, &[]).await;
    assert_eq!((answer.status, answer.text("status")), (200, "placed"));
    let log = stack.log();
    let quotes: Vec<&str> = log.lines().filter(|line| line.contains(MARK)).collect();
    assert!(quotes.is_empty(), "{quotes:#?}");
    for word in ["panicked", "stack overflow", "crashed"] {
        assert!(!log.contains(word), "the log has {word:?}");
    }
    compare(&table, &events::table(&stack).await);
}

async fn answered(stack: &Stack, request: &Request, id: &str) -> String {
    let Request { name, status, .. } = request;
    let port = match request.to {
        Port::Api => stack.port(),
        Port::Aws => stack.aws_port(),
    };
    let answers = send(port, &bytes(&request.send, id), request.then, status.len()).await;
    let statuses: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
    if std::env::var_os("WRITE_ANSWERS").is_none() {
        assert_eq!(&statuses, status, "{name}: {answers:#?}");
    }
    for answer in &answers {
        harmless(request, answer);
    }
    if let Some(last) = answers.last() {
        for (header, value) in &request.headers {
            let sent = last
                .headers
                .get(header)
                .map(String::as_str)
                .unwrap_or_default();
            assert_eq!(sent, value, "{name}: {header}");
        }
    }
    row(name, &request.why, &statuses, answers.last())
}

/// The properties of every answer, whatever the request.
fn harmless(request: &Request, answer: &Answer) {
    let name = &request.name;
    assert!(answer.status < 500, "{name}: {}", answer.text);
    if request.to == Port::Api {
        assert_tells_nothing_of_the_inside(name, &answer.text);
    }
    let (head, _) = answer.text.split_once("\r\n\r\n").unwrap();
    assert!(!head.contains(MARK), "{name}: {head}");
    let body = without_pointers(answer.json()).to_string();
    assert!(!body.contains(MARK), "{name}: {body}");
    let is_json = answer
        .headers
        .get("content-type")
        .is_some_and(|of| of.contains("json"));
    assert!(
        answer.body.is_empty() || is_json && answer.json().is_object(),
        "{name}: {}",
        answer.text
    );
}

fn row(name: &str, why: &str, statuses: &[u16], last: Option<&Answer>) -> String {
    let statuses: Vec<_> = statuses.iter().map(u16::to_string).collect();
    let statuses = if statuses.is_empty() {
        "closed".to_owned()
    } else {
        statuses.join(", ")
    };
    let sentence = last
        .map(|answer| sentence(&answer.json()))
        .unwrap_or_default();
    format!("| {name} | {why} | {statuses} | {sentence} |\n")
}

/// Compares the table of answers with the committed one, or writes it anew if `WRITE_ANSWERS` is
/// set.
fn compare(requests: &str, events: &str) {
    let mut page = String::from(
        "# The hostile corpus and the answers\n\n\
         A test sends each row to the local stack or to the function `api` and compares the answers with\n\
         this page (`tests/tests/hostile`). `make hostile-answers` writes the page anew.\n",
    );
    for (title, rows) in [
        ("Requests over HTTP", requests),
        ("Events at the function", events),
        ("Scenarios, which are tests of their own", &scenarios()),
    ] {
        write!(
            page,
            "\n## {title}\n\n| name | why | status | answer |\n|---|---|---|---|\n{rows}"
        )
        .unwrap();
    }
    let path = repository().join("tests/hostile/answers.md");
    if std::env::var_os("WRITE_ANSWERS").is_some() {
        std::fs::write(&path, &page).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap();
    for (committed, row) in committed.lines().zip(page.lines()) {
        assert_eq!(committed, row, "see `make hostile-answers`");
    }
    assert_eq!(committed.lines().count(), page.lines().count());
}

fn scenarios() -> String {
    let elsewhere: Elsewhere = corpus::read("scenarios.toml");
    let rows = elsewhere.scenario.iter().map(|scenario| {
        let tests: Vec<_> = scenario
            .tests
            .iter()
            .map(|test| format!("`{test}`"))
            .collect();
        format!(
            "| {} | {} |  | {} |\n",
            scenario.name,
            scenario.why,
            tests.join(", ")
        )
    });
    rows.collect()
}

#[test]
fn every_scenario_names_tests_that_exist() {
    let elsewhere: Elsewhere = corpus::read("scenarios.toml");
    for test in elsewhere
        .scenario
        .iter()
        .flat_map(|scenario| &scenario.tests)
    {
        let (file, function) = test.split_once("::").unwrap();
        let text = std::fs::read_to_string(repository().join(file)).unwrap();
        assert!(text.contains(&format!("fn {function}(")), "{test}");
    }
}

#[test]
fn every_row_has_its_own_name() {
    let requests: Requests = corpus::read("requests.toml");
    let events: corpus::Events = corpus::read("events.toml");
    let requests = requests
        .request
        .into_iter()
        .map(|Request { name, .. }| name);
    let events = events.event.into_iter().map(|Event { name, .. }| name);
    let mut names = BTreeSet::new();
    for name in requests.chain(events) {
        assert!(names.insert(name.clone()), "{name}");
    }
    assert!(names.len() >= 60, "{}", names.len());
}
