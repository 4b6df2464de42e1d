//! `GET /openapi.json` answers with the description of the API, in OpenAPI 3.1.

use std::sync::LazyLock;

use http::HeaderValue;
use sha2::{Digest as _, Sha256};

use crate::problem::Problem;
use crate::response::Response;

#[cfg(test)]
pub(crate) mod document;

/// The document. It is made of the types that the handlers use, and a test compares the two.
const DOCUMENT: &str = include_str!("../../../docs/openapi.json");

/// The document changes with a deployment only. A cache may keep it for a few minutes, and asks
/// then if it is still the same.
const CACHE_CONTROL: HeaderValue = HeaderValue::from_static("public, max-age=300");

/// The document's entity tag, which is a strong one (RFC 9110 §8.8.3).
static ETAG: LazyLock<String> = LazyLock::new(|| {
    let digest = Sha256::digest(DOCUMENT);
    let digest: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("\"{}\"", &digest[..32])
});

/// The document has no data of anybody, so it is there for everybody.
pub(crate) fn answer() -> Result<Response, Problem> {
    let etag = HeaderValue::from_str(&ETAG).map_err(|_| Problem::internal())?;
    Ok(Response::document(DOCUMENT, CACHE_CONTROL).with(http::header::ETAG, etag))
}
