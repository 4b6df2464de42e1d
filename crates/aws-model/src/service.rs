//! The services, and the headers by which a request names its service and its region.

use std::fmt;
use std::str::FromStr;

use http::HeaderMap;

/// The account that everything in the model belongs to.
pub const ACCOUNT: &str = "000000000000";

/// The region of a request that is not signed for another one.
pub const DEFAULT_REGION: &str = "us-east-1";

/// An AWS service of the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Service {
    /// Amazon DynamoDB.
    DynamoDb,
    /// Amazon DynamoDB Streams, by which change streams of tables are read.
    DynamoDbStreams,
    /// Amazon Kinesis Data Streams.
    Kinesis,
    /// Amazon Simple Queue Service.
    Sqs,
}

impl Service {
    /// All services.
    pub const ALL: [Self; 4] = [
        Self::DynamoDb,
        Self::DynamoDbStreams,
        Self::Kinesis,
        Self::Sqs,
    ];

    /// The service's name in fault settings and counters, which is `dynamodb`, `dynamodbstreams`,
    /// `kinesis` or `sqs`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::DynamoDb => "dynamodb",
            Self::DynamoDbStreams => "dynamodbstreams",
            Self::Kinesis => "kinesis",
            Self::Sqs => "sqs",
        }
    }

    /// The part of `X-Amz-Target` before the dot.
    pub(crate) fn target_prefix(self) -> &'static str {
        match self {
            Self::DynamoDb => "DynamoDB_20120810",
            Self::DynamoDbStreams => "DynamoDBStreams_20120810",
            Self::Kinesis => "Kinesis_20131202",
            Self::Sqs => "AmazonSQS",
        }
    }

    /// The media type of the service's protocol. Kinesis speaks AWS JSON 1.1, and the others speak
    /// 1.0.
    pub(crate) fn content_type(self) -> &'static str {
        match self {
            Self::DynamoDb | Self::DynamoDbStreams | Self::Sqs => "application/x-amz-json-1.0",
            Self::Kinesis => "application/x-amz-json-1.1",
        }
    }

    /// The service and the operation of an `X-Amz-Target` value such as
    /// `Kinesis_20131202.PutRecord`.
    #[must_use]
    pub fn of_target(target: &str) -> Option<(Self, &str)> {
        let (prefix, operation) = target.split_once('.')?;
        let service = Self::ALL
            .into_iter()
            .find(|service| service.target_prefix() == prefix)?;
        Some((service, operation))
    }
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Service {
    type Err = ();

    fn from_str(name: &str) -> Result<Self, ()> {
        Self::ALL
            .into_iter()
            .find(|service| service.name() == name)
            .ok_or(())
    }
}

/// The region in the credential scope of a Signature Version 4 `Authorization` header
/// (`Credential=KEY/DATE/REGION/SERVICE/aws4_request`), or [`DEFAULT_REGION`].
///
/// The signature itself is not checked, because any credentials are accepted.
pub(crate) fn region(headers: &HeaderMap) -> &str {
    headers
        .get(http::header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split_once("Credential="))
        .and_then(|(_, scope)| scope.split([',', ' ']).next())
        .and_then(|scope| scope.rsplit('/').nth(2))
        .filter(|region| {
            !region.is_empty()
                && region
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b == b'-')
        })
        .unwrap_or(DEFAULT_REGION)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signed(value: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(http::header::AUTHORIZATION, value.parse().unwrap());
        headers
    }

    #[test]
    fn the_region_is_the_one_the_request_is_signed_for() {
        let headers = signed(
            "AWS4-HMAC-SHA256 Credential=a/b/20261122/eu-west-1/kinesis/aws4_request, SignedHeaders=host, Signature=0",
        );
        assert_eq!(region(&headers), "eu-west-1");
    }

    #[test]
    fn an_unsigned_or_odd_request_is_in_the_default_region() {
        assert_eq!(region(&HeaderMap::new()), "us-east-1");
        assert_eq!(region(&signed("Basic abc")), "us-east-1");
        assert_eq!(
            region(&signed(
                "AWS4-HMAC-SHA256 Credential=a/20261122//kinesis/aws4_request"
            )),
            "us-east-1"
        );
        assert_eq!(
            region(&signed("AWS4-HMAC-SHA256 Credential=a")),
            "us-east-1"
        );
    }

    #[test]
    fn a_target_names_service_and_operation() {
        assert_eq!(
            Service::of_target("Kinesis_20131202.PutRecord"),
            Some((Service::Kinesis, "PutRecord"))
        );
        assert_eq!(
            Service::of_target("AmazonSQS.SendMessage"),
            Some((Service::Sqs, "SendMessage"))
        );
        assert_eq!(
            Service::of_target("DynamoDBStreams_20120810.GetRecords"),
            Some((Service::DynamoDbStreams, "GetRecords"))
        );
        assert_eq!(
            Service::of_target("DynamoDBAccelerator_20120810.GetRecords"),
            None
        );
        assert_eq!(Service::of_target("Kinesis_20131202"), None);
    }
}
