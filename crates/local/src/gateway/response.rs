//! Turns a function's answer into an HTTP response, as API Gateway does for payload format 2.0.
//!
//! The format is documented in
//! <https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html>.
//! Further rules were observed on AWS and are written down in the test tool of
//! aws/aws-lambda-dotnet.
//!
//! - An answer without a `statusCode` is a body as it is, JSON or not.
//! - A response that cannot be read is a 500.
//! - A missing `content-type` is `text/plain; charset=utf-8` in an answer with a `statusCode`. That
//!   of a 304 was not observed. It has no content, so it gets no type here (RFC 9110 §15.4.5).

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, SET_COOKIE};
use http::{HeaderName, HeaderValue, Response, StatusCode};
use serde::Deserialize;
use serde_json::Value;

/// The function's answer names a `statusCode`, but is not a response otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct MalformedResponse(&'static str);

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct FunctionResponse {
    status_code: u16,
    #[serde(default)]
    headers: Option<BTreeMap<String, Scalar>>,
    #[serde(default)]
    cookies: Option<Vec<String>>,
    #[serde(default)]
    body: Option<String>,
    #[serde(default)]
    is_base64_encoded: Option<bool>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Scalar {
    Text(String),
    Number(serde_json::Number),
    Boolean(bool),
}

/// Reads the function's answer.
///
/// # Errors
/// [`MalformedResponse`] if the answer has a `statusCode` and one of these faults.
///
/// - A status outside 200–599
/// - A header or a cookie that HTTP does not allow
/// - A body that claims to be base64 and is not
/// - A field of another type
pub fn interpret(payload: &Bytes) -> Result<Response<Bytes>, MalformedResponse> {
    let answer: Option<Value> = serde_json::from_slice(payload).ok();
    match answer {
        Some(answer) if answer.get("statusCode").is_some() => build(answer),
        _ => {
            let mut response = Response::new(payload.clone());
            response
                .headers_mut()
                .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            Ok(response)
        }
    }
}

fn build(answer: Value) -> Result<Response<Bytes>, MalformedResponse> {
    let answer: FunctionResponse = serde_json::from_value(answer)
        .map_err(|_| MalformedResponse("a field has the wrong type"))?;
    let status = StatusCode::from_u16(answer.status_code).ok();
    let status = status
        .filter(|status| (200..=599).contains(&status.as_u16()))
        .ok_or(MalformedResponse("statusCode is not between 200 and 599"))?;
    let body = answer.body.unwrap_or_default();
    let body = match answer.is_base64_encoded {
        Some(true) => STANDARD
            .decode(body)
            .map_err(|_| MalformedResponse("body is not base64"))?,
        _ => body.into_bytes(),
    };
    let mut response = Response::new(Bytes::from(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    for (name, value) in answer.headers.unwrap_or_default() {
        let name = HeaderName::try_from(name)
            .map_err(|_| MalformedResponse("a header's name is not allowed"))?;
        let value = match value {
            Scalar::Text(value) => value,
            Scalar::Number(value) => value.to_string(),
            Scalar::Boolean(value) => value.to_string(),
        };
        let value = HeaderValue::try_from(value)
            .map_err(|_| MalformedResponse("a header's value is not allowed"))?;
        // The gateway decides about the connection, and about the length of what it sends.
        if name == CONTENT_LENGTH
            || matches!(
                name.as_str(),
                "connection" | "transfer-encoding" | "keep-alive" | "upgrade"
            )
        {
            continue;
        }
        headers.append(name, value);
    }
    for cookie in answer.cookies.unwrap_or_default() {
        let cookie = HeaderValue::try_from(cookie)
            .map_err(|_| MalformedResponse("a cookie is not allowed"))?;
        headers.append(SET_COOKIE, cookie);
    }
    if status != StatusCode::NOT_MODIFIED {
        headers
            .entry(CONTENT_TYPE)
            .or_insert(HeaderValue::from_static("text/plain; charset=utf-8"));
    }
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn interpret_json(answer: &Value) -> Result<Response<Bytes>, MalformedResponse> {
        interpret(&Bytes::from(answer.to_string()))
    }

    #[test]
    fn status_headers_cookies_and_body_are_what_the_function_says() {
        let response = interpret_json(&json!({
            "statusCode": 202,
            "headers": { "Content-Type": "application/problem+json", "Retry-After": 1, "X-Flag": true },
            "cookies": ["a=1; Path=/", "b=2"],
            "body": "{}",
            "isBase64Encoded": false,
        }))
        .unwrap();
        assert_eq!(response.status(), 202);
        assert_eq!(
            response.headers()["content-type"],
            "application/problem+json"
        );
        assert_eq!(response.headers()["retry-after"], "1");
        assert_eq!(response.headers()["x-flag"], "true");
        let cookies: Vec<_> = response.headers().get_all("set-cookie").iter().collect();
        assert_eq!(cookies, ["a=1; Path=/", "b=2"]);
        assert_eq!(response.body(), "{}");
    }

    #[test]
    fn a_base64_body_is_decoded() {
        let response =
            interpret_json(&json!({ "statusCode": 200, "body": "/w==", "isBase64Encoded": true }))
                .unwrap();
        assert_eq!(response.body().as_ref(), b"\xff");
    }

    #[test]
    fn null_counts_as_absent_and_a_missing_media_type_is_plain_text() {
        let answer = json!({ "statusCode": 204, "headers": null, "cookies": null, "body": null, "isBase64Encoded": null });
        let response = interpret_json(&answer).unwrap();
        assert_eq!(response.status(), 204);
        assert!(response.body().is_empty());
        assert_eq!(
            response.headers()["content-type"],
            "text/plain; charset=utf-8"
        );
    }

    #[test]
    fn a_304_has_no_media_type() {
        let answer = json!({ "statusCode": 304, "headers": { "ETag": "\"a\"" } });
        let response = interpret_json(&answer).unwrap();
        assert_eq!(response.headers().len(), 1);
        assert_eq!(response.headers()["etag"], "\"a\"");
        assert!(response.body().is_empty());
    }

    #[test]
    fn an_answer_without_a_status_is_a_body_as_it_stands() {
        for answer in ["{\"a\": 1}", "[1]", "\"text\"", "null", "{\"cut"] {
            let response = interpret(&Bytes::from(answer)).unwrap();
            assert_eq!(response.status(), 200, "{answer}");
            assert_eq!(response.headers()["content-type"], "application/json");
            assert_eq!(response.body(), answer);
        }
    }

    #[test]
    fn an_answer_with_a_status_that_is_no_response_is_malformed() {
        for answer in [
            json!({ "statusCode": "200" }),
            json!({ "statusCode": 0 }),
            json!({ "statusCode": 100 }),
            json!({ "statusCode": 600 }),
            json!({ "statusCode": 70_000 }),
            json!({ "statusCode": 200, "body": { "a": 1 } }),
            json!({ "statusCode": 200, "body": "%", "isBase64Encoded": true }),
            json!({ "statusCode": 200, "headers": { "bad name": "x" } }),
            json!({ "statusCode": 200, "headers": { "name": "a\nb" } }),
            json!({ "statusCode": 200, "cookies": ["a\nb"] }),
        ] {
            assert!(interpret_json(&answer).is_err(), "{answer}");
        }
    }

    #[test]
    fn the_function_does_not_decide_about_the_connection() {
        let answer = json!({ "statusCode": 200, "headers": { "Content-Length": "99", "Connection": "close" }, "body": "a" });
        let response = interpret_json(&answer).unwrap();
        assert!(response.headers().get("content-length").is_none());
        assert!(response.headers().get("connection").is_none());
    }
}
