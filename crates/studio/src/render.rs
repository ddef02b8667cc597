//! Renders one task: bytes of a recording in, bytes of finished files out. Blocking; no files, no store.
//!
//! [`render`] runs on a blocking thread, of the studio or of a worker on another machine, and passes on every finished part, so that
//! clients see each stage in time.

use backline_audio::{Audio, EncodeError, Encoding, decode_within, encode, label};
use backline_band::{BandError, MAX_VOCAL_S, Request, Session, Singer, SoundSource, Take};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tempfile::NamedTempFile;

use crate::misbehave::Codes;
use crate::soundfont::SoundFont;
use crate::stems;
use crate::validate::{Gender, ValidRequest};
use crate::validate_step::Stems;
use crate::wire::TRACKS;

/// The band's default for a weight that a request leaves out: the middle.
const DEFAULT_WEIGHT: f32 = 0.5;

/// A finished part of a render.
pub(crate) enum Part {
    /// The song's source was analysed.
    Heard,
    /// A track of a song.
    Track(RenderedTrack),
    /// A file of a step.
    File(RenderedFile),
    /// The notes of all stems of a step.
    Notes(Value),
}

/// The bytes of a finished file.
pub(crate) enum Content {
    /// In memory, as the render made them.
    Memory(Vec<u8>),
    /// In a scratch file of the data folder, as a worker on another machine sent them.
    Scratch(NamedTempFile),
}

/// A finished track's files.
pub(crate) struct RenderedTrack {
    /// 1 or 2.
    pub(crate) number: u8,
    /// The accompaniment alone.
    pub(crate) instrumental: Content,
    /// The accompaniment with the vocal.
    pub(crate) mix: Content,
    /// The notes, as a standard MIDI file.
    pub(crate) midi: Content,
    pub(crate) duration_s: f64,
    /// The band's analysis and choices.
    pub(crate) facts: Value,
}

/// One file of a step.
pub(crate) struct RenderedFile {
    /// Its name in the step.
    pub(crate) name: String,
    pub(crate) extension: String,
    pub(crate) content: Content,
    pub(crate) duration_s: f64,
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

/// A render that failed, as the task's client sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RenderFailure {
    pub(crate) fault: Fault,
    pub(crate) message: String,
}

/// Whose fault a failed render is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Fault {
    /// The client's: another recording, or another stem, would work.
    Source,
    /// The studio's.
    Own,
}

impl RenderFailure {
    /// A failure of the studio, about which a client can do nothing.
    pub(crate) fn own(message: impl Into<String>) -> Self {
        Self {
            fault: Fault::Own,
            message: message.into(),
        }
    }
}

impl RenderError {
    /// What a client sees of it.
    pub(crate) fn failure(&self, order: &Order) -> RenderFailure {
        let is_the_clients = match self {
            RenderError::Source(_)
            | RenderError::Band(BandError::Empty | BandError::TooLong { .. }) => {
                order.step.is_none()
            }
            RenderError::NoSuchStem(_) => true,
            _ => false,
        };
        RenderFailure {
            fault: match is_the_clients {
                true => Fault::Source,
                false => Fault::Own,
            },
            message: self.to_string(),
        }
    }
}

impl From<Stopped> for RenderError {
    fn from(_: Stopped) -> Self {
        RenderError::Stopped
    }
}

/// A render: what to play, and which files to make of it. Everything that the result depends on, besides the source and the
/// band itself. A worker on another machine gets it in this form, and is refused unless its program is the same.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Order {
    pub(crate) title: String,
    pub(crate) tags: String,
    pub(crate) negative_tags: String,
    pub(crate) gender: Option<Gender>,
    pub(crate) style_weight: Option<f32>,
    pub(crate) weirdness_constraint: Option<f32>,
    pub(crate) audio_weight: Option<f32>,
    pub(crate) seed: u64,
    /// The encoding of the tracks.
    #[serde(with = "EncodingOnWire")]
    pub(crate) encoding: Encoding,
    /// The step on one of the song's tracks; `None` for the song itself.
    pub(crate) step: Option<StepOrder>,
}

/// The part of an order that concerns a step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct StepOrder {
    /// The stems to make; `None` for the track as a WAV file.
    pub(crate) stems: Option<Stems>,
    pub(crate) codes: Codes,
    /// The track's number.
    pub(crate) number: u8,
    /// The facts of the track when it was first made.
    pub(crate) facts: Option<Value>,
}

/// [`Encoding`] in an order that is sent to another machine.
#[derive(Serialize, Deserialize)]
#[serde(remote = "Encoding")]
enum EncodingOnWire {
    Wav16,
    Flac,
    Mp3 { kbps: u32 },
}

impl Order {
    /// The order of a valid submission; with `step` for one of its tracks.
    pub(crate) fn new(
        valid: ValidRequest,
        seed: u64,
        encoding: Encoding,
        step: Option<StepOrder>,
    ) -> Self {
        Self {
            title: valid.title,
            tags: valid.tags,
            negative_tags: valid.negative_tags,
            gender: valid.vocal_gender,
            style_weight: valid.style_weight,
            weirdness_constraint: valid.weirdness_constraint,
            audio_weight: valid.audio_weight,
            seed,
            encoding,
            step,
        }
    }
}

/// Carries out an order on `source`. Calls `out` for each finished part and ends when `out` returns an error.
pub(crate) fn render(
    source: &[u8],
    order: &Order,
    soundfont: Option<&SoundFont>,
    out: impl FnMut(Part) -> Result<(), Stopped>,
) -> Result<(), RenderError> {
    match &order.step {
        None => render_song(source, order, soundfont, out),
        Some(step) => render_step(source, order, step, soundfont, out),
    }
}

/// Renders both tracks of a song.
fn render_song(
    source: &[u8],
    order: &Order,
    soundfont: Option<&SoundFont>,
    mut out: impl FnMut(Part) -> Result<(), Stopped>,
) -> Result<(), RenderError> {
    let vocal = decode_within(source, MAX_VOCAL_S)?;
    out(Part::Heard)?;
    let session = session(&vocal, order, soundfont)?;
    drop(vocal);
    // One take at a time, because a long take needs much memory.
    for number in 1..=TRACKS {
        let take = session.take(usize::from(number) - 1)?;
        let tags = take.facts.label(&order.title, &order.tags);
        let write = |audio| -> Result<Vec<u8>, EncodeError> {
            let file = encode(audio, order.encoding)?;
            Ok(label(file, order.encoding.format(), &tags))
        };
        let facts = facts(&take, soundfont)?;
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
            instrumental: Content::Memory(instrumental?),
            mix: Content::Memory(mix?),
            midi: Content::Memory(take.midi()),
            duration_s: take.instrumental.duration_s(),
            facts,
        };
        out(Part::Track(track))?;
    }
    Ok(())
}

/// Plays one take of a song again and passes on the files of a step, one by one.
fn render_step(
    source: &[u8],
    order: &Order,
    step: &StepOrder,
    soundfont: Option<&SoundFont>,
    mut out: impl FnMut(Part) -> Result<(), Stopped>,
) -> Result<(), RenderError> {
    let vocal = decode_within(source, MAX_VOCAL_S)?;
    let session = session(&vocal, order, soundfont)?;
    drop(vocal);
    let mut take = session.take(usize::from(step.number.max(1)) - 1)?;
    // The step does not need the mix, which takes a third of a gigabyte for a long song.
    take.mix.channels.clear();
    if !is_same_take(step.facts.as_ref(), &facts(&take, soundfont)?) {
        return Err(RenderError::AnotherTake);
    }
    let words = take.facts.label(&order.title, &order.tags);
    let write = |name: &str, audio: &Audio, encoding: Encoding| -> Result<Part, RenderError> {
        let format = encoding.format();
        let bytes = label(encode(audio, encoding)?, format, &words);
        Ok(Part::File(RenderedFile {
            name: name.to_owned(),
            extension: format.extension().to_owned(),
            content: Content::Memory(bytes),
            duration_s: audio.duration_s(),
        }))
    };
    let Some(stems) = &step.stems else {
        return Ok(out(write("wav", &take.instrumental, Encoding::Wav16)?)?);
    };
    let encoding = order.encoding;
    let groups = stems::groups(&take.score, step.codes);
    let all: Vec<usize> = (0..take.score.parts.len()).collect();
    // The vocal is a separate stem, so that it is not in the others too.
    let voice = || within_scale(session.voice_over(&take));
    let sung = |stem| stems::sung(stem, &session.analysis.notes);
    let mut instruments = Vec::new();
    let mut chosen: Vec<(&'static str, Vec<usize>)> = Vec::new();
    match stems {
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
            let name = stems::meant(wanted, step.codes);
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
    Ok(out(Part::Notes(json!({ "instruments": instruments })))?)
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
fn facts(take: &Take, soundfont: Option<&SoundFont>) -> Result<Value, serde_json::Error> {
    let mut facts = serde_json::to_value(&take.facts)?;
    if let Some(soundfont) = soundfont {
        facts["soundfont"] = soundfont.facts(take);
    }
    Ok(facts)
}

/// Analyses `vocal` with the settings of an order.
fn session(
    vocal: &Audio,
    order: &Order,
    soundfont: Option<&SoundFont>,
) -> Result<Session, BandError> {
    let request = Request {
        tags: order.tags.clone(),
        negative_tags: order.negative_tags.clone(),
        style_weight: order.style_weight.unwrap_or(DEFAULT_WEIGHT),
        weirdness_constraint: order.weirdness_constraint.unwrap_or(DEFAULT_WEIGHT),
        audio_weight: order.audio_weight.unwrap_or(DEFAULT_WEIGHT),
        singer: order.gender.map(|gender| match gender {
            Gender::M => Singer::Male,
            Gender::F => Singer::Female,
        }),
        seed: order.seed,
        takes: TRACKS.into(),
    };
    let sound = soundfont.map_or(SoundSource::Own, SoundFont::sound);
    Session::new(vocal, &request, sound)
}

/// Whether a take is the same as the one that a song's track was made from.
fn is_same_take(before: Option<&Value>, now: &Value) -> bool {
    const COMPARED: [&str; 4] = ["seed", "style", "instruments", "soundfont"];
    before.is_none_or(|before| COMPARED.iter().all(|name| before[*name] == now[*name]))
}
