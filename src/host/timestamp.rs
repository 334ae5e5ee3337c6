//! Timestamps of RFC 3339, to and from Unix seconds.

use time::{OffsetDateTime, format_description::well_known::Rfc3339};

/// The last second of the year 9999, the last one that a timestamp can hold.
pub(crate) const LAST_SECOND: i64 = 253_402_300_799;

/// Formats Unix seconds in UTC, such as `2026-01-01T00:00:00Z`; none outside of the years 0 to 9999.
pub(crate) fn rfc3339(unix: i64) -> Option<String> {
    let at = OffsetDateTime::from_unix_timestamp(unix).ok()?;
    at.format(&Rfc3339).ok()
}

/// Parses a timestamp of any time zone.
pub(crate) fn parse_rfc3339(text: &str) -> Option<i64> {
    let at = OffsetDateTime::parse(text, &Rfc3339).ok()?;
    Some(at.unix_timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_formatted_is_parsed_up_to_the_last_second() {
        for unix in [0, 1_767_225_600, LAST_SECOND] {
            let text = rfc3339(unix).expect("a timestamp");
            assert_eq!(parse_rfc3339(&text), Some(unix));
        }
        assert_eq!(rfc3339(LAST_SECOND + 1), None);
        assert_eq!(rfc3339(i64::MAX), None);
        assert_eq!(
            parse_rfc3339("2026-01-01T01:00:00+01:00"),
            Some(1_767_225_600)
        );
        assert_eq!(parse_rfc3339("2026-01-01"), None);
    }
}
