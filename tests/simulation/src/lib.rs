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
//! | `resources.rs` | the streams, tables and queues |
//! | `clients.rs` | the clients, and their reactions to a response |
//! | `batches.rs` | the batches that clients send |
//! | `lambda.rs` | execution environments, whose invocations crash, freeze, and run out of time |
//! | `facts_path.rs` | the notifier's and the subscriber's environments, and their invocations |
//! | `wire.rs` | the wire between a client of AWS and the model, with delays, and calls that go on when their caller is gone |
//! | `facts_stream.rs` | the facts stream as its callers meet it, with faults of its own |
//! | `entries.rs` | calls that put many records, some of which fail |
//! | `hot_shard.rs` | the shard of intents that takes nothing for a while |
//! | `middle.rs` | the calls at which a function crashes in the middle of its work |
//! | `mapping.rs` | an event source mapping with its pollers, some of which are lost |
//! | `source.rs` | the streams that pollers read |
//! | `poller.rs` | the poller, which carries out the actions of the event source mapping |
//! | `disasters.rs` | the disasters of a plan, each at its time |
//! | `laws.rs` | the laws that have to hold while a run goes on |
//! | `final_laws.rs` | the laws that have to hold when a run is over |
//! | `fact_laws.rs`, `final_fact_laws.rs` | the same for facts |
//! | `sequence.rs` | the law about the sequence of the intents of one order |
//! | `mutant.rs` | mistakes that the laws have to catch |
//! | `switch.rs` | a switch that wakes its waiters in a fixed sequence |
//! | `trace.rs` | the events of a run, line by line |
//! | `shrink.rs` | a smaller plan that fails in the same way |

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "this is test code: a panic is the report"
)]

mod batches;
mod clients;
mod disasters;
mod entries;
mod fact_laws;
mod facts_path;
mod facts_stream;
mod final_fact_laws;
mod final_laws;
mod hot_shard;
mod lambda;
mod laws;
mod mapping;
mod middle;
mod mutant;
mod plan;
mod poller;
mod resources;
mod run;
mod sequence;
mod shrink;
mod source;
mod switch;
mod trace;
mod wire;
mod world;

pub use laws::Violation;
pub use mutant::Mutant;
pub use plan::{
    Call, Client, Disaster, FactsPath, FactsStreamFault, Function, Kind, MappedFunction, Pipeline,
    Plan,
};
pub use run::{Counts, FactCounts, Report, run};
pub use shrink::shrink;
pub use trace::Trace;
