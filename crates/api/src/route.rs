//! The routes, each a method and a path.

use orders::OrderId;

use crate::problem::{Kind, Problem};

/// The routes of the API. Terraform has the same list (`infra/modules/orders/http_api.tf`), and a
/// test compares the two. A route that only one of them has would answer 401 or 404 on AWS alone.
pub const ROUTES: [Route; 5] = [
    Route {
        method: "POST",
        path: "/orders",
        endpoint: Endpoint::Submit,
    },
    Route {
        method: "POST",
        path: "/orders/batch",
        endpoint: Endpoint::Batch,
    },
    Route {
        method: "POST",
        path: "/orders/{id}/cancel",
        endpoint: Endpoint::Cancel,
    },
    Route {
        method: "GET",
        path: "/orders/{id}",
        endpoint: Endpoint::Read,
    },
    Route {
        method: "GET",
        path: "/openapi.json",
        endpoint: Endpoint::OpenApi,
    },
];

/// A method and a path, as API Gateway's route keys have them (API Gateway developer guide,
/// "Create routes for HTTP APIs"). `{id}` is one segment that is not empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route {
    /// The method, in upper case.
    pub method: &'static str,
    /// The path.
    pub path: &'static str,
    pub(crate) endpoint: Endpoint,
}

/// The part of the API that answers a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Endpoint {
    Submit,
    Batch,
    Cancel,
    Read,
    OpenApi,
}

/// A request's endpoint, and the order id in its path as it was sent. A path without one has none.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Found<'p> {
    pub(crate) endpoint: Endpoint,
    order_id: &'p str,
}

impl Route {
    /// The route of a method and path.
    pub(crate) fn find<'p>(method: &str, path: &'p str) -> Result<Found<'p>, Problem> {
        let at_path = ROUTES.iter().filter_map(|route| {
            let order_id = route.order_id_in(path)?;
            Some((route, order_id))
        });
        let mut at_path: Vec<_> = at_path.collect();
        // `/orders/batch` is a path of its own, and not that of the order `batch`.
        if at_path.iter().any(|(route, _)| route.path == path) {
            at_path.retain(|(route, _)| route.path == path);
        }
        let found = at_path.iter().find(|(route, _)| route.method == method);
        match found {
            Some((route, order_id)) => Ok(Found {
                endpoint: route.endpoint,
                order_id,
            }),
            None if at_path.is_empty() => Err(Problem::new(
                Kind::PathNotFound,
                "There is nothing at this path.",
            )),
            None => {
                let allowed: Vec<_> = at_path.iter().map(|(route, _)| route.method).collect();
                Err(Problem::method_not_allowed(&allowed))
            }
        }
    }

    /// True if the front door sends this request to the function that reads. API Gateway knows of
    /// `GET /orders/batch` only that it fits the route of a read.
    pub(crate) fn fits_a_read(method: &str, path: &str) -> bool {
        let mut reads = ROUTES
            .iter()
            .filter(|route| route.endpoint == Endpoint::Read);
        reads.any(|route| route.method == method && route.order_id_in(path).is_some())
    }

    /// True if a path is one of the API's, whatever the method.
    pub(crate) fn is_path(path: &str) -> bool {
        ROUTES.iter().any(|route| route.order_id_in(path).is_some())
    }

    /// The part of a path in the place of `{id}`. It is empty where the route has none, and `None`
    /// if the path is not this route's.
    fn order_id_in<'p>(&self, path: &'p str) -> Option<&'p str> {
        let Some((before, after)) = self.path.split_once("{id}") else {
            return (self.path == path).then_some("");
        };
        let id = path.strip_prefix(before)?.strip_suffix(after)?;
        (!id.is_empty() && !id.contains('/')).then_some(id)
    }
}

impl Endpoint {
    /// The endpoint's name in the log.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Submit => "submit",
            Self::Batch => "batch",
            Self::Cancel => "cancel",
            Self::Read => "read",
            Self::OpenApi => "openapi",
        }
    }
}

impl Found<'_> {
    /// The order id in the path.
    pub(crate) fn order_id(&self) -> Result<OrderId, Problem> {
        OrderId::parse(self.order_id).ok_or_else(|| {
            Problem::new(
                Kind::InvalidOrderId,
                "The order id in the path must be a UUID in lower case.",
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(method: &str, path: &'static str) -> Option<(Endpoint, &'static str)> {
        let found = Route::find(method, path).ok()?;
        Some((found.endpoint, found.order_id))
    }

    #[test]
    fn a_route_is_a_method_and_a_path_with_one_segment_for_the_id() {
        assert_eq!(find("POST", "/orders"), Some((Endpoint::Submit, "")));
        assert_eq!(find("POST", "/orders/batch"), Some((Endpoint::Batch, "")));
        assert_eq!(find("GET", "/orders/x"), Some((Endpoint::Read, "x")));
        let cancel = Some((Endpoint::Cancel, "x"));
        assert_eq!(find("POST", "/orders/x/cancel"), cancel);
        assert_eq!(find("GET", "/openapi.json"), Some((Endpoint::OpenApi, "")));
    }

    #[test]
    fn a_path_that_is_named_is_not_the_path_of_an_order() {
        assert_eq!(find("GET", "/orders/batch"), None);
        let id = Some((Endpoint::Read, "batch2"));
        assert_eq!(find("GET", "/orders/batch2"), id);
    }

    #[test]
    fn no_other_path_is_the_apis() {
        for path in [
            "",
            "/",
            "orders",
            "/orders/",
            "/orders//cancel",
            "/orders/x/",
            "/orders/x/y",
            "/orders/x/cancel/",
            "/orders/x/y/cancel",
            "/ordersx",
            "//orders",
            "/orders/cancel/",
        ] {
            assert!(!Route::is_path(path), "{path}");
        }
    }
}
