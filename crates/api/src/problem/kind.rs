//! The types of problems, each with its URI, its status and its title.

use http::StatusCode;

/// Makes the enum of the kinds and their table out of one list.
macro_rules! kinds {
    ($($(#[doc = $doc:literal])+ $kind:ident = $uri:literal, $status:ident, $title:literal;)+) => {
        /// The type of a problem. Clients go by its URI, so a URI is for good.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub(crate) enum Kind {
            $($(#[doc = $doc])+ $kind,)+
        }

        impl Kind {
            /// All kinds, by status.
            #[cfg(test)]
            pub(crate) const ALL: &[Self] = &[$(Self::$kind,)+];

            /// The value of `type` in the document. It is a name and no address (RFC 9457 §3.1.1
            /// allows both), so it is the same wherever the service is deployed.
            pub(crate) fn uri(self) -> &'static str {
                match self {
                    $(Self::$kind => $uri,)+
                }
            }

            /// The status of the response.
            pub(crate) fn status(self) -> StatusCode {
                match self {
                    $(Self::$kind => StatusCode::$status,)+
                }
            }

            /// The title, which is the same for each problem of the kind (RFC 9457 §3.1.3).
            pub(crate) fn title(self) -> &'static str {
                match self {
                    $(Self::$kind => $title,)+
                }
            }
        }
    };
}

kinds! {
    /// The request cannot be read.
    MalformedRequest = "urn:problem:orders:malformed-request", BAD_REQUEST, "Malformed request";
    /// The body is not JSON by its grammar.
    MalformedJson = "urn:problem:orders:malformed-json", BAD_REQUEST, "Malformed JSON";
    /// The `Idempotency-Key` cannot be used.
    InvalidIdempotencyKey = "urn:problem:orders:invalid-idempotency-key", BAD_REQUEST, "Invalid idempotency key";
    /// The service takes orders with an `Idempotency-Key` only, and there is none.
    IdempotencyKeyRequired = "urn:problem:orders:idempotency-key-required", BAD_REQUEST, "Idempotency key required";
    /// The id in the path is not an order's.
    InvalidOrderId = "urn:problem:orders:invalid-order-id", BAD_REQUEST, "Invalid order id";
    /// A caller is required and not known.
    CallerRequired = "urn:problem:orders:caller-required", UNAUTHORIZED, "Caller required";
    /// The API has no such path.
    PathNotFound = "urn:problem:orders:path-not-found", NOT_FOUND, "Path not found";
    /// The caller has no such order, or not yet.
    OrderNotFound = "urn:problem:orders:order-not-found", NOT_FOUND, "Order not found";
    /// The path does not take this method.
    MethodNotAllowed = "urn:problem:orders:method-not-allowed", METHOD_NOT_ALLOWED, "Method not allowed";
    /// The body is larger than the route allows.
    BodyTooLarge = "urn:problem:orders:body-too-large", PAYLOAD_TOO_LARGE, "Body too large";
    /// The body is not sent as JSON.
    UnsupportedMediaType = "urn:problem:orders:unsupported-media-type", UNSUPPORTED_MEDIA_TYPE, "Unsupported media type";
    /// The body is JSON that breaks rules of an order.
    InvalidOrder = "urn:problem:orders:invalid-order", UNPROCESSABLE_ENTITY, "Invalid order";
    /// The envelope of a batch breaks rules.
    InvalidBatch = "urn:problem:orders:invalid-batch", UNPROCESSABLE_ENTITY, "Invalid batch";
    /// The caller is beyond its limit.
    TooManyRequests = "urn:problem:orders:too-many-requests", TOO_MANY_REQUESTS, "Too many requests";
    /// The service failed, and trying again does not mend it.
    InternalError = "urn:problem:orders:internal-error", INTERNAL_SERVER_ERROR, "Internal error";
    /// The stream refused, so nothing happened.
    NotAccepted = "urn:problem:orders:not-accepted", SERVICE_UNAVAILABLE, "Not accepted";
    /// The stream did not answer, so nobody knows if it has the intent.
    OutcomeUnknown = "urn:problem:orders:outcome-unknown", SERVICE_UNAVAILABLE, "Outcome unknown";
    /// The table cannot be read at the moment.
    Unavailable = "urn:problem:orders:unavailable", SERVICE_UNAVAILABLE, "Unavailable";
}
