//! A switch that wakes its waiters in the sequence in which they came. (tokio's `watch` wakes its
//! waiters in a random sequence.)

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

    /// Turns the switch on or off, and wakes all waiters. They wake even if the switch was on or
    /// off already.
    pub(crate) fn turn(&self, on: bool) {
        self.on.set(on);
        self.turned.notify_waiters();
    }

    /// Waits until the switch is turned after this call.
    pub(crate) fn turned(&self) -> impl Future<Output = ()> + '_ {
        self.turned.notified()
    }
}
