//! The vocabulary of the tags: `crates/band/data/tags.yaml`.

use std::{collections::HashMap, sync::LazyLock};

use serde::Deserialize;

use super::brief::{Nudge, SoundEffect};
use crate::{
    analysis::Metre,
    catalogue::{Instrument, StyleId, Traits},
    data::{DataError, parse},
};

/// What a phrase means.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Meaning {
    /// A style of music.
    Style(StyleId),
    /// A style that is named after its instruments: "only" forbids all others.
    Ensemble(StyleId, Vec<Instrument>),
    /// Voices and nothing else.
    Unaccompanied,
    /// The singer's own part: nothing to add, but a refusal forbids backing voices.
    Singer,
    /// An instrument or a family of instruments: what a wish adds, and what a refusal forbids.
    Sound {
        /// The instrument that a wish adds; `None` where the phrase can only be refused.
        wants: Option<Instrument>,
        /// What a refusal forbids.
        traits: Traits,
    },
    /// A mood or a quality of sound.
    Feel(Nudge),
    /// A word for speed, and whether it means fast.
    Tempo(Nudge, bool),
    /// A metre.
    Metre(Metre),
    /// An effect that can be refused.
    Effect(SoundEffect, Nudge),
    /// A filler word: known, without effect.
    Understood,
}

/// A phrase of the vocabulary.
#[derive(Debug)]
pub(super) struct VocabularyEntry {
    pub(super) meaning: Meaning,
    /// Whether the band lacks what the phrase names, and plays the nearest instrument or style.
    pub(super) is_nearest: bool,
    /// Sounds that a refusal of the style forbids too: those that it is named after.
    pub(super) refused_with: Traits,
}

/// The entry of a phrase of lower-case words with single spaces; `None` when it is unknown.
fn entry_of(phrase: &str) -> Option<&'static VocabularyEntry> {
    static VOCABULARY: LazyLock<HashMap<String, VocabularyEntry>> = LazyLock::new(|| {
        read(FILE, TEXT).unwrap_or_else(|error| panic!("a test reads the vocabulary: {error}"))
    });
    VOCABULARY.get(phrase)
}

/// Finds a phrase as written, without its plural, and with "-less" cut off (the flag is then true).
pub(super) fn look_up(phrase: &str) -> Option<(&'static VocabularyEntry, bool)> {
    if let Some(entry) = entry_of(phrase) {
        return Some((entry, false));
    }
    for ending in ["s", "es"] {
        if let Some(entry) = phrase.strip_suffix(ending).and_then(entry_of) {
            return Some((entry, false));
        }
    }
    let bare = phrase.strip_suffix("less")?;
    entry_of(bare)
        .or_else(|| entry_of(&format!("{bare}s")))
        .map(|entry| (entry, true))
}

/// Longest phrase in the vocabulary, in words.
pub(super) const PHRASE_LIMIT_WORDS: usize = 4;

const FILE: &str = "tags.yaml";
const TEXT: &str = include_str!("../../data/tags.yaml");

/// The file as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    styles: Vec<StyleRow>,
    ensembles: Vec<EnsembleRow>,
    refused_with_style: Vec<RefusableRow>,
    instruments: Vec<InstrumentRow>,
    refusable: Vec<RefusableRow>,
    moods: Vec<MoodRow>,
    speeds: Vec<SpeedRow>,
    metres: Vec<MetreRow>,
    effects: Vec<EffectRow>,
    unaccompanied: Vec<String>,
    singer: Vec<String>,
    ignored: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StyleRow {
    style: StyleId,
    #[serde(default)]
    words: Vec<String>,
    #[serde(default)]
    nearest: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EnsembleRow {
    style: StyleId,
    players: Vec<Instrument>,
    words: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct InstrumentRow {
    plays: Instrument,
    refuses: Traits,
    #[serde(default)]
    words: Vec<String>,
    #[serde(default)]
    nearest: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RefusableRow {
    refuses: Traits,
    words: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MoodRow {
    push: Nudge,
    words: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SpeedRow {
    speed: Speed,
    push: Nudge,
    words: Vec<String>,
}

#[derive(Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
enum Speed {
    Slow,
    Fast,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MetreRow {
    metre: NamedMetre,
    words: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum NamedMetre {
    TwoFour,
    ThreeFour,
    FourFour,
    SixEight,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EffectRow {
    effect: SoundEffect,
    #[serde(default)]
    push: Nudge,
    words: Vec<String>,
}

/// Reads a vocabulary.
fn read(file: &str, text: &str) -> Result<HashMap<String, VocabularyEntry>, DataError> {
    let table: Table = parse(file, text)?;
    let mut entries = Entries {
        file,
        text,
        found: HashMap::new(),
    };
    for row in table.styles {
        entries.add(row.words, Meaning::Style(row.style), false)?;
        entries.add(row.nearest, Meaning::Style(row.style), true)?;
    }
    for row in table.ensembles {
        let meaning = Meaning::Ensemble(row.style, row.players);
        entries.add(row.words, meaning, false)?;
    }
    for row in table.instruments {
        let meaning = Meaning::Sound {
            wants: Some(row.plays),
            traits: row.refuses,
        };
        entries.add(row.words, meaning.clone(), false)?;
        entries.add(row.nearest, meaning, true)?;
    }
    for row in table.refusable {
        let meaning = Meaning::Sound {
            wants: None,
            traits: row.refuses,
        };
        entries.add(row.words, meaning, false)?;
    }
    for row in table.moods {
        entries.add(row.words, Meaning::Feel(row.push), false)?;
    }
    for row in table.speeds {
        let meaning = Meaning::Tempo(row.push, row.speed == Speed::Fast);
        entries.add(row.words, meaning, false)?;
    }
    for row in table.metres {
        let metre = match row.metre {
            NamedMetre::TwoFour => Metre::TwoFour,
            NamedMetre::ThreeFour => Metre::ThreeFour,
            NamedMetre::FourFour => Metre::FourFour,
            NamedMetre::SixEight => Metre::SixEight,
        };
        entries.add(row.words, Meaning::Metre(metre), false)?;
    }
    for row in table.effects {
        entries.add(row.words, Meaning::Effect(row.effect, row.push), false)?;
    }
    entries.add(table.unaccompanied, Meaning::Unaccompanied, false)?;
    entries.add(table.singer, Meaning::Singer, false)?;
    entries.add(table.ignored, Meaning::Understood, false)?;
    for row in table.refused_with_style {
        for phrase in row.words {
            match entries.found.get_mut(&phrase) {
                Some(VocabularyEntry {
                    meaning: Meaning::Style(_) | Meaning::Ensemble(..),
                    refused_with,
                    ..
                }) => *refused_with = row.refuses,
                _ => return Err(entries.error(&phrase, 0, "is no style")),
            }
        }
    }
    Ok(entries.found)
}

struct Entries<'a> {
    file: &'a str,
    text: &'a str,
    found: HashMap<String, VocabularyEntry>,
}

impl Entries<'_> {
    fn add(
        &mut self,
        phrases: Vec<String>,
        meaning: Meaning,
        is_nearest: bool,
    ) -> Result<(), DataError> {
        for phrase in phrases {
            let as_read = phrase.to_lowercase().replace(['-', '_'], " ");
            if phrase != as_read || phrase.split(' ').any(str::is_empty) {
                return Err(self.error(&phrase, 0, "must be in lower case, with single spaces"));
            }
            if phrase.split(' ').count() > PHRASE_LIMIT_WORDS {
                return Err(self.error(&phrase, 0, "is too long: four words at most"));
            }
            let entry = VocabularyEntry {
                meaning: meaning.clone(),
                is_nearest,
                refused_with: Traits::NONE,
            };
            if self.found.contains_key(&phrase) {
                return Err(self.error(&phrase, 1, "is in the file twice"));
            }
            self.found.insert(phrase, entry);
        }
        Ok(())
    }

    /// An error at the line of the text that has a phrase in a list of `words` or `nearest`, after `skip` others.
    fn error(&self, phrase: &str, skip: usize, message: &str) -> DataError {
        let has = |line: &str| {
            let items = line.rsplit('[').next().unwrap_or(line);
            let is_phrase = |item: &str| item.trim().trim_matches(['"', ']', ' ']) == phrase;
            !line.contains("players:")
                && !line.contains("refuses:")
                && items.split(',').any(is_phrase)
        };
        let mut lines = (1..).zip(self.text.lines()).filter(|(_, line)| has(line));
        let line = lines.nth(skip).map_or(0, |(number, _)| number);
        DataError::at(self.file, line, format!("`{phrase}` {message}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_vocabulary_can_be_read() {
        if let Err(error) = read(FILE, TEXT) {
            panic!("{error}");
        }
        assert!(entry_of("xyzzy").is_none());
    }

    #[test]
    fn mistakes_in_the_vocabulary_are_refused_with_file_and_line() {
        let line_of = |phrase: &str| {
            let at = TEXT.lines().position(|line| line.contains(phrase)).unwrap();
            at + 1
        };
        for (from, to, near, message) in [
            (
                "[funk, funky,",
                "[funk, jazz,",
                "[jazz,",
                "`jazz` is in the file twice",
            ),
            (
                "[funk, funky,",
                "[funk, Funky,",
                "[funk,",
                "`Funky` must be in lower case",
            ),
            (
                "[funk, funky,",
                "[funk, a b c d e,",
                "[funk,",
                "`a b c d e` is too long",
            ),
            ("style: funk", "style: fank", "style: funk", "fank"),
            (
                "[piano ballad]",
                "[piano]",
                "[piano ballad]",
                "`piano` is no style",
            ),
            (
                "refuses: [harp]",
                "refuses: [harpy]",
                "refuses: [harp]",
                "harpy",
            ),
            (
                "{space: -0.9}",
                "{space: -1.9}",
                "{space: -0.9}",
                "-1.9 is out of range",
            ),
        ] {
            let error = read(FILE, &TEXT.replacen(from, to, 1))
                .unwrap_err()
                .to_string();
            let line = line_of(near);
            assert!(
                error.starts_with(&format!("tags.yaml:{line}: ")) && error.contains(message),
                "{to:?}, line {line}: {error}"
            );
        }
    }
}
