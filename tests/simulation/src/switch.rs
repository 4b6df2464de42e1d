//! A value that many wait on and that wakes them in the order in which they came. (tokio's `watch`
//! wakes in a random one.)

use std::cell::Cell;

use tokio::sync::Notify;

/// A switch, on or off.
#[derive(Debug)]
pub(crate) struct Switch {
    on: Cell<bool>,
    turned: Notify,
}

impl Switch {
    pub(crate) fn new(on: bool) -> Self {
        Self {
            on: Cell::new(on),
            turned: Notify::new(),
        }
    }

    pub(crate) fn is_on(&self) -> bool {
        self.on.get()
    }

    /// Turns it, and wakes all who wait, even if it stands that way already.
    pub(crate) fn turn(&self, on: bool) {
        self.on.set(on);
        self.turned.notify_waiters();
    }

    /// Ready when it is turned after this call.
    pub(crate) fn turned(&self) -> impl Future<Output = ()> + '_ {
        self.turned.notified()
    }
}
