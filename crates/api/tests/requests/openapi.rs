//! `GET /openapi.json`.

use serde_json::{Value, json};

use crate::world::{World, request, submit, with_header};

fn committed() -> Value {
    serde_json::from_str(include_str!("../../../../docs/openapi.json")).unwrap()
}

#[tokio::test(start_paused = true)]
async fn the_document_is_the_committed_one() {
    let answer = World::new("none")
        .send(request("GET", "/openapi.json"))
        .await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(answer.body, committed());
}

#[tokio::test(start_paused = true)]
async fn a_client_that_has_no_token_yet_may_read_the_document() {
    for callers in ["jwt:sub", "iam", "lambda:user"] {
        let answer = World::new(callers)
            .send(request("GET", "/openapi.json"))
            .await;
        assert_eq!(answer.status, 200, "{callers}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_cache_may_keep_the_document_and_ask_if_it_is_the_same() {
    let answer = World::new("none")
        .send(request("GET", "/openapi.json"))
        .await;
    assert_eq!(answer.header("cache-control"), Some("public, max-age=300"));
    let tag = answer.header("etag").unwrap();
    for (condition, status) in [
        (tag, 304),
        ("*", 304),
        ("\"another\"", 200),
        ("no tag", 200),
    ] {
        let read = with_header(request("GET", "/openapi.json"), "if-none-match", condition);
        let again = World::new("jwt:sub").send(read).await;
        assert_eq!(
            (again.status, again.header("etag")),
            (status, Some(tag)),
            "{condition}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn the_document_is_found_behind_a_stage_too() {
    let mut staged = request("GET", "/prod/openapi.json");
    staged["requestContext"]["stage"] = json!("prod");
    assert_eq!(World::new("none").send(staged).await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn each_example_of_an_order_is_accepted() {
    let document = committed();
    let examples = &document["paths"]["/orders"]["post"]["requestBody"]["content"]["application/json"]
        ["examples"];
    let examples = examples.as_object().unwrap();
    assert!(examples.len() >= 3);
    for (name, example) in examples {
        let world = World::new("none");
        let answer = world.send(submit(&example["value"].to_string())).await;
        assert_eq!(answer.status, 202, "{name}");
        assert_eq!(world.records().len(), 1, "{name}");
    }
}
