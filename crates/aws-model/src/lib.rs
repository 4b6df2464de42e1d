//! Kinesis and SQS in process, DynamoDB from dynoxide, behind one call, an SDK HttpClient and an HTTP server.
