//! The configuration of a function, as `CreateFunction` takes it on AWS.

use std::path::PathBuf;
use std::time::Duration;

/// How many processes one function has at most at a time. Lambda calls this number the reserved
/// concurrency of the function.
pub const MAX_PROCESSES: usize = 8;

/// How long an invocation waits for a free process before it is refused.
pub const MAX_WAIT: Duration = Duration::from_secs(5);

/// The configuration of a function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FunctionConfig {
    /// The function's name, which is also in its ARN.
    pub name: String,
    /// The function's binary, which speaks the Lambda Runtime API.
    pub executable: PathBuf,
    /// How long one invocation may take. A process that takes longer is killed.
    pub timeout: Duration,
    /// The memory in MB. The function is told of it as `AWS_LAMBDA_FUNCTION_MEMORY_SIZE`, but it is
    /// not enforced.
    pub memory_mb: u32,
    /// The AWS region that the function is told it runs in.
    pub region: String,
    /// The AWS account in the function's ARN.
    pub account: String,
    /// The function's environment variables besides the ones that Lambda sets.
    pub environment: Vec<(String, String)>,
    /// The process group that the function's processes join.
    pub process_group: i32,
    /// True if every line of the function's log is shown. Otherwise the lines are shown that
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
