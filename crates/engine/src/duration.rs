//! Durations as users write them: `90s`, `10m`, `1h 30m`.

use std::time::Duration;

use jiff::SpanRelativeTo;
use jiff::fmt::friendly::SpanParser;

static PARSER: SpanParser = SpanParser::new();

/// Parses a duration. A day has 24 hours; nothing shorter than a millisecond is one.
pub fn parse_duration(text: &str) -> Option<Duration> {
    duration_ms(text).map(Duration::from_millis)
}

/// The same, in milliseconds.
pub(crate) fn duration_ms(text: &str) -> Option<u64> {
    let span = PARSER.parse_span(text.trim()).ok()?;
    let duration = span.to_duration(SpanRelativeTo::days_are_24_hours()).ok()?;
    let ms = u64::try_from(duration.as_millis()).ok()?;
    (ms > 0).then_some(ms)
}

/// Formats a duration in the largest unit that divides it.
pub(crate) fn duration_text(ms: u64) -> String {
    let units = [
        ("d", 86_400_000),
        ("h", 3_600_000),
        ("m", 60_000),
        ("s", 1_000),
    ];
    let found = units
        .into_iter()
        .find(|(_, unit_ms)| ms >= *unit_ms && ms.is_multiple_of(*unit_ms));
    found.map_or_else(
        || format!("{ms}ms"),
        |(unit, unit_ms)| format!("{}{unit}", ms / unit_ms),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_and_written() {
        #[track_caller]
        fn check(text: &str, expected: Option<u64>) {
            assert_eq!(duration_ms(text), expected, "{text}");
        }
        check("2h", Some(7_200_000));
        check("1h 30m", Some(5_400_000));
        check("1h30min", Some(5_400_000));
        check("250ms", Some(250));
        check("1d", Some(86_400_000));
        check(" 5 min ", Some(300_000));
        check("1.5h", Some(5_400_000));
        check("-2h", None);
        check("1mo", None);
        check("10us", None);
        check("", None);
        check("0s", None);
        check("2", None);
        check("h", None);
        check("2 fortnights", None);
        check("99999999999999999999h", None);
        check("18446744073709551615d", None);
        assert_eq!(duration_text(10_000), "10s");
        assert_eq!(duration_text(5_400_000), "90m");
        assert_eq!(duration_text(250), "250ms");
    }
}
