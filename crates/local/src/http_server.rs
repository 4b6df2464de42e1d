//! An HTTP/1.1 server on the loopback interface that a slow, broken or silent client cannot hold up.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpSocket};
use tokio::task::JoinSet;

/// Connections of one server at a time; further ones wait in the kernel's queue.
const MAX_CONNECTIONS: usize = 512;

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

/// Serves HTTP/1.1 on `listener` until the future is dropped, which also ends all its connections.
///
/// `idle` bounds how long a client may take to send a request's headers, and how long a connection stays open between
/// requests; `None` sets no bound.
pub async fn serve<H, F, B>(listener: TcpListener, idle: Option<Duration>, handler: H)
where
    H: Fn(Request<Incoming>, SocketAddr) -> F + Clone + Send + 'static,
    F: Future<Output = Response<B>> + Send + 'static,
    B: Body<Data = Bytes, Error = Infallible> + Send + 'static,
{
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept(), if connections.len() < MAX_CONNECTIONS => accepted,
            Some(_) = connections.join_next() => continue,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(_) => {
                // The peer is gone already, or no file descriptor is free; the latter passes only with time.
                tokio::time::sleep(Duration::from_millis(20)).await;
                continue;
            }
        };
        let _ = stream.set_nodelay(true);
        let handler = handler.clone();
        connections.spawn(async move {
            let service = service_fn(move |request| {
                let answer = handler(request, peer);
                async move { Ok::<_, Infallible>(answer.await) }
            });
            let mut http = http1::Builder::new();
            http.timer(TokioTimer::new()).header_read_timeout(idle);
            // An error here is the client's: it sent no HTTP, was too slow, or went away.
            let _ = http.serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

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

/// Reads a body of at most `limit` bytes within `patience`.
///
/// # Errors
/// When the body is longer, slower or broken. A longer one is drained first, within the same `patience`.
pub async fn read_body(
    body: Incoming,
    limit: usize,
    patience: Duration,
) -> Result<Bytes, UnreadBody> {
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
pub fn json(status: http::StatusCode, body: &serde_json::Value) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body.to_string())));
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
    use tokio::net::TcpStream;

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
