//! An HTTP server on the loopback interface. It speaks HTTP/1.1, and HTTP/2 with prior knowledge.
//!
//! Slow, broken or silent clients cannot hold up the server, because it waits for each client only
//! for a limited time. When connections run short, the server closes the connection that has waited
//! longest for its client. Requests that a foreign web page could have sent are refused
//! ([`crate::servers::foreign`]).

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{Request, Response, Version};
use http_body_util::BodyExt;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::servers::connections::{Connections, Progress, Unread};
use crate::servers::foreign::Hosts;
use crate::servers::loopback_port::Listeners;

/// The most bytes of one piece of an answer. Each piece is handed over when the client has room for
/// it. So the server knows how much is still to be read, and copies nothing of that before.
const PIECE: usize = 64 << 10;

/// How many requests one HTTP/2 connection may have in progress. RFC 9113, section 6.5.2,
/// recommends at least 100.
const STREAMS: u32 = 128;

/// The beginning of an HTTP/2 connection (RFC 9113, section 3.4). HTTP/1 has no method `PRI`.
const PREFACE: &[u8] = b"PRI";

/// The limits of a server for its clients.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// How many connections are open at a time. A further connection waits in the kernel's queue.
    /// It waits for a second or so, unless all connections have a request in progress.
    pub connections: usize,
    /// How long a client may take from one answer, or from the connection's beginning, to the end
    /// of the next request's headers. `None` sets no bound.
    pub idle: Option<Duration>,
    /// The largest body of a request, in bytes.
    pub body: usize,
    /// How long a client may take to send a body.
    pub body_patience: Duration,
}

/// A request with its whole body, or with the reason why its body was not read.
pub type Arrived = Request<Result<Bytes, UnreadBody>>;

/// Serves HTTP on `listeners` until the future is dropped, which also ends all connections. `hosts`
/// has the names under which the server may be called. If `handler` gives no answer, an HTTP/1
/// connection is closed without an answer, and an HTTP/2 stream is reset.
///
/// A client has [`READ_PATIENCE`] to read an answer up to the last half megabyte. To read the rest,
/// it has until the connection has been idle for too long. A client that takes longer is cut off.
///
/// [`READ_PATIENCE`]: crate::servers::connections::READ_PATIENCE
pub async fn serve<H, F>(listeners: impl Into<Listeners>, limits: Limits, hosts: Hosts, handler: H)
where
    H: Fn(Arrived, SocketAddr) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Option<Response<Bytes>>> + Send + 'static,
{
    let listeners = listeners.into();
    let mut connections = Connections::default();
    loop {
        match listeners.accept().await {
            Ok((stream, peer)) => {
                connections.make_room(limits.connections).await;
                // Answers are small and must not wait for a full segment.
                let _ = stream.set_nodelay(true);
                let progress = Progress::new();
                let serve = Serve {
                    limits,
                    hosts: hosts.clone(),
                    handler: handler.clone(),
                    progress: progress.clone(),
                    peer,
                };
                connections.open(progress, limits.idle, serve.connection(stream));
            }
            // The peer is gone already, or no file descriptor is free. A lack of descriptors passes
            // only with time.
            Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
}

/// The body of an answer, in pieces.
struct Pieces {
    left: Bytes,
    _unread: Unread,
}

impl Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let piece = self.left.len().min(PIECE);
        let piece = self.left.split_to(piece);
        Poll::Ready((!piece.is_empty()).then(|| Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.left.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left.len() as u64)
    }
}

/// The parts that one connection needs.
#[derive(Clone)]
struct Serve<H> {
    limits: Limits,
    hosts: Hosts,
    handler: H,
    progress: Progress,
    peer: SocketAddr,
}

impl<H, F> Serve<H>
where
    H: Fn(Arrived, SocketAddr) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Option<Response<Bytes>>> + Send + 'static,
{
    /// Serves the client, in the version of HTTP that it speaks, until it goes away.
    async fn connection(self, stream: TcpStream) {
        let Ok(http2) = speaks_http2(&stream).await else {
            return;
        };
        let streams = Streams::default();
        let service = service_fn(move |request| self.clone().answer(request));
        let io = TokioIo::new(stream);
        // An error here means that there was no answer, or that the client failed. A client fails
        // if it sends no HTTP, is too slow, or goes away.
        if http2 {
            let _ = http2::Builder::new(streams.executor())
                .timer(TokioTimer::new())
                .max_concurrent_streams(STREAMS)
                .serve_connection(io, service)
                .await;
        } else {
            let _ = http1::Builder::new()
                // `Limits::idle` says how long headers may take, for both versions alike.
                .header_read_timeout(None)
                .serve_connection(io, service)
                .await;
        }
    }

    async fn answer(self, request: Request<Incoming>) -> Result<Response<Pieces>, NoAnswer> {
        let request_underway = self.progress.begin_request();
        let (head, body) = request.into_parts();
        let refusal = self.hosts.refuse(&head);
        // A body is read in any case, because otherwise the client would not read the answer.
        let body = read_body(body, self.limits.body, self.limits.body_patience).await;
        // The rest of this body is unknown, so an HTTP/1 connection cannot be used again.
        let spoiled = head.version <= Version::HTTP_11
            && matches!(body, Err(UnreadBody::TooSlow | UnreadBody::Broken));
        let answer = match refusal {
            Some(refusal) => Some(refusal.response()),
            None => {
                let _handled = self.progress.begin_handling();
                (self.handler)(Request::from_parts(head, body), self.peer).await
            }
        };
        let mut answer = answer.ok_or(NoAnswer)?;
        if spoiled {
            let close = http::HeaderValue::from_static("close");
            answer.headers_mut().insert(http::header::CONNECTION, close);
        }
        let _unread = self.progress.answer();
        drop(request_underway);
        Ok(answer.map(|left| Pieces { left, _unread }))
    }
}

/// True if a client begins with HTTP/2's preface. Nothing that the client sent is consumed.
async fn speaks_http2(stream: &TcpStream) -> io::Result<bool> {
    let mut start = [0; PREFACE.len()];
    loop {
        let length = stream.peek(&mut start).await?;
        let begins_alike = length > 0 && start[..length] == PREFACE[..length];
        if !begins_alike || length == PREFACE.len() {
            return Ok(begins_alike);
        }
        // One or two bytes have come. The next bytes are on their way, or never come. If they never
        // come, the end of the client's time ends this loop.
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// The requests of one HTTP/2 connection. They end with the connection.
#[derive(Default)]
struct Streams(Arc<Mutex<JoinSet<()>>>);

#[derive(Clone)]
struct Executor(Arc<Mutex<JoinSet<()>>>);

impl Streams {
    fn executor(&self) -> Executor {
        Executor(Arc::clone(&self.0))
    }
}

impl Drop for Streams {
    fn drop(&mut self) {
        let mut streams = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        streams.abort_all();
    }
}

impl<F: Future<Output = ()> + Send + 'static> hyper::rt::Executor<F> for Executor {
    fn execute(&self, stream: F) {
        let mut streams = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        while streams.try_join_next().is_some() {}
        streams.spawn(stream);
    }
}

/// The error of a connection that is to be closed without an answer.
#[derive(Debug, thiserror::Error)]
#[error("no answer")]
struct NoAnswer;

/// The reason why a body was not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnreadBody {
    /// The body is longer than allowed. It was read to its end and thrown away, so that the client
    /// reads the answer.
    TooLarge,
    /// The client took too long to send the body.
    TooSlow,
    /// The client went away or sent a broken body.
    Broken,
}

/// Reads a body of at most `limit` bytes within `patience`. A longer body is drained, within the
/// same `patience`.
async fn read_body(body: Incoming, limit: usize, patience: Duration) -> Result<Bytes, UnreadBody> {
    let read = async {
        let mut body = body;
        let mut bytes = BytesMut::new();
        let mut too_large = false;
        while let Some(frame) = body.frame().await {
            let Ok(frame) = frame else {
                return Err(UnreadBody::Broken);
            };
            let Ok(data) = frame.into_data() else {
                continue;
            };
            too_large = too_large || bytes.len() + data.len() > limit;
            if too_large {
                bytes = BytesMut::new();
            } else {
                bytes.extend_from_slice(&data);
            }
        }
        if too_large {
            Err(UnreadBody::TooLarge)
        } else {
            Ok(bytes.freeze())
        }
    };
    tokio::time::timeout(patience, read)
        .await
        .unwrap_or(Err(UnreadBody::TooSlow))
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use tokio::time::Instant;

    use super::*;
    use crate::servers::connections::READ_PATIENCE;
    use crate::servers::loopback_port::ReservedPort;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    const LIMITS: Limits = Limits {
        connections: 4,
        idle: Some(Duration::from_secs(30)),
        body: 10,
        body_patience: Duration::from_secs(30),
    };

    /// More bytes than the buffers of a connection take, the kernel's and hyper's.
    const LARGE: usize = 32 << 20;

    /// A server on a free port. It answers `GET /` and `GET /large` at once, leaves `/lost` without
    /// an answer, and works on anything else for ever.
    async fn start() -> (SocketAddr, JoinSet<()>) {
        let listener = ReservedPort::take(0).unwrap().listen().unwrap();
        let address = (Ipv4Addr::LOCALHOST, listener.port()).into();
        let mut server = JoinSet::new();
        server.spawn(serve(
            listener,
            LIMITS,
            Hosts::default(),
            |request: Arrived, _| async move {
                match request.uri().path() {
                    "/" => Some(Response::new(Bytes::from_static(b"here"))),
                    "/large" => Some(Response::new(vec![b'x'; LARGE].into())),
                    "/lost" => None,
                    _ => std::future::pending().await,
                }
            },
        ));
        (address, server)
    }

    async fn send(address: SocketAddr, text: &str) -> TcpStream {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(text.as_bytes()).await.unwrap();
        stream
    }

    /// Reads all that comes until the server closes the connection. The server must close it long
    /// before a client's patience is over.
    async fn all_of(mut stream: TcpStream) -> String {
        let mut bytes = Vec::new();
        let read = stream.read_to_end(&mut bytes);
        let read = tokio::time::timeout(Duration::from_secs(10), read).await;
        read.expect("the server waits").unwrap();
        String::from_utf8(bytes).unwrap()
    }

    const GET: &str = "GET / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";

    #[tokio::test]
    async fn clients_that_send_nothing_or_half_make_room_for_one_that_sends_a_request() {
        let (address, _server) = start().await;
        let mut silent = Vec::new();
        for text in [
            "",
            "GET / HT",
            "POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: 9\r\n\r\nhalf",
            "GET / HTTP/1.1\r\nhost: localhost\r\n\r\n",
        ] {
            silent.push(send(address, text).await);
        }
        for _ in 0..LIMITS.connections + 1 {
            let answer = all_of(send(address, GET).await).await;
            assert!(answer.ends_with("here"), "{answer}");
        }
    }

    #[tokio::test]
    async fn a_request_in_progress_is_never_closed_to_make_room() {
        let (address, _server) = start().await;
        let mut busy = Vec::new();
        for _ in 0..LIMITS.connections - 1 {
            busy.push(send(address, "GET /busy HTTP/1.1\r\nhost: localhost\r\n\r\n").await);
        }
        let silent = send(address, "").await;
        assert!(all_of(send(address, GET).await).await.ends_with("here"));
        assert_eq!(all_of(silent).await, "");
        for mut busy in busy {
            let closed = busy.read_u8();
            tokio::time::timeout(Duration::from_millis(50), closed)
                .await
                .unwrap_err();
        }
    }

    #[tokio::test]
    async fn where_there_is_no_answer_the_connection_is_closed() {
        let (address, _server) = start().await;
        let lost = send(address, "GET /lost HTTP/1.1\r\nhost: localhost\r\n\r\n").await;
        assert_eq!(all_of(lost).await, "");
    }

    /// A client that reads nothing is given [`READ_PATIENCE`], which the paused clock jumps over.
    #[tokio::test]
    async fn a_client_that_does_not_read_a_large_answer_is_cut_off() {
        let (address, _server) = start().await;
        let slow = send(address, "GET /large HTTP/1.1\r\nhost: localhost\r\n\r\n").await;
        slow.readable().await.unwrap();
        tokio::time::pause();
        tokio::time::sleep(READ_PATIENCE + Duration::from_secs(1)).await;
        tokio::time::resume();
        assert!(read_out(slow).await < LARGE);
    }

    #[tokio::test]
    async fn a_client_that_reads_a_large_answer_gets_all_of_it() {
        let (address, _server) = start().await;
        let request = "GET /large HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
        assert!(read_out(send(address, request).await).await > LARGE);
    }

    /// Counts the bytes that come until the connection is closed or reset.
    async fn read_out(mut stream: TcpStream) -> usize {
        let mut bytes = Vec::new();
        let read = stream.read_to_end(&mut bytes);
        let _ = tokio::time::timeout(Duration::from_secs(60), read)
            .await
            .expect("the server waits");
        bytes.len()
    }

    /// The time for headers that come byte by byte is bounded as a whole. Silence from the
    /// beginning is bounded too.
    #[tokio::test]
    async fn a_client_without_a_request_is_closed_when_its_time_is_over() {
        for start_of_request in [
            "",
            "P",
            "PRI",
            "GET / HTTP/1.1\r\nhost: loc",
            PREFACE_OF_HTTP2,
        ] {
            let (address, _server) = start().await;
            let silent = send(address, start_of_request).await;
            let begun = Instant::now();
            tokio::time::pause();
            read_out(silent).await;
            tokio::time::resume();
            let waited = begun.elapsed();
            let idle = LIMITS.idle.unwrap();
            assert!(
                waited >= idle - Duration::from_secs(1) && waited < idle + Duration::from_secs(2),
                "{start_of_request:?}: {waited:?}"
            );
        }
    }

    const PREFACE_OF_HTTP2: &str = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

    type Http2 = hyper::client::conn::http2::SendRequest<http_body_util::Full<Bytes>>;

    /// A connection that speaks HTTP/2 from its first byte on, with a window of `window` bytes for
    /// each answer.
    async fn http2(address: SocketAddr, window: u32) -> (Http2, JoinSet<()>) {
        let stream = TcpStream::connect(address).await.unwrap();
        let executor = hyper_util::rt::TokioExecutor::new();
        let (client, connection) = hyper::client::conn::http2::Builder::new(executor)
            .initial_stream_window_size(window)
            .initial_connection_window_size(64 << 20)
            .handshake(TokioIo::new(stream))
            .await
            .unwrap();
        let mut driver = JoinSet::new();
        driver.spawn(async move { drop(connection.await) });
        (client, driver)
    }

    fn get(uri: &str) -> Request<http_body_util::Full<Bytes>> {
        Request::get(uri)
            .body(http_body_util::Full::default())
            .unwrap()
    }

    #[tokio::test]
    async fn many_requests_at_once_are_answered_over_one_http2_connection() {
        let (address, _server) = start().await;
        let (client, _driver) = http2(address, 1 << 20).await;
        let answers = (0..100).map(|_| {
            let mut client = client.clone();
            async move { client.send_request(get("http://localhost/")).await.unwrap() }
        });
        for answer in futures::future::join_all(answers).await {
            assert_eq!(
                (answer.status(), answer.version()),
                (http::StatusCode::OK, Version::HTTP_2)
            );
            let body = answer.into_body().collect().await.unwrap().to_bytes();
            assert_eq!(body, "here");
        }
    }

    #[tokio::test]
    async fn without_an_answer_an_http2_stream_is_reset_and_the_others_go_on() {
        let (address, _server) = start().await;
        let (mut client, _driver) = http2(address, 1 << 20).await;
        client
            .send_request(get("http://localhost/lost"))
            .await
            .unwrap_err();
        let answer = client.send_request(get("http://localhost/")).await.unwrap();
        assert_eq!(answer.status(), http::StatusCode::OK);
    }

    #[tokio::test]
    async fn a_body_beyond_the_limit_is_too_large_over_http2_as_well() {
        let listener = ReservedPort::take(0).unwrap().listen().unwrap();
        let address = (Ipv4Addr::LOCALHOST, listener.port()).into();
        let mut server = JoinSet::new();
        let handler = |request: Arrived, _| async move {
            Some(Response::new(format!("{:?}", request.into_body()).into()))
        };
        server.spawn(serve(listener, LIMITS, Hosts::default(), handler));
        let (mut client, _driver) = http2(address, 1 << 20).await;
        let body = http_body_util::Full::from(vec![b'x'; LIMITS.body + 1]);
        let request = Request::post("http://localhost/").body(body).unwrap();
        let answer = client.send_request(request).await.unwrap();
        let answer = answer.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(answer, "Err(TooLarge)");
    }

    /// The connection itself has room, so only the stream's own window holds the answer back.
    #[tokio::test]
    async fn an_http2_client_that_gives_an_answer_no_room_is_cut_off() {
        let (address, _server) = start().await;
        let (mut client, mut driver) = http2(address, 1_000).await;
        let answer = client
            .send_request(get("http://localhost/large"))
            .await
            .unwrap();
        tokio::time::pause();
        tokio::time::timeout(2 * READ_PATIENCE, driver.join_next())
            .await
            .expect("the connection is closed");
        drop(answer);
    }

    #[tokio::test]
    async fn a_foreign_page_is_refused_before_the_handler_sees_its_request() {
        let (address, _server) = start().await;
        let request = "POST /busy HTTP/1.1\r\nhost: evil.example\r\nconnection: close\r\ncontent-length: 2\r\n\r\n{}";
        let answer = all_of(send(address, request).await).await;
        assert!(answer.starts_with("HTTP/1.1 403 "), "{answer}");
        let (mut client, _driver) = http2(address, 1 << 20).await;
        let answer = client
            .send_request(get("http://evil.example/"))
            .await
            .unwrap();
        assert_eq!(answer.status(), http::StatusCode::FORBIDDEN);
    }
}
