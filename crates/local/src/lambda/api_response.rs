//! The responses that the Runtime API and the Extensions API have in common.

use bytes::Bytes;
use http::{Response, StatusCode};
use serde_json::json;

use crate::servers::json_response::json_response;

/// Status 202 and `{"status": "OK"}`, which say that the report or the answer has arrived.
pub(crate) fn accepted() -> Response<Bytes> {
    json_response(StatusCode::ACCEPTED, &json!({ "status": "OK" }))
}

/// The error `kind` with its `message`, in the shape of both APIs.
pub(crate) fn refused(status: StatusCode, kind: &str, message: &str) -> Response<Bytes> {
    json_response(
        status,
        &json!({ "errorType": kind, "errorMessage": message }),
    )
}
