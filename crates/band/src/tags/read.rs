//! From the two tag lines to a [`Brief`].
//!
//! A line is cut at commas, semicolons, bars, full stops and line ends; within a piece the longest phrase of the vocabulary is taken at
//! each word. "no", "without" and "-less" make a phrase a refusal. A refusal overrides a wish, whatever their order.

use super::{
    brief::{Asked, Brief, SoundEffect},
    musical::{key_at, metre_of, tempo_at},
    split::{pieces_of, words_of},
    words::{Meaning, PHRASE_LIMIT_WORDS, VocabularyEntry, look_up},
};
use crate::catalogue::{Instrument, Traits};

/// Longest line that is read, in characters: four times the limit of the vendors. The rest is reported as not understood.
const LINE_LIMIT_CHARS: usize = 4000;

/// Reads the wishes in `tags` and the refusals in `negative_tags`.
///
/// The negative line overrides the first line; "no drums" in the first line forbids drums as well.
pub fn read_tags(tags: &str, negative_tags: &str) -> Brief {
    let mut brief = Brief::default();
    read_line(tags, false, &mut brief);
    read_line(negative_tags, true, &mut brief);
    resolve_conflicts(&mut brief);
    brief
}

/// Removes refused wishes and repeats.
fn resolve_conflicts(brief: &mut Brief) {
    let forbidden = brief.forbidden;
    let refused = |asked: &mut Asked| forbidden.meets(asked.instrument.traits());
    for Asked { phrase, .. } in brief.asked.extract_if(.., refused) {
        brief.remarks.push(format!(
            "`{phrase}` is left out: the negative tags refuse it"
        ));
    }
    let mut seen: Vec<Instrument> = Vec::new();
    brief.wanted.retain(|&instrument| {
        let fresh = !seen.contains(&instrument) && !forbidden.meets(instrument.traits());
        seen.push(instrument);
        fresh
    });
    let refused = brief.refused_styles.clone();
    for style in brief.styles.extract_if(.., |style| refused.contains(style)) {
        brief.remarks.push(format!(
            "the style {} is left out: the negative tags refuse it",
            style.name()
        ));
    }
    brief.only_wanted &= !brief.wanted.is_empty();
    let mut said: Vec<String> = Vec::new();
    brief.remarks.retain(|remark| {
        let fresh = !said.contains(remark);
        said.push(remark.clone());
        fresh
    });
}

fn read_line(line: &str, negative: bool, brief: &mut Brief) {
    let kept: String = line.chars().take(LINE_LIMIT_CHARS).collect();
    if kept.len() < line.len() {
        brief.unknown.push(format!(
            "everything after the first {LINE_LIMIT_CHARS} characters"
        ));
    }
    for piece in pieces_of(&kept) {
        read_piece(piece, negative, brief);
    }
}

/// Reads one comma-separated piece.
fn read_piece(piece: &str, negative: bool, brief: &mut Brief) {
    let words = words_of(piece);
    let mut refusing = negative;
    let mut sounding = Vec::new();
    let mut only: Option<&str> = None;
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
        if let Some((key, used)) = key_at(&words[at..]) {
            if !refusing {
                brief.key = Some(key);
            }
            at += used;
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
            only = Some(word);
            at += 1;
            continue;
        }
        let longest = PHRASE_LIMIT_WORDS.min(words.len() - at);
        let found = (1..=longest).rev().find_map(|length| {
            let phrase = words[at..at + length].join(" ");
            look_up(&phrase).map(|(entry, against)| (entry, against, length))
        });
        let Some((entry, against, length)) = found else {
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
        let phrase = words[at - length - usize::from(suffixed)..][..length].join(" ");
        if refusing || against || suffixed {
            brief.forbidden = brief.forbidden.and(entry.refused_with);
            refuse(&entry.meaning, brief);
        } else {
            wish(entry, &phrase, brief, &mut sounding);
        }
    }
    if let (Some(word), false) = (only, negative) {
        if sounding.is_empty() && words.len() > 1 {
            brief.remarks.push(format!(
                "`{word}` has no effect: `{}` names no instrument",
                piece.trim()
            ));
        }
        brief.only_wanted |= !sounding.is_empty();
    }
    if !misread.is_empty() {
        brief.unknown.push(misread.join(" "));
    }
}

/// Writes the refusal of a meaning into the brief.
fn refuse(meaning: &Meaning, brief: &mut Brief) {
    match *meaning {
        Meaning::Style(style) | Meaning::Ensemble(style, _) => brief.refused_styles.push(style),
        Meaning::Sound { traits, .. } => brief.forbidden = brief.forbidden.and(traits),
        Meaning::Unaccompanied | Meaning::Singer => {
            brief.forbidden = brief.forbidden.and(Traits::VOICES);
        }
        Meaning::Feel(nudge) | Meaning::Tempo(nudge, _) => {
            brief.nudge = brief.nudge.plus(nudge.opposite());
        }
        Meaning::Effect(effect, _) => {
            *brief.refused_effects.of(effect) = true;
            if effect == SoundEffect::Grit {
                brief.forbidden = brief.forbidden.and(Traits::DISTORTED);
            }
        }
        Meaning::Metre(_) | Meaning::Understood => {}
    }
}

/// Writes one wish into the brief, with a remark where it can't be met.
fn wish(entry: &VocabularyEntry, phrase: &str, brief: &mut Brief, sounding: &mut Vec<Instrument>) {
    let mut ask = |instrument: Instrument, traits: Traits, brief: &mut Brief| {
        sounding.push(instrument);
        brief.wanted.push(instrument);
        brief.asked.push(Asked {
            phrase: phrase.to_owned(),
            instrument,
            traits,
        });
    };
    match entry.meaning {
        Meaning::Style(style) | Meaning::Ensemble(style, _) => {
            if !brief.styles.contains(&style) {
                brief.styles.push(style);
            }
            if let Meaning::Ensemble(_, players) = &entry.meaning {
                sounding.extend(players);
                brief.wanted.extend(players);
            }
            if entry.is_nearest {
                brief.remarks.push(format!(
                    "`{phrase}` is played as {}, the nearest style that the band has",
                    style.name()
                ));
            }
        }
        Meaning::Sound {
            wants: Some(instrument),
            traits,
        } => {
            ask(instrument, traits, brief);
            if entry.is_nearest {
                brief.remarks.push(format!(
                    "`{phrase}` is played by {}, the nearest that the band has",
                    instrument.name()
                ));
            }
        }
        Meaning::Sound { wants: None, .. } => brief.remarks.push(format!(
            "`{phrase}` can be refused but not asked for: the style decides"
        )),
        Meaning::Unaccompanied => {
            ask(Instrument::Voices, Traits::VOICES, brief);
            brief.only_wanted = true;
        }
        Meaning::Feel(nudge) => brief.nudge = brief.nudge.plus(nudge),
        Meaning::Tempo(nudge, fast) => {
            // A word for speed never changes the tempo: the band follows the singer.
            brief.nudge = brief.nudge.plus(nudge);
            brief.speed = Some((phrase.to_owned(), fast));
        }
        Meaning::Metre(metre) => brief.metre = Some(metre),
        Meaning::Effect(effect, nudge) => {
            *brief.wanted_effects.of(effect) = true;
            brief.nudge = brief.nudge.plus(nudge);
            if effect == SoundEffect::Grit && nudge.grit >= 0.5 {
                ask(Instrument::DistortedGuitar, Traits::DISTORTED, brief);
            }
        }
        Meaning::Singer | Meaning::Understood => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{analysis::Metre, catalogue::StyleId};

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
    fn a_full_stop_within_a_number_cuts_nothing() {
        let brief = read_tags("Jazz. 122.4 bpm. soft.", "");
        assert_eq!((brief.tempo_bpm, brief.unknown), (Some(122.4), vec![]));
        assert_eq!(read_tags("tempo: 92 bpm", "").unknown, Vec::<String>::new());
        assert_eq!(read_tags("~120 bpm", "").tempo_bpm, Some(120.0));
    }

    #[test]
    fn a_key_is_read_and_a_mode_alone_is_none() {
        use crate::analysis::{Key, Mode};
        let key = |tonic, mode| Some(Key { tonic, mode });
        assert_eq!(
            read_tags("folk in F# minor, warm", "").key,
            key(6, Mode::Minor)
        );
        assert_eq!(read_tags("key: Bb", "").key, key(10, Mode::Major));
        assert_eq!(read_tags("sad, Am", "").key, key(9, Mode::Minor));
        assert_eq!(read_tags("a cappella in a church", "").key, None);
        assert_eq!(read_tags("pop", "G major").key, None);
    }

    #[test]
    fn what_only_comes_near_or_is_refused_is_said() {
        let remarks = |tags: &str, negative: &str| read_tags(tags, negative).remarks.join("; ");
        assert!(remarks("tango, mandolin", "").contains("`mandolin` is played by ukulele"));
        assert!(remarks("piano", "no keys").contains("`piano` is left out"));
        assert!(remarks("jazz, pop", "jazz").contains("the style jazz swing is left out"));
        assert!(remarks("metal only", "").contains("names no instrument"));
        assert_eq!(remarks("warm piano ballad, female vocal, swung", ""), "");
    }

    #[test]
    fn ensembles_and_a_cappella_keep_others_out() {
        let quartet = read_tags("string quartet only", "");
        assert_eq!(quartet.styles, [StyleId::ChamberStrings]);
        assert_eq!(
            (quartet.wanted, quartet.only_wanted),
            (vec![Instrument::Strings], true)
        );
        assert!(!read_tags("pop, string quartet", "").only_wanted);
        let voices = read_tags("a cappella", "");
        assert_eq!(
            (voices.wanted, voices.only_wanted),
            (vec![Instrument::Voices], true)
        );
        assert!(read_tags("", "a cappella").forbids(Instrument::Voices));
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
