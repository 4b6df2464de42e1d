//! The configuration of a function, as `CreateFunction` takes it on AWS.

use std::path::PathBuf;
use std::time::Duration;

/// Processes of one function at a time. Lambda calls this its reserved concurrency.
pub const MAX_PROCESSES: usize = 8;

/// How long an invocation waits for a process to be free before it is refused.
pub const MAX_WAIT: Duration = Duration::from_secs(5);

/// How a function is run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FunctionConfig {
    /// Its name, also in its ARN.
    pub name: String,
    /// The binary, which speaks the Lambda Runtime API.
    pub executable: PathBuf,
    /// How long one invocation may take. A process that takes longer is killed.
    pub timeout: Duration,
    /// Told to the function as `AWS_LAMBDA_FUNCTION_MEMORY_SIZE`, but not enforced.
    pub memory_mb: u32,
    /// The AWS region it is told it runs in.
    pub region: String,
    /// The AWS account in its ARN.
    pub account: String,
    /// Environment variables besides those that Lambda sets.
    pub environment: Vec<(String, String)>,
    /// The process group that its processes join.
    pub process_group: i32,
    /// True if every line of its log is shown. Otherwise the lines are shown that
    /// [`crate::lambda::function_log`] calls notable.
    pub show_logs: bool,
}

impl FunctionConfig {
    /// The function's ARN.
    #[must_use]
    pub fn arn(&self) -> String {
        format!(
            "arn:aws:lambda:{}:{}:function:{}",
            self.region, self.account, self.name
        )
    }
}
