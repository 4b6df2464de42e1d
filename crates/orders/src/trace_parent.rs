//! The trace that an intent belongs to.

use std::fmt;

use serde::Serialize;

/// A W3C Trace Context `traceparent` of version 00, with trace id, parent id and flags (Trace
/// Context §3.2).
#[derive(Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(transparent)]
pub struct TraceParent(
    #[cfg_attr(test, schemars(regex(pattern = crate::schema::TRACE_PARENT)))] String,
);

impl TraceParent {
    /// Reads a header's or an attribute's value, or `None` if it is not of that form or all zeros.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let fields: Vec<&str> = text.split('-').collect();
        let [version, trace, parent, flags] = fields[..] else {
            return None;
        };
        let hex = |field: &str, length: usize| {
            field.len() == length
                && field
                    .bytes()
                    .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        };
        let id = |field: &str, length| hex(field, length) && field.bytes().any(|byte| byte != b'0');
        (version == "00" && id(trace, 32) && id(parent, 16) && hex(flags, 2))
            .then(|| Self(text.to_owned()))
    }

    /// The whole value, 55 characters.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for TraceParent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_traceparent_is_of_version_00_and_not_all_zeros() {
        let sound = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        assert_eq!(TraceParent::parse(sound).unwrap().as_str(), sound);
        for bad in [
            "",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
            &sound.to_uppercase(),
            &sound.replace("00-4", "01-4"),
            &sound.replace("00f067aa0ba902b7", "0000000000000000"),
        ] {
            assert!(TraceParent::parse(bad).is_none(), "{bad}");
        }
    }
}
