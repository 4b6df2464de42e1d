//! The operations of the Kinesis API as JSON in and JSON out, with AWS's constraints and messages.
//!
//! The source is the Kinesis Data Streams API reference. The wording of messages is as kinesalite
//! recorded it from AWS.

mod json;
mod records;
mod shards;
mod streams;

use serde_json::Value;

use super::Kinesis;
use super::input::read;
use crate::failure::Failure;
pub(crate) use shards::stream_of_token;

impl Kinesis {
    /// Performs one operation of the wire. `region` is only for ARNs.
    pub(crate) fn perform(
        &self,
        operation: &str,
        body: &[u8],
        region: &str,
    ) -> Result<Value, Failure> {
        let result = match operation {
            "CreateStream" => self.create_stream_operation(read(operation, body)?),
            "DecreaseStreamRetentionPeriod" => self.set_retention(read(operation, body)?, false),
            "DeleteStream" => self.delete_stream(read(operation, body)?),
            "DescribeStream" => self.describe_stream(read(operation, body)?, region),
            "DescribeStreamSummary" => self.describe_stream_summary(read(operation, body)?, region),
            "GetRecords" => self.get_records(read(operation, body)?),
            "GetShardIterator" => self.get_shard_iterator(read(operation, body)?),
            "IncreaseStreamRetentionPeriod" => self.set_retention(read(operation, body)?, true),
            "ListShards" => self.list_shards(read(operation, body)?),
            "ListStreams" => self.list_streams(read(operation, body)?, region),
            "MergeShards" => self.merge_shards_operation(read(operation, body)?),
            "PutRecord" => self.put_record_operation(read(operation, body)?),
            "PutRecords" => self.put_records(read(operation, body)?),
            "SplitShard" => self.split_shard_operation(read(operation, body)?),
            "UpdateStreamMode" => self.update_stream_mode(read(operation, body)?),
            "UpdateShardCount" => self.update_shard_count_operation(read(operation, body)?, region),
            _ => return Err(Failure::unknown_operation(operation)),
        };
        Ok(result?)
    }
}
