//! The function binaries at a Runtime API that the test itself provides. It sends events that no
//! front door and no event source mapping of the local stack sends.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

use std::process::Stdio;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tests::{Stack, function, order, submit_intent};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};
use tokio::time::timeout;

/// A text that is in everything that a client sends, and nowhere else.
const MARK: &str = "zq7marker";
const PATIENCE: Duration = Duration::from_secs(20);

/// The function's message to the Runtime API about its one invocation, with the function's log.
struct Told {
    /// The kind of the message, which is `response` or `error`.
    kind: String,
    body: Value,
    log: String,
}

/// Starts the function, invokes it once, and stops it.
async fn invoke(
    name: &str,
    environment: &[(&str, &str)],
    header: Option<(&str, &str)>,
    event: &[u8],
) -> Told {
    let (listener, mut process) = start(name, environment).await;
    let told = timeout(PATIENCE, async {
        next(&listener, header, event).await;
        loop {
            let (mut connection, request, body) = request(&listener).await;
            if let Some((_, kind)) = request.split_once("/invocation/request-1/") {
                let kind = kind.split(' ').next().unwrap().to_owned();
                accept(&mut connection).await;
                return (kind, serde_json::from_slice(&body).unwrap());
            }
        }
    });
    let (kind, body) = told.await.unwrap();
    process.start_kill().unwrap();
    let log = log(process).await;
    Told { kind, body, log }
}

async fn start(name: &str, environment: &[(&str, &str)]) -> (TcpListener, Child) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let process = Command::new(function(name))
        .env_clear()
        .envs([
            ("AWS_LAMBDA_FUNCTION_NAME", name),
            ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256"),
            ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
            ("AWS_ACCESS_KEY_ID", "x"),
            ("AWS_SECRET_ACCESS_KEY", "x"),
            ("AWS_REGION", "us-east-1"),
            ("LOG_LEVEL", "trace"),
        ])
        .envs(environment.iter().copied())
        .env(
            "AWS_LAMBDA_RUNTIME_API",
            listener.local_addr().unwrap().to_string(),
        )
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    (listener, process)
}

/// The whole output of the function.
async fn log(mut process: Child) -> String {
    let mut log = String::new();
    let mut output = process.stdout.take().unwrap();
    output.read_to_string(&mut log).await.unwrap();
    log
}

/// The next request, with its connection and body. A connection has one request.
async fn request(listener: &TcpListener) -> (TcpStream, String, Vec<u8>) {
    let (connection, _) = listener.accept().await.unwrap();
    let mut connection = BufReader::new(connection);
    let (mut first, mut length) = (String::new(), 0);
    connection.read_line(&mut first).await.unwrap();
    loop {
        let mut line = String::new();
        connection.read_line(&mut line).await.unwrap();
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        if line.trim().is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    connection.read_exact(&mut body).await.unwrap();
    (connection.into_inner(), first, body)
}

/// Answers the function's question for its next invocation.
async fn next(listener: &TcpListener, header: Option<(&str, &str)>, event: &[u8]) {
    let (mut connection, first, _) = request(listener).await;
    assert!(
        first.starts_with("GET /2018-06-01/runtime/invocation/next "),
        "{first}"
    );
    let deadline = SystemTime::now() + Duration::from_secs(30);
    let deadline = deadline.duration_since(UNIX_EPOCH).unwrap().as_millis();
    let header = header.map_or_else(String::new, |(name, value)| format!("{name}: {value}\r\n"));
    let head = format!(
        "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}\r\n\
         Lambda-Runtime-Aws-Request-Id: request-1\r\nLambda-Runtime-Deadline-Ms: {deadline}\r\n\
         Lambda-Runtime-Invoked-Function-Arn: arn\r\n{header}\r\n",
        event.len()
    );
    connection.write_all(head.as_bytes()).await.unwrap();
    connection.write_all(event).await.unwrap();
    connection.shutdown().await.unwrap();
}

async fn accept(connection: &mut TcpStream) {
    let accepted = b"HTTP/1.1 202 Accepted\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
    connection.write_all(accepted).await.unwrap();
    connection.shutdown().await.unwrap();
}

const API: [(&str, &str); 3] = [
    ("STREAM_NAME", "s"),
    ("TABLE_NAME", "t"),
    ("CALLER", "none"),
];

fn levels(log: &str, level: &str) -> usize {
    let level = format!(r#""level":"{level}""#);
    log.lines().filter(|line| line.contains(&level)).count()
}

/// The event of a request whose path, body and request id have the mark.
fn http_event(method: &str, path: &str) -> Vec<u8> {
    let event = json!({
        "version": "2.0", "rawPath": path, "headers": {"content-type": "application/json"},
        "requestContext": {"stage": "$default", "requestId": "id-1", "http": {"method": method}},
        "body": MARK, "isBase64Encoded": false,
    });
    event.to_string().into_bytes()
}

// The functions have neither a stream nor a table here, so nothing but the routes is asked.
#[tokio::test]
async fn a_function_answers_503_for_the_part_that_it_does_not_serve_and_warns_without_quoting() {
    let writes = [
        ("SERVES", "writes"),
        ("STREAM_NAME", "s"),
        ("CALLER", "none"),
    ];
    let reads = [("SERVES", "reads"), ("TABLE_NAME", "t"), ("CALLER", "none")];
    let read = format!("/orders/{MARK}");
    for (settings, method, path, status) in [
        (&writes, "GET", &*read, 503),
        (&reads, "POST", "/orders", 503),
        (&reads, "GET", "/", 404),
    ] {
        let told = invoke("api", settings, None, &http_event(method, path)).await;
        assert_eq!(
            (&*told.kind, &told.body["statusCode"]),
            ("response", &json!(status)),
            "{method} {path}"
        );
        assert_eq!(levels(&told.log, "WARN"), 1, "{}", told.log);
        assert!(told.log.contains("SERVES rules out"), "{}", told.log);
        assert!(!told.log.contains(MARK), "{}", told.log);
    }
    // Each function reads the requests of its own part, and finds that they are wrong.
    for (settings, method, path) in [(&writes, "POST", "/orders"), (&reads, "GET", &*read)] {
        let told = invoke("api", settings, None, &http_event(method, path)).await;
        assert_eq!(told.body["statusCode"], 400, "{method} {path}");
        assert_eq!(levels(&told.log, "WARN"), 0, "{}", told.log);
    }
}

#[tokio::test]
async fn an_event_that_is_no_request_fails_the_invocation_with_one_line_at_level_error() {
    for event in [
        json!({}),
        json!(null),
        json!({"version": "1.0", "path": "/orders", "httpMethod": MARK, "headers": {MARK: MARK}}),
        json!({"Records": [{"messageId": MARK, "body": MARK, "eventSource": "aws:sqs"}]}),
    ] {
        let told = invoke("api", &API, None, event.to_string().as_bytes()).await;
        assert_eq!(told.kind, "error", "{event}");
        assert_eq!(told.body["errorType"], "UnreadableEvent", "{event}");
        assert_eq!(levels(&told.log, "ERROR"), 1, "{}", told.log);
        assert!(!told.log.contains(MARK) && !told.body.to_string().contains(MARK));
    }
}

#[tokio::test]
async fn an_event_that_is_not_json_is_answered_400_and_nothing_of_the_client_is_told() {
    let event =
        format!(r#"{{"version":"2.0","headers":{{"user-agent":"{MARK}@"}},"rawPath":"/"}}"#);
    let (before, after) = event.split_once('@').unwrap();
    for wrong in [&b"\xEE"[..], br"\xEE"] {
        let event = [before.as_bytes(), wrong, after.as_bytes()].concat();
        let told = invoke("api", &API, None, &event).await;
        assert_eq!(
            (&*told.kind, &told.body["statusCode"]),
            ("response", &json!(400))
        );
        assert!(!told.log.contains(MARK), "{}", told.log);
        assert!(!told.log.contains("user-agent"), "{}", told.log);
        assert!(!told.body.to_string().contains(MARK));
        assert_eq!(levels(&told.log, "ERROR"), 0, "{}", told.log);
    }
}

#[tokio::test]
async fn a_header_of_the_invocation_that_cannot_be_read_ends_the_process_and_is_not_repeated() {
    for (header, value) in [
        (
            "Lambda-Runtime-Client-Context",
            format!(r#"{{"client":"{MARK}"}}"#),
        ),
        ("Lambda-Runtime-Client-Context", MARK.to_owned()),
        ("Lambda-Runtime-Cognito-Identity", format!(r#""{MARK}""#)),
    ] {
        let (listener, mut process) = start("api", &API).await;
        let status = timeout(PATIENCE, async {
            next(&listener, Some((header, &value)), b"{}").await;
            process.wait().await.unwrap()
        });
        let status = status.await.unwrap();
        assert_eq!(status.code(), Some(1), "{header}");
        let log = log(process).await;
        assert!(
            log.contains("a header of an invocation cannot be read"),
            "{log}"
        );
        assert!(!log.contains(MARK), "{log}");
    }
}

// X-Ray keeps the parts that a client adds to its header, and the runtime's span puts the header on
// every line.
#[tokio::test]
async fn of_the_trace_header_the_log_has_what_x_ray_makes_and_nothing_that_a_client_adds() {
    let root = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1";
    for (header, value, kept) in [
        (
            "Lambda-Runtime-Trace-Id",
            format!("{root};{MARK}={MARK}"),
            Some(root),
        ),
        (
            "Lambda-Runtime-Trace-Id",
            format!("Root={MARK};Sampled=1"),
            Some("Sampled=1"),
        ),
        ("Lambda-Runtime-Trace-Id", MARK.to_owned(), None),
        (
            "Lambda-Runtime-Trace-Id",
            format!("Lineage={MARK}:1;Sampled={MARK}"),
            None,
        ),
        ("Lambda-Runtime-Aws-Tenant-Id", MARK.to_owned(), None),
    ] {
        let told = invoke("api", &API, Some((header, &value)), b"{}").await;
        assert!(!told.log.contains(MARK), "{header}: {}", told.log);
        assert!(
            kept.is_none_or(|kept| told.log.contains(kept)),
            "{}",
            told.log
        );
    }
}

#[tokio::test]
async fn a_batch_is_applied_whatever_is_in_the_fields_that_nobody_uses() {
    let stack = Stack::start_without_functions().await;
    let endpoint = format!("http://127.0.0.1:{}", stack.aws_port());
    let environment = [
        ("TABLE_NAME", stack.table()),
        ("MAX_IN_FLIGHT", "32"),
        ("AWS_ENDPOINT_URL", &*endpoint),
    ];
    let intents: Vec<_> = (0..10).map(|n| submit_intent(&order(n))).collect();
    let records = intents.iter().enumerate().map(|(n, intent)| {
        let mut record = json!({
            "kinesis": {"partitionKey": intent.order_id.to_string(), "sequenceNumber": (100 + n).to_string(),
                "data": STANDARD.encode(intent.encode()), "approximateArrivalTimestamp": 1_795_323_600.123},
            "eventID": format!("shardId-000000000000:{}", 100 + n),
        });
        match n {
            7 => record["kinesis"]["encryptionType"] = Value::Null,
            8 => record["kinesis"]["approximateArrivalTimestamp"] = json!(1e300),
            9 => record["kinesis"]["approximateArrivalTimestamp"] = json!(1_795_323_600.123_456),
            _ => {}
        }
        record
    });
    let event = json!({"Records": records.collect::<Vec<_>>()});
    let told = invoke("consumer", &environment, None, event.to_string().as_bytes()).await;
    assert_eq!(told.body, json!({"batchItemFailures": []}), "{}", told.log);
    for intent in &intents {
        let found = stack.read(&intent.order_id.to_string(), &[]).await;
        assert_eq!(found.status, 200);
    }
}
