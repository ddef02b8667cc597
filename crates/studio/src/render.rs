//! Renders one task: bytes of a recording in, bytes of finished tracks out. Blocking; no files, no store.
//!
//! The worker calls [`render`] on a blocking thread and gets an event for every finished part, so that clients see each stage
//! in time.

use backline_audio::{Audio, EncodeError, Encoding, decode_within, encode, label};
use backline_band::{BandError, MAX_VOCAL_S, Request, Session, Singer, SoundSource, Take};
use serde_json::{Value, json};

use crate::config::StudioConfig;
use crate::misbehave::Codes;
use crate::operation::OperationKind;

use crate::soundfont::SoundFont;
use crate::stems;
use crate::validate::{Gender, ValidRequest};
use crate::validate_step::Stems;
use crate::wire::TRACKS;

/// The band's default for a weight that a request leaves out: the middle.
const DEFAULT_WEIGHT: f32 = 0.5;

/// A finished part of a render.
pub(crate) enum RenderEvent {
    /// The source was analysed.
    Heard,
    /// A track is finished.
    Track(RenderedTrack),
}

/// A finished track's files.
pub(crate) struct RenderedTrack {
    /// 1 or 2.
    pub(crate) number: u8,
    /// The accompaniment alone.
    pub(crate) instrumental: Vec<u8>,
    /// The accompaniment with the vocal.
    pub(crate) mix: Vec<u8>,
    /// The notes, as a standard MIDI file.
    pub(crate) midi: Vec<u8>,
    pub(crate) duration_s: f64,
    /// The band's analysis and choices.
    pub(crate) facts: Value,
}

/// The receiver is gone, so the render stops.
#[derive(Debug)]
pub(crate) struct Stopped;

/// Why there is no track. Clients see these texts.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RenderError {
    #[error("could not read the source audio: {0}")]
    Source(#[from] backline_audio::DecodeError),
    #[error("could not accompany the source audio: {0}")]
    Band(#[from] BandError),
    #[error("could not write the track: {0}")]
    Encode(#[from] EncodeError),
    #[error("could not write the facts: {0}")]
    Facts(#[from] serde_json::Error),
    #[error("the track has no stem `{0}`")]
    NoSuchStem(String),
    #[error("the studio plays with other instruments or another seed than when it made the track")]
    AnotherTake,
    #[error("stopped")]
    Stopped,
}

impl RenderError {
    /// Whether the fault is in the client's recording, so that another recording would work.
    pub(crate) fn is_the_sources(&self) -> bool {
        matches!(
            self,
            RenderError::Source(_)
                | RenderError::Band(BandError::Empty | BandError::TooLong { .. })
        )
    }
}

impl From<Stopped> for RenderError {
    fn from(_: Stopped) -> Self {
        RenderError::Stopped
    }
}

/// One file of a step.
pub(crate) struct MadeFile {
    /// Its name in the step.
    pub(crate) name: &'static str,
    pub(crate) extension: &'static str,
    pub(crate) bytes: Vec<u8>,
    pub(crate) duration_s: f64,
}

/// A result of a step's render.
pub(crate) enum Made {
    File(MadeFile),
    /// The notes of all stems.
    Notes(Value),
}

/// The task of a step's render.
pub(crate) struct StepOrder {
    pub(crate) kind: OperationKind,
    pub(crate) stems: Stems,
    pub(crate) codes: Codes,
    /// The track's number.
    pub(crate) number: u8,
    /// The facts of the track when it was first made.
    pub(crate) facts: Option<Value>,
}

/// The settings of a render that do not depend on the request.
#[derive(Debug, Clone)]
pub(crate) struct RenderConfig {
    pub(crate) encoding: Encoding,
    /// The SoundFont; `None` means the band's own synthesis.
    pub(crate) soundfont: Option<SoundFont>,
}

impl RenderConfig {
    /// The settings of a studio.
    pub(crate) fn of(config: &StudioConfig) -> RenderConfig {
        RenderConfig {
            encoding: config.encoding,
            soundfont: config.soundfont.clone(),
        }
    }
}

/// Renders both tracks of `valid` for `source`. Calls `step` for each finished part and ends when `step` returns an error.
pub(crate) fn render(
    source: &[u8],
    valid: &ValidRequest,
    seed: u64,
    render_config: &RenderConfig,
    mut step: impl FnMut(RenderEvent) -> Result<(), Stopped>,
) -> Result<(), RenderError> {
    let vocal = decode_within(source, MAX_VOCAL_S)?;
    step(RenderEvent::Heard)?;
    let session = session(&vocal, valid, seed, render_config)?;
    drop(vocal);
    // One take at a time, because a long take needs much memory.
    for number in 1..=TRACKS {
        let take = session.take(usize::from(number) - 1)?;
        let tags = take.facts.label(&valid.title, &valid.tags);
        let write = |audio| -> Result<Vec<u8>, EncodeError> {
            let file = encode(audio, render_config.encoding)?;
            Ok(label(file, render_config.encoding.format(), &tags))
        };
        let facts = facts(&take, render_config)?;
        // Encoding takes as long as playing.
        let (instrumental, mix) = std::thread::scope(|scope| {
            let mix = scope.spawn(|| write(&take.mix));
            let instrumental = write(&take.instrumental);
            let mix = mix
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            (instrumental, mix)
        });
        let track = RenderedTrack {
            number,
            instrumental: instrumental?,
            mix: mix?,
            midi: take.midi(),
            duration_s: take.instrumental.duration_s(),
            facts,
        };
        step(RenderEvent::Track(track))?;
    }
    Ok(())
}

/// Plays one take of `valid` again and passes on the files of a step, one by one.
pub(crate) fn render_step(
    source: &[u8],
    valid: &ValidRequest,
    seed: u64,
    render_config: &RenderConfig,
    order: &StepOrder,
    mut out: impl FnMut(Made) -> Result<(), Stopped>,
) -> Result<(), RenderError> {
    let vocal = decode_within(source, MAX_VOCAL_S)?;
    let session = session(&vocal, valid, seed, render_config)?;
    drop(vocal);
    let mut take = session.take(usize::from(order.number.max(1)) - 1)?;
    // The step does not need the mix, which takes a third of a gigabyte for a long song.
    take.mix.channels.clear();
    if !is_same_take(order.facts.as_ref(), &facts(&take, render_config)?) {
        return Err(RenderError::AnotherTake);
    }
    let words = take.facts.label(&valid.title, &valid.tags);
    let write = |name, audio: &Audio, encoding: Encoding| -> Result<Made, RenderError> {
        let format = encoding.format();
        Ok(Made::File(MadeFile {
            name,
            extension: format.extension(),
            bytes: label(encode(audio, encoding)?, format, &words),
            duration_s: audio.duration_s(),
        }))
    };
    if order.kind == OperationKind::Wav {
        return Ok(out(write("wav", &take.instrumental, Encoding::Wav16)?)?);
    }
    let encoding = render_config.encoding;
    let groups = stems::groups(&take.score, order.codes);
    let all: Vec<usize> = (0..take.score.parts.len()).collect();
    // The vocal is a separate stem, so that it is not in the others too.
    let voice = || within_scale(session.voice_over(&take));
    let sung = |stem| stems::sung(stem, &session.analysis.notes);
    let mut instruments = Vec::new();
    let mut chosen: Vec<(&'static str, Vec<usize>)> = Vec::new();
    match &order.stems {
        Stems::Two => {
            // The instrumental is the track itself, not the sum of its parts.
            out(write("instrumental", &take.instrumental, encoding)?)?;
            out(write("vocal", &voice(), encoding)?)?;
            for (stem, parts) in &groups {
                instruments.push(stems::instrument(
                    "instrumental",
                    stem.title,
                    &take.score,
                    parts,
                ));
            }
            instruments.push(sung("vocal"));
        }
        Stems::All => {
            out(write("vocal", &voice(), encoding)?)?;
            instruments.push(sung("vocal"));
            for (stem, parts) in &groups {
                instruments.push(stems::instrument(stem.name, stem.title, &take.score, parts));
            }
            let groups = groups.into_iter();
            chosen = groups.map(|(stem, parts)| (stem.name, parts)).collect();
        }
        Stems::Named(wanted) => {
            let name = stems::meant(wanted, order.codes);
            if name == stems::VOCAL.name {
                out(write("extract", &voice(), encoding)?)?;
                out(write("remove", &take.instrumental, encoding)?)?;
                instruments.push(sung("extract"));
            } else {
                let own = groups.iter().find(|(stem, _)| stem.name == name);
                let (_, own) = own.ok_or_else(|| RenderError::NoSuchStem(wanted.clone()))?;
                let rest = all.into_iter().filter(|part| !own.contains(part)).collect();
                chosen = vec![("extract", own.clone()), ("remove", rest)];
            }
            for (stem, parts) in &groups {
                let of = if stem.name == name {
                    "extract"
                } else {
                    "remove"
                };
                instruments.push(stems::instrument(of, stem.title, &take.score, parts));
            }
        }
    }
    let (names, parts): (Vec<_>, Vec<_>) = chosen.into_iter().unzip();
    if !names.is_empty() {
        for (name, audio) in names.into_iter().zip(take.groups(parts)) {
            out(write(name, &audio, encoding)?)?;
        }
    }
    Ok(out(Made::Notes(json!({ "instruments": instruments })))?)
}

/// The recording, attenuated if it would exceed full scale.
fn within_scale(mut audio: Audio) -> Audio {
    let samples = audio.channels.iter().flatten();
    let peak = samples.fold(0.0_f32, |peak, sample| peak.max(sample.abs()));
    if peak > 1.0 {
        for sample in audio.channels.iter_mut().flatten() {
            *sample /= peak;
        }
    }
    audio
}

/// The band's analysis and choices.
fn facts(take: &Take, render_config: &RenderConfig) -> Result<Value, serde_json::Error> {
    let mut facts = serde_json::to_value(&take.facts)?;
    if let Some(soundfont) = &render_config.soundfont {
        facts["soundfont"] = soundfont.facts(take);
    }
    Ok(facts)
}

/// Analyses `vocal` with the settings of `valid`.
fn session(
    vocal: &Audio,
    valid: &ValidRequest,
    seed: u64,
    render_config: &RenderConfig,
) -> Result<Session, BandError> {
    let request = Request {
        tags: valid.tags.clone(),
        negative_tags: valid.negative_tags.clone(),
        style_weight: valid.style_weight.unwrap_or(DEFAULT_WEIGHT),
        weirdness_constraint: valid.weirdness_constraint.unwrap_or(DEFAULT_WEIGHT),
        audio_weight: valid.audio_weight.unwrap_or(DEFAULT_WEIGHT),
        singer: valid.vocal_gender.map(|gender| match gender {
            Gender::M => Singer::Male,
            Gender::F => Singer::Female,
        }),
        seed,
        takes: TRACKS.into(),
    };
    let sound = render_config
        .soundfont
        .as_ref()
        .map_or(SoundSource::Own, SoundFont::sound);
    Session::new(vocal, &request, sound)
}

/// Whether a take is the same as the one that a song's track was made from.
fn is_same_take(before: Option<&Value>, now: &Value) -> bool {
    const COMPARED: [&str; 4] = ["seed", "style", "instruments", "soundfont"];
    before.is_none_or(|before| COMPARED.iter().all(|name| before[*name] == now[*name]))
}
