//! Queues and messages, through the SDK.

use std::sync::Arc;
use std::time::Duration;

use aws_model::sqs::{MAX_MESSAGE_BYTES, QueueDepth, SqsError};
use aws_model::{KinesisOptions, TokioClock};
use aws_sdk_sqs::error::ProvideErrorMetadata;
use aws_sdk_sqs::types::{
    DeleteMessageBatchRequestEntry, MessageSystemAttributeName, QueueAttributeName,
};

use crate::support::{START, World, config, model, world};

const URL: &str = "https://sqs.eu-west-1.amazonaws.com/000000000000/q";

fn world_with_queue() -> World {
    let world = world();
    world.aws.sqs().create_queue("q").unwrap();
    world
}

async fn receive(client: &aws_sdk_sqs::Client) -> Vec<aws_sdk_sqs::types::Message> {
    let output = client
        .receive_message()
        .queue_url(URL)
        .max_number_of_messages(10)
        .send()
        .await
        .unwrap();
    output.messages.unwrap_or_default()
}

fn bodies(messages: &[aws_sdk_sqs::types::Message]) -> Vec<&str> {
    messages
        .iter()
        .map(|message| message.body.as_deref().unwrap())
        .collect()
}

#[tokio::test]
async fn a_message_is_sent_received_and_deleted() {
    let world = world();
    let client = world.sqs();
    let url = client
        .create_queue()
        .queue_name("q")
        .send()
        .await
        .unwrap()
        .queue_url
        .unwrap();
    assert_eq!(url, URL);
    let sent = client
        .send_message()
        .queue_url(&url)
        .message_body("hello")
        .send()
        .await
        .unwrap();
    // This is the MD5 of "hello".
    assert_eq!(
        sent.md5_of_message_body.as_deref(),
        Some("5d41402abc4b2a76b9719d911017c592")
    );

    let received = client
        .receive_message()
        .queue_url(&url)
        .message_system_attribute_names(MessageSystemAttributeName::All)
        .send()
        .await
        .unwrap();
    let [message] = &received.messages.unwrap()[..] else {
        panic!("one message expected")
    };
    assert_eq!(message.body.as_deref(), Some("hello"));
    assert_eq!(message.message_id, sent.message_id);
    assert_eq!(message.md5_of_body, sent.md5_of_message_body);
    let attributes = message.attributes.as_ref().unwrap();
    assert_eq!(
        attributes[&MessageSystemAttributeName::ApproximateReceiveCount],
        "1"
    );
    assert_eq!(
        attributes[&MessageSystemAttributeName::SentTimestamp],
        START.to_string()
    );

    let handle = message.receipt_handle.as_deref().unwrap();
    client
        .delete_message()
        .queue_url(&url)
        .receipt_handle(handle)
        .send()
        .await
        .unwrap();
    client
        .delete_message()
        .queue_url(&url)
        .receipt_handle(handle)
        .send()
        .await
        .unwrap();
    world.advance(Duration::from_secs(60));
    assert_eq!(receive(&client).await, []);
}

#[tokio::test]
async fn a_received_message_is_hidden_until_its_visibility_timeout_has_passed() {
    let world = world_with_queue();
    let client = world.sqs();
    world.aws.sqs().send_message("q", "m").unwrap();
    assert_eq!(bodies(&receive(&client).await), ["m"]);
    world.advance(Duration::from_secs(30) - Duration::from_millis(1));
    assert_eq!(receive(&client).await, []);
    world.advance(Duration::from_millis(1));
    assert_eq!(bodies(&receive(&client).await), ["m"]);
}

#[tokio::test]
async fn a_receipt_handle_of_an_earlier_delivery_deletes_nothing() {
    let world = world_with_queue();
    let client = world.sqs();
    world.aws.sqs().send_message("q", "m").unwrap();
    let first = receive(&client).await.remove(0).receipt_handle.unwrap();
    world.advance(Duration::from_secs(30));
    let second = receive(&client).await.remove(0).receipt_handle.unwrap();
    assert_ne!(first, second);
    client
        .delete_message()
        .queue_url(URL)
        .receipt_handle(first)
        .send()
        .await
        .unwrap();
    assert_eq!(world.aws.sqs().depth("q").unwrap().in_flight, 1);
    client
        .delete_message()
        .queue_url(URL)
        .receipt_handle(second)
        .send()
        .await
        .unwrap();
    assert_eq!(world.aws.sqs().depth("q").unwrap(), QueueDepth::default());
}

#[tokio::test]
async fn at_most_ten_messages_are_received_in_the_order_of_sending() {
    let world = world_with_queue();
    let client = world.sqs();
    for i in 0..11 {
        world.aws.sqs().send_message("q", &i.to_string()).unwrap();
    }
    assert_eq!(
        bodies(&receive(&client).await),
        ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"]
    );
    assert_eq!(bodies(&receive(&client).await), ["10"]);
    for most in [0, 11] {
        let error = client
            .receive_message()
            .queue_url(URL)
            .max_number_of_messages(most)
            .send()
            .await
            .unwrap_err();
        assert_eq!(error.code(), Some("InvalidParameterValue"), "{most}");
    }
}

#[tokio::test]
async fn the_counts_tell_visible_delayed_and_in_flight_messages_apart() {
    let world = world_with_queue();
    let client = world.sqs();
    for body in ["a", "b"] {
        world.aws.sqs().send_message("q", body).unwrap();
    }
    client
        .send_message()
        .queue_url(URL)
        .message_body("c")
        .delay_seconds(60)
        .send()
        .await
        .unwrap();
    client
        .receive_message()
        .queue_url(URL)
        .send()
        .await
        .unwrap();

    let output = client
        .get_queue_attributes()
        .queue_url(URL)
        .attribute_names(QueueAttributeName::All)
        .send()
        .await
        .unwrap();
    let attributes = output.attributes.unwrap();
    for (name, value) in [
        (QueueAttributeName::ApproximateNumberOfMessages, "1"),
        (
            QueueAttributeName::ApproximateNumberOfMessagesNotVisible,
            "1",
        ),
        (QueueAttributeName::ApproximateNumberOfMessagesDelayed, "1"),
        (QueueAttributeName::VisibilityTimeout, "30"),
        (
            QueueAttributeName::QueueArn,
            "arn:aws:sqs:eu-west-1:000000000000:q",
        ),
    ] {
        assert_eq!(attributes[&name], value, "{name}");
    }
    let one = client
        .get_queue_attributes()
        .queue_url(URL)
        .attribute_names(QueueAttributeName::DelaySeconds)
        .send()
        .await
        .unwrap();
    assert_eq!(one.attributes.unwrap().len(), 1);

    world.advance(Duration::from_secs(60));
    assert_eq!(
        world.aws.sqs().depth("q").unwrap(),
        QueueDepth {
            visible: 3,
            in_flight: 0,
            delayed: 0
        }
    );
}

#[tokio::test]
async fn the_visibility_of_a_message_in_flight_can_be_changed() {
    let world = world_with_queue();
    let client = world.sqs();
    world.aws.sqs().send_message("q", "m").unwrap();
    let handle = receive(&client).await.remove(0).receipt_handle.unwrap();
    let change = |seconds| {
        client
            .change_message_visibility()
            .queue_url(URL)
            .receipt_handle(&handle)
            .visibility_timeout(seconds)
            .send()
    };
    change(100).await.unwrap();
    world.advance(Duration::from_secs(99));
    assert_eq!(receive(&client).await, []);
    change(0).await.unwrap();
    // It is not an error that the message is visible again, and the message stays visible (recorded
    // on AWS by LocalStack).
    change(10).await.unwrap();
    assert_eq!(bodies(&receive(&client).await), ["m"]);
    world.advance(Duration::from_secs(30));
    change(10).await.unwrap();
    let latest = receive(&client).await.remove(0).receipt_handle.unwrap();
    change(0).await.unwrap();
    assert_eq!(
        receive(&client).await,
        [],
        "an older receipt changes nothing"
    );
    let delete = client.delete_message().queue_url(URL);
    delete.receipt_handle(&latest).send().await.unwrap();
    let gone = client
        .change_message_visibility()
        .queue_url(URL)
        .receipt_handle(&latest);
    let gone = gone.visibility_timeout(10).send().await.unwrap_err();
    assert_eq!(gone.code(), Some("InvalidParameterValue"));
    assert_eq!(
        change(43_201).await.unwrap_err().code(),
        Some("InvalidParameterValue")
    );
}

#[tokio::test]
async fn a_queue_that_does_not_exist_is_told_as_both_protocols_name_it() {
    let world = world();
    let client = world.sqs();
    let error = client
        .receive_message()
        .queue_url(URL)
        .send()
        .await
        .unwrap_err()
        .into_service_error();
    assert!(error.is_queue_does_not_exist());
    assert_eq!(error.message(), Some("The specified queue does not exist."));
    assert_eq!(
        error.code(),
        Some("AWS.SimpleQueueService.NonExistentQueue")
    );
    let error = client
        .get_queue_url()
        .queue_name("q")
        .send()
        .await
        .unwrap_err()
        .into_service_error();
    assert!(error.is_queue_does_not_exist());
}

#[tokio::test]
async fn creating_a_queue_again_needs_the_same_attributes() {
    let world = world();
    let client = world.sqs();
    let create = |timeout: &str| {
        client
            .create_queue()
            .queue_name("q")
            .attributes(QueueAttributeName::VisibilityTimeout, timeout)
            .send()
    };
    create("60").await.unwrap();
    create("60").await.unwrap();
    client.create_queue().queue_name("q").send().await.unwrap();
    assert!(
        create("61")
            .await
            .unwrap_err()
            .into_service_error()
            .is_queue_name_exists()
    );
    let bad = client
        .create_queue()
        .queue_name("r")
        .attributes(QueueAttributeName::VisibilityTimeout, "43201")
        .send()
        .await
        .unwrap_err();
    assert!(bad.into_service_error().is_invalid_attribute_value());
}

#[tokio::test]
async fn what_a_queue_here_cannot_do_is_refused_rather_than_ignored() {
    let world = world();
    let client = world.sqs();
    let redrive = client
        .create_queue()
        .queue_name("q")
        .attributes(QueueAttributeName::RedrivePolicy, "{}")
        .send()
        .await
        .unwrap_err();
    assert!(redrive.into_service_error().is_unsupported_operation());
    let fifo = client
        .create_queue()
        .queue_name("q.fifo")
        .send()
        .await
        .unwrap_err();
    assert!(fifo.into_service_error().is_unsupported_operation());
    let unknown = client
        .create_queue()
        .queue_name("q")
        .attributes(QueueAttributeName::from("Colour"), "red")
        .send()
        .await
        .unwrap_err();
    assert!(unknown.into_service_error().is_invalid_attribute_name());
    let name = client
        .create_queue()
        .queue_name("a b")
        .send()
        .await
        .unwrap_err();
    assert_eq!(name.code(), Some("InvalidParameterValue"));
}

#[tokio::test]
async fn a_message_has_a_body_of_valid_characters_and_bounded_size() {
    let world = world_with_queue();
    let client = world.sqs();
    let most = usize::try_from(MAX_MESSAGE_BYTES).unwrap();
    let send = |body: String| {
        client
            .send_message()
            .queue_url(URL)
            .message_body(body)
            .send()
    };
    send("x".repeat(most)).await.unwrap();
    assert_eq!(
        send("x".repeat(most + 1)).await.unwrap_err().code(),
        Some("InvalidParameterValue")
    );
    assert_eq!(
        send(String::new()).await.unwrap_err().code(),
        Some("MissingParameter")
    );
    let control = send("a\u{1}b".to_owned()).await.unwrap_err();
    assert!(control.into_service_error().is_invalid_message_contents());
    assert_eq!(
        world.aws.sqs().send_message("q", ""),
        Err(SqsError::MissingParameter("MessageBody"))
    );
}

#[tokio::test]
async fn a_message_is_gone_after_four_days() {
    let world = world_with_queue();
    world.aws.sqs().send_message("q", "m").unwrap();
    world.advance(Duration::from_secs(4 * 86_400) - Duration::from_millis(1));
    assert_eq!(world.aws.sqs().depth("q").unwrap().visible, 1);
    world.advance(Duration::from_millis(1));
    assert_eq!(world.aws.sqs().depth("q").unwrap(), QueueDepth::default());
}

#[tokio::test]
async fn queues_are_listed_by_prefix_and_deleted() {
    let world = world();
    let client = world.sqs();
    let none = client.list_queues().send().await.unwrap();
    assert_eq!(none.queue_urls, None);
    for name in ["a1", "a2", "b"] {
        world.aws.sqs().create_queue(name).unwrap();
    }
    let listed = client.list_queues().queue_name_prefix("a").send().await;
    let url = |name: &str| format!("https://sqs.eu-west-1.amazonaws.com/000000000000/{name}");
    assert_eq!(listed.unwrap().queue_urls.unwrap(), [url("a1"), url("a2")]);
    client
        .delete_queue()
        .queue_url("https://any.host/000000000000/b")
        .send()
        .await
        .unwrap();
    assert_eq!(world.aws.sqs().depth("b"), Err(SqsError::QueueDoesNotExist));
}

#[tokio::test(start_paused = true)]
async fn a_long_poll_ends_when_a_message_comes_or_its_time_is_up() {
    let aws = model(
        Arc::new(TokioClock::starting_at(START)),
        KinesisOptions::default(),
    );
    aws.sqs().create_queue("q").unwrap();
    let client = aws_sdk_sqs::Client::new(&config(&aws));
    let poll = || {
        client
            .receive_message()
            .queue_url(URL)
            .wait_time_seconds(20)
            .send()
    };
    let elapsed = |since: u64| aws.clock().now_millis() - since;

    let began = aws.clock().now_millis();
    assert_eq!(poll().await.unwrap().messages, None);
    assert_eq!(elapsed(began), 20_000);

    let began = aws.clock().now_millis();
    let send = async {
        tokio::time::sleep(Duration::from_secs(3)).await;
        aws.sqs().send_message("q", "m").unwrap();
    };
    let (received, ()) = tokio::join!(poll(), send);
    assert_eq!(bodies(&received.unwrap().messages.unwrap()), ["m"]);
    assert!(
        (3_000..3_100).contains(&elapsed(began)),
        "{}",
        elapsed(began)
    );
    let error = client
        .receive_message()
        .queue_url(URL)
        .wait_time_seconds(21)
        .send()
        .await
        .unwrap_err();
    assert_eq!(error.code(), Some("InvalidParameterValue"));
}

#[tokio::test]
async fn a_batch_deletes_what_it_can_and_names_what_it_cannot() {
    let world = world_with_queue();
    let sqs = world.aws.sqs();
    for body in ["a", "b", "c"] {
        sqs.send_message("q", body).unwrap();
    }
    let client = world.sqs();
    let received = client
        .receive_message()
        .queue_url(URL)
        .max_number_of_messages(2)
        .send()
        .await
        .unwrap();
    let entry = |id: &str, handle: &str| {
        DeleteMessageBatchRequestEntry::builder()
            .id(id)
            .receipt_handle(handle)
            .build()
            .unwrap()
    };
    let mut entries: Vec<_> = received
        .messages()
        .iter()
        .zip(["1", "2"])
        .map(|(message, id)| entry(id, message.receipt_handle().unwrap()))
        .collect();
    entries.push(entry("3", "nonsense"));
    let batch = |entries| {
        let request = client.delete_message_batch().queue_url(URL);
        request.set_entries(Some(entries)).send()
    };
    let outcome = batch(entries).await.unwrap();
    let deleted: Vec<_> = outcome
        .successful()
        .iter()
        .map(|entry| entry.id())
        .collect();
    assert_eq!(deleted, ["1", "2"]);
    let failed = &outcome.failed()[0];
    assert_eq!(
        (failed.id(), failed.code(), failed.sender_fault()),
        ("3", "ReceiptHandleIsInvalid", true)
    );
    assert_eq!(sqs.depth("q").unwrap().visible, 1);
    assert_eq!(sqs.depth("q").unwrap().in_flight, 0);

    let error = batch(vec![]).await.unwrap_err().into_service_error();
    assert!(error.is_empty_batch_request(), "{error:?}");
    let eleven = (0..11).map(|id| entry(&id.to_string(), "x")).collect();
    let error = batch(eleven).await.unwrap_err().into_service_error();
    assert!(error.is_too_many_entries_in_batch_request(), "{error:?}");
    let error = batch(vec![entry("1", "x"), entry("1", "y")]).await;
    let error = error.unwrap_err().into_service_error();
    assert!(error.is_batch_entry_ids_not_distinct(), "{error:?}");
}
