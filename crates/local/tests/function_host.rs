//! Functions as the host runs them, which is as Lambda does. The tests look at the host from a real
//! function on the real Lambda runtime.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "in a test a panic is the report"
)]

mod support;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use futures::future::join_all;
use local::console::{Captured, Console};
use local::lambda::execution_environment::InitFailureReason;
use local::lambda::function::{Disturbance, Function};
use local::lambda::function_config::{FunctionConfig, MAX_PROCESSES};
use local::lambda::invocation::{FunctionResult, Invocation, InvokeError};
use local::lambda::runtime_api::MAX_PAYLOAD;
use local::watchdog::Watchdog;
use serde_json::{Value, json};
use support::{behind_a_shell, echo_function, eventually, is_running, signal, state_of};
use tempfile::TempDir;

/// A function with a process group that ends with the test.
struct TestFunction {
    function: Arc<Function>,
    console: Captured,
    _watchdog: Watchdog,
}

impl TestFunction {
    fn new() -> Self {
        Self::with(Duration::from_secs(60), &[])
    }

    fn with(timeout: Duration, environment: &[(&str, &str)]) -> Self {
        Self::of(echo_function(), timeout, environment)
    }

    fn of(executable: PathBuf, timeout: Duration, environment: &[(&str, &str)]) -> Self {
        let watchdog = Watchdog::start().unwrap();
        let (console, captured) = Console::captured();
        let function = Function::new(
            FunctionConfig {
                name: "echo".into(),
                executable,
                timeout,
                memory_mb: 256,
                region: "eu-west-1".into(),
                account: "000000000000".into(),
                environment: environment
                    .iter()
                    .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
                    .collect(),
                process_group: watchdog.process_group(),
                show_logs: false,
            },
            console,
        );
        Self {
            function: Arc::new(function),
            console: captured,
            _watchdog: watchdog,
        }
    }

    async fn invoke(&self, event: Value) -> Result<Invocation, InvokeError> {
        self.function.invoke(Bytes::from(event.to_string())).await
    }

    /// The response of an invocation that succeeds.
    async fn respond(&self, event: Value) -> Value {
        match self.invoke(event).await.unwrap().result {
            FunctionResult::Response(payload) => serde_json::from_slice(&payload).unwrap(),
            FunctionResult::Unhandled(payload) | FunctionResult::TimedOut(payload) => {
                panic!("{}", String::from_utf8_lossy(&payload))
            }
        }
    }

    /// The error of an invocation that fails.
    async fn fail(&self, event: Value) -> Value {
        match self.invoke(event).await.unwrap().result {
            FunctionResult::Unhandled(payload) | FunctionResult::TimedOut(payload) => {
                serde_json::from_slice(&payload).unwrap()
            }
            FunctionResult::Response(payload) => panic!("{}", String::from_utf8_lossy(&payload)),
        }
    }

    fn processes(&self) -> Vec<u32> {
        self.function
            .state()
            .processes
            .iter()
            .map(|process| process.pid)
            .collect()
    }

    fn busy(&self) -> usize {
        self.function
            .state()
            .processes
            .iter()
            .filter(|process| process.busy)
            .count()
    }
}

/// Waits until a process works on an invocation, and returns the process's id.
async fn busy(function: &TestFunction) -> u32 {
    eventually("a busy process", async || {
        let processes = function.function.state().processes;
        let busy = processes.iter().find(|process| process.busy);
        busy.map(|process| process.pid)
    })
    .await
}

#[tokio::test]
async fn a_function_answers_its_event() {
    let function = TestFunction::new();
    let response = function.respond(json!({ "hello": "ö" })).await;
    assert_eq!(response["event"], json!({ "hello": "ö" }));
}

#[tokio::test]
async fn invocations_one_after_another_share_one_process() {
    let function = TestFunction::new();
    let mut pids = BTreeSet::new();
    for _ in 0..20 {
        pids.insert(function.respond(json!({})).await["pid"].as_u64().unwrap());
    }
    assert_eq!(pids.len(), 1, "{pids:?}");
    assert_eq!(function.function.state().processes[0].invocations, 20);
}

#[tokio::test]
async fn invocations_at_once_get_a_process_each() {
    let function = TestFunction::new();
    let answers =
        join_all((0..4).map(|_| function.respond(json!({ "do": "sleep", "ms": 300 })))).await;
    let pids: BTreeSet<u64> = answers
        .iter()
        .map(|answer| answer["pid"].as_u64().unwrap())
        .collect();
    assert_eq!(pids.len(), 4, "a process has one invocation at a time");
}

#[tokio::test]
async fn there_are_never_more_than_eight_processes_and_what_is_above_waits_its_turn() {
    let function = TestFunction::new();
    let answers =
        join_all((0..24).map(|_| function.respond(json!({ "do": "sleep", "ms": 50 })))).await;
    let pids: BTreeSet<u64> = answers
        .iter()
        .map(|answer| answer["pid"].as_u64().unwrap())
        .collect();
    assert_eq!(answers.len(), 24);
    assert!(pids.len() <= MAX_PROCESSES, "{pids:?}");
    assert_eq!(function.function.state().counters.throttles, 0);
}

#[tokio::test]
async fn what_waited_five_seconds_for_a_process_is_refused() {
    let function = TestFunction::new();
    let busy: Vec<_> = (0..MAX_PROCESSES)
        .map(|_| function.invoke(json!({ "do": "hang" })))
        .collect();
    let busy = join_all(busy);
    tokio::pin!(busy);
    let refused = async {
        eventually("eight busy processes", async || {
            (function.busy() == MAX_PROCESSES).then_some(())
        })
        .await;
        // From here on only timers can happen, so the clock may jump to them.
        tokio::time::pause();
        let begun = tokio::time::Instant::now();
        let refused = function.invoke(json!({})).await;
        (refused, begun.elapsed())
    };
    let (refused, waited) = tokio::select! {
        refused = refused => refused,
        _ = &mut busy => panic!("the busy processes answered"),
    };
    assert_eq!(refused, Err(InvokeError::Throttled));
    assert!(
        waited >= Duration::from_secs(5) && waited < Duration::from_secs(6),
        "{waited:?}"
    );
    assert_eq!(function.function.state().counters.throttles, 1);
}

#[tokio::test]
async fn a_timeout_kills_the_process_fails_the_invocation_and_the_next_call_works() {
    let function = TestFunction::with(Duration::from_secs(1), &[]);
    let pid = u32::try_from(function.respond(json!({})).await["pid"].as_u64().unwrap()).unwrap();
    let error = function.fail(json!({ "do": "hang" })).await;
    assert_eq!(error["errorType"], "Sandbox.Timedout");
    let message = error["errorMessage"].as_str().unwrap();
    assert!(
        message.ends_with("Error: Task timed out after 1.00 seconds"),
        "{message}"
    );
    assert!(
        !is_running(pid),
        "the process is gone when the caller gets the error"
    );
    assert_ne!(function.respond(json!({})).await["pid"], pid);
    assert_eq!(function.function.state().counters.timeouts, 1);
    assert!(
        function
            .console
            .take()
            .iter()
            .any(|line| line.contains("timed out after 1 s"))
    );
}

#[tokio::test]
async fn a_process_that_spins_is_timed_out_too() {
    let function = TestFunction::with(Duration::from_secs(1), &[]);
    assert_eq!(
        function.fail(json!({ "do": "spin" })).await["errorType"],
        "Sandbox.Timedout"
    );
    assert!(function.processes().is_empty());
}

#[tokio::test]
async fn a_crash_fails_the_invocation_at_once_and_the_next_call_starts_a_fresh_process() {
    let function = TestFunction::new();
    let pid = function.respond(json!({})).await["pid"].clone();
    let begun = Instant::now();
    let error = function.fail(json!({ "do": "crash" })).await;
    assert_eq!(error["errorType"], "Runtime.ExitError");
    assert!(
        error["errorMessage"]
            .as_str()
            .unwrap()
            .ends_with("exit status 7"),
        "{error}"
    );
    assert!(
        begun.elapsed() < Duration::from_secs(10),
        "the error comes before the timeout of 60 s"
    );
    assert_ne!(function.respond(json!({})).await["pid"], pid);
    assert_eq!(function.function.state().counters.crashes, 1);
}

#[tokio::test]
async fn a_process_killed_from_outside_fails_its_invocation() {
    let function = TestFunction::new();
    let hanging = function.fail(json!({ "do": "hang" }));
    let kill = async { signal(busy(&function).await, "KILL") };
    let (error, ()) = tokio::join!(hanging, kill);
    assert!(
        error["errorMessage"]
            .as_str()
            .unwrap()
            .ends_with("signal 9"),
        "{error}"
    );
}

#[tokio::test]
async fn a_process_that_dies_while_idle_is_reported_and_replaced_without_an_error() {
    let function = TestFunction::new();
    let pid = function.respond(json!({})).await["pid"].clone();
    assert_eq!(
        json!(function.function.disturb(Disturbance::Kill)),
        json!([pid])
    );
    eventually("a line about the death", async || {
        function
            .console
            .take()
            .iter()
            .any(|line| line.contains("ended while idle: signal 9"))
            .then_some(())
    })
    .await;
    assert_ne!(function.respond(json!({})).await["pid"], pid);
}

#[tokio::test]
async fn between_two_invocations_a_process_is_frozen() {
    let function = TestFunction::new();
    let frozen = async |pid| {
        eventually("the process being frozen", async || {
            (state_of(pid) == 'T').then_some(())
        })
        .await;
    };
    function.function.warm_up().await.unwrap();
    let pid = function.function.state().processes[0].pid;
    frozen(pid).await;
    let answer = function.respond(json!({ "do": "sleep", "ms": 500 }));
    let running = async {
        eventually("the process being thawed", async || {
            (state_of(pid) != 'T').then_some(())
        })
        .await;
    };
    assert_eq!(tokio::join!(answer, running).0["pid"], pid);
    frozen(pid).await;
}

#[tokio::test]
async fn an_invocation_that_is_frozen_goes_on_when_it_is_thawed() {
    let function = TestFunction::new();
    let answer = function.respond(json!({ "do": "sleep", "ms": 3000 }));
    let disturbed = async {
        busy(&function).await;
        let pids = function.function.disturb(Disturbance::Freeze);
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert_eq!(state_of(pids[0]), 'T');
        function.function.disturb(Disturbance::Thaw);
    };
    tokio::join!(answer, disturbed);
    assert_eq!(function.function.state().counters.crashes, 0);
}

#[tokio::test]
async fn an_invocation_that_stays_frozen_times_out() {
    let function = TestFunction::with(Duration::from_secs(4), &[]);
    let error = function.fail(json!({ "do": "sleep", "ms": 3500 }));
    let disturbed = async {
        busy(&function).await;
        function.function.disturb(Disturbance::Freeze)
    };
    let (error, pids) = tokio::join!(error, disturbed);
    assert_eq!(error["errorType"], "Sandbox.Timedout");
    assert!(!is_running(pids[0]));
}

#[tokio::test]
async fn a_process_that_was_killed_is_neither_listed_nor_signalled_again() {
    let function = TestFunction::new();
    let pid = function.respond(json!({})).await["pid"].clone();
    let kill = || json!(function.function.disturb(Disturbance::Kill));
    assert_eq!((kill(), kill()), (json!([pid]), json!([])));
    assert!(function.processes().is_empty());
    for disturbance in [Disturbance::Freeze, Disturbance::Thaw, Disturbance::Kill] {
        assert!(
            function.function.disturb(disturbance).is_empty(),
            "{disturbance:?}"
        );
    }
    assert_ne!(function.respond(json!({})).await["pid"], pid);
}

/// The id of the process that answers.
async fn answering(function: &TestFunction) -> u32 {
    let pid = function.respond(json!({})).await["pid"].as_u64();
    pid.unwrap().try_into().unwrap()
}

/// The id of the process that answers, which is not the process that the host started.
async fn behind(function: &TestFunction) -> u32 {
    let pid = answering(function).await;
    assert_ne!(function.processes(), [pid]);
    pid
}

async fn ended(pid: u32) {
    eventually("the process's end", async || {
        (!is_running(pid)).then_some(())
    })
    .await;
}

#[tokio::test]
async fn what_a_function_has_started_is_frozen_with_it_between_two_invocations() {
    let folder = TempDir::new().unwrap();
    let minute = Duration::from_secs(60);
    let function = TestFunction::of(behind_a_shell(folder.path(), ""), minute, &[]);
    let pid = behind(&function).await;
    eventually("the process being frozen", async || {
        (state_of(pid) == 'T').then_some(())
    })
    .await;
    assert_eq!(
        behind(&function).await,
        pid,
        "the process is thawed for the next invocation"
    );
    let answer = function.respond(json!({ "do": "sleep", "ms": 1500 }));
    let disturbed = async {
        busy(&function).await;
        function.function.disturb(Disturbance::Freeze);
        assert_eq!(state_of(pid), 'T');
        function.function.disturb(Disturbance::Thaw);
    };
    tokio::join!(answer, disturbed);
}

#[tokio::test]
async fn what_a_function_has_started_ends_with_it_when_it_times_out_or_is_killed_or_ends() {
    let folder = TempDir::new().unwrap();
    // One process is in the foreground, one is in the background, and one is in its own session.
    let others = "sleep 3600 & setsid sleep 3600 & echo $! > daemon";
    let timeout = Duration::from_secs(2);
    let function = TestFunction::of(behind_a_shell(folder.path(), others), timeout, &[]);
    let ways: [(&str, &str); 3] = [("hang", ""), ("", "kill"), ("crash", "")];
    for (event, disturbance) in ways {
        let pid = behind(&function).await;
        let daemon = std::fs::read_to_string(folder.path().join("daemon")).unwrap();
        let daemon: u32 = daemon.trim().parse().unwrap();
        assert!(is_running(daemon));
        if disturbance == "kill" {
            function.function.disturb(Disturbance::Kill);
        } else {
            function.fail(json!({ "do": event })).await;
        }
        ended(pid).await;
        ended(daemon).await;
    }
}

#[tokio::test]
async fn a_function_that_asked_for_it_is_told_before_its_end_and_others_are_not() {
    let minute = Duration::from_secs(60);
    let graceful = TestFunction::with(minute, &[("AT_START", "shut down")]);
    let pid = answering(&graceful).await;
    graceful.function.shut_down().await;
    assert!(!is_running(pid));
    let said = graceful.console.take().join("\n");
    assert!(said.contains("shut down in good time"), "{said}");

    let plain = TestFunction::new();
    let pid = answering(&plain).await;
    plain.function.shut_down().await;
    assert!(!is_running(pid));
    let said = plain.console.take().join("\n");
    assert!(!said.contains("SIGTERM"), "{said}");
}

#[tokio::test]
async fn a_function_that_times_out_is_told_as_well() {
    let environment = [("AT_START", "shut down")];
    let function = TestFunction::with(Duration::from_secs(1), &environment);
    function.fail(json!({ "do": "hang" })).await;
    let said = function.console.take().join("\n");
    assert!(said.contains("shut down in good time"), "{said}");
}

#[tokio::test]
async fn an_error_of_the_function_is_its_answer_and_its_process_lives_on() {
    let function = TestFunction::new();
    let pid = function.respond(json!({})).await["pid"].clone();
    let error = function.fail(json!({ "do": "fail" })).await;
    assert_eq!(error["errorMessage"], "as asked");
    assert_eq!(function.respond(json!({})).await["pid"], pid);
    assert_eq!(function.function.state().counters.errors, 1);
}

#[tokio::test]
async fn an_answer_above_six_megabytes_is_an_error() {
    let function = TestFunction::new();
    let error = function.fail(json!({ "do": "large" })).await;
    assert_eq!(error["errorType"], "Function.ResponseSizeTooLarge");
    function.respond(json!({})).await;
}

#[tokio::test]
async fn an_event_above_six_megabytes_is_refused() {
    let function = TestFunction::new();
    let event = Bytes::from(vec![b' '; MAX_PAYLOAD + 1]);
    assert_eq!(
        function.function.invoke(event).await,
        Err(InvokeError::EventTooLarge)
    );
    assert_eq!(function.function.state().counters.starts, 0);
}

#[tokio::test]
async fn an_invocation_goes_on_when_its_caller_gives_up() {
    let function = TestFunction::new();
    function.respond(json!({})).await;
    let abandoned = function.invoke(json!({ "do": "sleep", "ms": 2000 }));
    assert!(
        tokio::time::timeout(Duration::from_millis(20), abandoned)
            .await
            .is_err()
    );
    eventually("the abandoned invocation's end", async || {
        let state = function.function.state();
        (state.counters.invocations == 2 && !state.processes[0].busy).then_some(())
    })
    .await;
    assert_eq!(function.function.state().counters.starts, 1);
}

#[tokio::test]
async fn a_function_sees_what_lambda_sets_and_nothing_of_the_users_environment() {
    let function = TestFunction::with(Duration::from_secs(60), &[("TABLE_NAME", "orders")]);
    let response = function.respond(json!({})).await;
    let environment = response["environment"].as_object().unwrap();
    for (name, value) in [
        ("AWS_REGION", "eu-west-1"),
        ("AWS_DEFAULT_REGION", "eu-west-1"),
        ("AWS_LAMBDA_FUNCTION_NAME", "echo"),
        ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256"),
        ("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand"),
        ("AWS_LAMBDA_LOG_GROUP_NAME", "/aws/lambda/echo"),
        ("_HANDLER", "bootstrap"),
        ("TZ", ":UTC"),
        ("TABLE_NAME", "orders"),
    ] {
        assert_eq!(environment[name], value, "{name}");
    }
    assert!(
        environment["AWS_LAMBDA_LOG_STREAM_NAME"]
            .as_str()
            .unwrap()
            .contains("[$LATEST]")
    );
    assert!(
        environment["AWS_LAMBDA_RUNTIME_API"]
            .as_str()
            .unwrap()
            .starts_with("127.0.0.1:")
    );
    assert!(
        std::env::var_os("HOME").is_some(),
        "without HOME here, the next assertion shows nothing"
    );
    assert!(!environment.contains_key("HOME"));
}

#[tokio::test]
async fn an_invocation_knows_its_id_deadline_function_and_trace() {
    let function = TestFunction::with(Duration::from_secs(30), &[]);
    let before = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_millis();
    let invocation = function.invoke(json!({})).await.unwrap();
    let after = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_millis();
    let FunctionResult::Response(payload) = &invocation.result else {
        panic!("{invocation:?}")
    };
    let response: Value = serde_json::from_slice(payload).unwrap();
    let context = &response["context"];
    assert_eq!(context["request_id"], invocation.request_id);
    assert_eq!(
        context["function_arn"],
        "arn:aws:lambda:eu-west-1:000000000000:function:echo"
    );
    let deadline = u128::from(context["deadline"].as_u64().unwrap());
    assert!(
        (before + 30_000..=after + 30_000).contains(&deadline),
        "{before} {deadline} {after}"
    );
    assert!(context["trace"].as_str().unwrap().starts_with("Root=1-"));
}

#[tokio::test]
async fn a_function_that_dies_at_start_fails_with_its_last_line() {
    let function = TestFunction::with(Duration::from_secs(60), &[("AT_START", "die")]);
    let failure = function.function.warm_up().await.unwrap_err();
    assert!(matches!(failure.reason, InitFailureReason::Exited(_)));
    assert_eq!(
        failure.to_string(),
        "echo died at start (exit status 3): TABLE_NAME is not set"
    );
    let error = function.fail(json!({})).await;
    assert_eq!(
        error["errorType"], "Runtime.ExitError",
        "an invocation fails in the same way"
    );
    assert!(function.processes().is_empty());
}

#[tokio::test]
async fn a_function_that_never_asks_for_work_is_given_up_after_ten_seconds() {
    let function = TestFunction::with(Duration::from_secs(60), &[("AT_START", "hang")]);
    let failure = async {
        let failure = function.function.warm_up();
        tokio::time::pause();
        failure.await.unwrap_err()
    };
    assert_eq!(failure.await.to_string(), "echo was not ready after 10 s");
}

#[tokio::test]
async fn a_binary_that_is_not_there_is_a_failed_start() {
    let (console, _captured) = Console::captured();
    let function = TestFunction::new();
    let config = FunctionConfig {
        name: "absent".into(),
        executable: "/nonexistent/bootstrap".into(),
        timeout: Duration::from_secs(1),
        memory_mb: 128,
        region: "eu-west-1".into(),
        account: "000000000000".into(),
        environment: vec![],
        process_group: function._watchdog.process_group(),
        show_logs: false,
    };
    let failure = Function::new(config, console).warm_up().await.unwrap_err();
    assert!(
        matches!(failure.reason, InitFailureReason::Spawn(_)),
        "{failure}"
    );
}

#[tokio::test]
async fn dropping_a_function_kills_its_processes_busy_or_idle() {
    let function = TestFunction::new();
    let pids = {
        let hanging = function.invoke(json!({ "do": "hang" }));
        let both = async {
            eventually("a busy process", async || {
                (function.busy() == 1).then_some(())
            })
            .await;
            function.respond(json!({})).await;
            function.processes()
        };
        tokio::select! {
            pids = both => pids,
            _ = hanging => panic!("the hanging process answered"),
        }
    };
    assert_eq!(pids.len(), 2);
    let TestFunction {
        function,
        _watchdog,
        ..
    } = function;
    drop(function);
    for pid in pids {
        eventually("the process's end", async || {
            (!is_running(pid)).then_some(())
        })
        .await;
    }
}

#[tokio::test]
async fn refused_requests_are_shown_at_once_and_then_added_up() {
    let function = TestFunction::new();
    let flood = async {
        eventually("eight busy processes", async || {
            (function.busy() == MAX_PROCESSES).then_some(())
        })
        .await;
        // Only timers can happen now.
        tokio::time::pause();
        let refused = join_all((0..30).map(|_| function.invoke(json!({})))).await;
        assert!(
            refused
                .iter()
                .all(|refused| *refused == Err(InvokeError::Throttled))
        );
        tokio::time::sleep(Duration::from_secs(2)).await;
        let mut lines = function.console.take();
        lines.retain(|line| line.contains("refused"));
        lines
    };
    let lines = tokio::select! {
        lines = flood => lines,
        _ = join_all((0..MAX_PROCESSES).map(|_| function.invoke(json!({ "do": "hang" })))) => panic!("the busy processes ended"),
    };
    assert_eq!(
        lines,
        [
            "echo: refused a request: all 8 processes were busy for 5 s",
            "echo: refused 29 requests: all 8 processes were busy for 5 s"
        ]
    );
    assert_eq!(function.function.state().counters.throttles, 30);
}

#[tokio::test]
async fn warnings_and_stray_lines_of_a_function_are_shown_and_information_is_not() {
    let function = TestFunction::new();
    for text in [
        r#"{"level":"INFO","fields":{"message":"fine"}}"#,
        r#"{"level":"WARN","fields":{"message":"odd","attempt":2}}"#,
        "thread 'main' panicked",
    ] {
        function
            .respond(json!({ "do": "print", "text": text }))
            .await;
    }
    let mut lines = Vec::new();
    eventually("the last line", async || {
        lines.extend(function.console.take());
        lines
            .iter()
            .any(|line| line == "echo: thread 'main' panicked")
            .then_some(())
    })
    .await;
    assert!(
        lines.iter().any(|line| line == "echo: WARN odd attempt=2"),
        "{lines:?}"
    );
    assert!(!lines.iter().any(|line| line.contains("fine")), "{lines:?}");
}
