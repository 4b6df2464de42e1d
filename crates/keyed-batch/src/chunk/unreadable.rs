//! The records of a chunk that cannot be read, which the work does not get.

use super::{Chunk, Verdicts};
use crate::Verdict;

impl<'a, T> Chunk<'a, T> {
    /// The records of which `is_readable` is true, if there are some, and the place of each other
    /// record.
    pub(crate) fn divided(self, is_readable: impl Fn(&T) -> bool) -> (Option<Self>, Unreadable) {
        let (readable, unreadable): (Vec<_>, Vec<_>) = (0..)
            .zip(self.records)
            .partition(|(_, record)| is_readable(record));
        let records: Vec<&'a T> = readable.into_iter().map(|(_, record)| record).collect();
        let places = unreadable.into_iter().map(|(place, _)| place).collect();
        let chunk = (!records.is_empty()).then_some(Self { records });
        (chunk, Unreadable { places })
    }
}

/// The places in a chunk of the records that cannot be read, in ascending sequence.
pub(crate) struct Unreadable {
    places: Vec<usize>,
}

impl Unreadable {
    /// The verdicts on the whole chunk, where these are the verdicts on its other records.
    pub(crate) fn fill_in(self, mut verdicts: Verdicts, reason: &'static str) -> Verdicts {
        for place in self.places {
            let place = place.min(verdicts.0.len());
            verdicts.0.insert(place, Verdict::Reject(reason));
        }
        verdicts
    }

    /// The verdicts on a chunk of which no record can be read.
    pub(crate) fn reject_all(self, reason: &'static str) -> Verdicts {
        Verdicts(vec![Verdict::Reject(reason); self.places.len()])
    }
}
