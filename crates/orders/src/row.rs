//! The order row, a set of registers each of which is written once.

use std::collections::{BTreeMap, BTreeSet};

use conditional_write::Item;

use crate::caller::Caller;
use crate::fingerprint::Fingerprint;
use crate::intent::{self, CancelRegister, Submitted};

/// The registers that intents have set for one order.
///
/// A row without [`submitted`](Self::submitted) is not an order yet. A cancel came first and waits
/// for its submit.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Row {
    /// The register of the submit that was applied first.
    pub submitted: Option<Submitted>,
    /// The cancel registers, by [`Caller::hash`]. Only the owner's counts.
    pub cancels: BTreeMap<String, CancelRegister>,
    /// The fingerprints of other submits of the same id, at most ten.
    pub conflicts: BTreeSet<Fingerprint>,
    /// True if there were conflicts beyond the ten.
    pub conflicts_truncated: bool,
}

/// A row that this version of the service cannot read, because an attribute is missing or not of
/// its form.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the row's attribute `{0}` is missing or malformed")]
pub struct UnreadableRow(pub(crate) &'static str);

impl Row {
    /// The name of the table's partition key. Its value is the order id.
    pub const KEY: &str = "order_id";

    /// The attribute that names an order's owner. A read for a caller compares it before the rest.
    pub const OWNER: &str = intent::OWNER;

    /// Reads a row. Attributes that are not the service's are left alone.
    ///
    /// # Errors
    /// [`UnreadableRow`] names the attribute that is missing or malformed. The service never writes
    /// such a row.
    pub fn from_item(item: &Item) -> Result<Self, UnreadableRow> {
        Ok(Self {
            submitted: intent::submitted(item)?,
            cancels: intent::cancels(item)?,
            conflicts: intent::conflicts(item)?,
            conflicts_truncated: intent::were_conflicts_truncated(item),
        })
    }

    /// A caller's cancel, if there is one.
    #[must_use]
    pub fn cancel_of(&self, caller: &Caller) -> Option<&CancelRegister> {
        self.cancels.get(&caller.hash())
    }
}
