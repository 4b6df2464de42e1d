//! Compares what a vector expects with what was observed.

use std::collections::BTreeMap;

use event_source_mapping::Timestamp;
use serde_json::Value;
use uuid::Uuid;

use crate::runner::{Delivery, DiscardSeen, Observed, request_id};
use crate::validation::matches_pattern;

/// Compares all of it.
///
/// # Errors
/// The first difference.
pub(crate) fn compare(expected: &Value, observed: &Observed) -> Result<(), String> {
    if let Some(by_key) = expected["deliveries_by_key"].as_object() {
        let mut keys: BTreeMap<&str, Vec<&Delivery>> = BTreeMap::new();
        for delivery in &observed.deliveries {
            keys.entry(&delivery.key).or_default().push(delivery);
        }
        same("keys", by_key.len(), keys.len())?;
        for (key, expected) in by_key {
            let observed = keys.get(key.as_str()).map_or(&[][..], Vec::as_slice);
            deliveries(expected, observed).map_err(|difference| format!("{key}: {difference}"))?;
        }
    } else {
        let observed: Vec<_> = observed.deliveries.iter().collect();
        deliveries(&expected["deliveries"], &observed)?;
    }
    discards(&expected["discards"], &observed.discards)?;
    let checkpoints = serde_json::to_value(&observed.checkpoints).unwrap();
    matches("checkpoints", &expected["checkpoints"], &checkpoints)
}

fn same<T: PartialEq + std::fmt::Debug>(
    place: &str,
    expected: T,
    observed: T,
) -> Result<(), String> {
    if expected == observed {
        return Ok(());
    }
    Err(format!("{place}: {observed:?} instead of {expected:?}"))
}

fn deliveries(expected: &Value, observed: &[&Delivery]) -> Result<(), String> {
    let expected = expected.as_array().unwrap();
    let all: Vec<_> = observed.iter().map(|delivery| &delivery.records).collect();
    if expected.len() != all.len() {
        let (all, expected) = (all.len(), expected.len());
        return Err(format!(
            "{all} deliveries instead of {expected}: {observed:?}"
        ));
    }
    for (index, (expected, observed)) in expected.iter().zip(observed).enumerate() {
        let place = format!("delivery {}", index + 1);
        let records = serde_json::to_value(&observed.records).unwrap();
        matches(&place, &expected["records"], &records)?;
        matches(&place, &expected["attempt"], &observed.attempt.into())?;
        if let Some([first, last]) = expected["within_seconds"].as_array().map(Vec::as_slice) {
            let (first, last) = (first.as_u64().unwrap(), last.as_u64().unwrap());
            if !(first..=last).contains(&observed.second) {
                let second = observed.second;
                return Err(format!(
                    "{place}: second {second} is not within {first}–{last}"
                ));
            }
        }
        if let Some(event) = expected.get("event") {
            matches(&place, event, &observed.event)?;
        }
    }
    Ok(())
}

fn discards(expected: &Value, observed: &[DiscardSeen]) -> Result<(), String> {
    let expected = expected.as_array().unwrap();
    same("discards", expected.len(), observed.len())?;
    for (index, (expected, observed)) in expected.iter().zip(observed).enumerate() {
        let place = format!("discard {}", index + 1);
        let destination = Value::from(observed.destination.clone());
        matches(&place, &expected["destination"], &destination)?;
        let pattern = expected["object_key"].as_str();
        let found = match (pattern, &observed.object_key) {
            (None, None) => true,
            (Some(pattern), Some(key)) => matches_pattern(pattern, key),
            _ => false,
        };
        if !found {
            return Err(format!("{place}: object {:?}", observed.object_key));
        }
        matches(&place, &expected["body"], &observed.body)?;
    }
    Ok(())
}

/// Compares two values, where an object with `$match` in the expected one stands for many values.
fn matches(place: &str, expected: &Value, observed: &Value) -> Result<(), String> {
    let differs = || Err(format!("{place}: {observed} instead of {expected}"));
    match (expected, observed) {
        (Value::Object(members), _) if members.contains_key("$match") => {
            let text = observed.as_str().unwrap_or_default();
            let found = match members["$match"].as_str() {
                Some("timestamp") => serde_json::from_value::<Timestamp>(observed.clone()).is_ok(),
                Some("uuid") => Uuid::parse_str(text).is_ok(),
                Some("request_id") => members["of_delivery"]
                    .as_u64()
                    .is_some_and(|delivery| text == request_id(delivery)),
                Some("json_text") => {
                    let inner = serde_json::from_str(text).unwrap_or_default();
                    return matches(place, &members["value"], &inner);
                }
                _ => false,
            };
            if found { Ok(()) } else { differs() }
        }
        (Value::Object(members), Value::Object(others)) => {
            if !members.keys().eq(others.keys()) {
                return differs();
            }
            members.iter().try_for_each(|(name, value)| {
                matches(&format!("{place}: {name}"), value, &others[name])
            })
        }
        (Value::Array(elements), Value::Array(others)) => {
            if elements.len() != others.len() {
                return differs();
            }
            let mut pairs = elements.iter().zip(others);
            pairs.try_for_each(|(element, other)| matches(place, element, other))
        }
        // 1 and 1.0 are the same number.
        (Value::Number(number), Value::Number(other)) if number.as_f64() == other.as_f64() => {
            Ok(())
        }
        _ if expected == observed => Ok(()),
        _ => differs(),
    }
}
