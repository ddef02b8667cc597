//! A song with known truth: beats, notes and chords made by hand, for tests that need no listening.

#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test binary takes what it needs"
)]

pub mod tunes;

use backline_audio::Audio;
use backline_band::analysis::{
    Analysis, Beat, Chord, ChordSpan, Confidence, Key, Metre, Mode, Note, Quality, Section,
    SectionKind, TimeSpan,
};
use backline_band::{ArrangeSettings, Finish, Room, Score, ScorePart, StyleId};

/// What is asked of the arranger where a test does not say otherwise.
pub const SETTINGS: ArrangeSettings = ArrangeSettings {
    style_weight: 0.5,
    audio_weight: 0.5,
    singer: None,
    take: 0,
};

/// Bars of the song before its last note.
pub const BARS: usize = 24;

/// A song in `metre` at `tempo_bpm`, and its chords: two bars of lead-in, a verse, a chorus, a gap of two bars after every eight.
pub fn song(metre: Metre, tempo_bpm: f64) -> (Analysis, Vec<ChordSpan>) {
    let in_bar = match metre {
        Metre::TwoFour | Metre::SixEight => 2,
        Metre::ThreeFour => 3,
        Metre::FourFour => 4,
    };
    let beat_s = 60.0 / tempo_bpm;
    let bar_s = beat_s * in_bar as f64;
    let beats: Vec<Beat> = (0..BARS * in_bar)
        .map(|index| Beat {
            time_s: index as f64 * beat_s,
            position: (index % in_bar) as u8,
        })
        .collect();
    let roots = [
        (0, Quality::Major),
        (9, Quality::Minor),
        (5, Quality::Major),
        (7, Quality::Seventh),
    ];
    let chords: Vec<ChordSpan> = (2..BARS)
        .map(|bar| {
            let (root, quality) = if bar + 1 == BARS {
                (0, Quality::Major)
            } else {
                roots[bar % 4]
            };
            ChordSpan {
                span: TimeSpan {
                    start_s: bar as f64 * bar_s,
                    end_s: (bar + 1) as f64 * bar_s,
                },
                first_beat: bar * in_bar,
                beats: in_bar,
                chord: Chord {
                    root,
                    quality,
                    bass: root,
                },
            }
        })
        .collect();
    let mut notes = Vec::new();
    for bar in 2..BARS {
        if bar % 8 >= 6 && bar + 1 != BARS {
            continue;
        }
        for beat in 0..in_bar {
            let onset_s = bar as f64 * bar_s + beat as f64 * beat_s;
            let midi = [64, 67, 69, 65][(bar + beat) % 4] + if bar >= 16 { 3 } else { 0 };
            notes.push(Note::new(
                onset_s,
                onset_s + beat_s * 0.9,
                midi,
                if bar >= 16 { -15.0 } else { -20.0 },
            ));
        }
    }
    let phrases = [(2, 6), (8, 14), (16, 22), (23, 24)]
        .iter()
        .map(|&(from, to)| TimeSpan {
            start_s: from as f64 * bar_s,
            end_s: to as f64 * bar_s,
        })
        .collect();
    let section = |from: usize, to: usize, kind, energy| Section {
        span: TimeSpan {
            start_s: from as f64 * bar_s,
            end_s: to as f64 * bar_s,
        },
        kind,
        energy,
    };
    let sections = vec![
        section(0, 2, SectionKind::Intro, 0.2),
        section(2, 8, SectionKind::Verse, 0.45),
        section(8, 16, SectionKind::Build, 0.6),
        section(16, BARS, SectionKind::Chorus, 0.9),
    ];
    let analysis = Analysis {
        duration_s: BARS as f64 * bar_s,
        tuning_cents: 0.0,
        pitch: Vec::new(),
        notes,
        beats,
        tempo_bpm,
        metre,
        key: Key {
            tonic: 0,
            mode: Mode::Major,
        },
        phrases,
        sections,
        loudness_lufs: Some(-20.0),
        confidence: Confidence {
            pitch: 1.0,
            beats: 1.0,
            metre: 1.0,
            key: 1.0,
        },
        remarks: Vec::new(),
        local_keys: Vec::new(),
    };
    (analysis, chords)
}

/// An "ah" on the given notes at `rate_hz`: eight harmonics with a vowel's slope, vibrato and soft onsets.
pub fn sing(notes: &[(f64, f64, u8)], duration_s: f64, rate_hz: u32) -> Audio {
    let frames = (duration_s * f64::from(rate_hz)) as usize;
    let mut samples = vec![0.0f32; frames];
    for &(onset_s, offset_s, midi) in notes {
        let hz = 440.0 * ((f64::from(midi) - 69.0) / 12.0).exp2();
        let from = (onset_s * f64::from(rate_hz)) as usize;
        let to = ((offset_s * f64::from(rate_hz)) as usize).min(frames);
        let mut phase = 0.0f64;
        for (frame, sample) in samples.iter_mut().enumerate().take(to).skip(from) {
            let now = (frame - from) as f64 / f64::from(rate_hz);
            let left = (to - frame) as f64 / f64::from(rate_hz);
            phase +=
                hz * (1.0 + 0.004 * (now * 34.0).sin() * (now * 4.0).min(1.0)) / f64::from(rate_hz);
            let envelope = (now / 0.03).min(1.0) * (left / 0.04).min(1.0);
            let tone: f64 = (1..=8)
                .filter(|n| hz * f64::from(*n) < f64::from(rate_hz) * 0.45)
                .map(|n| {
                    (std::f64::consts::TAU * phase * f64::from(n)).sin() / f64::from(n).powf(1.3)
                })
                .sum();
            *sample += (0.18 * tone * envelope) as f32;
        }
    }
    Audio {
        rate_hz,
        channels: vec![samples],
    }
}

/// A voice for the notes of an analysis.
pub fn voice_of(analysis: &Analysis, rate_hz: u32) -> Audio {
    let notes: Vec<_> = analysis
        .notes
        .iter()
        .map(|note| (note.onset_s, note.offset_s, note.midi))
        .collect();
    sing(&notes, analysis.duration_s, rate_hz)
}

/// A score of one part, without reverb.
pub fn dry(part: ScorePart, length_s: f64) -> Score {
    Score {
        style: StyleId::PopRock,
        length_s,
        parts: vec![part],
        energies: Vec::new(),
        tuning_cents: 0.0,
        final_chord_s: 0.0,
        chords: Vec::new(),
        room: Room {
            decay_s: 1.0,
            wet: 0.0,
            delay: 0.0,
            delay_s: 0.3,
        },
        finish: Finish {
            brightness: 0.0,
            grit: 0.0,
            voice_above_lu: 0.0,
            pump_db: 0.0,
        },
        beats: Vec::new(),
        metre: Metre::FourFour,
        key: Key {
            tonic: 0,
            mode: Mode::Major,
        },
    }
}
