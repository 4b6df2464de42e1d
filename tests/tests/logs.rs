//! The logs of the functions, and their output when they cannot start.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

use std::process::{Command, Output};

use tests::{Stack, StackOptions, function};

/// A text that is in everything that a client sends, and nowhere else.
const MARK: &str = "zq7marker";

#[tokio::test]
async fn no_order_content_caller_key_or_header_is_in_a_log_at_any_level() {
    let stack = Stack::start_with(StackOptions {
        caller: Some("jwt:sub"),
        log_level: Some("trace"),
        ..StackOptions::default()
    })
    .await;
    let caller = format!("caller-{MARK}");
    let key = format!("key-{MARK}-0b3f0c52-7b53-4d0c");
    let headers = [
        ("x-local-caller", caller.as_str()),
        ("idempotency-key", &key),
        ("x-anything", MARK),
    ];
    let order = |sku: &str| {
        format!(
            r#"{{"customer_id": "c-{MARK}", "currency": "EUR", "note": "{MARK}",
                 "items": [{{"sku": "{sku}-{MARK}", "quantity": 1, "unit_price": 1}}]}}"#
        )
    };
    let accepted = stack.submit(&headers, &order("A")).await;
    let id = accepted.text("order_id").to_owned();
    stack.persisted(&id, &headers).await;
    stack.submit(&headers, &order("B")).await; // a conflict
    stack.cancel(&id, &headers).await;
    stack.submit(&headers, &format!("{{\"{MARK}\": 1}}")).await; // unknown field
    stack.submit(&headers, MARK).await; // no JSON
    let batch = format!("{{\"orders\": [{}, {{\"{MARK}\": 1}}]}}", order("D"));
    let of_batch = stack.batch(&headers, &batch).await;
    let id_of_batch = of_batch.body["results"][0]["order_id"].as_str().unwrap();
    stack.persisted(id_of_batch, &headers).await;
    stack.read(&format!("no-id-{MARK}"), &headers).await;
    stack.put(MARK, format!("poison {MARK}")).await;
    stack
        .put(
            MARK,
            format!(r#"{{"specversion": "1.0", "type": "{MARK}"}}"#),
        )
        .await;
    stack.fault("kinesis", "InternalFailure", 600).await;
    stack.submit(&headers, &order("C")).await;
    let refused = format!("{{\"orders\": [{}, {}]}}", order("E"), order("F"));
    assert_eq!(stack.batch(&headers, &refused).await.status, 207);
    stack.fault("dynamodb", "AccessDeniedException", 600).await;
    stack.read(&id, &headers).await;
    stack.no_faults().await;
    stack.discarded().await;

    let log = stack.log();
    let quotes: Vec<&str> = log.lines().filter(|line| line.contains(MARK)).collect();
    assert!(quotes.is_empty(), "{quotes:#?}");
    let has_id = |line: &&str| line.contains(&id) || line.contains(id_of_batch);
    let ids: Vec<&str> = log.lines().filter(has_id).collect();
    assert!(ids.is_empty(), "an order id is a capability: {ids:#?}");
    // An alarm counts these lines. One is of the order by itself, and two are of the batch.
    let unacknowledged = log.matches("the stream did not acknowledge an intent");
    assert_eq!(unacknowledged.count(), 3, "{log}");
    for expected in [
        "answered",
        "a batch was answered",
        "batch",
        "record rejected",
        "the stream did not acknowledge",
    ] {
        assert!(
            log.contains(expected),
            "the log has no {expected:?}:\n{log}"
        );
    }
}

/// Starts a function without a stack, with these variables only.
fn start(name: &str, variables: &[(&str, &str)]) -> Output {
    let lambda = [
        ("AWS_LAMBDA_FUNCTION_NAME", "f"),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128"),
        ("AWS_LAMBDA_FUNCTION_VERSION", "1"),
        ("AWS_LAMBDA_RUNTIME_API", "127.0.0.1:9"),
        ("AWS_REGION", "us-east-1"),
    ];
    let mut command = Command::new(function(name));
    command.env_clear().envs(lambda);
    for (name, value) in variables {
        match *value {
            "" => command.env_remove(name),
            value => command.env(name, value),
        };
    }
    command.output().unwrap()
}

#[test]
fn a_function_whose_settings_are_missing_or_wrong_says_which_in_one_line() {
    let api = [
        ("LOG_LEVEL", "info"),
        ("STREAM_NAME", "s"),
        ("TABLE_NAME", "t"),
        ("CALLER", "none"),
    ];
    let consumer = [
        ("LOG_LEVEL", "info"),
        ("TABLE_NAME", "t"),
        ("MAX_IN_FLIGHT", "32"),
    ];
    let mut cases = vec![];
    for (function, settings) in [("api", &api[..]), ("consumer", &consumer[..])] {
        for (name, _) in settings {
            cases.push((
                function,
                settings,
                *name,
                "",
                format!("setting {name} is missing"),
            ));
        }
        for name in ["AWS_LAMBDA_FUNCTION_NAME", "AWS_LAMBDA_RUNTIME_API"] {
            cases.push((
                function,
                settings,
                name,
                "",
                format!("setting {name} is missing"),
            ));
        }
        let levels = "setting LOG_LEVEL is wrong: must be error, warn, info, debug or trace";
        cases.push((function, settings, "LOG_LEVEL", "loud", levels.to_owned()));
    }
    // An environment that has one name too few for what the function serves.
    let (writes, reads) = (
        [api[0], api[1], api[3], ("SERVES", "writes")],
        [api[0], api[2], api[3], ("SERVES", "reads")],
    );
    for (settings, name) in [(&writes, "STREAM_NAME"), (&reads, "TABLE_NAME")] {
        let missing = format!("setting {name} is missing");
        cases.push(("api", settings, name, "", missing));
    }
    let parts = "setting SERVES is wrong: must be all, writes or reads";
    cases.push(("api", &api, "SERVES", "everything", parts.to_owned()));
    let callers = "setting CALLER is wrong: must be none, jwt:CLAIM, iam or lambda:FIELD";
    cases.push(("api", &api, "CALLER", "everyone", callers.to_owned()));
    for number in ["26", "-1", "5.5", "long"] {
        let range = "setting MAX_WAIT_SECONDS is wrong: must be a whole number from 0 to 25";
        for settings in [&api, &reads] {
            let name = "MAX_WAIT_SECONDS";
            cases.push(("api", settings, name, number, range.to_owned()));
        }
    }
    for number in ["0", "1001", "many"] {
        let range = "setting MAX_IN_FLIGHT is wrong: must be a whole number from 1 to 1000";
        cases.push((
            "consumer",
            &consumer,
            "MAX_IN_FLIGHT",
            number,
            range.to_owned(),
        ));
    }
    for (function, settings, name, value, expected) in cases {
        let mut variables = settings.to_vec();
        variables.push((name, value));
        let output = start(function, &variables);
        assert_eq!(output.status.code(), Some(1), "{function} {name}={value}");
        let printed = String::from_utf8(output.stdout.clone()).unwrap();
        assert_eq!(printed.lines().count(), 1, "{printed}");
        assert!(
            printed.contains(&format!("\"{expected}\"")),
            "{function} {name}={value}: {printed}"
        );
        assert!(output.stderr.is_empty(), "{output:?}");
    }
}
