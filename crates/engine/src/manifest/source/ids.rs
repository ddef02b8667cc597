//! Ids: the names of stems and presets.

use super::files::Span;
use super::report::Report;

/// Longest id, in characters.
const MAX_ID_CHARS: usize = 200;

/// An id as a message shows it.
fn shown_id(id: &str) -> String {
    let shown = id.chars().take(MAX_ID_CHARS);
    let mut shown: String = shown.flat_map(char::escape_debug).collect();
    if id.chars().nth(MAX_ID_CHARS).is_some() {
        shown.push('…');
    }
    shown
}

/// Refuses ids that a filter, a file name or a line of a report could not contain.
#[track_caller]
pub(crate) fn check_id(id: &str, what: &str, span: Span, report: &mut Report) {
    let bad = id.is_empty()
        || id.chars().nth(MAX_ID_CHARS).is_some()
        || id.trim() != id
        || id.chars().any(|char| char.is_control() || char == '*');
    if bad {
        report
            .error_at(
                span,
                format!("`{}` can't be {what}", shown_id(id)),
                "not a usable id",
            )
            .help("use 1 to 200 characters, no `*`, no line breaks, and no space at the ends");
    }
}
