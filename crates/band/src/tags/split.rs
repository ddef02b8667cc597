//! Cuts a line of tags into pieces and words.

/// The pieces of a line. A full stop between digits belongs to a number ("122.4 bpm").
pub(super) fn pieces_of(line: &str) -> impl Iterator<Item = &str> {
    let digit = |letter: Option<char>| letter.is_some_and(|letter| letter.is_ascii_digit());
    let mut start = 0;
    let ends: Vec<(usize, usize)> = line
        .char_indices()
        .filter(|&(at, letter)| match letter {
            ',' | ';' | '|' | '\n' | '\r' | '(' | ')' | '[' | ']' | '•' => true,
            '.' => !(digit(line[..at].chars().next_back()) && digit(line[at + 1..].chars().next())),
            _ => false,
        })
        .map(|(at, letter)| (at, at + letter.len_utf8()))
        .chain([(line.len(), line.len())])
        .collect();
    ends.into_iter().map(move |(end, next)| {
        let piece = &line[start..end];
        start = next;
        piece
    })
}

/// Lower-case words; hyphens and underscores separate, apostrophes stay, other marks vanish.
pub(super) fn words_of(piece: &str) -> Vec<String> {
    piece
        .to_lowercase()
        .replace(
            [
                '-', '_', '–', '—', '‐', '‑', '+', '&', '"', ':', '!', '?', '*', '~', '≈',
            ],
            " ",
        )
        .replace('’', "'")
        .split_whitespace()
        .flat_map(|word| {
            // "pop/rock" is two words, "6/8" and "w/o" are one.
            // A sharp stands after the letter of a note; before a word it is a mark.
            let word = word.trim_start_matches('#');
            let keep = word == "w/o"
                || word
                    .chars()
                    .next()
                    .is_some_and(|first| first.is_ascii_digit());
            let parts: Vec<String> = if keep {
                vec![word.to_owned()]
            } else {
                word.split('/').map(str::to_owned).collect()
            };
            parts
        })
        .filter(|word| !word.is_empty())
        .collect()
}
