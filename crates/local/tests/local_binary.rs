//! The program `local` as a user runs it. The tests show what it prints, how it ends, and that it
//! leaves no process behind.
//!
//! The example function takes the place of every function, so these tests are about `local` alone.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "in a test a panic is the report"
)]

mod support;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::process::{Output, Stdio};
use std::time::{Duration, Instant};

use http::Method;
use serde_json::{Value, json};
use support::installation::{BINARIES, FUNCTIONS, Installation, Running, all_gone, send};
use support::{eventually, signal};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// The only line on standard error.
fn complaint(output: &Output) -> String {
    let text = String::from_utf8(output.stderr.clone()).unwrap();
    assert_eq!(text.lines().count(), 1, "{text}");
    text.trim_end().to_owned()
}

#[tokio::test]
async fn when_ready_both_ports_serve_and_the_banner_names_them() {
    let installation = Installation::new("ready");
    let running = installation.start().await;
    let response = running.http(Method::GET, "/orders/1", "").await;
    assert_eq!(response.status(), 200);
    let event: Value = serde_json::from_slice(response.body()).unwrap();
    assert_eq!(event["rawPath"], "/orders/1");
    assert_eq!(
        running.control(Method::GET, "/_local/health", "").await,
        (200, json!({ "status": "ready" }))
    );
    let log = running.log();
    for port in [&running.ready["port"], &running.ready["aws_port"]] {
        assert!(log.contains(&format!("http://127.0.0.1:{port}")), "{log}");
    }
    assert!(
        !log.contains('\x1b'),
        "there are no colours without a terminal"
    );
}

/// Sends this head and body over a new connection, and returns the answer.
async fn raw(address: (IpAddr, u16), head: &str, body: &str) -> String {
    let mut connection = TcpStream::connect(address).await.unwrap();
    let length = body.len();
    let request = format!("{head}\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}");
    connection.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    connection.read_to_end(&mut answer).await.unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

fn port(running: &Running, name: &str) -> u16 {
    running.ready[name].as_u64().unwrap().try_into().unwrap()
}

#[tokio::test]
async fn both_ports_are_open_to_whatever_localhost_means() {
    let installation = Installation::new("localhost");
    let running = installation.start().await;
    let mut addresses = vec![IpAddr::from(Ipv4Addr::LOCALHOST)];
    if std::net::TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_ok() {
        addresses.push(Ipv6Addr::LOCALHOST.into());
    }
    for address in addresses {
        for (name, path) in [("port", "/orders/1"), ("aws_port", "/_local/health")] {
            let head = format!("GET {path} HTTP/1.1\r\nhost: localhost");
            let answer = raw((address, port(&running, name)), &head, "").await;
            assert!(
                answer.starts_with("HTTP/1.1 200 "),
                "{address} {name}: {answer}"
            );
        }
    }
}

// Any page in a browser can send requests to these ports. Nothing here checks who calls.
#[tokio::test]
async fn no_port_obeys_a_foreign_web_page() {
    let installation = Installation::new("foreign");
    let running = installation.start().await;
    let loopback = IpAddr::from(Ipv4Addr::LOCALHOST);
    let fault = r#"{"service": "dynamodb", "error": "timeout", "rate": 1, "seconds": 60}"#;
    let with_origin = "host: localhost\r\norigin: http://evil.example\r\ncontent-type: text/plain";
    let by_its_name = "host: evil.example";
    let scan = "x-amz-target: DynamoDB_20120810.Scan\r\ncontent-type: application/x-amz-json-1.0";
    let aws_port = port(&running, "aws_port");
    for foreign in [with_origin, by_its_name] {
        let faults = format!("POST /_local/faults HTTP/1.1\r\n{foreign}");
        let answer = raw((loopback, aws_port), &faults, fault).await;
        assert!(answer.starts_with("HTTP/1.1 403 "), "{answer}");
        let scan = format!("POST / HTTP/1.1\r\n{foreign}\r\n{scan}");
        let answer = raw((loopback, aws_port), &scan, r#"{"TableName": "orders"}"#).await;
        assert!(answer.starts_with("HTTP/1.1 403 "), "{answer}");
        let read = format!("GET /orders/1 HTTP/1.1\r\n{foreign}");
        let answer = raw((loopback, port(&running, "port")), &read, "").await;
        assert!(answer.starts_with("HTTP/1.1 403 "), "{answer}");
        for pid in running.functions().await {
            let next = format!("GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\n{foreign}");
            let answer = raw((loopback, runtime_api_port(pid)), &next, "").await;
            assert!(answer.starts_with("HTTP/1.1 403 "), "{answer}");
        }
    }
    assert_eq!(running.state().await["faults"]["active"], json!([]));
}

fn runtime_api_port(pid: u32) -> u16 {
    let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap();
    let environment = String::from_utf8(environment).unwrap();
    let mut variables = environment.split('\0');
    let address = variables.find_map(|variable| variable.strip_prefix("AWS_LAMBDA_RUNTIME_API="));
    address
        .unwrap()
        .rsplit_once(':')
        .unwrap()
        .1
        .parse()
        .unwrap()
}

#[tokio::test]
async fn a_further_name_is_taken_when_it_is_named() {
    let installation = Installation::new("further");
    let running = installation
        .start_with(&[("ALLOWED_HOSTS", "dev.example")])
        .await;
    let address = (IpAddr::from(Ipv4Addr::LOCALHOST), port(&running, "port"));
    let get = |host: &str| format!("GET /orders/1 HTTP/1.1\r\nhost: {host}");
    let answer = raw(address, &get("dev.example:3000"), "").await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    let answer = raw(address, &get("evil.example"), "").await;
    assert!(answer.starts_with("HTTP/1.1 403 "), "{answer}");
}

/// The environment variables of the first process of a function.
async fn environment_of(running: &Running, function: &str) -> BTreeMap<String, String> {
    let state = running.state().await;
    let pid = &state["functions"][function]["processes"][0]["pid"];
    let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap();
    let environment = String::from_utf8(environment).unwrap();
    let variables = environment.split_terminator('\0');
    variables
        .map(|variable| variable.split_once('=').unwrap())
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

#[tokio::test]
async fn api_and_reader_are_told_what_they_serve_and_nothing_of_the_other_part() {
    let installation = Installation::new("parts");
    let variables = [("CALLER", "jwt:sub"), ("BASE_PATH", "/v1")];
    let wait = ("MAX_WAIT_SECONDS", "7");
    let all = [variables[0], variables[1], wait];
    let running = installation.start_with(&all).await;
    for (function, serves, has, other) in [
        (
            "api",
            "writes",
            ("STREAM_NAME", "order-intents"),
            "TABLE_NAME",
        ),
        ("reader", "reads", ("TABLE_NAME", "orders"), "STREAM_NAME"),
    ] {
        let environment = environment_of(&running, function).await;
        for (name, value) in variables.into_iter().chain([("SERVES", serves), has]) {
            assert_eq!(environment[name], value, "{function}: {name}");
        }
        assert_eq!(environment.get(other), None, "{function}: {other}");
        let waits = environment.get(wait.0).map(String::as_str);
        assert_eq!(waits, (serves == "reads").then_some(wait.1), "{function}");
        assert_eq!(environment["AWS_LAMBDA_FUNCTION_NAME"], function);
        let started = format!("{function:<9} process ");
        let log = running.log();
        assert!(log.lines().any(|line| line.contains(&started)), "{log}");
    }
}

#[tokio::test]
async fn a_read_runs_in_the_reader_and_an_order_in_the_api() {
    let installation = Installation::new("routes");
    let running = installation.start_with(&[("BASE_PATH", "/v1")]).await;
    let ask = async |method, path| running.http(method, path, "").await.status();
    assert_eq!(ask(Method::GET, "/orders/1").await, 200);
    assert_eq!(ask(Method::GET, "/v1/orders/1").await, 200);
    assert_eq!(ask(Method::POST, "/orders").await, 200);
    assert_eq!(ask(Method::GET, "/orders/fail").await, 500);
    let state = running.state().await;
    let counters = |function: &str| state["functions"][function]["counters"].clone();
    assert_eq!(counters("reader")["invocations"], 3);
    assert_eq!(counters("reader")["errors"], 1);
    assert_eq!(counters("api")["invocations"], 1);
    assert_eq!(counters("api")["errors"], 0);
}

#[tokio::test]
async fn stream_table_and_queue_are_there_when_it_is_ready() {
    let installation = Installation::new("resources");
    let running = installation.start().await;
    let (_, stream) = running
        .aws(
            "Kinesis_20131202.DescribeStreamSummary",
            json!({ "StreamName": "order-intents" }),
        )
        .await
        .unwrap();
    assert_eq!(stream["StreamDescriptionSummary"]["OpenShardCount"], 2);
    assert_eq!(
        stream["StreamDescriptionSummary"]["RetentionPeriodHours"],
        24
    );
    let (_, table) = running
        .aws(
            "DynamoDB_20120810.DescribeTable",
            json!({ "TableName": "orders" }),
        )
        .await
        .unwrap();
    assert_eq!(
        table["Table"]["KeySchema"],
        json!([{ "AttributeName": "order_id", "KeyType": "HASH" }])
    );
    let (status, _) = running
        .aws(
            "AmazonSQS.GetQueueUrl",
            json!({ "QueueName": "order-intents-discarded" }),
        )
        .await
        .unwrap();
    assert_eq!(status, 200);
}

#[tokio::test]
async fn records_reach_the_consumer_and_move_the_checkpoint() {
    let installation = Installation::new("records");
    let running = installation.start().await;
    running.put_records(&["good"; 25]).await;
    let state = eventually("25 delivered records", async || {
        let state = running.state().await;
        (state["mapping"]["counters"]["records_delivered"] == 25).then_some(state)
    })
    .await;
    assert!(
        state["mapping"]["counters"]["batches_delivered"].as_u64() >= Some(3),
        "a batch has at most 10 records: {state}"
    );
    let shards = state["mapping"]["shards"].as_array().unwrap();
    assert!(
        shards.iter().any(|shard| shard["checkpoint"].is_string()),
        "{state}"
    );
    eventually("a line about it", async || {
        running.log().contains("delivered").then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_record_that_keeps_failing_is_retried_then_discarded_to_the_queue() {
    let installation = Installation::new("discard");
    installation.set("maximum_retry_attempts", 1.into());
    let running = installation.start().await;
    running.put_records(&["good", "good", "fail"]).await;
    let discard = eventually("the discard's message", async || {
        running.receive_discard().await
    })
    .await;
    assert_eq!(
        discard["requestContext"]["condition"],
        "RetryAttemptsExhausted"
    );
    assert_eq!(
        discard["requestContext"]["approximateInvokeCount"], 2,
        "one first attempt and one retry"
    );
    assert_eq!(
        discard["requestContext"]["functionArn"],
        "arn:aws:lambda:us-east-1:000000000000:function:consumer"
    );
    assert_eq!(discard["KinesisBatchInfo"]["batchSize"], 1);
    assert_eq!(
        discard["KinesisBatchInfo"]["streamArn"],
        "arn:aws:kinesis:us-east-1:000000000000:stream/order-intents"
    );
    let log = running.log();
    assert!(
        log.contains("retried in") && log.contains("discarded"),
        "{log}"
    );
}

#[tokio::test]
async fn a_discard_that_the_queue_refuses_is_offered_again() {
    let installation = Installation::new("queue-outage");
    installation.set("maximum_retry_attempts", 0.into());
    let running = installation.start().await;
    let fault = r#"{"service": "sqs", "error": "RequestThrottled", "rate": 1, "seconds": 600}"#;
    assert_eq!(
        running
            .control(Method::POST, "/_local/faults", fault)
            .await
            .0,
        200
    );
    running.put_records(&["fail"]).await;
    eventually("a refused discard", async || {
        running.log().contains("was not told").then_some(())
    })
    .await;
    assert_eq!(
        running
            .control(Method::DELETE, "/_local/faults", "")
            .await
            .0,
        204
    );
    eventually("the discard's message", async || {
        running.receive_discard().await
    })
    .await;
}

#[tokio::test]
async fn faults_are_set_seen_and_cleared_and_bad_ones_refused_with_the_field() {
    let installation = Installation::new("faults");
    let running = installation.start().await;
    let put = || {
        let record =
            json!({ "StreamName": "order-intents", "PartitionKey": "a", "Data": "Z29vZA==" });
        running.aws("Kinesis_20131202.PutRecord", record)
    };
    let fault = r#"{"service": "kinesis", "error": "ProvisionedThroughputExceededException", "rate": 1, "seconds": 600}"#;
    assert_eq!(
        running
            .control(Method::POST, "/_local/faults", fault)
            .await
            .0,
        200
    );
    let (status, error) = put().await.unwrap();
    assert_eq!(
        (status, &error["__type"]),
        (400, &json!("ProvisionedThroughputExceededException"))
    );
    let state = running.state().await;
    assert_eq!(state["faults"]["active"][0]["service"], "kinesis");
    assert_eq!(state["faults"]["hits"][0]["calls"], 1);
    assert_eq!(
        running
            .control(Method::DELETE, "/_local/faults", "")
            .await
            .0,
        204
    );
    assert_eq!(put().await.unwrap().0, 200);

    let fault = r#"{"service": "kinesis", "error": "lost-answer", "rate": 1, "seconds": 600}"#;
    assert_eq!(
        running
            .control(Method::POST, "/_local/faults", fault)
            .await
            .0,
        200
    );
    assert_eq!(
        put().await,
        None,
        "the connection is closed without an answer"
    );
    eventually(
        "both records, also the record whose answer was lost",
        async || {
            (running.state().await["mapping"]["counters"]["records_delivered"] == 2).then_some(())
        },
    )
    .await;

    for (body, field) in [
        ("no json", "body"),
        (
            r#"{"service": "s3", "error": "timeout", "rate": 1, "seconds": 1}"#,
            "service",
        ),
        (
            r#"{"service": "sqs", "error": "Nonsense", "rate": 1, "seconds": 1}"#,
            "error",
        ),
        (
            r#"{"service": "sqs", "error": "timeout", "rate": 2, "seconds": 1}"#,
            "rate",
        ),
        (
            r#"{"service": "sqs", "error": "timeout", "rate": 1}"#,
            "seconds",
        ),
    ] {
        let (status, answer) = running.control(Method::POST, "/_local/faults", body).await;
        assert_eq!(status, 400, "{body}");
        assert!(
            answer["error"].as_str().unwrap().starts_with(field),
            "{body}: {answer}"
        );
    }
    assert_eq!(
        running.control(Method::PUT, "/_local/faults", "").await.0,
        405
    );
    assert_eq!(
        running.control(Method::GET, "/_local/else", "").await.0,
        404
    );
}

#[tokio::test]
async fn a_consumer_that_is_killed_in_mid_batch_gets_the_batch_again() {
    let installation = Installation::new("killed-consumer");
    let running = installation.start().await;
    running.put_records(&["slow"]).await;
    let consumer = eventually("a busy consumer", async || {
        let process = running.state().await["functions"]["consumer"]["processes"][0].clone();
        (process["busy"] == true).then_some(process["pid"].clone())
    })
    .await;
    let kill = r#"{"function": "consumer", "action": "kill"}"#;
    let (status, answer) = running
        .control(Method::POST, "/_local/functions", kill)
        .await;
    assert_eq!((status, &answer), (200, &json!({ "pids": [consumer] })));
    let state = eventually("the record", async || {
        let state = running.state().await;
        (state["mapping"]["counters"]["records_delivered"] == 1).then_some(state)
    })
    .await;
    assert_eq!(state["functions"]["consumer"]["counters"]["crashes"], 1);
    assert_ne!(
        state["functions"]["consumer"]["processes"][0]["pid"],
        consumer
    );
}

#[tokio::test]
async fn the_stop_switch_keeps_the_checkpoint() {
    let installation = Installation::new("stop-switch");
    let running = installation.start().await;
    let switch = async |enabled: bool| {
        let body = json!({ "enabled": enabled }).to_string();
        let answer = running
            .control(Method::POST, "/_local/mapping", &body)
            .await;
        assert_eq!(answer, (200, json!({ "enabled": enabled })));
        let state = if enabled { "Enabled" } else { "Disabled" };
        eventually(state, async || {
            (running.state().await["mapping"]["state"] == state).then_some(())
        })
        .await;
    };
    let delivered = async |records: u64| {
        eventually("the records", async || {
            let state = running.state().await;
            (state["mapping"]["counters"]["records_delivered"] == records).then_some(())
        })
        .await;
    };
    running.put_records(&["one"]).await;
    delivered(1).await;
    switch(false).await;
    running.put_records(&["two", "three"]).await;
    // This is longer than many polls take.
    tokio::time::sleep(Duration::from_millis(300)).await;
    let state = running.state().await;
    assert_eq!(state["mapping"]["counters"]["records_delivered"], 1);
    switch(true).await;
    delivered(3).await;
    let state = running.state().await;
    assert_eq!(
        state["mapping"]["counters"]["records_read"], 3,
        "no record was read twice"
    );
}

#[tokio::test]
async fn a_change_of_a_row_reaches_the_notifier_unless_its_mapping_is_stopped() {
    let installation = Installation::new("change-stream");
    let running = installation.start().await;
    let switch = async |enabled: bool| {
        let body = json!({ "enabled": enabled, "function": "notifier" }).to_string();
        let (status, _) = running
            .control(Method::POST, "/_local/mapping", &body)
            .await;
        assert_eq!(status, 200);
        let state = if enabled { "Enabled" } else { "Disabled" };
        eventually(state, async || {
            (running.state().await["mappings"]["notifier"]["state"] == state).then_some(())
        })
        .await;
    };
    let put = async |order_id: &str| {
        let item = json!({ "TableName": "orders", "Item": { "order_id": { "S": order_id } } });
        let put = running.aws("DynamoDB_20120810.PutItem", item).await;
        assert_eq!(put.unwrap().0, 200);
    };
    let delivered = async |records: u64| {
        eventually("the changes", async || {
            let counters = &running.state().await["mappings"]["notifier"]["counters"];
            (counters["records_delivered"] == records).then_some(())
        })
        .await;
    };
    put("a").await;
    delivered(1).await;
    switch(false).await;
    put("b").await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    let state = running.state().await;
    assert_eq!(state["mappings"]["notifier"]["counters"]["records_read"], 1);
    assert_eq!(state["mapping"]["state"], "Enabled", "the consumer's");
    switch(true).await;
    delivered(2).await;
}

#[tokio::test]
async fn a_fact_reaches_the_subscriber() {
    let installation = Installation::new("facts");
    let running = installation.start().await;
    let record = json!({ "StreamName": "order-facts", "PartitionKey": "a", "Data": "Z29vZA==" });
    let put = running.aws("Kinesis_20131202.PutRecord", record).await;
    assert_eq!(put.unwrap().0, 200);
    eventually("the fact", async || {
        let counters = &running.state().await["mappings"]["shipping"]["counters"];
        (counters["records_delivered"] == 1).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_fault_of_a_resource_spares_the_others_and_shows_when_it_has_ended() {
    let installation = Installation::new("resource");
    let running = installation.start().await;
    let inject = async |resource: &str, seconds: u64| {
        let fault = json!({ "service": "kinesis", "error": "InternalFailure", "rate": 1,
            "seconds": seconds, "resource": resource });
        running
            .control(Method::POST, "/_local/faults", &fault.to_string())
            .await
    };
    let put = async |stream: &str| {
        let record = json!({ "StreamName": stream, "PartitionKey": "a", "Data": "Z29vZA==" });
        let put = running.aws("Kinesis_20131202.PutRecord", record).await;
        put.unwrap().0
    };
    let (status, refusal) = inject("orders", 600).await;
    assert_eq!(status, 400);
    assert_eq!(refusal["error"], "resource: kinesis has no orders");

    let (status, faults) = inject("order-facts", 600).await;
    assert_eq!(status, 200);
    assert_eq!(faults["active"][0]["resource"], "order-facts");
    assert_eq!(put("order-facts").await, 500);
    assert_eq!(put("order-intents").await, 200);
    // The shorter fault takes the place of the longer one.
    assert_eq!(inject("order-facts", 1).await.0, 200);
    eventually("the end of the fault", async || {
        let ended = "kinesis order-facts: InternalFailure has ended";
        running.log().contains(ended).then_some(())
    })
    .await;
    assert_eq!(put("order-facts").await, 200);
}

#[tokio::test]
async fn what_makes_no_sense_for_a_function_or_the_switch_is_refused_with_the_field() {
    let installation = Installation::new("control");
    let running = installation.start().await;
    for (path, body, complaint) in [
        (
            "functions",
            r#"{"function": "x", "action": "kill"}"#,
            "function: must be one of api, reader, consumer, notifier, shipping",
        ),
        (
            "functions",
            r#"{"function": "api", "action": "x"}"#,
            "action: unknown variant",
        ),
        (
            "functions",
            r#"{"function": "api"}"#,
            "missing field `action`",
        ),
        ("mapping", r#"{"enabled": 1}"#, "enabled: invalid type"),
        ("mapping", r#"{"enable": true}"#, "enable: unknown field"),
        (
            "mapping",
            r#"{"enabled": true, "function": "api"}"#,
            "function: must be one of consumer, notifier, shipping",
        ),
    ] {
        let path = format!("/_local/{path}");
        let (status, answer) = running.control(Method::POST, &path, body).await;
        assert_eq!(status, 400, "{body}");
        let error = answer["error"].as_str().unwrap();
        assert!(error.starts_with(complaint), "{body}: {error}");
        assert_eq!(running.control(Method::GET, &path, "").await.0, 405);
    }
}

#[tokio::test]
async fn sigterm_and_ctrl_c_end_everything_with_exit_code_0() {
    for (name, why) in [("TERM", "SIGTERM"), ("INT", "Ctrl-C")] {
        let installation = Installation::new(&format!("stop-{name}"));
        let mut running = installation.start().await;
        let mut pids = running.functions().await;
        pids.push(running.guard().await);
        assert_eq!(pids.len(), FUNCTIONS.len() + 1);
        let asked = Instant::now();
        signal(running.process.id(), name);
        assert_eq!(running.ended().await.code(), Some(0));
        all_gone(&pids, asked).await;
        assert!(
            running
                .log()
                .trim_end()
                .ends_with(&format!("stopping: {why}")),
            "{}",
            running.log()
        );
    }
}

#[tokio::test]
async fn sigterm_ends_everything_also_in_mid_invocation() {
    let installation = Installation::new("stop-busy");
    let mut running = installation.start().await;
    let uri = format!("http://127.0.0.1:{}/spin", running.ready["port"]);
    let mut request = JoinSet::new();
    request.spawn(async move { send(Method::GET, &uri, None, "").await });
    eventually("a busy process", async || {
        (running.state().await["functions"]["api"]["processes"][0]["busy"] == true).then_some(())
    })
    .await;
    let pids = running.functions().await;
    let asked = Instant::now();
    signal(running.process.id(), "TERM");
    assert_eq!(running.ended().await.code(), Some(0));
    all_gone(&pids, asked).await;
}

#[tokio::test]
async fn nothing_is_left_behind_after_kill_9_not_even_what_is_busy_or_stopped() {
    let installation = Installation::new("kill-9");
    let mut running = installation.start().await;
    let uri = format!("http://127.0.0.1:{}/spin", running.ready["port"]);
    let mut request = JoinSet::new();
    request.spawn(async move { send(Method::GET, &uri, None, "").await });
    eventually("a busy process", async || {
        (running.state().await["functions"]["api"]["processes"][0]["busy"] == true).then_some(())
    })
    .await;
    let mut pids = running.functions().await;
    let consumer = running.state().await["functions"]["consumer"]["processes"][0]["pid"]
        .as_u64()
        .unwrap();
    signal(u32::try_from(consumer).unwrap(), "STOP");
    pids.push(running.guard().await);
    let killed = Instant::now();
    signal(running.process.id(), "KILL");
    running.ended().await;
    all_gone(&pids, killed).await;
}

#[tokio::test]
async fn without_its_guard_local_stops_rather_than_risk_orphans() {
    let installation = Installation::new("guard");
    let mut running = installation.start().await;
    let pids = running.functions().await;
    let guard = running.guard().await;
    let killed = Instant::now();
    signal(guard, "KILL");
    assert_eq!(running.ended().await.code(), Some(1));
    all_gone(&pids, killed).await;
}

#[tokio::test]
async fn a_port_in_use_is_one_line_that_names_it_and_exit_code_1() {
    let installation = Installation::new("port");
    for (variable, address) in [
        ("PORT", "127.0.0.1"),
        ("AWS_PORT", "127.0.0.1"),
        ("PORT", "::1"),
    ] {
        let address: IpAddr = address.parse().unwrap();
        let Ok(taken) = std::net::TcpListener::bind((address, 0)) else {
            assert!(address.is_ipv6(), "only IPv6 may be missing on a machine");
            continue;
        };
        let port = taken.local_addr().unwrap().port();
        let output = installation.fail(installation.command().env(variable, port.to_string()));
        assert_eq!(output.status.code(), Some(1));
        assert_eq!(
            complaint(&output),
            format!(
                "local: {variable}: port {port} on {address} cannot be opened: another program uses it"
            )
        );
    }
}

#[tokio::test]
async fn a_missing_binary_is_one_line_that_says_what_to_do_and_exit_code_1() {
    for name in BINARIES {
        let installation = Installation::new(&format!("missing-{name}"));
        std::fs::remove_file(installation.directory.join(name)).unwrap();
        let output = installation.fail(&mut installation.command());
        assert_eq!(output.status.code(), Some(1));
        let complaint = complaint(&output);
        assert!(
            complaint.ends_with(&format!("/{name} is missing; run `make build`")),
            "{complaint}"
        );
    }
}

#[tokio::test]
async fn a_function_that_dies_at_start_is_one_line_with_its_last_words_and_exit_code_1() {
    let installation = Installation::new("dies");
    let output = installation.fail(installation.command().env("CALLER", "die"));
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        complaint(&output),
        "local: api died at start (exit status 3): TABLE_NAME is not set"
    );
    assert!(
        !String::from_utf8_lossy(&output.stdout).contains("TABLE_NAME"),
        "the reason is printed only once"
    );
}

#[tokio::test]
async fn settings_that_cannot_be_used_are_one_line_with_file_and_key_and_exit_code_1() {
    let installation = Installation::new("settings");
    installation.set("batch_size", 0.into());
    let output = installation.fail(&mut installation.command());
    assert_eq!(output.status.code(), Some(1));
    let complaint = complaint(&output);
    assert!(
        complaint.contains("settings.json: batch_size: is 0"),
        "{complaint}"
    );
}

#[tokio::test]
async fn wrong_usage_is_one_line_and_exit_code_2() {
    let installation = Installation::new("usage");
    let output = installation.fail(installation.command().arg("--prot"));
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(
        complaint(&output),
        "local: unexpected argument '--prot' found; see local --help"
    );
    let output = installation.fail(installation.command().env("PORT", "many"));
    assert_eq!(output.status.code(), Some(2));
}

#[tokio::test]
async fn help_is_given_with_exit_code_0() {
    let installation = Installation::new("help");
    let output = installation.command().arg("--help").output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert!(
        String::from_utf8(output.stdout)
            .unwrap()
            .contains("--ready-file")
    );
}

#[tokio::test]
async fn an_output_that_nobody_reads_does_not_hold_up_the_service() {
    let installation = Installation::new("unread");
    let ready = installation.directory.join("ready.json");
    let mut process = installation
        .command()
        .args(["--logs", "--ready-file"])
        .arg(&ready)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let ready = eventually("the ready file", async || {
        Some(serde_json::from_str::<Value>(&std::fs::read_to_string(&ready).ok()?).unwrap())
    })
    .await;
    let unread = process.stdout.take();
    let running = Running {
        process,
        ready,
        log: installation.directory.join("log"),
    };
    // Each failure is a line or more. Together the lines are far beyond the room of a pipe.
    for _ in 0..1_500 {
        running.http(Method::GET, "/fail", "").await;
    }
    assert_eq!(running.http(Method::GET, "/", "").await.status(), 200);
    drop(unread);
}
