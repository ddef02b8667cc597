//! Writes text from others as code in GitHub's Markdown. Inside code nothing is markup, HTML, a link, an image or a mention.
//! The text itself stays unchanged; only the fence adapts to it.

use crate::printable::clean;
use crate::text::fit;

/// `text` as a code span, cut to `most_columns`; empty if `text` is empty.
pub fn code_span(text: &str, most_columns: usize) -> String {
    fenced(&fit(&clean(text), most_columns))
}

/// The same for a table cell, where an unescaped pipe would end the cell even inside code.
pub fn code_cell(text: &str, most_columns: usize) -> String {
    fenced(&fit(&clean(text), most_columns).replace('|', r"\|"))
}

/// `text`, which ends in a line break, as a code block of this language.
pub fn code_block(language: &str, text: &str) -> String {
    let fence = "`".repeat(longest_run(text).max(2) + 1);
    format!("{fence}{language}\n{text}{fence}\n")
}

fn fenced(shown: &str) -> String {
    if shown.trim().is_empty() {
        return String::new();
    }
    let fence = "`".repeat(longest_run(shown) + 1);
    // Markdown removes one space at each end of a code span if both ends have one.
    let space = if shown.starts_with(['`', ' ']) || shown.ends_with(['`', ' ']) {
        " "
    } else {
        ""
    };
    format!("{fence}{space}{shown}{space}{fence}")
}

/// Length of the longest run of backquotes in `text`. A fence must be longer than that.
fn longest_run(text: &str) -> usize {
    text.split(|c| c != '`').map(str::len).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_name_is_spelt_as_it_is() {
        assert_eq!(code_span("a`b|c\nd", 60), "``a`b|c d``");
        assert_eq!(code_cell("a`b|c", 60), r"``a`b\|c``");
        assert_eq!(code_span("`a``", 60), "``` `a`` ```");
        assert_eq!(code_span("", 60), "");
        assert_eq!(
            code_span(&"x".repeat(100), 60),
            format!("`{}…`", "x".repeat(59))
        );
        assert_eq!(code_block("diff", "+ a\n"), "```diff\n+ a\n```\n");
        assert_eq!(code_block("", "+ ````\n"), "`````\n+ ````\n`````\n");
    }

    proptest! {
        #[test]
        fn no_word_is_markup(words in prop_oneof![any::<String>(), "[`|<>@#\\[\\]()*_!:/.\\\\a-z\n-]{0,30}"]) {
            let shown = code_cell(&words, 1_000);
            let fence = shown.len() - shown.trim_start_matches('`').len();
            if fence > 0 {
                let inside = &shown[fence..shown.len() - fence];
                prop_assert!(longest_run(inside) < fence, "{shown:?}");
                prop_assert!(!inside.replace(r"\|", "").contains(['|', '\n']), "{shown:?}");
            }
        }
    }
}
