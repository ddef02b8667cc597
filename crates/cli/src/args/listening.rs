//! The arguments of `pick`.

use std::path::PathBuf;

use clap::{ArgGroup, Args as ClapArgs, ValueEnum};

/// Copy the starred tracks to a folder, or make a listening test of them
///
/// Reads the stars and notes that the listening page exports. --to copies the tracks with names that sort, checks each copy against the
/// hash of the kept file, and writes picks.json (settings, task, key, hash), picks.csv and the playlist picks.m3u8 beside them. Picking
/// again into the same folder replaces these three lists; existing copies keep their numbers, no copy is overwritten or removed, and copies
/// of tracks that have no star any more are listed. If one of the files cannot be used, no list is written. --webmushra writes a
/// listening test for webMUSHRA: the tracks as WAV, equally loud, a configuration with a page for each stem, and stimuli.csv, which
/// lists what each stimulus is.
#[derive(Debug, ClapArgs)]
#[command(group(ArgGroup::new("what").required(true).multiple(true).args(["to", "webmushra"])), after_help = "\
Examples:
  backline pick stars.csv --to keepers/
  backline pick stars.csv songs.yaml --to keepers/ --part both
  backline pick stars.csv --webmushra test/    write test/configs/backline-NAME.yaml and its WAV files")]
pub(crate) struct PickArgs {
    /// The table of stars and notes, as the page's Export saves it
    #[arg(value_name = "CSV")]
    pub(crate) stars: PathBuf,
    /// The manifest of the tracks [default: the one with starred tracks in the nearest ledger at or above this folder]
    #[arg(value_name = "MANIFEST")]
    pub(crate) manifest: Option<PathBuf>,
    /// Copy the tracks to this folder, created if it is missing
    #[arg(long, value_name = "DIR")]
    pub(crate) to: Option<PathBuf>,
    /// Write a listening test for webMUSHRA to this folder, which may be webMUSHRA's own
    #[arg(long, value_name = "DIR")]
    pub(crate) webmushra: Option<PathBuf>,
    /// The files of a track to use
    #[arg(long, value_enum, value_name = "PART", default_value_t)]
    pub(crate) part: PickPart,
    /// Leave out what steps made of the tracks: WAV, stems and MIDI are copied beside them otherwise
    #[arg(long)]
    pub(crate) without_steps: bool,
}

/// Which files of a track are copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum PickPart {
    /// The accompaniment
    #[default]
    Track,
    /// The mix with the vocal
    Mix,
    /// Both
    Both,
}
