//! Carries out each disaster of a plan at its time.

use std::rc::Rc;
use std::time::Duration;

use aws_model::{Aws, Fault};
use tokio::time::{Instant, sleep, sleep_until, timeout};

use crate::lambda::Control;
use crate::plan::{Disaster, Function, Kind};
use crate::resources::STREAM;
use crate::world::World;

/// Waits for the time of a disaster, and carries the disaster out to its end.
pub(crate) async fn strike(world: Rc<World>, began: Instant, disaster: Disaster) {
    sleep_until(began + disaster.at).await;
    world
        .laws
        .trace
        .line(format_args!("DISASTER {:?}", disaster.kind));
    if let Some(name) = disaster.kind.name() {
        world.laws.count(&name, 1);
    }
    match disaster.kind {
        Kind::Service {
            service,
            error,
            milliseconds,
            rate,
            seconds,
        } => {
            let fault = match error {
                "slow" => Fault::slow(service, milliseconds, rate, seconds),
                error => Fault::new(service, error, rate, seconds),
            };
            world.aws.faults().inject(fault.unwrap());
            sleep(Duration::from_secs(seconds)).await;
        }
        Kind::FactsStream {
            fault,
            percent,
            seconds,
        } => {
            let pause = Duration::from_secs(seconds);
            world.lambda.wire.facts_stream.begin(fault, percent, pause);
            sleep(pause).await;
        }
        Kind::Crash(function) => control(&world, function).crash(),
        Kind::CrashInTheMiddle(function) => {
            let middle = &world.lambda.wire.middle;
            let reached = middle.next(function);
            if let Ok(Ok(())) = timeout(Duration::from_secs(20), reached).await {
                let what = match function {
                    Function::Notifier => "notifier: crashed between publish and mark",
                    _ => "shipping: crashed at a booking",
                };
                world.laws.count(what, 1);
                control(&world, function).crash();
            }
        }
        Kind::Freeze(function, pause) => {
            control(&world, function).freeze(true);
            sleep(pause).await;
            control(&world, function).freeze(false);
        }
        Kind::Restart(function, back) => world.mapping(function).restart_poller(back),
        Kind::SecondPoller(function, pause) => world.mapping(function).second_poller(pause).await,
        Kind::Stop(function, pause) => {
            world.mapping(function).stop(true);
            sleep(pause).await;
            world.mapping(function).stop(false);
        }
        Kind::HotShard(which, pause) => {
            let shards = open_shards(&world.aws, STREAM);
            let hash_keys = shards[which % shards.len()].hash_range;
            world.lambda.wire.hot_shard.begin(hash_keys, pause);
            sleep(pause).await;
        }
        Kind::Split(stream, which) => split(&world.aws, stream, which),
        Kind::Merge(stream, which) => merge(&world.aws, stream, which),
    }
}

fn control(world: &World, function: Function) -> &Control {
    world.lambda.control(function)
}

/// The open shards, sorted by their hash keys.
fn open_shards(aws: &Aws, stream: &str) -> Vec<aws_model::kinesis::ShardDescription> {
    let mut shards = aws.kinesis().shards(stream).unwrap();
    shards.retain(|shard| shard.ending_sequence_number.is_none());
    shards.sort_by_key(|shard| shard.hash_range.start);
    shards
}

fn split(aws: &Aws, stream: &str, which: usize) {
    let shards = open_shards(aws, stream);
    let shard = &shards[which % shards.len()];
    let middle = shard.hash_range.start + (shard.hash_range.end - shard.hash_range.start) / 2;
    aws.kinesis()
        .split_shard(stream, &shard.id, middle)
        .unwrap();
}

fn merge(aws: &Aws, stream: &str, which: usize) {
    let shards = open_shards(aws, stream);
    if let Some(last) = shards.len().checked_sub(1).filter(|last| *last > 0) {
        let lower = which % last;
        aws.kinesis()
            .merge_shards(stream, &shards[lower].id, &shards[lower + 1].id)
            .unwrap();
    }
}
