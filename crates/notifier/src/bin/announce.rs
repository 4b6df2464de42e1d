//! Publishes facts again from the rows of the orders table. It is a command for an operator, with
//! its own rights, and safe beside a running notifier.

use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use aws_smithy_types::timeout::TimeoutConfig;
use clap::{Args, Parser};
use keyed_batch::Limits;
use notifier::announce::{Announcer, Progress, Which};
use notifier::{Announcements, FactsStream};
use orders::Timestamp;

/// How long a call of a table may take, retries included.
const LONGEST_CALL: Duration = Duration::from_secs(30);

/// Publishes the facts of orders again, from the rows of the orders table.
///
/// Each fact has the same event id as before. A deleted order shows no fact.
#[derive(Debug, Parser)]
#[command(version)]
struct Options {
    #[command(flatten)]
    which: WhichFacts,
    /// The orders table
    #[arg(long, env = "TABLE_NAME", default_value = "orders")]
    orders_table: String,
    /// The stream of facts
    #[arg(long, env = "FACTS_STREAM_NAME", default_value = "order-facts")]
    facts_stream: String,
    /// The table of announcements
    #[arg(
        long,
        env = "ANNOUNCEMENTS_TABLE_NAME",
        default_value = "order-announcements"
    )]
    announcements_table: String,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct WhichFacts {
    /// Publish only facts that have no mark in the table of announcements
    #[arg(long)]
    missing: bool,
    /// Publish all facts, for a new subscriber
    #[arg(long)]
    all: bool,
}

#[tokio::main(flavor = "current_thread")]
#[expect(
    clippy::print_stderr,
    clippy::print_stdout,
    reason = "this is a command for a person"
)]
async fn main() -> ExitCode {
    let options = Options::parse();
    let which = if options.which.missing {
        Which::Missing
    } else {
        Which::All
    };
    let Some(now) = now() else {
        eprintln!("the clock is set to a time that cannot be written");
        return ExitCode::FAILURE;
    };
    let config = function_runtime::sdk_config().await;
    let timeouts = TimeoutConfig::builder()
        .operation_timeout(LONGEST_CALL)
        .build();
    let config = config.into_builder().timeout_config(timeouts).build();
    let client = aws_sdk_dynamodb::Client::new(&config);
    let announcer = Announcer::new(
        client.clone(),
        options.orders_table,
        FactsStream::new(&config, options.facts_stream),
        Announcements::new(client, options.announcements_table),
        Limits::default(),
    );
    let announced = announcer
        .run(which, now, |progress| eprintln!("{}", line(progress)))
        .await;
    match announced {
        Ok(progress) => {
            println!("{}", line(&progress));
            if progress.failed + progress.unreadable == 0 {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            }
        }
        Err(error) => {
            eprintln!("a table cannot be read: {}", error.code());
            ExitCode::FAILURE
        }
    }
}

fn line(progress: &Progress) -> String {
    let Progress {
        rows,
        unreadable,
        facts,
        announced,
        failed,
    } = progress;
    format!(
        "{rows} rows, {facts} facts of {announced} orders announced, {failed} orders failed, {unreadable} rows unreadable"
    )
}

/// The present time. `None` if the clock is set to a time that cannot be written.
fn now() -> Option<Timestamp> {
    let since_epoch = SystemTime::UNIX_EPOCH.elapsed().ok()?;
    Timestamp::from_unix_millis(since_epoch.as_millis().try_into().ok()?)
}
