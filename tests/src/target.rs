//! The AWS that a test runs against, which is the embedded stack, LocalStack, or AWS itself.

/// The value of `E2E_TARGET`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// The stack of `make run`, with faults to inject. It is the default.
    Embedded,
    /// LocalStack, at `AWS_ENDPOINT_URL`, with functions from the packages in `E2E_PACKAGES`.
    LocalStack,
    /// AWS, with the credentials and the region of the environment, and functions from the packages
    /// in `E2E_PACKAGES`.
    Aws,
}

impl Target {
    /// The target of this run.
    ///
    /// # Panics
    /// If `E2E_TARGET` names no target.
    #[must_use]
    pub fn chosen() -> Self {
        match std::env::var("E2E_TARGET").as_deref() {
            Err(_) | Ok("embedded") => Self::Embedded,
            Ok("localstack") => Self::LocalStack,
            Ok("aws") => Self::Aws,
            Ok(other) => panic!("E2E_TARGET is embedded, localstack or aws, not {other}"),
        }
    }
}
