//! An HTTP/1.1 server on the loopback interface that slow, broken or silent clients cannot hold up: each is waited for
//! only so long, and when connections run short the one that has waited longest for its client is closed.

use std::future::Future;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::Instant;

/// A connection that waits for its client is closed for another one's sake after this long at the earliest: an answer
/// under way is not cut off.
const LINGER: Duration = Duration::from_secs(1);

/// How often a server whose connections are all in use looks for one that it may close.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// A port that is taken but does not accept connections yet, so that others see it closed until all is ready.
#[derive(Debug)]
pub struct ReservedPort {
    socket: TcpSocket,
    address: SocketAddr,
}

impl ReservedPort {
    /// Takes `port` on 127.0.0.1, or any free port for 0.
    ///
    /// # Errors
    /// When the port is in use or may not be taken.
    pub fn take(port: u16) -> io::Result<Self> {
        let socket = TcpSocket::new_v4()?;
        // A server that is started again must not wait for the last one's closed connections to time out.
        socket.set_reuseaddr(true)?;
        socket.bind((Ipv4Addr::LOCALHOST, port).into())?;
        let address = socket.local_addr()?;
        Ok(Self { socket, address })
    }

    /// The port number.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Begins to accept connections.
    ///
    /// # Errors
    /// When another program took the same port and listens on it meanwhile.
    pub fn listen(self) -> io::Result<TcpListener> {
        self.socket.listen(1_024)
    }
}

/// What a server allows its clients.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections at a time. Further ones wait in the kernel's queue, for a second or so unless all have a request in
    /// progress.
    pub connections: usize,
    /// How long a client may take to send a request's headers, and how long a connection stays open between requests;
    /// `None` sets no bound.
    pub idle: Option<Duration>,
    /// The largest body of a request, in bytes.
    pub body: usize,
    /// How long a client may take to send a body.
    pub body_patience: Duration,
}

/// A request that is here as a whole, or why its body is not.
pub type Arrived = Request<Result<Bytes, UnreadBody>>;

/// Serves HTTP/1.1 on `listener` until the future is dropped, which also ends all its connections. Where `handler` gives
/// no answer the connection is closed without one.
pub async fn serve<H, F>(listener: TcpListener, limits: Limits, handler: H)
where
    H: Fn(Arrived, SocketAddr) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Option<Response<Bytes>>> + Send + 'static,
{
    let mut connections = Connections::default();
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                connections.make_room(limits.connections).await;
                connections.open(stream, peer, limits, handler.clone());
            }
            // The peer is gone already, or no file descriptor is free; the latter passes only with time.
            Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
}

#[derive(Default)]
struct Connections {
    tasks: JoinSet<()>,
    open: Vec<Connection>,
}

struct Connection {
    task: AbortHandle,
    turn: Turn,
}

/// Whose turn it is on a connection: since when its client's, or `None` while a request is being answered.
#[derive(Clone)]
struct Turn(Arc<Mutex<Option<Instant>>>);

impl Turn {
    fn set(&self, clients_since: Option<Instant>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = clients_since;
    }

    fn clients_since(&self) -> Option<Instant> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Connections {
    /// Waits until fewer than `most` are open, and closes one that waits for its client if that is what it takes.
    async fn make_room(&mut self, most: usize) {
        loop {
            while self.tasks.try_join_next().is_some() {}
            self.open
                .retain(|connection| !connection.task.is_finished());
            if self.open.len() < most {
                return;
            }
            let longest = self
                .open
                .iter()
                .filter_map(|connection| Some((connection.turn.clients_since()?, &connection.task)))
                .min_by_key(|(since, _)| *since);
            if let Some((since, task)) = longest
                && since.elapsed() >= LINGER
            {
                task.abort();
            }
            let _ = tokio::time::timeout(LOOK_AGAIN, self.tasks.join_next()).await;
        }
    }

    fn open<H, F>(&mut self, stream: TcpStream, peer: SocketAddr, limits: Limits, handler: H)
    where
        H: Fn(Arrived, SocketAddr) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = Option<Response<Bytes>>> + Send + 'static,
    {
        // Answers are small and must not wait for a full segment.
        let _ = stream.set_nodelay(true);
        let turn = Turn(Arc::new(Mutex::new(Some(Instant::now()))));
        let shared = turn.clone();
        let task = self.tasks.spawn(async move {
            let service = service_fn(move |request: Request<Incoming>| {
                let (handler, turn) = (handler.clone(), shared.clone());
                async move {
                    let (head, body) = request.into_parts();
                    let body = read_body(body, limits.body, limits.body_patience).await;
                    // What is left of such a body is unknown, so the connection cannot be used again.
                    let spoiled = matches!(body, Err(UnreadBody::TooSlow | UnreadBody::Broken));
                    turn.set(None);
                    let answer = handler(Request::from_parts(head, body), peer).await;
                    turn.set(Some(Instant::now()));
                    let mut answer = answer.ok_or(NoAnswer)?;
                    if spoiled {
                        let close = http::HeaderValue::from_static("close");
                        answer.headers_mut().insert(http::header::CONNECTION, close);
                    }
                    Ok::<_, NoAnswer>(answer.map(Full::new))
                }
            });
            let mut http = http1::Builder::new();
            http.timer(TokioTimer::new())
                .header_read_timeout(limits.idle);
            // An error here is the client's (it sent no HTTP, was too slow, or went away) or the lack of an answer.
            let _ = http.serve_connection(TokioIo::new(stream), service).await;
        });
        self.open.push(Connection { task, turn });
    }
}

/// The connection is to be closed without an answer.
#[derive(Debug, thiserror::Error)]
#[error("no answer")]
struct NoAnswer;

/// Why a body was not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnreadBody {
    /// Longer than allowed. It was read to its end and thrown away, so that the client reads the answer.
    TooLarge,
    /// The client took too long to send it.
    TooSlow,
    /// The client went away or sent a broken body.
    Broken,
}

/// Reads a body of at most `limit` bytes within `patience`. A longer one is drained, within the same `patience`.
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

/// A JSON answer.
#[must_use]
pub fn json(status: http::StatusCode, body: &serde_json::Value) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(body.to_string()));
    *response.status_mut() = status;
    let json = http::HeaderValue::from_static("application/json");
    response
        .headers_mut()
        .insert(http::header::CONTENT_TYPE, json);
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    const LIMITS: Limits = Limits {
        connections: 4,
        idle: Some(Duration::from_secs(30)),
        body: 10,
        body_patience: Duration::from_secs(30),
    };

    /// A server on a free port that answers `GET /` at once, leaves `/lost` without an answer and works on anything else
    /// for ever.
    async fn start() -> (SocketAddr, JoinSet<()>) {
        let listener = ReservedPort::take(0).unwrap().listen().unwrap();
        let address = listener.local_addr().unwrap();
        let mut server = JoinSet::new();
        server.spawn(serve(listener, LIMITS, |request: Arrived, _| async move {
            match request.uri().path() {
                "/" => Some(Response::new(Bytes::from_static(b"here"))),
                "/lost" => None,
                _ => std::future::pending().await,
            }
        }));
        (address, server)
    }

    async fn send(address: SocketAddr, text: &str) -> TcpStream {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(text.as_bytes()).await.unwrap();
        stream
    }

    /// What comes until the server closes the connection, which it must do long before a client's patience is over.
    async fn all_of(mut stream: TcpStream) -> String {
        let mut bytes = Vec::new();
        let read = stream.read_to_end(&mut bytes);
        let read = tokio::time::timeout(Duration::from_secs(10), read).await;
        read.expect("the server waits").unwrap();
        String::from_utf8(bytes).unwrap()
    }

    const GET: &str = "GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";

    #[tokio::test]
    async fn clients_that_send_nothing_or_half_make_room_for_one_that_sends_a_request() {
        let (address, _server) = start().await;
        let mut silent = Vec::new();
        for text in [
            "",
            "GET / HT",
            "POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\nhalf",
            "GET / HTTP/1.1\r\nhost: x\r\n\r\n",
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
            busy.push(send(address, "GET /busy HTTP/1.1\r\nhost: x\r\n\r\n").await);
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
        let lost = send(address, "GET /lost HTTP/1.1\r\nhost: x\r\n\r\n").await;
        assert_eq!(all_of(lost).await, "");
    }

    #[tokio::test]
    async fn a_reserved_port_is_closed_until_it_listens_and_then_open_on_loopback_only() {
        let reserved = ReservedPort::take(0).unwrap();
        let address = (Ipv4Addr::LOCALHOST, reserved.port());
        let refused = TcpStream::connect(address).await.unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
        let listener = reserved.listen().unwrap();
        TcpStream::connect(address).await.unwrap();
        assert!(listener.local_addr().unwrap().ip().is_loopback());
    }

    #[tokio::test]
    async fn a_port_that_another_program_listens_on_cannot_be_taken() {
        let listener = ReservedPort::take(0).unwrap().listen().unwrap();
        let taken = ReservedPort::take(listener.local_addr().unwrap().port()).unwrap_err();
        assert_eq!(taken.kind(), io::ErrorKind::AddrInUse);
    }
}
