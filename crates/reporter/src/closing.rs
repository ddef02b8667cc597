//! The paragraph that closes a run.
//!
//! ```text
//! Some jobs are in doubt.
//! 24 jobs: 18 kept, 3 failed, 3 in doubt
//! 36 tracks are kept in tracks, 264 credits spent (balance 1000, then 736)
//!
//! Failed:
//!   2 × 400: The tags name an artist
//!       chorus × lofi take 1, verse × lofi take 1
//! …
//! ```
//!
//! Its length is bounded whatever the run's: failures are grouped by what the vendor said, and lists are cut with a count of what was
//! left out. The reports and `backline status` have the rest.

use std::collections::HashMap;
use std::fmt::Write as _;

use backline_engine::event::{Outcome, StopReason};
use backline_engine::summary::{JobStatus, JobSummary, Summary, Totals, TrackSummary};

use crate::command::operand;
use crate::console::{BAD, CARE, Ending, GOOD, Level, PLAIN, common_folder, said};
use crate::evidence::evidence_text;
use crate::label::{fit_label, job_label};
use crate::text::{clean, count, figure, words};
use crate::verdict::kept_of_shown;

/// Most different failures that are told: with more than these the manifest or the provider is to blame, not a job.
const MAX_GROUPS: usize = 10;

/// Most jobs that are named for one failure.
const MAX_NAMED: usize = 3;

/// Most jobs in doubt, and most tracks that could not be fetched, that are told one by one.
const MAX_LISTED: usize = 10;

/// Widest label in these lists.
const LABEL_COLUMNS: usize = 80;

/// What a run came to and what to do next, for people. Ends in a line break; quiet runs that kept everything have nothing to
/// say.
pub fn closing_text(ending: &Ending<'_>, level: Level) -> String {
    let Ending {
        summary,
        reports,
        replayed,
    } = ending;
    let mut text = String::new();
    let well = summary.run.outcome == Some(Outcome::Complete);
    if level > Level::Quiet || !well {
        text.push_str(&verdict(summary));
        let _ = writeln!(text, "{}", counts(&summary.totals));
        let _ = writeln!(text, "{}", gains(summary));
    }
    let lists = [
        failures(summary),
        partial(summary),
        unavailable(summary),
        unfetched(summary),
        unverified(summary),
    ];
    let advice = if *replayed {
        Vec::new()
    } else {
        vec![doubts(summary), next(summary)]
    };
    for list in lists
        .into_iter()
        .chain(advice)
        .filter(|list| !list.is_empty())
    {
        let _ = write!(text, "\n{list}");
    }
    let written: Vec<String> = reports
        .iter()
        .flatten()
        .map(|path| clean(&path.display().to_string()))
        .collect();
    if level > Level::Quiet && !written.is_empty() {
        let _ = writeln!(text, "\nReports: {}", written.join(", "));
    }
    for error in reports.iter().filter_map(|report| report.as_ref().err()) {
        let why = std::error::Error::source(error)
            .map(|source| format!(": {source}"))
            .unwrap_or_default();
        let _ = writeln!(
            text,
            "{BAD}error{BAD:#}: {}",
            clean(&format!("{error}{why}"))
        );
    }
    text
}

fn verdict(summary: &Summary) -> String {
    let (style, verdict) = match &summary.run.outcome {
        None => (PLAIN, "The run has not ended.".to_owned()),
        Some(Outcome::Complete) if summary.totals.planned + summary.totals.failed > 0 => {
            (CARE, "All tracks that were bought are kept.".to_owned())
        }
        Some(Outcome::Complete) => (GOOD, "All wanted tracks are kept.".to_owned()),
        Some(Outcome::Vetoed) => (CARE, "Only vetoed jobs are missing.".to_owned()),
        Some(Outcome::Partial) => (CARE, "Some jobs are partial.".to_owned()),
        Some(Outcome::Failed) => (BAD, "Some jobs failed.".to_owned()),
        Some(Outcome::InDoubt) => (CARE, "Some jobs are in doubt.".to_owned()),
        Some(Outcome::Stopped { reason }) => (
            CARE,
            match &summary.run.trouble {
                Some(trouble) => format!("Stopped: {}: {}", stopped(*reason), words(trouble)),
                None => format!("Stopped: {}.", stopped(*reason)),
            },
        ),
        Some(Outcome::Refused { code, message, .. }) => (
            BAD,
            format!("The provider refuses to go on: {}", said(*code, message)),
        ),
    };
    format!("{style}{verdict}{style:#}\n")
}

fn stopped(reason: StopReason) -> &'static str {
    match reason {
        StopReason::Signal => "you asked for it",
        StopReason::Deadline => "limits.deadline is over",
        StopReason::CreditLimit => "limits.credits is spent",
        StopReason::LedgerCreditLimit => "limits.ledger_credits is spent",
        StopReason::Unreachable => "the provider could not be reached for too long",
        StopReason::FailuresInARow => {
            "responses were lost or tasks failed one after the other (limits.failures_in_a_row)"
        }
        StopReason::Overdue => "the provider's tasks take longer than they should",
    }
}

/// `24 jobs: 18 kept, 3 failed, 3 in doubt`.
pub(crate) fn counts(totals: &Totals) -> String {
    let states = [
        (totals.kept, "kept"),
        (totals.in_progress, "in progress"),
        (totals.planned, "not bought"),
        (totals.failed, "failed"),
        (totals.partial, "partial"),
        (totals.vetoed, "vetoed"),
        (totals.in_doubt, "in doubt"),
    ];
    let present: Vec<String> = states
        .iter()
        .filter(|(number, _)| *number > 0)
        .map(|(number, word)| format!("{number} {word}"))
        .collect();
    let colon = if present.is_empty() { "" } else { ": " };
    format!("{}{colon}{}", count(totals.jobs, "job"), present.join(", "))
}

/// `36 tracks are kept in tracks (2 unverified), 264 credits spent (balance 1000, then 736)`.
pub(crate) fn gains(summary: &Summary) -> String {
    let files = summary
        .jobs
        .iter()
        .flat_map(|job| &job.tracks)
        .filter_map(|track| track.file.as_ref());
    let place = common_folder(files.map(|file| file.path.as_str()))
        .map(|folder| format!(" in {}", clean(folder)));
    let are = if summary.totals.tracks == 1 {
        "is"
    } else {
        "are"
    };
    let balance = match (summary.run.balance_before, summary.run.balance_after) {
        (Some(before), Some(after)) => {
            format!(" (balance {}, then {})", figure(before), figure(after))
        }
        (Some(balance), None) => format!(" (balance before the run: {})", figure(balance)),
        (None, Some(balance)) => format!(" (balance {})", figure(balance)),
        (None, None) => String::new(),
    };
    let unverified = match summary.totals.unverified {
        0 => String::new(),
        number => format!(" ({number} unverified)"),
    };
    format!(
        "{} {are} kept{}{unverified}, {} credits spent{balance}",
        count(summary.totals.tracks, "track"),
        place.unwrap_or_default(),
        figure(summary.totals.credits),
    )
}

/// A failed job's place among those of which the vendor said the same.
struct Group<'a> {
    code: Option<i64>,
    message: &'a str,
    jobs: Vec<&'a JobSummary>,
}

fn failures(summary: &Summary) -> String {
    let mut groups: Vec<Group<'_>> = Vec::new();
    let mut known = HashMap::new();
    for job in summary
        .jobs
        .iter()
        .filter(|job| job.state == JobStatus::Failed)
    {
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
    // Stable: of two that are as frequent, the one whose job comes first in the plan stands first.
    groups.sort_by_key(|group| std::cmp::Reverse(group.jobs.len()));
    let mut text = format!("{BAD}Failed{BAD:#}:\n");
    for group in groups.iter().take(MAX_GROUPS) {
        let _ = writeln!(
            text,
            "  {} × {}",
            group.jobs.len(),
            said(group.code, group.message)
        );
        let _ = writeln!(text, "      {}", named(&group.jobs));
    }
    left_out(
        &mut text,
        groups.len().saturating_sub(MAX_GROUPS),
        "more reason",
    );
    text
}

/// The jobs whose tasks ended with fewer tracks than they showed.
fn partial(summary: &Summary) -> String {
    let jobs = listed(summary, |job| job.state == JobStatus::Partial);
    if jobs.is_empty() {
        return String::new();
    }
    let mut text = format!(
        "{CARE}Partial{CARE:#}; what there is of them is kept, and they are not bought again:\n"
    );
    list(&mut text, &jobs, |job| {
        format!("{}: {}", kept_of_shown(job), said_of(job))
    });
    text
}

/// The jobs that are bought and whose details can't be read.
fn unavailable(summary: &Summary) -> String {
    let jobs = listed(summary, |job| {
        let in_progress = matches!(job.state, JobStatus::Running | JobStatus::Finished);
        in_progress && job.error.is_some()
    });
    if jobs.is_empty() {
        return String::new();
    }
    let mut text = format!("{CARE}Bought, but the provider tells nothing of them{CARE:#}:\n");
    list(&mut text, &jobs, |job| {
        let task = job.task_id.as_deref().unwrap_or_default();
        format!("task {}: {}", clean(task), said_of(job))
    });
    text
}

fn listed(summary: &Summary, test: impl Fn(&JobSummary) -> bool) -> Vec<&JobSummary> {
    summary.jobs.iter().filter(|job| test(job)).collect()
}

fn list(text: &mut String, jobs: &[&JobSummary], what: impl Fn(&JobSummary) -> String) {
    for job in jobs.iter().take(MAX_LISTED) {
        let _ = writeln!(text, "  {}  {}", label(job), what(job));
    }
    left_out(text, jobs.len().saturating_sub(MAX_LISTED), "more job");
}

fn said_of(job: &JobSummary) -> String {
    said(job.error_code, job.error.as_deref().unwrap_or_default())
}

fn named(jobs: &[&JobSummary]) -> String {
    let mut names: Vec<String> = jobs.iter().take(MAX_NAMED).map(|job| label(job)).collect();
    if jobs.len() > MAX_NAMED {
        names.push(format!("and {} more", jobs.len() - MAX_NAMED));
    }
    names.join(", ")
}

/// A job's name, short enough for a list.
pub(crate) fn label(job: &JobSummary) -> String {
    fit_label(
        &job_label(&job.stem, &job.preset, &job.sweep, job.take),
        LABEL_COLUMNS,
    )
}

fn unfetched(summary: &Summary) -> String {
    let problems: Vec<String> = summary
        .jobs
        .iter()
        .flat_map(|job| job.tracks.iter().map(move |track| (job, track)))
        .filter_map(|(job, track)| {
            let problem = track.problem.as_deref()?;
            Some(format!(
                "  {} track {}: {}\n",
                label(job),
                track.index,
                words(problem)
            ))
        })
        .collect();
    if problems.is_empty() {
        return String::new();
    }
    let mut text = format!("{CARE}Bought, but not fetched yet{CARE:#}:\n");
    text.extend(problems.iter().take(MAX_LISTED).map(String::as_str));
    left_out(
        &mut text,
        problems.len().saturating_sub(MAX_LISTED),
        "more track",
    );
    text
}

/// The tracks that are kept as what could not be verified, and what to do about them; empty where there are none.
pub(crate) fn unverified(summary: &Summary) -> String {
    let line = |(job, track): (&JobSummary, &TrackSummary)| -> Option<String> {
        let why = words(track.unverified()?);
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
    let mut text = format!("{CARE}Kept, but not verified{CARE:#}:\n");
    text.extend(lines.iter().take(MAX_LISTED).map(String::as_str));
    left_out(
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

fn doubts(summary: &Summary) -> String {
    let jobs: Vec<&JobSummary> = summary
        .jobs
        .iter()
        .filter(|job| job.state == JobStatus::InDoubt)
        .collect();
    if jobs.is_empty() {
        return String::new();
    }
    let mut text = format!(
        "{CARE}In doubt{CARE:#}, for the answer was lost; perhaps bought, so never bought again by itself:\n"
    );
    for job in jobs.iter().take(MAX_LISTED) {
        let _ = writeln!(
            text,
            "  {}  {}: {}",
            short(&job.key),
            label(job),
            words(job.error.as_deref().unwrap_or_default())
        );
        text.push_str(&response_lines(job));
    }
    left_out(&mut text, jobs.len().saturating_sub(MAX_LISTED), "more job");
    text.push_str(&evidence_text(&summary.evidence));
    text.push_str("Look into your account at the provider's, then say of each key:\n");
    text.push_str(&resolving(summary));
    text
}

/// What the unreadable response to a submission in doubt said: it may hold the only copy of the task's id.
pub(crate) fn response_lines(job: &JobSummary) -> String {
    let Some(response) = &job.response else {
        return String::new();
    };
    let mut text = format!("      response: {}\n", words(&response.text));
    let ids: Vec<String> = response
        .task_ids
        .iter()
        .map(|id| clean(id.as_str()))
        .collect();
    if !ids.is_empty() {
        let _ = writeln!(
            text,
            "      possible task id, to be checked with --task: {}",
            ids.join(", ")
        );
    }
    text
}

/// What resolves a doubt, to be typed as it stands but for the key and the id.
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

/// The first digits of a key: enough to name a job.
pub(crate) fn short(key: &str) -> &str {
    key.get(..12).unwrap_or(key)
}

fn next(summary: &Summary) -> String {
    let again = format!("backline run {}", operand(&summary.run));
    let totals = &summary.totals;
    let mut text = match &summary.run.outcome {
        Some(Outcome::Refused { .. }) => {
            format!("Next: put right what the provider refuses, then resume with `{again}`.\n")
        }
        Some(Outcome::Stopped {
            reason: StopReason::LedgerCreditLimit,
        }) => {
            format!(
                "Next: raise `limits.ledger_credits`, then resume with `{again}`; nothing is bought twice.\n"
            )
        }
        _ if totals.planned + totals.in_progress > 0 => {
            format!("Next: resume with `{again}`; nothing is bought twice.\n")
        }
        _ if totals.failed > 0 => {
            format!(
                "Next: put right what failed, then run `{again}`; jobs that are kept stay as they are.\n"
            )
        }
        _ => String::new(),
    };
    let paid = |job: &JobSummary| job.state == JobStatus::Failed && job.credits > 0.0;
    if summary.jobs.iter().any(paid) {
        text.push_str("A job that was paid and failed is bought again only as `retries:` in the manifest allows.\n");
    }
    text
}

pub(crate) fn left_out(text: &mut String, number: usize, noun: &str) {
    if number > 0 {
        let _ = writeln!(
            text,
            "  and {}; the reports have them all",
            count(number as u64, noun)
        );
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::example;
    use crate::write::ReportError;

    fn check(summary: &Summary, reports: &[Result<PathBuf, ReportError>], level: Level) -> String {
        let ending = Ending {
            summary,
            reports,
            replayed: false,
        };
        anstream::adapter::strip_str(&closing_text(&ending, level)).to_string()
    }

    #[test]
    fn a_quiet_run_says_why_the_provider_was_out_of_reach() {
        let mut summary = example::summary();
        summary.run.outcome = Some(Outcome::Stopped {
            reason: StopReason::Unreachable,
        });
        summary.run.trouble = Some(
            "stem voice: can't upload a.wav: not reached: files.example.com: invalid peer certificate: UnknownIssuer"
                .to_owned(),
        );
        let ending = Ending {
            summary: &summary,
            reports: &[],
            replayed: false,
        };
        let text = closing_text(&ending, Level::Quiet);
        for found in ["stem voice", "files.example.com", "UnknownIssuer"] {
            assert!(text.contains(found), "{found}: {text}");
        }
    }

    #[test]
    fn a_replay_gives_no_advice() {
        let summary = example::summary();
        let told = |replayed| {
            let ending = Ending {
                summary: &summary,
                reports: &[],
                replayed,
            };
            closing_text(&ending, Level::Normal)
        };
        assert!(told(false).contains("Next: ") && told(false).contains("backline resolve"));
        assert!(!told(true).contains("Next: ") && !told(true).contains("backline resolve"));
        assert!(told(true).contains("in doubt"), "what it came to is told");
    }

    #[test]
    fn a_run_with_failures_and_doubts() {
        let reports = [
            Ok(PathBuf::from("summary.csv")),
            Err(ReportError::File {
                operation: "put in place",
                path: PathBuf::from("summary.json"),
                source: std::io::Error::other("no space left on device"),
            }),
        ];
        insta::assert_snapshot!(check(&example::summary(), &reports, Level::Normal));
    }

    #[test]
    fn a_run_that_kept_everything() {
        let mut summary = example::summary();
        summary.jobs.truncate(2);
        summary.totals = Totals {
            jobs: 2,
            kept: 2,
            tracks: 4,
            credits: 24.0,
            ..Totals::default()
        };
        summary.run.outcome = Some(Outcome::Complete);
        let reports = [Ok(PathBuf::from("summary.csv"))];
        insta::assert_snapshot!(check(&summary, &reports, Level::Normal));
        assert_eq!(check(&summary, &reports, Level::Quiet), "");
    }

    #[test]
    fn a_stopped_run_says_how_to_resume() {
        let mut summary = example::summary();
        summary.jobs.clear();
        summary.totals = Totals {
            jobs: 9,
            planned: 9,
            ..Totals::default()
        };
        summary.run.manifest = "my songs.yaml".to_owned();
        summary.run.outcome = Some(Outcome::Stopped {
            reason: StopReason::Deadline,
        });
        insta::assert_snapshot!(check(&summary, &[], Level::Normal));
    }

    #[test]
    fn five_hundred_failures_fit_on_a_screen() {
        let mut summary = example::summary();
        let failed = summary.jobs[2].clone();
        summary.jobs = (0..500)
            .map(|at| JobSummary {
                error: Some(format!("reason {}", at % 40)),
                ..failed.clone()
            })
            .chain((0..500).map(|_| JobSummary {
                state: JobStatus::InDoubt,
                ..failed.clone()
            }))
            .collect();
        let text = check(&summary, &[], Level::Verbose);
        assert!(text.lines().count() < 50, "{text}");
        assert!(
            text.contains("and 30 more reasons") && text.contains("and 490 more jobs"),
            "{text}"
        );
    }

    #[test]
    fn no_word_of_a_vendor_steers_the_terminal() {
        let mut summary = example::summary();
        for job in &mut summary.jobs {
            job.error = Some("\u{1b}]0;owned\u{7}\u{202e}".to_owned());
            job.stem = "\u{1b}[2J".to_owned();
        }
        let text = check(&summary, &[], Level::Verbose);
        assert!(
            !text
                .chars()
                .any(|c| (c.is_control() && c != '\n') || c == '\u{202e}'),
            "{text:?}"
        );
    }
}
