//! Reads durations and rates: `90s`, `1h 30m`, `20/10s`.

use super::node::{Node, Value};
use super::report::Report;
use crate::duration::duration_ms;
use crate::plan::Rate;

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
        duration_ms(window)?
    } else {
        duration_ms(&format!("1{window}"))?
    };
    Some(Rate { count, window_ms })
}

/// Reads `2h`, `90s`, `1h 30m`.
pub(crate) fn duration(node: &Node, what: &str, report: &mut Report) -> Option<u64> {
    let parsed = match &node.value {
        Value::Text(text) => duration_ms(text),
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
