//! The arguments of `analyse` and `play`, and the options of `studio` for the band's sound.

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
    /// The file format of the tracks [default: mp3]
    #[arg(long, value_enum, value_name = "FORMAT", help_heading = "The band")]
    pub(crate) audio: Option<AudioFormat>,
    /// Play acoustic instruments from this SoundFont (.sf2); auto: an installed one
    #[arg(long, value_name = "FILE", help_heading = "The band")]
    pub(crate) soundfont: Option<PathBuf>,
}

/// Show the notes, tempo, beats, metre, key, chords and sections of a recording
///
/// The studio and `play` use the same analysis. --format json prints all of them, with the pitch track.
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
    /// Write a drawing of pitch, notes, beats, sections and chords over time
    #[arg(long, value_name = "FILE")]
    pub(crate) svg: Option<PathBuf>,
    /// Overwrite an existing drawing
    #[arg(long, requires = "svg")]
    pub(crate) force: bool,
    /// Use the tempo and metre of these tags, as 'waltz' or '92 bpm'; their style selects the kinds of chords
    #[arg(long, value_name = "TAGS", default_value = "")]
    pub(crate) tags: String,
}

/// A part of a take that `play` can write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum PlayPart {
    /// The band alone
    Instrumental,
    /// The voice over the band
    Mix,
    /// Each instrument by itself; together they are the instrumental
    Stems,
    /// The notes as a MIDI file
    Midi,
    /// Chords, key, tempo, loudness and more as JSON
    Facts,
    /// Energy, density, loudness and instruments over time as SVG
    Picture,
}

/// Play an accompaniment to one recording
///
/// Plays what the studio plays for a task, but needs no manifest, server or ledger. Use it to try tags and to get stems or MIDI. The
/// same recording, tags and seed give the same bytes on the same machine. Existing files are not overwritten without --force.
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Examples:
  backline play vocals/verse.flac --tags 'bossa nova, nylon guitar'
  backline play vocals/verse.flac --tags 'lo-fi, no drums' --parts mix,stems,midi --audio flac --to takes")]
pub(crate) struct PlayArgs {
    /// The recording: WAV, AIFF, FLAC, MP3, AAC, ALAC or Vorbis
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// The style, instruments and mood to play, as in a manifest
    #[arg(long, value_name = "TAGS", default_value = "")]
    pub(crate) tags: String,
    /// The instruments, styles and effects to leave out; overrides all other options
    #[arg(long, value_name = "TAGS", default_value = "")]
    pub(crate) negative_tags: String,
    /// How closely to follow the style's conventions, 0 to 1
    #[arg(long, value_name = "WEIGHT", default_value_t = 0.5, value_parser = weight, allow_hyphen_values = true)]
    pub(crate) style_weight: f32,
    /// How adventurous the harmony is, 0 to 1
    #[arg(long, value_name = "WEIGHT", default_value_t = 0.5, value_parser = weight, allow_hyphen_values = true)]
    pub(crate) weirdness_constraint: f32,
    /// How closely time and dynamics follow the singer, 0 to 1
    #[arg(long, value_name = "WEIGHT", default_value_t = 0.5, value_parser = weight, allow_hyphen_values = true)]
    pub(crate) audio_weight: f32,
    /// The register of backing voices, where the recording does not show it
    #[arg(long, value_enum, value_name = "WHO")]
    pub(crate) vocal_gender: Option<Gender>,
    /// Number of takes
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u8).range(1..=4), allow_negative_numbers = true)]
    pub(crate) takes: u8,
    /// The random seed; another seed gives other takes
    #[arg(
        long,
        value_name = "S",
        default_value_t = 0,
        allow_hyphen_values = true
    )]
    pub(crate) seed: u64,
    /// The parts to write for each take
    #[arg(
        long,
        value_enum,
        value_name = "PARTS",
        value_delimiter = ',',
        default_values = ["instrumental", "mix"]
    )]
    pub(crate) parts: Vec<PlayPart>,
    /// The output folder, created if missing
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub(crate) to: PathBuf,
    /// Overwrite existing files
    #[arg(long)]
    pub(crate) force: bool,
    #[command(flatten)]
    pub(crate) sound: SoundArgs,
}

/// The singer's register.
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
