//! From the two tag lines to a [`Brief`].
//!
//! A line is cut at commas, semicolons, bars and line ends; within a piece the longest phrase that the vocabulary knows is
//! taken, word by word. "no", "without" and "-less" turn a phrase into a refusal. Refusals win over wishes wherever they stand.

use super::{
    brief::Brief,
    words::{Effect, Meaning, meaning_of, sounds_of},
};
use crate::{analysis::Metre, arrange::Instrument};

/// Longest line that is read, in characters: four times what the service family takes, the rest is reported as not understood.
const LINE_LIMIT_CHARS: usize = 4000;

/// Longest phrase in the vocabulary, in words.
const PHRASE_LIMIT_WORDS: usize = 4;

/// Reads what `tags` ask for and what `negative_tags` forbid.
///
/// The negative line is obeyed whatever the first line says; "no drums" in the first line forbids as well.
pub fn read_tags(tags: &str, negative_tags: &str) -> Brief {
    let mut brief = Brief::default();
    read_line(tags, false, &mut brief);
    read_line(negative_tags, true, &mut brief);
    settle(&mut brief);
    brief
}

/// Takes out of the wishes what is refused, and each repeat.
fn settle(brief: &mut Brief) {
    let mut seen: Vec<Instrument> = Vec::new();
    let forbidden = brief.forbidden;
    brief.wanted.retain(|&instrument| {
        let fresh = !seen.contains(&instrument) && !forbidden.meets(instrument.traits());
        seen.push(instrument);
        fresh
    });
    let refused = brief.refused_styles.clone();
    brief.styles.retain(|style| !refused.contains(style));
    brief.only_wanted &= !brief.wanted.is_empty();
}

fn read_line(line: &str, negative: bool, brief: &mut Brief) {
    let kept: String = line.chars().take(LINE_LIMIT_CHARS).collect();
    if kept.len() < line.len() {
        brief.unknown.push(format!(
            "everything after the first {LINE_LIMIT_CHARS} characters"
        ));
    }
    for piece in kept.split([',', ';', '|', '\n', '\r', '.', '(', ')', '[', ']', '•']) {
        read_piece(piece, negative, brief);
    }
}

/// Reads one comma-separated piece.
fn read_piece(piece: &str, negative: bool, brief: &mut Brief) {
    let words = words_of(piece);
    let mut refusing = negative;
    let mut sounding = Vec::new();
    let mut only = false;
    let mut misread: Vec<&str> = Vec::new();
    let mut at = 0;
    while at < words.len() {
        let word = words[at].as_str();
        // "120 bpm", "bpm 120", "120bpm"
        if let Some((bpm, used)) = tempo_at(&words[at..]) {
            if !refusing {
                brief.tempo_bpm = Some(bpm);
            }
            at += used;
            continue;
        }
        if let Some(metre) = metre_of(word) {
            if !refusing {
                brief.metre = Some(metre);
            }
            at += 1;
            continue;
        }
        if matches!(
            word,
            "no" | "not"
                | "non"
                | "without"
                | "w/o"
                | "zero"
                | "minus"
                | "never"
                | "avoid"
                | "exclude"
                | "excluding"
                | "don't"
                | "dont"
        ) {
            refusing = true;
            at += 1;
            continue;
        }
        if matches!(word, "but" | "with" | "plus" | "featuring") {
            refusing = negative;
            at += 1;
            continue;
        }
        if matches!(
            word,
            "only" | "solo" | "just" | "unaccompanied" | "alone" | "nothing"
        ) {
            only = true;
            at += 1;
            continue;
        }
        let longest = PHRASE_LIMIT_WORDS.min(words.len() - at);
        let found = (1..=longest).rev().find_map(|length| {
            let phrase = words[at..at + length].join(" ");
            look_up(&phrase).map(|(meaning, against)| (meaning, against, length))
        });
        let Some((meaning, against, length)) = found else {
            misread.push(word);
            at += 1;
            continue;
        };
        at += length;
        // "drum free", "guitar less": the refusal follows the word.
        let suffixed = words
            .get(at)
            .is_some_and(|next| matches!(next.as_str(), "free" | "less"));
        at += usize::from(suffixed);
        if refusing || against || suffixed {
            let phrase = words[at - length - usize::from(suffixed)..][..length].join(" ");
            let sounds = sounds_of(&phrase).unwrap_or_default();
            brief.forbidden = brief.forbidden.and(sounds);
        }
        apply(
            meaning,
            refusing || against || suffixed,
            brief,
            &mut sounding,
        );
    }
    if only && !negative && !sounding.is_empty() {
        brief.only_wanted = true;
    }
    if !misread.is_empty() {
        brief.unknown.push(misread.join(" "));
    }
}

/// Writes one meaning, or its refusal, into the brief.
fn apply(meaning: Meaning, refusing: bool, brief: &mut Brief, sounding: &mut Vec<Instrument>) {
    match meaning {
        Meaning::Style(style) if refusing => brief.refused_styles.push(style),
        Meaning::Style(style) => {
            if !brief.styles.contains(&style) {
                brief.styles.push(style);
            }
        }
        Meaning::Sound { traits, .. } if refusing => brief.forbidden = brief.forbidden.and(traits),
        Meaning::Sound { wants, .. } => {
            if let Some(instrument) = wants {
                sounding.push(instrument);
                brief.wanted.push(instrument);
            }
        }
        Meaning::Feel(nudge) => {
            brief.nudge = brief
                .nudge
                .plus(if refusing { nudge.opposite() } else { nudge })
        }
        Meaning::Tempo(nudge) => {
            // A word for speed is a wish about feeling: the singer's own tempo is never overruled by it.
            brief.nudge = brief
                .nudge
                .plus(if refusing { nudge.opposite() } else { nudge });
        }
        Meaning::Metre(metre) => {
            if !refusing {
                brief.metre = Some(metre);
            }
        }
        Meaning::Effect(effect, nudge) => {
            if refusing {
                let refused = &mut brief.refused_effects;
                match effect {
                    Effect::Reverb => refused.reverb = true,
                    Effect::Delay => refused.delay = true,
                    Effect::Grit => refused.grit = true,
                    Effect::Swing => refused.swing = true,
                }
                if effect == Effect::Grit {
                    brief.forbidden = brief.forbidden.and(crate::arrange::Traits::DISTORTED);
                }
            } else {
                brief.nudge = brief.nudge.plus(nudge);
                if effect == Effect::Grit && nudge.grit >= 0.5 {
                    brief.wanted.push(Instrument::DistortedGuitar);
                }
            }
        }
        Meaning::Understood => {}
    }
}

/// Looks a phrase up as written, without its plural, and with "-less" cut off (the flag is then true).
fn look_up(phrase: &str) -> Option<(Meaning, bool)> {
    if let Some(meaning) = meaning_of(phrase) {
        return Some((meaning, false));
    }
    for ending in ["s", "es"] {
        if let Some(meaning) = phrase.strip_suffix(ending).and_then(meaning_of) {
            return Some((meaning, false));
        }
    }
    let bare = phrase.strip_suffix("less")?;
    meaning_of(bare)
        .or_else(|| meaning_of(&format!("{bare}s")))
        .map(|meaning| (meaning, true))
}

/// Lower-case words; hyphens and underscores separate, apostrophes stay, other marks vanish.
fn words_of(piece: &str) -> Vec<String> {
    piece
        .to_lowercase()
        .replace(
            [
                '-', '_', '–', '—', '‐', '‑', '+', '&', '"', ':', '!', '?', '#', '*',
            ],
            " ",
        )
        .replace('’', "'")
        .split_whitespace()
        .flat_map(|word| {
            // "pop/rock" is two words, "6/8" and "w/o" are one.
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

/// A tempo at the start of `words`, with the number of words it takes; outside 30..300 it is no tempo.
fn tempo_at(words: &[String]) -> Option<(f64, usize)> {
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
        return number(second).map(|bpm| (bpm, 2));
    }
    None
}

fn metre_of(word: &str) -> Option<Metre> {
    match word {
        "2/4" => Some(Metre::TwoFour),
        "3/4" => Some(Metre::ThreeFour),
        "4/4" => Some(Metre::FourFour),
        "6/8" | "12/8" => Some(Metre::SixEight),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arrange::StyleId;

    fn check(tags: &str, negative: &str, forbidden: &[Instrument], allowed: &[Instrument]) {
        let brief = read_tags(tags, negative);
        for &instrument in forbidden {
            assert!(
                brief.forbids(instrument),
                "{tags:?} / {negative:?} should forbid {instrument:?}"
            );
            assert!(
                !brief.wanted.contains(&instrument),
                "{tags:?} / {negative:?} should not want {instrument:?}"
            );
        }
        for &instrument in allowed {
            assert!(
                !brief.forbids(instrument),
                "{tags:?} / {negative:?} should allow {instrument:?}"
            );
        }
    }

    #[test]
    fn refusals_are_understood_however_they_are_written() {
        use Instrument::*;
        let drums = [AcousticKit, BrushKit, ElectronicKit, HandPercussion];
        for negative in [
            "drums",
            "Drum",
            "no drums",
            "percussion",
            "drum-kit",
            "beats",
            "without drums",
            "NO  DRUMS!",
        ] {
            check("pop ballad, drums", negative, &drums, &[Piano, FingerBass]);
        }
        for tags in [
            "no drums",
            "drumless",
            "without drums",
            "w/o drums",
            "drum-free",
            "piano, no percussion",
            "beatless",
        ] {
            check(tags, "", &drums, &[Piano, FingerBass]);
        }
        check(
            "",
            "guitars",
            &[SteelGuitar, NylonGuitar, CleanGuitar, DistortedGuitar],
            &[FingerBass],
        );
        check(
            "",
            "electric guitar",
            &[CleanGuitar, DistortedGuitar],
            &[SteelGuitar, NylonGuitar],
        );
        check(
            "",
            "acoustic guitar",
            &[SteelGuitar, NylonGuitar],
            &[CleanGuitar],
        );
        check(
            "",
            "bass",
            &[FingerBass, UprightBass, SynthBass, SubBass],
            &[AcousticKit],
        );
        check("", "distortion", &[DistortedGuitar], &[CleanGuitar]);
        check("", "distorted guitars", &[DistortedGuitar], &[CleanGuitar]);
        check(
            "",
            "synths",
            &[SynthBass, SynthPad, SynthPluck, SynthLead],
            &[Piano],
        );
        check(
            "",
            "electronic",
            &[ElectronicKit, SynthBass, SubBass, SynthPad, SynthLead],
            &[Piano, AcousticKit],
        );
        check(
            "",
            "acoustic",
            &[SteelGuitar, Piano, Strings, UprightBass],
            &[ElectricPiano, SynthPad],
        );
        check("", "piano", &[Piano, ElectricPiano], &[Organ]);
        check("", "electric piano", &[ElectricPiano], &[Piano]);
        check("", "strings, brass", &[Strings, Brass], &[SynthPad]);
        check(
            "no drums or bass but piano",
            "",
            &[AcousticKit, FingerBass],
            &[Piano],
        );
        check("strings", "orchestral", &[Strings, Brass, Flute], &[Piano]);
    }

    #[test]
    fn the_negative_line_wins() {
        let brief = read_tags("guitar, piano, drums", "guitar");
        assert_eq!(
            brief.wanted,
            vec![Instrument::Piano, Instrument::AcousticKit]
        );
    }

    #[test]
    fn styles_tempo_and_metre_are_found() {
        let brief = read_tags("Lo-Fi hip-hop, chill, 84 BPM", "");
        assert_eq!(brief.styles, vec![StyleId::LoFi]);
        assert_eq!(brief.hints().tempo_bpm, Some(84.0));
        assert_eq!(
            read_tags("slow waltz", "").hints().metre,
            Some(Metre::ThreeFour)
        );
        assert_eq!(
            read_tags("6/8 ballad", "").hints().metre,
            Some(Metre::SixEight)
        );
        assert_eq!(
            read_tags("drum and bass", "").styles,
            vec![StyleId::DrumAndBass]
        );
        assert_eq!(
            read_tags("drum & bass, 174bpm", "").styles,
            vec![StyleId::DrumAndBass]
        );
        assert_eq!(
            read_tags("bossa nova / jazz", "jazz").styles,
            vec![StyleId::BossaNova]
        );
        assert_eq!(read_tags("99999 bpm", "").tempo_bpm, None);
    }

    #[test]
    fn solo_means_nothing_else() {
        let brief = read_tags("solo piano", "");
        assert!(
            brief.only_wanted
                && brief.admits(Instrument::Piano)
                && !brief.admits(Instrument::AcousticKit)
        );
        assert!(!read_tags("solo", "").only_wanted);
    }

    #[test]
    fn what_is_not_understood_is_reported_as_written() {
        assert_eq!(
            read_tags("pop, glorpcore wobble", "zzz").unknown,
            vec!["glorpcore wobble".to_owned(), "zzz".to_owned()]
        );
        assert!(
            read_tags("warm piano ballad, intimate and slow", "")
                .unknown
                .is_empty()
        );
        assert!(read_tags("", "").unknown.is_empty());
        assert_eq!(read_tags(&"a".repeat(10_000), "").unknown.len(), 2);
    }
}
