//! Requests and events of somebody who means harm. The corpus in `tests/hostile` has each of them
//! with the reason why it is there, and these tests send it to the real thing. No answer is a
//! failure of the service, none is missing, and none tells anything about the inside.
//!
//! `tests/hostile/answers.md` is the table of the corpus with the answers.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "in a test a panic is the report"
)]

mod corpus;
mod events;
mod requests;
mod strangers;
mod wire;

/// A text that is in everything that a client sends, and nowhere else.
const MARK: &str = "zq7marker";

/// The words of the inside, in lower case. They are names of our crates and of those below, words
/// of a panic, and parts of paths.
const INSIDE: [&str; 29] = [
    "panic",
    "backtrace",
    "thread '",
    ".rs",
    "/src/",
    "/home/",
    "/root/",
    "/tmp/",
    "/var/",
    "target/debug",
    "crates",
    "cargo",
    "rustc",
    "serde",
    "tokio",
    "hyper",
    "aws_",
    "aws-sdk",
    "amazonaws",
    "arn:",
    "kinesis",
    "dynamodb",
    "sqs",
    "lambda",
    "stream_name",
    "table_name",
    "order-intents",
    "os error",
    "stack overflow",
];

/// Fails if an answer, its status line and headers with it, tells anything about the inside.
fn assert_tells_nothing_of_the_inside(name: &str, answer: &str) {
    let answer = answer.to_lowercase();
    for word in INSIDE {
        assert!(
            !answer.contains(word),
            "{name}: the answer has {word:?}: {answer}"
        );
    }
}

/// The answer without the pointers of violations, which repeat the names of unknown fields.
fn without_pointers(mut body: serde_json::Value) -> serde_json::Value {
    let errors = body
        .get_mut("errors")
        .and_then(|errors| errors.as_array_mut());
    for error in errors.into_iter().flatten() {
        error.as_object_mut().unwrap().remove("pointer");
    }
    body
}

/// The sentence of an answer that a person reads, and the violations behind it.
fn sentence(body: &serde_json::Value) -> String {
    let texts = ["detail", "message", "Message", "status"];
    let text = texts.iter().find_map(|name| body[*name].as_str());
    let errors = body["errors"].as_array().into_iter().flatten();
    let errors: Vec<_> = errors
        .map(|error| {
            let (pointer, code) = (
                error["pointer"].as_str().unwrap(),
                error["code"].as_str().unwrap(),
            );
            format!("`{}` {code}", shortened(pointer))
        })
        .collect();
    let (shown, rest) = errors.split_at(errors.len().min(3));
    let rest = if rest.is_empty() {
        String::new()
    } else {
        format!(", … {} more", rest.len())
    };
    let errors = if shown.is_empty() {
        String::new()
    } else {
        format!(" ({}{rest})", shown.join(", "))
    };
    format!("{}{errors}", text.unwrap_or_default())
}

fn shortened(text: &str) -> String {
    if text.chars().count() <= 40 {
        return text.to_owned();
    }
    let start: String = text.chars().take(37).collect();
    format!("{start}…")
}
