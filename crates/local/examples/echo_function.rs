//! A function that does what its event asks for, so that tests can see how the host treats it. It
//! can answer, fail, hang, crash, and tell its environment.
//!
//! - An API Gateway event (`version` 2.0) is answered with itself as the body, except on the paths
//!   `/crash`, `/hang`, `/spin`, `/fail` and `/malformed`, and on these paths behind `/orders`.
//! - For a Kinesis event (`Records`) the function reports the records as failed whose data says
//!   `fail`. A batch with a record whose data says `slow` takes two seconds.
//! - Every other event names its task in `do`.

use std::time::Duration;

use lambda_runtime::{Error, LambdaEvent, service_fn};
use serde_json::{Value, json};

// There is one worker, so that a busy loop stops the whole process, as it would with one vCPU.
#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    // `local` passes on only a few variables of its caller, so its tests use one of these
    // variables.
    let at_start = std::env::var("AT_START").or_else(|_| std::env::var("CALLER"));
    match at_start.as_deref() {
        Ok("die") => {
            eprintln!("TABLE_NAME is not set");
            std::process::exit(3);
        }
        Ok("hang") => std::thread::sleep(Duration::from_secs(3_600)),
        Ok("shut down") => {
            lambda_runtime::spawn_graceful_shutdown_handler(|| async {
                eprintln!("WARN shut down in good time");
            })
            .await;
        }
        _ => {}
    }
    lambda_runtime::run(service_fn(handle)).await
}

async fn handle(event: LambdaEvent<Value>) -> Result<Value, Error> {
    let LambdaEvent { payload, context } = event;
    if payload["version"] == "2.0" {
        return answer_http(&payload);
    }
    if let Some(records) = payload["Records"].as_array() {
        if records
            .iter()
            .any(|record| record["kinesis"]["data"] == "c2xvdw==")
        {
            tokio::time::sleep(Duration::from_secs(2)).await;
        }
        return Ok(json!({ "batchItemFailures": failures(records) }));
    }
    match payload["do"].as_str() {
        Some("sleep") => {
            tokio::time::sleep(Duration::from_millis(payload["ms"].as_u64().unwrap_or(0))).await
        }
        Some("hang") => tokio::time::sleep(Duration::from_secs(3_600)).await,
        Some("spin") => loop {
            std::hint::spin_loop();
        },
        Some("crash") => std::process::exit(7),
        Some("fail") => return Err("as asked".into()),
        Some("print") => eprintln!("{}", payload["text"].as_str().unwrap_or_default()),
        Some("large") => return Ok(json!("x".repeat(7 * 1_024 * 1_024))),
        _ => {}
    }
    Ok(json!({
        "event": payload,
        "pid": std::process::id(),
        "environment": std::env::vars().collect::<std::collections::BTreeMap<_, _>>(),
        "context": {
            "request_id": context.request_id,
            "deadline": context.deadline,
            "function_arn": context.invoked_function_arn,
            "trace": context.xray_trace_id,
        },
    }))
}

fn answer_http(event: &Value) -> Result<Value, Error> {
    let path = event["rawPath"].as_str();
    match path.map(|path| path.strip_prefix("/orders").unwrap_or(path)) {
        Some("/crash") => std::process::exit(7),
        Some("/fail") => return Err("as asked".into()),
        Some("/hang") => std::thread::sleep(Duration::from_secs(3_600)),
        Some("/spin") => loop {
            std::hint::spin_loop();
        },
        Some("/malformed") => return Ok(json!({ "statusCode": "no number" })),
        _ => {}
    }
    Ok(json!({
        "statusCode": 200,
        "headers": { "content-type": "application/json", "x-pid": std::process::id().to_string() },
        "cookies": ["a=1; Path=/", "b=2"],
        "body": event.to_string(),
    }))
}

fn failures(records: &[Value]) -> Vec<Value> {
    let failed = records
        .iter()
        .filter(|record| record["kinesis"]["data"] == "ZmFpbA==");
    failed
        .map(|record| json!({ "itemIdentifier": record["kinesis"]["sequenceNumber"] }))
        .collect()
}
