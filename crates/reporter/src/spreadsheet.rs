//! Tables for spreadsheets: `summary.csv`, `picks.csv`, and the exports of the page.
//!
//! They are CSV as in RFC 4180, with `
//! ` line ends, in UTF-8 with a byte-order mark. Without the mark Excel opens a double-clicked file in the system's old
//! encoding, and `Chloé` becomes `ChloÃ©`. Readers for data frames (pandas, readr, DuckDB, polars) and the `csv` crate skip the
//! mark; Python's `csv` skips it with `encoding="utf-8-sig"`.
//!
//! A spreadsheet would execute a text such as `=HYPERLINK(…)`, and these texts come from others. So a text that begins with
//! `=`, `+`, `-`, `@` or a full-width form of one of these signs gets an apostrophe in front. To keep this reversible, a text
//! that begins with apostrophes followed by such a sign gets one more. To restore the text, remove one apostrophe wherever
//! apostrophes are followed by such a sign. Numbers are written unchanged.
//!
//! The page has the same rules in `assets/exports.js`.

use std::io::{self, Write};

use crate::printable::clean;

/// The byte-order mark of UTF-8.
pub(crate) const BOM: &[u8] = b"\xef\xbb\xbf";

/// Starts a table.
///
/// # Errors
/// When `out` returns an error.
pub fn csv_writer<W: Write>(mut out: W) -> io::Result<csv::Writer<W>> {
    out.write_all(BOM)?;
    Ok(csv::WriterBuilder::new()
        .terminator(csv::Terminator::Any(b'\n'))
        .from_writer(out))
}

/// A text cell: on one line, and not a formula.
pub fn csv_text(value: &str) -> String {
    let value = clean(value);
    if runs(&value) {
        format!("'{value}")
    } else {
        value
    }
}

/// The original text of a cell that [`csv_text`] wrote.
pub(crate) fn plain(cell: &str) -> &str {
    match cell.strip_prefix('\'') {
        Some(rest) if runs(cell) => rest,
        _ => cell,
    }
}

/// Whether `value` begins with a formula sign, after any number of apostrophes.
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
