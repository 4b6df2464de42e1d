//! A point in time as a value. The machine never asks for the time.

use std::fmt;
use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// The last millisecond of the year 9999, beyond which RFC 3339 has no notation.
const MAX_MILLIS: u64 = 253_402_300_799_999;

/// A point in time, in whole milliseconds since 1970-01-01T00:00:00Z. It is at most the last
/// millisecond of the year 9999.
///
/// It is written and read as RFC 3339 in UTC with milliseconds (`2025-11-25T19:03:18.000Z`), which
/// is the notation of Lambda's discard messages.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(u64);

impl Timestamp {
    /// The time `millis` milliseconds after 1970-01-01T00:00:00Z. A time beyond the year 9999
    /// becomes the last millisecond of that year.
    #[must_use]
    pub const fn from_millis(millis: u64) -> Self {
        Self(if millis > MAX_MILLIS {
            MAX_MILLIS
        } else {
            millis
        })
    }

    /// Milliseconds since 1970-01-01T00:00:00Z.
    #[must_use]
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// The sum of this time and `duration` (cut to whole milliseconds). It is at most the last
    /// millisecond of the year 9999.
    #[must_use]
    pub fn saturating_add(self, duration: Duration) -> Self {
        let millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        Self::from_millis(self.0.saturating_add(millis))
    }

    /// How much later this time is than `earlier`. It is zero if this time is not later.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = i64::try_from(self.0).unwrap_or(i64::MAX);
        let time =
            DateTime::<Utc>::from_timestamp_millis(millis).unwrap_or(DateTime::<Utc>::MAX_UTC);
        f.write_str(&time.to_rfc3339_opts(SecondsFormat::Millis, true))
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let time = DateTime::parse_from_rfc3339(&text).map_err(de::Error::custom)?;
        let millis = u64::try_from(time.timestamp_millis())
            .map_err(|_| de::Error::custom("a time before 1970"))?;
        Ok(Self::from_millis(millis))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_written_as_rfc_3339_in_utc_with_milliseconds() {
        assert_eq!(
            Timestamp::from_millis(1_764_097_398_000).to_string(),
            "2025-11-25T19:03:18.000Z"
        );
        assert_eq!(
            Timestamp::from_millis(1_764_097_398_042).to_string(),
            "2025-11-25T19:03:18.042Z"
        );
    }

    #[test]
    fn what_lies_beyond_the_year_9999_becomes_its_last_millisecond() {
        assert_eq!(
            Timestamp::from_millis(u64::MAX).to_string(),
            "9999-12-31T23:59:59.999Z"
        );
        assert_eq!(
            Timestamp::default().saturating_add(Duration::MAX),
            Timestamp::from_millis(MAX_MILLIS)
        );
    }

    #[test]
    fn is_read_back_from_its_own_notation() {
        let time = Timestamp::from_millis(1_764_097_398_042);
        let json = serde_json::to_string(&time).unwrap();
        assert_eq!(serde_json::from_str::<Timestamp>(&json).unwrap(), time);
    }
}
