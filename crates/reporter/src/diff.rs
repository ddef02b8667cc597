//! What two runs, or a run and a lock file, mean differently: which jobs came, went or changed, and by which setting.
//!
//! ```text
//! 1 changed, 1 dropped, 2 added, 21 the same
//!
//! ~ chorus × lofi take 1
//!     tags: "lofi, piano" became "lofi, rhodes"
//! - verse × jazz take 1
//! + verse × ballad take 1
//! ```
//!
//! A job is the same one where stem, preset, sweep point and take are; it has changed where its key has. The engine's lock compares;
//! here a run becomes a lock, and the difference a text or JSON.

use std::fmt::Write as _;

use backline_engine::manifest::lock::{Change, Lock, LockDiff, LockedJob};
use backline_engine::plan::NotAKey;
use backline_engine::summary::Summary;
use serde_json::{Value, json};

use crate::label::job_label;
use crate::text::{clean, fit};

/// Widest value that a text shows; JSON has all of it.
const VALUE_COLUMNS: usize = 100;

/// The JSON form's version.
const DIFF_VERSION: u32 = 1;

/// What a run meant, as a lock says it, for [`compare`](backline_engine::manifest::lock::compare).
///
/// # Errors
/// When a job's key is not one: the summary was made up.
pub fn as_lock(summary: &Summary) -> Result<Lock, NotAKey> {
    let jobs = summary.jobs.iter().map(|job| {
        let recording = job.recording.as_ref();
        Ok(LockedJob {
            key: job.key.parse()?,
            stem: job.stem.clone(),
            preset: job.preset.clone(),
            sweep: job.sweep.clone(),
            take: job.take,
            recording: recording.map_or_else(String::new, |it| it.fingerprint.clone()),
            settings: job.settings.clone(),
            former: Vec::new(),
        })
    });
    Ok(Lock {
        provider: summary.run.provider.clone(),
        jobs: jobs.collect::<Result<_, _>>()?,
    })
}

/// The differences for people, at most `most` jobs. `same` is how many jobs of the new side differ in nothing.
pub fn diff_text(diff: &LockDiff, same: usize, most: usize) -> String {
    let mut text = format!(
        "{} changed, {} dropped, {} added, {same} the same\n",
        diff.changed.len(),
        diff.dropped.len(),
        diff.added.len(),
    );
    let changed = diff.changed.iter().map(|changed| {
        let mut lines = format!("~ {}\n", label(&changed.job));
        for change in &changed.changes {
            let _ = writeln!(lines, "    {}", in_words(change));
        }
        if changed.changes.is_empty() {
            lines.push_str("    what is sent for it; the older side did not record more\n");
        }
        lines
    });
    let dropped = diff.dropped.iter().map(|job| format!("- {}\n", label(job)));
    let added = diff.added.iter().map(|job| format!("+ {}\n", label(job)));
    let lines: Vec<String> = changed.chain(dropped).chain(added).collect();
    if !lines.is_empty() {
        text.push('\n');
        text.extend(lines.iter().take(most).map(String::as_str));
    }
    if lines.len() > most {
        let _ = writeln!(text, "and {} more", lines.len() - most);
    }
    text
}

/// The differences for programs.
pub fn diff_json(diff: &LockDiff, same: usize) -> Value {
    json!({
        "version": DIFF_VERSION, "same": same,
        "added": diff.added, "dropped": diff.dropped, "changed": diff.changed,
    })
}

fn label(job: &LockedJob) -> String {
    job_label(&job.stem, &job.preset, &job.sweep, job.take)
}

fn in_words(change: &Change) -> String {
    let value = |value: &Option<String>| match value.as_deref() {
        None => "not set".to_owned(),
        Some("") if change.what == "recording" => "not recorded".to_owned(),
        Some(value) => format!("\"{}\"", fit(&clean(value), VALUE_COLUMNS)),
    };
    format!(
        "{}: {} became {}",
        change.what,
        value(&change.old),
        value(&change.new)
    )
}

#[cfg(test)]
mod tests {
    use backline_engine::manifest::lock::compare;
    use proptest::prelude::*;

    use super::*;
    use crate::example;

    fn changed_side() -> Summary {
        let mut after = example::summary();
        after.jobs.remove(3);
        let job = &mut after.jobs[0];
        job.key = "5b".repeat(32);
        job.settings.tags = "lofi, \u{1b}[31mrhodes".to_owned();
        job.settings.lyrics = Some("la\nla".to_owned());
        job.recording.as_mut().unwrap().fingerprint = "ffff000011112222".to_owned();
        after.jobs[1].key = "6b".repeat(32);
        let mut new = after.jobs[2].clone();
        new.preset = "ballad".to_owned();
        after.jobs.push(new);
        after
    }

    fn check(before: &Summary, after: &Summary) -> (LockDiff, usize) {
        let (old, new) = (as_lock(before).unwrap(), as_lock(after).unwrap());
        let diff = compare(&old, &new);
        let same = new.jobs.len() - diff.added.len() - diff.changed.len();
        (diff, same)
    }

    #[test]
    fn a_difference_says_what_and_why() {
        let (diff, same) = check(&example::summary(), &changed_side());
        insta::assert_snapshot!(diff_text(&diff, same, usize::MAX));
        insta::assert_yaml_snapshot!(diff_json(&diff, same));
    }

    #[test]
    fn a_long_difference_is_cut_with_a_count() {
        let (diff, same) = check(&example::summary(), &changed_side());
        assert!(diff_text(&diff, same, 1).ends_with("and 3 more\n"));
    }

    proptest! {
        #[test]
        fn nothing_differs_from_itself_and_what_comes_one_way_goes_the_other(
            kept in proptest::collection::vec(any::<bool>(), 5), also in proptest::collection::vec(any::<bool>(), 5),
        ) {
            let some = |keep: &[bool]| {
                let mut summary = example::summary();
                let mut keep = keep.iter();
                summary.jobs.retain(|_| *keep.next().unwrap());
                summary
            };
            let (one, other) = (some(&kept), some(&also));
            prop_assert!(check(&one, &one).0.is_empty());
            let (there, same) = check(&one, &other);
            let (back, same_back) = check(&other, &one);
            prop_assert_eq!(&there.added, &back.dropped);
            prop_assert_eq!(&there.dropped, &back.added);
            prop_assert_eq!(same, same_back);
        }
    }
}
