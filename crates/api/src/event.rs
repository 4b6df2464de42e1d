//! The event of a request in API Gateway's payload format 2.0, which function URLs send too.
//!
//! Only what the routes use is read. A field that nobody uses can then never fail a request, and a
//! header that no route knows is passed over, whatever it holds.
//!
//! Source: "Create AWS Lambda proxy integrations for HTTP APIs",
//! <https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html>.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, Visitor};

/// The headers that routes read, in the lower case that API Gateway sends.
pub(crate) const HEADERS: [&str; 5] = [
    "content-type",
    "idempotency-key",
    "if-none-match",
    "prefer",
    "traceparent",
];

/// One request, as the front door hands it over.
pub(crate) struct Event<'a> {
    json: &'a str,
    fields: Fields,
}

/// The reason why an event was not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unreadable {
    /// The event is not JSON, or a field is not as the front door makes it. The front door has put
    /// into the event what its client sent (a header in Latin-1), so this is a request that cannot
    /// be read.
    Request,
    /// The event is JSON, but not a request. The function is behind another front door than the one
    /// it is made for.
    NotARequest,
}

impl<'a> Event<'a> {
    /// Reads an event.
    pub(crate) fn read(bytes: &'a [u8]) -> Result<Self, Unreadable> {
        // This checks the grammar alone, whatever the values are. JSON is UTF-8 (RFC 8259 §8.1).
        let json = str::from_utf8(bytes).map_err(|_| Unreadable::Request)?;
        serde_json::from_str::<IgnoredAny>(json).map_err(|_| Unreadable::Request)?;
        serde_json::from_str::<Object<Shape>>(json)
            .ok()
            .filter(|Object(shape)| shape.version == "2.0" && shape.kind.is_none())
            .ok_or(Unreadable::NotARequest)?;
        let Object(fields) = serde_json::from_str(json).map_err(|_| Unreadable::Request)?;
        Ok(Self { json, fields })
    }

    pub(crate) fn method(&self) -> &str {
        &self.fields.request_context.0.http.0.method
    }

    /// The path as the client sent it, decoded, with all that precedes `/orders` in it.
    pub(crate) fn raw_path(&self) -> &str {
        &self.fields.raw_path
    }

    /// The stage's name. It is empty for `$default`, which is in no path.
    pub(crate) fn stage(&self) -> &str {
        let stage = self.fields.request_context.0.stage.as_deref();
        stage
            .filter(|stage| *stage != "$default")
            .unwrap_or_default()
    }

    /// True if the client used the address that AWS gave the API or the function, and no custom
    /// domain.
    pub(crate) fn is_at_aws_address(&self) -> bool {
        let domain = self.text_at(&["requestContext", "domainName"]);
        domain.is_some_and(|name| name.contains(".execute-api.") || name.contains(".lambda-url."))
    }

    /// The front door's id of the request.
    pub(crate) fn request_id(&self) -> Option<&str> {
        self.fields.request_context.0.request_id.as_deref()
    }

    /// The value of one of the [`HEADERS`], its repetitions joined by commas.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.fields.headers.0.get(name).map(String::as_str)
    }

    pub(crate) fn body(&self) -> &str {
        self.fields.body.as_deref().unwrap_or_default()
    }

    pub(crate) fn is_base64_encoded(&self) -> bool {
        self.fields.is_base64_encoded.unwrap_or_default()
    }

    /// The text at this path of member names in what the authorizer says. It is `None` if there is
    /// none, if it is not a text, or if it is there twice.
    ///
    /// Nothing else of the authorizer's part is read. Its form depends on the authorizer, and an
    /// unused number may be too large for every type.
    pub(crate) fn authorizer(&self, path: &[&str]) -> Option<String> {
        self.text_at(&[&["requestContext", "authorizer"], path].concat())
    }

    fn text_at(&self, path: &[&str]) -> Option<String> {
        let mut deserializer = serde_json::Deserializer::from_str(self.json);
        TextAt(path).deserialize(&mut deserializer).ok()?
    }
}

/// The fields by which a request in payload format 2.0 differs from all other events.
#[derive(Deserialize)]
struct Shape {
    version: String,
    /// A Lambda authorizer's event looks like a request's but for this field.
    #[serde(default, rename = "type")]
    kind: Option<IgnoredAny>,
    #[expect(dead_code, reason = "what counts is that it is there")]
    #[serde(rename = "rawPath")]
    raw_path: String,
    #[expect(dead_code, reason = "what counts is that it is there")]
    #[serde(rename = "requestContext")]
    request_context: Object<RequestOf>,
}

#[derive(Deserialize)]
struct RequestOf {
    #[expect(dead_code, reason = "what counts is that it is there")]
    http: Object<Http>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Fields {
    raw_path: String,
    #[serde(default)]
    headers: Headers,
    #[serde(default)]
    body: Option<String>,
    #[serde(default)]
    is_base64_encoded: Option<bool>,
    request_context: Object<RequestContext>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RequestContext {
    http: Object<Http>,
    #[serde(default)]
    request_id: Option<String>,
    #[serde(default)]
    stage: Option<String>,
}

#[derive(Deserialize)]
struct Http {
    method: String,
}

/// A value that is an object in the JSON. By itself, a struct would also be read from an array.
struct Object<T>(T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for Members<T> {
            type Value = Object<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Object<T>, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map)).map(Object)
            }
        }

        deserializer.deserialize_map(Members(PhantomData))
    }
}

/// The values of the [`HEADERS`] that were sent.
#[derive(Default)]
struct Headers(BTreeMap<&'static str, String>);

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

/// Finds the text at a path of member names, and fails where there is anything else at it.
struct TextAt<'p>(&'p [&'p str]);

impl<'de> DeserializeSeed<'de> for TextAt<'_> {
    type Value = Option<String>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        if self.0.is_empty() {
            String::deserialize(deserializer).map(Some)
        } else {
            deserializer.deserialize_map(self)
        }
    }
}

impl<'de> Visitor<'de> for TextAt<'_> {
    type Value = Option<String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let [name, rest @ ..] = self.0 else {
            return Ok(None);
        };
        let mut found = None;
        while let Some(member) = map.next_key::<String>()? {
            if member != *name {
                map.next_value::<IgnoredAny>()?;
            } else if found.replace(map.next_value_seed(TextAt(rest))?).is_some() {
                return Err(A::Error::custom("two members of one name"));
            }
        }
        Ok(found.flatten())
    }
}
