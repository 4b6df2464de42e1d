//! The event of a request: API Gateway's payload format 2.0, which function URLs send too.
//!
//! Only what the routes use is read. A field that nobody uses can then never fail a request, and a
//! header that no route knows is passed over, whatever it holds.
//!
//! Source: "Create AWS Lambda proxy integrations for HTTP APIs",
//! <https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html>.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error as _, IgnoredAny, MapAccess, Visitor};
use serde_json::error::Category;
use serde_json::value::RawValue;

/// The headers that routes read, in the lower case that API Gateway sends.
pub(crate) const HEADERS: [&str; 4] = ["content-type", "idempotency-key", "prefer", "traceparent"];

/// One request, as the front door hands it over.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Event {
    #[expect(dead_code, reason = "reading it is what tells this event from others")]
    version: PayloadFormat2,
    /// A Lambda authorizer's event looks like a request's but for this field.
    #[serde(default, rename = "type")]
    kind: Option<IgnoredAny>,
    pub(crate) raw_path: String,
    #[serde(default)]
    pub(crate) headers: Headers,
    #[serde(default)]
    pub(crate) body: Option<String>,
    #[serde(default)]
    pub(crate) is_base64_encoded: bool,
    pub(crate) request_context: RequestContext,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RequestContext {
    pub(crate) http: Http,
    #[serde(default)]
    pub(crate) request_id: Option<String>,
    #[serde(default)]
    pub(crate) stage: Option<String>,
    /// What the authorizer says, as text: its form depends on the authorizer, and a number that
    /// nobody asks for may be one that cannot be read. `caller.rs` reads what it needs.
    #[serde(default)]
    pub(crate) authorizer: Option<Box<RawValue>>,
}

#[derive(Deserialize)]
pub(crate) struct Http {
    pub(crate) method: String,
}

/// The one value that `version` may have.
#[derive(Deserialize)]
enum PayloadFormat2 {
    #[serde(rename = "2.0")]
    Version,
}

/// Why an event was not read.
#[derive(Debug)]
pub(crate) enum Unreadable {
    /// It is not JSON. The front door quotes its client without care (a header in Latin-1), so this
    /// is a request that cannot be read.
    NotJson,
    /// It is JSON, and not a request: the function is behind another front door than it is made for.
    NotARequest,
}

impl Event {
    /// Reads an event.
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, Unreadable> {
        // What is passed over is not looked at closely, so this looks first. RFC 8259 §8.1: JSON is UTF-8.
        let text = str::from_utf8(bytes).map_err(|_| Unreadable::NotJson)?;
        let event = serde_json::from_str(text).and_then(|event: Self| match event.kind {
            None => Ok(event),
            Some(IgnoredAny) => Err(serde_json::Error::custom("an authorizer's event")),
        });
        event.map_err(|error| match error.classify() {
            Category::Syntax | Category::Eof => Unreadable::NotJson,
            Category::Data | Category::Io => Unreadable::NotARequest,
        })
    }
}

/// The values of those of the [`HEADERS`] that were sent.
#[derive(Default)]
pub(crate) struct Headers(BTreeMap<&'static str, String>);

impl Headers {
    /// The value of one of the [`HEADERS`], its repetitions joined by commas.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }
}

impl<'de> Deserialize<'de> for Headers {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Known;

        impl<'de> Visitor<'de> for Known {
            type Value = Headers;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("headers")
            }

            fn visit_unit<E>(self) -> Result<Headers, E> {
                Ok(Headers::default())
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Headers, A::Error> {
                let mut headers: BTreeMap<&'static str, String> = BTreeMap::new();
                while let Some(name) = map.next_key::<String>()? {
                    let known = HEADERS
                        .into_iter()
                        .find(|known| known.eq_ignore_ascii_case(&name));
                    let Some(known) = known else {
                        map.next_value::<IgnoredAny>()?;
                        continue;
                    };
                    let value = map.next_value::<String>()?;
                    headers
                        .entry(known)
                        .and_modify(|values| {
                            values.push(',');
                            values.push_str(&value);
                        })
                        .or_insert(value);
                }
                Ok(Headers(headers))
            }
        }

        deserializer.deserialize_any(Known)
    }
}
