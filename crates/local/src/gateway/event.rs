//! The event that API Gateway makes of an HTTP request. It is an HTTP API's event of payload format
//! 2.0.
//!
//! The source is "Create AWS Lambda proxy integrations for HTTP APIs",
//! <https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html>.
//! Where that page is silent, a comment names the source of the rule.

use std::collections::BTreeMap;
use std::net::IpAddr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use http::request::Parts;
use http::{HeaderMap, HeaderName, Uri};
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value, json};

/// The header that names the caller, for tests and trials. Its value becomes the subject of a JWT
/// that nobody signed. The header is never passed on.
pub const CALLER_HEADER: HeaderName = HeaderName::from_static("x-local-caller");

/// The facts about a request that the request itself does not contain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// The id of the request, which no other request has.
    pub request_id: String,
    /// When the request came.
    pub time: DateTime<Utc>,
    /// The address that the request came from.
    pub source_ip: IpAddr,
    /// The port that the request came to.
    pub port: u16,
}

/// The event for a request with `head` and `body`.
#[must_use]
pub fn event(head: &Parts, body: &Bytes, arrival: &Arrival) -> Value {
    let headers = headers(head, body, arrival);
    // An HTTP API decodes the path, unlike REST APIs and function URLs. The query stays as it was
    // sent. Both were observed on AWS (aws/aws-lambda-dotnet, pull request 1901).
    let path = path(&head.uri);
    let query = head.uri.query().unwrap_or_default();
    let host = headers
        .get("host")
        .and_then(Value::as_str)
        .unwrap_or("localhost")
        .to_owned();
    let mut event = json!({
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": query,
        "requestContext": {
            "accountId": "000000000000",
            "apiId": "local",
            "domainName": host,
            "domainPrefix": host.split(['.', ':']).next(),
            "http": {
                "method": head.method.as_str(),
                "path": path,
                "protocol": format!("{:?}", head.version),
                "sourceIp": arrival.source_ip.to_string(),
                "userAgent": headers.get("user-agent").and_then(Value::as_str).unwrap_or_default(),
            },
            "requestId": arrival.request_id,
            "routeKey": "$default",
            "stage": "$default",
            "time": arrival.time.format("%d/%b/%Y:%H:%M:%S +0000").to_string(),
            "timeEpoch": arrival.time.timestamp_millis(),
        },
        "headers": headers,
    });
    // A header that is not UTF-8, or that appears twice, names nobody.
    let mut callers = head.headers.get_all(CALLER_HEADER).iter();
    if let (Some(caller), None) = (callers.next(), callers.next())
        && let Ok(caller) = std::str::from_utf8(caller.as_bytes())
    {
        event["requestContext"]["authorizer"] =
            json!({ "jwt": { "claims": { "sub": caller, "iss": "local" }, "scopes": null } });
    }
    let cookies = cookies(&head.headers);
    if !cookies.is_empty() {
        event["cookies"] = cookies.into();
    }
    if !query.is_empty() {
        event["queryStringParameters"] = json!(query_parameters(query));
    }
    let (body, encoded) = body_text(&head.headers, body);
    event["isBase64Encoded"] = encoded.into();
    if let Some(body) = body {
        event["body"] = body.into();
    }
    event
}

/// The path of a request, decoded.
pub(crate) fn path(uri: &Uri) -> String {
    decode(uri.path())
}

/// The headers of the event. Names are in lower case, and values of the same name are joined by
/// commas. Cookies have their own field. Headers that concern only the connection are left out.
fn headers(head: &Parts, body: &Bytes, arrival: &Arrival) -> Map<String, Value> {
    let mut headers = Map::new();
    for name in head.headers.keys() {
        if matches!(
            name.as_str(),
            "cookie" | "connection" | "keep-alive" | "te" | "transfer-encoding" | "upgrade"
        ) || name == CALLER_HEADER
        {
            continue;
        }
        let values = head.headers.get_all(name).iter();
        let values: Vec<_> = values
            .map(|value| String::from_utf8_lossy(value.as_bytes()))
            .collect();
        headers.insert(name.as_str().to_owned(), values.join(",").into());
    }
    headers.insert("content-length".into(), body.len().to_string().into());
    headers.insert(
        "x-forwarded-for".into(),
        arrival.source_ip.to_string().into(),
    );
    headers.insert("x-forwarded-port".into(), arrival.port.to_string().into());
    headers.insert("x-forwarded-proto".into(), "http".into());
    headers
}

fn cookies(headers: &HeaderMap) -> Vec<String> {
    let values = headers.get_all(http::header::COOKIE).iter();
    let values: Vec<_> = values
        .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
        .collect();
    values
        .iter()
        .flat_map(|value| value.split(';'))
        .map(str::trim)
        .filter(|cookie| !cookie.is_empty())
        .map(str::to_owned)
        .collect()
}

/// The parameters of a query, decoded. Values of the same name are joined by commas.
fn query_parameters(query: &str) -> BTreeMap<String, String> {
    let mut parameters: BTreeMap<String, String> = BTreeMap::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let (name, value) = (
            decode(&name.replace('+', " ")),
            decode(&value.replace('+', " ")),
        );
        parameters
            .entry(name)
            .and_modify(|values| {
                values.push(',');
                values.push_str(&value);
            })
            .or_insert(value);
    }
    parameters
}

fn decode(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

/// The body for the event, and true if it is in base64. Text stays as it is, and everything else is
/// in base64.
///
/// API Gateway goes by the media type, and does not count a form as text. A body that claims to be
/// text but is not UTF-8 cannot be part of JSON, so it is in base64 too.
fn body_text(headers: &HeaderMap, body: &Bytes) -> (Option<String>, bool) {
    if body.is_empty() {
        return (None, false);
    }
    match std::str::from_utf8(body) {
        Ok(text) if is_text(headers) => (Some(text.to_owned()), false),
        _ => (Some(STANDARD.encode(body)), true),
    }
}

fn is_text(headers: &HeaderMap) -> bool {
    let Some(media_type) = headers.get(http::header::CONTENT_TYPE) else {
        return true;
    };
    let media_type = String::from_utf8_lossy(media_type.as_bytes()).to_ascii_lowercase();
    let essence = media_type.split(';').next().unwrap_or_default().trim();
    essence.starts_with("text/")
        || matches!(
            essence,
            "application/json" | "application/xml" | "application/javascript"
        )
        || essence.ends_with("+json")
        || essence.ends_with("+xml")
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Request;

    fn arrival() -> Arrival {
        Arrival {
            request_id: "JKJaXmPLvHcESHA=".into(),
            time: DateTime::from_timestamp_millis(1_763_791_200_123).unwrap(),
            source_ip: "127.0.0.1".parse().unwrap(),
            port: 3000,
        }
    }

    fn event_of(request: http::request::Builder, body: &'static [u8]) -> Value {
        let (head, ()) = request.body(()).unwrap().into_parts();
        event(&head, &Bytes::from_static(body), &arrival())
    }

    #[test]
    fn a_request_becomes_the_golden_event() {
        let request = Request::post("/orders/a%20b?x=1&y=a%2Cb&x=2&z")
            .header("Host", "127.0.0.1:3000")
            .header("User-Agent", "curl/8.5.0")
            .header("Content-Type", "application/json")
            .header("Accept", "text/html")
            .header("Accept", "application/json")
            .header("Cookie", "session=1; theme=dark")
            .header("Cookie", "extra=2")
            .header("Connection", "keep-alive")
            .header("X-Local-Caller", "alice");
        let golden: Value =
            serde_json::from_str(include_str!("../../tests/golden/gateway_event.json")).unwrap();
        assert_eq!(event_of(request, br#"{"customer_id":"c-1"}"#), golden);
    }

    #[test]
    fn a_request_without_body_query_cookies_and_caller_has_none_of_these_fields() {
        let event = event_of(Request::get("/orders/1"), b"");
        for absent in ["body", "cookies", "queryStringParameters"] {
            assert!(event.get(absent).is_none(), "{absent}");
        }
        assert!(event["requestContext"].get("authorizer").is_none());
        assert_eq!(event["rawQueryString"], "");
        assert_eq!(event["isBase64Encoded"], false);
        assert_eq!(event["headers"]["content-length"], "0");
    }

    #[test]
    fn the_callers_header_becomes_a_claim_and_is_not_passed_on() {
        let event = event_of(Request::get("/").header("x-local-caller", "alice"), b"");
        assert_eq!(
            event["requestContext"]["authorizer"]["jwt"]["claims"],
            json!({ "sub": "alice", "iss": "local" })
        );
        assert!(event["headers"].get("x-local-caller").is_none());
    }

    #[test]
    fn a_body_that_is_not_text_is_sent_in_base64() {
        let encoded = |media_type: &str, body: &'static [u8]| {
            let event = event_of(Request::post("/").header("content-type", media_type), body);
            (
                event["body"].as_str().unwrap().to_owned(),
                event["isBase64Encoded"].as_bool().unwrap(),
            )
        };
        assert_eq!(
            encoded("application/json; charset=utf-8", b"{}"),
            ("{}".into(), false)
        );
        assert_eq!(
            encoded("application/problem+json", b"{}"),
            ("{}".into(), false)
        );
        assert_eq!(encoded("text/plain", b"a"), ("a".into(), false));
        assert_eq!(
            encoded("application/x-www-form-urlencoded", b"{}"),
            ("e30=".into(), true)
        );
        assert_eq!(
            encoded("application/octet-stream", b"{}"),
            ("e30=".into(), true)
        );
        assert_eq!(
            encoded("application/json", b"\xff"),
            ("/w==".into(), true),
            "the body is not UTF-8, whatever its media type claims"
        );
    }
}
