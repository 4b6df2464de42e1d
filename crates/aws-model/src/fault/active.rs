//! The faults in force, and the calls that they hit.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::{Fault, FaultKind};
use crate::clock::{Clock, millis};
use crate::failure::Failure;
use crate::random::Random;
use crate::service::Service;

/// A fault in force.
#[derive(Debug, Clone, PartialEq)]
pub struct ActiveFault {
    /// The fault as it was injected.
    pub fault: Fault,
    /// The time at which the fault ends, in milliseconds since the Unix epoch.
    pub until_millis: u64,
}

/// The decision of [`Faults`] about one call.
#[derive(Debug)]
pub(crate) enum Verdict {
    Spared,
    Refused(Failure),
    Unanswered(Silence),
    AnswerLost,
    /// Answered at this time, in milliseconds since the Unix epoch.
    AnsweredLate(u64),
}

/// The faults in force, and the counts of the calls that they hit. A cheap handle, whose clones
/// share one state.
#[derive(Debug, Clone)]
pub struct Faults {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    clock: Arc<dyn Clock>,
    random: Random,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// At most one for each service, kind and resource. So the table of errors and the number of
    /// resources bound the list.
    active: Vec<ActiveFault>,
    hits: BTreeMap<(Service, &'static str), u64>,
    /// Counts the times all faults were cleared, so that calls held silent notice.
    cleared: u64,
}

impl Faults {
    pub(crate) fn new(clock: Arc<dyn Clock>, seed: u64) -> Self {
        Self {
            inner: Arc::new(Inner {
                clock,
                random: Random::seeded(seed),
                state: Mutex::default(),
            }),
        }
    }

    /// Puts a fault in force from now on, in place of one of the same service, kind and resource.
    /// Returns the fault in force.
    pub fn inject(&self, fault: Fault) -> ActiveFault {
        let now = self.inner.clock.now_millis();
        let until_millis = now.saturating_add(millis(Duration::from_secs(fault.seconds)));
        let mut state = self.lock();
        state.active.retain(|active| {
            active.until_millis > now
                && (active.fault.service != fault.service
                    || active.fault.kind.name() != fault.kind.name()
                    || active.fault.resource != fault.resource)
        });
        let active = ActiveFault {
            fault,
            until_millis,
        };
        state.active.push(active.clone());
        active
    }

    /// Ends all faults, and lets go of the calls that are held without an answer. The counts stay.
    pub fn clear(&self) {
        let mut state = self.lock();
        state.active.clear();
        state.cleared += 1;
    }

    /// The faults in force, oldest first.
    #[must_use]
    pub fn active(&self) -> Vec<ActiveFault> {
        let now = self.inner.clock.now_millis();
        let mut state = self.lock();
        state.active.retain(|active| active.until_millis > now);
        state.active.clone()
    }

    /// How many calls were hit since the start, by service and [kind name](FaultKind::name), in
    /// that order.
    #[must_use]
    pub fn hits(&self) -> Vec<(Service, &'static str, u64)> {
        self.lock()
            .hits
            .iter()
            .map(|(&(service, kind), &count)| (service, kind, count))
            .collect()
    }

    /// Rolls for one call. `is_about` says if the call is about a stream, table or queue of this
    /// name. The first fault that hits decides.
    pub(crate) fn judge(&self, service: Service, is_about: impl Fn(&str) -> bool) -> Verdict {
        let now = self.inner.clock.now_millis();
        let mut state = self.lock();
        state.active.retain(|active| active.until_millis > now);
        let hit = state
            .active
            .iter()
            .filter(|active| active.fault.service == service)
            .filter(|active| {
                let resource = active.fault.resource.as_deref();
                resource.is_none_or(&is_about)
            })
            .find(|active| self.inner.random.next() >> 11 < threshold(active.fault.rate));
        let Some((kind, until_millis)) = hit.map(|active| (active.fault.kind, active.until_millis))
        else {
            return Verdict::Spared;
        };
        *state.hits.entry((service, kind.name())).or_default() += 1;
        match kind {
            FaultKind::Error(error) => Verdict::Refused(Failure {
                code: error.code,
                status: error.status,
                message: error.message.to_owned(),
            }),
            FaultKind::Timeout => Verdict::Unanswered(Silence {
                faults: self.clone(),
                until_millis,
                cleared: state.cleared,
            }),
            FaultKind::LostAnswer => Verdict::AnswerLost,
            FaultKind::Slow(millis) => Verdict::AnsweredLate(now.saturating_add(millis)),
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.inner
            .state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// A call that is held without an answer.
#[derive(Debug)]
pub struct Silence {
    faults: Faults,
    until_millis: u64,
    cleared: u64,
}

impl Silence {
    /// The latest time to close the connection, in milliseconds since the Unix epoch.
    #[must_use]
    pub fn until_millis(&self) -> u64 {
        self.until_millis
    }

    /// True if the call is still to be held, because the fault has not ended and was not cleared.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.faults.lock().cleared == self.cleared
            && self.faults.inner.clock.now_millis() < self.until_millis
    }
}

/// The number of the 2^53 equally likely rolls that a rate hits.
#[expect(
    clippy::float_arithmetic,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a rate is a probability, checked to be within 0 and 1, and every product is a whole number below 2^53"
)]
fn threshold(rate: f64) -> u64 {
    (rate * 9_007_199_254_740_992.0) as u64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::clock::ManualClock;

    fn faults() -> (Faults, Arc<ManualClock>) {
        let clock = Arc::new(ManualClock::at(1_000));
        (Faults::new(clock.clone(), 1), clock)
    }

    fn fault(service: &str, error: &str, rate: f64) -> Fault {
        Fault::new(service, error, rate, 10).unwrap()
    }

    fn hit(faults: &Faults, service: Service) -> bool {
        !matches!(faults.judge(service, |_| false), Verdict::Spared)
    }

    #[expect(clippy::float_arithmetic, reason = "a rate is a probability")]
    fn percent_of(percent: u32) -> f64 {
        f64::from(percent) / 100.0
    }

    #[test]
    fn rate_one_hits_every_call_of_its_service_only_and_rate_zero_none() {
        let (faults, _) = faults();
        faults.inject(fault("kinesis", "timeout", 1.0));
        faults.inject(fault("sqs", "timeout", 0.0));
        for _ in 0..1_000 {
            assert!(hit(&faults, Service::Kinesis));
            assert!(!hit(&faults, Service::Sqs));
            assert!(!hit(&faults, Service::DynamoDb));
        }
    }

    #[test]
    fn a_fault_ends_when_its_time_is_up() {
        let (faults, clock) = faults();
        faults.inject(fault("kinesis", "InternalFailure", 1.0));
        clock.advance(Duration::from_millis(9_999));
        assert!(hit(&faults, Service::Kinesis));
        clock.advance(Duration::from_millis(1));
        assert!(!hit(&faults, Service::Kinesis));
        assert_eq!(faults.active(), []);
    }

    #[test]
    fn a_silent_call_is_let_go_when_the_fault_ends_or_is_cleared() {
        let (faults, clock) = faults();
        let silence = || match faults.judge(Service::Sqs, |_| false) {
            Verdict::Unanswered(silence) => silence,
            other => panic!("expected silence, got {other:?}"),
        };
        faults.inject(fault("sqs", "timeout", 1.0));
        let ended = silence();
        assert!(ended.holds());
        clock.advance(Duration::from_secs(10));
        assert!(!ended.holds());

        faults.inject(fault("sqs", "timeout", 1.0));
        let cleared = silence();
        faults.clear();
        assert!(!cleared.holds());
        faults.inject(fault("sqs", "timeout", 1.0));
        assert!(
            !cleared.holds(),
            "a later fault does not hold an earlier call"
        );
    }

    #[test]
    fn hits_are_counted_by_service_and_kind() {
        let (faults, _) = faults();
        faults.inject(fault("sqs", "lost-answer", 1.0));
        faults.inject(fault("kinesis", "ThrottlingException", 1.0));
        for service in [
            Service::Sqs,
            Service::Kinesis,
            Service::Kinesis,
            Service::DynamoDb,
        ] {
            faults.judge(service, |_| false);
        }
        faults.clear();
        assert_eq!(
            faults.hits(),
            [
                (Service::Kinesis, "ThrottlingException", 2),
                (Service::Sqs, "lost-answer", 1)
            ]
        );
    }

    #[test]
    fn a_fault_of_a_resource_hits_only_calls_about_it() {
        let (faults, _) = faults();
        faults.inject(fault("kinesis", "timeout", 1.0).of_resource("a"));
        let spared = |stream: &str| {
            let verdict = faults.judge(Service::Kinesis, |name| name == stream);
            matches!(verdict, Verdict::Spared)
        };
        assert!(!spared("a"));
        assert!(spared("b"));
        faults.inject(fault("kinesis", "timeout", 1.0).of_resource("b"));
        assert!(!spared("a"), "each resource has its own fault");
        assert!(!spared("b"));
    }

    #[test]
    fn injecting_the_same_kind_again_replaces_it() {
        let (faults, _) = faults();
        faults.inject(fault("sqs", "timeout", 1.0));
        faults.inject(fault("sqs", "timeout", 0.0));
        assert_eq!(faults.active().len(), 1);
        assert!(!hit(&faults, Service::Sqs));
        faults.inject(Fault::slow("sqs", 10, 1.0, 1).unwrap());
        faults.inject(Fault::slow("sqs", 20, 1.0, 1).unwrap());
        assert_eq!(faults.active().len(), 2);
    }

    proptest! {
        #[test]
        fn a_rate_hits_about_its_share_of_calls(percent in 0_u32..=100, seed: u64) {
            let faults = Faults::new(Arc::new(ManualClock::at(0)), seed);
            faults.inject(fault("kinesis", "timeout", percent_of(percent)));
            let hits = (0..10_000).filter(|_| hit(&faults, Service::Kinesis)).count();
            let expected = percent as usize * 100;
            // Six standard deviations of a binomial with n = 10,000, p = 0.5.
            prop_assert!(hits.abs_diff(expected) <= 300, "{hits} hits, {expected} expected");
        }
    }
}
