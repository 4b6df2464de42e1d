//! The lists of errors that pass by themselves say the same.

use std::collections::BTreeSet;

use function_runtime::PassingErrors;
use idempotency::PASSING_CODES;

#[test]
fn the_lock_tries_again_what_the_functions_try_again_of_dynamodb() {
    let functions: BTreeSet<&str> = PassingErrors::of("dynamodb")
        .map(|error| error.code)
        .collect();
    let lock: BTreeSet<&str> = PASSING_CODES.iter().copied().collect();
    assert_eq!(lock, functions);
}
