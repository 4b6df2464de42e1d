//! A fault on request. It says which calls of a service are disturbed, how, and for how long.

mod active;
mod errors;

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::service::Service;
pub(crate) use active::Verdict;
pub use active::{ActiveFault, Faults, Silence};
pub use errors::AwsError;

/// The longest fault that is accepted, in seconds (one day).
pub const MAX_FAULT_SECONDS: u64 = 86_400;

/// The longest that a slow call may take, in milliseconds (one minute). No client of the service
/// waits longer.
pub const MAX_SLOWNESS_MILLIS: u64 = 60_000;

/// The effect of a fault on a call that it hits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum FaultKind {
    /// The service refuses the call with this error. Nothing takes effect.
    Error(&'static AwsError),
    /// The call is never answered and takes no effect. The connection is closed when the client
    /// gives up, or when the fault ends or is cleared.
    Timeout,
    /// The call takes effect, then the connection is closed without an answer.
    LostAnswer,
    /// The call takes effect at once and is answered after this many milliseconds. That is too late
    /// for a client that waits less.
    Slow(u64),
}

impl FaultKind {
    /// The name in fault settings and counters. It is the error's, `timeout`, `lost-answer` or
    /// `slow`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Error(error) => error.name,
            Self::Timeout => "timeout",
            Self::LostAnswer => "lost-answer",
            Self::Slow(_) => "slow",
        }
    }

    fn named(service: Service, name: &str, milliseconds: Option<u64>) -> Result<Self, FaultError> {
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
                .ok_or_else(|| FaultError::unknown(service)),
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
    resource: Option<String>,
}

/// A fault setting that cannot be accepted. The error names the field, so that the sender can mend
/// it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {reason}")]
pub struct FaultError {
    /// `service`, `error`, `milliseconds`, `rate`, `seconds`, `resource`, the name of a field that
    /// a fault does not have, or `body` if the setting is not a JSON object.
    pub field: String,
    /// The rule that the field breaks.
    pub reason: String,
}

impl FaultError {
    fn new(field: &str, reason: impl Into<String>) -> Self {
        Self {
            field: field.to_owned(),
            reason: reason.into(),
        }
    }

    fn unknown(service: Service) -> Self {
        let names: Vec<&str> = AwsError::all_of(service).map(|error| error.name).collect();
        Self::new(
            "error",
            format!(
                "must be timeout, lost-answer, slow or, for {service}, one of {}",
                names.join(", ")
            ),
        )
    }
}

impl From<serde_path_to_error::Error<serde_json::Error>> for FaultError {
    fn from(error: serde_path_to_error::Error<serde_json::Error>) -> Self {
        Self::new(&error.path().to_string(), error.inner().to_string())
    }
}

/// A fault setting as JSON writes it. A missing number is out of bounds, so that one message covers
/// a missing number and a wrong number.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Setting {
    #[serde(default)]
    service: String,
    #[serde(default)]
    error: String,
    milliseconds: Option<u64>,
    #[serde(default = "not_a_rate")]
    rate: f64,
    #[serde(default)]
    seconds: u64,
    resource: Option<String>,
}

fn not_a_rate() -> f64 {
    f64::NAN
}

impl Fault {
    /// A fault of `service` with the [kind](FaultKind) of this name, other than `slow`.
    ///
    /// - `error` is an error code that the service knows, `timeout` or `lost-answer`. DynamoDB has
    ///   `kms-key-disabled` and `kms-key-denied` besides. They mean that its key is
    ///   gone, and that the caller must not use the key.
    /// - `rate` is the share of calls that the fault hits, from 0 to 1.
    /// - `seconds` is how long the fault lasts, from 1 to [`MAX_FAULT_SECONDS`].
    ///
    /// # Errors
    /// A [`FaultError`] that names the first field out of bounds.
    pub fn new(service: &str, error: &str, rate: f64, seconds: u64) -> Result<Self, FaultError> {
        Self::from_fields(service, error, None, rate, seconds)
    }

    /// A fault of `service` that lets calls take effect at once and answers them after
    /// `milliseconds`, from 1 to [`MAX_SLOWNESS_MILLIS`]. The rest is as for [`Fault::new`].
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
        let service: Service = service.parse().map_err(|()| {
            let names = Service::ALL.map(Service::name).join(", ");
            FaultError::new("service", format!("must be one of {names}"))
        })?;
        let kind = FaultKind::named(service, error, milliseconds)?;
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
            resource: None,
        })
    }

    /// This fault, limited to the calls about the stream, table or queue of this name. Other calls
    /// of the service are spared.
    #[must_use]
    pub fn of_resource(self, name: impl Into<String>) -> Self {
        Self {
            resource: Some(name.into()),
            ..self
        }
    }

    /// Reads `{"service": …, "error": …, "rate": …, "seconds": …}`, and `"milliseconds"` with
    /// `"error": "slow"`. All of these fields are required. `"resource"` is optional, and limits
    /// the fault to a stream, table or queue by its name. Other fields are refused.
    ///
    /// # Errors
    /// A [`FaultError`] that names the offending field.
    pub fn parse(json: &[u8]) -> Result<Self, FaultError> {
        // An object comes first, because serde would also read the fields from a list.
        let fields: Map<String, Value> = serde_json::from_slice(json)
            .map_err(|_| FaultError::new("body", "must be a JSON object"))?;
        let Setting {
            service,
            error,
            milliseconds,
            rate,
            seconds,
            resource,
        } = serde_path_to_error::deserialize(Value::Object(fields))?;
        let fault = Self::from_fields(&service, &error, milliseconds, rate, seconds)?;
        match resource.as_deref() {
            Some("") => Err(FaultError::new("resource", "must not be empty")),
            Some(name) => Ok(fault.of_resource(name)),
            None => Ok(fault),
        }
    }

    /// The service that the fault disturbs.
    #[must_use]
    pub fn service(&self) -> Service {
        self.service
    }

    /// The effect on a call that the fault hits.
    #[must_use]
    pub fn kind(&self) -> FaultKind {
        self.kind
    }

    /// The share of calls that the fault hits, from 0 to 1.
    #[must_use]
    pub fn rate(&self) -> f64 {
        self.rate
    }

    /// How long the fault lasts from when it is injected, in seconds.
    #[must_use]
    pub fn seconds(&self) -> u64 {
        self.seconds
    }

    /// The name of the only stream, table or queue that the fault disturbs. `None` if the fault
    /// disturbs the whole service.
    #[must_use]
    pub fn resource(&self) -> Option<&str> {
        self.resource.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal_of(json: &str) -> String {
        Fault::parse(json.as_bytes()).unwrap_err().to_string()
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
    fn a_fault_may_name_the_only_resource_that_it_disturbs() {
        let json =
            br#"{"service":"kinesis","error":"timeout","rate":1,"seconds":3,"resource":"s"}"#;
        let everywhere = Fault::new("kinesis", "timeout", 1.0, 3).unwrap();
        assert_eq!(everywhere.resource(), None);
        assert_eq!(Fault::parse(json).unwrap(), everywhere.of_resource("s"));
        let empty = r#"{"service":"kinesis","error":"timeout","rate":1,"seconds":3,"resource":""}"#;
        assert_eq!(field_of(empty), "resource");
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
    fn a_refusal_says_which_field_breaks_which_rule() {
        assert_eq!(
            refusal_of(r#"["sqs","timeout",null,1,1]"#),
            "body: must be a JSON object"
        );
        assert_eq!(
            refusal_of(r#"{"service":"sqs","error":"timeout","rate":"half","seconds":1}"#),
            r#"rate: invalid type: string "half", expected f64"#
        );
        assert_eq!(
            refusal_of(r#"{"service":"sqs","error":"timeout","rate":1}"#),
            "seconds: must be a whole number from 1 to 86400"
        );
        assert_eq!(
            refusal_of(r#"{"service":"sqs","error":"timeout","rate":1,"seconds":1,"x":1}"#),
            "x: unknown field `x`, expected one of `service`, `error`, `milliseconds`, `rate`, `seconds`, `resource`"
        );
    }

    #[test]
    fn an_error_belongs_to_the_services_that_send_it() {
        assert!(Fault::new("dynamodb", "TransactionConflictException", 1.0, 1).is_ok());
        assert!(Fault::new("kinesis", "TransactionConflictException", 1.0, 1).is_err());
        assert!(Fault::new("sqs", "QueueDoesNotExist", 1.0, 1).is_ok());
    }
}
