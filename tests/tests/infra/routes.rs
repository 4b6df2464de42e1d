//! The gateway's routes are the api's. A route that is missing there goes to the route `$default`,
//! which has no authorizer, so the api answers 401, and on AWS alone.

use std::collections::BTreeSet;

use crate::source::{Terraform, texts};

/// The route keys of the HTTP API, such as `POST /orders`.
fn route_keys() -> BTreeSet<String> {
    let terraform = Terraform::all();
    let keys = texts(terraform.local("routes")).into_iter();
    keys.map(str::to_owned).collect()
}

/// Fails unless the gateway has these routes of the api, each a method and a path's template, and
/// no others.
fn assert_are_the_gateways(routes: &[(&str, &str)]) {
    let routes = routes.iter();
    let keys: BTreeSet<String> = routes
        .map(|(method, path)| format!("{method} {path}"))
        .collect();
    assert_eq!(route_keys(), keys);
}

#[test]
fn the_gateway_has_each_route_of_the_api_and_no_other() {
    assert_are_the_gateways(&[
        ("POST", "/orders"),
        ("POST", "/orders/{order_id}/cancel"),
        ("GET", "/orders/{order_id}"),
    ]);
}
