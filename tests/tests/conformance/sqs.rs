//! The messages of the on-failure queue.

use aws_sdk_sqs::error::ProvideErrorMetadata as _;
use tests::{Stack, eventually};

#[tokio::test]
async fn a_message_is_received_hidden_shown_again_and_deleted() {
    let stack = Stack::start_without_functions().await;
    let (sqs, url) = (stack.sqs(), stack.queue_url());
    // No other test uses the queue. The body is as long as a discard of Lambda's, and has
    // characters that JSON and XML escape.
    let body = format!("{{\"a\": \"<&ü\\n\"}}{}", "x".repeat(2_000));
    let sent = sqs.send_message().queue_url(&url).message_body(&body);
    let sent = sent.send().await.unwrap();
    let receive = || async {
        let request = sqs.receive_message().queue_url(&url).visibility_timeout(60);
        request.send().await.unwrap().messages.unwrap_or_default()
    };
    let message = eventually("the message", || async { receive().await.pop() }).await;
    assert_eq!(message.body.as_ref(), Some(&body));
    assert_eq!(message.message_id, sent.message_id);
    assert_eq!(message.md5_of_body, sent.md5_of_message_body);
    assert_eq!(receive().await, [], "the message is hidden");

    let request = sqs.change_message_visibility().queue_url(&url);
    let request = request.receipt_handle(message.receipt_handle.unwrap());
    request.visibility_timeout(0).send().await.unwrap();
    let again = eventually("the message again", || async { receive().await.pop() }).await;
    assert_eq!(again.message_id, sent.message_id);

    let handle = again.receipt_handle.unwrap();
    let request = sqs.delete_message().queue_url(&url).receipt_handle(&handle);
    request.send().await.unwrap();
    let request = sqs.delete_message().queue_url(&url).receipt_handle(handle);
    request.send().await.unwrap();
    assert_eq!(
        receive().await,
        [],
        "the message is gone, and may be deleted twice"
    );
}

#[tokio::test]
async fn a_queue_that_is_missing_says_so() {
    let stack = Stack::start_without_functions().await;
    let url = format!("{}-missing", stack.queue_url());
    let error = stack.sqs().receive_message().queue_url(url).send().await;
    let error = error.unwrap_err();
    assert!(
        error.code().unwrap().ends_with("NonExistentQueue")
            || error.code() == Some("QueueDoesNotExist"),
        "{:?}",
        error.code()
    );
    assert!(error.into_service_error().is_queue_does_not_exist());
}
