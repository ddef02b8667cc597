//! The arguments of the commands that open a manifest: `init`, `validate`, `plan`, `run`, `fetch` and `listen`.

use std::net::SocketAddr;
use std::path::PathBuf;

use backline_engine::manifest::{DEFAULT_MAX_JOBS, Filter, Partition};
use clap::Args as ClapArgs;

use super::{RunLedgerArgs, TapeArgs, WaitArgs};

/// Write a commented manifest and a sample recording
///
/// Existing files are never overwritten.
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Examples:
  backline init songs && backline run songs/backline-demo.yaml
  backline init --from vocals    write a manifest for the recordings in vocals")]
pub(crate) struct InitArgs {
    /// The folder, created if missing
    #[arg(value_name = "DIR", default_value = ".")]
    pub(crate) dir: PathBuf,
    /// Make stems of the recordings in this folder instead of writing a sample
    #[arg(long, value_name = "DIR")]
    pub(crate) from: Option<PathBuf>,
}

/// A manifest and a selection of its jobs.
#[derive(Debug, Clone, ClapArgs)]
pub(crate) struct ManifestArgs {
    /// The manifest, or - for standard input
    #[arg(value_name = "MANIFEST")]
    pub(crate) manifest: PathBuf,
    /// Select jobs that match, as `preset=lofi,piano`, `stem!=demo-*`, `stem.vars.artist=Ada` or `state=failed or take=1`; may be
    /// repeated, and all must match
    #[arg(long = "filter", value_name = "KEY=VALUE")]
    pub(crate) filters: Vec<Filter>,
    /// Select this many jobs at random from those that match
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..), allow_negative_numbers = true)]
    pub(crate) sample: Option<u64>,
    /// The random seed of the sample; the same seed selects the same jobs
    #[arg(
        long,
        value_name = "S",
        default_value_t = 0,
        requires = "sample",
        allow_negative_numbers = true
    )]
    pub(crate) seed: u64,
    /// Select part M of N of the jobs, as hash:2/5, with an Nth of the rate limit, of the tasks in flight and of the credits; for
    /// machines that have a ledger each
    #[arg(long, value_name = "hash:M/N")]
    pub(crate) partition: Option<Partition>,
    /// Reject a manifest with more jobs or stems than this, counted before `exclude`
    #[arg(long, value_name = "N", default_value_t = DEFAULT_MAX_JOBS, allow_negative_numbers = true)]
    pub(crate) max_jobs: u64,
}

impl ManifestArgs {
    /// Whether the manifest comes from standard input.
    pub(crate) fn is_standard_input(&self) -> bool {
        self.manifest == std::path::Path::new("-")
    }

    /// Whether some of the jobs are selected.
    pub(crate) fn selects(&self) -> bool {
        !self.filters.is_empty() || self.sample.is_some() || self.partition.is_some()
    }

    /// Every job of a manifest.
    pub(crate) fn whole(manifest: PathBuf) -> Self {
        Self {
            manifest,
            filters: Vec::new(),
            sample: None,
            seed: 0,
            partition: None,
            max_jobs: u64::MAX,
        }
    }
}

/// Check a manifest and every file that it names
///
/// Prints every mistake with its line. Buys nothing and makes no network request.
#[derive(Debug, ClapArgs)]
#[command(after_help = "Example:\n  backline validate workflows/quickstart.yaml")]
pub(crate) struct ValidateArgs {
    #[command(flatten)]
    pub(crate) manifest: ManifestArgs,
}

/// Show what a run would do
///
/// Compares the manifest with the ledger and shows a grid of stems and presets, with a sign for each job: + to buy, ~ to buy
/// instead of a job that an earlier run bought with other settings, > in progress, f to fetch, = kept, ? in doubt, ! failed, x expired,
/// v vetoed, p partial. Buys nothing and makes no network request.
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Examples:
  backline plan workflows/album.yaml --filter preset=lofi
  backline plan workflows/album.yaml --lock      write the lock file
  backline plan workflows/album.yaml --locked    fail if the plan differs from the lock file (for CI)")]
pub(crate) struct PlanArgs {
    #[command(flatten)]
    pub(crate) manifest: ManifestArgs,
    #[command(flatten)]
    pub(crate) lock: PlanLockArgs,
    /// List every job with its key and its sweep values instead of the grid; --format json shows all settings
    #[arg(long)]
    pub(crate) jobs: bool,
}

/// What to do with the lock file, or how to print the plan.
#[derive(Debug, ClapArgs)]
#[group(multiple = false)]
pub(crate) struct PlanLockArgs {
    /// Write the plan to the lock file (MANIFEST with the extension .lock)
    #[arg(long, conflicts_with_all = ["filters", "sample", "partition"])]
    pub(crate) lock: bool,
    /// Fail with exit code 9 if the plan differs from the lock file
    #[arg(long)]
    pub(crate) locked: bool,
    /// Show the differences from the lock file
    #[arg(long)]
    pub(crate) diff: bool,
    /// Print the plan as Markdown, for a comment on a pull request
    #[arg(long)]
    pub(crate) markdown: bool,
}

/// Buy missing jobs, follow their tasks and download every track
///
/// The same command resumes an interrupted run and buys nothing twice. The first Ctrl-C submits nothing more and finishes the
/// requests in progress; the second stops at once. The ledger is complete in both cases.
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Examples:
  backline run workflows/quickstart.yaml
  backline run workflows/album.yaml --sample 3 --seed 1    try three jobs first
  backline run workflows/album.yaml --format json          print one JSON event per line
  backline run workflows/quickstart.yaml --record tape     record the provider's responses
  backline run workflows/quickstart.yaml --replay tape     replay them, offline and free")]
pub(crate) struct RunArgs {
    #[command(flatten)]
    pub(crate) manifest: ManifestArgs,
    /// Fail with exit code 9 before buying anything if the plan differs from the lock file
    #[arg(long)]
    pub(crate) locked: bool,
    /// Leave the jobs to workers: publish the plan on a ledger on a server, follow it and write the reports
    #[cfg(feature = "postgres")]
    #[arg(long)]
    pub(crate) publish: bool,
    #[command(flatten)]
    pub(crate) tape: TapeArgs,
    #[command(flatten)]
    pub(crate) ledger: RunLedgerArgs,
    #[command(flatten)]
    pub(crate) watch: WatchArgs,
}

/// How others can watch a run.
#[derive(Debug, Clone, ClapArgs)]
pub(crate) struct WatchArgs {
    /// Serve a live page and metrics of the run at this address, such as 127.0.0.1:7070; with a terminal, the server runs until Ctrl-C
    #[arg(long, value_name = "ADDR", value_parser = address)]
    pub(crate) serve: Option<SocketAddr>,
    /// Allow other machines to connect; there is no authentication
    #[arg(long, requires = "serve")]
    pub(crate) expose: bool,
    /// Send traces to this OpenTelemetry collector over HTTP, such as http://127.0.0.1:4318; reads headers from
    /// $OTEL_EXPORTER_OTLP_HEADERS
    #[arg(long, value_name = "URL")]
    // Not parsed here: clap's error message would print the value, which may contain secrets.
    pub(crate) otlp: Option<String>,
}

/// Run jobs of a run that another process began, or render for studios on other machines
///
/// Needs the same manifest, recordings and ledger as that run, and an output directory or object store that both share. Takes one song at a time for each
/// task that may be in flight, with its steps, and ends with the run. What a worker leaves that is killed goes on in another process. The
/// first Ctrl-C takes no more songs and finishes the requests in progress.
///
/// With --render, it renders for every `backline studio` with the same --ledger until Ctrl-C, which finishes the renders in progress.
#[cfg(feature = "postgres")]
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Examples:
  backline worker album.yaml --ledger postgres://ann@db/ledger --wait 1h
  backline worker --render --ledger postgres://ann@db/ledger")]
pub(crate) struct WorkerArgs {
    /// The manifest
    #[arg(
        value_name = "MANIFEST",
        required_unless_present = "render",
        conflicts_with = "render"
    )]
    pub(crate) manifest: Option<PathBuf>,
    /// Wait for a run of the manifest to begin, at most this long
    #[arg(long, value_name = "TIME", value_parser = super::duration, conflicts_with = "render")]
    pub(crate) wait: Option<std::time::Duration>,
    /// Render for studios on other machines instead
    #[arg(long, help_heading = "The render farm")]
    pub(crate) render: bool,
    /// Render at most this many tasks at the same time [default: one for each core]
    #[arg(
        long,
        value_name = "N",
        requires = "render",
        help_heading = "The render farm"
    )]
    pub(crate) concurrency: Option<std::num::NonZeroU16>,
    /// Play with the studio's SoundFont (.sf2); auto: an installed one
    #[arg(
        long,
        value_name = "FILE",
        requires = "render",
        help_heading = "The render farm"
    )]
    pub(crate) soundfont: Option<PathBuf>,
}

/// Download paid tracks that are not on disk; submit nothing
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Examples:
  backline fetch workflows/quickstart.yaml
  backline fetch workflows/album.yaml --recover        get what the provider has deleted
  backline fetch workflows/album.yaml --other-tasks    get what was bought twice")]
pub(crate) struct FetchArgs {
    #[command(flatten)]
    pub(crate) manifest: ManifestArgs,
    /// Download only the tracks of tasks that were bought in addition to a job's own; the names of their files end with `~task-` and
    /// the task's id
    #[arg(long, conflicts_with_all = ["serve", "otlp"])]
    pub(crate) other_tasks: bool,
    /// Buy back the tracks that the provider has deleted or does not serve any more: one request for each task
    #[arg(long, conflicts_with = "other_tasks")]
    pub(crate) recover: bool,
    #[command(flatten)]
    pub(crate) ledger: RunLedgerArgs,
    #[command(flatten)]
    pub(crate) watch: WatchArgs,
}

/// Receive callbacks while no run is active
///
/// A callback can name the task of a job whose response was lost; the next run checks it with the provider. Listens at the
/// address in the manifest's `callbacks:` until Ctrl-C. The first line on standard output is that address.
#[derive(Debug, ClapArgs)]
#[command(after_help = "Example:\n  backline listen workflows/sunoapi.yaml")]
pub(crate) struct ListenArgs {
    #[command(flatten)]
    pub(crate) manifest: ManifestArgs,
    #[command(flatten)]
    pub(crate) wait: WaitArgs,
}

/// Parses a numeric address with a port. `localhost` is accepted as 127.0.0.1.
fn address(text: &str) -> Result<SocketAddr, String> {
    let numeric = match text.strip_prefix("localhost:") {
        Some(port) => format!("127.0.0.1:{port}"),
        None => text.to_owned(),
    };
    numeric
        .parse()
        .map_err(|_| "expected a numeric address and a port, as 127.0.0.1:7070".to_owned())
}
