//! Reports that tests of other crates make by hand.

use aws_lambda_events::event::streams::KinesisEventResponse;
use keyed_batch::{Disposition, RecordReport, Report};

#[test]
fn a_report_that_is_made_by_hand_has_the_summary_of_its_records() {
    let mut response = KinesisEventResponse::default();
    response.add_failure("101");
    let records = vec![
        RecordReport::new(Disposition::Done, 2),
        RecordReport::new(Disposition::Deferred("in_progress"), 1),
    ];
    let report = Report::new(Ok(response), records);
    assert_eq!((report.summary.records, report.summary.attempts), (2, 3));
    assert_eq!((report.summary.done, report.summary.deferred), (1, 1));
    assert_eq!(report.response.unwrap().batch_item_failures.len(), 1);
    assert_eq!(report.records[0].attempts, 2);
}
