//! A stream whose `PutRecords` fail for some of their entries, and store the others in any
//! sequence.

use std::sync::PoisonError;

use aws_smithy_runtime_api::client::http::{HttpConnector, SharedHttpConnector};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_types::body::SdkBody;
use serde_json::{Value, json};

use crate::plan::Function;
use crate::wire::Wire;

/// The faults of a call's entries.
pub(crate) struct EntryFaults {
    /// The stream's name in the counts.
    pub(crate) stream: &'static str,
    /// The share of entries that fail, in percent.
    pub(crate) percent: u32,
    /// True if half of the entries with an internal failure are stored all the same.
    pub(crate) stores_failed: bool,
}

/// Stores the entries in a random sequence, because Kinesis promises none. Entries that are hit by
/// a fault are answered as failed. Those that are throttled are never stored.
pub(crate) async fn store(
    faults: &EntryFaults,
    wire: &Wire,
    model: &SharedHttpConnector,
    mut request: HttpRequest,
    mut input: Value,
) -> Result<HttpResponse, ConnectorError> {
    let Value::Array(entries) = input["Records"].take() else {
        return model.call(request).await;
    };
    let mut results = vec![Value::Null; entries.len()];
    let mut stored: Vec<usize> = Vec::new();
    {
        let mut random = wire.random.lock().unwrap_or_else(PoisonError::into_inner);
        for (place, result) in results.iter_mut().enumerate() {
            let is_hot = wire.function == Function::Api
                && wire.hot_shard.refuses(&entries[place], &wire.laws);
            if is_hot {
                let code = "ProvisionedThroughputExceededException";
                *result = json!({"ErrorCode": code, "ErrorMessage": "the shard is hot"});
            } else if random.u32(0..100) < faults.percent {
                let is_throttled = random.bool();
                let code = match is_throttled {
                    true => "ProvisionedThroughputExceededException",
                    false => "InternalFailure",
                };
                *result = json!({"ErrorCode": code, "ErrorMessage": "the entry failed"});
                if faults.stores_failed && !is_throttled && random.bool() {
                    stored.push(place);
                }
            } else {
                stored.push(place);
            }
        }
        random.shuffle(&mut stored);
    }
    let failed = results.iter().filter(|result| !result.is_null()).count();
    if failed > 0 {
        let which = match failed == results.len() {
            true => "all",
            false => "some",
        };
        let what = format!("{}: {which} entries of a call failed", faults.stream);
        wire.laws.count(&what, 1);
    }
    if !stored.is_empty() {
        let sent: Vec<&Value> = stored.iter().map(|place| &entries[*place]).collect();
        input["Records"] = json!(sent);
        *request.body_mut() = SdkBody::from(input.to_string());
        let answer = model.call(request).await?;
        if !answer.status().is_success() {
            return Ok(answer);
        }
        let output: Value =
            serde_json::from_slice(answer.body().bytes().unwrap_or_default()).unwrap();
        for (place, result) in stored
            .into_iter()
            .zip(output["Records"].as_array().unwrap())
        {
            if results[place].is_null() {
                results[place] = result.clone();
            }
        }
    }
    let failed = results
        .iter()
        .filter(|result| !result["ErrorCode"].is_null())
        .count();
    let output = json!({"FailedRecordCount": failed, "Records": results});
    Ok(response(200, &output))
}

pub(crate) fn response(status: u16, body: &Value) -> HttpResponse {
    HttpResponse::new(
        status.try_into().expect("a status has three digits"),
        SdkBody::from(body.to_string()),
    )
}
