//! Ties the model to DynamoDB: what [`Write::apply_to`](crate::write::Write::apply_to) does to an item is what DynamoDB does.

use std::sync::Arc;

use aws_model::{Aws, ManualClock, Service};
use proptest::prelude::*;
use serde_json::json;
use tokio::time::{Duration, Instant};

use crate::record::{Body, Record, State};
use crate::transition::{self, Answer, Claim, Next};
use crate::write::{Refused, Write};
use crate::{Key, LeaseTable, Settings};

fn table(aws: &Aws) -> LeaseTable {
    let table = json!({"TableName": "locks", "BillingMode": "PAY_PER_REQUEST",
        "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
        "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}]});
    aws.operate(Service::DynamoDb, "CreateTable", &table)
        .unwrap();
    let config = aws.sdk_config();
    LeaseTable::new(&config, "locks", Settings::default())
}

/// The item as the next refusal returns it: a write that never holds of an item that is there.
async fn stored(table: &LeaseTable, key: &Key) -> Option<Record> {
    let probe = transition::release("nobody");
    let until = Instant::now() + Duration::from_secs(10);
    match table.write(key, &probe, until).await.unwrap() {
        Answer::Refused(record) => record,
        Answer::Done => panic!("nobody held it"),
    }
}

fn owner() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["a".to_owned(), "b".to_owned()])
}

fn record() -> impl Strategy<Value = Record> {
    let settled = (
        prop::sample::select(vec![State::Completed, State::Failed]),
        body(),
    );
    let open = prop::sample::select(vec![State::InProgress, State::Released])
        .prop_map(|state| (state, Body::Nothing));
    (prop_oneof![open, settled], owner(), 1_u64..4, 0_u64..3).prop_map(
        |((state, body), owner, lease_until, takeovers)| Record {
            state,
            fingerprint: "f".to_owned(),
            owner,
            lease_until,
            expires_at: 10,
            ttl: 1,
            takeovers,
            body,
        },
    )
}

fn body() -> impl Strategy<Value = Body> {
    prop_oneof![
        Just(Body::Nothing),
        Just(Body::Json("{\"a\": 1}".to_owned())),
        Just(Body::Digest("00".to_owned())),
    ]
}

/// Every kind of write that the lock makes.
fn write() -> impl Strategy<Value = Write> {
    let wish = |owner: String| Claim {
        owner,
        fingerprint: "f".to_owned(),
        lease_until: 2,
        expires_at: 10,
        ttl: 1,
    };
    let takeover = move |(owner, seen): (String, Record)| {
        let wish = wish(owner);
        let sent = transition::first(&wish);
        match transition::claim(&wish, &sent, Answer::Refused(Some(seen)), 100, 0) {
            Next::Send(write) => write,
            _ => sent,
        }
    };
    prop_oneof![
        owner().prop_map(move |owner| transition::first(&wish(owner))),
        (owner(), record()).prop_map(takeover),
        (owner(), body()).prop_map(|(owner, body)| {
            transition::settle(&owner, State::Completed, &body, 20, 2)
        }),
        owner().prop_map(|owner| transition::release(&owner)),
        (owner(), 1_u64..5).prop_map(|(owner, until)| transition::renew(&owner, until)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn what_the_model_does_is_what_dynamodb_does(writes in prop::collection::vec(write(), 1..12), start in prop::option::of(record())) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let aws = Aws::new(aws_model::ModelOptions { clock: Arc::new(ManualClock::at(0)), ..Default::default() }).unwrap();
            let (table, key) = (table(&aws), Key::new("n", ["k"]).unwrap());
            let until = Instant::now() + Duration::from_secs(10);
            let mut item = None;
            if let Some(start) = start {
                // As it is, whatever it is: a claim with another content.
                let mut put = transition::first(&Claim { owner: String::new(), fingerprint: String::new(), lease_until: 0, expires_at: 0, ttl: 0 });
                put.change = crate::write::Change::Replace(start.to_item());
                assert_eq!(table.write(&key, &put, until).await, Ok(Answer::Done));
                item = Some(start.to_item());
            }
            for write in writes {
                let expected = match write.apply_to(item.as_ref()) {
                    Ok(after) => {
                        item = Some(after);
                        Answer::Done
                    }
                    Err(Refused(old)) => Answer::Refused(old.map(|old| Record::from_item(&old).unwrap())),
                };
                assert_eq!(table.write(&key, &write, until).await, Ok(expected), "{write:?}");
                let stored = stored(&table, &key).await.map(|record| record.to_item());
                assert_eq!(stored, item, "{write:?}");
            }
        });
    }
}
