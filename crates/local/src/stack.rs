//! The stack as a whole. This module says what is started and in which sequence, what each part is
//! told, and how the stack ends.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use aws_model::event_source::{ChangeStreamReader, DiscardQueue, ShardReader};
use aws_model::{ACCOUNT, Aws, DEFAULT_REGION};
use serde_json::json;
use tokio::task::JoinSet;

use crate::aws::calls::Calls;
use crate::aws::control::Control;
use crate::aws::port;
use crate::banner::banner;
use crate::console::Console;
use crate::gateway::front_door;
use crate::gateway::routes::Routes;
use crate::lambda::execution_environment::InitFailure;
use crate::lambda::function::Function;
use crate::lambda::function_config::FunctionConfig;
use crate::mapping::poller::{Poller, PollerError, SharedMapping, Source};
use crate::options::Options;
use crate::resources::{
    self, ANNOUNCEMENTS_TABLE, CHANGE_STREAM_RETENTION_HOURS, CHANGES_QUEUE, FACTS_QUEUE,
    FACTS_STREAM, INTENTS_QUEUE, INTENTS_STREAM, LOCKS_TABLE, ORDERS_TABLE, SHIPMENTS_TABLE,
};
use crate::servers::foreign::Hosts;
use crate::servers::loopback_port::{Listeners, PortError, ReservedPort};
use crate::settings::{FunctionSettings, MappingSettings, Settings, SettingsError};
use crate::watchdog::Watchdog;

/// The functions of the stack. Each has its own processes, whatever binary it runs.
const FUNCTIONS: [&str; 5] = ["api", "reader", "consumer", "notifier", "shipping"];

/// The reason why the stack could not start or go on. Each message is one line for a person, and
/// the exit code is 1.
#[derive(Debug, thiserror::Error)]
pub enum StackError {
    /// The settings file cannot be used.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// A port cannot be opened.
    #[error(
        "{variable}: port {port} on {} cannot be opened: {}",
        source.address,
        describe_port_error(&source.source)
    )]
    Port {
        /// The variable that chooses the port.
        variable: &'static str,
        /// The port that was asked for.
        port: u16,
        /// The address, and the error of the operating system.
        source: PortError,
    },
    /// A function's binary is not where it should be.
    #[error("the binary {} is missing; run `make build`", path.display())]
    MissingBinary {
        /// The place where the binary should be.
        path: PathBuf,
    },
    /// The place of `local` itself is unknown, so the place of the functions is unknown too.
    #[error("cannot find out where this program is: {0}")]
    OwnPath(io::Error),
    /// The shell cannot be started. It makes sure that no process is left behind.
    #[error("sh cannot be started: {0}")]
    Watchdog(io::Error),
    /// A service of the model did not start or refused its stream, table or queue.
    #[error("{0}")]
    Aws(String),
    /// A function cannot start.
    #[error("{0}")]
    Function(#[from] InitFailure),
    /// The ready file cannot be written.
    #[error("{}: cannot be written: {source}", path.display())]
    ReadyFile {
        /// The file.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
    /// The shell is gone, so processes could be left behind.
    #[error("the shell that guards the function processes was killed")]
    WatchdogEnded,
    /// Records are not delivered any more.
    #[error(transparent)]
    Poller(#[from] PollerError),
    /// A server ended although nobody asked it to.
    #[error("a server broke down: {0}")]
    Server(String),
}

fn describe_port_error(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::AddrInUse => "another program uses it".to_owned(),
        _ => error.to_string(),
    }
}

/// Starts everything, prints on `console` what runs where, and runs until `stop` is ready.
///
/// When this function returns, every process of the stack is gone. If its future is dropped, or its
/// process is killed, the processes of the stack are gone within moments.
///
/// # Errors
/// If something cannot be started, or if something breaks down that the stack cannot do without.
pub async fn run(
    options: &Options,
    console: &Console,
    stop: impl Future<Output = ()>,
) -> Result<(), StackError> {
    let plan = Plan::make(options)?;
    let mut watchdog = Watchdog::start().map_err(StackError::Watchdog)?;
    let process_group = watchdog.process_group();
    let functions = OnceLock::new();
    let result = tokio::select! {
        result = serve(plan, options, console, process_group, &functions) => result.map(|never| match never {}),
        () = watchdog.ended() => Err(StackError::WatchdogEnded),
        () = stop => Ok(()),
    };
    // Nobody is served any more. The last lines of an idle process are still shown.
    if let Some([api, reader, consumer, notifier, shipping]) = functions.get() {
        tokio::join!(
            api.shut_down(),
            reader.shut_down(),
            consumer.shut_down(),
            notifier.shut_down(),
            shipping.shut_down()
        );
    }
    console.silence();
    watchdog.stop().await;
    result
}

/// The parts that can be found out, and can be wrong, before anything runs.
struct Plan {
    settings: Settings,
    http_port: ReservedPort,
    aws_port: ReservedPort,
    binaries: Binaries,
}

/// The functions' binaries. The functions `api` and `reader` have one.
struct Binaries {
    api: PathBuf,
    consumer: PathBuf,
    notifier: PathBuf,
    shipping: PathBuf,
}

impl Plan {
    fn make(options: &Options) -> Result<Self, StackError> {
        let settings = Settings::read(&options.settings)?;
        let own_path = std::env::current_exe().map_err(StackError::OwnPath)?;
        let binaries = own_path.parent().unwrap_or(Path::new("/"));
        Ok(Self {
            settings,
            binaries: Binaries {
                api: binary(binaries, "api")?,
                consumer: binary(binaries, "consumer")?,
                notifier: binary(binaries, "notifier")?,
                shipping: binary(binaries, "shipping")?,
            },
            http_port: take_port("PORT", options.port)?,
            aws_port: take_port("AWS_PORT", options.aws_port)?,
        })
    }
}

async fn serve(
    plan: Plan,
    options: &Options,
    console: &Console,
    process_group: i32,
    functions: &OnceLock<[Arc<Function>; FUNCTIONS.len()]>,
) -> Result<Infallible, StackError> {
    let Plan {
        settings,
        http_port,
        aws_port,
        binaries,
    } = plan;
    let aws = Aws::new(aws_model::ModelOptions::default())
        .map_err(|error| StackError::Aws(error.to_string()))?;
    let change_stream =
        resources::create(&aws, &settings).map_err(|error| StackError::Aws(error.to_string()))?;
    let aws_port_number = aws_port.port();
    let function = |name: &str, executable, settings: &FunctionSettings, own: &[(&str, &str)]| {
        let config = FunctionConfig {
            name: name.into(),
            executable,
            timeout: Duration::from_secs(settings.timeout_seconds.into()),
            memory_mb: settings.memory_mb,
            region: DEFAULT_REGION.into(),
            account: ACCOUNT.into(),
            environment: environment(name, aws_port_number, options, own),
            process_group,
            show_logs: options.logs,
        };
        Arc::new(Function::new(config, console.clone()))
    };
    let (caller, base_path, requests_per_caller) = (
        ("CALLER", &*options.caller),
        ("BASE_PATH", &*options.base_path),
        ("REQUESTS_PER_CALLER", &*options.requests_per_caller),
    );
    let api = function(
        "api",
        binaries.api.clone(),
        &settings.api,
        &[
            ("SERVES", "writes"),
            ("STREAM_NAME", INTENTS_STREAM),
            caller,
            base_path,
            requests_per_caller,
            ("REQUIRE_IDEMPOTENCY_KEY", &options.require_idempotency_key),
            ("HOT_SHARD_ESCAPE", &options.hot_shard_escape),
        ],
    );
    let reader = function(
        "reader",
        binaries.api,
        &settings.api,
        &[
            ("SERVES", "reads"),
            ("TABLE_NAME", ORDERS_TABLE),
            ("MAX_WAIT_SECONDS", &*options.max_wait_seconds),
            caller,
            base_path,
            requests_per_caller,
        ],
    );
    let max_in_flight = settings.consumer_max_in_flight.to_string();
    let consumer = function(
        "consumer",
        binaries.consumer,
        &settings.consumer,
        &[
            ("TABLE_NAME", ORDERS_TABLE),
            ("MAX_IN_FLIGHT", &max_in_flight),
        ],
    );
    let notifier = function(
        "notifier",
        binaries.notifier,
        &settings.notifier,
        &[
            ("FACTS_STREAM_NAME", FACTS_STREAM),
            ("ANNOUNCEMENTS_TABLE_NAME", ANNOUNCEMENTS_TABLE),
        ],
    );
    let shipping = function(
        "shipping",
        binaries.shipping,
        &settings.subscriber,
        &[
            ("SHIPMENTS_TABLE_NAME", SHIPMENTS_TABLE),
            ("LOCKS_TABLE_NAME", LOCKS_TABLE),
        ],
    );
    let all = [&api, &reader, &consumer, &notifier, &shipping].map(Arc::clone);
    // The cell is set once, because this function is called once.
    let _ = functions.set(all.clone());

    let kinesis = |name: &str| {
        let arn = aws.kinesis().stream_arn(name);
        (Source::Kinesis(ShardReader::new(aws.clone(), &arn)), arn)
    };
    let changes = Source::ChangeStream(ChangeStreamReader::new(aws.clone(), ORDERS_TABLE));
    let poller = |(source, arn): (Source, String),
                  retention_hours,
                  function: &Arc<Function>,
                  mapping: &MappingSettings,
                  queue: &str| {
        let mapping = mapping.mapping(
            arn,
            retention_hours,
            function.arn(),
            aws.sqs().queue_arn(queue),
            &options.settings,
        )?;
        let url = format!("http://127.0.0.1:{aws_port_number}/{ACCOUNT}/{queue}");
        Ok::<_, SettingsError>(Poller {
            aws: aws.clone(),
            source,
            queue: DiscardQueue::new(aws.clone(), url),
            function: Arc::clone(function),
            mapping: SharedMapping::new(mapping),
            console: console.clone(),
        })
    };
    let pollers = [
        poller(
            kinesis(INTENTS_STREAM),
            settings.intents.retention_hours,
            &consumer,
            &settings.consumer_mapping,
            INTENTS_QUEUE,
        )?,
        poller(
            (changes, change_stream),
            CHANGE_STREAM_RETENTION_HOURS,
            &notifier,
            &settings.notifier_mapping,
            CHANGES_QUEUE,
        )?,
        poller(
            kinesis(FACTS_STREAM),
            settings.facts.retention_hours,
            &shipping,
            &settings.subscriber_mapping,
            FACTS_QUEUE,
        )?,
    ];
    let calls = Calls::of(&FUNCTIONS);
    let control = Arc::new(Control {
        aws: aws.clone(),
        streams: &[INTENTS_STREAM, FACTS_STREAM],
        queues: &[INTENTS_QUEUE, CHANGES_QUEUE, FACTS_QUEUE],
        mappings: pollers
            .iter()
            .map(|poller| (poller.function.name().to_owned(), poller.mapping.clone()))
            .collect(),
        functions: all.to_vec(),
        calls: calls.clone(),
        console: console.clone(),
        ready: AtomicBool::new(false),
    });

    let hosts = Hosts::and(&options.allowed_hosts);
    let mut servers = JoinSet::new();
    let aws_listener = listen("AWS_PORT", aws_port)?;
    let routes = Arc::clone(&control);
    servers.spawn(port::serve(
        aws_listener,
        hosts.clone(),
        aws.clone(),
        calls,
        move |request| routes.answer(request),
    ));
    // A setting that is wrong for both the api and the reader is always the api's complaint.
    let api_then_reader = async {
        api.warm_up().await?;
        reader.warm_up().await
    };
    tokio::try_join!(
        api_then_reader,
        consumer.warm_up(),
        notifier.warm_up(),
        shipping.warm_up()
    )?;

    // This port is opened last. So a client that finds it open finds everything else in place.
    let http_port_number = http_port.port();
    let http_listener = listen("PORT", http_port)?;
    servers.spawn(front_door::serve(
        http_listener,
        hosts,
        Routes {
            reader,
            api,
            base_path: options.base_path.clone(),
        },
        console.clone(),
    ));
    control.ready.store(true, Ordering::Release);
    console.verbatim(banner(http_port_number, aws_port_number, &settings));
    if let Some(path) = &options.ready_file {
        write_ready_file(path, http_port_number, aws_port_number)?;
    }
    let mut polling: JoinSet<_> = pollers.into_iter().map(Poller::run).collect();
    tokio::select! {
        Some(polled) = polling.join_next() => match polled {
            Ok(polled) => Ok(polled?),
            Err(error) => Err(PollerError::Panicked(error.to_string()).into()),
        },
        Some(ended) = servers.join_next() => {
            Err(StackError::Server(ended.err().map_or_else(|| "it returned".into(), |error| error.to_string())))
        }
    }
}

fn take_port(variable: &'static str, port: u16) -> Result<ReservedPort, StackError> {
    ReservedPort::take(port).map_err(|source| StackError::Port {
        variable,
        port,
        source,
    })
}

fn listen(variable: &'static str, reserved: ReservedPort) -> Result<Listeners, StackError> {
    let port = reserved.port();
    reserved.listen().map_err(|source| StackError::Port {
        variable,
        port,
        source,
    })
}

fn binary(directory: &Path, name: &str) -> Result<PathBuf, StackError> {
    let path = directory.join(name);
    if path.is_file() {
        Ok(path)
    } else {
        Err(StackError::MissingBinary { path })
    }
}

/// The variables of a function besides those that Lambda sets. They say where AWS is, whom the
/// function acts as, and how the function itself is configured.
fn environment(
    name: &str,
    aws_port: u16,
    options: &Options,
    own: &[(&str, &str)],
) -> Vec<(String, String)> {
    let endpoint = format!("http://127.0.0.1:{aws_port}");
    let common = [
        ("AWS_ENDPOINT_URL", endpoint.as_str()),
        ("AWS_ACCESS_KEY_ID", name),
        ("AWS_SECRET_ACCESS_KEY", "local"),
        ("AWS_SESSION_TOKEN", "local"),
        ("LOG_LEVEL", &options.log_level),
    ];
    common
        .iter()
        .chain(own)
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

/// Writes the ready file. It is written under another name first, so a reader that sees the file
/// sees all of it.
fn write_ready_file(path: &Path, port: u16, aws_port: u16) -> Result<(), StackError> {
    let ready = json!({ "port": port, "aws_port": aws_port, "pid": std::process::id() });
    let unfinished = path.with_extension(format!("{}.tmp", std::process::id()));
    std::fs::write(&unfinished, ready.to_string())
        .and_then(|()| std::fs::rename(&unfinished, path))
        .map_err(|source| StackError::ReadyFile {
            path: path.to_owned(),
            source,
        })
}
