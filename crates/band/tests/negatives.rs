//! Negative tags are obeyed without exception: every style against every word for a sound, on the notes.
//!
//! What a word rules out is written down here once more, by hand, apart from the table that the tag reader uses.

#![allow(
    clippy::unwrap_used,
    reason = "a test that meets the unexpected should stop"
)]

mod song;

use backline_band::{
    Instrument::{self, *},
    Role, Score, StyleId,
    analysis::Metre,
    arrange, read_tags,
};
use song::{SETTINGS, song};

const PERCUSSION: &[Instrument] = &[AcousticKit, BrushKit, ElectronicKit, HandPercussion];
const BASSES: &[Instrument] = &[FingerBass, UprightBass, SynthBass, SubBass];
const GUITARS: &[Instrument] = &[SteelGuitar, NylonGuitar, CleanGuitar, DistortedGuitar];
const SYNTHS: &[Instrument] = &[SynthBass, SubBass, SynthPad, SynthPluck, SynthLead];
const MACHINES: &[Instrument] = &[
    ElectronicKit,
    SynthBass,
    SubBass,
    SynthPad,
    SynthPluck,
    SynthLead,
];
const ORCHESTRA: &[Instrument] = &[Strings, Brass, Flute, Saxophone];
const ACOUSTIC: &[Instrument] = &[
    AcousticKit,
    BrushKit,
    HandPercussion,
    UprightBass,
    Piano,
    Vibraphone,
    Glockenspiel,
    SteelGuitar,
    NylonGuitar,
    Ukulele,
    Banjo,
    Harp,
    Strings,
    Brass,
    Flute,
    Saxophone,
    Voices,
];
const ELECTRIC: &[Instrument] = &[
    ElectronicKit,
    FingerBass,
    SynthBass,
    SubBass,
    ElectricPiano,
    Organ,
    CleanGuitar,
    DistortedGuitar,
    SynthPad,
    SynthPluck,
    SynthLead,
];

/// Words that mean the same, the instruments that they rule out, and the pieces of kits by their General MIDI numbers.
const WORDS: &[(&str, &[Instrument], &[u8])] = &[
    (
        "drums, drum, drum kit, drumkit, drum set, drumset, drumming, drum beat, drum track, beat, percussion, percussive, percussions, drum loop, drum machine beat",
        PERCUSSION,
        &[],
    ),
    (
        "live drums, acoustic drums, live drum, acoustic drum, real drums",
        &[AcousticKit, BrushKit],
        &[],
    ),
    (
        "brushes, brushed drums, brush drums, brush",
        &[BrushKit],
        &[],
    ),
    (
        "drum machine, electronic drums, programmed drums, synth drums, electronic drum, electronic beats, 909, drum machines",
        &[ElectronicKit],
        &[],
    ),
    ("808, 808s, 808 drums", &[SubBass, ElectronicKit], &[]),
    ("808 bass, sub bass, sub", &[SubBass], &[]),
    (
        "hand percussion, hand drums, bongo, cajon, djembe",
        &[HandPercussion],
        &[],
    ),
    ("conga, congas", &[], &[63, 64]),
    ("shaker, maraca, maracas, egg shaker", &[], &[70]),
    ("tambourine", &[], &[54]),
    (
        "kick, kick drum, bass drum, kicks, four on the floor",
        &[],
        &[36],
    ),
    (
        "snare, snare drum, snares, rimshot, backbeat",
        &[],
        &[37, 38, 27],
    ),
    (
        "clap, claps, handclap, handclaps, hand clap, finger snap, snap",
        &[],
        &[39],
    ),
    ("hi hat, hi-hats, hihat, hat, high hat", &[], &[42, 44, 46]),
    (
        "cymbal, cymbals, crash, crash cymbal, ride, ride cymbal",
        &[],
        &[49, 51],
    ),
    ("tom, toms, tom tom", &[], &[45, 47, 50]),
    (
        "bass, bassline, bass line, low bass, heavy bass, bassy",
        BASSES,
        &[],
    ),
    (
        "bass guitar, electric bass, fingered bass, slap bass, fretless bass",
        &[FingerBass],
        &[],
    ),
    (
        "upright bass, double bass, contrabass, acoustic bass, standup bass, walking bass",
        &[UprightBass],
        &[],
    ),
    (
        "synth bass, synthesizer bass, bass synth, moog bass, acid bass",
        &[SynthBass],
        &[],
    ),
    ("piano, pianos", &[Piano, ElectricPiano], &[]),
    (
        "grand piano, acoustic piano, upright piano, felt piano, soft piano",
        &[Piano],
        &[],
    ),
    (
        "electric piano, rhodes, wurlitzer, wurli, e piano, epiano, ep",
        &[ElectricPiano],
        &[],
    ),
    (
        "keys, keyboard, keyboards",
        &[Piano, ElectricPiano, Organ, SynthPad, SynthPluck, SynthLead],
        &[],
    ),
    (
        "organ, hammond, hammond organ, church organ, b3, drawbar organ",
        &[Organ],
        &[],
    ),
    (
        "vibraphone, marimba, xylophone, mallet, mallets",
        &[Vibraphone, Glockenspiel],
        &[],
    ),
    (
        "glockenspiel, bell, bells, celesta, music box, chime, chimes",
        &[Glockenspiel],
        &[],
    ),
    ("guitar, guitars", GUITARS, &[]),
    (
        "acoustic guitar, steel guitar, fingerpicking, fingerpicked guitar, strumming, strummed guitar, steel string guitar, 12 string guitar",
        &[SteelGuitar, NylonGuitar],
        &[],
    ),
    (
        "nylon guitar, classical guitar, spanish guitar, flamenco guitar, nylon string guitar",
        &[NylonGuitar],
        &[],
    ),
    (
        "electric guitar, electric guitars, clean guitar, clean electric guitar, jangly guitar, guitar riff",
        &[CleanGuitar, DistortedGuitar],
        &[],
    ),
    (
        "distorted guitar, heavy guitar, overdriven guitar, distorted electric guitar, power chord, power chords, crunchy guitar, guitar solo, shredding",
        &[DistortedGuitar],
        &[],
    ),
    ("ukulele, uke, mandolin", &[Ukulele], &[]),
    ("banjo, clawhammer banjo", &[Banjo], &[]),
    ("harp", &[Harp], &[]),
    (
        "strings, string, violin, violins, viola, cello, string section, fiddle, orchestral strings, lush strings",
        &[Strings],
        &[],
    ),
    (
        "brass, horn, horns, horn section, trumpet, trumpets, trombone, french horn, brass section",
        &[Brass],
        &[],
    ),
    (
        "flute, flutes, clarinet, oboe, recorder, whistle",
        &[Flute],
        &[],
    ),
    (
        "saxophone, saxophones, sax, tenor sax, sax solo",
        &[Saxophone],
        &[],
    ),
    ("woodwind, woodwinds, wind", &[Flute, Saxophone], &[]),
    (
        "orchestra, orchestration, full orchestra, orchestral instruments",
        ORCHESTRA,
        &[],
    ),
    (
        "synth, synths, synthesizer, synthesizers, synthesiser, analog synth, analogue synth, synthetic, synthy",
        SYNTHS,
        &[],
    ),
    (
        "pad, pads, synth pad, ambient pad, warm pad",
        &[SynthPad],
        &[],
    ),
    (
        "pluck, arp, arps, arpeggio, arpeggios, arpeggiator, synth arp, arpeggiated synth, pluck synth",
        &[SynthPluck],
        &[],
    ),
    ("lead, synth lead, lead synth", &[SynthLead], &[]),
    (
        "electronic, electronica, electronics, digital, programmed, computer",
        MACHINES,
        &[],
    ),
    ("acoustic, organic, acoustic instruments", ACOUSTIC, &[]),
    ("electric, amplified, electric instruments", ELECTRIC, &[]),
    (
        "choir, choirs, backing vocals, background vocals, gospel choir, ooh, oohs, aah, aahs, vocal harmonies, humming, vocal pads, choral, vocals, vocal, voice, voices, singing, singer, spoken word, a cappella, chant, rapping, scream",
        &[Voices],
        &[],
    ),
];

/// What asks for everything that there is.
const EVERYTHING: &str = "drums, hand percussion, bass, sub bass, piano, rhodes, organ, vibraphone, bells, acoustic guitar, \
     nylon guitar, electric guitar, distorted guitar, ukulele, banjo, harp, strings, brass, flute, saxophone, pad, arp, synth lead, choir";

fn score(style: StyleId, tags: &str, negative: &str, metre: Metre) -> Score {
    let (analysis, chords) = song(metre, 100.0);
    let mut brief = read_tags(tags, negative);
    brief.styles = vec![style];
    arrange(&analysis, &chords, &brief, &SETTINGS, 3)
}

#[test]
fn no_word_is_passed_over_in_any_style() {
    let mut checked = 0;
    for (words, instruments, pieces) in WORDS {
        for (number, word) in words.split(", ").enumerate() {
            let brief = read_tags("", word);
            assert_eq!(brief.unknown, Vec::<String>::new(), "{word:?} is not known");
            for style in StyleId::all() {
                // A wish must not bring back what is refused; alternately, as it doubles the work.
                let tags = if number % 2 == 0 { "" } else { EVERYTHING };
                let score = score(style, tags, word, Metre::FourFour);
                for part in &score.parts {
                    assert!(
                        !instruments.contains(&part.instrument),
                        "{style:?} with {tags:?} against {word:?} plays {:?}",
                        part.instrument
                    );
                    let struck = matches!(part.role, Role::Drums | Role::Percussion);
                    assert!(
                        !struck || !part.notes.iter().any(|note| pieces.contains(&note.midi)),
                        "{style:?} with {tags:?} strikes {pieces:?} against {word:?}"
                    );
                    checked += 1;
                }
            }
        }
    }
    assert!(checked > 10_000, "only {checked} parts were looked at");
}

#[test]
fn refused_effects_are_gone_in_every_style() {
    for style in StyleId::all() {
        for word in ["reverb", "no reverb", "reverberant"] {
            let score = score(style, "spacious, reverb", word, Metre::FourFour);
            assert!(
                score.room.wet <= 0.02,
                "{style:?} against {word:?}: {:?}",
                score.room
            );
        }
        for word in ["delay", "echo"] {
            let score = score(style, "spacious, echo", word, Metre::FourFour);
            assert_eq!(score.room.delay, 0.0, "{style:?} against {word:?}");
        }
        let clean = score(style, "distorted, lo-fi", "distortion", Metre::FourFour);
        assert!(
            clean.finish.grit <= 0.05,
            "{style:?} against distortion: {:?}",
            clean.finish
        );
        assert!(
            clean
                .parts
                .iter()
                .all(|part| part.instrument != DistortedGuitar),
            "{style:?} plays a distorted guitar against distortion"
        );
    }
}
