//! Faults, as SDK clients meet them.

use std::sync::Arc;
use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_model::{Aws, Fault, KinesisOptions, Service, TokioClock};
use aws_sdk_kinesis::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_kinesis::operation::put_record::{PutRecordError, PutRecordOutput};
use aws_sdk_kinesis::primitives::Blob;

use crate::support::{START, all, config, model, world};

fn inject(aws: &Aws, service: &str, error: &str, rate: f64) {
    aws.faults()
        .inject(Fault::new(service, error, rate, 60).unwrap());
}

async fn put(
    client: &aws_sdk_kinesis::Client,
) -> Result<PutRecordOutput, SdkError<PutRecordError>> {
    client
        .put_record()
        .stream_name("s")
        .partition_key("k")
        .data(Blob::new("x"))
        .send()
        .await
}

/// A model on tokio's clock. The tests pause that clock, so waiting for a timeout takes no real
/// time.
fn on_tokio_time() -> Aws {
    let aws = model(
        Arc::new(TokioClock::starting_at(START)),
        KinesisOptions::default(),
    );
    aws.kinesis().create_stream("s", 1, 24).unwrap();
    aws
}

#[tokio::test]
async fn an_injected_error_reaches_the_client_in_its_own_shape_and_nothing_takes_effect() {
    let world = world().with_stream(1);
    let client = world.kinesis();
    let code = async |name: &str| {
        world.aws.faults().clear();
        inject(&world.aws, "kinesis", name, 1.0);
        put(&client).await.unwrap_err().into_service_error()
    };
    let throttled = code("ProvisionedThroughputExceededException").await;
    assert!(throttled.is_provisioned_throughput_exceeded_exception());
    assert!(
        code("ResourceNotFoundException")
            .await
            .is_resource_not_found_exception()
    );
    assert!(
        code("AccessDeniedException")
            .await
            .is_access_denied_exception()
    );
    assert!(
        code("KMSThrottlingException")
            .await
            .is_kms_throttling_exception()
    );
    assert_eq!(
        code("InternalFailure").await.code(),
        Some("InternalFailure")
    );
    assert_eq!(
        code("ThrottlingException").await.code(),
        Some("ThrottlingException")
    );
    assert_eq!(all(world.aws.kinesis(), 0), []);
}

#[tokio::test]
async fn dynamodb_and_sqs_send_injected_errors_in_their_own_shapes() {
    let world = world();
    inject(&world.aws, "dynamodb", "InternalServerError", 1.0);
    let error = world.dynamodb().list_tables().send().await.unwrap_err();
    assert_eq!(error.raw_response().unwrap().status().as_u16(), 500);
    assert!(error.into_service_error().is_internal_server_error());

    inject(&world.aws, "sqs", "RequestThrottled", 1.0);
    let error = world.sqs().list_queues().send().await.unwrap_err();
    assert!(error.into_service_error().is_request_throttled());
}

#[tokio::test]
async fn a_table_whose_kms_key_cannot_be_used_fails_as_dynamodb_fails_which_only_the_text_tells() {
    let world = world();
    for (name, code, says) in [
        (
            "kms-key-disabled",
            "ValidationException",
            "KMS key disabled error: ",
        ),
        (
            "kms-key-denied",
            "AccessDeniedException",
            "KMS key access denied error: ",
        ),
    ] {
        world.aws.faults().clear();
        inject(&world.aws, "dynamodb", name, 1.0);
        let error = world.dynamodb().list_tables().send().await.unwrap_err();
        assert_eq!(error.raw_response().unwrap().status().as_u16(), 400);
        assert_eq!(error.code(), Some(code));
        assert!(error.message().unwrap().starts_with(says), "{error:?}");
        Fault::new("kinesis", name, 1.0, 1).unwrap_err();
    }
    let hits = world.aws.faults().hits();
    assert!(
        hits.contains(&(Service::DynamoDb, "kms-key-disabled", 1)),
        "{hits:?}"
    );
}

/// The errors that pass by themselves or with new credentials. A client has to meet each of them in
/// a test before it meets the error on AWS.
#[test]
fn what_a_client_has_to_tell_apart_can_be_injected() {
    let common = [
        "ExpiredTokenException",
        "IncompleteSignature",
        "InternalFailure",
        "InvalidSignatureException",
        "LimitExceededException",
        "MissingAuthenticationToken",
        "MissingAuthenticationTokenException",
        "RequestExpired",
        "RequestThrottled",
        "ServiceUnavailable",
        "ThrottlingException",
        "UnrecognizedClientException",
    ];
    let kinesis = [
        "KMSAccessDeniedException",
        "KMSDisabledException",
        "KMSInvalidStateException",
        "KMSNotFoundException",
        "KMSOptInRequired",
        "KMSThrottlingException",
    ];
    let sqs = [
        "KmsAccessDenied",
        "KmsDisabled",
        "KmsInvalidState",
        "KmsNotFound",
        "KmsOptInRequired",
        "KmsThrottled",
    ];
    let dynamodb = ["kms-key-denied", "kms-key-disabled", "kms-throttled"];
    for (service, own) in [
        ("kinesis", &kinesis[..]),
        ("sqs", &sqs),
        ("dynamodb", &dynamodb),
    ] {
        for error in own.iter().chain(&common) {
            Fault::new(service, error, 1.0, 1).unwrap();
        }
        let unknown = Fault::new(service, "Nonsense", 1.0, 1).unwrap_err();
        assert!(
            unknown.reason.contains("InvalidSignatureException"),
            "{unknown}"
        );
    }
}

#[tokio::test]
async fn an_expired_signature_and_an_expired_token_are_told_in_awss_words() {
    let world = world().with_stream(1);
    for (name, says) in [
        ("InvalidSignatureException", "Signature expired: "),
        (
            "ExpiredTokenException",
            "The security token included in the request is expired",
        ),
    ] {
        world.aws.faults().clear();
        inject(&world.aws, "kinesis", name, 1.0);
        let error = put(&world.kinesis()).await.unwrap_err();
        assert_eq!(error.raw_response().unwrap().status().as_u16(), 400);
        assert_eq!(error.code(), Some(name));
        assert!(error.message().unwrap().starts_with(says), "{error:?}");
    }
}

#[tokio::test]
async fn a_lost_answer_leaves_its_effect_behind() {
    let world = world().with_stream(1);
    let client = world.kinesis();
    inject(&world.aws, "kinesis", "lost-answer", 1.0);
    let error = put(&client).await.unwrap_err();
    let SdkError::DispatchFailure(failure) = &error else {
        panic!("another error: {error:?}")
    };
    assert!(failure.is_io());
    assert_eq!(all(world.aws.kinesis(), 0).len(), 1);
    assert_eq!(
        world.aws.faults().hits(),
        [(Service::Kinesis, "lost-answer", 1)]
    );
}

#[tokio::test(start_paused = true)]
async fn the_sdk_retries_a_lost_answer_so_the_record_stands_twice_in_the_stream() {
    let aws = on_tokio_time();
    let client = aws_sdk_kinesis::Client::new(
        &config(&aws)
            .into_builder()
            .retry_config(RetryConfig::standard().with_max_attempts(2))
            .build(),
    );
    inject(&aws, "kinesis", "lost-answer", 1.0);
    put(&client).await.unwrap_err();
    let numbers: Vec<_> = all(aws.kinesis(), 0)
        .into_iter()
        .map(|record| record.sequence_number)
        .collect();
    assert_eq!(numbers.len(), 2);
    assert!(numbers[0] < numbers[1]);
}

#[tokio::test(start_paused = true)]
async fn a_call_without_an_answer_ends_at_the_clients_attempt_timeout() {
    let aws = on_tokio_time();
    let timeouts = TimeoutConfig::builder()
        .operation_attempt_timeout(Duration::from_secs(2))
        .build();
    let client =
        aws_sdk_kinesis::Client::new(&config(&aws).into_builder().timeout_config(timeouts).build());
    inject(&aws, "kinesis", "timeout", 1.0);
    let error = put(&client).await.unwrap_err();
    assert!(matches!(error, SdkError::TimeoutError(_)), "{error:?}");
    assert_eq!(aws.clock().now_millis(), START + 2_000);
    assert_eq!(
        all(aws.kinesis(), 0),
        [],
        "an unanswered call takes no effect"
    );
}

#[tokio::test(start_paused = true)]
async fn a_slow_call_is_answered_after_its_time() {
    let aws = on_tokio_time();
    let client = aws_sdk_kinesis::Client::new(&config(&aws));
    aws.faults()
        .inject(Fault::slow("kinesis", 1_500, 1.0, 60).unwrap());
    put(&client).await.unwrap();
    assert_eq!(aws.clock().now_millis(), START + 1_500);
    assert_eq!(all(aws.kinesis(), 0).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_call_slower_than_the_client_is_patient_has_taken_effect_all_the_same() {
    let aws = on_tokio_time();
    let timeouts = TimeoutConfig::builder()
        .operation_attempt_timeout(Duration::from_secs(2))
        .build();
    let client =
        aws_sdk_kinesis::Client::new(&config(&aws).into_builder().timeout_config(timeouts).build());
    aws.faults()
        .inject(Fault::slow("kinesis", 2_500, 1.0, 60).unwrap());
    let error = put(&client).await.unwrap_err();
    assert!(matches!(error, SdkError::TimeoutError(_)), "{error:?}");
    assert_eq!(aws.clock().now_millis(), START + 2_000);
    assert_eq!(all(aws.kinesis(), 0).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_call_without_an_answer_ends_at_the_clients_read_timeout() {
    let aws = on_tokio_time();
    let timeouts = TimeoutConfig::builder()
        .read_timeout(Duration::from_millis(700))
        .build();
    let client =
        aws_sdk_kinesis::Client::new(&config(&aws).into_builder().timeout_config(timeouts).build());
    inject(&aws, "kinesis", "timeout", 1.0);
    let error = put(&client).await.unwrap_err();
    let SdkError::DispatchFailure(failure) = &error else {
        panic!("another error: {error:?}")
    };
    assert!(failure.is_timeout());
    assert_eq!(aws.clock().now_millis(), START + 700);
}

#[tokio::test(start_paused = true)]
async fn a_call_without_an_answer_is_closed_when_the_fault_ends_or_is_cleared() {
    let aws = on_tokio_time();
    let client = aws_sdk_kinesis::Client::new(
        &config(&aws)
            .into_builder()
            .timeout_config(TimeoutConfig::disabled())
            .build(),
    );
    inject(&aws, "kinesis", "timeout", 1.0);
    let error = put(&client).await.unwrap_err();
    assert!(
        matches!(&error, SdkError::DispatchFailure(failure) if failure.is_io()),
        "{error:?}"
    );
    assert_eq!(aws.clock().now_millis(), START + 60_000);

    inject(&aws, "kinesis", "timeout", 1.0);
    let clear = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        aws.faults().clear();
    };
    let (result, ()) = tokio::join!(put(&client), clear);
    assert!(matches!(result.unwrap_err(), SdkError::DispatchFailure(_)));
    assert!(aws.clock().now_millis() < START + 61_100);
    put(&client).await.unwrap();
}

#[tokio::test]
async fn an_operation_without_http_is_never_disturbed() {
    let world = world().with_stream(1);
    inject(&world.aws, "kinesis", "InternalFailure", 1.0);
    world
        .aws
        .operate(Service::Kinesis, "ListStreams", &serde_json::json!({}))
        .unwrap();
    assert_eq!(world.aws.faults().hits(), []);
}

#[tokio::test]
async fn the_same_seed_disturbs_the_same_calls() {
    let run = async || {
        let world = world().with_stream(1);
        let client = world.kinesis();
        inject(&world.aws, "kinesis", "InternalFailure", 0.5);
        let mut outcomes = Vec::new();
        for _ in 0..50 {
            outcomes.push(put(&client).await.map(|output| output.sequence_number).ok());
        }
        outcomes
    };
    let outcomes = run().await;
    assert!(outcomes.iter().any(Option::is_some) && outcomes.iter().any(Option::is_none));
    assert_eq!(outcomes, run().await);
}
