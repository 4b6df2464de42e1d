//! The decoder of facts. An event that it takes is written as itself, under an id that follows from
//! the order and the fact.

#![no_main]

use libfuzzer_sys::fuzz_target;
use orders::FactEvent;

/// A text of the dictionary, which stands for content that a client sends.
const MARK: &str = "zq7marker";

fuzz_target!(|bytes: &[u8]| {
    match FactEvent::decode(bytes) {
        Ok(event) => {
            let written = event.encode();
            let read = FactEvent::decode(&written).expect("an event that was written can be read");
            assert_eq!(read, event);
            assert_eq!(read.encode(), written);
            assert!(event.id().starts_with(&event.order_id.to_string()));
        }
        Err(poison) => assert!(!poison.to_string().contains(MARK), "content is repeated"),
    }
});
