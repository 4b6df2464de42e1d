//! Records that are handed to the work in chunks.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod support;

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};
use std::num::NonZeroUsize;
use std::time::Duration;

use keyed_batch::{
    Chunk, Disposition, Limits, NO_VERDICT, RecordReport, TIMED_OUT, Verdict, Verdicts,
    work_through, work_through_in_chunks,
};
use proptest::prelude::*;
use support::{expect_bugs, limits, ms, within};
use tokio::time::{Instant, sleep};

/// A record with a key, by which tests tell it from others of the batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Record {
    key: u8,
    number: usize,
}

fn records(keys: &[u8]) -> Vec<Record> {
    let keys = keys.iter().enumerate();
    keys.map(|(number, &key)| Record { key, number }).collect()
}

/// Works through the records in chunks of at most `most`, and returns the numbers in each chunk
/// too.
async fn in_chunks(
    records: &[Record],
    most: usize,
    limits: Limits,
    work: impl Fn(Chunk<'_, Record>) -> Verdicts,
) -> (Vec<RecordReport>, Vec<Vec<usize>>) {
    let chunks: RefCell<Vec<Vec<usize>>> = RefCell::default();
    let reports = work_through_in_chunks(
        records,
        |record| record.key,
        &limits,
        NonZeroUsize::new(most).unwrap(),
        within(ms(3_000)),
        |chunk| {
            let numbers: Vec<usize> = chunk.records().iter().map(|record| record.number).collect();
            chunks.borrow_mut().push(numbers);
            let work = &work;
            async move { work(chunk) }
        },
    )
    .await;
    (reports, chunks.into_inner())
}

fn dispositions(reports: &[RecordReport]) -> Vec<Disposition> {
    reports.iter().map(|report| report.disposition).collect()
}

#[tokio::test(start_paused = true)]
async fn a_chunk_has_the_records_that_may_be_attempted_and_no_two_of_a_key() {
    let records = records(&[1, 2, 1, 3, 2, 1]);
    let (reports, chunks) = in_chunks(&records, 500, limits(1), |chunk| {
        chunk.judge_all(Verdict::Done)
    })
    .await;
    assert_eq!(chunks, [vec![0, 1, 3], vec![2, 4], vec![5]]);
    assert!(!reports.iter().any(|report| report.disposition.is_failure()));
}

#[tokio::test(start_paused = true)]
async fn a_chunk_has_no_more_records_than_it_may_have() {
    let records = records(&[1, 2, 3, 4, 5]);
    let (_, chunks) = in_chunks(&records, 2, limits(1), |chunk| {
        chunk.judge_all(Verdict::Done)
    })
    .await;
    assert_eq!(chunks, [vec![0, 1], vec![2, 3], vec![4]]);
}

#[tokio::test(start_paused = true)]
async fn a_record_that_failed_is_retried_and_the_others_of_its_chunk_are_not() {
    let records = records(&[1, 2, 3]);
    let failed = RefCell::new(false);
    let (reports, chunks) = in_chunks(&records, 500, limits(1), |chunk| {
        chunk.judge(|record| {
            if record.number == 1 && !failed.replace(true) {
                Verdict::Retry("throttled")
            } else {
                Verdict::Done
            }
        })
    })
    .await;
    assert_eq!(chunks, [vec![0, 1, 2], vec![1]]);
    let attempts: Vec<u32> = reports.iter().map(|report| report.attempts).collect();
    assert_eq!(attempts, [1, 2, 1]);
}

#[tokio::test(start_paused = true)]
async fn while_a_record_is_retried_later_records_of_its_key_wait_and_others_go_on() {
    let records = records(&[1, 2, 1, 2]);
    let (reports, chunks) = in_chunks(&records, 500, limits(1), |chunk| {
        chunk.judge(|record| match record.key {
            1 => Verdict::Retry("throttled"),
            _ => Verdict::Done,
        })
    })
    .await;
    assert_eq!(chunks[..2], [vec![0, 1], vec![3]]);
    assert_eq!(
        dispositions(&reports),
        [
            Disposition::Unfinished("throttled"),
            Disposition::Done,
            Disposition::NotAttempted,
            Disposition::Done
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_rejected_record_holds_back_no_later_record_of_its_key() {
    let records = records(&[1, 1]);
    let (reports, _) = in_chunks(&records, 500, limits(1), |chunk| {
        chunk.judge(|record| match record.number {
            0 => Verdict::Reject("poison"),
            _ => Verdict::Done,
        })
    })
    .await;
    assert_eq!(
        dispositions(&reports),
        [Disposition::Rejected("poison"), Disposition::Done]
    );
}

#[tokio::test(start_paused = true)]
async fn a_chunk_that_panics_is_taken_apart_so_that_one_record_alone_is_rejected() {
    expect_bugs();
    let records = records(&[1, 2, 3, 2]);
    let (reports, chunks) = in_chunks(&records, 500, limits(1), |chunk| {
        chunk.judge(|record| {
            assert!(record.number != 1, "a bug");
            Verdict::Done
        })
    })
    .await;
    assert_eq!(chunks[..4], [vec![0, 1, 2], vec![0], vec![1], vec![3]]);
    assert_eq!(chunks[4..], [vec![2]]);
    assert_eq!(
        dispositions(&reports),
        [
            Disposition::Done,
            Disposition::Panicked,
            Disposition::Done,
            Disposition::Done
        ]
    );
    assert_eq!(reports[0].attempts, 2);
}

#[tokio::test(start_paused = true)]
async fn a_chunk_that_is_cut_off_is_attempted_again() {
    let records = records(&[1, 2]);
    let calls = RefCell::new(0);
    let reports = work_through_in_chunks(
        &records,
        |record| record.key,
        &limits(1).attempt_timeout(Some(ms(100))),
        NonZeroUsize::new(500).unwrap(),
        within(ms(3_000)),
        |chunk| {
            let first = *calls.borrow() == 0;
            *calls.borrow_mut() += 1;
            async move {
                if first {
                    sleep(ms(200)).await;
                }
                chunk.judge_all(Verdict::Done)
            }
        },
    )
    .await;
    assert_eq!(dispositions(&reports), [Disposition::Done; 2]);
    assert!(reports.iter().all(|report| report.attempts == 2));
}

#[tokio::test(start_paused = true)]
async fn when_the_time_is_up_every_record_of_a_chunk_under_way_is_unfinished() {
    let records = records(&[1, 2, 1]);
    let start = Instant::now();
    let reports = work_through_in_chunks(
        &records,
        |record| record.key,
        &limits(1),
        NonZeroUsize::new(500).unwrap(),
        within(ms(1_000)),
        |chunk| async move {
            sleep(ms(60_000)).await;
            chunk.judge_all(Verdict::Done)
        },
    )
    .await;
    assert_eq!(start.elapsed(), ms(1_000));
    assert_eq!(
        dispositions(&reports),
        [
            Disposition::Unfinished(TIMED_OUT),
            Disposition::Unfinished(TIMED_OUT),
            Disposition::NotAttempted
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_record_without_a_verdict_is_retried() {
    let records = records(&[1, 2]);
    let (reports, _) = in_chunks(&records, 500, limits(1), |chunk| {
        // The first chunk has both records, and later chunks have the second alone.
        let verdicts = (chunk.records().len() == 2).then_some(Verdict::Done);
        chunk.judge_in_sequence(verdicts)
    })
    .await;
    assert_eq!(
        dispositions(&reports),
        [Disposition::Done, Disposition::Unfinished(NO_VERDICT)]
    );
}

#[tokio::test(start_paused = true)]
async fn without_records_the_work_is_not_called() {
    let (reports, chunks) =
        in_chunks(&[], 500, limits(1), |chunk| chunk.judge_all(Verdict::Done)).await;
    assert!(reports.is_empty() && chunks.is_empty());
}

/// The verdicts on a record, one for each attempt. After the last it is done.
type Plan = Vec<Verdict>;

fn any_plan() -> impl Strategy<Value = Plan> {
    let verdict = prop_oneof![
        4 => Just(Verdict::Done),
        1 => Just(Verdict::Reject("poison")),
        2 => Just(Verdict::Retry("throttled")),
        1 => Just(Verdict::RetryAfter("busy", ms(100))),
        1 => Just(Verdict::RetryAfter("busy", Duration::MAX)),
        1 => Just(Verdict::Redeliver("in_progress")),
    ];
    prop::collection::vec(verdict, 0..4)
}

/// Gives each record the verdicts of its plan in their sequence.
struct Planned<'a> {
    plans: &'a [Plan],
    attempts: RefCell<HashMap<usize, usize>>,
}

impl<'a> Planned<'a> {
    fn of(plans: &'a [Plan]) -> Self {
        Self {
            plans,
            attempts: RefCell::default(),
        }
    }

    fn verdict(&self, record: &Record) -> Verdict {
        let mut attempts = self.attempts.borrow_mut();
        let attempt = attempts.entry(record.number).or_default();
        *attempt += 1;
        let planned = self.plans[record.number].get(*attempt - 1);
        planned.copied().unwrap_or(Verdict::Done)
    }
}

proptest! {
    /// Nobody can tell by the reports if the work was called record by record or in chunks.
    #[test]
    fn chunks_end_as_single_records_do(
        batch in prop::collection::vec((0_u8..5, any_plan()), 0..30),
        most in 1_usize..8,
        in_flight in 1_usize..4,
    ) {
        let (keys, plans): (Vec<u8>, Vec<Plan>) = batch.into_iter().unzip();
        let records = records(&keys);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let (single, chunked, chunks) = runtime.block_on(async {
            let planned = Planned::of(&plans);
            let until = within(ms(600_000));
            let single = work_through(&records, |record| record.key, &limits(in_flight), until, |record| {
                let verdict = planned.verdict(record);
                async move { verdict }
            })
            .await;
            let planned = Planned::of(&plans);
            let (chunked, chunks) =
                in_chunks(&records, most, limits(in_flight), |chunk| chunk.judge(|record| planned.verdict(record))).await;
            (single, chunked, chunks)
        });
        prop_assert_eq!(single, chunked);
        let mut begun: HashMap<u8, usize> = HashMap::new();
        for chunk in chunks {
            prop_assert!(!chunk.is_empty() && chunk.len() <= most);
            let keys: BTreeSet<u8> = chunk.iter().map(|number| records[*number].key).collect();
            prop_assert_eq!(keys.len(), chunk.len(), "no two of a key");
            for number in chunk {
                let latest = begun.entry(records[number].key).or_default();
                prop_assert!(number >= *latest, "a key's records are attempted in their sequence");
                *latest = number;
            }
        }
    }
}

/// The way in which an attempt at a record goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Returns(Verdict),
    /// It does not end, so it is cut off.
    Hangs,
}

/// The way in which a record ends after its steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Done,
    Rejected,
    PanicsWhenCalled,
    PanicsWhenPolled,
    HangsForEver,
}

impl End {
    /// The disposition of a record that had the time to end so.
    fn disposition(self) -> Disposition {
        match self {
            Self::Done => Disposition::Done,
            Self::Rejected => Disposition::Rejected("poison"),
            Self::PanicsWhenCalled | Self::PanicsWhenPolled => Disposition::Panicked,
            Self::HangsForEver => Disposition::Unfinished(TIMED_OUT),
        }
    }
}

#[derive(Debug, Clone)]
struct Course {
    steps: Vec<Step>,
    end: End,
}

fn any_course() -> impl Strategy<Value = Course> {
    let step = prop_oneof![
        Just(Step::Returns(Verdict::Retry("throttled"))),
        Just(Step::Hangs),
    ];
    let end = prop_oneof![
        8 => Just(End::Done),
        2 => Just(End::Rejected),
        1 => Just(End::PanicsWhenCalled),
        1 => Just(End::PanicsWhenPolled),
        1 => Just(End::HangsForEver),
    ];
    (prop::collection::vec(step, 0..3), end).prop_map(|(steps, end)| Course { steps, end })
}

/// Work that follows the course of each record. A record takes a step when the work tells its
/// verdict, or when it makes the work hang.
struct Courses<'a> {
    courses: &'a [Course],
    taken: RefCell<Vec<usize>>,
}

impl<'a> Courses<'a> {
    fn of(courses: &'a [Course]) -> Self {
        Self {
            courses,
            taken: RefCell::new(vec![0; courses.len()]),
        }
    }

    /// The next step of a record, or its end.
    fn next(&self, record: &Record) -> Result<Step, End> {
        let course = &self.courses[record.number];
        let taken = self.taken.borrow()[record.number];
        course.steps.get(taken).copied().ok_or(course.end)
    }

    fn take(&self, record: &Record) {
        self.taken.borrow_mut()[record.number] += 1;
    }

    /// One attempt at these records. One that panics or hangs does so to all of them.
    fn attempt(&self, records: Vec<Record>, millis: u64) -> impl Future<Output = Vec<Verdict>> {
        let any = |next| records.iter().any(|record| self.next(record) == next);
        assert!(!any(Err(End::PanicsWhenCalled)), "a bug");
        let panics = any(Err(End::PanicsWhenPolled));
        let hangs = any(Ok(Step::Hangs)) || any(Err(End::HangsForEver));
        async move {
            sleep(ms(millis)).await;
            assert!(!panics, "a bug");
            if hangs {
                let hung = records
                    .iter()
                    .filter(|record| self.next(record) == Ok(Step::Hangs));
                hung.for_each(|record| self.take(record));
                std::future::pending::<()>().await;
            }
            let verdict = |record| match self.next(record) {
                Ok(Step::Returns(verdict)) => {
                    self.take(record);
                    verdict
                }
                Err(End::Rejected) => Verdict::Reject("poison"),
                _ => Verdict::Done,
            };
            records.iter().map(verdict).collect()
        }
    }
}

/// Runs the batch in chunks of at most `most`. Returns the time that it took too.
async fn run_in_chunks(
    records: &[Record],
    courses: &[Course],
    most: usize,
    limits: &Limits,
    time: Duration,
    millis: u64,
) -> (Vec<RecordReport>, Duration) {
    let courses = Courses::of(courses);
    let began = Instant::now();
    let reports = work_through_in_chunks(
        records,
        |record| record.key,
        limits,
        NonZeroUsize::new(most).unwrap(),
        within(time),
        |chunk| {
            let attempted = chunk.records().iter().copied().copied().collect();
            let attempt = courses.attempt(attempted, millis);
            async move { chunk.judge_in_sequence(attempt.await) }
        },
    )
    .await;
    (reports, began.elapsed())
}

fn paused() -> tokio::runtime::Runtime {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_time().start_paused(true).build().unwrap()
}

/// Time enough for every record that ends at all.
const ENOUGH: Duration = Duration::from_secs(300);

proptest! {
    /// A chunk that panics or is cut off costs its other records attempts, and never their result.
    #[test]
    fn chunks_end_as_single_records_do_also_if_they_panic_or_are_cut_off(
        batch in prop::collection::vec((0_u8..6, any_course()), 0..20),
        most in 1_usize..8,
        in_flight in 1_usize..4,
        millis in 0_u64..20,
    ) {
        expect_bugs();
        let (keys, courses): (Vec<u8>, Vec<Course>) = batch.into_iter().unzip();
        let records = records(&keys);
        let limits = limits(in_flight).attempt_timeout(Some(ms(100)));
        let (single, chunked) = paused().block_on(async {
            let work = Courses::of(&courses);
            let single = work_through(&records, |record| record.key, &limits, within(ENOUGH), |record| {
                let attempt = work.attempt(vec![*record], millis);
                async move { attempt.await[0] }
            })
            .await;
            let (chunked, _) = run_in_chunks(&records, &courses, most, &limits, ENOUGH, millis).await;
            (single, chunked)
        });
        prop_assert_eq!(dispositions(&single), dispositions(&chunked));
        for (one, other) in single.iter().zip(&chunked) {
            prop_assert_eq!(one.attempts == 0, other.attempts == 0);
        }
    }

    /// The time may be up at any moment. The reports are those of a run that was going to end
    /// as single records do.
    #[test]
    fn chunks_that_the_deadline_cuts_off_are_reported_as_far_as_they_came(
        batch in prop::collection::vec((0_u8..6, any_course()), 0..20),
        most in 1_usize..8,
        in_flight in 1_usize..4,
        millis in 0_u64..20,
        time in 0_u64..1_500,
    ) {
        expect_bugs();
        let (keys, courses): (Vec<u8>, Vec<Course>) = batch.into_iter().unzip();
        let records = records(&keys);
        let limits = limits(in_flight).attempt_timeout(Some(ms(100)));
        let run = run_in_chunks(&records, &courses, most, &limits, ms(time), millis);
        let (reports, took) = paused().block_on(run);
        prop_assert!(took <= ms(time), "it took {:?}", took);
        prop_assert_eq!(reports.len(), records.len());
        let mut held_back = BTreeSet::new();
        for ((record, report), course) in records.iter().zip(&reports).zip(&courses) {
            let is_attempted = report.disposition != Disposition::NotAttempted;
            prop_assert_eq!(is_attempted, report.attempts > 0);
            prop_assert!(!is_attempted || !held_back.contains(&record.key), "its key is held back");
            match report.disposition {
                Disposition::Unfinished(_) | Disposition::NotAttempted => {
                    held_back.insert(record.key);
                }
                ended => prop_assert_eq!(ended, course.end.disposition()),
            }
        }
    }
}
