//! A connection that sends any bytes and reads what the server makes of them.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use crate::corpus::{Piece, Then};

/// The time after which a silent server hangs.
const PATIENCE: Duration = Duration::from_secs(20);
/// The time after which a server hangs that waits 30 s for a client.
const LONG_PATIENCE: Duration = Duration::from_secs(45);
/// The time in which a further answer would come that nobody expects.
const FURTHER: Duration = Duration::from_millis(300);

/// One answer on a connection.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// The names in lower case.
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Vec<u8>,
    /// The whole answer as it came.
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

/// Sends the pieces over a new connection. Returns the answers that came before the connection was
/// closed, or before nothing more came behind the answer number `expected`.
///
/// # Panics
/// If the server hangs, or answers with something else than HTTP.
pub(crate) async fn send(port: u16, pieces: &[Piece], then: Then, expected: usize) -> Vec<Answer> {
    let patience = if then == Then::Wait {
        LONG_PATIENCE
    } else {
        PATIENCE
    };
    let until = Instant::now() + patience;
    let stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let (mut reader, mut writer) = stream.into_split();
    let mut received = Vec::new();
    let begins_with = |text: &[u8]| matches!(pieces.first(), Some(Piece::Bytes(bytes)) if bytes.starts_with(text));
    let (is_head, is_http2) = (begins_with(b"HEAD "), begins_with(b"PRI "));
    let writing = async {
        for piece in pieces {
            match piece {
                // A server that has read enough closes the connection.
                Piece::Bytes(bytes) => drop(writer.write_all(bytes).await),
                Piece::Pause(pause) => sleep(*pause).await,
            }
        }
        if then == Then::Close {
            drop(writer.shutdown().await);
        }
        // Without this the socket would say that it sends no more.
        std::future::pending::<()>().await;
    };
    let reading = async {
        let mut buffer = vec![0; 1 << 16];
        loop {
            let complete = answers(&received, is_head).len();
            let limit = if expected > 0 && complete >= expected {
                (Instant::now() + FURTHER).min(until)
            } else {
                until
            };
            match timeout_at(limit, reader.read(&mut buffer)).await {
                Ok(Ok(0) | Err(_)) => break,
                Ok(Ok(length)) => received.extend_from_slice(&buffer[..length]),
                Err(_) if complete >= expected && expected > 0 => break,
                Err(_) => panic!("the server hangs after {received:?}"),
            }
        }
    };
    tokio::select! {
        () = writing => {}
        () = reading => {}
    }
    let answers = answers(&received, is_head);
    let read: usize = answers.iter().map(|answer| answer.text.len()).sum();
    let is_read = read == String::from_utf8_lossy(&received).len();
    // Frames of HTTP/2 are no answer.
    assert!(is_read || is_http2, "not HTTP: {received:?}");
    answers
}

/// The complete answers at the beginning of what came.
fn answers(mut received: &[u8], is_head: bool) -> Vec<Answer> {
    let mut answers = Vec::new();
    while let Some(end) = received.windows(4).position(|part| part == b"\r\n\r\n") {
        let head = String::from_utf8_lossy(&received[..end]).into_owned();
        let mut lines = head.split("\r\n");
        let status = lines.next().and_then(|line| line.split(' ').nth(1));
        let Some(status) = status.and_then(|status| status.parse().ok()) else {
            break;
        };
        let headers: BTreeMap<String, String> = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_lowercase(), value.trim().to_owned()))
            .collect();
        let length = headers
            .get("content-length")
            .and_then(|length| length.parse().ok());
        let length = if is_head || status < 200 {
            0
        } else {
            length.unwrap_or(0)
        };
        let Some(body) = received.get(end + 4..end + 4 + length) else {
            break;
        };
        let text = String::from_utf8_lossy(&received[..end + 4 + length]).into_owned();
        answers.push(Answer {
            status,
            headers,
            body: body.to_vec(),
            text,
        });
        received = &received[end + 4 + length..];
    }
    answers
}

/// Sends a request of one piece that has one answer.
pub(crate) async fn ask(port: u16, request: String) -> Answer {
    let pieces = [Piece::Bytes(request.into_bytes())];
    let answers = timeout(LONG_PATIENCE, send(port, &pieces, Then::Read, 1)).await;
    let [answer] = <[Answer; 1]>::try_from(answers.unwrap()).unwrap();
    answer
}
