//! What `backline status` shows: how many jobs are in which state, and the jobs that need a person.
//!
//! ```text
//! songs.yaml with studio, run 0193…
//! started 2026-01-05T12:00:00Z, ended 2026-01-05T12:06:30Z
//!
//!   kept          18
//!   in progress    2
//!   not bought     0
//!   failed         3
//!   in doubt       1
//!   jobs          24
//!
//! 36 tracks are kept in tracks, 264 credits spent
//! ```

use std::fmt::Write as _;

use backline_engine::summary::{JobStatus, JobSummary, Summary};

use crate::closing::{gains, label, left_out, resolving, short};
use crate::console::{BAD, CARE, GOOD, PLAIN, said};
use crate::text::{clean, pad, rfc3339, words};

/// Most jobs that are listed: what a person goes through one by one. The reports have all.
const MAX_LISTED: usize = 50;

/// A run's state, for people: a table of counts, then the jobs that failed, are in doubt, or have tracks that could not be
/// fetched, in plan order. Ends in a line break.
pub fn status_text(summary: &Summary) -> String {
    let mut text = head(summary);
    let totals = &summary.totals;
    let rows = [
        ("kept", totals.kept, GOOD),
        ("in progress", totals.in_progress, PLAIN),
        ("not bought", totals.planned, PLAIN),
        ("failed", totals.failed, BAD),
        ("in doubt", totals.in_doubt, CARE),
        ("jobs", totals.jobs, PLAIN),
    ];
    let wide = totals.jobs.to_string().len().max(4);
    for (word, number, style) in rows {
        let style = if number > 0 { style } else { PLAIN };
        let _ = writeln!(text, "  {} {style}{number:>wide$}{style:#}", pad(word, 12));
    }
    let _ = writeln!(text, "\n{}", gains(summary));

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
    if totals.in_doubt > 0 {
        let _ = write!(
            text,
            "\nA job in doubt is resolved by one of\n{}",
            resolving(summary)
        );
    }
    text
}

fn head(summary: &Summary) -> String {
    let run = &summary.run;
    let time = |unix_ms| rfc3339(unix_ms).unwrap_or_else(|| "at an unknown time".to_owned());
    let end = run.ended_ms.map_or_else(
        || "not ended".to_owned(),
        |ms| format!("ended {}", time(ms)),
    );
    format!(
        "{} with {}, run {}\nstarted {}, {end}\n\n",
        clean(&run.manifest),
        clean(&run.provider),
        clean(&run.id),
        time(run.started_ms),
    )
}

/// What a person has to know of a job; none when all is well with it.
fn attention(job: &JobSummary) -> Option<String> {
    let state = match job.state {
        JobStatus::Failed => format!("{BAD}failed{BAD:#}  "),
        JobStatus::InDoubt => format!("{CARE}in doubt{CARE:#}"),
        JobStatus::Vetoed => format!("{CARE}vetoed{CARE:#}  "),
        _ if job.tracks.iter().any(|track| track.problem.is_some()) => {
            format!("{CARE}unkept{CARE:#}  ")
        }
        _ => return None,
    };
    let mut text = format!("  {}  {state}  {}\n", short(&job.key), label(job));
    if matches!(
        job.state,
        JobStatus::Failed | JobStatus::InDoubt | JobStatus::Vetoed
    ) {
        let _ = writeln!(
            text,
            "      {}",
            said(job.error_code, job.error.as_deref().unwrap_or_default())
        );
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
            anstream::adapter::strip_str(&status_text(&example::summary())).to_string()
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
        insta::assert_snapshot!(anstream::adapter::strip_str(&status_text(&summary)).to_string());
    }

    #[test]
    fn the_list_is_bounded() {
        let mut summary = example::summary();
        summary.jobs = vec![summary.jobs[2].clone(); 1_000];
        let text = status_text(&summary);
        assert!(text.contains("and 950 more jobs"), "{text}");
        assert!(text.lines().count() < 130);
    }
}
