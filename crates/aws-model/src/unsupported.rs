//! The refusals for clients of other protocols and of other services. An answer that a client
//! cannot parse shows its user nothing. So each refusal is in the form of the protocol that the
//! client spoke.
//!
//! Sources:
//! - Smithy's AWS query, EC2 query, REST JSON, REST XML and RPC v2 CBOR protocols, "Operation error
//!   serialization".
//! - RFC 8949 for CBOR.
//! - botocore's own description of SQS, for the version that left the query protocol.

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderName, HeaderValue, Request, Response, StatusCode};
use serde_json::json;

use crate::service::Service;

const PROTOCOL: &str = "UnsupportedProtocolException";
const SERVICE: &str = "UnknownOperationException";

/// The refusal of a request that an AWS client sent and that is not a call of the model. `None` if
/// no AWS client sends such a request.
pub(crate) fn refuse(request: &Request<Bytes>, request_id: &str) -> Option<Response<Bytes>> {
    let scope = signed_for(request);
    let asked_for = || scope.unwrap_or("asked for");
    if let Some(media_type) = cbor_type(request) {
        let service = scope
            .or_else(|| target_service(request))
            .unwrap_or("asked for");
        let text = format!(
            "The service {service} speaks AWS JSON here and no CBOR. Set the environment variable AWS_CBOR_DISABLE=true, \
             or for Java the system property aws.cborEnabled=false (Java SDK 1: com.amazonaws.sdk.disableCbor=true)"
        );
        return Some(cbor(&text, media_type, request, request_id));
    }
    if header(request, CONTENT_TYPE).starts_with("application/x-www-form-urlencoded") {
        let of_the_model = scope.is_none_or(|name| name.parse::<Service>().is_ok());
        let (code, text) = if of_the_model {
            let text = format!(
                "The service {} speaks AWS JSON here and no query protocol. Update the client: botocore speaks AWS JSON to SQS \
                 since 1.31.81, the other SDKs and the AWS CLI since the end of 2023",
                scope.unwrap_or("sqs")
            );
            (PROTOCOL, text)
        } else {
            (SERVICE, unknown_service(asked_for()))
        };
        let error = format!("<Code>{code}</Code><Message>{}</Message>", escaped(&text));
        let body = if scope == Some("ec2") {
            format!(
                "<Response><Errors><Error>{error}</Error></Errors><RequestID>{request_id}</RequestID></Response>"
            )
        } else {
            format!(
                "<ErrorResponse><Error><Type>Sender</Type>{error}</Error><RequestId>{request_id}</RequestId></ErrorResponse>"
            )
        };
        return Some(xml(&body, request_id));
    }
    let scope = scope?;
    if scope.parse::<Service>().is_ok() {
        return None;
    }
    let text = unknown_service(scope);
    if matches!(scope, "s3" | "cloudfront" | "route53") {
        let body = format!(
            "<Error><Code>{SERVICE}</Code><Message>{}</Message><RequestId>{request_id}</RequestId></Error>",
            escaped(&text)
        );
        return Some(xml(&body, request_id));
    }
    // Clients of REST JSON read `message` or `Message`. Clients of AWS JSON read `__type` besides.
    let body = json!({ "__type": SERVICE, "message": text, "Message": text });
    let mut response = answer("application/json", body.to_string(), request_id);
    response.headers_mut().insert(
        HeaderName::from_static("x-amzn-errortype"),
        HeaderValue::from_static(SERVICE),
    );
    Some(response)
}

fn unknown_service(name: &str) -> String {
    format!(
        "The service {name} is not modelled here; dynamodb, its streams, kinesis and sqs are. Set an endpoint for these alone, such as \
         AWS_ENDPOINT_URL_KINESIS in place of AWS_ENDPOINT_URL"
    )
}

fn header(request: &Request<Bytes>, name: HeaderName) -> &str {
    request
        .headers()
        .get(name)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
}

/// The service in the credential scope of a Signature Version 4 header.
fn signed_for(request: &Request<Bytes>) -> Option<&str> {
    let (_, scope) = header(request, AUTHORIZATION)
        .strip_prefix("AWS4-")?
        .split_once("Credential=")?;
    scope
        .split([',', ' '])
        .next()?
        .rsplit('/')
        .nth(1)
        .filter(|name| !name.is_empty())
}

fn target_service(request: &Request<Bytes>) -> Option<&'static str> {
    let target = header(request, HeaderName::from_static("x-amz-target"));
    Service::of_target(target).map(|(service, _)| service.name())
}

fn cbor_type(request: &Request<Bytes>) -> Option<&'static str> {
    let media_type = header(request, CONTENT_TYPE);
    if media_type.starts_with("application/x-amz-cbor-1.1") {
        return Some("application/x-amz-cbor-1.1");
    }
    let rpc = header(request, HeaderName::from_static("smithy-protocol")) == "rpc-v2-cbor";
    (rpc || media_type.starts_with("application/cbor")).then_some("application/cbor")
}

/// A CBOR answer with the sentence both in the body and in headers. Clients that cannot read the
/// body read the headers.
fn cbor(
    text: &str,
    media_type: &'static str,
    request: &Request<Bytes>,
    request_id: &str,
) -> Response<Bytes> {
    let mut body = vec![0xa2];
    for part in ["__type", PROTOCOL, "message", text] {
        cbor_text(&mut body, part);
    }
    let mut response = answer(media_type, body, request_id);
    let headers = response.headers_mut();
    headers.insert(
        HeaderName::from_static("x-amzn-errortype"),
        HeaderValue::from_static(PROTOCOL),
    );
    if let Ok(text) = HeaderValue::from_str(text) {
        headers.insert(HeaderName::from_static("x-amzn-error-message"), text);
    }
    let protocol = HeaderName::from_static("smithy-protocol");
    if let Some(value) = request.headers().get(&protocol) {
        headers.insert(protocol, value.clone());
    }
    response
}

/// Writes a text as major type 3 with a length in the head, one byte or two (RFC 8949, section 3).
fn cbor_text(body: &mut Vec<u8>, text: &str) {
    let length = u16::try_from(text.len()).unwrap_or(u16::MAX);
    let [high, low] = length.to_be_bytes();
    match (high, low) {
        (0, 0..24) => body.push(0x60 | low),
        (0, _) => body.extend([0x78, low]),
        _ => body.extend([0x79, high, low]),
    }
    body.extend(&text.as_bytes()[..usize::from(length)]);
}

fn xml(body: &str, request_id: &str) -> Response<Bytes> {
    let text = format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>{body}");
    answer("text/xml", text, request_id)
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

fn answer(media_type: &'static str, body: impl Into<Bytes>, request_id: &str) -> Response<Bytes> {
    let mut response = Response::new(body.into());
    *response.status_mut() = StatusCode::BAD_REQUEST;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    if let Ok(id) = HeaderValue::from_str(request_id) {
        headers.insert(HeaderName::from_static("x-amzn-requestid"), id);
    }
    response
}
