//! The shard of intents that is hot for a while. It takes nothing from the api, as if other
//! producers used up all that it takes.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_model::kinesis::{HashRange, hash_key};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_types::body::SdkBody;
use serde_json::Value;
use tokio::time::Instant;

use crate::laws::Laws;

/// The hot shard, if there is one.
#[derive(Clone, Debug, Default)]
pub(crate) struct HotShard {
    until: Arc<Mutex<Option<(HashRange, Instant)>>>,
}

impl HotShard {
    /// Makes the shard of these hash keys hot for this long. Only one shard is hot at a time.
    pub(crate) fn begin(&self, hash_keys: HashRange, pause: Duration) {
        let mut until = self.until.lock().unwrap_or_else(PoisonError::into_inner);
        *until = Some((hash_keys, Instant::now() + pause));
    }

    /// The refusal of a `PutRecord`, if its record goes to the hot shard.
    pub(crate) fn refusal(&self, put: &HttpRequest, laws: &Laws) -> Option<HttpResponse> {
        let input: Value = serde_json::from_slice(put.body().bytes()?).ok()?;
        if !self.refuses(&input, laws) {
            return None;
        }
        let body = r#"{"__type": "ProvisionedThroughputExceededException", "message": "hot"}"#;
        Some(HttpResponse::new(400.try_into().ok()?, SdkBody::from(body)))
    }

    /// True if a record goes to the hot shard. `put` is a `PutRecord` or an entry of a
    /// `PutRecords`.
    pub(crate) fn refuses(&self, put: &Value, laws: &Laws) -> bool {
        let until = *self.until.lock().unwrap_or_else(PoisonError::into_inner);
        let Some((hash_keys, _)) = until.filter(|(_, until)| Instant::now() < *until) else {
            return false;
        };
        let explicit = put["ExplicitHashKey"].as_str();
        let key = explicit.and_then(|key| key.parse().ok());
        let Some(key) = key.or_else(|| put["PartitionKey"].as_str().map(hash_key)) else {
            return false;
        };
        let is_refused = hash_keys.contains(key);
        let is_only_shard = hash_keys.start == 0 && hash_keys.end == u128::MAX;
        let met = match (explicit, is_refused) {
            (None, false) => return false,
            (None, true) => "hot shard: put refused",
            (Some(_), false) => "hot shard: put escaped to another shard",
            (Some(_), true) if is_only_shard => "hot shard: there is no other shard",
            (Some(_), true) => "hot shard: the place across is in the same shard",
        };
        laws.count(met, 1);
        is_refused
    }
}
