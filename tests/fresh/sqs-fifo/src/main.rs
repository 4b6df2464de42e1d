//! A consumer of an SQS FIFO queue. Messages of one group are worked on in sequence.

use std::time::SystemTime;

use keyed_batch::{Limits, SqsEvent, SqsEventResponse, SqsMessage, Verdict, deadline, process};
use lambda_runtime::{Error, LambdaEvent, run, service_fn};

async fn work(message: &SqsMessage) -> Verdict {
    match serde_json::from_str::<serde_json::Value>(message.body()) {
        Ok(_) => Verdict::Done,
        Err(_) => Verdict::Reject("not_json"),
    }
}

async fn handle(event: LambdaEvent<SqsEvent>) -> Result<SqsEventResponse, Error> {
    let until = deadline(event.context.deadline, SystemTime::now());
    let report = process(&event.payload.records, &Limits::default(), until, work).await;
    Ok(report.response?)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    run(service_fn(handle)).await
}

#[tokio::test]
async fn a_message_that_is_not_json_is_named_with_what_follows_in_its_group() {
    let message = |id: &str, group: &str, body: &str| {
        serde_json::json!({ "messageId": id, "body": body, "attributes": { "MessageGroupId": group },
            "eventSourceARN": "arn:aws:sqs:eu-central-1:111122223333:payments.fifo" })
    };
    let event = serde_json::json!({ "Records": [
        message("m1", "a", "{}"),
        message("m2", "a", "{"),
        message("m3", "a", "{}"),
        message("m4", "b", "{}"),
    ] });
    let mut context = lambda_runtime::Context::default();
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    context.deadline = now.as_millis() as u64 + 10_000;
    let event = LambdaEvent::new(serde_json::from_value(event).unwrap(), context);
    let response = serde_json::to_value(handle(event).await.unwrap()).unwrap();
    let failures = serde_json::json!([{ "itemIdentifier": "m2" }, { "itemIdentifier": "m3" }]);
    assert_eq!(response["batchItemFailures"], failures);
}
