//! Streams, shards, iterators and records, through the SDK.

use std::time::Duration;

use aws_model::kinesis::{KinesisError, Position};
use aws_sdk_kinesis::error::ProvideErrorMetadata;
use aws_sdk_kinesis::primitives::{Blob, DateTime};
use aws_sdk_kinesis::types::{ShardIteratorType, StreamStatus};
use bytes::Bytes;

use crate::support::{START, all, drain, iterator, put, shard_id, texts, world};

#[tokio::test]
async fn a_record_is_read_back_with_its_key_its_data_and_the_time_it_arrived() {
    let world = world().with_stream(1);
    let client = world.kinesis();
    world.advance(Duration::from_millis(123));
    let sequence_number = put(&client, "key", "some data").await;

    let from_the_start = iterator(&client, 0, ShardIteratorType::TrimHorizon).await;
    let output = client
        .get_records()
        .shard_iterator(from_the_start)
        .send()
        .await
        .unwrap();
    let [record] = &output.records[..] else {
        panic!("one record expected: {output:?}")
    };
    assert_eq!(record.sequence_number, sequence_number);
    assert_eq!(record.partition_key.as_deref(), Some("key"));
    assert_eq!(record.data, Blob::new("some data"));
    // The SDK reads the time from a decimal fraction, so the time is not exact to the nanosecond.
    let arrival = record.approximate_arrival_timestamp.unwrap().as_secs_f64();
    assert_eq!(format!("{arrival:.3}"), "1795329000.123");
    assert_eq!(output.millis_behind_latest, Some(0));
}

#[tokio::test]
async fn a_record_may_hold_no_data() {
    let world = world().with_stream(1);
    let client = world.kinesis();
    put(&client, "key", "").await;
    let from_the_start = iterator(&client, 0, ShardIteratorType::TrimHorizon).await;
    assert_eq!(texts(&drain(&client, from_the_start, 10).await), [""]);
}

#[tokio::test]
async fn a_new_stream_is_active_and_described_with_its_arn_and_shards() {
    let world = world();
    let client = world.kinesis();
    client
        .create_stream()
        .stream_name("s")
        .shard_count(3)
        .send()
        .await
        .unwrap();

    let description = client
        .describe_stream()
        .stream_name("s")
        .send()
        .await
        .unwrap();
    let description = description.stream_description.unwrap();
    assert_eq!(description.stream_status, StreamStatus::Active);
    assert_eq!(
        description.stream_arn,
        "arn:aws:kinesis:eu-west-1:000000000000:stream/s"
    );
    assert_eq!(description.retention_period_hours, 24);
    assert!(!description.has_more_shards);
    let ids: Vec<&str> = description
        .shards
        .iter()
        .map(|shard| shard.shard_id.as_str())
        .collect();
    assert_eq!(
        ids,
        [
            "shardId-000000000000",
            "shardId-000000000001",
            "shardId-000000000002"
        ]
    );
    let ends = |range: &aws_sdk_kinesis::types::HashKeyRange| {
        (
            range.starting_hash_key.clone(),
            range.ending_hash_key.clone(),
        )
    };
    assert_eq!(
        ends(description.shards[1].hash_key_range.as_ref().unwrap()),
        (
            "113427455640312821154458202477256070485".to_owned(),
            "226854911280625642308916404954512140969".to_owned()
        )
    );

    let summary = client
        .describe_stream_summary()
        .stream_name("s")
        .send()
        .await
        .unwrap();
    let summary = summary.stream_description_summary.unwrap();
    assert_eq!(summary.open_shard_count, 3);
    assert_eq!(
        summary.stream_creation_timestamp,
        DateTime::from_millis(i64::try_from(START).unwrap())
    );
}

#[tokio::test]
async fn shards_and_streams_are_listed_in_pages() {
    let world = world().with_stream(5);
    let client = world.kinesis();
    let mut ids = Vec::new();
    let mut page = client
        .list_shards()
        .stream_name("s")
        .max_results(2)
        .send()
        .await
        .unwrap();
    loop {
        ids.push(
            page.shards
                .unwrap()
                .into_iter()
                .map(|shard| shard.shard_id)
                .collect::<Vec<_>>(),
        );
        let Some(token) = page.next_token else { break };
        page = client
            .list_shards()
            .next_token(token)
            .max_results(2)
            .send()
            .await
            .unwrap();
    }
    assert_eq!(
        ids,
        [
            vec![shard_id(0), shard_id(1)],
            vec![shard_id(2), shard_id(3)],
            vec![shard_id(4)]
        ]
    );

    for name in ["a", "b"] {
        world.aws.kinesis().create_stream(name, 1, 24).unwrap();
    }
    let first = client.list_streams().limit(2).send().await.unwrap();
    assert_eq!(
        (first.stream_names, first.has_more_streams),
        (vec!["a".to_owned(), "b".to_owned()], true)
    );
    let second = client
        .list_streams()
        .exclusive_start_stream_name("b")
        .send()
        .await
        .unwrap();
    assert_eq!(
        (second.stream_names, second.has_more_streams),
        (vec!["s".to_owned()], false)
    );
}

#[tokio::test]
async fn a_stream_can_be_named_by_its_arn_in_any_region() {
    let world = world().with_stream(1);
    let client = world.kinesis();
    let put = |arn: &str| {
        client
            .put_record()
            .stream_arn(arn)
            .partition_key("k")
            .data(Blob::new("x"))
            .send()
    };
    put("arn:aws:kinesis:us-east-1:000000000000:stream/s")
        .await
        .unwrap();
    put("arn:aws:kinesis:eu-west-1:000000000000:stream/s")
        .await
        .unwrap();
    let other_account = put("arn:aws:kinesis:eu-west-1:111111111111:stream/s")
        .await
        .unwrap_err();
    assert_eq!(other_account.code(), Some("ResourceNotFoundException"));
    assert_eq!(all(world.aws.kinesis(), 0).len(), 2);
}

#[tokio::test]
async fn a_stream_that_exists_or_does_not_is_refused_by_the_error_of_its_own_shape() {
    let world = world().with_stream(1);
    let client = world.kinesis();
    let exists = client
        .create_stream()
        .stream_name("s")
        .shard_count(1)
        .send()
        .await
        .unwrap_err();
    let exists = exists.into_service_error();
    assert!(exists.is_resource_in_use_exception());
    assert_eq!(
        exists.message(),
        Some("Stream s under account 000000000000 already exists.")
    );

    let missing = client
        .put_record()
        .stream_name("other")
        .partition_key("k")
        .data(Blob::new("x"))
        .send()
        .await
        .unwrap_err()
        .into_service_error();
    assert!(missing.is_resource_not_found_exception());
    assert_eq!(
        missing.message(),
        Some("Stream other under account 000000000000 not found.")
    );

    let no_shard = client
        .get_shard_iterator()
        .stream_name("s")
        .shard_id(shard_id(7))
        .shard_iterator_type(ShardIteratorType::Latest)
        .send()
        .await
        .unwrap_err()
        .into_service_error();
    assert!(no_shard.is_resource_not_found_exception());
    assert_eq!(
        no_shard.message(),
        Some("Shard shardId-000000000007 in stream s under account 000000000000 does not exist")
    );
}

#[tokio::test]
async fn a_bad_stream_name_or_shard_count_lists_every_violation() {
    let world = world();
    let client = world.kinesis();
    let error = client
        .create_stream()
        .stream_name("a b")
        .shard_count(0)
        .send()
        .await
        .unwrap_err();
    assert_eq!(error.code(), Some("ValidationException"));
    assert_eq!(
        error.message(),
        Some(
            "2 validation errors detected: Value '0' at 'shardCount' failed to satisfy constraint: Member must have \
             value greater than or equal to 1; Value 'a b' at 'streamName' failed to satisfy constraint: Member must \
             satisfy regular expression pattern: [a-zA-Z0-9_.-]+"
        )
    );
    let too_many = client
        .create_stream()
        .stream_name("s")
        .shard_count(501)
        .send()
        .await
        .unwrap_err();
    assert_eq!(too_many.code(), Some("ValidationException"));
}

#[tokio::test]
async fn a_deleted_stream_is_gone_and_its_iterators_do_not_read_its_successor() {
    let world = world().with_stream(1);
    let client = world.kinesis();
    put(&client, "k", "old").await;
    let old = iterator(&client, 0, ShardIteratorType::TrimHorizon).await;
    client
        .delete_stream()
        .stream_name("s")
        .send()
        .await
        .unwrap();
    let gone = client
        .describe_stream_summary()
        .stream_name("s")
        .send()
        .await
        .unwrap_err();
    assert!(gone.into_service_error().is_resource_not_found_exception());

    world.advance(Duration::from_secs(1));
    let world = world.with_stream(1);
    let error = client
        .get_records()
        .shard_iterator(old)
        .send()
        .await
        .unwrap_err();
    assert!(error.into_service_error().is_invalid_argument_exception());
    let from_the_start = iterator(&client, 0, ShardIteratorType::TrimHorizon).await;
    assert_eq!(
        texts(&drain(&client, from_the_start, 10).await),
        Vec::<String>::new()
    );
    drop(world);
}

#[tokio::test]
async fn an_explicit_hash_key_overrides_the_partition_key() {
    let world = world().with_stream(2);
    let client = world.kinesis();
    for (hash_key, shard) in [
        ("0", 0),
        ("170141183460469231731687303715884105727", 0),
        ("170141183460469231731687303715884105728", 1),
        ("340282366920938463463374607431768211455", 1),
    ] {
        let output = client
            .put_record()
            .stream_name("s")
            .partition_key("same")
            .explicit_hash_key(hash_key)
            .data(Blob::new("x"))
            .send()
            .await
            .unwrap();
        assert_eq!(output.shard_id, shard_id(shard), "{hash_key}");
    }
    let put = |hash_key: &str| {
        client
            .put_record()
            .stream_name("s")
            .partition_key("same")
            .explicit_hash_key(hash_key)
            .data(Blob::new("x"))
            .send()
    };
    let beyond = put("340282366920938463463374607431768211456")
        .await
        .unwrap_err();
    assert_eq!(beyond.code(), Some("InvalidArgumentException"));
    for malformed in ["-1", "01", "ten", ""] {
        let error = put(malformed).await.unwrap_err();
        assert_eq!(error.code(), Some("ValidationException"), "{malformed:?}");
    }
}

#[tokio::test]
async fn a_sequence_number_for_ordering_is_accepted() {
    let world = world().with_stream(1);
    let client = world.kinesis();
    let first = put(&client, "k", "1").await;
    client
        .put_record()
        .stream_name("s")
        .partition_key("k")
        .sequence_number_for_ordering(first)
        .data(Blob::new("2"))
        .send()
        .await
        .unwrap();
    assert_eq!(all(world.aws.kinesis(), 0).len(), 2);
}

#[tokio::test]
async fn latest_begins_after_what_is_there_and_misses_nothing_that_comes() {
    let world = world().with_stream(1);
    let client = world.kinesis();
    let empty = iterator(&client, 0, ShardIteratorType::Latest).await;
    put(&client, "k", "1").await;
    let latest = iterator(&client, 0, ShardIteratorType::Latest).await;
    let nothing = client
        .get_records()
        .shard_iterator(&latest)
        .send()
        .await
        .unwrap();
    assert!(nothing.records.is_empty());
    put(&client, "k", "2").await;

    assert_eq!(texts(&drain(&client, empty, 10).await), ["1", "2"]);
    assert_eq!(
        texts(&drain(&client, nothing.next_shard_iterator.unwrap(), 10).await),
        ["2"]
    );
    assert_eq!(
        texts(&drain(&client, latest, 10).await),
        ["2"],
        "an iterator can be used again"
    );
}

#[tokio::test]
async fn at_timestamp_begins_with_the_first_record_of_that_time_or_later() {
    let world = world().with_stream(1);
    let client = world.kinesis();
    for data in ["0", "100", "200"] {
        put(&client, "k", data).await;
        world.advance(Duration::from_millis(100));
    }
    let from = async |offset: u64| {
        let output = client
            .get_shard_iterator()
            .stream_name("s")
            .shard_id(shard_id(0))
            .shard_iterator_type(ShardIteratorType::AtTimestamp)
            .timestamp(DateTime::from_millis(
                i64::try_from(START + offset).unwrap(),
            ))
            .send()
            .await
            .map_err(aws_sdk_kinesis::error::SdkError::into_service_error)?;
        Ok::<_, aws_sdk_kinesis::operation::get_shard_iterator::GetShardIteratorError>(texts(
            &drain(&client, output.shard_iterator.unwrap(), 10).await,
        ))
    };
    assert_eq!(from(0).await.unwrap(), ["0", "100", "200"]);
    assert_eq!(from(100).await.unwrap(), ["100", "200"]);
    assert_eq!(from(101).await.unwrap(), ["200"]);
    assert_eq!(from(201).await.unwrap(), Vec::<String>::new());
    assert!(
        from(301).await.unwrap_err().is_invalid_argument_exception(),
        "a time to come is refused"
    );
}

#[tokio::test]
async fn at_and_after_a_sequence_number_differ_by_that_record() {
    let world = world().with_stream(1);
    let client = world.kinesis();
    let mut numbers = Vec::new();
    for data in ["a", "b", "c"] {
        numbers.push(put(&client, "k", data).await);
    }
    for (kind, expected) in [
        (ShardIteratorType::AtSequenceNumber, vec!["b", "c"]),
        (ShardIteratorType::AfterSequenceNumber, vec!["c"]),
    ] {
        let output = client
            .get_shard_iterator()
            .stream_name("s")
            .shard_id(shard_id(0))
            .shard_iterator_type(kind)
            .starting_sequence_number(&numbers[1])
            .send()
            .await
            .unwrap();
        assert_eq!(
            texts(&drain(&client, output.shard_iterator.unwrap(), 10).await),
            expected
        );
    }
}

#[tokio::test]
async fn a_sequence_number_of_another_shard_another_stream_or_no_shape_is_refused() {
    let world = world().with_stream(2);
    let client = world.kinesis();
    let in_shard_1 = world.aws.kinesis().shards("s").unwrap()[1]
        .starting_sequence_number
        .to_string();
    world.advance(Duration::from_secs(60));
    world.aws.kinesis().create_stream("later", 1, 24).unwrap();
    let of_another_stream = world.aws.kinesis().shards("later").unwrap()[0]
        .starting_sequence_number
        .to_string();
    let code = async |number: &str| {
        let error = client
            .get_shard_iterator()
            .stream_name("s")
            .shard_id(shard_id(0))
            .shard_iterator_type(ShardIteratorType::AfterSequenceNumber)
            .starting_sequence_number(number)
            .send()
            .await
            .unwrap_err();
        (
            error.code().unwrap().to_owned(),
            error.message().unwrap().to_owned(),
        )
    };
    let (shard_code, shard_message) = code(&in_shard_1).await;
    assert_eq!(shard_code, "InvalidArgumentException");
    assert!(
        shard_message.contains("It encodes shardId-000000000001"),
        "{shard_message}"
    );
    let (stream_code, stream_message) = code(&of_another_stream).await;
    assert_eq!(stream_code, "InvalidArgumentException");
    assert!(
        stream_message.contains("did not come from this stream"),
        "{stream_message}"
    );
    assert_eq!(code("0").await.0, "InvalidArgumentException");
    assert_eq!(code(&"9".repeat(128)).await.0, "InvalidArgumentException");
    assert_eq!(code("12a").await.0, "ValidationException");
}

#[tokio::test]
async fn an_iterator_type_and_its_companion_must_agree() {
    let world = world().with_stream(1);
    let client = world.kinesis();
    let number = put(&client, "k", "x").await;
    let request = |kind: &str| {
        client
            .get_shard_iterator()
            .stream_name("s")
            .shard_id(shard_id(0))
            .shard_iterator_type(kind.into())
    };
    for (what, request) in [
        (
            "a number with LATEST",
            request("LATEST").starting_sequence_number(&number),
        ),
        (
            "a number with TRIM_HORIZON",
            request("TRIM_HORIZON").starting_sequence_number(&number),
        ),
        ("no number with AFTER", request("AFTER_SEQUENCE_NUMBER")),
        ("no time with AT_TIMESTAMP", request("AT_TIMESTAMP")),
    ] {
        let error = request.send().await.unwrap_err();
        assert_eq!(error.code(), Some("InvalidArgumentException"), "{what}");
    }
    let error = request("SOMETIME").send().await.unwrap_err();
    assert_eq!(error.code(), Some("ValidationException"));
}

#[tokio::test]
async fn an_iterator_can_be_used_for_five_minutes_and_not_a_millisecond_more() {
    let world = world().with_stream(1);
    let client = world.kinesis();
    let iterator = iterator(&client, 0, ShardIteratorType::TrimHorizon).await;
    world.advance(Duration::from_secs(300));
    client
        .get_records()
        .shard_iterator(&iterator)
        .send()
        .await
        .unwrap();
    world.advance(Duration::from_millis(1));
    let error = client
        .get_records()
        .shard_iterator(&iterator)
        .send()
        .await
        .unwrap_err();
    assert!(error.into_service_error().is_expired_iterator_exception());
}

#[tokio::test]
async fn a_text_that_is_no_iterator_is_refused() {
    let world = world().with_stream(1);
    let client = world.kinesis();
    for text in ["x", "AAAA", "MS9zLzA="] {
        let error = client
            .get_records()
            .shard_iterator(text)
            .send()
            .await
            .unwrap_err();
        assert!(
            error.into_service_error().is_invalid_argument_exception(),
            "{text}"
        );
    }
}

#[tokio::test]
async fn millis_behind_latest_says_how_old_the_last_record_read_is_until_none_is_left() {
    let world = world().with_stream(1);
    let client = world.kinesis();
    for data in ["a", "b"] {
        put(&client, "k", data).await;
        world.advance(Duration::from_secs(2));
    }
    let start = iterator(&client, 0, ShardIteratorType::TrimHorizon).await;
    let first = client
        .get_records()
        .shard_iterator(start)
        .limit(1)
        .send()
        .await
        .unwrap();
    assert_eq!(first.millis_behind_latest, Some(4_000));
    let second = client
        .get_records()
        .shard_iterator(first.next_shard_iterator.unwrap())
        .limit(1)
        .send()
        .await
        .unwrap();
    assert_eq!(
        (texts(&second.records), second.millis_behind_latest),
        (vec!["b".to_owned()], Some(0))
    );
}

#[tokio::test]
async fn a_record_is_gone_when_its_retention_has_passed() {
    let world = world().with_stream(1);
    let client = world.kinesis();
    let first = put(&client, "k", "first").await;
    world.advance(Duration::from_secs(3_600));
    put(&client, "k", "second").await;
    world.advance(Duration::from_secs(23 * 3_600) - Duration::from_millis(1));
    assert_eq!(all(world.aws.kinesis(), 0).len(), 2);
    world.advance(Duration::from_millis(1));

    let horizon = iterator(&client, 0, ShardIteratorType::TrimHorizon).await;
    assert_eq!(texts(&drain(&client, horizon, 10).await), ["second"]);
    let at_the_lost_one = client
        .get_shard_iterator()
        .stream_name("s")
        .shard_id(shard_id(0))
        .shard_iterator_type(ShardIteratorType::AtSequenceNumber)
        .starting_sequence_number(first)
        .send()
        .await
        .unwrap();
    assert_eq!(
        texts(&drain(&client, at_the_lost_one.shard_iterator.unwrap(), 10).await),
        ["second"]
    );
}

#[tokio::test]
async fn the_retention_can_be_lengthened_and_shortened_between_a_day_and_a_year() {
    let world = world().with_stream(1);
    let client = world.kinesis();
    let increase = |hours| {
        client
            .increase_stream_retention_period()
            .stream_name("s")
            .retention_period_hours(hours)
            .send()
    };
    let decrease = |hours| {
        client
            .decrease_stream_retention_period()
            .stream_name("s")
            .retention_period_hours(hours)
            .send()
    };
    put(&client, "k", "x").await;
    increase(48).await.unwrap();
    world.advance(Duration::from_secs(47 * 3_600));
    assert_eq!(all(world.aws.kinesis(), 0).len(), 1);
    assert_eq!(
        increase(47).await.unwrap_err().code(),
        Some("InvalidArgumentException")
    );
    assert_eq!(
        increase(8_761).await.unwrap_err().code(),
        Some("InvalidArgumentException")
    );
    decrease(24).await.unwrap();
    assert_eq!(all(world.aws.kinesis(), 0).len(), 0);
    assert_eq!(
        decrease(23).await.unwrap_err().code(),
        Some("InvalidArgumentException")
    );
}

#[test]
fn reading_on_from_latest_finds_what_comes_after_also_in_an_empty_shard() {
    let world = world().with_stream(1);
    let kinesis = world.aws.kinesis();
    let nothing = kinesis
        .read("s", &shard_id(0), Position::Latest, 10)
        .unwrap();
    assert_eq!(
        (nothing.records.len(), nothing.millis_behind_latest),
        (0, 0)
    );
    kinesis
        .put_record("s", "k", Bytes::from_static(b"x"))
        .unwrap();
    let found = kinesis
        .read("s", &shard_id(0), Position::After(nothing.after), 10)
        .unwrap();
    assert_eq!(found.records.len(), 1);
    assert_eq!(
        kinesis
            .read("s", &shard_id(0), Position::After(found.after), 10)
            .unwrap()
            .records,
        []
    );
    assert_eq!(found.after, found.records[0].sequence_number);
}

#[test]
fn a_read_in_process_names_what_it_did_not_find() {
    let world = world().with_stream(1);
    let kinesis = world.aws.kinesis();
    assert_eq!(
        kinesis.read("t", &shard_id(0), Position::Latest, 1),
        Err(KinesisError::StreamNotFound {
            stream: "t".to_owned()
        })
    );
    assert_eq!(
        kinesis.read("s", &shard_id(1), Position::Latest, 1),
        Err(KinesisError::ShardNotFound {
            stream: "s".to_owned(),
            shard: shard_id(1)
        })
    );
    assert!(matches!(
        kinesis.create_stream("t", 0, 24),
        Err(KinesisError::Validation(_))
    ));
    assert!(matches!(
        kinesis.create_stream("t", 1, 23),
        Err(KinesisError::Validation(_))
    ));
}
