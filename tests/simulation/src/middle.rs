//! The calls in the middle of a function's work, at which the function crashes on request.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::oneshot;

use crate::plan::Function;

/// The functions that are to crash at their next call that completes their work.
#[derive(Clone, Debug, Default)]
pub(crate) struct Middle {
    awaited: Arc<Mutex<BTreeMap<Function, oneshot::Sender<()>>>>,
}

impl Middle {
    /// Waits until the function is about to complete its work. An error if somebody else waits for
    /// the same function from now on.
    pub(crate) fn next(&self, function: Function) -> oneshot::Receiver<()> {
        let (reached, is_reached) = oneshot::channel();
        let mut awaited = self.awaited.lock().unwrap_or_else(PoisonError::into_inner);
        awaited.insert(function, reached);
        is_reached
    }

    /// True if this call completes the function's work and somebody waits for it. They are told.
    pub(crate) fn is_reached(&self, function: Function, operation: &str) -> bool {
        let completes = matches!(
            (function, operation),
            (Function::Notifier, "UpdateItem") | (Function::Shipping, "TransactWriteItems")
        );
        let mut awaited = self.awaited.lock().unwrap_or_else(PoisonError::into_inner);
        let reached = completes.then(|| awaited.remove(&function)).flatten();
        reached.is_some_and(|reached| reached.send(()).is_ok())
    }
}
