//! The work that a function has done, by the counts of its own log.
//!
//! A function that works through batches logs one line a batch, with the message `batch` and a
//! count for each outcome. A person sees the sums of these counts, at most once a second, so that a
//! busy stream does not flood the console.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::Value;

use crate::console::Console;

/// How long counts are added up before they are shown.
const PAUSE: Duration = Duration::from_secs(1);

/// The counts of a batch that are not outcomes.
const NOT_OUTCOMES: [&str; 2] = ["records", "attempts"];

/// The number of records for each outcome.
pub type Outcomes = BTreeMap<String, u64>;

/// The outcomes of a function's batches that are to be shown.
#[derive(Debug)]
pub struct Activity {
    function: String,
    console: Console,
    /// The outcomes that are not shown yet. `None` means that none was shown within the last
    /// [`PAUSE`].
    held_back: Mutex<Option<Outcomes>>,
}

/// The outcomes in the fields of a log line. The line is about a batch if its message says so.
/// Counts of zero are left out.
#[must_use]
pub fn outcomes(fields: &Value) -> Outcomes {
    if fields["message"] != "batch" {
        return Outcomes::new();
    }
    let fields = fields.as_object().into_iter().flatten();
    fields
        .filter(|(name, _)| !NOT_OUTCOMES.contains(&name.as_str()))
        .filter_map(|(name, value)| Some((name.clone(), value.as_u64()?)))
        .filter(|(_, count)| *count > 0)
        .collect()
}

impl Activity {
    /// The activity of a function, which shows on `console`.
    #[must_use]
    pub fn new(function: &str, console: Console) -> Self {
        Self {
            function: function.to_owned(),
            console,
            held_back: Mutex::default(),
        }
    }

    /// Shows the outcomes of a batch at once, or with those of other batches within a second.
    ///
    /// # Panics
    /// Outside of a Tokio runtime.
    #[expect(
        clippy::disallowed_methods,
        reason = "the task only prints lines, and ends a second after the last batch"
    )]
    pub fn add(self: &Arc<Self>, outcomes: Outcomes) {
        if outcomes.is_empty() {
            return;
        }
        let mut held_back = self.held_back();
        if let Some(held_back) = &mut *held_back {
            for (outcome, count) in outcomes {
                *held_back.entry(outcome).or_default() += count;
            }
            return;
        }
        *held_back = Some(Outcomes::new());
        self.show(&outcomes);
        tokio::spawn(Arc::clone(self).show_held_back());
    }

    /// Shows what is held back, until a pause passes in which nothing came.
    async fn show_held_back(self: Arc<Self>) {
        loop {
            tokio::time::sleep(PAUSE).await;
            let mut held_back = self.held_back();
            let outcomes = held_back.replace(Outcomes::new()).unwrap_or_default();
            if outcomes.is_empty() {
                *held_back = None;
                return;
            }
            self.show(&outcomes);
        }
    }

    fn show(&self, outcomes: &Outcomes) {
        let counts = outcomes.iter();
        let counts: Vec<String> = counts
            .map(|(outcome, count)| format!("{count} {}", outcome.replace('_', " ")))
            .collect();
        self.console.note(&self.function, counts.join(", "));
    }

    fn held_back(&self) -> MutexGuard<'_, Option<Outcomes>> {
        self.held_back
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn batch(created: u64) -> Outcomes {
        let line = json!({"message": "batch", "records": 9, "attempts": 10, "created": created,
            "already_applied": 2, "erased": 0});
        outcomes(&line)
    }

    #[test]
    fn the_outcomes_of_a_batch_are_its_counts_above_zero() {
        let expected = [("already_applied", 2), ("created", 3)];
        let expected = expected.map(|(name, count)| (name.to_owned(), count));
        assert_eq!(batch(3), Outcomes::from(expected));
    }

    #[test]
    fn a_line_about_anything_else_has_no_outcomes() {
        assert_eq!(
            outcomes(&json!({"message": "start", "created": 1})),
            [].into()
        );
        assert_eq!(outcomes(&json!([])), [].into());
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_batch_is_shown_at_once_and_further_ones_of_the_same_second_added_up() {
        let (console, captured) = Console::captured();
        let activity = Arc::new(Activity::new("notifier", console));
        activity.add(batch(1));
        assert_eq!(captured.take(), ["notifier: 2 already applied, 1 created"]);
        activity.add(batch(2));
        activity.add(batch(3));
        activity.add(Outcomes::new());
        assert!(captured.take().is_empty());
        tokio::time::sleep(PAUSE + Duration::from_millis(1)).await;
        assert_eq!(captured.take(), ["notifier: 4 already applied, 5 created"]);
        tokio::time::sleep(PAUSE * 2).await;
        activity.add(batch(4));
        assert_eq!(captured.take(), ["notifier: 2 already applied, 4 created"]);
    }
}
