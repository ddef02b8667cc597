//! Others' words in GitHub's Markdown: in code, the one place where nothing is markup, HTML, a link, an image or a mention. They stay
//! as they are; it is the fence that gives way.

use crate::printable::clean;
use crate::text::fit;

/// `text` as a code span, cut to so many columns; nothing if there is none.
pub fn code_span(text: &str, most_columns: usize) -> String {
    fenced(&fit(&clean(text), most_columns))
}

/// The same for a table's cell, which a bare pipe would end even there.
pub fn code_cell(text: &str, most_columns: usize) -> String {
    fenced(&fit(&clean(text), most_columns).replace('|', r"\|"))
}

/// `text`, which ends in a line break, as a block of this language.
pub fn code_block(language: &str, text: &str) -> String {
    let fence = "`".repeat(longest_run(text).max(2) + 1);
    format!("{fence}{language}\n{text}{fence}\n")
}

fn fenced(shown: &str) -> String {
    if shown.trim().is_empty() {
        return String::new();
    }
    let fence = "`".repeat(longest_run(shown) + 1);
    // One space at each end belongs to the fence, where both ends have one.
    let space = if shown.starts_with(['`', ' ']) || shown.ends_with(['`', ' ']) {
        " "
    } else {
        ""
    };
    format!("{fence}{space}{shown}{space}{fence}")
}

/// A fence is longer than any run of backquotes in its text.
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
