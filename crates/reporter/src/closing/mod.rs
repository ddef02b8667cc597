//! The paragraph that closes a run.
//!
//! ```text
//! Some jobs are in doubt.
//! This run: 6 of 24 jobs submitted, 10 tracks downloaded
//! 24 jobs: 18 kept, 3 failed, 3 in doubt
//! 36 tracks kept in tracks; credits: 72 spent by this run, 264 by all runs; balance 736, before 808
//!
//! Failed:
//!   2 × 400: The tags name an artist
//!       chorus × lofi take 1, verse × lofi take 1
//! …
//! ```
//!
//! The length is bounded for any run: failures are grouped by reason, and lists are cut with a count of the omitted entries.
//! The lists are about the jobs that the run selected; the figures are those of the whole manifest.

mod lists;
#[cfg(test)]
mod tests;

use std::fmt::Write as _;

use backline_engine::event::{Outcome, StopReason};
use backline_engine::status::JobStatus;
use backline_engine::summary::{JobSummary, Summary, Totals};

use crate::command::operand;
use crate::counts;
use crate::outcome::{headline, is_all_kept};
use crate::printable::clean;
use crate::sink::{Level, RunResult};
use crate::style::{ERROR, PLAIN, SUCCESS, WARNING};
use crate::text::{count, excerpt, failure_text};

pub(crate) use lists::{
    bought_again, charges, label, push_omitted, resolving, response_lines, short_key, unverified,
};

/// The outcome of a run and the next steps, for people. Ends in a line break. A quiet run prints only problems, so the text is
/// empty if the run kept every job except vetoed ones.
pub fn closing_text(ending: &RunResult<'_>, level: Level) -> String {
    let RunResult {
        summary,
        reports,
        replayed,
    } = ending;
    let mut text = String::new();
    let went_well = matches!(
        summary.run.outcome,
        Some(Outcome::Complete | Outcome::Vetoed)
    );
    if level > Level::Quiet || !went_well {
        text.push_str(&outcome(summary));
    }
    if level > Level::Quiet {
        let this_run = counts::this_run(&summary.this_run, &summary.totals);
        let _ = writeln!(text, "This run: {this_run}");
        let _ = writeln!(text, "{}", counts::counts(&summary.totals));
        let (tracks, credits) = (counts::tracks(summary), counts::credits(summary));
        let _ = writeln!(text, "{tracks}; {credits}");
    }
    let lists = [
        lists::failures(summary),
        lists::partial(summary),
        lists::unavailable(summary),
        lists::unfetched(summary),
        unverified(summary),
        bought_again(summary),
        charges(summary),
    ];
    let is_said = |list: String, is_said| if is_said { list } else { String::new() };
    let more = [
        is_said(lists::remarks_of_run(summary), level > Level::Quiet),
        is_said(lists::doubts(summary), !replayed),
        is_said(next(summary), !replayed && level > Level::Quiet),
    ];
    for list in lists
        .into_iter()
        .chain(more)
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
            "{ERROR}error{ERROR:#}: {}",
            clean(&format!("{error}{why}"))
        );
    }
    text
}

fn outcome(summary: &Summary) -> String {
    let (style, text) = match &summary.run.outcome {
        None => (PLAIN, format!("{}.", headline(summary))),
        Some(Outcome::Complete) if is_all_kept(&summary.this_run.totals) => {
            (SUCCESS, format!("{}.", headline(summary)))
        }
        Some(Outcome::Failed) => (ERROR, format!("{}.", headline(summary))),
        Some(Outcome::Stopped { reason }) => (
            WARNING,
            match &summary.run.trouble {
                Some(trouble) => format!("Stopped: {}: {}", stopped(*reason), excerpt(trouble)),
                None => format!("Stopped: {}.", stopped(*reason)),
            },
        ),
        Some(Outcome::Refused { code, message, .. }) => (
            ERROR,
            format!(
                "The provider refuses to go on: {}",
                failure_text(*code, message)
            ),
        ),
        Some(_) => (WARNING, format!("{}.", headline(summary))),
    };
    format!("{style}{text}{style:#}\n")
}

fn stopped(reason: StopReason) -> &'static str {
    match reason {
        StopReason::Signal => "interrupted",
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

/// The remaining work of a resumed run: `1 to fetch, 2 in progress, 3 not bought`.
fn remaining(totals: &Totals) -> String {
    let states = [
        (totals.to_fetch, "to fetch"),
        (totals.in_progress, "in progress"),
        (totals.planned, "not bought"),
    ];
    let present = states.into_iter().filter(|(number, _)| *number > 0);
    let present: Vec<String> = present
        .map(|(number, word)| format!("{number} {word}"))
        .collect();
    present.join(", ")
}

/// The next steps.
fn next(summary: &Summary) -> String {
    let manifest = operand(&summary.run);
    let (this, all) = (&summary.this_run.totals, &summary.totals);
    let selection = summary.this_run.selection.as_deref();
    let is_part = selection.is_some_and(|selection| selection.contains("--partition"));
    let again = match &summary.this_run.selection {
        Some(options) => format!("backline run {manifest} {options}"),
        None => format!("backline run {manifest}"),
    };
    let resume = match remaining(this) {
        rest if rest.is_empty() => format!("resume with `{again}`"),
        rest => format!("resume with `{again}` ({rest})"),
    };
    let mut text = String::new();
    // An embedded studio ends with the run, and the next run finishes its tasks.
    if this.in_progress > 0 && summary.run.price_credits != Some(0.0) {
        let (tasks, go) = match this.in_progress {
            1 => ("1 task goes on".to_owned(), "downloads it"),
            number => (format!("{number} tasks go on"), "downloads them"),
        };
        let _ = writeln!(text, "{tasks} at the provider; the next run {go}.");
    }
    match &summary.run.outcome {
        Some(Outcome::Refused { .. }) => {
            let _ = writeln!(
                text,
                "Next: correct what the provider refuses, then {resume}."
            );
        }
        Some(Outcome::Stopped {
            reason: StopReason::LedgerCreditLimit,
        }) => {
            let _ = writeln!(
                text,
                "Next: raise `limits.ledger_credits`, then {resume}; nothing is bought twice."
            );
        }
        _ if this.planned + this.in_progress + this.to_fetch > 0 => {
            let _ = writeln!(text, "Next: {resume}; nothing is bought twice.");
        }
        _ if this.failed > 0 => {
            let _ = writeln!(
                text,
                "Next: correct what failed, then run `{again}`; kept jobs stay as they are."
            );
        }
        _ if all.planned > this.planned && is_part => {
            let _ = writeln!(
                text,
                "Next: when the other parts are done, merge their ledgers with `backline ledger import`. Before that a run without \
                 `--partition` would buy their {} again.",
                count(all.planned - this.planned, "job")
            );
        }
        _ if all.planned > this.planned => {
            let _ = writeln!(
                text,
                "Next: buy the other {} of the manifest with `backline run {manifest}`.",
                count(all.planned - this.planned, "job")
            );
        }
        _ => {}
    }
    let paid =
        |job: &JobSummary| job.selected && job.state == JobStatus::Failed && job.credits > 0.0;
    if summary.jobs.iter().any(paid) {
        text.push_str(
            "A job that was paid and failed is bought again only as `retries:` in the manifest allows.\n",
        );
    }
    text
}
