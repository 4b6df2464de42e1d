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
/// Each fact has the same event id as before, so subscribers know a repetition. A deleted order
/// shows no fact. If an order is deleted while this command runs, a subscriber may get its
/// "created" behind its "erased". docs/events.md says what a subscriber does about that.
///
/// The command reads the orders table (Scan, GetItem), reads and writes the table of announcements
/// (GetItem, UpdateItem), and writes to the stream (PutRecord, PutRecords). It ends with exit code
/// 0 if all facts are published and marked, and 1 if some are not. It can be run again at any time,
/// and shares the throughput of the stream with the notifier.
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
    /// Publish only facts that have no mark in the table of announcements, after a discard
    #[arg(long)]
    missing: bool,
    /// Publish all facts, for a new subscriber whose mapping exists; every subscriber gets them
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
    eprintln!(
        "Publishing facts of the table {} to the stream {}, with marks in the table {}.",
        options.orders_table, options.facts_stream, options.announcements_table
    );
    let announcer = Announcer::new(
        client.clone(),
        options.orders_table,
        FactsStream::new(&config, options.facts_stream),
        Announcements::new(client, options.announcements_table),
        Limits::default(),
    );
    let announced = announcer
        .run(which, now, |progress| eprintln!("{progress}"))
        .await;
    match announced {
        Ok(progress) => {
            println!("{progress}");
            for advice in advice(which, &progress) {
                eprintln!("{advice}");
            }
            if progress.is_stopped || progress.failed + progress.unreadable > 0 {
                ExitCode::FAILURE
            } else {
                ExitCode::SUCCESS
            }
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// The sentences that say what to do about a run that left something out.
fn advice(which: Which, progress: &Progress) -> Vec<&'static str> {
    let stopped = "The run stopped before the last row, because a call failed for a reason that \
                   somebody has to mend. Run the same command again after that.";
    let failed = match which {
        Which::Missing => {
            "Facts of the orders that failed may be published, but have no mark. Run the command \
             again when the failed calls can succeed, and it publishes them."
        }
        Which::All => {
            "Facts of the orders that failed may not be published. Some may have a mark from \
             before, so run the command again with --all when the failed calls can succeed."
        }
    };
    let unreadable = "A row that cannot be read was written by a newer version of the service, or \
                      by hand. Its facts are not published.";
    [
        (progress.is_stopped, stopped),
        (progress.failed > 0, failed),
        (progress.unreadable > 0, unreadable),
    ]
    .into_iter()
    .filter_map(|(applies, advice)| applies.then_some(advice))
    .collect()
}

/// The present time. `None` if the clock is set to a time that cannot be written.
fn now() -> Option<Timestamp> {
    let since_epoch = SystemTime::UNIX_EPOCH.elapsed().ok()?;
    Timestamp::from_unix_millis(since_epoch.as_millis().try_into().ok()?)
}
