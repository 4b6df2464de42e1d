//! The refusals for clients of other protocols and of other services. A refusal is in the form of
//! the client's own protocol, so that the client shows it.

use aws_model::{Aws, Reply};
use bytes::Bytes;
use http::{Method, Request, Response};
use serde_json::Value;

use crate::support::world;

fn answer(aws: &Aws, request: Request<Bytes>) -> Response<Bytes> {
    match aws.call(&request) {
        Reply::Answer(response) => response,
        other => panic!("an answer expected: {other:?}"),
    }
}

fn signed(service: &str) -> String {
    format!(
        "AWS4-HMAC-SHA256 Credential=AKID/20261122/eu-west-1/{service}/aws4_request, SignedHeaders=host, Signature=0"
    )
}

fn form(path: &str, service: &str, body: &'static str) -> Request<Bytes> {
    Request::post(path)
        .header(
            "content-type",
            "application/x-www-form-urlencoded; charset=utf-8",
        )
        .header("authorization", signed(service))
        .body(Bytes::from_static(body.as_bytes()))
        .unwrap()
}

fn text(response: &Response<Bytes>) -> String {
    String::from_utf8(response.body().to_vec()).unwrap()
}

#[test]
fn a_cbor_client_reads_in_cbor_and_in_headers_which_protocol_is_spoken() {
    let world = world().with_stream(1);
    for media_type in ["application/x-amz-cbor-1.1", "application/cbor"] {
        let request = Request::post("/")
            .header("x-amz-target", "Kinesis_20131202.PutRecord")
            .header("content-type", media_type)
            .body(Bytes::from_static(b"\xbf\xff"))
            .unwrap();
        let response = answer(&world.aws, request);
        assert_eq!(response.status(), 400);
        let headers = response.headers();
        assert_eq!(headers["content-type"], media_type);
        assert_eq!(headers["x-amzn-errortype"], "UnsupportedProtocolException");
        let told = headers["x-amzn-error-message"].to_str().unwrap();
        for says in [
            "CBOR",
            "kinesis",
            "AWS JSON",
            "AWS_CBOR_DISABLE=true",
            "aws.cborEnabled=false",
        ] {
            assert!(told.contains(says), "{told}");
        }
        // The body is a map of two texts (RFC 8949, section 3.1), the error's name and the same
        // sentence.
        let body = response.body();
        assert_eq!(&body[..8], b"\xa2\x66__type");
        assert!(body.ends_with(told.as_bytes()));
    }
    let request = Request::post("/service/DynamoDB_20120810/operation/GetItem")
        .header("smithy-protocol", "rpc-v2-cbor")
        .header("content-type", "application/cbor")
        .body(Bytes::new())
        .unwrap();
    let response = world.aws.foreign(&request).unwrap();
    assert_eq!(response.headers()["smithy-protocol"], "rpc-v2-cbor");
    assert_eq!(response.headers()["content-type"], "application/cbor");
}

#[test]
fn a_query_client_of_sqs_reads_in_xml_what_to_update() {
    let world = world();
    world.aws.sqs().create_queue("q").unwrap();
    let bodies = "Action=SendMessage&MessageBody=secret&Version=2012-11-05";
    for path in ["/", "/000000000000/q"] {
        let request = form(path, "sqs", bodies);
        let response = if path == "/" {
            answer(&world.aws, request)
        } else {
            world.aws.foreign(&request).unwrap()
        };
        assert_eq!(response.status(), 400);
        assert_eq!(response.headers()["content-type"], "text/xml");
        let told = text(&response);
        assert!(told.contains("<ErrorResponse"), "{told}");
        assert!(
            told.contains("<Error><Type>Sender</Type><Code>UnsupportedProtocolException</Code>"),
            "{told}"
        );
        for says in ["query protocol", "AWS JSON", "botocore", "1.31.81", "sqs"] {
            assert!(told.contains(says), "{told}");
        }
        assert!(!told.contains("secret"), "{told}");
    }
}

#[test]
fn a_service_that_is_not_modelled_is_named_in_the_form_of_its_protocol() {
    let world = world();
    let rest = |method: Method, path: &str, service: &str| {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("authorization", signed(service))
            .body(Bytes::new())
            .unwrap();
        world.aws.foreign(&request).unwrap()
    };
    let says = |response: &Response<Bytes>, service: &str| {
        let told = text(response);
        let sentence = format!(
            "The service {service} is not modelled here; dynamodb, its streams, kinesis and sqs are"
        );
        assert!(told.contains(&sentence), "{told}");
        assert_eq!(response.status(), 400);
    };
    let lambda = rest(Method::GET, "/2015-03-31/functions/", "lambda");
    assert_eq!(
        lambda.headers()["x-amzn-errortype"],
        "UnknownOperationException"
    );
    says(&lambda, "lambda");
    let body: Value = serde_json::from_slice(lambda.body()).unwrap();
    assert_eq!(body["message"], body["Message"]);
    let s3 = rest(Method::PUT, "/bucket", "s3");
    assert!(
        text(&s3).contains("?><Error><Code>UnknownOperationException</Code><Message>"),
        "{}",
        text(&s3)
    );
    says(&s3, "s3");
    says(
        &answer(
            &world.aws,
            form("/", "sts", "Action=GetCallerIdentity&Version=2011-06-15"),
        ),
        "sts",
    );
    let ec2 = answer(
        &world.aws,
        form("/", "ec2", "Action=DescribeInstances&Version=2016-11-15"),
    );
    assert!(
        text(&ec2).contains("<Response><Errors><Error><Code>"),
        "{}",
        text(&ec2)
    );
    says(&ec2, "ec2");
    let events = Request::post("/")
        .header("x-amz-target", "AWSEvents.PutEvents")
        .header("authorization", signed("events"))
        .body(Bytes::from_static(b"{}"))
        .unwrap();
    says(&answer(&world.aws, events), "events");
}

#[test]
fn what_no_aws_client_sends_is_left_to_others() {
    let world = world();
    for (name, value) in [
        ("authorization", "Basic abc"),
        ("content-type", "application/json"),
    ] {
        let request = Request::post("/anything")
            .header(name, value)
            .body(Bytes::new())
            .unwrap();
        assert!(world.aws.foreign(&request).is_none(), "{value}");
    }
}

#[test]
fn a_name_in_a_request_cannot_break_out_of_the_answer() {
    let world = world();
    let request = form("/", "<b>&'\"", "Action=x");
    let told = text(&answer(&world.aws, request));
    assert!(!told.contains("<b>"), "{told}");
}
