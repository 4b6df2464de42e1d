//! The usage of the machine by a stack's processes, and the usage by other machines of the host.

use std::collections::BTreeMap;
use std::time::Duration;

use procfs::{CurrentSI as _, KernelStats, WithCurrentSystemInfo as _};
use tests::Stack;

/// The usage by the processes of a function, or by the stack itself.
#[derive(Clone, Copy, Default)]
pub(crate) struct Usage {
    pub(crate) processes: u64,
    /// The resident memory.
    pub(crate) bytes: u64,
    /// The processor time, of user and system.
    pub(crate) busy: Duration,
}

/// The usage so far by each function and by the stack itself, `local`.
pub(crate) async fn usage(stack: &Stack) -> BTreeMap<String, Usage> {
    let state = stack.state().await;
    let mut usage = BTreeMap::new();
    let mut count = |name: &str, pid: u64| {
        let process = procfs::process::Process::new(i32::try_from(pid).unwrap_or_default());
        let Ok(stat) = process.and_then(|process| process.stat()) else {
            return;
        };
        let sum: &mut Usage = usage.entry(name.to_owned()).or_default();
        sum.processes += 1;
        sum.bytes += stat.rss_bytes().get();
        sum.busy += ticks(stat.utime + stat.stime);
    };
    if let Some(pid) = stack.pid() {
        count("local", pid.into());
    }
    for name in ["api", "reader", "consumer", "notifier", "shipping"] {
        for process in state["functions"][name]["processes"]
            .as_array()
            .into_iter()
            .flatten()
        {
            count(name, process["pid"].as_u64().unwrap_or_default());
        }
    }
    usage
}

/// The processor time so far that other machines of the host took of this machine's, and the whole
/// processor time.
pub(crate) fn stolen() -> Option<[u64; 2]> {
    let total = KernelStats::current().ok()?.total;
    let stolen = total.steal?;
    let idle = total.idle + total.iowait.unwrap_or_default();
    let interrupts = total.irq.unwrap_or_default() + total.softirq.unwrap_or_default();
    let busy = total.user + total.nice + total.system + interrupts;
    Some([stolen, busy + idle + stolen])
}

/// The share of this machine's processors that other machines took since then, in per cent.
pub(crate) fn stolen_since(then: Option<[u64; 2]>) -> Option<u64> {
    let ([stolen_then, all_then], [stolen, all]) = (then?, stolen()?);
    (stolen.saturating_sub(stolen_then) * 100).checked_div(all.saturating_sub(all_then))
}

fn ticks(count: u64) -> Duration {
    Duration::from_millis(count * 1_000 / procfs::ticks_per_second())
}
