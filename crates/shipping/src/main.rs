//! The shipping function.

use std::process::ExitCode;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    function_runtime::run(shipping::serve).await
}
