//! The measures, each for one song; means over songs.

use std::collections::BTreeMap;

use backline_band::analysis::{Chord, Mode, Note, Quality};

use crate::songs::Song;

/// A chord and when it sounds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Laid {
    pub(crate) start_s: f64,
    pub(crate) end_s: f64,
    pub(crate) chord: Chord,
}

/// What was measured.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Measures {
    pub(crate) agreement: f64,
    pub(crate) chord_tones: f64,
    pub(crate) proper: f64,
    pub(crate) consonance: f64,
    pub(crate) entropy: f64,
    pub(crate) distinct: f64,
    pub(crate) off_scale: f64,
}

impl Measures {
    /// Measures chords under a song.
    pub(crate) fn of(song: &Song, laid: &[Laid]) -> Self {
        let notes = &song.analysis.notes;
        let (mut inside, mut sung, mut consonant) = (0.0, 0.0, 0.0);
        let (mut proper, mut counted) = (0.0, 0.0);
        for (index, note) in notes.iter().enumerate() {
            for here in under(laid, note) {
                let length = note.offset_s.min(here.end_s) - note.onset_s.max(here.start_s);
                sung += length;
                inside += length * f64::from(u8::from(here.chord.holds(note.midi)));
                consonant += length * consonance(&here.chord, note.midi);
            }
            let Some(first) = under(laid, note).next() else {
                continue;
            };
            counted += 1.0;
            let steps_on = notes
                .get(index + 1)
                .is_some_and(|next| next.midi.abs_diff(note.midi) <= 2);
            proper += f64::from(u8::from(first.chord.holds(note.midi) || steps_on));
        }
        let mut heard: BTreeMap<(u8, u8), f64> = BTreeMap::new();
        let (mut off, mut all) = (0.0, 0.0);
        for here in laid {
            let length = here.end_s - here.start_s;
            *heard
                .entry((here.chord.root % 12, triad(here.chord.quality)))
                .or_default() += length;
            all += length;
            off += length * f64::from(u8::from(off_scale(song, &here.chord)));
        }
        let total: f64 = heard.values().sum();
        let entropy = heard
            .values()
            .filter(|&&length| length > 0.0)
            .map(|length| length / total)
            .map(|share| -share * share.ln())
            .sum();
        Self {
            agreement: agreement(&song.people, laid),
            chord_tones: share(inside, sung),
            proper: share(proper, counted),
            consonance: share(consonant, sung),
            entropy,
            distinct: heard.len() as f64,
            off_scale: share(off, all),
        }
    }

    /// Chord tones and consonance together: what a wrong accompaniment must lose.
    pub(crate) fn fit(&self) -> f64 {
        self.chord_tones + self.consonance
    }

    /// The mean over songs.
    pub(crate) fn mean(all: &[Measures]) -> Self {
        let count = all.len().max(1) as f64;
        let mean = |value: fn(&Measures) -> f64| all.iter().map(value).sum::<f64>() / count;
        Self {
            agreement: mean(|one| one.agreement),
            chord_tones: mean(|one| one.chord_tones),
            proper: mean(|one| one.proper),
            consonance: mean(|one| one.consonance),
            entropy: mean(|one| one.entropy),
            distinct: mean(|one| one.distinct),
            off_scale: mean(|one| one.off_scale),
        }
    }
}

fn share(part: f64, whole: f64) -> f64 {
    if whole > 0.0 { part / whole } else { 0.0 }
}

fn under<'a>(laid: &'a [Laid], note: &'a Note) -> impl Iterator<Item = &'a Laid> {
    laid.iter()
        .filter(|here| here.start_s < note.offset_s - 1e-6 && here.end_s > note.onset_s + 1e-6)
}

/// 1 for a unison, third, fifth or sixth, 0 for a fourth, −1 for the rest; the mean over the chord's tones.
fn consonance(chord: &Chord, midi: u8) -> f64 {
    let tones = chord.quality.intervals();
    let sum: f64 = tones
        .iter()
        .map(|tone| match (midi + 24 - chord.root % 12 - tone) % 12 {
            0 | 3 | 4 | 7 | 8 | 9 => 1.0,
            5 => 0.0,
            _ => -1.0,
        })
        .sum();
    sum / tones.len() as f64
}

/// 0 major, 1 minor, 2 diminished, 3 neither.
fn triad(quality: Quality) -> u8 {
    match quality {
        Quality::Minor | Quality::MinorSeventh | Quality::MinorNinth => 1,
        Quality::Diminished | Quality::HalfDiminished => 2,
        Quality::Augmented => 3,
        _ => 0,
    }
}

fn off_scale(song: &Song, chord: &Chord) -> bool {
    let key = song.analysis.key;
    let scale: &[u8] = match key.mode {
        Mode::Major => &[0, 2, 4, 5, 7, 9, 11],
        Mode::Minor => &[0, 2, 3, 5, 7, 8, 10, 11],
    };
    chord.quality.intervals().iter().take(3).any(|tone| {
        let above = (chord.root + tone + 24 - key.tonic) % 12;
        !scale.contains(&above)
    })
}

/// Share of the sheet's time in major and minor chords under which the same triad is laid.
fn agreement(people: &[Laid], laid: &[Laid]) -> f64 {
    let (mut same, mut all) = (0.0, 0.0);
    for theirs in people {
        let kind = match theirs.chord.quality {
            Quality::Sus4 | Quality::Sus2 | Quality::Power => 3,
            quality => triad(quality),
        };
        if kind > 1 {
            continue;
        }
        all += theirs.end_s - theirs.start_s;
        for ours in laid {
            let both = ours.end_s.min(theirs.end_s) - ours.start_s.max(theirs.start_s);
            let equal =
                ours.chord.root % 12 == theirs.chord.root % 12 && triad(ours.chord.quality) == kind;
            if both > 0.0 && equal {
                same += both;
            }
        }
    }
    share(same, all)
}

/// The same chords where they do not belong: higher, later, under another song.
pub(crate) fn wrong_ones(
    songs: &[Song],
    laid: &[Vec<Laid>],
) -> Vec<(&'static str, Vec<Vec<Laid>>)> {
    let moved = |semitones: u8| -> Vec<Vec<Laid>> {
        laid.iter()
            .map(|song| {
                song.iter()
                    .map(|here| Laid {
                        chord: Chord {
                            root: (here.chord.root + semitones) % 12,
                            ..here.chord
                        },
                        ..*here
                    })
                    .collect()
            })
            .collect()
    };
    let late = laid
        .iter()
        .map(|song| {
            song.iter()
                .map(|here| Laid {
                    start_s: here.start_s + 0.9,
                    end_s: here.end_s + 0.9,
                    ..*here
                })
                .collect()
        })
        .collect();
    let other = (0..songs.len())
        .map(|index| laid[(index + 1) % laid.len()].clone())
        .collect();
    vec![
        ("+1", moved(1)),
        ("+6", moved(6)),
        ("late", late),
        ("other", other),
    ]
}
