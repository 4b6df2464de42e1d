//! The service under a seed: the shipped handlers and the real SDK clients, with their
//! serialization, retries and time-outs, between a simulated Lambda and a model of AWS. Only the
//! wire, the clock and the scheduler are not the real ones.
//!
//! A seed decides everything: how many clients, what they ask for and when, how the event source
//! mapping is set, how long each call takes, and which disasters come when. One thread, tokio's
//! paused clock and seeded randomness make a run a function of its seed; [`Report::trace`] is the
//! same, byte for byte, whenever it is run again.
//!
//! | file | what it is for |
//! |---|---|
//! | `plan.rs` | what a seed decides, as data that can be cut down |
//! | `run.rs` | a run: everything is started, disturbed, drained and looked at |
//! | `world.rs` | everything in a run |
//! | `resources.rs` | the stream, the table and the queue |
//! | `clients.rs` | clients, and what they do with an answer |
//! | `lambda.rs` | execution environments: invocations that crash, freeze, and run out of time |
//! | `wire.rs` | what lies between a client of AWS and the model: time, and calls that go on when their caller is gone |
//! | `poller.rs` | carries out what the event source mapping wants done |
//! | `disasters.rs` | what goes wrong, when it is time |
//! | `laws.rs` | what has to hold while it runs |
//! | `final_laws.rs` | what has to hold when all is over |
//! | `mutant.rs` | mistakes that the laws have to catch |
//! | `switch.rs` | a value that many wait on, woken in a fixed order |
//! | `shrink.rs` | a smaller plan that fails the same way |

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "this is test code: a panic is the report"
)]

mod clients;
mod disasters;
mod final_laws;
mod lambda;
mod laws;
mod mutant;
mod plan;
mod poller;
mod resources;
mod run;
mod shrink;
mod switch;
mod trace;
mod wire;
mod world;

pub use laws::Violation;
pub use mutant::Mutant;
pub use plan::{Call, Client, Disaster, Kind, Pipeline, Plan};
pub use run::{Counts, Report, run};
pub use shrink::shrink;
pub use trace::Trace;
