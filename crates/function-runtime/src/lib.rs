//! The program around a function's handler.
//!
//! It reads the function's settings, sets up its log, and takes invocations. It keeps their content
//! out of logs and errors. It has the one list of AWS's errors that pass by themselves, and the
//! attempts that a client makes by itself.
//!
//! A function's `main` is this, and nothing else:
//!
//! ```no_run
//! use std::process::ExitCode;
//! use function_runtime::{Environment, StartError};
//!
//! #[tokio::main(flavor = "current_thread")]
//! async fn main() -> ExitCode {
//!     function_runtime::run(start).await
//! }
//!
//! async fn start(environment: Environment) -> Result<(), StartError> {
//!     let greeting = &environment.required("GREETING")?;
//!     function_runtime::serve(async move |event, _| {
//!         let name: String = function_runtime::read(&event)?;
//!         Ok(format!("{greeting} {name}"))
//!     })
//!     .await
//! }
//! ```

pub mod attempts;
mod environment;
mod failed_attempts;
mod log;
mod no_answer;
mod passing_errors;
mod serve;

use std::process::ExitCode;

pub use environment::{Environment, StartError};
pub use failed_attempts::FailedAttempts;
pub use no_answer::NoAnswer;
pub use passing_errors::{PassingError, PassingErrors};
pub use serve::{Failure, read, serve};

/// The variables that Lambda sets in every function's environment and that the runtime needs
/// (Lambda developer guide, "Defined runtime environment variables").
const SET_BY_LAMBDA: [&str; 4] = [
    "AWS_LAMBDA_FUNCTION_NAME",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
    "AWS_LAMBDA_FUNCTION_VERSION",
    "AWS_LAMBDA_RUNTIME_API",
];

/// Runs a function. Its log comes first, and then `start`, which reads the settings and serves
/// until the process ends.
///
/// A failure is one line on the log that names it, and exit code 1, which Lambda reports as a
/// failed start.
pub async fn run<S, F>(start: S) -> ExitCode
where
    S: FnOnce(Environment) -> F,
    F: Future<Output = Result<(), StartError>>,
{
    let environment = Environment::of_process();
    let level = environment.parsed("LOG_LEVEL", log::level);
    // With a wrong level the complaint about it still has to be readable.
    log::init(level.as_ref().copied().unwrap_or(log::DEFAULT_LEVEL));
    let result = match level.and_then(|_| check_lambda(&environment)) {
        Ok(()) => start(environment).await,
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

/// The runtime panics without its variables. Somebody who runs the binary by hand is better told
/// which one is missing.
fn check_lambda(environment: &Environment) -> Result<(), StartError> {
    SET_BY_LAMBDA
        .into_iter()
        .try_for_each(|name| environment.required(name).map(drop))?;
    let megabytes = |text: &str| {
        text.parse::<i32>()
            .map_err(|_| "must be a number".to_owned())
    };
    environment
        .parsed("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", megabytes)
        .map(drop)
}

/// The configuration that every SDK client of a function starts from. Region, credentials and
/// endpoint are as Lambda's environment says.
pub async fn sdk_config() -> aws_config::SdkConfig {
    aws_config::load_defaults(aws_config::BehaviorVersion::latest()).await
}
