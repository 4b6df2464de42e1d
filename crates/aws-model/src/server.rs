//! The model behind HTTP/1.1 on a socket, for the AWS CLI and for functions in processes of their own.
//!
//! A request with an `X-Amz-Target` header, or a POST to `/`, is an AWS call; every other request goes to the
//! extra routes, if there are any. Bind the listener to a loopback address: nothing here checks who calls.

use std::fmt;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::failure::Failure;
use crate::model::{Aws, Reply, Waiting};

/// The largest request body, in bytes: 16 MiB. PutRecords, the largest call, takes 10 MiB of data, which is
/// 13.4 MiB in Base64; DynamoDB takes 16 MiB.
pub const MAX_BODY_BYTES: usize = 16 << 20;

/// How long a client may take to send a request's headers.
const HEADER_TIMEOUT: Duration = Duration::from_secs(30);
/// How long an accept error (too many open files) is waited out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The answer of an extra route.
pub type RouteFuture = Pin<Box<dyn Future<Output = Response<Bytes>> + Send>>;

/// What answers the requests that are no AWS calls.
#[derive(Clone)]
pub struct Routes(Arc<dyn Fn(Request<Bytes>) -> RouteFuture + Send + Sync>);

impl Routes {
    /// Routes given by a function of the whole request.
    pub fn new<F, A>(answer: F) -> Self
    where
        F: Fn(Request<Bytes>) -> A + Send + Sync + 'static,
        A: Future<Output = Response<Bytes>> + Send + 'static,
    {
        Self(Arc::new(move |request| Box::pin(answer(request))))
    }

    /// No extra routes: all but AWS calls is 404.
    #[must_use]
    pub fn none() -> Self {
        Self::new(|_| async {
            let mut response = Response::new(Bytes::from_static(b"<UnknownOperationException/>\n"));
            *response.status_mut() = StatusCode::NOT_FOUND;
            response
        })
    }
}

impl fmt::Debug for Routes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Routes").finish_non_exhaustive()
    }
}

/// Serves the model until `stop` is ready, then stops accepting, lets requests in progress finish for up to
/// `grace`, and closes what is left. Returns when every connection is closed; nothing runs on after it, nor if
/// it is dropped.
///
/// A connection that fails is closed and does not disturb others.
pub async fn serve(
    listener: TcpListener,
    aws: Aws,
    routes: Routes,
    grace: Duration,
    stop: impl Future<Output = ()>,
) {
    let mut stop = pin!(stop);
    let (stopping, stopped) = watch::channel(false);
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            () = &mut stop => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    // Latency on loopback: answers are small and must not wait for a full segment.
                    let _ = stream.set_nodelay(true);
                    connections.spawn(connection(
                        TokioIo::new(stream),
                        aws.clone(),
                        routes.clone(),
                        stopped.clone(),
                    ));
                }
                Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
            },
            // Reaps finished connections, so that the set holds only open ones.
            Some(_) = connections.join_next() => {}
        }
    }
    drop(listener);
    let _ = stopping.send(true);
    let _ = tokio::time::timeout(grace, async {
        while connections.join_next().await.is_some() {}
    })
    .await;
    connections.shutdown().await;
}

async fn connection(
    io: TokioIo<tokio::net::TcpStream>,
    aws: Aws,
    routes: Routes,
    mut stopped: watch::Receiver<bool>,
) {
    let service = service_fn(move |request| answer(aws.clone(), routes.clone(), request));
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .serve_connection(io, service);
    let mut connection = pin!(connection);
    tokio::select! {
        _ = connection.as_mut() => return,
        _ = stopped.wait_for(|stopped| *stopped) => {}
    }
    connection.as_mut().graceful_shutdown();
    // How a connection ends concerns its client alone.
    let _ = connection.await;
}

/// The connection is to be closed without an answer.
#[derive(Debug, thiserror::Error)]
#[error("no answer")]
struct NoAnswer;

async fn answer(
    aws: Aws,
    routes: Routes,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, NoAnswer> {
    let (parts, body) = request.into_parts();
    let body = match Limited::new(body, MAX_BODY_BYTES).collect().await {
        Ok(body) => body.to_bytes(),
        Err(error) if error.is::<http_body_util::LengthLimitError>() => {
            let failure = Failure {
                code: "RequestEntityTooLargeException",
                status: 413,
                message: format!("Request must be smaller than {MAX_BODY_BYTES} bytes"),
            };
            return Ok(failure.into_response(None, "").map(Full::new));
        }
        Err(_) => return Err(NoAnswer),
    };
    let request = Request::from_parts(parts, body);
    let is_call = request.headers().contains_key("x-amz-target")
        || (request.method() == Method::POST && request.uri().path() == "/");
    if !is_call {
        return Ok((routes.0)(request).await.map(Full::new));
    }
    let mut reply = aws.call(&request);
    loop {
        match reply {
            Reply::Answer(response) => return Ok(response.map(Full::new)),
            Reply::Lost => return Err(NoAnswer),
            Reply::Silent(silence) => {
                while silence.holds() {
                    pause(&aws, silence.until_millis()).await;
                }
                return Err(NoAnswer);
            }
            Reply::Wait(waiting) => {
                pause(&aws, waiting.until_millis()).await;
                reply = waiting.look_again();
            }
        }
    }
}

async fn pause(aws: &Aws, until_millis: u64) {
    let left = until_millis.saturating_sub(aws.clock().now_millis());
    tokio::time::sleep(Duration::from_millis(
        left.clamp(1, Waiting::INTERVAL_MILLIS),
    ))
    .await;
}
