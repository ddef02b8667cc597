//! The command line as clap parses it, with its help. [`console`](crate::console), [`project`](crate::project) and the commands
//! decide what it means.
//!
//! Left out on purpose: short forms except `-q` and `-v`, and flags for what a manifest can set.

mod ledger;
mod listening;
mod manifest;
mod past_run;
mod sound;
mod studio;
mod workbench;

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use backline_engine::manifest::DEFAULT_MAX_SOUND;
use clap::{
    ArgAction, Args as ClapArgs, ColorChoice, CommandFactory, FromArgMatches, Parser, Subcommand,
    ValueEnum,
};

use crate::exit_codes;

use ledger::duration;
pub(crate) use ledger::{
    GcArgs, LedgerArgs, LedgerCheckArgs, LedgerCommand, LedgerExportArgs, LedgerImportArgs,
    RunLedgerArgs, WaitArgs, duration_text,
};
pub(crate) use listening::{PickArgs, PickPart};
#[cfg(feature = "postgres")]
pub(crate) use manifest::WorkerArgs;
pub(crate) use manifest::{
    FetchArgs, InitArgs, ListenArgs, ManifestArgs, PlanArgs, RunArgs, ValidateArgs, WatchArgs,
};
pub(crate) use past_run::{ChosenRunArgs, ReportArgs, ResolveArgs, StatusArgs};
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
    /// Reject a manifest whose recordings are longer than this in total, counted as stereo at 48 kHz [default: 24h]
    #[arg(long, global = true, value_name = "TIME", value_parser = duration, help_heading = "Global options")]
    pub(crate) max_sound: Option<Duration>,
}

impl GlobalArgs {
    /// The longest total duration of a manifest's recordings.
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
    #[cfg(feature = "postgres")]
    Worker(WorkerArgs),
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
    Ledger(LedgerArgs),
    Doctor(DoctorArgs),
    Hooks(HooksArgs),
    Schema(SchemaArgs),
    Man(ManArgs),
    Completions(CompletionsArgs),
    Help(HelpArgs),
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

/// The value of `--color`, for clap's own messages. Clap can print these before it has parsed the arguments.
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
