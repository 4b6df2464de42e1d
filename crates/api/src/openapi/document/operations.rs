//! The operations, one for each endpoint, and the parts of the document that they share.

use std::collections::BTreeMap;

use orders::IdempotencyKey;
use serde_json::{Value, json};

use super::examples::{KEY, TRACE, UNKNOWN};
use super::{Schemas, of_orders};
use crate::problem::Kind;
use crate::response::{Accepted, JSON};
use crate::route::Endpoint;
use crate::wait::MaxWait;
use crate::{batch, cancel, submit};

/// An operation, before its responses are filled in.
pub(super) struct Operation {
    /// The Operation Object without its responses.
    pub(super) value: Value,
    /// The Response Objects of success.
    pub(super) successes: Vec<(u16, Value)>,
    /// The Response Object of a 304.
    pub(super) not_modified: Option<Value>,
    /// True if each success has an example.
    pub(super) has_examples: bool,
    pub(super) problems: Vec<Kind>,
    /// The front door's own statuses, each with its reason.
    pub(super) front_door: BTreeMap<u16, &'static str>,
}

/// The operation of an endpoint.
pub(super) fn of(endpoint: Endpoint, schemas: &mut Schemas) -> Operation {
    match endpoint {
        Endpoint::Submit => Operation {
            value: json!({
                "operationId": "submitOrder",
                "summary": "Submit an order",
                "description": format!(
                    "A 202 means that the order is kept and will be applied. It can normally be read a second or two later. Send an `Idempotency-Key` whenever a second order would hurt. With a key the request can be repeated until it is answered, and remains one order.\n\nThe body has at most {} bytes.\n\nThe same key with a different order is answered 202 as well. Of the two orders the first to be applied counts. The other one's fingerprint is listed in `conflicts` when the order is read.",
                    submit::MAX_BODY
                ),
                "parameters": [parameter("IdempotencyKey"), parameter("TraceParent")],
                "requestBody": {
                    "required": true,
                    "description": "The order.",
                    "content": {JSON: {"schema": schemas.of::<of_orders::NewOrder>()}},
                },
            }),
            successes: vec![(
                202,
                accepted(
                    "The order is accepted.",
                    schemas.of::<Accepted<submit::Fields>>(),
                    json!({"read": wait_link(), "cancel": cancel_link()}),
                ),
            )],
            not_modified: None,
            has_examples: true,
            problems: vec![
                Kind::MalformedRequest,
                Kind::MalformedJson,
                Kind::InvalidIdempotencyKey,
                Kind::IdempotencyKeyRequired,
                Kind::CallerRequired,
                Kind::TooManyRequests,
                Kind::BodyTooLarge,
                Kind::UnsupportedMediaType,
                Kind::InvalidOrder,
                Kind::InternalError,
                Kind::NotAccepted,
                Kind::OutcomeUnknown,
            ],
            front_door: front_door(true),
        },
        Endpoint::Batch => Operation {
            value: json!({
                "operationId": "submitOrders",
                "summary": "Submit up to a hundred orders",
                "description": format!(
                    "The answer to a sound envelope is 207, whatever became of the orders. It has a result for each order, in the same sequence. An order that breaks rules has a result with the status 422, and does not spoil the others.\n\nOne `Idempotency-Key` covers the batch. The id of each order is derived from the caller, the key and the order's position. So a retry sends the whole batch again, unchanged.\n\nThe body has at most {} bytes, and each order at most {}.",
                    batch::MAX_BATCH,
                    submit::MAX_BODY
                ),
                "parameters": [parameter("IdempotencyKey"), parameter("TraceParent")],
                "requestBody": {
                    "required": true,
                    "description": "The orders. An order that breaks rules is no error of the batch.",
                    "content": {JSON: {"schema": {
                        "type": "object",
                        "additionalProperties": false,
                        "required": ["orders"],
                        "properties": {"orders": {
                            "type": "array",
                            "minItems": 1,
                            "maxItems": orders::MAX_ORDERS_OF_BATCH,
                            "items": schemas.of::<of_orders::NewOrder>(),
                        }},
                    }}},
                },
            }),
            successes: vec![(
                207,
                json!({
                    "description": "A result for each order.",
                    "headers": {
                        "Retry-After": header("Retry-After", false),
                        "Cache-Control": header("Cache-Control", true),
                        "Apigw-Requestid": header("Apigw-Requestid", false),
                    },
                    "content": {JSON: {"schema": schemas.of::<batch::Document<'_>>()}},
                }),
            )],
            not_modified: None,
            has_examples: true,
            problems: vec![
                Kind::MalformedRequest,
                Kind::MalformedJson,
                Kind::InvalidIdempotencyKey,
                Kind::IdempotencyKeyRequired,
                Kind::CallerRequired,
                Kind::BodyTooLarge,
                Kind::UnsupportedMediaType,
                Kind::InvalidBatch,
                Kind::TooManyRequests,
                Kind::InternalError,
                Kind::NotAccepted,
            ],
            front_door: front_door(true),
        },
        Endpoint::Cancel => Operation {
            value: json!({
                "operationId": "cancelOrder",
                "summary": "Cancel an order",
                "description": "The request has no body. A cancel may be repeated, and it may come before the order. The 202 says nothing about the order, because accepting never reads. A cancel of somebody else's order is accepted and has no effect. Read the order to see if it is cancelled.",
                "parameters": [parameter("OrderId"), parameter("TraceParent")],
            }),
            successes: vec![(
                202,
                accepted(
                    "The cancel is accepted.",
                    schemas.of::<Accepted<cancel::NoFields>>(),
                    json!({"read": read_link()}),
                ),
            )],
            not_modified: None,
            has_examples: true,
            problems: vec![
                Kind::MalformedRequest,
                Kind::InvalidOrderId,
                Kind::CallerRequired,
                Kind::TooManyRequests,
                Kind::InternalError,
                Kind::NotAccepted,
                Kind::OutcomeUnknown,
            ],
            front_door: front_door(true),
        },
        Endpoint::Read => Operation {
            value: json!({
                "operationId": "readOrder",
                "summary": "Read an order",
                "description": "An order that is unknown, not stored yet or somebody else's is one and the same 404. `Prefer: wait=N` waits until the order is there. A 200 has an `ETag`, and `If-None-Match` with this tag is answered 304 while the order is the same.",
                "parameters": [parameter("OrderId"), parameter("Prefer"), parameter("IfNoneMatch")],
            }),
            successes: vec![(
                200,
                json!({
                    "description": "The order.",
                    "headers": {
                        "Cache-Control": header("Cache-Control", true),
                        "ETag": header("ETag", true),
                        "Preference-Applied": header("Preference-Applied", false),
                        "Apigw-Requestid": header("Apigw-Requestid", false),
                    },
                    "content": {JSON: {"schema": schemas.of::<of_orders::OrderView>()}},
                    "links": {"cancel": cancel_link()},
                }),
            )],
            not_modified: Some(json!({
                "description": "The order is the same as that of a tag in `If-None-Match`.",
                "headers": {
                    "Cache-Control": header("Cache-Control", true),
                    "ETag": header("ETag", true),
                    "Preference-Applied": header("Preference-Applied", false),
                    "Apigw-Requestid": header("Apigw-Requestid", false),
                },
            })),
            has_examples: true,
            problems: vec![
                Kind::MalformedRequest,
                Kind::InvalidOrderId,
                Kind::CallerRequired,
                Kind::TooManyRequests,
                Kind::OrderNotFound,
                Kind::InternalError,
                Kind::Unavailable,
            ],
            front_door: front_door(true),
        },
        Endpoint::OpenApi => Operation {
            value: json!({
                "operationId": "readOpenApi",
                "summary": "Read this document",
                "description": "The document has no data of anybody, so no caller is asked for.",
                "parameters": [parameter("IfNoneMatch")],
                "security": [],
            }),
            successes: vec![(
                200,
                json!({
                    "description": "This document.",
                    "headers": {
                        "Cache-Control": header("Cache-Control", true),
                        "ETag": header("ETag", true),
                        "Apigw-Requestid": header("Apigw-Requestid", false),
                    },
                    "content": {JSON: {"schema": {
                        "type": "object",
                        "required": ["openapi", "info", "paths"],
                        "properties": {"openapi": {"type": "string", "pattern": r"^3\.1\."}},
                    }}},
                }),
            )],
            not_modified: Some(json!({
                "description": "The document is the same as that of a tag in `If-None-Match`.",
                "headers": {
                    "Cache-Control": header("Cache-Control", true),
                    "ETag": header("ETag", true),
                    "Apigw-Requestid": header("Apigw-Requestid", false),
                },
            })),
            // The example would be the document itself.
            has_examples: false,
            problems: vec![],
            front_door: front_door(false),
        },
    }
}

/// The statuses that the front door answers without asking the service. Where callers are known, it
/// checks their tokens or signatures.
fn front_door(has_callers: bool) -> BTreeMap<u16, &'static str> {
    let mut statuses = BTreeMap::from([
        (400, "The request is not HTTP as it should be."),
        (413, "The body is larger than the front door takes (6 MB)."),
        (
            429,
            "There are too many requests. Send the request again later.",
        ),
        (431, "The headers are too large."),
        (500, "The service failed without an answer."),
        (
            503,
            "The service cannot be reached, or takes too long. The outcome is unknown.",
        ),
    ]);
    if has_callers {
        statuses.insert(401, "The token is missing, invalid or expired.");
        statuses.insert(
            403,
            "The token or the signature does not allow this request.",
        );
    }
    statuses
}

/// The schema of the front door's own message, which is not a problem document.
pub(super) fn front_door_message() -> Value {
    json!({
        "description": "The front door's own message, which is not a problem document.",
        "type": "object",
        "properties": {
            "message": {"type": "string", "description": "The message of an HTTP API."},
            "Message": {"type": "string", "description": "The message of a function URL."},
        },
    })
}

fn accepted(description: &str, schema: Value, links: Value) -> Value {
    json!({
        "description": description,
        "headers": {
            "Location": header("Location", true),
            "Retry-After": header("Retry-After", true),
            "Cache-Control": header("Cache-Control", true),
            "Apigw-Requestid": header("Apigw-Requestid", false),
        },
        "content": {JSON: {"schema": schema}},
        "links": links,
    })
}

/// Reads an order that was just accepted.
fn wait_link() -> Value {
    let mut link = read_link();
    link["description"] =
        json!("Reads the order. The wait bridges the time until the order is stored.");
    let wait = format!("wait={}", MaxWait::default().seconds());
    link["parameters"]["header.Prefer"] = json!(wait);
    link
}

fn read_link() -> Value {
    json!({
        "operationId": "readOrder",
        "description": "Reads the order.",
        "parameters": {"path.id": "$response.body#/order_id"},
    })
}

fn cancel_link() -> Value {
    json!({
        "operationId": "cancelOrder",
        "description": "Cancels the order.",
        "parameters": {"path.id": "$response.body#/order_id"},
    })
}

fn parameter(name: &str) -> Value {
    json!({"$ref": format!("#/components/parameters/{name}")})
}

/// The parameters that operations share.
pub(super) fn parameters(schemas: &mut Schemas) -> Value {
    json!({
        "OrderId": {
            "name": "id",
            "in": "path",
            "required": true,
            "description": "The id of the order, as the 202 has it.",
            "schema": schemas.of::<of_orders::OrderId>(),
            "example": UNKNOWN,
        },
        "IdempotencyKey": {
            "name": "Idempotency-Key",
            "in": "header",
            "required": false,
            "description": format!(
                "The order's id is derived from the caller and this key, for good. Send the header once. Where the service knows no callers, the key alone protects the order, so it needs {} characters or more. Where callers are known, a shorter key is taken too.",
                IdempotencyKey::UNSCOPED_MIN
            ),
            "schema": schemas.of::<of_orders::IdempotencyKey>(),
            "example": KEY,
        },
        "Prefer": {
            "name": "Prefer",
            "in": "header",
            "required": false,
            "description": format!(
                "`wait=N` (RFC 7240) waits up to N seconds until the order is there. The deployment caps N, by default at {}. `Preference-Applied` says what was applied. Any other preference is ignored.",
                MaxWait::default().seconds()
            ),
            "schema": {"type": "string"},
            "example": "wait=1",
        },
        "IfNoneMatch": {
            "name": "If-None-Match",
            "in": "header",
            "required": false,
            "description": "The tags of the bodies that the client keeps, as `ETag` had them (RFC 9110 §13.1.2). A value of another form is ignored.",
            "schema": {"type": "string"},
            "example": "\"JtWuxPSMDwe1JQHzS6VKCQ\"",
        },
        "TraceParent": {
            "name": "traceparent",
            "in": "header",
            "required": false,
            "description": "The client's trace (W3C Trace Context). A value of another form is ignored.",
            "schema": {"type": "string"},
            "example": TRACE,
        },
    })
}

/// A reference to the header, which each response of its status has if it is required.
pub(super) fn header(name: &str, is_required: bool) -> Value {
    if !is_required {
        return json!({"$ref": format!("#/components/headers/{name}")});
    }
    let mut header = headers()[name].take();
    header["required"] = json!(true);
    header
}

/// The headers of responses.
pub(super) fn headers() -> Value {
    let text =
        |description: &str| json!({"description": description, "schema": {"type": "string"}});
    json!({
        "Accept": text("The media type that would have been taken."),
        "Allow": text("The methods that the path takes."),
        "Apigw-Requestid": text("The front door's id of the request, if the front door is an HTTP API."),
        "Cache-Control": text("Who may keep the response. An order may be kept by its client, which has to ask before each use. The OpenAPI document may be kept for a while, and every other response never."),
        "ETag": text("The tag of the body, which changes whenever the body does."),
        "Location": {
            "description": "The path at which the order can be read, with the base path or the stage in front.",
            "schema": {"type": "string", "format": "uri-reference"},
        },
        "Preference-Applied": text("The preference that was applied, such as `wait=5`."),
        "RateLimit": text("The caller's state, with the seconds until the next request is admitted as `t` (draft-ietf-httpapi-ratelimit-headers-10)."),
        "RateLimit-Policy": text("The caller's limit, with the requests as `q` in the seconds `w` (draft-ietf-httpapi-ratelimit-headers-10)."),
        "Retry-After": {
            "description": "The seconds after which to read the order, or to send the request again.",
            "schema": {"type": "integer", "minimum": 0},
        },
        "WWW-Authenticate": text("The scheme by which to authenticate."),
    })
}

/// The name of a kind's response that no operation has.
pub(super) fn name(kind: Kind) -> String {
    format!("{kind:?}")
}

/// The document without its paths, and with the components that follow from nothing else.
pub(super) fn root() -> Value {
    json!({
        "openapi": "3.1.1",
        "info": {
            "title": "Orders",
            "version": env!("CARGO_PKG_VERSION"),
            "summary": "An order service that accepts an order once its intent is in a stream.",
            "description": "Submit an order, cancel it, and read it.\n\nErrors are problem documents (RFC 9457). Go by the `type`, which is for good. A path that the API does not have is a 404 with the type `path-not-found`, and a method that a path does not take is a 405 with `Allow`. Some refusals come from the front door itself, and have a message instead of a problem document.\n\nA request is refused if it has an unknown field. A response may get new fields, so ignore the fields that you do not know.\n\nEach example of a response has the request that it answers in `x-request`.",
            "license": {"name": "Apache License 2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{
            "url": ".",
            "description": "The folder of this document, by its own URL. So a base path (such as `/v1` at a custom domain) or a stage (such as `/prod`) in front of `/openapi.json` is in front of each path too.",
        }],
        "security": [{}, {"token": []}, {"signature": []}],
        "components": {
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "A token of the deployment's issuer, or one that its own authorizer checks. Each deployment decides how callers are known. At a deployment that knows no callers, requests need none, and everybody who knows an order's id may read and cancel the order.",
                },
                "signature": {
                    "type": "apiKey",
                    "in": "header",
                    "name": "Authorization",
                    "description": "AWS Signature Version 4, where callers are principals of IAM.",
                },
            },
        },
    })
}
