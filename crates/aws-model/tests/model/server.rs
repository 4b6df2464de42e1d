//! The model over a real socket.

use std::net::SocketAddr;
use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_model::server::{MAX_BODY_BYTES, Routes, serve};
use aws_model::{Aws, Fault};
use aws_sdk_kinesis::config::{Credentials, SharedCredentialsProvider};
use aws_sdk_kinesis::error::SdkError;
use aws_sdk_kinesis::primitives::Blob;
use bytes::Bytes;
use http::{Response, StatusCode};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::support::{all, world};

/// Longer than anything here takes; a test that reaches it has failed.
const PATIENCE: Duration = Duration::from_secs(20);

struct Running {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    done: JoinHandle<()>,
}

impl Running {
    async fn stopped(self) {
        self.stop.send(()).unwrap();
        tokio::time::timeout(PATIENCE, self.done)
            .await
            .unwrap()
            .unwrap();
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    fn kinesis(&self) -> aws_sdk_kinesis::Client {
        let config = SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("eu-west-1"))
            .credentials_provider(SharedCredentialsProvider::new(Credentials::new(
                "test", "test", None, None, "test",
            )))
            .retry_config(RetryConfig::disabled())
            .endpoint_url(format!("http://{}", self.address))
            .build();
        aws_sdk_kinesis::Client::new(&config)
    }
}

async fn start(aws: &Aws, routes: Routes, grace: Duration) -> Running {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel();
    let aws = aws.clone();
    #[expect(
        clippy::disallowed_methods,
        reason = "the server of a test runs beside it"
    )]
    let done = tokio::spawn(async move {
        serve(listener, aws, routes, grace, async {
            let _ = stopped.await;
        })
        .await;
    });
    Running {
        address,
        stop,
        done,
    }
}

async fn put(
    client: &aws_sdk_kinesis::Client,
) -> Result<String, SdkError<aws_sdk_kinesis::operation::put_record::PutRecordError>> {
    let output = client
        .put_record()
        .stream_name("s")
        .partition_key("k")
        .data(Blob::new("x"))
        .send()
        .await?;
    Ok(output.sequence_number)
}

/// What the server sends until it closes the connection.
async fn read_to_end(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    tokio::time::timeout(PATIENCE, stream.read_to_end(&mut bytes))
        .await
        .unwrap()
        .unwrap();
    String::from_utf8(bytes).unwrap()
}

fn raw(target: &str, body: &str) -> String {
    format!(
        "POST / HTTP/1.1\r\nHost: x\r\nX-Amz-Target: {target}\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

#[tokio::test]
async fn an_sdk_client_puts_over_a_socket() {
    let world = world().with_stream(1);
    let server = start(&world.aws, Routes::none(), Duration::ZERO).await;
    let number = put(&server.kinesis()).await.unwrap();
    assert_eq!(
        all(world.aws.kinesis(), 0)[0].sequence_number.to_string(),
        number
    );
    server.stopped().await;
}

#[tokio::test]
async fn a_lost_answer_closes_the_connection_after_the_effect() {
    let world = world().with_stream(1);
    let server = start(&world.aws, Routes::none(), Duration::ZERO).await;
    world
        .aws
        .faults()
        .inject(Fault::new("kinesis", "lost-answer", 1.0, 60).unwrap());
    let error = put(&server.kinesis()).await.unwrap_err();
    assert!(matches!(error, SdkError::DispatchFailure(_)), "{error:?}");
    assert_eq!(all(world.aws.kinesis(), 0).len(), 1);

    let mut stream = server.connect().await;
    stream
        .write_all(raw("Kinesis_20131202.ListStreams", "{}").as_bytes())
        .await
        .unwrap();
    assert_eq!(read_to_end(&mut stream).await, "");
    server.stopped().await;
}

#[tokio::test]
async fn a_call_without_an_answer_holds_its_connection_until_the_faults_are_cleared() {
    let world = world().with_stream(1);
    let server = start(&world.aws, Routes::none(), Duration::ZERO).await;
    world
        .aws
        .faults()
        .inject(Fault::new("kinesis", "timeout", 1.0, 60).unwrap());
    let mut stream = server.connect().await;
    stream
        .write_all(raw("Kinesis_20131202.ListStreams", "{}").as_bytes())
        .await
        .unwrap();
    let mut byte = [0];
    tokio::time::timeout(Duration::from_millis(300), stream.read(&mut byte))
        .await
        .unwrap_err();
    world.aws.faults().clear();
    assert_eq!(read_to_end(&mut stream).await, "");
    server.stopped().await;
}

#[tokio::test]
async fn one_connection_serves_many_requests() {
    let world = world();
    let server = start(&world.aws, Routes::none(), Duration::ZERO).await;
    let mut stream = server.connect().await;
    let request = raw("Kinesis_20131202.ListStreams", "{}");
    stream
        .write_all(request.repeat(3).as_bytes())
        .await
        .unwrap();
    stream
        .write_all(b"GET /x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        .await
        .unwrap();
    let answers = read_to_end(&mut stream).await;
    assert_eq!(answers.matches("HTTP/1.1 200 OK").count(), 3, "{answers}");
    assert_eq!(
        answers.matches("HTTP/1.1 404 Not Found").count(),
        1,
        "{answers}"
    );
    server.stopped().await;
}

#[tokio::test]
async fn what_is_no_aws_call_goes_to_the_extra_routes() {
    let world = world();
    let routes = Routes::new(|request: http::Request<Bytes>| async move {
        let text = format!(
            "{} {} {} bytes",
            request.method(),
            request.uri(),
            request.body().len()
        );
        let mut response = Response::new(Bytes::from(text));
        *response.status_mut() = StatusCode::IM_A_TEAPOT;
        response
    });
    let server = start(&world.aws, routes, Duration::ZERO).await;
    let mut stream = server.connect().await;
    let request = "POST /_local/faults?x=1 HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 3\r\n\r\nabc";
    stream.write_all(request.as_bytes()).await.unwrap();
    let answer = read_to_end(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 418 "), "{answer}");
    assert!(
        answer.ends_with("POST /_local/faults?x=1 3 bytes"),
        "{answer}"
    );
    server.stopped().await;
}

#[tokio::test]
async fn a_body_beyond_the_limit_is_refused() {
    let world = world();
    let server = start(&world.aws, Routes::none(), Duration::ZERO).await;
    let mut stream = server.connect().await;
    let head = format!(
        "POST / HTTP/1.1\r\nHost: x\r\nX-Amz-Target: Kinesis_20131202.PutRecord\r\nContent-Length: {}\r\n\r\n",
        MAX_BODY_BYTES + 1
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let chunk = vec![b' '; 1 << 20];
    for _ in 0..=16 {
        // The server may answer and close before it has read everything.
        if stream.write_all(&chunk).await.is_err() {
            break;
        }
    }
    let mut answer = [0; 12];
    tokio::time::timeout(PATIENCE, stream.read_exact(&mut answer))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(&answer, b"HTTP/1.1 413");
    server.stopped().await;
}

#[tokio::test]
async fn stopping_lets_a_request_finish_and_closes_idle_connections() {
    let world = world();
    let (began, has_begun) = oneshot::channel();
    let (finish, may_finish) = oneshot::channel::<()>();
    let hooks = std::sync::Arc::new(std::sync::Mutex::new(Some((began, may_finish))));
    let routes = Routes::new(move |_| {
        let hooks = hooks.lock().unwrap().take();
        async move {
            let (began, may_finish) = hooks.unwrap();
            began.send(()).unwrap();
            may_finish.await.unwrap();
            Response::new(Bytes::from_static(b"finished"))
        }
    });
    let server = start(&world.aws, routes, PATIENCE).await;
    let mut idle = server.connect().await;
    idle.write_all(raw("Kinesis_20131202.ListStreams", "{}").as_bytes())
        .await
        .unwrap();
    let mut first = [0; 12];
    idle.read_exact(&mut first).await.unwrap();
    let mut busy = server.connect().await;
    busy.write_all(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
        .await
        .unwrap();
    has_begun.await.unwrap();

    let address = server.address;
    server.stop.send(()).unwrap();
    read_to_end(&mut idle).await;
    assert!(!server.done.is_finished());
    finish.send(()).unwrap();
    assert!(read_to_end(&mut busy).await.ends_with("finished"));
    tokio::time::timeout(PATIENCE, server.done)
        .await
        .unwrap()
        .unwrap();
    TcpStream::connect(address).await.unwrap_err();
}

#[tokio::test]
async fn stopping_closes_what_does_not_finish_within_the_grace() {
    let world = world();
    let (began, mut has_begun) = tokio::sync::mpsc::channel(1);
    let routes = Routes::new(move |_| {
        let began = began.clone();
        async move {
            began.send(()).await.unwrap();
            std::future::pending::<Response<Bytes>>().await
        }
    });
    let server = start(&world.aws, routes, Duration::from_millis(50)).await;
    let mut stream = server.connect().await;
    stream
        .write_all(b"GET /never HTTP/1.1\r\nHost: x\r\n\r\n")
        .await
        .unwrap();
    has_begun.recv().await.unwrap();
    server.stopped().await;
    assert_eq!(read_to_end(&mut stream).await, "");
}
