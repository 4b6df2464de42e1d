//! An error answer in AWS's JSON protocols. It has a status, `__type` and a message. For SQS it
//! also has a header with the code of SQS's older query protocol.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Response, StatusCode};
use serde_json::{Value, json};

use crate::service::Service;

const QUERY_ERROR: HeaderName = HeaderName::from_static("x-amzn-query-error");

/// The answer of a service that refuses a request.
///
/// Source: Smithy's AWS JSON 1.0 and 1.1 protocols, "Operation error serialization", and
/// "awsQueryCompatible" for the header that SQS sends.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct Failure {
    /// The error's shape without its namespace, such as `ResourceNotFoundException`.
    pub code: &'static str,
    /// 400 if the client must change the request or retry later, 500 and above for the service's
    /// own faults.
    pub status: u16,
    /// The text for a person, which is empty if AWS sends none.
    pub message: String,
}

impl Failure {
    /// A refusal with status 400.
    pub(crate) fn client(code: &'static str, message: impl Into<String>) -> Self {
        Self {
            code,
            status: 400,
            message: message.into(),
        }
    }

    /// The refusal of an operation that is not modelled. `name` is the operation that was asked
    /// for.
    pub(crate) fn unknown_operation(name: &str) -> Self {
        Self::client(
            "UnknownOperationException",
            format!("{name} is not modelled here"),
        )
    }

    /// The value of `__type`, which is the code behind the namespace that the service puts before
    /// its own errors.
    fn type_name(&self, service: Option<Service>) -> String {
        let code = self.code;
        let protocol_error = matches!(
            code,
            "SerializationException"
                | "UnknownOperationException"
                | "AccessDeniedException"
                | "InvalidParameterValueException"
                | "MissingRequiredParameterException"
        );
        match service {
            None => format!("com.amazon.coral.service#{code}"),
            Some(Service::Kinesis) => code.to_owned(),
            Some(_) if protocol_error => format!("com.amazon.coral.service#{code}"),
            Some(Service::DynamoDb | Service::DynamoDbStreams) if code == "ValidationException" => {
                format!("com.amazon.coral.validate#{code}")
            }
            Some(Service::DynamoDb | Service::DynamoDbStreams) if code == "ThrottlingException" => {
                format!("com.amazon.coral.availability#{code}")
            }
            Some(Service::DynamoDb | Service::DynamoDbStreams) => {
                format!("com.amazonaws.dynamodb.v20120810#{code}")
            }
            Some(Service::Sqs) => format!("com.amazonaws.sqs#{code}"),
        }
    }

    /// The code that SQS's query protocol had for this error.
    fn query_code(&self) -> &'static str {
        match self.code {
            "QueueDoesNotExist" => "AWS.SimpleQueueService.NonExistentQueue",
            "InvalidParameterValueException" => "InvalidParameterValue",
            "MissingRequiredParameterException" => "MissingParameter",
            "QueueNameExists" => "QueueAlreadyExists",
            "MessageNotInflight" => "AWS.SimpleQueueService.MessageNotInflight",
            "UnsupportedOperation" => "AWS.SimpleQueueService.UnsupportedOperation",
            "TooManyEntriesInBatchRequest" => "AWS.SimpleQueueService.TooManyEntriesInBatchRequest",
            "EmptyBatchRequest" => "AWS.SimpleQueueService.EmptyBatchRequest",
            "BatchEntryIdsNotDistinct" => "AWS.SimpleQueueService.BatchEntryIdsNotDistinct",
            other => other,
        }
    }

    /// The answer on the wire. `service` is `None` if the request names no service.
    pub(crate) fn into_response(
        self,
        service: Option<Service>,
        request_id: &str,
    ) -> Response<Bytes> {
        let type_name = self.type_name(service);
        let body = if self.message.is_empty() {
            json!({ "__type": type_name })
        } else if self.code == "SerializationException" {
            json!({ "__type": type_name, "Message": self.message })
        } else {
            json!({ "__type": type_name, "message": self.message })
        };
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::BAD_REQUEST);
        let mut response = respond(service, status, &body, request_id);
        if service == Some(Service::Sqs) {
            let fault = if self.status < 500 {
                "Sender"
            } else {
                "Receiver"
            };
            if let Ok(value) = HeaderValue::from_str(&format!("{};{fault}", self.query_code())) {
                response.headers_mut().insert(QUERY_ERROR, value);
            }
        }
        response
    }
}

/// A JSON answer with the service's media type and a request id. `Value::Null` gives an empty body,
/// which AWS sends for operations without output.
pub(crate) fn respond(
    service: Option<Service>,
    status: StatusCode,
    body: &Value,
    request_id: &str,
) -> Response<Bytes> {
    let bytes = if body.is_null() {
        Bytes::new()
    } else {
        Bytes::from(body.to_string())
    };
    respond_bytes(service, status, bytes, request_id)
}

/// Like [`respond`], with a body that is JSON already.
pub(crate) fn respond_bytes(
    service: Option<Service>,
    status: StatusCode,
    body: Bytes,
    request_id: &str,
) -> Response<Bytes> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let content_type = service.map_or("application/x-amz-json-1.1", Service::content_type);
    let headers = response.headers_mut();
    headers.insert(
        http::header::CONTENT_TYPE,
        HeaderValue::from_static(content_type),
    );
    if let Ok(id) = HeaderValue::from_str(request_id) {
        headers.insert(HeaderName::from_static("x-amzn-requestid"), id);
    }
    response
}
