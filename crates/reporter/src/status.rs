//! What `backline status` shows: how many jobs of the manifest are in which state, what its last run did, and the jobs that need
//! a person.
//!
//! ```text
//! songs.yaml with studio, run 0193…
//! started 2026-01-05T12:00:00Z, ended 2026-01-05T12:06:30Z
//! this run: 6 of 24 jobs submitted, 10 tracks downloaded
//!
//!   kept          18
//!   in progress    2
//!   not bought     0
//!   failed         3
//!   in doubt       1
//!   jobs          24
//!
//! 36 tracks kept in tracks; credits: 72 spent by this run, 264 by all runs
//! ```

use std::fmt::Write as _;

use backline_engine::summary::{JobStatus, JobSummary, Summary};

use crate::closing::{
    bought_again, charges, label, left_out, resolving, response_lines, short, unverified,
};
use crate::counts;
use crate::evidence::evidence_text;
use crate::live::Size;
use crate::style::{BAD, CARE, GOOD, PLAIN};
use crate::text::{clean, fit, pad, rfc3339, said, words};
use crate::verdict::kept_of_shown;

/// Whether a run goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Life {
    /// It has ended, and says how.
    Ended,
    /// A process carries it out.
    GoesOn {
        /// Its number, where it is known.
        process: Option<u32>,
    },
    /// It has not ended, and no process carries it out: it was killed, or the machine was.
    Dead,
}

impl Life {
    /// The word for it in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ended => "ended",
            Self::GoesOn { .. } => "goes_on",
            Self::Dead => "dead",
        }
    }
}

/// Most jobs of a list: what a person goes through one by one.
const MAX_LISTED: usize = 50;

/// A run's state, for people: a table of counts, then the jobs that failed, are in doubt, or have tracks that could not be
/// fetched, then those that are not bought, in plan order. Ends in a line break.
pub fn status_text(summary: &Summary, life: Life) -> String {
    let mut text = head(summary, life);
    let totals = &summary.totals;
    let rows = [
        ("kept", totals.kept, GOOD),
        ("in progress", totals.in_progress, PLAIN),
        ("to fetch", totals.to_fetch, PLAIN),
        ("not bought", totals.planned, PLAIN),
        ("failed", totals.failed, BAD),
        ("partial", totals.partial, CARE),
        ("in doubt", totals.in_doubt, CARE),
        ("vetoed", totals.vetoed, CARE),
        ("jobs", totals.jobs, PLAIN),
    ];
    let wide = totals.jobs.to_string().len().max(4);
    for (word, number, style) in rows {
        // Rare states are shown where there are any.
        if matches!(word, "vetoed" | "partial" | "to fetch") && number == 0 {
            continue;
        }
        let style = if number > 0 { style } else { PLAIN };
        let _ = writeln!(text, "  {} {style}{number:>wide$}{style:#}", pad(word, 12));
    }
    let (tracks, credits) = (counts::tracks(summary), counts::credits(summary));
    let _ = writeln!(text, "\n{tracks}; {credits}");

    let attention: Vec<String> = summary.jobs.iter().filter_map(attention).collect();
    if !attention.is_empty() {
        let _ = write!(text, "\n{CARE}Needs attention{CARE:#}\n");
        text.extend(attention.iter().take(MAX_LISTED).map(String::as_str));
        left_out(
            &mut text,
            attention.len().saturating_sub(MAX_LISTED),
            "more job",
        );
    }
    for list in [unverified(summary), bought_again(summary), charges(summary)] {
        if !list.is_empty() {
            let _ = write!(text, "\n{list}");
        }
    }
    let unbought: Vec<String> = summary.jobs.iter().filter_map(unbought).collect();
    if !unbought.is_empty() {
        let _ = write!(text, "\nNot bought\n");
        text.extend(unbought.iter().take(MAX_LISTED).map(String::as_str));
        let more = unbought.len().saturating_sub(MAX_LISTED);
        left_out(&mut text, more, "more job");
    }
    if totals.in_doubt > 0 {
        let _ = write!(
            text,
            "\n{}Resolve a job in doubt by one of\n{}",
            evidence_text(&summary.evidence),
            resolving(summary)
        );
    }
    text
}

/// A status that fits a window: lines are cut to its columns, and the lists at the end to its rows.
pub fn fitted(text: &str, size: Size) -> String {
    let plain = anstream::adapter::strip_str(text).to_string();
    let rows = usize::from(size.rows).saturating_sub(2).max(1);
    let columns = usize::from(size.columns).max(1);
    let all = plain.lines().count();
    let shown = if all > rows {
        rows.saturating_sub(1)
    } else {
        all
    };
    let mut fitted: String = plain
        .lines()
        .take(shown)
        .map(|line| format!("{}\n", fit(line, columns)))
        .collect();
    if all > shown {
        let _ = writeln!(
            fitted,
            "{}",
            fit(
                &format!(
                    "and {} more lines; run the command without --watch",
                    all - shown
                ),
                columns
            )
        );
    }
    fitted
}

/// A job that is not bought, and why, where that is known.
fn unbought(job: &JobSummary) -> Option<String> {
    if job.state != JobStatus::Planned {
        return None;
    }
    let why = match job.error {
        Some(_) => format!("  {}", said(job.error_code, job.error.as_deref()?)),
        None => String::new(),
    };
    Some(format!("  {}  {}{why}\n", short(&job.key), label(job)))
}

fn head(summary: &Summary, life: Life) -> String {
    let run = &summary.run;
    let time = |unix_ms| rfc3339(unix_ms).unwrap_or_else(|| "at an unknown time".to_owned());
    let end = match (life, run.ended_ms) {
        (_, Some(ended_ms)) => format!("ended {}", time(ended_ms)),
        (Life::GoesOn { process: None }, None) => "is running".to_owned(),
        (Life::GoesOn { process: Some(it) }, None) => format!("is running in process {it}"),
        (Life::Ended | Life::Dead, None) => {
            format!("{CARE}died before its end{CARE:#}: the same command resumes it")
        }
    };
    format!(
        "{} with {}, run {}\nstarted {}, {end}\nthis run: {}\n\n",
        clean(&run.manifest),
        clean(&run.provider),
        clean(&run.id),
        time(run.started_ms),
        counts::this_run(&summary.this_run, &summary.totals),
    )
}

/// What needs a person's attention about a job; none when all is well with it.
fn attention(job: &JobSummary) -> Option<String> {
    let state = match job.state {
        JobStatus::Failed => format!("{BAD}failed{BAD:#}  "),
        JobStatus::InDoubt => format!("{CARE}in doubt{CARE:#}"),
        JobStatus::Vetoed => format!("{CARE}vetoed{CARE:#}  "),
        JobStatus::Partial => format!("{CARE}partial{CARE:#} "),
        _ if job.tracks.iter().any(|track| track.problem.is_some()) => {
            format!("{CARE}unkept{CARE:#}  ")
        }
        _ if job.error.is_some() && job.state != JobStatus::Planned => {
            format!("{CARE}waiting{CARE:#} ")
        }
        _ => return None,
    };
    let mut text = format!("  {}  {state}  {}\n", short(&job.key), label(job));
    if job.state == JobStatus::Partial {
        let _ = writeln!(text, "      {}", kept_of_shown(job));
    }
    if matches!(
        job.state,
        JobStatus::Failed | JobStatus::InDoubt | JobStatus::Vetoed
    ) || job.error.is_some()
    {
        let _ = writeln!(
            text,
            "      {}",
            said(job.error_code, job.error.as_deref().unwrap_or_default())
        );
        text.push_str(&response_lines(job));
    }
    for track in &job.tracks {
        let Some(problem) = &track.problem else {
            continue;
        };
        let until = track
            .expires_ms
            .and_then(rfc3339)
            .map(|time| format!(" (the provider keeps it until {time})"));
        let _ = writeln!(
            text,
            "      track {}: {}{}",
            track.index,
            words(problem),
            until.unwrap_or_default()
        );
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use backline_engine::summary::Totals;

    use super::*;
    use crate::example;

    #[test]
    fn the_status_of_a_run() {
        insta::assert_snapshot!(
            anstream::adapter::strip_str(&status_text(&example::summary(), Life::Ended))
                .to_string()
        );
    }

    #[test]
    fn a_track_that_was_not_fetched_needs_attention_while_it_is_there() {
        let mut summary = example::summary();
        summary.jobs.truncate(1);
        summary.totals = Totals {
            jobs: 1,
            in_progress: 1,
            tracks: 1,
            credits: 12.0,
            ..Totals::default()
        };
        summary.jobs[0].state = JobStatus::Finished;
        summary.jobs[0].tracks[1].problem = Some("the file ends in the middle".to_owned());
        summary.jobs[0].tracks[1].file = None;
        insta::assert_snapshot!(
            anstream::adapter::strip_str(&status_text(&summary, Life::Ended)).to_string()
        );
    }

    #[test]
    fn a_run_that_was_killed_is_told_from_one_that_goes_on() {
        let mut summary = example::summary();
        summary.run.ended_ms = None;
        for (life, said) in [
            (
                Life::Dead,
                "died before its end: the same command resumes it\n",
            ),
            (Life::GoesOn { process: None }, ", is running\n"),
            (
                Life::GoesOn { process: Some(17) },
                ", is running in process 17\n",
            ),
        ] {
            let text = anstream::adapter::strip_str(&status_text(&summary, life)).to_string();
            assert!(text.contains(said), "{text}");
        }
    }

    #[test]
    fn what_is_not_bought_is_listed_with_what_was_said_of_it() {
        let mut summary = example::summary();
        summary.jobs.truncate(2);
        for job in &mut summary.jobs {
            job.state = JobStatus::Planned;
        }
        summary.jobs[1].error = Some("Rate limit".to_owned());
        summary.jobs[1].error_code = Some(405);
        let text = anstream::adapter::strip_str(&status_text(&summary, Life::Dead)).to_string();
        let (_, listed) = text.split_once("\nNot bought\n").unwrap();
        let lines: Vec<&str> = listed.lines().take_while(|line| !line.is_empty()).collect();
        assert_eq!(lines.len(), 2, "{text}");
        assert!(
            lines[0].ends_with("chorus × lofi [model=V5] take 1"),
            "{text}"
        );
        assert!(
            lines[1].ends_with("chorus × lofi [model=V5] take 2  405: Rate limit"),
            "{text}"
        );
    }

    #[test]
    fn a_status_fits_its_window() {
        let mut summary = example::summary();
        summary.jobs = vec![summary.jobs[2].clone(); 40];
        let text = status_text(&summary, Life::Ended);
        for (columns, rows) in [(80, 24), (40, 10), (20, 4)] {
            let fitted = fitted(&text, Size { columns, rows });
            assert!(fitted.lines().count() < usize::from(rows), "{fitted}");
            let widest = fitted.lines().map(crate::text::columns).max().unwrap();
            assert!(widest <= usize::from(columns), "{fitted}");
        }
        assert!(
            fitted(
                &text,
                Size {
                    columns: 80,
                    rows: 24
                }
            )
            .contains("more lines")
        );
    }

    #[test]
    fn the_list_is_bounded() {
        let mut summary = example::summary();
        summary.jobs = vec![summary.jobs[2].clone(); 1_000];
        let text = status_text(&summary, Life::Ended);
        assert!(text.contains("and 950 more jobs"), "{text}");
        assert!(text.lines().count() < 130);
    }
}
