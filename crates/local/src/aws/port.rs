//! The AWS port, with Kinesis, DynamoDB and SQS behind HTTP, and with other routes beside them.
//!
//! A request with an `X-Amz-Target` header, or a POST to `/`, is an AWS call. Nothing checks who
//! calls, because the port is open on the loopback interface only, and not for foreign web pages
//! ([`crate::servers::foreign`]).

use std::time::Duration;

use aws_model::Aws;
use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use serde_json::json;

use crate::aws::calls::Calls;
use crate::servers::foreign::Hosts;
use crate::servers::http_server::{self, Arrived, Limits, UnreadBody};
use crate::servers::json_response::json_response;
use crate::servers::loopback_port::Listeners;

/// The largest request body, in bytes, which is 16 MiB. DynamoDB takes 16 MiB. The largest call of
/// Kinesis is PutRecords. It takes 10 MiB of data, which is 13.4 MiB in Base64.
pub const MAX_BODY: usize = 16 << 20;

const LIMITS: Limits = Limits {
    connections: 512,
    idle: Some(Duration::from_secs(30)),
    body: MAX_BODY,
    body_patience: Duration::from_secs(30),
};

/// Serves `aws` on `listeners` under the names `hosts` until the future is dropped, and counts
/// `calls`. A request that is not an AWS call is answered by `other`.
pub async fn serve<O>(
    listeners: impl Into<Listeners>,
    hosts: Hosts,
    aws: Aws,
    calls: Calls,
    other: O,
) where
    O: Fn(&Request<Bytes>) -> Response<Bytes> + Clone + Send + Sync + 'static,
{
    http_server::serve(listeners, LIMITS, hosts, move |request, _| {
        answer(aws.clone(), calls.clone(), other.clone(), request)
    })
    .await;
}

/// Answers one request. `None` closes the connection without an answer.
async fn answer(
    aws: Aws,
    calls: Calls,
    other: impl Fn(&Request<Bytes>) -> Response<Bytes>,
    request: Arrived,
) -> Option<Response<Bytes>> {
    let (head, body) = request.into_parts();
    let body = match body {
        Ok(body) => body,
        Err(UnreadBody::TooLarge) => {
            let error = json!({
                "__type": "RequestEntityTooLargeException",
                "message": format!("Request must be smaller than {MAX_BODY} bytes"),
            });
            return Some(json_response(StatusCode::PAYLOAD_TOO_LARGE, &error));
        }
        Err(UnreadBody::TooSlow | UnreadBody::Broken) => return None,
    };
    let request = Request::from_parts(head, body);
    let is_call = request.headers().contains_key("x-amz-target")
        || (request.method() == Method::POST && request.uri().path() == "/");
    if !is_call {
        let response = other(&request);
        // A request that no route knows may come from a client of another protocol or service. The
        // answer then tells the client so.
        let foreign = || aws.foreign(&request);
        let unknown = response.status() == StatusCode::NOT_FOUND;
        return Some(unknown.then(foreign).flatten().unwrap_or(response));
    }
    calls.count(request.headers());
    aws.send(&request).await.ok()
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use aws_model::{Fault, ModelOptions};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};
    use tokio::task::JoinSet;

    use super::*;

    /// A wait that is longer than anything here takes. A test that waits so long has failed.
    const PATIENCE: Duration = Duration::from_secs(20);

    /// A model with a stream `s` and a queue `q` on a free port.
    async fn start() -> (Aws, SocketAddr, JoinSet<()>) {
        let aws = Aws::new(ModelOptions::default()).unwrap();
        aws.kinesis().create_stream("s", 1, 24).unwrap();
        aws.sqs().create_queue("q").unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut server = JoinSet::new();
        let hosts = Hosts::default();
        server.spawn(serve(
            listener,
            hosts,
            aws.clone(),
            Calls::of(&[]),
            |request| {
                let (method, uri, length) = (request.method(), request.uri(), request.body().len());
                Response::new(format!("{method} {uri} {length} bytes").into())
            },
        ));
        (aws, address, server)
    }

    fn call(target: &str, body: &str, connection: &str) -> String {
        let length = body.len();
        format!(
            "POST / HTTP/1.1\r\nhost: localhost\r\nconnection: {connection}\r\nx-amz-target: {target}\r\ncontent-length: {length}\r\n\r\n{body}"
        )
    }

    const PUT: &str = r#"{"StreamName": "s", "PartitionKey": "k", "Data": "eA=="}"#;

    async fn send(address: SocketAddr, text: &str) -> TcpStream {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(text.as_bytes()).await.unwrap();
        stream
    }

    /// Reads all that the server sends until it closes the connection.
    async fn read_to_end(mut stream: TcpStream) -> String {
        let mut bytes = Vec::new();
        let read = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut bytes)).await;
        read.unwrap().unwrap();
        String::from_utf8(bytes).unwrap()
    }

    fn records(aws: &Aws) -> usize {
        aws.kinesis().shards("s").unwrap()[0].records
    }

    #[tokio::test]
    async fn one_connection_serves_many_calls() {
        let (aws, address, _server) = start().await;
        let target = "Kinesis_20131202.PutRecord";
        let calls = call(target, PUT, "keep-alive").repeat(2) + &call(target, PUT, "close");
        let answers = read_to_end(send(address, &calls).await).await;
        assert_eq!(answers.matches("HTTP/1.1 200 OK").count(), 3, "{answers}");
        assert_eq!(records(&aws), 3);
    }

    #[tokio::test]
    async fn what_is_no_aws_call_is_answered_by_the_other_routes() {
        let (_aws, address, _server) = start().await;
        let request = "POST /_local/faults?x=1 HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: 3\r\n\r\nabc";
        let answer = read_to_end(send(address, request).await).await;
        assert!(
            answer.ends_with("POST /_local/faults?x=1 3 bytes"),
            "{answer}"
        );
    }

    #[tokio::test]
    async fn a_lost_answer_closes_the_connection_after_the_effect() {
        let (aws, address, _server) = start().await;
        aws.faults()
            .inject(Fault::new("kinesis", "lost-answer", 1.0, 60).unwrap());
        let put = call("Kinesis_20131202.PutRecord", PUT, "keep-alive");
        assert_eq!(read_to_end(send(address, &put).await).await, "");
        assert_eq!(records(&aws), 1);
    }

    #[tokio::test]
    async fn a_slow_call_takes_effect_at_once_and_is_answered_late() {
        let (aws, address, _server) = start().await;
        let slow = Fault::slow("kinesis", 400, 1.0, 60).unwrap();
        aws.faults().inject(slow);
        let put = call("Kinesis_20131202.PutRecord", PUT, "close");
        let mut stream = send(address, &put).await;
        tokio::time::timeout(Duration::from_millis(200), stream.read_u8())
            .await
            .unwrap_err();
        assert_eq!(records(&aws), 1);
        assert!(read_to_end(stream).await.starts_with("HTTP/1.1 200 OK"));
    }

    #[tokio::test]
    async fn a_call_without_an_answer_holds_its_connection_until_the_faults_are_cleared() {
        let (aws, address, _server) = start().await;
        aws.faults()
            .inject(Fault::new("kinesis", "timeout", 1.0, 60).unwrap());
        let put = call("Kinesis_20131202.PutRecord", PUT, "keep-alive");
        let mut stream = send(address, &put).await;
        tokio::time::timeout(Duration::from_millis(300), stream.read_u8())
            .await
            .unwrap_err();
        aws.faults().clear();
        assert_eq!(read_to_end(stream).await, "");
        assert_eq!(records(&aws), 0);
    }

    #[tokio::test]
    async fn a_long_poll_is_answered_when_a_message_comes() {
        let (aws, address, _server) = start().await;
        let input = r#"{"QueueUrl": "http://x/000000000000/q", "WaitTimeSeconds": 20}"#;
        let mut stream = send(address, &call("AmazonSQS.ReceiveMessage", input, "close")).await;
        tokio::time::timeout(Duration::from_millis(300), stream.read_u8())
            .await
            .unwrap_err();
        aws.sqs().send_message("q", "hello").unwrap();
        assert!(read_to_end(stream).await.contains("hello"));
    }

    #[tokio::test]
    async fn a_body_beyond_the_limit_is_refused() {
        let (_aws, address, _server) = start().await;
        let body = " ".repeat(MAX_BODY + 1);
        let put = call("Kinesis_20131202.PutRecord", &body, "close");
        let answer = read_to_end(send(address, &put).await).await;
        assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    }
}
