//! The decoder of intents. An event that it takes is written as itself, and what it does to a row
//! is done once.

#![no_main]

use std::collections::BTreeMap;

use libfuzzer_sys::fuzz_target;
use orders::{
    Caller, Fact, FactEvent, Fingerprint, Intent, IntentKind, NewOrder, Outcome, Poison, Row, Step,
    Timestamp, next_step,
};
use serde_json::value::RawValue;
use serde_json::{Value, json};

/// A text of the dictionary, which stands for content that a client sends.
const MARK: &str = "zq7marker";

/// The members of an object, whatever they hold.
type Members = BTreeMap<String, Box<RawValue>>;

fuzz_target!(|bytes: &[u8]| {
    let intent = match Intent::decode(bytes) {
        Err(Poison::FingerprintMismatch) => {
            let event = with_its_fingerprint(bytes);
            Intent::decode(&event).expect("only the fingerprint was wrong")
        }
        Err(poison) => {
            assert!(!poison.to_string().contains(MARK), "content is repeated");
            return;
        }
        Ok(intent) => intent,
    };
    let written = intent.encode();
    let read = Intent::decode(&written).expect("an event that was written can be read");
    assert_eq!(read, intent);
    assert_eq!(read.encode(), written);
    assert!(!format!("{intent:?}").contains(MARK), "content is shown");

    let Step::Write { write, outcome } = next_step(&intent, None) else {
        panic!("the first step is no write");
    };
    assert_eq!(outcome, Outcome::Applied);
    let item = write.apply_to(None).expect("there is no row that refuses");
    let row = Row::from_item(&item).expect("a row that was written can be read");
    let done = Step::Done(Outcome::AlreadyApplied);
    assert_eq!(next_step(&intent, Some(&row)), done);

    let now = Timestamp::parse("2026-11-22T05:00:00Z").expect("a time");
    let facts = Fact::announced_by(None, Some(&row));
    for fact in &facts {
        let event = FactEvent::new(intent.order_id, fact.clone(), now);
        assert_eq!(FactEvent::decode(&event.encode()).as_ref(), Ok(&event));
    }
    match &intent.kind {
        IntentKind::Submit(submit) => {
            let fingerprint = Fingerprint::of(&submit.owner, &submit.order);
            assert_eq!(submit.fingerprint, fingerprint);
            let view = row.view(intent.order_id, &submit.owner);
            assert_eq!(view.expect("the owner's order").content(), &submit.order);
            let stranger = Caller::parse("somebody else").expect("a name");
            let is_stranger = stranger != submit.owner;
            assert!(!is_stranger || row.view(intent.order_id, &stranger).is_none());
            assert_eq!(facts.len(), 1);
        }
        IntentKind::Cancel(cancel) => {
            assert!(row.cancel_of(&cancel.caller).is_some());
            assert!(row.view(intent.order_id, &cancel.caller).is_none());
            assert!(facts.is_empty());
        }
    }
});

/// The same event with the fingerprint of its data. A changed order would never be taken without.
fn with_its_fingerprint(bytes: &[u8]) -> Vec<u8> {
    let mut event: Members = serde_json::from_slice(bytes).expect("an event is an object");
    let mut data: Value = serde_json::from_str(event["data"].get()).expect("data is JSON");
    let owner = data["owner"].as_str().and_then(Caller::parse);
    let order = NewOrder::parse(data["order"].to_string().as_bytes());
    let fingerprint = Fingerprint::of(&owner.expect("a name"), &order.expect("an order"));
    data["fingerprint"] = json!(fingerprint);
    let data = RawValue::from_string(data.to_string()).expect("JSON");
    event.insert("data".to_owned(), data);
    serde_json::to_vec(&event).expect("an event can be written")
}
