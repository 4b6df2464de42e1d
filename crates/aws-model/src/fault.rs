//! Faults on request: a share of one service's calls fails with an AWS error, is never answered, or
//! takes effect while the answer arrives late or never.

mod errors;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::Value;

use crate::clock::{Clock, millis};
use crate::failure::Failure;
use crate::random::Random;
use crate::service::Service;
pub use errors::AwsError;

/// The longest fault that is accepted: one day, in seconds.
pub const MAX_FAULT_SECONDS: u64 = 86_400;

/// The longest that a slow call may take: one minute, in milliseconds. No client of the service
/// waits longer.
pub const MAX_SLOWNESS_MILLIS: u64 = 60_000;

/// What happens to the calls that a fault hits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum FaultKind {
    /// The service refuses the call with this error; nothing takes effect.
    Error(&'static AwsError),
    /// The call is never answered and takes no effect. The connection is closed when the client
    /// gives up, the fault ends or is cleared.
    Timeout,
    /// The call takes effect, then the connection is closed without an answer.
    LostAnswer,
    /// The call takes effect at once and is answered after this many milliseconds: too late, for a
    /// client that waits less.
    Slow(u64),
}

impl FaultKind {
    /// The name in fault settings and counters: the error's, `timeout`, `lost-answer` or `slow`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Error(error) => error.name,
            Self::Timeout => "timeout",
            Self::LostAnswer => "lost-answer",
            Self::Slow(_) => "slow",
        }
    }

    fn parse(service: Service, name: &str, milliseconds: Option<u64>) -> Result<Self, FaultError> {
        match (name, milliseconds) {
            ("slow", Some(millis @ 1..=MAX_SLOWNESS_MILLIS)) => Ok(Self::Slow(millis)),
            ("slow", _) => Err(FaultError::new(
                "milliseconds",
                format!("must be a whole number from 1 to {MAX_SLOWNESS_MILLIS} for slow"),
            )),
            (_, Some(_)) => Err(FaultError::new("milliseconds", "goes with slow only")),
            ("timeout", None) => Ok(Self::Timeout),
            ("lost-answer", None) => Ok(Self::LostAnswer),
            (_, None) => AwsError::named(service, name)
                .map(Self::Error)
                .ok_or_else(|| {
                    let names: Vec<&str> =
                        AwsError::all_of(service).map(|error| error.name).collect();
                    let names = names.join(", ");
                    FaultError::new(
                        "error",
                        format!(
                            "must be timeout, lost-answer, slow or, for {service}, one of {names}"
                        ),
                    )
                }),
        }
    }
}

/// A share of a service's calls to be disturbed for some time.
#[derive(Debug, Clone, PartialEq)]
pub struct Fault {
    service: Service,
    kind: FaultKind,
    rate: f64,
    seconds: u64,
}

/// A fault setting that cannot be accepted. It names the field, so that the sender can mend it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {reason}")]
pub struct FaultError {
    /// `service`, `error`, `milliseconds`, `rate`, `seconds`, or `body` if it is no JSON object.
    pub field: String,
    /// What is wrong with it.
    pub reason: String,
}

impl FaultError {
    fn new(field: &str, reason: impl Into<String>) -> Self {
        Self {
            field: field.to_owned(),
            reason: reason.into(),
        }
    }
}

impl Fault {
    /// A fault of `service`: `error` is an error code that the service knows, `timeout`,
    /// `lost-answer`, or for DynamoDB `kms-key-disabled` or `kms-key-denied` (gone, or not to be
    /// used by the caller); `rate` the share of calls it hits, from 0 to 1; `seconds` how long it
    /// lasts, from 1 to [`MAX_FAULT_SECONDS`].
    ///
    /// # Errors
    /// A [`FaultError`] that names the first field out of bounds.
    pub fn new(service: &str, error: &str, rate: f64, seconds: u64) -> Result<Self, FaultError> {
        Self::from_fields(service, error, None, rate, seconds)
    }

    /// A fault of `service` that lets calls take effect at once and answers them after
    /// `milliseconds`, from 1 to [`MAX_SLOWNESS_MILLIS`]; the rest as for [`Fault::new`].
    ///
    /// # Errors
    /// A [`FaultError`] that names the first field out of bounds.
    pub fn slow(
        service: &str,
        milliseconds: u64,
        rate: f64,
        seconds: u64,
    ) -> Result<Self, FaultError> {
        Self::from_fields(service, "slow", Some(milliseconds), rate, seconds)
    }

    fn from_fields(
        service: &str,
        error: &str,
        milliseconds: Option<u64>,
        rate: f64,
        seconds: u64,
    ) -> Result<Self, FaultError> {
        let service: Service = service
            .parse()
            .map_err(|()| FaultError::new("service", "must be one of dynamodb, kinesis, sqs"))?;
        let kind = FaultKind::parse(service, error, milliseconds)?;
        if !(0.0..=1.0).contains(&rate) {
            return Err(FaultError::new("rate", "must be a number from 0 to 1"));
        }
        if !(1..=MAX_FAULT_SECONDS).contains(&seconds) {
            return Err(FaultError::new(
                "seconds",
                format!("must be a whole number from 1 to {MAX_FAULT_SECONDS}"),
            ));
        }
        Ok(Self {
            service,
            kind,
            rate,
            seconds,
        })
    }

    /// Reads `{"service": …, "error": …, "rate": …, "seconds": …}`, and `"milliseconds"` with
    /// `"error": "slow"`. All are required, others refused.
    ///
    /// # Errors
    /// A [`FaultError`] that names the offending field.
    pub fn parse(json: &[u8]) -> Result<Self, FaultError> {
        let Ok(Value::Object(fields)) = serde_json::from_slice(json) else {
            return Err(FaultError::new("body", "must be a JSON object"));
        };
        if let Some(name) = fields.keys().find(|name| !FIELDS.contains(&name.as_str())) {
            return Err(FaultError::new(name, "is not a field of a fault"));
        }
        let required = |name: &str, value: Option<&str>| {
            value
                .map(str::to_owned)
                .ok_or_else(|| FaultError::new(name, "must be a string"))
        };
        let service = required("service", fields.get("service").and_then(Value::as_str))?;
        let error = required("error", fields.get("error").and_then(Value::as_str))?;
        // A missing or mistyped number takes a value out of bounds, so that one message covers
        // both.
        let rate = fields
            .get("rate")
            .and_then(Value::as_f64)
            .unwrap_or(f64::NAN);
        let seconds = fields.get("seconds").and_then(Value::as_u64).unwrap_or(0);
        // So does a mistyped number of milliseconds, which is not as good as none.
        let milliseconds = fields
            .get("milliseconds")
            .map(|value| value.as_u64().unwrap_or(0));
        Self::from_fields(&service, &error, milliseconds, rate, seconds)
    }

    /// The service it disturbs.
    #[must_use]
    pub fn service(&self) -> Service {
        self.service
    }

    /// What it does.
    #[must_use]
    pub fn kind(&self) -> FaultKind {
        self.kind
    }

    /// The share of calls it hits, from 0 to 1.
    #[must_use]
    pub fn rate(&self) -> f64 {
        self.rate
    }

    /// How long it lasts from when it is injected, in seconds.
    #[must_use]
    pub fn seconds(&self) -> u64 {
        self.seconds
    }
}

const FIELDS: [&str; 5] = ["service", "error", "milliseconds", "rate", "seconds"];

/// A fault in force.
#[derive(Debug, Clone, PartialEq)]
pub struct ActiveFault {
    /// What was injected.
    pub fault: Fault,
    /// When it ends, in milliseconds since the Unix epoch.
    pub until_millis: u64,
}

/// What [`Faults`] decided for one call.
#[derive(Debug)]
pub(crate) enum Verdict {
    Spared,
    Refused(Failure),
    Unanswered(Silence),
    AnswerLost,
    /// Answered at this time, in milliseconds since the Unix epoch.
    AnsweredLate(u64),
}

/// The faults in force and the count of what they hit. A cheap handle: clones share one state.
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
    /// At most one for each service and kind, so it is bounded by the table of errors.
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

    /// Puts a fault in force from now on, in place of one of the same service and kind.
    pub fn inject(&self, fault: Fault) {
        let now = self.inner.clock.now_millis();
        let until_millis = now.saturating_add(millis(Duration::from_secs(fault.seconds)));
        let mut state = self.lock();
        state.active.retain(|active| {
            active.until_millis > now
                && (active.fault.service != fault.service
                    || active.fault.kind.name() != fault.kind.name())
        });
        state.active.push(ActiveFault {
            fault,
            until_millis,
        });
    }

    /// Ends all faults; calls that are held without an answer are let go. The counts stay.
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

    /// Rolls for one call. The first fault that hits decides.
    pub(crate) fn judge(&self, service: Service) -> Verdict {
        let now = self.inner.clock.now_millis();
        let mut state = self.lock();
        state.active.retain(|active| active.until_millis > now);
        let hit = state
            .active
            .iter()
            .filter(|active| active.fault.service == service)
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
    /// When the connection may be closed at the latest, in milliseconds since the Unix epoch.
    #[must_use]
    pub fn until_millis(&self) -> u64 {
        self.until_millis
    }

    /// True if the call is still to be held: the fault has not ended and was not cleared.
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
        !matches!(faults.judge(service), Verdict::Spared)
    }

    #[expect(clippy::float_arithmetic, reason = "a rate is a probability")]
    fn percent_of(percent: u32) -> f64 {
        f64::from(percent) / 100.0
    }

    fn field_of(json: &str) -> String {
        Fault::parse(json.as_bytes()).unwrap_err().field
    }

    #[test]
    fn a_fault_is_read_from_json() {
        let fault =
            Fault::parse(br#"{"service":"kinesis","error":"lost-answer","rate":0.5,"seconds":3}"#)
                .unwrap();
        assert_eq!(fault, Fault::new("kinesis", "lost-answer", 0.5, 3).unwrap());
    }

    #[test]
    fn slow_takes_milliseconds_and_nothing_else_does() {
        let slow = br#"{"service":"sqs","error":"slow","milliseconds":250,"rate":1,"seconds":3}"#;
        let fault = Fault::parse(slow).unwrap();
        assert_eq!(fault, Fault::slow("sqs", 250, 1.0, 3).unwrap());
        for bad in [
            r#"{"service":"sqs","error":"slow","rate":1,"seconds":3}"#,
            r#"{"service":"sqs","error":"slow","milliseconds":"250","rate":1,"seconds":3}"#,
            r#"{"service":"sqs","error":"slow","milliseconds":0,"rate":1,"seconds":3}"#,
            r#"{"service":"sqs","error":"slow","milliseconds":60001,"rate":1,"seconds":3}"#,
            r#"{"service":"sqs","error":"timeout","milliseconds":250,"rate":1,"seconds":3}"#,
        ] {
            assert_eq!(field_of(bad), "milliseconds", "{bad}");
        }
    }

    #[test]
    fn a_rejected_fault_names_the_field() {
        assert_eq!(field_of("[]"), "body");
        assert_eq!(field_of("{"), "body");
        assert_eq!(
            field_of(r#"{"error":"timeout","rate":1,"seconds":1}"#),
            "service"
        );
        assert_eq!(
            field_of(r#"{"service":"s3","error":"timeout","rate":1,"seconds":1}"#),
            "service"
        );
        assert_eq!(
            field_of(r#"{"service":"sqs","error":"Nonsense","rate":1,"seconds":1}"#),
            "error"
        );
        assert_eq!(
            field_of(r#"{"service":"sqs","error":7,"rate":1,"seconds":1}"#),
            "error"
        );
        assert_eq!(
            field_of(r#"{"service":"sqs","error":"timeout","rate":1.01,"seconds":1}"#),
            "rate"
        );
        assert_eq!(
            field_of(r#"{"service":"sqs","error":"timeout","rate":-0.1,"seconds":1}"#),
            "rate"
        );
        assert_eq!(
            field_of(r#"{"service":"sqs","error":"timeout","seconds":1}"#),
            "rate"
        );
        assert_eq!(
            field_of(r#"{"service":"sqs","error":"timeout","rate":1,"seconds":0}"#),
            "seconds"
        );
        assert_eq!(
            field_of(r#"{"service":"sqs","error":"timeout","rate":1,"seconds":1.5}"#),
            "seconds"
        );
        assert_eq!(
            field_of(r#"{"service":"sqs","error":"timeout","rate":1,"seconds":86401}"#),
            "seconds"
        );
        assert_eq!(
            field_of(r#"{"service":"sqs","error":"timeout","rate":1,"seconds":1,"x":1}"#),
            "x"
        );
    }

    #[test]
    fn an_error_belongs_to_the_services_that_send_it() {
        assert!(Fault::new("dynamodb", "TransactionConflictException", 1.0, 1).is_ok());
        assert!(Fault::new("kinesis", "TransactionConflictException", 1.0, 1).is_err());
        assert!(Fault::new("sqs", "QueueDoesNotExist", 1.0, 1).is_ok());
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
        let silence = || match faults.judge(Service::Sqs) {
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
            faults.judge(service);
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
