//! What comes after listening.

use std::path::PathBuf;

use clap::{Args as ClapArgs, ValueEnum};

/// Copy the starred tracks to a folder
///
/// Reads the stars and notes that the listening page exports, copies the tracks with names that sort, checks each copy against the
/// hash of the kept file, and writes picks.json (settings, task, key, hash), picks.csv and the playlist picks.m3u8 beside them.
/// Nothing that exists is overwritten.
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Examples:
  backline pick stars.csv --to keepers/
  backline pick stars.csv songs.yaml --to keepers/ --part both")]
pub(crate) struct PickArgs {
    /// The table of stars and notes, as the page's Export saves it
    #[arg(value_name = "CSV")]
    pub(crate) stars: PathBuf,
    /// The manifest whose tracks are meant; without it the last run of the nearest ledger at or above this folder
    #[arg(value_name = "MANIFEST")]
    pub(crate) manifest: Option<PathBuf>,
    /// The folder, created if it is missing
    #[arg(long, value_name = "DIR")]
    pub(crate) to: PathBuf,
    /// The files of a track to copy
    #[arg(long, value_enum, value_name = "PART", default_value_t)]
    pub(crate) part: PickPart,
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
