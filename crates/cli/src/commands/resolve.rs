//! `backline resolve`: the user's word on a job in doubt, recorded for the next run to act on.

use backline_api::TaskId;
use backline_engine::event::{Event, Via};
use backline_engine::ledger::Ledger;
use backline_engine::machine::{Job, Phase, Step};
use backline_engine::plan::JobKey;
use backline_engine::store::{Batch, KnownJob, NewRecord, Store};
use serde_json::json;

use crate::args::{Format, GlobalArgs, ResolveArgs, WordArgs};
use crate::console::Console;
use crate::exit_codes;
use crate::failure::{CommandResult, Failure, Kind};
use crate::project::{ledger_path, locate};

/// Fewest digits of a key that are taken for one.
const MIN_DIGITS: usize = 6;

pub(crate) fn run(args: &ResolveArgs, global: &GlobalArgs, console: &Console) -> CommandResult {
    let manifest = args.manifest.as_deref().map(locate).transpose()?;
    let path = ledger_path(manifest.as_deref(), global)?;
    // Looked for before it is owned: owning makes one where there is none.
    let key = find(&Ledger::read(&path)?, &args.key)?;
    let mut ledger = Ledger::own(&path)?;
    let Some(known) = ledger.jobs()?.remove(&key) else {
        return Err(no_such_job(&args.key));
    };
    let event = word(&args.word, open_attempt(&known.job, &key)?)?;
    let now_ms = jiff::Timestamp::now().as_millisecond();
    let Step::Changed(job) = known.job.step(now_ms, &event) else {
        return Err(Failure::said(
            Kind::Bug,
            format!("job {} does not take this word", key.short()),
        ));
    };
    let Some(run) = ledger.runs()?.into_iter().next() else {
        return Err(Failure::said(
            Kind::Bug,
            "the ledger knows a job and no run",
        ));
    };
    let record = NewRecord {
        at_ms: now_ms,
        run: run.id,
        account: known.account.clone(),
        job: Some(key),
        event,
    };
    let batch = Batch {
        events: vec![record],
        jobs: vec![(
            key,
            KnownJob {
                job,
                account: known.account,
            },
        )],
    };
    ledger.append(&batch)?;
    let now = match args.word.task {
        Some(_) => "bought; the next run follows it",
        None => "not bought; the next run submits it",
    };
    match console.format {
        Format::Json => console
            .json(&json!({ "version": 1, "key": key, "bought": args.word.task.is_some() }))?,
        Format::Text => console.say(&format!("{} counts as {now}\n", key.short())),
    }
    Ok(exit_codes::DONE)
}

/// The one job whose key begins so.
fn find(ledger: &Ledger, start: &str) -> Result<JobKey, Failure> {
    if start.len() < MIN_DIGITS {
        return Err(
            Failure::said(Kind::Usage, format!("`{start}` is too short for a key"))
                .hint(format!("write {MIN_DIGITS} digits or more")),
        );
    }
    let start = start.to_ascii_lowercase();
    let jobs = ledger.jobs()?;
    let mut found = jobs
        .keys()
        .filter(|key| key.to_string().starts_with(&start));
    match (found.next(), found.next()) {
        (Some(key), None) => Ok(*key),
        (Some(_), Some(_)) => Err(Failure::said(
            Kind::Usage,
            format!("more than one key begins with `{start}`"),
        )
        .hint("write more of it")),
        _ => Err(no_such_job(&start)),
    }
}

fn no_such_job(start: &str) -> Failure {
    Failure::said(Kind::Usage, format!("the ledger knows no job `{start}`"))
        .hint("`backline status` names those in doubt")
}

/// The attempt that nobody knows the end of.
fn open_attempt(job: &Job, key: &JobKey) -> Result<u32, Failure> {
    match &job.phase {
        Phase::Submitting { attempt, .. } | Phase::InDoubt { attempt, .. } => Ok(*attempt),
        _ => Err(
            Failure::said(Kind::Usage, format!("job {} is not in doubt", key.short()))
                .hint("`backline status` says how it stands"),
        ),
    }
}

fn word(word: &WordArgs, attempt: u32) -> Result<Event, Failure> {
    match &word.task {
        Some(task) if task.trim().is_empty() => {
            Err(Failure::said(Kind::Usage, "the task id is empty"))
        }
        Some(task) => Ok(Event::Accepted {
            attempt,
            task_id: TaskId::from(task.trim()),
            via: Via::User,
        }),
        None => Ok(Event::NeverBought { attempt }),
    }
}
