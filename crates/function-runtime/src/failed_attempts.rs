//! The attempts of a batch that failed, counted by error code and written as one line of the log.

use std::collections::{BTreeMap, BTreeSet};

/// The attempts of a batch that failed, by error code.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FailedAttempts {
    errors: BTreeMap<String, u64>,
    /// The codes among them that do not pass by themselves.
    to_mend: BTreeSet<String>,
}

impl FailedAttempts {
    /// Counts an attempt that failed with this code. `passes_by_itself` is false if somebody has to
    /// mend the cause.
    pub fn count(&mut self, code: &str, passes_by_itself: bool) {
        *self.errors.entry(code.to_owned()).or_default() += 1;
        if !passes_by_itself {
            self.to_mend.insert(code.to_owned());
        }
    }

    /// The number of attempts that failed with each code.
    #[must_use]
    pub fn errors(&self) -> &BTreeMap<String, u64> {
        &self.errors
    }

    /// True if somebody has to mend the cause of a failure.
    #[must_use]
    pub fn have_to_be_mended(&self) -> bool {
        !self.to_mend.is_empty()
    }

    /// Writes a line if an attempt failed, so that an outage that was ridden out leaves a trace as
    /// well. The line is a warning, and an error where somebody has to mend the cause.
    pub fn log(&self) {
        let (errors, to_mend) = (&self.errors, &self.to_mend);
        if !to_mend.is_empty() {
            tracing::error!(?errors, ?to_mend, "attempts failed");
        } else if !errors.is_empty() {
            tracing::warn!(?errors, "attempts failed");
        }
    }
}
