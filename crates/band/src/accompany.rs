//! Accompanies a vocal: a vocal and a request in, finished takes and their facts out.
//!
//! The studio calls this once a task. Nothing is trimmed: instrumental, mix and vocal start at the same time.

use std::borrow::Cow;

use backline_audio::{Audio, ResampleError, resample};

#[cfg(feature = "soundfont")]
use crate::play::{FontError, caught};

use crate::{
    analysis::{Analysis, HarmonySettings},
    arrange::{ArrangeSettings, Role, Score, arrange, style_of},
    catalogue::{Instrument, Singer},
    chance::Chance,
    facts::{Facts, facts},
    harmony::harmonise,
    listen::listen,
    midi::midi,
    play::{
        Mastering, RATE_HZ, SoundSource, Stereo, Voice, Voicing, in_parallel, lay_over_at,
        loudness_of, master_at, play, solo, voice_over,
    },
    tags::{Brief, read_tags},
};

/// Longest vocal that is accompanied, in seconds: a quarter of an hour. Its take takes 1.0 GB of memory on one core, most of it
/// the finished samples, and .16 GB more on each further one.
pub const MAX_VOCAL_S: f64 = 900.0;

/// Most takes of one request.
pub const MAX_TAKES: usize = 4;

/// A request for takes.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// What it should be like.
    pub tags: String,
    /// What must not be heard; overrides all other fields.
    pub negative_tags: String,
    /// Weight of the style's habits, 0..1.
    pub style_weight: f32,
    /// 0 plain … 1 adventurous harmony.
    pub weirdness_constraint: f32,
    /// How closely time and dynamics follow the singer, 0..1.
    pub audio_weight: f32,
    /// Who sings, used where the vocal does not show it.
    pub singer: Option<Singer>,
    /// The seed: the same request, vocal and seed give the same bytes.
    pub seed: u64,
    /// Number of takes, 1..=[`MAX_TAKES`].
    pub takes: usize,
}

/// What the band made.
#[derive(Debug, Clone)]
pub struct Accompaniment {
    /// The takes, in order.
    pub takes: Vec<Take>,
    /// What was heard in the vocal.
    pub analysis: Analysis,
}

/// One finished take.
#[derive(Debug, Clone)]
pub struct Take {
    /// The band alone: stereo at 44.1 kHz, from the vocal's time zero to a few seconds after its end.
    pub instrumental: Audio,
    /// The voice over the band.
    pub mix: Audio,
    /// What was played.
    pub facts: Facts,
    /// The notes.
    pub score: Score,
    /// Loudness of the parts' sum before it was mastered.
    sum_lufs: Option<f64>,
    sound: SoundSource,
}

/// One part of a take by itself.
#[derive(Debug, Clone, PartialEq)]
pub struct PartAudio {
    /// Who plays.
    pub instrument: Instrument,
    /// What for.
    pub role: Role,
    /// Stereo at 44.1 kHz from the vocal's time zero, with its own reverb and its own share of the mastering: the sum of all parts is
    /// the instrumental.
    pub audio: Audio,
}

impl Take {
    /// The score as the bytes of a standard MIDI file.
    pub fn midi(&self) -> Vec<u8> {
        midi(&self.score)
    }

    /// The instruments that a SoundFont played, in the order of the score.
    pub fn font_instruments(&self) -> Vec<Instrument> {
        self.sound.font_instruments(&self.score)
    }

    /// The parts one by one, each played when the iterator reaches it: a part of a long song is large.
    pub fn stems(&self) -> impl Iterator<Item = PartAudio> {
        let alone = (0..self.score.parts.len()).map(|part| vec![part]);
        let played = self.groups(alone.collect());
        self.score
            .parts
            .iter()
            .zip(played)
            .map(|(part, audio)| PartAudio {
                instrument: part.instrument,
                role: part.role,
                audio,
            })
    }

    /// Groups of parts, named by their places in the score, each as one recording that is played when the iterator reaches it. Where
    /// every part is in one group, the groups add up to the instrumental. A group without parts is silent.
    pub fn groups(&self, groups: Vec<Vec<usize>>) -> impl Iterator<Item = Audio> {
        let seed = self.facts.seed;
        let sum = play(&self.score, &self.sound, seed, cores());
        let finish = &self.score.finish;
        let mastering = Mastering::between(sum, self.sum_lufs, finish, &self.instrumental);
        groups.into_iter().map(move |group| {
            let mut parts = group
                .into_iter()
                .map(|number| solo(&self.score, &self.sound, number, seed));
            let frames = self.instrumental.frames();
            let mut together = parts.next().unwrap_or_else(|| Stereo {
                left: vec![0.0; frames],
                right: vec![0.0; frames],
            });
            for part in parts {
                for (sum, alone) in [
                    (&mut together.left, &part.left),
                    (&mut together.right, &part.right),
                ] {
                    sum.iter_mut().zip(alone).for_each(|(sum, it)| *sum += it);
                }
            }
            // Mastering of a stem is linear: it is the same before and after the sum.
            mastering.finish(&mut together);
            Audio {
                rate_hz: RATE_HZ,
                channels: vec![together.left, together.right],
            }
        })
    }
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
    #[error("accompany: the vocal cannot be resampled to {RATE_HZ} Hz")]
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
        /// The number in the request.
        takes: usize,
    },
    /// The SoundFont can't be played.
    #[cfg(feature = "soundfont")]
    #[error(transparent)]
    Font(#[from] FontError),
    /// The score has an instrument that the negative tags forbid. This is a bug of the band, found before anything is played.
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
/// Never trims, never fails on silence or noise: the remarks list what could not be found. Samples that are not finite count as
/// silence, and a remark has their number.
pub fn accompany(vocal: &Audio, request: &Request) -> Result<Accompaniment, BandError> {
    let session = Session::new(vocal, request, SoundSource::Own)?;
    let takes = session.takes()?;
    Ok(Accompaniment {
        takes,
        analysis: session.analysis,
    })
}

/// Takes of vocals up to this length, in seconds, are played in parallel, one on each core. Takes of longer vocals are played one after
/// another, because the memory of a take grows with its length.
const PARALLEL_S: f64 = 300.0;

/// An analysed vocal, ready for takes: for callers that keep one take at a time, or use a SoundFont.
#[derive(Debug, Clone)]
pub struct Session {
    request: Request,
    brief: Brief,
    sound: SoundSource,
    voice: Voice,
    remarks: Vec<String>,
    /// What was heard in the vocal.
    pub analysis: Analysis,
}

impl Session {
    /// Checks the request, reads the tags, and listens.
    pub fn new(vocal: &Audio, request: &Request, sound: SoundSource) -> Result<Self, BandError> {
        listen_to(vocal, request, sound)
    }

    /// Plays take number `take`, from 0: the same number gives the same take, whichever others were played.
    pub fn take(&self, take: usize) -> Result<Take, BandError> {
        caught(|| one_take(take, self, cores()))?
    }

    /// The voice as it is in the mix of `take`, before mastering and without reverb: stereo, as long as the
    /// instrumental.
    pub fn voice_over(&self, take: &Take) -> Audio {
        let voicing = Voicing::of(&take.score);
        let mut voice = voice_over(&self.voice, &take.instrumental, &voicing);
        voice.resize(take.instrumental.frames(), 0.0);
        Audio {
            rate_hz: RATE_HZ,
            channels: vec![voice.clone(), voice],
        }
    }

    /// All takes of the request, in order: on as many cores as there are, with the same samples on any number.
    pub fn takes(&self) -> Result<Vec<Take>, BandError> {
        let cores = cores();
        let together = if self.analysis.duration_s <= PARALLEL_S {
            self.request.takes.min(cores)
        } else {
            1
        };
        let numbers: Vec<usize> = (0..self.request.takes).collect();
        let mut takes = Vec::with_capacity(numbers.len());
        for group in numbers.chunks(together.max(1)) {
            let threads = (cores / group.len()).max(1);
            let played = || in_parallel(group, |take| one_take(take, self, threads));
            takes.extend(caught(played)?);
        }
        takes.into_iter().collect()
    }
}

/// Without SoundFonts there is nothing to catch.
#[cfg(not(feature = "soundfont"))]
fn caught<T>(play: impl FnOnce() -> T) -> Result<T, BandError> {
    Ok(play())
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

fn listen_to(vocal: &Audio, request: &Request, sound: SoundSource) -> Result<Session, BandError> {
    check(vocal, request)?;
    let (vocal, mended) = with_finite_samples(vocal);
    let brief = read_tags(&request.tags, &request.negative_tags);
    let analysis = listen(&vocal, &brief.hints());
    let mono = Audio {
        rate_hz: vocal.rate_hz,
        channels: vec![vocal.to_mono()],
    };
    let voice = resample(mono, RATE_HZ).map_err(BandError::Rate)?;
    let voice = Voice::new(voice.channels.into_iter().next().unwrap_or_default());
    let mut remarks = brief.remarks.clone();
    remarks.extend(brief.against_the_singer(analysis.tempo_bpm));
    remarks.extend(analysis.remarks.iter().cloned());
    if mended > 0 {
        remarks.push(format!(
            "{mended} samples of the vocal were not numbers and were taken as silence"
        ));
    }
    Ok(Session {
        request: request.clone(),
        brief,
        sound,
        voice,
        remarks,
        analysis,
    })
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
fn with_finite_samples(vocal: &Audio) -> (Cow<'_, Audio>, usize) {
    let samples = || vocal.channels.iter().flatten();
    if samples().all(|sample| sample.is_finite()) {
        return (Cow::Borrowed(vocal), 0);
    }
    let mut mended = vocal.clone();
    for sample in mended.channels.iter_mut().flatten() {
        if !sample.is_finite() {
            *sample = 0.0;
        }
    }
    let count = samples().filter(|sample| !sample.is_finite()).count();
    (Cow::Owned(mended), count)
}

fn one_take(take: usize, session: &Session, threads: usize) -> Result<Take, BandError> {
    let Session {
        request,
        brief,
        sound,
        voice,
        remarks,
        analysis,
    } = session;
    let seed = Chance::new(request.seed, &[81, take as u64]).seed();
    let style = style_of(brief, analysis, take);
    let harmony = HarmonySettings {
        style: Some(style),
        weirdness: request.weirdness_constraint,
        style_weight: request.style_weight,
        variety: if take == 0 { 0.0 } else { 0.55 },
    };
    let chords = harmonise(analysis, &harmony, seed);
    let settings = ArrangeSettings {
        style_weight: request.style_weight,
        audio_weight: request.audio_weight,
        singer: request.singer,
        take,
    };
    let score = arrange(analysis, &chords, brief, &settings, seed);
    if let Some(instrument) = score.forbidden_instrument(brief) {
        return Err(BandError::Forbidden {
            take: take + 1,
            instrument,
        });
    }
    let sum = play(&score, sound, seed, threads);
    let lufs = loudness_of(&sum);
    let instrumental = master_at(sum, lufs, &score.finish);
    let mix = lay_over_at(
        voice,
        &instrumental.audio,
        instrumental.loudness.integrated_lufs,
        &Voicing::of(&score),
    );
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
        score,
        sum_lufs: lufs,
        sound: sound.clone(),
    })
}
