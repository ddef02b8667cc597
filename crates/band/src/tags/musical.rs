//! Tempo, metre and key as they are written in tags: "120 bpm", "3/4", "key of F# minor".

use crate::analysis::{Key, Metre, Mode};

/// A tempo at the start of `words`, with the number of words it takes; outside 30..300 it is no tempo.
pub(super) fn tempo_at(words: &[String]) -> Option<(f64, usize)> {
    let first = words.first()?;
    let number = |word: &str| {
        word.parse::<f64>()
            .ok()
            .filter(|bpm| (30.0..=300.0).contains(bpm))
    };
    if let Some(bpm) = first.strip_suffix("bpm").and_then(number) {
        return Some((bpm, 1));
    }
    let second = words.get(1)?;
    if second == "bpm" {
        return number(first).map(|bpm| (bpm, 2));
    }
    if first == "bpm" || first == "tempo" {
        let unit = usize::from(words.get(2).is_some_and(|word| word == "bpm"));
        return number(second).map(|bpm| (bpm, 2 + unit));
    }
    None
}

/// A metre that the band plays.
pub(super) fn metre_of(word: &str) -> Option<Metre> {
    match word {
        "2/4" => Some(Metre::TwoFour),
        "3/4" => Some(Metre::ThreeFour),
        "4/4" => Some(Metre::FourFour),
        "6/8" | "12/8" => Some(Metre::SixEight),
        _ => None,
    }
}

/// A key at the start of `words`, with the number of words it takes: "g major", "key of eb", "in f# minor", "am".
///
/// A letter alone is a key only after "key", and a letter with an "m" only there or where it is all that is written, for both
/// are words of English.
pub(super) fn key_at(words: &[String]) -> Option<(Key, usize)> {
    let word = |at: usize| words.get(at).map(String::as_str);
    let (named, mut at) = match (word(0)?, word(1), word(2), word(3)) {
        ("in", Some("the"), Some("key"), Some("of")) => (true, 4),
        ("key", Some("of" | "is" | "in"), ..) => (true, 2),
        ("key", ..) => (true, 1),
        ("in", ..) => (false, 1),
        _ => (false, 0),
    };
    let alone = at == 0 && words.len() == 1;
    let mut letters = word(at)?.chars();
    let mut tonic = match letters.next()? {
        'c' => 0,
        'd' => 2,
        'e' => 4,
        'f' => 5,
        'g' => 7,
        'a' => 9,
        'b' => 11,
        _ => return None,
    };
    let rest = letters.as_str();
    let (shift, rest) = if let Some(rest) = rest.strip_prefix(['#', '♯']) {
        (1, rest)
    } else if let Some(rest) = rest.strip_prefix(['b', '♭']) {
        (11, rest)
    } else {
        (0, rest)
    };
    tonic = (tonic + shift) % 12;
    let mut mode = match rest {
        "" => None,
        "m" | "min" | "minor" => Some(Mode::Minor),
        "maj" | "major" => Some(Mode::Major),
        _ => return None,
    };
    let short = rest == "m" && shift == 0;
    at += 1;
    if rest.is_empty() {
        let sign = match word(at) {
            Some("sharp") => 1,
            Some("flat") => 11,
            _ => 0,
        };
        tonic = (tonic + sign) % 12;
        at += usize::from(sign != 0);
        mode = match word(at) {
            Some("major" | "maj") => Some(Mode::Major),
            Some("minor" | "min") => Some(Mode::Minor),
            _ => None,
        };
        at += usize::from(mode.is_some());
        // "in a minor key" names no key.
        if mode.is_some() && word(at) == Some("key") {
            return None;
        }
    }
    if (mode.is_none() || short) && !named && !(short && alone) {
        return None;
    }
    let mode = mode.unwrap_or(Mode::Major);
    Some((Key { tonic, mode }, at))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(line: &str) -> Option<(u8, Mode, usize)> {
        let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        key_at(&words).map(|(key, used)| (key.tonic, key.mode, used))
    }

    #[test]
    fn keys_are_read_as_people_write_them() {
        use Mode::{Major, Minor};
        for (line, tonic, mode, used) in [
            ("g major", 7, Major, 2),
            ("a minor", 9, Minor, 2),
            ("f# minor", 6, Minor, 2),
            ("bb major", 10, Major, 2),
            ("e flat major", 3, Major, 3),
            ("key of d", 2, Major, 3),
            ("key c sharp minor", 1, Minor, 4),
            ("in the key of eb minor", 3, Minor, 6),
            ("in f# major", 6, Major, 3),
            ("am", 9, Minor, 1),
            ("key of bm", 11, Minor, 3),
            ("ebm", 3, Minor, 1),
            ("cmaj", 0, Major, 1),
        ] {
            assert_eq!(key(line), Some((tonic, mode, used)), "{line}");
        }
        for line in [
            "a",
            "in a church",
            "am i",
            "a minor key",
            "in a major key",
            "b side",
            "key",
            "keys",
            "fm radio",
            "g",
            "dark",
            "bass",
        ] {
            assert_eq!(key(line), None, "{line}");
        }
    }
}
