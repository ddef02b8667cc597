//! `backline hooks test`: calls one hook with one event, a sample or a job's, without a run or a ledger.
//!
//! ```text
//! event
//!   {
//!     "version": 1,
//!     "point": "before_submit",
//!     …
//!   }
//! output  {"veto":"the title is longer than 60 characters"}
//! effect  veto: the job is vetoed: the title is longer than 60 characters
//! stderr  checked 1 title
//! took    23 ms
//! ```

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

use backline_engine::hooks::{
    HookEvent, HookKind, HookPoint, HookResponse, HookSpec, OnError, Order, Trial, check_script,
    sample, sample_of, try_out,
};
use backline_engine::manifest::KEY_VARIABLES;
use backline_engine::plan::PlannedJob;
use backline_reporter::clean;
use indexmap::IndexSet;
use serde::Serialize;
use serde_json::{Value, json};

use crate::args::{Format, GlobalArgs, HookTestArgs, HooksArgs, HooksCommand, ManifestArgs};
use crate::console::Console;
use crate::exit_codes;
use crate::failure::{CommandResult, Failure, Kind};
use crate::project::Project;

/// The longest script that is read, as in a manifest.
const MAX_SCRIPT_BYTES: usize = 256 * 1024;

/// The column after the labels.
const COLUMN: usize = 8;

/// The width of a default terminal.
const NARROW_COLUMNS: usize = 80;

pub(crate) fn run(args: &HooksArgs, global: &GlobalArgs, console: &Console) -> CommandResult {
    match &args.command {
        HooksCommand::Test(args) => test(args, global, console),
    }
}

fn test(args: &HookTestArgs, global: &GlobalArgs, console: &Console) -> CommandResult {
    let spec = spec(args)?;
    let event = match (&args.manifest, &args.job) {
        (Some(manifest), Some(job)) => of_job(args.event, manifest, job, global, console)?,
        _ => sample(args.event),
    };
    let runtime = super::runtime()?;
    let trial = runtime.block_on(try_out(&spec, &event, Path::new(".")));
    runtime.shutdown_background();
    match console.format {
        Format::Json => console.json(&document(&spec, &event, &trial))?,
        Format::Text => console.data(&text(&event, &trial))?,
    }
    Ok(match trial.response {
        Ok(_) => exit_codes::DONE,
        Err(_) => exit_codes::JOBS_FAILED,
    })
}

/// The event of a manifest's job: a sample event with the job's own settings and variables.
fn of_job(
    point: HookPoint,
    manifest: &Path,
    key: &str,
    global: &GlobalArgs,
    console: &Console,
) -> Result<HookEvent, Failure> {
    let whole = ManifestArgs::whole(manifest.to_owned());
    let mut project = Project::open_whole(&whole, global, console)?;
    let written = project.plan.clone();
    // `plan` and `status` show the keys after the hooks of `plan_job`. Those hooks themselves receive the job before any change.
    project.preview(console)?;
    let mut plans = [&project.plan, &written];
    if point == HookPoint::PlanJob {
        plans.reverse();
    }
    let mut jobs = plans.iter().flat_map(|plan| {
        let named = |job: &&PlannedJob| job.key.to_string().starts_with(key);
        plan.jobs.iter().filter(named).map(|job| (*plan, job))
    });
    let first = jobs.next();
    let second = jobs.find(|(_, other)| first.is_some_and(|(_, job)| job.key != other.key));
    let usage = |message: String, hint: &str| Failure::msg(Kind::Usage, message).hint(hint);
    match (first, second) {
        (Some((plan, job)), None) => Ok(sample_of(point, plan, job)),
        (None, _) => Err(usage(
            format!("{} has no job `{key}`", manifest.display()),
            "`backline plan --jobs` shows the keys",
        )),
        (Some(_), Some(_)) => Err(usage(
            format!("several jobs of {} begin with `{key}`", manifest.display()),
            "give more of the key",
        )),
    }
}

fn spec(args: &HookTestArgs) -> Result<HookSpec, Failure> {
    let way = match &args.lua {
        Some(given) => script(given)?,
        None if args.service => HookKind::Service {
            argv: args.argv.clone(),
            order: Order::Ordered,
            start_timeout_ms: args.start_timeout.0,
        },
        None => HookKind::Run {
            argv: args.argv.clone(),
        },
    };
    if let Some(name) = args
        .env
        .iter()
        .find(|name| KEY_VARIABLES.contains(&name.as_str()))
    {
        let message = format!("${name} contains a key, and hooks receive no keys");
        return Err(Failure::msg(Kind::Usage, message)
            .hint("a hook never needs to call the provider; a run refuses this as well"));
    }
    let mut spec = HookSpec::new(args.event, 1, way);
    spec.timeout_ms = args.timeout.0;
    spec.env.clone_from(&args.env);
    if let Some(on_error) = args.on_error {
        if on_error == OnError::Veto && !args.event.decides() {
            let message = format!("at {} there is no job to veto", args.event);
            return Err(Failure::msg(Kind::Usage, message)
                .hint("`--on-error veto` works with plan_job, before_upload and before_submit"));
        }
        spec.on_error = on_error;
    }
    Ok(spec)
}

/// Reads a script. The argument is a file or, as in a manifest, the text of the script.
fn script(given: &str) -> Result<HookKind, Failure> {
    let file = Path::new(given);
    let is_file =
        file.is_file() || (given.ends_with(".lua") && !given.contains(char::is_whitespace));
    let (name, source) = match is_file {
        true => (given.to_owned(), read_script(file)?),
        false => ("--lua".to_owned(), given.to_owned()),
    };
    if source.len() > MAX_SCRIPT_BYTES {
        let message = format!("the script {name} is longer than {MAX_SCRIPT_BYTES} bytes");
        return Err(Failure::msg(Kind::Usage, message));
    }
    check_script(&name, &source).map_err(|why| {
        let failure = Failure::msg(Kind::Usage, format!("the script does not compile: {why}"));
        match is_file {
            true => failure,
            false => failure.hint(
                "--lua takes a file, or the text of a script; there is no such file, so this is read as a script",
            ),
        }
    })?;
    Ok(HookKind::Lua {
        name,
        source: Arc::from(source),
    })
}

fn read_script(file: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(file).map_err(|error| {
        let context = format!("cannot read the script {}", file.display());
        Failure::new(Kind::Usage, anyhow::Error::new(error).context(context))
    })
}

/// The name of an effect's kind.
fn kind(trial: &Trial) -> &'static str {
    match &trial.response {
        Ok(HookResponse::Nothing | HookResponse::Unknown(_)) => "nothing",
        Ok(HookResponse::Change(_)) => "change",
        Ok(HookResponse::Veto(_)) => "veto",
        Ok(HookResponse::Delay(_)) => "delay",
        Err(_) => "failure",
    }
}

/// The hook's output in the protocol's format; null if there is none.
fn output(trial: &Trial) -> Value {
    trial
        .response
        .as_ref()
        .map_or(Value::Null, HookResponse::to_json)
}

fn document(spec: &HookSpec, event: &HookEvent, trial: &Trial) -> Value {
    json!({
        "version": 1,
        "hook": spec.name(),
        "event": event,
        "output": output(trial),
        "settings": trial.settings,
        "effect": { "kind": kind(trial), "text": trial.effect },
        "error": trial.response.as_ref().err().map(ToString::to_string),
        "stderr": trial.stderr,
        "took_ms": took_ms(trial),
    })
}

fn took_ms(trial: &Trial) -> f64 {
    // Two decimals, because a script takes microseconds.
    (trial.took.as_secs_f64() * 100_000.0).round() / 100.0
}

fn text(event: &HookEvent, trial: &Trial) -> String {
    let mut text = laid_out("event", event);
    match &trial.response {
        Ok(HookResponse::Nothing | HookResponse::Unknown(_)) => text.push_str("output  nothing\n"),
        Ok(_) => {
            text.push_str(&laid_out("output", &output(trial)));
        }
        Err(error) => {
            let bad = crate::style::BAD;
            let _ = writeln!(text, "{bad}failed{bad:#}  {error}");
        }
    }
    if let (Some(settings), Some(job)) = (&trial.settings, &event.job) {
        for line in changed_lines(&json!(job.settings), &json!(settings)) {
            let _ = writeln!(text, "        {line}");
        }
    }
    let _ = writeln!(text, "effect  {}: {}", kind(trial), trial.effect);
    for (at, line) in trial.stderr.iter().enumerate() {
        let head = if at == 0 { "stderr" } else { "" };
        let _ = writeln!(text, "{head:<8}{}", clean(line));
    }
    let _ = writeln!(text, "took    {} ms", took_ms(trial));
    text
}

/// A label and JSON on one line if they fit a narrow terminal, else one field per line.
fn laid_out(label: &str, value: &impl Serialize) -> String {
    const IS_JSON: &str = "an event and an output are JSON";
    let line = serde_json::to_string(value).expect(IS_JSON);
    if COLUMN + line.chars().count() <= NARROW_COLUMNS {
        return format!("{label:<COLUMN$}{line}\n");
    }
    let lines = serde_json::to_string_pretty(value).expect(IS_JSON);
    format!("{label}\n  {}\n", lines.replace('\n', "\n  "))
}

/// One line per changed setting: `tags: "calm" became "calm, chanson"`.
fn changed_lines(old: &Value, new: &Value) -> Vec<String> {
    let fields = |value: &Value| value.as_object().cloned().unwrap_or_default();
    let (old, new) = (fields(old), fields(new));
    let said = |value: Option<&Value>| value.map_or("not set".to_owned(), Value::to_string);
    let names: IndexSet<&String> = old.keys().chain(new.keys()).collect();
    let differing = names
        .into_iter()
        .filter(|name| old.get(*name) != new.get(*name));
    differing
        .map(|name| {
            format!(
                "{name}: {} became {}",
                said(old.get(name)),
                said(new.get(name))
            )
        })
        .collect()
}
