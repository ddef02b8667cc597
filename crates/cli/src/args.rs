//! The command line as clap parses it, with its help. [`console`](crate::console), [`project`](crate::project) and the commands
//! decide what it means.
//!
//! Left out on purpose: short forms except `-q` and `-v`, and flags for what a manifest can set.

mod ledger;
mod listening;
mod sound;
mod studio;
mod workbench;

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use backline_engine::driver::Settlement;
use backline_engine::manifest::{DEFAULT_MAX_JOBS, DEFAULT_MAX_SOUND, Filter};
use backline_engine::plan::ReportKind;
use clap::{
    ArgAction, Args as ClapArgs, ColorChoice, CommandFactory, FromArgMatches, Parser, Subcommand,
    ValueEnum,
};

use crate::exit_codes;

use ledger::duration;
pub(crate) use ledger::{GcArgs, RunLedgerArgs, WaitArgs, duration_text};
pub(crate) use listening::{PickArgs, PickPart};
pub(crate) use sound::{AnalyseArgs, AudioFormat, Gender, PlayArgs, PlayPart, SoundArgs};
pub(crate) use studio::{StudioArgs, StudioRate};
pub(crate) use workbench::{
    DiffArgs, DoctorArgs, HelpArgs, HookTestArgs, HooksArgs, HooksCommand, ManArgs, SchemaArgs,
    SchemaOf, TapeArgs,
};

/// The whole command line.
#[derive(Debug, Parser)]
#[command(
    name = "backline",
    version,
    about = "Run the music-generation jobs of a YAML manifest, and pay for each job only once",
    after_help = exit_codes::HELP,
    after_long_help = exit_codes::HELP,
    disable_help_subcommand = true,
    subcommand_required = true,
    arg_required_else_help = true,
    max_term_width = 100
)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) global: GlobalArgs,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The options of every command.
#[derive(Debug, Clone, ClapArgs)]
pub(crate) struct GlobalArgs {
    /// Use this ledger [default: .backline/ledger.sqlite3 in the project's root folder]
    #[arg(
        long,
        global = true,
        value_name = "PATH",
        help_heading = "Global options"
    )]
    pub(crate) ledger: Option<PathBuf>,
    /// Print text for people or JSON for programs on standard output
    #[arg(
        long,
        global = true,
        value_enum,
        default_value_t,
        help_heading = "Global options"
    )]
    pub(crate) format: Format,
    /// Print errors only
    #[arg(
        short,
        long,
        global = true,
        conflicts_with = "verbose",
        help_heading = "Global options"
    )]
    pub(crate) quiet: bool,
    /// Print every event; -vv also prints the program's log
    #[arg(short, long, global = true, action = ArgAction::Count, help_heading = "Global options")]
    pub(crate) verbose: u8,
    /// When to use colours
    #[arg(
        long,
        global = true,
        value_enum,
        value_name = "WHEN",
        default_value_t,
        help_heading = "Global options"
    )]
    pub(crate) color: Colour,
    /// Allow imports, catalogues and scripts outside the project's folder
    #[arg(long, global = true, help_heading = "Global options")]
    pub(crate) allow_outside: bool,
    /// Reject a manifest whose recordings have more sound together than this, counted in stereo at 48 kHz [default: 24h]
    #[arg(long, global = true, value_name = "TIME", value_parser = duration, help_heading = "Global options")]
    pub(crate) max_sound: Option<Duration>,
}

impl GlobalArgs {
    /// The most sound that a manifest's recordings may have together.
    pub(crate) fn max_sound(&self) -> Duration {
        self.max_sound.unwrap_or(DEFAULT_MAX_SOUND)
    }
}

/// The format of standard output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum Format {
    #[default]
    Text,
    Json,
}

/// When to use colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum Colour {
    #[default]
    Auto,
    Always,
    Never,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Init(InitArgs),
    Validate(ValidateArgs),
    Plan(PlanArgs),
    Run(RunArgs),
    Fetch(FetchArgs),
    Listen(ListenArgs),
    Status(StatusArgs),
    Report(ReportArgs),
    Pick(PickArgs),
    Resolve(ResolveArgs),
    Analyse(AnalyseArgs),
    Play(PlayArgs),
    Studio(StudioArgs),
    Diff(DiffArgs),
    Gc(GcArgs),
    Doctor(DoctorArgs),
    Hooks(HooksArgs),
    Schema(SchemaArgs),
    Man(ManArgs),
    Completions(CompletionsArgs),
    Help(HelpArgs),
}

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
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) sample: Option<u64>,
    /// The random seed of the sample; the same seed selects the same jobs
    #[arg(long, value_name = "S", default_value_t = 0, requires = "sample")]
    pub(crate) seed: u64,
    /// Reject a manifest with more jobs or stems than this, counted before `exclude`
    #[arg(long, value_name = "N", default_value_t = DEFAULT_MAX_JOBS)]
    pub(crate) max_jobs: u64,
}

impl ManifestArgs {
    /// Whether the manifest comes from standard input.
    pub(crate) fn is_standard_input(&self) -> bool {
        self.manifest == std::path::Path::new("-")
    }

    /// Every job of a manifest.
    pub(crate) fn whole(manifest: PathBuf) -> Self {
        Self {
            manifest,
            filters: Vec::new(),
            sample: None,
            seed: 0,
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
/// Compares the manifest with the ledger and shows a grid of stems and presets, with a sign for each job: + to buy, ~ to buy in the
/// place of another job that an earlier run bought, > in progress, f to fetch, = kept, ? in doubt, ! failed, x expired, v vetoed,
/// p partial. Buys nothing and makes no network request.
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
    /// List every job with its key and settings instead of the grid
    #[arg(long)]
    pub(crate) jobs: bool,
}

/// What to do with the lock file, or how to print the plan.
#[derive(Debug, ClapArgs)]
#[group(multiple = false)]
pub(crate) struct PlanLockArgs {
    /// Write the plan to the lock file (MANIFEST with the extension .lock)
    #[arg(long, conflicts_with_all = ["filters", "sample"])]
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
    /// Serve a live page and metrics of the run at this address, such as 127.0.0.1:7070; on a terminal until Ctrl-C
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

/// Download paid tracks that are not on disk; submit nothing
#[derive(Debug, ClapArgs)]
#[command(after_help = "Example:\n  backline fetch workflows/quickstart.yaml")]
pub(crate) struct FetchArgs {
    #[command(flatten)]
    pub(crate) manifest: ManifestArgs,
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

/// A run of the ledger.
#[derive(Debug, ClapArgs)]
pub(crate) struct ChosenRunArgs {
    /// The manifest of the run [default: the last run in the nearest ledger at or above this folder]
    #[arg(value_name = "MANIFEST")]
    pub(crate) manifest: Option<PathBuf>,
    /// An older run, by its id or the start of its id
    #[arg(long, value_name = "ID")]
    pub(crate) run: Option<String>,
    /// Include jobs that earlier runs of the manifest bought and that it does not have any more
    #[arg(long)]
    pub(crate) all: bool,
}

/// Show the status of a manifest's jobs
///
/// Shows every job of the manifest as its last run recorded it, what that run did, and whether it is running, has ended, or died.
/// Reads the ledger only: a run in progress is not disturbed.
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Examples:
  backline status workflows/quickstart.yaml
  backline status workflows/album.yaml --watch      follow an active run from another terminal")]
pub(crate) struct StatusArgs {
    #[command(flatten)]
    pub(crate) chosen: ChosenRunArgs,
    /// Update the display until the run ends
    #[arg(long)]
    pub(crate) watch: bool,
    /// List the ledger's runs with their outcome, counts and filters
    #[arg(long, conflicts_with_all = ["run", "watch"])]
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
    /// Join the ratings of this table, which the listening page exports: stars and notes, or blind results; may be repeated
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
    #[arg(long, conflicts_with_all = ["never_bought", "buy_again", "all"])]
    pub(crate) force: bool,
    /// Settle every job in doubt, except those for which a callback named a task: with --never-bought none of them was bought, with
    /// --buy-again each is bought once more and its first attempt counts as paid
    #[arg(long, conflicts_with_all = ["manifest", "task"])]
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

/// A numeric address with a port; `localhost` is one that everybody knows.
fn address(text: &str) -> Result<SocketAddr, String> {
    let numeric = match text.strip_prefix("localhost:") {
        Some(port) => format!("127.0.0.1:{port}"),
        None => text.to_owned(),
    };
    numeric
        .parse()
        .map_err(|_| "expected a numeric address and a port, as 127.0.0.1:7070".to_owned())
}

/// Print shell completions
#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Example:\n  backline completions bash > ~/.local/share/bash-completion/completions/backline"
)]
pub(crate) struct CompletionsArgs {
    /// The shell
    #[arg(value_enum, value_name = "SHELL")]
    pub(crate) shell: clap_complete::Shell,
}

/// Parses a command line.
///
/// # Errors
/// An invalid command line, or the requested help.
pub(crate) fn parse(line: impl IntoIterator<Item = OsString>) -> Result<Args, clap::Error> {
    let line: Vec<OsString> = line.into_iter().collect();
    let mut command = Args::command().color(spoken_colour(&line));
    let matches = command.try_get_matches_from_mut(line)?;
    Args::from_arg_matches(&matches).map_err(|error| error.format(&mut command))
}

/// `--color` counts for clap's own messages too, which are made before there are arguments.
fn spoken_colour(line: &[OsString]) -> ColorChoice {
    let mut words = line.iter().filter_map(|word| word.to_str());
    while let Some(word) = words.next() {
        let value = match word.strip_prefix("--color") {
            Some("") => words.next(),
            Some(rest) => rest.strip_prefix('='),
            None => None,
        };
        match value {
            Some("always") => return ColorChoice::Always,
            Some("never") => return ColorChoice::Never,
            _ => {}
        }
    }
    ColorChoice::Auto
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Args::command().debug_assert();
    }
}
