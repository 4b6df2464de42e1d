//! The escape from a shard that throttles. The last attempt of a put goes to another shard.
//!
//! A shard takes 1,000 records and 1 MB in a second (Kinesis Data Streams developer guide, "Quotas
//! and limits"). A shard that gets more refuses what is beyond, while the others have room. The
//! last attempt then names another place on the ring of hash keys. The partition key remains the
//! order id.
//!
//! The intents of an order may then be in two shards, so that the consumer may get a cancel before
//! its order. That is safe here, because intents commute: the row is the same in every sequence.
//! It is not safe in a system that needs the sequence within a key.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use aws_sdk_kinesis::operation::put_record::PutRecordError;
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::context::{
    BeforeTransmitInterceptorContextMut, FinalizerInterceptorContextRef,
};
use aws_smithy_runtime_api::client::interceptors::{Intercept, dyn_dispatch_hint};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::config_bag::ConfigBag;
use http::header::CONTENT_LENGTH;
use md5::{Digest as _, Md5};
use serde_json::{Map, Value};

/// The hash key half a ring away from a partition key's own, as `ExplicitHashKey` has it.
///
/// Kinesis hashes a partition key by MD5 to a number of 128 bits, and each shard has a range of
/// these numbers (Kinesis Data Streams API reference, `PutRecord`). Where all shards are alike and
/// there are at least two, the number half a ring away is another shard's. No knowledge of the
/// shards is needed. Where shards differ, both numbers may be of one shard. The last attempt then
/// is as good as the attempts before it.
pub(crate) fn hash_key_across(partition_key: &str) -> String {
    const HALF_A_RING: u128 = 1 << 127;
    let own = u128::from_be_bytes(Md5::digest(partition_key.as_bytes()).into());
    own.wrapping_add(HALF_A_RING).to_string()
}

/// The body of a `PutRecord` with this hash key, or `None` if the body is not JSON.
fn with_hash_key(body: &[u8], hash_key: String) -> Option<String> {
    let mut input: Map<String, Value> = serde_json::from_slice(body).ok()?;
    input.insert("ExplicitHashKey".to_owned(), hash_key.into());
    serde_json::to_string(&input).ok()
}

/// Watches the attempts of one `PutRecord`, and gives the last attempt another hash key if the
/// attempt before it was throttled.
#[derive(Clone, Debug)]
pub(crate) struct Escape(Arc<Watched>);

#[derive(Debug)]
struct Watched {
    partition_key: String,
    max_attempts: u32,
    begun: AtomicU32,
    is_throttled: AtomicBool,
}

impl Escape {
    pub(crate) fn new(partition_key: String, max_attempts: u32) -> Self {
        Self(Arc::new(Watched {
            partition_key,
            max_attempts,
            begun: AtomicU32::new(0),
            is_throttled: AtomicBool::new(false),
        }))
    }
}

#[dyn_dispatch_hint]
impl Intercept for Escape {
    fn name(&self) -> &'static str {
        "Escape"
    }

    // Every attempt is made of the same serialized request and signed by itself. So this is the one
    // place at which an attempt can differ from the attempt before it.
    fn modify_before_signing(
        &self,
        context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let begun = self.0.begun.fetch_add(1, Ordering::Relaxed) + 1;
        if begun < self.0.max_attempts || !self.0.is_throttled.load(Ordering::Relaxed) {
            return Ok(());
        }
        let hash_key = hash_key_across(&self.0.partition_key);
        // Without a body that can be read, the attempt is as good as the attempts before it.
        let body = context.request().body().bytes();
        let Some(body) = body.and_then(|body| with_hash_key(body, hash_key)) else {
            return Ok(());
        };
        let request = context.request_mut();
        request
            .headers_mut()
            .insert(CONTENT_LENGTH.as_str(), body.len().to_string());
        *request.body_mut() = SdkBody::from(body);
        Ok(())
    }

    fn read_after_attempt(
        &self,
        context: &FinalizerInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let error = context.output_or_error().and_then(Result::err);
        let error = error.and_then(|error| error.as_operation_error()?.downcast_ref());
        let is_throttled =
            error.is_some_and(PutRecordError::is_provisioned_throughput_exceeded_exception);
        self.0.is_throttled.store(is_throttled, Ordering::Relaxed);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_hash_key_across_is_the_md5_plus_half_a_ring() {
        // `md5sum` of the empty text is d41d8cd98f00b204e9800998ecf8427e.
        let expected = 0x541d_8cd9_8f00_b204_e980_0998_ecf8_427e_u128;
        assert_eq!(hash_key_across(""), expected.to_string());
    }

    proptest! {
        #[test]
        fn of_two_or_more_equal_shards_the_key_across_is_in_another(
            partition_key in ".{1,40}", shards in 2..1_000_u128,
        ) {
            let shard = |hash_key: u128| hash_key / (u128::MAX / shards + 1);
            let own = u128::from_be_bytes(Md5::digest(partition_key.as_bytes()).into());
            let across = hash_key_across(&partition_key).parse().unwrap();
            prop_assert_ne!(shard(own), shard(across));
        }
    }
}
