//! A moment in UTC and whole milliseconds, written as RFC 3339.

use std::fmt;

use chrono::{DateTime, SecondsFormat, Utc};

#[cfg(test)]
use crate::schema::TIME;

/// A moment between the years 0001 and 9999, in whole milliseconds of UTC.
///
/// Its text is always 24 characters, `2026-11-22T05:00:00.000Z`, so that times sort as text as they
/// do as moments.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Timestamp(
    #[cfg_attr(test, schemars(with = "String", regex(pattern = TIME), extend("format" = "date-time")))]
     i64,
);

/// 0001-01-01T00:00:00.000Z and 9999-12-31T23:59:59.999Z.
const RANGE: std::ops::RangeInclusive<i64> = -62_135_596_800_000..=253_402_300_799_999;

impl Timestamp {
    /// The moment so many milliseconds after 1970-01-01T00:00:00Z, or `None` outside the years
    /// 0001–9999.
    #[must_use]
    pub fn from_unix_millis(millis: i64) -> Option<Self> {
        RANGE.contains(&millis).then_some(Self(millis))
    }

    /// Reads an RFC 3339 date and time, whatever its offset. Parts finer than a millisecond are cut
    /// off.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::from_unix_millis(DateTime::parse_from_rfc3339(text).ok()?.timestamp_millis())
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Chrono can show every moment of the range, so the epoch is never used.
        let moment = DateTime::<Utc>::from_timestamp_millis(self.0).unwrap_or_default();
        f.write_str(&moment.to_rfc3339_opts(SecondsFormat::Millis, true))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_offset_is_turned_into_utc_and_microseconds_are_cut_off() {
        assert_eq!(
            Timestamp::parse("2026-11-22T06:00:00.123999+01:00")
                .unwrap()
                .to_string(),
            "2026-11-22T05:00:00.123Z"
        );
    }

    #[test]
    fn a_date_alone_or_a_year_beyond_9999_is_no_timestamp() {
        for bad in [
            "2026-11-22",
            "2026-11-22T05:00:00",
            "+12026-11-22T05:00:00Z",
            "",
            "now",
        ] {
            assert_eq!(Timestamp::parse(bad), None, "{bad}");
        }
        assert_eq!(Timestamp::from_unix_millis(i64::MAX), None);
    }

    proptest! {
        #[test]
        fn every_timestamp_reads_back_as_itself_from_24_characters(millis in RANGE) {
            let timestamp = Timestamp::from_unix_millis(millis).unwrap();
            prop_assert_eq!(timestamp.to_string().len(), 24);
            prop_assert_eq!(Timestamp::parse(&timestamp.to_string()), Some(timestamp));
        }
    }
}
