//! The commands that one works with around a run: they buy nothing.

use std::path::PathBuf;

use backline_engine::hooks::{DEFAULT_START_TIMEOUT_MS, DEFAULT_TIMEOUT_MS, HookPoint, OnError};
use clap::{Args as ClapArgs, Subcommand, ValueEnum};

/// Longest time that a hook may be given, as in a manifest: an hour.
const MAX_TIMEOUT_MS: u64 = 3_600_000;

/// Most letters that a word may be away from one that is known, to be taken for a slip.
const MAX_SLIP: usize = 3;

/// Whether a run keeps the provider's answers, or is given kept ones.
#[derive(Debug, Clone, ClapArgs)]
pub(crate) struct TapeArgs {
    /// Keep the provider's answers in this folder, without secrets; results are asked for, callbacks are off
    #[arg(long, value_name = "DIR")]
    pub(crate) record: Option<PathBuf>,
    /// Take the answers from this recording: offline, free, with a ledger and an output folder of its own
    #[arg(long, value_name = "DIR", conflicts_with = "record")]
    pub(crate) replay: Option<PathBuf>,
    /// Where a replay's ledger, tracks and reports go; an empty folder [default: .backline/replay at the project's root,
    /// made anew each time]
    #[arg(long, value_name = "DIR", requires = "replay")]
    pub(crate) into: Option<PathBuf>,
}

/// Try hooks out
#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Example:\n  backline hooks test before_submit -- python3 hooks/guard.py",
    disable_help_subcommand = true
)]
pub(crate) struct HooksArgs {
    #[command(subcommand)]
    pub(crate) command: HooksCommand,
}

/// What is done with hooks.
#[derive(Debug, Subcommand)]
pub(crate) enum HooksCommand {
    Test(HookTestArgs),
}

/// Feed a sample event to a hook and show what a run would do
///
/// Shows the event, the hook's answer, its standard error, how long it took and the effect. The hook runs in this folder,
/// with the environment that a run would give it. Exit code 4 when the hook failed.
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Examples:
  backline hooks test before_submit -- python3 hooks/guard.py
  backline hooks test before_submit --lua hooks/mood.lua
  backline hooks test track_kept --service -- node hooks/service.js")]
pub(crate) struct HookTestArgs {
    /// The point of a job's or a run's life: plan_job, plan_expanded, before_upload, before_submit, submitted, stage, track_kept,
    /// job_failed, job_in_doubt or run_finished
    #[arg(value_name = "EVENT", value_parser = hook_point)]
    pub(crate) event: HookPoint,
    /// The program and its arguments
    #[arg(
        last = true,
        value_name = "CMD",
        required_unless_present = "lua",
        conflicts_with = "lua"
    )]
    pub(crate) argv: Vec<String>,
    /// Try this Lua script instead of a program
    #[arg(long, value_name = "FILE", conflicts_with = "service")]
    pub(crate) lua: Option<PathBuf>,
    /// The program is a service: it stays and talks in JSON lines
    #[arg(long)]
    pub(crate) service: bool,
    /// Longest time to answer, as `5s` or `500ms`
    #[arg(long, value_name = "TIME", value_parser = timeout_ms, default_value_t = Millis(DEFAULT_TIMEOUT_MS))]
    pub(crate) timeout: Millis,
    /// Longest time for a service's greeting
    #[arg(long, value_name = "TIME", value_parser = timeout_ms, requires = "service", default_value_t = Millis(DEFAULT_START_TIMEOUT_MS))]
    pub(crate) start_timeout: Millis,
    /// What a failure does: fail, veto or ignore [default: as in a manifest, fail where jobs are asked about]
    #[arg(long, value_name = "EFFECT", value_parser = on_error)]
    pub(crate) on_error: Option<OnError>,
    /// Give the hook this environment variable; may be repeated
    #[arg(long, value_name = "NAME")]
    pub(crate) env: Vec<String>,
}

/// Say what two runs, lock files or manifests mean differently, and by which setting
///
/// A side is the id of a run, or the beginning of it; a lock file; or a manifest. A job is the same one where stem,
/// preset, sweep point and take are; it has changed where its key has.
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Examples:
  backline diff 0193b8e2 0193c104
  backline diff 0193b8e2 0193c104 workflows/album.yaml    runs of a ledger that lies there
  backline diff songs.lock songs.yaml --exit-code    9 if anything differs, for scripts
  git show HEAD~1:songs.lock > /tmp/old.lock && backline diff /tmp/old.lock songs.lock")]
pub(crate) struct DiffArgs {
    /// The older side
    #[arg(value_name = "A")]
    pub(crate) old: String,
    /// The newer side
    #[arg(value_name = "B")]
    pub(crate) new: String,
    /// The manifest whose ledger has the runs; without it the nearest ledger at or above this folder, then that of a side which is
    /// a manifest
    #[arg(value_name = "MANIFEST")]
    pub(crate) manifest: Option<PathBuf>,
    /// End with exit code 9 if anything differs
    #[arg(long)]
    pub(crate) exit_code: bool,
}

/// Show the help of a command, or the reference of the manifest
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Examples:
  backline help run
  backline help manifest    every key, with its type, default, example and error")]
pub(crate) struct HelpArgs {
    /// A command, or `manifest`
    #[arg(value_name = "TOPIC")]
    pub(crate) topic: Vec<String>,
}

/// Print the manifest's JSON Schema, for editors, or that of hooks' events
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Examples:
  backline schema > backline.schema.json
  backline schema hook-event")]
pub(crate) struct SchemaArgs {
    /// Which schema
    #[arg(value_enum, value_name = "WHAT", default_value_t)]
    pub(crate) what: SchemaOf,
}

/// What there is a schema of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum SchemaOf {
    /// The manifest
    #[default]
    Manifest,
    /// What hooks are told
    HookEvent,
}

/// Look whether everything that a run needs is there
///
/// Looks at the key, the provider and the account's credits, the callback receiver, the disk, the ledger, the clock and
/// the terminal, and says what to do about each that is not well. Buys nothing and shows no secret. Exit code 0 if
/// nothing fails; else that of the first failure: 2 the environment, 3 the manifest, 6 the provider, 7 the disk or ledger.
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Examples:
  backline doctor
  backline doctor workflows/sunoapi.yaml --format json")]
pub(crate) struct DoctorArgs {
    /// The manifest whose provider and folders are looked at; without it, what this machine and folder can do
    #[arg(value_name = "MANIFEST")]
    pub(crate) manifest: Option<PathBuf>,
}

/// Write the manual: one page on standard output, or a page a command into a folder
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Examples:
  backline man | man -l -
  backline man ~/.local/share/man/man1")]
pub(crate) struct ManArgs {
    /// The folder, made if it is missing; pages that are there are replaced
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
    let (number, unit_ms) = match (text.strip_suffix("ms"), text.strip_suffix('s')) {
        (Some(number), _) => (number, 1),
        (None, Some(number)) => (number, 1000),
        (None, None) => (text, 0),
    };
    match number.parse::<u64>().map(|it| it.checked_mul(unit_ms)) {
        Ok(Some(ms)) if (1..=MAX_TIMEOUT_MS).contains(&ms) => Ok(Millis(ms)),
        _ => Err("expected a time up to an hour, as `5s` or `500ms`".to_owned()),
    }
}

fn hook_point(word: &str) -> Result<HookPoint, String> {
    let words = HookPoint::ALL.map(HookPoint::word);
    HookPoint::of_word(word).ok_or_else(|| one_of("events", word, &words))
}

fn on_error(word: &str) -> Result<OnError, String> {
    OnError::of_word(word).ok_or_else(|| one_of("effects", word, &OnError::WORDS))
}

/// What there is, and which of it was probably meant.
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
        let told = hook_point("before_sumbit").unwrap_err();
        assert!(
            told.starts_with("did you mean `before_submit`? the events are plan_job, "),
            "{told}"
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
        assert_eq!(timeout_ms("3600s"), Ok(Millis(3_600_000)));
        for wrong in [
            "",
            "5",
            "0s",
            "-1s",
            "3601s",
            "5m",
            "ms",
            "99999999999999999999s",
        ] {
            assert!(timeout_ms(wrong).is_err(), "{wrong}");
        }
    }
}
