//! A consumer whose business logic panics on some orders: those with the note `panic`. Tests run it
//! in the consumer's place.

use std::process::ExitCode;
use std::time::SystemTime;

use consumer::{Consumer, Table};
use function::{Environment, Failure, StartError};
use kinesis_batch::{KinesisEvent, Verdict};
use orders::{Action, Intent};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    function::run(serve).await
}

async fn serve(environment: Environment) -> Result<(), StartError> {
    let table = Table::new(
        consumer::client(&function::sdk_config().await),
        environment.required("TABLE_NAME")?,
    );
    let settings = kinesis_batch::Settings::default();
    let consumer = &Consumer::new(table, settings.clone());
    function::serve(async move |event, context| {
        let event: KinesisEvent = function::read(&event)?;
        let deadline = kinesis_batch::deadline(context.deadline, SystemTime::now());
        let report = kinesis_batch::process(&event.records, &settings, deadline, |record| async {
            let Ok(intent) = Intent::decode(record.data()) else {
                return Verdict::Reject("poison");
            };
            if let Action::Submit { order, .. } = &intent.action {
                assert_ne!(order.note(), Some("panic"));
            }
            match consumer.apply(&intent).await {
                Ok(_) => Verdict::Done,
                Err(error) => error.verdict(),
            }
        })
        .await;
        report.response.map_err(|_| Failure::UnnamedRecord)
    })
    .await
}
