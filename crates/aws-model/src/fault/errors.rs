//! The errors that a fault can be, for each service, with their status and AWS's words.
//!
//! Errors that carry data are left out, because a fault could not fill in the data truthfully. They
//! are a failed condition and a cancelled transaction.

use crate::service::Service;

/// An error that a service answers with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct AwsError {
    /// The error's name in a fault. The name is the code, unless the service sends that code for
    /// something else too.
    pub name: &'static str,
    /// The code on the wire.
    pub code: &'static str,
    /// The HTTP status.
    pub status: u16,
    /// The message that AWS sends with the error, where that message is known.
    pub message: &'static str,
}

impl AwsError {
    /// The error that has this name in a fault of the service.
    pub(super) fn named(service: Service, name: &str) -> Option<&'static Self> {
        Self::all_of(service).find(|error| error.name == name)
    }

    /// The service's own errors, then the errors of every service.
    pub(super) fn all_of(service: Service) -> impl Iterator<Item = &'static Self> {
        let own = match service {
            Service::DynamoDb => DYNAMODB,
            Service::DynamoDbStreams => DYNAMODB_STREAMS,
            Service::Kinesis => KINESIS,
            Service::Sqs => SQS,
        };
        own.iter().chain(COMMON)
    }
}

const fn error(code: &'static str, status: u16, message: &'static str) -> AwsError {
    AwsError {
        name: code,
        code,
        status,
        message,
    }
}

const UNKNOWN: &str =
    "The request processing has failed because of an unknown error, exception or failure.";
const OTHER: &str = "Injected fault.";
/// The message to a caller whose token has expired ("Temporary security credentials", IAM user
/// guide).
const EXPIRED_TOKEN: &str = "The security token included in the request is expired";
/// The message to a caller that signed more than five minutes ago ("Troubleshoot Signature Version
/// 4 signing for AWS API requests", IAM user guide).
const EXPIRED_SIGNATURE: &str = "Signature expired: 20261122T045500Z is now earlier than 20261122T050000Z \
     (20261122T050500Z - 5 min.)";

/// Errors that any AWS service may answer with ("Common Errors" in each API reference). That page
/// gives 403 for `InvalidSignatureException` and `ExpiredTokenException`. The services that speak
/// AWS JSON are known to send 400.
const COMMON: &[AwsError] = &[
    error(
        "AccessDeniedException",
        400,
        "User is not authorized to perform this operation.",
    ),
    error("ExpiredToken", 403, EXPIRED_TOKEN),
    error("ExpiredTokenException", 400, EXPIRED_TOKEN),
    error("IncompleteSignature", 400, OTHER),
    error("InternalFailure", 500, UNKNOWN),
    error("InternalServerError", 500, UNKNOWN),
    error("InvalidClientTokenId", 403, OTHER),
    error("InvalidSignatureException", 400, EXPIRED_SIGNATURE),
    error("LimitExceededException", 400, OTHER),
    error("MissingAuthenticationToken", 403, OTHER),
    error(
        "MissingAuthenticationTokenException",
        400,
        "Missing Authentication Token",
    ),
    error("NotAuthorized", 400, OTHER),
    error("OptInRequired", 403, OTHER),
    error("RequestExpired", 400, OTHER),
    error("RequestThrottled", 400, "Rate exceeded"),
    error("RequestTimeTooSkewed", 403, OTHER),
    error(
        "ServiceUnavailable",
        503,
        "The request has failed due to a temporary failure of the server.",
    ),
    error(
        "ServiceUnavailableException",
        503,
        "The request has failed due to a temporary failure of the server.",
    ),
    error("SignatureDoesNotMatch", 403, EXPIRED_SIGNATURE),
    error("ThrottlingException", 400, "Rate exceeded"),
    error(
        "UnrecognizedClientException",
        400,
        "The security token included in the request is invalid.",
    ),
    error("ValidationException", 400, OTHER),
];

/// Errors of DynamoDB (the "Errors" of its operations, with the status from the same pages).
///
/// DynamoDB has no error code for the KMS key of a table. Only the text tells the cause.
/// - A key that is disabled is a ValidationException (recorded on GetItem and PutItem by the
///   `ack-api-quirks` notes of October 2026, DDB-TABLE-331).
/// - A key that is gone, or that the caller may not use, is an AccessDeniedException (aws/aws-cdk,
///   issues 10010 and 18616).
/// - A key that is called too often is a ThrottlingException (API reference, "Common Errors").
///   DynamoDB has no separate name for this error, and its text is the model's own.
///
/// A `KMSThrottlingException`, as Kinesis sends it, is here for callers that should be ready for
/// one.
const DYNAMODB: &[AwsError] = &[
    error("ItemCollectionSizeLimitExceededException", 400, OTHER),
    error("KMSThrottlingException", 400, OTHER),
    error(
        "ProvisionedThroughputExceededException",
        400,
        "The level of configured provisioned throughput for the table was exceeded. Consider increasing your \
         provisioning level with the UpdateTable API.",
    ),
    error("ReplicatedWriteConflictException", 400, OTHER),
    error("RequestLimitExceeded", 400, OTHER),
    error("ResourceInUseException", 400, OTHER),
    error(
        "ResourceNotFoundException",
        400,
        "Requested resource not found",
    ),
    error("TransactionConflictException", 400, OTHER),
    error("TransactionInProgressException", 400, OTHER),
    AwsError {
        name: "kms-key-disabled",
        code: "ValidationException",
        status: 400,
        message: "KMS key disabled error: com.amazonaws.services.kms.model.DisabledException: \
                  arn:aws:kms:us-east-1:000000000000:key/00000000-0000-0000-0000-000000000000 is disabled. \
                  (Service: AWSKMS; Status Code: 400; Error Code: DisabledException; \
                  Request ID: 00000000-0000-0000-0000-000000000000; Proxy: null)",
    },
    AwsError {
        name: "kms-throttled",
        code: "ThrottlingException",
        status: 400,
        message: "KMS throttled the requests for the table's key: Rate exceeded",
    },
    AwsError {
        name: "kms-key-denied",
        code: "AccessDeniedException",
        status: 400,
        message: "KMS key access denied error: com.amazonaws.services.kms.model.AWSKMSException: The ciphertext \
                  refers to a customer master key that does not exist, does not exist in this region, or you are not \
                  allowed to access. (Service: AWSKMS; Status Code: 400; Error Code: AccessDeniedException; \
                  Request ID: 00000000-0000-0000-0000-000000000000; Proxy: null)",
    },
];

/// Errors of DynamoDB Streams, from the same kind of pages.
const DYNAMODB_STREAMS: &[AwsError] = &[
    error("ExpiredIteratorException", 400, OTHER),
    error(
        "ResourceNotFoundException",
        400,
        "Requested resource not found",
    ),
    error("TrimmedDataAccessException", 400, OTHER),
];

/// Errors of Kinesis, from the same kind of pages.
const KINESIS: &[AwsError] = &[
    error("ExpiredIteratorException", 400, OTHER),
    error("InternalFailureException", 500, UNKNOWN),
    error("InvalidArgumentException", 400, OTHER),
    error("KMSAccessDeniedException", 400, OTHER),
    error("KMSDisabledException", 400, OTHER),
    error("KMSInvalidStateException", 400, OTHER),
    error("KMSNotFoundException", 400, OTHER),
    error("KMSOptInRequired", 400, OTHER),
    error("KMSThrottlingException", 400, OTHER),
    error(
        "ProvisionedThroughputExceededException",
        400,
        "Rate exceeded for shard.",
    ),
    error("ResourceInUseException", 400, OTHER),
    error("ResourceNotFoundException", 400, "Stream not found."),
];

/// Errors of SQS, from the same kind of pages.
const SQS: &[AwsError] = &[
    error("InvalidAddress", 400, OTHER),
    error("InvalidSecurity", 400, OTHER),
    error("KmsAccessDenied", 400, OTHER),
    error("KmsDisabled", 400, OTHER),
    error("KmsInvalidState", 400, OTHER),
    error("KmsNotFound", 400, OTHER),
    error("KmsOptInRequired", 400, OTHER),
    error("KmsThrottled", 400, OTHER),
    error("OverLimit", 400, OTHER),
    error(
        "QueueDoesNotExist",
        400,
        "The specified queue does not exist.",
    ),
    error("ResourceNotFoundException", 400, OTHER),
];
