//! Settlements in memory, within a bound in bytes. The one used longest ago makes room.

use std::collections::{BTreeMap, HashMap};

use crate::record::Body;
use crate::stored::Settlement;

/// The bytes that an entry takes besides its texts, roughly. They are the two maps' nodes and the
/// settlement's fixed part.
const OVERHEAD: usize = 256;

/// Settlements by the id of their key.
#[derive(Debug)]
pub(crate) struct Cache {
    most_bytes: usize,
    bytes: usize,
    entries: HashMap<String, (u64, Settlement)>,
    /// Ids by when they were last used.
    by_use: BTreeMap<u64, String>,
    uses: u64,
}

impl Cache {
    pub(crate) fn new(most_bytes: usize) -> Self {
        Self {
            most_bytes,
            bytes: 0,
            entries: HashMap::new(),
            by_use: BTreeMap::new(),
            uses: 0,
        }
    }

    /// The settlement of this key, if its window has not ended.
    pub(crate) fn get(&mut self, id: &str, now: u64) -> Option<Settlement> {
        let (used, settlement) = self.entries.get_mut(id)?;
        if settlement.expires_at <= now {
            self.remove(id);
            return None;
        }
        self.by_use.remove(used);
        self.uses += 1;
        *used = self.uses;
        self.by_use.insert(self.uses, id.to_owned());
        Some(settlement.clone())
    }

    /// Keeps a settlement. One that is larger than the whole cache is not kept.
    pub(crate) fn insert(&mut self, id: &str, settlement: Settlement) {
        self.remove(id);
        let size = size(id, &settlement);
        if size > self.most_bytes {
            return;
        }
        self.uses += 1;
        self.bytes += size;
        self.by_use.insert(self.uses, id.to_owned());
        self.entries.insert(id.to_owned(), (self.uses, settlement));
        while self.bytes > self.most_bytes {
            #[expect(
                clippy::expect_used,
                reason = "the bytes are those of the entries, and each entry has a use"
            )]
            let (_, oldest) = self.by_use.pop_first().expect("an entry in a full cache");
            self.remove(&oldest);
        }
    }

    fn remove(&mut self, id: &str) {
        if let Some((used, settlement)) = self.entries.remove(id) {
            self.by_use.remove(&used);
            self.bytes -= size(id, &settlement);
        }
    }
}

fn size(id: &str, settlement: &Settlement) -> usize {
    let body = match settlement.ending.body() {
        Body::Nothing => 0,
        Body::Json(json) => json.len(),
        Body::Digest(digest) => digest.as_str().len(),
    };
    // The id is in both maps.
    OVERHEAD + 2 * id.len() + settlement.fingerprint.len() + body
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::record::Ending;

    fn settlement(bytes: usize, expires_at: u64) -> Settlement {
        Settlement {
            fingerprint: String::new(),
            expires_at,
            ending: Ending::Completed(Body::Json("x".repeat(bytes))),
        }
    }

    #[test]
    fn the_settlement_used_longest_ago_makes_room() {
        let mut cache = Cache::new(3 * (OVERHEAD + 2));
        for id in ["a", "b", "c"] {
            cache.insert(id, settlement(0, 9));
        }
        assert!(cache.get("a", 0).is_some());
        cache.insert("d", settlement(0, 9));
        let kept = ["a", "b", "c", "d"].map(|id| cache.get(id, 0).is_some());
        assert_eq!(kept, [true, false, true, true]);
    }

    #[test]
    fn a_settlement_is_gone_when_its_window_ends() {
        let mut cache = Cache::new(10_000);
        cache.insert("a", settlement(0, 9));
        assert!(cache.get("a", 8).is_some());
        assert!(cache.get("a", 9).is_none());
        assert!(cache.get("a", 8).is_none());
        assert_eq!(cache.bytes, 0);
    }

    #[test]
    fn a_cache_of_no_bytes_keeps_nothing() {
        let mut cache = Cache::new(0);
        cache.insert("a", settlement(0, 9));
        assert!(cache.get("a", 0).is_none());
    }

    proptest! {
        #[test]
        fn it_never_exceeds_its_bound(inserts in prop::collection::vec((0_u8..20, 0_usize..2_000), 0..100), most in 0_usize..10_000) {
            let mut cache = Cache::new(most);
            for (id, bytes) in inserts {
                let id = id.to_string();
                cache.insert(&id, settlement(bytes, 9));
                let real: usize = cache.entries.iter().map(|(id, (_, settlement))| size(id, settlement)).sum();
                prop_assert_eq!(cache.bytes, real);
                prop_assert!(real <= most);
                prop_assert_eq!(cache.by_use.len(), cache.entries.len());
            }
        }
    }
}
