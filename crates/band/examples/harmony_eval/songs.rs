//! Lead sheets as the band hears a song: notes and beats in seconds at 100 beats a minute, and the people's chords.

use std::{error::Error, io::Read};

use backline_band::analysis::{
    Analysis, Beat, Chord, Confidence, Key, Metre, Mode, Note, Quality, TimeSpan,
};
use serde::Deserialize;

use crate::measures::Laid;

const BEAT_S: f64 = 0.6;

#[derive(Deserialize)]
struct Written {
    time_signature: Option<(u32, u32)>,
    fifths: Option<i32>,
    notes: Vec<(f64, f64, u8)>,
    chords: Vec<(f64, u8, String, Vec<u8>)>,
    bars: Vec<(f64, f64)>,
}

/// A song and its lead sheet's chords.
pub(crate) struct Song {
    pub(crate) analysis: Analysis,
    pub(crate) people: Vec<Laid>,
}

impl Song {
    /// The tonic's chord all the way.
    pub(crate) fn drone(&self) -> Vec<Laid> {
        let key = self.analysis.key;
        let quality = match key.mode {
            Mode::Major => Quality::Major,
            Mode::Minor => Quality::Minor,
        };
        vec![Laid {
            start_s: 0.0,
            end_s: self.analysis.duration_s,
            chord: Chord {
                root: key.tonic,
                quality,
                bass: key.tonic,
            },
        }]
    }
}

/// Reads a fifth of the compressed list's songs: number `fold` of each five. The learning program holds number 4 out.
pub(crate) fn read_songs(bytes: &[u8], fold: usize) -> Result<Vec<Song>, Box<dyn Error>> {
    let mut text = String::new();
    flate2::read::GzDecoder::new(bytes).read_to_string(&mut text)?;
    let written: Vec<Written> = serde_json::from_str(&text)?;
    Ok(written
        .iter()
        .skip(fold)
        .step_by(5)
        .filter_map(song)
        .collect())
}

fn song(song: &Written) -> Option<Song> {
    let (upper, lower) = song.time_signature?;
    let fifths = song.fifths?;
    let (beat, metre) = match (upper, lower) {
        (4, 4) | (2, 2) => (1.0, Metre::FourFour),
        (3, 4) => (1.0, Metre::ThreeFour),
        (2, 4) => (1.0, Metre::TwoFour),
        (6, 8) => (1.5, Metre::SixEight),
        (12, 8) => (1.5, Metre::FourFour),
        _ => return None,
    };
    let in_bar = match metre {
        Metre::FourFour => 4,
        Metre::ThreeFour => 3,
        _ => 2,
    };
    let seconds = |quarters: f64| quarters / beat * BEAT_S;
    let mut beats = Vec::new();
    for (number, &(onset, stated)) in song.bars.iter().enumerate() {
        // A pickup states the length of a whole bar; where the next bar starts tells how long it is.
        let length = song
            .bars
            .get(number + 1)
            .map_or(stated, |next| next.0 - onset);
        let count = ((length / beat).round().max(1.0) as usize).min(in_bar);
        let shift = if number == 0 { in_bar - count } else { 0 };
        beats.extend((0..count).map(|index| Beat {
            time_s: seconds(onset + index as f64 * beat),
            position: (index + shift) as u8,
        }));
    }
    let end_s = seconds(song.bars.last().map(|&(onset, length)| onset + length)?);
    beats.push(Beat {
        time_s: end_s,
        position: 0,
    });
    let notes: Vec<Note> = song
        .notes
        .iter()
        .map(|&(onset, length, midi)| {
            Note::new(seconds(onset), seconds(onset + length), midi, -20.0)
        })
        .collect();
    let signature = (fifths * 7).rem_euclid(12) as u8;
    let minor = song.chords.last().is_some_and(|(_, root, _, classes)| {
        (root + 12 - signature) % 12 == 9 && classes.contains(&((root + 3) % 12))
    });
    let people = song
        .chords
        .iter()
        .enumerate()
        .map(|(index, (onset, root, kind, classes))| Laid {
            start_s: seconds(*onset),
            end_s: song
                .chords
                .get(index + 1)
                .map_or(end_s, |next| seconds(next.0)),
            chord: Chord {
                root: *root,
                quality: quality(*root, kind, classes),
                bass: *root,
            },
        })
        .filter(|laid| laid.end_s > laid.start_s)
        .collect();
    let phrases = between_rests(&notes);
    Some(Song {
        people,
        analysis: Analysis {
            duration_s: end_s,
            tuning_cents: 0.0,
            pitch: Vec::new(),
            notes,
            beats,
            tempo_bpm: 60.0 / BEAT_S,
            metre,
            key: Key {
                tonic: if minor {
                    (signature + 9) % 12
                } else {
                    signature
                },
                mode: if minor { Mode::Minor } else { Mode::Major },
            },
            phrases,
            sections: Vec::new(),
            loudness_lufs: None,
            confidence: Confidence {
                pitch: 1.0,
                beats: 1.0,
                metre: 1.0,
                key: 1.0,
            },
            remarks: Vec::new(),
            local_keys: Vec::new(),
        },
    })
}

/// Notes without a rest of half a beat between them. They replace the phrases that listening finds: the figures in the README of
/// `tools/band_eval` were measured with them.
fn between_rests(notes: &[Note]) -> Vec<TimeSpan> {
    let mut phrases: Vec<TimeSpan> = Vec::new();
    for note in notes {
        match phrases.last_mut() {
            Some(last) if note.onset_s - last.end_s < 0.5 * BEAT_S => last.end_s = note.offset_s,
            _ => phrases.push(TimeSpan {
                start_s: note.onset_s,
                end_s: note.offset_s,
            }),
        }
    }
    phrases
}

/// The nearest quality that the band knows.
fn quality(root: u8, kind: &str, classes: &[u8]) -> Quality {
    let has = |above: u8| classes.contains(&((root + above) % 12));
    match (has(4), has(3)) {
        (true, _) if has(8) && !has(7) => Quality::Augmented,
        (true, _) if has(10) && has(2) => Quality::Ninth,
        (true, _) if has(10) => Quality::Seventh,
        (true, _) if has(11) => Quality::MajorSeventh,
        (true, _) if has(9) => Quality::Sixth,
        (true, _) => Quality::Major,
        (_, true) if has(6) && has(10) => Quality::HalfDiminished,
        (_, true) if has(6) && !has(7) => Quality::Diminished,
        (_, true) if has(10) => Quality::MinorSeventh,
        (_, true) => Quality::Minor,
        _ if kind.contains("fourth") => Quality::Sus4,
        _ => Quality::Power,
    }
}
