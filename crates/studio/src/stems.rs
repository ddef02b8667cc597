//! Assigns the parts of the band to stems, by the vendors' names, and writes the notes of each. Pure.

use backline_band::{Instrument, Score};
use serde_json::{Value, json};

use crate::misbehave::Codes;

/// A stem's name in a response (`backing_vocals_url`, `backingVocalsUrl`), and the title of its group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct StemName {
    pub(crate) name: &'static str,
    pub(crate) title: &'static str,
}

pub(crate) const VOCAL: StemName = StemName {
    name: "vocal",
    title: "Vocals",
};
pub(crate) const INSTRUMENTAL: StemName = StemName {
    name: "instrumental",
    title: "Instrumental",
};

/// The band's stems in the order of the vendors' pages.
const BAND: [StemName; 12] = [
    stem("backing_vocals", "Backing Vocals"),
    stem("drums", "Drums"),
    stem("bass", "Bass"),
    stem("guitar", "Guitar"),
    stem("piano", "Piano"),
    stem("keyboard", "Keyboard"),
    stem("percussion", "Percussion"),
    stem("strings", "Strings"),
    stem("synth", "Synth"),
    stem("fx", "FX/Other"),
    stem("brass", "Brass"),
    stem("woodwinds", "Woodwinds"),
];

/// Words in the names of single stems, with the stem of the band that contains them; the first match wins.
const WORDS: [(&str, &str); 35] = [
    ("backing vocal", "backing_vocals"),
    ("choir", "backing_vocals"),
    ("vocal", "vocal"),
    ("voice", "vocal"),
    ("drum", "drums"),
    ("kick", "drums"),
    ("snare", "drums"),
    ("hat", "drums"),
    ("cymbal", "drums"),
    ("tom", "drums"),
    ("bass", "bass"),
    ("808", "bass"),
    ("guitar", "guitar"),
    ("ukulele", "guitar"),
    ("banjo", "guitar"),
    ("piano", "piano"),
    ("organ", "keyboard"),
    ("key", "keyboard"),
    ("vibraphone", "keyboard"),
    ("glockenspiel", "keyboard"),
    ("percussion", "percussion"),
    ("shaker", "percussion"),
    ("tambourine", "percussion"),
    ("conga", "percussion"),
    ("string", "strings"),
    ("violin", "strings"),
    ("cello", "strings"),
    ("harp", "strings"),
    ("synth", "synth"),
    ("pad", "synth"),
    ("brass", "brass"),
    ("trumpet", "brass"),
    ("flute", "woodwinds"),
    ("sax", "woodwinds"),
    ("woodwind", "woodwinds"),
];

const fn stem(name: &'static str, title: &'static str) -> StemName {
    StemName { name, title }
}

/// All names that a response lists, in its order.
pub(crate) fn listed(codes: Codes) -> impl Iterator<Item = &'static str> {
    // Only one vendor's page lists a piano.
    let band = BAND.iter().map(|stem| stem.name);
    [INSTRUMENTAL.name, VOCAL.name]
        .into_iter()
        .chain(band.filter(move |name| codes == Codes::Kie || *name != "piano"))
}

/// The title of a stem's group.
pub(crate) fn title_of(name: &str) -> &'static str {
    let mut all = BAND.into_iter().chain([VOCAL, INSTRUMENTAL]);
    all.find(|stem| stem.name == name)
        .map_or("Other", |stem| stem.title)
}

/// The stem of the band, or the vocal, that a vendor's name of a single stem refers to.
pub(crate) fn meant(stem_name: &str, codes: Codes) -> &'static str {
    let wanted = stem_name.to_lowercase();
    let found = WORDS.iter().find(|(word, _)| wanted.contains(word));
    of_vendor(found.map_or("fx", |(_, name)| name), codes)
}

fn of_vendor(name: &'static str, codes: Codes) -> &'static str {
    match (name, codes) {
        ("piano", Codes::Sunoapi) => "keyboard",
        _ => name,
    }
}

fn of_instrument(instrument: Instrument, codes: Codes) -> &'static str {
    let name = match instrument {
        Instrument::AcousticKit | Instrument::BrushKit | Instrument::ElectronicKit => "drums",
        Instrument::HandPercussion => "percussion",
        Instrument::FingerBass
        | Instrument::UprightBass
        | Instrument::SynthBass
        | Instrument::SubBass => "bass",
        Instrument::Piano => "piano",
        Instrument::ElectricPiano
        | Instrument::Organ
        | Instrument::Vibraphone
        | Instrument::Glockenspiel => "keyboard",
        Instrument::SteelGuitar
        | Instrument::NylonGuitar
        | Instrument::Ukulele
        | Instrument::Banjo
        | Instrument::CleanGuitar
        | Instrument::DistortedGuitar => "guitar",
        Instrument::Harp | Instrument::Strings => "strings",
        Instrument::Brass => "brass",
        Instrument::Flute | Instrument::Saxophone => "woodwinds",
        Instrument::SynthPad | Instrument::SynthPluck | Instrument::SynthLead => "synth",
        Instrument::Voices => "backing_vocals",
    };
    of_vendor(name, codes)
}

/// The stems that the band plays, each with the indices of its parts in the score. Every part belongs to one stem.
pub(crate) fn groups(score: &Score, codes: Codes) -> Vec<(StemName, Vec<usize>)> {
    let parts_of = |name: &str| -> Vec<usize> {
        let parts = score.parts.iter().enumerate();
        let own = parts.filter(|(_, part)| of_instrument(part.instrument, codes) == name);
        own.map(|(place, _)| place).collect()
    };
    let groups = BAND.iter().map(|stem| (*stem, parts_of(stem.name)));
    groups.filter(|(_, parts)| !parts.is_empty()).collect()
}

/// The notes of some parts, as one instrument of a MIDI response.
pub(crate) fn instrument(stem: &str, title: &str, score: &Score, parts: &[usize]) -> Value {
    let mut notes: Vec<_> = parts
        .iter()
        .flat_map(|place| &score.parts[*place].notes)
        .map(|note| {
            (
                note.start_s,
                note.start_s + note.length_s,
                note.key(),
                f64::from(note.velocity),
            )
        })
        .collect();
    notes.sort_by(|one, other| one.0.total_cmp(&other.0).then(one.2.cmp(&other.2)));
    written(stem, title, notes)
}

/// The notes that were detected in the vocal.
pub(crate) fn sung(stem: &str, notes: &[backline_band::analysis::Note]) -> Value {
    let notes = notes.iter().map(|note| {
        let velocity = 10_f64.powf(f64::from(note.level_db) / 40.0);
        (note.onset_s, note.offset_s, note.midi, velocity)
    });
    written(stem, VOCAL.title, notes)
}

/// Writes the notes of an instrument. `stem` is for the studio alone and is removed before clients see the notes. As on the
/// vendors' pages, starts are numbers and ends are texts.
fn written(stem: &str, title: &str, notes: impl IntoIterator<Item = (f64, f64, u8, f64)>) -> Value {
    let rounded = |value: f64| (value * 10_000.0).round() / 10_000.0;
    let notes: Vec<Value> = notes
        .into_iter()
        .map(|(start_s, end_s, key, velocity)| {
            json!({
                "pitch": key.min(127),
                "start": rounded(start_s.max(0.0)),
                "end": format!("{:.4}", end_s.max(start_s)),
                "velocity": rounded(velocity.clamp(0.0, 1.0)),
            })
        })
        .collect();
    json!({ "stem": stem, "name": title, "notes": notes })
}

/// The `camelCase` form of a `snake_case` name.
pub(crate) fn camel(name: &str) -> String {
    let mut words = name.split('_');
    let mut camel = words.next().unwrap_or_default().to_owned();
    for word in words {
        let (first, rest) = word.split_at(1.min(word.len()));
        camel.push_str(&first.to_ascii_uppercase());
        camel.push_str(rest);
    }
    camel
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_instrument_has_a_stem_that_each_vendor_lists() {
        for codes in [Codes::Sunoapi, Codes::Kie] {
            for instrument in Instrument::ALL {
                let name = of_instrument(instrument, codes);
                assert!(listed(codes).any(|it| it == name), "{instrument:?}: {name}");
            }
        }
        assert_eq!(listed(Codes::Kie).count(), 14);
    }

    #[test]
    fn the_vendors_names_of_single_stems_mean_a_stem() {
        for (name, stem) in [
            ("Lead Vocal", "vocal"),
            ("Backing Vocals", "backing_vocals"),
            ("Drum Kit", "drums"),
            ("Synth Bass", "bass"),
            ("808", "bass"),
            ("String Section", "strings"),
            ("Sound Effects", "fx"),
            ("Piano", "piano"),
        ] {
            assert_eq!(meant(name, Codes::Kie), stem, "{name}");
        }
        assert_eq!(meant("Piano", Codes::Sunoapi), "keyboard");
        assert_eq!(camel("backing_vocals"), "backingVocals");
    }
}
