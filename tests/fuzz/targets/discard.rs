//! The reader of the messages that a discard leaves at the on-failure destination.

#![no_main]

use event_source_mapping::{DiscardMessage, SequenceNumber};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(message) = serde_json::from_slice::<DiscardMessage>(bytes) else {
        return;
    };
    // The times of a DynamoDB stream are written without the milliseconds that somebody may have
    // given them. After that nothing is lost any more.
    let written = serde_json::to_vec(&message).expect("a message can be written");
    let read: DiscardMessage =
        serde_json::from_slice(&written).expect("a message that was written can be read");
    assert_eq!(read.request_context, message.request_context);
    assert_eq!(read.response_context, message.response_context);
    assert_eq!(read.timestamp, message.timestamp);
    let again = serde_json::to_vec(&read).expect("a message can be written");
    assert_eq!(again, written);

    let (range, before) = (read.batch_info.records(), message.batch_info.records());
    assert_eq!(range.shard_id, before.shard_id);
    assert_eq!(range.batch_size, before.batch_size);
    assert_eq!(range.stream_arn, before.stream_arn);
    for (number, before) in [
        (&range.start_sequence_number, &before.start_sequence_number),
        (&range.end_sequence_number, &before.end_sequence_number),
    ] {
        assert_eq!(number, before);
        if let Ok(parsed) = SequenceNumber::parse(number) {
            assert_eq!(parsed.as_str(), number);
            let padded = SequenceNumber::parse(&format!("0{number}"));
            assert!(padded.is_err() || padded == Ok(parsed));
        }
    }
});
