//! The arguments about the ledger: waiting for it, adopting an account, removing old runs, checking, copying and merging.

use std::path::PathBuf;
use std::time::Duration;

use backline_engine::duration::parse_duration;
use clap::{Args as ClapArgs, Subcommand};

/// How long to wait for a ledger that another process uses.
#[derive(Debug, Clone, Default, ClapArgs)]
pub(crate) struct WaitArgs {
    /// Wait for another process to release the ledger, at most this long [default without a time: 10m]
    #[arg(
        long,
        value_name = "TIME",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "10m",
        value_parser = duration
    )]
    pub(crate) wait: Option<Duration>,
}

/// How a run uses the ledger.
#[derive(Debug, Clone, ClapArgs)]
pub(crate) struct RunLedgerArgs {
    #[command(flatten)]
    pub(crate) wait: WaitArgs,
    /// Take over jobs that were bought with a replaced API key, if the provider shows one of their tasks under the new key
    #[arg(long)]
    pub(crate) adopt_account: bool,
}

/// Remove old runs from the ledger
///
/// Without --yes it only shows what it would remove: runs older than the given age, their plans, and records of expired uploads.
/// The reports of removed runs can't be written again. Jobs and their history are never removed, so nothing is bought twice. The
/// last run of each manifest stays, and so does the last run of each job whose outcome is open.
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Examples:
  backline gc                          show runs older than 90 days
  backline gc --older-than 30d --yes   remove runs older than 30 days")]
pub(crate) struct GcArgs {
    /// The manifest whose ledger to use [default: the nearest ledger at or above this folder]
    #[arg(value_name = "MANIFEST")]
    pub(crate) manifest: Option<PathBuf>,
    /// Remove runs older than this
    #[arg(long, value_name = "AGE", default_value = "90d", value_parser = duration)]
    pub(crate) older_than: Duration,
    /// Remove them instead of listing them
    #[arg(long)]
    pub(crate) yes: bool,
    #[command(flatten)]
    pub(crate) wait: WaitArgs,
}

/// Check a ledger, copy it, or merge it with another
#[derive(Debug, ClapArgs)]
#[command(
    after_help = "\
Examples:
  backline ledger check
  backline ledger export backup.sqlite3 --ledger postgres://ann@db.example.com/ledger
  backline ledger import shard-2.sqlite3",
    disable_help_subcommand = true
)]
pub(crate) struct LedgerArgs {
    #[command(subcommand)]
    pub(crate) command: LedgerCommand,
}

/// The commands about ledgers.
#[derive(Debug, Subcommand)]
pub(crate) enum LedgerCommand {
    Check(LedgerCheckArgs),
    Export(LedgerExportArgs),
    Import(LedgerImportArgs),
}

/// Check that the ledger is intact
///
/// Rebuilds every job from its events and compares it with the stored state. Checks also the file of a ledger in a file, and the sums of a
/// ledger on a server. Prints one line for each finding. Reads the ledger only. Exit code 7 if anything is wrong.
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Examples:
  backline ledger check
  backline ledger check --ledger postgres://ann@db.example.com/ledger")]
pub(crate) struct LedgerCheckArgs {
    /// The manifest whose ledger to use [default: the nearest ledger at or above this folder]
    #[arg(value_name = "MANIFEST")]
    pub(crate) manifest: Option<PathBuf>,
}

/// Write a copy of the ledger to a new file
///
/// Copies runs, plans, events, jobs, uploads and hook results, all of them or nothing. Reports written from the copy are the same. No run
/// may use the ledger meanwhile. The tracks are not copied.
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Examples:
  backline ledger export backup.sqlite3
  backline ledger export songs.sqlite3 --ledger postgres://ann@db.example.com/ledger")]
pub(crate) struct LedgerExportArgs {
    /// The new file, or the address of an empty database
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    #[command(flatten)]
    pub(crate) owned: OwnedLedgerArgs,
}

/// Copy everything of another ledger into the ledger
///
/// Copies the runs, plans, events, jobs, uploads and hook results that the ledger does not have, all of them or nothing. Importing twice changes
/// nothing. A job that both ledgers have is rebuilt from the events of both; if both ledgers have submitted it, nothing is imported. No
/// run may use either ledger meanwhile. The tracks are not copied.
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Examples:
  backline ledger import shard-2.sqlite3
  backline ledger import .backline/ledger.sqlite3 --ledger postgres://ann@db.example.com/ledger")]
pub(crate) struct LedgerImportArgs {
    /// The other ledger's file, or its address on a server
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    #[command(flatten)]
    pub(crate) owned: OwnedLedgerArgs,
}

/// The ledger that is copied or added to, which no other process may use meanwhile.
#[derive(Debug, ClapArgs)]
pub(crate) struct OwnedLedgerArgs {
    /// The manifest whose ledger to use [default: the nearest ledger at or above this folder]
    #[arg(value_name = "MANIFEST")]
    pub(crate) manifest: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) wait: WaitArgs,
}

/// Parses a time in the format of manifests.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    parse_duration(text).ok_or_else(|| {
        "expected a time, as `10m` or `1h 30m`; the units are ms, s, m, h and d".to_owned()
    })
}

/// Formats a time in the largest unit that divides it.
pub(crate) fn duration_text(time: Duration) -> String {
    let ms = time.as_millis();
    let units = [
        (86_400_000, "day"),
        (3_600_000, "hour"),
        (60_000, "minute"),
        (1_000, "second"),
    ];
    let found = units
        .into_iter()
        .find(|(unit_ms, _)| ms >= *unit_ms && ms.is_multiple_of(*unit_ms));
    match found {
        Some((unit_ms, unit)) => {
            let count = ms / unit_ms;
            format!("{count} {unit}{}", if count == 1 { "" } else { "s" })
        }
        None => format!("{ms} ms"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_shown_in_its_largest_unit() {
        let shown = ["90d", "24h", "1h 30m", "10m", "1s", "1500ms"]
            .map(|text| duration(text).map_or_else(|error| error, duration_text));
        let expected = [
            "90 days",
            "1 day",
            "90 minutes",
            "10 minutes",
            "1 second",
            "1500 ms",
        ];
        assert_eq!(shown, expected);
        assert!(duration("soon").is_err());
    }
}
