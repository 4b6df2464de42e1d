//! The routes of the HTTP API. They say which function gets a request.

use std::sync::Arc;

use http::Method;

use crate::lambda::function::Function;

/// The functions behind the HTTP API, each with its own concurrency. Reads that wait cannot take
/// the processes that orders need.
#[derive(Debug)]
pub struct Routes {
    /// The function that gets `GET /orders/{id}`.
    pub reader: Arc<Function>,
    /// The function that gets every other request. It answers paths and methods that the API does
    /// not have, too.
    pub api: Arc<Function>,
    /// The path at which a custom domain maps the API, or nothing. It is written as in the setting
    /// `BASE_PATH` of the functions.
    pub base_path: String,
}

impl Routes {
    /// The function for a request. The path is decoded, as in the event.
    ///
    /// API Gateway takes the path at which a custom domain maps the API off before it selects a
    /// route. The stage is `$default` here, which is in no path. AWS does not document whether a
    /// route is selected by the decoded path. The functions find their routes in the decoded path,
    /// so here gateway and functions always agree.
    #[must_use]
    pub fn function(&self, method: &Method, path: &str) -> &Arc<Function> {
        if method == Method::GET && is_read(path, &self.base_path) {
            &self.reader
        } else {
            &self.api
        }
    }
}

/// True for `/orders/{id}`, with or without the base path in front. `{id}` is one segment.
fn is_read(path: &str, base_path: &str) -> bool {
    let base_path = base_path.trim_matches('/');
    let behind_base = path
        .strip_prefix('/')
        .and_then(|path| path.strip_prefix(base_path))
        .filter(|_| !base_path.is_empty());
    [Some(path), behind_base].into_iter().flatten().any(|path| {
        path.strip_prefix("/orders/")
            .is_some_and(|id| !id.is_empty() && !id.contains('/'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_read_is_the_path_of_one_order_with_or_without_the_base_path() {
        for (path, base_path) in [
            ("/orders/x", ""),
            ("/orders/x", "/"),
            ("/orders/x", "/v1"),
            ("/v1/orders/x", "/v1"),
            ("/v1/orders/x", "v1/"),
            ("/shop/v1/orders/x", "/shop/v1"),
            ("/orders/orders/x", "/orders"),
            ("/orders/cancel", "/orders"),
        ] {
            assert!(is_read(path, base_path), "{path} at {base_path}");
        }
    }

    #[test]
    fn every_other_path_is_not_a_read() {
        for (path, base_path) in [
            ("", ""),
            ("/", ""),
            ("/orders", ""),
            ("/orders/", ""),
            ("/orders/x/cancel", ""),
            ("/orders/x/", ""),
            ("/ordersx", ""),
            ("orders/x", ""),
            ("/v1/orders/x", ""),
            ("/v2/orders/x", "/v1"),
            ("/v1orders/x", "/v1"),
            ("/v1/orders", "/v1"),
            ("/v1/orders/x/cancel", "/v1"),
        ] {
            assert!(!is_read(path, base_path), "{path} at {base_path}");
        }
    }
}
