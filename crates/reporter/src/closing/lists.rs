//! The lists of the closing: failures by reason, tracks that are not on disk, jobs in doubt. A long list is cut, with a count
//! of the omitted entries.

use std::collections::HashMap;
use std::fmt::Write as _;

use backline_engine::status::JobStatus;
use backline_engine::summary::{JobSummary, Summary, TrackSummary};
use indexmap::IndexMap;

use crate::command::operand;
use crate::evidence::evidence_text;
use crate::label::{fit_label, job_label};
use crate::music::remarks;
use crate::printable::clean;
use crate::sign::{tracks_kept, unkept_part};
use crate::style::{ERROR, WARNING};
use crate::text::{count, excerpt, failure_text};

/// Most different reasons that are listed. With more of them, the manifest or the provider is at fault, not a job.
const MAX_GROUPS: usize = 10;

/// Most jobs that are named for one reason.
const MAX_NAMED: usize = 3;

/// Most jobs in doubt, and most tracks not on disk, that are listed individually.
const MAX_LISTED: usize = 10;

/// Widest label in these lists.
const LABEL_COLUMNS: usize = 80;

/// The command that prints a cut list in full.
pub(crate) const ALL_OF_THEM: &str = "`backline status --format json` lists them all";

/// The failed jobs with the same reason.
struct Group<'a> {
    code: Option<i64>,
    message: &'a str,
    jobs: Vec<&'a JobSummary>,
}

pub(super) fn failures(summary: &Summary) -> String {
    let mut groups: Vec<Group<'_>> = Vec::new();
    let mut known = HashMap::new();
    for job in selected(summary).filter(|job| job.state == JobStatus::Failed) {
        let (code, message) = (job.error_code, job.error.as_deref().unwrap_or_default());
        let at = *known.entry((code, message)).or_insert_with(|| {
            groups.push(Group {
                code,
                message,
                jobs: Vec::new(),
            });
            groups.len() - 1
        });
        groups[at].jobs.push(job);
    }
    if groups.is_empty() {
        return String::new();
    }
    // The sort is stable: of two equally frequent reasons, the one whose job comes first in the plan comes first.
    groups.sort_by_key(|group| std::cmp::Reverse(group.jobs.len()));
    let mut text = format!("{ERROR}Failed{ERROR:#}:\n");
    for group in groups.iter().take(MAX_GROUPS) {
        let _ = writeln!(
            text,
            "  {} × {}",
            group.jobs.len(),
            failure_text(group.code, group.message)
        );
        let _ = writeln!(text, "      {}", named(&group.jobs));
    }
    push_omitted(
        &mut text,
        groups.len().saturating_sub(MAX_GROUPS),
        "more reason",
    );
    text
}

/// The jobs whose tasks ended with fewer tracks than they had reported.
pub(super) fn partial(summary: &Summary) -> String {
    let jobs = listed(summary, |job| job.state == JobStatus::Partial);
    if jobs.is_empty() {
        return String::new();
    }
    let mut text = format!(
        "{WARNING}Partial{WARNING:#}: the tracks that came are kept; these jobs are not bought again:\n"
    );
    list(&mut text, &jobs, |job| {
        format!("{}: {}", tracks_kept(job), failure_of(job))
    });
    text
}

/// The jobs that are bought but whose details can't be read.
pub(super) fn unavailable(summary: &Summary) -> String {
    let jobs = listed(summary, |job| {
        let in_progress = matches!(job.state, JobStatus::Running | JobStatus::Finished);
        in_progress && job.error.is_some()
    });
    if jobs.is_empty() {
        return String::new();
    }
    let mut text =
        format!("{WARNING}Bought; the provider does not report their details{WARNING:#}:\n");
    list(&mut text, &jobs, |job| {
        let task = job.task_id.as_deref().unwrap_or_default();
        format!("task {}: {}", clean(task), failure_of(job))
    });
    text
}

/// The jobs of the run that pass `test`.
fn listed(summary: &Summary, test: impl Fn(&JobSummary) -> bool) -> Vec<&JobSummary> {
    selected(summary).filter(|job| test(job)).collect()
}

/// The jobs that the run selected.
fn selected(summary: &Summary) -> impl Iterator<Item = &JobSummary> {
    summary.jobs.iter().filter(|job| job.selected)
}

fn list(text: &mut String, jobs: &[&JobSummary], what: impl Fn(&JobSummary) -> String) {
    for job in jobs.iter().take(MAX_LISTED) {
        let _ = writeln!(text, "  {}  {}", label(job), what(job));
    }
    push_omitted(text, jobs.len().saturating_sub(MAX_LISTED), "more job");
}

fn failure_of(job: &JobSummary) -> String {
    failure_text(job.error_code, job.error.as_deref().unwrap_or_default())
}

fn named(jobs: &[&JobSummary]) -> String {
    some_of(&jobs.iter().map(|job| label(job)).collect::<Vec<_>>())
}

/// The first names, and the number of the others.
fn some_of(all: &[String]) -> String {
    let mut names = all[..all.len().min(MAX_NAMED)].to_vec();
    if all.len() > MAX_NAMED {
        names.push(format!("and {} more", all.len() - MAX_NAMED));
    }
    names.join(", ")
}

/// A job's name, short enough for a list.
pub(crate) fn label(job: &JobSummary) -> String {
    fit_label(
        &job_label(
            &job.stem,
            &job.preset,
            &*job.sweep,
            job.take,
            job.step.as_deref(),
        ),
        LABEL_COLUMNS,
    )
}

/// The tracks that are bought but not on disk, by reason: a full disk is one reason for all of them.
pub(super) fn unfetched(summary: &Summary) -> String {
    let mut groups: IndexMap<&str, Vec<String>> = IndexMap::new();
    let tracks = selected(summary).flat_map(|job| job.tracks.iter().map(move |it| (job, it)));
    for (job, track) in tracks {
        if let Some(problem) = track.problem.as_deref() {
            let name = format!("{} {}", label(job), unkept_part(track));
            groups.entry(problem).or_default().push(name);
        }
    }
    if groups.is_empty() {
        return String::new();
    }
    let mut text = format!("{WARNING}Bought and not downloaded yet{WARNING:#}:\n");
    for (problem, names) in groups.iter().take(MAX_LISTED) {
        let problem = excerpt(problem);
        let _ = match &names[..] {
            [name] => writeln!(text, "  {name}: {problem}"),
            _ => writeln!(
                text,
                "  {} × {problem}\n      {}",
                names.len(),
                some_of(names)
            ),
        };
    }
    let omitted = groups.values().skip(MAX_LISTED).map(Vec::len).sum();
    push_omitted(&mut text, omitted, "more track");
    text
}

/// The remarks on the music of the tracks that this run bought, each once for a preset. The live table cuts them, so they are
/// repeated here.
pub(super) fn remarks_of_run(summary: &Summary) -> String {
    let mut found: IndexMap<(&str, String), u64> = IndexMap::new();
    let is_new = |job: &&JobSummary| job.run.as_deref() == Some(summary.run.id.as_str());
    for job in selected(summary).filter(is_new) {
        let music = job.tracks.iter().filter_map(|it| it.music.as_deref());
        for remark in music.flat_map(remarks) {
            *found.entry((&job.preset, remark)).or_default() += 1;
        }
    }
    if found.is_empty() {
        return String::new();
    }
    let mut text = format!("{WARNING}Remarks on the music{WARNING:#}:\n");
    for ((preset, remark), tracks) in found.iter().take(MAX_GROUPS) {
        let _ = writeln!(
            text,
            "  {}, {}: {}",
            clean(preset),
            count(*tracks, "track"),
            excerpt(remark)
        );
    }
    push_omitted(
        &mut text,
        found.len().saturating_sub(MAX_GROUPS),
        "more remark",
    );
    text
}

/// The tracks that are kept without verification, and what to do about them; empty if there are none.
pub(crate) fn unverified(summary: &Summary) -> String {
    let line = |(job, track): (&JobSummary, &TrackSummary)| -> Option<String> {
        let why = excerpt(track.unverified()?);
        Some(format!("  {} track {}: {why}\n", label(job), track.index))
    };
    let tracks = summary
        .jobs
        .iter()
        .flat_map(|job| job.tracks.iter().map(move |track| (job, track)));
    let lines: Vec<String> = tracks.filter_map(line).collect();
    if lines.is_empty() {
        return String::new();
    }
    let mut text = format!("{WARNING}Kept, but not verified{WARNING:#}:\n");
    text.extend(lines.iter().take(MAX_LISTED).map(String::as_str));
    push_omitted(
        &mut text,
        lines.len().saturating_sub(MAX_LISTED),
        "more track",
    );
    let manifest = operand(&summary.run);
    let _ = writeln!(
        text,
        "hint: listen to them (`.unverified` is in their names); to download one again, delete its file and run `backline fetch {manifest}`"
    );
    text
}

/// The jobs for which more than one task was bought, on purpose or discovered later; empty if there are none.
pub(crate) fn bought_again(summary: &Summary) -> String {
    let jobs = listed(summary, |job| !job.other_tasks.is_empty());
    if jobs.is_empty() {
        return String::new();
    }
    let mut text = format!(
        "{WARNING}Bought more than once{WARNING:#}: `backline fetch {} --other-tasks` downloads the tracks of the other tasks:\n",
        operand(&summary.run)
    );
    list(&mut text, &jobs, |job| {
        let others: Vec<String> = job.other_tasks.iter().map(|id| clean(id)).collect();
        let own = job.task_id.as_deref().map(clean).unwrap_or_default();
        format!("task {own}; other tasks: {}", others.join(", "))
    });
    text
}

/// What was charged beyond the known purchases, if no list of jobs in doubt reports it.
pub(crate) fn charges(summary: &Summary) -> String {
    if summary.totals.in_doubt > 0 || summary.evidence.charged.is_empty() {
        return String::new();
    }
    format!(
        "{WARNING}Charged{WARNING:#}:\n{}",
        evidence_text(&summary.evidence)
    )
}

pub(super) fn doubts(summary: &Summary) -> String {
    let jobs = listed(summary, |job| job.state == JobStatus::InDoubt);
    if jobs.is_empty() {
        return String::new();
    }
    let mut text = format!(
        "{WARNING}In doubt{WARNING:#}: the response was lost, so these jobs may have been bought. They are not submitted again until you resolve them:\n"
    );
    for job in jobs.iter().take(MAX_LISTED) {
        let _ = writeln!(
            text,
            "  {}  {}: {}",
            short_key(&job.key),
            label(job),
            excerpt(job.error.as_deref().unwrap_or_default())
        );
        text.push_str(&response_lines(job));
    }
    push_omitted(&mut text, jobs.len().saturating_sub(MAX_LISTED), "more job");
    text.push_str(&evidence_text(&summary.evidence));
    text.push_str("Check your account with the provider, then resolve each key by one of\n");
    text.push_str(&resolving(summary));
    text
}

/// The unreadable response to a submission in doubt. It may contain the only copy of the task's id.
pub(crate) fn response_lines(job: &JobSummary) -> String {
    let Some(response) = &job.response else {
        return String::new();
    };
    let mut text = format!("      response: {}\n", excerpt(&response.text));
    let ids: Vec<String> = response
        .task_ids
        .iter()
        .map(|id| clean(id.as_str()))
        .collect();
    if !ids.is_empty() {
        let _ = writeln!(
            text,
            "      possible task id, check it with --task: {}",
            ids.join(", ")
        );
    }
    text
}

/// The commands that resolve a job in doubt, ready to be pasted except for the key and the id.
pub(crate) fn resolving(summary: &Summary) -> String {
    let resolve = format!("  backline resolve KEY {}", operand(&summary.run));
    let all = match summary.totals.in_doubt {
        0 | 1 => String::new(),
        _ => format!(
            "  backline resolve --all --never-bought {}   none of them was bought\n",
            operand(&summary.run)
        ),
    };
    format!(
        "{resolve} --task ID        it was bought, and this is its task\n\
         {resolve} --never-bought   it was not bought\n\
         {resolve} --buy-again      buy it, even if that pays twice\n{all}"
    )
}

/// The first digits of a key: enough to identify a job.
pub(crate) fn short_key(key: &str) -> &str {
    key.get(..12).unwrap_or(key)
}

/// Adds the number of omitted entries.
pub(crate) fn push_omitted(text: &mut String, number: usize, noun: &str) {
    if number > 0 {
        let _ = writeln!(text, "  and {}; {ALL_OF_THEM}", count(number as u64, noun));
    }
}
