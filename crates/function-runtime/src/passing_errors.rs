//! The one list of AWS's errors that pass by themselves, and the SDK's classifier over it.
//!
//! An error passes by itself if the same request may succeed a moment later although nobody has
//! mended anything. Such errors are throttling, a failure of the service, a signature that came too
//! late, and a token that is being renewed. A missing permission, table or key does not pass by
//! itself. Server errors (5xx) pass by themselves whatever their code. The SDK sorts these by their
//! status.
//!
//! The list is data, in `passing_errors.json`, with service, code, and the page of AWS's
//! documentation that says so. One entry is a precaution. Kinesis is documented to send the code
//! `KMSThrottlingException`, and DynamoDB is not. Two parts of the project keep their own lists,
//! because each works alone. They are `infra/bin/put-back` and the crate `idempotency`. Tests
//! compare both with this list.

use std::sync::LazyLock;

use aws_runtime::retries::classifiers::AwsErrorCodeClassifier;
use serde::Deserialize;

/// An error that passes by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub struct PassingError {
    /// The service that answers with it, which is `dynamodb`, `kinesis`, `sqs`, or `any` of them.
    pub service: &'static str,
    /// The error code on the wire.
    pub code: &'static str,
    /// The page of AWS's documentation that the entry is from.
    pub source: &'static str,
}

/// The list of errors that pass by themselves.
#[derive(Clone, Copy, Debug)]
pub struct PassingErrors;

#[derive(Deserialize)]
#[serde(bound(deserialize = "'de: 'static"))]
struct Document {
    errors: Vec<PassingError>,
}

static LIST: LazyLock<Vec<PassingError>> = LazyLock::new(|| {
    #[expect(
        clippy::expect_used,
        reason = "the document is a part of this crate, and each of its tests reads it"
    )]
    let document: Document =
        serde_json::from_str(include_str!("passing_errors.json")).expect("a list of errors");
    document.errors
});

impl PassingErrors {
    /// The errors that this service (`dynamodb`, `kinesis`, `sqs`) may answer with, each code once.
    pub fn of(service: &'static str) -> impl Iterator<Item = &'static PassingError> {
        LIST.iter()
            .filter(move |error| error.service == service || error.service == "any")
    }

    /// True if this error of the service passes by itself.
    #[must_use]
    pub fn contain(service: &'static str, code: &str) -> bool {
        Self::of(service).any(|error| error.code == code)
    }

    /// The SDK's classifier of error codes, with the errors of this service.
    ///
    /// `E` is the error of the one operation that the client is made for. The SDK reads an error
    /// code off a type, and a classifier of another operation's type sees none.
    #[must_use]
    pub fn classifier<E>(service: &'static str) -> AwsErrorCodeClassifier<E> {
        let codes: Vec<&'static str> = Self::of(service).map(|error| error.code).collect();
        AwsErrorCodeClassifier::builder()
            .transient_errors(codes)
            .build()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use aws_runtime::retries::classifiers::{THROTTLING_ERRORS, TRANSIENT_ERRORS};

    use super::*;

    #[test]
    fn no_service_has_a_code_twice() {
        for service in ["dynamodb", "kinesis", "sqs"] {
            let mut codes = BTreeSet::new();
            for error in PassingErrors::of(service) {
                assert!(codes.insert(error.code), "{service}: {}", error.code);
            }
            assert!(!codes.is_empty());
        }
    }

    #[test]
    fn every_error_is_of_a_service_that_is_called_and_names_a_page_of_awss_documentation() {
        for error in &*LIST {
            assert!(["any", "dynamodb", "kinesis", "sqs"].contains(&error.service));
            assert!(error.source.starts_with("https://docs.aws.amazon.com/"));
            assert!(!error.code.is_empty());
        }
    }

    // The SDK tries these again whatever we say. One list is one only if it says so too.
    #[test]
    fn all_that_the_sdk_tries_again_by_itself_is_in_the_list() {
        for code in THROTTLING_ERRORS.iter().chain(TRANSIENT_ERRORS) {
            for service in ["dynamodb", "kinesis", "sqs"] {
                assert!(PassingErrors::contain(service, code), "{service}: {code}");
            }
        }
    }

    #[test]
    fn what_somebody_has_to_mend_is_not_in_the_list() {
        for code in [
            "AccessDeniedException",
            "ResourceNotFoundException",
            "ValidationException",
            "ConditionalCheckFailedException",
            "KMSDisabledException",
            "KMSAccessDeniedException",
        ] {
            for service in ["dynamodb", "kinesis", "sqs"] {
                assert!(!PassingErrors::contain(service, code), "{service}: {code}");
            }
        }
    }
}
