//! The model as an HTTP client of the AWS SDK. A request goes to [`Aws::call`] in place of the
//! network. Faults appear to the client as they would on the network.

use std::fmt;
use std::io;
use std::time::Duration;

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_async::rt::sleep::{SharedAsyncSleep, TokioSleep};
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
use tokio::time::error::Elapsed;

use crate::aws::Aws;
use crate::send::ConnectionClosed;
use crate::service::DEFAULT_REGION;

impl Aws {
    /// A configuration whose SDK clients call the model in place of the network. The region is
    /// `us-east-1`, the credentials are placeholders, and retries and timeouts go by tokio's clock.
    /// `into_builder` changes the configuration.
    #[must_use]
    pub fn sdk_config(&self) -> SdkConfig {
        SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(DEFAULT_REGION))
            .credentials_provider(SharedCredentialsProvider::new(Credentials::new(
                "test", "test", None, None, "test",
            )))
            .sleep_impl(SharedAsyncSleep::new(TokioSleep::new()))
            .http_client(self.http_client())
            .build()
    }

    /// An HTTP client for AWS SDK configurations that calls the model in place of the network.
    ///
    /// The client keeps the configuration's read timeout, on tokio's clock. A lost answer is an I/O
    /// error of the connection, and so is a silence that ends. A silence beyond the read timeout is
    /// a timeout.
    #[must_use]
    pub fn http_client(&self) -> SharedHttpClient {
        SharedHttpClient::new(InProcess { aws: self.clone() })
    }
}

#[derive(Debug)]
struct InProcess {
    aws: Aws,
}

impl HttpClient for InProcess {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        _: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(Connector {
            aws: self.aws.clone(),
            read_timeout: settings.read_timeout(),
        })
    }

    fn connector_metadata(&self) -> Option<ConnectorMetadata> {
        Some(ConnectorMetadata::new("aws-model", None))
    }
}

struct Connector {
    aws: Aws,
    read_timeout: Option<Duration>,
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
        let (aws, read_timeout) = (self.aws.clone(), self.read_timeout);
        HttpConnectorFuture::new(async move {
            let request = convert(request)?;
            let sent = aws.send(&request);
            let received = match read_timeout {
                Some(limit) => tokio::time::timeout(limit, sent).await.map_err(too_late)?,
                None => sent.await,
            };
            let response = received.map_err(closed)?;
            HttpResponse::try_from(response.map(SdkBody::from))
                .map_err(|error| ConnectorError::user(error.into()))
        })
    }
}

fn too_late(_: Elapsed) -> ConnectorError {
    ConnectorError::timeout(
        io::Error::new(io::ErrorKind::TimedOut, "no answer within the read timeout").into(),
    )
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

fn closed(error: ConnectionClosed) -> ConnectorError {
    ConnectorError::io(io::Error::new(io::ErrorKind::ConnectionReset, error).into())
}
