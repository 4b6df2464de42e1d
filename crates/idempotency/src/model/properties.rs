//! The properties that always hold, and those that can.

use conditional_write::Item;
use stateright::Property;

use super::actors::Work;
use super::{Lock, SKEW, World};
use crate::record::{Ending, Record, State};

pub(super) const HAPPENS: &str = "acts or commits";
pub(super) const FENCED: &str = "a late holder is fenced off";
pub(super) const ACTS_TWICE: &str = "acts twice";

impl Lock {
    /// The properties that are asked of every state.
    pub(super) fn asked(&self) -> Vec<Property<Self>> {
        let acts_twice = Property::sometimes(ACTS_TWICE, |_: &Self, world: &World| {
            world.effects.len() > 1
        });
        if self.only_twice {
            return vec![acts_twice];
        }
        vec![
            acts_twice,
            Property::always("commits at most once", |_, world: &World| {
                world.commits.len() <= 1
            }),
            Property::always("a commit is told as it is", |_, world: &World| !world.lied),
            Property::always("who acts after another knows of it", |_, world: &World| {
                world.effects.iter().filter(|known| **known == 0).count() <= 1
            }),
            Property::always("what is completed stays", |_, world: &World| {
                let is_completed = |item: &Item| {
                    let record = Record::from_item(item).unwrap();
                    matches!(record.state, State::Settled(Ending::Completed(_)))
                };
                world.commits.is_empty() || world.item.as_deref().is_some_and(is_completed)
            }),
            Property::always(
                "acts at most once where it is promised",
                |lock: &Self, world: &World| {
                    let is_promised = lock.work == Work::OnceUnlessTakenOver
                        || (!lock.faults.crashes
                            && !lock.faults.stalls
                            && !lock.faults.unanswered
                            && lock.faults.ahead <= SKEW);
                    !is_promised || world.effects.len() <= 1
                },
            ),
            Property::sometimes(HAPPENS, |_, world: &World| {
                world.effects.len() + world.commits.len() == 1
            }),
            Property::sometimes(FENCED, |_, world: &World| world.fenced),
        ]
    }
}
