//! The Lambda Extensions API, as far as a function itself uses it. A function's own extension is an
//! internal one, which is a part of the function's process.
//!
//! `lambda_runtime`'s graceful shutdown registers an internal extension. Its only reason is that
//! Lambda then sends `SIGTERM` before it ends the execution environment.
//!
//! The sources are two pages of the Lambda developer guide.
//!
//! - "Using the Lambda Extensions API to create extensions",
//!   <https://docs.aws.amazon.com/lambda/latest/dg/runtimes-extensions-api.html>
//! - "Understanding the Lambda execution environment lifecycle",
//!   <https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html>
//!
//! External extensions, the event `INVOKE` and the Telemetry API are not modelled.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};
use serde::Deserialize;
use serde_json::json;

use crate::lambda::api_response::{accepted, refused};
use crate::servers::json_response::json_response;

/// The beginning of the API's paths.
pub(crate) const PREFIX: &str = "/2020-01-01/extension/";

const IDENTIFIER: &str = "lambda-extension-identifier";
const NAME: &str = "lambda-extension-name";

/// The extensions of one execution environment.
#[derive(Debug, Default)]
pub(crate) struct Extensions {
    identifiers: Mutex<BTreeSet<String>>,
}

impl Extensions {
    /// True if an extension is registered, so that the function's processes get a `SIGTERM` before
    /// they end.
    pub(crate) fn are_registered(&self) -> bool {
        !self.lock().is_empty()
    }

    /// Answers a request to a path behind [`PREFIX`]. A request for the next event waits for as
    /// long as its future is polled.
    pub(crate) async fn serve(
        &self,
        function: &str,
        method: &Method,
        path: &str,
        headers: &HeaderMap,
        body: &[u8],
    ) -> Response<Bytes> {
        match (method, path) {
            (&Method::POST, "register") => self.register(function, headers, body),
            (&Method::GET, "event/next") if self.knows(headers) => {
                // The extension has asked for no event, so no event ever comes.
                std::future::pending().await
            }
            (&Method::POST, "init/error" | "exit/error") if self.knows(headers) => accepted(),
            (&Method::GET, "event/next") | (&Method::POST, "init/error" | "exit/error") => refused(
                StatusCode::FORBIDDEN,
                "Extension.UnknownExtensionIdentifier",
                "Lambda-Extension-Identifier names no extension that is registered.",
            ),
            _ => refused(
                StatusCode::NOT_FOUND,
                "NotFound",
                "Not a path of the Extensions API that is modelled here: register, event/next, init/error, exit/error.",
            ),
        }
    }

    fn register(&self, function: &str, headers: &HeaderMap, body: &[u8]) -> Response<Bytes> {
        #[derive(Deserialize)]
        struct Registration {
            #[serde(default)]
            events: Vec<String>,
        }
        if headers.get(NAME).is_none_or(HeaderValue::is_empty) {
            return refused(
                StatusCode::FORBIDDEN,
                "Extension.InvalidExtensionName",
                "Lambda-Extension-Name must name the extension.",
            );
        }
        let events = match serde_json::from_slice::<Registration>(body) {
            Ok(registration) => registration.events,
            Err(error) => {
                return refused(
                    StatusCode::BAD_REQUEST,
                    "InvalidRequestFormat",
                    &error.to_string(),
                );
            }
        };
        if let Some(event) = events.first() {
            // Lambda sends SHUTDOWN only to external extensions.
            let message = match event.as_str() {
                "SHUTDOWN" => "An internal extension cannot register for SHUTDOWN.".to_owned(),
                "INVOKE" => "The event INVOKE is not modelled here.".to_owned(),
                other => format!("There is no event {other}."),
            };
            return refused(
                StatusCode::FORBIDDEN,
                "Extension.InvalidEventType",
                &message,
            );
        }
        let identifier = uuid::Uuid::new_v4().to_string();
        let mut response = json_response(
            StatusCode::OK,
            &json!({ "functionName": function, "functionVersion": "$LATEST", "handler": "bootstrap" }),
        );
        if let Ok(value) = HeaderValue::from_str(&identifier) {
            response.headers_mut().insert(IDENTIFIER, value);
        }
        self.lock().insert(identifier);
        response
    }

    fn knows(&self, headers: &HeaderMap) -> bool {
        let identifier = headers
            .get(IDENTIFIER)
            .and_then(|value| value.to_str().ok());
        identifier.is_some_and(|identifier| self.lock().contains(identifier))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeSet<String>> {
        self.identifiers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    async fn send(
        extensions: &Extensions,
        (method, path): (Method, &str),
        headers: &[(&'static str, &str)],
        body: &str,
    ) -> (u16, Option<String>, Value) {
        let headers: HeaderMap = headers
            .iter()
            .map(|(name, value)| {
                let name = http::HeaderName::from_static(name);
                (name, HeaderValue::from_str(value).unwrap())
            })
            .collect();
        let answer = extensions.serve("f", &method, path, &headers, body.as_bytes());
        let answer = answer.await;
        let identifier = answer.headers().get(IDENTIFIER);
        let identifier = identifier.map(|value| value.to_str().unwrap().to_owned());
        let body = serde_json::from_slice(answer.body()).unwrap();
        (answer.status().as_u16(), identifier, body)
    }

    const REGISTER: (Method, &str) = (Method::POST, "register");

    #[tokio::test]
    async fn an_extension_that_asks_for_no_event_is_registered_and_known_from_then_on() {
        let extensions = Extensions::default();
        assert!(!extensions.are_registered());
        let name = [(NAME, "e")];
        let (status, identifier, body) =
            send(&extensions, REGISTER, &name, r#"{"events":[]}"#).await;
        assert_eq!((status, &body["functionName"]), (200, &json!("f")));
        assert!(extensions.are_registered());
        let identifier = identifier.unwrap();
        let exit = (Method::POST, "exit/error");
        let known = [(IDENTIFIER, identifier.as_str())];
        assert_eq!(send(&extensions, exit, &known, "{}").await.0, 202);
    }

    #[tokio::test]
    async fn what_is_not_modelled_is_refused_by_name_and_registers_nothing() {
        let extensions = Extensions::default();
        let name = [(NAME, "e")];
        for (body, says) in [
            (r#"{"events":["SHUTDOWN"]}"#, "SHUTDOWN"),
            (r#"{"events":["INVOKE"]}"#, "INVOKE"),
            (r#"{"events":["OTHER"]}"#, "OTHER"),
            ("no JSON", "expected"),
        ] {
            let (status, _, answer) = send(&extensions, REGISTER, &name, body).await;
            assert!(status == 403 || status == 400, "{body}: {status}");
            assert!(
                answer["errorMessage"].as_str().unwrap().contains(says),
                "{answer}"
            );
        }
        assert_eq!(send(&extensions, REGISTER, &[], "{}").await.0, 403);
        let (status, _, answer) = send(&extensions, (Method::PUT, "telemetry"), &[], "").await;
        assert_eq!(status, 404);
        assert!(
            answer["errorMessage"]
                .as_str()
                .unwrap()
                .contains("register")
        );
        assert!(!extensions.are_registered());
    }

    #[tokio::test]
    async fn an_extension_that_nobody_has_registered_is_refused() {
        let unknown = [(IDENTIFIER, "7d444840-9dc0-41d1-b245-5ffdce74fad2")];
        for request in [(Method::GET, "event/next"), (Method::POST, "init/error")] {
            let answer = send(&Extensions::default(), request, &unknown, "{}").await;
            assert_eq!(answer.0, 403);
        }
    }
}
