//! Records that are handed to the work together, and the verdict on each of them.

#[cfg(feature = "process")]
mod unreadable;

use crate::{IntoVerdict, Verdict};

/// The reason of a record for which the work returned no verdict.
pub const NO_VERDICT: &str = "no_verdict";

/// Records of different keys that the work handles in one call
/// ([`work_through_in_chunks`](crate::work_through_in_chunks)). There is at least one.
#[derive(Debug)]
pub struct Chunk<'a, T> {
    records: Vec<&'a T>,
}

impl<'a, T> Chunk<'a, T> {
    pub(crate) fn new(records: impl Iterator<Item = &'a T>) -> Self {
        Self {
            records: records.collect(),
        }
    }

    /// The records, a retry after the records that were not attempted before.
    #[must_use]
    pub fn records(&self) -> &[&'a T] {
        &self.records
    }

    /// The verdict of `judge` on each record, in the sequence of [`records`](Self::records).
    pub fn judge<V: IntoVerdict>(self, mut judge: impl FnMut(&'a T) -> V) -> Verdicts {
        let verdict = |record| judge(record).into_verdict();
        Verdicts(self.records.into_iter().map(verdict).collect())
    }

    /// These verdicts, one for each of [`records`](Self::records) and in the same sequence, as an
    /// answer with an entry for each record has them.
    ///
    /// A record that gets none is retried, with the reason [`NO_VERDICT`]. Verdicts beyond the
    /// records are dropped.
    pub fn judge_in_sequence<V: IntoVerdict>(
        self,
        verdicts: impl IntoIterator<Item = V>,
    ) -> Verdicts {
        let mut verdicts = verdicts.into_iter().map(V::into_verdict);
        self.judge(|_| verdicts.next().unwrap_or(Verdict::Retry(NO_VERDICT)))
    }

    /// The same verdict on all records, where the call as a whole succeeded or failed.
    pub fn judge_all(self, verdict: impl IntoVerdict) -> Verdicts {
        let verdict = verdict.into_verdict();
        self.judge(|_| verdict)
    }
}

/// The verdicts on the records of a chunk, which only [`Chunk`] makes.
#[derive(Debug)]
#[must_use]
pub struct Verdicts(Vec<Verdict>);

impl Verdicts {
    /// The verdicts, and [`NO_VERDICT`] for records beyond them. They are beyond them only if the
    /// work returned the verdicts on another chunk.
    pub(crate) fn into_iter(self) -> impl Iterator<Item = Verdict> {
        let none = std::iter::repeat(Verdict::Retry(NO_VERDICT));
        self.0.into_iter().chain(none)
    }
}
