//! The destination of a discard's message, the call that delivers it, and its content there. [D]
//! Lambda developer guide, "Retain discarded batch records for a Kinesis Data Streams event source
//! in Lambda".

use event_source_mapping::{Action, Completion, Destination, Discard, MappingOptions};
use serde_json::{Value, json};

use crate::driver::{Driver, QUEUE, SHARD, numbers, options};

const TOPIC: &str = "arn:aws:sns:eu-west-1:123456789012:order-intents-discarded";
const BUCKET: &str = "arn:aws:s3:::order-intents-discarded";

/// The discard of a batch of two, the first time that its message is offered.
fn discard_to(destination: &str) -> (Driver, Discard) {
    let options = MappingOptions {
        uuid: Some("f89f8514-cdd9-4602-9e1f-01a5b77d449b".into()),
        on_failure: Some(destination.into()),
        maximum_retry_attempts: 0,
        ..options()
    };
    let mut stream = Driver::with_records(options, 2);
    let invocation = stream.invocation().unwrap();
    stream.finish(invocation, Completion::FunctionError);
    let discard = discard(&mut stream);
    (stream, discard)
}

fn discard(stream: &mut Driver) -> Discard {
    match stream.actions.pop_front() {
        Some(Action::Discard(discard)) => discard,
        other => panic!("{other:?}"),
    }
}

fn body(discard: &Discard) -> Value {
    serde_json::from_str(&discard.body()).unwrap()
}

/// [D] "Lambda sends only the metadata for these destination types".
#[test]
fn a_queue_and_a_topic_get_the_metadata_only() {
    let (_, discard) = discard_to(QUEUE);
    assert_eq!(discard.call(), Destination::Queue { arn: QUEUE });
    let to_queue = body(&discard);
    assert_eq!(to_queue, serde_json::to_value(discard.message()).unwrap());
    assert!(to_queue.get("payload").is_none());

    let (_, discard) = discard_to(TOPIC);
    assert_eq!(discard.call(), Destination::Topic { arn: TOPIC });
    assert_eq!(discard.destination(), TOPIC);
    assert_eq!(body(&discard), to_queue);
}

/// [D] "Example Amazon S3 invocation record" says that "the payload field contains the original
/// invocation record as an escaped JSON string".
#[test]
fn a_bucket_gets_the_metadata_and_the_whole_event_as_an_escaped_string() {
    let (_, to_queue) = discard_to(QUEUE);
    let (_, discard) = discard_to(BUCKET);
    let Value::Object(mut in_bucket) = body(&discard) else {
        panic!("{:?}", discard.body())
    };
    let Some(Value::String(payload)) = in_bucket.remove("payload") else {
        panic!("{in_bucket:?}")
    };
    assert_eq!(Value::Object(in_bucket), body(&to_queue));
    let event: Value = serde_json::from_str(&payload).unwrap();
    let records = event["Records"].as_array().unwrap();
    let ids: Vec<_> = records.iter().map(|record| &record["eventID"]).collect();
    assert_eq!(
        ids,
        [&json!(format!("{SHARD}:8")), &json!(format!("{SHARD}:9"))]
    );
    assert_eq!(records[0]["kinesis"]["data"], "e30=");
}

/// [D] Same page. The name is
/// "aws/lambda/<ESM-UUID>/<shardID>/YYYY/MM/DD/YYYY-MM-DDTHH.MM.SS-<Random UUID>". [I] The time is
/// in UTC.
#[test]
fn an_object_is_named_by_mapping_shard_and_time() {
    let (_, discard) = discard_to(BUCKET);
    let Destination::Bucket { name, key } = discard.call() else {
        panic!("{:?}", discard.call())
    };
    assert_eq!(name, "order-intents-discarded");
    let beginning = "aws/lambda/f89f8514-cdd9-4602-9e1f-01a5b77d449b/shardId-000000000000/2025/11/25/2025-11-25T19.03.18-";
    let random = key
        .strip_prefix(beginning)
        .unwrap_or_else(|| panic!("{key}"));
    let groups: Vec<_> = random.split('-').map(str::len).collect();
    assert_eq!(groups, [8, 4, 4, 4, 12], "{random} is not a UUID");
}

/// A rule of this model and not of AWS. Only an object about the same records ever replaces an
/// object.
#[test]
fn two_discards_at_the_same_time_have_different_objects() {
    let mut options = MappingOptions {
        on_failure: Some(BUCKET.into()),
        maximum_retry_attempts: 0,
        batch_size: 1,
        ..options()
    };
    options.parallelization_factor = 10;
    let mut stream = Driver::with_records(options, 10);
    while let Some(invocation) = stream.invocation() {
        stream.finish(invocation, Completion::FunctionError);
    }
    let mut keys: Vec<_> = stream
        .actions
        .iter()
        .map(|action| match action {
            Action::Discard(discard) => format!("{:?}", discard.call()),
            other => panic!("{other:?}"),
        })
        .collect();
    let discards = keys.len();
    assert!(discards > 1);
    keys.sort();
    keys.dedup();
    assert_eq!(keys.len(), discards);
}

/// [I] A message that is offered again is the same object. So a put whose answer was lost leaves
/// one object.
#[test]
fn a_message_that_is_offered_again_has_the_same_object_and_body() {
    let (mut stream, first) = discard_to(BUCKET);
    let (call, content) = (format!("{:?}", first.call()), body(&first));
    stream.send(first.failed());
    stream.wake_after(1_000);
    let again = discard(&mut stream);
    assert_eq!(format!("{:?}", again.call()), call);
    assert_eq!(body(&again), content);
}

/// [I] The event in the object has the records that were given up, and not the whole batch that
/// they came in.
#[test]
fn the_event_in_a_bucket_is_that_of_the_part_that_was_given_up() {
    let options = MappingOptions {
        on_failure: Some(BUCKET.into()),
        maximum_retry_attempts: 0,
        bisect_batch_on_function_error: true,
        ..options()
    };
    let mut stream = Driver::with_records(options, 4);
    let mut objects = Vec::new();
    for _ in 0..20 {
        if let Some(invocation) = stream.invocation() {
            let completion = if numbers(&invocation).contains(&10) {
                Completion::FunctionError
            } else {
                crate::driver::success()
            };
            stream.finish(invocation, completion);
        } else if let Some(Action::Discard(discard)) = stream.actions.pop_front() {
            objects.push(body(&discard));
            stream.send(discard.delivered());
        } else {
            stream.wake_after(1_000);
        }
    }
    let [object] = &objects[..] else {
        panic!("{objects:?}")
    };
    let event: Value = serde_json::from_str(object["payload"].as_str().unwrap()).unwrap();
    assert_eq!(event["Records"].as_array().unwrap().len(), 1);
    assert_eq!(event["Records"][0]["kinesis"]["sequenceNumber"], "10");
}
