//! The effect is an HTTP call. Each order that is created gets a parcel at a carrier.
//!
//! The call runs under [`LeaseTable::once`]. The fact's event id is the key of the lease and the
//! carrier's idempotency key. The parcel's number is kept with the lease, and each repetition of
//! the fact gets it from there without a call.
//!
//! | the carrier | parcels of an order |
//! |---|---|
//! | makes one parcel of all requests with one key | one, whatever crashes, hangs or is delivered again |
//! | ignores keys, and `honours_keys` is false | at most one. If an attempt ended without an answer, the order is rejected and somebody asks the carrier |
//! | ignores keys, and `honours_keys` is true | at least one. Each attempt that ended without an answer may have made one more |
//!
//! All three hold for as long as a repetition is recognized. The command `announce` may repeat a
//! fact after years, so the lease's result is kept for longer than that ([`WINDOW`]). Carriers
//! often forget a key after a day. If an attempt ended without an answer, and the fact comes again
//! after the carrier has forgotten the key, there may be a second parcel.

use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use function_runtime::{Environment, StartError};
use http_body_util::{BodyExt, Full};
use hyper::{Request, Uri};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use idempotency::{Failure, Fingerprint, Key, Lease, LeaseOptions, LeaseTable, ToVerdict as _};
use keyed_batch::{KinesisEvent, KinesisRecord, Limits, Report, Verdict};
use orders::{Fact, FactEvent, Poison};
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, timeout};

/// How long a lease's result is kept.
const WINDOW: Duration = Duration::from_secs(10 * 365 * 24 * 60 * 60);

pub(crate) struct Carrier {
    pub(crate) locks: LeaseTable,
    /// `POST` to this address makes a parcel. An `https` connector, such as that of hyper-rustls,
    /// takes the place of [`Client::build_http`] in production.
    pub(crate) parcels: Uri,
    /// True if the carrier makes one parcel of all requests with the same key.
    pub(crate) honours_keys: bool,
    /// How long the carrier may take to answer.
    pub(crate) patience: Duration,
}

/// The reason why an order has no parcel, as far as is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum NoParcel {
    /// The carrier refuses this order for good.
    Refused,
    /// The carrier made no parcel, and may make one later.
    Busy,
    /// The carrier may have made one, because it did not say.
    Unknown,
    /// An earlier attempt ended so, and this carrier would make another parcel.
    MayBeMade,
}

impl Carrier {
    pub(crate) async fn handle(&self, records: &[KinesisRecord], deadline: Instant) -> Report {
        let work = |record| self.work(record, deadline);
        // A retry is waited for only if it has the time for a call and its answer.
        let limits = Limits::default().least_attempt(2 * self.patience);
        keyed_batch::process(records, &limits, deadline, work).await
    }

    async fn work(&self, record: &KinesisRecord, deadline: Instant) -> Verdict {
        let event = match FactEvent::decode(record.data()) {
            Ok(event) => event,
            Err(Poison::UnknownType) => return Verdict::Done,
            Err(poison) => return Verdict::Reject(poison.code()),
        };
        let Fact::Created(created) = &event.fact else {
            return Verdict::Done;
        };
        let Ok(key) = Key::new("parcel", event.id()) else {
            return Verdict::Reject("no_key");
        };
        let Ok(fingerprint) = Fingerprint::of(created.fingerprint.as_str()) else {
            return Verdict::Reject("no_fingerprint");
        };
        let parcel = async |lease: &Lease| {
            if lease.takeovers() > 0 && !self.honours_keys {
                return Err(Failure::Keep(NoParcel::MayBeMade));
            }
            self.post(&event).await
        };
        let outcome = self.locks.once(&key, &fingerprint, deadline, parcel).await;
        // A success is the number of the parcel, which was made now or before.
        outcome.verdict(|reason| match reason {
            NoParcel::Refused => Verdict::Reject("refused_by_the_carrier"),
            NoParcel::MayBeMade => Verdict::Reject("ask_the_carrier"),
            NoParcel::Busy | NoParcel::Unknown => Verdict::Retry("no_parcel"),
        })
    }

    /// Asks the carrier for a parcel. A failure says whether a parcel may have been made.
    async fn post(&self, event: &FactEvent) -> Result<String, Failure<NoParcel>> {
        let unknown = || Failure::Abandon(NoParcel::Unknown);
        let body = Full::new(Bytes::from(event.order_id.to_string()));
        let request = Request::post(&self.parcels).header("Idempotency-Key", event.id());
        let request = request
            .body(body)
            .map_err(|_| Failure::Release(NoParcel::Busy))?;
        // No connection is kept, because one that was frozen with the process may be dead.
        let client = Client::builder(TokioExecutor::new())
            .pool_max_idle_per_host(0)
            .build_http();
        let response = match timeout(self.patience, client.request(request)).await {
            Ok(Ok(response)) => response,
            Ok(Err(error)) if error.is_connect() => return Err(Failure::Release(NoParcel::Busy)),
            Ok(Err(_)) | Err(_) => return Err(unknown()),
        };
        match response.status().as_u16() {
            200..=299 => {}
            429 => return Err(Failure::Release(NoParcel::Busy)),
            // 409 is a usual answer while a request with the same key is under way.
            408 | 409 | 425 => return Err(unknown()),
            400..=499 => return Err(Failure::Keep(NoParcel::Refused)),
            _ => return Err(unknown()),
        }
        let number = timeout(self.patience, response.into_body().collect()).await;
        let number = number.map_err(|_| unknown())?.map_err(|_| unknown())?;
        String::from_utf8(number.to_bytes().into()).map_err(|_| unknown())
    }
}

async fn serve(environment: Environment) -> Result<(), StartError> {
    let config = function_runtime::sdk_config().await;
    let locks = environment.required("LOCKS_TABLE_NAME")?;
    let carrier = &Carrier {
        locks: LeaseTable::new(&config, locks, LeaseOptions::default().window(WINDOW)),
        parcels: environment.parsed("PARCELS_URL", |url| {
            url.parse().map_err(|_| "must be a URL".to_owned())
        })?,
        honours_keys: true,
        patience: Duration::from_secs(5),
    };
    function_runtime::serve(async move |event, context| {
        let event: KinesisEvent = function_runtime::read(&event)?;
        let deadline = keyed_batch::deadline(context.deadline, SystemTime::now());
        let report = carrier.handle(&event.records, deadline).await;
        report
            .response
            .map_err(|_| function_runtime::Failure::UnnamedRecord)
    })
    .await
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    function_runtime::run(serve).await
}
