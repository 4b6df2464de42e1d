//! A JSON document as it was sent. Its members keep their sequence and their duplicates, and its
//! integers are told from other numbers.
//!
//! `serde_json::Value` keeps the last of two members of one name and silently drops the first, so a
//! document that says two things would pass for one that says one.

use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::violation::{Code, Pointer, Violations};

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Json {
    Null,
    Bool,
    Integer(i128),
    /// Any number that is not written as an integer, or is one beyond 64 bits.
    OtherNumber,
    String(String),
    Array(Vec<Json>),
    Object(Vec<(String, Json)>),
}

impl Json {
    /// Reads one document and nothing behind it. Nesting is bounded by `serde_json` (128 levels).
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(bytes)
    }

    /// Reads one object of which only members of these names matter. The others count as null,
    /// whatever they hold. They may hold a number too large for every type, or more levels than
    /// anybody reads.
    pub(crate) fn parse_members(bytes: &[u8], known: &[&str]) -> Result<Self, serde_json::Error> {
        let mut deserializer = serde_json::Deserializer::from_slice(bytes);
        let object = deserializer.deserialize_map(Known(known))?;
        deserializer.end()?;
        Ok(object)
    }

    pub(crate) fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }

    /// The members if this is an object. Otherwise a violation is noted.
    pub(crate) fn object<'a>(
        &'a self,
        at: &Pointer<'_>,
        violations: &mut Violations,
    ) -> Option<Members<'a>> {
        let Self::Object(members) = self else {
            violations.add(at, Code::Type, "must be an object");
            return None;
        };
        Some(Members {
            members,
            taken: vec![false; members.len()],
        })
    }
}

struct Known<'k>(&'k [&'k str]);

impl<'de> Visitor<'de> for Known<'_> {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Json, A::Error> {
        let mut members = Vec::new();
        while let Some(name) = map.next_key::<String>()? {
            let value = if self.0.contains(&name.as_str()) {
                map.next_value()?
            } else {
                map.next_value::<IgnoredAny>()?;
                Json::Null
            };
            members.push((name, value));
        }
        Ok(Json::Object(members))
    }
}

/// True if these bytes are JSON by its grammar (RFC 8259), whatever the values in it are.
pub(crate) fn is_json(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_ok() && serde_json::from_slice::<IgnoredAny>(bytes).is_ok()
}

/// The members of an object, taken one by one by name. A member that is left at the end was not
/// expected.
pub(crate) struct Members<'a> {
    members: &'a [(String, Json)],
    taken: Vec<bool>,
}

impl<'a> Members<'a> {
    /// The value of `name`, the first one if there are several.
    pub(crate) fn take(&mut self, name: &str) -> Option<&'a Json> {
        let index = self.members.iter().position(|(member, _)| member == name)?;
        self.taken[index] = true;
        Some(&self.members[index].1)
    }

    /// The value of `name`. A missing member is a violation.
    pub(crate) fn require(
        &mut self,
        name: &str,
        at: &Pointer<'_>,
        violations: &mut Violations,
    ) -> Option<&'a Json> {
        let value = self.take(name);
        if value.is_none() {
            violations.add(&at.field(name), Code::Required, "is required");
        }
        value
    }

    /// True if a name appears twice.
    pub(crate) fn has_duplicates(&self) -> bool {
        let mut names: Vec<&str> = self.members.iter().map(|(name, _)| name.as_str()).collect();
        names.sort_unstable();
        names.windows(2).any(|pair| pair[0] == pair[1])
    }

    /// Notes a violation for every member that was not taken. Such a member is a second one of a
    /// known name, or an unknown one.
    pub(crate) fn finish(self, at: &Pointer<'_>, violations: &mut Violations) {
        // The names taken are few, and the client may send as many members as it likes. This stays
        // linear in them.
        let (known, others): (Vec<_>, Vec<_>) = self
            .members
            .iter()
            .zip(&self.taken)
            .partition(|(_, taken)| **taken);
        for ((name, _), _) in others {
            if known.iter().any(|((taken, _), _)| taken == name) {
                violations.add(&at.field(name), Code::Duplicate, "appears more than once");
            } else {
                violations.add(
                    &at.field(name),
                    Code::Unknown,
                    "is not a field of this object",
                );
            }
        }
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Document;

        impl<'de> Visitor<'de> for Document {
            type Value = Json;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON value")
            }

            fn visit_unit<E>(self) -> Result<Json, E> {
                Ok(Json::Null)
            }

            fn visit_bool<E>(self, _: bool) -> Result<Json, E> {
                Ok(Json::Bool)
            }

            fn visit_i64<E>(self, value: i64) -> Result<Json, E> {
                Ok(Json::Integer(value.into()))
            }

            fn visit_u64<E>(self, value: u64) -> Result<Json, E> {
                Ok(Json::Integer(value.into()))
            }

            fn visit_f64<E>(self, _: f64) -> Result<Json, E> {
                Ok(Json::OtherNumber)
            }

            fn visit_str<E>(self, value: &str) -> Result<Json, E> {
                Ok(Json::String(value.to_owned()))
            }

            fn visit_string<E>(self, value: String) -> Result<Json, E> {
                Ok(Json::String(value))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Json, A::Error> {
                let mut array = Vec::new();
                while let Some(element) = elements.next_element()? {
                    array.push(element);
                }
                Ok(Json::Array(array))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Json, A::Error> {
                let mut object = Vec::new();
                while let Some(member) = members.next_entry()? {
                    object.push(member);
                }
                Ok(Json::Object(object))
            }
        }

        deserializer.deserialize_any(Document)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_of_one_name_are_all_kept() {
        let json = Json::parse(br#"{"a": 1, "a": 2}"#).unwrap();
        assert_eq!(
            json,
            Json::Object(vec![
                ("a".into(), Json::Integer(1)),
                ("a".into(), Json::Integer(2))
            ])
        );
    }

    #[test]
    fn an_integer_is_told_from_every_other_number() {
        assert_eq!(Json::parse(b"7").unwrap(), Json::Integer(7));
        assert_eq!(Json::parse(b"-7").unwrap(), Json::Integer(-7));
        for other in ["7.0", "7e0", "1.5", "18446744073709551616"] {
            assert_eq!(
                Json::parse(other.as_bytes()).unwrap(),
                Json::OtherNumber,
                "{other}"
            );
        }
    }

    #[test]
    fn something_behind_the_document_is_an_error() {
        assert!(Json::parse(b"{} {}").is_err());
    }

    #[test]
    fn nesting_without_end_is_an_error_and_no_stack_overflow() {
        assert!(Json::parse("[".repeat(60_000).as_bytes()).is_err());
    }
}
