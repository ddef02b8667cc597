//! Durations and rates as a manifest writes them: `90s`, `1h 30m`, `20/10s`.

use std::time::Duration;

use super::node::{Node, Value};
use super::report::Report;
use crate::plan::Rate;

const UNITS_MS: &[(&str, u64)] = &[
    ("ms", 1),
    ("s", 1_000),
    ("min", 60_000),
    ("m", 60_000),
    ("h", 3_600_000),
    ("d", 86_400_000),
];

/// No limit at all: more at once than anyone sends, in the shortest window.
pub(crate) const UNLIMITED: Rate = Rate {
    count: u32::MAX,
    window_ms: 1,
};

/// Reads `20/10s`, or `off` where `may_be_off`: at a studio on this machine. `off` is a boolean to some editors.
pub(crate) fn rate(node: &Node, may_be_off: bool, report: &mut Report) -> Option<Rate> {
    let parsed = match &node.value {
        Value::Text(text) if &**text == "off" => Some(UNLIMITED),
        Value::Bool(false) => Some(UNLIMITED),
        Value::Text(text) => parse_rate(text),
        _ => None,
    };
    if parsed == Some(UNLIMITED) && !may_be_off {
        report
            .error_at(
                node.span,
                "`rate` can be `off` only for a studio on this machine",
                "expected a number in a time, like `20/10s`",
            )
            .help("leave `rate` out to use the provider's own");
        return None;
    }
    if parsed.is_none() {
        let shown = node
            .scalar_text()
            .map_or_else(|| node.kind().to_owned(), |text| format!("`{text}`"));
        report.error_at(
            node.span,
            format!("`rate` can't be {shown}"),
            "expected a number in a time, like `20/10s`",
        );
    }
    parsed
}

/// Parses a rate as a manifest writes it: `20/10s`, `5/min`.
pub fn parse_rate(text: &str) -> Option<Rate> {
    let (count, window) = text.split_once('/')?;
    let count = count.trim().parse::<u32>().ok().filter(|it| *it > 0)?;
    let window = window.trim();
    let window_ms = if window.starts_with(|char: char| char.is_ascii_digit()) {
        parse(window)?
    } else {
        parse(&format!("1{window}"))?
    };
    Some(Rate { count, window_ms })
}

/// Reads `2h`, `90s`, `1h 30m`.
pub(crate) fn duration(node: &Node, what: &str, report: &mut Report) -> Option<u64> {
    let parsed = match &node.value {
        Value::Text(text) => parse(text),
        _ => None,
    };
    if parsed.is_none() {
        let shown = node
            .scalar_text()
            .map_or_else(|| node.kind().to_owned(), |text| format!("`{text}`"));
        report
            .error_at(
                node.span,
                format!("{what} can't be {shown}"),
                "expected a time, like `2h` or `1h 30m`",
            )
            .help("the units are ms, s, m, h and d");
    }
    parsed
}

/// Reads a time as a manifest writes it: `90s`, `10m`, `1h 30m`.
pub fn parse_duration(text: &str) -> Option<Duration> {
    parse(text).map(Duration::from_millis)
}

fn parse(text: &str) -> Option<u64> {
    let mut total = 0_u64;
    let mut rest = text.trim();
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.find(|char: char| !char.is_ascii_digit())?;
        let number: u64 = rest[..digits].parse().ok()?;
        rest = rest[digits..].trim_start();
        let letters = rest
            .find(|char: char| !char.is_ascii_alphabetic())
            .unwrap_or(rest.len());
        let (_, unit_ms) = UNITS_MS
            .iter()
            .find(|(unit, _)| *unit == &rest[..letters])?;
        total = total.checked_add(number.checked_mul(*unit_ms)?)?;
        rest = rest[letters..].trim_start();
    }
    (total > 0).then_some(total)
}

/// A time in the largest unit that it is a whole number of.
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
            assert_eq!(parse(text), expected, "{text}");
        }
        check("2h", Some(7_200_000));
        check("1h 30m", Some(5_400_000));
        check("1h30min", Some(5_400_000));
        check("250ms", Some(250));
        check("1d", Some(86_400_000));
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
