//! The service under a seed. The shipped handlers and the real SDK clients run with their
//! serialization, retries and time-outs, between a simulated Lambda and a model of AWS. Only the
//! wire, the clock and the scheduler are not the real ones.
//!
//! A seed decides everything in a run.
//!
//! - The number of clients, their calls, and the times of these calls
//! - The options of the event source mapping
//! - The duration of each call
//! - The disasters and their times
//!
//! A run is a function of its seed, because it has one thread, tokio's paused clock and seeded
//! randomness. [`Report::trace`] is the same, byte for byte, each time that a seed is run.
//!
//! | file | contents |
//! |---|---|
//! | `plan.rs` | the decisions of a seed, as data that can be cut down |
//! | `run.rs` | a run from its start to its report |
//! | `world.rs` | everything in a run |
//! | `resources.rs` | the stream, the table and the queue |
//! | `clients.rs` | the clients, and their reactions to a response |
//! | `lambda.rs` | execution environments, whose invocations crash, freeze, and run out of time |
//! | `wire.rs` | the wire between a client of AWS and the model, with delays, and calls that go on when their caller is gone |
//! | `poller.rs` | the poller, which carries out the actions of the event source mapping |
//! | `disasters.rs` | the disasters of a plan, each at its time |
//! | `laws.rs` | the laws that have to hold while a run goes on |
//! | `final_laws.rs` | the laws that have to hold when a run is over |
//! | `mutant.rs` | mistakes that the laws have to catch |
//! | `switch.rs` | a switch that wakes its waiters in a fixed sequence |
//! | `trace.rs` | the events of a run, line by line |
//! | `shrink.rs` | a smaller plan that fails in the same way |

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
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
