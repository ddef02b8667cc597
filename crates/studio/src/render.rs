//! One task's sound: bytes of a recording in, bytes of finished tracks out. Blocking; no files, no store.
//!
//! The worker calls [`render`] on a blocking thread and is notified of every step, so that clients see the stages
//! when they are true.

use backline_audio::{EncodeError, Encoding, decode_within, encode, label};
use backline_band::{BandError, MAX_VOCAL_S, Request, Session, Singer, Sound};
use serde_json::Value;

use crate::soundfont::SoundFont;
use crate::validate::{Gender, ValidRequest};
use crate::wire::TRACKS;

/// What the band's defaults are where a request leaves a weight out: the middle.
const DEFAULT_WEIGHT: f32 = 0.5;

/// Something that is done.
pub(crate) enum Step {
    /// The source was understood.
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
    /// What the band found and did.
    pub(crate) facts: Value,
}

/// Nobody wants the rest.
#[derive(Debug)]
pub(crate) struct Stopped;

/// Why there is no track. The texts are shown to clients.
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
    #[error("stopped")]
    Stopped,
}

impl RenderError {
    /// Whether the client's recording is to blame, and another one would do.
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

/// How tracks are made, whatever the request.
#[derive(Debug, Clone)]
pub(crate) struct RenderConfig {
    pub(crate) encoding: Encoding,
    /// What plays; none is the band's own synthesis.
    pub(crate) soundfont: Option<SoundFont>,
}

/// Renders both tracks of `valid` for `source`, telling `step` of each thing that is done; ends when `step` says so.
pub(crate) fn render(
    source: &[u8],
    valid: &ValidRequest,
    seed: u64,
    render_config: &RenderConfig,
    mut step: impl FnMut(Step) -> Result<(), Stopped>,
) -> Result<(), RenderError> {
    let vocal = decode_within(source, MAX_VOCAL_S)?;
    step(Step::Heard)?;
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
        .map_or(Sound::Own, SoundFont::sound);
    let session = Session::new(&vocal, &request, sound)?;
    drop(vocal);
    // One take at a time: a long one is large.
    for number in 1..=TRACKS {
        let take = session.take(usize::from(number) - 1)?;
        let tags = take.facts.label(&valid.title, &valid.tags);
        let write = |audio| -> Result<Vec<u8>, EncodeError> {
            let file = encode(audio, render_config.encoding)?;
            Ok(label(file, render_config.encoding.format(), &tags))
        };
        let mut facts = serde_json::to_value(&take.facts)?;
        if let Some(soundfont) = &render_config.soundfont {
            facts["soundfont"] = soundfont.facts(&take);
        }
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
        step(Step::Track(track))?;
    }
    Ok(())
}
