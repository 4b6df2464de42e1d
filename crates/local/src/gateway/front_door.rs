//! The HTTP API in front of the functions `api` and `reader`, as API Gateway is on AWS.
//!
//! Requests become events for the function of their route, and its answers become responses. Where
//! the function has no answer, API Gateway's own answer is given.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use chrono::Utc;
use http::{HeaderValue, Response, StatusCode};
use serde_json::json;

use crate::console::Console;
use crate::gateway::event::{Arrival, event, path};
use crate::gateway::response::interpret;
use crate::gateway::routes::Routes;
use crate::lambda::function::Function;
use crate::lambda::invocation::{FunctionResult, InvokeError};
use crate::servers::foreign::Hosts;
use crate::servers::http_server::{self, Arrived, Limits, UnreadBody};
use crate::servers::json_response::json_response;
use crate::servers::loopback_port::Listeners;

/// The largest request body that API Gateway takes (10 MB, "Quotas for configuring and running an
/// HTTP API"). The event made of it must also fit into Lambda's 6 MB. A request beyond either limit
/// is answered with 413.
pub const MAX_BODY: usize = 10 * 1_024 * 1_024;

/// How long an HTTP API waits for a function. The source is the same page.
pub const INTEGRATION_TIMEOUT: Duration = Duration::from_secs(30);

/// How long a client may take to send a request's headers, and again to send its body. A connection
/// may also be idle for this long.
pub const CLIENT_PATIENCE: Duration = Duration::from_secs(30);

const LIMITS: Limits = Limits {
    connections: 512,
    idle: Some(CLIENT_PATIENCE),
    body: MAX_BODY,
    body_patience: CLIENT_PATIENCE,
};

/// Serves HTTP on `listeners` under the names `hosts` with `routes` behind it, until the future is
/// dropped.
pub async fn serve(
    listeners: impl Into<Listeners>,
    hosts: Hosts,
    routes: Routes,
    console: Console,
) {
    let listeners = listeners.into();
    let port = listeners.port();
    let door = Arc::new(FrontDoor {
        routes,
        console,
        port,
    });
    http_server::serve(listeners, LIMITS, hosts, move |request, peer| {
        let door = Arc::clone(&door);
        async move { Some(door.answer(request, peer).await) }
    })
    .await;
}

struct FrontDoor {
    routes: Routes,
    console: Console,
    port: u16,
}

impl FrontDoor {
    async fn answer(&self, request: Arrived, peer: SocketAddr) -> Response<Bytes> {
        let request_id = uuid::Uuid::new_v4().to_string();
        let arrival = Arrival {
            request_id,
            time: Utc::now(),
            source_ip: peer.ip(),
            port: self.port,
        };
        let (head, body) = request.into_parts();
        let mut response = match body {
            Ok(body) => {
                let event = Bytes::from(event(&head, &body, &arrival).to_string());
                drop(body);
                let function = self.routes.function(&head.method, &path(&head.uri));
                self.invoke(function, event).await
            }
            Err(UnreadBody::TooLarge) => {
                message(StatusCode::PAYLOAD_TOO_LARGE, "Request Entity Too Large")
            }
            Err(UnreadBody::TooSlow) => message(StatusCode::REQUEST_TIMEOUT, "Request Timeout"),
            Err(UnreadBody::Broken) => message(StatusCode::BAD_REQUEST, "Bad Request"),
        };
        if let Ok(request_id) = HeaderValue::from_str(&arrival.request_id) {
            response.headers_mut().insert("apigw-requestid", request_id);
        }
        response
    }

    async fn invoke(&self, function: &Function, event: Bytes) -> Response<Bytes> {
        // AWS does not document these statuses. They were observed of HTTP APIs.
        //
        // - A function that fails or runs into its own timeout is a 500 (denoland/deno_registry2,
        //   issue 87). A REST API says 502.
        // - A function that the gateway does not wait for any longer is a 503
        //   (serverless/serverless, issue 11222). A REST API says 504.
        // - A function that Lambda throttles is a 503 too. The gateway tries no other function.
        let invocation = tokio::time::timeout(INTEGRATION_TIMEOUT, function.invoke(event));
        match invocation.await {
            Ok(Ok(invocation)) => match invocation.result {
                FunctionResult::Response(payload) => match interpret(&payload) {
                    Ok(response) => response,
                    Err(malformed) => {
                        self.console.fail(
                            "http",
                            format!("500, the function's answer is not a response: {malformed}"),
                        );
                        message(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error")
                    }
                },
                FunctionResult::Unhandled(_) | FunctionResult::TimedOut(_) => {
                    message(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error")
                }
            },
            Ok(Err(InvokeError::EventTooLarge)) => {
                message(StatusCode::PAYLOAD_TOO_LARGE, "Request Entity Too Large")
            }
            Ok(Err(InvokeError::Throttled | InvokeError::Stopping)) | Err(_) => {
                message(StatusCode::SERVICE_UNAVAILABLE, "Service Unavailable")
            }
        }
    }
}

fn message(status: StatusCode, text: &str) -> Response<Bytes> {
    json_response(status, &json!({ "message": text }))
}
