//! A SoundFont in place of some of the band's own instruments. The font is made here: one looped sine on every key.
#![cfg(feature = "soundfont")]
#![allow(
    clippy::unwrap_used,
    reason = "a test that meets the unexpected should stop"
)]

mod song;

use backline_audio::{Audio, loudness};
use backline_band::{
    Articulation, Font, Instrument, RATE_HZ, Request, Role, Score, ScoreNote, ScorePart, Session,
    SoundSource, Take,
};
use song::{dry, tunes::TUNES, voice_of};

fn chunk(id: &[u8; 4], body: &[u8]) -> Vec<u8> {
    let mut bytes = id.to_vec();
    bytes.extend((body.len() as u32).to_le_bytes());
    bytes.extend(body);
    if body.len() % 2 == 1 {
        bytes.push(0);
    }
    bytes
}

fn list(id: &[u8; 4], chunks: &[Vec<u8>]) -> Vec<u8> {
    let mut body = id.to_vec();
    body.extend(chunks.concat());
    chunk(b"LIST", &body)
}

fn name(text: &str) -> Vec<u8> {
    let mut bytes = text.as_bytes().to_vec();
    bytes.resize(20, 0);
    bytes
}

fn words(values: &[u16]) -> Vec<u8> {
    values
        .iter()
        .flat_map(|value| value.to_le_bytes())
        .collect()
}

fn longs(values: &[u32]) -> Vec<u8> {
    values
        .iter()
        .flat_map(|value| value.to_le_bytes())
        .collect()
}

/// A font with one preset in bank 0 and one in the drums' bank, both a sine of 441 Hz, looped.
fn font() -> Vec<u8> {
    font_of(&[&[54, 1, 53, 0]])
}

/// A font with those zones: the generators and amounts of each, the sample last.
fn font_of(zones: &[&[u16]]) -> Vec<u8> {
    let wave: Vec<u8> = (0..4_410 + 46)
        .map(|frame| (f64::from(frame) * 441.0 / 44_100.0 * std::f64::consts::TAU).sin())
        .map(|value| {
            if value.is_finite() {
                (value * 12_000.0) as i16
            } else {
                0
            }
        })
        .flat_map(i16::to_le_bytes)
        .collect();
    let preset = |text: &str, bank: u16, bag: u16| {
        [name(text), words(&[0, bank, bag]), longs(&[0, 0, 0])].concat()
    };
    let instrument = |text: &str, bag: u16| [name(text), words(&[bag])].concat();
    let sample = |text: &str, values: &[u32; 5], key: u8, kind: u16| {
        [name(text), longs(values), vec![key, 0], words(&[0, kind])].concat()
    };
    let presets = [
        preset("sine", 0, 0),
        preset("drums", 128, 1),
        preset("EOP", 0, 2),
    ]
    .concat();
    let instruments = [instrument("sine", 0), instrument("EOI", zones.len() as u16)].concat();
    let starts = (0..=zones.len()).flat_map(|count| {
        let before: usize = zones[..count].iter().map(|zone| zone.len() / 2).sum();
        [before as u16, 0]
    });
    let starts: Vec<u16> = starts.collect();
    let generators: Vec<u16> = [zones.concat(), vec![0, 0]].concat();
    let samples = [
        sample("sine", &[0, 4_410, 100, 4_300, 44_100], 69, 1),
        sample("EOS", &[0, 0, 0, 0, 0], 0, 0),
    ]
    .concat();
    let info = list(
        b"INFO",
        &[
            chunk(b"ifil", &words(&[2, 1])),
            chunk(b"isng", b"EMU8000\0"),
            chunk(b"INAM", b"test font\0"),
        ],
    );
    let data = list(b"sdta", &[chunk(b"smpl", &wave)]);
    let tables = list(
        b"pdta",
        &[
            chunk(b"phdr", &presets),
            chunk(b"pbag", &words(&[0, 0, 1, 0, 2, 0])),
            chunk(b"pmod", &[0; 10]),
            chunk(b"pgen", &words(&[41, 0, 41, 0, 0, 0])),
            chunk(b"inst", &instruments),
            chunk(b"ibag", &words(&starts)),
            chunk(b"imod", &[0; 10]),
            chunk(b"igen", &words(&generators)),
            chunk(b"shdr", &samples),
        ],
    );
    let mut body = b"sfbk".to_vec();
    body.extend([info, data, tables].concat());
    chunk(b"RIFF", &body)
}

/// The program's tests bring this font as a file.
#[test]
fn the_fixture_is_this_font() {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../tests/fixtures/sound/sine.sf2"
    );
    assert!(std::fs::read(path).unwrap() == font());
}

/// A session with a vocal, with all but its tags, its sound and its takes the same.
fn session(vocal: &Audio, tags: &str, sound: SoundSource, takes: usize) -> Session {
    let request = Request {
        tags: tags.to_owned(),
        negative_tags: String::new(),
        style_weight: 0.5,
        weirdness_constraint: 0.2,
        audio_weight: 0.5,
        singer: None,
        seed: 3,
        takes,
    };
    Session::new(vocal, &request, sound).unwrap()
}

fn take_of(vocal: &Audio, tags: &str, sound: SoundSource) -> Take {
    session(vocal, tags, sound, 1).take(0).unwrap()
}

#[test]
fn a_font_plays_the_same_notes_at_the_same_level() {
    let mut vocal = voice_of(&TUNES[0].heard(100.0, 0), 16_000);
    vocal.channels[0].truncate(16_000 * 8);
    let font = Font::read(&font()).unwrap();
    assert!(font.name().starts_with("test font"));
    let play = |sound: SoundSource| take_of(&vocal, "pop ballad", sound);
    let (own, lent, again) = (
        play(SoundSource::Own),
        play(SoundSource::Font(font.clone())),
        play(SoundSource::Font(font)),
    );
    assert_eq!(own.score, lent.score);
    assert!(
        lent.instrumental == again.instrumental,
        "the font plays differently each time"
    );
    assert!(own.instrumental != lent.instrumental);
    let measured = loudness(&lent.instrumental);
    assert!((measured.integrated_lufs.unwrap() + 14.0).abs() < 0.3);
    assert!(measured.true_peak_dbtp <= -1.0);
    assert!(lent.stems().count() == lent.score.parts.len());
}

/// The samples of each part by itself, before mastering can tell one sound from another by its loudness.
#[test]
fn the_font_plays_what_it_has_and_the_band_the_rest() {
    let mut vocal = voice_of(&TUNES[0].heard(100.0, 0), 16_000);
    vocal.channels[0].truncate(16_000 * 6);
    let font = Font::read(&font()).unwrap();
    let play = |tags: &str, sound: SoundSource| take_of(&vocal, tags, sound);
    // The font has program 0 alone, in the melodic bank and in that of the kits.
    let take = play(
        "pop rock, piano, drums, organ",
        SoundSource::Font(font.clone()),
    );
    let lent = take.font_instruments();
    for (instrument, expected) in [
        (Instrument::Piano, true),
        (Instrument::AcousticKit, true),
        (Instrument::FingerBass, false),
        (Instrument::Organ, false),
    ] {
        let plays = take
            .score
            .parts
            .iter()
            .any(|part| part.instrument == instrument);
        assert!(plays, "{instrument:?} does not play");
        assert_eq!(lent.contains(&instrument), expected, "{instrument:?}");
    }
    assert!(
        play("pop rock, piano", SoundSource::Own)
            .font_instruments()
            .is_empty()
    );
    // With no part that it plays, a font changes nothing.
    let tags = "synthwave, drum machine, no piano";
    let (own, with) = (
        play(tags, SoundSource::Own),
        play(tags, SoundSource::Font(font)),
    );
    assert!(
        with.font_instruments().is_empty(),
        "{:?}",
        with.font_instruments()
    );
    assert!(own.instrumental == with.instrumental);
}

/// A part of a kit, without reverb: pieces and when they are struck, each held for two seconds.
fn kit(strokes: &[(u8, f64)]) -> Score {
    let notes = strokes.iter().map(|&(midi, start_s)| ScoreNote {
        start_s,
        length_s: 2.0,
        midi,
        velocity: 0.8,
        articulation: Articulation::Normal,
    });
    let part = ScorePart {
        instrument: Instrument::AcousticKit,
        role: Role::Drums,
        pan: 0.0,
        level_db: 0.0,
        notes: notes.collect(),
    };
    dry(part, 4.0)
}

/// Amplitude of a sine within a stretch.
fn amplitude(side: &[f32], hz: f64, from_s: f64, to_s: f64) -> f64 {
    let rate = f64::from(RATE_HZ);
    let range = (from_s * rate) as usize..(to_s * rate) as usize;
    let (mut cos, mut sin) = (0.0, 0.0);
    for at in range.clone() {
        let angle = std::f64::consts::TAU * hz * at as f64 / rate;
        cos += f64::from(side[at]) * angle.cos();
        sin += f64::from(side[at]) * angle.sin();
    }
    2.0 * cos.hypot(sin) / range.len() as f64
}

/// General MIDI's numbers of the hats, and the frequencies at which the font's sine sounds on those keys.
const HATS: [(u8, f64); 2] = [(42, 92.7), (46, 116.8)];

#[test]
fn hats_recorded_in_stereo_sound_on_both_sides_and_a_closed_one_ends_an_open_one() {
    // Left and right are two zones of one choke group.
    let [left, right] = [-500i16, 500].map(|pan| [17, pan as u16, 54, 1, 57, 1, 53, 0]);
    let font = Font::read(&font_of(&[&left, &right])).unwrap();
    let [(closed, closed_hz), (open, open_hz)] = HATS;
    let played = |strokes: &[(u8, f64)]| {
        let sound = SoundSource::Font(font.clone());
        backline_band::play(&kit(strokes), &sound, 1, 1)
    };
    let alone = played(&[(open, 0.0)]);
    let [one, other] = [&alone.left, &alone.right].map(|side| amplitude(side, open_hz, 0.2, 1.8));
    assert!(
        one > 0.01 && (one / other - 1.0).abs() < 0.05,
        "{one} and {other}"
    );
    let both = played(&[(open, 0.0), (closed, 0.6)]);
    let level = |hz: f64, from_s: f64, to_s: f64| amplitude(&both.left, hz, from_s, to_s);
    let (before, after) = (level(open_hz, 0.1, 0.5), level(open_hz, 0.7, 1.7));
    assert!(after < 0.02 * before, "{after} of {before} rings on");
    assert!(level(closed_hz, 0.7, 1.7) > 0.2 * before);
}

#[test]
fn what_is_no_font_is_refused() {
    for bytes in [&b""[..], b"RIFF", &[0; 4_000]] {
        let error = Font::read(bytes).unwrap_err();
        assert!(error.to_string().starts_with("read SoundFont"), "{error}");
    }
}

/// Where a chunk's content begins.
fn content_of(font: &[u8], id: &[u8; 4]) -> usize {
    font.windows(4).position(|it| it == id).unwrap() + 8
}

/// Files of strangers: what they claim costs no memory, and what makes no sense is an error.
#[test]
fn a_damaged_font_is_refused_or_an_error_when_it_plays() {
    let with = |id: &[u8; 4], at: usize, bytes: &[u8]| {
        let mut font = font();
        let from = (content_of(&font, id) + at).wrapping_sub(8);
        font[from..from + bytes.len()].copy_from_slice(bytes);
        font
    };
    let huge = u32::MAX.to_le_bytes();
    for id in [b"smpl", b"isng", b"pdta", b"sdta", b"shdr", b"pmod"] {
        let mut bytes = font();
        // The name of a list comes after its length.
        let before = if matches!(id, b"pdta" | b"sdta") {
            12
        } else {
            4
        };
        let at = content_of(&bytes, id) - before;
        bytes[at..at + 4].copy_from_slice(&huge);
        let error = Font::read(&bytes).unwrap_err().to_string();
        assert!(
            error.contains("longer than what it lies in"),
            "{id:?}: {error}"
        );
    }
    for (id, at) in [(b"ibag", 8), (b"pbag", 8), (b"inst", 28), (b"phdr", 32)] {
        let error = Font::read(&with(id, at, &[0xff, 0xff])).unwrap_err();
        assert!(
            error.to_string().contains("goes backwards"),
            "{id:?}: {error}"
        );
    }
    // A zone whose sample is another than there is: the library panics.
    let outside = with(b"igen", 8 + 6, &[9, 0]);
    let _: Result<Font, _> = Font::read(&outside);

    // A sample rate that runs past the loop's end in one step.
    let mut vocal = voice_of(&TUNES[0].heard(100.0, 0), 16_000);
    vocal.channels[0].truncate(16_000 * 4);
    let font = Font::read(&with(b"shdr", 8 + 36, &i32::MAX.to_le_bytes())).unwrap();
    let session = session(&vocal, "pop rock, piano, drums", SoundSource::Font(font), 2);
    for error in [session.take(0).err(), session.takes().err()] {
        let error = error.map(|error| error.to_string()).unwrap_or_default();
        assert!(error.contains("can't be played"), "{error}");
    }
}
