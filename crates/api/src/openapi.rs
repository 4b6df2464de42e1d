//! `GET /openapi.json` answers with the description of the API, in OpenAPI 3.1.

use http::HeaderValue;

use crate::problem::Problem;
use crate::request::Request;
use crate::response::{IF_NONE_MATCH, Response};

#[cfg(test)]
pub(crate) mod document;

/// The document. It is made of the types that the handlers use, and a test compares the two.
const DOCUMENT: &str = include_str!("../../../docs/openapi.json");

/// The document changes with a deployment only. Every cache may keep it for a few minutes, and asks
/// then if it is still the same.
const CACHE_CONTROL: HeaderValue = HeaderValue::from_static("public, max-age=300");

/// The document has no data of anybody, so it is there for everybody.
pub(crate) fn answer(request: &Request<'_>) -> Result<Response, Problem> {
    Response::written(DOCUMENT, CACHE_CONTROL, request.header(IF_NONE_MATCH))
}
