//! Events that are requests, events that are not, and the part of a path before `/orders`.

use std::time::Duration;

use api::BasePath;
use function_runtime::Failure;
use serde_json::{Value, json};

use crate::world::{ORDER, World, request, submit, with_header};

const TIME: Duration = Duration::from_secs(10);

#[tokio::test(start_paused = true)]
async fn an_event_that_is_not_a_request_in_payload_format_2_fails_the_invocation() {
    let version_1 = json!({"version": "1.0", "resource": "/orders", "path": "/orders", "httpMethod": "POST",
        "headers": {}, "requestContext": {"httpMethod": "POST", "path": "/orders", "stage": "$default"}, "body": ORDER});
    let mut rest = version_1.clone();
    rest.as_object_mut().unwrap().remove("version");
    let load_balancer = json!({"requestContext": {"elb": {"targetGroupArn": "arn"}}, "httpMethod": "POST",
        "path": "/orders", "headers": {}, "body": ORDER, "isBase64Encoded": false});
    let queue = json!({"Records": [{"messageId": "m", "body": "{}", "eventSource": "aws:sqs"}]});
    let mut authorizer = submit(ORDER);
    authorizer["type"] = json!("REQUEST");
    let mut newer = submit(ORDER);
    newer["version"] = json!("3.0");
    let mut of_numbers = submit(ORDER);
    of_numbers["version"] = json!(2.0);
    let mut of_arrays = submit(ORDER);
    of_arrays["requestContext"]["http"] = json!(["POST"]);
    let as_array = json!(["2.0", null, "/orders", {"content-type": "application/json"}, ORDER, false, {"http": {"method": "POST"}}]);
    let mut without_method = submit(ORDER);
    without_method["requestContext"]["http"] = json!({});
    for event in [
        of_numbers,
        of_arrays,
        as_array,
        json!([1]),
        json!({"version": null}),
        json!({"version": {"2.0": null}}),
        version_1,
        rest,
        load_balancer,
        queue,
        authorizer,
        newer,
        without_method,
        json!({}),
        json!(null),
        json!([]),
        json!("x"),
    ] {
        let world = World::new("none");
        let answer = world.answer(event.to_string().as_bytes(), TIME).await;
        assert_eq!(answer.err(), Some(Failure::UnreadableEvent), "{event}");
        assert!(world.records().is_empty(), "{event}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_event_that_is_not_json_is_a_request_that_cannot_be_read() {
    let event = with_header(submit(ORDER), "user-agent", "Beno@t's").to_string();
    let (before, after) = event.split_once('@').unwrap();
    let latin_1 = [before.as_bytes(), b"\xEE", after.as_bytes()].concat();
    let escaped = [before, r"\xEE", after].concat().into_bytes();
    let half_a_pair = [before, r"\ud800", after]
        .concat()
        .replace("user-agent", "prefer")
        .into_bytes();
    let cut_off = before.as_bytes().to_vec();
    for bytes in [latin_1, escaped, half_a_pair, cut_off] {
        let world = World::new("none");
        let answer = world.answer(&bytes, TIME).await.unwrap();
        let expected = (400, "urn:problem:orders:malformed-request");
        assert_eq!((answer.status, answer.text("type")), expected);
        assert_eq!(
            answer.header("content-type"),
            Some("application/problem+json")
        );
        assert!(!answer.body.to_string().contains("Beno"));
        assert!(world.records().is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn a_field_that_nobody_uses_fails_no_request_whatever_it_holds() {
    for value in [
        json!(null),
        json!(7),
        json!(1e300),
        json!([]),
        json!({"a": []}),
        json!("\u{0}"),
    ] {
        let mut request = submit(ORDER);
        for field in [
            "routeKey",
            "rawQueryString",
            "cookies",
            "queryStringParameters",
            "pathParameters",
            "stageVariables",
        ] {
            request[field] = value.clone();
        }
        for field in [
            "accountId",
            "apiId",
            "domainName",
            "time",
            "timeEpoch",
            "authentication",
        ] {
            request["requestContext"][field] = value.clone();
        }
        request["requestContext"]["http"]["userAgent"] = value.clone();
        request["headers"]["user-agent"] = value.clone();
        let world = World::new("none");
        assert_eq!(world.send(request).await.status, 202, "{value}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_header_that_the_front_door_did_not_join_counts_as_sent_twice_all_the_same() {
    let key = "0b3f0c52-7b53-4d0c-9a63-5a2f1f0e9d11";
    let twice = with_header(submit(ORDER), "idempotency-key", key);
    let twice = with_header(twice, "Idempotency-Key", key);
    assert_eq!(World::new("none").send(twice).await.status, 400);
}

/// An API at a base path, as the setting has it.
fn at(base_path: &str) -> World {
    let mut world = World::new("none");
    world.api.base_path = BasePath::parse(base_path).unwrap();
    world
}

fn submit_at(path: &str) -> Value {
    let mut request = submit(ORDER);
    request["rawPath"] = json!(path);
    request
}

#[tokio::test(start_paused = true)]
async fn what_a_custom_domain_puts_before_the_path_is_taken_off_and_put_into_location() {
    for (base_path, path) in [
        ("/v1", "/v1/orders"),
        ("shop/v1", "/shop/v1/orders"),
        ("orders", "/orders/orders"),
    ] {
        let world = at(base_path);
        let answer = world.send(submit_at(path)).await;
        assert_eq!(answer.status, 202, "{path}");
        let location = format!("{path}/{}", answer.text("order_id"));
        assert_eq!(answer.header("location"), Some(location.as_str()));
        world.consume().await;
        assert_eq!(world.send(request("GET", &location)).await.status, 200);
        let cancel = world
            .send(request("POST", &format!("{location}/cancel")))
            .await;
        assert_eq!(
            (cancel.status, cancel.header("location")),
            (202, Some(location.as_str()))
        );
    }
}

// AWS says that the event of a custom domain is without the path at which the domain maps the API.
#[tokio::test(start_paused = true)]
async fn at_a_custom_domain_location_has_the_base_path_and_no_stage() {
    for (base_path, stage, path, base) in [
        ("/v1", "$default", "/orders", "/v1"),
        ("/v1", "$default", "/v1/orders", "/v1"),
        ("/v1", "prod", "/prod/orders", "/v1"),
        ("", "prod", "/prod/orders", ""),
    ] {
        let mut request = submit_at(path);
        request["requestContext"]["stage"] = json!(stage);
        request["requestContext"]["domainName"] = json!("shop.example");
        let answer = at(base_path).send(request).await;
        assert_eq!(answer.status, 202, "{path}");
        let location = format!("{base}/orders/{}", answer.text("order_id"));
        assert_eq!(answer.header("location"), Some(location.as_str()), "{path}");
    }
}

#[tokio::test(start_paused = true)]
async fn at_the_apis_own_address_nothing_precedes_the_path() {
    let world = at("/v1");
    let mut request = submit_at("/orders");
    request["requestContext"]["domainName"] = json!("a1.execute-api.eu-west-1.amazonaws.com");
    let answer = world.send(request).await;
    assert_eq!(answer.status, 202);
    assert!(answer.header("location").unwrap().starts_with("/orders/"));
}

#[tokio::test(start_paused = true)]
async fn another_path_before_the_path_is_a_404() {
    for (base_path, path) in [
        ("/v1", "/v2/orders"),
        ("/v1", "/v10/orders"),
        ("", "/v1/orders"),
        ("/v1", "/v1/v1/orders"),
    ] {
        assert_eq!(
            at(base_path).send(submit_at(path)).await.status,
            404,
            "{path}"
        );
    }
}
