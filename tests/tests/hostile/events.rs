//! The events of the corpus, given to the binary of the function `api` over the Runtime API. They
//! are what a front door other than the local one could make of a request.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use bytes::Bytes;
use local::console::Console;
use local::lambda::function::Function;
use local::lambda::function_config::FunctionConfig;
use local::lambda::invocation::FunctionResult;
use local::watchdog::Watchdog;
use serde_json::Value;
use tests::{STREAM, Stack, TABLE, function};
use tokio::time::timeout;

use crate::corpus::{self, Event, Events, Piece, expanded};
use crate::{MARK, assert_tells_nothing_of_the_inside, sentence, without_pointers};

/// The time after which a function hangs.
const PATIENCE: Duration = Duration::from_secs(20);

/// Invokes the function with each event, over the AWS of a stack. Returns the rows of the table.
pub(crate) async fn table(stack: &Stack) -> String {
    let corpus: Events = corpus::read("events.toml");
    let watchdog = Watchdog::start().unwrap();
    let (console, captured) = Console::captured();
    let mut functions = BTreeMap::new();
    let mut table = String::new();
    for event in &corpus.event {
        let function = functions
            .entry(event.settings.clone())
            .or_insert_with(|| api(stack, event, watchdog.process_group(), console.clone()));
        table.push_str(&answered(function, event).await);
    }
    for function in functions.values() {
        function.shut_down().await;
        assert_eq!(function.state().counters.crashes, 0);
    }
    let log = captured.take();
    assert!(log.iter().any(|line| line.contains("answered")), "{log:#?}");
    let quotes: Vec<&String> = log.iter().filter(|line| line.contains(MARK)).collect();
    assert!(quotes.is_empty(), "{quotes:#?}");
    table
}

fn api(stack: &Stack, event: &Event, process_group: i32, console: Console) -> Function {
    let mut environment = BTreeMap::from([
        ("STREAM_NAME", STREAM.to_owned()),
        ("TABLE_NAME", TABLE.to_owned()),
        ("CALLER", "none".to_owned()),
        ("LOG_LEVEL", "trace".to_owned()),
        ("AWS_ACCESS_KEY_ID", "test".to_owned()),
        ("AWS_SECRET_ACCESS_KEY", "test".to_owned()),
        (
            "AWS_ENDPOINT_URL",
            format!("http://127.0.0.1:{}", stack.aws_port()),
        ),
    ]);
    for (name, value) in &event.settings {
        environment.insert(name, value.clone());
    }
    let environment = environment.into_iter();
    let config = FunctionConfig {
        name: "api".into(),
        executable: function("api"),
        timeout: Duration::from_secs(10),
        memory_mb: 256,
        region: "us-east-1".into(),
        account: "000000000000".into(),
        environment: environment
            .map(|(name, value)| (name.to_owned(), value))
            .collect(),
        process_group,
        show_logs: true,
    };
    Function::new(config, console)
}

async fn answered(function: &Function, event: &Event) -> String {
    let Event { name, why, .. } = event;
    let invocation = timeout(PATIENCE, function.invoke(Bytes::from(payload(event)))).await;
    let result = invocation.unwrap().unwrap().result;
    let (status, answer) = match &result {
        FunctionResult::Response(answer) => {
            let answer: Value = serde_json::from_slice(answer).unwrap();
            let status = answer["statusCode"].as_u64().unwrap();
            assert_eq!(
                Some(status),
                event.status.map(u64::from),
                "{name}: {answer}"
            );
            assert!(status < 500 || event.settings.contains_key("SERVES") && status == 503);
            assert_tells_nothing_of_the_inside(name, &without_scheme(&answer));
            let location = answer["headers"]["location"].as_str();
            if let Some(expected) = &event.location {
                assert!(
                    location.is_some_and(|of| of.starts_with(expected)),
                    "{name}: {answer}"
                );
            }
            let body = serde_json::from_str(answer["body"].as_str().unwrap()).unwrap();
            let sentence = sentence(&body);
            let headers = answer["headers"].to_string();
            assert!(!headers.contains(MARK), "{name}: {headers}");
            let body = without_pointers(body).to_string();
            assert!(!body.contains(MARK), "{name}: {body}");
            (status.to_string(), sentence)
        }
        FunctionResult::Unhandled(error) => {
            let error: Value = serde_json::from_slice(error).unwrap();
            assert!(!error.to_string().contains(MARK), "{name}: {error}");
            let kind = error["errorType"].as_str().map(str::to_owned);
            assert_eq!(kind, event.fails, "{name}: {error}");
            let message = error["errorMessage"].as_str().unwrap();
            ("fails".to_owned(), format!("{}: {message}", kind.unwrap()))
        }
        FunctionResult::TimedOut(_) => panic!("{name}: the function hangs"),
    };
    let mut row = String::new();
    writeln!(
        row,
        "| {name} | {why} | {status} | {sentence} |",
        sentence = answer
    )
    .unwrap();
    row
}

/// The answer without the scheme of authentication that a 401 has to name.
fn without_scheme(answer: &Value) -> String {
    answer.to_string().replace("AWS4-HMAC-SHA256", "")
}

fn payload(event: &Event) -> Vec<u8> {
    let text = event.event.clone().unwrap_or_else(|| {
        let (method, path) = event.request.split_once(' ').unwrap();
        let more = |members: &str| {
            if members.is_empty() { String::new() } else { format!(",{members}") }
        };
        format!(
            r#"{{"version":"2.0","rawPath":"{path}","headers":{{"content-type":"application/json"{}}},
                "requestContext":{{"requestId":"id-1","http":{{"method":"{method}"}}{}}}{}}}"#,
            more(&event.headers),
            more(&event.context),
            more(&event.members),
        )
    });
    let id = uuid::Uuid::new_v4().to_string();
    let pieces = expanded(&text, &id, 0).into_iter();
    let bytes = pieces.map(|piece| match piece {
        Piece::Bytes(bytes) => bytes,
        Piece::Pause(_) => panic!("an event has no pauses"),
    });
    bytes.collect::<Vec<_>>().concat()
}
