//! The lock file beside a manifest: the plan that was last approved.

use std::fmt::Write as _;
use std::path::PathBuf;

use backline_engine::manifest::lock::{
    Change, Lock, LockDiff, LockedJob, compare, default_path, read,
};
use backline_reporter::job_label;
use serde_json::{Value, json};

use crate::args::ManifestArgs;
use crate::failure::{Failure, Kind};
use crate::project::Project;

/// Most differences told where they are not what was asked for.
const MAX_TOLD: usize = 20;

/// Where the manifest's lock lies.
pub(crate) fn path(project: &Project) -> PathBuf {
    default_path(&project.plan.manifest)
}

/// Refuses a manifest from standard input, which has no place for a lock file.
pub(crate) fn require_file(args: &ManifestArgs) -> Result<(), Failure> {
    if args.is_standard_input() {
        let message = "a manifest from standard input has no lock file";
        return Err(Failure::said(Kind::Usage, message).hint("write the manifest to a file"));
    }
    Ok(())
}

/// What differs from the lock.
pub(crate) fn diff(project: &Project) -> Result<LockDiff, Failure> {
    Ok(compare(&read(&path(project))?, &Lock::of(&project.plan)))
}

/// Fails if anything does.
pub(crate) fn require(project: &Project) -> Result<(), Failure> {
    let diff = diff(project)?;
    if diff.is_empty() {
        return Ok(());
    }
    let message = format!(
        "the plan of {} differs from its lock file\n{}",
        project.shown,
        text(&diff, MAX_TOLD)
    );
    Err(
        Failure::said(Kind::LockDiffers, message.trim_end()).hint(format!(
            "if that is intended, write the lock file again with `backline plan {} --lock`",
            project.shown
        )),
    )
}

/// The differences for people, `most` at most.
pub(crate) fn text(diff: &LockDiff, most: usize) -> String {
    let added = diff.added.iter().map(|job| format!("+ {}\n", label(job)));
    let dropped = diff.dropped.iter().map(|job| format!("- {}\n", label(job)));
    let changed = diff.changed.iter().map(|changed| {
        let mut text = format!("~ {}\n", label(&changed.job));
        for change in &changed.changes {
            let _ = writeln!(text, "    {}", in_words(change));
        }
        text
    });
    let all = diff.added.len() + diff.dropped.len() + diff.changed.len();
    let mut text: String = changed.chain(dropped).chain(added).take(most).collect();
    if all > most {
        let _ = writeln!(
            text,
            "and {} more; `backline plan --diff` shows all of them",
            all - most
        );
    }
    if all == 0 {
        text.push_str("no differences\n");
    }
    text
}

/// The differences for programs.
pub(crate) fn document(diff: &LockDiff) -> Value {
    json!({ "version": 1, "same": diff.is_empty(), "added": diff.added, "dropped": diff.dropped, "changed": diff.changed })
}

fn label(job: &LockedJob) -> String {
    format!(
        "{}  {}",
        job.key.short(),
        job_label(&job.stem, &job.preset, &job.sweep, job.take)
    )
}

fn in_words(change: &Change) -> String {
    let value = |value: &Option<String>| {
        value
            .as_ref()
            .map_or_else(|| "not set".to_owned(), |text| format!("{text:?}"))
    };
    format!(
        "{}: {} became {}",
        change.what,
        value(&change.old),
        value(&change.new)
    )
}
