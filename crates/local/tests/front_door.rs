//! The HTTP API in front of a function. The tests show what a client sees, and that no client can
//! hold up the API.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "in a test a panic is the report"
)]

mod support;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use local::console::{Captured, Console};
use local::gateway::front_door;
use local::gateway::routes::Routes;
use local::lambda::function::Function;
use local::lambda::function_config::{FunctionConfig, MAX_PROCESSES, MAX_WAIT};
use local::servers::foreign::Hosts;
use local::watchdog::Watchdog;
use serde_json::{Value, json};
use support::{echo_function, eventually};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// The example function behind a front door on a free port, once as the api and once as the reader.
struct Door {
    address: SocketAddr,
    function: Arc<Function>,
    reader: Arc<Function>,
    console: Captured,
    _server: JoinSet<()>,
    _watchdog: Watchdog,
}

impl Door {
    async fn open() -> Self {
        Self::with_timeout(Duration::from_secs(60)).await
    }

    async fn with_timeout(timeout: Duration) -> Self {
        let watchdog = Watchdog::start().unwrap();
        let (console, captured) = Console::captured();
        let config = |name: &str| FunctionConfig {
            name: name.into(),
            executable: echo_function(),
            timeout,
            memory_mb: 128,
            region: "us-east-1".into(),
            account: "000000000000".into(),
            environment: vec![],
            process_group: watchdog.process_group(),
            show_logs: false,
        };
        let function = |name: &str| Arc::new(Function::new(config(name), console.clone()));
        let (api, reader) = (function("api"), function("reader"));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut server = JoinSet::new();
        server.spawn(front_door::serve(
            listener,
            Hosts::default(),
            Routes {
                reader: Arc::clone(&reader),
                api: Arc::clone(&api),
                base_path: "/v1".into(),
            },
            console,
        ));
        Self {
            address,
            function: api,
            reader,
            console: captured,
            _server: server,
            _watchdog: watchdog,
        }
    }

    async fn send(
        &self,
        request: http::request::Builder,
        path: &str,
        body: impl Into<Bytes>,
    ) -> Response<Bytes> {
        let client = Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
        let request = request
            .uri(format!("http://{}{path}", self.address))
            .body(Full::new(body.into()))
            .unwrap();
        let (head, body) = client.request(request).await.unwrap().into_parts();
        Response::from_parts(head, body.collect().await.unwrap().to_bytes())
    }

    async fn get(&self, path: &str) -> Response<Bytes> {
        self.send(Request::get("/"), path, "").await
    }
}

fn message(response: &Response<Bytes>) -> Value {
    serde_json::from_slice(response.body()).unwrap()
}

#[tokio::test]
async fn a_request_reaches_the_function_as_an_event_and_its_answer_the_client() {
    let door = Door::open().await;
    let request = Request::post("/")
        .header("content-type", "application/json")
        .header("x-local-caller", "alice");
    let response = door.send(request, "/orders?x=1", "{\"a\":1}").await;
    assert_eq!(response.status(), 200);
    let cookies: Vec<_> = response.headers().get_all("set-cookie").iter().collect();
    assert_eq!(cookies, ["a=1; Path=/", "b=2"]);
    let event: Value = serde_json::from_slice(response.body()).unwrap();
    assert_eq!(event["rawPath"], "/orders");
    assert_eq!(event["rawQueryString"], "x=1");
    assert_eq!(event["requestContext"]["http"]["method"], "POST");
    assert_eq!(event["requestContext"]["http"]["sourceIp"], "127.0.0.1");
    assert_eq!(
        event["requestContext"]["authorizer"]["jwt"]["claims"]["sub"],
        "alice"
    );
    assert_eq!(
        event["headers"]["x-forwarded-port"],
        door.address.port().to_string()
    );
    assert_eq!(event["body"], "{\"a\":1}");
    assert_eq!(
        response.headers()["apigw-requestid"],
        event["requestContext"]["requestId"].as_str().unwrap()
    );
}

#[tokio::test]
async fn a_read_goes_to_the_reader_and_everything_else_to_the_api() {
    let door = Door::open().await;
    let invocations = || {
        let count = |function: &Function| function.state().counters.invocations;
        (count(&door.function), count(&door.reader))
    };
    for (method, path, of_reader) in [
        ("GET", "/orders/x", true),
        ("GET", "/v1/orders/x?a=b", true),
        ("GET", "/orders%2Fx", true),
        ("POST", "/orders", false),
        ("POST", "/orders/x/cancel", false),
        ("GET", "/orders", false),
        ("GET", "/orders/a%2Fb", false),
        ("GET", "/nowhere", false),
        ("HEAD", "/orders/x", false),
        ("DELETE", "/orders/x", false),
    ] {
        let before = invocations();
        let request = Request::builder().method(method);
        assert_eq!(door.send(request, path, "").await.status(), 200);
        let after = invocations();
        let expected = if of_reader { (0, 1) } else { (1, 0) };
        let added = (after.0 - before.0, after.1 - before.1);
        assert_eq!(added, expected, "{method} {path}");
    }
}

/// Waits until all processes of a function work on a request.
async fn all_busy(function: &Function) {
    eventually("eight busy processes", async || {
        let state = function.state();
        let busy = state.processes.iter().filter(|process| process.busy);
        (busy.count() == MAX_PROCESSES).then_some(())
    })
    .await;
}

#[tokio::test]
async fn readers_beyond_the_readers_processes_are_answered_503_and_take_none_of_the_apis() {
    let door = Door::open().await;
    door.get("/").await;
    let readers = (0..MAX_PROCESSES).map(|_| door.get("/orders/hang"));
    let readers = futures::future::join_all(readers);
    tokio::pin!(readers);
    let others = async {
        all_busy(&door.reader).await;
        let further = (0..60).map(|_| door.get("/orders/x"));
        let further = futures::future::join_all(further);
        tokio::pin!(further);
        let asked = Instant::now();
        let orders = async {
            for _ in 0..20 {
                let order = door.send(Request::post("/"), "/orders", "{}").await;
                assert_eq!(order.status(), 200);
            }
        };
        tokio::select! {
            () = orders => {}
            _ = &mut further => panic!("the readers were answered before the orders"),
        }
        assert!(asked.elapsed() < MAX_WAIT, "{:?}", asked.elapsed());
        further.await
    };
    let further = tokio::select! {
        further = others => further,
        _ = &mut readers => panic!("the busy readers answered"),
    };
    for refused in further {
        assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(
            message(&refused),
            json!({ "message": "Service Unavailable" })
        );
    }
    assert_eq!(door.reader.state().counters.throttles, 60);
    assert_eq!(door.function.state().counters.throttles, 0);
    assert_eq!(door.function.state().counters.starts, 1);
}

#[tokio::test]
async fn a_function_that_fails_crashes_or_answers_nonsense_is_an_internal_server_error() {
    let door = Door::open().await;
    for path in ["/fail", "/crash", "/malformed"] {
        let response = door.get(path).await;
        assert_eq!(response.status(), 500, "{path}");
        assert_eq!(
            message(&response),
            json!({ "message": "Internal Server Error" })
        );
        assert_eq!(
            door.get("/").await.status(),
            200,
            "the next request after {path} is served"
        );
    }
    assert!(
        door.console
            .take()
            .iter()
            .any(|line| line.starts_with("http: 500"))
    );
}

#[tokio::test]
async fn a_function_that_runs_into_its_timeout_is_an_internal_server_error() {
    let door = Door::with_timeout(Duration::from_secs(2)).await;
    assert_eq!(door.get("/hang").await.status(), 500);
    assert_eq!(door.get("/").await.status(), 200);
}

#[tokio::test]
async fn a_request_that_finds_all_processes_busy_is_answered_503() {
    let door = Door::open().await;
    let busy = futures::future::join_all((0..MAX_PROCESSES).map(|_| door.get("/hang")));
    tokio::pin!(busy);
    let refused = async {
        all_busy(&door.function).await;
        door.get("/").await
    };
    let refused = tokio::select! {
        refused = refused => refused,
        _ = &mut busy => panic!("the busy processes answered"),
    };
    assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(
        message(&refused),
        json!({ "message": "Service Unavailable" })
    );
}

#[tokio::test]
async fn a_function_that_takes_longer_than_the_gateway_waits_is_answered_503() {
    let door = Door::open().await;
    let busy = async {
        eventually("a busy process", async || {
            let state = door.function.state();
            state
                .processes
                .iter()
                .any(|process| process.busy)
                .then_some(())
        })
        .await;
        // Only timers can happen now. The gateway's 30 s end before the function's 60 s.
        tokio::time::pause();
    };
    let (response, ()) = tokio::join!(door.get("/hang"), busy);
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn a_body_above_ten_megabytes_is_read_to_its_end_and_answered_413() {
    let door = Door::open().await;
    let body = Bytes::from(vec![b'x'; front_door::MAX_BODY + 1]);
    let response = door.send(Request::post("/"), "/orders", body).await;
    assert_eq!(response.status(), 413);
    assert_eq!(
        message(&response),
        json!({ "message": "Request Entity Too Large" })
    );
    assert_eq!(door.function.state().counters.invocations, 0);
}

#[tokio::test]
async fn a_body_that_makes_too_large_an_event_is_answered_413() {
    let door = Door::open().await;
    let body = Bytes::from(vec![b'x'; 7 * 1_024 * 1_024]);
    assert_eq!(
        door.send(Request::post("/"), "/orders", body)
            .await
            .status(),
        413
    );
    assert_eq!(door.get("/").await.status(), 200);
}

#[tokio::test]
async fn a_binary_body_arrives_in_base64() {
    let door = Door::open().await;
    let request = Request::post("/").header("content-type", "application/octet-stream");
    let response = door.send(request, "/orders", vec![0xff, 0x00]).await;
    let event: Value = serde_json::from_slice(response.body()).unwrap();
    assert_eq!(
        (event["body"].as_str(), event["isBase64Encoded"].as_bool()),
        (Some("/wA="), Some(true))
    );
}

#[tokio::test]
async fn clients_that_stall_or_send_no_http_do_not_hold_up_the_others() {
    let door = Door::open().await;
    let mut stalled = Vec::new();
    for start in [
        "",
        "GET / HT",
        "POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: 10\r\n\r\nhalf",
    ] {
        for _ in 0..20 {
            let mut stream = TcpStream::connect(door.address).await.unwrap();
            stream.write_all(start.as_bytes()).await.unwrap();
            stalled.push(stream);
        }
    }
    let mut nonsense = TcpStream::connect(door.address).await.unwrap();
    nonsense
        .write_all(b"\x16\x03\x01 no http\r\n\r\n")
        .await
        .unwrap();
    let mut answer = Vec::new();
    nonsense.read_to_end(&mut answer).await.unwrap();
    assert!(
        answer.starts_with(b"HTTP/1.1 400"),
        "{}",
        String::from_utf8_lossy(&answer)
    );
    let response = tokio::time::timeout(Duration::from_secs(20), door.get("/"))
        .await
        .unwrap();
    assert_eq!(response.status(), 200);
    drop(stalled);
}

#[tokio::test]
async fn a_body_that_does_not_come_is_given_up_and_its_connection_closed() {
    let door = Door::open().await;
    let mut stream = TcpStream::connect(door.address).await.unwrap();
    stream
        .write_all(
            b"POST / HTTP/1.1\r\nhost: localhost\r\nexpect: 100-continue\r\ncontent-length: 10\r\n\r\n",
        )
        .await
        .unwrap();
    // The server asks for the body, so it has the request. From here on only the server's patience
    // can run out.
    let mut line = [0; 25];
    stream.read_exact(&mut line).await.unwrap();
    assert_eq!(&line, b"HTTP/1.1 100 Continue\r\n\r\n");
    tokio::time::pause();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    assert!(
        answer.starts_with(b"HTTP/1.1 408"),
        "{}",
        String::from_utf8_lossy(&answer)
    );
}

#[tokio::test]
async fn a_client_that_goes_away_leaves_the_function_usable() {
    let door = Door::open().await;
    door.get("/").await;
    for _ in 0..20 {
        let mut stream = TcpStream::connect(door.address).await.unwrap();
        stream
            .write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n")
            .await
            .unwrap();
        drop(stream);
    }
    assert_eq!(door.get("/").await.status(), 200);
    assert_eq!(door.function.state().counters.crashes, 0);
}
