//! A rule that a document breaks, and the JSON pointer to where it breaks it.

use std::fmt::{self, Write as _};

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use serde::Serialize;

/// One broken rule, with its place, its code, and what would satisfy it.
///
/// Neither [`code`](Self::code) nor [`detail`](Self::detail) ever repeats the value that was sent,
/// so both may be logged. [`pointer`](Self::pointer) holds the names of unknown fields as the
/// client sent them, so it may not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Violation {
    /// A JSON pointer in URI fragment form (RFC 6901 §6), such as `#/items/0/quantity`.
    pub pointer: String,
    /// The rule, for programs.
    pub code: Code,
    /// The rule, for people. It is a sentence fragment such as “must be between 1 and 10000”.
    pub detail: String,
}

/// The kinds of rules a document can break.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Code {
    /// A required field is absent.
    Required,
    /// The field is not part of the schema.
    Unknown,
    /// The field appears in its object more than once.
    Duplicate,
    /// The value has the wrong JSON type.
    Type,
    /// The number lies outside its range.
    Range,
    /// The string or list is too short or too long.
    Length,
    /// The string holds a control character.
    Characters,
    /// The string is not a currency code.
    Currency,
    /// The string does not have the required form.
    Format,
}

impl Code {
    /// The code as it is written in JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Required => "required",
            Self::Unknown => "unknown",
            Self::Duplicate => "duplicate",
            Self::Type => "type",
            Self::Range => "range",
            Self::Length => "length",
            Self::Characters => "characters",
            Self::Currency => "currency",
            Self::Format => "format",
        }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The most violations that one document is reported with.
///
/// A client that sends 64 KB of unknown fields is told about the first hundred.
pub(crate) const MAX_VIOLATIONS: usize = 100;

/// Violations in the sequence in which they were found.
#[derive(Debug, Default)]
pub(crate) struct Violations(Vec<Violation>);

impl Violations {
    pub(crate) fn add(&mut self, at: &Pointer<'_>, code: Code, detail: impl Into<String>) {
        if self.0.len() < MAX_VIOLATIONS {
            self.0.push(Violation {
                pointer: at.to_string(),
                code,
                detail: detail.into(),
            });
        }
    }

    /// Takes over other violations, except for fields that are not known.
    pub(crate) fn extend_but_unknown(&mut self, others: Self) {
        let known = others.0.into_iter();
        self.0
            .extend(known.filter(|violation| violation.code != Code::Unknown));
    }

    pub(crate) fn into_vec(self) -> Vec<Violation> {
        self.0
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// A place in a document. It is a linked list on the stack, rendered only if something is wrong
/// there.
#[derive(Clone, Copy)]
pub(crate) enum Pointer<'a> {
    Root,
    Field(&'a Pointer<'a>, &'a str),
    Element(&'a Pointer<'a>, usize),
}

impl<'a> Pointer<'a> {
    pub(crate) fn field(&'a self, name: &'a str) -> Self {
        Self::Field(self, name)
    }

    pub(crate) fn element(&'a self, index: usize) -> Self {
        Self::Element(self, index)
    }
}

/// The characters that must be escaped in a URI fragment. `pchar / "/" / "?"` may be left as they
/// are (RFC 3986 §3.5).
const FRAGMENT: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'<')
    .add(b'>')
    .add(b'[')
    .add(b'\\')
    .add(b']')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

impl fmt::Display for Pointer<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root => f.write_char('#'),
            Self::Field(parent, name) => {
                // `~` is escaped before `/`, or `~1` would be read back as a slash (RFC 6901 §3).
                let escaped = name.replace('~', "~0").replace('/', "~1");
                write!(f, "{parent}/{}", utf8_percent_encode(&escaped, FRAGMENT))
            }
            Self::Element(parent, index) => write!(f, "{parent}/{index}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pointer_is_a_uri_fragment() {
        let items = Pointer::Root.field("items");
        let first = items.element(0);
        assert_eq!(first.field("quantity").to_string(), "#/items/0/quantity");
        assert_eq!(Pointer::Root.to_string(), "#");
    }

    #[test]
    fn a_pointer_escapes_what_rfc_6901_and_rfc_3986_reserve() {
        assert_eq!(
            Pointer::Root.field("a/b~c d\"é").to_string(),
            "#/a~1b~0c%20d%22%C3%A9"
        );
    }

    #[test]
    fn a_code_reads_the_same_in_json_and_in_the_log() {
        for code in [
            Code::Required,
            Code::Unknown,
            Code::Duplicate,
            Code::Type,
            Code::Range,
            Code::Length,
            Code::Characters,
            Code::Currency,
            Code::Format,
        ] {
            assert_eq!(serde_json::to_string(&code).unwrap(), format!("\"{code}\""));
        }
    }

    #[test]
    fn no_more_than_a_hundred_violations_are_reported() {
        let mut violations = Violations::default();
        for _ in 0..1_000 {
            violations.add(&Pointer::Root, Code::Unknown, "is not a field");
        }
        assert_eq!(violations.into_vec().len(), MAX_VIOLATIONS);
    }
}
