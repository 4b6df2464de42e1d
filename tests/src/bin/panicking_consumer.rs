//! A consumer whose business logic panics on orders with the note `panic`. Tests run it in the
//! consumer's place.

use std::process::ExitCode;

use aws_sdk_dynamodb::error::BuildError;
use aws_sdk_dynamodb::types::TransactWriteItem;
use orders::{Intent, IntentKind, Outcome};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    function_runtime::run(|environment| {
        consumer::serve_as(environment, |consumer| consumer.writing_also(logic))
    })
    .await
}

fn logic(intent: &Intent, _: Outcome) -> Result<Vec<TransactWriteItem>, BuildError> {
    if let IntentKind::Submit(submit) = &intent.kind {
        assert_ne!(submit.order.note(), Some("panic"));
    }
    Ok(vec![])
}
