//! What each function of the service does before its handler: read its settings, set up its log, load what the SDK
//! needs; and the one translation that the functions share, that of the order row to and from DynamoDB's types.
//!
//! A function's `main` is this, and nothing else:
//!
//! ```no_run
//! use std::process::ExitCode;
//! use function::{Environment, StartError};
//!
//! #[tokio::main(flavor = "current_thread")]
//! async fn main() -> ExitCode {
//!     function::run(start).await
//! }
//!
//! async fn start(environment: Environment) -> Result<(), StartError> {
//!     let table = environment.required("TABLE_NAME")?;
//!     // … make the client, serve invocations until Lambda ends the process …
//!     Ok(())
//! }
//! ```

pub mod attribute_value;
mod environment;
mod log;

use std::process::ExitCode;

pub use environment::{Environment, StartError};

/// Runs a function: its log first, then `start`, which reads the settings and serves until the process ends.
///
/// Whatever goes wrong is one line on the log that names it, and exit code 1, which Lambda reports as a failed start.
pub async fn run<S, F>(start: S) -> ExitCode
where
    S: FnOnce(Environment) -> F,
    F: Future<Output = Result<(), StartError>>,
{
    let environment = Environment::of_process();
    let level = environment.optional("LOG_LEVEL", "info", log::level);
    // With a wrong level the complaint about it still has to be readable.
    log::init(level.as_ref().copied().unwrap_or(log::DEFAULT_LEVEL));
    let result = match level {
        Ok(_) => start(environment).await,
        Err(error) => Err(error),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(%error, "the function cannot run");
            ExitCode::FAILURE
        }
    }
}

/// What every SDK client of a function starts from: region, credentials and endpoint as Lambda's environment says.
pub async fn sdk_config() -> aws_config::SdkConfig {
    aws_config::load_defaults(aws_config::BehaviorVersion::latest()).await
}
