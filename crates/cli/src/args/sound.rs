//! What is said to the commands that hear and play: `analyse`, `play`, and how the band sounds in `run` and `studio`.

use std::path::PathBuf;

use clap::{Args as ClapArgs, ValueEnum};

/// A recording's file format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum AudioFormat {
    /// MP3 of 192 kbit/s
    #[default]
    Mp3,
    /// FLAC of 16 bits
    Flac,
    /// WAV of 16 bits
    Wav,
}

/// How the band sounds.
#[derive(Debug, Clone, Default, ClapArgs)]
pub(crate) struct SoundArgs {
    /// The file format of what the band plays [default: mp3]
    #[arg(long, value_enum, value_name = "FORMAT", help_heading = "The band")]
    pub(crate) audio: Option<AudioFormat>,
    /// Play with the instruments of this SoundFont (.sf2) instead of the band's own
    #[arg(long, value_name = "FILE", help_heading = "The band")]
    pub(crate) soundfont: Option<PathBuf>,
}

/// Say what is heard in a recording: notes, tempo, beats, metre, key, chords that fit, sections
///
/// This is what the band goes by. --format json gives all of it, the pitch track included, to programs.
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Examples:
  backline analyse vocals/verse.flac
  backline analyse vocals/verse.flac --svg verse.svg
  backline analyse vocals/verse.flac --tags 'waltz, 120 bpm' --format json")]
pub(crate) struct AnalyseArgs {
    /// The recording: WAV, AIFF, FLAC, MP3, AAC, ALAC or Vorbis
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// Draw it too: pitch, notes, beats, sections and chords over time
    #[arg(long, value_name = "FILE")]
    pub(crate) svg: Option<PathBuf>,
    /// Write the drawing over a file that exists
    #[arg(long, requires = "svg")]
    pub(crate) force: bool,
    /// Tags whose tempo and metre are believed, as 'waltz' or '92 bpm', and whose style chooses the kinds of chords
    #[arg(long, value_name = "TAGS", default_value = "")]
    pub(crate) tags: String,
}

/// What `play` writes of a take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum PlayPart {
    /// The band alone
    Instrumental,
    /// The voice over the band
    Mix,
    /// Each instrument by itself; together they are the instrumental
    Stems,
    /// The notes, as a MIDI file
    Midi,
    /// Chords, key, tempo, loudness and the rest, as JSON
    Facts,
}

/// Play an accompaniment to one recording, here and now
///
/// What the studio does for a task, without a manifest, a server or a ledger: for trying tags, and for the stems and the
/// MIDI of what was played. The same recording, words and seed give the same bytes. Nothing that exists is overwritten
/// without --force.
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Examples:
  backline play vocals/verse.flac --tags 'bossa nova, nylon guitar'
  backline play vocals/verse.flac --tags 'lo-fi, no drums' --parts mix,stems,midi --audio flac --to takes")]
pub(crate) struct PlayArgs {
    /// The recording: WAV, AIFF, FLAC, MP3, AAC, ALAC or Vorbis
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// What it should be like
    #[arg(long, value_name = "TAGS", default_value = "")]
    pub(crate) tags: String,
    /// What must not be heard; wins over everything
    #[arg(long, value_name = "TAGS", default_value = "")]
    pub(crate) negative_tags: String,
    /// How strongly the style's habits hold, 0 to 1
    #[arg(long, value_name = "WEIGHT", default_value_t = 0.5, value_parser = weight, allow_hyphen_values = true)]
    pub(crate) style_weight: f32,
    /// From plain, 0, to adventurous harmony, 1
    #[arg(long, value_name = "WEIGHT", default_value_t = 0.5, value_parser = weight, allow_hyphen_values = true)]
    pub(crate) weirdness_constraint: f32,
    /// How closely time and dynamics follow the singer, 0 to 1
    #[arg(long, value_name = "WEIGHT", default_value_t = 0.5, value_parser = weight, allow_hyphen_values = true)]
    pub(crate) audio_weight: f32,
    /// Who sings, where the voice itself does not tell: the register of backing voices
    #[arg(long, value_enum, value_name = "WHO")]
    pub(crate) vocal_gender: Option<Gender>,
    /// Number of takes
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u8).range(1..=4))]
    pub(crate) takes: u8,
    /// Another number gives other takes
    #[arg(
        long,
        value_name = "S",
        default_value_t = 0,
        allow_hyphen_values = true
    )]
    pub(crate) seed: u64,
    /// What to write of each take
    #[arg(
        long,
        value_enum,
        value_name = "PARTS",
        value_delimiter = ',',
        default_values = ["instrumental", "mix"]
    )]
    pub(crate) parts: Vec<PlayPart>,
    /// Where to write it; made if it is missing
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub(crate) to: PathBuf,
    /// Write over files that exist
    #[arg(long)]
    pub(crate) force: bool,
    #[command(flatten)]
    pub(crate) sound: SoundArgs,
}

/// Who sings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Gender {
    /// A low voice
    M,
    /// A high voice
    F,
}

fn weight(text: &str) -> Result<f32, String> {
    match text.parse::<f32>() {
        Ok(weight) if (0.0..=1.0).contains(&weight) => Ok(weight),
        _ => Err("expected a number from 0 to 1".to_owned()),
    }
}
