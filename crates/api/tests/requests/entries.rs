//! A stream whose `PutRecords` fail as a script says, as a whole or for some of their entries.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex};

use api::{Serves, Stream};
use aws_model::Aws;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient,
    SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use serde_json::{Value, json};

use crate::world::World;

pub(crate) const THROTTLED: &str = "ProvisionedThroughputExceededException";

/// The fate of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Entry {
    Stored,
    /// The shard takes nothing.
    Throttled,
    /// `InternalFailure`, and nothing is stored.
    Failed,
    /// `InternalFailure`, although the record is stored.
    StoredAndFailed,
}

/// The fate of a call.
#[derive(Clone, Debug)]
pub(crate) enum Call {
    /// Each entry has its own fate. Those beyond the list are stored.
    Entries(Vec<Entry>),
    /// The call is refused with this status and code, and nothing is stored.
    Refused(u16, &'static str),
    /// The connection breaks. The call has had its effect if this is true.
    Broken(bool),
}

/// The calls that are to come. Calls beyond these succeed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Script {
    calls: Arc<Mutex<VecDeque<Call>>>,
    /// The partition keys of each call that was made.
    made: Arc<Mutex<Vec<Vec<String>>>>,
}

impl Script {
    pub(crate) fn of(calls: impl IntoIterator<Item = Call>) -> Self {
        let calls = Arc::new(Mutex::new(calls.into_iter().collect()));
        Self {
            calls,
            made: Arc::default(),
        }
    }

    /// The partition keys of the entries of each call so far.
    pub(crate) fn made(&self) -> Vec<Vec<String>> {
        self.made.lock().unwrap().clone()
    }
}

impl World {
    /// The same world, in which the calls of `PutRecords` go as the script says.
    pub(crate) fn scripted(mut self, script: &Script) -> Self {
        let client = SharedHttpClient::new(Scripted {
            aws: self.aws.clone(),
            script: script.clone(),
        });
        let config = self.aws.sdk_config().into_builder();
        let config = config.http_client(client).build();
        let Serves::All(_, table) = self.api.serves else {
            panic!("the API is cut already")
        };
        self.api.serves = Serves::All(Stream::new(&config, "intents".into()), table);
        self
    }
}

#[derive(Clone, Debug)]
struct Scripted {
    aws: Aws,
    script: Script,
}

impl HttpClient for Scripted {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(Connector {
            model: self.aws.http_client().http_connector(settings, components),
            script: self.script.clone(),
        })
    }
}

#[derive(Debug)]
struct Connector {
    model: SharedHttpConnector,
    script: Script,
}

impl HttpConnector for Connector {
    fn call(&self, mut request: HttpRequest) -> HttpConnectorFuture {
        let target = request.headers().get("x-amz-target").unwrap_or_default();
        if !target.ends_with(".PutRecords") {
            return self.model.call(request);
        }
        let mut input: Value = serde_json::from_slice(request.body().bytes().unwrap()).unwrap();
        let entries = input["Records"].as_array().unwrap().clone();
        let key = |entry: &Value| entry["PartitionKey"].as_str().unwrap().to_owned();
        let keys = entries.iter().map(key).collect();
        self.script.made.lock().unwrap().push(keys);
        let call = self.script.calls.lock().unwrap().pop_front();
        let model = self.model.clone();
        match call {
            None => model.call(request),
            Some(Call::Refused(status, code)) => {
                let answer = response(status, &json!({"__type": code, "message": "refused"}));
                HttpConnectorFuture::ready(Ok(answer))
            }
            Some(Call::Broken(has_effect)) => HttpConnectorFuture::new(async move {
                if has_effect {
                    model.call(request).await?;
                }
                Err(broken())
            }),
            Some(Call::Entries(mut fates)) => HttpConnectorFuture::new(async move {
                fates.resize(entries.len(), Entry::Stored);
                let is_stored = |fate| matches!(fate, Entry::Stored | Entry::StoredAndFailed);
                let stored = entries.iter().zip(&fates);
                let stored = stored.filter(|(_, fate)| is_stored(**fate));
                let stored: Vec<&Value> = stored.map(|(entry, _)| entry).collect();
                let mut results = Vec::new();
                if !stored.is_empty() {
                    input["Records"] = json!(stored);
                    *request.body_mut() = SdkBody::from(input.to_string());
                    let answer = model.call(request).await?;
                    let output: Value =
                        serde_json::from_slice(answer.body().bytes().unwrap()).unwrap();
                    results.clone_from(output["Records"].as_array().unwrap());
                }
                let mut results = results.into_iter();
                let results = fates.into_iter().map(|fate| {
                    let result = is_stored(fate).then(|| results.next().unwrap());
                    match fate {
                        Entry::Stored => result.unwrap(),
                        Entry::Throttled => json!({"ErrorCode": THROTTLED, "ErrorMessage": "slow"}),
                        Entry::Failed | Entry::StoredAndFailed => {
                            json!({"ErrorCode": "InternalFailure", "ErrorMessage": "failed"})
                        }
                    }
                });
                let results: Vec<Value> = results.collect();
                Ok(response(200, &json!({"Records": results})))
            }),
        }
    }
}

fn response(status: u16, body: &Value) -> HttpResponse {
    HttpResponse::new(status.try_into().unwrap(), SdkBody::from(body.to_string()))
}

fn broken() -> ConnectorError {
    let error = io::Error::new(io::ErrorKind::ConnectionReset, "the connection broke");
    ConnectorError::io(error.into())
}
