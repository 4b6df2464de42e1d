//! `POST /orders/{id}/cancel`.

use orders::{Cancel, IntentKind};

use crate::world::{World, from, request};

const ID: &str = "7d444840-9dc0-41d1-b245-5ffdce74fad2";

#[tokio::test(start_paused = true)]
async fn a_cancel_is_accepted_without_looking_at_the_order() {
    let world = World::new("jwt:sub");
    let answer = world
        .send(from(
            request("POST", &format!("/orders/{ID}/cancel")),
            "ann",
        ))
        .await;
    assert_eq!(answer.status, 202);
    let fields: Vec<&String> = answer.body.as_object().unwrap().keys().collect();
    assert_eq!(fields, ["accepted_at", "intent_id", "order_id", "status"]);
    assert_eq!(
        answer.header("location"),
        Some(format!("/orders/{ID}").as_str())
    );
    assert_eq!(world.records()[0].partition_key, ID);
    let IntentKind::Cancel(Cancel { caller }) = &world.intents()[0].kind else {
        panic!("not a cancel")
    };
    assert_eq!(caller.as_str(), "ann");
}

#[tokio::test(start_paused = true)]
async fn what_is_no_order_id_is_a_400_and_writes_nothing() {
    let world = World::new("none");
    for id in [
        "1",
        "7D444840-9DC0-41D1-B245-5FFDCE74FAD2",
        "7d4448409dc041d1b2455ffdce74fad2",
    ] {
        assert_eq!(
            world
                .send(request("POST", &format!("/orders/{id}/cancel")))
                .await
                .status,
            400,
            "{id}"
        );
        assert_eq!(
            world
                .send(request("GET", &format!("/orders/{id}")))
                .await
                .status,
            400,
            "{id}"
        );
    }
    assert!(world.records().is_empty());
}
