//! The text of a catalogue beside its cells: lines, blank lines, and quotes that are not closed.

use std::ops::Range;

/// A position in the text, with its line.
pub(super) struct Cursor {
    pub(super) offset: usize,
    pub(super) line: u64,
}

impl Cursor {
    /// Moves forward to `offset`.
    pub(super) fn advance_to(&mut self, text: &str, offset: usize) {
        let passed = &text.as_bytes()[self.offset..offset];
        self.line += passed.iter().filter(|byte| **byte == b'\n').count() as u64;
        self.offset = offset;
    }
}

/// The length of the blank lines that a text begins with.
pub(super) fn blank_bytes(text: &str) -> usize {
    text.len() - text.trim_start_matches(['\n', '\r']).len()
}

/// The positions of the cells of the line that begins at an offset, without the blanks around them.
pub(super) fn header_cells(text: &str, start: usize, separator: u8) -> Vec<Range<usize>> {
    let mut cells = Vec::new();
    let (mut from, mut in_quotes) = (start, false);
    let bytes = text.as_bytes();
    for at in start..=bytes.len() {
        let byte = bytes.get(at).copied();
        in_quotes ^= byte == Some(b'"');
        let ends_line = byte.is_none_or(|byte| !in_quotes && matches!(byte, b'\n' | b'\r'));
        if !ends_line && (in_quotes || byte != Some(separator)) {
            continue;
        }
        let cell = &text[from..at];
        let blanks = cell.len() - cell.trim_start().len();
        let length = cell.trim().len();
        cells.push(from + blanks..from + blanks + length);
        from = at + 1;
        if ends_line {
            break;
        }
    }
    cells
}

/// A quote that does not enclose a cell.
#[derive(Debug, PartialEq)]
pub(super) struct Quoting {
    /// Where it is.
    pub(super) opened: usize,
    pub(super) kind: QuotingError,
}

#[derive(Debug, PartialEq)]
pub(super) enum QuotingError {
    Unclosed,
    /// It is closed, and at this position follows what is no separator.
    TextBehind {
        at: usize,
    },
    SpaceBefore,
}

/// The first quote that opens a cell and is not closed at its end. The CSV reader accepts such quotes.
pub(super) fn quoting(text: &str, start: usize, separator: u8) -> Option<Quoting> {
    let bytes = text.as_bytes();
    let blanks = |from: usize| {
        let is_blank = |byte: &&u8| matches!(**byte, b' ' | b'\t') && **byte != separator;
        from + bytes[from..].iter().take_while(is_blank).count()
    };
    let ends_cell = |at: usize| {
        bytes
            .get(at)
            .is_none_or(|byte| *byte == separator || matches!(byte, b'\n' | b'\r'))
    };
    let mut at = start;
    while at < bytes.len() {
        let opened = blanks(at);
        if bytes.get(opened) != Some(&b'"') {
            at += bytes[at..]
                .iter()
                .take_while(|byte| **byte != separator && !matches!(byte, b'\n' | b'\r'))
                .count();
        } else if opened > at {
            let kind = QuotingError::SpaceBefore;
            return Some(Quoting { opened, kind });
        } else {
            let mut closed = opened + 1;
            loop {
                match (bytes.get(closed), bytes.get(closed + 1)) {
                    (None, _) => {
                        let kind = QuotingError::Unclosed;
                        return Some(Quoting { opened, kind });
                    }
                    (Some(b'"'), Some(b'"')) => closed += 2,
                    (Some(b'"'), _) => break,
                    _ => closed += 1,
                }
            }
            at = blanks(closed + 1);
            if !ends_cell(at) {
                let kind = QuotingError::TextBehind { at };
                return Some(Quoting { opened, kind });
            }
        }
        at += 1;
    }
    None
}
