//! Tables that a spreadsheet opens: `summary.csv`, `picks.csv`, and what the listening page exports.
//!
//! They are CSV as RFC 4180 has it, with `\n` line ends, in UTF-8 with a byte-order mark: without the mark Excel reads a file that is
//! double-clicked in the system's old encoding, and `Chloé` becomes `ChloÃ©`. Readers for data frames (pandas, readr, DuckDB, polars) and the
//! `csv` crate skip the mark; Python's `csv` does so with `encoding="utf-8-sig"`.
//!
//! A spreadsheet would run a text such as `=HYPERLINK(…)`, and these texts are written by others. So a text that begins with
//! `=`, `+`, `-`, `@` or a full-width form of one of the four signs gets an apostrophe in front; so that this can be
//! undone, a text that begins with apostrophes followed by one of these gets one more. To get the text back, take one apostrophe
//! away wherever apostrophes are followed by one of these. Numbers are written as they are.
//!
//! The page has the same rules in `assets/exports.js`.

use std::io::{self, Write};

use crate::printable::clean;

/// The byte-order mark of UTF-8.
pub(crate) const BOM: &[u8] = b"\xef\xbb\xbf";

/// Starts a table.
///
/// # Errors
/// When `out` takes no bytes.
pub fn csv_writer<W: Write>(mut out: W) -> io::Result<csv::Writer<W>> {
    out.write_all(BOM)?;
    Ok(csv::WriterBuilder::new()
        .terminator(csv::Terminator::Any(b'\n'))
        .from_writer(out))
}

/// A text cell: on one line, and no formula.
pub fn csv_text(value: &str) -> String {
    let value = clean(value);
    if runs(&value) {
        format!("'{value}")
    } else {
        value
    }
}

/// The text of a cell that [`csv_text`] made.
pub(crate) fn plain(cell: &str) -> &str {
    match cell.strip_prefix('\'') {
        Some(rest) if runs(cell) => rest,
        _ => cell,
    }
}

/// Whether `value` begins with what starts a formula, behind any number of apostrophes.
fn runs(value: &str) -> bool {
    value
        .trim_start_matches('\'')
        .starts_with(['=', '+', '-', '@', '＝', '＋', '－', '＠'])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_could_be_a_formula_is_defused_and_numbers_are_not() {
        for formula in ["=1+1", "+1", "-1", "@SUM(A1)", "＝1", "＋1", "－1", "＠1"] {
            assert_eq!(csv_text(formula), format!("'{formula}"));
            assert_eq!(csv_text(&format!("'{formula}")), format!("''{formula}"));
        }
        // What is left of a break in front is a space, and that starts none.
        assert_eq!(csv_text("\t=1"), " =1");
        assert_eq!(
            csv_text("a\u{1b}]0;b\u{7}\r\nc\u{9b}d"),
            "a\u{fffd}]0;b\u{fffd}  c\u{fffd}d"
        );
        for harmless in ["", "'Round Midnight", "a=b", "12", " =1"] {
            assert_eq!(csv_text(harmless), harmless);
        }
    }

    proptest! {
        #[test]
        fn any_text_comes_back(value in prop_oneof!["\\PC*", any::<String>(), "['=+@＝,;-]{0,6}[a-z\"\r\n]{0,3}"]) {
            let cell = csv_text(&value);
            prop_assert_eq!(plain(&cell), clean(&value));
            prop_assert!(!cell.starts_with(['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠']));
        }
    }
}
