//! Which request is which: method and path.

use http::Method;
use orders::OrderId;

use crate::problem::Problem;
use crate::request::Request;

/// What a request asks for. The order id is still as it was sent.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Route<'a> {
    Submit,
    Cancel { order_id: &'a str },
    Read { order_id: &'a str },
}

impl<'a> Route<'a> {
    pub(crate) fn of(request: &Request<'a>) -> Result<Self, Problem> {
        Self::find(request.method(), request.path())
    }

    fn find(method: &str, path: &'a str) -> Result<Self, Problem> {
        let below_root = path.strip_prefix('/').unwrap_or_default();
        let segments: Vec<&str> = below_root.split('/').collect();
        let (allowed, route) = match segments[..] {
            ["orders"] => (Method::POST, Self::Submit),
            ["orders", order_id] if !order_id.is_empty() => (Method::GET, Self::Read { order_id }),
            ["orders", order_id, "cancel"] if !order_id.is_empty() => {
                (Method::POST, Self::Cancel { order_id })
            }
            _ => return Err(Problem::not_found("There is nothing at this path.")),
        };
        if method == allowed.as_str() {
            Ok(route)
        } else {
            Err(Problem::method_not_allowed(&allowed))
        }
    }

    /// For the log: without the id.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Submit => "submit",
            Self::Cancel { .. } => "cancel",
            Self::Read { .. } => "read",
        }
    }
}

/// True if a path is one of the API's, whatever the method.
pub(crate) fn is_path(path: &str) -> bool {
    ["GET", "POST"]
        .iter()
        .any(|method| Route::find(method, path).is_ok())
}

/// An order id from a path.
pub(crate) fn order_id(text: &str) -> Result<OrderId, Problem> {
    OrderId::parse(text)
        .ok_or_else(|| Problem::bad_request("The order id in the path must be a lower-case UUID."))
}
