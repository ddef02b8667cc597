//! Removes characters and sequences that could control a terminal.
//!
//! Names, titles and messages come from manifests, catalogues, ledgers, hooks and vendors. [`clean`] makes one line of such a
//! text. [`printable`] is for whole outputs, with line breaks and the program's own colours.

use std::borrow::Cow;

/// `text` on one line: line breaks and tabs become spaces, and every character that controls a terminal becomes `�`.
#[must_use]
pub fn clean(text: &str) -> String {
    text.trim_end()
        .chars()
        .map(|char| match char {
            '\n' | '\r' | '\t' | '\u{2028}' | '\u{2029}' => ' ',
            char if steers_terminal(char) => char::REPLACEMENT_CHARACTER,
            char => char,
        })
        .collect()
}

/// Escapes the characters that control a terminal, except line feeds, tabs, carriage returns and colours.
#[must_use]
pub fn printable(text: &str) -> Cow<'_, str> {
    if !text.contains(is_unsafe) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 16);
    let mut rest = text;
    while let Some(at) = rest.find(is_unsafe) {
        let (before, found) = rest.split_at(at);
        safe.push_str(before);
        let length = colour(found).unwrap_or_else(|| {
            let char = found.chars().next().unwrap_or_default();
            safe.extend(char.escape_unicode());
            rest = &found[char.len_utf8()..];
            0
        });
        if length > 0 {
            safe.push_str(&found[..length]);
            rest = &found[length..];
        }
    }
    safe.push_str(rest);
    Cow::Owned(safe)
}

fn is_unsafe(char: char) -> bool {
    !matches!(char, '\n' | '\t' | '\r') && steers_terminal(char)
}

/// Control characters, and marks that hide text or change the layout of the text around them: bidirectional marks, overrides
/// and isolates, tags, and the byte-order mark.
fn steers_terminal(char: char) -> bool {
    char.is_control()
        || matches!(char, '\u{200e}' | '\u{200f}' | '\u{061c}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
        | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// The length of a colour sequence at the start of a text: `ESC [ numbers m`, except sequences that hide text or change its
/// background.
fn colour(text: &str) -> Option<usize> {
    let numbers = text.strip_prefix("\u{1b}[")?;
    let end = numbers.find(|char: char| !char.is_ascii_digit() && char != ';')?;
    let numbers = numbers[end..].starts_with('m').then(|| &numbers[..end])?;
    only_styles(numbers).then_some("\u{1b}[".len() + end + 1)
}

/// Whether the numbers of a colour sequence set only weight and colour of the text. The numbers after `38` belong to its
/// colour: `38;5;10` is bright green, and its 5 does not mean blinking.
fn only_styles(numbers: &str) -> bool {
    let mut numbers = numbers.split(';');
    while let Some(number) = numbers.next() {
        let shows = match number {
            "38" => match numbers.next() {
                // Black text may be on a black background.
                Some("5") => numbers
                    .next()
                    .is_some_and(|it| !matches!(it, "" | "0" | "16")),
                _ => false,
            },
            "5" | "6" | "7" | "8" | "30" | "40" | "41" | "42" | "43" | "44" | "45" | "46"
            | "47" | "48" => false,
            _ => true,
        };
        if !shows {
            return false;
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vendor_cannot_steer_the_terminal() {
        assert_eq!(
            clean("\u{1b}[2J\u{1b}]0;owned\u{7}no\tcredits\r\nleft"),
            "�[2J�]0;owned�no credits  left"
        );
        assert_eq!(clean("a\u{202e}b\u{9b}31m\u{7f}"), "a�b�31m�");
        assert_eq!(clean("Grüße, 日本語 👩‍🎤"), "Grüße, 日本語 👩‍🎤");
    }

    #[test]
    fn colours_stay_and_commands_to_the_terminal_are_spelled_out() {
        for (text, safe) in [
            ("plain\n\ttext\r\n", "plain\n\ttext\r\n"),
            (
                "\u{1b}[1m\u{1b}[91merror\u{1b}[0m",
                "\u{1b}[1m\u{1b}[91merror\u{1b}[0m",
            ),
            ("a\u{1b}]0;owned\u{7}b", "a\\u{1b}]0;owned\\u{7}b"),
            (
                "\u{1b}[1m\u{1b}[38;5;10m+\u{1b}[0m",
                "\u{1b}[1m\u{1b}[38;5;10m+\u{1b}[0m",
            ),
            ("\u{1b}[38;5;0mhidden", "\\u{1b}[38;5;0mhidden"),
            ("\u{1b}[38;5mx", "\\u{1b}[38;5mx"),
            ("\u{1b}[38;5;10;8mx", "\\u{1b}[38;5;10;8mx"),
            ("\u{1b}[8mhidden", "\\u{1b}[8mhidden"),
            ("\u{1b}[2J", "\\u{1b}[2J"),
            ("\u{9b}5m\u{202e}x", "\\u{9b}5m\\u{202e}x"),
            ("\u{1b}", "\\u{1b}"),
        ] {
            assert_eq!(printable(text), safe);
        }
    }
}
