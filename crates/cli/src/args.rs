//! What the user said: the command line as clap reads it, with its help. What it means is settled in
//! [`console`](crate::console), [`project`](crate::project) and the commands.
//!
//! Left out on purpose: short forms for anything but `-q` and `-v`, and a flag for whatever a manifest can say.

mod ledger;
mod workbench;

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;

use backline_engine::manifest::{DEFAULT_MAX_JOBS, Filter};
use backline_engine::plan::{Rate, ReportKind};
use clap::{
    ArgAction, Args as ClapArgs, ColorChoice, CommandFactory, FromArgMatches, Parser, Subcommand,
    ValueEnum,
};

use crate::exit_codes;

pub(crate) use ledger::{GcArgs, RunLedgerArgs, WaitArgs, duration_text};
pub(crate) use workbench::{
    DiffArgs, DoctorArgs, HelpArgs, HookTestArgs, HooksArgs, HooksCommand, ManArgs, SchemaArgs,
    SchemaOf, TapeArgs,
};

mod sound;

pub(crate) use sound::{AnalyseArgs, AudioFormat, Gender, PlayArgs, PlayPart, SoundArgs};

/// The whole command line.
#[derive(Debug, Parser)]
#[command(
    name = "backline",
    version,
    about = "The band behind the singer: one YAML file names recordings and styles; every missing variant is made, once",
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

/// What every command takes.
#[derive(Debug, Clone, ClapArgs)]
pub(crate) struct GlobalArgs {
    /// The ledger [default: .backline/ledger.sqlite3 at the project's root]
    #[arg(
        long,
        global = true,
        value_name = "PATH",
        help_heading = "Global options"
    )]
    pub(crate) ledger: Option<PathBuf>,
    /// Text for people or JSON for programs, on standard output
    #[arg(
        long,
        global = true,
        value_enum,
        default_value_t,
        help_heading = "Global options"
    )]
    pub(crate) format: Format,
    /// Say only what went wrong
    #[arg(
        short,
        long,
        global = true,
        conflicts_with = "verbose",
        help_heading = "Global options"
    )]
    pub(crate) quiet: bool,
    /// Say everything that happens; twice: the program's own log too
    #[arg(short, long, global = true, action = ArgAction::Count, help_heading = "Global options")]
    pub(crate) verbose: u8,
    /// Colours
    #[arg(
        long,
        global = true,
        value_enum,
        value_name = "WHEN",
        default_value_t,
        help_heading = "Global options"
    )]
    pub(crate) color: Colour,
    /// Read imports, catalogues and scripts outside of the manifest's project too
    #[arg(long, global = true, help_heading = "Global options")]
    pub(crate) allow_outside: bool,
}

/// What standard output is for.
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

/// Write a commented manifest and a recording to start from
///
/// Nothing that exists is overwritten.
#[derive(Debug, ClapArgs)]
#[command(after_help = "Example:\n  backline init songs\n  backline run songs/backline-demo.yaml")]
pub(crate) struct InitArgs {
    /// The folder, made if it is missing
    #[arg(value_name = "DIR", default_value = ".")]
    pub(crate) dir: PathBuf,
}

/// Which manifest, and which of its jobs.
#[derive(Debug, Clone, ClapArgs)]
pub(crate) struct ManifestArgs {
    /// The manifest
    #[arg(value_name = "MANIFEST")]
    pub(crate) manifest: PathBuf,
    /// Only jobs that match, as `preset=lofi` or `stem!=demo-*`; may be repeated, and all must match
    #[arg(long = "filter", value_name = "KEY=VALUE")]
    pub(crate) filters: Vec<Filter>,
    /// Only this many jobs, chosen at random by --seed from those that match
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) sample: Option<u64>,
    /// Chooses the sample; the same seed chooses the same jobs
    #[arg(long, value_name = "S", default_value_t = 0, requires = "sample")]
    pub(crate) seed: u64,
    /// Refuse a manifest that multiplies to more jobs than this, or names more stems, `exclude` not counted
    #[arg(long, value_name = "N", default_value_t = DEFAULT_MAX_JOBS)]
    pub(crate) max_jobs: u64,
}

impl ManifestArgs {
    /// All of a manifest.
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

/// Check a manifest and everything that it names
///
/// Says all that is wrong at once, each with its place. Buys nothing and contacts nobody.
#[derive(Debug, ClapArgs)]
#[command(after_help = "Example:\n  backline validate workflows/quickstart.yaml")]
pub(crate) struct ValidateArgs {
    #[command(flatten)]
    pub(crate) manifest: ManifestArgs,
}

/// Say what a run would do
///
/// Compares the manifest with the ledger. Each job has a sign: + to buy, ~ to buy in the place of another job that an earlier run
/// bought, > in progress, = kept, ? in doubt, ! failed, x expired, v vetoed. Buys nothing and contacts nobody.
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Examples:
  backline plan workflows/album.yaml --filter preset=lofi
  backline plan workflows/album.yaml --lock      agree to what it means
  backline plan workflows/album.yaml --locked    fail if it means something else (for CI)")]
pub(crate) struct PlanArgs {
    #[command(flatten)]
    pub(crate) manifest: ManifestArgs,
    #[command(flatten)]
    pub(crate) lock: PlanLockArgs,
}

/// What to do with the lock file, or how to tell the plan.
#[derive(Debug, ClapArgs)]
#[group(multiple = false)]
pub(crate) struct PlanLockArgs {
    /// Write what the manifest means to its lock file (MANIFEST with the extension .lock)
    #[arg(long, conflicts_with_all = ["filters", "sample"])]
    pub(crate) lock: bool,
    /// Fail, with exit code 9, if the manifest means something other than its lock file
    #[arg(long)]
    pub(crate) locked: bool,
    /// Say what differs from the lock file
    #[arg(long)]
    pub(crate) diff: bool,
    /// Write the plan as Markdown, for a pull request's comment
    #[arg(long)]
    pub(crate) markdown: bool,
}

/// Buy what is missing, follow what is bought, keep every track
///
/// Running again buys nothing twice; a run that died is taken up by the same command. Ctrl-C ends what is under way and
/// stops; a second one stops at once. Either way the ledger holds everything.
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Examples:
  backline run workflows/quickstart.yaml
  backline run workflows/album.yaml --sample 3 --seed 1    try a few first
  backline run workflows/album.yaml --format json          one event a line, for programs
  backline run workflows/quickstart.yaml --record tape     keep the provider's answers …
  backline run workflows/quickstart.yaml --replay tape     … and run against them, offline and free")]
pub(crate) struct RunArgs {
    #[command(flatten)]
    pub(crate) manifest: ManifestArgs,
    /// Refuse to start, with exit code 9, if the manifest means something other than its lock file
    #[arg(long)]
    pub(crate) locked: bool,
    #[command(flatten)]
    pub(crate) tape: TapeArgs,
    #[command(flatten)]
    pub(crate) ledger: RunLedgerArgs,
    #[command(flatten)]
    pub(crate) watch: WatchArgs,
}

/// Who else may watch a run.
#[derive(Debug, Clone, ClapArgs)]
pub(crate) struct WatchArgs {
    /// Serve the run's page, live, and its metrics at this address, such as 127.0.0.1:7070; where a person looks on, until Ctrl-C
    #[arg(long, value_name = "ADDR", value_parser = address)]
    pub(crate) serve: Option<SocketAddr>,
    /// Let other machines listen, too: there is no key
    #[arg(long, requires = "serve")]
    pub(crate) expose: bool,
    /// Send traces of the run to this OpenTelemetry collector by HTTP, such as http://127.0.0.1:4318; headers for it stand in
    /// $OTEL_EXPORTER_OTLP_HEADERS
    #[arg(long, value_name = "URL")]
    // Not read as an address here: what is none would be told with the secrets that may stand in it.
    pub(crate) otlp: Option<String>,
}

/// Bring what is bought and not kept, and buy nothing
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

/// Receive callbacks while no run is under way
///
/// A callback proves a purchase whose answer was lost; the next run follows it. Listens where the manifest's `callbacks:`
/// says. The first line on standard output is the address; lasts until Ctrl-C.
#[derive(Debug, ClapArgs)]
#[command(after_help = "Example:\n  backline listen workflows/sunoapi.yaml")]
pub(crate) struct ListenArgs {
    #[command(flatten)]
    pub(crate) manifest: ManifestArgs,
    #[command(flatten)]
    pub(crate) wait: WaitArgs,
}

/// Which run of the ledger.
#[derive(Debug, ClapArgs)]
pub(crate) struct ChosenRunArgs {
    /// The manifest whose last run is meant; without it the last run of the nearest ledger at or above this folder
    #[arg(value_name = "MANIFEST")]
    pub(crate) manifest: Option<PathBuf>,
    /// An older run, by its id or the beginning of it
    #[arg(long, value_name = "ID")]
    pub(crate) run: Option<String>,
}

/// Say how the last run's jobs stand
///
/// And whether it goes on, has ended, or died. Reads the ledger alone: a run that goes on is not disturbed.
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Examples:
  backline status workflows/quickstart.yaml
  backline status workflows/album.yaml --watch      from another terminal, while it runs")]
pub(crate) struct StatusArgs {
    #[command(flatten)]
    pub(crate) chosen: ChosenRunArgs,
    /// Show the run as it goes on, until it ends or dies
    #[arg(long)]
    pub(crate) watch: bool,
    /// List the ledger's runs instead
    #[arg(long, conflicts_with_all = ["run", "watch"])]
    pub(crate) runs: bool,
}

/// Write the reports anew from the ledger
///
/// The same ledger gives the same bytes.
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Examples:
  backline report workflows/quickstart.yaml
  backline report --run 0193b8e2 --only csv --dir /tmp/reports")]
pub(crate) struct ReportArgs {
    #[command(flatten)]
    pub(crate) chosen: ChosenRunArgs,
    /// Only these reports [default: those that the manifest names]
    #[arg(long, value_name = "KIND", value_delimiter = ',', value_parser = report_kind)]
    pub(crate) only: Vec<ReportKind>,
    /// Where to write them [default: the manifest's output folder]
    #[arg(long, value_name = "DIR")]
    pub(crate) dir: Option<PathBuf>,
}

fn report_kind(text: &str) -> Result<ReportKind, String> {
    ReportKind::of_word(text).ok_or_else(|| {
        format!(
            "the reports are {}",
            ReportKind::ALL.map(ReportKind::word).join(", ")
        )
    })
}

/// Say what became of a job in doubt
///
/// A job is in doubt when the answer to its submission was lost: it may have been bought. Look into your account at the
/// provider's, then say which it is. The next run acts on it. Where a response came that could not be read, `status` shows what
/// it said and what in it may be the task's id; `--task` checks an id with the provider before it is recorded.
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Examples:
  backline resolve 5b1c02d7a9e4 --task 8f14e45fceea167a5a36dedd4bea2543
  backline resolve 5b1c02d7a9e4 --never-bought
  backline resolve --all --never-bought
  backline resolve --all --never-bought workflows/album.yaml --filter stem=chorus")]
pub(crate) struct ResolveArgs {
    /// The job's key, or the beginning of it, as `status` shows it; with --all the manifest
    #[arg(value_name = "KEY", required_unless_present = "all")]
    pub(crate) key: Option<String>,
    /// The manifest whose ledger is meant; without it the nearest ledger at or above this folder
    #[arg(value_name = "MANIFEST")]
    pub(crate) manifest: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) word: WordArgs,
    /// Settle every job of the ledger that is in doubt, except those for which a callback named a task
    #[arg(long, requires = "never_bought", conflicts_with = "manifest")]
    pub(crate) all: bool,
    /// Only jobs that this run put in doubt, by its id or the beginning of it
    #[arg(long, value_name = "ID", requires = "all")]
    pub(crate) run: Option<String>,
    /// Only jobs of the manifest that match, as `preset=lofi` or `stem!=demo-*`; may be repeated, and all must match
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

/// The user's word on a job in doubt.
#[derive(Debug, ClapArgs)]
#[group(required = true, multiple = false)]
pub(crate) struct WordArgs {
    /// It was bought, and this is the provider's task id
    #[arg(long, value_name = "ID")]
    pub(crate) task: Option<String>,
    /// It was not bought; the next run submits it
    #[arg(long)]
    pub(crate) never_bought: bool,
    /// Buy it, even if that pays twice
    #[arg(long)]
    pub(crate) buy_again: bool,
}

/// Serve the vendors' contract on this machine, with the band playing
///
/// The first line on standard output is the base URL; uploads go to the same address. Tasks survive a restart.
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Examples:
  BACKLINE_STUDIO_KEY=secret backline studio
  backline studio --listen 127.0.0.1:0 --instant --rate off     for load tests")]
pub(crate) struct StudioArgs {
    /// The address to listen on; port 0 takes a free one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8790")]
    pub(crate) listen: SocketAddr,
    /// Allow an address that other machines can reach; needs a key
    #[arg(long)]
    pub(crate) expose: bool,
    /// The only API key let in; without one any is. The variable keeps it out of the process list
    #[arg(
        long,
        value_name = "KEY",
        env = "BACKLINE_STUDIO_KEY",
        hide_env_values = true
    )]
    pub(crate) key: Option<String>,
    /// The credits that the account was ever given [default: they never run out]
    #[arg(long, value_name = "N", value_parser = credits)]
    pub(crate) credits: Option<f64>,
    /// Where tasks and files are kept
    #[arg(long, value_name = "DIR", default_value = ".backline/studio-service")]
    pub(crate) data: PathBuf,
    /// Finish every task at once with a stored recording instead of playing
    #[arg(long)]
    pub(crate) instant: bool,
    /// New tasks for each key in a sliding window, as `20/10s`, or `off`
    #[arg(long, value_name = "RATE", default_value = "20/10s", value_parser = rate)]
    pub(crate) rate: StudioRate,
    /// Go wrong on purpose, as this YAML plan says (docs/misbehave.md); for testing clients
    #[arg(long, value_name = "PLAN")]
    pub(crate) misbehave: Option<PathBuf>,
    /// Fetch sources from private addresses too, not only from public ones
    #[arg(long)]
    pub(crate) allow_private: bool,
    #[command(flatten)]
    pub(crate) sound: SoundArgs,
}

/// The studio's window of new tasks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StudioRate {
    /// None.
    Off,
    /// So many in so long.
    Window(Rate),
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

fn credits(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(number) if number.is_finite() && number >= 0.0 => Ok(number),
        _ => Err("expected a number of credits, 0 or more".to_owned()),
    }
}

fn rate(text: &str) -> Result<StudioRate, String> {
    let expected = || "expected `off` or a number in a time, as `20/10s` or `5/500ms`".to_owned();
    if text == "off" {
        return Ok(StudioRate::Off);
    }
    let (count, window) = text.split_once('/').ok_or_else(expected)?;
    let count: u32 = count.parse().map_err(|_| expected())?;
    let (number, unit_ms) = match window.strip_suffix("ms") {
        Some(number) => (number, 1),
        None => (window.strip_suffix('s').ok_or_else(expected)?, 1000),
    };
    let window_ms = number
        .parse::<u64>()
        .ok()
        .and_then(|number| number.checked_mul(unit_ms));
    match window_ms {
        Some(window_ms) if window_ms > 0 && count > 0 => {
            Ok(StudioRate::Window(Rate { count, window_ms }))
        }
        _ => Err(expected()),
    }
}

/// Write a shell's completions on standard output
#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Example:\n  backline completions bash > ~/.local/share/bash-completion/completions/backline"
)]
pub(crate) struct CompletionsArgs {
    /// The shell
    #[arg(value_enum, value_name = "SHELL")]
    pub(crate) shell: clap_complete::Shell,
}

/// Reads a command line.
///
/// # Errors
/// What clap has to say: a mistake, or the help that was asked for.
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

    #[test]
    fn a_rate_is_a_number_in_a_time() {
        let window = |count, window_ms| Ok(StudioRate::Window(Rate { count, window_ms }));
        assert_eq!(rate("20/10s"), window(20, 10_000));
        assert_eq!(rate("5/500ms"), window(5, 500));
        assert_eq!(rate("off"), Ok(StudioRate::Off));
        for wrong in [
            "",
            "20",
            "20/",
            "0/10s",
            "20/0s",
            "20/10",
            "-1/10s",
            "20/99999999999999999999s",
        ] {
            assert!(rate(wrong).is_err(), "{wrong}");
        }
    }
}
