//! The facts stream as its callers meet it. Entries of a call fail, and answers are lost.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_smithy_runtime_api::client::http::SharedHttpConnector;
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use base64::prelude::{BASE64_STANDARD, Engine as _};
use fastrand::Rng;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::entries::{EntryFaults, response, store};
use crate::fact_laws::pinned_id;
use crate::plan::FactsStreamFault;
use crate::wire::{Wire, broken};

/// The time for which a call without an answer is held. It is longer than any caller waits.
const SILENCE: Duration = Duration::from_secs(8);

/// The faults of the facts stream.
#[derive(Clone, Debug, Default)]
pub(crate) struct FactsStreamFaults {
    active: Arc<Mutex<Vec<Active>>>,
}

#[derive(Debug)]
struct Active {
    fault: FactsStreamFault,
    percent: u32,
    until: Instant,
}

impl FactsStreamFaults {
    /// Begins a fault, which hits this share of the calls for this long.
    pub(crate) fn begin(&self, fault: FactsStreamFault, percent: u32, pause: Duration) {
        let until = Instant::now() + pause;
        let mut active = self.active.lock().unwrap_or_else(PoisonError::into_inner);
        active.push(Active {
            fault,
            percent,
            until,
        });
    }

    /// The first of the faults that hits, if one does. Faults of entries are left out.
    fn roll(&self, random: &mut Rng) -> Option<FactsStreamFault> {
        let mut active = self.active.lock().unwrap_or_else(PoisonError::into_inner);
        active.retain(|active| active.until > Instant::now());
        let of_calls = active
            .iter()
            .filter(|active| active.fault != FactsStreamFault::Entries);
        let mut hits = of_calls.filter(|active| random.u32(0..100) < active.percent);
        hits.next().map(|active| active.fault)
    }

    /// The share of entries that fail.
    fn of_entries(&self) -> u32 {
        let active = self.active.lock().unwrap_or_else(PoisonError::into_inner);
        let of_entries = active.iter().filter(|active| {
            active.fault == FactsStreamFault::Entries && active.until > Instant::now()
        });
        of_entries.map(|active| active.percent).max().unwrap_or(0)
    }
}

/// A call that puts records into the facts stream.
#[derive(Debug)]
pub(crate) struct Put {
    input: Value,
    /// The event ids that the facts of the entries have to have.
    ids: Vec<String>,
}

impl Put {
    /// The call with this input, which is a `PutRecords` or a `PutRecord`.
    pub(crate) fn new(operation: &str, input: Value) -> Self {
        let entries = match operation {
            "PutRecords" => input["Records"].as_array().cloned().unwrap_or_default(),
            _ => vec![input.clone()],
        };
        let id = |entry: &Value| {
            let data = BASE64_STANDARD.decode(entry["Data"].as_str()?).ok()?;
            let event = serde_json::from_slice(&data).ok()?;
            Some(pinned_id(&event))
        };
        let ids = entries.iter().map(|entry| id(entry).unwrap_or_default());
        Self {
            ids: ids.collect(),
            input,
        }
    }

    /// The event ids that the facts of the entries have to have, in their sequence.
    pub(crate) fn ids(&self) -> &[String] {
        &self.ids
    }

    /// Sends the call to the model, unless a fault hits it before.
    pub(crate) async fn send(
        self,
        wire: &Wire,
        model: &SharedHttpConnector,
        request: HttpRequest,
    ) -> Result<HttpResponse, ConnectorError> {
        let count = |what: &str| wire.laws.count(&format!("facts stream: {what}"), 1);
        let (fault, late) = {
            let mut random = wire.random.lock().unwrap_or_else(PoisonError::into_inner);
            let fault = wire.facts_stream.roll(&mut random);
            (fault, Duration::from_millis(random.u64(500..4_000)))
        };
        match fault {
            Some(FactsStreamFault::Away) => {
                count("away");
                let body = json!({"__type": "ResourceNotFoundException", "message": "no stream"});
                return Ok(response(400, &body));
            }
            Some(FactsStreamFault::Timeout) => {
                count("silent");
                sleep(SILENCE).await;
                return Err(broken());
            }
            _ => {}
        }
        let faults = EntryFaults {
            stream: "facts stream",
            percent: wire.facts_stream.of_entries(),
            stores_failed: false,
        };
        let answer = store(&faults, wire, model, request, self.input).await;
        wire.fact_laws.facts_may_have_come(&wire.aws);
        match fault {
            Some(FactsStreamFault::LostAnswer) => {
                count("answer lost");
                Err(broken())
            }
            Some(FactsStreamFault::Slow) => {
                count("slow");
                sleep(late).await;
                answer
            }
            _ => answer,
        }
    }
}
