//! A consumer of an SQS FIFO queue. Messages of one group are worked on in sequence.

use std::time::SystemTime;

use aws_lambda_events::event::sqs::{SqsBatchResponse, SqsEvent, SqsMessage};
use keyed_batch::{Limits, Verdict, deadline, work_through};
use lambda_runtime::{Error, LambdaEvent, run, service_fn};

async fn work(message: &SqsMessage) -> Verdict {
    let body = message.body.as_deref().unwrap_or_default();
    match serde_json::from_str::<serde_json::Value>(body) {
        Ok(_) => Verdict::Done,
        Err(_) => Verdict::Reject("not_json"),
    }
}

async fn handle(event: LambdaEvent<SqsEvent>) -> Result<SqsBatchResponse, Error> {
    let until = deadline(event.context.deadline, SystemTime::now());
    let messages = &event.payload.records;
    let group = |message: &SqsMessage| message.attributes.get("MessageGroupId").cloned();
    let reports = work_through(messages, group, &Limits::default(), until, work).await;
    let mut response = SqsBatchResponse::default();
    for (message, report) in messages.iter().zip(reports) {
        if report.disposition.is_failure() {
            response.add_failure(message.message_id.clone().unwrap_or_default());
        }
    }
    Ok(response)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    run(service_fn(handle)).await
}

#[tokio::test]
async fn a_message_that_is_not_json_is_named_as_failed() {
    let event = serde_json::json!({ "Records": [
        { "messageId": "m1", "body": "{}", "attributes": { "MessageGroupId": "a" } },
        { "messageId": "m2", "body": "{", "attributes": { "MessageGroupId": "a" } },
    ] });
    let mut context = lambda_runtime::Context::default();
    let now = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap();
    context.deadline = now.as_millis() as u64 + 10_000;
    let event = LambdaEvent::new(serde_json::from_value(event).unwrap(), context);
    let response = serde_json::to_value(handle(event).await.unwrap()).unwrap();
    assert_eq!(
        response["batchItemFailures"],
        serde_json::json!([{ "itemIdentifier": "m2" }])
    );
}
