//! A payload as JSON in which no number has lost a digit and no member is missing. Identity is made
//! of it.
//!
//! A `serde_json::Value` does not do. It reads what does not fit into 64 bits as a double, and
//! keeps the last of two members of one name.

mod serialize;

use std::fmt;
use std::str::Utf8Error;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

pub(crate) use serialize::serialize;

use crate::JsonError;

/// A JSON value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Json {
    Null,
    Bool(bool),
    Text(String),
    /// A number as it is written.
    Number(String),
    /// A floating-point number, of which nobody knows how it was written.
    Float,
    Array(Vec<Self>),
    /// The members in the sequence in which they came, also those of one name.
    Object(Vec<(String, Self)>),
}

/// The part of a payload that keeps it from being told from every other one, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) what: What,
    /// The JSON pointer (RFC 6901).
    pub(crate) pointer: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    /// It has no JSON form.
    NoForm,
    /// It is a floating-point number.
    Float,
    /// The object has another member of this name.
    SecondMember,
}

/// Why a payload is not a JSON text. It quotes nothing of the payload.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotJson {
    /// It is not UTF-8, as RFC 8259, section 8.1 has it.
    #[error("it is not UTF-8")]
    NotUtf8(#[from] Utf8Error),
    /// It breaks the grammar.
    #[error("it breaks the grammar")]
    Grammar(#[source] JsonError),
    /// It is nested more than 128 deep, or has half a surrogate pair in a string.
    ///
    /// The source's column is that of a copy in which numbers are strings, and each string begins
    /// with a mark.
    #[error("it is nested too deep, or has half a surrogate pair in a string")]
    Unsupported(#[source] JsonError),
}

/// The object on the way of a JSON pointer has two members of the name that the pointer names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ambiguous;

impl What {
    pub(crate) const fn at(self, pointer: String) -> Fault {
        Fault {
            what: self,
            pointer,
        }
    }
}

impl Fault {
    /// The same fault, seen from the value that has it at `token`.
    fn below(self, token: &str) -> Self {
        let token = token.replace('~', "~0").replace('/', "~1");
        self.what.at(format!("/{token}{}", self.pointer))
    }
}

impl Json {
    /// Reads a JSON text, with every number as it is written. At most 128 levels deep, as
    /// serde_json reads it.
    pub(crate) fn read(text: &[u8]) -> Result<Self, NotJson> {
        let text = std::str::from_utf8(text)?;
        serde_json::from_str::<IgnoredAny>(text).map_err(|error| NotJson::Grammar(error.into()))?;
        serde_json::from_str(&numbers_as_strings(text))
            .map_err(|error| NotJson::Unsupported(error.into()))
    }

    /// The value at this JSON pointer (RFC 6901), if there is one.
    pub(crate) fn at(&self, pointer: &str) -> Result<Option<&Self>, Ambiguous> {
        let Some(tokens) = pointer.strip_prefix('/') else {
            return Ok(Some(self).filter(|_| pointer.is_empty()));
        };
        let mut value = self;
        for token in tokens.split('/') {
            let token = token.replace("~1", "/").replace("~0", "~");
            let found = match value {
                Self::Array(values) => index(&token).and_then(|index| values.get(index)),
                Self::Object(members) => {
                    let mut found = members.iter().filter(|(name, _)| *name == token);
                    let first = found.next();
                    if found.next().is_some() {
                        return Err(Ambiguous);
                    }
                    first.map(|(_, value)| value)
                }
                Self::Null | Self::Bool(_) | Self::Text(_) | Self::Number(_) | Self::Float => None,
            };
            match found {
                Some(found) => value = found,
                None => return Ok(None),
            }
        }
        Ok(Some(value))
    }

    /// The one text of this value. It is compact, with the members of objects in the sequence of
    /// their names' bytes, and numbers as they are written.
    pub(crate) fn canonical(&self) -> Result<String, Fault> {
        let mut text = String::new();
        self.write(&mut text)?;
        Ok(text)
    }

    fn write(&self, text: &mut String) -> Result<(), Fault> {
        match self {
            Self::Null => text.push_str("null"),
            Self::Bool(value) => text.push_str(if *value { "true" } else { "false" }),
            Self::Text(value) => write_string(value, text),
            // One exponent can be written in four ways, with a small or a capital E, with a plus
            // sign or without.
            Self::Number(number) => text.extend(
                number
                    .chars()
                    .filter(|char| *char != '+')
                    .map(|char| char.to_ascii_lowercase()),
            ),
            Self::Float => return Err(What::Float.at(String::new())),
            Self::Array(values) => {
                text.push('[');
                for (index, value) in values.iter().enumerate() {
                    if index > 0 {
                        text.push(',');
                    }
                    let written = value.write(text);
                    written.map_err(|fault| fault.below(&index.to_string()))?;
                }
                text.push(']');
            }
            Self::Object(members) => {
                let mut sorted: Vec<_> = members.iter().collect();
                sorted.sort_by_key(|(name, _)| name);
                text.push('{');
                for (index, (name, value)) in sorted.iter().enumerate() {
                    if index > 0 {
                        text.push(',');
                        if sorted[index - 1].0 == *name {
                            return Err(What::SecondMember.at(String::new()).below(name));
                        }
                    }
                    write_string(name, text);
                    text.push(':');
                    value.write(text).map_err(|fault| fault.below(name))?;
                }
                text.push('}');
            }
        }
        Ok(())
    }
}

/// True if a number, as JSON writes it, is an integer. A minus zero is not an integer, because it
/// is a double's.
pub(crate) fn is_integer(number: &str) -> bool {
    number != "-0" && !number.contains(['.', 'e', 'E'])
}

fn write_string(value: &str, text: &mut String) {
    text.push_str(&serde_json::Value::from(value).to_string());
}

/// An array index as RFC 6901 writes it, without a sign or a leading zero.
fn index(token: &str) -> Option<usize> {
    let is_sound = token == "0"
        || (!token.starts_with('0') && token.bytes().all(|byte| byte.is_ascii_digit()));
    token.parse().ok().filter(|_| is_sound)
}

/// The mark of a number that is made a string, and that of every other string.
const NUMBER: char = 'n';
const TEXT: char = 't';

/// A JSON text in which each number is made a string, so that a parser leaves it as it is. Every
/// string begins with a mark that says which of the two it was.
fn numbers_as_strings(json: &str) -> String {
    let mut marked = String::with_capacity(json.len() + json.len() / 2);
    let mut rest = json;
    while let Some(first) = rest.chars().next() {
        let (token, behind) = match first {
            '"' => rest.split_at(string_length(rest)),
            '-' | '0'..='9' => {
                let end = rest.find(|char: char| {
                    !char.is_ascii_digit() && !matches!(char, '-' | '+' | '.' | 'e' | 'E')
                });
                rest.split_at(end.unwrap_or(rest.len()))
            }
            _ => rest.split_at(first.len_utf8()),
        };
        match first {
            '"' => {
                marked.extend(['"', TEXT]);
                marked.push_str(&token[1..]);
            }
            '-' | '0'..='9' => {
                marked.extend(['"', NUMBER]);
                marked.push_str(token);
                marked.push('"');
            }
            _ => marked.push_str(token),
        }
        rest = behind;
    }
    marked
}

/// A string as it was before it was marked.
fn unmarked(marked: &str) -> &str {
    #[expect(
        clippy::expect_used,
        reason = "`numbers_as_strings` marks every string"
    )]
    marked.strip_prefix(TEXT).expect("a marked string")
}

/// The length of the string that a JSON text begins with, in bytes, its quotation marks among them.
fn string_length(json: &str) -> usize {
    let mut is_escaped = false;
    let end = json.bytes().skip(1).position(|byte| match byte {
        _ if is_escaped => {
            is_escaped = false;
            false
        }
        b'\\' => {
            is_escaped = true;
            false
        }
        byte => byte == b'"',
    });
    #[expect(
        clippy::expect_used,
        reason = "a text that breaks the grammar does not come here"
    )]
    let end = end.expect("a string that ends");
    end + 2
}

/// Reads a text whose numbers are made strings.
impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Marked)
    }
}

struct Marked;

impl<'de> Visitor<'de> for Marked {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON whose strings are marked")
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Json, E> {
        Ok(Json::Bool(value))
    }

    fn visit_str<E: serde::de::Error>(self, marked: &str) -> Result<Json, E> {
        if let Some(number) = marked.strip_prefix(NUMBER) {
            return Ok(Json::Number(number.to_owned()));
        }
        Ok(Json::Text(unmarked(marked).to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut values: A) -> Result<Json, A::Error> {
        let mut array = vec![];
        while let Some(value) = values.next_element()? {
            array.push(value);
        }
        Ok(Json::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Json, A::Error> {
        let mut object = vec![];
        while let Some((name, value)) = members.next_entry::<String, _>()? {
            object.push((unmarked(&name).to_owned(), value));
        }
        Ok(Json::Object(object))
    }
}
