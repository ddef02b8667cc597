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
//!          piano  lofi
//! verse    ====   >>!
//! chorus   ====   =!?
//!
//! = kept, > in progress, ! failed, ? in doubt
//!
//! 36 tracks kept in tracks; credits: 72 spent by this run, 264 by all runs
//! ```

use std::fmt::Write as _;

use anstyle::Style;
use backline_engine::status::{JobStatus, Sign};
use backline_engine::summary::{JobSummary, Summary};
use indexmap::IndexMap;

use crate::closing::{
    bought_again, charges, label, push_omitted, resolving, response_lines, short_key, unverified,
};
use crate::counts;
use crate::evidence::evidence_text;
use crate::grid::{GridJob, grid};
use crate::live::Size;
use crate::printable::clean;
use crate::sign::{sign, tracks_kept, unkept_part};
use crate::style::{ERROR, PLAIN, SUCCESS, WARNING};
use crate::text::{excerpt, failure_text, fit, pad, rfc3339};

/// The state of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunState {
    /// It has ended, with an outcome.
    Ended,
    /// A process executes it.
    Active {
        /// The process id, where it is known.
        process: Option<u32>,
    },
    /// It has not ended, and no process executes it: it was killed, or the machine stopped.
    Killed,
}

impl RunState {
    /// Its name in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ended => "ended",
            Self::Active { .. } => "goes_on",
            Self::Killed => "dead",
        }
    }
}

/// How a status is shown.
#[derive(Debug, Clone, Copy, Default)]
pub struct View {
    /// The width of the output; none where it has none.
    pub columns: Option<u16>,
    /// Whether every job is listed, instead of a grid.
    pub jobs: bool,
}

/// Widest state: `changed, not bought`.
const STATE_COLUMNS: usize = 19;

/// Most jobs of the list of all jobs: past it nobody reads on.
const MAX_JOBS: usize = 1_000;

/// Most jobs of a list: what a person goes through one by one.
const MAX_LISTED: usize = 50;

/// A run's state, for people: a table of counts, the jobs as a grid where it fits, then the jobs that failed, are in doubt, or have
/// tracks that could not be fetched, then those that were refused and can be bought still, in plan order. Ends in a line break.
pub fn status_text(summary: &Summary, state: RunState, view: View) -> String {
    let mut text = head(summary, state);
    let totals = &summary.totals;
    let rows = [
        ("kept", totals.kept, SUCCESS),
        ("in progress", totals.in_progress, PLAIN),
        ("to fetch", totals.to_fetch, PLAIN),
        ("not bought", totals.planned, PLAIN),
        ("failed", totals.failed, ERROR),
        ("partial", totals.partial, WARNING),
        ("in doubt", totals.in_doubt, WARNING),
        ("vetoed", totals.vetoed, WARNING),
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
    text.push_str(&if view.jobs {
        listed(summary)
    } else {
        cells(summary, view)
    });
    let (tracks, credits) = (counts::tracks(summary), counts::credits(summary));
    let _ = writeln!(text, "\n{tracks}; {credits}");

    let attention: Vec<String> = summary.jobs.iter().filter_map(attention).collect();
    if !attention.is_empty() {
        let _ = write!(text, "\n{WARNING}Needs attention{WARNING:#}\n");
        text.extend(attention.iter().take(MAX_LISTED).map(String::as_str));
        push_omitted(
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
        let _ = write!(text, "\nNot bought yet, because of\n");
        text.extend(unbought.iter().take(MAX_LISTED).map(String::as_str));
        let more = unbought.len().saturating_sub(MAX_LISTED);
        push_omitted(&mut text, more, "more job");
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

/// A job that is not bought for a reason that is known.
fn unbought(job: &JobSummary) -> Option<String> {
    let why = job.error.as_deref();
    let why = why.filter(|_| job.state == JobStatus::Planned)?;
    let why = failure_text(job.error_code, why);
    Some(format!(
        "  {}  {}  {why}\n",
        short_key(&job.key),
        label(job)
    ))
}

/// The style of a job's sign.
fn style(sign: Sign) -> Style {
    match sign {
        Sign::Kept => SUCCESS,
        Sign::Failed => ERROR,
        Sign::Partial | Sign::InDoubt | Sign::Vetoed | Sign::Expired => WARNING,
        Sign::InProgress | Sign::Fetch | Sign::Buy | Sign::Changed => PLAIN,
    }
}

/// The manifest's jobs as a grid, with what its signs mean; where it does not fit, how to list them.
fn cells(summary: &Summary, view: View) -> String {
    let jobs = summary.jobs.iter().filter(|job| job.in_manifest);
    let jobs: Vec<(&JobSummary, Sign)> = jobs.map(|job| (job, sign(job, &summary.run))).collect();
    let cells = jobs.iter().map(|(job, sign)| GridJob {
        stem: &job.stem,
        preset: &job.preset,
        sign: sign.symbol(),
        style: style(*sign),
    });
    match grid(cells, view.columns) {
        Some(grid) => {
            let signs: IndexMap<char, &str> = jobs
                .iter()
                .map(|(_, sign)| (sign.symbol(), sign.outcome()))
                .collect();
            let signs: Vec<String> = signs
                .iter()
                .map(|(sign, word)| format!("{sign} {word}"))
                .collect();
            format!("\n{grid}\n{}\n", signs.join(", "))
        }
        None if jobs.is_empty() => String::new(),
        None => "\n--jobs lists every job\n".to_owned(),
    }
}

/// Every job with its key, its sign and its state.
fn listed(summary: &Summary) -> String {
    let mut text = "\n".to_owned();
    for job in summary.jobs.iter().take(MAX_JOBS) {
        let sign = sign(job, &summary.run);
        let (style, state) = (style(sign), pad(sign.outcome(), STATE_COLUMNS));
        let earlier = match job.in_manifest {
            true => "",
            false => "  (earlier version)",
        };
        let _ = writeln!(
            text,
            "  {}  {style}{} {state}{style:#}  {}{earlier}",
            short_key(&job.key),
            sign.symbol(),
            label(job)
        );
    }
    let more = summary.jobs.len().saturating_sub(MAX_JOBS);
    push_omitted(&mut text, more, "more job");
    text
}

fn head(summary: &Summary, state: RunState) -> String {
    let run = &summary.run;
    let time = |unix_ms| rfc3339(unix_ms).unwrap_or_else(|| "at an unknown time".to_owned());
    let end = match (state, run.ended_ms) {
        (_, Some(ended_ms)) => format!("ended {}", time(ended_ms)),
        (RunState::Active { process: None }, None) => "is running".to_owned(),
        (RunState::Active { process: Some(it) }, None) => format!("is running in process {it}"),
        (RunState::Ended | RunState::Killed, None) => {
            format!("{WARNING}died before its end{WARNING:#}: the same command resumes it")
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
        JobStatus::Failed => format!("{ERROR}failed{ERROR:#}  "),
        JobStatus::InDoubt => format!("{WARNING}in doubt{WARNING:#}"),
        JobStatus::Vetoed => format!("{WARNING}vetoed{WARNING:#}  "),
        JobStatus::Partial => format!("{WARNING}partial{WARNING:#} "),
        _ if job.tracks.iter().any(|track| track.problem.is_some()) => {
            format!("{WARNING}unkept{WARNING:#}  ")
        }
        _ if job.error.is_some() && job.state != JobStatus::Planned => {
            format!("{WARNING}waiting{WARNING:#} ")
        }
        _ => return None,
    };
    let mut text = format!("  {}  {state}  {}\n", short_key(&job.key), label(job));
    if job.state == JobStatus::Partial {
        let _ = writeln!(text, "      {}", tracks_kept(job));
    }
    if matches!(
        job.state,
        JobStatus::Failed | JobStatus::InDoubt | JobStatus::Vetoed
    ) || job.error.is_some()
    {
        let _ = writeln!(
            text,
            "      {}",
            failure_text(job.error_code, job.error.as_deref().unwrap_or_default())
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
            "      {}: {}{}",
            unkept_part(track),
            excerpt(problem),
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
            anstream::adapter::strip_str(&status_text(
                &example::summary(),
                RunState::Ended,
                View::default()
            ))
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
            anstream::adapter::strip_str(&status_text(&summary, RunState::Ended, View::default()))
                .to_string()
        );
    }

    #[test]
    fn a_run_that_was_killed_is_told_from_one_that_goes_on() {
        let mut summary = example::summary();
        summary.run.ended_ms = None;
        for (state, said) in [
            (
                RunState::Killed,
                "died before its end: the same command resumes it\n",
            ),
            (RunState::Active { process: None }, ", is running\n"),
            (
                RunState::Active { process: Some(17) },
                ", is running in process 17\n",
            ),
        ] {
            let text = anstream::adapter::strip_str(&status_text(&summary, state, View::default()))
                .to_string();
            assert!(text.contains(said), "{text}");
        }
    }

    #[test]
    fn a_refusal_of_a_job_that_is_not_bought_yet_is_listed_and_the_rest_is_counted() {
        let mut summary = example::summary();
        summary.jobs.truncate(2);
        for job in &mut summary.jobs {
            job.state = JobStatus::Planned;
        }
        summary.jobs[1].error = Some("Rate limit".to_owned());
        summary.jobs[1].error_code = Some(405);
        let text =
            anstream::adapter::strip_str(&status_text(&summary, RunState::Killed, View::default()))
                .to_string();
        let (_, listed) = text.split_once("\nNot bought yet, because of\n").unwrap();
        let lines: Vec<&str> = listed.lines().take_while(|line| !line.is_empty()).collect();
        assert_eq!(lines.len(), 1, "{text}");
        assert!(
            lines[0].ends_with("chorus × lofi [model=V5] take 2  405: Rate limit"),
            "{text}"
        );
    }

    #[test]
    fn a_status_fits_its_window() {
        let mut summary = example::summary();
        summary.jobs = vec![summary.jobs[2].clone(); 40];
        let text = status_text(&summary, RunState::Ended, View::default());
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
        let text = status_text(&summary, RunState::Ended, View::default());
        assert!(text.contains("and 950 more jobs"), "{text}");
        assert!(text.lines().count() < 130);
    }

    #[test]
    fn forty_jobs_that_are_not_bought_are_a_grid_or_a_list_on_request() {
        let mut summary = example::summary();
        let mut model = summary.jobs[0].clone();
        (model.state, model.error) = (JobStatus::Planned, None);
        summary.jobs = (0..40)
            .map(|number| {
                let mut job = model.clone();
                job.stem = format!("song {}", number / 4).into();
                job.preset = format!("style {}", number % 4).into();
                job
            })
            .collect();
        summary.jobs[5].state = JobStatus::Kept;
        let text = |view| {
            let text = status_text(&summary, RunState::Ended, view);
            anstream::adapter::strip_str(&text).to_string()
        };
        let fits = text(View::default());
        assert!(
            fits.contains("\nsong 1  +        =        +        +\n"),
            "{fits}"
        );
        assert!(fits.contains("\n+ not bought, = kept\n"), "{fits}");
        assert!(fits.lines().count() < 40, "{fits}");
        let (columns, jobs) = (Some(30), false);
        let narrow = text(View { columns, jobs });
        assert!(
            narrow.contains("\n--jobs lists every job\n") && narrow.lines().count() < 30,
            "{narrow}"
        );
        let list = text(View {
            columns: None,
            jobs: true,
        });
        assert!(
            list.contains("  + not bought           song 9 × style 3 [model=V5] take 1\n"),
            "{list}"
        );
        assert_eq!(list.matches("not bought  ").count(), 40, "{list}");
    }
}
