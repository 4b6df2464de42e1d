//! The meaning of a function's response for its batch, as a pure function of the response and the
//! batch's sequence numbers.

use std::collections::{BTreeSet, HashSet};

use serde_json::Value;

use crate::SequenceNumber;

/// The meaning of a response when FunctionResponseTypes contains ReportBatchItemFailures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Interpretation {
    /// Every record was processed. The checkpoint is the end of the batch.
    WholeSuccess,
    /// No record counts as processed. The whole batch is sent again.
    WholeFailure,
    /// The records below the lowest failed record were processed and are never sent again. The
    /// lowest failed record and everything after it are sent again.
    Partial {
        /// The lowest sequence number among those reported.
        lowest: SequenceNumber,
        /// The number of records that were reported, at least 1.
        reported: usize,
    },
}

/// Reads `{"batchItemFailures": [{"itemIdentifier": "<sequence number>"}]}`.
///
/// `batch` is the sequence numbers of the batch that the response answers, in any sequence.
///
/// These meanings are documented (Lambda developer guide, "Configuring partial batch response with
/// Kinesis Data Streams and Lambda") and recorded.
///
/// - These are whole successes: `null`, `""`, `[]`, an object without `batchItemFailures`, and a
///   `batchItemFailures` that is null or an empty list.
/// - If an `itemIdentifier` anywhere in the list is `""`, null, missing or under another key, the
///   whole batch is a failure.
/// - The same holds if an `itemIdentifier` is not a sequence number of the batch.
///
/// The recording of `[]` is weaker than the others, because it shows only the first invocation. It
/// does not show that no other invocation follows.
///
/// These meanings are inferred.
///
/// - No bytes at all mean the same as `null`.
/// - Any other response that is not of this form is a whole failure. It may be text that is not
///   JSON, another JSON value than an object, or a list with something in it. It may also be a
///   `batchItemFailures` that is not a list, or an entry that is not an object.
///
/// The work is linear in the response and the batch. It never panics.
#[must_use]
pub fn interpret<'a>(
    response: &[u8],
    batch: impl IntoIterator<Item = &'a SequenceNumber>,
) -> Interpretation {
    if response.is_empty() {
        return Interpretation::WholeSuccess;
    }
    let failures = match serde_json::from_slice(response) {
        Ok(Value::Null) => return Interpretation::WholeSuccess,
        Ok(Value::String(text)) if text.is_empty() => return Interpretation::WholeSuccess,
        Ok(Value::Array(list)) if list.is_empty() => return Interpretation::WholeSuccess,
        Ok(Value::Object(mut fields)) => match fields.remove("batchItemFailures") {
            None | Some(Value::Null) => return Interpretation::WholeSuccess,
            Some(Value::Array(failures)) => failures,
            Some(_) => return Interpretation::WholeFailure,
        },
        _ => return Interpretation::WholeFailure,
    };
    if failures.is_empty() {
        return Interpretation::WholeSuccess;
    }
    let batch: HashSet<&SequenceNumber> = batch.into_iter().collect();
    let reported: Option<BTreeSet<_>> = failures
        .iter()
        .map(|failure| {
            let number = SequenceNumber::parse(failure.get("itemIdentifier")?.as_str()?).ok()?;
            batch.contains(&number).then_some(number)
        })
        .collect();
    let Some(mut numbers) = reported else {
        return Interpretation::WholeFailure;
    };
    let reported = numbers.len();
    match numbers.pop_first() {
        Some(lowest) => Interpretation::Partial { lowest, reported },
        None => Interpretation::WholeFailure,
    }
}

/// The marks name the sources.
///
/// - `[D]` is the Lambda developer guide, "Configuring partial batch response with Kinesis Data
///   Streams and Lambda".
/// - `[R]` was recorded on AWS and published in LocalStack's
///   test_lambda_integration_kinesis.snapshot.json.
/// - `[I]` is inferred.
#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn number(text: &str) -> SequenceNumber {
        SequenceNumber::parse(text).unwrap()
    }

    /// The meaning for a batch of the records 8, 9, 10 and 11.
    fn meaning(response: &str) -> Interpretation {
        let batch = ["8", "9", "10", "11"].map(number);
        interpret(response.as_bytes(), &batch)
    }

    /// One record was reported.
    fn lowest(text: &str) -> Interpretation {
        reported(1, text)
    }

    fn reported(reported: usize, lowest: &str) -> Interpretation {
        Interpretation::Partial {
            lowest: number(lowest),
            reported,
        }
    }

    /// [D, R]
    #[test]
    fn null_is_a_whole_success() {
        assert_eq!(meaning("null"), Interpretation::WholeSuccess);
    }

    /// [D, R]
    #[test]
    fn an_empty_string_is_a_whole_success() {
        assert_eq!(meaning(r#""""#), Interpretation::WholeSuccess);
    }

    /// [D, R]
    #[test]
    fn an_empty_object_is_a_whole_success() {
        assert_eq!(meaning("{}"), Interpretation::WholeSuccess);
    }

    /// [D, R]
    #[test]
    fn an_empty_list_of_failures_is_a_whole_success() {
        assert_eq!(
            meaning(r#"{"batchItemFailures": []}"#),
            Interpretation::WholeSuccess
        );
    }

    /// [D, R]
    #[test]
    fn a_null_list_of_failures_is_a_whole_success() {
        assert_eq!(
            meaning(r#"{"batchItemFailures": null}"#),
            Interpretation::WholeSuccess
        );
    }

    /// [R] For Kinesis and for DynamoDB streams, at the first invocation.
    #[test]
    fn an_empty_list_is_a_whole_success() {
        assert_eq!(meaning("[]"), Interpretation::WholeSuccess);
        assert_eq!(meaning(" [ ]\n"), Interpretation::WholeSuccess);
    }

    /// [I] An object without the key is `{}` with something in it.
    #[test]
    fn an_object_that_says_nothing_of_failures_is_a_whole_success() {
        assert_eq!(
            meaning(r#"{"statusCode": 500}"#),
            Interpretation::WholeSuccess
        );
    }

    /// [I]
    #[test]
    fn no_response_at_all_is_a_whole_success() {
        assert_eq!(meaning(""), Interpretation::WholeSuccess);
    }

    /// [D, R]
    #[test]
    fn an_empty_identifier_is_a_whole_failure() {
        assert_eq!(
            meaning(r#"{"batchItemFailures": [{"itemIdentifier": ""}]}"#),
            Interpretation::WholeFailure
        );
    }

    /// [D, R]
    #[test]
    fn a_null_identifier_is_a_whole_failure() {
        assert_eq!(
            meaning(r#"{"batchItemFailures": [{"itemIdentifier": null}]}"#),
            Interpretation::WholeFailure
        );
    }

    /// [D, R]
    #[test]
    fn a_missing_identifier_is_a_whole_failure() {
        assert_eq!(
            meaning(r#"{"batchItemFailures": [{}]}"#),
            Interpretation::WholeFailure
        );
    }

    /// [D, R]
    #[test]
    fn an_identifier_under_another_key_is_a_whole_failure() {
        assert_eq!(
            meaning(r#"{"batchItemFailures": [{"sequenceNumber": "9"}]}"#),
            Interpretation::WholeFailure
        );
    }

    /// [R] A batch of one record was recorded, where whole and partial failure look alike. [I] It
    /// is a whole failure.
    #[test]
    fn an_identifier_that_is_a_json_number_is_a_whole_failure() {
        assert_eq!(
            meaning(r#"{"batchItemFailures": [{"itemIdentifier": 9}]}"#),
            Interpretation::WholeFailure
        );
    }

    /// [I] It is treated like the number.
    #[test]
    fn an_identifier_that_is_not_in_the_batch_is_a_whole_failure() {
        assert_eq!(
            meaning(r#"{"batchItemFailures": [{"itemIdentifier": "12"}]}"#),
            Interpretation::WholeFailure
        );
        assert_eq!(
            meaning(r#"{"batchItemFailures": [{"itemIdentifier": "nine"}]}"#),
            Interpretation::WholeFailure
        );
    }

    /// [D] The page says "an itemIdentifier", so one is enough.
    #[test]
    fn one_bad_identifier_among_good_ones_is_a_whole_failure() {
        let response =
            r#"{"batchItemFailures": [{"itemIdentifier": "11"}, {"itemIdentifier": null}]}"#;
        assert_eq!(meaning(response), Interpretation::WholeFailure);
    }

    /// [D]
    #[test]
    fn one_failure_is_partial() {
        assert_eq!(
            meaning(r#"{"batchItemFailures": [{"itemIdentifier": "10"}]}"#),
            lowest("10")
        );
    }

    /// [D] "Lambda uses the record with the lowest sequence number as the checkpoint."
    #[test]
    fn of_several_failures_the_lowest_counts_as_a_number() {
        let response = r#"{"batchItemFailures": [{"itemIdentifier": "11"}, {"itemIdentifier": "9"}, {"itemIdentifier": "10"}]}"#;
        assert_eq!(meaning(response), reported(3, "9"));
    }

    /// [I]
    #[test]
    fn what_is_not_json_is_a_whole_failure() {
        assert_eq!(
            meaning(r#"{"batchItemFailures": ["#),
            Interpretation::WholeFailure
        );
        assert_eq!(interpret(&[0xff, 0xfe], &[]), Interpretation::WholeFailure);
    }

    /// [I]
    #[test]
    fn json_of_another_form_is_a_whole_failure() {
        for response in [
            r#""done""#,
            "true",
            "5",
            "[null]",
            "[[]]",
            r#"["9"]"#,
            r#"[{"itemIdentifier": "9"}]"#,
            r#"{"batchItemFailures": "9"}"#,
            r#"{"batchItemFailures": {"itemIdentifier": "9"}}"#,
            r#"{"batchItemFailures": ["9"]}"#,
            r#"{"batchItemFailures": [null]}"#,
        ] {
            assert_eq!(
                meaning(response),
                Interpretation::WholeFailure,
                "{response}"
            );
        }
    }

    proptest! {
        #[test]
        fn any_bytes_have_a_meaning_and_name_no_record_outside_the_batch(response: Vec<u8>) {
            let batch = [number("1")];
            if let Interpretation::Partial { lowest, .. } = interpret(&response, &batch) {
                prop_assert!(batch.contains(&lowest));
            }
        }

        #[test]
        fn the_lowest_of_what_was_reported_is_found_in_any_order(
            (batch, reported) in prop::collection::btree_set(any::<u128>(), 1..20).prop_flat_map(|batch| {
                let batch: Vec<_> = batch.into_iter().collect();
                let size = batch.len();
                (Just(batch.clone()), prop::sample::subsequence(batch, 1..=size).prop_shuffle())
            }),
        ) {
            let numbers: Vec<_> = batch.iter().map(|value| number(&value.to_string())).collect();
            let failures: Vec<_> =
                reported.iter().map(|value| serde_json::json!({"itemIdentifier": value.to_string()})).collect();
            let response = serde_json::json!({"batchItemFailures": failures}).to_string();
            let lowest = number(&reported.iter().min().unwrap().to_string());
            let expected = Interpretation::Partial { lowest, reported: reported.len() };
            prop_assert_eq!(interpret(response.as_bytes(), &numbers), expected);
        }
    }
}
