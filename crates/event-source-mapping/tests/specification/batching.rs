//! The time at which a batch goes out, the records in it, and the number of batches under way.

use event_source_mapping::{
    ArrivalDecimals, Completion, Event, EventSource, MAX_BATCH_BYTES, MappingOptions, ShardListing,
    payload,
};

use crate::driver::{Driver, SHARD, STREAM, numbers, options, success};

const OTHER_SHARD: &str = "shardId-000000000001";

/// [D] Lambda developer guide, "How Lambda processes records from stream and queue-based event
/// sources", "Batching behavior". With a window of 0 "Lambda sends batches to your function as
/// quickly as possible".
#[test]
fn without_a_window_a_batch_goes_out_as_soon_as_there_is_a_record() {
    let mut stream = Driver::with_records(
        MappingOptions {
            batch_size: 100,
            ..options()
        },
        1,
    );
    assert_eq!(numbers(&stream.invocation().unwrap()), [8]);
}

/// [D] "Batching behavior" has the case "The batch size is met."
#[test]
fn a_full_batch_goes_out_before_the_window_ends() {
    let window = MappingOptions {
        batch_size: 3,
        maximum_batching_window_in_seconds: 300,
        ..options()
    };
    let mut stream = Driver::with_records(window, 3);
    assert_eq!(numbers(&stream.invocation().unwrap()), [8, 9, 10]);
}

/// [D] "Batching behavior" has the case "The batching window reaches its maximum value."
#[test]
fn an_incomplete_batch_goes_out_when_the_window_ends() {
    let window = MappingOptions {
        batch_size: 3,
        maximum_batching_window_in_seconds: 5,
        ..options()
    };
    let mut stream = Driver::with_records(window, 2);
    for _ in 0..5 {
        assert!(stream.invocation().is_none(), "went out at {}", stream.now);
        stream.wake_after(1_000);
    }
    assert_eq!(numbers(&stream.invocation().unwrap()), [8, 9]);
}

/// [D] services-kinesis-parameters. A batch gathers over several reads.
#[test]
fn the_window_gathers_what_arrives_in_it() {
    let window = MappingOptions {
        batch_size: 3,
        maximum_batching_window_in_seconds: 300,
        ..options()
    };
    let mut stream = Driver::with_records(window, 1);
    for key in ["a", "b"] {
        assert!(stream.invocation().is_none());
        stream.put(SHARD, key, b"{}");
        stream.wake_after(1_000);
    }
    assert_eq!(numbers(&stream.invocation().unwrap()), [8, 9, 10]);
}

/// Three records of 3 MB each in base64, of which a batch takes one, and a window in which more
/// might come.
fn three_of_half_a_batch() -> Driver {
    let window = MappingOptions {
        batch_size: 100,
        maximum_batching_window_in_seconds: 300,
        ..options()
    };
    let mut stream = Driver::new(window);
    stream.add_shard(SHARD);
    for key in ["a", "b", "c"] {
        stream.put(SHARD, key, &vec![0; MAX_BATCH_BYTES / 8 * 3]);
    }
    stream.list(&[ShardListing::new(SHARD)]);
    stream
}

/// [D] "Batching behavior" has the case "The payload size reaches 6 MB." Of three records of 3 MB
/// base64 each, one fits.
#[test]
fn six_megabytes_go_out_before_the_window_ends_and_before_the_batch_is_full() {
    let mut stream = three_of_half_a_batch();
    let invocation = stream.invocation().unwrap();
    assert_eq!(numbers(&invocation), [8]);
    assert!(invocation.payload().len() <= MAX_BATCH_BYTES);
}

/// [D] "Batching behavior". A record that a batch has taken no longer counts for the next batch.
#[test]
fn what_six_megabytes_leave_behind_goes_out_by_its_own_size() {
    let mut stream = three_of_half_a_batch();
    // Any two of them are too many, and one is not.
    for number in [8, 9] {
        let invocation = stream.invocation().unwrap();
        assert_eq!(numbers(&invocation), [number]);
        stream.finish(invocation, success());
    }
    assert!(stream.invocation().is_none());
    stream.wake_after(300_000);
    assert_eq!(numbers(&stream.invocation().unwrap()), [10]);
}

/// [D] "Lambda quotas". The whole payload may have 6 MB, so the envelope around the data counts.
#[test]
fn the_six_megabytes_include_base64_and_envelope() {
    let mut stream = Driver::new(MappingOptions {
        batch_size: 10_000,
        ..options()
    });
    stream.add_shard(SHARD);
    // The data of these alone stays below in base64, with 101 × 62,000 bytes.
    for key in 0..101 {
        stream.put(SHARD, &format!("{key:0>200}"), &vec![0; 46_500]);
    }
    stream.list(&[ShardListing::new(SHARD)]);
    let invocation = stream.invocation().unwrap();
    let taken = invocation.batch().records().len();
    assert!(taken < 101, "all were taken");
    assert!(invocation.payload().len() <= MAX_BATCH_BYTES);

    let source = EventSource {
        event_source_arn: STREAM.into(),
        aws_region: "eu-west-1".into(),
        invoke_identity_arn: "arn:aws:iam::123456789012:role/lambda-role".into(),
        arrival_decimals: ArrivalDecimals::Three,
    };
    let one_more = &stream.shards[&SHARD.into()].records[..=taken];
    assert!(payload(&SHARD.into(), one_more, &source).len() > MAX_BATCH_BYTES);
}

/// [I] A batch cannot be smaller than one record.
#[test]
fn a_record_larger_than_six_megabytes_is_a_batch_of_its_own() {
    let mut stream = Driver::new(options());
    stream.add_shard(SHARD);
    stream.put(SHARD, "large", &vec![0; MAX_BATCH_BYTES]);
    stream.put(SHARD, "small", b"{}");
    stream.list(&[ShardListing::new(SHARD)]);
    stream.run(|_| success());
    assert_eq!(stream.batches(), [vec![8], vec![9]]);
}

/// [D] "How Lambda processes records from stream and queue-based event sources" says that "the next
/// batching window begins as soon as the previous function invocation completes".
#[test]
fn the_next_window_begins_when_the_previous_invocation_completes() {
    let window = MappingOptions {
        batch_size: 2,
        maximum_batching_window_in_seconds: 5,
        ..options()
    };
    let mut stream = Driver::with_records(window, 3);
    let invocation = stream.invocation().unwrap();
    stream.wake_after(60_000);
    stream.finish(invocation, success());
    for _ in 0..5 {
        assert!(stream.invocation().is_none(), "went out at {}", stream.now);
        stream.wake_after(1_000);
    }
    assert_eq!(numbers(&stream.invocation().unwrap()), [10]);
}

/// [I] A window that gathered nothing is followed by another window. It does not stay open until
/// the first record closes it.
#[test]
fn a_window_without_records_is_followed_by_the_next_one() {
    let window = MappingOptions {
        batch_size: 2,
        maximum_batching_window_in_seconds: 5,
        ..options()
    };
    let mut stream = Driver::with_records(window, 0);
    stream.wake_after(7_000);
    stream.read_on();
    stream.put(SHARD, "a", b"{}");
    stream.wake_after(1_000);
    assert!(stream.invocation().is_none());
    stream.wake_after(2_000);
    assert_eq!(numbers(&stream.invocation().unwrap()), [8]);
}

/// [D] Lambda developer guide, "Using Lambda to process records from Amazon Kinesis Data Streams".
/// A shard has one concurrent invocation.
#[test]
fn one_batch_of_a_shard_is_in_flight() {
    let mut stream = Driver::with_records(
        MappingOptions {
            batch_size: 1,
            ..options()
        },
        3,
    );
    let first = stream.invocation().unwrap();
    stream.wake_after(60_000);
    assert!(stream.invocation().is_none());
    stream.finish(first, success());
    assert_eq!(numbers(&stream.invocation().unwrap()), [9]);
}

/// [D] Same page. A failed batch blocks its shard until the batch succeeded or was discarded.
#[test]
fn the_next_batch_waits_until_the_failed_one_succeeded() {
    let mut stream = Driver::with_records(
        MappingOptions {
            batch_size: 1,
            ..options()
        },
        2,
    );
    let mut failed = 0;
    stream.run(|_| {
        failed += 1;
        if failed <= 3 {
            Completion::FunctionError
        } else {
            success()
        }
    });
    assert_eq!(stream.batches(), [[8], [8], [8], [8], [9]]);
}

/// [D] Same page. Shards are processed independently.
#[test]
fn a_shard_that_is_blocked_does_not_hold_back_another() {
    let mut stream = Driver::new(MappingOptions {
        batch_size: 1,
        ..options()
    });
    stream.add_shard(SHARD);
    stream.add_shard(OTHER_SHARD);
    stream.put(SHARD, "a", b"{}");
    stream.put(OTHER_SHARD, "b", b"{}");
    stream.put(OTHER_SHARD, "b", b"{}");
    stream.list(&[ShardListing::new(SHARD), ShardListing::new(OTHER_SHARD)]);
    let blocked = stream.invocation().unwrap();
    for _ in 0..2 {
        let other = stream.invocation().unwrap();
        assert_eq!(other.batch().shard_id().as_str(), OTHER_SHARD);
        stream.finish(other, success());
    }
    assert_eq!(blocked.batch().shard_id().as_str(), SHARD);
}

/// [D] services-kinesis-parameters, ParallelizationFactor.
#[test]
fn with_a_parallelization_factor_other_keys_go_on_while_one_is_stuck() {
    let mut stream = Driver::new(MappingOptions {
        batch_size: 1,
        parallelization_factor: 10,
        ..options()
    });
    stream.add_shard(SHARD);
    for _ in 0..3 {
        stream.put(SHARD, "stuck", b"{}");
    }
    for key in 0..40 {
        stream.put(SHARD, &format!("key {key}"), b"{}");
    }
    stream.list(&[ShardListing::new(SHARD)]);
    let (mut stuck, mut others) = (None, 0);
    while let Some(invocation) = stream.invocation() {
        if invocation.batch().records()[0].partition_key == "stuck" {
            assert!(
                stuck.replace(invocation).is_none(),
                "two batches of one key"
            );
        } else {
            stream.finish(invocation, success());
            others += 1;
        }
    }
    assert!((30..=40).contains(&others), "{others} of 40 keys went on");
    assert_eq!(stream.checkpoint(), None, "the shard has one checkpoint");
    stream.finish(stuck.unwrap(), success());
    stream.run(|_| success());
    assert_eq!(stream.checkpoint(), Some(50));
}

/// [I] AWS publishes no bound, but a poller has one.
#[test]
fn what_is_read_ahead_of_a_hot_key_is_bounded_in_records() {
    let mut options = MappingOptions {
        batch_size: 1,
        parallelization_factor: 2,
        ..options()
    };
    options.assumptions.read_limit = 4;
    let mut stream = Driver::new(options);
    stream.add_shard(SHARD);
    for _ in 0..20 {
        stream.put(SHARD, "hot", b"{}");
    }
    stream.list(&[ShardListing::new(SHARD)]);
    let first = stream.invocation().unwrap();
    for _ in 0..20 {
        stream.wake_after(1_000);
        assert!(stream.invocation().is_none());
    }
    assert_eq!(stream.mapping.counters().records_read, 4);
    stream.finish(first, success());
    stream.run(|_| success());
    assert_eq!(stream.batches().len(), 20);
}

/// [I] AWS publishes no bound, but a poller has one.
#[test]
fn what_is_read_ahead_of_a_hot_key_is_bounded_in_bytes() {
    const RECORD: usize = 1024 * 1024;
    let mut options = MappingOptions {
        parallelization_factor: 2,
        ..options()
    };
    options.assumptions.read_limit = 5;
    let mut stream = Driver::new(options);
    stream.add_shard(SHARD);
    for _ in 0..50 {
        stream.put(SHARD, "hot", &vec![0; RECORD]);
    }
    stream.list(&[ShardListing::new(SHARD)]);
    let first = stream.invocation().unwrap();
    for _ in 0..20 {
        stream.wake_after(1_000);
        assert!(stream.invocation().is_none());
    }
    // In base64 a record is a third larger. The last read goes beyond the bound.
    let ahead = usize::try_from(stream.mapping.counters().records_read).unwrap();
    let bytes = (ahead - 5) * (RECORD / 3 * 4);
    assert!(bytes < 4 * MAX_BATCH_BYTES, "{ahead} records were read");
    assert!(bytes > 2 * MAX_BATCH_BYTES, "{ahead} records were read");

    stream.finish(first, success());
    stream.run(|_| success());
    assert_eq!(stream.mapping.counters().records_delivered, 50);
}

/// [D] services-kinesis-parameters, ParallelizationFactor. It is "up to 10".
#[test]
fn with_a_parallelization_factor_as_many_batches_are_in_flight_and_no_more() {
    let mut stream = Driver::with_records(
        MappingOptions {
            batch_size: 1,
            parallelization_factor: 3,
            ..options()
        },
        50,
    );
    let in_flight: Vec<_> = std::iter::from_fn(|| stream.invocation()).collect();
    assert_eq!(in_flight.len(), 3);
    stream.send(Event::Wake);
    assert!(stream.invocation().is_none());
}

/// [D] services-kinesis-parameters, BatchSize. It is up to 10,000.
#[test]
fn ten_thousand_records_are_one_batch() {
    let mut stream = Driver::with_records(
        MappingOptions {
            batch_size: 10_000,
            ..options()
        },
        10_000,
    );
    stream.run(|invocation| {
        assert_eq!(invocation.batch().records().len(), 10_000);
        success()
    });
    assert_eq!(stream.deliveries.len(), 1);
}

/// [D] Kinesis developer guide, "Handling duplicate records". A put whose answer was lost is
/// retried, and its record is then in the stream twice.
#[test]
fn a_record_that_its_producer_put_twice_is_delivered_twice() {
    let mut stream = Driver::new(options());
    stream.add_shard(SHARD);
    for _ in 0..2 {
        stream.put(SHARD, "order-1", b"the same");
    }
    stream.list(&[ShardListing::new(SHARD)]);
    let invocation = stream.invocation().unwrap();
    let [first, second] = invocation.batch().records() else {
        panic!("{invocation:?}")
    };
    assert_eq!(first.data, second.data);
    assert!(first.sequence_number < second.sequence_number);
}
