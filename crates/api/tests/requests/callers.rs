//! The caller of a request, by each setting of `CALLER`.

use std::time::Duration;

use api::CallerSource;
use orders::{IntentKind, Submit};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::world::{ORDER, World, from, request, submit, with_authorizer};

/// The caller in the event that a submit with this authorizer context makes, or the status if it
/// makes none.
async fn caller(setting: &str, authorizer: Value) -> Result<String, i64> {
    let world = World::new(setting);
    let answer = world.send(with_authorizer(submit(ORDER), authorizer)).await;
    match world.intents().first().map(|intent| &intent.kind) {
        Some(IntentKind::Submit(Submit { owner, .. })) => Ok(owner.as_str().to_owned()),
        _ => Err(answer.status),
    }
}

#[tokio::test(start_paused = true)]
async fn where_no_caller_is_known_everyone_is_anonymous() {
    let authorizer = json!({"jwt": {"claims": {"sub": "ann"}, "scopes": null}});
    assert_eq!(caller("none", authorizer).await.as_deref(), Ok("anonymous"));
    assert_eq!(
        caller("none", Value::Null).await.as_deref(),
        Ok("anonymous")
    );
}

#[tokio::test(start_paused = true)]
async fn a_token_names_the_caller_by_the_claim_that_is_set() {
    let authorizer =
        json!({"jwt": {"claims": {"sub": "ann", "client_id": "shop"}, "scopes": null}});
    assert_eq!(
        caller("jwt:sub", authorizer.clone()).await.as_deref(),
        Ok("ann")
    );
    assert_eq!(
        caller("jwt:client_id", authorizer).await.as_deref(),
        Ok("shop")
    );
}

#[tokio::test(start_paused = true)]
async fn a_signature_names_its_principal_and_of_an_assumed_role_the_role() {
    let iam = |arn: &str| json!({"iam": {"accountId": "123456789012", "userArn": arn}});
    let user = "arn:aws:iam::123456789012:user/ann";
    assert_eq!(caller("iam", iam(user)).await.as_deref(), Ok(user));
    let session = "arn:aws:sts::123456789012:assumed-role/shop/i-0abc";
    assert_eq!(
        caller("iam", iam(session)).await.as_deref(),
        Ok("arn:aws:sts::123456789012:assumed-role/shop")
    );
}

#[tokio::test(start_paused = true)]
async fn a_lambda_authorizer_names_the_caller_by_the_field_that_is_set() {
    let authorizer = json!({"lambda": {"tenant": "t-1", "nested": {}}});
    assert_eq!(
        caller("lambda:tenant", authorizer.clone()).await.as_deref(),
        Ok("t-1")
    );
    assert_eq!(caller("lambda:nested", authorizer).await, Err(401));
}

// A number may have lost digits before it is compared, and the number 7 is not the text "7".
#[tokio::test(start_paused = true)]
async fn a_name_that_is_not_text_names_nobody() {
    for name in [
        json!(7),
        json!(-0.0),
        json!(1e300),
        json!(true),
        json!(["ann"]),
        json!(null),
    ] {
        for (setting, authorizer) in [
            ("lambda:user", json!({"lambda": {"user": name}})),
            ("jwt:sub", json!({"jwt": {"claims": {"sub": name}}})),
            ("iam", json!({"iam": {"userArn": name}})),
        ] {
            assert_eq!(
                caller(setting, authorizer).await,
                Err(401),
                "{setting} {name}"
            );
        }
    }
}

/// A JSON value as text, since a number of any length has to arrive as it was written.
fn any_name() -> impl Strategy<Value = String> {
    prop_oneof![
        1 => "[1-9][0-9]{0,40}",
        1 => "-?[0-9]\\.[0-9]{1,30}",
        1 => "[1-9]e[0-9]{1,3}",
        // These texts are names. They look like each other and like the JSON values of the other
        // lines.
        20 => "[7.0eE ]{1,4}|true|null|[aA\u{e9}]{1,2}".prop_map(|text| json!(text).to_string()),
        1 => Just("null".to_owned()),
        1 => Just("true".to_owned()),
    ]
}

// An authorizer's other fields must not turn its callers away.
#[tokio::test(start_paused = true)]
async fn what_an_authorizer_says_besides_the_name_does_not_matter() {
    let world = World::new("lambda:user");
    let event = String::from_utf8(authorized(r#""ann","balance":1e309,"x":[[[{}]]]"#)).unwrap();
    let answer = world
        .answer(event.as_bytes(), Duration::from_secs(10))
        .await;
    assert_eq!(answer.unwrap().status, 202);
}

fn authorized(name: &str) -> Vec<u8> {
    let event = with_authorizer(submit(ORDER), json!({"lambda": {"user": "@"}}));
    event.to_string().replace(r#""@""#, name).into_bytes()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    // Neither reads the other's order, whatever form their names have.
    #[test]
    fn different_names_are_different_callers_or_none(one in any_name(), other in any_name()) {
        prop_assume!(one != other);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let owners: Vec<_> = runtime.block_on(async {
            let world = World::new("lambda:user");
            for name in [&one, &other] {
                let answer = world.answer(&authorized(name), Duration::from_secs(10)).await;
                prop_assert!([202, 401].contains(&answer.unwrap().status));
            }
            Ok(world.intents())
        })?;
        let owner = |intent: &orders::Intent| match &intent.kind {
            IntentKind::Submit(Submit { owner, .. }) => owner.as_str().to_owned(),
            other => panic!("only submits are sent, not {other:?}"),
        };
        if let [one, other] = &owners[..] {
            prop_assert_ne!(owner(one), owner(other));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn who_is_required_and_not_named_is_a_401_and_never_anonymous() {
    for setting in ["jwt:sub", "iam", "lambda:tenant"] {
        for authorizer in [
            Value::Null,
            json!({}),
            json!({"jwt": {"claims": {}}}),
            json!({"jwt": {"claims": {"sub": ""}}}),
            json!({"iam": {}}),
            json!({"lambda": {"tenant": ""}}),
            json!({"jwt": {"claims": {"sub": "anonymous"}}, "lambda": {"tenant": "anonymous"}}),
        ] {
            assert_eq!(
                caller(setting, authorizer.clone()).await,
                Err(401),
                "{setting} {authorizer}"
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_401_on_every_route_names_the_scheme() {
    let id = "7d444840-9dc0-41d1-b245-5ffdce74fad2";
    for (setting, scheme) in [("jwt:sub", "Bearer"), ("iam", "AWS4-HMAC-SHA256")] {
        let world = World::new(setting);
        let cancel = request("POST", &format!("/orders/{id}/cancel"));
        for request in [
            submit(ORDER),
            cancel,
            request("GET", &format!("/orders/{id}")),
        ] {
            let answer = world.send(request).await;
            assert_eq!(
                (answer.status, answer.header("www-authenticate")),
                (401, Some(scheme))
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_caller_with_control_characters_is_no_caller() {
    let world = World::new("jwt:sub");
    assert_eq!(world.send(from(submit(ORDER), "a\nb")).await.status, 401);
}

#[test]
fn a_wrong_setting_is_refused_with_what_it_has_to_be() {
    for text in ["", "jwt", "jwt:", "iam:x", "lambda:", "everyone", "JWT:sub"] {
        assert_eq!(
            CallerSource::parse(text),
            Err("must be none, jwt:CLAIM, iam or lambda:FIELD".to_owned()),
            "{text}"
        );
    }
}
