//! The report of all violations of an input's constraints, in AWS's words. Kinesis and DynamoDB
//! Streams use the same words.

use std::fmt::Display;

/// The constraint violations of a request, which are reported together as on AWS.
#[derive(Debug, Default)]
pub(crate) struct Violations(Vec<String>);

/// The message about all violations of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Violated(pub(crate) String);

impl Violations {
    pub(crate) fn check(
        &mut self,
        holds: bool,
        value: impl Display,
        path: &str,
        constraint: impl FnOnce() -> String,
    ) {
        // AWS lists ten violations at most.
        if !holds && self.0.len() < 10 {
            self.0.push(format!(
                "Value '{value}' at '{path}' failed to satisfy constraint: {}",
                constraint()
            ));
        }
    }

    pub(crate) fn pattern(&mut self, holds: bool, value: &str, path: &str, pattern: &str) {
        self.check(holds, value, path, || {
            format!("Member must satisfy regular expression pattern: {pattern}")
        });
    }

    pub(crate) fn length_range(
        &mut self,
        length: usize,
        value: &str,
        path: &str,
        least: usize,
        most: usize,
    ) {
        self.check(length <= most, value, path, || {
            format!("Member must have length less than or equal to {most}")
        });
        self.check(length >= least, value, path, || {
            format!("Member must have length greater than or equal to {least}")
        });
    }

    pub(crate) fn required(&mut self, value: Option<String>, path: &str) -> Option<String> {
        if value.is_none() && self.0.len() < 10 {
            self.0.push(format!(
                "Value null at '{path}' failed to satisfy constraint: Member must not be null"
            ));
        }
        value
    }

    /// Checks a number that is required and must be at least `least`.
    pub(crate) fn at_least(&mut self, value: Option<i64>, least: i64, path: &str) {
        match value {
            None => {
                self.required(None, path);
            }
            Some(value) => self.check(value >= least, value, path, || {
                format!("Member must have value greater than or equal to {least}")
            }),
        }
    }

    /// Checks a limit, which may be absent or from 1 to `most`.
    pub(crate) fn limit(&mut self, value: Option<i64>, path: &str, most: usize) -> Option<usize> {
        let value = value?;
        self.at_least(Some(value), 1, path);
        let converted = usize::try_from(value).unwrap_or(0);
        self.check(converted <= most, value, path, || {
            format!("Member must have value less than or equal to {most}")
        });
        Some(converted)
    }

    pub(crate) fn one_of(&mut self, value: &str, path: &str, known: &[&str]) {
        self.check(known.contains(&value), value, path, || {
            format!("Member must satisfy enum value set: [{}]", known.join(", "))
        });
    }

    pub(crate) fn finish(self) -> Result<(), Violated> {
        match self.0.len() {
            0 => Ok(()),
            count => Err(Violated(format!(
                "{count} validation error{} detected: {}",
                if count == 1 { "" } else { "s" },
                self.0.join("; ")
            ))),
        }
    }
}

/// True if the text is a decimal number without leading zeros, of at most `most` digits.
pub(crate) fn is_decimal(text: &str, most: usize) -> bool {
    (1..=most).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_digit())
        && (text.len() == 1 || !text.starts_with('0'))
}
