//! The model as an HTTP client of the AWS SDK: a request goes to [`Aws::call`] in place of the
//! network, and faults surface as what the network would show of them.

use std::fmt;
use std::io;
use std::time::Duration;

use aws_smithy_async::rt::sleep::{AsyncSleep, SharedAsyncSleep};
use aws_smithy_runtime_api::client::connector_metadata::ConnectorMetadata;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient,
    SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use bytes::Bytes;

use crate::aws::{Aws, Reply, Waiting};
use crate::clock::millis;

pub(crate) fn shared(aws: Aws) -> SharedHttpClient {
    SharedHttpClient::new(InProcess { aws })
}

#[derive(Debug)]
struct InProcess {
    aws: Aws,
}

impl HttpClient for InProcess {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(Connector {
            aws: self.aws.clone(),
            read_timeout: settings.read_timeout(),
            sleep: components.sleep_impl(),
        })
    }

    fn connector_metadata(&self) -> Option<ConnectorMetadata> {
        Some(ConnectorMetadata::new("aws-model", None))
    }
}

struct Connector {
    aws: Aws,
    read_timeout: Option<Duration>,
    sleep: Option<SharedAsyncSleep>,
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connector")
            .field("read_timeout", &self.read_timeout)
            .finish_non_exhaustive()
    }
}

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let (aws, read_timeout, sleep) = (self.aws.clone(), self.read_timeout, self.sleep.clone());
        HttpConnectorFuture::new(async move {
            let request = convert(request)?;
            let patience = Patience {
                deadline: read_timeout
                    .map(|limit| aws.clock().now_millis().saturating_add(millis(limit))),
                sleep,
            };
            let mut reply = aws.call(&request);
            loop {
                match reply {
                    Reply::Answer(response) => {
                        return HttpResponse::try_from(response.map(SdkBody::from))
                            .map_err(|error| ConnectorError::user(error.into()));
                    }
                    Reply::Late(late) => {
                        while aws.clock().now_millis() < late.at_millis {
                            patience.wait(&aws, late.at_millis).await?;
                        }
                        reply = Reply::Answer(late.response);
                    }
                    Reply::Lost => return Err(closed()),
                    Reply::Silent(silence) => {
                        while silence.holds() {
                            patience.wait(&aws, silence.until_millis()).await?;
                        }
                        return Err(closed());
                    }
                    Reply::Wait(waiting) => {
                        patience.wait(&aws, waiting.until_millis()).await?;
                        reply = waiting.look_again();
                    }
                }
            }
        })
    }
}

/// How long a client waits for an answer.
struct Patience {
    deadline: Option<u64>,
    sleep: Option<SharedAsyncSleep>,
}

impl Patience {
    /// Sleeps one interval, but not beyond `until` or the read timeout, which is an error.
    async fn wait(&self, aws: &Aws, until: u64) -> Result<(), ConnectorError> {
        let now = aws.clock().now_millis();
        if self.deadline.is_some_and(|deadline| deadline <= now) {
            return Err(ConnectorError::timeout(
                io::Error::new(io::ErrorKind::TimedOut, "no answer within the read timeout").into(),
            ));
        }
        let until = self.deadline.map_or(until, |deadline| deadline.min(until));
        let pause = until.saturating_sub(now).clamp(1, Waiting::INTERVAL_MILLIS);
        match &self.sleep {
            Some(sleep) => {
                sleep.sleep(Duration::from_millis(pause)).await;
                Ok(())
            }
            // Without a way to sleep there is no way to be woken either: the call stays unanswered.
            None => std::future::pending().await,
        }
    }
}

fn convert(request: HttpRequest) -> Result<http::Request<Bytes>, ConnectorError> {
    let request = request
        .try_into_http1x()
        .map_err(|error| ConnectorError::user(error.into()))?;
    let (parts, body) = request.into_parts();
    let body = body.bytes().map(Bytes::copy_from_slice).ok_or_else(|| {
        ConnectorError::user("the model takes requests in memory, not streams".into())
    })?;
    Ok(http::Request::from_parts(parts, body))
}

fn closed() -> ConnectorError {
    ConnectorError::io(
        io::Error::new(
            io::ErrorKind::ConnectionReset,
            "connection closed before an answer",
        )
        .into(),
    )
}
