//! A call as a waiting client sees it. Late, lost and silent replies are read here and nowhere
//! else.

use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};

use crate::aws::{Aws, Reply, Waiting};

/// The connection was closed without a response. The call may have taken effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("connection closed before an answer")]
pub struct ConnectionClosed;

impl Aws {
    /// Performs a request and waits, on tokio's clock, as long as its reply makes a client wait.
    ///
    /// The effect is the same as that of [`Aws::call`], and happens at once. A client that waits
    /// less drops the future.
    ///
    /// # Errors
    /// [`ConnectionClosed`] if the reply is lost, at once, or if the call is not answered, when the
    /// fault ends or is cleared.
    pub async fn send(
        &self,
        request: &Request<Bytes>,
    ) -> Result<Response<Bytes>, ConnectionClosed> {
        let mut reply = self.call(request);
        loop {
            match reply {
                Reply::Answer(response) => return Ok(response),
                Reply::Late(late) => {
                    while self.clock().now_millis() < late.at_millis {
                        self.pause(late.at_millis).await;
                    }
                    return Ok(late.response);
                }
                Reply::Lost => return Err(ConnectionClosed),
                Reply::Silent(silence) => {
                    while silence.holds() {
                        self.pause(silence.until_millis()).await;
                    }
                    return Err(ConnectionClosed);
                }
                Reply::Wait(waiting) => {
                    self.pause(waiting.until_millis()).await;
                    reply = waiting.look_again();
                }
            }
        }
    }

    /// Sleeps until the given time but at most for one interval, since a fault may be cleared or a
    /// message may come.
    async fn pause(&self, until_millis: u64) {
        let left = until_millis.saturating_sub(self.clock().now_millis());
        let pause = left.clamp(1, Waiting::INTERVAL_MILLIS);
        tokio::time::sleep(Duration::from_millis(pause)).await;
    }
}
