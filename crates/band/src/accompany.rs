//! The whole way: a vocal and a request in, finished takes and their facts out.
//!
//! The studio calls this once a task. Nothing is trimmed: instrumental, mix and vocal share their time zero.

use backline_audio::{Audio, ResampleError, resample};
use serde::Serialize;

use crate::{
    analysis::{Analysis, HarmonySettings, Key, Metre, Mode},
    arrange::{Instrument, Score, Settings, StyleId, arrange, style_of},
    chance::Chance,
    chord_names::{chord_name, pitch_name},
    harmony::harmonise,
    listen::listen,
    play::{Mastered, RATE_HZ, lay_over, master, play},
    tags::{Brief, read_tags},
};

/// Longest vocal that is accompanied, in seconds: a quarter of an hour, which takes about two gigabytes of memory.
pub const MAX_VOCAL_S: f64 = 900.0;

/// Most takes of one request.
pub const MAX_TAKES: usize = 4;

/// What is asked of the band.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// What it should be like.
    pub tags: String,
    /// What must not be heard; wins over everything.
    pub negative_tags: String,
    /// How strongly the style's habits hold, 0..1.
    pub style_weight: f32,
    /// 0 plain … 1 adventurous harmony.
    pub weirdness_constraint: f32,
    /// How closely time and dynamics follow the singer, 0..1.
    pub audio_weight: f32,
    /// Who sings, where the voice itself does not tell.
    pub singer: Option<Singer>,
    /// The seed: the same request, vocal and seed give the same bytes.
    pub seed: u64,
    /// Number of takes, 1..=[`MAX_TAKES`].
    pub takes: usize,
}

/// Who sings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Singer {
    /// A low voice.
    Male,
    /// A high voice.
    Female,
}

/// What the band made.
#[derive(Debug, Clone, PartialEq)]
pub struct Accompaniment {
    /// The takes, in order.
    pub takes: Vec<Take>,
    /// What was heard in the vocal.
    pub analysis: Analysis,
}

/// One finished take.
#[derive(Debug, Clone, PartialEq)]
pub struct Take {
    /// The band alone: stereo at 44.1 kHz, from the vocal's time zero to a few seconds after its end.
    pub instrumental: Audio,
    /// The voice over the band.
    pub mix: Audio,
    /// What was played.
    pub facts: Facts,
}

/// What was played, for reports.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Facts {
    /// Number of the take, from 1.
    pub take: usize,
    /// Seed of the take.
    pub seed: u64,
    /// Style, by name.
    pub style: &'static str,
    /// Key of the song ("G major").
    pub key: String,
    /// Median tempo in beats per minute.
    pub tempo_bpm: f64,
    /// Metre ("3/4").
    pub metre: &'static str,
    /// The chords as played.
    pub chords: Vec<ChordFact>,
    /// The instruments that play, by name.
    pub instruments: Vec<&'static str>,
    /// Length of the instrumental in seconds.
    pub length_s: f64,
    /// Where the final chord falls, in seconds.
    pub final_chord_s: f64,
    /// Integrated loudness of the instrumental in LUFS; `None` when nothing may play.
    pub loudness_lufs: Option<f64>,
    /// True peak of the instrumental in dBTP.
    pub true_peak_dbtp: f64,
    /// Integrated loudness of the mix in LUFS.
    pub mix_loudness_lufs: Option<f64>,
    /// True peak of the mix in dBTP.
    pub mix_true_peak_dbtp: f64,
    /// What of the tags was not understood.
    pub not_understood: Vec<String>,
    /// What the listener should know ("no singing was found …").
    pub remarks: Vec<String>,
}

/// A chord and when it sounds.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ChordFact {
    /// Start in seconds.
    pub start_s: f64,
    /// End in seconds.
    pub end_s: f64,
    /// Its symbol ("Am7/G").
    pub name: String,
}

/// Why there is no accompaniment.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BandError {
    /// The vocal has no samples.
    #[error("accompany: the vocal has no samples")]
    Empty,
    /// The vocal is too long.
    #[error(
        "accompany: the vocal lasts {duration_s:.0} s, at most {MAX_VOCAL_S:.0} s are accompanied"
    )]
    TooLong {
        /// Its length in seconds.
        duration_s: f64,
    },
    /// The vocal's rate can't be worked with.
    #[error("accompany: the vocal can't be brought to {RATE_HZ} Hz")]
    Rate(#[source] ResampleError),
    /// A weight lies outside 0..1.
    #[error("accompany: {name} is {value}, expected 0 to 1")]
    Weight {
        /// Which one.
        name: &'static str,
        /// What it was.
        value: f32,
    },
    /// The number of takes is out of range.
    #[error("accompany: {takes} takes were asked for, expected 1 to {MAX_TAKES}")]
    Takes {
        /// How many were asked for.
        takes: usize,
    },
    /// The score holds what the negative tags forbid. This is a bug of the band, caught before anything is heard.
    #[error(
        "accompany: the score of take {take} holds {instrument:?}, which the tags forbid; this is a bug"
    )]
    Forbidden {
        /// The take.
        take: usize,
        /// The instrument.
        instrument: Instrument,
    },
}

/// Accompanies a vocal.
///
/// Never trims, never fails on silence or noise: what could not be found stands in the remarks. Samples that are no numbers
/// count as silence, and a remark says how many there were.
pub fn accompany(vocal: &Audio, request: &Request) -> Result<Accompaniment, BandError> {
    check(vocal, request)?;
    let (vocal, mended) = without_strays(vocal);
    let brief = read_tags(&request.tags, &request.negative_tags);
    let analysis = listen(&vocal, &brief.hints());
    let mono = Audio {
        rate_hz: vocal.rate_hz,
        channels: vec![vocal.to_mono()],
    };
    let voice = resample(&mono, RATE_HZ).map_err(BandError::Rate)?;
    let voice: &[f32] = voice.channels.first().map_or(&[], Vec::as_slice);
    let mut remarks = analysis.remarks.clone();
    if mended > 0 {
        remarks.push(format!(
            "{mended} samples of the vocal were not numbers and were taken as silence"
        ));
    }
    let takes = (0..request.takes)
        .map(|take| one_take(take, voice, request, &brief, &analysis, &remarks))
        .collect::<Result<_, _>>()?;
    Ok(Accompaniment { takes, analysis })
}

fn check(vocal: &Audio, request: &Request) -> Result<(), BandError> {
    if vocal.frames() == 0 || vocal.rate_hz == 0 {
        return Err(BandError::Empty);
    }
    if vocal.duration_s() > MAX_VOCAL_S {
        return Err(BandError::TooLong {
            duration_s: vocal.duration_s(),
        });
    }
    if !(1..=MAX_TAKES).contains(&request.takes) {
        return Err(BandError::Takes {
            takes: request.takes,
        });
    }
    for (name, value) in [
        ("style_weight", request.style_weight),
        ("weirdness_constraint", request.weirdness_constraint),
        ("audio_weight", request.audio_weight),
    ] {
        if !(0.0..=1.0).contains(&value) {
            return Err(BandError::Weight { name, value });
        }
    }
    Ok(())
}

/// The vocal with every sample a number, and how many were not.
fn without_strays(vocal: &Audio) -> (Audio, usize) {
    let mut mended = 0;
    let channels = vocal
        .channels
        .iter()
        .map(|channel| {
            let clean = |&sample: &f32| {
                if sample.is_finite() {
                    sample
                } else {
                    mended += 1;
                    0.0
                }
            };
            channel.iter().map(clean).collect()
        })
        .collect();
    (
        Audio {
            rate_hz: vocal.rate_hz,
            channels,
        },
        mended,
    )
}

fn one_take(
    take: usize,
    voice: &[f32],
    request: &Request,
    brief: &Brief,
    analysis: &Analysis,
    remarks: &[String],
) -> Result<Take, BandError> {
    let seed = Chance::new(request.seed, &[81, take as u64]).seed();
    let style = style_of(brief, analysis, take);
    let harmony = HarmonySettings {
        vocabulary: style.vocabulary(),
        weirdness: request.weirdness_constraint,
        style_weight: request.style_weight,
        variety: if take == 0 { 0.0 } else { 0.65 },
    };
    let chords = harmonise(analysis, &harmony, seed);
    let settings = Settings {
        style_weight: request.style_weight,
        audio_weight: request.audio_weight,
        singer: request.singer,
        take,
    };
    let score = arrange(analysis, &chords, brief, &settings, seed);
    if let Some(instrument) = score.breach(brief) {
        return Err(BandError::Forbidden {
            take: take + 1,
            instrument,
        });
    }
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let instrumental = master(play(&score, seed, threads), &score.finish);
    let mix = lay_over(voice, &instrumental.audio);
    let facts = facts(
        take,
        seed,
        style,
        &score,
        brief,
        analysis,
        remarks,
        &instrumental,
        &mix,
    );
    Ok(Take {
        instrumental: instrumental.audio,
        mix: mix.audio,
        facts,
    })
}

#[expect(
    clippy::too_many_arguments,
    reason = "it gathers what all the steps found, in one place"
)]
fn facts(
    take: usize,
    seed: u64,
    style: StyleId,
    score: &Score,
    brief: &Brief,
    analysis: &Analysis,
    remarks: &[String],
    instrumental: &Mastered,
    mix: &Mastered,
) -> Facts {
    let mut remarks = remarks.to_vec();
    if score.parts.is_empty() {
        remarks.push(
            "the tags leave no instrument that may play: the instrumental is silent".to_owned(),
        );
    }
    Facts {
        take: take + 1,
        seed,
        style: style.name(),
        key: key_name(analysis.key),
        tempo_bpm: analysis.tempo_bpm,
        metre: metre_name(analysis.metre),
        chords: score
            .chords
            .iter()
            .map(|(span, chord)| ChordFact {
                start_s: span.start_s,
                end_s: span.end_s,
                name: chord_name(chord, analysis.key),
            })
            .collect(),
        instruments: score
            .instruments()
            .into_iter()
            .map(Instrument::name)
            .collect(),
        length_s: score.length_s,
        final_chord_s: score.final_chord_s,
        loudness_lufs: instrumental.loudness.integrated_lufs,
        true_peak_dbtp: instrumental.loudness.true_peak_dbtp,
        mix_loudness_lufs: mix.loudness.integrated_lufs,
        mix_true_peak_dbtp: mix.loudness.true_peak_dbtp,
        not_understood: brief.unknown.clone(),
        remarks,
    }
}

fn key_name(key: Key) -> String {
    let mode = match key.mode {
        Mode::Major => "major",
        Mode::Minor => "minor",
    };
    format!("{} {mode}", pitch_name(key.tonic, key))
}

fn metre_name(metre: Metre) -> &'static str {
    match metre {
        Metre::TwoFour => "2/4",
        Metre::ThreeFour => "3/4",
        Metre::FourFour => "4/4",
        Metre::SixEight => "6/8",
    }
}
