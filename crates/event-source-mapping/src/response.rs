//! What a function's response means for its batch, as a pure function of the response and the
//! batch's sequence numbers.

use std::collections::HashSet;

use serde_json::Value;

use crate::SequenceNumber;

/// What a response means when FunctionResponseTypes contains ReportBatchItemFailures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Interpretation {
    /// Every record was processed: the checkpoint is the end of the batch.
    WholeSuccess,
    /// None counts as processed: the whole batch is sent again.
    WholeFailure,
    /// What lies below the lowest failed record was processed and is never sent again; it and
    /// everything after it is.
    Partial {
        /// The lowest sequence number among those reported.
        lowest: SequenceNumber,
    },
}

/// Reads `{"batchItemFailures": [{"itemIdentifier": "<sequence number>"}]}`.
///
/// `batch` is the sequence numbers of the batch that the response answers, in any order.
///
/// Documented (Lambda developer guide, "Configuring partial batch response with Kinesis Data
/// Streams and Lambda") and recorded: `null`, `""`, an object without `batchItemFailures`, and a
/// list that is null or empty are whole successes, as is `[]`; an `itemIdentifier` that is `""`,
/// null, missing or under another key, anywhere in the list, makes the whole batch a failure, as
/// does one that is no sequence number of the batch.
///
/// The recording of `[]` is weaker than the others: it shows the first invocation and not that no
/// other one follows.
///
/// Inferred: no bytes at all are like `null`; anything else that is not of this form is a whole
/// failure: text that is not JSON, another JSON value than an object, a list with something in it,
/// a `batchItemFailures` that is no list, an entry that is no object.
///
/// Linear in the response and the batch. Never panics.
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
    let reported: Option<Vec<_>> = failures
        .iter()
        .map(|failure| {
            let number = SequenceNumber::parse(failure.get("itemIdentifier")?.as_str()?).ok()?;
            batch.contains(&number).then_some(number)
        })
        .collect();
    match reported.and_then(|numbers| numbers.into_iter().min()) {
        Some(lowest) => Interpretation::Partial { lowest },
        None => Interpretation::WholeFailure,
    }
}

/// Sources: [D] Lambda developer guide, "Configuring partial batch response with Kinesis Data
/// Streams and Lambda"; [R] recorded on AWS, published in LocalStack's
/// test_lambda_integration_kinesis.snapshot.json; [I] inferred.
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

    fn lowest(text: &str) -> Interpretation {
        Interpretation::Partial {
            lowest: number(text),
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

    /// [R] with one record in the batch, where whole and partial failure look alike; [I] whole.
    #[test]
    fn an_identifier_that_is_a_json_number_is_a_whole_failure() {
        assert_eq!(
            meaning(r#"{"batchItemFailures": [{"itemIdentifier": 9}]}"#),
            Interpretation::WholeFailure
        );
    }

    /// [I] as the number.
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

    /// [D] "an itemIdentifier": one is enough.
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
        assert_eq!(meaning(response), lowest("9"));
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
            if let Interpretation::Partial { lowest } = interpret(&response, &batch) {
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
            let expected = number(&reported.iter().min().unwrap().to_string());
            prop_assert_eq!(interpret(response.as_bytes(), &numbers), Interpretation::Partial { lowest: expected });
        }
    }
}
