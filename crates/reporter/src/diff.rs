//! The differences between two runs, or between a run and a lock file: which jobs were added, dropped or changed, and by which
//! setting.
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
//! A job is the same in both if stem, preset, sweep point and take are equal; it has changed if its key differs. The engine's
//! lock compares. This module converts a run into a lock and formats the difference as text or JSON.

use std::fmt::Write as _;

use backline_engine::manifest::lock::{Lock, LockDiff, LockedJob, SettingChange};
use backline_engine::settings::NotAKey;
use backline_engine::summary::Summary;
use indexmap::IndexMap;
use serde_json::{Value, json};

use crate::label::job_label;
use crate::printable::clean;
use crate::text::fit;

/// Most jobs that are named for one difference.
const MAX_NAMED: usize = 3;

/// Widest value in the text; JSON has the whole value.
const VALUE_COLUMNS: usize = 100;

/// The version of the JSON format.
const DIFF_VERSION: u32 = 1;

/// The lock of a run, for [`compare`](backline_engine::manifest::lock::compare).
///
/// # Errors
/// When the key of a job is not valid, which happens only in an artificial summary.
pub fn as_lock(summary: &Summary) -> Result<Lock, NotAKey> {
    let jobs = summary.jobs.iter().filter(|job| job.in_manifest);
    let jobs = jobs.map(|job| {
        let recording = job.recording.as_ref();
        Ok(LockedJob {
            key: job.key.parse()?,
            stem: job.stem.clone(),
            preset: job.preset.clone(),
            sweep: job.sweep.clone(),
            take: job.take,
            recording: recording.map_or_else(String::new, |it| it.fingerprint.clone()),
            settings: job.settings.clone(),
            step: job.step.clone(),
            former: Vec::new(),
        })
    });
    Ok(Lock {
        provider: summary.run.provider.clone(),
        jobs: jobs.collect::<Result<_, _>>()?,
    })
}

/// The differences for people, at most `most` of them. `same` is the number of unchanged jobs on the new side.
pub fn diff_text(diff: &LockDiff, same: usize, most: usize) -> String {
    let lines = diff_lines(diff, most);
    format!(
        "{} changed, {} dropped, {} added, {same} the same\n{}{lines}",
        diff.changed.len(),
        diff.dropped.len(),
        diff.added.len(),
        if lines.is_empty() { "" } else { "\n" }
    )
}

/// The differences alone: one entry for all jobs that changed in the same way, and one for the added or dropped jobs of a
/// preset.
pub fn diff_lines(diff: &LockDiff, most: usize) -> String {
    let mut changed: IndexMap<Vec<String>, Vec<&LockedJob>> = IndexMap::new();
    for it in &diff.changed {
        let causes = it.changes.iter().map(change_text).collect();
        changed.entry(causes).or_default().push(&it.job);
    }
    let changed = changed.into_iter().map(|(mut causes, jobs)| {
        if causes.is_empty() {
            causes.push("the request; the older side has no record of its settings".to_owned());
        }
        let causes = causes.iter().map(|cause| format!("    {cause}\n"));
        format!("{}{}", named('~', &jobs), causes.collect::<String>())
    });
    let entries: Vec<String> = changed
        .chain(by_preset('-', &diff.dropped))
        .chain(by_preset('+', &diff.added))
        .collect();
    let mut text: String = entries.iter().take(most).map(String::as_str).collect();
    if entries.len() > most {
        let _ = writeln!(text, "and {} more", entries.len() - most);
    }
    text
}

/// Added or dropped jobs: individual entries, or one entry for a preset with many jobs.
fn by_preset(sign: char, jobs: &[LockedJob]) -> Vec<String> {
    let mut presets: IndexMap<&str, Vec<&LockedJob>> = IndexMap::new();
    for job in jobs {
        presets.entry(&job.preset).or_default().push(job);
    }
    let entries = presets.into_values().flat_map(|jobs| match jobs.len() {
        ..=MAX_NAMED => jobs
            .iter()
            .map(|job| format!("{sign} {}\n", label(job)))
            .collect(),
        _ => vec![named(sign, &jobs)],
    });
    entries.collect()
}

/// A line that names one job, or the number of jobs and the first few of them.
fn named(sign: char, jobs: &[&LockedJob]) -> String {
    if let [job] = jobs {
        return format!("{sign} {}\n", label(job));
    }
    let mut names: Vec<String> = jobs.iter().take(MAX_NAMED).map(|job| label(job)).collect();
    if jobs.len() > MAX_NAMED {
        names.push(format!("and {} more", jobs.len() - MAX_NAMED));
    }
    format!("{sign} {} jobs: {}\n", jobs.len(), names.join(", "))
}

/// The differences for programs.
pub fn diff_json(diff: &LockDiff, same: usize) -> Value {
    json!({
        "version": DIFF_VERSION, "same": same,
        "added": diff.added, "dropped": diff.dropped, "changed": diff.changed,
    })
}

fn label(job: &LockedJob) -> String {
    job_label(
        &job.stem,
        &job.preset,
        &*job.sweep,
        job.take,
        job.step.as_deref(),
    )
}

fn change_text(change: &SettingChange) -> String {
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
    use backline_engine::settings::Setting;
    use backline_engine::summary::JobSummary;
    use proptest::prelude::*;

    use super::*;
    use crate::example;

    fn changed_side() -> Summary {
        let mut after = example::summary();
        after.jobs.remove(3);
        let job = &mut after.jobs[0];
        job.key = "5b".repeat(32);
        let [tags, lyrics] = ["tags", "lyrics"].map(Setting::of);
        job.settings
            .set(tags, Some("lofi, \u{1b}[31mrhodes".into()));
        job.settings.set(lyrics, Some("la\nla".into()));
        let recording = std::sync::Arc::make_mut(job.recording.as_mut().unwrap());
        recording.fingerprint = "ffff000011112222".to_owned();
        after.jobs[1].key = "6b".repeat(32);
        let mut new = after.jobs[2].clone();
        new.preset = "ballad".into();
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
    fn one_change_of_forty_jobs_is_one_entry() {
        let mut before = example::summary();
        let model = before.jobs[0].clone();
        before.jobs = (0..40_u32)
            .map(|at| JobSummary {
                key: format!("{at:064x}"),
                take: at + 1,
                ..model.clone()
            })
            .collect();
        let mut after = before.clone();
        for job in &mut after.jobs {
            job.key.replace_range(..1, "f");
            job.settings.set(Setting::TAGS, Some("rhodes".into()));
        }
        let (diff, same) = check(&before, &after);
        let text = diff_text(&diff, same, usize::MAX);
        assert_eq!(text.lines().count(), 4, "{text}");
        assert!(
            text.contains("~ 40 jobs: chorus × lofi [model=V5] take 1, "),
            "{text}"
        );
        assert!(
            text.contains("and 37 more\n    tags: \"lofi\" became \"rhodes\""),
            "{text}"
        );
        let (diff, same) = check(
            &before,
            &Summary {
                jobs: Vec::new(),
                ..before.clone()
            },
        );
        assert_eq!(diff_text(&diff, same, usize::MAX).lines().count(), 3);
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
