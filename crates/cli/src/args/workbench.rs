//! The arguments of the commands around a run. None of them buys anything.

use std::path::PathBuf;

use backline_engine::duration::parse_duration;
use backline_engine::hooks::{DEFAULT_START_TIMEOUT_MS, DEFAULT_TIMEOUT_MS, HookPoint, OnError};
use clap::{Args as ClapArgs, Subcommand, ValueEnum};

/// The largest time limit of a hook, as in a manifest: 1 h.
const MAX_TIMEOUT_MS: u64 = 3_600_000;

/// The largest edit distance at which a known name is suggested for an unknown one.
const MAX_SLIP: usize = 3;

/// Recording and replaying the provider's responses.
#[derive(Debug, Clone, ClapArgs)]
pub(crate) struct TapeArgs {
    /// Record the provider's responses in this folder, without secrets; the run polls for results and receives no callbacks
    #[arg(long, value_name = "DIR")]
    pub(crate) record: Option<PathBuf>,
    /// Replay recorded responses instead of calling the provider: offline and free, with a separate ledger and output directory
    #[arg(long, value_name = "DIR", conflicts_with = "record")]
    pub(crate) replay: Option<PathBuf>,
    /// The empty folder for a replay's ledger, tracks and reports [default: .backline/replay in the project's root folder, recreated
    /// each time]
    #[arg(long, value_name = "DIR", requires = "replay")]
    pub(crate) into: Option<PathBuf>,
}

/// Test hooks
#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Example:\n  backline hooks test before_submit -- python3 hooks/guard.py",
    disable_help_subcommand = true
)]
pub(crate) struct HooksArgs {
    #[command(subcommand)]
    pub(crate) command: HooksCommand,
}

/// The commands about hooks.
#[derive(Debug, Subcommand)]
pub(crate) enum HooksCommand {
    Test(HookTestArgs),
}

/// Send an event to a hook and show what a run would do
///
/// Prints the event, the hook's output, its standard error, the time it took and the effect. The hook runs in this folder with the
/// environment that a run would give it. Exit code 4 if the hook failed.
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Examples:
  backline hooks test before_submit -- python3 hooks/guard.py
  backline hooks test before_submit --lua hooks/mood.lua
  backline hooks test before_submit --lua \"if take > 2 then veto 'enough' end\"
  backline hooks test before_submit --manifest songs.yaml --job 5b1c02d7 --lua hooks/mood.lua
  backline hooks test track_kept --service -- node hooks/service.js")]
pub(crate) struct HookTestArgs {
    /// The hook point: plan_job, plan_expanded, before_upload, before_submit, submitted, stage, track_kept, job_failed, job_in_doubt
    /// or run_finished
    #[arg(value_name = "EVENT", value_parser = hook_point)]
    pub(crate) event: HookPoint,
    /// Use a job of this manifest instead of the sample
    #[arg(long, value_name = "MANIFEST", requires = "job")]
    pub(crate) manifest: Option<PathBuf>,
    /// The job's key or the start of it, as `plan` shows it
    #[arg(long, value_name = "KEY", requires = "manifest")]
    pub(crate) job: Option<String>,
    /// The program and its arguments
    #[arg(
        last = true,
        value_name = "CMD",
        required_unless_present = "lua",
        conflicts_with = "lua"
    )]
    pub(crate) argv: Vec<String>,
    /// Test a Lua script instead of a program: its file, or its text as in a manifest
    #[arg(long, value_name = "SCRIPT", conflicts_with = "service")]
    pub(crate) lua: Option<String>,
    /// The program is a service: it keeps running and exchanges JSON lines
    #[arg(long)]
    pub(crate) service: bool,
    /// The time limit for the response, as `5s` or `500ms`
    #[arg(long, value_name = "TIME", value_parser = timeout_ms, default_value_t = Millis(DEFAULT_TIMEOUT_MS))]
    pub(crate) timeout: Millis,
    /// The time limit for a service's first line
    #[arg(long, value_name = "TIME", value_parser = timeout_ms, requires = "service", default_value_t = Millis(DEFAULT_START_TIMEOUT_MS))]
    pub(crate) start_timeout: Millis,
    /// What a failure does: fail, veto or ignore [default: as in a manifest]
    #[arg(long, value_name = "EFFECT", value_parser = on_error)]
    pub(crate) on_error: Option<OnError>,
    /// Pass this environment variable to the hook; may be repeated
    #[arg(long, value_name = "NAME")]
    pub(crate) env: Vec<String>,
}

/// Compare two runs, lock files or manifests, setting by setting
///
/// Each side is a run's id or the start of it, a lock file, or a manifest. Jobs are matched by stem, preset, sweep point and take.
/// A job has changed if its key has changed.
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Examples:
  backline diff 0193b8e2 0193c104
  backline diff 0193b8e2 0193c104 workflows/album.yaml    use the ledger of this manifest
  backline diff songs.lock songs.yaml --exit-code    exit with code 9 if anything differs
  git show HEAD~1:songs.lock > /tmp/old.lock && backline diff /tmp/old.lock songs.lock")]
pub(crate) struct DiffArgs {
    /// The older side
    #[arg(value_name = "A")]
    pub(crate) old: String,
    /// The newer side
    #[arg(value_name = "B")]
    pub(crate) new: String,
    /// The manifest whose ledger has the runs [default: the nearest ledger at or above this folder, else the ledger of A or B if that
    /// is a manifest]
    #[arg(value_name = "MANIFEST")]
    pub(crate) manifest: Option<PathBuf>,
    /// Exit with code 9 if anything differs
    #[arg(long)]
    pub(crate) exit_code: bool,
}

/// Show the help of a command, or the manifest reference
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Examples:
  backline help run
  backline help manifest    show every key with its type, default, example and error")]
pub(crate) struct HelpArgs {
    /// A command, or `manifest`
    #[arg(value_name = "TOPIC")]
    pub(crate) topic: Vec<String>,
}

/// Print a JSON Schema: of the manifest, of backline.yaml, or of hook events
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Examples:
  backline schema > backline.schema.json
  backline schema project > backline.project.schema.json
  backline schema hook-event")]
pub(crate) struct SchemaArgs {
    /// Which schema
    #[arg(value_enum, value_name = "WHAT", default_value_t)]
    pub(crate) what: SchemaOf,
}

/// A published schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum SchemaOf {
    /// The manifest
    #[default]
    Manifest,
    /// The project file, backline.yaml
    Project,
    /// The events that hooks receive
    HookEvent,
}

/// Check that a run has everything it needs
///
/// Checks the key, the provider, the account's credits, the callback receiver, the disk, the ledger, the clock and the terminal,
/// and shows how to fix each problem. Buys nothing and prints no secret. Exit code 0 if no check fails, else the code of the first
/// failure: 2 the environment, 3 the manifest, 6 the provider, 7 the disk or ledger.
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Examples:
  backline doctor
  backline doctor workflows/sunoapi.yaml --format json")]
pub(crate) struct DoctorArgs {
    /// The manifest whose provider and folders to check [default: check this machine and folder only]
    #[arg(value_name = "MANIFEST")]
    pub(crate) manifest: Option<PathBuf>,
}

/// Print the manual, or write one page for each command to a folder
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Examples:
  backline man | man -l -
  backline man ~/.local/share/man/man1")]
pub(crate) struct ManArgs {
    /// The folder, created if missing; existing pages are replaced
    #[arg(value_name = "DIR")]
    pub(crate) dir: Option<PathBuf>,
}

/// A time in milliseconds, as it is written on a command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Millis(pub(crate) u64);

impl std::fmt::Display for Millis {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.0.is_multiple_of(1000) {
            write!(f, "{}s", self.0 / 1000)
        } else {
            write!(f, "{}ms", self.0)
        }
    }
}

fn timeout_ms(text: &str) -> Result<Millis, String> {
    parse_duration(text)
        .and_then(|time| u64::try_from(time.as_millis()).ok())
        .filter(|ms| *ms <= MAX_TIMEOUT_MS)
        .map(Millis)
        .ok_or_else(|| "expected a time up to an hour, as `5s` or `500ms`".to_owned())
}

fn hook_point(word: &str) -> Result<HookPoint, String> {
    let words = HookPoint::ALL.map(HookPoint::as_str);
    word.parse().map_err(|_| one_of("events", word, &words))
}

fn on_error(word: &str) -> Result<OnError, String> {
    word.parse()
        .map_err(|_| one_of("effects", word, &OnError::NAMES))
}

/// The error for an unknown name: the most similar known name, and all known names.
fn one_of(what: &str, word: &str, known: &[&str]) -> String {
    let distance = |name: &&&str| strsim::damerau_levenshtein(word, name);
    let nearest = known.iter().min_by_key(distance);
    let meant = nearest.filter(|name| distance(name) <= MAX_SLIP);
    let meant = meant.map_or_else(String::new, |name| format!("did you mean `{name}`? "));
    format!("{meant}the {what} are {}", known.join(", "))
}

#[cfg(test)]
#[expect(
    clippy::unwrap_used,
    reason = "a test that unwraps says where it failed"
)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_brings_the_nearest_word() {
        assert_eq!(hook_point("stage"), Ok(HookPoint::Stage));
        let error = hook_point("before_sumbit").unwrap_err();
        assert!(
            error.starts_with("did you mean `before_submit`? the events are plan_job, "),
            "{error}"
        );
        assert!(
            hook_point("lunch")
                .unwrap_err()
                .starts_with("the events are ")
        );
    }

    #[test]
    fn a_time_has_a_unit_and_an_end() {
        assert_eq!(timeout_ms("5s"), Ok(Millis(5_000)));
        assert_eq!(timeout_ms("20ms"), Ok(Millis(20)));
        assert_eq!(timeout_ms("5m"), Ok(Millis(300_000)));
        assert_eq!(timeout_ms("3600s"), Ok(Millis(3_600_000)));
        for wrong in ["", "5", "0s", "-1s", "3601s", "ms", "99999999999999999999s"] {
            assert!(timeout_ms(wrong).is_err(), "{wrong}");
        }
    }
}
