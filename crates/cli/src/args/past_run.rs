//! The arguments of the commands that read an earlier run from the ledger: `status`, `report` and `resolve`.

use std::path::PathBuf;

use backline_engine::driver::Settlement;
use backline_engine::manifest::Filter;
use backline_engine::plan::ReportKind;
use clap::Args as ClapArgs;

use super::WaitArgs;

/// A run of the ledger.
#[derive(Debug, ClapArgs)]
pub(crate) struct ChosenRunArgs {
    /// The manifest of the run [default: the last run in the nearest ledger at or above this folder]
    #[arg(value_name = "MANIFEST")]
    pub(crate) manifest: Option<PathBuf>,
    /// An older run, by its id or the start of its id
    #[arg(long, value_name = "ID")]
    pub(crate) run: Option<String>,
    /// Include jobs that earlier runs bought and that are no longer in the manifest
    #[arg(long)]
    pub(crate) all: bool,
}

/// Show the status of a manifest's jobs
///
/// Shows the last recorded state of every job of the manifest, what the last run did, and whether that run goes on, has ended, or was
/// killed.
/// Reads the ledger only: a run in progress is not disturbed.
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Examples:
  backline status workflows/quickstart.yaml
  backline status workflows/album.yaml --watch      follow an active run from another terminal")]
pub(crate) struct StatusArgs {
    #[command(flatten)]
    pub(crate) chosen: ChosenRunArgs,
    /// Wait for a run if none is active, and update the display until it ends
    #[arg(long)]
    pub(crate) watch: bool,
    /// List every job with its key and state instead of the grid
    #[arg(long)]
    pub(crate) jobs: bool,
    /// List the ledger's runs with their outcome, counts and filters
    #[arg(long, conflicts_with_all = ["run", "watch", "jobs"])]
    pub(crate) runs: bool,
}

/// Write the reports again from the ledger
///
/// The same ledger gives the same bytes.
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Examples:
  backline report workflows/quickstart.yaml
  backline report --run 0193b8e2 --only csv --dir /tmp/reports
  backline report songs.yaml --ratings stars.csv --ratings songs-blind.csv")]
pub(crate) struct ReportArgs {
    #[command(flatten)]
    pub(crate) chosen: ChosenRunArgs,
    /// Write only these reports [default: those that the manifest names]
    #[arg(long, value_name = "KIND", value_delimiter = ',', value_parser = report_kind)]
    pub(crate) only: Vec<ReportKind>,
    /// The folder for the reports [default: the manifest's output directory]
    #[arg(long, value_name = "DIR")]
    pub(crate) dir: Option<PathBuf>,
    /// Add the ratings of a table that the listening page exported (stars and notes, or blind results); may be repeated. They are
    /// saved as ratings.json beside the reports, instead of earlier ratings, and later runs add them again
    #[arg(long, value_name = "CSV")]
    pub(crate) ratings: Vec<PathBuf>,
}

fn report_kind(text: &str) -> Result<ReportKind, String> {
    ReportKind::from_name(text).ok_or_else(|| {
        format!(
            "the reports are {}",
            ReportKind::ALL.map(ReportKind::as_str).join(", ")
        )
    })
}

/// Settle a job in doubt
///
/// A job is in doubt when the response to its submission was lost: it may have been bought. Check your account at the provider,
/// then choose one of the options; the next run acts on it. If an unreadable response arrived, `status` shows its text and any
/// task id found in it. `--task` checks an id with the provider before recording it, and refuses a task that was made with another title or
/// other tags than the job's.
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Examples:
  backline resolve 5b1c02d7a9e4 --task 8f14e45fceea167a5a36dedd4bea2543
  backline resolve 5b1c02d7a9e4 --never-bought
  backline resolve --all --never-bought
  backline resolve --all --never-bought workflows/album.yaml --filter stem=chorus
  backline resolve --all --buy-again --run 0193b8e2")]
pub(crate) struct ResolveArgs {
    /// The job's key or the start of it, as `status` shows it; with --all, the manifest
    #[arg(value_name = "KEY", required_unless_present = "all")]
    pub(crate) key: Option<String>,
    /// The manifest whose ledger to use [default: the nearest ledger at or above this folder]
    #[arg(value_name = "MANIFEST")]
    pub(crate) manifest: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) outcome: OutcomeArgs,
    /// Record the task even if the provider shows another title or other tags for it than the job has
    #[arg(long, conflicts_with_all = ["never_bought", "buy_again", "undo", "all"])]
    pub(crate) force: bool,
    /// Settle every job in doubt, except those for which a callback named a task: with --never-bought none of them was bought, with
    /// --buy-again each is bought once more and its first attempt counts as paid
    #[arg(long, conflicts_with_all = ["manifest", "task", "undo"])]
    pub(crate) all: bool,
    /// Settle only jobs that this run put in doubt, by its id or the start of its id
    #[arg(long, value_name = "ID", requires = "all")]
    pub(crate) run: Option<String>,
    /// Settle only jobs of the manifest that match, as `preset=lofi` or `stem!=demo-*`; may be repeated, and all must match
    #[arg(
        long = "filter",
        value_name = "KEY=VALUE",
        requires = "all",
        requires = "key"
    )]
    pub(crate) filters: Vec<Filter>,
    #[command(flatten)]
    pub(crate) wait: WaitArgs,
}

/// What happened to a job in doubt, according to the user.
#[derive(Debug, ClapArgs)]
#[group(required = true, multiple = false)]
pub(crate) struct OutcomeArgs {
    /// The job was bought; this is its task id at the provider
    #[arg(long, value_name = "ID")]
    pub(crate) task: Option<String>,
    /// The job was not bought; the next run submits it
    #[arg(long)]
    pub(crate) never_bought: bool,
    /// Submit the job again, even if that pays twice
    #[arg(long)]
    pub(crate) buy_again: bool,
    /// Undo the last `resolve` of the job, unless the job was submitted since: the job is in doubt again, and tracks of a wrong task
    /// are renamed with `~undone`
    #[arg(long)]
    pub(crate) undo: bool,
}

impl OutcomeArgs {
    /// How a job without a task is settled.
    pub(crate) fn settlement(&self) -> Settlement {
        if self.buy_again {
            Settlement::BuyAgain
        } else {
            Settlement::NeverBought
        }
    }
}
