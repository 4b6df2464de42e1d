//! The gateway's routes are the api's. If the gateway lacks a route, the request goes to the route
//! `$default`, which has no authorizer. Then the api answers 401, and only on AWS.

use std::collections::BTreeSet;

use crate::source::{Terraform, texts};

/// The route keys of the HTTP API, such as `POST /orders`.
fn route_keys() -> BTreeSet<String> {
    let terraform = Terraform::all();
    let locals = ["routes", "read_routes", "open_routes"].map(|name| terraform.local(name));
    let keys = locals.into_iter().flat_map(texts);
    keys.map(str::to_owned).collect()
}

#[test]
fn the_reader_gets_the_reads_of_orders_and_nothing_else() {
    let terraform = Terraform::all();
    assert_eq!(texts(terraform.local("read_routes")), ["GET /orders/{id}"]);
}

#[test]
fn everybody_may_read_the_document_of_the_api_and_nothing_else() {
    let terraform = Terraform::all();
    assert_eq!(texts(terraform.local("open_routes")), ["GET /openapi.json"]);
}

#[test]
fn the_gateway_has_each_route_of_the_api_and_no_other() {
    let routes = api::ROUTES.map(|route| format!("{} {}", route.method, route.path));
    assert_eq!(route_keys(), BTreeSet::from(routes));
}
