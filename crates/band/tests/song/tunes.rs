//! Traditional tunes, typed from memory: (length in beats, MIDI number; 0 is a rest), with metre and beats before the first bar.

use backline_band::analysis::{
    Analysis, Beat, Confidence, Key, Metre, Mode, Note, Section, SectionKind, TimeSpan,
};

/// A tune.
pub struct Tune {
    pub name: &'static str,
    pub metre: Metre,
    pub pickup: usize,
    pub key: Key,
    pub notes: &'static [(f64, u8)],
}

const fn major(tonic: u8) -> Key {
    Key {
        tonic,
        mode: Mode::Major,
    }
}

/// All tunes.
pub static TUNES: [Tune; 5] = [
    Tune {
        name: "Twinkle, twinkle",
        metre: Metre::FourFour,
        pickup: 0,
        key: major(0),
        notes: &[
            (1.0, 60),
            (1.0, 60),
            (1.0, 67),
            (1.0, 67),
            (1.0, 69),
            (1.0, 69),
            (2.0, 67),
            (1.0, 65),
            (1.0, 65),
            (1.0, 64),
            (1.0, 64),
            (1.0, 62),
            (1.0, 62),
            (2.0, 60),
            (1.0, 67),
            (1.0, 67),
            (1.0, 65),
            (1.0, 65),
            (1.0, 64),
            (1.0, 64),
            (2.0, 62),
            (1.0, 67),
            (1.0, 67),
            (1.0, 65),
            (1.0, 65),
            (1.0, 64),
            (1.0, 64),
            (2.0, 62),
            (1.0, 60),
            (1.0, 60),
            (1.0, 67),
            (1.0, 67),
            (1.0, 69),
            (1.0, 69),
            (2.0, 67),
            (1.0, 65),
            (1.0, 65),
            (1.0, 64),
            (1.0, 64),
            (1.0, 62),
            (1.0, 62),
            (2.0, 60),
        ],
    },
    Tune {
        name: "Amazing grace",
        metre: Metre::ThreeFour,
        pickup: 1,
        key: major(7),
        notes: &[
            (1.0, 62),
            (2.0, 67),
            (0.5, 71),
            (0.5, 67),
            (2.0, 71),
            (1.0, 69),
            (2.0, 67),
            (1.0, 64),
            (2.0, 62),
            (1.0, 62),
            (2.0, 67),
            (0.5, 71),
            (0.5, 67),
            (2.0, 71),
            (1.0, 69),
            (5.0, 74),
            (1.0, 71),
            (2.0, 74),
            (0.5, 71),
            (0.5, 67),
            (2.0, 71),
            (1.0, 69),
            (2.0, 67),
            (1.0, 64),
            (2.0, 62),
            (1.0, 62),
            (2.0, 67),
            (0.5, 71),
            (0.5, 67),
            (2.0, 71),
            (1.0, 69),
            (5.0, 67),
        ],
    },
    Tune {
        name: "Auld lang syne",
        metre: Metre::FourFour,
        pickup: 1,
        key: major(5),
        notes: &[
            (1.0, 60),
            (1.5, 65),
            (0.5, 65),
            (1.0, 65),
            (1.0, 69),
            (1.5, 67),
            (0.5, 65),
            (1.0, 67),
            (1.0, 69),
            (1.5, 65),
            (0.5, 65),
            (1.0, 69),
            (1.0, 72),
            (3.0, 74),
            (1.0, 74),
            (1.5, 72),
            (0.5, 69),
            (1.0, 69),
            (1.0, 65),
            (1.5, 67),
            (0.5, 65),
            (1.0, 67),
            (1.0, 69),
            (1.5, 65),
            (0.5, 62),
            (1.0, 62),
            (1.0, 60),
            (3.0, 65),
        ],
    },
    Tune {
        name: "When the saints",
        metre: Metre::FourFour,
        pickup: 3,
        key: major(0),
        notes: &[
            (1.0, 60),
            (1.0, 64),
            (1.0, 65),
            (4.0, 67),
            (1.0, 0),
            (1.0, 60),
            (1.0, 64),
            (1.0, 65),
            (4.0, 67),
            (1.0, 0),
            (1.0, 60),
            (1.0, 64),
            (1.0, 65),
            (2.0, 67),
            (2.0, 64),
            (2.0, 60),
            (2.0, 64),
            (4.0, 62),
            (1.0, 0),
            (1.0, 64),
            (1.0, 64),
            (1.0, 62),
            (3.0, 60),
            (1.0, 60),
            (2.0, 64),
            (2.0, 67),
            (1.0, 67),
            (3.0, 65),
            (1.0, 0),
            (1.0, 64),
            (1.0, 65),
            (1.0, 0),
            (2.0, 67),
            (2.0, 64),
            (2.0, 60),
            (2.0, 62),
            (4.0, 60),
        ],
    },
    Tune {
        name: "Scarborough fair",
        metre: Metre::ThreeFour,
        pickup: 0,
        key: Key {
            tonic: 9,
            mode: Mode::Minor,
        },
        notes: &[
            (2.0, 69),
            (1.0, 69),
            (1.0, 76),
            (1.0, 76),
            (1.0, 76),
            (1.5, 71),
            (0.5, 72),
            (1.0, 71),
            (3.0, 69),
            (1.0, 0),
            (1.0, 76),
            (1.0, 79),
            (2.0, 81),
            (1.0, 79),
            (1.0, 76),
            (1.0, 78),
            (1.0, 74),
            (5.0, 76),
            (1.0, 0),
            (1.0, 81),
            (1.0, 81),
            (1.0, 79),
            (2.0, 76),
            (1.0, 76),
            (1.0, 74),
            (1.0, 72),
            (1.0, 71),
            (1.0, 67),
            (3.0, 0),
            (2.0, 69),
            (1.0, 76),
            (2.0, 74),
            (1.0, 72),
            (1.0, 71),
            (1.0, 69),
            (1.0, 67),
            (3.0, 69),
        ],
    },
];

impl Tune {
    /// The tune as the band hears it, after a bar of lead-in, `semitones` higher.
    pub fn heard(&self, tempo_bpm: f64, semitones: u8) -> Analysis {
        let in_bar = match self.metre {
            Metre::TwoFour | Metre::SixEight => 2,
            Metre::ThreeFour => 3,
            Metre::FourFour => 4,
        };
        let beat_s = 60.0 / tempo_bpm;
        let mut at = (if self.pickup == 0 {
            in_bar
        } else {
            2 * in_bar - self.pickup
        }) as f64;
        let mut notes = Vec::new();
        let mut phrases: Vec<TimeSpan> = Vec::new();
        let mut rested = true;
        for &(beats, midi) in self.notes {
            let note = Note::new(
                at * beat_s,
                (at + beats * 0.95) * beat_s,
                midi + semitones,
                -20.0,
            );
            at += beats;
            if midi == 0 {
                rested = true;
                continue;
            }
            match phrases.last_mut() {
                Some(phrase) if !rested => phrase.end_s = note.offset_s,
                _ => phrases.push(TimeSpan {
                    start_s: note.onset_s,
                    end_s: note.offset_s,
                }),
            }
            rested = beats >= 2.0 && notes.len() % 7 == 6;
            notes.push(note);
        }
        let count = (at.ceil() as usize).div_ceil(in_bar) * in_bar + 1;
        let duration_s = at * beat_s + 0.5;
        Analysis {
            duration_s,
            tuning_cents: 0.0,
            pitch: Vec::new(),
            notes,
            beats: (0..count)
                .map(|index| Beat {
                    time_s: index as f64 * beat_s,
                    position: (index % in_bar) as u8,
                })
                .collect(),
            tempo_bpm,
            metre: self.metre,
            key: Key {
                tonic: (self.key.tonic + semitones) % 12,
                ..self.key
            },
            phrases,
            sections: vec![Section {
                span: TimeSpan {
                    start_s: 0.0,
                    end_s: duration_s,
                },
                kind: SectionKind::Verse,
                energy: 0.6,
            }],
            loudness_lufs: Some(-20.0),
            confidence: Confidence {
                pitch: 1.0,
                beats: 1.0,
                metre: 1.0,
                key: 1.0,
            },
            remarks: Vec::new(),
            local_keys: Vec::new(),
        }
    }
}
