//! Timestamps of RFC 3339, to and from Unix seconds.

use std::time::SystemTime;

use time::{OffsetDateTime, format_description::well_known::Rfc3339};

/// The last second of the year 9999, the last one that a timestamp can hold.
pub(crate) const LAST_SECOND: i64 = 253_402_300_799;

/// Formats Unix seconds in UTC, such as `2026-01-01T00:00:00Z`; none outside of the years 0 to 9999.
pub(crate) fn rfc3339(unix: i64) -> Option<String> {
    let at = OffsetDateTime::from_unix_timestamp(unix).ok()?;
    at.format(&Rfc3339).ok()
}

/// Formats the time of day in UTC, such as `15:04:05.123Z`.
pub(super) fn time_of_day(at: SystemTime) -> String {
    let (hour, minute, second, millisecond) = OffsetDateTime::from(at).to_hms_milli();
    format!("{hour:02}:{minute:02}:{second:02}.{millisecond:03}Z")
}

/// Parses a timestamp of any time zone.
pub(crate) fn parse_rfc3339(text: &str) -> Option<i64> {
    let at = OffsetDateTime::parse(text, &Rfc3339).ok()?;
    Some(at.unix_timestamp())
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    #[test]
    fn a_time_of_day_has_milliseconds() {
        let at = UNIX_EPOCH + Duration::from_millis(1_767_279_845_007);
        assert_eq!(time_of_day(at), "15:04:05.007Z");
        assert_eq!(time_of_day(UNIX_EPOCH), "00:00:00.000Z");
    }

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
