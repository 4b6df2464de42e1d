//! The AWS operations that each function has called. A function's role has to allow its operations.
//!
//! A function signs with its own name as the access key id. By this name its calls are told from
//! the calls of other users of the port.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use aws_model::Service;
use http::{HeaderMap, header};

/// Counts of calls, by the caller's name and by action.
#[derive(Clone, Debug)]
pub struct Calls(Arc<Mutex<BTreeMap<&'static str, BTreeMap<String, u64>>>>);

impl Calls {
    /// Counts the calls of these callers. The calls of all others are left out, so that the counts
    /// stay small.
    #[must_use]
    pub fn of(callers: &[&'static str]) -> Self {
        let none = callers.iter().map(|caller| (*caller, BTreeMap::new()));
        Self(Arc::new(Mutex::new(none.collect())))
    }

    /// Counts a request by its headers. The count does not depend on the answer.
    pub fn count(&self, headers: &HeaderMap) {
        let (Some(caller), Some(action)) = (access_key_id(headers), action(headers)) else {
            return;
        };
        let mut calls = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(actions) = calls.get_mut(caller) {
            *actions.entry(action).or_default() += 1;
        }
    }

    /// The actions of a caller and how often each was called. The names are IAM's, such as
    /// `kinesis:PutRecord`.
    #[must_use]
    pub fn by(&self, caller: &str) -> BTreeMap<String, u64> {
        let calls = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        calls.get(caller).cloned().unwrap_or_default()
    }
}

/// The access key id in a Signature Version 4, which is a header `Authorization: AWS4-HMAC-SHA256
/// Credential=ID/DATE/REGION/SERVICE/…`.
fn access_key_id(headers: &HeaderMap) -> Option<&str> {
    let authorization = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (_, credential) = authorization.split_once("Credential=")?;
    Some(credential.split_once('/')?.0)
}

fn action(headers: &HeaderMap) -> Option<String> {
    let target = headers.get("x-amz-target")?.to_str().ok()?;
    let (service, operation) = Service::of_target(target)?;
    // An SDK names an operation by one word. Anything else does not come from an SDK.
    let is_word = operation.len() <= 64 && operation.bytes().all(|byte| byte.is_ascii_alphabetic());
    is_word.then(|| format!("{}:{operation}", service.name()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signed(caller: &str, target: &str) -> HeaderMap {
        let authorization = format!(
            "AWS4-HMAC-SHA256 Credential={caller}/20261122/us-east-1/kinesis/aws4_request, SignedHeaders=host, Signature=0"
        );
        HeaderMap::from_iter([
            (header::AUTHORIZATION, authorization.parse().unwrap()),
            ("x-amz-target".parse().unwrap(), target.parse().unwrap()),
        ])
    }

    #[test]
    fn calls_are_counted_by_who_signed_them() {
        let calls = Calls::of(&["api", "consumer"]);
        calls.count(&signed("api", "Kinesis_20131202.PutRecord"));
        calls.count(&signed("api", "Kinesis_20131202.PutRecord"));
        calls.count(&signed("consumer", "DynamoDB_20120810.UpdateItem"));
        assert_eq!(
            calls.by("api"),
            BTreeMap::from([("kinesis:PutRecord".to_owned(), 2)])
        );
        assert_eq!(
            calls.by("consumer"),
            BTreeMap::from([("dynamodb:UpdateItem".to_owned(), 1)])
        );
    }

    #[test]
    fn nothing_is_kept_of_others_of_unsigned_calls_and_of_what_is_no_call() {
        let calls = Calls::of(&["api"]);
        calls.count(&signed("somebody", "Kinesis_20131202.PutRecord"));
        calls.count(&signed("api", "Kinesis_20131202.Put Record"));
        calls.count(&signed("api", "Nothing.PutRecord"));
        calls.count(&HeaderMap::new());
        assert_eq!(calls.by("api"), BTreeMap::new());
        assert_eq!(calls.by("somebody"), BTreeMap::new());
    }
}
